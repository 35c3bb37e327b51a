//! Rules in chains (iptables-save, `iptables -nvL`, nft) followed from virtual to real addresses.
//!
//! Takes rules; gives one [`Destination`] for each virtual address and port: the DNAT targets that its chain reaches,
//! or that it rejects. The names of Services come from kube-proxy's comments.
//! kube-proxy: `KUBE-SERVICES` → `KUBE-SVC-*` → `KUBE-SEP-*`; "has no endpoints" in the filter table rejects.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};

use super::Destination;
use super::build::Builder;
use crate::bundle::SourceIndex;

/// What a rule does with a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// Goes on in a chain.
    Chain(String),
    /// Gets this destination.
    Dnat(SocketAddr),
    /// Is refused, or dropped because the Service has no endpoints.
    Reject,
}

/// One rule, as far as it matters here.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    /// Destination address and port that it asks for.
    pub(super) address: Option<SocketAddr>,
    /// What it does.
    pub(super) target: Target,
    /// `namespace/name` of the Service.
    pub(super) service: Option<String>,
}

/// All chains of one file.
pub(super) struct Chains {
    /// By chain.
    rules: HashMap<String, Vec<Rule>>,
    /// Rules that ask for an address and port, in file order.
    entries: Vec<Rule>,
    /// Rules that may still be kept, and how many were not.
    left: u64,
    dropped: u64,
}

impl Chains {
    /// No rule yet, and room for `most`.
    pub(super) fn new(most: u64) -> Self {
        Self { rules: HashMap::new(), entries: Vec::new(), left: most, dropped: 0 }
    }

    /// Adds a rule to a chain.
    pub(super) fn add(&mut self, chain: &str, rule: Rule) {
        if self.left == 0 {
            self.dropped += 1;
            return;
        }
        self.left -= 1;
        if rule.address.is_some() {
            self.entries.push(rule.clone());
        }
        self.rules.entry(chain.to_owned()).or_default().push(rule);
    }

    /// A line of `iptables-save`: whether it was understood, or nothing if it is of another text.
    pub(super) fn save_line(&mut self, line: &str) -> Option<bool> {
        match line.as_bytes().first() {
            None | Some(b'#' | b':' | b'*' | b'[') => Some(true),
            Some(b'-') => {
                if let Some((chain, rule)) = save_rule(line) {
                    self.add(&chain, rule);
                }
                Some(true)
            }
            _ if line == "COMMIT" => Some(true),
            _ => None,
        }
    }

    /// Follows every entry to its real addresses.
    pub(super) fn resolve(self, b: &mut Builder<'_>, source: SourceIndex) {
        let mut walk = Walk::default();
        for entry in &self.entries {
            let Some(address) = entry.address else { continue };
            let (mut backends, mut service) = (Vec::new(), entry.service.clone());
            match &entry.target {
                Target::Dnat(to) => backends.push(*to),
                Target::Reject => {}
                Target::Chain(chain) => {
                    walk.start(service);
                    self.collect(chain, 0, &mut walk);
                    (backends, service) = (std::mem::take(&mut walk.backends), walk.service.take());
                }
            }
            let rejects = entry.target == Target::Reject;
            if rejects || !backends.is_empty() {
                b.destination(Destination { address, backends, rejects, service, source });
            }
        }
        b.room.chains_cut |= walk.cut;
        b.room.dropped += self.dropped;
    }

    fn collect<'c>(&'c self, chain: &'c str, depth: u8, walk: &mut Walk<'c>) {
        if walk.seen.contains(chain) {
            return;
        }
        if walk.seen.len() >= MAX_CHAINS_OF_ONE || depth >= MAX_DEPTH {
            walk.cut = true;
            return;
        }
        walk.seen.insert(chain);
        for rule in self.rules.get(chain).map_or(&[][..], Vec::as_slice) {
            walk.work += 1;
            if walk.work > MAX_WORK {
                walk.cut = true;
                return;
            }
            match &rule.target {
                Target::Dnat(to) => {
                    if walk.service.is_none() {
                        walk.service.clone_from(&rule.service);
                    }
                    if walk.known.insert(*to) {
                        walk.backends.push(*to);
                    }
                }
                Target::Chain(next) => self.collect(next, depth + 1, walk),
                Target::Reject => {}
            }
        }
    }
}

/// The way from a virtual address to its real ones.
#[derive(Default)]
struct Walk<'c> {
    /// Chains that it led through.
    seen: HashSet<&'c str>,
    /// Real addresses in the order of the rules, and the same to look one up.
    backends: Vec<SocketAddr>,
    known: HashSet<SocketAddr>,
    service: Option<String>,
    /// Rules followed, for all virtual addresses of a file.
    work: usize,
    /// Not every rule was followed.
    cut: bool,
}

impl Walk<'_> {
    fn start(&mut self, service: Option<String>) {
        self.seen.clear();
        self.known.clear();
        self.service = service;
    }
}

