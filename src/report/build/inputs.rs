//! What was read, for the coverage part of the report.

use std::collections::BTreeMap;

use super::super::document::{Capture, Certificate, Clock, Input, LineRef, Log, Problem};
use crate::bundle::{InputReport, SourceIndex};
use crate::correlate::{ClockModel, Correlated, World};
use crate::error::Weirds;
use crate::flow::PerDir;
use crate::ingest::CaptureReport;
use crate::log::{LogLine, LogReport};
use crate::time::{TimeDelta, Timestamp};
use crate::tls;

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
    let mut flows = vec![0; world.wire.captures.len()];
    for flow in &world.wire.flows {
        if let Some(count) = flows.get_mut(usize::from(flow.capture.0)) {
            *count += 1;
        }
    }
    let clock = |n: usize| clock(correlated.capture_clocks.get(n));
    let all = world.wire.captures.iter().zip(flows).enumerate();
    all.map(|(n, (report, flows))| capture(world, report, flows, clock(n))).collect()
}

fn capture(world: &World, report: &CaptureReport, flows: u64, clock: Clock) -> Capture {
    let mut interfaces: Vec<_> = report.interfaces.iter().filter_map(|i| i.name.clone()).collect();
    let mut filters: Vec<_> = report.interfaces.iter().filter_map(|i| i.filter.clone()).collect();
    interfaces.dedup();
    filters.dedup();
    Capture {
        name: report.set.name.clone(),
        host: report.set.host.clone(),
        files: report.set.files.iter().map(|f| path(world, *f)).collect(),
        link_types: report.link_types.clone(),
        interfaces,
        filters,
        first_time: text(report.first),
        last_time: text(report.last),
        frames: report.frames,
        flows,
        drops: report.drops,
        snaplen_cut: report.snaplen_cut,
        duplicates: report.duplicates,
        ack_lost_segments: report.ack_lost_segments,
        gap_bytes: report.gap_bytes,
        backwards: report.backwards,
        one_sided: (report.one_sided * 1000.0).round() / 1000.0,
        evicted: report.evicted,
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
    world.bundle.sources.get(source.0 as usize).map_or_else(String::new, |s| s.path.clone())
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

/// Certificates that were shown on the wire, by subject and digest.
pub(crate) fn certificates(world: &World) -> Vec<Certificate> {
    let mut all: BTreeMap<(String, String, &str), Certificate> = BTreeMap::new();
    for flow in &world.wire.flows {
        let Some(tls) = &flow.app.session.tls else { continue };
        let chains = PerDir { orig: &tls.client_certificates, resp: &tls.certificates };
        for (shown_by, chain, end) in [("server", chains.resp, flow.resp), ("client", chains.orig, flow.orig)]
        {
            for (depth, shown) in chain.iter().enumerate() {
                let key = (shown.subject.clone(), shown.sha256.clone(), shown_by);
                let entry = all.entry(key).or_insert_with(|| certificate(shown, shown_by, depth));
                let address = if shown_by == "server" { end.to_string() } else { end.ip().to_string() };
                let sni = tls.client_hello.as_ref().and_then(|h| h.shape.sni.clone());
                entry.flows += 1;
                add(&mut entry.addresses, Some(address));
                add(&mut entry.sni, sni);
            }
        }
    }
    all.into_values().collect()
}

/// Keeps a bounded list sorted and without repeats.
fn add(list: &mut Vec<String>, item: Option<String>) {
    let Some(item) = item else { return };
    if let Err(at) = list.binary_search(&item)
        && list.len() < LISTED
    {
        list.insert(at, item);
    }
}

fn certificate(shown: &tls::Certificate, shown_by: &str, depth: usize) -> Certificate {
    Certificate {
        subject: shown.subject.clone(),
        issuer: shown.issuer.clone(),
        sans: shown.sans.clone(),
        not_before: text(shown.not_before),
        not_after: text(shown.not_after),
        serial: shown.serial.clone(),
        sha256: shown.sha256.clone(),
        shown_by: shown_by.to_owned(),
        addresses: Vec::new(),
        sni: Vec::new(),
        flows: 0,
        depth: depth as u32,
        problem: shown.problem.clone(),
    }
}

/// Addresses and names of one certificate at most.
const LISTED: usize = 16;
