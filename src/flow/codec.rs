//! Facts as a few bytes: a flow that has ended is kept so, and unpacked when someone asks.
//!
//! One walk over the fields serves both ways: [`Pack`] writes what the fields hold, [`Unpack`] fills them. Numbers are
//! LEB128, times and frames differences from the one before. Bytes come from [`Pack`] only and never leave the program;
//! [`Unpack`] still gives zeros, not a panic, where they end early.

use super::seq::Seq;
use super::{FrameRef, Moment, PerDir};
use crate::time::{TimeDelta, Timestamp};

/// Walks over numbers: writes them, or reads them into place.
pub(super) trait Codec {
    /// The next number.
    fn number(&mut self, n: &mut u64);

    /// A run of bytes, at most 255.
    fn text(&mut self, text: &mut Vec<u8>);

    /// The moment and the sequence number that were last, which the next ones differ little from.
    fn last(&mut self) -> &mut (Moment, Seq);
}

/// A value whose fields can be walked over.
pub(super) trait Coded {
    fn code<C: Codec>(&mut self, codec: &mut C);
}

/// Writes.
#[derive(Default)]
pub(super) struct Pack {
    bytes: Vec<u8>,
    last: (Moment, Seq),
}

impl Pack {
    /// Begins anew; the buffer is kept.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.last = Default::default();
    }

    /// What was written.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl Codec for Pack {
    #[inline]
    fn number(&mut self, n: &mut u64) {
        let mut rest = *n;
        while rest >= 0x80 {
            self.bytes.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        self.bytes.push(rest as u8);
    }

    fn text(&mut self, text: &mut Vec<u8>) {
        text.truncate(255);
        self.bytes.push(text.len() as u8);
        self.bytes.extend_from_slice(text);
    }

    #[inline]
    fn last(&mut self) -> &mut (Moment, Seq) {
        &mut self.last
    }
}

/// Reads.
pub(super) struct Unpack<'a> {
    bytes: &'a [u8],
    last: (Moment, Seq),
}

impl<'a> Unpack<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, last: Default::default() }
    }
}

impl Codec for Unpack<'_> {
    #[inline]
    fn number(&mut self, n: &mut u64) {
        let (mut value, mut shift) = (0, 0);
        while let Some((&byte, rest)) = self.bytes.split_first() {
            self.bytes = rest;
            value |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 || shift > 63 {
                break;
            }
        }
        *n = value;
    }

    fn text(&mut self, text: &mut Vec<u8>) {
        let Some((&length, rest)) = self.bytes.split_first() else { return };
        let (run, rest) = rest.split_at(rest.len().min(usize::from(length)));
        text.clear();
        text.extend_from_slice(run);
        self.bytes = rest;
    }

    #[inline]
    fn last(&mut self) -> &mut (Moment, Seq) {
        &mut self.last
    }
}

macro_rules! unsigned {
    ($($number:ty),*) => { $(
        impl Coded for $number {
            #[inline]
            fn code<C: Codec>(&mut self, codec: &mut C) {
                let mut n = u64::from(*self);
                codec.number(&mut n);
                *self = n as Self;
            }
        }
    )* };
}
unsigned!(u8, u16, u32, u64);

impl Coded for bool {
    #[inline]
    fn code<C: Codec>(&mut self, codec: &mut C) {
        let mut n = u64::from(*self);
        codec.number(&mut n);
        *self = n != 0;
    }
}

impl Coded for i64 {
    #[inline]
    fn code<C: Codec>(&mut self, codec: &mut C) {
        let mut n = zigzag(*self);
        codec.number(&mut n);
        *self = unzigzag(n);
    }
}

impl Coded for TimeDelta {
    fn code<C: Codec>(&mut self, codec: &mut C) {
        self.0.code(codec);
    }
}

impl Coded for Timestamp {
    #[inline]
    fn code<C: Codec>(&mut self, codec: &mut C) {
        let before = codec.last().0.time;
        let mut delta = self.0.wrapping_sub(before.0);
        delta.code(codec);
        self.0 = before.0.wrapping_add(delta);
        codec.last().0.time = *self;
    }
}

