//! Who was asked for on a segment (ARP, ND): looked up, for captures may hold as many questions as there are calls.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::rc::Rc;

use super::World;
use super::clocks::{Clocks, MARGIN};
use super::steps::step;
use crate::ingest::NeighborFact;
use crate::time::Timestamp;

/// Questions by the address asked for, and by goal, as is asked for.
pub(super) struct Questions<'w> {
    by_address: HashMap<IpAddr, Vec<(Timestamp, &'w NeighborFact)>>,
    of_goal: HashMap<u32, Rc<Asked<'w>>>,
}

/// Questions for the hosts of a goal, in order of the first request, on the reference clock.
pub(super) struct Asked<'w>(Vec<(Timestamp, &'w NeighborFact)>);

impl<'w> Questions<'w> {
    pub(super) fn new(world: &'w World, clocks: &Clocks) -> Self {
        let mut by_address: HashMap<IpAddr, Vec<_>> = HashMap::new();
        for fact in &world.wire.neighbors {
            let first = clocks.of_capture(fact.capture, fact.first.time);
            by_address.entry(fact.address).or_default().push((first, fact));
        }
        Self { by_address, of_goal: HashMap::new() }
    }

    /// Questions for these hosts, which are those of the goal with this number.
    pub(super) fn about(&mut self, goal: u32, hosts: &BTreeSet<IpAddr>) -> Rc<Asked<'w>> {
        let by_address = &self.by_address;
        let asked = self.of_goal.entry(goal).or_insert_with(|| {
            let mut asked: Vec<_> =
                hosts.iter().filter_map(|h| by_address.get(h)).flatten().copied().collect();
            asked.sort_by_key(|(first, _)| *first);
            Rc::new(Asked(asked))
        });
        Rc::clone(asked)
    }
}

impl<'w> Asked<'w> {
    /// Those that began up to a time, the last [`MAX_ASKED`] of them.
    pub(super) fn until(&self, to: Timestamp) -> Vec<&'w NeighborFact> {
        let begun = self.0.partition_point(|(first, _)| *first <= to + MARGIN);
        let last = self.0.get(begun.saturating_sub(MAX_ASKED)..begun).unwrap_or_default();
        last.iter().inspect(|_| step()).map(|(_, fact)| *fact).collect()
    }
}

/// Questions for the hosts of one call that are looked at.
const MAX_ASKED: usize = 1024;
