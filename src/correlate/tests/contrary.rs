//! Lines that say that a dial failed which the wire shows answered.

use super::super::made::{event, flow, join, refused, server_event, service, stalled, used, world};
use super::{dialled, orig_port, within};
use crate::correlate::World;
use crate::flow::Dir::{Orig, Resp};
use crate::ingest::Conversation;
use crate::log::LogEvent;

/// Near ports of the connections that these lines are said to be about.
fn ports(flows: Vec<Conversation>, lines: Vec<LogEvent>) -> Vec<Option<u16>> {
    let mut world: World = world(1, flows, lines);
    service(&mut world, ("b", "a"), "10.96.0.9", &["10.2.0.7:443", "10.2.0.8:443"]);
    let found = join(&mut world);
    found.cases.iter().filter(|c| c.event.is_some()).map(|c| orig_port(&world, c)).collect()
}

fn line(at: f64) -> LogEvent {
    within(dialled(event("connection_refused", "a.b.svc", at), "10.96.0.9:443"), 5)
}

fn answered(port: u16, start: f64) -> Conversation {
    stalled(flow(&format!("10.0.0.1:{port}"), "10.2.0.7:443", start, start + 5.0), "a.b.svc", 1)
}

#[test]
fn a_dial_that_was_answered_is_shown_beside_the_line() {
    assert_eq!(ports(vec![answered(4001, 5.0)], vec![line(10.0)]), [Some(4001)]);
    let after = |seconds: f64| ports(vec![answered(4001, 5.0)], vec![line(5.0 + seconds)]);
    assert_eq!(after(-0.2), [None], "it began after the line");
    assert_eq!(after(7.0), [None], "it began before the call");
}

#[test]
fn a_dial_that_was_refused_comes_first() {
    let refusal = refused(flow("10.0.0.1:4002", "10.2.0.8:443", 9.99, 9.995), 9.995);
    assert_eq!(ports(vec![answered(4001, 5.0), refusal], vec![line(10.0)]), [Some(4002)]);
}

#[test]
fn a_connection_is_shown_beside_one_line_only() {
    let told = ports(vec![answered(4001, 5.0)], vec![line(9.9), line(10.0)]);
    assert_eq!(told.iter().flatten().count(), 1);
    let timeout = within(event("deadline_exceeded", "a.b.svc", 10.001), 5);
    assert_eq!(ports(vec![answered(4001, 5.0)], vec![line(9.9), timeout]), [None, Some(4001)]);
}

#[test]
fn what_the_server_says_of_the_connection_is_the_same_call() {
    let server = server_event("eof", "10.0.0.1:4001", 12.0);
    assert_eq!(ports(vec![answered(4001, 5.0)], vec![line(10.0), server]), [Some(4001)]);
}

#[test]
fn a_call_that_was_served_is_another() {
    let bursts = [(Orig, 5.1, 900), (Resp, 5.2, 500)];
    let served = used(flow("10.0.0.1:4001", "10.2.0.7:443", 5.0, 9.0), "a.b.svc", "h2", &bursts);
    assert_eq!(ports(vec![served], vec![line(6.0)]), [None]);
}

#[test]
fn what_another_host_dialled_is_not_the_calls() {
    let mut own = line(10.0);
    own.fields.source = Some("10.0.0.9:4000".parse().expect("an address"));
    assert_eq!(ports(vec![answered(4001, 5.0)], vec![own]), [None]);
}
