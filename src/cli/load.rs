//! Reads a bundle through all stages up to the findings.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::args::ReadArguments;
use super::progress::Progress;
use super::settings::Settings;
use crate::bundle::{Bundle, InputReport, SourceIndex, SourceKind};
use crate::correlate::{self, Correlated, JoinOptions, World};
use crate::error::{Error, Place};
use crate::ingest::{self, Ingested};
use crate::log::{self, Edge, LogOptions};
use crate::report::words;
use crate::rules::{self, Finding};
use crate::time::{TimeDelta, Timestamp};
use crate::{cluster, report};

/// What a bundle says and what is to be concluded from it.
pub(super) struct Analysis {
    pub(super) world: World,
    pub(super) correlated: Correlated,
    pub(super) findings: Vec<Finding>,
}

/// What to restrict an analysis to.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    pub(super) target: Option<String>,
    pub(super) edge: Option<Edge>,
}

/// Reads everything under `inputs`.
pub(super) fn world(inputs: &[PathBuf], settings: &Settings, progress: &Progress) -> Result<World, Error> {
    read(inputs, settings, TimeDelta(0), progress)
}

/// As [`world`], with packets from so long before `--from`.
fn read(
    inputs: &[PathBuf],
    settings: &Settings,
    before: TimeDelta,
    progress: &Progress,
) -> Result<World, Error> {
    progress.phase("looking through the inputs");
    let mut bundle = settings.discover(inputs)?;
    reading(&bundle, SourceKind::is_capture, "capture", progress);
    let mut options = settings.ingest(&bundle)?;
    options.from = options.from.map(|from| from - before);
    let mut wire = ingest::run(&bundle.sources, &options);
    for (source, entries) in std::mem::take(&mut wire.journals) {
        bundle.add_inner_log(source, "journal", entries.join(&b"\n"[..]));
    }
    reading(&bundle, |kind| !kind.is_capture(), "other file", progress);
    let logs = || log::read(&bundle.sources, &settings.events, &log_options(settings, &wire));
    let (logs, cluster) = rayon::join(logs, || cluster::read(&bundle.sources));
    let mut world = World { bundle, wire, logs, cluster };
    say_unread(&mut world);
    Ok(world)
}

/// Inputs that are told of one by one where none is of any use.
const MAX_UNREAD: usize = 16;

/// Where no input is of any use, says of each what it looks like: that no fault was found in it is no answer.
fn say_unread(world: &mut World) {
    if inputs(world).any(|input| !input.skipped && input.status() != "unreadable") {
        return;
    }
    let World { bundle, wire, logs, cluster } = world;
    let mut reports: Vec<&mut InputReport> =
        [&mut wire.inputs, &mut logs.inputs, &mut cluster.inputs].into_iter().flatten().collect();
    for source in bundle.sources.iter_mut().take(MAX_UNREAD) {
        let mut of_source = reports.iter_mut().filter(|r| r.source == source.index);
        let report = of_source.next();
        let problems = report.as_ref().map_or(&source.problems, |r| &r.problems);
        if problems.any_loss() || source.kind == SourceKind::Empty {
            continue;
        }
        let Some(looks_like) = source.looks_like() else { continue };
        let problems = match report {
            Some(report) => {
                (report.bytes, report.lines) = (0, None);
                &mut report.problems
            }
            None => &mut source.problems,
        };
        problems.loss("nothing_readable", Place::Whole, || looks_like);
    }
}

/// Reads everything under `inputs`, joins it and judges it.
pub(super) fn analyze(
    inputs: &[PathBuf],
    settings: &Settings,
    scope: Scope,
    progress: &Progress,
) -> Result<Analysis, Error> {
    let mut world = read(inputs, settings, LONGEST_CALL, progress)?;
    leave_out(&mut world, settings.limits.failures);
    progress.phase("joining logs and packets");
    let span = settings.span(&world.bundle)?;
    let join =
        JoinOptions { target: scope.target, edge: scope.edge, span, expiry_warning: settings.expiry_warning };
    let mut correlated = correlate::correlate(&mut world, &join);
    let (findings, no_fault) = rules::conclude(&settings.rules, &world, &correlated);
    correlated.anomalies.extend(no_fault);
    Ok(Analysis { world, correlated, findings })
}

/// Leaves out failures past the first `most`, and says in each log how many: what is known of one takes some kilobytes.
fn leave_out(world: &mut World, most: u64) {
    let logs = &mut world.logs;
    let kept = usize::try_from(most).unwrap_or(usize::MAX).min(logs.events.len());
    let mut left_out: BTreeMap<u32, u64> = BTreeMap::new();
    for event in logs.events.drain(kept..) {
        *left_out.entry(event.log).or_default() += 1;
    }
    let first_file =
        |log: u32| logs.reports.get(log as usize).and_then(|report| report.sources.first().copied());
    let left_out: BTreeMap<SourceIndex, u64> =
        left_out.into_iter().filter_map(|(log, count)| Some((first_file(log)?, count))).collect();
    for input in &mut logs.inputs {
        let Some(&count) = left_out.get(&input.source) else { continue };
        input.problems.add("limit_failures", Place::Whole, count, true, || {
            format!("of all logs the first {most} failures are analysed; raise it with --max-failures")
        });
    }
}

