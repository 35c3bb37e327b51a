//! `ip addr`, `ip link`, `ip route`, `ip neigh` of a host, and which host a file is of.
//!
//! Takes lines; gives interfaces, addresses, routes and neighbours. The host comes from the file's path
//! (`conntrack.cp-1.txt`, `sosreport-HOST-…/`, `nodes/HOST/…`) and from the names of the cluster's nodes.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::build::{Builder, MAX_HOST_NAME};
use crate::bundle::SourceIndex;

/// A network interface of a host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// The host, where known.
    pub host: Option<String>,
    /// Name: `eth0`.
    pub name: String,
    /// MTU in bytes.
    pub mtu: Option<u32>,
    /// Link-layer address as text: `02:42:ac:1c:00:02`.
    pub mac: Option<String>,
    /// Its addresses.
    pub ips: Vec<IpAddr>,
    /// Where it stands.
    pub source: SourceIndex,
}

/// A route of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The host, where known.
    pub host: Option<String>,
    /// `unicast`, `blackhole`, `unreachable`, `prohibit` or `throw`.
    pub kind: String,
    /// Destination prefix and its length in bits; the default route has length 0.
    pub destination: (IpAddr, u8),
    /// Next hop.
    pub via: Option<IpAddr>,
    /// Interface.
    pub device: Option<String>,
    /// `mtu` of the route, in bytes.
    pub mtu: Option<u32>,
    /// Where it stands.
    pub source: SourceIndex,
}

