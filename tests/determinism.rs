//! The same input gives the same bytes, for any number of threads and any order of the inputs.

use std::path::PathBuf;

use tempfile::TempDir;

mod sample;

/// The generator of benchmark captures, for one that is larger than a window.
#[path = "../examples/generate/main.rs"]
#[allow(dead_code, reason = "only the mixed capture is written here")]
mod generate;

const COMMANDS: [&[&str]; 3] =
    [&["flows", "--format", "ndjson"], &["analyze", "--format", "json"], &["analyze", "--format", "table"]];

#[test]
fn threads_change_nothing_on_samples() {
    for bundle in sample::bundles() {
        same_for_any_threads(&[bundle]);
    }
}

/// Pages are drawn from the report: a few samples show that nothing of theirs depends on threads either.
#[test]
fn threads_change_no_page() {
    for bundle in sample::bundles().into_iter().step_by(5) {
        for format in ["html", "markdown", "csv"] {
            let with = |threads| {
                let arguments = ["analyze", "--format", format, "--threads", threads];
                sample::run(&arguments, std::slice::from_ref(&bundle))
            };
            let (code, one) = with("1");
            assert!(code == 0 && !one.is_empty(), "{format} of {}", bundle.display());
            assert!((code, &one) == (with("8").0, &with("8").1), "{format} of {}", bundle.display());
        }
    }
}

#[test]
fn threads_change_nothing_on_many_windows() {
    let folder = TempDir::new().expect("a temporary folder");
    let capture = folder.path().join("mixed.pcap");
    generate::mixed::write(&capture, 12_000_000, 7).expect("a capture is written");
    same_for_any_threads(&[capture]);
}

#[test]
fn order_of_inputs_changes_nothing() {
    for bundle in sample::bundles() {
        let parts: Vec<_> = ["logs", "pcap", "cluster"].map(|part| bundle.join(part)).into();
        for command in COMMANDS {
            let first = sample::run(command, &parts);
            for turned in [rotated(&parts, 1), rotated(&parts, 2), parts.iter().rev().cloned().collect()] {
                assert!(first == sample::run(command, &turned), "{command:?} on {turned:?}");
            }
        }
    }
}

fn same_for_any_threads(inputs: &[PathBuf]) {
    for command in COMMANDS {
        let with = |threads| sample::run(&[command, &["--threads", threads]].concat(), inputs);
        let (code, one) = with("1");
        assert_eq!(code, 0, "{command:?} on {inputs:?}");
        assert!(!one.is_empty(), "{command:?} on {inputs:?} printed nothing");
        for threads in ["2", "8"] {
            assert!(
                (code, &one) == (with(threads).0, &with(threads).1),
                "{threads} threads: {command:?} on {inputs:?}"
            );
        }
    }
}

fn rotated(parts: &[PathBuf], by: usize) -> Vec<PathBuf> {
    let mut parts = parts.to_vec();
    parts.rotate_left(by);
    parts
}
