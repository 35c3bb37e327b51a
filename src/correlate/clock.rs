//! Offsets between the clocks of captures and logs, from pairs of the same instant.
//!
//! Packets of one connection seen by two captures pair those; a log line and the packet that ended its call pair a log
//! and a capture. The reference is the log with the most callers' events. A shift of whole quarter hours of a log
//! whose zone was assumed is a zone, not a clock. A clock that runs fast or slow is a line through its pairs, where many
//! pairs over a long time lie nearer to that line than to one offset.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};

use super::candidates::CLOSE_BY;
use super::link::Connections;
use super::{ClockModel, Drift};
use crate::capture::CaptureIndex;
use crate::flow::Moment;
use crate::ingest::{Conversation, FlowIndex, Flows};
use crate::log::{QUARTER, zone_quarters};
use crate::time::{TimeDelta, Timestamp};

/// One instant on two clocks: when by the first, and how far the second is ahead of it.
pub(super) type Instant = (Timestamp, TimeDelta);

/// How far a clock is ahead of another, as a function of the other's time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Ahead {
    /// At `at`, or always where the rate is 0.
    pub(super) offset: TimeDelta,
    /// Seconds gained a second.
    pub(super) rate: f64,
    pub(super) at: Timestamp,
}

impl Ahead {
    /// One offset for all time.
    pub(super) const fn constant(offset: TimeDelta) -> Self {
        Self { offset, rate: 0.0, at: Timestamp(0) }
    }

    /// What a model says.
    pub(super) fn of(model: &ClockModel) -> Option<Self> {
        let (rate, at) = model.drift.map_or((0.0, Timestamp(0)), |d| (d.rate, d.at));
        model.offset.map(|offset| Self { offset, rate, at })
    }

    /// How far ahead when the other clock shows `time`.
    pub(super) fn at(&self, time: Timestamp) -> TimeDelta {
        self.offset + TimeDelta(((time - self.at).0 as f64 * self.rate) as i64)
    }

    /// What the other clock shows when this one shows `time`.
    pub(super) fn undo(&self, time: Timestamp) -> Timestamp {
        time - self.at(time - self.offset)
    }

    /// Ahead of a third clock, where `self` is ahead of that and `next` ahead of `self`.
    fn then(&self, next: &Self) -> Self {
        let at = if next.rate == 0.0 { self.at } else { self.undo(next.at) };
        let mine = self.at(at);
        Self { offset: mine + next.at(at + mine), rate: self.rate + next.rate, at }
    }

    /// `self` and `other` are both ahead of one clock: how far `self` is ahead of `other`.
    pub(super) fn beside(&self, other: &Self) -> Self {
        let at = if self.rate == 0.0 { other.at } else { self.at };
        Self { offset: self.at(at) - other.at(at), rate: self.rate - other.rate, at }
    }

    /// The drift, where there is any.
    pub(super) fn drift(&self) -> Option<Drift> {
        (self.rate != 0.0).then_some(Drift { rate: self.rate, at: self.at })
    }
}

/// Median and median absolute deviation; `None` of nothing.
fn median(values: impl Iterator<Item = TimeDelta>) -> Option<(TimeDelta, TimeDelta)> {
    let mut values: Vec<TimeDelta> = values.collect();
    values.sort_unstable();
    let middle = *values.get(values.len() / 2)?;
    let mut apart: Vec<_> = values.iter().map(|v| (*v - middle).abs()).collect();
    apart.sort_unstable();
    Some((middle, apart[apart.len() / 2]))
}

/// The offset through these pairs, or the line, and the median absolute deviation from it; `None` of nothing.
pub(super) fn fit(pairs: &[Instant]) -> Option<(Ahead, TimeDelta)> {
    let (offset, residual) = median(pairs.iter().map(|p| p.1))?;
    let flat = (Ahead::constant(offset), residual);
    let Some((line, closer)) = through(pairs) else { return Some(flat) };
    let gained = TimeDelta((line.rate.abs() * span(pairs).0 as f64) as i64);
    let told = closer + closer <= residual && gained >= LEAST_GAIN && gained.0 >= 4 * closer.0;
    Some(if told { (line, closer) } else { flat })
}

