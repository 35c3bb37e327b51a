//! Reads a log's bytes and finds the entries that matter.
//!
//! Takes a source; gives its [`Hit`]s in file order, the stamps of its head and tail, and its counts. Several threads
//! take windows of whole entries in turn; one search over short triggers decides which lines are parsed, so that memory
//! depends on the hits and not on the bytes. Never resolves times and never joins entries.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::{Mutex, MutexGuard, PoisonError};

use memchr::{memchr, memchr_iter, memrchr};
use rayon::prelude::*;

use super::block_scan::{self, Piece};
use super::blocks::Framing;
use super::entry::{self, Entry};
use super::envelope::{self, Peeled};
use super::group::Part;
use super::items;
use super::journal::JournalText;
use super::keep::Keep;
use super::memory::Memory;
use super::read::{self, Finds, Hit, MAX_LINE, What};
use super::timebase::Anchors;
use super::version;
use super::windows::{self, Window, Windows, cut};
use super::{EventSet, LogLine, grammar, seam};
use crate::bundle::{self, InputReport, Source, SourceIndex, SourceKind, Strangers};
use crate::error::Place;
use crate::time::Timestamp;

/// Bytes of one parallel piece of the first window.
const PIECE: usize = 256 << 10;
/// Lines of the head and of the tail of a file whose stamps are kept.
const SAMPLE_LINES: usize = 48;

/// What one file held, besides its failures.
#[derive(Debug)]
pub(super) struct FileScan {
    pub input: InputReport,
    /// When it was last written, as far as that is known.
    pub written: Option<Timestamp>,
    /// Pods whose words lines of it are.
    pub strangers: Strangers,
    pub lines: u64,
    /// Failures, those that are not kept included.
    pub hits: u64,
    /// What the stamps and words of all of them tell of its times.
    pub anchors: Anchors,
    /// What goes across its ends.
    pub seams: Seams,
    /// Stamps and layers of lines of the head, then of the tail.
    pub head: Vec<Peeled<'static>>,
    pub tail: Vec<Peeled<'static>>,
    /// The bytes of an entry at its end that is not over: the next part of a rotated log may have the rest.
    pub open: Vec<u8>,
    /// Lines of the first window in which a component states its version.
    pub starts: Vec<Peeled<'static>>,
    /// Lines of it look as if another output began there.
    pub mixed: bool,
    pub benign: u64,
    pub unrecognised: u64,
    pub unrecognised_lines: Vec<LogLine>,
}

/// What becomes of failures at the ends of a part of a log.
#[derive(Debug)]
pub(super) struct Seams {
    /// Those of lines up to this one are told by the part before.
    pub from: u64,
    /// Those from this line on are halves.
    pub to: u64,
    /// What the halves tell together with the next part.
    pub across: Vec<Hit>,
}

/// Reads one source from its first to its last byte; its failures go to `keep`.
pub(super) fn file(part: Part<'_>, events: &EventSet, keep: &Keep) -> FileScan {
    let source = part.source;
    let mut scan = FileScan {
        input: InputReport::of(source),
        written: source.written,
        strangers: source.strangers.clone(),
        lines: 0,
        hits: 0,
        anchors: Anchors::default(),
        seams: Seams { from: 0, to: u64::MAX, across: Vec::new() },
        head: Vec::new(),
        tail: Vec::new(),
        open: Vec::new(),
        starts: Vec::new(),
        mixed: false,
        benign: 0,
        unrecognised: 0,
        unrecognised_lines: Vec::new(),
    };
    if source.kind == SourceKind::Journal {
        read_journal(source, events, keep, &mut scan);
        return scan;
    }
    match source.open() {
        Ok(mut reader) => {
            read_windows(&mut reader, part, events, keep, &mut scan);
            source.note_lost(scan.input.bytes, &mut scan.input.problems);
        }
        Err(e) => scan.input.problems.loss("unreadable", Place::Whole, || source.unreadable(&e)),
    }
    if scan.mixed {
        scan.strangers = source.name_parts(&mut scan.input.problems);
    }
    scan.input.lines = Some(scan.lines);
    scan
}

