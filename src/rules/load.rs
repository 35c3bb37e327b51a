//! Rule files in, a checked rule set out, or every mistake of every file with its place.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::build;
use super::builtin;
use super::mistakes::{Mistake, line_and_column, render};
use super::rule::{KEYS, Rule};
use super::yaml::{self, Node, What};
use crate::error::Error;
use crate::log::{EventSet, yaml_files};

/// A rule file's text and where it came from.
#[derive(Clone, Debug)]
pub struct RuleFile {
    /// Path as shown in mistakes.
    pub path: String,
    /// YAML.
    pub text: String,
    /// Compiled into the program.
    pub builtin: bool,
}

impl RuleFile {
    /// Every `.yaml` and `.yml` file directly in `dir`, in order of name.
    ///
    /// # Errors
    /// [`Error::Input`] when the directory or a file of it cannot be read.
    pub fn read_dir(dir: &Path) -> Result<Vec<Self>, Error> {
        let read = |path: &std::path::PathBuf| {
            let shown = path.display().to_string();
            let text =
                std::fs::read_to_string(path).map_err(|e| Error::Input(shown.clone(), e.to_string()))?;
            Ok(Self { path: shown, text, builtin: false })
        };
        yaml_files(dir)?.iter().map(read).collect()
    }
}

/// Loaded and checked rules.
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    rules: Arc<[Rule]>,
    blind: Arc<[Arc<str>]>,
    /// The files' texts, for the digest.
    texts: Arc<[String]>,
}

impl RuleSet {
    /// The rules compiled into the program.
    pub fn builtin() -> Self {
        Self::load(Vec::new()).unwrap_or_default()
    }

    /// The same, kept for the life of a process. Nobody waits for who reads them first: with work shared out meanwhile, a
    /// thread would wait for itself.
    fn loaded() -> Option<Self> {
        static LOADED: OnceLock<Option<RuleSet>> = OnceLock::new();
        let loaded = LOADED.get().cloned().unwrap_or_else(|| Self::of(&builtin::files()).ok());
        _ = LOADED.set(loaded.clone());
        loaded
    }

    /// The built-in rules with those of `files` added; `override:` and `disable:` items of them are heeded.
    ///
    /// # Errors
    /// [`Error::Rules`] with every mistake of every file, rendered.
    pub fn load(files: Vec<RuleFile>) -> Result<Self, Error> {
        if let Some(loaded) = Self::loaded().filter(|_| files.is_empty()) {
            return Ok(loaded);
        }
        let mut all = builtin::files();
        all.extend(files);
        Self::of(&all)
    }

    /// The rules of these files alone.
    ///
    /// # Errors
    /// As [`RuleSet::load`].
    pub fn of(files: &[RuleFile]) -> Result<Self, Error> {
        let mut loader = Loader::new(files);
        let read = |file: &RuleFile| {
            let mut mistakes = Vec::new();
            (yaml::items(&file.text, &mut mistakes), mistakes)
        };
        let trees: Vec<_> = files.par_iter().map(read).collect();
        for (file, (nodes, mistakes)) in trees.into_iter().enumerate() {
            loader.mistakes[file] = mistakes;
            for node in nodes {
                loader.item(file, node);
            }
        }
        loader.finish()
    }

    /// Higher `rank` first, then confidence, then the number of conditions, then the id: precedence as far as rules
    /// alone decide it; for a case, whether the captures meet what a rule needs comes after its rank.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The rule of this id.
    pub fn find(&self, id: &str) -> Option<&Rule> {
        self.rules.iter().find(|r| &*r.id == id)
    }

    /// Whether this event says nothing of the phase that the call had reached.
    pub fn is_blind(&self, event: &str) -> bool {
        self.blind.iter().any(|b| &**b == event)
    }

    /// First 12 hex digits of the SHA-256 over all loaded rule files and event files.
    pub fn digest(&self, events: &EventSet) -> String {
        digest(self.texts.iter().map(String::as_str).chain(events.texts()))
    }

    /// The digest of the built-in rules and events alone.
    pub fn builtin_digest() -> String {
        let rules = builtin::files();
        let events = EventSet::builtin_texts();
        digest(rules.iter().map(|f| f.text.as_str()).chain(events))
    }
}

/// An item with the values of its keys; each value knows the file it stands in, since overrides mix files.
#[derive(Clone, Debug, Default)]
pub(super) struct Item {
    /// Place of the item's first key: file and bytes.
    pub(super) at: (usize, Range<usize>),
    pub(super) values: BTreeMap<String, (usize, Node)>,
}

struct Loader<'f> {
    files: &'f [RuleFile],
    mistakes: Vec<Vec<Mistake>>,
    items: BTreeMap<String, Item>,
    blind: Vec<Arc<str>>,
}

impl<'f> Loader<'f> {
    fn new(files: &'f [RuleFile]) -> Self {
        Self { files, mistakes: vec![Vec::new(); files.len()], items: BTreeMap::new(), blind: Vec::new() }
    }

    fn wrong(&mut self, file: usize, mistake: Mistake) {
        self.mistakes[file].push(mistake);
    }

