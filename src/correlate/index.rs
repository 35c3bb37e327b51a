//! Finds flows by what a log line can name: tuple, server name, destination, name looked up.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};

use crate::capture::CaptureIndex;
use crate::flow::Proto;
use crate::ingest::{Conversation, FlowIndex};

/// Indices over all flows. Lists are in flow order.
#[derive(Debug, Default)]
pub(super) struct FlowTable {
    /// Only of the sources that events name: 4-tuples are asked for by nothing else.
    by_orig: HashMap<SocketAddr, Vec<FlowIndex>>,
    by_resp: BTreeMap<SocketAddr, Vec<FlowIndex>>,
    by_sni: HashMap<String, Vec<FlowIndex>>,
    by_name: BTreeMap<String, Vec<FlowIndex>>,
    /// Server name → addresses that flows with it went to.
    learnt: BTreeMap<String, BTreeSet<SocketAddr>>,
    /// Address → captures that show packets of it.
    addresses: BTreeMap<IpAddr, BTreeSet<CaptureIndex>>,
    /// TCP flows that ended before any server name was sent.
    nameless: Vec<FlowIndex>,
    /// Responders' ports in each capture.
    ports: BTreeSet<(u16, CaptureIndex)>,
    /// Capture and originator → flows with packets of both sides, and of one side only.
    sided: BTreeMap<(CaptureIndex, IpAddr), (u64, u64)>,
}

impl FlowTable {
    /// `sources`: near ends that events name, translated or not.
    pub(super) fn new(flows: &[Conversation], sources: impl Iterator<Item = SocketAddr>) -> Self {
        let by_orig = sources.map(|s| (s, Vec::new())).collect();
        let mut table = Self { by_orig, ..Self::default() };
        for (n, flow) in flows.iter().enumerate() {
            table.add(FlowIndex(n as u32), flow);
        }
        table
    }

    fn add(&mut self, index: FlowIndex, flow: &Conversation) {
        let answered = flow.packets.resp > 0 || !flow.icmp.is_empty();
        self.addresses.entry(flow.resp.ip()).or_default().insert(flow.capture);
        if answered || self.addresses.len() < MAX_UNANSWERED {
            self.addresses.entry(flow.orig.ip()).or_default().insert(flow.capture);
        }
        self.ports.insert((flow.resp.port(), flow.capture));
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
            self.nameless.push(index);
        }
        if let Some(host) = connect_host(flow) {
            self.by_sni.entry(host.to_owned()).or_default().push(index);
        }
        if let Some(sni) = sni(flow) {
            self.by_sni.entry(sni.to_owned()).or_default().push(index);
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

    /// Flows whose ClientHello named this server.
    pub(super) fn of_sni(&self, name: &str) -> &[FlowIndex] {
        self.by_sni.get(name).map(Vec::as_slice).unwrap_or_default()
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
        let ports = SocketAddr::new(host, 0)..=SocketAddr::new(host, u16::MAX);
        self.by_resp.range(ports).flat_map(|(_, flows)| flows).copied()
    }

    /// Responders at this port.
    pub(super) fn of_port(&self, port: u16) -> impl Iterator<Item = SocketAddr> {
        self.by_resp.keys().filter(move |a| a.port() == port).copied()
    }

    /// Whether this capture shows a packet to or from this address.
    pub(super) fn shown(&self, address: IpAddr, capture: CaptureIndex) -> bool {
        self.addresses.get(&address).is_some_and(|c| c.contains(&capture))
    }

    /// Whether this capture shows a flow to this port.
    pub(super) fn port_shown(&self, port: u16, capture: CaptureIndex) -> bool {
        self.ports.contains(&(port, capture))
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

/// Addresses kept of originators that nobody answered: a flood invents millions.
const MAX_UNANSWERED: usize = 100_000;
