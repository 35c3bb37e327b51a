//! Throughput of the parts, each alone, on a generated capture of 24 MB: `cargo bench`.
//!
//! Single-threaded unless the name says otherwise; `benches/compare.sh` measures the whole beside other programs.

use std::io;
use std::path::{Path, PathBuf};

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use tempfile::TempDir;
use wirecause::bundle::{self, Bundle, Limits, SourceKind};
use wirecause::capture::{self, CaptureIndex, Window};
use wirecause::correlate::{self, JoinOptions, World};
use wirecause::flow::{Dir, FlowEnd, Moment, Observer, Payload, Shard, ShardOptions};
use wirecause::ingest::{self, IngestOptions};
use wirecause::log::{self, EventSet, LogOptions};
use wirecause::packet::{self, DecodeOptions, Decoded, Packet};
use wirecause::report::event_lines;
use wirecause::report::flows::{Framing, Records};
use wirecause::rules::{self, RuleSet};
use wirecause::tls::{Interner, Session, SessionFacts};

#[path = "../examples/generate/main.rs"]
#[allow(dead_code, reason = "not every generator is used here")]
mod generate;

/// Size of the capture, in bytes: a dozen windows.
const BYTES: u64 = 24_000_000;

fn main() {
    divan::main();
}

/// Blocks to frames.
#[divan::bench]
fn framing(bencher: Bencher) {
    let input = Input::capture();
    bencher.counter(BytesCount::new(input.bytes)).bench(|| {
        let mut reader = input.reader();
        let mut window = Window::default();
        while reader.fill(&mut window) {}
        reader.finish().frames
    });
}

/// Frames to packets.
#[divan::bench]
fn decoding(bencher: Bencher) {
    let windows = Input::capture().windows();
    bencher.counter(ItemsCount::new(windows.iter().map(|w| w.frames.len()).sum::<usize>())).bench(|| {
        let mut decoded = Decoded::default();
        for window in &windows {
            decoded.packets.clear();
            packet::decode(window, 0..window.frames.len(), &DecodeOptions::default(), &mut decoded);
        }
        decoded.packets.len()
    });
}

/// Packets to flows: table, states and findings, no payload.
#[divan::bench]
fn flow_table(bencher: Bencher) {
    flows_with::<Blind>(bencher);
}

/// The same with TLS sessions.
#[divan::bench]
fn flow_table_and_tls(bencher: Bencher) {
    flows_with::<Sessions>(bencher);
}

/// Capture to facts, as the program does it, with as many threads.
#[divan::bench(args = [1, 2])]
fn ingest_with_threads(bencher: Bencher, threads: usize) {
    let input = Input::capture();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
    bencher
        .counter(BytesCount::new(input.bytes))
        .bench(|| pool.install(|| ingest::run(&input.bundle.sources, &IngestOptions::default()).flows.len()));
}

/// Facts to NDJSON.
#[divan::bench]
fn flow_records(bencher: Bencher) {
    let input = Input::capture();
    let wire = ingest::run(&input.bundle.sources, &IngestOptions::default());
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("one thread");
    bencher.counter(ItemsCount::new(wire.flows.len())).bench(|| {
        pool.install(|| {
            Records::new(&wire, &input.bundle.sources).write(Framing::Lines, &|_| true, &mut io::sink())
        })
    });
}

/// Log bytes to events: one line in so many is a failure.
#[divan::bench(args = [20, 1000])]
fn log_scan(bencher: Bencher, one_in: u64) {
    let input = Input::of("journal.log", |path| generate::journal::write(path, BYTES, one_in, 1));
    let events = EventSet::builtin();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("one thread");
    bencher.counter(BytesCount::new(input.bytes)).bench(|| {
        pool.install(|| log::read(&input.bundle.sources, &events, &LogOptions::default()).events.len())
    });
}

/// Events to NDJSON.
#[divan::bench]
fn log_records(bencher: Bencher) {
    let input = Input::of("journal.log", |path| generate::journal::write(path, BYTES, 20, 1));
    let logs = log::read(&input.bundle.sources, &EventSet::builtin(), &LogOptions::default());
    let world = World { bundle: input.bundle, logs, ..World::default() };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("one thread");
    bencher
        .counter(ItemsCount::new(world.logs.events.len()))
        .bench(|| pool.install(|| event_lines::write(&world, &|_| true, &mut io::sink())));
}

