//! Options of a line in, payload bytes out: TLS messages (RFC 8446, RFC 5246), HTTP heads, DNS messages (RFC 1035).
//!
//! Encrypted records are filler of the right length; nothing is computed that an observer without keys could check.

use super::certificate::{self, Validity};
use super::read::{Options, What};

/// The payload of a line.
pub(super) fn payload(what: &What, options: &Options, random: u8) -> Vec<u8> {
    match what {
        What::ClientHello => record(22, 0x0301, &client_hello(options, random)),
        What::ServerFlight => server_flight(options, random),
        What::ClientFlight => client_flight(options, random),
        What::Alert => {
            let level = options.number("level").unwrap_or(2) as u8;
            let code = options.number("code").unwrap_or(40) as u8;
            record(21, 0x0303, &[level, code])
        }
        What::App => record(23, 0x0303, &filler(options.number("len").unwrap_or(100).min(16_000), random)),
        What::HttpRequest(method) => {
            let path = options.text("path").unwrap_or("/");
            let host = options.text("host").unwrap_or("hook.ns.svc");
            format!(
                "{method} {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: test\r\nContent-Length: 0\r\n\r\n"
            )
            .into_bytes()
        }
        What::HttpResponse(status) => {
            format!("HTTP/1.1 {status} Status\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nno")
                .into_bytes()
        }
        What::Text(text) => format!("{text}\r\n").into_bytes(),
        _ => filler(options.number("len").unwrap_or(100).min(65_000), random),
    }
}

/// ChangeCipherSpec and Finished of a TLS 1.2 server.
pub(super) fn server_finished(random: u8) -> Vec<u8> {
    [record(20, 0x0303, &[1]), record(22, 0x0303, &filler(40, random))].concat()
}

fn record(kind: u8, version: u16, body: &[u8]) -> Vec<u8> {
    let mut out = vec![kind];
    out.extend_from_slice(&version.to_be_bytes());
    out.extend_from_slice(&(body.len() as u16).to_be_bytes());
    out.extend_from_slice(body);
    out
}

fn handshake(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![kind];
    out.extend_from_slice(&(body.len() as u32).to_be_bytes()[1..]);
    out.extend_from_slice(body);
    out
}

fn extension(kind: u16, body: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &sized(body)].concat()
}

/// With a length of two bytes before it.
fn sized(body: &[u8]) -> Vec<u8> {
    [&(body.len() as u16).to_be_bytes()[..], body].concat()
}

fn words(all: &[u16]) -> Vec<u8> {
    all.iter().flat_map(|w| w.to_be_bytes()).collect()
}

/// Bytes that look like ciphertext.
fn filler(length: usize, seed: u8) -> Vec<u8> {
    (0..length).map(|n| (n as u8).wrapping_mul(167).wrapping_add(seed)).collect()
}

fn version_number(text: &str) -> u16 {
    match text {
        "1.0" => 0x0301,
        "1.1" => 0x0302,
        "1.2" => 0x0303,
        _ => 0x0304,
    }
}

/// RFC 8446 §4.1.2, padded to `len` with the padding extension (RFC 7685).
fn client_hello(options: &Options, random: u8) -> Vec<u8> {
    let listed = options.numbers("ciphers", 16);
    let ciphers: Vec<u16> = if listed.is_empty() {
        vec![0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f]
    } else {
        listed.into_iter().map(|c| c as u16).collect()
    };
    let versions: Vec<u16> =
        options.text("versions").unwrap_or("1.3,1.2").split(',').map(version_number).collect();
    let mut extensions = Vec::new();
    if let Some(name) = options.text("sni") {
        let entry = [&[0_u8][..], &sized(name.as_bytes())].concat();
        extensions.extend(extension(0, &sized(&entry)));
    }
    extensions.extend(extension(10, &sized(&words(&[29, 23]))));
    extensions.extend(extension(13, &sized(&words(&[0x0403, 0x0804, 0x0401]))));
    let protocol = options.text("alpn").unwrap_or("http/1.1").as_bytes();
    extensions.extend(extension(16, &sized(&[&[protocol.len() as u8], protocol].concat())));
    extensions.extend(extension(43, &[&[versions.len() as u8 * 2][..], &words(&versions)].concat()));
    extensions.extend(extension(51, &sized(&[&words(&[29, 32])[..], &filler(32, random)].concat())));
    let mut body = words(&[0x0303]);
    body.extend(filler(32, random));
    body.push(0);
    body.extend(sized(&words(&ciphers)));
    body.extend_from_slice(&[1, 0]);
    let length = 4 + body.len() + 2 + extensions.len();
    if let Some(padding) = options.number("len").and_then(|l| l.min(16_000).checked_sub(length + 4)) {
        extensions.extend(extension(21, &vec![0; padding]));
    }
    body.extend(sized(&extensions));
    handshake(1, &body)
}

