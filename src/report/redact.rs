//! Replaces addresses and names consistently, so that a report can leave the house.
//!
//! Takes what was read (to learn which names there are) and gives a [`Redactor`] for text: the same original always
//! becomes the same replacement, subnets stay subnets, ports and times stay. Names are those that objects, logs and
//! packets name: hosts, nodes, pods, namespaces, Services, webhooks, server names, certificate names. A word that no
//! object or packet names (a user in a log line) is not known and stays; `--redact` says so in the manual.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use aho_corasick::{AhoCorasick, MatchKind};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::correlate::World;

/// Replaces what it knows in any text.
#[derive(Debug, Default)]
pub struct Redactor {
    searcher: Option<AhoCorasick>,
    replacements: Vec<String>,
    names: BTreeMap<String, String>,
    nets4: BTreeMap<[u8; 3], u32>,
    nets6: BTreeMap<[u8; 8], u32>,
    hosts6: BTreeMap<Ipv6Addr, u32>,
    addresses: BTreeMap<String, String>,
}

impl Redactor {
    /// Learns the names and addresses of a world.
    pub fn new(world: &World) -> Self {
        let mut redactor = Self::default();
        let ends = world.wire.flows.iter().flat_map(|f| [f.orig.ip(), f.resp.ip()]);
        // In order of address, so that every command gives the same replacements for the same input.
        for ip in ends.collect::<BTreeSet<_>>() {
            redactor.address(ip);
        }
        for (kind, names) in names(world) {
            for (n, name) in names.into_iter().enumerate() {
                redactor.names.entry(name).or_insert_with(|| format!("{kind}-{}", n + 1));
            }
        }
        redactor.replacements = redactor.names.values().cloned().collect();
        redactor.searcher = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .ascii_case_insensitive(true)
            .build(redactor.names.keys())
            .ok();
        redactor
    }

    /// The text with names and addresses replaced.
    pub fn text(&mut self, text: &str) -> String {
        let named = self.named(text);
        self.addressed(&named)
    }

    /// A value with all its strings replaced.
    ///
    /// # Errors
    /// When the value cannot be written as JSON and read back.
    pub fn value<T: Serialize + DeserializeOwned>(&mut self, value: &T) -> serde_json::Result<T> {
        let mut tree = serde_json::to_value(value)?;
        self.walk(&mut tree);
        serde_json::from_value(tree)
    }

    /// Originals and replacements, one a line, for whoever keeps the key.
    pub fn map(&self) -> String {
        let all = self.names.iter().chain(&self.addresses);
        let mut lines: Vec<_> =
            all.map(|(original, replacement)| format!("{original}\t{replacement}")).collect();
        lines.push(String::new());
        lines.join("\n")
    }

    fn walk(&mut self, tree: &mut serde_json::Value) {
        match tree {
            serde_json::Value::String(text) => *text = self.text(text),
            serde_json::Value::Array(items) => items.iter_mut().for_each(|item| self.walk(item)),
            serde_json::Value::Object(map) => map.values_mut().for_each(|item| self.walk(item)),
            _ => {}
        }
    }

    fn named(&self, text: &str) -> String {
        let Some(searcher) = &self.searcher else { return text.to_owned() };
        let inside = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
        let (mut out, mut copied) = (String::with_capacity(text.len()), 0);
        for found in searcher.find_iter(text) {
            let before = found.start().checked_sub(1).and_then(|n| text.as_bytes().get(n));
            if inside(before) || inside(text.as_bytes().get(found.end())) {
                continue;
            }
            let replacement = self.replacements.get(found.pattern().as_usize());
            out.push_str(text.get(copied..found.start()).unwrap_or_default());
            out.push_str(replacement.map_or("name", String::as_str));
            copied = found.end();
        }
        out.push_str(text.get(copied..).unwrap_or_default());
        out
    }

    /// Replaces every run of characters that reads as an address, also with dashes for dots as in node names.
    fn addressed(&mut self, text: &str) -> String {
        let of_address = |c: char| c.is_ascii_hexdigit() || matches!(c, '.' | ':' | '-');
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find(of_address) {
            let (before, run) = rest.split_at(start);
            out.push_str(before);
            let length = run.find(|c| !of_address(c)).unwrap_or(run.len());
            let (run, after) = run.split_at(length);
            out.push_str(&self.run(run));
            rest = after;
        }
        out.push_str(rest);
        out
    }

    fn run(&mut self, run: &str) -> String {
        let core = run.trim_end_matches(['.', ':', '-']);
        if let Some(ip) = core.parse::<Ipv6Addr>().ok().filter(|_| core.len() > 2) {
            return self.address(IpAddr::V6(ip)) + &run[core.len()..];
        }
        let mut out = String::with_capacity(run.len());
        for part in run.split_inclusive(':') {
            let end = part.trim_end_matches([':', '.', '-']).len();
            let (text, tail) = part.split_at(end);
            out += &self.dotted_or_dashed(text);
            out += tail;
        }
        out
    }

