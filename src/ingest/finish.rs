//! Counts over a whole capture, and the order of its flows.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Range;

use super::{CaptureReport, Conversation, Ingested, NeighborFact};
use crate::capture::{CaptureIndex, CaptureSet, Interface, LinkType, Window};
use crate::error::Weirds;
use crate::flow::{FrameRef, Moment, Proto, TcpRecord};
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
            return self.problems.note(
                "neighbor_limit",
                crate::error::Place::Frame(at.frame.number()),
                || format!("more than {MAX_NEIGHBORS} ARP or ND questions; later ones are not kept"),
            );
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
    flows: Vec<Vec<Conversation>>,
    all: &mut Ingested,
) {
    let mut flows = in_order(flows);
    number_streams(&mut flows, set.files.len());
    let (mut ack_lost_segments, mut gap_bytes) = (0, 0_u64);
    let gappy = flows.iter().filter_map(|f| f.tcp.as_ref()).filter(|t| !t.is_whole());
    for tcp in gappy.map(TcpRecord::facts) {
        let (orig, resp) = (tcp.analysis.orig, tcp.analysis.resp);
        ack_lost_segments += u64::from(orig.ack_lost_segment) + u64::from(resp.ack_lost_segment);
        gap_bytes = gap_bytes.saturating_add(tcp.loss.orig.gap_bytes).saturating_add(tcp.loss.resp.gap_bytes);
    }
    all.captures.push(CaptureReport {
        interfaces: tally.interfaces.clone(),
        link_types: tally.link_types.iter().map(|l| l.name()).collect(),
        first: tally.first,
        last: tally.last,
        frames: tally.frames,
        drops: tally.interfaces.iter().filter_map(|i| i.drops).reduce(u64::saturating_add),
        snaplen_cut: tally.snaplen_cut,
        duplicates: flows.iter().map(|f| u64::from(f.duplicates)).sum(),
        ack_lost_segments,
        gap_bytes,
        backwards: tally.backwards,
        one_sided: one_sided(&flows),
        evicted: flows.iter().filter(|f| f.evicted).count() as u64,
        set,
    });
    let mut neighbors: Vec<_> = tally.neighbors.into_values().collect();
    neighbors.sort_by_key(|n| (n.capture, n.first, n.address, n.asked_by));
    all.neighbors.extend(neighbors);
    debug_assert!(flows.iter().all(|f| f.capture == index));
    if all.flows.is_empty() {
        all.flows = flows;
    } else {
        all.flows.append(&mut flows);
    }
}

/// All flows by first frame, protocol, originator. Sorts numbers and moves each flow once or twice: flows are large.
fn in_order(shards: Vec<Vec<Conversation>>) -> Vec<Conversation> {
    let mut flows = Vec::with_capacity(shards.iter().map(Vec::len).sum());
    for mut shard in shards {
        flows.append(&mut shard);
    }
    let rest = |n: u32| {
        let f: &Conversation = &flows[n as usize];
        (f.proto, f.orig, f.resp, f.vni)
    };
    let mut order: Vec<(FrameRef, u32)> = flows.iter().zip(0..).map(|(f, n)| (f.first.frame, n)).collect();
    order.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| rest(a.1).cmp(&rest(b.1))).then(a.1.cmp(&b.1)));
    // Each cycle of the permutation is walked once; a place that is done points to itself.
    for start in 0..order.len() {
        let mut place = start;
        while order[place].1 as usize != start {
            let from = order[place].1 as usize;
            flows.swap(place, from);
            order[place].1 = place as u32;
            place = from;
        }
        order[place].1 = place as u32;
    }
    flows
}

/// `tcp.stream`: TCP flows of a file in the order in which Wireshark begins their streams there.
fn number_streams(flows: &mut [Conversation], files: usize) {
    if files <= 1 {
        let mut tcp: Vec<_> = flows.iter_mut().filter(|f| f.stream_frame.is_some()).collect();
        tcp.sort_by_key(|flow| flow.stream_frame);
        return number_file(&mut tcp);
    }
    let mut order: Vec<(u16, u64, usize, usize)> = Vec::new();
    for (f, flow) in flows.iter().enumerate().filter(|(_, f)| f.proto == Proto::Tcp) {
        let begun = flow.parts.iter().enumerate();
        order.extend(begun.filter_map(|(p, part)| Some((part.file, part.stream_frame?, f, p))));
    }
    order.sort_unstable();
    let mut next = vec![0_u32; files];
    for (file, _, f, p) in order {
        let number = &mut next[file as usize];
        flows[f].parts[p].stream = Some(*number);
        if p == 0 {
            flows[f].stream = Some(*number);
        }
        *number += 1;
    }
}

/// Numbers the streams of one file. Wireshark does not tell overlays apart: a flow whose start is missing goes on in the
/// stream that has the same endpoints in another overlay.
fn number_file(flows: &mut [&mut Conversation]) {
    let mut overlays: BTreeMap<_, (Option<u32>, Option<u32>)> = BTreeMap::new();
    let mut next = 0;
    for flow in flows {
        let ends = (flow.orig.min(flow.resp), flow.orig.max(flow.resp));
        let other =
            overlays.get(&ends).filter(|(vni, _)| flow.midstream && flow.vni.is_some() && *vni != flow.vni);
        if let Some((_, number)) = other {
            flow.stream = *number;
            continue;
        }
        flow.stream = Some(next);
        next += 1;
        if flow.vni.is_some() {
            overlays.insert(ends, (flow.vni, flow.stream));
        }
    }
}

/// Share of the TCP flows with packets of one side only, among those of which an answer could be expected.
fn one_sided(flows: &[Conversation]) -> f64 {
    let tcp: Vec<_> = flows.iter().filter(|f| f.proto == Proto::Tcp && !f.quoted_only).collect();
    let single = tcp.iter().filter(|f| f.packets.orig == 0 || f.packets.resp == 0).count();
    if tcp.is_empty() { 0.0 } else { single as f64 / tcp.len() as f64 }
}

/// Distinct pairs of asker and address kept for a capture.
const MAX_NEIGHBORS: usize = 16_384;
