//! Walks the inputs and names what is there.
//!
//! Takes paths as the user gave them; gives sources with paths relative to their input. Links are never followed out
//! of an input, and never need to be within it; what cannot be read is a problem and stops nothing else.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::allowance::{self, Allowance};
use super::layout::{self, Layout};
use super::name::{self, Names};
use super::open::{Opening, Origin, look, open_again};
use super::spool::{self, Region, Spool, Stopped};
use super::{Bundle, Limits, Source, SourceIndex, SourceKind, Strangers, sniff, tar, views};
use crate::error::{Error, Place, Weirds};
use crate::time::Timestamp;

pub(super) fn discover(inputs: &[PathBuf], limits: &Limits) -> Result<Bundle, Error> {
    let mut inputs = inputs.to_vec();
    inputs.sort();
    inputs.dedup();
    let labels = labels(&inputs);
    let mut finder = Finder::new(limits, inputs.len() > 1);
    for (number, (input, label)) in inputs.iter().zip(&labels).enumerate() {
        finder.input = number;
        finder.take_input(input, label)?;
    }
    let bundle = finder.finish(&labels);
    if bundle.sources.is_empty() {
        let shown: Vec<_> = inputs.iter().map(|p| p.display().to_string()).collect();
        let why = bundle.problems.iter().map(|w| format!(" ({})", w.detail)).next().unwrap_or_default();
        return Err(Error::Empty(format!("{}{why}", shown.join(", "))));
    }
    Ok(bundle)
}

pub(super) fn discover_stream(from: &mut dyn Read, name: &str, limits: &Limits) -> Result<Bundle, Error> {
    let mut finder = Finder::new(limits, false);
    finder.stream(from, name).map_err(|e| Error::Input(name.to_owned(), e.to_string()))?;
    Ok(finder.finish(&[name.to_owned()]))
}

/// What the paths of an input are shown under: nothing for the only one, its name among several, and the path as
/// typed where two have the same name.
fn labels(inputs: &[PathBuf]) -> Vec<String> {
    let short: Vec<String> = inputs.iter().map(|p| file_name(p)).collect();
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for name in &short {
        *counts.entry(name).or_default() += 1;
    }
    let label = |(input, name): (&PathBuf, &String)| {
        let typed = input.display().to_string();
        let typed = typed.trim_start_matches("./").trim_matches('/').to_owned();
        if counts.get(name.as_str()).is_some_and(|n| *n > 1) && !typed.is_empty() {
            typed
        } else {
            name.clone()
        }
    };
    inputs.iter().zip(&short).map(label).collect()
}

/// The bundle while it is found.
pub(super) struct Finder<'l> {
    pub(super) limits: &'l Limits,
    pub(super) bundle: Bundle,
    pub(super) spool: Spool,
    /// Why what was spooled last is not whole, where the temporary file is to blame.
    pub(super) unspooled: Option<String>,
    /// When what is looked at was last written.
    pub(super) written: Option<Timestamp>,
    names: Names,
    /// Members and directory entries so far.
    members: u64,
    /// Bytes of members so far.
    pub(super) spooled: u64,
    /// What may come out of the decompressors of the input file that is searched.
    pub(super) allowance: Allowance,
    /// Which input is walked, and for each source which it came from.
    input: usize,
    input_of: Vec<usize>,
    /// Sources of this input file that may hold several kinds.
    mixed: Vec<usize>,
    /// Files that were added, where several inputs may hold the same one.
    seen: Option<HashSet<PathBuf>>,
}

impl<'l> Finder<'l> {
    fn new(limits: &'l Limits, several: bool) -> Self {
        Self {
            limits,
            bundle: Bundle::default(),
            spool: Spool::default(),
            unspooled: None,
            written: None,
            names: Names::default(),
            members: 0,
            spooled: 0,
            allowance: Allowance::default(),
            input: 0,
            input_of: Vec::new(),
            mixed: Vec::new(),
            seen: several.then(HashSet::new),
        }
    }

