//! Which flows are one connection: the same one at several vantage points, or the two halves of a translation.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, Hash};

use super::{Ends, World};
use crate::flow::Proto;
use crate::ingest::{Conversation, FlowIndex};
use crate::time::TimeDelta;

/// Flows by connection.
#[derive(Debug, Default)]
pub(super) struct Connections {
    /// For each flow, the first flow of its connection.
    root: Vec<u32>,
    /// Connections of more than one flow: root → (flow, why), in flow order.
    groups: HashMap<u32, Vec<(FlowIndex, &'static str)>>,
}

impl Connections {
    /// Links the flows of a world.
    pub(super) fn new(world: &World) -> Self {
        let flows = &world.wire.flows;
        let mut linker = Linker { root: (0..flows.len() as u32).collect(), why: HashMap::new() };
        linker.by_key(flows, "client_hello_random", |_, flow| random(flow));
        let beside = (world.wire.captures.len() < 2).then(|| beside_another(flows));
        linker.by_key(flows, "tcp_isn", |n, flow| {
            let possible = beside.as_ref().is_none_or(|b| b.contains(&n));
            possible.then(|| isn(flow)).flatten()
        });
        linker.by_translation(world);
        linker.finish()
    }

    /// The flow that stands for the connection of this one.
    pub(super) fn root(&self, flow: FlowIndex) -> FlowIndex {
        FlowIndex(self.root[flow.0 as usize])
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

/// Union-find over flow numbers; the root is the smallest.
struct Linker {
    root: Vec<u32>,
    why: HashMap<u32, &'static str>,
}

impl Linker {
    fn find(&mut self, mut n: u32) -> u32 {
        while self.root[n as usize] != n {
            let up = self.root[self.root[n as usize] as usize];
            self.root[n as usize] = up;
            n = up;
        }
        n
    }

    fn join(&mut self, a: u32, b: u32, why: &'static str) {
        let (a, b) = (self.find(a), self.find(b));
        if a != b {
            let (low, high) = (a.min(b), a.max(b));
            self.root[high as usize] = low;
            self.why.entry(high).or_insert(why);
        }
    }

    /// Links flows with the same key, each to the first that may be its other view.
    fn by_key<K: Eq + Hash>(
        &mut self,
        flows: &[Conversation],
        why: &'static str,
        key: impl Fn(u32, &Conversation) -> Option<K>,
    ) {
        let hasher = foldhash::fast::FixedState::default();
        let numbered = flows.iter().enumerate().map(|(n, flow)| (n as u32, flow));
        let mut hashed: Vec<(u64, u32)> =
            numbered.filter_map(|(n, flow)| key(n, flow).map(|k| (hasher.hash_one(k), n))).collect();
        keep_repeated(&mut hashed);
        hashed.sort_unstable();
        for same in hashed.chunk_by(|a, b| a.0 == b.0).filter(|same| same.len() > 1) {
            for (place, (_, n)) in same.iter().enumerate().skip(1) {
                let flow = &flows[*n as usize];
                let view = same[..place].iter().take(MAX_SAME_KEY).map(|(_, other)| *other).find(|other| {
                    let other_flow = &flows[*other as usize];
                    may_be_view(flow, other_flow) && key(*n, flow) == key(*other, other_flow)
                });
                if let Some(other) = view {
                    self.join(other, *n, why);
                }
            }
        }
    }

    /// Links flows before and after a translation that a conntrack table names.
    fn by_translation(&mut self, world: &World) {
        let mut by_ends: HashMap<Ends, Vec<u32>> = HashMap::new();
        if world.cluster.translations.is_empty() {
            return;
        }
        for (n, flow) in world.wire.flows.iter().enumerate().filter(|(_, f)| f.proto == Proto::Tcp) {
            by_ends.entry((flow.orig, flow.resp)).or_default().push(n as u32);
        }
        for t in world.cluster.translations.iter().filter(|t| t.protocol == 6) {
            let translated = (t.reply.1, t.reply.0);
            if t.original == translated {
                continue;
            }
            let (Some(before), Some(after)) = (by_ends.get(&t.original), by_ends.get(&translated)) else {
                continue;
            };
            for (&a, &b) in before.iter().zip(after) {
                if may_be_view(&world.wire.flows[a as usize], &world.wire.flows[b as usize]) {
                    self.join(a, b, "conntrack");
                }
            }
        }
    }

    fn finish(mut self) -> Connections {
        let mut groups: HashMap<u32, Vec<(FlowIndex, &'static str)>> = HashMap::new();
        for n in 0..self.root.len() as u32 {
            let root = self.find(n);
            self.root[n as usize] = root;
            if root != n {
                let why = self.why.get(&n).copied().unwrap_or("linked");
                groups.entry(root).or_insert_with(|| vec![(FlowIndex(root), "")]).push((FlowIndex(n), why));
            }
        }
        Connections { root: self.root, groups }
    }
}

/// Leaves out what no other has the hash of, all but a few: most keys stand alone, and sorting is what costs.
fn keep_repeated(hashed: &mut Vec<(u64, u32)>) {
    let bits = (hashed.len() * 16).next_power_of_two().max(64);
    let (mut once, mut twice) = (vec![0_u64; bits / 64], vec![0_u64; bits / 64]);
    let place = |hash: u64| ((hash as usize % bits) / 64, 1 << (hash % 64));
    for (hash, _) in &*hashed {
        let (word, bit) = place(*hash);
        twice[word] |= once[word] & bit;
        once[word] |= bit;
    }
    hashed.retain(|(hash, _)| {
        let (word, bit) = place(*hash);
        twice[word] & bit != 0
    });
}

/// Flows of one capture beside which another with the same originator's port and other ends began: only those can be
/// the halves of a translation, which leaves the port alone where it can.
fn beside_another(flows: &[Conversation]) -> HashSet<u32> {
    let mut last = vec![None; usize::from(u16::MAX) + 1];
    let mut beside = HashSet::new();
    for (n, flow) in flows.iter().enumerate().filter(|(_, f)| f.proto == Proto::Tcp) {
        let before: Option<u32> = last[usize::from(flow.orig.port())].replace(n as u32);
        beside.extend(
            before.filter(|b| may_be_view(flow, &flows[*b as usize])).into_iter().flat_map(|b| [b, n as u32]),
        );
    }
    beside
}

/// Another capture, or other addresses in the same one at the same time (a translation).
fn may_be_view(a: &Conversation, b: &Conversation) -> bool {
    if a.capture != b.capture {
        return true;
    }
    let ends = |f: &Conversation| (f.orig, f.resp);
    let apart = (a.first.time - b.first.time).abs();
    (ends(a) != ends(b) || a.vni != b.vni) && apart < TimeDelta::from_secs(5)
}

fn random(flow: &Conversation) -> Option<[u8; 32]> {
    let hello = flow.app.session.tls.as_ref()?.client_hello.as_ref()?;
    (!hello.cut || hello.random != [0; 32]).then_some(hello.random)
}

/// Initial sequence number with the SYN's timestamp value, or with the originator's port where it sends none.
fn isn(flow: &Conversation) -> Option<(u32, Option<u32>, u16)> {
    let (isn, stamp) = flow.tcp.as_ref()?.dial()?;
    Some((isn, stamp, if stamp.is_some() { 0 } else { flow.orig.port() }))
}

/// Flows with one key that are compared; more are a flood, not views.
const MAX_SAME_KEY: usize = 8;
