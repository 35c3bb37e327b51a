//! Timelines as text: epochs, findings, facts, copies, budget, and what the observer is shown.

use super::slot::{LIVE_BYTES, LONE_BYTES};
use super::timeline::{flow, flows, flows_frozen, flows_in_files, flows_within, tcp};
use super::{Analysis, Dir, Moment, PerDir, Reset, TcpFacts};
use crate::time::TimeDelta;

/// The client's port.
const PORT: u16 = 40_000;
const HANDSHAKE: &str = "0 > S ws=7 \n 0.1 < SA ack=1 ws=7 \n 0.2 > A seq=1 ack=1 \n";

/// Findings by name, for example `orig.retransmission=1`.
fn found(analysis: PerDir<Analysis>) -> String {
    let mut words = Vec::new();
    for dir in [Dir::Orig, Dir::Resp] {
        let text = format!("{:?}", analysis[dir]);
        let fields = text.trim_start_matches("Analysis { ").trim_end_matches(" }").split(", ");
        words.extend(
            fields
                .filter(|field| !field.ends_with(": 0"))
                .map(|field| format!("{}.{}", dir.name(), field.replace(": ", "="))),
        );
    }
    words.join(" ")
}

/// After a handshake: the findings, and the segments that they are made on. As tshark 4.0 has them.
const FINDINGS: &[(&str, &str)] = &[
    ("", "1 > PA seq=1 ack=1 len=10 \n 1.1 < A seq=1 ack=11"),
    ("orig.retransmission=1", "1 > PA seq=1 ack=1 len=10 \n 2 > PA seq=1 ack=1 len=10"),
    (
        "orig.retransmission=1 orig.spurious_retransmission=1",
        "1 > PA seq=1 ack=1 len=10 \n 1.1 < A seq=1 ack=11 \n 2 > PA seq=1 ack=1 len=10",
    ),
    (
        "orig.retransmission=1 orig.fast_retransmission=1 orig.lost_segment=1 resp.duplicate_ack=2",
        "1 > A seq=1 ack=1 len=10 \n 1.05 < A seq=1 ack=11 win=500 \n 1.1 > A seq=21 ack=1 len=10
         1.2 < A seq=1 ack=11 win=500 \n 1.21 < A seq=1 ack=11 win=500 \n 1.22 > A seq=11 ack=1 len=10",
    ),
    ("orig.out_of_order=1 orig.lost_segment=1", "1 > A seq=11 ack=1 len=10 \n 1.001 > A seq=1 ack=1 len=10"),
    ("resp.ack_lost_segment=1", "1 > PA seq=1 ack=1 len=10 \n 1.1 < A seq=1 ack=21"),
    ("resp.zero_window=1", "1 < A seq=1 ack=1 win=0"),
    (
        "orig.zero_window_probe=1 resp.zero_window=2 resp.zero_window_probe_ack=1",
        "1 < A seq=1 ack=1 win=0 \n 2 > A seq=1 ack=1 len=1 \n 2.1 < A seq=1 ack=1 win=0",
    ),
    ("resp.window_update=1", "1 < A seq=1 ack=1 win=100"),
    (
        "orig.keep_alive=2 resp.duplicate_ack=1 resp.keep_alive_ack=1",
        "1 < A seq=1 ack=1 win=500 \n 20 > A seq=0 ack=1 \n 20.1 < A seq=1 ack=1 win=500 \n 40 > A seq=0 ack=1 len=1",
    ),
    ("orig.window_full=1 resp.window_update=1", "1 < A seq=1 ack=1 win=1 \n 2 > A seq=1 ack=1 len=128"),
    ("orig.retransmission=1", "1 > FA seq=1 ack=1 \n 2 > FA seq=1 ack=1"),
    // The wrap of the sequence numbers is nothing.
    ("", "1 > . isn=4294967290 seq=1 \n 2 > A seq=1 ack=1 len=10 \n 3 > A seq=11 ack=1 len=10"),
];

#[test]
fn findings() {
    for (expected, segments) in FINDINGS {
        let start = if segments.contains("isn=") { "" } else { HANDSHAKE };
        let facts = tcp(&format!("{start}{segments}"));
        assert_eq!(found(facts.analysis), *expected, "{segments}");
    }
}

#[test]
fn a_syn_again_is_a_retransmission_and_another_one_an_epoch() {
    let same = flow("0 > S \n 1 > S \n 3 > S");
    let facts = same.tcp.expect("TCP").facts();
    assert_eq!(
        (facts.syn.orig, facts.syn_times.len(), found(facts.analysis).as_str()),
        (3, 3, "orig.retransmission=2")
    );
    assert!(!same.shares_tuple);

    let epochs =
        flows(&format!("{HANDSHAKE} 1 > FA seq=1 ack=1 \n 1.1 < FA seq=1 ack=2 \n 9 > S isn=77 seq=0"));
    assert_eq!(epochs.len(), 2);
    assert!(epochs.iter().all(|flow| flow.shares_tuple));
    let second = epochs[1].tcp.as_ref().expect("TCP").facts();
    assert_eq!(found(second.analysis), "orig.reused_ports=1");
    assert_eq!(second.isn.orig, Some(77));
}