/// Reads a binary journal through the text that `journalctl -o export` would print of it: lines count there.
fn read_journal(source: &Source, events: &EventSet, keep: &Keep, scan: &mut FileScan) {
    let opened = source.by_offset().map_err(|e| source.unreadable(&e)).and_then(|(file, stopped)| {
        if let Some(e) = stopped {
            scan.input.problems.loss("read_stopped", Place::Offset(file.len()), || e.to_string());
        }
        JournalText::open(file)
    });
    match opened {
        Ok(mut journal) => {
            let part = Part { source, framing: None };
            read_windows(&mut journal, part, events, keep, scan);
            scan.input.bytes = journal.len();
            scan.input.problems.merge(std::mem::take(&mut journal.problems));
        }
        Err(e) => scan.input.problems.loss("unreadable", Place::Whole, || e),
    }
    scan.input.lines = Some(scan.lines);
}

/// Reads and scans window after window, with as many threads as there are.
fn read_windows(
    reader: &mut (impl Read + Send),
    Part { source, framing }: Part<'_>,
    events: &EventSet,
    keep: &Keep,
    scan: &mut FileScan,
) {
    let mut windows = Windows::new(reader, framing);
    let mut buffer = Vec::new();
    let Some(first) = windows.next(&mut buffer) else { return };
    let framing = windows.framing();
    let done = first.piece(&buffer, framing);
    source.add_read(first.len as u64);
    scan.head = head(done);
    scan.starts = starts(done);
    let mut lanes = Vec::new();
    let pieces = scan_pieces(done, &mut lanes, source, events);
    let end = End::of(done, &first);
    let over = end.is_some();
    let found = Mutex::new(Found { scan, keep, next: 0, waiting: BTreeMap::new() });
    lock(&found).put(first.number, Scanned { pieces, end, too_long: first.too_long.then_some(first.len) });
    let windows = Mutex::new(windows);
    if !over {
        lanes.resize_with(rayon::current_num_threads(), Memory::default);
        let (windows, found) = (&windows, &found);
        rayon::scope(|scope| {
            let buffers = std::iter::once(buffer).chain(std::iter::repeat_with(Vec::new));
            for (memory, buffer) in lanes.into_iter().zip(buffers) {
                let work = Work { windows, found, framing, source, events };
                scope.spawn(move |_| work.run(buffer, memory));
            }
        });
    }
    let windows = windows.into_inner().unwrap_or_else(PoisonError::into_inner);
    scan.input.bytes += windows.bytes;
    scan.input.problems.merge(windows.problems);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What one thread needs to scan windows of a log. It waits for another that reads, but never for one that scans: no
/// lock is held while work is shared out.
struct Work<'w, 's, R> {
    windows: &'w Mutex<Windows<R>>,
    found: &'w Mutex<Found<'s>>,
    framing: Framing,
    source: &'w Source,
    events: &'w EventSet,
}

impl<R: Read> Work<'_, '_, R> {
    fn run(&self, mut buffer: Vec<u8>, mut memory: Memory) {
        loop {
            let Some(window) = lock(self.windows).next(&mut buffer) else { return };
            let done = window.piece(&buffer, self.framing);
            self.source.add_read(window.len as u64);
            let mut finds = scan_one(done, &mut memory, self.source, self.events);
            finds.mixed = is_mixed(done, self.source, STEP, finds.mixed);
            let pieces = vec![finds];
            let end = End::of(done, &window);
            let too_long = window.too_long.then_some(window.len);
            lock(self.found).put(window.number, Scanned { pieces, end, too_long });
        }
    }
}

/// What one window gave.
struct Scanned {
    pieces: Vec<Finds>,
    end: Option<End>,
    /// Its bytes, if it ends within an entry.
    too_long: Option<usize>,
}

/// What the last window of a file tells of its end.
struct End {
    tail: Vec<Peeled<'static>>,
    open: Vec<u8>,
    /// A line behind the last line end, which no block has counted.
    line: u64,
}

impl End {
    fn of(done: Piece<'_>, window: &Window) -> Option<Self> {
        let Piece { bytes, framing, items } = done;
        let before = window.last.as_ref()?;
        let mut last = tail(done);
        if last.len() < SAMPLE_LINES && !before.bytes.is_empty() {
            let by = before.bytes.len();
            let items = before.items.iter().copied().chain(items::shifted(items, |at| at + by));
            let bytes = &[&before.bytes, bytes].concat();
            last = tail(Piece { bytes, framing, items: &items.collect::<Vec<_>>() });
        }
        let line = u64::from(framing.is_blocks() && bytes.last().is_some_and(|&b| b != b'\n'));
        let open = if framing.is_blocks() { Vec::new() } else { seam::open_end(bytes, cut(bytes, framing)) };
        Some(Self { tail: last, line, open })
    }
}

/// Puts what windows gave in their order.
struct Found<'s> {
    scan: &'s mut FileScan,
    keep: &'s Keep,
    next: u64,
    /// Windows that were scanned before one that lies in front of them.
    waiting: BTreeMap<u64, Scanned>,
}

