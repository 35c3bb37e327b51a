//! Classic cases as timelines: `conn_state` and `history`.

use std::fmt::Write as _;

use crate::flow::timeline::{flows, flows_frozen, tcp};

/// Zeek's classic cases: `conn_state history`, and the segments.
const CASES: &[(&str, &str)] = &[
    ("S0 S", "0 > S"),
    ("S0 S", "0 > S \n 1 > S \n 3 > S \n 7 > S \n 15 > S"),
    ("REJ Sr", "0 > S \n 0.1 < RA ack=1"),
    ("SF ShADadFf", "0 > S \n 0.1 < SA ack=1 \n 0.2 > A seq=1 ack=1 \n 0.3 > PA seq=1 ack=1 len=9
        0.4 < A seq=1 ack=10 \n 0.5 < PA seq=1 ack=10 len=5 \n 0.6 > FA seq=10 ack=6 \n 0.7 < FA seq=6 ack=11"),
    ("S1 ShA", "0 > S \n 0.1 < SA ack=1 \n 0.2 > A seq=1 ack=1"),
    ("S1 Sh", "0 > S \n 0.1 < SA ack=1"),
    ("S2 ShAF", "0 > S \n 0.1 < SA ack=1 \n 0.2 > A seq=1 ack=1 \n 0.3 > FA seq=1 ack=1"),
    ("S3 ShAf", "0 > S \n 0.1 < SA ack=1 \n 0.2 > A seq=1 ack=1 \n 0.3 < FA seq=1 ack=1"),
    ("RSTO ShADR", "0 > S \n 0.1 < SA ack=1 \n 0.2 > A seq=1 ack=1 \n 0.3 > PA seq=1 ack=1 len=3 \n 1 > R seq=4"),
    ("RSTR ShADr", "0 > S \n 0.1 < SA ack=1 \n 0.2 > A seq=1 ack=1 \n 0.3 > PA seq=1 ack=1 len=3 \n 1 < RA seq=1 ack=4"),
    ("RSTOS0 SR", "0 > S \n 1 > R seq=1"),
    ("RSTRH ^hr", "0 < SA ack=1 sport=443 dport=40000 \n 1 < R seq=1"),
    ("SH SF", "0 > S \n 1 > FA seq=1 ack=1"),
    ("SHR ^hf", "0 < SA ack=1 \n 1 < FA seq=1 ack=1"),
    ("OTH DdA", "0 > PA seq=1 ack=1 len=3 \n 0.1 < PA seq=1 ack=4 len=2 \n 0.2 > A seq=4 ack=3"),
    ("S1 ^hA", "0 < SA ack=1 \n 0.2 > A seq=1 ack=1"),
    // Simultaneous open.
    ("S1 Ss", "0 > S \n 0 < S \n 0.1 > SA seq=0 ack=1 \n 0.1 < SA seq=0 ack=1"),
    // A retransmission; ten of them.
    ("S1 ShADT", "0 > S \n 0.1 < SA ack=1 \n 0.2 > A seq=1 ack=1 \n 0.3 > PA seq=1 ack=1 len=3 \n 1 > PA seq=1 ack=1 len=3"),
    // A zero window, and bytes that the capture missed.
    ("S1 ShADawG", "0 > S \n 0.1 < SA ack=1 \n 0.2 > A seq=1 ack=1 \n 0.3 > PA seq=1 ack=1 len=3
        0.4 < A seq=1 ack=200 win=0"),
    // SYN and FIN at once, FIN and RST at once.
    ("SH Q", "0 > SF"),
    ("OTH I", "0 > FR"),
    // Challenge ACK (RFC 5961 §4): an ACK to a SYN, then the client's reset.
    ("RSTOS0 SaR", "0 > S \n 0.1 < A seq=77 ack=99 \n 0.2 > R seq=99"),
    // The server ends with FIN and then RST; the client's FIN crosses it.
    ("SF ShAfrF", "0 > S \n 0.1 < SA ack=1 \n 0.2 > A seq=1 ack=1 \n 0.3 < FA seq=1 ack=1 \n 0.4 < R seq=2
        0.5 > FA seq=1 ack=2"),
];

#[test]
fn classic_cases() {
    for (expected, segments) in CASES {
        let facts = tcp(segments);
        let state = facts.conn_state.map_or("-", |state| state.name());
        assert_eq!(format!("{state} {}", facts.history), *expected, "{segments}");
    }
}

/// A flow that was frozen goes on as if nothing had been.
#[test]
fn freezing_changes_no_fact() {
    for (_, segments) in CASES {
        let (through, frozen) = (flows(segments), flows_frozen(segments));
        assert_eq!(through.len(), frozen.len(), "{segments}");
        for (a, b) in through.iter().zip(&frozen) {
            assert_eq!(a.tcp.as_deref(), b.tcp.as_deref(), "{segments}");
            assert_eq!((a.packets, a.bytes, a.first, a.last), (b.packets, b.bytes, b.first, b.last));
        }
    }
}

#[test]
fn repeats_are_logarithmic() {
    let mut text =
        "0 > S \n 0.1 < SA ack=1 \n 0.2 > A seq=1 ack=1 \n 0.3 > PA seq=1 ack=1 len=3\n".to_owned();
    for n in 0..100 {
        let _ = writeln!(text, "{} > PA seq=1 ack=1 len=3", n + 1);
    }
    assert_eq!(tcp(&text).history, "ShADTTT");
}

#[test]
fn a_storm_of_resets_stays_bounded() {
    let mut text = String::new();
    for n in 0..500 {
        let _ = writeln!(text, "{n} > R seq={n}");
    }
    assert!(tcp(&text).history.len() <= super::history::HISTORY_BYTES);
}
