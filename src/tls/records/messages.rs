//! Handshake messages out of the bodies of plaintext records: over several records, cut, or with holes in them.
//!
//! Copies a message only while it is incomplete. RFC 8446 §5.1, RFC 5246 §6.2.1.

use super::super::intern::MAX_MESSAGE;
use super::super::shape::{clear_message_type, message_header, message_type};
use super::{Ending, Message, Sink, Span, Walker};
use crate::flow::order::Chunk;

impl Walker {
    /// A piece of the body of a plaintext handshake record.
    pub(super) fn handshake(&mut self, mut body: Chunk<'_>, sink: &mut impl Sink) {
        if self.skip > 0 {
            body = self.pass(body, sink);
        }
        if body.data.is_empty() {
            return;
        }
        if self.message.is_empty() {
            if !self.message_may_begin(body.data) {
                return;
            }
            self.span = self.span_from(&body);
            let rest = self.whole_messages(body, sink);
            if let Some((_, length)) = message_header(rest.data) {
                self.message.reserve_exact((length as usize).min(MAX_MESSAGE));
            }
            self.message.extend_from_slice(rest.data);
        } else {
            self.touch(&body);
            let mut message = std::mem::take(&mut self.message);
            message.extend_from_slice(body.data);
            let start = body.offset + body.data.len() as i64 - message.len() as i64;
            let all = Chunk { offset: start, data: &message, ..body };
            let used = message.len() - self.whole_messages(all, sink).data.len();
            message.drain(..used);
            self.message = message;
        }
        if self.message.len() > MAX_MESSAGE {
            sink.too_long(self.span.first);
            self.cut_message(Ending::Cut, body.offset + body.data.len() as i64, sink);
        }
        if self.message.is_empty() && self.message.capacity() > 0 {
            self.message = Vec::new();
        }
    }

    /// The span of a message that begins here: with the header of its record, where that was in an earlier segment.
    fn span_from(&self, body: &Chunk<'_>) -> Span {
        let whole = self.left as usize + body.data.len() == usize::from(self.record.length);
        let split = whole && self.record.at != body.at;
        let first = if split { self.record.at } else { body.at };
        Span { first, last: body.at, segments: 1 + u16::from(split), largest: body.segment }
    }

    /// Whether a message begins here; else the rest is encrypted, or (after a hole) the place is unknown.
    fn message_may_begin(&mut self, data: &[u8]) -> bool {
        let at_start = self.left as usize + data.len() == usize::from(self.record.length);
        if self.astray && !at_start {
            return false;
        }
        let kind = if self.astray { message_type(data) } else { clear_message_type(data) };
        let plausible = kind.is_some();
        if !plausible && !self.astray {
            self.opaque = true;
        }
        self.astray &= !plausible;
        plausible
    }

    /// Gives each message that is complete; what is left is the start of one that is not.
    fn whole_messages<'a>(&mut self, mut body: Chunk<'a>, sink: &mut impl Sink) -> Chunk<'a> {
        loop {
            let Some((kind, length)) = message_header(body.data) else { return body };
            if clear_message_type(body.data).is_none() {
                self.opaque = true;
                return body.after(body.data.len());
            }
            let Some(content) = body.data.get(4..length as usize) else { return body };
            let end = body.offset + i64::from(length);
            sink.handshake(&Message {
                kind,
                body: content,
                length,
                ending: Ending::Complete,
                span: self.span,
                end,
            });
            body = body.after(length as usize);
            self.span = Span { first: body.at, last: body.at, segments: 1, largest: body.segment };
        }
    }

    /// Lets bytes of a cut message pass.
    fn pass<'a>(&mut self, body: Chunk<'a>, sink: &mut impl Sink) -> Chunk<'a> {
        self.touch(&body);
        let take = body.data.len().min(self.skip as usize);
        self.passed(take as u32, body.offset + take as i64, sink);
        body.after(take)
    }

    fn passed(&mut self, bytes: u32, end: i64, sink: &mut impl Sink) {
        self.skip -= bytes.min(self.skip);
        if self.skip == 0 && self.skip_seen {
            sink.passed(self.skip_kind, self.span, end);
        }
    }

    /// `hidden` bytes of a plaintext handshake record are not there.
    pub(super) fn hide(&mut self, hidden: u32, sent: bool, near: &Chunk<'_>, sink: &mut impl Sink) {
        if self.skip == 0 {
            if message_header(&self.message).is_none() {
                self.message.clear();
                self.astray = true;
                return;
            }
            self.cut_message(Ending::Cut, near.offset + near.data.len() as i64, sink);
        }
        self.skip_seen &= sent;
        if hidden > self.skip {
            self.astray = true;
        }
        self.passed(hidden, near.offset + near.data.len() as i64 + i64::from(hidden), sink);
    }

    /// Gives what there is of an incomplete message and lets the rest of it pass.
    pub(super) fn cut_message(&mut self, ending: Ending, place: i64, sink: &mut impl Sink) {
        let message = std::mem::take(&mut self.message);
        let Some((kind, length)) = message_header(&message) else { return };
        let missing = (length as usize).saturating_sub(message.len()) as u32;
        let body = message.get(4..).unwrap_or_default();
        let end = place.saturating_add(i64::from(missing));
        sink.handshake(&Message { kind, body, length, ending, span: self.span, end });
        (self.skip, self.skip_kind, self.skip_seen) = (missing, kind, true);
    }

    fn touch(&mut self, chunk: &Chunk<'_>) {
        if self.span.last != chunk.at {
            self.span.segments = self.span.segments.saturating_add(1);
            self.span.last = self.span.last.max(chunk.at);
            self.span.first = self.span.first.min(chunk.at);
            self.span.largest = self.span.largest.max(chunk.segment);
        }
    }
}
