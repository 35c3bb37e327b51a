//! What is no call's fault: loss that healed, duplicates, cut packets, drops, one-sided captures, sources of the address
//! map that disagree.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::index::{FlowTable, LONE_SHOWN};
use super::wire::{Left, MAX_WIRE_BYTES, MAX_WIRE_CASES};
use super::{Anomaly, World};
use crate::bundle::SourceIndex;
use crate::capture::CaptureIndex;
use crate::flow::FrameRef;
use crate::ingest::{CaptureReport, Conversation};
use crate::tls::DecryptionStop;

/// The anomalies of all captures, in their order. `left`: failures that are no case, because there are too many.
/// `reached`: bounds of the join.
pub(super) fn of(world: &World, table: &FlowTable, left: &Left, reached: Vec<Anomaly>) -> Vec<Anomaly> {
    let mut counts = vec![(Sealed::default(), Strays::default()); world.wire.captures.len()];
    world.wire.flows.each_but_lone_syns(|_, flow| {
        if let Some((sealed, strays)) = counts.get_mut(flow.capture.0 as usize) {
            sealed.count(flow);
            strays.count(flow);
        }
    });
    let captures = world.wire.captures.iter().zip(counts).enumerate();
    let one = |(n, (capture, (sealed, strays))): (usize, (&CaptureReport, (Sealed, Strays)))| {
        let index = CaptureIndex(n as u16);
        let floods = floods(capture, index, table);
        let not_judged = left.get(&index).map(|count| not_judged(capture, *count));
        let seen = sealed.anomaly(capture).into_iter().chain(strays.anomaly(capture));
        of_capture(capture).into_iter().chain(seen).chain(floods).chain(not_judged)
    };
    captures.flat_map(one).chain(disagreements(world)).chain(reached).collect()
}

/// What two sources say otherwise, the first of each pair of sources: a rollout between two dumps makes hundreds.
fn disagreements(world: &World) -> Vec<Anomaly> {
    let mut of_sources: BTreeMap<&[SourceIndex], (u64, &str)> = BTreeMap::new();
    for conflict in &world.cluster.conflicts {
        of_sources.entry(&conflict.sources).or_insert((0, &conflict.text)).0 += 1;
    }
    let path = |sources: &[SourceIndex]| sources.first().map_or("", |s| world.bundle.path(*s)).to_owned();
    let told = of_sources.into_iter().map(|(sources, (count, text))| Anomaly {
        kind: "sources_disagree",
        place: path(sources),
        count,
        text: match count {
            1 => text.to_owned(),
            more => format!("{text}; and {} more between these files", more - 1),
        },
    });
    let beyond = world.cluster.conflicts_beyond;
    let more = reached("limit_conflicts", beyond, || {
        format!("{beyond} more disagreements of sources are not shown")
    });
    told.chain(more).collect()
}

/// A bound of the join was reached, and what it kept out.
pub(super) fn reached(kind: &'static str, count: u64, text: impl FnOnce() -> String) -> Option<Anomaly> {
    (count > 0).then(|| Anomaly { kind, place: EVERYWHERE.to_owned(), count, text: text() })
}

/// The place of what no single file is the place of.
const EVERYWHERE: &str = "all inputs";

/// Sessions that a key log did not open to their end.
#[derive(Clone, Debug, Default)]
struct Sealed {
    sessions: u64,
    first: Option<(DecryptionStop, u64)>,
}

impl Sealed {
    fn count(&mut self, flow: &Conversation) {
        let stopped = flow.app.session.tls.as_ref().and_then(|t| t.decrypted.as_ref()).map(|d| d.stopped);
        let first = stopped.and_then(|s| [s.orig, s.resp].into_iter().flatten().min_by_key(|s| s.at));
        if let Some(stop) = first {
            self.sessions += 1;
            self.first.get_or_insert((stop.why, stop.at.frame.number()));
        }
    }

    fn anomaly(&self, capture: &CaptureReport) -> Option<Anomaly> {
        let (why, frame) = self.first?;
        let why = match why {
            DecryptionStop::WrongKey => "its secret does not open the record",
            DecryptionStop::NoSecret => "the key log lacks the secret for it",
            DecryptionStop::BytesMissing => "bytes are missing in the capture",
            DecryptionStop::UnknownSuite => "its cipher suite is neither AES-GCM nor ChaCha20-Poly1305",
            DecryptionStop::Renegotiated => "it was negotiated anew",
        };
        let text = format!(
            "{} TLS sessions of the key log were not decrypted to their end; the first in frame {frame}: {why}",
            self.sessions
        );
        let place = capture.set.name.clone();
        Some(Anomaly { kind: "not_decrypted", place, count: self.sessions, text })
    }
}

/// ICMP errors that quote what a connection did not send.
#[derive(Clone, Copy, Debug, Default)]
struct Strays {
    errors: u64,
    first: Option<FrameRef>,
}

