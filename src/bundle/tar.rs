//! Members of a tar stream, one after another, within bounds.
//!
//! Takes a reader; gives the header of each member, whose bytes then follow. Knows ustar, GNU long names and PAX
//! records (path, linkpath, size); names are bounded, damaged headers are stepped over to the next whole one.
//! The fields of a header are read by the `tar` crate; its archive reader is not used, since it reads names of any
//! length into memory and stops at the first damage. POSIX.1-2017 pax.

use std::borrow::Cow;
use std::io::{self, Read, Seek};

use ::tar::{EntryType, Header};

use super::SourceReader;
use super::spool::Region;

/// One member.
#[derive(Debug)]
pub(super) struct Member {
    /// Name as it stands there.
    pub(super) name: Vec<u8>,
    /// File, link, directory, ….
    pub(super) kind: EntryType,
    /// Where a link leads.
    pub(super) link: Vec<u8>,
    /// Bytes that follow.
    pub(super) size: u64,
    /// Where they begin in the stream.
    pub(super) offset: u64,
    /// When it was last written, in seconds since 1970.
    pub(super) written: Option<u64>,
    /// Holes are left out of the bytes.
    pub(super) sparse: bool,
}

/// What a tar stream is read from: bytes, some of which need not be looked at.
pub(super) trait Skip: Read {
    /// Goes on by `n` bytes; how many there were.
    fn skip(&mut self, n: u64) -> io::Result<u64>;
}

impl Skip for SourceReader {
    fn skip(&mut self, n: u64) -> io::Result<u64> {
        io::copy(&mut self.take(n), &mut io::sink())
    }
}

impl Skip for Region {
    fn skip(&mut self, n: u64) -> io::Result<u64> {
        let before = self.stream_position()?;
        let n = n.min(self.len() - before);
        self.seek_relative(n.try_into().unwrap_or(i64::MAX))?;
        Ok(n)
    }
}

/// A tar stream.
pub(super) struct TarReader<R> {
    inner: R,
    position: u64,
    /// Bytes and padding of the current member that are still ahead.
    ahead: u64,
    /// Headers that were damaged.
    pub(super) damaged: u64,
    /// Extension headers of which only the beginning was read.
    pub(super) cut_texts: u64,
}

impl<R: Skip> TarReader<R> {
    /// A stream from its first header.
    pub(super) fn new(inner: R) -> Self {
        Self { inner, position: 0, ahead: 0, damaged: 0, cut_texts: 0 }
    }

    /// The next member; whatever is left of the one before is skipped.
    pub(super) fn next(&mut self) -> io::Result<Option<Member>> {
        let mut extended = Extended::default();
        loop {
            self.skip()?;
            let Some(header) = self.header()? else { return Ok(None) };
            let kind = header.entry_type();
            let stored = header.entry_size().unwrap_or(0);
            self.ahead = stored.checked_next_multiple_of(BLOCK as u64).unwrap_or(stored);
            match kind {
                EntryType::GNULongName => extended.name = Some(self.text(stored)?),
                EntryType::GNULongLink => extended.link = Some(self.text(stored)?),
                EntryType::XGlobalHeader => {}
                EntryType::XHeader => extended.read(&self.text(stored)?),
                _ => {
                    let size = extended.size.unwrap_or(stored);
                    self.ahead = size.checked_next_multiple_of(BLOCK as u64).unwrap_or(size);
                    return Ok(Some(extended.member(&header, size, self.position)));
                }
            }
        }
    }

