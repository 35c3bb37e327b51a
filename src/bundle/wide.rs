//! UTF-16 among lines of UTF-8, as UTF-8.
//!
//! PowerShell 5 writes UTF-16, also behind what another program has written into a file (`>>`), and others write UTF-8 behind
//! that: each line may be in another encoding. Nothing within a line changes it, since whoever writes a message can write
//! letters whose bytes are lines of ASCII. Takes a reader; gives its text. Never looks into what that says.

use std::io::{self, Read};

use memchr::{memchr, memchr3, memrchr};

use super::sniff;

/// Byte order of UTF-16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Endian {
    Little,
    Big,
}

/// Units of UTF-16 that tell it from other data where no mark does; fewer where a line or the text ends.
const UNITS: usize = 24;
const FEW: usize = 4;
/// Bytes of a line that tell its encoding, and of a short line.
const LOOK: usize = 2 * UNITS;
const SHORT: usize = 2 * FEW;

impl Endian {
    /// The byte order of text that begins so.
    fn of(head: &[u8]) -> Option<Self> {
        Self::marked(head).or_else(|| Self::of_unmarked(head))
    }

    /// The byte order that a byte order mark says.
    fn marked(head: &[u8]) -> Option<Self> {
        match head {
            [0xff, 0xfe, second, third, ..] if (*second, *third) != (0, 0) => Some(Self::Little),
            [0xfe, 0xff, ..] => Some(Self::Big),
            _ => None,
        }
    }

    /// The byte order of text without a mark: of its first units one byte is NUL and the other a character of Latin-1.
    fn of_unmarked(head: &[u8]) -> Option<Self> {
        let is = |endian: Self| {
            let line = endian.line(head.get(..LOOK.min(head.len())).unwrap_or_default());
            let mut units = line.chunks_exact(2).map(|pair| endian.unit(pair));
            let text = |unit: u16| matches!(unit, 0x09 | 0x0a | 0x0d | 0x1b | 0x20..=0x7e | 0xa0..=0xff);
            units.len() >= FEW && units.all(text)
        };
        [Self::Little, Self::Big].into_iter().find(|endian| is(*endian))
    }

    fn unit(self, pair: &[u8]) -> u16 {
        let pair = [pair.first().copied().unwrap_or(0), pair.get(1).copied().unwrap_or(0)];
        match self {
            Self::Little => u16::from_le_bytes(pair),
            Self::Big => u16::from_be_bytes(pair),
        }
    }

    /// The units up to the end of the line.
    fn line(self, bytes: &[u8]) -> &[u8] {
        let mut units = bytes.chunks_exact(2).map(|pair| self.unit(pair));
        let length = units.position(|unit| unit == LINE_FEED).map_or(bytes.len() / 2, |n| n + 1);
        bytes.get(..2 * length).unwrap_or_default()
    }

    /// Gives what stands in front of the next line, or as much of it as there is; how many bytes that took.
    fn decode(self, bytes: &[u8], ended: bool, out: &mut Vec<u8>) -> usize {
        let pair = self.line(bytes);
        let end = pair.len();
        if end == 0 {
            return bytes.len(); // half a unit at the end of all
        }
        let halved = !ended && end > 2 && pair.rchunks(2).next().is_some_and(|p| is_high(self.unit(p)));
        let whole = if halved { end - 2 } else { end };
        let units = bytes.get(..whole).unwrap_or_default().chunks_exact(2).map(|pair| self.unit(pair));
        for c in char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)) {
            if c != '\u{feff}' {
                out.extend(c.encode_utf8(&mut [0; 4]).bytes());
            }
        }
        whole
    }
}

/// The first half of a pair.
const fn is_high(unit: u16) -> bool {
    matches!(unit, 0xd800..0xdc00)
}

const LINE_FEED: u16 = 0x0a;

/// Whether a line that begins so is in UTF-16, in a text that is not. A message may hold any bytes, and lines: what is
/// written of a hello, for one. So a mark alone says nothing, and units in a row with two bytes of ASCII that it is not.
pub(super) fn is_wide(line: &[u8]) -> bool {
    if !line.iter().take(2).any(|b| matches!(b, 0 | 0xfe | 0xff)) {
        return false;
    }
    Endian::of(line).is_some_and(|endian| {
        let shown = endian.line(line.get(..AHEAD.min(line.len())).unwrap_or_default());
        let mut units = shown.chunks_exact(2).map(|pair| endian.unit(pair));
        let is_text = |unit: u16| matches!(unit, 0x09 | 0x0a | 0x0d | 0x1b | 0x20..=0x7e | 0xa0..);
        units.len() >= FEW && units.all(is_text) && narrow_from(shown, 0).is_none()
    })
}

/// Where units begin, so many before them or not, of which [`TOO_MANY`] in a row have two bytes of ASCII.
fn narrow_from(units: &[u8], mut before: usize) -> Option<usize> {
    units.chunks_exact(2).zip(1..).find_map(|(pair, n)| {
        before = count_pairs(before, pair);
        (before == TOO_MANY).then_some(2 * n - 2 * TOO_MANY.min(n))
    })
}

