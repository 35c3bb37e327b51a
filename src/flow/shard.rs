//! One shard of the flow table.
//!
//! Finds or opens the flow of each packet, splits epochs, and ends the flow with the oldest last frame when there are
//! more than the budget allows. A flood of flows costs a bounded time for each: the flows in order of age are kept in
//! a heap that is built only once the budget is reached.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry as Place;

use super::codec::Pack;
use super::entry::{Arrival, Entry};
use super::key::FlowKey;
use super::{Dir, Flow, FrameRef, Moment, Observer, icmp};
use crate::capture::{CaptureIndex, Window};
use crate::packet::{Kind, Packet};
use crate::time::TimeDelta;

/// How a shard works.
#[derive(Clone, Copy, Debug)]
pub struct ShardOptions {
    /// Which capture its flows are of.
    pub capture: CaptureIndex,
    /// Live flows at most; past it the flow with the oldest last frame is finished early.
    pub max_flows: usize,
    /// The capture is several files: [`Flow::parts`] is filled.
    pub several_files: bool,
}

/// The flows whose hash falls to one shard, and the observer's context for them.
pub struct Shard<O: Observer> {
    observer: O,
    table: Table<O>,
}

struct Table<O: Observer> {
    options: ShardOptions,
    live: HashTable<Slot<O>>,
    /// Entries whose flows have ended, to be used again.
    spare: Vec<Box<Entry<O>>>,
    /// Flows that are over or were ended. One that went on after all leaves its place empty.
    ended: Vec<Option<Ended<O::Facts>>>,
    /// Flows that are over, in the order in which they came to be over: to be frozen soon, where nothing can be missing.
    over: VecDeque<Over>,
    /// Those that may go on after all: to be frozen later.
    lingering: VecDeque<Over>,
    /// Live flows by the last frame that is known here; empty until the budget is reached.
    oldest: BinaryHeap<Reverse<Age>>,
    pack: Pack,
}

/// A flow of the table. Its hash stands here, so that the table can grow without looking at flows.
struct Slot<O: Observer> {
    hash: u64,
    state: State<O>,
}

/// Where a flow stands.
enum State<O: Observer> {
    Live(Box<Entry<O>>),
    /// Over and idle: its place in [`Table::ended`].
    Frozen(u32),
}

struct Ended<A> {
    hash: u64,
    flow: Flow<A>,
}

/// What finds a flow that is over, and its last packet when it was put in the queue.
struct Over {
    hash: u64,
    opened: FrameRef,
    last: Moment,
}

/// Last frame of a flow when it was put into the heap, and what finds the flow.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Age {
    last: FrameRef,
    opened: FrameRef,
    hash: u64,
}

impl<O: Observer> Shard<O> {
    /// An empty shard.
    pub fn new(observer: O, options: ShardOptions) -> Self {
        let table = Table {
            options,
            live: HashTable::new(),
            spare: Vec::new(),
            ended: Vec::new(),
            over: VecDeque::new(),
            lingering: VecDeque::new(),
            oldest: BinaryHeap::new(),
            pack: Pack::default(),
        };
        Self { observer, table }
    }

