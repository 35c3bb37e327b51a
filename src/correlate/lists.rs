//! Endings of flows by time, in lists that goals share.
//!
//! Takes where goals lead; gives what ended there and how, merged over the places of one goal. A list is made once for
//! each place, however many names lead to it: flows are many and unpacking them is what costs.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;

use super::candidates::Ended;
use super::endings;
use super::goal::Goal;
use super::index::{FlowTable, connect_host, sni};
use super::link::Connections;
use super::requests::{self, Request, SLACK};
use super::{Key, World};
use crate::ingest::{Conversation, FlowIndex};
use crate::log::{Ending, Endings};
use crate::time::{TimeDelta, Timestamp};
use crate::tls::Burst;

/// [`Ended::turn`] of the first call that waited behind others on a dead connection.
pub(super) const QUEUED: u32 = 1 << 30;

/// Place, endings that are meant, and the deadline where it matters.
type ListKey = (u32, Endings, Option<TimeDelta>);

/// Lists of endings by place.
pub(super) struct Lists<'w> {
    world: &'w World,
    connections: &'w Connections,
    numbers: HashMap<Place, u32>,
    /// For each place its flows, one for each connection.
    flows: Vec<Vec<FlowIndex>>,
    ends: HashMap<ListKey, Vec<Listed>>,
    /// For each place the deadlines that its lists are made for.
    deadlines: HashMap<u32, BTreeSet<TimeDelta>>,
    /// Names that originators asked for.
    names: HashMap<String, u32>,
}

/// Where a list of flows leads.
#[derive(PartialEq, Eq, Hash)]
enum Place {
    /// Flows to proxies that asked for this host. Those whose ClientHello names it went to an address that is learnt.
    Proxied(String),
    Address(SocketAddr),
    /// Addresses of a goal that has many.
    Addresses(Vec<SocketAddr>),
}

/// An ending, with the number of the name that its originator asked for.
#[derive(Clone, Copy)]
struct Listed {
    ended: Ended,
    name: Option<u32>,
}

impl<'w> Lists<'w> {
    pub(super) fn new(world: &'w World, connections: &'w Connections) -> Self {
        Self {
            world,
            connections,
            numbers: HashMap::new(),
            flows: Vec::new(),
            ends: HashMap::new(),
            deadlines: HashMap::new(),
            names: HashMap::new(),
        }
    }

    /// The numbers of the places that a goal leads to.
    pub(super) fn places_of(&mut self, goal: &Goal, table: &FlowTable) -> Vec<u32> {
        let asked = goal.names.iter().filter(|n| !table.of_connect(n).is_empty());
        let mut places: Vec<Place> = asked.map(|n| Place::Proxied(n.clone())).collect();
        if goal.backends.len() <= MAX_APART {
            places.extend(goal.backends.keys().map(|b| Place::Address(*b)));
        } else {
            places.push(Place::Addresses(goal.backends.keys().copied().collect()));
        }
        places.into_iter().map(|place| self.number(place, table)).collect()
    }

    /// The number of a place; its flows are gathered when it is new.
    fn number(&mut self, place: Place, table: &FlowTable) -> u32 {
        if let Some(&n) = self.numbers.get(&place) {
            return n;
        }
        let flows: BTreeSet<FlowIndex> = match &place {
            Place::Proxied(name) => self.roots(table.of_connect(name)),
            Place::Address(address) => self.roots(table.of_resp(*address)),
            Place::Addresses(all) => all.iter().flat_map(|a| self.roots(table.of_resp(*a))).collect(),
        };
        let n = self.add(flows.into_iter().collect());
        self.numbers.insert(place, n);
        n
    }

    fn roots(&self, flows: &[FlowIndex]) -> BTreeSet<FlowIndex> {
        flows.iter().map(|f| self.connections.root(*f)).collect()
    }

    /// A place with these flows; gives its number.
    pub(super) fn add(&mut self, flows: Vec<FlowIndex>) -> u32 {
        self.flows.push(flows);
        self.flows.len() as u32 - 1
    }

