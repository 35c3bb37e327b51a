//! Sessions written as text, one word a record, and what must be known of them.
//!
//! `>` is the client, `<` the server. `hello` is a complete hello (`hello12` and `hello13` of a server, `ccmhello` that of
//! TLS_AES_128_CCM_8_SHA256), `APP19` a record of application data with that length, `CCS`, `ALERT:2:40`, `SEALED26` an encrypted alert of TLS 1.2, `HS14` an empty
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

    fn text(&mut self, text: &str) {
        let mut dir = Dir::Orig;
        for word in text.split_whitespace() {
            match word {
                ">" => dir = Dir::Orig,
                "<" => dir = Dir::Resp,
                _ => self.word(dir, word),
            }
        }
    }

    fn word(&mut self, dir: Dir, word: &str) {
        let at = self.now();
        let (name, number) = word.split_at(word.find(|c: char| c.is_ascii_digit()).unwrap_or(word.len()));
        let length = number.parse::<usize>().unwrap_or(0);
        match name {
            "hello" if number.is_empty() => self.send(dir, &client_hello("svc.ns.svc", &[])),
            "hello" => {
                self.send(dir, &server_hello(if length == 13 { 0x1301 } else { 0xc02f }, length == 13));
            }
            "ccmhello" => self.send(dir, &server_hello(0x1305, true)),
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
                });
            }
            _ => panic!("no such word: {word}"),
        }
    }
}

