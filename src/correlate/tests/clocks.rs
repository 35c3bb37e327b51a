//! Clocks of logs and captures, on made lines and packets.

use super::super::made::{event, flow, join, refused, sec, service, stalled, view, world};
use super::{dialled, from, orig_port, within};
use crate::correlate::{Case, Correlated, World};
use crate::ingest::{Conversation, FlowIndex};
use crate::log::LogEvent;
use crate::time::{TimeDelta, Timestamp};

/// Refused dials at these seconds, and their lines 1 ms later by a clock that is `ahead` seconds ahead at each.
fn refusals(seconds: &[f64], ahead: impl Fn(f64) -> f64, tuple: bool) -> (Vec<Conversation>, Vec<LogEvent>) {
    let port = |n: usize| format!("10.0.0.1:{}", 6000 + n);
    let flows = seconds
        .iter()
        .enumerate()
        .map(|(n, at)| refused(flow(&port(n), "10.2.0.7:10250", *at, *at + 0.001), *at + 0.001));
    let lines = seconds.iter().enumerate().map(|(n, at)| {
        let line = dialled(event("connection_refused", "a.b.svc", *at + 0.002 + ahead(*at)), "10.96.0.9:443");
        if tuple { from(line, &port(n)) } else { line }
    });
    (flows.collect(), lines.collect())
}

fn joined((flows, lines): (Vec<Conversation>, Vec<LogEvent>)) -> Correlated {
    let mut world = world(1, flows, lines);
    service(&mut world, ("b", "a"), "10.96.0.9", &["10.2.0.7:10250"]);
    world.wire.captures[0].last = Some(sec(1e6));
    join(&mut world)
}

/// How far the capture is ahead of the log, in milliseconds.
fn capture_ahead(found: &Correlated) -> Option<i64> {
    found.capture_clocks[0].offset.map(|o| o.as_millis_f64().round() as i64)
}

fn all_matched(found: &Correlated) -> bool {
    found.cases.iter().all(|c| c.event.is_some() && c.attempt().is_some())
}

const IRREGULAR: [f64; 5] = [100.0, 107.3, 111.9, 130.2, 131.7];
const EVEN: [f64; 5] = [100.0, 105.0, 110.0, 115.0, 120.0];

#[test]
fn an_offset_is_found_from_tuples_and_from_times_that_fit() {
    for tuple in [true, false] {
        for seconds in [IRREGULAR, EVEN] {
            for ahead in [0.0, 0.7, -37.0, 2000.0] {
                let found = joined(refusals(&seconds, |_| ahead, tuple));
                let wanted = -(ahead * 1000.0) as i64 - 1;
                assert_eq!(capture_ahead(&found), Some(wanted), "{ahead} s, tuples {tuple}, {seconds:?}");
                assert!(all_matched(&found), "{ahead} s, tuples {tuple}, {seconds:?}");
            }
        }
    }
}

#[test]
fn clocks_agree_where_an_offset_fits_no_better() {
    for after in [0.03, 0.2] {
        let (mut flows, lines) = refusals(&IRREGULAR, |_| 0.0, false);
        flows.extend(IRREGULAR.iter().zip(8000..).map(|(at, port)| {
            let at = at + after;
            refused(flow(&format!("10.0.0.1:{port}"), "10.2.0.7:10250", at, at + 0.001), at + 0.001)
        }));
        let found = joined((flows, lines));
        assert_eq!(capture_ahead(&found), Some(-1), "{after} s");
        assert!(found.log_clocks[0].why.contains(", 5 under any other"), "{}", found.log_clocks[0].why);
    }
}

#[test]
fn a_match_far_from_its_line_is_in_doubt() {
    for (late, doubted) in [(0.5, false), (1.76, true)] {
        let found = joined(refusals(&[100.0], |_| late, false));
        let matching = found.cases[0].matching.as_ref().expect("a match");
        assert_eq!(matching.doubted, doubted, "{late} s: {} {}", matching.score, matching.why);
    }
}

#[test]
fn an_offset_that_another_fits_as_well_is_refused() {
    let (flows, mut lines) = refusals(&EVEN, |_| 2000.0, false);
    lines.truncate(3);
    let found = joined((flows, lines));
    assert_eq!(found.log_clocks[0].offset, None);
    assert!(found.log_clocks[0].why.starts_with("refused: "), "{}", found.log_clocks[0].why);
}

