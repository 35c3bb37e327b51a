//! One search for the short literals that a line worth reading holds.
//!
//! Takes the triggers of all events; gives the first place in a text where one stands, and names places on the way there
//! that headings hold. The packed search (Teddy) looks at four bytes at once before it compares, so each trigger is looked
//! for from four of its bytes on that `needles` chooses, and checked whole where they are found. Never reads a line.

use std::sync::{Arc, OnceLock};

use aho_corasick::{AhoCorasick, packed};

use super::needles::{self, BUCKETS};

/// What headings hold behind which a container's words may follow: the names of programs with what stands around them,
/// folders of such logs, and the marks of files and dumps.
const HEADINGS: [&str; 15] = [
    "ctl ",
    "ctl)",
    "KUBECTL",
    "docker ",
    "docker-compose",
    "podman ",
    "stern ",
    "# oc ",
    "$ oc ",
    "# k ",
    "$ k ",
    "/log/pods",
    "/log/containers",
    "==> ",
    "==== START logs",
];

/// A trigger that holds a needle.
#[derive(Clone, Debug)]
struct Holder {
    /// Its bytes in front of the needle.
    front: usize,
    trigger: Box<[u8]>,
    of_event: bool,
}

/// Finds triggers in bytes.
#[derive(Clone, Debug, Default)]
pub(super) struct Triggers {
    all: Arc<[String]>,
    /// Made when it is first needed: many runs read no log. Shared by the clones of a set.
    search: Arc<OnceLock<Search>>,
}

#[derive(Debug)]
struct Search {
    packed: Option<packed::Searcher>,
    /// For each needle of the packed search, the triggers that hold it.
    holders: Vec<Vec<Holder>>,
    /// For triggers, and for what headings hold. Used where the packed search cannot be built: too many triggers, or a
    /// processor without the instructions.
    automata: Option<[AhoCorasick; 2]>,
}

/// Needles at most for the packed search: with more it stops too often.
const MAX_NEEDLES: usize = 80;

impl Triggers {
    pub(super) fn new(triggers: &[String]) -> Self {
        let mut all = triggers.to_vec();
        all.sort_unstable();
        all.dedup();
        Self { all: all.into(), search: Arc::default() }
    }

    /// The first trigger in `text` at or after `from`, as a range of bytes. `heading` gets the places before it that a
    /// heading may hold.
    pub(super) fn find(
        &self,
        text: &[u8],
        from: usize,
        heading: impl FnMut(usize),
    ) -> Option<(usize, usize)> {
        self.search.get_or_init(|| Search::new(&self.all)).find(text, from, heading)
    }

    #[cfg(test)]
    pub(super) fn is_packed(&self) -> bool {
        self.search.get_or_init(|| Search::new(&self.all)).packed.is_some()
    }
}

/// A needle of the packed search.
struct Needle<'t> {
    bytes: &'t [u8],
    bucket: usize,
    holders: Vec<Holder>,
}

impl Search {
    fn new(triggers: &[String]) -> Self {
        let needles = needles_of(triggers);
        if let Some((packed, order)) = packed(&needles) {
            let holders =
                order.iter().map(|n| needles.get(*n).map(|n| n.holders.clone()).unwrap_or_default());
            return Self { packed: Some(packed), holders: holders.collect(), automata: None };
        }
        let automata = AhoCorasick::new(triggers).ok().zip(AhoCorasick::new(HEADINGS).ok());
        Self { packed: None, holders: Vec::new(), automata: automata.map(|(t, h)| [t, h]) }
    }

    fn find(&self, text: &[u8], from: usize, mut heading: impl FnMut(usize)) -> Option<(usize, usize)> {
        let Some(searcher) = &self.packed else {
            let [triggers, headings] = self.automata.as_ref()?;
            let found = triggers.find(text.get(from..)?).map(|f| (from + f.start(), from + f.end()));
            let before = text.get(from..found.map_or(text.len(), |(start, _)| start))?;
            headings.find_iter(before).for_each(|f| heading(from + f.start()));
            return found;
        };
        let mut at = from;
        while at < text.len() {
            let found = searcher.find_in(text, (at..text.len()).into())?;
            let holders = self.holders.get(found.pattern().as_usize())?;
            for Holder { front, trigger, of_event } in holders {
                let start = found.start().checked_sub(*front).filter(|start| *start >= from);
                match start.filter(|start| text.get(*start..).is_some_and(|t| t.starts_with(trigger))) {
                    Some(start) if *of_event => return Some((start, start + trigger.len())),
                    Some(start) => heading(start),
                    None => {}
                }
            }
            at = found.start() + 1;
        }
        None
    }
}

