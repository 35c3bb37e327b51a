//! The timeline of one TCP connection: one segment in, counters, findings and facts on.
//!
//! Every segment is counted and judged as Wireshark does; copies of one segment go no further. What is left moves
//! Zeek's machine and the facts that rules see, and its payload goes to the observer. Never rejects a segment.

use super::analysis::Labels;
use super::copies::Copies;
use super::labels::{Finding, Seen, Wireshark};
use super::listener::Listener;
use super::seq::{Place, Seq};
use super::stream::{Acked, Sent, Stream};
use super::zeek::{Input, Machine};
use super::{Dir, KeepAlive, Moment, Observer, Payload, PerDir, Proto, Reset, Silence, TcpFacts, options};
use crate::capture::Window;
use crate::packet::Packet;
use crate::packet::tcp_flag::{ACK, FIN, RST, SYN};
use crate::time::TimeDelta;

mod completeness;
mod ending;
mod late;
mod reach;

use late::Late;
pub(super) use late::SHOWN_LATE;

/// A packet of a known flow.
#[derive(Clone, Copy)]
pub(super) struct Segment<'w> {
    pub(super) dir: Dir,
    pub(super) at: Moment,
    pub(super) packet: &'w Packet,
    pub(super) window: &'w Window,
    pub(super) ports: PerDir<u16>,
}

impl Segment<'_> {
    fn has(&self, flags: u16) -> bool {
        self.packet.has(flags)
    }

    fn seq(&self) -> Seq {
        Seq(self.packet.seq)
    }

    /// A SYN without ACK.
    fn is_dial(&self) -> bool {
        self.packet.flags & (SYN | ACK) == SYN
    }

    /// A SYN with ACK.
    fn is_answer(&self) -> bool {
        self.packet.flags & (SYN | ACK) == SYN | ACK
    }

    /// At most one byte just before the end of what was sent: it asks whether the other side is still there.
    fn is_keep_alive(&self, labels: Labels) -> bool {
        labels.has(Labels::KEEP_ALIVE) && !self.has(SYN | FIN | RST)
    }
}

/// What is kept of a connection while it may go on.
#[derive(Clone, Debug, Default)]
pub(super) struct Connection {
    wireshark: Wireshark,
    zeek: Machine,
    streams: PerDir<Stream>,
    copies: PerDir<Copies>,
    /// The last segment that is no copy, of either side.
    latest: Option<Moment>,
    /// Wireshark has begun its stream: what follows moves its completeness on.
    begun: bool,
    /// The bits before the last segment.
    shown_completeness: u8,
    /// A RST that nobody takes, as long as the connection does not go on.
    doubtful: Option<Box<Reset>>,
    late: Late,
    /// Where the first of what each side sent again in vain begins.
    vain_from: PerDir<Place>,
    pub(super) facts: TcpFacts,
}

impl Connection {
    /// Forgets the connection it was; what that held on the heap is used again. `flipped`: the responder sends the first
    /// segment.
    pub(super) fn begin(&mut self, flipped: bool) {
        self.wireshark = Wireshark::default();
        let history = self.facts.begin();
        self.zeek.begin(history, flipped);
        self.streams.orig.begin();
        self.streams.resp.begin();
        self.copies = PerDir::default();
        self.latest = None;
        self.begun = false;
        self.shown_completeness = 0;
        self.doubtful = None;
        self.late = Late::default();
        self.vain_from = PerDir::default();
    }

    /// Another epoch was on the same endpoints before (Wireshark `tcp.analysis.reused_ports`): the SYN that opens this
    /// one counts before it is looked at.
    pub(super) fn reuse_ports(&mut self) {
        self.begun = true;
        self.facts.completeness = completeness::SYN_BIT;
        self.facts.analysis.orig.reused_ports = 1;
    }

    /// Whether this SYN opens another stream on the same endpoints (Wireshark's rule: its number differs from the one
    /// that the sender's numbers began with).
    pub(super) fn is_other_epoch(&self, dir: Dir, flags: u16, seq: u32) -> bool {
        flags & (SYN | ACK) == SYN && self.wireshark.is_other_epoch(dir, Seq(seq))
    }