    /// `172.28.0.2`, `172-28-0-2`, or either behind dashes that belong to another word (`ip-172-28-0-2`).
    fn dotted_or_dashed(&mut self, text: &str) -> String {
        if let Ok(ip) = text.parse::<Ipv4Addr>() {
            return self.address(IpAddr::V4(ip));
        }
        if let Some(ip) =
            (!text.contains('.')).then(|| text.replace('-', ".").parse::<Ipv4Addr>().ok()).flatten()
        {
            return self.address(IpAddr::V4(ip)).replace('.', "-");
        }
        // Only the last four numbers can be an address: what stands before them is another word.
        let words = text.split('-').count();
        let Some((at, _)) = text.match_indices('-').nth(words.wrapping_sub(5)) else {
            return text.to_owned();
        };
        let (word, rest) = text.split_at(at + 1);
        match rest.replace('-', ".").parse::<Ipv4Addr>() {
            Ok(ip) => format!("{word}{}", self.address(IpAddr::V4(ip)).replace('.', "-")),
            Err(_) => text.to_owned(),
        }
    }

    /// The replacement of an address. Loopback and unspecified addresses tell nothing and stay.
    fn address(&mut self, ip: IpAddr) -> String {
        if ip.is_loopback() || ip.is_unspecified() {
            return ip.to_string();
        }
        let replacement = match ip {
            IpAddr::V4(ip) => {
                let [a, b, c, host] = ip.octets();
                let next = self.nets4.len() as u32 + 1;
                let net = *self.nets4.entry([a, b, c]).or_insert(next);
                IpAddr::V4(Ipv4Addr::new(10, (net >> 8) as u8, net as u8, host))
            }
            IpAddr::V6(ip) => {
                let octets = ip.octets();
                let prefix = octets.first_chunk::<8>().copied().unwrap_or_default();
                let (next_net, next_host) = (self.nets6.len() as u32 + 1, self.hosts6.len() as u32 + 1);
                let net = *self.nets6.entry(prefix).or_insert(next_net);
                let host = *self.hosts6.entry(ip).or_insert(next_host);
                let half = |n: u32| [(n >> 16) as u16, n as u16];
                let ([n1, n0], [h1, h0]) = (half(net), half(host));
                IpAddr::V6(Ipv6Addr::new(0xfd00, 0, n1, n0, 0, 0, h1, h0))
            }
        };
        self.addresses.insert(ip.to_string(), replacement.to_string());
        replacement.to_string()
    }
}

/// Passes whole lines through a redactor: for output too large to hold.
pub struct Lines<'a> {
    redactor: &'a mut Redactor,
    out: &'a mut (dyn Write + Send),
    pending: Vec<u8>,
}

impl<'a> Lines<'a> {
    /// Writes to `out` what is written here, redacted.
    pub fn new(redactor: &'a mut Redactor, out: &'a mut (dyn Write + Send)) -> Self {
        Self { redactor, out, pending: Vec::new() }
    }
}

impl Write for Lines<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pending.extend_from_slice(bytes);
        if let Some(end) = self.pending.iter().rposition(|b| *b == b'\n') {
            let rest = self.pending.split_off(end + 1);
            let lines = std::mem::replace(&mut self.pending, rest);
            self.out.write_all(self.redactor.text(&String::from_utf8_lossy(&lines)).as_bytes())?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let rest = std::mem::take(&mut self.pending);
        self.out.write_all(self.redactor.text(&String::from_utf8_lossy(&rest)).as_bytes())?;
        self.out.flush()
    }
}

/// Every name by kind, in order of the alphabet.
fn names(world: &World) -> BTreeMap<&'static str, BTreeSet<String>> {
    let mut names = Names::default();
    let cluster = &world.cluster;
    for service in &cluster.services {
        names.add("service", &service.name);
        names.add("namespace", &service.namespace);
    }
    for endpoint in &cluster.endpoints {
        names.add("service", &endpoint.service);
        names.add("namespace", &endpoint.namespace);
        names.path("pod", endpoint.pod.as_deref());
        names.add("node", endpoint.node.as_deref().unwrap_or_default());
    }
    for pod in &cluster.pods {
        names.add("pod", &pod.name);
        names.add("namespace", &pod.namespace);
    }
    for node in &cluster.nodes {
        names.add("node", &node.name);
    }
    for callee in &cluster.callees {
        names.add("webhook", &callee.name);
        names.add("configuration", &callee.configuration);
        names.host(callee.url.as_deref().and_then(|u| u.split(['/', ':']).nth(3)).unwrap_or_default());
    }
    names.of_logs(world);
    names.of_packets(world);
    names.0
}

