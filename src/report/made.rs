//! A report made for tests: one fault with a ladder, one undecided call, hostile text in every place from a bundle.

use super::document::{
    Alternative, Anomaly, Bucket, Capture, Clock, End, Finding, FlowRef, Input, LineRef, Log, Match, Missing,
    Moment, MomentKind, Occurrence, OtherFlow, Problem, Report, SCHEMA, Summary, Target, Tool, Version,
};

/// Text that would act on a terminal or a page if it were let through.
pub(super) const HOSTILE: &str = "<script>alert(1)</script>\u{1b}[31m\"'&|`";

pub(super) fn report() -> Report {
    Report {
        schema: SCHEMA.to_owned(),
        tool: Tool {
            name: "wirecause".to_owned(),
            version: "0.0.0".to_owned(),
            rules_digest: "0123456789ab".to_owned(),
        },
        inputs: vec![input("logs/apiserver.log", "log", "ok"), input("pcap/cut.pcap", "pcap", "partial")],
        captures: vec![capture()],
        logs: vec![log()],
        versions: vec![Version {
            component: "kube-apiserver".to_owned(),
            version: "v1.36.2".to_owned(),
            host: Some("cp-1".to_owned()),
            path: "logs/apiserver.log".to_owned(),
        }],
        summary: Summary { findings: 2, occurrences: 3, ..Summary::default() },
        findings: vec![fault(), undecided()],
        certificates: Vec::new(),
        anomalies: vec![Anomaly {
            kind: "retransmissions".to_owned(),
            place: "pcap/cp-1.pcap".to_owned(),
            count: 12,
            text: "12 segments were sent again (0.4 % of the frames)".to_owned(),
            lost: false,
        }],
    }
}

fn input(path: &str, kind: &str, status: &str) -> Input {
    let problem = Problem {
        name: "cut_packet_record".to_owned(),
        at: "frame 7".to_owned(),
        count: 1,
        detail: format!("the last record is cut {HOSTILE}"),
    };
    Input {
        path: path.to_owned(),
        kind: kind.to_owned(),
        status: status.to_owned(),
        bytes: 4096,
        frames: None,
        lines: None,
        problems: if status == "ok" { Vec::new() } else { vec![problem] },
    }
}

fn capture() -> Capture {
    Capture {
        name: "pcap/cp-1.pcap".to_owned(),
        host: None,
        files: vec!["pcap/cp-1.pcap".to_owned()],
        link_types: vec!["ethernet".to_owned()],
        interfaces: Vec::new(),
        filters: Vec::new(),
        first_time: Some(time(0)),
        last_time: Some(time(40)),
        frames: 1121,
        flows: 56,
        drops: Some(3),
        snaplen_cut: 0,
        duplicates: 0,
        ack_lost_segments: 0,
        gap_bytes: 0,
        backwards: 0,
        one_sided: 0.0,
        evicted: 0,
        spilled_bytes: 0,
        clock: Clock {
            offset: Some(90.2),
            drift_ppm: None,
            at: None,
            residual: Some(0.001),
            pairs: 4,
            why: "lines of kube-apiserver".to_owned(),
        },
    }
}

fn log() -> Log {
    Log {
        path: "logs/apiserver.log".to_owned(),
        files: Vec::new(),
        format: "CRI / klog".to_owned(),
        component: Some("kube-apiserver".to_owned()),
        host: None,
        first_time: Some(time(0)),
        last_time: Some(time(40)),
        zone: Some("America/New_York".to_owned()),
        year_from: "CRI stamps".to_owned(),
        lines: 1000,
        events: 3,
        unrecognised: 0,
        unrecognised_lines: Vec::new(),
        clock: Clock::default(),
    }
}

/// So many seconds after an arbitrary point.
pub(super) fn time(seconds: u64) -> String {
    format!("2026-11-21T02:56:{seconds:02}.435323000Z")
}

