//! One unlinked temporary file for what has no file of its own: archive members and standard input.
//!
//! Takes streams, one after another; gives for each the region that it was written to, to be read back by offset any
//! number of times. The file has no name, so that it vanishes with the process and nothing is written elsewhere.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::Arc;

/// A stretch of a file.
#[derive(Clone, Debug)]
pub(super) struct Region {
    file: Arc<File>,
    offset: u64,
    len: u64,
    at: u64,
}

impl Region {
    /// These bytes of a file.
    pub(super) fn new(file: Arc<File>, offset: u64, len: u64) -> Self {
        Self { file, offset, len, at: 0 }
    }

    /// A part of this region.
    pub(super) fn part(&self, offset: u64, len: u64) -> Self {
        let offset = offset.min(self.len);
        Self {
            file: Arc::clone(&self.file),
            offset: self.offset + offset,
            len: len.min(self.len - offset),
            at: 0,
        }
    }

    /// Its length in bytes.
    pub(super) fn len(&self) -> u64 {
        self.len
    }
}

impl Read for Region {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.len - self.at).unwrap_or(usize::MAX).min(buf.len());
        let Some(buf) = buf.get_mut(..left).filter(|b| !b.is_empty()) else { return Ok(0) };
        let n = read_at(&self.file, buf, self.offset + self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}

impl Seek for Region {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(n) => Some(n),
            SeekFrom::End(n) => self.len.checked_add_signed(n),
            SeekFrom::Current(n) => self.at.checked_add_signed(n),
        };
        let at =
            at.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a seek before the beginning"))?;
        self.at = at.min(self.len);
        Ok(at)
    }
}

/// Reads at an offset, wherever the file stands.
#[cfg(unix)]
pub(crate) fn read_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buf, offset)
}

/// Reads at an offset.
#[cfg(windows)]
pub(crate) fn read_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buf, offset)
}

/// Why a stream was not written to its end.
#[derive(Debug)]
pub(super) enum Stopped {
    /// It cannot be read further.
    Read(io::Error),
    /// The temporary file cannot be written.
    Write(io::Error),
}

impl From<Stopped> for io::Error {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Read(error) => error,
            Stopped::Write(error) => Self::new(error.kind(), no_room(&error)),
        }
    }
}

/// What is wrong with the temporary file, and what to do.
pub(super) fn no_room(error: &io::Error) -> String {
    format!(
        "no temporary file could be written ({error}): make room where such files are kept, or name another folder in TMPDIR"
    )
}

/// The temporary file; made when the first byte is written.
#[derive(Debug, Default)]
pub(super) struct Spool {
    file: Option<Arc<File>>,
    len: u64,
}

impl Spool {
    /// One whose file is this.
    #[cfg(test)]
    pub(super) fn to(file: File) -> Self {
        Self { file: Some(Arc::new(file)), len: 0 }
    }

    /// Writes a stream to its end, or up to `most` bytes; the region, and what ended it early.
    pub(super) fn write(&mut self, from: &mut dyn Read, most: u64) -> io::Result<(Region, Option<Stopped>)> {
        let file = match &self.file {
            Some(file) => Arc::clone(file),
            None => Arc::clone(self.file.insert(Arc::new(tempfile::tempfile()?))),
        };
        let start = self.len;
        let mut buffer = vec![0; COPY_BYTES];
        let mut from = from.take(most);
        let stopped = loop {
            match from.read(&mut buffer) {
                Ok(0) => break None,
                Ok(n) => {
                    if let Err(e) = (&*file).write_all(buffer.get(..n).unwrap_or_default()) {
                        // A full disk: what stands before the last whole write stays readable.
                        self.len = (&*file).seek(SeekFrom::Start(self.len))?;
                        break Some(Stopped::Write(e));
                    }
                    self.len += n as u64;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => break Some(Stopped::Read(e)),
            }
        };
        Ok((Region::new(file, start, self.len - start), stopped))
    }
}

/// Bytes copied at once.
const COPY_BYTES: usize = 1 << 16;
