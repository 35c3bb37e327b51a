//! What others send, ask, hold or say takes no call's place: they need not mean well.

use super::super::made::{event, flow, join, refused, sec, stalled, world};
use super::{dialled, from, key, orig_port, service, within};
use crate::capture::CaptureIndex;
use crate::cluster::{HeldCertificates, Holder, Node, Pod};
use crate::correlate::trust::Trust;
use crate::correlate::{Case, Key, World};
use crate::flow::{Dir, FrameRef, Moment};
use crate::ingest::{Conversation, NeighborFact};
use crate::time::TimeDelta;
use crate::tls::Alert;

/// The case of the one line.
fn of_line(world: &mut World) -> Case {
    let found = join(world);
    found.cases.into_iter().find(|c| c.event.is_some()).expect("the line's case")
}

/// What follows a call that began at 10 s and was silent until 15 s.
fn behind_a_silent_call(later: &[Conversation]) -> Case {
    let silent = stalled(flow("10.0.0.1:4002", "10.2.0.8:443", 10.0, 15.0), "a.b.svc", 1);
    let line = within(event("deadline_exceeded", "a.b.svc", 15.001), 5);
    of_line(&mut world(1, [&[silent], later].concat(), vec![line]))
}

/// A call is dialled in vain; the host has a connection to the same server as well that is over at once, or not.
#[test]
fn what_was_over_long_before_a_line_did_not_wait_for_it() {
    let alert = |mut flow: Conversation| {
        let (at, session) = (flow.first, flow.app.session.tls.as_mut().expect("a session"));
        session.alerts.push(Alert { from: Dir::Resp, at, fatal: true, ..Alert::default() });
        flow
    };
    let other = |until| stalled(flow("10.0.0.1:4002", "10.2.0.8:443", 10.0, until), "a.b.svc", 1);
    for (other, deadline, port) in [
        (other(15.0), Some(5), 4002),
        (other(20.0), Some(5), 4002),
        (other(10.01), Some(5), 4003),
        (alert(other(20.0)), Some(5), 4003),
        (other(15.0), None, 4002),
        (other(20.0), None, 4002),
        (other(10.01), None, 4003),
    ] {
        let mut line = event("deadline_exceeded", "a.b.svc", 15.001);
        line.fields.deadline = deadline.map(TimeDelta::from_secs);
        let mut world = world(1, vec![other, flow("10.0.0.1:4003", "10.2.0.8:443", 10.04, 14.0)], vec![line]);
        let case = of_line(&mut world);
        assert_eq!(orig_port(&world, &case), Some(port), "{deadline:?}");
    }
}

/// Two connections of the caller fit the line alike: what came of the call is known only where the same came of both, or
/// where the other is another call's.
#[test]
fn of_two_that_fit_alike_and_ended_otherwise_neither_is_sure() {
    let dial = |port: u16, at: f64| flow(&format!("10.0.0.1:{port}"), "10.2.0.8:443", at, at + 4.0);
    let silent = |at: f64| stalled(flow("10.0.0.1:4001", "10.2.0.8:443", at, at + 5.1), "a.b.svc", 1);
    let line = |at: f64| within(event("deadline_exceeded", "a.b.svc", at), 5);
    let cases: [(&str, Vec<Conversation>, Vec<f64>, bool); 5] = [
        ("one is silent", vec![dial(4000, 10.0), silent(10.03)], vec![15.0], true),
        ("the other is nearer", vec![dial(4000, 10.03), silent(10.0)], vec![15.0], true),
        ("neither was answered", vec![dial(4000, 10.0), dial(4001, 10.03)], vec![15.0], false),
        ("each has a line", vec![dial(4000, 10.0), silent(10.03)], vec![15.0, 15.03], false),
        ("the other is of another time", vec![dial(4000, 10.0), silent(11.5)], vec![15.0], false),
    ];
    for (what, flows, lines, doubt) in cases {
        let mut world = world(1, flows, lines.into_iter().map(line).collect());
        service(&mut world, ("b", "a"), "10.96.0.9", &["10.2.0.8:443"]);
        let matching = of_line(&mut world).matching.expect("a match");
        assert_eq!(matching.doubted, doubt, "{what}: {}", matching.why);
    }
}

