//! What must hold whatever the input: how a capture is cut into files, how frames of different flows interleave and what
//! else was on the wire changes no finding, and every report agrees with itself.
//!
//! Each property is tried on samples with choices that proptest makes from a fixed seed and shrinks; `PROPTEST_CASES`
//! raises how many.

use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::Value;
use tempfile::TempDir;

mod sample;
use sample::files;

/// The generator of benchmark captures, for traffic that has nothing to do with an incident.
#[path = "../examples/generate/main.rs"]
#[allow(dead_code, reason = "only the mixed capture is written here")]
mod generate;

fn some(cases: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { default.cases } else { cases };
    ProptestConfig { cases, rng_seed: RngSeed::Fixed(20_261_121), failure_persistence: None, ..default }
}

proptest! {
    #![proptest_config(some(24))]

    #[test]
    fn splitting_a_capture_into_files_changes_nothing(which in any::<prop::sample::Index>(), cuts in prop::collection::vec(0.0..1.0_f64, 1..4)) {
        let bundle = Copy::of(which);
        let (path, capture) = bundle.capture();
        let before = (bundle.flows(), bundle.findings());
        fs::remove_file(&path).unwrap();
        let mut cuts: Vec<usize> = cuts.iter().map(|at| (at * capture.frames.len() as f64) as usize).collect();
        cuts.sort_unstable();
        let ends = cuts.iter().copied().chain([capture.frames.len()]);
        let starts = [0].into_iter().chain(cuts.iter().copied());
        for (number, range) in starts.zip(ends).map(|(from, to)| from..to).enumerate() {
            let name = if number == 0 { path.clone() } else { path.with_extension(format!("pcap{number}")) };
            fs::write(name, capture.bytes(&capture.frames[range])).unwrap();
        }
        prop_assert_eq!(changes(before, (bundle.flows(), bundle.findings())), Vec::<String>::new());
    }

    #[test]
    fn frames_of_different_flows_may_change_places(which in any::<prop::sample::Index>(), swaps in prop::collection::vec(any::<prop::sample::Index>(), 1..200)) {
        let bundle = Copy::of(which);
        let (path, mut capture) = bundle.capture();
        let before = (bundle.flows(), bundle.findings());
        for swap in swaps {
            let at = swap.index(capture.frames.len() - 1);
            let (a, b) = (capture.flow(at), capture.flow(at + 1));
            if a.is_some() && b.is_some() && a != b {
                // As the queues of a network card deliver them: each with its own stamp, not quite in order.
                capture.frames.swap(at, at + 1);
            }
        }
        fs::write(&path, capture.bytes(&capture.frames)).unwrap();
        prop_assert_eq!(changes(before, (bundle.flows(), bundle.findings())), Vec::<String>::new());
    }

    #[test]
    fn frames_of_different_flows_may_come_in_any_order(which in any::<prop::sample::Index>(), spans in prop::collection::vec((any::<prop::sample::Index>(), 2..300_usize, any::<u64>()), 1..4)) {
        let bundle = Copy::of(which);
        let (path, mut capture) = bundle.capture();
        let before = (bundle.flows(), bundle.findings());
        for (at, length, seed) in spans {
            let from = at.index(capture.frames.len());
            capture.interleave(from..(from + length).min(capture.frames.len()), seed);
        }
        fs::write(&path, capture.bytes(&capture.frames)).unwrap();
        prop_assert_eq!(changes(before, (bundle.flows(), bundle.findings())), Vec::<String>::new());
    }

    #[test]
    fn healthy_traffic_adds_no_finding_and_changes_none(which in any::<prop::sample::Index>(), seed in any::<u64>()) {
        let bundle = Copy::of(which);
        let (path, mut capture) = bundle.capture();
        let before = bundle.findings();
        let more = healthy(&capture, seed);
        prop_assume!(!more.is_empty());
        capture.frames.extend(more);
        capture.frames.sort_by_key(|f| f.time);
        fs::write(&path, capture.bytes(&capture.frames)).unwrap();
        prop_assert_eq!(changes((Vec::new(), before), (Vec::new(), bundle.findings())), Vec::<String>::new());
    }

    #[test]
    fn unrelated_traffic_changes_no_finding(which in any::<prop::sample::Index>(), seed in any::<u64>()) {
        let bundle = Copy::of(which);
        let (path, mut capture) = bundle.capture();
        let before = bundle.findings();
        let more = unrelated(&bundle, &capture, seed);
        capture.frames.extend(more);
        capture.frames.sort_by_key(|f| f.time);
        fs::write(&path, capture.bytes(&capture.frames)).unwrap();
        let after = bundle.findings();
        prop_assert_eq!(before.difference(&after).collect::<Vec<_>>(), Vec::<&String>::new());
    }

    #[test]
    fn any_part_of_a_bundle_gives_a_report_that_agrees_with_itself(which in any::<prop::sample::Index>(), keep in prop::collection::vec(any::<bool>(), 40)) {
        let bundle = Copy::of(which);
        let files = files(bundle.path());
        for (file, _) in files.iter().zip(&keep).filter(|(_, keep)| !**keep).take(files.len() - 1) {
            fs::remove_file(file).unwrap();
        }
        agrees(&bundle.report())?;
    }
}

