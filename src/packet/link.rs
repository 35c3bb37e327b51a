//! Link-layer headers, up to the EtherType or its like (tcpdump.org link types; IEEE 802.3, 802.1Q, 802.1ah; RFC 1661,
//! RFC 2516).

use super::decode::{Next, Step, Stop, Walk};
use super::note;
use crate::capture::LinkType;

impl Walk<'_> {
    /// The header that a link type of the tcpdump.org registry stands for.
    #[inline]
    pub(super) fn link(&mut self, link_type: LinkType) -> Step {
        match link_type {
            LinkType::ETHERNET => Ok(Next::Ethernet),
            LinkType::LINUX_SLL => self.sll(),
            LinkType::LINUX_SLL2 => self.sll2(),
            _ => self.rare_link(link_type),
        }
    }

    fn rare_link(&mut self, link_type: LinkType) -> Step {
        match link_type {
            LinkType::RAW | LinkType::RAW_BSD | LinkType::RAW_OPENBSD | LinkType::IPV4 | LinkType::IPV6 => {
                Ok(Next::Ip)
            }
            LinkType::NULL | LinkType::LOOP => self.loopback(),
            LinkType::PPP | PPP_WITH_DIRECTION | PPP_PPPD | PPP_SERIAL | CISCO_HDLC => {
                self.ppp_link(link_type)
            }
            PPP_ETHER => self.pppoe(),
            LinkType::NFLOG => self.nflog(),
            LinkType::PPI => self.ppi(),
            DSA_BROADCOM_PREPENDED => self.skip(4, "Broadcom tag", Next::Ethernet),
            DSA_BROADCOM => self.switch_tag(4),
            DSA_ETHERTYPE => self.switch_tag(8),
            // Frame control and two addresses, then 802.2 (ANSI X3.139).
            FDDI => {
                self.skip(13, "FDDI", Next::Done)?;
                self.llc()
            }
            // A global routing header of 40 bytes, an EtherType, 2 reserved bytes (`LINKTYPE_IPOIB`; RFC 4391 §6).
            IPOIB => {
                self.skip(40, "IPoIB", Next::Done)?;
                let [t0, t1, _, _] = *self.head::<4>("IPoIB")?;
                self.skip(4, "IPoIB", Next::EtherType(u16::from_be_bytes([t0, t1])))
            }
            LinkType::IEEE802_11 => self.wireless(),
            // Radiotap: version, padding, little-endian length.
            LinkType::RADIOTAP => {
                let [_, _, l0, l1] = *self.head::<4>("radiotap")?;
                let length = usize::from(u16::from_le_bytes([l0, l1])).max(8);
                self.skip(length, "radiotap", Next::Link(LinkType::IEEE802_11))
            }
            PRISM | AVS => Err(Stop::Wireless),
            LinkType::NO_PACKET => Err(Stop::NoPacket),
            other => Err(Stop::LinkType(other)),
        }
    }

    /// Goes `length` bytes on, which must be captured.
    pub(super) fn skip(&mut self, length: usize, layer: &'static str, next: Next) -> Step {
        if self.rest().len() < length {
            return Err(Stop::Cut(layer));
        }
        self.at += length;
        Ok(next)
    }

    /// Two addresses and an EtherType (IEEE 802.3 §3.2).
    #[inline]
    pub(super) fn ethernet(&mut self) -> Step {
        let [.., t0, t1] = *self.head::<14>("Ethernet")?;
        self.at += 14;
        Ok(Next::EtherType(u16::from_be_bytes([t0, t1])))
    }

    /// What an EtherType announces; below 1536 it is a length and an 802.2 header follows.
    #[inline]
    pub(super) fn ether_type(&mut self, ether_type: u16) -> Step {
        match ether_type {
            IPV4 | IPV6 => Ok(Next::Ip),
            VLAN | QINQ | 0x9100 | 0x9200 | 0x9300 => self.vlan(),
            _ => self.rare_ether_type(ether_type),
        }
    }

    fn rare_ether_type(&mut self, ether_type: u16) -> Step {
        match ether_type {
            ARP => self.arp(),
            MPLS | MPLS_MULTICAST => Ok(Next::Mpls),
            PPPOE_SESSION => self.pppoe(),
            PPP => Ok(Next::Ppp),
            // 802.1ah §9.7: the service tag is followed by the customer's whole frame.
            BACKBONE_SERVICE => self.skip(4, "802.1ah", Next::Ethernet),
            BRIDGED_ETHERNET => Ok(Next::Ethernet),
            // Cisco VN-Tag: 4 bytes and the EtherType; 802.1BR E-Tag: 6 bytes and the EtherType.
            VN_TAG => self.tag(4, "VN-Tag"),
            E_TAG => self.tag(6, "802.1BR"),
            // Cisco metadata: version, length, option and value, and the EtherType.
            CISCO_METADATA => self.tag(6, "Cisco metadata"),
            0..1536 => self.llc(),
            other => Err(Stop::EtherType(other)),
        }
    }

    /// Tag control information, then the next EtherType (802.1Q §9.6).
    #[inline]
    fn vlan(&mut self) -> Step {
        let [_, _, t0, t1] = *self.head::<4>("VLAN")?;
        self.at += 4;
        Ok(Next::EtherType(u16::from_be_bytes([t0, t1])))
    }

    /// A tag of `length` bytes, then the next EtherType.
    fn tag(&mut self, length: usize, layer: &'static str) -> Step {
        self.skip(length, layer, Next::Done)?;
        let [t0, t1] = *self.head::<2>(layer)?;
        self.at += 2;
        Ok(Next::EtherType(u16::from_be_bytes([t0, t1])))
    }

    /// A switch's port tag of `length` bytes between the addresses and the EtherType (Linux `net/dsa`).
    fn switch_tag(&mut self, length: usize) -> Step {
        self.skip(12, "Ethernet", Next::Done)?;
        self.tag(length, "switch tag")
    }

    /// 802.2 with SNAP, organisation 0 (RFC 1042) or 802.1H.
    fn llc(&mut self) -> Step {
        match *self.head::<8>("802.2")? {
            [0xaa, 0xaa, 3, 0, 0, 0 | 0xf8, t0, t1] => {
                self.at += 8;
                Ok(Next::EtherType(u16::from_be_bytes([t0, t1])))
            }
            // Raw IP service access point (RFC 948).
            [6, 6, 3, ..] => self.skip(3, "802.2", Next::Ip),
            _ => Err(Stop::NotIp("802.2 without SNAP (spanning tree and the like)")),
        }
    }

    /// Linux cooked capture (`LINKTYPE_LINUX_SLL`): packet type, ARPHRD, address, protocol.
    fn sll(&mut self) -> Step {
        let [p0, p1, h0, h1, _, _, _, _, _, _, _, _, _, _, t0, t1] = *self.head::<16>("SLL")?;
        self.at += 16;
        self.cooked(u16::from_be_bytes([p0, p1]), u16::from_be_bytes([h0, h1]), u16::from_be_bytes([t0, t1]))
    }

    /// Linux cooked capture v2 (`LINKTYPE_LINUX_SLL2`): protocol, interface, ARPHRD, packet type, address.
    fn sll2(&mut self) -> Step {
        let [t0, t1, _, _, _, _, _, _, h0, h1, kind, ..] = *self.head::<20>("SLL2")?;
        self.at += 20;
        self.cooked(u16::from(kind), u16::from_be_bytes([h0, h1]), u16::from_be_bytes([t0, t1]))
    }

    fn cooked(&mut self, packet_type: u16, hardware: u16, protocol: u16) -> Step {
        match packet_type {
            0 => self.packet.notes |= note::INCOMING,
            4 => self.packet.notes |= note::OUTGOING,
            _ => {}
        }
        match (hardware, protocol) {
            (ARPHRD_RADIOTAP | ARPHRD_IEEE80211, _) => Err(Stop::Wireless),
            (ARPHRD_NETLINK, _) => Err(Stop::NotIp("netlink")),
            // `LINUX_SLL_P_802_2`.
            (_, 4) => self.llc(),
            (_, 0..1536) => Err(Stop::NotIp("a cooked frame without EtherType")),
            _ => Ok(Next::EtherType(protocol)),
        }
    }

    /// A 4-byte address family, in either byte order, then IP (`LINKTYPE_NULL`, `LINKTYPE_LOOP`).
    fn loopback(&mut self) -> Step {
        let family = *self.head::<4>("loopback")?;
        self.at += 4;
        match family {
            // AF_INET; AF_INET6 of NetBSD and OpenBSD, FreeBSD, macOS, Linux, Windows.
            [2 | 24 | 28 | 30 | 10 | 23, 0, 0, 0] | [0, 0, 0, 2 | 24 | 28 | 30 | 10 | 23] => Ok(Next::Ip),
            _ => Err(Stop::NotIp("a loopback family other than IP")),
        }
    }

    fn ppp_link(&mut self, link_type: LinkType) -> Step {
        match (link_type, self.rest()) {
            (PPP_WITH_DIRECTION, _) => self.skip(1, "PPP", Next::Ppp),
            // `LINKTYPE_PPP_PPPD`: the direction stands in place of the address byte.
            (PPP_PPPD, [_, 3, ..]) => self.skip(2, "PPP", Next::Ppp),
            // Cisco HDLC: address, control, EtherType.
            (CISCO_HDLC | PPP_SERIAL, [0x0f | 0x8f, _, t0, t1, ..]) => {
                self.at += 4;
                Ok(Next::EtherType(u16::from_be_bytes([*t0, *t1])))
            }
            (CISCO_HDLC, _) => Err(Stop::NotIp("an unknown HDLC frame")),
            _ => Ok(Next::Ppp),
        }
    }

    /// The protocol of a PPP frame, one or two bytes, after address and control if they are there (RFC 1661 §2,
    /// RFC 1662 §3.1).
    pub(super) fn ppp(&mut self) -> Step {
        if let [0xff, 3, ..] = self.rest() {
            self.at += 2;
        }
        let protocol = match *self.rest() {
            [one, ..] if one & 1 == 1 => {
                self.at += 1;
                u16::from(one)
            }
            [high, low, ..] => {
                self.at += 2;
                u16::from_be_bytes([high, low])
            }
            _ => return Err(Stop::Cut("PPP")),
        };
        match protocol {
            0x0021 | 0x0057 => Ok(Next::Ip),
            0x0281 | 0x0283 => Ok(Next::Mpls),
            _ => Err(Stop::NotIp("a PPP protocol other than IP")),
        }
    }

    /// Version and type, code 0, session, length, then PPP (RFC 2516 §4).
    fn pppoe(&mut self) -> Step {
        let [_, code, _, _, l0, l1] = *self.head::<6>("PPPoE")?;
        if code != 0 {
            return Err(Stop::NotIp("PPPoE discovery"));
        }
        self.at += 6;
        self.narrow(usize::from(u16::from_be_bytes([l0, l1])));
        Ok(Next::Ppp)
    }

    /// Netfilter log: family, version, resource, then attributes in the byte order of the host (`LINKTYPE_NFLOG`).
    fn nflog(&mut self) -> Step {
        self.skip(4, "NFLOG", Next::Done)?;
        // At most the 21 attributes that there are (`enum nfulnl_attr_type`).
        for _ in 0..32 {
            let [l0, l1, t0, t1] = *self.head::<4>("NFLOG")?;
            let left = self.end.saturating_sub(self.at);
            // An attribute's type is below 256 and its length fits what is left in one byte order only.
            let (length, kind) = match (u16::from_le_bytes([l0, l1]), u16::from_be_bytes([l0, l1])) {
                (length, _) if (4..=left).contains(&usize::from(length)) && t1 == 0 => (length, t0),
                (_, length) if (4..=left).contains(&usize::from(length)) && t0 == 0 => (length, t1),
                _ => return Err(Stop::Malformed("NFLOG")),
            };
            if kind == NFULA_PAYLOAD {
                self.narrow(usize::from(length));
                self.at += 4;
                return Ok(Next::Ip);
            }
            self.at += usize::from(length).next_multiple_of(4);
        }
        Err(Stop::NotIp("a netfilter log entry without packet"))
    }

    /// An 802.11 data frame that is not encrypted (IEEE 802.11 §9.3.2); all others are left.
    fn wireless(&mut self) -> Step {
        let [kind, flags] = *self.head::<2>("802.11")?;
        // Type 2 is data; 0x40 of the first byte has no body; 0x40 of the second says encrypted.
        if kind & 0x0c != 8 || (kind | flags) & 0x40 != 0 {
            return Err(Stop::Wireless);
        }
        let quality = kind & 0x80 != 0;
        // A fourth address between two distribution systems, quality of service, high-throughput control.
        let address = if flags & 3 == 3 { 6 } else { 0 };
        let control = if quality { 2 } else { 0 } + if quality && flags & 0x80 != 0 { 4 } else { 0 };
        let aggregated = quality && self.rest().get(24 + address).is_some_and(|b| b & 0x80 != 0);
        if aggregated {
            return Err(Stop::Wireless);
        }
        self.skip(24 + address + control, "802.11", Next::Done)?;
        self.llc()
    }

    /// Per-packet information: version, flags, length, link type, all little-endian (CACE PPI 1.0.7).
    fn ppi(&mut self) -> Step {
        let [_, _, l0, l1, d0, d1, _, _] = *self.head::<8>("PPI")?;
        let link_type = LinkType(u16::from_le_bytes([d0, d1]));
        let length = usize::from(u16::from_le_bytes([l0, l1])).max(8);
        self.skip(length, "PPI", Next::Link(link_type))
    }
}