/// Plays a text and gives the facts.
pub(super) fn play(text: &str) -> SessionFacts {
    let mut play = Play::default();
    play.text(text);
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

#[test]
fn a_hello_keeps_what_it_says() {
    let facts = tls("> hello < ACK");
    let hello = facts.client_hello.unwrap();
    assert_eq!(hello.shape.sni.as_deref(), Some("svc.ns.svc"));
    assert_eq!(hello.shape.alpn, ["http/1.1"]);
    assert_eq!(hello.shape.versions, [ProtocolVersion(0x0304), ProtocolVersion(0x0303)]);
    assert_eq!(hello.shape.ciphers, [CipherSuite(0x3a3a), CipherSuite(0x1301), CipherSuite(0xc02f)]);
    assert_eq!(hello.shape.groups.len(), 3);
    assert_eq!(hello.shape.key_shares, [NamedGroup(29)]);
    assert_eq!(hello.random, [7; 32]);
    assert_eq!((hello.segments, hello.cut), (1, false));
    assert_eq!(u64::from(hello.bytes) + 5, facts.bytes.orig);
    assert!(hello.complete.is_some() && hello.acked > hello.complete);
    assert_eq!(hello.shape.ja3.len(), 32);
    assert!(hello.shape.ja4.starts_with("t13d0207h1_"), "{}", hello.shape.ja4);
}

#[test]
fn a_hello_in_pieces_is_one_hello() {
    let whole = client_hello("svc.ns.svc", &extension(21, &[0; 3000]));
    for sizes in [vec![1400, 1400], vec![1], vec![4, 2], vec![1400, 1400, 200], vec![5, 4, 300]] {
        let mut play = Play::default();
        let mut rest = &whole[..];
        let mut pieces = 0;
        for size in
            sizes.iter().map(|&n| n.min(rest.len())).collect::<Vec<_>>().into_iter().chain([usize::MAX])
        {
            let (piece, after) = rest.split_at(size.min(rest.len()));
            rest = after;
            play.send(Dir::Orig, piece);
            pieces += 1;
        }
        let hello = play.finish().tls.unwrap().client_hello.unwrap();
        assert_eq!(hello.shape.sni.as_deref(), Some("svc.ns.svc"), "{sizes:?}");
        assert_eq!(hello.at.frame.number(), 1, "{sizes:?}");
        assert_eq!(hello.complete.unwrap().frame.number(), pieces, "{sizes:?}");
        assert!(!hello.cut);
        if sizes.len() < 3 {
            assert_eq!(u64::from(hello.segments), pieces, "{sizes:?}");
        }
    }
}

#[test]
fn a_hello_over_several_records_is_one_hello() {
    let message = handshake(1, &client_hello_body("svc.ns.svc", &[]));
    let (a, b) = message.split_at(50);
    let mut play = Play::default();
    play.send(Dir::Orig, &[record(22, a), record(22, b)].concat());
    let hello = play.finish().tls.unwrap().client_hello.unwrap();
    assert_eq!(hello.shape.sni.as_deref(), Some("svc.ns.svc"));
    assert_eq!(hello.bytes as usize, message.len());
}

#[test]
fn reordered_and_retransmitted_segments_change_nothing() {
    let whole = client_hello("svc.ns.svc", &extension(21, &[0; 2000]));
    let mut play = Play::default();
    play.segment(Dir::Orig, 1400, &whole[1400..], usize::MAX);
    play.segment(Dir::Orig, 1400, &whole[1400..], usize::MAX);
    play.segment(Dir::Orig, 0, &whole[..1400], usize::MAX);
    play.segment(Dir::Orig, 0, &whole[..1400], usize::MAX);
    play.segment(Dir::Orig, 700, &whole[700..], usize::MAX);
    let hello = play.finish().tls.unwrap().client_hello.unwrap();
    assert_eq!(hello.shape.sni.as_deref(), Some("svc.ns.svc"));
    assert_eq!((hello.segments, hello.largest_segment), (2, 1400));
    assert_eq!(hello.complete.unwrap().frame.number(), 3);
}

#[test]
fn a_cut_hello_gives_what_is_there() {
    let whole = client_hello("svc.ns.svc", &[]);
    let mut play = Play::default();
    play.sent.orig = whole.len() as i64;
    play.segment(Dir::Orig, 0, &whole, 110);
    play.ack(Dir::Resp);
    let facts = play.finish().tls.unwrap();
    let hello = facts.client_hello.as_ref().unwrap();
    assert!(hello.cut && hello.complete.is_some() && hello.acked.is_some());
    assert_eq!(hello.shape.sni.as_deref(), Some("svc.ns.svc"));
    assert_eq!(hello.bytes as usize + 5, whole.len());
    assert!(hello.shape.ja3.is_empty(), "a digest of half a hello would be of another hello");
    assert_eq!(facts.phase, Phase::HelloAcked);
}

#[test]
fn a_hello_without_its_second_segment_is_partial() {
    let whole = client_hello("svc.ns.svc", &extension(21, &[0; 2000]));
    let mut play = Play::default();
    play.send(Dir::Orig, &whole[..1400]);
    let facts = play.finish().tls.unwrap();
    assert_eq!(facts.phase, Phase::HelloPartial);
    assert_eq!(facts.client_hello.unwrap().shape.sni.as_deref(), Some("svc.ns.svc"));
}

#[test]
fn records_are_found_again_after_a_hole() {
    let mut play = Play::default();
    for (dir, word) in [(Dir::Orig, "hello"), (Dir::Resp, "hello12"), (Dir::Resp, "HS14"), (Dir::Orig, "CCS")]
    {
        play.word(dir, word);
    }
    play.word(Dir::Orig, "APP100");
    play.sent.orig += 1000; // never captured, inside no record
    play.ack(Dir::Resp);
    for _ in 0..10 {
        play.word(Dir::Orig, "APP50");
    }
    play.word(Dir::Resp, "APP60");
    let facts = play.finish().tls.unwrap();
    assert_eq!(
        facts.bursts.iter().map(|b| (b.dir, b.bytes)).collect::<Vec<_>>(),
        [(Dir::Orig, 105 + 10 * 55), (Dir::Resp, 65)]
    );
}

/// TLS_AES_128_GCM_SHA256: ChangeCipherSpec takes 6 bytes, Finished 58.
#[test]
fn a_finished_that_the_capture_lost_is_not_taken_for_what_follows_it() {
    for (what, before, missing, phase) in [
        ("with ChangeCipherSpec", "> hello", 64, Phase::RequestSent),
        ("behind ChangeCipherSpec", "> hello CCS", 58, Phase::RequestSent),
        ("as much, but ChangeCipherSpec is there", "> hello CCS", 64, Phase::ClientFinished),
        ("something else", "> hello", 65, Phase::ClientFinished),
    ] {
        let mut play = Play::default();
        play.text(&format!("{before} < hello13 CCS APP42 APP424 APP95 APP53"));
        play.sent.orig += missing;
        play.text("> APP1009 < ACK");
        let facts = play.finish().tls.unwrap();
        assert_eq!(facts.phase, phase, "{what}");
        let asked: Vec<_> = facts.bursts.iter().map(|b| (b.dir, b.bytes, b.acked.is_some())).collect();
        let request = (phase == Phase::RequestSent).then_some((Dir::Orig, 1014, true));
        assert_eq!(asked, request.into_iter().collect::<Vec<_>>(), "{what}");
    }
    let mut play = Play::default();
    play.text("> hello < hello13 CCS APP42 APP424 APP95 APP53");
    play.sent.orig += 64;
    play.text("> APP1009 < ACK APP200");
    let facts = play.finish().tls.unwrap();
    assert_eq!((facts.phase, facts.waits_for), (Phase::ResponseBegun, Some(Dir::Orig)));
    let bursts: Vec<_> = facts.bursts.iter().map(|b| (b.dir, b.bytes)).collect();
    assert_eq!(bursts, [(Dir::Orig, 1014), (Dir::Resp, 205)], "what the server answers comes after it");
}

#[test]
fn a_hole_inside_a_record_keeps_the_place() {
    let big = record(23, &[1; 4000]);
    let mut play = Play::default();
    play.word(Dir::Orig, "hello");
    play.word(Dir::Resp, "hello12");
    let start = play.sent.resp;
    play.segment(Dir::Resp, start, &big[..1000], usize::MAX);
    play.segment(Dir::Resp, start + 2000, &big[2000..], usize::MAX);
    play.sent.resp = start + big.len() as i64;
    play.word(Dir::Resp, "APP77");
    let facts = play.finish().tls.unwrap();
    assert_eq!(facts.bursts.iter().map(|b| b.bytes).sum::<u64>(), 3005 + 82);
}

#[test]
fn alerts_are_told_in_every_form() {
    for (text, expected) in [
        // text, (from, level, code, encrypted, confidence, fatal)
        ("> hello < ALERT:2:40", vec![(Dir::Resp, Some((2, 40)), Confidence::Exact, true)]),
        (
            "> hello < hello12 CERT HS14 > ALERT:2:42",
            vec![(Dir::Orig, Some((2, 42)), Confidence::Exact, true)],
        ),
        ("> hello < ALERT:1:112 hello12", vec![(Dir::Resp, Some((1, 112)), Confidence::Exact, false)]),
        // OpenSSL clients reject a certificate of TLS 1.3 in the clear.
        (
            "> hello < hello13 CCS APP42 APP424 APP95 APP53 > ALERT:2:48",
            vec![(Dir::Orig, Some((2, 48)), Confidence::Exact, true)],
        ),
        // Go clients do it under encryption, before any Finished.
        (
            "> hello < hello13 CCS APP42 APP424 APP95 APP53 > CCS APP19 RST",
            vec![(Dir::Orig, None, Confidence::High, true)],
        ),
        // A client certificate that was asked for and not given: the server's first word is an alert.
        (
            "> hello < hello13 CCS APP42 APP117 APP424 APP95 APP53 > CCS APP25 APP53 APP200 < APP19 FIN",
            vec![(Dir::Resp, None, Confidence::High, true)],
        ),
        // The same shape without a request for a certificate is an ordinary close.
        (
            "> hello < hello13 CCS APP42 APP424 APP95 APP53 > CCS APP53 APP200 < APP19 FIN",
            vec![(Dir::Resp, None, Confidence::High, false)],
        ),
        (
            "> hello < hello13 CCS APP42 APP424 APP95 APP53 > CCS APP53 APP200 < APP300 > APP19 FIN < APP19 FIN",
            vec![(Dir::Orig, None, Confidence::High, false), (Dir::Resp, None, Confidence::High, false)],
        ),
        (
            "> hello < hello12 CERT HS14 > HS16 CCS FINISHED < CCS FINISHED > APP9 SEALED26",
            vec![(Dir::Orig, None, Confidence::Exact, false)],
        ),
        ("> hello < hello12 CERT HS14 > HS16 CCS SEALED26", vec![(Dir::Orig, None, Confidence::Exact, true)]),
    ] {
        let found: Vec<_> = tls(text)
            .alerts
            .iter()
            .map(|a| (a.from, a.level.zip(a.description.map(|d| d.0)), a.confidence, a.fatal))
            .collect();
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn a_suite_with_a_short_tag_has_shorter_records() {
    // TLS_AES_128_CCM_8_SHA256: eight bytes less in each record.
    let flight = "> hello < ccmhello CCS APP34 APP416 APP87 APP45";
    let facts = tls(&format!("{flight} > CCS APP45 APP53 < APP19 > APP11 FIN < APP11 FIN"));
    assert!(facts.request.is_some() && facts.response.is_some());
    assert_eq!(facts.phase, Phase::Closed);
    let bursts: Vec<_> = facts.bursts.iter().map(|b| (b.dir, b.bytes)).collect();
    assert_eq!(bursts, [(Dir::Orig, 58), (Dir::Resp, 24)], "alerts are no data");
    let refused = tls(&format!("{flight} > CCS APP11 RST"));
    assert_eq!(refused.alerts.iter().map(|a| (a.from, a.fatal)).collect::<Vec<_>>(), [(Dir::Orig, true)]);
    let empty = tls("> hello < ccmhello CCS APP34 APP109 APP416 APP87 APP45 > CCS APP17 APP45");
    assert_eq!(empty.client_certificate, Some(ClientCertificate::Empty));
}

#[test]
fn the_answer_to_a_certificate_request_is_seen_or_inferred() {
    use ClientCertificate::{Absent, Empty, Sent};
    for (text, requested, answer) in [
        ("> hello < hello12 CERT HS13 HS14 > EMPTYCERT HS16 CCS", Some(Confidence::Exact), Some(Empty)),
        ("> hello < hello12 CERT HS13 HS14 > CERT HS16 CCS", Some(Confidence::Exact), Some(Sent)),
        ("> hello < hello12 CERT HS13 HS14 > HS16 CCS FINISHED", Some(Confidence::Exact), Some(Absent)),
        ("> hello < hello12 CERT HS14 > HS16 CCS FINISHED", None, None),
        ("> hello < hello13 CCS APP42 APP117 APP424 APP95 APP53", Some(Confidence::Medium), None),
        (
            "> hello < hello13 CCS APP42 APP117 APP424 APP95 APP53 > CCS APP25 APP53 APP90",
            Some(Confidence::High),
            Some(Empty),
        ),
        (
            "> hello < hello13 CCS APP42 APP117 APP424 APP95 APP53 > CCS APP412 APP97 APP53 APP90",
            Some(Confidence::High),
            Some(Sent),
        ),
        ("> hello < hello13 CCS APP42 APP424 APP95 APP53 > CCS APP53", None, None),
        // All of the server's flight in one record: the client's answer alone tells.
        ("> hello < hello13 CCS APP900 > CCS APP25 APP53", Some(Confidence::High), Some(Empty)),
        ("> hello < hello13 CCS APP900 > CCS APP53", None, None),
    ] {
        let facts = tls(text);
        assert_eq!(facts.certificate_request_confidence, requested, "{text}");
        assert_eq!(facts.certificate_requested.is_some(), requested.is_some(), "{text}");
        assert_eq!(facts.client_certificate, answer, "{text}");
    }
}

#[test]
fn session_tickets_are_no_answer() {
    let mut play = Play::default();
    play.send(Dir::Orig, &client_hello("a", &extension(45, &[1, 1])));
    for (dir, words) in [
        (Dir::Resp, "hello13 CCS APP42 APP424 APP95 APP53"),
        (Dir::Orig, "CCS APP53 APP120"),
        (Dir::Resp, "APP234 APP234"),
    ] {
        words.split(' ').for_each(|word| play.word(dir, word));
    }
    let facts = play.finish().tls.unwrap();
    assert_eq!(facts.phase, Phase::RequestSent);
    assert_eq!(facts.bursts.len(), 1);
    assert_eq!(facts.waits_for, Some(Dir::Resp));
}

/// Whose ClientHello was not captured may take tickets; they come in one go, and no answers of one length do.
#[test]
fn answers_of_one_length_are_no_tickets() {
    let begun = "< hello13 CCS APP42 APP424 APP95 APP53 > CCS APP53 APP120";
    let facts = tls(&format!("{begun} < APP230 > APP120 < APP230 > APP120 < ACK"));
    let bursts: Vec<_> = facts.bursts.iter().map(|b| b.dir).collect();
    assert_eq!(bursts, [Dir::Orig, Dir::Resp, Dir::Orig, Dir::Resp, Dir::Orig]);
    assert_eq!((facts.phase, facts.waits_for), (Phase::ResponseBegun, Some(Dir::Resp)));
    let tickets = tls(&format!("{begun} < APP230 APP230 > APP120"));
    assert!(tickets.bursts.iter().all(|b| b.dir == Dir::Orig) && tickets.response.is_none());
}

#[test]
fn a_request_without_an_answer_is_found_late_in_a_flow() {
    let handshake = "> hello < hello13 CCS APP42 APP424 APP95 APP53 > CCS APP53 ";
    let chatter = "> APP200 < APP300 ".repeat(500);
    let facts = tls(&format!("{handshake}{chatter} > APP210 < ACK > APP19 FIN"));
    assert!(facts.bursts.len() <= 16 + 64);
    let last = facts.bursts.last().unwrap();
    assert_eq!((last.dir, last.bytes), (Dir::Orig, 215), "the alert that gives up is no part of it");
    assert!(last.acked.is_some());
    assert_eq!((facts.waits_for, facts.waits_since), (Some(Dir::Resp), Some(last.last)));
}

#[test]
fn a_retry_is_followed_by_the_real_hello() {
    let facts = tls("> hello < retry CCS > CCS hello < hello13 APP42 APP424 APP95 APP53 > APP53");
    assert!(facts.hello_retry.is_some());
    assert_eq!(facts.server_hello.unwrap().version, ProtocolVersion(0x0304));
    assert_eq!(facts.history, "CjiICsdD");
    assert_eq!(facts.phase, Phase::ClientFinished);
}

#[test]
fn a_cut_retry_is_known_by_the_start_of_its_random() {
    let retry = record(22, &handshake(2, &server_hello_body(0x1301, true, hello::RETRY_RANDOM)));
    let again = [record(20, &[1]), client_hello("svc.ns.svc", &[])].concat();
    let mut play = Play::default();
    play.send(Dir::Orig, &client_hello("svc.ns.svc", &[]));
    play.segment(Dir::Resp, 0, &retry, 30);
    play.sent.resp = retry.len() as i64;
    play.send(Dir::Resp, &record(20, &[1]));
    let offset = play.sent.orig;
    play.segment(Dir::Orig, offset, &again, 30);
    let facts = play.finish().tls.unwrap();
    assert!(facts.hello_retry.is_some());
    assert_eq!((facts.client_finished, facts.phase), (None, Phase::ServerFlightPartial));
}

#[test]
fn a_server_flight_that_is_shown_late_came_first() {
    let facts = tls("> hello CCS APP53 APP900 < hello13 CCS APP42 APP424 APP95 APP53");
    assert!(facts.client_finished.is_some() && facts.request.is_some());
    assert_eq!((facts.phase, facts.response), (Phase::RequestSent, None));
    let answered = tls("> hello CCS APP53 APP900 < hello13 CCS APP42 APP424 APP95 APP53 APP300");
    assert_eq!(answered.phase, Phase::ResponseBegun);
}

#[test]
fn tls_is_found_behind_plaintext() {
    let hello = client_hello("db", &[]);
    for (banner, request, client_bytes, status) in [
        (&b"220 mail ESMTP\r\n"[..], &b"STARTTLS\r\n"[..], FirstBytes::Text, None),
        (b"J\0\0\0\x0a5.7.0\0abc\0", b"\x20\0\0\x01\x85\xae\x7f\0\0\0\0\x01\x21\0", FirstBytes::Binary, None),
        (
            b"HTTP/1.1 200 OK\r\n\r\n",
            b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
            FirstBytes::HttpRequest,
            Some(200),
        ),
        (b"HTTP/1.1 503 No\r\n\r\n", b"CONNECT a:443 HTTP/1.1\r\n\r\n", FirstBytes::HttpRequest, Some(503)),
    ] {
        let mut play = Play::default();
        play.send(Dir::Orig, request);
        play.send(Dir::Resp, banner);
        play.send(Dir::Orig, &hello);
        play.word(Dir::Resp, "hello13");
        let facts = play.finish();
        let tls = facts.tls.unwrap();
        assert_eq!(tls.client_hello.unwrap().shape.sni.as_deref(), Some("db"));
        assert!(tls.server_hello.is_some());
        assert_eq!(tls.connect_status, status);
        assert_eq!(facts.first_bytes.orig, Some(client_bytes));
    }
    let mut play = Play::default();
    play.send(Dir::Orig, &[b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n", &hello[..]].concat());
    let facts = play.finish();
    assert_eq!(facts.first_bytes.orig, Some(FirstBytes::ProxyProtocol));
    assert_eq!(facts.tls.unwrap().client_hello.unwrap().shape.sni.as_deref(), Some("db"));
}

#[test]
fn what_is_not_tls_is_named() {
    for (bytes, kind) in [
        (&b"GET /healthz HTTP/1.1\r\nHost: a.b\r\n\r\n"[..], FirstBytes::HttpRequest),
        (b"HTTP/1.0 400 Bad Request\r\n\r\n", FirstBytes::HttpResponse),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", FirstBytes::Http2Preface),
        (b"PROXY TCP4 1.1.1.1 2.2.2.2 3 4\r\n", FirstBytes::ProxyProtocol),
        (b"SSH-2.0-OpenSSH_9.2\r\n", FirstBytes::Ssh),
        (b"220 ftp ready\r\n", FirstBytes::Text),
        (b"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c", FirstBytes::Binary),
        (b"hi", FirstBytes::Text),
    ] {
        let mut play = Play::default();
        play.send(Dir::Orig, bytes);
        let facts = play.finish();
        assert_eq!(facts.first_bytes.orig, Some(kind), "{kind:?}");
        assert!(facts.tls.is_none());
    }
}

#[test]
fn plain_http_is_read_over_segments() {
    let mut play = Play::default();
    play.send(Dir::Orig, b"POST /validate?timeout=5s HTTP/1.1\r\nhost: web");
    play.send(Dir::Orig, b"hook:80\r\nContent-Length: 2\r\n\r\n{}");
    play.send(Dir::Resp, b"HTTP/1.1 503 Service Unavailable\r\n\r\n");
    let http = *play.finish().http.unwrap();
    assert_eq!(http.method.as_deref(), Some("POST"));
    assert_eq!(http.target.as_deref(), Some("/validate?timeout=5s"));
    assert_eq!(http.host.as_deref(), Some("webhook:80"));
    assert_eq!(http.status, Some(503));
    assert_eq!(http.request.map(|m| m.frame.number()), Some(1));
    assert_eq!(http.response.map(|m| m.frame.number()), Some(3));
}

#[test]
fn a_session_seen_from_its_middle_says_so() {
    let mut play = Play::default();
    play.send(Dir::Resp, &[9; 900]); // the end of a record
    play.word(Dir::Orig, "APP100");
    play.word(Dir::Resp, "APP200");
    let facts = play.finish().tls.unwrap();
    assert!(facts.midstream);
    assert_eq!(facts.phase, Phase::ResponseBegun);
    assert_eq!(facts.bursts.len(), 2);
}

#[test]
fn an_sslv2_hello_is_a_hello() {
    let mut body = vec![1, 3, 1, 0, 6, 0, 0, 0, 16];
    body.extend([0, 0, 0x2f, 0x01, 0x00, 0x80]);
    body.extend([3; 16]);
    let mut bytes = vec![0x80, body.len() as u8];
    bytes.extend(body);
    let mut play = Play::default();
    play.send(Dir::Orig, &bytes);
    play.word(Dir::Resp, "hello12");
    let facts = play.finish().tls.unwrap();
    let hello = facts.client_hello.unwrap();
    assert!(hello.shape.sslv2);
    assert_eq!(hello.shape.ciphers.len(), 2);
    assert_eq!(hello.shape.versions, [ProtocolVersion(0x0301)]);
    assert!(hello.shape.ja3.is_empty());
    assert_eq!(facts.history, "Cs");
}

#[test]
fn swapped_sides_give_swapped_facts() {
    let text = "> hello < hello13 CCS APP42 APP424 APP95 APP53 > CCS APP53 APP200 < APP300";
    let mut play = Play::default();
    let mut dir = Dir::Resp; // the client is taken for the responder at first
    for word in text.split(' ') {
        match word {
            ">" => dir = Dir::Resp,
            "<" => dir = Dir::Orig,
            _ => play.word(dir, word),
        }
    }
    play.session.swap();
    let (swapped, straight) = (*play.finish().tls.unwrap(), tls(text));
    assert_eq!(swapped.client, Some(Dir::Orig));
    assert_eq!(swapped.phase, straight.phase);
    assert_eq!(swapped.bursts, straight.bursts);
    assert_eq!(swapped.bytes, straight.bytes);
    assert_eq!(swapped.history, straight.history);
}

#[test]
fn empty_records_and_bytes_of_any_kind_do_no_harm() {
    let mut seed = 1_u64;
    for round in 0..300_u64 {
        let mut play = Play::default();
        play.word(Dir::Orig, "hello");
        play.send(Dir::Resp, &record(23, &[]));
        for _ in 0..20 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(round);
            let dir = if seed & 1 == 0 { Dir::Orig } else { Dir::Resp };
            let kind = 20 + (seed >> 8) as u8 % 5;
            let mut bytes = record(kind, &[(seed >> 16) as u8; 30]);
            bytes[(seed >> 24) as usize % 35] = (seed >> 32) as u8;
            let offset = play.sent[dir] + (seed >> 40) as i64 % 40 - 10;
            play.segment(dir, offset, &bytes, (seed >> 48) as usize % 40);
            play.sent[dir] += 35;
        }
        drop(play.finish());
    }
}

#[test]
fn every_prefix_of_a_handshake_gives_facts() {
    let mut hello = client_hello("svc.ns.svc", &[]);
    let mut rng = 0_usize;
    for cut in 0..hello.len() {
        let mut play = Play::default();
        play.segment(Dir::Orig, 0, &hello, cut);
        drop(play.finish());
        rng = rng.wrapping_mul(31).wrapping_add(7);
        let place = rng % hello.len();
        hello[place] ^= 0x5a;
        let mut play = Play::default();
        play.send(Dir::Orig, &hello);
        drop(play.finish());
        hello[place] ^= 0x5a;
    }
}

#[test]
fn payload_that_is_held_back_is_bounded_over_all_sessions() {
    let mut interner = Interner::default();
    let data = vec![0x16; 60_000];
    let mut sessions: Vec<Session> = Vec::new();
    for n in 0..400_u64 {
        let mut session = Session::default();
        let at = Moment { frame: FrameRef::new(0, n + 1), time: Timestamp(0) };
        let ports = PerDir { orig: 1, resp: 443 };
        let length = data.len() as u32;
        let dir = Dir::Orig;
        session.payload(
            &mut interner,
            &Payload { proto: Proto::Tcp, dir, offset: 100, length, data: &data, at, ports },
        );
        sessions.push(session);
        assert!(interner.held < 10 << 20);
    }
    let said: Vec<_> = interner.problems().iter().map(|w| (w.name, w.loss)).collect();
    assert_eq!(said, [("limit_tls_held", true)]);
}

/// Of a list of certificates beyond the bound the first is read, what follows the list is seen, and the rest is said.
#[test]
fn a_message_that_is_too_long_is_read_as_far_as_the_bound_and_said() {
    for length in [100_000, 200_000] {
        let mut list = vec![0, 0, 3];
        list.extend([0x30, 1, 0]);
        let next = u32::to_be_bytes(length - 12);
        list.extend([&next[1..], &vec![0x30; length as usize - 12]].concat());
        let all = [&u32::to_be_bytes(list.len() as u32)[1..], &list].concat();
        let flight = [handshake(11, &all), handshake(14, &[])].concat();
        let mut play = Play::default();
        play.text("> hello < hello12");
        for piece in flight.chunks(16_000) {
            play.send(Dir::Resp, &record(22, piece));
        }
        let said: Vec<_> = play.interner.problems().iter().map(|w| (w.name, w.at, w.count)).collect();
        assert_eq!(said, [("limit_tls_message", crate::error::Place::Frame(3), 1)]);
        let facts = play.finish().tls.expect("TLS");
        assert_eq!((facts.certificates.len(), &*facts.history), (1, "Csxn"), "{length} bytes");
    }
}

#[test]
fn what_is_given_up_behind_a_gap_is_said() {
    let mut play = Play::default();
    play.text("> hello < hello12 APP100");
    for n in 1..=64 {
        play.segment(Dir::Resp, play.sent.resp + n * 2000, &[23; 1500], 1500);
    }
    let said: Vec<_> = play.interner.problems().iter().map(|w| (w.name, w.loss)).collect();
    assert_eq!(said.first(), Some(&("limit_tls_ahead", false)));
}

#[test]
fn a_side_that_speaks_no_tls_is_watched_for_a_while_only() {
    let mut play = Play::default();
    for _ in 0..80 {
        play.send(Dir::Orig, b"some text of a long conversation\r\n");
    }
    assert!(!play.session.wants(Dir::Orig));
    assert!(play.session.wants(Dir::Resp));
}
