//! What `--redact` writes names nobody: no address, host, object or user of the input stands in any output of any
//! command; the frames that it extracts are whole for tshark.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

mod made;
mod sample;
use made::{client_hello, ipv4, pcap, pem_named, segment, syn};

/// Samples with several kinds of logs, link types and vantage points.
const SAMPLES: [&str; 5] = [
    "no-route-by-icmp",
    "reset-after-hello-and-after-request",
    "serving-certificate-expired",
    "syn-ack-lost",
    "log-in-new-york-time",
];

/// Every command that prints what was read.
const COMMANDS: [&[&str]; 17] = [
    &["analyze"],
    &["analyze", "-v"],
    &["analyze", "--finding", "F1"],
    &["analyze", "--format", "json"],
    &["analyze", "--format", "ndjson"],
    &["analyze", "--format", "csv"],
    &["analyze", "--format", "html"],
    &["analyze", "--format", "markdown"],
    &["flows"],
    &["flows", "--format", "ndjson"],
    &["flows", "--format", "csv"],
    &["logs"],
    &["logs", "--format", "json"],
    &["certs", "--format", "json"],
    &["timeline", "--finding", "F1"],
    &["timeline", "--finding", "F1", "--format", "json"],
    &["rules", "explain", "io-timeout/syn-dropped"],
];

/// Names and addresses of the objects, the hosts and the people of a bundle.
fn originals(bundle: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::from(["cp-1", "alice@acme.example", "bob", "worker-9"].map(str::to_owned));
    for file in ["services.json", "endpoints.json", "endpointslices.json"] {
        let text = fs::read_to_string(bundle.join("cluster").join(file)).unwrap_or_default();
        collect(&serde_json::from_str(&text).unwrap_or_default(), "", &mut found);
    }
    found.retain(|name| {
        !["kubernetes", "default", "kube-system", "webhook", "https"].contains(&name.as_str())
    });
    let told_once = ["acme-shop", "cart-77", "greeted.acme.example", "asked.acme.example"];
    found.extend(told_once.map(str::to_owned));
    let forms = ["172.31.9", "172-31-9", "9.31.172", "fd00:aa", "fd00%3Aaa", "carol", "s3cr3t-word"];
    found.extend(PLACED.map(str::to_owned));
    found.extend(forms.map(str::to_owned));
    assert!(found.len() > 8, "{found:?}");
    found
}

fn collect(tree: &Value, key: &str, found: &mut BTreeSet<String>) {
    match tree {
        Value::String(text) => {
            let of_port = text.len() < 3;
            if ["name", "namespace", "ip", "clusterIP", "addresses", "nodeName"].contains(&key) && !of_port {
                found.insert(text.clone());
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, key, found)),
        Value::Object(map) => map
            .iter()
            .filter(|(key, _)| !["ports", "managedFields", "labels"].contains(&key.as_str()))
            .for_each(|(key, item)| collect(item, key, found)),
        _ => {}
    }
}

/// Where an original stands in a text; one that is a plain word must stand as a name.
fn stands<'t>(original: &str, text: &'t str) -> Option<&'t str> {
    let plain = original.chars().all(|c| c.is_ascii_alphabetic());
    text.match_indices(original).find_map(|(at, _)| {
        let before = text[..at].chars().next_back().unwrap_or(' ');
        let after = text[at + original.len()..].chars().next().unwrap_or(' ');
        let alone = !before.is_alphanumeric() && !after.is_alphanumeric();
        let named = ['/', '.', '"'].iter().any(|c| [before, after].contains(c));
        let line = || text[..at].rfind('\n').map_or(text, |n| &text[n..]).lines().find(|l| !l.is_empty());
        (alone && (named || !plain)).then(|| line().unwrap_or_default())
    })
}

fn assert_redacted(text: &[u8], originals: &BTreeSet<String>, what: &str) {
    assert!(!text.is_empty(), "{what} wrote nothing");
    let text = String::from_utf8_lossy(text);
    for original in originals {
        if let Some(line) = stands(original, &text) {
            panic!("{what}: {original} stands in: {line}");
        }
    }
}

/// Names that stand in no address and no object: of folders, an archive, a member of etcd, a value of a query, a key of a
/// ConfigMap, a protocol, files, a build.
const PLACED: [&str; 10] = [
    "umbrella-prod",
    "initech-eu",
    "hooli-bundle",
    "hooli-etcd-2",
    "wonka-7",
    "soylent-root",
    "tyrell",
    "stark-west",
    "oscorp",
    "wayne",
];

