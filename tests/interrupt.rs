//! Ctrl-C in the middle of an output leaves nothing of it: no half file, no temporary file beside it.
#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command};

/// Flows in the capture: enough that writing them takes a while.
const FLOWS: u32 = 150_000;

#[test]
fn an_interrupted_output_leaves_no_file() {
    let inputs = tempfile::tempdir().expect("a directory");
    let capture = inputs.path().join("syns.pcap");
    fs::write(&capture, syns(FLOWS)).expect("writable");
    for (signal, number) in [("INT", 2), ("TERM", 15), ("KILL", 9)] {
        let outputs = tempfile::tempdir().expect("a directory");
        let mut run = started(&capture, &outputs.path().join("flows.ndjson"), signal);
        interrupt(&mut run, outputs.path(), signal);
        let ended = run.wait().expect("a child");
        assert_eq!(ended.signal(), Some(number), "a shell shows {}", 128 + number);
        let left: Vec<_> = fs::read_dir(outputs.path()).expect("readable").collect();
        assert!(left.is_empty(), "after {signal}: {left:?}");
    }
}

/// The report of a log in which every line fails differently takes a while to write, too.
#[test]
fn an_interrupted_analysis_leaves_the_old_report() {
    let inputs = tempfile::tempdir().expect("a directory");
    let log = inputs.path().join("a.log");
    let line = |n: u32| {
        format!(
            "W1121 02:00:05.000001       7 dispatcher.go:225] Failed calling webhook, failing closed a{n}.example.com: failed calling webhook \"a{n}.example.com\": failed to call webhook: Post \"https://a{n}.ns.svc:443/v?timeout=10s\": dial tcp 10.96.0.7:443: connect: connection refused\n"
        )
    };
    fs::write(&log, (0..2000).map(line).collect::<String>()).expect("writable");
    for (signal, number) in [("INT", 2), ("TERM", 15)] {
        let outputs = tempfile::tempdir().expect("a directory");
        let report = outputs.path().join("report.json");
        fs::write(&report, "old").expect("writable");
        let mut command = Command::new("env");
        command.arg(format!("--default-signal={signal}")).arg(env!("CARGO_BIN_EXE_wirecause"));
        command.args(["analyze", "--quiet", "--year", "2026", "--format", "json", "-o"]);
        let mut run = command.arg(&report).arg(&log).spawn().expect("env is installed");
        interrupt(&mut run, outputs.path(), signal);
        assert_eq!(run.wait().expect("a child").signal(), Some(number), "a shell shows {}", 128 + number);
        let left: Vec<_> =
            fs::read_dir(outputs.path()).expect("readable").flatten().map(|e| e.path()).collect();
        assert_eq!(left, std::slice::from_ref(&report), "after {signal}");
        assert_eq!(fs::read_to_string(report).expect("readable"), "old");
    }
}

/// Sends the signal once the program writes there.
fn interrupt(run: &mut Child, outputs: &Path, signal: &str) {
    while !writes_below(run, outputs) {
        assert!(run.try_wait().expect("a child").is_none(), "it ended before it could be interrupted");
        std::thread::yield_now();
    }
    let kill = Command::new("kill").args([format!("-{signal}"), run.id().to_string()]).status();
    assert!(kill.expect("kill is installed").success());
}

/// The program on its way; a test that runs in the background of a script would hand down an ignored Ctrl-C.
fn started(capture: &Path, output: &Path, signal: &str) -> Child {
    let mut command = Command::new("env");
    if signal != "KILL" {
        command.arg(format!("--default-signal={signal}"));
    }
    command.arg(env!("CARGO_BIN_EXE_wirecause"));
    command.args(["flows", "--quiet", "--format", "ndjson", "-o"]).arg(output).arg(capture);
    command.spawn().expect("env is installed")
}

/// Whether the process has written to a file there, with a name or without; it tries first whether it may make one.
fn writes_below(run: &Child, directory: &Path) -> bool {
    let Ok(open) = fs::read_dir(format!("/proc/{}/fd", run.id())) else { return false };
    let is_there = |fd: &Path| fs::read_link(fd).is_ok_and(|file| file.starts_with(directory));
    open.flatten()
        .any(|fd| is_there(&fd.path()) && fs::metadata(fd.path()).is_ok_and(|about| about.len() > 0))
}

/// A pcap of raw IPv4 (link type 101) with one SYN for each of so many flows.
fn syns(flows: u32) -> Vec<u8> {
    let mut bytes =
        vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 101, 0, 0, 0];
    for n in 0..flows {
        for word in [1_760_000_000 + n / 1000, n % 1000, 40, 40] {
            bytes.extend(word.to_le_bytes());
        }
        let [_, high, middle, low] = n.to_be_bytes();
        bytes.extend([0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 10, high, middle, low, 10, 255, 0, 1]);
        bytes.extend([0x9c, 0x40, 1, 0xbb, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0xff, 0xff, 0, 0, 0, 0]);
    }
    bytes
}
