//! Limits: reaching one is said with its name, and its option where there is one, and the rest is analysed.

use std::fs;
use std::path::Path;

use serde_json::Value;

mod made;
mod sample;
use made::{
    analyze, bundle, expired_pem, fragment, ipv4, line_with, pcap, pem_named, pods, problems, program,
    segment, syn,
};

/// The name, the option, and everything else of the bundle: the limited input as far as the limit, the log beside it.
#[test]
fn every_limit_that_is_reached_is_said_with_its_option() {
    let deep = format!("kind: Pod\nmetadata: {{name: a, x: {}1{}}}\n", "[".repeat(40), "]".repeat(40));
    let aliased = format!("kind: Pod\nmetadata: &a {{name: a}}\nx: [{}]\n", ["*a"; 40].join(", "));
    let pieces = pcap((0..400).map(|n| (n, fragment(n as u16))));
    let log = calls(5);
    let (nine, log) = (pods(9).into_bytes(), log.as_bytes());
    let cases: [(&str, &[u8], [&str; 2], &str); 6] = [
        ("pods.yaml", &nine, ["--max-facts", "4"], "limit_facts"),
        ("pods.yaml", &nine, ["--max-object-bytes", "200"], "limit_object_bytes"),
        ("deep.yaml", deep.as_bytes(), ["--max-yaml-depth", "20"], "limit_yaml_depth"),
        ("aliases.yaml", aliased.as_bytes(), ["--max-yaml-aliases", "8"], "limit_yaml_aliases"),
        ("a.pcap", &pieces, ["--max-fragment-bytes", "8192"], "limit_fragment_bytes"),
        ("b.log", log, ["--max-failures", "3"], "limit_failures"),
    ];
    for (name, bytes, option, limit) in cases {
        let folder = bundle(&[(name, bytes), ("a.log", line_with("").as_bytes()), ("b.pcap", &one_syn())]);
        let (code, report) = analyze(&folder, &[&option[..], &["--year", "2026"]].concat());
        let found = problems(&report);
        let said = found.iter().any(|(n, detail)| n == limit && detail.contains(option[0]));
        assert!(code == 3 && said, "{option:?} on {name}: exit {code}, {found:?}");
        let (_, whole) = analyze(&folder, &["--year", "2026"]);
        assert!(!problems(&whole).iter().any(|(n, _)| n.starts_with("limit_")), "{name} within the defaults");
        let of_log = |report: &Value| report["summary"]["occurrences"].as_u64();
        let expected = if name == "b.log" { Some(3) } else { of_log(&whole) };
        assert!(expected >= Some(1) && of_log(&report) == expected, "{option:?}: {}", report["summary"]);
        assert_eq!(frames(&report), frames(&whole), "{option:?}: captures are read whole");
        assert_eq!(lines(&report, "a.log"), Some(1), "{option:?}: the other log is read");
    }
}

/// Failures of one kind, a second apart.
fn calls(count: u32) -> String {
    (0..count).map(|n| line_with("").replace("02:00:05", &format!("02:01:{n:02}"))).collect()
}

fn one_syn() -> Vec<u8> {
    pcap([(1_700_000_000, syn(1))].into_iter())
}

fn frames(report: &Value) -> Vec<Option<u64>> {
    report["captures"].as_array().into_iter().flatten().map(|c| c["frames"].as_u64()).collect()
}

fn lines(report: &Value, path: &str) -> Option<u64> {
    report["inputs"].as_array()?.iter().find(|i| i["path"] == path)?["lines"].as_u64()
}

