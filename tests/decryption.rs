//! Sessions whose secrets are there: what decryption shows, where it stops, and that no secret is ever shown.
//!
//! The samples `keys-*` and those with a `.keys` file were recorded by `samples/lab/record.sh`; what must come out of
//! them is what `tshark -o tls.keylog_file:…` shows.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use wirecause::bundle::{self, Limits};
use wirecause::flow::Dir::{self, Orig, Resp};
use wirecause::flow::PerDir;
use wirecause::ingest::{self, IngestOptions, Ingested};
use wirecause::tls::{ClientCertificate, Confidence, Decrypted, DecryptionStop, Phase, TlsFacts};

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/tls").join(name)
}

fn read(paths: &[PathBuf]) -> Ingested {
    let bundle = bundle::discover(paths, &Limits::default()).expect("the files are there");
    ingest::run(&bundle.sources, &IngestOptions::default())
}

fn tls_of(wire: &Ingested) -> TlsFacts {
    assert_eq!(wire.flows.len(), 1);
    *wire.flows.iter().next().expect("a flow").app.session.tls.expect("it speaks TLS")
}

fn tls(name: &str) -> TlsFacts {
    tls_of(&read(&[sample(&format!("{name}.pcap")), sample(&format!("{name}.keys"))]))
}

fn inside(facts: &TlsFacts) -> &Decrypted {
    facts.decrypted.as_deref().expect("the secrets are there")
}

#[test]
fn hidden_alerts_are_shown() {
    type Row = (&'static str, &'static [(Dir, u8, u64)]);
    let rows: &[Row] = &[
        // Name, alerts as sender, code and frame.
        ("go-unknown-ca-tls13", &[(Orig, 42, 8)]),
        ("go-no-client-cert-tls13", &[(Resp, 116, 11), (Orig, 0, 13)]),
        ("go-ok-tls12", &[(Orig, 0, 13), (Resp, 0, 14)]),
        ("keys-aes256-tls12", &[(Orig, 0, 13), (Resp, 0, 15)]),
        ("keys-chacha-tls13", &[(Orig, 0, 19)]),
        ("keys-http2", &[(Resp, 0, 18)]),
    ];
    for (name, expected) in rows {
        let facts = tls(name);
        let alerts: Vec<_> = facts
            .alerts
            .iter()
            .map(|a| (a.from, a.description.map_or(255, |d| d.0), a.at.frame.number()))
            .collect();
        assert_eq!(alerts, *expected, "{name}");
        assert!(facts.alerts.iter().all(|a| a.decrypted && a.confidence == Confidence::Exact), "{name}");
        assert!(facts.alerts.iter().all(|a| a.fatal == (a.description.is_some_and(|d| d.0 != 0))), "{name}");
        assert_eq!(inside(&facts).stopped, PerDir::default(), "{name}");
    }
}

#[test]
fn the_handshake_of_tls_13_is_read() {
    let facts = tls("go-no-client-cert-tls13");
    assert_eq!(facts.certificates.first().map(|c| c.subject.as_str()), Some("CN=webhook.shop.svc"));
    assert_eq!(facts.server_hello.as_ref().and_then(|h| h.alpn.as_deref()), Some("http/1.1"));
    assert_eq!(facts.client_certificate, Some(ClientCertificate::Empty));
    assert_eq!(facts.client_certificate_confidence, Some(Confidence::Exact));
    assert_eq!(facts.certificate_request_confidence, Some(Confidence::Exact));
    assert_eq!(facts.client_finished.map(|m| m.frame.number()), Some(8));
    assert_eq!(facts.request.map(|m| m.frame.number()), Some(9));
    assert_eq!(facts.response, None);
    let unasked = tls("keys-aes256-tls13");
    assert_eq!((unasked.certificate_requested, unasked.client_certificate), (None, None));
}

