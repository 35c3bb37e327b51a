//! One direction's segments in, its bytes in stream order out (RFC 9293 §3.10.7.4, without the window).
//!
//! For `tls` and `dns`, which read what is said. Retransmitted bytes are dropped, early ones are held back within bounds,
//! and a hole is given up when the capture will not fill it. Copies only what came early; a segment in order passes
//! through untouched.

use super::{Moment, Payload};
use crate::time::TimeDelta;

/// A run of bytes in stream order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chunk<'a> {
    /// Place of its first byte in the stream.
    pub(crate) offset: i64,
    /// What was captured.
    pub(crate) data: &'a [u8],
    /// Bytes after it that the snap length cut.
    pub(crate) cut: u32,
    /// Frame and time.
    pub(crate) at: Moment,
    /// Payload length of its segment, in bytes.
    pub(crate) segment: u32,
}

impl Chunk<'_> {
    /// Without its first `n` bytes.
    pub(crate) fn after(self, n: usize) -> Self {
        Self { offset: self.offset + n as i64, data: self.data.get(n..).unwrap_or_default(), ..self }
    }

    /// Its first `n` bytes, with no cut after them.
    pub(crate) fn until(self, n: usize) -> Self {
        Self { data: self.data.get(..n).unwrap_or(self.data), cut: 0, ..self }
    }
}

/// A segment that came early.
#[derive(Debug)]
pub(crate) struct Held {
    offset: i64,
    length: u32,
    data: Box<[u8]>,
    at: Moment,
}

impl Held {
    /// As a chunk from `from` on; `None` if all of it lies before.
    pub(crate) fn chunk(&self, from: i64) -> Option<Chunk<'_>> {
        chunk(self.offset, self.length, &self.data, self.at, from)
    }
}

/// What comes next.
#[derive(Debug)]
pub(crate) enum Next {
    /// Bytes that were held back, and where the stream had got to.
    Bytes(Held, i64),
    /// A hole of this many bytes that is given up.
    Hole(i64),
    /// The same, since too much waits behind it; what waits first came at this moment.
    Full(i64, Moment),
}

/// Where a direction's stream has got to, and what came early.
#[derive(Debug, Default)]
pub(crate) struct Order {
    next: i64,
    acked: i64,
    held: Vec<Held>,
    held_bytes: usize,
    /// The capture will not fill the next hole.
    overdue: bool,
}

impl Order {
    /// Offers a segment: gives it (from its first new byte) if it is next, else holds or drops it.
    pub(crate) fn offer<'a>(&mut self, payload: &Payload<'a>) -> Option<Chunk<'a>> {
        if payload.offset > self.next {
            self.hold(payload);
            return None;
        }
        let chunk = chunk(payload.offset, payload.length, payload.data, payload.at, self.next)?;
        self.next = payload.offset.saturating_add(i64::from(payload.length));
        Some(chunk)
    }

    /// What the last segment made available; `finish` gives up every hole.
    pub(crate) fn next(&mut self, finish: bool) -> Option<Next> {
        let first = self.held.first()?;
        if first.offset > self.next {
            let full = self.held.len() >= MAX_SEGMENTS || self.held_bytes >= MAX_BYTES;
            let given_up = self.gives_up(first.offset);
            if !finish && !given_up && !full {
                return None;
            }
            let hole = first.offset - self.next;
            self.next = first.offset;
            self.overdue = false;
            return Some(if finish || given_up { Next::Hole(hole) } else { Next::Full(hole, first.at) });
        }
        let held = self.held.remove(0);
        self.held_bytes = self.held_bytes.saturating_sub(held.data.len());
        let from = self.next;
        self.next = from.max(held.offset.saturating_add(i64::from(held.length)));
        Some(Next::Bytes(held, from))
    }

    /// The other side acknowledged up to `offset`.
    pub(crate) fn acknowledge(&mut self, offset: i64) {
        self.acked = self.acked.max(offset);
    }

    /// The other side says something at `at`: what it acknowledged a while after a hole, it has, and it may be answering
    /// what lies behind that.
    pub(crate) fn answered(&mut self, at: Moment) {
        let behind = self.held.first().filter(|h| self.acked >= h.offset);
        self.overdue = behind.is_some_and(|h| at.time - h.at.time >= DISORDER);
    }

    /// Bytes held back.
    pub(crate) const fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// Forgets what is held back.
    pub(crate) fn drop_held(&mut self) {
        self.held = Vec::new();
        self.held_bytes = 0;
    }

    /// The capture will not fill a hole when the receiver has what lies behind it (the capture may show an
    /// acknowledgment a little before the segment, so a few segments are awaited, or its answer).
    fn gives_up(&self, hole_end: i64) -> bool {
        self.overdue || (self.acked >= hole_end && self.held.len() >= PATIENCE)
    }

    fn hold(&mut self, payload: &Payload<'_>) {
        let place = self.held.partition_point(|h| h.offset <= payload.offset);
        let before = place.checked_sub(1).and_then(|i| self.held.get(i));
        if before.is_some_and(|h| h.offset == payload.offset && h.data.len() >= payload.data.len()) {
            return;
        }
        self.held_bytes += payload.data.len();
        let held = Held {
            offset: payload.offset,
            length: payload.length,
            data: payload.data.into(),
            at: payload.at,
        };
        self.held.insert(place, held);
    }
}

fn chunk(offset: i64, length: u32, data: &[u8], at: Moment, from: i64) -> Option<Chunk<'_>> {
    let skip = usize::try_from(from.checked_sub(offset)?).ok()?;
    if skip >= length as usize {
        return None;
    }
    let there = data.get(skip..).unwrap_or_default();
    let cut = (length as usize - skip).saturating_sub(there.len()) as u32;
    Some(Chunk { offset: from, data: there, cut, at, segment: length })
}

/// Segments held back at most.
const MAX_SEGMENTS: usize = 64;
/// Bytes held back at most: more than a usual flight behind one lost segment during a handshake, or a DNS message of the
/// largest size.
const MAX_BYTES: usize = 64 << 10;
/// Segments awaited behind a hole that was acknowledged.
const PATIENCE: usize = 8;
/// A capture shows packets of two directions out of order by less than this.
const DISORDER: TimeDelta = TimeDelta::from_millis(1);

#[cfg(test)]
mod tests {
    use super::super::{Dir, PerDir, Proto};
    use super::*;

    /// Tiny segments without end behind one gap, which is given up.
    #[test]
    fn segments_ahead_of_a_gap_are_bounded() {
        let mut order = Order::default();
        for n in 0..MAX_SEGMENTS as i64 {
            assert!(order.next(false).is_none(), "{n} wait");
            let payload = Payload {
                proto: Proto::Tcp,
                dir: Dir::Orig,
                offset: 10 + 2 * n,
                length: 1,
                data: b"x",
                at: Moment::default(),
                ports: PerDir::default(),
            };
            assert!(order.offer(&payload).is_none());
        }
        assert!(matches!(order.next(false), Some(Next::Full(10, _))));
    }
}