#[test]
fn sides() {
    for (segments, client_is_orig, midstream) in [
        ("0 > S", true, false),
        ("0 < SA ack=1", true, false),
        ("0 > A seq=1 ack=1", true, true),
        ("0 < PA seq=1 ack=1 len=3", true, true),
        ("0 < RA ack=1", true, true),
        // Nothing betrays the server before its SYN-ACK does.
        ("0 < PA seq=1 ack=1 len=3 sport=50000 \n 1 < SA seq=0 ack=1", true, true),
        ("0 < A seq=1 ack=1 sport=50000", false, true),
    ] {
        let flow = flow(segments);
        assert_eq!(flow.orig.ip().to_string() == "10.0.0.1", client_is_orig, "{segments}");
        assert_eq!(flow.midstream, midstream, "{segments}");
    }
}

#[test]
fn an_inverted_flow_is_turned_with_all_it_holds() {
    let flow = flow("0 < PA seq=1 ack=1 len=3 sport=50000 \n 1 < SA seq=0 ack=1 \n 2 > A seq=1 ack=4");
    let facts = flow.tcp.as_ref().expect("TCP").facts();
    assert_eq!((flow.packets, flow.bytes), (PerDir { orig: 1, resp: 2 }, PerDir { orig: 0, resp: 3 }));
    assert!(facts.first_payload.resp.is_some() && facts.first_payload.orig.is_none());
    assert_eq!(flow.app, ["orig 0+3 xxx", "swap", "orig acks 3"]);
}

#[test]
fn copies_are_counted_and_told_to_nobody() {
    let text = "0 > S id=9 \n 0.0001 > S id=9 if=1 \n 0.1 < SA ack=1 id=4 \n 0.1001 < SA ack=1 id=4 if=1
        0.2 > A seq=1 ack=1 \n 0.3 > PA seq=1 ack=1 data=hello id=11 \n 0.3001 > PA seq=1 ack=1 data=hello id=11 if=1
        1.3 > PA seq=1 ack=1 data=hello id=12";
    let flow = flow(text);
    let facts = flow.tcp.as_ref().expect("TCP").facts();
    assert_eq!(flow.duplicates, 3);
    assert_eq!((facts.syn.orig, facts.syn_times.len()), (2, 1));
    assert_eq!((facts.synack.resp, facts.synack_times.len()), (2, 1));
    assert_eq!(facts.analysis.orig.retransmission, 3, "as Wireshark counts");
    assert_eq!(facts.loss.orig.segments, 1, "as the rules see it");
    assert_eq!(facts.history, "ShADT");
    assert_eq!(flow.app, ["orig 0+5 hello", "orig 0+5 hello"]);
}

#[test]
fn a_syn_ack_without_ip_identification_is_copied_at_one_point() {
    let copied = tcp(
        "0 > S id=0 \n 0.00001 > S id=0 \n 0.1 < SA ack=1 id=0 \n 0.10001 > A seq=1 ack=1 \n 0.10002 < SA ack=1 id=0",
    );
    assert_eq!((copied.syn_times.len(), copied.synack_times.len(), copied.synack_after_ack), (1, 1, 0));
    let again = tcp("0 > S \n 0.1 < SA ack=1 id=0 \n 0.10001 > A seq=1 ack=1 \n 0.35 < SA ack=1 id=0");
    assert_eq!((again.synack_times.len(), again.synack_after_ack), (2, 1), "the kernel sends it again");
}

/// Two queues, or two mirror ports: the packets of one direction are shown a little late.
#[test]
fn an_acknowledgment_shown_before_what_it_acknowledges_is_no_loss() {
    let text = format!(
        "{HANDSHAKE} 0.3 < A seq=1 ack=11 \n 0.30003 > A seq=1 ack=1 data=hello id=11
        0.30004 > PA seq=6 ack=1 data=world id=12"
    );
    let facts = tcp(&text);
    let loss = facts.loss.orig;
    assert_eq!((loss.segments, loss.largest_bytes, loss.largest_delivered_bytes), (0, 0, 5));
    assert_eq!((loss.gap_bytes, loss.unacked_bytes), (0, 0));
    let told = ["resp acks 10", "orig 0+5 hello", "resp acks 10", "orig 5+5 world", "resp acks 10"];
    assert_eq!(flow(&text).app, told, "told again once there is something to acknowledge");

    let facts = tcp(&format!("{HANDSHAKE} 0.3 < A seq=1 ack=12 \n 0.30003 > FPA seq=1 ack=1 len=10 id=11"));
    assert_eq!((facts.loss.orig.segments, facts.loss.orig.gap_bytes), (0, 0), "nor is one of a FIN");

    let missed = format!("{HANDSHAKE} 0.3 < A seq=1 ack=11 \n 0.51 > PA seq=1 ack=1 data=helloworld id=11");
    assert_eq!(tcp(&missed).loss.orig.segments, 1, "sent again; the capture missed the first");
    assert_eq!(flow(&missed).app, ["resp acks 10", "orig 0+10 helloworld", "resp acks 10"]);
}

