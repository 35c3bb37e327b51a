//! What makes packets one flow: both innermost endpoints, the protocol and the overlay.

use std::hash::BuildHasher;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::codec::{Codec, Coded, Unpack};
use super::{Dir, Flow, PerDir, Proto};
use crate::capture::Window;
use crate::packet::{Packet, note, protocol};

/// Key of a flow, with its sides told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct FlowKey {
    /// IPv6 addresses, upper half first; IPv4 addresses in the lower half of the first word.
    addresses: PerDir<[u64; 2]>,
    ports: PerDir<u16>,
    vni: u32,
    protocol: u8,
    v6: bool,
}

impl FlowKey {
    /// Of a packet whose sender is taken for the originator.
    pub(super) fn of(packet: &Packet, window: &Window) -> Self {
        if packet.noted(note::IPV6) {
            let (src, dst) = packet.addresses(window);
            return Self::new(src, dst, packet);
        }
        let [orig, resp] = packet.v4.map(|address| [u64::from(address), 0]);
        Self {
            addresses: PerDir { orig, resp },
            ports: PerDir { orig: packet.src_port, resp: packet.dst_port },
            vni: packet.vni,
            protocol: packet.protocol,
            v6: false,
        }
    }

    /// Of the packet that an ICMP error quotes, its sender taken for the originator.
    pub(super) fn quoted(packet: &Packet, window: &Window) -> Self {
        let (src, dst) = packet.quoted_addresses(window);
        Self::new(src, dst, packet)
    }

    /// Of a flow that was frozen.
    pub(super) fn of_flow<A>(flow: &Flow<A>) -> Self {
        Self {
            addresses: PerDir { orig: words(flow.orig.ip()), resp: words(flow.resp.ip()) },
            ports: PerDir { orig: flow.orig.port(), resp: flow.resp.port() },
            vni: flow.vni.map_or(0, |vni| vni.saturating_add(1)),
            protocol: flow.proto.number(),
            v6: flow.orig.is_ipv6(),
        }
    }

    fn new(src: IpAddr, dst: IpAddr, packet: &Packet) -> Self {
        Self {
            addresses: PerDir { orig: words(src), resp: words(dst) },
            ports: PerDir { orig: packet.src_port, resp: packet.dst_port },
            vni: packet.vni,
            protocol: packet.protocol,
            v6: src.is_ipv6(),
        }
    }

    /// The same flow with its sides exchanged.
    pub(super) fn reversed(&self) -> Self {
        Self { addresses: self.addresses.reversed(), ports: self.ports.reversed(), ..*self }
    }

    /// Who sent a packet with the key `sender_first`, if it is of this flow. A flow of an endpoint with itself is all
    /// the originator's.
    #[inline]
    pub(super) fn sender(&self, sender_first: &Self) -> Option<Dir> {
        if self.vni != sender_first.vni
            || self.protocol != sender_first.protocol
            || self.v6 != sender_first.v6
        {
            return None;
        }
        if self.ports == sender_first.ports && self.addresses == sender_first.addresses {
            return Some(Dir::Orig);
        }
        let (ours, theirs) = (self, sender_first);
        let reversed = ours.ports.orig == theirs.ports.resp
            && ours.ports.resp == theirs.ports.orig
            && ours.addresses.orig == theirs.addresses.resp
            && ours.addresses.resp == theirs.addresses.orig;
        reversed.then_some(Dir::Resp)
    }

    /// Hash by which a table finds it, the same for both directions: of all that [`FlowKey::sender`] compares, so that
    /// who knows no seed can make no two flows fall on one place.
    #[inline]
    pub(super) fn hash(&self, seed: &impl BuildHasher) -> u32 {
        let rest = u64::from(self.vni) << 8 | u64::from(self.protocol);
        let hash = if self.v6 {
            let end = |dir| (self.addresses[dir], self.ports[dir]);
            let (orig, resp) = (end(Dir::Orig), end(Dir::Resp));
            seed.hash_one((orig.min(resp), orig.max(resp), rest))
        } else {
            let end = |dir| self.addresses[dir][0] << 16 | u64::from(self.ports[dir]);
            let (orig, resp) = (end(Dir::Orig), end(Dir::Resp));
            seed.hash_one((orig.min(resp), orig.max(resp), rest))
        };
        hash as u32
    }

