//! `ipvsadm -ln` and `ipvsadm -Sn`: virtual servers and their real servers.
//!
//! A virtual server without real servers rejects: the kernel answers with ICMP port unreachable
//! (`ip_vs_leave` in net/netfilter/ipvs/ip_vs_core.c).

use std::net::SocketAddr;

use super::Destination;
use super::build::Builder;
use crate::bundle::SourceIndex;

/// The listing while it is read.
#[derive(Default)]
pub(super) struct Ipvs {
    servers: Vec<(SocketAddr, Vec<SocketAddr>)>,
}

impl Ipvs {
    /// Takes a line; `false` if it is of another text.
    pub(super) fn line(&mut self, line: &str, b: &mut Builder<'_>, source: SourceIndex) -> bool {
        if self.servers.len() > 1 {
            // All but the last are complete; a rule of `-Sn` names its server each time.
            let last = self.servers.pop();
            std::mem::take(self).finish(b, source);
            self.servers.extend(last);
        }
        self.rule(line)
    }

    /// Takes a line without giving anything on.
    pub(super) fn rule(&mut self, line: &str) -> bool {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let parsed = |text: &&str| text.parse::<SocketAddr>().ok();
        match words.as_slice() {
            ["TCP" | "UDP" | "SCTP", address, ..] | ["-A", _, address, ..] => {
                self.servers.extend(parsed(address).map(|a| (a, Vec::new())));
            }
            ["->", address, ..] | ["-a", _, _, "-r", address, ..] => {
                if let (Some((_, reals)), Some(real)) = (self.servers.last_mut(), parsed(address)) {
                    reals.push(real);
                }
            }
            ["IP" | "Prot" | "FWM", ..] | [] => {}
            _ => return false,
        }
        true
    }

    /// Ends the listing.
    pub(super) fn finish(self, b: &mut Builder<'_>, source: SourceIndex) {
        for (address, backends) in self.servers {
            let rejects = backends.is_empty();
            b.destination(Destination { address, backends, rejects, service: None, source });
        }
    }
}
