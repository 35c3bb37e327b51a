//! Probes that lead to what is not the pod's.
//!
//! A kubelet quotes what a command printed that a pod is probed with, and a command may print what a probe over the
//! network would give. Takes the events and the address map; marks those that name an address or a Service of another
//! namespace than the pod's: the pod's specification may name it as well, so that it is doubt and no proof.

use std::net::{IpAddr, SocketAddr};

use super::World;
use super::goal::service_of_host;
use crate::cluster::{ClusterMap, Owner};
use crate::log::{Edge, EventFields};

/// Marks the words of probes that may be those of a command.
pub(super) fn mark(world: &mut World) {
    let map = &world.cluster;
    for event in world.logs.events.iter_mut().filter(|e| e.edge == Edge::Probe && !e.server_side) {
        event.pretends |= is_strange(&event.fields, map);
    }
}

fn is_strange(fields: &EventFields, map: &ClusterMap) -> bool {
    let own = fields.probed.as_deref().and_then(|pod| pod.split_once('/')).map(|(namespace, _)| namespace);
    let url = fields.url.as_ref();
    if let Some((namespace, _)) = url.and_then(|u| service_of_host(&u.host)) {
        return own != Some(&*namespace);
    }
    let of_url = || url.and_then(|u| Some(SocketAddr::new(u.host.parse::<IpAddr>().ok()?, u.port)));
    let Some(called) = fields.destination.or_else(of_url) else { return false };
    let mut strange = false;
    for owner in map.owners(called.ip()).into_iter().take(MAX_OWNERS) {
        match owner {
            // a pod in the network of its node is probed there
            Owner::Node(_) => return false,
            Owner::Pod(pod) if own == Some(&*pod.namespace) => return false,
            // which pod was probed is not known from every line
            Owner::Pod(_) => strange |= own.is_some(),
            // anybody may claim an address of others for a Service
            Owner::Service(service) => strange |= own != Some(&*service.namespace),
        }
    }
    strange
}

/// Owners of one address that are looked at.
const MAX_OWNERS: usize = 64;
