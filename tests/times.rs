//! Time stamps out of any order and range: what is printed of them, to the nanosecond.

use serde_json::Value;

mod made;
mod sample;
use made::{analyze, bundle, line_with, pcap, syn};

/// The times that `flows` prints for each flow, which here has one packet; all of the capture was understood.
fn flow_times(name: &str, capture: &[u8]) -> Vec<String> {
    let (code, times) = code_and_times(name, capture);
    assert_eq!(code, 0, "{name}");
    times
}

fn code_and_times(name: &str, capture: &[u8]) -> (u8, Vec<String>) {
    let folder = bundle(&[(name, capture)]);
    let (code, out) = sample::run(&["flows", "--format", "ndjson"], &[folder.path().to_owned()]);
    let lines = String::from_utf8(out).expect("UTF-8");
    let mut flows: Vec<Value> = lines.lines().map(|l| serde_json::from_str(l).expect("a flow")).collect();
    flows.sort_by_key(|f| f["orig"]["port"].as_u64());
    (code, flows.iter().map(|f| f["first_time"].as_str().expect("a time").to_owned()).collect())
}

/// A capture whose magic number says nanoseconds, and the same in the other byte order.
#[test]
fn nanoseconds_of_a_pcap_are_kept() {
    let stamps = [(1_700_000_000_u32, 123_456_789_u32), (0, 1), (u32::MAX, 999_999_999)];
    let file = |word: fn(u32) -> [u8; 4]| {
        let mut file =
            [word(0xa1b2_3c4d), if word(1)[0] == 1 { [2, 0, 4, 0] } else { [0, 2, 0, 4] }].concat();
        file.extend([0, 0, 0x40000, 101].map(word).concat());
        for (port, (seconds, nanos)) in stamps.into_iter().enumerate() {
            let packet = syn(port as u16);
            file.extend([seconds, nanos, packet.len() as u32, packet.len() as u32].map(word).concat());
            file.extend(packet);
        }
        file
    };
    for bytes in [file(u32::to_le_bytes), file(u32::to_be_bytes)] {
        let expected = [
            "2023-11-14T22:13:20.123456789Z",
            "1970-01-01T00:00:00.000000001Z",
            "2106-02-07T06:28:15.999999999Z",
        ];
        assert_eq!(flow_times("a.pcap", &bytes), expected);
    }
}

/// A pcapng file of one SYN for each stamp, with options of its interface.
fn pcapng(options: &[(u16, &[u8])], stamps: &[u64]) -> Vec<u8> {
    pcapng_of(ENHANCED_PACKET, options, stamps)
}

/// The same in blocks of this type: of one interface, those of the older type look alike.
fn pcapng_of(packet_block: u32, options: &[(u16, &[u8])], stamps: &[u64]) -> Vec<u8> {
    let block = |kind: u32, body: &[u8]| {
        let length = (body.len() as u32 + 12).to_le_bytes();
        [&kind.to_le_bytes(), &length, body, &length].concat()
    };
    let padded = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    };
    let header = [&0x1a2b_3c4d_u32.to_le_bytes()[..], &[1, 0, 0, 0], &[0xff; 8]].concat();
    let mut interface = vec![101, 0, 0, 0, 0, 0, 4, 0];
    for (code, value) in options {
        interface.extend([code.to_le_bytes(), (value.len() as u16).to_le_bytes()].concat());
        interface.extend(padded(value));
    }
    let mut file = [block(0x0a0d_0d0a, &header), block(1, &interface)].concat();
    for (port, stamp) in stamps.iter().enumerate() {
        let packet = syn(port as u16);
        let length = packet.len() as u32;
        let words = [0, (stamp >> 32) as u32, *stamp as u32, length, length];
        let body = [words.map(u32::to_le_bytes).concat(), padded(&packet)].concat();
        file.extend(block(packet_block, &body));
    }
    file
}

const OBSOLETE_PACKET: u32 = 2;
const ENHANCED_PACKET: u32 = 6;
const RESOLUTION: u16 = 9;
const OFFSET: u16 = 14;

