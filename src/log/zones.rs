//! The zone of a log from another that tells of the same failures.
//!
//! Takes events before their copies are joined; where a log's zone is only assumed, pairs its events with equal ones of
//! logs whose times are sure (a client's output with the time of its command, another component's log) and moves the
//! log by the whole quarters of an hour that all pairs agree on. Never moves a log whose zone is known, and asks no pod of
//! somebody else, who could move a log of the control plane by what he writes.

use std::collections::{BTreeMap, HashMap};

use super::merge::{self, Draft, Drafts, same_content};
use super::timebase::{MAX_QUARTERS, QUARTER, nearest_quarters, zone_quarters};
use super::zone_names::offset_name;
use super::{LogEvent, LogReport};
use crate::time::{TimeDelta, Timestamp};

/// A copy is written so long after its call at most, besides whole quarters.
const NEAR: TimeDelta = TimeDelta::from_secs(90);
/// Pairs by words alone that must agree; one pair with a 4-tuple is proof by itself.
const ENOUGH: u64 = 2;

/// Events of one log that are paired, and that others are paired with.
const MOST: usize = 2000;

/// Moves every log whose zone is assumed and whose events pair with sure ones.
pub(super) fn settle(drafts: &mut Drafts, reports: &mut [LogReport]) {
    let moves = moves(&drafts.events, reports);
    if moves.is_empty() {
        return;
    }
    for draft in &mut drafts.events {
        let Some(&delta) = moves.get(&draft.event.log) else { continue };
        draft.event.time = draft.event.time.map(|t| t + delta);
        for line in &mut draft.event.lines {
            line.time = line.time.map(|t| t + delta);
        }
    }
    for trace in &mut drafts.traces {
        trace.began = moves.get(&trace.log).map_or(trace.began, |delta| trace.began + *delta);
    }
}

/// By how much each such log is moved; its report says so. One pass over all events serves all logs: there may be as
/// many of the one as of the other.
fn moves(drafts: &[Draft], reports: &mut [LogReport]) -> BTreeMap<u32, TimeDelta> {
    let mut moves = BTreeMap::new();
    let (own, sure) = pairs(drafts, reports);
    for (log, own) in own {
        let others = sure.iter().filter(|s| s.event.log != log).take(MOST);
        let Some((quarters, pairs)) = agreed(&votes(&own, others)) else { continue };
        let Some(report) = reports.get_mut(log as usize) else { continue };
        let delta = TimeDelta(quarters.saturating_mul(-QUARTER));
        report.base.zone = Some(offset_name(report.base.assumed_east - delta));
        report.base.assumed_zone = false;
        report.base.from = format!("{}; zone from {pairs} copies in other logs", report.base.from);
        report.first = report.first.map(|t| t + delta);
        report.last = report.last.map(|t| t + delta);
        moves.insert(log, delta);
    }
    moves
}

/// An event whose time is sure.
struct Sure<'d> {
    event: &'d LogEvent,
    time: Timestamp,
    words: u64,
}

/// Events of one log that say the same: the first of them, and the times of all, in order once all are there.
struct Alike<'d> {
    event: &'d LogEvent,
    times: Vec<Timestamp>,
}

/// Events by the hash of their words; equal hashes are compared.
type Words<'d> = HashMap<u64, Vec<Alike<'d>>>;

/// The first events of each log that may be moved, and the first sure ones of every log.
fn pairs<'d>(drafts: &'d [Draft], reports: &[LogReport]) -> (BTreeMap<u32, Words<'d>>, Vec<Sure<'d>>) {
    let assumed: Vec<bool> = reports.iter().map(|r| r.base.assumed_zone).collect();
    let (mut own, mut sure) = (BTreeMap::<u32, Words<'_>>::new(), Vec::new());
    if !assumed.contains(&true) {
        return (own, sure);
    }
    let mut counts = vec![(0, 0); reports.len()];
    for draft in drafts {
        let event = &draft.event;
        let log = event.log as usize;
        let Some((of_own, of_sure)) = counts.get_mut(log) else { continue };
        let movable = assumed.get(log) == Some(&true) && *of_own < MOST;
        let time = sure_time(draft).filter(|_| *of_sure < MOST && !draft.stranger);
        if !movable && time.is_none() {
            continue;
        }
        let words = merge::hash(event);
        if movable {
            *of_own += 1;
            let alike = own.entry(event.log).or_default().entry(words).or_default();
            note(alike, event);
        }
        if let Some(time) = time {
            *of_sure += 1;
            sure.push(Sure { event, time, words });
        }
    }
    let lists = own.values_mut().flat_map(HashMap::values_mut).flatten();
    lists.for_each(|alike| alike.times.sort_unstable());
    (own, sure)
}

fn note<'d>(lists: &mut Vec<Alike<'d>>, event: &'d LogEvent) {
    match lists.iter_mut().find(|alike| same_content(alike.event, event)) {
        Some(alike) => alike.times.extend(event.time),
        None => lists.push(Alike { event, times: event.time.into_iter().collect() }),
    }
}

