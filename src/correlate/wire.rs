//! Cases of the wire alone: flows that failed and that no log tells of.
//!
//! Takes the cases of events, which explain flows of their own and what their calls left behind; gives a case for each
//! other flow that shows a failure, as many as are judged. Which failure it is, rules decide.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use rayon::prelude::*;

use super::endings;
use super::index::sni;
use super::join::Join;
use super::{Case, CaseFacts, CaseFlow, Coverage, Key, Matching, Role, Target};
use crate::capture::CaptureIndex;
use crate::cluster::ClusterMap;
use crate::flow::{Dir, Proto};
use crate::ingest::{Conversation, FlowIndex, Flows};
use crate::log::{Edge, Ending};
use crate::time::{TimeDelta, Timestamp};
use crate::tls::Phase;

/// Flows that failed and that no event's case holds: a case each, at most [`MAX_WIRE_CASES`]; and for each capture how
/// many are no case for want of room.
pub(super) fn cases(join: &Join<'_>, cases: &[Case], seen: &BTreeSet<FlowIndex>) -> (Vec<Case>, Left) {
    let explained = Explained::new(join, cases);
    let lone = join.table.lone_syns().flat_map(|(_, _, lone)| lone.first.iter().copied());
    let lone: BTreeSet<FlowIndex> = lone.collect();
    let flows = &join.world.wire.flows;
    let (mut found, mut left) = (Vec::new(), Left::new());
    let (mut told, mut bare, mut held) = (0, 0, 0);
    for wave in (0..flows.blocks()).step_by(WAVE) {
        let blocks = (wave..(wave + WAVE).min(flows.blocks())).into_par_iter();
        let failed: Vec<FlowIndex> = blocks.flat_map_iter(|block| failed_of(flows, block, &lone)).collect();
        let own = failed.into_iter().filter(|f| join.connections.root(*f) == *f && !seen.contains(f));
        for flow in own.map(|f| join.near_view(f)).filter(|f| !explained.covers(join, *f)) {
            // Probes of load balancers are many and must not take the room of what failed.
            let shown = join.world.read(flow);
            let room = if is_empty(&shown) { &mut bare } else { &mut told };
            let bytes = held + certificate_bytes(&shown);
            if *room < MAX_WIRE_CASES && bytes <= MAX_WIRE_BYTES {
                *room += 1;
                held = bytes;
                found.push(wire_case(join, flow));
            } else {
                *left.entry(shown.capture).or_default() += 1;
            }
        }
    }
    (found, left)
}

/// Failed connections of each capture that are no case, because there are too many.
pub(super) type Left = BTreeMap<CaptureIndex, u64>;

/// Established, and no side sent a byte.
fn is_empty(flow: &Conversation) -> bool {
    flow.tcp.as_deref().is_some_and(|t| t.established.is_some()) && flow.bytes.orig + flow.bytes.resp == 0
}

/// The flows of a block that failed; of single SYNs only those of `lone`.
fn failed_of(flows: &Flows, block: usize, lone: &BTreeSet<FlowIndex>) -> Vec<FlowIndex> {
    let mut found = Vec::new();
    let (from, to) = flows.indices(block);
    if flows.is_lone(block) {
        return lone.range(from..to).copied().collect();
    }
    flows.each(block, |record| {
        let is_lone = record.is_lone_syn();
        if is_lone && lone.contains(&record.index) || !is_lone && failed(&record.open()) {
            found.push(record.index);
        }
    });
    found
}

fn wire_case(join: &Join<'_>, index: FlowIndex) -> Case {
    let flow = join.world.flow(index);
    let views = join.connections.views(index);
    let views =
        views.iter().filter(|(f, _)| *f != index).map(|(f, _)| CaseFlow { flow: *f, role: Role::View });
    let attempt = CaseFlow { flow: index, role: Role::Attempt };
    Case {
        event: None,
        echoes: Vec::new(),
        flows: std::iter::once(attempt).chain(views).collect(),
        matching: Some(Matching {
            key: Key::Wire,
            score: 1.0,
            offset: None,
            alternatives: Vec::new(),
            elsewhere: false,
            doubted: false,
            one_pair: false,
            why: "no log line tells of this connection".to_owned(),
        }),
        time: Some(join.clocks.of_packet(flow, flow.last.time)),
        window: None,
        target: Target { url_host: sni(flow).map(str::to_owned), ..Target::default() },
        edge: edge_of(flow, &join.world.cluster),
        coverage: Coverage::default(),
        facts: CaseFacts::default(),
        certificate: None,
    }
}

