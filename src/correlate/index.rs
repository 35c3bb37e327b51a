//! Finds flows by what a log line can name: tuple, server name, destination, name looked up.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};

use foldhash::quality::RandomState;

use super::{Anomaly, anomalies};
use crate::capture::CaptureIndex;
use crate::flow::{Brief, Dir, Proto};
use crate::ingest::{Conversation, FlowIndex, Flows};

/// Indices over all flows. Lists are in flow order.
#[derive(Debug, Default)]
pub(super) struct FlowTable {
    /// Only of the sources that events name: 4-tuples are asked for by nothing else.
    by_orig: HashMap<SocketAddr, Vec<FlowIndex>, RandomState>,
    by_resp: HashMap<SocketAddr, Vec<FlowIndex>, RandomState>,
    /// The keys of `by_resp`, in order.
    destinations: Vec<SocketAddr>,
    by_connect: HashMap<String, Vec<FlowIndex>, RandomState>,
    by_name: BTreeMap<String, Vec<FlowIndex>>,
    /// Server name → addresses that flows with it went to.
    learnt: BTreeMap<String, BTreeSet<SocketAddr>>,
    /// Addresses and captures that show packets of them.
    addresses: HashSet<(IpAddr, CaptureIndex), RandomState>,
    /// TCP flows that ended before any server name was sent.
    nameless: Vec<FlowIndex>,
    /// Responders in each capture.
    responders: HashSet<(SocketAddr, CaptureIndex), RandomState>,
    /// Capture and originator → flows with packets of both sides, and of one side only.
    sided: HashMap<(CaptureIndex, IpAddr), (u64, u64), RandomState>,
    /// Where single SYNs went.
    lone: HashMap<(CaptureIndex, SocketAddr), LoneSyns, RandomState>,
    /// Single SYNs to destinations that are not kept.
    beyond_destinations: u64,
    /// Flows without a server name that are not kept.
    beyond_nameless: u64,
}

/// SYNs to one address of which nothing else was seen.
#[derive(Debug, Default)]
pub(super) struct LoneSyns {
    /// How many.
    pub(super) count: u64,
    /// The first of them, at most [`LONE_SHOWN`].
    pub(super) first: Vec<FlowIndex>,
}

impl FlowTable {
    /// `sources`: near ends that events name, translated or not.
    pub(super) fn new(flows: &Flows, sources: impl Iterator<Item = SocketAddr>) -> Self {
        let by_orig = sources.map(|s| (s, Vec::new())).collect();
        let mut table = Self { by_orig, ..Self::default() };
        for block in 0..flows.blocks() {
            flows.each(block, |record| {
                if record.is_lone_syn() {
                    table.add_lone(record.index, record.capture(), &record.brief());
                } else {
                    table.add(record.index, &record.open());
                }
            });
        }
        table.destinations = table.by_resp.keys().copied().collect();
        table.destinations.sort_unstable();
        table
    }

    /// A SYN alone. A flood invents originators, and a scan destinations: both are kept up to a bound.
    fn add_lone(&mut self, index: FlowIndex, capture: CaptureIndex, brief: &Brief) {
        let (orig, resp) = (brief.endpoint(Dir::Orig), brief.endpoint(Dir::Resp));
        let full = self.lone.len() >= MAX_UNANSWERED;
        if full && !self.lone.contains_key(&(capture, resp)) {
            self.beyond_destinations += 1;
            return;
        }
        let lone = self.lone.entry((capture, resp)).or_default();
        lone.count += 1;
        if lone.count == 1 {
            self.addresses.insert((resp.ip(), capture));
            self.responders.insert((resp, capture));
        }
        if lone.count <= LONE_SHOWN {
            lone.first.push(index);
        }
        if lone.count <= LONE_LISTED {
            self.by_resp.entry(resp).or_default().push(index);
            self.push_nameless(index);
        }
        if self.sided.len() < MAX_UNANSWERED {
            self.addresses.insert((orig.ip(), capture));
            self.sided.entry((capture, orig.ip())).or_default().1 += 1;
        }
        if let Some(list) = self.by_orig.get_mut(&orig) {
            list.push(index);
        }
    }