/// `-A KUBE-SERVICES -d 10.96.0.1/32 -p tcp -m comment --comment "default/kubernetes:https cluster IP" -m tcp --dport 443 -j KUBE-SVC-X`
fn save_rule(line: &str) -> Option<(String, Rule)> {
    let words = words(line);
    let after = |flag: &str| {
        let at = words.iter().position(|w| w == flag)?;
        let negated = at.checked_sub(1).and_then(|n| words.get(n)).is_some_and(|w| w == "!");
        words.get(at + 1).filter(|_| !negated).map(String::as_str)
    };
    let chain = after("-A")?.to_owned();
    let comment = after("--comment").unwrap_or_default();
    let target = match after("-j").or_else(|| after("-g"))? {
        "DNAT" => Target::Dnat(after("--to-destination")?.parse().ok()?),
        "REJECT" => Target::Reject,
        "DROP" if comment.contains("no endpoints") || comment.contains("no local endpoints") => {
            Target::Reject
        }
        "ACCEPT" | "DROP" | "RETURN" | "MASQUERADE" | "MARK" | "SNAT" | "LOG" => return None,
        next => Target::Chain(next.to_owned()),
    };
    let address = after("-d").and_then(single_ip).zip(after("--dport").and_then(|p| p.parse().ok()));
    let address = address.map(|(ip, port)| SocketAddr::new(ip, port));
    Some((chain, Rule { address, target, service: service_of_comment(comment) }))
}

/// `10.96.0.1/32` or `10.96.0.1`: one host.
pub(super) fn single_ip(text: &str) -> Option<IpAddr> {
    let (ip, bits) = text.split_once('/').map_or((text, None), |(ip, bits)| (ip, Some(bits)));
    let ip: IpAddr = ip.parse().ok()?;
    let whole = if ip.is_ipv4() { "32" } else { "128" };
    bits.is_none_or(|b| b == whole).then_some(ip)
}

/// `ns/name:port cluster IP`, `ns/name has no endpoints`: the Service.
pub(super) fn service_of_comment(comment: &str) -> Option<String> {
    let first = comment.split(' ').next()?;
    let service = first.split_once(':').map_or(first, |(s, _)| s);
    let (namespace, name) = service.split_once('/')?;
    let plain = |s: &str| {
        !s.is_empty() && s.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.' | b'_'))
    };
    (plain(namespace) && plain(name)).then(|| service.to_owned())
}

/// Words of a rule; a quoted one may hold spaces.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() && words.len() < MAX_WORDS {
        let (word, tail) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => rest.split_once(' ').unwrap_or((rest, "")),
        };
        words.push(word.to_owned());
        rest = tail.trim_start();
    }
    words
}

/// `iptables -nvL` and `iptables -nL`: chains with a header of their own.
pub(super) struct Listing {
    chain: String,
    /// Column of the target: 2 with counters, 0 without.
    target: usize,
}

impl Listing {
    /// `Chain KUBE-SERVICES (2 references)`
    pub(super) fn header(line: &str) -> Option<Self> {
        let (chain, rest) = line.strip_prefix("Chain ")?.split_once(" (")?;
        (rest.contains("references)") || rest.starts_with("policy "))
            .then(|| Self { chain: chain.to_owned(), target: 0 })
    }

    /// A line below the header: whether it was understood, or nothing if it is of another text.
    pub(super) fn line(&mut self, line: &str, chains: &mut Chains) -> Option<bool> {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        match words.as_slice() {
            [] => return Some(true),
            ["pkts", "bytes", "target", ..] => self.target = 2,
            ["target", "prot", ..] => self.target = 0,
            _ if words.len() < 5 => return None,
            _ => {
                if let Some(rule) = self.rule(line, &words) {
                    chains.add(&self.chain, rule);
                }
            }
        }
        Some(true)
    }

    fn rule(&self, line: &str, words: &[&str]) -> Option<Rule> {
        let target = *words.get(self.target)?;
        let destination = words.get(if self.target == 2 { 8 } else { 4 })?;
        let comment = line.split_once("/* ").and_then(|(_, c)| c.split_once(" */")).map_or("", |(c, _)| c);
        let after = |prefix: &str| words.iter().find_map(|w| w.strip_prefix(prefix));
        let target = match target {
            "DNAT" => Target::Dnat(after("to:")?.parse().ok()?),
            "REJECT" => Target::Reject,
            "ACCEPT" | "DROP" | "RETURN" | "MASQUERADE" | "MARK" | "SNAT" | "LOG" => return None,
            next => Target::Chain(next.to_owned()),
        };
        let port = after("dpt:").and_then(|p| p.parse().ok());
        let address = single_ip(destination).zip(port).map(|(ip, port)| SocketAddr::new(ip, port));
        Some(Rule { address, target, service: service_of_comment(comment) })
    }
}

/// Chains that one virtual address is followed through: a Service has one for each of its endpoints, of which large ones
/// have thousands.
pub(super) const MAX_CHAINS_OF_ONE: usize = 65_536;
/// Chains that lead into each other; kube-proxy has four.
const MAX_DEPTH: u8 = 32;
/// Rules followed in all, so that no file makes this quadratic.
pub(super) const MAX_WORK: usize = 20_000_000;
/// Words of one rule.
const MAX_WORDS: usize = 128;
