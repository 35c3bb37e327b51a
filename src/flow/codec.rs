//! Facts as a few bytes: a flow that has ended is kept so, and unpacked when someone asks.
//!
//! One walk over the fields serves both ways: `Pack` writes what the fields hold, `Unpack` fills them. Numbers take a
//! byte for each seven bits, times and frames are differences from the one before; what many flows share is kept once
//! (`Shared`). Bytes come from `Pack` only and never leave the program; `Unpack` still gives zeros, not a panic, where
//! they end early.
//!
//! A number's first byte ends in a one behind as many zeros as bytes follow, and the number stands above it: so it is
//! one word, written and read at once. What has more than 56 bits stands as it is behind a zero.

use std::any::Any;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use super::seq::Seq;
use super::{FrameRef, Moment, PerDir};
use crate::time::{TimeDelta, Timestamp};

/// Walks over numbers: writes them, or reads them into place.
pub trait Codec {
    /// The next number.
    fn number(&mut self, n: &mut u64);

    /// As many bytes as there are.
    fn raw(&mut self, bytes: &mut [u8]);

    /// The same of a number that is known.
    fn array<const N: usize>(&mut self, bytes: &mut [u8; N]);

    /// A run of bytes and how many they are, at most 64 KiB.
    fn run(&mut self, run: &mut Vec<u8>);

    /// A text, at most 64 KiB.
    fn text(&mut self, text: &mut String);

    /// A moment that is not always there. One number says whether it is, how many frames it lies from the last, and how
    /// long: in its six lowest bits 0 for none, one more than the frames, or 63 where numbers of their own follow.
    fn moment(&mut self, at: &mut Option<Moment>);

    /// What was last, which the next values differ little from.
    fn last(&mut self) -> &mut Last;

    /// What many flows share.
    fn shared<T: Coded + Clone + Default + Send + Sync + 'static>(&mut self, value: &mut Arc<T>);
}

/// A value whose fields can be walked over.
pub trait Coded {
    /// Writes or fills every field.
    fn code<C: Codec>(&mut self, codec: &mut C);

    /// A digest of what another capture of the same thing would show too, if there is something of the kind.
    fn print(&self) -> Option<u32> {
        None
    }
}

/// The moment and the sequence number that were last.
#[derive(Clone, Copy, Debug, Default)]
pub struct Last {
    moment: Moment,
    seq: Seq,
}

impl Last {
    /// What follows lies near this moment, and near no sequence number.
    pub(super) fn begin(&mut self, at: Moment) {
        *self = Self { moment: at, seq: Seq::default() };
    }
}

/// Something that records share.
pub type SharedValue = Arc<dyn Any + Send + Sync>;

/// What records of one shard share, each once: records hold its place here. Bounded; what comes later stands in the
/// records themselves.
#[derive(Default)]
pub(super) struct Shared {
    values: Vec<SharedValue>,
    /// By where they lie: each is held here, so that nothing else can come to lie there.
    places: HashMap<usize, u64>,
}

impl Shared {
    pub(super) fn values(&self) -> &[SharedValue] {
        &self.values
    }

    pub(super) fn into_values(self) -> Vec<SharedValue> {
        self.values
    }

    fn place<T: Send + Sync + 'static>(&mut self, value: &Arc<T>) -> Option<u64> {
        let address = Arc::as_ptr(value).addr();
        if let Some(place) = self.places.get(&address) {
            return Some(*place);
        }
        if self.values.len() >= MAX_SHARED {
            return None;
        }
        let place = self.values.len() as u64;
        self.places.insert(address, place);
        let value: SharedValue = Arc::<T>::clone(value);
        self.values.push(value);
        Some(place)
    }
}

/// Writes.
#[derive(Default)]
pub(super) struct Pack {
    /// What was written up to `end`; behind it is room, so that a word is written whole however much of it counts.
    buffer: Vec<u8>,
    end: usize,
    pub(super) shared: Shared,
    last: Last,
}

impl Pack {
    /// Begins anew, near `at`; the buffer and what is shared are kept.
    pub(super) fn begin(&mut self, at: Moment) {
        self.end = 0;
        self.last.begin(at);
    }