    fn item(&mut self, file: usize, node: Node) {
        let What::Map(entries) = node.what else {
            return self.wrong(file, Mistake::new(node.at.clone(), "expected a rule: `- rule: …`"));
        };
        let Some((first, value)) = entries.first().cloned() else {
            return self.wrong(file, Mistake::new(node.at, "this item is empty"));
        };
        match first.text() {
            Some("rule") => self.rule(file, &first, &value, entries),
            Some("override") => self.replace(file, &first, &value, entries),
            Some("disable") => {
                self.alone(file, &entries);
                self.disable(file, &value);
            }
            Some("blind_events") => {
                self.alone(file, &entries);
                self.blind_events(file, &value);
            }
            _ => {
                let word = first.text().unwrap_or_default().to_owned();
                let text = format!(
                    "an item begins with `rule`, `override`, `disable` or `blind_events`, not with `{word}`"
                );
                let heads = ["rule", "override", "disable", "blind_events"];
                self.wrong(file, Mistake::new(first.at, text).suggest(&word, heads));
            }
        }
    }

    fn rule(&mut self, file: usize, first: &Node, value: &Node, entries: Vec<(Node, Node)>) {
        let id = value.text().unwrap_or_default().to_owned();
        if let Some(other) = self.items.get(&id) {
            let (other_file, other_at) = other.at.clone();
            let source = &self.files[other_file];
            let (line, _) = line_and_column(&source.text, other_at.start);
            let text = format!("rule `{id}` is there already: {}:{line}", source.path);
            let help = "to replace keys of it, write `- override: ID` instead of `- rule: ID`";
            return self.wrong(file, Mistake::new(value.at.clone(), text).help(help));
        }
        let values = self.values(file, entries);
        self.items.insert(id, Item { at: (file, first.at.clone()), values });
    }

    fn replace(&mut self, file: usize, first: &Node, value: &Node, mut entries: Vec<(Node, Node)>) {
        let id = value.text().unwrap_or_default().to_owned();
        if !self.known(file, &id, value) {
            return;
        }
        entries.remove(0);
        if let Some((key, _)) = entries.iter().find(|(key, _)| key.text() == Some("rule")) {
            let text = "an override keeps the id of its rule; `rule` has no place beside `override`";
            return self.wrong(file, Mistake::new(key.at.clone(), text));
        }
        let values = self.values(file, entries);
        if let Some(item) = self.items.get_mut(&id) {
            item.at = (file, first.at.clone());
            item.values.extend(values);
        }
    }

    fn disable(&mut self, file: usize, value: &Node) {
        let id = value.text().unwrap_or_default().to_owned();
        if self.known(file, &id, value) {
            self.items.remove(&id);
        }
    }

    fn blind_events(&mut self, file: usize, value: &Node) {
        if let Some(texts) = build::texts(value) {
            self.blind.extend(texts.into_iter().map(|(_, text)| Arc::from(text)));
        } else {
            let mistake = Mistake::new(value.at.clone(), "`blind_events` is a list of events");
            self.wrong(file, mistake.help("write `- blind_events: [deadline_exceeded]`"));
        }
    }

    /// Notes what stands below an item of one key.
    fn alone(&mut self, file: usize, entries: &[(Node, Node)]) {
        if let [(first, _), (key, _), ..] = entries {
            let (first, name) = (first.text().unwrap_or_default(), key.text().unwrap_or_default());
            let text = format!("`{name}` has no place beside `{first}`");
            self.wrong(file, Mistake::new(key.at.clone(), text).help("begin another item with `- `"));
        }
    }

    fn known(&mut self, file: usize, id: &str, at: &Node) -> bool {
        if self.items.contains_key(id) {
            return true;
        }
        let mistake = Mistake::new(at.at.clone(), format!("there is no rule `{id}` before this"));
        let mistake = mistake.suggest(id, self.items.keys().map(String::as_str));
        self.wrong(file, mistake);
        false
    }

    fn values(&mut self, file: usize, entries: Vec<(Node, Node)>) -> BTreeMap<String, (usize, Node)> {
        build::values(file, entries, ("rule", KEYS), &mut |mistake| self.mistakes[file].push(mistake))
    }

    fn finish(mut self) -> Result<RuleSet, Error> {
        let items: Vec<Item> = std::mem::take(&mut self.items).into_values().collect();
        let build = |item: &Item| {
            let mut mistakes = Vec::new();
            (build::rule(item, self.files, &mut mistakes), mistakes)
        };
        let built: Vec<_> = items.par_iter().map(build).collect();
        let mut rules = Vec::with_capacity(built.len());
        for (rule, mistakes) in built {
            rules.extend(rule);
            for (file, mistake) in mistakes {
                self.wrong(file, mistake);
            }
        }
        if self.mistakes.iter().any(|m| !m.is_empty()) {
            let texts = self.files.iter().zip(&self.mistakes);
            let all: String = texts.map(|(file, m)| render(&file.path, &file.text, m)).collect();
            let count: usize = self.mistakes.iter().map(Vec::len).sum();
            let found = if count == 1 { "1 mistake".to_owned() } else { format!("{count} mistakes") };
            return Err(Error::Rules(format!("{all}{found} in rule files")));
        }
        rules.sort_by(|a: &Rule, b: &Rule| {
            let key = |r: &Rule| std::cmp::Reverse((r.rank, r.confidence, r.conditions()));
            key(a).cmp(&key(b)).then_with(|| a.id.cmp(&b.id))
        });
        let texts = self.files.iter().map(|f| f.text.clone()).collect();
        Ok(RuleSet { rules: rules.into(), blind: self.blind.into(), texts })
    }
}

fn digest<'t>(texts: impl Iterator<Item = &'t str>) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update(text.len().to_le_bytes());
        hash.update(text);
    }
    hash.finalize().iter().take(6).flat_map(|b| [hex_digit(b >> 4), hex_digit(b & 15)]).collect()
}

fn hex_digit(nibble: u8) -> char {
    char::from_digit(u32::from(nibble), 16).unwrap_or('0')
}

#[cfg(test)]
mod tests;
