//! Replaces addresses and names consistently, so that a report can leave the house.
//!
//! Takes what was read (to learn which names there are: `names`) and gives a [`Redactor`] for text, for values and,
//! with `frames`, for packets: the same original always becomes the same replacement in whatever is written, subnets
//! stay subnets, ports and times stay. Known are the names that objects, logs and packets give to hosts, nodes, pods,
//! namespaces, Services, webhooks, servers, certificates, users and accounts; a word that nothing points to as a name
//! (a policy's reason in free text) is not known and stays. `--redact` says so in the manual.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use aho_corasick::{AhoCorasick, MatchKind};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::json::Text;
use crate::correlate::World;
use crate::flow::Dir;

mod addresses;
mod checksums;
mod frames;
mod names;

pub use addresses::Addresses;
pub use frames::{Redacted, frame};

/// Replaces what it knows in any text.
#[derive(Debug, Default)]
pub struct Redactor {
    /// What replaces addresses.
    pub addresses: Addresses,
    names: BTreeMap<String, String>,
    /// Names given out, by kind.
    counts: BTreeMap<&'static str, usize>,
    /// Names that no search looks for yet.
    fresh: Vec<(String, String)>,
    /// Search all other names: each more than twice as many as the next, so that a name that is learnt late makes few
    /// of them anew.
    searches: Vec<Search>,
}

#[derive(Debug)]
struct Search {
    /// Finds names up to [`LONGEST`] within each other.
    within: AhoCorasick,
    /// Finds longer ones, of which only one stands at a place: looking for all would take as many steps as they are long.
    long: AhoCorasick,
    /// In order of the patterns: of `within`, then of `long`.
    names: Vec<(String, String)>,
    /// How many of them are patterns of `within`.
    short: usize,
}

/// How freely a name may stand in a text to be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Anywhere between other characters than letters and digits: the words of a log or a path.
    Bundle,
    /// A name that is a plain word (`mesh`) only where punctuation marks it as a name: sentences of rules.
    Prose,
}

impl Redactor {
    /// Learns the names and addresses of a world, so that every command gives the same replacements for the same input.
    pub fn new(world: &World) -> Self {
        let mut redactor = Self::default();
        let names = names::Names::of(world);
        redactor.learn(names);
        let mut ips = BTreeSet::new();
        for block in 0..world.wire.flows.blocks() {
            world.wire.flows.each(block, |record| {
                ips.extend([Dir::Orig, Dir::Resp].map(|dir| record.brief().endpoint(dir).ip()));
            });
        }
        for ip in ips {
            redactor.addresses.ip(ip);
        }
        let lines = world.logs.events.iter().flat_map(|e| &e.lines);
        let unrecognised = world.logs.reports.iter().flat_map(|r| &r.unrecognised_lines);
        for line in lines.chain(unrecognised) {
            redactor.addresses.text(&line.text.to_string());
        }
        redactor
    }

    /// An underscore stands in no name of a host or an object: what it is in is a replacement.
    fn learn(&mut self, names: names::Names) {
        for (kind, names) in names.0 {
            for name in names {
                if let std::collections::btree_map::Entry::Vacant(entry) =
                    self.names.entry(name.to_ascii_lowercase())
                {
                    let count = self.counts.entry(kind).or_default();
                    *count += 1;
                    let new = format!("{kind}_{count}");
                    self.fresh.push((entry.key().clone(), new.clone()));
                    entry.insert(new);
                }
            }
        }
    }

    /// A name that stands in nothing that was read, such as that of a bundle.
    pub fn add(&mut self, name: &str, replacement: &str) {
        if names::Names::tells(name) {
            let name = name.to_ascii_lowercase();
            self.names.insert(name.clone(), replacement.to_owned());
            self.searches.clear();
            self.fresh = self.names.iter().map(|(name, new)| (name.clone(), new.clone())).collect();
        }
    }

    /// The text with names and addresses replaced.
    pub fn text(&mut self, text: &str) -> String {
        let mut found = names::Names::default();
        found.of_text(text);
        self.learn(found);
        self.replaced(text, Mode::Bundle)
    }

    /// The same for sentences of the program and of rules, in which plain words stay.
    pub fn prose(&mut self, text: &str) -> String {
        self.replaced(text, Mode::Prose)
    }

    /// A value with all its strings replaced but those that are words of the program.
    ///
    /// # Errors
    /// When the value cannot be written as JSON and read back.
    pub fn value<T: Serialize + DeserializeOwned>(&mut self, value: &T) -> serde_json::Result<T> {
        let mut tree = serde_json::to_value(value)?;
        let mut found = names::Names::default();
        each_text(&tree, &mut |text| found.of_text(text));
        self.learn(found);
        self.walk(&mut tree, "");
        serde_json::from_value(tree)
    }

