//! Where results go: standard output, what takes them as they come, or a file that appears whole or not at all.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, BufWriter, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use tempfile::NamedTempFile;

use crate::error::Error;

/// Writes results with `write` to standard output, or to `path` when one is given. A broken pipe is no error.
///
/// # Errors
/// [`Error::Output`] when nothing can be written there.
pub fn write(
    path: Option<&Path>,
    write: impl FnOnce(&mut (dyn Write + Send)) -> io::Result<()>,
) -> Result<(), Error> {
    write_for(Readers::All, path.unwrap_or(Path::new(STDOUT)), write)
}

/// The same for these readers, where a file is made.
///
/// # Errors
/// [`Error::Output`] when nothing can be written there.
pub(super) fn write_for(
    readers: Readers,
    path: &Path,
    write: impl FnOnce(&mut (dyn Write + Send)) -> io::Result<()>,
) -> Result<(), Error> {
    let written = Place::of(path).and_then(|place| match place {
        Place::File(file) => whole(&file, readers, write),
        Place::Stdout => as_it_comes(&mut io::stdout(), write),
        Place::Stderr => as_it_comes(&mut io::stderr(), write),
        Place::Stream(stream) => {
            // What a descriptor stands for can be a file with more in it.
            let append = std::fs::metadata(&stream)?.is_file();
            let mut stream = OpenOptions::new().write(true).append(append).open(stream)?;
            as_it_comes(&mut stream, write)
        }
    });
    written.map_err(|error| unwritten(path, &error))
}

/// That nothing can be written there.
pub(super) fn unwritten(path: &Path, error: &io::Error) -> Error {
    let shown = if path == Path::new(STDOUT) { "standard output".into() } else { path.to_string_lossy() };
    Error::Output(shown.into_owned(), error.to_string())
}

/// The name of standard output among paths.
pub(super) const STDOUT: &str = "-";

/// What a path stands for, as an output.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Place {
    Stdout,
    Stderr,
    /// A pipe, a device or another descriptor: it takes what comes, and nothing may stand in its place.
    Stream(PathBuf),
    /// A file that is there or is not yet, in a directory that is there, behind all links.
    File(PathBuf),
}

impl Place {
    /// Follows the links of a path, since an output stands where it leads; a link to nothing is that of a new file.
    ///
    /// # Errors
    /// Why nothing can be written there.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        if path == Path::new(STDOUT) {
            return Ok(Self::Stdout);
        }
        if path.as_os_str().as_encoded_bytes().last().is_some_and(|b| std::path::is_separator(char::from(*b)))
        {
            return Err(io::Error::other(NO_FILE));
        }
        let mut at = path.to_owned();
        let about = match std::fs::metadata(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            about => about.ok(),
        };
        for _ in 0..MOST_LINKS {
            match descriptor(&at) {
                Some(1) => return Ok(Self::Stdout),
                Some(2) => return Ok(Self::Stderr),
                Some(_) => return Ok(Self::Stream(at)),
                None => {}
            }
            let Ok(target) = std::fs::read_link(&at) else { break };
            at = directory_of(&at).join(target);
        }
        match about {
            Some(about) if about.is_dir() => Err(io::Error::other(NO_FILE)),
            Some(about) if !about.is_file() => Ok(Self::Stream(at)),
            _ => {
                let directory = std::fs::canonicalize(directory_of(&at))?;
                Ok(Self::File(at.file_name().map_or(at.clone(), |name| directory.join(name))))
            }
        }
    }
}

const NO_FILE: &str = "it is a directory: name a file in it";

