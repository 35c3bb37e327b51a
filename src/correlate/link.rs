//! Which flows are one connection: the same one at several vantage points, or the two halves of a translation.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use super::index::FlowTable;
use super::{Anomaly, Ends, World, anomalies};
use crate::capture::CaptureIndex;
use crate::flow::{Dir, Proto};
use crate::ingest::{Conversation, FlowIndex, Flows, Record};
use crate::time::{TimeDelta, Timestamp};

/// Flows by connection.
#[derive(Debug, Default)]
pub(super) struct Connections {
    /// Flows that are not the first of their connection, each with the first one.
    root: HashMap<u32, u32>,
    /// Connections of more than one flow: root → (flow, why), in flow order.
    groups: HashMap<u32, Vec<(FlowIndex, &'static str)>>,
    /// Flows that may be further views of a connection and were not looked at.
    beyond: u64,
}

impl Connections {
    /// The bound of views, where it was reached.
    pub(super) fn reached(&self) -> Option<Anomaly> {
        let n = self.beyond;
        anomalies::reached("limit_views", n, || {
            format!(
                "{n} flows share a hello or SYN with {MAX_SAME_KEY} others or are views of a connection of {MAX_VIEWS}: they stand for themselves"
            )
        })
    }

    /// Links the flows of a world; `table` tells which are a flood and not looked at.
    pub(super) fn new(world: &World, table: Option<&FlowTable>) -> Self {
        let mut linker = Linker::default();
        linker.by_prints(&world.wire.flows, table);
        linker.by_translation(world);
        linker.finish()
    }

    /// The flow that stands for the connection of this one.
    pub(super) fn root(&self, flow: FlowIndex) -> FlowIndex {
        FlowIndex(self.root.get(&flow.0).copied().unwrap_or(flow.0))
    }

    /// All flows of the connection, this one included; `why` is what linked each to the first.
    pub(super) fn views(&self, flow: FlowIndex) -> Vec<(FlowIndex, &'static str)> {
        let root = self.root(flow);
        self.groups.get(&root.0).cloned().unwrap_or_else(|| vec![(flow, "")])
    }

    /// Pairs of flows that are one connection, in order.
    pub(super) fn pairs(&self) -> Vec<(FlowIndex, FlowIndex, &'static str)> {
        let mut pairs: Vec<_> =
            self.groups.values().flat_map(|g| g[1..].iter().map(|(f, why)| (g[0].0, *f, *why))).collect();
        pairs.sort();
        pairs
    }
}

/// Union-find over flow numbers; the root is the smallest. Flows that are linked with none are not in it.
#[derive(Default)]
struct Linker {
    root: BTreeMap<u32, u32>,
    why: HashMap<u32, &'static str>,
    beyond: u64,
}

impl Linker {
    fn find(&mut self, mut n: u32) -> u32 {
        while let Some(up) = self.root.get(&n).copied() {
            if let Some(further) = self.root.get(&up).copied() {
                self.root.insert(n, further);
            }
            n = up;
        }
        n
    }

    fn join(&mut self, a: u32, b: u32, why: &'static str) {
        let (a, b) = (self.find(a), self.find(b));
        if a != b {
            let (low, high) = (a.min(b), a.max(b));
            self.root.insert(high, low);
            self.why.entry(high).or_insert(why);
        }
    }

