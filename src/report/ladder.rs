//! A timeline as the rungs of a ladder: repeats together, and one packet that several capture points show as one rung.
//!
//! Takes the flows and moments of a timeline; gives rungs in order of time. Two moments are one packet when they are of
//! two views of one connection, go the same way, say the same and lie close together on the corrected clocks.

use super::document::{FlowRef, Moment, MomentKind};
use super::words;

/// A timeline made ready to be drawn.
#[derive(Clone, Debug)]
pub struct Ladder<'a> {
    /// Views of one connection, from the caller to the server, as places among the flows; none where there is only one.
    pub views: Vec<usize>,
    /// In order of time.
    pub rungs: Vec<Rung<'a>>,
}

/// A packet or log line, with what follows it and says the same.
#[derive(Clone, Debug)]
pub struct Rung<'a> {
    /// The first of them.
    pub moment: &'a Moment,
    /// Nanoseconds since the first moment of the timeline, of each of them.
    pub after: Vec<i64>,
    /// The packet as each of [`Ladder::views`] shows it; empty for log lines and other flows.
    pub seen: Vec<Option<&'a Moment>>,
}

/// The ladder of a timeline; `flows` are those that its moments name by place.
pub fn ladder<'a>(flows: &[FlowRef], timeline: &'a [Moment]) -> Ladder<'a> {
    let views = views(flows, timeline);
    let start = timeline.first().and_then(|m| words::nanos(&m.time)).unwrap_or_default();
    let after = |moment: &Moment| words::nanos(&moment.time).unwrap_or(start).saturating_sub(start);
    let mut rungs: Vec<Rung<'a>> = Vec::new();
    for moment in timeline {
        let (after, view) = (after(moment), view(&views, moment));
        if let Some(place) = view
            && let Some(open) =
                rungs.iter_mut().rev().take(NEAR_RUNGS).rev().find(|r| r.same_packet(moment, after, place))
        {
            open.seen[place] = Some(moment);
            continue;
        }
        let mut seen = vec![None; if view.is_some() { views.len() } else { 0 }];
        if let Some(place) = view {
            seen[place] = Some(moment);
        }
        rungs.push(Rung { moment, after: vec![after], seen });
    }
    Ladder { views, rungs: together(rungs) }
}

/// The views of the call's connection, if there are several, in the order in which they saw what the caller sent first.
fn views(flows: &[FlowRef], timeline: &[Moment]) -> Vec<usize> {
    let of_call = |n: &usize| flows.get(*n).is_some_and(|f| matches!(f.role.as_str(), "attempt" | "view"));
    let mut views: Vec<usize> = Vec::new();
    let sent = timeline.iter().filter(|m| m.from.as_deref() == Some("orig"));
    for place in sent.chain(timeline).filter_map(|m| usize::try_from(m.flow?).ok()).filter(of_call) {
        if !views.contains(&place) {
            views.push(place);
        }
    }
    // One more view than this would leave no room to draw.
    if views.len() > 1 && views.len() <= MOST_VIEWS { views } else { Vec::new() }
}

fn view(views: &[usize], moment: &Moment) -> Option<usize> {
    let flow = usize::try_from(moment.flow?).ok()?;
    views.iter().position(|v| *v == flow)
}

