//! One side's bytes: what was sent, what of it the capture shows, and what the other side acknowledged.
//!
//! Takes segments without copies. Keeps no payload, only places; the holes that the capture has are remembered so that
//! a late segment can be told from one that was sent again.

use super::codec::{Codec, Coded, Form, list};
use super::seq::{Anchor, Place, Seq};

/// What one side has sent so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Stream {
    /// Stands at `next`.
    anchor: Option<Anchor>,
    /// The end of what is known to be sent.
    next: Place,
    /// The end of what the other side acknowledged, the number of the FIN included.
    acked: Place,
    /// The end of its data, once its FIN was seen.
    fin: Option<Place>,
    /// Bytes before `next` that the capture does not show, in order.
    holes: Vec<(Place, Place)>,
    /// Of the segments not acknowledged yet, the largest that was sent once only: its length and end.
    largest: (u32, Place),
    /// Its last window, unscaled.
    pub(super) window: Option<u16>,
}

/// What a segment with payload brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    /// Where its first byte lies.
    pub(super) place: Place,
    /// Some of it was not seen before.
    pub(super) new: bool,
    /// Some of it was seen before.
    pub(super) again: bool,
    /// Some of it lies before what was seen.
    pub(super) late: bool,
}

/// What an acknowledgment brings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Acked {
    /// The end of the data that is acknowledged now, if that is further than before.
    pub(super) data: Option<Place>,
    /// The largest segment that it covers and that was sent once only, in bytes.
    pub(super) delivered: u32,
    /// Bytes that it acknowledges and that the capture does not show.
    pub(super) unseen: u64,
}

impl Stream {
    /// Forgets the stream it was, and keeps its memory.
    pub(super) fn begin(&mut self) {
        let mut holes = std::mem::take(&mut self.holes);
        holes.clear();
        *self = Self { holes, ..Self::default() };
    }

    /// The first byte has the number `seq`, unless an earlier segment told.
    pub(super) fn start(&mut self, seq: Seq) {
        self.anchor.get_or_insert(Anchor::at_start(seq));
    }

    /// A SYN says that the first byte has the number `seq`: believed as long as no byte was seen.
    pub(super) fn restart(&mut self, seq: Seq) {
        if self.next == 0 && self.acked == 0 {
            self.anchor = Some(Anchor::at_start(seq));
        }
        self.start(seq);
    }

    /// Nothing but its SYN is known of it.
    pub(super) fn is_unused(&self) -> bool {
        self.next == 0 && self.acked == 0 && self.fin.is_none()
    }

    /// Where `seq` lies; 0 where nothing is known of the stream.
    pub(super) fn place(&self, seq: Seq) -> Place {
        self.anchor.map_or(0, |anchor| anchor.place(seq))
    }

    /// The end of what was sent lies at `seq`, and no acknowledgment is ahead of it.
    pub(super) fn is_next(&self, seq: Seq) -> bool {
        self.anchor.is_none_or(|_| self.place(seq) == self.next + i64::from(self.fin.is_some()))
    }

    /// How far `seq` lies beyond the end of what was sent; below it, where negative. 0 where nothing is known of the stream.
    pub(super) fn beyond(&self, seq: Seq) -> i64 {
        self.anchor.map_or(0, |anchor| anchor.place(seq) - self.next)
    }

    /// How far it lies beyond what was acknowledged.
    pub(super) fn beyond_acked(&self, seq: Seq) -> i64 {
        self.anchor.map_or(0, |anchor| anchor.place(seq) - self.acked)
    }

    /// Bytes before `seq` were not sent so far.
    pub(super) fn is_fresh(&self, seq: Seq) -> bool {
        self.anchor.is_none_or(|anchor| anchor.place(seq) > self.next)
    }

    /// Numbers before `seq` were not acknowledged so far.
    pub(super) fn is_unacked(&self, seq: Seq) -> bool {
        self.anchor.is_none_or(|anchor| anchor.place(seq) > self.acked)
    }

