//! Reads a log's bytes and finds the entries that matter.
//!
//! Takes a source; gives its [`Hit`]s in file order, the stamps of its head and tail, and its counts. Windows are cut
//! at entry ends and scanned in parallel pieces; one search over short triggers decides which lines are parsed, so that
//! memory depends on the hits and not on the bytes. Never resolves times and never joins entries.

use std::borrow::Cow;
use std::io::Read;

use memchr::{memchr, memchr_iter, memrchr};
use rayon::prelude::*;

use super::classify::{self, Known, Memory, Told};
use super::envelope::{self, Layer, Peeled};
use super::journal_text;
use super::stamp::{self, Stamp};
use super::trace::{self, Trace};
use super::{EventSet, LogLine};
use crate::bundle::{InputReport, Source, SourceIndex, SourceKind};
use crate::error::Place;
use crate::time::Timestamp;

/// Bytes read before they are scanned.
const WINDOW: usize = 4 << 20;
/// Bytes of one parallel piece.
const PIECE: usize = 512 << 10;
/// Lines of the head and of the tail of a file whose stamps are kept.
const SAMPLE_LINES: usize = 48;
/// Lines that one entry may have, and bytes that a line keeps.
const MAX_ENTRY_LINES: usize = 64;
/// Bytes of a line that are kept (`text` of a log line in the report).
const MAX_LINE: usize = 8 << 10;
/// Unrecognised lines kept for each log.
const MAX_UNRECOGNISED: usize = 20;

/// An entry that told something.
#[derive(Debug)]
pub(super) struct Hit {
    /// First the line it was read from.
    pub lines: Vec<LogLine>,
    pub stamps: Vec<Stamp>,
    pub what: What,
    pub component: Option<String>,
    pub host: Option<String>,
    pub pod: Option<String>,
    /// When the command began whose output this is, for lines without any stamp.
    pub began: Option<Timestamp>,
}

/// What it told.
#[derive(Debug)]
pub(super) enum What {
    Event(Known),
    Trace(Box<Trace>),
}

/// What one file held.
#[derive(Debug)]
pub(super) struct FileScan {
    pub input: InputReport,
    pub lines: u64,
    pub hits: Vec<Hit>,
    /// Stamps and layers of lines of the head, then of the tail.
    pub head: Vec<Peeled<'static>>,
    pub tail: Vec<Peeled<'static>>,
    pub benign: u64,
    pub unrecognised: u64,
    pub unrecognised_lines: Vec<LogLine>,
}

/// What one piece of a window held; line numbers count from its first line.
#[derive(Default)]
struct PieceScan {
    lines: u64,
    hits: Vec<Hit>,
    benign: u64,
    unrecognised: u64,
    unrecognised_lines: Vec<LogLine>,
}

/// Reads one source from its first to its last byte.
pub(super) fn file(source: &Source, events: &EventSet) -> FileScan {
    let mut scan = FileScan {
        input: InputReport::of(source),
        lines: 0,
        hits: Vec::new(),
        head: Vec::new(),
        tail: Vec::new(),
        benign: 0,
        unrecognised: 0,
        unrecognised_lines: Vec::new(),
    };
    if source.kind == SourceKind::Journal {
        scan.input.problems.loss("binary_journal", Place::Whole, || {
            "binary journals are not read: give the output of `journalctl --file … -o export` instead"
                .to_owned()
        });
        return scan;
    }
    match source.open() {
        Ok(reader) => read_windows(reader, source.index, events, &mut scan),
        Err(e) => scan.input.problems.loss("unreadable", Place::Whole, || e.to_string()),
    }
    scan.input.lines = Some(scan.lines);
    scan
}

/// Reads ahead while the window before is scanned.
fn read_windows(mut reader: impl Read + Send, source: SourceIndex, events: &EventSet, scan: &mut FileScan) {
    // two buffers take turns: fresh ones would cost more in page faults than the search itself
    let (mut window, mut next) = (Vec::new(), Vec::new());
    let mut at_end = fill(&mut reader, &mut window, &mut scan.input);
    let mut first = true;
    loop {
        let cut = if at_end { window.len() } else { cut(&window) };
        next.clear();
        next.extend_from_slice(window.get(cut..).unwrap_or_default());
        let done = window.get(..cut).unwrap_or_default();
        if first {
            scan.head = sample(done.split(|&b| b == b'\n'));
            first = false;
        }
        if at_end {
            scan.tail = sample(done.rsplit(|&b| b == b'\n'));
            for piece in scan_pieces(done, source, events) {
                add(scan, piece);
            }
            return;
        }
        let pieces;
        let input = &mut scan.input;
        (pieces, at_end) =
            rayon::join(|| scan_pieces(done, source, events), || fill(&mut reader, &mut next, input));
        for piece in pieces {
            add(scan, piece);
        }
        std::mem::swap(&mut window, &mut next);
    }
}

