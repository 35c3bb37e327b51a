//! Flows that are over and idle, packed, side by side: until one of them goes on after all, or ends.
//!
//! Each is its record, which is complete, and what it takes to go on. They lie in pieces of memory that never move; a
//! piece is given back once all of its flows are gone, which are those that were frozen at about the same time.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use super::FrameRef;
use super::codec::Unpack;
use super::key::FlowKey;
use super::lone::Head;
use super::totals::Totals;

/// The frozen flows of a shard.
#[derive(Debug, Default)]
pub(super) struct Frozens {
    pieces: Vec<Piece>,
    /// The one that is being filled.
    filling: usize,
    /// Those that were given back.
    empty: Vec<usize>,
    /// What a flow adds to the totals, where that is not what every ordinary connection adds.
    totals: HashMap<u32, Totals, FixedState>,
}

#[derive(Debug, Default)]
struct Piece {
    bytes: Vec<u8>,
    /// Flows in it that are not gone.
    left: u32,
}

/// A frozen flow, where it lies.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Frozen<'a> {
    /// The frame that opened it.
    pub(super) opened: FrameRef,
    /// Its last one.
    pub(super) last: FrameRef,
    /// The record of the flow as it stands.
    pub(super) record: &'a [u8],
    /// What it takes to go on.
    pub(super) rest: &'a [u8],
}

impl Frozen<'_> {
    pub(super) fn key(&self) -> FlowKey {
        Head::read(&mut Unpack::new(self.record, &[])).key
    }
}

impl Frozens {
    /// Takes a flow; gives its place.
    pub(super) fn add(&mut self, frozen: &Frozen<'_>, totals: Totals) -> u32 {
        let Frozen { opened, last, record, rest } = *frozen;
        let needed = HEADER + record.len() + rest.len();
        let has_room = |piece: &Piece| piece.bytes.len() + needed <= PIECE;
        if !self.pieces.get(self.filling).is_some_and(has_room) {
            self.begin_piece(needed);
        }
        let Piece { bytes, left } = &mut self.pieces[self.filling];
        let place = (self.filling * UNITS + bytes.len() / UNIT) as u32;
        *left += 1;
        bytes.extend_from_slice(&opened.to_bits().to_le_bytes());
        bytes.extend_from_slice(&last.to_bits().to_le_bytes());
        bytes.extend_from_slice(&(record.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&(rest.len() as u32).to_le_bytes());
        bytes.extend_from_slice(record);
        bytes.extend_from_slice(rest);
        bytes.resize(bytes.len().next_multiple_of(UNIT), 0);
        if totals != Totals::ordinary() {
            self.totals.insert(place, totals);
        }
        place
    }

    fn begin_piece(&mut self, needed: usize) {
        // The first one grows: few flows should take little memory.
        let capacity = if self.pieces.is_empty() { needed } else { PIECE.max(needed) };
        let new = Piece { bytes: Vec::with_capacity(capacity), left: 0 };
        let full = std::mem::replace(&mut self.filling, self.empty.pop().unwrap_or(self.pieces.len()));
        match self.pieces.get_mut(self.filling) {
            Some(piece) => *piece = new,
            None => self.pieces.push(new),
        }
        self.give_back(full);
    }

    /// Gives a piece back, if nothing is left in it and it is not being filled.
    fn give_back(&mut self, number: usize) {
        if let Some(piece) = self.pieces.get_mut(number)
            && piece.left == 0
            && number != self.filling
        {
            piece.bytes = Vec::new();
            self.empty.push(number);
        }
    }

    /// The flow at a place.
    pub(super) fn at(&self, place: u32) -> Frozen<'_> {
        let (piece, at) = split(place);
        let bytes = self.pieces.get(piece).and_then(|piece| piece.bytes.get(at..)).unwrap_or_default();
        let Some((header, bytes)) = bytes.split_first_chunk::<HEADER>() else { return Frozen::default() };
        let [o0, o1, o2, o3, o4, o5, o6, o7, l0, l1, l2, l3, l4, l5, l6, l7, lengths @ ..] = *header;
        let [a0, a1, a2, a3, b0, b1, b2, b3] = lengths;
        let (record, rest) = (u32::from_le_bytes([a0, a1, a2, a3]), u32::from_le_bytes([b0, b1, b2, b3]));
        let (record, rest_on) = bytes.split_at((record as usize).min(bytes.len()));
        Frozen {
            opened: FrameRef::from_bits(u64::from_le_bytes([o0, o1, o2, o3, o4, o5, o6, o7])),
            last: FrameRef::from_bits(u64::from_le_bytes([l0, l1, l2, l3, l4, l5, l6, l7])),
            record,
            rest: rest_on.get(..rest as usize).unwrap_or_default(),
        }
    }

    /// Lets go of the flow at a place, and gives what it adds to the totals.
    pub(super) fn remove(&mut self, place: u32) -> Totals {
        let (number, _) = split(place);
        if let Some(piece) = self.pieces.get_mut(number) {
            piece.left = piece.left.saturating_sub(1);
            self.give_back(number);
        }
        self.totals.remove(&place).unwrap_or_else(Totals::ordinary)
    }
}

/// Which piece a place is in, and at which byte.
const fn split(place: u32) -> (usize, usize) {
    (place as usize / UNITS, place as usize % UNITS * UNIT)
}

/// Bytes of a piece; a larger flow has one of its own.
const PIECE: usize = 256 << 10;
/// Places are multiples of so many bytes, so that 32 bits reach over any budget of memory.
const UNIT: usize = 16;
/// Places in a piece.
const UNITS: usize = PIECE / UNIT;
/// Frames and lengths before the record.
const HEADER: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flows_stay_where_they_are_and_empty_pieces_are_given_back() {
        let mut frozens = Frozens::default();
        let late = Totals { flows: 1, duplicates: 3, ..Totals::default() };
        let lengths = [1, 15, 300, PIECE - HEADER, 7, PIECE * 3, 40];
        let records: Vec<Vec<u8>> = lengths.iter().map(|n| vec![*n as u8; *n]).collect();
        let frozen = |n: usize| Frozen {
            opened: FrameRef::new(1, n as u64),
            last: FrameRef::new(2, n as u64),
            record: &records[n],
            rest: &records[records.len() - 1 - n],
        };
        let places: Vec<u32> = (0..records.len())
            .map(|n| frozens.add(&frozen(n), if n == 2 { late.clone() } else { Totals::ordinary() }))
            .collect();
        for (n, place) in places.iter().enumerate() {
            let (found, put) = (frozens.at(*place), frozen(n));
            assert_eq!((found.opened, found.last), (put.opened, put.last));
            assert!(found.record == put.record && found.rest == put.rest, "{n}");
        }
        let sums: Vec<Totals> = places.iter().map(|place| frozens.remove(*place)).collect();
        assert_eq!(sums.iter().filter(|sum| **sum == late).count(), 1);
        assert_eq!(sums[2], late);
        assert!(frozens.totals.is_empty());
        assert_eq!(frozens.pieces.iter().filter(|piece| piece.bytes.capacity() > 0).count(), 1);
        let before = frozens.pieces.len();
        for n in 0..2000 {
            let place = frozens.add(&frozen(2), Totals::ordinary());
            assert_eq!(frozens.at(place).record, records[2], "{n}");
            frozens.remove(place);
        }
        assert_eq!(frozens.pieces.len(), before, "pieces are used again");
    }
}
