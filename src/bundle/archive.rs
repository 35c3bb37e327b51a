//! Members of archives, spooled in one pass or read in place.
//!
//! Takes an archive that discovery found; gives its members to discovery as sources and archives of their own.
//! Nothing is extracted under a name. Members of kinds that nothing reads are not copied. Hostile names are shown
//! safely, links and devices are said and left, and every limit that is reached is said with its flag.

use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ::tar::EntryType;

use super::allowance::{self, Drawn};
use super::codec::{self, Codec};
use super::discover::{Finder, in_place, note_packed};
use super::links::Links;
use super::mend::{self, Mend, Mended};
use super::name;
use super::open::{NULS, Opening, Origin};
use super::spool::{self, Region, Stopped};
use super::tar::{Member, TarReader};
use super::{SourceKind, SourceReader, sniff, tar, wide};
use crate::error::{Place, Weirds};
use crate::time::Timestamp;

impl Finder<'_> {
    /// Walks a tar archive, compressed or not.
    pub(super) fn tar(&mut self, opening: &Opening, shown: &str, depth: u32) {
        if let Some(region) = in_place(opening) {
            let mut tar = TarReader::new(region.clone());
            let mut links = Links::default();
            while let Some(member) = self.next_member(&mut tar, shown) {
                if let Some(path) = self.admit(&member, shown, &mut links) {
                    self.written = written_at(&member);
                    let part = region.part(member.offset, member.size);
                    let share = allowance::part_of(opening.share, member.size, region.len());
                    self.known(Origin::Region(part), &path, depth + 1, share);
                }
            }
            self.note_links(&links);
            return;
        }
        match as_archive(opening).open_counted() {
            Err(e) => self.bundle.problems.loss("unreadable", Place::Whole, || format!("{shown}: {e}")),
            Ok((reader, used)) => {
                let mut tar: TarReader<SourceReader> = TarReader::new(reader);
                let mut links = Links::default();
                let mut share = Share { of: opening.share, stored: opening.origin.stored(), used, before: 0 };
                while let Some(member) = self.next_member(&mut tar, shown) {
                    if let Some(path) = self.admit(&member, shown, &mut links) {
                        self.written = written_at(&member);
                        self.spool_member(&mut tar.data(member.size), &path, u64::MAX, depth, &mut share);
                    }
                }
                self.note_links(&links);
            }
        }
    }

    /// The next member; none at the end, at damage that cannot be stepped over, and past the limits.
    fn next_member<R: tar::Skip>(&mut self, tar: &mut TarReader<R>, shown: &str) -> Option<Member> {
        let next = tar.next();
        if tar.damaged > 0 {
            self.bundle.problems.add("damaged_archive", Place::Whole, tar.damaged, true, || {
                format!("{shown}: a member's header is damaged; reading went on at the next whole one")
            });
            tar.damaged = 0;
        }
        if tar.cut_texts > 0 {
            self.bundle.problems.add("limit_tar_header", Place::Whole, tar.cut_texts, true, || {
                format!(
                    "{shown}: only the first {} bytes of a member's long name or records are read",
                    tar::MAX_TEXT_BYTES
                )
            });
            tar.cut_texts = 0;
        }
        match next {
            Ok(member) => member.filter(|_| self.admits_another(shown)),
            Err(e) => {
                let at = Place::Offset(tar.position());
                self.bundle.problems.loss(self.why(&e, "damaged_archive"), at, || {
                    format!("{shown}: reading stopped ({e}); the members before are read")
                });
                None
            }
        }
    }

    /// Whether the limits leave room for one more member of an archive.
    fn admits_another(&mut self, shown: &str) -> bool {
        let most = self.limits.total_bytes;
        if self.spooled >= most {
            self.bundle.problems.loss("limit_total_bytes", Place::Whole, || {
                format!("{shown}: members beyond {most} bytes are not read; raise it with --max-total-bytes")
            });
            return false;
        }
        self.count_member()
    }

    /// The path of a member that is a file; other kinds are said where they are odd.
    fn admit(&mut self, member: &Member, shown: &str, links: &mut Links) -> Option<String> {
        let name = name::safe(&member.name);
        let path = format!("{shown}!{}", name.text);
        links.meet(&name.text);
        match member.kind {
            EntryType::Directory => return None,
            EntryType::Link | EntryType::Symlink => {
                if name::leads_out(&name.text, &member.link) {
                    self.bundle.problems.note("link_out_of_tree", Place::Whole, || {
                        format!("{path} is a link that leads out of the archive and is not followed")
                    });
                } else {
                    links.add(member.kind, &name.text, &member.link, path);
                }
                return None;
            }
            EntryType::Char | EntryType::Block | EntryType::Fifo => {
                self.bundle.problems.note("special_file", Place::Whole, || {
                    format!("{path} is a device or pipe and is not read")
                });
                return None;
            }
            _ if member.sparse => {
                self.bundle.problems.loss("sparse_member", Place::Whole, || {
                    format!("{path} is stored sparse, which is not read; pack it without --sparse")
                });
                return None;
            }
            _ => {}
        }
        self.named(path, &name)
    }

    /// Says which links of an archive lead to no member of it.
    fn note_links(&mut self, links: &Links) {
        for path in links.to_nothing() {
            self.bundle.problems.note("link_to_nothing", Place::Whole, || {
                format!(
                    "{} is a link to what is not in the archive; add its target",
                    path.unwrap_or("a member")
                )
            });
        }
    }

    /// The name of a limit that stopped reading, or of what else did.
    fn why(&self, error: &io::Error, otherwise: &'static str) -> &'static str {
        let spent = self.allowance.is_spent().then_some("limit_ratio");
        spent.or_else(|| codec::limit_of(error)).unwrap_or(otherwise)
    }

    fn named(&mut self, path: String, name: &name::Safe) -> Option<String> {
        if name.cut {
            self.bundle.problems.loss("limit_member_name", Place::Whole, || {
                format!(
                    "{path}: only the first {} bytes of its name are kept; it is read under them",
                    name::MAX_NAME_BYTES
                )
            });
        }
        if name.escapes {
            self.bundle.problems.note("unsafe_member_name", Place::Whole, || {
                format!("{path}: its name in the archive leads out of it; it is read under this name")
            });
        }
        (!name.text.is_empty()).then_some(path)
    }

    /// Walks a zip archive, which needs to be read at any place.
    pub(super) fn zip(&mut self, opening: &Opening, shown: &str, depth: u32) {
        let spooled = || as_archive(opening).open().ok();
        let region = in_place(opening)
            .or_else(|| spooled().and_then(|mut r| self.spool_bounded(&mut r, shown, u64::MAX)));
        let Some(region) = region else {
            self.bundle.problems.loss("unreadable", Place::Whole, || format!("{shown} could not be opened"));
            return;
        };
        if let Some(why) = self.unspooled.take() {
            self.bundle
                .problems
                .loss("spool_failed", Place::Offset(region.len()), || format!("{shown}: {why}"));
        }
        let length = region.len();
        let listed = listed(region.clone());
        let Some(mut zip) = self.zip_directory(region, shown) else { return };
        let lost = listed.unwrap_or(0).saturating_sub(zip.len() as u64);
        if lost > 0 {
            self.bundle.problems.loss("members_of_one_name", Place::Whole, || {
                format!("{shown}: {lost} of its members have the name of a later one and are not read; unpack it with `unzip -B`")
            });
        }
        let mut stored = 0_u64;
        for number in 0..zip.len() {
            if !self.admits_another(shown) {
                return;
            }
            match zip.by_index(number) {
                Ok(mut file) => {
                    stored = stored.saturating_add(file.compressed_size());
                    if stored > length {
                        self.bundle.problems.loss("overlapping_members", Place::Whole, || {
                            format!("{shown}: its members are larger than the archive, so that they overlap; reading stopped")
                        });
                        return;
                    }
                    let share = allowance::part_of(opening.share, file.compressed_size(), length);
                    self.zip_member(&mut file, shown, depth, share);
                }
                Err(e) => self.bundle.problems.loss("damaged_member", Place::Whole, || {
                    format!("{shown}: member {number} cannot be read: {e}")
                }),
            }
        }
    }

    /// Reads the list of members at the end of a zip archive: the library holds all of it in memory, many times its size.
    fn zip_directory(&mut self, region: Region, shown: &str) -> Option<zip::ZipArchive<Metered>> {
        let most = self.limits.members.saturating_mul(DIRECTORY_ENTRY_BYTES).saturating_add(DIRECTORY_BYTES);
        let left = Arc::new(AtomicU64::new(most));
        let metered = Metered { inner: BufReader::new(region), left: Arc::clone(&left) };
        let opened = zip::ZipArchive::new(metered);
        let spent = left.swap(u64::MAX, Ordering::Relaxed) == 0;
        let problems = &mut self.bundle.problems;
        match opened {
            Ok(zip) => return Some(zip),
            Err(_) if spent => problems.loss("limit_members", Place::Whole, || {
                format!(
                    "{shown}: no whole list of its members within {most} bytes: it is cut, or lists more than is read; raise it with --max-members"
                )
            }),
            Err(e) => problems.loss("damaged_archive", Place::Whole, || format!("{shown}: {e}")),
        }
        None
    }

    fn zip_member<R: Read>(
        &mut self,
        file: &mut zip::read::ZipFile<'_, R>,
        shown: &str,
        depth: u32,
        share: u64,
    ) {
        let name = name::safe(file.name_raw());
        let path = format!("{shown}!{}", name.text);
        if file.is_dir() {
            return;
        }
        if file.is_symlink() {
            self.bundle
                .problems
                .note("link_in_archive", Place::Whole, || format!("{path} is a link and is not followed"));
            return;
        }
        let most = allowance::most(file.compressed_size(), self.limits);
        if let Some(path) = self.named(path, &name) {
            let mut drawn = Drawn { inner: file, from: self.allowance.clone(), ratio: self.limits.ratio };
            self.spool_member(&mut drawn, &path, most, depth, &mut Share::known(share));
        }
    }

    /// Spools a member unless nothing reads what it holds; `most` bytes are what its ratio allows.
    fn spool_member(&mut self, from: &mut dyn Read, path: &str, most: u64, depth: u32, share: &mut Share) {
        let mut head = Vec::new();
        let mut read = from.take(sniff::LOOK).read_to_end(&mut head);
        let behind = self.behind_nuls(from, path, &mut head, &mut read);
        let archive = Codec::of(&head).is_some() || tar::is_header(&head) || head.starts_with(b"PK");
        if read.is_ok() && !archive && !wide::begins_text(&head) && sniff::kind(&head) == SourceKind::Unknown
        {
            let opening = Opening::new(Origin::Left, self.limits);
            let mut problems = Weirds::default();
            note_packed(&head, &mut problems);
            self.add(opening, SourceKind::Unknown, path, head.len() as u64, problems);
            return;
        }
        // An error in the head comes again from the spool's own read, unless the reader has ended.
        let mut whole = head.as_slice().chain(behind);
        let region = match read {
            Ok(_) => self.spool_bounded(&mut whole, path, most),
            Err(e) => {
                self.note_cut(path, head.len() as u64, &e);
                self.spool_bounded(&mut head.as_slice(), path, most)
            }
        };
        if let Some(region) = region {
            self.known(Origin::Region(region), path, depth + 1, share.next());
        }
    }

    /// What follows the head of a member; of a log with nothing but NULs in its head, what follows the one behind them.
    fn behind_nuls<'r>(
        &mut self,
        from: &'r mut dyn Read,
        path: &str,
        head: &mut Vec<u8>,
        read: &mut io::Result<usize>,
    ) -> Box<dyn Read + 'r> {
        if !mend::is_nuls(head, sniff::LOOK) {
            return Box::new(from);
        }
        let mut behind = Mended::new(from, Mend { nuls: true, ..Mend::default() });
        let mut log = Vec::new();
        let further = behind.by_ref().take(sniff::LOOK).read_to_end(&mut log);
        if sniff::kind(&log) == SourceKind::Log {
            (*head, *read) = (log, further);
            self.bundle.problems.note("leading_nuls", Place::Whole, || format!("{path}: {NULS}"));
        } else if let Err(e) = further {
            self.bundle.problems.loss("limit_leading_nuls", Place::Whole, || format!("{path}: {e}"));
        }
        Box::new(behind)
    }

    /// Spools a stream within the limits of size and says where it was cut.
    pub(super) fn spool_bounded(&mut self, from: &mut dyn Read, path: &str, most: u64) -> Option<Region> {
        let left = self.limits.total_bytes.saturating_sub(self.spooled);
        let bounds = [
            (self.limits.member_bytes, "limit_member_bytes", "--max-member-bytes"),
            (left, "limit_total_bytes", "--max-total-bytes"),
            (most, "limit_ratio", "--max-ratio"),
        ];
        let (bound, name, flag) = bounds.into_iter().min_by_key(|b| b.0)?;
        let (region, stopped) = match self.spool.write(from, bound.saturating_add(1)) {
            Ok(written) => written,
            Err(e) => {
                let detail = format!("{path}: {}", spool::no_room(&e));
                self.bundle.problems.loss("spool_failed", Place::Whole, || detail);
                return None;
            }
        };
        self.spooled = self.spooled.saturating_add(region.len());
        self.unspooled = None;
        match stopped {
            Some(Stopped::Read(e)) => self.note_cut(path, region.len(), &e),
            Some(Stopped::Write(e)) => self.unspooled = Some(spool::no_room(&e)),
            None => {}
        }
        if region.len() > bound {
            self.bundle.problems.loss(name, Place::Offset(bound), || {
                format!("{path}: only the first {bound} bytes are read; raise it with {flag}")
            });
        }
        Some(region.part(0, bound))
    }

    fn note_cut(&mut self, path: &str, at: u64, why: &io::Error) {
        self.bundle.problems.loss(self.why(why, "cut_member"), Place::Offset(at), || {
            format!("{path}: reading stopped after {at} bytes ({why}); what came before is read")
        });
    }
}

