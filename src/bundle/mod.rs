//! Paths in, sources out: the only stage that opens files.
//!
//! Takes files, directories, archives and standard input; gives [`Source`]s in a stable order, each with a kind found
//! from its first bytes and never from its name alone. Enforces limits of size, depth and compression ratio.
//! Never parses what is inside a source, and never writes outside an unlinked temporary file.

use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Place, Weirds};
use crate::time::Timestamp;

/// What a source holds, from its first (decompressed) bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SourceKind {
    /// A libpcap capture, either byte order, micro- or nanoseconds, or modified.
    Pcap,
    /// A pcapng capture.
    Pcapng,
    /// A binary systemd journal (`LPKSHHRH`).
    Journal,
    /// Kubernetes objects in JSON or YAML.
    Objects,
    /// Text that describes a host or cluster: `get -o wide`, conntrack, iptables-save, nft, ipvsadm, `ip`, `ss`, nstat.
    HostState,
    /// PEM blocks.
    Pem,
    /// Secrets of TLS sessions (SSLKEYLOGFILE): used, never shown.
    KeyLog,
    /// Text of lines: a log until `log` finds otherwise.
    Log,
    /// No bytes.
    Empty,
    /// Data that nothing here reads: binary, or a report that quotes what is read already.
    Unknown,
}

impl SourceKind {
    /// The word in the report (`inputs[].kind`).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcap => "pcap",
            Self::Pcapng => "pcapng",
            Self::Journal => "journal",
            Self::Objects => "objects",
            Self::HostState => "host_state",
            Self::Pem => "pem",
            Self::KeyLog => "keylog",
            Self::Log => "log",
            Self::Empty => "empty",
            Self::Unknown => "unknown",
        }
    }

    /// Packets.
    pub const fn is_capture(self) -> bool {
        matches!(self, Self::Pcap | Self::Pcapng)
    }

    /// What any program can write to its output.
    const fn is_told_by_anybody(self) -> bool {
        matches!(self, Self::Objects | Self::HostState | Self::Pem)
    }

    /// It has lines.
    const fn is_text(self) -> bool {
        matches!(self, Self::Log | Self::Objects | Self::HostState | Self::Pem | Self::KeyLog)
    }
}

/// Place of a source in [`Bundle::sources`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceIndex(pub u32);

/// Bounds on what a bundle may make the process read.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Archive members and directory entries in all.
    pub members: u64,
    /// Archives within archives, the outermost counted.
    pub depth: u32,
    /// Decompressed bytes of all archive members together.
    pub total_bytes: u64,
    /// Decompressed bytes of one archive member or compressed file.
    pub member_bytes: u64,
    /// Bytes of the paths of all files together, past which a path keeps only its beginning.
    pub path_bytes: u64,
    /// Decompressed bytes, at all depths together, for each byte of the input file that they come from, once more than
    /// 16 MiB came out.
    pub ratio: u64,
    /// Bytes of one file of Kubernetes objects or certificates, which is held in memory while it is read.
    pub object_bytes: u64,
    /// Nesting of a YAML document.
    pub yaml_depth: u32,
    /// Anchors, and uses of anchors, of a YAML document.
    pub yaml_aliases: u32,
    /// Facts of one kind (pods, endpoints, translations) from objects and host state.
    pub facts: u64,
    /// Bytes of IP fragments that wait for the rest of their packet.
    pub fragment_bytes: u64,
    /// Logged failures of all logs together that are analysed.
    pub failures: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            members: 200_000,
            depth: 3,
            total_bytes: 1 << 40,
            member_bytes: 256 << 30,
            path_bytes: 64 << 20,
            ratio: 2000,
            object_bytes: 512 << 20,
            yaml_depth: 128,
            yaml_aliases: 256,
            facts: 1_000_000,
            fragment_bytes: 16 << 20,
            failures: 300_000,
        }
    }
}

mod allowance;
mod archive;
mod codec;
mod discover;
mod dump;
mod headings;
mod layout;
mod lines;
mod links;
mod mend;
mod name;
mod open;
mod parts;
mod prefix;
mod sniff;
mod spool;
mod strangers;
mod tar;
mod unread;
mod views;
mod wide;

