//! What a certificate is for, in the words of the Kubernetes PKI.
//!
//! Goes by names, usages and places as kubeadm, k3s, OpenShift and cert-manager give them (Kubernetes documentation,
//! "PKI certificates and requirements"); what fits nothing known is told by its usage alone.

use std::collections::HashMap;

use super::{FoundIn, Inventoried};
use crate::cluster::Callee;
use crate::correlate::steps::step;
use crate::tls::Certificate;

/// What a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CertificateRole {
    /// Signs the certificates of the cluster.
    ClusterCa,
    /// Signs those of etcd.
    EtcdCa,
    /// Signs those of the front proxy (aggregation layer).
    FrontProxyCa,
    /// Verifies a webhook or an aggregated API.
    CaBundle,
    /// Another authority.
    Ca,
    /// One of many public authorities in one place.
    TrustStore,
    /// The API server serves with it.
    Apiserver,
    /// The API server shows it to kubelets.
    ApiserverKubeletClient,
    /// The API server shows it to etcd.
    ApiserverEtcdClient,
    /// The API server shows it to aggregated APIs.
    FrontProxyClient,
    /// A kubelet shows it to the API server.
    KubeletClient,
    /// A kubelet serves with it.
    KubeletServing,
    /// etcd serves with it, or members show it to each other.
    Etcd,
    /// A component or an administrator of the control plane.
    ControlPlaneClient,
    /// A webhook or a CRD conversion serves with it.
    WebhookServing,
    /// An aggregated API serves with it.
    AggregatedApiServing,
    /// Some server.
    Serving,
    /// Some client.
    Client,
    /// Not known.
    Other,
}

impl CertificateRole {
    /// Every name, in order.
    pub const NAMES: &'static [&'static str] = &[
        Self::ClusterCa.name(),
        Self::EtcdCa.name(),
        Self::FrontProxyCa.name(),
        Self::CaBundle.name(),
        Self::Ca.name(),
        Self::TrustStore.name(),
        Self::Apiserver.name(),
        Self::ApiserverKubeletClient.name(),
        Self::ApiserverEtcdClient.name(),
        Self::FrontProxyClient.name(),
        Self::KubeletClient.name(),
        Self::KubeletServing.name(),
        Self::Etcd.name(),
        Self::ControlPlaneClient.name(),
        Self::WebhookServing.name(),
        Self::AggregatedApiServing.name(),
        Self::Serving.name(),
        Self::Client.name(),
        Self::Other.name(),
    ];

    /// snake_case, as in the output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClusterCa => "cluster_ca",
            Self::EtcdCa => "etcd_ca",
            Self::FrontProxyCa => "front_proxy_ca",
            Self::CaBundle => "ca_bundle",
            Self::Ca => "ca",
            Self::TrustStore => "trust_store",
            Self::Apiserver => "apiserver",
            Self::ApiserverKubeletClient => "apiserver_kubelet_client",
            Self::ApiserverEtcdClient => "apiserver_etcd_client",
            Self::FrontProxyClient => "front_proxy_client",
            Self::KubeletClient => "kubelet_client",
            Self::KubeletServing => "kubelet_serving",
            Self::Etcd => "etcd",
            Self::ControlPlaneClient => "control_plane_client",
            Self::WebhookServing => "webhook_serving",
            Self::AggregatedApiServing => "aggregated_api_serving",
            Self::Serving => "serving",
            Self::Client => "client",
            Self::Other => "other",
        }
    }
}

/// The role of one certificate.
pub(super) fn of(entry: &Inventoried, called: &Called) -> CertificateRole {
    let certificate = &*entry.certificate;
    // An authority by its own word, or a self-issued certificate of version 1 that is trusted as one.
    let trusted = entry.found.iter().any(|f| f.kind == FoundIn::CaBundle);
    match of_leaf(entry, called) {
        _ if certificate.ca => of_authority(entry),
        CertificateRole::Other if trusted => CertificateRole::CaBundle,
        role => role,
    }
}

