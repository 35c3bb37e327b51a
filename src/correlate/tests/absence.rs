//! What silence proves: no packet is evidence only where one would have been seen.

use super::super::made::{addr, event, flow, join, refused, service, used, world};
use super::{dialled, within};
use crate::correlate::{Coverage, World, endings};
use crate::ingest::Conversation;

#[test]
fn silence_of_a_capture_that_spans_nothing_is_no_evidence() {
    let line = dialled(event("connection_refused", "a.b.svc", 2000.0), "10.96.0.9:443");
    let mut world = world(1, vec![flow("10.0.0.1:1", "10.9.9.9:80", 1.0, 2.0)], vec![line]);
    let found = join(&mut world);
    let case = found.cases.iter().find(|c| c.event.is_some()).expect("the line's case");
    assert_eq!(case.coverage.time_span, Some(false));
    assert!(case.coverage.missing.iter().any(|m| m.what == "time_span" && m.command.is_some()));
}

#[test]
fn a_line_without_a_time_says_nothing_of_what_captures_span() {
    let mut line = dialled(event("connection_refused", "a.b.svc", 5.0), "10.96.0.9:443");
    line.time = None;
    let mut world = world(1, vec![flow("10.0.0.1:1", "10.9.9.9:80", 1.0, 2.0)], vec![line]);
    let found = join(&mut world);
    let case = found.cases.iter().find(|c| c.event.is_some()).expect("the line's case");
    assert_eq!(case.coverage.time_span, None);
    let missing: Vec<_> = case.coverage.missing.iter().map(|m| (m.what, &*m.detail)).collect();
    assert!(missing.contains(&("time_span", "the time of the line was not read")), "{missing:?}");
}

#[test]
fn a_call_that_sends_no_packet_lacks_none() {
    let other = refused(flow("10.0.0.1:1", "10.96.0.9:443", 4.9, 5.0), 5.0);
    let line = dialled(event("cannot_assign_address", "a.b.svc", 5.0), "10.96.0.9:443");
    let mut world = world(1, vec![other], vec![line]);
    let found = join(&mut world);
    let case = found.cases.iter().find(|c| c.event.is_some()).expect("the line's case");
    assert_eq!((case.attempt(), case.coverage.missing.len()), (None, 0));
}

#[test]
fn a_capture_taken_elsewhere_is_not_the_place() {
    let other = refused(flow("10.7.7.7:1", "10.9.9.9:443", 4.0, 4.1), 4.1);
    let mut line = dialled(event("connection_reset", "a.b.svc", 5.0), "10.96.0.9:443");
    line.fields.source = Some(addr("10.0.0.1:4011"));
    let mut world = world(1, vec![other], vec![line]);
    let found = join(&mut world);
    let case = found.cases.iter().find(|c| c.event.is_some()).expect("the line's case");
    assert_eq!((case.coverage.time_span, case.coverage.place), (Some(true), Some(false)));
}

/// A worker's capture shows what its kubelet says to the API server, and nothing of what that dials elsewhere.
#[test]
fn a_capture_that_shows_the_callers_host_only_as_a_server_is_not_the_place() {
    let mut line = dialled(event("connection_reset", "a.b.svc", 5.0), "10.96.0.9:443");
    line.fields.source = Some(addr("10.0.0.1:4011"));
    for (orig, resp, place) in
        [("10.0.1.1:1", "10.0.0.1:6443", Some(false)), ("10.0.0.1:1", "10.0.1.1:10250", Some(true))]
    {
        let other = refused(flow(orig, resp, 4.0, 4.1), 4.1);
        let found = join(&mut world(1, vec![other], vec![line.clone()]));
        let case = found.cases.iter().find(|c| c.event.is_some()).expect("the line's case");
        assert_eq!((case.coverage.time_span, case.coverage.place), (Some(true), place), "{orig}");
    }
}

/// Where no line, object or flow tells the caller's host, no capture is known to be in its place.
#[test]
fn the_place_of_an_unknown_caller_is_not_known() {
    let other = refused(flow("10.7.7.7:1", "10.9.9.9:443", 4.0, 4.1), 4.1);
    let mut line = dialled(event("connection_refused", "a.b.svc", 5.0), "10.96.0.9:443");
    line.host = None;
    let found = join(&mut world(1, vec![other], vec![line]));
    let case = found.cases.iter().find(|c| c.event.is_some()).expect("the line's case");
    assert_eq!((case.attempt(), case.coverage.time_span, case.coverage.place), (None, Some(true), None));
}

