//! Crafted bundles cost what their size is, and not its square: flows that are unpacked are counted.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::super::made::{event, flow, join, lookup, refused, sec, server_event, stalled, world};
use super::{dialled, from, within};
use crate::correlate::wire::MAX_WIRE_CASES;
use crate::correlate::{Case, Role, World};
use crate::ingest::Conversation;
use crate::time::TimeDelta;
use crate::tls::Certificate;

/// Flows unpacked to join so many failures.
fn reads(n: u32, made: &impl Fn(u32) -> World) -> u64 {
    let mut world = made(n);
    assert!(!join(&mut world).cases.is_empty());
    world.wire.flows.reads.load(Ordering::Relaxed)
}

/// Twice the input is twice the work.
fn is_linear(made: impl Fn(u32) -> World) {
    let (once, twice) = (reads(400, &made), reads(800, &made));
    assert!(twice * 10 <= once * 23, "{once} flows unpacked for 400 failures, {twice} for 800");
}

/// Second in which failure `n` of `all` ended.
fn within_a_second(n: u32, all: u32) -> f64 {
    100.0 + f64::from(n) / f64::from(all)
}

fn port(n: u32) -> String {
    format!("10.0.{}.{}:{}", n / 250, n % 250 + 1, 20_000 + n)
}

#[test]
fn failures_of_one_second_to_one_address() {
    is_linear(|all| {
        let ends = |n| within_a_second(n, all);
        let dials = (0..all).map(|n| refused(flow(&port(n), "10.2.0.8:443", ends(n), ends(n)), ends(n)));
        let line = |n| dialled(event("connection_refused", "a.b.svc", ends(n) + 0.0001), "10.2.0.8:443");
        world(1, dials.collect(), (0..all).map(line).collect())
    });
}

/// Each has its own, though its line has more connections beside it than are looked at first.
#[test]
fn calls_that_fail_in_one_moment_have_a_connection_each() {
    let ends = |n: u32| 100.0 + f64::from(n) * 1e-5;
    let dials = (0..100).map(|n| refused(flow(&port(n), "10.2.0.8:443", ends(n), ends(n)), ends(n)));
    let line = |_| dialled(event("connection_refused", "a.b.svc", 100.0015), "10.2.0.8:443");
    let joined = join(&mut world(1, dials.collect(), (0..100).map(line).collect()));
    let flows: Vec<_> = joined.cases.iter().map(|case| case.flows.len()).collect();
    assert_eq!(flows, [1; 100]);
    let attempts: std::collections::BTreeSet<_> = joined.cases.iter().filter_map(Case::attempt).collect();
    assert_eq!(attempts.len(), 100);
}

/// Another host that fails alike made no part of this call.
#[test]
fn parallel_attempts_are_of_one_caller() {
    let dial = |orig: &str, at| refused(flow(orig, "10.2.0.8:443", at, at), at);
    let dials = vec![dial("10.0.0.1:5000", 100.0), dial("10.0.0.1:5001", 99.9), dial("10.0.0.2:5002", 99.95)];
    let line = dialled(event("connection_refused", "a.b.svc", 100.001), "10.2.0.8:443");
    let mut world = world(1, dials, vec![line]);
    let joined = join(&mut world);
    let case = joined.cases.iter().find(|c| c.event.is_some()).expect("the call");
    let callers: Vec<_> = case.flows.iter().map(|f| world.flow(f.flow).orig.to_string()).collect();
    assert_eq!(callers, ["10.0.0.1:5000", "10.0.0.1:5001"]);
}

#[test]
fn every_call_with_a_deadline_of_its_own() {
    is_linear(|all| {
        let ends = |n| within_a_second(n, all);
        let stalls = (0..all).map(|n| stalled(flow(&port(n), "10.2.0.8:443", 50.0, ends(n)), "a.b.svc", 1));
        let line = |n: u32| within(event("deadline_exceeded", "a.b.svc", ends(n)), 50 + i64::from(n));
        world(1, stalls.collect(), (0..all).map(line).collect())
    });
}

