//! What opened records say: the steps of a TLS 1.3 handshake, alerts, certificates, and the statuses of HTTP.
//!
//! Takes records that [`super::decrypt`] opened; gives what replaces the inference from lengths ([`super::infer`]), as
//! far as decryption got. Keeps no payload: an incomplete handshake message and the head of a request, within bounds.

use std::sync::Arc;

use super::decrypt::{Decryptor, Start};
use super::hello::{extension, extensions, protocols};
use super::http2::{self, Frame, Frames};
use super::infer::Inference;
use super::intern::{Interner, MAX_MESSAGE};
use super::keylog::Secrets;
use super::plain::{self, Head, Plain};
use super::records::{Record, content};
use super::shape::message_header;
use super::tracker::read_chain;
use super::{
    Alert, AlertDescription, Certificate, ClientCertificate, Confidence, Decrypted, GoAway, StreamReset,
    TlsFacts,
};
use crate::flow::order::Chunk;
use crate::flow::{Dir, Moment, PerDir};

/// A session whose records are opened.
#[derive(Debug)]
pub(super) struct Reveal {
    decryptor: Decryptor,
    client: Dir,
    thirteen: bool,
    messages: PerDir<Vec<u8>>,
    /// Bytes of a message that was too long, which are still to pass.
    skip: PerDir<usize>,
    request: Plain,
    frames: Option<Box<PerDir<Frames>>>,
    steps: Steps,
    told: Decrypted,
}

/// What was seen inside.
#[derive(Debug, Default)]
struct Steps {
    alpn: Option<String>,
    chain: Vec<Arc<Certificate>>,
    client_chain: Vec<Arc<Certificate>>,
    found: Inference,
    finished: PerDir<bool>,
}

impl Reveal {
    /// For the session that a ServerHello begins.
    pub(super) fn new(start: &Start<'_>, secrets: &Secrets) -> Self {
        let frames = start.hello.alpn.as_deref().and_then(|alpn| frames(alpn, start.client));
        Self {
            decryptor: Decryptor::new(start, secrets),
            client: start.client,
            thirteen: start.thirteen,
            messages: PerDir::default(),
            skip: PerDir::default(),
            request: Plain::default(),
            frames,
            steps: Steps::default(),
            told: Decrypted::default(),
        }
    }

    /// A record begins.
    pub(super) fn begin(&mut self, dir: Dir, record: &Record) {
        self.decryptor.begin(dir, record);
    }

    /// A piece of its body.
    pub(super) fn body(&mut self, dir: Dir, data: &[u8], interner: &mut Interner) {
        if !self.decryptor.wants(dir) {
            return;
        }
        let Some((record, kind, content)) = self.decryptor.body(dir, data) else { return };
        match kind {
            content::ALERT => self.alert(dir, &content, record.at),
            content::HANDSHAKE if self.thirteen => self.handshake(dir, &content, &record, interner),
            content::APPLICATION_DATA => self.application(dir, &content, record.at),
            _ => {}
        }
    }

    /// Bytes are missing: all inside a record, or not.
    pub(super) fn missing(&mut self, dir: Dir, inside: bool, at: Moment) {
        self.decryptor.missing(dir, inside, at);
        self.messages[dir] = Vec::new();
        self.skip[dir] = 0;
    }

    /// Bytes copied of a side.
    pub(super) fn held_bytes(&self, dir: Dir) -> usize {
        self.decryptor.held_bytes(dir) + self.messages[dir].capacity()
    }

    /// The sides are the other way round.
    pub(super) fn swap(&mut self) {
        self.client = self.client.other();
        self.decryptor.swap();
        std::mem::swap(&mut self.messages.orig, &mut self.messages.resp);
        std::mem::swap(&mut self.skip.orig, &mut self.skip.resp);
        if let Some(frames) = &mut self.frames {
            std::mem::swap(&mut frames.orig, &mut frames.resp);
        }
        let (alerts, resets) = (self.steps.found.alerts.iter_mut(), self.told.resets.iter_mut());
        let from = alerts.map(|a| &mut a.from).chain(resets.map(|r| &mut r.from));
        from.chain(self.told.goaway.as_mut().map(|g| &mut g.from)).for_each(|from| *from = from.other());
    }

