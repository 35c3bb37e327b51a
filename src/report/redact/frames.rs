//! Frames without their content: headers stay, addresses are replaced, payload is cut.
//!
//! Takes a frame and what replaces addresses; gives the frame up to the end of its transport header, with the length
//! that it had on the wire, so that Wireshark counts bytes as before and says that the rest was not captured. Only what
//! is known to hold no name and no address is kept: the frame ends where a header is not understood.
//! `checksums` makes its checksums anew.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::Addresses;
use super::checksums::{self, Sum};
use crate::capture::LinkType;
use crate::packet::DecodeOptions;
use crate::packet::headers::{Header, Placed, headers};
use crate::packet::protocol::{
    AUTHENTICATION, DESTINATION, ESP, FRAGMENT, HOP_BY_HOP, ICMP, ICMPV6, SCTP, TCP, UDP,
};

/// A frame that can leave the house.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redacted {
    /// Link type, which is raw IP where the link's own header may hold more than addresses.
    pub link_type: LinkType,
    /// Bytes on the wire.
    pub length: u32,
    /// Its headers.
    pub bytes: Vec<u8>,
}

/// The frame with addresses replaced, and without payload.
pub fn frame(
    bytes: &[u8],
    length: u32,
    link_type: LinkType,
    options: &DecodeOptions,
    addresses: &mut Addresses,
) -> Redacted {
    let placed = headers(bytes, length as usize, link_type, options);
    let own_link =
        [LinkType::ETHERNET, LinkType::LINUX_SLL, LinkType::LINUX_SLL2, LinkType::NULL, LinkType::LOOP];
    let first_ip = placed.iter().find(|p| p.header == Header::Ip).map_or(bytes.len(), |p| p.at);
    let (start, link_type) =
        if own_link.contains(&link_type) { (0, link_type) } else { (first_ip, LinkType::RAW) };
    let mut scrub = Scrub { bytes: bytes.to_vec(), kept: start, sums: Vec::new(), addresses };
    let understood = scrub.headers(&placed, start).is_ok();
    for sum in std::mem::take(&mut scrub.sums).into_iter().rev() {
        checksums::renew(&mut scrub.bytes, scrub.kept, sum);
    }
    let innermost = placed.iter().rev().find(|p| p.header == Header::Ip);
    let content_end = innermost.map_or(scrub.kept, |ip| scrub.ip_end(ip.at, ip.end));
    let Scrub { mut bytes, kept, .. } = scrub;
    if !understood || kept < content_end {
        bytes.truncate(kept);
    } else {
        // Padding of the link layer: nothing was cut, so that nothing shall look cut.
        bytes.iter_mut().skip(kept).for_each(|b| *b = 0);
    }
    let bytes = bytes.split_off(start.min(bytes.len()));
    Redacted { link_type, length: length.saturating_sub(start as u32).max(bytes.len() as u32), bytes }
}

struct Scrub<'a> {
    bytes: Vec<u8>,
    /// What is left of the frame.
    kept: usize,
    sums: Vec<Sum>,
    addresses: &'a mut Addresses,
}

/// What was not understood: the frame ends there.
struct Stop;

type Step = Result<(), Stop>;

