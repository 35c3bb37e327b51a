//! Compression by magic bytes, as bounded streams.
//!
//! Takes a reader of stored bytes; gives a reader of decompressed bytes: gzip, xz, zstd, bzip2 and lz4, each with
//! several members or frames one after another. A stream that grows past the limits of size or ratio ends with an
//! error that names the limit and its flag; what came out before it stands.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ruzstd::decoding::{FrameDecoder, StreamingDecoder};

use super::Limits;
use super::allowance::{Allowance, Drawn, FROM_BYTES};

/// A compression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    Gzip,
    Xz,
    Zstd,
    Bzip2,
    Lz4,
}

impl Codec {
    /// The compression that begins with these bytes.
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        match head {
            [0x1f, 0x8b, 8, ..] => Some(Self::Gzip),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Self::Xz),
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Self::Zstd),
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, 0x53, 0x59, ..] => Some(Self::Bzip2),
            [0x04, 0x22, 0x4d, 0x18, ..] => Some(Self::Lz4),
            _ => None,
        }
    }

    /// Decompresses `inner` within the limits and what the allowance leaves; `stored` says how much of it was used.
    pub(super) fn decode<'a>(
        self,
        inner: impl Read + Send + 'a,
        limits: &Limits,
        from: Allowance,
        stored: Arc<AtomicU64>,
    ) -> Box<dyn Read + Send + 'a> {
        let inner = BufReader::with_capacity(BUFFER_BYTES, inner);
        let counted = Counted { inner, bytes: Arc::clone(&stored) };
        let bounds = (stored, *limits, from);
        match self {
            Self::Gzip => bounded(flate2::bufread::MultiGzDecoder::new(counted), bounds),
            Self::Xz => bounded(lzma_rust2::XzReader::new_mem_limit(counted, true, XZ_MEMORY_KIB), bounds),
            Self::Bzip2 => bounded(bzip2::bufread::MultiBzDecoder::new(counted), bounds),
            Self::Zstd => bounded(ZstdFrames { state: Some(Zstd::Between(counted)) }, bounds),
            Self::Lz4 => bounded(Lz4Frames { inner: lz4_flex::frame::FrameDecoder::new(counted) }, bounds),
        }
    }
}

/// Decompresses a value that is held in memory, of any compression that its first bytes name; at most `most` bytes.
///
/// # Errors
/// Damage, or no compression that is known.
pub fn unpacked(stored: &[u8], most: usize) -> io::Result<Vec<u8>> {
    let codec = Codec::of(stored).ok_or(io::ErrorKind::InvalidData)?;
    let mut out = Vec::new();
    let limits = Limits::default();
    let allowance = Allowance::of(stored.len() as u64, &limits);
    codec.decode(stored, &limits, allowance, Arc::default()).take(most as u64).read_to_end(&mut out)?;
    Ok(out)
}

/// Decompresses a bare LZ4 block behind its length in 8 bytes, as systemd stores it.
///
/// # Errors
/// Damage, or a length of more than `most` bytes.
pub fn unpacked_lz4_block(stored: &[u8], most: usize) -> io::Result<Vec<u8>> {
    let (length, block) = stored.split_first_chunk::<8>().ok_or(io::ErrorKind::UnexpectedEof)?;
    let length = usize::try_from(u64::from_le_bytes(*length)).ok().filter(|n| *n <= most);
    let length = length.ok_or(io::ErrorKind::InvalidData)?;
    lz4_flex::block::decompress(block, length).map_err(io::Error::other)
}

fn bounded<'a>(
    inner: impl Read + Send + 'a,
    (stored, limits, from): (Arc<AtomicU64>, Limits, Allowance),
) -> Box<dyn Read + Send + 'a> {
    let inner = Drawn { inner, from, ratio: limits.ratio };
    Box::new(Bounded { inner, stored, limits, out: 0 })
}

/// Counts what is used of the stored side, not what was read ahead of it.
struct Counted<R> {
    inner: BufReader<R>,
    bytes: Arc<AtomicU64>,
}

impl<R> Counted<R> {
    /// Nobody else writes: a load and a store are cheaper than an addition in one step, and xz reads byte by byte.
    fn add(&self, n: usize) {
        self.bytes.store(self.bytes.load(Ordering::Relaxed) + n as u64, Ordering::Relaxed);
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buf)?;
        self.add(n);
        Ok(n)
    }
}

impl<R: Read> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, n: usize) {
        self.add(n);
        self.inner.consume(n);
    }
}

