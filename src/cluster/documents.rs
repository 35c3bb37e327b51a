//! Text of objects in, one JSON value for each object out.
//!
//! Takes JSON (one object, Lists, several documents, NDJSON, arrays) and YAML (several documents, Lists); gives each
//! object by itself to a sink, so that only one stands in memory as a tree. Where a document is damaged, the items of
//! a List that stand whole by their indentation are still read. Depth and aliases of YAML are bounded by its parser.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use serde_saphyr::budget::BudgetBreach;

use crate::bundle::Limits;
use crate::error::{Place, Weirds};

/// Where objects go.
pub(super) type Sink<'a> = dyn FnMut(Value) + 'a;

/// Reads all documents of `text`.
pub(super) fn read(text: &str, limits: &Limits, problems: &mut Weirds, sink: &mut Sink<'_>) {
    let text = text.trim_start_matches('\u{feff}');
    if text.trim_start().starts_with(['{', '[']) {
        json(text, problems, sink);
    } else {
        for (line, document) in yaml_documents(text) {
            yaml(document, line, limits, problems, sink);
        }
    }
}

/// One JSON document after another, whatever stands between them.
fn json(text: &str, problems: &mut Weirds, sink: &mut Sink<'_>) {
    let mut at = 0;
    while let Some(start) = next_json(text, at) {
        let rest = text.get(start..).unwrap_or_default();
        let mut stream = serde_json::Deserializer::from_str(rest).into_iter::<IgnoredAny>();
        match stream.next() {
            Some(Ok(_)) => {
                let end = start + stream.byte_offset();
                let document = text.get(start..end).unwrap_or_default();
                if let Err(e) = walk_json(document, &mut *sink) {
                    problems.loss("damaged_object", Place::Line(line_at(text, start)), || e.to_string());
                }
                at = end;
            }
            Some(Err(e)) => {
                let end = rest.get(1..).and_then(|r| r.find("\n{")).map_or(text.len(), |n| start + n + 2);
                let document = text.get(start..end).unwrap_or_default();
                let first = line_at(text, start);
                problems.loss("damaged_object", Place::Line(first + e.line() as u64 - 1), || {
                    format!("JSON is damaged here ({e}); the objects that stand whole are read")
                });
                salvage(document, Syntax::Json, sink);
                at = end;
            }
            None => break,
        }
    }
}

/// Where the next document begins: at once, or at the next line that opens one.
fn next_json(text: &str, at: usize) -> Option<usize> {
    let rest = text.get(at..)?;
    let skipped = rest.len() - rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',').len();
    match rest.get(skipped..)?.chars().next()? {
        '{' | '[' => Some(at + skipped),
        _ => rest.find("\n{").map(|n| at + n + 1),
    }
}

fn walk_json(document: &str, sink: &mut Sink<'_>) -> Result<(), serde_json::Error> {
    Walk { sink }.deserialize(&mut serde_json::Deserializer::from_str(document))
}

/// Documents between `---` lines, with the line that each begins at.
fn yaml_documents(text: &str) -> Vec<(u64, &str)> {
    let (mut documents, mut start, mut first, mut offset) = (Vec::new(), 0, 1, 0);
    for (n, line) in (1..).zip(text.split_inclusive('\n')) {
        let bare = line.trim_end();
        if bare == "---" || bare == "..." || bare.starts_with("--- ") {
            documents.push((first, text.get(start..offset).unwrap_or_default()));
            start = offset + if bare.starts_with("--- ") { 4 } else { line.len() };
            first = n + 1;
        }
        offset += line.len();
    }
    documents.push((first, text.get(start..).unwrap_or_default()));
    documents.retain(|(_, d)| d.lines().any(|l| !l.trim().is_empty() && !l.starts_with('#')));
    documents
}

