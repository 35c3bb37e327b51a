//! Checksums made anew over what is left of a frame, as if cut bytes were zeros.
//!
//! Takes the bytes that were changed and where a checksum stands; writes the one that fits. RFC 791, RFC 1071,
//! RFC 9293 §3.1, RFC 768, RFC 792, RFC 4443.

use crate::packet::protocol::{ICMP, TCP, UDP};

/// A checksum to be made once what it covers is as it stays; inner ones come later and are made first.
#[derive(Clone, Copy)]
pub(super) enum Sum {
    Ipv4Header {
        at: usize,
    },
    /// With the pseudo header of the IP header at `ip`, its length counted to `end`.
    Transport {
        ip: usize,
        at: usize,
        end: usize,
        protocol: u8,
    },
    Gre {
        at: usize,
    },
}

/// Makes one checksum anew in a frame of which `kept` bytes are left; one whose place was cut is none.
pub(super) fn renew(bytes: &mut [u8], kept: usize, sum: Sum) {
    let _cut = match sum {
        Sum::Ipv4Header { at } => of_ipv4(bytes, at),
        Sum::Transport { ip, at, end, protocol } => of_transport(bytes, kept, (ip, at, end), protocol),
        Sum::Gre { at } => place(bytes, kept, at + 4, 0, at),
    };
}

fn of_ipv4(bytes: &mut [u8], at: usize) -> Option<()> {
    let header = usize::from(get::<1>(bytes, at)?[0] & 0xf) * 4;
    put(bytes, at + 10, [0; 2])?;
    let sum = folded(words(bytes.get(at..at + header)?));
    put(bytes, at + 10, (!sum).to_be_bytes())
}

fn of_transport(
    bytes: &mut [u8],
    kept: usize,
    (ip, at, end): (usize, usize, usize),
    protocol: u8,
) -> Option<()> {
    let field = match protocol {
        TCP => at + 16,
        UDP => at + 6,
        _ => at + 2,
    };
    let was = get::<2>(bytes, field)?;
    if protocol == UDP && was == [0; 2] {
        return Some(());
    }
    let pseudo = match (get::<1>(bytes, ip)?[0] >> 4, protocol) {
        (4, ICMP) => 0,
        (4, _) => words(&get::<8>(bytes, ip + 12)?),
        _ => words(&get::<32>(bytes, ip + 8)?),
    };
    let length = match (protocol, u16::from_be_bytes(get::<2>(bytes, at + 4)?)) {
        (UDP, length @ 8..) => u64::from(length),
        // The quoted packet does not say how long it was: no sum is right, and the old one is of the old addresses.
        _ if end == usize::MAX => return put(bytes, field, [0; 2]),
        _ => end.saturating_sub(at) as u64,
    };
    let pseudo = if protocol == ICMP { 0 } else { pseudo + length + u64::from(protocol) };
    place(bytes, kept, field, pseudo, at)?;
    // UDP writes a sum of 0 as its complement: 0 means none (RFC 768).
    if protocol == UDP && get::<2>(bytes, field)? == [0; 2] { put(bytes, field, [0xff; 2]) } else { Some(()) }
}

/// Sums what is kept from `from` on.
fn place(bytes: &mut [u8], kept: usize, field: usize, pseudo: u64, from: usize) -> Option<()> {
    if field + 2 > kept {
        return None;
    }
    put(bytes, field, [0; 2])?;
    let sum = folded(pseudo + words(bytes.get(from..kept)?));
    put(bytes, field, (!sum).to_be_bytes())
}

fn get<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

fn put<const N: usize>(bytes: &mut [u8], at: usize, new: [u8; N]) -> Option<()> {
    *bytes.get_mut(at..)?.first_chunk_mut()? = new;
    Some(())
}

/// The sum of 16-bit words, an odd byte at the end filled up with zeros (RFC 1071 §1).
pub(super) fn words(bytes: &[u8]) -> u64 {
    bytes.chunks(2).map(|c| u64::from(c[0]) << 8 | u64::from(c.get(1).copied().unwrap_or(0))).sum()
}

pub(super) fn folded(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}