/// Coverage of a refused dial to 10.96.0.9:443 at second 5 of which no packet is in the capture.
fn coverage(flows: Vec<Conversation>, change: impl Fn(&mut World)) -> Coverage {
    let mut line = dialled(event("connection_refused", "a.b.svc", 5.0), "10.96.0.9:443");
    line.fields.source = Some(addr("10.0.0.1:4011"));
    let mut world = world(1, flows, vec![line]);
    service(&mut world, ("b", "a"), "10.96.0.9", &["10.2.0.7:10250"]);
    change(&mut world);
    let found = join(&mut world);
    found.cases.into_iter().find(|c| c.event.is_some()).expect("the line's case").coverage
}

#[test]
fn each_reason_why_absence_proves_nothing_is_found() {
    let here = || refused(flow("10.0.0.1:1", "10.2.0.7:10250", 1.0, 1.1), 1.1);
    let whole = coverage(vec![here()], |_| {});
    let known = [whole.time_span, whole.place, whole.address, whole.both_directions, whole.no_drops];
    assert_eq!(known, [Some(true); 5], "{whole:?}");
    assert_eq!(whole.missing.iter().map(|m| m.what).collect::<Vec<_>>(), ["flow"]);

    let elsewhere = coverage(vec![refused(flow("10.7.7.7:1", "10.2.0.7:10250", 1.0, 1.1), 1.1)], |_| {});
    assert_eq!(elsewhere.place, Some(false));
    let filtered = coverage(vec![refused(flow("10.0.0.1:1", "10.9.9.9:80", 1.0, 1.1), 1.1)], |_| {});
    assert_eq!((filtered.place, filtered.address), (Some(true), Some(false)));
    let one_way = coverage(vec![flow("10.0.0.1:1", "10.2.0.7:10250", 1.0, 1.1)], |_| {});
    assert_eq!(one_way.both_directions, Some(false));
    let dropped = coverage(vec![here()], |w| w.wire.captures[0].drops = Some(7));
    assert_eq!(dropped.no_drops, Some(false));
    let perhaps = coverage(vec![here()], |w| w.wire.captures[0].ack_lost_segments = 3);
    assert_eq!(perhaps.no_drops, None, "segments that nobody saw: drops are likely, not known");
    let none = coverage(Vec::new(), |w| w.wire.captures.clear());
    assert_eq!(none.time_span, Some(false));
    let each = [
        (elsewhere, "place"),
        (filtered, "address"),
        (one_way, "both_directions"),
        (dropped, "no_drops"),
        (none, "time_span"),
    ];
    for (coverage, what) in each {
        let missing: Vec<&str> = coverage.missing.iter().map(|m| m.what).collect();
        assert_eq!(missing, [what, "flow"], "{coverage:?}");
        let command = coverage.missing[0].command.as_deref().expect("a command that settles it");
        let whole = "tcpdump -i any -s 0 -C 200 -W 10 -w /var/tmp/apiserver.pcap 'host 10.2.0.7 or host 10.96.0.9 or icmp'";
        assert!(command.starts_with(whole), "{command}");
    }
}

/// A refusal comes within two seconds of its dial; a call that waits is on the wire from its beginning.
/// On a node that encrypts what pods are sent, the capture shows the host's own connections only.
#[test]
fn what_may_be_within_encrypted_packets_is_not_absent() {
    for (shown, place) in [("10.2.0.7:10250", Some(true)), ("10.9.9.9:80", Some(false))] {
        let found = coverage(vec![refused(flow("10.0.0.1:1", shown, 1.0, 1.1), 1.1)], |world| {
            world.wire.captures[0].encrypted = 400;
        });
        assert_eq!(found.place, place, "a target that is seen in the clear is not encrypted: {shown}");
        let lacks = found.missing.last().expect("packets");
        assert!(lacks.detail.contains("400 packets are encrypted"), "{lacks:?}");
    }
}

#[test]
fn a_capture_that_begins_amid_a_call_does_not_span_it() {
    let here = || refused(flow("10.0.0.1:1", "10.2.0.7:10250", 1.0, 1.1), 1.1);
    for (first, last, spans) in
        [(0.0, 1000.0, true), (2.9, 4.1, true), (3.1, 1000.0, false), (6.0, 1000.0, false), (0.0, 3.9, false)]
    {
        let found = coverage(vec![here()], |world| {
            let capture = &mut world.wire.captures[0];
            (capture.first, capture.last) = (Some(super::sec(first)), Some(super::sec(last)));
        });
        assert_eq!(found.time_span, Some(spans), "a dial at 5 s, a capture from {first} to {last} s");
    }
    for (first, spans) in [(9.0, true), (15.0, false), (19.0, false)] {
        let mut line = within(event("deadline_exceeded", "a.b.svc", 20.0), 10);
        line.fields.source = Some(addr("10.0.0.1:4011"));
        let mut world = world(1, vec![here()], vec![line]);
        service(&mut world, ("b", "a"), "10.96.0.9", &["10.2.0.7:10250"]);
        world.wire.captures[0].first = Some(super::sec(first));
        let found = join(&mut world);
        let case = found.cases.iter().find(|c| c.event.is_some()).expect("the line's case");
        assert_eq!(case.coverage.time_span, Some(spans), "a call from 10 to 20 s, a capture from {first} s");
    }
}

