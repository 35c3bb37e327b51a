//! A line with those that belong to it: multi-line values, continuations, lines that a runtime cut.
//!
//! Takes the bytes around a line that was hit; gives the lines of its entry. Never reads what they say.

use std::borrow::Cow;

use memchr::{memchr, memmem, memrchr};

use super::{denial, envelope};

/// Lines that one entry may have.
pub(super) const MAX_ENTRY_LINES: usize = 64;

/// A line with those that belong to it.
pub(super) struct Entry<'p> {
    pub piece: &'p [u8],
    /// Range of the line that was hit, without its end.
    pub hit: (usize, usize),
    pub number: u64,
    /// Lines from the first of the entry to its last, as they were written: number, start, end.
    pub lines: Vec<(u64, usize, usize)>,
    pub end: usize,
    /// It goes on beyond the lines that are read.
    pub cut: bool,
}

impl<'p> Entry<'p> {
    /// Finds the entry that the line belongs to: back to the head of a multi-line value, and on to its end.
    pub(super) fn at(piece: &'p [u8], start: usize, end: usize, number: u64) -> Self {
        let mut entry =
            Self { piece, hit: (start, end), number, lines: vec![(number, start, end)], end, cut: false };
        let raw = entry.raw(start, end);
        // a continuation under the header of a journal, of CRI or of `kubectl logs --prefix` follows it at once
        let tabbed = memchr(b'\t', raw).is_some_and(|n| {
            raw.get(n.saturating_sub(3)..n)
                .is_some_and(|h| h == b"]: " || h.ends_with(b"] ") || h.ends_with(b"F "))
        });
        let continues = tabbed || continuation(entry.text(start, end));
        if (continues || raw.ends_with(b"=<")) && entry.turned() {
            entry.gather_turned();
            return entry;
        }
        if continues {
            entry.back();
        }
        let open = entry.lines.first().is_some_and(|&(_, s, e)| entry.opens(s, e));
        if open {
            entry.forward();
        } else if !continues && denial::goes_on(raw) {
            entry.gather_quoted();
        } else if !continues && let Some(stream) = stream(raw) {
            entry.join_partial(stream);
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
            let Some((before, end)) = self.line_before(start) else { break };
            (number, start) = (number.saturating_sub(1), before);
            self.lines.insert(0, (number, start, end));
            if self.opens(start, end) {
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
            if self.message(start, end).starts_with(" >") {
                return;
            }
        }
        self.cut = true;
    }

    /// Whether the entry stands last line first (`journalctl -r`): going up, the line that closes a value comes before
    /// one that opens it. The line that opens it says so only with lines of its value above it and none below.
    fn turned(&self) -> bool {
        let (mut start, end) = self.hit;
        let opens = self.opens(start, end);
        if opens && self.line_after(end).is_some_and(|(s, e)| self.message(s, e).starts_with('\t')) {
            return false;
        }
        for _ in 0..MAX_ENTRY_LINES {
            let Some((before, end)) = self.line_before(start) else { return false };
            let message = self.message(before, end);
            if message.starts_with(" >") {
                return true;
            }
            if self.opens(before, end) || (opens && !message.starts_with('\t')) {
                return false;
            }
            start = before;
        }
        false
    }

    /// Lines of a turned entry in the order in which they were written: from the one below that opens the value up to
    /// the one that closes it.
    fn gather_turned(&mut self) {
        let (mut number, mut start) = (self.number, self.hit.0);
        while let Some((before, end)) = self.line_before(start).filter(|_| self.lines.len() < MAX_ENTRY_LINES)
        {
            (number, start) = (number.saturating_sub(1), before);
            self.lines.push((number, start, end));
            if self.message(start, end).starts_with(" >") {
                break;
            }
        }
        let (mut number, mut last) = (self.number, self.hit);
        while !self.opens(last.0, last.1) {
            let below = self.line_after(last.1).filter(|_| self.lines.len() < 2 * MAX_ENTRY_LINES);
            let Some(below) = below else {
                self.lines.retain(|&(n, ..)| n == self.number);
                return;
            };
            (number, last) = (number + 1, below);
            self.lines.insert(0, (number, below.0, below.1));
        }
        self.end = last.1;
    }

    /// Lines of a webhook's own words behind a denial: whatever they quote belongs to the denial.
    fn gather_quoted(&mut self) {
        let (mut number, (start, mut last)) = (self.number, self.hit);
        let head = envelope::peel(self.text(start, last));
        for _ in 0..MAX_ENTRY_LINES {
            let Some((start, end)) = self.line_after(last) else { return };
            let line = envelope::peel(self.text(start, end));
            let cut = std::str::from_utf8(self.raw(start, end)).is_err();
            if cut || !denial::quotes(&head, &line) {
                return;
            }
            (number, last) = (number + 1, end);
            self.lines.push((number, start, end));
            self.end = end;
        }
    }

    fn opens(&self, start: usize, end: usize) -> bool {
        self.raw(start, end).ends_with(b"=<")
    }

    fn message(&self, start: usize, end: usize) -> Cow<'p, str> {
        envelope::peel(self.text(start, end)).message
    }

