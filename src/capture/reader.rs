//! The read loop: blocks of bytes in, windows of whole frames out.
//!
//! A window's bytes are read in one go behind what the last window left over (the partial record at its end). The
//! formats only cut: `pcap` and `pcapng` say how far they got, this file reads on, grows a window for a single larger
//! record up to a limit, and says where and why reading stopped. Never seeks and never maps the file.

use std::io::{self, Read};

use super::pcap::Pcap;
use super::pcapng::Pcapng;
use super::{CaptureSummary, FrameHeader, Interface, Window};
use crate::bundle::{SourceKind, SourceReader};
use crate::error::Place;

/// One pass over one capture file.
pub struct CaptureReader {
    input: SourceReader,
    format: Format,
    /// Bytes aimed at in a window.
    target: usize,
    /// Bytes read that no record was cut from yet.
    carry: Vec<u8>,
    /// Place in the file of the first byte of `carry`.
    offset: u64,
    ended: bool,
    summary: CaptureSummary,
}

enum Format {
    Pcap(Pcap),
    Pcapng(Pcapng),
}

/// How far a format got in the bytes it was shown.
pub(super) enum Progress {
    /// Records up to here were taken; the rest is the beginning of one that needs more bytes.
    More {
        /// Bytes done with.
        used: usize,
        /// Bytes from `used` on that the next record needs, as far as is known; at most [`MAX_RECORD`].
        need: usize,
    },
    /// Nothing after this can be read; the reason is among the problems.
    Stop,
}

/// Bytes of one record at most. libpcap allows 128 MiB for USB and D-Bus; no packet of interest is near that.
pub(super) const MAX_RECORD: usize = 16 << 20;

/// Bytes aimed at in a window: with 1 to 2 MiB, what is read is still in the cache when it is decoded.
const WINDOW: usize = 3 << 19;

/// Bytes aimed at when only the first frame is asked for.
const PEEK: usize = 1 << 16;

impl CaptureReader {
    pub(super) fn new(input: SourceReader, kind: SourceKind) -> Self {
        let format = match kind {
            SourceKind::Pcapng => Format::Pcapng(Pcapng::default()),
            _ => Format::Pcap(Pcap::default()),
        };
        Self {
            input,
            format,
            target: WINDOW,
            carry: Vec::new(),
            offset: 0,
            ended: false,
            summary: CaptureSummary::default(),
        }
    }

    /// Empties `window` and fills it with the next frames; `false` once nothing is left.
    ///
    /// Aims at 1.5 MiB, more only for a single larger frame.
    pub fn fill(&mut self, window: &mut Window) -> bool {
        window.frames.clear();
        window.bytes.clear();
        window.bytes.append(&mut self.carry);
        window.first_number = self.summary.frames + 1;
        let mut want = self.target;
        while window.frames.is_empty() && !self.ended {
            let eof = self.read(window, want);
            want = match self.cut(window, eof) {
                Progress::Stop => {
                    self.ended = true;
                    0
                }
                Progress::More { used, need } => self.advance(window, used, need, eof),
            };
        }
        self.summary.frames += window.frames.len() as u64;
        !window.frames.is_empty()
    }

    /// The interfaces known so far.
    pub fn interfaces(&self) -> &[Interface] {
        &self.summary.interfaces
    }

    /// TLS key log text of the decryption secrets blocks read so far.
    pub fn tls_key_log(&self) -> &str {
        &self.summary.tls_key_log
    }

    /// What the file held beside frames. Call at the end.
    pub fn finish(self) -> CaptureSummary {
        self.summary
    }

    /// Appends input until the window holds `want` bytes more than the last one left; tells whether the input ended.
    fn read(&mut self, window: &mut Window, want: usize) -> bool {
        let missing = want.max(window.bytes.len() + PEEK.min(self.target)) - window.bytes.len();
        window.bytes.reserve(missing);
        match self.input.by_ref().take(missing as u64).read_to_end(&mut window.bytes) {
            Ok(n) => {
                self.summary.bytes += n as u64;
                n < missing
            }
            Err(error) => {
                self.summary.bytes = self.offset + window.bytes.len() as u64;
                self.read_error(&error);
                true
            }
        }
    }

    fn read_error(&mut self, error: &io::Error) {
        let at = Place::Offset(self.summary.bytes);
        self.summary.problems.loss("read_error", at, || format!("reading stopped here: {error}"));
    }

    fn cut(&mut self, window: &mut Window, eof: bool) -> Progress {
        match &mut self.format {
            Format::Pcap(pcap) => pcap.cut(window, self.offset, &mut self.summary),
            Format::Pcapng(pcapng) => pcapng.cut(window, self.offset, eof, &mut self.summary),
        }
    }

    /// Keeps what is left for the next window; gives the bytes to aim at if this one has no frame yet.
    fn advance(&mut self, window: &mut Window, used: usize, need: usize, eof: bool) -> usize {
        let left = window.bytes.get(used..).unwrap_or_default();
        self.ended = eof;
        if eof && !left.is_empty() {
            self.cut_record(self.offset + used as u64, left.len(), need);
        }
        self.offset += used as u64;
        if window.frames.is_empty() {
            window.bytes.drain(..used.min(window.bytes.len()));
        } else {
            self.carry.extend_from_slice(left);
            window.bytes.truncate(used);
        }
        need.saturating_add(self.target)
    }

    fn cut_record(&mut self, offset: u64, left: usize, need: usize) {
        if self.summary.problems.iter().any(|w| w.name == "read_error") {
            return;
        }
        self.summary.problems.loss("cut_record", Place::Offset(offset), || {
            format!("the file ends {left} bytes into a record of {need} bytes; what precedes it was read")
        });
    }
}

/// Time and link type of a capture's first frame, reading no more than the beginning; none for a capture without frames.
pub fn first_frame(input: SourceReader, kind: SourceKind) -> Option<FrameHeader> {
    let mut reader = CaptureReader::new(input, kind);
    reader.target = PEEK;
    let mut window = Window::default();
    reader.fill(&mut window);
    window.frames.first().copied()
}
