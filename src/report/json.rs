//! JSON as bytes, appended to a buffer that is used again: the hand-written half of the output.
//!
//! Takes values, gives RFC 8259 text. Strings may come from hostile input: everything that a terminal could act on
//! (C0, DEL, C1) is escaped, not only what JSON demands. Never allocates beyond the buffer.

use std::io;
use std::net::IpAddr;

use crate::time::{Rfc3339, TimeDelta, Timestamp, eight_digits};

/// Text under way.
///
/// Behind what was written is room, so that a value is stored whole, as a few words, however much of it counts.
#[derive(Clone, Debug, Default)]
pub struct Text {
    buffer: Vec<u8>,
    end: usize,
    times: Rfc3339,
}

impl Text {
    /// What was written.
    pub fn as_bytes(&self) -> &[u8] {
        &self.buffer[..self.end]
    }

    /// Nothing was written.
    pub fn is_empty(&self) -> bool {
        self.end == 0
    }

    /// Begins anew in the same memory.
    pub fn clear(&mut self) {
        self.end = 0;
    }

    /// Appends bytes of a known number as they stand: a few stores in place of a call.
    #[inline]
    pub fn put<const N: usize>(&mut self, text: &[u8; N]) {
        self.put_some(text, N);
    }

    /// Appends the first `used` of some bytes.
    #[inline]
    fn put_some<const N: usize>(&mut self, text: &[u8; N], used: usize) {
        let room = self.buffer.get_mut(self.end..).and_then(|room| room.first_chunk_mut());
        let Some(room) = room else { return self.grow_and_add(&text[..used]) };
        *room = *text;
        self.end += used;
    }

    /// Appends bytes as they stand.
    #[inline]
    pub fn add(&mut self, text: &[u8]) {
        match self.buffer.get_mut(self.end..self.end + text.len()) {
            Some(room) => {
                room.copy_from_slice(text);
                self.end += text.len();
            }
            None => self.grow_and_add(text),
        }
    }

    #[cold]
    fn grow_and_add(&mut self, text: &[u8]) {
        self.grow(text.len());
        self.buffer[self.end..self.end + text.len()].copy_from_slice(text);
        self.end += text.len();
    }

    /// Makes room for so many bytes at least.
    #[cold]
    fn grow(&mut self, count: usize) {
        // Fresh memory is zero already: only what was written is copied.
        let mut buffer = vec![0; (self.end + count + SPARE).next_power_of_two()];
        buffer[..self.end].copy_from_slice(self.as_bytes());
        self.buffer = buffer;
    }

    /// Appends an unsigned number.
    #[inline]
    pub fn number(&mut self, value: u64) {
        // Most numbers are small counts.
        match value {
            0..10 => self.put(&[b'0' + value as u8]),
            10..100_000_000 => {
                let (digits, used) = short_number(value as u32);
                self.put_some(&digits, used);
            }
            _ => self.long_number(value),
        }
    }

    fn long_number(&mut self, value: u64) {
        self.number(value / 100_000_000);
        self.put(&eight_digits((value % 100_000_000) as u32));
    }

    /// Appends a key (as it stands, with quotes, colon and comma) and a number.
    #[inline]
    pub fn field<const N: usize>(&mut self, key: &[u8; N], value: u64) {
        self.put(key);
        self.number(value);
    }

    /// Appends `true` or `false`.
    #[inline]
    pub fn flag(&mut self, holds: bool) {
        if holds {
            self.put(b"true");
        } else {
            self.put(b"false");
        }
    }

    /// Appends a span in seconds with nine decimals, trailing zeros left out.
    pub fn seconds(&mut self, span: TimeDelta) {
        if span.0 < 0 {
            self.put(b"-");
        }
        let nanos = span.0.unsigned_abs();
        self.number(nanos / 1_000_000_000);
        let nanos = (nanos % 1_000_000_000) as u32;
        let mut decimals = [b'.'; 10];
        decimals[1] = b'0' + (nanos / 100_000_000) as u8;
        decimals[2..].copy_from_slice(&eight_digits(nanos % 100_000_000));
        let used = decimals.iter().rposition(|d| *d > b'0').map_or(2, |n| n + 1);
        self.put_some(&decimals, used);
    }

