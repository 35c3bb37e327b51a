//! The report for a terminal: the answer first, then what could not be decided, then what was looked at.
//!
//! Takes the report value, a width and whether to colour; gives lines. Everything from the bundle goes through
//! [`words::printable`]. Reads well without colour: colour repeats what words say.

use std::io::{self, Write};

use super::document::{Finding, Report};
use super::words;

mod coverage;
mod detail;
mod finding;
pub mod ladder;
mod text;

pub use text::Style;

/// How much of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Detail<'a> {
    /// Open every finding.
    pub all: bool,
    /// Open this finding alone, by its id.
    pub finding: Option<&'a str>,
}

/// Writes the report for a terminal.
pub fn write(report: &Report, style: Style, detail: &Detail<'_>, out: &mut dyn Write) -> io::Result<()> {
    if let Some(id) = detail.finding {
        return match report.findings.iter().find(|f| f.id.eq_ignore_ascii_case(id)) {
            Some(finding) => detail::write(finding, style, out),
            None => writeln!(out, "There is no finding {}. {}", words::printable(id), known(report)),
        };
    }
    let (undecided, decided): (Vec<&Finding>, Vec<&Finding>) =
        report.findings.iter().partition(|f| f.standing == "inconclusive");
    headline(report, &decided, &undecided, style, out)?;
    if report.findings.len() > OVERVIEW_FROM {
        writeln!(out)?;
        finding::overview(&decided, style, out)?;
    }
    for finding in decided {
        writeln!(out)?;
        finding::summary(finding, style, out)?;
        if detail.all {
            detail::more(finding, style, out)?;
        }
    }
    if !undecided.is_empty() {
        writeln!(out, "\n{}", style.bold("Undecided"))?;
    }
    for finding in undecided {
        writeln!(out)?;
        finding::undecided(finding, style, out)?;
        if detail.all {
            detail::more(finding, style, out)?;
        }
    }
    writeln!(out)?;
    coverage::write(report, style, detail.all, out)
}

/// The ids that there are, as a sentence.
pub fn known(report: &Report) -> String {
    let ids: Vec<_> = report.findings.iter().map(|f| f.id.as_str()).collect();
    match ids.as_slice() {
        [] => "Nothing was found in this input.".to_owned(),
        ids => format!("There is {}.", ids.join(", ")),
    }
}

/// One line that answers: is there a fault, how many calls, what remains open.
fn headline(
    report: &Report,
    decided: &[&Finding],
    undecided: &[&Finding],
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let faults: Vec<_> = decided.iter().filter(|f| f.severity != "info").collect();
    let calls: u64 = faults.iter().map(|f| f.count).sum();
    let mut line = if faults.is_empty() {
        style.bold("No transport fault found.")
    } else {
        let text = format!(
            "{} in {}.",
            words::counted(faults.len() as u64, "fault"),
            words::counted(calls, "failed call")
        );
        style.bold(&text)
    };
    let notes = decided.len() - faults.len();
    if notes > 0 {
        line += &format!(" {} that no transport fault explains.", words::counted(notes as u64, "finding"));
    }
    let open: u64 = undecided.iter().map(|f| f.count).sum();
    if open > 0 {
        line += &format!(" {} could not be decided.", words::counted(open, "call"));
    }
    if faults.is_empty() {
        line += &format!(" {}", coverage::looked_at(report));
    }
    text::wrap(&line, style.width, "", out)
}

/// Findings from which on a table of all of them comes first.
const OVERVIEW_FROM: usize = 3;