/// An archive with a log in a folder.
fn archive() -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let log =
        b"E1121 02:26:00.000001       1 x.go:1] dial tcp 203.0.113.7:8443: connect: connection refused\n";
    let mut header = tar::Header::new_gnu();
    header.set_size(log.len() as u64);
    header.set_cksum();
    tar.append_data(&mut header, "umbrella-prod/var/log/pods/y.log", &log[..]).expect("a Vec takes all");
    tar.into_inner().expect("a Vec takes all")
}

/// Files that hold those names.
fn write_placed(to: &Path) {
    let placed = "\
        {\"level\":\"warn\",\"ts\":\"2026-11-21T02:26:01.000001Z\",\"caller\":\"rafthttp/stream.go:1\",\"msg\":\"lost TCP \
        streaming connection with remote peer\",\"remote-peer-name\":\"hooli-etcd-2\",\"error\":\"read tcp \
        203.0.113.8:2380->203.0.113.7:40000: read: connection reset by peer\"}\n\
        E1121 02:26:02.000001       1 x.go:1] Get \"https://203.0.113.9/find?timeout=10s&owner=wonka-7&watch=true\": dial tcp \
        203.0.113.9:443: connect: connection refused\n\
        I1121 02:26:03.000001       1 log.go:1] http: TLS handshake error from 203.0.113.9:41000: tls: client requested \
        unsupported application protocols ([\"tyrell/2\"])\n";
    fs::create_dir_all(to.join("initech-eu/var/log/pods")).expect("writable");
    fs::write(to.join("initech-eu/var/log/pods/x.log"), placed).expect("writable");
    fs::write(to.join("hooli-bundle.tar"), archive()).expect("writable");
    let started = "I1121 02:27:00.000001       1 server.go:188] Version: v1.28.3-wayne.7\n";
    for name in ["logs/kube-apiserver.oscorp.log", "logs/stark-west.log"] {
        fs::write(to.join(name), started).expect("writable");
    }
    let node = serde_json::json!({
        "apiVersion": "v1", "kind": "Node", "metadata": { "name": "cp-1" },
        "status": { "nodeInfo": { "kubeletVersion": "v1.28.3-wayne.7" } },
    });
    fs::write(to.join("cluster/node-of-cp.json"), node.to_string()).expect("writable");
    let map = serde_json::json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "trust", "namespace": "wonderland" },
        "data": { "soylent-root.crt": pem_named(b"x") },
    });
    fs::write(to.join("trust.json"), map.to_string()).expect("writable");
}

/// A copy of a sample whose log also tells of users, and whose archive is called after a customer.
fn bundle(sample: &str, dir: &Path) -> PathBuf {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples").join(sample).join("bundle");
    let to = dir.join(sample);
    copy(&from, &to);
    let people = "\
        E1121 02:26:00.000001       1 dispatcher.go:217] failed calling webhook \"x.acme.example\": failed to call webhook: \
        Post \"https://hook.acme.example:8443/v?timeout=10s\": dial tcp 203.0.113.7:8443: connect: connection refused \
        peer:fd00:aa::77 near ip-172-31-9-41.acme.example IP 172.31.9.41.40000 range fd00:aa::1-fd00:aa::9 \
        next=https%3A%2F%2F%5Bfd00%3Aaa%3A%3A1%5D%3A443 to [::ffff:172.31.9.41]:443 41.9.31.172.in-addr.arpa \
        http://carol:s3cr3t-word@10.0.0.1/ns user=\"alice@acme.example\" by \"system:node:worker-9\" User \\\"bob\\\"\n";
    fs::write(to.join("logs/extra.log"), people).expect("writable");
    // The kubelet's own name for the log of a container, of which nothing else in the bundle tells.
    let of_pod = to.join("logs/pods/acme-shop_cart-77_b8074a66-c90b-5be8-9f73-9b0caf08c1dc/app");
    fs::create_dir_all(&of_pod).expect("writable");
    let line =
        "E1121 02:26:01.000000       1 x.go:1] dial tcp 203.0.113.8:8443: connect: connection refused\n";
    fs::write(of_pod.join("0.log"), line).expect("writable");
    // Names that only packets tell: of a hello, and of a question to a DNS server.
    let question =
        [&[0, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], b"\x05asked\x04acme\x07example\0\0\x01\0\x01"].concat();
    let datagram = [&[0x9c, 0x40, 0, 53, 0, 8 + question.len() as u8, 0, 0][..], &question].concat();
    let hello = segment(1, &client_hello(b"greeted.acme.example"));
    let packets = [syn(1), hello, ipv4(1, 0, 17, &datagram)].map(|packet| (1_795_227_960, packet));
    fs::write(to.join("pcap/extra.pcap"), pcap(packets.into_iter())).expect("writable");
    write_placed(&to);
    to
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("writable");
    for entry in fs::read_dir(from).expect("readable").flatten() {
        let (path, new) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &new);
        } else {
            fs::copy(&path, &new).expect("writable");
        }
    }
}