    /// Appends a time as a quoted RFC 3339 string.
    pub fn time(&mut self, time: Timestamp) {
        let mut text = [b'"'; 32];
        text[1..31].copy_from_slice(self.times.text(time));
        self.put(&text);
    }

    /// Appends an address as a quoted string.
    pub fn ip(&mut self, ip: IpAddr) {
        use io::Write as _;
        self.put(b"\"");
        match ip {
            IpAddr::V4(v4) => {
                for octet in v4.octets() {
                    let (text, used) = OCTETS[usize::from(octet)];
                    self.put_some(&text, usize::from(used));
                }
                self.end -= 1; // the last dot
            }
            // Writing to memory cannot fail.
            IpAddr::V6(v6) => drop(write!(self, "{v6}")),
        }
        self.put(b"\"");
    }

    /// Appends a quoted, escaped string.
    pub fn string(&mut self, text: &str) {
        self.put(b"\"");
        let mut rest = text.as_bytes();
        while let Some(at) = rest.iter().position(|byte| MAY_NEED_ESCAPE[usize::from(*byte)]) {
            let (plain, from) = rest.split_at(at);
            self.add(plain);
            rest = self.escape(from);
        }
        self.add(rest);
        self.put(b"\"");
    }

    /// Appends a quoted word of this program's own: one that holds nothing to escape.
    #[inline]
    pub fn word(&mut self, word: &str) {
        self.put(b"\"");
        self.add(word.as_bytes());
        self.put(b"\"");
    }

    /// Appends an array of strings.
    pub fn strings<S: AsRef<str>>(&mut self, items: impl IntoIterator<Item = S>) {
        self.array(items, |out, item| out.string(item.as_ref()));
    }

    /// Appends an array, each item written by `write`.
    pub fn array<T>(&mut self, items: impl IntoIterator<Item = T>, mut write: impl FnMut(&mut Self, T)) {
        self.put(b"[");
        for (n, item) in items.into_iter().enumerate() {
            if n > 0 {
                self.put(b",");
            }
            write(self, item);
        }
        self.put(b"]");
    }

    /// Appends bytes as lower-case hex in quotes.
    pub fn hex(&mut self, bytes: &[u8]) {
        self.put(b"\"");
        let end = self.end + bytes.len() * 2;
        if end > self.buffer.len() {
            self.grow(bytes.len() * 2);
        }
        let (digits, _) = self.buffer[self.end..end].as_chunks_mut::<2>();
        for (digits, byte) in digits.iter_mut().zip(bytes) {
            *digits = HEX[usize::from(*byte)];
        }
        self.end = end;
        self.put(b"\"");
    }

    /// Appends the character that a text begins with, escaped where it must be; gives what follows it.
    fn escape<'t>(&mut self, text: &'t [u8]) -> &'t [u8] {
        let (code, rest) = match text {
            // C1 as UTF-8.
            [0xc2, code @ 0x80..0xa0, rest @ ..] => (*code, rest),
            [byte, rest @ ..] => {
                if *byte >= 0x80 {
                    self.put(&[*byte]);
                    return rest;
                }
                (*byte, rest)
            }
            [] => return text,
        };
        match code {
            b'"' | b'\\' => self.put(&[b'\\', code]),
            b'\n' => self.put(b"\\n"),
            b'\r' => self.put(b"\\r"),
            b'\t' => self.put(b"\\t"),
            _ => {
                self.put(b"\\u00");
                self.put(&HEX[usize::from(code)]);
            }
        }
        rest
    }
}

