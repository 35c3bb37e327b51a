//! A direction's bytes with their frames in, TLS facts out.
//!
//! Takes payload as it was captured (retransmitted, reordered, with gaps); gives records, handshake messages, alerts and
//! the phase that the session reached (RFC 8446, RFC 5246), or names what a side spoke instead. Keeps payload only
//! while a handshake message or a first request is incomplete; afterwards it walks record headers.
//! Never sees packets, never decides whether something is a fault.

use std::sync::Arc;

use crate::flow::{Dir, Moment, PerDir};
use crate::time::Timestamp;

mod bursts;
mod certificate;
mod conclude;
mod cursor;
mod decrypt;
mod decrypted;
mod fingerprint;
mod hello;
mod http2;
mod infer;
mod intern;
mod keylog;
pub mod names;
mod openvpn;
mod plain;
mod record;
mod records;
mod reveal;
mod seal;
mod session;
mod shape;
mod tracker;

#[cfg(test)]
mod tests;

pub use certificate::parse as parse_certificate;
pub use decrypted::{Decrypted, DecryptionStop, GoAway, Stopped, StreamReset};
pub use intern::Interner;
pub use keylog::{KeyLog, KeyLogLines, MAX_SESSIONS};
pub use plain::{FirstBytes, HttpFacts};
pub use session::Session;

/// `ProtocolVersion` of RFC 8446 §4.2.1; unknown values survive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProtocolVersion(pub u16);

/// `CipherSuite`; unknown values survive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CipherSuite(pub u16);

/// `NamedGroup` of RFC 8446 §4.2.7; unknown values survive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NamedGroup(pub u16);

/// `SignatureScheme` of RFC 8446 §4.2.3; unknown values survive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SignatureScheme(pub u16);

/// `AlertDescription` of RFC 8446 §6; unknown values survive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AlertDescription(pub u8);

/// How sure an inference is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Confidence {
    /// Other explanations are common.
    Low,
    /// Other explanations exist.
    Medium,
    /// Other explanations are far-fetched.
    High,
    /// It stands in the bytes.
    Exact,
}

impl Confidence {
    /// `low`, `medium`, `high` or `exact`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Exact => "exact",
        }
    }
}

/// Everything of a ClientHello that many hellos of one client share; interned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientHelloShape {
    /// `legacy_version`.
    pub legacy_version: ProtocolVersion,
    /// `supported_versions`, or the legacy version alone; GREASE left out.
    pub versions: Vec<ProtocolVersion>,
    /// In the order offered, GREASE and signalling values included.
    pub ciphers: Vec<CipherSuite>,
    /// `supported_groups`.
    pub groups: Vec<NamedGroup>,
    /// Groups of `key_share`.
    pub key_shares: Vec<NamedGroup>,
    /// `signature_algorithms`.
    pub signature_algorithms: Vec<SignatureScheme>,
    /// `application_layer_protocol_negotiation`.
    pub alpn: Vec<String>,
    /// `server_name`.
    pub sni: Option<String>,
    /// `pre_shared_key` or a session ticket with content is there.
    pub resumption: bool,
    /// `early_data` is there.
    pub early_data: bool,
    /// `psk_key_exchange_modes` is there: the client takes session tickets.
    pub psk_modes: bool,
    /// JA3 digest.
    pub ja3: String,
    /// JA4 fingerprint.
    pub ja4: String,
    /// Came in an SSLv2-compatible record.
    pub sslv2: bool,
}

/// A ClientHello.
#[derive(Clone, Debug, Default)]
pub struct ClientHello {
    /// Frame of its first byte.
    pub at: Moment,
    /// Handshake message in bytes, header included, on the wire.
    pub bytes: u32,
    /// TCP segments it came in, retransmissions left out.
    pub segments: u16,
    /// When the last byte of it was first sent; absent while bytes are missing.
    pub complete: Option<Moment>,
    /// When the other side acknowledged its last byte.
    pub acked: Option<Moment>,
    /// Payload length of its largest segment, in bytes.
    pub largest_segment: u32,
    /// `random`.
    pub random: [u8; 32],
    /// The rest; absent fields where the capture cut it.
    pub shape: Arc<ClientHelloShape>,
    /// The snap length or a gap hides part of it.
    pub cut: bool,
}

