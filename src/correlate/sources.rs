//! Which connections a line can mean that names their near end.
//!
//! Takes a line's source; gives how the connections from there ended, translated or not, the nearest to the line first. A
//! client that binds its port has as many connections from one source as it likes, and as many lines tell of them: what
//! came of all of them is listed once, and found by time.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;

use super::candidates::{Call, Ended};
use super::endings;
use super::fit::tuple_fit;
use super::goal::Goal;
use super::index::FlowTable;
use super::link::Connections;
use super::lists::{self, NEAREST, is_among};
use super::steps::step;
use super::tuples::Tuples;
use super::{Key, World};
use crate::ingest::{Conversation, FlowIndex};
use crate::log::{Ending, Endings, LogEvent};
use crate::time::{TimeDelta, Timestamp};

/// Source, and destination where it must be this.
type Origin = (SocketAddr, Option<SocketAddr>);

/// Near end, endings that are meant, and the deadline where it matters.
type ListKey = (Origin, Endings, Option<TimeDelta>);

/// Lists of endings by source.
pub(super) struct Sources<'w> {
    world: &'w World,
    table: &'w FlowTable,
    connections: &'w Connections,
    named: Tuples<'w>,
    /// Source before translation, and destination or any → source and destination after it.
    translations: HashMap<Origin, BTreeSet<(SocketAddr, SocketAddr)>>,
    /// Of each source its connections, by where they lead.
    roots: HashMap<SocketAddr, BTreeMap<SocketAddr, BTreeSet<FlowIndex>>>,
    lists: HashMap<ListKey, Vec<Listed>>,
    /// For each source the deadlines that its lists are made for.
    deadlines: HashMap<Origin, BTreeSet<TimeDelta>>,
}

/// An ending of a connection.
#[derive(Clone, Copy)]
struct Listed {
    ended: Ended,
    /// Where the view leads that comes from the source.
    resp: SocketAddr,
    rank: Rank,
}

/// What an ending is among those of its connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rank {
    /// Of the kind that the line means most.
    First,
    Further,
    /// The last packet of what ended in no way that the line means.
    Fallback,
}

/// Connections that a source and a goal name.
pub(super) enum Named {
    None,
    One(Ended),
    Several,
}

impl<'w> Sources<'w> {
    pub(super) fn new(world: &'w World, table: &'w FlowTable, connections: &'w Connections) -> Self {
        let mut translations: HashMap<Origin, BTreeSet<_>> = HashMap::new();
        for t in &world.cluster.translations {
            for to in [None, Some(t.original.1)] {
                let after = translations.entry((t.original.0, to)).or_default();
                if after.len() < MAX_TRANSLATED {
                    after.insert((t.reply.1, t.reply.0));
                }
            }
        }
        Self {
            world,
            table,
            connections,
            named: Tuples::new(world),
            translations,
            roots: HashMap::new(),
            lists: HashMap::new(),
            deadlines: HashMap::new(),
        }
    }

    /// How well the connections from a call's source fit it that ended next to its line, and how they ended.
    pub(super) fn near(
        &mut self,
        call: &Call,
        event: &LogEvent,
        goal: &Goal,
        clock: &dyn Fn(&Conversation, Timestamp) -> Timestamp,
    ) -> Vec<(f64, Ended)> {
        let mut best: BTreeMap<FlowIndex, (f64, Ended)> = BTreeMap::new();
        for listed in self.lists(event, goal, clock).iter().flat_map(|list| list.near(call)) {
            let fit = listed.fit(call);
            let better = |(other, ended): &(f64, Ended)| (fit, ended.ending) > (*other, listed.ended.ending);
            if fit > 0.0 && best.get(&listed.ended.flow).is_none_or(better) {
                best.insert(listed.ended.flow, (fit, listed.ended));
            }
        }
        best.into_values().collect()
    }

    /// How the one connection ended that an event's source and goal name; more than one where the port was used again.
    pub(super) fn named(
        &mut self,
        event: &LogEvent,
        goal: &Goal,
        clock: &dyn Fn(&Conversation, Timestamp) -> Timestamp,
    ) -> Named {
        let mut found: Option<Ended> = None;
        for list in self.lists(event, goal, clock) {
            if list.all.len() > MAX_COMPARED {
                return Named::Several;
            }
            for Listed { ended, .. } in list.all.iter().filter(|e| e.is_told() && list.leads(e)) {
                if found.is_some_and(|other| other.flow != ended.flow) {
                    return Named::Several;
                }
                found = Some(*ended);
            }
        }
        found.map_or(Named::None, Named::One)
    }

