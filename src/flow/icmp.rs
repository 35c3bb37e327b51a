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
    }
}

/// TCP flags of the quoted packet, where the error quotes as much of the header as Wireshark needs to give it a
/// stream: 16 bytes (RFC 792 asks for 8 only, RFC 1812 for as much as fits).
pub(super) fn quoted_tcp_flags(packet: &Packet, window: &Window) -> Option<u16> {
    let header = window.frames.get(packet.frame as usize)?;
    let end = header.offset as usize + header.captured as usize;
    let quoted = window.bytes.get(packet.payload as usize..end).or_else(|| {
        // Put together from fragments: behind the frames.
        window.bytes.get(packet.payload as usize..)
    })?;
    let (_, tcp) = quoted_transport(quoted)?;
    let tcp = tcp?;
    let fields = quoted.get(tcp..tcp + 16)?;
    (packet.protocol == protocol::TCP).then(|| u16::from_be_bytes([fields[12], fields[13]]) & 0xfff)
}