#[test]
fn the_time_of_a_missing_file_is_not_spanned() {
    let here = || refused(flow("10.0.0.1:1", "10.2.0.7:10250", 1.0, 1.1), 1.1);
    for (from, to, spans) in [(4.5, 4.7, false), (2.0, 3.5, false), (1.0, 2.0, true), (5.1, 9.0, true)] {
        let found = coverage(vec![here()], |world| {
            world.wire.captures[0].holes =
                vec![(super::sec(0.2), super::sec(0.4)), (super::sec(from), super::sec(to))];
        });
        assert_eq!(found.time_span, Some(spans), "a dial at 5 s, no frames from {from} to {to} s");
        let named = found.missing.iter().any(|m| m.detail.contains("a file of a rotated capture"));
        assert_eq!(named, !spans);
    }
}

#[test]
fn an_end_in_a_missing_file_is_not_shown() {
    for (holes, shown) in [(vec![], true), (vec![(5.5, 9.0)], false), (vec![(1.0, 4.0), (21.0, 30.0)], true)]
    {
        let mut line = within(event("deadline_exceeded", "a.b.svc", 20.0), 18);
        line.fields.source = Some(addr("10.0.0.1:4008"));
        let mut world = world(1, vec![flow("10.0.0.1:4008", "10.2.0.7:10250", 5.0, 5.5)], vec![line]);
        service(&mut world, ("b", "a"), "10.96.0.9", &["10.2.0.7:10250"]);
        world.wire.captures[0].holes = holes.iter().map(|(a, b)| (super::sec(*a), super::sec(*b))).collect();
        let found = join(&mut world);
        let case = found.cases.iter().find(|c| c.event.is_some()).expect("the line's case");
        assert!(case.attempt().is_some());
        assert_eq!(case.coverage.time_span, Some(shown), "{holes:?}");
        assert_eq!(case.facts.capture_ends_first, Some(!shown), "{holes:?}");
    }
}

#[test]
fn a_dial_that_the_capture_may_have_missed_the_start_of_has_no_known_length() {
    for (begun, known) in [(0.0, true), (12.0, false)] {
        let dial = flow("10.0.0.1:4008", "10.2.0.7:10250", 15.0, 41.0);
        let line = within(event("deadline_exceeded", "a.b.svc", 20.0), 10);
        let mut world = world(1, vec![dial], vec![line]);
        service(&mut world, ("b", "a"), "10.96.0.9", &["10.2.0.7:10250"]);
        world.wire.captures[0].first = Some(super::sec(begun));
        let found = join(&mut world);
        assert!(found.cases[0].attempt().is_some());
        assert_eq!(found.cases[0].facts.elapsed.is_some(), known, "capture from {begun} s");
    }
}

#[test]
fn sources_that_disagree_are_said_once_for_each_pair_of_files() {
    use crate::bundle::SourceIndex;
    use crate::cluster::Conflict;
    let mut world = world(1, Vec::new(), Vec::new());
    let conflict =
        |text: &str, other| Conflict { text: text.into(), sources: vec![SourceIndex(1), SourceIndex(other)] };
    world.cluster.conflicts = vec![conflict("a", 2), conflict("b", 2), conflict("c", 3)];
    let found = join(&mut world);
    let said = found.anomalies.iter().filter(|a| a.kind == "sources_disagree");
    let said: Vec<_> = said.map(|a| (a.count, a.text.as_str())).collect();
    assert_eq!(said, [(2, "a; and 1 more between these files"), (1, "c")]);
}

#[test]
fn the_port_of_a_virtual_address_is_no_packet_of_the_target() {
    for other in ["10.9.9.9:443", "10.96.0.9:443"] {
        let found = coverage(vec![refused(flow("10.0.0.1:1", other, 1.0, 1.1), 1.1)], |_| {});
        assert_eq!((found.place, found.address), (Some(true), Some(false)), "a flow to {other}");
    }
}

