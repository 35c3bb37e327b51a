//! From scanned files to [`Logs`]: order of parts, time base, events, reports.
//!
//! Takes the sources and the event definitions; runs the scan of every file in parallel, orders the parts of a rotated
//! log, resolves its times and joins the copies of one failure. Reads nothing itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use rayon::prelude::*;

use super::classify::Known;
use super::envelope::Peeled;
use super::grammar::CopyOf;
use super::group;
use super::keep::{self, Keep, Kept};
use super::merge::{self, Draft, Drafts, TraceDraft};
use super::origin::{self, Origin};
use super::read::{Hit, MAX_UNRECOGNISED, Stamps, What};
use super::scan::{self, FileScan};
use super::seam;
use super::timebase::{Anchors, Clock};
use super::version;
use super::zones;
use super::{Edge, EventSet, LogEvent, LogLine, LogOptions, LogReport, Logs, TimeBase, endings};
use crate::bundle::{InputReport, Source};
use crate::error::Place;
use crate::time::{TimeDelta, Timestamp};

/// The files of one log, oldest first, its time base, and what its sampled lines tell that needs no times.
struct Log {
    files: Vec<Part>,
    anchors: Anchors,
    origin: Origin,
    format: String,
    versions: Vec<(String, String)>,
}

/// One file of a log. Of the lines at its head and tail only the stamps are kept: all logs of a bundle wait for each
/// other here, and those lines would be most of what a small file takes.
struct Part {
    scan: FileScan,
    /// Its failures, once all logs were read.
    kept: Kept,
    head: Vec<Stamps>,
    tail: Vec<Stamps>,
    no_log: bool,
}

impl Part {
    fn of(mut scan: FileScan) -> Self {
        let no_log = no_log(&scan);
        let stamps = |lines: Vec<Peeled<'_>>| lines.iter().map(|p| Stamps::from(&*p.stamps)).collect();
        let (head, tail) = (stamps(std::mem::take(&mut scan.head)), stamps(std::mem::take(&mut scan.tail)));
        scan.starts = Vec::new();
        Self { scan, kept: Kept::default(), head, tail, no_log }
    }
}

/// Reads every log among `sources`: all envelopes, true times, one event for each failure.
pub fn read(sources: &[Source], events: &EventSet, options: &LogOptions) -> Logs {
    read_within(sources, events, options, keep::MOST)
}

/// As [`read`], keeping failures that weigh no more than `most`.
pub(super) fn read_within(sources: &[Source], events: &EventSet, options: &LogOptions, most: usize) -> Logs {
    let keep = Keep::new(most, sources.len());
    let groups = group::group(sources);
    let logs: Vec<Log> = groups
        .par_iter()
        .map(|group| {
            let files: Vec<_> =
                group.sources.par_iter().map(|part| scan::file(*part, events, &keep)).collect();
            let sources: Vec<_> = group.sources.iter().map(|part| part.source).collect();
            log(files, &sources, events)
        })
        .collect();
    let elsewhere = logs.iter().filter_map(|l| l.anchors.near.map(|(t, _)| t)).min();
    let mut out = Logs::default();
    let mut kept = keep.finish();
    let mut drafts = Drafts::default();
    drafts.events.reserve_exact(kept.values().map(Kept::len).sum());
    for mut log in logs {
        for part in &mut log.files {
            part.kept = kept.remove(&part.scan.input.source).unwrap_or_default();
        }
        if log.files.iter().all(|f| f.no_log) {
            out.inputs.extend(log.files.into_iter().map(|f| InputReport { skipped: true, ..f.scan.input }));
            continue;
        }
        let index = out.reports.len() as u32;
        let report = finish(log, index, events, options, elsewhere, &mut drafts, &mut out);
        out.reports.push(report);
    }
    zones::settle(&mut drafts, &mut out.reports);
    out.events = merge::merge(drafts);
    for event in &out.events {
        if let Some(report) = out.reports.get_mut(event.log as usize) {
            report.events += 1;
        }
    }
    out.inputs.sort_by_key(|i| i.source);
    out
}

