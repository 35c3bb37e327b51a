//! Where callers dial from.
//!
//! Takes callers' events with the flows that they were matched with; gives for each log the addresses of its host, as far
//! as 4-tuples in messages, matched flows, objects and host state tell them. Never says where a call went.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use super::join::Join;
use crate::log::LogEvent;

/// Addresses that the writers of each log dial from.
#[derive(Debug, Default)]
pub(super) struct Dialers {
    by_log: BTreeMap<u32, BTreeSet<IpAddr>>,
}

impl Dialers {
    /// `events`: each with the originator of the flow that it was matched with, if it was; those of servers are left
    /// out.
    pub(super) fn new<'w>(
        join: &Join<'w>,
        events: impl Iterator<Item = (&'w LogEvent, Option<IpAddr>)>,
    ) -> Self {
        let mut dialers = Self::default();
        // Looked up by name: lines may name as many hosts as there are.
        let mut addresses: HashMap<&str, Vec<IpAddr>> = HashMap::new();
        for (host, ip) in &join.world.cluster.host_addresses {
            addresses.entry(host).or_default().push(*ip);
        }
        let mut hosts: BTreeSet<(u32, &str)> = BTreeSet::new();
        for (event, matched) in events.filter(|(e, _)| !e.server_side) {
            let named = event.fields.source.map(|s| s.ip());
            let host = event.host.as_deref().filter(|h| hosts.insert((event.log, h)));
            let node = host.and_then(|h| join.world.cluster.node(h)).map_or(&[][..], |node| &node.ips);
            let of_host = host.and_then(|h| addresses.get(h)).into_iter().flatten().chain(node).copied();
            for ip in matched.into_iter().chain(named).chain(of_host) {
                dialers.by_log.entry(event.log).or_default().insert(ip);
            }
        }
        dialers
    }

    /// The addresses of a log's host; absent where none is known.
    pub(super) fn of_log(&self, log: u32) -> Option<&BTreeSet<IpAddr>> {
        self.by_log.get(&log)
    }
}
