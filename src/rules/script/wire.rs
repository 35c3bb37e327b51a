//! Values in, bytes of packets out: Ethernet, IPv4, IPv6, TCP, UDP, ICMP, ICMPv6, ARP and VXLAN, with lengths and
//! checksums (RFC 791, 8200, 9293, 768, 792, 4443, 826, 7348).

use std::net::{IpAddr, SocketAddr};

/// A TCP segment.
pub(super) struct Segment<'p> {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) ttl: u8,
    pub(super) flags: u8,
    pub(super) seq: u32,
    pub(super) ack: u32,
    pub(super) payload: &'p [u8],
}

/// An IP packet with the segment; SYNs announce an MSS of 1460.
pub(super) fn tcp(segment: &Segment<'_>) -> Vec<u8> {
    let options: &[u8] = if segment.flags & 2 != 0 { &[2, 4, 0x05, 0xb4] } else { &[] };
    let mut out = Vec::with_capacity(24 + segment.payload.len());
    out.extend_from_slice(&segment.from.port().to_be_bytes());
    out.extend_from_slice(&segment.to.port().to_be_bytes());
    out.extend_from_slice(&segment.seq.to_be_bytes());
    out.extend_from_slice(&segment.ack.to_be_bytes());
    out.push((5 + options.len() as u8 / 4) << 4);
    out.push(segment.flags);
    out.extend_from_slice(&64_240_u16.to_be_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(options);
    out.extend_from_slice(segment.payload);
    ip(segment.from.ip(), segment.to.ip(), segment.ttl, 6, out, Some(16))
}

/// An IP packet with a UDP datagram.
pub(super) fn udp((from, to): (SocketAddr, SocketAddr), ttl: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(8 + payload.len());
    out.extend_from_slice(&from.port().to_be_bytes());
    out.extend_from_slice(&to.port().to_be_bytes());
    out.extend_from_slice(&(8 + payload.len() as u16).to_be_bytes());
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(payload);
    ip(from.ip(), to.ip(), ttl, 17, out, Some(6))
}

/// An ICMP or ICMPv6 error that quotes as much of a packet as routers do.
pub(super) fn icmp(from: IpAddr, to: IpAddr, ttl: u8, kind: u8, code: u8, quoted: &[u8]) -> Vec<u8> {
    let mut out = vec![kind, code, 0, 0, 0, 0, 0, 0];
    out.extend_from_slice(quoted.get(..quoted.len().min(548)).unwrap_or_default());
    if from.is_ipv4() {
        let sum = checksum(&[&out]);
        out[2..4].copy_from_slice(&sum.to_be_bytes());
        return ip(from, to, ttl, 1, out, None);
    }
    ip(from, to, ttl, 58, out, Some(2))
}

/// An ARP request, for IPv4 addresses.
pub(super) fn arp(asked_by: IpAddr, address: IpAddr) -> Option<Vec<u8>> {
    let (IpAddr::V4(asked_by), IpAddr::V4(address)) = (asked_by, address) else {
        return None;
    };
    let mut out = vec![0xff; 6];
    out.extend_from_slice(&MAC);
    out.extend_from_slice(&[0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1]);
    out.extend_from_slice(&MAC);
    out.extend_from_slice(&asked_by.octets());
    out.extend_from_slice(&[0; 6]);
    out.extend_from_slice(&address.octets());
    Some(out)
}

/// Gives an IPv4 packet its identification (RFC 791 §3.1), which its copies share.
pub(super) fn number(packet: &mut [u8], id: u16) {
    if let Some(header) = packet.get_mut(..20).filter(|header| header[0] >> 4 == 4) {
        header[4..6].copy_from_slice(&id.to_be_bytes());
        header[10..12].fill(0);
        let sum = checksum(&[header]);
        header[10..12].copy_from_slice(&sum.to_be_bytes());
    }
}

/// A frame around an IP packet.
pub(super) fn ethernet(packet: Vec<u8>) -> Vec<u8> {
    let v6 = packet.first().is_some_and(|b| b >> 4 == 6);
    let mut out = vec![2, 0, 0, 0, 0, 2];
    out.extend_from_slice(&MAC);
    out.extend_from_slice(if v6 { &[0x86, 0xdd] } else { &[0x08, 0x00] });
    out.extend(packet);
    out
}

/// The outer packet around a frame (RFC 7348 §5).
pub(super) fn vxlan(vni: u32, frame: &[u8]) -> Vec<u8> {
    let mut payload = vec![0x08, 0, 0, 0];
    payload.extend_from_slice(&(vni << 8).to_be_bytes());
    payload.extend_from_slice(frame);
    let ends = (SocketAddr::from(([192, 0, 2, 1], 51_000)), SocketAddr::from(([192, 0, 2, 2], 8472)));
    udp(ends, 64, &payload)
}

/// An IP packet; `sum_at` is where the payload's checksum over the pseudo header belongs.
fn ip(
    from: IpAddr,
    to: IpAddr,
    ttl: u8,
    protocol: u8,
    mut payload: Vec<u8>,
    sum_at: Option<usize>,
) -> Vec<u8> {
    let (source, target) = (octets(from), octets(to));
    if let Some(at) = sum_at {
        let length = (payload.len() as u32).to_be_bytes();
        let sum = checksum(&[&source, &target, &length, &[0, 0, 0, protocol], &payload]);
        payload[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    }
    let mut out = Vec::with_capacity(40 + payload.len());
    if from.is_ipv4() {
        out.extend_from_slice(&[0x45, 0]);
        out.extend_from_slice(&(20 + payload.len() as u16).to_be_bytes());
        out.extend_from_slice(&[0, 0, 0x40, 0, ttl, protocol, 0, 0]);
    } else {
        out.extend_from_slice(&[0x60, 0, 0, 0]);
        out.extend_from_slice(&(payload.len() as u16).to_be_bytes());
        out.extend_from_slice(&[protocol, ttl]);
    }
    out.extend_from_slice(&source);
    out.extend_from_slice(&target);
    if from.is_ipv4() {
        let sum = checksum(&[&out]);
        out[10..12].copy_from_slice(&sum.to_be_bytes());
    }
    out.extend(payload);
    out
}

fn octets(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

/// RFC 1071, over parts of which all but the last have an even length.
fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0_u32;
    for part in parts {
        for pair in part.chunks(2) {
            sum += u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0));
        }
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
