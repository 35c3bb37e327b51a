//! Brings packets and log lines to one clock: the reference, that of the log whose host dialled.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::candidates::{Ended, Finder};
use super::clock::{self, Ahead, CaptureOffsets, OfCapture, Pair};
use super::endings;
use super::goal::{Goal, Goals};
use super::index::FlowTable;
use super::link::Connections;
use super::sources::Named;
use super::{ClockModel, Key, World, witness};
use crate::capture::CaptureIndex;
use crate::ingest::Conversation;
use crate::log::{Ending, LogEvent, LogReport, offset_name};
use crate::time::{TimeDelta, Timestamp};

/// Brings every time to the reference clock.
pub(super) struct Clocks {
    captures: CaptureOffsets,
    /// For each log: how far it is ahead of the captures' base, its zone error in it.
    logs: Vec<ClockModel>,
    /// For each log: the zone error in it.
    zones: Vec<TimeDelta>,
    /// How far the reference is ahead of the captures' base.
    reference: Ahead,
    reference_log: Option<usize>,
    /// The bases of the captures whose packets the reference's lines pair with.
    tied: BTreeSet<usize>,
}

impl Clocks {
    pub(super) fn new(
        world: &World,
        table: &FlowTable,
        connections: &Connections,
        captures: CaptureOffsets,
        goals: &Goals,
    ) -> Self {
        let pairs = possible_pairs(world, table, connections, &captures, goals);
        let of_log = |(p, resolution): (&Pairs, TimeDelta)| clock::of_log(&p.pairs, p.capped, resolution);
        let mut logs: Vec<ClockModel> = pairs.iter().zip(resolutions(world)).map(of_log).collect();
        let zones = zones(world, &logs);
        let of_logs: Vec<(&[Pair], TimeDelta)> =
            pairs.iter().map(|p| p.pairs.as_slice()).zip(zones.iter().copied()).collect();
        let witnessed = witness::hear(&mut logs, &of_logs);
        let reference_log = reference(world, &logs);
        let mut tied = reference_log.map_or_else(BTreeSet::new, |n| tied(&pairs[n].pairs, &logs[n]));
        tied.extend(reference_log.and_then(|n| witnessed[n]));
        let mut clocks = Self { captures, logs, zones, reference: Ahead::default(), reference_log, tied };
        clocks.reference = reference_log.and_then(|n| clocks.of_log(n)).unwrap_or_default();
        clocks
    }

    /// How far a log is ahead of the captures' base, its zone undone.
    fn of_log(&self, n: usize) -> Option<Ahead> {
        let ahead = Ahead::of(self.logs.get(n)?)?;
        Some(Ahead { offset: ahead.offset - self.zones[n], ..ahead })
    }

    /// A packet's time on the reference clock.
    pub(super) fn of_packet(&self, flow: &Conversation, time: Timestamp) -> Timestamp {
        self.of_capture(flow.capture, time)
    }

    /// The time of a packet of a capture on the reference clock.
    pub(super) fn of_capture(&self, capture: CaptureIndex, time: Timestamp) -> Timestamp {
        let base = self.captures.to_base(capture, time);
        base + self.reference.at(base)
    }

    /// An event's time on the reference clock, its zone already undone.
    pub(super) fn of_event(&self, event: &LogEvent) -> Option<Timestamp> {
        let n = event.log as usize;
        let Some(ahead) = self.of_log(n) else { return event.time };
        if self.reference_log == Some(n) {
            return event.time;
        }
        let base = ahead.undo(event.time?);
        Some(base + self.reference.at(base))
    }

    /// Slack for lines of this log: 50 ms, or the resolution of its stamps, or the residual of its clock; all of the
    /// offset, where one pair alone says that there is one.
    pub(super) fn slack(&self, event: &LogEvent) -> TimeDelta {
        let model = self.logs.get(event.log as usize);
        let doubted = model.filter(|m| m.is_of_one_pair()).and_then(|m| m.offset);
        TimeDelta::from_millis(50).max(self.grain_or(event, doubted.unwrap_or_default().abs()))
    }

