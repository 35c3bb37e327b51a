//! What happened inside an encrypted TLS 1.3 handshake, from the lengths and the order of its records.
//!
//! Takes the first records after the ServerHello; gives the steps and the alerts that they show, with a confidence. The
//! arithmetic is that of RFC 8446 §5.2: a record is its content, one byte of content type and the AEAD tag, so that an
//! alert is 2 + 1 + 16 = 19 bytes long, Finished 4 + 32 + 1 + 16 = 53 (69 with SHA-384), an empty client Certificate 25.
//! Suites with another tag shift all of these ([`Lengths`]).
//! Assume that nobody pads (Go, OpenSSL, rustls and BoringSSL do not); a peer that does shows no record as short as an
//! alert.
//! Never sees keys.

use super::records::content;
use super::{Alert, CipherSuite, ClientCertificate, Confidence};
use crate::flow::{Dir, Moment, PerDir};

/// A record after the ServerHello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sealed {
    /// Who sent it.
    pub(super) dir: Dir,
    /// Content type on the outside.
    pub(super) kind: u8,
    /// Body in bytes.
    pub(super) length: u16,
    /// Frame of its first byte.
    pub(super) at: Moment,
}

/// What else is known of the session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting {
    /// Which side is the client.
    pub(super) client: Dir,
    /// What lengths mean under the cipher suite chosen.
    pub(super) lengths: Lengths,
    /// The client takes session tickets (`psk_key_exchange_modes`).
    pub(super) tickets: bool,
    /// The server took the client's pre-shared key: it sends no certificate.
    pub(super) resumed: bool,
    /// The client's Finished was lost to the capture: all that it shows of the client came after it.
    pub(super) finished_unseen: bool,
    /// The side sent FIN or RST.
    pub(super) closed: PerDir<bool>,
    /// Last record of each side in the whole flow.
    pub(super) last: PerDir<Option<Sealed>>,
}

/// What the records show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Inference {
    /// The server's last handshake record.
    pub(super) server_flight_done: Option<Moment>,
    /// CertificateRequest.
    pub(super) certificate_requested: Option<(Moment, Confidence)>,
    /// The client's answer to it.
    pub(super) client_certificate: Option<(ClientCertificate, Confidence)>,
    /// The client's Finished.
    pub(super) client_finished: Option<Moment>,
    /// First application data of the client.
    pub(super) request: Option<Moment>,
    /// First application data of the server after that.
    pub(super) response: Option<Moment>,
    /// Encrypted alerts.
    pub(super) alerts: Vec<Alert>,
    /// NewSessionTickets that only look like the start of an answer: the last one, and the bytes of all with their headers.
    pub(super) tickets: Option<(Moment, u64)>,
}

/// Reads the timeline: `records` are the first records of both sides after the ServerHello, in order of capture.
pub(super) fn infer(records: &[Sealed], setting: &Setting) -> Inference {
    let lengths = setting.lengths;
    let mut found = Inference::default();
    let sealed: Vec<Sealed> =
        records.iter().copied().filter(|r| r.kind == content::APPLICATION_DATA).collect();
    let client_starts = sealed.iter().position(|r| r.dir == setting.client).unwrap_or(sealed.len());
    let server_flight = sealed.get(..client_starts).unwrap_or_default();
    infer_server_flight(server_flight, setting, lengths, &mut found);
    let client: Vec<Sealed> = sealed.iter().copied().filter(|r| r.dir == setting.client).collect();
    let done = if setting.finished_unseen {
        Some(client_starts)
    } else {
        let finished = infer_client_flight(&client, setting, lengths, &mut found);
        finished.map(|finished| sealed.iter().position(|r| *r == finished).map_or(sealed.len(), |i| i + 1))
    };
    match done {
        Some(place) => infer_after(&sealed, place, setting, lengths, &mut found),
        None => infer_abort(&sealed, setting, lengths, &mut found),
    }
    infer_last(setting, lengths, &mut found);
    found
}

/// Record lengths that mean something under a cipher suite of TLS 1.3, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lengths {
    /// An alert.
    pub(super) alert: u16,
    /// Finished.
    pub(super) finished: u16,
    empty_certificate: u16,
    end_of_early_data: u16,
    full: u16,
}