/// Text without a single stamp, layer or event is no log.
fn no_log(file: &FileScan) -> bool {
    let plain =
        |lines: &[Peeled<'_>]| lines.iter().all(|p| p.layers.is_empty() && !origin::is_command(&p.message));
    file.hits == 0 && file.unrecognised == 0 && plain(&file.head) && plain(&file.tail)
}

/// Gathers the anchors of a log and puts its parts in order of time.
fn log(mut files: Vec<FileScan>, sources: &[&Source], events: &EventSet) -> Log {
    let path = sources.first().map_or("", |s| &*s.path);
    let mut anchors = Anchors::default();
    for file in &files {
        anchors.written = anchors.written.max(file.written);
        for line in file.head.iter().chain(&file.tail) {
            anchors.add(&line.stamps, None);
            if let Some(name) = &line.zone_name {
                anchors.named = anchors.named.or_else(|| Some(name.clone()));
            }
        }
        anchors.merge(&file.anchors);
    }
    // parts are put in order by a preliminary clock: only their order counts here
    let rough = Anchors { near: anchors.near, ..Anchors::default() }.clock(&LogOptions::default(), None);
    files.sort_by_key(|f| (f.head.iter().find_map(|p| rough.resolve(&p.stamps)), f.input.source));
    seam::join(&mut files, sources, events);
    let samples = || files.iter().flat_map(|f| f.head.iter().chain(&f.tail));
    let origin = origin::of_log(path, &samples());
    let starts = samples().chain(files.iter().flat_map(|f| &f.starts));
    let versions = version::of_log(starts, origin.component.as_deref());
    let format = format(samples());
    Log { files: files.into_iter().map(Part::of).collect(), anchors, origin, format, versions }
}

/// Resolves the times of a log and makes drafts of what it told; gives its report.
fn finish(
    log: Log,
    index: u32,
    events: &EventSet,
    options: &LogOptions,
    elsewhere: Option<Timestamp>,
    drafts: &mut Drafts,
    out: &mut Logs,
) -> LogReport {
    let mut report = summary(&log);
    let clock = log.anchors.clock(options, elsewhere);
    (report.first, report.last) = span(&log.files, &clock);
    let drafter = Drafter {
        log: index,
        events,
        clock: &clock,
        component: report.component.as_deref().map(Arc::from),
        host: report.host.as_deref().map(Arc::from),
        pod: log.origin.pod.as_deref().map(Arc::from),
        stranger: log.origin.stranger,
    };
    for mut part in log.files {
        count(&mut part.scan, &mut report);
        out.inputs.push(drafter.part(part, drafts));
    }
    report.base = clock.base;
    report
}

/// Adds what was counted in a file to the report of its log.
fn count(file: &mut FileScan, report: &mut LogReport) {
    report.lines += file.lines;
    report.unrecognised += file.unrecognised;
    let left = MAX_UNRECOGNISED.saturating_sub(report.unrecognised_lines.len());
    let lines = file.unrecognised_lines.drain(..).map(|line| LogLine { time: None, ..line });
    report.unrecognised_lines.extend(lines.take(left));
}

/// First and last time of a log's sampled lines.
fn span(files: &[Part], clock: &Clock) -> (Option<Timestamp>, Option<Timestamp>) {
    let samples = || files.iter().flat_map(|f| f.head.iter().chain(&f.tail));
    let times = || samples().filter_map(|stamps| clock.resolve(stamps)).map(|(t, _)| t);
    (times().min(), times().max())
}

/// Format and origin of a log; its times and counts are still to come.
fn summary(log: &Log) -> LogReport {
    LogReport {
        sources: log.files.iter().map(|f| f.scan.input.source).collect(),
        format: log.format.clone(),
        first: None,
        last: None,
        base: TimeBase::default(),
        component: log.origin.component.clone(),
        host: log.origin.host.clone(),
        versions: log.versions.clone(),
        lines: 0,
        events: 0,
        unrecognised: 0,
        unrecognised_lines: Vec::new(),
    }
}

/// The layers that most of the sampled lines have.
fn format<'p>(samples: impl Iterator<Item = &'p Peeled<'static>> + Clone) -> String {
    let commands = samples.clone().any(|p| origin::is_command(&p.message));
    let text = if commands { "kubectl output" } else { "text" };
    let mut counts: BTreeMap<Vec<&str>, usize> = BTreeMap::new();
    for line in samples.filter(|p| !p.layers.is_empty()) {
        *counts.entry(line.layers.iter().map(|l| l.name()).collect()).or_default() += 1;
    }
    let most = counts.into_iter().max_by_key(|(layers, n)| (*n, layers.len()));
    most.map_or_else(|| text.to_owned(), |(layers, _)| layers.join(" / "))
}

/// First and last time of a log that is printed newest first; its lines keep their numbers.
fn reversed(file: &Part, clock: &Clock) -> Option<(Timestamp, Timestamp)> {
    let (first, _) = file.head.iter().find_map(|stamps| clock.resolve(stamps))?;
    let (last, _) = file.tail.iter().find_map(|stamps| clock.resolve(stamps))?;
    (last < first - TimeDelta::from_secs(1)).then_some((first, last))
}

