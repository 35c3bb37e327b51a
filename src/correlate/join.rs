//! Matches events and flows, one to one, strongest key first, on clocks that it first brings together.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::SocketAddr;

use super::candidates::{Call, Candidate, Finder};
use super::clock::CaptureOffsets;
use super::clocks::Clocks;
use super::endings;
use super::goal::Goals;
use super::index::FlowTable;
use super::link::Connections;
use super::lists::QUEUED;
use super::spanning::Spanning;
use super::trust::Trust;
use super::tuples;
use super::{
    Case, CaseFlow, Correlated, JoinOptions, Key, Matching, Role, Target, World, callers, cases, contrary,
    crowd, lookups, probes,
};
use crate::ingest::{Conversation, FlowIndex};
use crate::log::{Ending, LogEvent};
use crate::time::{TimeDelta, Timestamp};

/// Joins everything. The world is changed in two respects: events of a log whose zone was assumed wrongly are shifted,
/// and probes that lead elsewhere than to their pods are marked.
pub fn correlate(world: &mut World, options: &JoinOptions) -> Correlated {
    probes::mark(world);
    let table = FlowTable::new(&world.wire.flows, sources(world));
    let connections = Connections::new(world, Some(&table));
    let captures = CaptureOffsets::new(&world.wire.flows, world.wire.captures.len(), &connections);
    let goals = Goals::new(world, &table);
    let clocks = Clocks::new(world, &table, &connections, captures, &goals);
    clocks.correct_zones(world);
    let (world, trust): (&World, _) = (world, Trust::new(world));
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
    let assigned = join.assign();
    let mut correlated = cases::build(&join, &assigned, options);
    correlated.capture_clocks = clocks.of_captures();
    correlated.log_clocks = clocks.of_logs();
    correlated.counterparts = connections.pairs();
    correlated
}

/// Near ends that events name, before and after translation.
fn sources(world: &World) -> impl Iterator<Item = SocketAddr> {
    let named: HashSet<SocketAddr> = world.logs.events.iter().filter_map(|e| e.fields.source).collect();
    let translations = world.cluster.translations.iter().filter(|t| named.contains(&t.original.0));
    let translated: Vec<SocketAddr> = translations.map(|t| t.reply.1).collect();
    named.into_iter().chain(translated)
}

/// What the join works on.
pub(super) struct Join<'w> {
    pub(super) world: &'w World,
    pub(super) table: &'w FlowTable,
    pub(super) connections: &'w Connections,
    pub(super) clocks: &'w Clocks,
    pub(super) goals: &'w Goals,
    pub(super) trust: &'w Trust,
    pub(super) spanning: &'w Spanning,
}

/// Which flow each event was matched with, and who else could be meant.
#[derive(Debug, Default)]
pub(super) struct Assigned {
    /// Event → its match and the candidates that lost.
    pub(super) matches: BTreeMap<u32, (Candidate, Vec<FlowIndex>)>,
    /// Events that nothing tells apart from another one, so that only their number and order is sure.
    pub(super) interchangeable: HashSet<u32>,
    /// Event → flows that fit it nearly as well and of which something else may have come.
    pub(super) doubts: BTreeMap<u32, Vec<FlowIndex>>,
    /// Flow → the event of a caller that it was assigned to.
    takers: HashMap<FlowIndex, u32>,
    /// Event → unassigned flows of the same goal that ended alike within its window.
    pub(super) siblings: BTreeMap<u32, Vec<FlowIndex>>,
    /// Event → lookups of its name within its window.
    pub(super) lookups: BTreeMap<u32, Vec<FlowIndex>>,
    /// Calls without a match that were not held against all that is left.
    pub(super) beyond: u64,
}