#[derive(Default)]
struct Names(BTreeMap<&'static str, BTreeSet<String>>);

impl Names {
    fn add(&mut self, kind: &'static str, name: &str) {
        let plain = PLAIN.contains(&name) || name.parse::<IpAddr>().is_ok();
        if name.len() >= SHORTEST && !plain {
            self.0.entry(kind).or_default().insert(name.to_owned());
        }
    }

    /// `namespace/name`.
    fn path(&mut self, kind: &'static str, path: Option<&str>) {
        if let Some((namespace, name)) = path.and_then(|p| p.split_once('/')) {
            self.add("namespace", namespace);
            self.add(kind, name);
        }
    }

    /// A host name; one of a Service is its parts, so that the Service is the same wherever it is named.
    fn host(&mut self, host: &str) {
        let mut labels = host.split('.');
        match (labels.next(), labels.next(), labels.next()) {
            (Some(service), Some(namespace), Some("svc")) => {
                self.add("service", service);
                self.add("namespace", namespace);
            }
            _ => self.add("name", host.trim_start_matches("*.")),
        }
    }

    fn of_logs(&mut self, world: &World) {
        for event in &world.logs.events {
            let fields = &event.fields;
            self.add("webhook", fields.webhook.as_deref().unwrap_or_default());
            self.add("node", fields.node.as_deref().unwrap_or_default());
            self.host(fields.url.as_ref().map_or("", |u| u.host.as_str()));
            self.host(fields.dns_name.as_deref().unwrap_or_default());
            self.path("service", fields.service.as_deref());
            self.path("pod", event.pod.as_deref());
        }
        let hosts = world.logs.reports.iter().filter_map(|r| r.host.as_deref());
        let captured = world.wire.captures.iter().filter_map(|c| c.set.host.as_deref());
        let known = world.cluster.host_addresses.iter().map(|(host, _)| host.as_str());
        for host in hosts.chain(captured).chain(known) {
            self.add("node", host);
        }
    }

    fn of_packets(&mut self, world: &World) {
        for flow in &world.wire.flows {
            for lookup in flow.app.dns.iter().flat_map(|d| &d.lookups) {
                self.host(&lookup.name);
            }
            self.host(flow.app.session.http.as_ref().and_then(|h| h.host.as_deref()).unwrap_or_default());
            let Some(tls) = &flow.app.session.tls else { continue };
            let sni = tls.client_hello.as_ref().and_then(|h| h.shape.sni.as_deref());
            self.host(sni.unwrap_or_default());
            for certificate in tls.certificates.iter().chain(&tls.client_certificates) {
                certificate.sans.iter().for_each(|name| self.host(name));
                for part in
                    [&certificate.subject, &certificate.issuer].into_iter().flat_map(|n| n.split([',', '+']))
                {
                    let value = part.split_once('=').map_or("", |(_, value)| value.trim());
                    if value.contains('.') { self.host(value) } else { self.add("certificate", value) }
                }
            }
        }
    }
}

/// Names shorter than this are too common as parts of other text.
const SHORTEST: usize = 4;

/// Words of the format and of every cluster: they tell nothing of whose cluster it is.
const PLAIN: [&str; 24] = [
    "kube-system",
    "kube-public",
    "default",
    "kubernetes",
    "localhost",
    "webhook",
    "service",
    "server",
    "client",
    "target",
    "backend",
    "kube-apiserver",
    "etcd",
    "kubelet",
    "proxy",
    "name",
    "node",
    "host",
    "system",
    "validate",
    "mutate",
    "certificate",
    "namespace",
    "attempt",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Service;

    fn redactor() -> Redactor {
        let mut world = World::default();
        let service = Service {
            namespace: "acme-prod".to_owned(),
            name: "billing-hook".to_owned(),
            ..Service::default()
        };
        world.cluster.services.push(service);
        Redactor::new(&world)
    }

    #[test]
    fn the_same_original_is_the_same_replacement_and_subnets_stay() {
        let mut redactor = redactor();
        let text = redactor.text(
            "dial 172.28.0.2:443 from 172.28.0.9, https://billing-hook.acme-prod.svc:443/x [fd12::7]:443",
        );
        assert_eq!(
            text,
            "dial 10.0.1.2:443 from 10.0.1.9, https://service-1.namespace-1.svc:443/x [fd00:0:0:1::1]:443"
        );
        assert_eq!(redactor.text("ip-172-28-0-2 and 172.28.1.2."), "ip-10-0-1-2 and 10.0.2.2.");
        assert_eq!(redactor.text("fd12::7"), redactor.text("fd12:0:0::7"));
        assert!(redactor.map().contains("172.28.0.2\t10.0.1.2\n"));
    }

    #[test]
    fn times_versions_and_plain_words_stay() {
        let mut redactor = redactor();
        for same in [
            "2026-11-21T02:56:32.435323Z",
            "W1121 02:56:32.435323    7396 a.go:217]",
            "v1.36.2",
            "127.0.0.1",
            "::",
        ] {
            assert_eq!(redactor.text(same), same);
        }
    }

    #[test]
    fn lines_are_redacted_whole_however_they_are_written() {
        let (mut redactor, mut out) = (redactor(), Vec::new());
        let mut lines = Lines::new(&mut redactor, &mut out);
        for part in ["{\"a\":\"172.2", "8.0.2\"}\n{\"b\":\"bill", "ing-hook\"}"] {
            lines.write_all(part.as_bytes()).expect("a Vec takes all");
        }
        lines.flush().expect("a Vec takes all");
        assert_eq!(String::from_utf8(out).expect("UTF-8"), "{\"a\":\"10.0.1.2\"}\n{\"b\":\"service-1\"}");
    }
}
