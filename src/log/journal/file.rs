//! The file format of binary journals: header, objects, the chain of entry arrays.
//!
//! Takes a file that is read by offset; gives entries and data, each checked against the length of the file, with
//! memory that depends on neither (systemd.io/JOURNAL_FILE_FORMAT). Hash tables are never asked: entries come in the
//! order in which they were written. Never trusts an offset or a size, and never goes backwards, so that it ends.

use crate::bundle::{self, SourceFile};

/// Offset of the payload of a data object; compact files have 8 bytes more.
const DATA_PAYLOAD: u64 = 64;
const ENTRY_ITEMS: u64 = 64;
const ARRAY_ITEMS: u64 = 24;
const OBJECT_HEADER: u64 = 16;
/// `header_size` of the oldest files (systemd 187).
const SMALLEST_HEADER: u64 = 208;
/// Items that an entry may have (`ENTRY_FIELD_COUNT_MAX`).
pub(super) const MOST_ITEMS: u64 = 1024;
/// Bytes of one field that are kept: journald itself cuts a line of a service at 48 KiB.
pub(super) const MOST_FIELD: usize = 1 << 20;
/// Bytes that are read at once, and such blocks that are kept.
const BLOCK: usize = 32 << 10;
const BLOCKS: usize = 64;

/// What the header says.
#[derive(Clone, Debug)]
pub(super) struct Header {
    pub state: State,
    pub seqnum_id: [u8; 16],
    pub objects_at: u64,
    pub arena_size: u64,
    pub n_entries: u64,
    first_array: u64,
    compact: bool,
}

/// How the writer left the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Offline,
    /// It was being written, or its writer died: what `journalctl` renames to `…~`.
    Online,
    Archived,
    Other(u8),
}

/// One entry: its stamps and where its fields are.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub seqnum: u64,
    pub realtime: u64,
    pub monotonic: u64,
    pub boot: [u8; 16],
    pub xor: u64,
    pub fields: Vec<u64>,
    /// It has more fields than are read.
    pub cut: bool,
    /// Where the next object begins.
    end: u64,
}

/// An object's head.
#[derive(Clone, Copy, Debug)]
struct Object {
    kind: u8,
    flags: u8,
    size: u64,
}

const DATA: u8 = 1;
const ENTRY: u8 = 3;
const ENTRY_ARRAY: u8 = 6;
const LAST_KIND: u8 = 7;
/// Incompatible flags that are read: XZ, LZ4, keyed hash, ZSTD, compact.
const KNOWN_FLAGS: u32 = 0b1_1111;
const COMPACT: u32 = 0b1_0000;

/// A journal that is read by offset, through a few blocks that are kept.
pub(super) struct Journal {
    file: SourceFile,
    blocks: Vec<Option<(u64, Vec<u8>)>>,
    pub header: Header,
}

impl Journal {
    /// Reads the header.
    ///
    /// # Errors
    /// A phrase that says why nothing can be read.
    pub(super) fn open(file: SourceFile) -> Result<Self, String> {
        let blocks = (0..BLOCKS).map(|_| None).collect();
        let mut journal = Self { file, blocks, header: Header::none() };
        let mut bytes = [0; SMALLEST_HEADER as usize];
        if !journal.read(0, &mut bytes) {
            return Err("it ends within its header".to_owned());
        }
        journal.header = Header::parse(&bytes)?;
        Ok(journal)
    }

    /// Length of the file in bytes.
    pub(super) fn len(&self) -> u64 {
        self.file.len()
    }

    /// Fills `out` from `at`; `false` where the file ends before.
    fn read(&mut self, at: u64, out: &mut [u8]) -> bool {
        let mut done = 0;
        while done < out.len() {
            let offset = at.saturating_add(done as u64);
            let within = (offset % BLOCK as u64) as usize;
            let block = self.block(offset / BLOCK as u64);
            let Some(from) = block.get(within..).filter(|b| !b.is_empty()) else { return false };
            let n = from.len().min(out.len() - done);
            if let (Some(to), Some(from)) = (out.get_mut(done..done + n), from.get(..n)) {
                to.copy_from_slice(from);
            }
            done += n;
        }
        true
    }

    /// A block by number; what cannot be read is empty.
    fn block(&mut self, number: u64) -> &[u8] {
        let slot = (number % BLOCKS as u64) as usize;
        let Some(slot) = self.blocks.get_mut(slot) else { return &[] };
        if slot.as_ref().is_none_or(|(held, _)| *held != number) {
            let mut bytes = slot.take().map_or_else(|| vec![0; BLOCK], |(_, bytes)| bytes);
            bytes.resize(BLOCK, 0);
            let n = self.file.read_at(number.saturating_mul(BLOCK as u64), &mut bytes).unwrap_or(0);
            bytes.truncate(n);
            *slot = Some((number, bytes));
        }
        slot.as_ref().map_or(&[], |(_, bytes)| bytes)
    }

