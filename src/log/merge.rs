//! One failure, one event: joins the copies that one call leaves.
//!
//! Takes all events of all logs, with times; gives each call once, its first line being the one that told it first-hand
//! (the dispatcher's, never the client's). A copy goes to the one nearest call with the same content that has no copy of
//! that kind from the same component yet, so that parallel equal calls stay apart. Never joins two first-hand lines, but
//! those that are one line in several sources (`twin`).
//! What a cut line lost is taken from other lines of its call before (`whole`).

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::FixedState;

use super::body;
use super::grammar::CopyOf;
use super::trace::Trace;
use super::twin::{self, Mark};
use super::whole;
use super::{LogEvent, LogLine, Url};
use crate::time::{TimeDelta, Timestamp};

/// An event before the join.
#[derive(Debug)]
pub(super) struct Draft {
    pub event: LogEvent,
    pub copy: Option<CopyOf>,
    /// Begin of the command whose output it stands in.
    pub began: Option<Timestamp>,
    /// Its time needs no assumption.
    pub sure: bool,
    /// A pod wrote it that is no part of the control plane.
    pub stranger: bool,
    pub mark: Option<Mark>,
    /// Its words, where it has no mark.
    pub words: Option<Mark>,
}

/// A trace with its resolved begin.
#[derive(Debug)]
pub(super) struct TraceDraft {
    pub trace: Trace,
    pub log: u32,
    pub began: Timestamp,
    pub lines: Vec<LogLine>,
    pub mark: Option<Mark>,
}

/// What all logs told, before the join.
#[derive(Debug, Default)]
pub(super) struct Drafts {
    pub events: Vec<Draft>,
    pub traces: Vec<TraceDraft>,
}

/// How far a copy may lie from its first-hand line: before it, and after it.
const fn reach(copy: CopyOf) -> (i64, i64) {
    const MS: i64 = 1_000_000;
    match copy {
        CopyOf::Unhandled => (2 * MS, 250 * MS),
        CopyOf::Body => (250 * MS, 2 * MS),
        CopyOf::Availability => (250 * MS, 250 * MS),
        CopyOf::HttpLog => (2 * MS, 5_000 * MS),
        CopyOf::Client => (2_000 * MS, 60_000 * MS),
    }
}

/// What copies of one failure have in common: event, whose view it is, name of the callee, URL, and the reason word for
/// word.
type Content<'e> = (&'e str, bool, Option<&'e str>, Option<&'e Url>, &'e str);

fn content(event: &LogEvent) -> Content<'_> {
    let fields = &event.fields;
    let who = fields.webhook.as_deref().or(fields.apiservice.as_deref());
    // a denial's copies word the webhook's reason differently, and cut lines end anywhere
    if &*event.name == "webhook_denied" || is_cut(event) {
        return (&event.name, event.server_side, who, None, "");
    }
    (&event.name, event.server_side, who, fields.url.as_ref(), &fields.reason)
}

/// Its line was cut before the reason.
pub(super) fn is_cut(event: &LogEvent) -> bool {
    &*event.name == "reason_cut_off"
}

/// Whether two events may tell of one call.
pub(super) fn same_content(one: &LogEvent, other: &LogEvent) -> bool {
    content(one) == content(other)
}

/// Calls by the hash of their content; equal hashes are compared.
type Calls = HashMap<u64, Vec<usize>, FixedState>;

/// Hash of what [`same_content`] compares.
pub(super) fn hash(event: &LogEvent) -> u64 {
    FixedState::default().hash_one(content(event))
}

/// Joins copies and traces to the calls that they tell of.
pub(super) fn merge(mut drafts: Drafts) -> Vec<LogEvent> {
    twin::join(&mut drafts);
    whole::complete(&mut drafts.events);
    let Drafts { events: mut drafts, traces } = drafts;
    if !drafts.is_sorted_by(|one, next| in_order(&one.event, &next.event)) {
        drafts.sort_by_key(|d| order(&d.event));
    }
    body::join(&mut drafts);
    let copies: Vec<Draft> = drafts.extract_if(.., |d| d.copy.is_some()).collect();
    let mut first_hand = drafts;
    let mut calls = Calls::default();
    for (n, draft) in first_hand.iter().enumerate().filter(|_| !copies.is_empty()) {
        calls.entry(hash(&draft.event)).or_default().push(n);
    }
    // of clients each component tells of a call for itself: a controller, and the audit log of its request
    let mut by_kind: BTreeMap<(CopyOf, Option<Arc<str>>), Vec<Draft>> = BTreeMap::new();
    for copy in copies {
        if let Some(kind) = copy.copy {
            let voice = copy.event.component.clone().filter(|_| kind == CopyOf::Client);
            by_kind.entry((kind, voice)).or_default().push(copy);
        }
    }
    for ((kind, _), copies) in by_kind {
        join_kind(kind, copies, &mut first_hand, &mut calls);
    }
    let mut out: Vec<_> = first_hand.into_iter().map(|d| d.event).collect();
    if !out.is_sorted_by(in_order) {
        out.sort_by_key(order);
    }
    join_traces(traces, &mut out);
    out
}

/// A total order: time (those without one last), source, line.
pub(super) fn order(event: &LogEvent) -> (bool, Option<Timestamp>, Option<(u32, u64)>) {
    let line = event.lines.first().map(|l| (l.source.0, l.number));
    (event.time.is_none(), event.time, line)
}

/// Whether `one` may stand before `next`; their lines are looked at only where their times are equal.
fn in_order(one: &LogEvent, next: &LogEvent) -> bool {
    let time = |event: &LogEvent| (event.time.is_none(), event.time);
    match time(one).cmp(&time(next)) {
        Ordering::Less => true,
        Ordering::Equal => order(one) <= order(next),
        Ordering::Greater => false,
    }
}

