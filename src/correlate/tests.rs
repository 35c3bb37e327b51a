//! The join on small made worlds: each key, each rule of absence, each case of a clock.

mod absence;
mod bounds;
mod clocks;
mod contrary;
mod hosts;
mod others;
mod requests;
mod steps;
mod views;

use super::made::{
    addr, event, flow, icmp, join, lookup, refused, sec, server_event, service, stalled, view, world,
};
use super::{Case, Key, Role, World};
use crate::bundle::SourceIndex;
use crate::cluster::{Node, Translation};
use crate::flow::Moment;
use crate::ingest::Conversation;
use crate::log::LogEvent;
use crate::time::TimeDelta;
use crate::tls::{FirstBytes, HttpFacts};

fn dialled(mut event: LogEvent, destination: &str) -> LogEvent {
    event.fields.destination = Some(addr(destination));
    event
}

fn from(mut event: LogEvent, source: &str) -> LogEvent {
    event.fields.source = Some(addr(source));
    event
}

fn within(mut event: LogEvent, seconds: i64) -> LogEvent {
    event.fields.deadline = Some(TimeDelta::from_secs(seconds));
    event
}

fn orig_port(world: &World, case: &Case) -> Option<u16> {
    case.attempt().map(|f| world.flow(f).orig.port())
}

fn key(case: &Case) -> Option<Key> {
    case.matching.as_ref().map(|m| m.key)
}

#[test]
fn a_cluster_ip_leads_to_the_pod_through_the_address_map() {
    let refusal = refused(flow("10.0.0.1:4001", "10.2.0.7:10250", 5.0, 5.001), 5.001);
    let line = dialled(event("connection_refused", "a.b.svc", 5.002), "10.96.0.9:443");
    let mut world = world(1, vec![refusal], vec![line]);
    service(&mut world, ("b", "a"), "10.96.0.9", &["10.2.0.7:10250"]);
    let found = join(&mut world);
    assert_eq!(found.cases.len(), 1);
    assert_eq!(key(&found.cases[0]), Some(Key::NatMap));
    assert_eq!(orig_port(&world, &found.cases[0]), Some(4001));
    assert_eq!(found.cases[0].target.backend.as_deref(), Some("10.2.0.7:10250"));
    assert_eq!(found.cases[0].target.service.as_deref(), Some("b/a"));
}

#[test]
fn targets_that_fail_alike_in_one_second_are_counted() {
    let line = |host: &str, name: &str, at: f64| event(name, host, at);
    let lines = vec![
        line("a.b.svc", "connection_refused", 5.1),
        line("a.b.svc", "connection_refused", 5.2),
        line("c.d.svc", "connection_refused", 5.9),
        line("e.f.svc", "eof", 5.5),
        line("g.h.svc", "connection_refused", 6.1),
    ];
    let found = join(&mut world(1, Vec::new(), lines));
    let counts: Vec<_> = found.cases.iter().map(|c| c.facts.concurrent_targets).collect();
    assert_eq!(counts, [2, 2, 1, 2, 1]);
}

#[test]
fn the_server_name_leads_to_the_flow_without_any_object() {
    let stall = stalled(flow("10.0.0.1:4002", "10.2.0.8:10250", 10.0, 15.0), "a.b.svc", 1);
    let line = within(event("deadline_exceeded", "a.b.svc", 15.001), 5);
    let mut world = world(1, vec![stall], vec![line]);
    let found = join(&mut world);
    assert_eq!(key(&found.cases[0]), Some(Key::Sni));
    let silence = found.cases[0].facts.silence.expect("the server was silent");
    assert!((silence - TimeDelta::from_secs(5)).abs() < TimeDelta::from_millis(10), "{silence}");
}

/// Two calls through a proxy whose server is silent, on clocks that agree; both connections end with the process.
#[test]
fn an_answer_of_the_proxy_is_none_of_the_server_behind_it() {
    let tunnel = |port: u16, at: f64| {
        let mut flow =
            stalled(flow(&format!("10.0.0.1:{port}"), "10.9.9.9:3128", at, 19.5), "a.b.svc", port as u8);
        flow.app.session.first_bytes.resp = Some(FirstBytes::HttpResponse);
        let response = Some(Moment { time: sec(at - 0.01), ..flow.first });
        flow.app.session.http =
            Some(Box::new(HttpFacts { response, status: Some(200), ..HttpFacts::default() }));
        flow
    };
    let line = |at: f64| within(event("deadline_exceeded", "a.b.svc", at), 3);
    let mut world = world(1, vec![tunnel(5000, 12.7), tunnel(5001, 16.0)], vec![line(15.701), line(19.001)]);
    let found = join(&mut world);
    let ports: Vec<_> = found.cases.iter().map(|case| orig_port(&world, case)).collect();
    assert_eq!(ports, [Some(5000), Some(5001)]);
}