#[test]
fn a_dial_to_an_unknown_address_is_not_passed_over() {
    let known = || refused(flow("10.0.0.1:1", "10.2.0.7:10250", 1.0, 1.1), 1.1);
    let dial = |orig: &str, resp: &str, at| refused(flow(orig, resp, at, at + 0.1), at + 0.1);
    let address = |other| coverage(vec![known(), other], |_| {}).address;
    assert_eq!(address(dial("10.0.0.1:2", "10.2.0.99:10250", 4.5)), Some(false));
    assert_eq!(address(dial("10.0.0.1:2", "10.2.0.99:8080", 4.5)), Some(true), "another port");
    assert_eq!(address(dial("10.7.7.7:2", "10.2.0.99:10250", 4.5)), Some(true), "another caller");
    assert_eq!(address(dial("10.0.0.1:2", "10.2.0.99:10250", 400.0)), Some(true), "another time");
    let found = coverage(vec![known(), dial("10.0.0.1:2", "10.2.0.99:10250", 4.5)], |_| {});
    assert!(found.missing[0].detail.contains("10.2.0.99:10250"), "{found:?}");
}

#[test]
fn what_other_endpoints_did_counts_within_a_minute() {
    let ok = |at: f64, last: f64| {
        let dial = refused(flow("10.0.0.1:4001", "10.2.0.7:10250", 5.0, 5.001), 5.001);
        let mut served = flow("10.0.0.1:4002", "10.2.0.8:10250", at, last);
        (served.bytes.resp, served.packets.resp) = (100, 3);
        let line = dialled(event("connection_refused", "a.b.svc", 5.002), "10.96.0.9:443");
        let mut world = world(1, vec![dial, served], vec![line]);
        service(&mut world, ("b", "a"), "10.96.0.9", &["10.2.0.7:10250", "10.2.0.8:10250"]);
        let found = join(&mut world);
        let case = found.cases.iter().find(|c| c.event.is_some()).expect("the line's case");
        case.facts.neighbours.other_endpoints_ok
    };
    assert_eq!([ok(30.0, 30.1), ok(1800.0, 1800.1), ok(2.0, 1800.0)], [1, 0, 1]);
}

/// What is forged is nobody's word; of what is cut within its headers nothing is known.
#[test]
fn only_what_is_known_to_be_forged_is_not_heard() {
    let heard = |synacks: u32, taken: bool| {
        let mut dial = flow("10.0.0.1:4001", "10.2.0.7:10250", 5.0, 5.1);
        dial.packets.resp = 1;
        let tcp = dial.tcp.as_deref_mut().expect("TCP");
        tcp.synack.resp = synacks;
        tcp.synack_times.extend(taken.then_some(dial.first));
        !endings::is_silent(&dial)
    };
    assert_eq!([heard(1, true), heard(1, false), heard(0, false)], [true, false, true]);
}

/// Anybody may name a Service in a ClientHello to a server of his own; and what a ClusterIP leads to is no further server.
#[test]
fn what_others_call_an_endpoint_is_none() {
    let ok = |mapped: bool, (orig, resp): (&str, &str)| {
        let dial = refused(flow("10.0.0.1:4001", "10.2.0.7:10250", 5.0, 5.001), 5.001);
        let served = used(flow(orig, resp, 2.0, 3.0), "a.b.svc", "http/1.1", &[]);
        let to = if mapped { "10.96.0.9:443" } else { "10.2.0.7:10250" };
        let line = dialled(event("connection_refused", "a.b.svc", 5.002), to);
        let mut world = world(1, vec![dial, served], vec![line]);
        if mapped {
            service(&mut world, ("b", "a"), "10.96.0.9", &["10.2.0.7:10250", "10.2.0.8:10250"]);
            service(&mut world, ("b", "of-another-cluster"), "10.96.0.9", &["10.2.0.67:10250"]);
        }
        let found = join(&mut world);
        let case = found.cases.iter().find(|c| c.event.is_some()).expect("the line's case");
        case.facts.neighbours.other_endpoints_ok
    };
    for (what, mapped, ends, counted) in [
        ("an endpoint", true, ("10.0.0.9:4002", "10.2.0.8:10250"), 1),
        ("no endpoint", true, ("10.0.0.9:4002", "10.2.0.66:10250"), 0),
        ("what the address leads to elsewhere", true, ("10.0.0.1:4002", "10.2.0.67:10250"), 0),
        ("the Service", true, ("10.0.0.9:4002", "10.96.0.9:443"), 0),
        ("what another called", false, ("10.0.0.9:4002", "10.2.0.66:10250"), 0),
        ("what the caller called", false, ("10.0.0.1:4002", "10.2.0.8:10250"), 1),
    ] {
        assert_eq!(ok(mapped, ends), counted, "{what}");
    }
}
