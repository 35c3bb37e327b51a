//! What one packet says, in a few words: flags, length, and the TLS records that begin in it.

use crate::capture::Window;
use crate::packet::{Kind, Packet, tcp_flag};
use crate::tls::AlertDescription;

/// `SYN`, `ACK`, `1529 bytes: ClientHello`, `RST, TTL 63`.
pub(super) fn of(packet: &Packet, window: &Window) -> String {
    match packet.kind {
        Kind::Tcp => tcp(packet, window),
        Kind::IcmpError => format!("ICMP error, type {} code {}", packet.window >> 8, packet.window & 0xff),
        _ => format!("{} bytes", packet.payload_length),
    }
}

fn tcp(packet: &Packet, window: &Window) -> String {
    let mut said = Vec::new();
    let flags = [
        (tcp_flag::SYN | tcp_flag::ACK, "SYN-ACK"),
        (tcp_flag::SYN, "SYN"),
        (tcp_flag::RST, "RST"),
        (tcp_flag::FIN, "FIN"),
    ];
    if let Some((_, name)) = flags.into_iter().find(|(bits, _)| packet.flags & bits == *bits) {
        said.push(name.to_owned());
    }
    if packet.has(tcp_flag::RST) {
        said.push(format!("TTL {}", packet.ttl));
    }
    if packet.payload_length > 0 {
        let records = records(packet.payload(window));
        let what = if records.is_empty() { String::new() } else { format!(": {}", records.join(", ")) };
        said.push(format!("{} bytes{what}", packet.payload_length));
    }
    if said.is_empty() {
        said.push("ACK".to_owned());
    }
    said.join(", ")
}

/// Names of the TLS records whose header stands in this payload, if it begins with one; else of plain HTTP.
fn records(payload: &[u8]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut rest = payload;
    while let [kind @ 20..=23, 3, 0..=4, high, low, body @ ..] = rest {
        let length = usize::from(*high) << 8 | usize::from(*low);
        let name = record(*kind, length, body);
        match names.last_mut() {
            Some(last) if *last == name => {}
            _ => names.push(name),
        }
        rest = body.get(length..).unwrap_or_default();
        if names.len() >= NAMES {
            break;
        }
    }
    if names.is_empty() {
        names.extend(http(payload));
    }
    names
}

fn record(kind: u8, length: usize, body: &[u8]) -> String {
    match (kind, body) {
        (20, _) => "ChangeCipherSpec".to_owned(),
        (21, [level @ (1 | 2), code, ..]) if length == 2 => {
            let level = if *level == 2 { "fatal" } else { "warning" };
            format!("alert {level} {}", AlertDescription(*code).name())
        }
        (21, _) => "encrypted alert".to_owned(),
        (22, [message, rest @ ..]) => handshake(*message, length, rest),
        (22, []) => "handshake".to_owned(),
        _ => "application data".to_owned(),
    }
}

/// The first message of a handshake record (RFC 8446 §4); an unlikely type or length says that it is encrypted.
fn handshake(message: u8, length: usize, rest: &[u8]) -> String {
    let claimed = rest
        .first_chunk::<3>()
        .map_or(0, |b| usize::from(b[0]) << 16 | usize::from(b[1]) << 8 | usize::from(b[2]));
    let name = match message {
        0 => "HelloRequest",
        1 => "ClientHello",
        2 => "ServerHello",
        4 => "NewSessionTicket",
        11 => "Certificate",
        12 => "ServerKeyExchange",
        13 => "CertificateRequest",
        14 => "ServerHelloDone",
        15 => "CertificateVerify",
        16 => "ClientKeyExchange",
        20 => "Finished",
        22 => "CertificateStatus",
        _ => return "encrypted handshake message".to_owned(),
    };
    // Only a Certificate is longer than one record in practice.
    let fits = claimed + 4 <= length || matches!(message, 1 | 11);
    if fits && claimed < 1 << 18 { name.to_owned() } else { "encrypted handshake message".to_owned() }
}

fn http(payload: &[u8]) -> Option<String> {
    let line = payload.split(|b| *b == b'\r' || *b == b'\n').next()?;
    let text = std::str::from_utf8(line.get(..line.len().min(HTTP_LINE))?).ok()?;
    let known =
        ["GET ", "POST ", "PUT ", "PATCH ", "DELETE ", "HEAD ", "OPTIONS ", "CONNECT ", "HTTP/", "PRI * "];
    known.iter().any(|k| text.starts_with(k)).then(|| text.to_owned())
}

/// Records named of one packet at most.
const NAMES: usize = 6;

/// Bytes of an HTTP line shown.
const HTTP_LINE: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_named_whatever_the_bytes() {
        let hello = [22, 3, 1, 0, 8, 1, 0, 0, 4, 0, 0, 0, 0];
        let alert = [21, 3, 3, 0, 2, 2, 40];
        let data = [23, 3, 3, 0, 1, 9, 23, 3, 3, 0, 1, 9];
        for (payload, expected) in [
            (&hello[..], vec!["ClientHello"]),
            (&hello[..7], vec!["ClientHello"]),
            (&alert, vec!["alert fatal handshake_failure"]),
            (&data, vec!["application data"]),
            (b"GET / HTTP/1.1\r\nHost: x", vec!["GET / HTTP/1.1"]),
            (&[22, 3, 3, 0, 40, 0xa7, 1, 2, 3], vec!["encrypted handshake message"]),
            (&[22, 3, 3, 0xff, 0xff], vec!["handshake"]),
            (&[0, 1, 2], vec![]),
            (&[], vec![]),
        ] {
            assert_eq!(records(payload), expected, "{payload:?}");
        }
    }
}
