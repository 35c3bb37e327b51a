//! One search for the short literals that a line worth reading holds.
//!
//! Takes the triggers of all events; gives the first place in a text where one stands. The packed search (Teddy) looks
//! at four bytes at once before it compares, so each trigger is looked for from its rarest four bytes on and checked
//! whole where they are found. Never reads a line.

use aho_corasick::{AhoCorasick, packed};

/// Bytes of a trigger in front of its needle, and the whole trigger.
type Holder = (usize, Box<[u8]>);

/// Finds triggers in bytes.
#[derive(Clone, Debug, Default)]
pub(super) struct Triggers {
    packed: Option<packed::Searcher>,
    /// For each needle of the packed search, the triggers that hold it, each with the bytes in front of the needle.
    holders: Vec<Vec<Holder>>,
    /// Used where the packed search cannot be built: too many triggers, or a processor without the instructions.
    automaton: Option<AhoCorasick>,
}

impl Triggers {
    pub(super) fn new(triggers: &[String]) -> Self {
        let mut needles: Vec<(&[u8], Vec<Holder>)> = Vec::new();
        let mut all: Vec<_> = triggers.iter().map(|t| (rarest(t.as_bytes()), t.as_bytes())).collect();
        all.sort_unstable();
        all.dedup();
        for ((front, needle), trigger) in
            all.iter().map(|(front, trigger)| (trigger.split_at(*front), trigger))
        {
            let holder = (front.len(), Box::from(*trigger));
            // of needles that begin alike the search reports one alone
            match needles.iter_mut().find(|(n, _)| needle.starts_with(n) || n.starts_with(needle)) {
                Some((shortest, holders)) => {
                    *shortest = if needle.len() < shortest.len() { needle } else { shortest };
                    holders.push(holder);
                }
                None => needles.push((needle, vec![holder])),
            }
        }
        let packed = packed::Config::new()
            .match_kind(packed::MatchKind::LeftmostFirst)
            .builder()
            .extend(needles.iter().map(|(needle, _)| needle))
            .build();
        let automaton = if packed.is_none() { AhoCorasick::new(triggers).ok() } else { None };
        Self { packed, holders: needles.into_iter().map(|(_, holders)| holders).collect(), automaton }
    }

    /// The first trigger in `text` at or after `from`, as a range of bytes.
    pub(super) fn find(&self, text: &[u8], from: usize) -> Option<(usize, usize)> {
        let Some(searcher) = &self.packed else {
            let found = self.automaton.as_ref()?.find(text.get(from..)?)?;
            return Some((from + found.start(), from + found.end()));
        };
        let mut at = from;
        while at < text.len() {
            let found = searcher.find_in(text, (at..text.len()).into())?;
            let holders = self.holders.get(found.pattern().as_usize())?;
            let whole = holders.iter().find_map(|(front, trigger)| {
                let start = found.start().checked_sub(*front).filter(|start| *start >= from)?;
                text.get(start..)?.starts_with(trigger).then_some((start, start + trigger.len()))
            });
            if whole.is_some() {
                return whole;
            }
            at = found.start() + 1;
        }
        None
    }

    #[cfg(test)]
    pub(super) fn is_packed(&self) -> bool {
        self.packed.is_some()
    }
}

/// Where the rarest four bytes of a trigger begin: common ones at the front cost most of the search's time.
fn rarest(trigger: &[u8]) -> usize {
    // the bytes of API-server logs, most frequent first
    const COMMON: &[u8] = b" eoatnirs1lcd0u2phm.:/\"3-g54698f7bvwk=,y";
    // what is left out at the front makes the needle more common again
    const LEFT_OUT: usize = 10;
    let weight = |b: &u8| COMMON.iter().position(|c| c == b).map_or(0, |n| COMMON.len() - n);
    let cost = |n: &usize| trigger.iter().skip(*n).take(WINDOW).map(weight).sum::<usize>() + n * LEFT_OUT;
    (0..=trigger.len().saturating_sub(WINDOW)).min_by_key(cost).unwrap_or(0)
}

/// Bytes that the packed search looks at before it compares.
const WINDOW: usize = 4;

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
                let found = triggers.find(text.as_bytes(), from);
                assert_eq!(found.map(|(start, _)| start), plain(text, from), "{text} from {from}");
            }
        }
    }
}