/// Gives each copy of a kind to a free call that it can be of: the nearest in time, or the earliest after the begin of
/// its command. One that finds none is a call of its own.
fn join_kind(kind: CopyOf, copies: Vec<Draft>, first_hand: &mut Vec<Draft>, calls: &mut Calls) {
    let mut taken = vec![false; first_hand.len()];
    for copy in copies {
        let key = hash(&copy.event);
        let same = calls.entry(key).or_default();
        let (from, to) = window(kind, &copy);
        let time_of = |n: usize| first_hand.get(n).and_then(|d| d.event.time).unwrap_or(from);
        let free = |n: &usize| {
            let call = first_hand.get(*n).filter(|_| taken.get(*n) == Some(&false));
            call.is_some_and(|call| call.copy != Some(kind) && same_content(&call.event, &copy.event))
        };
        let first = same.partition_point(|&n| time_of(n) < from);
        let found = match copy.event.time.filter(|_| copy.began.is_none()) {
            Some(time) => {
                let reach = (time - from).max(to - time);
                let near = nearest(same, time, &time_of).take_while(|&n| (time_of(n) - time).abs() <= reach);
                near.filter(|n| (from..=to).contains(&time_of(*n))).find(free)
            }
            None => same[first..]
                .iter()
                .copied()
                .take_while(|&n| time_of(n) <= to)
                .take(MAX_CANDIDATES)
                .find(free),
        };
        if let Some(n) = found {
            if let (Some(slot), Some(call)) = (taken.get_mut(n), first_hand.get_mut(n)) {
                *slot = true;
                call.event.lines.extend(copy.event.lines);
            }
        } else {
            let at = same.partition_point(|&n| time_of(n) <= copy.event.time.unwrap_or(Timestamp(i64::MAX)));
            same.insert(at, first_hand.len());
            first_hand.push(copy);
            taken.push(true);
        }
    }
}

/// Calls in order of time, those nearest to `time` first; of two as near the earlier one.
fn nearest<'c>(
    calls: &'c [usize],
    time: Timestamp,
    time_of: &'c dyn Fn(usize) -> Timestamp,
) -> impl Iterator<Item = usize> + 'c {
    let mut after = calls.partition_point(|&n| time_of(n) < time);
    let mut before = after;
    let next = move || {
        let left = before.checked_sub(1).and_then(|n| calls.get(n)).copied();
        let right = calls.get(after).copied();
        let apart = |n: usize| (time_of(n) - time).abs();
        let earlier = match (left, right) {
            (Some(l), Some(r)) => apart(l) <= apart(r),
            (l, _) => l.is_some(),
        };
        if earlier {
            before -= 1;
            return left;
        }
        after += 1;
        right
    };
    std::iter::from_fn(next).take(MAX_CANDIDATES)
}

/// Calls with one content that are looked at for one copy: the others of a flood are taken by then.
const MAX_CANDIDATES: usize = 4096;

/// When the call of a copy was; a copy without any time fits by content alone.
pub(super) fn window(kind: CopyOf, copy: &Draft) -> (Timestamp, Timestamp) {
    let (before, after) = reach(kind);
    match (copy.began, copy.event.time) {
        // a command began (to the second) before its call failed, and gave up within its deadline
        (Some(began), _) => {
            let deadline = copy.event.fields.deadline.unwrap_or(TimeDelta::from_secs(30));
            (began - TimeDelta(before), began + deadline + TimeDelta(after))
        }
        (None, Some(time)) => (time - TimeDelta(after), time + TimeDelta(before)),
        (None, None) => (Timestamp(i64::MIN), Timestamp(i64::MAX)),
    }
}

/// The end of a trace and the line of its call are written within so much of each other.
const TRACE_REACH: TimeDelta = TimeDelta::from_millis(100);

/// A trace gives a call its exact begin and duration: the nearest call of that webhook that ended as the trace did.
fn join_traces(mut traces: Vec<TraceDraft>, calls: &mut [LogEvent]) {
    traces.sort_by_key(|t| (t.began, t.lines.first().map(|l| (l.source, l.number))));
    let mut free: HashMap<&str, Untraced> =
        traces.iter().map(|t| (&*t.trace.webhook, Untraced::default())).collect();
    for (n, call) in calls.iter().enumerate().filter(|(_, c)| c.fields.started.is_none()) {
        let of_webhook = call.fields.webhook.as_deref().and_then(|name| free.get_mut(name));
        if let Some((calls, time)) = of_webhook.zip(call.time) {
            calls.insert((time, n));
        }
    }
    for trace in &traces {
        let ended = trace.began + trace.trace.duration;
        let Some(free) = free.get_mut(&*trace.trace.webhook) else { continue };
        let Some(found) = nearest_untraced(free, ended) else { continue };
        free.remove(&found);
        if let Some(call) = calls.get_mut(found.1) {
            call.fields.started = Some(trace.began);
            call.fields.duration = Some(trace.trace.duration);
            call.lines.extend(trace.lines.iter().cloned());
        }
    }
}

/// Calls of one webhook that no trace was found to be of, by time.
type Untraced = BTreeSet<(Timestamp, usize)>;

/// The call nearest to a time within reach; of two as near the earlier one, of two of one time the first.
fn nearest_untraced(free: &Untraced, ended: Timestamp) -> Option<(Timestamp, usize)> {
    let before = free.range((ended - TRACE_REACH, 0)..(ended, 0)).next_back();
    let before = before.and_then(|(time, _)| free.range((*time, 0)..).next());
    let after = free.range((ended, 0)..=(ended + TRACE_REACH, usize::MAX)).next();
    [before, after].into_iter().flatten().min_by_key(|(time, _)| (*time - ended).abs()).copied()
}
