//! What makes packets one flow: both innermost endpoints, the protocol and the overlay.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::codec::{Codec, Coded};
use super::{Dir, Flow, PerDir, Proto};
use crate::capture::Window;
use crate::packet::Packet;

/// Key of a flow, with its sides told apart. 45 bytes, compared as they stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct FlowKey {
    addresses: PerDir<[u8; 16]>,
    ports: PerDir<u16>,
    vni: u32,
    protocol: u8,
    v6: bool,
}

impl FlowKey {
    /// Of a packet whose sender is taken for the originator.
    pub(super) fn of(packet: &Packet, window: &Window) -> Self {
        let header = window.bytes.get(packet.ip as usize..).and_then(|b| b.first_chunk::<20>());
        // The common path: IPv4 without options.
        if let Some(&[0x45, .., s0, s1, s2, s3, d0, d1, d2, d3]) = header {
            return Self {
                addresses: PerDir { orig: padded([s0, s1, s2, s3]), resp: padded([d0, d1, d2, d3]) },
                ports: PerDir { orig: packet.src_port, resp: packet.dst_port },
                vni: packet.vni,
                protocol: packet.protocol,
                v6: false,
            };
        }
        let (src, dst) = packet.addresses(window);
        Self::new(src, dst, packet)
    }

    /// Of the packet that an ICMP error quotes, its sender taken for the originator.
    pub(super) fn quoted(packet: &Packet, window: &Window) -> Self {
        let (src, dst) = packet.quoted_addresses(window);
        Self::new(src, dst, packet)
    }

    /// Of a flow that was frozen.
    pub(super) fn of_flow<A>(flow: &Flow<A>) -> Self {
        Self {
            addresses: PerDir { orig: octets(flow.orig.ip()), resp: octets(flow.resp.ip()) },
            ports: PerDir { orig: flow.orig.port(), resp: flow.resp.port() },
            vni: flow.vni.map_or(0, |vni| vni.saturating_add(1)),
            protocol: flow.proto.number(),
            v6: flow.orig.is_ipv6(),
        }
    }

    fn new(src: IpAddr, dst: IpAddr, packet: &Packet) -> Self {
        Self {
            addresses: PerDir { orig: octets(src), resp: octets(dst) },
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

    /// Takes over the overlay of a packet of the flow.
    pub(super) fn learn_overlay(&mut self, of: &Self) {
        self.vni = self.vni.max(of.vni);
    }

    /// Address and port of a side.
    pub(super) fn endpoint(&self, dir: Dir) -> SocketAddr {
        let bytes = self.addresses[dir];
        let ip = if self.v6 {
            IpAddr::V6(Ipv6Addr::from(bytes))
        } else {
            IpAddr::V4(Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3]))
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
            6 => Proto::Tcp,
            17 => Proto::Udp,
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
                codec.array(address);
            } else {
                let [a, b, c, d, ..] = *address;
                let mut short = [a, b, c, d];
                codec.array(&mut short);
                *address = padded(short);
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

fn octets(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V6(ip) => ip.octets(),
        IpAddr::V4(ip) => padded(ip.octets()),
    }
}

const fn padded([a, b, c, d]: [u8; 4]) -> [u8; 16] {
    [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
}