    /// What was written.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer[..self.end]
    }

    /// Writes the first `used` of some bytes.
    #[inline]
    fn put<const N: usize>(&mut self, bytes: &[u8; N], used: usize) {
        let room = self.buffer.get_mut(self.end..).and_then(|room| room.first_chunk_mut());
        let Some(room) = room else { return self.grow_and_put(&bytes[..used]) };
        *room = *bytes;
        self.end += used;
    }

    #[cold]
    fn grow_and_put(&mut self, bytes: &[u8]) {
        let end = self.end + bytes.len();
        self.buffer.resize((end + 8).next_power_of_two().max(1024), 0);
        self.buffer[self.end..end].copy_from_slice(bytes);
        self.end = end;
    }

    /// Appends bytes as they are.
    pub(super) fn put_all(&mut self, bytes: &[u8]) {
        match self.buffer.get_mut(self.end..self.end + bytes.len()) {
            Some(room) => {
                room.copy_from_slice(bytes);
                self.end += bytes.len();
            }
            None => self.grow_and_put(bytes),
        }
    }

    /// Appends bytes as [`Codec::run`] does.
    pub(super) fn put_run(&mut self, bytes: &[u8]) {
        let bytes = bytes.get(..LONGEST as usize).unwrap_or(bytes);
        self.number(&mut (bytes.len() as u64));
        self.put_all(bytes);
    }

    fn put_moment(&mut self, at: Moment) {
        let before = std::mem::replace(&mut self.last.moment, at);
        let frames = zigzag(at.frame.to_bits().wrapping_sub(before.frame.to_bits()) as i64);
        let time = zigzag(at.time.0.wrapping_sub(before.time.0));
        if frames < FAR - 1 && time < 1 << 50 {
            return self.put_number(time << 6 | (frames + 1));
        }
        for n in [FAR, frames, time] {
            self.put_number(n);
        }
    }

    fn put_number(&mut self, n: u64) {
        let bits = u64::BITS - (n | 1).leading_zeros();
        if bits > 56 {
            self.put(&[0], 1);
            return self.put(&n.to_le_bytes(), 8);
        }
        // A seventh, rounded up: right for all below 80.
        let length = ((bits + 6) * 37) >> 8;
        self.put(&((n << 1 | 1) << (length - 1)).to_le_bytes(), length as usize);
    }
}

impl Codec for Pack {
    #[inline]
    fn number(&mut self, n: &mut u64) {
        // Most are counts and flags.
        match self.buffer.get_mut(self.end) {
            Some(place) if *n < 1 << 7 => {
                *place = (*n as u8) << 1 | 1;
                self.end += 1;
            }
            _ => self.put_number(*n),
        }
    }

    fn raw(&mut self, bytes: &mut [u8]) {
        self.put_all(bytes);
    }

    #[inline]
    fn array<const N: usize>(&mut self, bytes: &mut [u8; N]) {
        self.put(bytes, N);
    }

    fn run(&mut self, run: &mut Vec<u8>) {
        self.put_run(run);
    }

    fn text(&mut self, text: &mut String) {
        self.put_run(text.as_bytes());
    }

    #[inline]
    fn moment(&mut self, at: &mut Option<Moment>) {
        match *at {
            None => self.number(&mut 0),
            Some(at) => self.put_moment(at),
        }
    }

    #[inline]
    fn last(&mut self) -> &mut Last {
        &mut self.last
    }

    fn shared<T: Coded + Clone + Default + Send + Sync + 'static>(&mut self, value: &mut Arc<T>) {
        if let Some(place) = self.shared.place(value) {
            return self.number(&mut (place + 1));
        }
        self.number(&mut 0);
        T::clone(value).code(self);
    }
}

/// Reads.
pub(super) struct Unpack<'a> {
    bytes: &'a [u8],
    shared: &'a [SharedValue],
    last: Last,
}

impl<'a> Unpack<'a> {
    pub(super) fn new(bytes: &'a [u8], shared: &'a [SharedValue]) -> Self {
        Self { bytes, shared, last: Last::default() }
    }
}

impl Unpack<'_> {
    /// The word that the bytes begin with; zeros where they end.
    #[inline]
    fn word(&self) -> u64 {
        match self.bytes.first_chunk() {
            Some(word) => u64::from_le_bytes(*word),
            None => last_word(self.bytes),
        }
    }

    /// Passes over bytes.
    #[inline]
    pub(super) fn skip(&mut self, count: usize) {
        self.bytes = self.bytes.get(count..).unwrap_or_default();
    }

    /// The moment whose number is `n`.
    fn next_moment(&mut self, n: u64) -> Moment {
        let (mut frames, mut time) = ((n & 63).wrapping_sub(1), n >> 6);
        if n & 63 == FAR {
            self.number(&mut frames);
            self.number(&mut time);
        }
        let Moment { frame, time: since } = self.last.moment;
        let at = Moment {
            frame: FrameRef::from_bits(frame.to_bits().wrapping_add(unzigzag(frames) as u64)),
            time: Timestamp(since.0.wrapping_add(unzigzag(time))),
        };
        self.last.moment = at;
        at
    }

    fn long_number(&mut self) -> u64 {
        let Some(&word) = self.bytes.first_chunk() else { return self.number_near_the_end() };
        let word = u64::from_le_bytes(word);
        let length = word.trailing_zeros() + 1;
        if length > 8 {
            return self.number_near_the_end();
        }
        self.bytes = &self.bytes[length as usize..];
        number_in(word, length)
    }

    /// A number of more than 56 bits too.
    #[cold]
    fn number_near_the_end(&mut self) -> u64 {
        let word = self.word();
        let length = word.trailing_zeros() + 1;
        if length > 8 {
            self.skip(1);
            let n = self.word();
            self.skip(8);
            return n;
        }
        self.skip(length as usize);
        number_in(word, length)
    }
}

