//! Logs that are one JSON document, or a few: an array of records, on one line or over many.
//!
//! Takes the head of a file and says by which bytes its records begin; takes the bytes around a hit and gives the record
//! that holds it. So `gcloud logging read --format json`, `aws logs get-log-events`, `az monitor log-analytics query` and
//! what `jq` makes of logs are read record by record, in pieces, and never as a whole. The YAML of `gcloud logging read` is
//! read alike, a document for each record. Never looks into records that hold no hit.

use memchr::memmem;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::blocks::HEAD;
use super::envelope::{self, Peeled};
use super::json;
use crate::tree;

/// By which bytes records begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Records {
    marker: [u8; MARKER],
    len: u8,
    /// Of these, how many belong to what stands before.
    lead: u8,
}

/// Bytes of a marker: a line end with its indent, or a brace with the first key.
const MARKER: usize = 48;

/// A record, and where it stands in the bytes that were given.
pub(super) struct Record {
    pub peeled: Peeled<'static>,
    pub start: usize,
    pub end: usize,
}

impl Records {
    /// How a file that begins with these bytes falls into records; nothing where it does not, or where each is a line.
    pub(super) fn of(window: &[u8]) -> Option<Self> {
        let from = window.strip_prefix(b"\xef\xbb\xbf").map_or(0, |_| 3);
        let at = document_start(window, from)?;
        let head = window.get(..window.len().min(at + HEAD))?;
        let own = match head.get(at)? {
            b'{' => extent(head, at),
            b'[' => None,
            _ => return None,
        };
        if let Some(end) = own.filter(|&end| is_record(head.get(at..end).unwrap_or_default())) {
            // an object for each line is a log of lines
            return Self::lines(head, at).filter(|_| head.get(at..end).is_some_and(|o| o.contains(&b'\n')));
        }
        let at = first_in_array(head, at)?;
        let known = match extent(head, at) {
            Some(end) => is_record(head.get(at..end)?),
            None => KNOWN_KEYS.iter().any(|key| memmem::find(head, key).is_some()),
        };
        if !known {
            return None;
        }
        let line_start = memchr::memrchr(b'\n', head.get(..at)?).map_or(0, |n| n + 1);
        let own_line = line_start > 0 && head.get(line_start..at)?.iter().all(|b| matches!(b, b' ' | b'\t'));
        if own_line { Self::lines(head, at) } else { Self::keys(head, at) }
    }

    /// Each record begins a line, indented like the first one.
    fn lines(head: &[u8], at: usize) -> Option<Self> {
        let start = memchr::memrchr(b'\n', head.get(..at)?).map_or(0, |n| n + 1);
        let open = head.get(start..=at)?;
        let marker = [b"\n", open.strip_prefix(b"\xef\xbb\xbf").unwrap_or(open)].concat();
        Self::new(&marker, 1)
    }

    /// Each record begins with the same key.
    fn keys(head: &[u8], at: usize) -> Option<Self> {
        let text = head.get(at..)?;
        let quote = memchr::memchr(b'"', text)?;
        let key = memchr::memchr(b'"', text.get(quote + 1..)?)?;
        Self::new(text.get(..quote + key + 2)?, 0)
    }

    fn new(bytes: &[u8], lead: u8) -> Option<Self> {
        let mut marker = [0; MARKER];
        marker.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(Self { marker, len: bytes.len() as u8, lead })
    }

    pub(super) fn marker(&self) -> &[u8] {
        self.marker.get(..self.len.into()).unwrap_or_default()
    }

    pub(super) fn lead(self) -> usize {
        self.lead.into()
    }

    /// Whether a record begins at `start`, where its marker stands: behind another or at the head of an array.
    pub(super) fn begins(self, piece: &[u8], start: usize) -> bool {
        let before = piece.get(..start).unwrap_or_default().trim_ascii_end();
        self.lead > 0 || matches!(before.last(), None | Some(b',' | b'[' | b'}' | b']'))
    }
}

/// The record of a block that holds the byte `hit`: the block begins with one, others may follow it.
pub(super) fn around(block: &[u8], hit: usize) -> Option<Record> {
    let mut start = 0;
    loop {
        start += block.get(start..)?.iter().take_while(|b| b.is_ascii_whitespace() || **b == b',').count();
        let end = extent(block, start)?;
        if hit < end {
            let value = tree::first(block.get(start..end)?, json::MAX_VALUES)?;
            return Some(Record { peeled: peeled(&value)?, start, end });
        }
        start = end;
    }
}

/// The record of one document of YAML.
pub(super) fn document(block: &[u8]) -> Option<Peeled<'static>> {
    let text = std::str::from_utf8(block).ok()?;
    let text = text.strip_prefix("---").unwrap_or(text);
    peeled(&serde_saphyr::from_str::<Value>(text).ok()?)
}

/// What `gcloud logging read` prints where no format is asked for.
pub(super) fn is_yaml(head: &[u8]) -> bool {
    let has = |key: &[u8]| memmem::find(head, key).is_some();
    let payload = [&b"\ntextPayload: "[..], b"\njsonPayload:", b"\nprotoPayload:"];
    head.starts_with(b"---\n")
        && has(b"\ninsertId: ")
        && (has(b"\nlogName: ") || payload.iter().any(|p| has(p)))
}

/// A record read down to its message.
fn peeled(value: &Value) -> Option<Peeled<'static>> {
    let mut outer = Peeled::default();
    let line = match value {
        Value::Object(object) => json::record(object, &mut outer),
        Value::Array(fields) => json::record(&row(fields)?, &mut outer),
        _ => None,
    }?;
    Some(envelope::peel_inside(&line, outer))
}

