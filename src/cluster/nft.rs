//! `nft list ruleset`: kube-proxy's maps and chains, and plain rules with `ip daddr … dport … dnat to …`.
//!
//! Takes the lines from `table … {` to its closing brace; gives rules to [`Chains`].
//! kube-proxy in nftables mode: the map `service-ips` (address . protocol . port : goto service-…), the map
//! `no-endpoint-services`, chains `service-HASH-ns/name/proto/port` and `endpoint-…` with `dnat to`.

use std::net::{IpAddr, SocketAddr};

use super::chains::{Chains, Rule, Target, service_of_comment, single_ip};

/// One table while it is read.
#[derive(Default)]
pub(super) struct Nft {
    depth: usize,
    /// Name of the chain or map that the lines are in.
    block: String,
    is_chain: bool,
    began: bool,
}

impl Nft {
    /// Takes a line; whether it held a rule or a name.
    pub(super) fn line(&mut self, line: &str, chains: &mut Chains) -> bool {
        let text = line.trim();
        let (open, close) = braces(text);
        self.began |= open > 0;
        if self.depth == 1 && open > close {
            let mut words = text.split_ascii_whitespace();
            self.is_chain = words.next() == Some("chain");
            words.next().unwrap_or_default().clone_into(&mut self.block);
        } else if self.depth >= 2 && self.is_chain {
            self.chain_rule(text, chains);
        } else if self.depth >= 2 {
            self.elements(text, chains);
        }
        self.depth = (self.depth + open).saturating_sub(close);
        self.began
    }

    /// The table's closing brace was read.
    pub(super) fn is_done(&self) -> bool {
        self.began && self.depth == 0
    }

    /// `meta l4proto tcp dnat to 10.0.0.1:443`, `ip daddr 10.96.0.1 tcp dport 443 … jump KUBE-SVC-X`,
    /// `numgen random mod 2 vmap { 0 : goto endpoint-A, 1 : goto endpoint-B }`
    fn chain_rule(&self, text: &str, chains: &mut Chains) {
        let words: Vec<&str> = text.split([' ', ',', '\t']).filter(|w| !w.is_empty()).collect();
        let after =
            |name: &str| words.iter().position(|w| *w == name).and_then(|at| words.get(at + 1)).copied();
        let comment =
            text.split_once("comment \"").and_then(|(_, c)| c.split_once('"')).map_or("", |(c, _)| c);
        let named = service_of_comment(comment).or_else(|| service_of_chain(&self.block));
        let address = after("daddr").and_then(single_ip).zip(after("dport").and_then(|p| p.parse().ok()));
        let address = address.map(|(ip, port)| SocketAddr::new(ip, port));
        let mut add = |target| chains.add(&self.block, Rule { address, target, service: named.clone() });
        if let Some(at) = words.iter().position(|w| *w == "dnat") {
            let to = words.iter().skip(at).skip_while(|w| **w != "to").nth(1);
            if let Some(to) = to.and_then(|t| t.parse().ok()) {
                add(Target::Dnat(to));
            }
        }
        for (at, word) in words.iter().enumerate() {
            match (*word, words.get(at + 1)) {
                ("goto" | "jump", Some(next)) => add(Target::Chain((*next).to_owned())),
                ("reject", _) if address.is_some() => add(Target::Reject),
                _ => {}
            }
        }
    }

    /// `10.96.0.1 . tcp . 443 : goto service-X` and `10.96.0.2 . tcp . 443 comment "ns/name:p" : goto reject-chain`
    fn elements(&self, text: &str, chains: &mut Chains) {
        let text = text.strip_prefix("elements = {").unwrap_or(text).trim_end_matches('}');
        for element in text.split(',').filter(|e| e.contains(" . ")) {
            if let Some(rule) = self.element(element.trim()) {
                chains.add(&self.block, rule);
            }
        }
    }

    fn element(&self, text: &str) -> Option<Rule> {
        let (key, verdict) = text.rsplit_once(" : ")?;
        let (key, comment) = key.split_once(" comment \"").unwrap_or((key, ""));
        let mut parts = key.split(" . ");
        let ip: IpAddr = parts.next()?.trim().parse().ok()?;
        let port = parts.nth(1)?.trim().parse().ok()?;
        let verdict = verdict.trim();
        let chain = verdict.strip_prefix("goto ").or_else(|| verdict.strip_prefix("jump "));
        let target = match chain {
            Some(chain) if chain != "reject-chain" => Target::Chain(chain.to_owned()),
            Some(_) => Target::Reject,
            None if verdict == "drop" && self.block.contains("no-endpoint") => Target::Reject,
            None => return None,
        };
        let service = service_of_comment(comment.trim_end_matches('"'));
        let service = service.or_else(|| chain.and_then(service_of_chain));
        Some(Rule { address: Some(SocketAddr::new(ip, port)), target, service })
    }
}

/// `service-2QRHZV4L-default/kubernetes/tcp/https`: the Service.
fn service_of_chain(chain: &str) -> Option<String> {
    let rest = chain.strip_prefix("service-").or_else(|| chain.strip_prefix("endpoint-"))?;
    let mut parts = rest.split_once('-')?.1.split('/');
    Some(format!("{}/{}", parts.next()?, parts.next()?))
}

/// Opening and closing braces outside quotes.
fn braces(text: &str) -> (usize, usize) {
    let (mut open, mut close, mut quoted) = (0, 0, false);
    for byte in text.bytes() {
        match byte {
            b'"' => quoted = !quoted,
            b'{' if !quoted => open += 1,
            b'}' if !quoted => close += 1,
            _ => {}
        }
    }
    (open, close)
}
