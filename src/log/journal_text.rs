//! Journal entries of several lines: `journalctl -o export` and `-o verbose`.
//!
//! Takes the bytes around a `MESSAGE=` line; gives time, host and identifier of its entry. Export: fields one a line, an
//! empty line between entries, `__REALTIME_TIMESTAMP` in microseconds (systemd.io/JOURNAL_EXPORT_FORMATS). Verbose: a
//! head `Sat 2026-11-21 02:24:47.529354 UTC [s=…]`, then indented fields. Never reads binary journals.

use memchr::memmem;

use super::envelope::Peeled;
use super::json::epoch_micros;
use super::stamp::{self, Stamp};

/// Bytes before and after the message in which its entry is looked for.
const REACH: usize = 16 << 10;

/// Fills in what the entry's other fields say of the line at `at..end`.
pub(super) fn complete(peeled: &mut Peeled<'_>, piece: &[u8], at: usize, end: usize) {
    let before = piece.get(at.saturating_sub(REACH)..at).unwrap_or_default();
    let after = piece.get(end..end.saturating_add(REACH).min(piece.len())).unwrap_or_default();
    let verbose = piece.get(at) == Some(&b' ');
    let (head, rest) = if verbose { verbose_entry(before, after) } else { export_entry(before, after) };
    let field = |name: &str| field(head, name).or_else(|| field(rest, name));
    let time = if verbose { verbose_time(head) } else { None };
    let micros =
        || field("_SOURCE_REALTIME_TIMESTAMP").or_else(|| field("__REALTIME_TIMESTAMP"))?.parse().ok();
    if let Some(stamp) = time.or_else(|| micros().map(epoch_micros)) {
        peeled.stamps.insert(0, stamp);
    }
    peeled.host = field("_HOSTNAME");
    let ident = field("SYSLOG_IDENTIFIER").or_else(|| field("_SYSTEMD_UNIT")).or_else(|| field("_COMM"));
    peeled.ident = ident.map(|i| i.strip_suffix(".service").unwrap_or(&i).to_owned());
}

/// Entries end with an empty line.
fn export_entry<'p>(before: &'p [u8], after: &'p [u8]) -> (&'p [u8], &'p [u8]) {
    let start = memmem::rfind(before, b"\n\n").map_or(0, |n| n + 1);
    let end = memmem::find(after, b"\n\n").unwrap_or(after.len());
    (before.get(start..).unwrap_or_default(), after.get(..end).unwrap_or_default())
}

/// An entry goes from its head, the nearest line that is not indented, to the next of that kind.
fn verbose_entry<'p>(before: &'p [u8], after: &'p [u8]) -> (&'p [u8], &'p [u8]) {
    let mut start = before.len();
    for line in before.strip_suffix(b"\n").unwrap_or(before).rsplit(|&b| b == b'\n') {
        start = start.saturating_sub(line.len() + 1);
        if line.first().is_some_and(|b| *b != b' ') {
            break;
        }
    }
    let mut end = 0;
    for line in after.strip_prefix(b"\n").unwrap_or(after).split(|&b| b == b'\n') {
        if line.first().is_some_and(|b| *b != b' ') {
            break;
        }
        end += line.len() + 1;
    }
    (before.get(start..).unwrap_or_default(), after.get(..end.min(after.len())).unwrap_or_default())
}

fn verbose_time(head: &[u8]) -> Option<Stamp> {
    stamp::weekday_first(head).map(|(stamp, ..)| stamp)
}

/// The value of a field that stands on a line of its own.
fn field(entry: &[u8], name: &str) -> Option<String> {
    entry.split(|&b| b == b'\n').find_map(|line| {
        let value = line.trim_ascii_start().strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        Some(String::from_utf8_lossy(value).into_owned())
    })
}
