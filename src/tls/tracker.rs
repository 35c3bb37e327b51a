//! Records and handshake messages of both sides in, the facts of the session out as they come (RFC 8446, RFC 5246).
//!
//! An observer: nothing is refused, a message out of place is a fact like any other. What needs the end of the flow
//! (phase, inference from lengths, what is waited for) is left to [`super::conclude`].

use super::bursts::Bursts;
use super::hello::RawClientHello;
use super::infer::{Lengths, Sealed};
use super::intern::Interner;
use super::records::{Message, Record, Sink, Span, content};
use super::reveal::Reveal;
use super::{Alert, AlertDescription, Confidence, TlsFacts};
use crate::flow::{Dir, Moment, PerDir};

mod messages;

pub(super) use messages::read_chain;

/// What is known of a session so far.
#[derive(Debug, Default)]
pub(super) struct Tracker {
    pub(super) facts: TlsFacts,
    pub(super) bursts: Bursts,
    /// Records after a TLS 1.3 ServerHello, the first [`MAX_TIMELINE`].
    pub(super) timeline: Vec<Sealed>,
    /// Records of the client behind its ChangeCipherSpec, before any ServerHello: a capture of two queues or mirror ports may
    /// show that later.
    pub(super) early: Vec<Sealed>,
    /// Last record of each side.
    pub(super) last: PerDir<Option<Sealed>>,
    /// The version chosen is TLS 1.3: handshake messages look like application data.
    pub(super) thirteen: bool,
    /// What lengths of records mean there.
    pub(super) lengths: Lengths,
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
    /// It has passed where the capture shows nothing.
    pub(super) finished_unseen: bool,
    /// The record that is passing is application data.
    counts: PerDir<bool>,
    /// A record as short as an alert: application data only if another record of its side follows.
    short: PerDir<Option<(u32, i64, Moment)>>,
    spoke: PerDir<bool>,
    /// Opens the records, where the secrets of the session are there.
    pub(super) reveal: Option<Box<Reveal>>,
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

    fn too_long(&mut self, at: Moment) {
        self.interner.too_long(at);
    }

    fn passed(&mut self, kind: u8, span: Span, end: i64) {
        self.tracker.passed(kind, span, end);
    }

    fn alert(&mut self, level: u8, description: u8, at: Moment) {
        self.tracker.plain_alert(self.dir, level, description, at);
    }

    fn body(&mut self, data: &[u8]) {
        if let Some(reveal) = &mut self.tracker.reveal {
            reveal.body(self.dir, data, self.interner);
        }
    }

    fn missing(&mut self, inside: bool, at: Moment) {
        if let Some(reveal) = &mut self.tracker.reveal {
            reveal.missing(self.dir, inside, at);
        }
    }