/// Whoever dials somewhere may name any host in the ClientHello.
#[test]
fn a_name_at_ends_that_no_object_knows_leaves_doubt() {
    for (orig, resp, doubt) in [
        ("10.0.0.1:4002", "10.2.0.8:10250", false),
        ("10.0.0.1:4002", "6.6.6.6:443", false),
        ("203.0.113.9:4002", "6.6.6.6:443", true),
    ] {
        let stall = stalled(flow(orig, resp, 10.0, 15.0), "a.b.svc", 1);
        let line = within(event("deadline_exceeded", "a.b.svc", 15.001), 5);
        let mut world = world(1, vec![stall], vec![line]);
        service(&mut world, ("b", "a"), "10.96.0.9", &["10.2.0.8:10250"]);
        let node = Node {
            name: "cp-1".to_owned(),
            ips: vec!["10.0.0.1".parse().expect("an address")],
            ..Node::default()
        };
        world.cluster.nodes.push(node);
        let found = join(&mut world);
        let matching = found.cases[0].matching.as_ref().expect("a match");
        assert_eq!(matching.elsewhere, doubt, "{orig} {resp}: {}", matching.why);
    }
}

/// Over IPv6 a dial goes on after the first error, and fails with the one that answers its last SYN.
#[test]
fn a_dial_ends_with_the_error_to_its_last_syn() {
    let dial = |port: u16, at: f64| {
        let flow = flow(&format!("10.0.0.1:{port}"), "10.2.0.8:443", at, at + 1.0);
        let mut flow = icmp(icmp(flow, 1, 4, at), 1, 4, at + 1.0);
        let tcp = flow.tcp.as_deref_mut().expect("TCP");
        tcp.syn_times = [at, at + 1.0].map(|t| Moment { time: sec(t), ..tcp.syn_times[0] }).to_vec();
        flow
    };
    let line = |at: f64| dialled(event("connection_refused", "a.b.svc", at), "10.2.0.8:443");
    let mut world = world(1, vec![dial(5000, 10.0), dial(5001, 11.2)], vec![line(11.0005), line(12.2005)]);
    let found = join(&mut world);
    let ports: Vec<_> = found.cases.iter().map(|case| orig_port(&world, case)).collect();
    assert_eq!(ports, [Some(5000), Some(5001)]);
}

/// Neither a message that asks for smaller packets nor an error on a connection that is well ends a call.
#[test]
fn only_an_error_that_ends_a_connection_is_an_end() {
    let refusal = || refused(flow("10.0.0.1:4100", "10.2.0.8:443", 10.5, 10.501), 10.501);
    let well = icmp(stalled(flow("10.0.0.1:4101", "10.2.0.8:443", 10.0, 10.4), "a.b.svc", 1), 3, 1, 10.4);
    let big = icmp(flow("10.0.0.1:4102", "10.2.0.8:443", 10.3, 10.4), 3, 4, 10.4);
    for other in [well, big] {
        let line = dialled(event("connection_refused", "a.b.svc", 10.45), "10.2.0.8:443");
        let second = dialled(event("connection_refused", "a.b.svc", 10.5015), "10.2.0.8:443");
        let mut world = world(1, vec![other, refusal()], vec![line, second]);
        let found = join(&mut world);
        let lines = found.cases.iter().filter(|case| case.event.is_some());
        assert_eq!(lines.filter_map(|case| orig_port(&world, case)).collect::<Vec<_>>(), [4100]);
    }
}

#[test]
fn an_address_is_learnt_from_flows_that_carried_the_name() {
    let earlier = stalled(flow("10.0.0.1:4003", "10.2.0.8:10250", 10.0, 15.0), "a.b.svc", 1);
    let refusal = refused(flow("10.0.0.1:4004", "10.2.0.8:10250", 30.0, 30.001), 30.001);
    let line = event("connection_refused", "a.b.svc", 30.002);
    let mut world = world(1, vec![earlier, refusal], vec![line]);
    let found = join(&mut world);
    let case = found.cases.iter().find(|c| c.event.is_some()).expect("the line's case");
    assert_eq!((key(case), orig_port(&world, case)), (Some(Key::Learnt), Some(4004)));
}

