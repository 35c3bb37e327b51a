//! Offsets between the clocks of captures and logs, from pairs of the same instant.
//!
//! Packets of one connection seen by two captures pair those; a log line and the packet that ended its call pair a log
//! and a capture. The reference is the log with the most callers' events. A shift of whole quarter hours of a log
//! whose zone was assumed is a zone, not a clock.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::ClockModel;
use super::link::Connections;
use crate::ingest::{Conversation, FlowIndex};
use crate::time::{TimeDelta, Timestamp};

/// One instant on two clocks: how far the second is ahead of the first.
pub(super) type Differences = Vec<TimeDelta>;

/// Median and median absolute deviation; `None` of nothing.
pub(super) fn median(mut values: Differences) -> Option<(TimeDelta, TimeDelta)> {
    if values.is_empty() {
        return None;
    }
    values.sort_unstable();
    let middle = values[values.len() / 2];
    let mut apart: Vec<_> = values.iter().map(|v| (*v - middle).abs()).collect();
    apart.sort_unstable();
    Some((middle, apart[apart.len() / 2]))
}

/// How far each capture is ahead of the first one it is linked with, and which that is.
#[derive(Clone, Debug, Default)]
pub(super) struct CaptureOffsets {
    /// For each capture: the base capture of its group, the offset to it, residual, pairs.
    pub(super) of: Vec<(usize, TimeDelta, TimeDelta, u32)>,
}

impl CaptureOffsets {
    /// From connections seen by several captures.
    pub(super) fn new(flows: &[Conversation], captures: usize, connections: &Connections) -> Self {
        let mut pairs: BTreeMap<(usize, usize), Differences> = BTreeMap::new();
        for (a, b, _) in connections.pairs() {
            let (a, b) = (&flows[a.0 as usize], &flows[b.0 as usize]);
            if let Some(ahead) = same_instant(a, b).filter(|_| a.capture != b.capture) {
                let (x, y) = (a.capture.0 as usize, b.capture.0 as usize);
                pairs.entry((x, y)).or_default().push(ahead);
                pairs.entry((y, x)).or_default().push(-ahead);
            }
        }
        let edges: BTreeMap<_, _> = pairs
            .into_iter()
            .filter_map(|(k, v)| {
                let n = v.len() as u32;
                median(v).map(|(offset, residual)| (k, (offset, residual, n)))
            })
            .collect();
        Self { of: spread(captures, &edges) }
    }

    /// A packet time of this capture on the clock of its base.
    pub(super) fn to_base(&self, flow: &Conversation, time: Timestamp) -> Timestamp {
        time - self.of.get(flow.capture.0 as usize).map_or(TimeDelta(0), |o| o.1)
    }
}

/// Breadth first from each capture that no earlier one reaches.
fn spread(
    captures: usize,
    edges: &BTreeMap<(usize, usize), (TimeDelta, TimeDelta, u32)>,
) -> Vec<(usize, TimeDelta, TimeDelta, u32)> {
    let mut of: Vec<Option<(usize, TimeDelta, TimeDelta, u32)>> = vec![None; captures];
    for base in 0..captures {
        if of[base].is_some() {
            continue;
        }
        of[base] = Some((base, TimeDelta(0), TimeDelta(0), 0));
        let mut queue = VecDeque::from([base]);
        while let Some(from) = queue.pop_front() {
            let so_far = of[from].map_or(TimeDelta(0), |o| o.1);
            for ((_, to), (offset, residual, pairs)) in edges.range((from, 0)..(from + 1, 0)) {
                if of[*to].is_none() {
                    of[*to] = Some((base, so_far + *offset, *residual, *pairs));
                    queue.push_back(*to);
                }
            }
        }
    }
    of.into_iter().map(std::option::Option::unwrap_or_default).collect()
}

/// How far `b`'s clock is ahead of `a`'s, from a packet that both show.
fn same_instant(a: &Conversation, b: &Conversation) -> Option<TimeDelta> {
    let (x, y) = (a.tcp.as_deref()?, b.tcp.as_deref()?);
    let syn = x.syn_times.first().zip(y.syn_times.first());
    let hello = |f: &Conversation| Some(f.app.session.tls.as_ref()?.client_hello.as_ref()?.at);
    let (first, second) = syn.map(|(s, t)| (*s, *t)).or_else(|| hello(a).zip(hello(b)))?;
    Some(second.time - first.time)
}

/// One possible pair: an event, a flow, and the log's stamp minus the packet's time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair {
    pub(super) event: u32,
    pub(super) flow: FlowIndex,
    pub(super) ahead: TimeDelta,
    /// By 4-tuple, and no other flow could be meant.
    pub(super) exact: bool,
}

