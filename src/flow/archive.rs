//! Records of flows that have ended: kept as bytes, sorted and written to a file when they are more than the budget.
//!
//! Takes records in any order; gives sorted runs, to be merged. The file has no name and vanishes with the process.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::sync::Arc;

use super::FrameRef;
use super::compact::first_frame;
use super::totals::Totals;
use crate::bundle::read_at;

/// The records of one shard, and what they sum up to.
#[derive(Debug)]
pub(super) struct Archive {
    /// Each record behind its length.
    bytes: Vec<u8>,
    /// Bytes at most before they are written to the file.
    limit: usize,
    /// First frame of the latest record, as long as they come in order.
    ordered: Option<FrameRef>,
    file: Option<Arc<File>>,
    written: u64,
    /// Each in order.
    runs: Vec<Range<u64>>,
    /// First frame of the last record of the last run.
    latest: FrameRef,
    /// Why nothing can be written any more: from then on everything stays in memory.
    failed: Option<String>,
    pub(super) totals: Totals,
}

impl Archive {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            bytes: Vec::new(),
            limit: limit.clamp(MIN_RUN, MAX_RUN),
            ordered: Some(FrameRef::default()),
            file: None,
            written: 0,
            runs: Vec::new(),
            latest: FrameRef::default(),
            failed: None,
            totals: Totals::default(),
        }
    }

    /// Takes a record.
    pub(super) fn push(&mut self, record: &[u8]) {
        let frame = first_frame(record);
        self.ordered = self.ordered.filter(|last| *last < frame).map(|_| frame);
        put_record(&mut self.bytes, &[record]);
        if self.bytes.len() >= self.limit && self.failed.is_none() {
            self.spill();
        }
    }

    /// What is in memory becomes a run of the file.
    fn spill(&mut self) {
        match self.write() {
            Ok(()) => {
                self.bytes.clear();
                self.ordered = Some(FrameRef::default());
            }
            Err(error) => self.failed = Some(error.to_string()),
        }
    }

    fn write(&mut self) -> io::Result<()> {
        let file = match &self.file {
            Some(file) => file,
            None => self.file.insert(Arc::new(tempfile::tempfile()?)),
        };
        let length = self.bytes.len() as u64;
        let follows = first_frame(record_at(&self.bytes, 0).0) > self.latest;
        // A run that is not in order is not gone on with.
        let latest = self.ordered.unwrap_or(FrameRef::LAST);
        if self.ordered.is_some() {
            (&mut &**file).write_all(&self.bytes)?;
        } else {
            let mut out = BufWriter::with_capacity(WRITE_BYTES, &**file);
            for at in sorted(&self.bytes) {
                let (record, _) = record_at(&self.bytes, at as usize);
                put_length(&mut out, record.len())?;
                out.write_all(record)?;
            }
            out.flush()?;
        }
        let run = self.written..self.written + length;
        match self.runs.last_mut().filter(|_| self.ordered.is_some() && follows) {
            Some(before) => before.end = run.end,
            None => self.runs.push(run),
        }
        self.latest = latest;
        self.written += length;
        Ok(())
    }

    /// All records as sorted runs, what they sum up to, how many bytes went to the file, and why it took no more.
    pub(super) fn finish(mut self) -> (Vec<Run>, Totals, u64, Option<String>) {
        let file = self.file.take();
        let files = self.runs.iter().filter_map(|range| {
            file.as_ref().map(|file| Run::File { file: Arc::clone(file), range: range.clone() })
        });
        let mut runs: Vec<Run> = files.collect();
        if !self.bytes.is_empty() {
            let order = if self.ordered.is_some() { None } else { Some(sorted(&self.bytes)) };
            runs.push(Run::Memory { bytes: self.bytes, order });
        }
        (runs, self.totals, self.written, self.failed)
    }
}

/// Where the records lie, in order.
fn sorted(bytes: &[u8]) -> Vec<u32> {
    let mut order: Vec<(FrameRef, u32)> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let (record, next) = record_at(bytes, at);
        order.push((first_frame(record), at as u32));
        at = next;
    }
    order.sort_unstable();
    order.into_iter().map(|(_, at)| at).collect()
}

/// Sorted records.
#[derive(Debug)]
pub enum Run {
    /// In memory: bytes, and where the records lie where they do not follow each other.
    Memory {
        /// Each record behind its length.
        bytes: Vec<u8>,
        /// Offsets in order.
        order: Option<Vec<u32>>,
    },
    /// A stretch of a file.
    File {
        /// Which.
        file: Arc<File>,
        /// From where to where.
        range: Range<u64>,
    },
}