/// What is in only one of two accounts of flows and findings.
fn changes(before: Account, after: Account) -> Vec<String> {
    let one = |account: Account| account.0.into_iter().chain(account.1).collect::<BTreeSet<_>>();
    let (before, after) = (one(before), one(after));
    before.symmetric_difference(&after).cloned().collect()
}

/// What is said of flows, and of findings.
type Account = (Vec<String>, BTreeSet<String>);

/// What every report must hold.
fn agrees(report: &Value) -> Result<(), TestCaseError> {
    let findings = report["findings"].as_array().expect("findings");
    prop_assert_eq!(report["summary"]["findings"].as_u64(), Some(findings.len() as u64));
    let mut calls = 0;
    for (number, finding) in findings.iter().enumerate() {
        prop_assert_eq!(&finding["id"], &Value::from(format!("F{}", number + 1)));
        let count = finding["count"].as_u64().expect("a count");
        let shown = finding["occurrences"].as_array().map_or(0, Vec::len) as u64;
        prop_assert_eq!(count, shown + finding["omitted"].as_u64().unwrap_or(0), "{}", finding);
        if let Some(histogram) = finding["histogram"].as_array() {
            let all: u64 = histogram.iter().filter_map(|b| b["count"].as_u64()).sum();
            let timed =
                finding["occurrences"].as_array().into_iter().flatten().filter(|o| o["time"].is_string());
            prop_assert!(all >= timed.count() as u64 && all <= count, "{}", finding);
        }
        prop_assert!(finding["first_time"].as_str() <= finding["last_time"].as_str(), "{}", finding);
        let steps: Vec<_> =
            finding["timeline"].as_array().into_iter().flatten().map(|m| m["time"].as_str()).collect();
        prop_assert!(steps.is_sorted(), "{:?}", steps);
        calls += count;
    }
    let by_verdict = report["summary"]["by_verdict"].as_object().expect("by_verdict");
    prop_assert_eq!(calls, by_verdict.values().filter_map(Value::as_u64).sum::<u64>());
    Ok(())
}

/// A copy of a sample's bundle that can be changed.
struct Copy(TempDir);

impl Copy {
    fn of(which: prop::sample::Index) -> Self {
        let bundles: Vec<_> =
            sample::bundles().into_iter().filter(|b| captures(b).next().is_some()).collect();
        let from = which.get(&bundles);
        let copy = TempDir::new().expect("a temporary folder");
        for file in files(from) {
            let to = copy.path().join(file.strip_prefix(from).expect("a member"));
            fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
            fs::copy(&file, to).expect("a copy");
        }
        Self(copy)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Its first plain pcap.
    fn capture(&self) -> (PathBuf, Pcap) {
        let path = captures(self.path()).next().expect("a pcap");
        let capture = Pcap::read(&path);
        (path, capture)
    }

    fn report(&self) -> Value {
        let (code, out) = sample::run(&["analyze", "--format", "json"], &[self.path().to_owned()]);
        assert_eq!(code, 0, "{}", self.path().display());
        serde_json::from_slice(&out).expect("JSON")
    }

    /// What is said of each call, without frame numbers and names of files.
    fn findings(&self) -> BTreeSet<String> {
        let report = self.report();
        let of = |finding: &Value| {
            let calls = finding["occurrences"].as_array().expect("occurrences").iter().map(|o| {
                let flows = o["flows"].as_array().into_iter().flatten();
                let flows: Vec<_> = flows.map(|f| format!("{} > {}", f["orig"], f["resp"])).collect();
                format!("{} {} {flows:?}", o["time"], o["match"]["key"])
            });
            let calls: Vec<_> = calls.collect();
            let said = [
                "verdict",
                "cause",
                "rule",
                "standing",
                "confidence",
                "edge",
                "count",
                "target",
                "explanation",
            ];
            format!("{:?} {calls:?}", said.map(|key| &finding[key]))
        };
        report["findings"].as_array().expect("findings").iter().map(of).collect()
    }

    /// What is said of each flow, without frame and stream numbers and names of files.
    fn flows(&self) -> Vec<String> {
        let (_, out) = sample::run(&["flows", "--format", "ndjson"], &[self.path().to_owned()]);
        let out = String::from_utf8(out).expect("UTF-8");
        let mut flows: Vec<String> = out
            .lines()
            .map(|line| {
                let mut flow: Value = serde_json::from_str(line).expect("a flow");
                without_places(&mut flow);
                flow.to_string()
            })
            .collect();
        flows.sort();
        flows
    }
}

/// Takes away what says where in a file something stands.
fn without_places(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|key, _| !PLACES.contains(&key.as_str()) && !key.ends_with("_frame"));
            map.values_mut().for_each(without_places);
        }
        Value::Array(all) => all.iter_mut().for_each(without_places),
        _ => {}
    }
}