    /// The clock of the event's log was made of one pair: that this pair fits says nothing.
    pub(super) fn is_of_one_pair(&self, event: &LogEvent) -> bool {
        self.logs.get(event.log as usize).is_some_and(ClockModel::is_of_one_pair)
    }

    /// As [`Self::slack`], where a clock that pairs with packets is as good as its residual.
    pub(super) fn grain(&self, event: &LogEvent) -> TimeDelta {
        FINEST.max(self.grain_or(event, TimeDelta::from_millis(50)))
    }

    /// The resolution of a log's stamps, or the residual of its clock; `unknown` where it has none.
    fn grain_or(&self, event: &LogEvent, unknown: TimeDelta) -> TimeDelta {
        let residual = self.logs.get(event.log as usize).and_then(|m| m.residual);
        event.resolution.max(residual.map_or(unknown, |r| r + r))
    }

    /// A time on the reference clock as this capture would have stamped it.
    pub(super) fn in_capture(&self, capture: usize, time: Timestamp) -> Timestamp {
        let base = self.reference.undo(time);
        base + self.captures.of.get(capture).map_or(TimeDelta(0), |o| o.ahead.at(base))
    }

    /// Shifts the events of logs whose zone was assumed wrongly, and says so in their time base.
    pub(super) fn correct_zones(&self, world: &mut World) {
        let wrong = || self.zones.iter().enumerate().filter(|(_, shift)| shift.0 != 0);
        world.logs.shift(&wrong().map(|(n, shift)| (n as u32, -*shift)).collect());
        for (n, shift) in wrong() {
            if let Some(report) = world.logs.reports.get_mut(n) {
                report.base.zone = Some(offset_name(report.base.assumed_east + *shift));
                "lines that pair with packets".clone_into(&mut report.base.from);
                report.base.assumed_zone = false;
            }
        }
    }

    /// How far each capture is ahead of the reference.
    pub(super) fn of_captures(&self) -> Vec<ClockModel> {
        let of_capture = |own: &OfCapture| {
            let known = self.tied.contains(&own.base);
            let log = self.reference_log.map(|l| &self.logs[l]);
            let ahead = own.ahead.beside(&self.reference);
            let untied = match log {
                Some(_) => "nothing ties it to the clock that times are told in".to_owned(),
                None => "no log line pairs with packets".to_owned(),
            };
            let shared = (own.pairs > 0).then(|| {
                let connections = clock::counted(own.pairs as usize, "connection", "connections");
                format!("{connections} that capture {} shows too", own.base)
            });
            let why = match (known, shared) {
                (false, None) => untied,
                (false, Some(shared)) => format!("{untied}; {shared}"),
                (true, None) => log.map(|l| l.why.clone()).unwrap_or_default(),
                (true, Some(shared)) => shared,
            };
            ClockModel {
                offset: known.then_some(ahead.offset),
                drift: ahead.drift().filter(|_| known),
                residual: if own.pairs > 0 { Some(own.residual) } else { log.and_then(|l| l.residual) },
                pairs: if own.pairs > 0 { own.pairs } else { log.map_or(0, |l| l.pairs) },
                why,
            }
        };
        self.captures.of.iter().map(of_capture).collect()
    }

    /// How far each log is ahead of the reference, its zone undone.
    pub(super) fn of_logs(&self) -> Vec<ClockModel> {
        let mut models = self.logs.clone();
        for (n, model) in models.iter_mut().enumerate() {
            let ahead = self.of_log(n).map(|own| own.beside(&self.reference));
            model.offset = ahead.map(|a| a.offset);
            model.drift = ahead.and_then(|a| a.drift());
            if self.zones[n].0 != 0 {
                model.why = format!("its zone is {} from UTC; {}", offset_name(self.zones[n]), model.why);
            }
        }
        models
    }
}