#[test]
fn a_retransmission_is_no_copy() {
    for again in [
        "0.3001 > PA seq=1 ack=1 len=5 id=12 if=1",
        "0.5 > PA seq=1 ack=1 len=5 id=11 if=1",
        "0.302 > PA seq=1 ack=1 len=5 id=11",
    ] {
        let flow = flow(&format!("{HANDSHAKE} 0.3 > PA seq=1 ack=1 len=5 id=11 \n {again}"));
        assert_eq!(flow.duplicates, 0, "{again}");
    }
}

#[test]
fn what_the_observer_is_shown() {
    let flow = flow(
        "0 > S isn=4294967290 data=early \n 0.1 < SA ack=6 \n 0.2 > A seq=6 ack=1
        0.3 > PA seq=14 ack=1 data=late \n 0.4 > PA seq=6 ack=1 data=in-order \n 0.5 < A seq=1 ack=18
        0.6 < PA seq=1 ack=18 data=answer \n 0.7 > R seq=18",
    );
    let expected = [
        "orig 0+5 early",
        "resp acks 5",
        "orig 13+4 late",
        "orig 5+8 in-order",
        "resp acks 17",
        "resp 0+6 answer",
    ];
    assert_eq!(flow.app, expected);
    let facts = flow.tcp.as_ref().expect("TCP").facts();
    assert_eq!((facts.syn_payload_bytes, facts.loss.orig.segments), (5, 0));
    assert_eq!(facts.loss.resp.unacked_bytes, 6);
}

#[test]
fn resets() {
    type Expected = (Dir, bool, bool, bool);
    let cases: &[(&str, Expected)] = &[
        ("0 > S \n 0.1 < RA ack=1 ttl=61", (Dir::Resp, true, false, true)),
        (
            "0 > S \n 0.1 < SA ack=1 \n 0.2 > A seq=1 ack=1 \n 0.3 < R seq=1 ttl=200",
            (Dir::Resp, false, false, true),
        ),
        (
            "0 > S \n 0.1 < SA ack=1 \n 0.2 > A seq=1 ack=1 \n 0.3 < R seq=900",
            (Dir::Resp, false, false, false),
        ),
        (
            "0 > S \n 0.1 < SA ack=1 \n 0.2 > FA seq=1 ack=1 \n 0.3 < FA seq=1 ack=2 \n 0.4 > R seq=2",
            (Dir::Orig, false, true, true),
        ),
    ];
    for (segments, expected) in cases {
        let reset = tcp(segments).reset.expect(segments);
        assert_eq!((reset.from, reset.to_syn, reset.after_close, reset.in_sequence), *expected, "{segments}");
    }
}

#[test]
fn a_fin_that_stands_behind_the_one_that_acknowledges_it_was_first() {
    let closed_by =
        |fins: &str| tcp(&format!("0 > S \n 0.1 < SA ack=1 \n 0.2 > A seq=1 ack=1 \n {fins}")).closed_by();
    assert_eq!(closed_by("1 < FA seq=1 ack=1 \n 1.1 > FA seq=1 ack=2"), Some(Dir::Resp));
    assert_eq!(closed_by("1 < FA seq=1 ack=2 \n 1.1 > FA seq=1 ack=1"), Some(Dir::Orig));
    assert_eq!(
        closed_by("1 < FA seq=1 ack=1 \n 1.1 < A seq=2 ack=2 \n 1.2 > FA seq=1 ack=2"),
        Some(Dir::Resp)
    );
}

#[test]
fn a_reset_that_stands_before_the_syn_it_answers() {
    let answers = |segments: &str| tcp(segments).reset.map(|r| (r.from, r.to_syn));
    assert_eq!(answers("0.0001 < RA seq=0 ack=1 \n 0 > S"), Some((Dir::Resp, true)));
    assert_eq!(
        answers("0 < RA seq=0 ack=1 \n 0.0001 > S"),
        Some((Dir::Resp, true)),
        "the SYN was shown late"
    );
    let older = "0 < RA seq=0 ack=1 \n 0.1 > S";
    assert_eq!(answers(older), Some((Dir::Resp, false)), "a reset of something older");
}

#[test]
fn half_open_and_a_handshake_that_the_server_drops() {
    assert!(tcp("0 > S \n 0.1 < SA ack=1 \n 1.1 < SA ack=1").is_half_open());
    let facts =
        tcp("0 > S \n 0.1 < SA ack=1 \n 0.2 > A seq=1 ack=1 \n 1.1 < SA ack=1 \n 1.2 > A seq=1 ack=1");
    assert_eq!((facts.is_half_open(), facts.synack_after_ack), (false, 1));
    let handshake = "0 > S \n 0.1 < SA ack=1 \n 0.2 > A seq=1 ack=1";
    let end = "0.3 < R seq=1";
    for (between, why) in
        [("90 > S", "the whole handshake again, by another clock"), (end, "the server is gone")]
    {
        let facts = tcp(&format!("{handshake} \n {between} \n 90.1 < SA ack=1 \n 90.2 > A seq=1 ack=1"));
        assert_eq!(facts.synack_after_ack, 0, "{why}");
    }
    let swapped = tcp("0 > S \n 0.0002 > A seq=1 ack=1 \n 0.0001 < SA ack=1");
    assert_eq!(swapped.synack_after_ack, 0, "frames not in order of time");
    assert!(tcp("0 > S \n 0 < S \n 0.1 > SA seq=0 ack=1 \n 0.1 < SA seq=0 ack=1").simultaneous_open);
    let kept = tcp(&format!("{HANDSHAKE} 15 > A seq=0 ack=1 \n 30 > A seq=0 ack=1"));
    assert_eq!(kept.keep_alive.as_ref().map(|sides| sides.orig.count), Some(2));
    assert_eq!(kept.longest_silence.map(|silence| silence.broken_by), Some(Dir::Orig));
}

