//! What the flows of a shard sum up to, counted as each ends, so that nobody has to read all records again for it.

use std::net::SocketAddr;

use super::{Flow, FrameRef, Part, Proto, TcpFacts};

/// Sums over flows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Totals {
    /// Flows.
    pub flows: u64,
    /// Of these, finished early to stay within the memory budget.
    pub evicted: u64,
    /// TCP flows with packets of their own.
    pub tcp: u64,
    /// Of these, with packets of one side only.
    pub one_sided: u64,
    /// Packets that are copies of one seen just before.
    pub duplicates: u64,
    /// Segments sent again.
    pub retransmissions: u64,
    /// Segments that acknowledge what the capture never showed.
    pub ack_lost_segments: u64,
    /// Payload bytes that the capture never showed.
    pub gap_bytes: u64,
    /// Streams that are not numbered by the first frame of their flow, in no order.
    pub late_streams: Vec<LateStream>,
}

/// A stream whose place is not that of its flow: Wireshark began it with an ICMP error, it goes on in another file, or
/// it may share its number with that of another overlay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LateStream {
    /// Where it begins.
    pub frame: FrameRef,
    /// Both ends in order, overlay, and whether the start of the flow is missing.
    pub overlay: Option<(SocketAddr, SocketAddr, u32, bool)>,
}

/// What one TCP flow adds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TcpSum {
    retransmissions: u64,
    ack_lost_segments: u64,
    gap_bytes: u64,
    /// Digest of [`TcpFacts::dial`].
    pub(super) dial: Option<u32>,
}

impl TcpSum {
    pub(super) fn of(facts: &TcpFacts) -> Self {
        let (orig, resp) = (&facts.analysis.orig, &facts.analysis.resp);
        Self {
            // fast ones are among them
            retransmissions: u64::from(orig.retransmission) + u64::from(resp.retransmission),
            ack_lost_segments: u64::from(orig.ack_lost_segment) + u64::from(resp.ack_lost_segment),
            gap_bytes: facts.loss.orig.gap_bytes.saturating_add(facts.loss.resp.gap_bytes),
            dial: facts.dial().map(dial_print),
        }
    }
}

/// Digest of an initial sequence number. A timestamp value is another in each SYN that is sent again, and two captures
/// need not show the same ones.
pub(super) fn dial_print((isn, _): (u32, Option<u32>)) -> u32 {
    (u64::from(isn).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
}

impl Totals {
    /// What one flow adds.
    pub(super) fn of<A>(flow: &Flow<A>, sum: TcpSum, several_files: bool) -> Self {
        let tcp = flow.proto == Proto::Tcp && !flow.quoted_only;
        Self {
            flows: 1,
            evicted: u64::from(flow.evicted),
            tcp: u64::from(tcp),
            one_sided: u64::from(tcp && (flow.packets.orig == 0 || flow.packets.resp == 0)),
            duplicates: u64::from(flow.duplicates),
            retransmissions: sum.retransmissions,
            ack_lost_segments: sum.ack_lost_segments,
            gap_bytes: sum.gap_bytes,
            late_streams: late_streams(flow, several_files),
        }
    }

    /// What a connection adds that both sides show and nothing befell.
    pub(super) fn ordinary() -> Self {
        Self { flows: 1, tcp: 1, ..Self::default() }
    }

    /// What a lone SYN adds.
    pub(super) fn of_lone(evicted: bool) -> Self {
        Self { flows: 1, evicted: u64::from(evicted), tcp: 1, one_sided: 1, ..Self::default() }
    }

    /// Adds others.
    pub fn add(&mut self, other: Self) {
        let Self {
            flows,
            evicted,
            tcp,
            one_sided,
            duplicates,
            retransmissions,
            ack_lost_segments,
            gap_bytes,
            late_streams,
        } = other;
        self.flows += flows;
        self.evicted += evicted;
        self.tcp += tcp;
        self.one_sided += one_sided;
        self.duplicates += duplicates;
        self.retransmissions += retransmissions;
        self.ack_lost_segments += ack_lost_segments;
        self.gap_bytes = self.gap_bytes.saturating_add(gap_bytes);
        self.late_streams.extend(late_streams);
    }
}

fn late_streams<A>(flow: &Flow<A>, several_files: bool) -> Vec<LateStream> {
    let overlay = flow.vni.filter(|_| !several_files).map(|vni| {
        let (orig, resp) = (flow.orig, flow.resp);
        (orig.min(resp), orig.max(resp), vni, flow.midstream)
    });
    let late = flow.stream_frames(several_files);
    let late = late.filter(|frame| overlay.is_some() || *frame != flow.first.frame);
    late.map(|frame| LateStream { frame, overlay }).collect()
}

impl<A> Flow<A> {
    /// Where Wireshark begins its streams: one in each file.
    fn stream_frames(&self, several_files: bool) -> impl Iterator<Item = FrameRef> {
        let is_tcp = self.proto == Proto::Tcp;
        let whole = self.stream_frame.filter(|_| is_tcp && !several_files);
        let parts = self.parts.iter().filter(move |_| is_tcp && several_files);
        whole.into_iter().chain(parts.filter_map(Part::stream_place))
    }

    /// A stream of it is numbered by its first frame, as nearly all are.
    pub(super) fn is_numbered_in_order(&self, several_files: bool) -> bool {
        let first = self.stream_frames(several_files).any(|frame| frame == self.first.frame);
        first && (several_files || self.vni.is_none())
    }
}