/// Tells what is about to be read. How much that will be is known where nothing of it is compressed.
fn reading(bundle: &Bundle, of: impl Fn(SourceKind) -> bool, noun: &str, progress: &Progress) {
    let sources: Vec<_> = bundle.sources.iter().filter(|s| of(s.kind)).collect();
    let bytes = sources.iter().fold(0, |sum: u64, s| sum.saturating_add(s.stored_bytes));
    let known = sources.iter().all(|s| !s.is_compressed());
    let text = format!("reading {}", words::counted(sources.len() as u64, noun));
    progress.reading(&text, &bundle.read, known.then_some(bytes));
}

impl Analysis {
    /// Keeps only the call that the line `FILE:N` tells of, judged by itself.
    pub(super) fn only_line(&mut self, line: &str) -> Result<(), Error> {
        let wrong = |why: &str| Error::Usage(format!("--line {line}: {why}"));
        let (file, number) = line.rsplit_once(':').ok_or_else(|| wrong("write it as FILE:N"))?;
        let number: u64 = number.parse().map_err(|_| wrong("write it as FILE:N, N a line from 1"))?;
        let named = |source: SourceIndex| {
            let path = self.world.bundle.path(source);
            path == file || path.strip_suffix(file).is_some_and(|rest| rest.ends_with(['/', '!']))
        };
        let events = self.world.logs.events.iter().enumerate();
        let told: Vec<u32> = events
            .filter(|(_, e)| e.lines.iter().any(|l| l.number == number && named(l.source)))
            .map(|(n, _)| n as u32)
            .collect();
        if told.is_empty() {
            return Err(wrong("no failure was read from that line; wirecause logs lists those that were"));
        }
        let has = |case: u32| {
            let case = self.correlated.cases.get(case as usize);
            case.is_some_and(|c| c.event.iter().chain(&c.echoes).any(|e| told.contains(e)))
        };
        let all = self.findings.iter().flat_map(|f| f.occurrences.iter().map(move |o| (f, o)));
        let alone = |(finding, call): (&Finding, &rules::Judgement)| {
            let case = self.correlated.cases.get(call.case as usize);
            let time = case.and_then(|c| c.time);
            Finding {
                judgement: call.clone(),
                target: case.map_or_else(|| finding.target.clone(), |c| c.target.clone()),
                occurrences: vec![call.clone()],
                first: time,
                last: time,
                id: finding.id.clone(),
            }
        };
        let found: Vec<Finding> = all.filter(|(_, call)| has(call.case)).map(alone).collect();
        if found.is_empty() {
            return Err(wrong("the failure was read, and no rule says anything of it"));
        }
        self.findings = found;
        Ok(())
    }

    /// The report of it.
    pub(super) fn report(&self, settings: &Settings, max_occurrences: usize) -> report::document::Report {
        let options = report::build::Options { max_occurrences, rules_digest: settings.digest() };
        report::build::build(&self.world, &self.correlated, &self.findings, &options)
    }
}

fn log_options(settings: &Settings, wire: &Ingested) -> LogOptions {
    let first: Option<Timestamp> = wire.captures.iter().filter_map(|c| c.first).min();
    let last = wire.captures.iter().filter_map(|c| c.last).max();
    LogOptions { zone: settings.zone.clone(), year: settings.year, capture_span: first.zip(last) }
}

/// Every report on an input, from all stages.
pub(super) fn inputs(world: &World) -> impl Iterator<Item = &InputReport> {
    [&world.wire.inputs, &world.logs.inputs, &world.cluster.inputs].into_iter().flatten()
}

/// The captures alone, for commands that need no logs; with `--redact` all of it, since names stand everywhere.
pub(super) fn captures(read: &ReadArguments, settings: &Settings) -> Result<World, Error> {
    let progress = Progress::new(&read.show);
    if read.how.redact {
        return world(&read.inputs, settings, &progress);
    }
    let bundle = settings.discover(&read.inputs)?;
    reading(&bundle, SourceKind::is_capture, "capture", &progress);
    let wire = ingest::run(&bundle.sources, &settings.ingest(&bundle)?);
    Ok(World { bundle, wire, ..World::default() })
}

/// A call that a line tells of after `--from` can have begun so long before it: the kernel sends SYNs for 127 s, and the
/// deadlines of the control plane's calls are shorter.
const LONGEST_CALL: TimeDelta = TimeDelta::from_secs(130);