/// Start-up: all built-in rules and events, compiled.
#[divan::bench]
fn rules_and_events() -> usize {
    RuleSet::builtin().rules().len() + EventSet::builtin().names().count()
}

/// Cases to verdicts: a flood's flows, each a case of its own that only the wire tells of.
#[divan::bench]
fn rule_evaluation(bencher: Bencher) {
    let input = Input::of("flood.pcap", |path| generate::flood::write(path, 100_000, 1));
    let wire = ingest::run(&input.bundle.sources, &IngestOptions::default());
    let mut world = World { bundle: input.bundle, wire, ..World::default() };
    let correlated = correlate::correlate(&mut world, &JoinOptions::default());
    let rules = RuleSet::builtin();
    bencher
        .counter(ItemsCount::new(correlated.cases.len()))
        .bench(|| rules::judge(&rules, &world, &correlated).len());
}

fn flows_with<O: Observer + Default>(bencher: Bencher) {
    let windows = Input::capture().windows();
    let packets: Vec<Vec<Packet>> = windows.iter().map(decode).collect();
    bencher.counter(ItemsCount::new(packets.iter().map(Vec::len).sum::<usize>())).bench(|| {
        let options = ShardOptions {
            capture: CaptureIndex(0),
            live_bytes: 1 << 30,
            record_bytes: 1 << 28,
            shared_bytes: 1 << 20,
            several_files: false,
        };
        let mut shard = Shard::new(O::default(), options);
        for (window, packets) in windows.iter().zip(&packets) {
            shard.process(window, 0, packets);
        }
        shard.finish().len()
    });
}

fn decode(window: &Window) -> Vec<Packet> {
    let mut decoded = Decoded::default();
    packet::decode(window, 0..window.frames.len(), &DecodeOptions::default(), &mut decoded);
    decoded.packets
}

/// A generated input in a folder of its own.
struct Input {
    bundle: Bundle,
    bytes: u64,
    _folder: TempDir,
}

impl Input {
    fn capture() -> Self {
        Self::of("mixed.pcap", |path| generate::mixed::write(path, BYTES, 1))
    }

    fn of(name: &str, write: impl FnOnce(&Path) -> io::Result<String>) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let path: PathBuf = folder.path().join(name);
        write(&path).expect("a generated input");
        let bundle = bundle::discover(std::slice::from_ref(&path), &Limits::default()).expect("a bundle");
        let bytes = bundle.sources[0].stored_bytes;
        Self { bundle, bytes, _folder: folder }
    }

    fn reader(&self) -> capture::CaptureReader {
        capture::open(self.bundle.sources[0].open().expect("a readable input"), SourceKind::Pcap)
    }

    fn windows(&self) -> Vec<Window> {
        let mut reader = self.reader();
        let mut windows = Vec::new();
        let mut window = Window::default();
        while reader.fill(&mut window) {
            windows.push(std::mem::take(&mut window));
        }
        windows
    }
}

/// Looks at no payload.
#[derive(Default)]
struct Blind;

impl Observer for Blind {
    type Flow = ();
    type Facts = ();

    fn payload(&mut self, (): &mut (), _payload: &Payload<'_>) {}

    fn acked(&mut self, (): &mut (), _by: Dir, _offset: i64, _at: Moment) {}

    fn wants(&self, (): &(), _dir: Dir) -> bool {
        false
    }

    fn swap(&mut self, (): &mut ()) {}

    fn finish(&mut self, (): (), _end: &FlowEnd) {}
}

/// Reads every payload as TLS.
#[derive(Default)]
struct Sessions(Interner);

impl Observer for Sessions {
    type Flow = Session;
    type Facts = SessionFacts;

    fn payload(&mut self, flow: &mut Session, payload: &Payload<'_>) {
        flow.payload(&mut self.0, payload);
    }

    fn acked(&mut self, flow: &mut Session, by: Dir, offset: i64, at: Moment) {
        flow.acked(by, offset, at);
    }

    fn wants(&self, flow: &Session, dir: Dir) -> bool {
        flow.wants(dir)
    }

    fn swap(&mut self, flow: &mut Session) {
        flow.swap();
    }

    fn finish(&mut self, flow: Session, end: &FlowEnd) -> SessionFacts {
        flow.finish(&mut self.0, end)
    }
}