/// Fills the window up to its size; `true` at the end of the input.
fn fill(reader: &mut impl Read, window: &mut Vec<u8>, input: &mut InputReport) -> bool {
    // a window without a line end grows, but not without bound: such input is no log
    let goal = window.len().saturating_add(WINDOW).clamp(WINDOW, 4 * WINDOW);
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

fn add(scan: &mut FileScan, piece: PieceScan) {
    let base = scan.lines;
    for mut hit in piece.hits {
        for line in &mut hit.lines {
            line.number += base;
        }
        scan.hits.push(hit);
    }
    for mut line in piece.unrecognised_lines {
        line.number += base;
        if scan.unrecognised_lines.len() < MAX_UNRECOGNISED {
            scan.unrecognised_lines.push(line);
        }
    }
    scan.lines += piece.lines;
    scan.benign += piece.benign;
    scan.unrecognised += piece.unrecognised;
}

/// Where the last whole entry ends: a line end that no multi-line value and no partial CRI line goes across.
fn cut(window: &[u8]) -> usize {
    let Some(end) = memrchr(b'\n', window).map(|n| n + 1) else {
        return if window.len() >= 4 * WINDOW { window.len() } else { 0 };
    };
    let tail_at = end.saturating_sub(32 << 10);
    let tail = window.get(tail_at..end).unwrap_or_default();
    let opened = memchr::memmem::rfind(tail, b"=<\n").or_else(|| memchr::memmem::rfind(tail, b" P "));
    let Some(opened) = opened else { return end };
    let closed = tail.get(opened..).unwrap_or_default();
    if memchr::memmem::find(closed, b" > ").is_some() {
        return end;
    }
    match memrchr(b'\n', tail.get(..opened).unwrap_or_default()) {
        Some(n) if tail_at + n + 1 > 0 => tail_at + n + 1,
        _ => end,
    }
}

fn scan_pieces(window: &[u8], source: SourceIndex, events: &EventSet) -> Vec<PieceScan> {
    let mut pieces = Vec::new();
    let mut rest = window;
    while !rest.is_empty() {
        let n = if rest.len() <= PIECE { rest.len() } else { piece_end(rest) };
        let (piece, after) = rest.split_at(n);
        pieces.push(piece);
        rest = after;
    }
    pieces.par_iter().map(|piece| scan_piece(piece, source, events)).collect()
}

fn piece_end(rest: &[u8]) -> usize {
    match cut(rest.get(..PIECE).unwrap_or(rest)) {
        0 => memchr(b'\n', rest).map_or(rest.len(), |n| n + 1),
        n => n,
    }
}

fn scan_piece(piece: &[u8], source: SourceIndex, events: &EventSet) -> PieceScan {
    let mut out = PieceScan::default();
    let mut memory = Memory::default();
    let mut at = 0;
    let mut counted = 0;
    while let Some((start, end)) = events.find(piece, at) {
        let line_start = memrchr(b'\n', piece.get(..start).unwrap_or_default()).map_or(0, |n| n + 1);
        let line_end = memchr(b'\n', piece.get(end..).unwrap_or_default()).map_or(piece.len(), |n| end + n);
        out.lines += memchr_iter(b'\n', piece.get(counted..line_start).unwrap_or_default()).count() as u64;
        counted = line_start;
        let number = out.lines + 1;
        let entry = Entry::at(piece, line_start, line_end, number);
        at = entry.end.max(line_end).saturating_add(1);
        read_entry(&entry, source, events, &mut memory, &mut out);
        if at >= piece.len() {
            break;
        }
    }
    out.lines += memchr_iter(b'\n', piece.get(counted..).unwrap_or_default()).count() as u64;
    out.lines += u64::from(piece.last().is_some_and(|&b| b != b'\n'));
    out
}

/// A line with those that belong to it.
struct Entry<'p> {
    piece: &'p [u8],
    /// Range of the line that was hit, without its end.
    hit: (usize, usize),
    number: u64,
    /// Lines from the first of the entry to its last: number, start, end.
    lines: Vec<(u64, usize, usize)>,
    end: usize,
}

