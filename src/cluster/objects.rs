//! Kubernetes objects in, facts out.
//!
//! Takes one object as a JSON value: Service, EndpointSlice, Endpoints, Pod, Node, webhook configurations, CRDs with
//! a conversion webhook, APIService, Secret, ConfigMap and kubeconfig; gives facts to the builder. Of the last
//! three only certificates are taken; a private key is never kept. Fields that are missing or of another type are absent facts.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::build::Builder;
use super::room::Room;
use super::{Callee, Endpoint, Holder, Node, Pod, Service, ServicePort};
use crate::bundle::SourceIndex;

/// Takes an object over; `false` for a kind that says nothing here.
pub(super) fn add(b: &mut Builder<'_>, object: &Value, source: SourceIndex) -> bool {
    let meta = Meta {
        namespace: text(object, "/metadata/namespace").unwrap_or_default(),
        name: text(object, "/metadata/name").unwrap_or_default(),
        source,
    };
    let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default();
    if !is_of(object, group(kind)) {
        return false;
    }
    match kind {
        "Service" => b.service(service(object, &meta)),
        "EndpointSlice" => endpoint_slice(b, object, &meta),
        "Endpoints" => endpoints(b, object, &meta),
        "Pod" => b.pod(pod(object, &meta)),
        "Node" => b.node(node(object, &meta)),
        "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration" => webhooks(b, object, &meta),
        "CustomResourceDefinition" => conversion(b, object, &meta),
        "APIService" => api_service(b, object, &meta),
        "Secret" => secret(b, object, &meta),
        "ConfigMap" => config_map(b, object, &meta),
        "Config" if object.get("clusters").is_some() => kubeconfig(b, object, &meta),
        _ => return false,
    }
    true
}

/// Name and place of an object.
struct Meta {
    namespace: String,
    name: String,
    source: SourceIndex,
}

/// The API group of a kind: custom resources may have kinds of the same name (Knative and OpenShift do).
fn group(kind: &str) -> &'static str {
    match kind {
        "EndpointSlice" => "discovery.k8s.io",
        "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration" => "admissionregistration.k8s.io",
        "CustomResourceDefinition" => "apiextensions.k8s.io",
        "APIService" => "apiregistration.k8s.io",
        _ => "",
    }
}

/// Whether an object is of a group, as far as it says so.
fn is_of(object: &Value, group: &str) -> bool {
    let version = object.get("apiVersion").and_then(Value::as_str).filter(|version| !version.is_empty());
    version.is_none_or(|version| version.split_once('/').map_or("", |(own, _)| own) == group)
}

fn service(object: &Value, meta: &Meta) -> Service {
    let mut cluster_ips = ips(object, "/spec/clusterIPs");
    if cluster_ips.is_empty() {
        cluster_ips.extend(ip(object, "/spec/clusterIP"));
    }
    let mut external_ips = ips(object, "/spec/externalIPs");
    external_ips.extend(ip(object, "/spec/loadBalancerIP"));
    external_ips.extend(array(object, "/status/loadBalancer/ingress").iter().filter_map(|i| ip(i, "/ip")));
    external_ips.sort_unstable();
    external_ips.dedup();
    let ports = array(object, "/spec/ports").iter().filter_map(|p| {
        Some(ServicePort {
            name: text(p, "/name").filter(|n| !n.is_empty()),
            port: port(p, "/port")?,
            target_port: port(p, "/targetPort"),
            node_port: port(p, "/nodePort"),
        })
    });
    Service {
        namespace: meta.namespace.clone(),
        name: meta.name.clone(),
        cluster_ips,
        external_ips,
        external_name: text(object, "/spec/externalName"),
        ports: ports.collect(),
        source: meta.source,
    }
}

