//! What was looked at, in a few lines: the reader judges by it what the findings are worth.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::super::document::{Capture, Clock, Input, Log, Problem, Report};
use super::super::words::{self, counted, grouped, printable};
use super::text::{self, Style, labelled};

/// One sentence for when nothing was found.
pub(in crate::report) fn looked_at(report: &Report) -> String {
    let events: u64 = report.logs.iter().map(|l| l.events).sum();
    let flows: u64 = report.captures.iter().map(|c| c.flows).sum();
    format!(
        "Looked at {} of {} and {} of {}.",
        counted(events, "logged failure"),
        counted(report.logs.len() as u64, "log"),
        counted(flows, "flow"),
        counted(report.captures.len() as u64, "capture"),
    )
}

/// Inputs, captures, logs, clocks, losses.
pub(super) fn write(report: &Report, style: Style, all: bool, out: &mut dyn Write) -> io::Result<()> {
    let bad: Vec<&Input> = report.inputs.iter().filter(|i| i.is_lossy()).collect();
    let left: Vec<&Input> = report.inputs.iter().filter(|i| i.is_of_no_kind()).collect();
    let head = format!("{}, {}", counted(report.inputs.len() as u64, "input"), how_read(report, &bad, &left));
    text::wrap(&format!("{}: {head}.", style.bold("Looked at")), style.width, "  ", out)?;
    for capture in limited(&report.captures, all) {
        row("capture", &capture_text(capture), style, out)?;
    }
    let logs: Vec<&Log> = report.logs.iter().filter(|l| all || l.events > 0 || l.unrecognised > 0).collect();
    for log in limited(&logs, all) {
        row("log", &log_text(log), style, out)?;
    }
    let quiet = report.logs.len() - logs.len();
    if quiet > 0 {
        row("log", &format!("{} without a failure", counted(quiet as u64, "other log")), style, out)?;
    }
    version_rows(report, style, all, out)?;
    for input in bad {
        for problem in &input.problems {
            let text = format!("{}: {} ({}): {}", input.path, input.status, problem.at, problem.detail);
            row("lost", &printable(&text), style, out)?;
        }
    }
    if !left.is_empty() {
        let paths: Vec<_> = left.iter().map(|i| i.path.as_str()).collect();
        row("left", &printable(&format!("{}: of no kind that is read", listed(&paths, all))), style, out)?;
    }
    for input in &report.inputs {
        for problem in input.common_problems() {
            row("note", &printable(&common(input, problem)), style, out)?;
        }
    }
    for anomaly in limited(&report.anomalies, all) {
        let label = if anomaly.lost { "lost" } else { "note" };
        row(label, &printable(&format!("{}: {}", anomaly.place, anomaly.text)), style, out)?;
    }
    let omitted =
        [report.captures.len(), logs.len(), left.len(), report.anomalies.len()].into_iter().any(|n| n > FEW);
    if omitted && !all {
        text::wrap("  More of each with -v.", style.width, "  ", out)?;
    }
    Ok(())
}

/// `all read`, or what was not.
fn how_read(report: &Report, bad: &[&Input], left: &[&Input]) -> String {
    let number = |inputs: &[&Input]| grouped(inputs.len() as u64);
    let mut parts = Vec::new();
    if !bad.is_empty() {
        parts.push(format!("{} not wholly read", number(bad)));
    }
    if !left.is_empty() {
        parts.push(format!("{} of no kind that is read", number(left)));
    }
    if report.anomalies.iter().any(|a| a.lost) {
        parts.push("and what the notes say was not read".to_owned());
    }
    if parts.is_empty() { "all read".to_owned() } else { parts.join(", ") }
}

/// `a.pcap: 2,000 of 2,000 frames: link type 147 is not decoded`.
pub(in crate::report) fn common(input: &Input, problem: &Problem) -> String {
    let (count, all) = (grouped(problem.count), counted(input.frames.unwrap_or_default(), "frame"));
    format!("{}: {count} of {all}: {}", input.path, problem.detail)
}

/// `a, b and 3 more`.
fn listed(names: &[&str], all: bool) -> String {
    let named: Vec<_> = limited(names, all).copied().collect();
    let more = names.len() - named.len();
    let more = if more > 0 { format!(" and {} more", grouped(more as u64)) } else { String::new() };
    format!("{}{more}", named.join(", "))
}

