//! Names in text, found however many there are and whenever they were learnt.
//!
//! Takes names with what replaces each; gives a text with the longest name at each place replaced. A name begins and ends
//! where a word does, so that only places at which a name's first word stands are looked at, and names take little more
//! memory than their bytes. Never decides what a name is.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher};
use std::sync::Arc;

use hashbrown::HashTable;

/// Names with what replaces them.
#[derive(Debug, Default)]
pub(super) struct Searches {
    /// Its seed is chosen anew in each run: nobody can send names that share a hash.
    seed: RandomState,
    names: Vec<(Arc<str>, Arc<str>)>,
    /// Places in `names` by the hash of the name.
    whole: HashTable<u32>,
    /// By the hash of a first word: bytes of the longest name that begins with it.
    first: HashMap<u64, usize>,
    /// By the hash of the first [`LONGEST`] bytes, twice, four times as many, and so on, of a longer name: its place.
    beginnings: HashMap<u64, u32>,
}

/// How freely a name may stand in a text to be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Anywhere between other characters than letters and digits: the words of a log or a path.
    Bundle,
    /// A name that is a plain word (`mesh`) only where punctuation marks it as a name: sentences of rules.
    Prose,
    /// In front of a `/` (a folder) or behind a `=` (a value of a query).
    Place,
    /// A part of a file's name, between its dots or at its end.
    File,
}

/// A name in a text, and what it becomes.
struct Found<'s> {
    start: usize,
    end: usize,
    new: &'s str,
}

impl Searches {
    /// Looks for a name, in small letters, from now on.
    pub(super) fn add(&mut self, name: Arc<str>, new: Arc<str>) {
        let hash = hash_of(&self.seed, name.as_bytes());
        let known = self.whole.find(hash, |&n| self.name(n).is_some_and(|(known, _)| *known == name));
        if let Some((_, replaced)) = known.copied().and_then(|n| self.names.get_mut(n as usize)) {
            *replaced = new;
            return;
        }
        let (bytes, place) = (name.as_bytes(), self.names.len() as u32);
        let first = hash_of(&self.seed, bytes.get(..first_word(&name)).unwrap_or_default());
        let longest = self.first.entry(first).or_default();
        *longest = bytes.len().max(*longest);
        let mut length = LONGEST;
        while let Some(beginning) = bytes.get(..length).filter(|b| b.len() < bytes.len()) {
            self.beginnings.entry(hash_of(&self.seed, beginning)).or_insert(place);
            length *= 2;
        }
        let (seed, names) = (&self.seed, &self.names);
        let again = |n: &u32| names.get(*n as usize).map_or(0, |(name, _)| hash_of(seed, name.as_bytes()));
        self.whole.insert_unique(hash, place, again);
        self.names.push((name, new));
    }

    fn name(&self, place: u32) -> Option<&(Arc<str>, Arc<str>)> {
        self.names.get(place as usize)
    }

    /// The text with names replaced.
    pub(super) fn replace(&self, text: &str, mode: Mode) -> String {
        let (mut out, mut copied) = (String::with_capacity(text.len()), 0);
        for found in self.find(text, mode).0 {
            out.push_str(text.get(copied..found.start).unwrap_or_default());
            out.push_str(found.new);
            copied = found.end;
        }
        out.push_str(text.get(copied..).unwrap_or_default());
        out
    }

    /// The names in a text from the left, the longest at each place, and how many bytes were looked at.
    fn find(&self, text: &str, mode: Mode) -> (Vec<Found<'_>>, usize) {
        let (mut all, mut steps, mut at, mut within) = (Vec::new(), 0, 0, false);
        while let Some(next) = text.get(at..).and_then(|rest| rest.chars().next()) {
            if within && next.is_alphanumeric() {
                at += next.len_utf8();
                continue;
            }
            let (found, looked_at) = self.longest(text, at, mode);
            steps += looked_at;
            if let Some((end, new)) = found {
                all.push(Found { start: at, end, new });
                at = end;
                let last = text.get(..end).and_then(|t| t.chars().next_back());
                within = last.is_some_and(char::is_alphanumeric);
            } else {
                at += next.len_utf8();
                within = next.is_alphanumeric();
            }
        }
        (all, steps)
    }