    fn take_input(&mut self, input: &Path, label: &str) -> Result<(), Error> {
        let failed = |e: io::Error| Error::Input(input.display().to_string(), e.to_string());
        if input == Path::new("-") {
            return self.stream(&mut io::stdin().lock(), "stdin").map_err(failed);
        }
        let meta = std::fs::metadata(input).map_err(failed)?;
        if meta.is_dir() {
            std::fs::read_dir(input).map_err(failed)?;
            let prefix = if self.seen.is_some() { format!("{label}/") } else { String::new() };
            self.walk(input, &prefix);
        } else if meta.is_file() {
            File::open(input).map_err(failed)?;
            self.file(input, label);
        } else if is_device(&meta) {
            let why = "it is a device, which may never end: name a file, or - for standard input".to_owned();
            return Err(Error::Input(input.display().to_string(), why));
        } else {
            // A pipe, as a shell's `<(…)` gives: it can be read once only.
            let mut pipe = File::open(input).map_err(failed)?;
            self.stream(&mut pipe, label).map_err(failed)?;
        }
        Ok(())
    }

    /// What can be read once only is spooled whole.
    fn stream(&mut self, from: &mut dyn Read, shown: &str) -> io::Result<()> {
        let most = self.limits.total_bytes;
        let (region, stopped) = self.spool.write(from, most.saturating_add(1))?;
        match stopped {
            Some(Stopped::Read(e)) => {
                self.bundle
                    .problems
                    .loss("unreadable", Place::Offset(region.len()), || format!("{shown}: {e}"));
            }
            Some(Stopped::Write(e)) => self.unspooled = Some(spool::no_room(&e)),
            None => {}
        }
        if region.len() > most {
            self.bundle.problems.loss("limit_total_bytes", Place::Offset(most), || {
                format!("{shown}: only the first {most} bytes are read; raise it with --max-total-bytes")
            });
        }
        self.root(Origin::Region(region.part(0, most)), shown);
        Ok(())
    }

    fn walk(&mut self, root: &Path, prefix: &str) {
        let mut open = vec![root.to_owned()];
        while let Some(dir) = open.pop() {
            let entries = match std::fs::read_dir(&dir) {
                Ok(entries) => entries,
                Err(e) => {
                    let shown = dir.display().to_string();
                    self.bundle.problems.loss("unreadable", Place::Whole, || format!("{shown}: {e}"));
                    continue;
                }
            };
            let mut entries: Vec<PathBuf> = entries.filter_map(|e| e.ok().map(|e| e.path())).collect();
            entries.sort();
            for path in entries {
                if !self.count_member() {
                    return;
                }
                let relative = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
                let shown = format!("{prefix}{relative}");
                match std::fs::symlink_metadata(&path).map(|m| m.file_type()) {
                    Ok(kind) if kind.is_dir() => open.push(path),
                    Ok(kind) if kind.is_file() => self.file(&path, &shown),
                    Ok(kind) if kind.is_symlink() => self.note_link(root, &path, &shown),
                    Ok(_) => self.bundle.problems.note("special_file", Place::Whole, || {
                        format!("{shown} is a device, pipe or socket and is not read")
                    }),
                    Err(e) => {
                        self.bundle.problems.loss("unreadable", Place::Whole, || format!("{shown}: {e}"));
                    }
                }
            }
        }
    }

    /// A link within the input leads to what is found anyway; one that leads out is refused.
    fn note_link(&mut self, root: &Path, link: &Path, shown: &str) {
        let Ok(target) = std::fs::canonicalize(link) else {
            self.bundle.problems.note("link_to_nothing", Place::Whole, || {
                format!("{shown} is a link to what is not in the input; add its target")
            });
            return;
        };
        if !std::fs::canonicalize(root).is_ok_and(|root| target.starts_with(root)) {
            self.bundle.problems.note("link_out_of_tree", Place::Whole, || {
                format!("{shown} is a link that leads out of the input and is not followed; name its target as an input")
            });
        }
    }

    fn file(&mut self, path: &Path, shown: &str) {
        if let Some(seen) = &mut self.seen
            && std::fs::canonicalize(path).is_ok_and(|p| !seen.insert(p))
        {
            let shown = shown.to_owned();
            self.bundle.problems.note("repeated_input", Place::Whole, || {
                format!("{shown} is under two of the inputs; it is read once")
            });
            return;
        }
        let written = std::fs::metadata(path).ok().and_then(|m| m.modified().ok());
        let since = written.and_then(|t| t.duration_since(std::time::UNIX_EPOCH).ok());
        self.written = since.and_then(|d| i64::try_from(d.as_nanos()).ok()).map(Timestamp);
        self.root(Origin::File(path.to_owned()), shown);
    }

