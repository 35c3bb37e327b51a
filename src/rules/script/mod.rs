//! Packet scripts in, real packets out: the small language of rule tests.
//!
//! One line a step; `#` begins a comment. A line with a time is a packet (or several), the others set the scene:
//!
//! ```text
//! flow NAME [orig=10.0.0.5:40000] [resp=10.96.0.10:443]   the following lines are about this flow; `call` at first
//! capture NAME            … and are seen by this capture (its own file)
//! ttl orig=64 resp=64     TTLs at this capture point
//! vni 4096                the following packets are inside VXLAN
//! snaplen 96              the captures hold this many bytes of each frame
//! twice                   each packet is captured twice, as `-i any` does
//! alone                   no other traffic; without it each capture shows a healthy call before and after
//!
//! +1.020 > SYN            seconds from the start; `>` from orig, `<` from resp; flags joined by commas
//! +0.000 > connect        SYN, SYN-ACK, ACK          +0.030 > close    FIN by this side first, then by the other
//! +0.003 < ACK dup        acknowledges no more than before
//! +0.010 > data len=900   filler bytes               +0.210 > again    that side's last data once more (one segment)
//! +0.002 > tls:client_hello sni=svc.ns.svc len=1529 alpn=http/1.1 versions=1.3,1.2 ciphers=1301,c02f
//! +0.003 < tls:server_flight version=1.2 certreq self_signed len=1200 cipher=1301
//! +0.004 > tls:client_flight version=1.3 empty|cert       (+ the server's Finished in 1.2)
//! +0.002 > handshake version=1.3 sni=… [certreq empty|cert]   hello, flight and Finished in one line
//! +0.003 < tls:alert code=40 [level=2]               +0.010 > tls:app len=900 (19 is an encrypted alert)
//! +0.002 > http:GET      +0.003 < http:503           +0.003 < text:some_words
//! +0.001 < icmp port_unreachable [from=10.0.0.1]     quotes the other side's last packet
//! +0.000 > dns:query name=x.example.com              +0.002 < dns:answer name=x.example.com rcode=3|empty
//! -1.000 arp 10.0.0.9     an ARP request of the flow's orig, without an answer
//! +10.000 log             where the log line of the test stands in time (else 1 ms after the last packet)
//! ```
//!
//! Options of every packet line: `ttl=N`; of those with payload: `mss=N`, `lost` (not captured), `lose=1,3` (these
//! segments are not captured), `first=N` (no more than so many bytes are sent). Sequence and acknowledgment numbers, checksums and lengths are right by themselves.

use std::collections::BTreeMap;

use super::mistakes::Mistake;
use crate::time::{TimeDelta, Timestamp};

mod certificate;
mod message;
mod read;
mod scene;
mod wire;

/// The captures that a script makes, and where its log line stands.
#[derive(Clone, Debug)]
pub struct Story {
    /// Frames of each capture by its name: time since the start, and bytes from the Ethernet header on.
    captures: BTreeMap<String, Vec<(TimeDelta, Vec<u8>)>>,
    /// Bytes of each frame that the captures hold.
    snap_length: u32,
    /// When the log line is written.
    pub log: TimeDelta,
}

impl Default for Story {
    fn default() -> Self {
        Self { captures: BTreeMap::new(), snap_length: SNAP_LENGTH, log: TimeDelta::default() }
    }
}

impl Story {
    /// Reads and plays a script.
    ///
    /// # Errors
    /// Every mistake, with its bytes of the script.
    pub fn new(script: &str) -> Result<Self, Vec<Mistake>> {
        let steps = read::steps(script)?;
        Ok(scene::play(&steps))
    }

    /// One pcap file (nanoseconds, Ethernet) for each capture, by name; `start` is the script's second 0.
    pub fn pcaps(&self, start: Timestamp) -> Vec<(String, Vec<u8>)> {
        let files = self.captures.iter();
        files.map(|(name, frames)| (name.clone(), pcap(frames, start, self.snap_length))).collect()
    }
}

/// A pcap file: magic of nanoseconds, version 2.4, link type Ethernet.
fn pcap(frames: &[(TimeDelta, Vec<u8>)], start: Timestamp, snap_length: u32) -> Vec<u8> {
    let mut out = Vec::new();
    for word in [0xa1b2_3c4d_u32, 0x0004_0002, 0, 0, snap_length, 1] {
        out.extend_from_slice(&word.to_le_bytes());
    }
    let mut order: Vec<_> = frames.iter().collect();
    order.sort_by_key(|(time, _)| *time);
    for (time, bytes) in order {
        let at = (start + *time).0;
        let length = bytes.len() as u32;
        let held = length.min(snap_length);
        let nanos = at.rem_euclid(1_000_000_000) as u32;
        for word in [at.div_euclid(1_000_000_000) as u32, nanos, held, length] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.extend_from_slice(&bytes[..held as usize]);
    }
    out
}

/// What tcpdump takes unless told otherwise.
const SNAP_LENGTH: u32 = 262_144;

#[cfg(test)]
mod tests;