    /// Whether the segment shows that the sides were taken the wrong way round: only the originator dials.
    pub(super) fn is_inverted(&self, dir: Dir, packet: &Packet) -> bool {
        let nobody_dialled = self.facts.syn_times.is_empty() && self.facts.synack_times.is_empty();
        match packet.flags & (SYN | ACK | RST) {
            SYN => nobody_dialled && dir == Dir::Resp,
            flags => nobody_dialled && dir == Dir::Orig && flags == SYN | ACK,
        }
    }

    /// Takes in the next segment; gives whether it is a copy.
    pub(super) fn segment<O: Observer>(
        &mut self,
        segment: &Segment<'_>,
        listener: &mut Listener<'_, O>,
    ) -> bool {
        let packet = segment.packet;
        let handshake = segment.has(SYN).then(|| options::parse(packet.tcp_options(segment.window)));
        let labels = self.judge(segment, handshake.and_then(|options| options.window_scale));
        self.count(segment);
        if self.is_copy(segment) {
            return true;
        }
        let jump = self.streams[segment.dir].beyond(segment.seq());
        if self.is_out_of_reach(segment, jump) {
            self.doubt_reset(segment);
            return false;
        }
        self.lift_doubt(segment);
        self.note_skipped(segment, jump);
        if let Some(options) = handshake {
            self.syn(segment, options);
        }
        self.note_reset(segment, jump);
        let acked = self.acknowledgment(segment);
        if labels.has(Labels::DUPLICATE_ACK) {
            let count = &mut self.facts.loss[segment.dir.other()].duplicate_acks;
            *count = count.saturating_add(1);
        }
        self.step_zeek(segment, acked.unseen > 0);
        self.note_establishment(segment);
        self.note_silence(segment);
        if let Some(place) = acked.data {
            listener.acked(segment.dir, place, segment.at);
        }
        if segment.is_keep_alive(labels) {
            self.keep_alive(segment);
        } else if packet.payload_length > 0 && !segment.has(RST) {
            self.payload(segment, labels, listener);
        }
        self.note_fin(segment);
        self.note_sender(segment);
        false
    }

    /// Wireshark's findings, counted.
    fn judge(&mut self, segment: &Segment<'_>, shift: Option<u8>) -> Labels {
        let packet = segment.packet;
        let seen = Seen {
            dir: segment.dir,
            seq: segment.seq(),
            ack: Seq(packet.ack),
            length: packet.payload_length,
            flags: packet.flags,
            window: packet.window,
            time: segment.at.time,
        };
        let Finding { labels, rto, duplicate_ack_num } = self.wireshark.judge(&seen, shift);
        if !labels.is_empty() {
            let (facts, dir) = (&mut self.facts, segment.dir);
            labels.count(&mut facts.analysis[dir]);
            facts.rto[dir] = facts.rto[dir].max(rto.filter(|rto| *rto > TimeDelta(0)));
            facts.duplicate_ack_num[dir] = facts.duplicate_ack_num[dir].max(duplicate_ack_num);
        }
        labels
    }

    /// Counters that agree with Wireshark's, and the bits of `tcp.completeness`.
    fn count(&mut self, segment: &Segment<'_>) {
        // Most segments have none of them.
        if segment.has(SYN | FIN | RST) {
            let (facts, dir) = (&mut self.facts, segment.dir);
            let counters = [
                (segment.is_dial(), &mut facts.syn[dir]),
                (segment.is_answer(), &mut facts.synack[dir]),
                (segment.has(FIN), &mut facts.fin[dir]),
                (segment.has(RST), &mut facts.rst[dir]),
            ];
            for (counts, counter) in counters {
                *counter = counter.saturating_add(u32::from(counts));
            }
        }
        self.complete(segment);
    }

    /// Whether the segment is a copy of one seen just before. What moves the numbers on cannot be one.
    fn is_copy(&mut self, segment: &Segment<'_>) -> bool {
        let packet = segment.packet;
        let (own, other) = self.streams.both(segment.dir);
        let end = segment.seq().plus(packet.payload_length);
        let fresh = packet.payload_length > 0 && own.is_fresh(end)
            || packet.flags & (ACK | RST) == ACK && other.is_unacked(Seq(packet.ack));
        self.copies[segment.dir].is_copy(packet, segment.at.time, !fresh)
    }

