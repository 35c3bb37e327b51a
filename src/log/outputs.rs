//! Where entries begin and end in what journalctl prints: `-o export` and `-o verbose`.
//!
//! Takes the text window after window; gives the places as items. What stands within a field begins no entry; lines that
//! are no fields end one. Reads no values.

use memchr::memchr;

use super::items::{self, Item};
use super::stamp;

/// A walk through `journalctl -o export`: fields one a line, those with line ends in them behind their length, an empty
/// line between entries (systemd.io/JOURNAL_EXPORT_FORMATS).
#[derive(Debug, Default)]
pub(super) struct Export {
    /// Bytes of a field that are still to come.
    left: usize,
    /// Lines of text stand behind the last empty line.
    in_text: bool,
}

impl Export {
    pub(super) fn walk(&mut self, text: &[u8], base: usize, is_last: bool, found: &mut Vec<Item>) -> usize {
        let mut at = 0;
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            if self.left > 0 {
                let taken = self.left.min(rest.len());
                self.left -= taken;
                at += taken;
                continue;
            }
            let Some(end) = memchr(b'\n', rest).or(is_last.then_some(rest.len())) else { break };
            let (line, behind) = rest.split_at(end);
            let behind = behind.get(1..).unwrap_or_default();
            let is_open = found.last().is_some_and(|item| item.end.is_none());
            if is_open && is_name(line) {
                let Some((length, _)) = behind.split_first_chunk::<8>() else { break };
                let length = usize::try_from(u64::from_le_bytes(*length)).ok().filter(|n| *n <= MAX_FIELD);
                if let Some(length) = length {
                    self.left = length + 1;
                    at += end + 1 + 8;
                    continue;
                }
            }
            let next = at + end + 1;
            if line.is_empty() {
                items::end(base + next, found);
                self.in_text = false;
            } else if field_name(line).is_none() {
                items::end(base + at, found);
                self.in_text |= !line.starts_with(b"-- ");
            } else if !is_open && !self.in_text || line.starts_with(b"__CURSOR=") {
                items::begin(base + at, found);
                self.in_text = false;
            }
            at = next;
        }
        at.min(text.len())
    }
}

/// Bytes of a field (`DATA_SIZE_MAX` of journald).
const MAX_FIELD: usize = 768 << 20;

/// `NAME` of a line `NAME=value`.
pub(super) fn field_name(line: &[u8]) -> Option<&[u8]> {
    let len = line.iter().position(|b| !is_of_name(*b))?;
    (len > 0 && len <= MAX_NAME && line.get(len) == Some(&b'=')).then(|| line.get(..len))?
}

/// A line before the length of a field.
fn is_name(line: &[u8]) -> bool {
    !line.is_empty() && line.len() <= MAX_NAME && line.iter().all(|b| is_of_name(*b))
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_'
}

const MAX_NAME: usize = 64;

/// Goes through lines of `journalctl -o verbose`: an entry begins with its time, and all else of it is indented.
pub(super) fn verbose(text: &[u8], base: usize, is_last: bool, found: &mut Vec<Item>) -> usize {
    let mut walked = 0;
    for (at, line) in items::whole_lines(text, is_last) {
        if is_verbose_head(line) {
            items::begin(base + at, found);
        } else if !line.starts_with(b" ") && line != b"\n" {
            items::end(base + at, found);
        }
        walked = at + line.len();
    }
    walked
}

/// `Sat 2026-11-21 02:26:23.117858 UTC [s=…;i=1;…]`.
pub(super) fn is_verbose_head(line: &[u8]) -> bool {
    stamp::weekday_first(line)
        .is_some_and(|(_, taken, _)| line.get(taken..).is_some_and(|rest| rest.starts_with(b" [s=")))
}

#[cfg(test)]
mod tests {
    use super::items::Walker;
    use super::items::tests::found;
    use super::*;

    /// A process that dumps core has its environment in a field of the entry, line ends and all.
    #[test]
    fn no_entry_of_a_journal_begins_within_a_field() {
        let forged = "A=\n\n__CURSOR=s=2\nMESSAGE=n\n\n";
        let length = |n: usize| String::from_utf8((n as u64).to_le_bytes().to_vec()).unwrap();
        let one = format!("__CURSOR=s=1\nCOREDUMP_ENVIRON\n{}{forged}\nMESSAGE=m\n\n", length(forged.len()));
        let two = "__CURSOR=s=3\nMESSAGE=o\n";
        let (first, second) = (Some(&*one), Some(two));
        for (text, want) in [
            (format!("{one}{two}"), vec![first, second]),
            (
                format!("-- Logs begin\n{one}W1121 a\n\nB=1\nERROR\nW1121 aa\nB=1\n"),
                vec![first, Some("B=1\n")],
            ),
            (
                format!("{two}W1121 a\nB=1\n{two}\n{one}"),
                vec![second, Some("__CURSOR=s=3\nMESSAGE=o\n\n"), first],
            ),
        ] {
            assert_eq!(found(|| Walker::Export(Export::default()), &text), want, "{text:?}");
        }
    }

    #[test]
    fn entries_of_verbose_are_what_is_indented() {
        let one = "Sat 2026-11-21 02:24:47.529354 UTC [s=1;i=2]\n    MESSAGE=m\n            n\n";
        let two = one.replace('m', "o");
        let text = format!("-- Logs begin\n{one}{two}W1121 a\n    MESSAGE=m\n{one}");
        assert_eq!(found(|| Walker::Verbose, &text), [Some(one), Some(&two), Some(one)]);
    }
}
