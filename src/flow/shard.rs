//! One shard of the flow table.
//!
//! Finds or opens the flow of each packet, splits epochs, and ends the flow with the oldest last frame when the flows
//! take more memory than the budget allows. A flow of one SYN and a flow that is over are kept small. Records of flows
//! that ended go to an archive, which writes them to a file when they are many.

use std::collections::VecDeque;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry as Place;

use super::archive::{Run, RunReader};
use super::codec::SharedValue;
use super::compact::RecordContext;
use super::entry::{Arrival, Entry, spread};
use super::key::FlowKey;
use super::slot::Slot;
use super::store::{Opens, Store};
use super::totals::{LateStream, Totals};
use super::{Dir, Flow, FrameRef, Moment, Observer, icmp};
use crate::capture::{CaptureIndex, Window};
use crate::packet::{Kind, Packet, protocol};
use crate::time::TimeDelta;

/// How a shard works.
#[derive(Clone, Copy, Debug)]
pub struct ShardOptions {
    /// Which capture its flows are of.
    pub capture: CaptureIndex,
    /// Memory for live flows, in bytes; past it the flow with the oldest last frame is finished early.
    pub live_bytes: usize,
    /// Memory for records of ended flows, in bytes; past it they are written to a file.
    pub record_bytes: usize,
    /// Bytes of the hellos and certificates that records share; what comes later stands in the records.
    pub shared_bytes: usize,
    /// The capture is several files: [`Flow::parts`] is filled.
    pub several_files: bool,
}

/// The flows whose hash falls to one shard, and the observer's context for them.
pub struct Shard<O: Observer> {
    observer: O,
    table: Table<O>,
}

/// What is left of a shard.
#[derive(Debug)]
pub struct ShardEnd {
    /// Sorted records.
    pub runs: Vec<Run>,
    /// What they are read with.
    pub context: RecordContext,
    /// Of [`ShardOptions::shared_bytes`], those that were taken.
    pub shared_bytes: usize,
    /// What the flows sum up to.
    pub totals: Totals,
    /// Bytes of records that were written to a file.
    pub spilled: u64,
    /// Why no more could be written, if it failed.
    pub failed: Option<String>,
}

struct Table<O: Observer> {
    /// Another one in each run: what a sender cannot know, and what nothing that is shown depends on.
    seed: RandomState,
    slots: HashTable<Slot<O>>,
    store: Store<O>,
    /// Flows that are over, in the order in which they came to be over: to be frozen soon, where nothing can be missing.
    over: VecDeque<Over>,
    /// Those that may go on after all: to be frozen later.
    lingering: VecDeque<Over>,
}

/// What finds a flow that is over, and its last packet when it was put in the queue.
struct Over {
    hash: u32,
    opened: FrameRef,
    last: Moment,
}

impl<O: Observer> Shard<O> {
    /// An empty shard.
    pub fn new(observer: O, options: ShardOptions) -> Self {
        let table = Table {
            seed: RandomState::default(),
            slots: HashTable::new(),
            store: Store::new(options),
            over: VecDeque::new(),
            lingering: VecDeque::new(),
        };
        Self { observer, table }
    }

    /// Takes packets of its flows, in frame order; `file` is the capture's file that the window is of.
    pub fn process(&mut self, window: &Window, file: u16, packets: &[Packet]) {
        let mut arrivals = Vec::with_capacity(LOOK_AHEAD);
        for few in packets.chunks(LOOK_AHEAD) {
            arrivals.clear();
            arrivals.extend(few.iter().filter_map(|packet| self.table.arrival(packet, window, file)));
            self.table.look_up(&arrivals);
            for arrival in &arrivals {
                match arrival.packet.kind {
                    Kind::IcmpError => self.table.icmp(arrival, &mut self.observer),
                    _ => self.table.packet(arrival, &mut self.observer),
                }
            }
        }
    }

    /// The observer's context.
    pub fn observer_mut(&mut self) -> &mut O {
        &mut self.observer
    }

    /// Freezes every flow, over and idle or not.
    #[cfg(test)]
    pub(super) fn freeze_all(&mut self) {
        let Table { slots, store, .. } = &mut self.table;
        for slot in slots.iter_mut() {
            store.freeze(slot, &mut self.observer);
        }
    }

    /// Ends all flows and gives their records.
    pub fn end(mut self) -> ShardEnd {
        self.table.end_all(&mut self.observer);
        let Store { options, pack, archive, .. } = self.table.store;
        let ShardOptions { capture, several_files, .. } = options;
        let shared_bytes = options.shared_bytes - pack.shared.left();
        let shared: Vec<SharedValue> = pack.shared.into_values();
        let (runs, totals, spilled, failed) = archive.finish();
        let context = RecordContext { capture, several_files, shared };
        ShardEnd { runs, context, shared_bytes, totals, spilled, failed }
    }