fn yaml(document: &str, line: u64, limits: &Limits, problems: &mut Weirds, sink: &mut Sink<'_>) {
    // What is no object at all (text between documents, a values file) is left in peace.
    if !document.contains("kind:") && !document.contains("\"kind\"") {
        return;
    }
    let mut read = 0;
    let mut counting = |value| {
        read += 1;
        sink(value);
    };
    if let Err(e) = walk_yaml(document, limits, &mut counting) {
        let (name, remedy) = breach(&e).unwrap_or(("damaged_object", ""));
        problems.loss(name, Place::Line(line), || {
            let text = e.to_string();
            let short = text.lines().next().unwrap_or_default().to_owned();
            format!("the YAML document that begins here stops ({short}); the objects that stand whole are read{remedy}")
        });
        let mut skip = read;
        salvage(document, Syntax::Yaml(limits), &mut |value| {
            if skip == 0 {
                sink(value);
            } else {
                skip -= 1;
            }
        });
    }
}

/// The limit that a document went past, and the option that raises it.
fn breach(error: &serde_saphyr::Error) -> Option<(&'static str, &'static str)> {
    let serde_saphyr::Error::Budget { breach, .. } = error else { return None };
    match breach {
        BudgetBreach::Depth { .. } => Some(("limit_yaml_depth", "; raise it with --max-yaml-depth")),
        BudgetBreach::Aliases { .. } | BudgetBreach::Anchors { .. } => {
            Some(("limit_yaml_aliases", "; raise it with --max-yaml-aliases"))
        }
        _ => None,
    }
}

fn walk_yaml(document: &str, limits: &Limits, sink: &mut Sink<'_>) -> Result<(), serde_saphyr::Error> {
    let len = document.len();
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: len.saturating_mul(2).max(10_000),
            max_nodes: len.max(10_000),
            max_total_scalar_bytes: len.saturating_mul(2).max(1 << 16),
            max_aliases: limits.yaml_aliases as usize,
            max_anchors: limits.yaml_aliases as usize,
            max_depth: limits.yaml_depth as usize,
        },
        duplicate_keys: serde_saphyr::options::DuplicateKeyPolicy::LastWins,
        with_snippet: false,
    };
    serde_saphyr::with_deserializer_from_str_with_options(document, options, |de| {
        Walk { sink }.deserialize(de)
    })
}

/// Which syntax a damaged document is in.
#[derive(Clone, Copy)]
enum Syntax<'l> {
    Json,
    Yaml(&'l Limits),
}

/// Reads the items of a damaged List one by one: those that begin at the indentation of the first.
fn salvage(document: &str, syntax: Syntax<'_>, sink: &mut Sink<'_>) {
    let kind = document.lines().find_map(|l| list_kind(l.trim()));
    for chunk in items_by_indent(document, syntax) {
        let mut with_kind = |mut value: Value| {
            if let (Some(kind), Value::Object(map)) = (&kind, &mut value) {
                map.entry("kind").or_insert_with(|| Value::from(kind.clone()));
            }
            sink(value);
        };
        // An item that is itself damaged is lost; the document's problem says so already.
        let _ = match syntax {
            Syntax::Json => walk_json(&chunk, &mut with_kind).ok(),
            Syntax::Yaml(limits) => walk_yaml(&chunk, limits, &mut with_kind).ok(),
        };
    }
}

/// `"kind": "PodList",` or `kind: PodList`: the kind of the items.
fn list_kind(line: &str) -> Option<String> {
    let value = line.strip_prefix("\"kind\":").or_else(|| line.strip_prefix("kind:"))?;
    let kind = value.trim().trim_end_matches(',').trim_matches('"').strip_suffix("List")?;
    (!kind.is_empty()).then(|| kind.to_owned())
}