#[test]
fn tuples_that_disagree_make_no_clock() {
    let found = joined(refusals(&IRREGULAR, |at| if at > 110.0 { at } else { 0.0 }, true));
    assert_eq!(found.log_clocks[0].offset, None);
    assert!(found.log_clocks[0].why.contains("disagree"), "{}", found.log_clocks[0].why);
}

#[test]
fn what_the_network_tells_at_once_is_no_deadline() {
    // SYNs without an answer, and lines that follow at once: the reject was not captured
    let flows = (0..3).map(|n| {
        flow(
            &format!("10.0.0.1:{}", 6100 + n),
            "10.2.0.7:10250",
            100.0 + 7.0 * f64::from(n * n),
            101.0 + 7.0 * f64::from(n * n),
        )
    });
    let lines = (0..3).map(|n| {
        within(
            dialled(event("no_route_to_host", "a.b.svc", 100.001 + 7.0 * f64::from(n * n)), "10.96.0.9:443"),
            10,
        )
    });
    let found = joined((flows.collect(), lines.collect()));
    assert!(capture_ahead(&found).is_none_or(|ms| ms.abs() < 50), "{:?}", found.capture_clocks);
}

#[test]
fn a_drift_is_found_over_a_long_time_and_undone() {
    let seconds: Vec<f64> = (0..40).map(|n| 100.0 + 187.0 * f64::from(n)).collect();
    let found = joined(refusals(&seconds, |at| 5.0 + 2e-4 * at, true));
    let drift = found.capture_clocks[0].drift.expect("2 s in two hours");
    assert!((drift.rate + 2e-4).abs() < 1e-6, "{drift:?}");
    assert!(found.log_clocks[0].residual < Some(TimeDelta::from_millis(2)), "{:?}", found.log_clocks);
    let ahead =
        |at: Timestamp| found.capture_clocks[0].ahead_at(at).map(|a| (a.as_secs_f64() * 100.0).round());
    assert_eq!(ahead(sec(100.0)), Some(-502.0));
    assert_eq!(ahead(sec(7393.0)), Some(-648.0));
    let offsets = found.cases.iter().filter_map(|c| c.matching.as_ref()?.offset);
    assert!(
        offsets.clone().count() == 40 && offsets.into_iter().all(|o| o.abs() < TimeDelta::from_millis(50))
    );
}

#[test]
fn a_short_time_or_scattered_pairs_show_no_drift() {
    let short: Vec<f64> = (0..40).map(|n| 100.0 + f64::from(n)).collect();
    let long: Vec<f64> = (0..40).map(|n| 100.0 + 187.0 * f64::from(n)).collect();
    let scattered = |at: f64| if (at as i64) % 2 == 0 { 0.0 } else { 0.6 };
    for found in [joined(refusals(&short, |at| 2e-4 * at, true)), joined(refusals(&long, scattered, true))] {
        assert_eq!(found.log_clocks[0].drift, None);
        assert!(found.log_clocks[0].offset.is_some());
    }
}

#[test]
fn captures_are_aligned_by_the_packets_that_they_share() {
    let near: Vec<Conversation> = (0..12)
        .map(|n| {
            let at = 100.0 + 90.0 * f64::from(n);
            stalled(
                flow(&format!("10.0.0.1:{}", 4100 + n), "10.2.0.8:10250", at, at + 5.0),
                "a.b.svc",
                n as u8 + 1,
            )
        })
        .collect();
    let shared = |n: usize, ahead: f64| view(&near[n], 1, ahead, 63);
    let far: Vec<Conversation> = (0..12).map(|n| shared(n, 90.0 + 1e-4 * 90.0 * n as f64)).collect();
    let lines =
        (0..12).map(|n| within(event("deadline_exceeded", "a.b.svc", 105.001 + 90.0 * f64::from(n)), 5));
    let mut world = world(2, near.iter().cloned().chain(far).collect(), lines.collect());
    let found = join(&mut world);
    let clock = &found.capture_clocks[1];
    assert!((clock.drift.expect("99 ms in 1000 s").rate - 1e-4).abs() < 1e-6, "{clock:?}");
    assert_eq!(clock.pairs, 12);
    assert!(clock.why.contains("connections that capture 0 shows too"), "{}", clock.why);
    assert_eq!(found.cases.len(), 12, "each connection is one, whatever capture shows it");
}

#[test]
fn a_capture_that_shares_nothing_has_no_clock() {
    let (mut flows, lines) = refusals(&IRREGULAR, |_| 0.0, true);
    let mut other = flow("10.7.7.7:1", "10.9.9.9:443", 100.0, 101.0);
    other.capture = crate::capture::CaptureIndex(1);
    flows.push(other);
    let mut world = world(2, flows, lines);
    let found = join(&mut world);
    assert_eq!(found.capture_clocks[1].offset, None);
    assert_eq!(found.capture_clocks[1].why, "no log line pairs with packets");
}