fn wirecause(arguments: &[&str], input: &Path) -> (Vec<u8>, Vec<u8>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wirecause"));
    let run =
        command.args(arguments).args(["--redact", "-v"]).arg(input).output().expect("the program starts");
    assert!(
        matches!(run.status.code(), Some(0 | 3)),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&run.stderr)
    );
    (run.stdout, run.stderr)
}

#[test]
fn no_output_of_any_command_names_anybody() {
    let folder = TempDir::new().expect("a temporary folder");
    for sample in SAMPLES {
        let bundle = bundle(sample, folder.path());
        let originals = originals(&bundle);
        for command in COMMANDS {
            let (out, err) = wirecause(command, &bundle);
            assert_redacted(&out, &originals, &format!("{sample}: {command:?}"));
            assert_redacted(
                &[&err[..], b"."].concat(),
                &originals,
                &format!("{sample}: stderr of {command:?}"),
            );
            // A digest of the addresses, from which they can be found by trying.
            assert!(!String::from_utf8_lossy(&out).contains("community_id"), "{sample}: {command:?}");
        }
    }
}

/// Folders that every node and collector has keep their names, and so do extensions and words of the API.
#[test]
fn what_tells_nothing_stays_readable() {
    let folder = TempDir::new().expect("a temporary folder");
    let bundle = bundle(SAMPLES[0], folder.path());
    let (out, _) = wirecause(&["analyze", "--format", "json"], &bundle);
    let out = String::from_utf8_lossy(&out);
    let kept =
        ["folder_1/var/log/pods/x.log", "bundle_1.tar!folder_2/var/log/pods/y.log", "\"logs/extra.log\""];
    let of_files = [
        "logs/kube-apiserver.file_1.log",
        "logs/file_2.log",
        "cluster/services.json",
        "\"v1.28.3-build_1.7\"",
    ];
    let of_query = ["find?timeout=10s&owner=value_1&watch=true"];
    for text in kept.into_iter().chain(of_query).chain(of_files) {
        assert!(out.contains(text), "{text}: {out}");
    }
}

#[test]
fn what_could_not_be_read_is_told_without_names() {
    let folder = TempDir::new().expect("a temporary folder");
    let bundle = bundle(SAMPLES[0], folder.path());
    let originals = originals(&bundle);
    let whole = fs::read(bundle.join("pcap/cp-1-eth0.pcap")).expect("a capture");
    fs::write(bundle.join("pcap/cp-1-eth0.pcap"), &whole[..whole.len() - 7]).expect("writable");
    for command in [&["analyze"][..], &["flows"], &["logs"], &["certs"]] {
        let (_, err) = wirecause(command, &bundle);
        assert_redacted(&[&err[..], b"."].concat(), &originals, &format!("stderr of {command:?}"));
    }
}

/// What is wrong with a command line may be told with names of captures.
#[test]
fn mistakes_are_told_without_names() {
    let folder = TempDir::new().expect("a temporary folder");
    let bundle = bundle(SAMPLES[0], folder.path());
    let capture = bundle.join("pcap/cp-1-eth0.pcap");
    for (name, later) in [("worker-9-eth0.pcap", 1), ("worker-9-eth1.pcap", 2)] {
        let mut bytes = fs::read(&capture).expect("a capture");
        bytes[28] ^= later; // microseconds of the first frame, without which it is a copy
        fs::write(bundle.join("pcap").join(name), bytes).expect("writable");
    }
    let run = Command::new(env!("CARGO_BIN_EXE_wirecause"))
        .args(["timeline", "--flow", "0", "--redact"])
        .arg(&bundle)
        .output()
        .expect("the program starts");
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.code() == Some(2) && said.contains("name one of"), "{said}");
    assert_redacted(
        said.split_once("name one of").map_or(&[], |(_, told)| told.as_bytes()),
        &originals(&bundle),
        "a mistake",
    );
}

