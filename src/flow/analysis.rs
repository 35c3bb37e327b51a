//! Wireshark's findings, counted: the one list of `tcp.analysis.*` names that labels, records and output walk over.

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

/// How many findings there are.
const FINDINGS: usize = 15;
