//! How much is kept of objects and host state: facts of each kind, the addresses and the texts that they hold.
//!
//! Takes each fact as it is added; says whether there is room for it, and counts what was kept out.

use std::net::IpAddr;

use super::{
    Callee, Counter, Destination, Endpoint, HeldCertificates, Interface, Neighbour, Node, Pod, Route,
    Service, ServicePort, Socket, Translation,
};
use crate::bundle::SourceIndex;

/// What may still be kept, and how much was kept out.
#[derive(Debug)]
pub(super) struct Room {
    /// Facts of one kind.
    pub(super) most: u64,
    pub(super) dropped: u64,
    /// Addresses and ports of Services, pods and nodes; addresses of interfaces.
    addresses: u64,
    of_interfaces: u64,
    /// Bytes of the texts and certificates of all facts; facts that were kept out for theirs.
    texts: u64,
    pub(super) texts_cut: u64,
    /// Not every chain of rules was followed to its end.
    pub(super) chains_cut: bool,
    /// Texts with more certificates than are read.
    pub(super) certificates_cut: u64,
    /// Objects with more addresses or ports than are kept.
    pub(super) addresses_cut: u64,
    /// Endpoints that objects told of, repeats included; how many they may tell of, and how many they told of beyond.
    offered: u64,
    offers: u64,
    pub(super) endpoints_cut: u64,
}

impl Room {
    /// For so many facts of one kind.
    pub(super) fn new(most: u64) -> Self {
        Self {
            most,
            dropped: 0,
            addresses: 0,
            of_interfaces: 0,
            texts: 0,
            texts_cut: 0,
            chains_cut: false,
            certificates_cut: 0,
            addresses_cut: 0,
            offered: 0,
            offers: FREE_OFFERS,
            endpoints_cut: 0,
        }
    }

    /// Of so many more bytes of objects so many more endpoints may come: an object has as many as its addresses times its
    /// ports, which may be billions, where one that a cluster made has fewer ports than an address has bytes.
    pub(super) fn read(&mut self, bytes: u64) {
        self.offers = self.offers.saturating_add(bytes);
    }

    /// Whether one more endpoint is looked at.
    pub(super) fn offers(&mut self) -> bool {
        self.offered += 1;
        let within = (self.offered <= self.offers, self.offered <= self.most.saturating_mul(OFFERS));
        self.endpoints_cut += u64::from(!within.0);
        self.dropped += u64::from(within.0 && !within.1);
        within == (true, true)
    }

    /// Leaves an object its first addresses or ports.
    pub(super) fn bound<T>(&mut self, list: &mut Vec<T>, most: usize) {
        self.addresses_cut += u64::from(list.len() > most);
        list.truncate(most);
        list.shrink_to_fit();
    }

    /// Pushes a fact if there is room for it and what it holds; its place.
    pub(super) fn push<T: Holds>(&mut self, list: &mut Vec<T>, fact: T) -> Option<usize> {
        if list.len() as u64 >= self.most {
            self.dropped += 1;
            return None;
        }
        if !self.fits(&fact) {
            return None;
        }
        self.addresses += fact.addresses();
        self.texts += fact.texts();
        list.push(fact);
        Some(list.len() - 1)
    }

    /// Completes a fact by what another source says of the same thing, if there is room for all of that; `by` tells
    /// whether addresses were left out.
    pub(super) fn complete<T: Holds>(&mut self, known: &mut T, new: T, by: impl FnOnce(&mut T, T) -> bool) {
        if !self.fits(&new) {
            return;
        }
        let before = (known.addresses(), known.texts());
        self.addresses_cut += u64::from(by(known, new));
        self.addresses = (self.addresses + known.addresses()).saturating_sub(before.0);
        self.texts = (self.texts + known.texts()).saturating_sub(before.1);
    }

    fn fits(&mut self, fact: &impl Holds) -> bool {
        let addresses = self.addresses + fact.addresses() <= self.most;
        let texts = self.texts + fact.texts() <= self.most_texts();
        self.dropped += u64::from(!addresses);
        self.texts_cut += u64::from(addresses && !texts);
        addresses && texts
    }