/// Puts rungs together that follow each other and say the same.
fn together(rungs: Vec<Rung<'_>>) -> Vec<Rung<'_>> {
    let mut out: Vec<Rung<'_>> = Vec::new();
    for rung in rungs {
        match out.last_mut() {
            Some(last) if last.says_the_same(&rung) => last.after.extend(rung.after),
            _ => out.push(rung),
        }
    }
    out
}

impl Rung<'_> {
    /// Whether every capture point on its way would be asked for this packet: what opens and ends a connection is read
    /// alike everywhere, other words depend on what else a point shows.
    pub fn is_seen_everywhere(&self) -> bool {
        ["SYN", "RST", "FIN", "ClientHello", "ServerHello"]
            .iter()
            .any(|word| self.moment.text.starts_with(word))
    }

    /// Whether a moment is this packet at a view that has not shown it yet.
    fn same_packet(&self, moment: &Moment, after: i64, view: usize) -> bool {
        let near = self.after.first().is_some_and(|first| after.saturating_sub(*first).abs() <= NEAR_NANOS);
        near && self.seen.get(view).is_some_and(Option::is_none)
            && self.moment.from == moment.from
            && gist(&self.moment.text) == gist(&moment.text)
    }

    fn says_the_same(&self, other: &Self) -> bool {
        let (a, b) = (self.moment, other.moment);
        let shown = |rung: &Self| rung.seen.iter().map(Option::is_some).collect::<Vec<_>>();
        a.kind == MomentKind::Packet
            && a.kind == b.kind
            && a.text == b.text
            && (&a.from, &a.capture, a.flow) == (&b.from, &b.capture, b.flow)
            && shown(self) == shown(other)
    }
}

/// What a packet says at every capture point: round trips and TTLs are of one.
fn gist(text: &str) -> &str {
    let end =
        [", round trip ", ", TTL ", ", sent again", " in "].iter().filter_map(|part| text.find(part)).min();
    text.get(..end.unwrap_or(text.len())).unwrap_or(text)
}

/// Time within which views of one packet lie: what is left of clock errors, and the way between the capture points.
const NEAR_NANOS: i64 = 100_000_000;

/// Rungs back in which the same packet is looked for.
const NEAR_RUNGS: usize = 24;

/// Views drawn side by side at most.
const MOST_VIEWS: usize = 6;

#[cfg(test)]
mod tests {
    use super::super::made;
    use super::*;

    fn flow(capture: &str, role: &str) -> FlowRef {
        FlowRef { capture: capture.to_owned(), role: role.to_owned(), ..made::flow() }
    }

    fn packet(millis: u64, flow: u64, from: &str, text: &str) -> Moment {
        Moment {
            time: format!("2026-11-21T02:56:{:02}.{:03}000000Z", millis / 1000, millis % 1000),
            flow: Some(flow),
            from: Some(from.to_owned()),
            text: text.to_owned(),
            ..made::moment()
        }
    }

    #[test]
    fn a_packet_that_two_points_show_is_one_rung_and_one_that_was_lost_is_not() {
        let flows = [flow("far", "view"), flow("near", "attempt")];
        let timeline = [
            packet(0, 1, "orig", "SYN"),
            packet(1, 0, "orig", "SYN"),
            packet(2, 0, "resp", "SYN-ACK"),
            packet(1000, 1, "orig", "SYN, sent again"),
            packet(1001, 0, "orig", "SYN, sent again"),
            packet(1002, 0, "resp", "RST, TTL 64"),
            packet(1003, 1, "resp", "RST, TTL 63"),
        ];
        let ladder = ladder(&flows, &timeline);
        assert_eq!(ladder.views, [1, 0], "the caller's side first");
        let shown: Vec<_> = ladder
            .rungs
            .iter()
            .map(|r| (r.moment.text.as_str(), [r.seen[0].is_some(), r.seen[1].is_some()]))
            .collect();
        let expected = [
            ("SYN", [true, true]),
            ("SYN-ACK", [false, true]),
            ("SYN, sent again", [true, true]),
            ("RST, TTL 64", [true, true]),
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn repeats_are_together_with_the_time_of_each() {
        let flows = [flow("near", "attempt"), flow("dns", "lookup")];
        let timeline = [
            packet(0, 1, "orig", "DNS query"),
            packet(5, 0, "orig", "SYN, sent again"),
            packet(1005, 0, "orig", "SYN, sent again"),
        ];
        let ladder = ladder(&flows, &timeline);
        assert!(ladder.views.is_empty());
        let after: Vec<_> = ladder.rungs.iter().map(|r| r.after.as_slice()).collect();
        assert_eq!(after, [&[0][..], &[5_000_000, 1_005_000_000]]);
    }
}
