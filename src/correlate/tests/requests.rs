//! Calls on connections that carried others before, and live on: one in use is neither new nor closed.

use super::super::made::{dead, event, flow, join, sec, service, used, world};
use super::{key, orig_port, within};
use crate::correlate::{Case, Key, World};
use crate::flow::Dir::{Orig, Resp};
use crate::flow::Moment;
use crate::log::LogEvent;

const NAME: &str = "a.b.svc";

/// The case of one line about a connection that lasts from second 0 to 900 and carries these bursts.
fn case_of(line: LogEvent, bursts: &[Sent]) -> (World, Case) {
    let connection = used(flow("10.0.0.1:4020", "10.2.0.8:10250", 0.0, 900.0), NAME, "h2", bursts);
    let mut world = world(1, vec![connection], vec![line]);
    let mut found = join(&mut world);
    let place = found.cases.iter().position(|c| c.event.is_some()).expect("the line's case");
    (world, found.cases.swap_remove(place))
}

fn seconds(delta: Option<crate::time::TimeDelta>) -> Option<f64> {
    delta.map(|d| (d.as_secs_f64() * 10.0).round() / 10.0)
}

/// Who sent so many bytes when, in seconds.
type Sent = (crate::flow::Dir, f64, u64);

#[test]
fn the_request_that_was_open_when_the_deadline_passed_is_the_attempt() {
    let served = [(Orig, 0.1, 900), (Resp, 0.2, 500)];
    let cases: [(&str, &[Sent], Option<f64>); 5] = [
        (
            "no answer, then more calls",
            &[(Orig, 60.0, 900), (Orig, 70.0, 35), (Orig, 90.0, 900), (Resp, 90.1, 9)],
            None,
        ),
        ("no answer at all", &[(Orig, 60.0, 900)], None),
        ("a window update before it", &[(Orig, 1.5, 39), (Orig, 60.0, 900)], None),
        ("an answer after the deadline", &[(Orig, 60.0, 900), (Resp, 73.0, 500)], Some(13.0)),
        ("two at once, neither answered", &[(Orig, 60.0, 900), (Orig, 64.0, 900)], None),
    ];
    for (what, later, response) in cases {
        let line = within(event("deadline_exceeded", NAME, 70.001), 10);
        let (world, case) = case_of(line, &[&served[..], later].concat());
        assert_eq!((key(&case), orig_port(&world, &case)), (Some(Key::Sni), Some(4020)), "{what}");
        assert_eq!(seconds(case.facts.elapsed), Some(10.0), "{what}");
        assert_eq!(case.facts.reused_connection, Some(true), "{what}");
        assert_eq!(seconds(case.facts.response_after), response, "{what}");
        if response.is_none() {
            assert_eq!(seconds(case.facts.silence), Some(10.0), "{what}");
        }
    }
}

#[test]
fn what_http2_says_of_its_own_accord_is_no_request_and_no_answer() {
    // SETTINGS and WINDOW_UPDATE of both sides, and the acknowledgment of the server's
    let begin = [(Orig, 0.1, 92), (Resp, 0.11, 67), (Orig, 0.12, 31)];
    let cases: [(&str, f64, &[Sent]); 5] = [
        (
            "what answers a later GET",
            15.0,
            &[
                (Orig, 0.2, 322),
                (Resp, 0.3, 200),
                (Orig, 10.0, 42),
                (Orig, 15.0, 35),
                (Orig, 17.0, 42),
                (Resp, 17.001, 300),
            ],
        ),
        (
            "what answers another meanwhile",
            15.0,
            &[
                (Orig, 0.2, 322),
                (Resp, 0.3, 200),
                (Orig, 10.0, 42),
                (Orig, 12.0, 400),
                (Resp, 12.1, 300),
                (Orig, 15.0, 35),
            ],
        ),
        (
            "the first request",
            5.2,
            &[(Orig, 0.2, 322), (Resp, 0.201, 66), (Orig, 5.2, 52), (Resp, 5.201, 39)],
        ),
        (
            "a repeated GET, as small as a PING",
            20.0,
            &[(Orig, 0.2, 322), (Resp, 0.3, 200), (Orig, 15.0, 39), (Orig, 20.0, 35)],
        ),
        (
            "a repeated GET after a call that was given up",
            20.0,
            &[(Orig, 0.2, 322), (Orig, 5.2, 52), (Resp, 5.201, 39), (Orig, 15.0, 42), (Orig, 20.0, 35)],
        ),
    ];
    for (what, at, later) in cases {
        let line = within(event("deadline_exceeded", NAME, at + 0.001), 5);
        let (world, case) = case_of(line, &[&begin[..], later].concat());
        assert_eq!(orig_port(&world, &case), Some(4020), "{what}");
        assert_eq!(seconds(case.facts.response_after), None, "{what}");
        assert_eq!(seconds(case.facts.silence), Some(5.0), "{what}");
        assert_eq!(case.facts.ended_by_peer, Some(false), "{what}");
    }
}