    /// Links flows with the same ClientHello random, then those with the same SYN, each to the first that may be its
    /// other view.
    fn by_prints(&mut self, flows: &Flows, table: Option<&FlowTable>) {
        let same_print = same_prints(flows, table);
        for same in same_print.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)).filter(|same| same.len() > 1) {
            let mut earlier: Vec<(u32, View)> = Vec::new();
            for (kind, _, n) in same.iter().take(MAX_SAME_PRINT) {
                let flow = flows.read(FlowIndex(*n));
                let Some(view) = flow.and_then(|flow| View::of(&flow, *kind)) else { continue };
                let linked = earlier.iter().find(|(_, other)| view.may_be(other)).map(|(other, _)| *other);
                if let Some(other) = linked {
                    self.join(other, *n, kind.name());
                }
                if earlier.len() < MAX_SAME_KEY {
                    earlier.push((*n, view));
                } else if linked.is_none() {
                    self.beyond += 1;
                }
            }
            self.beyond += same.len().saturating_sub(MAX_SAME_PRINT) as u64;
        }
    }

    /// Links flows before and after a translation that a conntrack table names.
    fn by_translation(&mut self, world: &World) {
        let flows = &world.wire.flows;
        let tcp = world.cluster.translations.iter().filter(|t| t.protocol == Proto::Tcp.number());
        let pairs = tcp.map(|t| (t.original, (t.reply.1, t.reply.0))).filter(|(a, b)| a != b);
        let pairs: Vec<(Ends, Ends)> = pairs.collect();
        let by_ends = with_ends(flows, &pairs.iter().flat_map(|(a, b)| [*a, *b]).collect());
        for (original, translated) in &pairs {
            let (Some(before), Some(after)) = (by_ends.get(original), by_ends.get(translated)) else {
                continue;
            };
            for (&a, &b) in before.iter().zip(after) {
                let (Some(x), Some(y)) = (flows.read(FlowIndex(a)), flows.read(FlowIndex(b))) else {
                    continue;
                };
                if Place::of(&x).may_be(&Place::of(&y)) {
                    self.join(a, b, "conntrack");
                }
            }
        }
    }

    fn finish(mut self) -> Connections {
        let mut groups: HashMap<u32, Vec<(FlowIndex, &'static str)>> = HashMap::new();
        let linked: Vec<u32> = self.root.keys().copied().collect();
        let mut roots = HashMap::new();
        for n in linked {
            let root = self.find(n);
            let why = self.why.get(&n).copied().unwrap_or("linked");
            let views = groups.entry(root).or_insert_with(|| vec![(FlowIndex(root), "")]);
            if views.len() < MAX_VIEWS {
                views.push((FlowIndex(n), why));
                roots.insert(n, root);
            } else {
                self.beyond += 1;
            }
        }
        Connections { root: roots, groups, beyond: self.beyond }
    }
}

/// TCP flows with these ends, by them.
fn with_ends(flows: &Flows, wanted: &HashSet<Ends>) -> HashMap<Ends, Vec<u32>> {
    let mut by_ends: HashMap<Ends, Vec<u32>> = HashMap::new();
    if wanted.is_empty() {
        return by_ends;
    }
    for block in 0..flows.blocks() {
        flows.each(block, |record| {
            let brief = record.brief();
            let ends = (brief.endpoint(Dir::Orig), brief.endpoint(Dir::Resp));
            if brief.proto() == Proto::Tcp && wanted.contains(&ends) {
                by_ends.entry(ends).or_default().push(record.index.0);
            }
        });
    }
    by_ends
}

/// What two views of a connection have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    ClientHelloRandom,
    Isn,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::ClientHelloRandom => "client_hello_random",
            Self::Isn => "tcp_isn",
        }
    }
}

/// Flows whose digest others have too, by digest, in flow order: two passes, of which the first only marks digests in
/// a table of fixed size, so that a flood does not make a list of all its flows.
fn same_prints(flows: &Flows, table: Option<&FlowTable>) -> Vec<(Kind, u32, u32)> {
    let marks = Marks::for_flows(flows.len());
    let lone_calls = table.is_none_or(FlowTable::has_lone_calls);
    let is_flood = |record: &Record<'_>| {
        table.is_some_and(|table| {
            record.is_lone_syn() && table.is_flooded(record.capture(), record.brief().endpoint(Dir::Resp))
        })
    };
    let prints = |block: usize, show: &mut dyn FnMut(Kind, u32, u32)| {
        if flows.is_lone(block) && !lone_calls {
            return;
        }
        flows.each(block, |record| {
            if is_flood(record) {
                return;
            }
            let prints = record.prints();
            let random = prints.app.map(|print| (Kind::ClientHelloRandom, print));
            let isn = prints.dial.map(|print| (Kind::Isn, print));
            random.into_iter().chain(isn).for_each(|(kind, print)| show(kind, print, record.index.0));
        });
    };
    let blocks = 0..flows.blocks();
    blocks
        .clone()
        .into_par_iter()
        .for_each(|block| prints(block, &mut |kind, print, _| marks.mark(kind, print)));
    let found = blocks.into_par_iter().flat_map_iter(|block| {
        let mut found = Vec::new();
        prints(block, &mut |kind, print, n| {
            if marks.is_repeated(kind, print) {
                found.push((kind, print, n));
            }
        });
        found
    });
    let mut found: Vec<_> = found.collect();
    found.par_sort_unstable();
    found
}

/// Digests that were seen once (even bits), and more than once (odd bits).
struct Marks(Vec<AtomicU64>);

impl Marks {
    /// Room for eight digests for each flow, within bounds: few flows then share a place by chance.
    fn for_flows(flows: usize) -> Self {
        let words = (flows / 4).next_power_of_two().clamp(1 << 10, MAX_MARKS / 32);
        Self((0..words).map(|_| AtomicU64::new(0)).collect())
    }

