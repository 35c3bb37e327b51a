//! From a peeled line to a named event with its fields.
//!
//! Takes lines and the event definitions; gives what each line tells. A reason that repeats (digits apart) is looked up
//! once, a message that repeats (`memory`) is read once. Never reads files and never resolves times.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use super::envelope::{self, Peeled};
use super::grammar::{self, CopyOf, Parsed};
use super::memory::Memory;
use super::{Edge, EventSet, SharedFields, alerts, stamp};
use crate::time::TimeDelta;

/// A failure that a line tells of.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Known {
    /// The event's place in its set.
    pub event: usize,
    pub fields: SharedFields,
    pub edge: Edge,
    pub server_side: bool,
    pub copy: Option<CopyOf>,
    /// In words that only an API server writes.
    pub by_apiserver: bool,
    /// Written by the dispatcher of webhooks.
    pub by_dispatcher: bool,
}

/// What a line tells.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Told {
    /// A failure or denial.
    Event(Known),
    /// It looks like a failure and is known to be none.
    Benign,
    /// It looks like a transport failure and no event knows it.
    Unrecognised,
    /// Nothing.
    Nothing,
}

/// Reads the failure that a peeled line tells of; a message that repeats is read once.
pub(super) fn classify(peeled: &Peeled<'_>, events: &EventSet, memory: &mut Memory) -> Told {
    memory.told(peeled, |peeled, reasons| classify_once(peeled, events, reasons))
}

fn classify_once(peeled: &Peeled<'_>, events: &EventSet, reasons: &mut Reasons) -> Told {
    let mut parsed = grammar::parse(peeled);
    let mut found = reasons.look_up(&parsed, events);
    if found.is_none() && looks_like_failure(&parsed) {
        found = events.by_cut(&parsed).or_else(|| events.by_fallback(&parsed));
        if found.is_none() {
            return Told::Unrecognised;
        }
    }
    let Some((index, event)) = found.and_then(|n| events.event(n).map(|e| (n, e))) else {
        return Told::Nothing;
    };
    if event.benign {
        return Told::Benign;
    }
    if event.has_captures() {
        event.fill(&mut parsed);
    }
    // an alert is told in any words: those of a cut line are none
    let half = parsed.fields.alert.as_deref().filter(|alert| alerts::is_begin_of_words(alert));
    let cut = half.filter(|alert| parsed.text.ends_with(*alert)).and_then(|_| events.of_cut_lines());
    if cut.is_some() {
        parsed.fields.alert = None;
    }
    let by_apiserver = parsed.by_apiserver();
    Told::Event(Known {
        event: cut.unwrap_or(index),
        fields: parsed.fields.into(),
        edge: parsed.edge,
        server_side: parsed.server_side,
        copy: parsed.copy,
        by_apiserver,
        by_dispatcher: parsed.by_dispatcher,
    })
}

/// Events of reasons, their digits masked, that were looked up before.
#[derive(Debug, Default)]
pub(super) struct Reasons(HashMap<String, Option<usize>, FixedState>);

/// Reasons remembered at once; beyond that they are looked up again.
const MAX_REASONS: usize = 4096;

impl Reasons {
    fn look_up(&mut self, parsed: &Parsed, events: &EventSet) -> Option<usize> {
        self.reason(parsed, events).or_else(|| events.by_text(parsed))
    }

    fn reason(&mut self, parsed: &Parsed, events: &EventSet) -> Option<usize> {
        if parsed.tail.len() > 512 {
            return events.by_reason(parsed);
        }
        let mut key = masked(&parsed.tail);
        key.push_str(parsed.edge.name());
        key.extend([if parsed.server_side { '<' } else { '>' }, if parsed.anchored { 'a' } else { '-' }]);
        if let Some(found) = self.0.get(&key) {
            return *found;
        }
        let found = events.by_reason(parsed);
        if self.0.len() < MAX_REASONS {
            self.0.insert(key, found);
        }
        found
    }
}

/// The text with each run of digits as one `#`.
pub(super) fn masked(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut number = false;
    for c in text.chars() {
        let digit = c.is_ascii_digit();
        if !(digit && number) {
            out.push(if digit { '#' } else { c });
        }
        number = digit;
    }
    out
}