    /// The endings of these kinds at these places, for calls with this deadline; `clock` gives reference time.
    pub(super) fn ends<'s>(
        &'s mut self,
        goal: Option<&'s Goal>,
        places: &[u32],
        kinds: (&Endings, Option<TimeDelta>),
        clock: &dyn Fn(&Conversation, Timestamp) -> Timestamp,
    ) -> GoalEndings<'s> {
        let keys: Vec<ListKey> = places.iter().filter_map(|place| self.list(*place, kinds, clock)).collect();
        let names = goal.into_iter().flat_map(|g| &g.names).filter_map(|n| self.names.get(n).copied());
        GoalEndings {
            names: names.collect(),
            backends: goal.map(|g| &g.backends),
            lists: keys.iter().filter_map(|key| self.ends.get(key)).map(Vec::as_slice).collect(),
        }
    }

    /// Makes the list of a place where there is none yet; a place without flows has none, and there may be many.
    fn list(
        &mut self,
        place: u32,
        (kinds, deadline): (&Endings, Option<TimeDelta>),
        clock: &dyn Fn(&Conversation, Timestamp) -> Timestamp,
    ) -> Option<ListKey> {
        if self.flows[place as usize].is_empty() {
            return None;
        }
        let deadline = deadline.filter(|_| kinds.iter().any(|k| endings::is_open(*k)));
        let deadline = deadline.filter(|d| is_among(self.deadlines.entry(place).or_default(), *d));
        let key = (place, kinds.clone(), deadline);
        if !self.ends.contains_key(&key) {
            let mut ends = Vec::new();
            for flow in &self.flows[place as usize] {
                let (found, name) = endings_of(self.world, self.connections, *flow, (kinds, deadline), clock);
                let next = self.names.len() as u32;
                let name = name.filter(|_| !found.is_empty());
                let name = name.map(|name| *self.names.entry(name).or_insert(next));
                ends.extend(found.into_iter().map(|ended| Listed { ended, name }));
            }
            ends.sort_by_key(|e| order(&e.ended));
            self.ends.insert(key.clone(), ends);
        }
        Some(key)
    }
}

/// By time, and then by what tells endings of one time apart.
fn order(ended: &Ended) -> (Timestamp, FlowIndex, Ending, u32) {
    (ended.at, ended.flow, ended.ending, ended.turn)
}

/// The endings that a goal leads to.
pub(super) struct GoalEndings<'s> {
    names: Vec<u32>,
    /// Without it, nothing is known of where the flows lead.
    backends: Option<&'s BTreeMap<SocketAddr, Key>>,
    lists: Vec<&'s [Listed]>,
}

impl GoalEndings<'_> {
    /// Those next to a time, on either side.
    pub(super) fn near(&self, at: Timestamp) -> Vec<Ended> {
        let mut found: Vec<Ended> = self.before(at).take(NEAREST).collect();
        found.reverse();
        found.extend(self.from(at).take(NEAREST));
        found
    }

    /// Those at a time and after it, the first of them first.
    pub(super) fn from(&self, at: Timestamp) -> impl Iterator<Item = Ended> {
        let mut rests: Vec<&[Listed]> =
            self.lists.iter().map(|list| &list[list.partition_point(|e| e.ended.at < at)..]).collect();
        std::iter::from_fn(move || {
            let next = rests.iter().filter_map(|rest| rest.first()).min_by_key(|e| order(&e.ended))?;
            let found = self.keyed(next);
            for rest in &mut rests {
                if let Some((first, after)) = rest.split_first()
                    && order(&first.ended) == order(&found)
                {
                    *rest = after;
                }
            }
            Some(found)
        })
    }

    /// Those before a time, the last of them first.
    pub(super) fn before(&self, at: Timestamp) -> impl Iterator<Item = Ended> {
        let mut rests: Vec<&[Listed]> =
            self.lists.iter().map(|list| &list[..list.partition_point(|e| e.ended.at < at)]).collect();
        std::iter::from_fn(move || {
            let next = rests.iter().filter_map(|rest| rest.last()).max_by_key(|e| order(&e.ended))?;
            let found = self.keyed(next);
            for rest in &mut rests {
                if let Some((last, earlier)) = rest.split_last()
                    && order(&last.ended) == order(&found)
                {
                    *rest = earlier;
                }
            }
            Some(found)
        })
    }

    /// With the strongest key by which the flow leads to the goal.
    fn keyed(&self, listed: &Listed) -> Ended {
        let named = listed.name.is_some_and(|n| self.names.contains(&n));
        let by_address = self.backends.and_then(|b| b.get(&listed.ended.resp)).copied();
        let key = if named { Key::Sni } else { by_address.unwrap_or(Key::Time) };
        Ended { key, ..listed.ended }
    }
}