/// Where the first line of a text begins that is, behind its first one.
fn first_wide(text: &[u8]) -> Option<usize> {
    let mut begins = memchr::memchr_iter(b'\n', text).map(|at| at + 1);
    begins.find(|at| text.get(*at..).is_some_and(is_wide))
}

/// Whether lines of a text are.
pub(super) fn has_wide(text: &[u8]) -> bool {
    first_wide(text).is_some()
}

/// Whether data that begin so are text that has such lines.
pub(super) fn begins_text(head: &[u8]) -> bool {
    let is_text = |at| head.get(..at).is_some_and(|text| sniff::kind(text).is_text());
    Endian::of(head).is_some() || first_wide(head).is_some_and(is_text)
}

/// Whether a line behind one in UTF-16 is in UTF-8.
fn is_narrow(rest: &[u8]) -> bool {
    let head = rest.get(..LOOK.min(rest.len())).unwrap_or_default();
    let line = head.get(..memchr(b'\n', head).map_or(0, |n| n + 1)).unwrap_or_default();
    let odd = |b: &u8| matches!(b, 0..=8 | 11 | 14..=26 | 28 | 29 | 31 | 127);
    let text = |bytes: &[u8]| {
        !bytes.iter().any(odd)
            && std::str::from_utf8(bytes).map_or_else(|e| e.error_len().is_none(), |_| true)
    };
    text(head) || line.len() >= SHORT && text(line)
}

/// Bytes of lines in UTF-8 with which a text goes on, the first of which is one.
fn narrow(rest: &[u8]) -> usize {
    let wide = memchr3(0, 0xfe, 0xff, rest).unwrap_or(rest.len());
    let lines = memrchr(b'\n', rest.get(..wide).unwrap_or_default());
    lines.or_else(|| memchr(b'\n', rest)).map_or(rest.len(), |n| n + 1)
}

/// A text whose lines may be in UTF-16, in UTF-8.
pub(super) struct Narrowed<R> {
    inner: R,
    /// Bytes that were read, and how many of them are used.
    block: Vec<u8>,
    used: usize,
    ended: bool,
    /// What ended the reading, for when all before it is given.
    stopped: Option<io::Error>,
    /// Of the line that is read, unless it is in UTF-8.
    endian: Option<Endian>,
    /// A line begins.
    begins: bool,
    /// The first line is in UTF-8, so that one in UTF-16 is the odd one.
    narrow: Option<bool>,
    /// Pairs of ASCII so far that stand where units are read.
    pairs: usize,
    out: Vec<u8>,
    given: usize,
}

impl<R: Read> Narrowed<R> {
    pub(super) fn new(inner: R) -> Self {
        let (block, out) = (Vec::new(), Vec::new());
        let (used, pairs, given) = (0, 0, 0);
        Self {
            inner,
            block,
            used,
            ended: false,
            stopped: None,
            endian: None,
            begins: true,
            narrow: None,
            pairs,
            out,
            given,
        }
    }

    /// Reads on where no more is left than tells the encoding of a line.
    fn fill(&mut self) {
        while !self.ended && self.block.len() - self.used < AHEAD {
            self.block.drain(..self.used);
            self.used = 0;
            match self.inner.by_ref().take(BLOCK).read_to_end(&mut self.block) {
                Ok(read) => self.ended = read == 0,
                Err(e) => (self.ended, self.stopped) = (true, Some(e)),
            }
        }
    }

    /// Decodes further lines, or a part of one; whether there were any.
    fn refill(&mut self) -> io::Result<bool> {
        self.fill();
        let mut rest = self.block.get(self.used..).unwrap_or_default();
        if rest.is_empty() {
            let within = (self.pairs >= TOO_MANY).then(|| io::Error::other(WITHIN));
            self.pairs = 0;
            return self.stopped.take().or(within).map_or(Ok(false), Err);
        }
        if self.begins {
            self.endian = match self.endian {
                None if self.narrow.is_some() && !is_wide(rest) => None,
                Some(_) if is_narrow(rest) => None,
                now => Endian::marked(rest).or(now).or_else(|| Endian::of(rest)),
            };
        }
        let mostly_narrow = *self.narrow.get_or_insert(self.endian.is_none());
        if let Some(endian) = self.endian.filter(|_| mostly_narrow) {
            let line = endian.line(rest);
            match narrow_from(line, self.pairs) {
                Some(0) => (self.endian, self.pairs) = (None, 0), // it was none, or what follows is appended to it
                Some(from) => rest = line.get(..from).unwrap_or_default(),
                None => {}
            }
        }
        self.out.clear();
        self.given = 0;
        self.used += if let Some(endian) = self.endian {
            let used = endian.decode(rest, self.ended, &mut self.out);
            self.pairs = count_pairs(self.pairs, rest.get(..used).unwrap_or_default());
            used
        } else {
            let lines = narrow(rest);
            self.out.extend_from_slice(rest.get(..lines).unwrap_or_default());
            lines
        };
        self.begins = self.out.last().map_or(self.begins, |b| *b == b'\n');
        Ok(true)
    }
}

