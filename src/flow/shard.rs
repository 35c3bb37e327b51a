//! One shard of the flow table.
//!
//! Finds or opens the flow of each packet, splits epochs, and ends the flow with the oldest last frame when the flows
//! take more memory than the budget allows. A flow of one SYN and a flow that is over are kept small. Records of flows
//! that ended go to an archive, which writes them to a file when they are many.

use std::collections::VecDeque;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry as Place;

use super::ages::Ages;
use super::archive::{Archive, Run, RunReader};
use super::codec::{Pack, SharedValue};
use super::compact::RecordContext;
use super::entry::{Arrival, Entry, spread};
use super::key::FlowKey;
use super::lone::{Lone, Said};
use super::slot::{Kept, LIVE_BYTES, LONE_BYTES, Slot, Spare};
use super::totals::Totals;
use super::{Dir, Flow, FrameRef, Moment, Observer, icmp};
use crate::capture::{CaptureIndex, Window};
use crate::packet::{Kind, Packet};
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
    /// What the flows sum up to.
    pub totals: Totals,
    /// Bytes of records that were written to a file.
    pub spilled: u64,
    /// Why no more could be written, if it failed.
    pub failed: Option<String>,
}

struct Table<O: Observer> {
    options: ShardOptions,
    /// Another one in each run: what a sender cannot know, and what nothing that is shown depends on.
    seed: RandomState,
    slots: HashTable<Slot<O>>,
    kept: Kept,
    spare: Spare<O>,
    /// Assumed memory of all slots.
    weight: usize,
    /// Flows that are over, in the order in which they came to be over: to be frozen soon, where nothing can be missing.
    over: VecDeque<Over>,
    /// Those that may go on after all: to be frozen later.
    lingering: VecDeque<Over>,
    ages: Ages,
    pack: Pack,
    scratch: Pack,
    archive: Archive,
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
            options,
            seed: RandomState::default(),
            slots: HashTable::new(),
            kept: Kept::default(),
            spare: Spare::default(),
            weight: 0,
            over: VecDeque::new(),
            lingering: VecDeque::new(),
            ages: Ages::default(),
            pack: Pack::default(),
            scratch: Pack::default(),
            archive: Archive::new(options.record_bytes),
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
        let Table { options, slots, kept, spare, pack, scratch, .. } = &mut self.table;
        for slot in slots.iter_mut() {
            slot.freeze(*options, (kept, spare), &mut self.observer, (pack, scratch));
        }
    }

    /// Ends all flows and gives their records.
    pub fn end(mut self) -> ShardEnd {
        self.table.archive_all(&mut self.observer);
        let ShardOptions { capture, several_files, .. } = self.table.options;
        let shared: Vec<SharedValue> = self.table.pack.shared.into_values();
        let (runs, totals, spilled, failed) = self.table.archive.finish();
        ShardEnd { runs, context: RecordContext { capture, several_files, shared }, totals, spilled, failed }
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
            Kind::IcmpError if matches!(packet.protocol, 6 | 17) => FlowKey::quoted(packet, window),
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
        let several_files = self.options.several_files;
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
        let several_files = self.options.several_files;
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
        let Self { options, slots, kept, spare, weight, over, ages, pack, scratch, archive, .. } = self;
        let mut sender = None;
        let is_it = |slot: &Slot<O>| {
            sender = slot.sender(&arrival.key, kept);
            sender.is_some()
        };
        let slot = match slots.entry(spread(arrival.hash), is_it, Slot::hash) {
            Place::Occupied(place) => place.into_mut(),
            Place::Vacant(place) => {
                let lone = if opens == Opens::Own { Lone::of(arrival) } else { None };
                if let Some(lone) = lone {
                    // Its place is far from all others: nothing may wait for what is written there.
                    *weight += LONE_BYTES;
                    ages.note(lone.age());
                    place.insert(Slot::Lone { hash: lone.hash, place: kept.lones.add(lone) });
                    return None;
                }
                let slot = place.insert(Slot::Live(opens.open(spare, arrival))).into_mut();
                *weight += LIVE_BYTES;
                ages.note(slot.age(kept));
                slot
            }
        };
        if !matches!(slot, Slot::Live(_)) {
            *weight += LIVE_BYTES - slot.weight();
            let was_frozen = slot.wake(*options, (kept, spare), pack.shared.values(), observer);
            if was_frozen {
                over.push_back(Over { hash: arrival.hash, opened: slot.age(kept).opened, last: arrival.at });
            }
            // Growing may have turned it round.
            sender = None;
        }
        let Slot::Live(entry) = slot else { return None };
        let dir = sender.or_else(|| entry.key.sender(&arrival.key)).unwrap_or(Dir::Orig);
        if !entry.is_other_epoch(dir, flags, arrival.packet.seq) {
            return Some((entry, dir));
        }
        let mut old = opens.open(spare, arrival);
        std::mem::swap(entry, &mut old);
        old.shares_tuple = true;
        entry.reuse_ports();
        ages.note(entry.age());
        let (flow, sum) = old.finish(options.capture, observer, scratch);
        archive.totals.add(Totals::of(&flow, sum, options.several_files));
        pack.begin(Moment::default());
        flow.pack_with(scratch.bytes(), options.several_files, sum.dial, pack);
        archive.push(pack.bytes());
        spare.keep(old);
        let dir = entry.key.sender(&arrival.key).unwrap_or(Dir::Orig);
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
        self.weight -= slot.weight();
        let memory = (&mut self.kept, &mut self.spare);
        slot.freeze(self.options, memory, observer, (&mut self.pack, &mut self.scratch));
        self.weight += slot.weight();
        None
    }

    /// Ends the flows with the oldest last frame until they take no more than the budget.
    fn keep_budget(&mut self, observer: &mut O) {
        while self.weight > self.options.live_bytes {
            if !self.ages.is_in_use() {
                self.ages.begin(self.slots.iter().map(|slot| slot.age(&self.kept)));
            }
            let Some(age) = self.ages.pop() else { return };
            let kept = &self.kept;
            let is_it = |slot: &Slot<O>| slot.age(kept).opened == age.opened;
            let Ok(place) = self.slots.find_entry(spread(age.hash), is_it) else { continue };
            let now = place.get().age(kept);
            if now != age {
                self.ages.note(now);
                continue;
            }
            let (slot, _) = place.remove();
            self.weight -= slot.weight();
            self.archive(slot, true, observer);
        }
    }

    /// Ends a flow. `early`: for the budget, not because the capture ends.
    fn archive(&mut self, slot: Slot<O>, early: bool, observer: &mut O) {
        let Self { options, kept, spare, pack, scratch, archive, .. } = self;
        let several_files = options.several_files;
        match slot {
            Slot::Live(mut entry) => {
                entry.evicted = early && !entry.is_over();
                let (flow, sum) = entry.finish(options.capture, observer, scratch);
                archive.totals.add(Totals::of(&flow, sum, several_files));
                pack.begin(Moment::default());
                flow.pack_with(scratch.bytes(), several_files, sum.dial, pack);
                archive.push(pack.bytes());
                spare.keep(entry);
            }
            Slot::Frozen { place, .. } => {
                archive.push(kept.frozens.at(place).record);
                archive.totals.add(kept.frozens.remove(place));
            }
            Slot::Lone { place, .. } => {
                let lone = kept.lones.take(place);
                self.archive_lone(&lone, early);
            }
        }
    }

    fn archive_lone(&mut self, lone: &Lone, early: bool) {
        let in_order = self.options.several_files || lone.key.vni().is_none();
        self.pack.begin(Moment::default());
        lone.pack(Said { evicted: early, shares_tuple: false, in_order }, &mut self.pack);
        self.archive.push(self.pack.bytes());
        self.archive.totals.add(Totals::of_lone(early));
    }

    /// Ends all flows, in order of their first frames: so their records need no sorting, and lie in the order in which
    /// they will be read.
    fn archive_all(&mut self, observer: &mut O) {
        let slots = std::mem::take(&mut self.slots).into_iter();
        let others = slots.filter(|slot| !matches!(slot, Slot::Lone { .. }));
        let mut others: Vec<(FrameRef, Slot<O>)> =
            others.map(|slot| (slot.first_frame(&self.kept), slot)).collect();
        others.sort_unstable_by_key(|(first, _)| *first);
        let mut others = others.into_iter().peekable();
        self.archive.set_aside();
        for lone in std::mem::take(&mut self.kept.lones).into_rest() {
            while let Some((_, other)) = others.next_if(|(first, _)| *first < lone.at.frame) {
                self.archive(other, false, observer);
            }
            self.archive_lone(&lone, false);
        }
        for (_, other) in others {
            self.archive(other, false, observer);
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

/// What a packet opens a flow as.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Opens {
    /// Its own.
    Own,
    /// That of the packet that an ICMP error quotes.
    Quoted,
}

impl Opens {
    fn open<O: Observer>(self, spare: &mut Spare<O>, arrival: &Arrival<'_>) -> Box<Entry<O>> {
        let mut entry = spare.take();
        match self {
            Self::Own => entry.open(arrival),
            Self::Quoted => entry.open_quoted(arrival),
        }
        entry
    }
}

/// Packets whose places in the table are looked up at once.
const LOOK_AHEAD: usize = 16;
/// How long a flow is kept whole of which both sides have everything: copies come within 100 ms.
const SETTLED: TimeDelta = TimeDelta::from_millis(200);
/// How long any other flow that is over is kept whole: later segments of it are rare.
const IDLE: TimeDelta = TimeDelta::from_secs(2);