const IPV4: u16 = 0x0800;
const ARP: u16 = 0x0806;
const BRIDGED_ETHERNET: u16 = 0x6558;
const VLAN: u16 = 0x8100;
const IPV6: u16 = 0x86dd;
const PPP: u16 = 0x880b;
const MPLS: u16 = 0x8847;
const MPLS_MULTICAST: u16 = 0x8848;
const PPPOE_SESSION: u16 = 0x8864;
const QINQ: u16 = 0x88a8;
const BACKBONE_SERVICE: u16 = 0x88e7;
const CISCO_METADATA: u16 = 0x8909;
const VN_TAG: u16 = 0x8926;
const E_TAG: u16 = 0x893f;

const FDDI: LinkType = LinkType(10);
const IPOIB: LinkType = LinkType(242);
const PPP_SERIAL: LinkType = LinkType(50);
const PPP_ETHER: LinkType = LinkType(51);
const CISCO_HDLC: LinkType = LinkType(104);
const PRISM: LinkType = LinkType(119);
const AVS: LinkType = LinkType(163);
const PPP_PPPD: LinkType = LinkType(166);
const PPP_WITH_DIRECTION: LinkType = LinkType(204);
const DSA_BROADCOM: LinkType = LinkType(281);
const DSA_BROADCOM_PREPENDED: LinkType = LinkType(282);
const DSA_ETHERTYPE: LinkType = LinkType(285);

const ARPHRD_IEEE80211: u16 = 801;
const ARPHRD_RADIOTAP: u16 = 803;
const ARPHRD_NETLINK: u16 = 824;

/// `NFULA_PAYLOAD` of `linux/netfilter/nfnetlink_log.h`.
const NFULA_PAYLOAD: u8 = 9;
