//! Records and handshake messages of both sides in, the facts of the session out as they come (RFC 8446, RFC 5246).
//!
//! An observer: nothing is refused, a message out of place is a fact like any other. What needs the end of the flow
//! (phase, inference from lengths, what is waited for) is left to [`super::conclude`].

use super::bursts::Bursts;
use super::cursor::Cursor;
use super::hello::{self, RawClientHello};
use super::infer::Sealed;
use super::intern::Interner;
use super::records::{Ending, Message, Record, Sink, Span, content};
use super::{
    Alert, AlertDescription, Certificate, CipherSuite, ClientCertificate, ClientHello, Confidence,
    NamedGroup, ProtocolVersion, ServerHello, TlsFacts,
};
use crate::flow::{Dir, Moment, PerDir};
use std::sync::Arc;

/// What is known of a session so far.
#[derive(Debug, Default)]
pub(super) struct Tracker {
    pub(super) facts: TlsFacts,
    pub(super) bursts: Bursts,
    /// Records after a TLS 1.3 ServerHello, the first [`MAX_TIMELINE`].
    pub(super) timeline: Vec<Sealed>,
    /// Last record of each side.
    pub(super) last: PerDir<Option<Sealed>>,
    /// The version chosen is TLS 1.3: handshake messages look like application data.
    pub(super) thirteen: bool,
    /// The server took a pre-shared key.
    pub(super) resumed: bool,
    /// Place after the ClientHello in the client's stream.
    hello_end: Option<i64>,
    /// How far the other side acknowledged what a side sent, and when it got there.
    acked: PerDir<(i64, Moment)>,
    ccs: PerDir<bool>,
    finished: PerDir<bool>,
    /// TLS 1.3: the client's Finished has passed, so that what follows is application data.
    client_done: bool,
    /// The record that is passing is application data.
    counts: PerDir<bool>,
    /// A record as short as an alert: application data only if another record of its side follows.
    short: PerDir<Option<(u32, i64, Moment)>>,
    spoke: PerDir<bool>,
}

/// Writes one side's records into the tracker.
pub(super) struct Scribe<'a> {
    pub(super) tracker: &'a mut Tracker,
    pub(super) interner: &'a mut Interner,
    pub(super) dir: Dir,
}

impl Sink for Scribe<'_> {
    fn record(&mut self, record: &Record) {
        self.tracker.record(self.dir, record);
    }

    fn application(&mut self, bytes: u32, end: i64, at: Moment) {
        self.tracker.application(self.dir, bytes, end, at);
    }

    fn handshake(&mut self, message: &Message<'_>) {
        self.tracker.handshake(self.dir, message, self.interner);
    }

    fn passed(&mut self, kind: u8, span: Span, end: i64) {
        if kind == handshake::CLIENT_HELLO {
            self.tracker.hello_passed(span, end);
        }
    }

    fn alert(&mut self, level: u8, description: u8, at: Moment) {
        self.tracker.plain_alert(self.dir, level, description, at);
    }
}

impl Tracker {
    /// The client, as far as it is known; Assume the originator until a hello tells otherwise.
    pub(super) fn client(&self) -> Dir {
        self.facts.client.unwrap_or(Dir::Orig)
    }

    /// `by` acknowledged the other side's stream up to `offset`.
    pub(super) fn acknowledged(&mut self, by: Dir, offset: i64, at: Moment) {
        let sender = by.other();
        if offset > self.acked[sender].0 {
            self.acked[sender] = (offset, at);
        }
        if self.client() == sender {
            self.settle_hello();
        }
        self.bursts.acked(by, offset, at);
    }

    /// The sides are the other way round.
    pub(super) fn swap(&mut self) {
        fn turn<T>(pair: &mut PerDir<T>) {
            std::mem::swap(&mut pair.orig, &mut pair.resp);
        }
        let facts = &mut self.facts;
        facts.client = facts.client.map(Dir::other);
        facts.alerts.iter_mut().for_each(|a| a.from = a.from.other());
        turn(&mut facts.bytes);
        self.bursts.swap();
        self.timeline.iter_mut().for_each(|r| r.dir = r.dir.other());
        turn(&mut self.last);
        let last = [&mut self.last.orig, &mut self.last.resp];
        last.into_iter().flatten().for_each(|r| r.dir = r.dir.other());
        turn(&mut self.acked);
        turn(&mut self.ccs);
        turn(&mut self.finished);
        turn(&mut self.counts);
        turn(&mut self.short);
        turn(&mut self.spoke);
    }

