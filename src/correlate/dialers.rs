//! Where callers dial from.
//!
//! Takes callers' events with the flows that they were matched with; gives for each log the addresses of its host, as far
//! as 4-tuples in messages, matched flows, objects and host state tell them. Never says where a call went.

use std::collections::{BTreeMap, BTreeSet};
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
        let mut hosts: BTreeSet<(u32, &str)> = BTreeSet::new();
        for (event, matched) in events.filter(|(e, _)| !e.server_side) {
            let named = event.fields.source.map(|s| s.ip());
            let host = event.host.as_deref().filter(|h| hosts.insert((event.log, h)));
            let of_host = host.into_iter().flat_map(|h| host_addresses(join, h));
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

/// Addresses of a host that wrote events, as objects and host state know them.
fn host_addresses<'j>(join: &'j Join<'_>, host: &'j str) -> impl Iterator<Item = IpAddr> + 'j {
    let map = &join.world.cluster;
    let node = map.node(host).into_iter().flat_map(|n| n.ips.iter().copied());
    node.chain(map.host_addresses.iter().filter(move |(h, _)| h == host).map(|(_, ip)| *ip))
}
