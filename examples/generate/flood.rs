//! The worst case of a flow table: SYNs of 60 bytes, each of a flow of its own, none answered.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use super::frame::{Capture, SYN, Segment};
use super::mixed::START;
use super::random::Random;

/// Writes `packets` SYNs, a million a second, and gives a summary.
pub(crate) fn write(path: &Path, packets: u64, seed: u64) -> io::Result<String> {
    let mut random = Random::new(seed);
    let mut capture = Capture::create(path)?;
    let to = SocketAddr::new(Ipv4Addr::new(10, 244, 1, 7).into(), 8443);
    for number in 0..packets {
        // A number that no other packet has, spread over address and port.
        let from = Ipv4Addr::from(0x6400_0000_u32 + (number / 50_000) as u32);
        let from = SocketAddr::new(from.into(), 10_000 + (number % 50_000) as u16);
        let seq = random.next() as u32;
        let syn = Segment { from, to, flags: SYN, seq, ack: 0, options: &[2, 4, 5, 0xb4], payload: &[] };
        capture.write(START + number * 1000, &syn.frame())?;
    }
    let summary = format!("{} packets, {} bytes", capture.frames, capture.bytes);
    capture.finish()?;
    Ok(summary)
}