#[test]
fn http_inside_is_read() {
    let plain = tls("go-ok-tls12");
    let http = inside(&plain).http.as_ref().expect("a request");
    assert_eq!((http.method.as_deref(), http.target.as_deref()), (Some("POST"), Some("/validate")));
    assert_eq!((http.status, http.response.map(|m| m.frame.number())), (Some(200), Some(11)));
    let second = tls("keys-http2");
    let second = inside(&second);
    assert_eq!(second.last_status.map(|(code, at)| (code, at.frame.number())), Some((503, 13)));
    let goaway = second.goaway.as_ref().expect("GOAWAY");
    assert_eq!((goaway.from, goaway.last_stream, goaway.error.as_str()), (Resp, 1, "ENHANCE_YOUR_CALM"));
    let resets: Vec<_> = second.resets.iter().map(|r| (r.from, r.stream, r.error.as_str())).collect();
    assert_eq!(resets, [(Resp, 3, "REFUSED_STREAM")]);
}

#[test]
fn updated_keys_are_followed() {
    let facts = tls("keys-chacha-tls13");
    let inside = inside(&facts);
    assert_eq!((inside.key_updates.orig, inside.key_updates.resp), (1, 1));
    assert_eq!((inside.records.orig, inside.records.resp), (5, 8));
}

#[test]
fn a_certificate_that_is_asked_for_after_the_handshake_is_read_through() {
    let facts = tls("keys-late-client-cert-tls13");
    let inside = inside(&facts);
    assert_eq!(inside.stopped, PerDir::default());
    assert_eq!(facts.certificate_requested.map(|m| m.frame.number()), Some(16));
    assert_eq!(facts.client_certificate, Some(ClientCertificate::Sent));
    assert_eq!(facts.client_certificates.first().map(|c| c.subject.as_str()), Some("CN=system:apiserver"));
    assert_eq!(facts.client_finished.map(|m| m.frame.number()), Some(8));
    assert_eq!(inside.responses, 3);
    assert_eq!(inside.last_status.map(|(code, at)| (code, at.frame.number())), Some((204, 22)));
    assert_eq!(facts.phase, Phase::Closed);
    // One ticket comes before the first request, another between it and its answer, of which 60 bytes are left.
    let bursts = facts.bursts.iter().filter(|b| b.dir == Resp);
    let first: Vec<_> =
        bursts.map(|b| (b.first.frame.number(), b.last.frame.number(), b.bytes)).take(1).collect();
    assert_eq!(first, [(11, 13, 60)]);
}

#[test]
fn what_cannot_be_opened_is_said() {
    let cbc = tls("keys-cbc-tls12");
    let stopped = inside(&cbc).stopped;
    assert!([stopped.orig, stopped.resp].iter().all(|s| s.unwrap().why == DecryptionStop::UnknownSuite));
    assert!(cbc.alerts.iter().all(|a| a.encrypted && !a.decrypted));

    let dir = tempfile::tempdir().expect("a directory");
    for (name, why) in
        [("go-unknown-ca-tls13", DecryptionStop::WrongKey), ("go-ok-tls12", DecryptionStop::WrongKey)]
    {
        let keys = dir.path().join("wrong.keys");
        let text = fs::read_to_string(sample(&format!("{name}.keys"))).expect("keys");
        // The last digit of each secret is another one.
        let other = |l: &str| l[..l.len() - 1].to_owned() + if l.ends_with('0') { "1" } else { "0" };
        let wrong: Vec<String> = text.lines().map(other).collect();
        fs::write(&keys, wrong.join("\n")).expect("written");
        let facts = tls_of(&read(&[sample(&format!("{name}.pcap")), keys]));
        let stopped = inside(&facts).stopped;
        assert_eq!(stopped.orig.map(|s| s.why), Some(why), "{name}");
        assert_eq!(inside(&facts).records, PerDir::default(), "{name}");
        assert!(facts.alerts.iter().all(|a| !a.decrypted), "{name}");
        assert_eq!(facts.alerts.len(), tls_of(&read(&[sample(&format!("{name}.pcap"))])).alerts.len());
    }
}