    /// Passes over a key that is packed.
    pub(super) fn pass(unpack: &mut Unpack<'_>) {
        let mut form = [0; 2];
        unpack.array(&mut form);
        let address = if form[1] & 1 != 0 { 16 } else { 4 };
        unpack.skip(2 * (address + size_of::<u16>()));
        if form[1] & 2 != 0 {
            unpack.number(&mut 0);
        }
    }

    /// Address and port of a side.
    pub(super) fn endpoint(&self, dir: Dir) -> SocketAddr {
        let [high, low] = self.addresses[dir];
        let ip = if self.v6 {
            IpAddr::V6(Ipv6Addr::from(u128::from(high) << 64 | u128::from(low)))
        } else {
            IpAddr::V4(Ipv4Addr::from(high as u32))
        };
        SocketAddr::new(ip, self.ports[dir])
    }

    /// Ports of both sides.
    pub(super) const fn ports(&self) -> PerDir<u16> {
        self.ports
    }

    /// Transport protocol.
    pub(super) const fn proto(&self) -> Proto {
        match self.protocol {
            protocol::TCP => Proto::Tcp,
            protocol::UDP => Proto::Udp,
            n => Proto::Other(n),
        }
    }

    /// Overlay network identifier.
    pub(super) const fn vni(&self) -> Option<u32> {
        self.vni.checked_sub(1)
    }
}

impl Coded for FlowKey {
    #[inline]
    fn code<C: Codec>(&mut self, codec: &mut C) {
        let mut form = [self.protocol, u8::from(self.v6) | u8::from(self.vni > 0) << 1];
        codec.array(&mut form);
        self.protocol = form[0];
        self.v6 = form[1] & 1 != 0;
        for dir in [Dir::Orig, Dir::Resp] {
            let address = &mut self.addresses[dir];
            if self.v6 {
                for word in address {
                    let mut bytes = word.to_be_bytes();
                    codec.array(&mut bytes);
                    *word = u64::from_be_bytes(bytes);
                }
            } else {
                let mut bytes = (address[0] as u32).to_be_bytes();
                codec.array(&mut bytes);
                *address = [u64::from(u32::from_be_bytes(bytes)), 0];
            }
            let mut port = self.ports[dir].to_le_bytes();
            codec.array(&mut port);
            self.ports[dir] = u16::from_le_bytes(port);
        }
        if form[1] & 2 != 0 {
            self.vni.code(codec);
        }
    }
}

fn words(ip: IpAddr) -> [u64; 2] {
    match ip {
        IpAddr::V6(ip) => [(ip.to_bits() >> 64) as u64, ip.to_bits() as u64],
        IpAddr::V4(ip) => [u64::from(ip.to_bits()), 0],
    }
}

#[cfg(test)]
mod tests {
    use foldhash::fast::RandomState;

    use super::*;

    fn key(ends: [SocketAddr; 2], vni: u32) -> FlowKey {
        let [orig, resp] = ends.map(|end| (words(end.ip()), end.port()));
        FlowKey {
            addresses: PerDir { orig: orig.0, resp: resp.0 },
            ports: PerDir { orig: orig.1, resp: resp.1 },
            vni,
            protocol: protocol::TCP,
            v6: ends[0].is_ipv6(),
        }
    }

    #[test]
    fn both_directions_have_one_hash_and_each_overlay_another() {
        let seed = RandomState::default();
        for ends in [["10.0.0.1:1000", "10.0.0.2:443"], ["[fd00::1]:1000", "[fd00::2]:443"]] {
            let ends = ends.map(|end| end.parse().expect(end));
            let hashes: Vec<u32> = (0..64).map(|vni| key(ends, vni).hash(&seed)).collect();
            let back: Vec<u32> = (0..64).map(|vni| key(ends, vni).reversed().hash(&seed)).collect();
            assert_eq!(hashes, back);
            let mut different = hashes;
            different.sort_unstable();
            different.dedup();
            assert!(different.len() > 60, "{different:?}");
        }
    }
}
