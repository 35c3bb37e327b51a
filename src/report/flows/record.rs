//! One flow as one JSON object, its keys always in the same order.

use std::net::SocketAddr;

use super::super::json::Text;
use super::{Records, tcp, tls};
use crate::dns::DnsFacts;
use crate::flow::{Dir, IcmpError, PerDir, Proto, TcpFacts};
use crate::ingest::{Conversation, FlowIndex};
use crate::report::words;
use crate::tls::HttpFacts;

impl Records<'_> {
    /// Appends the object of one flow, without a line end.
    pub(super) fn record(
        &self,
        index: FlowIndex,
        flow: &Conversation,
        tcp: Option<&TcpFacts>,
        cache: &mut tls::Cache,
        out: &mut Text,
    ) {
        let capture = self.captures.get(usize::from(flow.capture.0));
        let files = capture.map_or(&[][..], |c| &c.files);
        let file = |n: u16| files.get(usize::from(n)).map_or(&b"\"\""[..], |f| &**f);
        out.put(b"{\"capture\":");
        out.add(capture.map_or(b"\"\"", |c| &*c.name));
        identity(out, flow, self.community_id);
        counts(out, flow, tcp);
        if let Some(facts) = tcp {
            tcp::write(out, facts);
        }
        if flow.duplicates > 0 {
            out.field(b",\"duplicates\":", u64::from(flow.duplicates));
        }
        icmp(out, flow);
        if let Some(facts) = &flow.app.session.tls {
            tls::write(out, facts, cache);
        }
        application(out, flow);
        notes(out, flow);
        self.counterpart_of(out, index);
        out.put(b",\"file\":");
        out.add(file(flow.first.frame.file()));
        parts(out, flow, file);
        if let Some(stream) = flow.stream.filter(|_| !flow.quoted_only) {
            out.field(b",\"display_filter\":\"tcp.stream == ", u64::from(stream));
        } else {
            out.put(b",\"display_filter\":\"");
            out.add(words::display_filter(flow).as_bytes());
        }
        out.put(b"\"}");
    }

    fn counterpart_of(&self, out: &mut Text, index: FlowIndex) {
        let Some((other, why)) = self.counterpart(index) else { return };
        end(out, b",\"counterpart\":{\"orig\":{\"ip\":", other.orig);
        end(out, b",\"resp\":{\"ip\":", other.resp);
        out.put(b",\"why\":");
        out.string(why);
        out.put(b"}");
    }
}

/// Who, when, and in which frames.
fn identity(out: &mut Text, flow: &Conversation, community_id: bool) {
    if let Some(stream) = flow.stream {
        out.field(b",\"stream\":", u64::from(stream));
    }
    match flow.proto {
        Proto::Tcp => out.put(b",\"proto\":\"tcp\""),
        Proto::Udp => out.put(b",\"proto\":\"udp\""),
        Proto::Other(n) => {
            out.field(b",\"proto\":\"ip_", u64::from(n));
            out.put(b"\"");
        }
    }
    if let Some(vni) = flow.vni {
        out.field(b",\"vni\":", u64::from(vni));
    }
    end(out, b",\"orig\":{\"ip\":", flow.orig);
    end(out, b",\"resp\":{\"ip\":", flow.resp);
    if community_id {
        out.put(b",\"community_id\":\"");
        out.put(&flow.community_id_text());
        out.put(b"\"");
    }
    out.put(b",\"first_time\":");
    out.time(flow.first.time);
    out.put(b",\"last_time\":");
    out.time(flow.last.time);
    out.field(b",\"first_frame\":", flow.first.frame.number());
    out.field(b",\"last_frame\":", flow.last.frame.number());
}

fn counts(out: &mut Text, flow: &Conversation, tcp: Option<&TcpFacts>) {
    if let Some(tcp) = tcp {
        if let Some(state) = tcp.conn_state.filter(|_| !flow.quoted_only) {
            out.put(b",\"conn_state\":");
            out.word(state.name());
        }
        if !tcp.history.is_empty() {
            out.put(b",\"history\":");
            out.word(&tcp.history);
        }
        out.field(b",\"completeness\":", u64::from(tcp.completeness));
    }
    out.field(b",\"packets\":{\"orig\":", u64::from(flow.packets.orig));
    out.field(b",\"resp\":", u64::from(flow.packets.resp));
    out.field(b"},\"bytes\":{\"orig\":", flow.bytes.orig);
    out.field(b",\"resp\":", flow.bytes.resp);
    out.put(b"}");
}