#[test]
fn the_capture_that_lines_pair_with_has_the_clock_whichever_comes_first() {
    for pairs_with in [0, 1] {
        let (mut flows, lines) = refusals(&IRREGULAR, |_| 7.0, true);
        for flow in &mut flows {
            flow.capture = crate::capture::CaptureIndex(pairs_with);
        }
        let mut other = flow("10.7.7.7:1", "10.9.9.9:443", 100.0, 101.0);
        other.capture = crate::capture::CaptureIndex(1 - pairs_with);
        flows.push(other);
        flows.sort_by_key(|f| f.capture);
        let mut world = world(2, flows, lines);
        service(&mut world, ("b", "a"), "10.96.0.9", &["10.2.0.7:10250"]);
        for capture in &mut world.wire.captures {
            capture.last = Some(sec(1e6));
        }
        let found = join(&mut world);
        let [own, none] = [pairs_with, 1 - pairs_with].map(|n| &found.capture_clocks[usize::from(n)]);
        assert!(own.offset.is_some(), "{own:?}");
        assert_eq!(none.offset, None);
        assert_eq!(none.why, "nothing ties it to the clock that times are told in");
    }
}

#[test]
fn a_long_log_of_calls_at_equal_distances_needs_no_offset() {
    // a capture of the last 45 minutes of 150 that the log tells of, a call every half minute
    let seconds: Vec<f64> =
        (0..300).map(|n| 100.0 + 30.0 * f64::from(n) + 0.007 * f64::from(n % 5)).collect();
    let (flows, lines) = refusals(&seconds, |_| 0.0, false);
    let mut world = world(1, flows.into_iter().skip(210).collect(), lines);
    service(&mut world, ("b", "a"), "10.96.0.9", &["10.2.0.7:10250"]);
    world.wire.captures[0].first = Some(sec(seconds[210] - 1.0));
    world.wire.captures[0].last = Some(sec(seconds[299] + 1.0));
    let found = join(&mut world);
    assert_eq!(capture_ahead(&found).map(i64::abs), Some(1), "{:?}", found.log_clocks);
    let matched = found.cases.iter().filter(|c| c.attempt().is_some());
    assert!(matched.clone().count() == 90 && matched.clone().all(|c| c.event >= Some(210)));
}

/// The packet that was after the line is nearer to it than the one that it tells of.
#[test]
fn a_line_that_is_late_needs_no_offset() {
    let (flows, mut lines) = refusals(&[100.0, 100.8], |_| 0.5, false);
    lines.truncate(1);
    let found = joined((flows, lines));
    assert_eq!(capture_ahead(&found), Some(0), "{:?}", found.capture_clocks);
    let case = found.cases.iter().find(|c| c.event.is_some()).expect("the call");
    assert_eq!(case.attempt(), Some(FlowIndex(0)));
}

/// Lines of log 0 by a clock that is `ahead` seconds ahead of the captures, dials of their own and of another client, and
/// six lines of log 1 by the same clock that name their connections.
fn beside_a_witness(calls: &[f64], others: &[f64], ahead: f64) -> World {
    let (mut flows, mut lines) = refusals(calls, |_| ahead, false);
    flows.extend(others.iter().zip(8000..).map(|(at, port)| {
        refused(flow(&format!("10.0.0.9:{port}"), "10.2.0.7:10250", *at, *at + 0.001), *at + 0.001)
    }));
    for (n, at) in [(0, 300.0), (1, 304.1), (2, 309.7), (3, 316.0), (4, 333.3), (5, 350.0)] {
        let source = format!("10.0.0.9:{}", 9000 + n);
        flows.push(refused(flow(&source, "10.2.0.7:10250", at, at + 0.001), at + 0.001));
        let line = dialled(event("connection_refused", "a.b.svc", at + 0.002 + ahead), "10.96.0.9:443");
        lines.push(LogEvent { log: 1, ..from(line, &source) });
    }
    let mut world = world(1, flows, lines);
    service(&mut world, ("b", "a"), "10.96.0.9", &["10.2.0.7:10250"]);
    world.logs.reports.push(world.logs.reports[0].clone());
    world
}

