//! The TCP facts of a finished flow, as rules and output see them.
//!
//! Holds no logic but what follows from the facts alone. Names are Wireshark's and Zeek's.

use super::{Analysis, Dir, Moment, PerDir};
use crate::time::TimeDelta;

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

impl Reset {
    /// RFC 5961 §3.2: a RST elsewhere in the window is asked about, and one outside it is nobody's: the connection goes
    /// on.
    pub const fn is_taken(&self) -> bool {
        self.in_sequence || self.to_syn || self.after_close
    }
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
    /// Payload bytes sent and not acknowledged when the first of the segments was sent again.
    pub in_flight_bytes: u64,
    /// Most bytes that the other side reported as received behind a hole (SACK, RFC 2018): what was sent later passed,
    /// what is before it did not.
    pub sacked_bytes: u64,
    /// Most bytes by which a segment that the receiver takes began beyond what was seen to be sent: the capture lacks them,
    /// and they may never have come (`tcp.analysis.lost_segment` counts segments out of reach as well).
    pub skipped_bytes: u64,
    /// Most bytes by which a number of either side, in a RST too, went beyond what was seen to be sent: the capture lacks
    /// them. One byte may be a FIN.
    pub unseen_bytes: u64,
    /// Segments sent again since the other side last acknowledged anything new, each with bytes that it had not
    /// acknowledged; copies left out.
    pub vain_segments: u32,
    /// Duplicate ACKs of the other side, copies left out.
    pub duplicate_acks: u32,
}

impl Loss {
    /// More than a largest segment that arrived is known.
    pub(super) fn is_more_than_delivered(&self) -> bool {
        *self != Self { largest_delivered_bytes: self.largest_delivered_bytes, ..Self::default() }
    }

    /// Something was sent again, is missing or was never acknowledged.
    pub fn is_any(&self) -> bool {
        self.segments > 0 || self.unacked_bytes > 0 || self.gap_bytes > 0 || self.sacked_bytes > 0
    }
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
    /// Longest Wireshark `tcp.analysis.rto` of each side's retransmissions: how long the sender waited.
    pub rto: PerDir<Option<TimeDelta>>,
    /// Highest Wireshark `tcp.analysis.duplicate_ack_num` of each side.
    pub duplicate_ack_num: PerDir<u32>,
    /// Most payload bytes of each side that were sent and not yet acknowledged (`tcp.analysis.bytes_in_flight`).
    pub max_bytes_in_flight: PerDir<u64>,
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
    /// First FIN of each side; of one that the capture shows behind the FIN that acknowledges it, the time just before that.
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
    /// What another capture of the same SYN shows too: its initial sequence number and timestamp value.
    pub fn dial(&self) -> Option<(u32, Option<u32>)> {
        let isn = self.isn.orig.filter(|_| !self.syn_times.is_empty())?;
        Some((isn, self.options.orig.timestamp))
    }

    /// A SYN was answered with SYN-ACK, and the originator never acknowledged that: half open.
    pub fn is_half_open(&self) -> bool {
        self.established.is_none() && !self.synack_times.is_empty()
    }

    /// The side whose FIN or RST was first.
    pub fn closed_by(&self) -> Option<Dir> {
        let reset = self.reset.map(|reset| (reset.at, reset.from));
        let fin = |dir: Dir| self.first_fin[dir].map(|at| (at, dir));
        let ends = [fin(Dir::Orig), fin(Dir::Resp), reset].into_iter().flatten();
        ends.min_by_key(|(at, dir)| (at.time, at.frame, *dir)).map(|(_, dir)| dir)
    }

    /// Forgets the facts, keeps their memory, and gives that of the history.
    pub(super) fn begin(&mut self) -> String {
        let history = std::mem::take(&mut self.history);
        let mut syn_times = std::mem::take(&mut self.syn_times);
        let mut synack_times = std::mem::take(&mut self.synack_times);
        syn_times.clear();
        synack_times.clear();
        *self = Self { syn_times, synack_times, ..Self::default() };
        history
    }

    /// Exchanges the sides.
    pub(super) fn swap(&mut self) {
        let Self {
            syn,
            synack,
            fin,
            rst,
            analysis,
            completeness: _,
            initial_rtt: _,
            rto,
            duplicate_ack_num,
            max_bytes_in_flight,
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
        *rto = rto.reversed();
        *duplicate_ack_num = duplicate_ack_num.reversed();
        *max_bytes_in_flight = max_bytes_in_flight.reversed();
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