impl Assigned {
    /// Gives a candidate's flow to its event; `all` are the event's candidates.
    pub(super) fn take(&mut self, candidate: &Candidate, all: &[Candidate]) {
        let mut others: Vec<&Candidate> =
            all.iter().filter(|other| candidate.is_rivalled_by(other)).collect();
        others.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.ended.flow.cmp(&b.ended.flow)));
        // Of a flow that ended in several ways the best.
        let mut seen = HashSet::new();
        others.retain(|other| seen.insert(other.ended.flow));
        let event = candidate.event;
        if candidate.key != Key::Tuple && !others.is_empty() {
            self.interchangeable.insert(event);
            let doubts = others.iter().filter(|other| candidate.is_doubted_by(other)).map(|c| c.ended.flow);
            self.doubts.insert(event, doubts.collect());
        }
        let others = others.into_iter().map(|c| c.ended.flow).take(MAX_ALTERNATIVES).collect();
        self.matches.insert(event, (candidate.clone(), others));
    }
}

impl Join<'_> {
    pub(super) fn clock(&self) -> impl Fn(&Conversation, Timestamp) -> Timestamp + '_ {
        |flow, time| self.clocks.of_packet(flow, time)
    }

    /// Assigns flows to events one to one, best candidates first.
    fn assign(&self) -> Assigned {
        let mut finder = Finder::new(self.world, self.table, self.connections);
        let clock = self.clock();
        let mut found: Vec<Vec<Candidate>> = Vec::new();
        let calls = self.calls(&mut finder);
        let mut assigned = Assigned { lookups: lookups::find(self, &calls), ..Assigned::default() };
        let mut alike: HashMap<u32, Vec<Call>> = HashMap::new();
        for call in &calls {
            alike.entry(call.goal).or_default().push(*call);
        }
        for call in &calls {
            let goal = self.goals.of(call.event);
            found.push(finder.candidates(call, &alike[&call.goal], goal, &clock));
        }
        callers::prefer(self, &mut found);
        self.settle(&found, &mut assigned);
        let (later, first): (Vec<Call>, Vec<Call>) =
            calls.iter().partition(|c| comes_later(&self.world.logs.events[c.event as usize]));
        for calls in [&first, &later] {
            crowd::settle(self, &mut finder, calls, crowd::LOOKED_AT, &mut assigned);
        }
        contrary::find(self, &mut finder, &calls, &mut assigned);
        self.find_siblings(&mut finder, &mut assigned);
        // What a server tells of a connection makes it no call's.
        let callers =
            assigned.matches.iter().filter(|(n, _)| !self.world.logs.events[**n as usize].server_side);
        assigned.takers = callers.map(|(n, (best, _))| (best.ended.flow, *n)).collect();
        assigned
    }

    /// Events with a time that say anything of where their call was to go.
    pub(super) fn calls(&self, finder: &mut Finder<'_>) -> Vec<Call> {
        let events = self.world.logs.events.iter().zip(0..);
        let calls = events.filter_map(|(event, n)| {
            let goal = self.goals.shared(n);
            let told = !goal.is_empty() || event.fields.source.is_some();
            let at = self.clocks.of_event(event).filter(|_| told)?;
            let (slack, grain) = (self.clocks.slack(event), self.clocks.grain(event));
            Some(Call { event: n, goal: finder.goal(goal), at, slack, grain })
        });
        calls.collect()
    }

    /// One to one, best first, and what others say of a call after what its caller says of it; a server's own view may
    /// share the flow with a caller's.
    fn settle(&self, found: &[Vec<Candidate>], assigned: &mut Assigned) {
        let of_event: HashMap<u32, &[Candidate]> =
            found.iter().filter_map(|all| Some((all.first()?.event, all.as_slice()))).collect();
        let mut all: Vec<&Candidate> = found.iter().flatten().collect();
        all.sort_by(|a, b| {
            b.score.total_cmp(&a.score).then(a.event.cmp(&b.event)).then(a.ended.flow.cmp(&b.ended.flow))
        });
        let (later, mut all): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|c| comes_later(&self.world.logs.events[c.event as usize]));
        all.extend(later);
        let mut taken: HashSet<(FlowIndex, u32, bool)> = HashSet::new();
        for &candidate in &all {
            let server = self.world.logs.events[candidate.event as usize].server_side;
            let place = (candidate.ended.flow, candidate.ended.turn, server);
            let free = !assigned.matches.contains_key(&candidate.event) && !self.retold(candidate);
            if free && taken.insert(place) {
                assigned.take(candidate, of_event[&candidate.event]);
            }
        }
        // Several calls may have been under way on one HTTP/2 connection when it ended or went dead.
        for &candidate in &all {
            let shared = self.retold(candidate) || self.shared(candidate);
            if !assigned.matches.contains_key(&candidate.event) && shared {
                assigned.take(candidate, of_event[&candidate.event]);
                if !self.retold(candidate) {
                    assigned.interchangeable.insert(candidate.event);
                }
            }
        }
    }

    /// A call of gRPC, which tells how the connection ended that it shares with others.
    fn retold(&self, candidate: &Candidate) -> bool {
        self.world.logs.events[candidate.event as usize].fields.grpc_code.is_some()
    }

    /// An ending of the connection as a whole, which may have carried several calls at once.
    fn shared(&self, candidate: &Candidate) -> bool {
        let flow = self.world.flow(candidate.ended.flow);
        let whole = match candidate.ended.ending {
            Ending::GaveUp | Ending::Reset | Ending::PeerClosed => true,
            Ending::Unanswered => candidate.ended.turn > 0,
            _ => false,
        };
        endings::is_http2(flow) && whole
    }

    /// Flows of the same caller and goal that ended alike while the call was under way and belong to no other event.
    fn find_siblings(&self, finder: &mut Finder<'_>, assigned: &mut Assigned) {
        // A server tells of every connection: its view makes none of them another call's.
        let server = |n: u32| self.world.logs.events[n as usize].server_side;
        let callers = assigned.matches.iter().filter(|(n, _)| !server(**n));
        let mut used: BTreeSet<FlowIndex> = callers.map(|(_, (c, _))| c.ended.flow).collect();
        let clock = self.clock();
        for (n, (best, _)) in assigned.matches.iter().filter(|(n, _)| !server(**n)) {
            let event = &self.world.logs.events[*n as usize];
            let Some(at) = self.clocks.of_event(event) else { continue };
            let goal = finder.goal(self.goals.shared(*n));
            let slack = self.clocks.slack(event);
            let limit = event.fields.deadline.unwrap_or(TimeDelta::from_secs(1));
            let from = best.ended.start.min(at) - limit.min(TimeDelta::from_secs(1));
            let ends = finder.ends(goal, event, &clock);
            let alike = ends
                .from(from)
                .take(SIBLINGS_LOOKED_AT)
                .filter(|e| e.ending == best.ended.ending && e.start >= from && e.start <= at + slack)
                .filter(|e| e.orig == best.ended.orig)
                .map(|e| e.flow);
            let found: Vec<_> = alike.filter(|f| used.insert(*f)).take(MAX_SIBLINGS).collect();
            if !found.is_empty() {
                assigned.siblings.insert(*n, found);
            }
        }
    }

    /// The flows of an event's case, attempts first, and why.
    pub(super) fn flows_of(&self, n: u32, assigned: &Assigned) -> (Vec<CaseFlow>, Option<Matching>) {
        let mut flows: Vec<CaseFlow> = Vec::new();
        let mut push = |flow: FlowIndex, role: Role| {
            if flows.len() < MAX_FLOWS && flows.iter().all(|f| f.flow != flow) {
                flows.push(CaseFlow { flow, role });
            }
        };
        let matched = assigned.matches.get(&n);
        if let Some((best, _)) = matched {
            let near = self.near_view(best.ended.flow);
            push(near, Role::Attempt);
            for (view, _) in self.connections.views(best.ended.flow) {
                push(view, Role::View);
            }
        }
        for flow in assigned.siblings.get(&n).into_iter().flatten() {
            push(self.near_view(*flow), Role::Sibling);
        }
        for flow in assigned.lookups.get(&n).into_iter().flatten() {
            push(*flow, Role::Lookup);
        }
        let event = &self.world.logs.events[n as usize];
        let matching =
            matched.map(|(best, others)| self.matching(event, best, others, assigned, n)).or_else(|| {
                let lookups = assigned.lookups.get(&n)?;
                let why = format!("{} lookups of the name within the window", lookups.len());
                let (key, alternatives) = (Key::DnsName, Vec::new());
                let (elsewhere, one_pair, doubted) = (false, false, false);
                Some(Matching {
                    key,
                    score: 0.8,
                    offset: None,
                    alternatives,
                    elsewhere,
                    one_pair,
                    doubted,
                    why,
                })
            });
        (flows, matching)
    }

    fn matching(
        &self,
        event: &LogEvent,
        best: &Candidate,
        others: &[FlowIndex],
        assigned: &Assigned,
        n: u32,
    ) -> Matching {
        let at = self.clocks.of_event(event);
        let told = !endings::is_open(best.ended.ending) && !best.contrary;
        let offset = at.map(|t| t - best.ended.at).filter(|_| told);
        let key = self.key_in_words(n, best);
        let fit = match (best.ended.ending, offset) {
            _ if best.contrary => {
                "the connection was answered while the call was under way, against what the line says".to_owned()
            }
            (Ending::Unanswered, _) if best.ended.turn >= QUEUED => {
                "several calls share the connection, and nothing that was sent on it while this one waited was answered"
                    .to_owned()
            }
            (Ending::Unanswered | Ending::Stalled, _) => {
                let elapsed = at.map(|t| t - best.ended.start).unwrap_or_default();
                format!("it had waited for {} when the line was written", elapsed.max(TimeDelta(0)))
            }
            (_, Some(after)) if after.0 >= 0 => format!("it ended {after} before the line"),
            (_, Some(after)) => format!(
                "it ended {} after the stamp of the line, less than the clocks and the stamp's resolution leave open",
                after.abs()
            ),
            (_, None) => "the line has no time".to_owned(),
        };
        let shared = if assigned.interchangeable.contains(&n) {
            "; calls that nothing tells apart were assigned one to one, in order of time"
        } else {
            ""
        };
        let elsewhere = best.key == Key::Sni && self.is_between_strangers(n, best.ended.flow);
        let strange =
            if elsewhere { "; neither of its ends is one that the objects know for this call" } else { "" };
        let one_pair = best.key != Key::Tuple && self.clocks.is_of_one_pair(event);
        let circular = if one_pair { "; but the clocks were brought together by one pair alone" } else { "" };
        let (rivalled, poor) = (self.is_doubted(n, best, assigned), best.score < POOR);
        let doubted = rivalled || poor;
        let doubt = match rivalled {
            true if best.unowned => {
                "; connections of several hosts fit, and nothing tells which of them wrote the line"
            }
            true => "; of a connection that fits nearly as well something else may have come",
            false if poor => "; that is so far from the line that it may be another call's",
            false => "",
        };
        let why = format!("{key}; {fit}{circular}{shared}{strange}{doubt}");
        let (key, score, alternatives) = (best.key, best.score, others.to_vec());
        Matching { key, score, offset, alternatives, elsewhere, one_pair, doubted, why }
    }

    /// Whether a connection that fits an event nearly as well, and of which something else may have come, was left without
    /// a call, or is that of a call with another goal; of several hosts' any, where nothing tells which wrote the line.
    fn is_doubted(&self, n: u32, best: &Candidate, assigned: &Assigned) -> bool {
        let alike = |other: u32| {
            self.goals.number(other) == self.goals.number(n) || self.goals.of(other) == self.goals.of(n)
        };
        let free = |flow| !assigned.takers.get(flow).is_some_and(|other| alike(*other));
        assigned.doubts.get(&n).into_iter().flatten().any(|flow| best.unowned || free(flow))
    }

    /// What led to a candidate.
    fn key_in_words(&self, n: u32, best: &Candidate) -> &'static str {
        if best.key != Key::Tuple {
            return words(best.key);
        }
        let views = self.connections.views(best.ended.flow);
        let resps: Vec<_> = views.iter().map(|(view, _)| self.world.read(*view).resp).collect();
        if tuples::is_assumed(&self.world.logs.events[n as usize], self.goals.of(n), &resps) {
            return "the line names the source of this connection; that its destination was translated is assumed";
        }
        words(best.key)
    }

    /// Whether objects know nodes and where a call's target leads, and no view of a connection comes from such a node or
    /// leads there.
    fn is_between_strangers(&self, event: u32, flow: FlowIndex) -> bool {
        let (goal, map) = (self.goals.of(event), &self.world.cluster);
        let told = |key: &Key| *key == Key::NatMap;
        let known = goal.service.is_some() && goal.backends.values().any(told) && !map.nodes.is_empty();
        let strange = |view: FlowIndex| {
            let flow = self.world.read(view);
            !goal.backends.get(&flow.resp).is_some_and(told) && map.host_of(flow.orig.ip()).is_none()
        };
        known && self.connections.views(flow).into_iter().all(|(view, _)| strange(view))
    }

    /// Of the views of a connection the one nearest to the originator: whose packets from it have the highest TTL.
    pub(super) fn near_view(&self, flow: FlowIndex) -> FlowIndex {
        let ttl = |f: FlowIndex| self.world.flow(f).tcp.as_deref().and_then(|t| t.ttl.orig).unwrap_or(0);
        let views = self.connections.views(flow);
        if views.len() == 1 {
            return flow;
        }
        let best = views.iter().map(|(f, _)| *f).max_by_key(|f| (ttl(*f), std::cmp::Reverse(*f)));
        best.unwrap_or(flow)
    }

    /// The start of a flow on the reference clock.
    pub(super) fn start(&self, flow: FlowIndex) -> Timestamp {
        let flow = self.world.read(flow);
        self.clocks.of_packet(&flow, endings::start(&flow))
    }

    /// An event's case without facts.
    pub(super) fn case(&self, n: u32, assigned: &Assigned) -> Case {
        let event = &self.world.logs.events[n as usize];
        let (flows, matching) = self.flows_of(n, assigned);
        let at = self.clocks.of_event(event);
        let slack = self.clocks.slack(event);
        let deadline = event.fields.deadline.unwrap_or(TimeDelta::from_secs(30));
        Case {
            event: Some(n),
            echoes: Vec::new(),
            flows,
            matching,
            time: event.time,
            window: at.map(|t| (t - deadline - slack, t + slack)),
            target: self.target(n, event),
            edge: event.edge,
            coverage: super::Coverage::default(),
            facts: super::CaseFacts::default(),
            certificate: None,
        }
    }

    /// What the line's call was to reach; a server's line tells of a call to the pod that wrote it.
    fn target(&self, n: u32, event: &LogEvent) -> Target {
        let pod = event.pod.as_deref().filter(|_| event.server_side).map(str::to_owned);
        Target { pod, ..self.goals.of(n).target(&event.fields) }
    }
}