fn after_first(times: &[Moment]) -> Vec<i64> {
    times.iter().map(|at| (at.time - times[0].time).0 / 1_000_000).collect()
}

#[test]
fn schedules_of_the_handshake() {
    // Linear first, as current kernels do it.
    let dial = tcp("0 > S \n 1 > S \n 2 > S \n 3 > S \n 5 > S");
    assert_eq!(after_first(&dial.syn_times), [0, 1000, 2000, 3000, 5000]);
    let answer = tcp("0 > S \n 0.1 < SA ack=1 \n 1.1 < SA ack=1 \n 3.1 < SA ack=1");
    assert_eq!(after_first(&answer.synack_times), [0, 1000, 3000]);
    let kept = tcp(&format!("{HANDSHAKE} 15 > A seq=0 ack=1 \n 30 > A seq=0 ack=1 \n 45 > A seq=0 ack=1"));
    let probes = kept.keep_alive.expect("probes").orig;
    assert_eq!(probes.last.zip(probes.first).map(|(b, a)| b.time - a.time), Some(TimeDelta::from_secs(30)));
}

/// `rto orig/resp in ms, most bytes in flight orig/resp, highest duplicate_ack_num orig/resp`.
fn waiting(facts: &TcpFacts) -> String {
    let ms = |rto: Option<TimeDelta>| rto.map_or(0, |rto| rto.0 / 1_000_000);
    let TcpFacts { rto, max_bytes_in_flight: flight, duplicate_ack_num: dup, .. } = facts;
    let rto = format!("{}/{}", ms(rto.orig), ms(rto.resp));
    format!("{rto} {}/{} {}/{}", flight.orig, flight.resp, dup.orig, dup.resp)
}

#[test]
fn timeouts_bytes_in_flight_and_duplicate_acks() {
    // As tshark 4.0 has them: the RTO is counted from the eldest segment that is not acknowledged.
    for (expected, segments) in [
        ("0/0 10/0 0/0", "1 > PA seq=1 ack=1 len=10 \n 1.1 < A seq=1 ack=11"),
        ("1500/0 10/0 0/0", "1 > PA seq=1 ack=1 len=10 \n 1.5 > PA seq=1 ack=1 len=10 \n 2.5 > PA seq=1 ack=1 len=10"),
        (
            "400/0 300/0 0/0",
            "1 > A seq=1 ack=1 len=100 \n 1.1 > A seq=101 ack=1 len=100 \n 1.2 > A seq=201 ack=1 len=100
            1.3 < A seq=1 ack=101 \n 1.5 > A seq=101 ack=1 len=100",
        ),
        (
            "0/0 40/0 0/3",
            "1 > A seq=1 ack=1 len=10 \n 1.05 < A seq=1 ack=11 \n 1.1 > A seq=21 ack=1 len=10 \n 1.2 < A seq=1 ack=11
            1.21 < A seq=1 ack=11 \n 1.22 > A seq=31 ack=1 len=10 \n 1.23 > A seq=41 ack=1 len=10 \n 1.24 < A seq=1 ack=11",
        ),
        ("0/700 0/5 0/0", "1 < PA seq=1 ack=1 len=5 \n 1.7 < PA seq=1 ack=1 len=5 \n 1.8 > A seq=1 ack=6"),
    ] {
        assert_eq!(waiting(&tcp(&format!("{HANDSHAKE}{segments}"))), expected, "{segments}");
    }
    assert_eq!(tcp("0 > S \n 1 > S \n 3 > S").rto.orig, Some(TimeDelta::from_secs(3)), "a SYN too");
}

#[test]
fn what_passed_behind_a_lost_segment() {
    let facts = tcp(&format!(
        "{HANDSHAKE} 1 > A seq=1 ack=1 len=1400 \n 1 > PA seq=1401 ack=1 len=300 \n 1.1 < A seq=1 ack=1 sack=1401-1701
        1.3 > A seq=1 ack=1 len=1400 \n 1.9 > A seq=1 ack=1 len=1400"
    ));
    let loss = facts.loss.orig;
    assert_eq!((loss.sacked_bytes, loss.in_flight_bytes, loss.unacked_bytes), (300, 1700, 1700));
    assert_eq!((loss.segments, loss.largest_bytes), (2, 1400));
}

