//! Where the call of an event was to go: names, virtual addresses and the real ones behind them.
//!
//! Every address carries what it was learnt from, so that the match can say its key.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::index::FlowTable;
use super::{Key, Target, World};
use crate::cluster::ClusterMap;
use crate::log::{Edge, EventFields, LogEvent, Url};

/// Where a call was to go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Goal {
    /// Server names that the ClientHello would carry.
    pub(super) names: BTreeSet<String>,
    /// Addresses before translation.
    pub(super) virtual_addresses: BTreeSet<SocketAddr>,
    /// Addresses after it, each with the strongest key that led there.
    pub(super) backends: BTreeMap<SocketAddr, Key>,
    /// `(namespace, name)`.
    pub(super) service: Option<(String, String)>,
    /// Name outside the cluster that the Service stands for.
    outside: Option<String>,
    /// Name to look up, where no Service has an address.
    pub(super) lookup: Option<String>,
}

impl Goal {
    /// Resolves the goal of an event.
    pub(super) fn of(event: &LogEvent, map: &ClusterMap, table: &FlowTable) -> Self {
        let fields = &event.fields;
        let mut goal = Self { service: service_of(fields, map), ..Self::default() };
        goal.take_url(fields.url.as_ref());
        if !event.server_side {
            goal.virtual_addresses.extend(fields.destination);
        }
        goal.take_service(map, fields.url.as_ref().map(|u| u.port));
        goal.take_translations(map);
        let of_url = goal.lookup.take().filter(|_| goal.service.is_none());
        goal.lookup = fields.dns_name.clone().or_else(|| goal.outside.clone()).or(of_url);
        for address in goal.virtual_addresses.clone() {
            goal.backends.entry(address).or_insert(Key::NatMap);
        }
        if event.edge == Edge::Etcd && !event.server_side && goal.is_empty() {
            // a call of etcd's client that names no address: the members that the captures show
            goal.backends.extend(table.of_port(ETCD).map(|address| (address, Key::Time)));
        }
        for address in goal.names.iter().flat_map(|n| table.learnt(n)).collect::<Vec<_>>() {
            goal.backends.entry(address).or_insert(Key::Learnt);
        }
        goal
    }

    /// The goal says nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty() && self.backends.is_empty() && self.lookup.is_none()
    }

    /// No map leads beyond the virtual addresses.
    pub(super) fn virtual_only(&self) -> bool {
        let known = self.backends.iter().filter(|(_, k)| **k == Key::NatMap);
        known.map(|(b, _)| b).all(|b| self.virtual_addresses.contains(b))
    }

    fn take_url(&mut self, url: Option<&Url>) {
        let Some(url) = url.filter(|u| !u.is_local()) else { return };
        if let Ok(ip) = url.host.parse::<IpAddr>() {
            self.virtual_addresses.insert(SocketAddr::new(ip, url.port));
        } else {
            self.names.insert(url.host.clone());
            self.lookup = Some(url.host.to_ascii_lowercase());
        }
    }

    /// What the objects say of the Service: its name in TLS, its addresses, its endpoints.
    fn take_service(&mut self, map: &ClusterMap, port: Option<u16>) {
        let Some((namespace, name)) = &self.service else { return };
        self.names.insert(format!("{name}.{namespace}.svc"));
        let mut endpoints = Vec::new();
        if let Some(service) = map.service(namespace, name) {
            let ports = service.ports.iter().map(|p| p.port).filter(|p| port.is_none_or(|q| q == *p));
            let addresses =
                service.cluster_ips.iter().flat_map(|ip| ports.clone().map(|p| SocketAddr::new(*ip, p)));
            self.virtual_addresses.extend(addresses);
            endpoints.extend(map.backends_of(service, port).into_iter().map(|b| b.address));
            self.outside.clone_from(&service.external_name);
        }
        if endpoints.is_empty() {
            // No Service to say which port leads where.
            endpoints.extend(map.endpoints_of(namespace, name).into_iter().map(|e| e.address));
        }
        self.backends.extend(endpoints.into_iter().map(|e| (e, Key::NatMap)));
    }

    /// What rules and connection tables say of the virtual addresses.
    fn take_translations(&mut self, map: &ClusterMap) {
        let real = self.virtual_addresses.iter().flat_map(|a| map.backends(*a));
        self.backends.extend(real.map(|b| (b.address, Key::NatMap)));
    }

    /// What the report says of it, as far as the event and the map know.
    pub(super) fn target(&self, fields: &EventFields) -> Target {
        let host = |u: &Url| if u.has_usual_port() { u.host.clone() } else { host_and_port(&u.host, u.port) };
        let url_host = fields.url.as_ref().map(host);
        Target {
            webhook: fields.webhook.clone().or_else(|| fields.apiservice.clone()),
            url_host: url_host.or_else(|| fields.dns_name.clone()),
            address: fields.destination.map(|d| d.to_string()),
            backend: None,
            service: self.service.as_ref().map(|(ns, name)| format!("{ns}/{name}")),
            pod: None,
            certificate: None,
        }
    }
}