    /// Originals and replacements, one a line, for whoever keeps the key.
    pub fn map(&self) -> String {
        let names = self.names.iter().map(|(name, new)| (name.clone(), new.clone()));
        let lines = names.chain(self.addresses.pairs());
        lines
            .flat_map(|(original, replacement)| [original, "\t".to_owned(), replacement, "\n".to_owned()])
            .collect()
    }

    fn walk(&mut self, tree: &mut Value, key: &str) {
        match tree {
            Value::String(text) => *text = self.of_key(text, key),
            Value::Array(items) => items.iter_mut().for_each(|item| self.walk(item, key)),
            Value::Object(map) => {
                // A cut line may end within a name, which would not be known as it.
                let cut = map.get("truncated").and_then(Value::as_bool) == Some(true);
                if let Some(Value::String(text)) = map.get_mut("text").filter(|_| cut) {
                    text.truncate(text.rfind(char::is_whitespace).unwrap_or(0));
                }
                map.iter_mut().for_each(|(key, item)| self.walk(item, key));
            }
            _ => {}
        }
    }

    fn of_key(&mut self, text: &str, key: &str) -> String {
        match key {
            _ if VOCABULARY.contains(&key) => text.to_owned(),
            _ if PROSE.contains(&key) => self.replaced(text, Mode::Prose),
            _ => self.replaced(text, Mode::Bundle),
        }
    }

    fn replaced(&mut self, text: &str, mode: Mode) -> String {
        let named = self.named(text, mode);
        self.addresses.text(&named)
    }

    fn named(&mut self, text: &str, mode: Mode) -> String {
        self.search_fresh();
        // By where each starts: where the longest ends there, and what replaces it.
        let mut longest: Vec<Option<(usize, &str)>> = Vec::new();
        for search in &self.searches {
            search.each(text, mode, &mut |start, end, new| {
                longest.resize(text.len(), None);
                if let Some(place) =
                    longest.get_mut(start).filter(|p| p.is_none_or(|(before, _)| before < end))
                {
                    *place = Some((end, new));
                }
            });
        }
        let (mut out, mut copied) = (String::with_capacity(text.len()), 0);
        for (start, found) in longest.into_iter().enumerate() {
            if let Some((end, new)) = found.filter(|_| start >= copied) {
                out.push_str(text.get(copied..start).unwrap_or_default());
                out.push_str(new);
                copied = end;
            }
        }
        out.push_str(text.get(copied..).unwrap_or_default());
        out
    }

    /// Makes names that were learnt since searchable, together with searches that are not much larger.
    fn search_fresh(&mut self) {
        let mut names = std::mem::take(&mut self.fresh);
        if names.is_empty() {
            return;
        }
        while let Some(last) = self.searches.pop_if(|last| last.names.len() <= names.len() * 2) {
            names.extend(last.names);
        }
        self.searches.push(Search::new(names));
    }

    /// One line of JSON with the strings of its values replaced; keys and their order stay.
    fn json(&mut self, line: &str) -> String {
        let (mut out, mut key) = (Text::default(), String::new());
        let mut rest = line;
        while let Some(start) = rest.find('"') {
            let (before, quoted) = rest.split_at(start);
            let (quoted, after) = quoted.split_at(end_of_string(quoted));
            out.add(before.as_bytes());
            let text: String = serde_json::from_str(quoted).unwrap_or_default();
            if after.trim_start().starts_with(':') {
                out.add(quoted.as_bytes());
                key = text;
            } else {
                out.string(&self.of_key(&text, &key));
            }
            rest = after;
        }
        out.add(rest.as_bytes());
        String::from_utf8_lossy(out.as_bytes()).into_owned()
    }
}

impl Search {
    fn new(mut names: Vec<(String, String)>) -> Self {
        names.sort();
        names.sort_by_key(|(name, _)| name.len() > LONGEST);
        let short = names.partition_point(|(name, _)| name.len() <= LONGEST);
        let (of_within, of_long) = names.split_at(short);
        let within = automaton(of_within, MatchKind::Standard);
        Self { within, long: automaton(of_long, MatchKind::LeftmostLongest), short, names }
    }

