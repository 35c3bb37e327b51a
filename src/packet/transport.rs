//! TCP, UDP, ICMP errors with what they quote, and neighbour messages (RFC 9293, RFC 768, RFC 792, RFC 4443, RFC 826,
//! RFC 4861).

use super::decode::{Next, Step, Stop, Walk, flow_hash};
use super::protocol::{
    AUTHENTICATION, DESTINATION, FRAGMENT, HIP, HOP_BY_HOP, ICMP, ICMPV6, MOBILITY, ROUTING, SCTP, SHIM6,
    TCP, UDP,
};
use super::{Kind, Packet, note};

impl Walk<'_> {
    /// RFC 9293 §3.1. A header whose length contradicts the packet has no payload.
    #[inline]
    pub(super) fn tcp(&mut self) -> Step {
        self.packet.kind = Kind::Tcp;
        self.packet.protocol = TCP;
        self.packet.transport = self.at as u32;
        let Ok(header) = self.head::<20>("TCP") else { return self.cut_transport(TCP) };
        self.packet.set_tcp(*header);
        let length = usize::from(header[12] >> 4) * 4;
        let payload = self.at + length.max(20);
        if length < 20 || payload > self.end {
            self.end = self.frame.len().min(payload);
        } else if payload > self.frame.len() {
            // The snap length took options alone; what decides about the flow is there.
            self.packet.notes |= note::CUT;
        }
        self.set_payload(payload);
        self.set_hash(TCP);
        Ok(Next::Done)
    }

    /// RFC 768; a length of 0 is a jumbogram or a super-frame (RFC 2675 §4).
    #[inline]
    pub(super) fn udp(&mut self) -> Step {
        self.packet.kind = Kind::Udp;
        self.packet.protocol = UDP;
        self.packet.transport = self.at as u32;
        let Ok(&[s0, s1, d0, d1, l0, l1, _, _]) = self.head::<8>("UDP") else {
            return self.cut_transport(UDP);
        };
        self.packet.src_port = u16::from_be_bytes([s0, s1]);
        self.packet.dst_port = u16::from_be_bytes([d0, d1]);
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        if length >= 8 {
            self.narrow(length);
        }
        self.at += 8;
        self.set_payload(self.at);
        self.set_hash(UDP);
        match self.overlay() {
            Some(next) => self.tunnel(next),
            None => Ok(Next::Done),
        }
    }

    /// A transport header that the snap length, or the IP length, cut: the ports may still be there.
    #[cold]
    fn cut_transport(&mut self, protocol: u8) -> Step {
        let [s0, s1, d0, d1] = *self.head::<4>(if protocol == TCP { "TCP" } else { "UDP" })?;
        self.packet.src_port = u16::from_be_bytes([s0, s1]);
        self.packet.dst_port = u16::from_be_bytes([d0, d1]);
        self.packet.notes |= note::CUT_HEADER | note::CUT;
        if protocol == TCP {
            if let Some([_, _, _, _, q0, q1, q2, q3]) = self.rest().first_chunk() {
                self.packet.seq = u32::from_be_bytes([*q0, *q1, *q2, *q3]);
            }
            if let Some([.., a0, a1, a2, a3, offset, flags]) = self.rest().first_chunk::<14>() {
                self.packet.ack = u32::from_be_bytes([*a0, *a1, *a2, *a3]);
                self.packet.flags = u16::from(offset & 0xf) << 8 | u16::from(*flags);
            }
        }
        let header = match self.rest().get(12) {
            Some(offset) if protocol == TCP => usize::from(offset >> 4) * 4,
            _ if protocol == TCP => 20,
            _ => 8,
        };
        self.set_payload(self.at + header);
        self.set_hash(protocol);
        Ok(Next::Done)
    }

    /// RFC 792: 3 unreachable, 4 source quench, 5 redirect, 11 time exceeded, 12 parameter problem quote a packet.
    pub(super) fn icmp(&mut self) -> Step {
        let [kind, code, ..] = *self.head::<8>("ICMP")?;
        self.packet.window = u16::from_be_bytes([kind, code]);
        match kind {
            3 | 4 | 5 | 11 | 12 => self.icmp_error(ICMP),
            _ => self.opaque(ICMP),
        }
    }

    /// RFC 4443 §2.1: types below 128 are errors; RFC 4861 §4.3, §4.4: 135 and 136 are neighbour messages.
    pub(super) fn icmpv6(&mut self) -> Step {
        let [kind, code, ..] = *self.head::<8>("ICMPv6")?;
        self.packet.window = u16::from_be_bytes([kind, code]);
        match kind {
            1..=4 => self.icmp_error(ICMPV6),
            135 | 136 => {
                self.head::<24>("neighbour discovery")?;
                self.neighbor(ICMPV6, u16::from(kind - 134))
            }
            _ => self.opaque(ICMPV6),
        }
    }

    /// The flow that an error quotes, from 8 bytes on (RFC 792; RFC 4443 §3).
    fn icmp_error(&mut self, protocol: u8) -> Step {
        let quoted = self.at + 8;
        let Some(Quoted { protocol: quoted_protocol, ports, seq }) = quote(self.frame, quoted) else {
            return self.opaque(protocol);
        };
        if quoted_protocol == TCP && seq.is_none() && self.frame.len() >= self.end {
            // RFC 1122 §3.2.2: at least 8 bytes are quoted, the sequence number among them; nobody takes less.
            return self.opaque(protocol);
        }
        self.packet.kind = Kind::IcmpError;
        self.packet.protocol = quoted_protocol;
        self.packet.transport = self.at as u32;
        [self.packet.src_port, self.packet.dst_port] = ports;
        self.packet.seq = seq.unwrap_or_default();
        self.set_payload(quoted);
        self.packet.hash = flow_hash(self.frame, quoted, ports, quoted_protocol).0;
        Ok(Next::Done)
    }

    /// Hardware and protocol type, their address lengths, operation, then the addresses (RFC 826).
    pub(super) fn arp(&mut self) -> Step {
        let [_, _, p0, p1, hardware, protocol, _, operation] = *self.head::<8>("ARP")?;
        if [p0, p1, protocol] != [8, 0, 4] || !matches!(operation, 1 | 2) {
            return Err(Stop::NotIp("ARP other than request and reply for IPv4"));
        }
        if self.rest().len() < 16 + 2 * usize::from(hardware) {
            return Err(Stop::Cut("ARP"));
        }
        self.packet.ip = self.at as u32;
        self.packet.notes &= !note::IPV6;
        self.neighbor(0, u16::from(operation))
    }

    #[allow(clippy::unnecessary_wraps, reason = "a step like the others, so that each ends in one word")]
    fn neighbor(&mut self, protocol: u8, operation: u16) -> Step {
        self.packet.kind = Kind::Neighbor;
        self.packet.protocol = protocol;
        self.packet.flags = operation;
        self.packet.transport = self.at as u32;
        self.set_payload(self.at + 8);
        Ok(Next::Done)
    }
}

