//! One line that is told at several places: a journal beside the container's log, a copy of a file.
//!
//! Takes the drafts of all logs; gives each line once. Twins stand in different sources, and have the same stamp of the
//! program itself to the microsecond, process, place in its source and message, or one identity (an audit event), or,
//! where the program tells no more than seconds, the same words at one time of an envelope that tells microseconds; the
//! hosts that their logs name must not contradict each other. What has seconds only is joined by whole sequences of lines
//! (`sequence`). The same line twice in one source is two lines.

use std::hash::BuildHasher;
use std::num::NonZeroU64;

use foldhash::fast::FixedState;

use super::LogLine;
use super::envelope::{Layer, Peeled};
use super::merge::{Draft, Drafts, same_content};
use super::sequence;
use super::stamp::Stamp;
use crate::bundle::SourceIndex;

/// What twins have in common, as a hash.
pub(super) type Mark = NonZeroU64;

/// The mark of a line by what klog writes at its head, and its message.
pub(super) fn mark(stamp: Stamp, pid: u32, caller: &str, message: &str) -> Option<Mark> {
    fine(stamp).then(|| hash((stamp, pid, caller, message)))
}

/// The mark of a peeled line: of what has an identity, of klog, or of another logger whose stamps tell microseconds.
pub(super) fn mark_of(peeled: &Peeled<'_>) -> Option<Mark> {
    if let Some(id) = &peeled.id {
        return Some(hash((id, &*peeled.message)));
    }
    let (stamp, caller) = (*peeled.stamps.last()?, peeled.caller.as_deref());
    match peeled.layers.last()? {
        Layer::Klog => mark(stamp, peeled.pid.unwrap_or_default(), caller?, &peeled.message),
        Layer::KlogJson | Layer::Zap | Layer::Json | Layer::Logrus | Layer::Capnslog if fine(stamp) => {
            Some(hash((stamp, caller, &*peeled.message, &peeled.values)))
        }
        _ => None,
    }
}

/// What a line without a mark says, whatever stands around it.
pub(super) fn words_of(peeled: &Peeled<'_>) -> Option<Mark> {
    let told = !peeled.stamps.is_empty() && !peeled.message.is_empty();
    told.then(|| hash((&peeled.caller, &*peeled.message, &peeled.values)))
}

/// The mark of a draft: its line's own, or its words at a time that its envelope tells to the microsecond.
fn mark_at(draft: &Draft) -> Option<Mark> {
    let at = || Some(hash((draft.words?, draft.event.time.filter(|_| draft.event.resolution.0 <= 1_000)?)));
    draft.mark.or_else(at)
}

/// A stamp tells microseconds: two lines of one process hardly share one.
fn fine(stamp: Stamp) -> bool {
    let (Stamp::Absolute(_, resolution) | Stamp::Civil(_, resolution)) = stamp;
    resolution.0 <= 1_000
}

fn hash(what: impl std::hash::Hash) -> Mark {
    NonZeroU64::new(FixedState::default().hash_one(what)).unwrap_or(NonZeroU64::MIN)
}

/// Where a line stands, and on which host.
struct Told<'d> {
    mark: Mark,
    host: Option<&'d str>,
    at: (SourceIndex, u64),
    n: usize,
}

impl<'d> Told<'d> {
    fn of(mark: Option<Mark>, host: Option<&'d str>, lines: &[LogLine], n: usize) -> Option<Self> {
        let line = lines.first()?;
        Some(Self { mark: mark?, host: host.map(short), at: (line.source, line.number), n })
    }
}

/// A host by its first label: a journal names it with or without its domain.
pub(super) fn short(host: &str) -> &str {
    if host.parse::<std::net::IpAddr>().is_ok() {
        return host;
    }
    host.split('.').next().unwrap_or(host)
}

