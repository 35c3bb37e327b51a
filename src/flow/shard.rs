//! One shard of the flow table.
//!
//! Finds or opens the flow of each packet, splits epochs, and ends the flow with the oldest last frame when there are
//! more than the budget allows. A flood of flows costs a bounded time for each: the flows in order of age are kept in
//! a heap that is built only once the budget is reached.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry as Slot;

use super::entry::{Arrival, Entry};
use super::key::FlowKey;
use super::{Dir, Flow, FrameRef, Moment, Observer, icmp};
use crate::capture::{CaptureIndex, Window};
use crate::packet::{Kind, Packet};

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
    live: HashTable<Box<Entry<O::Flow>>>,
    finished: Vec<Flow<O::Facts>>,
    /// Live flows by the last frame that is known here; empty until the budget is reached.
    oldest: BinaryHeap<Reverse<Age>>,
}

/// Last frame of a flow when it was put into the heap, and what finds the flow.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Age {
    last: FrameRef,
    opened: FrameRef,
    hash: u64,
}

impl<O: Observer> Shard<O> {
    /// An empty shard.
    pub fn new(observer: O, options: ShardOptions) -> Self {
        let (live, finished, oldest) = (HashTable::new(), Vec::new(), BinaryHeap::new());
        Self { observer, table: Table { options, live, finished, oldest } }
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

    /// Ends all flows and gives them, with the observer, in order of first frame.
    pub fn finish(mut self) -> (Vec<Flow<O::Facts>>, O) {
        let table = &mut self.table;
        table.finished.reserve_exact(table.live.len());
        for entry in table.live.drain() {
            table.finished.push(entry.finish(table.options.capture, &mut self.observer));
        }
        // The table's order is that of hashes: nothing of it may be left.
        table.finished.sort_by_key(|flow| (flow.first.frame, flow.proto, flow.orig, flow.resp, flow.vni));
        (self.table.finished, self.observer)
    }
}

impl<O: Observer> Table<O> {
    fn packet(&mut self, arrival: &Arrival<'_>, observer: &mut O) {
        let several_files = self.options.several_files;
        let (entry, dir) = self.find_or_open(arrival, arrival.packet.flags, Entry::new, observer);
        entry.packet(arrival, dir, several_files, observer);
        self.keep_budget(observer);
    }

    fn icmp(&mut self, arrival: &Arrival<'_>, observer: &mut O) {
        let quote = icmp::quoted_tcp_flags(arrival.packet, arrival.window);
        let flags = quote.unwrap_or_default();
        let (entry, dir) = self.find_or_open(arrival, flags, Entry::quoted, observer);
        entry.icmp(icmp::error(arrival, dir), quote);
        self.keep_budget(observer);
    }

    /// The flow of a packet with TCP `flags`, and which side sent it.
    fn find_or_open(
        &mut self,
        arrival: &Arrival<'_>,
        flags: u16,
        open: fn(&Arrival<'_>) -> Entry<O::Flow>,
        observer: &mut O,
    ) -> (&mut Entry<O::Flow>, Dir) {
        let hash = arrival.packet.hash;
        let is_it = |entry: &Box<Entry<O::Flow>>| entry.key.sender(&arrival.key).is_some();
        let entry = match self.live.entry(hash, is_it, |entry| entry.hash) {
            Slot::Occupied(slot) => {
                let entry = slot.into_mut();
                let dir = entry.key.sender(&arrival.key).unwrap_or(Dir::Orig);
                if !entry.is_other_epoch(dir, flags, arrival.packet.seq) {
                    return (entry, dir);
                }
                let mut old = std::mem::replace(&mut **entry, open(arrival));
                old.shares_tuple = true;
                entry.reuse_ports();
                self.finished.push(old.finish(self.options.capture, observer));
                entry
            }
            Slot::Vacant(slot) => slot.insert(Box::new(open(arrival))).into_mut(),
        };
        if !self.oldest.is_empty() {
            self.oldest.push(Reverse(entry.age()));
        }
        let dir = entry.key.sender(&arrival.key).unwrap_or(Dir::Orig);
        (entry, dir)
    }

    /// Ends the flows with the oldest last frame until no more than the budget are live.
    fn keep_budget(&mut self, observer: &mut O) {
        while self.live.len() > self.options.max_flows {
            if self.oldest.is_empty() {
                self.oldest = self.live.iter().map(|entry| Reverse(entry.age())).collect();
            }
            let Some(Reverse(age)) = self.oldest.pop() else { return };
            let is_it = |entry: &Box<Entry<O::Flow>>| entry.opened == age.opened;
            let Ok(slot) = self.live.find_entry(age.hash, is_it) else { continue };
            let now = slot.get().age();
            if now == age {
                let (mut entry, _) = slot.remove();
                entry.evicted = true;
                self.finished.push(entry.finish(self.options.capture, observer));
            } else {
                self.oldest.push(Reverse(now));
            }
        }
    }
}

impl<F> Entry<F> {
    fn age(&self) -> Age {
        Age { last: self.last.frame, opened: self.opened, hash: self.hash }
    }
}