struct Quoted {
    protocol: u8,
    ports: [u16; 2],
    /// Of TCP.
    seq: Option<u32>,
}

/// What the beginning of an IP packet says of its transport protocol, and where its header is; nowhere in a fragment that
/// is not the first.
pub(crate) fn quoted_transport(packet: &[u8]) -> Option<(u8, Option<usize>)> {
    match packet.first()? >> 4 {
        4 => {
            let header = packet.first_chunk::<20>()?;
            let offset = u16::from_be_bytes([header[6], header[7]]) & 0x1fff;
            let length = usize::from(header[0] & 0xf) * 4;
            Some((header[9], (offset == 0 && length >= 20).then_some(length)))
        }
        6 => Some(quoted_extensions(packet, packet.first_chunk::<40>()?[6])),
        _ => None,
    }
}

/// What the IP packet at `at` says of its flow; ports are 0 where they were cut or not quoted.
fn quote(frame: &[u8], at: usize) -> Option<Quoted> {
    let packet = frame.get(at..)?;
    let (protocol, transport) = quoted_transport(packet)?;
    let transport = transport.and_then(|at| packet.get(at..)).unwrap_or_default();
    let (mut ports, mut seq) = ([0; 2], None);
    if let (TCP | UDP | SCTP, Some([s0, s1, d0, d1])) = (protocol, transport.first_chunk()) {
        ports = [u16::from_be_bytes([*s0, *s1]), u16::from_be_bytes([*d0, *d1])];
    }
    if let (TCP, Some([_, _, _, _, q0, q1, q2, q3])) = (protocol, transport.first_chunk()) {
        seq = Some(u32::from_be_bytes([*q0, *q1, *q2, *q3]));
    }
    Some(Quoted { protocol, ports, seq })
}

/// Walks the extension headers of a quoted IPv6 packet: the transport protocol, and where its header is.
fn quoted_extensions(packet: &[u8], first: u8) -> (u8, Option<usize>) {
    let (mut next, mut at) = (first, 40);
    // As many as RFC 8200 §4.1 has, each once and destination options twice.
    for _ in 0..8 {
        let Some([following, length, o0, o1]) = packet.get(at..).and_then(|b| b.first_chunk::<4>()) else {
            break;
        };
        at += match next {
            HOP_BY_HOP | ROUTING | DESTINATION | MOBILITY | HIP | SHIM6 => (usize::from(*length) + 1) * 8,
            AUTHENTICATION => (usize::from(*length) + 2) * 4,
            FRAGMENT if u16::from_be_bytes([*o0, *o1]) & 0xfff8 != 0 => return (*following, None),
            FRAGMENT => 8,
            _ => break,
        };
        next = *following;
    }
    (next, Some(at))
}

impl Packet {
    /// Nothing known.
    pub(super) const EMPTY: Self = Self {
        hash: 0,
        frame: 0,
        v4: [0; 2],
        ip: 0,
        transport: 0,
        payload: 0,
        payload_length: 0,
        payload_captured: 0,
        vni: 0,
        seq: 0,
        ack: 0,
        src_port: 0,
        dst_port: 0,
        window: 0,
        flags: 0,
        ip_id: 0,
        point: 0,
        ttl: 0,
        kind: Kind::Opaque,
        protocol: 0,
        notes: 0,
    };

    /// Takes what a TCP header without its options says (RFC 9293 §3.1).
    #[inline]
    pub(super) const fn set_tcp(&mut self, header: [u8; 20]) {
        let [s0, s1, d0, d1, q0, q1, q2, q3, a0, a1, a2, a3, offset, flags, w0, w1, ..] = header;
        self.src_port = u16::from_be_bytes([s0, s1]);
        self.dst_port = u16::from_be_bytes([d0, d1]);
        self.seq = u32::from_be_bytes([q0, q1, q2, q3]);
        self.ack = u32::from_be_bytes([a0, a1, a2, a3]);
        self.flags = (offset as u16 & 0xf) << 8 | flags as u16;
        self.window = u16::from_be_bytes([w0, w1]);
    }

    /// The same with its offsets counted from `base` bytes earlier.
    #[inline]
    pub(super) const fn moved_by(mut self, base: u32) -> Self {
        self.ip += base;
        self.transport += base;
        self.payload += base;
        self
    }
}
