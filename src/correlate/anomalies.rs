//! What is no call's fault: loss that healed, duplicates, cut packets, drops, one-sided captures, sources of the address
//! map that disagree.

use std::collections::BTreeMap;

use super::{Anomaly, World};
use crate::bundle::SourceIndex;
use crate::flow::Analysis;
use crate::ingest::{CaptureReport, Conversation};
use crate::tls::DecryptionStop;

/// The anomalies of all captures, in their order.
pub(super) fn of(world: &World) -> Vec<Anomaly> {
    let mut counts = vec![(0_u64, Sealed::default()); world.wire.captures.len()];
    for flow in &world.wire.flows {
        if let Some((retransmitted, sealed)) = counts.get_mut(flow.capture.0 as usize) {
            *retransmitted += retransmissions(flow);
            sealed.count(flow);
        }
    }
    let all = world.wire.captures.iter().zip(counts);
    let of_captures = all.flat_map(|(c, (n, sealed))| of_capture(c, n).into_iter().chain(sealed.anomaly(c)));
    of_captures.chain(disagreements(world)).collect()
}

/// What two sources say otherwise, the first of each pair of sources: a rollout between two dumps makes hundreds.
fn disagreements(world: &World) -> Vec<Anomaly> {
    let mut of_sources: BTreeMap<&[SourceIndex], (u64, &str)> = BTreeMap::new();
    for conflict in &world.cluster.conflicts {
        of_sources.entry(&conflict.sources).or_insert((0, &conflict.text)).0 += 1;
    }
    let path = |sources: &[SourceIndex]| {
        let first = sources.first().and_then(|s| world.bundle.sources.get(s.0 as usize));
        first.map_or_else(String::new, |s| s.path.clone())
    };
    let told = of_sources.into_iter().map(|(sources, (count, text))| Anomaly {
        kind: "sources_disagree",
        place: path(sources),
        count,
        text: match count {
            1 => text.to_owned(),
            more => format!("{text}; and {} more between these files", more - 1),
        },
    });
    told.collect()
}

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

fn of_capture(capture: &CaptureReport, retransmitted: u64) -> Vec<Anomaly> {
    let share = |n: u64| format!("{:.1} %", n as f64 * 100.0 / capture.frames.max(1) as f64);
    let rows: [(&'static str, u64, String); 7] = [
        (
            "retransmissions",
            retransmitted,
            format!(
                "{} sent again ({} of the frames)",
                many(retransmitted, "segment was", "segments were"),
                share(retransmitted)
            ),
        ),
        (
            "duplicates",
            capture.duplicates,
            format!(
                "{} of one seen just before at another capture point",
                many(capture.duplicates, "packet is a copy", "packets are copies")
            ),
        ),
        (
            "snaplen_cut",
            capture.snaplen_cut,
            format!("{} cut by the snap length", many(capture.snaplen_cut, "frame is", "frames are")),
        ),
        (
            "drops",
            capture.drops.unwrap_or(0),
            format!("the capturing host dropped {}", many(capture.drops.unwrap_or(0), "frame", "frames")),
        ),
        (
            "unseen_segments",
            capture.ack_lost_segments,
            format!(
                "{} data that the capture does not show",
                many(capture.ack_lost_segments, "segment acknowledges", "segments acknowledge")
            ),
        ),
        (
            "time_backwards",
            capture.backwards,
            format!("{} than the one before", many(capture.backwards, "frame is older", "frames are older")),
        ),
        (
            "one_sided",
            u64::from(capture.one_sided > 0.9),
            format!("{:.0} % of the TCP flows show packets of one side only", capture.one_sided * 100.0),
        ),
    ];
    let found = rows.into_iter().filter(|(_, count, _)| *count > 0);
    found.map(|(kind, count, text)| Anomaly { kind, place: capture.set.name.clone(), count, text }).collect()
}

fn many(count: u64, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}

fn retransmissions(flow: &Conversation) -> u64 {
    let of = |a: &Analysis| u64::from(a.retransmission) + u64::from(a.fast_retransmission);
    flow.tcp.as_ref().map_or(0, |t| {
        let facts = t.facts();
        of(&facts.analysis.orig) + of(&facts.analysis.resp)
    })
}