    /// The longest name that begins where a word does, or the beginning of one that is longer than any of Kubernetes and
    /// DNS: where it ends and what replaces it; and how many bytes were looked at.
    fn longest(&self, text: &str, start: usize, mode: Mode) -> (Option<(usize, &str)>, usize) {
        let rest = text.get(start..).unwrap_or_default();
        let (bytes, mut length) = (rest.as_bytes(), first_word(rest));
        let mut hash = self.seed.build_hasher();
        bytes.iter().take(length).for_each(|b| step(&mut hash, *b));
        let Some(&most) = self.first.get(&hash.finish()) else { return (None, length) };
        let (mut found, mut limit) = (None, LONGEST);
        loop {
            if ends_word(rest, length)
                && let Some(new) = self.known(hash.finish(), bytes.get(..length).unwrap_or_default())
                && stands_alone(text, start, start + length, mode)
            {
                found = Some((start + length, new));
            }
            if length == limit && !matches!(mode, Mode::Place | Mode::File) {
                let Some((_, new)) = self.beginnings.get(&hash.finish()).and_then(|&n| self.name(n)) else {
                    break;
                };
                let end = (start..=start + length).rev().find(|n| text.is_char_boundary(*n));
                found = end.filter(|end| *end > start).map(|end| (end, &**new)).or(found);
                limit *= 2;
            }
            let Some(next) = bytes.get(length).filter(|_| length < most) else { break };
            step(&mut hash, *next);
            length += 1;
        }
        (found, length)
    }

    /// What replaces these bytes, if they are a name.
    fn known(&self, hash: u64, bytes: &[u8]) -> Option<&str> {
        let is = |&n: &u32| self.name(n).is_some_and(|(name, _)| name.as_bytes().eq_ignore_ascii_case(bytes));
        let place = self.whole.find(hash, is)?;
        self.name(*place).map(|(_, new)| &**new)
    }
}

fn hash_of(seed: &RandomState, bytes: &[u8]) -> u64 {
    let mut hash = seed.build_hasher();
    for byte in bytes {
        step(&mut hash, *byte);
    }
    hash.finish()
}

/// One byte more, in small letters.
fn step(hash: &mut impl Hasher, byte: u8) {
    hash.write_u8(byte.to_ascii_lowercase());
}

/// Bytes of the word that a text begins with, or of its first character, as far as they are looked up.
fn first_word(text: &str) -> usize {
    let word = text.find(|c: char| !c.is_alphanumeric()).unwrap_or(text.len());
    let one = || text.chars().next().map_or(0, char::len_utf8);
    if word == 0 { one() } else { word.min(LONGEST) }
}

/// Whether a word may end behind so many bytes.
fn ends_word(text: &str, length: usize) -> bool {
    match text.as_bytes().get(length) {
        None => true,
        Some(next) if next.is_ascii() => !next.is_ascii_alphanumeric(),
        Some(_) => {
            text.get(length..).and_then(|t| t.chars().next()).is_some_and(|next| !next.is_alphanumeric())
        }
    }
}

/// Whether what stands from `start` to `end` is a word or more.
fn stands_alone(text: &str, start: usize, end: usize, mode: Mode) -> bool {
    let before = text.get(..start).and_then(|t| t.chars().next_back());
    let after = text.get(end..).and_then(|t| t.chars().next());
    if [before, after].into_iter().flatten().any(char::is_alphanumeric) {
        return false;
    }
    match mode {
        Mode::Place => return before == Some('=') || after == Some('/'),
        Mode::File => return is_of_file(text, start, end),
        Mode::Bundle | Mode::Prose => {}
    }
    let plain = text.get(start..end).is_some_and(|t| t.chars().all(|c| c.is_ascii_alphabetic()));
    let marked =
        |c: Option<char>| c.is_none_or(|c| matches!(c, '.' | '/' | '"' | '\'' | '=' | '@' | '_' | '-'));
    // The full stop of a sentence marks nothing.
    let ends_sentence =
        after == Some('.') && text.get(end + 1..).is_none_or(|t| t.is_empty() || t.starts_with(' '));
    mode == Mode::Bundle || !plain || marked(before) || (marked(after) && !ends_sentence)
}

/// Whether what stands there is a part of a file's name: an extension of files follows, at once or after further parts, or
/// the last folder of a path stands before it and nothing behind it.
fn is_of_file(text: &str, start: usize, end: usize) -> bool {
    let rest = text.as_bytes().get(end..).unwrap_or_default();
    let goes_on = |b: &&u8| b.is_ascii_alphanumeric() || b"._-".contains(b);
    let length = rest.iter().take(LONGEST).take_while(goes_on).count();
    let rest = text.get(end..end + length).unwrap_or_default();
    let before = text.get(..start).and_then(|t| t.chars().next_back());
    match rest.chars().next() {
        Some('.') => rest.split('.').skip(1).any(is_extension),
        None => text.len() == end && before.is_none_or(|c| matches!(c, '/' | '!')),
        Some(_) => false,
    }
}

/// What the name of a file may end with, a number behind it too (`pcap3`).
fn is_extension(part: &str) -> bool {
    let small = part.to_ascii_lowercase();
    let bare = small.trim_end_matches(|c: char| c.is_ascii_digit());
    EXTENSIONS.contains(&small.as_str()) || EXTENSIONS.contains(&bare)
}