    fn lost(&mut self, bytes: i64) {
        self.tracker.lost(self.dir, bytes);
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
        self.timeline.iter_mut().chain(&mut self.early).for_each(|r| r.dir = r.dir.other());
        turn(&mut self.last);
        let last = [&mut self.last.orig, &mut self.last.resp];
        last.into_iter().flatten().for_each(|r| r.dir = r.dir.other());
        turn(&mut self.acked);
        turn(&mut self.ccs);
        turn(&mut self.finished);
        turn(&mut self.counts);
        turn(&mut self.short);
        turn(&mut self.spoke);
        if let Some(reveal) = &mut self.reveal {
            reveal.swap();
        }
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
        if let Some(reveal) = &mut self.reveal {
            reveal.begin(dir, record);
        }
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
        if server && !self.thirteen && abbreviated && self.facts.hello_retry.is_none() {
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

    /// Bytes of a side are missing between two records. As many as the Finished of TLS 1.3 takes, where it is due, with or
    /// without ChangeCipherSpec before it, are that: no other flight is as short, an empty Certificate makes it longer.
    fn lost(&mut self, dir: Dir, bytes: i64) {
        let finished = i64::from(self.lengths.finished) + RECORD_HEADER;
        let all = bytes == finished || !self.ccs[dir] && bytes == finished + RECORD_HEADER + 1;
        if all && self.thirteen && dir == self.client() && !self.spoke[dir] {
            self.client_done = true;
            self.finished_unseen = true;
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
            if self.awaits_hello() && dir == self.client() && self.early.len() < MAX_TIMELINE {
                self.early.push(record);
                self.client_done = true;
            }
            return;
        }
        if self.timeline.len() < MAX_TIMELINE {
            self.timeline.push(record);
        }
        self.counts[dir] = self.client_done;
        let from_client = dir == self.client();
        if !self.client_done && from_client {
            self.client_done = record.length == self.lengths.finished;
        } else if !self.client_done && self.spoke[self.client()] && self.last_of_client_is_no_alert() {
            // The server goes on after the client's flight: that was all of it, in one record.
            self.client_done = true;
            self.counts[dir] = true;
        }
    }

    /// The ServerHello was not shown yet, and the client has no reason to encrypt anything.
    fn awaits_hello(&self) -> bool {
        let hello = self.facts.client_hello.as_deref();
        self.facts.server_hello.is_none() && hello.is_some_and(|h| !h.shape.early_data)
    }

    fn last_of_client_is_no_alert(&self) -> bool {
        let sent = self.timeline.iter().rfind(|r| r.dir == self.client());
        sent.is_some_and(|r| r.length > self.lengths.finished)
    }

    fn application(&mut self, dir: Dir, bytes: u32, end: i64, at: Moment) {
        if !self.counts[dir] {
            return;
        }
        if self.thirteen && self.last[dir].is_some_and(|r| r.length == self.lengths.alert) {
            let held = self.short[dir].get_or_insert((0, end, at));
            *held = (held.0.saturating_add(bytes), end, held.2);
            return;
        }
        self.bursts.data(dir, bytes, end, at);
        // What lay behind a hole is given on when it has been acknowledged already.
        let (acked, when) = self.acked[dir];
        if acked >= end {
            self.bursts.acked(dir.other(), acked, when);
        }
        if dir == self.client() {
            self.facts.request.get_or_insert(at);
        } else if self.facts.request.is_some() || self.facts.client_hello.is_none() {
            self.facts.response.get_or_insert(at);
        }
    }

    /// An alert record of another length than 2 is encrypted: every protection of TLS 1.2 adds a tag or a MAC, and most
    /// a nonce (26 bytes with GCM and CCM, 18 with CCM_8 and ChaCha20-Poly1305, 48 and more with CBC).
    fn sealed_alert(&mut self, dir: Dir, at: Moment) {
        self.note(dir, b'l');
        let established = (self.finished.orig && self.finished.resp) || self.facts.client_hello.is_none();
        self.push_alert(Alert {
            from: dir,
            at,
            level: None,
            description: None,
            encrypted: true,
            decrypted: false,
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
            decrypted: false,
            confidence: Confidence::Exact,
            fatal: !closes && (level == 2 || self.thirteen),
        });
    }

    fn push_alert(&mut self, alert: Alert) {
        if self.facts.alerts.len() < MAX_ALERTS {
            self.facts.alerts.push(alert);
        }
    }

    /// Zeek `ssl_history`: upper case for the client.
    fn note(&mut self, dir: Dir, letter: u8) {
        let letter = if dir == self.client() { letter.to_ascii_uppercase() } else { letter };
        if self.facts.history.len() < MAX_HISTORY {
            self.facts.history.push(char::from(letter));
        }
    }
}

/// Bytes of a record before its body.
const RECORD_HEADER: i64 = 5;
/// Records kept for the inference: a handshake has at most about a dozen.
const MAX_TIMELINE: usize = 32;
/// Alerts kept of one session.
const MAX_ALERTS: usize = 16;
/// Letters kept of the history.
const MAX_HISTORY: usize = 64;