/// The bases of the captures that a log's clock was found from.
fn tied(pairs: &[Pair], clock: &ClockModel) -> BTreeSet<usize> {
    let Some(ahead) = Ahead::of(clock) else { return BTreeSet::new() };
    let slack = clock.residual.unwrap_or_default().max(TimeDelta::from_millis(50));
    let exact = pairs.iter().any(|p| p.exact);
    let late = |p: &Pair| clock.residual.is_none() && clock::follows(p);
    let fits = |p: &&Pair| p.exact == exact && ((p.ahead - ahead.at(p.at)).abs() <= slack + slack || late(p));
    pairs.iter().filter(fits).map(|p| p.base).collect()
}

/// For each log the coarsest resolution of its stamps.
fn resolutions(world: &World) -> Vec<TimeDelta> {
    let mut of_logs = vec![TimeDelta(0); world.logs.reports.len()];
    for event in &world.logs.events {
        if let Some(resolution) = of_logs.get_mut(event.log as usize) {
            *resolution = event.resolution.max(*resolution);
        }
    }
    of_logs
}

/// The log whose clock is the reference.
fn reference(world: &World, logs: &[ClockModel]) -> Option<usize> {
    let mut callers = vec![0_usize; logs.len()];
    for event in world.logs.events.iter().filter(|e| !e.server_side) {
        callers.get_mut(event.log as usize).into_iter().for_each(|count| *count += 1);
    }
    // A server tells of a connection when it gets round to it: one line of its own is no clock for callers.
    let dialled = callers.iter().any(|count| *count > 0);
    let sure = |n: &usize| !dialled || callers[*n] > 0 || logs[*n].pairs > 1;
    let known = (0..logs.len()).filter(|n| logs[*n].offset.is_some() && sure(n));
    known.max_by_key(|n| (callers[*n], std::cmp::Reverse(*n)))
}

/// For each log the zone error in it: its zone was assumed, and its clock is off by whole quarter hours.
fn zones(world: &World, logs: &[ClockModel]) -> Vec<TimeDelta> {
    let zone = |(model, report): (&ClockModel, &LogReport)| {
        let open = report.base.assumed_zone && !report.base.absolute;
        model.offset.filter(|_| open).and_then(clock::zone_shift).unwrap_or_default()
    };
    logs.iter().zip(&world.logs.reports).map(zone).collect()
}

/// What a log's clock is found from.
#[derive(Default)]
struct Pairs {
    pairs: Vec<Pair>,
    /// There are more events, or more endings for one of them.
    capped: bool,
}

/// For each log, the pairs of its events with flows that could be meant, on the clock of the first capture's group.
fn possible_pairs(
    world: &World,
    table: &FlowTable,
    connections: &Connections,
    captures: &CaptureOffsets,
    goals: &Goals,
) -> Vec<Pairs> {
    let mut finder = Finder::new(world, table, connections);
    let base = |flow: &Conversation, time| captures.to_base(flow.capture, time);
    let mut of_log = |(events, mut capped): (Vec<u32>, bool)| {
        let mut pairs = Vec::new();
        for n in events {
            let event = &world.logs.events[n as usize];
            let Some(time) = event.time else { continue };
            let (could_be, more) = could_be(world, table, &mut finder, event, goals.shared(n), &base);
            capped |= more;
            pairs.extend(could_be.into_iter().map(|(e, exact)| Pair {
                event: n,
                flow: e.flow,
                turn: e.turn,
                at: e.at,
                ahead: time - e.at,
                exact,
                base: captures.base(world.read(e.flow).capture),
            }));
        }
        Pairs { pairs, capped }
    };
    paired_events(world).into_iter().map(&mut of_log).collect()
}