#[test]
fn a_full_tuple_beats_a_flow_that_fits_the_time_better() {
    let late = stalled(flow("10.0.0.1:4005", "10.2.0.8:10250", 10.0, 14.0), "a.b.svc", 1);
    let near = stalled(flow("10.0.0.1:4006", "10.2.0.8:10250", 10.0, 15.0), "a.b.svc", 2);
    let line = from(within(event("io_timeout", "a.b.svc", 15.001), 10), "10.0.0.1:4005");
    let mut world = world(1, vec![late, near], vec![line]);
    let found = join(&mut world);
    assert_eq!((key(&found.cases[0]), orig_port(&world, &found.cases[0])), (Some(Key::Tuple), Some(4005)));
}

#[test]
fn a_full_tuple_is_found_behind_its_translation() {
    let near = stalled(flow("10.0.0.9:1024", "10.2.0.7:10250", 10.0, 15.0), "a.b.svc", 1);
    let other = stalled(flow("10.0.0.9:1025", "10.2.0.7:10250", 10.0, 15.0), "a.b.svc", 2);
    for (translated, wanted) in [("10.0.0.9:1024", 1024), ("10.0.0.9:1025", 1025)] {
        let line = within(event("io_timeout", "a.b.svc", 15.001), 10);
        let line = from(dialled(line, "10.96.0.9:443"), "10.0.0.1:4005");
        let mut world = world(1, vec![near.clone(), other.clone()], vec![line]);
        service(&mut world, ("b", "a"), "10.96.0.9", &["10.2.0.7:10250"]);
        world.cluster.translations.push(Translation {
            original: (addr("10.0.0.1:4005"), addr("10.96.0.9:443")),
            reply: (addr("10.2.0.7:10250"), addr(translated)),
            protocol: 6,
            unreplied: false,
            source: SourceIndex(0),
        });
        let found = join(&mut world);
        let case = found.cases.iter().find(|c| c.event.is_some()).expect("the line's case");
        assert_eq!((key(case), orig_port(&world, case)), (Some(Key::Tuple), Some(wanted)));
    }
}

#[test]
fn a_lookup_of_the_name_joins_by_its_name() {
    let failed = lookup("10.0.0.1:40001", "hook.example.com", 9.99, Some(3));
    let other = lookup("10.0.0.1:40002", "hook.example.org", 9.99, Some(3));
    let line = event("dns_no_such_host", "hook.example.com", 10.0);
    let mut world = world(1, vec![failed, other], vec![line]);
    let found = join(&mut world);
    let case = &found.cases[0];
    let ports: Vec<_> = case.flows.iter().map(|f| (world.flow(f.flow).orig.port(), f.role)).collect();
    assert_eq!((key(case), ports), (Some(Key::DnsName), vec![(40_001, Role::Lookup)]));
}

#[test]
fn a_client_hello_random_joins_two_captures_through_a_translation() {
    let near = stalled(flow("10.0.0.1:4010", "10.96.0.9:443", 10.0, 15.0), "a.b.svc", 7);
    let mut far = view(&near, 1, 0.0, 63);
    (far.orig, far.resp) = (addr("10.0.0.9:1024"), addr("10.2.0.8:10250"));
    let mut world = world(2, vec![near, far], Vec::new());
    let why: Vec<_> = super::counterparts(&world).iter().map(|c| c.2).collect();
    assert_eq!(why, ["client_hello_random"]);
    assert!(join(&mut world).cases.len() <= 1, "two halves are no two failures");
}

#[test]
fn a_hello_that_a_proxy_hands_on_is_a_connection_of_its_own() {
    let syn = |flow: &mut Conversation, isn: u32, stamp: u32| {
        let facts = flow.tcp.as_deref_mut().expect("a TCP flow");
        (facts.isn.orig, facts.options.orig.timestamp) = (Some(isn), Some(stamp));
    };
    let counterparts = |isn: u32, stamp: u32| {
        let mut near = stalled(flow("127.0.0.1:45594", "127.0.0.1:6443", 10.0, 15.0), "a.b.svc", 7);
        let mut far = stalled(flow("10.0.0.7:58614", "10.0.0.1:6443", 10.001, 15.0), "a.b.svc", 7);
        syn(&mut near, 1, 1);
        syn(&mut far, isn, stamp);
        super::counterparts(&world(1, vec![near, far], Vec::new())).len()
    };
    assert_eq!(counterparts(2, 2), 0, "a proxy's own SYN");
    assert_eq!(counterparts(1, 1), 1, "translated");
    assert_eq!(counterparts(2, 1), 1, "a firewall that gives other sequence numbers");
}