    fn alert(&mut self, dir: Dir, content: &[u8], at: Moment) {
        let &[level, description] = content else { return };
        if self.steps.found.alerts.len() >= MAX_ALERTS {
            return;
        }
        self.steps.found.alerts.push(Alert {
            from: dir,
            at,
            level: Some(level),
            description: Some(AlertDescription(description)),
            encrypted: true,
            decrypted: true,
            confidence: Confidence::Exact,
            // RFC 8446 §6: in TLS 1.3 all but close_notify and user_canceled are fatal, whatever the level says.
            fatal: !matches!(description, 0 | 90) && (level == 2 || self.thirteen),
        });
    }

    fn handshake(&mut self, dir: Dir, content: &[u8], record: &Record, interner: &mut Interner) {
        self.looks_like_data(dir, record);
        let pass = self.skip[dir].min(content.len());
        self.skip[dir] -= pass;
        let mut messages = std::mem::take(&mut self.messages[dir]);
        messages.extend_from_slice(content.get(pass..).unwrap_or_default());
        let mut rest = &messages[..];
        while let Some((&[kind, a, b, c], after)) = rest.split_first_chunk()
            && let Some((body, next)) = after.split_at_checked(u32::from_be_bytes([0, a, b, c]) as usize)
        {
            self.message(dir, kind, body, record, interner);
            rest = next;
        }
        let left = rest.len();
        // In place: a message in a thousand records is not copied a thousand times.
        messages.drain(..messages.len() - left);
        let too_long = left > MAX_MESSAGE;
        match message_header(&messages) {
            Some((kind, length)) if too_long || !interner.may_hold() => {
                if too_long {
                    interner.too_long(record.at);
                } else {
                    interner.too_much_held(record.at);
                }
                self.message(dir, kind, messages.get(4..).unwrap_or_default(), record, interner);
                self.skip[dir] = (length as usize).saturating_sub(left);
            }
            Some(_) => self.messages[dir] = messages,
            None => {
                messages.shrink_to_fit();
                self.messages[dir] = messages;
            }
        }
    }

    /// What the server sends after its Finished and before its first answer (RFC 8446 §4.6: tickets above all) is taken
    /// for an answer by those who see records only.
    fn looks_like_data(&mut self, dir: Dir, record: &Record) {
        let found = &mut self.steps.found;
        if dir != self.client && self.steps.finished[dir] && found.response.is_none() {
            let bytes = found.tickets.map_or(0, |(_, bytes)| bytes) + u64::from(record.length) + 5;
            found.tickets = Some((record.at, bytes));
        }
    }

    /// A message of TLS 1.3, or the start of one that is too long (RFC 8446 §4).
    fn message(&mut self, dir: Dir, kind: u8, body: &[u8], record: &Record, interner: &mut Interner) {
        let from_client = dir == self.client;
        let found = &mut self.steps.found;
        match kind {
            ENCRYPTED_EXTENSIONS => self.encrypted_extensions(body),
            CERTIFICATE_REQUEST => {
                found.certificate_requested.get_or_insert((record.at, Confidence::Exact));
            }
            CERTIFICATE => {
                let chain = read_chain(body, true, interner);
                if from_client {
                    let answer =
                        if chain.is_empty() { ClientCertificate::Empty } else { ClientCertificate::Sent };
                    found.client_certificate = Some((answer, Confidence::Exact));
                    self.steps.client_chain = chain;
                } else {
                    self.steps.chain = chain;
                }
            }
            // RFC 8446 §4.6.2: after the handshake a client may prove who it is, with a Finished that changes no key.
            FINISHED if !self.steps.finished[dir] => {
                self.steps.finished[dir] = true;
                let step =
                    if from_client { &mut found.client_finished } else { &mut found.server_flight_done };
                step.get_or_insert(record.at);
                self.decryptor.finished(dir);
            }
            KEY_UPDATE => {
                self.told.key_updates[dir] = self.told.key_updates[dir].saturating_add(1);
                self.decryptor.key_update(dir);
            }
            _ => {}
        }
    }

