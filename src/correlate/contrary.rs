//! Lines that the wire contradicts: the dial failed by the log, and by the capture it was answered.
//!
//! Takes events without a match; gives the connection that came about in their place, where there is one that no other
//! line tells of and that served no request. What it means is for rules to say.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::World;
use super::candidates::{Call, Candidate, Ended, Finder};
use super::clocks::Clocks;
use super::dialers::Dialers;
use super::endings;
use super::join::{Assigned, Join};
use crate::ingest::{Conversation, FlowIndex};
use crate::log::{Ending, Endings, LogEvent};
use crate::time::TimeDelta;

/// Gives events that say that a dial was turned down, and that nothing matches, the connection that came about.
pub(super) fn find(join: &Join<'_>, finder: &mut Finder<'_>, calls: &[Call], assigned: &mut Assigned) {
    let open: Vec<&Call> = calls.iter().filter(|c| is_open(join.world, c, assigned)).collect();
    if open.is_empty() {
        return;
    }
    // What a server tells of the connection is another side of the same call.
    let callers = assigned.matches.iter().filter(|(n, _)| !join.world.logs.events[**n as usize].server_side);
    let mut taken: BTreeSet<FlowIndex> = callers.map(|(_, (c, _))| c.ended.flow).collect();
    let dialers = dialers_of(join, assigned);
    let kinds: Endings = Arc::from(ENDS);
    let clock = |flow: &Conversation, time| Clocks::of_packet(join.clocks, flow, time);
    for call in open {
        let event = &join.world.logs.events[call.event as usize];
        let from = event.fields.deadline.unwrap_or(DIAL).max(DIAL);
        let near = finder.ends_as(call.goal, (&kinds, None), &clock).near(call.at);
        let fits = |e: &&Ended| {
            let began = call.at - e.start;
            let flow = join.world.read(e.flow);
            let own = dialers.of_log(event.log).is_none_or(|d| d.contains(&flow.orig.ip()));
            began >= -call.slack && began <= from + call.slack && own && came_about(&flow)
        };
        let found = near.iter().filter(|e| !taken.contains(&e.flow)).filter(fits);
        let nearest = found.min_by_key(|e| ((call.at - e.at).abs(), e.flow));
        if let Some(ended) = nearest {
            taken.insert(ended.flow);
            let (event, key, score) = (call.event, ended.key, SCORE);
            let candidate = Candidate { event, ended: *ended, key, score, contrary: true, unowned: false };
            assigned.matches.insert(call.event, (candidate, Vec::new()));
        }
    }
}

/// An unmatched event of a caller whose dial the network turned down at once.
fn is_open(world: &World, call: &Call, assigned: &Assigned) -> bool {
    let event: &LogEvent = &world.logs.events[call.event as usize];
    let turned_down = event.endings.contains(&Ending::Icmp) && !event.endings.contains(&Ending::GaveUp);
    !assigned.matches.contains_key(&call.event) && !event.server_side && turned_down
}

/// The dial was answered, and no answer to a request came.
fn came_about(flow: &Conversation) -> bool {
    let answered =
        flow.tcp.as_deref().is_some_and(|t| !t.synack_times.is_empty() && !t.reset.is_some_and(|r| r.to_syn));
    answered && flow.icmp.is_empty() && endings::moment(flow, Ending::Response).is_none()
}

/// Where the callers of matched events, and of those that name an end or a host, dial from.
fn dialers_of(join: &Join<'_>, assigned: &Assigned) -> Dialers {
    let events = join.world.logs.events.iter().zip(0u32..).map(|(event, n)| {
        let matched = assigned.matches.get(&n).filter(|_| !event.server_side);
        (event, matched.map(|(c, _)| join.world.flow(c.ended.flow).orig.ip()))
    });
    Dialers::new(join, events)
}

/// How a connection can end that came about, or not end.
const ENDS: [Ending; 5] =
    [Ending::Stalled, Ending::GaveUp, Ending::Reset, Ending::PeerClosed, Ending::PeerAlert];

/// A dial that the network turned down began this long before its line, where no deadline leaves more room.
const DIAL: TimeDelta = TimeDelta::from_secs(1);

/// The words do not fit, the target and the time do.
const SCORE: f64 = 0.3;
