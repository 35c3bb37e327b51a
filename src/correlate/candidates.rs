//! Which flows an event could be about.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::endings;
use super::fit::{fit, retold_fit, weight};
use super::goal::Goal;
use super::index::FlowTable;
use super::link::Connections;
use super::lists::{GoalEndings, Lists};
use super::sources::{Named, Sources};
use super::strangers;
use super::{Key, World};
use crate::ingest::{Conversation, FlowIndex};
use crate::log::{Ending, Endings, LogEvent};
use crate::time::{TimeDelta, Timestamp};
use crate::tls::Phase;

/// A way in which a flow ended, on the reference clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    pub(super) at: Timestamp,
    pub(super) start: Timestamp,
    pub(super) flow: FlowIndex,
    pub(super) ending: Ending,
    /// The strongest key by which the flow leads to the goal that it was looked up for.
    pub(super) key: Key,
    /// Whose connection it was.
    pub(super) orig: IpAddr,
    /// The responder.
    pub(super) resp: SocketAddr,
    /// Which of the flow's responses, for [`Ending::Response`] on a kept-alive connection, or of its
    /// [`Ending::StreamReset`]s; which of its requests, from
    /// 1, for [`Ending::Unanswered`] on what was established, [`lists::QUEUED`] and more for calls that waited behind others
    /// there; else 0.
    pub(super) turn: u32,
    /// Every call on the connection had been answered for a while when the responder ended it.
    pub(super) idle: bool,
    /// When the originator ended the connection itself: of an ending that no packet marks, by then the wait was over.
    pub(super) over: Option<Timestamp>,
    /// How far an established connection came, up to its first request.
    pub(super) reached: Option<Phase>,
}

impl Ended {
    /// Both came as far and waited, or both were ended in the same way.
    fn looks_like(&self, other: &Self) -> bool {
        let look = |e: &Self| match e.ending {
            Ending::GaveUp | Ending::Stalled | Ending::Unanswered => (None, e.reached),
            ending => (Some(ending), None),
        };
        look(self) == look(other)
    }
}

/// A flow that an event could be about.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) event: u32,
    pub(super) ended: Ended,
    pub(super) key: Key,
    pub(super) score: f64,
    /// The connection came about, though the line says that it did not.
    pub(super) contrary: bool,
    /// Connections of several originators fit the call, and none of them is known as the log's host.
    pub(super) unowned: bool,
}

impl Candidate {
    /// Another connection fits the call nearly as well. The key counts for less where anybody can have opened either.
    pub(super) fn is_rivalled_by(&self, other: &Self) -> bool {
        let near = if self.is_rivalled_by_stranger(other) { NEAR_OF_STRANGERS } else { NEAR };
        other.ended.flow != self.ended.flow && other.score > self.score * near
    }

    /// If it is the call's, what came of the call may be something else.
    pub(super) fn is_doubted_by(&self, other: &Self) -> bool {
        self.is_rivalled_by_stranger(other) || !self.ended.looks_like(&other.ended)
    }

    fn is_rivalled_by_stranger(&self, other: &Self) -> bool {
        self.unowned && other.ended.orig != self.ended.orig
    }
}

/// Looks candidates up; lists of endings are made once for each place and kind of event.
pub(super) struct Finder<'w> {
    world: &'w World,
    table: &'w FlowTable,
    connections: &'w Connections,
    lists: Lists<'w>,
    goals: HashMap<Arc<Goal>, u32>,
    /// The same by where a goal lies in memory: it may have thousands of addresses, and as many calls.
    numbers: HashMap<usize, u32>,
    /// Of goals, by number, the ports at which strangers may be meant; none where what is known was dialled.
    strange_ports: HashMap<u32, Option<BTreeSet<u16>>>,
    /// For each number, the goal and the places that it leads to; without a goal, flows to strangers.
    places: Vec<(Option<Arc<Goal>>, Vec<u32>)>,
    sources: Sources<'w>,
    strangers: Option<u32>,
    /// Names of nodes.
    nodes: HashSet<&'w str>,
    /// The nodes that a connection's views show it to come from.
    homes: HashMap<FlowIndex, Vec<Option<&'w str>>>,
    /// Of goals of which nothing is known: the unknown address whose dials fit their calls.
    coincident: HashMap<u32, Option<SocketAddr>>,
}

