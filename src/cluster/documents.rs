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
use crate::tree::{MAX_FIELDS, Room, Tree};

/// Where objects go.
pub(super) type Sink<'a> = dyn FnMut(Value) + 'a;

/// Reads all documents of `text`.
pub(super) fn read(text: &str, limits: &Limits, problems: &mut Weirds, sink: &mut Sink<'_>) {
    let text = text.trim_start_matches('\u{feff}');
    let mut out = Out { sink, left: Left::default() };
    if text.trim_start().starts_with(['{', '[']) {
        json(text, problems, &mut out);
    } else {
        for (line, document) in yaml_documents(text) {
            yaml(document, line, limits, problems, &mut out);
        }
    }
    let Left { cut, foreign } = out.left;
    if cut > 0 {
        problems.add("limit_object_values", Place::Whole, cut, true, || {
            format!("an object holds more than {MAX_VALUES} values: the rest of it is not read")
        });
    }
    if foreign > 0 {
        problems.add("foreign_items", Place::Whole, foreign, false, || {
            "items are of another apiVersion than what lists them, as a custom resource may have them: not read".to_owned()
        });
    }
}

/// Where objects go.
struct Out<'a, 's> {
    sink: &'a mut Sink<'s>,
    left: Left,
}

/// What is not read.
#[derive(Clone, Copy, Default)]
struct Left {
    /// Objects with more values than are read.
    cut: u64,
    /// Items that are of another version than their List.
    foreign: u64,
}

impl Left {
    fn add(&mut self, other: Self) {
        self.cut += other.cut;
        self.foreign += other.foreign;
    }
}

/// One JSON document after another, whatever stands between them.
fn json(text: &str, problems: &mut Weirds, out: &mut Out<'_, '_>) {
    let mut at = 0;
    let mut in_vain = 0;
    let mut lines = Lines { text, at: 0, line: 1 };
    while let Some(start) = next_json(text, at) {
        let rest = text.get(start..).unwrap_or_default();
        let mut stream = serde_json::Deserializer::from_str(rest).into_iter::<IgnoredAny>();
        match stream.next() {
            Some(Ok(_)) => {
                let end = start + stream.byte_offset();
                let document = text.get(start..end).unwrap_or_default();
                if let Err(e) = walk_json(document, out) {
                    problems.loss("damaged_object", Place::Line(lines.line_at(start)), || e.to_string());
                }
                at = end;
            }
            Some(Err(e)) => {
                let end = rest.get(1..).and_then(|r| r.find("\n{")).map_or(text.len(), |n| start + n + 2);
                let document = text.get(start..end).unwrap_or_default();
                let first = lines.line_at(start);
                problems.loss("damaged_object", Place::Line(first + e.line() as u64 - 1), || {
                    format!("JSON is damaged here ({e}); the objects that stand whole are read")
                });
                salvage(document, Syntax::Json, out);
                at = end;
                in_vain +=
                    memchr::memchr_iter(b'\n', rest.as_bytes()).nth(e.line() - 1).unwrap_or(rest.len());
                if in_vain > FREE_IN_VAIN + TIMES_IN_VAIN * text.len() {
                    problems.loss("limit_damage", Place::Line(lines.line_at(at)), || {
                        "so many objects in front do not end that what follows is not read".to_owned()
                    });
                    return;
                }
            }
            None => break,
        }
    }
}

/// Bytes of JSON that may be read without a document that ends in them: so many, and all there are so many times over.
const FREE_IN_VAIN: usize = 1 << 20;
const TIMES_IN_VAIN: usize = 8;

/// Where the next document begins: at once, or at the next line that opens one.
fn next_json(text: &str, at: usize) -> Option<usize> {
    let rest = text.get(at..)?;
    let between = |c: char| c.is_whitespace() || matches!(c, ',' | '\u{feff}' | '\x1e');
    let skipped = rest.len() - rest.trim_start_matches(between).len();
    match rest.get(skipped..)?.chars().next()? {
        '{' | '[' => Some(at + skipped),
        _ => rest.find("\n{").map(|n| at + n + 1),
    }
}

