//! Every packet of chosen flows, with the log lines of a case between them.
//!
//! Reads the captures again ([`replay`]): a first pass keeps decisive packets only. Packets that a step tells of carry
//! its words, the others their flags, length and TLS records.

use std::collections::BTreeMap;
use std::io;

use super::build::{Findings, in_order, steps};
use super::document::{Moment, Timeline};
use crate::capture::CaptureIndex;
use crate::correlate::{Case, Correlated, World};
use crate::flow::FrameRef;
use crate::ingest::FlowIndex;
use crate::ingest::replay::{Replayed, Wanted, replay};
use crate::packet::DecodeOptions;
use crate::time::Timestamp;

/// Takes a packet: the place of its flow among those wanted, the packet, and the words of its step if it is decisive.
pub type Each<'e> = &'e mut dyn FnMut(usize, &Replayed<'_>, Option<&str>) -> io::Result<()>;

/// The flows of a case, with its log lines.
///
/// # Errors
/// Why a capture could not be read again.
pub fn of_case(
    world: &World,
    correlated: &Correlated,
    case: &Case,
    options: &DecodeOptions,
) -> io::Result<Timeline> {
    let findings = Findings::new(world, correlated);
    let flows: Vec<FlowIndex> = case.flows.iter().take(FLOWS).map(|f| f.flow).collect();
    let mut moments = packets(world, &findings, &flows, options)?;
    moments.extend(findings.log_moments(case));
    let flows = case.flows.iter().take(FLOWS).filter_map(|f| findings.flow_ref(*f)).collect();
    Ok(finish(flows, moments))
}

/// One flow alone.
///
/// # Errors
/// Why its capture could not be read again.
pub fn of_flow(
    world: &World,
    correlated: &Correlated,
    flow: FlowIndex,
    options: &DecodeOptions,
) -> io::Result<Timeline> {
    let findings = Findings::new(world, correlated);
    let moments = packets(world, &findings, &[flow], options)?;
    let member = crate::correlate::CaseFlow { flow, role: crate::correlate::Role::Attempt };
    Ok(finish(findings.flow_ref(member).into_iter().collect(), moments))
}

/// Shows every packet of these flows, capture by capture, with the words of its step where it is decisive.
///
/// # Errors
/// Why a capture could not be read again, or what `each` fails with.
pub fn each_packet(
    world: &World,
    flows: &[FlowIndex],
    options: &DecodeOptions,
    each: Each<'_>,
) -> io::Result<()> {
    let mut by_capture: BTreeMap<CaptureIndex, Vec<usize>> = BTreeMap::new();
    let known = |index: &FlowIndex| world.wire.flows.get(*index);
    for (n, flow) in flows.iter().enumerate().filter_map(|(n, index)| Some((n, known(index)?))) {
        by_capture.entry(flow.capture).or_default().push(n);
    }
    for (capture, places) in by_capture {
        let Some(report) = world.wire.captures.get(usize::from(capture.0)) else { continue };
        let chosen = || places.iter().filter_map(|n| known(flows.get(*n)?));
        let wanted: Vec<Wanted> = chosen().map(Wanted::of).collect();
        let decisive: Vec<BTreeMap<FrameRef, String>> =
            chosen().map(|flow| steps(flow).into_iter().map(|s| (s.at.frame, s.text)).collect()).collect();
        replay(&world.bundle.sources, &report.set, &wanted, options, &mut |packet| {
            let text = decisive.get(packet.wanted).and_then(|d| d.get(&packet.at.frame));
            each(places.get(packet.wanted).copied().unwrap_or_default(), packet, text.map(String::as_str))
        })?;
    }
    Ok(())
}

/// Decisive packets are all there; of the others the first, and the last, which says how many are not shown.
fn packets(
    world: &World,
    findings: &Findings<'_>,
    flows: &[FlowIndex],
    options: &DecodeOptions,
) -> io::Result<Vec<(Timestamp, Moment)>> {
    let (mut moments, mut last, mut beyond) = (Vec::new(), None, 0_u64);
    each_packet(world, flows, options, &mut |place, packet, step| {
        let Some(flow) = flows.get(place).and_then(|index| world.wire.flows.get(*index)) else {
            return Ok(());
        };
        let text = step.map_or_else(|| packet.text(), str::to_owned);
        let moment = findings.packet(place, flow, packet.at, packet.dir, text);
        if moments.len() < PACKETS || step.is_some() {
            moments.push(moment);
        } else {
            beyond += 1;
            last = Some(moment);
        }
        Ok(())
    })?;
    if let Some((time, mut moment)) = last {
        let hidden = beyond - 1;
        if hidden > 0 {
            let more = format!(" ({hidden} packets before it are not shown; wirecause extract writes all)");
            moment.text.push_str(&more);
        }
        moments.push((time, moment));
    }
    Ok(moments)
}

fn finish(flows: Vec<super::document::FlowRef>, moments: Vec<(Timestamp, Moment)>) -> Timeline {
    Timeline { flows, moments: in_order(moments) }
}

/// Flows of one timeline at most.
const FLOWS: usize = 8;

/// Packets of one timeline at most: what a person can still scroll through.
const PACKETS: usize = 20_000;
