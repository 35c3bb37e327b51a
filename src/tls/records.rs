//! A direction's bytes in order in, TLS records and plaintext handshake messages out (RFC 8446 §5.1, RFC 5246 §6.2).
//!
//! Walks record headers without copying; copies bytes of a handshake message only while it is incomplete. A hole inside
//! a record is stepped over; any other hole loses the place, and the walk takes up again at a segment that begins with
//! a plausible header. Never looks into what is encrypted.

use super::shape::{plausible, starts_record};
use crate::flow::Moment;
use crate::flow::order::Chunk;

mod messages;

/// `ContentType` of RFC 8446 §5.1 and RFC 6520.
pub(super) mod content {
    pub(crate) const CHANGE_CIPHER_SPEC: u8 = 20;
    pub(crate) const ALERT: u8 = 21;
    pub(crate) const HANDSHAKE: u8 = 22;
    pub(crate) const APPLICATION_DATA: u8 = 23;
    pub(crate) const HEARTBEAT: u8 = 24;
}

/// A record's header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Record {
    /// Content type.
    pub(super) kind: u8,
    /// Body in bytes.
    pub(super) length: u16,
    /// Frame of its first byte.
    pub(super) at: Moment,
}

/// A handshake message, or what there is of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'a> {
    /// Handshake type.
    pub(super) kind: u8,
    /// What there is of its body.
    pub(super) body: &'a [u8],
    /// Its length on the wire, header included, in bytes.
    pub(super) length: u32,
    /// Whether it is all there.
    pub(super) ending: Ending,
    /// Segments it came in.
    pub(super) span: Span,
    /// Place after its last byte in the stream, or, if incomplete, where that will be if no other header follows.
    pub(super) end: i64,
}

/// Why a message ends where it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// It is complete.
    Complete,
    /// A hole or the snap length hides the rest.
    Cut,
    /// The flow ended.
    Unfinished,
}

/// The segments that something came in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    /// Segment of its first byte.
    pub(super) first: Moment,
    /// Latest segment.
    pub(super) last: Moment,
    /// How many.
    pub(super) segments: u16,
    /// Payload length of the largest, in bytes.
    pub(super) largest: u32,
}

/// Is told what a direction's records hold.
pub(super) trait Sink {
    /// A record begins.
    fn record(&mut self, record: &Record);
    /// `bytes` of application data records, headers included, that end at `end` of the stream.
    fn application(&mut self, bytes: u32, end: i64, at: Moment);
    /// A plaintext handshake message, or what there is of one.
    fn handshake(&mut self, message: &Message<'_>);
    /// A handshake message that begins at `at` is longer than what is kept of one.
    fn too_long(&mut self, at: Moment);
    /// The rest of a message that was cut has passed: its span, all of it seen on the wire.
    fn passed(&mut self, kind: u8, span: Span, end: i64);
    /// A plaintext alert.
    fn alert(&mut self, level: u8, description: u8, at: Moment);
    /// A piece of a record's body, of any type.
    fn body(&mut self, data: &[u8]);
    /// Bytes are missing after a record began at `at`: all `inside` that record, or more than that.
    fn missing(&mut self, inside: bool, at: Moment);
    /// So many bytes are missing from where a record ended on.
    fn lost(&mut self, bytes: i64);
}

/// The state of one direction.
#[derive(Debug, Default)]
pub(super) struct Walker {
    header: [u8; 5],
    header_have: u8,
    alert_have: u8,
    lost: bool,
    /// Handshake records are encrypted from here on.
    opaque: bool,
    /// ChangeCipherSpec says nothing about encryption: TLS 1.3 with a HelloRetryRequest.
    plain_after_ccs: bool,
    /// A hole hides where the next handshake message begins: until the next record.
    astray: bool,
    /// All that passed of the message being skipped was on the wire.
    skip_seen: bool,
    record: Record,
    left: u32,
    /// Bytes of a cut message that are still to pass, and its type.
    skip: u32,
    skip_kind: u8,
    alert: [u8; 2],
    message: Vec<u8>,
    span: Span,
    records: u32,
}

impl Walker {
    /// Whether it has found no record so far and will not.
    pub(super) const fn hopeless(&self) -> bool {
        self.lost && self.records == 0
    }

    /// Bytes copied.
    pub(super) fn held_bytes(&self) -> usize {
        self.message.capacity()
    }

    /// A HelloRetryRequest: hellos follow in the clear whatever ChangeCipherSpec says.
    pub(super) const fn expect_plain_hello(&mut self) {
        self.plain_after_ccs = true;
        self.opaque = false;
    }

    /// Walks on over a run of bytes.
    pub(super) fn walk(&mut self, chunk: &Chunk<'_>, sink: &mut impl Sink) {
        let mut rest = *chunk;
        if self.lost {
            if !starts_record(rest.data) {
                return;
            }
            self.lost = false;
            self.astray = true;
        }
        while !rest.data.is_empty() && !self.lost {
            rest = if self.left == 0 { self.walk_header(rest, sink) } else { self.walk_body(rest, sink) };
        }
        if chunk.cut > 0 {
            self.gap(i64::from(chunk.cut), true, chunk, sink);
        }
    }

