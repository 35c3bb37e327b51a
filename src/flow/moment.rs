//! Where and when: frames as Wireshark numbers them, with their time.

use std::num::NonZeroU64;

use crate::time::Timestamp;

/// A frame of a capture: which of its files, and the number there from 1. Ordered as captured.
///
/// Held plus one, so that an absent one takes no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameRef(NonZeroU64);

impl FrameRef {
    /// After every frame.
    pub const LAST: Self = Self(NonZeroU64::MAX);

    /// The frame `number` (from 1) of the capture's `file` (from 0).
    #[inline]
    pub const fn new(file: u16, number: u64) -> Self {
        Self(NonZeroU64::MIN.saturating_add((file as u64) << 48 | (number & 0xffff_ffff_ffff)))
    }

    /// Which of the capture's files, from 0.
    #[inline]
    pub const fn file(self) -> u16 {
        ((self.0.get() - 1) >> 48) as u16
    }

    /// The number in that file, from 1, as Wireshark shows it.
    #[inline]
    pub const fn number(self) -> u64 {
        (self.0.get() - 1) & 0xffff_ffff_ffff
    }

    #[inline]
    pub(super) const fn to_bits(self) -> u64 {
        self.0.get()
    }

    #[inline]
    pub(super) const fn from_bits(bits: u64) -> Self {
        match NonZeroU64::new(bits) {
            Some(bits) => Self(bits),
            None => Self(NonZeroU64::MIN),
        }
    }
}

impl Default for FrameRef {
    fn default() -> Self {
        Self::new(0, 0)
    }
}

/// When, and in which frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment {
    /// Frame.
    pub frame: FrameRef,
    /// Capture time of that frame.
    pub time: Timestamp,
}