impl Route {
    /// Whether the prefix covers an address.
    pub fn covers(&self, ip: IpAddr) -> bool {
        let bits = u32::from(self.destination.1);
        match (self.destination.0, ip) {
            (IpAddr::V4(net), IpAddr::V4(ip)) => {
                (net.to_bits() ^ ip.to_bits()).checked_shr(32_u32.saturating_sub(bits)).unwrap_or(0) == 0
            }
            (IpAddr::V6(net), IpAddr::V6(ip)) => {
                (net.to_bits() ^ ip.to_bits()).checked_shr(128_u32.saturating_sub(bits)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

/// An entry of a host's neighbour table (ARP, ND).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// The host, where known.
    pub host: Option<String>,
    /// Address.
    pub ip: IpAddr,
    /// Interface.
    pub device: String,
    /// Link-layer address, where it was learnt.
    pub mac: Option<String>,
    /// State: `REACHABLE`, `STALE`, `FAILED`, `INCOMPLETE`, ….
    pub state: String,
    /// Where it stands.
    pub source: SourceIndex,
}

/// A socket of a host (`ss`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Socket {
    /// The host, where known.
    pub host: Option<String>,
    /// State: `LISTEN`, `ESTAB`, ….
    pub state: String,
    /// Bytes not read yet; connections not accepted yet where it listens.
    pub recv_q: u32,
    /// Bytes not acknowledged yet; length of the accept queue where it listens.
    pub send_q: u32,
    /// Own address; none for every address (`*`, `0.0.0.0`, `[::]`).
    pub local_ip: Option<IpAddr>,
    /// Own port.
    pub local_port: u16,
    /// The other side, where connected.
    pub peer: Option<std::net::SocketAddr>,
    /// Process name, where shown.
    pub process: Option<String>,
    /// Where it stands.
    pub source: SourceIndex,
}

/// A kernel counter of a host that is not zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counter {
    /// The host, where known.
    pub host: Option<String>,
    /// Name as nstat has it (`TcpExtListenOverflows`), or `conntrack_insert_failed`.
    pub name: String,
    /// Value since boot.
    pub value: u64,
    /// Where it stands.
    pub source: SourceIndex,
}

/// `ip addr` while it is read: which interface the lines are of.
#[derive(Default)]
pub(super) struct Links {
    current: Option<usize>,
    /// Places of this file's interfaces in the map, by name.
    places: HashMap<String, usize>,
    /// Addresses of each.
    known: HashSet<(usize, IpAddr)>,
}

impl Links {
    /// Takes a line of `ip addr`, `ip -o addr` or `ip link`.
    pub(super) fn line(&mut self, line: &str, b: &mut Builder<'_>, source: SourceIndex) -> bool {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let after =
            |name: &str| words.iter().position(|w| *w == name).and_then(|at| words.get(at + 1)).copied();
        if let [number, name, ..] = words.as_slice()
            && number
                .strip_suffix(':')
                .is_some_and(|n| !n.is_empty() && n.bytes().all(|c| c.is_ascii_digit()))
            && (name.ends_with(':') || matches!(words.get(2), Some(&("inet" | "inet6"))))
        {
            let name = name.trim_end_matches(':').split('@').next().unwrap_or_default();
            self.current = self.interface(b, source, name);
        } else if !matches!(words.first(), Some(&("inet" | "inet6" | "link/ether"))) {
            return false;
        }
        let Some(at) = self.current else { return false };
        let Some(interface) = b.map.interfaces.get_mut(at) else { return false };
        if let Some(mtu) = after("mtu").and_then(|m| m.parse().ok()) {
            interface.mtu = Some(mtu);
        }
        if let Some(mac) = after("link/ether").filter(|mac| mac.len() <= MAX_MAC) {
            interface.mac = Some(mac.to_owned());
        }
        let ip = after("inet").or_else(|| after("inet6")).and_then(|a| a.split('/').next()?.parse().ok());
        if let Some(ip) = ip.filter(|ip| !self.known.contains(&(at, *ip)) && b.room.takes_address()) {
            self.known.insert((at, ip));
            interface.ips.push(ip);
        }
        true
    }

    /// The interface of that name in this file; a new one if there is none.
    fn interface(&mut self, b: &mut Builder<'_>, source: SourceIndex, name: &str) -> Option<usize> {
        if let Some(known) = self.places.get(name) {
            return Some(*known);
        }
        let new = Interface { name: name.to_owned(), source, ..Interface::default() };
        let place = b.room.push(&mut b.map.interfaces, new)?;
        self.places.insert(name.to_owned(), place);
        Some(place)
    }
}

/// `172.28.0.3 dev eth0 lladdr 02:42:ac:1c:00:03 REACHABLE`, `10.0.0.5 dev eth0  FAILED`
pub(super) fn neighbour(line: &str, b: &mut Builder<'_>, source: SourceIndex) -> bool {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let [ip, "dev", device, rest @ ..] = words.as_slice() else { return false };
    let (Ok(ip), Some(state)) = (ip.parse(), rest.last()) else { return false };
    if !NEIGHBOUR_STATES.contains(state) {
        return false;
    }
    let mac = rest.iter().position(|w| *w == "lladdr").and_then(|at| rest.get(at + 1));
    let neighbour = Neighbour {
        host: None,
        ip,
        device: (*device).to_owned(),
        mac: mac.map(|m| (*m).to_owned()),
        state: (*state).to_owned(),
        source,
    };
    b.room.push(&mut b.map.neighbours, neighbour);
    true
}

/// `172.28.0.3  0x1  0x2  02:42:ac:1c:00:03  *  eth0` of `/proc/net/arp`; without flag 0x2 nobody answered.
pub(super) fn arp(line: &str, b: &mut Builder<'_>, source: SourceIndex) -> bool {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let [ip, kind, flags, mac, _, device] = words.as_slice() else { return false };
    let flags = flags.strip_prefix("0x").and_then(|f| u32::from_str_radix(f, 16).ok());
    let (Ok(ip), Some(flags), true) = (ip.parse(), flags, kind.starts_with("0x")) else { return false };
    let complete = flags & 2 != 0;
    let neighbour = Neighbour {
        host: None,
        ip,
        device: (*device).to_owned(),
        mac: complete.then(|| (*mac).to_owned()),
        state: if complete { "REACHABLE" } else { "INCOMPLETE" }.to_owned(),
        source,
    };
    b.room.push(&mut b.map.neighbours, neighbour);
    true
}

/// `default via 172.28.0.1 dev eth0`, `10.244.1.0/24 dev cni0 … mtu 1450`, `blackhole 10.244.0.0/26`
pub(super) fn route(line: &str, b: &mut Builder<'_>, source: SourceIndex) -> bool {
    let mut words = line.split_ascii_whitespace().peekable();
    let kind = match words.peek() {
        Some(&kind) if KINDS_OF_ROUTE.contains(&kind) => {
            words.next();
            kind
        }
        // The kernel's own table says nothing of where packets for others go.
        Some(&("local" | "broadcast" | "multicast" | "anycast")) => return line.contains(" dev "),
        _ => "unicast",
    };
    let Some(destination) = words.next() else { return false };
    let rest: Vec<&str> = words.collect();
    let after = |name: &str| rest.iter().position(|w| *w == name).and_then(|at| rest.get(at + 1)).copied();
    let via = after("via").and_then(|v| v.parse::<IpAddr>().ok());
    let destination = match destination {
        "default" if via.is_some_and(|v| v.is_ipv6()) => Some((IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0)),
        "default" => Some((IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0)),
        text => prefix(text),
    };
    let Some(destination) = destination else { return false };
    if kind == "unicast" && after("dev").is_none() && via.is_none() {
        return false;
    }
    let route = Route {
        host: None,
        kind: kind.to_owned(),
        destination,
        via,
        device: after("dev").map(str::to_owned),
        mtu: after("mtu").and_then(|m| m.parse().ok()),
        source,
    };
    b.room.push(&mut b.map.routes, route);
    true
}

fn prefix(text: &str) -> Option<(IpAddr, u8)> {
    let (ip, bits) = text.split_once('/').map_or((text, None), |(ip, bits)| (ip, Some(bits)));
    let ip: IpAddr = ip.parse().ok()?;
    let most = if ip.is_ipv4() { 32 } else { 128 };
    let bits = bits.map_or(Some(most), |b| b.parse().ok().filter(|b| *b <= most))?;
    Some((ip, bits))
}

/// Says of every file with host state which host it is of, and gives the host's addresses.
pub(super) fn name_hosts(b: &mut Builder<'_>) {
    let names = NodeNames::of(b.map.nodes.iter().map(|n| n.name.as_str()));
    let by_address = hosts_of_addresses(b);
    let mut hosts = HashMap::new();
    for source in b.map.inputs.iter().filter(|i| !i.skipped).map(|i| i.source) {
        let host = names.host_of_path(b.path(source)).or_else(|| by_address.get(&source).cloned());
        hosts.extend(host.filter(|h| h.len() <= MAX_HOST_NAME).map(|h| (source, h)));
    }
    let of = |source| hosts.get(&source).cloned();
    let map = &mut b.map;
    map.interfaces.iter_mut().for_each(|f| f.host = of(f.source));
    map.routes.iter_mut().for_each(|f| f.host = of(f.source));
    map.neighbours.iter_mut().for_each(|f| f.host = of(f.source));
    map.sockets.iter_mut().for_each(|f| f.host = of(f.source));
    map.counters.iter_mut().for_each(|f| f.host = of(f.source));
    map.hosts = hosts.into_iter().collect();
    let addresses: Vec<(String, IpAddr)> = map
        .interfaces
        .iter()
        .filter(|i| !NOT_OF_THE_HOST.contains(&i.name.as_str()))
        .filter_map(|i| Some((i.host.clone()?, i)))
        .flat_map(|(host, i)| i.ips.iter().filter(|ip| is_global(**ip)).map(move |ip| (host.clone(), *ip)))
        .collect();
    for (host, ip) in addresses {
        b.host_address(&host, ip);
    }
}

fn is_global(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !ip.is_loopback() && !ip.is_link_local(),
        IpAddr::V6(ip) => !ip.is_loopback() && !ip.is_unicast_link_local(),
    }
}

/// Of each file with interfaces, the node whose address the first of them carries.
fn hosts_of_addresses(b: &Builder<'_>) -> HashMap<SourceIndex, String> {
    let mut nodes = HashMap::new();
    for node in &b.map.nodes {
        for ip in node.ips.iter().filter(|ip| is_global(**ip)) {
            nodes.entry(*ip).or_insert(&node.name);
        }
    }
    let mut hosts = HashMap::new();
    for interface in &b.map.interfaces {
        if let Some(node) = interface.ips.iter().find_map(|ip| nodes.get(ip)) {
            hosts.entry(interface.source).or_insert_with(|| (*node).clone());
        }
    }
    hosts
}

/// The names of nodes, to look them up in paths: there may be as many paths as names.
pub(super) struct NodeNames<'n> {
    /// With the place of each in the map.
    places: HashMap<&'n str, usize>,
    sorted: Vec<&'n str>,
}

