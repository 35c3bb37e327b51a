//! A place of the flow table: a flow in whatever form is the smallest that it can go on from.

use super::ages::Age;
use super::compact::first_frame;
use super::entry::{Entry, spread};
use super::frozen::{Frozen, Frozens};
use super::key::FlowKey;
use super::lone::Lone;
use super::{Dir, FrameRef, Observer};

/// A flow of the table. The smaller forms lie in [`Kept`], at a place; beside it stands half of the hash, which is all of
/// it ([`spread`]): a table that grows does not look at its flows.
pub(super) enum Slot<O: Observer> {
    /// Anything may come.
    Live(Box<Entry<O>>),
    /// Over and idle.
    Frozen {
        /// Among [`Kept::frozens`].
        place: u32,
        /// Half of its hash.
        hash: u32,
    },
    /// One plain SYN.
    Lone {
        /// Among [`Kept::lones`].
        place: u32,
        /// Half of its hash.
        hash: u32,
    },
}

/// The flows that are not live.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) lones: Lones,
    pub(super) frozens: Frozens,
}

impl<O: Observer> Slot<O> {
    /// Who sent a packet with the key `sender_first`, if it is of this flow.
    #[inline]
    pub(super) fn sender(&self, sender_first: &FlowKey, kept: &Kept) -> Option<Dir> {
        match self {
            Self::Live(entry) => entry.key.sender(sender_first),
            Self::Frozen { place, .. } => kept.frozens.at(*place).key().sender(sender_first),
            Self::Lone { place, .. } => kept.lones.at(*place).key.sender(sender_first),
        }
    }

    pub(super) fn hash(&self) -> u64 {
        match self {
            Self::Live(entry) => spread(entry.hash),
            Self::Frozen { hash, .. } | Self::Lone { hash, .. } => spread(*hash),
        }
    }

    /// First frame of a flow that is more than one SYN, which its record begins with.
    pub(super) fn first_frame(&self, kept: &Kept) -> FrameRef {
        match self {
            Self::Live(entry) => entry.first.frame,
            Self::Frozen { place, .. } => first_frame(kept.frozens.at(*place).record),
            Self::Lone { .. } => FrameRef::default(),
        }
    }

    pub(super) fn age(&self, kept: &Kept) -> Age {
        match self {
            Self::Live(entry) => entry.age(),
            Self::Frozen { place, hash } => {
                let Frozen { opened, last, .. } = kept.frozens.at(*place);
                Age { last, opened, hash: *hash }
            }
            Self::Lone { place, .. } => kept.lones.at(*place).age(),
        }
    }

    /// Assumed memory, with the place in the table.
    pub(super) const fn weight(&self) -> usize {
        match self {
            Self::Live(_) => LIVE_BYTES,
            Self::Frozen { .. } => FROZEN_BYTES,
            Self::Lone { .. } => LONE_BYTES,
        }
    }
}

/// Memory of entries whose flows have ended, to be used again.
pub(super) struct Spare<O: Observer>(Vec<Box<Entry<O>>>);

impl<O: Observer> Default for Spare<O> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<O: Observer> Spare<O> {
    /// An entry that waits to be opened: one that was used up, where there is one.
    pub(super) fn take(&mut self) -> Box<Entry<O>> {
        self.0.pop().unwrap_or_else(|| Box::new(Entry::blank()))
    }

    /// Takes an entry that is used up.
    pub(super) fn keep(&mut self, used: Box<Entry<O>>) {
        if self.0.len() < SPARE {
            self.0.push(used);
        }
    }
}

/// Flows of one SYN, side by side: in pieces, so that nothing is copied as they become more.
#[derive(Debug, Default)]
pub(super) struct Lones {
    pieces: Vec<Vec<Lone>>,
    free: Vec<u32>,
}

impl Lones {
    #[inline]
    pub(super) fn add(&mut self, lone: Lone) -> u32 {
        if let Some(n) = self.free.pop() {
            self.pieces[n as usize / PIECE][n as usize % PIECE] = lone;
            return n;
        }
        if self.pieces.last().is_none_or(|last| last.len() == PIECE) {
            // The first one grows: few flows should take little memory.
            let capacity = if self.pieces.is_empty() { 0 } else { PIECE };
            self.pieces.push(Vec::with_capacity(capacity));
        }
        let before = self.pieces.len() - 1;
        let last = &mut self.pieces[before];
        last.push(lone);
        (before * PIECE + last.len() - 1) as u32
    }

    pub(super) fn at(&self, n: u32) -> &Lone {
        &self.pieces[n as usize / PIECE][n as usize % PIECE]
    }

    pub(super) fn take(&mut self, n: u32) -> Lone {
        self.free.push(n);
        *self.at(n)
    }

    /// All that were not taken, in the order of their places: that in which they came, unless places were used again.
    pub(super) fn into_rest(mut self) -> impl Iterator<Item = Lone> {
        let mut taken = std::mem::take(&mut self.free);
        taken.sort_unstable();
        let mut taken = taken.into_iter().peekable();
        let all = self.pieces.into_iter().flatten();
        (0_u32..).zip(all).filter(move |(n, _)| taken.next_if_eq(n).is_none()).map(|(_, lone)| lone)
    }
}

/// Flows in a piece of [`Lones`].
const PIECE: usize = 1024;

/// Used entries kept for new flows.
const SPARE: usize = 256;

/// Assumed memory of a live flow with handshake buffers and its place in the table, in bytes (measured on TLS flows).
pub(super) const LIVE_BYTES: usize = 2560;

/// The same of a frozen one.
const FROZEN_BYTES: usize = 448;

/// The same of a lone SYN.
pub(super) const LONE_BYTES: usize = size_of::<Lone>() + 64;