impl Default for Lengths {
    /// Under most suites.
    fn default() -> Self {
        Self::of(CipherSuite::default())
    }
}

impl Lengths {
    /// Those of hash and tag of a suite (RFC 8446 appendix B.4, RFC 9150 §4).
    pub(super) const fn of(suite: CipherSuite) -> Self {
        let (hash, tag) = match suite.0 {
            0x1302 => (48, 16), // TLS_AES_256_GCM_SHA384
            0x1305 => (32, 8),  // TLS_AES_128_CCM_8_SHA256
            0xc0b4 => (32, 32), // TLS_SHA256_SHA256
            0xc0b5 => (48, 48), // TLS_SHA384_SHA384
            _ => (32, 16),
        };
        let seal = 1 + tag;
        Self {
            alert: 2 + seal,
            finished: 4 + hash + seal,
            empty_certificate: 4 + 1 + 3 + seal,
            end_of_early_data: 4 + seal,
            full: 16_384 + seal,
        }
    }
}

/// EncryptedExtensions, [CertificateRequest], Certificate, CertificateVerify, Finished (RFC 8446 §2): one record more
/// than usual before Finished is the request. Stacks that put several messages into one record show none of it.
fn infer_server_flight(flight: &[Sealed], setting: &Setting, lengths: Lengths, found: &mut Inference) {
    let Some(last) = flight.iter().skip(1).position(|r| r.length == lengths.finished).map(|i| i + 1) else {
        return;
    };
    let Some(finished) = flight.get(last) else { return };
    found.server_flight_done = Some(finished.at);
    let between = flight.get(1..last).unwrap_or_default();
    let messages = between.iter().filter(|r| r.length != lengths.full).count();
    let asked = if setting.resumed { messages == 1 } else { messages == 3 };
    if let (true, Some(request)) = (asked, between.first()) {
        found.certificate_requested = Some((request.at, Confidence::Medium));
    }
}

/// [EndOfEarlyData], [Certificate, [CertificateVerify]], Finished. Gives the record that ends the flight.
fn infer_client_flight(
    client: &[Sealed],
    setting: &Setting,
    lengths: Lengths,
    found: &mut Inference,
) -> Option<Sealed> {
    let client = match client {
        [early, rest @ ..] if early.length == lengths.end_of_early_data => rest,
        _ => client,
    };
    let last = client.iter().take(4).position(|r| r.length == lengths.finished);
    let Some(last) = last else { return infer_one_record_flight(client, lengths, found) };
    let finished = *client.get(last)?;
    found.client_finished = Some(finished.at);
    let answer = match client.get(..last).unwrap_or_default() {
        [] => {
            found.certificate_requested = None;
            None
        }
        [certificate] if certificate.length == lengths.empty_certificate => {
            Some((ClientCertificate::Empty, Confidence::High))
        }
        [alert] if alert.length == lengths.alert => None,
        _ => Some((ClientCertificate::Sent, Confidence::High)),
    };
    found.client_certificate = answer;
    if answer.is_some() {
        // A client sends Certificate only when it was asked for one (RFC 8446 §4.4.2).
        let at = found.certificate_requested.map_or(found.server_flight_done, |(at, _)| Some(at));
        found.certificate_requested = Some((at.unwrap_or(finished.at), Confidence::High));
    } else if setting.resumed {
        found.certificate_requested = None;
    }
    Some(finished)
}

/// A stack that puts its whole flight into one record: it is longer than Finished alone.
fn infer_one_record_flight(client: &[Sealed], lengths: Lengths, found: &mut Inference) -> Option<Sealed> {
    let first = *client.first()?;
    if first.length <= lengths.finished {
        return None;
    }
    found.client_finished = Some(first.at);
    let with_empty = lengths.finished + 8; // Certificate of 4 + 1 + 3 bytes before Finished
    if first.length == with_empty {
        found.client_certificate = Some((ClientCertificate::Empty, Confidence::Medium));
    } else if found.certificate_requested.is_some() {
        found.client_certificate = Some((ClientCertificate::Sent, Confidence::Medium));
    }
    Some(first)
}

