//! Fields of the log line of a case; absent where the message does not carry them or where only the wire tells.

use super::{CaseView, Field};
use crate::log::{Edge, EventFields, Url};
use crate::rules::expr::{Kind, Value};

fn fields<'a>(view: &CaseView<'a>, read: impl FnOnce(&'a EventFields) -> Value<'a>) -> Value<'a> {
    view.log(|event| read(&event.fields))
}

fn text<'a>(view: &CaseView<'a>, read: impl FnOnce(&'a EventFields) -> &'a Option<String>) -> Value<'a> {
    fields(view, |f| read(f).as_ref().into())
}

fn url<'a>(view: &CaseView<'a>, read: impl FnOnce(&'a Url) -> Value<'a>) -> Value<'a> {
    fields(view, |f| f.url.as_ref().map_or(Value::Absent, read))
}

const EDGES: &[&str] = &[
    Edge::Webhook.name(),
    Edge::ConversionWebhook.name(),
    Edge::AggregatedApi.name(),
    Edge::Kubelet.name(),
    Edge::Etcd.name(),
    Edge::EtcdPeer.name(),
    Edge::Oidc.name(),
    Edge::AuditWebhook.name(),
    Edge::AuthWebhook.name(),
    Edge::Apiserver.name(),
    Edge::Probe.name(),
    Edge::Konnectivity.name(),
    Edge::Proxy.name(),
    Edge::Registry.name(),
    Edge::LocalSocket.name(),
    Edge::Server.name(),
    Edge::Other.name(),
];

