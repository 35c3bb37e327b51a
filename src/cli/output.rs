//! Where results go: standard output, or a file that appears whole or not at all.

use std::fs::File;
use std::io::{self, BufWriter, Seek as _, SeekFrom, Write};
use std::path::Path;

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
    let Some(path) = path.filter(|p| p.as_os_str() != "-") else {
        // Standard output flushes at every line end; results are written in large blocks.
        let mut stdout = BufWriter::with_capacity(BLOCK_BYTES, io::stdout());
        let written = write(&mut stdout).and_then(|()| stdout.flush());
        return match written {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Error::Output("standard output".to_owned(), error.to_string()))
            }
            _ => Ok(()),
        };
    };
    let failed = |error: io::Error| Error::Output(path.display().to_string(), error.to_string());
    if path.is_dir() {
        return Err(Error::Output(
            path.display().to_string(),
            "it is a directory: name a file in it".to_owned(),
        ));
    }
    if std::fs::metadata(path).is_ok_and(|m| !m.is_file()) {
        // A pipe or a device takes what comes; putting a file in its place would be another thing.
        let mut device = std::fs::OpenOptions::new().write(true).open(path).map_err(failed)?;
        return filled(&mut device, write).map_err(failed);
    }
    whole(path, Readers::All, write).map_err(failed)
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
    /// Whoever may read the directory.
    All,
    /// Its owner alone (mode 0600).
    Owner,
}

/// Writes a file that appears under its name once it is whole.
///
/// Until then it has no name: whatever ends the program before (Ctrl-C, a kill, a full disk), nothing of it stays.
///
/// # Errors
/// Those of `write` and of the file system.
pub(super) fn whole(
    path: &Path,
    readers: Readers,
    write: impl FnOnce(&mut (dyn Write + Send)) -> io::Result<()>,
) -> io::Result<()> {
    let directory = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::tempfile_in(directory)?;
    allow(&file, readers)?;
    filled(&mut file, write)?;
    match named(&file, directory, path) {
        // No unnamed files here (NFS, FAT), or no way to name them (no /proc).
        Err(_) => copied(&mut file, directory, path, readers),
        done => done,
    }
}

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
fn copied(file: &mut File, directory: &Path, path: &Path, readers: Readers) -> io::Result<()> {
    file.seek(SeekFrom::Start(0))?;
    let mut copy = NamedTempFile::new_in(directory)?;
    io::copy(file, &mut copy)?;
    allow(copy.as_file(), readers)?;
    copy.persist(path)?;
    Ok(())
}

/// A file without a name has the permissions of an ordinary new file, a temporary one is private: before anything is
/// written, either gets those that are meant.
fn allow(file: &File, readers: Readers) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |bits| std::fs::Permissions::from_mode(bits);
        match readers {
            // Failing leaves a result private, which harms no one.
            Readers::All => drop(file.set_permissions(mode(0o644))),
            Readers::Owner => file.set_permissions(mode(0o600))?,
        }
    }
    #[cfg(not(unix))]
    let _ = (file, readers);
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
        copied(&mut file, dir.path(), &path, Readers::All).expect("writable");
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
