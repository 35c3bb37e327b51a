//! Segments that a capture shows behind what answers them, as one of two queues or mirror ports does.
//!
//! Takes a segment; tells from the numbers of those before it that it was sent before them. Never reorders anything.

use super::{Connection, Segment};
use crate::flow::seq::{Place, Seq};
use crate::flow::stream::Sent;
use crate::flow::{Dir, Moment, PerDir, TcpFacts};
use crate::packet::tcp_flag::{ACK, FIN};
use crate::time::TimeDelta;

/// What was acknowledged before it was shown.
#[derive(Clone, Debug, Default)]
pub(super) struct Late {
    /// By a RST before which nothing was shown.
    pub(super) refused: Option<Seq>,
    /// By the first FIN of each side.
    fin_acks: PerDir<Option<Seq>>,
    /// Of each side's stream, up to where the last acknowledgment went that covers bytes not shown by then.
    pub(super) ahead: PerDir<Option<(Place, Moment)>>,
}

impl Late {
    /// Exchanges the sides.
    pub(super) fn swap(&mut self) {
        self.fin_acks = self.fin_acks.reversed();
        self.ahead = self.ahead.reversed();
    }
}

impl Connection {
    /// RFC 9293 §3.6: the first FIN. Where the other side's acknowledges it already, it was sent before that one, however
    /// late the capture shows it.
    pub(super) fn note_fin(&mut self, segment: &Segment<'_>) {
        if !segment.has(FIN) {
            return;
        }
        let (dir, end) = (segment.dir, segment.seq().plus(segment.packet.payload_length));
        self.streams[dir].finish(end);
        if self.facts.first_fin[dir].is_some() {
            return;
        }
        let mut at = segment.at;
        let answer = self.facts.first_fin[dir.other()]
            .filter(|_| self.late.fin_acks[dir.other()] == Some(end.plus(1)));
        if let Some(answer) = answer {
            at.time = at.time.min(answer.time - TimeDelta(1));
        }
        self.facts.first_fin[dir] = Some(at);
        self.late.fin_acks[dir] = segment.has(ACK).then_some(Seq(segment.packet.ack));
    }

    /// The acknowledgment of it, where it follows that so shortly that nobody can have sent it again meanwhile: it was sent
    /// before.
    pub(super) fn ack_just_before(&self, segment: &Segment<'_>, sent: Sent) -> Option<Moment> {
        let end = sent.place.saturating_add(i64::from(segment.packet.payload_length));
        let first = self.late.ahead[segment.dir].filter(|(place, _)| end <= *place).map(|(_, at)| at);
        let ack = first.or(self.facts.last_new_ack[segment.dir.other()]);
        ack.filter(|ack| (segment.at.time - ack.time).abs() <= SHOWN_LATE)
    }
}

/// A capture whose frames are not in order of time, or come from two queues, shows the RST before the SYN that it answers.
/// `refused`: what that RST acknowledged.
pub(super) fn answered_before(facts: &mut TcpFacts, refused: Option<Seq>, syn: &Segment<'_>) {
    let first_from_orig = facts.syn_times.is_empty() && facts.last_segment.orig.is_none();
    if let Some(reset) = facts.reset.as_mut().filter(|r| first_from_orig && r.from == Dir::Resp) {
        let end = syn.seq().plus(1 + syn.packet.payload_length);
        let late = refused == Some(end) && syn.at.time - reset.at.time <= SHOWN_LATE;
        reset.to_syn |= syn.at.time <= reset.at.time || late;
    }
}

/// Packets of two queues, or of two mirror ports, are out of order by less than this; a segment is sent again 10 ms after it
/// was sent at the earliest (a tail loss probe, RFC 8985 §7.2), and not once it was acknowledged.
pub(in crate::flow) const SHOWN_LATE: TimeDelta = TimeDelta::from_millis(3);
