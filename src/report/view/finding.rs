//! One finding in a few lines.

use std::io::{self, Write};

use super::super::document::{Finding, FlowRef, LineRef, Missing, Occurrence};
use super::super::lanes;
use super::super::words::{self, counted, printable};
use super::text::{self, Style, labelled};
use crate::log;

/// All findings, one line each, that keeps to the width: what all of them share (severity, day) is left out.
pub(super) fn overview(findings: &[&Finding], style: Style, out: &mut dyn Write) -> io::Result<()> {
    let one = |text: &dyn Fn(&Finding) -> String| {
        let mut all = findings.iter().map(|f| text(f));
        let first = all.next();
        all.all(|t| Some(t) == first)
    };
    let day = |f: &Finding| begun(f).get(..10).unwrap_or_default().to_owned();
    let (one_severity, one_day) = (one(&|f| f.severity.clone()), one(&day));
    let first = |f: &Finding| begun(f).get(if one_day { 11 } else { 0 }..19).unwrap_or_default().to_owned();
    let target = |f: &Finding| printable(name(f).unwrap_or("an unknown target"));
    let mut rows = vec![["", "SEVERITY", "CALLS", "FIRST (UTC)", "CAUSE", "TARGET"].map(str::to_owned)];
    rows.extend(findings.iter().map(|f| {
        let (severity, count) = (f.severity.clone(), words::grouped(f.count));
        [f.id.clone(), severity, count, first(f), f.cause.clone(), target(f)]
    }));
    let width = |n: usize| rows.iter().map(|r| r[n].chars().count()).max().unwrap_or(0);
    let widths: [usize; 6] = std::array::from_fn(width);
    for row in &rows {
        let mut line = String::new();
        for (n, (cell, width)) in row.iter().zip(widths).enumerate().filter(|(n, _)| *n != 1 || !one_severity)
        {
            let pad = " ".repeat(width - cell.chars().count());
            let cell = if n == 2 { [&*pad, cell, "  "] } else { [cell, &*pad, "  "] };
            line.extend(cell);
        }
        writeln!(out, "{}", text::cut(format!(" {line}").trim_end(), style.width))?;
    }
    Ok(())
}

/// When the first call failed, to the millisecond.
fn begun(finding: &Finding) -> String {
    finding.first_time.as_deref().map_or_else(String::new, words::short_time)
}

/// What failed, against what, how often, since when, why, how sure, what next, and one proof.
pub(super) fn summary(finding: &Finding, style: Style, out: &mut dyn Write) -> io::Result<()> {
    head(finding, style, out)?;
    labelled(INDENT, &printable(&finding.explanation), style.width, INDENT, out)?;
    if finding.standing == "log_only"
        && let Some(missing) = needed(finding).first()
    {
        labelled("    Lacks:", &printable(&missing.detail), style.width, "           ", out)?;
    }
    if let Some(next) = finding.next.first() {
        labelled("    Next:", &printable(next), style.width, LABELLED, out)?;
    }
    proof(finding, style, out)
}

/// A finding that could not be decided: what would be needed.
pub(super) fn undecided(finding: &Finding, style: Style, out: &mut dyn Write) -> io::Result<()> {
    head(finding, style, out)?;
    if !finding.explanation.is_empty() {
        labelled(INDENT, &printable(&finding.explanation), style.width, INDENT, out)?;
    }
    for missing in needed(finding) {
        labelled("    Needs:", &printable(&missing.detail), style.width, "           ", out)?;
        if let Some(command) = &missing.command {
            writeln!(out, "    Get it: {}", printable(command))?;
        }
    }
    proof(finding, style, out)
}

/// Title and the facts about all calls.
pub(super) fn head(finding: &Finding, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let severity = style.severity(&finding.severity, &finding.severity.to_uppercase());
    let title = format!("{} {severity}  {}", style.bold(&finding.id), style.bold(&printable(&finding.title)));
    text::wrap(&title, style.width, INDENT, out)?;
    let what = format!("{INDENT}{} to {}", counted(finding.count, "call"), target(finding));
    text_line(&what, style, out)?;
    let sure = format!("{}, {} confidence", finding.standing.replace('_', " "), finding.confidence);
    let when = format!("{INDENT}{}; {sure}; {}", when(finding), cause(finding));
    text_line(&when, style, out)
}

fn text_line(line: &str, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let body = line.strip_prefix(INDENT).unwrap_or(line);
    labelled(INDENT, body, style.width, INDENT, out)
}

