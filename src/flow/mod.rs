//! Packets of a flow in capture order in, its TCP timeline out.
//!
//! A flow is the innermost 5-tuple, the overlay's VNI and a SYN epoch; no timer ends it. Definitions are Wireshark's
//! (`tcp.analysis.*`, `tcp.completeness`, `tcp.stream`) and Zeek's (`conn_state`, `history`).
//! Never rejects a segment, has no clock, and knows nothing of what the payload means: payload goes to an [`Observer`].

use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::ops::{Index, IndexMut};

use crate::capture::CaptureIndex;
use crate::time::{TimeDelta, Timestamp};

mod codec;
mod copies;
mod entry;
mod icmp;
mod ids;
mod key;
mod labels;
mod options;
mod record;
mod seq;
mod shard;
mod stream;
mod tcp;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod timeline;
mod zeek;

pub use record::TcpRecord;
pub use shard::{Shard, ShardOptions};

/// A side of a flow, or the direction of what it sends. `Orig` opened it (Zeek's words).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dir {
    /// The originator: sent the first SYN, or else by the rules of `tcp.stream`'s client.
    #[default]
    Orig,
    /// The responder.
    Resp,
}

impl Dir {
    /// The other side.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Orig => Self::Resp,
            Self::Resp => Self::Orig,
        }
    }

    /// `orig` or `resp`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Orig => "orig",
            Self::Resp => "resp",
        }
    }
}

/// One value for each side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PerDir<T> {
    /// The originator's.
    pub orig: T,
    /// The responder's.
    pub resp: T,
}

impl<T> PerDir<T> {
    /// With the sides exchanged.
    #[must_use]
    pub fn reversed(self) -> Self {
        Self { orig: self.resp, resp: self.orig }
    }

    /// The side of `dir`, and the other one.
    pub fn both(&mut self, dir: Dir) -> (&mut T, &mut T) {
        match dir {
            Dir::Orig => (&mut self.orig, &mut self.resp),
            Dir::Resp => (&mut self.resp, &mut self.orig),
        }
    }
}

impl<T> Index<Dir> for PerDir<T> {
    type Output = T;
    fn index(&self, dir: Dir) -> &T {
        match dir {
            Dir::Orig => &self.orig,
            Dir::Resp => &self.resp,
        }
    }
}

impl<T> IndexMut<Dir> for PerDir<T> {
    fn index_mut(&mut self, dir: Dir) -> &mut T {
        match dir {
            Dir::Orig => &mut self.orig,
            Dir::Resp => &mut self.resp,
        }
    }
}

/// A frame of a capture: which of its files, and the number there from 1. Ordered as captured.
///
/// Held plus one, so that an absent one takes no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameRef(NonZeroU64);

impl FrameRef {
    /// The frame `number` (from 1) of the capture's `file` (from 0).
    pub const fn new(file: u16, number: u64) -> Self {
        Self(NonZeroU64::MIN.saturating_add((file as u64) << 48 | (number & 0xffff_ffff_ffff)))
    }

    /// Which of the capture's files, from 0.
    pub const fn file(self) -> u16 {
        ((self.0.get() - 1) >> 48) as u16
    }

    /// The number in that file, from 1, as Wireshark shows it.
    pub const fn number(self) -> u64 {
        (self.0.get() - 1) & 0xffff_ffff_ffff
    }

    const fn to_bits(self) -> u64 {
        self.0.get()
    }

    const fn from_bits(bits: u64) -> Self {
        match NonZeroU64::new(bits) {
            Some(bits) => Self(bits),
            None => Self(NonZeroU64::MIN),
        }
    }
}

impl Default for FrameRef {
    fn default() -> Self {
        Self::new(0, 0)
    }
}

/// When, and in which frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment {
    /// Frame.
    pub frame: FrameRef,
    /// Capture time of that frame.
    pub time: Timestamp,
}

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
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Other(n) => n,
        }
    }
}

/// Zeek `conn_state`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the names are Zeek's; their meaning stands at `conn_state`")]
pub enum ConnState {
    S0,
    S1,
    SF,
    REJ,
    S2,
    S3,
    RSTO,
    RSTR,
    RSTOS0,
    RSTRH,
    SH,
    SHR,
    #[default]
    OTH,
}

