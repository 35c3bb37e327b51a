//! What replaces an address: subnets stay subnets, and nothing else of it is left.
//!
//! IPv4 goes to 240.0.0.0/4, which no network uses: each /16 and each /24 in it gets a number, the last octet stays.
//! IPv6 goes to 3fff::/20 (documentation, RFC 9637): each /48, each /64 in it and each interface gets a number. A MAC
//! address becomes a locally administered one. Addresses that are the same everywhere stay: loopback, unspecified,
//! link-local IPv4, multicast, broadcast. Numbers are given in order of asking.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

mod text;

/// A 48-bit hardware address.
pub(super) type Mac = [u8; 6];

/// What was replaced by what so far.
#[derive(Debug, Default)]
pub struct Addresses {
    /// Number of a /16.
    wide4: BTreeMap<[u8; 2], u16>,
    /// Number of a /24 within its /16.
    nets4: BTreeMap<[u8; 3], u8>,
    /// Number of a /48, and how many /64 of it were seen.
    wide6: BTreeMap<[u8; 6], (u16, u16)>,
    /// Number of a /64 within its /48.
    nets6: BTreeMap<[u8; 8], u16>,
    hosts6: BTreeMap<[u8; 8], u32>,
    macs: BTreeMap<Mac, u32>,
    replaced: BTreeMap<IpAddr, IpAddr>,
    /// Addresses of the bundle that nothing was written of yet.
    known: BTreeSet<IpAddr>,
}

impl Addresses {
    /// The replacement of an address; the same one for the same address.
    pub fn ip(&mut self, ip: IpAddr) -> IpAddr {
        let new = match ip {
            IpAddr::V4(ip) => IpAddr::V4(self.v4(ip)),
            IpAddr::V6(ip) => IpAddr::V6(self.v6(ip)),
        };
        if new != ip {
            self.replaced.insert(ip, new);
        }
        new
    }

    /// Digits that can be this address are it from now on; it takes no number before it is written.
    pub(super) fn know(&mut self, ip: IpAddr) {
        self.known.insert(ip);
    }

    fn is_known(&self, ip: IpAddr) -> bool {
        self.known.contains(&ip) || self.replaced.contains_key(&ip)
    }

    /// The replacement of an IPv4 address.
    pub fn v4(&mut self, ip: Ipv4Addr) -> Ipv4Addr {
        if ip.is_loopback()
            || ip.is_unspecified()
            || ip.is_link_local()
            || ip.is_multicast()
            || ip.is_broadcast()
        {
            return ip;
        }
        let [a, b, c, host] = ip.octets();
        let next = self.wide4.len() as u16;
        let number = *self.wide4.entry([a, b]).or_insert(next);
        // Only beyond 4,096 networks do numbers wrap into addresses that are in use.
        let [high, low] = FIRST_WIDE.wrapping_add(number).to_be_bytes();
        let siblings = self.nets4.range([a, b, 1]..=[a, b, 255]).count();
        // The first /24 of a /16 stays the first, so that 10.244.0.0/16 still reads as a network. One that is new has at
        // most 254 siblings.
        let third = if c == 0 { 0 } else { *self.nets4.entry([a, b, c]).or_insert((siblings + 1) as u8) };
        Ipv4Addr::new(high, low, third, host)
    }