/// Nobody can name a host to a server that does not answer.
#[test]
fn a_dial_without_an_answer_stands_behind_no_name() {
    let dial = flow("10.0.0.1:4000", "10.2.0.8:443", 10.0, 14.0);
    let silent = stalled(flow("10.0.0.1:4001", "10.2.0.8:443", 10.03, 15.1), "a.b.svc", 1);
    let line = within(event("deadline_exceeded", "a.b.svc", 15.0), 5);
    let mut world = world(1, vec![dial, silent], vec![line]);
    service(&mut world, ("b", "a"), "10.96.0.9", &["10.2.0.8:443"]);
    let case = of_line(&mut world);
    assert_eq!(orig_port(&world, &case), Some(4000));
}

#[test]
fn that_a_caller_went_early_leaves_no_less_of_the_deadline() {
    let left = |until| {
        let flow = stalled(flow("10.0.0.1:4002", "10.2.0.8:443", 10.0, until), "a.b.svc", 1);
        let line = within(event("deadline_exceeded", "a.b.svc", 12.0), 5);
        of_line(&mut world(1, vec![flow], vec![line])).facts.deadline_left
    };
    assert_eq!([left(11.0), left(12.0), left(14.0)], [Some(TimeDelta::from_secs(2)); 3]);
}

fn dialled_twice(mut dial: Conversation) -> Conversation {
    dial.tcp.as_deref_mut().expect("a TCP flow").syn.orig = 2;
    dial
}

#[test]
fn a_dial_of_anybody_tells_nothing_of_a_server() {
    let dial = |orig: &str, at: f64| flow(orig, "10.2.0.8:443", at, at + 1.0);
    let taken = |orig: &str, at: f64| stalled(dial(orig, at), "a.b.svc", 2);
    let cases: [(&str, Vec<Conversation>, u32); 7] = [
        ("of anybody", vec![dial("203.0.113.9:1", 16.0)], 0),
        ("of anybody, again and again", vec![dialled_twice(dial("203.0.113.9:1", 16.0))], 0),
        ("of the caller", vec![dial("10.0.0.1:4003", 16.0)], 1),
        ("of one who was served", vec![taken("10.0.0.7:1", 2.0), dialled_twice(dial("10.0.0.7:2", 16.0))], 1),
        ("of one who was served, once", vec![taken("10.0.0.7:1", 2.0), dial("10.0.0.7:2", 16.0)], 0),
        ("another is taken after it", vec![dial("10.0.0.1:4003", 16.0), taken("10.0.0.7:1", 17.0)], 0),
        ("another is taken before it", vec![dial("10.0.0.1:4003", 18.0), taken("10.0.0.7:1", 17.0)], 1),
    ];
    for (what, later, counted) in cases {
        let case = behind_a_silent_call(&later);
        assert_eq!(case.facts.neighbours.backend_unanswered_later, counted, "{what}");
    }
}

#[test]
fn only_what_was_taken_before_a_dial_says_that_none_is_taken_now() {
    let dial = flow("10.0.0.1:4002", "10.2.0.8:443", 10.0, 13.0);
    let other = |at: f64| stalled(flow("10.0.0.7:1", "10.2.0.8:443", at, at + 1.0), "a.b.svc", 2);
    let asked = |mut flow: Conversation, bytes| {
        flow.bytes.orig = bytes;
        flow
    };
    let part = |mut flow: Conversation| {
        let hello = flow.app.session.tls.as_mut().and_then(|t| t.client_hello.as_mut());
        hello.expect("a hello").complete = None;
        flow
    };
    let hidden = |mut flow: Conversation| {
        flow.app.session.tls = None;
        flow.truncated = true;
        flow
    };
    let cases = [
        ("before", asked(other(8.0), 1529), (1, 0)),
        ("a part of a hello", part(asked(other(8.0), 1)), (0, 0)),
        ("a hello that the snap length hides", hidden(asked(other(8.0), 1529)), (1, 0)),
        ("one byte that the snap length hides", hidden(asked(other(8.0), 1)), (0, 0)),
        ("after", asked(other(11.0), 1529), (0, 1)),
        ("when the call is over", asked(other(20.0), 1529), (0, 0)),
    ];
    for (what, other, counted) in cases {
        let line = dialled(event("io_timeout", "a.b.svc", 15.0), "10.2.0.8:443");
        let case = of_line(&mut world(1, vec![dial.clone(), other], vec![within(line, 5)]));
        let facts = case.facts.neighbours;
        assert_eq!((facts.backend_silent, facts.backend_taken_later), counted, "{what}");
    }
}