impl<'n> NodeNames<'n> {
    /// Of nodes in the order of the map.
    pub(super) fn of(names: impl Iterator<Item = &'n str>) -> Self {
        let places: HashMap<_, _> = names.enumerate().map(|(place, name)| (name, place)).collect();
        let mut sorted: Vec<_> = places.keys().copied().collect();
        sorted.sort_unstable();
        Self { places, sorted }
    }

    /// The host that a path names: a node's name as a part of it, else what stands between the command and the ending.
    pub(super) fn host_of_path(&self, path: &str) -> Option<String> {
        let part = |c: char| matches!(c, '/' | '!' | '_' | ' ');
        let known = |text| self.places.get_key_value(text).map(|(name, _)| *name);
        let mut parts = path.split(part).rev();
        let whole = parts.find_map(|p| known(p).or_else(|| p.split('.').find_map(known)));
        if let Some(node) = whole.or_else(|| self.inside(path)) {
            return Some(node.to_owned());
        }
        if let Some(rest) = path.split(['/', '!']).find_map(|p| p.strip_prefix("sosreport-")) {
            return sos_host(rest);
        }
        let file = path.rsplit(['/', '!']).next()?;
        let mut dots = file.split('.');
        let (_, host, ending) = (dots.next()?, dots.next()?, dots.next()?);
        if !matches!(ending, "txt" | "log" | "out" | "gz" | "json") || host.is_empty() {
            return None;
        }
        Some(self.only_one_of(host).unwrap_or(host).to_owned())
    }

