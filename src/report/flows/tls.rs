//! The `tls` object of a flow record.
//!
//! Everything derived from a hello except its random, and every certificate, is the same for thousands of flows:
//! those texts are rendered once and kept by the address of the interned value.

use std::hash::Hash;
use std::sync::Arc;

use foldhash::HashMap;

use super::super::json;
use super::record::field;
use crate::flow::{Dir, PerDir};
use crate::report::words;
use crate::tls::{
    Alert, Certificate, CipherSuite, ClientCertificate, ClientHello, ClientHelloShape, Decrypted,
    ProtocolVersion, TlsFacts,
};

/// Texts by the address of the interned value that they were rendered from. The values outlive the cache.
#[derive(Default)]
pub(super) struct Cache {
    shapes: HashMap<usize, Shape>,
    certificates: HashMap<usize, Vec<u8>>,
    versions: HashMap<ProtocolVersion, Vec<u8>>,
    ciphers: HashMap<CipherSuite, Vec<u8>>,
}

/// The parts of a hello's object that stand before and after what is of one hello alone.
struct Shape {
    /// `"sni":…,"alpn":…,…,"ciphers":N,`
    head: Vec<u8>,
    /// `,"ja3":…,"ja4":…`
    tail: Vec<u8>,
}

/// Appends `,"tls":{…}`.
pub(super) fn write(out: &mut Vec<u8>, facts: &TlsFacts, cache: &mut Cache) {
    json::put(out, b",\"tls\":{");
    let shape = facts.client_hello.as_ref().map(|hello| {
        let address = Arc::as_ptr(&hello.shape).addr();
        let shape = cached(&mut cache.shapes, address, || Shape::of(&hello.shape));
        out.extend_from_slice(&shape.head);
        client_hello(out, hello);
        out.push(b',');
        shape
    });
    if let Some(hello) = &facts.server_hello {
        json::put(out, b"\"version\":");
        out.extend_from_slice(
            cached(&mut cache.versions, hello.version, || quoted(&hello.version.name())).as_slice(),
        );
        json::put(out, b",\"cipher\":");
        out.extend_from_slice(
            cached(&mut cache.ciphers, hello.cipher, || quoted(&hello.cipher.name())).as_slice(),
        );
        if let Some(alpn) = &hello.alpn {
            json::put(out, b",\"alpn_chosen\":");
            json::string(out, alpn);
        }
        out.push(b',');
    }
    if !facts.certificates.is_empty() {
        json::put(out, b"\"certificates\":");
        json::array(out, &facts.certificates, |out, certificate| {
            let address = Arc::as_ptr(certificate).addr();
            out.extend_from_slice(
                cached(&mut cache.certificates, address, || certificate_text(certificate)).as_slice(),
            );
        });
        out.push(b',');
    }
    client_certificate(out, facts);
    if !facts.alerts.is_empty() {
        json::put(out, b"\"alerts\":");
        json::array(out, &facts.alerts, alert);
        out.push(b',');
    }
    if let Some(decrypted) = &facts.decrypted {
        self::decrypted(out, decrypted);
    }
    json::put(out, b"\"phase\":\"");
    out.extend_from_slice(facts.phase.name().as_bytes());
    out.push(b'"');
    if let Some(shape) = shape {
        out.extend_from_slice(&shape.tail);
    }
    if !facts.history.is_empty() {
        json::put(out, b",\"ssl_history\":");
        json::word(out, &facts.history);
    }
    out.push(b'}');
}