/// A ServerHello.
#[derive(Clone, Debug, Default)]
pub struct ServerHello {
    /// Frame of its first byte.
    pub at: Moment,
    /// Version chosen, `supported_versions` heeded.
    pub version: ProtocolVersion,
    /// Cipher suite chosen.
    pub cipher: CipherSuite,
    /// Group of `key_share`.
    pub group: Option<NamedGroup>,
    /// ALPN chosen, where it is in the clear.
    pub alpn: Option<String>,
    /// A session was resumed.
    pub resumed: bool,
    /// `random`, as long as the session lasts: records do not keep it.
    pub random: [u8; 32],
}

/// A certificate as far as it is of use, interned by its bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificate {
    /// Subject as RFC 4514 text.
    pub subject: String,
    /// Issuer as RFC 4514 text.
    pub issuer: String,
    /// Subject common name.
    pub common_name: Option<String>,
    /// Subject alternative names: DNS names and addresses as text.
    pub sans: Vec<String>,
    /// How many of those there are beyond the ones that are kept.
    pub sans_beyond: u32,
    /// Validity begins.
    pub not_before: Option<Timestamp>,
    /// Validity ends.
    pub not_after: Option<Timestamp>,
    /// Serial number in lower-case hex without separators.
    pub serial: String,
    /// SHA-256 of the DER bytes in lower-case hex.
    pub sha256: String,
    /// `authorityKeyIdentifier` in hex.
    pub authority_key_id: Option<String>,
    /// `subjectKeyIdentifier` in hex.
    pub subject_key_id: Option<String>,
    /// Subject and issuer are the same name.
    pub self_issued: bool,
    /// Basic constraints say CA.
    pub ca: bool,
    /// Extended key usage words: `serverAuth`, `clientAuth`, …
    pub extended_key_usage: Vec<String>,
    /// The DER bytes could not be parsed: why.
    pub problem: Option<String>,
}

/// A client's answer to a CertificateRequest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCertificate {
    /// No Certificate message was seen.
    Absent,
    /// A Certificate message without a certificate.
    Empty,
    /// At least one certificate.
    Sent,
}

/// An alert, seen or inferred.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Alert {
    /// Who sent it.
    pub from: Dir,
    /// When.
    pub at: Moment,
    /// 1 warning, 2 fatal; absent when encrypted and not decrypted.
    pub level: Option<u8>,
    /// Absent when encrypted and not decrypted.
    pub description: Option<AlertDescription>,
    /// It was encrypted on the wire: inferred from the record's length and place, unless it was decrypted.
    pub encrypted: bool,
    /// It was read with the secrets of a key log.
    pub decrypted: bool,
    /// How sure it is that this is an alert.
    pub confidence: Confidence,
    /// The place in the handshake says that it is no close_notify.
    pub fatal: bool,
}

/// The phase that a TLS session had reached when the flow ended or the capture did, in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// No byte of a ClientHello.
    #[default]
    NoHello,
    /// A ClientHello began and is not complete.
    HelloPartial,
    /// A complete ClientHello, not acknowledged.
    HelloUnacked,
    /// A complete ClientHello, acknowledged, and silence.
    HelloAcked,
    /// The server's flight began.
    ServerFlightPartial,
    /// The server's flight is complete (ServerHelloDone, or in TLS 1.3 as far as lengths and order show).
    ServerFlightDone,
    /// The client's Finished.
    ClientFinished,
    /// Application data of the client after its Finished.
    RequestSent,
    /// Application data of the server after that.
    ResponseBegun,
    /// close_notify or FIN of both sides after a response or a complete handshake.
    Closed,
}

