//! What a side spoke that is not TLS: its first bytes named, and the head of an HTTP/1 request or response read.
//!
//! Takes the start of a plaintext direction; keeps at most 4 KiB of it until the head is complete (RFC 9112 §2).
//! Never reads a body.

use crate::flow::Moment;
use crate::flow::order::Chunk;

/// What a side spoke that is not TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FirstBytes {
    /// `GET / HTTP/1.1` and the like.
    HttpRequest,
    /// `HTTP/1.1 200 OK` and the like.
    HttpResponse,
    /// HTTP/2 connection preface without TLS.
    Http2Preface,
    /// PROXY protocol v1 or v2.
    ProxyProtocol,
    /// `SSH-2.0-…`.
    Ssh,
    /// Printable text.
    Text,
    /// Anything else.
    Binary,
}

impl FirstBytes {
    /// snake_case, as in the output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::HttpRequest => "http_request",
            Self::HttpResponse => "http_response",
            Self::Http2Preface => "http2_preface",
            Self::ProxyProtocol => "proxy_protocol",
            Self::Ssh => "ssh",
            Self::Text => "text",
            Self::Binary => "binary",
        }
    }
}

/// Plain HTTP/1 on a flow: its first exchange, and what a proxy was asked to connect to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpFacts {
    /// Request method.
    pub method: Option<String>,
    /// Request target, cut at 256 bytes.
    pub target: Option<String>,
    /// `Host`.
    pub host: Option<String>,
    /// Frame of the request.
    pub request: Option<Moment>,
    /// Status code of the first response.
    pub status: Option<u16>,
    /// Frame of the response.
    pub response: Option<Moment>,
}

/// One direction that does not speak TLS, or not yet.
#[derive(Debug, Default)]
pub(super) struct Plain {
    head: Vec<u8>,
    at: Option<Moment>,
    segments: u16,
    scanned: u32,
    done: bool,
}

/// The head of a request or of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Head {
    /// Method, target and host.
    Request {
        /// For example `GET`.
        method: String,
        /// As sent, cut at 256 bytes.
        target: String,
        /// `Host`, cut at 256 bytes.
        host: Option<String>,
    },
    /// Status code.
    Response(u16),
}

impl Plain {
    /// Whether more of it may still tell something: a head that is incomplete, or TLS that follows (STARTTLS).
    pub(super) const fn wants_more(&self) -> bool {
        self.segments < MAX_SEGMENTS
    }

    /// Whether this segment is still searched for a ClientHello that begins inside it.
    pub(super) fn scans(&mut self, bytes: usize) -> bool {
        let scans = self.scanned < MAX_SCANNED;
        self.scanned = self.scanned.saturating_add(bytes as u32);
        scans
    }

    /// Bytes copied.
    pub(super) fn held_bytes(&self) -> usize {
        self.head.capacity()
    }

    /// Frame of its first byte.
    pub(super) const fn at(&self) -> Option<Moment> {
        self.at
    }

    /// Takes bytes; gives what they are once that can be told.
    pub(super) fn push(&mut self, chunk: &Chunk<'_>) -> Option<(FirstBytes, Option<Head>)> {
        self.segments = self.segments.saturating_add(1);
        self.at.get_or_insert(chunk.at);
        if self.done {
            return None;
        }
        let room = MAX_HEAD.saturating_sub(self.head.len());
        let taken = chunk.data.get(..room).unwrap_or(chunk.data);
        if self.head.is_empty() && head_is_whole(taken) {
            self.done = true;
            return Some(judge(taken));
        }
        self.head.extend_from_slice(taken);
        (head_is_whole(&self.head) || chunk.cut > 0).then(|| self.close())?
    }

    /// What there is, at the end of the direction.
    pub(super) fn close(&mut self) -> Option<(FirstBytes, Option<Head>)> {
        let head = std::mem::take(&mut self.head);
        if std::mem::replace(&mut self.done, true) || head.is_empty() {
            return None;
        }
        Some(judge(&head))
    }
}

/// Whether no more bytes are needed to judge.
fn head_is_whole(head: &[u8]) -> bool {
    match name(head) {
        FirstBytes::HttpRequest | FirstBytes::HttpResponse => {
            head.len() >= MAX_HEAD || memchr::memmem::find(head, b"\r\n\r\n").is_some()
        }
        _ => head.len() >= ENOUGH,
    }
}

fn judge(head: &[u8]) -> (FirstBytes, Option<Head>) {
    let kind = name(head);
    let parsed = match kind {
        FirstBytes::HttpRequest => request(head),
        FirstBytes::HttpResponse => response(head),
        _ => None,
    };
    (kind, parsed)
}

/// Names the first bytes.
fn name(head: &[u8]) -> FirstBytes {
    const PROXY_V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
    if head.starts_with(b"PRI * HTTP/2") {
        FirstBytes::Http2Preface
    } else if head.starts_with(b"HTTP/1.") {
        FirstBytes::HttpResponse
    } else if METHODS.iter().any(|m| head.starts_with(m)) {
        FirstBytes::HttpRequest
    } else if head.starts_with(b"PROXY ") || head.starts_with(PROXY_V2) {
        FirstBytes::ProxyProtocol
    } else if head.starts_with(b"SSH-") {
        FirstBytes::Ssh
    } else if head.iter().take(ENOUGH).all(|b| matches!(b, b'\t' | b'\r' | b'\n' | b' '..=b'~')) {
        FirstBytes::Text
    } else {
        FirstBytes::Binary
    }
}

/// `GET /healthz HTTP/1.1`, then header lines.
fn request(head: &[u8]) -> Option<Head> {
    let mut lines = head.split(|&b| b == b'\n').map(<[u8]>::trim_ascii_end);
    let mut words = lines.next()?.split(|&b| b == b' ');
    let (method, target) = (text(words.next()?), text(words.next()?));
    let host = lines.take_while(|line| !line.is_empty()).find_map(|line| {
        let (field, value) = line.split_at_checked(5)?;
        field.eq_ignore_ascii_case(b"host:").then(|| text(value.trim_ascii()))
    });
    Some(Head::Request { method, target, host })
}

/// `HTTP/1.1 503 Service Unavailable`.
fn response(head: &[u8]) -> Option<Head> {
    status(head).map(Head::Response)
}

/// The code of a status line.
pub(super) fn status(head: &[u8]) -> Option<u16> {
    let code = head.strip_prefix(b"HTTP/1.")?.split(|&b| b == b' ' || b == b'\r').nth(1)?;
    let &[a, b, c] = <&[u8; 3]>::try_from(code).ok()?;
    let digit = |byte: u8| byte.is_ascii_digit().then(|| u16::from(byte - b'0'));
    Some(digit(a)? * 100 + digit(b)? * 10 + digit(c)?)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.get(..MAX_TEXT).unwrap_or(bytes)).into_owned()
}

/// Methods of RFC 9110 §9 and RFC 5789, with the space that follows.
const METHODS: [&[u8]; 9] =
    [b"GET ", b"POST ", b"PUT ", b"HEAD ", b"DELETE ", b"PATCH ", b"OPTIONS ", b"CONNECT ", b"TRACE "];
/// Bytes after which what is no HTTP is named.
const ENOUGH: usize = 12;
/// Bytes of a head that are read.
const MAX_HEAD: usize = 4096;
/// Bytes of a target or a host that are kept.
const MAX_TEXT: usize = 256;
/// Segments of a plaintext direction whose start is compared with a TLS record.
const MAX_SEGMENTS: u16 = 64;
/// Bytes of a plaintext direction that are searched for a ClientHello inside a segment.
const MAX_SCANNED: u32 = 16 << 10;