/// An operation on the network, or TLS, stands in the text, or the failed call of a webhook.
fn looks_like_failure(parsed: &Parsed) -> bool {
    let told = parsed.fields.op.is_some()
        || ["x509: ", " tls: ", "net/http: "].iter().any(|w| parsed.text.contains(w));
    // a call that failed, whatever the reason: its line may have been cut before it
    let told_of = |words: &str| parsed.own_text().contains(words);
    let call = told_of("failed calling webhook")
        || told_of("Failed calling webhook, failing ")
        || parsed.fields.webhook.is_some() && told_of("failed calling ");
    call || parsed.anchored && told && !parsed.tail.is_empty()
}

/// Peels and parses one line on its own.
pub(super) fn parse_line(line: &str) -> Parsed {
    grammar::parse(&envelope::peel(line))
}

/// Sets the field that a capture names; a value that does not fit its type is left out.
pub(super) fn set_field(parsed: &mut Parsed, name: &str, value: &str) {
    let fields = &mut parsed.fields;
    let text = || Some(value.to_owned());
    match name {
        "webhook" => fields.webhook = text(),
        "method" => fields.method = text(),
        "alert" => fields.alert = text(),
        "alert_elsewhere" => fields.alert = alerts::in_words_of_go(value).map(str::to_owned),
        "x509" => fields.x509 = text(),
        "x509_candidate" => fields.x509_candidate = text(),
        "x509_valid_for" => fields.x509_valid_for = text(),
        "x509_wanted" => fields.x509_wanted = text(),
        "x509_validity" => fields.x509_validity = text(),
        "x509_current_time" => {
            fields.x509_current_time = match stamp::rfc3339(value.as_bytes()) {
                Some((stamp::Stamp::Absolute(time, _), _)) => Some(time),
                _ => None,
            };
        }
        "dns_name" => fields.dns_name = text(),
        "dns_server" => fields.dns_server = value.parse().ok(),
        "http_status" => fields.http_status = value.parse().ok(),
        "apiservice" => fields.apiservice = text(),
        "service" => fields.service = text(),
        "node" => fields.node = text(),
        "proxy" => fields.proxy = text(),
        "destination" => fields.destination = value.parse().ok(),
        "source" => fields.source = value.parse().ok(),
        "duration" => fields.duration = stamp::go_duration(value),
        "local" => fields.alert_local = Some(value == "local"),
        "reason" => value.clone_into(&mut fields.reason),
        _ => {}
    }
}

/// A field as text, by the name that samples use; `absent` where it is not set.
pub(super) fn field(parsed: &Parsed, name: &str) -> String {
    let f = &parsed.fields;
    let seconds = |d: TimeDelta| format!("{}s", d.as_secs_f64());
    let found = match name {
        "webhook" => f.webhook.clone(),
        "fail_open" => f.fail_open.map(|b| b.to_string()),
        "method" => f.method.clone(),
        "url_host" => f.url.as_ref().map(|u| u.host.clone()),
        "url_port" => f.url.as_ref().map(|u| u.port.to_string()),
        "url_path" => f.url.as_ref().map(|u| u.path.clone()),
        "destination" => f.destination.map(|a| a.to_string()),
        "source" => f.source.map(|a| a.to_string()),
        "deadline" => f.deadline.map(seconds),
        "duration" => f.duration.map(seconds),
        "alert" => f.alert.clone(),
        "x509" => f.x509.clone(),
        "x509_current_time" => f.x509_current_time.map(|t| t.to_string()),
        "x509_validity" => f.x509_validity.clone(),
        "x509_candidate" => f.x509_candidate.clone(),
        "x509_valid_for" => f.x509_valid_for.clone(),
        "x509_wanted" => f.x509_wanted.clone(),
        "dns_name" => f.dns_name.clone(),
        "dns_server" => f.dns_server.map(|a| a.to_string()),
        "http_status" => f.http_status.map(|n| n.to_string()),
        "apiservice" => f.apiservice.clone(),
        "service" => f.service.clone(),
        "node" => f.node.clone(),
        "probed" => f.probed.clone(),
        "proxy" => f.proxy.clone(),
        "op" => f.op.clone(),
        "grpc_code" => f.grpc_code.clone(),
        "reason" => Some(f.reason.clone()),
        "edge" => Some(parsed.edge.name().to_owned()),
        "server_side" => Some(parsed.server_side.to_string()),
        _ => Some(format!("no such field: {name}")),
    };
    found.unwrap_or_else(|| "absent".to_owned())
}
