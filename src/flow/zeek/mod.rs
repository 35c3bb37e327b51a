//! Zeek's view of a connection: the state of each endpoint, `conn_state` and `history`.
//!
//! Takes segments without copies. One function for each state that an endpoint can be in; each says what a segment of
//! that endpoint makes known. No timers: Zeek's would split a 30-second dial into several connections.
//! Source: Zeek `scripts/base/protocols/conn/main.zeek`; states after RFC 9293 §3.3.2, as an observer sees them.

use self::history::{ACK_SEEN, DATA_SEEN, FIN_SEEN, RST_SEEN, SYN_SEEN};
use super::codec::{Codec, Coded, Form};
use super::seq::Seq;
use super::{ConnState, Dir, PerDir};
use crate::packet::tcp_flag::{ACK, FIN, RST, SYN};

mod history;
#[cfg(test)]
mod tests;

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
    /// Data or an ACK in the middle of a connection, of which the history has its letters already.
    fn is_steady(&self, input: &Input) -> bool {
        let letter = if input.length > 0 { DATA_SEEN } else { ACK_SEEN };
        self.state == Endpoint::Established
            && input.flags & (SYN | FIN | RST | ACK) == ACK
            && self.seen & letter != 0
            && input.window != 0
            && !input.reveals_gap
    }

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
    /// Begins anew with the memory of a history that is over. `flipped`: the first packet comes from the responder.
    pub(super) fn begin(&mut self, history: String, flipped: bool) {
        self.sides = PerDir::default();
        self.history = history;
        self.history.clear();
        if flipped {
            self.history.push('^');
        }
    }

    /// Exchanges the sides.
    pub(super) fn swap(&mut self) {
        self.sides = self.sides.reversed();
        self.history = self.history.chars().map(history::swap_case).chain(['^']).collect();
    }

    /// Takes in the next segment.
    pub(super) fn step(&mut self, input: &Input) {
        let (side, _) = self.sides.both(input.dir);
        if side.is_steady(input) {
            return self.note_progress(input);
        }
        begin(side, input);
        self.note_flags(input);
        self.note_window(input);
        self.note_progress(input);
        match self.sides[input.dir].state {
            Endpoint::Inactive => self.inactive(input),
            Endpoint::SynSent | Endpoint::SynAckSent => self.syn_sent(input),
            Endpoint::Partial => self.partial(input),
            Endpoint::Established => self.established(input),
            Endpoint::Closed => self.closed(input),
            // What comes after a RST changes nothing (RFC 9293 §3.10.7.1).
            Endpoint::Reset => {}
        }
        self.note_gap(input);
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

    /// The start is missing. A SYN shows that what came before was of an older connection (RFC 9293 §3.10.7.4, fourth).
    fn partial(&mut self, input: &Input) {
        let (side, peer) = self.sides.both(input.dir);
        if input.has(SYN) && !input.has(ACK) && peer.state == Endpoint::Inactive {
            side.enter(Endpoint::SynSent);
        }
        self.established(input);
    }

    /// Both SYNs are known (RFC 9293 §3.10.7.4, eighth: FIN; §3.5.2: RST).
    fn established(&mut self, input: &Input) {
        let (side, peer) = self.sides.both(input.dir);
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

    /// Zeek `conn_state` of what was seen so far. `bytes`: payload of each side.
    pub(super) fn conn_state(&self, bytes: PerDir<u64>) -> ConnState {
        conn_state(self.sides.orig.state, self.sides.resp.state, bytes, &self.history)
    }

    /// Zeek `history` so far, to be taken out or put back.
    pub(super) fn history(&mut self) -> &mut String {
        &mut self.history
    }

    /// One side has sent a RST.
    pub(super) fn is_reset(&self) -> bool {
        self.sides.orig.state == Endpoint::Reset || self.sides.resp.state == Endpoint::Reset
    }

    /// Both sides have sent a FIN.
    pub(super) fn is_closed(&self) -> bool {
        self.sides.orig.state == Endpoint::Closed && self.sides.resp.state == Endpoint::Closed
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
        let mut form = Form::code([*retransmissions > 0, *zero_windows > 0, *gaps > 0], codec);
        for count in [retransmissions, zero_windows, gaps] {
            form.rare(count, codec, Coded::code);
        }
        for (number, there) in [
            (last_syn, *seen & SYN_SEEN != 0),
            (last_fin, *seen & FIN_SEEN != 0),
            (last_rst, *seen & RST_SEEN != 0),
            (start, true),
            (last, true),
        ] {
            if there {
                let mut bytes = number.0.to_le_bytes();
                codec.array(&mut bytes);
                number.0 = u32::from_le_bytes(bytes);
            }
        }
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