/// Refused dials to `resp` at these seconds.
fn refusals(resp: &str, seconds: &[f64]) -> Vec<Conversation> {
    let refusal = |(n, at): (usize, &f64)| {
        refused(flow(&format!("10.0.0.1:{}", 7000 + n), resp, *at, *at + 0.001), *at + 0.001)
    };
    seconds.iter().enumerate().map(refusal).collect()
}

#[test]
fn time_alone_joins_only_where_the_dials_to_one_unknown_address_fit_all_calls() {
    let lines = |seconds: &[f64]| {
        let line = |at: &f64| dialled(event("connection_refused", "10.96.0.9", *at + 0.003), "10.96.0.9:443");
        seconds.iter().map(line).collect::<Vec<_>>()
    };
    let calls = [5.0, 7.3, 11.9];
    let keys = |flows: Vec<Conversation>, lines: Vec<LogEvent>| {
        let mut world = world(1, flows, lines);
        let found = join(&mut world);
        found.cases.iter().filter(|c| c.event.is_some()).map(key).collect::<Vec<_>>()
    };
    let by_time = vec![Some(Key::Time); 3];
    assert_eq!(keys(refusals("10.2.0.7:8443", &calls), lines(&calls)), by_time);
    assert_eq!(
        keys(refusals("10.2.0.7:8443", &calls[..1]), lines(&calls[..1])),
        [None],
        "one call is chance"
    );
    assert_eq!(keys(refusals("10.2.0.7:8443", &[5.0, 8.0, 12.5]), lines(&calls)), [None; 3], "other times");
    let mut both = refusals("10.2.0.7:8443", &calls);
    both.extend(refusals("10.2.0.8:8443", &calls).into_iter().map(|mut f| {
        f.orig.set_port(f.orig.port() + 100);
        f
    }));
    assert_eq!(keys(both, lines(&calls)), [None; 3], "two addresses fit alike");
}

#[test]
fn a_map_of_another_moment_leaves_the_unknown_address_at_its_port() {
    let keys = |flows: Vec<Conversation>| {
        let line = dialled(event("connection_refused", "a.b.svc", 5.003), "10.96.0.9:443");
        let mut world = world(1, flows, vec![line]);
        service(&mut world, ("b", "a"), "10.96.0.9", &["10.2.0.7:10250"]);
        let found = join(&mut world);
        found.cases.iter().filter(|c| c.event.is_some()).map(key).collect::<Vec<_>>()
    };
    assert_eq!(keys(refusals("10.2.0.99:10250", &[5.0])), [Some(Key::Time)]);
    assert_eq!(keys(refusals("10.2.0.99:8080", &[5.0])), [None], "another port");
    let mut both = refusals("10.2.0.99:10250", &[5.0]);
    both.push(refused(flow("10.0.0.1:9000", "10.2.0.7:10250", 1.0, 1.001), 1.001));
    assert_eq!(keys(both), [None], "what the map knows is dialled");
}

#[test]
fn what_another_node_dialled_is_not_the_calls() {
    let keys = |host: &str| {
        let mut line = dialled(event("connection_refused", "a.b.svc", 5.002), "10.96.0.9:443");
        line.host = Some(host.into());
        let mut world = world(1, refusals("10.2.0.7:10250", &[5.0]), vec![line]);
        service(&mut world, ("b", "a"), "10.96.0.9", &["10.2.0.7:10250"]);
        for (name, ip) in [("cp-1", "10.0.0.1"), ("cp-2", "10.0.0.2")] {
            let ips = vec![ip.parse().expect("an address")];
            let node = Node { name: name.to_owned(), ips, kubelet: None, source: SourceIndex(0) };
            world.cluster.nodes.push(node);
        }
        let found = join(&mut world);
        let clock = found.log_clocks[0].pairs;
        (found.cases.iter().find(|c| c.event.is_some()).and_then(key), clock)
    };
    assert_eq!(keys("cp-1"), (Some(Key::NatMap), 1));
    assert_eq!(keys("cp-2"), (None, 0));
    assert_eq!(keys("elsewhere"), (Some(Key::NatMap), 1), "nothing is known of that host");
}

