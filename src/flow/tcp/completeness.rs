//! Wireshark's `tcp.completeness`: which kinds of segment a stream has shown.

use super::{Connection, Segment};
use crate::packet::tcp_flag::{ACK, FIN, RST, SYN};

impl Connection {
    /// Takes in the kind of a segment.
    pub(super) fn complete(&mut self, segment: &Segment<'_>) {
        self.shown_completeness = self.facts.completeness;
        let empty = segment.packet.payload_length == 0;
        if !std::mem::replace(&mut self.begun, true) {
            // Of the first segment Wireshark looks at a SYN only.
            self.facts.completeness = match (segment.is_dial(), empty) {
                (true, true) => SYN_BIT,
                (true, false) => SYN_BIT | DATA_BIT,
                (false, _) => 0,
            };
            return;
        }
        self.advance_completeness(segment.packet.flags, empty);
    }

    /// A packet that an ICMP error quotes moves Wireshark's completeness on as if it had been seen there.
    pub(in crate::flow) fn quoted(&mut self, flags: u16) {
        if !std::mem::replace(&mut self.begun, true) {
            self.facts.completeness = if flags & (SYN | ACK) == SYN { SYN_BIT } else { 0 };
            return;
        }
        self.advance_completeness(flags, true);
    }

    /// Bits of a segment that is not the stream's first.
    fn advance_completeness(&mut self, flags: u16, empty: bool) {
        // Most segments.
        if flags & (SYN | ACK | FIN | RST) == ACK {
            self.facts.completeness |= if empty { ACK_BIT } else { DATA_BIT };
            return;
        }
        for (is_so, bit) in [
            (flags & (SYN | ACK) == SYN | ACK, SYN_ACK_BIT),
            (flags & (SYN | ACK) == ACK && !empty, DATA_BIT),
            (flags & (SYN | ACK) == ACK && empty, ACK_BIT),
            (flags & (FIN | ACK) == FIN | ACK, FIN_BIT),
            (flags & RST != 0, RST_BIT),
        ] {
            if is_so {
                self.facts.completeness |= bit;
            }
        }
    }
}

/// Bits of `tcp.completeness` (Wireshark).
pub(super) const SYN_BIT: u8 = 1;
const SYN_ACK_BIT: u8 = 2;
const ACK_BIT: u8 = 4;
const DATA_BIT: u8 = 8;
const FIN_BIT: u8 = 16;
const RST_BIT: u8 = 32;