#[test]
fn every_resolution_of_a_pcapng_gives_its_times() {
    let second = 1_700_000_000_u64;
    for (resolution, stamp, expected) in [
        (None, second * 1_000_000 + 1, "2023-11-14T22:13:20.000001000Z"),
        (Some(0), second, "2023-11-14T22:13:20.000000000Z"),
        (Some(3), second * 1000 + 7, "2023-11-14T22:13:20.007000000Z"),
        (Some(6), second * 1_000_000 + 123_456, "2023-11-14T22:13:20.123456000Z"),
        (Some(9), second * 1_000_000_000 + 123_456_789, "2023-11-14T22:13:20.123456789Z"),
        (Some(10), second * 10_000_000_000 + 15, "2023-11-14T22:13:20.000000001Z"),
        (Some(12), 1_000_000_000_999, "1970-01-01T00:00:01.000000000Z"),
        (Some(28), u64::MAX, "1970-01-01T00:00:00.000000001Z"),
        (Some(127), u64::MAX, "1970-01-01T00:00:00.000000001Z"),
        (Some(0x80), second, "2023-11-14T22:13:20.000000000Z"),
        (Some(0x81), second * 2 + 1, "2023-11-14T22:13:20.500000000Z"),
        (Some(0x8a), second << 10 | 256, "2023-11-14T22:13:20.250000000Z"),
        (Some(0x9e), second << 30 | 1, "2023-11-14T22:13:20.000000000Z"),
        (Some(0xff), u64::MAX, "1970-01-01T00:00:00.000000000Z"),
    ] {
        let value = [resolution.unwrap_or_default()];
        let options: &[(u16, &[u8])] = &[(RESOLUTION, &value)];
        let options = if resolution.is_some() { options } else { &[] };
        assert_eq!(flow_times("a.pcapng", &pcapng(options, &[stamp])), [expected], "{resolution:?}");
    }
}

/// What lies outside the range of 64 bits of nanoseconds is shown at its end, which is said; nothing wraps round.
#[test]
fn stamps_of_a_pcapng_before_1970_and_after_2262_do_not_wrap() {
    const FIRST: &str = "1677-09-21T00:12:43.145224192Z";
    const LAST: &str = "2262-04-11T23:47:16.854775807Z";
    const SAID: u8 = 3;
    for (offset, stamp, code, expected) in [
        (-1, 0, 0, "1969-12-31T23:59:59.000000000Z"),
        (-1, 1, 0, "1969-12-31T23:59:59.000000001Z"),
        (-2_208_988_800, 5, 0, "1900-01-01T00:00:00.000000005Z"),
        (-9_223_372_037, 145_224_193, 0, "1677-09-21T00:12:43.145224193Z"),
        (-9_223_372_037, 145_224_191, SAID, FIRST),
        (-9_223_372_037, u64::MAX, 0, "2262-04-11T23:47:16.709551615Z"),
        (0, i64::MAX as u64, SAID, LAST),
        (0, i64::MAX as u64 + 1, SAID, LAST),
        (0, u64::MAX, SAID, LAST),
        (i64::MAX, 0, SAID, LAST),
        (i64::MAX, u64::MAX, SAID, LAST),
        (i64::MIN, 0, SAID, FIRST),
    ] {
        let options: &[(u16, &[u8])] = &[(RESOLUTION, &[9]), (OFFSET, &i64::to_le_bytes(offset))];
        for block in [ENHANCED_PACKET, OBSOLETE_PACKET] {
            let printed = code_and_times("a.pcapng", &pcapng_of(block, options, &[stamp]));
            assert_eq!(printed, (code, vec![expected.to_owned()]), "{offset} {stamp} in {block}");
        }
    }
    let seconds = pcapng(&[(RESOLUTION, &[0])], &[9_223_372_036, 9_223_372_037, u64::MAX]);
    let printed = code_and_times("a.pcapng", &seconds);
    assert_eq!(printed, (SAID, ["2262-04-11T23:47:16.000000000Z", LAST, LAST].map(str::to_owned).into()));
}

/// A frame of before 1970 stands in an extract with its own time.
#[test]
fn an_extract_keeps_times_before_1970() {
    let early = pcapng(&[(RESOLUTION, &[9]), (OFFSET, &i64::to_le_bytes(-2_208_988_800))], &[5]);
    let folder = bundle(&[("a.pcapng", &early)]);
    let (code, extract) = sample::run(&["extract", "--flow", "0"], &[folder.path().to_owned()]);
    assert_eq!(code, 0);
    assert_eq!(flow_times("b.pcapng", &extract), ["1900-01-01T00:00:00.000000005Z"]);
}

