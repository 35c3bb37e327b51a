//! How values are walked over that are not always there, or are many.

use super::{Codec, Coded, LONGEST};

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
pub(in crate::flow) struct Form {
    bits: u32,
    next: u32,
}

impl Form {
    /// Writes or reads the word; `there` says it of each field when it is written.
    #[inline]
    pub(in crate::flow) fn code<const N: usize, C: Codec>(there: [bool; N], codec: &mut C) -> Self {
        const { assert!(N <= 32) }
        let bits = there.iter().rev().fold(0_u32, |bits, there| bits << 1 | u32::from(*there));
        let mut bytes = bits.to_le_bytes();
        codec.array(&mut bytes);
        Self { bits: u32::from_le_bytes(bytes), next: 0 }
    }

    /// What is said of the next field.
    #[inline]
    pub(in crate::flow) fn next(&mut self) -> bool {
        let there = self.bits >> self.next & 1 != 0;
        self.next += 1;
        there
    }

    /// A value that is not always there.
    #[inline]
    pub(in crate::flow) fn optional<T: Default + Coded, C: Codec>(
        &mut self,
        value: &mut Option<T>,
        codec: &mut C,
    ) {
        if self.next() {
            value.get_or_insert_default().code(codec);
        } else {
            *value = None;
        }
    }

    /// A value that is mostly its default.
    #[inline]
    pub(in crate::flow) fn rare<T: Default, C: Codec>(
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
