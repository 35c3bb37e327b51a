//! Opens a source for one pass, decompressed and bounded.
//!
//! A plain file is opened as it is, for reads of large blocks; compressed ones go through their decoders; UTF-16 text
//! (what PowerShell writes) becomes UTF-8 on the way.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::allowance::{self, Allowance, Allowed};
use super::codec::Codec;
use super::mend::{self, Mend, Mended};
use super::parts::Ranges;
use super::prefix::{self, Unprefixed};
use super::spool::{Region, Spool};
use super::{Limits, SourceKind, SourceReader, sniff};
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
    pub(super) utf16: Option<Endian>,
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

/// Byte order of UTF-16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endian {
    Little,
    Big,
}

/// Units of UTF-16 that tell it from other data where no mark does.
const UNITS: usize = 24;

impl Endian {
    /// The byte order that a byte order mark says.
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        match head {
            [0xff, 0xfe, second, third, ..] if (*second, *third) != (0, 0) => Some(Self::Little),
            [0xfe, 0xff, ..] => Some(Self::Big),
            _ => Self::of_unmarked(head),
        }
    }

    /// The byte order of text without a mark: of all units of the head one byte is NUL and the other a character of ASCII.
    fn of_unmarked(head: &[u8]) -> Option<Self> {
        let units = head.chunks_exact(2).take(UNITS);
        let is = |high: usize| {
            let text = |b: u8| matches!(b, b'\t' | b'\n' | b'\r' | b' '..=b'~');
            units
                .clone()
                .all(|unit| unit.get(high) == Some(&0) && unit.get(1 - high).is_some_and(|b| text(*b)))
        };
        if units.len() < UNITS {
            return None;
        }
        if is(1) { Some(Self::Little) } else { is(0).then_some(Self::Big) }
    }
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
        Self { origin, codecs, utf16: None, mend, skip: 0, only: None, limits, share, allowed }
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
        if let Some(endian) = self.utf16 {
            reader = Box::new(Utf16::new(reader, endian));
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
        let mut file = File::open(path)?;
        if self.skip > 0 {
            file.seek(SeekFrom::Start(self.skip))?;
        }
        Ok(file)
    }

    /// The bytes as a region of a file: in place where they are stored as they are, else written to a temporary one.
    pub(super) fn by_offset(&self) -> io::Result<(Region, Option<io::Error>)> {
        match super::discover::in_place(self)
            .filter(|_| self.mend == Mend::default() && self.utf16.is_none() && self.only.is_none())
        {
            Some(region) => Ok((region, None)),
            None => Spool::default().write(&mut *self.open()?, self.limits.member_bytes),
        }
    }
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
        } else if let (Some(endian), None) = (Endian::of(&head), opening.utf16) {
            opening.utf16 = Some(endian);
        } else {
            if Codec::of(&head).is_some() {
                problems.loss("limit_compressions", Place::Whole, || {
                    format!("it is compressed more than {MAX_CODECS} times over, which is not unpacked")
                });
            }
            if mend::is_nuls(&head, sniff::LOOK) {
                head = behind_nuls(opening, problems, keep).unwrap_or(head);
            }
            return as_text(opening, head);
        }
    }
}

/// Writes a stream to where it can be read again.
pub(super) type Keep<'k> = dyn FnMut(&mut dyn Read) -> Option<Region> + 'k;

/// The first bytes of a log behind nothing but NULs, which are passed once.
fn behind_nuls(opening: &mut Opening, problems: &mut Weirds, keep: &mut Keep<'_>) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    let mut behind = Mended::new(opening.open().ok()?, Mend { nuls: true, ..Mend::default() });
    let stopped = behind.by_ref().take(sniff::LOOK).read_to_end(&mut head).err();
    if sniff::kind(&head) != SourceKind::Log {
        if let Some(e) = stopped {
            problems.loss("limit_leading_nuls", Place::Whole, || e.to_string());
        }
        return None;
    }
    problems.note("leading_nuls", Place::Whole, || NULS.to_owned());
    if opening.codecs.is_empty() && opening.utf16.is_none() {
        opening.skip = behind.skipped();
    } else {
        let kept = keep(&mut head.as_slice().chain(behind))?;
        opening.origin = Origin::Region(kept);
        (opening.codecs, opening.utf16) = (Vec::new(), None);
    }
    Some(head)
}

/// The first bytes of a text as it is mended.
fn as_text(opening: &mut Opening, head: Vec<u8>) -> Vec<u8> {
    let kind = sniff::kind(&head);
    let mend = if kind.is_text() { mend::of_text(&head) } else { Mend::default() };
    let head = again(opening, mend, head);
    let mend = Mend { prefixes: kind == SourceKind::Log && prefix::is_prefixed(&head), ..mend };
    again(opening, mend, head)
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
        let n = self.out.get(self.given..).unwrap_or_default().read(buf)?;
        self.given += n;
        Ok(n)
    }
}

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