    fn encrypted_extensions(&mut self, body: &[u8]) {
        let list = body.get(2..).unwrap_or_default();
        let chosen = extensions(list).find(|(kind, _)| *kind == extension::ALPN);
        let alpn = chosen.and_then(|(_, content)| protocols(content).into_iter().next());
        if let Some(alpn) = &alpn {
            self.frames = frames(alpn, self.client);
        }
        self.steps.alpn = alpn;
    }

    fn application(&mut self, dir: Dir, content: &[u8], at: Moment) {
        if content.is_empty() {
            return;
        }
        let found = &mut self.steps.found;
        if dir == self.client {
            found.request.get_or_insert(at);
        } else if found.request.is_some() {
            found.response.get_or_insert(at);
        }
        if self.frames.is_none() && dir == self.client && content.starts_with(b"PRI * HTTP/2") {
            self.frames = frames("h2", self.client);
        }
        let Some(mut all) = self.frames.take() else {
            return self.http1(dir, content, at);
        };
        all[dir].push(content, |frame| self.http2(dir, &frame, at));
        self.frames = Some(all);
    }

    /// The head of the first request, and every record of the server that begins with a status line.
    fn http1(&mut self, dir: Dir, content: &[u8], at: Moment) {
        if dir != self.client {
            return plain::status(content).map_or((), |code| self.status(code, at));
        }
        let chunk = Chunk { offset: 0, data: content, cut: 0, at, segment: content.len() as u32 };
        if let Some((_, Some(Head::Request { method, target, host }))) = self.request.push(&chunk) {
            let http = self.told.http.get_or_insert_default();
            (http.method, http.target, http.host) = (Some(method), Some(target), host);
            http.request = self.request.at();
        }
    }

    fn http2(&mut self, dir: Dir, frame: &Frame, at: Moment) {
        match *frame {
            Frame::Status(code) if dir != self.client => self.status(code, at),
            Frame::Reset { stream, error } if self.told.resets.len() < MAX_RESETS => {
                let error = http2::error_name(error);
                self.told.resets.push(StreamReset { from: dir, at, stream, error });
            }
            Frame::GoAway { last_stream, error } => {
                let error = http2::error_name(error);
                self.told.goaway = Some(GoAway { from: dir, at, last_stream, error });
            }
            Frame::Status(_) | Frame::Reset { .. } => {}
        }
    }

    /// RFC 9110 §15.2: an interim status is no answer.
    fn status(&mut self, code: u16, at: Moment) {
        if code < 200 {
            return;
        }
        let http = self.told.http.get_or_insert_default();
        if http.status.is_none() {
            (http.status, http.response) = (Some(code), Some(at));
        }
        self.told.responses = self.told.responses.saturating_add(1);
        self.told.last_status = Some((code, at));
    }

    /// Puts what was seen in the place of what was inferred from lengths, as far as decryption got.
    pub(super) fn correct(&mut self, inferred: &mut Inference) {
        let seen = &mut self.steps.found;
        let stopped = |dir| self.decryptor.told(dir).1;
        let (client, server) = (self.client, self.client.other());
        if stopped(server).is_none() || seen.server_flight_done.is_some() {
            inferred.server_flight_done = seen.server_flight_done;
            inferred.certificate_requested = seen.certificate_requested;
        }
        if stopped(client).is_none() || seen.client_finished.is_some() {
            inferred.client_finished = seen.client_finished;
            inferred.client_certificate = seen.client_certificate;
        }
        if stopped(client).is_none() {
            inferred.request = seen.request;
        }
        if stopped(client).is_none() && stopped(server).is_none() {
            (inferred.response, inferred.tickets) = (seen.response, seen.tickets);
        }
        let known = |a: &Alert| seen.alerts.iter().any(|s| s.from == a.from && s.at == a.at);
        inferred.alerts.retain(|a| stopped(a.from).is_some_and(|s| s.at <= a.at) && !known(a));
        inferred.alerts.append(&mut seen.alerts);
    }

