//! What was looked at: captures, logs and their clocks, inputs, anomalies, certificates.

use std::io::{self, Write};

use super::super::document::{Clock, Report, Version};
use super::super::words::{self, grouped};
use super::escape;

pub(super) fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    captures(report, out)?;
    logs(report, out)?;
    let version = |v: &Version| {
        vec![v.component.clone(), v.version.clone(), v.host.clone().unwrap_or_default(), v.path.clone()]
    };
    let versions: Vec<_> = report.versions.iter().map(version).collect();
    table("Versions", &["Component", "Version", "Host", "Said by"], &versions, out)?;
    let notes: Vec<_> = report.anomalies.iter().map(|a| vec![a.place.clone(), a.text.clone()]).collect();
    table("Notes", &["Where", "What"], &notes, out)?;
    certificates(report, out)?;
    let rows: Vec<_> = report
        .inputs
        .iter()
        .map(|i| {
            let problems: Vec<_> = i.problems.iter().map(|p| format!("{} ({})", p.detail, p.at)).collect();
            vec![i.path.clone(), i.kind.clone(), i.status.clone(), grouped(i.bytes), problems.join("; ")]
        })
        .collect();
    table("Inputs", &["Path", "Kind", "Status", "Bytes", "Problems"], &rows, out)
}

fn captures(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let rows: Vec<_> = report
        .captures
        .iter()
        .map(|c| {
            vec![
                c.name.clone(),
                span(c.first_time.as_deref(), c.last_time.as_deref()),
                grouped(c.frames),
                grouped(c.flows),
                c.drops.map_or_else(|| "not said".to_owned(), grouped),
                grouped(c.snaplen_cut),
                clock(&c.clock),
            ]
        })
        .collect();
    table("Captures", &["Name", "Span", "Frames", "Flows", "Dropped", "Cut", "Clock"], &rows, out)
}

fn logs(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let rows: Vec<_> = report
        .logs
        .iter()
        .map(|l| {
            vec![
                l.path.clone(),
                l.format.clone(),
                span(l.first_time.as_deref(), l.last_time.as_deref()),
                format!("{} ({})", l.zone.as_deref().unwrap_or("assumed UTC"), l.year_from),
                grouped(l.lines),
                grouped(l.events),
                clock(&l.clock),
            ]
        })
        .collect();
    table("Logs", &["Path", "Format", "Span", "Zone and year", "Lines", "Failures", "Clock"], &rows, out)
}

fn certificates(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let day = |t: &Option<String>| t.as_deref().and_then(|t| t.get(..10)).unwrap_or_default().to_owned();
    let rows: Vec<_> = report
        .certificates
        .iter()
        .map(|c| {
            let valid = format!("{} to {}", day(&c.not_before), day(&c.not_after));
            let left = c.days_left.map_or_else(String::new, |d| d.to_string());
            let found: Vec<_> = c.found.iter().map(|f| f.place.as_str()).collect();
            vec![c.subject.clone(), c.issuer.clone(), c.role.clone(), valid, left, found.join("; ")]
        })
        .collect();
    table("Certificates", &["Subject", "Issuer", "Role", "Valid", "Days left", "Found in"], &rows, out)
}

/// A section with a table, left out where there is nothing to show.
fn table(name: &str, heads: &[&str], rows: &[Vec<String>], out: &mut dyn Write) -> io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let heads = heads.join("<th>");
    writeln!(out, "<h2>{name}</h2><div class=wide><table><thead><tr><th>{heads}</tr></thead><tbody>")?;
    for row in rows {
        let cells: Vec<_> = row.iter().map(|c| escape(c)).collect();
        writeln!(out, "<tr><td>{}</tr>", cells.join("<td>"))?;
    }
    writeln!(out, "</tbody></table></div>")
}

fn span(first: Option<&str>, last: Option<&str>) -> String {
    match (first, last) {
        (Some(first), Some(last)) => format!("{} to {}", words::short_time(first), words::short_time(last)),
        _ => String::new(),
    }
}

fn clock(clock: &Clock) -> String {
    match clock.offset {
        Some(offset) => format!("{offset:+.4} s, {} pairs", clock.pairs),
        None => clock.why.clone(),
    }
}
