//! ICMP and ICMPv6 errors: what they say, and what of the quoted packet they show.

use super::entry::Arrival;
use super::{Dir, IcmpError};
use crate::capture::Window;
use crate::packet::{Packet, note, protocol, quoted_transport};

/// The error itself; `quotes` is the side whose packet it quotes.
pub(super) fn error(arrival: &Arrival<'_>, quotes: Dir) -> IcmpError {
    let [kind, code] = arrival.packet.window.to_be_bytes();
    IcmpError {
        at: arrival.at,
        from: arrival.packet.addresses(arrival.window).0,
        kind,
        code,
        v6: arrival.packet.noted(note::IPV6),
        quotes,
        seq: quoted_seq(arrival),
    }
}

/// Sequence number of the quoted TCP segment; none where the snap length cut it.
fn quoted_seq(arrival: &Arrival<'_>) -> Option<u32> {
    let Arrival { packet, window, .. } = arrival;
    let (_, tcp) = quoted_transport(quoted(packet, window)?)?;
    let shown = packet.payload_captured as usize >= tcp?.saturating_add(8);
    (packet.protocol == protocol::TCP && shown).then_some(packet.seq)
}

/// TCP flags of the quoted packet, where the error quotes as much of the header as Wireshark needs to give it a
/// stream: 16 bytes (RFC 792 asks for 8 only, RFC 1812 for as much as fits).
pub(super) fn quoted_tcp_flags(packet: &Packet, window: &Window) -> Option<u16> {
    let quoted = quoted(packet, window)?;
    let (_, tcp) = quoted_transport(quoted)?;
    let tcp = tcp?;
    let fields = quoted.get(tcp..tcp + 16)?;
    (packet.protocol == protocol::TCP).then(|| u16::from_be_bytes([fields[12], fields[13]]) & 0xfff)
}

/// The packet that an error quotes, as far as it was captured.
fn quoted<'w>(packet: &Packet, window: &'w Window) -> Option<&'w [u8]> {
    let header = window.frames.get(packet.frame as usize)?;
    let end = header.offset as usize + header.captured as usize;
    window.bytes.get(packet.payload as usize..end).or_else(|| {
        // Put together from fragments: behind the frames.
        window.bytes.get(packet.payload as usize..)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::{FrameHeader, LinkType};
    use crate::packet::{DecodeOptions, Decoded, Kind, decode};
    use crate::time::Timestamp;

    /// Flags that are read from an ICMPv6 error about a packet with these extension headers, each with its own number and
    /// a length in bytes, and so much of a TCP header with flags 0x12 behind them.
    fn flags(extensions: &[(u8, usize)], tcp: usize) -> Option<u16> {
        let (packet, window) = error(extensions, tcp, 0);
        assert_eq!((packet.kind, packet.protocol), (Kind::IcmpError, protocol::TCP));
        assert_eq!([packet.src_port, packet.dst_port], [40_000, 443], "the flow that is quoted");
        quoted_tcp_flags(&packet, &window)
    }

    /// That error, without so many bytes at its end, which the snap length cut.
    fn error(extensions: &[(u8, usize)], tcp: usize, cut: usize) -> (Packet, Window) {
        let ipv6 = |next: u8, length: usize, ends: [u8; 2]| {
            let head = [0x60, 0, 0, 0, (length >> 8) as u8, length as u8, next, 64];
            [&head[..], &[0xfd; 15], &ends[..1], &[0xfd; 15], &ends[1..]].concat()
        };
        let next = |n: usize| extensions.get(n).map_or(protocol::TCP, |(number, _)| *number);
        let mut inner = Vec::new();
        for (n, (number, length)) in extensions.iter().enumerate() {
            // The authentication header counts words without two, the others eights without one (RFC 4302 §2.2, RFC 8200 §4).
            let length_field = match *number {
                protocol::AUTHENTICATION => length / 4 - 2,
                protocol::FRAGMENT => 0,
                _ => length / 8 - 1,
            };
            let begin = inner.len();
            inner.extend([next(n + 1), length_field as u8]);
            inner.resize(begin + length, 0);
        }
        let mut header = [0; 20];
        header[..4].copy_from_slice(&[0x9c, 0x40, 1, 0xbb]);
        header[12..14].copy_from_slice(&[0x50, 0x12]);
        inner.extend(&header[..tcp]);
        let quoted = [ipv6(next(0), inner.len(), [1, 2]), inner].concat();
        let icmp = [&[1, 3, 0, 0, 0, 0, 0, 0][..], &quoted].concat();
        let ethernet = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd];
        let bytes = [&ethernet[..], &ipv6(protocol::ICMPV6, icmp.len(), [9, 1]), &icmp].concat();
        let frame = FrameHeader {
            time: Timestamp::default(),
            offset: 0,
            captured: (bytes.len() - cut) as u32,
            length: bytes.len() as u32,
            interface: 0,
            link_type: LinkType::ETHERNET,
        };
        let bytes = bytes[..bytes.len() - cut].to_vec();
        let window = Window { bytes, frames: vec![frame], first_number: 1 };
        let mut decoded = Decoded::default();
        decode(&window, 0..1, &DecodeOptions::default(), &mut decoded);
        (*decoded.packets.first().expect("a packet"), window)
    }

    /// The sequence number tells whether the segment was sent; without it nobody takes the error.
    #[test]
    fn an_error_quotes_a_sequence_number_or_is_none_but_where_it_was_cut() {
        for (tcp, cut, is_error) in
            [(20, 0, true), (8, 0, true), (7, 0, false), (4, 0, false), (20, 15, true)]
        {
            let (packet, _) = error(&[], tcp, cut);
            assert_eq!(packet.kind == Kind::IcmpError, is_error, "{tcp} bytes, {cut} of them cut");
        }
    }

    #[test]
    fn flags_are_read_behind_the_extension_headers_of_a_quoted_packet() {
        for extensions in [
            &[][..],
            &[(protocol::HOP_BY_HOP, 8)],
            &[(protocol::DESTINATION, 24)],
            &[(protocol::FRAGMENT, 8)],
            &[(protocol::HOP_BY_HOP, 16), (protocol::ROUTING, 24), (protocol::AUTHENTICATION, 16)],
        ] {
            assert_eq!(flags(extensions, 20), Some(0x12), "{extensions:?}");
            assert_eq!(flags(extensions, 16), Some(0x12), "{extensions:?}");
            assert_eq!(flags(extensions, 15), None, "{extensions:?}: too little for a stream");
        }
    }
}
