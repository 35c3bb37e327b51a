//! Records one behind the other, in pieces of memory that never move.
//!
//! Nothing is copied as they become more, and a piece is given back once it was read. Each record stands behind its
//! length (LEB128) and lies whole in one piece.

use std::io::{self, Write};
use std::ops::Range;

/// Bytes of records.
#[derive(Debug, Default)]
pub struct Segments {
    all: Vec<Vec<u8>>,
    bytes: usize,
}

/// Where a record lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    segment: u32,
    at: u32,
}

impl Segments {
    /// Bytes of all records.
    pub(super) fn len(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    pub(super) fn clear(&mut self) {
        self.all.truncate(1);
        self.all.iter_mut().for_each(Vec::clear);
        self.bytes = 0;
    }

    /// Takes a record.
    pub(super) fn push(&mut self, record: &[u8]) {
        let needed = record.len() + LONGEST_LENGTH;
        if self.all.last().is_none_or(|last| last.len() + needed > SEGMENT && !last.is_empty()) {
            // The first one grows: few flows should take little memory.
            let capacity = if self.all.is_empty() { 0 } else { SEGMENT.max(needed) };
            self.all.push(Vec::with_capacity(capacity));
        }
        if let Some(last) = self.all.last_mut() {
            let before = last.len();
            put_record(last, &[record]);
            self.bytes += last.len() - before;
        }
    }

    /// Where every record lies, in the order in which they came.
    pub(super) fn places(&self) -> impl Iterator<Item = (Place, &[u8])> {
        self.all.iter().enumerate().flat_map(|(segment, bytes)| {
            let mut at = 0;
            std::iter::from_fn(move || {
                let place = Place { segment: segment as u32, at: at as u32 };
                let (record, next) = record_at(bytes, at);
                at = next;
                (!record.is_empty()).then_some((place, record))
            })
        })
    }

    /// The bytes of all records in the order in which they came, lengths included.
    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        self.all.iter().try_for_each(|bytes| out.write_all(bytes))
    }

    /// The record at a place.
    pub(super) fn at(&self, place: Place) -> &[u8] {
        self.all.get(place.segment as usize).map_or(&[], |bytes| record_at(bytes, place.at as usize).0)
    }
}

/// Goes through records in the order in which they came, and gives their memory back on the way.
#[derive(Debug, Default)]
pub(super) struct Drain {
    segment: usize,
    record: Range<usize>,
}

impl Drain {
    /// The record it is at; none at the end.
    pub(super) fn record<'a>(&self, segments: &'a Segments) -> Option<&'a [u8]> {
        segments.all.get(self.segment)?.get(self.record.clone())
    }

    /// Goes to the next record.
    pub(super) fn advance(&mut self, segments: &mut Segments) {
        while let Some(bytes) = segments.all.get_mut(self.segment) {
            self.record = record_range(bytes, self.record.end);
            if !self.record.is_empty() {
                return;
            }
            *bytes = Vec::new();
            self.segment += 1;
            self.record = 0..0;
        }
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

pub(super) fn put_length(out: &mut impl Write, length: usize) -> io::Result<()> {
    let (mut bytes, mut used, mut rest) = ([0; LONGEST_LENGTH], 0, length as u32);
    while rest >= 0x80 {
        bytes[used] = rest as u8 | 0x80;
        used += 1;
        rest >>= 7;
    }
    bytes[used] = rest as u8;
    out.write_all(&bytes[..=used])
}

/// The record at an offset, and where the next one lies.
pub fn record_at(bytes: &[u8], at: usize) -> (&[u8], usize) {
    let range = record_range(bytes, at);
    (bytes.get(range.clone()).unwrap_or_default(), range.end.min(bytes.len()))
}

/// Where the record whose length stands at `at` lies; it may end behind the bytes. Empty at their end.
pub(super) fn record_range(bytes: &[u8], at: usize) -> Range<usize> {
    let (mut length, mut shift) = (0_usize, 0);
    for (n, &byte) in bytes.get(at..).unwrap_or_default().iter().enumerate().take(LONGEST_LENGTH) {
        length |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 {
            return at + n + 1..at + n + 1 + length;
        }
    }
    bytes.len()..bytes.len()
}

/// Bytes of a piece; a longer record has one of its own.
const SEGMENT: usize = 256 << 10;

/// Bytes of the length of a record at most.
const LONGEST_LENGTH: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_in_order_whatever_their_length() {
        let lengths = [1, 127, 128, SEGMENT - 6, 300, SEGMENT - 1, SEGMENT * 2, 5, 70_000];
        let records: Vec<Vec<u8>> = lengths.iter().map(|n| vec![*n as u8 | 1; *n]).collect();
        let mut segments = Segments::default();
        for record in &records {
            segments.push(record);
        }
        let places: Vec<Place> = segments.places().map(|(place, _)| place).collect();
        assert!(places.iter().zip(&records).all(|(place, record)| segments.at(*place) == record));
        assert_eq!(places.len(), records.len());
        let mut written = Vec::new();
        segments.write(&mut written).unwrap();
        assert_eq!(written.len(), segments.len());
        let mut drain = Drain::default();
        for record in &records {
            drain.advance(&mut segments);
            assert_eq!(drain.record(&segments), Some(&record[..]));
        }
        drain.advance(&mut segments);
        assert_eq!(drain.record(&segments), None);
    }
}