#[test]
fn every_command_gives_the_same_replacements_and_the_map_leads_back() {
    let folder = TempDir::new().expect("a temporary folder");
    let bundle = bundle(SAMPLES[1], folder.path());
    let map = folder.path().join("map");
    let mut maps = Vec::new();
    for command in [&["analyze"][..], &["flows"], &["logs"], &["timeline", "--flow", "pcap/cp-1-eth0.pcap:0"]]
    {
        let arguments: Vec<_> =
            command.iter().copied().chain(["--redact-map", map.to_str().expect("UTF-8")]).collect();
        wirecause(&arguments, &bundle);
        let text = fs::read_to_string(&map).expect("the map");
        maps.push(text.lines().map(str::to_owned).collect::<BTreeSet<_>>());
    }
    for of_command in &maps[1..] {
        let new: Vec<_> = of_command.symmetric_difference(&maps[0]).collect();
        assert!(new.is_empty(), "{new:?}");
    }
    assert!(maps[0].contains("alice@acme.example\tuser_1"), "{:?}", maps[0]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&map).expect("the map").permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn a_batch_names_neither_bundles_nor_what_is_in_them() {
    let folder = TempDir::new().expect("a temporary folder");
    let bundles = folder.path().join("bundles");
    let mut originals = originals(&bundle(SAMPLES[3], &bundles));
    fs::rename(bundles.join(SAMPLES[3]), bundles.join("acme-emea-42")).expect("renamed");
    fs::create_dir(bundles.join("initech-empty")).expect("writable");
    originals.extend(["acme-emea-42", "initech-empty"].map(str::to_owned));
    let (out, map) = (folder.path().join("out"), folder.path().join("map"));
    let arguments =
        ["batch", "-o", out.to_str().expect("UTF-8"), "--redact-map", map.to_str().expect("UTF-8")];
    let (stdout, stderr) = wirecause(&arguments, &bundles);
    for (what, text) in [("stdout", stdout), ("stderr", stderr)] {
        assert_redacted(&text, &originals, what);
    }
    for entry in fs::read_dir(&out).expect("readable").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        assert_redacted(name.as_bytes(), &originals, "a file name");
        assert_redacted(&fs::read(entry.path()).expect("readable"), &originals, &name);
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&map).expect("the map").permissions().mode() & 0o777, 0o600);
    }
    let map = fs::read_to_string(map).expect("the map");
    assert!(map.contains("bundle_1\tacme-emea-42\tbundle_1\n"), "{map}");
}

#[test]
fn extracted_frames_have_no_names_and_no_complaint_of_tshark() {
    let folder = TempDir::new().expect("a temporary folder");
    for sample in SAMPLES {
        let bundle = bundle(sample, folder.path());
        let out = folder.path().join(format!("{sample}.pcapng"));
        wirecause(&["extract", "--finding", "F1", "-o", out.to_str().expect("UTF-8")], &bundle);
        let bytes = fs::read(&out).expect("an extract");
        assert_redacted(&bytes, &originals(&bundle), sample);
        let mut tshark = Command::new("tshark");
        let fields = [
            "_ws.malformed",
            "_ws.expert.severity",
            "_ws.expert.message",
            "ip.src",
            "tcp.len",
            "frame.comment",
        ];
        tshark.arg("-r").arg(&out).args(["-T", "fields"]).args(fields.iter().flat_map(|f| ["-e", f]));
        let checks =
            ["ip.check_checksum", "tcp.check_checksum", "udp.check_checksum"].map(|c| format!("{c}:TRUE"));
        let Ok(run) = tshark.args(checks.iter().flat_map(|c| ["-o", c])).output() else {
            eprintln!("tshark is not installed: nobody to ask");
            return;
        };
        let told = String::from_utf8_lossy(&run.stdout);
        assert!(told.contains("of the capture: "), "{sample}: {told}");
        for line in told.lines() {
            let cells: Vec<_> = line.split('\t').collect();
            assert!(cells[0].is_empty() && !cells[2].to_lowercase().contains("checksum"), "{sample}: {line}");
            assert!(cells[3].starts_with("240.") || cells[3].is_empty(), "{sample}: {line}");
        }
    }
}