/// A line through pairs over a long time: the median of the slopes between the earlier half and the later (Theil and
/// Sen), which a few wrong pairs do not turn.
fn through(pairs: &[Instant]) -> Option<(Ahead, TimeDelta)> {
    if pairs.len() < LEAST_PAIRS || span(pairs) < LEAST_SPAN {
        return None;
    }
    let mut sorted = pairs.to_vec();
    sorted.sort_unstable();
    let (early, late) = sorted.split_at(sorted.len() / 2);
    let slope = |((t, x), (u, y)): (&Instant, &Instant)| (*y - *x).0 as f64 / (*u - *t).0.max(1) as f64;
    let mut slopes: Vec<f64> = early.iter().zip(late).map(slope).collect();
    slopes.sort_unstable_by(f64::total_cmp);
    let rate = *slopes.get(slopes.len() / 2).filter(|r| r.abs() <= MOST_DRIFT)?;
    let at = late.first()?.0;
    let level = Ahead { offset: TimeDelta(0), rate, at };
    let (offset, residual) = median(sorted.iter().map(|(t, ahead)| *ahead - level.at(*t)))?;
    Some((Ahead { offset, ..level }, residual))
}

fn span(pairs: &[Instant]) -> TimeDelta {
    let times = pairs.iter().map(|p| p.0);
    times.clone().max().zip(times.min()).map_or(TimeDelta(0), |(last, first)| last - first)
}

/// A capture's clock beside that of the base of its group.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct OfCapture {
    /// The first capture that it is linked with.
    pub(super) base: usize,
    pub(super) ahead: Ahead,
    pub(super) residual: TimeDelta,
    pub(super) pairs: u32,
}

/// How far each capture is ahead of the first one it is linked with, and which that is.
#[derive(Clone, Debug, Default)]
pub(super) struct CaptureOffsets {
    /// For each capture.
    pub(super) of: Vec<OfCapture>,
}

type Edges = BTreeMap<(usize, usize), (Ahead, TimeDelta, u32)>;

impl CaptureOffsets {
    /// From connections seen by several captures.
    pub(super) fn new(flows: &Flows, captures: usize, connections: &Connections) -> Self {
        let mut pairs: BTreeMap<(usize, usize), Vec<Instant>> = BTreeMap::new();
        for (a, b, _) in connections.pairs() {
            let (Some(a), Some(b)) = (flows.read(a), flows.read(b)) else { continue };
            if let Some((here, there)) = same_instant(&a, &b).filter(|_| a.capture != b.capture) {
                let (x, y) = (a.capture.0 as usize, b.capture.0 as usize);
                pairs.entry((x, y)).or_default().push((here, there - here));
                pairs.entry((y, x)).or_default().push((there, here - there));
            }
        }
        let fitted = pairs.into_iter().filter_map(|(k, v)| {
            let n = v.len() as u32;
            fit(&v).map(|(ahead, residual)| (k, (ahead, residual, n)))
        });
        Self { of: spread(captures, &fitted.collect()) }
    }

    /// The first capture of this one's group.
    pub(super) fn base(&self, capture: CaptureIndex) -> usize {
        self.of.get(capture.0 as usize).map_or(0, |own| own.base)
    }

    /// A packet time of this capture on the clock of its base.
    pub(super) fn to_base(&self, capture: CaptureIndex, time: Timestamp) -> Timestamp {
        self.of.get(capture.0 as usize).map_or(time, |o| o.ahead.undo(time))
    }
}

/// Breadth first from each capture that no earlier one reaches.
fn spread(captures: usize, edges: &Edges) -> Vec<OfCapture> {
    let mut of: Vec<Option<OfCapture>> = vec![None; captures];
    for base in 0..captures {
        if of[base].is_some() {
            continue;
        }
        of[base] = Some(OfCapture { base, ..OfCapture::default() });
        let mut queue = VecDeque::from([base]);
        while let Some(from) = queue.pop_front() {
            let so_far = of[from].map_or_else(Ahead::default, |o| o.ahead);
            for ((_, to), (ahead, residual, pairs)) in edges.range((from, 0)..(from + 1, 0)) {
                if of[*to].is_none() {
                    let ahead = so_far.then(ahead);
                    of[*to] = Some(OfCapture { base, ahead, residual: *residual, pairs: *pairs });
                    queue.push_back(*to);
                }
            }
        }
    }
    of.into_iter().map(Option::unwrap_or_default).collect()
}

/// When two views of a connection show the same packet, each by its own clock.
fn same_instant(a: &Conversation, b: &Conversation) -> Option<(Timestamp, Timestamp)> {
    let (x, y) = (a.tcp.as_deref()?, b.tcp.as_deref()?);
    let (syns, there) = (times(&x.syn_times), times(&y.syn_times));
    let hello = |f: &Conversation| Some(f.app.session.tls.as_ref()?.client_hello.as_ref()?.at.time);
    let first = || syns.first().copied().zip(there.first().copied());
    let all = if syns.len() == there.len() { first() } else { None };
    all.or_else(|| hello(a).zip(hello(b))).or_else(|| same_syn(&syns, &there))
}

