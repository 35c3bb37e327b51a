//! Failures over time: one lane for each finding, a bar for each span of time, as high as calls in it.

use std::io::{self, Write};

use super::super::document::Finding;
use super::super::view::finding::name;
use super::super::words::{self, counted};
use super::escape;

pub(super) fn write(findings: &[Finding], out: &mut dyn Write) -> io::Result<()> {
    let shown: Vec<&Finding> = findings.iter().filter(|f| !f.histogram.is_empty()).take(LANES).collect();
    let times = || shown.iter().flat_map(|f| &f.histogram).filter_map(|b| words::nanos(&b.time));
    let (Some(first), Some(last)) = (times().min(), times().max()) else { return Ok(()) };
    let widest = shown.iter().map(|f| f.histogram_seconds).max().unwrap_or(1).max(1);
    let span = last.saturating_sub(first) as f64 / 1e9 + widest as f64;
    let height = shown.len() * LANE + 24;
    writeln!(
        out,
        "<h2>Failures over time</h2><div class=wide>\
         <svg viewBox=\"0 0 {WIDTH} {height}\" role=img aria-label=\"Failed calls over time, one lane a finding\">"
    )?;
    for (n, finding) in shown.iter().enumerate() {
        lane(finding, n, first, span, out)?;
    }
    axis(findings_span(first, last), height, out)?;
    writeln!(out, "</svg></div>")
}

fn lane(f: &Finding, n: usize, first: i64, span: f64, out: &mut dyn Write) -> io::Result<()> {
    let ground = (n + 1) * LANE;
    let name = name(f).unwrap_or("an unknown target");
    let label: String = format!("{} {} · {name}", f.id, f.cause).chars().take(LABEL).collect();
    writeln!(
        out,
        "<a href=\"#{}\"><text x=0 y={}>{}</text></a>",
        escape(&f.id),
        ground - LANE + 14,
        escape(&label)
    )?;
    writeln!(out, "<line class=grid x1=0 y1={ground} x2={WIDTH} y2={ground} />")?;
    let top = f.histogram.iter().map(|b| b.count).max().unwrap_or(1).max(1);
    for bucket in &f.histogram {
        let at = words::nanos(&bucket.time).unwrap_or(first).saturating_sub(first) as f64 / 1e9;
        let x = at / span * WIDTH as f64;
        let width = (f.histogram_seconds as f64 / span * WIDTH as f64).max(3.0);
        let tall = (bucket.count as f64 / top as f64 * BAR).max(2.0);
        writeln!(
            out,
            "<rect class=\"{}\" x={x:.1} y={:.1} width={width:.1} height={tall:.1}><title>{} {}</title></rect>",
            escape(&f.severity),
            ground as f64 - tall,
            escape(&words::short_time(&bucket.time)),
            counted(bucket.count, "call")
        )?;
    }
    Ok(())
}

fn findings_span(first: i64, last: i64) -> (String, String) {
    let text = |ns| words::clock(crate::time::Timestamp(ns));
    (text(first), text(last))
}

fn axis((first, last): (String, String), height: usize, out: &mut dyn Write) -> io::Result<()> {
    let y = height - 6;
    writeln!(out, "<text class=quiet x=0 y={y}>{first}</text>")?;
    writeln!(out, "<text class=quiet x={WIDTH} y={y} text-anchor=end>{last}</text>")
}

/// Units of the drawing: pixels at full width.
const WIDTH: usize = 1000;
/// Height of one lane.
const LANE: usize = 44;
/// Height of the highest bar.
const BAR: f64 = 24.0;
/// Characters of a lane's label.
const LABEL: usize = 120;
/// Lanes at most.
const LANES: usize = 40;