#[test]
fn equal_calls_are_assigned_one_to_one_in_order() {
    let flows = (0..5).map(|n| {
        let at = 5.0 + f64::from(n);
        refused(flow(&format!("10.0.0.1:{}", 5000 + n), "10.2.0.7:10250", at, at + 0.001), at + 0.001)
    });
    let lines = (0..5)
        .map(|n| dialled(event("connection_refused", "a.b.svc", 5.002 + f64::from(n)), "10.96.0.9:443"));
    let mut world = world(1, flows.collect(), lines.collect());
    service(&mut world, ("b", "a"), "10.96.0.9", &["10.2.0.7:10250"]);
    let found = join(&mut world);
    let ports: Vec<_> = found.cases.iter().map(|c| orig_port(&world, c)).collect();
    assert_eq!(ports, (5000..5005).map(Some).collect::<Vec<_>>());
}

#[test]
fn calls_in_quick_succession_keep_the_flow_that_ended_before_their_line() {
    let at = |n: usize| 5.0 + 0.045 * n as f64;
    let refusal = |n| refused(flow(&format!("10.0.0.1:{}", 5000 + n), "10.2.0.7:10250", at(n), at(n)), at(n));
    let line = |n| dialled(event("connection_refused", "a.b.svc", at(n) + 0.0005), "10.96.0.9:443");
    let mut world = world(1, (0..5).map(refusal).collect(), (0..5).map(line).collect());
    service(&mut world, ("b", "a"), "10.96.0.9", &["10.2.0.7:10250"]);
    let found = join(&mut world);
    let ports: Vec<_> = found.cases.iter().map(|c| orig_port(&world, c)).collect();
    assert_eq!(ports, (5000..5005).map(Some).collect::<Vec<_>>(), "the next call's flow is within the slack");
}

#[test]
fn a_packet_after_the_line_never_caused_it() {
    let later = refused(flow("10.0.0.1:4007", "10.2.0.7:10250", 9.0, 9.001), 9.001);
    let line = dialled(event("connection_refused", "a.b.svc", 5.0), "10.2.0.7:10250");
    let mut world = world(1, vec![later], vec![line]);
    let found = join(&mut world);
    let case = found.cases.iter().find(|c| c.event.is_some()).expect("the line's case");
    assert_eq!(orig_port(&world, case), None);
}

#[test]
fn unanswered_dials_fit_by_deadline_and_outlive_the_line_without_a_finding() {
    let dial = flow("10.0.0.1:4008", "10.2.0.7:10250", 10.0, 41.0);
    let left_over = flow("10.0.0.1:4009", "10.2.0.7:10250", 12.0, 43.0);
    let line = within(event("deadline_exceeded", "a.b.svc", 20.0), 10);
    let mut world = world(1, vec![dial, left_over], vec![line]);
    service(&mut world, ("b", "a"), "10.96.0.9", &["10.2.0.7:10250"]);
    let found = join(&mut world);
    assert_eq!(found.cases.len(), 1, "the other dial is left of the same failure");
    assert_eq!(orig_port(&world, &found.cases[0]), Some(4008));
}

#[test]
fn views_of_two_captures_are_one_connection_and_pair_their_clocks() {
    let near = stalled(flow("10.0.0.1:4010", "10.2.0.8:10250", 10.0, 15.0), "a.b.svc", 7);
    let far = view(&near, 1, 90.0, 63);
    let line = within(event("deadline_exceeded", "a.b.svc", 15.001), 5);
    let mut world = world(2, vec![near, far], vec![line]);
    let found = join(&mut world);
    assert_eq!(found.cases.len(), 1);
    let roles: Vec<_> = found.cases[0].flows.iter().map(|f| (world.flow(f.flow).capture.0, f.role)).collect();
    assert_eq!(roles, [(0, Role::Attempt), (1, Role::View)]);
    let offsets: Vec<_> =
        found.capture_clocks.iter().map(|c| c.offset.map(|o| o.as_secs_f64().round())).collect();
    assert_eq!(offsets, [Some(0.0), Some(90.0)]);
}

