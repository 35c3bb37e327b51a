//! Sequence numbers and places in a stream.
//!
//! A [`Seq`] is 32 bits wide and wraps (RFC 9293 §3.4): it is compared with its own methods only, never as a number.
//! A [`Place`] is where a byte lies in one side's stream, in 64 bits that do not wrap.

use super::codec::{Codec, Coded};

/// A TCP sequence or acknowledgment number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seq(pub(super) u32);

impl Seq {
    /// How far it lies after `other` (negative: before), at most 2^31 either way.
    pub(super) const fn since(self, other: Self) -> i32 {
        self.0.wrapping_sub(other.0) as i32
    }

    /// It lies before `other`.
    pub(super) const fn before(self, other: Self) -> bool {
        self.since(other) < 0
    }

    /// It lies after `other`.
    pub(super) const fn after(self, other: Self) -> bool {
        self.since(other) > 0
    }

    /// The number `n` further on.
    pub(super) const fn plus(self, n: u32) -> Self {
        Self(self.0.wrapping_add(n))
    }

    /// The number `n` before.
    pub(super) const fn minus(self, n: u32) -> Self {
        Self(self.0.wrapping_sub(n))
    }
}

/// Bytes after the first one that a side sent, or after the first one seen where the start is missing.
pub(super) type Place = i64;

/// Ties sequence numbers to places: `seq` stands at `place`. Moves along with the stream, so that a wrap is no matter.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Anchor {
    seq: Seq,
    place: Place,
}

impl Anchor {
    /// The first byte of the stream has the number `seq`.
    pub(super) const fn at_start(seq: Seq) -> Self {
        Self { seq, place: 0 }
    }

    /// Where `seq` lies, taken to be less than 2 GiB from the anchor.
    pub(super) const fn place(&self, seq: Seq) -> Place {
        self.place.saturating_add(seq.since(self.seq) as i64)
    }

    /// Moves the anchor to `seq`.
    pub(super) const fn advance(&mut self, seq: Seq) {
        self.place = self.place(seq);
        self.seq = seq;
    }
}

impl Coded for Anchor {
    fn code<C: Codec>(&mut self, codec: &mut C) {
        let Self { seq, place } = self;
        seq.code(codec);
        place.code(codec);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_survives_the_wrap() {
        let (high, low) = (Seq(u32::MAX - 1), Seq(3));
        assert!(low.after(high) && high.before(low) && !high.after(low));
        assert_eq!(low.since(high), 5);
        assert_eq!(high.plus(5), low);
        assert_eq!(low.minus(5), high);
    }

    #[test]
    fn places_go_on_past_four_gigabytes() {
        let mut anchor = Anchor::at_start(Seq(0xffff_fff0));
        for step in 1..=9_i64 {
            let seq = Seq(0xffff_fff0).plus((step * 0x3fff_ffff) as u32);
            assert_eq!(anchor.place(seq), step * 0x3fff_ffff);
            anchor.advance(seq);
        }
        assert_eq!(
            anchor.place(Seq(0xffff_fff0).plus((9 * 0x3fff_ffff_i64) as u32).minus(7)),
            9 * 0x3fff_ffff - 7
        );
    }
}
