//! JSON as bytes, appended to a buffer that is used again: the hand-written half of the output.
//!
//! Takes values, gives RFC 8259 text. Strings may come from hostile input: everything that a terminal could act on
//! (C0, DEL, C1) is escaped, not only what JSON demands. Never allocates beyond the buffer.

use std::net::IpAddr;

use crate::time::{TimeDelta, Timestamp};

/// Appends bytes of a known number: a few stores in place of a call.
#[inline]
pub fn put<const N: usize>(out: &mut Vec<u8>, text: &[u8; N]) {
    out.extend(*text);
}

/// Appends the first `used` of some bytes, in the same way.
#[inline]
fn put_some<const N: usize>(out: &mut Vec<u8>, text: &[u8; N], used: usize) {
    let end = out.len() + used;
    put(out, text);
    out.truncate(end);
}

/// Appends an unsigned number.
#[inline]
pub fn number(out: &mut Vec<u8>, value: u64) {
    // Most numbers are small counts.
    match value {
        0..10 => out.push(b'0' + value as u8),
        10..100 => put(out, &PAIRS[value as usize]),
        _ => long_number(out, value),
    }
}

fn long_number(out: &mut Vec<u8>, value: u64) {
    // Digits stand before the middle; what is behind it is copied with them and cut again.
    let mut digits = [0; 40];
    let mut at = 20;
    let mut rest = value;
    while rest >= 10 {
        at -= 2;
        [digits[at], digits[at + 1]] = PAIRS[(rest % 100) as usize];
        rest /= 100;
    }
    if rest > 0 {
        at -= 1;
        digits[at] = b'0' + rest as u8;
    }
    if let Some(text) = digits[at..].first_chunk::<20>() {
        put_some(out, text, 20 - at);
    }
}

/// `00` to `99`.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut n = 0;
    while n < 100 {
        pairs[n] = [b'0' + (n / 10) as u8, b'0' + (n % 10) as u8];
        n += 1;
    }
    pairs
};

/// Appends `true` or `false`.
pub fn flag(out: &mut Vec<u8>, holds: bool) {
    if holds {
        put(out, b"true");
    } else {
        put(out, b"false");
    }
}

/// Appends a span in seconds with nine decimals, trailing zeros left out.
pub fn seconds(out: &mut Vec<u8>, span: TimeDelta) {
    if span.0 < 0 {
        out.push(b'-');
    }
    let nanos = span.0.unsigned_abs();
    number(out, nanos / 1_000_000_000);
    let mut rest = (nanos % 1_000_000_000) as u32;
    let mut decimals = [b'0'; 9];
    decimals[8] = b'0' + (rest % 10) as u8;
    rest /= 10;
    for pair in decimals[..8].as_chunks_mut::<2>().0.iter_mut().rev() {
        *pair = PAIRS[(rest % 100) as usize];
        rest /= 100;
    }
    let used = decimals.iter().rposition(|d| *d != b'0').map_or(1, |n| n + 1);
    out.push(b'.');
    put_some(out, &decimals, used);
}

/// Appends a time as a quoted RFC 3339 string.
pub fn time(out: &mut Vec<u8>, time: Timestamp) {
    out.push(b'"');
    time.write_rfc3339(out);
    out.push(b'"');
}

/// Appends an address as a quoted string.
pub fn ip(out: &mut Vec<u8>, ip: IpAddr) {
    use std::io::Write as _;
    out.push(b'"');
    match ip {
        IpAddr::V4(v4) => {
            // `255.255.255.255` in place, then what is used of it.
            let (mut text, mut length) = ([0; 16], 0);
            for octet in v4.octets() {
                let [tens, ones] = PAIRS[usize::from(octet % 100)];
                let hundreds = b'0' + octet / 100;
                let (digits, used) = match octet {
                    0..10 => ([ones, b'.', 0, 0], 2),
                    10..100 => ([tens, ones, b'.', 0], 3),
                    100.. => ([hundreds, tens, ones, b'.'], 4),
                };
                if let Some(place) = text[length..].first_chunk_mut() {
                    *place = digits;
                }
                length += used;
            }
            put_some(out, &text, length - 1);
        }
        // Writing to a Vec cannot fail.
        IpAddr::V6(v6) => drop(write!(out, "{v6}")),
    }
    out.push(b'"');
}

