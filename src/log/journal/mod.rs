//! Binary systemd journals, read as `journalctl -o export` prints them.
//!
//! Takes a journal file of any age and state (compressed data, keyed hashes, compact, being written, cut); gives its
//! entries as text of the export format, byte for byte, one after another in the order of writing, so that they take the
//! path of an export (systemd.io/JOURNAL_EXPORT_FORMATS). Memory is bounded; nothing is looked up by hash. Never decides
//! what an entry means.

mod file;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io::{self, Read};
use std::sync::Arc;

use self::file::{Entry, Journal, State, Walk};
use crate::bundle::SourceFile;
use crate::error::{Place, Weirds};

/// Rendered fields that are kept, since entries share most of theirs; and the longest one of them, in bytes.
const KEPT_BYTES: usize = 4 << 20;
const KEPT_FIELD: usize = 4 << 10;
/// Bytes of one entry: fields beyond are left out.
const MOST_ENTRY: usize = 2 << 20;
/// Bytes of text for each byte of the file, past so many: entries share their fields and fields are compressed, so that
/// a journal tells more than it has bytes, but crafted ones could tell ten thousand times as much.
const MOST_RATIO: u64 = 256;
const RATIO_FROM: u64 = 16 << 20;

/// The text of a journal.
pub(super) struct JournalText {
    journal: Journal,
    walk: Walk,
    kept: HashMap<u64, Arc<[u8]>>,
    kept_bytes: usize,
    out: Vec<u8>,
    taken: usize,
    /// Bytes written so far.
    told: u64,
    ended: bool,
    /// What was surprising; complete at the end of the text.
    pub problems: Weirds,
}

impl JournalText {
    /// Reads the header.
    ///
    /// # Errors
    /// A phrase that says why nothing can be read.
    pub(super) fn open(file: SourceFile) -> Result<Self, String> {
        let mut journal = Journal::open(file)?;
        let mut problems = Weirds::default();
        let header = &journal.header;
        match header.state {
            State::Offline | State::Archived => {}
            State::Online => problems.note("journal_not_closed", Place::Whole, || {
                "the journal was copied while it was written, or its writer died: its last entries may be missing"
                    .to_owned()
            }),
            State::Other(state) => problems.note("journal_state", Place::Whole, || {
                format!("the header names the state {state}, which is not known")
            }),
        }
        let whole = header.objects_at.saturating_add(header.arena_size);
        if journal.len() < whole {
            let len = journal.len();
            problems.loss("journal_cut", Place::Offset(len), || {
                format!("the file has {len} of the {whole} bytes that its header tells of")
            });
        }
        let walk = Walk::new(&mut journal);
        Ok(Self {
            journal,
            walk,
            kept: HashMap::new(),
            kept_bytes: 0,
            out: Vec::new(),
            taken: 0,
            told: 0,
            ended: false,
            problems,
        })
    }

    /// Bytes of the file.
    pub(super) fn len(&self) -> u64 {
        self.journal.len()
    }

    /// Writes the next entry to the buffer; `false` after the last.
    fn refill(&mut self) -> bool {
        self.out.clear();
        self.taken = 0;
        if self.is_bomb() {
            return false;
        }
        let Some(entry) = self.walk.next(&mut self.journal) else {
            if !self.ended {
                self.ended = true;
                self.conclude();
            }
            return false;
        };
        self.head(&entry);
        if entry.cut {
            self.problems.note("journal_entry_cut", Place::Whole, || {
                format!("an entry has more than {} fields: its other fields are left out", file::MOST_ITEMS)
            });
        }
        for at in &entry.fields {
            let Some(field) = self.field(*at) else {
                self.problems.loss("journal_field_unreadable", Place::Offset(*at), || {
                    "a field of an entry is damaged and left out".to_owned()
                });
                continue;
            };
            if self.out.len() + field.len() > MOST_ENTRY {
                self.problems.note("journal_entry_cut", Place::Offset(*at), || {
                    format!("an entry has more than {MOST_ENTRY} bytes: its other fields are left out")
                });
                break;
            }
            self.out.extend_from_slice(&field);
        }
        self.out.push(b'\n');
        self.told += self.out.len() as u64;
        true
    }