impl Codec for Unpack<'_> {
    #[inline]
    fn number(&mut self, n: &mut u64) {
        if let Some((&byte, rest)) = self.bytes.split_first()
            && byte & 1 == 1
        {
            self.bytes = rest;
            *n = u64::from(byte >> 1);
            return;
        }
        *n = self.long_number();
    }

    fn raw(&mut self, bytes: &mut [u8]) {
        let (from, rest) = self.bytes.split_at(self.bytes.len().min(bytes.len()));
        bytes[..from.len()].copy_from_slice(from);
        self.bytes = rest;
    }

    #[inline]
    fn array<const N: usize>(&mut self, bytes: &mut [u8; N]) {
        match self.bytes.split_first_chunk::<N>() {
            Some((from, rest)) => (*bytes, self.bytes) = (*from, rest),
            None => self.raw(bytes),
        }
    }

    fn run(&mut self, run: &mut Vec<u8>) {
        let mut length = 0;
        self.number(&mut length);
        let (from, rest) = self.bytes.split_at(self.bytes.len().min(length as usize));
        run.clear();
        run.extend_from_slice(from);
        self.bytes = rest;
    }

    fn text(&mut self, text: &mut String) {
        let mut length = 0;
        self.number(&mut length);
        let (from, rest) = self.bytes.split_at(self.bytes.len().min(length as usize));
        text.clear();
        text.push_str(str::from_utf8(from).unwrap_or_default());
        self.bytes = rest;
    }

    #[inline]
    fn moment(&mut self, at: &mut Option<Moment>) {
        let mut n = 0;
        self.number(&mut n);
        *at = if n == 0 { None } else { Some(self.next_moment(n)) };
    }

    #[inline]
    fn last(&mut self) -> &mut Last {
        &mut self.last
    }

    fn shared<T: Coded + Clone + Default + Send + Sync + 'static>(&mut self, value: &mut Arc<T>) {
        let mut place = 0;
        self.number(&mut place);
        let known = place.checked_sub(1).and_then(|n| self.shared.get(n as usize));
        if let Some(known) = known.and_then(|v| Arc::clone(v).downcast::<T>().ok()) {
            *value = known;
        } else {
            let mut own = T::default();
            own.code(self);
            *value = Arc::new(own);
        }
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
    #[inline]
    fn code<C: Codec>(&mut self, codec: &mut C) {
        self.0.code(codec);
    }
}

impl Coded for Timestamp {
    #[inline]
    fn code<C: Codec>(&mut self, codec: &mut C) {
        let before = codec.last().moment.time;
        let mut delta = self.0.wrapping_sub(before.0);
        delta.code(codec);
        self.0 = before.0.wrapping_add(delta);
        codec.last().moment.time = *self;
    }
}

impl Coded for Seq {
    #[inline]
    fn code<C: Codec>(&mut self, codec: &mut C) {
        let before = codec.last().seq;
        let mut delta = i64::from(self.since(before));
        delta.code(codec);
        *self = before.plus(delta as u32);
        codec.last().seq = *self;
    }
}

impl Coded for Moment {
    #[inline]
    fn code<C: Codec>(&mut self, codec: &mut C) {
        let mut some = Some(*self);
        some.code(codec);
        *self = some.unwrap_or_default();
    }
}

impl Coded for Option<Moment> {
    #[inline]
    fn code<C: Codec>(&mut self, codec: &mut C) {
        codec.moment(self);
    }
}

impl Coded for () {
    fn code<C: Codec>(&mut self, _codec: &mut C) {}
}

impl Coded for String {
    fn code<C: Codec>(&mut self, codec: &mut C) {
        codec.text(self);
    }
}

impl<T: Coded + Default> Coded for Vec<T> {
    fn code<C: Codec>(&mut self, codec: &mut C) {
        list(self, codec, Coded::code);
    }
}

impl Coded for IpAddr {
    fn code<C: Codec>(&mut self, codec: &mut C) {
        let mut v6 = self.is_ipv6();
        v6.code(codec);
        let mut octets = match self {
            Self::V4(ip) => ip.to_ipv6_compatible().octets(),
            Self::V6(ip) => ip.octets(),
        };
        codec.raw(if v6 { &mut octets } else { &mut octets[12..] });
        let [.., a, b, c, d] = octets;
        *self = if v6 { Ipv6Addr::from(octets).into() } else { Ipv4Addr::new(a, b, c, d).into() };
    }
}

