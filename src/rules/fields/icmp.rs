//! Fields of the first ICMP or ICMPv6 error that quotes a packet of the side that opened the flow.

use super::{CaseView, Field};
use crate::flow::{Dir, IcmpError};
use crate::ingest::Conversation;
use crate::rules::expr::{Kind, Value};

fn icmp<'a>(view: &CaseView<'a>, read: impl FnOnce(&'a Conversation, IcmpError) -> Value<'a>) -> Value<'a> {
    let Some(flow) = view.flow else {
        return Value::Unknown;
    };
    let first = flow.icmp.iter().find(|e| e.quotes == Dir::Orig);
    first.or(flow.icmp.first()).map_or(Value::Absent, |e| read(flow, *e))
}

/// Word for type and code (RFC 792, RFC 1812 §5.2.7.1, RFC 4443 §3).
const fn name(error: IcmpError) -> &'static str {
    match (error.v6, error.kind, error.code) {
        (false, 3, 0) => "net_unreachable",
        (false, 3, 1) => "host_unreachable",
        (false, 3, 2) => "protocol_unreachable",
        (false, 3, 3) | (true, 1, 4) => "port_unreachable",
        (false, 3, 4) | (true, 2, _) => "packet_too_big",
        (false, 3, 9) => "net_prohibited",
        (false, 3, 10) => "host_prohibited",
        (false, 3, 13) | (true, 1, 1) => "admin_prohibited",
        (false, 11, _) | (true, 3, _) => "time_exceeded",
        (true, 1, 0) => "no_route",
        (true, 1, 3) => "address_unreachable",
        (true, 1, 5) => "policy_failed",
        (true, 1, 6) => "route_rejected",
        _ => "other",
    }
}

const NAMES: &[&str] = &[
    "net_unreachable",
    "host_unreachable",
    "protocol_unreachable",
    "port_unreachable",
    "packet_too_big",
    "net_prohibited",
    "host_prohibited",
    "admin_prohibited",
    "time_exceeded",
    "no_route",
    "address_unreachable",
    "policy_failed",
    "route_rejected",
    "other",
];

#[rustfmt::skip]
pub(super) const FIELDS: &[Field] = &[
    Field::new("icmp", Kind::Flag, "An ICMP or ICMPv6 error quotes a packet of the flow.", "icmp", |v| v.flow.map_or(Value::Unknown, |f| (!f.icmp.is_empty()).into())),
    Field::new("icmp.name", Kind::Word(NAMES), "What the error says.", "icmp.name == port_unreachable", |v| icmp(v, |_, e| name(e).into())),
    Field::new("icmp.type", Kind::Number, "Type of the error.", "icmp.type == 3", |v| icmp(v, |_, e| e.kind.into())),
    Field::new("icmp.code", Kind::Number, "Code of the error.", "icmp.code in { 9, 10, 13 }", |v| icmp(v, |_, e| e.code.into())),
    Field::new("icmp.v6", Kind::Flag, "It is ICMPv6.", "icmp.v6", |v| icmp(v, |_, e| e.v6.into())),
    Field::new("icmp.from", Kind::Address, "Who sent the error.", "icmp.from == 10.0.0.1", |v| icmp(v, |_, e| e.from.into())),
    Field::new("icmp.from_orig", Kind::Flag, "The error comes from the caller's own address.", "icmp.from_orig", |v| icmp(v, |f, e| (e.from == f.orig.ip()).into())),
    Field::new("icmp.from_resp", Kind::Flag, "The error comes from the address that was called.", "icmp.from_resp", |v| icmp(v, |f, e| (e.from == f.resp.ip()).into())),
    Field::new("icmp.after", Kind::Span, "From the first packet of the flow to the error.", "icmp.after < 10ms", |v| icmp(v, |f, e| (e.at.time - f.first.time).into())),
];