/// EndpointSlice (discovery.k8s.io): every address with every port.
fn endpoint_slice(b: &mut Builder<'_>, object: &Value, meta: &Meta) {
    b.map.endpoints_known = true;
    let Some(service) = text(object, "/metadata/labels/kubernetes.io~1service-name") else { return };
    let endpoints = array(object, "/endpoints");
    if endpoints.is_empty() {
        b.empty_endpoints(&meta.namespace, &service, meta.source);
    }
    let ports = ports(object);
    for endpoint in endpoints {
        let ready = endpoint.pointer("/conditions/ready").and_then(Value::as_bool).unwrap_or(true);
        let target =
            Target { ready, node: text(endpoint, "/nodeName"), pod: pod_of(endpoint, &meta.namespace) };
        for address in ips(endpoint, "/addresses") {
            add_endpoint(b, (meta, &service), address, &ports, &target);
        }
    }
}

/// Endpoints: subsets of ready and not ready addresses.
fn endpoints(b: &mut Builder<'_>, object: &Value, meta: &Meta) {
    b.map.endpoints_known = true;
    let subsets = array(object, "/subsets");
    if subsets.is_empty() {
        b.empty_endpoints(&meta.namespace, &meta.name, meta.source);
    }
    for subset in subsets {
        let ports = ports(subset);
        for (list, ready) in [("/addresses", true), ("/notReadyAddresses", false)] {
            for address in array(subset, list) {
                let target =
                    Target { ready, node: text(address, "/nodeName"), pod: pod_of(address, &meta.namespace) };
                if let Some(ip) = ip(address, "/ip") {
                    add_endpoint(b, (meta, &meta.name), ip, &ports, &target);
                }
            }
        }
    }
}

/// What stands behind an endpoint address.
struct Target {
    ready: bool,
    node: Option<String>,
    pod: Option<String>,
}

/// Number and name of a port.
type Port = (u16, Option<String>);

/// The ports of an endpoint list, each once: every address is one with each of them.
fn ports(object: &Value) -> Vec<Port> {
    let mut seen = HashSet::new();
    let named = |p: &Value| Some((port(p, "/port")?, text(p, "/name").filter(|n| !n.is_empty())));
    array(object, "/ports").iter().filter_map(named).filter(|port| seen.insert(port.clone())).collect()
}

fn add_endpoint(b: &mut Builder<'_>, of: (&Meta, &str), ip: IpAddr, ports: &[Port], target: &Target) {
    for (port, name) in ports {
        if !b.room.offers() {
            return;
        }
        b.endpoint(Endpoint {
            namespace: of.0.namespace.clone(),
            service: of.1.to_owned(),
            address: SocketAddr::new(ip, *port),
            port_name: name.clone(),
            ready: target.ready,
            node: target.node.clone(),
            pod: target.pod.clone(),
            source: of.0.source,
        });
    }
}

fn pod_of(endpoint: &Value, namespace: &str) -> Option<String> {
    let target = endpoint.get("targetRef").filter(|t| text(t, "/kind").as_deref() == Some("Pod"))?;
    let namespace = text(target, "/namespace").unwrap_or_else(|| namespace.to_owned());
    Some(format!("{namespace}/{}", text(target, "/name")?))
}

fn pod(object: &Value, meta: &Meta) -> Pod {
    let mut addresses: Vec<IpAddr> =
        array(object, "/status/podIPs").iter().filter_map(|i| ip(i, "/ip")).collect();
    if addresses.is_empty() {
        addresses.extend(ip(object, "/status/podIP"));
    }
    let ready = array(object, "/status/conditions")
        .iter()
        .find(|c| c.get("type").and_then(Value::as_str) == Some("Ready"))
        .map(|c| c.get("status").and_then(Value::as_str) == Some("True"));
    Pod {
        namespace: meta.namespace.clone(),
        name: meta.name.clone(),
        ips: addresses,
        node: text(object, "/spec/nodeName"),
        host_network: object.pointer("/spec/hostNetwork").and_then(Value::as_bool).unwrap_or(false),
        phase: text(object, "/status/phase"),
        ready,
        source: meta.source,
    }
}