pub use codec::{unpacked, unpacked_lz4_block};
pub use layout::{Layout, is_stranger, writer_of, writer_of_dumped};
pub use parts::heads_container;
pub(crate) use spool::read_at;
pub use strangers::Strangers;

/// One readable thing of a bundle.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its place in the bundle.
    pub index: SourceIndex,
    /// Path relative to its input: `logs/a.log`, or `a.tar.gz!logs/a.log` inside an archive.
    pub path: String,
    /// What it holds.
    pub kind: SourceKind,
    /// Size as stored, in bytes.
    pub stored_bytes: u64,
    /// When it was last written, as its file system or archive says; copies often say when they were copied.
    pub written: Option<Timestamp>,
    /// What was surprising while finding it.
    pub problems: Weirds,
    /// Pods whose words lines of it are, where headings in it have told so already.
    pub strangers: Strangers,
    /// Whether it holds several kinds has been looked at.
    parted: bool,
    opening: open::Opening,
    read: ReadBytes,
}

/// Bytes that were read of the sources of a bundle so far, for whoever shows progress.
#[derive(Clone, Debug, Default)]
pub struct ReadBytes(Arc<AtomicU64>);

impl ReadBytes {
    /// How many.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// All sources of the inputs.
#[derive(Clone, Debug, Default)]
pub struct Bundle {
    /// In a stable order; `sources[i].index.0 == i`.
    pub sources: Vec<Source>,
    /// What was surprising outside any source (a link out of the tree, a limit reached).
    pub problems: Weirds,
    /// What each input is shown as, and who laid it out.
    pub layouts: Vec<(String, Layout)>,
    /// Bytes read of all of them, decompressed.
    pub read: ReadBytes,
}

/// Finds every source under the inputs, in a stable order (inputs as sorted by path, members by path).
///
/// # Errors
/// [`Error::Input`] for a path that does not exist or cannot be listed, [`Error::Empty`] when nothing is found.
pub fn discover(inputs: &[PathBuf], limits: &Limits) -> Result<Bundle, Error> {
    discover::discover(inputs, limits)
}

impl Bundle {
    /// The path of a source; empty for one that is not there.
    pub fn path(&self, source: SourceIndex) -> &str {
        self.sources.get(source.0 as usize).map_or("", |s| s.path.as_str())
    }

    /// Adds a key log that was named beside the inputs; gives its source.
    ///
    /// # Errors
    /// [`Error::Input`] for a file that cannot be read, [`Error::Usage`] for one that is no key log.
    pub fn add_key_log(&mut self, path: &std::path::Path) -> Result<SourceIndex, Error> {
        discover::add_key_log(self, path)
    }
}

/// The sources of one file that can be read once only, such as standard input: it is spooled whole.
///
/// # Errors
/// [`Error::Input`] when the temporary file cannot be written.
pub fn discover_stream(from: &mut dyn Read, name: &str, limits: &Limits) -> Result<Bundle, Error> {
    discover::discover_stream(from, name, limits)
}

/// A reader of decompressed bytes, bounded by the limits. An error says why reading stopped early.
pub type SourceReader = Box<dyn Read + Send>;

impl Source {
    /// Opens the source for one pass from its first byte; may be called again for another pass (standard input and
    /// archive members are spooled).
    pub fn open(&self) -> io::Result<SourceReader> {
        self.opening.open()
    }

    /// That it could not be opened, and what to do about it.
    pub fn unreadable(&self, error: &io::Error) -> String {
        let remedy = match error.kind() {
            io::ErrorKind::NotFound => {
                "it was there when the inputs were looked through; run again once nothing removes or renames it"
            }
            _ => "check permissions and send the file again",
        };
        format!("{}: {error}; {remedy}", self.path)
    }

