//! Whose questions for a neighbour are asked for a call.
//!
//! Takes a case and where its packets go; says of the asker of an ARP or ND request whether it is one that sends or
//! forwards them. Everybody on a segment sees what anybody there asks, and not always the answer.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use super::backends::Destinations;
use super::dialers::Dialers;
use super::join::Join;
use super::{Case, Role};
use crate::cluster::{ClusterMap, Owner};

/// Who may ask for a call.
pub(super) struct Askers<'j> {
    map: &'j ClusterMap,
    to: &'j Destinations<'j>,
    /// Addresses that the call was dialled from, and those of the log's host; none where nothing tells them.
    callers: BTreeSet<IpAddr>,
    of_log: Option<&'j BTreeSet<IpAddr>>,
    /// Names of the hosts that the call was dialled from.
    hosts: BTreeSet<&'j str>,
}

impl<'j> Askers<'j> {
    pub(super) fn new(
        join: &'j Join<'_>,
        case: &Case,
        dialers: &'j Dialers,
        to: &'j Destinations<'j>,
    ) -> Self {
        let map = &join.world.cluster;
        let event = join.world.event(case);
        let own = case.flows.iter().filter(|f| matches!(f.role, Role::Attempt | Role::View));
        let dialled = own.map(|f| join.world.flow(f.flow).orig);
        let named = event.and_then(|e| e.fields.source);
        let ends: BTreeSet<SocketAddr> = dialled.chain(named).collect();
        let of_log = event.filter(|e| !e.server_side).and_then(|e| dialers.of_log(e.log));
        let callers: BTreeSet<IpAddr> = ends.iter().map(SocketAddr::ip).collect();
        let nodes = ends.iter().filter_map(|e| map.node_of(*e));
        let hosts = callers.iter().filter_map(|ip| map.host_of(*ip)).chain(nodes).collect();
        Self { map, to, callers, of_log, hosts }
    }

    /// Whether this asker is the caller, its host, a backend or a backend's node, which hands on what comes to it. Where
    /// nothing tells who called, anybody but a pod: callers of the control plane are on hosts.
    pub(super) fn include(&self, asker: IpAddr) -> bool {
        if self.callers.is_empty() && self.of_log.is_none() {
            let of_pod = matches!(self.map.owner(asker), Some(Owner::Pod(_)));
            return !of_pod && !asker.is_unspecified();
        }
        let host = self.map.host_of(asker);
        let on_the_way = host.is_some_and(|h| self.hosts.contains(h) || self.to.nodes.contains(h));
        let of_log = self.of_log.is_some_and(|ips| ips.contains(&asker));
        on_the_way || of_log || self.callers.contains(&asker) || self.to.ips.contains(&asker)
    }
}