/// The frames of a pcap file (little endian, microseconds): each record with its header.
fn frames(name: &str) -> (Vec<u8>, Vec<Vec<u8>>) {
    let bytes = fs::read(sample(name)).expect("a sample");
    let (head, mut rest) = bytes.split_at(24);
    let mut frames = Vec::new();
    while let Some(length) = rest.get(8..12) {
        let length = u32::from_le_bytes(length.try_into().unwrap()) as usize;
        let (frame, next) = rest.split_at(16 + length);
        frames.push(frame.to_vec());
        rest = next;
    }
    (head.to_vec(), frames)
}

#[test]
fn a_hole_ends_one_side_and_a_cut_packet_one_record() {
    let dir = tempfile::tempdir().expect("a directory");
    let pcap = dir.path().join("a.pcap");
    let keys = sample("keys-chacha-tls13.keys");
    let (head, all) = frames("keys-chacha-tls13.pcap");
    // Frame 13 is the server's answer; its KeyUpdate comes later.
    let without: Vec<u8> =
        all.iter().enumerate().filter(|(n, _)| *n != 12).flat_map(|(_, f)| f.clone()).collect();
    fs::write(&pcap, [head.clone(), without].concat()).expect("written");
    let facts = tls_of(&read(&[pcap.clone(), keys.clone()]));
    let stopped = inside(&facts).stopped;
    assert_eq!((stopped.orig, stopped.resp.map(|s| s.why)), (None, Some(DecryptionStop::BytesMissing)));
    assert_eq!(inside(&facts).records.orig, 5);

    // The same frame cut to its headers and a few bytes of the record: only what it holds is missing.
    let mut cut = all[12].clone();
    cut.truncate(16 + 80);
    cut[8..12].copy_from_slice(&80_u32.to_le_bytes());
    let whole: Vec<u8> =
        all.iter().enumerate().flat_map(|(n, f)| if n == 12 { cut.clone() } else { f.clone() }).collect();
    fs::write(&pcap, [head, whole].concat()).expect("written");
    let facts = tls_of(&read(&[pcap, keys]));
    assert_eq!(inside(&facts).stopped, PerDir::default());
    assert_eq!((inside(&facts).records.resp, inside(&facts).key_updates.resp), (7, 1));
}

#[test]
fn secrets_inside_a_capture_are_used() {
    let block = |kind: u32, body: &[u8]| {
        let padded = body.len().div_ceil(4) * 4;
        let length = (12 + padded as u32).to_le_bytes();
        let mut block = [&kind.to_le_bytes()[..], &length, body].concat();
        block.resize(8 + padded, 0);
        block.extend_from_slice(&length);
        block
    };
    let (_, frames) = frames("go-unknown-ca-tls13.pcap");
    let keys = fs::read(sample("go-unknown-ca-tls13.keys")).expect("keys");
    let mut file =
        block(0x0a0d_0d0a, &[&0x1a2b_3c4d_u32.to_le_bytes()[..], &[1, 0, 0, 0], &[0xff; 8]].concat());
    file.extend(block(1, &[1, 0, 0, 0, 0, 0, 0, 0]));
    file.extend(block(
        10,
        &[&0x544c_534b_u32.to_le_bytes()[..], &(keys.len() as u32).to_le_bytes(), &keys].concat(),
    ));
    for frame in &frames {
        let (header, data) = frame.split_at(16);
        let seconds = u64::from(u32::from_le_bytes(header[..4].try_into().unwrap()));
        let micros = seconds * 1_000_000 + u64::from(u32::from_le_bytes(header[4..8].try_into().unwrap()));
        let (high, low) = ((micros >> 32) as u32, micros as u32);
        let fields = [0, high, low].map(u32::to_le_bytes).concat();
        file.extend(block(6, &[&fields, &header[8..16], data].concat()));
    }
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("a.pcapng");
    fs::write(&path, file).expect("written");
    let facts = tls_of(&read(&[path]));
    assert_eq!(facts.alerts.iter().map(|a| a.description.map(|d| d.0)).collect::<Vec<_>>(), [Some(42)]);
}