    /// A ClientHello of SSLv2 form.
    pub(super) fn sslv2_hello(
        &mut self,
        dir: Dir,
        raw: &RawClientHello<'_>,
        message: &Message<'_>,
        interner: &mut Interner,
    ) {
        self.facts.client.get_or_insert(dir);
        self.note(dir, b'c');
        self.client_hello(raw, message, interner);
    }

    fn record(&mut self, dir: Dir, record: &Record) {
        let server = dir != self.client();
        self.facts.bytes[dir] += u64::from(record.length) + 5;
        if server {
            self.facts.server_first.get_or_insert(record.at);
        }
        let sealed = Sealed { dir, kind: record.kind, length: record.length, at: record.at };
        self.last[dir] = Some(sealed);
        match record.kind {
            content::CHANGE_CIPHER_SPEC => self.change_cipher_spec(dir, record.at),
            content::ALERT if record.length != 2 => self.sealed_alert(dir, record.at),
            content::HANDSHAKE if self.ccs[dir] && !self.thirteen && !self.finished[dir] => {
                self.finished_record(dir, record.at);
            }
            content::HEARTBEAT => self.note(dir, b'b'),
            content::APPLICATION_DATA => self.application_record(sealed),
            _ => {}
        }
    }

    /// RFC 5246 §7.1. In TLS 1.3 it means nothing (RFC 8446 appendix D.4).
    fn change_cipher_spec(&mut self, dir: Dir, at: Moment) {
        self.note(dir, b'i');
        self.ccs[dir] = true;
        let server = dir != self.client();
        let abbreviated = self.facts.certificates.is_empty() && self.facts.server_flight_done.is_none();
        if server && !self.thirteen && abbreviated {
            // RFC 5246 §7.3, figure 2: a resumed session's server goes from ServerHello to ChangeCipherSpec.
            self.facts.server_flight_done = Some(at);
            self.resumed = true;
            if let Some(hello) = &mut self.facts.server_hello {
                hello.resumed = true;
            }
        }
    }

    /// The first handshake record after ChangeCipherSpec, up to TLS 1.2.
    fn finished_record(&mut self, dir: Dir, at: Moment) {
        if self.facts.hello_retry.is_some() {
            return; // a hello after a HelloRetryRequest: TLS 1.3
        }
        self.note(dir, b'f');
        self.finished[dir] = true;
        if dir == self.client() {
            self.facts.client_finished.get_or_insert(at);
        }
    }

    /// Whether the record that begins is application data (RFC 8446 §5.2: in TLS 1.3 handshake messages look the same).
    fn application_record(&mut self, record: Sealed) {
        let dir = record.dir;
        if !self.spoke[dir] {
            self.spoke[dir] = true;
            self.note(dir, b'd');
        }
        if let Some((bytes, end, at)) = self.short[dir].take() {
            self.bursts.data(dir, bytes, end, at);
        }
        if !self.thirteen {
            self.counts[dir] = true;
            return;
        }
        if self.timeline.len() < MAX_TIMELINE {
            self.timeline.push(record);
        }
        self.counts[dir] = self.client_done;
        let from_client = dir == self.client();
        if !self.client_done && from_client {
            self.client_done = record.length == self.finished_length();
        } else if !self.client_done && self.spoke[self.client()] && self.last_of_client_is_no_alert() {
            // The server goes on after the client's flight: that was all of it, in one record.
            self.client_done = true;
            self.counts[dir] = true;
        }
    }

    fn last_of_client_is_no_alert(&self) -> bool {
        let sent = self.timeline.iter().rfind(|r| r.dir == self.client());
        sent.is_some_and(|r| r.length > self.finished_length())
    }

    fn finished_length(&self) -> u16 {
        let sha384 = self.facts.server_hello.as_ref().is_some_and(|h| h.cipher.0 == 0x1302);
        if sha384 { 69 } else { 53 }
    }