impl Found<'_> {
    fn put(&mut self, number: u64, part: Scanned) {
        self.waiting.insert(number, part);
        while let Some(part) = self.waiting.remove(&self.next) {
            self.next += 1;
            let scan = &mut *self.scan;
            if let Some(bytes) = part.too_long {
                scan.input.problems.note("limit_line", Place::Line(scan.lines), || {
                    format!("a line or entry is longer than {} MiB: it is read in pieces", bytes >> 20)
                });
            }
            for piece in part.pieces {
                add(scan, self.keep, piece);
            }
            if let Some(end) = part.end {
                (scan.tail, scan.open) = (end.tail, end.open);
                scan.lines += end.line;
            }
        }
    }
}

fn add(scan: &mut FileScan, keep: &Keep, piece: Finds) {
    let base = scan.lines;
    let mut hits = piece.hits;
    for hit in &mut hits {
        scan.anchors.add(&hit.stamps, told(hit));
        scan.anchors.near = scan.anchors.near.or_else(|| hit.began.map(|t| (t, "the times of commands")));
        for line in &mut hit.lines {
            line.number += base;
        }
    }
    scan.hits += hits.len() as u64;
    keep.add(scan.input.source, hits);
    let placed =
        piece.unrecognised_lines.into_iter().map(|line| LogLine { number: line.number + base, ..line });
    read::keep_unrecognised(&mut scan.unrecognised_lines, placed, keep.unrecognised);
    if piece.long > 0 {
        scan.input.problems.add("limit_entry", Place::Line(base + piece.long_from), piece.long, piece.long_lost, || {
            let (lines, bytes) = (entry::MAX_ENTRY_LINES, grammar::MAX_TEXT >> 10);
            format!(
                "an entry has more than {lines} lines, of which the others are read one by one, or more than {bytes} KiB \
                 of message, of which no more is read"
            )
        });
    }
    if let Some(line) = piece.torn {
        scan.input.problems.loss("entry_not_whole", Place::Line(base + line), || {
            format!(
                "an entry or object is cut, damaged or longer than {} MiB, and not read: it may tell of a failure",
                windows::MAX_BLOCK >> 20
            )
        });
    }
    scan.lines += piece.lines;
    scan.mixed |= piece.mixed;
    scan.benign += piece.benign;
    scan.unrecognised += piece.unrecognised;
}

/// A time that the message itself tells.
fn told(hit: &Hit) -> Option<Timestamp> {
    match &hit.what {
        What::Event(known) => known.fields.x509_current_time,
        What::Trace(_) => None,
    }
}

impl Window {
    /// What of a buffer it is.
    fn piece<'w>(&'w self, buffer: &'w [u8], framing: Framing) -> Piece<'w> {
        Piece { bytes: buffer.get(..self.len).unwrap_or_default(), framing, items: &self.items }
    }
}

