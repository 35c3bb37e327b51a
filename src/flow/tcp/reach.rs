//! Segments that no receiver takes: far from what was sent, and from what the receiver has room for.
//!
//! Takes a segment, or its number that an ICMP error quotes; tells whether it can be one of the connection's own. Whoever is not on the path has to guess numbers.

use super::{Connection, Segment};
use crate::flow::labels::Scale;
use crate::flow::seq::Seq;
use crate::flow::{Dir, Reset};
use crate::packet::tcp_flag::{ACK, FIN, RST, SYN};
use crate::time::TimeDelta;

impl Connection {
    /// RFC 9293 §3.10.7.4, first: no part of it lies in the receiver's window, nor near what was sent, so that a capture
    /// which lost packets decides nothing; or it speaks and acknowledges what was never sent (RFC 5961 §5), which nobody asks
    /// of a RST. Where the receiver's window is not known, nothing is out of reach.
    /// `jump`: how far its number lies beyond what its sender had sent.
    pub(super) fn is_out_of_reach(&self, segment: &Segment<'_>, jump: i64) -> bool {
        let (dir, packet) = (segment.dir, segment.packet);
        let (own, other) = (&self.streams[dir], &self.streams[dir.other()]);
        if self.facts.established.is_none() {
            return self.is_of_another_dial(segment);
        }
        if segment.has(SYN) {
            return segment.is_answer() && self.is_of_another_handshake(segment);
        }
        let seq = Seq(packet.seq);
        let lies_outside =
            jump > NEAR && self.room(segment).is_some_and(|room| own.beyond_acked(seq) > room + NEAR);
        // An acknowledgment alone carries on after what a capture lost of both sides.
        let speaks = packet.payload_length > 0 || segment.has(FIN);
        let acked =
            if speaks && packet.flags & (ACK | RST) == ACK { other.beyond(Seq(packet.ack)) } else { 0 };
        lies_outside || jump < -FAR_BACK || !(-FAR_BACK..=NEAR).contains(&acked)
    }

    /// RFC 9293 §3.10.7.3: who waits for the answer to a SYN takes a SYN-ACK or RST only that acknowledges it.
    fn is_of_another_dial(&self, segment: &Segment<'_>) -> bool {
        let (facts, dir) = (&self.facts, segment.dir);
        let waits = dir == Dir::Resp && facts.synack_times.is_empty() && !facts.syn_times.is_empty();
        let acked = || self.streams.orig.place(Seq(segment.packet.ack));
        let answers = || segment.has(ACK) && (0..=i64::from(facts.syn_payload_bytes)).contains(&acked());
        (segment.has(RST) || segment.is_answer()) && waits && !answers()
    }

    /// A SYN-ACK of which neither number is the connection's.
    fn is_of_another_handshake(&self, segment: &Segment<'_>) -> bool {
        let (isn, packet) = (self.facts.isn, segment.packet);
        let other = isn[segment.dir.other()].is_some_and(|isn| packet.ack != isn.wrapping_add(1));
        other && isn[segment.dir].is_some_and(|isn| packet.seq != isn)
    }

    /// A RST that the receiver should not take ended the connection all the same, if that does not go on: a capture that
    /// lost much shows a true one so.
    pub(super) fn doubt_reset(&mut self, segment: &Segment<'_>) {
        let stands = self.facts.established.is_some() && self.facts.reset.is_none();
        if segment.has(RST) && stands && self.doubtful.is_none() {
            self.doubtful = Some(Box::new(self.reset(segment)));
        }
    }

    /// The connection goes on: what was sent before the RST arrived does not count.
    pub(super) fn lift_doubt(&mut self, segment: &Segment<'_>) {
        let under_way = |r: &Reset| segment.dir != r.from && segment.at.time - r.at.time < UNDER_WAY;
        if !segment.has(RST) && self.doubtful.as_deref().is_some_and(|reset| !under_way(reset)) {
            self.doubtful = None;
        }
    }

    /// RFC 5927 §4.1: whether `dir` sent, or may have sent, the segment with number `seq` that an ICMP error quotes. Where its
    /// SYN was not captured, only what is far from all that was seen is not its own.
    ///
    /// Assume: whoever rewrites sequence numbers on the path rewrites them in what errors quote as well; else such errors
    /// are among those that are counted and not believed.
    pub(in crate::flow) fn may_have_sent(&self, dir: Dir, seq: u32) -> bool {
        let (own, seq) = (&self.streams[dir], Seq(seq));
        match self.facts.isn[dir] {
            Some(isn) if own.is_unused() && self.facts.established.is_none() => seq == Seq(isn),
            Some(_) => own.place(seq) >= -1 && (-FAR_BACK..=NEAR).contains(&own.beyond(seq)),
            None => (-FAR_BACK..=FAR_BACK).contains(&own.beyond(seq)),
        }
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
pub(super) const NEAR: i64 = 1 << 20;

/// More than is sent again, or comes late, and than a capture that begins amid a connection makes up for.
const FAR_BACK: i64 = 1 << 26;

/// A RST is on its way for no longer than this.
const UNDER_WAY: TimeDelta = TimeDelta::from_millis(200);
