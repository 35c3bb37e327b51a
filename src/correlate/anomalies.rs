//! What is no call's fault: loss that healed, duplicates, cut packets, drops, one-sided captures.

use super::{Anomaly, World};
use crate::flow::Analysis;
use crate::ingest::{CaptureReport, Conversation};

/// The anomalies of all captures, in their order.
pub(super) fn of(world: &World) -> Vec<Anomaly> {
    let mut retransmitted = vec![0_u64; world.wire.captures.len()];
    for flow in &world.wire.flows {
        retransmitted[flow.capture.0 as usize] += retransmissions(flow);
    }
    world.wire.captures.iter().zip(retransmitted).flat_map(|(c, n)| of_capture(c, n)).collect()
}

fn of_capture(capture: &CaptureReport, retransmitted: u64) -> Vec<Anomaly> {
    let share = |n: u64| format!("{:.1} %", n as f64 * 100.0 / capture.frames.max(1) as f64);
    let rows: [(&'static str, u64, String); 7] = [
        (
            "retransmissions",
            retransmitted,
            format!("{retransmitted} segments were sent again ({} of the frames)", share(retransmitted)),
        ),
        (
            "duplicates",
            capture.duplicates,
            format!(
                "{} packets are copies of one seen just before at another capture point",
                capture.duplicates
            ),
        ),
        (
            "snaplen_cut",
            capture.snaplen_cut,
            format!("{} frames are cut by the snap length", capture.snaplen_cut),
        ),
        (
            "drops",
            capture.drops.unwrap_or(0),
            format!("the capturing host dropped {} frames", capture.drops.unwrap_or(0)),
        ),
        (
            "unseen_segments",
            capture.ack_lost_segments,
            format!("{} segments acknowledge data that the capture does not show", capture.ack_lost_segments),
        ),
        (
            "time_backwards",
            capture.backwards,
            format!("{} frames are older than the one before them", capture.backwards),
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

fn retransmissions(flow: &Conversation) -> u64 {
    let of = |a: &Analysis| u64::from(a.retransmission) + u64::from(a.fast_retransmission);
    flow.tcp.as_ref().map_or(0, |t| {
        let facts = t.facts();
        of(&facts.analysis.orig) + of(&facts.analysis.resp)
    })
}