impl io::Write for Text {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.add(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The digits of a number below 10^8, and how many they are.
fn short_number(value: u32) -> ([u8; 8], usize) {
    let digits = u64::from_le_bytes(eight_digits(value));
    let zeros = (digits ^ u64::from_le_bytes(*b"00000000")).trailing_zeros().min(56) & !7;
    ((digits >> zeros).to_le_bytes(), 8 - zeros as usize / 8)
}

/// What `write` writes, on its own.
pub fn rendered(write: impl FnOnce(&mut Text)) -> Box<[u8]> {
    let mut out = Text::default();
    write(&mut out);
    out.as_bytes().into()
}

/// A quoted, escaped string, on its own.
pub fn quoted(text: &str) -> Box<[u8]> {
    rendered(|out| out.string(text))
}

/// `0.` to `255.`, and how many bytes each is.
const OCTETS: [([u8; 4], u8); 256] = {
    let mut octets = [([0; 4], 0); 256];
    let mut n = 0;
    while n < 256 {
        let (hundreds, tens, ones) =
            (b'0' + (n / 100) as u8, b'0' + (n / 10 % 10) as u8, b'0' + (n % 10) as u8);
        octets[n] = match n {
            0..10 => ([ones, b'.', 0, 0], 2),
            10..100 => ([tens, ones, b'.', 0], 3),
            _ => ([hundreds, tens, ones, b'.'], 4),
        };
        n += 1;
    }
    octets
};

/// Bytes that characters begin with which may have to be escaped: those of C0, quote, backslash, DEL and C1.
const MAY_NEED_ESCAPE: [bool; 256] = {
    let mut may = [false; 256];
    let mut n = 0;
    while n < 256 {
        may[n] = matches!(n as u8, 0..0x20 | b'"' | b'\\' | 0x7f | 0xc2);
        n += 1;
    }
    may
};

/// `00` to `ff`.
const HEX: [[u8; 2]; 256] = {
    let digits = b"0123456789abcdef";
    let mut hex = [[0; 2]; 256];
    let mut n = 0;
    while n < 256 {
        hex[n] = [digits[n >> 4], digits[n & 15]];
        n += 1;
    }
    hex
};

/// Bytes that the buffer grows by beyond what is asked for.
const SPARE: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Text)) -> String {
        let mut out = Text::default();
        write(&mut out);
        String::from_utf8(out.as_bytes().to_vec()).expect("JSON is UTF-8")
    }

    #[test]
    fn strings_survive_a_round_trip_and_hold_nothing_a_terminal_acts_on() {
        for hostile in
            ["", "plain", "a\"b\\c", "\u{1b}[31m\u{7f}\u{9b}31m\u{0}\n\t\r", "é✓\u{a0}\u{80}", "</script>"]
        {
            let json = text(|out| out.string(hostile));
            assert_eq!(serde_json::from_str::<String>(&json).expect(&json), hostile);
            assert!(json.chars().all(|c| !c.is_control()), "{json:?}");
        }
    }

    #[test]
    fn numbers_and_spans() {
        for (value, expected) in [
            (0, "0"),
            (7, "7"),
            (10, "10"),
            (99, "99"),
            (1_000_000, "1000000"),
            (99_999_999, "99999999"),
            (100_000_000, "100000000"),
            (10_000_000_001, "10000000001"),
            (u64::MAX, "18446744073709551615"),
        ] {
            assert_eq!(text(|out| out.number(value)), expected);
        }
        for (ns, expected) in [
            (0, "0.0"),
            (123_456, "0.000123456"),
            (-2_500_000_000, "-2.5"),
            (1, "0.000000001"),
            (17_900_000_000, "17.9"),
        ] {
            assert_eq!(text(|out| out.seconds(TimeDelta(ns))), expected);
        }
    }

    #[test]
    fn text_is_the_same_wherever_the_buffer_ends() {
        let write = |out: &mut Text| {
            out.field(b"{\"a\":", 12_345);
            out.put(b",\"b\":");
            out.time(Timestamp(1_795_227_949_766_668_098));
            out.put(b",\"c\":");
            out.hex(&[0xab; 40]);
            out.add(b",\"d\":");
            out.ip("fd00::1".parse().expect("v6"));
            out.put(b"}");
        };
        let expected = text(write);
        for before in 0..300 {
            let mut out = Text::default();
            out.add(&vec![b' '; before]);
            write(&mut out);
            assert_eq!(&out.as_bytes()[before..], expected.as_bytes());
            out.clear();
            write(&mut out);
            assert_eq!(out.as_bytes(), expected.as_bytes(), "in the same memory");
        }
    }

    #[test]
    fn addresses_and_bytes() {
        assert_eq!(text(|out| out.ip("10.0.255.1".parse().expect("v4"))), "\"10.0.255.1\"");
        assert_eq!(text(|out| out.ip("0.10.100.99".parse().expect("v4"))), "\"0.10.100.99\"");
        assert_eq!(text(|out| out.ip("fd00::1".parse().expect("v6"))), "\"fd00::1\"");
        assert_eq!(text(|out| out.hex(&[0, 0xab])), "\"00ab\"");
        assert_eq!(text(|out| out.hex(&[0x1f; 33])), format!("\"{}\"", "1f".repeat(33)));
    }
}
