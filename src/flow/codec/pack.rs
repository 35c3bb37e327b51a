//! Writes fields, and keeps once what records share.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Codec, Coded, FAR, LONGEST, Last, SharedValue, zigzag};
use crate::flow::Moment;

/// What records of one shard share, each once: records hold its place here. Bounded; what comes later stands in the
/// records themselves.
pub(in crate::flow) struct Shared {
    values: Vec<SharedValue>,
    /// Bytes that further values may take.
    left: usize,
    /// By where they lie: each is held here, so that nothing else can come to lie there.
    places: HashMap<usize, u64>,
}

impl Default for Shared {
    fn default() -> Self {
        Self::with_room(usize::MAX)
    }
}

impl Shared {
    /// Of values that take so many bytes in all.
    fn with_room(bytes: usize) -> Self {
        Self { values: Vec::new(), left: bytes, places: HashMap::new() }
    }

    /// Bytes that further values may take.
    pub(in crate::flow) const fn left(&self) -> usize {
        self.left
    }

    pub(in crate::flow) fn values(&self) -> &[SharedValue] {
        &self.values
    }

    pub(in crate::flow) fn into_values(self) -> Vec<SharedValue> {
        self.values
    }

    /// Where a value is held, which is kept if there is room for it.
    fn place<T: Coded + Send + Sync + 'static>(&mut self, value: &Arc<T>) -> Option<u64> {
        let address = Arc::as_ptr(value).addr();
        if let Some(place) = self.places.get(&address) {
            return Some(*place);
        }
        self.left = self.left.checked_sub(value.weight()).filter(|_| self.values.len() < MAX_SHARED)?;
        let place = self.values.len() as u64;
        self.places.insert(address, place);
        let value: SharedValue = Arc::<T>::clone(value);
        self.values.push(value);
        Some(place)
    }
}

/// Writes.
#[derive(Default)]
pub(in crate::flow) struct Pack {
    /// What was written up to `end`; behind it is room, so that a word is written whole however much of it counts.
    buffer: Vec<u8>,
    end: usize,
    pub(in crate::flow) shared: Shared,
    last: Last,
}

impl Pack {
    /// One whose shared values take so many bytes in all.
    pub(in crate::flow) fn sharing(bytes: usize) -> Self {
        Self { shared: Shared::with_room(bytes), ..Self::default() }
    }

    /// Begins anew, near `at`; the buffer and what is shared are kept.
    pub(in crate::flow) fn begin(&mut self, at: Moment) {
        self.end = 0;
        self.last.begin(at);
    }

    /// What was written.
    pub(in crate::flow) fn bytes(&self) -> &[u8] {
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
    pub(in crate::flow) fn put_all(&mut self, bytes: &[u8]) {
        match self.buffer.get_mut(self.end..self.end + bytes.len()) {
            Some(room) => {
                room.copy_from_slice(bytes);
                self.end += bytes.len();
            }
            None => self.grow_and_put(bytes),
        }
    }

    /// Appends bytes as [`Codec::run`] does.
    pub(in crate::flow) fn put_run(&mut self, bytes: &[u8]) {
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

/// Values that the records of one shard share: a few clients and servers make most of the hellos and certificates.
const MAX_SHARED: usize = 2048;