/// Calls that are not listed are counted where they belong, and the option is named.
#[test]
fn occurrences_beyond_the_limit_are_counted_and_said() {
    let folder = bundle(&[("a.log", calls(5).as_bytes()), ("b.log", line_with("c").as_bytes())]);
    let (code, report) = analyze(&folder, &["--max-occurrences", "2", "--year", "2026"]);
    let findings = report["findings"].as_array().expect("findings");
    let of =
        |f: &Value| (f["count"].as_u64(), f["occurrences"].as_array().map(Vec::len), f["omitted"].as_u64());
    assert_eq!(code, 0, "nothing of the input is lost");
    assert!(findings.iter().map(of).any(|f| f == (Some(5), Some(2), Some(3))), "{findings:?}");
    assert!(findings.iter().any(|f| f["count"] == 1), "the other finding is there: {findings:?}");
    let said = limit(&report, "limit_occurrences");
    assert!(
        said.is_some_and(|a| a["count"] == 3 && a["text"].to_string().contains("--max-occurrences")),
        "{report}"
    );
    let (_, whole) = analyze(&folder, &["--year", "2026"]);
    assert_eq!(limit(&whole, "limit_occurrences"), None);
}

fn limit<'a>(report: &'a Value, kind: &str) -> Option<&'a Value> {
    report["anomalies"].as_array()?.iter().find(|a| a["kind"] == kind)
}

/// Flows end early under a small budget, which the page says with its option, and all are there.
#[test]
fn a_small_memory_is_said_with_its_option() {
    let packets = (0..20_000_u32).map(|n| {
        let mut packet = syn((n / 256) as u16);
        packet[15] = n as u8;
        (1_700_000_000 + n / 1000, packet)
    });
    let folder = bundle(&[("a.pcap", &pcap(packets)), ("a.log", line_with("").as_bytes())]);
    let tight = ["--max-memory", "1M", "--year", "2026"];
    let (code, report) = analyze(&folder, &tight);
    let capture = &report["captures"][0];
    assert_eq!(
        (code, capture["frames"].as_u64(), capture["flows"].as_u64()),
        (0, Some(20_000), Some(20_000))
    );
    assert!(capture["evicted"].as_u64() > Some(0), "{capture}");
    assert!(lines(&report, "a.log") == Some(1) && report["logs"][0]["events"] == 1, "{report}");
    let input = [folder.path().to_owned()];
    let (_, table) = sample::run(&[&["analyze", "-v"][..], &tight].concat(), &input);
    let table = String::from_utf8(table).expect("UTF-8").split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(table.contains("ended early for --max-memory"), "{table}");
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
    let said = limit(&report, "limit_findings");
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
    let certificates = pem_named(b"a").repeat(9000);
    let mut packed = line.clone().into_bytes();
    for _ in 0..4 {
        packed = gzip(&packed);
    }
    let secrets =
        blocks(10, 2, &[&[0x4b, 0x53, 0x4c, 0x54, 0, 0, 0x90, 0][..], &vec![b'#'; 9 << 20]].concat());
    let entries = blocks(9, 100_001, b"MESSAGE=x\n\0\0");
    let name = [&[101, 0, 0, 0, 0, 0, 4, 0, 2, 0, 0xa0, 0x0f][..], &[b'n'; 4000]].concat();
    let interfaces = blocks(1, 300, &name);
    let cases: [(&str, &[u8], &[&str]); 7] = [
        ("entry.log", entry.as_bytes(), &["limit_entry"]),
        ("long.log", &long, &["limit_entry", "limit_line"]),
        ("ca.pem", certificates.as_bytes(), &["limit_certificates"]),
        ("packed.log", &packed, &["limit_compressions"]),
        ("secrets.pcapng", &secrets, &["limit_tls_secrets"]),
        ("journal.pcapng", &entries, &["limit_journal_entries"]),
        ("interfaces.pcapng", &interfaces, &["limit_interface_texts"]),
    ];
    for (name, bytes, limits) in cases {
        let folder = bundle(&[(name, bytes), ("a.log", line.as_bytes())]);
        let (_, report) = analyze(&folder, &["--year", "2026"]);
        let mut found: Vec<_> = problems(&report).into_iter().map(|(name, _)| name).collect();
        found.retain(|name| name.starts_with("limit_"));
        found.sort();
        assert_eq!(found, limits, "{name}");
        assert!(report["summary"]["occurrences"].as_u64() >= Some(1), "{name}: the other log is analysed");
    }
}

