//! Where the call of an event was to go: names, virtual addresses and the real ones behind them.
//!
//! Every address carries what it was learnt from, so that the match can say its key.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use super::index::FlowTable;
use super::{Key, Target};
use crate::cluster::{Callee, ClusterMap, Service};
use crate::log::{EventFields, LogEvent, Url};

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
    /// Name to look up, where it is no Service.
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
        goal.lookup = fields.dns_name.clone().or_else(|| goal.lookup.filter(|_| goal.service.is_none()));
        for address in goal.virtual_addresses.clone() {
            goal.backends.entry(address).or_insert(Key::NatMap);
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
        let Some(url) = url else { return };
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
        let services = map.services.iter().filter(|s| s.namespace == *namespace && s.name == *name);
        for service in services {
            let ports = service.ports.iter().map(|p| p.port).filter(|p| port.is_none_or(|q| q == *p));
            let addresses =
                service.cluster_ips.iter().flat_map(|ip| ports.clone().map(|p| SocketAddr::new(*ip, p)));
            self.virtual_addresses.extend(addresses);
        }
        let endpoints = map.endpoints.iter().filter(|e| e.namespace == *namespace && e.service == *name);
        let wanted = port.and_then(|port| port_name(map, namespace, name, port));
        for endpoint in endpoints {
            let other = matches!((&wanted, &endpoint.port_name), (Some(a), Some(b)) if a != b);
            if !other {
                self.backends.insert(endpoint.address, Key::NatMap);
            }
        }
    }

    /// What rules and connection tables say of the virtual addresses.
    fn take_translations(&mut self, map: &ClusterMap) {
        for rule in map.destinations.iter().filter(|d| self.virtual_addresses.contains(&d.address)) {
            self.backends.extend(rule.backends.iter().map(|b| (*b, Key::NatMap)));
        }
        for t in map.translations.iter().filter(|t| self.virtual_addresses.contains(&t.original.1)) {
            self.backends.insert(t.reply.0, Key::NatMap);
        }
    }

    /// What the report says of it, as far as the event and the map know.
    pub(super) fn target(&self, fields: &EventFields) -> Target {
        let url_host = fields.url.as_ref().map(|u| {
            let standard = (u.scheme == "https" && u.port == 443) || (u.scheme == "http" && u.port == 80);
            if standard { u.host.clone() } else { host_and_port(&u.host, u.port) }
        });
        Target {
            webhook: fields.webhook.clone().or_else(|| fields.apiservice.clone()),
            url_host: url_host.or_else(|| fields.dns_name.clone()),
            address: fields.destination.map(|d| d.to_string()),
            backend: None,
            service: self.service.as_ref().map(|(ns, name)| format!("{ns}/{name}")),
            pod: None,
        }
    }
}

fn host_and_port(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// The Service that the fields name: by host name, webhook, APIService, or ClusterIP.
fn service_of(fields: &EventFields, map: &ClusterMap) -> Option<(String, String)> {
    let by_host = fields.url.as_ref().and_then(|u| service_of_host(&u.host));
    let given = fields.service.as_deref().and_then(|s| s.split_once('/'));
    let callee = |name: &Option<String>| -> Option<&Callee> {
        name.as_ref().and_then(|n| map.callees.iter().find(|c| c.name == *n && c.service.is_some()))
    };
    let called =
        || callee(&fields.apiservice).or_else(|| callee(&fields.webhook).filter(|_| fields.url.is_none()));
    let ip = || {
        let host = fields.url.as_ref().and_then(|u| u.host.parse().ok());
        let ip: IpAddr = host.or(fields.destination.map(|d| d.ip()))?;
        map.services.iter().find(|s| s.cluster_ips.contains(&ip) || s.external_ips.contains(&ip))
    };
    by_host
        .or_else(|| given.map(|(ns, name)| (ns.to_owned(), name.to_owned())))
        .or_else(|| called().and_then(|c| c.service.clone()))
        .or_else(|| ip().map(|s: &Service| (s.namespace.clone(), s.name.clone())))
}

/// `name.namespace.svc`, with or without a cluster domain behind it.
fn service_of_host(host: &str) -> Option<(String, String)> {
    let mut labels = host.split('.');
    let (name, namespace, svc) = (labels.next()?, labels.next()?, labels.next()?);
    (svc == "svc" && !name.is_empty()).then(|| (namespace.to_owned(), name.to_owned()))
}

/// The name of a Service's port, where it has one.
fn port_name(map: &ClusterMap, namespace: &str, name: &str, port: u16) -> Option<String> {
    let service = map.services.iter().find(|s| s.namespace == namespace && s.name == name)?;
    service.ports.iter().find(|p| p.port == port).and_then(|p| p.name.clone())
}