const PLACES: [&str; 7] = ["frame", "stream", "file", "parts", "display_filter", "capture", "first_fin"];

/// Healthy and unhealthy traffic between hosts that the incident does not know, over the time of its capture.
fn unrelated(bundle: &Copy, capture: &Pcap, seed: u64) -> Vec<Frame> {
    let path = bundle.path().join("unrelated");
    generate::mixed::write(&path, 200_000, seed).expect("a capture is written");
    let more = Pcap::read(&path);
    fs::remove_file(&path).expect("the generated capture");
    let (Some(first), Some(last)) = (capture.frames.first(), capture.frames.last()) else {
        return Vec::new();
    };
    let own =
        (0..capture.frames.len()).find_map(|n| capture.network(n).map(|at| &capture.frames[n].bytes[..at]));
    let Some(link) = own else { return Vec::new() };
    let start = more.frames[0].time;
    let moved = more.frames.iter().filter_map(|frame| {
        let time = first.time + (frame.time - start);
        let mut bytes = [link, frame.bytes.get(14..)?].concat();
        // The generator's hosts and names are those of samples: move them elsewhere.
        bytes[link.len() + 13] ^= 1;
        bytes[link.len() + 17] ^= 1;
        for name in [b".svc", b"hook", b"ject"] {
            while let Some(at) = bytes.windows(4).position(|w| w == name) {
                bytes[at..at + 4].copy_from_slice(b"-lab");
            }
        }
        (time <= last.time && frame.bytes[12..14] == [8, 0]).then_some(Frame {
            time,
            wire: bytes.len() as u32,
            bytes,
        })
    });
    moved.collect()
}

/// Connections that are made, ask, are answered and end, between hosts that the incident does not know, over the time of
/// its capture.
fn healthy(capture: &Pcap, seed: u64) -> Vec<Frame> {
    let own =
        (0..capture.frames.len()).find_map(|n| capture.network(n).map(|at| &capture.frames[n].bytes[..at]));
    let (Some(link), Some(first), Some(last)) = (own, capture.frames.first(), capture.frames.last()) else {
        return Vec::new();
    };
    let span = last.time.saturating_sub(first.time);
    let mut random = seed;
    let mut connection = |number: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // Within the span, so that neither end of a connection is cut off.
        let begin = first.time + (random >> 33) * span / (1 << 32);
        let step = span.saturating_sub(begin - first.time) / 20;
        let segments: [(bool, u8, u32, u32, usize); 8] = [
            (true, 2, 100, 0, 0),
            (false, 18, 900, 101, 0),
            (true, 16, 101, 901, 0),
            (true, 24, 101, 901, 40),
            (false, 24, 901, 141, 60),
            (true, 17, 141, 961, 0),
            (false, 17, 961, 142, 0),
            (true, 16, 142, 962, 0),
        ];
        let frame = move |(n, (orig, flags, seq, ack, data)): (usize, (bool, u8, u32, u32, usize))| {
            let (client, server) = ([198, 51, 100, number as u8], [203, 0, 113, 7]);
            let (client_port, server_port) = (50_000 + number as u16, 8080_u16);
            let (from, to) = if orig { (client, server) } else { (server, client) };
            let (from_port, to_port) =
                if orig { (client_port, server_port) } else { (server_port, client_port) };
            let mut bytes = [link, &[0x45, 0]].concat();
            bytes.extend((40 + data as u16).to_be_bytes());
            bytes.extend([n as u8, number as u8, 0x40, 0, 64, 6, 0, 0]);
            bytes.extend([from, to].concat());
            bytes.extend([from_port.to_be_bytes(), to_port.to_be_bytes()].concat());
            bytes.extend([seq.to_be_bytes(), ack.to_be_bytes()].concat());
            bytes.extend([0x50, flags, 0xff, 0, 0, 0, 0, 0]);
            bytes.resize(bytes.len() + data, b'x');
            Frame { time: begin + step * n as u64, wire: bytes.len() as u32, bytes }
        };
        segments.into_iter().enumerate().map(frame).collect::<Vec<_>>()
    };
    (1..60).flat_map(&mut connection).collect()
}