    fn application(&mut self, dir: Dir, bytes: u32, end: i64, at: Moment) {
        if !self.counts[dir] {
            return;
        }
        if self.thirteen && self.last[dir].is_some_and(|r| r.length == ALERT_LENGTH) {
            let held = self.short[dir].get_or_insert((0, end, at));
            *held = (held.0.saturating_add(bytes), end, held.2);
            return;
        }
        self.bursts.data(dir, bytes, end, at);
        if dir == self.client() {
            self.facts.request.get_or_insert(at);
        } else if self.facts.request.is_some() || self.facts.client_hello.is_none() {
            self.facts.response.get_or_insert(at);
        }
    }

    /// An alert record of another length than 2 is encrypted (TLS 1.2: 26 bytes with GCM, 18 with ChaCha20-Poly1305).
    fn sealed_alert(&mut self, dir: Dir, at: Moment) {
        self.note(dir, b'l');
        let established = (self.finished.orig && self.finished.resp) || self.facts.client_hello.is_none();
        self.push_alert(Alert {
            from: dir,
            at,
            level: None,
            description: None,
            encrypted: true,
            confidence: Confidence::Exact,
            fatal: !established,
        });
    }

    fn plain_alert(&mut self, dir: Dir, level: u8, description: u8, at: Moment) {
        self.note(dir, b'l');
        // RFC 8446 §6: in TLS 1.3 all but close_notify and user_canceled are fatal, whatever the level says.
        let closes = matches!(description, 0 | 90);
        self.push_alert(Alert {
            from: dir,
            at,
            level: Some(level),
            description: Some(AlertDescription(description)),
            encrypted: false,
            confidence: Confidence::Exact,
            fatal: !closes && (level == 2 || self.thirteen),
        });
    }

    fn push_alert(&mut self, alert: Alert) {
        if self.facts.alerts.len() < MAX_ALERTS {
            self.facts.alerts.push(alert);
        }
    }

    fn handshake(&mut self, dir: Dir, message: &Message<'_>, interner: &mut Interner) {
        match message.kind {
            handshake::CLIENT_HELLO => drop(self.facts.client.get_or_insert(dir)),
            handshake::SERVER_HELLO => drop(self.facts.client.get_or_insert(dir.other())),
            _ => {}
        }
        let from_client = dir == self.client();
        let at = message.span.last;
        if message.kind != handshake::SERVER_HELLO {
            self.note(dir, letter(message.kind));
        }
        match message.kind {
            handshake::CLIENT_HELLO if self.facts.client_hello.is_none() => {
                self.client_hello(&hello::client_hello(message.body), message, interner);
            }
            handshake::SERVER_HELLO => self.server_hello(dir, message),
            handshake::HELLO_RETRY_REQUEST => drop(self.facts.hello_retry.get_or_insert(at)),
            handshake::CERTIFICATE => self.certificate(from_client, message, interner),
            handshake::CERTIFICATE_REQUEST => {
                self.facts.certificate_requested.get_or_insert(at);
                self.facts.certificate_request_confidence = Some(Confidence::Exact);
            }
            handshake::SERVER_HELLO_DONE => drop(self.facts.server_flight_done.get_or_insert(at)),
            _ => {}
        }
    }

    fn client_hello(&mut self, raw: &RawClientHello<'_>, message: &Message<'_>, interner: &mut Interner) {
        let complete = message.ending == Ending::Complete;
        self.hello_end = Some(message.end);
        self.facts.client_hello = Some(Box::new(ClientHello {
            at: message.span.first,
            bytes: message.length,
            segments: message.span.segments,
            complete: complete.then_some(message.span.last),
            acked: None,
            largest_segment: message.span.largest,
            random: raw.random,
            shape: interner.hello(raw),
            cut: message.ending == Ending::Cut || (complete && raw.cut && !raw.sslv2),
        }));
        self.settle_hello();
    }

    /// The part of a ClientHello that the capture cut has passed on the wire.
    fn hello_passed(&mut self, span: Span, end: i64) {
        let Some(hello) = self.facts.client_hello.as_mut().filter(|h| h.complete.is_none()) else { return };
        hello.complete = Some(span.last);
        hello.segments = span.segments;
        hello.largest_segment = span.largest;
        self.hello_end = Some(end);
        self.settle_hello();
    }

    fn settle_hello(&mut self) {
        let (reached, at) = self.acked[self.client()];
        let (Some(end), Some(hello)) = (self.hello_end, &mut self.facts.client_hello) else { return };
        if hello.acked.is_none() && reached >= end {
            hello.acked = Some(at.max(hello.complete.unwrap_or(at)));
        }
    }

