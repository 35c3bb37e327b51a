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
    /// Addresses that a flow was opened to, and captures that show it.
    addresses: HashSet<(IpAddr, CaptureIndex), RandomState>,
    /// The same of those that opened one.
    originators: HashSet<(IpAddr, CaptureIndex), RandomState>,
    /// TCP flows that ended before any server name was sent.
    nameless: Vec<FlowIndex>,
    /// Responders in each capture.
    responders: HashSet<(SocketAddr, CaptureIndex), RandomState>,
    /// Capture and originator → flows with packets of both sides, and of one side only.
    sided: HashMap<(CaptureIndex, IpAddr), (u64, u64), RandomState>,
    /// The same of all originators of a capture.
    sided_of_all: HashMap<CaptureIndex, (u64, u64), RandomState>,
    /// Where single SYNs went.
    lone: HashMap<(CaptureIndex, SocketAddr), LoneSyns, RandomState>,
    /// Single SYNs to destinations that are not kept.
    beyond_destinations: u64,
    /// Flows without a server name that are not kept.
    beyond_nameless: u64,
    bounds: Bounds,
}

/// How much of what floods and scans invent is kept.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// Originators that nobody answered, and destinations that were sent single SYNs.
    unanswered: usize,
    /// Flows without a name that an event may be about for want of anything better.
    nameless: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { unanswered: 100_000, nameless: 1 << 20 }
    }
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
        Self::within(Bounds::default(), flows, sources)
    }

    fn within(bounds: Bounds, flows: &Flows, sources: impl Iterator<Item = SocketAddr>) -> Self {
        let by_orig = sources.map(|s| (s, Vec::new())).collect();
        let mut table = Self { by_orig, bounds, ..Self::default() };
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
        let full = self.lone.len() >= self.bounds.unanswered;
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
        if self.sided.len() < self.bounds.unanswered {
            self.originators.insert((orig.ip(), capture));
            self.sided.entry((capture, orig.ip())).or_default().1 += 1;
            self.sided_of_all.entry(capture).or_default().1 += 1;
        }
        if let Some(list) = self.by_orig.get_mut(&orig) {
            list.push(index);
        }
    }

    fn push_nameless(&mut self, index: FlowIndex) {
        if self.nameless.len() < self.bounds.nameless {
            self.nameless.push(index);
        } else {
            self.beyond_nameless += 1;
        }
    }

    fn add(&mut self, index: FlowIndex, flow: &Conversation) {
        let answered = flow.packets.resp > 0 || !flow.icmp.is_empty();
        self.addresses.insert((flow.resp.ip(), flow.capture));
        if answered || self.sided.len() < self.bounds.unanswered {
            self.originators.insert((flow.orig.ip(), flow.capture));
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
        if !answered && self.sided.len() >= self.bounds.unanswered && !self.sided.contains_key(&key) {
            return;
        }
        let sided = self.sided.entry(key).or_default();
        let of_all = self.sided_of_all.entry(flow.capture).or_default();
        if flow.packets.orig > 0 && answered {
            sided.0 += 1;
            of_all.0 += 1;
        } else {
            sided.1 += 1;
            of_all.1 += 1;
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
        self.addresses.contains(&(address, capture)) || self.opens(address, capture)
    }

    /// Whether this capture shows a flow that this address opened.
    pub(super) fn opens(&self, address: IpAddr, capture: CaptureIndex) -> bool {
        self.originators.contains(&(address, capture))
    }

    /// Whether this capture shows a flow to this address and port.
    pub(super) fn responder_shown(&self, address: SocketAddr, capture: CaptureIndex) -> bool {
        self.responders.contains(&(address, capture))
    }

    /// The bounds that were reached.
    pub(super) fn reached(&self) -> impl Iterator<Item = Anomaly> {
        let (syns, flows) = (self.beyond_destinations, self.beyond_nameless);
        let Bounds { unanswered, nameless } = self.bounds;
        let destinations = anomalies::reached("limit_syn_destinations", syns, || {
            format!(
                "{syns} SYNs that nothing followed went to other than the first {unanswered} destinations: they are counted and not judged"
            )
        });
        let nameless = anomalies::reached("limit_nameless_flows", flows, || {
            format!(
                "{flows} connections without data, beyond the first {nameless}, are not compared with log lines that name no address"
            )
        });
        destinations.into_iter().chain(nameless)
    }

    /// TCP flows of a capture (from these hosts) with packets of both sides, and of one side only.
    pub(super) fn sided(&self, capture: CaptureIndex, hosts: Option<&BTreeSet<IpAddr>>) -> (u64, u64) {
        let Some(hosts) = hosts else { return self.sided_of_all.get(&capture).copied().unwrap_or_default() };
        let of_hosts = hosts.iter().filter_map(|host| self.sided.get(&(capture, *host)));
        of_hosts.fold((0, 0), |sum, n| (sum.0 + n.0, sum.1 + n.1))
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

/// SYNs alone to one destination that an event may be about.
const LONE_LISTED: u64 = 1 << 20;

/// SYNs alone to one destination that become cases of their own where no log line tells of them.
pub(super) const LONE_SHOWN: u64 = 1000;

/// Single SYNs to one destination of one capture that are looked at for other views of them.
const FLOOD: u64 = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::{Limits, discover};
    use crate::ingest::{IngestOptions, run};

    /// An IPv4 packet of TCP between 10.0.0.`client`:4000 and 10.2.0.`server`:443.
    fn packet(client: u8, server: u8, back: bool, flags: u8) -> Vec<u8> {
        let (mut ends, mut ports) = ([[10, 0, 0, client], [10, 2, 0, server]], [[0x0f, 0xa0], [1, 0xbb]]);
        if back {
            ends.reverse();
            ports.reverse();
        }
        let ip = [&[0x45, 0, 0, 40, 0, 1, 0, 0, 64, 6, 0, 0][..], &ends.concat()].concat();
        [&ip[..], &ports.concat(), &[0, 0, 0, 1, 0, 0, 0, 2, 0x50, flags, 255, 255, 0, 0, 0, 0]].concat()
    }

    /// SYNs alone to five addresses, twice each, and three connections to another that were refused.
    fn flood() -> Flows {
        let lone = (0..10).map(|n| packet(n, n % 5, false, 2));
        let dials = (10..13).flat_map(|n| [packet(n, 9, false, 2), packet(n, 9, true, 0x14)]);
        let head = [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 1 << 18, 101];
        let mut file: Vec<u8> = head.iter().flat_map(|word| word.to_le_bytes()).collect();
        for (second, packet) in (1_700_000_000_u32..).zip(lone.chain(dials)) {
            file.extend([second, 0, 40, 40].iter().flat_map(|word| word.to_le_bytes()));
            file.extend(packet);
        }
        let folder = tempfile::tempdir().expect("a directory");
        std::fs::write(folder.path().join("a.pcap"), file).expect("writable");
        let bundle = discover(&[folder.path().to_owned()], &Limits::default()).expect("a bundle");
        run(&bundle.sources, &IngestOptions::default()).flows
    }

    fn to(server: u8) -> SocketAddr {
        SocketAddr::from(([10, 2, 0, server], 443))
    }

    fn said(table: &FlowTable) -> Vec<(&'static str, u64, String)> {
        table.reached().map(|anomaly| (anomaly.kind, anomaly.count, anomaly.text)).collect()
    }

    #[test]
    fn destinations_of_single_syns_beyond_the_bound_are_counted_and_said() {
        let bounds = Bounds { unanswered: 3, ..Bounds::default() };
        let table = FlowTable::within(bounds, &flood(), std::iter::empty());
        let said = said(&table);
        assert_eq!(said.len(), 1, "{said:?}");
        let (kind, count, text) = &said[0];
        assert_eq!((*kind, *count), ("limit_syn_destinations", 4));
        assert!(text.starts_with("4 SYNs ") && text.contains("the first 3 destinations"), "{text}");
        let kept: Vec<_> = table.lone_syns().map(|(_, resp, lone)| (resp, lone.count)).collect();
        assert!(kept.len() == 3 && kept.iter().all(|(_, count)| *count == 2), "{kept:?}");
        assert_eq!(table.of_resp(to(9)).len(), 3, "what was answered is kept whole");
    }

    #[test]
    fn flows_without_a_name_beyond_the_bound_are_counted_and_said() {
        let bounds = Bounds { nameless: 8, ..Bounds::default() };
        let table = FlowTable::within(bounds, &flood(), std::iter::empty());
        let said = said(&table);
        assert_eq!(said.len(), 1, "{said:?}");
        let (kind, count, text) = &said[0];
        assert_eq!((*kind, *count), ("limit_nameless_flows", 5));
        assert!(text.starts_with("5 connections ") && text.contains("the first 8,"), "{text}");
        assert_eq!(table.nameless().len(), 8);
        let found: usize = (0..5).map(|n| table.of_resp(to(n)).len()).sum();
        assert_eq!(found + table.of_resp(to(9)).len(), 13, "all are found by their address");
    }

    #[test]
    fn bounds_that_are_not_reached_are_not_said() {
        assert_eq!(said(&FlowTable::new(&flood(), std::iter::empty())), []);
    }
}
