//! Logs whose entries are blocks of lines: `journalctl -o export`, `verbose` and `json-pretty`, events of Kubernetes as
//! `kubectl get events -o json` and `-o yaml` print them, records of a JSON document (`records`), rows of a table (`csv`).
//!
//! Takes the head of a file and names its [`Framing`]; takes pieces of it and gives the block around a byte where blocks
//! are looked for (others are walked through, in `items`), and what a block says as a [`Said`]. Never reads files and never
//! joins entries.

use memchr::memmem;
use serde_json::Value;

use super::csv::Columns;
use super::envelope::{self, Layer, Peeled};
use super::items::{Lines, Walk, Walker};
use super::json::{self, epoch_micros};
use super::outputs::{Export, field_name, is_verbose_head};
use super::records::{self, Record, Records};
use super::{EventSet, stamp};
use crate::tree;

/// How the bytes of a log fall into entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Framing {
    /// One a line, but for continuation lines.
    #[default]
    Lines,
    /// One JSON object of a journal a line, whose message may be an array of bytes.
    JournalJson,
    Export,
    Verbose,
    JsonPretty,
    /// Objects of which some are events.
    EventsJson,
    EventsYaml,
    /// Objects of a JSON document.
    Records(Records),
    /// Rows of a table.
    Csv(Columns),
    /// One document of YAML for each record.
    YamlRecords,
}

/// What one block says.
pub(super) struct Said {
    pub peeled: Peeled<'static>,
    /// Process that wrote it, as its field has it.
    pub pid: Option<String>,
    /// Where in the block the line begins that holds the message.
    pub at: usize,
    /// Where what holds the message ends, if that is not with its line: other records stand on it.
    pub to: Option<usize>,
    /// Where the entry ends: the block may hold others behind it.
    pub end: usize,
}

impl Said {
    /// A block that is one entry, with the message on the line at `at`.
    fn whole(peeled: Peeled<'static>, pid: Option<String>, at: usize, block: &[u8]) -> Self {
        Self { peeled, pid, at, to: None, end: block.len() }
    }

    /// A record of a block; the message is where `hit` is. Where `apart`, what begins a block begins a line.
    fn record(record: Record, block: &[u8], hit: usize, apart: bool) -> Self {
        let Record { peeled, start, end } = record;
        let value = block.get(start..end).unwrap_or_default();
        let alone = value.contains(&b'\n') || apart && shares_no_line(block, start, end);
        let (at, to) = if alone { (line_start(block, hit.max(start)), None) } else { (start, Some(end)) };
        Self { peeled, pid: None, at, to, end }
    }
}

/// Bytes of a file that tell its framing.
pub(super) const HEAD: usize = 8 << 10;

/// The first line of a document of objects, as JSON or as YAML: a log may quote one.
fn is_json(first: &[u8]) -> bool {
    matches!(first.trim_ascii(), b"{" | b"[")
}

fn is_object(first: &[u8]) -> bool {
    const BEGINS: [&[u8]; 6] = [b"apiVersion:", b"items:", b"kind:", b"metadata:", b"- apiVersion:", b"- "];
    first == b"---" || BEGINS.iter().any(|begin| first.starts_with(begin))
}

impl Framing {
    /// The framing of a file that begins with these bytes.
    pub(super) fn of(window: &[u8]) -> Self {
        let head = window.get(..window.len().min(HEAD)).unwrap_or_default();
        let has = |needle: &[u8]| memmem::find(head, needle).is_some();
        let first = head.split(|&b| b == b'\n').find(|l| !l.is_empty() && !l.starts_with(b"-- "));
        let first = first.unwrap_or_default();
        match () {
            () if field_name(first).is_some() && has(b"__REALTIME_TIMESTAMP=") => Self::Export,
            () if is_verbose_head(first) => Self::Verbose,
            () if first == b"{" && has(b"\t\"__") && has(b"\" : ") => Self::JsonPretty,
            () if has(b"\"__REALTIME_TIMESTAMP\":\"") => Self::JournalJson,
            () if let Some(records) = Records::of(window) => Self::Records(records),
            () if let Some(columns) = Columns::of(head) => Self::Csv(columns),
            () if records::is_yaml(head) => Self::YamlRecords,
            () if is_json(first) && has(b"\"kind\": \"Event") && !has(b"audit.k8s.io/") => Self::EventsJson,
            () if is_object(first) && (has(b"\nkind: Event\n") || has(b"\n  kind: Event\n")) => {
                Self::EventsYaml
            }
            () => Self::Lines,
        }
    }

