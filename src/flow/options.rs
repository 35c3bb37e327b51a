//! TCP options of SYN and SYN-ACK (RFC 9293 §3.1).

use super::TcpOptions;

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
    fn what_is_malformed_ends_it() {
        assert_eq!(parse(b"\x02\x04\x05\xb4\x03\x00\x07").mss, Some(1460));
        assert_eq!(parse(b"\x03\x00\x07"), TcpOptions::default());
        assert_eq!(parse(b"\x02\x04\x05"), TcpOptions::default());
        assert_eq!(parse(b"\x01\x01\x00\x02\x04\x05\xb4"), TcpOptions::default());
        assert_eq!(parse(b"\x02"), TcpOptions::default());
    }
}