/// Votes for each number of quarters that the log may be ahead, with whether a 4-tuple is among them.
fn votes<'d>(own: &Words<'d>, sure: impl Iterator<Item = &'d Sure<'d>>) -> BTreeMap<i64, (u64, bool)> {
    let mut out: BTreeMap<i64, (u64, bool)> = BTreeMap::new();
    for Sure { event: other, time, words } in sure {
        // of equal words any may be the copy: each number of quarters that one of them shows gets one vote
        let alike = own.get(words).and_then(|lists| lists.iter().find(|a| same_content(a.event, other)));
        for quarters in alike.map(|alike| shown(&alike.times, *time)).unwrap_or_default() {
            let vote = out.entry(quarters).or_default();
            vote.0 += 1;
            vote.1 |= other.fields.source.is_some() && other.fields.op.is_some();
        }
    }
    out
}

/// Numbers of quarters that some of these times, which are in order, are ahead of another, each once. All that show the
/// same number are stepped over at once: a log may tell of one failure thousands of times.
fn shown(times: &[Timestamp], other: Timestamp) -> Vec<i64> {
    let begin = |quarters: i64| other + TimeDelta(quarters.saturating_mul(QUARTER)) - NEAR;
    let (mut rest, mut out) = (times, Vec::new());
    let mut next = -MAX_QUARTERS;
    while next <= MAX_QUARTERS {
        rest = rest.split_at(rest.partition_point(|time| *time < begin(next))).1;
        let Some(first) = rest.first() else { break };
        let ahead = *first - other;
        out.extend(zone_quarters(ahead, NEAR));
        let nearest = nearest_quarters(ahead);
        next = nearest + i64::from(*first >= begin(nearest));
    }
    out
}

fn sure_time(draft: &Draft) -> Option<Timestamp> {
    if draft.began.is_some() {
        return draft.began;
    }
    draft.event.time.filter(|_| draft.sure)
}