    fn line_before(&self, start: usize) -> Option<(usize, usize)> {
        let end = start.checked_sub(1)?;
        let before = memrchr(b'\n', self.piece.get(..end).unwrap_or_default());
        Some((before.map_or(0, |n| n + 1), end))
    }

    fn line_after(&self, end: usize) -> Option<(usize, usize)> {
        let start = end + 1;
        let rest = self.piece.get(start..).filter(|r| !r.is_empty())?;
        Some((start, memchr(b'\n', rest).map_or(self.piece.len(), |n| start + n)))
    }

    /// Lines of one stream that the runtime cut: back to the first part, and on to the first line that is whole.
    /// Lines of the other stream may stand between them.
    fn join_partial(&mut self, of: Stream) {
        let (mut number, mut start) = (self.number, self.hit.0);
        for _ in 0..MAX_ENTRY_LINES {
            let Some((before, end)) = self.line_before(start) else { break };
            (number, start) = (number.saturating_sub(1), before);
            let line = self.raw(start, end);
            if stream(line) != Some(of) {
                continue;
            }
            if !partial(line) {
                break;
            }
            self.lines.insert(0, (number, start, end));
        }
        let (mut number, (mut s, mut e)) = (self.number, self.hit);
        let mut open = partial(self.raw(s, e));
        for _ in 0..MAX_ENTRY_LINES {
            let Some(next) = self.line_after(e).filter(|_| open) else { return };
            (number, (s, e)) = (number + 1, next);
            if stream(self.raw(s, e)) == Some(of) {
                self.lines.push((number, s, e));
                self.end = e;
                open = partial(self.raw(s, e));
            }
        }
        self.cut = open;
    }
}

/// Which of a container's two streams a line is of.
#[derive(Clone, Copy, PartialEq)]
enum Stream {
    Out,
    Err,
}

/// The stream that CRI or docker's json-file names.
fn stream(line: &[u8]) -> Option<Stream> {
    let (place, [out, err]) = match line.first()? {
        b'0'..=b'9' => (line.get(..line.len().min(48))?, [&b" stdout "[..], b" stderr "]),
        b'{' if line.starts_with(DOCKER) => (line, [&b"\"stream\":\"stdout\""[..], b"\"stream\":\"stderr\""]),
        _ => return None,
    };
    if memmem::find(place, err).is_some() {
        return Some(Stream::Err);
    }
    memmem::find(place, out).map(|_| Stream::Out)
}

const DOCKER: &[u8] = b"{\"log\":\"";

/// The line at `start..end` without a carriage return.
pub(super) fn raw(piece: &[u8], start: usize, end: usize) -> &[u8] {
    let line = piece.get(start..end).unwrap_or_default();
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// `2026-11-21T02:24:45.699082123Z stderr P …`, or `{"log":"…","stream":…` without a line end in its text.
fn partial(line: &[u8]) -> bool {
    if line.starts_with(DOCKER) {
        return memmem::find(line, b"\\n\",\"stream\"").is_none();
    }
    let head = line.get(..line.len().min(48)).unwrap_or_default();
    head.first().is_some_and(u8::is_ascii_digit)
        && [&b" stderr P "[..], b" stdout P "].iter().any(|tag| memmem::find(head, tag).is_some())
}

/// The entry of this line is not over with it: the runtime cut the line, or it opens a value over several lines.
pub(super) fn goes_on(line: &[u8]) -> bool {
    partial(line) || line.ends_with(b"=<")
}

/// The line stands within a value over several lines.
pub(super) fn continues(line: &[u8]) -> bool {
    std::str::from_utf8(line).is_ok_and(continuation)
}

fn continuation(line: &str) -> bool {
    line.starts_with('\t')
        || (line.as_bytes().first().is_some_and(|b| !b.is_ascii_graphic()) && !line.starts_with('['))
}