/// The name that the originator asked for: of the ClientHello, or of a proxy.
fn name_of(flow: &Conversation) -> Option<&str> {
    sni(flow).or_else(|| connect_host(flow))
}

/// The endings of a connection: of whichever of its views shows each, and the name that its originator asked for. The key
/// is left to who looks the flow up.
pub(super) fn endings_of(
    world: &World,
    connections: &Connections,
    root: FlowIndex,
    (kinds, deadline): (&[Ending], Option<TimeDelta>),
    clock: &dyn Fn(&Conversation, Timestamp) -> Timestamp,
) -> (Vec<Ended>, Option<String>) {
    let mut ends: Vec<Ended> = Vec::new();
    let mut of_root = None;
    for (view, _) in connections.views(root) {
        // Unpacked for a moment: an address may have a million flows, of which few come to be of a case.
        let flow = &world.read(view);
        let of_root =
            of_root.get_or_insert_with(|| (name_of(flow).map(str::to_owned), flow.orig.ip(), flow.resp));
        let (orig, resp) = (of_root.1, of_root.2);
        let all = requests::of(flow);
        let requests: Vec<Request> = all.iter().filter(|r| !r.small).copied().collect();
        let start = clock(flow, endings::start(flow));
        let rested = requests::rested(flow, &all);
        let gave_up = endings::moment(flow, Ending::GaveUp).map(|at| clock(flow, at));
        let reached = endings::reached(flow);
        let mut add = |ending: Ending, turn: usize, start: Timestamp, at: Timestamp| {
            let turn = turn as u32;
            let idle = rested && matches!(ending, Ending::PeerClosed | Ending::Reset);
            let over = gave_up.filter(|_| endings::is_open(ending));
            let (flow, key) = (root, Key::Time);
            if !ends.iter().any(|e| e.ending == ending && e.turn == turn) {
                ends.push(Ended { at, start, flow, ending, key, orig, resp, turn, idle, over, reached });
            }
        };
        for &ending in kinds {
            for (turn, at) in moments(flow, ending, &requests).into_iter().enumerate() {
                let at = clock(flow, at);
                let open = endings::is_open(ending);
                let start = if open { at } else { attempt_start(flow, at, start, &requests, clock) };
                let at = if open { at + deadline.unwrap_or_default() } else { at };
                add(ending, turn, start, at);
            }
        }
        let late = deadline.filter(|_| kinds.contains(&Ending::Stalled));
        if let Some((wait, began)) = late.and_then(|w| Some((w, endings::answered_late(flow, w)?))) {
            let start = clock(flow, began);
            add(Ending::Stalled, 0, start, start + wait);
        }
        if kinds.contains(&Ending::Unanswered) {
            for (turn, start, at) in unanswered(flow, &all, deadline, clock) {
                add(Ending::Unanswered, turn, start, at);
            }
        }
    }
    keep_telling(&mut ends);
    (ends, of_root.and_then(|(name, ..)| name))
}

