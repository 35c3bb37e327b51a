//! The keys of one item in, a checked rule out, with every mistake in it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::expr::Expr;
use super::load::{Item, RuleFile};
use super::mistakes::{Mistake, line_and_column};
use super::rule::{KEYS, Key, Need, Rule, RuleTest, TEST_KEYS};
use super::template::Template;
use super::yaml::{Node, What};
use super::{Confidence, Severity, Standing};
use crate::log::Edge;

/// The rule, unless a mistake was noted.
pub(super) fn rule(item: &Item, files: &[RuleFile], mistakes: &mut Vec<(usize, Mistake)>) -> Option<Rule> {
    let before = mistakes.len();
    let mut builder = Builder { item, files, mistakes };
    builder.required(("rule", KEYS));
    let rule = builder.build();
    (mistakes.len() == before).then_some(rule)
}

/// Values by key; unknown and repeated keys are mistakes.
pub(super) fn values(
    file: usize,
    entries: Vec<(Node, Node)>,
    (what, keys): (&str, &[Key]),
    wrong: &mut dyn FnMut(Mistake),
) -> BTreeMap<String, (usize, Node)> {
    let mut values = BTreeMap::new();
    for (key, value) in entries {
        let name = key.text().unwrap_or_default().to_owned();
        if !keys.iter().any(|k| k.name == name) {
            let mistake = Mistake::new(key.at, format!("a {what} has no key `{name}`"));
            wrong(mistake.suggest(&name, keys.iter().map(|k| k.name)));
        } else if let Some(taken) = values.insert(name.clone(), (file, value)) {
            values.insert(name.clone(), taken);
            wrong(Mistake::new(key.at, format!("key `{name}` stands here twice")));
        }
    }
    values
}

/// The texts of a list, or the one text; none where there is anything else.
pub(super) fn texts(node: &Node) -> Option<Vec<(Range<usize>, String)>> {
    match &node.what {
        What::Scalar(text, _) => Some(vec![(node.at.clone(), text.clone())]),
        What::List(items) => items.iter().map(|n| n.text().map(|t| (n.at.clone(), t.to_owned()))).collect(),
        What::Map(_) => None,
    }
}

struct Builder<'a> {
    item: &'a Item,
    files: &'a [RuleFile],
    mistakes: &'a mut Vec<(usize, Mistake)>,
}