impl Scrub<'_> {
    fn headers(&mut self, placed: &[Placed], start: usize) -> Step {
        let mut ip = start;
        for (n, this) in placed.iter().enumerate() {
            if this.at < start {
                continue;
            }
            if this.header == Header::Ip {
                ip = this.at;
            }
            let next = placed.get(n + 1).map(|p| p.at);
            self.header(*this, next, ip)?;
        }
        Ok(())
    }

    fn header(&mut self, this: Placed, next: Option<usize>, ip: usize) -> Step {
        let at = this.at;
        match this.header {
            Header::Ethernet => {
                self.mac(at)?;
                self.mac(at + 6)?;
                self.keep(at + 14)
            }
            Header::Link(link_type) => self.link(link_type, at),
            Header::EtherType(ARP) => self.arp(at),
            Header::Ip => self.ip(at),
            Header::Protocol(protocol) => self.protocol(this, protocol, next, ip),
            Header::Gre => self.gre(at, next),
            Header::EtherType(_) | Header::Ppp | Header::Mpls => self.keep(next.ok_or(Stop)?),
        }
    }

    /// Cooked headers hold one address and its length (`LINKTYPE_LINUX_SLL`, `LINKTYPE_LINUX_SLL2`).
    fn link(&mut self, link_type: LinkType, at: usize) -> Step {
        let (length_at, address, end) = match link_type {
            LinkType::LINUX_SLL => (at + 5, at + 6, at + 16),
            LinkType::LINUX_SLL2 => (at + 11, at + 12, at + 20),
            LinkType::NULL | LinkType::LOOP => return self.keep(at + 4),
            // Of every other link type nothing is left, or it has no header.
            _ => return Ok(()),
        };
        if self.get::<1>(length_at)? == [6] {
            self.mac(address)?;
            self.put(address + 6, [0; 2])?;
        } else {
            self.put(address, [0; 8])?;
        }
        self.keep(end)
    }

    /// RFC 826, for IPv4 over hardware addresses of 6 bytes.
    fn arp(&mut self, at: usize) -> Step {
        if self.get::<3>(at + 3)? != [0, 6, 4] {
            return Err(Stop);
        }
        for (mac, ip) in [(at + 8, at + 14), (at + 18, at + 24)] {
            self.mac(mac)?;
            self.v4(ip)?;
        }
        self.keep(at + 28)
    }

    fn ip(&mut self, at: usize) -> Step {
        match self.get::<1>(at)? {
            [first] if first >> 4 == 4 => self.ipv4(at, usize::from(first & 0xf) * 4),
            _ => {
                self.v6(at + 8)?;
                self.v6(at + 24)?;
                self.keep(at + 40)
            }
        }
    }

    fn ipv4(&mut self, at: usize, header: usize) -> Step {
        self.v4(at + 12)?;
        self.v4(at + 16)?;
        // Recorded and prescribed routes hold addresses; an option of no operation says nothing.
        self.bytes.get_mut(at + 20..at + header).ok_or(Stop)?.fill(1);
        self.sums.push(Sum::Ipv4Header { at });
        self.keep(at + header)?;
        let [f0, f1, _, protocol] = self.get::<4>(at + 6)?;
        match u16::from_be_bytes([f0, f1]) & 0x3fff {
            0 => Ok(()),
            MORE_FRAGMENTS => self.first_fragment(at + header, protocol),
            _ => Err(Stop),
        }
    }

    /// The checksum of a fragmented packet covers what is not here.
    fn first_fragment(&mut self, at: usize, protocol: u8) -> Step {
        let checksum = match protocol {
            TCP => at + 16,
            UDP => at + 6,
            _ => return Err(Stop),
        };
        self.put(checksum, [0; 2])?;
        let length = self.transport_length(at, protocol)?;
        if protocol == TCP {
            self.tcp_options(at + TCP_HEADER, at + length);
        }
        self.keep(at + length)?;
        Err(Stop)
    }

    fn protocol(&mut self, this: Placed, protocol: u8, next: Option<usize>, ip: usize) -> Step {
        let at = this.at;
        let sum = Sum::Transport { ip, at, end: this.end, protocol };
        match protocol {
            TCP => {
                let length = self.transport_length(at, TCP)?;
                self.tcp_options(at + TCP_HEADER, at + length);
                self.sums.push(sum);
                self.keep(at + length)
            }
            UDP => {
                self.sums.push(sum);
                self.keep(at + 8)?;
                self.overlay(at, next)
            }
            ICMP | ICMPV6 => {
                self.sums.push(sum);
                self.icmp(at, this.end, protocol)
            }
            HOP_BY_HOP | DESTINATION => self.options(at, next.ok_or(Stop)?),
            FRAGMENT | AUTHENTICATION => self.keep(next.ok_or(Stop)?),
            SCTP => self.keep(at + 12),
            ESP => self.keep(at + 8),
            // A tunnel begins here: its own header is the next one. A routing header holds addresses.
            _ if next == Some(at) => Ok(()),
            _ => Err(Stop),
        }
    }

    fn transport_length(&self, at: usize, protocol: u8) -> Result<usize, Stop> {
        match protocol {
            TCP => Ok((usize::from(self.get::<1>(at + 12)?[0] >> 4) * 4).max(20)),
            _ => Ok(8),
        }
    }

    /// The header between UDP and what it carries: its first 8 bytes are flags and identifiers in all overlays but
    /// Teredo, which begins with addresses.
    fn overlay(&mut self, at: usize, next: Option<usize>) -> Step {
        let Some(next) = next else { return Ok(()) };
        let [s0, s1, d0, d1] = self.get::<4>(at)?;
        if [[s0, s1], [d0, d1]].contains(&TEREDO.to_be_bytes()) {
            return Err(Stop);
        }
        if let Some(more) = self.bytes.get_mut(at + 16..next) {
            more.fill(0);
        }
        self.keep(next)
    }

    fn gre(&mut self, at: usize, next: Option<usize>) -> Step {
        let [flags] = self.get::<1>(at)?;
        if flags & GRE_ROUTING != 0 {
            return Err(Stop);
        }
        if flags & GRE_CHECKSUM != 0 {
            self.sums.push(Sum::Gre { at });
        }
        self.keep(next.ok_or(Stop)?)
    }

    /// Options of TCP may hold addresses (those that load balancers add, Multipath TCP): what is none of MSS, window scale,
    /// SACK and timestamps (RFC 9293 §3.2, RFC 7323, RFC 2018) gives way to No-Operation.
    fn tcp_options(&mut self, at: usize, end: usize) {
        let end = end.min(self.bytes.len());
        let mut options = self.bytes.get_mut(at..end).unwrap_or_default();
        while let [kind, rest @ ..] = options {
            let kind = *kind;
            if kind == 0 {
                rest.fill(0);
                return;
            }
            let length = if kind == 1 { 1 } else { rest.first().map_or(0, |n| usize::from(*n)) };
            if length == 0 || length > options.len() || kind != 1 && length < 2 {
                return options.fill(1);
            }
            let (option, others) = options.split_at_mut(length);
            if !matches!(kind, 1..=5 | 8) {
                option.fill(1);
            }
            options = others;
        }
    }

    /// Options of IPv6 may hold addresses: padding takes their place (RFC 8200 §4.2), except for a jumbo length.
    fn options(&mut self, at: usize, next: usize) -> Step {
        let jumbo = self.get::<2>(at + 2)? == [0xc2, 4];
        let begin = if jumbo { at + 8 } else { at + 2 };
        let room = self.bytes.get_mut(begin..next).ok_or(Stop)?;
        room.fill(0);
        if let [kind, length, rest @ ..] = room {
            (*kind, *length) = (1, u8::try_from(rest.len()).map_err(|_| Stop)?);
        }
        self.keep(next)
    }

    fn icmp(&mut self, at: usize, end: usize, protocol: u8) -> Step {
        let [kind] = self.get::<1>(at)?;
        let content = at + 8;
        match (protocol, kind) {
            // A redirect names a gateway (RFC 792).
            (ICMP, 5) => {
                self.v4(at + 4)?;
                self.quoted(content, end)
            }
            (ICMP, 3 | 4 | 11 | 12) | (ICMPV6, 1..=4) => self.quoted(content, end),
            (ICMPV6, 135 | 136) => self.neighbour(at),
            _ => self.keep(content),
        }
    }

    /// The packet in an ICMP error, up to the end of its transport header or of what is quoted of it.
    fn quoted(&mut self, at: usize, outer_end: usize) -> Step {
        self.keep(at)?;
        let version = self.get::<1>(at)?[0] >> 4;
        self.ip(at)?;
        let (transport, protocol) = match version {
            4 => (self.kept, self.get::<1>(at + 9)?[0]),
            _ => (at + 40, self.get::<1>(at + 6)?[0]),
        };
        let end = self.ip_end(at, usize::MAX);
        let whole = match protocol {
            TCP => {
                let length = self.transport_length(transport, TCP).unwrap_or(8);
                self.tcp_options(transport + TCP_HEADER, transport + length);
                transport + length
            }
            UDP | ICMP | ICMPV6 => transport + 8,
            _ => return Err(Stop),
        };
        if matches!(protocol, TCP | UDP) {
            self.sums.push(Sum::Transport { ip: at, at: transport, end, protocol });
        }
        self.keep(whole.min(outer_end).min(self.bytes.len()))
    }

    /// Target, then options of which those with a hardware address stay (RFC 4861 §4.3, §4.4, §4.6.1).
    fn neighbour(&mut self, at: usize) -> Step {
        self.v6(at + 8)?;
        self.keep(at + 24)?;
        if matches!(self.get::<2>(at + 24), Ok([1 | 2, 1])) {
            self.mac(at + 26)?;
            self.keep(at + 32)?;
        }
        Ok(())
    }

    /// Where the packet whose IP header begins at `at` ends on the wire: `end` if its length is not said.
    fn ip_end(&self, at: usize, end: usize) -> usize {
        let v4 = self.get::<1>(at).is_ok_and(|[first]| first >> 4 == 4);
        let (place, header) = if v4 { (at + 2, 0) } else { (at + 4, 40) };
        match self.get::<2>(place).map_or(0, u16::from_be_bytes) {
            0 => end,
            length => (at + header + usize::from(length)).min(end),
        }
    }

    fn keep(&mut self, end: usize) -> Step {
        self.kept = end.min(self.bytes.len());
        if end > self.bytes.len() { Err(Stop) } else { Ok(()) }
    }

    fn get<const N: usize>(&self, at: usize) -> Result<[u8; N], Stop> {
        self.bytes.get(at..).and_then(|b| b.first_chunk()).copied().ok_or(Stop)
    }

    fn put<const N: usize>(&mut self, at: usize, new: [u8; N]) -> Step {
        *self.bytes.get_mut(at..).and_then(|b| b.first_chunk_mut()).ok_or(Stop)? = new;
        Ok(())
    }

    fn mac(&mut self, at: usize) -> Step {
        let mac = self.addresses.mac(self.get(at)?);
        self.put(at, mac)
    }

    fn v4(&mut self, at: usize) -> Step {
        let ip = self.addresses.v4(Ipv4Addr::from(self.get::<4>(at)?));
        self.put(at, ip.octets())
    }

    fn v6(&mut self, at: usize) -> Step {
        let ip = self.addresses.v6(Ipv6Addr::from(self.get::<16>(at)?));
        self.put(at, ip.octets())
    }
}

const ARP: u16 = 0x0806;
const MORE_FRAGMENTS: u16 = 0x2000;
const GRE_CHECKSUM: u8 = 0x80;
const GRE_ROUTING: u8 = 0x40;
const TEREDO: u16 = 3544;

/// RFC 9293 §3.1: a header without options.
const TCP_HEADER: usize = 20;

#[cfg(test)]
mod tests;
