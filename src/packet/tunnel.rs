//! Tunnels: GRE with ERSPAN, MPLS, and what UDP carries: VXLAN, Geneve, GUE, GTP-U, L2TP, Teredo; WireGuard is named
//! and left (RFC 2784, 2890, 2637, 3032, 7348, 8926, 2661, 4380; draft-ietf-intarea-gue; 3GPP TS 29.281).

use super::decode::{Next, Step, Stop, Walk};
use super::{Kind, note};

impl Walk<'_> {
    /// RFC 2784 §2 with the key and sequence number of RFC 2890, the routing of RFC 1701 and version 1 of RFC 2637.
    pub(super) fn gre(&mut self) -> Step {
        let [flags, version, t0, t1] = *self.head::<4>("GRE")?;
        let protocol = u16::from_be_bytes([t0, t1]);
        let mut length = 4;
        // Checksum (0x80) or routing (0x40), key (0x20), sequence number (0x10); version 1: acknowledgment (0x80).
        length += if flags & 0xc0 != 0 { 4 } else { 0 };
        length += if flags & 0x20 != 0 { 4 } else { 0 };
        length += if flags & 0x10 != 0 { 4 } else { 0 };
        length += if version & 7 == 1 && version & 0x80 != 0 { 4 } else { 0 };
        self.skip(length, "GRE", Next::Done)?;
        if flags & 0x40 != 0 {
            self.source_routes()?;
        }
        match protocol {
            // ERSPAN type II has a sequence number and 8 bytes of its own, type I neither (draft-foschiano-erspan §4).
            ERSPAN if flags & 0x10 != 0 => self.skip(8, "ERSPAN", Next::Ethernet),
            // MikroTik Ethernet over IP has length and tunnel number where the key would stand.
            ERSPAN | ETHERNET_OVER_IP => Ok(Next::Ethernet),
            ERSPAN_III => self.erspan_iii(),
            // WCCP version 2 puts a 4-byte redirect header before IP.
            WCCP if self.rest().first().is_some_and(|b| b >> 4 != 4) => self.skip(4, "WCCP", Next::Ip),
            WCCP => Ok(Next::Ip),
            PPP => Ok(Next::Ppp),
            other => Ok(Next::EtherType(other)),
        }
    }

    /// Source route entries up to an empty one (RFC 1701 "Source Route Entry").
    fn source_routes(&mut self) -> Result<(), Stop> {
        // Assume no more than this many hops; a longer list is damage.
        for _ in 0..16 {
            let [_, _, _, length] = *self.head::<4>("GRE routing")?;
            self.skip(4 + usize::from(length), "GRE routing", Next::Done)?;
            if length == 0 {
                return Ok(());
            }
        }
        Err(Stop::Malformed("GRE routing"))
    }

    /// 12 bytes, and 8 more if the last bit says so (draft-foschiano-erspan §4.2).
    fn erspan_iii(&mut self) -> Step {
        let [.., last] = *self.head::<12>("ERSPAN")?;
        self.skip(if last & 1 == 1 { 20 } else { 12 }, "ERSPAN", Next::Ethernet)
    }

    /// Labels up to the bottom of the stack (RFC 3032 §2.1), then IP or a pseudowire with or without control word
    /// (RFC 4385 §3, RFC 4448 §4.1), told apart by the first nibble.
    pub(super) fn mpls(&mut self) -> Step {
        // Assume no stack is deeper; real ones have less than ten labels.
        for _ in 0..32 {
            let [_, _, bottom, _] = *self.head::<4>("MPLS")?;
            self.at += 4;
            if bottom & 1 == 1 {
                return match self.rest().first().map(|b| b >> 4) {
                    Some(4 | 6) => Ok(Next::Ip),
                    Some(0) if self.ether_type_stands_at(16) || !self.ether_type_stands_at(12) => {
                        self.skip(4, "pseudowire", Next::Ethernet)
                    }
                    Some(1) => Err(Stop::NotIp("an MPLS control channel")),
                    Some(_) => Ok(Next::Ethernet),
                    None => Err(Stop::Cut("MPLS")),
                };
            }
        }
        Err(Stop::Malformed("MPLS"))
    }

    /// Whether a common EtherType stands `at` bytes from here: behind addresses (12) or a control word and those (16).
    fn ether_type_stands_at(&self, at: usize) -> bool {
        matches!(self.rest().get(at..at + 2), Some([8, 0 | 6] | [0x86, 0xdd] | [0x81, 0] | [0x88, 0xa8]))
    }

    /// What the UDP payload at the current place carries, if it is a tunnel; the datagram itself is kept beside.
    #[inline]
    pub(super) fn overlay(&mut self) -> Option<Next> {
        let (from, to) = (self.packet.src_port, self.packet.dst_port);
        let vxlan = matches!(to, 4789 | 8472) || self.options.vxlan_ports.contains(&to);
        let known = matches!(to, 4754 | 4790 | 5555 | 6080 | 6081 | 6635)
            || [from, to].iter().any(|p| matches!(p, 1701 | 2152 | 3544 | 51820 | 51821 | 51871));
        (vxlan || known).then(|| self.rare_overlay(vxlan)).flatten()
    }

    #[cold]
    fn rare_overlay(&mut self, vxlan: bool) -> Option<Next> {
        let (from, to) = (self.packet.src_port, self.packet.dst_port);
        let either = |port| from == port || to == port;
        let outer = self.packet;
        let next = match to {
            _ if vxlan => self.vxlan(),
            4790 => self.vxlan_gpe(),
            6081 => self.geneve(),
            5555 | 6080 => self.gue(),
            4754 => Some(Next::Gre),
            6635 => Some(Next::Mpls),
            _ if either(2152) => self.gtp(),
            _ if either(1701) => self.l2tp(),
            _ if either(3544) => self.teredo(),
            _ => self.wireguard(),
        };
        if next.is_some() {
            self.outer = Some(outer);
        }
        next
    }

    /// Flags with the "identifier is valid" bit, 24-bit VNI (RFC 7348 §5).
    fn vxlan(&mut self) -> Option<Next> {
        let [flags, _, _, _, v0, v1, v2, _] = *self.head::<8>("VXLAN").ok()?;
        (flags & 8 != 0).then(|| self.enter(8, [v0, v1, v2], Next::Ethernet))
    }

    /// The same with the protocol of what follows (draft-ietf-nvo3-vxlan-gpe §3).
    fn vxlan_gpe(&mut self) -> Option<Next> {
        let [_, _, _, protocol, v0, v1, v2, _] = *self.head::<8>("VXLAN-GPE").ok()?;
        let next = match protocol {
            1 | 2 => Next::Ip,
            3 => Next::Ethernet,
            5 => Next::Mpls,
            _ => return None,
        };
        Some(self.enter(8, [v0, v1, v2], next))
    }

    /// Version 0, length of options in 4 bytes, protocol, VNI (RFC 8926 §3.4).
    fn geneve(&mut self) -> Option<Next> {
        let [options, _, t0, t1, v0, v1, v2, _] = *self.head::<8>("Geneve").ok()?;
        let length = 8 + usize::from(options & 0x3f) * 4;
        let next = Next::EtherType(u16::from_be_bytes([t0, t1]));
        (options >> 6 == 0 && self.rest().len() >= length).then(|| self.enter(length, [v0, v1, v2], next))
    }

    /// Variant 0, length of options in 4 bytes, protocol of what follows (draft-ietf-intarea-gue §3.1). The overlay of
    /// kube-router (`--overlay-encap=fou`) sends it to port 5555.
    fn gue(&mut self) -> Option<Next> {
        let [first, protocol, ..] = *self.head::<4>("GUE").ok()?;
        let length = 4 + usize::from(first & 0x1f) * 4;
        let version = match protocol {
            4 => 4,
            41 => 6,
            _ => return None,
        };
        let inner = *self.rest().get(length)?;
        (first >> 5 == 0 && inner >> 4 == version).then(|| {
            self.at += length;
            Next::Ip
        })
    }

    fn enter(&mut self, length: usize, [v0, v1, v2]: [u8; 3], next: Next) -> Next {
        self.at += length;
        self.packet.vni = u32::from_be_bytes([0, v0, v1, v2]) + 1;
        next
    }

    /// Version 1, message type 255 is a user's packet; extension headers may follow (3GPP TS 29.281 §5).
    fn gtp(&mut self) -> Option<Next> {
        let [flags, 255, ..] = *self.head::<8>("GTP-U").ok()? else { return None };
        if flags >> 4 != 3 {
            return None;
        }
        let bytes = self.rest();
        let mut at = 8;
        if flags & 7 != 0 {
            at += 4;
            let mut extension = if flags & 4 != 0 { *bytes.get(11)? } else { 0 };
            // Assume no more than a few: each is there at most once.
            for _ in 0..8 {
                if extension == 0 {
                    break;
                }
                at += usize::from(*bytes.get(at)?).max(1) * 4;
                extension = *bytes.get(at - 1)?;
            }
        }
        matches!(bytes.get(at)? >> 4, 4 | 6).then(|| {
            self.at += at;
            Next::Ip
        })
    }

    /// A data message: flags say which fields are there (RFC 2661 §3.1).
    fn l2tp(&mut self) -> Option<Next> {
        let bytes = self.rest();
        let [high, low] = *bytes.first_chunk()?;
        if high & 0x80 != 0 || low & 0xf != 2 {
            return None;
        }
        let mut at = 6;
        at += if high & 0x40 != 0 { 2 } else { 0 };
        at += if high & 8 != 0 { 4 } else { 0 };
        if high & 2 != 0 {
            let [o0, o1] = *bytes.get(at..)?.first_chunk()?;
            at += 2 + usize::from(u16::from_be_bytes([o0, o1]));
        }
        self.at += at;
        Some(Next::Ppp)
    }

    /// IPv6, after authentication and origin indication if they are there (RFC 4380 §5.1.1).
    fn teredo(&mut self) -> Option<Next> {
        let bytes = self.rest();
        let mut at = 0;
        if let Some([0, 1, id, authentication]) = bytes.first_chunk() {
            at += 13 + usize::from(*id) + usize::from(*authentication);
        }
        if let Some([0, 0]) = bytes.get(at..)?.first_chunk() {
            at += 8;
        }
        (bytes.get(at)? >> 4 == 6).then(|| {
            self.at += at;
            Next::Ip
        })
    }

    /// Message type and three zero bytes, on WireGuard's own port or Cilium's (WireGuard paper §5.4).
    fn wireguard(&mut self) -> Option<Next> {
        if let Some([1..=4, 0, 0, 0]) = self.rest().first_chunk() {
            self.packet.kind = Kind::Opaque;
            self.packet.notes &= !note::TUNNEL;
        }
        None
    }
}

const ERSPAN: u16 = 0x88be;
const ERSPAN_III: u16 = 0x22eb;
const WCCP: u16 = 0x883e;
const ETHERNET_OVER_IP: u16 = 0x6400;
const PPP: u16 = 0x880b;
