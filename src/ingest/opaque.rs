//! Packets that are named and left: what is encrypted, and protocols that nothing here decodes.
//!
//! Takes the opaque packets of a window; counts them in the problems of the file. What is encrypted is also counted for
//! the capture, since the packets that a call lacks may be in it.

use crate::capture::Window;
use crate::error::{Place, Weirds};
use crate::packet::{Packet, protocol};

/// Counts packets that nobody looks into; gives how many of them are encrypted.
pub(super) fn note(window: &Window, packets: &[Packet], problems: &mut Weirds) -> u64 {
    let mut encrypted = 0;
    for packet in packets {
        let at = Place::Frame(window.number(packet.frame as usize));
        if let Some(name) = cipher(packet) {
            encrypted += 1;
            problems.note("encrypted", at, || format!("{name}, encrypted: not looked into"));
        } else {
            problems.note("ip_protocol_not_decoded", at, || {
                format!("IP protocol {} is not decoded", packet.protocol)
            });
        }
    }
    encrypted
}

/// What encrypts an opaque packet.
fn cipher(packet: &Packet) -> Option<&'static str> {
    match packet.protocol {
        protocol::ESP => Some("IPsec ESP"),
        // No other datagram is opaque.
        protocol::UDP => Some("WireGuard"),
        _ => None,
    }
}
