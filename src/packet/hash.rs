//! The flow hash: direction independent, the same for any encapsulation and any number of threads.
//!
//! A multiply that folds its halves (as foldhash does), with fixed constants, so that shards and output never depend on
//! a run. It deals flows to shards and no more: who knows the constants can make flows fall together, so a table that
//! finds flows has a hash of its own.

/// Hash of a flow of IPv4 addresses.
#[inline]
pub(super) fn v4(addresses: [u32; 2], ports: [u16; 2], protocol: u8) -> u32 {
    let end = |i: usize| fold(u64::from(addresses[i]) << 16 | u64::from(ports[i]), K[0]);
    finish(end(0).wrapping_add(end(1)), protocol)
}

/// Hash of a flow of IPv6 addresses.
#[inline]
pub(super) fn v6(addresses: [u128; 2], ports: [u16; 2], protocol: u8) -> u32 {
    let end = |i: usize| {
        let (high, low) = ((addresses[i] >> 64) as u64, addresses[i] as u64);
        fold(fold(high, K[1]) ^ low, K[2] ^ u64::from(ports[i]))
    };
    finish(end(0).wrapping_add(end(1)), protocol)
}

#[inline]
fn finish(ends: u64, protocol: u8) -> u32 {
    (fold(ends ^ u64::from(protocol), K[3]) >> 32) as u32
}

/// Digest of a capture point: interface, first bytes of the frame (link header), where the IP header lies, and the TTL.
#[inline]
pub(super) fn point(frame: &[u8], interface: u16, depth: u32, ttl: u8) -> u16 {
    let link = frame.first_chunk::<LINK>().map_or(0, |link| u128::from_le_bytes(*link));
    let place = u64::from(ttl) << 8 ^ u64::from(interface) << 16 ^ u64::from(depth) << 32;
    let mixed = fold(link as u64, K[1]) ^ fold((link >> 64) as u64 ^ place, K[2]);
    (fold(mixed, K[3]) >> 48) as u16
}

#[inline]
fn fold(value: u64, key: u64) -> u64 {
    let product = u128::from(value ^ K[4]) * u128::from(key);
    product as u64 ^ (product >> 64) as u64
}

/// Bytes of a frame that tell capture points apart: an Ethernet or Linux cooked header.
const LINK: usize = 16;

/// Digits of pi, as good as any.
const K: [u64; 5] = [
    0x243f_6a88_85a3_08d3,
    0x1319_8a2e_0370_7345,
    0xa409_3822_299f_31d1,
    0x082e_fa98_ec4e_6c89,
    0x4528_21e6_38d0_1377,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_directions_are_one_flow_and_all_else_tells_flows_apart() {
        let flow = v4([1, 2], [1000, 443], 6);
        assert_eq!(flow, v4([2, 1], [443, 1000], 6));
        let others = [v4([1, 2], [443, 1000], 6), v4([1, 2], [1000, 443], 17), v4([1, 3], [1000, 443], 6)];
        assert!(others.iter().all(|h| *h != flow));
        assert_eq!(v6([1 << 70, 2], [1, 2], 6), v6([2, 1 << 70], [2, 1], 6));
        assert_ne!(v6([1 << 70, 2], [1, 2], 6), v6([1 << 70, 2], [2, 1], 6));
    }

    #[test]
    fn neighbouring_flows_spread_over_shards() {
        let mut shards = [0; 16];
        for port in 0..16_000 {
            shards[(v4([0x0a00_0001, 0x0a00_0002], [port, 443], 6) >> 28) as usize] += 1;
        }
        assert!(shards.iter().all(|n| (800..1200).contains(n)), "{shards:?}");
    }
}