/// Links of one path that the kernel follows (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// The descriptor of this process that a path names: `/dev/fd/3`, and what `/dev/stdout` leads to.
fn descriptor(path: &Path) -> Option<u32> {
    let number = path.file_name()?.to_str()?.parse().ok()?;
    let directory = std::fs::canonicalize(directory_of(path)).ok()?;
    let ours = |descriptors: &str| std::fs::canonicalize(descriptors).is_ok_and(|d| d == directory);
    ["/proc/self/fd", "/dev/fd"].into_iter().any(ours).then_some(number)
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Looks before the work whether a file could be made where an output is to stand after it.
///
/// # Errors
/// [`Error::Output`] where it could not.
pub(super) fn look_ahead(path: &Path) -> Result<(), Error> {
    let looked = Place::of(path).and_then(|place| match place {
        Place::File(file) => {
            existing(&file)?;
            tempfile::tempfile_in(directory_of(&file)).map(drop)
        }
        Place::Stdout | Place::Stderr | Place::Stream(_) => Ok(()),
    });
    looked.map_err(|error| unwritten(path, &error))
}

/// Writes a value as one line of JSON.
pub(super) fn json_line(out: &mut dyn Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(Shown(out), value)?;
    out.write_all(b"\n")
}

/// Writes a value as JSON for people, with a line end behind it.
pub(super) fn json_document(out: &mut dyn Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer_pretty(Shown(out), value)?;
    out.write_all(b"\n")
}

/// JSON on its way to a terminal, perhaps: DEL and C1, on which some terminals act, are escaped, as JSON demands it of C0
/// alone. Each write holds whole characters, which in JSON stand outside ASCII within strings only.
pub(super) struct Shown<'o>(pub(super) &'o mut dyn Write);

impl Write for Shown<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut rest = bytes;
        while let Some((before, code, after)) = control(rest) {
            self.0.write_all(before)?;
            write!(self.0, "\\u{code:04x}")?;
            rest = after;
        }
        self.0.write_all(rest)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// The first DEL or C1 with what stands around it.
fn control(bytes: &[u8]) -> Option<(&[u8], u8, &[u8])> {
    memchr::memchr2_iter(DEL, C1_LEAD, bytes).find_map(|at| {
        let (before, rest) = bytes.split_at_checked(at)?;
        match rest {
            [DEL, after @ ..] => Some((before, DEL, after)),
            [_, code @ 0x80..=0x9f, after @ ..] => Some((before, *code, after)),
            _ => None,
        }
    })
}

const DEL: u8 = 0x7f;
/// The first byte of U+0080 to U+00BF in UTF-8; C1 ends with U+009F.
const C1_LEAD: u8 = 0xc2;

/// Who may read an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Readers {
    /// Those of any new file, or of the file that had the name before.
    All,
    /// Its owner alone (mode 0600).
    Owner,
}

/// Writes a file that appears under its name once it is whole.
///
/// Until then it has no name: whatever ends the program before (Ctrl-C, a kill, a full disk), nothing of it stays.
fn whole(
    path: &Path,
    readers: Readers,
    write: impl FnOnce(&mut (dyn Write + Send)) -> io::Result<()>,
) -> io::Result<()> {
    let (directory, old) = (directory_of(path), existing(path)?);
    let mut file = tempfile::tempfile_in(directory)?;
    allow(&file, readers, old.as_ref())?;
    filled(&mut file, write)?;
    match named(&file, directory, path) {
        // No unnamed files here (NFS, FAT), or no way to name them (no /proc).
        Err(_) => copied(&mut file, directory, path, (readers, old.as_ref())),
        done => done,
    }
}