fn times(moments: &[Moment]) -> Vec<Timestamp> {
    moments.iter().map(|m| m.time).collect()
}

/// A SYN that two captures show of which one lacks some: that by which most of the others lie one upon the other.
fn same_syn(here: &[Timestamp], there: &[Timestamp]) -> Option<(Timestamp, Timestamp)> {
    let pairs = here.iter().flat_map(|a| there.iter().map(move |b| (*a, *b)));
    pairs.max_by_key(|(a, b)| {
        let ahead = *b - *a;
        let lies = |t: &&Timestamp| there.iter().any(|other| (*other - **t - ahead).abs() <= SAME_SYN);
        (here.iter().filter(lies).count(), Reverse(ahead.abs()), Reverse(*a))
    })
}

/// Packets of one dial are no nearer to each other; on the way between two captures they are not delayed by more.
const SAME_SYN: TimeDelta = TimeDelta::from_millis(20);

/// One possible pair: an event, a flow, and the log's stamp minus the packet's time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair {
    pub(super) event: u32,
    pub(super) flow: FlowIndex,
    /// Which of the flow's endings.
    pub(super) turn: u32,
    /// The packet's time on the captures' base.
    pub(super) at: Timestamp,
    pub(super) ahead: TimeDelta,
    /// By 4-tuple, and no other flow could be meant.
    pub(super) exact: bool,
    /// The first capture of the flow's group.
    pub(super) base: usize,
}

impl Pair {
    const fn instant(&self) -> Instant {
        (self.at, self.ahead)
    }
}

/// How far a log, whose stamps have this resolution, is ahead of the captures, from all possible pairs of its events.
///
/// In this order: pairs that name both ends; an offset under which nearly all lines fit a packet of their own closely;
/// no offset, where half of the lines have a packet within a second; an offset under which nearly all lines fit roughly.
/// Two lines are few: they have to fit more closely than clocks that agree do, and ends have to be few as well.
/// `capped`: these are not all events, or not all endings that they could tell of, so that none is known to be left over.
pub(super) fn of_log(pairs: &[Pair], capped: bool, resolution: TimeDelta) -> ClockModel {
    let exact: Vec<Instant> = pairs.iter().filter(|p| p.exact).map(Pair::instant).collect();
    if !exact.is_empty() {
        return from_exact(&exact);
    }
    let events = pairs.iter().map(|p| p.event).collect::<BTreeSet<u32>>().len();
    if events == 0 {
        return ClockModel { why: "no line of it pairs with a packet".to_owned(), ..ClockModel::default() };
    }
    let fine = CLOSE.into_iter().filter(|w| *w >= resolution);
    let near = nearest_to_zero(pairs);
    let agreeing = near.iter().filter(|(_, ahead)| ahead.abs() <= CLOSE_BY).count();
    let few = |v: &Vote| v.votes > agreeing && v.ends <= 4 * events && v.to - v.from <= CLOSE[0];
    let enough = |v: &Vote| v.votes >= 3 || few(v);
    let close = fine.map(|width| vote(pairs, width)).find(|v| v.is_clear(events, capped) && enough(v));
    // Calls at equal distances fit under many offsets: none at all is the likeliest that explains as many.
    let close = close.filter(|c| c.from.abs() <= NEAR || near.len() < c.votes);
    if let Some(close) = close {
        return close.model(pairs, events, resolution);
    }
    if near.len() * 2 >= events {
        let fit = counted(near.len(), "line fits a packet", "lines fit packets");
        let mut found = model(&near, format!("{fit} within a second"));
        if near.len() == 1 && found.offset.is_some_and(|by| by.abs() > CLOSE_BY) {
            // How far it is from itself says nothing of how far off it is.
            found.residual = None;
        }
        return if found.offset.is_some_and(|by| by.abs() > CLOSE_BY) {
            unneeded(pairs, &near).unwrap_or(found)
        } else {
            found
        };
    }
    let rough = vote(pairs, ROUGH + resolution);
    // Where ends abound, two lines fit some of them under any offset.
    if rough.is_clear(events, capped) && rough.ends <= 4 * events {
        return rough.model(pairs, events, resolution);
    }
    let Vote { votes, rival, .. } = rough;
    let why = format!("refused: the best offset fits {votes} of {events} lines, another fits {rival}");
    ClockModel { why, pairs: votes as u32, ..ClockModel::default() }
}