/// The ports of the connections that the lines of log 0 were matched with.
fn ports_of_log_0(world: &World, found: &Correlated) -> Vec<u16> {
    let of_log_0 = |case: &&Case| case.event.is_some_and(|n| world.logs.events[n as usize].log == 0);
    found.cases.iter().filter(of_log_0).filter_map(|case| orig_port(world, case)).collect()
}

/// Otherwise other clients' connections are taken for the calls: they end within two seconds before the lines, or one
/// does just before the only line.
#[test]
fn lines_of_another_log_that_name_their_connections_tell_of_the_captures_clock() {
    let cases: [(&[f64], &[f64], f64); 2] =
        [(&[100.0, 107.3], &[102.5, 109.0], 3.1), (&[100.0], &[100.577], 0.6)];
    for (calls, others, ahead) in cases {
        let mut world = beside_a_witness(calls, others, ahead);
        let found = join(&mut world);
        let wanted: Vec<u16> = (6000..).take(calls.len()).collect();
        assert_eq!(ports_of_log_0(&world, &found), wanted, "{:?}", found.log_clocks[0]);
        assert_eq!(capture_ahead(&found), Some(-(ahead * 1000.0) as i64 - 1));
        assert!(found.log_clocks[0].why.contains("another log"), "{}", found.log_clocks[0].why);
    }
}

#[test]
fn a_log_that_agrees_with_another_keeps_its_own_clock() {
    let mut world = beside_a_witness(&IRREGULAR, &[], 0.01);
    for event in world.logs.events.iter_mut().filter(|e| e.log == 1) {
        event.time = event.time.map(|time| time - TimeDelta::from_millis(1));
    }
    let found = join(&mut world);
    assert!(found.log_clocks[0].why.contains("5 of 5 lines"), "{}", found.log_clocks[0].why);
}

/// The host of the other log may be the one whose clock is off.
#[test]
fn another_log_is_not_believed_against_lines_that_fit_at_least_as_well() {
    let calls = [100.0, 107.3];
    let mut world = beside_a_witness(&calls, &[], 0.0);
    for event in world.logs.events.iter_mut().filter(|e| e.log == 1) {
        event.time = event.time.map(|time| time + TimeDelta::from_millis(700));
    }
    let found = join(&mut world);
    assert_eq!(ports_of_log_0(&world, &found), [6000, 6001]);
    assert!(found.log_clocks[0].why.contains("within a second"), "{}", found.log_clocks[0].why);
}

#[test]
fn two_lines_that_fit_closely_outweigh_one_that_has_a_packet_within_a_second() {
    let (flows, lines) = refusals(&[100.0, 100.51], |_| 1.5, false);
    let mut world = world(1, flows, lines);
    service(&mut world, ("b", "a"), "10.96.0.9", &["10.2.0.7:10250"]);
    let found = join(&mut world);
    assert_eq!(ports_of_log_0(&world, &found), [6000, 6001], "{:?}", found.log_clocks[0]);
    assert_eq!(capture_ahead(&found), Some(-1501));
}

/// That the pair fits which the clock was made of says nothing.
#[test]
fn a_clock_made_of_one_pair_leaves_doubt() {
    for (ahead, tuple, doubt) in [(-0.6, false, true), (-0.6, true, false), (0.0, false, false)] {
        let found = joined(refusals(&[100.0], |_| ahead, tuple));
        let case = &found.cases[0];
        let matching = case.matching.as_ref().expect("a match");
        assert_eq!(matching.one_pair, doubt, "{ahead} s, tuple {tuple}: {}", matching.why);
        let (from, to) = case.window.expect("a time");
        let slack = if doubt { 0.59 } else { 0.05 };
        assert!(
            to - from >= TimeDelta::from_secs(30) + TimeDelta((slack * 2e9) as i64),
            "{ahead} s, {tuple}"
        );
    }
}

#[test]
fn a_connection_that_begins_after_the_line_is_not_its_call() {
    let (mut flows, mut lines) = refusals(&[100.0, 107.3, 111.9], |_| 0.0, true);
    let after = |port: u16, at: f64| {
        refused(flow(&format!("10.0.0.1:{port}"), "10.2.0.7:10250", at, at + 0.001), at + 0.001)
    };
    flows.push(after(7000, 130.060));
    lines.push(dialled(event("connection_refused", "a.b.svc", 130.0), "10.96.0.9:443"));
    let mut world = world(1, flows, lines);
    service(&mut world, ("b", "a"), "10.96.0.9", &["10.2.0.7:10250"]);
    let found = join(&mut world);
    assert_eq!(ports_of_log_0(&world, &found), [6000, 6001, 6002]);
}
