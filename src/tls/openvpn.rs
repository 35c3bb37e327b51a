//! OpenVPN over TCP in, the TLS stream of its control channel out (OpenVPN "Network protocol", `P_CONTROL_V1`).
//!
//! A tunnel carries TLS in packets of its own: 2 bytes of length, opcode and key id, session id, `tls-auth` wrapping
//! (HMAC, packet id, time) whose size the first packet tells, acknowledgments, packet id, TLS bytes.
//! Copies only a packet that spans segments, at most 64 KiB. Assume no `tls-crypt`: it would hide all of this.

use super::cursor::Cursor;

/// One direction of a tunnel.
#[derive(Debug)]
pub(super) struct Tunnel {
    /// Bytes between session id and acknowledgments.
    wrapping: usize,
    part: Vec<u8>,
}

impl Tunnel {
    /// Recognises the first packet of a side: a hard reset, which carries nothing and so has a known length.
    pub(super) fn open(first: &[u8]) -> Option<Self> {
        let (packet, []) = split(first)? else { return None };
        let plain = match packet.first()? >> 3 {
            HARD_RESET_CLIENT => RESET_BYTES,
            HARD_RESET_SERVER => RESET_BYTES + ONE_ACK_BYTES,
            _ => return None,
        };
        let wrapping = packet.len().checked_sub(plain)?;
        let numbered_zero = packet.ends_with(&[0; 4]);
        (WRAPPINGS.contains(&wrapping) && numbered_zero).then(|| Self { wrapping, part: Vec::new() })
    }

    /// Bytes copied.
    pub(super) const fn held_bytes(&self) -> usize {
        self.part.len()
    }

    /// Takes bytes of the direction and gives the TLS bytes in them.
    pub(super) fn push(&mut self, data: &[u8], mut give: impl FnMut(&[u8])) {
        let mut joined = std::mem::take(&mut self.part);
        let mut rest = data;
        if !joined.is_empty() {
            joined.extend_from_slice(data);
            rest = &joined;
        }
        while let Some((packet, after)) = split(rest) {
            if let Some(tls) = self.control(packet).filter(|tls| !tls.is_empty()) {
                give(tls);
            }
            rest = after;
        }
        if joined.is_empty() {
            self.part = rest.to_vec();
        } else {
            let taken = joined.len() - rest.len();
            joined.drain(..taken);
            self.part = joined;
        }
    }

    /// The TLS bytes of a control packet.
    fn control<'a>(&self, packet: &'a [u8]) -> Option<&'a [u8]> {
        let mut at = Cursor::new(packet);
        if at.u8()? >> 3 != CONTROL {
            return None;
        }
        at.up_to(SESSION_ID_BYTES + self.wrapping);
        let acks = usize::from(at.u8()?);
        at.up_to(acks * 4 + if acks > 0 { SESSION_ID_BYTES } else { 0 });
        at.up_to(4);
        Some(at.rest())
    }
}

/// The first packet and what follows it; `None` until it is complete.
fn split(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut at = Cursor::new(data);
    let length = usize::from(at.u16()?);
    at.rest().split_at_checked(length)
}

/// `P_CONTROL_V1`.
const CONTROL: u8 = 4;
/// `P_CONTROL_HARD_RESET_CLIENT_V2`.
const HARD_RESET_CLIENT: u8 = 7;
/// `P_CONTROL_HARD_RESET_SERVER_V2`.
const HARD_RESET_SERVER: u8 = 8;
/// Bytes of a session id.
const SESSION_ID_BYTES: usize = 8;
/// Opcode, session id, number of acknowledgments, packet id.
const RESET_BYTES: usize = 1 + SESSION_ID_BYTES + 1 + 4;
/// One acknowledgment and the session id it is for.
const ONE_ACK_BYTES: usize = 4 + SESSION_ID_BYTES;
/// None, or an HMAC (MD5, SHA-1, SHA-256, SHA-384, SHA-512) with packet id and time of 4 bytes each.
const WRAPPINGS: [usize; 6] = [0, 24, 28, 40, 56, 72];

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(body: &[u8]) -> Vec<u8> {
        [&(body.len() as u16).to_be_bytes()[..], body].concat()
    }

    #[test]
    fn tls_bytes_come_out_of_control_packets_however_they_are_cut() {
        let reset = packet(&[&[0x38][..], &[9; 8], &[5; 28], &[0; 5]].concat());
        let plain = packet(&[&[0x20][..], &[9; 8], &[5; 28], &[0], &[0, 0, 0, 1], b"hello "].concat());
        let acking = packet(
            &[&[0x20][..], &[9; 8], &[5; 28], &[1, 0, 0, 0, 0], &[8; 8], &[0, 0, 0, 2], b"world"].concat(),
        );
        let data = packet(&[&[0x30][..], &[1; 60]].concat());
        let stream = [plain, data, acking].concat();
        for size in [1, 7, 50, stream.len()] {
            let mut tunnel = Tunnel::open(&reset).unwrap();
            let mut found = Vec::new();
            for piece in stream.chunks(size) {
                tunnel.push(piece, |tls| found.extend_from_slice(tls));
            }
            assert_eq!(found, b"hello world", "in pieces of {size}");
        }
    }

    /// What waits for the rest of its packet stays where it is, whatever the segments: copying it for each would be
    /// quadratic.
    #[test]
    fn a_packet_in_pieces_is_not_copied_for_each() {
        let reset = packet(&[&[0x38][..], &[9; 8], &[5; 28], &[0; 5]].concat());
        let head = [&[0x20][..], &[9; 8], &[5; 28], &[0], &[0, 0, 0, 1]].concat();
        let long = packet(&[head, vec![7; 60_000]].concat());
        let mut tunnel = Tunnel::open(&reset).unwrap();
        let (mut moves, mut at, mut given) = (0, tunnel.part.as_ptr(), 0);
        for piece in long.chunks(1) {
            tunnel.push(piece, |tls| given += tls.len());
            moves += usize::from(std::mem::replace(&mut at, tunnel.part.as_ptr()) != at);
        }
        assert_eq!((given, tunnel.held_bytes()), (60_000, 0));
        assert!(moves <= 20, "{moves} times for {} pieces", long.len());
    }

    #[test]
    fn other_protocols_open_no_tunnel() {
        for first in [&b""[..], b"\0\x0e", b"\0\x0e8123456789abcd", b"\0\x0d\x38\0\0\0\0\0\0\0\0\0\0\0\0"] {
            assert!(Tunnel::open(first).is_none(), "{first:?}");
        }
    }
}
