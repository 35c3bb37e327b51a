//! One finding opened: explanation, what next, proof, timeline, what else it might be, commands.

use std::io::{self, Write};

use super::super::document::{Finding, Match, Occurrence};
use super::super::lanes;
use super::super::words::{self, printable};
use super::finding::{INDENT, LABELLED, flow_place, head, needed, representative};
use super::ladder;
use super::text::{self, Style, labelled};
use crate::log;

/// The finding, whole.
pub(super) fn write(finding: &Finding, style: Style, out: &mut dyn Write) -> io::Result<()> {
    head(finding, style, out)?;
    writeln!(out)?;
    text::wrap(&printable(&finding.explanation), style.width, "", out)?;
    more(finding, style, out)
}

/// What the summary leaves out.
pub(super) fn more(finding: &Finding, style: Style, out: &mut dyn Write) -> io::Result<()> {
    list("Next", &finding.next, style, out)?;
    list("See", &finding.references, style, out)?;
    missing(finding, style, out)?;
    if finding.count > 1 {
        let most = finding.histogram.iter().map(|b| b.count).max().unwrap_or_default();
        let span = words::span_of(finding.histogram_seconds);
        let most = words::counted(most, "call");
        title(&format!("Calls over time, each mark {span}, the highest {most}"), style, out)?;
        histogram(finding, style, out)?;
    }
    calls(finding, style, out)?;
    if !finding.timeline.is_empty() {
        title("Timeline of one of them", style, out)?;
        let flows = representative(finding).map_or(&[][..], |o| &o.flows);
        ladder::write(flows, &finding.timeline, style, out)?;
    }
    alternatives(finding, style, out)?;
    commands(finding, style, out)
}

fn title(text: &str, style: Style, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\n  {}", style.bold(text))
}

fn list(name: &str, items: &[String], style: Style, out: &mut dyn Write) -> io::Result<()> {
    if items.is_empty() {
        return Ok(());
    }
    title(name, style, out)?;
    items.iter().try_for_each(|item| labelled("    -", &printable(item), style.width, "      ", out))
}

fn missing(finding: &Finding, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let needed = needed(finding);
    if needed.is_empty() {
        return Ok(());
    }
    title("What would make it sure", style, out)?;
    for missing in needed {
        labelled("    -", &printable(&missing.detail), style.width, "      ", out)?;
        if let Some(command) = &missing.command {
            writeln!(out, "      $ {}", printable(command))?;
        }
    }
    Ok(())
}

/// One mark for each span of time, as high as calls in it; empty spans are blank.
fn histogram(finding: &Finding, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let marks = words::bars(&finding.histogram, finding.histogram_seconds);
    labelled(INDENT, &marks, style.width.max(80), INDENT, out)?;
    Ok(())
}

/// The call that speaks for the finding in full, then some of the others with what is their own.
fn calls(finding: &Finding, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let Some(speaks) = representative(finding) else { return Ok(()) };
    title(if finding.count == 1 { "The call" } else { "One call" }, style, out)?;
    call(speaks, style, out)?;
    let others: Vec<_> = finding.occurrences.iter().filter(|o| !std::ptr::eq(*o, speaks)).collect();
    if others.is_empty() {
        return Ok(());
    }
    title("Others", style, out)?;
    for other in others.iter().take(CALLS) {
        short_call(other, speaks, style, out)?;
    }
    let rest = finding.count - 1 - others.len().min(CALLS) as u64;
    if rest > 0 {
        writeln!(out, "{INDENT}and {} more: --format json has all", words::grouped(rest))?;
    }
    Ok(())
}

fn when(occurrence: &Occurrence) -> String {
    occurrence.time.as_deref().map_or_else(|| "at an unknown time".to_owned(), words::short_time)
}

