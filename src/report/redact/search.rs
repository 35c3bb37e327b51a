//! Names in text, found however many there are and whenever they were learnt.
//!
//! Takes names with what replaces each; gives a text with the longest name at each place replaced. Never decides what a
//! name is.

use aho_corasick::{AhoCorasick, MatchKind};

/// Names with what replaces them.
#[derive(Debug, Default)]
pub(super) struct Searches {
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
pub(super) enum Mode {
    /// Anywhere between other characters than letters and digits: the words of a log or a path.
    Bundle,
    /// A name that is a plain word (`mesh`) only where punctuation marks it as a name: sentences of rules.
    Prose,
}

impl Searches {
    /// Looks for a name, in small letters, from now on.
    pub(super) fn add(&mut self, name: String, new: String) {
        self.fresh.push((name, new));
    }

    /// The text with names replaced.
    pub(super) fn replace(&mut self, text: &str, mode: Mode) -> String {
        self.catch_up();
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
    fn catch_up(&mut self) {
        let mut names = std::mem::take(&mut self.fresh);
        if names.is_empty() {
            return;
        }
        while let Some(last) = self.searches.pop_if(|last| last.names.len() <= names.len() * 2) {
            names.extend(last.names);
        }
        self.searches.push(Search::new(names));
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
        let mut numbers: Vec<usize> = redactor.search.searches.iter().map(|s| s.names.len()).collect();
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
        let mut names = Names::default();
        (2..1500).for_each(|n| names.of_text(&format!("lookup {}", word(n))));
        redactor.learn(names);
        redactor.search.catch_up();
        let text = word(4000);
        let mut steps = 0;
        redactor.search.searches.iter().for_each(|s| s.each(&text, Mode::Bundle, &mut |_, _, _| steps += 1));
        assert!(steps <= text.len() * 200, "{steps}");
        assert!(redactor.text(&text).len() < 100);
    }
}