    /// An input file: what it holds, however deep, is unpacked within an allowance of its own.
    fn root(&mut self, origin: Origin, shown: &str) {
        let (stored, first) = (origin.stored(), self.bundle.sources.len());
        self.allowance = Allowance::of(stored, self.limits);
        self.known(origin, shown, 0, stored);
        allowance::settle(self.bundle.sources.get_mut(first..).unwrap_or_default(), self.limits);
        for at in std::mem::take(&mut self.mixed) {
            let further = self.bundle.sources.get_mut(at).map(views::split).unwrap_or_default();
            for source in further {
                if !self.count_member() {
                    break;
                }
                self.input_of.push(self.input);
                self.bundle.sources.push(source);
            }
        }
    }

    /// Something that can be opened again and again: an archive to look into, or a source. It stands for `share` bytes
    /// of its input file.
    pub(super) fn known(&mut self, origin: Origin, shown: &str, depth: u32, share: u64) {
        let stored = origin.stored();
        let mut opening = Opening::within(origin, self.limits, share, &self.allowance);
        let mut problems = Weirds::default();
        let before = self.unspooled.take();
        let mut keep = |from: &mut dyn Read| self.spool_bounded(from, shown, u64::MAX);
        let head = look(&mut opening, &mut problems, &mut keep);
        if let Some(why) = before.or_else(|| self.unspooled.take()) {
            problems.loss("spool_failed", Place::Offset(stored), || {
                format!("only its first {stored} bytes are read: {why}")
            });
        }
        if head.starts_with(ZIP_MAGIC) || head.starts_with(ZIP_EMPTY) || tar::is_header(&head) {
            if depth >= self.limits.depth {
                let most = self.limits.depth;
                self.bundle.problems.loss("limit_depth", Place::Whole, || {
                    format!("{shown}: archives are opened {most} deep; raise it with --max-depth")
                });
                return;
            }
            self.lose(shown, &problems);
            if head.starts_with(b"PK") {
                self.zip(&opening, shown, depth);
            } else {
                self.tar(&opening, shown, depth);
            }
            return;
        }
        let kind =
            if problems.any_loss() && head.is_empty() { SourceKind::Unknown } else { sniff::kind(&head) };
        note_packed(&head, &mut problems);
        let dumped = head.starts_with(layout::LOGS_OF.as_bytes()).then_some(layout::Certainty::Known);
        let of_container = dumped.or_else(|| layout::of_container(shown));
        if of_container == Some(layout::Certainty::Likely) && kind.is_told_by_anybody() {
            views::note_container(&mut problems, kind);
        }
        let kind = if of_container.is_some() && kind.is_told_by_anybody() { SourceKind::Log } else { kind };
        let is_one = dumped.is_none() && of_container.is_some();
        if !is_one && (dumped.is_some() || views::may_be_several(&opening, kind, &head)) {
            self.mixed.push(self.bundle.sources.len());
        }
        self.add(opening, kind, shown, stored, problems);
        if let Some(source) = self.bundle.sources.last_mut() {
            source.parted = of_container == Some(layout::Certainty::Known);
        }
    }

    /// What was lost of an archive, which is no source.
    fn lose(&mut self, shown: &str, problems: &Weirds) {
        for lost in problems.iter().filter(|p| p.name == "spool_failed") {
            self.bundle.problems.loss(lost.name, lost.at, || format!("{shown}: {}", lost.detail));
        }
    }

    /// Adds a source.
    pub(super) fn add(
        &mut self,
        opening: Opening,
        kind: SourceKind,
        shown: &str,
        stored_bytes: u64,
        mut problems: Weirds,
    ) {
        let path = self.path(shown, &mut problems);
        let is_whole = problems.iter().all(|p| p.name != "spool_failed");
        if claims_capture(&path) && !kind.is_capture() && is_whole {
            problems.loss("not_a_capture", Place::Whole, || not_a_capture(kind));
        }
        let source = self.bundle.next_source(path, kind, stored_bytes, opening);
        self.bundle.sources.push(Source { written: self.written, problems, parted: false, ..source });
        self.input_of.push(self.input);
    }