/// An event whose call is to be found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    /// Place in the events.
    pub(super) event: u32,
    /// Its goal's number.
    pub(super) goal: u32,
    /// When the line was written, on the reference clock.
    pub(super) at: Timestamp,
    /// How far its time may be off.
    pub(super) slack: TimeDelta,
    /// How far it is off as a rule: an end later than this is more likely another call's.
    pub(super) grain: TimeDelta,
}

impl<'w> Finder<'w> {
    pub(super) fn new(world: &'w World, table: &'w FlowTable, connections: &'w Connections) -> Self {
        Self {
            world,
            table,
            connections,
            lists: Lists::new(world, connections),
            goals: HashMap::new(),
            numbers: HashMap::new(),
            strange_ports: HashMap::new(),
            places: Vec::new(),
            sources: Sources::new(world, table, connections),
            strangers: None,
            nodes: world.cluster.nodes.iter().map(|n| n.name.as_str()).collect(),
            homes: HashMap::new(),
            coincident: HashMap::new(),
        }
    }

    /// A number for the goal, the same for equal goals.
    pub(super) fn goal(&mut self, goal: &Arc<Goal>) -> u32 {
        // Goals outlive who looks for them, so that no other comes to lie there.
        let lies_at = Arc::as_ptr(goal).addr();
        if let Some(&n) = self.numbers.get(&lies_at) {
            return n;
        }
        if let Some(&n) = self.goals.get(goal) {
            self.numbers.insert(lies_at, n);
            return n;
        }
        let n = self.places.len() as u32;
        self.numbers.insert(lies_at, n);
        let places = self.lists.places_of(goal, self.table);
        self.places.push((Some(Arc::clone(goal)), places));
        self.goals.insert(Arc::clone(goal), n);
        n
    }