/// Frames keep their own stamps, in whatever order they come; a capture spans the least and the greatest.
#[test]
fn times_backwards_equal_and_years_apart_are_printed_as_they_are() {
    const NONE: u32 = 1_700_000_000;
    let year = 365 * 24 * 3600;
    let cases: [(&[u32], &str, &str, u64); 5] = [
        (&[0, 0, 1], "1970-01-01T00:00:00.000007000Z", "1970-01-01T00:00:01.000007000Z", 0),
        (
            &[1_800_000_000, NONE, 1_600_000_000, 0],
            "1970-01-01T00:00:00.000007000Z",
            "2027-01-15T08:00:00.000007000Z",
            3,
        ),
        (&[NONE; 40], "2023-11-14T22:13:20.000007000Z", "2023-11-14T22:13:20.000007000Z", 0),
        (&[NONE, NONE + 2 * year], "2023-11-14T22:13:20.000007000Z", "2025-11-13T22:13:20.000007000Z", 0),
        (&[0, u32::MAX, 0, u32::MAX], "1970-01-01T00:00:00.000007000Z", "2106-02-07T06:28:15.000007000Z", 1),
    ];
    for (seconds, first, last, backwards) in cases {
        let capture = pcap(seconds.iter().enumerate().map(|(n, s)| (*s, syn(n as u16))));
        let expected: Vec<String> = seconds
            .iter()
            .map(|s| wirecause::time::Timestamp::from_parts(i64::from(*s), 7000).to_string())
            .collect();
        assert_eq!(flow_times("a.pcap", &capture), expected);
        let (code, report) = analyze(&bundle(&[("a.pcap", &capture)]), &[]);
        let of = &report["captures"][0];
        assert_eq!((code, of["frames"].as_u64()), (0, Some(seconds.len() as u64)), "{of}");
        assert_eq!((of["first_time"].as_str(), of["last_time"].as_str()), (Some(first), Some(last)), "{of}");
        assert_eq!(of["backwards"].as_u64(), Some(backwards), "{seconds:?}: {of}");
    }
}

/// Stamps of a log are shown as they stand, in UTC, at the ends of the range where they lie beyond it.
#[test]
fn stamps_of_a_log_out_of_any_range_are_printed() {
    let stamps = [
        ("1601-01-01T00:00:00Z", "1677-09-21T00:12:43.145224192Z"),
        ("1969-12-31T23:59:59.999999999Z", "1969-12-31T23:59:59.999999999Z"),
        ("1970-01-01T00:30:00+01:00", "1969-12-31T23:30:00.000000000Z"),
        ("2024-02-29T12:00:00Z", "2024-02-29T12:00:00.000000000Z"),
        ("2026-02-28T12:00:00Z", "2026-02-28T12:00:00.000000000Z"),
        ("2026-02-28T12:00:00Z", "2026-02-28T12:00:00.000000000Z"),
        ("2262-04-12T00:00:00Z", "2262-04-11T23:47:16.854775807Z"),
        ("9999-12-31T23:59:59Z", "2262-04-11T23:47:16.854775807Z"),
        ("1999-12-31T23:59:60Z", "2000-01-01T00:00:00.000000000Z"),
    ];
    let log = stamps.map(|(stamp, _)| format!("{stamp} stderr F {}", plain_line())).concat();
    let folder = bundle(&[("0.log", log.as_bytes())]);
    let (code, out) = sample::run(&["logs", "--format", "ndjson"], &[folder.path().to_owned()]);
    let out = String::from_utf8(out).expect("UTF-8");
    let mut times: Vec<(u64, String)> = out
        .lines()
        .map(|l| serde_json::from_str::<Value>(l).expect("an event"))
        .map(|e| {
            (e["lines"][0]["line"].as_u64().expect("a line"), e["time"].as_str().unwrap_or("none").to_owned())
        })
        .collect();
    times.sort();
    let times: Vec<&str> = times.iter().map(|(_, time)| &**time).collect();
    assert_eq!((code, times), (0, stamps.map(|(_, time)| time).to_vec()));
    let (_, report) = analyze(&folder, &[]);
    assert_eq!(report["logs"][0]["lines"].as_u64(), Some(stamps.len() as u64));
    assert_eq!(report["summary"]["occurrences"].as_u64(), Some(stamps.len() as u64), "{report}");
}

/// A failure whose only stamp is that of the container runtime.
fn plain_line() -> String {
    let line = line_with("");
    line[line.find("Failed").expect("the message")..].to_owned()
}