/// For each log the events that take part in finding its clock, and whether it has more: of a long log those of the time
/// that captures span, spread over it, where there are any. What happened before a capture began pairs with nothing in it.
fn paired_events(world: &World) -> Vec<(Vec<u32>, bool)> {
    let mut of_logs: Vec<Vec<u32>> = vec![Vec::new(); world.logs.reports.len()];
    for (event, n) in world.logs.events.iter().zip(0u32..) {
        if let Some(events) = of_logs.get_mut(event.log as usize).filter(|_| event.time.is_some()) {
            events.push(n);
        }
    }
    let spans = captured(world.wire.captures.iter().filter_map(|c| c.first.zip(c.last)));
    let inside = |n: &u32| world.logs.events[*n as usize].time.is_some_and(|time| holds(&spans, &time));
    let sample = |mut events: Vec<u32>| {
        if events.len() <= PAIRED_EVENTS {
            return (events, false);
        }
        let within: Vec<u32> = events.iter().copied().filter(inside).collect();
        if within.len() < LEAST_INSIDE {
            events.truncate(PAIRED_EVENTS);
            return (events, true);
        }
        let some = within.len().min(PAIRED_EVENTS);
        ((0..some).map(|k| within[k * within.len() / some]).collect(), true)
    };
    of_logs.into_iter().map(sample).collect()
}

/// The times that captures span, in order and apart from each other: there may be as many captures as events.
fn captured(captures: impl Iterator<Item = (Timestamp, Timestamp)>) -> Vec<(Timestamp, Timestamp)> {
    let mut spans: Vec<_> = captures.map(|(first, last)| (first - AROUND, last + AROUND)).collect();
    spans.sort_unstable();
    spans.dedup_by(|next, before| {
        let touches = next.0 <= before.1;
        before.1 = if touches { before.1.max(next.1) } else { before.1 };
        touches
    });
    spans
}

/// Whether one of these spans, in order and apart from each other, holds a time.
fn holds<T: Ord>(spans: &[(T, T)], time: &T) -> bool {
    let begun = spans.partition_point(|(from, _)| from <= time);
    spans[..begun].last().is_some_and(|(_, to)| time <= to)
}

/// The endings that an event could tell of, each with whether its 4-tuple names that one alone; and whether there are
/// more.
fn could_be(
    world: &World,
    table: &FlowTable,
    finder: &mut Finder<'_>,
    event: &LogEvent,
    goal: &Arc<Goal>,
    base: &impl Fn(&Conversation, Timestamp) -> Timestamp,
) -> (Vec<(Ended, bool)>, bool) {
    match finder.named(event, goal, base) {
        Named::One(only) => (vec![(only, true)], false),
        Named::None => {
            let number = finder.goal(goal);
            // What the network can have told the caller at once needs no deadline to have passed.
            let by_timer = event.fields.timer().is_some() && !event.endings.contains(&Ending::Icmp);
            let sure = |e: &Ended| e.ending != Ending::Unheard && (!endings::is_open(e.ending) || by_timer);
            let at = event.time.unwrap_or_default();
            let ends = finder.ends(number, event, base);
            let mut near: Vec<Ended> = ends.before(at).filter(sure).take(PAIRED_FLOWS + 1).collect();
            near.reverse();
            near.extend(ends.from(at).filter(sure).take(PAIRED_FLOWS + 1));
            near.retain(|e| !finder.is_elsewhere(event, e.flow));
            let more = near.len() > PAIRED_FLOWS;
            if more {
                near.sort_by_key(|e| (e.at - at).abs());
                near.truncate(PAIRED_FLOWS);
            }
            let lookups = failed_lookups(world, table, goal, base);
            (near.into_iter().chain(lookups).map(|e| (e, false)).collect(), more)
        }
        Named::Several => (Vec::new(), false),
    }
}

