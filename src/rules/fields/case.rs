//! Fields of the case as a whole: how it was joined, what the captures cover, other vantage points, other calls.

use super::{CaseView, Field};
use crate::correlate::{Case, CaseFacts, Coverage, Neighbours, Views};
use crate::rules::expr::{Kind, Value};

/// What is not known of a case is unknown, never absent.
fn known<'a, T: Into<Value<'a>>>(value: Option<T>) -> Value<'a> {
    value.map_or(Value::Unknown, Into::into)
}

fn fact<'a>(view: &CaseView<'a>, read: impl FnOnce(&'a CaseFacts) -> Value<'a>) -> Value<'a> {
    view.case(|c| read(&c.facts))
}

fn cover<'a>(view: &CaseView<'a>, read: impl FnOnce(&'a Coverage) -> Option<bool>) -> Value<'a> {
    view.case(|c| known(read(&c.coverage)))
}

fn views<'a>(view: &CaseView<'a>, read: impl FnOnce(&'a Views) -> Option<bool>) -> Value<'a> {
    fact(view, |f| known(read(&f.views)))
}

fn others<'a>(view: &CaseView<'a>, read: impl FnOnce(&'a Neighbours) -> Value<'a>) -> Value<'a> {
    fact(view, |f| read(&f.neighbours))
}

fn key(case: &Case) -> Option<&'static str> {
    case.matching.as_ref().map(|m| m.key.name())
}

/// Namespace and name of the Service, from objects, else from a host name such as `injector.vault.svc`.
fn service(case: &Case) -> Option<(&str, &str)> {
    let of_host = |host: &str| host.split(':').next().is_some_and(|h| h.split('.').nth(2) == Some("svc"));
    let host = case.target.url_host.as_deref().filter(|h| of_host(h));
    let named = || {
        let mut labels = host?.split('.');
        labels.next().zip(labels.next()).map(|(name, namespace)| (namespace, name))
    };
    case.target.service.as_deref().and_then(|s| s.split_once('/')).or_else(named)
}

const KEYS: &[&str] =
    &["tuple", "client_hello_random", "sni", "nat_map", "learnt_destination", "dns_name", "time", "wire"];