/// A compressed log that is cut, and one that becomes larger than it may: what came before is read, and the end is said.
#[test]
fn a_log_that_cannot_be_read_to_its_end_is_said() {
    let whole = gzip(calls(50).as_bytes());
    let cut = &whole[..whole.len() - 9];
    for (packed, option) in [(cut, &[][..]), (&whole, &["--max-member-bytes", "6000"])] {
        let folder = bundle(&[("b.log.gz", packed), ("a.log", line_with("c").as_bytes())]);
        let (code, report) = analyze(&folder, &[option, &["--year", "2026"]].concat());
        let found = problems(&report);
        let said = found.iter().find(|(name, _)| name == "read_stopped");
        let why = option.first().copied().unwrap_or_default();
        assert!(code == 3 && said.is_some_and(|(_, detail)| detail.contains(why)), "exit {code}, {found:?}");
        assert!(report["summary"]["occurrences"].as_u64() > Some(1), "{}", report["summary"]);
    }
}

/// Rows that a table leaves out, and flows that are not judged one by one, are counted.
#[test]
fn flows_beyond_the_bounds_are_counted_and_said() {
    let packet = |n: u32| {
        let mut packet = syn((n / 256) as u16);
        packet[15] = n as u8;
        (1_700_000_000, packet)
    };
    let folder = bundle(&[("a.pcap", &pcap((0..10_005).map(packet)))]);
    let run = program(&["flows", "--format", "table"], folder.path()).output().expect("a run");
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success() && said.contains(" 5 more flows"), "{said}");
    assert_eq!(String::from_utf8_lossy(&run.stdout).matches("tcp.stream").count(), 10_000);
    let (_, report) = analyze(&folder, &[]);
    let said = limit(&report, "lone_syns");
    assert_eq!(said.map(|a| a["count"].clone()), Some(10_005.into()), "{}", report["anomalies"]);
}

/// What the join leaves out is an anomaly of the report, and what it does not is judged.
#[test]
fn bounds_of_the_join_are_said() {
    let claim = |file: u32| {
        let pod = |n: u32| {
            let ip = format!("10.{}.{}.{}", 8, n / 250, 1 + n % 250);
            serde_json::json!({
                "kind": "Pod", "metadata": { "name": format!("p{file}-{n}"), "namespace": "a" },
                "status": { "phase": "Running", "podIP": ip, "podIPs": [{ "ip": ip }] },
            })
        };
        let items: Vec<Value> = (0..1010).map(pod).collect();
        serde_json::json!({ "apiVersion": "v1", "kind": "List", "items": items }).to_string()
    };
    let (one, other) = (claim(1), claim(2));
    let folder = bundle(&[
        ("1.json", one.as_bytes()),
        ("2.json", other.as_bytes()),
        ("a.log", line_with("").as_bytes()),
    ]);
    let (_, report) = analyze(&folder, &["--year", "2026"]);
    assert!(
        limit(&report, "limit_conflicts").is_some_and(|said| said["count"] == 10),
        "{}",
        report["anomalies"]
    );
    let findings = report["findings"].as_array().expect("findings");
    assert!(findings.iter().any(|f| f["target"]["webhook"] == "ab.example.com"), "the call is judged");
}

/// One SYN under a hundred addresses at once: what is beyond the views of one connection stands for itself.
#[test]
fn views_beyond_the_limit_are_counted_and_said() {
    let from = |n: u8| {
        let mut packet = syn(1);
        packet[15] = n;
        (1_700_000_000, packet)
    };
    let (few, many) = (pcap((1..=64).map(from)), pcap((1..=100).map(from)));
    for (capture, flows, beyond) in [(few, 64, None), (many, 100, Some(36))] {
        let folder = bundle(&[("a.pcap", &capture), ("a.log", line_with("").as_bytes())]);
        let (_, report) = analyze(&folder, &["--year", "2026"]);
        let said = limit(&report, "limit_views").map(|a| a["count"].as_u64());
        assert_eq!(said, beyond.map(Some), "{}", report["anomalies"]);
        assert_eq!(report["captures"][0]["flows"], flows);
        assert_eq!(lines(&report, "a.log"), Some(1));
        assert_eq!(report["summary"]["by_verdict"]["connection_refused"], 1, "the log is judged");
    }
}