/// Ends with an error where a limit is passed.
struct Bounded<R> {
    inner: R,
    stored: Arc<AtomicU64>,
    limits: Limits,
    out: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.out > self.limits.member_bytes {
            let most = self.limits.member_bytes;
            return Err(reached("limit_member_bytes", "member size", most, "--max-member-bytes"));
        }
        let stored = self.stored.load(Ordering::Relaxed);
        if self.out > FROM_BYTES && self.out / self.limits.ratio.max(1) > stored {
            return Err(ratio_reached(self.limits.ratio));
        }
        let n = self.inner.read(buf)?;
        self.out += n as u64;
        Ok(n)
    }
}

/// A limit that was reached, as an error of reading.
#[derive(Debug)]
struct Reached {
    name: &'static str,
    text: String,
}

impl std::fmt::Display for Reached {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Reached {}

fn reached(name: &'static str, what: &str, value: u64, flag: &str) -> io::Error {
    let text = format!("the limit of {what} ({value}) is reached; raise it with {flag}");
    io::Error::other(Reached { name, text })
}

/// The error where more came out than the ratio allows.
pub(super) fn ratio_reached(ratio: u64) -> io::Error {
    reached("limit_ratio", "compression ratio", ratio, "--max-ratio")
}

/// The name of the limit that an error of reading tells of.
pub(super) fn limit_of(error: &io::Error) -> Option<&'static str> {
    error.get_ref()?.downcast_ref::<Reached>().map(|r| r.name)
}

/// zstd frames one after another, skippable ones between them (RFC 8878 §3.1).
struct ZstdFrames<R: BufRead> {
    /// None after an error.
    state: Option<Zstd<R>>,
}

/// A frame whose magic was read ahead.
type Frame<R> = StreamingDecoder<io::Chain<io::Cursor<[u8; 4]>, R>, FrameDecoder>;

enum Zstd<R: BufRead> {
    Between(R),
    Within(Box<Frame<R>>),
}

impl<R: BufRead> Read for ZstdFrames<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        loop {
            match self.state.take() {
                None => return Ok(0),
                Some(Zstd::Within(mut decoder)) => match decoder.read(buf)? {
                    0 => self.state = Some(Zstd::Between(end_frame(*decoder)?)),
                    n => {
                        self.state = Some(Zstd::Within(decoder));
                        return Ok(n);
                    }
                },
                Some(Zstd::Between(mut source)) => {
                    if source.fill_buf()?.is_empty() {
                        return Ok(0);
                    }
                    self.state = Some(next_frame(source)?);
                }
            }
        }
    }
}

fn next_frame<R: BufRead>(mut source: R) -> io::Result<Zstd<R>> {
    let mut magic = [0; 4];
    source.read_exact(&mut magic)?;
    if matches!(magic, [0x50..=0x5f, 0x2a, 0x4d, 0x18]) {
        let mut length = [0; 4];
        source.read_exact(&mut length)?;
        let length = u64::from(u32::from_le_bytes(length));
        io::copy(&mut source.by_ref().take(length), &mut io::sink())?;
        return Ok(Zstd::Between(source));
    }
    let decoder = StreamingDecoder::new(io::Cursor::new(magic).chain(source)).map_err(io::Error::other)?;
    Ok(Zstd::Within(Box::new(decoder)))
}

/// What stands behind a frame that was read to its end, if its content is what its checksum says: the decoder only
/// computes it (RFC 8878 §3.1.1).
fn end_frame<R: BufRead>(frame: Frame<R>) -> io::Result<R> {
    let (source, decoder) = frame.into_parts();
    match decoder.get_checksum_from_data() {
        Some(stored) if decoder.get_calculated_checksum() != Some(stored) => {
            Err(io::Error::new(io::ErrorKind::InvalidData, "the content does not match its checksum"))
        }
        _ => Ok(source.into_inner().1),
    }
}

/// lz4 frames one after another.
struct Lz4Frames<R: BufRead> {
    inner: lz4_flex::frame::FrameDecoder<R>,
}

impl<R: BufRead> Read for Lz4Frames<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.inner.read(buf)? {
                0 if !buf.is_empty() && !self.inner.get_mut().fill_buf()?.is_empty() => {}
                n => return Ok(n),
            }
        }
    }
}

/// Stored bytes read at once.
const BUFFER_BYTES: usize = 1 << 16;
/// Memory of the xz decoder; `xz -9` needs 65 MiB.
const XZ_MEMORY_KIB: u32 = 256 << 10;
