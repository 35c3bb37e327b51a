//! Wireshark's findings on one segment, in its order of precedence: `tcp.analysis.*` as tshark 4.0 gives them.
//!
//! Takes segments as they stand in the capture, copies included, so that the counts agree with Wireshark's. Keeps for
//! each side what Wireshark keeps, zero as "not known yet" included: its quirks are part of the definition.
//! Source: the "TCP Analysis" chapter of the Wireshark User's Guide, and tshark's answers.

use super::analysis::Labels;
use super::codec::{Codec, Coded, Form, optional};
use super::seq::Seq;
use super::unacked::Unacked;
use super::{Dir, PerDir};
use crate::packet::tcp_flag::{ACK, FIN, RST, SYN};
use crate::time::{TimeDelta, Timestamp};

/// What Wireshark is told of a segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) dir: Dir,
    pub(super) seq: Seq,
    /// As it stands in the header, whether ACK is set or not.
    pub(super) ack: Seq,
    /// Payload bytes.
    pub(super) length: u32,
    pub(super) flags: u16,
    /// Unscaled.
    pub(super) window: u16,
    pub(super) time: Timestamp,
}

/// Window scaling of a side (RFC 7323 §2.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Scale {
    /// Its SYN is not in the capture.
    #[default]
    Unknown,
    /// Not offered by both.
    Unused,
    /// Shift count.
    Shift(u8),
}

/// What Wireshark remembers of one side.
#[derive(Clone, Copy, Debug)]
struct Memory {
    /// Sequence number before the first byte, once known.
    base: Option<Seq>,
    /// Highest sequence number reached; 0: not known.
    next: Seq,
    next_time: Timestamp,
    /// Highest one reached without a hole; 0: not known.
    contiguous: Seq,
    /// Last acknowledgment sent, and when.
    last_ack: Seq,
    last_ack_time: Timestamp,
    /// Last window sent, unscaled.
    window: Option<u16>,
    scale: Scale,
    /// No segment but its SYN has come: its window is not scaled yet.
    first_ack: bool,
    /// Or [`ACKED_UNSEEN`].
    duplicate_acks: u32,
    /// Findings on its last segment.
    last: Labels,
    unacked: Unacked,
}

/// What was found on a segment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Finding {
    pub(super) labels: Labels,
    /// Of a retransmission that is neither fast nor spurious, `tcp.analysis.rto`: the time since the eldest
    /// unacknowledged segment of its side, else since the one with the highest number.
    pub(super) rto: Option<TimeDelta>,
    /// Of a duplicate ACK, `tcp.analysis.duplicate_ack_num`; else 0.
    pub(super) duplicate_ack_num: u32,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            base: None,
            next: Seq(0),
            next_time: Timestamp(0),
            contiguous: Seq(0),
            last_ack: Seq(0),
            last_ack_time: Timestamp(0),
            window: None,
            scale: Scale::Unknown,
            first_ack: false,
            duplicate_acks: 0,
            last: Labels::default(),
            unacked: Unacked::default(),
        }
    }
}

/// Wireshark's memory of one stream.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wireshark {
    sides: PerDir<Memory>,
    /// Time of the last SYN.
    syn: Option<Timestamp>,
    /// `tcp.analysis.initial_rtt`; 0: not known.
    initial_rtt: TimeDelta,
}

impl Wireshark {
    /// Whether a SYN with this number opens another stream: the side's numbers began elsewhere.
    pub(super) fn is_other_epoch(&self, dir: Dir, seq: Seq) -> bool {
        self.sides[dir].base.is_some_and(|base| base != seq)
    }

    /// `tcp.analysis.initial_rtt`: from the last SYN to the first segment with ACK and without SYN.
    pub(super) fn initial_rtt(&self) -> Option<TimeDelta> {
        (self.initial_rtt != TimeDelta(0)).then_some(self.initial_rtt)
    }