fn node(object: &Value, meta: &Meta) -> Node {
    let ips = array(object, "/status/addresses").iter().filter_map(|a| ip(a, "/address")).collect();
    let kubelet = text(object, "/status/nodeInfo/kubeletVersion");
    Node { name: meta.name.clone(), ips, kubelet, source: meta.source }
}

fn webhooks(b: &mut Builder<'_>, object: &Value, meta: &Meta) {
    for webhook in array(object, "/webhooks") {
        let name = text(webhook, "/name").unwrap_or_default();
        let callee = callee(b, webhook.get("clientConfig"), ("webhook", name), meta);
        let Some(mut callee) = callee else { continue };
        callee.timeout_seconds = number(webhook, "/timeoutSeconds");
        callee.fail_open = text(webhook, "/failurePolicy").map(|p| p == "Ignore");
        b.callee(callee);
    }
}

/// The conversion webhook of a CRD, in `v1` and in `v1beta1`.
fn conversion(b: &mut Builder<'_>, object: &Value, meta: &Meta) {
    let config = object
        .pointer("/spec/conversion/webhook/clientConfig")
        .or_else(|| object.pointer("/spec/conversion/webhookClientConfig"));
    if config.is_some()
        && let Some(callee) = callee(b, config, ("conversion", meta.name.clone()), meta)
    {
        b.callee(callee);
    }
}

/// An APIService that is served elsewhere; local ones call nobody.
fn api_service(b: &mut Builder<'_>, object: &Value, meta: &Meta) {
    let spec = object.get("spec");
    if spec.and_then(|s| s.get("service")).is_some_and(|s| !s.is_null())
        && let Some(callee) = callee(b, spec, ("apiservice", meta.name.clone()), meta)
    {
        b.callee(callee);
    }
}