    fn number(&mut self, at: u64) -> Option<u64> {
        let mut bytes = [0; 8];
        self.read(at, &mut bytes).then(|| u64::from_le_bytes(bytes))
    }

    /// The object at an offset, if one can be there: aligned, of a known kind, and within the file.
    fn object(&mut self, at: u64) -> Option<Object> {
        let mut bytes = [0; OBJECT_HEADER as usize];
        if at < SMALLEST_HEADER || !at.is_multiple_of(8) || !self.read(at, &mut bytes) {
            return None;
        }
        let [kind, flags, reserved @ .., _, _, _, _, _, _, _, _] = bytes;
        let size = number(&bytes, 8);
        let whole = size >= OBJECT_HEADER && at.checked_add(size).is_some_and(|end| end <= self.len());
        ((1..=LAST_KIND).contains(&kind) && reserved == [0; 6] && whole).then_some(Object {
            kind,
            flags,
            size,
        })
    }

    /// The entry at an offset.
    pub(super) fn entry(&mut self, at: u64) -> Option<Entry> {
        let object = self.object(at).filter(|o| o.kind == ENTRY && o.size >= ENTRY_ITEMS)?;
        let mut bytes = [0; ENTRY_ITEMS as usize];
        if !self.read(at, &mut bytes) {
            return None;
        }
        let width = if self.header.compact { 4 } else { 16 };
        let all = (object.size - ENTRY_ITEMS) / width;
        let count = all.min(MOST_ITEMS);
        let mut items = vec![0; (count * width) as usize];
        if !self.read(at + ENTRY_ITEMS, &mut items) {
            return None;
        }
        let fields = items.chunks_exact(width as usize).map(offset).filter(|o| *o != 0).collect();
        let boot = bytes.get(40..56)?.try_into().ok()?;
        Some(Entry {
            seqnum: number(&bytes, 16),
            realtime: number(&bytes, 24),
            monotonic: number(&bytes, 32),
            boot,
            xor: number(&bytes, 56),
            fields,
            cut: all > MOST_ITEMS,
            end: after(at, object),
        })
    }

    /// `FIELD=value` of a data object, decompressed, and whether it was cut.
    pub(super) fn data(&mut self, at: u64) -> Option<(Vec<u8>, bool)> {
        let from = DATA_PAYLOAD + if self.header.compact { 8 } else { 0 };
        let object = self.object(at).filter(|o| o.kind == DATA && o.size >= from)?;
        let stored = object.size - from;
        let mut bytes = vec![0; stored.min(MOST_FIELD as u64) as usize];
        if !self.read(at + from, &mut bytes) {
            return None;
        }
        let plain = match object.flags {
            0 => bytes,
            1 | 4 => bundle::unpacked(&bytes, MOST_FIELD).ok()?,
            2 => bundle::unpacked_lz4_block(&bytes, MOST_FIELD).ok()?,
            _ => return None,
        };
        let cut = plain.len() >= MOST_FIELD;
        Some((plain, cut))
    }
}

impl Header {
    fn none() -> Self {
        Self {
            state: State::Offline,
            seqnum_id: [0; 16],
            objects_at: 0,
            arena_size: 0,
            n_entries: 0,
            first_array: 0,
            compact: false,
        }
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let flags = bytes.get(12..16).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes);
        if flags & !KNOWN_FLAGS != 0 {
            return Err(format!("it has features that are not known here (flags {flags:#x})"));
        }
        let state = match bytes.get(16) {
            Some(0) | None => State::Offline,
            Some(1) => State::Online,
            Some(2) => State::Archived,
            Some(other) => State::Other(*other),
        };
        let seqnum_id = bytes.get(72..88).and_then(|b| b.try_into().ok()).unwrap_or_default();
        let objects_at = number(bytes, 88);
        if objects_at < SMALLEST_HEADER {
            return Err(format!("its header says that it has {objects_at} bytes"));
        }
        Ok(Self {
            state,
            seqnum_id,
            objects_at,
            arena_size: number(bytes, 96),
            n_entries: number(bytes, 152),
            first_array: number(bytes, 176),
            compact: flags & COMPACT != 0,
        })
    }
}

fn number(bytes: &[u8], at: usize) -> u64 {
    let part = bytes.get(at..at + 8).and_then(|b| b.try_into().ok());
    part.map_or(0, u64::from_le_bytes)
}