#[test]
fn near_misses_on_a_connection_in_use() {
    let deadline = |at| within(event("deadline_exceeded", NAME, at), 10);
    let cases: [(&str, LogEvent, &[Sent]); 4] = [
        ("answered in time", deadline(70.0), &[(Orig, 60.0, 900), (Resp, 69.0, 500)]),
        ("sent before the deadline's window", deadline(70.0), &[(Orig, 40.0, 900)]),
        ("sent after the line", deadline(70.0), &[(Orig, 71.0, 900)]),
        (
            "only a ping was sent then",
            deadline(70.0),
            &[(Orig, 1.0, 900), (Resp, 1.1, 500), (Orig, 60.0, 39), (Resp, 60.001, 39)],
        ),
    ];
    for (what, line, bursts) in cases {
        let (world, case) = case_of(line, &[&[(Orig, 0.1, 900), (Resp, 0.2, 500)][..], bursts].concat());
        assert_eq!(orig_port(&world, &case), None, "{what}");
    }
}

/// Each call may be as small as a PING, and its reset no larger than a window update.
#[test]
fn streams_that_are_reset_one_after_the_other_are_of_one_connection() {
    let bursts = [
        (Orig, 0.1, 92),
        (Resp, 0.11, 67),
        (Orig, 0.2, 322),
        (Resp, 0.3, 200),
        (Orig, 10.0, 40),
        (Resp, 10.001, 35),
        (Orig, 20.0, 40),
        (Resp, 20.001, 35),
        (Orig, 40.0, 39),
        (Resp, 40.001, 39),
    ];
    for (what, at, found) in [
        ("a call", 10.002, Some(4020)),
        ("the next one", 20.002, Some(4020)),
        ("a PING is acknowledged", 40.002, None),
        ("nothing is said then", 30.0, None),
    ] {
        let (world, case) = case_of(event("http2_stream_error", NAME, at), &bursts);
        assert_eq!(orig_port(&world, &case), found, "{what}");
    }
    let failed = [10.002, 20.002].map(|at| event("http2_stream_error", NAME, at));
    let connection = used(flow("10.0.0.1:4020", "10.2.0.8:10250", 0.0, 900.0), NAME, "h2", &bursts);
    let mut world = world(1, vec![connection], failed.to_vec());
    let found = join(&mut world);
    let ports: Vec<_> =
        found.cases.iter().filter(|c| c.event.is_some()).map(|c| orig_port(&world, c)).collect();
    assert_eq!(ports, [Some(4020); 2], "both at once");
}

#[test]
fn a_lost_connection_is_found_without_a_deadline() {
    let bursts = [(Orig, 0.1, 900), (Resp, 0.2, 500), (Orig, 60.0, 900)];
    for name in ["http2_connection_lost", "use_of_closed_connection", "io_timeout"] {
        let (world, case) = case_of(event(name, NAME, 105.0), &bursts);
        assert_eq!(orig_port(&world, &case), Some(4020), "{name}");
    }
    let (world, case) = case_of(event("http2_connection_lost", NAME, 205.0), &bursts);
    assert_eq!(orig_port(&world, &case), None, "so long after, another connection was lost");
}

#[test]
fn calls_that_shared_a_connection_are_all_about_it() {
    let bursts = [(Orig, 0.1, 900), (Resp, 0.2, 500), (Orig, 60.0, 900)];
    for (protocol, wanted) in [("h2", 3), ("http/1.1", 1)] {
        let connection = used(flow("10.0.0.1:4020", "10.2.0.8:10250", 0.0, 900.0), NAME, protocol, &bursts);
        let lines = (0..3).map(|n| within(event("deadline_exceeded", NAME, 70.0 + 0.01 * f64::from(n)), 10));
        let mut world = world(1, vec![connection], lines.collect());
        let found = join(&mut world);
        let matched = found.cases.iter().filter(|c| c.event.is_some() && c.attempt().is_some()).count();
        assert_eq!(matched, wanted, "{protocol}");
    }
}

