//! Objects and host state in, whose address is whose out.
//!
//! Takes Kubernetes objects (JSON, YAML, Lists, `get -o wide` text) and host state (conntrack, iptables-save, nft,
//! ipvsadm, `ip`, `ss`, `nstat`); gives the address map, the webhook map and the translations between them. Holds
//! every fact with its source; conflicts are kept. Knows nothing of packets or logs.
//!
//! [`read`] fills a [`ClusterMap`]; its methods (in `lookup`) answer whose address it is, what a host name or a
//! virtual address leads to, and what the kernel made of a tuple.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::bundle::{InputReport, Source, SourceIndex};

mod build;
mod chains;
mod conflicts;
mod conntrack;
mod documents;
mod host;
mod index;
mod ipvs;
mod lookup;
mod nft;
mod objects;
mod read;
mod room;
mod sockets;
mod table;
mod text;

pub use host::{Counter, Interface, Neighbour, Route, Socket};
pub use index::Index;
pub use lookup::{Backend, Endpoints, Learnt};

/// A port of a Service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServicePort {
    /// Name, if any.
    pub name: Option<String>,
    /// Port of the ClusterIP.
    pub port: u16,
    /// Target port number, where it is a number.
    pub target_port: Option<u16>,
    /// NodePort.
    pub node_port: Option<u16>,
}

/// A Service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// ClusterIPs; none for a headless Service.
    pub cluster_ips: Vec<IpAddr>,
    /// Load-balancer and external addresses.
    pub external_ips: Vec<IpAddr>,
    /// The host name that an `ExternalName` Service stands for.
    pub external_name: Option<String>,
    /// Ports.
    pub ports: Vec<ServicePort>,
    /// Where it stands.
    pub source: SourceIndex,
}

/// One endpoint address of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Namespace of the Service.
    pub namespace: String,
    /// Name of the Service.
    pub service: String,
    /// Address and target port.
    pub address: SocketAddr,
    /// Name of the Service port, if any.
    pub port_name: Option<String>,
    /// Ready, as the object says; absent means ready.
    pub ready: bool,
    /// Node it runs on.
    pub node: Option<String>,
    /// `namespace/name` of the pod.
    pub pod: Option<String>,
    /// Where it stands.
    pub source: SourceIndex,
}

/// A pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pod {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Its addresses.
    pub ips: Vec<IpAddr>,
    /// Node.
    pub node: Option<String>,
    /// It shares the node's addresses.
    pub host_network: bool,
    /// `status.phase`, or the STATUS column.
    pub phase: Option<String>,
    /// Ready, as the object says.
    pub ready: Option<bool>,
    /// Where it stands.
    pub source: SourceIndex,
}

/// A node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// Name.
    pub name: String,
    /// Its addresses.
    pub ips: Vec<IpAddr>,
    /// Version of its kubelet.
    pub kubelet: Option<String>,
    /// Where it stands.
    pub source: SourceIndex,
}

/// What a webhook, APIService or CRD conversion calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Callee {
    /// `webhook`, `apiservice` or `conversion`.
    pub kind: &'static str,
    /// Webhook name, APIService name, or CRD name.
    pub name: String,
    /// Configuration object that holds it.
    pub configuration: String,
    /// Namespace and name of its Service.
    pub service: Option<(String, String)>,
    /// Port of the Service, 443 where none is given.
    pub port: u16,
    /// Its URL, when it has no Service.
    pub url: Option<String>,
    /// `timeoutSeconds`.
    pub timeout_seconds: Option<u32>,
    /// `failurePolicy` is `Ignore`.
    pub fail_open: Option<bool>,
    /// `caBundle` as PEM or DER bytes (base64 undone); empty where there is none.
    pub ca_bundle: Arc<[u8]>,
    /// Where it stands.
    pub source: SourceIndex,
}

/// One connection of a conntrack table: the two directions as the kernel sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Translation {
    /// IP protocol number.
    pub protocol: u8,
    /// Before translation: source and destination.
    pub original: (SocketAddr, SocketAddr),
    /// The reply's source and destination; its source is the real destination.
    pub reply: (SocketAddr, SocketAddr),
    /// No packet has come back yet (`[UNREPLIED]`).
    pub unreplied: bool,
    /// Where it stands.
    pub source: SourceIndex,
}