/// The number of quarters that has most votes, if no other comes near.
fn agreed(votes: &BTreeMap<i64, (u64, bool)>) -> Option<(i64, u64)> {
    let best = votes.iter().max_by_key(|(quarters, (n, _))| (*n, -quarters.abs()))?;
    let (quarters, (pairs, exact)) = (*best.0, *best.1);
    let second = votes.iter().filter(|(q, _)| **q != quarters).map(|(_, (n, _))| *n).max().unwrap_or(0);
    ((exact || pairs >= ENOUGH) && second * 2 <= pairs).then_some((quarters, pairs))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{Edge, EventFields, TimeBase, endings};

    const HOUR: i64 = 3600;

    /// An event of a log, so many seconds after 1970 by its clock.
    fn draft(log: u32, seconds: i64, words: &str, sure: bool) -> Draft {
        let fields = EventFields { reason: words.to_owned(), ..EventFields::default() };
        let event = LogEvent {
            name: "connection_refused".into(),
            time: Some(Timestamp::default() + TimeDelta::from_secs(seconds)),
            resolution: TimeDelta::from_secs(1),
            log,
            lines: Vec::new(),
            edge: Edge::Webhook,
            component: None,
            host: None,
            pod: None,
            pretends: false,
            of_object: false,
            server_side: false,
            endings: endings::none(),
            fields: fields.into(),
        };
        Draft { event, copy: None, began: None, sure, stranger: false, mark: None, words: None }
    }

    fn report(assumed_zone: bool) -> LogReport {
        LogReport {
            sources: Vec::new(),
            format: String::new(),
            first: None,
            last: None,
            base: TimeBase { assumed_zone, ..TimeBase::default() },
            component: None,
            host: None,
            versions: Vec::new(),
            lines: 0,
            events: 0,
            unrecognised: 0,
            unrecognised_lines: Vec::new(),
        }
    }

    /// Of a log without a zone and one with: events as (log, time, words), and by how many seconds the first is moved.
    #[test]
    fn a_log_is_moved_where_enough_copies_agree() {
        let words = |n: usize| ["refused", "reset", "timed out", "no route"][n % 4];
        for (own, sure, want) in [
            (&[(2 * HOUR, 0), (2 * HOUR + 300, 1)][..], &[(0, 0), (301, 1)][..], Some(-2 * HOUR)),
            (&[(-HOUR * 11 / 2, 0), (-HOUR * 11 / 2 + 50, 1)], &[(0, 0), (50, 1)], Some(HOUR * 11 / 2)),
            // One pair may be chance.
            (&[(2 * HOUR, 0), (2 * HOUR + 300, 1)], &[(0, 0), (301, 2)], None),
            // Two pairs each for two zones.
            (
                &[(2 * HOUR, 0), (2 * HOUR + 300, 1), (HOUR, 2), (HOUR + 300, 3)],
                &[(0, 0), (300, 1), (0, 2), (300, 3)],
                None,
            ),
            // No whole quarters.
            (&[(2 * HOUR + 400, 0), (2 * HOUR + 700, 1)], &[(0, 0), (300, 1)], None),
            // The same words again and again, of which each pair shows another zone, and one that all share.
            (
                &[(3 * HOUR, 0), (3 * HOUR + 900, 0), (3 * HOUR + 4500, 0)],
                &[(0, 0), (900, 0), (4500, 0)],
                Some(-3 * HOUR),
            ),
        ] {
            let of = |log: u32, sure: bool| {
                move |(seconds, n): &(i64, usize)| draft(log, *seconds, words(*n), sure)
            };
            let drafts: Vec<Draft> =
                own.iter().map(of(0, false)).chain(sure.iter().map(of(1, true))).collect();
            let moves = moves(&drafts, &mut [report(true), report(false)]);
            let want = want.map(|seconds| (0, TimeDelta::from_secs(seconds)));
            assert_eq!(
                moves.into_iter().collect::<Vec<_>>(),
                want.into_iter().collect::<Vec<_>>(),
                "{own:?}"
            );
        }
    }

    /// Stepping over what shows nothing new finds what a look at every pair would.
    #[test]
    fn quarters_are_those_of_all_pairs() {
        let time = |seconds: i64| Timestamp::default() + TimeDelta::from_secs(seconds);
        let naive = |times: &[Timestamp], other: Timestamp| {
            let mut all: Vec<i64> = times.iter().filter_map(|t| zone_quarters(*t - other, NEAR)).collect();
            all.dedup();
            all
        };
        for step in [7, 89, 91, 450, 809, 811, 900, 990, 7201] {
            for first in [-60_000, -50_491, -50_490, -450, -90, 0, 91] {
                let times: Vec<_> = (0..150).map(|n| time(first + n * step)).collect();
                for other in [-901, -45, 0, 449, 450, 451, 3000] {
                    let found = shown(&times, time(other));
                    assert_eq!(found, naive(&times, time(other)), "{first} + n * {step}, {other}");
                }
            }
        }
        assert_eq!(shown(&[], time(0)), Vec::<i64>::new());
        assert_eq!(shown(&[Timestamp(i64::MIN), Timestamp(i64::MAX)], time(0)), Vec::<i64>::new());
    }

    /// However many events there are, of each log some are compared with some, and each event is looked at once for all.
    #[test]
    fn of_each_log_a_bounded_number_of_events_votes() {
        let many = |log: u32, sure: bool| (0..3 * MOST as i64).map(move |n| draft(log, n, "refused", sure));
        let drafts: Vec<Draft> = many(0, false).chain(many(1, true)).chain(many(2, false)).collect();
        let (own, sure) = pairs(&drafts, &[report(true), report(false), report(true)]);
        let times =
            |words: &Words<'_>| words.values().flatten().map(|alike| alike.times.len()).sum::<usize>();
        let counts: Vec<_> = own.iter().map(|(log, words)| (*log, times(words))).collect();
        assert_eq!(counts, [(0, MOST), (2, MOST)]);
        assert_eq!(sure.len(), MOST);
        assert!(sure.iter().all(|s| s.event.log == 1));
        let (own, sure) = pairs(&drafts, &[report(false), report(false), report(false)]);
        assert!(own.is_empty() && sure.is_empty(), "no log may be moved: nothing is compared");
    }
}
