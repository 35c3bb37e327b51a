//! Damaged input never panics and always gives a report: every file of the samples, cut at many lengths and with flipped
//! bytes, small ones of each kind at every length, and whole bundles with one damaged member.
//!
//! Lengths and places in large files go in steps of a prime, so that they fall on every residue of a record.
//! `cargo test --profile hardened --test damage` runs this as released, with checks for overflow.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde_json::Value;
use tempfile::TempDir;
use wirecause::bundle::{self, Limits};
use wirecause::cluster;
use wirecause::correlate::{self, JoinOptions, World};
use wirecause::ingest::{self, IngestOptions};
use wirecause::log::{self, EventSet, LogOptions};
use wirecause::report::build;
use wirecause::rules::{self, RuleSet};

mod sample;
use sample::files;

/// Cuts and flips tried on each file, about.
const TRIES: usize = 31;

/// Steps (1 and primes), of which the smallest that gives no more than [`TRIES`] is taken.
const PRIMES: [usize; 12] = [1, 7, 31, 127, 509, 1021, 2039, 4093, 8191, 16381, 32749, 65521];

#[test]
fn a_cut_capture_gives_everything_before_the_cut() {
    for capture in captures() {
        let bytes = fs::read(&capture).expect("a capture");
        for length in lengths(bytes.len()) {
            let (code, report) = analyze(&capture, &bytes[..length]);
            if let Some(whole) = whole_frames(&bytes[..length]) {
                let input = &report["inputs"][0];
                assert_eq!(input["frames"], whole.frames, "{} cut at {length}", capture.display());
                assert_eq!(
                    code,
                    if whole.rest == 0 { 0 } else { 3 },
                    "{} cut at {length}",
                    capture.display()
                );
                let status = match (whole.frames, whole.rest) {
                    (_, 0) => "ok",
                    (0, _) => "unreadable",
                    _ => "partial",
                };
                assert_eq!(input["status"], status, "{} cut at {length}", capture.display());
            }
        }
    }
}

#[test]
fn a_cut_log_gives_a_report() {
    for log in logs() {
        let bytes = fs::read(&log).expect("a log");
        for length in lengths(bytes.len()) {
            let (code, report) = analyze(&log, &bytes[..length]);
            assert_eq!(report["inputs"][0]["kind"], "log", "{} cut at {length}", log.display());
            assert!(matches!(code, 0 | 3), "{} cut at {length}: exit {code}", log.display());
        }
    }
}

#[test]
fn flipped_bytes_give_a_report() {
    for file in captures().into_iter().chain(logs()) {
        let bytes = fs::read(&file).expect("a sample file");
        for (turn, at) in lengths(bytes.len()).into_iter().enumerate() {
            let mut flipped = bytes.clone();
            // One flip near the front, where the headers are, and one somewhere: with every mask in turn.
            flipped[turn % bytes.len()] ^= 1 << (turn % 8);
            flipped[at] ^= 0xff >> (turn % 5);
            let (code, report) = analyze(&file, &flipped);
            assert!(matches!(code, 0 | 3), "{} flipped at {at}: exit {code}", file.display());
            assert!(report["inputs"].is_array(), "{} flipped at {at}", file.display());
        }
    }
}

#[test]
fn a_bundle_with_a_damaged_member_is_analyzed_to_the_end() {
    for bundle in sample::bundles() {
        let copy = TempDir::new().expect("a temporary folder");
        let members = files(&bundle);
        for member in &members {
            let to = copy.path().join(member.strip_prefix(&bundle).expect("a member"));
            fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
            fs::copy(member, to).expect("a copy");
        }
        for member in &members {
            let bytes = fs::read(member).expect("a member");
            let damaged = copy.path().join(member.strip_prefix(&bundle).expect("a member"));
            fs::write(&damaged, &bytes[..bytes.len() / 3]).expect("a cut member");
            let (code, report) = analyze_path(copy.path());
            assert!(matches!(code, 0 | 3), "{} cut: exit {code}", member.display());
            assert_eq!(
                report["inputs"].as_array().map(Vec::len),
                Some(members.len()),
                "{}",
                member.display()
            );
            fs::write(&damaged, &bytes).expect("the member as it was");
        }
    }
}

