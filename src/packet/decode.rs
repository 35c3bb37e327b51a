//! From link header to transport header: the walk over a frame's layers.
//!
//! [`Walk`] holds the bytes of the current layer and where it is; each layer is a method (in `link`, `ip`, `tunnel`,
//! `transport`) that reads its header, narrows the walk to what the header's length allows, and says what comes next.
//! All loads are from fixed-size arrays, nothing is allocated. The most common frame is read in one go before the walk is
//! begun; in debug builds it is walked too, and both must agree.

use std::ops::Range;

use super::{DecodeOptions, Decoded, Kind, Packet, hash, ip, note, protocol};
use crate::capture::{FrameHeader, LinkType, Window};
use crate::error::{Place, Weirds};

/// Decodes the frames of `range` (indices into [`Window::frames`]) and appends to `out`.
pub fn decode(window: &Window, range: Range<usize>, options: &DecodeOptions, out: &mut Decoded) {
    out.packets.reserve(range.len());
    each_packet(window, range, options, &mut out.problems, |packet| out.packets.push(packet));
}

/// Decodes the frames of `range` and shows each packet, in frame order; what was not decoded is counted in `problems`.
#[inline]
pub fn each_packet(
    window: &Window,
    range: Range<usize>,
    options: &DecodeOptions,
    problems: &mut Weirds,
    mut show: impl FnMut(Packet),
) {
    let frames = window.frames.get(range.clone()).unwrap_or_default();
    for (index, header) in range.zip(frames) {
        let start = header.offset as usize;
        let end = start.saturating_add(header.captured as usize);
        let Some(bytes) = window.bytes.get(start..end) else { continue };
        if header.link_type == LinkType::ETHERNET
            && header.length == header.captured
            && let Some(packet) = plain(bytes, index, header)
        {
            debug_assert_eq!(
                Walk::new(bytes, header.length as usize, options)
                    .run(Next::Ethernet)
                    .0
                    .map(|walked| walked.of_frame(index, bytes, header)),
                Some(packet)
            );
            show(packet);
            continue;
        }
        let mut walk = Walk::new(bytes, header.length as usize, options);
        let (packet, stop) = walk.run(Next::Link(header.link_type));
        if let Some(packet) = packet {
            show(packet.of_frame(index, bytes, header));
        }
        if let Some(stop) = stop {
            count(problems, stop, window.number(index), header);
        }
    }
}

/// The common frame in one go: Ethernet, IPv4 without options and in one piece, TCP, all of it captured. Everything else
/// is left to the walk.
#[inline]
fn plain(frame: &[u8], index: usize, header: &FrameHeader) -> Option<Packet> {
    let headers = frame.first_chunk::<PLAIN_HEADERS>()?;
    let [t0, t1, 0x45, _, l0, l1, i0, i1, f0, f1, ttl, protocol::TCP, _, _, addresses @ ..] =
        *headers.last_chunk::<42>()?
    else {
        return None;
    };
    let [s0, s1, s2, s3, d0, d1, d2, d3, tcp @ ..] = addresses;
    let end = 14 + usize::from(u16::from_be_bytes([l0, l1]));
    let payload = 34 + usize::from(tcp[12] >> 4) * 4;
    let is_plain = [t0, t1] == [8, 0]
        && ip::is_whole([f0, f1])
        && payload >= PLAIN_HEADERS
        && payload <= end
        && end <= frame.len()
        && u16::try_from(frame.len()).is_ok();
    if !is_plain {
        return None;
    }
    let mut packet = Packet {
        frame: index as u32,
        v4: [u32::from_be_bytes([s0, s1, s2, s3]), u32::from_be_bytes([d0, d1, d2, d3])],
        ip: header.offset + 14,
        transport: header.offset + 34,
        payload: header.offset + payload as u32,
        payload_length: (end - payload) as u32,
        payload_captured: (end - payload) as u32,
        ip_id: u16::from_be_bytes([i0, i1]),
        point: hash::point(frame, header.interface, 14, ttl),
        ttl,
        kind: Kind::Tcp,
        protocol: protocol::TCP,
        ..Packet::EMPTY
    };
    packet.set_tcp(tcp);
    packet.hash = hash::v4(packet.v4, [packet.src_port, packet.dst_port], protocol::TCP);
    Some(packet)
}

/// Decodes one IP packet that was put together from fragments and lies in `bytes`; `length` is its length on the wire.
pub(super) fn decode_ip(
    bytes: &[u8],
    length: usize,
    vni: u32,
    options: &DecodeOptions,
) -> Result<Packet, Stop> {
    let mut walk = Walk::new(bytes, length, options);
    walk.packet.vni = vni;
    let (packet, stop) = walk.run(Next::Ip);
    packet.ok_or_else(|| stop.unwrap_or(Stop::Malformed("IP")))
}

