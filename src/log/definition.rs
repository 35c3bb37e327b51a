//! Event definitions as their files have them.
//!
//! Takes YAML; gives the keys of a definition, and the items of a file one by one, so that all mistakes of a file show at
//! once. What a definition means is for `events`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::endings::Ending;
use crate::error::Error;

/// One definition as its file has it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Definition {
    /// Its name, by which rules join.
    pub event: String,
    /// What it means, in a sentence.
    pub title: String,
    /// Short literals of which every matching line holds one.
    pub triggers: Vec<String>,
    /// Expressions on the innermost reason, after wrappers, URL, operation and addresses.
    #[serde(default)]
    pub reason: Vec<String>,
    /// Expressions on the whole failure text.
    #[serde(default)]
    pub text: Vec<String>,
    /// Only on messages about these connections: `etcd`, or one side's view of it, `etcd/server` and `etcd/client`.
    #[serde(default)]
    pub edges: Vec<String>,
    /// Not on messages about these.
    #[serde(default)]
    pub not_edges: Vec<String>,
    /// Only a server says this, of its client, even where the line names none.
    #[serde(default)]
    pub told_by_server: bool,
    /// It looks like a failure and is none: counted, never shown as one.
    #[serde(default)]
    pub benign: bool,
    /// The line ends before it says how the call failed, or within words that another event knows.
    #[serde(default)]
    pub cut_off: bool,
    /// Asked only where no other event knows the failure, and the line is not cut either.
    #[serde(default)]
    pub fallback: bool,
    /// How the call can have ended where a caller says this, likeliest first; in any way where nothing stands,
    /// without a packet where the list is empty.
    #[serde(default)]
    pub endings: Option<Vec<Ending>>,
    /// The same where a server says it of its client.
    #[serde(default)]
    pub server_endings: Option<Vec<Ending>>,
    /// Lines that it must match, in any envelope.
    pub samples: Vec<Sample>,
}

/// A line that an event must match, perhaps with fields that must come out of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Sample {
    Line(String),
    Fields { line: String, fields: BTreeMap<String, String> },
}

impl Sample {
    pub(super) fn line(&self) -> &str {
        match self {
            Self::Line(line) | Self::Fields { line, .. } => line,
        }
    }
}

/// The items of a YAML list at the left margin: line from 1, and text.
pub(super) fn items(text: &str) -> Vec<(usize, String)> {
    let mut out: Vec<(usize, String)> = Vec::new();
    for (n, line) in text.lines().enumerate() {
        if line.starts_with("- ")
            || (!line.is_empty() && !line.starts_with([' ', '#', '-']) && out.is_empty())
        {
            out.push((n + 1, String::new()));
        }
        if let Some((_, item)) = out.last_mut() {
            item.push_str(line);
            item.push('\n');
        }
    }
    out
}

/// The `.yaml` and `.yml` files directly in a directory, in order of name.
///
/// # Errors
/// [`Error::Input`] when the directory cannot be read.
pub(crate) fn yaml_files(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let shown = |e: std::io::Error| Error::Input(dir.display().to_string(), e.to_string());
    let mut out: Vec<_> = std::fs::read_dir(dir)
        .map_err(shown)?
        .filter_map(|e| e.ok().map(|e| e.path()))
        .filter(|p| p.extension().is_some_and(|e| e == "yaml" || e == "yml"))
        .collect();
    out.sort();
    Ok(out)
}