#[test]
fn servers_that_tell_of_every_call() {
    is_linear(|all| {
        let ends = |n| within_a_second(n, all);
        let stalls = (0..all).map(|n| stalled(flow(&port(n), "10.2.0.8:443", 90.0, ends(n)), "a.b.svc", 1));
        let lines = (0..all).flat_map(|n| {
            let mut server = server_event("eof", &port(n), ends(n));
            server.pod = Some("b/a-1".into());
            [within(event("deadline_exceeded", "a.b.svc", ends(n)), 10), server]
        });
        world(1, stalls.collect(), lines.collect())
    });
}

#[test]
fn every_call_to_a_name_of_its_own_that_leads_to_one_address() {
    is_linear(|all| {
        let ends = |n| within_a_second(n, all);
        let dials = (0..all).map(|n| refused(flow(&port(n), "10.2.0.8:443", ends(n), ends(n)), ends(n)));
        let line = |n| {
            let host = format!("a{n}.b.svc");
            dialled(event("connection_refused", &host, ends(n) + 0.0001), "10.2.0.8:443")
        };
        world(1, dials.collect(), (0..all).map(line).collect())
    });
}

#[test]
fn every_call_to_a_name_of_its_own_that_flows_to_one_address_carried() {
    is_linear(|all| {
        let ends = |n| within_a_second(n, all);
        let host = |n: u32| format!("a{}.b.svc", n % (all / 4));
        let stalls = (0..all).map(|n| stalled(flow(&port(n), "10.2.0.8:443", 90.0, ends(n)), &host(n), 1));
        let line = |n: u32| within(event("deadline_exceeded", &host(n), ends(n)), 10);
        world(1, stalls.collect(), (0..all).map(line).collect())
    });
}

/// A client binds its port: one source has many connections, and many lines.
#[test]
fn connections_of_one_source_and_lines_that_name_it() {
    let dials = |all: u32| {
        let at = move |n: u32| 100.0 + f64::from(n) * 0.01;
        let dial =
            move |n| refused(flow("10.0.0.1:40000", "10.2.0.8:443", at(n), at(n) + 0.001), at(n) + 0.001);
        ((0..all).map(dial).collect::<Vec<_>>(), (0..all).map(move |n| at(n) + 0.002))
    };
    is_linear(|all| {
        let (dials, lines) = dials(all);
        world(1, dials, lines.map(|at| server_event("eof", "10.0.0.1:40000", at)).collect())
    });
    is_linear(|all| {
        let (dials, lines) = dials(all);
        let line = |at| from(event("connection_reset", "a.b.svc", at), "10.0.0.1:40000");
        world(1, dials, lines.map(line).collect())
    });
}

/// Each has the connection that ended next to its line.
#[test]
fn lines_of_one_source_have_a_connection_each() {
    let at = |n: u32| 100.0 + f64::from(n) * 0.1;
    let dial = |n| refused(flow("10.0.0.1:40000", "10.2.0.8:443", at(n), at(n) + 0.001), at(n) + 0.001);
    let line = |n| {
        from(dialled(event("connection_refused", "a.b.svc", at(n) + 0.002), "10.2.0.8:443"), "10.0.0.1:40000")
    };
    let joined = join(&mut world(1, (0..700).map(dial).collect(), (0..700).map(line).collect()));
    let attempts: Vec<_> = joined.cases.iter().filter_map(Case::attempt).map(|flow| flow.0).collect();
    assert_eq!(attempts, (0..700).collect::<Vec<_>>());
}

#[test]
fn lookups_of_one_name_and_calls_that_need_it() {
    let name = "a.example.com";
    let at = |n: u32| 100.0 + f64::from(n) * 0.01;
    is_linear(|all| {
        let lookups = (0..all).map(|n| lookup(&port(n), name, at(n), None));
        world(1, lookups.collect(), (0..all).map(|n| event("deadline_exceeded", name, at(n))).collect())
    });
}