    /// Entries are blocks of several lines.
    pub(super) fn is_blocks(self) -> bool {
        !matches!(self, Self::Lines | Self::JournalJson)
    }

    /// How a text is walked through whose blocks could be forged in what they hold; others are looked for.
    pub(super) fn walker(self) -> Option<Walker> {
        match self {
            Self::EventsJson | Self::JsonPretty => Some(Walker::Json(Walk::default())),
            Self::EventsYaml => Some(Walker::Yaml(Lines::default())),
            Self::Export => Some(Walker::Export(Export::default())),
            Self::Verbose => Some(Walker::Verbose),
            Self::Lines | Self::JournalJson | Self::Records(_) | Self::Csv(_) | Self::YamlRecords => None,
        }
    }

    /// What is no entry is read as a line: a document may be cut, or hold what is no record, and a log may stand behind a
    /// journal. What stands between objects is none.
    pub(super) fn falls_back(self) -> bool {
        !matches!(self, Self::EventsJson | Self::EventsYaml)
    }

    /// Where the last block begins that begins at or before `at`; 0 where none does.
    pub(super) fn start(self, piece: &[u8], at: usize) -> usize {
        let marker = self.marker();
        let mut end = at.saturating_add(marker.len()).min(piece.len());
        while let Some(n) = memmem::rfind(piece.get(..end).unwrap_or_default(), marker) {
            let start = n + self.lead();
            if start <= at && self.begins(piece, start) {
                return start;
            }
            end = n + marker.len() - 1;
        }
        0
    }

    /// Where the block ends that `at` lies in: where the next begins, or at the end of the piece.
    pub(super) fn end(self, piece: &[u8], at: usize) -> usize {
        let marker = self.marker();
        let mut from = at;
        while let Some(n) = piece.get(from..).and_then(|p| memmem::find(p, marker)).map(|n| n + from) {
            let start = n + self.lead();
            if start > at && self.begins(piece, start) {
                return start;
            }
            from = n + 1;
        }
        piece.len()
    }

    /// The bytes before and at the begin of a block that is looked for.
    fn marker(&self) -> &[u8] {
        match self {
            Self::Records(records) => records.marker(),
            Self::YamlRecords => b"\n---\n",
            _ => b"\n",
        }
    }

    /// Bytes of the marker that belong to the block before.
    fn lead(self) -> usize {
        if let Self::Records(records) = self { records.lead() } else { 1 }
    }

    fn begins(self, piece: &[u8], start: usize) -> bool {
        match self {
            Self::Records(records) => records.begins(piece, start),
            Self::Csv(columns) => columns.begins(piece.get(start..).unwrap_or_default()),
            _ => true,
        }
    }

    /// What a block says, of several entries in it the one that holds the byte `hit`; nothing where it has no message.
    pub(super) fn read(self, block: &[u8], hit: usize) -> Option<Said> {
        match self {
            Self::Records(records) => {
                let apart = records.lead() > 0;
                records::around(block, hit).map(|record| Said::record(record, block, hit, apart))
            }
            Self::Csv(columns) => {
                columns.around(block, hit).map(|record| Said::record(record, block, hit, true))
            }
            Self::YamlRecords => {
                Some(Said::whole(records::document(block)?, None, line_start(block, hit), block))
            }
            Self::Lines | Self::JournalJson => None,
            Self::Export => export(block),
            Self::Verbose => verbose(block),
            Self::JsonPretty => json_pretty(block),
            Self::EventsJson => event_json(block, hit),
            Self::EventsYaml => event_yaml(block),
        }
    }
}

