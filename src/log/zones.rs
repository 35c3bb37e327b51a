//! The zone of a log from another that tells of the same failures.
//!
//! Takes events before their copies are joined; where a log's zone is only assumed, pairs its events with equal ones of
//! logs whose times are sure (a client's output with the time of its command, another component's log) and moves the
//! log by the whole quarters of an hour that all pairs agree on. Never moves a log whose zone is known.

use std::collections::BTreeMap;

use super::merge::{Draft, Drafts, same_content};
use super::timebase::{QUARTER, zone_quarters};
use super::zone_names::offset_name;
use super::{LogEvent, LogReport};
use crate::time::{TimeDelta, Timestamp};

/// A copy is written so long after its call at most, besides whole quarters.
const NEAR: TimeDelta = TimeDelta::from_secs(90);
/// Pairs by words alone that must agree; one pair with a 4-tuple is proof by itself.
const ENOUGH: u64 = 2;

/// Moves every log whose zone is assumed and whose events pair with sure ones.
pub(super) fn settle(drafts: &mut Drafts, reports: &mut [LogReport]) {
    for (n, report) in reports.iter_mut().enumerate().filter(|(_, r)| r.base.assumed_zone) {
        let log = n as u32;
        let Some((quarters, pairs)) = votes(&drafts.events, log).as_ref().and_then(agreed) else { continue };
        let delta = TimeDelta(quarters.saturating_mul(-QUARTER));
        report.base.zone = Some(offset_name(report.base.assumed_east - delta));
        report.base.assumed_zone = false;
        report.base.from = format!("{}; zone from {pairs} copies in other logs", report.base.from);
        report.first = report.first.map(|t| t + delta);
        report.last = report.last.map(|t| t + delta);
        for draft in drafts.events.iter_mut().filter(|d| d.event.log == log) {
            draft.event.time = draft.event.time.map(|t| t + delta);
            for line in &mut draft.event.lines {
                line.time = line.time.map(|t| t + delta);
            }
        }
        for trace in drafts.traces.iter_mut().filter(|t| t.log == log) {
            trace.began = trace.began + delta;
        }
    }
}

/// Votes for each number of quarters that the log may be ahead, with whether a 4-tuple is among them.
fn votes(drafts: &[Draft], log: u32) -> Option<BTreeMap<i64, (u64, bool)>> {
    let mut out: BTreeMap<i64, (u64, bool)> = BTreeMap::new();
    let sure: Vec<&Draft> =
        drafts.iter().filter(|d| d.event.log != log && sure_time(d).is_some()).take(2000).collect();
    let own: Vec<&LogEvent> =
        drafts.iter().filter(|d| d.event.log == log).map(|d| &d.event).take(2000).collect();
    for other in &sure {
        let time = sure_time(other)?;
        // of equal words any may be the copy: each number of quarters that one of them shows gets one vote
        let mut shown: Vec<i64> = own
            .iter()
            .filter(|e| same_content(e, &other.event))
            .filter_map(|e| zone_quarters(e.time? - time, NEAR))
            .collect();
        shown.sort_unstable();
        shown.dedup();
        for quarters in shown {
            let vote = out.entry(quarters).or_default();
            vote.0 += 1;
            vote.1 |= other.event.fields.source.is_some() && other.event.fields.op.is_some();
        }
    }
    Some(out)
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
