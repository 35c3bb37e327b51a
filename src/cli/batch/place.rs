//! Where reports may stand beside bundles: what is written in one run must be no bundle of the next.
//!
//! Takes the paths as typed; follows links, and makes nothing.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::Entry;
use crate::cli::args::BatchArguments;
use crate::error::Error;

/// What stands beside the reports of a batch.
pub(super) const INDEX: &str = "index.ndjson";

/// Refuses an output directory, and a map, that would lie among the bundles or within one.
///
/// # Errors
/// [`Error::Usage`] with what to do.
pub(super) fn check(typed: &BatchArguments) -> Result<(), Error> {
    // A directory that is not there is said when it is listed.
    let Ok(bundles) = fs::canonicalize(&typed.directory) else { return Ok(()) };
    let output = resolved(&typed.output);
    let map = typed.how.redact_map.as_deref().filter(|map| !resolved(map).starts_with(&output));
    let why = match depth(&output, &bundles) {
        Some(0) => "reports among bundles would be bundles of the next run",
        Some(1) if !may_hold_reports(&output) => "it is a bundle itself: no batch has written to it before",
        Some(2..) => "reports in it would be part of a bundle in the next run",
        _ => match map {
            Some(map) if depth(&resolved(map), &bundles).is_some() => {
                return Err(wrong(
                    "--redact-map",
                    map,
                    "it would be a bundle, or part of one, in the next run",
                ));
            }
            _ => return Ok(()),
        },
    };
    Err(wrong("-o", &typed.output, why))
}

fn wrong(option: &str, path: &Path, why: &str) -> Error {
    Error::Usage(format!("{option} {}: {why}; name another place, outside the bundles", path.display()))
}

/// How deep below a directory a path lies, unless in what is no bundle by its name: it begins with a dot.
fn depth(path: &Path, directory: &Path) -> Option<usize> {
    let below = path.strip_prefix(directory).ok()?;
    (!below.as_os_str().as_encoded_bytes().starts_with(b".")).then(|| below.components().count())
}

/// The path behind all links, as far as it is there.
fn resolved(path: &Path) -> PathBuf {
    let real = |part: &Path| {
        let there = if part.as_os_str().is_empty() { Path::new(".") } else { part };
        Some(fs::canonicalize(there).ok()?.join(path.strip_prefix(part).ok()?))
    };
    path.ancestors().find_map(real).unwrap_or_else(|| path.to_owned())
}

/// Whether it is a directory that a batch has written to, or one that is empty or not there yet.
fn may_hold_reports(directory: &Path) -> bool {
    let is_empty = fs::read_dir(directory).map_or(true, |mut entries| entries.next().is_none());
    is_empty || holds_reports(directory)
}

/// Whether a batch has written to this directory, and nobody else: reports stand in it beside their index, a map, and no
/// folder. The index is of a bundle with a report there, or empty where no report is.
pub(super) fn holds_reports(directory: &Path) -> bool {
    let index = directory.join(INDEX);
    // A pipe may never say anything.
    let is_file = fs::metadata(&index).is_ok_and(|about| about.is_file());
    let mut beginning = Vec::new();
    let mut read = || File::open(&index)?.take(LOOK).read_to_end(&mut beginning);
    let Some(others) = others(directory).filter(|_| is_file && read().is_ok()) else { return false };
    let first = beginning.trim_ascii_start().split(|b| *b == b'\n').next().unwrap_or_default();
    match serde_json::from_slice::<Entry>(first) {
        Ok(Entry { report: Some(report), .. }) => others.iter().any(|name| **name == *report),
        Ok(_) => others.len() <= 1,
        Err(_) => first.is_empty() && others.is_empty(),
    }
}

/// What stands beside the index: files that are reports by their name, and one that may be the map.
fn others(directory: &Path) -> Option<Vec<OsString>> {
    let entries = fs::read_dir(directory).ok()?.collect::<Result<Vec<_>, _>>().ok()?;
    let all_files = entries.iter().all(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
    let names: Vec<_> =
        entries.into_iter().map(|entry| entry.file_name()).filter(|name| *name != *INDEX).collect();
    let maps = names.iter().filter(|name| Path::new(name).extension().is_none_or(|e| e != "json")).count();
    (all_files && maps <= 1).then_some(names)
}

/// Bytes of an index that are looked at: each run that was killed leaves an empty line.
const LOOK: u64 = 1 << 20;