    /// `missing` bytes after the last ones are not there. `sent`: they were on the wire in the segment of `near`.
    pub(super) fn gap(&mut self, missing: i64, sent: bool, near: &Chunk<'_>, sink: &mut impl Sink) {
        if self.lost || missing <= 0 {
            return;
        }
        let inside = self.header_have == 0 && missing <= i64::from(self.left);
        let hidden = if inside { missing as u32 } else { self.left };
        if self.record.kind == content::HANDSHAKE && !self.opaque && self.left > 0 {
            self.hide(hidden, sent, near, sink);
        }
        if self.record.kind == content::APPLICATION_DATA && sent && hidden > 0 {
            let end = near.offset + near.data.len() as i64 + i64::from(hidden);
            sink.application(hidden, end, near.at);
        }
        self.left -= hidden;
        sink.missing(inside, self.record.at);
        if self.left == 0 && hidden == 0 && self.header_have == 0 {
            sink.lost(missing);
        }
        if !inside {
            self.cut_message(Ending::Cut, near.offset, sink);
            self.lost = true;
            self.left = 0;
            self.header_have = 0;
            self.skip = 0;
        }
    }

    /// Gives an incomplete message as far as it is there.
    pub(super) fn finish(&mut self, end: i64, sink: &mut impl Sink) {
        self.cut_message(Ending::Unfinished, end, sink);
    }

    /// Forgets what was copied.
    pub(super) fn drop_held(&mut self, sink: &mut impl Sink) {
        self.cut_message(Ending::Cut, 0, sink);
        sink.missing(false, self.record.at);
        self.message = Vec::new();
        self.astray = true;
    }

    fn walk_header<'a>(&mut self, chunk: Chunk<'a>, sink: &mut impl Sink) -> Chunk<'a> {
        if self.header_have == 0 {
            self.record.at = chunk.at;
        }
        let rest = match chunk.data.first_chunk() {
            // Nearly every header is whole.
            Some(header) if self.header_have == 0 => {
                self.header = *header;
                chunk.after(self.header.len())
            }
            _ => {
                let rest = self.header_piece(chunk);
                if usize::from(self.header_have) < self.header.len() {
                    return rest;
                }
                rest
            }
        };
        self.header_have = 0;
        if !plausible(self.header) {
            self.cut_message(Ending::Cut, chunk.offset, sink);
            sink.missing(false, self.record.at);
            self.lost = true;
            return rest;
        }
        let [kind, _, _, high, low] = self.header;
        self.begin(kind, u16::from_be_bytes([high, low]), &rest, sink);
        rest
    }

    /// Takes what there is of a header.
    fn header_piece<'a>(&mut self, chunk: Chunk<'a>) -> Chunk<'a> {
        let have = usize::from(self.header_have);
        let take = (self.header.len() - have).min(chunk.data.len());
        for (to, from) in self.header.iter_mut().skip(have).zip(chunk.data) {
            *to = *from;
        }
        self.header_have += take as u8;
        chunk.after(take)
    }

    fn begin(&mut self, kind: u8, length: u16, rest: &Chunk<'_>, sink: &mut impl Sink) {
        self.record = Record { kind, length, at: self.record.at };
        self.left = u32::from(length);
        self.alert_have = 0;
        self.records = self.records.saturating_add(1);
        sink.record(&self.record);
        match kind {
            content::CHANGE_CIPHER_SPEC => self.opaque |= !self.plain_after_ccs,
            content::APPLICATION_DATA => sink.application(HEADER_BYTES, rest.offset, rest.at),
            _ => {}
        }
    }

    fn walk_body<'a>(&mut self, chunk: Chunk<'a>, sink: &mut impl Sink) -> Chunk<'a> {
        let take = chunk.data.len().min(self.left as usize);
        self.left -= take as u32;
        let (body, rest) = (chunk.until(take), chunk.after(take));
        sink.body(body.data);
        match self.record.kind {
            content::APPLICATION_DATA => sink.application(take as u32, rest.offset, chunk.at),
            content::HANDSHAKE if !self.opaque => self.handshake(body, sink),
            content::ALERT if self.record.length == 2 => self.alert_bytes(&body, sink),
            _ => {}
        }
        rest
    }

    fn alert_bytes(&mut self, body: &Chunk<'_>, sink: &mut impl Sink) {
        for &byte in body.data {
            if let Some(to) = self.alert.get_mut(usize::from(self.alert_have)) {
                *to = byte;
            }
            self.alert_have = self.alert_have.saturating_add(1);
        }
        if self.alert_have == 2 {
            let [level, description] = self.alert;
            sink.alert(level, description, self.record.at);
        }
    }
}

/// Bytes of a record header.
const HEADER_BYTES: u32 = 5;