/// A plain pcap, read whole.
struct Pcap {
    header: [u8; 24],
    frames: Vec<Frame>,
}

#[derive(Clone)]
struct Frame {
    /// In units of the file.
    time: u64,
    wire: u32,
    bytes: Vec<u8>,
}

/// Addresses and ports of both sides, in order.
type FlowKey = [[u8; 6]; 2];

impl Pcap {
    fn read(path: &Path) -> Self {
        let file = fs::read(path).expect("a capture");
        let units = if file[0] == 0x4d { 1_000_000_000 } else { 1_000_000 };
        let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().expect("four bytes"));
        let (mut frames, mut at) = (Vec::new(), 24);
        while at + 16 <= file.len() {
            let length = word(at + 8) as usize;
            let time = u64::from(word(at)) * units + u64::from(word(at + 4));
            frames.push(Frame { time, wire: word(at + 12), bytes: file[at + 16..at + 16 + length].to_vec() });
            at += 16 + length;
        }
        Self { header: file[..24].try_into().expect("a file header"), frames }
    }

    fn bytes(&self, frames: &[Frame]) -> Vec<u8> {
        let units = if self.header[0] == 0x4d { 1_000_000_000 } else { 1_000_000 };
        let mut file = self.header.to_vec();
        for frame in frames {
            let words = [
                (frame.time / units) as u32,
                (frame.time % units) as u32,
                frame.bytes.len() as u32,
                frame.wire,
            ];
            file.extend(words.iter().flat_map(|w| w.to_le_bytes()));
            file.extend(&frame.bytes);
        }
        file
    }

    /// Gives the frames of a stretch another order, in which those of each connection keep theirs: one connection after
    /// another, in an order that `seed` chooses. What is of no connection stays, and nothing passes it.
    fn interleave(&mut self, range: Range<usize>, seed: u64) {
        let flows: Vec<_> = range.clone().map(|n| self.flow(n)).collect();
        let mut begin = 0;
        for part in flows.split(Option::is_none) {
            let mut order: Vec<usize> = (begin..begin + part.len()).collect();
            order.sort_by_key(|n| {
                let flow = flows[*n].unwrap_or_default();
                flow.concat().iter().fold(seed, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3))
            });
            let moved: Vec<Frame> = order.iter().map(|n| self.frames[range.start + n].clone()).collect();
            for (at, frame) in moved.into_iter().enumerate() {
                self.frames[range.start + begin + at] = frame;
            }
            begin += part.len() + 1;
        }
    }

    /// Where the IPv4 header of a frame begins.
    fn network(&self, index: usize) -> Option<usize> {
        let (ethertype, at): (Range<usize>, usize) = match self.header[20] {
            1 => (12..14, 14),
            113 => (14..16, 16),
            20 => (0..2, 20),
            _ => return None,
        };
        (self.frames[index].bytes.get(ethertype)? == [8, 0]).then_some(at)
    }

    /// The connection of a frame; none for what may be about another frame's: overlays, ICMP, fragments.
    fn flow(&self, index: usize) -> Option<FlowKey> {
        let packet = self.frames[index].bytes.get(self.network(index)?..)?;
        let ports = packet.get(20..24)?;
        if packet[0] != 0x45 || packet[9] != 6 || packet[6] & 0x3f != 0 || packet[7] != 0 {
            return None;
        }
        let end = |ip: Range<usize>, port: Range<usize>| [&packet[ip], &ports[port]].concat().try_into().ok();
        let mut ends = [end(12..16, 0..2)?, end(16..20, 2..4)?];
        ends.sort_unstable();
        Some(ends)
    }
}

fn captures(bundle: &Path) -> impl Iterator<Item = PathBuf> {
    files(&bundle.join("pcap")).into_iter().filter(|f| {
        let head = fs::read(f).unwrap_or_default();
        f.extension().is_some_and(|e| e == "pcap")
            && head.len() < 1 << 20
            && matches!(head.first(), Some(0xd4 | 0x4d))
    })
}