/// Two questions at 12 s.
fn question(address: &str, asked_by: &str) -> NeighborFact {
    let [address, asked_by] = [address, asked_by].map(|ip| ip.parse().expect("an address"));
    let at = Moment { frame: FrameRef::new(0, 12_000), time: sec(12.0) };
    let capture = CaptureIndex(0);
    NeighborFact { capture, address, asked_by, first: at, last: at, requests: 2, answered: None }
}

/// Of questions for a silent backend's address those count that its caller, its host or the backend's node asked.
#[test]
fn what_another_host_asks_is_no_question_of_the_caller() {
    let dial = flow("10.0.0.1:4002", "10.2.0.8:443", 10.0, 13.0);
    let line = within(dialled(event("io_timeout", "a.b.svc", 15.0), "10.2.0.8:443"), 5);
    let node = |name: &str, ips: &[&str]| Node {
        name: name.into(),
        ips: ips.iter().map(|ip| ip.parse().expect("an address")).collect(),
        ..Node::default()
    };
    for (asker, counted) in [
        ("10.0.0.1", 2),
        ("10.0.0.2", 2),
        ("10.0.1.1", 2),
        ("10.2.1.1", 2),
        ("10.0.0.66", 0),
        ("192.168.9.66", 0),
        ("10.0.2.1", 0),
    ] {
        let mut world = world(1, vec![dial.clone()], vec![line.clone()]);
        service(&mut world, ("b", "a"), "10.96.0.9", &["10.2.0.8:443"]);
        world.cluster.nodes = vec![
            node("cp-1", &["10.0.0.1", "10.0.0.2"]),
            node("node-1", &["10.0.1.1"]),
            node("node-2", &["10.0.2.1"]),
        ];
        world.cluster.host_addresses = vec![("node-1".into(), "10.2.1.1".parse().expect("an address"))];
        world.wire.neighbors = vec![question("10.2.0.8", asker)];
        assert_eq!(of_line(&mut world).facts.neighbor_unanswered, Some(counted), "{asker}");
    }
}

/// Where nothing tells who called, it was no pod.
#[test]
fn a_question_of_an_unknown_caller_is_no_pods() {
    let mut line = within(dialled(event("io_timeout", "a.b.svc", 15.0), "10.2.0.8:443"), 5);
    line.host = None;
    for (asker, counted) in [("10.0.0.1", 2), ("10.2.0.66", 0)] {
        let mut world = world(1, Vec::new(), vec![line.clone()]);
        service(&mut world, ("b", "a"), "10.96.0.9", &["10.2.0.8:443"]);
        let ip = "10.2.0.66".parse().expect("an address");
        world.cluster.pods.push(Pod { name: "evil".into(), ips: vec![ip], ..Pod::default() });
        world.wire.neighbors = vec![question("10.2.0.8", asker)];
        assert_eq!(of_line(&mut world).facts.neighbor_unanswered, Some(counted), "{asker}");
    }
}