/// Finds what is worth reading: triggers, and messages that journald gives as an array of bytes, which no trigger finds.
pub(super) struct Hits<'e> {
    events: &'e EventSet,
    array: Option<&'static [u8]>,
    /// The next trigger and the next array, as far as they have been looked for: a file full of the one is not searched
    /// to its end for the other again and again.
    trigger: Next,
    next: Next,
}

/// The next of something in a piece.
#[derive(Clone, Copy)]
enum Next {
    Unknown,
    At(usize, usize),
    None,
}

impl Framing {
    /// A search that goes through pieces of this framing from front to back.
    pub(super) fn hits(self, events: &EventSet) -> Hits<'_> {
        let array: Option<&[u8]> = match self {
            Self::JournalJson => Some(b"\"MESSAGE\":["),
            Self::JsonPretty => Some(b"\"MESSAGE\" : ["),
            _ => None,
        };
        Hits { events, array, trigger: Next::Unknown, next: Next::Unknown }
    }
}

impl Hits<'_> {
    /// The first hit at or after `at`, as a range of bytes. `heading` gets the places before it that a heading may hold.
    pub(super) fn find(
        &mut self,
        piece: &[u8],
        at: usize,
        heading: impl FnMut(usize),
    ) -> Option<(usize, usize)> {
        let trigger = self.trigger.from(at, || self.events.find(piece, at, heading));
        let Some(array) = self.array else { return trigger };
        let array = self.next.from(at, || {
            let n = piece.get(at..).and_then(|p| memmem::find(p, array))? + at;
            Some((n, n + array.len()))
        });
        trigger.into_iter().chain(array).min()
    }
}

impl Next {
    /// The first at or after `at`, looked for only when the one that is known lies before.
    fn from(&mut self, at: usize, find: impl FnOnce() -> Option<(usize, usize)>) -> Option<(usize, usize)> {
        let known = match *self {
            Self::At(start, end) => (start >= at).then_some((start, end)),
            Self::None => return None,
            Self::Unknown => None,
        };
        let next = known.or_else(find);
        *self = next.map_or(Self::None, |(start, end)| Self::At(start, end));
        next
    }
}

/// The fields of a journal entry that count here.
#[derive(Default)]
struct Fields {
    source_micros: Option<i64>,
    micros: Option<i64>,
    host: Option<String>,
    identifier: Option<String>,
    unit: Option<String>,
    command: Option<String>,
    pid: Option<String>,
    message: Option<(usize, String)>,
}

impl Fields {
    fn set(&mut self, name: &[u8], value: &[u8], at: usize) {
        let text = || String::from_utf8_lossy(value).into_owned();
        let number = || std::str::from_utf8(value).ok()?.parse().ok();
        match name {
            b"_SOURCE_REALTIME_TIMESTAMP" => self.source_micros = number(),
            b"__REALTIME_TIMESTAMP" => self.micros = number(),
            b"_HOSTNAME" => self.host = Some(text()),
            b"SYSLOG_IDENTIFIER" => self.identifier = Some(text()),
            b"_SYSTEMD_UNIT" => self.unit = Some(text()),
            b"_COMM" => self.command = Some(text()),
            b"_PID" | b"SYSLOG_PID" => self.pid = Some(text()),
            b"MESSAGE" => self.message = Some((at, text())),
            _ => {}
        }
    }

