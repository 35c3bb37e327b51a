//! A finding's packets and log lines on one axis of time, as text: both sides, arrows, repeats elided; one column for
//! each capture point where several show the connection.

use std::io::{self, Write};

use super::super::document::{FlowRef, Moment, MomentKind};
use super::super::ladder::{Ladder, Rung, ladder};
use super::super::lanes;
use super::super::words::{self, printable};
use super::text::{self, Style};
use crate::log;

/// Writes the ladder of a timeline; `flows` are those that its moments name by place.
pub fn write(flows: &[FlowRef], timeline: &[Moment], style: Style, out: &mut dyn Write) -> io::Result<()> {
    let ladder = ladder(flows, timeline);
    let drawing =
        Drawing { flows, width: style.width.max(80), columns: Columns::of(&ladder, flows, style.width) };
    drawing.head(&ladder, out)?;
    for rung in &ladder.rungs {
        let time = rung.moment.time.get(11..26).unwrap_or_default();
        let after = rung.after.first().copied().unwrap_or_default() as f64 / 1e9;
        let times = format!("  {time} {after:>+11.6}  ");
        match rung.moment.kind {
            MomentKind::Packet => {
                let (marks, said) = drawing.packet(rung);
                drawing.row(&format!("{times}{marks}"), &said, out)?;
            }
            MomentKind::Log => drawing.row(&times, &drawing.log(rung.moment), out)?,
        }
    }
    Ok(())
}

struct Drawing<'a> {
    flows: &'a [FlowRef],
    width: usize,
    columns: Columns,
}

/// How capture points stand side by side.
enum Columns {
    /// There is one: its frame numbers have a column.
    One,
    /// So many characters for each, with its frame number.
    Wide(Vec<usize>),
    /// One character each: there is no room for more.
    Marks,
}

impl Columns {
    fn of(ladder: &Ladder<'_>, flows: &[FlowRef], width: usize) -> Self {
        if ladder.views.is_empty() {
            return Self::One;
        }
        let wide: Vec<usize> =
            ladder.views.iter().map(|v| point(flows, *v).chars().count().max(CELL)).collect();
        let taken = wide.iter().map(|w| w + 2).sum::<usize>() + TIMES;
        if taken + WORDS <= width.max(80) { Self::Wide(wide) } else { Self::Marks }
    }
}

impl Drawing<'_> {
    /// Who speaks with whom, and which column is which capture point.
    fn head(&self, ladder: &Ladder<'_>, out: &mut dyn Write) -> io::Result<()> {
        let pad = " ".repeat(TIMES);
        let times = format!("  {:<15} {:>11}  ", "time (UTC)", "seconds");
        let first = ladder.views.first().copied().unwrap_or_default();
        if let Some(flow) =
            self.flows.get(first).filter(|_| self.flows.len() == 1 || !ladder.views.is_empty())
        {
            let (orig, resp) = (lanes::end(&flow.orig), lanes::end(&flow.resp));
            writeln!(out, "{times}{} → {}", printable(&orig), printable(&resp))?;
        } else {
            writeln!(out, "{}", times.trim_end())?;
        }
        let names = ladder.views.iter().map(|v| point(self.flows, *v));
        match &self.columns {
            Columns::One => Ok(()),
            Columns::Wide(widths) => {
                let cells: Vec<_> =
                    names.zip(widths).map(|(name, width)| format!("{name:<width$}")).collect();
                writeln!(out, "{pad}{}", cells.join("  ").trim_end())
            }
            Columns::Marks => {
                for (n, name) in names.enumerate() {
                    writeln!(out, "{pad}{}{} {name}", "│ ".repeat(n), n + 1)?;
                }
                Ok(())
            }
        }
    }

    /// What is said of a moment, behind its marks and under itself where the line is too short for it.
    fn row(&self, marks: &str, said: &str, out: &mut dyn Write) -> io::Result<()> {
        let indent = " ".repeat(text::columns(marks) + 2);
        let mut lines = Vec::new();
        text::wrap(said, self.width.saturating_sub(text::columns(marks)), "  ", &mut lines)?;
        let lines = String::from_utf8_lossy(&lines);
        for (n, line) in lines.lines().enumerate() {
            let begin = if n == 0 { marks } else { indent.get(2..).unwrap_or_default() };
            writeln!(out, "{}", text::cut(format!("{begin}{line}").trim_end(), self.width))?;
        }
        Ok(())
    }

    /// Marks of the capture points, and what the packet is.
    fn packet(&self, rung: &Rung<'_>) -> (String, String) {
        let moment = rung.moment;
        let back = moment.from.as_deref() == Some("resp");
        let arrow = if back { "◀──" } else { "──▶" };
        let times = match rung.after.as_slice() {
            [_] => String::new(),
            [first, .., last] if last - first < AT_ONCE => format!(" ×{} at once", rung.after.len()),
            all => format!(" ×{} at {} s", all.len(), seconds(all)),
        };
        let said = printable(&format!("{}{times}", moment.text));
        let frame = |m: &Moment| m.frame.map_or_else(String::new, |f| format!("#{f}"));
        if rung.seen.is_empty() {
            let place = match &self.columns {
                Columns::One => format!("{:>7}  ", frame(moment)),
                _ => String::new(),
            };
            return (format!("{place}{arrow} "), format!("{said}{}", self.elsewhere(moment)));
        }
        let unseen = if rung.is_seen_everywhere() { UNSEEN } else { " " };
        let cells: Vec<String> = if let Columns::Wide(widths) = &self.columns {
            let cell =
                |m: Option<&Moment>| m.map_or_else(|| unseen.to_owned(), |m| format!("{arrow} {}", frame(m)));
            rung.seen.iter().zip(widths).map(|(m, width)| format!("{:<width$} ", cell(*m))).collect()
        } else {
            let mark = |seen: bool| {
                if !seen {
                    unseen
                } else if back {
                    "◀"
                } else {
                    "▶"
                }
            };
            let shown: Vec<_> = rung.seen.iter().flatten().map(|m| frame(m)).collect();
            let marks: Vec<_> = rung.seen.iter().map(|m| mark(m.is_some()).to_owned()).collect();
            vec![marks.join(" "), format!(" {:<13}", shown.join(" "))]
        };
        (format!("{} ", cells.join(" ")), said)
    }

    /// Ends and capture of a packet that has no column of its own.
    fn elsewhere(&self, moment: &Moment) -> String {
        let flow = moment.flow.and_then(|n| self.flows.get(usize::try_from(n).ok()?));
        flow.filter(|_| self.flows.len() > 1).map_or_else(String::new, |flow| {
            let (orig, resp) = (lanes::end(&flow.orig), lanes::end(&flow.resp));
            printable(&format!("  {orig} → {resp} in {}", flow.capture))
        })
    }

    /// What a log line says, as far as there is room for it: its end says why.
    fn log(&self, moment: &Moment) -> String {
        let place = moment.path.as_deref().and_then(|p| p.rsplit('/').next()).unwrap_or_default();
        let line = moment.line.unwrap_or_default();
        let begin = printable(&format!("log {place}:{line}: "));
        let line = self.width.saturating_sub(TIMES + 2).max(20);
        let room = (line * LOG_LINES).saturating_sub(begin.chars().count() + line / 3);
        begin + &words::shortened(&printable(&log::said(&moment.text)), room.max(40))
    }
}

