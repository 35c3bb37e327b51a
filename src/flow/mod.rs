//! Packets of a flow in capture order in, its TCP timeline out.
//!
//! A flow is the innermost 5-tuple, the overlay's VNI and a SYN epoch; no timer ends it. Definitions are Wireshark's
//! (`tcp.analysis.*`, `tcp.completeness`, `tcp.stream`) and Zeek's (`conn_state`, `history`).
//! Never rejects a segment, has no clock, and knows nothing of what the payload means: payload goes to an [`Observer`].

use std::net::SocketAddr;

use crate::capture::CaptureIndex;
use crate::packet::protocol;

mod ages;
mod analysis;
mod archive;
pub mod codec;
mod compact;
mod copies;
mod entry;
mod facts;
mod frozen;
mod icmp;
mod ids;
mod key;
mod labels;
mod listener;
mod lone;
mod moment;
mod options;
pub(crate) mod order;
mod record;
mod segments;
mod seq;
mod shard;
mod side;
mod slot;
mod store;
mod stream;
mod tcp;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod timeline;
mod totals;
mod unacked;
mod zeek;

pub use analysis::Analysis;
pub use archive::{Run, RunReader};
pub use codec::{Codec, Coded};
pub use compact::{Brief, Prints, RecordContext, Scratch, Start, is_lone_syn, pack_all};
pub use facts::{ConnState, KeepAlive, Loss, Reset, Silence, TcpFacts, TcpOptions};
pub use moment::{FrameRef, Moment};
pub use record::TcpRecord;
pub use segments::{put_record, record_at};
pub use shard::{Shard, ShardEnd, ShardOptions};
pub use side::{Dir, PerDir};
pub use totals::{LateStream, Totals};

/// Transport protocol of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Proto {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// Anything else, by IP protocol number.
    Other(u8),
}

impl Proto {
    /// IP protocol number.
    pub const fn number(self) -> u8 {
        match self {
            Self::Tcp => protocol::TCP,
            Self::Udp => protocol::UDP,
            Self::Other(n) => n,
        }
    }
}

/// An ICMP or ICMPv6 error that quotes a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcmpError {
    /// When.
    pub at: Moment,
    /// Who sent it.
    pub from: std::net::IpAddr,
    /// ICMP type.
    pub kind: u8,
    /// ICMP code.
    pub code: u8,
    /// ICMPv6; else ICMP.
    pub v6: bool,
    /// Which side's packet it quotes.
    pub quotes: Dir,
    /// TCP sequence number of that packet, where it was captured.
    pub seq: Option<u32>,
}

impl IcmpError {
    /// Whether the packet that it quotes was not delivered: source quench and redirect quote one too (RFC 1122 §3.2.2.2,
    /// §3.2.2.3).
    pub const fn is_error(&self) -> bool {
        self.v6 || !matches!(self.kind, 4 | 5)
    }

    /// Whether it asks for smaller packets, which ends no connection (RFC 1191, RFC 8201).
    pub const fn is_too_big(&self) -> bool {
        matches!((self.v6, self.kind, self.code), (false, 3, 4) | (true, 2, _))
    }
}

impl Default for IcmpError {
    fn default() -> Self {
        let from = std::net::Ipv4Addr::UNSPECIFIED.into();
        Self { at: Moment::default(), from, kind: 0, code: 0, v6: false, quotes: Dir::Orig, seq: None }
    }
}

/// One file's share of a flow, where a capture is several files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Which of the capture's files, from 0.
    pub file: u16,
    /// `tcp.stream` in that file.
    pub stream: Option<u32>,
    /// First frame there.
    pub first_frame: u64,
    /// Last frame there.
    pub last_frame: u64,
    /// The frame in which Wireshark begins its stream there, as [`Flow::stream_frame`].
    pub stream_frame: Option<u64>,
    /// Only ICMP errors that quote the flow are there.
    pub quoted_only: bool,
}

impl Part {
    /// Where Wireshark begins its stream.
    pub fn stream_place(&self) -> Option<FrameRef> {
        self.stream_frame.map(|number| FrameRef::new(self.file, number))
    }
}

