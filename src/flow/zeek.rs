//! Zeek's view of a connection: the state of each endpoint, `conn_state` and `history`.
//!
//! Takes segments without copies. One function for each state that an endpoint can be in; each says what a segment of
//! that endpoint makes known. No timers: Zeek's would split a 30-second dial into several connections.
//! Source: Zeek `scripts/base/protocols/conn/main.zeek`; states after RFC 9293 §3.3.2, as an observer sees them.

use super::codec::{Codec, Coded};
use super::seq::Seq;
use super::{ConnState, Dir, PerDir};
use crate::packet::tcp_flag::{ACK, FIN, RST, SYN};

/// What is known of one endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Endpoint {
    /// It has sent nothing.
    #[default]
    Inactive,
    /// It has sent a SYN.
    SynSent,
    /// It has sent a SYN-ACK before anything of the other side was seen.
    SynAckSent,
    /// It has sent data or an ACK, but the start is missing.
    Partial,
    /// Both SYNs are known.
    Established,
    /// It has sent a FIN.
    Closed,
    /// It has sent a RST.
    Reset,
}

/// What the machine is told of a segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Input {
    pub(super) dir: Dir,
    pub(super) seq: Seq,
    pub(super) flags: u16,
    /// Payload bytes.
    pub(super) length: u32,
    pub(super) window: u16,
    /// It acknowledges bytes that the capture does not show.
    pub(super) reveals_gap: bool,
}

impl Input {
    const fn has(&self, flags: u16) -> bool {
        self.flags & flags != 0
    }

    /// First number after the segment; payload of a RST is no part of the stream.
    const fn end(&self) -> Seq {
        let payload = if self.has(RST) { 0 } else { self.length };
        self.seq.plus(payload).plus(self.has(SYN) as u32).plus(self.has(FIN) as u32)
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Side {
    state: Endpoint,
    /// State before `state`.
    before: Endpoint,
    /// First and highest number.
    start: Seq,
    last: Seq,
    /// Letters that stand in the history already.
    seen: u8,
    last_syn: Seq,
    last_fin: Seq,
    last_rst: Seq,
    retransmissions: u32,
    zero_windows: u32,
    gaps: u32,
}

impl Side {
    fn enter(&mut self, state: Endpoint) {
        self.before = self.state;
        self.state = state;
    }
}

/// The machine of one connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Machine {
    sides: PerDir<Side>,
    history: String,
}

impl Machine {
    /// A machine whose first packet came from the responder.
    pub(super) fn flipped() -> Self {
        Self { history: "^".to_owned(), ..Self::default() }
    }

    /// Exchanges the sides.
    pub(super) fn swap(&mut self) {
        self.sides = self.sides.reversed();
        self.history = self.history.chars().map(swap_case).chain(['^']).collect();
    }

    /// Takes in the next segment.
    pub(super) fn step(&mut self, input: &Input) {
        let (side, _) = self.sides.both(input.dir);
        begin(side, input);
        self.note_flags(input);
        self.note_window(input);
        self.note_progress(input);
        match self.sides[input.dir].state {
            Endpoint::Inactive => self.inactive(input),
            Endpoint::SynSent | Endpoint::SynAckSent => self.syn_sent(input),
            Endpoint::Established | Endpoint::Partial => self.established(input),
            Endpoint::Closed => self.closed(input),
            // What comes after a RST changes nothing (RFC 9293 §3.10.7.1).
            Endpoint::Reset => {}
        }
        let open = |side: &Side| matches!(side.state, Endpoint::Established | Endpoint::Closed);
        let both_open = open(&self.sides.orig) && open(&self.sides.resp);
        if input.reveals_gap && both_open && !input.has(RST | FIN) {
            let (_, peer) = self.sides.both(input.dir);
            peer.gaps = peer.gaps.saturating_add(1);
            if is_power_of_ten(peer.gaps) {
                self.write('g', input.dir.other());
            }
        }
    }

