//! The program as a user starts it: messages and exit codes that README.md promises.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

const SAMPLE: &str = "samples/silent-after-client-hello/bundle";

#[test]
fn a_cut_capture_is_said_and_read_up_to_the_cut() {
    let folder = TempDir::new().expect("a temporary folder");
    let capture = folder.path().join("cut.pcap");
    let bytes = fs::read(at_root(SAMPLE).join("pcap/cp-1-eth0.pcap")).expect("a capture");
    fs::write(&capture, &bytes[..bytes.len() - 7]).expect("a cut capture");

    let flows = wirecause(&["flows", "--format", "ndjson", &capture.to_string_lossy()]);
    assert_eq!(flows.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&flows.stdout).lines().count() > 10, "the flows before the cut");
    assert!(message(&flows).contains("cut.pcap"), "{}", message(&flows));
}

#[test]
fn failures_past_the_limit_are_counted_and_the_first_analysed() {
    let bundle = at_root("samples/slow-response/bundle");
    let run = wirecause(&["analyze", "--format", "json", "--max-failures", "3", &bundle.to_string_lossy()]);
    assert_eq!(run.status.code(), Some(3), "{}", message(&run));
    assert!(message(&run).contains("raise it with --max-failures"), "{}", message(&run));
    let report: serde_json::Value = serde_json::from_slice(&run.stdout).expect("a report");
    let findings = report["findings"].as_array().expect("findings");
    let calls: u64 = findings.iter().filter_map(|f| f["count"].as_u64()).sum();
    assert_eq!(calls, 3);
    let problems = report["inputs"].as_array().expect("inputs").iter();
    let mut problems = problems.filter_map(|input| input["problems"].as_array()).flatten();
    let limit = problems.find(|problem| problem["name"] == "limit_failures").expect("the limit");
    assert_eq!(limit["count"], 7);
}

