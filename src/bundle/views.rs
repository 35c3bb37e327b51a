//! A file of several kinds as several sources, each of one kind.
//!
//! Takes a source; gives the further ones that its text holds, under the same path. Each reads the stretches of its kind
//! and, of the others, the line ends alone, so that the numbers of lines are those of the file.

use std::io::Read as _;

use super::open::Opening;
use super::parts::{self, Parts};
use super::{Source, SourceKind, Strangers, discover};
use crate::error::{Place, Weirds};

/// Whether a source is to be looked at as a whole: what is no log is read whole and at once in any case. A log is not,
/// unless its begin shows other outputs, or its end, where that can be looked at for nothing, is of another kind.
pub(super) fn may_be_several(opening: &Opening, kind: SourceKind, head: &[u8]) -> bool {
    match kind {
        SourceKind::Objects | SourceKind::HostState | SourceKind::Pem => true,
        SourceKind::Log => {
            opening.wide
                || parts::several(head)
                || tail(opening, head.len()).is_some_and(|tail| parts::differs(head, &tail))
        }
        _ => false,
    }
}

/// The last bytes of what is longer than its head and not compressed.
pub(super) fn tail(opening: &Opening, head: usize) -> Option<Vec<u8>> {
    let region = discover::in_place(opening).filter(|r| !opening.wide && r.len() > head as u64)?;
    let len = region.len().min(TAIL);
    let mut bytes = Vec::new();
    region.part(region.len() - len, len).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// Bytes at the end of a log that are looked at.
const TAIL: u64 = 8 << 10;

/// Cuts a source to what is of its kind; gives what is of others.
pub(super) fn split(source: &mut Source) -> Vec<Source> {
    let plain = source.opening.mend;
    source.opening.mend = plain.of_any();
    let Some(mut parts) = parts_of(&source.opening, source.kind, &source.path) else { return Vec::new() };
    if parts.wide.is_some() {
        source.opening.wide = true;
        parts = parts_of(&source.opening, source.kind, &source.path).unwrap_or(parts);
    }
    source.strangers = std::mem::take(&mut parts.strangers);
    if std::mem::replace(&mut source.parted, true) {
        source.opening.mend = plain;
        return Vec::new(); // containers' words alone
    }
    if let Some((kind, line)) = parts.unread {
        note(&mut source.problems, kind, line, parts.unread_count, !parts.unread_is_text);
    }
    if let Some(first) = parts.logs.first() {
        let count = parts.logs.len() as u64;
        source.problems.add("logs_among_objects", Place::Line(first.line), count, true, || LOGS.to_owned());
    }
    if parts.limited {
        let most = parts::MAX_PARTS;
        source.problems.loss("limit_parts", Place::Whole, || {
            format!("it changes its kind more than {most} times: what follows is read as the last one")
        });
    }
    let one = parts.kinds.len() < 2 && parts.kinds.iter().all(|(kind, _)| *kind == source.kind);
    if one && parts.logs.is_empty() {
        if source.kind == SourceKind::Log {
            source.opening.mend = plain; // lines of a log are mended where one is read
        }
        return Vec::new();
    }
    let views = parts.kinds.into_iter().enumerate().map(|(n, (kind, ranges))| {
        let mut view = source.clone();
        view.kind = kind;
        view.opening.only = Some(ranges.into());
        if n > 0 {
            view.problems = Weirds::default();
        }
        view
    });
    let mut views: Vec<Source> = views.collect();
    let others = views.split_off(1);
    if let Some(first) = views.pop() {
        *source = first;
    }
    others
}

/// `kubectl cluster-info dump` without a directory prints logs between the objects, where nobody reads them.
const LOGS: &str = "logs that stand between objects are not read, nor is what follows those of pods outside of kube-system, which could write it; give kubectl cluster-info dump an --output-directory";

impl Source {
    /// Names the parts of a log that are of another kind, which nobody has looked for before the log was read; gives the
    /// pods whose words lines of it are.
    pub fn name_parts(&self, problems: &mut Weirds) -> Strangers {
        let opening = Opening { mend: self.opening.mend.of_any(), ..self.opening.clone() };
        let Some(parts) = parts_of(&opening, self.kind, &self.path).filter(|_| !self.parted) else {
            return Strangers::default();
        };
        if let Some(line) = parts.wide {
            problems.loss("part_not_read", Place::Line(line), || WIDE.to_owned());
        }
        let first = parts.first_other.or(parts.unread);
        if let Some((kind, line)) = first {
            let lost = parts.first_other.is_some() || !parts.unread_is_text;
            note(problems, kind, line, parts.kinds.len() as u64 - 1 + parts.unread_count, lost);
        }
        parts.strangers
    }
}

const WIDE: &str = "text in UTF-16 begins here, as PowerShell appends it to a file of UTF-8: not read; put it in a file of its own";

fn parts_of(opening: &Opening, kind: SourceKind, path: &str) -> Option<Parts> {
    Some(parts::of(&mut *opening.open().ok()?, kind, is_collected(path)))
}

/// Whether neither a file nor its folder has a name of logs: `session.txt`, `cluster/pods.yaml`.
fn is_collected(path: &str) -> bool {
    const LOGS: [&str; 6] = ["log", "journal", "messages", "stdout", "stderr", ".out"];
    let names = path.rsplit(['/', '!']).take(2).map(str::to_ascii_lowercase);
    !names.into_iter().any(|name| LOGS.iter().any(|word| name.contains(word)))
}

/// Says that what shows another kind is read as the log of a container, by where it lies.
pub(super) fn note_container(problems: &mut Weirds, kind: SourceKind) {
    problems.loss("part_not_read", Place::Whole, || {
        let what = named(kind);
        format!("{what} may stand here, but it is called a log and lies where those of containers do, which can say anything: not read; move it elsewhere")
    });
}

/// Names a part that is not read. Where a log goes on behind it, it is as likely a text of that log: nothing is lost.
fn note(problems: &mut Weirds, kind: SourceKind, line: u64, count: u64, lost: bool) {
    problems.add("part_not_read", Place::Line(line), count, lost, || {
        let what = named(kind);
        format!(
            "{what} may begin here, but lines of a log stand in front, whose messages can hold such text: not read; put it in a file of its own"
        )
    });
}

const fn named(kind: SourceKind) -> &'static str {
    match kind {
        SourceKind::HostState => "the state of a host or cluster",
        SourceKind::Pem => "certificates",
        _ => "objects",
    }
}
