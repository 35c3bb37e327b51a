//! Reads a log's bytes and finds the entries that matter.
//!
//! Takes a source; gives its [`Hit`]s in file order, the stamps of its head and tail, and its counts. Windows are cut
//! at entry ends and scanned in parallel pieces; one search over short triggers decides which lines are parsed, so that
//! memory depends on the hits and not on the bytes. Never resolves times and never joins entries.

use std::io::Read;

use memchr::{memchr, memchr_iter, memrchr};
use rayon::prelude::*;

use super::block_scan;
use super::blocks::Framing;
use super::entry::{self, Entry};
use super::envelope::{self, Peeled};
use super::journal::JournalText;
use super::memory::Memory;
use super::read::{self, Finds, Hit, MAX_LINE, MAX_UNRECOGNISED};
use super::version;
use super::{EventSet, LogLine, grammar, seam};
use crate::bundle::{InputReport, Source, SourceIndex, SourceKind};
use crate::error::Place;
use crate::time::Timestamp;

/// Bytes read before they are scanned.
const WINDOW: usize = 1 << 20;
/// Bytes that a window without a line end may grow to.
const MAX_WINDOW: usize = 16 << 20;
/// Bytes of one parallel piece.
const PIECE: usize = 256 << 10;
/// Lines of the head and of the tail of a file whose stamps are kept.
const SAMPLE_LINES: usize = 48;
/// Failures kept of one file (some 300 bytes each); what lies beyond is counted and said to be left out.
const MAX_HITS: usize = 2_000_000;

/// What one file held.
#[derive(Debug)]
pub(super) struct FileScan {
    pub input: InputReport,
    /// When it was last written, as far as that is known.
    pub written: Option<Timestamp>,
    pub lines: u64,
    /// In file order, as they were found: many short lists, so that each can go when it is worked off.
    pub hits: Vec<Vec<Hit>>,
    /// How many those are.
    kept: usize,
    /// Stamps and layers of lines of the head, then of the tail.
    pub head: Vec<Peeled<'static>>,
    pub tail: Vec<Peeled<'static>>,
    /// The bytes of an entry at its end that is not over: the next part of a rotated log may have the rest.
    pub open: Vec<u8>,
    /// Lines of the first window in which a component states its version.
    pub starts: Vec<Peeled<'static>>,
    pub benign: u64,
    pub unrecognised: u64,
    pub unrecognised_lines: Vec<LogLine>,
}

/// Reads one source from its first to its last byte.
pub(super) fn file(source: &Source, events: &EventSet) -> FileScan {
    let mut scan = FileScan {
        input: InputReport::of(source),
        written: source.written,
        lines: 0,
        hits: Vec::new(),
        kept: 0,
        head: Vec::new(),
        tail: Vec::new(),
        open: Vec::new(),
        starts: Vec::new(),
        benign: 0,
        unrecognised: 0,
        unrecognised_lines: Vec::new(),
    };
    if source.kind == SourceKind::Journal {
        read_journal(source, events, &mut scan);
        return scan;
    }
    match source.open() {
        Ok(mut reader) => read_windows(&mut reader, source, events, &mut scan),
        Err(e) => scan.input.problems.loss("unreadable", Place::Whole, || e.to_string()),
    }
    scan.input.lines = Some(scan.lines);
    scan
}

/// Reads a binary journal through the text that `journalctl -o export` would print of it: lines count there.
fn read_journal(source: &Source, events: &EventSet, scan: &mut FileScan) {
    let opened = source.by_offset().map_err(|e| e.to_string()).and_then(|(file, stopped)| {
        if let Some(e) = stopped {
            scan.input.problems.loss("read_stopped", Place::Offset(file.len()), || e.to_string());
        }
        JournalText::open(file)
    });
    match opened {
        Ok(mut journal) => {
            read_windows(&mut journal, source, events, scan);
            scan.input.bytes = journal.len();
            scan.input.problems.merge(std::mem::take(&mut journal.problems));
        }
        Err(e) => scan.input.problems.loss("unreadable", Place::Whole, || e),
    }
    scan.input.lines = Some(scan.lines);
}