    /// Whether so many bytes are kept, which several facts then share.
    pub(super) fn takes(&mut self, bytes: usize) -> bool {
        let fits = self.texts + bytes as u64 <= self.most_texts();
        self.texts += if fits { bytes as u64 } else { 0 };
        self.texts_cut += u64::from(!fits);
        fits
    }

    /// Whether one more address of an interface is kept.
    pub(super) fn takes_address(&mut self) -> bool {
        let fits = self.of_interfaces < self.most;
        self.of_interfaces += u64::from(fits);
        self.dropped += u64::from(!fits);
        fits
    }

    /// Bytes of texts and certificates that are kept at most.
    pub(super) fn most_texts(&self) -> u64 {
        self.most.saturating_mul(TEXT_BYTES).max(LEAST_TEXTS)
    }
}

/// What a fact holds beside itself.
pub(super) trait Holds {
    /// Bytes of its texts.
    fn texts(&self) -> u64;

    /// Addresses and ports of a Service, pod or node: each is looked up, and so takes as much as a fact.
    fn addresses(&self) -> u64 {
        0
    }
}

impl Holds for String {
    fn texts(&self) -> u64 {
        self.len() as u64
    }
}

impl<T: Holds> Holds for Option<T> {
    fn texts(&self) -> u64 {
        self.as_ref().map_or(0, T::texts)
    }
}

impl Holds for (String, String) {
    fn texts(&self) -> u64 {
        self.0.texts() + self.1.texts()
    }
}

impl Holds for (String, String, SourceIndex) {
    fn texts(&self) -> u64 {
        self.0.texts() + self.1.texts()
    }
}

impl Holds for (String, IpAddr) {
    fn texts(&self) -> u64 {
        self.0.texts()
    }
}

impl Holds for Vec<ServicePort> {
    fn texts(&self) -> u64 {
        self.iter().map(|port| port.name.texts()).sum()
    }
}

/// The texts of facts, and behind them their addresses and ports.
macro_rules! holds {
    ($($fact:ident { $($text:ident),* } $([$($list:ident),*])?)*) => {$(
        impl Holds for $fact {
            fn texts(&self) -> u64 {
                0 $(+ self.$text.texts())*
            }

            $(fn addresses(&self) -> u64 {
                (0 $(+ self.$list.len())*) as u64
            })?
        }
    )*};
}

holds! {
    Service { namespace, name, external_name, ports } [cluster_ips, external_ips, ports]
    Endpoint { namespace, service, port_name, node, pod }
    Pod { namespace, name, node, phase } [ips]
    Node { name, kubelet } [ips]
    Callee { name, configuration, service, url }
    Translation {}
    Destination { service }
    Interface { name, mac }
    Route { kind, device }
    Neighbour { device, mac, state }
    Socket { state, process }
    Counter { name }
    HeldCertificates { place }
}

/// Endpoints that all objects may tell of besides one for each of their bytes.
pub(super) const FREE_OFFERS: u64 = 1 << 16;
/// Endpoints looked at for each that may be kept: several dumps tell of the same ones.
const OFFERS: u64 = 4;
/// Bytes of texts and certificates for each fact of a kind that may be kept, and at least.
const TEXT_BYTES: u64 = 512;
const LEAST_TEXTS: u64 = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_certificates_of_all_facts_are_bounded() {
        let mut room = Room::new(10);
        let counter = |megabytes: usize| Counter {
            host: None,
            name: "a".repeat(megabytes << 20),
            value: 1,
            source: SourceIndex(0),
        };
        let mut kept = Vec::new();
        let pushed = [40, 40, 20].map(|size| room.push(&mut kept, counter(size)).is_some());
        assert_eq!((pushed, room.texts_cut), ([true, false, true], 1));
        assert!(room.takes(3 << 20) && !room.takes(2 << 20));
        let node = |kubelet| Node { kubelet, ..Node::default() };
        let mut known = node(None);
        for (size, kept) in [(2, 0), (1, 1)] {
            room.complete(&mut known, node(Some("a".repeat(size << 20))), |known, new| {
                known.kubelet = new.kubelet;
                false
            });
            assert_eq!(known.texts(), kept << 20);
        }
        assert_eq!((room.texts, room.texts_cut, room.dropped), (room.most_texts(), 3, 0));
    }
}
