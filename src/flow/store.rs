//! What a shard has beside the places of its flows: where flows come from, and where they go.
//!
//! Opens, freezes, wakes and ends the flow of a place that it is given; weighs what the flows take, and notes their ages.
//! Knows no place but that one.

use super::ages::Ages;
use super::archive::Archive;
use super::codec::{Pack, Unpack};
use super::compact::unpack_flow;
use super::entry::{Arrival, Entry};
use super::frozen::Frozen;
use super::lone::{Lone, Said};
use super::slot::{Kept, Slot, Spare};
use super::totals::Totals;
use super::{Moment, Observer, ShardOptions};
use crate::capture::Window;

/// The flows of a shard, but for what finds them.
pub(super) struct Store<O: Observer> {
    pub(super) options: ShardOptions,
    pub(super) kept: Kept,
    spare: Spare<O>,
    /// Assumed memory of all flows.
    weight: usize,
    pub(super) ages: Ages,
    pub(super) pack: Pack,
    scratch: Pack,
    /// What a SYN is given back its frame in.
    frame: Window,
    pub(super) archive: Archive,
}

/// What a packet opens a flow as.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Opens {
    /// Its own.
    Own,
    /// That of the packet that an ICMP error quotes.
    Quoted,
}

impl<O: Observer> Store<O> {
    pub(super) fn new(options: ShardOptions) -> Self {
        Self {
            options,
            kept: Kept::default(),
            spare: Spare::default(),
            weight: 0,
            ages: Ages::default(),
            pack: Pack::sharing(options.shared_bytes),
            scratch: Pack::default(),
            frame: Window::default(),
            archive: Archive::new(options.record_bytes),
        }
    }

    /// The flows take more than the budget for those that may go on.
    pub(super) const fn is_over_budget(&self) -> bool {
        self.weight > self.options.live_bytes
    }

    /// Opens a flow. One of a plain SYN has taken it in; into any other its packet is still to be taken.
    #[inline]
    pub(super) fn open(&mut self, arrival: &Arrival<'_>, opens: Opens) -> Slot<O> {
        let lone = if opens == Opens::Own { Lone::of(arrival) } else { None };
        let slot = if let Some(lone) = lone {
            // Before it lies where it is kept, far from all others: nothing may wait for what is written there.
            self.ages.note(lone.age());
            Slot::Lone { hash: lone.hash, place: self.kept.lones.add(lone) }
        } else {
            let entry = self.entry(arrival, opens);
            self.ages.note(entry.age());
            Slot::Live(entry)
        };
        self.weight += slot.weight();
        slot
    }

    fn entry(&mut self, arrival: &Arrival<'_>, opens: Opens) -> Box<Entry<O>> {
        let mut entry = self.spare.take();
        match opens {
            Opens::Own => entry.open(arrival),
            Opens::Quoted => entry.open_quoted(arrival),
        }
        entry
    }

    /// Ends the flow of `entry` and opens another one on the same endpoints.
    pub(super) fn open_epoch(
        &mut self,
        entry: &mut Box<Entry<O>>,
        arrival: &Arrival<'_>,
        opens: Opens,
        observer: &mut O,
    ) {
        let mut old = std::mem::replace(entry, self.entry(arrival, opens));
        old.shares_tuple = true;
        entry.reuse_ports();
        self.ages.note(entry.age());
        self.end_live(old, observer);
    }

    /// Makes a live flow a frozen one.
    pub(super) fn freeze(&mut self, slot: &mut Slot<O>, observer: &mut O) {
        let Slot::Live(entry) = slot else { return };
        let (hash, opened) = (entry.hash, entry.opened);
        let ShardOptions { capture, several_files, .. } = self.options;
        let (flow, sum, facts) = entry.freeze(capture, observer, &mut self.scratch);
        let (facts, rest) = self.scratch.bytes().split_at(facts);
        let (totals, last) = (Totals::of(&flow, sum, several_files), flow.last.frame);
        self.pack.begin(Moment::default());
        flow.pack_with(facts, several_files, sum.dial, &mut self.pack);
        let frozen = Frozen { opened, last, record: self.pack.bytes(), rest };
        let place = self.kept.frozens.add(&frozen, totals);
        self.weight -= slot.weight();
        let live = std::mem::replace(slot, Slot::Frozen { place, hash });
        self.weight += slot.weight();
        if let Slot::Live(entry) = live {
            self.spare.keep(entry);
        }
    }

    /// Makes a flow a live one, to go on with; tells whether it was frozen.
    pub(super) fn wake(&mut self, slot: &mut Slot<O>, observer: &mut O) -> bool {
        let ShardOptions { capture, several_files, .. } = self.options;
        let was_frozen = matches!(slot, Slot::Frozen { .. });
        let woken = match slot {
            Slot::Live(_) => return false,
            Slot::Frozen { place, hash } => {
                let Frozen { opened, record, rest, .. } = self.kept.frozens.at(*place);
                let flow =
                    unpack_flow(&mut Unpack::new(record, self.pack.shared.values()), capture, several_files);
                let entry = Box::new(Entry::thaw(flow, (*hash, opened), rest));
                self.kept.frozens.remove(*place);
                entry
            }
            Slot::Lone { place, .. } => {
                let lone = self.kept.lones.take(*place);
                let mut entry = self.spare.take();
                lone.grow(&mut entry, several_files, &mut self.frame, observer);
                entry
            }
        };
        self.weight -= slot.weight();
        *slot = Slot::Live(woken);
        self.weight += slot.weight();
        was_frozen
    }

    /// Ends a flow. `early`: for the budget, not because the capture ends.
    pub(super) fn end(&mut self, slot: Slot<O>, early: bool, observer: &mut O) {
        self.weight -= slot.weight();
        match slot {
            Slot::Live(mut entry) => {
                entry.evicted = early && !entry.is_over();
                self.end_live(entry, observer);
            }
            Slot::Frozen { place, .. } => {
                self.archive.push(self.kept.frozens.at(place).record);
                self.archive.totals.add(self.kept.frozens.remove(place));
            }
            Slot::Lone { place, .. } => {
                let lone = self.kept.lones.take(place);
                self.end_lone(&lone, early);
            }
        }
    }

    fn end_live(&mut self, mut entry: Box<Entry<O>>, observer: &mut O) {
        let ShardOptions { capture, several_files, .. } = self.options;
        let (flow, sum) = entry.finish(capture, observer, &mut self.scratch);
        self.archive.totals.add(Totals::of(&flow, sum, several_files));
        self.pack.begin(Moment::default());
        flow.pack_with(self.scratch.bytes(), several_files, sum.dial, &mut self.pack);
        self.archive.push(self.pack.bytes());
        self.spare.keep(entry);
    }

    /// Ends a flow of one SYN.
    pub(super) fn end_lone(&mut self, lone: &Lone, early: bool) {
        let in_order = self.options.several_files || lone.key.vni().is_none();
        self.pack.begin(Moment::default());
        lone.pack(Said { evicted: early, shares_tuple: false, in_order }, &mut self.pack);
        self.archive.push(self.pack.bytes());
        self.archive.totals.add(Totals::of_lone(early));
    }
}
