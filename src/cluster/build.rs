//! Collects facts into the map: one entry for each thing, disagreements said.
//!
//! Takes facts with their source from all readers; gives the [`ClusterMap`]. Where two sources name the same thing
//! the fuller statement stays; where they contradict each other a [`Conflict`] says so.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::room::Room;
use super::{
    Callee, ClusterMap, Conflict, Destination, Endpoint, HeldCertificates, Holder, Node, Pod, Service,
    Translation,
};
use crate::bundle::{Limits, Source, SourceIndex};

/// The map while it is filled.
pub(super) struct Builder<'a> {
    /// What is known so far.
    pub(super) map: ClusterMap,
    sources: &'a [Source],
    services: HashMap<(String, String), usize>,
    /// Number of each Service that endpoints name, so that its name is not held for each of them.
    endpoint_services: HashMap<(String, String), u32>,
    endpoints: HashMap<(u32, SocketAddr, Option<String>), usize>,
    endpoint_addresses: HashSet<(u32, SocketAddr)>,
    pods: HashMap<(String, String), usize>,
    nodes: HashMap<String, usize>,
    callees: HashMap<(&'static str, String, String), usize>,
    destinations: HashMap<(SocketAddr, SourceIndex), usize>,
    /// Real addresses of destinations, by the place of the destination.
    backends: HashSet<(usize, SocketAddr)>,
    host_addresses: HashSet<(String, IpAddr)>,
    certificates: HashSet<Arc<[u8]>>,
    pub(super) room: Room,
    /// Private keys that were seen and left.
    pub(super) private_keys: u64,
}

impl<'a> Builder<'a> {
    /// An empty map over these sources.
    pub(super) fn new(sources: &'a [Source]) -> Self {
        let most = sources.first().map_or_else(|| Limits::default().facts, |s| s.limits().facts);
        Self {
            map: ClusterMap::default(),
            sources,
            services: HashMap::new(),
            endpoint_services: HashMap::new(),
            endpoints: HashMap::new(),
            endpoint_addresses: HashSet::new(),
            pods: HashMap::new(),
            nodes: HashMap::new(),
            callees: HashMap::new(),
            destinations: HashMap::new(),
            backends: HashSet::new(),
            host_addresses: HashSet::new(),
            certificates: HashSet::new(),
            room: Room::new(most),
            private_keys: 0,
        }
    }

    /// Path of a source as the report shows it.
    pub(super) fn path(&self, source: SourceIndex) -> &str {
        self.sources.get(source.0 as usize).map_or("", |s| &s.path)
    }

    /// Path of a source, with when it was written where that is known: of two statements one may be older.
    pub(super) fn place(&self, source: SourceIndex) -> String {
        self.sources.get(source.0 as usize).map_or_else(String::new, Source::dated_path)
    }

    /// Adds a Service, or completes the one of that name.
    pub(super) fn service(&mut self, mut new: Service) {
        self.room.bound(&mut new.cluster_ips, MAX_ADDRESSES);
        self.room.bound(&mut new.external_ips, MAX_ADDRESSES);
        self.room.bound(&mut new.ports, MAX_PORTS);
        let key = (new.namespace.clone(), new.name.clone());
        let Some(old) = self.services.get(&key).and_then(|&i| self.map.services.get_mut(i)) else {
            self.room.push(&mut self.map.services, new).map(|i| self.services.insert(key, i));
            return;
        };
        let known = (!old.cluster_ips.is_empty()).then(|| old.cluster_ips.clone());
        let before = (old.source, known);
        let (source, ips) = (new.source, new.cluster_ips.clone());
        self.room.complete(old, new, |old, new| {
            if old.ports.iter().all(|p| p.name.is_none() && p.target_port.is_none()) && !new.ports.is_empty()
            {
                old.ports = new.ports;
            }
            if old.cluster_ips.is_empty() {
                old.cluster_ips = new.cluster_ips;
            }
            old.external_name = old.external_name.take().or(new.external_name);
            extend(&mut old.external_ips, new.external_ips)
        });
        if let (first, Some(known)) = before
            && !ips.is_empty()
            && !ips.iter().all(|ip| known.contains(ip))
            && !known.iter().all(|ip| ips.contains(ip))
        {
            let what = format!("Service {}/{} has the ClusterIP", key.0, key.1);
            self.disagree(&what, (&list(&known), first), (&list(&ips), source));
        }
    }

