//! One flow as one JSON object, its keys always in the same order.

use std::net::SocketAddr;

use super::super::json;
use super::{Records, Slot, tcp, tls};
use crate::dns::DnsFacts;
use crate::flow::{Dir, IcmpError, PerDir, Proto, TcpFacts};
use crate::ingest::{Conversation, FlowIndex};
use crate::report::words;
use crate::tls::HttpFacts;

impl Records<'_> {
    /// Appends the object of one flow, without a line end.
    pub(super) fn record(&self, index: FlowIndex, flow: &Conversation, slot: &mut Slot) {
        let Slot { out, cache, tcp: facts } = slot;
        let capture = self.captures.get(usize::from(flow.capture.0));
        let files = capture.map_or(&[][..], |c| &c.files);
        let file = |n: u16| files.get(usize::from(n)).map_or(&b"\"\""[..], |f| f.as_slice());
        json::put(out, b"{\"capture\":");
        out.extend_from_slice(capture.map_or(b"\"\"", |c| c.name.as_slice()));
        identity(out, flow, self.community_id);
        // Unpacked for this line only: unpacked for good, those of all flows would fill the memory.
        if let Some(record) = &flow.tcp {
            record.read_into(facts);
        }
        let facts = flow.tcp.as_ref().map(|_| &*facts);
        counts(out, flow, facts);
        if let Some(facts) = facts {
            tcp::write(out, facts);
        }
        if flow.duplicates > 0 {
            field(out, b",\"duplicates\":", u64::from(flow.duplicates));
        }
        icmp(out, &flow.icmp);
        if let Some(facts) = &flow.app.session.tls {
            tls::write(out, facts, &mut cache.tls);
        }
        application(out, flow);
        notes(out, flow);
        self.counterpart_of(out, index);
        json::put(out, b",\"file\":");
        out.extend_from_slice(file(flow.first.frame.file()));
        parts(out, flow, file);
        if let Some(stream) = flow.stream.filter(|_| !flow.quoted_only) {
            field(out, b",\"display_filter\":\"tcp.stream == ", u64::from(stream));
        } else {
            json::put(out, b",\"display_filter\":\"");
            out.extend_from_slice(words::display_filter(flow).as_bytes());
        }
        json::put(out, b"\"}");
    }

    fn counterpart_of(&self, out: &mut Vec<u8>, index: FlowIndex) {
        let Some((other, why)) = self.counterpart(index) else { return };
        json::put(out, b",\"counterpart\":{\"orig\":");
        end(out, other.orig);
        json::put(out, b",\"resp\":");
        end(out, other.resp);
        json::put(out, b",\"why\":");
        json::string(out, why);
        out.push(b'}');
    }
}

/// Who, when, and in which frames.
fn identity(out: &mut Vec<u8>, flow: &Conversation, community_id: bool) {
    if let Some(stream) = flow.stream {
        field(out, b",\"stream\":", u64::from(stream));
    }
    json::put(out, b",\"proto\":");
    match flow.proto {
        Proto::Tcp => json::put(out, b"\"tcp\""),
        Proto::Udp => json::put(out, b"\"udp\""),
        Proto::Other(n) => json::string(out, &format!("ip_{n}")),
    }
    if let Some(vni) = flow.vni {
        field(out, b",\"vni\":", u64::from(vni));
    }
    json::put(out, b",\"orig\":");
    end(out, flow.orig);
    json::put(out, b",\"resp\":");
    end(out, flow.resp);
    if community_id {
        json::put(out, b",\"community_id\":\"");
        flow.write_community_id(out);
        out.push(b'"');
    }
    json::put(out, b",\"first_time\":");
    json::time(out, flow.first.time);
    json::put(out, b",\"last_time\":");
    json::time(out, flow.last.time);
    field(out, b",\"first_frame\":", flow.first.frame.number());
    field(out, b",\"last_frame\":", flow.last.frame.number());
}

fn counts(out: &mut Vec<u8>, flow: &Conversation, tcp: Option<&TcpFacts>) {
    if let Some(tcp) = tcp {
        if let Some(state) = tcp.conn_state.filter(|_| !flow.quoted_only) {
            json::put(out, b",\"conn_state\":\"");
            out.extend_from_slice(state.name().as_bytes());
            out.push(b'"');
        }
        if !tcp.history.is_empty() {
            json::put(out, b",\"history\":");
            json::word(out, &tcp.history);
        }
        field(out, b",\"completeness\":", u64::from(tcp.completeness));
    }
    json::put(out, b",\"packets\":");
    pair(out, flow.packets);
    json::put(out, b",\"bytes\":{\"orig\":");
    json::number(out, flow.bytes.orig);
    field(out, b",\"resp\":", flow.bytes.resp);
    out.push(b'}');
}