impl Shape {
    fn of(shape: &ClientHelloShape) -> Self {
        let mut head = Vec::new();
        if let Some(sni) = &shape.sni {
            head.extend_from_slice(b"\"sni\":");
            json::string(&mut head, sni);
            head.push(b',');
        }
        if !shape.alpn.is_empty() {
            head.extend_from_slice(b"\"alpn\":");
            json::strings(&mut head, &shape.alpn);
            head.push(b',');
        }
        head.extend_from_slice(b"\"client_version\":");
        let newest = shape.versions.iter().copied().max().unwrap_or(shape.legacy_version);
        json::string(&mut head, &newest.name());
        head.extend_from_slice(b",\"client_versions\":");
        json::strings(&mut head, shape.versions.iter().map(|v| v.name()));
        // A hello offers at least one: none was read where the snap length cut it before the list.
        if !shape.ciphers.is_empty() {
            field(&mut head, b",\"ciphers\":", shape.ciphers.len() as u64);
        }
        head.push(b',');
        let mut tail = Vec::new();
        for (key, text) in [(&b",\"ja3\":"[..], &shape.ja3), (b",\"ja4\":", &shape.ja4)] {
            if !text.is_empty() {
                tail.extend_from_slice(key);
                json::string(&mut tail, text);
            }
        }
        Self { head, tail }
    }
}

fn client_hello(out: &mut Vec<u8>, hello: &ClientHello) {
    field(out, b"\"client_hello\":{\"bytes\":", u64::from(hello.bytes));
    field(out, b",\"segments\":", u64::from(hello.segments));
    field(out, b",\"frame\":", hello.at.frame.number());
    json::put(out, b",\"acked\":");
    json::flag(out, hello.acked.is_some());
    if hello.random != [0; 32] {
        json::put(out, b",\"random\":");
        json::hex(out, &hello.random);
    }
    if hello.cut {
        json::put(out, b",\"cut\":true");
    }
    out.push(b'}');
}

fn certificate_text(certificate: &Certificate) -> Vec<u8> {
    let mut out = Vec::new();
    json::put(&mut out, b"{\"subject\":");
    json::string(&mut out, &certificate.subject);
    json::put(&mut out, b",\"issuer\":");
    json::string(&mut out, &certificate.issuer);
    json::put(&mut out, b",\"sans\":");
    json::strings(&mut out, &certificate.sans);
    let times =
        [(&b",\"not_before\":"[..], certificate.not_before), (b",\"not_after\":", certificate.not_after)];
    for (key, time) in times.into_iter().filter_map(|(key, time)| Some((key, time?))) {
        out.extend_from_slice(key);
        json::time(&mut out, time);
    }
    json::put(&mut out, b",\"serial\":");
    json::string(&mut out, &certificate.serial);
    json::put(&mut out, b",\"sha256\":");
    json::string(&mut out, &certificate.sha256);
    if let Some(problem) = &certificate.problem {
        json::put(&mut out, b",\"problem\":");
        json::string(&mut out, problem);
    }
    out.push(b'}');
    out
}

fn client_certificate(out: &mut Vec<u8>, facts: &TlsFacts) {
    if facts.certificate_requested.is_some() {
        json::put(out, b"\"client_certificate_requested\":true,");
    }
    if let Some(answer) = facts.client_certificate {
        json::put(out, b"\"client_certificate\":\"");
        out.extend_from_slice(match answer {
            ClientCertificate::Absent => b"absent",
            ClientCertificate::Empty => b"empty",
            ClientCertificate::Sent => b"sent",
        });
        json::put(out, b"\",");
    }
}

fn alert(out: &mut Vec<u8>, alert: &Alert) {
    out.extend_from_slice(match alert.from {
        Dir::Orig => b"{\"from\":\"orig\"",
        Dir::Resp => b"{\"from\":\"resp\"",
    });
    if let Some(level) = alert.level {
        json::put(out, b",\"level\":");
        json::string(out, &words::alert_level(level));
    }
    if let Some(description) = alert.description {
        json::put(out, b",\"description\":");
        json::string(out, &description.name());
        field(out, b",\"code\":", u64::from(description.0));
    }
    field(out, b",\"frame\":", alert.at.frame.number());
    out.extend_from_slice(if alert.encrypted { b",\"encrypted\":true" } else { b",\"encrypted\":false" });
    if alert.decrypted {
        json::put(out, b",\"decrypted\":true");
    }
    if alert.encrypted {
        json::put(out, b",\"confidence\":");
        json::string(out, alert.confidence.name());
    }
    out.push(b'}');
}