/// No offset at all, if as many lines follow packets of theirs on clocks that agree as fit otherwise: a line may be late.
fn unneeded(pairs: &[Pair], near: &[Instant]) -> Option<ClockModel> {
    let following: Vec<Pair> = pairs.iter().filter(|p| follows(p)).copied().collect();
    let fit = each_once(&following);
    (fit.len() >= near.len()).then(|| ClockModel {
        offset: Some(TimeDelta(0)),
        pairs: fit.len() as u32,
        why: format!("{} within 2 s", counted(fit.len(), "line follows a packet", "lines follow packets")),
        ..ClockModel::default()
    })
}

/// The line comes after the packet, if perhaps late, on clocks that agree.
pub(super) fn follows(pair: &Pair) -> bool {
    pair.ahead >= -CLOSE_BY && pair.ahead <= NEAR + NEAR
}

fn from_exact(exact: &[Instant]) -> ClockModel {
    let lines = counted(exact.len(), "line that names", "lines that name");
    let found = model(exact, format!("{lines} both ends of their connection"));
    match found.residual {
        Some(residual) if residual > MAX_RESIDUAL => {
            let n = exact.len();
            let why = format!("refused: {n} exact pairs disagree by {residual} (median absolute deviation)");
            ClockModel { why, offset: None, drift: None, ..found }
        }
        _ => found,
    }
}

/// A number with what it counts.
pub(super) fn counted(number: usize, one: &str, more: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { more })
}

/// The model of these pairs.
fn model(pairs: &[Instant], why: String) -> ClockModel {
    let Some((ahead, residual)) = fit(pairs) else { return ClockModel { why, ..ClockModel::default() } };
    ClockModel {
        offset: Some(ahead.offset),
        drift: ahead.drift(),
        residual: Some(residual),
        pairs: pairs.len() as u32,
        why,
    }
}

/// Pairs within a second.
fn nearest_to_zero(pairs: &[Pair]) -> Vec<Instant> {
    let near: Vec<Pair> = pairs.iter().filter(|p| p.ahead.abs() <= NEAR).copied().collect();
    each_once(&near)
}

/// Nearest first, each event and each ending of a flow once.
pub(super) fn each_once(pairs: &[Pair]) -> Vec<Instant> {
    let mut near: Vec<&Pair> = pairs.iter().collect();
    near.sort_unstable_by_key(|p| (p.ahead.abs(), p.event, p.flow, p.turn));
    let (mut events, mut ends) = (HashSet::new(), HashSet::new());
    let mut free = |p: &&&Pair| {
        let free = !events.contains(&p.event) && !ends.contains(&(p.flow, p.turn));
        free && events.insert(p.event) && ends.insert((p.flow, p.turn))
    };
    near.iter().filter(&mut free).map(|p| p.instant()).collect()
}

/// The offset under which most events find a packet of their own.
#[derive(Clone, Copy, Debug)]
struct Vote {
    votes: usize,
    /// The most that any offset well apart from it gets.
    rival: usize,
    /// The most that any other offset gets.
    other: usize,
    /// Endings of flows that could be meant at all.
    ends: usize,
    /// Its range.
    from: TimeDelta,
    to: TimeDelta,
}

impl Vote {
    /// Nearly all lines fit, and far fewer under any other offset; or each line has its ending and each ending its line,
    /// while under any other offset one of both is left over, as with calls at equal distances.
    const fn is_clear(&self, events: usize, capped: bool) -> bool {
        let whole = !capped && self.votes >= 3 && self.votes == events && self.votes == self.ends;
        let apart = self.rival * 5 <= self.votes * 3 || whole && self.rival < self.votes;
        self.votes >= 2 && self.votes * 5 >= events * 4 && apart
    }

    fn model(&self, pairs: &[Pair], events: usize, resolution: TimeDelta) -> ClockModel {
        let inside = |p: &&Pair| p.ahead >= self.from && p.ahead <= self.to;
        let inside: Vec<Pair> = pairs.iter().filter(inside).copied().collect();
        // The pairs that belong together lie closer than what was looked for.
        let core = vote(&inside, CLOSE[1].max(resolution));
        let of_core = |p: &&Pair| core.votes < self.votes || p.ahead >= core.from && p.ahead <= core.to;
        let core: Vec<Instant> = inside.iter().filter(of_core).map(Pair::instant).collect();
        let Self { votes, other, .. } = self;
        let why = format!("{votes} of {events} lines fit under this offset, {other} under any other");
        let found = model(&core, why);
        let offsets = core.iter().map(|p| p.1);
        let spread = offsets.clone().max().zip(offsets.min()).map_or(TimeDelta(0), |(high, low)| high - low);
        // Few pairs: their spread says more than their median deviation.
        let residual = if *votes < LEAST_PAIRS {
            found.residual.max(Some(TimeDelta(spread.0 / 2)))
        } else {
            found.residual
        };
        ClockModel { pairs: *votes as u32, residual, ..found }
    }
}