    /// Every name that stands alone in a text, with where it starts and ends; one longer than any name of Kubernetes or
    /// DNS is no chance wherever it stands.
    fn each<'s>(&'s self, text: &str, mode: Mode, found: &mut dyn FnMut(usize, usize, &'s str)) {
        let new = |at: usize| self.names.get(at).map_or("name", |(_, new)| new.as_str());
        let within = self.within.find_overlapping_iter(text);
        for m in within.filter(|m| stands_alone(text, m.start(), m.end(), mode)) {
            found(m.start(), m.end(), new(m.pattern().as_usize()));
        }
        for m in self.long.find_iter(text) {
            found(m.start(), m.end(), new(self.short + m.pattern().as_usize()));
        }
    }
}

fn automaton(names: &[(String, String)], kind: MatchKind) -> AhoCorasick {
    let build = |names: &[(String, String)]| {
        let names = names.iter().map(|(name, _)| name);
        AhoCorasick::builder().ascii_case_insensitive(true).match_kind(kind).build(names)
    };
    // Only more patterns than memory can hold do not build; then everything is to go.
    build(names).or_else(|_| build(&[])).unwrap_or_else(|_| unreachable!("no patterns always build"))
}

/// Whether what stands from `start` to `end` is a word or more.
fn stands_alone(text: &str, start: usize, end: usize, mode: Mode) -> bool {
    let before = text.get(..start).and_then(|t| t.chars().next_back());
    let after = text.get(end..).and_then(|t| t.chars().next());
    if [before, after].into_iter().flatten().any(char::is_alphanumeric) {
        return false;
    }
    let plain = text.get(start..end).is_some_and(|t| t.chars().all(|c| c.is_ascii_alphabetic()));
    let marked =
        |c: Option<char>| c.is_none_or(|c| matches!(c, '.' | '/' | '"' | '\'' | '=' | '@' | '_' | '-'));
    // The full stop of a sentence marks nothing.
    let ends_sentence =
        after == Some('.') && text.get(end + 1..).is_none_or(|t| t.is_empty() || t.starts_with(' '));
    mode == Mode::Bundle || !plain || marked(before) || (marked(after) && !ends_sentence)
}

/// Where the JSON string that begins a text ends.
fn end_of_string(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn each_text(tree: &Value, each: &mut dyn FnMut(&str)) {
    match tree {
        Value::String(text) => each(text),
        Value::Array(items) => items.iter().for_each(|item| each_text(item, each)),
        Value::Object(map) => {
            map.iter()
                .filter(|(key, _)| !PROSE.contains(&key.as_str()))
                .for_each(|(_, item)| each_text(item, each));
        }
        _ => {}
    }
}

/// Passes lines of JSON records through a redactor, whose keys stay: for output too large to hold.
pub struct JsonLines<'a> {
    redactor: &'a mut Redactor,
    out: &'a mut (dyn Write + Send),
    pending: Vec<u8>,
}

impl<'a> JsonLines<'a> {
    /// Writes to `out` what is written here, redacted.
    pub fn new(redactor: &'a mut Redactor, out: &'a mut (dyn Write + Send)) -> Self {
        Self { redactor, out, pending: Vec::new() }
    }

    fn pass(&mut self, lines: &[u8]) -> io::Result<()> {
        for line in String::from_utf8_lossy(lines).split_inclusive('\n') {
            let redacted = self.redactor.json(line);
            self.out.write_all(redacted.as_bytes())?;
        }
        Ok(())
    }
}

impl Write for JsonLines<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pending.extend_from_slice(bytes);
        if let Some(end) = self.pending.iter().rposition(|b| *b == b'\n') {
            let rest = self.pending.split_off(end + 1);
            let lines = std::mem::replace(&mut self.pending, rest);
            self.pass(&lines)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let rest = std::mem::take(&mut self.pending);
        self.pass(&rest)?;
        self.out.flush()
    }
}

/// Bytes of the longest name that Kubernetes and DNS allow, and a little.
const LONGEST: usize = 256;

/// Keys whose values are words of the program and not of the bundle.
const VOCABULARY: [&str; 33] = [
    "schema",
    "type",
    "kind",
    "status",
    "verdict",
    "cause",
    "rule",
    "rules_digest",
    "severity",
    "standing",
    "confidence",
    "edge",
    "event",
    "key",
    "role",
    "what",
    "shown_by",
    "link_types",
    "conn_state",
    "history",
    "time",
    "first_time",
    "last_time",
    "not_before",
    "not_after",
    "proto",
    "phase",
    "level",
    "description",
    "cipher",
    "version",
    "ja3",
    "ja4",
];