impl Builder<'_> {
    fn wrong(&mut self, file: usize, mistake: Mistake) {
        self.mistakes.push((file, mistake));
    }

    /// Notes each key that is missing.
    fn required(&mut self, (what, keys): (&str, &[Key])) {
        let (file, at) = self.item.at.clone();
        for key in keys.iter().filter(|k| k.required) {
            if !self.item.values.contains_key(key.name) {
                let text = format!("this {what} has no `{}`", key.name);
                self.wrong(file, Mistake::new(at.clone(), text).help(key.meaning));
            }
        }
    }

    fn build(&mut self) -> Rule {
        let (file, at) = self.item.at.clone();
        let source = &self.files[file];
        let id = self.id();
        Rule {
            id,
            rev: u32::try_from(self.number("rev", 1)).unwrap_or(1),
            verdict: self.word("verdict").into(),
            cause: self.word("cause").into(),
            severity: self.one_of("severity", &SEVERITIES).unwrap_or(Severity::Error),
            confidence: self.one_of("confidence", &CONFIDENCES).unwrap_or(Confidence::High),
            standing: self.one_of("standing", &STANDINGS),
            title: self.text("title").into(),
            log: self.list("log").into_iter().map(|(_, _, t)| Arc::from(t)).collect(),
            edge: self.words("edge", &Edge::ALL.map(|e| (e.name(), e))),
            when: self.condition("when"),
            unless: self.condition("unless"),
            needs: self.words("needs", &Need::ALL.map(|n| (n.name(), n))),
            rank: self.number("rank", 50),
            quiet: self.flag("quiet"),
            explain: self.template("explain"),
            next: self.templates("next"),
            references: self.list("references").into_iter().map(|(_, _, t)| Arc::from(t)).collect(),
            tests: self.tests(),
            file: source.path.as_str().into(),
            line: line_and_column(&source.text, at.start).0,
            builtin: source.builtin,
        }
    }

    fn id(&mut self) -> Arc<str> {
        let id = self.text("rule");
        let good =
            |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '/' | '.' | '_');
        if let Some((file, node)) = self.item.values.get("rule")
            && (id.is_empty() || id.len() > 120 || !id.chars().all(good))
        {
            let mistake = Mistake::new(node.at.clone(), "an id is made of a-z 0-9 - _ . and /");
            self.wrong(*file, mistake.help("for example `io-timeout/syn-dropped`"));
        }
        id.into()
    }

    /// A scalar without blanks around it; an empty text where there is none.
    fn text(&mut self, key: &str) -> String {
        self.block(key).map_or_else(String::new, |text| text.trim().to_owned())
    }

    /// A scalar as it stands.
    fn block(&mut self, key: &str) -> Option<String> {
        let (file, node) = self.item.values.get(key)?;
        if node.text().is_none() {
            let text = format!("`{key}` is a text, and this is {}", node.name());
            let help = format!("write it on one line, or `{key}: |` and the lines below it");
            self.wrong(*file, Mistake::new(node.at.clone(), text).help(help));
        }
        node.text().map(str::to_owned)
    }

    /// A lower-case word with underscores.
    fn word(&mut self, key: &str) -> String {
        let word = self.text(key);
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if let Some((file, node)) = self.item.values.get(key)
            && (word.is_empty() || !word.chars().all(good))
        {
            let text = format!("`{key}` is a word of a-z, 0-9 and _");
            self.wrong(*file, Mistake::new(node.at.clone(), text));
        }
        word
    }

    fn number(&mut self, key: &str, default: i64) -> i64 {
        let text = self.text(key);
        if text.is_empty() {
            return default;
        }
        if let Some(n) = text.parse().ok().filter(|n| (0..=1_000_000).contains(n)) {
            return n;
        }
        if let Some((file, node)) = self.item.values.get(key) {
            let text = format!("`{key}` is a whole number from 0 to 1000000");
            self.wrong(*file, Mistake::new(node.at.clone(), text));
        }
        default
    }

    fn flag(&mut self, key: &str) -> bool {
        self.one_of(key, &[("true", true), ("false", false)]).unwrap_or(false)
    }

    fn one_of<T: Copy>(&mut self, key: &str, words: &[(&'static str, T)]) -> Option<T> {
        let text = self.text(key);
        let (file, node) = self.item.values.get(key)?;
        self.choose(*file, node.at.clone(), key, &text, words)
    }

    fn choose<T: Copy>(
        &mut self,
        file: usize,
        at: Range<usize>,
        key: &str,
        text: &str,
        words: &[(&'static str, T)],
    ) -> Option<T> {
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        let all: Vec<_> = words.iter().map(|(w, _)| *w).collect();
        let mistake =
            Mistake::new(at, format!("`{text}` is no value of `{key}`; it has: {}", all.join(", ")));
        self.wrong(file, mistake.suggest(text, all.iter().copied()));
        None
    }

    fn list(&mut self, key: &str) -> Vec<(usize, Range<usize>, String)> {
        let Some((file, node)) = self.item.values.get(key) else {
            return Vec::new();
        };
        let Some(texts) = texts(node) else {
            let help =
                format!("write `{key}: [one, two]`, or one text alone; one with `: ` in it stands in quotes");
            self.wrong(
                *file,
                Mistake::new(node.at.clone(), format!("`{key}` is a list of texts")).help(help),
            );
            return Vec::new();
        };
        texts.into_iter().map(|(at, text)| (*file, at, text)).collect()
    }

    fn words<T: Copy>(&mut self, key: &str, words: &[(&'static str, T)]) -> Vec<T> {
        let listed = self.list(key);
        let chosen =
            listed.into_iter().filter_map(|(file, at, text)| self.choose(file, at, key, &text, words));
        chosen.collect()
    }

    fn condition(&mut self, key: &str) -> Option<Expr> {
        let (file, node) = self.item.values.get(key)?;
        let Some(text) = node.text() else {
            self.wrong(*file, Mistake::new(node.at.clone(), format!("`{key}` is a condition as text")));
            return None;
        };
        Expr::new(text).map_err(|all| self.inside(*file, node, all)).ok()
    }

    /// Moves mistakes within a scalar to its place in the file.
    fn inside(&mut self, file: usize, node: &Node, mistakes: Vec<Mistake>) {
        for mistake in mistakes {
            let at = node.place(&self.files[file].text, &mistake.at);
            self.wrong(file, Mistake { at, ..mistake });
        }
    }

    fn template(&mut self, key: &str) -> Template {
        let Some((file, node)) = self.item.values.get(key) else {
            return Template::default();
        };
        self.checked(*file, node, key)
    }

    fn checked(&mut self, file: usize, node: &Node, key: &str) -> Template {
        let Some(text) = node.text() else {
            self.wrong(file, Mistake::new(node.at.clone(), format!("`{key}` is made of sentences")));
            return Template::default();
        };
        Template::new(text).map_err(|all| self.inside(file, node, all)).unwrap_or_default()
    }

    fn templates(&mut self, key: &str) -> Vec<Template> {
        match self.item.values.get(key) {
            None => Vec::new(),
            Some((file, node)) => match &node.what {
                What::List(items) => items.iter().map(|n| self.checked(*file, n, key)).collect(),
                _ => vec![self.checked(*file, node, key)],
            },
        }
    }

    fn tests(&mut self) -> Vec<RuleTest> {
        let Some((file, node)) = self.item.values.get("tests") else {
            return Vec::new();
        };
        let What::List(items) = &node.what else {
            self.wrong(*file, Mistake::new(node.at.clone(), "`tests` is a list"));
            return Vec::new();
        };
        let tests: Vec<_> =
            items.iter().filter_map(|node| test(*file, node, self.files, self.mistakes)).collect();
        if self.files[*file].builtin {
            for (wanted, word) in [(true, "match"), (false, "no-match")] {
                if !tests.iter().any(|t| t.matches == wanted) {
                    let text = format!("a built-in rule has at least one test with `expect: {word}`");
                    self.wrong(*file, Mistake::new(node.at.start..node.at.start + 1, text));
                }
            }
        }
        tests
    }

    fn build_test(&mut self, node: &Node) -> Option<RuleTest> {
        let lines = self.list("log");
        let matches = self.one_of("expect", &[("match", true), ("no-match", false)]);
        let script = self.item.values.get("packets").map_or(node, |(_, script)| script);
        Some(RuleTest {
            name: self.text("name"),
            log: lines.into_iter().map(|(_, _, line)| line + "\n").collect(),
            packets: self.block("packets"),
            objects: self.block("objects"),
            state: self.block("state"),
            standing: self.one_of("standing", &STANDINGS),
            matches: matches?,
            at: script.at.clone(),
        })
    }
}

/// A test is an item with keys of its own.
fn test(
    file: usize,
    node: &Node,
    files: &[RuleFile],
    mistakes: &mut Vec<(usize, Mistake)>,
) -> Option<RuleTest> {
    let What::Map(entries) = &node.what else {
        let text = format!("a test is a mapping, and this is {}", node.name());
        mistakes.push((
            file,
            Mistake::new(node.at.clone(), text)
                .help("write `- name: …` with `log`, `packets` and `expect` below it"),
        ));
        return None;
    };
    let start = entries.first().map_or(node.at.clone(), |(key, _)| key.at.clone());
    let values =
        values(file, entries.clone(), ("test", TEST_KEYS), &mut |mistake| mistakes.push((file, mistake)));
    let item = Item { at: (file, start), values };
    let mut builder = Builder { item: &item, files, mistakes };
    builder.required(("test", TEST_KEYS));
    builder.build_test(node)
}

const SEVERITIES: [(&str, Severity); 3] =
    [("info", Severity::Info), ("warning", Severity::Warning), ("error", Severity::Error)];

const CONFIDENCES: [(&str, Confidence); 3] =
    [("low", Confidence::Low), ("medium", Confidence::Medium), ("high", Confidence::High)];

const STANDINGS: [(&str, Standing); 6] = [
    (Standing::Confirmed.name(), Standing::Confirmed),
    (Standing::Explained.name(), Standing::Explained),
    (Standing::Contradicted.name(), Standing::Contradicted),
    (Standing::WireOnly.name(), Standing::WireOnly),
    (Standing::LogOnly.name(), Standing::LogOnly),
    (Standing::Inconclusive.name(), Standing::Inconclusive),
];