/// Calls on an established connection that got no answer, as turn, start and end of each: a request that was sent, and,
/// where several calls share one connection that is dead, what waited behind it without a packet of its own.
fn unanswered(
    flow: &Conversation,
    requests: &[Request],
    deadline: Option<TimeDelta>,
    clock: &dyn Fn(&Conversation, Timestamp) -> Timestamp,
) -> Vec<(usize, Timestamp, Timestamp)> {
    let mut found = Vec::new();
    let wait = deadline.unwrap_or_default();
    let calls_off = if deadline.is_some() { requests::calls_off(flow) } else { Vec::new() };
    for (turn, request) in requests.iter().enumerate().filter(|(_, r)| !r.small || deadline.is_some()) {
        let start = clock(flow, request.sent.first.time);
        let answered = request.answer.map(|a| clock(flow, a.first.time));
        // An answer that came in time leaves nothing open, unless the caller called this one off behind it; one that came
        // later is what this is about.
        let late = |a: Timestamp| deadline.is_some() && a + SLACK >= start + wait;
        let called_off = |sent: &Burst| (clock(flow, sent.first.time) - (start + wait)).abs() <= SLACK;
        let open = answered.is_none_or(late) || calls_off.iter().any(called_off);
        if open {
            found.push((turn + 1, start, start + wait));
        }
    }
    let Some((from, to)) = endings::dead(flow).filter(|_| endings::is_http2(flow)) else { return found };
    let (from, to) = (clock(flow, from), clock(flow, to));
    let queued = QUEUED as usize;
    found.push((queued, to, to + wait));
    // Between two attempts to send again lies up to two minutes: calls with a short deadline fail in between too.
    let mut start = from + wait;
    for turn in (queued + 1..).take(MAX_QUEUED).take_while(|_| wait.0 > 0) {
        if start + wait >= to {
            break;
        }
        found.push((turn, start, start + wait));
        start = start + wait;
    }
    found
}

/// Leaves out waits that another ending of the same call explains: what was unheard in one view and heard in another,
/// and what was unanswered until the connection ended.
fn keep_telling(ends: &mut Vec<Ended>) {
    let told: Vec<(Timestamp, Timestamp)> = ends
        .iter()
        .filter(|e| !matches!(e.ending, Ending::Unanswered | Ending::Unheard | Ending::StreamReset))
        .map(|e| (e.start, e.at))
        .collect();
    ends.retain(|e| match (e.ending, e.turn) {
        (Ending::Unanswered, 1..) => {
            let in_time = |at: Timestamp| e.at == e.start || at <= e.at + GRACE;
            !told.iter().any(|(start, at)| *start <= e.start + SLACK && *at >= e.start && in_time(*at))
        }
        (Ending::Unanswered | Ending::Unheard, _) => told.is_empty(),
        _ => true,
    });
}

/// Start of the attempt that ended at `at`: the last request before it on a connection in use, else the flow's.
fn attempt_start(
    flow: &Conversation,
    at: Timestamp,
    start: Timestamp,
    requests: &[Request],
    clock: &dyn Fn(&Conversation, Timestamp) -> Timestamp,
) -> Timestamp {
    let sent = requests.iter().map(|r| clock(flow, r.sent.first.time));
    let first = sent.clone().next();
    let last = sent.filter(|t| *t <= at).last();
    last.filter(|t| first.is_some_and(|f| f < *t)).unwrap_or(start)
}

/// All moments of an ending; several only for the responses of a kept-alive connection and for streams that were reset.
fn moments(flow: &Conversation, ending: Ending, requests: &[Request]) -> Vec<Timestamp> {
    if ending == Ending::StreamReset {
        return requests::resets(flow).iter().map(|b| b.first.time).collect();
    }
    if ending == Ending::Response {
        let mut answers: Vec<Timestamp> =
            requests.iter().filter_map(|r| r.answer).map(|a| a.first.time).collect();
        answers.dedup();
        if answers.len() > 1 {
            return answers;
        }
    }
    endings::moment(flow, ending).into_iter().collect()
}

/// Whether a deadline is one of the first [`MAX_DEADLINES`] of its place. A list of all flows is made for each; for more,
/// which no client but a crafted log has, endings lie where their wait began, and how well each fits is told as before.
pub(super) fn is_among(deadlines: &mut BTreeSet<TimeDelta>, deadline: TimeDelta) -> bool {
    if deadlines.len() < MAX_DEADLINES {
        deadlines.insert(deadline);
    }
    deadlines.contains(&deadline)
}

/// A caller that closes its connection at its deadline does so within this.
const GRACE: TimeDelta = TimeDelta::from_secs(2);

/// Addresses of one goal that have a list each; more share one.
const MAX_APART: usize = 8;

/// Deadlines of calls to one place that are told apart.
const MAX_DEADLINES: usize = 64;

/// Endings looked at on either side of a line's time.
pub(super) const NEAREST: usize = 16;

/// Calls one after the other that waited behind others on one connection; the kernel gives it up after a quarter hour.
const MAX_QUEUED: usize = 256;