/// Objects, host state, key logs, journals and archives, as captures and logs above: at a few lengths and places each.
#[test]
fn any_other_file_cut_or_flipped_gives_a_report() {
    let mut other =
        [members("cluster"), of_type("samples/tls", "keys"), files(&at_root("tests/journals"))].concat();
    other.retain(|path| path.extension().is_none_or(|e| e != "sh" && e != "md"));
    // One of each name: what the samples dump differs little.
    other.sort_by(|a, b| a.file_name().cmp(&b.file_name()));
    other.dedup_by(|a, b| a.file_name() == b.file_name());
    assert!(other.len() > 30, "{} files", other.len());
    for path in other {
        let bytes = fs::read(&path).expect("a file");
        for (turn, at) in lengths(bytes.len()).into_iter().enumerate() {
            Stages::report(&path, &bytes[..at]);
            let mut flipped = bytes.clone();
            flipped[turn % bytes.len()] ^= 1 << (turn % 8);
            flipped[at] ^= 0xff >> (turn % 5);
            Stages::report(&path, &flipped);
        }
    }
}

/// The smallest file of each name, and archives made of them: every length, and a flip at every third place.
#[test]
fn small_files_of_each_kind_cut_anywhere_or_flipped_give_a_report() {
    for (path, bytes) in small() {
        for at in 0..bytes.len() {
            Stages::report(&path, &bytes[..at]);
            if at % 3 == 0 {
                let mut flipped = bytes.clone();
                flipped[at] ^= [0x80, 1, 0xff, 0x20][at % 4];
                Stages::report(&path, &flipped);
            }
        }
    }
}

/// At most [`SMALL`] bytes each.
fn small() -> Vec<(PathBuf, Vec<u8>)> {
    let samples = sample::bundles().into_iter().flat_map(|bundle| files(&bundle));
    let mut by_name: BTreeMap<OsString, Vec<u8>> = BTreeMap::new();
    for path in samples.chain(of_type("samples/tls", "keys").into_iter().take(1)) {
        let bytes = fs::read(&path).expect("a sample file");
        let name = path.file_name().expect("a file").to_owned();
        let kept = by_name.entry(name).or_insert_with(|| bytes.clone());
        if bytes.len() < kept.len() {
            *kept = bytes;
        }
    }
    by_name.retain(|_, bytes| !bytes.is_empty() && bytes.len() <= SMALL);
    assert!(by_name.len() > 8, "{:?}", by_name.keys());
    let members: Vec<_> = by_name.iter().filter(|(_, bytes)| bytes.len() < 700).take(2).collect();
    let archives = [("a.tar", tar(&members)), ("a.tar.gz", gzip(&tar(&members))), ("a.zip", zip(&members))];
    let archives = archives.map(|(name, bytes)| (OsString::from(name), bytes));
    archives.into_iter().chain(by_name.clone()).map(|(name, bytes)| (name.into(), bytes)).collect()
}

const SMALL: usize = 1024;

type Member<'a> = (&'a OsString, &'a Vec<u8>);

fn tar(members: &[Member<'_>]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        archive.append_data(&mut header, name, &bytes[..]).expect("a Vec takes all");
    }
    archive.into_inner().expect("a Vec takes all")
}

