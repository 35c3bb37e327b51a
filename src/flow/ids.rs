//! Community ID v1: the same text for a flow whichever tool and vantage point saw it (corelight/community-id-spec).

use std::net::{IpAddr, SocketAddr};

use sha1::block_api::compress;

use super::{Flow, Proto};

impl<A> Flow<A> {
    /// Community ID v1 with seed 0, for example `1:LQU9qZlK+B5F3KDmev6m5PMibrg=`.
    pub fn community_id(&self) -> String {
        String::from_utf8_lossy(&self.community_id_text()).into_owned()
    }

    /// The bytes of [`Flow::community_id`].
    pub fn community_id_text(&self) -> [u8; 30] {
        let mut state = SHA1_START;
        compress(&mut state, &[hashed(self.proto, self.orig, self.resp)]);
        // A zero behind the digest's 20 bytes makes whole groups of three; its own digit becomes the padding.
        let mut digest = [0; 21];
        for (bytes, word) in digest.as_chunks_mut::<4>().0.iter_mut().zip(state) {
            *bytes = word.to_be_bytes();
        }
        let mut text = [b'='; 30];
        text[..2].copy_from_slice(b"1:");
        for (digits, &[a, b, c]) in text[2..].as_chunks_mut::<4>().0.iter_mut().zip(digest.as_chunks().0) {
            let bits = u32::from_be_bytes([0, a, b, c]);
            *digits = [digit(bits >> 18), digit(bits >> 12), digit(bits >> 6), digit(bits)];
        }
        text[29] = b'=';
        text
    }
}

/// The one block that is hashed: seed, the smaller endpoint's address, the other's, protocol, padding, and the ports in
/// the same order; then what ends every message (FIPS 180-4 §5.1.1).
fn hashed(proto: Proto, orig: SocketAddr, resp: SocketAddr) -> [u8; 64] {
    let (low, high) =
        if (orig.ip(), orig.port()) <= (resp.ip(), resp.port()) { (orig, resp) } else { (resp, orig) };
    let mut block = [0; 64];
    let length = match (low.ip(), high.ip()) {
        (IpAddr::V4(low), IpAddr::V4(high)) => {
            block[2..6].copy_from_slice(&low.octets());
            block[6..10].copy_from_slice(&high.octets());
            10
        }
        (low, high) => {
            block[2..18].copy_from_slice(&as_v6(low));
            block[18..34].copy_from_slice(&as_v6(high));
            34
        }
    };
    let ([a, b], [c, d]) = (low.port().to_be_bytes(), high.port().to_be_bytes());
    block[length..length + 7].copy_from_slice(&[proto.number(), 0, a, b, c, d, 0x80]);
    block[62..].copy_from_slice(&(length as u16 * 8 + 48).to_be_bytes());
    block
}

fn as_v6(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    }
}

/// The digit of the lowest six bits (RFC 4648 §4).
#[inline]
fn digit(bits: u32) -> u8 {
    BASE64[(bits & 63) as usize]
}

/// FIPS 180-4 §5.3.1.
const SHA1_START: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

#[cfg(test)]
mod tests {
    use crate::flow::Proto;
    use crate::flow::timeline::flow;

    /// Values of the specification's baseline.
    const BASELINE: &[(Proto, &str, &str, &str)] = &[
        (Proto::Tcp, "128.232.110.120:34855", "66.35.250.204:80", "1:LQU9qZlK+B5F3KDmev6m5PMibrg="),
        (Proto::Udp, "192.168.1.52:54585", "8.8.8.8:53", "1:d/FP5EW3wiY1vCndhwleRRKHowQ="),
        (
            Proto::Tcp,
            "[2001:470:e5bf:dead:4957:2174:e82c:4887]:63943",
            "[2607:f8b0:400c:c03::1a]:25",
            "1:/qFaeAR+gFe1KYjMzVDsMv+wgU4=",
        ),
    ];

    #[test]
    fn baseline() {
        for (proto, a, b, expected) in BASELINE {
            let mut flow = flow("0 > S");
            (flow.proto, flow.orig, flow.resp) = (*proto, a.parse().expect(a), b.parse().expect(b));
            assert_eq!(flow.community_id(), *expected);
            std::mem::swap(&mut flow.orig, &mut flow.resp);
            assert_eq!(flow.community_id(), *expected, "the other way round");
        }
    }
}