    fn push_nameless(&mut self, index: FlowIndex) {
        if self.nameless.len() < MAX_NAMELESS {
            self.nameless.push(index);
        } else {
            self.beyond_nameless += 1;
        }
    }

    fn add(&mut self, index: FlowIndex, flow: &Conversation) {
        let answered = flow.packets.resp > 0 || !flow.icmp.is_empty();
        self.addresses.insert((flow.resp.ip(), flow.capture));
        if answered || self.sided.len() < MAX_UNANSWERED {
            self.addresses.insert((flow.orig.ip(), flow.capture));
        }
        self.responders.insert((flow.resp, flow.capture));
        for lookup in flow.app.dns.iter().flat_map(|d| &d.lookups) {
            let list = self.by_name.entry(lookup.name.clone()).or_default();
            if list.last() != Some(&index) {
                list.push(index);
            }
        }
        if flow.proto != Proto::Tcp {
            return;
        }
        self.count_sides(flow, answered);
        if let Some(list) = self.by_orig.get_mut(&flow.orig) {
            list.push(index);
        }
        self.by_resp.entry(flow.resp).or_default().push(index);
        if flow.bytes.orig == 0 && flow.bytes.resp == 0 {
            self.push_nameless(index);
        }
        if let Some(host) = connect_host(flow) {
            self.by_connect.entry(host.to_owned()).or_default().push(index);
        }
        if let Some(sni) = sni(flow) {
            self.learnt.entry(sni.to_owned()).or_default().insert(flow.resp);
        }
    }

    fn count_sides(&mut self, flow: &Conversation, answered: bool) {
        let key = (flow.capture, flow.orig.ip());
        if !answered && self.sided.len() >= MAX_UNANSWERED && !self.sided.contains_key(&key) {
            return;
        }
        let sided = self.sided.entry(key).or_default();
        if flow.packets.orig > 0 && answered {
            sided.0 += 1;
        } else {
            sided.1 += 1;
        }
    }

    /// Flows from this address and port, which an event names.
    pub(super) fn of_orig(&self, orig: SocketAddr) -> &[FlowIndex] {
        self.by_orig.get(&orig).map(Vec::as_slice).unwrap_or_default()
    }

    /// TCP flows that ended before any server name was sent.
    pub(super) fn nameless(&self) -> &[FlowIndex] {
        &self.nameless
    }

    /// Whether flows with a server name went to this address.
    pub(super) fn is_learnt(&self, address: SocketAddr) -> bool {
        self.learnt.values().any(|addresses| addresses.contains(&address))
    }

    /// Flows to this address and port.
    pub(super) fn of_resp(&self, resp: SocketAddr) -> &[FlowIndex] {
        self.by_resp.get(&resp).map(Vec::as_slice).unwrap_or_default()
    }