#[rustfmt::skip]
pub(super) const FIELDS: &[Field] = &[
    Field::new("case.has_flow", Kind::Flag, "A connection in a capture carried the call.", "case.has_flow", |v| v.case(|c| c.attempt().is_some().into())),
    Field::new("case.has_packets", Kind::Flag, "Any flow of the call (connection or lookup) is in a capture.", "!case.has_packets", |v| v.case(|c| (!c.flows.is_empty()).into())),
    Field::new("case.has_captures", Kind::Flag, "The bundle holds at least one capture.", "case.has_captures", |v| v.world.map_or(Value::Unknown, |w| (!w.wire.captures.is_empty()).into())),
    Field::new("case.flows", Kind::Number, "Flows of the call.", "case.flows > 1", |v| v.case(|c| (c.flows.len() as u64).into())),
    Field::new("case.key", Kind::Word(KEYS), "Strongest key that joined line and flow.", "case.key in { tuple, sni }", |v| v.case(|c| key(c).into())),
    Field::new("case.request_acked", Kind::Flag, "The server acknowledged the request of this call; what the client sends when it gives up is not counted.", "!case.request_acked", |v| fact(v, |f| known(f.request_acked))),
    Field::new("case.requested", Kind::Flag, "The request of this call is on the wire; requests of later calls on the connection are not counted.", "!case.requested", |v| fact(v, |f| known(f.requested))),
    Field::new("case.ended_by_peer", Kind::Flag, "The server closed or reset the connection before the caller gave up.", "!case.ended_by_peer", |v| fact(v, |f| known(f.ended_by_peer))),
    Field::new("case.reused_connection", Kind::Flag, "The connection carried other requests before.", "case.reused_connection", |v| fact(v, |f| known(f.reused_connection))),
    Field::new("case.cluster_ip_on_wire", Kind::Flag, "The ClusterIP of the message appears untranslated on the wire.", "case.cluster_ip_on_wire", |v| fact(v, |f| known(f.cluster_ip_on_wire))),
    Field::new("case.neighbor_unanswered", Kind::Number, "Unanswered ARP or ND requests for the destination or its next hop, of the caller, its host, or a host that hands its packets on.", "case.neighbor_unanswered > 0", |v| fact(v, |f| known(f.neighbor_unanswered))),
    Field::new("case.server_says", Kind::Text, "The server's own words about the same connection, from its log.", "case.server_says contains \"no cipher suite\"", |v| fact(v, |f| f.server_says.as_ref().into())),
    Field::new("case.ca_bundle_mismatch", Kind::Text, "A caBundle of the bundle that does not verify the certificate on the wire: what and why.", "case.ca_bundle_mismatch", |v| fact(v, |f| f.ca_bundle_mismatch.as_ref().into())),
    Field::new("case.issuer_missing", Kind::Flag, "The caBundle that does not verify the certificate holds no authority of its issuer's name, and the issuer's own certificate is not beside it: an intermediate one may be missing.", "case.issuer_missing", |v| fact(v, |f| known(f.issuer_missing))),
    Field::new("case.concurrent_targets", Kind::Number, "Targets whose calls failed alike in the same second, this one included.", "case.concurrent_targets > 3", |v| fact(v, |f| f.concurrent_targets.into())),
    Field::new("case.target.backend", Kind::Text, "Address on the wire that the call was to reach.", "case.target.backend", |v| v.case(|c| c.target.backend.as_ref().into())),
    Field::new("case.target.service", Kind::Text, "namespace/name of the Service called.", "case.target.service == \"vault/injector\"", |v| v.case(|c| c.target.service.as_ref().into())),
    Field::new("case.target.namespace", Kind::Text, "Namespace of the Service or pod called.", "case.target.namespace == \"vault\"", |v| v.case(|c| service(c).map(|(namespace, _)| namespace).into())),
    Field::new("case.target.service_name", Kind::Text, "Name of the Service called.", "case.target.service_name == \"injector\"", |v| v.case(|c| service(c).map(|(_, name)| name).into())),
    Field::new("case.target.pod", Kind::Text, "namespace/name of the pod called.", "case.target.pod", |v| v.case(|c| c.target.pod.as_ref().into())),
    Field::new("case.target.address", Kind::Text, "Address in the message.", "case.target.address", |v| v.case(|c| c.target.address.as_ref().into())),
    Field::new("case.target.url_host", Kind::Text, "Host of the URL, with its port where it is not the scheme's own.", "case.target.url_host", |v| v.case(|c| c.target.url_host.as_ref().into())),
];

#[rustfmt::skip]
pub(super) const COVERAGE: &[Field] = &[
    Field::new("coverage.time_span", Kind::Flag, "A capture spans the window of the attempt.", "coverage.time_span", |v| cover(v, |c| c.time_span)),
    Field::new("coverage.place", Kind::Flag, "A capture was taken where the packets pass.", "coverage.place", |v| cover(v, |c| c.place)),
    Field::new("coverage.address", Kind::Flag, "The capture shows packets to the target's address and port, so that no filter hides them, and no failed dial of the same caller to an address that nothing knows.", "coverage.address", |v| cover(v, |c| c.address)),
    Field::new("coverage.both_directions", Kind::Flag, "Replies of this peer, or of others at that place, are in the capture.", "coverage.both_directions", |v| cover(v, |c| c.both_directions)),
    Field::new("coverage.no_drops", Kind::Flag, "The capture lost no packets.", "coverage.no_drops", |v| cover(v, |c| c.no_drops)),
    Field::new("coverage.outcome", Kind::Flag, "The capture goes on until the call had ended.", "coverage.outcome", |v| fact(v, |f| known(f.capture_ends_first.map(|ends| !ends)))),
];

