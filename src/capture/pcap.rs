//! The classic capture file: a 24-byte header, then records of a 16-byte header and a frame (`pcap-savefile(5)`).
//!
//! Both byte orders, micro- and nanoseconds, and the "modified" format of some old Linux tools whose record header is
//! 24 bytes. Nothing in the file marks where a record begins, so the first damaged record ends the reading.

use super::reader::{MAX_RECORD, Progress};
use super::{CaptureSummary, FrameHeader, Interface, LinkType, Window};
use crate::error::Place;
use crate::time::Timestamp;

/// What the file header says; the default is "not read yet".
#[derive(Default)]
pub(super) struct Pcap(Option<Header>);

#[derive(Clone, Copy)]
struct Header {
    big_endian: bool,
    nanos_per_tick: i64,
    record_prefix: usize,
    lengths: Lengths,
    link_type: LinkType,
    largest_frame: usize,
}

/// Order of the two lengths of a record, which changed between versions 2.2 and 2.4 (libpcap `sf-pcap.c`).
#[derive(Clone, Copy)]
enum Lengths {
    CapturedFirst,
    CapturedLast,
    SmallerIsCaptured,
}

/// What a record header says.
struct Record {
    seconds: u32,
    fraction: u32,
    captured: u32,
    length: u32,
}

impl Pcap {
    /// Cuts the frames of `window.bytes`, whose first byte is at `offset` in the file.
    pub(super) fn cut(&mut self, window: &mut Window, offset: u64, summary: &mut CaptureSummary) -> Progress {
        let (header, start) = match self.0 {
            Some(header) => (header, 0),
            None => match read_header(&window.bytes, summary) {
                Ok(header) => (*self.0.insert(header), FILE_HEADER),
                Err(progress) => return progress,
            },
        };
        if header.big_endian {
            header.frames(window, start, offset, summary, u32::from_be_bytes)
        } else {
            header.frames(window, start, offset, summary, u32::from_le_bytes)
        }
    }
}

impl Header {
    #[inline]
    fn frames(
        self,
        window: &mut Window,
        start: usize,
        offset: u64,
        summary: &mut CaptureSummary,
        word: impl Fn([u8; 4]) -> u32 + Copy,
    ) -> Progress {
        let mut at = start;
        loop {
            let Some(bytes) = window.bytes.get(at..).and_then(|b| b.first_chunk::<16>()) else {
                return Progress::More { used: at, need: self.record_prefix };
            };
            let record = self.record(bytes, word);
            if let Some(name) = self.implausible(&record) {
                return stop(summary, name, offset + at as u64, &record);
            }
            let frame = at + self.record_prefix;
            let end = frame + record.captured as usize;
            if end > window.bytes.len() {
                return Progress::More { used: at, need: end - at };
            }
            window.frames.push(FrameHeader {
                time: Timestamp::from_parts(
                    i64::from(record.seconds),
                    i64::from(record.fraction) * self.nanos_per_tick,
                ),
                offset: frame as u32,
                captured: record.captured,
                length: record.length.max(record.captured),
                interface: 0,
                link_type: self.link_type,
            });
            at = end;
        }
    }

    #[inline]
    fn record(self, bytes: &[u8; 16], word: impl Fn([u8; 4]) -> u32) -> Record {
        let [s0, s1, s2, s3, f0, f1, f2, f3, a0, a1, a2, a3, b0, b1, b2, b3] = *bytes;
        let (first, second) = (word([a0, a1, a2, a3]), word([b0, b1, b2, b3]));
        let (captured, length) = match self.lengths {
            Lengths::CapturedFirst => (first, second),
            Lengths::CapturedLast => (second, first),
            Lengths::SmallerIsCaptured => (first.min(second), first.max(second)),
        };
        Record { seconds: word([s0, s1, s2, s3]), fraction: word([f0, f1, f2, f3]), captured, length }
    }

    /// The problem with a record header that no capture tool writes.
    #[inline]
    fn implausible(self, record: &Record) -> Option<&'static str> {
        if record.captured as usize > self.largest_frame {
            Some("implausible_record_length")
        } else if record.captured | record.length | record.seconds | record.fraction == 0 {
            Some("zeros_instead_of_record")
        } else {
            None
        }
    }
}

fn stop(summary: &mut CaptureSummary, name: &'static str, offset: u64, record: &Record) -> Progress {
    summary.problems.loss(name, Place::Offset(offset), || {
        format!(
            "a record header that claims {} captured bytes of {} at {} s cannot be right; a pcap file has no mark to go \
             on from, so reading stopped here",
            record.captured, record.length, record.seconds
        )
    });
    Progress::Stop
}

fn read_header(bytes: &[u8], summary: &mut CaptureSummary) -> Result<Header, Progress> {
    let Some(raw) = bytes.first_chunk::<FILE_HEADER>() else {
        return Err(Progress::More { used: 0, need: FILE_HEADER });
    };
    let [m0, m1, m2, m3, major0, major1, minor0, minor1, _, _, _, _, _, _, _, _, rest @ ..] = *raw;
    let magic = [m0, m1, m2, m3];
    let big_endian = m0 == 0xa1;
    let Some((nanos_per_tick, record_prefix)) = magic_number(magic) else {
        summary.problems.loss("not_a_capture", Place::Offset(0), || {
            format!("the file begins with {magic:02x?}, which is no capture format known here")
        });
        return Err(Progress::Stop);
    };
    let half = |b| if big_endian { u16::from_be_bytes(b) } else { u16::from_le_bytes(b) };
    let word = |b| if big_endian { u32::from_be_bytes(b) } else { u32::from_le_bytes(b) };
    let [s0, s1, s2, s3, l0, l1, l2, l3] = rest;
    let (snaplen, link) = (word([s0, s1, s2, s3]), word([l0, l1, l2, l3]));
    // The upper bits of the link type hold the length of a frame check sequence, which the IP length leaves out anyway.
    let link_type = LinkType(link as u16);
    summary.interfaces.push(Interface { link_type: Some(link_type), snaplen, ..Interface::default() });
    Ok(Header {
        big_endian,
        nanos_per_tick,
        record_prefix,
        lengths: match (half([major0, major1]), half([minor0, minor1])) {
            (2, 0..=2) => Lengths::CapturedLast,
            (2, 3) => Lengths::SmallerIsCaptured,
            _ => Lengths::CapturedFirst,
        },
        link_type,
        largest_frame: (snaplen as usize).clamp(MAX_SNAPLEN, MAX_RECORD),
    })
}

/// Nanoseconds of a tick and bytes of a record header, by the magic number as it stands in the file.
fn magic_number(magic: [u8; 4]) -> Option<(i64, usize)> {
    match magic {
        [0xa1, 0xb2, 0xc3, 0xd4] | [0xd4, 0xc3, 0xb2, 0xa1] => Some((1000, 16)),
        [0xa1, 0xb2, 0x3c, 0x4d] | [0x4d, 0x3c, 0xb2, 0xa1] => Some((1, 16)),
        [0xa1, 0xb2, 0xcd, 0x34] | [0x34, 0xcd, 0xb2, 0xa1] => Some((1000, 24)),
        _ => None,
    }
}

/// Bytes of the file header.
const FILE_HEADER: usize = 24;

/// libpcap's `MAXIMUM_SNAPLEN`: no frame is larger, unless the file says so itself.
const MAX_SNAPLEN: usize = 262_144;