impl Coded for SocketAddr {
    fn code<C: Codec>(&mut self, codec: &mut C) {
        let (mut ip, mut port) = (self.ip(), self.port().to_be_bytes());
        ip.code(codec);
        codec.raw(&mut port);
        *self = Self::new(ip, u16::from_be_bytes(port));
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
#[inline]
pub fn optional<T: Default, C: Codec>(
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

/// The bits of a word that say which fields follow, while they are walked over: asked in the same order both ways.
pub(super) struct Form {
    bits: u32,
    next: u32,
}

impl Form {
    /// Writes or reads the word; `there` says it of each field when it is written.
    #[inline]
    pub(super) fn code<const N: usize, C: Codec>(there: [bool; N], codec: &mut C) -> Self {
        const { assert!(N <= 32) }
        let bits = there.iter().rev().fold(0_u32, |bits, there| bits << 1 | u32::from(*there));
        let mut bytes = bits.to_le_bytes();
        codec.array(&mut bytes);
        Self { bits: u32::from_le_bytes(bytes), next: 0 }
    }

    /// What is said of the next field.
    #[inline]
    pub(super) fn next(&mut self) -> bool {
        let there = self.bits >> self.next & 1 != 0;
        self.next += 1;
        there
    }

    /// A value that is not always there.
    #[inline]
    pub(super) fn optional<T: Default + Coded, C: Codec>(&mut self, value: &mut Option<T>, codec: &mut C) {
        if self.next() {
            value.get_or_insert_default().code(codec);
        } else {
            *value = None;
        }
    }

    /// A value that is mostly its default.
    #[inline]
    pub(super) fn rare<T: Default, C: Codec>(
        &mut self,
        value: &mut T,
        codec: &mut C,
        code: impl FnOnce(&mut T, &mut C),
    ) {
        if self.next() {
            code(value, codec);
        } else {
            *value = T::default();
        }
    }
}

/// A value that is mostly its default: a number that says whether it is not, then the value.
#[inline]
pub fn rare<T: Default + PartialEq, C: Codec>(
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
#[inline]
pub fn list<T: Default, C: Codec>(items: &mut Vec<T>, codec: &mut C, code: impl Fn(&mut T, &mut C)) {
    let mut count = items.len() as u64;
    codec.number(&mut count);
    // What was packed had at most as many; bytes that are cut give an empty tail.
    let count = count.min(LONGEST) as usize;
    items.truncate(count);
    if items.len() < count {
        items.reserve_exact((count - items.len()).min(16));
    }
    for at in 0..count {
        if at == items.len() {
            items.push(T::default());
        }
        code(&mut items[at], codec);
    }
}

/// The number that is the first `length` bytes of a word: seven bits of each, above the one and the zeros.
#[inline]
const fn number_in(word: u64, length: u32) -> u64 {
    word << (64 - 8 * length) >> (64 - 7 * length)
}

/// Fewer than eight bytes as a word.
#[cold]
fn last_word(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    word[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(word)
}

#[inline]
const fn zigzag(n: i64) -> u64 {
    (n << 1 ^ n >> 63) as u64
}

#[inline]
const fn unzigzag(n: u64) -> i64 {
    (n >> 1) as i64 ^ -((n & 1) as i64)
}

/// Says that a moment is too far from the last to be packed with its frame and time in one number.
const FAR: u64 = 63;

/// Longest list or run that is packed.
const LONGEST: u64 = 1 << 16;
/// Values that the records of one shard share: a few clients and servers make most of the hellos and certificates.
const MAX_SHARED: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_and_cut_bytes_give_zeros() {
        let numbers = [0, 1, 255, 256, 0xffff_ffff, 1 << 32, u64::MAX, 7, 0, 0, 0, 9];
        let mut pack = Pack::default();
        pack.number(&mut 77);
        pack.begin(Moment::default());
        for n in numbers {
            pack.number(&mut { n });
        }
        pack.run(&mut b"ShADad".to_vec());
        assert_eq!(pack.bytes().len(), 37);
        let read = |bytes: &[u8]| {
            let (mut unpack, mut read, mut text) = (Unpack::new(bytes, &[]), [0; 12], Vec::new());
            for n in &mut read {
                unpack.number(n);
            }
            unpack.run(&mut text);
            (read, text)
        };
        assert_eq!(read(pack.bytes()), (numbers, b"ShADad".to_vec()));
        for end in 0..pack.bytes().len() {
            let (read, _) = read(&pack.bytes()[..end]);
            assert!(read.iter().zip(numbers).all(|(read, n)| *read <= n), "cut at {end}: {read:?}");
        }
    }
}