    /// The replacement of an IPv6 address; one that holds an IPv4 address is replaced as that is.
    pub fn v6(&mut self, ip: Ipv6Addr) -> Ipv6Addr {
        if let Some(v4) = ip.to_ipv4_mapped() {
            return self.v4(v4).to_ipv6_mapped();
        }
        let segments = ip.segments();
        if ip.is_loopback() || ip.is_unspecified() {
            return ip;
        }
        if ip.is_multicast() {
            return self.multicast6(ip);
        }
        let octets = ip.octets();
        let [h1, h0] = self.host6(octets);
        if segments[0] & 0xffc0 == 0xfe80 {
            return Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, h1, h0);
        }
        let wide = octets.first_chunk::<6>().copied().unwrap_or_default();
        let net = octets.first_chunk::<8>().copied().unwrap_or_default();
        let next = self.wide6.len() as u16;
        let (wide_number, nets) = self.wide6.entry(wide).or_insert((next.wrapping_add(1), 0));
        let net_number = match net {
            [.., 0, 0] => 0,
            _ => *self.nets6.entry(net).or_insert_with(|| {
                *nets = nets.wrapping_add(1);
                *nets
            }),
        };
        Ipv6Addr::new(0x3fff, 0, *wide_number, net_number, 0, 0, h1, h0)
    }

    /// Number of an interface. A network's own address (all zeros) stays one.
    fn host6(&mut self, octets: [u8; 16]) -> [u16; 2] {
        let host = octets.last_chunk::<8>().copied().unwrap_or_default();
        if host == [0; 8] {
            return [0, 0];
        }
        let next = self.hosts6.len() as u32 + 1;
        let number = *self.hosts6.entry(host).or_insert(next);
        [(number >> 16) as u16, number as u16]
    }

    /// A solicited-node address ends in the last three bytes of a unicast address (RFC 4291 §2.7.1).
    fn multicast6(&mut self, ip: Ipv6Addr) -> Ipv6Addr {
        let [.., h1, h0] = ip.segments();
        if ip.segments()[..6] != [0xff02, 0, 0, 0, 0, 1] || h1 >> 8 != 0xff {
            return ip;
        }
        let [_, number] =
            self.host6([0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0, 0, 0, 0, h1 as u8, (h0 >> 8) as u8, h0 as u8]);
        Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00, number)
    }

    /// The replacement of a MAC address.
    pub fn mac(&mut self, mac: Mac) -> Mac {
        let solicited = mac.starts_with(&[0x33, 0x33, 0xff]);
        // Groups are the same everywhere, but for those that end in bytes of an IPv6 address (RFC 2464 §7).
        if mac == [0; 6] || (mac[0] & 1 == 1 && !solicited) {
            return mac;
        }
        let next = self.macs.len() as u32 + 1;
        let [_, n2, n1, n0] = self.macs.entry(mac).or_insert(next).to_be_bytes();
        if solicited { [0x33, 0x33, 0xff, n2, n1, n0] } else { [2, 0, 0, n2, n1, n0] }
    }

    /// Originals and replacements, for whoever keeps the key.
    pub fn pairs(&self) -> impl Iterator<Item = (String, String)> {
        let ips = self.replaced.iter().map(|(ip, new)| (ip.to_string(), new.to_string()));
        let solicited = |mac: &Mac| mac.starts_with(&[0x33, 0x33, 0xff]);
        let macs = self.macs.iter().filter(move |(mac, _)| !solicited(mac)).map(|(mac, number)| {
            let [_, n2, n1, n0] = number.to_be_bytes();
            (mac_text(*mac), mac_text([2, 0, 0, n2, n1, n0]))
        });
        ips.chain(macs)
    }
}

/// 240.0: the first /16 that replaces one.
const FIRST_WIDE: u16 = 0xf000;

fn mac_text(mac: Mac) -> String {
    mac.map(|b| format!("{b:02x}")).join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_network_is_known_again() {
        let mut addresses = Addresses::default();
        let mut all = || (0..=255).map(|c| addresses.v4(Ipv4Addr::new(10, 1, c, 7))).collect::<Vec<_>>();
        let once = all();
        assert_eq!(once[255], Ipv4Addr::new(240, 0, 255, 7));
        assert_eq!(all(), once);
    }

    #[test]
    fn subnets_stay_subnets_and_ports_stay() {
        for (text, expected) in [
            (
                "dial 172.28.0.2:443 from 172.28.0.9, 172.28.7.2",
                "dial 240.0.0.2:443 from 240.0.0.9, 240.0.1.2",
            ),
            ("10.244.0.0/16 via 10.244.3.1", "240.0.0.0/16 via 240.0.1.1"),
            ("[fd12::7]:443, fd12:0:0:1::7, fd12::/48", "[3fff:0:1::1]:443, 3fff:0:1:1::1, 3fff:0:1::/48"),
            ("ip-172-28-0-2 and 172.28.0.2.", "ip-240-0-0-2 and 240.0.0.2."),
            ("::ffff:172.28.0.2", "::ffff:240.0.0.2"),
            ("172.28.0.2-172.28.0.9", "240.0.0.2-240.0.0.9"),
            ("fe80::42:acff:fe1c:2%eth0", "fe80::1%eth0"),
            ("lladdr 02:42:ac:1c:00:02 REACHABLE", "lladdr 02:00:00:00:00:01 REACHABLE"),
        ] {
            assert_eq!(Addresses::default().text(text), expected);
        }
    }

    #[test]
    fn what_is_the_same_everywhere_or_no_address_stays() {
        for same in [
            "2026-11-21T02:56:32.435323Z",
            "W1121 02:56:32.435323    7396 a.go:217]",
            "v1.36.2",
            "127.0.0.1",
            "::",
            "ff:ff:ff:ff:ff:ff",
            "224.0.0.1",
            "ff02::1",
            "169.254.20.10",
        ] {
            assert_eq!(Addresses::default().text(same), same);
        }
    }

    #[test]
    fn an_address_has_one_replacement_however_it_is_written() {
        let mut addresses = Addresses::default();
        assert_eq!(addresses.text("fd12::7"), addresses.text("fd12:0:0::7"));
        let mut seen: Vec<_> = (0..=255).map(|c| addresses.v4(Ipv4Addr::new(10, 1, c, 9))).collect();
        seen.dedup();
        assert_eq!(seen.len(), 256);
        let pairs: Vec<_> = addresses.pairs().collect();
        assert!(pairs.contains(&("fd12::7".to_owned(), "3fff:0:1::1".to_owned())));
    }
}
