//! Whose connections the calls of a log are, where those of several originators fit.
//!
//! Takes the candidates of all calls; lets what others than the log's host have dialled stand behind what it has. Never
//! takes a candidate away: a host may have addresses that nothing tells of.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use super::candidates::Candidate;
use super::join::Join;
use super::{Key, World};
use crate::log::{Edge, LogEvent};

/// Addresses by the log whose writers have them.
type ByLog = BTreeMap<u32, BTreeSet<IpAddr>>;

/// Lowers the scores of strangers' connections, which anybody can open at any time and with any name in their hello, and
/// marks candidates of which nothing tells whether they are such.
/// `found`: the candidates of each call.
pub(super) fn prefer(join: &Join<'_>, found: &mut [Vec<Candidate>]) {
    if !found.iter().any(|candidates| is_contested(candidates)) {
        return;
    }
    let (told, paired, servers) = (told(join.world), paired(join, found), api_servers(join.world));
    for candidates in found.iter_mut().filter(|candidates| is_contested(candidates)) {
        let Some(event) = event_of(join, candidates) else { continue };
        let mut known: BTreeSet<IpAddr> = [&told, &paired]
            .into_iter()
            .filter_map(|by_log| by_log.get(&event.log))
            .flatten()
            .copied()
            .collect();
        if known.is_empty() && is_api_servers(event) {
            known.clone_from(&servers);
        }
        let own: Vec<bool> = candidates.iter().map(|c| is_of(join, c, &known)).collect();
        if own.contains(&true) {
            for (candidate, _) in candidates.iter_mut().zip(own).filter(|(_, own)| !own) {
                candidate.score *= BEHIND;
            }
            candidates.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.ended.flow.cmp(&b.ended.flow)));
        } else {
            for candidate in candidates.iter_mut() {
                candidate.unowned = true;
            }
        }
    }
}

/// The event of candidates whose originator says anything: a server's line may be about any client.
fn event_of<'w>(join: &Join<'w>, candidates: &[Candidate]) -> Option<&'w LogEvent> {
    let event = &join.world.logs.events[candidates.first()?.event as usize];
    (!event.server_side && candidates.iter().all(|c| c.key != Key::Tuple)).then_some(event)
}

/// Connections of several originators fit the call.
fn is_contested(candidates: &[Candidate]) -> bool {
    candidates.windows(2).any(|pair| pair[0].ended.orig != pair[1].ended.orig)
}

/// Any view of the connection comes from one of these addresses.
fn is_of(join: &Join<'_>, candidate: &Candidate, known: &BTreeSet<IpAddr>) -> bool {
    let views = join.connections.views(candidate.ended.flow);
    views.iter().any(|(view, _)| known.contains(&join.world.read(*view).orig.ip()))
}

/// What lines name as their own end, and the addresses that objects and dumps give their host; of a line that a pod wrote,
/// the pod.
fn told(world: &World) -> ByLog {
    let map = &world.cluster;
    let mut known = ByLog::new();
    // Which logs a pod or a host wrote, looked up by name: lines and objects may name many.
    let (mut of_pod, mut of_host) = (HashMap::new(), HashMap::new());
    for event in world.logs.events.iter().filter(|e| !e.server_side) {
        if let Some(source) = event.fields.source {
            known.entry(event.log).or_default().insert(source.ip());
        }
        let (writers, name) = match event.pod.as_deref() {
            Some(pod) => (&mut of_pod, Some(pod)),
            None => (&mut of_host, event.host.as_deref()),
        };
        writers.entry(name.unwrap_or_default()).or_insert_with(BTreeSet::new).insert(event.log);
    }
    let nodes = map.nodes.iter().flat_map(|node| node.ips.iter().map(|ip| (node.name.as_str(), *ip)));
    let hosts = map.host_addresses.iter().map(|(host, ip)| (host.as_str(), *ip)).chain(nodes);
    let hosts = hosts.filter_map(|(host, ip)| Some((of_host.get(host)?, ip)));
    let pods = map.pods.iter().filter(|_| !of_pod.is_empty()).flat_map(|pod| {
        let logs = of_pod.get(format!("{}/{}", pod.namespace, pod.name).as_str());
        logs.into_iter().flat_map(|logs| pod.ips.iter().map(move |ip| (logs, *ip)))
    });
    for (logs, ip) in pods.chain(hosts) {
        for log in logs {
            known.entry(*log).or_default().insert(ip);
        }
    }
    known
}

/// The originators of connections that calls of the same log have to themselves; of several, those that as many calls
/// have: somebody may have opened one more at the time of a call that the captures lack.
fn paired(join: &Join<'_>, found: &[Vec<Candidate>]) -> ByLog {
    let mut counted: BTreeMap<u32, BTreeMap<IpAddr, usize>> = BTreeMap::new();
    for candidates in found.iter().filter(|candidates| !is_contested(candidates)) {
        if let (Some(event), Some(best)) = (event_of(join, candidates), candidates.first()) {
            *counted.entry(event.log).or_default().entry(best.ended.orig).or_default() += 1;
        }
    }
    let most = counted.into_iter().map(|(log, counted)| {
        let most = counted.values().copied().max().unwrap_or_default();
        let often = counted.into_iter().filter(|(_, n)| n * 2 > most).map(|(ip, _)| ip);
        (log, often.collect())
    });
    most.collect()
}

/// The addresses that the cluster's own API is served at.
fn api_servers(world: &World) -> BTreeSet<IpAddr> {
    let endpoints = world.cluster.endpoints.iter();
    endpoints
        .filter(|e| e.namespace == "default" && e.service == "kubernetes")
        .map(|e| e.address.ip())
        .collect()
}

