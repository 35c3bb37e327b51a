//! From an entry to what it tells.
//!
//! Takes the lines of one entry; gives a [`Hit`] where it tells of a failure or of how long a call took. A line of the
//! usual kind whose message was read before costs a look-up; any other is peeled and read whole. Never joins entries
//! and never resolves times.

use std::borrow::Cow;
use std::ops::Deref;
use std::sync::Arc;

use memchr::memchr;

use super::classify::{self, Known, Told};
use super::entry::Entry;
use super::envelope::{self, Layer, Peeled};
use super::grammar;
use super::memory::Memory;
use super::quick;
use super::stamp::{self, Stamp};
use super::trace::{self, Trace};
use super::twin::{self, Mark};
use super::{EventSet, LineText, LogLine, denial};
use crate::bundle::SourceIndex;
use crate::time::Timestamp;

/// An entry that told something.
#[derive(Debug)]
pub(super) struct Hit {
    /// First the line it was read from.
    pub lines: Vec<LogLine>,
    pub stamps: Stamps,
    pub what: What,
    pub component: Option<Arc<str>>,
    pub host: Option<Arc<str>>,
    pub pod: Option<Arc<str>>,
    /// [`Peeled::stranger`].
    pub stranger: bool,
    /// An object of kind Event told it.
    pub of_object: bool,
    /// When the command began whose output this is, for lines without any stamp.
    pub began: Option<Timestamp>,
    /// By which the same line in another source is known.
    pub mark: Option<Mark>,
    /// The same by its words alone, where nothing in them tells it from another one.
    pub words: Option<Mark>,
}

impl Hit {
    /// Bytes of its texts: of the lines, and of the fields, each of which may be as long.
    pub(super) fn text_bytes(&self) -> usize {
        let lines: usize = self.lines.iter().map(|line| size_of::<LogLine>() + line.text.len()).sum();
        match &self.what {
            What::Event(known) => lines + known.fields.text_bytes(),
            What::Trace(trace) => lines + trace.webhook.len(),
        }
    }
}

/// What it told.
#[derive(Debug)]
pub(super) enum What {
    Event(Known),
    Trace(Box<Trace>),
}

/// The stamps of an entry, outermost first: almost always one or two.
#[derive(Debug)]
pub(super) enum Stamps {
    Few([Stamp; 2], u8),
    Many(Box<[Stamp]>),
}

impl From<&[Stamp]> for Stamps {
    fn from(stamps: &[Stamp]) -> Self {
        match *stamps {
            [one] => Self::Few([one, one], 1),
            [one, two] => Self::Few([one, two], 2),
            _ => Self::Many(stamps.into()),
        }
    }
}

impl Deref for Stamps {
    type Target = [Stamp];
    fn deref(&self) -> &[Stamp] {
        match self {
            Self::Few(stamps, n) => stamps.get(..usize::from(*n)).unwrap_or_default(),
            Self::Many(stamps) => stamps,
        }
    }
}

/// What the entries of a piece told; line numbers count from its first line.
#[derive(Debug, Default)]
pub(super) struct Finds {
    pub lines: u64,
    pub hits: Vec<Hit>,
    pub benign: u64,
    pub unrecognised: u64,
    pub unrecognised_lines: Vec<LogLine>,
    /// Entries that were not read whole, the line of the first, and whether one of them may have told of a failure.
    pub long: u64,
    pub long_from: u64,
    pub long_lost: bool,
    /// The line of the first hit in an entry that is not all there.
    pub torn: Option<u64>,
    /// Lines look as if an output of another kind began there, or the words of a container.
    pub mixed: bool,
}

/// Bytes of a line that are kept (`text` of a log line in the report).
pub(super) const MAX_LINE: usize = 8 << 10;
/// Unrecognised lines kept for each log.
pub(super) const MAX_UNRECOGNISED: usize = 20;

