//! A timeline as an SVG ladder: hosts as columns, packets as arrows, log lines across.

use std::io::{self, Write};

use super::super::document::{FlowRef, Moment, MomentKind};
use super::super::ladder::{Rung, ladder};
use super::super::lanes::{Lanes, Way};
use super::super::words;
use super::escape;
use crate::log;

/// Writes the ladder; `flows` are those that the moments name by place.
pub(super) fn write(flows: &[FlowRef], timeline: &[Moment], out: &mut dyn Write) -> io::Result<()> {
    let ladder = ladder(flows, timeline);
    let lanes = Lanes::of(flows, &ladder);
    let all = &ladder.rungs;
    let drawn = &all[..all.len().min(RUNGS)];
    let height = TOP + drawn.len() * STEP + 10;
    writeln!(
        out,
        "<div class=wide><svg viewBox=\"0 0 {WIDTH} {height}\" role=img aria-label=\"Ladder of packets and log lines\">"
    )?;
    for (n, lane) in lanes.names.iter().enumerate() {
        let x = place(n, lanes.names.len());
        writeln!(out, "<line class=lane x1={x} y1=24 x2={x} y2={} />", height - 4)?;
        writeln!(out, "<text x={x} y=16 text-anchor=middle>{}</text>", escape(lane))?;
    }
    for (n, rung) in drawn.iter().enumerate() {
        let y = TOP + n * STEP;
        let after = rung.after.first().copied().unwrap_or_default() as f64 / 1e9;
        let time = rung.moment.time.get(11..23).unwrap_or_default();
        writeln!(out, "<text class=quiet x=0 y={y}>{} {after:+.4} s</text>", escape(time))?;
        match rung.moment.kind {
            MomentKind::Packet => packet(rung, flows, &lanes, y, out)?,
            MomentKind::Log => log(rung.moment, y, out)?,
        }
    }
    writeln!(out, "</svg></div>")?;
    let rest = all.len() - drawn.len();
    if rest > 0 {
        writeln!(out, "<p class=quiet>and {rest} more steps</p>")?;
    }
    Ok(())
}

fn packet(
    rung: &Rung<'_>,
    flows: &[FlowRef],
    lanes: &Lanes,
    y: usize,
    out: &mut dyn Write,
) -> io::Result<()> {
    let place_of = rung.moment.flow.and_then(|n| usize::try_from(n).ok()).unwrap_or_default();
    let Some(flow) = flows.get(place_of) else { return Ok(()) };
    let way = lanes.way(rung, flow);
    let lane = |n| place(n, lanes.names.len());
    let (x1, x2) = (lane(way.from), lane(way.to));
    let line = y + 5;
    if way.lost {
        lost((x1, x2), line, out)?;
    } else {
        writeln!(out, "<line class=packet x1={x1} y1={line} x2={x2} y2={line} />")?;
        let (tip, low, high) = (if x2 > x1 { x2 - 8 } else { x2 + 8 }, line - 4, line + 4);
        writeln!(out, "<polygon class=head points=\"{x2},{line} {tip},{low} {tip},{high}\" />")?;
    }
    for (n, moment) in &way.seen {
        let frame = moment.frame.map_or_else(String::new, |f| format!("frame {f} of "));
        let title = escape(&format!("{frame}{}", moment.capture.as_deref().unwrap_or_default()));
        writeln!(out, "<circle class=head cx={} cy={line} r=3><title>{title}</title></circle>", lane(*n))?;
    }
    caption(rung, &way, (x1, x2), y, out)
}

/// What a packet is, above its arrow, and its frames beside it.
fn caption(
    rung: &Rung<'_>,
    way: &Way<'_>,
    (x1, x2): (usize, usize),
    y: usize,
    out: &mut dyn Write,
) -> io::Result<()> {
    let moment = rung.moment;
    let again = if rung.after.len() > 1 { format!(" ×{}", rung.after.len()) } else { String::new() };
    let said = format!("{}{again}", moment.text);
    let middle = usize::midpoint(x1, x2);
    writeln!(
        out,
        "<text x={middle} y={y} text-anchor=middle><title>{}</title>{}</text>",
        escape(&said),
        escape(&short(&said, x1.abs_diff(x2) / CHARACTER + 8))
    )?;
    let frames = match way.seen.as_slice() {
        [] => moment.frame.map_or_else(String::new, |f| format!("#{f}")),
        seen => seen.iter().filter_map(|(_, m)| Some(format!("#{}", m.frame?))).collect::<Vec<_>>().join(" "),
    };
    writeln!(out, "<text class=quiet x={WIDTH} y={y} text-anchor=end>{}</text>", escape(&frames))
}

/// An arrow that ends in a cross a little behind the last capture point that shows the packet.
fn lost((x1, x2): (usize, usize), y: usize, out: &mut dyn Write) -> io::Result<()> {
    let end = if x2 > x1 { x2 + 34 } else { x2.saturating_sub(34) };
    writeln!(out, "<line class=packet x1={x1} y1={y} x2={end} y2={y} />")?;
    let (left, right, top, bottom) = (end.saturating_sub(5), end + 5, y - 5, y + 5);
    writeln!(out, "<path class=lost d=\"M{left} {top}L{right} {bottom}M{left} {bottom}L{right} {top}\"/>")
}

fn log(moment: &Moment, y: usize, out: &mut dyn Write) -> io::Result<()> {
    let (top, width) = (y - 13, WIDTH - LEFT + 20);
    let x = LEFT - 20;
    writeln!(out, "<rect class=log x={x} y={top} width={width} height=19 rx=3 />")?;
    let said = format!("log:{} {}", moment.line.unwrap_or_default(), log::said(&moment.text));
    let text = words::shortened(&said, width / CHARACTER - 2);
    writeln!(out, "<text x={} y={y}><title>{}</title>{}</text>", x + 4, escape(&moment.text), escape(&text))
}

/// Where a column stands.
fn place(lane: usize, lanes: usize) -> usize {
    let room = WIDTH - LEFT - RIGHT;
    LEFT + 60 + (room - 120) * lane / lanes.saturating_sub(1).max(1)
}

fn short(text: &str, characters: usize) -> String {
    if text.chars().count() <= characters {
        return text.to_owned();
    }
    let kept: String = text.chars().take(characters.saturating_sub(1)).collect();
    format!("{kept}…")
}

/// Units of the drawing: pixels at full width.
const WIDTH: usize = 1000;
/// Room for times.
const LEFT: usize = 200;
/// Room for frame numbers.
const RIGHT: usize = 60;
/// First rung.
const TOP: usize = 48;
/// From rung to rung.
const STEP: usize = 26;
/// Width of a character of 12 px monospace, the widest of usual fonts rounded up.
const CHARACTER: usize = 8;
/// Rungs drawn at most.
const RUNGS: usize = 200;
