//! The `tls` object of a flow record.
//!
//! Everything derived from a hello except its random, and every certificate, is the same for thousands of flows:
//! those texts are rendered once and kept by the address of the interned value.

use std::hash::Hash;
use std::sync::Arc;

use foldhash::HashMap;

use super::super::json::{self, Text};
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
    certificates: HashMap<usize, Box<[u8]>>,
    /// `"version":…,"cipher":…`
    chosen: HashMap<(ProtocolVersion, CipherSuite), Box<[u8]>>,
}

/// The parts of a hello's object that stand before and after what is of one hello alone.
struct Shape {
    /// `"sni":…,"alpn":…,…,"ciphers":N,`
    head: Box<[u8]>,
    /// `,"ja3":…,"ja4":…`
    tail: Box<[u8]>,
}

/// Appends `,"tls":{…}`.
pub(super) fn write(out: &mut Text, facts: &TlsFacts, cache: &mut Cache) {
    out.put(b",\"tls\":{");
    let shape = facts.client_hello.as_ref().map(|hello| {
        let address = Arc::as_ptr(&hello.shape).addr();
        let shape = cached(&mut cache.shapes, address, || Shape::of(&hello.shape));
        out.add(&shape.head);
        client_hello(out, hello);
        out.put(b",");
        shape
    });
    answer(out, facts, &mut cache.chosen, &mut cache.certificates);
    if let Some(decrypted) = &facts.decrypted {
        self::decrypted(out, decrypted);
    }
    out.put(b"\"phase\":");
    out.word(facts.phase.name());
    if let Some(shape) = shape {
        out.add(&shape.tail);
    }
    if !facts.history.is_empty() {
        out.put(b",\"ssl_history\":");
        out.word(&facts.history);
    }
    out.put(b"}");
}

/// Appends what came back to the hello: the server's choice, certificates of both sides, alerts.
fn answer(
    out: &mut Text,
    facts: &TlsFacts,
    choices: &mut HashMap<(ProtocolVersion, CipherSuite), Box<[u8]>>,
    certificates: &mut HashMap<usize, Box<[u8]>>,
) {
    if let Some(hello) = &facts.server_hello {
        let (version, cipher) = (hello.version, hello.cipher);
        out.add(&cached(choices, (version, cipher), || chosen(version, cipher))[..]);
        if let Some(alpn) = &hello.alpn {
            out.put(b",\"alpn_chosen\":");
            out.string(alpn);
        }
        out.put(b",");
    }
    if !facts.certificates.is_empty() {
        out.put(b"\"certificates\":");
        out.array(&facts.certificates, |out, certificate| {
            let address = Arc::as_ptr(certificate).addr();
            out.add(&cached(certificates, address, || certificate_text(certificate))[..]);
        });
        out.put(b",");
    }
    client_certificate(out, facts);
    if !facts.alerts.is_empty() {
        out.put(b"\"alerts\":");
        out.array(&facts.alerts, alert);
        out.put(b",");
    }
}

impl Shape {
    fn of(shape: &ClientHelloShape) -> Self {
        Self { head: json::rendered(|out| head(out, shape)), tail: json::rendered(|out| tail(out, shape)) }
    }
}

fn head(out: &mut Text, shape: &ClientHelloShape) {
    if let Some(sni) = &shape.sni {
        out.put(b"\"sni\":");
        out.string(sni);
        out.put(b",");
    }
    if !shape.alpn.is_empty() {
        out.put(b"\"alpn\":");
        out.strings(&shape.alpn);
        out.put(b",");
    }
    out.put(b"\"client_version\":");
    let newest = shape.versions.iter().copied().max().unwrap_or(shape.legacy_version);
    out.string(&newest.name());
    out.put(b",\"client_versions\":");
    out.strings(shape.versions.iter().map(|v| v.name()));
    // A hello offers at least one: none was read where the snap length cut it before the list.
    if !shape.ciphers.is_empty() {
        out.field(b",\"ciphers\":", shape.ciphers.len() as u64);
    }
    out.put(b",");
}

fn tail(out: &mut Text, shape: &ClientHelloShape) {
    for (key, text) in [(b",\"ja3\":", &shape.ja3), (b",\"ja4\":", &shape.ja4)] {
        if !text.is_empty() {
            out.put(key);
            out.string(text);
        }
    }
}

fn chosen(version: ProtocolVersion, cipher: CipherSuite) -> Box<[u8]> {
    json::rendered(|out| {
        out.put(b"\"version\":");
        out.string(&version.name());
        out.put(b",\"cipher\":");
        out.string(&cipher.name());
    })
}

fn client_hello(out: &mut Text, hello: &ClientHello) {
    out.field(b"\"client_hello\":{\"bytes\":", u64::from(hello.bytes));
    out.field(b",\"segments\":", u64::from(hello.segments));
    out.field(b",\"frame\":", hello.at.frame.number());
    out.put(b",\"acked\":");
    out.flag(hello.acked.is_some());
    if hello.random != [0; 32] {
        out.put(b",\"random\":");
        out.hex(&hello.random);
    }
    if hello.cut {
        out.put(b",\"cut\":true");
    }
    out.put(b"}");
}

