//! One frame in, what is inside it out.
//!
//! Takes a [`Window`] and gives at most one [`Packet`] of 64 bytes for each frame: the innermost IP packet's facts with
//! offsets into the window's bytes. Keeps no state between frames; [`fragments`] is the serial step between windows
//! that puts IP fragments together. Never judges checksums (offload) and never rejects: what could not be decoded is
//! counted with the layer it stopped at.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::capture::Window;
use crate::error::Weirds;

mod decode;
pub mod fragments;

pub use decode::decode;

/// What a [`Packet`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A TCP segment.
    Tcp,
    /// A UDP datagram that is not an overlay.
    Udp,
    /// An ICMP or ICMPv6 error; ports, sequence number and [`Packet::hash`] are those of the quoted flow.
    IcmpError,
    /// A fragment of an IP packet, to be put together between windows.
    Fragment,
    /// An ARP request or reply, or an IPv6 neighbour solicitation or advertisement.
    Neighbor,
    /// ESP, WireGuard or another payload that is named and left.
    Opaque,
}

/// Bits of [`Packet::notes`].
pub mod note {
    /// The snap length cut the frame within this packet.
    pub const CUT: u8 = 1;
    /// It was put together from IP fragments.
    pub const REASSEMBLED: u8 = 2;
    /// IPv6; else IPv4.
    pub const IPV6: u8 = 4;
    /// Inside a tunnel (VXLAN, Geneve, GRE, IP in IP).
    pub const TUNNEL: u8 = 8;
    /// A total length of 0 or over 64 KiB: a segmentation-offload super-frame.
    pub const OFFLOAD: u8 = 16;
    /// The link layer says that the capturing host sent it (SLL packet type 4).
    pub const OUTGOING: u8 = 32;
    /// The link layer says that it was addressed to the capturing host (SLL packet type 0).
    pub const INCOMING: u8 = 64;
    /// The TCP header was cut before its end; ports are right, the rest may be missing.
    pub const CUT_HEADER: u8 = 128;
}

/// One decoded packet: facts, and offsets into [`Window::bytes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The same for both directions of a flow and for ICMP errors that quote it; never of threads or time.
    pub hash: u64,
    /// Index into [`Window::frames`].
    pub frame: u32,
    /// Offset of the innermost IP header (of an ICMP error: of the outer header; see `quoted`).
    pub ip: u32,
    /// Offset of the TCP, UDP, ICMP or ARP header.
    pub transport: u32,
    /// Offset of the first payload byte (of an ICMP error: of the quoted IP header).
    pub payload: u32,
    /// Payload bytes on the wire, by the IP length (Ethernet padding is not payload).
    pub payload_length: u32,
    /// Payload bytes captured.
    pub payload_captured: u32,
    /// Overlay network identifier (VXLAN or Geneve VNI) plus one; 0 for none.
    pub vni: u32,
    /// TCP sequence number (of an ICMP error: the quoted one).
    pub seq: u32,
    /// TCP acknowledgment number.
    pub ack: u32,
    /// TCP or UDP source port (of an ICMP error: the quoted one).
    pub src_port: u16,
    /// TCP or UDP destination port (of an ICMP error: the quoted one).
    pub dst_port: u16,
    /// TCP window as it stands, unscaled (of an ICMP error: type << 8 | code).
    pub window: u16,
    /// The 12 TCP flag bits, CWR and NS included.
    pub flags: u16,
    /// IPv4 identification; 0 for IPv6.
    pub ip_id: u16,
    /// IPv4 TTL or IPv6 hop limit.
    pub ttl: u8,
    /// What it is about.
    pub kind: Kind,
    /// IP protocol number of the transport (of an ICMP error: of the quoted packet).
    pub protocol: u8,
    /// Bits of [`note`].
    pub notes: u8,
}

/// TCP flag bits as in [`Packet::flags`] (RFC 9293 §3.1).
pub mod tcp_flag {
    /// FIN.
    pub const FIN: u16 = 1;
    /// SYN.
    pub const SYN: u16 = 2;
    /// RST.
    pub const RST: u16 = 4;
    /// PSH.
    pub const PSH: u16 = 8;
    /// ACK.
    pub const ACK: u16 = 16;
    /// URG.
    pub const URG: u16 = 32;
}

impl Packet {
    /// Whether any of these TCP flags is set.
    pub const fn has(&self, flags: u16) -> bool {
        self.flags & flags != 0
    }

    /// Whether any of these [`note`] bits is set.
    pub const fn noted(&self, bits: u8) -> bool {
        self.notes & bits != 0
    }

    /// Source and destination address of the innermost IP header.
    pub fn addresses(&self, window: &Window) -> (IpAddr, IpAddr) {
        addresses_at(&window.bytes, self.ip as usize, self.noted(note::IPV6))
    }

    /// Of an ICMP error: source and destination address of the packet it quotes.
    pub fn quoted_addresses(&self, window: &Window) -> (IpAddr, IpAddr) {
        let at = self.payload as usize;
        let v6 = window.bytes.get(at).is_some_and(|b| b >> 4 == 6);
        addresses_at(&window.bytes, at, v6)
    }

    /// The captured payload.
    pub fn payload<'w>(&self, window: &'w Window) -> &'w [u8] {
        let start = self.payload as usize;
        &window.bytes[start..start + self.payload_captured as usize]
    }

    /// The captured TCP options.
    pub fn tcp_options<'w>(&self, window: &'w Window) -> &'w [u8] {
        let start = self.transport as usize + 20;
        window.bytes.get(start..self.payload as usize).unwrap_or_default()
    }
}

fn addresses_at(bytes: &[u8], at: usize, v6: bool) -> (IpAddr, IpAddr) {
    fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
        bytes.get(at..at + N).and_then(|b| b.try_into().ok()).unwrap_or([0; N])
    }
    if v6 {
        let ip = |at| IpAddr::V6(Ipv6Addr::from(array::<16>(bytes, at)));
        (ip(at + 8), ip(at + 24))
    } else {
        let ip = |at| IpAddr::V4(Ipv4Addr::from(array::<4>(bytes, at)));
        (ip(at + 12), ip(at + 16))
    }
}

/// A neighbour question or answer (ARP, RFC 826; ND, RFC 4861).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Neighbor {
    /// Who has `address`?
    Request {
        /// Address asked for.
        address: IpAddr,
        /// Who asks.
        asked_by: IpAddr,
    },
    /// `address` is here.
    Answer {
        /// Address that answers.
        address: IpAddr,
    },
}

/// Reads a packet of [`Kind::Neighbor`].
pub fn neighbor(_packet: &Packet, _window: &Window) -> Option<Neighbor> {
    None
}

/// What to decode beyond the standard ports.
#[derive(Clone, Debug, Default)]
pub struct DecodeOptions {
    /// UDP ports that carry VXLAN beside 4789 and 8472.
    pub vxlan_ports: Vec<u16>,
}

/// The packets of a run of frames, in frame order, and what was not decoded.
#[derive(Clone, Debug, Default)]
pub struct Decoded {
    /// In frame order; a frame that carries no packet of interest has none.
    pub packets: Vec<Packet>,
    /// Frames of which nothing was of use, by reason, and what was surprising.
    pub problems: Weirds,
}