impl Strays {
    fn count(&mut self, flow: &Conversation) {
        self.errors += flow.stray_icmp.len() as u64;
        let frames = flow.stray_icmp.iter().map(|e| e.at.frame);
        self.first = self.first.into_iter().chain(frames).min();
    }

    fn anomaly(&self, capture: &CaptureReport) -> Option<Anomaly> {
        let frame = self.first?.number();
        let text = format!(
            "{} a packet that its connection did not send, by its sequence number, and decided nothing; the first is frame {frame}: forged, late, or rewritten on the path",
            many(self.errors, "ICMP error quotes", "ICMP errors quote"),
        );
        Some(Anomaly { kind: "stray_icmp", place: capture.set.name.clone(), count: self.errors, text })
    }
}

/// Destinations with more single SYNs than become cases.
fn floods(capture: &CaptureReport, index: CaptureIndex, table: &FlowTable) -> Option<Anomaly> {
    let many = table.lone_syns().filter(|(c, _, lone)| *c == index && lone.count > LONE_SHOWN);
    let mut many: Vec<_> = many.map(|(_, resp, lone)| (Reverse(lone.count), resp)).collect();
    many.sort_unstable();
    let count = many.iter().map(|(Reverse(n), _)| n).sum();
    let shown = many.iter().take(FLOODS_NAMED).map(|(Reverse(n), resp)| format!("{resp} ({n})"));
    let text = format!(
        "{count} SYNs that nothing followed went to {}{}: only the first {LONE_SHOWN} to each are judged one by one",
        shown.collect::<Vec<_>>().join(", "),
        if many.len() > FLOODS_NAMED { " and others" } else { "" },
    );
    (count > 0).then(|| Anomaly { kind: "lone_syns", place: capture.set.name.clone(), count, text })
}

/// More failures than are judged one by one.
fn not_judged(capture: &CaptureReport, count: u64) -> Anomaly {
    let text = format!(
        "{} no log line tells of and that {} not judged: only the first {MAX_WIRE_CASES} are, or those whose certificates take {} MiB; a capture that is cut by time (editcap -A, -B) shows the others",
        many(count, "more connection failed that", "more connections failed that"),
        if count == 1 { "was" } else { "were" },
        MAX_WIRE_BYTES >> 20,
    );
    Anomaly { kind: "not_judged", place: capture.set.name.clone(), count, text }
}

/// What a capture's own counts say.
fn of_capture(capture: &CaptureReport) -> Vec<Anomaly> {
    let share = capture.retransmissions as f64 * 100.0 / capture.frames.max(1) as f64;
    let again = format!("sent again ({share:.1} % of the frames)");
    let drops = capture.drops.unwrap_or(0);
    let says = |count, one, more, rest: &str| (count, format!("{} {rest}", many(count, one, more)));
    let rows: [(&'static str, (u64, String)); 8] = [
        ("retransmissions", says(capture.retransmissions, "segment was", "segments were", &again)),
        (
            "duplicates",
            says(
                capture.duplicates,
                "packet is a copy",
                "packets are copies",
                "of one seen just before at another capture point",
            ),
        ),
        ("snaplen_cut", says(capture.snaplen_cut, "frame is", "frames are", "cut by the snap length")),
        ("drops", (drops, format!("the capturing host dropped {}", many(drops, "frame", "frames")))),
        (
            "unseen_segments",
            says(
                capture.ack_lost_segments,
                "segment acknowledges",
                "segments acknowledge",
                "data that the capture does not show",
            ),
        ),
        (
            "time_backwards",
            says(capture.backwards, "frame is older", "frames are older", "than the one before"),
        ),
        ("one_sided", one_sided(capture.one_sided)),
        ("missing_file", holes(capture)),
    ];
    let found = rows.into_iter().filter(|(_, (count, _))| *count > 0);
    found
        .map(|(kind, (count, text))| Anomaly { kind, place: capture.set.name.clone(), count, text })
        .collect()
}

/// Once, where nearly all flows show one side only.
fn one_sided(share: f64) -> (u64, String) {
    let text = format!("{:.0} % of the TCP flows show packets of one side only", share * 100.0);
    (u64::from(share > ONE_SIDED), text)
}

/// Silence between files that a missing one explains.
fn holes(capture: &CaptureReport) -> (u64, String) {
    let longest = capture.holes.iter().max_by_key(|(from, to)| (*to - *from, Reverse(*from)));
    let text = longest.map_or_else(String::new, |(from, to)| {
        format!(
            "between two of its files {} are without a frame, from {from} on: a file seems to be missing",
            *to - *from
        )
    });
    (capture.holes.len() as u64, text)
}

fn many(count: u64, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}

/// A capture is one-sided where more than this share of its flows is.
const ONE_SIDED: f64 = 0.9;
/// Destinations of a flood that are named.
const FLOODS_NAMED: usize = 5;