fn icmp(out: &mut Text, flow: &Conversation) {
    if !flow.icmp.is_empty() {
        out.put(b",\"icmp\":");
        errors(out, &flow.icmp);
    }
    if !flow.stray_icmp.is_empty() {
        out.put(b",\"stray_icmp\":");
        errors(out, &flow.stray_icmp);
    }
}

fn errors(out: &mut Text, errors: &[IcmpError]) {
    out.array(errors, |out, error| {
        out.field(b"{\"type\":", u64::from(error.kind));
        out.field(b",\"code\":", u64::from(error.code));
        out.put(b",\"from\":");
        out.ip(error.from);
        out.field(b",\"frame\":", error.at.frame.number());
        out.put(b",\"name\":");
        out.string(&words::icmp(error));
        out.put(b"}");
    });
}

/// What was spoken that is not TLS.
fn application(out: &mut Text, flow: &Conversation) {
    let first = flow.app.session.first_bytes;
    if first != PerDir::default() {
        out.put(b",\"first_bytes\":{");
        let mut separator: &[u8] = b"";
        for dir in [Dir::Orig, Dir::Resp] {
            let Some(spoke) = first[dir] else { continue };
            out.add(separator);
            out.word(dir.name());
            out.put(b":");
            out.word(spoke.name());
            separator = b",";
        }
        out.put(b"}");
    }
    if let Some(facts) = &flow.app.session.http {
        http(out, facts);
    }
    if let Some(facts) = flow.app.dns.as_ref().filter(|d| !d.lookups.is_empty()) {
        dns(out, facts);
    }
}

fn http(out: &mut Text, facts: &HttpFacts) {
    out.put(b",\"http\":{");
    let mut separator: &[u8] = b"";
    let texts = [("method", &facts.method), ("target", &facts.target), ("host", &facts.host)];
    for (name, text) in texts.into_iter().filter_map(|(name, text)| Some((name, text.as_ref()?))) {
        out.add(separator);
        out.string(name);
        out.put(b":");
        out.string(text);
        separator = b",";
    }
    if let Some(status) = facts.status {
        out.add(separator);
        out.field(b"\"status\":", u64::from(status));
    }
    out.put(b"}");
}

fn dns(out: &mut Text, facts: &DnsFacts) {
    out.put(b",\"dns\":");
    out.array(&facts.lookups, |out, lookup| {
        out.put(b"{\"name\":");
        out.string(&lookup.name);
        out.field(b",\"type\":", u64::from(lookup.qtype));
        out.field(b",\"frame\":", lookup.query.frame.number());
        out.field(b",\"tries\":", u64::from(lookup.tries));
        if let Some(code) = lookup.rcode {
            out.field(b",\"rcode\":", u64::from(code));
        }
        if let Some(span) = lookup.time_to_answer() {
            out.put(b",\"answer_after\":");
            out.seconds(span);
        }
        if lookup.answer.is_some() {
            out.put(b",\"addresses\":");
            out.array(&lookup.addresses, |out, ip| out.ip(*ip));
        }
        out.put(b"}");
    });
}

fn notes(out: &mut Text, flow: &Conversation) {
    if flow.truncated || flow.midstream {
        out.put(b",\"truncated\":");
        out.flag(flow.truncated);
        out.put(b",\"midstream\":");
        out.flag(flow.midstream);
    } else {
        out.put(b",\"truncated\":false,\"midstream\":false");
    }
    if flow.quoted_only {
        out.put(b",\"quoted_only\":true");
    }
    if flow.evicted {
        out.put(b",\"evicted\":true");
    }
}

fn parts<'f>(out: &mut Text, flow: &Conversation, file: impl Fn(u16) -> &'f [u8]) {
    if flow.parts.is_empty() {
        return;
    }
    out.put(b",\"parts\":");
    out.array(&flow.parts, |out, part| {
        out.put(b"{\"file\":");
        out.add(file(part.file));
        if let Some(stream) = part.stream {
            out.field(b",\"stream\":", u64::from(stream));
        }
        out.field(b",\"first_frame\":", part.first_frame);
        out.field(b",\"last_frame\":", part.last_frame);
        out.put(b"}");
    });
}

/// Appends an endpoint: its keys up to that of the address, and its values.
#[inline]
fn end<const N: usize>(out: &mut Text, key: &[u8; N], end: SocketAddr) {
    out.put(key);
    out.ip(end.ip());
    out.field(b",\"port\":", u64::from(end.port()));
    out.put(b"}");
}
