//! Small inputs made by hand, and runs on them: what tests of hostile bundles share.
#![allow(dead_code, reason = "not every test file makes everything")]

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::sample;

/// A folder with these files.
pub(crate) fn bundle(files: &[(&str, &[u8])]) -> TempDir {
    let folder = TempDir::new().expect("a temporary folder");
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes).expect("a file");
    }
    folder
}

/// Exit code and report of `analyze`.
pub(crate) fn analyze(folder: &TempDir, arguments: &[&str]) -> (u8, Value) {
    let arguments = [&["analyze", "--format", "json"], arguments].concat();
    let (code, out) = sample::run(&arguments, &[folder.path().to_owned()]);
    (code, serde_json::from_slice(&out).expect("a report"))
}

/// Names and details of what was lost or odd in any input.
pub(crate) fn problems(report: &Value) -> Vec<(String, String)> {
    let inputs = report["inputs"].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    inputs
        .flat_map(|input| input["problems"].as_array().cloned().unwrap_or_default())
        .map(|p| (text(&p["name"]), text(&p["detail"])))
        .collect()
}

/// One failed call whose webhook has this in its name.
pub(crate) fn line_with(trick: &str) -> String {
    format!(
        "W1121 02:00:05.000001       7 dispatcher.go:225] Failed calling webhook, failing closed a{trick}b.example.com: failed calling webhook \"a{trick}b.example.com\": failed to call webhook: Post \"https://a{trick}b.ns.svc:443/v?timeout=10s\": dial tcp 10.96.0.7:443: connect: connection refused\n"
    )
}

/// The program itself, for what a run within the test cannot show.
pub(crate) fn program(arguments: &[&str], input: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wirecause"));
    command.args(arguments).arg(input).env_remove("RUST_BACKTRACE");
    command
}

/// A capture of raw IP packets, each with its second.
pub(crate) fn pcap(packets: impl Iterator<Item = (u32, Vec<u8>)>) -> Vec<u8> {
    let mut file = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 101, 0, 0, 0];
    for (second, packet) in packets {
        let length = packet.len() as u32;
        file.extend([second, 7, length, length].iter().flat_map(|w| w.to_le_bytes()));
        file.extend(packet);
    }
    file
}