    /// The path that a source is shown by: what it was found as, once, and within bounds.
    fn path(&mut self, shown: &str, problems: &mut Weirds) -> String {
        let most = self.limits.path_bytes;
        let kept = self.names.kept(shown, most);
        if kept.len() < shown.len() {
            self.bundle.problems.loss("limit_names", Place::Whole, || {
                format!(
                    "the paths of the files take more than {most} bytes; later ones are shown by their first {}",
                    name::SHORT_BYTES
                )
            });
        }
        let (path, renamed) = self.names.unique(kept);
        if renamed {
            problems.note("duplicate_name", Place::Whole, || {
                "another file of this name was found before; both are read".to_owned()
            });
        }
        path
    }

    /// Counts a member or directory entry; `false` once there are too many.
    pub(super) fn count_member(&mut self) -> bool {
        self.members += 1;
        let most = self.limits.members;
        if self.members > most {
            self.bundle.problems.loss("limit_members", Place::Whole, || {
                format!("only the first {most} files are read; raise it with --max-members")
            });
        }
        self.members <= most
    }

    /// Puts the sources in order and names the layouts.
    fn finish(self, labels: &[String]) -> Bundle {
        let mut bundle = self.bundle;
        let mut sources: Vec<(usize, Source)> = self.input_of.into_iter().zip(bundle.sources).collect();
        sources.sort_by(|a, b| (a.0, &a.1.path).cmp(&(b.0, &b.1.path)));
        let mut rest = sources.as_slice();
        for (number, label) in labels.iter().enumerate() {
            let (of_it, others) = rest.split_at(rest.partition_point(|(n, _)| *n <= number));
            let paths = of_it.iter().map(|(_, s)| s.path.as_str());
            bundle.layouts.push((label.clone(), Layout::of(&paths)));
            rest = others;
        }
        bundle.sources = sources.into_iter().map(|(_, source)| source).collect();
        for (at, source) in bundle.sources.iter_mut().enumerate() {
            source.index = SourceIndex(u32::try_from(at).unwrap_or(u32::MAX));
        }
        bundle
    }
}

/// See [`Bundle::add_key_log`].
pub(super) fn add_key_log(bundle: &mut Bundle, path: &Path) -> Result<SourceIndex, Error> {
    let shown = path.display().to_string();
    let failed = |e: io::Error| Error::Input(shown.clone(), e.to_string());
    let stored_bytes = std::fs::metadata(path).map_err(failed)?.len();
    File::open(path).map_err(failed)?;
    let mut problems = Weirds::default();
    let mut opening = Opening::new(Origin::File(path.to_owned()), &Limits::default());
    let head = look(&mut opening, &mut problems, &mut |_| None);
    if sniff::kind(&head) != SourceKind::KeyLog {
        return Err(Error::Usage(format!(
            "--keylog {shown}: not a TLS key log: its lines must be as SSLKEYLOGFILE writes them, CLIENT_RANDOM and two words of hex"
        )));
    }
    let source = bundle.next_source(shown, SourceKind::KeyLog, stored_bytes, opening);
    let index = source.index;
    bundle.sources.push(Source { problems, ..source });
    Ok(index)
}

impl Bundle {
    /// Adds a log that another source holds inside it, such as the journal entries of a capture: `NAME!part`.
    pub fn add_inner_log(&mut self, outer: SourceIndex, part: &str, text: Vec<u8>) {
        let name = self.sources.get(outer.0 as usize).map_or("", |s| s.path.as_str());
        let path = format!("{name}!{part}");
        let stored_bytes = text.len() as u64;
        let origin = Origin::Memory(text.into());
        let opening = Opening::new(origin, &Limits::default());
        let source = self.next_source(path, SourceKind::Log, stored_bytes, opening);
        self.sources.push(source);
    }

    /// A source in the place behind the last, of which nothing else is known; it is of one kind.
    fn next_source(&self, path: String, kind: SourceKind, stored_bytes: u64, opening: Opening) -> Source {
        Source {
            index: SourceIndex(u32::try_from(self.sources.len()).unwrap_or(u32::MAX)),
            path,
            kind,
            stored_bytes,
            written: None,
            problems: Weirds::default(),
            strangers: Strangers::default(),
            parted: true,
            opening,
            read: self.read.clone(),
        }
    }
}