/// Whether a flow shows a failure of any kind, so that rules should look at it.
fn failed(flow: &Conversation) -> bool {
    let Some(tcp) = flow.tcp.as_deref().filter(|_| flow.proto == Proto::Tcp) else { return false };
    let has = |e| endings::moment(flow, e).is_some();
    let hurt = [Ending::Refused, Ending::Icmp, Ending::Unanswered, Ending::FirstAnswer].into_iter().any(has);
    let tls = flow.app.session.tls.as_deref();
    let fatal = tls.is_some_and(|t| t.alerts.iter().any(|a| a.fatal));
    let stuck = tls.is_some_and(|t| t.phase < Phase::ResponseBegun) && tcp.established.is_some();
    let reset = tcp.reset.is_some_and(|r| !r.after_close && r.from == Dir::Resp);
    let bare = tcp.established.is_some() && tls.is_none() && flow.bytes.resp == 0;
    hurt || fatal || stuck || reset || bare
}

/// What event cases already explain: leftovers of their calls and parallel siblings are no findings of their own.
struct Explained {
    /// Destination → signatures of joined flows, and the span in which their calls were made.
    by_resp: BTreeMap<SocketAddr, (BTreeSet<Signature>, Timestamp, Timestamp)>,
}

/// Outcome of a flow as far as it tells failures apart.
type Signature = (bool, bool, bool, Phase);

impl Explained {
    fn new(join: &Join<'_>, cases: &[Case]) -> Self {
        let mut by_resp: BTreeMap<SocketAddr, (BTreeSet<Signature>, Timestamp, Timestamp)> = BTreeMap::new();
        for case in cases.iter().filter(|c| c.event.is_some()) {
            for flow in case.flows.iter().filter(|f| f.role != Role::Lookup) {
                let start = join.start(flow.flow);
                let flow = join.world.flow(flow.flow);
                let end = join.clocks.of_packet(flow, flow.last.time);
                let entry = by_resp.entry(flow.resp).or_insert_with(|| (BTreeSet::new(), start, end));
                entry.0.insert(signature(flow));
                entry.1 = entry.1.min(start);
                entry.2 = entry.2.max(end);
            }
        }
        Self { by_resp }
    }

    fn covers(&self, join: &Join<'_>, index: FlowIndex) -> bool {
        let flow = join.world.read(index);
        let start = join.start(index);
        self.by_resp.get(&flow.resp).is_some_and(|(signatures, from, to)| {
            let inside = start >= *from - LEFTOVER && start <= *to + LEFTOVER;
            inside && signatures.contains(&signature(&flow))
        })
    }
}

fn signature(flow: &Conversation) -> Signature {
    let tcp = flow.tcp.as_deref();
    let phase = flow.app.session.tls.as_deref().map_or(Phase::NoHello, |t| t.phase);
    (
        tcp.is_some_and(|t| t.established.is_some()),
        tcp.is_some_and(|t| t.reset.is_some_and(|r| r.from == Dir::Resp)),
        flow.icmp.is_empty(),
        phase,
    )
}

/// Which connection of the control plane a flow is: what calls what it leads to says more than its port.
fn edge_of(flow: &Conversation, map: &ClusterMap) -> Edge {
    let services = map.services_behind(flow.resp);
    let called = |kind: &str| {
        let callees = services.iter().flat_map(|s| map.callees_of_service(&s.namespace, &s.name));
        callees.into_iter().any(|c| c.kind == kind)
    };
    let callees = [
        ("webhook", Edge::Webhook),
        ("apiservice", Edge::AggregatedApi),
        ("conversion", Edge::ConversionWebhook),
    ];
    let called = callees.into_iter().find(|(kind, _)| called(kind)).map(|(_, edge)| edge);
    // The port of kubelets is theirs on nodes alone: pods use it too.
    let is_node = map.host_of(flow.resp.ip()).is_some();
    let by_port = Edge::of_port(flow.resp.port()).filter(|edge| is_node || *edge != Edge::Kubelet);
    called.or(by_port).unwrap_or(Edge::Other)
}

/// About how many bytes the certificates take that a case holds.
fn certificate_bytes(flow: &Conversation) -> usize {
    let tls = flow.app.session.tls.as_deref().into_iter();
    let all = tls.flat_map(|tls| tls.certificates.iter().chain(&tls.client_certificates));
    all.map(|certificate| certificate.held_bytes()).sum()
}

/// Failed flows without a log line that become cases, and as many that carried no byte; more are not judged.
pub(super) const MAX_WIRE_CASES: usize = 20_000;

/// Bytes of the certificates of those.
pub(super) const MAX_WIRE_BYTES: usize = 256 << 20;

/// Blocks of flows that are looked through at a time.
const WAVE: usize = 256;

/// What is left of a call may start this long before or after those that a line tells of: Go's dial goes on in the
/// background for as long as the kernel sends SYNs (127 s).
const LEFTOVER: TimeDelta = TimeDelta::from_secs(130);
