//! What a hostile bundle may try: limits, text that means something to a terminal, a browser or a spreadsheet, time stamps
//! out of any range, and outputs that cannot be written.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

mod sample;

/// A folder with these files.
fn bundle(files: &[(&str, &[u8])]) -> TempDir {
    let folder = TempDir::new().expect("a temporary folder");
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes).expect("a file");
    }
    folder
}

fn analyze(folder: &TempDir, arguments: &[&str]) -> (u8, Value) {
    let arguments = [&["analyze", "--format", "json"], arguments].concat();
    let (code, out) = sample::run(&arguments, &[folder.path().to_owned()]);
    (code, serde_json::from_slice(&out).expect("a report"))
}

/// Names and details of what was lost or odd in any input.
fn problems(report: &Value) -> Vec<(String, String)> {
    let inputs = report["inputs"].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    inputs
        .flat_map(|input| input["problems"].as_array().cloned().unwrap_or_default())
        .map(|p| (text(&p["name"]), text(&p["detail"])))
        .collect()
}

const PODS: &str = "apiVersion: v1\nkind: List\nitems:\n";

fn pods(count: usize) -> String {
    let pod = |n| {
        format!(
            "- apiVersion: v1\n  kind: Pod\n  metadata: {{name: p{n}, namespace: a}}\n  status: {{podIP: 10.1.0.{n}, podIPs: [{{ip: 10.1.0.{n}}}]}}\n"
        )
    };
    PODS.to_owned() + &(1..=count).map(pod).collect::<String>()
}

#[test]
fn every_limit_that_is_reached_is_said_with_its_option() {
    let deep = format!("kind: Pod\nmetadata: {{name: a, x: {}1{}}}\n", "[".repeat(40), "]".repeat(40));
    let aliased = format!("kind: Pod\nmetadata: &a {{name: a}}\nx: [{}]\n", ["*a"; 40].join(", "));
    let pieces = pcap((0..400).map(|n| (n, fragment(n as u16))));
    let cases: [(&str, &[u8], [&str; 2], &str); 5] = [
        ("pods.yaml", &pods(9).into_bytes(), ["--max-facts", "4"], "limit_facts"),
        ("pods.yaml", &pods(9).into_bytes(), ["--max-object-bytes", "200"], "limit_object_bytes"),
        ("deep.yaml", deep.as_bytes(), ["--max-yaml-depth", "20"], "limit_yaml_depth"),
        ("aliases.yaml", aliased.as_bytes(), ["--max-yaml-aliases", "8"], "limit_yaml_aliases"),
        ("a.pcap", &pieces, ["--max-fragment-bytes", "8192"], "limit_fragment_bytes"),
    ];
    for (name, bytes, option, limit) in cases {
        let folder = bundle(&[(name, bytes)]);
        let (code, report) = analyze(&folder, &option);
        let found = problems(&report);
        let said = found.iter().any(|(n, detail)| n == limit && detail.contains(option[0]));
        assert!(code == 3 && said, "{option:?} on {name}: exit {code}, {found:?}");
        let (code, report) = analyze(&folder, &[]);
        let reached = problems(&report).into_iter().any(|(n, _)| n.starts_with("limit_"));
        assert!(code == 0 && !reached, "{name} within the defaults: {report}");
    }
}

/// What must never reach a reader as it is.
const TRICKS: [&str; 7] = [
    "\x1b[31m",
    "\u{202e}",
    "\u{200b}",
    "<script>alert(1)</script>",
    "<img src=x onerror=y>",
    "\u{7}",
    "\u{9b}2J",
];

/// One failed call whose webhook has this in its name.
fn line_with(trick: &str) -> String {
    format!(
        "W1121 02:00:05.000001       7 dispatcher.go:225] Failed calling webhook, failing closed a{trick}b.example.com: failed calling webhook \"a{trick}b.example.com\": failed to call webhook: Post \"https://a{trick}b.ns.svc:443/v?timeout=10s\": dial tcp 10.96.0.7:443: connect: connection refused\n"
    )
}