fn of_authority(entry: &Inventoried) -> CertificateRole {
    let name = common_name(&entry.certificate).to_ascii_lowercase();
    let stands = |part: &str| entry.found.iter().any(|f| f.place.contains(part));
    if name.contains("front-proxy")
        || name.contains("request-header")
        || stands(" requestheader-client-ca-file")
    {
        CertificateRole::FrontProxyCa
    } else if name.contains("etcd") {
        CertificateRole::EtcdCa
    } else if matches!(name.as_str(), "kubernetes" | "kubernetes-ca" | "kube-ca" | "cluster-ca")
        || stands("/kube-root-ca.crt ")
        || stands(" client-ca-file")
        || entry.found.iter().any(|f| f.kind == FoundIn::Kubeconfig)
    {
        CertificateRole::ClusterCa
    } else if entry.found.iter().any(|f| f.kind == FoundIn::CaBundle) {
        CertificateRole::CaBundle
    } else {
        CertificateRole::Ca
    }
}

fn of_leaf(entry: &Inventoried, called: &Called) -> CertificateRole {
    let certificate = &*entry.certificate;
    let name = common_name(certificate);
    let has = |usage: &str| certificate.extended_key_usage.iter().any(|u| u == usage);
    let (serves, calls) =
        (has("serverAuth") || entry.shown.by_server, has("clientAuth") || entry.shown.by_client);
    let issuer = certificate.issuer.to_ascii_lowercase();
    match name {
        "kube-apiserver-kubelet-client" => return CertificateRole::ApiserverKubeletClient,
        "kube-apiserver-etcd-client" => return CertificateRole::ApiserverEtcdClient,
        "front-proxy-client" | "system:auth-proxy" => return CertificateRole::FrontProxyClient,
        "kube-apiserver" => return CertificateRole::Apiserver,
        _ if name.starts_with("system:node:") && has("serverAuth") => return CertificateRole::KubeletServing,
        _ if name.starts_with("system:node:") => return CertificateRole::KubeletClient,
        _ if name.starts_with("system:") => return CertificateRole::ControlPlaneClient,
        _ => {}
    }
    if certificate.subject.contains("O=system:masters")
        || certificate.subject.contains("O=kubeadm:cluster-admins")
    {
        CertificateRole::ControlPlaneClient
    } else if certificate.sans.iter().any(|san| san == "kubernetes.default.svc") {
        CertificateRole::Apiserver
    } else if issuer.contains("etcd") {
        CertificateRole::Etcd
    } else if let Some(role) = called.role(certificate) {
        role
    } else if serves {
        CertificateRole::Serving
    } else if calls {
        CertificateRole::Client
    } else {
        CertificateRole::Other
    }
}

/// What webhooks, conversions and APIServices call, by the name of its host, in lower case.
pub(super) struct Called {
    hosts: HashMap<String, (usize, &'static str)>,
    /// By what follows the first label, for wildcards.
    parents: HashMap<String, (usize, &'static str)>,
}

impl Called {
    pub(super) fn new(callees: &[Callee]) -> Self {
        let mut called = Self { hosts: HashMap::new(), parents: HashMap::new() };
        for (n, callee) in callees.iter().enumerate() {
            let Some((namespace, name)) = &callee.service else { continue };
            let host = format!("{name}.{namespace}.svc").to_ascii_lowercase();
            if let Some((_, parent)) = host.split_once('.') {
                called.parents.entry(parent.to_owned()).or_insert((n, callee.kind));
            }
            called.hosts.entry(host).or_insert((n, callee.kind));
        }
        called
    }

    /// The role of a certificate that names the Service of one, the first of several.
    fn role(&self, certificate: &Certificate) -> Option<CertificateRole> {
        let of = |san: &String| {
            step();
            let san = san.to_ascii_lowercase();
            san.strip_prefix("*.").map_or_else(|| self.hosts.get(&san), |parent| self.parents.get(parent))
        };
        let (_, kind) = certificate.sans.iter().filter_map(of).min()?;
        Some(if *kind == "apiservice" {
            CertificateRole::AggregatedApiServing
        } else {
            CertificateRole::WebhookServing
        })
    }
}

fn common_name(certificate: &Certificate) -> &str {
    certificate.common_name.as_deref().unwrap_or_default()
}
