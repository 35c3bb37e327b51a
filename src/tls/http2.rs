//! Decrypted HTTP/2 of one side in, the few frames that tell of failures out (RFC 9113 §4.1, §6; RFC 7541 for `:status`).
//!
//! Hops from frame to frame and keeps at most the first bytes of one. Reads `:status` where it stands in the static
//! table or as a literal, as it does in a first response; never keeps a dynamic table.

/// A frame that tells something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// HEADERS that begin with `:status`.
    Status(u16),
    /// RST_STREAM.
    Reset {
        /// Stream.
        stream: u32,
        /// Error code.
        error: u32,
    },
    /// GOAWAY.
    GoAway {
        /// Last stream that was or may be processed.
        last_stream: u32,
        /// Error code.
        error: u32,
    },
}

/// Where one side's frames have got to.
#[derive(Debug)]
pub(super) struct Frames {
    head: Vec<u8>,
    skip: usize,
}

impl Frames {
    /// Of the client, whose connection preface comes first (RFC 9113 §3.4).
    pub(super) const fn of_client() -> Self {
        Self { head: Vec::new(), skip: 24 }
    }

    /// Of the server.
    pub(super) const fn of_server() -> Self {
        Self { head: Vec::new(), skip: 0 }
    }

    /// Takes bytes in order; tells each frame of interest.
    pub(super) fn push(&mut self, mut bytes: &[u8], mut each: impl FnMut(Frame)) {
        while !bytes.is_empty() {
            let passing = self.skip.min(bytes.len());
            self.skip -= passing;
            bytes = bytes.get(passing..).unwrap_or_default();
            let wanted = wanted(&self.head);
            let (taken, rest) = bytes.split_at(wanted.saturating_sub(self.head.len()).min(bytes.len()));
            self.head.extend_from_slice(taken);
            bytes = rest;
            let Some((length, kind, flags, stream)) = header(&self.head) else { continue };
            if self.head.len() < self::wanted(&self.head) {
                continue;
            }
            let payload = self.head.get(HEADER..).unwrap_or_default();
            self.skip = length - payload.len();
            read(kind, flags, stream, payload).into_iter().for_each(&mut each);
            self.head.clear();
        }
    }
}

/// Bytes of a frame that are read: its header, and of some the start of its payload.
fn wanted(head: &[u8]) -> usize {
    match header(head) {
        Some((length, HEADERS | RST_STREAM | GOAWAY, ..)) => HEADER + length.min(MOST),
        _ => HEADER,
    }
}

/// Length, type, flags and stream.
fn header(head: &[u8]) -> Option<(usize, u8, u8, u32)> {
    let &[a, b, c, kind, flags, s0, s1, s2, s3] = head.first_chunk::<HEADER>()?;
    let length = u32::from_be_bytes([0, a, b, c]) as usize;
    Some((length, kind, flags, u32::from_be_bytes([s0 & 0x7f, s1, s2, s3])))
}