/// Joins twins: each line stays once, and names the others as places where it stands as well.
pub(super) fn join(drafts: &mut Drafts) {
    let events = drafts.events.iter().enumerate();
    let told = events.filter_map(|(n, d)| Told::of(mark_at(d), d.event.host.as_deref(), &d.event.lines, n));
    let found = slots(told.collect());
    let mut gone = vec![false; if found.is_empty() { 0 } else { drafts.events.len() }];
    for slot in found {
        join_events(&mut drafts.events, slot, &mut gone);
    }
    drop_gone(&mut drafts.events, gone);
    let found = sequence::twins(&drafts.events);
    let mut gone = vec![false; if found.is_empty() { 0 } else { drafts.events.len() }];
    for slot in found {
        join_events(&mut drafts.events, slot, &mut gone);
    }
    drop_gone(&mut drafts.events, gone);
    let traces = drafts.traces.iter().enumerate();
    let found = slots(traces.filter_map(|(n, t)| Told::of(t.mark, None, &t.lines, n)).collect());
    let mut gone = vec![false; drafts.traces.len()];
    for slot in found {
        let Some((&lead, others)) = slot.split_first() else { continue };
        for &n in others {
            let lines = std::mem::take(&mut drafts.traces[n].lines);
            drafts.traces[lead].lines.extend(lines);
            gone[n] = true;
        }
    }
    drop_gone(&mut drafts.traces, gone);
}

/// Lines that are one, in order of their places: of those with one mark on one host the first of each source is one, the
/// second of each, and so on. A source that names no host stands beside those that do, from the first of them on.
fn slots(mut told: Vec<Told<'_>>) -> Vec<Vec<usize>> {
    let mut out = Vec::new();
    let first = told.first().map(|t| t.at.0);
    if told.iter().all(|t| Some(t.at.0) == first) {
        return out; // of one source, as almost always
    }
    told.sort_unstable_by_key(|t| (t.mark, t.host.is_none(), t.host, t.at));
    for same in told.chunk_by(|one, next| one.mark == next.mark).filter(|same| same.len() > 1) {
        let mut lines: Vec<Vec<&Told<'_>>> = Vec::new();
        for host in same.chunk_by(|one, next| one.host == next.host) {
            let base = if host.first().is_some_and(|t| t.host.is_some()) { lines.len() } else { 0 };
            for source in host.chunk_by(|one, next| one.at.0 == next.at.0) {
                for (n, line) in source.iter().enumerate() {
                    if lines.len() <= base + n {
                        lines.push(Vec::new());
                    }
                    lines[base + n].push(line);
                }
            }
        }
        for mut line in lines.into_iter().filter(|line| line.len() > 1) {
            line.sort_unstable_by_key(|t| t.at);
            out.push(line.iter().map(|t| t.n).collect());
        }
    }
    out
}

/// Makes one event of several: the one whose time is surest and that says best where it is from.
fn join_events(events: &mut [Draft], mut slot: Vec<usize>, gone: &mut [bool]) {
    let blank = |d: &Draft| (!d.sure, d.event.time.is_none(), d.event.host.is_none(), d.event.pod.is_none());
    slot.sort_by_key(|&n| blank(&events[n])); // stable: of equals the first in order of place
    let Some((&lead, others)) = slot.split_first() else { return };
    for &n in others {
        let (one, other) = (&events[n], &events[lead]);
        let pods = one.event.pod.as_ref().zip(other.event.pod.as_ref());
        if one.copy != other.copy
            || !same_content(&one.event, &other.event)
            || pods.is_some_and(|(one, other)| one != other)
        {
            continue;
        }
        let twin = &mut events[n].event;
        let lines = std::mem::take(&mut twin.lines);
        let (component, host, pod) = (twin.component.clone(), twin.host.clone(), twin.pod.clone());
        let (pretends, of_object) = (twin.pretends, twin.of_object);
        let event = &mut events[lead].event;
        event.pretends &= pretends;
        event.of_object &= of_object;
        event.lines.extend(lines);
        event.component = event.component.take().or(component);
        event.host = event.host.take().or(host);
        event.pod = event.pod.take().or(pod);
        gone[n] = true;
    }
}

fn drop_gone<T>(all: &mut Vec<T>, gone: Vec<bool>) {
    let mut gone = gone.into_iter();
    all.retain(|_| !gone.next().unwrap_or(false));
}