    /// Nothing was sent by this endpoint before (RFC 9293 §3.5).
    fn inactive(&mut self, input: &Input) {
        let (side, peer) = self.sides.both(input.dir);
        let from_orig = input.dir == Dir::Orig;
        match (input.has(SYN), from_orig) {
            // The dial begins; with ACK the start was missed or someone scans backwards.
            (true, true) if input.has(ACK) => side.enter(Endpoint::SynAckSent),
            (true, true) => side.enter(Endpoint::SynSent),
            // The answer to a SYN, with ACK or by simultaneous open: both SYNs are known.
            (true, false) => {
                if peer.state == Endpoint::SynSent {
                    peer.enter(Endpoint::Established);
                }
                side.enter(Endpoint::Established);
            }
            (false, _) => {}
        }
        if input.has(FIN) {
            side.enter(Endpoint::Closed);
        }
        if input.has(RST) {
            side.enter(Endpoint::Reset);
        }
        if side.state != Endpoint::Inactive {
            return;
        }
        if !from_orig && input.length == 0 && peer.state == Endpoint::SynSent {
            // An ACK ahead of the SYN-ACK, as some stacks send it; or a challenge ACK (RFC 5961 §4).
        } else if input.has(ACK) && peer.state == Endpoint::Established {
            // The SYN was missed, the SYN-ACK was not.
            side.enter(Endpoint::Established);
        } else {
            side.enter(Endpoint::Partial);
        }
    }

    /// It sent a SYN or SYN-ACK that was not answered yet (RFC 9293 §3.10.7.3).
    fn syn_sent(&mut self, input: &Input) {
        let (side, _) = self.sides.both(input.dir);
        if input.has(FIN) {
            side.enter(Endpoint::Closed);
        }
        if input.has(RST) {
            side.enter(Endpoint::Reset);
        }
    }

    /// Both SYNs are known, or the start is missing (RFC 9293 §3.10.7.4).
    fn established(&mut self, input: &Input) {
        let (side, peer) = self.sides.both(input.dir);
        let syn_after_start = input.has(SYN)
            && !input.has(ACK)
            && side.state == Endpoint::Partial
            && peer.state == Endpoint::Inactive;
        if syn_after_start {
            side.enter(Endpoint::SynSent);
        }
        if input.has(FIN) && !input.has(RST) {
            side.enter(Endpoint::Closed);
            if peer.state == Endpoint::Reset && peer.before == Endpoint::Closed {
                // Its FIN came before its RST: an ordinary end after all.
                peer.enter(Endpoint::Closed);
            }
        }
        if input.has(RST) {
            side.enter(Endpoint::Reset);
        }
    }

    /// It sent a FIN (RFC 9293 §3.6). A RST counts only while the other side is open.
    fn closed(&mut self, input: &Input) {
        let (side, peer) = self.sides.both(input.dir);
        if input.has(RST) && peer.state != Endpoint::Closed {
            side.enter(Endpoint::Reset);
        }
    }

    /// Letters of SYN, FIN, RST, data and ACK: once a side, the first three again where their number is new.
    fn note_flags(&mut self, input: &Input) {
        let control = input.flags & (SYN | FIN | RST);
        let (bit, letter, number) = match control {
            SYN => (SYN_SEEN, if input.has(ACK) { 'h' } else { 's' }, Some(input.seq)),
            FIN => (FIN_SEEN, 'f', Some(input.seq.plus(input.length))),
            RST => (RST_SEEN, 'r', Some(input.seq)),
            0 if input.length > 0 => (DATA_SEEN, 'd', None),
            0 if input.has(ACK) => (ACK_SEEN, 'a', None),
            0 => return,
            _ if control & (FIN | RST) == FIN | RST => (FIN_RST_SEEN, 'i', None),
            _ => (MULTI_SEEN, 'q', None),
        };
        let (side, _) = self.sides.both(input.dir);
        let last = match control {
            SYN => &mut side.last_syn,
            FIN => &mut side.last_fin,
            _ => &mut side.last_rst,
        };
        let again = number.is_some_and(|number| *last != number);
        if let Some(number) = number {
            *last = number;
        }
        let first = side.seen & bit == 0;
        side.seen |= bit;
        if first || again {
            self.write(letter, input.dir);
        }
    }