/// Reads the records of a run, one after the other.
#[derive(Debug)]
pub struct RunReader {
    run: Run,
    /// What was read of a file.
    buffer: Vec<u8>,
    /// Bytes read at a time.
    chunk: usize,
    /// The next record in `buffer` or the bytes of the run, and where it ends.
    record: Range<usize>,
    /// Of a run in memory with an order: the place of the next record there.
    place: usize,
    failed: Option<String>,
}

impl RunReader {
    /// At the first record; `chunk` bytes of a file are read at a time.
    pub fn new(run: Run, chunk: usize) -> Self {
        let mut reader =
            Self { run, buffer: Vec::new(), chunk: chunk.max(512), record: 0..0, place: 0, failed: None };
        reader.advance();
        reader
    }

    /// The record it is at; none at the end.
    pub fn record(&self) -> Option<&[u8]> {
        let bytes = match &self.run {
            Run::Memory { bytes, .. } => bytes,
            Run::File { .. } => &self.buffer,
        };
        bytes.get(self.record.clone()).filter(|r| !r.is_empty())
    }

    /// Goes to the next record.
    pub fn advance(&mut self) {
        let end = self.record.end;
        match &mut self.run {
            Run::Memory { bytes, order: None } => self.record = record_range(bytes, end),
            Run::Memory { bytes, order: Some(order) } => {
                let at = order.get(self.place).map_or(bytes.len(), |at| *at as usize);
                self.place += 1;
                self.record = record_range(bytes, at);
            }
            Run::File { file, range } => {
                self.record = record_range(&self.buffer, end);
                if is_whole(&self.record, &self.buffer) {
                    return;
                }
                self.buffer.drain(..end.min(self.buffer.len()));
                self.record = record_range(&self.buffer, 0);
                while !is_whole(&self.record, &self.buffer) && !range.is_empty() {
                    if let Err(error) = refill(file, range, &mut self.buffer, self.chunk) {
                        self.failed = Some(error.to_string());
                        *range = 0..0;
                    }
                    self.record = record_range(&self.buffer, 0);
                }
            }
        }
    }

    /// Why the file could not be read to its end.
    pub fn failed(&self) -> Option<&str> {
        self.failed.as_deref()
    }
}

fn is_whole(record: &Range<usize>, buffer: &[u8]) -> bool {
    !record.is_empty() && record.end <= buffer.len()
}

fn refill(file: &File, range: &mut Range<u64>, buffer: &mut Vec<u8>, chunk: usize) -> io::Result<()> {
    let start = buffer.len();
    let want = usize::try_from(range.end - range.start).unwrap_or(usize::MAX).min(chunk);
    buffer.resize(start + want, 0);
    let read = read_at(file, &mut buffer[start..], range.start);
    buffer.truncate(start + read.as_ref().map_or(0, |n| *n));
    match read {
        Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(n) => {
            range.start += n as u64;
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// Appends a record, given in parts, behind its length.
pub fn put_record(bytes: &mut Vec<u8>, parts: &[&[u8]]) {
    // Writing to a Vec does not fail.
    let _ = put_length(bytes, parts.iter().map(|part| part.len()).sum());
    for part in parts {
        bytes.extend_from_slice(part);
    }
}

fn put_length(out: &mut impl Write, length: usize) -> io::Result<()> {
    let mut rest = length;
    while rest >= 0x80 {
        out.write_all(&[rest as u8 | 0x80])?;
        rest >>= 7;
    }
    out.write_all(&[rest as u8])
}

/// The record at an offset, and where the next one lies.
pub fn record_at(bytes: &[u8], at: usize) -> (&[u8], usize) {
    let range = record_range(bytes, at);
    (bytes.get(range.clone()).unwrap_or_default(), range.end.min(bytes.len()))
}

/// Where the record whose length stands at `at` lies; it may end behind the bytes. Empty at their end.
fn record_range(bytes: &[u8], at: usize) -> Range<usize> {
    let (mut length, mut shift) = (0_usize, 0);
    for (n, &byte) in bytes.get(at..).unwrap_or_default().iter().enumerate().take(5) {
        length |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 {
            return at + n + 1..at + n + 1 + length;
        }
    }
    bytes.len()..bytes.len()
}

/// Bytes of a run at least: the budget of a small shard must not make thousands of runs.
const MIN_RUN: usize = 4 << 10;

/// Bytes of a run at most: offsets in it have 32 bits.
const MAX_RUN: usize = 1 << 30;

/// Bytes written at a time.
const WRITE_BYTES: usize = 256 << 10;