    /// The longest name that stands in a path with no letter or digit on either side: node-1 is a part of node-1-a.
    fn inside(&self, path: &str) -> Option<&'n str> {
        let mut words: Vec<(usize, usize)> = Vec::new();
        for (at, c) in path.char_indices().filter(|(_, c)| c.is_alphanumeric()) {
            match words.last_mut().filter(|(_, end)| *end == at) {
                Some((_, end)) => *end = at + c.len_utf8(),
                None => words.push((at, at + c.len_utf8())),
            }
        }
        words.drain(..words.len().saturating_sub(MAX_WORDS));
        let spans = words
            .iter()
            .enumerate()
            .flat_map(|(n, (start, _))| words.iter().skip(n).map(|(_, end)| *start..*end));
        let found = spans.filter_map(|span| self.places.get_key_value(path.get(span)?));
        found.max_by_key(|(name, place)| (name.len(), Reverse(**place))).map(|(name, _)| *name)
    }

    /// `cp-1` for `cp`, if only one node can be meant.
    fn only_one_of(&self, short: &str) -> Option<&'n str> {
        let from = self.sorted.partition_point(|name| *name < short);
        let names = self.sorted.iter().skip(from).take_while(|name| name.starts_with(short)).take(MAX_WORDS);
        let mut meant = names.filter(|n| n.strip_prefix(short).is_some_and(|r| r.starts_with(['-', '.'])));
        meant.next().copied().filter(|_| meant.next().is_none())
    }
}

/// `node-1-2026-11-21-abcdefg` or `node-1-CASE-2026-…`: what stands before the case number and the date.
fn sos_host(rest: &str) -> Option<String> {
    let words: Vec<&str> = rest.split('-').collect();
    let year = words
        .iter()
        .position(|w| w.len() == 4 && w.starts_with("20") && w.bytes().all(|c| c.is_ascii_digit()))?;
    let case = |w: &&str| w.len() >= 6 && w.bytes().all(|c| c.is_ascii_digit());
    let end = year.checked_sub(1).filter(|n| words.get(*n).is_some_and(case)).unwrap_or(year);
    let host = words.get(..end)?.join("-");
    (!host.is_empty()).then_some(host)
}

/// Bytes of a link-layer address as text; that of InfiniBand has 59.
const MAX_MAC: usize = 64;
/// Words at the end of a path that may be a node's name together; names that begin alike and are looked at.
const MAX_WORDS: usize = 64;
/// States of `ip neigh`.
const NEIGHBOUR_STATES: &[&str] =
    &["REACHABLE", "STALE", "DELAY", "PROBE", "FAILED", "INCOMPLETE", "PERMANENT", "NOARP", "NONE"];
/// Words before a route that says what becomes of packets.
const KINDS_OF_ROUTE: &[&str] = &["unicast", "blackhole", "unreachable", "prohibit", "throw"];
/// Interfaces that carry addresses of Services or caches, which are not the host's own.
const NOT_OF_THE_HOST: &[&str] = &["kube-ipvs0", "nodelocaldns"];