    /// `length` bytes of payload at `seq`.
    pub(super) fn send(&mut self, seq: Seq, length: u32) -> Sent {
        self.start(seq);
        let place = self.place(seq);
        let end = place.saturating_add(i64::from(length));
        let late = place < self.next;
        let mut sent = Sent { place, new: end > self.next, again: late, late };
        if late {
            let filled = self.fill(place, end.min(self.next));
            // What lies before the first byte seen was not seen either (a start that is missing).
            let before = (0.min(self.next) - place).clamp(0, i64::from(length));
            sent.new |= filled > 0 || before > 0;
            let overlap = end.min(self.next) - place;
            sent.again = overlap > filled + before;
            if overlap == 1 && length > 1 && sent.again {
                // The byte of a window probe (RFC 9293 §3.8.6.1), before all the others: nobody sends so little again.
                (sent.again, sent.late) = (false, false);
            }
        } else if place > self.next {
            self.open_hole(self.next, place);
        }
        if sent.again && self.largest.1 > place && self.largest.1 <= end {
            self.largest.0 = 0;
        } else if sent.new && length >= self.largest.0 {
            self.largest = (length, end);
        }
        if end > self.next {
            self.advance(seq.plus(length), end);
        }
        sent
    }

    /// A FIN whose data ends at `seq`.
    pub(super) fn finish(&mut self, seq: Seq) {
        self.start(seq);
        let place = self.place(seq);
        self.fin.get_or_insert(place);
        if place + 1 == self.next && self.fill(place, self.next) > 0 {
            // Its number was acknowledged before it was shown, and taken for a byte.
            self.advance(seq, place);
        } else if place > self.next {
            self.open_hole(self.next, place);
            self.advance(seq, place);
        }
    }

    /// The other side acknowledges what lies before `seq`.
    pub(super) fn acknowledge(&mut self, seq: Seq) -> Acked {
        self.start(seq);
        let place = self.place(seq);
        if place <= self.acked {
            return Acked::default();
        }
        let mut acked = Acked::default();
        let before = self.acked();
        self.acked = place;
        let end = self.fin.map_or(place, |fin| place.min(fin));
        // One number more than was seen is a FIN that the capture missed.
        if end > self.next + 1 {
            acked.unseen = (end - self.next).unsigned_abs();
            self.open_hole(self.next, end);
            self.advance(seq, end);
        }
        acked.data = (end > before).then_some(end);
        if self.largest.1 <= place {
            acked.delivered = self.largest.0;
            self.largest.0 = 0;
        }
        acked
    }

    /// The end of the data that the other side acknowledged.
    pub(super) fn acked(&self) -> Place {
        self.fin.map_or(self.acked, |fin| self.acked.min(fin))
    }

    /// Its FIN was acknowledged.
    pub(super) fn is_closed(&self) -> bool {
        self.fin.is_some_and(|fin| self.acked > fin)
    }

    /// Bytes sent and not acknowledged.
    pub(super) fn in_flight(&self) -> u64 {
        (self.next - self.acked).max(0).unsigned_abs()
    }

    /// Bytes that the capture does not show.
    pub(super) fn gap_bytes(&self) -> u64 {
        self.holes.iter().map(|(start, end)| end.saturating_sub(*start).unsigned_abs()).sum()
    }

    fn advance(&mut self, seq: Seq, place: Place) {
        if let Some(anchor) = &mut self.anchor {
            anchor.advance(seq);
        }
        self.next = place;
    }

    /// Past the bound the last hole takes in what lies between: its bytes are then counted as missing.
    fn open_hole(&mut self, start: Place, end: Place) {
        let full = self.holes.len() >= HOLES;
        match self.holes.last_mut() {
            Some(last) if last.1 == start || full => last.1 = end,
            _ => self.holes.push((start, end)),
        }
    }

    /// Takes what lies from `start` to `end` out of the holes; gives how many bytes that were.
    fn fill(&mut self, start: Place, end: Place) -> i64 {
        if self.holes.is_empty() || end <= start {
            return 0;
        }
        let mut filled = 0;
        let mut left = Vec::with_capacity(self.holes.len() + 1);
        for &(from, to) in &self.holes {
            let (cut_from, cut_to) = (from.max(start), to.min(end));
            if cut_from >= cut_to {
                left.push((from, to));
                continue;
            }
            filled += cut_to - cut_from;
            left.extend([(from, cut_from), (cut_to, to)].into_iter().filter(|(from, to)| from < to));
        }
        // A segment amid a hole makes two of it: past the bound the last takes in what lies between, as in `open_hole`.
        if let Some(end) = left.get(HOLES..).and_then(|rest| rest.last()).map(|last| last.1) {
            left.truncate(HOLES);
            if let Some(last) = left.last_mut() {
                last.1 = end;
            }
        }
        self.holes = left;
        filled
    }
}

