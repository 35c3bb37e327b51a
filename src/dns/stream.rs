//! DNS over TCP: messages with two bytes of length before them (RFC 1035 §4.2.2).
//!
//! Takes one side's payload in capture order, with repeats, gaps and disorder; gives whole messages. Holds at most one
//! message and what lies beyond a gap, within bounds, and gives up a side whose gap stays.

use std::collections::BTreeMap;

/// One side of a connection.
#[derive(Debug, Default)]
pub(super) struct MessageStream {
    /// Place of the next byte in the stream.
    next: i64,
    /// Bytes before `next` that are no whole message yet.
    held: Vec<u8>,
    /// Payload that lies beyond a gap, by its place.
    ahead: BTreeMap<i64, Vec<u8>>,
    ahead_bytes: usize,
    given_up: bool,
}

impl MessageStream {
    /// Whether more payload is of use.
    pub(super) const fn wants(&self) -> bool {
        !self.given_up
    }

    /// Takes payload that lies `offset` bytes into the stream and had `length` bytes on the wire; gives the messages
    /// that it completes.
    pub(super) fn add(&mut self, offset: i64, data: &[u8], length: u32) -> Vec<Vec<u8>> {
        let mut messages = Vec::new();
        if self.given_up {
            return messages;
        }
        if offset > self.next {
            self.keep_ahead(offset, data);
            return messages;
        }
        self.append(offset, data);
        while let Some(entry) = self.ahead.first_entry().filter(|e| *e.key() <= self.next) {
            let (offset, data) = entry.remove_entry();
            self.ahead_bytes -= data.len();
            self.append(offset, &data);
        }
        self.split(&mut messages);
        if (data.len() as u64) < u64::from(length) {
            // The snap length cut it: what is left of the message begun may still hold its question.
            messages.extend(self.held.get(2..).filter(|rest| !rest.is_empty()).map(<[u8]>::to_vec));
            self.given_up = true;
        }
        messages
    }

    fn append(&mut self, offset: i64, data: &[u8]) {
        let seen = usize::try_from(self.next.saturating_sub(offset)).unwrap_or(0);
        let new = data.get(seen..).unwrap_or_default();
        self.held.extend_from_slice(new);
        self.next = self.next.saturating_add(new.len() as i64);
    }

    fn keep_ahead(&mut self, offset: i64, data: &[u8]) {
        if self.ahead_bytes + data.len() > MAX_AHEAD || self.ahead.len() >= MAX_PIECES {
            self.given_up = true;
            (self.held, self.ahead) = (Vec::new(), BTreeMap::new());
        } else if !self.ahead.contains_key(&offset) {
            self.ahead_bytes += data.len();
            self.ahead.insert(offset, data.to_vec());
        }
    }

    fn split(&mut self, messages: &mut Vec<Vec<u8>>) {
        let mut at = 0;
        while let Some(length) = self.held.get(at..).and_then(|b| b.first_chunk::<2>()) {
            let end = at + 2 + usize::from(u16::from_be_bytes(*length));
            let Some(message) = self.held.get(at + 2..end) else { break };
            messages.push(message.to_vec());
            at = end;
        }
        self.held.drain(..at);
    }
}

/// Bytes beyond a gap at most: one message of the largest size.
const MAX_AHEAD: usize = 65_537;
/// Pieces beyond a gap at most.
const MAX_PIECES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_out_whole_whatever_the_segments() {
        let bytes = b"\x00\x03abc\x00\x00\x00\x02de";
        let expected = [b"abc".to_vec(), b"".to_vec(), b"de".to_vec()];
        for cut in 0..=bytes.len() {
            let mut stream = MessageStream::default();
            let (first, second) = bytes.split_at(cut);
            let mut late = stream.add(cut as i64, second, second.len() as u32);
            let early = stream.add(0, first, first.len() as u32);
            late.extend(early);
            late.extend(stream.add(0, first, first.len() as u32));
            assert_eq!(late, expected, "cut at {cut}, out of order and repeated");
        }
    }

    #[test]
    fn a_gap_that_stays_and_a_snap_length_end_it() {
        let mut stream = MessageStream::default();
        for i in 0..100 {
            assert!(stream.add(10 + i * 1000, &[0; 1000], 1000).is_empty());
        }
        assert!(!stream.wants());
        let mut stream = MessageStream::default();
        assert_eq!(stream.add(0, b"\x00\x09abc", 11), [b"abc".to_vec()]);
        assert!(!stream.wants());
    }
}