/// One destination rule: what a virtual address leads to (iptables-save, nft, ipvsadm).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Virtual address and port.
    pub address: SocketAddr,
    /// Real addresses; none where the rule rejects.
    pub backends: Vec<SocketAddr>,
    /// The rule rejects (no endpoints).
    pub rejects: bool,
    /// `namespace/name` of the Service, from the rule's comment.
    pub service: Option<String>,
    /// Where it stands.
    pub source: SourceIndex,
}

/// What holds certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Holder {
    /// A Secret.
    Secret,
    /// A ConfigMap.
    ConfigMap,
    /// A kubeconfig.
    Kubeconfig,
    /// A PEM file.
    File,
}

/// Certificates that stand in one place; private keys beside them are left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldCertificates {
    /// What holds them.
    pub holder: Holder,
    /// Which one, in words: `Secret ns/name tls.crt`, a path.
    pub place: String,
    /// PEM or DER bytes.
    pub bytes: Arc<[u8]>,
}

impl HeldCertificates {
    /// Namespace of the Secret or ConfigMap.
    pub fn namespace(&self) -> Option<&str> {
        let of_object = matches!(self.holder, Holder::Secret | Holder::ConfigMap);
        let object = self.place.split(' ').nth(1).filter(|_| of_object)?;
        object.split_once('/').map(|(namespace, _)| namespace)
    }
}

/// Two sources that disagree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// What about, and what each says, as a sentence.
    pub text: String,
    /// The sources.
    pub sources: Vec<SourceIndex>,
}

/// Everything that objects and host state say.
#[derive(Clone, Debug, Default)]
pub struct ClusterMap {
    /// Services.
    pub services: Vec<Service>,
    /// Endpoints of EndpointSlices and Endpoints, without repeats.
    pub endpoints: Vec<Endpoint>,
    /// Some EndpointSlices or Endpoints were read, so that a Service without any has none.
    pub endpoints_known: bool,
    /// Pods.
    pub pods: Vec<Pod>,
    /// Nodes.
    pub nodes: Vec<Node>,
    /// Webhooks, APIServices and conversions.
    pub callees: Vec<Callee>,
    /// conntrack entries.
    pub translations: Vec<Translation>,
    /// Destination rules.
    pub destinations: Vec<Destination>,
    /// Services of which an Endpoints or EndpointSlice object without any address was read, as (namespace, name).
    pub empty_endpoints: Vec<(String, String, SourceIndex)>,
    /// Host addresses: host name (from path or content) and address.
    pub host_addresses: Vec<(String, IpAddr)>,
    /// Host that a host-state source is of, from its path and the names of nodes.
    pub hosts: BTreeMap<SourceIndex, String>,
    /// Interfaces of hosts (`ip addr`).
    pub interfaces: Vec<Interface>,
    /// Routes of hosts (`ip route`).
    pub routes: Vec<Route>,
    /// Neighbour tables of hosts (`ip neigh`).
    pub neighbours: Vec<Neighbour>,
    /// Sockets of hosts (`ss`), listening ones among them.
    pub sockets: Vec<Socket>,
    /// Kernel counters of hosts (`nstat`, `netstat -s`, `conntrack -S`) that are not zero.
    pub counters: Vec<Counter>,
    /// Certificates of Secrets, ConfigMaps, kubeconfigs and files.
    pub certificates: Vec<HeldCertificates>,
    /// Disagreements.
    pub conflicts: Vec<Conflict>,
    /// Conflicts beyond those that are kept.
    pub conflicts_beyond: u64,
    /// One for each source read.
    pub inputs: Vec<InputReport>,
    /// Lookup tables over all of the above, built at the first question.
    pub index: Index,
}

/// Whose address it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner<'a> {
    /// A Service's ClusterIP or external address.
    Service(&'a Service),
    /// A pod's.
    Pod(&'a Pod),
    /// A node's.
    Node(&'a Node),
}

/// Reads every object, host-state and PEM source.
pub fn read(sources: &[Source]) -> ClusterMap {
    read::read(sources)
}

#[cfg(test)]
mod tests;
