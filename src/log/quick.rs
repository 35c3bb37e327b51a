//! The envelopes of almost every failure line, read without an allocation.
//!
//! Takes a line; gives what [`envelope::peel`] would give for it where it is klog, alone or within one layer of journal
//! (short, short-precise, short-iso, short-iso-precise) or CRI; else nothing, and the line is peeled layer by layer. A
//! test holds the two against each other on the lines of all event definitions.

use super::envelope;
use super::stamp::{self, Stamp};

/// A klog message and what stands in front of it.
#[derive(Debug)]
pub(super) struct Quick<'l> {
    /// Stamp of the layer around klog.
    pub outer: Option<Stamp>,
    /// Stamp of klog's header.
    pub inner: Stamp,
    /// Host and identifier that a journal names.
    pub origin: Option<Origin<'l>>,
    pub pid: Option<u32>,
    pub caller: &'l str,
    pub severity: u8,
    /// Where the message begins.
    pub at: usize,
    pub message: &'l str,
}

/// What a journal says of who wrote a line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Origin<'l> {
    /// The same as in the line before.
    Same,
    /// Host, identifier, and the text between stamp and message that names them.
    Named(&'l str, &'l str, &'l str),
}

/// Reads the head of `line`, if it is of the usual kind; `before` is the text that named the origin of a line before.
pub(super) fn read<'l>(line: &'l str, before: &str) -> Option<Quick<'l>> {
    let bytes = line.as_bytes();
    let (outer, origin, skip) = match bytes.first()? {
        b'0'..=b'9' => dated(line, before)?,
        b'I' | b'W' | b'E' | b'F' | b'D' if bytes.get(1).is_some_and(u8::is_ascii_digit) => (None, None, 0),
        b'A'..=b'Z' => {
            let (stamp, taken) = stamp::month_first(bytes)?;
            let (origin, skip) = origin(line, taken, before)?;
            (Some(stamp), Some(origin), skip)
        }
        _ => return None,
    };
    let rest = line.get(skip..)?;
    let known = rest.starts_with(['I', 'W', 'E', 'F', 'D']);
    let (inner, pid, caller, taken) = envelope::klog_head(rest).filter(|_| known)?;
    let (severity, at) = (*rest.as_bytes().first()?, skip + taken);
    Some(Quick { outer, inner, origin, pid, caller, severity, at, message: line.get(at..)? })
}

type Outer<'l> = (Option<Stamp>, Option<Origin<'l>>, usize);

/// `2026-11-21T02:24:45.699082123Z stderr F …`, or a journal's `2026-11-21T02:24:45+0000 host ident[pid]: …`.
fn dated<'l>(line: &'l str, before: &str) -> Option<Outer<'l>> {
    let (stamp, taken) = stamp::rfc3339(line.as_bytes())?;
    let rest = line.get(taken..)?;
    if let Some(tagged) = rest.strip_prefix(" stderr ").or_else(|| rest.strip_prefix(" stdout ")) {
        return tagged.starts_with("F ").then_some((Some(stamp), None, line.len() - tagged.len() + 2));
    }
    if rest.as_bytes().get(2..5) == Some(b" | ") {
        return None; // capnslog
    }
    let (origin, skip) = origin(line, taken, before)?;
    Some((Some(stamp), Some(origin), skip))
}

/// Who wrote the line, and where the next layer begins.
fn origin<'l>(line: &'l str, at: usize, before: &str) -> Option<(Origin<'l>, usize)> {
    // it ends at the first `: `, so that a line that begins alike has the same
    if !before.is_empty() && line.get(at..)?.starts_with(before) {
        return Some((Origin::Same, at + before.len()));
    }
    let (host, ident, skip) = envelope::origin(line, at)?;
    Some((Origin::Named(host, ident, line.get(at..skip)?), skip))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::EventSet;

    #[test]
    fn what_is_read_quickly_is_what_peeling_gives() {
        let set = EventSet::builtin();
        let klog = "W1121 02:24:47.529354   28800 dispatcher.go:217] Failed: \"x\"";
        let heads = [
            "",
            "Nov 21 02:24:47 cp-1 kube-apiserver[28800]: ",
            "Nov  1 02:24:47.529354 cp-1 kubelet.service[2]: ",
            "2026-11-21T02:24:45.699082123Z stderr F ",
            "2026-11-21T02:24:45.699082123Z stdout P ",
            "2026-11-21T02:24:45+0000 cp-1 kube-apiserver[28800]: ",
            "2026-11-21T02:24:45.699082Z ",
            "Sat 2026-11-21 02:26:47 UTC cp-1 kube-apiserver[28800]: ",
            "2019-05-01 12:00:00.123456 W | ",
        ];
        let made = heads.iter().map(|head| format!("{head}{klog}"));
        let lines: Vec<String> = set.samples().map(str::to_owned).chain(made).collect();
        let mut quick_lines = 0;
        for line in &lines {
            let Some(quick) = read(line, "") else { continue };
            quick_lines += 1;
            let peeled = envelope::peel(line);
            let stamps: Vec<_> = quick.outer.into_iter().chain([quick.inner]).collect();
            assert_eq!(peeled.stamps, stamps, "{line}");
            assert_eq!(peeled.message, quick.message, "{line}");
            assert_eq!(peeled.caller.as_deref(), Some(quick.caller), "{line}");
            assert_eq!(peeled.severity, Some(quick.severity), "{line}");
            assert!(peeled.values.is_empty() && peeled.pod.is_none() && !peeled.partial, "{line}");
            let names = peeled.host.as_deref().zip(peeled.ident.as_deref());
            let Some(Origin::Named(host, ident, text)) = quick.origin else {
                assert_eq!(names, None, "{line}");
                continue;
            };
            assert_eq!(names, Some((host, ident)), "{line}");
            let again = read(line, text).unwrap();
            assert_eq!((again.origin, again.at), (Some(Origin::Same), quick.at), "{line}");
        }
        assert!(quick_lines * 2 > lines.len(), "{quick_lines} of {}", lines.len());
    }
}