#[rustfmt::skip]
pub(super) const FIELDS: &[Field] = &[
    Field::new("log", Kind::Flag, "A log line tells of the case.", "log", |v| if v.event.is_some() { true.into() } else { v.case(|_| false.into()) }),
    Field::new("log.event", Kind::Text, "Name of the event, as in rules/events/.", "log.event == \"deadline_exceeded\"", |v| v.log(|e| (&*e.name).into())),
    Field::new("log.edge", Kind::Word(EDGES), "Which connection of the control plane the case is about.", "log.edge == webhook", |v| v.case.map(|c| c.edge).or(v.event.map(|e| e.edge)).map_or(Value::Unknown, |e| e.name().into())),
    Field::new("log.component", Kind::Text, "Component that wrote the line.", "log.component == \"kube-apiserver\"", |v| v.log(|e| e.component.as_deref().into())),
    Field::new("log.host", Kind::Text, "Host that wrote the line.", "log.host == \"cp-1\"", |v| v.log(|e| e.host.as_deref().into())),
    Field::new("log.pod", Kind::Text, "namespace/pod that wrote the line.", "log.pod contains \"webhook\"", |v| v.log(|e| e.pod.as_deref().into())),
    Field::new("log.pretends", Kind::Flag, "Only an API server writes such words, and the pod that wrote them is none by its namespace and names; or a kubelet says of a probe what only one of another namespace's pods or Services gives.", "!log.pretends", |v| v.log(|e| e.pretends.into())),
    Field::new("log.server_side", Kind::Flag, "The line is a server's view of its client.", "log.server_side", |v| v.log(|e| e.server_side.into())),
    Field::new("log.reason", Kind::Text, "The reason in the message's own words, after all wrappers.", "log.reason contains \"refused\"", |v| fields(v, |f| (&f.reason).into())),
    Field::new("log.op", Kind::Text, "Operation of the network error: dial, read, write, lookup.", "log.op == \"dial\"", |v| text(v, |f| &f.op)),
    Field::new("log.grpc_code", Kind::Text, "Status of a gRPC call, as etcd's client words it.", "log.grpc_code == \"Unavailable\"", |v| text(v, |f| &f.grpc_code)),
    Field::new("log.deadline", Kind::Span, "Deadline as the message gives it.", "log.deadline < 5s", |v| fields(v, |f| f.deadline.into())),
    Field::new("log.webhook", Kind::Text, "Webhook name.", "log.webhook == \"validate.policy.example.com\"", |v| text(v, |f| &f.webhook)),
    Field::new("log.fail_open", Kind::Flag, "The call failed open: the request went through unchecked.", "log.fail_open", |v| fields(v, |f| f.fail_open.into())),
    Field::new("log.method", Kind::Text, "HTTP method.", "log.method == \"Post\"", |v| text(v, |f| &f.method)),
    Field::new("log.url_host", Kind::Text, "Host of the URL called.", "log.url_host matches \"\\.svc$\"", |v| url(v, |u| (&u.host).into())),
    Field::new("log.url_port", Kind::Number, "Port of the URL called.", "log.url_port == 443", |v| url(v, |u| u.port.into())),
    Field::new("log.url_scheme", Kind::Text, "Scheme of the URL called.", "log.url_scheme == \"https\"", |v| url(v, |u| (&u.scheme).into())),
    Field::new("log.url_path", Kind::Text, "Path of the URL called.", "log.url_path == \"/validate\"", |v| url(v, |u| (&u.path).into())),
    Field::new("log.destination", Kind::Text, "Address and port that the message says were dialled.", "log.destination == \"10.96.0.10:443\"", |v| fields(v, |f| f.destination.map(|a| a.to_string()).into())),
    Field::new("log.source", Kind::Text, "Near address and port that the message gives.", "log.source", |v| fields(v, |f| f.source.map(|a| a.to_string()).into())),
    Field::new("log.alert", Kind::Text, "TLS alert in Go's words.", "log.alert == \"handshake failure\"", |v| text(v, |f| &f.alert)),
    Field::new("log.alert_local", Kind::Flag, "The message's own side sent the alert.", "log.alert_local", |v| fields(v, |f| f.alert_local.into())),
    Field::new("log.x509", Kind::Text, "The x509 error.", "log.x509 contains \"unknown authority\"", |v| text(v, |f| &f.x509)),
    Field::new("log.x509_current_time", Kind::Time, "The verifier's clock in a validity error.", "log.x509_current_time", |v| fields(v, |f| f.x509_current_time.into())),
    Field::new("log.x509_validity", Kind::Text, "Side of the validity that the verifier's clock was on: before or after.", "log.x509_validity == \"after\"", |v| text(v, |f| &f.x509_validity)),
    Field::new("log.x509_candidate", Kind::Text, "Candidate authority that an unknown-authority error names.", "log.x509_candidate", |v| text(v, |f| &f.x509_candidate)),
    Field::new("log.x509_valid_for", Kind::Text, "Names that the certificate is valid for.", "log.x509_valid_for", |v| text(v, |f| &f.x509_valid_for)),
    Field::new("log.x509_wanted", Kind::Text, "Name or address wanted of the certificate.", "log.x509_wanted", |v| text(v, |f| &f.x509_wanted)),
    Field::new("log.dns_name", Kind::Text, "Name looked up.", "log.dns_name == \"example.com\"", |v| text(v, |f| &f.dns_name)),
    Field::new("log.dns_server", Kind::Text, "DNS server asked.", "log.dns_server == \"10.96.0.10:53\"", |v| fields(v, |f| f.dns_server.map(|a| a.to_string()).into())),
    Field::new("log.http_status", Kind::Number, "HTTP status that the peer answered with.", "log.http_status in { 500..599 }", |v| fields(v, |f| f.http_status.into())),
    Field::new("log.apiservice", Kind::Text, "APIService.", "log.apiservice == \"v1beta1.metrics.k8s.io\"", |v| text(v, |f| &f.apiservice)),
    Field::new("log.service", Kind::Text, "namespace/name of the Service.", "log.service == \"kube-system/metrics-server\"", |v| text(v, |f| &f.service)),
    Field::new("log.node", Kind::Text, "Node name.", "log.node == \"node-1\"", |v| text(v, |f| &f.node)),
    Field::new("log.probed", Kind::Text, "namespace/name of the pod that a probe was of.", "log.probed == \"shop/web-0\"", |v| text(v, |f| &f.probed)),
    Field::new("log.proxy", Kind::Text, "Proxy address.", "log.proxy", |v| text(v, |f| &f.proxy)),
];
