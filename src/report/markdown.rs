//! The report as Markdown for a ticket: what a person pastes, with a Mermaid sequence diagram for each finding.
//!
//! Everything from the bundle is escaped so that it is text and neither markup nor HTML; log lines stand in fences
//! that they cannot close.

use std::io::{self, Write};

use super::document::{Finding, FlowRef, Moment, MomentKind, Occurrence, Report};
use super::ladder::ladder;
use super::lanes::{Lanes, end};
use super::view::coverage;
use super::view::finding::{name, representative, target, when};
use super::words::{self, counted, printable};
use crate::log;

/// Writes the report as Markdown.
pub fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "# What the packets say\n")?;
    let faults = report.findings.iter().filter(|f| f.severity != "info" && f.standing != "inconclusive");
    if faults.count() == 0 {
        writeln!(out, "{}\n", report.no_fault())?;
    }
    if !report.findings.is_empty() {
        writeln!(
            out,
            "| | severity | cause | target | calls | when | standing |\n|---|---|---|---|---:|---|---|"
        )?;
    }
    for f in &report.findings {
        let cells =
            [&f.id, &f.severity, &f.cause, name(f).unwrap_or("an unknown target")].map(text).join(" | ");
        let standing = f.standing.replace('_', " ");
        writeln!(out, "| {cells} | {} | {} | {} |", words::grouped(f.count), when(f), text(&standing))?;
    }
    report.findings.iter().try_for_each(|f| finding(f, out))?;
    looked_at(report, out)
}

fn finding(f: &Finding, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\n## {}: {}\n", f.id, text(&f.title))?;
    writeln!(out, "{}\n", text(&f.explanation))?;
    writeln!(
        out,
        "- **{}** / **{}** ({}), {}, {} confidence\n- {} to {}, {}",
        text(&f.verdict),
        text(&f.cause),
        text(&f.severity),
        text(&f.standing.replace('_', " ")),
        text(&f.confidence),
        counted(f.count, "call"),
        text(&target(f)),
        when(f),
    )?;
    for next in &f.next {
        writeln!(out, "- next: {}", text(next))?;
    }
    for missing in f.occurrences.iter().flat_map(|o| &o.missing).take(MISSING) {
        let command = missing.command.as_ref().map_or_else(String::new, |c| format!(": {}", code(c)));
        writeln!(out, "- to be sure: {}{command}", text(&missing.detail))?;
    }
    match representative(f) {
        Some(call) => proof(f, call, out),
        None => Ok(()),
    }
}

/// The call that speaks for a finding, and where to read on.
fn proof(f: &Finding, call: &Occurrence, out: &mut dyn Write) -> io::Result<()> {
    for line in &call.logs {
        writeln!(out, "\n{}\n", code(&format!("{}:{}", line.path, line.line)))?;
        fence(&line.text, out)?;
    }
    for flow in &call.flows {
        let place = format!("{}, frame {}", code(&flow.file), flow.first_frame);
        writeln!(
            out,
            "\n- {place}, {} → {}, {}",
            end(&flow.orig),
            end(&flow.resp),
            code(&flow.display_filter)
        )?;
    }
    diagram(f, &call.flows, out)?;
    if !f.references.is_empty() {
        writeln!(out)?;
    }
    f.references.iter().try_for_each(|r| writeln!(out, "- {}", link(r)))
}

/// A Mermaid sequence diagram of the timeline.
fn diagram(f: &Finding, flows: &[FlowRef], out: &mut dyn Write) -> io::Result<()> {
    let Some(first) = flows.first() else { return Ok(()) };
    let ladder = ladder(flows, &f.timeline);
    let lanes = Lanes::of(flows, &ladder);
    writeln!(out, "\n```mermaid\nsequenceDiagram")?;
    for (n, lane) in lanes.names.iter().enumerate() {
        writeln!(out, "    participant P{n} as {}", diagram_text(lane))?;
    }
    for rung in ladder.rungs.iter().take(RUNGS) {
        let after = rung.after.first().copied().unwrap_or_default() as f64 / 1e9;
        let again = if rung.after.len() > 1 { format!(" ×{}", rung.after.len()) } else { String::new() };
        let what = diagram_text(&said(rung.moment));
        match rung.moment.kind {
            MomentKind::Log => {
                let (a, b) =
                    if ladder.views.is_empty() { lanes.ends(first) } else { (0, ladder.views.len() + 1) };
                writeln!(out, "    Note over P{a},P{b}: {after:+.3} s log: {what}")?;
            }
            MomentKind::Packet => {
                let flow =
                    rung.moment.flow.and_then(|n| flows.get(usize::try_from(n).ok()?)).unwrap_or(first);
                let way = lanes.way(rung, flow);
                let arrow = if way.lost { "-x" } else { "->>" };
                writeln!(out, "    P{}{arrow}P{}: {after:+.3} s {what}{again}", way.from, way.to)?;
            }
        }
    }
    writeln!(out, "```")
}

fn said(moment: &Moment) -> String {
    match moment.kind {
        MomentKind::Log => words::shortened(&log::said(&moment.text), DIAGRAM_CHARACTERS),
        MomentKind::Packet => moment.text.clone(),
    }
}

