//! Which sources are one log.
//!
//! Takes the paths of log sources; gives groups: a container's or service's log with its rotated and compressed parts.
//! Rotation follows the kubelet (`0.log`, `0.log.20261121-023716.gz`), logrotate (`messages.1`, `messages-20261121.xz`)
//! and the API server's audit log. Never opens a file.

use std::collections::BTreeMap;

use super::blocks::{Framing, HEAD};
use crate::bundle::{Source, SourceKind};

/// Sources of one log, in order of path; their order in time shows when they are read.
pub(super) struct Group<'s> {
    pub sources: Vec<&'s Source>,
}

/// Groups the log sources by directory and stem, in order of their first source.
pub(super) fn group(sources: &[Source]) -> Vec<Group<'_>> {
    let mut groups: BTreeMap<String, Vec<&Source>> = BTreeMap::new();
    for source in sources.iter().filter(|s| is_log(s)) {
        groups.entry(stem(&source.path)).or_default().push(source);
    }
    let mut out: Vec<_> = groups.into_values().map(|sources| Group { sources }).collect();
    out.sort_by_key(|g| g.sources.first().map(|s| s.index));
    out
}

/// Events of Kubernetes are objects, and a log as well.
fn is_log(source: &Source) -> bool {
    match source.kind {
        SourceKind::Log | SourceKind::Journal => true,
        SourceKind::Objects => source.head(HEAD).is_ok_and(|head| Framing::of(&head).is_events()),
        _ => false,
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
