//! Which connection of the control plane a message is about.
//!
//! Takes what the grammar read; gives an [`Edge`] from the words of wrappers, the file that wrote the message, and the
//! ports that Kubernetes gives its parts. What the writer of the log adds to it is for `origin`.

use super::envelope::Peeled;
use super::grammar::{Parsed, UNAUTHENTICATED};
use super::structured::value;
use super::{Edge, Url};

/// Which connection of the control plane the message is about.
pub(super) fn edge(peeled: &Peeled<'_>, headline: &str, values: &[(String, String)], out: &Parsed) -> Edge {
    if headline.contains("peer endpoint") || value(values, "remote-peer-id").is_some() {
        return Edge::EtcdPeer;
    }
    if headline.starts_with("rejected connection") || out.own_text().contains("rejected connection from \"") {
        return Edge::Etcd;
    }
    if out.server_side {
        return Edge::Server;
    }
    if PULLS.iter().any(|w| out.own_text().contains(w)) {
        return Edge::Registry;
    }
    let local = out.fields.url.as_ref().is_some_and(Url::is_local);
    if local || LOCAL.iter().any(|w| headline.contains(w) || out.own_text().contains(w)) {
        return Edge::LocalSocket;
    }
    if value(values, "dialAddress").is_some() {
        return Edge::Konnectivity;
    }
    if let Some((_, edge)) = WORDS.iter().find(|(w, _)| out.own_text().contains(w) || headline.contains(w)) {
        return *edge;
    }
    if out.edge != Edge::Other {
        return out.edge;
    }
    by_names(peeled, out)
}

/// By what the message names and who wrote it, where its words do not tell.
fn by_names(peeled: &Peeled<'_>, out: &Parsed) -> Edge {
    if out.fields.webhook.is_some() {
        return Edge::Webhook;
    }
    if out.fields.apiservice.is_some() {
        return Edge::AggregatedApi;
    }
    let caller = peeled.caller.as_deref().unwrap_or_default();
    match FILES.iter().find(|(file, _)| caller.starts_with(file)) {
        Some((_, edge)) => *edge,
        None => by_port(out),
    }
}

/// What a kubelet or API server says of calls over the socket of a runtime or plugin: the wrappers of the CRI
/// (`Status from runtime service failed`), and gRPC to an address that is a path.
const LOCAL: [&str; 5] = [
    " runtime service failed",
    " image service failed",
    "{Addr: \"/",
    "{Addr: \"unix:",
    "failed to connect to {/",
];

/// What a container runtime says of a pull that its registry, and not its own socket, failed: containerd, CRI-O, Docker.
const PULLS: [&str; 5] = [
    "failed to resolve reference ",
    "failed to do request: ",
    "pinging container registry ",
    "failed to copy: httpReadSeeker",
    "Error response from daemon: Get ",
];

/// Words of a wrapper that name the connection; the first that stands in the message counts.
const WORDS: [(&str, Edge); 18] = [
    ("conversion webhook for ", Edge::ConversionWebhook),
    ("webhook authenticator", Edge::AuthWebhook),
    ("webhook authorizer", Edge::AuthWebhook),
    ("in audit plugin", Edge::AuditWebhook),
    ("openid-configuration", Edge::Oidc),
    ("oidc", Edge::Oidc),
    ("error dialing backend", Edge::Kubelet),
    ("failing or missing response from", Edge::AggregatedApi),
    ("OpenAPI spec for", Edge::AggregatedApi),
    ("error trying to reach service", Edge::AggregatedApi),
    ("robe failed", Edge::Probe),
    ("proxyconnect", Edge::Proxy),
    ("No agent available", Edge::Konnectivity),
    ("while dialing A", Edge::Konnectivity),
    ("etcdserver", Edge::Etcd),
    ("etcd-client", Edge::Etcd),
    ("addrConn.createTransport", Edge::Etcd),
    (UNAUTHENTICATED, Edge::AuthWebhook),
];

/// Source files that write about one kind of connection only.
const FILES: [(&str, Edge); 6] = [
    ("remote_available_controller.go", Edge::AggregatedApi),
    ("prober.go", Edge::Probe),
    ("oidc.go", Edge::Oidc),
    ("etcd", Edge::Etcd),
    ("reflector.go", Edge::Apiserver),
    ("leaderelection.go", Edge::Apiserver),
];

/// By where the call goes: a port that Kubernetes gives one of its parts, or the path of its API.
fn by_port(out: &Parsed) -> Edge {
    let url = out.fields.url.as_ref();
    let port = out.fields.destination.map(|d| d.port()).or(url.map(|u| u.port)).unwrap_or_default();
    let api = |begin: &str| url.is_some_and(|u| u.path.starts_with(begin));
    match Edge::of_port(port) {
        // What else than an API listens there is something else.
        Some(Edge::Apiserver) if url.is_some() && !api("/api") => Edge::Other,
        Some(edge) => edge,
        None if port == 8443 && (url.is_none() || api("/api")) => Edge::Apiserver,
        None if api("/api/") || api("/apis/") => Edge::Apiserver,
        None => Edge::Other,
    }
}

impl Edge {
    /// What listens at a port that Kubernetes gives one of its parts.
    pub(crate) fn of_port(port: u16) -> Option<Self> {
        Some(match port {
            2379 => Self::Etcd,
            2380 => Self::EtcdPeer,
            6443 => Self::Apiserver,
            8090 | 8091 | 8131 | 8132 => Self::Konnectivity,
            10250 => Self::Kubelet,
            _ => return None,
        })
    }
}
