//! What another capture of a connection, or of its way, says of it.

use super::super::made::{addr, closed_by_peer, event, flow, join, sec, stalled, view, world};
use super::{dialled, from, within};
use crate::bundle::{InputReport, SourceIndex};
use crate::cluster::Pod;
use crate::correlate::World;
use crate::error::Place;
use crate::ingest::Conversation;

#[test]
fn views_that_show_other_syns_of_one_dial_are_one_connection() {
    let near = flow("10.0.0.1:4010", "10.2.0.8:10250", 10.0, 13.0);
    let stamped = |mut flow: Conversation, stamp: u32| {
        if let Some(tcp) = flow.tcp.as_deref_mut() {
            tcp.options.orig.timestamp = Some(stamp);
        }
        flow
    };
    for (stamp, there, linked) in
        [(5_000, 5_000, true), (5_000, 68_000, true), (u32::MAX, 62_999, true), (5_000, 500_000, false)]
    {
        let line = within(dialled(event("io_timeout", "a.b.svc", 15.0), "10.2.0.8:10250"), 5);
        let views = vec![stamped(near.clone(), stamp), stamped(view(&near, 1, 0.000_3, 63), there)];
        let found = join(&mut world(2, views, vec![line]));
        let case = found.cases.iter().find(|c| c.event.is_some()).expect("the line's case");
        assert_eq!(case.facts.views.syn_at_far.is_some(), linked, "{stamp} {there}");
    }
}

type Change = fn(&mut World);

#[test]
fn only_a_capture_on_the_way_that_lacks_nothing_proves_that_a_dial_was_dropped() {
    let dial = flow("10.0.0.1:4010", "10.2.0.8:10250", 10.0, 13.0);
    let other = |orig: &str, ttl: u8| {
        let mut flow = view(&stalled(flow(orig, "10.2.0.8:10250", 8.0, 14.5), "a.b.svc", 3), 1, 0.0, ttl);
        if let Some(tcp) = flow.tcp.as_deref_mut() {
            tcp.ttl.resp = Some(64);
        }
        flow
    };
    let own = || vec![other("10.0.0.1:5000", 64)];
    // a firewall wrote its sequence numbers anew
    let unlinked = || {
        let mut seen = view(&dial, 1, 0.000_3, 63);
        if let Some(tcp) = seen.tcp.as_deref_mut() {
            tcp.isn.orig = tcp.isn.orig.map(|isn| isn.wrapping_add(77_777));
        }
        [own(), vec![seen]].concat()
    };
    let rows: [(&str, Vec<Conversation>, Change, Option<bool>); 8] = [
        ("the caller's other connections", own(), |_| (), Some(true)),
        ("another host's own", vec![other("10.0.0.9:5000", 64)], |_| (), None),
        ("those that are routed to the server", vec![other("10.0.0.9:5000", 62)], |_| (), Some(true)),
        (
            "the server's node by name",
            vec![other("10.0.0.9:5000", 64)],
            |w| w.wire.captures[1].set.host = Some("worker-1".into()),
            Some(true),
        ),
        ("a file is missing", own(), |w| w.wire.captures[1].holes = vec![(sec(9.0), sec(12.0))], None),
        ("packets were dropped", own(), |w| w.wire.captures[1].drops = Some(3), None),
        ("the same ends", unlinked(), |_| (), Some(false)),
        (
            "frames cut within their headers",
            own(),
            |w| {
                let mut input = InputReport::new(SourceIndex(7));
                input.problems.note("cut_in_header", Place::Frame(1), String::new);
                w.wire.captures[1].set.files.push(input.source);
                w.wire.inputs.push(input);
            },
            None,
        ),
    ];
    for (what, shown, change, absent) in rows {
        let line = within(dialled(event("io_timeout", "a.b.svc", 15.0), "10.2.0.8:10250"), 5);
        let mut world = world(2, [vec![dial.clone()], shown].concat(), vec![line]);
        let pod =
            Pod { node: Some("worker-1".into()), ips: vec![addr("10.2.0.8:1").ip()], ..Default::default() };
        world.cluster.pods.push(pod);
        change(&mut world);
        let found = join(&mut world);
        let case = found.cases.iter().find(|c| c.event.is_some()).expect("the line's case");
        assert_eq!(case.facts.views.absent_at_far, absent, "{what}");
    }
}

#[test]
fn a_connection_from_another_port_is_none_of_a_line_that_names_its_own() {
    let rows = [("10.0.0.1:4010", true), ("10.0.0.1:4011", false), ("10.9.9.9:4011", true)];
    for (source, joined) in rows {
        let mut closed = stalled(flow("10.0.0.1:4010", "10.2.0.8:10250", 10.0, 10.3), "a.b.svc", 3);
        closed_by_peer(&mut closed, 10.299);
        let line = from(event("eof", "a.b.svc", 10.3), source);
        let found = join(&mut world(1, vec![closed], vec![line]));
        let case = found.cases.iter().find(|c| c.event.is_some()).expect("the line's case");
        assert_eq!(case.attempt().is_some(), joined, "{source}");
    }
}
