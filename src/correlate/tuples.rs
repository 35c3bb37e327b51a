//! Which connection a line means that names its ends, where the wire shows another destination.
//!
//! A line names what was dialled, a capture behind the translation what came of it. Objects and connection tables tell the
//! one from the other; where they do not, a translation is assumed, and said to be.

use std::cell::LazyCell;
use std::collections::{BTreeSet, HashSet};
use std::net::SocketAddr;

use super::World;
use crate::cluster::{ClusterMap, Owner};
use crate::log::LogEvent;

/// The ends that callers' lines name.
pub(super) struct Tuples<'w> {
    map: &'w ClusterMap,
    /// Source and destination.
    pairs: HashSet<(SocketAddr, SocketAddr)>,
}

impl<'w> Tuples<'w> {
    pub(super) fn new(world: &'w World) -> Self {
        let callers = world.logs.events.iter().filter(|e| !e.server_side).map(|e| &e.fields);
        let pairs = callers.filter_map(|f| f.source.zip(f.destination)).collect();
        Self { map: &world.cluster, pairs }
    }

    /// Where a connection may lead that a line names with this source: anywhere, where the line names no destination;
    /// else to what is behind that. Where nothing tells, assume a translation, but none of a pod's own address, and none
    /// to an end that a line names with this very source: that line's call it is.
    pub(super) fn translates(
        &self,
        event: &LogEvent,
        source: SocketAddr,
    ) -> impl Fn(SocketAddr) -> bool + '_ {
        let destination = event.fields.destination;
        let told = LazyCell::new(move || {
            let of_pod = matches!(self.map.owner(destination?.ip()), Some(Owner::Pod(_)));
            Some((behind(self.map, destination?), of_pod))
        });
        move |resp| {
            let Some((behind, of_pod)) = &*told else { return true };
            behind.contains(&resp) || !of_pod && !self.pairs.contains(&(source, resp))
        }
    }
}

/// Whether a connection with these responders is only assumed to be the translated one of a line.
pub(super) fn is_assumed(map: &ClusterMap, event: &LogEvent, resps: &[SocketAddr]) -> bool {
    let named = event.fields.destination.filter(|_| !event.server_side);
    named.is_some_and(|d| !resps.contains(&d) && resps.iter().all(|resp| !behind(map, d).contains(resp)))
}

/// What objects and connection tables say is behind an address.
fn behind(map: &ClusterMap, address: SocketAddr) -> BTreeSet<SocketAddr> {
    map.backends(address).iter().map(|b| b.address).collect()
}