/// The goal of each event; equal ones are resolved once, and shared by whoever holds them: there may be as many as events.
pub(super) struct Goals {
    of: Vec<u32>,
    all: Vec<Arc<Goal>>,
}

impl Goals {
    pub(super) fn new(world: &World, table: &FlowTable) -> Self {
        let mut known: HashMap<GoalFields<'_>, u32> = HashMap::new();
        let mut goals = Self { of: Vec::new(), all: Vec::new() };
        for event in &world.logs.events {
            let next = goals.all.len() as u32;
            let n = *known.entry(goal_fields(event)).or_insert(next);
            if n == next {
                goals.all.push(Arc::new(Goal::of(event, &world.cluster, table)));
            }
            goals.of.push(n);
        }
        goals
    }

    /// The goal of the event at `n`.
    pub(super) fn of(&self, n: u32) -> &Goal {
        self.shared(n)
    }

    /// Its number: events with one have the same goal.
    pub(super) fn number(&self, n: u32) -> u32 {
        self.of[n as usize]
    }

    /// The same, to be held as well.
    pub(super) fn shared(&self, n: u32) -> &Arc<Goal> {
        &self.all[self.of[n as usize] as usize]
    }
}

/// What a goal depends on: names of webhook, APIService, Service and look-up, URL, address, and whose line it is.
type GoalFields<'e> = ([Option<&'e str>; 4], Option<&'e Url>, Option<SocketAddr>, Edge, bool);

fn goal_fields(event: &LogEvent) -> GoalFields<'_> {
    let f = &event.fields;
    let names = [&f.webhook, &f.apiservice, &f.service, &f.dns_name].map(|name| name.as_deref());
    (names, f.url.as_ref(), f.destination, event.edge, event.server_side)
}

/// etcd's client port.
const ETCD: u16 = 2379;

fn host_and_port(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// The Service that the fields name: by host name, webhook, APIService, or ClusterIP.
fn service_of(fields: &EventFields, map: &ClusterMap) -> Option<(String, String)> {
    let by_host = fields.url.as_ref().and_then(|u| service_of_host(&u.host));
    let given = fields.service.as_deref().and_then(|s| s.split_once('/'));
    let callee = |name: &Option<String>| {
        let named = map.callees_named(name.as_deref()?);
        named.into_iter().find_map(|c| c.service.clone())
    };
    let called =
        || callee(&fields.apiservice).or_else(|| callee(&fields.webhook).filter(|_| fields.url.is_none()));
    let address = || {
        let url = fields.url.as_ref().and_then(|u| Some(SocketAddr::new(u.host.parse().ok()?, u.port)));
        map.service_of_address(url.or(fields.destination)?)
    };
    by_host
        .or_else(|| given.map(|(ns, name)| (ns.to_owned(), name.to_owned())))
        .or_else(called)
        .or_else(|| address().map(|s| (s.namespace.clone(), s.name.clone())))
}

/// `name.namespace.svc`, with or without a cluster domain behind it.
pub(super) fn service_of_host(host: &str) -> Option<(String, String)> {
    let mut labels = host.split('.');
    let (name, namespace, svc) = (labels.next()?, labels.next()?, labels.next()?);
    (svc == "svc" && !name.is_empty()).then(|| (namespace.to_owned(), name.to_owned()))
}
