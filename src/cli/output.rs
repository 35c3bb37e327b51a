//! Where results go: standard output, or a file that appears whole or not at all.

use std::io::{self, BufWriter, Write};
use std::path::Path;

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
    let directory = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = NamedTempFile::new_in(directory).map_err(failed)?;
    let mut block = BufWriter::with_capacity(BLOCK_BYTES, &mut file);
    write(&mut block).and_then(|()| block.flush()).map_err(failed)?;
    drop(block);
    publish(&file);
    file.persist(path).map_err(|e| failed(e.error))?;
    Ok(())
}

/// A temporary file is private; results get the permissions of an ordinary new file.
fn publish(file: &NamedTempFile) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // Failing leaves the file private, which harms no one.
        drop(file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644)));
    }
    #[cfg(not(unix))]
    let _ = file;
}

/// Bytes gathered before they are written; larger writes go out as they are.
const BLOCK_BYTES: usize = 1 << 18;

#[cfg(test)]
mod tests {
    use super::*;

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
        write(Some(&path), |out| out.write_all(b"whole")).expect("writable");
        assert_eq!(std::fs::read(&path).expect("there"), b"whole");
        assert!(matches!(write(Some(dir.path()), |_| Ok(())), Err(Error::Output(..))));
    }
}