/// Whether a component tells of a webhook call that it did not make: the API server calls webhooks, others read in its
/// answer how that went.
fn retold(known: &Known, writer: Option<&str>, pretends: bool) -> bool {
    if pretends {
        return true;
    }
    let calls = known.by_dispatcher || writer.is_none_or(|name| name.contains("apiserver"));
    !calls && known.edge == Edge::Webhook && known.fields.webhook.is_some()
}

/// Makes events of hits: all that is known of their log.
struct Drafter<'l> {
    log: u32,
    events: &'l EventSet,
    clock: &'l Clock,
    component: Option<Arc<str>>,
    host: Option<Arc<str>>,
    pod: Option<Arc<str>>,
    /// Whether the pod that its path names is no API server's; absent where it names none.
    stranger: Option<bool>,
}

impl Drafter<'_> {
    /// Makes drafts of what a file told; gives the file's own report, with what is surprising about its times.
    fn part(&self, part: Part, out: &mut Drafts) -> InputReport {
        let turned = reversed(&part, self.clock);
        let Part { scan: FileScan { mut input, seams, strangers, .. }, kept, no_log, .. } = part;
        input.skipped = no_log;
        if let Some((first, last)) = turned {
            input.problems.note("reversed_log", Place::Whole, || {
                format!("the first line is of {first}, the last of {last}: newest first")
            });
        }
        if self.clock.assumed_year && !no_log {
            input.problems.note("year_assumed", Place::Whole, || {
                let from = &self.clock.base.from;
                format!("its stamps name no year, and nothing else in the input does: {from}")
            });
        }
        kept.say(&mut input);
        let mut latest = None;
        for hit in kept.into_hits(seams.from, seams.to, seams.across) {
            let stranger = hit.lines.first().and_then(|line| strangers.at(line.number));
            latest = self.draft(hit, stranger, latest.filter(|_| turned.is_none()), out).max(latest);
        }
        input
    }

    /// Gives the time of the hit; `said_by` is the stranger behind whose heading it stands, `latest` the latest time above
    /// it in the same file.
    fn draft(
        &self,
        hit: Hit,
        said_by: Option<&str>,
        latest: Option<Timestamp>,
        out: &mut Drafts,
    ) -> Option<Timestamp> {
        let Hit { mut lines, stamps, what, component, host, pod, stranger, of_object, began, mark, words } =
            hit;
        let resolved = self.clock.resolve(&stamps).map(|(t, r)| (self.clock.after(t, latest), r));
        let time = resolved.map(|(t, _)| t);
        for line in &mut lines {
            line.time = time;
        }
        let known = match what {
            What::Event(known) => known,
            What::Trace(trace) => {
                let began = self.clock.civil(trace.began);
                out.traces.push(TraceDraft { trace: *trace, log: self.log, began, lines, mark });
                return time;
            }
        };
        let writer = component.as_deref().or(self.component.as_deref());
        let stranger = said_by.is_some() || self.stranger.unwrap_or(stranger);
        let pretends = known.by_apiserver && stranger;
        let client = began.is_some() || retold(&known, writer, pretends);
        let copy = known.copy.or_else(|| client.then_some(CopyOf::Client));
        let Some(mut event) = self.event(known, lines, component, host) else { return time };
        event.pod = match said_by {
            // what kubectl itself says has no pod
            Some(name) => pod.or_else(|| (!name.is_empty() && began.is_none()).then(|| Arc::from(name))),
            None => pod.or(event.pod),
        };
        event.pretends = pretends;
        event.of_object = of_object;
        event.time = time.or(began);
        event.resolution = resolved.map_or(TimeDelta::from_secs(1), |(_, r)| r);
        out.events.push(Draft {
            copy,
            began: began.filter(|_| resolved.is_none()),
            sure: resolved.is_some() && !self.clock.base.assumed_zone,
            stranger,
            mark,
            words,
            event,
        });
        time
    }

    /// The event of a line before its time is known, of the log's own pod; absent where its definition is.
    fn event(
        &self,
        known: Known,
        lines: Vec<LogLine>,
        component: Option<Arc<str>>,
        host: Option<Arc<str>>,
    ) -> Option<LogEvent> {
        let event = self.events.event(known.event)?;
        let component = component.or_else(|| self.component.clone());
        let edge = origin::edge(known.edge, component.as_deref(), &known.fields);
        let endings =
            if edge == Edge::LocalSocket { endings::none() } else { event.endings(known.server_side) };
        Some(LogEvent {
            name: event.name.clone(),
            time: None,
            resolution: TimeDelta::default(),
            log: self.log,
            lines,
            edge,
            component,
            host: host.or_else(|| self.host.clone()),
            pod: self.pod.clone(),
            pretends: false,
            of_object: false,
            server_side: known.server_side,
            endings,
            fields: known.fields,
        })
    }
}
