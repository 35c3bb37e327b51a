//! The columns of a drawn ladder: hosts, and between them the capture points that show the connection.

use super::document::{End, FlowRef, Moment};
use super::ladder::{Ladder, Rung};

/// Callers by address, servers by address and port, each once, in order of first use; where several capture points show
/// the call's connection: its caller, the points, its server, then what other flows add.
pub(super) struct Lanes {
    /// What stands above each lane.
    pub(super) names: Vec<String>,
    views: usize,
}

/// How a packet goes from lane to lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Way<'a> {
    /// Lane of the sender.
    pub(super) from: usize,
    /// Lane of the receiver, or of the last capture point that shows it.
    pub(super) to: usize,
    /// Capture points that should show it do not.
    pub(super) lost: bool,
    /// Capture points that show it, by their lanes.
    pub(super) seen: Vec<(usize, &'a Moment)>,
}

impl Lanes {
    pub(super) fn of(flows: &[FlowRef], ladder: &Ladder<'_>) -> Self {
        let mut names: Vec<String> = Vec::new();
        let call = || ladder.views.iter().filter_map(|v| flows.get(*v));
        if let (Some(near), Some(far)) = (call().next(), call().next_back()) {
            names.push(caller(&near.orig));
            names.extend(call().map(|f| point(&f.capture).to_owned()));
            names.push(end(&far.resp));
        }
        let others = flows.iter().enumerate().filter(|(n, _)| !ladder.views.contains(n));
        for name in others.flat_map(|(_, f)| [caller(&f.orig), end(&f.resp)]) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        Self { names, views: ladder.views.len() }
    }

    /// Places of a flow's sides.
    pub(super) fn ends(&self, flow: &FlowRef) -> (usize, usize) {
        let place = |name: &str| self.names.iter().position(|l| l == name).unwrap_or_default();
        (place(&caller(&flow.orig)), place(&end(&flow.resp)))
    }

    /// The way of a packet of this flow.
    pub(super) fn way<'a>(&self, rung: &Rung<'a>, flow: &FlowRef) -> Way<'a> {
        let back = rung.moment.from.as_deref() == Some("resp");
        let seen: Vec<_> = rung.seen.iter().enumerate().filter_map(|(n, m)| Some((n + 1, (*m)?))).collect();
        let (Some((first, _)), Some((last, _))) = (seen.first(), seen.last()) else {
            let (orig, resp) = self.ends(flow);
            let (from, to) = if back { (resp, orig) } else { (orig, resp) };
            return Way { from, to, lost: false, seen };
        };
        let (near, far, server) = (*first, *last, self.views + 1);
        let (from, to, stop) = if back {
            (server, 0, (near > 1).then_some(near))
        } else {
            (0, server, (far < self.views).then_some(far))
        };
        let stop = stop.filter(|_| rung.is_seen_everywhere());
        Way { from, to: stop.unwrap_or(to), lost: stop.is_some(), seen }
    }
}

/// A capture by the name of its file, without folders and ending.
pub(super) fn point(capture: &str) -> &str {
    let file = capture.rsplit(['/', '!']).next().unwrap_or(capture);
    let bare = file.trim_end_matches(".gz").trim_end_matches(".zst").trim_end_matches(".xz");
    bare.strip_suffix(".pcapng")
        .or_else(|| bare.strip_suffix(".pcap"))
        .filter(|b| !b.is_empty())
        .unwrap_or(bare)
}

/// Its port is of one attempt only.
fn caller(end: &End) -> String {
    end.ip.clone()
}

/// Address and port as they are written.
pub(super) fn end(end: &End) -> String {
    if end.ip.contains(':') {
        format!("[{}]:{}", end.ip, end.port)
    } else {
        format!("{}:{}", end.ip, end.port)
    }
}

#[cfg(test)]
mod tests {
    use super::super::ladder::ladder;
    use super::super::made;
    use super::*;

    #[test]
    fn a_packet_goes_as_far_as_a_capture_point_shows_it() {
        let flow = |capture: &str| FlowRef { capture: capture.to_owned(), ..made::flow() };
        let flows = [flow("a/near.pcap"), flow("b/far.pcapng.gz")];
        let packet = |flow, from: &str, text: &str| Moment {
            flow: Some(flow),
            from: Some(from.to_owned()),
            text: text.to_owned(),
            ..made::moment()
        };
        let timeline = [
            packet(0, "orig", "SYN"),
            packet(1, "orig", "SYN"),
            packet(1, "resp", "SYN-ACK"),
            packet(0, "orig", "FIN"),
            packet(1, "resp", "ACK"),
        ];
        let ladder = ladder(&flows, &timeline);
        let lanes = Lanes::of(&flows, &ladder);
        assert_eq!(lanes.names, ["172.28.0.2", "near", "far", "10.244.1.31:10250"]);
        let ways: Vec<_> =
            ladder.rungs.iter().map(|r| lanes.way(r, &flows[0])).map(|w| (w.from, w.to, w.lost)).collect();
        assert_eq!(ways, [(0, 3, false), (3, 2, true), (0, 1, true), (3, 0, false)]);
    }
}
