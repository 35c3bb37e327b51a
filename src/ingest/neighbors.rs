//! Who asked for whose hardware address, and whether anyone answered (ARP, RFC 826; ND, RFC 4861).
//!
//! Takes the neighbour messages of a capture in frame order; gives one fact for each pair of asker and address, of
//! which there is a bounded number.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::NeighborFact;
use super::room::MAX_QUESTIONS;
use crate::capture::{CaptureIndex, Window};
use crate::error::{Place, Weirds};
use crate::flow::{FrameRef, Moment};
use crate::packet::{Neighbor, Packet, neighbor};

/// The questions of one capture.
#[derive(Debug, Default)]
pub(super) struct Neighbors {
    /// By address asked for and asker.
    facts: BTreeMap<(IpAddr, IpAddr), NeighborFact>,
    /// Who asked for an address that did not answer yet. Each asker stands here once, however many answers come.
    unanswered: BTreeMap<IpAddr, Vec<IpAddr>>,
}

impl Neighbors {
    /// Notes requests and answers; at most [`MAX_NEIGHBORS`] pairs, and `most`.
    pub(super) fn add(
        &mut self,
        (capture, file): (CaptureIndex, u16),
        window: &Window,
        packets: &[Packet],
        most: usize,
        problems: &mut Weirds,
    ) {
        for packet in packets {
            let frame = packet.frame as usize;
            let at =
                Moment { frame: FrameRef::new(file, window.number(frame)), time: window.frames[frame].time };
            match neighbor(packet, window) {
                Some(Neighbor::Request { address, asked_by }) => {
                    self.request(capture, (address, asked_by), at, most, problems);
                }
                Some(Neighbor::Answer { address }) => self.answer(address, at),
                None => {}
            }
        }
    }

    fn request(
        &mut self,
        capture: CaptureIndex,
        (address, asked_by): (IpAddr, IpAddr),
        at: Moment,
        most: usize,
        problems: &mut Weirds,
    ) {
        if let Some(fact) = self.facts.get_mut(&(address, asked_by)) {
            fact.last = at;
            fact.requests += 1;
            return;
        }
        if self.facts.len() >= most.min(MAX_NEIGHBORS) {
            return problems.note("limit_neighbors", Place::Frame(at.frame.number()), || {
                format!("more than {MAX_NEIGHBORS} ARP or ND questions, or {MAX_QUESTIONS} of all captures; later ones are not kept")
            });
        }
        let fact =
            NeighborFact { capture, address, asked_by, first: at, last: at, requests: 1, answered: None };
        self.facts.insert((address, asked_by), fact);
        self.unanswered.entry(address).or_default().push(asked_by);
    }

    fn answer(&mut self, address: IpAddr, at: Moment) {
        for asked_by in self.unanswered.remove(&address).unwrap_or_default() {
            if let Some(fact) = self.facts.get_mut(&(address, asked_by)) {
                fact.answered = Some(at);
            }
        }
    }

    /// How many questions there are.
    pub(super) fn len(&self) -> usize {
        self.facts.len()
    }

    /// The questions, by first frame.
    pub(super) fn facts(self) -> Vec<NeighborFact> {
        let mut facts: Vec<_> = self.facts.into_values().collect();
        facts.sort_by_key(|n| (n.first, n.address, n.asked_by));
        facts
    }
}

/// Distinct pairs of asker and address kept for a capture.
const MAX_NEIGHBORS: usize = 16_384;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    fn at(number: u64) -> Moment {
        Moment { frame: FrameRef::new(0, number), time: Timestamp(number as i64) }
    }

    fn ip(n: u32) -> IpAddr {
        std::net::Ipv4Addr::from(0x0a00_0000 + n).into()
    }

    #[test]
    fn the_first_answer_is_for_all_who_asked_before() {
        let (mut neighbors, mut problems) = (Neighbors::default(), Weirds::default());
        let mut ask = |neighbors: &mut Neighbors, address, asker, number| {
            let most = MAX_NEIGHBORS;
            neighbors.request(CaptureIndex(0), (ip(address), ip(asker)), at(number), most, &mut problems);
        };
        ask(&mut neighbors, 1, 10, 1);
        ask(&mut neighbors, 1, 11, 2);
        ask(&mut neighbors, 2, 10, 3);
        neighbors.answer(ip(1), at(4));
        ask(&mut neighbors, 1, 12, 5);
        ask(&mut neighbors, 1, 10, 6);
        neighbors.answer(ip(1), at(7));
        let facts = neighbors.facts();
        let rows: Vec<_> = facts
            .iter()
            .map(|f| (f.first.frame.number(), f.requests, f.answered.map(|a| a.frame.number())))
            .collect();
        assert_eq!(rows, [(1, 2, Some(4)), (2, 1, Some(4)), (3, 1, None), (5, 1, Some(7))]);
    }

    #[test]
    fn answers_look_at_no_question_twice() {
        for (most, kept) in [(MAX_QUESTIONS, MAX_NEIGHBORS), (100, 100), (0, 0)] {
            let (mut neighbors, mut problems) = (Neighbors::default(), Weirds::default());
            for asker in 0..=kept as u32 {
                neighbors.request(CaptureIndex(0), (ip(1), ip(asker)), at(1), most, &mut problems);
            }
            let said: Vec<_> = problems.iter().map(|w| (w.name, w.count)).collect();
            assert_eq!((neighbors.len(), said), (kept, vec![("limit_neighbors", 1)]));
            neighbors.answer(ip(1), at(2));
            assert!(neighbors.unanswered.is_empty());
            assert!(neighbors.facts().iter().all(|f| f.answered == Some(at(2))));
        }
    }
}