    fn said(self, output: &'static str, head: Peeled<'static>, block: &[u8]) -> Option<Said> {
        let (at, message) = self.message?;
        let mut peeled = head;
        peeled.layers.push(Layer::Journal(output));
        if let Some(micros) = self.source_micros.or(self.micros.filter(|_| peeled.stamps.is_empty())) {
            peeled.stamps = vec![epoch_micros(micros)];
        }
        peeled.host = self.host;
        let ident = self.identifier.or(self.unit).or(self.command);
        peeled.ident = ident.map(|i| i.strip_suffix(".service").unwrap_or(&i).to_owned());
        Some(Said::whole(envelope::peel_inside(&message, peeled), self.pid, at, block))
    }
}

fn export(block: &[u8]) -> Option<Said> {
    let mut fields = Fields::default();
    let mut at = 0;
    while let Some(rest) = block.get(at..).filter(|r| !r.is_empty()) {
        let line = rest.get(..memchr::memchr(b'\n', rest).unwrap_or(rest.len()))?;
        if let Some(equals) = memchr::memchr(b'=', line) {
            fields.set(line.get(..equals)?, line.get(equals + 1..)?, at);
            at += line.len() + 1;
            continue;
        }
        at += line.len() + 1;
        let binary = block.get(at..).and_then(|r| r.split_first_chunk::<8>()).filter(|_| !line.is_empty());
        let Some((length, value)) = binary else { continue };
        let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX).min(value.len());
        fields.set(line, value.get(..length)?, at + 8);
        at += 8 + length + 1;
    }
    fields.said("journal export", Peeled::default(), block)
}

fn verbose(block: &[u8]) -> Option<Said> {
    const INDENT: &[u8] = b"    ";
    let mut fields = Fields::default();
    let mut head = Peeled::default();
    let mut at = 0;
    // the field that is being read: it goes on over lines that are indented further
    let mut open: Option<(&[u8], Vec<u8>, usize)> = None;
    for (n, line) in block.split(|&b| b == b'\n').enumerate() {
        let inside = line.strip_prefix(INDENT);
        if n == 0 {
            let (stamp, _, zone) = stamp::weekday_first(line)?;
            head.stamps.push(stamp);
            head.zone_name = zone.map(|z| String::from_utf8_lossy(z).into_owned());
        } else if let Some((name, value)) = inside.and_then(|l| Some((field_name(l)?, l))) {
            if let Some((name, value, at)) = open.take() {
                fields.set(name, &value, at);
            }
            open = Some((name, value.get(name.len() + 1..)?.to_vec(), at));
        } else if let Some((_, value, _)) = open.as_mut().filter(|_| !line.is_empty()) {
            value.push(b'\n');
            value.extend_from_slice(line.trim_ascii_start());
        }
        at += line.len() + 1;
    }
    if let Some((name, value, at)) = open {
        fields.set(name, &value, at);
    }
    fields.said("journal verbose", head, block)
}

fn json_pretty(block: &[u8]) -> Option<Said> {
    let object = tree::object(block.trim_ascii(), json::MAX_VALUES)?;
    let mut peeled = Peeled::default();
    let message = json::journal(&object, &mut peeled)?;
    peeled.layers = vec![Layer::Journal("journal json-pretty")];
    let pid = object.get("_PID").and_then(Value::as_str).map(str::to_owned);
    let at = memmem::find(block, b"\t\"MESSAGE\" :").unwrap_or(0);
    Some(Said::whole(envelope::peel_inside(&message, peeled), pid, at, block))
}

fn event_json(block: &[u8], hit: usize) -> Option<Said> {
    let mut peeled = Peeled::default();
    let message = json::event(tree::first(block, json::MAX_VALUES)?.as_object()?, &mut peeled)?;
    let peeled = Peeled { message: message.into(), ..peeled };
    let at = memmem::find(block, b"\"message\": ").unwrap_or(hit);
    Some(Said::record(Record { peeled, start: 0, end: block.len() }, block, at, false))
}

/// An item of a list, or a document.
fn event_yaml(block: &[u8]) -> Option<Said> {
    let text = std::str::from_utf8(block).ok()?;
    if text.trim_start_matches(' ').starts_with("- ") {
        let items: Vec<Value> = serde_saphyr::from_str(text).ok()?;
        return event(items.first()?, yaml_message(block), block);
    }
    let text = text.strip_prefix("---\n").unwrap_or(text);
    event(&serde_saphyr::from_str::<Value>(text).ok()?, yaml_message(block), block)
}

