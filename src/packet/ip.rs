//! IPv4 and IPv6 headers, extension headers, and what an IP protocol number announces (RFC 791, RFC 8200, RFC 4302).

use super::decode::{Next, Step, Stop, Walk};
use super::protocol::{
    AUTHENTICATION, DESTINATION, ETHER_IP, ETHERNET, FRAGMENT, GRE, HIP, HOP_BY_HOP, ICMP, ICMPV6,
    IP_WITHIN_IP, IPIP, IPV6, MOBILITY, MPLS_IN_IP, NO_NEXT_HEADER, ROUTING, SCTP, SHIM6, TCP, UDP,
};
use super::{Kind, note};

/// Whether the two bytes of flags and fragment offset say that the packet is in one piece.
#[inline]
pub(super) fn is_whole(fragment: [u8; 2]) -> bool {
    u16::from_be_bytes(fragment) & (MORE_FRAGMENTS | FRAGMENT_PLACE) == 0
}

impl Walk<'_> {
    /// IP of either version.
    #[inline]
    pub(super) fn ip(&mut self) -> Step {
        match self.rest().first().map(|b| b >> 4) {
            Some(4) => self.ipv4(),
            Some(6) => self.ipv6(),
            Some(_) => Err(Stop::Malformed("IP")),
            None => Err(Stop::Cut("IP")),
        }
    }

    /// RFC 791 §3.1.
    #[inline]
    fn ipv4(&mut self) -> Step {
        let [version, _, l0, l1, i0, i1, f0, f1, ttl, protocol, ..] = *self.head::<20>("IPv4")?;
        let header = usize::from(version & 0xf) * 4;
        let total = usize::from(u16::from_be_bytes([l0, l1]));
        if header < 20 || (total != 0 && total < header) {
            return Err(Stop::Malformed("IPv4"));
        }
        self.packet.notes &= !(note::IPV6 | note::OFFLOAD);
        self.ip_end(total);
        self.packet.ip = self.at as u32;
        self.packet.ip_id = u16::from_be_bytes([i0, i1]);
        self.packet.ttl = ttl;
        self.at += header;
        let fragment = u16::from_be_bytes([f0, f1]);
        if fragment & (MORE_FRAGMENTS | FRAGMENT_PLACE) == 0 {
            return Ok(Next::Protocol(protocol));
        }
        let identification = u32::from(self.packet.ip_id);
        self.fragment(
            protocol,
            identification,
            u32::from(fragment & FRAGMENT_PLACE) * 8,
            fragment & MORE_FRAGMENTS != 0,
        )
    }

    /// RFC 8200 §3.
    #[inline]
    fn ipv6(&mut self) -> Step {
        let [_, _, _, _, l0, l1, next, hops, ..] = *self.head::<40>("IPv6")?;
        let payload = usize::from(u16::from_be_bytes([l0, l1]));
        self.packet.notes = self.packet.notes & !note::OFFLOAD | note::IPV6;
        self.ip_end(if payload == 0 && next != NO_NEXT_HEADER { 0 } else { payload + 40 });
        self.packet.ip = self.at as u32;
        self.packet.ip_id = 0;
        self.packet.ttl = hops;
        self.at += 40;
        Ok(Next::Protocol(next))
    }

    /// Ends the layer where the IP length says: what follows is the padding of the link layer. A length of 0 is a
    /// super-frame that was captured before segmentation.
    #[inline]
    fn ip_end(&mut self, total: usize) {
        if total == 0 || self.end.saturating_sub(self.at) > usize::from(u16::MAX) {
            self.packet.notes |= note::OFFLOAD;
        }
        if total != 0 {
            self.narrow(total);
        }
    }

    /// What an IP protocol number announces.
    #[inline]
    pub(super) fn protocol(&mut self, protocol: u8) -> Step {
        match protocol {
            TCP => self.tcp(),
            UDP => self.udp(),
            _ => self.rare_protocol(protocol),
        }
    }

    fn rare_protocol(&mut self, protocol: u8) -> Step {
        let v6 = self.packet.noted(note::IPV6);
        match protocol {
            ICMP => self.icmp(),
            ICMPV6 => self.icmpv6(),
            IPIP | IPV6 | IP_WITHIN_IP => self.tunnel(Next::Ip),
            GRE => self.tunnel(Next::Gre),
            MPLS_IN_IP => self.tunnel(Next::Mpls),
            ETHERNET => self.tunnel(Next::Ethernet),
            // Version and reserved bits (RFC 3378 §3).
            ETHER_IP => {
                self.skip(2, "EtherIP", Next::Ethernet)?;
                self.tunnel(Next::Ethernet)
            }
            AUTHENTICATION => self.authentication(),
            HOP_BY_HOP | DESTINATION | ROUTING | MOBILITY | HIP | SHIM6 if v6 => self.extension(protocol),
            FRAGMENT if v6 => self.fragment_header(),
            NO_NEXT_HEADER if v6 => Err(Stop::NotIp("an IPv6 packet without next header")),
            SCTP => {
                let [s0, s1, d0, d1] = *self.head::<4>("SCTP")?;
                self.packet.src_port = u16::from_be_bytes([s0, s1]);
                self.packet.dst_port = u16::from_be_bytes([d0, d1]);
                self.opaque(SCTP)
            }
            other => self.opaque(other),
        }
    }

    /// Notes that what comes next is inside a tunnel.
    #[allow(clippy::unnecessary_wraps, reason = "a step like the others, so that each ends in one word")]
    pub(super) fn tunnel(&mut self, next: Next) -> Step {
        self.packet.notes |= note::TUNNEL;
        Ok(next)
    }

    /// Next header and length in 8 bytes, the first not counted (RFC 8200 §4.3 to §4.6).
    fn extension(&mut self, protocol: u8) -> Step {
        let [next, length, option, option_length, j0, j1, j2, j3] = *self.head::<8>("IPv6 extension")?;
        // Jumbo payload, the length of packets beyond 64 KiB (RFC 2675 §2).
        if protocol == HOP_BY_HOP && (option, option_length) == (0xc2, 4) {
            let end = self.packet.ip as usize + 40 + u32::from_be_bytes([j0, j1, j2, j3]) as usize;
            self.narrow(end.saturating_sub(self.at));
        }
        self.at += (usize::from(length) + 1) * 8;
        Ok(Next::Protocol(next))
    }

    /// Next header and length in 4 bytes, two not counted (RFC 4302 §2.2).
    fn authentication(&mut self) -> Step {
        let [next, length] = *self.head::<2>("AH")?;
        self.at += (usize::from(length) + 2) * 4;
        Ok(Next::Protocol(next))
    }

    /// RFC 8200 §4.5; a whole packet with a fragment header is no fragment (RFC 6946).
    fn fragment_header(&mut self) -> Step {
        let [next, _, o0, o1, i0, i1, i2, i3] = *self.head::<8>("IPv6 fragment")?;
        let field = u16::from_be_bytes([o0, o1]);
        self.at += 8;
        if field & 0xfff9 == 0 {
            return Ok(Next::Protocol(next));
        }
        self.fragment(next, u32::from_be_bytes([i0, i1, i2, i3]), u32::from(field & 0xfff8), field & 1 != 0)
    }

    /// Ends with a fragment, whose place is said as [`Kind::Fragment`] says.
    #[allow(clippy::unnecessary_wraps, reason = "a step like the others, so that each ends in one word")]
    fn fragment(&mut self, protocol: u8, identification: u32, place: u32, more: bool) -> Step {
        self.packet.kind = Kind::Fragment;
        self.packet.protocol = protocol;
        self.packet.transport = self.at as u32;
        self.packet.seq = identification;
        self.packet.ack = place;
        self.packet.flags = u16::from(more);
        self.set_payload(self.at);
        Ok(Next::Done)
    }
}