#[rustfmt::skip]
pub(super) const VIEWS: &[Field] = &[
    Field::new("views.count", Kind::Number, "Vantage points that show the connection.", "views.count > 1", |v| fact(v, |f| f.views.count.into())),
    Field::new("views.syn_at_far", Kind::Flag, "A vantage point nearer to the server shows the SYN.", "views.syn_at_far", |v| views(v, |w| w.syn_at_far)),
    Field::new("views.synack_at_far", Kind::Flag, "A vantage point nearer to the server shows a SYN-ACK.", "views.synack_at_far", |v| views(v, |w| w.synack_at_far)),
    Field::new("views.synack_at_near", Kind::Flag, "The vantage point nearest to the caller shows a SYN-ACK.", "views.synack_at_near", |v| views(v, |w| w.synack_at_near)),
    Field::new("views.absent_at_far", Kind::Flag, "A vantage point nearer to the server covers time and address and shows nothing of the connection.", "views.absent_at_far", |v| views(v, |w| w.absent_at_far)),
    Field::new("views.stops_at_far", Kind::Flag, "A vantage point nearer to the server shows what it forwards twice, and the packets of this connection only once.", "views.stops_at_far", |v| views(v, |w| w.stops_at_far)),
    Field::new("views.reached", Kind::Flag, "The only or nearest capture is from the node of the pod called, and shows the packets passed on to the pod.", "views.reached", |v| views(v, |w| w.reached)),
    Field::new("views.reset_only_near", Kind::Flag, "The reset is seen near the caller and not near the server.", "views.reset_only_near", |v| views(v, |w| w.reset_only_near)),
];

#[rustfmt::skip]
pub(super) const NEIGHBOURS: &[Field] = &[
    Field::new("service.endpoints", Kind::Number, "Endpoints that the objects know for the Service.", "service.endpoints == 0", |v| others(v, |n| known(n.endpoints))),
    Field::new("service.endpoints_ready", Kind::Number, "Ready ones among them.", "service.endpoints_ready == 0", |v| others(v, |n| known(n.endpoints_ready))),
    Field::new("service.exists", Kind::Flag, "The Service is among the objects.", "!service.exists", |v| others(v, |n| known(n.service_exists))),
    Field::new("service.other_endpoints_ok", Kind::Number, "Other backends of the Service that answered within a minute of the call.", "service.other_endpoints_ok > 0", |v| others(v, |n| n.other_endpoints_ok.into())),
    Field::new("backend.established", Kind::Number, "Connections to the same backend within a minute of the call that were established.", "backend.established > 0", |v| others(v, |n| n.backend_established.into())),
    Field::new("backend.refused", Kind::Number, "Connections to the same backend within a minute of the call that were refused.", "backend.refused > 1", |v| others(v, |n| n.backend_refused.into())),
    Field::new("backend.silent", Kind::Number, "Connections to the same backend begun before this one, and not over a minute before the call, that took a whole request or hello and gave no byte back.", "backend.silent > 1", |v| others(v, |n| n.backend_silent.into())),
    Field::new("backend.passed_over", Kind::Bytes, "Payload of the largest segment that this caller sent again in vain to the same backend, on other connections within a minute of the call where what it sent behind that was reported as received (SACK, duplicate ACKs): so much does not pass, less does.", "tcp.loss.orig.largest >= backend.passed_over", |v| others(v, |n| n.backend_passed_over.map(u64::from).into())),
    Field::new("backend.taken_later", Kind::Number, "Connections to the same backend begun after this one, before the call had ended, whose SYN was answered by a SYN-ACK.", "backend.taken_later == 0", |v| others(v, |n| n.backend_taken_later.into())),
    Field::new("backend.unanswered_later", Kind::Number, "Connections to the same backend begun after this one, up to a minute after the call, whose SYNs nobody answered, and after which none got a SYN-ACK; of the same caller, or dialled more than once by one that was served at another time.", "backend.unanswered_later > 0", |v| others(v, |n| n.backend_unanswered_later.into())),
    Field::new("backend.answered_later", Kind::Number, "Connections to the same backend begun after this one, up to a minute after the call, that got bytes back.", "backend.answered_later == 0", |v| others(v, |n| n.backend_answered_later.into())),
    Field::new("backend.ttl", Kind::Number, "TTLs of the backend's packets that are no RST, on any flow.", "backend.ttl == 64", |v| others(v, |n| n.backend_ttls.iter().map(|t| Value::from(*t)).collect())),
    Field::new("backend.is_node", Kind::Flag, "The backend is a host's own address; false for a pod's.", "backend.is_node", |v| others(v, |n| known(n.backend_is_node))),
    Field::new("backend.choice_missing", Kind::Flag, "What this server chose with other clients is not offered in this hello.", "backend.choice_missing", |v| others(v, |n| known(n.server_choice_missing))),
];