    /// The endings of a goal's flows that events of this name can mean, by time; `clock` gives reference time.
    pub(super) fn ends(
        &mut self,
        goal: u32,
        event: &LogEvent,
        clock: &dyn Fn(&Conversation, Timestamp) -> Timestamp,
    ) -> GoalEndings<'_> {
        self.ends_as(goal, (&event.endings, event.fields.timer()), clock)
    }

    /// The endings of a goal's flows, of these kinds and for calls with this deadline.
    pub(super) fn ends_as(
        &mut self,
        goal: u32,
        kinds: (&Endings, Option<TimeDelta>),
        clock: &dyn Fn(&Conversation, Timestamp) -> Timestamp,
    ) -> GoalEndings<'_> {
        let (goal, places) = &self.places[goal as usize];
        self.lists.ends(goal.as_deref(), places, kinds, clock)
    }

    /// Candidates of one event among the endings of its goal, best first, and those that its 4-tuple names. `alike`:
    /// all calls with the same goal.
    pub(super) fn candidates(
        &mut self,
        call: &Call,
        alike: &[Call],
        goal: &Goal,
        clock: &dyn Fn(&Conversation, Timestamp) -> Timestamp,
    ) -> Vec<Candidate> {
        let event = &self.world.logs.events[call.event as usize];
        let mut found = self.by_tuple(call, event, goal, clock);
        if found.is_empty() && !(event.server_side && event.fields.source.is_some()) {
            let near = self.ends(call.goal, event, clock).near(call.at);
            found.extend(near.iter().filter_map(|ended| self.scored(call, event, ended)));
            found.retain(|candidate| !self.is_of_other_port(event, candidate));
        }
        if found.is_empty() && !event.server_side && event.fields.source.is_none() {
            found = self.by_time(call, alike, event, goal, clock);
        }
        found.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.ended.flow.cmp(&b.ended.flow)));
        found
    }

    /// The line names its own end, and the connection came from another port of that host.
    fn is_of_other_port(&self, event: &LogEvent, candidate: &Candidate) -> bool {
        event.fields.source.is_some_and(|source| {
            source.ip() == candidate.ended.orig
                && self.world.read(candidate.ended.flow).orig.port() != source.port()
        })
    }

    /// How well an ending of the call's goal fits the call, if at all.
    pub(super) fn scored(&mut self, call: &Call, event: &LogEvent, ended: &Ended) -> Option<Candidate> {
        let retold = event.fields.grpc_code.is_some();
        let fit = if retold { retold_fit } else { fit }(ended, call, event.fields.timer());
        let heard = if ended.ending == Ending::Unheard { 0.5 } else { 1.0 };
        // A dial that nobody answers cannot send a name: that it has none speaks for no other.
        let nameless =
            ended.key == Key::NatMap && ended.ending == Ending::Unanswered && ended.reached.is_none();
        let key = if nameless { Key::Sni } else { ended.key };
        let candidate = Candidate {
            event: call.event,
            ended: *ended,
            key: ended.key,
            score: weight(key) * fit * heard,
            contrary: false,
            unowned: false,
        };
        (fit > 0.0 && !self.is_elsewhere(event, ended.flow)).then_some(candidate)
    }

    /// Dials that failed before any name was sent, to an address that nothing knows: at the port of the goal's other
    /// backends where those are known, else to the one address whose dials fit all calls alike. Time alone tells. Where
    /// what the map knows was dialled, nothing else is meant; where no capture shows any of it, the map is of another
    /// moment.
    fn by_time(
        &mut self,
        call: &Call,
        alike: &[Call],
        event: &LogEvent,
        goal: &Goal,
        clock: &dyn Fn(&Conversation, Timestamp) -> Timestamp,
    ) -> Vec<Candidate> {
        let table = self.table;
        let ports = self.strange_ports.entry(call.goal).or_insert_with(|| strange_ports(goal, table));
        let Some(ports) = ports.clone() else { return Vec::new() };
        let coincident = if ports.is_empty() { self.coincident(call.goal, alike, clock) } else { None };
        let strangers = self.strangers();
        let near = self.ends(strangers, event, clock).near(call.at);
        let leads = |e: &&Ended| ports.contains(&e.resp.port()) || coincident == Some(e.resp);
        let fits = near.iter().filter(leads).map(|e| (e, fit(e, call, event.fields.timer())));
        let candidate = |(e, fit): (&Ended, f64)| Candidate {
            event: call.event,
            ended: *e,
            key: Key::Time,
            score: weight(Key::Time) * fit,
            contrary: false,
            unowned: false,
        };
        let mut found: Vec<Candidate> = fits.filter(|(_, fit)| *fit >= 0.5).map(candidate).collect();
        found.retain(|c| !self.is_elsewhere(event, c.ended.flow));
        found
    }

    /// Whether a connection was made on another node than the one that wrote a line; only where both are known. A view
    /// behind a translation may show another originator.
    pub(super) fn is_elsewhere(&mut self, event: &LogEvent, root: FlowIndex) -> bool {
        let (world, connections) = (self.world, self.connections);
        let (map, nodes) = (&world.cluster, &self.nodes);
        if event.server_side || nodes.len() < 2 {
            return false;
        }
        let Some(own) = event.host.as_deref().filter(|h| nodes.contains(h)) else { return false };
        let homes = self.homes.entry(root).or_insert_with(|| {
            let ips: Vec<IpAddr> =
                connections.views(root).iter().map(|(f, _)| world.read(*f).orig.ip()).collect();
            ips.into_iter().map(|ip| map.host_of(ip).filter(|h| nodes.contains(h))).collect()
        });
        homes.iter().all(|home| home.is_some_and(|name| name != own))
    }

    /// The one address that nothing knows and whose dials ended as the words of nearly all these calls say, each just
    /// before its line; two calls at least, and no other address fits half as well.
    fn coincident(
        &mut self,
        goal: u32,
        alike: &[Call],
        clock: &dyn Fn(&Conversation, Timestamp) -> Timestamp,
    ) -> Option<SocketAddr> {
        if let Some(known) = self.coincident.get(&goal) {
            return *known;
        }
        let strangers = self.strangers();
        let world = self.world;
        let alike = &alike[..alike.len().min(MAX_ALIKE)];
        let mut votes = BTreeMap::<SocketAddr, Votes>::new();
        for call in alike {
            let event = &world.logs.events[call.event as usize];
            let ends = self.ends(strangers, event, clock).near(call.at);
            for ended in ends.iter().filter(|e| coincides(e, call, event.fields.timer())) {
                let vote = votes.entry(ended.resp).or_default();
                vote.calls.insert(call.event);
                vote.ends.insert((ended.flow, ended.turn));
            }
        }
        let counted = votes.iter().map(|(address, v)| (v.calls.len().min(v.ends.len()), *address));
        let best = counted.clone().max_by_key(|(n, address)| (*n, std::cmp::Reverse(*address)));
        let sure = best.filter(|(n, address)| {
            let rival = counted.filter(|(_, a)| a != address).map(|(n, _)| n).max().unwrap_or(0);
            *n >= 2 && *n * 5 >= alike.len() * 4 && rival * 2 <= *n
        });
        let found = sure.map(|(_, address)| address);
        self.coincident.insert(goal, found);
        found
    }

    /// The number of the goal that all dials to addresses lead to of which nothing is known.
    fn strangers(&mut self) -> u32 {
        if let Some(n) = self.strangers {
            return n;
        }
        let known = strangers::known(&self.world.cluster);
        let stranger = |f: &FlowIndex| {
            let resp = self.world.read(*f).resp;
            !known.contains(&resp) && !self.table.is_learnt(resp)
        };
        let nameless = self.table.nameless().iter().filter(|f| stranger(f));
        let flows: BTreeSet<FlowIndex> = nameless.map(|f| self.connections.root(*f)).collect();
        let n = self.places.len() as u32;
        let place = self.lists.add(flows.into_iter().collect());
        self.places.push((None, vec![place]));
        self.strangers = Some(n);
        n
    }

    /// The ending of the one connection that the event's 4-tuple names.
    pub(super) fn named(
        &mut self,
        event: &LogEvent,
        goal: &Goal,
        clock: &dyn Fn(&Conversation, Timestamp) -> Timestamp,
    ) -> Named {
        self.sources.named(event, goal, clock)
    }

    /// Flows with the message's own 4-tuple, translated or not.
    fn by_tuple(
        &mut self,
        call: &Call,
        event: &LogEvent,
        goal: &Goal,
        clock: &dyn Fn(&Conversation, Timestamp) -> Timestamp,
    ) -> Vec<Candidate> {
        let candidate = |(score, ended)| Candidate {
            event: call.event,
            ended,
            key: Key::Tuple,
            score,
            contrary: false,
            unowned: false,
        };
        self.sources.near(call, event, goal, clock).into_iter().map(candidate).collect()
    }
}

