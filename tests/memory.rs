//! Memory is bounded by `--max-memory` and never by the input: flows that end early and records that go to a file change
//! nothing else.

use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use tempfile::TempDir;
use wirecause::bundle::{self, Bundle, Limits};
use wirecause::ingest::{self, IngestOptions, Ingested};
use wirecause::report::flows::{Framing, Records};

/// A capture of TCP segments over raw IPv4 (link type 101).
#[derive(Default)]
struct Capture {
    bytes: Vec<u8>,
    time_us: u64,
}

const SYN: u8 = 2;
const RST_ACK: u8 = 20;

impl Capture {
    /// A segment between two endpoints, `data` bytes long.
    fn segment(
        &mut self,
        from: (Ipv4Addr, u16),
        to: (Ipv4Addr, u16),
        seq: u32,
        ack: u32,
        flags: u8,
        data: u16,
    ) {
        self.time_us += 10;
        let length = 40 + u32::from(data);
        for field in [(self.time_us / 1_000_000) as u32, (self.time_us % 1_000_000) as u32, length, length] {
            self.bytes.extend(field.to_le_bytes());
        }
        self.bytes.extend([0x45, 0]);
        self.bytes.extend((length as u16).to_be_bytes());
        self.bytes.extend([(self.time_us >> 8) as u8, self.time_us as u8, 0x40, 0, 64, 6, 0, 0]);
        self.bytes.extend(from.0.octets());
        self.bytes.extend(to.0.octets());
        self.bytes.extend(from.1.to_be_bytes());
        self.bytes.extend(to.1.to_be_bytes());
        self.bytes.extend(seq.to_be_bytes());
        self.bytes.extend(ack.to_be_bytes());
        self.bytes.extend([0x50, flags, 0x20, 0, 0, 0, 0, 0]);
        self.bytes.resize(self.bytes.len() + usize::from(data), b'x');
    }

    /// Writes the file and looks at it.
    fn bundle(self) -> (TempDir, Bundle) {
        let folder = TempDir::new().expect("a temporary folder");
        let path: PathBuf = folder.path().join("made.pcap");
        let mut file: Vec<u8> =
            [0xa1b2_c3d4_u32, 4 << 16 | 2, 0, 0, 65_535, 101].map(u32::to_le_bytes).concat();
        file.extend(self.bytes);
        fs::write(&path, file).expect("a written capture");
        let bundle = bundle::discover(&[path], &Limits::default()).expect("a bundle");
        (folder, bundle)
    }
}

/// The originator number `n` of many.
fn host(n: u32) -> Ipv4Addr {
    Ipv4Addr::from(0x0a00_0000 + n)
}

const SERVER: (Ipv4Addr, u16) = (Ipv4Addr::new(192, 0, 2, 1), 443);

/// Single SYNs, one in ten of them refused.
fn flood(flows: u32) -> Capture {
    let mut capture = Capture::default();
    for n in 0..flows {
        let from = (host(n), 40_000);
        capture.segment(from, SERVER, n.wrapping_mul(0x9e37_79b9), 0, SYN, 0);
        if n % 10 == 0 {
            capture.segment(SERVER, from, 0, n.wrapping_mul(0x9e37_79b9).wrapping_add(1), RST_ACK, 0);
        }
    }
    capture
}

fn read(bundle: &Bundle, max_memory: u64, threads: usize) -> Ingested {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads start");
    let options = IngestOptions { max_memory, ..IngestOptions::default() };
    pool.install(|| ingest::run(&bundle.sources, &options))
}

/// The records, without the mark of those that were ended early.
fn records(wire: &Ingested, bundle: &Bundle) -> String {
    let mut out = Vec::new();
    Records::new(wire, &bundle.sources).write(Framing::Lines, &|_| true, &mut out).expect("a Vec takes all");
    String::from_utf8(out).expect("UTF-8").replace(",\"evicted\":true", "")
}

#[test]
fn a_tiny_budget_ends_flows_early_and_changes_nothing_else() {
    let (_folder, bundle) = flood(30_000).bundle();
    let roomy = read(&bundle, 1 << 30, 2);
    assert_eq!((roomy.captures[0].evicted, roomy.captures[0].spilled_bytes), (0, 0));
    let expected = records(&roomy, &bundle);
    assert_eq!(expected.lines().count(), 30_000);
    for threads in [1, 2, 8] {
        let tight = read(&bundle, 1 << 20, threads);
        assert!(tight.captures[0].evicted > 0, "more flows than the budget holds");
        assert!(tight.captures[0].spilled_bytes > 1 << 20, "their records went to a file");
        assert!(records(&tight, &bundle) == expected, "{threads} threads");
    }
}

#[test]
fn records_of_single_syns_are_small() {
    let (_folder, bundle) = flood(30_000).bundle();
    let wire = read(&bundle, 1 << 20, 2);
    // Each record is written once as its flow ends, and once more when all are put in order.
    assert!(wire.captures[0].spilled_bytes < 30_000 * 2 * 80, "{} bytes", wire.captures[0].spilled_bytes);
}
