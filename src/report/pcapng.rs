//! Writes chosen frames as pcapng (draft-ietf-opsawg-pcapng), decisive ones with a comment.
//!
//! Takes frames as they stand in their captures; gives one section whose interfaces are the capture points that they
//! come from, with stamps in nanoseconds; those of before 1970 have an interface with an offset. Frames of several captures come in order of time. Never changes a frame;
//! text of a bundle in names and comments holds nothing that acts on a terminal.

use std::io::{self, Write};

use super::words::printable;
use crate::time::Timestamp;

/// One frame to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// When it was captured.
    pub time: Timestamp,
    /// Where it was captured: becomes the name of its interface.
    pub point: String,
    /// Link type, a number of the tcpdump.org registry.
    pub link_type: u16,
    /// Bytes that it had on the wire.
    pub length: u32,
    /// Bytes captured.
    pub bytes: Vec<u8>,
    /// What it tells.
    pub comment: Option<String>,
}

/// What the frames of one interface block share.
#[derive(Debug, PartialEq, Eq)]
struct Interface {
    point: String,
    link_type: u16,
    /// Added to its stamps, which themselves cannot be negative.
    offset_seconds: i64,
}

/// A pcapng file under way.
pub struct Writer<'o> {
    out: &'o mut dyn Write,
    /// The interfaces written, in order of their numbers.
    interfaces: Vec<Interface>,
    waiting: Vec<Frame>,
    waiting_bytes: usize,
}

impl<'o> Writer<'o> {
    /// Begins the file.
    pub fn new(out: &'o mut dyn Write) -> io::Result<Self> {
        let mut writer = Self { out, interfaces: Vec::new(), waiting: Vec::new(), waiting_bytes: 0 };
        let mut body = Vec::new();
        body.extend_from_slice(&0x1a2b_3c4d_u32.to_le_bytes());
        body.extend_from_slice(&[1, 0, 0, 0]);
        body.extend_from_slice(&u64::MAX.to_le_bytes());
        option(&mut body, SHB_USERAPPL, concat!("wirecause ", env!("CARGO_PKG_VERSION")).as_bytes());
        option(&mut body, END_OF_OPTIONS, &[]);
        writer.block(SECTION_HEADER, &body)?;
        Ok(writer)
    }

    /// Takes a frame; it is written in order of time with those around it.
    pub fn frame(&mut self, frame: Frame) -> io::Result<()> {
        self.waiting_bytes += frame.bytes.len();
        self.waiting.push(frame);
        if self.waiting_bytes > WAITING_BYTES { self.flush() } else { Ok(()) }
    }

    /// Writes what is waiting.
    pub fn finish(mut self) -> io::Result<()> {
        self.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut frames = std::mem::take(&mut self.waiting);
        self.waiting_bytes = 0;
        frames.sort_by_key(|f| f.time);
        frames.iter().try_for_each(|frame| self.packet(frame))
    }

    fn packet(&mut self, frame: &Frame) -> io::Result<()> {
        let offset_seconds = if frame.time < Timestamp::default() { BEFORE_ALL } else { 0 };
        let interface = self.interface(frame, offset_seconds)?;
        let stamp = (i128::from(frame.time.0) - i128::from(offset_seconds) * 1_000_000_000) as u64;
        let mut body = Vec::with_capacity(frame.bytes.len() + 64);
        for word in [interface, (stamp >> 32) as u32, stamp as u32, frame.bytes.len() as u32, frame.length] {
            body.extend_from_slice(&word.to_le_bytes());
        }
        body.extend_from_slice(&frame.bytes);
        pad(&mut body);
        if let Some(comment) = &frame.comment {
            option(&mut body, OPT_COMMENT, printable(comment).as_bytes());
            option(&mut body, END_OF_OPTIONS, &[]);
        }
        self.block(ENHANCED_PACKET, &body)
    }