    /// It has told more than a journal of its size can; said once.
    fn is_bomb(&mut self) -> bool {
        let most = self.len().saturating_mul(MOST_RATIO).max(RATIO_FROM);
        if self.told <= most || self.ended {
            return self.ended;
        }
        self.ended = true;
        self.problems.loss("limit_journal_text", Place::Whole, || {
            format!(
                "its entries have more than {most} bytes of text, {MOST_RATIO} for each byte of the file: the rest is left out"
            )
        });
        true
    }

    /// The fields that stand in no data object.
    fn head(&mut self, entry: &Entry) {
        let text = format!(
            "__CURSOR=s={};i={:x};b={boot};m={:x};t={:x};x={:x}\n__REALTIME_TIMESTAMP={}\n\
             __MONOTONIC_TIMESTAMP={}\n_BOOT_ID={boot}\n",
            hex(&self.journal.header.seqnum_id),
            entry.seqnum,
            entry.monotonic,
            entry.realtime,
            entry.xor,
            entry.realtime,
            entry.monotonic,
            boot = hex(&entry.boot),
        );
        self.out.extend_from_slice(text.as_bytes());
    }

    /// A field as the export format has it; empty for `_BOOT_ID`, which stands in the head.
    fn field(&mut self, at: u64) -> Option<Arc<[u8]>> {
        if let Some(kept) = self.kept.get(&at) {
            return Some(Arc::clone(kept));
        }
        let (data, cut) = self.journal.data(at)?;
        if cut {
            self.problems.note("journal_field_cut", Place::Offset(at), || {
                format!("a field is longer than {} bytes and cut there", file::MOST_FIELD)
            });
        }
        let field: Arc<[u8]> = render(&data)?.into();
        if field.len() <= KEPT_FIELD {
            if self.kept_bytes > KEPT_BYTES {
                self.kept.clear();
                self.kept_bytes = 0;
            }
            self.kept_bytes += field.len() + size_of::<(u64, Arc<[u8]>)>();
            self.kept.insert(at, Arc::clone(&field));
        }
        Some(field)
    }

    /// Says what the header promised and the file did not hold.
    fn conclude(&mut self) {
        let (given, promised) = (self.walk.given, self.journal.header.n_entries);
        let damaged = self.walk.broken > 0 || self.walk.chain_broke;
        if given < promised || damaged {
            self.problems.loss("journal_damaged", Place::Whole, || {
                format!("{given} entries were read of the {promised} that the header counts")
            });
        }
    }
}

impl Read for JournalText {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() || (self.taken >= self.out.len() && !self.refill()) {
            return Ok(0);
        }
        let n = self.out.get(self.taken..).unwrap_or_default().read(buf)?;
        self.taken += n;
        Ok(n)
    }
}

/// `FIELD=value`, or, where the value is not plain text of one line, the field's name, the length of the value in 8
/// bytes, and the value.
fn render(data: &[u8]) -> Option<Vec<u8>> {
    let equals = memchr::memchr(b'=', data)?;
    let (name, value) = (data.get(..equals)?, data.get(equals + 1..)?);
    if name == b"_BOOT_ID" {
        return Some(Vec::new());
    }
    let mut out = Vec::with_capacity(data.len() + 10);
    if is_plain(value) {
        out.extend_from_slice(data);
    } else {
        out.extend_from_slice(name);
        out.push(b'\n');
        out.extend_from_slice(&(value.len() as u64).to_le_bytes());
        out.extend_from_slice(value);
    }
    out.push(b'\n');
    Some(out)
}

/// What journalctl prints in one line: UTF-8 without control characters (a tab is none) and noncharacters.
fn is_plain(value: &[u8]) -> bool {
    let odd = |c: char| {
        (c.is_control() && c != '\t')
            || matches!(c, '\u{fdd0}'..='\u{fdef}')
            || u32::from(c) & 0xfffe == 0xfffe
    };
    std::str::from_utf8(value).is_ok_and(|text| !text.chars().any(odd))
}

fn hex(id: &[u8; 16]) -> String {
    use std::fmt::Write as _;
    id.iter().fold(String::with_capacity(32), |mut out, b| {
        let _ = write!(out, "{b:02x}");
        out
    })
}