/// The needles of triggers and of what headings hold, each with those that hold it.
fn needles_of(triggers: &[String]) -> Vec<Needle<'_>> {
    let all = triggers.iter().map(String::as_str).chain(HEADINGS);
    let bytes: Vec<&[u8]> = all.map(str::as_bytes).filter(|t| !t.is_empty()).collect();
    let window = bytes.iter().map(|t| t.len()).min().unwrap_or(0).min(needles::WINDOW);
    let choices = needles::choose(&bytes, window.max(1));
    let mut all: Vec<_> = bytes
        .into_iter()
        .zip(choices)
        .map(|(trigger, choice)| (trigger.get(choice.front..).unwrap_or_default(), trigger, choice))
        .collect();
    all.sort_unstable_by_key(|(needle, trigger, _)| (*needle, *trigger));
    let mut needles: Vec<Needle<'_>> = Vec::new();
    for (bytes, trigger, choice) in all {
        let of_event = triggers.iter().any(|t| t.as_bytes() == trigger);
        let holder = Holder { front: choice.front, trigger: trigger.into(), of_event };
        // of needles that begin alike the search reports one alone: the shortest, which comes first here
        match needles.iter_mut().find(|n| bytes.starts_with(n.bytes)) {
            Some(known) => known.holders.push(holder),
            None => needles.push(Needle { bytes, bucket: choice.bucket, holders: vec![holder] }),
        }
    }
    needles
}

/// The packed search, and the needle that each of its patterns is.
fn packed(needles: &[Needle<'_>]) -> Option<(packed::Searcher, Vec<usize>)> {
    if needles.is_empty() || needles.len() > MAX_NEEDLES {
        return None;
    }
    let buckets = (0..BUCKETS).map(|bucket| {
        (0..needles.len()).filter(move |n| needles.get(*n).is_some_and(|n| n.bucket == bucket))
    });
    let buckets: Vec<Vec<usize>> = buckets.map(Iterator::collect).collect();
    let rows = buckets.iter().map(Vec::len).max().unwrap_or(0);
    // patterns are dealt to the buckets in turn; one that stands twice changes nothing
    let dealt = |row: usize| {
        buckets.iter().map(move |bucket| bucket.get(row).or(bucket.first()).copied().unwrap_or(0))
    };
    let order: Vec<usize> = (0..rows).flat_map(dealt).collect();
    let mut config = packed::Config::new();
    // of more than 32 patterns the library makes 16 buckets, and looks at half as many bytes in the same time
    config
        .match_kind(packed::MatchKind::LeftmostFirst)
        .heuristic_pattern_limits(false)
        .only_teddy_fat(Some(false));
    let patterns = order.iter().filter_map(|n| needles.get(*n)).map(|n| n.bytes);
    let searcher = config.builder().extend(patterns).build()?;
    Some((searcher, order))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_trigger_is_found_whole_and_only_whole() {
        let words = [" timeout", "x509: ", "refused", "fused wire", "reset by", "webhook", "abc", "abcd"];
        let triggers = Triggers::new(&words.map(str::to_owned));
        let plain = |text: &str, from: usize| {
            words.iter().filter_map(|w| text[from..].find(w).map(|n| n + from)).min()
        };
        for text in [
            "GET /x?timeout=10s timeout",
            "connection refused wire",
            "con\nfused, fused wire",
            "preset bye reset by peer",
            "webhoo webhook",
            "ab abc abcd",
            "nothing",
            "",
        ] {
            for from in 0..=text.len() {
                let found = triggers.find(text.as_bytes(), from, |_| {});
                assert_eq!(found.map(|(start, _)| start), plain(text, from), "{text} from {from}");
            }
        }
    }

    #[test]
    fn what_headings_hold_is_named_on_the_way() {
        let words = ["ctl abc", "refused docker", "x y"].map(str::to_owned);
        let mut packed = Triggers::new(&words);
        let (text, found) = (b"$ kubectl  podmanctl abc docker refused docker", Some((17, 24)));
        for _ in 0..2 {
            let mut headings = Vec::new();
            assert_eq!(packed.find(text, 0, |at| headings.push(at)), found);
            headings.retain(|at| *at < 17); // the packed search may name one that begins as the trigger does
            assert_eq!(headings, [6]);
            let mut headings = Vec::new();
            assert_eq!(packed.find(text, 18, |at| headings.push(at)), Some((32, 46)));
            assert_eq!(headings, [25]);
            let automata = [AhoCorasick::new(&words).unwrap(), AhoCorasick::new(HEADINGS).unwrap()];
            let search = Search { packed: None, holders: Vec::new(), automata: Some(automata) };
            packed = Triggers { search: Arc::new(search.into()), ..packed };
        }
    }
}