fn vote(pairs: &[Pair], width: TimeDelta) -> Vote {
    let mut sorted = pairs.to_vec();
    sorted.sort_unstable_by_key(|p| (p.ahead, p.event, p.flow, p.turn));
    let clusters: Vec<(usize, TimeDelta)> = (0..sorted.len())
        .map(|i| {
            let end = sorted.partition_point(|p| p.ahead <= sorted[i].ahead + width);
            let inside = &sorted[i..end.min(i + MAX_CLUSTER)];
            let lines: BTreeSet<u32> = inside.iter().map(|p| p.event).collect();
            let ends: BTreeSet<(FlowIndex, u32)> = inside.iter().map(|p| (p.flow, p.turn)).collect();
            (lines.len().min(ends.len()), sorted[i].ahead)
        })
        .collect();
    // clocks that agree are likelier than those that do not
    let best = clusters.iter().max_by_key(|(n, from)| (*n, Reverse(from.abs()), Reverse(*from)));
    let (votes, from) = best.copied().unwrap_or((0, TimeDelta(0)));
    let beyond = |by: TimeDelta| {
        let apart = move |at: TimeDelta| at < from - by || at > from + width + by;
        clusters.iter().filter(|(_, at)| apart(*at)).map(|(n, _)| *n).max().unwrap_or(0)
    };
    let (rival, other) = (beyond(ROUGH), beyond(width));
    let ends: HashSet<(FlowIndex, u32)> = pairs.iter().map(|p| (p.flow, p.turn)).collect();
    Vote { votes, rival, other, ends: ends.len(), from, to: from + width }
}

/// The whole quarter hours in an offset, when it is a zone and not a clock: the rest is under two minutes.
pub(super) fn zone_shift(offset: TimeDelta) -> Option<TimeDelta> {
    let quarters = zone_quarters(offset, TimeDelta::from_secs(120)).filter(|quarters| *quarters != 0)?;
    Some(TimeDelta(quarters * QUARTER))
}

/// Pairs as close as this speak for clocks that agree.
const NEAR: TimeDelta = TimeDelta::from_secs(1);

/// Exact pairs that scatter more than this do not make a clock.
const MAX_RESIDUAL: TimeDelta = TimeDelta::from_secs(2);

/// Widths of a cluster of differences that is one offset, where lines follow packets closely: a program writes its line
/// within a millisecond, a busy one within twenty.
pub(super) const CLOSE: [TimeDelta; 2] = [TimeDelta::from_millis(2), TimeDelta::from_millis(20)];

/// The same where they do not.
const ROUGH: TimeDelta = TimeDelta::from_millis(500);

/// A drift is looked for from so many pairs on, over so long a time.
const LEAST_PAIRS: usize = 8;
const LEAST_SPAN: TimeDelta = TimeDelta::from_secs(600);

/// A gain below this is not told from what programs take to write their lines.
const LEAST_GAIN: TimeDelta = TimeDelta::from_millis(20);

/// Clocks drift by tens of parts in a million, bad ones by hundreds; more is no drift.
const MOST_DRIFT: f64 = 1e-3;

/// Pairs of one cluster that are looked at.
const MAX_CLUSTER: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_syn_is_the_same_where_the_others_lie_one_upon_the_other() {
        let at = |seconds: &[i64]| seconds.iter().map(|s| Timestamp(*s * 1_000_000_000)).collect::<Vec<_>>();
        for (here, there, ahead) in [
            (&[10, 11, 13, 17][..], &[11, 13, 17][..], 0),
            (&[11, 13, 17], &[10, 11, 13, 17], 0),
            (&[10, 13, 17], &[10, 11, 13, 17], 0),
            (&[10, 11, 13, 17], &[101, 103, 107], 90),
            (&[10], &[10, 11], 0),
        ] {
            let (first, second) = same_syn(&at(here), &at(there)).expect("SYNs");
            assert_eq!((second - first).as_secs_f64() as i64, ahead, "{here:?} {there:?}");
        }
    }
}