    /// RFC 9293 §3.5: a SYN tells the first number, and what its sender can do.
    fn syn(&mut self, segment: &Segment<'_>, options: super::TcpOptions) {
        let dir = segment.dir;
        let first_byte = segment.seq().plus(1);
        self.streams[dir].restart(first_byte);
        let facts = &mut self.facts;
        facts.isn[dir] = Some(segment.packet.seq);
        facts.options[dir] = options;
        if segment.is_answer() {
            if drops_the_handshake(facts, segment.at) {
                facts.synack_after_ack = facts.synack_after_ack.saturating_add(1);
            }
            push_bounded(&mut facts.synack_times, segment.at);
        } else {
            facts.simultaneous_open |= dir == Dir::Resp;
            late::answered_before(facts, self.late.refused, segment);
            facts.syn_payload_bytes = facts.syn_payload_bytes.max(segment.packet.payload_length);
            push_bounded(&mut facts.syn_times, segment.at);
        }
    }

    /// What its number, so far beyond what was sent, says was sent before, and the capture lacks.
    fn note_skipped(&mut self, segment: &Segment<'_>, jump: i64) {
        if jump > 0 && !segment.has(SYN) {
            self.note_unseen(segment.dir, jump);
            if !segment.has(RST) {
                let most = &mut self.facts.loss[segment.dir].skipped_bytes;
                *most = (*most).max(jump.unsigned_abs());
            }
        }
    }

    /// A number lies so far beyond what was seen of the side; by one, it may count a FIN.
    fn note_unseen(&mut self, dir: Dir, bytes: i64) {
        if bytes > 1 {
            let most = &mut self.facts.loss[dir].unseen_bytes;
            *most = (*most).max(bytes.unsigned_abs());
        }
    }

    /// RFC 9293 §3.5.2: a RST may say how far its sender had received. What no capture can have lost was made up.
    fn note_reset_ack(&mut self, segment: &Segment<'_>) {
        let beyond = self.streams[segment.dir.other()].beyond(Seq(segment.packet.ack));
        if segment.has(ACK) && beyond <= reach::NEAR {
            self.note_unseen(segment.dir.other(), beyond);
        }
    }

    /// RFC 9293 §3.5.2: the first RST, and what it ended. One that only asks (RFC 5961 §3.2) gives way to one that ends, one
    /// with a number that was passed already is taken by nobody. `jump`: how far its number lies beyond what was sent.
    fn note_reset(&mut self, segment: &Segment<'_>, jump: i64) {
        if !segment.has(RST) {
            return;
        }
        self.note_reset_ack(segment);
        if self.latest.is_none() && segment.has(ACK) {
            self.late.refused = Some(Seq(segment.packet.ack));
        }
        let reset = self.reset(segment);
        if jump < 0 && self.facts.established.is_some() && !reset.is_taken() {
            self.doubt_reset(segment);
            return;
        }
        let asks = |first: &Reset| !first.is_taken() && reset.is_taken();
        if self.facts.reset.as_ref().is_none_or(asks) {
            self.facts.reset = Some(reset);
        }
    }

    fn reset(&self, segment: &Segment<'_>) -> Reset {
        let (facts, dir) = (&self.facts, segment.dir);
        let both_closed = facts.first_fin.orig.is_some() && facts.first_fin.resp.is_some();
        let never_spoke = facts.last_segment[dir].is_none();
        let unanswered = facts.established.is_none() && facts.synack_times.is_empty();
        Reset {
            from: dir,
            at: segment.at,
            ttl: segment.packet.ttl,
            to_syn: dir == Dir::Resp && (never_spoke || unanswered) && !facts.syn_times.is_empty(),
            after_close: both_closed || self.streams[dir].is_closed(),
            in_sequence: never_spoke || self.streams[dir].is_next(segment.seq()),
            payload_bytes: segment.packet.payload_length,
        }
    }

