//! What dumps of host state say of a call, and of which host they are.

use std::fs;

use super::super::made::{event, flow, join, refused, world};
use super::{dialled, from};
use crate::bundle::{Limits, discover};
use crate::cluster;
use crate::correlate::{Dumped, HostState};

const PODS: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: hook-6c9d7-x7k2p, namespace: b}
spec: {nodeName: node-1}
status: {podIP: 10.2.0.7, podIPs: [{ip: 10.2.0.7}]}
---
apiVersion: v1
kind: Node
metadata: {name: node-1}
status: {addresses: [{type: InternalIP, address: 10.0.0.11}]}
---
apiVersion: v1
kind: Node
metadata: {name: cp-1}
status: {addresses: [{type: InternalIP, address: 10.0.0.1}]}
";

/// A refused dial from cp-1 (10.0.0.1) to `to`, in a bundle with these dumps.
fn state(to: &str, dumps: &[(&str, &str)]) -> HostState {
    let dir = tempfile::tempdir().expect("a directory");
    for (path, text) in dumps.iter().chain(&[("objects.yaml", PODS)]) {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(path, text).expect("a file");
    }
    let refusal = refused(flow("10.0.0.1:4001", to, 5.0, 5.001), 5.001);
    let line = from(dialled(event("connection_refused", "a.b.svc", 5.002), to), "10.0.0.1:4001");
    let mut world = world(1, vec![refusal], vec![line]);
    world.bundle = discover(&[dir.path().to_owned()], &Limits::default()).expect("a bundle");
    world.cluster = cluster::read(&world.bundle.sources);
    let found = join(&mut world);
    found
        .cases
        .into_iter()
        .find(|c| c.event.is_some())
        .expect("the line's case")
        .facts
        .hosts
        .map(|h| *h)
        .unwrap_or_default()
}

fn sockets(rows: &[&str]) -> String {
    let header = "State   Recv-Q  Send-Q  Local Address:Port  Peer Address:Port\n";
    rows.iter().fold(header.to_owned(), |text, row| text + row + "\n")
}

#[test]
fn the_sockets_of_a_node_are_not_those_of_its_pods() {
    let node = sockets(&["LISTEN 0 128 *:10250 *:*"]);
    let pod = sockets(&["LISTEN 0 128 *:9443 *:*"]);
    let dumps = [("ss.node-1.txt", node.as_str()), ("b_hook-6c9d7-x7k2p_ss.txt", pod.as_str())];
    let of_node = state("10.0.0.11:10250", &dumps);
    assert_eq!(of_node.listens, Some(true));
    assert_eq!(of_node.listener.as_deref(), Some("LISTEN *:10250, Recv-Q 0, Send-Q 128 in ss.node-1.txt"));
    let of_pod = state("10.2.0.7:10250", &dumps);
    assert_eq!(of_pod.listens, Some(false), "only the pod's own table counts");
    assert_eq!(
        of_pod.no_listener.as_deref(),
        Some("b_hook-6c9d7-x7k2p_ss.txt (1 listening, none on port 10250)")
    );
    assert_eq!(state("10.2.0.7:10250", &dumps[..1]).listens, None, "no table of the pod");
}

#[test]
fn a_table_is_of_the_namespace_whose_address_it_shows() {
    let own = sockets(&["LISTEN 129 128 *:10250 *:*", "ESTAB 0 0 10.2.0.7:10250 10.0.0.9:51000"]);
    let found = state("10.2.0.7:10250", &[("output-3.txt", &own)]);
    assert_eq!((found.listens, found.accept_queue), (Some(true), Some((129, 128))));
    let elsewhere = sockets(&["LISTEN 129 128 *:10250 *:*", "ESTAB 0 0 10.2.0.8:10250 10.0.0.9:51000"]);
    assert_eq!(state("10.2.0.7:10250", &[("output-3.txt", &elsewhere)]), HostState::default());
}

#[test]
fn a_listener_on_another_address_is_none() {
    let table = sockets(&["LISTEN 0 128 127.0.0.1:10250 *:*", "LISTEN 0 128 10.0.0.11:22 *:*"]);
    assert_eq!(state("10.0.0.11:10250", &[("ss.node-1.txt", &table)]).listens, Some(false));
    let established = sockets(&["ESTAB 0 0 10.0.0.11:22 10.0.0.9:51000"]);
    let found = state("10.0.0.11:10250", &[("ss.node-1.txt", &established)]);
    assert_eq!(found.listens, None, "ss without -l shows no listener of anybody");
}