fn walk_json(document: &str, out: &mut Out<'_, '_>) -> Result<(), serde_json::Error> {
    Walk { out }.deserialize(&mut serde_json::Deserializer::from_str(document))
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

fn yaml(document: &str, line: u64, limits: &Limits, problems: &mut Weirds, out: &mut Out<'_, '_>) {
    // What is no object at all (text between documents, a values file) is left in peace.
    if !document.contains("kind:") && !document.contains("\"kind\"") {
        return;
    }
    let mut read = 0;
    let mut counting = |value| {
        read += 1;
        (out.sink)(value);
    };
    let mut counted = Out { sink: &mut counting, left: Left::default() };
    let walked = walk_yaml(document, limits, &mut counted);
    out.left.add(counted.left);
    if let Err(e) = walked {
        let (name, remedy) = breach(&e).unwrap_or(("damaged_object", ""));
        problems.loss(name, Place::Line(line), || {
            let text = e.to_string();
            let short = text.lines().next().unwrap_or_default().to_owned();
            format!("the YAML document that begins here stops ({short}); the objects that stand whole are read{remedy}")
        });
        let mut skip = read;
        let mut rest = |value| {
            if skip == 0 {
                (out.sink)(value);
            } else {
                skip -= 1;
            }
        };
        let mut rest = Out { sink: &mut rest, left: Left::default() };
        salvage(document, Syntax::Yaml(limits), &mut rest);
        out.left.add(rest.left);
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

fn walk_yaml(document: &str, limits: &Limits, out: &mut Out<'_, '_>) -> Result<(), serde_saphyr::Error> {
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
        Walk { out }.deserialize(de)
    })
}

/// Which syntax a damaged document is in.
#[derive(Clone, Copy)]
enum Syntax<'l> {
    Json,
    Yaml(&'l Limits),
}

/// Reads the items of a damaged List one by one: those that begin at the indentation of the first.
fn salvage(document: &str, syntax: Syntax<'_>, out: &mut Out<'_, '_>) {
    let kind = document.lines().find_map(|l| list_kind(l.trim()));
    // that of the List, unless it stands behind the items
    let version = document.lines().find_map(|l| version_of(l.trim()));
    let version = version.filter(|version| !may_list_any(version));
    let mut foreign = 0;
    let mut with_kind = |mut value: Value| {
        if let Value::Object(map) = &mut value {
            if let Some(kind) = &kind {
                map.entry("kind").or_insert_with(|| Value::from(kind.clone()));
            }
            if version.is_some_and(|version| !is_of(version, map)) {
                foreign += 1;
                return;
            }
        }
        (out.sink)(value);
    };
    let mut item = Out { sink: &mut with_kind, left: Left::default() };
    for text in items_by_indent(document, syntax) {
        // An item that is itself damaged is lost; the document's problem says so already.
        let _ = match syntax {
            Syntax::Json => walk_json(&text, &mut item).ok(),
            Syntax::Yaml(limits) => walk_yaml(&text, limits, &mut item).ok(),
        };
    }
    let left = item.left;
    out.left.add(Left { foreign: left.foreign + foreign, ..left });
}

/// `"kind": "PodList",` or `kind: PodList`: the kind of the items.
fn list_kind(line: &str) -> Option<String> {
    let value = line.strip_prefix("\"kind\":").or_else(|| line.strip_prefix("kind:"))?;
    let kind = bare(value).strip_suffix("List")?;
    (!kind.is_empty()).then(|| kind.to_owned())
}

fn version_of(line: &str) -> Option<&str> {
    let value = line.strip_prefix("\"apiVersion\":").or_else(|| line.strip_prefix("apiVersion:"))?;
    Some(bare(value))
}

/// A value as it stands in a line.
fn bare(value: &str) -> &str {
    value.trim().trim_end_matches(',').trim_matches('"')
}

/// The items of a List as documents of their own, told apart by the indentation of their first lines.
fn items_by_indent(document: &str, syntax: Syntax<'_>) -> Vec<String> {
    let mut lines = document
        .lines()
        .skip_while(|l| !matches!(l.trim_end(), "items:") && !l.contains("\"items\": ["))
        .skip(1)
        .peekable();
    let Some(first) = lines.peek() else { return Vec::new() };
    let indent = indent_of(first);
    if !opens_item(first, indent, syntax) {
        return Vec::new();
    }
    let mut items = Vec::new();
    let mut item = String::new();
    for line in lines {
        if opens_item(line, indent, syntax) && !item.is_empty() {
            items.push(std::mem::take(&mut item));
        }
        push_line(&mut item, line, indent, syntax);
    }
    // what follows the last item closes the List
    if let Syntax::Json = syntax
        && let Some(end) = item.find(&format!("\n{}}}\n", " ".repeat(indent)))
    {
        item.truncate(end + indent + 3);
    }
    items.push(item);
    items
}

fn indent_of(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

fn opens_item(line: &str, indent: usize, syntax: Syntax<'_>) -> bool {
    let opener = match syntax {
        Syntax::Json => "{",
        Syntax::Yaml(_) => "- ",
    };
    indent_of(line) == indent && line.get(indent..).is_some_and(|text| text.starts_with(opener))
}

/// Adds a line of a List to the item that it is of, as that item would have it by itself.
fn push_line(item: &mut String, line: &str, indent: usize, syntax: Syntax<'_>) {
    let line = match syntax {
        Syntax::Json if line.get(indent..).is_some_and(|t| t == "},") => "}",
        // The dash of a block sequence becomes indentation of the mapping behind it.
        Syntax::Yaml(_) if opens_item(line, indent, syntax) => {
            item.extend(std::iter::repeat_n(' ', indent + 2));
            line.get(indent + 2..).unwrap_or_default()
        }
        // What is indented less is of the List.
        Syntax::Yaml(_) if line.len() > indent && indent_of(line) < indent + 2 => return,
        _ => line,
    };
    item.push_str(line);
    item.push('\n');
}

/// Numbers the lines of a text, asked for from front to back: a file full of damage is not counted from its start for
/// each place.
struct Lines<'t> {
    text: &'t str,
    at: usize,
    line: u64,
}

impl Lines<'_> {
    /// Line from 1 that a byte offset stands on.
    fn line_at(&mut self, offset: usize) -> u64 {
        let passed = self.text.as_bytes().get(self.at..offset).unwrap_or_default();
        self.line += memchr::memchr_iter(b'\n', passed).count() as u64;
        self.at = self.at.max(offset);
        self.line
    }
}