/// Keeps further unrecognised lines: no more than [`MAX_UNRECOGNISED`], and none that does not fit in `room` bytes.
pub(super) fn keep_unrecognised(
    kept: &mut Vec<LogLine>,
    more: impl IntoIterator<Item = LogLine>,
    room: usize,
) {
    let mut left = room.saturating_sub(kept.iter().map(|line| line.text.len()).sum());
    for line in more {
        if kept.len() < MAX_UNRECOGNISED && line.text.len() <= left {
            left -= line.text.len();
            kept.push(line);
        }
    }
}

impl Finds {
    /// Counts an entry that is not read whole.
    pub(super) fn count_long(&mut self, long: bool, lost: bool, number: u64) {
        if long && self.long == 0 {
            self.long_from = number;
        }
        self.long += u64::from(long);
        self.long_lost |= lost;
    }

    /// Counts an entry that told no event.
    fn count(&mut self, told: &Told, line: impl FnOnce() -> Option<LogLine>) {
        match told {
            Told::Benign => self.benign += 1,
            Told::Unrecognised => {
                self.unrecognised += 1;
                if self.unrecognised_lines.len() < MAX_UNRECOGNISED {
                    self.unrecognised_lines.extend(line());
                }
            }
            Told::Event(_) | Told::Nothing => {}
        }
    }
}

/// Reads a line by itself, if its head is of the usual kind and its message was read before.
pub(super) fn known_line(
    raw: &[u8],
    number: u64,
    source: SourceIndex,
    memory: &mut Memory,
    out: &mut Finds,
) -> bool {
    if raw.len() > MAX_LINE || raw.ends_with(b"=<") || memchr(b'\t', raw).is_some() || denial::goes_on(raw) {
        return false; // it may be one of several lines, or be cut
    }
    let Ok(text) = std::str::from_utf8(raw) else { return false };
    let Some(quick) = quick::read(text, memory.origin()) else { return false };
    let Some((told, message)) = memory.recall(quick.caller, quick.severity, quick.message) else {
        return false;
    };
    let line = || {
        let head = text.get(..quick.at).unwrap_or_default();
        let text = message.map_or_else(|| text.to_owned().into(), |m| LineText::sharing(head, m));
        LogLine { source, number, text, truncated: false, time: None }
    };
    if let Told::Event(known) = told {
        let (host, component) = quick.origin.and_then(|origin| memory.named(origin)).unzip();
        let stamps = match quick.outer {
            Some(outer) => Stamps::Few([outer, quick.inner], 2),
            None => Stamps::Few([quick.inner; 2], 1),
        };
        let (what, lines) = (What::Event(known), vec![line()]);
        let mark = twin::mark(quick.inner, quick.pid.unwrap_or_default(), quick.caller, quick.message);
        let words = None; // klog tells microseconds
        let (pod, stranger, of_object, began) = (None, false, false, None);
        out.hits.push(Hit {
            lines,
            stamps,
            what,
            component,
            host,
            pod,
            stranger,
            of_object,
            began,
            mark,
            words,
        });
    } else {
        out.count(&told, || Some(line()));
    }
    true
}

/// Peels and reads an entry whole.
pub(super) fn entry(
    entry: &Entry<'_>,
    source: SourceIndex,
    events: &EventSet,
    memory: &mut Memory,
    out: &mut Finds,
) {
    let texts: Vec<_> =
        entry.lines.iter().map(|&(number, start, end)| (number, text_of(entry.raw(start, end)))).collect();
    let Some((first, head)) = texts.first() else { return };
    let mut peeled = envelope::peel(head);
    if texts.len() > 1 {
        let glue = if peeled.partial { "" } else { "\n" };
        let mut message = peeled.message.into_owned();
        for (_, line) in texts.iter().skip(1) {
            message.push_str(glue);
            message.push_str(&envelope::peel(line).message);
        }
        peeled.message = message.into();
    }
    out.count_long(entry.cut, false, entry.number);
    let kept = texts.iter().filter(|(n, _)| texts.len() == 1 || *n == entry.number || n == first);
    let lines = kept.map(|(n, text)| line(source, *n, text)).collect();
    tell(&peeled, lines, (entry.piece, entry.end), events, memory, out);
}