/// Ports of the connections that calls with a deadline of 5 s joined which failed at these seconds. One connection
/// answered last at second 0.2, was asked at 60, and sent that again until second 86.
fn joined_behind(protocol: &str, failed: &[f64]) -> Vec<Option<u16>> {
    let bursts = [(Orig, 0.1, 900), (Resp, 0.2, 500), (Orig, 60.0, 900)];
    let connection = used(flow("10.0.0.1:4020", "10.2.0.8:10250", 0.0, 86.0), NAME, protocol, &bursts);
    let lines = failed.iter().map(|at| within(event("deadline_exceeded", NAME, *at), 5));
    let mut world = world(1, vec![dead(connection, 0.2, 86.0)], lines.collect());
    let found = join(&mut world);
    found.cases.iter().filter(|c| c.event.is_some()).map(|c| orig_port(&world, c)).collect()
}

#[test]
fn calls_that_wait_behind_others_on_a_dead_connection_are_about_it() {
    let failed = [65.0, 71.0, 77.0, 90.9, 91.0];
    assert_eq!(joined_behind("h2", &failed), [Some(4020); 5]);
    assert_eq!(
        joined_behind("http/1.1", &failed),
        [Some(4020), None, None, None, None],
        "one call at a time"
    );
    assert_eq!(joined_behind("h2", &[97.0]), [None], "nothing was sent while this call was under way");
}

#[test]
fn a_call_that_waited_behind_others_has_no_known_start() {
    let bursts = [(Orig, 0.1, 900), (Resp, 0.2, 500), (Orig, 60.0, 900)];
    let connection = used(flow("10.0.0.1:4020", "10.2.0.8:10250", 0.0, 86.0), NAME, "h2", &bursts);
    for (at, elapsed) in [(65.0, Some(5.0)), (90.0, None)] {
        let line = within(event("deadline_exceeded", NAME, at), 5);
        let mut world = world(1, vec![dead(connection.clone(), 0.2, 86.0)], vec![line]);
        let found = join(&mut world);
        let case = found.cases.iter().find(|c| c.event.is_some()).expect("the line's case");
        assert_eq!((orig_port(&world, case), seconds(case.facts.elapsed)), (Some(4020), elapsed));
        assert_eq!(case.matching.as_ref().expect("a match").why.contains("several calls share"), at > 65.0);
    }
}

#[test]
fn a_farewell_of_the_server_is_the_end_of_the_connection() {
    let mut connection = used(
        flow("10.0.0.1:4020", "10.2.0.8:10250", 0.0, 80.0),
        NAME,
        "h2",
        &[(Orig, 0.1, 900), (Resp, 0.2, 500)],
    );
    super::super::made::closed_by_peer(&mut connection, 80.0);
    let mut world = world(1, vec![connection], vec![event("http2_goaway", NAME, 80.002)]);
    let found = join(&mut world);
    let case = found.cases.iter().find(|c| c.event.is_some()).expect("the line's case");
    assert_eq!(orig_port(&world, case), Some(4020));
}

#[test]
fn of_connections_that_end_together_the_one_with_a_call_open_is_meant() {
    let ended = |port: u16, bursts: &[Sent], at: f64| {
        let mut flow =
            used(flow(&format!("10.0.0.1:{port}"), "10.2.0.8:10250", 0.0, at), NAME, "http/1.1", bursts);
        let tcp = flow.tcp.as_mut().expect("TCP");
        tcp.first_fin.resp = Some(Moment { time: sec(at), ..Moment::default() });
        flow
    };
    let open = ended(4021, &[(Orig, 0.1, 900), (Resp, 0.2, 500), (Orig, 28.5, 900)], 30.0);
    let idle = ended(4022, &[(Orig, 0.1, 900), (Resp, 0.2, 500)], 30.01);
    let mut world = world(1, vec![open, idle], vec![within(event("eof", NAME, 30.011), 10)]);
    let mut found = join(&mut world);
    let place = found.cases.iter().position(|c| c.event.is_some()).expect("the line's case");
    assert_eq!(orig_port(&world, &found.cases.swap_remove(place)), Some(4021));
}

#[test]
fn absence_proves_nothing_beside_a_connection_that_carries_several_calls() {
    let bursts = [(Orig, 0.1, 900), (Resp, 0.2, 500), (Orig, 69.0, 900), (Resp, 69.1, 500)];
    for (protocol, of_several) in [("h2", true), ("http/1.1", false)] {
        let connection = used(flow("10.0.0.1:4020", "10.2.0.8:10250", 0.0, 900.0), NAME, protocol, &bursts);
        let mut world = world(1, vec![connection], vec![within(event("deadline_exceeded", NAME, 70.0), 10)]);
        service(&mut world, ("b", "a"), "10.96.0.9", &["10.2.0.8:10250"]);
        let found = join(&mut world);
        let case = found.cases.iter().find(|c| c.event.is_some()).expect("the line's case");
        let said = case.coverage.missing.iter().any(|m| m.detail.contains("several calls at once"));
        assert_eq!((case.attempt(), said), (None, of_several), "{protocol}");
    }
}