impl Coded for Stream {
    fn code<C: Codec>(&mut self, codec: &mut C) {
        let Self { anchor, next, acked, fin, holes, largest, window } = self;
        let there =
            [anchor.is_some(), fin.is_some(), window.is_some(), !holes.is_empty(), *largest != (0, 0)];
        let mut form = Form::code(there, codec);
        next.code(codec);
        form.optional(anchor, codec);
        near(acked, *next, codec);
        if form.next() {
            near(fin.get_or_insert_default(), *next, codec);
        } else {
            *fin = None;
        }
        form.optional(window, codec);
        form.rare(holes, codec, |holes, codec| {
            list(holes, codec, |(start, end), codec| {
                start.code(codec);
                end.code(codec);
            });
        });
        form.rare(largest, codec, |(length, end), codec| {
            length.code(codec);
            near(end, *next, codec);
        });
    }
}

/// A place that lies near another.
fn near<C: Codec>(place: &mut Place, other: Place, codec: &mut C) {
    let mut delta = place.wrapping_sub(other);
    delta.code(codec);
    *place = other.wrapping_add(delta);
}

/// Holes remembered for one side.
const HOLES: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(place: Place, new: bool, again: bool, late: bool) -> Sent {
        Sent { place, new, again, late }
    }

    #[test]
    fn late_is_not_again() {
        let mut stream = Stream::default();
        stream.start(Seq(u32::MAX - 49));
        assert_eq!(stream.send(Seq(u32::MAX - 49), 100), sent(0, true, false, false));
        assert_eq!(stream.send(Seq(150), 100), sent(200, true, false, false));
        assert_eq!(stream.gap_bytes(), 100);
        assert_eq!(stream.send(Seq(50), 60), sent(100, true, false, true));
        assert_eq!(stream.send(Seq(50), 100), sent(100, true, true, true));
        assert_eq!(stream.gap_bytes(), 0);
        assert_eq!(stream.send(Seq(150), 100), sent(200, false, true, true));
    }

    #[test]
    fn before_the_first_byte_seen() {
        let mut stream = Stream::default();
        assert_eq!(stream.send(Seq(1000), 10).place, 0);
        assert_eq!(stream.send(Seq(900), 100), sent(-100, true, false, true));
    }

    #[test]
    fn acknowledgments() {
        let mut stream = Stream::default();
        stream.start(Seq(1));
        assert_eq!(stream.acknowledge(Seq(1)), Acked::default());
        stream.send(Seq(1), 100);
        stream.send(Seq(101), 20);
        assert_eq!(stream.acknowledge(Seq(101)), Acked { data: Some(100), delivered: 100, unseen: 0 });
        assert_eq!(stream.in_flight(), 20);
        stream.finish(Seq(121));
        assert!(!stream.is_closed());
        assert_eq!(stream.acknowledge(Seq(122)).data, Some(120));
        assert!(stream.is_closed());
        assert_eq!(stream.acknowledge(Seq(101)), Acked::default());
    }

    #[test]
    fn acknowledged_and_not_shown() {
        let mut stream = Stream::default();
        stream.start(Seq(1));
        stream.send(Seq(1), 100);
        assert_eq!(stream.acknowledge(Seq(102)).unseen, 0, "a FIN that the capture missed");
        assert_eq!(stream.acknowledge(Seq(301)).unseen, 200);
        assert_eq!(stream.gap_bytes(), 200);
        assert_eq!(stream.send(Seq(101), 200), sent(100, true, false, true));
        assert_eq!(stream.gap_bytes(), 0);
    }

    #[test]
    fn endless_holes_stay_bounded() {
        let mut stream = Stream::default();
        stream.start(Seq(0));
        for n in 0..10_000 {
            stream.send(Seq(n * 20 + 10), 10);
        }
        assert!(stream.holes.len() <= HOLES);
    }

    #[test]
    fn one_hole_filled_in_endless_pieces_stays_bounded() {
        let mut stream = Stream::default();
        stream.start(Seq(0));
        stream.send(Seq(1_000_000), 10);
        for n in (1..200_000).rev() {
            stream.send(Seq(n * 5), 1);
            assert!(stream.holes.len() <= HOLES);
        }
        assert!(stream.gap_bytes() <= 1_000_000);
    }
}
