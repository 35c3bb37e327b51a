//! Replaces addresses and names consistently, so that a report can leave the house.
//!
//! Takes what was read (to learn which names there are: `names`) and gives a [`Redactor`] for text, for values and,
//! with `frames`, for packets and, with `lines`, for records: the same original always becomes the same replacement in whatever is written, subnets
//! stay subnets, ports and times stay. Known are the names that objects, logs and packets give to hosts, nodes, pods,
//! namespaces, Services, webhooks, servers, certificates, users and accounts, and words in names of folders and files and
//! behind the numbers of versions; a word that nothing points to as a name (a policy's reason in free text) is not known and
//! stays, and so does a name made of words of every cluster (`cloud-images`). `--redact` says so in the manual.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::cluster::ClusterMap;
use crate::correlate::World;
use crate::flow::Dir;

mod addresses;
mod checksums;
mod frames;
mod lines;
mod names;
mod plain;
mod search;

pub use addresses::Addresses;
pub use frames::{Redacted, frame};
pub use lines::JsonLines;

use search::{Mode, Searches};

/// Replaces what it knows in any text.
#[derive(Debug, Default)]
pub struct Redactor {
    /// What replaces addresses.
    pub addresses: Addresses,
    names: BTreeMap<Arc<str>, Arc<str>>,
    /// Names given out, by kind.
    counts: BTreeMap<&'static str, usize>,
    search: Searches,
    /// Names of folders and files, and values of queries, which are names only there.
    places: BTreeMap<Arc<str>, Arc<str>>,
    place_search: Searches,
    file_search: Searches,
}

impl Redactor {
    /// Learns the names and addresses of a world, so that every command gives the same replacements for the same input.
    pub fn new(world: &World) -> Self {
        let mut redactor = Self::default();
        let names = names::Names::of(world);
        redactor.learn(names);
        let mut ips = BTreeSet::new();
        for block in 0..world.wire.flows.blocks() {
            world.wire.flows.each(block, |record| {
                ips.extend([Dir::Orig, Dir::Resp].map(|dir| record.brief().endpoint(dir).ip()));
            });
        }
        for ip in ips {
            redactor.addresses.ip(ip);
        }
        addresses_of(&world.cluster).for_each(|ip| redactor.addresses.know(ip));
        let lines = world.logs.events.iter().flat_map(|e| &e.lines);
        let unrecognised = world.logs.reports.iter().flat_map(|r| &r.unrecognised_lines);
        for line in lines.chain(unrecognised) {
            redactor.addresses.text(&line.text.to_string());
        }
        redactor
    }

    /// An underscore stands in no name of a host or an object: what it is in is a replacement.
    fn learn(&mut self, mut names: names::Names) {
        let places = [names::FOLDER, names::VALUE, names::FILE];
        let places = places.map(|kind| (kind, names.0.remove(kind).unwrap_or_default()));
        for (kind, names) in names.0 {
            for name in names {
                let name = name.to_ascii_lowercase();
                if !self.names.contains_key(name.as_str()) {
                    let count = self.counts.entry(kind).or_default();
                    *count += 1;
                    let new = format!("{kind}_{count}");
                    self.know(name, &new);
                }
            }
        }
        for (kind, names) in places {
            for name in names {
                // A file may be called after a node or a pod, and by nothing else.
                if kind == names::FILE && plain::is_usual_file(&self.search.replace(&name, Mode::Bundle)) {
                    continue;
                }
                let name: Arc<str> = name.to_ascii_lowercase().into();
                if !self.names.contains_key(&name) && !self.places.contains_key(&name) {
                    let count = self.counts.entry(kind).or_default();
                    *count += 1;
                    let new: Arc<str> = format!("{kind}_{count}").into();
                    let search =
                        if kind == names::FILE { &mut self.file_search } else { &mut self.place_search };
                    search.add(name.clone(), new.clone());
                    self.places.insert(name, new);
                }
            }
        }
    }

    /// A name that stands in nothing that was read, such as that of a bundle.
    pub fn add(&mut self, name: &str, replacement: &str) {
        if names::Names::tells(name) {
            self.know(name.to_ascii_lowercase(), replacement);
        }
    }

