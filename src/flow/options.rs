//! TCP options (RFC 9293 §3.1): of SYN and SYN-ACK, and SACK (RFC 2018).

use super::TcpOptions;
use super::seq::Seq;

/// Reads the options of a SYN. Stops at the first one that is malformed.
pub(super) fn parse(bytes: &[u8]) -> TcpOptions {
    let mut found = TcpOptions::default();
    for (kind, value) in Options(bytes) {
        match (kind, value) {
            (2, &[a, b]) => found.mss = Some(u16::from_be_bytes([a, b])),
            (3, &[shift]) => found.window_scale = Some(shift),
            (4, []) => found.sack_permitted = true,
            (8, &[a, b, c, d, ..]) => found.timestamp = Some(u32::from_be_bytes([a, b, c, d])),
            _ => {}
        }
    }
    found
}

/// Bytes after `ack` that the SACK blocks report as received. A first block that reports what was received twice
/// (RFC 2883 §4) lies before `ack` or within the second block and does not count.
pub(super) fn sacked(bytes: &[u8], ack: Seq) -> u64 {
    let Some((_, value)) = Options(bytes).find(|(kind, _)| *kind == 5) else { return 0 };
    let number = |bytes: [u8; 4]| Seq(u32::from_be_bytes(bytes));
    let (edges, _) = value.as_chunks::<4>();
    let (pairs, _) = edges.as_chunks::<2>();
    let blocks = pairs.iter().map(|[left, right]| (number(*left), number(*right)));
    let second = blocks.clone().nth(1);
    let twice = |n: usize, left: Seq, right: Seq| {
        n == 0 && second.is_some_and(|outer| !left.before(outer.0) && !right.after(outer.1))
    };
    let received =
        blocks.enumerate().filter(|(n, (left, right))| left.after(ack) && !twice(*n, *left, *right));
    received.map(|(_, (left, right))| u64::from(right.since(left).max(0).unsigned_abs())).sum()
}

/// Options as kind and value; ends at the end-of-list option or where a length is wrong.
struct Options<'a>(&'a [u8]);

impl<'a> Iterator for Options<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        while let Some((1, rest)) = self.0.split_first().map(|(kind, rest)| (*kind, rest)) {
            self.0 = rest;
        }
        let (&kind, &length) = (self.0.first()?, self.0.get(1)?);
        if kind == 0 {
            return None;
        }
        let value = self.0.get(2..usize::from(length))?;
        self.0 = &self.0[usize::from(length)..];
        Some((kind, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linux_syn() {
        let options = parse(b"\x02\x04\x05\xb4\x04\x02\x08\x0a\x01\x02\x03\x04\0\0\0\0\x01\x03\x03\x07");
        assert_eq!(options.mss, Some(1460));
        assert_eq!(options.window_scale, Some(7));
        assert!(options.sack_permitted);
        assert_eq!(options.timestamp, Some(0x0102_0304));
    }

    #[test]
    fn blocks_received_behind_a_hole() {
        let block = |left: u32, right: u32| [left.to_be_bytes(), right.to_be_bytes()].concat();
        let option = |blocks: &[Vec<u8>]| {
            let blocks = blocks.concat();
            [&[1, 1, 5, blocks.len() as u8 + 2], &blocks[..]].concat()
        };
        assert_eq!(sacked(&option(&[block(200, 300)]), Seq(100)), 100);
        assert_eq!(sacked(&option(&[block(400, 450), block(200, 300)]), Seq(100)), 150);
        assert_eq!(sacked(&option(&[block(50, 80), block(200, 300)]), Seq(100)), 100, "before the ACK");
        assert_eq!(sacked(&option(&[block(210, 220), block(200, 300)]), Seq(100)), 100, "within the second");
        assert_eq!(sacked(&option(&[block(u32::MAX, 9)]), Seq(u32::MAX - 9)), 10);
        assert_eq!(sacked(b"\x05\x06\0\0\0\x01", Seq(0)), 0);
    }

    #[test]
    fn what_is_malformed_ends_it() {
        assert_eq!(parse(b"\x02\x04\x05\xb4\x03\x00\x07").mss, Some(1460));
        assert_eq!(parse(b"\x03\x00\x07"), TcpOptions::default());
        assert_eq!(parse(b"\x02\x04\x05"), TcpOptions::default());
        assert_eq!(parse(b"\x01\x01\x00\x02\x04\x05\xb4"), TcpOptions::default());
        assert_eq!(parse(b"\x02"), TcpOptions::default());
    }
}