/// A line with the source of a connection and another destination does not take it from the line that names both.
#[test]
fn an_exact_destination_beats_an_assumed_translation() {
    let reset = || {
        let hello = stalled(flow("10.0.0.1:4005", "10.2.0.8:443", 10.0, 11.0), "a.b.svc", 1);
        let mut reset = refused(hello, 11.0);
        let facts = reset.tcp.as_deref_mut().expect("a TCP flow");
        facts.first_fin.orig = None;
        facts.reset.as_mut().expect("a reset").to_syn = false;
        reset
    };
    let line = |to: &str| from(dialled(event("connection_reset", "a.b.svc", 11.001), to), "10.0.0.1:4005");
    let of_tuple = |world: &mut World, destination: &str| {
        let found = join(world);
        let named = |c: &&Case| c.target.address.as_deref() == Some(destination);
        let case = found.cases.iter().find(named).expect("the line's case");
        (key(case) == Some(Key::Tuple)).then(|| orig_port(world, case)).flatten()
    };
    for order in [["10.2.0.9:443", "10.2.0.8:443"], ["10.2.0.8:443", "10.2.0.9:443"]] {
        let mut world = world(1, vec![reset()], order.map(line).to_vec());
        assert_eq!(of_tuple(&mut world, "10.2.0.8:443"), Some(4005), "{order:?}");
        assert_eq!(of_tuple(&mut world, "10.2.0.9:443"), None, "{order:?}");
    }
    let mut alone = world(1, vec![reset()], vec![line("10.96.0.9:443")]);
    let why = of_line(&mut alone).matching.expect("a match").why;
    assert!(why.contains("that its destination was translated is assumed"), "{why}");
    assert_eq!(
        of_tuple(&mut alone, "10.96.0.9:443"),
        Some(4005),
        "a virtual address of which nothing is known"
    );
    let mut told = world(1, vec![reset()], vec![line("10.96.0.9:443")]);
    service(&mut told, ("b", "a"), "10.96.0.9", &["10.2.0.8:443"]);
    assert_eq!(of_tuple(&mut told, "10.96.0.9:443"), Some(4005), "what objects say");
    let why = of_line(&mut told).matching.expect("a match").why;
    assert!(why.contains("names both ends"), "{why}");
    let mut pod = world(1, vec![reset()], vec![line("10.2.0.9:443")]);
    service(&mut pod, ("b", "a"), "10.96.0.9", &["10.2.0.8:443"]);
    let ips = vec!["10.2.0.9".parse().expect("an address")];
    pod.cluster.pods.push(Pod { name: "other".into(), namespace: "b".into(), ips, ..Pod::default() });
    assert_eq!(of_tuple(&mut pod, "10.2.0.9:443"), None, "a pod's own address is not translated");
}

/// Who may write a Secret in a namespace of his own says nothing of what a Service of another one shows.
#[test]
fn a_certificate_is_held_in_the_services_own_namespace() {
    let held =
        |holder, place: &str| HeldCertificates { holder, place: place.into(), bytes: HOOK.as_bytes().into() };
    let secret = |namespace: &str| held(Holder::Secret, &format!("Secret {namespace}/tls tls.crt"));
    let of = |all: Vec<HeldCertificates>, namespace| {
        let mut world = World::default();
        world.cluster.certificates = all;
        Trust::new(&world).held("hook.ns.svc", namespace, &world)
    };
    assert_eq!(of(vec![secret("evil"), secret("ns")], Some("ns")), Some(1));
    assert_eq!(of(vec![secret("evil")], Some("ns")), None);
    assert_eq!(of(vec![secret("evil"), held(Holder::File, "pki/hook.pem")], Some("ns")), Some(1));
    assert_eq!(of(vec![held(Holder::File, "pki/hook.pem"), secret("ns")], Some("ns")), Some(1));
    assert_eq!(of(vec![secret("evil"), secret("ns")], None), Some(0));
}

/// Of `hook.ns.svc`.
const HOOK: &str = "-----BEGIN CERTIFICATE-----
MIIBLjCB4aADAgECAgEDMAUGAytlcDAXMRUwEwYDVQQDDAxjb3JwLWlzc3Vpbmcw
HhcNMjYxMTI5MDkyMzMwWhcNMzExMTI4MDkyMzMwWjAPMQ0wCwYDVQQDDARob29r
MCowBQYDK2VwAyEA2Vt5EkQQDbtJ2WnYOfS5sgKjyCP8qM981t8bSB89t1ejWjBY
MBYGA1UdEQQPMA2CC2hvb2subnMuc3ZjMB8GA1UdIwQYMBaAFBkGVJBDkmnic49e
SQ8aQHkD9E4pMB0GA1UdDgQWBBRUEAUB9bWuflDFTeUd2VE9rnj5WDAFBgMrZXAD
QQAgWlqp/rl/348EOZhnGu5ZnbWqWwMo9RhujZWmcCPJyLPcnRjqxv5P2hJ1l9CE
W1WkMBXdvRQVijrbbY6YrygK
-----END CERTIFICATE-----
";