impl Coded for Seq {
    #[inline]
    fn code<C: Codec>(&mut self, codec: &mut C) {
        let before = codec.last().1;
        let mut delta = i64::from(self.since(before));
        delta.code(codec);
        *self = before.plus(delta as u32);
        codec.last().1 = *self;
    }
}

impl Coded for Moment {
    fn code<C: Codec>(&mut self, codec: &mut C) {
        let mut some = Some(*self);
        some.code(codec);
        *self = some.unwrap_or_default();
    }
}

/// One number says both whether there is one and how far its frame lies from the last.
impl Coded for Option<Moment> {
    #[inline]
    fn code<C: Codec>(&mut self, codec: &mut C) {
        let before = codec.last().0.frame.to_bits();
        let mut n = self.map_or(0, |at| zigzag(at.frame.to_bits().wrapping_sub(before) as i64) + 1);
        codec.number(&mut n);
        *self = n.checked_sub(1).map(|delta| {
            let frame = FrameRef::from_bits(before.wrapping_add(unzigzag(delta) as u64));
            let mut time = self.map_or(Timestamp::default(), |at| at.time);
            codec.last().0.frame = frame;
            time.code(codec);
            Moment { frame, time }
        });
    }
}

impl<T: Coded> Coded for PerDir<T> {
    #[inline]
    fn code<C: Codec>(&mut self, codec: &mut C) {
        self.orig.code(codec);
        self.resp.code(codec);
    }
}

/// Fills in or leaves out: a number that says whether there is one, then the value.
pub(super) fn optional<T: Default, C: Codec>(
    value: &mut Option<T>,
    codec: &mut C,
    code: impl FnOnce(&mut T, &mut C),
) {
    let mut there = value.is_some();
    there.code(codec);
    if there {
        code(value.get_or_insert_default(), codec);
    } else {
        *value = None;
    }
}

/// A value that is mostly its default: a number that says whether it is not, then the value.
pub(super) fn rare<T: Default + PartialEq, C: Codec>(
    value: &mut T,
    codec: &mut C,
    code: impl FnOnce(&mut T, &mut C),
) {
    let mut there = *value != T::default();
    there.code(codec);
    if there {
        code(value, codec);
    } else {
        *value = T::default();
    }
}

/// A count, and each item.
pub(super) fn list<T: Default, C: Codec>(items: &mut Vec<T>, codec: &mut C, code: impl Fn(&mut T, &mut C)) {
    let mut count = items.len() as u64;
    codec.number(&mut count);
    // What was packed had at most as many; bytes that are cut give an empty tail.
    let count = count.min(LONGEST) as usize;
    items.truncate(count);
    items.reserve_exact(count.saturating_sub(items.len()).min(16));
    for at in 0..count {
        if at == items.len() {
            items.push(T::default());
        }
        code(&mut items[at], codec);
    }
}

const fn zigzag(n: i64) -> u64 {
    (n << 1 ^ n >> 63) as u64
}

const fn unzigzag(n: u64) -> i64 {
    (n >> 1) as i64 ^ -((n & 1) as i64)
}

/// Longest list that is packed.
const LONGEST: u64 = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_and_cut_bytes_give_zeros() {
        let numbers = [0, 1, 255, 256, 0xffff_ffff, 1 << 32, u64::MAX, 7, 0, 0, 0, 9];
        let mut pack = Pack::default();
        pack.number(&mut 77);
        pack.clear();
        for n in numbers {
            pack.number(&mut { n });
        }
        pack.text(&mut b"ShADad".to_vec());
        assert_eq!(pack.bytes().len(), 38);
        let read = |bytes: &[u8]| {
            let (mut unpack, mut read, mut text) = (Unpack::new(bytes), [0; 12], Vec::new());
            for n in &mut read {
                unpack.number(n);
            }
            unpack.text(&mut text);
            (read, text)
        };
        assert_eq!(read(pack.bytes()), (numbers, b"ShADad".to_vec()));
        for end in 0..pack.bytes().len() {
            let (read, _) = read(&pack.bytes()[..end]);
            assert!(read.iter().zip(numbers).all(|(read, n)| *read <= n), "cut at {end}: {read:?}");
        }
    }
}
