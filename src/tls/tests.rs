//! Sessions written as text, one word a record, and what must be known of them.
//!
//! `>` is the client, `<` the server. `hello` is a complete hello (`hello12` and `hello13` of a server), `APP19` a record
//! of application data with that length, `CCS`, `ALERT:2:40`, `SEALED26` an encrypted alert of TLS 1.2, `HS14` an empty
//! handshake message, `FINISHED` an encrypted handshake record, `FIN` and `RST` the ends, `ACK` an acknowledgment of all.

use super::*;
use crate::flow::{FlowEnd, FrameRef, Payload, Proto, Reset};

/// One flow being played.
#[derive(Default)]
pub(super) struct Play {
    session: Session,
    interner: Interner,
    sent: PerDir<i64>,
    frame: u64,
    end: Option<FlowEnd>,
}

impl Play {
    pub(super) fn now(&self) -> Moment {
        Moment { frame: FrameRef::new(0, self.frame), time: Timestamp(self.frame as i64 * 10_000_000) }
    }

    /// A segment of `dir` at a place of its stream, of which `captured` bytes were captured.
    pub(super) fn segment(&mut self, dir: Dir, offset: i64, bytes: &[u8], captured: usize) {
        self.frame += 1;
        let payload = Payload {
            proto: Proto::Tcp,
            dir,
            offset,
            length: bytes.len() as u32,
            data: &bytes[..captured.min(bytes.len())],
            at: self.now(),
            ports: PerDir { orig: 40000, resp: 443 },
        };
        self.session.payload(&mut self.interner, &payload);
    }

    pub(super) fn send(&mut self, dir: Dir, bytes: &[u8]) {
        let offset = self.sent[dir];
        self.sent[dir] += bytes.len() as i64;
        self.segment(dir, offset, bytes, bytes.len());
    }

    pub(super) fn ack(&mut self, by: Dir) {
        self.frame += 1;
        let (offset, at) = (self.sent[by.other()], self.now());
        self.session.acked(by, offset, at);
    }

    fn end(&mut self) -> &mut FlowEnd {
        let last = self.now();
        self.end.get_or_insert(FlowEnd { last, fin: PerDir::default(), reset: None, established: None })
    }

    pub(super) fn finish(mut self) -> SessionFacts {
        let end = *self.end();
        let facts = self.session.finish(&mut self.interner, &end);
        assert_eq!(self.interner.held, 0, "everything held back was given up");
        facts
    }

    fn word(&mut self, dir: Dir, word: &str) {
        let at = self.now();
        let (name, number) = word.split_at(word.find(|c: char| c.is_ascii_digit()).unwrap_or(word.len()));
        let length = number.parse::<usize>().unwrap_or(0);
        match name {
            "hello" if dir == Dir::Orig => self.send(dir, &client_hello("svc.ns.svc", &[])),
            "hello" => {
                self.send(dir, &server_hello(if length == 13 { 0x1301 } else { 0xc02f }, length == 13))
            }
            "retry" => self
                .send(dir, &record(22, &handshake(2, &server_hello_body(0x1301, true, hello::RETRY_RANDOM)))),
            "APP" => self.send(dir, &record(23, &vec![0x55; length])),
            "SEALED" => self.send(dir, &record(21, &vec![0x55; length])),
            "FINISHED" => self.send(dir, &record(22, &[0xee; 40])),
            "CCS" => self.send(dir, &record(20, &[1])),
            "HS" => self.send(dir, &record(22, &handshake(length as u8, &[]))),
            "EMPTYCERT" => self.send(dir, &record(22, &handshake(11, &[0, 0, 0]))),
            "CERT" => self.send(dir, &record(22, &handshake(11, &[0, 0, 6, 0, 0, 3, 1, 2, 3]))),
            "ALERT:" => {
                let (level, code) = number.split_once(':').unwrap();
                self.send(dir, &record(21, &[level.parse().unwrap(), code.parse().unwrap()]));
            }
            "ACK" => self.ack(dir),
            "FIN" => self.end().fin[dir] = Some(at),
            "RST" => {
                self.end().reset = Some(Reset {
                    from: dir,
                    at,
                    ttl: 64,
                    to_syn: false,
                    after_close: false,
                    in_sequence: true,
                    payload_bytes: 0,
                })
            }
            _ => panic!("no such word: {word}"),
        }
    }
}

/// Plays a text and gives the facts.
pub(super) fn play(text: &str) -> SessionFacts {
    let mut play = Play::default();
    let mut dir = Dir::Orig;
    for word in text.split_whitespace() {
        match word {
            ">" => dir = Dir::Orig,
            "<" => dir = Dir::Resp,
            _ => play.word(dir, word),
        }
    }
    play.finish()
}

fn tls(text: &str) -> TlsFacts {
    *play(text).tls.unwrap_or_else(|| panic!("no TLS in {text}"))
}

pub(super) fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind, 3, 3];
    bytes.extend_from_slice(&(body.len() as u16).to_be_bytes());
    bytes.extend_from_slice(body);
    bytes
}

pub(super) fn handshake(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u32).to_be_bytes();
    let mut bytes = vec![kind, length[1], length[2], length[3]];
    bytes.extend_from_slice(body);
    bytes
}