/// Where an IPv4 packet is bound for: the last address of a source route that is not used up, else the destination
/// field (RFC 791 §3.1 "Loose Source and Record Route"). `header` begins with the IPv4 header.
#[inline]
pub(super) fn final_destination(header: &[u8]) -> [u8; 4] {
    let field = header.get(16..).and_then(|b| b.first_chunk::<4>()).copied().unwrap_or_default();
    match header.first() {
        Some(0x45) | None => field,
        Some(first) => {
            let options = header.get(20..usize::from(first & 0xf) * 4).unwrap_or_default();
            source_route(options).unwrap_or(field)
        }
    }
}

#[cold]
fn source_route(mut options: &[u8]) -> Option<[u8; 4]> {
    loop {
        match *options {
            // No operation.
            [1, ref rest @ ..] => options = rest,
            // Loose (131) and strict (137) source route; the pointer counts from 1 and is past the end when used up.
            [131 | 137, length, pointer, ..] if pointer <= length => {
                return options.get(..usize::from(length))?.last_chunk::<4>().copied();
            }
            [kind, length, ..] if kind > 1 && length > 1 => options = options.get(usize::from(length)..)?,
            _ => return None,
        }
    }
}

/// The "more fragments" flag and the place in 8 bytes (RFC 791 §3.1).
const MORE_FRAGMENTS: u16 = 0x2000;
const FRAGMENT_PLACE: u16 = 0x1fff;