    /// Where the stream is.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// A reader of the bytes of the member that `next` gave last.
    pub(super) fn data(&mut self, size: u64) -> Data<'_, R> {
        Data { left: size, tar: self }
    }

    /// The next whole header; none at the end.
    fn header(&mut self) -> io::Result<Option<Header>> {
        let mut searching = false;
        loop {
            let mut header = Header::new_old();
            let mut got = 0;
            while got < BLOCK {
                let rest = header.as_mut_bytes().get_mut(got..).unwrap_or_default();
                match self.inner.read(rest) {
                    Ok(0) if got == 0 => return Ok(None),
                    Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                    Ok(n) => got += n,
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                    Err(e) => return Err(e),
                }
            }
            self.position += BLOCK as u64;
            // Zero blocks end an archive; another one may have been appended.
            if header.as_bytes().iter().all(|b| *b == 0) {
                continue;
            }
            if is_header(header.as_bytes()) {
                return Ok(Some(header));
            }
            self.damaged += u64::from(!searching);
            searching = true;
        }
    }

    /// Name or records of an extension, bounded.
    fn text(&mut self, size: u64) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        self.cut_texts += u64::from(size > MAX_TEXT_BYTES);
        self.data(size.min(MAX_TEXT_BYTES)).read_to_end(&mut text)?;
        while text.last() == Some(&0) {
            text.pop();
        }
        Ok(text)
    }

    fn skip(&mut self) -> io::Result<()> {
        let skipped = self.inner.skip(self.ahead)?;
        self.position += skipped;
        let cut = skipped < self.ahead;
        self.ahead = 0;
        if cut { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }
}

/// What the headers in front of a member's own say of it: GNU long names, PAX records.
#[derive(Default)]
struct Extended {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    sparse: bool,
}

impl Extended {
    /// Takes PAX records.
    fn read(&mut self, records: &[u8]) {
        for record in ::tar::PaxExtensions::new(records).flatten() {
            match record.key_bytes() {
                b"path" => self.name = Some(record.value_bytes().to_vec()),
                b"linkpath" => self.link = Some(record.value_bytes().to_vec()),
                b"size" => self.size = record.value().ok().and_then(|v| v.parse::<u64>().ok()),
                key if key.starts_with(b"GNU.sparse.") => self.sparse = true,
                _ => {}
            }
        }
    }

    /// The member whose own header this is.
    fn member(self, header: &Header, size: u64, offset: u64) -> Member {
        let kind = header.entry_type();
        let link = || header.link_name_bytes().map(Cow::into_owned).unwrap_or_default();
        Member {
            name: self.name.unwrap_or_else(|| header.path_bytes().into_owned()),
            kind,
            link: self.link.unwrap_or_else(link),
            size,
            offset,
            written: header.mtime().ok().filter(|t| *t > 0),
            sparse: self.sparse || kind == EntryType::GNUSparse,
        }
    }
}

/// The bytes of one member.
pub(super) struct Data<'a, R> {
    tar: &'a mut TarReader<R>,
    left: u64,
}

impl<R: Skip> Read for Data<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buf.len());
        let Some(buf) = buf.get_mut(..most).filter(|b| !b.is_empty()) else { return Ok(0) };
        let n = self.tar.inner.read(buf)?;
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= n as u64;
        self.tar.position += n as u64;
        self.tar.ahead = self.tar.ahead.saturating_sub(n as u64);
        Ok(n)
    }
}

/// Whether bytes begin with a tar header: its checksum is right.
pub(super) fn is_header(head: &[u8]) -> bool {
    let Some(block) = head.get(..BLOCK) else { return false };
    let stated = block.get(CHECKSUM).map(|f| String::from_utf8_lossy(f).into_owned()).unwrap_or_default();
    let Ok(stated) = u32::from_str_radix(stated.trim_matches(['\0', ' ']), 8) else { return false };
    let sum = |(i, b): (usize, &u8)| u32::from(if CHECKSUM.contains(&i) { b' ' } else { *b });
    block.first() != Some(&0) && block.iter().enumerate().map(sum).sum::<u32>() == stated
}

/// Bytes of a header.
const BLOCK: usize = 512;
/// Place of the checksum in a header.
const CHECKSUM: std::ops::Range<usize> = 148..156;
/// Bytes of a long name or of PAX records that are read: extended attributes of a file stand in front of its name.
pub(super) const MAX_TEXT_BYTES: u64 = 1 << 20;
