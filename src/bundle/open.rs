//! Opens a source for one pass, decompressed and bounded.
//!
//! A plain file is opened as it is, for reads of large blocks; compressed ones go through their decoders; UTF-16 text
//! (what PowerShell writes) becomes UTF-8 on the way.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::PathBuf;
use std::sync::Arc;

use super::codec::Codec;
use super::spool::{Region, Spool};
use super::{Limits, SourceReader};

/// Where the bytes of a source are.
#[derive(Clone, Debug)]
pub(super) enum Origin {
    /// A file.
    File(PathBuf),
    /// A stretch of an archive or of the spool.
    Region(Region),
    /// Bytes that another source held.
    Memory(Arc<[u8]>),
    /// Not kept, since nothing here reads what it holds.
    Left,
}

/// How the bytes must be read.
#[derive(Clone, Debug)]
pub(super) struct Opening {
    pub(super) origin: Origin,
    /// Compressions, outermost first.
    pub(super) codecs: Vec<Codec>,
    pub(super) utf16: Option<Endian>,
    pub(super) limits: Limits,
}

/// Byte order of UTF-16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endian {
    Little,
    Big,
}

impl Endian {
    /// The byte order that a byte order mark says.
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        match head {
            [0xff, 0xfe, second, third, ..] if (*second, *third) != (0, 0) => Some(Self::Little),
            [0xfe, 0xff, ..] => Some(Self::Big),
            _ => None,
        }
    }
}

impl Opening {
    pub(super) fn open(&self) -> io::Result<SourceReader> {
        let mut reader: SourceReader = match &self.origin {
            Origin::File(path) => Box::new(File::open(path)?),
            Origin::Region(region) => Box::new(region.clone()),
            Origin::Memory(bytes) => Box::new(io::Cursor::new(bytes.clone())),
            Origin::Left => Box::new(io::empty()),
        };
        for codec in &self.codecs {
            reader = codec.decode(reader, &self.limits);
        }
        Ok(match self.utf16 {
            Some(endian) => Box::new(Utf16::new(reader, endian)),
            None => reader,
        })
    }

    /// The bytes as a region of a file: in place where they are stored as they are, else written to a temporary one.
    pub(super) fn by_offset(&self) -> io::Result<(Region, Option<io::Error>)> {
        match super::discover::in_place(self).filter(|_| self.utf16.is_none()) {
            Some(region) => Ok((region, None)),
            None => Spool::default().write(&mut *self.open()?, self.limits.member_bytes),
        }
    }
}

/// UTF-16 in, UTF-8 out.
pub(super) struct Utf16<R> {
    inner: BufReader<R>,
    endian: Endian,
    /// A first half of a pair that waits for its second.
    high: Option<u16>,
    out: Vec<u8>,
    given: usize,
}

impl<R: Read> Utf16<R> {
    pub(super) fn new(inner: R, endian: Endian) -> Self {
        let inner = BufReader::with_capacity(1 << 16, inner);
        Self { inner, endian, high: None, out: Vec::new(), given: 0 }
    }

    /// Decodes the next few thousand units; whether there were any.
    fn refill(&mut self) -> io::Result<bool> {
        let mut bytes = Vec::new();
        self.inner.by_ref().take(1 << 13).read_to_end(&mut bytes)?;
        let units = bytes.chunks_exact(2).map(|pair| {
            let pair = [pair.first().copied().unwrap_or(0), pair.get(1).copied().unwrap_or(0)];
            match self.endian {
                Endian::Little => u16::from_le_bytes(pair),
                Endian::Big => u16::from_be_bytes(pair),
            }
        });
        let mut units: Vec<u16> = self.high.take().into_iter().chain(units).collect();
        if bytes.len() == 1 << 13 && units.last().is_some_and(|u| (0xd800..0xdc00).contains(u)) {
            self.high = units.pop();
        }
        self.out.clear();
        self.given = 0;
        for c in char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)) {
            if c != '\u{feff}' {
                self.out.extend(c.encode_utf8(&mut [0; 4]).bytes());
            }
        }
        Ok(!bytes.is_empty())
    }
}

impl<R: Read> Read for Utf16<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.given >= self.out.len() {
            if !self.refill()? {
                return Ok(0);
            }
        }
        let ready = self.out.get(self.given..).unwrap_or_default();
        let n = ready.len().min(buf.len());
        if let (Some(to), Some(from)) = (buf.get_mut(..n), ready.get(..n)) {
            to.copy_from_slice(from);
        }
        self.given += n;
        Ok(n)
    }
}
