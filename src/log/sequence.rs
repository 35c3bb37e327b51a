//! Lines of two sources that are one although they tell no more than seconds: their sequences agree.
//!
//! Takes the drafts of all logs; gives those that are one line. Two failures in one second may have the same words, so that
//! a line alone says nothing: from where the later source begins, each of its lines must stand in the other, in the same
//! order and at the same time, to the end of one of the two; and they must be several at several times, or each name a port
//! that no other call has. Sources of different hosts, pods or components are never one.

use std::collections::BTreeMap;

use super::merge::{Draft, same_content};
use super::twin::{Mark, short};
use crate::bundle::SourceIndex;
use crate::time::{TimeDelta, Timestamp};

/// A line of a source, in order of time.
struct Said {
    time: Timestamp,
    resolution: TimeDelta,
    words: Mark,
    n: usize,
}

/// Sources that are compared with each other.
const MAX_SOURCES: usize = 32;
/// Places of one sequence at which the other may begin.
const MAX_BEGINNINGS: usize = 16;
/// Lines from which on sequences agree by more than chance.
const ENOUGH: usize = 3;
/// A runtime stamps a line so much later than the program did.
const LATER: TimeDelta = TimeDelta::from_millis(100);

/// Places of drafts that are one line.
pub(super) fn twins(drafts: &[Draft]) -> Vec<Vec<usize>> {
    let mut sources: BTreeMap<SourceIndex, Vec<Said>> = BTreeMap::new();
    let mut coarse = false;
    for (n, draft) in drafts.iter().enumerate() {
        let (Some(words), Some(time), Some(line)) =
            (draft.words, draft.event.time, draft.event.lines.first())
        else {
            continue;
        };
        let resolution = draft.event.resolution;
        coarse |= resolution.0 > 1_000;
        sources.entry(line.source).or_default().push(Said { time, resolution, words, n });
    }
    if !coarse || sources.len() < 2 {
        return Vec::new();
    }
    let mut sources: Vec<_> = sources.into_values().take(MAX_SOURCES).collect();
    for said in &mut sources {
        said.sort_by_key(|s| (s.time, s.n));
    }
    let mut found = Found::default();
    for (at, one) in sources.iter().enumerate() {
        for other in sources.iter().skip(at + 1) {
            found.pair(one, other, drafts);
        }
    }
    found.slots.into_values().collect()
}

/// Lines that are one, by the first of them, and which one a line was found to be.
#[derive(Default)]
struct Found {
    slots: BTreeMap<usize, Vec<usize>>,
    lead: BTreeMap<usize, usize>,
}

impl Found {
    fn pair(&mut self, one: &[Said], other: &[Said], drafts: &[Draft]) {
        let (Some(a), Some(b)) = (one.first(), other.first()) else { return };
        if !may_be_one(drafts, a, b) {
            return;
        }
        let (early, late, first) = if a.time <= b.time { (one, other, b) } else { (other, one, a) };
        let from = early.partition_point(|s| s.time + reach(s, first) < first.time);
        let near = early.get(from..).unwrap_or_default();
        let near = near.iter().take_while(|s| s.time <= first.time + reach(s, first)).take(MAX_BEGINNINGS);
        let agreeing = (0..near.count()).find_map(|n| agree(early.get(from + n..)?, late, drafts));
        for (one, other) in agreeing.into_iter().flatten() {
            self.join(one, other);
        }
    }

    fn join(&mut self, one: usize, other: usize) {
        let lead = |n: usize| self.lead.get(&n).copied().unwrap_or(n);
        let (one, other) = (lead(one), lead(other));
        if one == other {
            return;
        }
        let (lead, gone) = (one.min(other), one.max(other));
        let more = self.slots.remove(&gone).unwrap_or_else(|| vec![gone]);
        self.lead.extend(more.iter().map(|&n| (n, lead)));
        self.slots.entry(lead).or_insert_with(|| vec![lead]).extend(more);
    }
}

/// How far the times of one line may lie apart.
fn reach(one: &Said, other: &Said) -> TimeDelta {
    one.resolution.max(other.resolution) + LATER
}

/// The pairs of two sequences, if all agree as far as both go and that is more than chance.
fn agree(one: &[Said], other: &[Said], drafts: &[Draft]) -> Option<Vec<(usize, usize)>> {
    let same = |(a, b): (&Said, &Said)| {
        let alike = a.words == b.words && (a.time - b.time).abs() <= reach(a, b);
        let alike = alike && same_content(&drafts.get(a.n)?.event, &drafts.get(b.n)?.event);
        alike.then_some((a.n, b.n))
    };
    let pairs: Option<Vec<_>> = one.iter().zip(other).map(same).collect();
    let pairs = pairs?;
    let last = pairs.len().checked_sub(1)?;
    let several = pairs.len() >= ENOUGH
        && one.get(last)?.time > one.first()?.time + reach(one.first()?, other.first()?);
    let own_port = |&(n, _): &(usize, usize)| drafts.get(n).is_some_and(|d| d.event.fields.source.is_some());
    (several || pairs.iter().all(own_port)).then_some(pairs)
}

/// What the two sources say of who wrote them does not contradict.
fn may_be_one(drafts: &[Draft], one: &Said, other: &Said) -> bool {
    let (Some(one), Some(other)) = (drafts.get(one.n), drafts.get(other.n)) else { return false };
    let (one, other) = (&one.event, &other.event);
    let alike =
        |one: Option<&str>, other: Option<&str>| one.zip(other).is_none_or(|(one, other)| one == other);
    alike(one.host.as_deref().map(short), other.host.as_deref().map(short))
        && alike(one.pod.as_deref(), other.pod.as_deref())
        && alike(one.component.as_deref(), other.component.as_deref())
}