/// The stream of an archive as a whole may be larger than one member; its members are bounded each and together.
fn as_archive(opening: &Opening) -> Opening {
    let mut opening = opening.clone();
    opening.limits.member_bytes = u64::MAX;
    opening
}

/// Members that the end of a zip archive counts (APPNOTE 4.3.16); the library keeps one of each name.
fn listed(mut region: Region) -> Option<u64> {
    let length = region.seek(SeekFrom::End(0)).ok()?;
    region.seek(SeekFrom::Start(length.saturating_sub(END_BYTES))).ok()?;
    let mut end = Vec::new();
    region.read_to_end(&mut end).ok()?;
    let record = end.get(memchr::memmem::rfind(&end, b"PK\x05\x06")?..)?;
    let count = u16::from_le_bytes([*record.get(10)?, *record.get(11)?]);
    // In a larger archive the number stands elsewhere.
    (count != u16::MAX).then_some(u64::from(count))
}

/// The record at the end of a zip archive, with the longest comment.
const END_BYTES: u64 = 22 + 65_535;

/// A region of which only so many bytes may be read.
struct Metered {
    inner: BufReader<Region>,
    left: Arc<AtomicU64>,
}

impl Read for Metered {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let left = self.left.load(Ordering::Relaxed);
        if left == 0 {
            return Err(io::Error::other("more was read than may be"));
        }
        let n = self.inner.read(buf)?;
        self.left.store(left.saturating_sub(n as u64), Ordering::Relaxed);
        Ok(n)
    }
}

impl Seek for Metered {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

/// How many bytes of an input file the members of one archive in it stand for.
struct Share {
    /// Of the archive.
    of: u64,
    /// Its own bytes, and how many of them have been used to unpack its members so far.
    stored: u64,
    used: Arc<AtomicU64>,
    before: u64,
}

impl Share {
    /// What is known without unpacking.
    fn known(share: u64) -> Self {
        Self { of: share, stored: 1, used: Arc::new(AtomicU64::new(1)), before: 0 }
    }

    /// Of the member that was just unpacked.
    fn next(&mut self) -> u64 {
        let used = self.used.load(Ordering::Relaxed);
        let of_it = used - self.before.min(used);
        self.before = used;
        allowance::part_of(self.of, of_it, self.stored)
    }
}

/// When a member was last written.
fn written_at(member: &Member) -> Option<Timestamp> {
    let seconds = i64::try_from(member.written?).ok()?;
    seconds.checked_mul(1_000_000_000).map(Timestamp)
}

/// Bytes of a zip archive's list of members: for each that may be read (46, its name and its times), and for an archive
/// whose end has to be searched for.
const DIRECTORY_ENTRY_BYTES: u64 = 256;
const DIRECTORY_BYTES: u64 = 1 << 20;