fn looked_at(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\n## What was looked at\n")?;
    for capture in &report.captures {
        let span = coverage::span(capture.first_time.as_deref(), capture.last_time.as_deref());
        let counts = format!("{}, {}", counted(capture.frames, "frame"), counted(capture.flows, "flow"));
        writeln!(out, "- capture {}: {counts}, {span}", code(&capture.name))?;
    }
    for log in report.logs.iter().filter(|l| l.events > 0) {
        let span = coverage::span(log.first_time.as_deref(), log.last_time.as_deref());
        writeln!(
            out,
            "- log {}: {}, {}, {span}",
            code(&log.path),
            text(&log.format),
            counted(log.events, "failure")
        )?;
    }
    for (version, hosts) in coverage::versions(report) {
        let on = if hosts.is_empty() { String::new() } else { format!(" on {}", hosts.join(", ")) };
        writeln!(out, "- version {}", text(&format!("{version}{on}")))?;
    }
    for input in report.inputs.iter().filter(|i| i.is_lossy()) {
        for problem in &input.problems {
            let what = format!("{} ({}): {}", input.status, problem.at, problem.detail);
            writeln!(out, "- {}: {}", code(&input.path), text(&what))?;
        }
    }
    for input in &report.inputs {
        for problem in input.common_problems() {
            writeln!(out, "- {}", text(&coverage::common(input, problem)))?;
        }
    }
    for anomaly in &report.anomalies {
        writeln!(out, "- {}: {}", code(&anomaly.place), text(&anomaly.text))?;
    }
    let tool = &report.tool;
    writeln!(out, "\n{} {}, rules {}", text(&tool.name), text(&tool.version), text(&tool.rules_digest))
}

/// Text that Markdown and the HTML in it leave alone.
fn text(text: &str) -> String {
    let text = printable(text);
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        match c {
            // `https://…` and `www.…` become links as they stand (GitHub Flavored Markdown 0.29 §6.9).
            ':' if text[at..].starts_with("://") => out.push_str("\\:"),
            '.' if out.ends_with("www") => out.push_str("\\."),
            // GitHub looks for addresses of mail, people and issues in what an escape leaves: a comment parts them.
            '@' | '#' if text[at + 1..].starts_with(|next: char| !next.is_whitespace()) => {
                out.extend(["\\", &text[at..=at], "<!-- -->"]);
            }
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' | '!' | '@' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out
}

/// A reference of a rule: an address becomes a link.
fn link(reference: &str) -> String {
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '<' | '>');
    if reference.starts_with("https://") && reference.chars().all(plain) {
        return format!("<{reference}>");
    }
    text(reference)
}

/// A code span that holds back quotes of any length.
fn code(text: &str) -> String {
    let text = printable(text);
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let ticks = "`".repeat(longest + 1);
    let pad = if text.contains('`') || text.is_empty() { " " } else { "" };
    format!("{ticks}{pad}{text}{pad}{ticks}")
}

/// A fenced block that its text cannot close.
fn fence(text: &str, out: &mut dyn Write) -> io::Result<()> {
    let text = printable(text);
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let ticks = "`".repeat(longest.max(2) + 1);
    writeln!(out, "{ticks}\n{text}\n{ticks}")
}

/// Mermaid reads `;` and `#` as its own, and line ends end a statement.
fn diagram_text(text: &str) -> String {
    let plain =
        |c: char| if matches!(c, ';' | '#' | '<' | '>' | '"' | '`' | '%' | '{' | '}') { ' ' } else { c };
    printable(text).chars().map(plain).take(DIAGRAM_CHARACTERS + 40).collect()
}

/// Characters of a log line in a diagram.
const DIAGRAM_CHARACTERS: usize = 80;

/// Rungs of a diagram at most: GitHub refuses large ones.
const RUNGS: usize = 60;

/// Missing things listed at most.
const MISSING: usize = 4;

#[cfg(test)]
mod tests {
    use super::super::made;
    use super::*;

    #[test]
    fn a_ticket_has_the_proof_and_no_markup_of_the_bundle() {
        let mut out = Vec::new();
        write(&made::report(), &mut out).expect("a Vec takes all");
        let page = String::from_utf8(out).expect("UTF-8");
        for part in [
            "## F1: The SYN was never answered",
            "sequenceDiagram",
            "`tcp.stream == 12`",
            "again ×3",
            "to be sure:",
        ] {
            assert!(page.contains(part), "{part}\n{page}");
        }
        let mut fenced = false;
        for line in page.lines() {
            fenced ^= line.starts_with("```");
            assert!(fenced || !line.contains("<script"), "{line}");
            assert!(!line.chars().any(char::is_control), "{line:?}");
        }
        assert!(!fenced, "a fence stays open");
    }

    #[test]
    fn no_address_in_a_text_becomes_a_link() {
        assert_eq!(
            text("at 02:00 https://a.example www.b.example"),
            "at 02:00 https\\://a.example www\\.b.example"
        );
    }

    #[test]
    fn code_holds_any_back_quotes() {
        assert_eq!(code("a"), "`a`");
        assert_eq!(code("a``b"), "``` a``b ```");
    }
}