fn cause(finding: &Finding) -> String {
    if finding.verdict == finding.cause {
        return finding.verdict.clone();
    }
    format!("{} / {}", finding.verdict, finding.cause)
}

/// First and last time, the date once.
pub(in crate::report) fn when(finding: &Finding) -> String {
    let (Some(first), Some(last)) = (&finding.first_time, &finding.last_time) else {
        return "at an unknown time".to_owned();
    };
    let (first, last) = (words::short_time(first), words::short_time(last));
    match (first.split_once(' '), last.split_once(' ')) {
        _ if first == last => format!("{first} UTC"),
        (Some((day, _)), Some((other, time))) if day == other => format!("{first} to {time} UTC"),
        _ => format!("{first} to {last} UTC"),
    }
}

/// What the calls were to reach, in the words of the log and of the wire.
pub(in crate::report) fn target(finding: &Finding) -> String {
    let Some(name) = name(finding) else { return "an unknown target".to_owned() };
    let more = details(finding);
    let more = if more.is_empty() { String::new() } else { format!(" ({})", more.join(", ")) };
    printable(&format!("{name}{more}"))
}

/// What else is known of a target, beside its name.
pub(in crate::report) fn details(finding: &Finding) -> Vec<String> {
    let (target, name) = (&finding.target, name(finding).unwrap_or_default());
    let mut more = Vec::new();
    if let Some(webhook) = target.webhook.as_ref().filter(|w| w.as_str() != name) {
        let kind = if finding.edge == "aggregated_api" { "APIService" } else { "webhook" };
        more.push(format!("{kind} {webhook}"));
    }
    let backend = target.backend.as_ref().or(target.address.as_ref()).filter(|b| b.as_str() != name);
    more.extend(backend.map(|b| format!("at {b}")));
    more.extend(target.pod.as_ref().filter(|p| p.as_str() != name).map(|p| format!("pod {p}")));
    more
}

/// The name that says most.
pub(in crate::report) fn name(finding: &Finding) -> Option<&str> {
    let target = &finding.target;
    let names =
        [&target.url_host, &target.service, &target.webhook, &target.address, &target.backend, &target.pod];
    names.into_iter().flatten().next().map(String::as_str)
}

/// One log line and one flow: where to look first.
fn proof(finding: &Finding, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let Some(occurrence) = representative(finding) else { return Ok(()) };
    if let Some(line) = occurrence.logs.first() {
        let place = format!("{}:{}", printable(&line.path), line.line);
        labelled("    Log:", &place, style.width, LABELLED, out)?;
        message(line, style, out)?;
    }
    if let Some(flow) = occurrence.flows.first() {
        labelled("    Wire:", &flow_place(flow), style.width, LABELLED, out)?;
    }
    Ok(())
}

/// What a log line says, without its headers, in two lines or three.
fn message(line: &LineRef, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let room = style.width.saturating_sub(LABELLED.len() + 4) * 2;
    let said = words::shortened(&printable(&log::said(&line.text)), room.max(MESSAGE));
    labelled(LABELLED, &said, style.width, LABELLED, out)
}

/// Where a flow is found in Wireshark.
pub(super) fn flow_place(flow: &FlowRef) -> String {
    let ends = format!("{} → {}", lanes::end(&flow.orig), lanes::end(&flow.resp));
    let filter = printable(&flow.display_filter);
    format!(
        "{}, {}, {}",
        text::together(&printable(&format!("{} frame {}", flow.file, flow.first_frame))),
        text::together(&ends),
        text::together(&format!("filter {filter}"))
    )
}

/// The occurrence that explanation and timeline are about, else the first.
pub(in crate::report) fn representative(finding: &Finding) -> Option<&Occurrence> {
    let place = finding.representative.and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
    finding.occurrences.get(place).or_else(|| finding.occurrences.first())
}

/// What is missing in any occurrence, each once.
pub(in crate::report) fn needed(finding: &Finding) -> Vec<&Missing> {
    let mut seen: Vec<&Missing> = Vec::new();
    for missing in finding.occurrences.iter().flat_map(|o| &o.missing) {
        if !seen.iter().any(|s| s.what == missing.what && s.command == missing.command) {
            seen.push(missing);
        }
    }
    seen.truncate(NEEDS);
    seen
}

/// What a finding's lines begin with.
pub(super) const INDENT: &str = "    ";

/// What lines under a label begin with.
pub(super) const LABELLED: &str = "          ";

/// Characters of a message that are shown however narrow the terminal is.
const MESSAGE: usize = 170;

/// Missing things shown at most.
const NEEDS: usize = 4;