/// Scans the first window in pieces, each with a memory of its own.
fn scan_pieces(window: Piece<'_>, lanes: &mut Vec<Memory>, source: &Source, events: &EventSet) -> Vec<Finds> {
    let Piece { bytes, framing, items } = window;
    let mut pieces = Vec::new();
    let mut from = 0;
    while from < bytes.len() {
        let to = piece_end(window, from);
        let first = items.partition_point(|item| item.start < from);
        let last = items.partition_point(|item| item.start < to);
        let items = items::shifted(items.get(first..last).unwrap_or_default(), |at| at - from);
        pieces.push((bytes.get(from..to).unwrap_or_default(), items.collect::<Vec<_>>()));
        from = to;
    }
    lanes.resize_with(lanes.len().max(pieces.len()), Memory::default);
    let scan = |((bytes, items), memory): (&(&[u8], Vec<_>), &mut Memory)| {
        let piece = Piece { bytes, framing, items };
        let mut finds = scan_one(piece, memory, source, events);
        finds.mixed = is_mixed(piece, source, 0, finds.mixed);
        finds
    };
    pieces.par_iter().zip(lanes.par_iter_mut()).map(scan).collect()
}

fn scan_one(piece: Piece<'_>, memory: &mut Memory, source: &Source, events: &EventSet) -> Finds {
    if piece.framing.is_blocks() {
        block_scan::piece(piece, memory, source.index, events)
    } else {
        scan_piece(piece.bytes, piece.framing, memory, source.index, events)
    }
}

/// Whether lines of a piece look as if an output of another kind began there: one in `step` bytes is looked at, where a
/// container's words are not `headed` already.
fn is_mixed(piece: Piece<'_>, source: &Source, step: usize, headed: bool) -> bool {
    let headed = headed && !source.is_parted();
    piece.framing == Framing::Lines && (headed || source.suspects(piece.bytes, step))
}

/// Bytes from one line to the next that is looked at: a search over all of them would take a tenth of what the scan does.
const STEP: usize = 4 << 10;

/// Where a piece ends that begins there.
fn piece_end(Piece { bytes, framing, items }: Piece<'_>, from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    if rest.len() <= PIECE {
        return bytes.len();
    }
    if framing.walker().is_some() {
        let next = items.partition_point(|item| item.start < from + PIECE);
        return items.get(next).map_or(bytes.len(), |item| item.start);
    }
    from + match cut(rest.get(..PIECE).unwrap_or(rest), framing) {
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
    let mut headings = Headings::default();
    while let Some((start, end)) = hits.find(piece, at, |place| headings.look(piece, place)) {
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
    out.mixed = headings.found;
    out
}

/// Looks for headings behind which a container's words follow.
#[derive(Default)]
struct Headings {
    found: bool,
    /// Where the last line ends that was looked at.
    looked: usize,
}

impl Headings {
    /// Looks at the line of this place, which lies behind those that were looked at or in the last of them.
    fn look(&mut self, piece: &[u8], place: usize) {
        if self.found || place < self.looked {
            return;
        }
        let before = piece.get(self.looked..place).unwrap_or_default();
        let start = memrchr(b'\n', before).map_or(self.looked, |n| self.looked + n + 1);
        let rest = piece.get(place..).unwrap_or_default();
        self.looked = memchr(b'\n', rest).map_or(piece.len(), |n| place + n);
        self.found = bundle::heads_container(piece.get(start..self.looked).unwrap_or_default());
    }
}

/// What the first entries of a file say.
fn head(window: Piece<'_>) -> Vec<Peeled<'static>> {
    if window.framing.is_blocks() {
        return block_scan::sample(window, SAMPLE_LINES, false);
    }
    sample(window.bytes.split(|&b| b == b'\n'))
}

/// The lines of a window in which a component says which version it is.
fn starts(window: Piece<'_>) -> Vec<Peeled<'static>> {
    let Piece { bytes: window, framing, .. } = window;
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
fn tail(window: Piece<'_>) -> Vec<Peeled<'static>> {
    if window.framing.is_blocks() {
        return block_scan::sample(window, SAMPLE_LINES, true);
    }
    sample(window.bytes.rsplit(|&b| b == b'\n'))
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