    /// The number of the frame's interface, described before its first frame.
    fn interface(&mut self, frame: &Frame, offset_seconds: i64) -> io::Result<u32> {
        let wanted = (&frame.point, frame.link_type, offset_seconds);
        let known = self.interfaces.iter().position(|i| (&i.point, i.link_type, i.offset_seconds) == wanted);
        if let Some(number) = known {
            return Ok(number as u32);
        }
        let mut body = Vec::new();
        body.extend_from_slice(&frame.link_type.to_le_bytes());
        body.extend_from_slice(&[0; 6]);
        option(&mut body, IF_NAME, printable(&frame.point).as_bytes());
        option(&mut body, IF_TSRESOL, &[9]);
        if offset_seconds != 0 {
            option(&mut body, IF_TSOFFSET, &offset_seconds.to_le_bytes());
        }
        option(&mut body, END_OF_OPTIONS, &[]);
        self.block(INTERFACE_DESCRIPTION, &body)?;
        let (point, link_type) = (frame.point.clone(), frame.link_type);
        self.interfaces.push(Interface { point, link_type, offset_seconds });
        Ok(self.interfaces.len() as u32 - 1)
    }

    fn block(&mut self, kind: u32, body: &[u8]) -> io::Result<()> {
        let total = (body.len() as u32).saturating_add(12).to_le_bytes();
        self.out.write_all(&kind.to_le_bytes())?;
        self.out.write_all(&total)?;
        self.out.write_all(body)?;
        self.out.write_all(&total)
    }
}

fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    let value = value.get(..value.len().min(OPTION_BYTES)).unwrap_or_default();
    body.extend_from_slice(&code.to_le_bytes());
    body.extend_from_slice(&(value.len() as u16).to_le_bytes());
    body.extend_from_slice(value);
    pad(body);
}

/// Blocks and options end on 32-bit boundaries.
fn pad(body: &mut Vec<u8>) {
    body.resize(body.len().next_multiple_of(4), 0);
}

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const ENHANCED_PACKET: u32 = 6;
const END_OF_OPTIONS: u16 = 0;
const OPT_COMMENT: u16 = 1;
const IF_NAME: u16 = 2;
const SHB_USERAPPL: u16 = 4;
const IF_TSRESOL: u16 = 9;
const IF_TSOFFSET: u16 = 14;

/// The last whole second before every [`Timestamp`], since 1970.
const BEFORE_ALL: i64 = Timestamp::MIN.0.div_euclid(1_000_000_000);

/// Bytes of one option at most.
const OPTION_BYTES: usize = 4096;

/// Frames held for sorting by time, in bytes; beyond it order holds within each such run.
const WAITING_BYTES: usize = 256 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::SourceKind;
    use crate::capture::{self, Window};

    fn read_back(frames: Vec<Frame>) -> (Window, Vec<Option<String>>) {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes).expect("a Vec takes all");
        for frame in frames {
            writer.frame(frame).expect("a Vec takes all");
        }
        writer.finish().expect("a Vec takes all");
        let mut reader = capture::open(Box::new(io::Cursor::new(bytes)), SourceKind::Pcapng);
        let mut window = Window::default();
        assert!(reader.fill(&mut window));
        (window, reader.interfaces().iter().map(|i| i.name.clone()).collect())
    }

    fn made(ns: i64, point: &str, fill: u8) -> Frame {
        Frame {
            time: Timestamp(ns),
            point: point.to_owned(),
            link_type: 1,
            length: 100,
            bytes: vec![fill; 61],
            comment: (fill == 1).then(|| "SYN".to_owned()),
        }
    }

    #[test]
    fn what_is_written_reads_back_in_order_of_time() {
        let frames = vec![made(3_000_000_007, "a", 3), made(1_000_000_009, "b", 1), made(2, "a", 2)];
        let (window, names) = read_back(frames);
        let read: Vec<_> =
            window.frames.iter().map(|f| (f.time.0, f.captured, f.length, f.interface)).collect();
        assert_eq!(read, [(2, 61, 100, 0), (1_000_000_009, 61, 100, 1), (3_000_000_007, 61, 100, 0)]);
        assert_eq!(window.frame(1)[0], 1);
        assert_eq!(names[1].as_deref(), Some("b"));
    }

    #[test]
    fn every_time_reads_back_as_it_was() {
        let times = [i64::MIN, i64::MIN + 1, -1_000_000_000, -1, 0, 1, i64::MAX];
        let (window, names) = read_back(times.map(|ns| made(ns, "a", 0)).into());
        assert_eq!(window.frames.iter().map(|f| f.time.0).collect::<Vec<_>>(), times);
        assert_eq!(names, [Some("a".to_owned()), Some("a".to_owned())]);
    }
}
