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
mod hash;
pub mod headers;
mod ip;
mod link;
pub mod protocol;
mod transport;
mod tunnel;

pub use decode::{decode, each_packet};
pub(crate) use transport::quoted_transport;

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
    /// A fragment of an IP packet, to be put together between windows: [`Packet::seq`] is its identification,
    /// [`Packet::ack`] its place in bytes, bit 0 of [`Packet::flags`] says that more follow, the payload is its data.
    Fragment,
    /// An ARP request or reply, or an IPv6 neighbour solicitation or advertisement: see [`neighbor`].
    Neighbor,
    /// A payload that is named by [`Packet::protocol`] and left: ESP (50), SCTP (132, with ports), ICMP other than
    /// errors (1, 58, type << 8 | code in [`Packet::window`]), and WireGuard (17, with ports).
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
    pub hash: u32,
    /// Index into [`Window::frames`].
    pub frame: u32,
    /// Source and destination address where [`note::IPV6`] is not set: so that a flow is found without a look at the
    /// frame, which is out of the cache by then. A source route's last address is the destination.
    pub v4: [u32; 2],
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
    /// Digest of where the frame was captured, as far as it tells: interface, link-layer header, TTL.
    pub point: u16,
    /// IPv4 TTL or IPv6 hop limit.
    pub ttl: u8,
    /// What it is about.
    pub kind: Kind,
    /// IP protocol number of the transport (of an ICMP error: of the quoted packet).
    pub protocol: u8,
    /// Bits of [`note`].
    pub notes: u8,
}

/// A window of small frames holds some 20,000 of them: their packets must not push the bytes out of the cache.
const _: () = assert!(size_of::<Packet>() <= 64);

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

    /// Source and destination address of the innermost IP header; a source route's last address is the destination.
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
        window.bytes.get(start..start + self.payload_captured as usize).unwrap_or_default()
    }

    /// The captured TCP options.
    pub fn tcp_options<'w>(&self, window: &'w Window) -> &'w [u8] {
        let start = self.transport as usize + 20;
        window.bytes.get(start..self.payload as usize).unwrap_or_default()
    }
}

fn addresses_at(bytes: &[u8], at: usize, v6: bool) -> (IpAddr, IpAddr) {
    if v6 {
        (v6_at(bytes, at + 8), v6_at(bytes, at + 24))
    } else {
        let destination = ip::final_destination(bytes.get(at..).unwrap_or_default());
        (v4_at(bytes, at + 12), IpAddr::V4(Ipv4Addr::from(destination)))
    }
}

fn v4_at(bytes: &[u8], at: usize) -> IpAddr {
    let octets = bytes.get(at..).and_then(|b| b.first_chunk::<4>()).copied().unwrap_or_default();
    IpAddr::V4(Ipv4Addr::from(octets))
}

fn v6_at(bytes: &[u8], at: usize) -> IpAddr {
    let octets = bytes.get(at..).and_then(|b| b.first_chunk::<16>()).copied().unwrap_or_default();
    IpAddr::V6(Ipv6Addr::from(octets))
}

/// What a packet of [`Kind::Neighbor`] says.
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

/// Reads a packet of [`Kind::Neighbor`]; none of another kind.
pub fn neighbor(packet: &Packet, window: &Window) -> Option<Neighbor> {
    if packet.kind != Kind::Neighbor {
        return None;
    }
    let at = packet.transport as usize;
    let (target, sender, answers) = if packet.noted(note::IPV6) {
        // RFC 4861 §4.3, §4.4: the target, asked for or answering, stands behind 8 bytes.
        let target = v6_at(&window.bytes, at + 8);
        (target, packet.addresses(window).0, target)
    } else {
        // RFC 826: hardware and protocol address of the sender, then of the target.
        let hardware = usize::from(window.bytes.get(at + 4).copied().unwrap_or(6));
        let sender = v4_at(&window.bytes, at + 8 + hardware);
        (v4_at(&window.bytes, at + 12 + 2 * hardware), sender, sender)
    };
    Some(match packet.flags {
        1 => Neighbor::Request { address: target, asked_by: sender },
        _ => Neighbor::Answer { address: answers },
    })
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