    /// The rest: into the facts of the session.
    pub(super) fn finish(mut self, facts: &mut TlsFacts) {
        for alert in self.steps.found.alerts {
            // TLS 1.2: the alert was noted when its record began.
            let known =
                |a: &&mut Alert| a.from == alert.from && a.at == alert.at && a.encrypted && !a.decrypted;
            if let Some(known) = facts.alerts.iter_mut().find(known) {
                *known = alert;
            }
        }
        if let Some(hello) = facts.server_hello.as_mut().filter(|_| self.steps.alpn.is_some()) {
            hello.alpn = self.steps.alpn;
        }
        if !self.steps.chain.is_empty() {
            facts.certificates = self.steps.chain;
        }
        if !self.steps.client_chain.is_empty() {
            facts.client_certificates = self.steps.client_chain;
        }
        for dir in [Dir::Orig, Dir::Resp] {
            (self.told.records[dir], self.told.stopped[dir]) = self.decryptor.told(dir);
        }
        facts.decrypted = Some(Box::new(self.told));
    }
}

/// Readers of HTTP/2, where that was agreed on.
fn frames(alpn: &str, client: Dir) -> Option<Box<PerDir<Frames>>> {
    let (of_client, of_server) = (Frames::of_client(), Frames::of_server());
    let frames = match client {
        Dir::Orig => PerDir { orig: of_client, resp: of_server },
        Dir::Resp => PerDir { orig: of_server, resp: of_client },
    };
    (alpn == "h2").then(|| Box::new(frames))
}

/// `HandshakeType` of RFC 8446 §4.
const ENCRYPTED_EXTENSIONS: u8 = 8;
const CERTIFICATE: u8 = 11;
const CERTIFICATE_REQUEST: u8 = 13;
const FINISHED: u8 = 20;
const KEY_UPDATE: u8 = 24;
/// Alerts kept of one session.
const MAX_ALERTS: usize = 16;
/// RST_STREAM frames kept of one session.
const MAX_RESETS: usize = 16;

#[cfg(test)]
mod tests {
    use super::super::ServerHello;
    use super::super::tests::handshake;
    use super::*;

    /// What follows a list of certificates beyond the bound is no part of it, and nothing within it is a message.
    #[test]
    fn a_sealed_message_that_is_too_long_passes_and_is_said() {
        let start = Start {
            hello: &ServerHello::default(),
            client_random: &[0; 32],
            client: Dir::Orig,
            thirteen: true,
            early_data: false,
            passed: PerDir::default(),
        };
        let mut reveal = Reveal::new(&start, &Secrets::default());
        let mut interner = Interner::default();
        let list = [&[0, 1, 0x86, 0xa0][..], &vec![FINISHED; 100_000]].concat();
        let flight = [handshake(CERTIFICATE, &list), handshake(CERTIFICATE_REQUEST, &[])].concat();
        for piece in flight.chunks(16_000) {
            reveal.handshake(Dir::Resp, piece, &Record::default(), &mut interner);
        }
        let said: Vec<_> = interner.problems().iter().map(|w| (w.name, w.count)).collect();
        assert_eq!(said, [("limit_tls_message", 1)]);
        assert!(reveal.steps.found.certificate_requested.is_some() && !reveal.steps.finished.resp);
        assert_eq!(reveal.held_bytes(Dir::Resp), 0);
    }
}
