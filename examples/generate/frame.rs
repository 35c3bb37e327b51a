//! Ethernet frames with IP and TCP or ICMP in them, and the pcap file they go to (`pcap-savefile(5)`, microseconds).

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

pub(crate) const FIN: u8 = 1;
pub(crate) const SYN: u8 = 2;
pub(crate) const RST: u8 = 4;
pub(crate) const PSH: u8 = 8;
pub(crate) const ACK: u8 = 16;

/// A pcap file being written.
pub(crate) struct Capture {
    out: BufWriter<File>,
    pub(crate) bytes: u64,
    pub(crate) frames: u64,
}

impl Capture {
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
        for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 262_144, 1] {
            out.write_all(&word.to_le_bytes())?;
        }
        Ok(Self { out, bytes: 24, frames: 0 })
    }

    /// Writes a frame that was seen `at` nanoseconds after 1970.
    pub(crate) fn write(&mut self, at: u64, frame: &[u8]) -> io::Result<()> {
        let length = frame.len() as u32;
        for word in [(at / 1_000_000_000) as u32, (at % 1_000_000_000 / 1000) as u32, length, length] {
            self.out.write_all(&word.to_le_bytes())?;
        }
        self.bytes += 16 + u64::from(length);
        self.frames += 1;
        self.out.write_all(frame)
    }

    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// One TCP segment to be framed.
pub(crate) struct Segment<'a> {
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) flags: u8,
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    pub(crate) options: &'a [u8],
    pub(crate) payload: &'a [u8],
}

impl Segment<'_> {
    /// The frame, padded to the 60 bytes that Ethernet asks for.
    pub(crate) fn frame(&self) -> Vec<u8> {
        let mut tcp = Vec::with_capacity(20 + self.options.len() + self.payload.len());
        tcp.extend_from_slice(&self.from.port().to_be_bytes());
        tcp.extend_from_slice(&self.to.port().to_be_bytes());
        tcp.extend_from_slice(&self.seq.to_be_bytes());
        tcp.extend_from_slice(&self.ack.to_be_bytes());
        tcp.push((((20 + self.options.len()) / 4) << 4) as u8);
        tcp.push(self.flags);
        let window: u16 = if self.flags & RST != 0 { 0 } else { 502 };
        tcp.extend_from_slice(&window.to_be_bytes());
        tcp.extend_from_slice(&[0; 4]);
        tcp.extend_from_slice(self.options);
        tcp.extend_from_slice(self.payload);
        let pseudo = pseudo_header(self.from.ip(), self.to.ip(), 6, tcp.len());
        let sum = checksum(&[&pseudo, &tcp]);
        tcp[16..18].copy_from_slice(&sum.to_be_bytes());
        in_ethernet(self.from.ip(), self.to.ip(), 6, &tcp)
    }
}

/// An ICMP error of `from` about an IPv4 `frame` of ours: type 3 with this code.
pub(crate) fn icmp_unreachable(from: IpAddr, to: IpAddr, code: u8, frame: &[u8]) -> Vec<u8> {
    let mut icmp = vec![3, code, 0, 0, 0, 0, 0, 0];
    icmp.extend_from_slice(&frame[14..frame.len().min(14 + 60)]);
    let sum = checksum(&[&icmp]);
    icmp[2..4].copy_from_slice(&sum.to_be_bytes());
    in_ethernet(from, to, 1, &icmp)
}

/// A UDP datagram, without a checksum.
pub(crate) fn udp(from: SocketAddr, to: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let mut udp = Vec::with_capacity(8 + payload.len());
    udp.extend_from_slice(&from.port().to_be_bytes());
    udp.extend_from_slice(&to.port().to_be_bytes());
    udp.extend_from_slice(&(8 + payload.len() as u16).to_be_bytes());
    udp.extend_from_slice(&[0, 0]);
    udp.extend_from_slice(payload);
    in_ethernet(from.ip(), to.ip(), 17, &udp)
}

