//! Counts over a whole capture, and the order of its flows.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Range;

use super::merge::{self, Merged};
use super::{CaptureReport, Ingested, NeighborFact};
use crate::capture::{CaptureIndex, CaptureSet, Interface, LinkType, Window};
use crate::error::{Place, Weirds};
use crate::flow::{FrameRef, Moment, ShardEnd};
use crate::packet::{Neighbor, Packet, neighbor};
use crate::time::Timestamp;

/// What is counted over all frames of a capture.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) problems: Weirds,
    link_types: Vec<LinkType>,
    interfaces: Vec<Interface>,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    previous: Option<Timestamp>,
    frames: u64,
    snaplen_cut: u64,
    backwards: u64,
    neighbors: BTreeMap<(IpAddr, IpAddr), NeighborFact>,
}

impl Tally {
    /// Counts the frames of `range`.
    pub(super) fn frames(&mut self, window: &Window, range: Range<usize>) {
        for header in &window.frames[range] {
            self.frames += 1;
            self.snaplen_cut += u64::from(header.captured < header.length);
            self.backwards += u64::from(self.previous.is_some_and(|p| header.time < p));
            self.first = Some(self.first.map_or(header.time, |t| t.min(header.time)));
            self.last = Some(self.last.map_or(header.time, |t| t.max(header.time)));
            self.previous = Some(header.time);
            if self.link_types.last() != Some(&header.link_type)
                && !self.link_types.contains(&header.link_type)
            {
                self.link_types.push(header.link_type);
            }
        }
    }

    /// Takes over the counts of the next run of frames, and empties them.
    pub(super) fn add(&mut self, next: &mut Self) {
        let next = std::mem::take(next);
        let earliest = [self.first, next.first].into_iter().flatten().min();
        let latest = [self.last, next.last].into_iter().flatten().max();
        (self.first, self.last) = (earliest, latest);
        self.previous = next.previous.or(self.previous);
        self.frames += next.frames;
        self.snaplen_cut += next.snaplen_cut;
        self.backwards += next.backwards;
        for link_type in next.link_types {
            if !self.link_types.contains(&link_type) {
                self.link_types.push(link_type);
            }
        }
    }

    /// Takes the interfaces of a file that is read.
    pub(super) fn end_of_file(&mut self, interfaces: Vec<Interface>) {
        self.previous = None;
        self.interfaces.extend(interfaces);
    }

    /// Notes requests and answers of ARP and ND; at most [`MAX_NEIGHBORS`] pairs.
    pub(super) fn neighbors(
        &mut self,
        capture: CaptureIndex,
        window: &Window,
        file: u16,
        packets: &[Packet],
    ) {
        for packet in packets {
            let frame = packet.frame as usize;
            let at =
                Moment { frame: FrameRef::new(file, window.number(frame)), time: window.frames[frame].time };
            match neighbor(packet, window) {
                Some(Neighbor::Request { address, asked_by }) => self.request(capture, address, asked_by, at),
                Some(Neighbor::Answer { address }) => self.answer(address, at),
                None => {}
            }
        }
    }

    fn request(&mut self, capture: CaptureIndex, address: IpAddr, asked_by: IpAddr, at: Moment) {
        let key = (address, asked_by);
        if self.neighbors.len() >= MAX_NEIGHBORS && !self.neighbors.contains_key(&key) {
            return self.problems.note("neighbor_limit", Place::Frame(at.frame.number()), || {
                format!("more than {MAX_NEIGHBORS} ARP or ND questions; later ones are not kept")
            });
        }
        let fact = self.neighbors.entry(key).or_insert_with(|| NeighborFact {
            capture,
            address,
            asked_by,
            first: at,
            last: at,
            requests: 0,
            answered: None,
        });
        fact.last = at;
        fact.requests += 1;
    }

    fn answer(&mut self, address: IpAddr, at: Moment) {
        let from = (address, IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED));
        for (_, fact) in self.neighbors.range_mut(from..).take_while(|((a, _), _)| *a == address) {
            fact.answered.get_or_insert(at);
        }
    }
}

/// Orders the flows, numbers the streams, and adds the capture to the whole.
pub(super) fn finish(
    index: CaptureIndex,
    set: CaptureSet,
    tally: Tally,
    ends: Vec<ShardEnd>,
    from: Option<Timestamp>,
    all: &mut Ingested,
) {
    let written = all.flows.spilled();
    // Wireshark counts streams from the first frame of the file: without that frame nobody knows their numbers
    let numbered = from.is_none_or(|from| tally.first.is_none_or(|first| first >= from));
    let Merged { totals, spilled, mut failures } =
        merge::merge(index, set.files.len(), numbered, ends, &mut all.flows);
    failures.extend(all.flows.failed().map(str::to_owned));
    if let (Some(why), Some(report)) = (failures.first(), all.inputs.last_mut()) {
        report.problems.loss("spill_failed", Place::Whole, || {
            format!(
                "flow records could not be kept in a temporary file ({why}): free space or raise --max-memory"
            )
        });
    }
    let share = |n: u64| if totals.tcp == 0 { 0.0 } else { n as f64 / totals.tcp as f64 };
    all.captures.push(CaptureReport {
        interfaces: tally.interfaces.clone(),
        link_types: tally.link_types.iter().map(|l| l.name()).collect(),
        first: tally.first,
        last: tally.last,
        frames: tally.frames,
        drops: tally.interfaces.iter().filter_map(|i| i.drops).reduce(u64::saturating_add),
        snaplen_cut: tally.snaplen_cut,
        duplicates: totals.duplicates,
        ack_lost_segments: totals.ack_lost_segments,
        gap_bytes: totals.gap_bytes,
        backwards: tally.backwards,
        one_sided: share(totals.one_sided),
        evicted: totals.evicted,
        flows: totals.flows,
        retransmissions: totals.retransmissions,
        spilled_bytes: spilled + all.flows.spilled() - written,
        set,
    });
    let mut neighbors: Vec<_> = tally.neighbors.into_values().collect();
    neighbors.sort_by_key(|n| (n.capture, n.first, n.address, n.asked_by));
    all.neighbors.extend(neighbors);
}

/// Distinct pairs of asker and address kept for a capture.
const MAX_NEIGHBORS: usize = 16_384;