/// A capture point by the file's own name.
fn point(flows: &[FlowRef], view: usize) -> String {
    let capture = flows.get(view).map_or("", |f| f.capture.as_str());
    printable(lanes::point(capture))
}

/// Times of repeats, the first few.
fn seconds(after: &[i64]) -> String {
    let mut times: Vec<_> = after.iter().take(REPEATS).map(|ns| format!("{:.1}", *ns as f64 / 1e9)).collect();
    if after.len() > REPEATS {
        times.push("…".to_owned());
    }
    times.join(" ")
}

/// A capture point that does not show a packet which others show.
const UNSEEN: &str = "·";

/// Characters of a cell at least: an arrow and a frame number.
const CELL: usize = 9;

/// Characters that time and relative time take.
const TIMES: usize = 31;

/// Characters that the words of a packet should have.
const WORDS: usize = 24;

/// Times shown of repeated packets.
const REPEATS: usize = 8;

/// Nanoseconds within which repeats are copies, not a protocol's timer: RFC 6298 §2.4 asks for a second, kernels wait
/// some hundred milliseconds.
const AT_ONCE: i64 = 1_000_000;

/// Lines that a log message takes, about.
const LOG_LINES: usize = 3;

#[cfg(test)]
mod tests {
    use super::super::super::made;
    use super::*;

    fn drawn(width: usize) -> String {
        drawn_of(["pcap/cp-1-eth0.pcap", "pcap/node-1-in-the-rack-of-the-lab.pcap"], width)
    }

    fn drawn_of(captures: [&str; 2], width: usize) -> String {
        let flow = |capture: &str, role: &str| FlowRef {
            capture: capture.to_owned(),
            role: role.to_owned(),
            ..made::flow()
        };
        let flows = [flow(captures[0], "attempt"), flow(captures[1], "view")];
        let packet = |flow, from: &str, text: &str, frame| Moment {
            flow: Some(flow),
            from: Some(from.to_owned()),
            text: text.to_owned(),
            frame: Some(frame),
            ..made::moment()
        };
        let timeline =
            [packet(0, "orig", "SYN", 117), packet(1, "orig", "SYN", 3), packet(1, "resp", "SYN-ACK", 4)];
        let mut out = Vec::new();
        write(&flows, &timeline, Style { color: false, width }, &mut out).expect("a Vec takes all");
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn capture_points_stand_side_by_side() {
        let text = drawn(120);
        for part in ["cp-1-eth0  node-1-in-the", "──▶ #117   ──▶ #3", "SYN\n", "·          ◀── #4"]
        {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }

    #[test]
    fn capture_points_are_shown_safely() {
        for width in [80, 120] {
            let text = drawn_of(["pcap/\u{1b}[2Jx.pcap", "pcap/b\u{202e}.pcap"], width);
            assert!(!text.contains(['\u{1b}', '\u{202e}']) && text.contains("\\u{1b}"), "{text:?}");
        }
    }

    #[test]
    fn where_there_is_no_room_marks_stand_for_them() {
        let text = drawn(80);
        for part in ["1 cp-1-eth0\n", "│ 2 node-1-in-the-rack", "▶ ▶  #117 #3", "· ◀  #4"] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert!(text.lines().all(|l| l.chars().count() <= 80), "{text}");
    }
}