    /// A zero window, unless the other side sends no more or a RST makes it void.
    fn note_window(&mut self, input: &Input) {
        let (side, peer) = self.sides.both(input.dir);
        if input.window != 0
            || input.has(RST)
            || side.state == Endpoint::Reset
            || peer.state == Endpoint::Closed
        {
            return;
        }
        side.zero_windows = side.zero_windows.saturating_add(1);
        if is_power_of_ten(side.zero_windows) {
            self.write('w', input.dir);
        }
    }

    /// Moves the highest number on; payload that does not was sent before.
    fn note_progress(&mut self, input: &Input) {
        let (side, _) = self.sides.both(input.dir);
        let end = input.end();
        let delta = end.since(side.last);
        let wild = input.has(SYN | RST) && delta.unsigned_abs() > TOO_FAR;
        if wild {
            return;
        }
        if input.has(FIN) && side.last == side.start.plus(1) {
            side.last = end;
        } else if side.state == Endpoint::Reset {
        } else if delta > 0 {
            side.last = end;
        } else if input.length > 0 {
            side.retransmissions = side.retransmissions.saturating_add(1);
            if is_power_of_ten(side.retransmissions) {
                self.write('t', input.dir);
            }
        }
    }

    /// Appends a letter, in upper case for the originator.
    fn write(&mut self, letter: char, dir: Dir) {
        if self.history.len() < HISTORY_BYTES {
            self.history.push(if dir == Dir::Orig { letter.to_ascii_uppercase() } else { letter });
        }
    }

    /// Zeek `conn_state` of what was seen so far. `bytes`: payload of each side.
    pub(super) fn conn_state(&self, bytes: PerDir<u64>) -> ConnState {
        conn_state(self.sides.orig.state, self.sides.resp.state, bytes, &self.history)
    }

    /// Zeek `history` so far, to be taken out or put back.
    pub(super) fn history(&mut self) -> &mut String {
        &mut self.history
    }

    /// One side has sent a RST, or both a FIN.
    pub(super) fn is_over(&self) -> bool {
        let (orig, resp) = (self.sides.orig.state, self.sides.resp.state);
        orig == Endpoint::Reset
            || resp == Endpoint::Reset
            || orig == Endpoint::Closed && resp == Endpoint::Closed
    }
}

/// Everything but the history, which stands among the facts.
impl Coded for Machine {
    fn code<C: Codec>(&mut self, codec: &mut C) {
        let Self { sides, history: _ } = self;
        sides.code(codec);
    }
}

impl Coded for Side {
    fn code<C: Codec>(&mut self, codec: &mut C) {
        let Self {
            state,
            before,
            start,
            last,
            seen,
            last_syn,
            last_fin,
            last_rst,
            retransmissions,
            zero_windows,
            gaps,
        } = self;
        state.code(codec);
        before.code(codec);
        seen.code(codec);
        for count in [retransmissions, zero_windows, gaps] {
            count.code(codec);
        }
        for (number, bit) in [(last_syn, SYN_SEEN), (last_fin, FIN_SEEN), (last_rst, RST_SEEN)] {
            if *seen & bit != 0 {
                number.code(codec);
            }
        }
        start.code(codec);
        last.code(codec);
    }
}

impl Coded for Endpoint {
    fn code<C: Codec>(&mut self, codec: &mut C) {
        const ALL: [Endpoint; 7] = [
            Endpoint::Inactive,
            Endpoint::SynSent,
            Endpoint::SynAckSent,
            Endpoint::Partial,
            Endpoint::Established,
            Endpoint::Closed,
            Endpoint::Reset,
        ];
        let mut n = *self as u64;
        codec.number(&mut n);
        *self = ALL.get(n as usize).copied().unwrap_or_default();
    }
}

/// Sets a side's numbers: at its first segment, and at a SYN that begins anew.
fn begin(side: &mut Side, input: &Input) {
    let anew = input.has(SYN)
        && match side.state {
            Endpoint::SynSent | Endpoint::SynAckSent => input.seq != side.start,
            Endpoint::Established | Endpoint::Partial => true,
            Endpoint::Reset => side.before == Endpoint::Inactive,
            Endpoint::Inactive | Endpoint::Closed => false,
        };
    if side.state == Endpoint::Inactive && !input.has(SYN) {
        side.start = input.seq.minus(1);
        side.last = input.seq;
    } else if side.state == Endpoint::Inactive || anew {
        side.start = input.seq;
        side.last = input.end();
    }
}

/// Zeek `conn_state` from the state of both endpoints at the end.
fn conn_state(orig: Endpoint, resp: Endpoint, bytes: PerDir<u64>, history: &str) -> ConnState {
    use Endpoint::{Closed, Established, Inactive, Partial, Reset, SynAckSent, SynSent};
    let no_bytes = bytes.orig == 0 && bytes.resp == 0;
    match (orig, resp) {
        (SynSent | SynAckSent, Reset) => ConnState::REJ,
        (Reset, Reset) if no_bytes => ConnState::REJ,
        (Inactive | Partial, Reset) => ConnState::RSTRH,
        (_, Reset) => ConnState::RSTR,
        (Reset, Inactive | Partial) if is_lone_syn_then_rst(history) => ConnState::RSTOS0,
        (Reset, Inactive | Partial) => ConnState::OTH,
        (Reset, _) => ConnState::RSTO,
        (Closed, Closed) => ConnState::SF,
        (Closed, Inactive | Partial) => ConnState::SH,
        (Closed, _) => ConnState::S2,
        (Inactive | Partial, Closed) => ConnState::SHR,
        (_, Closed) => ConnState::S3,
        (SynSent, Inactive) => ConnState::S0,
        (Established, Established) => ConnState::S1,
        _ => ConnState::OTH,
    }
}

/// `^?S[^HAFGIQ]*R.*`: a SYN and a RST of the originator with none of its other letters between.
fn is_lone_syn_then_rst(history: &str) -> bool {
    let letters = history.strip_prefix('^').unwrap_or(history);
    let Some(rest) = letters.strip_prefix('S') else { return false };
    rest.chars().find(|c| "HAFGIQR".contains(*c)) == Some('R')
}

const fn swap_case(c: char) -> char {
    if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }
}