/// A finished flow with what the observer made of its payload.
#[derive(Clone, Debug)]
pub struct Flow<A> {
    /// Which capture.
    pub capture: CaptureIndex,
    /// `tcp.stream` (0-based, per file, first-seen order); TCP only; of the first part. Given after the sort.
    pub stream: Option<u32>,
    /// The frame in which Wireshark begins that stream: the first packet, or an ICMP error before it that quotes
    /// enough of the TCP header. Streams are numbered in this order; a flow without it has no number.
    pub stream_frame: Option<FrameRef>,
    /// Other flows of the capture have the same endpoints (port reuse).
    pub shares_tuple: bool,
    /// Transport protocol.
    pub proto: Proto,
    /// Overlay network identifier.
    pub vni: Option<u32>,
    /// Who opened it.
    pub orig: SocketAddr,
    /// The other side.
    pub resp: SocketAddr,
    /// First packet, and the earliest time of all (the same, unless times run backwards).
    pub first: Moment,
    /// Last packet, and the latest time of all.
    pub last: Moment,
    /// Packets by side, copies included.
    pub packets: PerDir<u32>,
    /// Payload bytes by side, copies included (the sum of `tcp.len`).
    pub bytes: PerDir<u64>,
    /// Packets that are copies of one seen just before at another capture point.
    pub duplicates: u32,
    /// The snap length cut a packet of it.
    pub truncated: bool,
    /// The start is not in the capture.
    pub midstream: bool,
    /// Finished early to stay within the memory budget.
    pub evicted: bool,
    /// Only an ICMP error quotes it: no packet of its own is in the capture.
    pub quoted_only: bool,
    /// TCP facts.
    pub tcp: Option<TcpRecord>,
    /// ICMP errors that quote it, at most the first 16.
    pub icmp: Vec<IcmpError>,
    /// ICMP errors that quote its endpoints with a sequence number that it did not send, at most the first 4: anybody could
    /// have written them, so that they decide nothing (RFC 5927 §4.1).
    pub stray_icmp: Vec<IcmpError>,
    /// Shares of the files, only where the capture is several files.
    pub parts: Vec<Part>,
    /// What the observer made of the payload.
    pub app: A,
}

/// Payload of one packet, in capture order: retransmissions, gaps and reordering included.
#[derive(Clone, Copy, Debug)]
pub struct Payload<'a> {
    /// Transport protocol.
    pub proto: Proto,
    /// Who sent it.
    pub dir: Dir,
    /// Place in that side's stream: bytes after the first one it sent (or, midstream, after the first one seen).
    /// Earlier bytes that arrive late in a midstream flow have negative places. 0 for UDP.
    pub offset: i64,
    /// Bytes on the wire.
    pub length: u32,
    /// Those of them that were captured, from the first.
    pub data: &'a [u8],
    /// Frame and time.
    pub at: Moment,
    /// Ports, `orig` and `resp`.
    pub ports: PerDir<u16>,
}

/// Watches the payload of flows; one context for each shard, one state for each flow.
///
/// A flow whose state says [`Observer::wants`] no longer for a side is not shown that side's payload any more.
pub trait Observer {
    /// State of one flow.
    type Flow: Default + Send;
    /// What is left of it in the end; the default is that of a flow without payload.
    type Facts: Coded + Default + Send;

    /// Payload, once per packet that has any and is no copy of one seen just before (duplicate capture points).
    fn payload(&mut self, flow: &mut Self::Flow, payload: &Payload<'_>);

    /// `by` acknowledged the other side's stream up to (not including) `offset`, further than before.
    fn acked(&mut self, flow: &mut Self::Flow, by: Dir, offset: i64, at: Moment);

    /// Whether payload of this side is still of use.
    fn wants(&self, flow: &Self::Flow, dir: Dir) -> bool;

    /// The flow turned out to be the other way round: swap the sides.
    fn swap(&mut self, flow: &mut Self::Flow);

    /// The flow ended (or the input did).
    fn finish(&mut self, flow: Self::Flow, end: &FlowEnd) -> Self::Facts;
}

/// What an observer is told of a flow at its end.
#[derive(Clone, Copy, Debug)]
pub struct FlowEnd {
    /// Last packet of the flow.
    pub last: Moment,
    /// First FIN of each side.
    pub fin: PerDir<Option<Moment>>,
    /// First RST.
    pub reset: Option<Reset>,
    /// The three-way handshake was completed.
    pub established: Option<Moment>,
}

impl FlowEnd {
    /// Datagrams do not end: only the last one is known.
    const fn of_datagrams(last: Moment) -> Self {
        Self { last, fin: PerDir { orig: None, resp: None }, reset: None, established: None }
    }
}