    /// The lists of a line's source: of all that comes from there, and of what its translations lead to.
    fn lists<'s>(
        &'s mut self,
        event: &'s LogEvent,
        goal: &'s Goal,
        clock: &dyn Fn(&Conversation, Timestamp) -> Timestamp,
    ) -> Vec<List<'s>> {
        let Some(source) = event.fields.source else { return Vec::new() };
        let translated = self.translations.get(&(source, event.fields.destination));
        let translated = translated.into_iter().flatten().map(|(orig, resp)| (*orig, Some(*resp)));
        let froms: Vec<Origin> = std::iter::once((source, None)).chain(translated).collect();
        let keys: Vec<ListKey> = froms.into_iter().map(|from| self.list(from, event, clock)).collect();
        let this = &*self;
        let of = move |key: &ListKey| {
            let leads = key.0.1.is_none().then(|| this.leads(event, goal, source));
            Some(List { all: this.lists.get(key)?, leads })
        };
        keys.iter().filter_map(of).collect()
    }

    /// Whether a connection from a line's source can be the line's: it leads to the goal, or anywhere where that is not
    /// known.
    fn leads<'s>(
        &'s self,
        event: &'s LogEvent,
        goal: &'s Goal,
        source: SocketAddr,
    ) -> Box<dyn Fn(SocketAddr) -> bool + 's> {
        let may_lead = self.named.translates(event, source);
        Box::new(move |resp| {
            let direct = event.server_side || event.fields.destination == Some(resp);
            let to_goal = || goal.backends.contains_key(&resp) || goal.backends.is_empty();
            direct || to_goal() && may_lead(resp)
        })
    }

    /// Makes a list where there is none yet.
    fn list(
        &mut self,
        from: Origin,
        event: &LogEvent,
        clock: &dyn Fn(&Conversation, Timestamp) -> Timestamp,
    ) -> ListKey {
        let deadline = event.fields.timer().filter(|_| event.endings.iter().any(|k| endings::is_open(*k)));
        let deadline = deadline.filter(|d| is_among(self.deadlines.entry(from).or_default(), *d));
        let key = (from, event.endings.clone(), deadline);
        if self.lists.contains_key(&key) {
            return key;
        }
        let mut all: Vec<Listed> = Vec::new();
        for (resp, roots) in self.roots(from.0).clone() {
            let meant = from.1.is_none_or(|only| only == resp);
            for root in roots.into_iter().filter(|_| meant) {
                all.extend(self.ends(root, resp, (&key.1, deadline), clock));
            }
        }
        all.sort_by_key(|e| (e.ended.at, e.ended.flow, e.ended.ending, e.ended.turn));
        self.lists.insert(key.clone(), all);
        key
    }

    /// The connections from a source, by where they lead.
    fn roots(&mut self, source: SocketAddr) -> &BTreeMap<SocketAddr, BTreeSet<FlowIndex>> {
        let (world, table, connections) = (self.world, self.table, self.connections);
        self.roots.entry(source).or_insert_with(|| {
            let mut by_resp: BTreeMap<SocketAddr, BTreeSet<FlowIndex>> = BTreeMap::new();
            for flow in table.of_orig(source) {
                by_resp.entry(world.read(*flow).resp).or_default().insert(connections.root(*flow));
            }
            by_resp
        })
    }

    /// How a connection ended.
    fn ends(
        &self,
        root: FlowIndex,
        resp: SocketAddr,
        kinds: (&[Ending], Option<TimeDelta>),
        clock: &dyn Fn(&Conversation, Timestamp) -> Timestamp,
    ) -> Vec<Listed> {
        step();
        let ends = lists::endings_of(self.world, self.connections, root, kinds, clock).0;
        let meant = |e: &Ended| kinds.0.iter().position(|k| *k == e.ending);
        let first = ends.iter().enumerate().min_by_key(|(_, e)| meant(e)).map(|(n, _)| n);
        if first.is_none() {
            return vec![Listed { ended: last_packet(self.world, root, clock), resp, rank: Rank::Fallback }];
        }
        let listed = |(n, ended): (usize, &Ended)| Listed {
            ended: Ended { key: Key::Tuple, ..*ended },
            resp,
            rank: if first == Some(n) { Rank::First } else { Rank::Further },
        };
        ends.iter().enumerate().map(listed).collect()
    }
}

impl Listed {
    fn fit(&self, call: &Call) -> f64 {
        let Ended { at, start, .. } = self.ended;
        let during = || call.at + call.slack >= start && call.at <= at + LAST_PACKET;
        match self.rank {
            Rank::Fallback => f64::from(u8::from(during())) / 2.0,
            Rank::First | Rank::Further => tuple_fit(&self.ended, call.at, call.slack),
        }
    }

    /// Its time is that of what the line tells of.
    fn is_told(&self) -> bool {
        self.rank == Rank::First && !endings::is_open(self.ended.ending)
    }
}

/// A list, and which of it a line can mean; all where nothing says.
struct List<'s> {
    all: &'s [Listed],
    leads: Option<Box<dyn Fn(SocketAddr) -> bool + 's>>,
}

impl<'s> List<'s> {
    fn leads(&self, listed: &Listed) -> bool {
        step();
        self.leads.as_ref().is_none_or(|leads| leads(listed.resp))
    }

    /// Those next to the line of a call on either side that can be meant.
    fn near(&self, call: &Call) -> impl Iterator<Item = &'s Listed> {
        let (before, after) = self.all.split_at(self.all.partition_point(|e| e.ended.at < call.at));
        let before = before.iter().rev().take(MAX_COMPARED).filter(|e| self.leads(e));
        let begun = |e: &&Listed| e.ended.start <= call.at + call.slack;
        let after = after.iter().take(MAX_COMPARED).filter(begun).filter(|e| self.leads(e));
        before.take(NEAREST).chain(after.take(NEAREST))
    }
}

/// The end of a flow that ended in no way that an event means: its last packet.
fn last_packet(
    world: &World,
    root: FlowIndex,
    clock: &dyn Fn(&Conversation, Timestamp) -> Timestamp,
) -> Ended {
    let flow = &world.read(root);
    let (start, at) = (clock(flow, endings::start(flow)), clock(flow, flow.last.time));
    let (key, orig, resp, ending) = (Key::Tuple, flow.orig.ip(), flow.resp, Ending::GaveUp);
    Ended { at, start, flow: root, ending, key, orig, resp, turn: 0, idle: false, over: None, reached: None }
}

/// A line follows the last packet of its connection within this where nothing else tells the connection's end.
const LAST_PACKET: TimeDelta = TimeDelta::from_secs(60);

/// Endings of one source that are held against a line, on either side.
const MAX_COMPARED: usize = 256;

/// Translations of one source that are looked at.
const MAX_TRANSLATED: usize = 16;
