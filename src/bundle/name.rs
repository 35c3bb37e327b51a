//! Names of archive members made safe to show, and unique.
//!
//! Takes the bytes of a name; gives a relative path without `..`, without control characters and of bounded length.
//! Nothing is ever written under such a name; it is only shown and compared.

use std::collections::HashMap;

/// A safe form of a member's name, and whether the name tried to lead out of the archive.
pub(super) fn safe(name: &[u8]) -> (String, bool) {
    let text = String::from_utf8_lossy(name).replace('\\', "/");
    let mut escapes = text.starts_with('/') || text.chars().nth(1) == Some(':');
    let mut parts = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => escapes = true,
            part => parts.push(part),
        }
    }
    let shown: String = parts.join("/").chars().map(|c| if is_hidden(c) { '\u{fffd}' } else { c }).collect();
    let end = shown.char_indices().nth(MAX_NAME_CHARS).map_or(shown.len(), |(at, _)| at);
    (shown.get(..end).unwrap_or_default().to_owned(), escapes)
}

/// Characters that would rewrite a line: controls, and marks that turn the reading direction.
fn is_hidden(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether the target of a link, seen from the member that holds it, lies outside the archive.
pub(super) fn leads_out(member: &str, target: &[u8]) -> bool {
    let target = String::from_utf8_lossy(target);
    if target.starts_with('/') {
        return true;
    }
    let mut depth = member.matches('/').count();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => match depth.checked_sub(1) {
                Some(up) => depth = up,
                None => return true,
            },
            _ => depth += 1,
        }
    }
    false
}

/// Gives each path once: a later one of the same name becomes `name#2`.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<String, u32>);

impl Names {
    /// A path that was not given before, and whether it had to be changed.
    pub(super) fn unique(&mut self, path: &str) -> (String, bool) {
        let mut candidate = path.to_owned();
        let mut changed = false;
        while self.0.contains_key(&candidate) {
            let count = self.0.entry(path.to_owned()).or_insert(1);
            *count += 1;
            candidate = format!("{path}#{count}");
            changed = true;
        }
        self.0.insert(candidate.clone(), 1);
        (candidate, changed)
    }
}

/// Characters of a name that are shown.
const MAX_NAME_CHARS: usize = 4096;
