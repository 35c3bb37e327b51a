//! Which lookups of a name were under way when a call was made.
//!
//! Takes calls by the name that they had to look up; gives the last lookups of it before each line. All lookups of a name
//! are read once and then found by time: retries are as many as their lookups.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::candidates::Call;
use super::join::Join;
use super::steps::step;
use crate::ingest::FlowIndex;
use crate::time::{TimeDelta, Timestamp};

/// The lookups of each call that has any.
pub(super) fn find(join: &Join<'_>, calls: &[Call]) -> BTreeMap<u32, Vec<FlowIndex>> {
    let mut by_name: BTreeMap<&str, Vec<&Call>> = BTreeMap::new();
    for call in calls {
        if let Some(name) = &join.goals.of(call.event).lookup {
            by_name.entry(name).or_default().push(call);
        }
    }
    let mut found = BTreeMap::new();
    for (name, calls) in by_name {
        let lookups = Lookups::of(join, name);
        let of_calls = calls.into_iter().map(|call| (call.event, lookups.of_call(join, call)));
        found.extend(of_calls.filter(|(_, lookups)| !lookups.is_empty()));
    }
    found
}

/// Start on the reference clock, and which flow: of one time the first is the last here.
type Started = (Timestamp, Reverse<FlowIndex>);

/// All lookups of one name.
struct Lookups {
    /// In order, with the resolver's client and the place of the last one before that is of another host.
    all: Vec<(Started, SocketAddr, Option<usize>)>,
    by_client: Vec<(SocketAddr, Started)>,
}

impl Lookups {
    fn of(join: &Join<'_>, name: &str) -> Self {
        let flows = join.table.of_name(name).iter().chain(join.table.of_suffixed(name));
        let read = |f: &FlowIndex| {
            step();
            let flow = join.world.read(*f);
            ((join.clocks.of_packet(&flow, flow.first.time), Reverse(*f)), flow.orig)
        };
        let mut read: Vec<(Started, SocketAddr)> = flows.map(read).collect();
        read.sort_unstable();
        let mut by_client: Vec<_> = read.iter().map(|(started, client)| (*client, *started)).collect();
        by_client.sort_unstable();
        let mut all: Vec<(Started, SocketAddr, Option<usize>)> = Vec::with_capacity(read.len());
        for (started, client) in read {
            let other = match all.last() {
                Some((_, before, other)) if before.ip() == client.ip() => *other,
                _ => all.len().checked_sub(1),
            };
            all.push((started, client, other));
        }
        Self { all, by_client }
    }

    /// The last ones that were begun before a call's line and not before its call, the last of them first. Of the host that
    /// the line names as the client, only those of the port that it names.
    fn of_call(&self, join: &Join<'_>, call: &Call) -> Vec<FlowIndex> {
        let fields = &join.world.logs.events[call.event as usize].fields;
        let from = call.at - fields.deadline.unwrap_or(LONGEST_LOOKUP) - call.slack;
        let to = call.at + call.slack;
        let mut found: Vec<Started> = self.of_others(to, fields.source).take(MAX_LOOKUPS).collect();
        if let Some(client) = fields.source {
            let begun = self.by_client.partition_point(|(c, (start, _))| (*c, *start) <= (client, to));
            let own = self.by_client[..begun].iter().rev().take_while(|(c, _)| *c == client);
            found.extend(own.map(|(_, started)| *started).take(MAX_LOOKUPS));
            found.sort_unstable_by_key(|started| Reverse(*started));
        }
        let inside = found.into_iter().filter(|(start, _)| *start >= from);
        inside.take(MAX_LOOKUPS).map(|(_, Reverse(flow))| flow).collect()
    }

    /// Those begun up to a time by other hosts than that of this client, if there is one, the last of them first.
    fn of_others(&self, to: Timestamp, client: Option<SocketAddr>) -> impl Iterator<Item = Started> {
        let mut at = self.all.partition_point(|((start, _), ..)| *start <= to).checked_sub(1);
        std::iter::from_fn(move || {
            step();
            let mut next = &self.all[at?];
            if client.is_some_and(|c| c.ip() == next.1.ip()) {
                at = next.2;
                next = &self.all[at?];
            }
            at = at?.checked_sub(1);
            Some(next.0)
        })
    }
}

/// Lookups shown for one call.
const MAX_LOOKUPS: usize = 6;

/// A resolver gives up within this: 5 s, two tries, a few servers and search domains.
const LONGEST_LOOKUP: TimeDelta = TimeDelta::from_secs(30);
