//! A finding's packets and log lines on one axis of time, as text: both sides, arrows, repeats elided.

use std::io::{self, Write};

use super::super::document::{FlowRef, Moment, MomentKind};
use super::super::words::{self, printable};
use super::finding::bracketed;
use super::text::{self, Style};

/// Consecutive packets that say the same.
pub struct Rung<'a> {
    /// The first of them.
    pub moment: &'a Moment,
    /// Nanoseconds since the first moment of the timeline, of each of them.
    pub after: Vec<i64>,
}

/// The timeline with repeats together.
pub fn rungs(timeline: &[Moment]) -> Vec<Rung<'_>> {
    let mut rungs: Vec<Rung<'_>> = Vec::new();
    let start = timeline.first().and_then(|m| words::nanos(&m.time)).unwrap_or_default();
    for moment in timeline {
        let after = words::nanos(&moment.time).unwrap_or(start).saturating_sub(start);
        match rungs.last_mut() {
            Some(last) if same(last.moment, moment) => last.after.push(after),
            _ => rungs.push(Rung { moment, after: vec![after] }),
        }
    }
    rungs
}

fn same(a: &Moment, b: &Moment) -> bool {
    a.kind == MomentKind::Packet
        && a.kind == b.kind
        && a.text == b.text
        && (&a.from, &a.capture, a.flow) == (&b.from, &b.capture, b.flow)
}

/// Writes the ladder of a timeline; `flows` are those that its moments name by place.
pub fn write(flows: &[FlowRef], timeline: &[Moment], style: Style, out: &mut dyn Write) -> io::Result<()> {
    let many = flows.len() > 1;
    if let [only] = flows {
        let (orig, resp) = ends(only);
        writeln!(out, "{:<41}{} → {}", "", printable(&orig), printable(&resp))?;
    }
    for rung in rungs(timeline) {
        let line = match rung.moment.kind {
            MomentKind::Packet => packet(&rung, flows, many),
            MomentKind::Log => log(&rung),
        };
        let time = rung.moment.time.get(11..26).unwrap_or_default();
        let after = rung.after.first().copied().unwrap_or_default() as f64 / 1e9;
        let frame = rung.moment.frame.map_or_else(String::new, |f| format!("#{f}"));
        let row = format!("  {time} {after:>+11.6} {frame:>7}  {line}");
        writeln!(out, "{}", text::cut(&row, style.width.max(80)))?;
    }
    Ok(())
}

fn packet(rung: &Rung<'_>, flows: &[FlowRef], many: bool) -> String {
    let moment = rung.moment;
    let arrow = if moment.from.as_deref() == Some("resp") { "◀──" } else { "──▶" };
    let times = match rung.after.as_slice() {
        [_] => String::new(),
        all => format!(" ×{} at {} s", all.len(), seconds(all)),
    };
    let flow = moment.flow.and_then(|n| flows.get(usize::try_from(n).ok()?)).filter(|_| many);
    let at = flow.map_or_else(String::new, |flow| {
        let (orig, resp) = ends(flow);
        format!("  {orig} → {resp} in {}", flow.capture)
    });
    printable(&format!("{arrow} {}{times}{at}", moment.text))
}

/// Times of repeats, the first few.
fn seconds(after: &[i64]) -> String {
    let mut times: Vec<_> = after.iter().take(REPEATS).map(|ns| format!("{:.1}", *ns as f64 / 1e9)).collect();
    if after.len() > REPEATS {
        times.push("…".to_owned());
    }
    times.join(" ")
}

fn log(rung: &Rung<'_>) -> String {
    let moment = rung.moment;
    let place = moment.path.as_deref().and_then(|p| p.rsplit('/').next()).unwrap_or_default();
    let line = moment.line.unwrap_or_default();
    printable(&format!("log {place}:{line}  {}", words::message(&moment.text)))
}

fn ends(flow: &FlowRef) -> (String, String) {
    let end = |e: &super::super::document::End| format!("{}:{}", bracketed(&e.ip), e.port);
    (end(&flow.orig), end(&flow.resp))
}

/// Times shown of repeated packets.
const REPEATS: usize = 8;
