//! A place of the flow table: a flow in whatever form is the smallest that it can go on from.

use super::ages::Age;
use super::codec::{Pack, SharedValue, Unpack};
use super::compact::{first_frame, unpack_flow};
use super::entry::{Entry, spread};
use super::key::FlowKey;
use super::lone::Lone;
use super::shard::ShardOptions;
use super::totals::Totals;
use super::{Dir, FrameRef, Moment, Observer};
use crate::capture::Window;

/// A flow of the table.
pub(super) enum Slot<O: Observer> {
    /// Anything may come.
    Live(Box<Entry<O>>),
    /// Over and idle.
    Frozen(Box<Frozen>),
    /// One plain SYN.
    Lone {
        /// Its place among the [`Lones`].
        place: u32,
        /// Half of its hash, which is all of it ([`spread`]): a table that grows does not look at its flows.
        hash: u32,
    },
}

/// A flow that is over and idle, packed.
pub(super) struct Frozen {
    key: FlowKey,
    hash: u64,
    opened: FrameRef,
    last: Moment,
    /// The record, and behind it what it takes to go on.
    bytes: Box<[u8]>,
    record: usize,
    /// What it adds to the totals, where that is not what every ordinary connection adds.
    totals: Option<Box<Totals>>,
}

impl Frozen {
    /// The record of the flow as it stands.
    pub(super) fn record(&self) -> &[u8] {
        self.bytes.get(..self.record).unwrap_or_default()
    }

    /// What the flow adds to the totals.
    pub(super) fn totals(&mut self) -> Totals {
        self.totals.take().map_or_else(Totals::ordinary, |totals| *totals)
    }

    /// Packs a flow.
    pub(super) fn new<O: Observer>(
        entry: &mut Entry<O>,
        options: ShardOptions,
        observer: &mut O,
        (pack, scratch): (&mut Pack, &mut Pack),
    ) -> Self {
        let (key, hash) = (entry.key, entry.hash);
        let (flow, sum, facts) = entry.freeze(options.capture, observer, scratch);
        let (facts, rest) = scratch.bytes().split_at(facts);
        let opened = flow.stream_frame.map_or(flow.first.frame, |frame| frame.min(flow.first.frame));
        let totals = Totals::of(&flow, sum, options.several_files);
        let totals = (totals != Totals::ordinary()).then(|| Box::new(totals));
        let last = flow.last;
        pack.begin(Moment::default());
        flow.pack_with(facts, options.several_files, sum.dial, pack);
        let record = pack.bytes().len();
        pack.put_all(rest);
        Self { key, hash, opened, last, bytes: pack.bytes().into(), record, totals }
    }

    /// The flow, to go on.
    fn thaw<O: Observer>(&self, options: ShardOptions, shared: &[SharedValue]) -> Entry<O> {
        let mut unpack = Unpack::new(self.record(), shared);
        let flow = unpack_flow(&mut unpack, options.capture, options.several_files);
        Entry::thaw(flow, self.hash, self.bytes.get(self.record..).unwrap_or_default())
    }
}

impl<O: Observer> Slot<O> {
    /// Who sent a packet with the key `sender_first`, if it is of this flow.
    #[inline]
    pub(super) fn sender(&self, sender_first: &FlowKey, lones: &Lones) -> Option<Dir> {
        let key = match self {
            Self::Live(entry) => &entry.key,
            Self::Frozen(frozen) => &frozen.key,
            Self::Lone { place, .. } => &lones.at(*place).key,
        };
        key.sender(sender_first)
    }

    pub(super) fn hash(&self) -> u64 {
        match self {
            Self::Live(entry) => entry.hash,
            Self::Frozen(frozen) => frozen.hash,
            Self::Lone { hash, .. } => spread(*hash),
        }
    }

    /// First frame of a flow that is more than one SYN, which its record begins with.
    pub(super) fn first_frame(&self) -> FrameRef {
        match self {
            Self::Live(entry) => entry.first.frame,
            Self::Frozen(frozen) => first_frame(frozen.record()),
            Self::Lone { .. } => FrameRef::default(),
        }
    }

    pub(super) fn age(&self, lones: &Lones) -> Age {
        match self {
            Self::Live(entry) => entry.age(),
            Self::Frozen(f) => Age { last: f.last.frame, opened: f.opened, hash: f.hash },
            Self::Lone { place, hash } => {
                let frame = lones.at(*place).at.frame;
                Age { last: frame, opened: frame, hash: spread(*hash) }
            }
        }
    }

    /// Assumed memory, with the place in the table.
    pub(super) const fn weight(&self) -> usize {
        match self {
            Self::Live(_) => LIVE_BYTES,
            Self::Frozen(_) => FROZEN_BYTES,
            Self::Lone { .. } => LONE_BYTES,
        }
    }

    /// Makes it a live flow, to go on with; tells whether it was frozen.
    pub(super) fn wake(
        &mut self,
        options: ShardOptions,
        (lones, spare): (&mut Lones, &mut Spare<O>),
        shared: &[SharedValue],
        observer: &mut O,
    ) -> bool {
        let was_frozen = matches!(self, Self::Frozen(_));
        let woken = match self {
            Self::Live(_) => None,
            Self::Frozen(frozen) => Some(Box::new(frozen.thaw(options, shared))),
            Self::Lone { place, .. } => {
                let lone = lones.take(*place);
                let mut entry = spare.take();
                lone.grow(&mut entry, options.several_files, &mut lones.window, observer);
                Some(entry)
            }
        };
        if let Some(entry) = woken {
            *self = Self::Live(entry);
        }
        was_frozen
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
    /// What a SYN is given back its frame in.
    window: Window,
}

impl Lones {
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
const FROZEN_BYTES: usize = 640;

/// The same of a lone SYN.
pub(super) const LONE_BYTES: usize = size_of::<Lone>() + 64;