impl Phase {
    /// snake_case, as in the output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoHello => "no_hello",
            Self::HelloPartial => "hello_partial",
            Self::HelloUnacked => "hello_unacked",
            Self::HelloAcked => "hello_acked",
            Self::ServerFlightPartial => "server_flight_partial",
            Self::ServerFlightDone => "server_flight_done",
            Self::ClientFinished => "client_finished",
            Self::RequestSent => "request_sent",
            Self::ResponseBegun => "response_begun",
            Self::Closed => "closed",
        }
    }
}

/// Consecutive application data of one side, without a pause of a second or more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Burst {
    /// Who sent it.
    pub dir: Dir,
    /// First segment of it.
    pub first: Moment,
    /// Last segment of it.
    pub last: Moment,
    /// Bytes of application data records, record headers included.
    pub bytes: u64,
    /// When the other side had acknowledged all of it.
    pub acked: Option<Moment>,
}

/// What is known of a TLS session in the end.
#[derive(Clone, Debug, Default)]
pub struct TlsFacts {
    /// Which side is the TLS client; absent when no hello tells.
    pub client: Option<Dir>,
    /// First ClientHello.
    pub client_hello: Option<Box<ClientHello>>,
    /// A HelloRetryRequest came: when.
    pub hello_retry: Option<Moment>,
    /// ServerHello (not a HelloRetryRequest).
    pub server_hello: Option<Box<ServerHello>>,
    /// The server's chain as sent, where it is in the clear.
    pub certificates: Vec<Arc<Certificate>>,
    /// A CertificateRequest was seen, or inferred (see `certificate_request_confidence`).
    pub certificate_requested: Option<Moment>,
    /// `Exact` when seen.
    pub certificate_request_confidence: Option<Confidence>,
    /// The client's answer, where it is known.
    pub client_certificate: Option<ClientCertificate>,
    /// How sure that is; `Exact` when seen.
    pub client_certificate_confidence: Option<Confidence>,
    /// The client's chain, where it is in the clear.
    pub client_certificates: Vec<Arc<Certificate>>,
    /// In order.
    pub alerts: Vec<Alert>,
    /// How far it got.
    pub phase: Phase,
    /// When each step was first reached.
    pub server_flight_done: Option<Moment>,
    /// The client's Finished.
    pub client_finished: Option<Moment>,
    /// First application data of the client.
    pub request: Option<Moment>,
    /// First application data of the server after the client's.
    pub response: Option<Moment>,
    /// First TLS byte of the server.
    pub server_first: Option<Moment>,
    /// Which side the session waits for at the end.
    pub waits_for: Option<Dir>,
    /// Since when: the last step that it made or the last data that it carried.
    pub waits_since: Option<Moment>,
    /// TLS record bytes by side.
    pub bytes: PerDir<u64>,
    /// Application data after the handshake: the first 8 bursts, the last 8, and those in between that were followed
    /// by a pause of a second or more (at most 64), in order.
    pub bursts: Vec<Burst>,
    /// Zeek `ssl_history`.
    pub history: String,
    /// The session began before the capture did.
    pub midstream: bool,
    /// HTTP CONNECT through a proxy came first: status code of the proxy's answer, 0 while there is none.
    pub connect_status: Option<u16>,
    /// What the secrets of a key log showed, where it has those of this session.
    pub decrypted: Option<Box<Decrypted>>,
}

impl TlsFacts {
    /// The random of the ClientHello, where all of it was captured: no other connection has it.
    pub fn client_random(&self) -> Option<&[u8; 32]> {
        let hello = self.client_hello.as_ref()?;
        (!hello.cut || hello.random != [0; 32]).then_some(&hello.random)
    }
}

/// What the payload of a TCP flow turned out to be.
#[derive(Clone, Debug, Default)]
pub struct SessionFacts {
    /// TLS facts, when either side spoke TLS.
    pub tls: Option<Box<TlsFacts>>,
    /// What a side spoke first that is not TLS.
    pub first_bytes: PerDir<Option<FirstBytes>>,
    /// Plain HTTP.
    pub http: Option<Box<HttpFacts>>,
}
