//! Opens a source for one pass, decompressed and bounded.
//!
//! A plain file is opened as it is, for reads of large blocks; compressed ones go through their decoders, and text that is
//! not as it was meant is mended on the way.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::allowance::{self, Allowance, Allowed};
use super::codec::Codec;
use super::mend::{self, Mend, Mended};
use super::parts::Ranges;
use super::prefix::{self, Unprefixed};
use super::spool::{Region, Spool};
use super::wide::{self, Narrowed};
use super::{Limits, SourceKind, SourceReader, sniff, views};
use crate::error::{Place, Weirds};

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
    /// Lines of it are in UTF-16.
    pub(super) wide: bool,
    pub(super) mend: Mend,
    /// Stored bytes in front that are not read.
    pub(super) skip: u64,
    /// Stretches that are read; of what lies between them the line ends alone, so that lines keep their numbers.
    pub(super) only: Option<Ranges>,
    pub(super) limits: Limits,
    /// Bytes of its input file that it stands for.
    pub(super) share: u64,
    /// What may come out of its decompressors.
    pub(super) allowed: Allowed,
}

impl Origin {
    /// Bytes that are stored.
    pub(super) fn stored(&self) -> u64 {
        match self {
            Self::File(path) => std::fs::metadata(path).map_or(0, |m| m.len()),
            Self::Region(region) => region.len(),
            Self::Memory(bytes) => bytes.len() as u64,
            Self::Left => 0,
        }
    }
}

impl Opening {
    /// What is a file of its own.
    pub(super) fn new(origin: Origin, limits: &Limits) -> Self {
        let share = origin.stored();
        let allowed = Allowed::EachPass(allowance::most(share, limits));
        Self::of(origin, limits, share, allowed)
    }

    /// What is found in an input file and stands for `share` bytes of it.
    pub(super) fn within(origin: Origin, limits: &Limits, share: u64, all: &Allowance) -> Self {
        Self::of(origin, limits, share, Allowed::Together(all.clone()))
    }

    fn of(origin: Origin, limits: &Limits, share: u64, allowed: Allowed) -> Self {
        let (codecs, mend, limits) = (Vec::new(), Mend::default(), *limits);
        Self { origin, codecs, wide: false, mend, skip: 0, only: None, limits, share, allowed }
    }

    pub(super) fn open(&self) -> io::Result<SourceReader> {
        self.open_counted().map(|(reader, _)| reader)
    }

    /// Opens it; the count is of stored bytes that were used, where it is compressed.
    pub(super) fn open_counted(&self) -> io::Result<(SourceReader, Arc<AtomicU64>)> {
        let mut reader: SourceReader = match &self.origin {
            Origin::File(path) => Box::new(self.file(path)?),
            Origin::Region(region) => Box::new(region.part(self.skip, u64::MAX)),
            Origin::Memory(bytes) => Box::new(io::Cursor::new(bytes.clone())),
            Origin::Left => Box::new(io::empty()),
        };
        let from = self.allowed.open();
        let used: Arc<AtomicU64> = Arc::default();
        for (outer, codec) in self.codecs.iter().enumerate() {
            let stored = if outer == 0 { Arc::clone(&used) } else { Arc::default() };
            reader = codec.decode(reader, &self.limits, from.clone(), stored);
        }
        if self.wide {
            reader = Box::new(Narrowed::new(reader));
        }
        if self.mend != Mend::default() {
            reader = Box::new(Mended::new(reader, self.mend));
        }
        if self.mend.prefixes {
            reader = Box::new(Unprefixed::new(reader));
        }
        if let Some(ranges) = &self.only {
            reader = Box::new(Only { inner: reader, ranges: Arc::clone(ranges), next: 0, at: 0 });
        }
        Ok((reader, used))
    }

    fn file(&self, path: &Path) -> io::Result<File> {
        let mut file = open_again(path, self.share)?;
        if self.skip > 0 {
            file.seek(SeekFrom::Start(self.skip))?;
        }
        Ok(file)
    }

    /// Bytes that a file has lost since it was found, of which a pass gave so many. Of what is changed on the way nobody
    /// can tell.
    pub(super) fn lost(&self, read: u64) -> Option<u64> {
        let as_stored =
            self.codecs.is_empty() && self.mend == Mend::default() && !self.wide && self.only.is_none();
        let expected =
            matches!(self.origin, Origin::File(_)).then(|| self.share.saturating_sub(self.skip))?;
        expected.checked_sub(read).filter(|lost| *lost > 0 && as_stored)
    }

    /// The bytes as a region of a file: in place where they are stored as they are, else written to a temporary one.
    pub(super) fn by_offset(&self) -> io::Result<(Region, Option<io::Error>)> {
        let stored = super::discover::in_place(self);
        if let Some(region) =
            stored.filter(|_| self.mend == Mend::default() && !self.wide && self.only.is_none())
        {
            return Ok((region, None));
        }
        let (region, stopped) = Spool::default().write(&mut *self.open()?, self.limits.member_bytes)?;
        Ok((region, stopped.map(io::Error::from)))
    }
}

/// Opens a file that had bytes when it was found: what may have come into its place, such as a pipe, is not waited for.
pub(super) fn open_again(path: &Path, bytes: u64) -> io::Result<File> {
    if bytes > 0 && !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no file any more"));
    }
    File::open(path)
}