    /// RFC 9293 §3.10.7.4: what the segment acknowledges. The number in a RST is not trusted.
    fn acknowledgment(&mut self, segment: &Segment<'_>) -> Acked {
        if !segment.has(ACK) || segment.has(RST) {
            return Acked::default();
        }
        let (dir, ack) = (segment.dir, Seq(segment.packet.ack));
        let stream = &mut self.streams[dir.other()];
        let dialling = || self.facts.established.is_none() && !self.facts.syn_times.is_empty();
        if dir == Dir::Resp && dialling() && stream.is_unused() && stream.place(ack) != 0 {
            // RFC 5961 §4: a challenge ACK has the numbers of a connection that was before.
            return Acked::default();
        }
        let acked = stream.acknowledge(ack);
        let loss = &mut self.facts.loss[dir.other()];
        loss.largest_delivered_bytes = loss.largest_delivered_bytes.max(acked.delivered);
        loss.unseen_bytes = loss.unseen_bytes.max(acked.unseen);
        if let Some(place) = acked.data {
            if acked.unseen > 0 {
                self.late.ahead[dir.other()] = Some((place, segment.at));
            }
            if place > self.vain_from[dir.other()] {
                loss.vain_segments = 0;
            }
            self.facts.last_new_ack[dir] = Some(segment.at);
        } else if segment.packet.payload_length == 0 && stream.in_flight() > 0 {
            let sacked = options::sacked(segment.packet.tcp_options(segment.window), ack);
            loss.sacked_bytes = loss.sacked_bytes.max(sacked.min(stream.in_flight()));
        }
        acked
    }

    fn step_zeek(&mut self, segment: &Segment<'_>, reveals_gap: bool) {
        self.zeek.step(&Input {
            dir: segment.dir,
            seq: segment.seq(),
            flags: segment.packet.flags,
            length: segment.packet.payload_length,
            window: segment.packet.window,
            reveals_gap,
        });
    }

    /// RFC 9293 §3.5: the originator's ACK after the SYN-ACK. Where the SYN-ACK is missing, the originator's first ACK
    /// after its SYN shows that there was one.
    fn note_establishment(&mut self, segment: &Segment<'_>) {
        let facts = &mut self.facts;
        if facts.established.is_some() || segment.dir != Dir::Orig {
            return;
        }
        let began = !facts.syn_times.is_empty() || !facts.synack_times.is_empty();
        if began && segment.packet.flags & (SYN | ACK | RST) == ACK {
            facts.established = Some(segment.at);
        }
    }

    /// The longest time in which neither side sent anything, and who broke it.
    fn note_silence(&mut self, segment: &Segment<'_>) {
        let Some(before) = self.latest.replace(segment.at) else { return };
        let length = segment.at.time - before.time;
        if self.facts.longest_silence.is_none_or(|s| length > s.until.time - s.since.time) {
            self.facts.longest_silence =
                Some(Silence { since: before, until: segment.at, broken_by: segment.dir });
        }
    }

    /// RFC 9293 §3.8.4.
    fn keep_alive(&mut self, segment: &Segment<'_>) {
        let seen = self.facts.keep_alive.get_or_insert_default();
        let side: &mut KeepAlive = &mut seen[segment.dir];
        side.count = side.count.saturating_add(1);
        side.first.get_or_insert(segment.at);
        side.last = Some(segment.at);
    }

    /// RFC 9293 §3.10.7.4, seventh: payload, new or sent again.
    fn payload<O: Observer>(
        &mut self,
        segment: &Segment<'_>,
        labels: Labels,
        listener: &mut Listener<'_, O>,
    ) {
        let (dir, packet) = (segment.dir, segment.packet);
        let seq = segment.seq().plus(u32::from(segment.has(SYN)));
        let sent = self.streams[dir].send(seq, packet.payload_length);
        let in_flight = self.streams[dir].in_flight();
        let most = &mut self.facts.max_bytes_in_flight[dir];
        *most = in_flight.max(*most);
        let acked = self.acked_before(segment, sent);
        let ack_shown = acked.and_then(|_| self.ack_just_before(segment, sent));
        let mut at = segment.at;
        if let Some(ack) = ack_shown {
            at.time = at.time.min(ack.time - TimeDelta(1));
        }
        self.note_loss(segment, sent, labels, ack_shown.is_some());
        if sent.new {
            self.facts.first_payload[dir].get_or_insert(at);
            self.facts.last_payload[dir] = Some(at);
        }
        listener.payload(dir, || Payload {
            proto: Proto::Tcp,
            dir,
            offset: sent.place,
            length: packet.payload_length,
            data: packet.payload(segment.window),
            at,
            ports: segment.ports,
        });
        if let Some(place) = acked {
            listener.acked(dir.other(), place, segment.at);
        }
    }