/// The client never finished: an alert of either side ended the handshake.
fn infer_abort(sealed: &[Sealed], setting: &Setting, lengths: Lengths, found: &mut Inference) {
    for record in sealed.iter().filter(|r| r.length == lengths.alert) {
        // EncryptedExtensions without any extension has 4 bytes more: no handshake message is as short as an alert.
        push_alert(record, Confidence::High, true, found);
    }
    let server_last = sealed.iter().rfind(|r| r.dir != setting.client && r.length != lengths.alert);
    if found.server_flight_done.is_none() && sealed.iter().any(|r| r.dir == setting.client) {
        // The client answered, so it had the whole flight.
        found.server_flight_done = server_last.map(|r| r.at);
    }
}

/// From `place` on, after the client's Finished: tickets, request, response, and the alert of a server that rejects the client.
fn infer_after(sealed: &[Sealed], place: usize, setting: &Setting, lengths: Lengths, found: &mut Inference) {
    let (before, after) = sealed.split_at_checked(place).unwrap_or((sealed, &[]));
    if found.server_flight_done.is_none() {
        found.server_flight_done = before.iter().rfind(|r| r.dir != setting.client).map(|r| r.at);
    }
    let is_alert = |r: &Sealed| r.length == lengths.alert && setting.last[r.dir] == Some(*r);
    found.request = after.iter().find(|r| r.dir == setting.client && !is_alert(r)).map(|r| r.at);
    let server: Vec<Sealed> = after.iter().copied().filter(|r| r.dir != setting.client).collect();
    let tickets = leading_tickets(after, &server, found.request, setting);
    let (tickets, data) = server.split_at_checked(tickets).unwrap_or((&[], &[]));
    if let Some(last) = tickets.last() {
        found.tickets = Some((last.at, tickets.iter().map(|r| u64::from(r.length) + 5).sum()));
    }
    let answer = data.iter().find(|r| found.request.is_some_and(|request| r.at >= request) && !is_alert(r));
    found.response = answer.map(|r| r.at);
    let rejected = data.first().filter(|r| r.length == lengths.alert && data.len() == 1);
    if let Some(alert) = rejected {
        // The first thing the server says after the client's Finished is an alert: a client certificate that was asked
        // for and rejected, or else an ordinary close without an answer.
        push_alert(alert, Confidence::High, found.client_certificate.is_some(), found);
    }
}

/// How many of the server's first records are tickets: all before the first request, and any run of two or more of one
/// length (OpenSSL sends two) in which the client says nothing. A single record after the request may be the response and
/// counts as such, and so does each of those with requests between them. `server`: those of `after` that the server sent.
fn leading_tickets(after: &[Sealed], server: &[Sealed], request: Option<Moment>, setting: &Setting) -> usize {
    if !setting.tickets {
        return 0;
    }
    let early = server.iter().take_while(|r| request.is_none_or(|request| r.at < request)).count().min(4);
    let early = if server.get(..early).unwrap_or_default().iter().all(|r| r.length >= SHORTEST_TICKET) {
        early
    } else {
        0
    };
    let Some(first) = server.first().filter(|r| r.length >= SHORTEST_TICKET) else { return 0 };
    let run = after.iter().skip_while(|r| r.dir == setting.client);
    let alike = run.take(4).take_while(|r| r.dir == first.dir && r.length == first.length).count();
    if alike >= 2 { early.max(alike) } else { early }
}

/// The last record of a side that then closed.
fn infer_last(setting: &Setting, lengths: Lengths, found: &mut Inference) {
    for dir in [Dir::Orig, Dir::Resp] {
        let Some(record) = setting.last[dir] else { continue };
        let known = found.alerts.iter().any(|a| a.from == dir && a.at == record.at);
        if record.kind == content::APPLICATION_DATA && record.length == lengths.alert && !known {
            let confidence = if setting.closed[dir] { Confidence::High } else { Confidence::Medium };
            push_alert(&record, confidence, false, found);
        }
    }
}

fn push_alert(record: &Sealed, confidence: Confidence, fatal: bool, found: &mut Inference) {
    found.alerts.push(Alert {
        from: record.dir,
        at: record.at,
        level: None,
        description: None,
        encrypted: true,
        decrypted: false,
        confidence,
        fatal,
    });
}

/// NewSessionTicket with a ticket of a few bytes is hardly useful; real ones carry 100 bytes and more.
const SHORTEST_TICKET: u16 = 80;
