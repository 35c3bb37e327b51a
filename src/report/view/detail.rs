//! One finding opened: explanation, what next, proof, timeline, what else it might be, commands.

use std::io::{self, Write};

use super::super::document::{Finding, Occurrence};
use super::super::words::{self, printable};
use super::finding::{INDENT, LABELLED, flow_place, head, message, needed, representative};
use super::ladder;
use super::text::{self, Style, labelled};

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
        title(
            &format!("Calls over time, each mark {}", words::span_of(finding.histogram_seconds)),
            style,
            out,
        )?;
        histogram(finding, style, out)?;
    }
    title("Calls", style, out)?;
    for occurrence in finding.occurrences.iter().take(CALLS) {
        call(occurrence, style, out)?;
    }
    let rest = finding.count - finding.occurrences.len().min(CALLS) as u64;
    if rest > 0 {
        writeln!(out, "{INDENT}and {} more: --format json has all", words::grouped(rest))?;
    }
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

fn call(occurrence: &Occurrence, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let time = occurrence.time.as_deref().map_or_else(|| "at an unknown time".to_owned(), words::short_time);
    writeln!(out, "{INDENT}{time}")?;
    for line in &occurrence.logs {
        let place = format!("{}:{}", printable(&line.path), line.line);
        labelled("      log", &place, style.width, LABELLED, out)?;
        message(line, style, out)?;
    }
    for flow in &occurrence.flows {
        labelled(&format!("      {}", flow.role), &flow_place(flow), style.width, "              ", out)?;
    }
    let Some(matching) = &occurrence.matching else { return Ok(()) };
    let offset = matching.offset_ms.map_or_else(String::new, |o| format!(", {o:.1} ms apart"));
    let text = format!("{} (score {:.2}{offset}): {}", matching.key, matching.score, matching.why);
    labelled("      joined by", &printable(&text), style.width, "                ", out)?;
    for other in &matching.alternatives {
        let text = format!(
            "{} frame {}, {} port {} lost",
            other.capture, other.first_frame, other.orig.ip, other.orig.port
        );
        labelled("      not by", &printable(&text), style.width, "             ", out)?;
    }
    Ok(())
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

/// Calls shown of an opened finding.
const CALLS: usize = 5;