    /// Whether the payload was sent again, and in vain so far.
    fn note_loss(&mut self, segment: &Segment<'_>, sent: Sent, labels: Labels, behind_its_ack: bool) {
        let (dir, length) = (segment.dir, segment.packet.payload_length);
        let end = segment.seq().plus(u32::from(segment.has(SYN))).plus(length);
        let loss = &mut self.facts.loss[dir];
        let lost = sent.again || sent.late && !labels.has(Labels::OUT_OF_ORDER) && !behind_its_ack;
        if lost && !labels.has(Labels::ZERO_WINDOW_PROBE) {
            if loss.segments == 0 {
                loss.in_flight_bytes = self.streams[dir].in_flight();
            }
            loss.segments = loss.segments.saturating_add(1);
            if self.streams[dir].is_unacked(end) {
                let from = &mut self.vain_from[dir];
                *from = if loss.vain_segments == 0 { sent.place } else { sent.place.min(*from) };
                loss.vain_segments = loss.vain_segments.saturating_add(1);
            }
            loss.largest_bytes = loss.largest_bytes.max(length);
        } else if behind_its_ack {
            loss.largest_delivered_bytes = loss.largest_delivered_bytes.max(length);
        }
    }

    /// Up to where the other side had acknowledged what this segment brings, where that covers all of it: a capture of two
    /// queues or mirror ports may show an acknowledgment before what it acknowledges, or have missed that the first time.
    fn acked_before(&self, segment: &Segment<'_>, sent: Sent) -> Option<Place> {
        let acked = self.streams[segment.dir].acked();
        let end = sent.place.saturating_add(i64::from(segment.packet.payload_length));
        (sent.new && end <= acked).then_some(acked)
    }

    /// What each segment says of its sender.
    fn note_sender(&mut self, segment: &Segment<'_>) {
        let (facts, dir) = (&mut self.facts, segment.dir);
        facts.last_segment[dir] = Some(segment.at);
        if !segment.has(RST) {
            facts.ttl[dir].get_or_insert(segment.packet.ttl);
            if !segment.has(SYN) {
                self.streams[dir].window = Some(segment.packet.window);
            }
        }
    }

    /// Exchanges the sides.
    pub(super) fn swap(&mut self) {
        self.wireshark.swap();
        self.zeek.swap();
        let streams = std::mem::take(&mut self.streams);
        self.streams = streams.reversed();
        self.copies = self.copies.reversed();
        self.late.swap();
        self.vain_from = self.vain_from.reversed();
        self.facts.swap();
    }
}

/// RFC 9293 §3.10.7.3: what a SYN-ACK says that comes after the originator's ACK: the server did not take that ACK. Not
/// so after a SYN that came as late or after the server's own end: that is the handshake again, as a capture merged from
/// two clocks shows it, nor before its sender's timer can have run out.
fn drops_the_handshake(facts: &TcpFacts, now: Moment) -> bool {
    let is_timer = facts.synack_times.last().is_some_and(|first| now.time - first.time >= SYNACK_TIMER);
    let dialled_again = |at: Moment| facts.syn_times.last().is_some_and(|syn| syn.frame > at.frame);
    let ended = facts.reset.is_some() || facts.first_fin.resp.is_some();
    is_timer && !ended && facts.established.is_some_and(|at| !dialled_again(at))
}

fn push_bounded(times: &mut Vec<Moment>, at: Moment) {
    if times.is_empty() {
        times.reserve_exact(1);
    }
    if times.len() < TIMES {
        times.push(at);
    }
}

/// A SYN-ACK is sent again after 1 s (RFC 6298 §2), at the earliest after Linux's least timeout of 200 ms.
const SYNACK_TIMER: TimeDelta = TimeDelta::from_millis(150);

/// Times kept of SYNs and SYN-ACKs.
const TIMES: usize = 16;