impl ConnState {
    /// All of them, in order.
    pub const ALL: [Self; 13] = [
        Self::S0,
        Self::S1,
        Self::SF,
        Self::REJ,
        Self::S2,
        Self::S3,
        Self::RSTO,
        Self::RSTR,
        Self::RSTOS0,
        Self::RSTRH,
        Self::SH,
        Self::SHR,
        Self::OTH,
    ];

    /// As Zeek writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::S0 => "S0",
            Self::S1 => "S1",
            Self::SF => "SF",
            Self::REJ => "REJ",
            Self::S2 => "S2",
            Self::S3 => "S3",
            Self::RSTO => "RSTO",
            Self::RSTR => "RSTR",
            Self::RSTOS0 => "RSTOS0",
            Self::RSTRH => "RSTRH",
            Self::SH => "SH",
            Self::SHR => "SHR",
            Self::OTH => "OTH",
        }
    }
}

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

/// What one side of a TCP connection announced in its SYN or SYN-ACK.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpOptions {
    /// Maximum segment size in bytes (RFC 9293 §3.7.1).
    pub mss: Option<u16>,
    /// Window scale shift (RFC 7323 §2).
    pub window_scale: Option<u8>,
    /// SACK permitted (RFC 2018).
    pub sack_permitted: bool,
    /// First timestamp value (RFC 7323 §3).
    pub timestamp: Option<u32>,
}

/// A segment with RST.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reset {
    /// Who sent it, as the addresses say.
    pub from: Dir,
    /// When.
    pub at: Moment,
    /// TTL or hop limit it arrived with.
    pub ttl: u8,
    /// It answers a SYN (connection refused), else it ends what was established.
    pub to_syn: bool,
    /// Both sides had sent FIN, or it came after the sender's own FIN was acknowledged: an ordinary end.
    pub after_close: bool,
    /// Its sequence number is the next one of its sender; one that is not was made by someone who saw no more than the
    /// other side's segments, or answers an old one.
    pub in_sequence: bool,
    /// Payload in it (RFC 9293 §3.5.3 allows a text that says why).
    pub payload_bytes: u32,
}

/// A time in which neither side sent anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Silence {
    /// The segment before it.
    pub since: Moment,
    /// The segment after it.
    pub until: Moment,
    /// Who sent that one.
    pub broken_by: Dir,
}

/// Keep-alive probes of one side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeepAlive {
    /// Probes, copies left out.
    pub count: u32,
    /// First one.
    pub first: Option<Moment>,
    /// Last one.
    pub last: Option<Moment>,
}

/// Loss that one side's data met: facts about segments that had to be sent again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loss {
    /// Segments sent again, copies of one capture point not counted.
    pub segments: u32,
    /// Largest payload among them, in bytes.
    pub largest_bytes: u32,
    /// Largest payload of this side that was acknowledged without being sent again, in bytes.
    pub largest_delivered_bytes: u32,
    /// Payload bytes sent that the other side never acknowledged.
    pub unacked_bytes: u64,
    /// Bytes that the capture never showed but the other side acknowledged or that later data skipped.
    pub gap_bytes: u64,
}