    fn know(&mut self, name: String, replacement: &str) {
        let (name, new): (Arc<str>, Arc<str>) = (name.into(), replacement.into());
        self.search.add(name.clone(), new.clone());
        self.names.insert(name, new);
    }

    /// The text with names and addresses replaced.
    pub fn text(&mut self, text: &str) -> String {
        let mut found = names::Names::default();
        found.of_text(text);
        self.learn(found);
        self.replaced(text, Mode::Bundle)
    }

    /// The same for sentences of the program and of rules, in which plain words stay.
    pub fn prose(&mut self, text: &str) -> String {
        self.replaced(text, Mode::Prose)
    }

    /// A value with all its strings replaced but those that are words of the program.
    ///
    /// # Errors
    /// When the value cannot be written as JSON and read back.
    pub fn value<T: Serialize + DeserializeOwned>(&mut self, value: &T) -> serde_json::Result<T> {
        let mut tree = serde_json::to_value(value)?;
        let mut found = names::Names::default();
        each_text(&tree, &mut |text| found.of_text(text));
        self.learn(found);
        self.walk(&mut tree, "");
        serde_json::from_value(tree)
    }

    /// Originals and replacements, one a line, for whoever keeps the key.
    pub fn map(&self) -> String {
        let names =
            self.names.iter().chain(&self.places).map(|(name, new)| (name.to_string(), new.to_string()));
        let lines = names.chain(self.addresses.pairs());
        lines
            .flat_map(|(original, replacement)| [original, "\t".to_owned(), replacement, "\n".to_owned()])
            .collect()
    }

    fn walk(&mut self, tree: &mut Value, key: &str) {
        match tree {
            Value::String(text) => *text = self.of_key(text, key),
            Value::Array(items) => items.iter_mut().for_each(|item| self.walk(item, key)),
            Value::Object(map) => {
                // A cut line may end within a name, which would not be known as it.
                let cut = map.get("truncated").and_then(Value::as_bool) == Some(true);
                if let Some(Value::String(text)) = map.get_mut("text").filter(|_| cut) {
                    text.truncate(text.rfind(char::is_whitespace).unwrap_or(0));
                }
                map.iter_mut().for_each(|(key, item)| self.walk(item, key));
            }
            _ => {}
        }
    }

    fn of_key(&mut self, text: &str, key: &str) -> String {
        match key {
            "version" if text.starts_with("TLS ") => text.to_owned(),
            _ if VOCABULARY.contains(&key) => text.to_owned(),
            _ if PROSE.contains(&key) => self.replaced(text, Mode::Prose),
            _ => self.replaced(text, Mode::Bundle),
        }
    }

    fn replaced(&mut self, text: &str, mode: Mode) -> String {
        let filed = self.file_search.replace(text, Mode::File);
        let placed = self.place_search.replace(&filed, Mode::Place);
        let named = self.search.replace(&placed, mode);
        self.addresses.text(&named)
    }
}

/// Addresses that objects and host state tell of.
fn addresses_of(cluster: &ClusterMap) -> impl Iterator<Item = IpAddr> {
    let services = cluster.services.iter().flat_map(|s| s.cluster_ips.iter().chain(&s.external_ips));
    let pods = cluster.pods.iter().flat_map(|pod| &pod.ips);
    let nodes = cluster.nodes.iter().flat_map(|node| &node.ips);
    let hosts = cluster.host_addresses.iter().map(|(_, ip)| ip);
    let endpoints = cluster.endpoints.iter().map(|endpoint| endpoint.address.ip());
    services.chain(pods).chain(nodes).chain(hosts).copied().chain(endpoints)
}

fn each_text(tree: &Value, each: &mut dyn FnMut(&str)) {
    match tree {
        Value::String(text) => each(text),
        Value::Array(items) => items.iter().for_each(|item| each_text(item, each)),
        Value::Object(map) => {
            map.iter()
                .filter(|(key, _)| !PROSE.contains(&key.as_str()))
                .for_each(|(_, item)| each_text(item, each));
        }
        _ => {}
    }
}