#[test]
fn who_closed_first() {
    for (side, segments) in [
        (None, ""),
        (Some(Dir::Resp), "1 < FA seq=1 ack=1 \n 1.1 > FA seq=1 ack=2"),
        (Some(Dir::Orig), "1 > FA seq=1 ack=1 \n 1.1 < FA seq=1 ack=2"),
        (Some(Dir::Orig), "1 > R seq=1 \n 1.1 < FA seq=1 ack=1"),
    ] {
        assert_eq!(tcp(&format!("{HANDSHAKE}{segments}")).closed_by(), side, "{segments}");
    }
}

#[test]
fn a_reset_may_hold_a_text_that_is_no_data() {
    let facts = tcp(&format!("{HANDSHAKE} 1 > PA seq=1 ack=1 len=5 \n 1.1 < RA seq=1 ack=6 len=11 ttl=61"));
    let reset = facts.reset.expect("a reset");
    assert_eq!(reset, Reset { from: Dir::Resp, ttl: 61, payload_bytes: 11, ..reset });
    assert_eq!((facts.first_payload.resp, facts.ttl.resp), (None, Some(64)));
}

#[test]
fn an_icmp_error_belongs_to_the_flow_that_it_quotes() {
    let quoted = flow("0 > S \n 0.1 icmp 3 3 quotes > \n 1 > S");
    let error = quoted.icmp.first().expect("an error");
    assert_eq!((error.kind, error.code, error.quotes, error.at.frame.number()), (3, 3, Dir::Orig, 2));
    assert_eq!(error.from.to_string(), "192.0.2.9");
    assert_eq!((quoted.packets.orig, quoted.quoted_only), (2, false));
    let alone = flow("0 icmp 3 1 quotes > bytes=8");
    assert_eq!((alone.quoted_only, alone.stream_frame), (true, None));
}

#[test]
fn an_icmp_error_that_quotes_what_was_not_sent_decides_nothing() {
    let dial = "0 > S";
    let open = format!("{HANDSHAKE} 1 > PA seq=1 ack=1 len=9 \n 1.1 < A seq=1 ack=10");
    let late = "0 > PA seq=1 ack=1 len=9 \n 1 < A seq=1 ack=10";
    for (before, quoted, believed) in [
        (dial, "> bytes=8", true),
        (dial, "> bytes=8 seq=1", false),
        (dial, "> seq=77", false),
        (dial, "< bytes=8 seq=77", true),
        (&open, "> bytes=8", true),
        (&open, "> bytes=8 seq=1", true),
        (&open, "> bytes=8 seq=10", true),
        (&open, "> bytes=8 seq=900000", true),
        (&open, "> bytes=8 seq=2000000", false),
        (&open, "> bytes=8 seq=4294967290", false),
        (&open, "< bytes=8 seq=2000000", false),
        (&open, "> seq=2000000", false),
        // A capture that begins late knows no start.
        (late, "> bytes=8 seq=2000000", true),
        (late, "> bytes=8 seq=100000000", false),
    ] {
        let flow = flow(&format!("{before} \n 2 icmp 3 1 quotes {quoted}"));
        let told = (flow.icmp.len(), flow.stray_icmp.len());
        assert_eq!(told, if believed { (1, 0) } else { (0, 1) }, "{before}, quoted {quoted}");
    }
}

#[test]
fn redirects_and_source_quench_are_no_errors() {
    for (said, errors) in [("5 1", 0), ("4 0", 0), ("3 4", 1), ("11 0", 1)] {
        let flow = flow(&format!("0 > S \n 0.1 icmp {said} quotes >"));
        assert_eq!((flow.icmp.len(), flow.stray_icmp.len()), (errors, 0), "{said}");
    }
}

#[test]
fn icmp_errors_that_quote_what_was_not_sent_leave_no_true_one_out() {
    let strays = "0.1 icmp 3 1 quotes > seq=5 \n".repeat(40);
    let flow = flow(&format!("0 > S \n {strays} 0.2 icmp 3 3 quotes > \n 1 > S"));
    assert_eq!((flow.icmp.len(), flow.icmp[0].code, flow.stray_icmp.len()), (1, 3, 4));
    assert_eq!(flow.packets.orig, 2, "they open no connection of their own");
}

#[test]
fn an_icmp_error_before_the_first_packet_is_held_against_the_syn() {
    for (quoted, kept) in [("", (1, 0)), ("seq=5", (0, 1))] {
        let flow = flow(&format!("0 icmp 3 1 quotes > bytes=8 {quoted} \n 1 > S \n 2 > S"));
        assert_eq!((flow.icmp.len(), flow.stray_icmp.len()), kept, "{quoted}");
    }
}