    /// Flows that asked a proxy for this host.
    pub(super) fn of_connect(&self, name: &str) -> &[FlowIndex] {
        self.by_connect.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// Flows that looked this name up, with a search domain appended or not.
    pub(super) fn of_name(&self, name: &str) -> &[FlowIndex] {
        self.by_name.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// Flows that looked this name up with a search domain appended.
    pub(super) fn of_suffixed(&self, name: &str) -> impl Iterator<Item = &FlowIndex> {
        let from = format!("{name}.");
        let to = format!("{name}/");
        self.by_name.range(from..to).flat_map(|(_, flows)| flows)
    }

    /// Addresses that flows with this server name went to.
    pub(super) fn learnt(&self, name: &str) -> impl Iterator<Item = SocketAddr> {
        self.learnt.get(name).into_iter().flatten().copied()
    }

    /// Flows to any port of this address.
    pub(super) fn of_host(&self, host: IpAddr) -> impl Iterator<Item = FlowIndex> {
        let from = self.destinations.partition_point(|d| *d < SocketAddr::new(host, 0));
        let ports = self.destinations[from..].iter().take_while(move |d| d.ip() == host);
        ports.flat_map(|d| self.of_resp(*d)).copied()
    }

    /// More single SYNs went there than there can be calls.
    pub(super) fn is_flooded(&self, capture: CaptureIndex, resp: SocketAddr) -> bool {
        self.lone.get(&(capture, resp)).is_none_or(|lone| lone.count > FLOOD)
    }

    /// Some single SYNs are no flood.
    pub(super) fn has_lone_calls(&self) -> bool {
        self.lone.values().any(|lone| lone.count <= FLOOD)
    }

    /// SYNs alone, by capture and destination.
    pub(super) fn lone_syns(&self) -> impl Iterator<Item = (CaptureIndex, SocketAddr, &LoneSyns)> {
        self.lone.iter().map(|((capture, resp), lone)| (*capture, *resp, lone))
    }

    /// Responders at this port.
    pub(super) fn of_port(&self, port: u16) -> impl Iterator<Item = SocketAddr> {
        self.by_resp.keys().filter(move |a| a.port() == port).copied()
    }

    /// Whether this capture shows a packet to or from this address.
    pub(super) fn shown(&self, address: IpAddr, capture: CaptureIndex) -> bool {
        self.addresses.contains(&(address, capture))
    }

    /// Whether this capture shows a flow to this address and port.
    pub(super) fn responder_shown(&self, address: SocketAddr, capture: CaptureIndex) -> bool {
        self.responders.contains(&(address, capture))
    }

    /// The bounds that were reached.
    pub(super) fn reached(&self) -> impl Iterator<Item = Anomaly> {
        let (syns, flows) = (self.beyond_destinations, self.beyond_nameless);
        let destinations = anomalies::reached("limit_syn_destinations", syns, || {
            format!(
                "{syns} SYNs that nothing followed went to other than the first {MAX_UNANSWERED} destinations: they are counted and not judged"
            )
        });
        let nameless = anomalies::reached("limit_nameless_flows", flows, || {
            format!(
                "{flows} connections without data, beyond the first {MAX_NAMELESS}, are not compared with log lines that name no address"
            )
        });
        destinations.into_iter().chain(nameless)
    }

    /// TCP flows of a capture (from these hosts) with packets of both sides, and of one side only.
    pub(super) fn sided(&self, capture: CaptureIndex, hosts: Option<&BTreeSet<IpAddr>>) -> (u64, u64) {
        let all = self.sided.iter().filter(|((c, _), _)| *c == capture);
        let of_hosts = all.filter(|((_, ip), _)| hosts.is_none_or(|h| h.contains(ip)));
        of_hosts.fold((0, 0), |sum, (_, n)| (sum.0 + n.0, sum.1 + n.1))
    }
}

/// The server name of a flow's ClientHello.
pub(super) fn sni(flow: &Conversation) -> Option<&str> {
    flow.app.session.tls.as_ref()?.client_hello.as_ref()?.shape.sni.as_deref()
}

/// The host that a flow to a proxy asked to be connected to.
pub(super) fn connect_host(flow: &Conversation) -> Option<&str> {
    let http = flow.app.session.http.as_deref()?;
    let target = http.target.as_deref().filter(|_| http.method.as_deref() == Some("CONNECT"))?;
    target.rsplit_once(':').map(|(host, _)| host)
}

/// Originators kept that nobody answered, and destinations that were sent single SYNs: floods and scans invent
/// millions.
const MAX_UNANSWERED: usize = 100_000;

/// SYNs alone to one destination that an event may be about.
const LONE_LISTED: u64 = 1 << 20;

/// SYNs alone to one destination that become cases of their own where no log line tells of them.
pub(super) const LONE_SHOWN: u64 = 1000;

/// Single SYNs to one destination of one capture that are looked at for other views of them.
const FLOOD: u64 = 1 << 16;

/// Flows without a name that an event may be about for want of anything better.
const MAX_NAMELESS: usize = 1 << 20;