#[test]
fn text_of_a_bundle_is_shown_safely_everywhere() {
    for trick in TRICKS {
        let name = format!("kube-apiserver {}.log", trick.replace('/', "_"));
        let folder = bundle(&[(&name, (line_with(trick) + &line_with("")).as_bytes())]);
        let input = [folder.path().to_owned()];
        for (command, format) in COMMANDS {
            let (code, out) = sample::run(&[command, "--format", format, "--year", "2026"], &input);
            assert!(matches!(code, 0 | 3), "{command} {format} with {trick:?}: exit {code}");
            let out = String::from_utf8(out).expect("UTF-8");
            assert!(!out.is_empty(), "{command} {format}");
            match format {
                "json" => assert!(serde_json::from_str::<Value>(&out).is_ok(), "{command} with {trick:?}"),
                "ndjson" => assert!(out.lines().all(|l| serde_json::from_str::<Value>(l).is_ok())),
                "html" | "markdown" => {
                    let marked = if format == "html" { out.clone() } else { outside_code(&out) };
                    assert!(
                        !marked.contains("<script>alert") && !marked.contains("<img src=x"),
                        "{format}: {trick:?}"
                    );
                    shows_no_control(&out, format, trick);
                }
                _ => shows_no_control(&out, format, trick),
            }
        }
    }
}

/// Markdown without what stands between fences and in code spans, which is text to every reader.
fn outside_code(markdown: &str) -> String {
    let outside = |mark: &str, text: &str| -> String { text.split(mark).step_by(2).collect() };
    outside("`", &outside("\n```", markdown))
}

const COMMANDS: [(&str, &str); 7] = [
    ("analyze", "table"),
    ("analyze", "json"),
    ("analyze", "ndjson"),
    ("analyze", "html"),
    ("analyze", "markdown"),
    ("logs", "table"),
    ("logs", "ndjson"),
];

fn shows_no_control(out: &str, format: &str, trick: &str) {
    let unsafe_char = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    assert!(!out.chars().any(unsafe_char), "{format} with {trick:?}");
}

#[test]
fn a_spreadsheet_sees_no_formula() {
    let folder = bundle(&[("a.log", line_with("").replace("ab.example.com", "=HYPERLINK(1)").as_bytes())]);
    let input = [folder.path().to_owned()];
    let (_, out) = sample::run(&["analyze", "--format", "csv", "--year", "2026"], &input);
    let out = String::from_utf8(out).expect("UTF-8");
    assert!(out.contains("HYPERLINK"), "{out}");
    let cells = out.lines().flat_map(|line| line.split([',', '"']));
    let formula = |cell: &str| cell.starts_with(['=', '+', '@']) || cell.starts_with('-') && cell.len() > 1;
    assert!(!cells.into_iter().any(formula), "{out}");
}

#[test]
fn times_out_of_any_range_are_read() {
    let year = 365 * 24 * 3600;
    let seconds: [&[u32]; 6] = [
        &[0, 0, 1],
        &[u32::MAX, u32::MAX],
        &[1_800_000_000, 1_700_000_000, 1_600_000_000, 0],
        &[1_700_000_000; 40],
        &[1_700_000_000, 1_700_000_000 + 2 * year],
        &[0, u32::MAX, 0, u32::MAX],
    ];
    let stamps = [
        "1601-01-01T00:00:00Z",
        "1969-12-31T23:59:59.999999999Z",
        "2262-04-12T00:00:00Z",
        "9999-12-31T23:59:60Z",
    ];
    let log: String =
        stamps.iter().flat_map(|s| [s, " stderr F ", &line_with("")].map(str::to_owned)).collect();
    for times in seconds {
        let capture = pcap(times.iter().enumerate().map(|(n, s)| (*s, syn(n as u16))));
        let folder = bundle(&[("a.pcap", &capture), ("0.log", log.as_bytes())]);
        let (code, report) = analyze(&folder, &[]);
        assert!(matches!(code, 0 | 3), "{times:?}: exit {code}");
        let frames = report["captures"][0]["frames"].as_u64();
        assert_eq!(frames, Some(times.len() as u64), "{times:?}: {}", report["captures"]);
        assert_eq!(report["logs"][0]["lines"].as_u64(), Some(stamps.len() as u64), "{times:?}");
        let (code, flows) = sample::run(&["flows", "--format", "ndjson"], &[folder.path().to_owned()]);
        assert_eq!(code, 0);
        assert!(
            flows
                .split(|b| *b == b'\n')
                .filter(|l| !l.is_empty())
                .all(|l| serde_json::from_slice::<Value>(l).is_ok())
        );
    }
}