/// Adds what a whole entry tells. It ends at the given place of its piece; a trace goes on behind it.
pub(super) fn tell(
    peeled: &Peeled<'_>,
    lines: Vec<LogLine>,
    end: (&[u8], usize),
    events: &EventSet,
    memory: &mut Memory,
    out: &mut Finds,
) {
    if let Some(trace) = trace::read(&peeled.message) {
        if let Some(what) = trace::find_call(trace, end.0, end.1) {
            out.hits.push(hit(end, peeled, lines, memory, What::Trace(Box::new(what))));
        }
        return;
    }
    let told = classify::classify(peeled, events, memory);
    // What tells of a failure has told why; in anything else the words of one may stand behind what is read.
    let behind = peeled.message.as_bytes().get(grammar::MAX_TEXT..).filter(|b| !b.is_empty());
    let lost = !matches!(told, Told::Event(_)) && behind.is_some_and(|b| events.find(b, 0, |_| {}).is_some());
    out.count_long(behind.is_some(), lost, lines.first().map_or(0, |line| line.number));
    match told {
        Told::Event(known) => out.hits.push(hit(end, peeled, lines, memory, What::Event(known))),
        told => out.count(&told, || lines.into_iter().next()),
    }
}

/// Valid UTF-8 as it stands; `from_utf8_lossy` alone would go through it byte by byte.
fn text_of(raw: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(raw).map_or_else(|_| String::from_utf8_lossy(raw), Cow::Borrowed)
}

fn hit(
    (piece, end): (&[u8], usize),
    peeled: &Peeled<'_>,
    lines: Vec<LogLine>,
    memory: &mut Memory,
    what: What,
) -> Hit {
    let began = if peeled.stamps.is_empty() { command_time(piece, end) } else { None };
    let mark = twin::mark_of(peeled);
    let component = peeled.ident.as_deref().or_else(|| began.map(|_| "kubectl"));
    Hit {
        lines,
        stamps: peeled.stamps.as_slice().into(),
        what,
        component: component.map(|name| memory.name(name)),
        host: peeled.host.as_deref().map(|name| memory.name(name)),
        pod: peeled.pod.as_deref().map(|name| memory.name(name)),
        stranger: peeled.stranger,
        of_object: peeled.layers.contains(&Layer::Event),
        began,
        words: if mark.is_none() { twin::words_of(peeled) } else { None },
        mark,
    }
}

/// The nearest comment `# 2026-11-21T02:24:47Z` above a line of a command's output, within 4 KiB.
fn command_time(piece: &[u8], at: usize) -> Option<Timestamp> {
    let before = piece.get(at.saturating_sub(4096)..at)?;
    let mark = memchr::memmem::rfind(before, b"\n# 2")
        .map(|n| n + 1)
        .or_else(|| before.starts_with(b"# 2").then_some(0))?;
    match stamp::rfc3339(before.get(mark + 2..)?) {
        Some((Stamp::Absolute(time, _), _)) => Some(time),
        _ => None,
    }
}

/// A line as it is kept: at most [`MAX_LINE`] bytes of it.
pub(super) fn line(source: SourceIndex, number: u64, text: &str) -> LogLine {
    let end = grammar::floor(text, MAX_LINE);
    let kept = text.get(..end).unwrap_or_default().to_owned();
    LogLine { source, number, truncated: end < text.len(), text: kept.into(), time: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unrecognised_lines_stay_within_their_number_and_their_room() {
        let line = |number: u64| {
            let text = LineText::from("x".repeat(100));
            LogLine { source: SourceIndex(0), number, text, truncated: false, time: None }
        };
        let kept = |room: usize| {
            let mut kept = Vec::new();
            for piece in 0..3 {
                keep_unrecognised(&mut kept, (1..=10).map(|n| line(10 * piece + n)), room);
            }
            kept.len()
        };
        assert_eq!([99, 100, 350, 1 << 20].map(kept), [0, 1, 3, MAX_UNRECOGNISED]);
    }
}