/// `[{"field":"@timestamp","value":"…"},{"field":"@message","value":"…"}]`, as `aws logs get-query-results` gives a row.
fn row(fields: &[Value]) -> Option<Map<String, Value>> {
    let pair = |field: &Value| Some((field.get("field")?.as_str()?.to_owned(), field.get("value")?.clone()));
    fields.iter().map(pair).collect()
}

/// A whole value is a record that tells its time, and no event of Kubernetes: those have a framing of their own.
fn is_record(json: &[u8]) -> bool {
    let value = tree::first(json, json::MAX_VALUES);
    let found = value.as_ref().and_then(peeled);
    found.is_some_and(|p| !p.stamps.is_empty() && p.layers.first() != Some(&envelope::Layer::Event))
}

/// Where the value ends that begins at `start`.
pub(super) fn extent(text: &[u8], start: usize) -> Option<usize> {
    let mut values = serde_json::Deserializer::from_slice(text.get(start..)?).into_iter::<IgnoredAny>();
    values.next()?.ok()?;
    Some(start + values.byte_offset())
}

/// Where the document begins: at once, or behind a few lines of text, such as the command that printed it.
fn document_start(head: &[u8], from: usize) -> Option<usize> {
    let mut at = from + spaces(head.get(from..)?);
    for _ in 0..MAX_TEXT_LINES {
        let line = head.get(at..)?;
        if matches!(line.first()?, b'{' | b'[') {
            break;
        }
        let len = memchr::memchr(b'\n', line)?;
        if !envelope::peel(&String::from_utf8_lossy(line.get(..len.min(HEAD))?)).layers.is_empty() {
            return None; // a log of lines, whatever they quote
        }
        at += len + 1;
        at += spaces(head.get(at..)?);
    }
    Some(at)
}

/// Lines of text in front of a document.
const MAX_TEXT_LINES: usize = 8;

/// Where the first object of the first array of objects begins; of an array of arrays of them, the inner array.
fn first_in_array(text: &[u8], from: usize) -> Option<usize> {
    let (mut at, mut quoted) = (from, false);
    while let Some(byte) = text.get(at) {
        match byte {
            b'\\' if quoted => at += 1,
            b'"' => quoted = !quoted,
            b'[' if !quoted => {
                let first = at + 1 + spaces(text.get(at + 1..)?);
                match text.get(first)? {
                    b'{' => return Some(first),
                    b'[' => {
                        let inner = first + 1 + spaces(text.get(first + 1..)?);
                        return (text.get(inner) == Some(&b'{')).then_some(first);
                    }
                    _ => {}
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}

fn spaces(text: &[u8]) -> usize {
    text.iter().take_while(|b| b.is_ascii_whitespace()).count()
}

/// Keys by which records are known whose first one is longer than the head that is looked at.
const KNOWN_KEYS: [&[u8]; 7] = [
    b"\"textPayload\":",
    b"\"jsonPayload\":",
    b"\"protoPayload\":",
    b"\"@message\"",
    b"\"ingestionTime\":",
    b"\"TimeGenerated\":",
    b"\"auditID\":",
];

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = r#"{"timestamp":1795227887531,"message":"W1121 02:24:47.529354       1 d.go:1] m \"},{\"timestamp\"","ingestionTime":1795227889031}"#;
    const TWO: &str = r#"{"ingestionTime":1795227890031,"timestamp":1795227888531,"message":"I1121 02:24:48.500000       1 d.go:2] n"}"#;

    fn messages(document: &str) -> Vec<String> {
        let bytes = document.as_bytes();
        let at = first_in_array(bytes, 0).unwrap();
        let hits = document.match_indices(".go:").map(|(n, _)| n - at);
        hits.map(|hit| around(&bytes[at..], hit).unwrap().peeled.message.into_owned()).collect()
    }

    #[test]
    fn records_are_found_whatever_the_order_of_their_keys() {
        let expected = [r#"m "},{"timestamp""#, "n"];
        for document in [format!(r#"{{"events":[{ONE},{TWO}]}}"#), format!("[\n  {ONE},\n  {TWO}\n]\n")] {
            assert_eq!(messages(&document), expected, "{document}");
        }
    }

    #[test]
    fn a_document_says_how_its_records_begin() {
        let pretty = "{\n    \"events\": [\n        {\n            \"timestamp\": 1795227887531,\n            \"message\": \"m\"\n        }\n    ]\n}\n";
        let rows = r#"{"results": [[{"field": "@timestamp", "value": "2026-11-21 02:24:47.531"}, {"field": "@message", "value": "m"}]]}"#;
        let alone = "{\n  \"textPayload\": \"m\",\n  \"timestamp\": \"2026-11-21T02:24:47Z\"\n}\n{\n";
        for (document, marker) in [
            (&format!(r#"{{"events": [{ONE}, {TWO}]}}"#)[..], r#"{"timestamp""#),
            (&format!("[\n{ONE},\n{TWO}\n]"), "\n{"),
            (pretty, "\n        {"),
            (rows, r#"[{"field""#),
            (alone, "\n{"),
        ] {
            let records = Records::of(document.as_bytes()).unwrap_or_else(|| panic!("{document}"));
            assert_eq!(std::str::from_utf8(records.marker()), Ok(marker), "{document}");
        }
        for other in [
            ONE,
            &format!("{ONE}\n{TWO}\n"),
            "[pod/a/b] m",
            "[{\"a\":1}]",
            r#"[{"kind": "Event", "reason": "r", "message": "m", "lastTimestamp": "2026-11-21T02:24:47Z"}]"#,
            "{",
            "[",
            "",
        ] {
            assert_eq!(Records::of(other.as_bytes()), None, "{other}");
        }
    }
}
