//! Which sources are one log.
//!
//! Takes the paths of log sources; gives groups: a container's or service's log with its rotated and compressed parts.
//! Rotation follows the kubelet (`0.log`, `0.log.20261121-023716.gz`), logrotate (`messages.1`, `messages-20261121.xz`)
//! and the API server's audit log. Opens no file but those of objects, which may
//! hold events.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::blocks::Framing;
use super::dumped;
use crate::bundle::{Source, SourceKind};

/// Sources of one log, in order of path; their order in time shows when they are read.
pub(super) struct Group<'s> {
    pub sources: Vec<Part<'s>>,
}

/// A source that is a log, or holds one.
#[derive(Clone, Copy)]
pub(super) struct Part<'s> {
    pub source: &'s Source,
    /// How its entries are framed, where that does not show in its first bytes.
    pub framing: Option<Framing>,
}

/// Groups the log sources by directory and stem, in order of their first source.
pub(super) fn group(sources: &[Source]) -> Vec<Group<'_>> {
    let parts: Vec<Part<'_>> = sources.par_iter().filter_map(part).collect();
    let mut groups: BTreeMap<(String, bool), Vec<Part<'_>>> = BTreeMap::new();
    for part in parts {
        groups.entry((stem(&part.source.path), part.framing.is_some())).or_default().push(part);
    }
    let mut out: Vec<_> = groups.into_values().map(|sources| Group { sources }).collect();
    out.sort_by_key(|g| g.sources.first().map(|part| part.source.index));
    out
}

/// Events of Kubernetes are objects, and a log as well.
fn part(source: &Source) -> Option<Part<'_>> {
    match source.kind {
        SourceKind::Log | SourceKind::Journal => Some(Part { source, framing: None }),
        SourceKind::Objects => Some(Part { source, framing: Some(dumped::framing(source)?) }),
        _ => None,
    }
}

/// The path without what rotation and compression add to it.
fn stem(path: &str) -> String {
    let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
    let mut name = name.strip_suffix('~').unwrap_or(name);
    for ending in [".gz", ".xz", ".zst", ".bz2"] {
        name = name.strip_suffix(ending).unwrap_or(name);
    }
    name = name.strip_suffix('~').unwrap_or(name);
    // journald's archives: system@0005e…-00000001-0005f….journal of system.journal
    if let Some((head, _)) = name.strip_suffix(".journal").and_then(|n| n.split_once('@')) {
        return format!("{dir}/{head}.journal");
    }
    if let Some((head, tail)) = name.rsplit_once('.')
        && !head.is_empty()
        && is_rotation(tail)
    {
        name = head;
    }
    let (head, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    let head = head.rsplit_once('-').filter(|(_, tail)| is_date(tail)).map_or(head, |(head, _)| head);
    // the kubelet counts restarts of a container in the name: 0.log, 1.log
    let head = if extension == "log" && head.bytes().all(|b| b.is_ascii_digit()) { "N" } else { head };
    let head = if head == "previous" { "current" } else { head };
    format!("{dir}/{head}.{extension}")
}

/// `1`, or a date.
fn is_rotation(tail: &str) -> bool {
    is_date(tail) || (tail.len() <= 3 && !tail.is_empty() && tail.bytes().all(|b| b.is_ascii_digit()))
}

/// `20261121`, `20261121-023716`, `2026-11-21T02-37-16.000`.
fn is_date(tail: &str) -> bool {
    tail.len() >= 8
        && tail.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'T' | b'.'))
        && tail.starts_with(['1', '2'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotated_parts_share_a_stem() {
        for (one, other, same) in [
            ("a/0.log", "a/0.log.20261121-023716.gz", true),
            ("a/0.log", "a/1.log", true),
            ("a/0.log", "b/0.log", false),
            ("messages", "messages-20261115", true),
            ("messages", "messages.1", true),
            ("syslog", "syslog.2.gz", true),
            ("x/current.log", "x/previous.log", true),
            ("journalctl-kubelet.cp-1.log", "journalctl-kubelet.cp-2.log", false),
            ("kube-apiserver.log", "kubectl.txt", false),
            ("j/system.journal", "j/system@0006-01-0007.journal~", true),
            ("j/system.journal", "j/system@0006-01-0007.journal.xz", true),
            ("j/system.journal", "j/user-1000.journal", false),
        ] {
            assert_eq!(stem(one) == stem(other), same, "{one} {other}");
        }
    }
}
