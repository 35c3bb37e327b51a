//! What was read, for the coverage part of the report.

use std::collections::BTreeMap;

use super::super::document::{Capture, Certificate, Clock, Input, LineRef, Log, Place, Problem, Version};
use crate::bundle::{InputReport, SourceIndex};
use crate::correlate::{ClockModel, Correlated, Found, Inventoried, World};
use crate::error::Weirds;
use crate::ingest::CaptureReport;
use crate::log::{LogLine, LogReport};
use crate::time::{TimeDelta, Timestamp};

/// One for each source; a source that no stage took is `skipped`.
pub(super) fn inputs(world: &World) -> Vec<Input> {
    let mut read: BTreeMap<SourceIndex, InputReport> = BTreeMap::new();
    for report in [&world.wire.inputs, &world.logs.inputs, &world.cluster.inputs].into_iter().flatten() {
        read.entry(report.source).and_modify(|r| merge(r, report)).or_insert_with(|| report.clone());
    }
    let of_source = |source: &crate::bundle::Source| {
        let report = read.remove(&source.index).unwrap_or_else(|| {
            let mut report = InputReport::of(source);
            report.skipped = true;
            report
        });
        Input {
            path: source.path.clone(),
            kind: source.kind.name().to_owned(),
            status: report.status().to_owned(),
            bytes: report.bytes,
            frames: report.frames,
            lines: report.lines,
            problems: problems(&report.problems),
        }
    };
    world.bundle.sources.iter().map(of_source).collect()
}

/// Two stages read the same source, such as a pcapng with journal blocks.
fn merge(into: &mut InputReport, other: &InputReport) {
    into.bytes = into.bytes.max(other.bytes);
    into.frames = into.frames.or(other.frames);
    into.lines = into.lines.or(other.lines);
    into.skipped &= other.skipped;
    into.problems.merge(other.problems.clone());
}

fn problems(weirds: &Weirds) -> Vec<Problem> {
    let problem = |w: &crate::error::Weird| Problem {
        name: w.name.to_owned(),
        at: w.at.to_string(),
        count: w.count,
        detail: w.detail.clone(),
    };
    weirds.iter().map(problem).collect()
}

/// One for each vantage point.
pub(super) fn captures(world: &World, correlated: &Correlated) -> Vec<Capture> {
    let clock = |n: usize| clock(correlated.capture_clocks.get(n));
    let all = world.wire.captures.iter().enumerate();
    all.map(|(n, report)| capture(world, report, clock(n))).collect()
}

fn capture(world: &World, report: &CaptureReport, clock: Clock) -> Capture {
    Capture {
        name: report.set.name.clone(),
        host: report.set.host.clone(),
        files: report.set.files.iter().map(|f| path(world, *f)).collect(),
        link_types: report.link_types.clone(),
        interfaces: report.interfaces.iter().cloned().collect(),
        filters: report.filters.iter().cloned().collect(),
        first_time: text(report.first),
        last_time: text(report.last),
        frames: report.frames,
        flows: report.flows,
        drops: report.drops,
        snaplen_cut: report.snaplen_cut,
        duplicates: report.duplicates,
        ack_lost_segments: report.ack_lost_segments,
        gap_bytes: report.gap_bytes,
        backwards: report.backwards,
        one_sided: (report.one_sided * 1000.0).round() / 1000.0,
        evicted: report.evicted,
        spilled_bytes: report.spilled_bytes,
        clock,
    }
}

/// One for each log.
pub(super) fn logs(world: &World, correlated: &Correlated) -> Vec<Log> {
    let all = world.logs.reports.iter().enumerate();
    all.map(|(n, report)| log(world, report, clock(correlated.log_clocks.get(n)))).collect()
}

fn log(world: &World, report: &LogReport, clock: Clock) -> Log {
    let files: Vec<_> = report.sources.iter().map(|s| path(world, *s)).collect();
    Log {
        path: files.last().cloned().unwrap_or_default(),
        files: if files.len() > 1 { files } else { Vec::new() },
        format: report.format.clone(),
        component: report.component.clone(),
        host: report.host.clone(),
        first_time: text(report.first),
        last_time: text(report.last),
        zone: report.base.zone.clone(),
        year_from: report.base.from.clone(),
        lines: report.lines,
        events: report.events,
        unrecognised: report.unrecognised,
        unrecognised_lines: report.unrecognised_lines.iter().map(|l| line(world, l)).collect(),
        clock,
    }
}

/// Versions that logs and node objects tell, each once.
pub(super) fn versions(world: &World) -> Vec<Version> {
    let logs = world.logs.reports.iter().flat_map(|log| {
        let path = log.sources.last().map_or_else(String::new, |s| path(world, *s));
        log.versions.iter().map(move |(component, version)| Version {
            component: component.clone(),
            version: version.clone(),
            host: log.host.clone(),
            path: path.clone(),
        })
    });
    let nodes = world.cluster.nodes.iter().filter_map(|node| {
        let version = node.kubelet.clone()?;
        let (component, host) = ("kubelet".to_owned(), Some(node.name.clone()));
        Some(Version { component, version, host, path: path(world, node.source) })
    });
    let mut all: Vec<_> = logs.chain(nodes).collect();
    all.sort_unstable();
    let which = |v: &Version| (v.component.clone(), v.version.clone(), v.host.clone());
    all.dedup_by(|later, first| which(later) == which(first));
    all
}

/// A log line as the report names it.
pub(crate) fn line(world: &World, line: &LogLine) -> LineRef {
    LineRef {
        path: path(world, line.source),
        line: line.number,
        text: line.text.to_string(),
        truncated: line.truncated,
    }
}

/// Path of a source.
pub(super) fn path(world: &World, source: SourceIndex) -> String {
    world.bundle.path(source).to_owned()
}

fn clock(model: Option<&ClockModel>) -> Clock {
    let Some(model) = model else { return Clock::default() };
    Clock {
        offset: model.offset.map(TimeDelta::as_secs_f64),
        drift_ppm: model.drift.map(|d| (d.rate * 1e9).round() / 1e3),
        at: model.drift.map(|d| d.at.to_string()),
        residual: model.residual.map(TimeDelta::as_secs_f64),
        pairs: model.pairs,
        why: model.why.clone(),
    }
}

fn text(time: Option<Timestamp>) -> Option<String> {
    time.map(|t| t.to_string())
}

/// A certificate of the inventory.
pub(crate) fn certificate(held: &Inventoried) -> Certificate {
    let certificate = &held.certificate;
    Certificate {
        subject: certificate.subject.clone(),
        issuer: certificate.issuer.clone(),
        sans: certificate.sans.clone(),
        sans_beyond: certificate.sans_beyond.into(),
        not_before: text(certificate.not_before),
        not_after: text(certificate.not_after),
        serial: certificate.serial.clone(),
        sha256: certificate.sha256.clone(),
        shown_by: held.shown.by().to_owned(),
        role: held.role.name().to_owned(),
        days_left: held.days_left(),
        found: held.found.iter().map(place).collect(),
        authority: held.authority.name().to_owned(),
        mismatches: held.mismatches.clone(),
        addresses: held.shown.addresses.clone(),
        sni: held.shown.sni.clone(),
        flows: held.shown.flows,
        depth: held.shown.depth,
        problem: certificate.problem.clone(),
    }
}

fn place(found: &Found) -> Place {
    Place { kind: found.kind.name().to_owned(), place: found.place.clone() }
}