/// An IPv4 packet from 10.0.0.1 to 10.0.0.2.
pub(crate) fn ipv4(identification: u16, flags: u8, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let length = (20 + payload.len()) as u16;
    let mut packet = vec![0x45, 0];
    packet.extend(length.to_be_bytes());
    packet.extend(identification.to_be_bytes());
    packet.extend([flags, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    packet.extend(payload);
    packet
}

/// The first fragment of a packet whose rest never comes.
pub(crate) fn fragment(identification: u16) -> Vec<u8> {
    ipv4(identification, 0x20, 17, &[0; 64])
}

/// Payload from the port of [`syn`].
pub(crate) fn segment(port: u16, payload: &[u8]) -> Vec<u8> {
    tcp(port, false, 24, payload)
}

/// A SYN from a port of its own.
pub(crate) fn syn(port: u16) -> Vec<u8> {
    tcp(port, false, 2, b"")
}

/// A segment between that port and 443, from the server or to it.
pub(crate) fn tcp(port: u16, from_server: bool, flags: u8, payload: &[u8]) -> Vec<u8> {
    let [high, low] = (40_000 + port).to_be_bytes();
    let seq = if flags & 2 == 0 { 2 } else { 1 };
    let ends = if from_server { [1, 0xbb, high, low] } else { [high, low, 1, 0xbb] };
    let header = [&ends[..], &[0, 0, 0, seq, 0, 0, 0, 1, 0x50, flags, 255, 255, 0, 0, 0, 0]].concat();
    let mut packet = ipv4(1, 0, 6, &[&header, payload].concat());
    if from_server {
        (packet[15], packet[19]) = (2, 1);
    }
    packet
}

/// A ClientHello of TLS 1.2 for this server name.
pub(crate) fn client_hello(name: &[u8]) -> Vec<u8> {
    let with_length = |bytes: &[u8]| [&(bytes.len() as u16).to_be_bytes(), bytes].concat();
    let server_name =
        [&[0, 0][..], &with_length(&with_length(&[&[0][..], &with_length(name)].concat()))].concat();
    let body = [&[3, 3][..], &[7; 32], &[0, 0, 2, 0xc0, 0x2f, 1, 0], &with_length(&server_name)].concat();
    let message = [&[1, 0][..], &with_length(&body)].concat();
    [&[22, 3, 1][..], &with_length(&message)].concat()
}

/// A certificate that is cut after its names, whose common names are this.
pub(crate) fn pem_named(name: &[u8]) -> String {
    pem(&der(0x30, &[&der(0x30, &[&to_names(name)])]))
}

/// A whole certificate of that name, which was valid until 2026-01-01; neither its key nor its signature is one.
pub(crate) fn expired_pem(name: &[u8]) -> String {
    let algorithm = der(0x30, &[&[6, 3, 42, 3, 4]]);
    let bits = der(3, &[&[0, 1, 2, 3]]);
    let key = der(0x30, &[&algorithm, &bits]);
    pem(&der(0x30, &[&der(0x30, &[&to_names(name), &key]), &algorithm, &bits]))
}

/// A certificate's fields as far as its names.
fn to_names(name: &[u8]) -> Vec<u8> {
    let common_name = der(0x30, &[&der(0x31, &[&der(0x30, &[&[6, 3, 85, 4, 3], &der(12, &[name])])])]);
    let algorithm = der(0x30, &[&[6, 3, 42, 3, 4]]);
    let time = b"\x17\x0d260101000000Z";
    let validity = der(0x30, &[time, time]);
    [&[2, 1, 1][..], &algorithm, &common_name, &validity, &common_name].concat()
}

fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    [&[tag, 0x82][..], &(body.len() as u16).to_be_bytes()[..], &body].concat()
}

fn pem(der: &[u8]) -> String {
    use base64::Engine as _;
    let body = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
}

/// A whole certificate by this issuer, of this subject, for this alternative name.
pub(crate) fn pem_naming(issuer: &[u8], subject: &[u8], alternative: &[u8]) -> String {
    use base64::Engine as _;
    let der = |tag: u8, parts: &[&[u8]]| {
        let body = parts.concat();
        [&[tag, 0x82][..], &(body.len() as u16).to_be_bytes()[..], &body].concat()
    };
    let name = |text: &[u8]| der(0x30, &[&der(0x31, &[&der(0x30, &[&[6, 3, 85, 4, 3], &der(12, &[text])])])]);
    let algorithm = der(0x30, &[&[6, 3, 42, 3, 4]]);
    let time = b"\x17\x0d260101000000Z";
    let validity = der(0x30, &[time, time]);
    let key = der(0x30, &[&algorithm, &[3, 2, 0, 1]]);
    let names = der(4, &[&der(0x30, &[&der(0x82, &[alternative])])]);
    let extensions = der(0xa3, &[&der(0x30, &[&der(0x30, &[&[6, 3, 85, 29, 17], &names])])]);
    let (issuer, subject) = (name(issuer), name(subject));
    let version: &[u8] = &[0xa0, 3, 2, 1, 2, 2, 1, 1];
    let tbs = der(0x30, &[version, &algorithm, &issuer, &validity, &subject, &key, &extensions]);
    let body =
        base64::engine::general_purpose::STANDARD.encode(der(0x30, &[&tbs, &algorithm, &[3, 2, 0, 1]]));
    format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
}

/// So many pods as a list of objects.
pub(crate) fn pods(count: usize) -> String {
    let pod = |n| {
        format!(
            "- apiVersion: v1\n  kind: Pod\n  metadata: {{name: p{n}, namespace: a}}\n  status: {{podIP: 10.1.0.{n}, podIPs: [{{ip: 10.1.0.{n}}}]}}\n"
        )
    };
    "apiVersion: v1\nkind: List\nitems:\n".to_owned() + &(1..=count).map(pod).collect::<String>()
}