    fn server_hello(&mut self, dir: Dir, message: &Message<'_>) {
        let Some(raw) = hello::server_hello(message.body) else {
            self.note(dir, b's');
            return;
        };
        if raw.random == hello::RETRY_RANDOM {
            self.note(dir, b'j');
            self.facts.hello_retry.get_or_insert(message.span.last);
            return;
        }
        self.note(dir, b's');
        if self.facts.server_hello.is_some() {
            return;
        }
        self.thirteen = is_thirteen(raw.version);
        self.resumed = raw.pre_shared_key;
        self.facts.server_hello = Some(Box::new(ServerHello {
            at: message.span.first,
            version: ProtocolVersion(raw.version),
            cipher: CipherSuite(raw.cipher),
            group: raw.group.map(NamedGroup),
            alpn: raw.alpn,
            resumed: raw.pre_shared_key,
            random: raw.random,
        }));
    }

    fn certificate(&mut self, from_client: bool, message: &Message<'_>, interner: &mut Interner) {
        let chain = read_chain(message.body, interner);
        let facts = &mut self.facts;
        if !from_client {
            if facts.certificates.is_empty() {
                facts.certificates = chain;
            }
            return;
        }
        let empty = chain.is_empty() && message.length == 7;
        facts.client_certificate =
            Some(if empty { ClientCertificate::Empty } else { ClientCertificate::Sent });
        facts.client_certificate_confidence = Some(Confidence::Exact);
        facts.client_certificates = chain;
    }

    /// Zeek `ssl_history`: upper case for the client.
    fn note(&mut self, dir: Dir, letter: u8) {
        let letter = if dir == self.client() { letter.to_ascii_uppercase() } else { letter };
        if self.facts.history.len() < MAX_HISTORY {
            self.facts.history.push(char::from(letter));
        }
    }
}

/// The certificates of a Certificate message up to TLS 1.2 (RFC 5246 §7.4.2); a cut one is left out.
fn read_chain(body: &[u8], interner: &mut Interner) -> Vec<Arc<Certificate>> {
    let mut list = Cursor::new(Cursor::new(body).vector24().unwrap_or_default().0);
    let mut chain = Vec::new();
    while let Some((der, false)) = list.vector24() {
        if chain.len() == MAX_CHAIN {
            break;
        }
        chain.push(interner.certificate(der));
    }
    chain
}

/// TLS 1.3, its drafts (0x7f00 + number) and the experiments of browsers (0x7e00 + number).
fn is_thirteen(version: u16) -> bool {
    version == 0x0304 || matches!(version >> 8, 0x7e | 0x7f)
}

/// The letter of Zeek's `ssl_history`, of the server.
fn letter(kind: u8) -> u8 {
    match kind {
        0 => b'h',
        1 => b'c',
        2 => b's',
        3 => b'v',
        4 => b't',
        5 => b'e',
        6 => b'j',
        8 => b'o',
        11 => b'x',
        12 => b'k',
        13 => b'r',
        14 => b'n',
        15 => b'y',
        16 => b'g',
        20 => b'f',
        21 => b'w',
        22 => b'u',
        23 => b'a',
        24 => b'p',
        254 => b'm',
        _ => b'z',
    }
}

/// `HandshakeType` of RFC 8446 §4 and RFC 5246 §7.4.
mod handshake {
    pub(super) const CLIENT_HELLO: u8 = 1;
    pub(super) const SERVER_HELLO: u8 = 2;
    pub(super) const HELLO_RETRY_REQUEST: u8 = 6; // drafts of TLS 1.3 before 22
    pub(super) const CERTIFICATE: u8 = 11;
    pub(super) const CERTIFICATE_REQUEST: u8 = 13;
    pub(super) const SERVER_HELLO_DONE: u8 = 14;
}

/// Records kept for the inference: a handshake has at most about a dozen.
const MAX_TIMELINE: usize = 32;
/// Alerts kept of one session.
const MAX_ALERTS: usize = 16;
/// Certificates kept of one chain.
const MAX_CHAIN: usize = 16;
/// Letters kept of the history.
const MAX_HISTORY: usize = 64;
/// An alert under an AEAD of TLS 1.3: 2 bytes, content type, 16 bytes of tag.
const ALERT_LENGTH: u16 = 19;