/// The counts at which a repeated letter is written again: 1, 10, 100, …
const fn is_power_of_ten(n: u32) -> bool {
    let mut n = n;
    while n >= 10 && n.is_multiple_of(10) {
        n /= 10;
    }
    n == 1
}

/// A SYN or RST whose number lies further off is not believed (Zeek's bound, in bytes).
const TOO_FAR: u32 = 1 << 20;
/// Letters that a history has at most; a storm of resets would make it endless.
const HISTORY_BYTES: usize = 64;

const SYN_SEEN: u8 = 1;
const FIN_SEEN: u8 = 2;
const RST_SEEN: u8 = 4;
const DATA_SEEN: u8 = 8;
const ACK_SEEN: u8 = 16;
const FIN_RST_SEEN: u8 = 32;
const MULTI_SEEN: u8 = 64;

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use crate::flow::timeline::{flows, flows_frozen, tcp};

    /// Zeek's classic cases: `conn_state history`, and the segments.
    const CASES: &[(&str, &str)] = &[
        ("S0 S", "0 > S"),
        ("S0 S", "0 > S \n 1 > S \n 3 > S \n 7 > S \n 15 > S"),
        ("REJ Sr", "0 > S \n 0.1 < RA ack=1"),
        ("SF ShADadFf", "0 > S \n 0.1 < SA ack=1 \n 0.2 > A seq=1 ack=1 \n 0.3 > PA seq=1 ack=1 len=9
            0.4 < A seq=1 ack=10 \n 0.5 < PA seq=1 ack=10 len=5 \n 0.6 > FA seq=10 ack=6 \n 0.7 < FA seq=6 ack=11"),
        ("S1 ShA", "0 > S \n 0.1 < SA ack=1 \n 0.2 > A seq=1 ack=1"),
        ("S1 Sh", "0 > S \n 0.1 < SA ack=1"),
        ("S2 ShAF", "0 > S \n 0.1 < SA ack=1 \n 0.2 > A seq=1 ack=1 \n 0.3 > FA seq=1 ack=1"),
        ("S3 ShAf", "0 > S \n 0.1 < SA ack=1 \n 0.2 > A seq=1 ack=1 \n 0.3 < FA seq=1 ack=1"),
        ("RSTO ShADR", "0 > S \n 0.1 < SA ack=1 \n 0.2 > A seq=1 ack=1 \n 0.3 > PA seq=1 ack=1 len=3 \n 1 > R seq=4"),
        ("RSTR ShADr", "0 > S \n 0.1 < SA ack=1 \n 0.2 > A seq=1 ack=1 \n 0.3 > PA seq=1 ack=1 len=3 \n 1 < RA seq=1 ack=4"),
        ("RSTOS0 SR", "0 > S \n 1 > R seq=1"),
        ("RSTRH ^hr", "0 < SA ack=1 sport=443 dport=40000 \n 1 < R seq=1"),
        ("SH SF", "0 > S \n 1 > FA seq=1 ack=1"),
        ("SHR ^hf", "0 < SA ack=1 \n 1 < FA seq=1 ack=1"),
        ("OTH DdA", "0 > PA seq=1 ack=1 len=3 \n 0.1 < PA seq=1 ack=4 len=2 \n 0.2 > A seq=4 ack=3"),
        ("S1 ^hA", "0 < SA ack=1 \n 0.2 > A seq=1 ack=1"),
        // Simultaneous open.
        ("S1 Ss", "0 > S \n 0 < S \n 0.1 > SA seq=0 ack=1 \n 0.1 < SA seq=0 ack=1"),
        // A retransmission; ten of them.
        ("S1 ShADT", "0 > S \n 0.1 < SA ack=1 \n 0.2 > A seq=1 ack=1 \n 0.3 > PA seq=1 ack=1 len=3 \n 1 > PA seq=1 ack=1 len=3"),
        // A zero window, and bytes that the capture missed.
        ("S1 ShADawG", "0 > S \n 0.1 < SA ack=1 \n 0.2 > A seq=1 ack=1 \n 0.3 > PA seq=1 ack=1 len=3
            0.4 < A seq=1 ack=200 win=0"),
        // SYN and FIN at once, FIN and RST at once.
        ("SH Q", "0 > SF"),
        ("OTH I", "0 > FR"),
        // Challenge ACK (RFC 5961 §4): an ACK to a SYN, then the client's reset.
        ("RSTOS0 SaR", "0 > S \n 0.1 < A seq=77 ack=99 \n 0.2 > R seq=99"),
        // The server ends with FIN and then RST; the client's FIN crosses it.
        ("SF ShAfrF", "0 > S \n 0.1 < SA ack=1 \n 0.2 > A seq=1 ack=1 \n 0.3 < FA seq=1 ack=1 \n 0.4 < R seq=2
            0.5 > FA seq=1 ack=2"),
    ];

    #[test]
    fn classic_cases() {
        for (expected, segments) in CASES {
            let facts = tcp(segments);
            let state = facts.conn_state.map_or("-", |state| state.name());
            assert_eq!(format!("{state} {}", facts.history), *expected, "{segments}");
        }
    }

    /// A flow that was frozen goes on as if nothing had been.
    #[test]
    fn freezing_changes_no_fact() {
        for (_, segments) in CASES {
            let (through, frozen) = (flows(segments), flows_frozen(segments));
            assert_eq!(through.len(), frozen.len(), "{segments}");
            for (a, b) in through.iter().zip(&frozen) {
                assert_eq!(a.tcp.as_deref(), b.tcp.as_deref(), "{segments}");
                assert_eq!((a.packets, a.bytes, a.first, a.last), (b.packets, b.bytes, b.first, b.last));
            }
        }
    }

    #[test]
    fn repeats_are_logarithmic() {
        let mut text =
            "0 > S \n 0.1 < SA ack=1 \n 0.2 > A seq=1 ack=1 \n 0.3 > PA seq=1 ack=1 len=3\n".to_owned();
        for n in 0..100 {
            let _ = writeln!(text, "{} > PA seq=1 ack=1 len=3", n + 1);
        }
        assert_eq!(tcp(&text).history, "ShADTTT");
    }

    #[test]
    fn a_storm_of_resets_stays_bounded() {
        let mut text = String::new();
        for n in 0..500 {
            let _ = writeln!(text, "{n} > R seq={n}");
        }
        assert!(tcp(&text).history.len() <= super::HISTORY_BYTES);
    }
}
