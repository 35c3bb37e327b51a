//! Disagreements that only the whole map shows.
//!
//! Takes the filled map; adds a sentence for each address that two running pods claim, for each Service that leads to, or
//! has, the address of a pod or Service of another namespace, and for each virtual address whose rules on a host
//! lead elsewhere than the EndpointSlices say (kube-proxy lags, or the two were taken at different times).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};

use super::build::{Builder, MAX_CONFLICTS, MAX_SAID, list};
use super::chains::MAX_WORK;
use super::index::has_ended;
use super::{ClusterMap, Destination, Service};
use crate::bundle::SourceIndex;

pub(super) fn find(b: &mut Builder<'_>) {
    shared_addresses(b);
    foreign_addresses(b);
    rules_against_objects(b);
}

fn shared_addresses(b: &mut Builder<'_>) {
    let mut pods: BTreeMap<IpAddr, Vec<usize>> = BTreeMap::new();
    for (i, pod) in b.map.pods.iter().enumerate().filter(|(_, p)| !p.host_network && !has_ended(p)) {
        for ip in &pod.ips {
            pods.entry(*ip).or_default().push(i);
        }
    }
    let of_nodes: BTreeSet<IpAddr> = b.map.nodes.iter().flat_map(|n| n.ips.iter().copied()).collect();
    pods.retain(|ip, pods| pods.len() > 1 && !of_nodes.contains(ip));
    for (ip, pods) in pods {
        let others = pods.len().saturating_sub(MAX_SAID);
        let pods: Vec<_> = pods.iter().take(MAX_SAID).filter_map(|&i| b.map.pods.get(i)).collect();
        let said = |p: &&super::Pod| format!("pod {}/{} in {}", p.namespace, p.name, b.place(p.source));
        let mut said: Vec<String> = pods.iter().map(said).collect();
        said.extend((others > 0).then(|| format!("{others} others")));
        let sources = pods.iter().map(|p| p.source).collect();
        b.conflict(format!("{ip} belongs to {}", said.join(" and to ")), sources);
    }
}

/// Services that lead to, or have as their own, the address of a pod or Service of another namespace: a mistake, or
/// somebody who wants its calls.
fn foreign_addresses(b: &mut Builder<'_>) {
    let owners = owners(&b.map);
    let endpoints = b.map.endpoints.iter();
    let endpoints = endpoints.map(|e| ("the endpoint", &e.namespace, &e.service, e.address.ip(), e.source));
    let services = b.map.services.iter();
    let of_services = services.flat_map(|s| {
        let own = s.cluster_ips.iter().map(|ip| ("the ClusterIP", ip));
        let all = own.chain(s.external_ips.iter().map(|ip| ("the external address", ip)));
        all.map(|(what, ip)| (what, &s.namespace, &s.name, *ip, s.source))
    });
    let (mut found, mut more, mut seen) = (Vec::new(), 0, HashSet::new());
    for (what, namespace, name, ip, source) in endpoints.chain(of_services) {
        let Some(owner) = owners.get(&ip) else { continue };
        if owner.is_of(namespace) || !seen.insert((what, namespace, name, ip)) {
            continue;
        }
        if found.len() == MAX_CONFLICTS {
            more += 1;
            continue;
        }
        let text = format!(
            "Service {namespace}/{name} has {what} {ip} in {}, which is that of {} {}/{} in {}",
            b.place(source),
            owner.what,
            owner.name.0,
            owner.name.1,
            b.place(owner.source)
        );
        found.push((text, vec![source, owner.source]));
    }
    b.map.conflicts_beyond += more;
    for (text, sources) in found {
        b.conflict(text, sources);
    }
}

/// Whose address it is by nature, and the other namespaces that have it so.
struct Natural<'m> {
    what: &'static str,
    name: (&'m str, &'m str),
    source: SourceIndex,
    /// Empty for almost all.
    others: HashSet<&'m str>,
}

impl Natural<'_> {
    fn is_of(&self, namespace: &str) -> bool {
        self.name.0 == namespace || self.others.contains(namespace)
    }
}

/// Running pods by their own addresses, then Services by their ClusterIPs.
fn owners(map: &ClusterMap) -> HashMap<IpAddr, Natural<'_>> {
    let pods = map.pods.iter().filter(|p| !p.host_network && !has_ended(p));
    let pods = pods.flat_map(|p| p.ips.iter().map(|ip| (*ip, "pod", (&*p.namespace, &*p.name), p.source)));
    let services = map
        .services
        .iter()
        .flat_map(|s| s.cluster_ips.iter().map(|ip| (*ip, "Service", (&*s.namespace, &*s.name), s.source)));
    let mut owners: HashMap<IpAddr, Natural<'_>> = HashMap::new();
    for (ip, what, name, source) in pods.chain(services) {
        let new = || Natural { what, name, source, others: HashSet::new() };
        let owner = owners.entry(ip).or_insert_with(new);
        if owner.what == what && what == "pod" && owner.name.0 != name.0 {
            owner.others.insert(name.0);
        }
    }
    owners
}

fn rules_against_objects(b: &mut Builder<'_>) {
    let mut found = Vec::new();
    let (mut work, mut not_compared, mut more) = (0, 0_usize, 0);
    for rule in &b.map.destinations {
        let Some(service) = b.map.service_of_address(rule.address) else { continue };
        work += b.map.endpoint_count(service);
        if work > MAX_WORK {
            not_compared += 1;
        } else if found.len() == MAX_CONFLICTS {
            more += u64::from(disagreement(b, rule, service).is_some());
        } else {
            found.extend(disagreement(b, rule, service));
        }
    }
    b.map.conflicts_beyond += more;
    for (text, sources) in found {
        b.conflict(text, sources);
    }
    if not_compared > 0 {
        let text = "virtual addresses have too many endpoints to compare their rules with";
        b.conflict(format!("{not_compared} {text}"), Vec::new());
    }
}

/// What the rules of a virtual address say, where that is not what the EndpointSlices say.
fn disagreement(
    b: &Builder<'_>,
    rule: &Destination,
    service: &Service,
) -> Option<(String, Vec<SourceIndex>)> {
    let objects = b.map.backends_of(service, Some(rule.address.port()));
    if objects.is_empty()
        && b.map.endpoints_state(&service.namespace, &service.name) != super::Endpoints::None
    {
        return None;
    }
    let ready: BTreeSet<SocketAddr> = objects.iter().filter(|o| o.ready).map(|o| o.address).collect();
    let listed: BTreeSet<SocketAddr> = objects.iter().map(|o| o.address).collect();
    let real: BTreeSet<SocketAddr> = rule.backends.iter().copied().collect();
    // Rules may lead to fewer (only the node's own) and to those that are ending, never to unknown ones.
    let differs = !real.is_subset(&listed) || (real.is_empty() && !ready.is_empty());
    let source = objects.first().map_or(service.source, |o| o.source);
    let text = || {
        format!(
            "{} ({}/{}) leads to {} in {} and to {} in {}",
            rule.address,
            service.namespace,
            service.name,
            or_nothing(&real),
            b.place(rule.source),
            or_nothing(&ready),
            b.place(source),
        )
    };
    differs.then(|| (text(), vec![rule.source, source]))
}

fn or_nothing(addresses: &BTreeSet<SocketAddr>) -> String {
    if addresses.is_empty() {
        return "nothing".to_owned();
    }
    list(&addresses.iter().copied().collect::<Vec<_>>())
}