/// Where the line of the message begins.
fn yaml_message(block: &[u8]) -> usize {
    memmem::find(block, b"message: ").map_or(0, |n| line_start(block, n))
}

fn event(value: &Value, at: usize, block: &[u8]) -> Option<Said> {
    let mut peeled = Peeled::default();
    let message = json::event(value.as_object()?, &mut peeled)?;
    Some(Said::whole(Peeled { message: message.into(), ..peeled }, None, at, block))
}

/// Nothing but commas and brackets stands on the lines of a record beside it.
fn shares_no_line(block: &[u8], start: usize, end: usize) -> bool {
    let after = block.get(end..).unwrap_or_default();
    let after = after.get(..memchr::memchr(b'\n', after).unwrap_or(after.len())).unwrap_or_default();
    let before = block.get(line_start(block, start)..start).unwrap_or_default();
    before.iter().chain(after).all(|b| b.is_ascii_whitespace() || matches!(b, b',' | b'[' | b']' | b'}'))
}

fn line_start(block: &[u8], at: usize) -> usize {
    memchr::memrchr(b'\n', block.get(..at).unwrap_or_default()).map_or(0, |n| n + 1)
}

#[cfg(test)]
mod tests {
    use super::super::items::{self, Item};
    use super::*;

    const EXPORT: &str = "__CURSOR=s=1\n__REALTIME_TIMESTAMP=1795227887529354\n_HOSTNAME=cp-1\nMESSAGE=W1121 02:24:47.529300   28800 \
                          d.go:1] m\nSYSLOG_IDENTIFIER=kube-apiserver\n\n__CURSOR=s=2\n__REALTIME_TIMESTAMP=1795227888000000\n";
    const VERBOSE: &str = "Sat 2026-11-21 02:24:47.529354 UTC [s=1;i=2]\n    _HOSTNAME=cp-1\n    MESSAGE=W1121 02:24:47.529300   \
                           28800 d.go:1] m\n    SYSLOG_IDENTIFIER=kube-apiserver\nSat 2026-11-21 02:24:48.000000 UTC [s=2]\n";
    const PRETTY: &str = "{\n\t\"__REALTIME_TIMESTAMP\" : \"1795227887529354\",\n\t\"_HOSTNAME\" : \"cp-1\",\n\
                          \t\"MESSAGE\" : \"W1121 02:24:47.529300   28800 d.go:1] m\",\n\
                          \t\"SYSLOG_IDENTIFIER\" : \"kube-apiserver\"\n}\n{\n\t\"__CURSOR\" : \"s=2\"\n}\n";
    /// As `kubectl get events -o json` and `-o yaml` print them.
    const EVENTS_JSON: &str = r#"{
    "apiVersion": "v1",
    "items": [
        {
            "apiVersion": "v1",
            "count": 3,
            "eventTime": null,
            "firstTimestamp": "2026-11-21T02:24:17Z",
            "kind": "Event",
            "lastTimestamp": "2026-11-21T02:24:47Z",
            "message": "m",
            "reason": "Unhealthy",
            "reportingComponent": "kubelet",
            "reportingInstance": "cp-1",
            "source": {
                "component": "kubelet",
                "host": "cp-1"
            }
        },
        {
            "kind": "Event",
            "message": "n",
            "reason": "Started"
        }
    ],
    "kind": "List"
}
"#;
    const EVENTS_YAML: &str = "apiVersion: v1\nitems:\n- apiVersion: v1\n  count: 3\n  eventTime: null\n  kind: Event\n  \
                               lastTimestamp: \"2026-11-21T02:24:47Z\"\n  message: m\n  reason: Unhealthy\n  source:\n    component: kubelet\n    host: cp-1\n\
                               - kind: Event\n  message: n\n  reason: Started\nkind: List\nmetadata: {}\n";

    #[test]
    fn a_block_says_who_wrote_its_message_and_when() {
        for (framing, text, at, second) in [
            (Framing::Export, EXPORT, "d.go", "__CURSOR=s=2"),
            (Framing::Verbose, VERBOSE, "d.go", "Sat 2026-11-21 02:24:48"),
            (Framing::JsonPretty, PRETTY, "d.go", "\n{\n\t\"__CURSOR"),
            (Framing::EventsJson, EVENTS_JSON, "Unhealthy", ",\n        {\n            \"kind\""),
            (Framing::EventsYaml, EVENTS_YAML, "Unhealthy", "- kind: Event"),
        ] {
            let bytes = text.as_bytes();
            assert_eq!(Framing::of(bytes), framing, "{text}");
            let hit = text.find(at).unwrap();
            let items = items::all(framing.walker().unwrap(), bytes);
            let (start, end) = items::around(&items, hit).and_then(Item::range).unwrap();
            assert!(text[end..].starts_with(second), "{framing:?}: {}", &text[start..end]);
            let said = framing.read(&bytes[start..end], hit - start).unwrap();
            assert!(
                text[start + said.at..]
                    .trim_start()
                    .to_lowercase()
                    .trim_start_matches('"')
                    .starts_with("message")
            );
            let stamp = said.peeled.stamps.first().copied();
            let time = match stamp {
                Some(stamp::Stamp::Absolute(time, _)) => time.to_string(),
                other => format!("{other:?}"),
            };
            assert!(time.starts_with("2026-11-21T02:24:47"), "{framing:?}: {time}");
            assert_eq!(
                (said.peeled.host.as_deref(), &*said.peeled.message),
                (Some("cp-1"), "m"),
                "{framing:?}"
            );
            assert!(
                matches!(said.peeled.ident.as_deref(), Some("kube-apiserver" | "kubelet")),
                "{framing:?}"
            );
        }
    }

    /// A file full of arrays and without a trigger was searched to its end for each array.
    #[test]
    fn what_is_not_there_is_looked_for_once() {
        let mut next = Next::Unknown;
        let mut searches = 0;
        for at in 0..10_000 {
            next.from(at, || {
                searches += 1;
                (searches == 1).then_some((4_000, 4_007))
            });
        }
        assert_eq!(searches, 2, "once for the one that is there, once for that there is no other");
        let text =
            "{\"__REALTIME_TIMESTAMP\":\"1\",\"MESSAGE\":[104,105]}\n".repeat(40) + "connection refused\n";
        let events = EventSet::builtin();
        let mut hits = Framing::JournalJson.hits(&events);
        let (mut at, mut found) = (0, Vec::new());
        while let Some((start, end)) = hits.find(text.as_bytes(), at, |_| {}) {
            found.push(&text[start..end]);
            at = end;
        }
        assert_eq!(found.iter().filter(|f| f.starts_with("\"MESSAGE")).count(), 40);
        assert!(found.last().is_some_and(|last| !last.starts_with("\"MESSAGE")), "{found:?}");
    }

    #[test]
    fn a_block_cut_anywhere_is_read_or_not() {
        for (framing, text) in [
            (Framing::Export, EXPORT),
            (Framing::Verbose, VERBOSE),
            (Framing::JsonPretty, PRETTY),
            (Framing::EventsJson, EVENTS_JSON),
            (Framing::EventsYaml, EVENTS_YAML),
        ] {
            for n in 0..text.len() {
                let bytes = &text.as_bytes()[..n];
                let _ = framing.read(bytes, n / 2);
                for (start, end) in
                    items::all(framing.walker().unwrap(), bytes).into_iter().filter_map(Item::range)
                {
                    let _ = framing.read(&bytes[start..end], 0);
                }
                let _ = Framing::of(bytes);
            }
        }
    }
}
