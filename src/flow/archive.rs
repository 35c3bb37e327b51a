//! Records of flows that have ended: kept as bytes, sorted and written to a file when they are more than the budget.
//!
//! Takes records in any order; gives sorted runs, to be merged. The file has no name and vanishes with the process.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::sync::Arc;

use super::FrameRef;
use super::compact::first_frame;
use super::segments::{Drain, Place, Segments, put_length, record_range};
use super::totals::Totals;
use crate::bundle::read_at;

/// The records of one shard, and what they sum up to.
#[derive(Debug)]
pub(super) struct Archive {
    records: Segments,
    /// Bytes at most before they are written to the file.
    limit: usize,
    /// First frame of the latest record, as long as they come in order.
    ordered: Option<FrameRef>,
    file: Option<Arc<File>>,
    written: u64,
    /// Each in order.
    runs: Vec<Range<u64>>,
    /// Records that were set aside: what follows is a run of its own.
    aside: Option<Run>,
    /// First frame of the last record of the last run.
    latest: FrameRef,
    /// Why nothing can be written any more: from then on everything stays in memory.
    failed: Option<String>,
    pub(super) totals: Totals,
}

impl Archive {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            records: Segments::default(),
            limit: limit.clamp(MIN_RUN, MAX_RUN),
            ordered: Some(FrameRef::default()),
            file: None,
            written: 0,
            runs: Vec::new(),
            aside: None,
            latest: FrameRef::default(),
            failed: None,
            totals: Totals::default(),
        }
    }

    /// Takes a record.
    pub(super) fn push(&mut self, record: &[u8]) {
        let frame = first_frame(record);
        self.ordered = self.ordered.filter(|last| *last < frame).map(|_| frame);
        self.records.push(record);
        if self.records.len() >= self.limit && self.failed.is_none() {
            self.spill();
        }
    }

    /// What came until now is one run; what follows is another, which may be in order where the whole would not.
    pub(super) fn set_aside(&mut self) {
        if self.records.len() > self.limit / 2 && self.failed.is_none() {
            self.spill();
        }
        self.aside = self.run();
        self.ordered = Some(FrameRef::default());
    }

    /// The records in memory as a run, taken out.
    fn run(&mut self) -> Option<Run> {
        let records = std::mem::take(&mut self.records);
        if records.is_empty() {
            return None;
        }
        let order = if self.ordered.is_some() { None } else { Some(sorted(&records)) };
        Some(Run::Memory { records, order })
    }

    /// What is in memory becomes a run of the file.
    fn spill(&mut self) {
        match self.write() {
            Ok(()) => {
                self.records.clear();
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
        let length = self.records.len() as u64;
        let first = self.records.places().next();
        let follows = first.is_some_and(|(_, record)| first_frame(record) > self.latest);
        // A run that is not in order is not gone on with.
        let latest = self.ordered.unwrap_or(FrameRef::LAST);
        if self.ordered.is_some() {
            self.records.write(&mut &**file)?;
        } else {
            let mut out = BufWriter::with_capacity(WRITE_BYTES, &**file);
            for place in sorted(&self.records) {
                let record = self.records.at(place);
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
        runs.extend(self.aside.take());
        runs.extend(self.run());
        (runs, self.totals, self.written, self.failed)
    }
}

/// Where the records lie, in order.
fn sorted(records: &Segments) -> Vec<Place> {
    let mut order: Vec<(FrameRef, Place)> =
        records.places().map(|(place, record)| (first_frame(record), place)).collect();
    order.sort_unstable();
    order.into_iter().map(|(_, place)| place).collect()
}

/// Sorted records.
#[derive(Debug)]
pub enum Run {
    /// In memory: the records, and their order where it is not that in which they came.
    Memory {
        /// All of them.
        records: Segments,
        /// Places in order.
        order: Option<Vec<Place>>,
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
    /// Of a file: the next record in `buffer`.
    record: Range<usize>,
    /// Of memory without an order.
    drain: Drain,
    /// Of memory with an order: how many records were read.
    read: usize,
    failed: Option<String>,
}

impl RunReader {
    /// At the first record; `chunk` bytes of a file are read at a time.
    pub fn new(run: Run, chunk: usize) -> Self {
        let mut reader = Self {
            run,
            buffer: Vec::new(),
            chunk: chunk.max(512),
            record: 0..0,
            drain: Drain::default(),
            read: 0,
            failed: None,
        };
        reader.advance();
        reader
    }

    /// The record it is at; none at the end.
    pub fn record(&self) -> Option<&[u8]> {
        match &self.run {
            Run::Memory { records, order: None } => self.drain.record(records),
            Run::Memory { records, order: Some(order) } => {
                Some(records.at(*order.get(self.read.checked_sub(1)?)?))
            }
            Run::File { .. } => self.buffer.get(self.record.clone()),
        }
        .filter(|record| !record.is_empty())
    }

    /// Goes to the next record.
    pub fn advance(&mut self) {
        let end = self.record.end;
        match &mut self.run {
            Run::Memory { records, order: None } => self.drain.advance(records),
            Run::Memory { order: Some(_), .. } => self.read += 1,
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

/// Bytes of a run at least: the budget of a small shard must not make thousands of runs.
const MIN_RUN: usize = 4 << 10;

/// Bytes of a run at most.
const MAX_RUN: usize = 1 << 30;

/// Bytes written at a time.
const WRITE_BYTES: usize = 256 << 10;