fn call(occurrence: &Occurrence, style: Style, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{INDENT}{}", when(occurrence))?;
    let mut said: Vec<String> = Vec::new();
    for line in &occurrence.logs {
        let place = format!("{}:{}", printable(&line.path), line.line);
        labelled("      log", &place, style.width, LABELLED, out)?;
        let text = printable(&log::said(&line.text));
        let reason = ending(&text);
        // Copies of one message differ in what stands in front of the reason.
        if said.contains(&reason) {
            labelled(LABELLED, &format!("… {reason}"), style.width, LABELLED, out)?;
        } else {
            labelled(LABELLED, &words::shortened(&text, MESSAGE), style.width, LABELLED, out)?;
            said.push(reason);
        }
    }
    for flow in &occurrence.flows {
        labelled(&format!("      {}", flow.role), &flow_place(flow), style.width, "              ", out)?;
    }
    let Some(matching) = &occurrence.matching else { return Ok(()) };
    joined(matching, style, out)?;
    for other in &matching.alternatives {
        let from = lanes::end(&other.orig);
        let text = format!("frame {} of {}, from {from}", other.first_frame, other.capture);
        labelled("      rather than", &printable(&text), style.width, "                  ", out)?;
    }
    Ok(())
}

fn joined(matching: &Match, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let offset = matching.offset_ms.map_or_else(String::new, |o| format!(", {o:.1} ms apart"));
    let text = format!("{} (score {:.2}{offset}): {}", matching.key, matching.score, matching.why);
    labelled("      joined by", &printable(&text), style.width, "                ", out)
}

/// Time, first line and first flow of a call, and how they were joined where that differs from the call shown.
fn short_call(
    occurrence: &Occurrence,
    shown: &Occurrence,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    writeln!(out, "{INDENT}{}", when(occurrence))?;
    if let Some(line) = occurrence.logs.first() {
        let place = format!("{}:{}", printable(&line.path), line.line);
        labelled("      log", &place, style.width, LABELLED, out)?;
        let reason = ending(&printable(&log::said(&line.text)));
        if shown.logs.iter().all(|l| ending(&printable(&log::said(&l.text))) != reason) {
            labelled(LABELLED, &format!("… {reason}"), style.width, LABELLED, out)?;
        }
    }
    if let Some(flow) = occurrence.flows.first() {
        labelled(&format!("      {}", flow.role), &flow_place(flow), style.width, "              ", out)?;
    }
    match &occurrence.matching {
        Some(matching) if shown.matching.as_ref().is_none_or(|m| m.key != matching.key) => {
            joined(matching, style, out)
        }
        _ => Ok(()),
    }
}

/// How a message ends: why the call failed.
fn ending(message: &str) -> String {
    let skipped = message.chars().count().saturating_sub(REASON);
    let end: String = message.chars().skip(skipped).collect();
    match end.find(' ').filter(|_| skipped > 0) {
        Some(at) => end.get(at + 1..).unwrap_or_default().to_owned(),
        None => end,
    }
}

fn alternatives(finding: &Finding, style: Style, out: &mut dyn Write) -> io::Result<()> {
    if finding.alternatives.is_empty() {
        return Ok(());
    }
    title("Also considered", style, out)?;
    let text = |a: &super::super::document::Alternative| printable(&format!("{}: {}", a.rule, a.why));
    finding.alternatives.iter().try_for_each(|a| labelled("    -", &text(a), style.width, "      ", out))
}

/// What to type to see the packets. Never wrapped: commands are copied.
fn commands(finding: &Finding, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let Some(flow) = representative(finding).and_then(|o| o.flows.first()) else { return Ok(()) };
    title("Commands", style, out)?;
    let file = words::shell(&printable(&flow.file));
    writeln!(out, "{INDENT}tshark -r {file} -Y '{}'", printable(&flow.display_filter))?;
    writeln!(out, "{INDENT}wirecause timeline INPUT --finding {}", finding.id)?;
    writeln!(out, "{INDENT}wirecause extract INPUT --finding {0} -o {0}.pcapng", finding.id)
}

/// Calls shown of an opened finding, beside the one that speaks for it.
const CALLS: usize = 5;

/// Characters of a message at most: longer ones dump a whole object.
const MESSAGE: usize = 1000;

/// Characters at the end of a message by which copies of it are known.
const REASON: usize = 90;