    /// Adds an endpoint, or says where its readiness differs.
    pub(super) fn endpoint(&mut self, new: Endpoint) {
        let Some(service) = self.endpoint_service(&new.namespace, &new.service) else { return };
        let key = (service, new.address, new.port_name.clone());
        let place = self.endpoints.get(&key).copied().unwrap_or(usize::MAX);
        let Some(old) = self.map.endpoints.get(place) else {
            let Some(place) = self.room.push(&mut self.map.endpoints, new) else { return };
            self.endpoint_addresses.insert((key.0, key.1));
            self.endpoints.insert(key, place);
            return;
        };
        if old.ready != new.ready {
            let word = |ready| if ready { "ready" } else { "not ready" };
            let (a, b) = ((word(old.ready), old.source), (word(new.ready), new.source));
            let what = format!("endpoint {} of Service {}/{} is", new.address, new.namespace, new.service);
            self.disagree(&what, a, b);
        }
        let Some(old) = self.map.endpoints.get_mut(place) else { return };
        self.room.complete(old, new, |old, new| {
            old.node = old.node.take().or(new.node);
            old.pod = old.pod.take().or(new.pod);
            false
        });
    }

    /// Adds a Service that an object shows without any endpoint.
    pub(super) fn empty_endpoints(&mut self, namespace: &str, service: &str, source: SourceIndex) {
        let empty = (namespace.to_owned(), service.to_owned(), source);
        self.room.push(&mut self.map.empty_endpoints, empty);
    }

    /// Whether an endpoint of this Service and address is known, under whatever port name.
    pub(super) fn knows_endpoint(&self, namespace: &str, service: &str, address: SocketAddr) -> bool {
        let service = self.endpoint_services.get(&(namespace.to_owned(), service.to_owned()));
        service.is_some_and(|&service| self.endpoint_addresses.contains(&(service, address)))
    }

    fn endpoint_service(&mut self, namespace: &str, service: &str) -> Option<u32> {
        let next = self.endpoint_services.len() as u32;
        match self.endpoint_services.entry((namespace.to_owned(), service.to_owned())) {
            Entry::Occupied(known) => Some(*known.get()),
            Entry::Vacant(new) => self.room.takes(namespace.len() + service.len()).then(|| *new.insert(next)),
        }
    }

    /// Adds a pod, or completes the one of that name.
    pub(super) fn pod(&mut self, mut new: Pod) {
        self.room.bound(&mut new.ips, MAX_ADDRESSES);
        let key = (new.namespace.clone(), new.name.clone());
        let Some(old) = self.pods.get(&key).and_then(|&i| self.map.pods.get_mut(i)) else {
            self.room.push(&mut self.map.pods, new).map(|i| self.pods.insert(key, i));
            return;
        };
        let before = (old.source, old.ips.clone());
        let (source, ips) = (new.source, new.ips.clone());
        self.room.complete(old, new, |old, new| {
            old.node = old.node.take().or(new.node);
            old.phase = old.phase.take().or(new.phase);
            old.ready = old.ready.or(new.ready);
            old.host_network |= new.host_network;
            extend(&mut old.ips, new.ips)
        });
        if !before.1.is_empty() && !ips.is_empty() && !ips.iter().any(|ip| before.1.contains(ip)) {
            let what = format!("pod {}/{} has the address", key.0, key.1);
            self.disagree(&what, (&list(&before.1), before.0), (&list(&ips), source));
        }
    }

    /// Adds a node, or its addresses to the one of that name; a name that no API server takes is none.
    pub(super) fn node(&mut self, mut new: Node) {
        if new.name.len() > MAX_HOST_NAME {
            return;
        }
        self.room.bound(&mut new.ips, MAX_ADDRESSES);
        if let Some(old) = self.nodes.get(&new.name).and_then(|&i| self.map.nodes.get_mut(i)) {
            return self.room.complete(old, new, |old, new| {
                old.kubelet = old.kubelet.take().or(new.kubelet);
                extend(&mut old.ips, new.ips)
            });
        }
        let name = new.name.clone();
        self.room.push(&mut self.map.nodes, new).map(|i| self.nodes.insert(name, i));
    }

    /// Adds what a webhook, APIService or conversion calls; the first statement stays.
    pub(super) fn callee(&mut self, new: Callee) {
        let key = (new.kind, new.name.clone(), new.configuration.clone());
        let Some(old) = self.callees.get(&key).and_then(|&i| self.map.callees.get(i)) else {
            self.room.push(&mut self.map.callees, new).map(|i| self.callees.insert(key, i));
            return;
        };
        let (first, source) = (old.source, new.source);
        let differs = [
            (old.service != new.service || old.url != new.url || old.port != new.port, "address"),
            (old.ca_bundle != new.ca_bundle, "caBundle"),
            (old.timeout_seconds != new.timeout_seconds, "timeoutSeconds"),
            (old.fail_open != new.fail_open, "failurePolicy"),
        ];
        for (_, field) in differs.iter().filter(|(differs, _)| *differs) {
            let what = format!("{} {} has the {field}", key.0, key.1);
            self.disagree(&what, ("one", first), ("another", source));
        }
    }