/// Keys whose values are words of the program and not of the bundle.
const VOCABULARY: [&str; 32] = [
    "schema",
    "type",
    "kind",
    "status",
    "verdict",
    "cause",
    "rule",
    "rules_digest",
    "severity",
    "standing",
    "confidence",
    "edge",
    "event",
    "key",
    "role",
    "what",
    "shown_by",
    "link_types",
    "conn_state",
    "history",
    "time",
    "first_time",
    "last_time",
    "not_before",
    "not_after",
    "proto",
    "phase",
    "level",
    "description",
    "cipher",
    "ja3",
    "ja4",
];

/// Keys whose values are sentences of rules, with values from the bundle in them.
const PROSE: [&str; 6] = ["title", "explanation", "next", "references", "detail", "why"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Service;

    pub(super) fn redactor() -> Redactor {
        let mut world = World::default();
        let service = |namespace: &str, name: &str| Service {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            ..Service::default()
        };
        world.cluster.services.extend([service("acme-prod", "billing-hook"), service("mesh", "opa")]);
        Redactor::new(&world)
    }

    #[test]
    fn the_same_original_is_the_same_replacement() {
        let mut redactor = redactor();
        let text = "dial 172.28.0.2:443, https://billing-hook.acme-prod.svc:443/x for BILLING-HOOK by alice@acme.example";
        let expected = "dial 240.0.0.2:443, https://service_1.namespace_1.svc:443/x for service_1 by user_1";
        assert_eq!(redactor.text(text), expected);
        assert_eq!(
            redactor.text("a longer-billing-hook-2 acme-production"),
            "a longer-service_1-2 acme-production"
        );
        for line in ["172.28.0.2\t240.0.0.2\n", "acme-prod\tnamespace_1\n", "alice@acme.example\tuser_1\n"] {
            assert!(redactor.map().contains(line), "{line}");
        }
    }

    #[test]
    fn a_name_that_is_a_word_stays_in_sentences_and_goes_from_names() {
        let mut redactor = redactor();
        let sentence = "a proxy or mesh in front of opa.mesh.svc (mesh/opa) refused the mesh.";
        let redacted =
            "a proxy or mesh in front of service_2.namespace_2.svc (namespace_2/service_2) refused the mesh.";
        let tree: BTreeMap<String, String> =
            [("explanation", sentence), ("text", "the mesh"), ("cause", "mesh")]
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .into();
        let value = redactor.value(&tree).expect("JSON");
        assert_eq!(value["explanation"], redacted);
        assert_eq!(value["text"], "the namespace_2");
        assert_eq!(value["cause"], "mesh");
    }

    #[test]
    fn a_cut_line_does_not_end_within_a_name() {
        let line = crate::report::document::LineRef {
            path: "a.log".to_owned(),
            line: 1,
            text: "dial billing-ho".to_owned(),
            truncated: true,
        };
        assert_eq!(redactor().value(&line).expect("JSON").text, "dial");
    }

    #[test]
    fn names_in_the_targets_of_plain_requests_are_known_in_records() {
        let script =
            "alone\n+0 > connect\n+0.1 > http:GET path=/api/v1/namespaces/payments/pods/cart-7?x=1\n";
        let story = crate::rules::script::Story::new(script).expect("a script");
        let dir = tempfile::tempdir().expect("a directory");
        for (name, bytes) in story.pcaps(crate::time::Timestamp::default()) {
            std::fs::write(dir.path().join(name), bytes).expect("writable");
        }
        let inputs = [dir.path().to_owned()];
        let bundle = crate::bundle::discover(&inputs, &crate::bundle::Limits::default()).expect("a capture");
        let wire = crate::ingest::run(&bundle.sources, &crate::ingest::IngestOptions::default());
        let mut redactor = Redactor::new(&World { bundle, wire, ..World::default() });
        let mut out = Vec::new();
        let mut lines = JsonLines::new(&mut redactor, &mut out);
        std::io::Write::write_all(&mut lines, b"{\"target\":\"/namespaces/payments/pods/cart-7\"}\n")
            .expect("taken");
        assert_eq!(String::from_utf8_lossy(&out), "{\"target\":\"/namespaces/namespace_2/pods/pod_1\"}\n");
    }
}
