//! Brings packets and log lines to one clock: the reference, that of the log whose host dialled.

use super::candidates::{Ended, Finder};
use super::clock::{self, CaptureOffsets, Pair};
use super::endings;
use super::index::FlowTable;
use super::join::Goals;
use super::link::Connections;
use super::{ClockModel, World};
use crate::ingest::Conversation;
use crate::log::{Ending, LogEvent};
use crate::time::{TimeDelta, Timestamp};

/// Brings every time to the reference clock.
pub(super) struct Clocks {
    captures: CaptureOffsets,
    /// For each log: how far it is ahead of the captures' base.
    logs: Vec<ClockModel>,
    /// For each log: the zone error in it.
    zones: Vec<TimeDelta>,
    /// How far the reference is ahead of the captures' base.
    reference: TimeDelta,
    reference_log: Option<usize>,
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
        let logs: Vec<ClockModel> = pairs.iter().map(|p| clock::log_offset(p)).collect();
        let zones: Vec<TimeDelta> = logs
            .iter()
            .zip(&world.logs.reports)
            .map(|(model, report)| {
                let open = report.base.assumed_zone && !report.base.absolute;
                model.offset.filter(|_| open).and_then(clock::zone_shift).unwrap_or_default()
            })
            .collect();
        let callers =
            |n: usize| world.logs.events.iter().filter(|e| e.log as usize == n && !e.server_side).count();
        let reference_log = (0..logs.len())
            .filter(|n| logs[*n].offset.is_some())
            .max_by_key(|n| (callers(*n), std::cmp::Reverse(*n)));
        let reference = reference_log.and_then(|n| logs[n].offset.map(|o| o - zones[n])).unwrap_or_default();
        Self { captures, logs, zones, reference, reference_log }
    }

    /// A packet's time on the reference clock.
    pub(super) fn of_packet(&self, flow: &Conversation, time: Timestamp) -> Timestamp {
        self.captures.to_base(flow, time) + self.reference
    }

    /// An event's time on the reference clock, its zone already undone.
    pub(super) fn of_event(&self, event: &LogEvent) -> Option<Timestamp> {
        let n = event.log as usize;
        let offset = self.logs.get(n).and_then(|m| m.offset).map(|o| o - self.zones[n]);
        event.time.map(|t| offset.map_or(t, |o| t - o + self.reference))
    }

    /// Slack for lines of this log: 50 ms, or the resolution of its stamps, or the residual of its clock.
    pub(super) fn slack(&self, event: &LogEvent) -> TimeDelta {
        let residual = self.logs.get(event.log as usize).and_then(|m| m.residual).unwrap_or_default();
        [TimeDelta::from_millis(50), event.resolution, residual + residual]
            .into_iter()
            .max()
            .unwrap_or_default()
    }

    /// A time on the reference clock as this capture would have stamped it.
    pub(super) fn in_capture(&self, capture: usize, time: Timestamp) -> Timestamp {
        let ahead = self.captures.of.get(capture).map_or(TimeDelta(0), |o| o.1);
        time - self.reference + ahead
    }

    /// Shifts the events of logs whose zone was assumed wrongly, and says so in their time base.
    pub(super) fn correct_zones(&self, world: &mut World) {
        for (n, shift) in self.zones.iter().enumerate().filter(|(_, s)| s.0 != 0) {
            world.logs.shift(n as u32, -*shift);
            if let Some(report) = world.logs.reports.get_mut(n) {
                report.base.zone = Some(Quarters(*shift).to_string());
                "lines that pair with packets".clone_into(&mut report.base.from);
                report.base.assumed_zone = false;
            }
        }
    }

    /// How far each capture is ahead of the reference.
    pub(super) fn of_captures(&self) -> Vec<ClockModel> {
        let direct = |capture: usize| self.captures.of[capture].0;
        (0..self.captures.of.len())
            .map(|n| {
                let (base, ahead, residual, pairs) = self.captures.of[n];
                let known = self.reference_log.is_some() && direct(n) == 0;
                let log = self.reference_log.map(|l| &self.logs[l]);
                let why = match (known, pairs) {
                    (false, _) => "no log line pairs with its packets".to_owned(),
                    (true, 0) => log.map(|l| l.why.clone()).unwrap_or_default(),
                    (true, n) => format!("{n} connections that capture {base} shows too"),
                };
                ClockModel {
                    offset: known.then(|| ahead - self.reference),
                    residual: if pairs > 0 { Some(residual) } else { log.and_then(|l| l.residual) },
                    pairs: if pairs > 0 { pairs } else { log.map_or(0, |l| l.pairs) },
                    why,
                }
            })
            .collect()
    }

    /// How far each log is ahead of the reference, its zone undone.
    pub(super) fn of_logs(&self) -> Vec<ClockModel> {
        let mut models = self.logs.clone();
        for (n, model) in models.iter_mut().enumerate() {
            model.offset = model.offset.map(|o| o - self.zones[n] - self.reference);
            if self.zones[n].0 != 0 {
                model.why = format!("its zone is {} from UTC; {}", Quarters(self.zones[n]), model.why);
            }
        }
        models
    }
}

/// A zone error as `+05:30`.
struct Quarters(TimeDelta);

impl std::fmt::Display for Quarters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let minutes = self.0.0 / 60_000_000_000;
        let sign = if minutes < 0 { '-' } else { '+' };
        write!(f, "{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
    }
}

/// For each log, the pairs of its events with flows that could be meant, on the clock of the first capture's group.
fn possible_pairs(
    world: &World,
    table: &FlowTable,
    connections: &Connections,
    captures: &CaptureOffsets,
    goals: &Goals,
) -> Vec<Vec<Pair>> {
    let mut finder = Finder::new(world, table, connections);
    let base = |flow: &Conversation, time| captures.to_base(flow, time);
    let mut of_logs: Vec<Vec<Pair>> = vec![Vec::new(); world.logs.reports.len()];
    let mut seen: Vec<u32> = vec![0; world.logs.reports.len()];
    for (n, event) in world.logs.events.iter().enumerate() {
        let (log, Some(time)) = (event.log as usize, event.time) else { continue };
        if log >= of_logs.len() || seen[log] >= PAIRED_EVENTS {
            continue;
        }
        let n = n as u32;
        let exact = finder.exact(event, goals.of(n), &base);
        let pair = |e: &Ended, exact| Pair { event: n, flow: e.flow, ahead: time - e.at, exact };
        match exact.as_slice() {
            [only] => of_logs[log].push(pair(only, true)),
            [] => {
                let goal = finder.goal(goals.of(n));
                let ends = finder.ends(goal, event, &base);
                let sure = ends.iter().filter(|e| {
                    e.ending != Ending::Unheard
                        && (!endings::is_open(e.ending) || event.fields.deadline.is_some())
                });
                of_logs[log].extend(sure.take(PAIRED_FLOWS).map(|e| pair(e, false)));
            }
            _ => {}
        }
        seen[log] += 1;
    }
    of_logs
}

/// Events of a log that take part in finding its clock.
const PAIRED_EVENTS: u32 = 60;

/// Flows that one such event is paired with.
const PAIRED_FLOWS: usize = 60;
