//! The scan of logs whose entries are blocks of lines.
//!
//! Takes a piece that begins and ends with whole blocks, and where they stand if they were walked through; gives what its
//! hits say, each with the line of its message.
//! A message that klog wrote over several lines stands in as many entries of a journal: they are put together again.
//! Never looks for blocks that hold no trigger.

use memchr::memchr_iter;

use super::blocks::{Framing, Said};
use super::envelope::{self, Peeled};
use super::items::{self, Item};
use super::memory::Memory;
use super::outputs::field_name;
use super::read::{self, Finds};
use super::{EventSet, LogLine};
use crate::bundle::SourceIndex;

/// Entries over which one message may go.
const MAX_ENTRIES: usize = 64;

/// Bytes of blocks that may be read without an entry in them: so many, and a piece so many times over. Beyond, lines stand
/// alone: one that is no entry and goes on for long is not read anew for each of its lines.
const FREE_IN_VAIN: usize = 1 << 20;
const TIMES_IN_VAIN: usize = 4;

/// A block and what it says.
struct Block {
    start: usize,
    end: usize,
    said: Said,
}

/// A piece of a log.
#[derive(Clone, Copy)]
pub(super) struct Piece<'p> {
    pub bytes: &'p [u8],
    pub framing: Framing,
    /// Its blocks, where they are walked through.
    pub items: &'p [Item],
}

/// Scans one piece.
pub(super) fn piece(piece: Piece<'_>, memory: &mut Memory, source: SourceIndex, events: &EventSet) -> Finds {
    let mut out = Finds::default();
    let Piece { bytes, framing, .. } = piece;
    let mut lines = Lines { piece: bytes, source, at: 0, number: 0 };
    let mut hits = framing.hits(events);
    let mut at = 0;
    let mut within = 0;
    // what lies before is on a line of which no entry could be read, and in the same block: no entry begins there
    let mut alone = 0;
    let mut orphan = None;
    let mut in_vain = 0;
    while let Some((start, end)) = hits.find(bytes, at, |_| {}) {
        let (from, to) = match piece.around(at, start, within) {
            Around::Block(from, to) => (from, to),
            Around::Torn(to) => {
                if out.torn.is_none() {
                    out.torn = Some(lines.line(start, Some(start)).number);
                }
                at = to.max(end);
                continue;
            }
            Around::Text(from, to) => {
                at = if framing.falls_back() && !is_field(bytes, start) {
                    line_alone(bytes, (from, to), start, &mut lines, events, memory, &mut out)
                } else {
                    end
                };
                continue;
            }
        };
        within = to;
        let block = bytes.get(from..to).unwrap_or_default();
        let tries = start >= alone && in_vain <= FREE_IN_VAIN + TIMES_IN_VAIN * bytes.len();
        let said = if tries { framing.read(block, start - from) } else { None };
        let Some(said) = said else {
            in_vain += if tries { block.len() } else { 0 };
            if piece.is_walked() {
                at = to.max(end);
            } else {
                if start >= alone {
                    alone = line_end(bytes, start, to);
                }
                at = line_alone(bytes, (from, to), start, &mut lines, events, memory, &mut out);
            }
            continue;
        };
        let to = from + said.end;
        at = to.max(start + 1);
        let mut group = vec![Block { start: from, end: to, said }];
        if !complete(&mut group, piece, orphan) {
            orphan = Some(from);
        }
        let long = group.len() >= MAX_ENTRIES;
        at = group.last().map_or(at, |b| b.end.max(at));
        let kept: Vec<LogLine> = group
            .iter()
            .filter(|b| b.start == from || b.opens())
            .map(|b| lines.line(b.start + b.said.at, b.said.to.map(|to| b.start + to)))
            .collect();
        out.count_long(long, false, kept.first().map_or(0, |line| line.number));
        let Some(peeled) = joined(group) else { continue };
        read::tell(&peeled, kept, (bytes, to), events, memory, &mut out);
    }
    // blocks need not end with their lines: what is behind the last line end is counted with what follows
    out.lines = memchr_iter(b'\n', bytes).count() as u64;
    out
}