    /// Says that so many more of its bytes were read.
    pub fn add_read(&self, bytes: u64) {
        self.read.0.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The path with, for a member of an archive, when it was written: a plain file that was copied or unpacked says
    /// when that was done.
    pub fn dated_path(&self) -> String {
        let Some(written) = self.written.filter(|_| self.path.contains('!')) else {
            return self.path.clone();
        };
        // Archives keep whole seconds.
        let written = written.to_string();
        format!("{} of {}Z", self.path, written.split('.').next().unwrap_or(&written))
    }

    /// The first `most` decompressed bytes, or all where there are fewer; what came before an error is given.
    pub fn head(&self, most: usize) -> io::Result<Vec<u8>> {
        let mut head = Vec::new();
        match self.open()?.take(most as u64).read_to_end(&mut head) {
            Err(e) if head.is_empty() => Err(e),
            _ => Ok(head),
        }
    }

    /// The source as a file to be read by offset. What is compressed is unpacked to an unlinked temporary file first; an
    /// error that ended that early is given beside what came before it.
    pub fn by_offset(&self) -> io::Result<(SourceFile, Option<io::Error>)> {
        self.opening.by_offset().map(|(region, stopped)| (SourceFile(region), stopped))
    }

    /// What may be read of it, and of what it holds.
    pub const fn limits(&self) -> &Limits {
        &self.opening.limits
    }

    /// Whether these lines of it hold what is of another kind: worth a call of [`Source::name_parts`]. One line in `step`
    /// bytes is looked at.
    pub fn suspects(&self, piece: &[u8], step: usize) -> bool {
        !self.parted && parts::suspect(piece, step)
    }

    /// Says so where it gave so few bytes that its file must have become shorter since it was found.
    pub fn note_lost(&self, read: u64, problems: &mut Weirds) {
        if let Some(lost) = self.opening.lost(read) {
            problems.loss("file_became_shorter", Place::Offset(read), || {
                format!("it became shorter by {lost} bytes since the run began, as a log that is rotated: copy it first")
            });
        }
    }

    /// Whether its parts have been named, or it cannot have several.
    pub const fn is_parted(&self) -> bool {
        self.parted
    }

    /// Whether `open` has to decompress (a second pass costs as much as the first).
    pub fn is_compressed(&self) -> bool {
        !self.opening.codecs.is_empty()
    }
}

/// A source that is read by offset.
#[derive(Clone, Debug)]
pub struct SourceFile(spool::Region);

impl SourceFile {
    /// Its length in bytes.
    #[allow(clippy::len_without_is_empty, reason = "nobody asks whether a source is empty: its kind says so")]
    pub fn len(&self) -> u64 {
        self.0.len()
    }

    /// Reads into `out` from `offset` on, until it is full or the file ends; how many bytes that were.
    pub fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<usize> {
        let mut part = self.0.part(offset, out.len() as u64);
        let mut done = 0;
        while let Some(rest) = out.get_mut(done..).filter(|r| !r.is_empty()) {
            match part.read(rest) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(done)
    }
}

/// What became of an input, for `inputs[]` of the report.
#[derive(Clone, Debug)]
pub struct InputReport {
    /// Which source.
    pub source: SourceIndex,
    /// Bytes read after decompression.
    pub bytes: u64,
    /// Frames of a capture.
    pub frames: Option<u64>,
    /// Lines of a text.
    pub lines: Option<u64>,
    /// Nothing in it was of use (`skipped`).
    pub skipped: bool,
    /// What was surprising in it; any loss makes it `partial`, loss with nothing read makes it `unreadable`.
    pub problems: Weirds,
}

impl InputReport {
    /// An input of which nothing has been read yet.
    pub fn new(source: SourceIndex) -> Self {
        Self { source, bytes: 0, frames: None, lines: None, skipped: false, problems: Weirds::default() }
    }

    /// The same, with what was surprising while the source was found.
    pub fn of(source: &Source) -> Self {
        Self { problems: source.problems.clone(), ..Self::new(source.index) }
    }

    /// The word in the report (`inputs[].status`).
    pub fn status(&self) -> &'static str {
        let something = self.frames.unwrap_or(0) + self.lines.unwrap_or(0) > 0
            || (self.frames.is_none() && self.lines.is_none() && self.bytes > 0);
        match (self.problems.any_loss(), something, self.skipped) {
            (true, true, _) => "partial",
            (true, false, _) => "unreadable",
            (false, _, true) => "skipped",
            (false, _, false) => "ok",
        }
    }
}

#[cfg(test)]
mod tests;