#[test]
fn a_full_disk_is_said_and_a_reader_that_goes_away_is_fine() {
    let sample = sample::bundles().remove(0);
    if Path::new("/dev/full").exists() {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
        let run = program(&["analyze"], &sample).stdout(full).stderr(Stdio::piped()).output().expect("a run");
        let said = String::from_utf8_lossy(&run.stderr).into_owned();
        assert_eq!(run.status.code(), Some(1), "{said}");
        assert!(said.contains("space") && !said.contains("panicked"), "{said}");
    }
    let mut child = program(&["flows", "--format", "ndjson"], &sample)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a run");
    drop(child.stdout.take());
    let mut said = String::new();
    child.stderr.take().expect("stderr").read_to_string(&mut said).expect("text");
    let status = child.wait().expect("an end");
    assert!(status.code() == Some(0) && !said.contains("panicked"), "{status}: {said}");
}

#[test]
fn thousands_of_inputs_are_one_bundle() {
    let folder = TempDir::new().expect("a temporary folder");
    let inputs: Vec<PathBuf> = (0..3000).map(|n| folder.path().join(format!("{n}.log"))).collect();
    for input in &inputs {
        fs::write(input, line_with("")).expect("a log");
    }
    let (code, out) = sample::run(&["analyze", "--format", "json", "--year", "2026"], &inputs);
    let report: Value = serde_json::from_slice(&out).expect("a report");
    assert_eq!(code, 0);
    assert_eq!(report["inputs"].as_array().map(Vec::len), Some(3000));
}

#[test]
fn a_failed_run_leaves_the_old_output_and_nothing_else() {
    let folder = bundle(&[("out.json", b"old")]);
    let out = folder.path().join("out.json");
    let run = program(&["analyze", "--format", "json", "-o"], &out)
        .arg(folder.path().join("nothing-here"))
        .output();
    assert_eq!(run.expect("a run").status.code(), Some(1));
    assert_eq!(fs::read(&out).expect("the old output"), b"old");
    assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 1);
}

fn program(arguments: &[&str], input: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wirecause"));
    command.args(arguments).arg(input).env_remove("RUST_BACKTRACE");
    command
}

/// A capture of raw IP packets, each with its second.
fn pcap(packets: impl Iterator<Item = (u32, Vec<u8>)>) -> Vec<u8> {
    let mut file = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 101, 0, 0, 0];
    for (second, packet) in packets {
        let length = packet.len() as u32;
        file.extend([second, 7, length, length].iter().flat_map(|w| w.to_le_bytes()));
        file.extend(packet);
    }
    file
}

fn ipv4(identification: u16, flags: u8, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let length = (20 + payload.len()) as u16;
    let mut packet = vec![0x45, 0];
    packet.extend(length.to_be_bytes());
    packet.extend(identification.to_be_bytes());
    packet.extend([flags, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    packet.extend(payload);
    packet
}

/// The first fragment of a packet whose rest never comes.
fn fragment(identification: u16) -> Vec<u8> {
    ipv4(identification, 0x20, 17, &[0; 64])
}

fn syn(port: u16) -> Vec<u8> {
    let port = (40_000 + port).to_be_bytes();
    ipv4(1, 0, 6, &[port[0], port[1], 1, 0xbb, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 255, 255, 0, 0, 0, 0])
}