/// The file that has the name now, if any; one that may not be written is not replaced either.
fn existing(path: &Path) -> io::Result<Option<Metadata>> {
    match OpenOptions::new().write(true).open(path) {
        Ok(file) => file.metadata().map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes to what others may stop reading.
fn as_it_comes(
    to: &mut (impl Write + Send),
    write: impl FnOnce(&mut (dyn Write + Send)) -> io::Result<()>,
) -> io::Result<()> {
    match filled(to, write) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}

/// Streams flush at every line end; results are written in large blocks.
fn filled(
    file: &mut (impl Write + Send),
    write: impl FnOnce(&mut (dyn Write + Send)) -> io::Result<()>,
) -> io::Result<()> {
    let mut block = BufWriter::with_capacity(BLOCK_BYTES, file);
    write(&mut block)?;
    block.flush()
}

/// Gives an unnamed file its name, in the place of what had it before.
#[cfg(target_os = "linux")]
fn named(file: &File, directory: &Path, path: &Path) -> io::Result<()> {
    use rustix::fs::{AtFlags, CWD, linkat};
    use std::os::fd::AsRawFd as _;
    // open(2), O_TMPFILE: the way without CAP_DAC_READ_SEARCH.
    let unnamed = format!("/proc/self/fd/{}", file.as_raw_fd());
    let link = |to: &Path| linkat(CWD, &unnamed, CWD, to, AtFlags::SYMLINK_FOLLOW).map_err(io::Error::from);
    match link(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            tempfile::Builder::new().make_in(directory, link)?.persist(path)?;
            Ok(())
        }
        done => done,
    }
}

#[cfg(not(target_os = "linux"))]
fn named(_: &File, _: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The same where a file needs a name from its birth: only while it is copied is there a second file.
fn copied(
    file: &mut File,
    directory: &Path,
    path: &Path,
    (readers, old): (Readers, Option<&Metadata>),
) -> io::Result<()> {
    file.seek(SeekFrom::Start(0))?;
    let mut copy = named_from_birth(directory)?;
    allow(copy.as_file(), readers, old)?;
    io::copy(file, &mut copy)?;
    copy.persist(path)?;
    Ok(())
}

/// With the permissions of an ordinary new file, as one without a name has them.
fn named_from_birth(directory: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(directory)
}

/// Before anything is written: what replaces a file has its permissions, and its owner where that is possible.
#[cfg(unix)]
fn allow(file: &File, readers: Readers, old: Option<&Metadata>) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
    let mode = |bits| std::fs::Permissions::from_mode(bits);
    match (readers, old) {
        (Readers::Owner, _) => file.set_permissions(mode(0o600))?,
        (Readers::All, Some(old)) => {
            let same_group = fchown(file, Some(old.uid()), Some(old.gid())).is_ok();
            // What one group may read is not for another.
            let bits = old.mode() & if same_group { 0o777 } else { 0o707 };
            // Where files have no permissions of their own, there is nothing to keep.
            drop(file.set_permissions(mode(bits)));
        }
        (Readers::All, None) => {}
    }
    Ok(())
}

#[cfg(not(unix))]
fn allow(_: &File, _: Readers, _: Option<&Metadata>) -> io::Result<()> {
    Ok(())
}

/// Bytes gathered before they are written; larger writes go out as they are.
const BLOCK_BYTES: usize = 1 << 18;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_holds_nothing_a_terminal_acts_on() {
        let text = "\u{9b}31m \u{7f}\u{80}\u{9f} \u{a0}\u{bf} é \u{1b}[0m";
        for writer in [json_line, json_document] {
            let mut out = Vec::new();
            writer(&mut out, &text).expect("a Vec takes all");
            let out = String::from_utf8(out).expect("UTF-8");
            assert!(out.trim_end().chars().all(|c| !c.is_control()), "{out:?}");
            assert_eq!(serde_json::from_str::<String>(&out).expect("JSON"), text);
        }
    }

    #[test]
    fn a_file_appears_whole_or_not_at_all() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("out.json");
        let failing = write(Some(&path), |out| {
            out.write_all(b"half")?;
            Err(io::Error::other("disk on fire"))
        });
        assert!(matches!(failing, Err(Error::Output(..))));
        assert_eq!(std::fs::read_dir(dir.path()).expect("readable").count(), 0);
        for text in ["whole", "another in its place"] {
            write(Some(&path), |out| out.write_all(text.as_bytes())).expect("writable");
            assert_eq!(std::fs::read_to_string(&path).expect("there"), text);
        }
        assert_eq!(std::fs::read_dir(dir.path()).expect("readable").count(), 1);
        assert!(matches!(write(Some(dir.path()), |_| Ok(())), Err(Error::Output(..))));
    }

    #[test]
    fn a_file_that_needs_a_name_from_its_birth_comes_out_the_same() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("out.json");
        let mut file = tempfile::tempfile_in(dir.path()).expect("writable");
        file.write_all(b"whole").expect("writable");
        copied(&mut file, dir.path(), &path, (Readers::All, None)).expect("writable");
        assert_eq!(std::fs::read(&path).expect("there"), b"whole");
        assert_eq!(std::fs::read_dir(dir.path()).expect("readable").count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_device_stays_what_it_is() {
        use std::os::unix::fs::FileTypeExt as _;
        let dir = tempfile::tempdir().expect("a directory");
        let link = dir.path().join("null");
        std::os::unix::fs::symlink("/dev/null", &link).expect("writable");
        write(Some(&link), |out| out.write_all(b"gone")).expect("writable");
        assert!(std::fs::metadata(&link).expect("there").file_type().is_char_device());
    }
}
