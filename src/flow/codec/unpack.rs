//! Fills fields from what was packed.

use std::sync::Arc;

use super::{Codec, Coded, FAR, Last, SharedValue, unzigzag};
use crate::flow::{FrameRef, Moment};
use crate::time::Timestamp;

/// Reads.
pub(in crate::flow) struct Unpack<'a> {
    bytes: &'a [u8],
    shared: &'a [SharedValue],
    last: Last,
}

impl<'a> Unpack<'a> {
    pub(in crate::flow) fn new(bytes: &'a [u8], shared: &'a [SharedValue]) -> Self {
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
    pub(in crate::flow) fn skip(&mut self, count: usize) {
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