/// What stands around a hit.
enum Around {
    Block(usize, usize),
    /// A block that is not all there, and ends here.
    Torn(usize),
    /// Text between blocks.
    Text(usize, usize),
}

impl Piece<'_> {
    fn is_walked(self) -> bool {
        self.framing.walker().is_some()
    }

    /// Nothing before `at` is looked at again where a block may hold several entries, and its end stays the same as long
    /// as hits lie before it.
    fn around(self, at: usize, hit: usize, within: usize) -> Around {
        if !self.is_walked() {
            let from = at + self.framing.start(self.bytes.get(at..).unwrap_or_default(), hit - at);
            return Around::Block(
                from,
                if hit < within { within } else { self.framing.end(self.bytes, hit) },
            );
        }
        if let Some(item) = items::around(self.items, hit) {
            let (from, to) = (item.start, item.end.unwrap_or(self.bytes.len()));
            return if item.range().is_some() { Around::Block(from, to) } else { Around::Torn(to) };
        }
        let next = self.items.partition_point(|item| item.start <= hit);
        let before = next.checked_sub(1).and_then(|n| self.items.get(n)?.end);
        Around::Text(before.unwrap_or(0), self.items.get(next).map_or(self.bytes.len(), |item| item.start))
    }

    fn before(self, block: &Block) -> Option<(usize, usize)> {
        if !self.is_walked() {
            let before = block.start.checked_sub(1)?;
            return Some((self.framing.start(self.bytes, before), block.start));
        }
        let next = self.items.partition_point(|item| item.start < block.start);
        self.items.get(next.checked_sub(1)?)?.range()
    }

    fn behind(self, block: &Block) -> Option<(usize, usize)> {
        if !self.is_walked() {
            let behind = block.end < self.bytes.len();
            return behind.then(|| (block.end, self.framing.end(self.bytes, block.end)));
        }
        self.items.get(self.items.partition_point(|item| item.start < block.end))?.range()
    }

    fn block(self, (start, end): (usize, usize)) -> Option<Block> {
        let said = self.framing.read(self.bytes.get(start..end)?, 0)?;
        Some(Block { start, end, said })
    }
}

/// The line of a hit is a field of an entry whose other fields are not there.
fn is_field(bytes: &[u8], hit: usize) -> bool {
    let from = hit.saturating_sub(ALONE);
    let before = bytes.get(from..hit).unwrap_or_default();
    let start = memchr::memrchr(b'\n', before).map_or(from, |n| from + n + 1);
    field_name(bytes.get(start..).unwrap_or_default().trim_ascii_start()).is_some()
}

/// Where the line of a hit ends, or its block before that.
fn line_end(piece: &[u8], hit: usize, to: usize) -> usize {
    let after = piece.get(hit..to).unwrap_or_default();
    hit + memchr::memchr(b'\n', after).unwrap_or(after.len())
}

/// Reads the line of a hit by itself, as far as it lies in the block; gives where it ends.
fn line_alone(
    piece: &[u8],
    (from, to): (usize, usize),
    hit: usize,
    lines: &mut Lines<'_>,
    events: &EventSet,
    memory: &mut Memory,
    out: &mut Finds,
) -> usize {
    let from = from.max(hit.saturating_sub(ALONE));
    let before = piece.get(from..hit).unwrap_or_default();
    let start = memchr::memrchr(b'\n', before).map_or(from, |n| from + n + 1);
    let end = line_end(piece, hit, to.min(hit + ALONE));
    let text = String::from_utf8_lossy(piece.get(start..end).unwrap_or_default());
    let kept = vec![lines.line(start, Some(end))];
    read::tell(&envelope::peel(text.trim()), kept, (piece, end), events, memory, out);
    end.max(hit + 1)
}

/// Bytes before and behind a hit that are read where no entry is to be found.
const ALONE: usize = 4 << 10;

