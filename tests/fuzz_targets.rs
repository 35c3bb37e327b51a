//! The targets of `fuzz/` as they are: each still builds, exists for its binary, and takes bytes that mean something to
//! some reader, and those bytes cut and changed. What they look for at length, cargo-fuzz finds: fuzz/README.md.

use std::fs;
use std::path::Path;

/// Outside the workspace, so that nothing else would say when the program moves away under it.
#[allow(warnings, clippy::pedantic, reason = "checked where it is built")]
#[path = "../fuzz/src/lib.rs"]
mod targets;

/// A call as it stands in a file of `fuzz/fuzz_targets`, and the same here.
type Target = (&'static str, fn(&[u8]));

const TARGETS: [Target; 21] = [
    ("frames(data, SourceKind::Pcap)", |data| targets::frames(data, wirecause::bundle::SourceKind::Pcap)),
    ("frames(data, SourceKind::Pcapng)", |data| targets::frames(data, wirecause::bundle::SourceKind::Pcapng)),
    ("decode(data)", targets::decode),
    ("segments(data)", targets::segments),
    ("tls(data)", targets::tls),
    ("decrypt(data)", targets::decrypt),
    ("key_log(data)", targets::key_log),
    ("certificates(data)", targets::certificates),
    ("dns(data)", targets::dns),
    ("icmp(data)", targets::icmp),
    ("log(data)", targets::log),
    ("log_of(data, b\"LPKSHHRH\")", |data| targets::log_of(data, b"LPKSHHRH")),
    ("objects(data)", targets::objects),
    ("host_state(data)", targets::host_state),
    ("rule_file(data)", targets::rule_file),
    ("expression(data)", targets::expression),
    ("archive(data)", targets::archive),
    ("anything(data)", targets::anything),
    ("redact_frame(data)", targets::redact_frame),
    ("redact_text(data)", targets::redact_text),
    ("pages(data)", targets::pages),
];

#[test]
fn every_fuzz_target_is_called_here() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/fuzz_targets");
    for entry in fs::read_dir(folder).expect("the targets") {
        let path = entry.expect("a target").path();
        let text = fs::read_to_string(&path).expect("a target");
        let called = TARGETS.iter().any(|(call, _)| text.contains(&format!("{{ {call}; }}")));
        assert!(called || text.contains("{ report(data); }"), "{} calls nothing here", path.display());
    }
}

const INPUTS: [&[u8]; 9] = [
    b"",
    b"\xff\xf0\x01\x00\x00\x01\x00\xd1\x05\xf0\x03\x1e\x00\x1f\x00\xd3\x0d\xf0\x05\x27\x00\x28\x00\x29\x00\xd1\x01",
    b"\x30\x82\x00\x20\x30\x1e\x02\x01\x01\x30\x03\x06\x01\x2a\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x0c\x01a",
    b"\xd4\xc3\xb2\xa1\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\x04\0\x65\0\0\0\x01\0\0\0\x02\0\0\0\x04\0\0\0\x04\0\0\0\x45\0\0\x14",
    b"\0\x65\x04\x45\0\0\x28\0\0\0\0\x40\x06\0\0\x0a\0\0\x01\x0a\0\0\x09\x9c\x40\x01\xbb\0\0\0\x01\0\0\0\0\x50\x02\xff\xff\0\0\0\0",
    b"W1121 02:00:05.000001 7 d.go:225] Failed calling webhook, failing closed \x1b[31m<script>: failed calling webhook \"a.b\": Post \"https://a.ns.svc:443/v?timeout=10s\": dial tcp 10.0.0.9:443: connect: connection refused\n",
    b"kind: Service\nmetadata: {name: a, namespace: b}\nspec: {clusterIP: 10.0.0.1, ports: [{port: 443}]}\n---\nkind: Pod\n",
    b"tcp.flags.syn == 1 && (log.event in {\"a\", \"b\"} || !tls.sni contains \"x\") and log.text matches \"[a-z]+\"",
    b"CLIENT_RANDOM 0707070707070707070707070707070707070707070707070707070707070707 00\n-----BEGIN CERTIFICATE-----\nMAA=\n",
];

#[test]
fn every_fuzz_target_takes_bytes_whole_cut_and_changed() {
    for (_, target) in TARGETS {
        for input in INPUTS {
            target(input);
            for cut in (1..input.len()).step_by(13) {
                target(&input[..cut]);
                let mut changed = input.to_vec();
                changed[cut] ^= 0x55;
                target(&changed);
            }
        }
    }
    for input in INPUTS {
        targets::report(&[input, &[0; 4], INPUTS[3]].concat());
    }
}