/// The TCP facts of a finished flow. Times and counts of rules leave out copies of one segment (`-i any`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TcpFacts {
    /// Segments with SYN and without ACK, copies included (as Wireshark counts them).
    pub syn: PerDir<u32>,
    /// Segments with SYN and ACK, copies included.
    pub synack: PerDir<u32>,
    /// Segments with FIN, copies included.
    pub fin: PerDir<u32>,
    /// Segments with RST, copies included.
    pub rst: PerDir<u32>,
    /// Findings by side, copies included.
    pub analysis: PerDir<Analysis>,
    /// Wireshark `tcp.completeness` bits: 1 SYN, 2 SYN-ACK, 4 ACK, 8 DATA, 16 FIN, 32 RST. As tshark shows them with the
    /// last segment, which it does not count yet; a stream that does not begin with a SYN lacks its first segment too.
    pub completeness: u8,
    /// Wireshark `tcp.analysis.initial_rtt`.
    pub initial_rtt: Option<TimeDelta>,
    /// Zeek `conn_state`.
    pub conn_state: Option<ConnState>,
    /// Zeek `history`.
    pub history: String,
    /// Initial sequence numbers.
    pub isn: PerDir<Option<u32>>,
    /// When each SYN without ACK was sent (copies left out), at most the first 16.
    pub syn_times: Vec<Moment>,
    /// When each SYN-ACK was sent (copies left out), at most the first 16.
    pub synack_times: Vec<Moment>,
    /// The ACK that completed the three-way handshake.
    pub established: Option<Moment>,
    /// Options of SYN and SYN-ACK.
    pub options: PerDir<TcpOptions>,
    /// First payload byte of each side.
    pub first_payload: PerDir<Option<Moment>>,
    /// Last segment with new payload of each side.
    pub last_payload: PerDir<Option<Moment>>,
    /// Last segment of each side.
    pub last_segment: PerDir<Option<Moment>>,
    /// Last acknowledgment by each side that took in new bytes of the other.
    pub last_new_ack: PerDir<Option<Moment>>,
    /// First FIN of each side.
    pub first_fin: PerDir<Option<Moment>>,
    /// First RST.
    pub reset: Option<Reset>,
    /// TTL or hop limit of the first segment of each side that is no RST.
    pub ttl: PerDir<Option<u8>>,
    /// What became of the data of each side.
    pub loss: PerDir<Loss>,
    /// Retransmissions of SYN-ACK that came after the originator had acknowledged it: the server drops the handshake.
    pub synack_after_ack: u32,
    /// Last window announced by each side, scaled, in bytes.
    pub last_window: PerDir<Option<u32>>,
    /// Both sides dialled at once (RFC 9293 §3.5, simultaneous open).
    pub simultaneous_open: bool,
    /// Payload in the SYN (RFC 7413, TCP Fast Open), in bytes.
    pub syn_payload_bytes: u32,
    /// The longest time between two segments; the silence at the end is not among them.
    pub longest_silence: Option<Silence>,
    /// Keep-alive probes by side, where there are any.
    pub keep_alive: Option<Box<PerDir<KeepAlive>>>,
}

impl TcpFacts {
    /// A SYN was answered with SYN-ACK, and the originator never acknowledged that: half open.
    pub fn is_half_open(&self) -> bool {
        self.established.is_none() && !self.synack_times.is_empty()
    }

    /// The side whose FIN or RST was first.
    pub fn closed_by(&self) -> Option<Dir> {
        let reset = self.reset.map(|reset| (reset.at, reset.from));
        let fin = |dir: Dir| self.first_fin[dir].map(|at| (at, dir));
        [fin(Dir::Orig), fin(Dir::Resp), reset].into_iter().flatten().min().map(|(_, dir)| dir)
    }

    /// Exchanges the sides.
    fn swap(&mut self) {
        let Self {
            syn,
            synack,
            fin,
            rst,
            analysis,
            completeness: _,
            initial_rtt: _,
            conn_state: _,
            history: _,
            isn,
            syn_times: _,
            synack_times: _,
            established: _,
            options,
            first_payload,
            last_payload,
            last_segment,
            last_new_ack,
            first_fin,
            reset,
            ttl,
            loss,
            synack_after_ack: _,
            last_window,
            simultaneous_open: _,
            syn_payload_bytes: _,
            longest_silence,
            keep_alive,
        } = self;
        for counts in [syn, synack, fin, rst] {
            *counts = counts.reversed();
        }
        for moments in [first_payload, last_payload, last_segment, last_new_ack, first_fin] {
            *moments = moments.reversed();
        }
        *analysis = analysis.reversed();
        *isn = isn.reversed();
        *options = options.reversed();
        *ttl = ttl.reversed();
        *loss = loss.reversed();
        *last_window = last_window.reversed();
        if let Some(reset) = reset {
            reset.from = reset.from.other();
        }
        if let Some(silence) = longest_silence {
            silence.broken_by = silence.broken_by.other();
        }
        if let Some(sides) = keep_alive {
            **sides = sides.reversed();
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
}

/// One file's share of a flow, where a capture is several files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Which of the capture's files, from 0.
    pub file: u16,
    /// `tcp.stream` in that file.
    pub stream: Option<u32>,
    /// First frame there.
    pub first_frame: u64,
    /// Last frame there.
    pub last_frame: u64,
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
    /// What is left of it in the end.
    type Facts: Send;

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

    /// Bytes of memory that the context and its interned facts hold.
    fn memory(&self) -> usize;
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
