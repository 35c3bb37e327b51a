//! Fields of a flow of any protocol.

use super::{CaseView, Field};
use crate::flow::{Flow, Proto};
use crate::ingest::Conversation;
use crate::rules::expr::{Kind, Value};

fn flow<'a>(view: &CaseView<'a>, read: impl FnOnce(&'a Conversation) -> Value<'a>) -> Value<'a> {
    view.flow.map_or(Value::Unknown, read)
}

fn ports<'a>(view: &CaseView<'a>, proto: Proto) -> Value<'a> {
    flow(view, |f| if f.proto == proto { both(f.orig.port(), f.resp.port()) } else { Value::Absent })
}

fn both<'a, T: Into<Value<'a>>>(a: T, b: T) -> Value<'a> {
    Value::Many(vec![a.into(), b.into()])
}

fn protocol<A>(flow: &Flow<A>) -> &'static str {
    match flow.proto {
        Proto::Tcp => "tcp",
        Proto::Udp => "udp",
        Proto::Other(_) => "other",
    }
}

const PROTOCOLS: &[&str] = &["tcp", "udp", "other"];

#[rustfmt::skip]
pub(super) const FIELDS: &[Field] = &[
    Field::new("ip.addr", Kind::Address, "Either address of the flow.", "ip.addr == 10.96.0.0/12", |v| flow(v, |f| both(f.orig.ip(), f.resp.ip()))),
    Field::new("ip.orig", Kind::Address, "Address of the side that opened the flow.", "ip.orig == 10.0.0.5", |v| flow(v, |f| f.orig.ip().into())),
    Field::new("ip.resp", Kind::Address, "Address of the other side.", "ip.resp in { 10.0.0.0/8, fd00::/8 }", |v| flow(v, |f| f.resp.ip().into())),
    Field::new("ip.proto", Kind::Word(PROTOCOLS), "Transport protocol.", "ip.proto == tcp", |v| flow(v, |f| protocol(f).into())),
    Field::new("tcp.port", Kind::Number, "Either TCP port.", "tcp.port == 443", |v| ports(v, Proto::Tcp)),
    Field::new("tcp.srcport", Kind::Number, "TCP port of the side that opened the flow.", "tcp.srcport >= 32768", |v| flow(v, |f| if f.proto == Proto::Tcp { f.orig.port().into() } else { Value::Absent })),
    Field::new("tcp.dstport", Kind::Number, "TCP port of the other side.", "tcp.dstport in { 443, 6443, 10250 }", |v| flow(v, |f| if f.proto == Proto::Tcp { f.resp.port().into() } else { Value::Absent })),
    Field::new("udp.port", Kind::Number, "Either UDP port.", "udp.port == 53", |v| ports(v, Proto::Udp)),
    Field::new("frame.number", Kind::Number, "First frame of the flow, as Wireshark numbers it.", "frame.number < 1000", |v| flow(v, |f| f.first.frame.number().into())),
    Field::new("frame.last", Kind::Number, "Last frame of the flow.", "frame.last > 5000", |v| flow(v, |f| f.last.frame.number().into())),
    Field::new("flow.packets.orig", Kind::Number, "Packets of the side that opened the flow, copies included.", "flow.packets.orig > 100", |v| flow(v, |f| f.packets.orig.into())),
    Field::new("flow.packets.resp", Kind::Number, "Packets of the other side, copies included.", "flow.packets.resp == 0", |v| flow(v, |f| f.packets.resp.into())),
    Field::new("flow.bytes.orig", Kind::Bytes, "Payload bytes of the side that opened the flow, copies included.", "flow.bytes.orig > 64KiB", |v| flow(v, |f| f.bytes.orig.into())),
    Field::new("flow.bytes.resp", Kind::Bytes, "Payload bytes of the other side, copies included.", "flow.bytes.resp == 0", |v| flow(v, |f| f.bytes.resp.into())),
    Field::new("flow.duration", Kind::Span, "From the first to the last packet.", "flow.duration > 30s", |v| flow(v, |f| (f.last.time - f.first.time).into())),
    Field::new("flow.start", Kind::Time, "Time of the first packet, by the capture's clock.", "flow.start", |v| flow(v, |f| f.first.time.into())),
    Field::new("flow.duplicates", Kind::Number, "Packets that are copies of one seen just before at another capture point.", "flow.duplicates > 0", |v| flow(v, |f| f.duplicates.into())),
    Field::new("flow.midstream", Kind::Flag, "The start of the flow is not in the capture.", "flow.midstream", |v| flow(v, |f| f.midstream.into())),
    Field::new("flow.truncated", Kind::Flag, "The snap length cut a packet of it.", "flow.truncated", |v| flow(v, |f| f.truncated.into())),
    Field::new("flow.quoted_only", Kind::Flag, "Only an ICMP error quotes it; no packet of its own is in the capture.", "flow.quoted_only", |v| flow(v, |f| f.quoted_only.into())),
    Field::new("flow.vni", Kind::Number, "Overlay network identifier (VXLAN, Geneve).", "flow.vni == 4096", |v| flow(v, |f| f.vni.into())),
];
