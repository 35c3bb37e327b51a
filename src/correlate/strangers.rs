//! Dials to addresses that nothing knows.
//!
//! Objects and rules are of one moment, captures of another: where a pod was replaced in between, the packets of its calls
//! go to an address that no source names. That they are there must not be passed over.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};

use super::Case;
use super::dialers::Dialers;
use super::join::Join;
use crate::cluster::ClusterMap;
use crate::time::{TimeDelta, Timestamp};

/// Every address behind a Service that objects, rules and connection tables know.
pub(super) fn known(map: &ClusterMap) -> HashSet<SocketAddr> {
    let of_endpoints = map.endpoints.iter().map(|e| e.address);
    of_endpoints.chain(map.destinations.iter().flat_map(|d| d.backends.iter().copied())).collect()
}

/// Failed dials to unknown addresses that no log line was found for.
pub(super) struct Strangers {
    /// Port → start on the reference clock, originator and responder, in order of time.
    by_port: BTreeMap<u16, Vec<(Timestamp, IpAddr, SocketAddr)>>,
    /// The ports of the backends of each goal, as they are asked for: thousands of them have one port, as a rule.
    ports: HashMap<u32, Vec<u16>>,
}

impl Strangers {
    /// Of the cases of the wire alone.
    pub(super) fn new(join: &Join<'_>, cases: &[Case]) -> Self {
        let known = known(&join.world.cluster);
        let mut by_port: BTreeMap<u16, Vec<_>> = BTreeMap::new();
        // A flow that sent a name leads to its target whatever its address.
        let nameless = cases.iter().filter(|c| c.event.is_none() && c.target.url_host.is_none());
        for flow in nameless.filter_map(Case::attempt) {
            let start = join.start(flow);
            let flow = join.world.flow(flow);
            if !known.contains(&flow.resp) {
                by_port.entry(flow.resp.port()).or_default().push((start, flow.orig.ip(), flow.resp));
            }
        }
        for dials in by_port.values_mut() {
            dials.sort_unstable();
        }
        Self { by_port, ports: HashMap::new() }
    }

    /// Where such a dial went: by the caller of this case, to the port of its target, while its call was under way.
    pub(super) fn near(&mut self, join: &Join<'_>, case: &Case, dialers: &Dialers) -> Option<SocketAddr> {
        let (from, to) = case.window?;
        let event = join.world.event(case)?;
        let hosts = dialers.of_log(event.log);
        let goal = join.goals.of(case.event?);
        let ports = self.ports.entry(join.goals.number(case.event?)).or_insert_with(|| {
            let mut seen = BTreeSet::new();
            goal.backends.keys().map(SocketAddr::port).filter(|port| seen.insert(*port)).collect()
        });
        let near = |port: &u16| {
            let dials = self.by_port.get(port).map(Vec::as_slice).unwrap_or_default();
            let dials = &dials[dials.partition_point(|d| d.0 < from - MARGIN)..];
            let inside = dials.iter().take_while(|d| d.0 <= to + MARGIN).take(MAX_LOOKED_AT);
            inside.filter(|d| hosts.is_none_or(|h| h.contains(&d.1))).map(|d| d.2).next()
        };
        ports.iter().find_map(near)
    }
}

/// Clocks and log lines may be off by this.
const MARGIN: TimeDelta = TimeDelta::from_secs(1);

/// Dials to one port within the time of one call that are looked at.
const MAX_LOOKED_AT: usize = 64;