fn zip(members: &[Member<'_>]) -> Vec<u8> {
    use std::io::Write as _;
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in members {
        let options = zip::write::SimpleFileOptions::default();
        archive.start_file(name.to_string_lossy(), options).expect("a Vec takes all");
        archive.write_all(bytes).expect("a Vec takes all");
    }
    archive.finish().expect("a Vec takes all").into_inner()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(bytes).expect("a Vec takes all");
    packed.finish().expect("a Vec takes all")
}

/// What is the same for every run of all stages.
struct Stages {
    events: EventSet,
    rules: RuleSet,
}

impl Stages {
    /// All stages of `analyze` on these bytes, and its report as JSON.
    fn report(path: &Path, bytes: &[u8]) {
        static STAGES: LazyLock<Stages> =
            LazyLock::new(|| Stages { events: EventSet::builtin(), rules: RuleSet::builtin() });
        let name = path.file_name().expect("a file").to_string_lossy();
        let bundle =
            bundle::discover_stream(&mut &*bytes, &name, &Limits::default()).expect("a temporary file");
        let wire = ingest::run(&bundle.sources, &IngestOptions::default());
        let logs = log::read(&bundle.sources, &STAGES.events, &LogOptions::default());
        let cluster = cluster::read(&bundle.sources);
        let mut world = World { bundle, wire, logs, cluster };
        let mut joined = correlate::correlate(&mut world, &JoinOptions::default());
        let (found, no_fault) = rules::conclude(&STAGES.rules, &world, &joined);
        joined.anomalies.extend(no_fault);
        let report = build::build(&world, &joined, &found, &build::Options::default());
        let told = !report.inputs.is_empty() || world.bundle.problems.any_loss();
        assert!(told, "{}: {} bytes are neither an input nor a loss", path.display(), bytes.len());
        assert!(!serde_json::to_vec(&report).expect("JSON").is_empty());
    }
}

fn at_root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn of_type(folder: &str, extension: &str) -> Vec<PathBuf> {
    files(&at_root(folder)).into_iter().filter(|f| f.extension().is_some_and(|e| e == extension)).collect()
}

/// Runs `analyze` on these bytes under the name of `original`.
fn analyze(original: &Path, bytes: &[u8]) -> (u8, Value) {
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join(original.file_name().expect("a file"));
    fs::write(&path, bytes).expect("a damaged copy");
    analyze_path(&path)
}

fn analyze_path(path: &Path) -> (u8, Value) {
    let (code, out) = sample::run(&["analyze", "--format", "json"], &[path.to_owned()]);
    let report = serde_json::from_slice(&out).unwrap_or_else(|e| panic!("{}: no JSON: {e}", path.display()));
    (code, report)
}

/// Lengths (or offsets) below `len`, [`TRIES`] or so, a prime apart; never 0.
fn lengths(len: usize) -> Vec<usize> {
    let step = PRIMES.into_iter().find(|prime| prime * TRIES >= len).unwrap_or(PRIMES[PRIMES.len() - 1]);
    (1..len).step_by(step).collect()
}

/// How many frames a pcap of these bytes holds whole, and the bytes behind them.
struct Whole {
    frames: u64,
    rest: usize,
}

/// `None` for what is no plain little-endian pcap with its file header.
fn whole_frames(bytes: &[u8]) -> Option<Whole> {
    let magic = bytes.get(..4)?;
    if magic != [0xd4, 0xc3, 0xb2, 0xa1] && magic != [0x4d, 0x3c, 0xb2, 0xa1] {
        return None;
    }
    let mut rest = bytes.get(24..)?;
    let mut frames = 0;
    while let Some(length) = rest.get(8..12) {
        let length = u32::from_le_bytes(length.try_into().expect("four bytes")) as usize;
        let Some(next) = rest.get(16 + length..) else { break };
        rest = next;
        frames += 1;
    }
    Some(Whole { frames, rest: rest.len() })
}

fn captures() -> Vec<PathBuf> {
    members("pcap")
}

fn logs() -> Vec<PathBuf> {
    members("logs")
}

fn members(folder: &str) -> Vec<PathBuf> {
    sample::bundles().iter().flat_map(|bundle| files(&bundle.join(folder))).collect()
}