/// Reads ahead while the window before is scanned.
fn read_windows(reader: &mut (impl Read + Send), source: &Source, events: &EventSet, scan: &mut FileScan) {
    // two buffers take turns: fresh ones would cost more in page faults than the search itself
    let (mut window, mut next) = (Vec::new(), Vec::new());
    let mut at_end = fill(reader, &mut window, &mut scan.input);
    let framing = Framing::of(&window);
    let mut first = true;
    let mut lanes = Vec::new();
    loop {
        let cut = if at_end { window.len() } else { cut(&window, framing) };
        if !at_end && cut == window.len() && (framing.is_blocks() || window.last() != Some(&b'\n')) {
            scan.input.problems.note("limit_line", Place::Line(scan.lines), || {
                format!("a line or entry is longer than {} MiB: it is read in pieces", cut >> 20)
            });
        }
        next.clear();
        next.extend_from_slice(window.get(cut..).unwrap_or_default());
        let done = window.get(..cut).unwrap_or_default();
        source.add_read(done.len() as u64);
        if first {
            scan.head = head(done, framing);
            scan.starts = starts(done, framing);
            first = false;
        }
        if at_end {
            scan.tail = tail(done, framing);
            scan.open = seam::open_end(done, framing, self::cut(done, framing));
            for piece in scan_pieces(done, framing, &mut lanes, source.index, events) {
                add(scan, piece);
            }
            return;
        }
        let pieces;
        let input = &mut scan.input;
        (pieces, at_end) = rayon::join(
            || scan_pieces(done, framing, &mut lanes, source.index, events),
            || fill(reader, &mut next, input),
        );
        for piece in pieces {
            add(scan, piece);
        }
        std::mem::swap(&mut window, &mut next);
    }
}

/// Fills the window up to its size; `true` at the end of the input.
fn fill(reader: &mut impl Read, window: &mut Vec<u8>, input: &mut InputReport) -> bool {
    // a window without a line end grows, but not without bound: such input is no log
    let goal = window.len().saturating_add(WINDOW).clamp(WINDOW, MAX_WINDOW);
    let wanted = goal.saturating_sub(window.len()) as u64;
    let before = window.len();
    let result = reader.by_ref().take(wanted).read_to_end(window);
    input.bytes += (window.len() - before) as u64;
    match result {
        Ok(n) => (n as u64) < wanted,
        Err(e) => {
            input.problems.loss("read_stopped", Place::Offset(input.bytes), || e.to_string());
            true
        }
    }
}

fn add(scan: &mut FileScan, piece: Finds) {
    let base = scan.lines;
    let mut hits = piece.hits;
    let room = MAX_HITS.saturating_sub(scan.kept);
    if hits.len() > room {
        let left_out = hits.len() - room;
        scan.input.problems.add("failures_left_out", Place::Line(base), left_out as u64, true, || {
            format!("only the first {MAX_HITS} failures of a log are kept")
        });
        hits.truncate(room);
    }
    scan.kept += hits.len();
    for line in hits.iter_mut().flat_map(|hit| &mut hit.lines) {
        line.number += base;
    }
    hits.shrink_to_fit();
    scan.hits.push(hits);
    for mut line in piece.unrecognised_lines {
        line.number += base;
        if scan.unrecognised_lines.len() < MAX_UNRECOGNISED {
            scan.unrecognised_lines.push(line);
        }
    }
    if piece.long > 0 {
        scan.input.problems.add("limit_entry", Place::Line(base), piece.long, false, || {
            let (lines, bytes) = (entry::MAX_ENTRY_LINES, grammar::MAX_TEXT >> 10);
            format!(
                "an entry has more than {lines} lines or {bytes} KiB of message: the rest of it is not read"
            )
        });
    }
    scan.lines += piece.lines;
    scan.benign += piece.benign;
    scan.unrecognised += piece.unrecognised;
}

/// Where the last whole entry ends: a line end that no multi-line value and no partial CRI line goes across.
fn cut(window: &[u8], framing: Framing) -> usize {
    if framing.is_blocks() {
        return match framing.start(window, window.len()) {
            0 if window.len() >= 4 * WINDOW => window.len(),
            start => start,
        };
    }
    let Some(end) = memrchr(b'\n', window).map(|n| n + 1) else {
        return if window.len() >= MAX_WINDOW { window.len() } else { 0 };
    };
    let tail_at = end.saturating_sub(32 << 10);
    let tail = window.get(tail_at..end).unwrap_or_default();
    // almost always there is none, which a search from the front shows fastest
    let last = |mark: &[u8]| memchr::memmem::find(tail, mark).and_then(|_| memchr::memmem::rfind(tail, mark));
    let Some(opened) = last(b"=<\n").or_else(|| last(b" P ")) else { return end };
    let closed = tail.get(opened..).unwrap_or_default();
    if memchr::memmem::find(closed, b" > ").is_some() {
        return end;
    }
    match memrchr(b'\n', tail.get(..opened).unwrap_or_default()) {
        Some(n) if tail_at + n + 1 > 0 => tail_at + n + 1,
        _ => end,
    }
}