fn extension(kind: u16, content: &[u8]) -> Vec<u8> {
    let mut bytes = kind.to_be_bytes().to_vec();
    bytes.extend_from_slice(&vector16(content));
    bytes
}

fn vector16(content: &[u8]) -> Vec<u8> {
    let mut bytes = (content.len() as u16).to_be_bytes().to_vec();
    bytes.extend_from_slice(content);
    bytes
}

/// A ClientHello record for `sni` with two ciphers, TLS 1.2 and 1.3, ALPN http/1.1, x25519, and `more` extensions.
pub(super) fn client_hello(sni: &str, more: &[u8]) -> Vec<u8> {
    record(22, &handshake(1, &client_hello_body(sni, more)))
}

fn client_hello_body(sni: &str, more: &[u8]) -> Vec<u8> {
    let mut name = vec![0];
    name.extend(vector16(sni.as_bytes()));
    let mut extensions = extension(0, &vector16(&name));
    extensions.extend(extension(10, &vector16(&[0x1a, 0x1a, 0, 29, 0x11, 0xec])));
    extensions.extend(extension(11, &[1, 0]));
    extensions.extend(extension(13, &vector16(&[4, 3, 8, 4])));
    extensions.extend(extension(16, &vector16(b"\x08http/1.1")));
    extensions.extend(extension(43, &[6, 0x2a, 0x2a, 3, 4, 3, 3]));
    extensions.extend(extension(51, &vector16(&[0, 29, 0, 4, 9, 9, 9, 9])));
    extensions.extend_from_slice(more);
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.push(0);
    body.extend(vector16(&[0x3a, 0x3a, 0x13, 0x01, 0xc0, 0x2f]));
    body.extend([1, 0]);
    body.extend(vector16(&extensions));
    body
}

fn server_hello_body(cipher: u16, thirteen: bool, random: [u8; 32]) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend(random);
    body.push(0);
    body.extend(cipher.to_be_bytes());
    body.push(0);
    let mut extensions = Vec::new();
    if thirteen {
        extensions.extend(extension(43, &[3, 4]));
        extensions.extend(extension(51, &[0, 29, 0, 2, 8, 8]));
    } else {
        extensions.extend(extension(16, &vector16(b"\x08http/1.1")));
    }
    body.extend(vector16(&extensions));
    body
}

fn server_hello(cipher: u16, thirteen: bool) -> Vec<u8> {
    record(22, &handshake(2, &server_hello_body(cipher, thirteen, [5; 32])))
}

#[test]
fn every_phase_is_told_apart() {
    for (text, phase, waits_for) in [
        ("> hello", Phase::HelloUnacked, Some(Dir::Resp)),
        ("> hello < ACK", Phase::HelloAcked, Some(Dir::Resp)),
        ("> hello < hello12", Phase::ServerFlightPartial, Some(Dir::Resp)),
        ("> hello < retry", Phase::ServerFlightPartial, Some(Dir::Orig)),
        ("> hello < hello12 CERT HS12 HS14", Phase::ServerFlightDone, Some(Dir::Orig)),
        ("> hello < hello12 CERT HS14 > HS16 CCS FINISHED", Phase::ClientFinished, Some(Dir::Orig)),
        ("> hello < hello12 CCS FINISHED > CCS FINISHED", Phase::ClientFinished, Some(Dir::Orig)),
        (
            "> hello < hello12 CERT HS14 > HS16 CCS FINISHED < CCS FINISHED > APP200",
            Phase::RequestSent,
            Some(Dir::Resp),
        ),
        (
            "> hello < hello12 CERT HS14 > HS16 CCS FINISHED < CCS FINISHED > APP200 < APP300",
            Phase::ResponseBegun,
            Some(Dir::Orig),
        ),
        (
            "> hello < hello12 CERT HS14 > HS16 CCS FINISHED < CCS FINISHED > APP200 < APP300 SEALED26 FIN > SEALED26 FIN",
            Phase::Closed,
            None,
        ),
        ("> hello < hello13", Phase::ServerFlightPartial, Some(Dir::Resp)),
        ("> hello < hello13 CCS APP42 APP424 APP95 APP53", Phase::ServerFlightDone, Some(Dir::Orig)),
        (
            "> hello < hello13 CCS APP42 APP424 APP95 APP53 > CCS APP53",
            Phase::ClientFinished,
            Some(Dir::Orig),
        ),
        (
            "> hello < hello13 CCS APP42 APP424 APP95 APP53 > CCS APP53 APP200",
            Phase::RequestSent,
            Some(Dir::Resp),
        ),
        (
            "> hello < hello13 CCS APP42 APP424 APP95 APP53 > CCS APP53 APP200 < APP300",
            Phase::ResponseBegun,
            Some(Dir::Orig),
        ),
        (
            "> hello < hello13 CCS APP42 APP424 APP95 APP53 > CCS APP53 APP200 < APP300 APP19 FIN > APP19 < RST",
            Phase::Closed,
            None,
        ),
    ] {
        let facts = tls(text);
        assert_eq!(facts.phase, phase, "{text}");
        assert_eq!(facts.waits_for, waits_for, "{text}");
    }
}