/// The first decompressed bytes; finds the compressions and the encoding on the way. What would have to be unpacked anew
/// to be read from its begin is given to `keep`.
pub(super) fn look(opening: &mut Opening, problems: &mut Weirds, keep: &mut Keep<'_>) -> Vec<u8> {
    loop {
        let mut head = Vec::new();
        let read = opening.open().and_then(|r| r.take(sniff::LOOK).read_to_end(&mut head));
        if let Err(e) = read
            && head.is_empty()
        {
            problems.loss("unreadable", Place::Whole, || e.to_string());
        }
        if let Some(codec) = Codec::of(&head)
            && opening.codecs.len() < MAX_CODECS
        {
            opening.codecs.push(codec);
        } else if !opening.wide && wide::begins_text(&head) {
            opening.wide = true;
        } else {
            if Codec::of(&head).is_some() {
                problems.loss("limit_compressions", Place::Whole, || {
                    format!("it is compressed more than {MAX_CODECS} times over, which is not unpacked")
                });
            }
            if mend::may_begin_behind_nuls(&head, sniff::LOOK) {
                head = behind_nuls(opening, problems, keep).unwrap_or(head);
            }
            return as_text(opening, head);
        }
    }
}

/// Writes a stream to where it can be read again.
pub(super) type Keep<'k> = dyn FnMut(&mut dyn Read) -> Option<Region> + 'k;

/// The first bytes of a text behind NULs, which are passed once.
fn behind_nuls(opening: &mut Opening, problems: &mut Weirds, keep: &mut Keep<'_>) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    let mut behind = Mended::new(opening.open().ok()?, Mend { nuls: true, ..Mend::default() });
    let stopped = behind.by_ref().take(sniff::LOOK).read_to_end(&mut head).err();
    if !sniff::kind(&head).is_text() {
        if let Some(e) = stopped {
            problems.loss("limit_leading_nuls", Place::Whole, || e.to_string());
        }
        return None;
    }
    problems.note("leading_nuls", Place::Whole, || NULS.to_owned());
    if opening.codecs.is_empty() && !opening.wide {
        opening.skip = behind.skipped();
    } else {
        let kept = keep(&mut head.as_slice().chain(behind))?;
        opening.origin = Origin::Region(kept);
        (opening.codecs, opening.wide) = (Vec::new(), false);
    }
    Some(head)
}

/// The first bytes of a text as it is mended. A log, which is not looked through before it is read, may go on in another
/// way than it begins: its end tells.
fn as_text(opening: &mut Opening, head: Vec<u8>) -> Vec<u8> {
    let kind = sniff::kind(&head);
    if !kind.is_text() {
        return again(opening, Mend::default(), head);
    }
    let tail = if kind == SourceKind::Log { views::tail(opening, head.len()) } else { None };
    let tail = tail.unwrap_or_default();
    opening.wide |= wide::has_wide(&tail);
    let mend = mend::of_text(&head, &tail);
    let head = again(opening, mend, head);
    let lines = tail.get(memchr::memchr(b'\n', &tail).map_or(0, |n| n + 1)..).unwrap_or_default();
    let prefixed = kind == SourceKind::Log && [&head, lines].into_iter().any(prefix::is_prefixed);
    again(opening, Mend { prefixes: prefixed, ..mend }, head)
}

/// The first bytes of what is mended so.
fn again(opening: &mut Opening, mend: Mend, head: Vec<u8>) -> Vec<u8> {
    if opening.mend == mend {
        return head;
    }
    opening.mend = mend;
    let mut text = Vec::new();
    // what could be read once can be read again
    let _ = opening.open().map(|r| r.take(sniff::LOOK).read_to_end(&mut text));
    text
}

/// What NULs in front of a log are.
pub(super) const NULS: &str = "it begins with NULs, as a log does that was cut to nothing while it was written; it is read from behind them";

/// Some stretches of a text, and the line ends of all of it.
struct Only {
    inner: SourceReader,
    ranges: Ranges,
    /// The stretch that ends behind `at`, the bytes that were read.
    next: usize,
    at: u64,
}

impl Only {
    /// How many of `left` bytes are given as they are, or left out but for line ends.
    fn step(&mut self, left: usize) -> (usize, bool) {
        while self.ranges.get(self.next).is_some_and(|&(_, to)| to <= self.at) {
            self.next += 1;
        }
        let most = |to: u64| usize::try_from(to - self.at).unwrap_or(usize::MAX).min(left);
        match self.ranges.get(self.next) {
            Some(&(from, to)) if from <= self.at => (most(to), true),
            Some(&(from, _)) => (most(from), false),
            None => (left, false),
        }
    }
}

impl Read for Only {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.inner.read(buf)?;
            let (mut from, mut kept) = (0, 0);
            while from < read {
                let (len, whole) = self.step(read - from);
                if whole {
                    buf.copy_within(from..from + len, kept);
                    kept += len;
                } else {
                    let ends =
                        memchr::memchr_iter(b'\n', buf.get(from..from + len).unwrap_or_default()).count();
                    buf.get_mut(kept..kept + ends).unwrap_or_default().fill(b'\n');
                    kept += ends;
                }
                from += len;
                self.at += len as u64;
            }
            if kept > 0 || read == 0 {
                return Ok(kept);
            }
        }
    }
}

/// Compressions on top of each other.
const MAX_CODECS: usize = 3;