fn items_by_indent(document: &str, syntax: Syntax<'_>) -> Vec<String> {
    let opener = match syntax {
        Syntax::Json => "{",
        Syntax::Yaml(_) => "- ",
    };
    let mut lines = document
        .lines()
        .skip_while(|l| !matches!(l.trim_end(), "items:") && !l.contains("\"items\": ["))
        .skip(1);
    let Some(first) = lines.next() else { return Vec::new() };
    let indent = first.len() - first.trim_start().len();
    let opens = |l: &str| {
        l.len() - l.trim_start().len() == indent && l.get(indent..).is_some_and(|t| t.starts_with(opener))
    };
    if !opens(first) {
        return Vec::new();
    }
    let mut chunks = Vec::new();
    let mut chunk = String::new();
    for line in std::iter::once(first).chain(lines) {
        if opens(line) && !chunk.is_empty() {
            chunks.push(std::mem::take(&mut chunk));
        }
        let line = match syntax {
            Syntax::Json if line.get(indent..).is_some_and(|t| t == "},") => "}",
            // The dash of a block sequence becomes indentation of the mapping behind it.
            Syntax::Yaml(_) if opens(line) => {
                chunk.extend(std::iter::repeat_n(' ', indent + 2));
                line.get(indent + 2..).unwrap_or_default()
            }
            Syntax::Yaml(_) if line.len() > indent && line.len() - line.trim_start().len() < indent + 2 => {
                continue;
            }
            _ => line,
        };
        chunk.push_str(line);
        chunk.push('\n');
    }
    chunks.push(chunk);
    if let (Syntax::Json, Some(last)) = (syntax, chunks.last_mut()) {
        let whole =
            last.find(&format!("\n{}}}\n", " ".repeat(indent))).map_or(last.len(), |n| n + indent + 3);
        last.truncate(whole);
    }
    chunks
}

/// Line from 1 that a byte offset stands on.
fn line_at(text: &str, offset: usize) -> u64 {
    1 + memchr::memchr_iter(b'\n', text.as_bytes().get(..offset).unwrap_or_default()).count() as u64
}

/// Gives every object of one document to the sink.
struct Walk<'a, 's> {
    sink: &'a mut Sink<'s>,
}

impl<'de> DeserializeSeed<'de> for Walk<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, de: D) -> Result<(), D::Error> {
        de.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or a list of objects")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Walk { sink: &mut *self.sink })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut fields = Map::new();
        let (mut is_list, mut kindless) = (false, Vec::new());
        while let Some(key) = map.next_key::<String>()? {
            if key == "items" {
                is_list = true;
                let kind = list_kind_of(&fields);
                map.next_value_seed(Items { sink: &mut *self.sink, kind, kindless: &mut kindless })?;
            } else {
                fields.insert(key, map.next_value()?);
            }
        }
        if !is_list {
            (self.sink)(Value::Object(fields));
            return Ok(());
        }
        let kind = list_kind_of(&fields);
        for mut item in kindless {
            item.extend(kind.clone().map(|k| ("kind".to_owned(), Value::from(k))));
            (self.sink)(Value::Object(item));
        }
        Ok(())
    }
}

/// The kind of the items of a typed List (`PodList`), which the items themselves do not carry.
fn list_kind_of(fields: &Map<String, Value>) -> Option<String> {
    let kind = fields.get("kind")?.as_str()?.strip_suffix("List")?;
    (!kind.is_empty()).then(|| kind.to_owned())
}

/// The items of a List.
struct Items<'a, 's> {
    sink: &'a mut Sink<'s>,
    kind: Option<String>,
    /// Items without a kind, held until the kind of the List is known.
    kindless: &'a mut Vec<Map<String, Value>>,
}

impl<'de> DeserializeSeed<'de> for Items<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, de: D) -> Result<(), D::Error> {
        de.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Items<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the items of a list")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(item) = seq.next_element::<Value>()? {
            let Value::Object(mut item) = item else { continue };
            if !item.contains_key("kind") {
                let Some(kind) = &self.kind else {
                    if self.kindless.len() >= MAX_KINDLESS {
                        return Err(A::Error::custom("a List of too many items without a kind"));
                    }
                    self.kindless.push(item);
                    continue;
                };
                item.insert("kind".to_owned(), Value::from(kind.clone()));
            }
            (self.sink)(Value::Object(item));
        }
        Ok(())
    }
}

/// Items held back until the kind of their List is known.
const MAX_KINDLESS: usize = 200_000;