fn icmp(out: &mut Vec<u8>, errors: &[IcmpError]) {
    if errors.is_empty() {
        return;
    }
    json::put(out, b",\"icmp\":");
    json::array(out, errors, |out, error| {
        field(out, b"{\"type\":", u64::from(error.kind));
        field(out, b",\"code\":", u64::from(error.code));
        json::put(out, b",\"from\":");
        json::ip(out, error.from);
        field(out, b",\"frame\":", error.at.frame.number());
        json::put(out, b",\"name\":");
        json::string(out, &words::icmp(error));
        out.push(b'}');
    });
}

/// What was spoken that is not TLS.
fn application(out: &mut Vec<u8>, flow: &Conversation) {
    let first = flow.app.session.first_bytes;
    if first != PerDir::default() {
        json::put(out, b",\"first_bytes\":{");
        let mut separator: &[u8] = b"";
        for dir in [Dir::Orig, Dir::Resp] {
            let Some(spoke) = first[dir] else { continue };
            out.extend_from_slice(separator);
            json::word(out, dir.name());
            out.push(b':');
            json::word(out, spoke.name());
            separator = b",";
        }
        out.push(b'}');
    }
    if let Some(facts) = &flow.app.session.http {
        http(out, facts);
    }
    if let Some(facts) = flow.app.dns.as_ref().filter(|d| !d.lookups.is_empty()) {
        dns(out, facts);
    }
}

fn http(out: &mut Vec<u8>, facts: &HttpFacts) {
    json::put(out, b",\"http\":{");
    let mut separator: &[u8] = b"";
    let texts = [("method", &facts.method), ("target", &facts.target), ("host", &facts.host)];
    for (name, text) in texts.into_iter().filter_map(|(name, text)| Some((name, text.as_ref()?))) {
        out.extend_from_slice(separator);
        json::string(out, name);
        out.push(b':');
        json::string(out, text);
        separator = b",";
    }
    if let Some(status) = facts.status {
        out.extend_from_slice(separator);
        field(out, b"\"status\":", u64::from(status));
    }
    out.push(b'}');
}

fn dns(out: &mut Vec<u8>, facts: &DnsFacts) {
    json::put(out, b",\"dns\":");
    json::array(out, &facts.lookups, |out, lookup| {
        json::put(out, b"{\"name\":");
        json::string(out, &lookup.name);
        field(out, b",\"type\":", u64::from(lookup.qtype));
        field(out, b",\"frame\":", lookup.query.frame.number());
        field(out, b",\"tries\":", u64::from(lookup.tries));
        if let Some(code) = lookup.rcode {
            field(out, b",\"rcode\":", u64::from(code));
        }
        if let Some(answer) = lookup.answer {
            json::put(out, b",\"answer_after\":");
            json::seconds(out, answer.time - lookup.query.time);
            json::put(out, b",\"addresses\":");
            json::array(out, &lookup.addresses, |out, ip| json::ip(out, *ip));
        }
        out.push(b'}');
    });
}

fn notes(out: &mut Vec<u8>, flow: &Conversation) {
    json::put(out, b",\"truncated\":");
    json::flag(out, flow.truncated);
    json::put(out, b",\"midstream\":");
    json::flag(out, flow.midstream);
    if flow.quoted_only {
        json::put(out, b",\"quoted_only\":true");
    }
    if flow.evicted {
        json::put(out, b",\"evicted\":true");
    }
}

fn parts<'f>(out: &mut Vec<u8>, flow: &Conversation, file: impl Fn(u16) -> &'f [u8]) {
    if flow.parts.is_empty() {
        return;
    }
    json::put(out, b",\"parts\":");
    json::array(out, &flow.parts, |out, part| {
        json::put(out, b"{\"file\":");
        out.extend_from_slice(file(part.file));
        if let Some(stream) = part.stream {
            field(out, b",\"stream\":", u64::from(stream));
        }
        field(out, b",\"first_frame\":", part.first_frame);
        field(out, b",\"last_frame\":", part.last_frame);
        out.push(b'}');
    });
}

/// Appends a key (as it stands, with quotes, colon and comma) and a number.
#[inline]
pub(super) fn field<const N: usize>(out: &mut Vec<u8>, key: &[u8; N], value: u64) {
    json::put(out, key);
    json::number(out, value);
}

/// Appends the values of both sides.
pub(super) fn pair(out: &mut Vec<u8>, value: PerDir<u32>) {
    field(out, b"{\"orig\":", u64::from(value.orig));
    field(out, b",\"resp\":", u64::from(value.resp));
    out.push(b'}');
}

#[inline]
fn end(out: &mut Vec<u8>, end: SocketAddr) {
    json::put(out, b"{\"ip\":");
    json::ip(out, end.ip());
    field(out, b",\"port\":", u64::from(end.port()));
    out.push(b'}');
}