/// What the names of files end with.
const EXTENSIONS: [&str; 32] = [
    "bz2", "cap", "cer", "conf", "crt", "csv", "der", "gz", "htm", "html", "journal", "json", "jsonl", "key",
    "keylog", "log", "lz4", "md", "ndjson", "out", "pcap", "pcapng", "pem", "tar", "tgz", "txt", "xml", "xz",
    "yaml", "yml", "zip", "zst",
];

/// Bytes of the longest name that Kubernetes and DNS allow, and a little.
const LONGEST: usize = 256;

#[cfg(test)]
mod tests {
    use super::super::Redactor;
    use super::super::names::Names;
    use super::*;

    /// A name is replaced whenever it was learnt, and the longest that stands at a place wins, however long.
    #[test]
    fn names_learnt_one_by_one_are_all_replaced() {
        let mut redactor = Redactor::default();
        let host = |n: usize| vec!["x-y"; n].join("-") + ".acme.lan";
        for n in [1, 2, 5, 90, 100] {
            assert!(!redactor.text(&format!("lookup {}", host(n))).contains("acme"), "{n}");
        }
        assert_eq!(redactor.search.names.len(), redactor.names.len());
        for (n, name) in [(1, "name_1"), (5, "name_3"), (90, "name_4"), (100, "name_5")] {
            assert_eq!(redactor.text(&format!("a {} b", host(n))), format!("a {name} b"));
        }
    }

    /// Names within names, as many as a line has words: a place costs no more than the longest that DNS allows.
    #[test]
    fn names_within_names_cost_their_length_at_most() {
        let word = |n: usize| vec!["a"; n].join("-");
        let mut redactor = Redactor::default();
        let mut names = Names::default();
        (2..1500).for_each(|n| names.of_text(&format!("lookup {}", word(n))));
        redactor.learn(names);
        for text in [word(4000), word(1000) + "-b", (word(200) + "-b-").repeat(20)] {
            let (_, steps) = redactor.search.find(&text, Mode::Bundle);
            assert!(steps <= text.len() * 200, "{steps}");
        }
        assert!(redactor.text(&word(4000)).len() < 100);
    }

    /// A name longer than any of Kubernetes goes, as far as its text was cut in the middle of it, too.
    #[test]
    fn long_names_are_replaced_whole_or_as_far_as_they_stand() {
        let mut search = Searches::default();
        let names =
            ["acme-".repeat(60) + "a", "acme-".repeat(60) + "b", "acme-".repeat(200) + "c", "é-".repeat(200)];
        for (n, name) in names.iter().enumerate() {
            search.add(name.as_str().into(), format!("name_{n}").into());
        }
        for (n, name) in names.iter().enumerate() {
            assert_eq!(search.replace(&format!("a {name} b"), Mode::Bundle), format!("a name_{n} b"));
            let cut: String = name.chars().take(name.chars().count() - 9).collect();
            let left = search.replace(&format!("a {cut}"), Mode::Bundle);
            assert!(left.len() < 2 + 6 + cut.len() / 2, "{left}");
        }
        search.add(names[0].as_str().into(), "other".into());
        assert_eq!(search.replace(&names[0].to_uppercase(), Mode::Bundle), "other");
    }

    /// The parts of a file's name are names in the names of files, and words anywhere else.
    #[test]
    fn parts_of_the_names_of_files_are_replaced_there_alone() {
        let mut search = Searches::default();
        search.add("refused".into(), "file_1".into());
        search.add("acme-prod".into(), "file_2".into());
        for (text, redacted) in [
            ("connect: connection refused", "connect: connection refused"),
            ("it was refused.", "it was refused."),
            ("a/refused.log:7", "a/file_1.log:7"),
            ("in acme-prod.pcap3, and", "in file_2.pcap3, and"),
            ("x.tar!b/acme-prod", "x.tar!b/file_2"),
            ("kube-apiserver.acme-prod.log.gz", "kube-apiserver.file_2.log.gz"),
            ("acme-prod.refused.log", "file_2.file_1.log"),
        ] {
            assert_eq!(search.replace(text, Mode::File), redacted);
        }
    }

    /// What names take grows with their bytes, few more than those.
    #[test]
    fn names_take_little_more_than_their_bytes() {
        let mut search = Searches::default();
        let name = |n: usize| format!("{n:06}-{}", "x".repeat(250));
        (0..2000).for_each(|n| search.add(name(n).into(), "new".into()));
        let tables =
            search.whole.capacity() * 5 + search.names.capacity() * 32 + search.first.capacity() * 20;
        let beginnings = search.beginnings.capacity() * 16;
        assert!(tables + beginnings < 2000 * 257, "{tables} {beginnings}");
    }
}