fn fault() -> Finding {
    Finding {
        id: "F1".to_owned(),
        verdict: "io_timeout".to_owned(),
        cause: "syn_dropped".to_owned(),
        rule: "io-timeout/syn-dropped".to_owned(),
        severity: "error".to_owned(),
        standing: "explained".to_owned(),
        confidence: "high".to_owned(),
        edge: "webhook".to_owned(),
        title: "The SYN was never answered".to_owned(),
        explanation: format!(
            "10.244.1.31:10250 was sent 6 SYNs in 31 s and answered none of them. {HOSTILE}"
        ),
        next: vec!["Look for a NetworkPolicy or a firewall in front of the pod.".to_owned()],
        references: vec!["https://kubernetes.io/docs/".to_owned(), format!("javascript:{HOSTILE}")],
        count: 2,
        first_time: Some(time(5)),
        last_time: Some(time(35)),
        target: Target {
            webhook: Some("validation.gatekeeper.sh".to_owned()),
            url_host: Some(format!("gatekeeper.svc{HOSTILE}")),
            backend: Some("10.244.1.31:10250".to_owned()),
            ..Target::default()
        },
        occurrences: vec![occurrence(5), occurrence(35)],
        omitted: 0,
        histogram: vec![Bucket { time: time(5), count: 1 }, Bucket { time: time(35), count: 1 }],
        histogram_seconds: 1,
        representative: Some(0),
        timeline: timeline(),
        alternatives: vec![Alternative {
            rule: "io-timeout/no-reply".to_owned(),
            why: "less specific".to_owned(),
        }],
    }
}

fn undecided() -> Finding {
    let missing = Missing {
        what: "time_span".to_owned(),
        detail: "the capture ends 2 min before the call".to_owned(),
        command: Some("tcpdump -i any -s 0 -w a.pcap host 10.0.0.7".to_owned()),
    };
    let call = Occurrence {
        flows: Vec::new(),
        matching: None,
        missing: vec![missing],
        standing: "inconclusive".to_owned(),
        ..occurrence(39)
    };
    Finding {
        id: "F2".to_owned(),
        standing: "inconclusive".to_owned(),
        confidence: "low".to_owned(),
        title: "The call timed out, and no packet of it was captured".to_owned(),
        explanation: String::new(),
        count: 1,
        occurrences: vec![call],
        timeline: Vec::new(),
        ..fault()
    }
}

fn occurrence(seconds: u64) -> Occurrence {
    Occurrence {
        time: Some(time(seconds)),
        standing: "explained".to_owned(),
        logs: vec![LineRef {
            path: "logs/apiserver.log".to_owned(),
            line: 12,
            text: format!("W1121 dispatcher.go:217] Failed calling webhook {HOSTILE}"),
            truncated: false,
        }],
        flows: vec![flow()],
        matching: Some(Match {
            key: "nat_map".to_owned(),
            score: 0.9,
            offset_ms: Some(1.5),
            alternatives: vec![OtherFlow {
                capture: "pcap/cp-1.pcap".to_owned(),
                stream: Some(13),
                orig: end("172.28.0.2", 60853),
                resp: end("10.244.1.31", 10250),
                first_frame: 118,
            }],
            why: "the Service's endpoint, within the deadline".to_owned(),
        }),
        missing: Vec::new(),
    }
}

pub(super) fn flow() -> FlowRef {
    FlowRef {
        capture: "pcap/cp-1.pcap".to_owned(),
        file: "pcap/cp-1.pcap".to_owned(),
        stream: Some(12),
        role: "attempt".to_owned(),
        orig: end("172.28.0.2", 60852),
        resp: end("10.244.1.31", 10250),
        counterpart: None,
        first_frame: 117,
        conn_state: Some("S0".to_owned()),
        display_filter: "tcp.stream == 12".to_owned(),
    }
}

/// A packet without words.
pub(super) fn moment() -> Moment {
    Moment {
        time: time(0),
        kind: MomentKind::Packet,
        from: Some("orig".to_owned()),
        flow: Some(0),
        text: String::new(),
        capture: Some("pcap/cp-1.pcap".to_owned()),
        file: Some("pcap/cp-1.pcap".to_owned()),
        frame: Some(1),
        path: None,
        line: None,
    }
}

fn end(ip: &str, port: u16) -> End {
    End { ip: ip.to_owned(), port }
}

fn timeline() -> Vec<Moment> {
    let packet = |seconds, from: &str, text: &str, frame| Moment {
        time: time(seconds),
        from: Some(from.to_owned()),
        text: text.to_owned(),
        frame: Some(frame),
        ..moment()
    };
    let line = Moment {
        kind: MomentKind::Log,
        from: None,
        flow: None,
        text: format!("W1121 dispatcher.go:217] Failed calling webhook {HOSTILE}"),
        capture: None,
        file: None,
        frame: None,
        path: Some("logs/apiserver.log".to_owned()),
        line: Some(12),
        ..packet(5, "orig", "", 0)
    };
    let again = ["SYN", "SYN, sent again", "SYN, sent again", "SYN, sent again"];
    let syns = again.into_iter().zip([0, 1, 2, 4]).map(|(text, s)| packet(s, "orig", text, 117 + s));
    syns.chain([line]).collect()
}