#[test]
fn a_width_that_is_asked_for_is_kept() {
    let bundle = at_root("samples/serving-certificate-expired/bundle");
    let longest = |width: &str| {
        let run = wirecause(&["certs", "--width", width, &bundle.to_string_lossy()]);
        assert_eq!(run.status.code(), Some(0), "{}", message(&run));
        String::from_utf8_lossy(&run.stdout).lines().map(|line| line.chars().count()).max()
    };
    assert!(longest("80") <= Some(80) && longest("80") < longest("200"));
    let wrong = wirecause(&["certs", "--width", "7", &bundle.to_string_lossy()]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(message(&wrong).contains("40..=400"), "{}", message(&wrong));
}

#[test]
fn an_unknown_field_is_answered_with_those_that_may_be_meant() {
    let bundle = at_root("samples/slow-response/bundle");
    let run = wirecause(&["flows", "--where", "http.uri contains \"x\"", &bundle.to_string_lossy()]);
    assert_eq!(run.status.code(), Some(2));
    assert!(message(&run).contains("there is `http.method`, `http.target`"), "{}", message(&run));
}

#[test]
fn text_named_pcap_is_not_a_capture() {
    let folder = TempDir::new().expect("a temporary folder");
    let text = folder.path().join("notes.pcap");
    fs::write(&text, "tcpdump: permission denied\n").expect("a text");

    for command in ["flows", "analyze"] {
        let run = wirecause(&[command, &text.to_string_lossy()]);
        assert_eq!(run.status.code(), Some(3), "{command}: {}", message(&run));
        assert!(message(&run).contains("notes.pcap"), "{command}: {}", message(&run));
    }
}

/// A log without years, piped in beside a capture, is of the capture's year: before it and behind it.
#[test]
fn a_log_from_stdin_takes_its_year_from_the_capture() {
    let log = "W1121 07:48:34.649130    3846 logging.go:59] [core] [Channel #1 SubChannel #2] grpc: \
               addrConn.createTransport failed to connect to {Addr: \"10.0.0.5:2379\", ServerName: \
               \"10.0.0.5:2379\", }. Err: connection error: desc = \"transport: Error while dialing: dial tcp \
               10.0.0.5:2379: connect: connection refused\"\n";
    let capture = at_root("samples/etcd-refused/bundle/pcap/cp-1-eth0.pcap");
    let capture = capture.to_string_lossy();
    for arguments in
        [["logs", "-", &capture, "--format", "ndjson"], ["logs", &capture, "-", "--format", "ndjson"]]
    {
        let mut run = Command::new(env!("CARGO_BIN_EXE_wirecause"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("wirecause runs");
        run.stdin.take().expect("a pipe").write_all(log.as_bytes()).expect("written");
        let output = run.wait_with_output().expect("it ends").stdout;
        let output = String::from_utf8_lossy(&output);
        assert!(output.contains("\"time\":\"2026-11-21T07:48:34.649130000Z\""), "{output}");
        assert!(output.contains("\"path\":\"stdin\""), "{output}");
    }
}

#[test]
fn an_empty_directory_cannot_be_analyzed() {
    let folder = TempDir::new().expect("a temporary folder");
    for command in ["flows", "analyze"] {
        let run = wirecause(&[command, &folder.path().to_string_lossy()]);
        assert_eq!(run.status.code(), Some(1), "{command}");
        assert!(message(&run).contains("nothing to read"), "{command}: {}", message(&run));
        assert!(run.stdout.is_empty(), "{command}: nothing but results goes to stdout");
    }
}

#[test]
fn a_path_that_is_not_there() {
    let run = wirecause(&["analyze", "no/such/bundle"]);
    assert_eq!(run.status.code(), Some(1));
    assert!(message(&run).contains("no/such/bundle"), "{}", message(&run));
}

#[test]
fn output_that_cannot_be_written() {
    let run = wirecause(&["analyze", SAMPLE, "-o", "no/such/folder/report.json"]);
    assert_eq!(run.status.code(), Some(1));
    assert!(message(&run).contains("no/such/folder/report.json"), "{}", message(&run));
}

#[test]
fn mistakes_in_the_arguments() {
    for (arguments, named) in [
        (&["analyze", "--no-such-option", SAMPLE][..], "--no-such-option"),
        (&["analyse", SAMPLE], "analyze"),
        (&["analyze"], "INPUT"),
        (&["analyze", "--threads", "many", SAMPLE], "--threads"),
        (&["analyze", "--threads", "20000", SAMPLE], "0..=512"),
        (&["analyze", "--max-memory", "lots", SAMPLE], "--max-memory"),
        (&["analyze", "--tz", "Middle/Earth", SAMPLE], "Middle/Earth"),
        (&["flows", "--format", "xml", SAMPLE], "xml"),
    ] {
        let run = wirecause(arguments);
        assert_eq!(run.status.code(), Some(2), "{arguments:?}: {}", message(&run));
        assert!(message(&run).contains(named), "{arguments:?}: {}", message(&run));
        assert!(run.stdout.is_empty(), "{arguments:?}: a mistake is told on stderr");
    }
}

#[test]
fn help_and_version_are_results() {
    for arguments in [&["--help"][..], &["analyze", "--help"], &["flows", "--help"], &["--version"]] {
        let run = wirecause(arguments);
        assert_eq!(run.status.code(), Some(0), "{arguments:?}");
        assert!(!run.stdout.is_empty() && run.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn version_and_report_name_the_same_rules() {
    let version = String::from_utf8(wirecause(&["--version"]).stdout).expect("UTF-8");
    let digest = version.split_whitespace().last().expect("a digest");
    let report =
        String::from_utf8(wirecause(&["analyze", "--format", "json", SAMPLE]).stdout).expect("UTF-8");
    assert_eq!(digest.len(), 12, "{version}");
    assert!(
        report.contains(&format!("\"rules_digest\":\"{digest}\""))
            || report.contains(&format!("\"rules_digest\": \"{digest}\"")),
        "{version}"
    );
}

#[test]
fn findings_fail_the_run_only_when_asked() {
    assert_eq!(wirecause(&["analyze", SAMPLE]).status.code(), Some(0));
    assert_eq!(wirecause(&["analyze", "--fail-on", "error", SAMPLE]).status.code(), Some(10));
    let healthy = "samples/lossy-link/bundle";
    assert_eq!(wirecause(&["analyze", "--fail-on", "warning", healthy]).status.code(), Some(0));
}

fn wirecause(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_wirecause"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(arguments)
        .output()
        .expect("the program starts")
}

fn message(run: &Output) -> String {
    String::from_utf8_lossy(&run.stderr).into_owned()
}

fn at_root(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The packets of a call that failed after `--from` are its own, also those from before; numbers of streams that only
/// the whole capture could tell are not made up.
#[test]
fn a_span_of_time_keeps_whole_calls_and_numbers_no_streams() {
    let sample = "samples/syn-dropped/bundle";
    let report = wirecause(&["analyze", "--format", "csv", "--from", FAILED, sample]);
    let report = String::from_utf8_lossy(&report.stdout);
    assert!(report.contains(",io_timeout,syn_dropped,explained,"), "{report}");

    for (from, numbered) in [(FAILED, false), ("2026-11-01T00:00:00Z", true)] {
        let flows = wirecause(&["flows", "--format", "ndjson", "--from", from, sample]);
        let flows = String::from_utf8_lossy(&flows.stdout);
        assert!(flows.lines().any(|flow| flow.contains("\"proto\":\"tcp\"")), "{flows}");
        assert_eq!(flows.contains("tcp.stream == "), numbered, "from {from}: {flows}");
    }
}

/// In `samples/syn-dropped`: half a minute after the calls began whose failures are told from here on.
const FAILED: &str = "2026-11-21T02:56:33Z";