impl<'p> Entry<'p> {
    /// Finds the entry that the line belongs to: back to the head of a multi-line value, and on to its end.
    fn at(piece: &'p [u8], start: usize, end: usize, number: u64) -> Self {
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

    fn raw(&self, start: usize, end: usize) -> &'p [u8] {
        let line = self.piece.get(start..end).unwrap_or_default();
        line.strip_suffix(b"\r").unwrap_or(line)
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

fn read_entry(
    entry: &Entry<'_>,
    source: SourceIndex,
    events: &EventSet,
    memory: &mut Memory,
    out: &mut PieceScan,
) {
    let texts: Vec<_> =
        entry.lines.iter().map(|&(number, start, end)| (number, text_of(entry.raw(start, end)))).collect();
    let Some((_, head)) = texts.first() else { return };
    let mut peeled = envelope::peel(head);
    if matches!(peeled.layers.first(), Some(Layer::Journal("journal export" | "journal verbose"))) {
        journal_text::complete(&mut peeled, entry.piece, entry.hit.0, entry.hit.1);
    }
    if texts.len() > 1 {
        let glue = if peeled.partial { "" } else { "\n" };
        let mut message = peeled.message.into_owned();
        for (_, line) in texts.iter().skip(1) {
            message.push_str(glue);
            message.push_str(&envelope::peel(line).message);
        }
        peeled.message = message.into();
    }
    let kept = texts
        .iter()
        .filter(|(n, _)| texts.len() == 1 || *n == entry.number || Some(*n) == texts.first().map(|t| t.0));
    let lines = || kept.clone().map(|(n, text)| line(source, *n, text)).collect::<Vec<_>>();
    if let Some(trace) = trace::read(&peeled.message) {
        if let Some(what) = trace::find_call(trace, entry.piece, entry.end) {
            out.hits.push(hit(entry, &peeled, lines(), What::Trace(Box::new(what))));
        }
        return;
    }
    match classify::classify(&peeled, events, memory) {
        Told::Event(known) => out.hits.push(hit(entry, &peeled, lines(), What::Event(known))),
        Told::Benign => out.benign += 1,
        Told::Unrecognised => {
            out.unrecognised += 1;
            if out.unrecognised_lines.len() < MAX_UNRECOGNISED {
                out.unrecognised_lines.extend(lines().into_iter().take(1));
            }
        }
        Told::Nothing => {}
    }
}

/// Valid UTF-8 as it stands; `from_utf8_lossy` alone would go through it byte by byte.
fn text_of(raw: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(raw).map_or_else(|_| String::from_utf8_lossy(raw), Cow::Borrowed)
}

fn hit(entry: &Entry<'_>, peeled: &Peeled<'_>, lines: Vec<LogLine>, what: What) -> Hit {
    let began = if peeled.stamps.is_empty() { command_time(entry.piece, entry.hit.0) } else { None };
    let component = peeled.ident.clone().or_else(|| began.map(|_| "kubectl".to_owned()));
    Hit {
        lines,
        stamps: peeled.stamps.clone(),
        what,
        component,
        host: peeled.host.clone(),
        pod: peeled.pod.clone(),
        began,
    }
}

/// The nearest comment `# 2026-11-21T02:24:47Z` above a line of a command's output, within 4 KiB.
fn command_time(piece: &[u8], at: usize) -> Option<Timestamp> {
    let before = piece.get(at.saturating_sub(4096)..at)?;
    let mark = memchr::memmem::rfind(before, b"\n# 2")
        .map(|n| n + 1)
        .or_else(|| before.starts_with(b"# 2").then_some(0))?;
    match stamp::rfc3339(before.get(mark + 2..)?) {
        Some((Stamp::Absolute(time, _), _)) => Some(time),
        _ => None,
    }
}

fn line(source: SourceIndex, number: u64, text: &str) -> LogLine {
    let mut end = text.len().min(MAX_LINE);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let kept = text.get(..end).unwrap_or_default().to_owned();
    LogLine { source, number, truncated: end < text.len(), text: kept, time: None }
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
