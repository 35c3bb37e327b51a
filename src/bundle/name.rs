//! Names of archive members made safe to show, and unique.
//!
//! Takes the bytes of a name; gives a relative path without `..`, without control characters and of bounded length.
//! Nothing is ever written under such a name; it is only shown and compared.

use std::collections::HashMap;

/// A member's name as it is shown.
#[derive(Debug)]
pub(super) struct Safe {
    pub(super) text: String,
    /// It tried to lead out of the archive.
    pub(super) escapes: bool,
    /// It was longer than any path that a system opens.
    pub(super) cut: bool,
}

/// A safe form of a member's name.
pub(super) fn safe(name: &[u8]) -> Safe {
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
    let text = up_to(&shown, MAX_NAME_BYTES).to_owned();
    Safe { escapes, cut: text.len() < shown.len(), text }
}

/// The beginning of a text, at most so many bytes.
fn up_to(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|n| text.is_char_boundary(*n));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

/// Characters that would rewrite a line: controls, and marks that turn the reading direction, take no room or end a line.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
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
pub(super) struct Names {
    given: HashMap<String, u32>,
    bytes: u64,
}

impl Names {
    /// A path as it can be kept: cut once those that were given take `most` bytes.
    pub(super) fn kept<'p>(&mut self, path: &'p str, most: u64) -> &'p str {
        let kept = if self.bytes < most { path } else { up_to(path, SHORT_BYTES) };
        self.bytes = self.bytes.saturating_add(kept.len() as u64);
        kept
    }

    /// A path that was not given before, and whether it had to be changed.
    pub(super) fn unique(&mut self, path: &str) -> (String, bool) {
        let mut candidate = path.to_owned();
        let mut changed = false;
        while self.given.contains_key(&candidate) {
            let count = self.given.entry(path.to_owned()).or_insert(1);
            *count += 1;
            candidate = format!("{path}#{count}");
            changed = true;
        }
        self.given.insert(candidate.clone(), 1);
        (candidate, changed)
    }
}

/// Bytes of a member's name that are kept; Linux opens no longer path.
pub(super) const MAX_NAME_BYTES: usize = 4096;
/// Bytes that a path keeps where the paths of all files take too many.
pub(super) const SHORT_BYTES: usize = 128;
