//! Questions to the map: whose address, what a name or a virtual address leads to, what the kernel made of a tuple.
//!
//! Takes addresses and names; gives facts with the place that they were learnt at. Tables are built once, at the
//! first question: nothing changes the map afterwards.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};

use super::index::{Entry, Tables, has_ended};
use super::{Callee, ClusterMap, Destination, Endpoint, Node, Owner, Pod, Service, Translation};
use crate::bundle::SourceIndex;

/// How a backend of a virtual address is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Learnt {
    /// Service with EndpointSlices or Endpoints.
    Objects,
    /// iptables, nft or ipvsadm.
    Rules,
    /// conntrack.
    Conntrack,
}

/// A real address behind a virtual one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    /// Address and port.
    pub address: SocketAddr,
    /// Ready, as objects say; rules and conntrack hold ready ones only.
    pub ready: bool,
    /// `namespace/name` of its pod, where known.
    pub pod: Option<String>,
    /// Its node, where known.
    pub node: Option<String>,
    /// How it is known.
    pub learnt: Learnt,
    /// Where it stands.
    pub source: SourceIndex,
}

/// Whether a Service had endpoints when the objects were taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoints {
    /// No object says.
    Unknown,
    /// The objects list none.
    None,
    /// There are some, none of them ready.
    NotReady,
    /// This many addresses are ready.
    Ready(usize),
}

