//! Which names there are: what objects, logs, packets and paths call hosts, pods, services and people.
//!
//! Takes a world, or any text of it; gives names by kind. Names in structured places are taken as they stand; in text
//! (log lines, paths) those that a pattern points to: a URL's host, `user="…"`, `/namespaces/…`, an e-mail address.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::LazyLock;

use regex::Regex;

use super::plain::{self, PLAIN, PUBLIC};
use crate::cluster::{ClusterMap, Holder};
use crate::correlate::{self, World};
use crate::ingest::Conversation;
use crate::tls::Certificate;

/// Names by kind, in order of the alphabet.
#[derive(Debug, Default)]
pub(super) struct Names(pub(super) BTreeMap<&'static str, BTreeSet<String>>);

impl Names {
    /// Every name that stages found.
    pub(super) fn of(world: &World) -> Self {
        let mut names = Self::default();
        names.of_cluster(&world.cluster);
        names.of_certificates(world);
        names.of_logs(world);
        world.wire.flows.each_but_lone_syns(|_, flow| names.of_flow(flow));
        world.bundle.sources.iter().for_each(|source| names.of_path(&source.path));
        names
    }

    /// The archives of a path by their names, and folders and files that are called as in no other cluster.
    fn of_path(&mut self, path: &str) {
        let mut found = Self::default();
        found.of_text(path);
        let is_told = |folder: &str| found.0.values().flatten().any(|name| folder.contains(name.as_str()));
        let mut parts = path.split('!').peekable();
        while let Some(part) = parts.next() {
            let (folders, file) = part.rsplit_once('/').unwrap_or(("", part));
            for folder in folders.split('/').filter(|f| !plain::is_usual_folder(f) && !is_told(f)) {
                self.placed(FOLDER, folder);
            }
            let stem = file.split('.').next().unwrap_or_default();
            if parts.peek().is_some() && !plain::is_usual_folder(stem) {
                self.add("bundle", stem);
                continue;
            }
            for label in file.split('.').filter(|l| !plain::is_usual_file(l) && !is_told(l)) {
                self.placed(FILE, label);
            }
        }
        self.of_text(path);
    }

    /// Names that patterns point to.
    pub(super) fn of_text(&mut self, text: &str) {
        for (kind, pattern) in PATTERNS.iter() {
            for found in pattern.captures_iter(text) {
                let group = |n| found.get(n).map_or("", |m| m.as_str());
                match *kind {
                    "name" => self.host(group(1)),
                    "names" => group(1).split([',', ' ']).for_each(|name| self.host(name)),
                    "user" if group(1).starts_with("system:") => {}
                    "account" | "pod" if found.get(2).is_some() => {
                        self.add("namespace", group(1));
                        self.add(kind, group(2));
                    }
                    "protocols" => group(1).split(['"', '\\', ' ']).for_each(|name| self.protocol(name)),
                    VALUE if plain::is_usual_value(group(1)) => {}
                    VALUE => self.placed(VALUE, group(1)),
                    kind => self.add(kind, group(1)),
                }
            }
        }
    }

    fn add(&mut self, kind: &'static str, name: &str) {
        let name = name.trim().trim_matches(['.', '*', '-']);
        if Self::tells(name) {
            self.0.entry(kind).or_default().insert(name.to_owned());
        }
    }

    /// A name that is one only where it stands: of a folder or a file, in a query.
    fn placed(&mut self, kind: &'static str, name: &str) {
        if Self::tells(name) {
            self.0.entry(kind).or_default().insert(name.to_owned());
        }
    }

    fn version(&mut self, version: &str) {
        plain::told_of_version(version).for_each(|word| self.add("build", word));
    }

    fn protocol(&mut self, name: &str) {
        if !plain::is_usual_protocol(name) {
            self.add("protocol", name);
        }
    }

    /// Whether a word tells whose it is.
    pub(super) fn tells(name: &str) -> bool {
        let number = name.bytes().all(|b| b.is_ascii_digit());
        name.len() >= SHORTEST && !number && !PLAIN.contains(&name) && name.parse::<IpAddr>().is_err()
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
        let host = host.trim_matches(['.', '*']);
        let mut labels = host.split('.');
        match (labels.next(), labels.next(), labels.next()) {
            (Some(service), Some(namespace), Some("svc")) => {
                self.add("service", service);
                self.add("namespace", namespace);
            }
            (Some(_), None, None) => self.add("node", host),
            _ if PUBLIC
                .iter()
                .any(|p| host == *p || host.strip_suffix(p).is_some_and(|h| h.ends_with('.'))) => {}
            _ => self.add("name", host),
        }
    }

    fn of_cluster(&mut self, cluster: &ClusterMap) {
        for service in &cluster.services {
            self.add("service", &service.name);
            self.add("namespace", &service.namespace);
            self.host(service.external_name.as_deref().unwrap_or_default());
        }
        for endpoint in &cluster.endpoints {
            self.add("service", &endpoint.service);
            self.add("namespace", &endpoint.namespace);
            self.path("pod", endpoint.pod.as_deref());
            self.add("node", endpoint.node.as_deref().unwrap_or_default());
        }
        for pod in &cluster.pods {
            self.add("pod", &pod.name);
            self.add("namespace", &pod.namespace);
            self.add("node", pod.node.as_deref().unwrap_or_default());
        }
        for (namespace, service, _) in &cluster.empty_endpoints {
            self.add("namespace", namespace);
            self.add("service", service);
        }
        let known = cluster.nodes.iter().map(|n| &n.name);
        let hosts = cluster.host_addresses.iter().map(|(host, _)| host);
        known.chain(hosts).chain(cluster.hosts.values()).for_each(|host| self.add("node", host));
        cluster.nodes.iter().filter_map(|n| n.kubelet.as_deref()).for_each(|version| self.version(version));
        for callee in &cluster.callees {
            self.add("webhook", &callee.name);
            self.add("webhook", &callee.configuration);
            self.of_text(callee.url.as_deref().unwrap_or_default());
            if let Some((namespace, service)) = &callee.service {
                self.add("namespace", namespace);
                self.add("service", service);
            }
        }
    }

    fn of_logs(&mut self, world: &World) {
        for event in &world.logs.events {
            let fields = &event.fields;
            self.add("webhook", fields.webhook.as_deref().unwrap_or_default());
            self.add("webhook", fields.apiservice.as_deref().unwrap_or_default());
            self.add("node", fields.node.as_deref().unwrap_or_default());
            self.add("node", event.host.as_deref().unwrap_or_default());
            let url = fields.url.as_ref().filter(|u| !u.is_local());
            self.host(url.map_or("", |u| u.host.as_str()));
            self.host(fields.dns_name.as_deref().unwrap_or_default());
            self.path("service", fields.service.as_deref());
            self.path("pod", event.pod.as_deref());
            self.add("certificate", fields.x509_candidate.as_deref().unwrap_or_default());
            self.host(fields.x509_wanted.as_deref().unwrap_or_default());
            self.of_text(&fields.reason);
            event.lines.iter().for_each(|line| self.of_text(&line.text.to_string()));
        }
        for report in &world.logs.reports {
            self.add("node", report.host.as_deref().unwrap_or_default());
            report.versions.iter().for_each(|(_, version)| self.version(version));
            report.unrecognised_lines.iter().for_each(|line| self.of_text(&line.text.to_string()));
        }
        for capture in &world.wire.captures {
            self.add("node", capture.set.host.as_deref().unwrap_or_default());
        }
    }

    /// Certificates that stand in objects and files, and the Secrets and ConfigMaps that hold them.
    fn of_certificates(&mut self, world: &World) {
        correlate::written_certificates(world).for_each(|c| self.certificate(&c));
        for held in &world.cluster.certificates {
            let object = matches!(held.holder, Holder::Secret | Holder::ConfigMap);
            let mut words = held.place.split_whitespace().skip(1).filter(|_| object);
            self.path("object", words.next());
            if let Some(key) = words.next().filter(|key| !plain::is_usual_key(key)) {
                self.add("key", key);
            }
        }
    }

    fn of_flow(&mut self, flow: &Conversation) {
        for lookup in flow.app.dns.iter().flat_map(|d| &d.lookups) {
            self.host(&lookup.name);
        }
        let tls = flow.app.session.tls.as_ref();
        let decrypted = tls.and_then(|t| t.decrypted.as_ref()?.http.as_ref());
        for http in flow.app.session.http.iter().map(|h| &**h).chain(decrypted) {
            self.host(http.host.as_deref().unwrap_or_default());
            self.of_text(http.target.as_deref().unwrap_or_default());
        }
        let Some(tls) = tls else { return };
        let sni = tls.client_hello.as_ref().and_then(|h| h.shape.sni.as_deref());
        self.host(sni.unwrap_or_default());
        let offered = tls.client_hello.iter().flat_map(|h| &h.shape.alpn);
        let chosen = tls.server_hello.iter().filter_map(|h| h.alpn.as_ref());
        offered.chain(chosen).for_each(|name| self.protocol(name));
        tls.certificates.iter().chain(&tls.client_certificates).for_each(|c| self.certificate(c));
    }

    fn certificate(&mut self, certificate: &Certificate) {
        certificate.sans.iter().for_each(|name| self.host(name));
        for part in [&certificate.subject, &certificate.issuer].into_iter().flat_map(|n| n.split([',', '+']))
        {
            let value = part.split_once('=').map_or("", |(_, value)| value.trim());
            if value.contains('.') { self.host(value) } else { self.add("certificate", value) }
        }
    }
}

/// Kinds of names that are names only in front of a `/`, as a part of a file's name, and behind a `=`.
pub(super) const FOLDER: &str = "folder";
pub(super) const FILE: &str = "file";
pub(super) const VALUE: &str = "value";

/// Names shorter than this are letters.
const SHORTEST: usize = 2;

/// What a value may stand behind in a log line: `key=`, `key="`, `"key": "`, also escaped within another string.
const IS: &str = r#"(?:=\\*"?|\\*"\s*:\s*\\*")"#;

/// Kind of name and where it stands in text. Observed in klog, audit logs, URLs, kubelet paths and Go's errors.
static PATTERNS: LazyLock<Vec<(&'static str, Regex)>> = LazyLock::new(|| {
    let patterns = [
        // `://user@host:443/`
        ("name", r#"://(?:[^/@\s"]*@)?([A-Za-z0-9][A-Za-z0-9.-]*)"#.to_owned()),
        ("user", r#"://([^/:@\s"]+)(?::[^/@\s"]*)?@"#.to_owned()),
        ("secret", r#"://[^/:@\s"]*:([^/@\s"]+)@"#.to_owned()),
        ("name", r"\blookup ([A-Za-z0-9._-]+)".to_owned()),
        (
            "name",
            r"(?i)\b((?:[a-z0-9-]+\.)+(?:svc|local|internal|intranet|lan|corp|intra|home|localdomain)(?:\.[a-z0-9-]+)*)\b"
                .to_owned(),
        ),
        // `x509: certificate is valid for a.example, b.example, not c.example`
        ("names", r"valid for ([A-Za-z0-9.*, -]+?), not ".to_owned()),
        ("name", r"valid for [A-Za-z0-9.*, -]+?, not ([A-Za-z0-9.*-]+)".to_owned()),
        ("certificate", r#"\b(?:CN|OU|O)=([^,+"\\()<>;]+)"#.to_owned()),
        ("user", format!(r#"(?i)\buser(?:_?name)?{IS}([^\s"\\,;)}}\]]+)"#)),
        // `CORP\alice`
        ("user", format!(r"(?i)\buser(?:_?name)?{IS}[a-z0-9._-]+\\+([a-z0-9._$-]+)")),
        ("user", r#"(?i)\buser \\*"([^"\\]+)"#.to_owned()),
        ("user", r"\b([A-Za-z0-9._%+-]+@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,})\b".to_owned()),
        ("account", r#"system:serviceaccount:([^:\s"\\]+):([^\s"\\:,)\]]+)"#.to_owned()),
        // `spiffe://cluster.local/ns/shop/sa/payer`
        ("account", r"/ns/([a-z0-9][a-z0-9-]*)/sa/([a-z0-9][a-z0-9.-]*)".to_owned()),
        ("node", r#"system:node:([^\s"\\:,)\]]+)"#.to_owned()),
        ("node", r"/nodes/([a-z0-9][a-z0-9.-]*)".to_owned()),
        ("node", format!(r"(?i)\b(?:node|nodename|hostname|host){IS}([a-z0-9][a-z0-9.-]*)")),
        ("namespace", r"\bnamespaces/([a-z0-9][a-z0-9-]*)".to_owned()),
        ("namespace", format!(r"(?i)\bnamespace{IS}([a-z0-9][a-z0-9-]*)")),
        ("node", format!(r#"(?i)\b(?:remote-peer|local-member|local-server|peer|member|server)-name{IS}([^\s"\\,;)}}\]]+)"#)),
        // `client requested unsupported application protocols (["acme/1"])`
        ("protocols", r"application protocols \(\[([^\]]*)\]".to_owned()),
        (VALUE, r#"[?&][A-Za-z0-9_.\[\]-]+=([^=&\s"'\\#,;)<>][^&\s"'\\#,;)<>]*)"#.to_owned()),
        ("service", r"/services/([a-z0-9][a-z0-9-]*)".to_owned()),
        ("pod", format!(r"(?i)\bpod{IS}([a-z0-9-]+)/([a-z0-9][a-z0-9.-]*)")),
        // `/var/log/pods/NAMESPACE_POD_UID/`
        ("pod", r"pods/([a-z0-9-]+)_([a-z0-9.-]+)_[0-9a-f-]{32,36}".to_owned()),
        ("pod", r"\bnamespaces/[a-z0-9-]+/pods/([a-z0-9][a-z0-9.-]*)".to_owned()),
        (
            "object",
            r"\bnamespaces/[a-z0-9-]+/(?:secrets|configmaps|deployments|replicasets|statefulsets|daemonsets|jobs|cronjobs|ingresses|persistentvolumeclaims|serviceaccounts)/([a-z0-9][a-z0-9.-]*)"
                .to_owned(),
        ),
        ("secret", r#"(?i)\bauthorization\\*"?\s*[:=]\s*\[?\\*"?basic ([a-z0-9+/=]{6,})"#.to_owned()),
        // A JSON web token (RFC 7519): it begins with `{"`.
        ("secret", r"\b(eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]+)*)".to_owned()),
        ("secret", format!(r#"(?i)(?:token|password|passwd|secret|api_?key){IS}([^\s"\\,;&/)}}\]]{{8,}})"#)),
        ("secret", r"(?i)\bbearer ([A-Za-z0-9._~+/=-]{8,})".to_owned()),
    ];
    patterns.into_iter().filter_map(|(kind, pattern)| Some((kind, Regex::new(&pattern).ok()?))).collect()
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_find_names_in_the_lines_of_components() {
        assert_eq!(PATTERNS.len(), 31, "a pattern does not compile");
        for (text, kind, name) in [
            (r#"user="system:node:worker-7.acme.lan" verb="get""#, "node", "worker-7.acme.lan"),
            (r#"user="alice" groups=["ops"]"#, "user", "alice"),
            (r#"{"user":{"username":"bob@acme.example"}}"#, "user", "bob@acme.example"),
            (r#"user="CORP\\bob-7" verb="get""#, "user", "bob-7"),
            ("https://admin:hunter22@registry.acme.example/v2/", "user", "admin"),
            ("https://admin:hunter22@registry.acme.example/v2/", "secret", "hunter22"),
            ("https://admin:hunter22@registry.acme.example/v2/", "name", "registry.acme.example"),
            ("spiffe://cluster.local/ns/billing/sa/payer", "account", "payer"),
            ("/api/v1/namespaces/shop/pods/cart-0/log", "pod", "cart-0"),
            ("/apis/apps/v1/namespaces/shop/deployments/cart", "object", "cart"),
            (r#"{"msg":"x","remote-peer-name":"acme-etcd-2"}"#, "node", "acme-etcd-2"),
            ("/find?watch=true&customer=initech&timeout=10s", "value", "initech"),
            (r#"application protocols (["acme/1" "h2"])"#, "protocol", "acme/1"),
            (r#"{"Authorization":["Basic YWxpY2U6eA=="]}"#, "secret", "YWxpY2U6eA=="),
            ("/watch?access_token=0123456789abcdef&x=1", "secret", "0123456789abcdef"),
            ("id eyJhbGciOiJSUzI1NiJ9.e30.c2ln refused", "secret", "eyJhbGciOiJSUzI1NiJ9.e30.c2ln"),
            (r#"User \"carol\" cannot list resource"#, "user", "carol"),
            ("system:serviceaccount:billing:payer is forbidden", "account", "payer"),
            ("system:serviceaccount:billing:payer is forbidden", "namespace", "billing"),
            (r#"Post "https://hook.acme.example:8443/x?timeout=10s": EOF"#, "name", "hook.acme.example"),
            ("dial tcp: lookup policy.acme.example on 10.0.0.53:53", "name", "policy.acme.example"),
            ("https://opa.guard.svc:443/x", "namespace", "guard"),
            ("/api/v1/namespaces/shop/pods/cart-0/log", "namespace", "shop"),
            (r#"pod="shop/cart-0""#, "pod", "cart-0"),
            ("logs/pods/shop_cart-0_b8074a66c90b5be89f739b0caf08c1dc/app/0.log", "pod", "cart-0"),
            ("certificate is valid for a.acme.example, b.acme.example, not c", "name", "b.acme.example"),
            ("Authorization: Bearer eyJhbGciOi.abc", "secret", "eyJhbGciOi.abc"),
        ] {
            let mut names = Names::default();
            names.of_text(text);
            assert!(names.0.get(kind).is_some_and(|n| n.contains(name)), "{text}: {names:?}");
        }
    }

    #[test]
    fn what_every_cluster_has_is_no_name() {
        for text in [
            r#"user="system:apiserver""#,
            "https://kubernetes.default.svc:443",
            "https://10.96.0.1:443/api",
            "https://kubernetes.io/docs/concepts",
            "k8s.io/client-go@v0.36.0/tools/cache/reflector.go:343",
            "http: TLS handshake error from 10.0.0.1:2: EOF",
            "/api?timeout=1m30s&limit=500&watch=true",
        ] {
            let mut names = Names::default();
            names.of_text(text);
            assert!(names.0.is_empty(), "{text}: {names:?}");
        }
    }
}
