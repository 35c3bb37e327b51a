//! Calls that failed in a crowd: more at once than connections are looked at on either side of a line.
//!
//! Takes calls that are left without a connection, and connections that are left without a call; gives each call the best
//! of those next to its line, in order of time. Never takes a connection from a call.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::Anomaly;
use super::anomalies;
use super::candidates::{Call, Candidate, Ended, Finder};
use super::fit::LONGEST_DIAL;
use super::join::{Assigned, Join};
use super::lists::NEAREST;
use crate::ingest::FlowIndex;
use crate::log::{Ending, Endings};
use crate::time::{TimeDelta, Timestamp};

/// The bound of what is looked at, where it was reached.
pub(super) fn reached(assigned: &Assigned) -> Option<Anomaly> {
    let n = assigned.beyond;
    anomalies::reached("limit_crowd", n, || {
        format!(
            "{n} calls that failed among many were not held against the connections that are left ({LOOKED_AT} were)"
        )
    })
}

/// Calls that led to one goal and can have ended in the same ways.
type Alike<'w> = (u32, &'w Endings, Option<TimeDelta>);

/// Gives what is left to who is left; at most `budget` connections are looked at.
pub(super) fn settle(
    join: &Join<'_>,
    finder: &mut Finder<'_>,
    calls: &[Call],
    mut budget: usize,
    assigned: &mut Assigned,
) {
    let mut groups: BTreeMap<Alike<'_>, Vec<&Call>> = BTreeMap::new();
    for call in calls.iter().filter(|c| !assigned.matches.contains_key(&c.event)) {
        let event = &join.world.logs.events[call.event as usize];
        if !event.server_side && event.fields.source.is_none() && event.fields.grpc_code.is_none() {
            groups.entry((call.goal, &event.endings, event.fields.timer())).or_default().push(call);
        }
    }
    let taken = assigned.matches.values().map(|(c, _)| (c.ended.flow, c.ended.turn));
    let mut taken: HashSet<(FlowIndex, u32)> = taken.collect();
    for (alike, mut calls) in groups {
        calls.sort_by_key(|c| (c.at, c.event));
        let mut free = Free::of(join, finder, alike, &calls, &taken, &mut budget);
        for call in calls {
            let all = free.candidates(join, finder, call);
            if let Some(best) = all.first() {
                free.take(&best.ended);
                taken.insert((best.ended.flow, best.ended.turn));
                assigned.take(best, &all);
            } else if budget == 0 {
                assigned.beyond += 1;
            }
        }
    }
}

/// Endings that belong to no call.
#[derive(Default)]
struct Free {
    by_time: BTreeMap<(Timestamp, FlowIndex, u32, Ending), Ended>,
    /// One request of a connection may be seen to end in several ways.
    ways: HashMap<(FlowIndex, u32), Vec<(Timestamp, Ending)>>,
}

impl Free {
    /// Those of a goal around the times of these calls, which are in order.
    fn of(
        join: &Join<'_>,
        finder: &mut Finder<'_>,
        (goal, endings, deadline): Alike<'_>,
        calls: &[&Call],
        taken: &HashSet<(FlowIndex, u32)>,
        budget: &mut usize,
    ) -> Self {
        let mut free = Self::default();
        let (Some(first), Some(last)) = (calls.first(), calls.last()) else { return free };
        let reach = deadline.unwrap_or(LONGEST_DIAL).max(AROUND);
        let (from, to) = (first.at - reach - first.slack, last.at + reach + last.slack);
        let clock = join.clock();
        let ends = finder.ends_as(goal, (endings, deadline), &clock);
        for ended in ends.from(from).take_while(|e| e.at <= to).take(*budget) {
            *budget -= 1;
            let place = (ended.flow, ended.turn);
            if !taken.contains(&place) {
                free.by_time.insert((ended.at, place.0, place.1, ended.ending), ended);
                free.ways.entry(place).or_default().push((ended.at, ended.ending));
            }
        }
        free
    }

    fn take(&mut self, ended: &Ended) {
        for (at, ending) in self.ways.remove(&(ended.flow, ended.turn)).into_iter().flatten() {
            self.by_time.remove(&(at, ended.flow, ended.turn, ending));
        }
    }

    /// Those next to a call's line that fit it, best first.
    fn candidates(&self, join: &Join<'_>, finder: &mut Finder<'_>, call: &Call) -> Vec<Candidate> {
        let event = &join.world.logs.events[call.event as usize];
        let line = (call.at, FlowIndex(0), 0, Ending::Refused);
        let near =
            self.by_time.range(..line).rev().take(NEAREST).chain(self.by_time.range(line..).take(NEAREST));
        let mut found: Vec<_> = near.filter_map(|(_, ended)| finder.scored(call, event, ended)).collect();
        found.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.ended.flow.cmp(&b.ended.flow)));
        found
    }
}

/// A connection that a line tells of ends this near to it.
const AROUND: TimeDelta = TimeDelta::from_secs(2);

/// Endings that are looked at for all calls together: as many names may lead to one address as there are calls, and as many
/// connections.
pub(super) const LOOKED_AT: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::super::clock::CaptureOffsets;
    use super::super::clocks::Clocks;
    use super::super::goal::Goals;
    use super::super::index::FlowTable;
    use super::super::link::Connections;
    use super::super::made::{event, flow, refused, service, world};
    use super::super::spanning::Spanning;
    use super::super::trust::Trust;
    use super::*;

    #[test]
    fn calls_beyond_what_is_looked_at_are_counted_and_said() {
        let dials =
            (0..20).map(|n| refused(flow(&format!("10.0.0.1:{}", 5000 + n), "10.2.0.8:443", 1.0, 1.0), 1.0));
        let mut world = world(
            1,
            dials.collect(),
            (0..20).map(|_| event("connection_refused", "a.b.svc", 1.001)).collect(),
        );
        service(&mut world, ("b", "a"), "10.96.0.9", &["10.2.0.8:443"]);
        let table = FlowTable::new(&world.wire.flows, std::iter::empty());
        let connections = Connections::new(&world, Some(&table));
        let captures = CaptureOffsets::new(&world.wire.flows, 1, &connections);
        let goals = Goals::new(&world, &table);
        let clocks = Clocks::new(&world, &table, &connections, captures, &goals);
        let (world, trust) = (&world, Trust::new(&world));
        let spanning = Spanning::new(world, &clocks);
        let join = Join {
            world,
            table: &table,
            connections: &connections,
            clocks: &clocks,
            goals: &goals,
            trust: &trust,
            spanning: &spanning,
        };
        for (budget, matched, beyond) in [(20, 20, 0), (15, 15, 5), (0, 0, 20)] {
            let mut finder = Finder::new(world, &table, &connections);
            let (calls, mut assigned) = (join.calls(&mut finder), Assigned::default());
            settle(&join, &mut finder, &calls, budget, &mut assigned);
            assert_eq!((assigned.matches.len(), assigned.beyond), (matched, beyond), "{budget}");
            assert_eq!(reached(&assigned).map(|said| said.count), (beyond > 0).then_some(beyond), "{budget}");
        }
    }
}