/// The region of an opening that is not compressed, to be read in place.
pub(super) fn in_place(opening: &Opening) -> Option<Region> {
    let region = match &opening.origin {
        _ if !opening.codecs.is_empty() => None,
        Origin::Region(region) => Some(region.clone()),
        Origin::File(path) => {
            let file = open_again(path, opening.share).ok()?;
            let len = file.metadata().ok()?.len();
            Some(Region::new(Arc::new(file), 0, len))
        }
        Origin::Memory(_) | Origin::Left => None,
    };
    region.map(|region| region.part(opening.skip, u64::MAX))
}

/// `x.pcap`, `x.pcapng`, `x.cap`, `x.pcap3` (rotated by tcpdump), each also compressed.
fn claims_capture(path: &str) -> bool {
    let name = path.rsplit(['/', '!']).next().unwrap_or_default().to_ascii_lowercase();
    let name =
        [".gz", ".xz", ".zst", ".bz2", ".lz4"].iter().find_map(|e| name.strip_suffix(e)).unwrap_or(&name);
    let name = name.trim_end_matches(|c: char| c.is_ascii_digit());
    [".pcap", ".pcapng", ".cap"].iter().any(|e| name.ends_with(e))
}

/// What is packed in a way that nothing here unpacks.
pub(super) fn note_packed(head: &[u8], problems: &mut Weirds) {
    if let Some(kind) = sniff::packed(head) {
        problems.loss("packed_otherwise", Place::Whole, || {
            format!("it is packed by {kind}, which is not unpacked here; unpack it, or pack it as tar, zip, gzip, bzip2, xz, zstd or lz4")
        });
    }
}

fn not_a_capture(kind: SourceKind) -> String {
    match kind {
        SourceKind::Empty => "the file is named like a capture and is empty: tcpdump wrote nothing; take it again".to_owned(),
        SourceKind::Unknown => "the file is named like a capture and is none that can be read; take it with `tcpdump -w` and send it as it is".to_owned(),
        _ => "the file is named like a capture and holds text: probably tcpdump's printed lines; take it again with `tcpdump -w FILE`".to_owned(),
    }
}

/// `/dev/zero` and the like, as well as disks; a terminal, too, which is standard input where it is meant to be read.
#[cfg(unix)]
fn is_device(meta: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    let kind = meta.file_type();
    kind.is_char_device() || kind.is_block_device()
}

#[cfg(not(unix))]
fn is_device(_: &std::fs::Metadata) -> bool {
    false
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned())
}

/// Local file header, and the end record of an archive without members (APPNOTE 4.3.7, 4.3.16).
const ZIP_MAGIC: &[u8] = b"PK\x03\x04";
const ZIP_EMPTY: &[u8] = b"PK\x05\x06";

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    /// A member that finds no room is not one that was sent empty.
    #[test]
    fn a_full_folder_for_temporary_files_is_said_with_the_remedy() {
        let gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let mut tar = ::tar::Builder::new(gz);
        for name in ["a.pcap", "b.log"] {
            let mut header = ::tar::Header::new_gnu();
            header.set_size(36);
            tar.append_data(&mut header, name, &b"I1121 02:25:20.685010 1 a.go:1] text"[..]).expect("room");
        }
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("c.tgz");
        std::fs::write(&file, tar.into_inner().expect("room").finish().expect("room")).expect("room");
        let limits = Limits::default();
        let mut finder = Finder::new(&limits, false);
        finder.spool = Spool::to(File::options().write(true).open("/dev/full").expect("Linux"));
        finder.file(&file, "c.tgz");
        finder.stream(&mut &b"some text"[..], "stdin").expect("a stream");
        let paths: Vec<_> = finder.bundle.sources.iter().map(|s| &*s.path).collect();
        assert_eq!(paths, ["c.tgz!a.pcap", "c.tgz!b.log", "stdin"]);
        for source in &finder.bundle.sources {
            let said: Vec<_> =
                source.problems.iter().map(|p| (p.name, p.detail.contains("TMPDIR"))).collect();
            assert_eq!(said, [("spool_failed", true)], "{}", source.path);
        }
    }
}
