//! Dumped state of hosts, by what is asked of it.
//!
//! Takes the facts of all dumps; gives sockets by place, routes by prefix, silent neighbours by address, for one file at
//! a time, so that no answer needs a pass over a table, however long that is.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use crate::bundle::SourceIndex;
use crate::cluster::{ClusterMap, Counter, Neighbour, Route, Socket};

/// A fact with its place among those of its kind, by which the first or the last of equal ones is told.
type Placed<'w, T> = (usize, &'w T);

/// The dumps of each file.
#[derive(Default)]
pub(super) struct Dumps<'w> {
    of: HashMap<SourceIndex, Dump<'w>>,
}

/// What one file shows.
#[derive(Default)]
pub(super) struct Dump<'w> {
    /// How many sockets listen.
    pub(super) listening: usize,
    /// Of those on one port and address the last with the fullest queue.
    sockets: HashMap<(u16, Option<IpAddr>), Placed<'w, Socket>>,
    /// Counters of full accept queues.
    pub(super) counters: Vec<&'w Counter>,
    /// The last one of each prefix.
    routes: HashMap<(IpAddr, u8), Placed<'w, Route>>,
    /// Lengths of the prefixes.
    lengths: BTreeSet<u8>,
    pub(super) has_routes: bool,
    pub(super) has_neighbours: bool,
    /// The first one of each address.
    silent: HashMap<IpAddr, Placed<'w, Neighbour>>,
}

impl<'w> Dumps<'w> {
    pub(super) fn new(map: &'w ClusterMap) -> Self {
        let mut all = Self::default();
        for placed in map.sockets.iter().enumerate().filter(|(_, s)| s.state == "LISTEN") {
            all.dump(placed.1.source).add_socket(placed);
        }
        for counter in map.counters.iter().filter(|c| QUEUE_COUNTERS.contains(&c.name.as_str())) {
            let counters = &mut all.dump(counter.source).counters;
            if counters.len() < MAX_COUNTERS {
                counters.push(counter);
            }
        }
        for (n, route) in map.routes.iter().enumerate() {
            let dump = all.dump(route.source);
            let (ip, length) = route.destination;
            // Assume that no rule of `ip rule` sends packets to another table.
            if route.kind != "throw" {
                dump.lengths.insert(length);
                dump.routes.insert((prefix(ip, length), length), (n, route));
            }
            dump.has_routes = true;
        }
        for (n, neighbour) in map.neighbours.iter().enumerate() {
            let dump = all.dump(neighbour.source);
            dump.has_neighbours = true;
            if matches!(neighbour.state.as_str(), "FAILED" | "INCOMPLETE") {
                dump.silent.entry(neighbour.ip).or_insert((n, neighbour));
            }
        }
        all
    }

    fn dump(&mut self, source: SourceIndex) -> &mut Dump<'w> {
        self.of.entry(source).or_default()
    }

    /// What a file shows, if it is a dump.
    pub(super) fn get(&self, source: SourceIndex) -> Option<&Dump<'w>> {
        self.of.get(&source)
    }
}

impl<'w> Dump<'w> {
    fn add_socket(&mut self, placed: Placed<'w, Socket>) {
        self.listening += 1;
        let (_, socket) = placed;
        let kept = self.sockets.entry((socket.local_port, socket.local_ip)).or_insert(placed);
        if queued(socket) >= queued(kept.1) {
            *kept = placed;
        }
    }

    /// Sockets that take connections to this place: on its address, or on every one.
    pub(super) fn sockets(&self, ip: IpAddr, port: u16) -> impl Iterator<Item = Placed<'w, Socket>> {
        [Some(ip.to_canonical()), None]
            .into_iter()
            .filter_map(move |ip| self.sockets.get(&(port, ip)).copied())
    }

    /// The route with the longest prefix that covers an address.
    pub(super) fn route(&self, ip: IpAddr) -> Option<Placed<'w, Route>> {
        self.lengths.iter().rev().find_map(|length| self.routes.get(&(prefix(ip, *length), *length)).copied())
    }

    /// An address that did not answer.
    pub(super) fn silent(&self, ip: &IpAddr) -> Option<Placed<'w, Neighbour>> {
        self.silent.get(ip).copied()
    }
}

/// How full an accept queue is.
pub(super) fn queued(socket: &Socket) -> i64 {
    i64::from(socket.recv_q) - i64::from(socket.send_q)
}

/// The first bits of an address.
fn prefix(ip: IpAddr, length: u8) -> IpAddr {
    let length = u32::from(length);
    match ip {
        IpAddr::V4(ip) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(length)).unwrap_or(0);
            IpAddr::V4((ip.to_bits() & mask).into())
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX.checked_shl(128_u32.saturating_sub(length)).unwrap_or(0);
            IpAddr::V6((ip.to_bits() & mask).into())
        }
    }
}

/// Counters of connections that found a full accept queue; each network namespace has its own.
const QUEUE_COUNTERS: &[&str] = &["TcpExtListenOverflows", "TcpExtListenDrops"];

/// Such counters of one file that are told.
const MAX_COUNTERS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_and_the_last_of_equal_ones_is_the_route() {
        let route = |kind: &str, to: &str, length: u8| Route {
            host: None,
            kind: kind.to_owned(),
            destination: (to.parse().unwrap(), length),
            via: None,
            device: None,
            mtu: None,
            source: SourceIndex(0),
        };
        let map = ClusterMap {
            routes: vec![
                route("unicast", "0.0.0.0", 0),
                route("blackhole", "10.2.0.0", 16),
                route("unicast", "10.2.7.9", 24),
                route("prohibit", "10.2.7.0", 24),
                route("throw", "10.2.7.8", 32),
                route("unreachable", "fd00::", 8),
            ],
            ..ClusterMap::default()
        };
        let dumps = Dumps::new(&map);
        let dump = dumps.get(SourceIndex(0)).unwrap();
        let kind = |ip: &str| dump.route(ip.parse().unwrap()).map(|(_, r)| &*r.kind);
        let asked = ["10.2.7.8", "10.2.8.1", "192.0.2.1", "fd12::1", "2001:db8::1"].map(kind);
        assert_eq!(asked, [Some("prohibit"), Some("blackhole"), Some("unicast"), Some("unreachable"), None]);
        assert!(map.routes.iter().all(|r| r.covers(prefix(r.destination.0, r.destination.1))));
    }
}
