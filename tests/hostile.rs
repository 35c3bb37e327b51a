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

/// What blocks whoever opens it, leads round in circles or is no file: named where it matters, and nothing waits for it.
#[cfg(unix)]
#[test]
fn pipes_sockets_and_loops_in_a_folder_are_not_opened() {
    use std::os::unix::fs::symlink;
    let folder = bundle(&[("a.log", line_with("").as_bytes())]);
    let at = |name: &str| folder.path().join(name);
    let made = Command::new("mkfifo").arg(at("pipe.log")).status().is_ok_and(|s| s.success());
    let socket = std::os::unix::net::UnixListener::bind(at("socket.log")).expect("a socket");
    symlink(folder.path(), at("round")).expect("a link");
    symlink(at("self.log"), at("self.log")).expect("a link");
    symlink("/dev/zero", at("zero.log")).expect("a link");
    let (code, report) = analyze(&folder, &["--year", "2026"]);
    let inputs = report["inputs"].as_array().map(Vec::len);
    assert_eq!((code, inputs), (0, Some(1)), "{report}");
    assert_eq!(report["summary"]["occurrences"], 1, "{report}");
    let found =
        wirecause::bundle::discover(&[folder.path().to_owned()], &wirecause::bundle::Limits::default());
    let said: Vec<_> = found.expect("a bundle").problems.iter().map(|w| (w.name, w.count)).collect();
    assert_eq!(said, [("link_out_of_tree", 1), ("special_file", 1 + u64::from(made))]);
    drop(socket);
}

/// A timeline of more packets than a person scrolls through says how many it leaves out, and keeps what decided.
#[test]
fn a_timeline_says_how_many_packets_it_leaves_out() {
    let reset = ipv4(1, 0, 6, &[0x9c, 0x41, 1, 0xbb, 0, 0, 0, 2, 0, 0, 0, 0, 0x50, 4, 0, 0, 0, 0, 0, 0]);
    let data = (0..20_100).map(|_| segment(1, b"x"));
    let packets = [syn(1)].into_iter().chain(data).chain([reset, segment(1, b"x")]);
    let folder = bundle(&[("a.pcap", &pcap(packets.map(|p| (1_700_000_000, p))))]);
    let input = [folder.path().to_owned()];
    let (code, out) = sample::run(&["timeline", "--flow", "0", "--format", "json"], &input);
    let timeline: Value = serde_json::from_slice(&out).expect("a timeline");
    let moments = timeline["moments"].as_array().expect("moments");
    let frames: Vec<u64> = moments.iter().filter_map(|m| m["frame"].as_u64()).collect();
    assert_eq!((code, frames.first(), frames.last()), (0, Some(&1), Some(&20_103)), "{}", moments.len());
    assert!(frames.contains(&20_102), "the reset is decisive");
    let hidden = 20_103 - frames.len();
    let said = moments.last().and_then(|m| m["text"].as_str()).unwrap_or_default();
    assert!(hidden > 90 && said.contains(&format!("({hidden} packets before it are not shown")), "{said}");
}

/// A log in which every failure is of another call: the report stays of a size that can be read, and says so.
#[test]
fn findings_beyond_the_limit_are_counted_and_said() {
    let line = |n: usize| line_with(&format!("{n:x}"));
    let log: String = (0..10_040).map(line).collect();
    let folder = bundle(&[("a.log", log.as_bytes())]);
    let (code, report) = analyze(&folder, &["--year", "2026"]);
    assert_eq!(code, 0);
    assert_eq!(report["findings"].as_array().map(Vec::len), Some(10_000));
    assert_eq!(report["summary"]["findings"], 10_040);
    assert_eq!(report["summary"]["occurrences"], 10_040);
    let said = report["anomalies"].as_array().into_iter().flatten().find(|a| a["kind"] == "limit_findings");
    assert_eq!(said.map(|a| a["count"].clone()), Some(40.into()), "{}", report["anomalies"]);
}