/// The offset that begins an item: 4 bytes in compact files, else 8.
fn offset(item: &[u8]) -> u64 {
    item.iter().take(8).rev().fold(0, |sum, b| sum << 8 | u64::from(*b))
}

fn after(at: u64, object: Object) -> u64 {
    at.saturating_add(object.size).checked_next_multiple_of(8).unwrap_or(u64::MAX)
}

/// Goes through the entries of a journal: along the chain of arrays, then, where that breaks off or holds fewer than
/// the header counts, over the objects behind the last entry.
pub(super) struct Walk {
    array: Option<Array>,
    /// Where the last entry began: entries lie one behind another.
    last: u64,
    /// Where objects that no array listed may begin.
    from: u64,
    scanning: bool,
    /// Entries given, those that could not be read, and whether the chain broke off.
    pub given: u64,
    pub broken: u64,
    pub chain_broke: bool,
}

/// An entry array that is being read.
struct Array {
    next_item: u64,
    end: u64,
    follows: u64,
    at: u64,
}

impl Walk {
    pub(super) fn new(journal: &mut Journal) -> Self {
        let first = journal.header.first_array;
        let from = journal.header.objects_at;
        let mut walk =
            Self { array: None, last: 0, from, scanning: false, given: 0, broken: 0, chain_broke: false };
        walk.enter(journal, first, 0);
        walk
    }

    /// The next entry.
    pub(super) fn next(&mut self, journal: &mut Journal) -> Option<Entry> {
        while let Some(at) = self.listed(journal) {
            // entries are listed as they were written: one that lies before the last is damage, or a trap
            match journal.entry(at).filter(|_| at > self.last) {
                Some(entry) => return Some(self.give(at, entry)),
                None => self.broken += 1,
            }
        }
        if !self.scanning && self.given >= journal.header.n_entries && !self.chain_broke {
            return None;
        }
        self.scanning = true;
        self.found(journal)
    }

    fn give(&mut self, at: u64, entry: Entry) -> Entry {
        self.last = at;
        self.from = entry.end;
        self.given += 1;
        entry
    }

    /// Offset of the next entry that an array lists.
    fn listed(&mut self, journal: &mut Journal) -> Option<u64> {
        let width = if journal.header.compact { 4 } else { 8 };
        loop {
            let array = self.array.as_mut()?;
            if array.next_item + width > array.end {
                let (next, at) = (array.follows, array.at);
                self.enter(journal, next, at);
                continue;
            }
            let mut item = [0; 8];
            let item = item.get_mut(..width as usize)?;
            let read = journal.read(array.next_item, item);
            array.next_item += width;
            match offset(item) {
                // the rest of the last array is not filled yet
                0 => self.array = None,
                at if read => return Some(at),
                _ => self.array = None,
            }
        }
    }

    /// Goes on with the array at `at`; each lies behind the one before.
    fn enter(&mut self, journal: &mut Journal, at: u64, before: u64) {
        self.array = None;
        if at == 0 {
            return;
        }
        let object =
            journal.object(at).filter(|o| o.kind == ENTRY_ARRAY && o.size >= ARRAY_ITEMS && at > before);
        let next = journal.number(at.saturating_add(OBJECT_HEADER));
        if let (Some(object), Some(follows)) = (object, next) {
            self.array = Some(Array { next_item: at + ARRAY_ITEMS, end: at + object.size, follows, at });
        } else {
            self.chain_broke = true;
        }
    }

    /// The next entry among the objects behind the last one; what is no object is stepped over.
    fn found(&mut self, journal: &mut Journal) -> Option<Entry> {
        while self.from < journal.len() {
            let Some(object) = journal.object(self.from) else {
                self.from = self.from.checked_next_multiple_of(8)?.saturating_add(8);
                continue;
            };
            let entry = journal.entry(self.from).filter(|e| is_plausible(e, journal));
            match entry {
                Some(entry) => return Some(self.give(self.from, entry)),
                None if object.kind == ENTRY => self.from = self.from.saturating_add(8),
                None => self.from = after(self.from, object),
            }
        }
        None
    }
}

/// Bytes that were stepped over can look like an entry: a true one has a time of this century and data behind it.
fn is_plausible(entry: &Entry, journal: &mut Journal) -> bool {
    const MICROS_2000: u64 = 946_684_800_000_000;
    const MICROS_2100: u64 = 4_102_444_800_000_000;
    (MICROS_2000..MICROS_2100).contains(&entry.realtime)
        && !entry.fields.is_empty()
        && entry.fields.iter().all(|at| journal.object(*at).is_some_and(|o| o.kind == DATA))
}