/// What comes next in a frame.
#[derive(Clone, Copy)]
pub(super) enum Next {
    /// A header of this link type.
    Link(LinkType),
    /// An Ethernet header.
    Ethernet,
    /// What this EtherType says.
    EtherType(u16),
    /// A PPP frame, with or without its address and control bytes.
    Ppp,
    /// IP of the version that the first nibble says.
    Ip,
    /// What this IP protocol number says.
    Protocol(u8),
    /// A GRE header.
    Gre,
    /// MPLS labels.
    Mpls,
    /// Nothing: the packet is complete.
    Done,
}

/// Why a frame gave no packet, or none further inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The frame ends within this header.
    Cut(&'static str),
    /// The header contradicts itself.
    Malformed(&'static str),
    /// An EtherType that carries no IP: STP, LLDP, …
    EtherType(u16),
    /// A protocol that carries no IP: PPP control, 802.2, …
    NotIp(&'static str),
    /// A link type that is not decoded.
    LinkType(LinkType),
    /// An encrypted, management or control frame of 802.11.
    Wireless,
    /// More layers than [`MAX_LAYERS`].
    TooDeep,
    /// A frame number without a packet; not a problem.
    NoPacket,
}

pub(super) type Step = Result<Next, Stop>;

/// A place in a frame, and what is known so far.
pub(super) struct Walk<'a> {
    /// Captured bytes of the frame up to the end of the current layer.
    pub(super) frame: &'a [u8],
    /// Where the current header begins.
    pub(super) at: usize,
    /// Where the current layer ends on the wire; beyond `frame` when the snap length cut it.
    pub(super) end: usize,
    /// What is known; its offsets count from the frame's first byte.
    pub(super) packet: Packet,
    /// The UDP datagram that carries the tunnel we are in: given if nothing inside can be read.
    pub(super) outer: Option<Packet>,
    pub(super) options: &'a DecodeOptions,
}

impl<'a> Walk<'a> {
    pub(super) fn new(frame: &'a [u8], length: usize, options: &'a DecodeOptions) -> Self {
        let end = length.min(MAX_LENGTH).max(frame.len());
        Self { frame, at: 0, end, packet: Packet::EMPTY, outer: None, options }
    }

    /// Goes from layer to layer; gives what was found and why it stopped short.
    fn run(&mut self, first: Next) -> (Option<Packet>, Option<Stop>) {
        match self.layers(first) {
            Ok(()) => {
                if self.end > self.frame.len() {
                    self.packet.notes |= note::CUT;
                }
                (Some(self.packet), None)
            }
            Err(Stop::NoPacket) => (None, None),
            Err(stop) => (self.outer, Some(stop)),
        }
    }

    fn layers(&mut self, first: Next) -> Result<(), Stop> {
        let mut next = first;
        for _ in 0..MAX_LAYERS {
            if matches!(next, Next::Done) {
                return Ok(());
            }
            next = self.step(next)?;
        }
        Err(Stop::TooDeep)
    }

    #[inline]
    fn step(&mut self, next: Next) -> Step {
        match next {
            Next::Link(link_type) => self.link(link_type),
            Next::Ethernet => self.ethernet(),
            Next::EtherType(ether_type) => self.ether_type(ether_type),
            Next::Ip => self.ip(),
            Next::Protocol(protocol) => self.protocol(protocol),
            Next::Ppp => self.ppp(),
            Next::Gre => self.gre(),
            Next::Mpls => self.mpls(),
            Next::Done => Ok(Next::Done),
        }
    }

    /// Goes from layer to layer and shows each with the place where it begins and the end that is known by then.
    pub(super) fn each_layer(&mut self, first: Next, each: &mut dyn FnMut(Next, usize, usize)) {
        let mut next = first;
        for _ in 0..MAX_LAYERS {
            each(next, self.at, self.end);
            match self.step(next) {
                Ok(Next::Done) | Err(_) => return,
                Ok(following) => next = following,
            }
        }
    }

    /// The first `N` bytes of the current header.
    #[inline]
    pub(super) fn head<const N: usize>(&self, layer: &'static str) -> Result<&'a [u8; N], Stop> {
        self.frame.get(self.at..).and_then(|b| b.first_chunk()).ok_or(Stop::Cut(layer))
    }

    /// The captured bytes from the current place on.
    #[inline]
    pub(super) fn rest(&self) -> &'a [u8] {
        self.frame.get(self.at..).unwrap_or_default()
    }

    /// Ends the current layer `length` bytes after its beginning, if it is not shorter already.
    #[inline]
    pub(super) fn narrow(&mut self, length: usize) {
        let end = self.at.saturating_add(length);
        if end < self.end {
            self.end = end;
            self.frame = self.frame.get(..end).unwrap_or(self.frame);
        }
    }

    /// Sets the payload from `at` to the end of the layer.
    #[inline]
    pub(super) fn set_payload(&mut self, at: usize) {
        let start = at.min(self.frame.len());
        self.packet.payload = start as u32;
        self.packet.payload_length = self.end.saturating_sub(at) as u32;
        self.packet.payload_captured = self.frame.len().saturating_sub(at) as u32;
    }

    /// Sets the flow hash from the addresses of the innermost IP header and the ports.
    #[inline]
    pub(super) fn set_hash(&mut self, protocol: u8) {
        let at = self.packet.ip as usize;
        let ports = [self.packet.src_port, self.packet.dst_port];
        (self.packet.hash, self.packet.v4) = flow_hash(self.frame, at, ports, protocol);
    }

    /// Ends with a packet of which only addresses and protocol are of interest.
    #[allow(clippy::unnecessary_wraps, reason = "a step like the others, so that each ends in one word")]
    pub(super) fn opaque(&mut self, protocol: u8) -> Step {
        self.packet.kind = Kind::Opaque;
        self.packet.protocol = protocol;
        self.packet.transport = self.at as u32;
        self.set_payload(self.at);
        self.set_hash(protocol);
        Ok(Next::Done)
    }
}

/// Hash by the IP header at `at` and the ports, and the addresses of an IPv4 header.
#[inline]
pub(super) fn flow_hash(bytes: &[u8], at: usize, ports: [u16; 2], protocol: u8) -> (u32, [u32; 2]) {
    const NONE: (u32, [u32; 2]) = (0, [0; 2]);
    let Some(header) = bytes.get(at..) else { return NONE };
    let v6 = header.first().is_some_and(|b| b >> 4 == 6);
    if v6 {
        let Some(ends) = header.get(8..).and_then(|b| b.first_chunk::<32>()) else { return NONE };
        let end = |i: usize| ends[i..].first_chunk::<16>().map_or(0, |b| u128::from_be_bytes(*b));
        (hash::v6([end(0), end(16)], ports, protocol), [0; 2])
    } else {
        let Some([a, b, c, d, ..]) = header.get(12..).and_then(|b| b.first_chunk::<8>()) else { return NONE };
        let ends = [u32::from_be_bytes([*a, *b, *c, *d]), u32::from_be_bytes(ip::final_destination(header))];
        (hash::v4(ends, ports, protocol), ends)
    }
}

impl Packet {
    /// Told where its frame lies in the window.
    #[inline]
    fn of_frame(self, index: usize, frame: &[u8], header: &FrameHeader) -> Self {
        let point = hash::point(frame, header.interface, self.ip, self.ttl);
        Self { frame: index as u32, point, ..self }.moved_by(header.offset)
    }
}

#[cold]
fn count(problems: &mut Weirds, stop: Stop, number: u64, header: &FrameHeader) {
    let (name, detail) = stop.describe();
    problems.note(name, Place::Frame(number), || {
        format!("{detail} (first: frame {number}, {} bytes, {})", header.captured, header.link_type.name())
    });
}

impl Stop {
    /// The name to count by, and a sentence on the first of that name.
    pub(super) fn describe(self) -> (&'static str, String) {
        match self {
            Self::Cut(layer) => {
                ("cut_in_header", format!("the captured bytes end within the {layer} header"))
            }
            Self::Malformed(layer) => {
                ("malformed_header", format!("the {layer} header contradicts itself or the frame"))
            }
            Self::EtherType(n) => ("no_ip_inside", format!("EtherType {n:#06x} carries no IP")),
            Self::NotIp(what) => ("no_ip_inside", format!("{what} carries no IP")),
            Self::LinkType(link_type) => {
                ("link_type_not_decoded", format!("link type {} is not decoded", link_type.0))
            }
            Self::Wireless => (
                "wireless_not_decoded",
                "encrypted and control frames of 802.11 are skipped: capture on the wired side".to_owned(),
            ),
            Self::TooDeep => ("too_many_layers", format!("more than {MAX_LAYERS} headers in one frame")),
            Self::NoPacket => ("no_packet", String::new()),
        }
    }
}

/// Bytes of Ethernet, IPv4 and TCP headers without options.
const PLAIN_HEADERS: usize = 54;

/// Bytes of a frame on the wire at most, whatever its record claims (Wireshark's limit).
const MAX_LENGTH: usize = i32::MAX as usize;

/// Headers of one frame at most: tunnels in tunnels with every VLAN tag, label and extension header.
const MAX_LAYERS: usize = 48;
