//! Wireshark's findings: on one segment as a set of labels, over a flow as counts. The one list of `tcp.analysis.*` names
//! that labels, records and output walk over.

use super::codec::{Codec, Coded};

/// How often each `tcp.analysis.*` finding was made on the segments of one side (Wireshark's names), copies included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is `tcp.analysis.NAME`")]
pub struct Analysis {
    pub retransmission: u32,
    pub fast_retransmission: u32,
    pub spurious_retransmission: u32,
    pub out_of_order: u32,
    pub duplicate_ack: u32,
    pub lost_segment: u32,
    pub ack_lost_segment: u32,
    pub zero_window: u32,
    pub zero_window_probe: u32,
    pub zero_window_probe_ack: u32,
    pub window_full: u32,
    pub window_update: u32,
    pub keep_alive: u32,
    pub keep_alive_ack: u32,
    pub reused_ports: u32,
}

impl Analysis {
    /// Each finding: its name without `tcp.analysis.`, and its count. In the order of the bits of a segment's labels.
    pub fn walk(&mut self) -> [(&'static str, &mut u32); FINDINGS] {
        // No `..`: a new finding does not compile until it is in the walk.
        let Self {
            retransmission,
            fast_retransmission,
            spurious_retransmission,
            out_of_order,
            duplicate_ack,
            lost_segment,
            ack_lost_segment,
            zero_window,
            zero_window_probe,
            zero_window_probe_ack,
            window_full,
            window_update,
            keep_alive,
            keep_alive_ack,
            reused_ports,
        } = self;
        [
            ("retransmission", retransmission),
            ("fast_retransmission", fast_retransmission),
            ("spurious_retransmission", spurious_retransmission),
            ("out_of_order", out_of_order),
            ("duplicate_ack", duplicate_ack),
            ("lost_segment", lost_segment),
            ("ack_lost_segment", ack_lost_segment),
            ("zero_window", zero_window),
            ("zero_window_probe", zero_window_probe),
            ("zero_window_probe_ack", zero_window_probe_ack),
            ("window_full", window_full),
            ("window_update", window_update),
            ("keep_alive", keep_alive),
            ("keep_alive_ack", keep_alive_ack),
            ("reused_ports", reused_ports),
        ]
    }
}

impl Coded for Analysis {
    fn code<C: Codec>(&mut self, codec: &mut C) {
        for (_, count) in self.walk() {
            count.code(codec);
        }
    }
}

/// A set of findings on one segment; the bits are in the order of [`Analysis::walk`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Labels(u16);

impl Labels {
    pub(super) const RETRANSMISSION: Self = Self(1);
    pub(super) const FAST_RETRANSMISSION: Self = Self(1 << 1);
    pub(super) const SPURIOUS_RETRANSMISSION: Self = Self(1 << 2);
    pub(super) const OUT_OF_ORDER: Self = Self(1 << 3);
    pub(super) const DUPLICATE_ACK: Self = Self(1 << 4);
    pub(super) const LOST_SEGMENT: Self = Self(1 << 5);
    pub(super) const ACK_LOST_SEGMENT: Self = Self(1 << 6);
    pub(super) const ZERO_WINDOW: Self = Self(1 << 7);
    pub(super) const ZERO_WINDOW_PROBE: Self = Self(1 << 8);
    pub(super) const ZERO_WINDOW_PROBE_ACK: Self = Self(1 << 9);
    pub(super) const WINDOW_FULL: Self = Self(1 << 10);
    pub(super) const WINDOW_UPDATE: Self = Self(1 << 11);
    pub(super) const KEEP_ALIVE: Self = Self(1 << 12);
    pub(super) const KEEP_ALIVE_ACK: Self = Self(1 << 13);
    pub(super) const REUSED_PORTS: Self = Self(1 << 14);

    /// Any of `other`'s is in it.
    pub(super) const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Takes in `other`'s.
    pub(super) const fn add(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// None is in it.
    pub(super) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Counts each. Fast and spurious retransmissions are retransmissions too, as `tcp.analysis.retransmission` has it.
    pub(super) fn count(self, into: &mut Analysis) {
        let any = Self(Self::FAST_RETRANSMISSION.0 | Self::SPURIOUS_RETRANSMISSION.0);
        let counted = if self.has(any) { self.0 | Self::RETRANSMISSION.0 } else { self.0 };
        for (bit, (_, count)) in into.walk().into_iter().enumerate() {
            *count = count.saturating_add(u32::from(counted >> bit & 1));
        }
    }
}

impl Coded for Labels {
    fn code<C: Codec>(&mut self, codec: &mut C) {
        self.0.code(codec);
    }
}

/// How many findings there are.
const FINDINGS: usize = 15;