/// What a client configuration (`service`, `url`, `caBundle`) calls; none where there is no room for its caBundle, without
/// which it would seem to have none.
fn callee(
    b: &mut Builder<'_>,
    config: Option<&Value>,
    (kind, name): (&'static str, String),
    meta: &Meta,
) -> Option<Callee> {
    let config = config.unwrap_or(&Value::Null);
    let ca_bundle = b.shared(text(config, "/caBundle").map(|c| decode(&c)).unwrap_or_default())?;
    let service = text(config, "/service/name")
        .map(|name| (text(config, "/service/namespace").unwrap_or_default(), name));
    Some(Callee {
        kind,
        name,
        configuration: meta.name.clone(),
        service,
        port: port(config, "/service/port").unwrap_or(443),
        url: text(config, "/url"),
        timeout_seconds: None,
        fail_open: None,
        ca_bundle,
        source: meta.source,
    })
}

fn secret(b: &mut Builder<'_>, object: &Value, meta: &Meta) {
    for (key, value) in map(object, "data") {
        certificates(b, Holder::Secret, meta, key, &decode(value));
    }
    for (key, value) in map(object, "stringData") {
        certificates(b, Holder::Secret, meta, key, value.as_bytes());
    }
}

/// The authorities and client certificates of a kubeconfig (`kind: Config`); keys and tokens are left.
fn kubeconfig(b: &mut Builder<'_>, object: &Value, meta: &Meta) {
    let path = b.path(meta.source).to_owned();
    let parts = [
        ("/clusters", "cluster", "certificate-authority-data"),
        ("/users", "user", "client-certificate-data"),
    ];
    for (list, part, key) in parts {
        for item in array(object, list) {
            let name = text(item, "/name").unwrap_or_default();
            let data = item.get(part).and_then(|p| p.get(key)).and_then(Value::as_str).unwrap_or_default();
            let place = format!("{path} {part} {name}");
            let blocks = certificate_blocks(&decode(data), &mut b.room);
            b.certificates(Holder::Kubeconfig, place, blocks);
            b.private_keys += u64::from(item.get(part).is_some_and(|p| p.get("client-key-data").is_some()));
        }
    }
}

fn config_map(b: &mut Builder<'_>, object: &Value, meta: &Meta) {
    for (key, value) in map(object, "data") {
        certificates(b, Holder::ConfigMap, meta, key, value.as_bytes());
    }
}

fn certificates(b: &mut Builder<'_>, holder: Holder, meta: &Meta, key: &str, bytes: &[u8]) {
    let kind = if holder == Holder::Secret { "Secret" } else { "ConfigMap" };
    let place = format!("{kind} {}/{} {key}", meta.namespace, meta.name);
    b.private_keys += private_keys(bytes);
    let blocks = certificate_blocks(bytes, &mut b.room);
    b.certificates(holder, place, blocks);
}

/// How many private keys PEM text holds.
pub(super) fn private_keys(bytes: &[u8]) -> u64 {
    memchr::memmem::find_iter(bytes, b"PRIVATE KEY-----").count().div_ceil(2) as u64
}

/// The CERTIFICATE blocks of PEM text, and nothing else of it (a private key may stand beside them).
pub(super) fn certificate_blocks(bytes: &[u8], room: &mut Room) -> Vec<u8> {
    let pem = String::from_utf8_lossy(bytes);
    let (mut kept, mut rest) = (String::new(), &*pem);
    while let Some(start) = rest.find(PEM_BEGIN) {
        let Some(end) = rest.get(start..).and_then(|r| r.find(PEM_END)).map(|n| start + n + PEM_END.len())
        else {
            break;
        };
        // A block that another one begins in is cut: what lies between may be anything.
        let block = rest.get(start..end).unwrap_or_default();
        let block = block.get(block.rfind(PEM_BEGIN).unwrap_or(0)..).unwrap_or_default();
        if !block.get(PEM_BEGIN.len()..).is_some_and(|b| b.contains("-----BEGIN")) {
            kept.push_str(block);
            kept.push('\n');
        }
        rest = rest.get(end..).unwrap_or_default();
        if kept.len() > MAX_CERTIFICATE_BYTES {
            room.certificates_cut += u64::from(rest.contains(PEM_BEGIN));
            break;
        }
    }
    kept.into_bytes()
}

fn decode(base64: &str) -> Vec<u8> {
    let compact: String = base64.chars().filter(|c| !c.is_whitespace()).collect();
    STANDARD.decode(compact).unwrap_or_default()
}

fn map<'a>(object: &'a Value, key: &str) -> impl Iterator<Item = (&'a String, &'a str)> {
    let fields = object.get(key).and_then(Value::as_object);
    fields.into_iter().flatten().filter_map(|(k, v)| Some((k, v.as_str()?)))
}

fn array<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text(value: &Value, pointer: &str) -> Option<String> {
    value.pointer(pointer).and_then(Value::as_str).map(str::to_owned)
}

fn number(value: &Value, pointer: &str) -> Option<u32> {
    value.pointer(pointer).and_then(Value::as_u64).and_then(|n| n.try_into().ok())
}

fn port(value: &Value, pointer: &str) -> Option<u16> {
    number(value, pointer).and_then(|n| n.try_into().ok())
}

fn ip(value: &Value, pointer: &str) -> Option<IpAddr> {
    value.pointer(pointer).and_then(Value::as_str).and_then(|s| s.parse().ok())
}

fn ips(value: &Value, pointer: &str) -> Vec<IpAddr> {
    array(value, pointer).iter().filter_map(|v| v.as_str()?.parse().ok()).collect()
}

const PEM_BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const PEM_END: &str = "-----END CERTIFICATE-----";
/// Certificates of one key or file; the bundle of public authorities is about 220 KiB.
pub(super) const MAX_CERTIFICATE_BYTES: usize = 1 << 20;
