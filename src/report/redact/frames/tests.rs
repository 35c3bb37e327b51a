//! Frames of every capture of the tests redacted, and some written here byte by byte.

use super::super::checksums::{folded, words};
use super::*;
use crate::bundle::SourceKind;
use crate::capture::{self, Window};

/// Every frame of the captures under `tests/captures`, with its link type.
fn frames() -> Vec<(String, Vec<u8>, u32, LinkType)> {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures");
    let mut found = Vec::new();
    for path in std::fs::read_dir(dir).expect("readable").flatten().map(|e| e.path()) {
        let kind = match path.extension().and_then(|e| e.to_str()) {
            Some("pcap") => SourceKind::Pcap,
            Some("pcapng") => SourceKind::Pcapng,
            _ => continue,
        };
        let mut reader = capture::open(Box::new(std::fs::File::open(&path).expect("readable")), kind);
        let mut window = Window::default();
        while reader.fill(&mut window) {
            for (n, header) in window.frames.iter().enumerate() {
                let name = format!("{} {}", path.display(), n + 1);
                found.push((name, window.frame(n).to_vec(), header.length, header.link_type));
            }
        }
    }
    found
}

fn redacted(bytes: &[u8], length: u32, link_type: LinkType) -> Redacted {
    frame(bytes, length, link_type, &DecodeOptions::default(), &mut Addresses::default())
}

#[test]
fn options_of_tcp_that_may_hold_addresses_become_no_operations() {
    let mut frame = vec![0; 12];
    frame.extend([8, 0, 0x45, 0, 0, 52, 0, 1, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    frame.extend([0x9c, 0x40, 1, 187, 0, 0, 0, 1, 0, 0, 0, 0, 0x80, 2, 1, 0, 0, 0, 0, 0]);
    for (options, left) in [
        ([2, 4, 5, 180, 254, 8, 0x9c, 0x40, 10, 77, 88, 99], [2, 4, 5, 180, 1, 1, 1, 1, 1, 1, 1, 1]),
        ([1, 3, 3, 7, 0, 10, 77, 88, 99, 0, 0, 9], [1, 3, 3, 7, 0, 0, 0, 0, 0, 0, 0, 0]),
        ([4, 2, 30, 40, 10, 77, 88, 99, 0, 0, 0, 9], [4, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]),
    ] {
        let bytes = [&frame[..], &options].concat();
        let new = redacted(&bytes, bytes.len() as u32, LinkType::ETHERNET);
        assert_eq!(new.bytes.get(54..), Some(&left[..]), "{options:?}");
    }
}

#[test]
fn no_address_and_no_payload_of_any_frame_is_left() {
    let all = frames();
    assert!(all.len() > 100, "{} frames", all.len());
    for (name, bytes, length, link_type) in all {
        let new = redacted(&bytes, length, link_type);
        assert!(new.bytes.len() <= bytes.len(), "{name}");
        for placed in headers(&bytes, length as usize, link_type, &DecodeOptions::default()) {
            let ends = match (placed.header, bytes.get(placed.at).map(|b| b >> 4)) {
                (Header::Ip, Some(4)) => bytes.get(placed.at + 12..placed.at + 20),
                (Header::Ip, _) => bytes.get(placed.at + 8..placed.at + 40),
                _ => None,
            };
            let Some(ends) = ends.filter(|e| !e.starts_with(&[127]) && !e.starts_with(&[0])) else {
                continue;
            };
            let source = &ends[..ends.len() / 2];
            assert!(!new.bytes.windows(source.len()).any(|w| w == source), "{name}: {source:?}");
        }
    }
}

#[test]
fn a_frame_cut_anywhere_is_redacted_without_a_panic() {
    for (_, bytes, length, link_type) in frames() {
        for cut in 0..bytes.len().min(160) {
            redacted(&bytes[..cut], length, link_type);
            let mut flipped = bytes.clone();
            flipped[cut] ^= 0xff;
            redacted(&flipped, length, link_type);
        }
    }
}

/// A SYN, the same with payload, and an ICMP error that quotes it.
#[test]
fn checksums_are_right_over_what_is_left() {
    let mut packet = vec![0x45, 0, 0, 40, 1, 2, 0x40, 0, 64, 6, 0, 0, 172, 28, 0, 2, 10, 96, 0, 1];
    packet.extend([0x1f, 0x90, 1, 0xbb, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 1, 0, 0xde, 0xad, 0, 0]);
    let mut icmp =
        vec![0x45, 0, 0, 68, 0, 0, 0, 0, 64, 1, 0, 0, 10, 0, 0, 9, 172, 28, 0, 2, 3, 3, 1, 2, 0, 0, 0, 0];
    icmp.extend(&packet);
    let with_payload = [&packet[..2], &[0, 48], &packet[4..], b"password"].concat();
    for (bytes, kept) in [(&packet, 40), (&icmp, 68), (&with_payload, 40)] {
        let new = redacted(bytes, bytes.len() as u32, LinkType::RAW);
        assert_eq!((new.bytes.len(), new.length as usize), (kept, bytes.len()));
        assert_eq!(folded(words(&new.bytes[..20])), 0xffff, "the IPv4 header");
        if new.bytes[9] == 1 {
            assert_eq!(folded(words(&new.bytes[20..])), 0xffff, "the ICMP message");
            assert_eq!(new.bytes[40..44], [240, 1, 0, 2].map(|b| b), "the quoted source");
        } else {
            let pseudo = words(&new.bytes[12..20]) + 6 + bytes.len() as u64 - 20;
            assert_eq!(folded(pseudo + words(&new.bytes[20..])), 0xffff, "the TCP segment");
        }
    }
}

/// The fuzzer's: an error that quotes a packet of IPv6 whose length is 0, as offloading leaves it.
#[test]
fn a_quoted_packet_of_no_length_has_no_checksum() {
    let quoted = [&[0x60, 0, 0, 0, 0, 0, 6, 64][..], &[0xfd; 32], &[0xaa; 20]].concat();
    let icmp = [&[1, 0, 0, 0, 0, 0, 0, 0][..], &quoted].concat();
    let mut packet = vec![0x60, 0, 0, 0, 0, icmp.len() as u8, 58, 64];
    packet.extend([0xfd; 32]);
    packet.extend(icmp);
    let new = redacted(&packet, packet.len() as u32, LinkType::IPV6);
    let quoted_tcp = 40 + 8 + 40;
    assert_eq!(new.bytes[quoted_tcp + 16..quoted_tcp + 18], [0, 0]);
    assert_eq!(new.bytes[quoted_tcp..quoted_tcp + 4], [0xaa; 4]);
}