/// The ports of a goal's real backends; none where one of them was dialled.
fn strange_ports(goal: &Goal, table: &FlowTable) -> Option<BTreeSet<u16>> {
    let mapped = !goal.virtual_only();
    if mapped && goal.backends.keys().any(|b| !table.of_resp(*b).is_empty()) {
        return None;
    }
    let real = |b: &SocketAddr, k: Key| match k {
        Key::NatMap => mapped && !goal.virtual_addresses.contains(b),
        k => k == Key::Learnt,
    };
    Some(goal.backends.iter().filter(|(b, k)| real(b, **k)).map(|(b, _)| b.port()).collect())
}

/// An ending so near to a line, or to its deadline, that chance seldom puts one there.
fn coincides(ended: &Ended, call: &Call, deadline: Option<TimeDelta>) -> bool {
    let after = call.at - ended.at;
    match (endings::is_open(ended.ending), deadline) {
        (true, None) => false,
        (true, Some(_)) => after.abs() <= CLOSE_BY + call.slack,
        (false, _) => ended.ending != Ending::Unheard && after >= -call.slack && after <= CLOSE_BY,
    }
}

/// A line follows what it tells of within this, on a host that is not overloaded.
pub(super) const CLOSE_BY: TimeDelta = TimeDelta::from_millis(50);

/// Share of a candidate's score above which another is its rival; and above which one of another host is, where nothing
/// tells whose is the log's: less than what a learnt address counts for beside a name.
const NEAR: f64 = 0.9;
const NEAR_OF_STRANGERS: f64 = 0.75;

/// Calls with one goal that are compared with dials to unknown addresses.
const MAX_ALIKE: usize = 256;

/// What speaks for an address: the calls that ended when a flow to it did, and those ends.
#[derive(Default)]
struct Votes {
    calls: BTreeSet<u32>,
    ends: BTreeSet<(FlowIndex, u32)>,
}