#[test]
fn shares_of_the_files_of_a_capture() {
    let parts = |texts: &[&str]| {
        let mut flows = flows_in_files(texts);
        assert_eq!(flows.len(), 1);
        let parts = std::mem::take(&mut flows[0].parts).into_iter();
        let words =
            parts.map(|p| format!("{}:{}-{} {:?}", p.file, p.first_frame, p.last_frame, p.stream_frame));
        words.collect::<Vec<_>>().join(", ")
    };
    assert_eq!(parts(&["0 > S \n 1 > S", "", "3 > S"]), "0:1-2 Some(1), 2:1-1 Some(1)");
    // A file that only quotes it has a share; Wireshark gives that a stream where enough of the header is quoted.
    assert_eq!(
        parts(&["0 > S", "1 icmp 3 1 quotes > \n 2 icmp 3 1 quotes >"]),
        "0:1-1 Some(1), 1:1-2 Some(1)"
    );
    assert_eq!(parts(&["0 icmp 3 1 quotes > bytes=8", "1 icmp 3 1 quotes >"]), "0:1-1 None, 1:1-1 Some(1)");
    assert_eq!(parts(&["0 icmp 3 1 quotes > \n 1 > S \n 2 icmp 3 1 quotes >"]), "0:2-2 Some(1)");
}

#[test]
fn large_segments_are_lost_and_small_ones_pass() {
    let facts = tcp(&format!(
        "{HANDSHAKE} 1 > PA seq=1 ack=1 len=200 \n 1.1 < A seq=1 ack=201 \n 2 > A seq=201 ack=1 len=1400
        3 > A seq=201 ack=1 len=1400 \n 5 > A seq=201 ack=1 len=1400"
    ));
    let loss = facts.loss.orig;
    assert_eq!(
        (loss.segments, loss.largest_bytes, loss.largest_delivered_bytes, loss.unacked_bytes),
        (2, 1400, 200, 1400)
    );
    assert_eq!(facts.completeness, 15);
}

#[test]
fn a_probe_of_a_closed_window_is_no_loss() {
    let text = format!(
        "{HANDSHAKE} 1 < A seq=1 ack=1 win=0 \n 2 > A seq=1 ack=1 len=1 \n 2.1 < A seq=1 ack=1 win=0
        3 > A seq=1 ack=1 len=1 \n 3.1 < A seq=1 ack=1 win=0 \n 4 > A seq=1 ack=1 len=1 \n 4.1 < A seq=1 ack=1 win=500
        4.2 > PA seq=1 ack=1 len=100"
    );
    assert_eq!(tcp(&text).loss.orig.segments, 0);
    let lost = format!("{text} \n 5 > PA seq=1 ack=1 len=100");
    assert_eq!(tcp(&lost).loss.orig.segments, 1);
}

#[test]
fn past_the_budget_the_flow_with_the_oldest_last_frame_ends() {
    let text = "0 > S sport=1001 \n 1 > S sport=1002 \n 2 > S sport=1001 \n 3 > S sport=1003 \n 4 > A sport=1002 seq=1 ack=1";
    let all = flows_within(text, LIVE_BYTES + LONE_BYTES + 1);
    let seen: Vec<_> =
        all.iter().map(|flow| (flow.orig.port(), flow.packets.orig, flow.evicted, flow.midstream)).collect();
    assert_eq!(
        seen,
        [(1001, 2, true, false), (1002, 1, true, false), (1003, 1, false, false), (1002, 1, false, true)]
    );
}

#[test]
fn a_flow_goes_on_after_it_was_frozen() {
    let text = format!(
        "{HANDSHAKE} 1 > PA seq=1 ack=1 len=9 \n 2 > R seq=10 \n 9 < A seq=1 ack=10 \n 10 > R seq=10"
    );
    let (through, frozen) = (flow(&text), flows_frozen(&text));
    assert_eq!(frozen.len(), 1);
    assert_eq!(through.tcp.as_deref(), frozen[0].tcp.as_deref());
    assert_eq!(through.packets, frozen[0].packets);
}

/// SYNs of somebody else, five seconds apart: time passes.
fn others(from: usize, count: usize) -> String {
    let syns: Vec<String> =
        (0..count).map(|n| format!("{} > S sport={} \n", from + n * 5, 2000 + n)).collect();
    syns.concat()
}

#[test]
fn a_reset_outside_the_window_ends_nothing() {
    let text = |reset: u32, between: &str| {
        format!(
            "{HANDSHAKE} 1 > PA seq=1 ack=1 len=9 \n 2 < R seq={reset} \n {between}
            30 > PA sport={PORT} seq=10 ack=1 len=5 data=again"
        )
    };
    let (alone, among) = (flow(&text(90_000, "")), flows(&text(90_000, &others(3, 3))));
    let among = among.iter().find(|flow| flow.orig.port() == PORT).expect("the flow");
    assert!(alone.app.contains(&"orig 9+5 again".to_owned()), "{:?}", alone.app);
    assert_eq!(alone.app, among.app);
    // One that is taken ends it: what comes later is no part of it.
    let ended = flows(&text(1, &others(3, 3)));
    let ended = ended.iter().find(|flow| flow.orig.port() == PORT).expect("the flow");
    assert!(!ended.app.contains(&"orig 9+5 again".to_owned()), "{:?}", ended.app);
}

