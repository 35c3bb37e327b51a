//! `wirecause analyze`.

use std::io::{self, Write};

use super::args::{AnalyzeArguments, ReportFormat, SeverityName};
use super::load::{self, Scope};
use super::progress::Progress;
use super::redact::Mask;
use super::settings::{Look, Settings};
use super::{Outcome, output};
use crate::error::Error;
use crate::report::document::Report;
use crate::report::view::{self, Detail};
use crate::report::{csv, html, markdown};
use crate::rules::Severity;

pub(super) fn run(typed: &AnalyzeArguments, settings: &Settings) -> Result<Outcome, Error> {
    let scope = Scope { target: typed.target.clone(), edge: typed.edge };
    let progress = Progress::new(&typed.read.show);
    let mut analysis = load::analyze(&typed.read.inputs, settings, scope, &progress)?;
    drop(progress);
    let mut mask = Mask::of(&typed.read.how, &analysis.world);
    if let Some(line) = &typed.line {
        analysis.only_line(line).map_err(|e| mask.error(e))?;
    }
    let report = analysis.report(settings, typed.max_occurrences);
    let report = mask.value(report)?;
    let report = chosen(report, typed.finding.as_deref())?;
    let show = &typed.read.show;
    let inputs = || load::inputs(&analysis.world);
    super::say_problems(show, &analysis.world.bundle, inputs(), &mut mask);
    let look = Look::of(show, typed.output.is_some());
    output::write(typed.output.as_deref(), |out| write(typed, &report, look, out))?;
    mask.save()?;
    let worst = report.findings.iter().filter_map(|f| severity(&f.severity)).max();
    match (typed.fail_on.map(SeverityName::severity), worst) {
        (Some(limit), Some(worst)) if worst >= limit => Ok(Outcome::Failed),
        _ => Ok(super::worst_input(&analysis.world.bundle, inputs())),
    }
}

fn write(
    typed: &AnalyzeArguments,
    report: &Report,
    look: Look,
    out: &mut (dyn Write + Send),
) -> io::Result<()> {
    match typed.format {
        ReportFormat::Json => output::json_document(out, report),
        ReportFormat::Ndjson => {
            report.clone().into_records().try_for_each(|record| output::json_line(out, &record))
        }
        ReportFormat::Csv => csv::write(&report.findings, csv::FINDINGS, out),
        ReportFormat::Html => html::write(report, out),
        ReportFormat::Markdown => markdown::write(report, out),
        ReportFormat::Table => {
            let detail = Detail {
                all: typed.read.show.verbose > 0 || typed.line.is_some(),
                finding: typed.finding.as_deref(),
            };
            view::write(report, look.style(), &detail, out)
        }
    }
}

/// The report with this finding alone, if one is asked for: for a ticket, or to open it.
fn chosen(mut report: Report, id: Option<&str>) -> Result<Report, Error> {
    let Some(id) = id else { return Ok(report) };
    if !report.findings.iter().any(|f| f.id.eq_ignore_ascii_case(id)) {
        return Err(Error::Usage(format!("--finding {id}: no such finding. {}", view::known(&report))));
    }
    report.findings.retain(|f| f.id.eq_ignore_ascii_case(id));
    Ok(report)
}

fn severity(name: &str) -> Option<Severity> {
    [Severity::Info, Severity::Warning, Severity::Error].into_iter().find(|s| s.name() == name)
}