    /// Adds a conntrack entry.
    pub(super) fn translation(&mut self, new: Translation) {
        self.room.push(&mut self.map.translations, new);
    }

    /// Adds a destination rule; within a source, the rules of one address are one.
    pub(super) fn destination(&mut self, mut new: Destination) {
        let key = (new.address, new.source);
        let known = self.destinations.get(&key).copied();
        let place = known.unwrap_or(self.map.destinations.len());
        let offered = !new.backends.is_empty();
        new.backends.retain(|backend| {
            let room = (self.backends.len() as u64) < self.room.most;
            self.room.dropped += u64::from(!room);
            room && self.backends.insert((place, *backend))
        });
        if known.is_none() && offered && new.backends.is_empty() {
            return; // without its real addresses it would look like one that leads nowhere
        }
        let Some(old) = known.and_then(|i| self.map.destinations.get_mut(i)) else {
            self.room.push(&mut self.map.destinations, new).map(|i| self.destinations.insert(key, i));
            return;
        };
        old.rejects = (old.rejects || new.rejects) && old.backends.is_empty() && new.backends.is_empty();
        old.backends.append(&mut new.backends);
        if old.service.is_none() && new.service.as_ref().is_some_and(|name| self.room.takes(name.len())) {
            old.service = new.service;
        }
    }

    /// Adds an address of a host.
    pub(super) fn host_address(&mut self, host: &str, ip: IpAddr) {
        let entry = (host.to_owned(), ip);
        if self.host_addresses.insert(entry.clone()) {
            self.room.push(&mut self.map.host_addresses, entry);
        }
    }

    /// Adds certificates (PEM or DER bytes) and where they stand.
    pub(super) fn certificates(&mut self, holder: Holder, place: String, bytes: Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        if let Some(bytes) = self.shared(bytes) {
            let held = HeldCertificates { holder, place, bytes };
            self.room.push(&mut self.map.certificates, held);
        }
    }

    /// Certificates that are kept once, in however many places they stand (the cluster's authority is in each namespace);
    /// none where there is no room for them.
    pub(super) fn shared(&mut self, bytes: Vec<u8>) -> Option<Arc<[u8]>> {
        if let Some(known) = self.certificates.get(bytes.as_slice()) {
            return Some(Arc::clone(known));
        }
        let bytes: Arc<[u8]> = self.room.takes(bytes.len()).then(|| bytes.into())?;
        self.certificates.insert(Arc::clone(&bytes));
        Some(bytes)
    }

    /// Keeps a disagreement of two sources: what about, and what each says.
    pub(super) fn disagree(&mut self, what: &str, a: (&str, SourceIndex), b: (&str, SourceIndex)) {
        let text = format!("{what} {} in {} and {} in {}", a.0, self.place(a.1), b.0, self.place(b.1));
        self.conflict(text, vec![a.1, b.1]);
    }

    /// Keeps a disagreement that is a whole sentence.
    pub(super) fn conflict(&mut self, text: String, sources: Vec<SourceIndex>) {
        if self.map.conflicts.len() < MAX_CONFLICTS {
            self.map.conflicts.push(Conflict { text, sources });
        } else {
            self.map.conflicts_beyond += 1;
        }
    }
}

/// Addresses in words, the first of many.
pub(super) fn list<T: std::fmt::Display>(items: &[T]) -> String {
    let mut said: Vec<String> = items.iter().take(MAX_SAID).map(T::to_string).collect();
    if items.len() > MAX_SAID {
        said.push(format!("{} more", items.len() - MAX_SAID));
    }
    said.join(", ")
}

/// Adds the addresses that are new; whether some were left out.
fn extend(list: &mut Vec<IpAddr>, more: Vec<IpAddr>) -> bool {
    let mut cut = false;
    for ip in more {
        let new = !list.contains(&ip);
        cut |= new && list.len() == MAX_ADDRESSES;
        if new && list.len() < MAX_ADDRESSES {
            list.push(ip);
        }
    }
    cut
}

/// Things of one kind that a sentence names.
pub(super) const MAX_SAID: usize = 16;
/// Addresses kept of one Service, pod or node: a node with many interfaces has dozens.
pub(super) const MAX_ADDRESSES: usize = 256;
/// Ports kept of one Service: a gateway has dozens.
pub(super) const MAX_PORTS: usize = 1_024;
/// Bytes of the name of a node or host (RFC 1123): facts of the host carry it.
pub(super) const MAX_HOST_NAME: usize = 253;
/// Conflicts kept; more than this tells a reader nothing new.
pub(super) const MAX_CONFLICTS: usize = 1_000;