/// Whoever guesses numbers writes neither an end nor data into a connection; what a capture lost in between is no guess.
#[test]
fn what_lies_out_of_reach_decides_nothing() {
    let begun = format!("{HANDSHAKE} 1 > PA seq=1 ack=1 len=9 \n 1.1 < A seq=1 ack=10 \n ");
    let facts = |segment: &str| tcp(&format!("{begun} 2 < {segment}"));
    for far in [
        "R seq=10000000 \n 3 > FA seq=10 ack=1",
        "R seq=10000000 \n 2.1 < A seq=1 ack=10",
        "SA seq=90000000 ack=66666 \n 2.1 < RA seq=90000001 ack=66666 \n 3 > FA seq=10 ack=1",
        "FA seq=10000000 ack=10",
        "PA seq=10000000 ack=10 len=7",
        "PA seq=1 ack=2000010 len=7",
    ] {
        let facts = facts(far);
        let untouched = (facts.reset, facts.first_fin.resp, facts.first_payload.resp);
        assert_eq!(untouched, (None, None, None), "{far}");
    }
    // Wireshark calls a segment lost before each; only one within reach says so.
    let skipped = ["A seq=10000000 ack=10", "A seq=5001 ack=10"].map(|s| facts(s).loss.resp.skipped_bytes);
    assert_eq!(skipped, [0, 5000]);
    assert_eq!(facts("SA seq=90000000 ack=66666").synack_after_ack, 0);
    assert!(facts("R seq=1").reset.is_some() && facts("FA seq=1 ack=10").first_fin.resp.is_some());
    assert!(
        facts("PA seq=900001 ack=10 len=7").first_payload.resp.is_some(),
        "the capture may have lost some"
    );
    let midstream = tcp("0 > PA seq=1 ack=1 len=9 \n 1 < PA seq=10000000 ack=10 len=7");
    assert!(midstream.first_payload.resp.is_some(), "nothing tells how much room there is");
    // An acknowledgment alone goes on after a long gap.
    let gap = tcp(&format!("{begun} 2 < A seq=1 ack=5000010 \n 3 > PA seq=5000010 ack=1 len=7"));
    assert_eq!(gap.loss.orig.gap_bytes, 5_000_000);
}

/// What the capture lacks is told by any number, of copies' neighbours and RSTs too; a FIN is no payload.
#[test]
fn numbers_tell_what_the_capture_lacks() {
    let twice = HANDSHAKE.lines().map(|line| format!("{line} id=7 \n {line} id=7 if=1 \n"));
    let twice = twice.collect::<Vec<_>>().concat();
    for handshake in [HANDSHAKE, twice.as_str()] {
        let unseen = |segments: &str| {
            let loss = tcp(&format!("{handshake} {segments}")).loss;
            (loss.orig.unseen_bytes, loss.resp.unseen_bytes)
        };
        for (segments, expected) in [
            ("2 < RA seq=1 ack=1552", (1551, 0)),
            ("2 < RA seq=83 ack=1", (0, 82)),
            ("2 < RA seq=1 ack=0", (0, 0)),
            ("2 < RA seq=1 ack=90000000", (0, 0)),
            ("2 < A seq=1 ack=1552", (1551, 0)),
            ("2 < FA seq=83 ack=1 \n 2.1 > A seq=1 ack=84", (0, 82)),
            ("2 < FA seq=1 ack=1 \n 2.1 > FA seq=1 ack=2 \n 2.2 < A seq=2 ack=2 \n 2.3 < R seq=2", (0, 0)),
            ("2 > A seq=1 ack=2 \n 2.1 < R seq=2", (0, 0)),
        ] {
            assert_eq!(unseen(segments), expected, "{segments}");
        }
    }
}

/// Only what was never acknowledged was sent again in vain, and a copy is neither that nor a duplicate ACK.
#[test]
fn what_was_sent_again_in_vain() {
    let sent = "1 > PA seq=1 ack=1 len=9 id=1";
    let loss = |segments: &str| {
        let loss = tcp(&format!("{HANDSHAKE} {sent} \n {segments}")).loss.orig;
        (loss.segments, loss.vain_segments, loss.duplicate_acks)
    };
    let again = "1.3 > PA seq=1 ack=1 len=9 id=2 \n 1.9 > PA seq=1 ack=1 len=9 id=3";
    for (segments, expected) in [
        (again.to_owned(), (2, 2, 0)),
        (format!("1.00001 > PA seq=1 ack=1 len=9 id=1 if=1 \n {again}"), (2, 2, 0)),
        (format!("{again} \n 2 < A seq=1 ack=10 id=1"), (2, 0, 0)),
        (format!("{again} \n 2 < A seq=1 ack=10 id=1 \n 2.00001 < A seq=1 ack=10 id=1 if=1"), (2, 0, 0)),
        (format!("{again} \n 2 < A seq=1 ack=10 id=1 \n 2.1 < A seq=1 ack=10 id=2"), (2, 0, 1)),
        (format!("1.1 < A seq=1 ack=10 \n {again}"), (2, 0, 0)),
        (format!("{again} \n 2 < A seq=1 ack=5 \n 3 > PA seq=1 ack=1 len=9 id=4"), (3, 1, 0)),
        // what was sent before it fell into a hole
        (
            "2 > PA seq=99 ack=1 len=9 id=2 \n 2.3 > PA seq=99 ack=1 len=9 id=3 \n 3 < A seq=1 ack=99"
                .to_owned(),
            (1, 1, 0),
        ),
    ] {
        assert_eq!(loss(&segments), expected, "{segments}");
    }
}