    /// Takes packets of its flows, in frame order; `file` is the capture's file that the window is of.
    pub fn process(&mut self, window: &Window, file: u16, packets: &[Packet]) {
        for packet in packets {
            let index = packet.frame as usize;
            let Some(header) = window.frames.get(index) else { continue };
            let at = Moment { frame: FrameRef::new(file, window.number(index)), time: header.time };
            match packet.kind {
                Kind::Tcp | Kind::Udp => {
                    let key = FlowKey::of(packet, window);
                    self.table.packet(&Arrival { packet, window, at, key }, &mut self.observer);
                }
                Kind::IcmpError if matches!(packet.protocol, 6 | 17) => {
                    let key = FlowKey::quoted(packet, window);
                    self.table.icmp(&Arrival { packet, window, at, key }, &mut self.observer);
                }
                Kind::IcmpError | Kind::Fragment | Kind::Neighbor | Kind::Opaque => {}
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
        let Table { options, live, ended, pack, spare, .. } = &mut self.table;
        for slot in live.iter_mut() {
            spare.extend(slot.freeze(options.capture, ended, &mut self.observer, pack));
        }
    }

    /// Ends all flows and gives them, with the observer, in order of first frame.
    pub fn finish(mut self) -> (Vec<Flow<O::Facts>>, O) {
        let Table { options, live, ended, pack, .. } = &mut self.table;
        let mut flows = Vec::with_capacity(live.len() + ended.len());
        for slot in live.drain() {
            if let State::Live(mut entry) = slot.state {
                flows.push(entry.finish(options.capture, &mut self.observer, pack));
            }
        }
        flows.extend(std::mem::take(ended).into_iter().flatten().map(|ended| ended.flow));
        // The table's order is that of hashes: nothing of it may be left.
        flows.sort_unstable_by_key(|flow| (flow.first.frame, flow.proto, flow.orig, flow.resp, flow.vni));
        (flows, self.observer)
    }
}

impl<O: Observer> Table<O> {
    fn packet(&mut self, arrival: &Arrival<'_>, observer: &mut O) {
        let several_files = self.options.several_files;
        let (entry, dir) = self.find_or_open(arrival, arrival.packet.flags, Entry::new, observer);
        let was_over = entry.is_over();
        entry.packet(arrival, dir, several_files, observer);
        if !was_over && entry.is_over() {
            let over = Over { hash: entry.hash, opened: entry.opened, last: entry.last };
            self.over.push_back(over);
        }
        self.freeze_idle(arrival.at, observer);
        if self.live.len() > self.options.max_flows {
            self.keep_budget(observer);
        }
    }

    fn icmp(&mut self, arrival: &Arrival<'_>, observer: &mut O) {
        let quote = icmp::quoted_tcp_flags(arrival.packet, arrival.window);
        let flags = quote.unwrap_or_default();
        let several_files = self.options.several_files;
        let (entry, dir) = self.find_or_open(arrival, flags, Entry::quoted, observer);
        entry.icmp(icmp::error(arrival, dir), quote, several_files);
        self.keep_budget(observer);
    }

    /// The flow of a packet with TCP `flags`, and which side sent it.
    fn find_or_open(
        &mut self,
        arrival: &Arrival<'_>,
        flags: u16,
        open: fn(&Arrival<'_>) -> Entry<O>,
        observer: &mut O,
    ) -> (&mut Entry<O>, Dir) {
        let Self { options, live, ended, over, lingering: _, oldest, pack, spare } = self;
        let hash = arrival.hash();
        let is_it = |slot: &Slot<O>| slot.hash == hash && slot.is_of(&arrival.key, ended);
        let slot = match live.entry(hash, is_it, |slot| slot.hash) {
            Place::Occupied(place) => place.into_mut(),
            Place::Vacant(place) => {
                let entry = boxed(spare, open(arrival));
                let slot = place.insert(Slot { hash, state: State::Live(entry) }).into_mut();
                note_age(slot, oldest);
                slot
            }
        };
        if let State::Frozen(at) = slot.state
            && let Some(ended) = ended.get_mut(at as usize).and_then(Option::take)
        {
            let entry = Entry::thaw(ended.flow, ended.hash);
            over.push_back(Over { hash, opened: entry.opened, last: arrival.at });
            slot.state = State::Live(boxed(spare, entry));
            note_age(slot, oldest);
        }
        let entry = slot.entry(|| open(arrival));
        let dir = entry.key.sender(&arrival.key).unwrap_or(Dir::Orig);
        if !entry.is_other_epoch(dir, flags, arrival.packet.seq) {
            return (entry, dir);
        }
        let mut old = std::mem::replace(entry, open(arrival));
        old.shares_tuple = true;
        entry.reuse_ports();
        ended.push(Some(Ended { hash, flow: old.finish(options.capture, observer, pack) }));
        if !oldest.is_empty() {
            oldest.push(Reverse(entry.age()));
        }
        let dir = entry.key.sender(&arrival.key).unwrap_or(Dir::Orig);
        (entry, dir)
    }

    /// Freezes flows that are over and have been idle: while they are still in the cache, if both sides have everything.
    #[inline]
    fn freeze_idle(&mut self, now: Moment, observer: &mut O) {
        while self.over.front().is_some_and(|first| first.is_idle(now, SETTLED)) {
            let Some(over) = self.over.pop_front() else { return };
            if self.waiting(&over).is_some_and(|slot| slot.is_settled()) {
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

    /// The live flow that waits to be frozen.
    fn waiting(&mut self, over: &Over) -> Option<&mut Slot<O>> {
        self.live.find_mut(over.hash, |slot| slot.waits(over))
    }

    /// Freezes a flow; gives it back where it went on and has not been idle for so long.
    fn freeze(&mut self, over: &Over, now: Moment, idle: TimeDelta, observer: &mut O) -> Option<Over> {
        let State::Live(entry) = &self.waiting(over)?.state else { return None };
        if entry.last.frame != over.last.frame && now.time - entry.last.time < idle {
            return Some(Over { last: entry.last, ..*over });
        }
        let Self { options, live, ended, pack, spare, .. } = self;
        let slot = live.find_mut(over.hash, |slot| slot.waits(over))?;
        let freed = slot.freeze(options.capture, ended, observer, pack);
        spare.extend(freed.filter(|_| spare.len() < SPARE));
        None
    }

    /// Ends the flows with the oldest last frame until no more than the budget are live.
    fn keep_budget(&mut self, observer: &mut O) {
        while self.live.len() > self.options.max_flows {
            if self.oldest.is_empty() {
                let ages = self.live.iter().map(|slot| Reverse(slot.age(&self.ended)));
                self.oldest = ages.collect();
            }
            let Some(Reverse(age)) = self.oldest.pop() else { return };
            let Self { options, live, ended, pack, spare, .. } = self;
            let is_it = |slot: &Slot<O>| slot.age(ended).opened == age.opened;
            let Ok(place) = live.find_entry(age.hash, is_it) else { continue };
            let now = place.get().age(ended);
            if now != age {
                self.oldest.push(Reverse(now));
                continue;
            }
            if let State::Live(mut entry) = place.remove().0.state {
                entry.evicted = !entry.is_over();
                let flow = entry.finish(options.capture, observer, pack);
                ended.push(Some(Ended { hash: age.hash, flow }));
                spare.extend((spare.len() < SPARE).then_some(entry));
            }
        }
    }
}

impl<O: Observer> Slot<O> {
    /// Makes a live flow a frozen one; gives the entry that it needs no longer.
    fn freeze(
        &mut self,
        capture: CaptureIndex,
        ended: &mut Vec<Option<Ended<O::Facts>>>,
        observer: &mut O,
        pack: &mut Pack,
    ) -> Option<Box<Entry<O>>> {
        let place = match self.state {
            State::Live(_) => State::Frozen(ended.len() as u32),
            State::Frozen(_) => return None,
        };
        let State::Live(mut entry) = std::mem::replace(&mut self.state, place) else { return None };
        let flow = entry.freeze(capture, observer, pack);
        ended.push(Some(Ended { hash: self.hash, flow }));
        Some(entry)
    }

    /// It is the live flow that was put in a queue.
    fn waits(&self, over: &Over) -> bool {
        matches!(&self.state, State::Live(entry) if entry.opened == over.opened)
    }

    /// Both sides have closed and have all that the other sent.
    fn is_settled(&self) -> bool {
        matches!(&self.state, State::Live(entry) if entry.is_settled())
    }

    #[inline]
    fn is_of(&self, sender_first: &FlowKey, ended: &[Option<Ended<O::Facts>>]) -> bool {
        match &self.state {
            State::Live(entry) => entry.key.sender(sender_first).is_some(),
            State::Frozen(at) => {
                let ended = ended.get(*at as usize).and_then(Option::as_ref);
                ended.is_some_and(|ended| FlowKey::of_flow(&ended.flow).sender(sender_first).is_some())
            }
        }
    }

    fn age(&self, ended: &[Option<Ended<O::Facts>>]) -> Age {
        match &self.state {
            State::Live(entry) => entry.age(),
            State::Frozen(at) => {
                let ended = ended.get(*at as usize).and_then(Option::as_ref);
                ended.map_or_else(Age::default, |ended| Age {
                    last: ended.flow.last.frame,
                    opened: ended.flow.first.frame,
                    hash: ended.hash,
                })
            }
        }
    }

    /// The live flow; one that `open` gives where there is none.
    fn entry(&mut self, open: impl FnOnce() -> Entry<O>) -> &mut Entry<O> {
        if let State::Frozen(_) = self.state {
            self.state = State::Live(Box::new(open()));
        }
        match &mut self.state {
            State::Live(entry) => entry,
            State::Frozen(_) => unreachable!("made live above"),
        }
    }
}

impl Over {
    /// Nothing more is to be expected by now; a time before its own tells nothing.
    fn is_idle(&self, now: Moment, idle: TimeDelta) -> bool {
        now.time - self.last.time >= idle || self.last.time > now.time
    }
}

/// An entry on the heap, in the memory of one that was used up where there is one.
fn boxed<O: Observer>(spare: &mut Vec<Box<Entry<O>>>, entry: Entry<O>) -> Box<Entry<O>> {
    match spare.pop() {
        Some(mut used) => {
            *used = entry;
            used
        }
        None => Box::new(entry),
    }
}

/// Puts a new live flow into the heap, if that is in use.
fn note_age<O: Observer>(slot: &Slot<O>, oldest: &mut BinaryHeap<Reverse<Age>>) {
    if let (State::Live(entry), false) = (&slot.state, oldest.is_empty()) {
        oldest.push(Reverse(entry.age()));
    }
}

impl<O: Observer> Entry<O> {
    fn age(&self) -> Age {
        Age { last: self.last.frame, opened: self.opened, hash: self.hash }
    }
}

/// Used entries kept for new flows.
const SPARE: usize = 256;
/// How long a flow is kept whole of which both sides have everything: copies come within 100 ms.
const SETTLED: TimeDelta = TimeDelta::from_millis(200);
/// How long any other flow that is over is kept whole: later segments of it are rare.
const IDLE: TimeDelta = TimeDelta::from_secs(2);
