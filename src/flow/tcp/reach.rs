//! Segments that no receiver takes: far from what was sent, and from what the receiver has room for.
//!
//! Takes a segment; tells whether it can be one of the connection's own. Whoever is not on the path has to guess numbers.

use super::{Connection, Segment};
use crate::flow::labels::Scale;
use crate::flow::seq::Seq;
use crate::packet::tcp_flag::{ACK, FIN, RST, SYN};

impl Connection {
    /// RFC 9293 §3.10.7.4, first: no part of it lies in the receiver's window, nor near what was sent, so that a capture
    /// which lost packets decides nothing; or it speaks and acknowledges what was never sent (RFC 5961 §5). Where the receiver's
    /// window is not known, nothing is out of reach.
    pub(super) fn is_out_of_reach(&self, segment: &Segment<'_>) -> bool {
        let (dir, packet) = (segment.dir, segment.packet);
        let (own, other) = (&self.streams[dir], &self.streams[dir.other()]);
        if segment.has(SYN) || self.facts.established.is_none() {
            return false;
        }
        let seq = Seq(packet.seq);
        let jump = own.beyond(seq);
        let lies_outside =
            jump > NEAR && self.room(segment).is_some_and(|room| own.beyond_acked(seq) > room + NEAR);
        // An acknowledgment alone carries on after what a capture lost of both sides.
        let speaks = packet.payload_length > 0 || segment.has(FIN | RST);
        let acked = if speaks && segment.has(ACK) { other.beyond(Seq(packet.ack)) } else { 0 };
        lies_outside || jump < -FAR_BACK || !(-FAR_BACK..=NEAR_ACKED).contains(&acked)
    }

    /// The receiver's last window in bytes.
    fn room(&self, segment: &Segment<'_>) -> Option<i64> {
        let receiver = segment.dir.other();
        let window = i64::from(self.streams[receiver].window?);
        match self.wireshark.scale(receiver) {
            Scale::Unknown => None,
            Scale::Unused => Some(window),
            Scale::Shift(shift) => Some(window << shift.min(14)),
        }
    }
}

/// A capture may have lost so many bytes between two packets of a connection.
const NEAR: i64 = 1 << 20;

/// The same of what the receiver had sent, which it says in acknowledgments alone as well.
const NEAR_ACKED: i64 = 1 << 16;

/// More than is sent again, or comes late.
const FAR_BACK: i64 = 1 << 26;
