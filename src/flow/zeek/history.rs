//! Letters of Zeek's `history`: what each segment adds to it.
//!
//! SYN, FIN and RST are written again where their number is new, gaps, zero windows and retransmissions at each power
//! of ten, everything else once a side.

use super::{Endpoint, Input, Machine};
use crate::flow::Dir;
use crate::packet::tcp_flag::{ACK, FIN, RST, SYN};

impl Machine {
    /// Letters of SYN, FIN, RST, data and ACK: once a side, the first three again where their number is new.
    pub(super) fn note_flags(&mut self, input: &Input) {
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
    pub(super) fn note_window(&mut self, input: &Input) {
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

    /// Bytes that the capture does not show, once both sides are open.
    pub(super) fn note_gap(&mut self, input: &Input) {
        let open = |endpoint| matches!(endpoint, Endpoint::Established | Endpoint::Closed);
        let both_open = open(self.sides.orig.state) && open(self.sides.resp.state);
        if !input.reveals_gap || !both_open || input.has(RST | FIN) {
            return;
        }
        let (_, peer) = self.sides.both(input.dir);
        peer.gaps = peer.gaps.saturating_add(1);
        if is_power_of_ten(peer.gaps) {
            self.write('g', input.dir.other());
        }
    }

    /// Moves the highest number on; payload that does not was sent before.
    pub(super) fn note_progress(&mut self, input: &Input) {
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
    pub(super) fn write(&mut self, letter: char, dir: Dir) {
        if self.history.is_empty() {
            // Most are no longer: one allocation.
            self.history.reserve_exact(24);
        }
        if self.history.len() < HISTORY_BYTES {
            self.history.push(if dir == Dir::Orig { letter.to_ascii_uppercase() } else { letter });
        }
    }
}

pub(super) const fn swap_case(c: char) -> char {
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
pub(super) const HISTORY_BYTES: usize = 64;

pub(super) const SYN_SEEN: u8 = 1;
pub(super) const FIN_SEEN: u8 = 2;
pub(super) const RST_SEEN: u8 = 4;
pub(super) const DATA_SEEN: u8 = 8;
pub(super) const ACK_SEEN: u8 = 16;
const FIN_RST_SEEN: u8 = 32;
const MULTI_SEEN: u8 = 64;