#[test]
fn damaged_sessions_are_read_as_far_as_they_go() {
    let dir = tempfile::tempdir().expect("a directory");
    let (pcap, keys) = (dir.path().join("a.pcap"), dir.path().join("a.keys"));
    for name in ["go-no-client-cert-tls13", "go-ok-tls12", "keys-http2"] {
        let bytes = fs::read(sample(&format!("{name}.pcap"))).expect("a sample");
        let text = fs::read(sample(&format!("{name}.keys"))).expect("keys");
        for step in 1..48 {
            let at = 24 + (bytes.len() - 24) * step / 48;
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (step % 8);
            for damaged in [bytes[..at].to_vec(), flipped] {
                fs::write(&pcap, damaged).expect("written");
                fs::write(&keys, &text).expect("written");
                assert!(read(&[pcap.clone(), keys.clone()]).inputs.len() == 2);
            }
            fs::write(&pcap, &bytes).expect("written");
            fs::write(&keys, &text[..text.len() * step / 48]).expect("written");
            read(&[pcap.clone(), keys.clone()]);
        }
    }
}

#[test]
fn no_output_shows_a_secret() {
    let dir = tempfile::tempdir().expect("a directory");
    let name = "go-no-client-cert-tls13";
    let keys = fs::read_to_string(sample(&format!("{name}.keys"))).expect("keys");
    fs::copy(sample(&format!("{name}.pcap")), dir.path().join("a.pcap")).expect("copied");
    fs::copy(sample(&format!("{name}.log")), dir.path().join("a.log")).expect("copied");
    // Damaged lines too, and lines in a log that is no key log.
    let secrets: Vec<&str> = keys.lines().filter_map(|l| l.split(' ').nth(2)).collect();
    let damaged = format!("{keys}CLIENT_RANDOM {}\nBROKEN {} x\n", secrets[0], secrets[1]);
    fs::write(dir.path().join("tls.keys"), damaged).expect("written");
    let mut shown = String::new();
    let runs: [&[&str]; 9] = [
        &["analyze", "-v", "--format", "table"],
        &["analyze", "--format", "json"],
        &["analyze", "--format", "html"],
        &["analyze", "--format", "markdown"],
        &["flows", "-v", "--format", "ndjson"],
        &["logs", "--format", "json"],
        &["certs", "--format", "json"],
        &["timeline", "--flow", "0"],
        &["flows", "--keylog", "tls.keys"],
    ];
    for arguments in runs {
        let out = Command::new(env!("CARGO_BIN_EXE_wirecause"))
            .args(arguments)
            .arg(".")
            .current_dir(dir.path())
            .output()
            .expect("it runs");
        assert!(!out.stdout.is_empty(), "{arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
        shown.push_str(&String::from_utf8_lossy(&out.stdout));
        shown.push_str(&String::from_utf8_lossy(&out.stderr));
    }
    assert!(shown.contains("certificate_required") && shown.contains("keylog"));
    let world = format!("{:?}", read(&[dir.path().to_owned()]));
    for secret in secrets {
        for part in secret.as_bytes().chunks(16).filter(|p| p.len() == 16) {
            let part = std::str::from_utf8(part).expect("hex");
            assert!(!shown.contains(part), "a secret is shown");
            assert!(!world.contains(part), "a secret is in the facts");
        }
    }
}

#[test]
fn the_report_says_what_stayed_sealed() {
    let out = Command::new(env!("CARGO_BIN_EXE_wirecause"))
        .args(["analyze", "--format", "json"])
        .args([sample("keys-cbc-tls12.pcap"), sample("keys-cbc-tls12.keys")])
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(text.contains("\"not_decrypted\"") && text.contains("neither AES-GCM"), "{text}");
    assert!(text.contains("\"kind\": \"keylog\""), "{text}");
}

#[test]
fn a_file_that_is_no_key_log_is_refused() {
    let out = Command::new(env!("CARGO_BIN_EXE_wirecause"))
        .args(["flows", "--keylog"])
        .arg(sample("README.md"))
        .arg(sample("go-ok-tls12.pcap"))
        .output()
        .expect("it runs");
    assert_eq!(out.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&out.stderr).contains("not a TLS key log"));
}