/// What the first blocks of a piece say, or the last ones, latest first.
pub(super) fn sample(piece: Piece<'_>, most: usize, from_end: bool) -> Vec<Peeled<'static>> {
    let Piece { bytes, framing, items } = piece;
    let read = |(start, end)| Some(framing.read(bytes.get(start..end)?, 0)?.peeled);
    if piece.is_walked() {
        let ranges = items.iter().filter_map(|item| item.range());
        return if from_end {
            ranges.rev().take(most).filter_map(read).collect()
        } else {
            ranges.take(most).filter_map(read).collect()
        };
    }
    let mut out = Vec::new();
    let (mut start, mut end) = (0, bytes.len());
    for _ in 0..most {
        if start >= end {
            break;
        }
        let range =
            if from_end { (framing.start(bytes, end - 1), end) } else { (start, framing.end(bytes, start)) };
        out.extend(read(range));
        (start, end) = if from_end { (start, range.0) } else { (range.1, end) };
    }
    out
}

/// Adds the blocks before and after that the message goes over; `false` where it goes on what is not there. `orphan`: a
/// block in front that is such a one, which what goes on it is, too.
fn complete(group: &mut Vec<Block>, piece: Piece<'_>, orphan: Option<usize>) -> bool {
    let Some(hit) = group.first().map(|b| b.start) else { return true };
    while let Some(first) = group.first().filter(|b| group.len() < MAX_ENTRIES && b.continues()) {
        let range = piece.before(first).filter(|(start, _)| orphan != Some(*start));
        let before = range.and_then(|range| piece.block(range));
        let Some(before) = before.filter(|b| b.said.pid == first.said.pid) else { break };
        group.insert(0, before);
    }
    if !group.first().is_some_and(Block::opens) {
        // what it continues is not there: it stands for itself
        group.retain(|b| b.start == hit);
        return false;
    }
    while let Some(last) = group.last().filter(|_| group.len() < MAX_ENTRIES) {
        let Some(after) = piece.behind(last).and_then(|range| piece.block(range)) else { break };
        if after.said.pid != last.said.pid || !(after.continues() || after.closes()) {
            break;
        }
        let closes = after.closes();
        group.push(after);
        if closes {
            break;
        }
    }
    true
}

impl Block {
    fn opens(&self) -> bool {
        self.said.peeled.message.ends_with("=<") && !self.continues()
    }

    fn continues(&self) -> bool {
        self.said.peeled.message.starts_with('\t')
    }

    fn closes(&self) -> bool {
        self.said.peeled.message.starts_with(" >")
    }
}

/// The first block's entry with the messages of all.
fn joined(group: Vec<Block>) -> Option<Peeled<'static>> {
    let mut blocks = group.into_iter().map(|b| b.said.peeled);
    let mut first = blocks.next()?;
    for more in blocks {
        let message = first.message.to_mut();
        message.push('\n');
        message.push_str(&more.message);
    }
    Some(first)
}

/// Numbers lines of a piece; asked in any order, cheapest from front to back.
struct Lines<'p> {
    piece: &'p [u8],
    source: SourceIndex,
    at: usize,
    number: u64,
}

impl Lines<'_> {
    /// The line that begins at `start`, as far as `end` where other entries stand on it.
    fn line(&mut self, start: usize, end: Option<usize>) -> LogLine {
        if start < self.at {
            (self.at, self.number) = (0, 0);
        }
        let between = self.piece.get(self.at..start).unwrap_or_default();
        self.number += memchr_iter(b'\n', between).count() as u64;
        self.at = start;
        let rest = self.piece.get(start..).unwrap_or_default();
        let whole = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let length = end.map_or(whole, |end| whole.min(end.saturating_sub(start)));
        // a document may be one line: no more of it than is kept, and what shows that there is more
        let text = rest.get(..length.min(read::MAX_LINE + 4)).unwrap_or_default();
        let line = read::line(self.source, self.number + 1, &String::from_utf8_lossy(text));
        let begins = start == 0 || self.piece.get(start - 1) == Some(&b'\n');
        LogLine { truncated: line.truncated || end.is_some() && !(begins && length == whole), ..line }
    }
}