#[test]
fn a_reset_that_acknowledges_no_syn_refuses_nothing() {
    for (reset, refuses) in [("RA ack=1", true), ("RA ack=987654", false), ("R seq=0", false)] {
        assert_eq!(
            tcp(&format!("0 > S \n 0.1 < {reset}")).reset.is_some_and(|r| r.to_syn),
            refuses,
            "{reset}"
        );
    }
    assert!(tcp("0 > S len=5 \n 0.1 < RA ack=6").reset.is_some(), "data in the SYN may be acknowledged");
}

#[test]
fn a_syn_ack_that_acknowledges_no_syn_answers_nothing() {
    for (answer, answers) in [("SA ack=1", true), ("SA ack=987654 ttl=64", false), ("SA ack=0", false)] {
        let facts = tcp(&format!("0 > S \n 0.1 < {answer}"));
        assert_eq!(
            (facts.synack_times.len(), facts.ttl.resp.is_some()),
            (answers.into(), answers),
            "{answer}"
        );
    }
    let facts = tcp("0 > S \n 0.1 < SA ack=987654 \n 0.2 < SA ack=1 \n 0.3 > A seq=1 ack=1");
    assert_eq!((facts.synack_times.len(), facts.synack.resp), (1, 2), "Wireshark counts both");
    assert!(facts.established.is_some());
}

/// A capture that lost most of a connection shows its true end out of reach; nothing goes on behind it.
#[test]
fn a_reset_behind_which_nothing_goes_on_ends_the_connection() {
    let begun = format!("{HANDSHAKE} 1 > PA seq=1 ack=1 len=9 \n 1.1 < A seq=1 ack=10 \n ");
    let reset = |segments: &str| {
        tcp(&format!("{begun} {segments}")).reset.map(|r| (r.at.time.0 / 100_000_000, r.in_sequence))
    };
    let rows = [
        ("2 < R seq=10000000", Some((20, false))),
        ("2 < R seq=10000000 \n 2.05 > PA seq=10 ack=1 len=5", Some((20, false))), // it was under way
        ("2 < R seq=10000000 \n 9 > PA seq=10 ack=1 len=5", None),
        ("2 < RA seq=1 ack=0", Some((20, true))), // as some middleboxes write it
        ("2 < RA seq=1 ack=30000000", Some((20, true))), // of bytes that were not captured
        ("2 > A seq=10 ack=200000001 \n 2.1 < RA seq=1 ack=10", Some((21, false))),
        ("2 > R seq=1000 \n 3 < R seq=1", Some((30, true))), // the first only asks
        ("2 < R seq=1 \n 3 < R seq=1000", Some((20, true))),
        ("2 < PA seq=1 ack=10 len=9 \n 2.1 < R seq=1", Some((21, false))), // the capture may show it late
        ("2 < PA seq=1 ack=10 len=9 \n 2.1 < R seq=1 \n 2.2 < R seq=1", Some((21, false))),
        ("2 < PA seq=1 ack=10 len=9 \n 2.1 < R seq=1 \n 2.2 < FA seq=10 ack=10", None), // below the window
        ("2 < PA seq=1 ack=10 len=9 \n 2.1 < R seq=1 \n 2.2 < R seq=10", Some((22, true))),
    ];
    for (segments, expected) in rows {
        assert_eq!(reset(segments), expected, "{segments}");
    }
    let far = tcp(&format!("{begun} 2 < FA seq=5001 ack=100010"));
    assert!(far.first_fin.resp.is_some(), "the capture may have lost some of both sides");
}

/// RFC 5961 §4: a server with a connection of before answers a SYN with a challenge, and then refuses it.
#[test]
fn what_a_caller_does_not_take_for_an_answer_stands_before_the_true_one() {
    for before in ["RA seq=0 ack=77", "A seq=9999 ack=7777777"] {
        let reset = tcp(&format!("0 > S \n 0.1 < {before} \n 0.2 < RA seq=0 ack=1")).reset.expect(before);
        assert!(reset.to_syn && reset.at.time.0 == 200_000_000, "{before}: {reset:?}");
    }
}

#[test]
fn a_copy_of_a_reset_is_a_copy() {
    let flow = flow(&format!("{HANDSHAKE} 1 < RA seq=1 ack=9 id=7 \n 1.001 < RA seq=1 ack=9 id=7 if=1"));
    assert_eq!((flow.duplicates, flow.tcp.expect("TCP").facts().rst.resp), (1, 2));
}

#[test]
fn a_flow_that_an_error_opened_is_within_the_budget_once_it_was_frozen() {
    let text = format!(
        "0 icmp 3 1 quotes > bytes=8 \n 1 > S \n 1.1 < SA ack=1 \n 1.2 > A seq=1 ack=1 \n 2 < RA seq=1 ack=1 \n {}",
        others(9, 100)
    );
    let budget = LIVE_BYTES + LONE_BYTES;
    let all = flows_within(&text, budget);
    // All the room is left to the SYNs.
    let left = all.iter().filter(|flow| flow.orig.port() != PORT && !flow.evicted).count();
    assert_eq!(left, budget / LONE_BYTES);
}