    /// Window scaling of a side.
    pub(super) fn scale(&self, dir: Dir) -> Scale {
        self.sides[dir].scale
    }

    /// Exchanges the sides.
    pub(super) fn swap(&mut self) {
        self.sides = self.sides.reversed();
    }

    /// The findings on the next segment. `shift` is its window scale option, where it is a SYN.
    pub(super) fn judge(&mut self, seen: &Seen, shift: Option<u8>) -> Finding {
        let mut labels = Labels::default();
        let syn = seen.flags & (SYN | ACK);
        let (fwd, rev) = self.sides.both(seen.dir);
        if syn == SYN && fwd.base.is_some() {
            // The same SYN again: a reset in between may have moved `next`.
            fwd.next = fwd.contiguous;
        } else if syn == SYN | ACK && fwd.base.is_some_and(|base| base != seen.seq) {
            labels.add(Labels::REUSED_PORTS);
            fwd.base = Some(seen.seq);
        }
        set_bases(fwd, rev, seen);
        forward(fwd, rev, seen, &mut labels);
        acknowledgment(fwd, rev, seen, &mut labels);
        if seen.length > 0 || seen.flags & (SYN | FIN) != 0 {
            retransmission(fwd, rev, seen, self.initial_rtt, &mut labels);
        }
        let finding = Finding {
            labels,
            rto: labels.has(Labels::RETRANSMISSION).then(|| fwd.rto(seen.time)),
            duplicate_ack_num: if labels.has(Labels::DUPLICATE_ACK) { fwd.duplicate_acks } else { 0 },
        };
        if seen.flags & ACK != 0 {
            rev.unacked.acknowledge(seen.ack);
        }
        remember(fwd, seen, labels);
        self.handshake(seen, shift);
        finding
    }

    /// What the handshake says beyond the sequence numbers, known only after the segment was judged.
    fn handshake(&mut self, seen: &Seen, shift: Option<u8>) {
        let (fwd, rev) = self.sides.both(seen.dir);
        if seen.flags & SYN != 0 {
            fwd.first_ack = true;
            fwd.scale = shift.map_or(Scale::Unused, Scale::Shift);
            if shift.is_none() {
                rev.scale = Scale::Unused;
            } else if seen.flags & ACK != 0 && rev.scale == Scale::Unused {
                fwd.scale = Scale::Unused;
            }
            if seen.flags & ACK == 0 {
                self.syn = Some(seen.time);
            }
        } else if seen.flags & ACK != 0 {
            fwd.first_ack = false;
            if let (Some(syn), TimeDelta(0)) = (self.syn, self.initial_rtt) {
                self.initial_rtt = seen.time - syn;
            }
        }
    }
}

impl Memory {
    fn rto(&self, now: Timestamp) -> TimeDelta {
        self.unacked.age(now).unwrap_or(now - self.next_time)
    }
}

impl Coded for Wireshark {
    fn code<C: Codec>(&mut self, codec: &mut C) {
        let Self { sides, syn, initial_rtt } = self;
        sides.code(codec);
        optional(syn, codec, Coded::code);
        initial_rtt.code(codec);
    }
}

impl Coded for Memory {
    fn code<C: Codec>(&mut self, codec: &mut C) {
        let Self {
            base,
            next,
            next_time,
            contiguous,
            last_ack,
            last_ack_time,
            window,
            scale,
            first_ack,
            duplicate_acks,
            last,
            unacked,
        } = self;
        let mut form = Form::code(
            [base.is_some(), window.is_some(), *first_ack, *duplicate_acks > 0, !last.is_empty()],
            codec,
        );
        form.optional(base, codec);
        form.optional(window, codec);
        *first_ack = form.next();
        form.rare(duplicate_acks, codec, Coded::code);
        form.rare(last, codec, Coded::code);
        for number in [next, contiguous, last_ack] {
            let mut bytes = number.0.to_le_bytes();
            codec.array(&mut bytes);
            number.0 = u32::from_le_bytes(bytes);
        }
        next_time.code(codec);
        last_ack_time.code(codec);
        scale.code(codec);
        unacked.code(codec);
    }
}

