//! Lookup tables over a [`ClusterMap`], built at the first question.
//!
//! Takes the finished map; gives places in its lists by address, name and tuple. Holds no fact of its own.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::OnceLock;

use super::{ClusterMap, Pod};

/// Lookup tables of a [`ClusterMap`].
#[derive(Clone, Debug, Default)]
pub struct Index(OnceLock<Tables>);

/// By what each question asks.
#[derive(Clone, Debug, Default)]
pub(super) struct Tables {
    /// Best owner first.
    pub(super) owners: HashMap<IpAddr, Vec<Entry>>,
    pub(super) services: HashMap<String, usize>,
    /// By `namespace/name` of the Service.
    pub(super) endpoints: HashMap<String, Vec<usize>>,
    pub(super) by_backend: HashMap<SocketAddr, Vec<usize>>,
    pub(super) node_ports: HashMap<u16, Vec<usize>>,
    pub(super) destinations: HashMap<SocketAddr, Vec<usize>>,
    pub(super) destinations_to: HashMap<SocketAddr, Vec<usize>>,
    /// Translations in the order of their client; there may be a million, so that no map is kept of them.
    pub(super) by_client: Vec<u32>,
    /// Translations in the order of their translated tuple: client as the backend sees it, backend.
    pub(super) by_translated: Vec<u32>,
    /// Of each virtual address, the first translation to each real one.
    pub(super) seen_backends: HashMap<SocketAddr, Vec<usize>>,
    pub(super) callees: HashMap<String, Vec<usize>>,
    /// By `namespace/name` of their Service.
    pub(super) called: HashMap<String, Vec<usize>>,
    /// `namespace/name` of Services that an object shows without endpoints.
    pub(super) empty: HashSet<String>,
    /// Namespaces of which endpoints were read.
    pub(super) endpoint_namespaces: HashSet<String>,
    pub(super) hosts: HashMap<IpAddr, String>,
    pub(super) nodes: HashMap<String, usize>,
}

/// Place of an owner in its list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Entry {
    Service(usize),
    Pod(usize),
    Node(usize),
}

impl Index {
    /// The tables of this map.
    pub(super) fn of(&self, map: &ClusterMap) -> &Tables {
        self.0.get_or_init(|| Tables::of(map))
    }
}

impl Tables {
    fn of(map: &ClusterMap) -> Self {
        let mut t = Self::default();
        t.add_services(map);
        t.add_owners(map);
        t.put_pods_first(map);
        t.add_external(map);
        t.add_hosts(map);
        t.empty = map.empty_endpoints.iter().map(|(ns, s, _)| format!("{ns}/{s}")).collect();
        for (i, e) in map.endpoints.iter().enumerate() {
            t.endpoint_namespaces.insert(e.namespace.clone());
            t.endpoints.entry(format!("{}/{}", e.namespace, e.service)).or_default().push(i);
            t.by_backend.entry(e.address).or_default().push(i);
        }
        for (i, d) in map.destinations.iter().enumerate() {
            t.destinations.entry(d.address).or_default().push(i);
            for backend in &d.backends {
                t.destinations_to.entry(*backend).or_default().push(i);
            }
        }
        t.add_translations(map);
        for (i, c) in map.callees.iter().enumerate() {
            t.callees.entry(c.name.clone()).or_default().push(i);
            if let Some((namespace, name)) = &c.service {
                t.called.entry(format!("{namespace}/{name}")).or_default().push(i);
            }
            if c.configuration != c.name {
                t.callees.entry(c.configuration.clone()).or_default().push(i);
            }
        }
        t
    }

    fn add_services(&mut self, map: &ClusterMap) {
        for (i, s) in map.services.iter().enumerate() {
            self.services.entry(format!("{}/{}", s.namespace, s.name)).or_insert(i);
            for ip in &s.cluster_ips {
                self.owners.entry(*ip).or_default().push(Entry::Service(i));
            }
            for port in s.ports.iter().filter_map(|p| p.node_port) {
                self.node_ports.entry(port).or_default().push(i);
            }
        }
    }

    /// A kubelet says which address its pod has, and no ClusterIP is one of those: a Service that has it nevertheless is
    /// somebody's claim, or of another cluster.
    fn put_pods_first(&mut self, map: &ClusterMap) {
        let runs = |entry: &Entry| match entry {
            Entry::Pod(i) => map.pods.get(*i).is_some_and(|pod| !has_ended(pod)),
            Entry::Service(_) | Entry::Node(_) => false,
        };
        for entries in self.owners.values_mut() {
            if entries.len() > 1 && matches!(entries.first(), Some(Entry::Service(_))) {
                entries.sort_by_key(|entry| !runs(entry));
            }
        }
    }

    /// Whoever writes a Service chooses its external addresses: one that is another's is the other's first.
    fn add_external(&mut self, map: &ClusterMap) {
        for (i, s) in map.services.iter().enumerate() {
            for ip in &s.external_ips {
                self.owners.entry(*ip).or_default().push(Entry::Service(i));
            }
        }
    }

    fn add_translations(&mut self, map: &ClusterMap) {
        let count = u32::try_from(map.translations.len()).unwrap_or(u32::MAX);
        let of = |i: &u32| map.translations.get(*i as usize);
        self.by_client = (0..count).collect();
        self.by_client.sort_by_key(|i| of(i).map(|x| x.original.0));
        self.by_translated = (0..count).collect();
        self.by_translated.sort_by_key(|i| of(i).map(|x| (x.reply.1, x.reply.0)));
        let mut seen = HashSet::new();
        for (i, x) in map.translations.iter().enumerate().filter(|(_, x)| x.reply.0 != x.original.1) {
            if seen.insert((x.original.1, x.reply.0)) {
                self.seen_backends.entry(x.original.1).or_default().push(i);
            }
        }
    }

    fn add_hosts(&mut self, map: &ClusterMap) {
        for (i, node) in map.nodes.iter().enumerate() {
            self.nodes.entry(node.name.clone()).or_insert(i);
            for ip in &node.ips {
                self.hosts.entry(*ip).or_insert_with(|| node.name.clone());
            }
        }
        for (host, ip) in &map.host_addresses {
            self.hosts.entry(*ip).or_insert_with(|| host.clone());
        }
    }

    /// Pods of the host's network do not own its addresses; pods that ended come after those that run.
    fn add_owners(&mut self, map: &ClusterMap) {
        let of_nodes: HashSet<IpAddr> = map.nodes.iter().flat_map(|n| n.ips.iter().copied()).collect();
        for ended in [false, true] {
            for (i, pod) in map.pods.iter().enumerate().filter(|(_, p)| has_ended(p) == ended) {
                for ip in &pod.ips {
                    if !pod.host_network && !of_nodes.contains(ip) {
                        self.owners.entry(*ip).or_default().push(Entry::Pod(i));
                    }
                }
            }
        }
        for (i, node) in map.nodes.iter().enumerate() {
            for ip in &node.ips {
                self.owners.entry(*ip).or_default().push(Entry::Node(i));
            }
        }
    }
}

/// The pod has ended, so that its address may be another's by now.
pub(super) fn has_ended(pod: &Pod) -> bool {
    matches!(pod.phase.as_deref(), Some("Succeeded" | "Failed" | "Completed" | "Evicted" | "Error"))
}
