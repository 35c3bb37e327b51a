//! Recognises copies: one segment that a capture shows more than once, at several capture points (`-i any`, veth and
//! bridge, SPAN ports). A copy is no retransmission, but Wireshark counts it as one.
//!
//! A retransmission is a new IP packet: its IP identification differs, or it comes later than any copy does.

use crate::packet::Packet;
use crate::packet::tcp_flag::SYN;
use crate::time::{TimeDelta, Timestamp};

/// One segment that was seen.
#[derive(Clone, Copy, Debug, Default)]
struct Recent {
    time: Timestamp,
    print: u32,
    point: u16,
    ip_id: u16,
}

/// The last few segments of one side.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Copies {
    recent: [Recent; REMEMBERED],
    next: u8,
}

impl Copies {
    /// Whether the packet is a copy of one of the last few; remembers it if not. `worth_a_look` is false for packets
    /// that bring something new and so cannot be copies.
    pub(super) fn is_copy(&mut self, packet: &Packet, time: Timestamp, worth_a_look: bool) -> bool {
        let Packet { point, ip_id, .. } = *packet;
        let new = Recent { time, print: fingerprint(packet), point, ip_id };
        if worth_a_look && self.recent.iter().any(|old| old.is_copied_by(&new)) {
            return true;
        }
        let at = usize::from(self.next) % REMEMBERED;
        self.recent[at] = new;
        self.next = self.next.wrapping_add(1);
        false
    }
}

impl Recent {
    fn is_copied_by(&self, new: &Self) -> bool {
        if self.print != new.print || self.ip_id != new.ip_id {
            return false;
        }
        let within = match (new.ip_id != 0, self.point != new.point) {
            (true, true) => WITH_IP_ID,
            (true, false) => SAME_POINT,
            (false, true) => WITHOUT_IP_ID,
            // A SYN or SYN-ACK is not sent again before 200 ms; of others nothing tells a copy from a retransmission.
            (false, false) if new.print & HANDSHAKE != 0 => WITHOUT_IP_ID,
            (false, false) => return false,
        };
        (new.time - self.time).abs() <= within
    }
}

/// What copies have in common beside the IP identification.
fn fingerprint(packet: &Packet) -> u32 {
    let numbers = u64::from(packet.seq) << 32 | u64::from(packet.ack);
    let rest =
        u64::from(packet.payload_length) << 28 | u64::from(packet.window) << 12 | u64::from(packet.flags);
    let handshake = if packet.has(SYN) { HANDSHAKE } else { 0 };
    (mix(numbers ^ mix(rest)) >> 32) as u32 & !HANDSHAKE | handshake | KNOWN
}

/// Spreads the bits of a number (the multiplier is that of a 64-bit Fibonacci hash).
const fn mix(n: u64) -> u64 {
    let n = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    n ^ n >> 32
}

/// Bit of a fingerprint: of a SYN or SYN-ACK.
const HANDSHAKE: u32 = 2;
/// Bit of a fingerprint: of any packet, so that none is that of an empty place.
const KNOWN: u32 = 1;
/// Segments of one side that are remembered: copies of one host's points come at most a few segments apart.
const REMEMBERED: usize = 4;
/// Copies of one IP packet come this close together; a retransmission with the same IP identification does not exist
/// within it, since the shortest retransmission timeout is 200 ms (Linux) and each packet has its own identification.
const WITH_IP_ID: TimeDelta = TimeDelta::from_millis(100);
/// Mirror ports copy a frame as it stands, at once.
const SAME_POINT: TimeDelta = TimeDelta::from_millis(1);
/// IPv6, or a sender that leaves the identification 0: only time tells a copy from a fast retransmission.
const WITHOUT_IP_ID: TimeDelta = TimeDelta::from_millis(5);
