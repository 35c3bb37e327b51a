//! That nothing which is read is overwritten, and no output by another: looked at before anything is read.
//!
//! Takes paths as typed; compares the files that they stand for, whatever they are called.

use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};

use super::args::HowArguments;
use super::output::{self, Place, STDOUT};
use crate::error::Error;
use crate::log::yaml_files;

/// Something that is written.
#[derive(Clone, Debug)]
pub(super) struct Output {
    /// Which option says so.
    pub(super) option: &'static str,
    pub(super) path: PathBuf,
}

impl Output {
    /// Where results go, and where the map of `--redact-map`.
    pub(super) fn of(results: Option<&Path>, how: &HowArguments) -> Vec<Self> {
        let results = results.unwrap_or(Path::new(STDOUT));
        let map = how.redact_map.as_deref().map(|path| ("--redact-map", path));
        [("-o", results)]
            .into_iter()
            .chain(map)
            .map(|(option, path)| Self { option, path: path.to_owned() })
            .collect()
    }

    fn told(&self) -> String {
        match self.path.to_str() {
            Some(STDOUT) if self.option == "-o" => "standard output".to_owned(),
            _ => format!("{} {}", self.option, self.path.display()),
        }
    }
}

/// Refuses outputs that would overwrite inputs, key logs or rule files, or each other.
///
/// # Errors
/// [`Error::Usage`] that names both; [`Error::Output`] for a place where nothing can be written.
pub(super) fn refuse(
    inputs: &[impl AsRef<Path>],
    how: &HowArguments,
    outputs: &[Output],
) -> Result<(), Error> {
    let mut places: HashMap<Place, &Output> = HashMap::new();
    let mut written: HashMap<Id, &Output> = HashMap::new();
    for output in outputs {
        let place = Place::of(&output.path).map_err(|e| output::unwritten(&output.path, &e))?;
        // What a shell opened for this process, it opened to be added to.
        let is_opened = matches!(place, Place::Stdout | Place::Stderr);
        written.extend(id(&output.path).filter(|_| !is_opened).map(|id| (id, output)));
        let is_device = matches!(place, Place::Stream(_));
        if let Some(other) = places.insert(place, output).filter(|_| !is_device) {
            let (output, other) = (output.told(), other.told());
            return Err(Error::Usage(format!("{output}: that is {other}, too: name another file")));
        }
    }
    if written.is_empty() {
        return Ok(());
    }
    let clash = |read: &Path, about: &Metadata| {
        let output = written.get(&id_of(read, about))?;
        let (output, read) = (output.told(), read.display());
        Some(format!("{output}: that is {read}, which is read and would be overwritten: name another file"))
    };
    let inputs = inputs.iter().map(|input| match input.as_ref() {
        stdin if stdin == Path::new("-") => PathBuf::from("/dev/stdin"),
        path => path.to_owned(),
    });
    let rules = how.rules.iter().flat_map(|dir| [dir.clone(), dir.join("events")]);
    let rules = rules.flat_map(|dir| yaml_files(&dir).unwrap_or_default());
    let found =
        inputs.chain(how.keylog.iter().cloned()).chain(rules).find_map(|path| first_below(path, &clash));
    found.map_or(Ok(()), |clash| Err(Error::Usage(clash)))
}

/// What is said of a file, or of the first file in a directory that something is said of; links in it are not read.
fn first_below(path: PathBuf, said: &dyn Fn(&Path, &Metadata) -> Option<String>) -> Option<String> {
    // What cannot be looked at cannot be read either.
    let about = fs::metadata(&path).ok()?;
    let mut open = vec![(path, about)];
    while let Some((path, about)) = open.pop() {
        if about.is_dir() {
            let entries = fs::read_dir(&path).into_iter().flatten().flatten();
            open.extend(entries.filter_map(|entry| Some((entry.path(), entry.metadata().ok()?))));
        } else if about.is_file()
            && let Some(said) = said(&path, &about)
        {
            return Some(said);
        }
    }
    None
}

/// By what a file is the same under any name.
#[cfg(unix)]
type Id = (u64, u64);
#[cfg(not(unix))]
type Id = PathBuf;

/// Of a file that is there.
fn id(path: &Path) -> Option<Id> {
    let about = fs::metadata(path).ok().filter(Metadata::is_file)?;
    Some(id_of(path, &about))
}

#[cfg(unix)]
fn id_of(_: &Path, about: &Metadata) -> Id {
    use std::os::unix::fs::MetadataExt as _;
    (about.dev(), about.ino())
}

#[cfg(not(unix))]
fn id_of(path: &Path, _: &Metadata) -> Id {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}