/// Only an API server makes such calls.
fn is_api_servers(event: &LogEvent) -> bool {
    use Edge::{AggregatedApi, AuditWebhook, AuthWebhook, ConversionWebhook, Etcd, Kubelet, Oidc, Webhook};
    matches!(
        event.edge,
        Webhook | ConversionWebhook | AggregatedApi | Kubelet | Etcd | Oidc | AuditWebhook | AuthWebhook
    )
}

/// What is left of a stranger's score: less than the worst fit of an open call on the host's own connection, so that a
/// stranger is taken only where nothing of the host's fits.
const BEHIND: f64 = 0.3;

#[cfg(test)]
mod tests {
    use super::super::made::{addr, event, flow, join, service, stalled, used, world};
    use super::super::{Case, Correlated};
    use super::*;
    use crate::bundle::SourceIndex;
    use crate::cluster::Node;
    use crate::flow::Dir;
    use crate::ingest::FlowIndex;
    use crate::time::TimeDelta;

    /// A call on a connection whose hello was before the capture, and somebody's handshake with the same server that
    /// begins with it; what `tell` adds.
    fn origs(tell: impl FnOnce(&mut World)) -> Vec<IpAddr> {
        let mut pooled = used(
            flow("10.0.0.1:5000", "10.2.0.7:8443", 1.0, 19.0),
            "",
            "http/1.1",
            &[(Dir::Orig, 14.0, 900)],
        );
        pooled.midstream = true;
        let stranger = stalled(flow("203.0.113.9:45000", "10.2.0.7:8443", 14.0, 17.0), "a.b.svc", 7);
        let mut line = event("deadline_exceeded", "a.b.svc", 16.0);
        line.fields.deadline = Some(TimeDelta::from_secs(2));
        line.host = None;
        let mut world = world(1, vec![pooled, stranger], vec![line]);
        service(&mut world, ("b", "a"), "10.96.0.9", &["10.2.0.7:8443"]);
        tell(&mut world);
        let Correlated { cases, .. } = join(&mut world);
        let calls = cases.iter().filter(|c| c.event.is_some()).filter_map(Case::attempt);
        calls.map(|f| world.flow(f).orig.ip()).collect()
    }

    /// A dial that nobody answers and somebody's silent handshake with the same server, begun with it; what `tell` adds.
    /// Whether the match is in doubt, and how many others fit.
    fn doubt(tell: impl FnOnce(&mut World)) -> (bool, usize) {
        let dial = flow("10.0.0.1:5000", "10.2.0.7:8443", 10.0, 13.0);
        let stranger = stalled(flow("203.0.113.9:45000", "10.2.0.7:8443", 10.03, 15.0), "a.b.svc", 7);
        let mut line = event("deadline_exceeded", "a.b.svc", 15.0);
        line.fields.deadline = Some(TimeDelta::from_secs(5));
        line.host = None;
        let mut world = world(1, vec![dial, stranger], vec![line]);
        tell(&mut world);
        let Correlated { cases, .. } = join(&mut world);
        let mut matches = cases.iter().filter(|c| c.event.is_some()).filter_map(|c| c.matching.as_ref());
        matches.next().map(|m| (m.doubted, m.alternatives.len())).expect("a match")
    }

    #[test]
    fn where_nothing_tells_whose_log_it_is_connections_of_several_hosts_leave_doubt() {
        assert_eq!(doubt(|_| ()), (true, 1), "nothing tells who called");
        let endpoints = |world: &mut World| service(world, ("b", "a"), "10.96.0.9", &["10.2.0.7:8443"]);
        assert_eq!(doubt(endpoints), (true, 1), "nor do the endpoints");
        let servers = |world: &mut World| {
            endpoints(world);
            service(world, ("default", "kubernetes"), "10.96.0.1", &["10.0.0.1:6443"]);
        };
        assert_eq!(doubt(servers), (false, 0), "the API server's address is known");
        let one_host = |world: &mut World| {
            endpoints(world);
            let mut only = world.flow(FlowIndex(0)).clone();
            only.orig.set_port(4000);
            world.wire.flows = [only, world.flow(FlowIndex(0)).clone()].into_iter().collect();
        };
        assert_eq!(doubt(one_host), (false, 1), "of one host, and alike");
    }

    #[test]
    fn a_strangers_connection_stands_behind_that_of_the_logs_host() {
        let own = addr("10.0.0.1:1").ip();
        assert_eq!(origs(|_| ()), [addr("203.0.113.9:1").ip()], "nothing tells who called");
        let by_objects = origs(|world| {
            world.logs.events[0].host = Some("cp-1".into());
            let node = Node { name: "cp-1".into(), ips: vec![own], kubelet: None, source: SourceIndex(0) };
            world.cluster.nodes.push(node);
        });
        assert_eq!(by_objects, [own]);
        let by_service =
            origs(|world| service(world, ("default", "kubernetes"), "10.96.0.1", &["10.0.0.1:6443"]));
        assert_eq!(by_service, [own]);
        let by_another_line = origs(|world| {
            let mut line = event("deadline_exceeded", "c.d.svc", 50.0);
            line.fields.deadline = Some(TimeDelta::from_secs(2));
            line.host = None;
            world.logs.events.push(line);
            let other = stalled(flow("10.0.0.1:5001", "10.2.0.9:8443", 48.0, 50.0), "c.d.svc", 8);
            let flows = (0..2).map(|n| world.flow(FlowIndex(n)).clone());
            world.wire.flows = flows.collect::<Vec<_>>().into_iter().chain([other]).collect();
        });
        assert_eq!(by_another_line, [own, own]);
    }
}