    fn place(&self, kind: Kind, print: u32) -> (&AtomicU64, u64) {
        let mixed = (u64::from(print) << 1 | kind as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (&self.0[(mixed >> 16) as usize & (self.0.len() - 1)], 1 << (mixed >> 59 << 1))
    }

    fn mark(&self, kind: Kind, print: u32) {
        let (word, once) = self.place(kind, print);
        if word.fetch_or(once, Ordering::Relaxed) & once != 0 {
            word.fetch_or(once << 1, Ordering::Relaxed);
        }
    }

    fn is_repeated(&self, kind: Kind, print: u32) -> bool {
        let (word, once) = self.place(kind, print);
        word.load(Ordering::Relaxed) & once << 1 != 0
    }
}

/// A flow as far as it tells whether another is the same connection.
struct View {
    place: Place,
    random: Option<[u8; 32]>,
    /// Initial sequence number with the SYN's timestamp value, or with the originator's port where it sends none.
    dial: Option<(u32, Option<u32>, u16)>,
    /// The same of a flow that is compared by its hello, if its SYN has a timestamp.
    stamped: Option<(u32, u32)>,
}

impl View {
    /// None of a flow without what `kind` compares.
    fn of(flow: &Conversation, kind: Kind) -> Option<Self> {
        let place = Place::of(flow);
        match kind {
            Kind::ClientHelloRandom => {
                let random = *flow.app.session.tls.as_ref()?.client_random()?;
                let dial = flow.tcp.as_ref()?.dial();
                let stamped = dial.and_then(|(isn, stamp)| Some((isn, stamp?)));
                Some(Self { place, random: Some(random), dial: None, stamped })
            }
            Kind::Isn => {
                let (isn, stamp) = flow.tcp.as_ref()?.dial()?;
                let port = if stamp.is_some() { 0 } else { flow.orig.port() };
                Some(Self { place, random: None, dial: Some((isn, stamp, port)), stamped: None })
            }
        }
    }

    fn may_be(&self, other: &Self) -> bool {
        self.random == other.random
            && self.is_same_dial(other)
            && !self.is_relay_of(other)
            && self.place.may_be(&other.place)
    }

    /// The same number, and timestamps that SYNs of one dial may have: each that is sent again has a later one.
    fn is_same_dial(&self, other: &Self) -> bool {
        match (self.dial, other.dial) {
            (Some((isn, Some(stamp), _)), Some((isn_there, Some(stamp_there), _))) => {
                let apart = stamp.wrapping_sub(stamp_there);
                isn == isn_there && apart.min(apart.wrapping_neg()) <= MAX_DIAL
            }
            (dial, dial_there) => dial == dial_there,
        }
    }

    /// A proxy hands the hello on over a connection of its own: two connections, which end apart.
    /// Assume that what stands between two views of one connection leaves the sequence numbers or the timestamps of the
    /// originator as they are; a firewall that changes both shows it false.
    fn is_relay_of(&self, other: &Self) -> bool {
        let both = self.stamped.zip(other.stamped);
        both.is_some_and(|((isn, stamp), (isn_there, stamp_there))| isn != isn_there && stamp != stamp_there)
    }
}

/// Where a flow was seen.
struct Place {
    capture: CaptureIndex,
    ends: Ends,
    vni: Option<u32>,
    at: Timestamp,
}

impl Place {
    fn of(flow: &Conversation) -> Self {
        let ends = (flow.orig, flow.resp);
        Self { capture: flow.capture, ends, vni: flow.vni, at: flow.first.time }
    }

    /// Another capture, or other addresses in the same one at the same time (a translation).
    fn may_be(&self, other: &Self) -> bool {
        let apart = (self.at - other.at).abs();
        let elsewhere = self.ends != other.ends || self.vni != other.vni;
        self.capture != other.capture || elsewhere && apart < TimeDelta::from_secs(5)
    }
}

/// Linux dials for 127 s, and a timestamp counts milliseconds at most (RFC 7323 §5.4).
const MAX_DIAL: u32 = 1 << 17;

/// Flows that are one connection, at most: no network has as many vantage points, and each is looked at for every line
/// about the connection. What is beyond stands for itself.
const MAX_VIEWS: usize = 64;

/// Flows with one key that are compared; more are a flood, not views.
const MAX_SAME_KEY: usize = 8;

/// Flows with one digest that are looked at.
const MAX_SAME_PRINT: usize = 1 << 16;

/// Digests told apart: 16 MB.
const MAX_MARKS: usize = 1 << 26;