/// Gives every object of one document to the sink.
struct Walk<'o, 'a, 's> {
    out: &'o mut Out<'a, 's>,
}

impl<'de> DeserializeSeed<'de> for Walk<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, de: D) -> Result<(), D::Error> {
        de.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or a list of objects")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Walk { out: &mut *self.out })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut fields = Map::new();
        let mut room = Room::new(MAX_VALUES);
        let (mut is_list, mut beyond, mut kindless) = (false, false, Vec::new());
        while let Some(key) = map.next_key::<String>()? {
            if key == "items" && may_be_list(&fields) {
                is_list = true;
                let kind = list_kind_of(&fields);
                let version = version_of_all(&fields);
                map.next_value_seed(Items { out: &mut *self.out, kind, version, kindless: &mut kindless })?;
            } else if fields.len() < MAX_FIELDS {
                fields.insert(key, map.next_value_seed(Tree::field(&mut room))?);
            } else {
                map.next_value::<IgnoredAny>()?;
                beyond = true;
            }
        }
        self.out.left.cut += u64::from(room.is_cut() || beyond);
        if !is_list {
            (self.out.sink)(Value::Object(fields));
            return Ok(());
        }
        let kind = list_kind_of(&fields);
        for mut item in kindless {
            item.extend(kind.clone().map(|k| ("kind".to_owned(), Value::from(k))));
            (self.out.sink)(Value::Object(item));
        }
        Ok(())
    }
}

/// The kind of the items of a typed List (`PodList`), which the items themselves do not carry.
fn list_kind_of(fields: &Map<String, Value>) -> Option<String> {
    let kind = fields.get("kind")?.as_str()?.strip_suffix("List")?;
    (!kind.is_empty()).then(|| kind.to_owned())
}

/// A custom resource can have `items` too: a List has a kind that says so, where that comes first.
fn may_be_list(fields: &Map<String, Value>) -> bool {
    let kind = fields.get("kind").and_then(Value::as_str);
    kind.is_none_or(|kind| kind.is_empty() || kind.ends_with("List"))
}

/// The version that all items of a List have.
fn version_of_all(fields: &Map<String, Value>) -> Option<String> {
    let version = fields.get("apiVersion")?.as_str()?;
    (!may_list_any(version)).then(|| version.to_owned())
}

/// Whether a List of this version may hold objects of any.
fn may_list_any(version: &str) -> bool {
    const GROUPS: [&str; 2] = ["meta.k8s.io/", "config.kubernetes.io/"];
    matches!(version, "" | "v1") || GROUPS.iter().any(|group| version.starts_with(group))
}

/// Whether an item is of the version of its List, which it need not repeat.
fn is_of(version: &str, item: &mut Map<String, Value>) -> bool {
    *item.entry("apiVersion").or_insert_with(|| Value::from(version)) == *version
}

/// The items of a List.
struct Items<'o, 'a, 's> {
    out: &'o mut Out<'a, 's>,
    kind: Option<String>,
    /// What those of another version are is not the cluster's word, but a custom resource's.
    version: Option<String>,
    /// Items without a kind, held until the kind of the List is known.
    kindless: &'o mut Vec<Map<String, Value>>,
}

impl<'de> DeserializeSeed<'de> for Items<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, de: D) -> Result<(), D::Error> {
        de.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Items<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the items of a list")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let mut held = 0;
        loop {
            let mut room = Room::new(MAX_VALUES);
            let Some(item) = seq.next_element_seed(Tree::whole(&mut room))? else { return Ok(()) };
            self.out.left.cut += u64::from(room.is_cut());
            let Value::Object(mut item) = item else { continue };
            if self.version.as_ref().is_some_and(|version| !is_of(version, &mut item)) {
                self.out.left.foreign += 1;
                continue;
            }
            if !item.contains_key("kind") {
                let Some(kind) = &self.kind else {
                    held += MAX_VALUES - room.left();
                    if held > MAX_KINDLESS {
                        return Err(A::Error::custom("a List of too many items without a kind"));
                    }
                    self.kindless.push(item);
                    continue;
                };
                item.insert("kind".to_owned(), Value::from(kind.clone()));
            }
            (self.out.sink)(Value::Object(item));
        }
    }
}

/// Values of one object: etcd holds none of more than 1.5 MiB, and the largest definitions of resources have 50,000.
const MAX_VALUES: u32 = 250_000;
/// Values of items that are held back until the kind of their List is known.
const MAX_KINDLESS: u32 = 2_000_000;
