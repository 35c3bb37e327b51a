//! The handshake messages of both sides, as far as they are in the clear (RFC 8446 §4, RFC 5246 §7.4).

use std::sync::Arc;

use super::super::cursor::Cursor;
use super::super::decrypt::Start;
use super::super::hello::{self, RawClientHello};
use super::super::infer::Lengths;
use super::super::intern::Interner;
use super::super::records::{Ending, Message, Span};
use super::super::reveal::Reveal;
use super::super::{
    Certificate, CipherSuite, ClientCertificate, ClientHello, Confidence, NamedGroup, ProtocolVersion,
    ServerHello,
};
use super::Tracker;
use crate::flow::Dir;

impl Tracker {
    pub(super) fn handshake(&mut self, dir: Dir, message: &Message<'_>, interner: &mut Interner) {
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
            handshake::SERVER_HELLO => self.server_hello(dir, message, interner),
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

    pub(super) fn client_hello(
        &mut self,
        raw: &RawClientHello<'_>,
        message: &Message<'_>,
        interner: &mut Interner,
    ) {
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
    pub(super) fn passed(&mut self, kind: u8, span: Span, end: i64) {
        if kind != handshake::CLIENT_HELLO {
            return;
        }
        let Some(hello) = self.facts.client_hello.as_mut().filter(|h| h.complete.is_none()) else { return };
        hello.complete = Some(span.last);
        hello.segments = span.segments;
        hello.largest_segment = span.largest;
        self.hello_end = Some(end);
        self.settle_hello();
    }

    pub(super) fn settle_hello(&mut self) {
        let (reached, at) = self.acked[self.client()];
        let (Some(end), Some(hello)) = (self.hello_end, &mut self.facts.client_hello) else { return };
        if hello.acked.is_none() && reached >= end {
            hello.acked = Some(at.max(hello.complete.unwrap_or(at)));
        }
    }

    fn server_hello(&mut self, dir: Dir, message: &Message<'_>, interner: &Interner) {
        if hello::is_retry(message.body) {
            self.note(dir, b'j');
            self.facts.hello_retry.get_or_insert(message.span.last);
            return;
        }
        self.note(dir, b's');
        let Some(raw) = hello::server_hello(message.body).filter(|_| self.facts.server_hello.is_none())
        else {
            return;
        };
        self.thirteen = is_thirteen(raw.version);
        self.lengths = Lengths::of(CipherSuite(raw.cipher));
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
        self.reveal = self.revealed_with(interner);
    }

    /// Opens the records that follow, where the interner has the secrets of this session.
    fn revealed_with(&self, interner: &Interner) -> Option<Box<Reveal>> {
        let keys = interner.keys()?;
        let (hello, asked) = (self.facts.server_hello.as_deref()?, self.facts.client_hello.as_deref()?);
        let secrets = keys.of(&asked.random)?;
        let start = Start {
            hello,
            client_random: &asked.random,
            client: self.client(),
            thirteen: self.thirteen,
            early_data: asked.shape.early_data,
            passed: if self.thirteen { self.spoke } else { self.ccs },
        };
        Some(Box::new(Reveal::new(&start, secrets)))
    }

    fn certificate(&mut self, from_client: bool, message: &Message<'_>, interner: &mut Interner) {
        let chain = read_chain(message.body, false, interner);
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
}

/// The certificates of a Certificate message (RFC 5246 §7.4.2; in TLS 1.3 a request context comes first and extensions
/// follow each, RFC 8446 §4.4.2); a cut one is left out.
pub(in crate::tls) fn read_chain(
    body: &[u8],
    thirteen: bool,
    interner: &mut Interner,
) -> Vec<Arc<Certificate>> {
    let mut body = Cursor::new(body);
    if thirteen {
        body.vector8();
    }
    let mut list = Cursor::new(body.vector24().unwrap_or_default().0);
    let mut chain = Vec::new();
    while let Some((der, false)) = list.vector24() {
        if chain.len() == MAX_CHAIN {
            break;
        }
        chain.push(interner.certificate(der));
        if thirteen {
            list.vector16();
        }
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

/// Certificates kept of one chain.
const MAX_CHAIN: usize = 16;