    /// Ends all flows and gives them, in order of first frame.
    pub fn finish(self) -> Vec<Flow<O::Facts>> {
        let ShardEnd { runs, context, .. } = self.end();
        let mut flows = Vec::new();
        for run in runs {
            let mut reader = RunReader::new(run, 1 << 16);
            while let Some(record) = reader.record() {
                flows.push(context.unpack(record));
                reader.advance();
            }
        }
        flows.sort_by_key(|flow| (flow.first.frame, flow.proto, flow.orig, flow.resp, flow.vni));
        flows
    }
}

impl<O: Observer> Table<O> {
    /// A packet that is of a flow.
    #[inline]
    fn arrival<'w>(&self, packet: &'w Packet, window: &'w Window, file: u16) -> Option<Arrival<'w>> {
        let key = match packet.kind {
            Kind::Tcp | Kind::Udp => FlowKey::of(packet, window),
            Kind::IcmpError if matches!(packet.protocol, protocol::TCP | protocol::UDP) => {
                FlowKey::quoted(packet, window)
            }
            Kind::IcmpError | Kind::Fragment | Kind::Neighbor | Kind::Opaque => return None,
        };
        let index = packet.frame as usize;
        let header = window.frames.get(index)?;
        let at = Moment { frame: FrameRef::new(file, window.number(index)), time: header.time };
        Some(Arrival { packet, window, at, key, hash: key.hash(&self.seed) })
    }

    /// Looks at the places of packets that are next, and at no more: so the processor waits for all of them at once, not
    /// for one after the other.
    fn look_up(&self, arrivals: &[Arrival<'_>]) {
        let is_there = |arrival: &&Arrival<'_>| {
            let hash = spread(arrival.hash);
            self.slots.find(hash, |slot| slot.hash() == hash).is_some()
        };
        std::hint::black_box(arrivals.iter().filter(is_there).count());
    }

    fn packet(&mut self, arrival: &Arrival<'_>, observer: &mut O) {
        let several_files = self.store.options.several_files;
        if let Some((entry, dir)) = self.find_or_open(arrival, arrival.packet.flags, Opens::Own, observer) {
            let was_over = entry.is_over();
            entry.packet(arrival, dir, several_files, observer);
            if !was_over && entry.is_over() {
                let over = Over { hash: entry.hash, opened: entry.opened, last: entry.last };
                self.over.push_back(over);
            }
        }
        self.freeze_idle(arrival.at, observer);
        self.keep_budget(observer);
    }

    fn icmp(&mut self, arrival: &Arrival<'_>, observer: &mut O) {
        let quote = icmp::quoted_tcp_flags(arrival.packet, arrival.window);
        let flags = quote.unwrap_or_default();
        let several_files = self.store.options.several_files;
        if let Some((entry, dir)) = self.find_or_open(arrival, flags, Opens::Quoted, observer) {
            entry.icmp(icmp::error(arrival, dir), quote, several_files);
        }
        self.keep_budget(observer);
    }

    /// The flow of a packet with TCP `flags`, and which side sent it; none when the packet is a SYN that is kept as it
    /// is, which takes it in.
    fn find_or_open(
        &mut self,
        arrival: &Arrival<'_>,
        flags: u16,
        opens: Opens,
        observer: &mut O,
    ) -> Option<(&mut Entry<O>, Dir)> {
        let Self { slots, store, over, .. } = self;
        let mut sender = None;
        let is_it = |slot: &Slot<O>| {
            sender = slot.sender(&arrival.key, &store.kept);
            sender.is_some()
        };
        let slot = match slots.entry(spread(arrival.hash), is_it, Slot::hash) {
            Place::Occupied(place) => place.into_mut(),
            Place::Vacant(place) => {
                let new = store.open(arrival, opens);
                let took_it_in = matches!(new, Slot::Lone { .. });
                let place = place.insert(new);
                if took_it_in {
                    return None;
                }
                place.into_mut()
            }
        };
        if !matches!(slot, Slot::Live(_)) {
            if store.wake(slot, observer) {
                let opened = slot.age(&store.kept).opened;
                over.push_back(Over { hash: arrival.hash, opened, last: arrival.at });
            }
            // Growing may have turned it round.
            sender = None;
        }
        let Slot::Live(entry) = slot else { return None };
        let mut dir = sender.or_else(|| entry.key.sender(&arrival.key)).unwrap_or(Dir::Orig);
        if entry.is_other_epoch(dir, flags, arrival.packet.seq) {
            if opens == Opens::Quoted && entry.quotes_a_stranger(dir, arrival.packet.seq) {
                // Wireshark begins a stream there, which later ones are numbered after.
                store.archive.totals.late_streams.push(LateStream { frame: arrival.at.frame, overlay: None });
                return Some((entry, dir));
            }
            store.open_epoch(entry, arrival, opens, observer);
            dir = entry.key.sender(&arrival.key).unwrap_or(Dir::Orig);
        }
        Some((entry, dir))
    }

