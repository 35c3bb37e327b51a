//! DNS over TCP: messages with two bytes of length before them (RFC 1035 §4.2.2).
//!
//! Takes one side's payload in capture order, with repeats, gaps and disorder ([`Order`]); gives whole messages. Holds at
//! most one message and what lies beyond a gap, within bounds, and gives up a side whose gap stays: nothing behind it
//! says where a message begins.

use crate::flow::Payload;
use crate::flow::order::{Chunk, Next, Order};

/// One side of a connection.
#[derive(Debug, Default)]
pub(super) struct MessageStream {
    order: Order,
    /// Bytes in order that are no whole message yet.
    held: Vec<u8>,
    given_up: bool,
}

impl MessageStream {
    /// Whether more payload is of use.
    pub(super) const fn wants(&self) -> bool {
        !self.given_up
    }

    /// Takes payload; gives the messages that it completes.
    pub(super) fn add(&mut self, payload: &Payload<'_>) -> Vec<Vec<u8>> {
        let mut messages = Vec::new();
        if self.given_up {
            return messages;
        }
        if let Some(chunk) = self.order.offer(payload) {
            self.take(chunk, &mut messages);
        }
        while !self.given_up
            && let Some(next) = self.order.next(false)
        {
            match next {
                Next::Bytes(held, from) => {
                    if let Some(chunk) = held.chunk(from) {
                        self.take(chunk, &mut messages);
                    }
                }
                Next::Hole(_) | Next::Full(..) => self.give_up(),
            }
        }
        messages
    }

    fn take(&mut self, chunk: Chunk<'_>, messages: &mut Vec<Vec<u8>>) {
        self.held.extend_from_slice(chunk.data);
        self.split(messages);
        if chunk.cut > 0 {
            // The snap length cut it: what is left of the message begun may still hold its question.
            messages.extend(self.held.get(2..).filter(|rest| !rest.is_empty()).map(<[u8]>::to_vec));
            self.give_up();
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

    fn give_up(&mut self) {
        *self = Self { given_up: true, ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{Dir, Moment, PerDir, Proto};

    /// Payload of `length` bytes on the wire, of which these were captured.
    fn add(stream: &mut MessageStream, offset: usize, data: &[u8], length: usize) -> Vec<Vec<u8>> {
        stream.add(&Payload {
            proto: Proto::Tcp,
            dir: Dir::Orig,
            offset: offset as i64,
            length: length as u32,
            data,
            at: Moment::default(),
            ports: PerDir { orig: 40_000, resp: 53 },
        })
    }

    #[test]
    fn messages_come_out_whole_whatever_the_segments() {
        let bytes = b"\x00\x03abc\x00\x00\x00\x02de";
        let expected = [b"abc".to_vec(), b"".to_vec(), b"de".to_vec()];
        for cut in 0..=bytes.len() {
            let mut stream = MessageStream::default();
            let (first, second) = bytes.split_at(cut);
            let mut late = add(&mut stream, cut, second, second.len());
            let early = add(&mut stream, 0, first, first.len());
            late.extend(early);
            late.extend(add(&mut stream, 0, first, first.len()));
            assert_eq!(late, expected, "cut at {cut}, out of order and repeated");
        }
    }

    #[test]
    fn a_longer_retransmission_behind_a_gap_is_no_repetition() {
        let bytes = b"\x00\x01a\x00\x01b\x00\x01c\x00\x01d";
        let mut stream = MessageStream::default();
        let mut messages = Vec::new();
        for (from, to) in [(3, 6), (3, 9), (0, 3), (9, 12)] {
            messages.extend(add(&mut stream, from, &bytes[from..to], to - from));
        }
        assert_eq!(messages, [b"a", b"b", b"c", b"d"]);
    }

    #[test]
    fn a_gap_that_stays_and_a_snap_length_end_it() {
        let mut stream = MessageStream::default();
        for i in 0..100 {
            assert!(add(&mut stream, 10 + i * 1000, &[0; 1000], 1000).is_empty());
        }
        assert!(!stream.wants());
        let mut stream = MessageStream::default();
        assert_eq!(add(&mut stream, 0, b"\x00\x09abc", 11), [b"abc".to_vec()]);
        assert!(!stream.wants());
        let mut stream = MessageStream::default();
        assert!(add(&mut stream, 5, b"\x00\x09de", 11).is_empty());
        assert_eq!(add(&mut stream, 0, b"\x00\x03abc", 5), [b"abc".to_vec(), b"de".to_vec()]);
        assert!(!stream.wants(), "cut behind a gap");
    }
}