/// Found by time they are the same as those that a look at each of them finds.
#[test]
fn the_lookups_of_a_call_are_the_last_before_its_line() {
    let name = "a.example.com";
    let start = |n: u32| 100.0 + f64::from(n * 7 % 120) * 0.5;
    let client = |n: u32| format!("10.0.0.{}:{}", 1 + n / 5 % 3, 4000 + n % 4);
    let lookups: Vec<Conversation> = (0..120).map(|n| lookup(&client(n), name, start(n), None)).collect();
    for (second, deadline) in [(99, 5), (101, 2), (110, 5), (130, 1), (150, 30), (200, 60)] {
        for source in [None, Some("10.0.0.1:4001"), Some("10.0.0.2:4003"), Some("10.0.9.9:4000")] {
            let line = within(event("deadline_exceeded", name, f64::from(second) + 0.001), deadline);
            let line = source.map_or_else(|| line.clone(), |s| from(line.clone(), s));
            let source = line.fields.source;
            let mut world = world(1, lookups.clone(), vec![line]);
            let (to, from) = (sec(f64::from(second) + 0.051), sec(f64::from(second) - 0.049));
            let mut meant: Vec<_> = world.wire.flows.iter().map(|f| (f.first.time, f.orig)).collect();
            meant.retain(|(t, client)| {
                let exact = source.is_none_or(|s| s == *client || s.ip() != client.ip());
                exact && *t <= to && *t >= from - TimeDelta::from_secs(deadline)
            });
            meant.sort_by_key(|(time, _)| std::cmp::Reverse(*time));
            meant.truncate(6);
            let joined = join(&mut world);
            let found = joined.cases[0].flows.iter().filter(|f| f.role == Role::Lookup);
            let found: Vec<_> = found.map(|f| world.flow(f.flow)).map(|f| (f.first.time, f.orig)).collect();
            assert_eq!(found, meant, "{second} {source:?}");
        }
    }
}

#[test]
fn failures_whose_certificates_are_too_large_to_judge_are_counted() {
    let large = Certificate { sans: vec!["a".repeat(60_000); 1800], ..Certificate::default() };
    let large = Arc::new(large);
    let flows = (0..4).map(|n| {
        let at = 100.0 + f64::from(n);
        let mut flow =
            stalled(flow(&format!("10.0.0.1:{}", 4001 + n), "10.2.0.8:443", at, at), "a.b.svc", n as u8);
        flow.app.session.tls.as_deref_mut().expect("TLS").certificates = vec![Arc::clone(&large)];
        flow
    });
    let found = join(&mut world(1, flows.collect(), Vec::new()));
    let left = found.anomalies.iter().find(|a| a.kind == "not_judged").expect("it is said");
    assert_eq!((found.cases.len(), left.count), (2, 2));
}

#[test]
fn failures_that_are_too_many_to_judge_are_counted() {
    let all = MAX_WIRE_CASES as u32 + 7;
    let address = |n: u32| format!("10.{}.{}.{}:4001", n / 62_500, n / 250 % 250, n % 250 + 1);
    let at = |n| 100.0 + 0.01 * f64::from(n);
    // each to an address of its own: what others to the same address did is looked at for each
    let dials = (0..all).map(|n| refused(flow("10.0.0.1:4001", &address(n), at(n), at(n)), at(n)));
    let found = join(&mut world(1, dials.collect(), Vec::new()));
    assert_eq!(found.cases.len(), MAX_WIRE_CASES);
    let left = found.anomalies.iter().find(|a| a.kind == "not_judged").expect("it is said");
    assert_eq!(left.count, 7);
    assert!(left.text.starts_with("7 more connections failed that no log line tells of"), "{}", left.text);
}