/// Who is at an address: a pod that has it, or who an endpoint says.
enum Resident<'m> {
    Pod(&'m Pod),
    Endpoint(&'m Endpoint),
}

impl ClusterMap {
    /// Whose address it is, the most specific owner first: a pod of its own, a Service, a node.
    pub fn owner(&self, ip: IpAddr) -> Option<Owner<'_>> {
        self.owner_entries(ip).iter().find_map(|entry| self.owner_at(*entry))
    }

    /// Everything that has or had this address; several pods where it was used again.
    pub fn owners(&self, ip: IpAddr) -> Vec<Owner<'_>> {
        self.owner_entries(ip).iter().filter_map(|entry| self.owner_at(*entry)).collect()
    }

    /// The host that an address is of: its node, or the host whose `ip addr` shows it.
    pub fn host_of(&self, ip: IpAddr) -> Option<&str> {
        self.tables().hosts.get(&ip.to_canonical()).map(String::as_str)
    }

    /// `namespace/name` of the pod at an address.
    pub fn pod_of(&self, address: SocketAddr) -> Option<String> {
        match self.resident(address)? {
            Resident::Pod(pod) => Some(format!("{}/{}", pod.namespace, pod.name)),
            Resident::Endpoint(endpoint) => endpoint.pod.clone(),
        }
    }

    /// Name of the node that the pod at an address runs on.
    pub fn node_of(&self, address: SocketAddr) -> Option<&str> {
        let node = match self.resident(address) {
            Some(Resident::Pod(pod)) => pod.node.as_deref(),
            Some(Resident::Endpoint(endpoint)) => endpoint.node.as_deref(),
            None => None,
        };
        node.or_else(|| self.endpoints_at(address).find_map(|e| e.node.as_deref()))
    }

    /// Who is believed to be at an address. Whoever writes endpoints may name any pod in them: one that has the address, or
    /// one beside it in its namespace (its successor, where the pods were listed earlier), comes before any other name.
    fn resident(&self, address: SocketAddr) -> Option<Resident<'_>> {
        let owners = self.owner_entries(address.ip()).iter().filter_map(|entry| self.owner_at(*entry));
        let pods = owners.take(MAX_OWNERS).filter_map(|owner| match owner {
            Owner::Pod(pod) => Some(pod),
            Owner::Service(_) | Owner::Node(_) => None,
        });
        let mut pods: Vec<&Pod> = pods.collect();
        // one that has ended has no address any more
        let runs = pods.iter().any(|pod| !has_ended(pod));
        pods.retain(|pod| !runs || !has_ended(pod));
        let names = |e: &&Endpoint| e.pod.is_some();
        let named: Vec<&Endpoint> =
            self.endpoints_at(address).take(MAX_ENDPOINTS).filter(names).take(MAX_OWNERS).collect();
        let is_named = |pod: &&&Pod| {
            let is = |name: &str| {
                name.split_once('/').is_some_and(|(ns, name)| ns == pod.namespace && name == pod.name)
            };
            named.iter().any(|e| e.pod.as_deref().is_some_and(is))
        };
        let of_pod = pods.iter().find(is_named).map(|pod| Resident::Pod(pod));
        let beside = |e: &&&Endpoint| pods.iter().any(|pod| pod.namespace == e.namespace);
        let successor = || named.iter().find(beside).map(|e| Resident::Endpoint(e));
        let own = || pods.first().map(|pod| Resident::Pod(pod));
        let first = || named.first().map(|e| Resident::Endpoint(e)).filter(|_| !runs);
        of_pod.or_else(successor).or_else(first).or_else(own)
    }

    /// Endpoints with this address and port, of any Service.
    pub fn endpoints_at(&self, address: SocketAddr) -> impl Iterator<Item = &Endpoint> {
        let places = self.tables().by_backend.get(&address);
        places.into_iter().flatten().filter_map(|&i| self.endpoints.get(i))
    }

    /// The node of that name.
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.tables().nodes.get(name).and_then(|&i| self.nodes.get(i))
    }

    /// The Service of that namespace and name.
    pub fn service(&self, namespace: &str, name: &str) -> Option<&Service> {
        self.tables().services.get(&format!("{namespace}/{name}")).and_then(|&i| self.services.get(i))
    }

    /// The Service whose ClusterIP, external address or NodePort (on a node) this is.
    pub fn service_of_address(&self, address: SocketAddr) -> Option<&Service> {
        match self.owner(address.ip()) {
            Some(Owner::Service(service)) => Some(service),
            Some(Owner::Node(_)) => {
                let of_port =
                    self.tables().node_ports.get(&address.port()).and_then(|services| services.first());
                of_port.and_then(|&i| self.services.get(i)).or_else(|| self.external_on_node(address))
            }
            _ => None,
        }
    }

    /// The Service that has an address of a node as its external one, with this port.
    fn external_on_node(&self, address: SocketAddr) -> Option<&Service> {
        let owners = self.owner_entries(address.ip()).iter().filter_map(|entry| self.owner_at(*entry));
        owners.take(MAX_OWNERS).find_map(|owner| match owner {
            Owner::Service(s) if s.ports.iter().any(|p| p.port == address.port()) => Some(s),
            _ => None,
        })
    }

    /// Real addresses behind a virtual one, each once: as objects say, then as rules say, then as conntrack shows.
    pub fn backends(&self, address: SocketAddr) -> Vec<Backend> {
        let mut found = Vec::new();
        if let Some(service) = self.service_of_address(address) {
            found = self.backends_of(service, Some(address.port()));
        }
        for destination in self.destinations_of(address) {
            let backends = destination.backends.iter();
            found.extend(backends.map(|b| self.backend(*b, Learnt::Rules, destination.source)));
        }
        let seen = self.tables().seen_backends.get(&address).into_iter().flatten();
        for translation in seen.filter_map(|&i| self.translations.get(i)) {
            found.push(self.backend(translation.reply.0, Learnt::Conntrack, translation.source));
        }
        unique(found)
    }

    /// Endpoints of a Service on one of its ports (or its NodePort), or on all of them.
    pub fn backends_of(&self, service: &Service, port: Option<u16>) -> Vec<Backend> {
        let asked = port.and_then(|p| service.ports.iter().find(|s| s.port == p || s.node_port == Some(p)));
        let fits = |e: &&Endpoint| match asked {
            // Where only one port exists, or names are not known (tables), every endpoint is of it.
            Some(asked) if service.ports.len() > 1 => {
                e.port_name.is_none() || asked.name.is_none() || e.port_name == asked.name
            }
            _ => port.is_none() || asked.is_some() || service.ports.is_empty(),
        };
        let endpoints = self.endpoints_of(&service.namespace, &service.name);
        unique(endpoints.into_iter().filter(fits).map(from_endpoint).collect())
    }

    /// All endpoints of a Service, as the objects list them.
    pub fn endpoints_of(&self, namespace: &str, service: &str) -> Vec<&Endpoint> {
        let places = self.tables().endpoints.get(&format!("{namespace}/{service}"));
        places.into_iter().flatten().filter_map(|&i| self.endpoints.get(i)).collect()
    }

    /// How many those are.
    pub(super) fn endpoint_count(&self, service: &Service) -> usize {
        let name = format!("{}/{}", service.namespace, service.name);
        self.tables().endpoints.get(&name).map_or(0, Vec::len)
    }

    /// Whether a Service had endpoints when the objects were taken.
    pub fn endpoints_state(&self, namespace: &str, service: &str) -> Endpoints {
        let endpoints = self.endpoints_of(namespace, service);
        let ready: HashSet<IpAddr> = endpoints.iter().filter(|e| e.ready).map(|e| e.address.ip()).collect();
        match ready.len() {
            0 if !endpoints.is_empty() => Endpoints::NotReady,
            0 if self.tables().empty.contains(&format!("{namespace}/{service}")) => Endpoints::None,
            // Assume that a bundle which holds endpoints of this namespace holds all of them.
            0 if self.tables().endpoint_namespaces.contains(namespace) => Endpoints::None,
            0 => Endpoints::Unknown,
            ready => Endpoints::Ready(ready),
        }
    }

    /// Services whose endpoints or rules lead to a pod's address and port, those of the pod's own namespace first: who may
    /// write endpoints of one may list any pod in them.
    pub fn services_behind(&self, address: SocketAddr) -> Vec<&Service> {
        let tables = self.tables();
        let of_objects = tables.by_backend.get(&address).into_iter().flatten();
        let of_objects = of_objects
            .filter_map(|&i| self.endpoints.get(i))
            .filter_map(|e| self.service(&e.namespace, &e.service));
        let of_rules = tables.destinations_to.get(&address).into_iter().flatten();
        let of_rules = of_rules.filter_map(|&i| self.destinations.get(i)).filter_map(|d| {
            let named = d.service.as_deref().and_then(|s| s.split_once('/'));
            named.and_then(|(ns, n)| self.service(ns, n)).or_else(|| self.service_of_address(d.address))
        });
        let mut services: Vec<&Service> = Vec::new();
        for service in of_objects.chain(of_rules) {
            if !services.iter().any(|s| std::ptr::eq(*s, service)) {
                services.push(service);
            }
        }
        if let Some(Owner::Pod(pod)) = self.owner(address.ip()) {
            services.sort_by_key(|service| service.namespace != pod.namespace);
        }
        services
    }

    /// Destination rules of a virtual address, one for each source.
    pub fn destinations_of(&self, address: SocketAddr) -> Vec<&Destination> {
        let places = self.tables().destinations.get(&address);
        places.into_iter().flatten().filter_map(|&i| self.destinations.get(i)).collect()
    }

    /// What the kernel made of a tuple: the entry whose original direction it is.
    pub fn translation(&self, protocol: u8, src: SocketAddr, dst: SocketAddr) -> Option<&Translation> {
        let order = &self.tables().by_client;
        self.range(order, |x| x.original.0.cmp(&src)).find(|x| x.original.1 == dst && x.protocol == protocol)
    }

    /// The entry whose translated tuple this is: `src` as the backend sees its client, `dst` the backend.
    pub fn translated(&self, protocol: u8, src: SocketAddr, dst: SocketAddr) -> Option<&Translation> {
        let order = &self.tables().by_translated;
        self.range(order, |x| (x.reply.1, x.reply.0).cmp(&(src, dst))).find(|x| x.protocol == protocol)
    }

    /// Callees by the name that a log line says: webhook, APIService or CRD, or the configuration that holds it.
    pub fn callees_named(&self, name: &str) -> Vec<&Callee> {
        let places = self.tables().callees.get(name);
        places.into_iter().flatten().filter_map(|&i| self.callees.get(i)).collect()
    }

    /// Callees whose Service this is.
    pub fn callees_of_service(&self, namespace: &str, name: &str) -> Vec<&Callee> {
        let places = self.tables().called.get(&format!("{namespace}/{name}"));
        places.into_iter().flatten().filter_map(|&i| self.callees.get(i)).collect()
    }

    fn owner_entries(&self, ip: IpAddr) -> &[Entry] {
        self.tables().owners.get(&ip.to_canonical()).map_or(&[][..], Vec::as_slice)
    }

    fn owner_at(&self, entry: Entry) -> Option<Owner<'_>> {
        match entry {
            Entry::Service(i) => self.services.get(i).map(Owner::Service),
            Entry::Pod(i) => self.pods.get(i).map(Owner::Pod),
            Entry::Node(i) => self.nodes.get(i).map(Owner::Node),
        }
    }

    fn backend(&self, address: SocketAddr, learnt: Learnt, source: SourceIndex) -> Backend {
        let node = self.node_of(address).map(str::to_owned);
        Backend { address, ready: true, pod: self.pod_of(address), node, learnt, source }
    }

    /// The translations that compare equal, of places sorted by that comparison.
    fn range<'m>(
        &'m self,
        order: &'m [u32],
        compare: impl Fn(&Translation) -> Ordering,
    ) -> impl Iterator<Item = &'m Translation> {
        let of = |i: &u32| self.translations.get(*i as usize);
        let start = order.partition_point(|i| of(i).is_some_and(|x| compare(x) == Ordering::Less));
        let rest = order.get(start..).unwrap_or_default();
        rest.iter().filter_map(of).take_while(move |x| compare(x) == Ordering::Equal)
    }

    fn tables(&self) -> &Tables {
        self.index.of(self)
    }
}

/// Owners of one address, and names that endpoints give it, that are looked through.
const MAX_OWNERS: usize = 64;
/// Endpoints at one address and port that are looked through for a name.
const MAX_ENDPOINTS: usize = 4096;

fn from_endpoint(e: &Endpoint) -> Backend {
    Backend {
        address: e.address,
        ready: e.ready,
        pod: e.pod.clone(),
        node: e.node.clone(),
        learnt: Learnt::Objects,
        source: e.source,
    }
}

/// The first of each address, in order.
fn unique(mut backends: Vec<Backend>) -> Vec<Backend> {
    let mut seen = HashSet::new();
    backends.retain(|b| seen.insert(b.address));
    backends
}