impl Coded for Scale {
    fn code<C: Codec>(&mut self, codec: &mut C) {
        let mut n = match *self {
            Self::Unknown => 0,
            Self::Unused => 1,
            Self::Shift(shift) => u64::from(shift) + 2,
        };
        codec.number(&mut n);
        *self = match n {
            0 => Self::Unknown,
            1 => Self::Unused,
            shift => Self::Shift((shift - 2) as u8),
        };
    }
}

/// Takes the first number of each side: of a SYN as it stands, else one before the first byte or the acknowledged one.
fn set_bases(fwd: &mut Memory, rev: &mut Memory, seen: &Seen) {
    let syn = seen.flags & SYN != 0;
    fwd.base.get_or_insert(if syn { seen.seq } else { seen.seq.minus(1) });
    if seen.flags & ACK != 0 {
        rev.base.get_or_insert(seen.ack.minus(1));
    }
}

/// Findings that the side's own numbers give, from the zero window probe to the duplicate ACK.
fn forward(fwd: &mut Memory, rev: &Memory, seen: &Seen, labels: &mut Labels) {
    let control = seen.flags & (SYN | FIN | RST) != 0;
    // Zero window probe: one byte at the expected number while the other side's window is closed.
    if seen.length == 1 && seen.seq == fwd.next && rev.window == Some(0) {
        labels.add(Labels::ZERO_WINDOW_PROBE);
        return;
    }
    if seen.window == 0 && !control {
        labels.add(Labels::ZERO_WINDOW);
    }
    // Previous segment not captured: beyond the expected number.
    if fwd.next != Seq(0) && seen.seq.after(fwd.next) && seen.flags & RST == 0 {
        labels.add(Labels::LOST_SEGMENT);
    }
    // Keep-alive: at most one byte, one before the expected number.
    if seen.length <= 1 && seen.seq == fwd.next.minus(1) && !control {
        labels.add(Labels::KEEP_ALIVE);
    }
    if seen.length > 0 && !control && fills_window(rev, seen) {
        labels.add(Labels::WINDOW_FULL);
    }
    if seen.length == 0 && !control && seen.seq == fwd.next && seen.ack == fwd.last_ack {
        bare_repeat(fwd, rev, seen, labels);
    }
}

/// The segment ends where the other side's window does.
fn fills_window(rev: &Memory, seen: &Seen) -> bool {
    let shift = match rev.scale {
        Scale::Unknown => return false,
        Scale::Shift(shift) if !rev.first_ack => u32::from(shift.min(14)),
        Scale::Unused | Scale::Shift(_) => 0,
    };
    let window = rev.window.map_or(u32::MAX, u32::from);
    seen.seq.plus(seen.length) == rev.last_ack.plus(window << shift)
}

/// An empty segment that repeats the side's sequence and acknowledgment numbers: what it is depends on its window.
fn bare_repeat(fwd: &mut Memory, rev: &Memory, seen: &Seen, labels: &mut Labels) {
    let same_window = fwd.window == Some(seen.window);
    if seen.window == 0 {
        if same_window && rev.last.has(Labels::ZERO_WINDOW_PROBE) {
            labels.add(Labels::ZERO_WINDOW_PROBE_ACK);
        }
    } else if !same_window {
        labels.add(Labels::WINDOW_UPDATE);
    } else if rev.last.has(Labels::KEEP_ALIVE) {
        labels.add(Labels::KEEP_ALIVE_ACK);
    } else {
        fwd.duplicate_acks =
            fwd.duplicate_acks.wrapping_add(if fwd.duplicate_acks == ACKED_UNSEEN { 2 } else { 1 });
        labels.add(Labels::DUPLICATE_ACK);
    }
}

