//! Entries that rotation cut: the end of one part of a log and the beginning of the next.
//!
//! Takes what two parts told, and the bytes at their ends; reads the one entry that goes across anew, in the place of
//! what its halves told. A container runtime rotates between the parts of a long line, `copytruncate` of logrotate in
//! the middle of any. Never joins a part to one that begins with an entry of its own.

use super::EventSet;
use super::entry::{self, Entry};
use super::envelope;
use super::read::{Finds, MAX_UNRECOGNISED};
use super::scan::{self, FileScan};
use crate::bundle::{Source, SourceIndex};

/// Bytes that are looked at on either side.
pub(super) const REACH: usize = 32 << 10;

/// Joins the parts of a log, oldest first.
pub(super) fn join(files: &mut [FileScan], sources: &[&Source], events: &EventSet) {
    for n in 1..files.len() {
        let Some([before, after]) = files.get_mut(n - 1..=n) else { return };
        if before.open.is_empty() {
            continue;
        }
        let next = sources.iter().find(|s| s.index == after.input.source);
        // a part that cannot be read again was told of when it was read first
        let Some(head) = next.and_then(|s| s.head(REACH).ok()).filter(|h| !h.is_empty()) else { continue };
        if let Some(seam) = Seam::of(before, &head) {
            seam.mend(before, after, events);
        }
    }
}

/// The bytes of an entry that goes across, and where the second part begins in them.
struct Seam {
    bytes: Vec<u8>,
    split: usize,
    /// Number of its first line in the first part.
    first: u64,
    /// A line itself was cut, not only an entry of several.
    in_line: bool,
}

impl Seam {
    fn of(before: &FileScan, head: &[u8]) -> Option<Self> {
        let in_line = !before.open.ends_with(b"\n");
        let line = head.split(|b| *b == b'\n').next().unwrap_or_default();
        if in_line && !envelope::peel(&String::from_utf8_lossy(line)).layers.is_empty() {
            return None; // an entry of its own
        }
        let mut bytes = before.open.clone();
        let split = bytes.len();
        bytes.extend_from_slice(head);
        let (number, start, end) = open_line(&before.open, before.lines, &bytes)?;
        let entry = Entry::at(&bytes, start, end, number);
        let &(first, from, _) = entry.lines.first()?;
        let to = (entry.end + 1).min(bytes.len());
        if to <= split {
            return None;
        }
        bytes.truncate(to);
        bytes.drain(..from);
        Some(Self { bytes, split: split - from, first, in_line })
    }

    /// Puts what the whole entry tells in the place of what its halves told.
    fn mend(&self, before: &mut FileScan, after: &mut FileScan, events: &EventSet) {
        let (one, two) = self.bytes.split_at(self.split);
        let (from, to) = (before.input.source, after.input.source);
        let read = |bytes: &[u8]| scan::whole(bytes, from, events);
        let (first, second, mut both) = (read(one), read(two), read(&self.bytes));
        before.seams.to = self.first;
        after.seams.from = second.lines;
        // lines of the second half count from its own first; of a line that was cut, the first half keeps the number
        let here = first.lines;
        let shift = u64::from(self.in_line);
        let place = |source: &mut SourceIndex, number: &mut u64| {
            (*source, *number) =
                if *number > here { (to, *number - here + shift) } else { (from, *number + self.first - 1) };
        };
        for line in both.hits.iter_mut().flat_map(|hit| &mut hit.lines).chain(&mut both.unrecognised_lines) {
            place(&mut line.source, &mut line.number);
        }
        recount(before, &first, |number| number < self.first);
        recount(after, &second, |number| number > second.lines);
        before.hits += both.hits.len() as u64;
        before.benign += both.benign;
        before.unrecognised += both.unrecognised;
        let room = MAX_UNRECOGNISED.saturating_sub(before.unrecognised_lines.len());
        before.unrecognised_lines.extend(both.unrecognised_lines.into_iter().take(room));
        before.seams.across = both.hits;
    }
}

/// Takes what a half told out of the counts of its part.
fn recount(file: &mut FileScan, half: &Finds, keeps: impl Fn(u64) -> bool) {
    file.hits = file.hits.saturating_sub(half.hits.len() as u64);
    file.benign = file.benign.saturating_sub(half.benign);
    file.unrecognised = file.unrecognised.saturating_sub(half.unrecognised);
    file.unrecognised_lines.retain(|line| keeps(line.number));
}

/// The line of `open` that is not over: one without an end, a part of one that the runtime cut, or of a value over
/// several lines. Its number, and its range within `bytes`, which begin with `open`.
fn open_line(open: &[u8], lines: u64, bytes: &[u8]) -> Option<(u64, usize, usize)> {
    let ends = |from: usize| memchr::memchr(b'\n', bytes.get(from..)?).map(|n| from + n);
    let last_end = open.strip_suffix(b"\n").unwrap_or(open);
    let (mut number, mut end) = (lines, last_end.len());
    loop {
        let start = memchr::memrchr(b'\n', open.get(..end)?).map_or(0, |n| n + 1);
        let line = entry::raw(open, start, end);
        let last = number == lines;
        if entry::goes_on(line) || (last && (!open.ends_with(b"\n") || entry::continues(line))) {
            return Some((number, start, ends(start).unwrap_or(bytes.len())));
        }
        number = number.checked_sub(1)?;
        end = start.checked_sub(1)?;
    }
}

/// The unfinished end of a window that is the last of its file, as far as it is kept.
pub(super) fn open_end(window: &[u8], whole: usize) -> Vec<u8> {
    let open = window.get(whole..).unwrap_or_default();
    if open.len() > REACH { Vec::new() } else { open.to_vec() }
}
