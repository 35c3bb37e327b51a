//! Text as it was meant: without the NULs in front that nobody wrote, and with lines where carriage returns end them.
//!
//! A log that is cut to nothing while its writer goes on where it was (`copytruncate`, a `>` without `O_APPEND`) begins
//! with as many NULs as it had bytes. Takes a reader; gives its bytes so mended. Never looks into what they say.

use std::io::{self, BufRead, BufReader, Read};

/// What is mended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mend {
    /// NULs in front are left out.
    pub(super) nuls: bool,
    /// A carriage return, alone or before a line feed, is a line feed.
    pub(super) returns: bool,
}

/// The bytes of a reader, mended.
pub(super) struct Mended<R> {
    inner: BufReader<R>,
    mend: Mend,
    /// There may be more NULs to leave out.
    skips: bool,
    skipped: u64,
    after_return: bool,
}

impl<R: Read> Mended<R> {
    pub(super) fn new(inner: R, mend: Mend) -> Self {
        let inner = BufReader::with_capacity(1 << 18, inner);
        Self { inner, mend, skips: mend.nuls, skipped: 0, after_return: false }
    }

    /// NULs that were left out.
    pub(super) const fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Goes on to the first byte that is no NUL.
    fn skip(&mut self) -> io::Result<()> {
        while self.skips {
            if self.skipped > MAX_NULS {
                return Err(io::Error::other(format!("it begins with more than {MAX_NULS} NULs")));
            }
            let bytes = self.inner.fill_buf()?;
            // a block at a time: this way a processor compares many bytes at once
            let block = |block: &&[u8]| block.iter().fold(0, |all, b| all | b) == 0;
            let blocks: usize = bytes.chunks(4096).take_while(block).map(<[u8]>::len).sum();
            let rest = bytes.get(blocks..).unwrap_or_default();
            let nuls = blocks + rest.iter().position(|b| *b != 0).unwrap_or(0);
            self.skips = nuls == bytes.len() && nuls > 0;
            self.skipped += nuls as u64;
            self.inner.consume(nuls);
        }
        Ok(())
    }

    /// Makes lines of what carriage returns end; how many bytes are left.
    fn lines(&mut self, bytes: &mut [u8]) -> usize {
        let mut kept = 0;
        for at in 0..bytes.len() {
            let byte = bytes.get(at).copied().unwrap_or_default();
            let second = byte == b'\n' && self.after_return;
            self.after_return = byte == b'\r';
            if let Some(place) = bytes.get_mut(kept).filter(|_| !second) {
                *place = if byte == b'\r' { b'\n' } else { byte };
                kept += 1;
            }
        }
        kept
    }
}

impl<R: Read> Read for Mended<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.skip()?;
        loop {
            let read = self.inner.read(buf)?;
            let kept = match buf.get_mut(..read) {
                Some(bytes) if self.mend.returns => self.lines(bytes),
                _ => read,
            };
            if kept > 0 || read == 0 {
                return Ok(kept);
            }
        }
    }
}

/// Whether a file that begins so begins with NULs beyond what is looked at.
pub(super) fn is_nuls(head: &[u8], look: u64) -> bool {
    head.len() as u64 == look && head.iter().all(|b| *b == 0)
}

/// Whether lines of a text that begins so end in carriage returns alone.
pub(super) fn ends_in_returns(head: &[u8]) -> bool {
    head.contains(&b'\r') && !head.contains(&b'\n')
}

/// NULs in front of a log that are looked behind: a sparse file may have more of them than any disk has bytes.
pub(super) const MAX_NULS: u64 = 4 << 30;
