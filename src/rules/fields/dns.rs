//! Fields of the lookup that a case is about: of the name that the log line gives, else the worst outcome seen.

use super::{CaseView, Field};
use crate::dns::Lookup;
use crate::ingest::Conversation;
use crate::rules::expr::{Kind, Value};

/// The lookup of a case with its flow.
fn lookup<'a>(
    view: &CaseView<'a>,
    read: impl FnOnce(&'a Conversation, &'a Lookup) -> Value<'a>,
) -> Value<'a> {
    if view.flow.is_none() && view.case.is_none() {
        return Value::Unknown;
    }
    let wanted = view.event.and_then(|e| {
        let url = e.fields.url.as_ref().map(|u| u.host.as_str());
        e.fields.dns_name.as_deref().or(url)
    });
    let mut best: Option<(bool, u8, &Conversation, &Lookup)> = None;
    for flow in view.lookups() {
        for lookup in flow.app.dns.iter().flat_map(|d| &d.lookups) {
            let named = wanted.is_some_and(|w| same_name(w, &lookup.name));
            let rank = (named, badness(lookup));
            if best.is_none_or(|(n, b, ..)| rank > (n, b)) {
                best = Some((rank.0, rank.1, flow, lookup));
            }
        }
    }
    match best {
        Some((_, _, flow, lookup)) => read(flow, lookup),
        None if view.case.is_some() && view.lookups().is_empty() => Value::Unknown,
        None => Value::Absent,
    }
}

fn same_name(wanted: &str, asked: &str) -> bool {
    wanted.trim_end_matches('.').eq_ignore_ascii_case(asked)
}

/// Unanswered is worst, then errors.
fn badness(lookup: &Lookup) -> u8 {
    match lookup.rcode {
        None => 3,
        Some(0) if lookup.addresses.is_empty() => 1,
        Some(0) => 0,
        Some(_) => 2,
    }
}

/// RFC 1035 §4.1.1, RFC 2136 §2.2.
const fn rcode(code: u8) -> &'static str {
    match code {
        0 => "noerror",
        1 => "formerr",
        2 => "servfail",
        3 => "nxdomain",
        4 => "notimp",
        5 => "refused",
        _ => "other",
    }
}

const RCODES: &[&str] = &["noerror", "formerr", "servfail", "nxdomain", "notimp", "refused", "other"];

#[rustfmt::skip]
pub(super) const FIELDS: &[Field] = &[
    Field::new("dns", Kind::Flag, "A DNS query of the call is in the capture.", "dns", |v| match lookup(v, |_, _| true.into()) { Value::Absent => false.into(), other => other }),
    Field::new("dns.name", Kind::Text, "Name asked for.", "dns.name contains \".svc\"", |v| lookup(v, |_, l| (&l.name).into())),
    Field::new("dns.type", Kind::Number, "Type of the query: 1 A, 28 AAAA.", "dns.type == 28", |v| lookup(v, |_, l| l.qtype.into())),
    Field::new("dns.server", Kind::Text, "Address and port asked.", "dns.server == \"10.96.0.10:53\"", |v| lookup(v, |f, _| f.resp.to_string().into())),
    Field::new("dns.server_ip", Kind::Text, "Address asked, without its port, as `dig @` takes it.", "dns.server_ip == \"10.96.0.10\"", |v| lookup(v, |f, _| f.resp.ip().to_string().into())),
    Field::new("dns.answered", Kind::Flag, "An answer is in the capture.", "dns.answered", |v| lookup(v, |_, l| l.answer.is_some().into())),
    Field::new("dns.rcode", Kind::Word(RCODES), "Response code.", "dns.rcode == nxdomain", |v| lookup(v, |_, l| l.rcode.map(rcode).into())),
    Field::new("dns.tries", Kind::Number, "Queries sent with this question on one socket.", "dns.tries > 1", |v| lookup(v, |_, l| l.tries.into())),
    Field::new("dns.delay", Kind::Span, "From the first query to the first answer.", "dns.delay > 1s", |v| lookup(v, |_, l| l.time_to_answer().into())),
    Field::new("dns.addresses", Kind::Number, "Addresses in the answer.", "dns.addresses == 0", |v| lookup(v, |_, l| (l.addresses.len() as u64).into())),
    Field::new("dns.icmp", Kind::Flag, "An ICMP error answered the query.", "dns.icmp", |v| lookup(v, |f, _| (!f.icmp.is_empty()).into())),
];
