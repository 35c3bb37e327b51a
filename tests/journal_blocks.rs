//! Journal entries that a pcapng holds (systemd Journal Export blocks) are read as a log.

use std::process::Command;

const ENTRY: &str = "__REALTIME_TIMESTAMP=1795227949766668\n_HOSTNAME=cp-1\nSYSLOG_IDENTIFIER=kube-apiserver\n_PID=1\n\
MESSAGE=W1121 02:25:49.766606       1 dispatcher.go:217] Failed calling webhook, failing closed v.example.com: failed \
calling webhook \"v.example.com\": failed to call webhook: Post \"https://hook.ns.svc:443/validate?timeout=10s\": \
no endpoints available for service \"hook\"\n";

/// draft-ietf-opsawg-pcapng §4.1 and §4.7: a section header and one journal block for each entry.
fn pcapng(entries: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut block = |kind: u32, body: &[u8]| {
        let padded = body.len().next_multiple_of(4);
        let length = (padded + 12) as u32;
        bytes.extend([kind.to_le_bytes(), length.to_le_bytes()].concat());
        bytes.extend(body);
        bytes.extend(vec![0; padded - body.len()]);
        bytes.extend(length.to_le_bytes());
    };
    let header = [&0x1a2b_3c4d_u32.to_le_bytes()[..], &[1, 0, 0, 0], &[0xff; 8]].concat();
    block(0x0a0d_0d0a, &header);
    for entry in entries {
        block(9, entry.as_bytes());
    }
    bytes
}

#[test]
fn a_failure_in_a_journal_block_is_a_finding() {
    let dir = tempfile::tempdir().expect("a directory");
    let later = ENTRY.replace("49766668", "51766668").replace("02:25:49", "02:25:51");
    std::fs::write(dir.path().join("with-journal.pcapng"), pcapng(&[ENTRY, &later])).expect("writable");
    let out = Command::new(env!("CARGO_BIN_EXE_wirecause"))
        .args(["analyze", "--format", "json"])
        .arg(dir.path())
        .output()
        .expect("runs");
    let report: serde_json::Value = serde_json::from_slice(&out.stdout).expect("a report");
    let finding = &report["findings"][0];
    assert_eq!((finding["verdict"].as_str(), finding["count"].as_u64()), (Some("no_endpoints"), Some(2)));
    assert_eq!(finding["occurrences"][0]["logs"][0]["path"], "with-journal.pcapng!journal");
    assert_eq!(finding["occurrences"][0]["time"], "2026-11-21T02:25:49.766668000Z");
}
