//! `conntrack -L`, `conntrack -L -o extended`, `/proc/net/nf_conntrack` and `conntrack -S`.
//!
//! Takes one line; gives the two directions of one connection as the kernel translates them, or counters.
//! Connections without ports (ICMP) are left out.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use super::build::Builder;
use super::{Counter, Translation};
use crate::bundle::SourceIndex;

/// `tcp 6 7 CLOSE src=A dst=V sport=1 dport=443 src=B dst=A sport=10250 dport=1 [ASSURED] …`
pub(super) fn entry(line: &str, source: SourceIndex) -> Option<Translation> {
    if !line.contains("src=") || !line.contains("dport=") {
        return None;
    }
    let mut ips: [Vec<IpAddr>; 2] = [Vec::new(), Vec::new()];
    let mut ports: [Vec<u16>; 2] = [Vec::new(), Vec::new()];
    let (mut protocol, mut before) = (None, "");
    for token in line.split_ascii_whitespace() {
        match token.split_once('=') {
            Some(("src", ip)) => ips[0].push(ip.parse().ok()?),
            Some(("dst", ip)) => ips[1].push(ip.parse().ok()?),
            Some(("sport", port)) => ports[0].push(port.parse().ok()?),
            Some(("dport", port)) => ports[1].push(port.parse().ok()?),
            None if protocol.is_none() && is_protocol(before) => protocol = token.parse().ok(),
            _ => {}
        }
        before = token;
    }
    let address =
        |side: usize, n: usize| Some(SocketAddr::new(*ips.get(side)?.get(n)?, *ports.get(side)?.get(n)?));
    Some(Translation {
        protocol: protocol?,
        original: (address(0, 0)?, address(1, 0)?),
        reply: (address(0, 1)?, address(1, 1)?),
        unreplied: line.contains("[UNREPLIED]"),
        source,
    })
}

fn is_protocol(word: &str) -> bool {
    matches!(word, "tcp" | "udp" | "sctp" | "dccp" | "udplite")
}

/// `cpu=0 found=1 invalid=2 insert=0 insert_failed=3 drop=0 …`, a line for each processor: added up over them.
#[derive(Default)]
pub(super) struct Statistics {
    /// Places of the counters in the map, by their names.
    places: HashMap<String, usize>,
}

impl Statistics {
    /// Takes a line; `false` if it is of another text.
    pub(super) fn line(&mut self, line: &str, b: &mut Builder<'_>, source: SourceIndex) -> bool {
        if !line.starts_with("cpu=") || !line.contains("insert_failed=") {
            return false;
        }
        for (name, value) in line.split_ascii_whitespace().filter_map(|t| t.split_once('=')) {
            let Ok(value) = value.parse::<u64>() else { continue };
            if value == 0 || name == "cpu" {
                continue;
            }
            if let Some(counter) = self.places.get(name).and_then(|&at| b.map.counters.get_mut(at)) {
                counter.value = counter.value.saturating_add(value);
                continue;
            }
            let counter = Counter { host: None, name: format!("conntrack_{name}"), value, source };
            let place = b.room.push(&mut b.map.counters, counter);
            self.places.extend(place.map(|at| (name.to_owned(), at)));
        }
        true
    }
}