/// Appends `"decrypted":{…},`: what the secrets of a key log showed.
fn decrypted(out: &mut Vec<u8>, facts: &Decrypted) {
    field(out, b"\"decrypted\":{\"records\":{\"orig\":", facts.records.orig.into());
    field(out, b",\"resp\":", facts.records.resp.into());
    out.push(b'}');
    let stops = [(Dir::Orig, facts.stopped.orig), (Dir::Resp, facts.stopped.resp)];
    let stops: Vec<_> = stops.into_iter().filter_map(|(dir, stop)| Some((dir, stop?))).collect();
    if !stops.is_empty() {
        json::put(out, b",\"stopped\":");
        json::array(out, &stops, |out, (dir, stop)| {
            json::put(out, b"{\"from\":");
            json::string(out, dir.name());
            field(out, b",\"frame\":", stop.at.frame.number());
            json::put(out, b",\"why\":");
            json::string(out, stop.why.name());
            out.push(b'}');
        });
    }
    if facts.key_updates != PerDir::default() {
        field(out, b",\"key_updates\":{\"orig\":", facts.key_updates.orig.into());
        field(out, b",\"resp\":", facts.key_updates.resp.into());
        out.push(b'}');
    }
    http(out, facts);
    json::put(out, b"},");
}

/// Appends what of HTTP was inside.
fn http(out: &mut Vec<u8>, facts: &Decrypted) {
    let http = facts.http.as_ref();
    let texts = [
        (&b",\"method\":"[..], http.and_then(|h| h.method.as_ref())),
        (b",\"target\":", http.and_then(|h| h.target.as_ref())),
        (b",\"host\":", http.and_then(|h| h.host.as_ref())),
    ];
    for (key, text) in texts.into_iter().filter_map(|(key, text)| Some((key, text?))) {
        out.extend_from_slice(key);
        json::string(out, text);
    }
    if let Some(status) = http.and_then(|h| h.status) {
        field(out, b",\"status\":", status.into());
    }
    if let Some((status, _)) = facts.last_status.filter(|_| facts.responses > 1) {
        field(out, b",\"responses\":", facts.responses.into());
        field(out, b",\"last_status\":", status.into());
    }
    if let Some(goaway) = &facts.goaway {
        json::put(out, b",\"goaway\":{\"from\":");
        json::string(out, goaway.from.name());
        field(out, b",\"frame\":", goaway.at.frame.number());
        field(out, b",\"last_stream\":", goaway.last_stream.into());
        json::put(out, b",\"error\":");
        json::string(out, &goaway.error);
        out.push(b'}');
    }
    if !facts.resets.is_empty() {
        json::put(out, b",\"resets\":");
        json::array(out, &facts.resets, |out, reset| {
            json::put(out, b"{\"from\":");
            json::string(out, reset.from.name());
            field(out, b",\"frame\":", reset.at.frame.number());
            field(out, b",\"stream\":", reset.stream.into());
            json::put(out, b",\"error\":");
            json::string(out, &reset.error);
            out.push(b'}');
        });
    }
}

/// The text of `key`, rendered at its first use. The cache is emptied when full, so that input cannot make it grow.
fn cached<K: Eq + Hash, V>(cache: &mut HashMap<K, V>, key: K, render: impl FnOnce() -> V) -> &V {
    if cache.len() >= CACHE_ENTRIES && !cache.contains_key(&key) {
        cache.clear();
    }
    cache.entry(key).or_insert_with(render)
}

fn quoted(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 2);
    json::string(&mut out, text);
    out
}

/// Entries of one table of one slot: a few MB at most.
const CACHE_ENTRIES: usize = 2048;