/// Answers to lookups of the goal's name that say why it has no address: the line follows at once.
fn failed_lookups<'w>(
    world: &'w World,
    table: &'w FlowTable,
    goal: &'w Goal,
    base: &'w impl Fn(&Conversation, Timestamp) -> Timestamp,
) -> impl Iterator<Item = Ended> + 'w {
    let name = goal.lookup.as_deref();
    let flows = name.into_iter().flat_map(|n| table.of_name(n).iter().chain(table.of_suffixed(n)));
    let failed = flows.flat_map(move |f| {
        let flow = world.read(*f);
        let lookups = flow.app.dns.iter().flat_map(|d| &d.lookups).enumerate();
        let failed = lookups.filter(|(_, l)| l.rcode.is_some_and(|r| r != 0));
        let ended = failed.filter_map(|(turn, l)| {
            let at = base(&flow, l.answer?.time);
            let (key, orig, resp) = (Key::DnsName, flow.orig.ip(), flow.resp);
            let (ending, turn) = (Ending::Response, turn as u32);
            let (flow, idle, over, reached) = (*f, false, None, None);
            Some(Ended { at, start: at, flow, ending, key, orig, resp, turn, idle, over, reached })
        });
        ended.collect::<Vec<_>>()
    });
    failed.take(PAIRED_FLOWS)
}

/// Events of a log that take part in finding its clock.
const PAIRED_EVENTS: usize = 60;

/// So many of a long log's events lie within the captures' time, or where they lie says nothing.
const LEAST_INSIDE: usize = 3;

/// Clocks are seldom further apart than this, and captures reach as far as this around what they are about.
const AROUND: TimeDelta = TimeDelta::from_secs(60);

/// Flows that one such event is paired with.
const PAIRED_FLOWS: usize = 60;

/// A time that goes from one clock to another and back may be off by less than this.
pub(super) const MARGIN: TimeDelta = TimeDelta::from_millis(1);

/// Packets and lines of one host are stamped by the kernel and by the program: this much lies between as a rule.
const FINEST: TimeDelta = TimeDelta::from_millis(2);

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::cmp::Ordering;

    use super::*;

    #[test]
    fn spans_that_touch_are_one() {
        let at = |seconds| Timestamp::default() + TimeDelta::from_secs(seconds);
        let of =
            |spans: &[(i64, i64)]| spans.iter().map(|(from, to)| (at(*from), at(*to))).collect::<Vec<_>>();
        let captures = of(&[(5_000, 5_001), (0, 1000), (10, 20), (1_100, 1_200), (-900, -800)]);
        let want = of(&[(-960, -740), (-60, 1_260), (4_940, 5_061)]);
        assert_eq!(captured(captures.into_iter()), want);
    }

    /// A number that counts how often it is compared.
    struct Counted<'c>(usize, &'c Cell<usize>);

    impl Ord for Counted<'_> {
        fn cmp(&self, other: &Self) -> Ordering {
            self.1.set(self.1.get() + 1);
            self.0.cmp(&other.0)
        }
    }

    impl PartialOrd for Counted<'_> {
        fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
            Some(self.cmp(other))
        }
    }

    impl PartialEq for Counted<'_> {
        fn eq(&self, other: &Self) -> bool {
            self.cmp(other) == Ordering::Equal
        }
    }

    impl Eq for Counted<'_> {}

    /// A long log beside many captures: no event is held against each of them.
    #[test]
    fn a_span_is_found_without_looking_at_all() {
        let compared = Cell::new(0);
        let number = |n| Counted(n, &compared);
        let spans: Vec<_> = (0..10_000).map(|n| (number(10 * n + 2), number(10 * n + 5))).collect();
        for n in (0..100_020).step_by(7).chain([0, 1, 2, 5, 6, 99_992, 99_996]) {
            compared.set(0);
            assert_eq!(holds(&spans, &number(n)), n < 100_000 && (2..=5).contains(&(n % 10)), "{n}");
            assert!(compared.get() <= 20, "{} for {n}", compared.get());
        }
        assert!(!holds(&[], &number(0)));
    }
}