/// How many units in a row have two bytes of ASCII, up to those that are too many.
fn count_pairs(before: usize, units: &[u8]) -> usize {
    let is_text = |b: &u8| matches!(b, b'\t' | b'\n' | b'\r' | b' '..=b'~');
    let pairs = units.chunks_exact(2).map(|pair| pair.iter().all(is_text));
    let count = |n: usize, pair: bool| if n >= TOO_MANY || pair { n + 1 } else { 0 };
    pairs.fold(before, count)
}

/// Units in a row with two bytes of ASCII that no language writes.
const TOO_MANY: usize = 32;
const WITHIN: &str = "within a line in UTF-16 it goes on in UTF-8, as where another program appends to a file without a last line end: that is not read; put it in a file of its own";

/// Bytes of a line in UTF-16 that have to be text.
const AHEAD: usize = 4 << 10;

/// Bytes read at a time.
const BLOCK: u64 = 64 << 10;

impl<R: Read> Read for Narrowed<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.given >= self.out.len() {
            if !self.refill()? {
                return Ok(0);
            }
        }
        let n = self.out.get(self.given..).unwrap_or_default().read(buf)?;
        self.given += n;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn little(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    fn big(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_be_bytes).collect()
    }

    #[test]
    fn each_line_is_read_in_its_own_encoding() {
        let text = "2026-11-21 02:24:41 größe 😀\r\n\r\n=== ip route ===\r\nmore\r\n";
        let narrow = text.as_bytes().to_vec();
        let marked = little(&format!("\u{feff}{text}"));
        let parts = [narrow.clone(), little(text), narrow.clone(), big(text), narrow, marked];
        for n in 1..=parts.len() {
            for rotated in 0..parts.len() {
                let parts: Vec<_> = parts.iter().cycle().skip(rotated).take(n).cloned().collect();
                let whole = parts.concat();
                // of byte orders that change where no mark says so, the first is taken
                if parts.windows(2).any(|two| two.iter().all(|part| part.contains(&0))) {
                    continue;
                }
                for size in [1, 7, 1 << 16] {
                    let pieces = whole.chunks(size).map(io::Cursor::new);
                    let inner =
                        pieces.fold(Box::new(io::empty()) as Box<dyn Read>, |a, b| Box::new(a.chain(b)));
                    let mut read = String::new();
                    Narrowed::new(inner).read_to_string(&mut read).unwrap();
                    assert_eq!(read, text.repeat(n), "{n} {rotated} {size}");
                }
            }
        }
    }

    /// What a message holds, as one that quotes a hello, does not hide the lines behind it.
    #[test]
    fn an_odd_line_among_narrow_ones_ends_where_it_does() {
        let lines = "I1121 02:24:41.000000       1 a.go:1] said\n".repeat(40);
        let long = big(&"a".repeat(4000));
        for odd in [
            &b"\xfe\xff])\n"[..],
            b"\xff\xfea\0])\n",
            b"\0a\0b\0c\0d\0e\n",
            b"\0a\0b\0c\0d\0e\0\n])\n",
            &long,
        ] {
            for behind in [lines.as_str(), "more\n"] {
                let text = [lines.as_bytes(), odd, b"\n", behind.as_bytes()].concat();
                let mut read = Vec::new();
                Narrowed::new(text.as_slice()).read_to_end(&mut read).unwrap();
                let read = String::from_utf8_lossy(&read);
                assert!(read.starts_with(&lines) && read.len() <= 2 * text.len(), "{odd:?}");
                assert!(behind.len() < 99 || read.ends_with(&behind[99..]), "{odd:?} {read}");
            }
        }
    }

    /// Letters whose bytes are lines of ASCII, in the message of a line of UTF-16.
    #[test]
    fn a_message_does_not_change_the_encoding() {
        let lure = "\nW1121 02:24:41.000000       1 dispatcher.go:205] m\n".repeat(20);
        let letters: String = lure
            .as_bytes()
            .chunks_exact(2)
            .filter_map(|pair| char::from_u32(u32::from(Endian::Little.unit(pair))))
            .collect();
        let text = format!("W1121 02:24:41.000000       1 a.go:1] {letters} said\nmore\n");
        let mut read = Vec::new();
        let said = Narrowed::new(little(&text).as_slice()).read_to_end(&mut read).map_err(|e| e.to_string());
        assert_eq!((String::from_utf8(read), said), (Ok(text), Err(WITHIN.to_owned())));
        assert!(!has_wide(lure.as_bytes()) && !has_wide(b"a\n\0\0\0\0\0\0\0\0\0\0\0\0b\n"));
        assert!(has_wide(&[b"a\n".to_vec(), little("more\r\n")].concat()));
    }

    /// What stops the reading is told behind all that came before it.
    #[test]
    fn nothing_in_front_of_an_error_is_lost() {
        struct Fails;
        impl Read for Fails {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("cut"))
            }
        }
        let text = "a line of text\n".repeat(9000);
        let mut read = Vec::new();
        let stopped = Narrowed::new(little(&text).as_slice().chain(Fails)).read_to_end(&mut read);
        assert_eq!((read.len(), stopped.is_err()), (text.len(), true));
    }
}