/// Bounds without an option are said as well, wherever something was kept out.
#[test]
fn bounds_that_are_reached_are_said() {
    let line = line_with("");
    let steps = (0..90).map(|n| format!("\tstep {n}: dial tcp 10.96.1.2:443: i/o timeout"));
    let value = steps.collect::<Vec<_>>().join("\n");
    let entry = format!("E1121 02:25:20.685010   30368 x.go:1] \"Failed\" err=<\n{value}\n >\n{line}");
    let mut long = line.clone().into_bytes();
    long.pop();
    long.resize(40 << 20, b'x');
    long.push(b'\n');
    let certificates = pem_named("a").repeat(9000);
    let cases: [(&str, &[u8], &[&str]); 3] = [
        ("entry.log", entry.as_bytes(), &["limit_entry"]),
        ("long.log", &long, &["limit_entry", "limit_line"]),
        ("ca.pem", certificates.as_bytes(), &["limit_certificates"]),
    ];
    for (name, bytes, limits) in cases {
        let folder = bundle(&[(name, bytes), ("a.log", line.as_bytes())]);
        let (_, report) = analyze(&folder, &["--year", "2026"]);
        let mut found: Vec<_> = problems(&report).into_iter().map(|(name, _)| name).collect();
        found.retain(|name| name.starts_with("limit_"));
        found.sort();
        assert_eq!(found, limits, "{name}");
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
fn a_server_name_and_a_certificate_of_an_attacker_are_shown_safely() {
    let tricks = TRICKS
        .iter()
        .map(|t| t.replace(['<', '>', '/', ' '], ""))
        .chain(["a\0b", "=1+1", "<b>"].map(str::to_owned));
    for trick in tricks {
        let hello = client_hello(trick.as_bytes());
        let folder = bundle(&[
            ("a.pcap", &pcap([(1_700_000_000, syn(1)), (1_700_000_000, segment(1, &hello))].into_iter())),
            ("c.pem", pem_named(&trick).as_bytes()),
        ]);
        let input = [folder.path().to_owned()];
        for (command, format) in [
            ("flows", "table"),
            ("flows", "ndjson"),
            ("flows", "csv"),
            ("certs", "table"),
            ("certs", "ndjson"),
            ("certs", "csv"),
            ("analyze", "html"),
            ("analyze", "markdown"),
            ("analyze", "table"),
        ] {
            let (code, out) = sample::run(&[command, "--format", format], &input);
            assert!(matches!(code, 0 | 3), "{command} {format} with {trick:?}: exit {code}");
            let out = String::from_utf8(out).expect("UTF-8");
            if format == "ndjson" {
                assert!(out.lines().all(|l| serde_json::from_str::<Value>(l).is_ok()), "{trick:?}: {out}");
            } else {
                shows_no_control(&out.replace('\r', ""), format, &trick);
            }
            if format == "csv" {
                assert!(!out.split([',', '\n']).any(|cell| cell.starts_with(['=', '@', '+'])), "{out}");
            }
            assert!(format != "html" || !out.contains("<b>"), "{trick:?}");
        }
    }
}

/// A ClientHello of TLS 1.2 for this server name.
fn client_hello(name: &[u8]) -> Vec<u8> {
    let with_length = |bytes: &[u8]| [&(bytes.len() as u16).to_be_bytes(), bytes].concat();
    let server_name =
        [&[0, 0][..], &with_length(&with_length(&[&[0][..], &with_length(name)].concat()))].concat();
    let body = [&[3, 3][..], &[7; 32], &[0, 0, 2, 0xc0, 0x2f, 1, 0], &with_length(&server_name)].concat();
    let message = [&[1, 0][..], &with_length(&body)].concat();
    [&[22, 3, 1][..], &with_length(&message)].concat()
}

/// A certificate that is cut after its names, whose common names are this.
fn pem_named(name: &str) -> String {
    use base64::Engine as _;
    let der = |tag: u8, parts: &[&[u8]]| {
        let body = parts.concat();
        [&[tag, 0x82][..], &(body.len() as u16).to_be_bytes()[..], &body].concat()
    };
    let common_name =
        der(0x30, &[&der(0x31, &[&der(0x30, &[&[6, 3, 85, 4, 3], &der(12, &[name.as_bytes()])])])]);
    let algorithm = der(0x30, &[&[6, 3, 42, 3, 4]]);
    let time = b"\x17\x0d260101000000Z";
    let validity = der(0x30, &[time, time]);
    let tbs = der(0x30, &[&[2, 1, 1], &algorithm, &common_name, &validity, &common_name]);
    let body = base64::engine::general_purpose::STANDARD.encode(der(0x30, &[&tbs]));
    format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
}

#[test]
fn bytes_that_are_no_text_are_read_as_a_log() {
    let line = line_with("");
    let spoilt =
        [line.as_bytes(), b"\xff\xfe\0\0", line.as_bytes(), b"\xc3(\xe2\x82", line.as_bytes()].concat();
    let folder = bundle(&[("a.log", &spoilt)]);
    let (code, report) = analyze(&folder, &["--year", "2026"]);
    assert!(matches!(code, 0 | 3), "exit {code}");
    assert_eq!(report["logs"][0]["lines"], 3, "{report}");
    let occurrences = report["findings"].as_array().into_iter().flatten().filter_map(|f| f["count"].as_u64());
    assert!(occurrences.sum::<u64>() >= 1, "{report}");
}

/// A hundred megabytes without a line end, of which 8 KiB are kept at most.
#[test]
fn a_line_of_a_hundred_megabytes_is_read_and_not_kept() {
    let mut long = line_with("").into_bytes();
    long.pop();
    long.resize(100 << 20, b'x');
    long.extend(line_with("").as_bytes().iter().map(|b| if *b == b'W' { b'E' } else { *b }));
    let folder = bundle(&[("a.log", &long)]);
    let (code, report) = analyze(&folder, &["--year", "2026"]);
    assert!(matches!(code, 0 | 3), "exit {code}");
    assert_eq!(report["inputs"][0]["bytes"].as_u64(), Some(long.len() as u64));
    let longest = longest_string(&report);
    assert!(longest <= 9 << 10, "a string of {longest} bytes in the report");
}

fn longest_string(tree: &Value) -> usize {
    match tree {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(longest_string).max().unwrap_or(0),
        Value::Object(map) => map.values().map(longest_string).max().unwrap_or(0),
        _ => 0,
    }
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

/// Root reads and writes what it may not: then a folder where the output should be, and nothing else, is tried.
#[cfg(unix)]
#[test]
fn what_cannot_be_read_or_written_is_said_and_the_rest_is_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = bundle(&[("a.log", line_with("").as_bytes()), ("b.log", line_with("").as_bytes())]);
    let mode =
        |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
    let locked = folder.path().join("b.log");
    mode(&locked, 0);
    let may_anyway = fs::File::open(&locked).is_ok();
    let (code, report) = analyze(&folder, &["--year", "2026"]);
    let said = problems(&report).iter().any(|(name, _)| name == "unreadable")
        || report["problems"].to_string().contains("unreadable");
    assert!(may_anyway || code == 3 && said, "exit {code}: {report}");
    mode(&locked, 0o644);
    let closed = TempDir::new().expect("a temporary folder");
    mode(closed.path(), 0o555);
    for out in [closed.path().join("out.json"), folder.path().to_owned(), folder.path().join("no/such/out")] {
        let run =
            program(&["analyze", "--format", "json", "--year", "2026", "-o"], &out).arg(&locked).output();
        let run = run.expect("a run");
        let said = String::from_utf8_lossy(&run.stderr).into_owned();
        let expected = out.parent() == Some(closed.path()) && may_anyway;
        assert!(expected || run.status.code() == Some(1), "{}: {:?} {said}", out.display(), run.status);
        assert!(
            expected || !said.contains("panicked") && said.contains(&*out.display().to_string()),
            "{said}"
        );
    }
    mode(closed.path(), 0o755);
}

/// Of whatever kind a file is that vanishes before it is read: the message names it and says what to do.
#[test]
fn a_vanished_file_is_named_with_the_remedy() {
    use wirecause::bundle::{self, Limits};
    use wirecause::ingest::{self, IngestOptions};
    use wirecause::{cluster, log};
    let (log, objects, pem) = (line_with(""), pods(3), pem_named("a"));
    let capture = pcap((0..4).map(|n| (1_700_000_000, syn(n))));
    let keys = format!("CLIENT_TRAFFIC_SECRET_0 {} {}\n", "ab".repeat(32), "cd".repeat(32));
    let conntrack = "tcp      6 86399 ESTABLISHED src=172.28.0.2 dst=10.96.12.10 sport=40000 dport=443 \
                     src=10.244.0.1 dst=172.28.0.2 sport=8443 dport=40000 [ASSURED] mark=0 use=1\n";
    let journal = [&b"LPKSHHRH"[..], &[0; 400]].concat();
    let files: [(&str, &[u8]); 7] = [
        ("a.log", log.as_bytes()),
        ("c.pcap", &capture),
        ("pods.yaml", objects.as_bytes()),
        ("conntrack.txt", conntrack.as_bytes()),
        ("ca.pem", pem.as_bytes()),
        ("keys.txt", keys.as_bytes()),
        ("system.journal", &journal),
    ];
    let folder = bundle(&files);
    let found = bundle::discover(&[folder.path().to_owned()], &Limits::default()).expect("a bundle");
    for (name, _) in files {
        fs::remove_file(folder.path().join(name)).expect("it was there");
    }
    let logs = log::read(&found.sources, &log::EventSet::builtin(), &log::LogOptions::default());
    let (wire, map) = (ingest::run(&found.sources, &IngestOptions::default()), cluster::read(&found.sources));
    let inputs = [logs.inputs, wire.inputs, map.inputs].concat();
    for (name, _) in files {
        let source = found.sources.iter().find(|s| s.path.ends_with(name)).expect("a source").index;
        let input = inputs.iter().find(|i| i.source == source).unwrap_or_else(|| panic!("{name} was taken"));
        let problem = input.problems.iter().find(|p| p.name == "unreadable");
        let problem = problem.unwrap_or_else(|| panic!("{name}: {:?}", input.problems));
        assert!(problem.loss && problem.detail.contains(name), "{name}: {}", problem.detail);
        assert!(problem.detail.contains("run again"), "{name}: {}", problem.detail);
    }
}

/// A file that is there when it is looked for and gone, or shorter, when it is read.
#[test]
fn a_vanishing_file_costs_itself() {
    use wirecause::bundle::{self, Limits};
    use wirecause::log::{self, EventSet, LogOptions};
    let folder = bundle(&[("a.log", line_with("").as_bytes()), ("b.log", line_with("").as_bytes())]);
    let capture = pcap((0..40).map(|n| (1_700_000_000, syn(n))));
    fs::write(folder.path().join("c.pcap"), &capture).expect("a capture");
    let found = bundle::discover(&[folder.path().to_owned()], &Limits::default()).expect("a bundle");
    fs::remove_file(folder.path().join("b.log")).expect("it was there");
    fs::write(folder.path().join("c.pcap"), &capture[..100]).expect("a shorter capture");
    let logs = log::read(&found.sources, &EventSet::builtin(), &LogOptions::default());
    assert_eq!(logs.events.len(), 1);
    assert!(logs.inputs.iter().any(|i| i.problems.any_loss()), "the loss is said");
    let wire = wirecause::ingest::run(&found.sources, &wirecause::ingest::IngestOptions::default());
    assert!(wire.inputs.iter().any(|i| i.problems.any_loss()), "the cut is said");
}

/// THREATS.md names every option that bounds, with its default as `--help` has it, and no other.
#[test]
fn the_table_of_limits_is_that_of_the_options() {
    let threats =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("THREATS.md")).expect("the page");
    let rows: Vec<&str> = threats.lines().filter(|l| l.contains("| `--max-") && l.ends_with("` |")).collect();
    let help = program(&["analyze"], Path::new("--help")).output().expect("help").stdout;
    let help = String::from_utf8(help).expect("UTF-8");
    let named: Vec<&str> = help.split_whitespace().filter(|w| w.starts_with("--max-")).collect();
    assert!(named.len() >= 12, "{named:?}");
    for option in &named {
        let row = rows.iter().find(|r| r.ends_with(&format!("| `{option}` |")));
        let row = row.unwrap_or_else(|| panic!("{option} has no row in THREATS.md"));
        let text =
            help.split(option).nth(1).expect("its text").split("\n      --").next().unwrap_or_default();
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let default = text.split("[default: ").nth(1).and_then(|d| d.split(']').next()).expect("a default");
        let cell = row.split(" | ").nth(1).expect("a default").replace(',', "");
        let cell = cell.replace(" GiB", "G").replace(" MiB", "M").replace(" TiB", "T").replace(" KiB", "K");
        assert_eq!(cell.trim(), default, "{option}");
    }
    for row in rows {
        assert!(named.iter().any(|o| row.ends_with(&format!("| `{o}` |"))), "no such option: {row}");
    }
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

/// Payload from the port of [`syn`].
fn segment(port: u16, payload: &[u8]) -> Vec<u8> {
    let port = (40_000 + port).to_be_bytes();
    let header = [port[0], port[1], 1, 0xbb, 0, 0, 0, 2, 0, 0, 0, 1, 0x50, 24, 255, 255, 0, 0, 0, 0];
    ipv4(1, 0, 6, &[&header, payload].concat())
}

fn syn(port: u16) -> Vec<u8> {
    let port = (40_000 + port).to_be_bytes();
    ipv4(1, 0, 6, &[port[0], port[1], 1, 0xbb, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 255, 255, 0, 0, 0, 0])
}