    /// Freezes flows that are over and have been idle: while they are still in the cache, if both sides have everything.
    #[inline]
    fn freeze_idle(&mut self, now: Moment, observer: &mut O) {
        while self.over.front().is_some_and(|first| first.is_idle(now, SETTLED)) {
            let Some(over) = self.over.pop_front() else { return };
            if self.slots.find(spread(over.hash), |slot| slot.waits(&over)).is_some_and(Slot::is_settled) {
                let again = self.freeze(&over, now, SETTLED, observer);
                self.over.extend(again);
            } else {
                self.lingering.push_back(over);
            }
        }
        while self.lingering.front().is_some_and(|first| first.is_idle(now, IDLE)) {
            let Some(over) = self.lingering.pop_front() else { return };
            let again = self.freeze(&over, now, IDLE, observer);
            self.lingering.extend(again);
        }
    }

    /// Freezes a flow; gives it back where it went on and has not been idle for so long.
    fn freeze(&mut self, over: &Over, now: Moment, idle: TimeDelta, observer: &mut O) -> Option<Over> {
        let slot = self.slots.find_mut(spread(over.hash), |slot| slot.waits(over))?;
        let Slot::Live(entry) = slot else { return None };
        if entry.last.frame != over.last.frame && now.time - entry.last.time < idle {
            return Some(Over { last: entry.last, ..*over });
        }
        self.store.freeze(slot, observer);
        None
    }

    /// Ends the flows with the oldest last frame until they take no more than the budget.
    fn keep_budget(&mut self, observer: &mut O) {
        let Self { slots, store, .. } = self;
        while store.is_over_budget() {
            if !store.ages.is_in_use() {
                store.ages.begin(slots.iter().map(|slot| slot.age(&store.kept)));
            }
            let Some(age) = store.ages.pop() else { return };
            let is_it = |slot: &Slot<O>| slot.age(&store.kept).opened == age.opened;
            let Ok(place) = slots.find_entry(spread(age.hash), is_it) else { continue };
            let now = place.get().age(&store.kept);
            if now != age {
                store.ages.note(now);
                continue;
            }
            let (slot, _) = place.remove();
            store.end(slot, true, observer);
        }
    }

    /// Ends all flows, in order of their first frames: so their records need no sorting, and lie in the order in which
    /// they will be read.
    fn end_all(&mut self, observer: &mut O) {
        let store = &mut self.store;
        let slots = std::mem::take(&mut self.slots).into_iter();
        let others = slots.filter(|slot| !matches!(slot, Slot::Lone { .. }));
        let mut others: Vec<(FrameRef, Slot<O>)> =
            others.map(|slot| (slot.first_frame(&store.kept), slot)).collect();
        others.sort_unstable_by_key(|(first, _)| *first);
        let mut others = others.into_iter().peekable();
        store.archive.set_aside();
        for lone in std::mem::take(&mut store.kept.lones).into_rest() {
            while let Some((_, other)) = others.next_if(|(first, _)| *first < lone.at.frame) {
                store.end(other, false, observer);
            }
            store.end_lone(&lone, false);
        }
        for (_, other) in others {
            store.end(other, false, observer);
        }
    }
}

impl<O: Observer> Slot<O> {
    /// It is the live flow that was put in a queue.
    fn waits(&self, over: &Over) -> bool {
        matches!(self, Self::Live(entry) if entry.opened == over.opened)
    }

    /// Both sides have closed and have all that the other sent.
    fn is_settled(&self) -> bool {
        matches!(self, Self::Live(entry) if entry.is_settled())
    }
}

impl Over {
    /// Nothing more is to be expected by now. A time a little before its own is of another queue of the interface.
    fn is_idle(&self, now: Moment, idle: TimeDelta) -> bool {
        (now.time - self.last.time).abs() >= idle
    }
}

/// Packets whose places in the table are looked up at once.
const LOOK_AHEAD: usize = 16;
/// How long a flow is kept whole of which both sides have everything: copies come within 100 ms.
const SETTLED: TimeDelta = TimeDelta::from_millis(200);
/// How long any other flow that is over is kept whole: later segments of it are rare.
const IDLE: TimeDelta = TimeDelta::from_secs(2);
