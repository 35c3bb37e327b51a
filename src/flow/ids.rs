//! Community ID v1: the same text for a flow whichever tool and vantage point saw it (corelight/community-id-spec).

use std::net::{IpAddr, SocketAddr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

use super::{Flow, Proto};

impl<A> Flow<A> {
    /// Community ID v1 with seed 0, for example `1:LQU9qZlK+B5F3KDmev6m5PMibrg=`.
    pub fn community_id(&self) -> String {
        let mut text = Vec::with_capacity(30);
        self.write_community_id(&mut text);
        String::from_utf8(text).unwrap_or_default()
    }

    /// Appends the 30 bytes of [`Flow::community_id`].
    pub fn write_community_id(&self, out: &mut Vec<u8>) {
        let (bytes, length) = hashed(self.proto, self.orig, self.resp);
        let digest = Sha1::digest(&bytes[..length]);
        let mut text = [0_u8; 28];
        let length = STANDARD.encode_slice(digest, &mut text).unwrap_or_default();
        out.extend(*b"1:");
        out.extend_from_slice(&text[..length]);
    }
}

/// Seed, the smaller endpoint's address, the other's, protocol, padding, and the ports in the same order; and how many
/// bytes that are.
fn hashed(proto: Proto, orig: SocketAddr, resp: SocketAddr) -> ([u8; 40], usize) {
    let (low, high) =
        if (orig.ip(), orig.port()) <= (resp.ip(), resp.port()) { (orig, resp) } else { (resp, orig) };
    let (mut bytes, mut length) = ([0; 40], 2);
    let mut add = |part: &[u8]| {
        bytes[length..length + part.len()].copy_from_slice(part);
        length += part.len();
    };
    for endpoint in [low, high] {
        match endpoint.ip() {
            IpAddr::V4(ip) => add(&ip.octets()),
            IpAddr::V6(ip) => add(&ip.octets()),
        }
    }
    add(&[proto.number(), 0]);
    add(&low.port().to_be_bytes());
    add(&high.port().to_be_bytes());
    (bytes, length)
}

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