/// Who has the address of `target`? (RFC 826.)
pub(crate) fn arp_request(sender: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    arp(1, sender, target)
}

/// The address of `sender` is here.
pub(crate) fn arp_reply(sender: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    arp(2, sender, target)
}

fn arp(operation: u8, sender: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    let mut frame = vec![0x02, 0, 0, 0, 0, 2, 0x02, 0, 0, 0, 0, 1, 8, 6];
    frame.extend_from_slice(&[0, 1, 8, 0, 6, 4, 0, operation]);
    for address in [sender, target] {
        frame.extend_from_slice(&[0x02, 0, 0, 0, 0, 1]);
        frame.extend_from_slice(&address.octets());
    }
    frame.resize(60, 0);
    frame
}

/// An IPv4 `frame` of ours as a fragment that others follow, `offset` bytes into its packet.
pub(crate) fn fragment(frame: &[u8], identification: u16, offset: u16) -> Vec<u8> {
    fragment_of(frame, identification, 0x2000 | (offset / 8))
}

/// The same as the last fragment of its packet.
pub(crate) fn last_fragment(frame: &[u8], identification: u16, offset: u16) -> Vec<u8> {
    fragment_of(frame, identification, offset / 8)
}

/// `field`: flags and fragment offset of the header.
fn fragment_of(frame: &[u8], identification: u16, field: u16) -> Vec<u8> {
    let mut frame = frame.to_vec();
    frame[18..20].copy_from_slice(&identification.to_be_bytes());
    frame[20..22].copy_from_slice(&field.to_be_bytes());
    frame[24..26].fill(0);
    let sum = checksum(&[&frame[14..34]]);
    frame[24..26].copy_from_slice(&sum.to_be_bytes());
    frame
}

fn in_ethernet(from: IpAddr, to: IpAddr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(54 + payload.len());
    frame.extend_from_slice(&[0x02, 0, 0, 0, 0, 2, 0x02, 0, 0, 0, 0, 1]);
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            frame.extend_from_slice(&[0x08, 0x00, 0x45, 0]);
            frame.extend_from_slice(&(20 + payload.len() as u16).to_be_bytes());
            frame.extend_from_slice(&[0, 0, 0x40, 0, 64, protocol, 0, 0]);
            frame.extend_from_slice(&from.octets());
            frame.extend_from_slice(&to.octets());
            let sum = checksum(&[&frame[14..34]]);
            frame[24..26].copy_from_slice(&sum.to_be_bytes());
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            frame.extend_from_slice(&[0x86, 0xdd, 0x60, 0, 0, 0]);
            frame.extend_from_slice(&(payload.len() as u16).to_be_bytes());
            frame.extend_from_slice(&[protocol, 64]);
            frame.extend_from_slice(&from.octets());
            frame.extend_from_slice(&to.octets());
        }
        _ => unreachable!("both ends are of one family"),
    }
    frame.extend_from_slice(payload);
    frame.resize(frame.len().max(60), 0);
    frame
}

fn pseudo_header(from: IpAddr, to: IpAddr, protocol: u8, len: usize) -> Vec<u8> {
    let mut header = Vec::with_capacity(40);
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            header.extend_from_slice(&from.octets());
            header.extend_from_slice(&to.octets());
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            header.extend_from_slice(&from.octets());
            header.extend_from_slice(&to.octets());
        }
        _ => unreachable!("both ends are of one family"),
    }
    // The sum is the same for the IPv4 and the IPv6 layout of these fields.
    header.extend_from_slice(&u16::from(protocol).to_be_bytes());
    header.extend_from_slice(&(len as u16).to_be_bytes());
    header
}

/// The Internet checksum (RFC 1071) over parts of even length, the last excepted.
fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0_u64;
    for part in parts {
        let (pairs, rest) = part.as_chunks::<2>();
        sum += pairs.iter().map(|pair| u64::from(u16::from_be_bytes(*pair))).sum::<u64>();
        sum += rest.first().map_or(0, |last| u64::from(*last) << 8);
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