/// Versions, each with the hosts that it ran on.
fn version_rows(report: &Report, style: Style, all: bool, out: &mut dyn Write) -> io::Result<()> {
    for (version, hosts) in versions(report) {
        let on = if hosts.is_empty() { String::new() } else { format!(" on {}", listed(&hosts, all)) };
        row("version", &printable(&format!("{version}{on}")), style, out)?;
    }
    Ok(())
}

/// Each version of each component, and the hosts that it ran on.
pub(in crate::report) fn versions(report: &Report) -> BTreeMap<String, Vec<&str>> {
    let mut all: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for version in &report.versions {
        let hosts = all.entry(format!("{} {}", version.component, version.version)).or_default();
        hosts.extend(version.host.as_deref());
    }
    all
}

fn limited<T>(all: &[T], everything: bool) -> impl Iterator<Item = &T> {
    all.iter().take(if everything { usize::MAX } else { FEW })
}

fn row(label: &str, text: &str, style: Style, out: &mut dyn Write) -> io::Result<()> {
    labelled(&format!("  {label}"), text, style.width, "           ", out)
}

fn capture_text(capture: &Capture) -> String {
    let mut parts = vec![
        counted(capture.frames, "frame"),
        counted(capture.flows, "flow"),
        span(capture.first_time.as_deref(), capture.last_time.as_deref()),
    ];
    if let Some(drops) = capture.drops.filter(|d| *d > 0) {
        parts.push(format!("{} dropped", counted(drops, "frame")));
    }
    if capture.snaplen_cut > 0 {
        parts.push(format!("{} cut by the snap length", grouped(capture.snaplen_cut)));
    }
    if capture.duplicates > 0 {
        parts.push(format!("{} copies", grouped(capture.duplicates)));
    }
    if capture.evicted > 0 {
        parts.push(format!("{} ended early for --max-memory", counted(capture.evicted, "flow")));
    }
    if capture.spilled_bytes > 0 {
        let mb = grouped(capture.spilled_bytes.div_ceil(1_000_000));
        parts.push(format!("{mb} MB of records in a temporary file for --max-memory"));
    }
    parts.extend(clock(&capture.clock));
    printable(&format!("{}: {}", capture.name, parts.join(", ")))
}

fn log_text(log: &Log) -> String {
    let mut parts = vec![log.format.clone(), counted(log.lines, "line"), counted(log.events, "failure")];
    if log.unrecognised > 0 {
        parts.push(format!("{} look like one and match nothing known", counted(log.unrecognised, "line")));
    }
    parts.push(span(log.first_time.as_deref(), log.last_time.as_deref()));
    if let Some(zone) = log.zone.as_deref().filter(|z| *z != "UTC") {
        parts.push(format!("stamps in {zone} ({})", log.year_from));
    }
    parts.extend(clock(&log.clock));
    printable(&format!("{}: {}", log.path, parts.join(", ")))
}

pub(in crate::report) fn span(first: Option<&str>, last: Option<&str>) -> String {
    let (Some(first), Some(last)) = (first, last) else { return "no time".to_owned() };
    let (first, last) = (words::short_time(first), words::short_time(last));
    match (first.get(..19), last.get(11..19)) {
        (Some(from), Some(to)) if first.get(..10) == last.get(..10) => format!("{from} to {to} UTC"),
        _ => format!("{first} to {last} UTC"),
    }
}

/// Said only where it matters: an offset of a tenth of a second or more, or a drift.
fn clock(clock: &Clock) -> Option<String> {
    let offset = clock.offset.filter(|o| o.abs() >= 0.1 || clock.drift_ppm.is_some())?;
    let side = if offset > 0.0 { "ahead" } else { "behind" };
    let drift = clock.drift_ppm.map_or_else(String::new, |ppm| {
        let way = if ppm > 0.0 { "gaining" } else { "losing" };
        format!(" and {way} {:.3} s an hour", ppm.abs() * 0.0036)
    });
    Some(format!("clock {:.3} s {side}{drift} ({})", offset.abs(), counted(u64::from(clock.pairs), "pair")))
}

/// Rows of one kind on the first screen.
const FEW: usize = 6;