/// ACKed unseen segment: it acknowledges more than the capture shows.
fn acknowledgment(fwd: &mut Memory, rev: &mut Memory, seen: &Seen, labels: &mut Labels) {
    if seen.ack != fwd.last_ack {
        fwd.duplicate_acks = 0;
    }
    if rev.contiguous == Seq(0) || !seen.ack.after(rev.contiguous) || seen.flags & ACK == 0 {
        return;
    }
    if rev.next.after(rev.contiguous) {
        rev.contiguous = rev.next;
        labels.add(Labels::ACK_LOST_SEGMENT);
    } else {
        // The side has sent nothing since: once is enough.
        if rev.duplicate_acks == 0 {
            labels.add(Labels::ACK_LOST_SEGMENT);
        }
        rev.duplicate_acks = ACKED_UNSEEN;
    }
}

/// Which kind of repetition a segment with payload, SYN or FIN is, if it is one.
fn retransmission(fwd: &Memory, rev: &Memory, seen: &Seen, initial_rtt: TimeDelta, labels: &mut Labels) {
    if labels.has(Labels::KEEP_ALIVE) {
        return;
    }
    // Spurious: all of it was acknowledged before.
    let end = seen.seq.plus(seen.length);
    if seen.length > 0 && rev.last_ack != Seq(0) && !end.after(rev.last_ack) {
        labels.add(Labels::SPURIOUS_RETRANSMISSION);
        return;
    }
    let after_probe = seen.length > 1 && fwd.next.minus(1) == seen.seq;
    if fwd.next == Seq(0) || !seen.seq.before(fwd.next) || after_probe {
        return;
    }
    // Fast: it answers two or more duplicate ACKs, within 20 ms of the last.
    let since_ack = seen.time - rev.last_ack_time;
    if rev.duplicate_acks >= 2 && rev.last_ack == seen.seq && (0..FAST_WITHIN.0).contains(&since_ack.0) {
        labels.add(Labels::FAST_RETRANSMISSION);
        return;
    }
    // Out of order: soon after the segment with the highest number, and not the same end.
    let soon = if initial_rtt == TimeDelta(0) { OUT_OF_ORDER_WITHIN } else { initial_rtt };
    let since_next = seen.time - fwd.next_time;
    let control = u32::from(seen.flags & (SYN | FIN) != 0);
    if (0..soon.0).contains(&since_next.0) && fwd.next != end.plus(control) {
        labels.add(Labels::OUT_OF_ORDER);
        return;
    }
    labels.add(Labels::RETRANSMISSION);
}

/// Moves the side's memory past the segment.
fn remember(fwd: &mut Memory, seen: &Seen, labels: Labels) {
    let control = u32::from(seen.flags & (SYN | FIN) != 0);
    let end = seen.seq.plus(seen.length).plus(control);
    let probe = labels.has(Labels::ZERO_WINDOW_PROBE);
    if seen.length > 0 || control > 0 {
        fwd.unacked.send(end, seen.time);
    }
    if (end.after(fwd.next) || fwd.next == Seq(0)) && !probe {
        fwd.next = end;
        fwd.next_time = seen.time;
    }
    if (seen.seq == fwd.contiguous || fwd.contiguous == Seq(0)) && !probe {
        fwd.contiguous = fwd.next;
    }
    fwd.window = Some(seen.window);
    fwd.last_ack = seen.ack;
    fwd.last_ack_time = seen.time;
    fwd.last = labels;
}

/// Mark in the place of a count of duplicate ACKs: an ACK of more than the side has sent was reported. Wireshark takes
/// it for a large count, so that a repetition at that point is a fast retransmission.
const ACKED_UNSEEN: u32 = u32::MAX;
/// A retransmission this soon after the last duplicate ACK is fast (Wireshark).
const FAST_WITHIN: TimeDelta = TimeDelta(20_000_000);
/// A late segment this soon after the highest one is out of order where `initial_rtt` is not known (Wireshark).
const OUT_OF_ORDER_WITHIN: TimeDelta = TimeDelta(3_000_000);