#[test]
fn the_callers_loopback_is_the_callers() {
    let (caller, other) =
        (sockets(&["LISTEN 0 128 *:22 *:*"]), sockets(&["LISTEN 0 128 127.0.0.1:2379 *:*"]));
    let dumps = [("ss.cp-1.txt", caller.as_str()), ("ss.node-1.txt", other.as_str())];
    assert_eq!(state("127.0.0.1:2379", &dumps).listens, Some(false));
}

#[test]
fn counters_neighbours_and_routes_are_those_of_the_right_host() {
    let nstat = "#kernel\nTcpExtListenOverflows           12                 0.0\n";
    let neighbours = "10.0.0.11 dev eth0  FAILED\n10.0.0.12 dev eth0 lladdr 02:42:ac:1c:00:03 REACHABLE\n";
    let routes = "default via 10.0.0.254 dev eth0\nunreachable 10.2.0.0/24\n";
    let found = state("10.0.0.11:10250", &[("nstat.node-1.txt", nstat), ("ip-neigh.cp-1.txt", neighbours)]);
    assert_eq!(found.queue_drops.as_deref(), Some("TcpExtListenOverflows 12 in nstat.node-1.txt"));
    let failed = "10.0.0.11 dev eth0 FAILED in ip-neigh.cp-1.txt";
    assert_eq!(found.neighbor_failed, Dumped::Yes(failed.to_owned()));
    let found = state("10.0.0.12:10250", &[("nstat.cp-1.txt", nstat), ("ip-neigh.cp-1.txt", neighbours)]);
    assert_eq!((found.queue_drops, found.neighbor_failed), (None, Dumped::No));
    let of_server = state("10.0.0.11:10250", &[("ip-neigh.node-1.txt", neighbours)]);
    assert_eq!(of_server.neighbor_failed, Dumped::Unknown, "the server's own table is not the caller's");
    let found = state("10.2.0.7:10250", &[("ip-route.cp-1.txt", routes)]);
    assert_eq!(found.no_route, Dumped::Yes("unreachable 10.2.0.0/24 in ip-route.cp-1.txt".to_owned()));
    let rescued = routes.to_owned() + "10.2.0.7 dev cali12 scope link\n";
    assert_eq!(state("10.2.0.7:10250", &[("ip-route.cp-1.txt", &rescued)]).no_route, Dumped::No);
}

#[test]
fn a_pod_on_a_dead_node_is_behind_its_failed_neighbour() {
    let neighbours = "10.0.0.11 dev eth0  INCOMPLETE\n";
    let found = state("10.2.0.7:10250", &[("ip-neigh.cp-1.txt", neighbours)]);
    let failed = "10.0.0.11 dev eth0 INCOMPLETE in ip-neigh.cp-1.txt";
    assert_eq!(found.neighbor_failed, Dumped::Yes(failed.to_owned()));
}

#[test]
fn the_connection_table_tells_of_this_very_connection() {
    let entry = "tcp      6 86 SYN_SENT src=10.0.0.1 dst=10.96.0.9 sport=4001 dport=443 [UNREPLIED] src=10.2.0.7 dst=10.0.0.1 sport=10250 dport=4001 mark=0 use=1\n";
    let found = state("10.2.0.7:10250", &[("conntrack.cp-1.txt", entry)]);
    let words =
        "10.0.0.1:4001 to 10.96.0.9:443, translated to 10.2.0.7:10250 [UNREPLIED] in conntrack.cp-1.txt";
    assert_eq!(found.unreplied, Dumped::Yes(words.to_owned()));
    assert_eq!(found.untranslated, Dumped::Unknown, "it is no Service's address");
    let replied = entry.replace("[UNREPLIED] ", "");
    assert_eq!(state("10.2.0.7:10250", &[("conntrack.cp-1.txt", &replied)]).unreplied, Dumped::No);
    let another = entry.replace("4001", "4002");
    assert_eq!(state("10.2.0.7:10250", &[("conntrack.cp-1.txt", &another)]).unreplied, Dumped::Unknown);
}