/// Whether a connection that a precise line claims is not this line's: others say what it says, or it tells no more than
/// the second, in which many calls may have failed, and is no API server's.
fn comes_later(event: &LogEvent) -> bool {
    let own = || event.component.as_deref().is_some_and(|name| name.contains("apiserver"));
    event.is_hearsay() || event.resolution >= TimeDelta::from_secs(1) && !own()
}

/// What a key says, in words.
const fn words(key: Key) -> &'static str {
    match key {
        Key::Tuple => "the line names both ends of this connection",
        Key::Sni => "the ClientHello names the host of the URL",
        Key::NatMap => "the address map leads from the target to this address",
        Key::Learnt => "other connections to this address carried the target's server name",
        Key::ClientHelloRandom | Key::DnsName | Key::Time | Key::Wire => {
            "time alone: nothing leads from the target to this address, but dials to it fit the calls"
        }
    }
}

/// Alternatives shown for a match.
const MAX_ALTERNATIVES: usize = 8;

/// Parallel attempts shown for one call.
const MAX_SIBLINGS: usize = 6;

/// Endings looked at for siblings of one event.
const SIBLINGS_LOOKED_AT: usize = 64;

/// A match that fits as badly is in doubt: weaker keys fit better, and lines that are a second late.
const POOR: f64 = 0.15;

/// Flows shown for one call.
const MAX_FLOWS: usize = 8;