/// ServerHello … ServerHelloDone, or in TLS 1.3 ServerHello and encrypted records up to Finished.
fn server_flight(options: &Options, random: u8) -> Vec<u8> {
    let old = options.text("version") == Some("1.2");
    let cipher =
        options.numbers("cipher", 16).first().map_or(if old { 0xc02f } else { 0x1301 }, |c| *c as u16);
    let mut hello = words(&[0x0303]);
    hello.extend(filler(32, random.wrapping_add(99)));
    hello.push(0);
    hello.extend(words(&[cipher]));
    hello.push(0);
    if old {
        return server_flight_12(&hello, options, random);
    }
    let share = [&words(&[29, 32])[..], &filler(32, random)].concat();
    hello.extend(sized(&[extension(43, &words(&[0x0304])), extension(51, &share)].concat()));
    let mut out = record(22, 0x0303, &handshake(2, &hello));
    out.extend(record(20, 0x0303, &[1]));
    out.extend(record(23, 0x0303, &filler(32, random)));
    if options.has("certreq") {
        out.extend(record(23, 0x0303, &filler(62, random)));
    }
    out.extend(record(23, 0x0303, &filler(options.number("len").unwrap_or(900).clamp(100, 15_000), random)));
    out.extend(record(23, 0x0303, &filler(281, random)));
    out.extend(record(23, 0x0303, &filler(53, random)));
    out
}

fn server_flight_12(hello: &[u8], options: &Options, random: u8) -> Vec<u8> {
    let day = |key, usual| options.text(key).and_then(certificate::day).unwrap_or(usual);
    let Validity { from, to } = Validity::default();
    let validity = Validity { from: day("not_before", from), to: day("not_after", to) };
    let der = certificate::der("hook.ns.svc", options.has("self_signed"), &validity);
    let three = |n: usize| (n as u32).to_be_bytes()[1..].to_vec();
    let entry = [three(der.len()), der].concat();
    let chain = [three(entry.len()), entry].concat();
    let mut messages = vec![handshake(2, hello), handshake(11, &chain), handshake(12, &filler(300, random))];
    if options.has("certreq") {
        let body = [&[1_u8, 1][..], &sized(&words(&[0x0403, 0x0804])), &[0, 0]].concat();
        messages.push(handshake(13, &body));
    }
    messages.push(handshake(14, &[]));
    messages.iter().flat_map(|m| record(22, 0x0303, m)).collect()
}

/// The client's certificate if asked for, and its Finished.
fn client_flight(options: &Options, random: u8) -> Vec<u8> {
    if options.text("version") == Some("1.2") {
        let mut out = Vec::new();
        if options.has("empty") {
            out.extend(record(22, 0x0303, &handshake(11, &[0, 0, 0])));
        } else if options.has("cert") {
            let der = certificate::der("client", false, &Validity::default());
            let three = |n: usize| (n as u32).to_be_bytes()[1..].to_vec();
            let entry = [three(der.len()), der].concat();
            out.extend(record(22, 0x0303, &handshake(11, &[three(entry.len()), entry].concat())));
        }
        out.extend(record(22, 0x0303, &handshake(16, &filler(33, random))));
        out.extend(record(20, 0x0303, &[1]));
        out.extend(record(22, 0x0303, &filler(40, random)));
        return out;
    }
    let mut out = record(20, 0x0303, &[1]);
    if options.has("empty") {
        out.extend(record(23, 0x0303, &filler(25, random)));
    } else if options.has("cert") {
        out.extend(record(23, 0x0303, &filler(412, random)));
        out.extend(record(23, 0x0303, &filler(97, random)));
    }
    out.extend(record(23, 0x0303, &filler(53, random)));
    out
}

/// A query for an A record, or its answer.
pub(super) fn dns(answer: bool, options: &Options) -> Vec<u8> {
    let rcode = options.number("rcode").unwrap_or(0) as u16 & 15;
    let flags = if answer { 0x8180 | rcode } else { 0x0100 };
    let answers = u16::from(answer && rcode == 0 && !options.has("empty"));
    let mut out = words(&[0x1234, flags, 1, answers, 0, 0]);
    for label in options.text("name").unwrap_or("example.com").split('.') {
        out.push(label.len().min(63) as u8);
        out.extend(label.bytes().take(63));
    }
    out.push(0);
    out.extend(words(&[1, 1]));
    if answers == 1 {
        out.extend(words(&[0xc00c, 1, 1, 0, 60, 4]));
        out.extend([10, 0, 0, 99]);
    }
    out
}