/// Keys whose values are sentences of rules, with values from the bundle in them.
const PROSE: [&str; 6] = ["title", "explanation", "next", "references", "detail", "why"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Service;

    fn redactor() -> Redactor {
        let mut world = World::default();
        let service = |namespace: &str, name: &str| Service {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            ..Service::default()
        };
        world.cluster.services.extend([service("acme-prod", "billing-hook"), service("mesh", "opa")]);
        Redactor::new(&world)
    }

    #[test]
    fn the_same_original_is_the_same_replacement() {
        let mut redactor = redactor();
        let text = "dial 172.28.0.2:443, https://billing-hook.acme-prod.svc:443/x for BILLING-HOOK by alice@acme.example";
        let expected = "dial 240.0.0.2:443, https://service_1.namespace_1.svc:443/x for service_1 by user_1";
        assert_eq!(redactor.text(text), expected);
        assert_eq!(
            redactor.text("a longer-billing-hook-2 acme-production"),
            "a longer-service_1-2 acme-production"
        );
        for line in ["172.28.0.2\t240.0.0.2\n", "acme-prod\tnamespace_1\n", "alice@acme.example\tuser_1\n"] {
            assert!(redactor.map().contains(line), "{line}");
        }
    }

    /// A name is replaced whenever it was learnt, and the longest that stands at a place wins, however long.
    #[test]
    fn names_learnt_one_by_one_are_all_replaced() {
        let mut redactor = Redactor::default();
        let host = |n: usize| vec!["x-y"; n].join("-") + ".acme.lan";
        for n in [1, 2, 5, 90, 100] {
            assert!(!redactor.text(&format!("lookup {}", host(n))).contains("acme"), "{n}");
        }
        let mut numbers: Vec<usize> = redactor.searches.iter().map(|s| s.names.len()).collect();
        assert_eq!(numbers.iter().sum::<usize>(), redactor.names.len());
        numbers.dedup_by(|next, before| *next * 2 < *before);
        assert_eq!(numbers.len(), 1, "each search is more than twice the next");
        for (n, name) in [(1, "name_1"), (5, "name_3"), (90, "name_4"), (100, "name_5")] {
            assert_eq!(redactor.text(&format!("a {} b", host(n))), format!("a {name} b"));
        }
    }

    /// Names within names, as many as a line has words: a place costs no more than the longest that DNS allows.
    #[test]
    fn names_within_names_cost_their_length_at_most() {
        let word = |n: usize| vec!["a"; n].join("-");
        let mut redactor = Redactor::default();
        let mut names = names::Names::default();
        (2..1500).for_each(|n| names.of_text(&format!("lookup {}", word(n))));
        redactor.learn(names);
        redactor.search_fresh();
        let text = word(4000);
        let mut steps = 0;
        redactor.searches.iter().for_each(|s| s.each(&text, Mode::Bundle, &mut |_, _, _| steps += 1));
        assert!(steps <= text.len() * LONGEST / 2, "{steps}");
        assert!(redactor.text(&text).len() < 100);
    }

    #[test]
    fn a_name_that_is_a_word_stays_in_sentences_and_goes_from_names() {
        let mut redactor = redactor();
        let sentence = "a proxy or mesh in front of opa.mesh.svc (mesh/opa) refused the mesh.";
        let redacted =
            "a proxy or mesh in front of service_2.namespace_2.svc (namespace_2/service_2) refused the mesh.";
        let tree: BTreeMap<String, String> =
            [("explanation", sentence), ("text", "the mesh"), ("cause", "mesh")]
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .into();
        let value = redactor.value(&tree).expect("JSON");
        assert_eq!(value["explanation"], redacted);
        assert_eq!(value["text"], "the namespace_2");
        assert_eq!(value["cause"], "mesh");
    }

    #[test]
    fn lines_are_redacted_whole_however_they_are_written() {
        let (mut redactor, mut out) = (redactor(), Vec::new());
        let mut lines = JsonLines::new(&mut redactor, &mut out);
        for part in ["{\"mesh\":\"172.2", "8.0.2\"}\n{\"b\":[\"bill", "ing-hook\", 1, \"a\\\"opa\"]}"] {
            lines.write_all(part.as_bytes()).expect("a Vec takes all");
        }
        lines.flush().expect("a Vec takes all");
        let text = String::from_utf8(out).expect("UTF-8");
        assert_eq!(text, "{\"mesh\":\"240.0.0.2\"}\n{\"b\":[\"service_1\", 1, \"a\\\"service_2\"]}");
    }

    #[test]
    fn a_cut_line_does_not_end_within_a_name() {
        let line = crate::report::document::LineRef {
            path: "a.log".to_owned(),
            line: 1,
            text: "dial billing-ho".to_owned(),
            truncated: true,
        };
        assert_eq!(redactor().value(&line).expect("JSON").text, "dial");
    }
}