/// Scans a window in pieces; the lane of a piece remembers what the pieces at its place in windows before have read.
fn scan_pieces(
    window: &[u8],
    framing: Framing,
    lanes: &mut Vec<Memory>,
    source: SourceIndex,
    events: &EventSet,
) -> Vec<Finds> {
    let mut pieces = Vec::new();
    let mut rest = window;
    while !rest.is_empty() {
        let n = if rest.len() <= PIECE { rest.len() } else { piece_end(rest, framing) };
        let (piece, after) = rest.split_at(n);
        pieces.push(piece);
        rest = after;
    }
    lanes.resize_with(lanes.len().max(pieces.len()), Memory::default);
    let scan = if framing.is_blocks() { block_scan::piece } else { scan_piece };
    let scan = |(piece, memory): (&&[u8], &mut Memory)| scan(piece, framing, memory, source, events);
    pieces.par_iter().zip(lanes.par_iter_mut()).map(scan).collect()
}

fn piece_end(rest: &[u8], framing: Framing) -> usize {
    match cut(rest.get(..PIECE).unwrap_or(rest), framing) {
        0 if framing.is_blocks() => framing.end(rest, PIECE),
        0 => memchr(b'\n', rest).map_or(rest.len(), |n| n + 1),
        n => n,
    }
}

/// Reads a few lines that stand alone.
pub(super) fn whole(bytes: &[u8], source: SourceIndex, events: &EventSet) -> Finds {
    scan_piece(bytes, Framing::Lines, &mut Memory::default(), source, events)
}

fn scan_piece(
    piece: &[u8],
    framing: Framing,
    memory: &mut Memory,
    source: SourceIndex,
    events: &EventSet,
) -> Finds {
    let mut out = Finds::default();
    let mut at = 0;
    let mut counted = 0;
    let mut hits = framing.hits(events);
    while let Some((start, end)) = hits.find(piece, at) {
        let line_start = memrchr(b'\n', piece.get(..start).unwrap_or_default()).map_or(0, |n| n + 1);
        let line_end = memchr(b'\n', piece.get(end..).unwrap_or_default()).map_or(piece.len(), |n| end + n);
        out.lines += memchr_iter(b'\n', piece.get(counted..line_start).unwrap_or_default()).count() as u64;
        counted = line_start;
        let number = out.lines + 1;
        at = line_end.saturating_add(1);
        if !read::known_line(entry::raw(piece, line_start, line_end), number, source, memory, &mut out) {
            let entry = Entry::at(piece, line_start, line_end, number);
            at = at.max(entry.end.saturating_add(1));
            read::entry(&entry, source, events, memory, &mut out);
        }
        if at >= piece.len() {
            break;
        }
    }
    out.lines += memchr_iter(b'\n', piece.get(counted..).unwrap_or_default()).count() as u64;
    out.lines += u64::from(piece.last().is_some_and(|&b| b != b'\n'));
    out
}

/// What the first entries of a file say.
fn head(window: &[u8], framing: Framing) -> Vec<Peeled<'static>> {
    if framing.is_blocks() {
        return block_scan::sample(window, framing, SAMPLE_LINES, false);
    }
    sample(window.split(|&b| b == b'\n'))
}

/// The lines of a window in which a component says which version it is.
fn starts(window: &[u8], framing: Framing) -> Vec<Peeled<'static>> {
    if framing.is_blocks() {
        return Vec::new();
    }
    let mut lines = Vec::new();
    for mark in version::MARKS {
        for at in memchr::memmem::find_iter(window, mark).take(SAMPLE_LINES) {
            let (before, after) = window.split_at(at);
            let start = memrchr(b'\n', before).map_or(0, |n| n + 1);
            let end = memchr(b'\n', after).map_or(window.len(), |n| at + n);
            lines.extend(window.get(start..end));
        }
    }
    sample(lines.into_iter())
}

/// What its last entries say, latest first.
fn tail(window: &[u8], framing: Framing) -> Vec<Peeled<'static>> {
    if framing.is_blocks() {
        return block_scan::sample(window, framing, SAMPLE_LINES, true);
    }
    sample(window.rsplit(|&b| b == b'\n'))
}

/// The first lines of an iterator that carry a stamp or a layer.
fn sample<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Vec<Peeled<'static>> {
    lines
        .filter(|l| !l.is_empty())
        .take(SAMPLE_LINES)
        .map(|line| {
            let text = String::from_utf8_lossy(line.get(..line.len().min(MAX_LINE)).unwrap_or_default());
            envelope::peel(&text).into_owned()
        })
        .collect()
}
