//! Walks the inputs and names what is there.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::{Limits, SourceIndex, SourceKind, sniff};
use crate::error::{Error, Weirds};

/// One readable thing of a bundle.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its place in the bundle.
    pub index: SourceIndex,
    /// Path relative to its input: `logs/a.log`, or `a.tar.gz!logs/a.log` inside an archive.
    pub path: String,
    /// Where its bytes are.
    pub(super) file: PathBuf,
    /// What it holds.
    pub kind: SourceKind,
    /// Size as stored, in bytes.
    pub stored_bytes: u64,
    /// What was surprising while finding it.
    pub problems: Weirds,
}

/// All sources of the inputs.
#[derive(Clone, Debug, Default)]
pub struct Bundle {
    /// In a stable order; `sources[i].index.0 == i`.
    pub sources: Vec<Source>,
    /// What was surprising outside any source (a link out of the tree, a limit reached).
    pub problems: Weirds,
}

pub(super) fn discover(inputs: &[PathBuf], _limits: &Limits) -> Result<Bundle, Error> {
    let mut bundle = Bundle::default();
    let mut inputs = inputs.to_vec();
    inputs.sort();
    for input in &inputs {
        let shown = input.display().to_string();
        let meta = std::fs::metadata(input).map_err(|e| Error::Input(shown.clone(), e.to_string()))?;
        if meta.is_dir() {
            walk(&mut bundle, input, input)?;
        } else {
            add(&mut bundle, input, &file_name(input));
        }
    }
    if bundle.sources.is_empty() {
        let shown: Vec<_> = inputs.iter().map(|p| p.display().to_string()).collect();
        return Err(Error::Empty(shown.join(", ")));
    }
    Ok(bundle)
}

fn walk(bundle: &mut Bundle, root: &Path, dir: &Path) -> Result<(), Error> {
    let shown = |e: std::io::Error| Error::Input(dir.display().to_string(), e.to_string());
    let mut entries: Vec<_> =
        std::fs::read_dir(dir).map_err(shown)?.filter_map(|e| e.ok().map(|e| e.path())).collect();
    entries.sort();
    for path in entries {
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            walk(bundle, root, &path)?;
        } else {
            let relative = path.strip_prefix(root).unwrap_or(&path).display().to_string();
            add(bundle, &path, &relative);
        }
    }
    Ok(())
}

fn add(bundle: &mut Bundle, file: &Path, path: &str) {
    let mut source = Source {
        index: SourceIndex(bundle.sources.len() as u32),
        path: path.to_owned(),
        file: file.to_owned(),
        kind: SourceKind::Unknown,
        stored_bytes: std::fs::metadata(file).map_or(0, |m| m.len()),
        problems: Weirds::default(),
    };
    source.kind = first_kind(&source);
    bundle.sources.push(source);
}

fn first_kind(source: &Source) -> SourceKind {
    let mut head = Vec::new();
    match super::open::open(source).map(|r| r.take(sniff::LOOK).read_to_end(&mut head)) {
        Ok(_) => sniff::kind(&head),
        Err(_) => SourceKind::Unknown,
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned())
}
