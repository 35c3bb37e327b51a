//! Damaged input never panics and always gives a report: every capture and log of the samples, cut at many lengths and
//! with flipped bytes, and whole bundles with one damaged member.
//!
//! Lengths and places go in steps of a prime, so that they fall on every residue of a record.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

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