/// Expired certificates, each another: the first thousand are findings, and all are listed.
#[test]
fn certificates_beyond_those_that_are_findings_are_counted_and_said() {
    let text =
        |n: usize| (0..n).map(|n| expired_pem(format!("{n}.example.com").as_bytes())).collect::<String>();
    for (count, beyond) in [(1000, None), (1007, Some(7))] {
        let folder = bundle(&[("a.pem", text(count).as_bytes()), ("a.log", line_with("").as_bytes())]);
        let (_, report) = analyze(&folder, &["--year", "2026"]);
        let said = limit(&report, "limit_certificate_cases");
        assert_eq!(said.map(|a| a["count"].as_u64()), beyond.map(Some), "{}", report["anomalies"]);
        assert!(
            said.is_none_or(|a| a["text"].to_string().contains("`wirecause certs` lists all")),
            "{said:?}"
        );
        assert_eq!(report["certificates"].as_array().map(Vec::len), Some(count));
        assert_eq!(report["summary"]["by_verdict"]["connection_refused"], 1, "the call is judged");
    }
}

/// What is lost while inputs are looked for is beside no input: the report says it for all of them.
#[test]
fn limits_on_what_is_found_are_in_the_report() {
    let line = line_with("");
    let packed = gzip(&tar_of(line.as_bytes()));
    let folder = bundle(&[("a.log", line.as_bytes()), ("b.log", line.as_bytes()), ("c.tar.gz", &packed)]);
    for (option, limit_name) in [
        (["--max-members", "2"], "limit_members"),
        (["--max-depth", "0"], "limit_depth"),
        (["--max-total-bytes", "10"], "limit_total_bytes"),
    ] {
        let (code, report) = analyze(&folder, &[&option[..], &["--year", "2026"]].concat());
        let said = limit(&report, limit_name);
        assert!(
            said.is_some_and(|a| a["count"] == 1 && a["text"].to_string().contains(option[0])),
            "{option:?}: {}",
            report["anomalies"]
        );
        assert_eq!(code, 3);
        assert!(report["summary"]["occurrences"].as_u64() >= Some(1), "{option:?}: the rest is analysed");
        let input = [folder.path().to_owned()];
        for format in ["html", "markdown", "table"] {
            let arguments = [&["analyze", "--format", format, "--year", "2026"][..], &option].concat();
            let (_, out) = sample::run(&arguments, &input);
            assert!(String::from_utf8_lossy(&out).contains(option[0]), "{format}: {option:?} is not said");
        }
    }
}

fn tar_of(bytes: &[u8]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    archive.append_data(&mut header, "c.log", bytes).expect("a Vec takes all");
    archive.into_inner().expect("a Vec takes all")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(bytes).expect("a Vec takes all");
    packed.finish().expect("a Vec takes all")
}

/// A pcapng file with so many blocks of one type.
fn blocks(kind: u32, count: usize, body: &[u8]) -> Vec<u8> {
    let block = |kind: u32, body: &[u8]| {
        let length = (body.len() as u32 + 12).to_le_bytes();
        [&kind.to_le_bytes(), &length, body, &length].concat()
    };
    let header = [&0x1a2b_3c4d_u32.to_le_bytes()[..], &[1, 0, 0, 0], &[0xff; 8]].concat();
    let interface = block(1, &[101, 0, 0, 0, 0, 0, 4, 0]);
    [block(0x0a0d_0d0a, &header), interface, block(kind, body).repeat(count)].concat()
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

/// A text with more certificates than one would look through lists them all, the last one too.
#[test]
fn every_certificate_of_one_file_is_listed() {
    let all: String = (0..1500).map(|n| pem_named(format!("n{n}").as_bytes())).collect();
    assert!(all.len() < 1 << 20, "{}", all.len());
    let folder = bundle(&[("ca.pem", all.as_bytes())]);
    let run = program(&["certs", "--format", "ndjson"], folder.path()).output().expect("a run");
    let listed = String::from_utf8_lossy(&run.stdout);
    assert_eq!(listed.lines().count(), 1500);
    assert!(listed.contains("CN=n1499"), "the last one");
}