/// Appends a quoted, escaped string.
pub fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut copied = 0;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let (skip, code) = match *byte {
            b @ (0..0x20 | 0x7f | b'"' | b'\\') => (1, b),
            0xc2 if bytes.get(at + 1).is_some_and(|b| *b < 0xa0) => (2, bytes[at + 1]),
            _ => {
                at += 1;
                continue;
            }
        };
        out.extend_from_slice(&bytes[copied..at]);
        escape(out, code);
        at += skip;
        copied = at;
    }
    out.extend_from_slice(&bytes[copied..]);
    out.push(b'"');
}

/// Appends a quoted word of this program's own: one that holds nothing to escape.
pub fn word(out: &mut Vec<u8>, word: &str) {
    out.push(b'"');
    out.extend_from_slice(word.as_bytes());
    out.push(b'"');
}

/// Appends an array of strings.
pub fn strings<S: AsRef<str>>(out: &mut Vec<u8>, items: impl IntoIterator<Item = S>) {
    array(out, items, |out, item| string(out, item.as_ref()));
}

/// Appends an array, each item written by `write`.
pub fn array<T>(
    out: &mut Vec<u8>,
    items: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut Vec<u8>, T),
) {
    out.push(b'[');
    for (n, item) in items.into_iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(b']');
}

/// Appends bytes as lower-case hex in quotes.
pub fn hex(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    for run in bytes.chunks(32) {
        let mut text = [0; 64];
        for (digits, byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(run) {
            *digits = [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
        }
        out.extend_from_slice(&text[..run.len() * 2]);
    }
    out.push(b'"');
}

fn escape(out: &mut Vec<u8>, code: u8) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    match code {
        b'"' | b'\\' => out.extend_from_slice(&[b'\\', code]),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        _ => {
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&[DIGITS[usize::from(code >> 4)], DIGITS[usize::from(code & 15)]]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("JSON is UTF-8")
    }

    #[test]
    fn strings_survive_a_round_trip_and_hold_nothing_a_terminal_acts_on() {
        for hostile in
            ["", "plain", "a\"b\\c", "\u{1b}[31m\u{7f}\u{9b}31m\u{0}\n\t\r", "é✓\u{a0}\u{80}", "</script>"]
        {
            let json = text(|out| string(out, hostile));
            assert_eq!(serde_json::from_str::<String>(&json).expect(&json), hostile);
            assert!(json.chars().all(|c| !c.is_control()), "{json:?}");
        }
    }

    #[test]
    fn numbers_and_spans() {
        for (value, expected) in
            [(0, "0"), (7, "7"), (1_000_000, "1000000"), (u64::MAX, "18446744073709551615")]
        {
            assert_eq!(text(|out| number(out, value)), expected);
        }
        for (ns, expected) in
            [(0, "0.0"), (123_456, "0.000123456"), (-2_500_000_000, "-2.5"), (1, "0.000000001")]
        {
            assert_eq!(text(|out| seconds(out, TimeDelta(ns))), expected);
        }
    }

    #[test]
    fn addresses_and_bytes() {
        assert_eq!(text(|out| ip(out, "10.0.255.1".parse().expect("v4"))), "\"10.0.255.1\"");
        assert_eq!(text(|out| ip(out, "fd00::1".parse().expect("v6"))), "\"fd00::1\"");
        assert_eq!(text(|out| hex(out, &[0, 0xab])), "\"00ab\"");
        assert_eq!(text(|out| hex(out, &[0x1f; 33])), format!("\"{}\"", "1f".repeat(33)));
    }
}