#[test]
fn a_second_capture_is_of_another_place_only_where_something_tells_so() {
    let near = flow("10.0.0.1:4010", "10.2.0.8:10250", 10.0, 13.0);
    let far = |ahead: f64, ttl: u8| view(&near, 1, ahead, ttl);
    let translated = |mut flow: Conversation| {
        flow.resp = addr("10.2.9.9:10250");
        flow
    };
    let rows = [
        ("a copy", far(0.0, 64), ["", ""], None),
        ("beside it", far(0.000_003, 64), ["", ""], None),
        ("two interfaces of a host", far(0.000_003, 64), ["cp-1", "cp-1"], None),
        ("a copy under another name", far(0.0, 64), ["cp-1", "old-cp-1"], None),
        ("a coarser copy under another name", far(0.000_000_9, 64), ["cp-1", "old-cp-1"], None),
        ("another host", far(0.000_3, 64), ["cp-1", "worker-1"], Some(true)),
        ("behind a router", far(0.0, 63), ["", ""], Some(true)),
        ("behind a router of the host", far(0.0, 63), ["cp-1", "cp-1"], Some(true)),
        ("behind a translation", translated(far(0.0, 64)), ["cp-1", "cp-1"], Some(true)),
    ];
    for (what, view, hosts, syn_at_far) in rows {
        let line = within(dialled(event("io_timeout", "a.b.svc", 15.0), "10.2.0.8:10250"), 5);
        let mut world = world(2, vec![near.clone(), view], vec![line]);
        for (capture, host) in world.wire.captures.iter_mut().zip(hosts) {
            capture.set.host = Some(host.to_owned()).filter(|h| !h.is_empty());
        }
        let found = join(&mut world);
        let case = found.cases.iter().find(|c| c.event.is_some()).expect("the line's case");
        assert_eq!(case.flows.len(), 2, "{what}");
        let views = &case.facts.views;
        let count = if syn_at_far.is_some() { 2 } else { 1 };
        assert_eq!((views.syn_at_far, views.count), (syn_at_far, count), "{what}");
    }
}

#[test]
fn a_zone_error_is_undone_and_a_clock_error_is_not_called_a_zone() {
    // five hours, Nepal's quarter to six, and two that no zone makes
    for (shift, zone) in [(-18_000.0, true), (20_700.0, true), (40.0, false), (1_200.0, false)] {
        let flows = (0..4).map(|n| {
            let at = 20_000.0 + 7.3 * f64::from(n * n);
            refused(flow(&format!("10.0.0.1:{}", 6000 + n), "10.2.0.7:10250", at, at + 0.001), at + 0.001)
        });
        let lines = (0..4).map(|n| {
            let at = 20_000.002 + 7.3 * f64::from(n * n) + shift;
            from(
                dialled(event("connection_refused", "a.b.svc", at), "10.2.0.7:10250"),
                &format!("10.0.0.1:{}", 6000 + n),
            )
        });
        let mut world = world(1, flows.collect(), lines.collect());
        let found = join(&mut world);
        assert!(found.cases.iter().all(|c| c.attempt().is_some()), "shift {shift}");
        let moved = world.logs.events[0].time.expect("a time") - sec(20_000.002 + shift);
        let wanted = TimeDelta::from_secs(if zone { -shift as i64 } else { 0 });
        assert_eq!(moved, wanted, "shift {shift}");
    }
}

#[test]
fn an_icmp_error_joins_a_refused_dial_of_a_service_without_endpoints() {
    let rejected = icmp(flow("10.0.0.1:4012", "10.96.0.9:443", 5.0, 5.0), 3, 3, 5.0001);
    let line = dialled(event("connection_refused", "a.b.svc", 5.001), "10.96.0.9:443");
    let mut world = world(1, vec![rejected], vec![line]);
    service(&mut world, ("b", "a"), "10.96.0.9", &[]);
    let found = join(&mut world);
    assert_eq!(orig_port(&world, &found.cases[0]), Some(4012));
    assert_eq!(found.cases[0].facts.neighbours.endpoints, Some(0));
    assert_eq!(found.cases[0].facts.cluster_ip_on_wire, Some(true));
}

#[test]
fn a_server_log_of_the_same_connection_is_an_echo() {
    let stall = stalled(flow("10.0.0.1:4013", "10.2.0.8:10250", 10.0, 15.0), "a.b.svc", 1);
    let line = within(event("deadline_exceeded", "a.b.svc", 15.001), 5);
    let server = server_event("eof", "10.0.0.1:4013", 15.002);
    let mut world = world(1, vec![stall], vec![line, server]);
    let found = join(&mut world);
    assert_eq!(found.cases.len(), 1);
    assert_eq!(found.cases[0].echoes, [1]);
}