fn certificate_text(certificate: &Certificate) -> Box<[u8]> {
    json::rendered(|out| {
        out.put(b"{\"subject\":");
        out.string(&certificate.subject);
        out.put(b",\"issuer\":");
        out.string(&certificate.issuer);
        out.put(b",\"sans\":");
        out.strings(&certificate.sans);
        if certificate.sans_beyond > 0 {
            out.field(b",\"sans_beyond\":", u64::from(certificate.sans_beyond));
        }
        let times =
            [(&b",\"not_before\":"[..], certificate.not_before), (b",\"not_after\":", certificate.not_after)];
        for (key, time) in times.into_iter().filter_map(|(key, time)| Some((key, time?))) {
            out.add(key);
            out.time(time);
        }
        out.put(b",\"serial\":");
        out.string(&certificate.serial);
        out.put(b",\"sha256\":");
        out.string(&certificate.sha256);
        if let Some(problem) = &certificate.problem {
            out.put(b",\"problem\":");
            out.string(problem);
        }
        out.put(b"}");
    })
}

fn client_certificate(out: &mut Text, facts: &TlsFacts) {
    if facts.certificate_requested.is_some() {
        out.put(b"\"client_certificate_requested\":true,");
    }
    if let Some(answer) = facts.client_certificate {
        out.put(b"\"client_certificate\":\"");
        out.add(match answer {
            ClientCertificate::Absent => b"absent",
            ClientCertificate::Empty => b"empty",
            ClientCertificate::Sent => b"sent",
        });
        out.put(b"\",");
    }
}

fn alert(out: &mut Text, alert: &Alert) {
    out.add(match alert.from {
        Dir::Orig => b"{\"from\":\"orig\"",
        Dir::Resp => b"{\"from\":\"resp\"",
    });
    if let Some(level) = alert.level {
        out.put(b",\"level\":");
        out.string(&words::alert_level(level));
    }
    if let Some(description) = alert.description {
        out.put(b",\"description\":");
        out.string(&description.name());
        out.field(b",\"code\":", u64::from(description.0));
    }
    out.field(b",\"frame\":", alert.at.frame.number());
    out.add(if alert.encrypted { b",\"encrypted\":true" } else { b",\"encrypted\":false" });
    if alert.decrypted {
        out.put(b",\"decrypted\":true");
    }
    if alert.encrypted {
        out.put(b",\"confidence\":");
        out.string(alert.confidence.name());
    }
    out.put(b"}");
}

/// Appends `"decrypted":{…},`: what the secrets of a key log showed.
fn decrypted(out: &mut Text, facts: &Decrypted) {
    out.field(b"\"decrypted\":{\"records\":{\"orig\":", facts.records.orig.into());
    out.field(b",\"resp\":", facts.records.resp.into());
    out.put(b"}");
    let stops = [(Dir::Orig, facts.stopped.orig), (Dir::Resp, facts.stopped.resp)];
    let stops: Vec<_> = stops.into_iter().filter_map(|(dir, stop)| Some((dir, stop?))).collect();
    if !stops.is_empty() {
        out.put(b",\"stopped\":");
        out.array(&stops, |out, (dir, stop)| {
            out.put(b"{\"from\":");
            out.string(dir.name());
            out.field(b",\"frame\":", stop.at.frame.number());
            out.put(b",\"why\":");
            out.string(stop.why.name());
            out.put(b"}");
        });
    }
    if facts.key_updates != PerDir::default() {
        out.field(b",\"key_updates\":{\"orig\":", facts.key_updates.orig.into());
        out.field(b",\"resp\":", facts.key_updates.resp.into());
        out.put(b"}");
    }
    http(out, facts);
    out.put(b"},");
}

/// Appends what of HTTP was inside.
fn http(out: &mut Text, facts: &Decrypted) {
    let http = facts.http.as_ref();
    let texts = [
        (&b",\"method\":"[..], http.and_then(|h| h.method.as_ref())),
        (b",\"target\":", http.and_then(|h| h.target.as_ref())),
        (b",\"host\":", http.and_then(|h| h.host.as_ref())),
    ];
    for (key, text) in texts.into_iter().filter_map(|(key, text)| Some((key, text?))) {
        out.add(key);
        out.string(text);
    }
    if let Some(status) = http.and_then(|h| h.status) {
        out.field(b",\"status\":", status.into());
    }
    if let Some((status, _)) = facts.last_status.filter(|_| facts.responses > 1) {
        out.field(b",\"responses\":", facts.responses.into());
        out.field(b",\"last_status\":", status.into());
    }
    if let Some(goaway) = &facts.goaway {
        out.put(b",\"goaway\":{\"from\":");
        out.string(goaway.from.name());
        out.field(b",\"frame\":", goaway.at.frame.number());
        out.field(b",\"last_stream\":", goaway.last_stream.into());
        out.put(b",\"error\":");
        out.string(&goaway.error);
        out.put(b"}");
    }
    if !facts.resets.is_empty() {
        out.put(b",\"resets\":");
        out.array(&facts.resets, |out, reset| {
            out.put(b"{\"from\":");
            out.string(reset.from.name());
            out.field(b",\"frame\":", reset.at.frame.number());
            out.field(b",\"stream\":", reset.stream.into());
            out.put(b",\"error\":");
            out.string(&reset.error);
            out.put(b"}");
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

/// Entries of one table of one slot: a few MB at most.
const CACHE_ENTRIES: usize = 2048;