/// How far a log is ahead of the captures, from all possible pairs of its events.
pub(super) fn log_offset(pairs: &[Pair]) -> ClockModel {
    let exact: Differences = pairs.iter().filter(|p| p.exact).map(|p| p.ahead).collect();
    if !exact.is_empty() {
        return from_exact(exact);
    }
    let events: BTreeSet<u32> = pairs.iter().map(|p| p.event).collect();
    if events.is_empty() {
        return ClockModel { why: "no line of it pairs with a packet".to_owned(), ..ClockModel::default() };
    }
    let near = nearest_to_zero(pairs);
    if near.len() * 2 >= events.len() {
        let pairs = near.len() as u32;
        let (offset, residual) = median(near).unwrap_or_default();
        let why = format!("{pairs} lines fit packets within a second");
        return ClockModel { offset: Some(offset), residual: Some(residual), pairs, why };
    }
    by_vote(pairs, events.len())
}

fn from_exact(exact: Differences) -> ClockModel {
    let pairs = exact.len() as u32;
    let (offset, residual) = median(exact).unwrap_or_default();
    if residual > MAX_RESIDUAL {
        let why = format!("refused: {pairs} exact pairs disagree by {residual} (median absolute deviation)");
        return ClockModel { why, pairs, residual: Some(residual), offset: None };
    }
    let why = format!("{pairs} lines that name both ends of their connection");
    ClockModel { offset: Some(offset), residual: Some(residual), pairs, why }
}

/// For each event, its nearest pair within a second.
fn nearest_to_zero(pairs: &[Pair]) -> Differences {
    let mut best: BTreeMap<u32, TimeDelta> = BTreeMap::new();
    for pair in pairs.iter().filter(|p| p.ahead.abs() <= TimeDelta::from_secs(1)) {
        let entry = best.entry(pair.event).or_insert(pair.ahead);
        if pair.ahead.abs() < entry.abs() {
            *entry = pair.ahead;
        }
    }
    best.into_values().collect()
}

/// The offset under which most events find a packet of their own, if it is clearly the best.
fn by_vote(pairs: &[Pair], events: usize) -> ClockModel {
    let mut sorted = pairs.to_vec();
    sorted.sort_unstable_by_key(|p| (p.ahead, p.event, p.flow));
    let clusters: Vec<(usize, usize, usize)> = (0..sorted.len())
        .map(|i| {
            let end = sorted.partition_point(|p| p.ahead <= sorted[i].ahead + CLUSTER);
            let inside = &sorted[i..end.min(i + MAX_CLUSTER)];
            let lines: BTreeSet<u32> = inside.iter().map(|p| p.event).collect();
            let flows: BTreeSet<FlowIndex> = inside.iter().map(|p| p.flow).collect();
            (lines.len().min(flows.len()), i, end)
        })
        .collect();
    let Some(&(votes, start, end)) = clusters.iter().max_by_key(|(n, i, _)| (*n, std::cmp::Reverse(*i)))
    else {
        return ClockModel::default();
    };
    let (low, high) = (sorted[start].ahead - CLUSTER, sorted[start].ahead + CLUSTER + CLUSTER);
    let rival = clusters
        .iter()
        .filter(|(_, i, _)| sorted[*i].ahead < low || sorted[*i].ahead > high)
        .map(|(n, ..)| *n)
        .max()
        .unwrap_or(0);
    let clear = votes >= 2 && votes * 5 >= events * 4 && rival * 5 <= votes * 3;
    if !clear {
        let why = format!("refused: the best offset fits {votes} of {events} lines, another fits {rival}");
        return ClockModel { why, pairs: votes as u32, ..ClockModel::default() };
    }
    let inside = sorted[start..end].iter().map(|p| p.ahead).collect();
    let (offset, residual) = median(inside).unwrap_or_default();
    let why = format!("{votes} of {events} lines fit under this offset, {rival} under any other");
    ClockModel { offset: Some(offset), residual: Some(residual), pairs: votes as u32, why }
}

/// The whole quarter hours in an offset, when it is a zone and not a clock: the rest is under two minutes.
pub(super) fn zone_shift(offset: TimeDelta) -> Option<TimeDelta> {
    let quarters = (offset.0 as f64 / QUARTER_HOUR.0 as f64).round() as i64;
    let shift = TimeDelta(quarters * QUARTER_HOUR.0);
    let rest = (offset - shift).abs();
    (quarters != 0 && quarters.abs() <= 14 * 4 && rest < TimeDelta::from_secs(120)).then_some(shift)
}

const QUARTER_HOUR: TimeDelta = TimeDelta::from_secs(900);

/// Exact pairs that scatter more than this do not make a clock.
const MAX_RESIDUAL: TimeDelta = TimeDelta::from_secs(2);

/// Width of a cluster of differences that is one offset.
const CLUSTER: TimeDelta = TimeDelta::from_millis(500);

/// Pairs of one cluster that are looked at.
const MAX_CLUSTER: usize = 256;
