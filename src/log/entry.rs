//! A line with those that belong to it: multi-line values, continuations, lines that a runtime cut.
//!
//! Takes the bytes around a line that was hit; gives the lines of its entry. Never reads what they say.

use memchr::{memchr, memrchr};

use super::envelope;

/// Lines that one entry may have.
const MAX_ENTRY_LINES: usize = 64;

/// A line with those that belong to it.
pub(super) struct Entry<'p> {
    pub piece: &'p [u8],
    /// Range of the line that was hit, without its end.
    pub hit: (usize, usize),
    pub number: u64,
    /// Lines from the first of the entry to its last: number, start, end.
    pub lines: Vec<(u64, usize, usize)>,
    pub end: usize,
}

impl<'p> Entry<'p> {
    /// Finds the entry that the line belongs to: back to the head of a multi-line value, and on to its end.
    pub(super) fn at(piece: &'p [u8], start: usize, end: usize, number: u64) -> Self {
        let mut entry = Self { piece, hit: (start, end), number, lines: vec![(number, start, end)], end };
        let raw = entry.raw(start, end);
        // a continuation under a journal's header follows its colon: `ident[pid]: <TAB>text`
        let tabbed = memchr(b'\t', raw).is_some_and(|n| {
            raw.get(n.saturating_sub(3)..n).is_some_and(|h| h == b"]: " || h.ends_with(b"F "))
        });
        let continues = tabbed || continuation(entry.text(start, end));
        if continues {
            entry.back();
        }
        let open = entry.lines.first().is_some_and(|&(_, s, e)| entry.raw(s, e).ends_with(b"=<"));
        if open {
            entry.forward();
        } else if !continues && partial(entry.raw(start, end)) {
            entry.join_partial();
        } else if continues {
            entry.lines.retain(|&(n, ..)| n == number);
        }
        entry
    }

    pub(super) fn raw(&self, start: usize, end: usize) -> &'p [u8] {
        raw(self.piece, start, end)
    }

    fn text(&self, start: usize, end: usize) -> &'p str {
        // only the shape is asked of it here: what is not UTF-8 is no continuation
        std::str::from_utf8(self.raw(start, end)).unwrap_or_default()
    }

    /// Lines back to the nearest that opens a multi-line value.
    fn back(&mut self) {
        let (mut number, mut start) = (self.number, self.hit.0);
        for _ in 0..MAX_ENTRY_LINES {
            if start == 0 {
                break;
            }
            let end = start - 1;
            start = memrchr(b'\n', self.piece.get(..end).unwrap_or_default()).map_or(0, |n| n + 1);
            number = number.saturating_sub(1);
            self.lines.insert(0, (number, start, end));
            let line = self.raw(start, end);
            if line.ends_with(b"=<") {
                return;
            }
        }
        self.lines.drain(..self.lines.len().saturating_sub(1));
    }

    /// Lines on to the one that closes a multi-line value.
    fn forward(&mut self) {
        for _ in 0..MAX_ENTRY_LINES {
            let Some(&(number, _, last)) = self.lines.last() else { return };
            let Some((start, end)) = self.line_after(last) else { return };
            self.lines.push((number + 1, start, end));
            self.end = end;
            let peeled = envelope::peel(self.text(start, end));
            if peeled.message.starts_with(" >") {
                return;
            }
        }
    }

    fn line_after(&self, end: usize) -> Option<(usize, usize)> {
        let start = end + 1;
        let rest = self.piece.get(start..).filter(|r| !r.is_empty())?;
        Some((start, memchr(b'\n', rest).map_or(self.piece.len(), |n| start + n)))
    }

    /// CRI lines that the runtime cut: on to the first that is whole.
    fn join_partial(&mut self) {
        for _ in 0..MAX_ENTRY_LINES {
            let Some(&(number, s, e)) = self.lines.last() else { return };
            if !partial(self.raw(s, e)) {
                return;
            }
            let Some((start, end)) = self.line_after(e) else { return };
            self.lines.push((number + 1, start, end));
            self.end = end;
        }
    }
}

/// The line at `start..end` without a carriage return.
pub(super) fn raw(piece: &[u8], start: usize, end: usize) -> &[u8] {
    let line = piece.get(start..end).unwrap_or_default();
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// `2026-11-21T02:24:45.699082123Z stderr P …`.
fn partial(line: &[u8]) -> bool {
    let head = line.get(..line.len().min(48)).unwrap_or_default();
    head.first().is_some_and(u8::is_ascii_digit)
        && [&b" stderr P "[..], b" stdout P "].iter().any(|tag| memchr::memmem::find(head, tag).is_some())
}

fn continuation(line: &str) -> bool {
    line.starts_with('\t')
        || (line.as_bytes().first().is_some_and(|b| !b.is_ascii_graphic()) && !line.starts_with('['))
}
