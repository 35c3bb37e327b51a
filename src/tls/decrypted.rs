//! What the secrets of a key log showed of a session: the types of its facts.
//!
//! Filled by [`super::reveal`]; no secret is among them.

use super::HttpFacts;
use crate::flow::{Dir, Moment, PerDir};

/// What the secrets of a key log showed of a session, beside the facts of the session that they made exact.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decrypted {
    /// Records that were opened, by side.
    pub records: PerDir<u32>,
    /// Where and why that ended before the end of the session, by side.
    pub stopped: PerDir<Option<Stopped>>,
    /// KeyUpdate messages, by side.
    pub key_updates: PerDir<u32>,
    /// First HTTP/1 request, and first status of HTTP/1 or HTTP/2.
    pub http: Option<HttpFacts>,
    /// Responses, interim ones left out.
    pub responses: u32,
    /// Status of the last of them, and when.
    pub last_status: Option<(u16, Moment)>,
    /// Last GOAWAY of HTTP/2.
    pub goaway: Option<GoAway>,
    /// First RST_STREAM frames of HTTP/2, at most 16.
    pub resets: Vec<StreamReset>,
}

/// Where and why decryption of a side ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stopped {
    /// The record that could not be opened, or the last one before a hole.
    pub at: Moment,
    /// Why.
    pub why: DecryptionStop,
}

/// Why decryption of a side ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DecryptionStop {
    /// The secret does not open the record.
    WrongKey,
    /// The key log has no secret for what follows.
    NoSecret,
    /// The capture does not show every byte.
    BytesMissing,
    /// The cipher suite is neither AES-GCM nor ChaCha20-Poly1305.
    UnknownSuite,
    /// The session was negotiated anew under new keys.
    Renegotiated,
}

impl DecryptionStop {
    /// snake_case, as in the output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::WrongKey => "wrong_key",
            Self::NoSecret => "no_secret",
            Self::BytesMissing => "bytes_missing",
            Self::UnknownSuite => "unknown_suite",
            Self::Renegotiated => "renegotiated",
        }
    }
}

/// GOAWAY of HTTP/2 (RFC 9113 §6.8).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GoAway {
    /// Who sent it.
    pub from: Dir,
    /// When.
    pub at: Moment,
    /// Last stream that was or may be processed.
    pub last_stream: u32,
    /// Name of the error code, such as `NO_ERROR`.
    pub error: String,
}

/// RST_STREAM of HTTP/2 (RFC 9113 §6.4).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamReset {
    /// Who sent it.
    pub from: Dir,
    /// When.
    pub at: Moment,
    /// Stream.
    pub stream: u32,
    /// Name of the error code, such as `REFUSED_STREAM`.
    pub error: String,
}