fn read(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Option<Frame> {
    let number = |at: usize| Some(u32::from_be_bytes(*payload.get(at..)?.first_chunk()?));
    match kind {
        RST_STREAM => Some(Frame::Reset { stream, error: number(0)? }),
        GOAWAY => Some(Frame::GoAway { last_stream: number(0)? & 0x7fff_ffff, error: number(4)? }),
        HEADERS => {
            let padding = usize::from(flags & 0x8 != 0);
            let priority = if flags & 0x20 == 0 { 0 } else { 5 };
            status(payload.get(padding + priority..)?).map(Frame::Status)
        }
        _ => None,
    }
}

/// `:status`, which stands first in a response's field section (RFC 9113 §8.3).
fn status(mut block: &[u8]) -> Option<u16> {
    // RFC 7541 §6.3: sizes of the dynamic table may be told first.
    while let [update, rest @ ..] = block
        && update & 0xe0 == 0x20
    {
        let more = if update & 0x1f == 0x1f { rest.iter().position(|b| b & 0x80 == 0)? + 1 } else { 0 };
        block = rest.get(more..)?;
    }
    match block {
        // RFC 7541 appendix A: 8 to 14 of the static table.
        [indexed @ 0x88..=0x8e, ..] => {
            [200, 204, 206, 304, 400, 404, 500].get(usize::from(indexed - 0x88)).copied()
        }
        [0x48 | 0x08 | 0x18, length, value @ ..] => {
            let value = value.get(..usize::from(length & 0x7f))?;
            if length & 0x80 == 0 {
                decimal(value.iter().map(|b| b.wrapping_sub(b'0')))
            } else {
                huffman(value)
            }
        }
        _ => None,
    }
}

/// Three digits in the code of RFC 7541 appendix B: 0, 1 and 2 have five bits, 3 to 9 six.
fn huffman(value: &[u8]) -> Option<u16> {
    let bits = value.iter().take(4).fold(0_u32, |bits, b| bits << 8 | u32::from(*b));
    let mut bits = bits.checked_shl(8 * 4_u32.saturating_sub(value.len() as u32))?;
    let mut digits = [0; 3];
    for digit in &mut digits {
        let five = (bits >> 27) as u8;
        *digit = if five < 3 { five } else { ((bits >> 26) as u8).checked_sub(0x19)? + 3 };
        bits <<= if five < 3 { 5 } else { 6 };
    }
    decimal(digits.into_iter())
}

fn decimal(digits: impl Iterator<Item = u8>) -> Option<u16> {
    let code = digits.take(4).try_fold(0, |code, d| (d < 10).then(|| code * 10 + u16::from(d)))?;
    (100..1000).contains(&code).then_some(code)
}

/// Name of an error code (RFC 9113 §7), or its number.
pub(super) fn error_name(code: u32) -> String {
    const NAMES: [&str; 14] = [
        "NO_ERROR",
        "PROTOCOL_ERROR",
        "INTERNAL_ERROR",
        "FLOW_CONTROL_ERROR",
        "SETTINGS_TIMEOUT",
        "STREAM_CLOSED",
        "FRAME_SIZE_ERROR",
        "REFUSED_STREAM",
        "CANCEL",
        "COMPRESSION_ERROR",
        "CONNECT_ERROR",
        "ENHANCE_YOUR_CALM",
        "INADEQUATE_SECURITY",
        "HTTP_1_1_REQUIRED",
    ];
    NAMES.get(code as usize).map_or_else(|| format!("0x{code:x}"), |name| (*name).to_owned())
}

/// Bytes of a frame's header.
const HEADER: usize = 9;
/// Bytes of a payload that are read.
const MOST: usize = 64;
/// Frame types of RFC 9113 §6.
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let length = (payload.len() as u32).to_be_bytes();
        [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
    }

    fn told(mut frames: Frames, bytes: &[u8], piece: usize) -> Vec<Frame> {
        let mut all = Vec::new();
        bytes.chunks(piece).for_each(|c| frames.push(c, |f| all.push(f)));
        all
    }

    #[test]
    fn frames_of_interest_are_found_in_pieces_of_any_size() {
        let settings = frame(4, 0, 0, &[0; 12]);
        let headers = frame(HEADERS, 0x4, 1, &[0x20, 0x8d, 1, 2, 3]); // a table size, then 404
        let data = frame(0, 1, 1, &[7; 300]);
        let reset = frame(RST_STREAM, 0, 5, &[0, 0, 0, 7]);
        let goaway = frame(GOAWAY, 0, 0, b"\x80\0\0\x09\0\0\0\x0btoo_many_pings");
        let server = [settings, headers, data, reset, goaway].concat();
        let expected = [
            Frame::Status(404),
            Frame::Reset { stream: 5, error: 7 },
            Frame::GoAway { last_stream: 9, error: 11 },
        ];
        let client = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &server].concat();
        for piece in [1, 2, 7, 9, 10, 64, 1000] {
            assert_eq!(told(Frames::of_server(), &server, piece), expected, "{piece}");
            assert_eq!(told(Frames::of_client(), &client, piece), expected, "{piece}");
        }
    }

    #[test]
    fn a_status_is_read_in_every_form() {
        for (block, expected) in [
            (&[0x88][..], Some(200)),
            (&[0x8e], Some(500)),
            (&[0x48, 3, b'5', b'0', b'3'], Some(503)),
            // 302 and 307 of RFC 7541 appendix C.6.
            (&[0x48, 0x82, 0x64, 0x02], Some(302)),
            (&[0x48, 0x83, 0x64, 0x0e, 0xff], Some(307)),
            (&[0x3f, 0xe1, 0x1f, 0x08, 3, b'4', b'2', b'9'], Some(429)),
            (&[0x82], None),
            (&[0x48, 3, b'x', b'0', b'3'], None),
            (&[0x48, 0x82, 0xff, 0xff], None),
            (&[0x48, 0x80], None),
            (&[0x3f], None),
            (&[], None),
        ] {
            assert_eq!(status(block), expected, "{block:?}");
        }
        assert_eq!(error_name(11), "ENHANCE_YOUR_CALM");
        assert_eq!(error_name(99), "0x63");
    }
}
