//! Lines that are one JSON object: docker json-file, Kubernetes JSON logging, zap, journal JSON, audit,
//! and records of collectors.
//!
//! Takes the line; adds its stamps, names and values to the [`Peeled`] and gives the text inside. The shape decides
//! which program wrote it, never a file name.

use std::borrow::Cow;

use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::collector;
use super::envelope::{Layer, Peeled};
use super::stamp::{self, Stamp};
use crate::time::{TimeDelta, Timestamp};
use crate::tree;

/// The keys of a docker line, read without building a tree.
#[derive(serde::Deserialize)]
struct Docker<'a> {
    #[serde(borrow)]
    log: Cow<'a, str>,
    #[serde(borrow)]
    time: Cow<'a, str>,
    /// Keys that collectors add.
    kubernetes: Option<IgnoredAny>,
    #[serde(rename = "_p", alias = "logtag")]
    tag: Option<IgnoredAny>,
}

/// Values kept of one object: its own texts and what stands near them; an audit event may hold whole objects.
pub(super) const MAX_VALUES: u32 = 20_000;

/// The text inside the object, if it is a log line of a known shape.
pub(super) fn layer(text: &str, out: &mut Peeled<'_>) -> Option<String> {
    if text.starts_with("{\"log\":")
        && let Some(line) = docker(text, out)
    {
        return Some(line);
    }
    let object = tree::object(text.as_bytes(), MAX_VALUES);
    record(&object.or_else(|| tree::object(closed(text)?.as_bytes(), MAX_VALUES))?, out)
}

/// An object that was cut, with what its end lacks: its text is worth reading all the same.
fn closed(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let (mut open, mut quoted, mut at) = (Vec::new(), false, 0);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' if quoted => {
                let escape = if bytes.get(at + 1) == Some(&b'u') { 6 } else { 2 };
                if at + escape > bytes.len() {
                    break; // it was cut as well
                }
                at += escape - 1;
            }
            b'"' => quoted = !quoted,
            b'{' if !quoted => open.push('}'),
            b'[' if !quoted => open.push(']'),
            b'}' | b']' if !quoted => _ = open.pop()?,
            _ => {}
        }
        if open.len() > MAX_OPEN {
            return None;
        }
        at += 1;
    }
    // cut anywhere else the object has a key without a value
    let whole = text.get(..at).filter(|_| quoted && !open.is_empty())?;
    Some(whole.chars().chain(['"']).chain(open.into_iter().rev()).collect())
}

/// Objects and arrays that a cut may leave open.
const MAX_OPEN: usize = 32;

/// The text inside an object that stands for one entry of a log.
pub(super) fn record(object: &Map<String, Value>, out: &mut Peeled<'_>) -> Option<String> {
    if object.contains_key("__REALTIME_TIMESTAMP") || object.contains_key("MESSAGE") {
        return journal(object, out);
    }
    if text_of(object, "kind") == Some("Event") && object.contains_key("reason") {
        return event(object, out);
    }
    if object.contains_key("auditID") {
        return audit(object, out);
    }
    collector::line(object, out).or_else(|| logger(object, out))
}

/// `{"log":"message\n","stream":"stderr","time":"…"}`; a line that goes on has no line end.
fn docker(text: &str, out: &mut Peeled<'_>) -> Option<String> {
    let docker: Docker<'_> = serde_json::from_str(text).ok()?;
    if docker.kubernetes.is_some() || docker.tag.is_some() {
        return None;
    }
    out.stamps.push(stamp::rfc3339(docker.time.as_bytes())?.0);
    out.layers.push(Layer::Docker);
    out.partial = !docker.log.ends_with('\n');
    Some(docker.log.trim_end_matches('\n').to_owned())
}

pub(super) fn text_of<'a>(object: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    object.get(key)?.as_str()
}

/// A text as it is, anything else as JSON writes it.
pub(super) fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Resolution of the stamps that these formats write as numbers.
const MICRO: TimeDelta = TimeDelta(1000);

/// A journal field: a string, or an array of byte values where it is not UTF-8.
fn field(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(bytes) => {
            let bytes: Option<Vec<u8>> =
                bytes.iter().map(|b| b.as_u64().and_then(|n| u8::try_from(n).ok())).collect();
            Some(String::from_utf8_lossy(&bytes?).into_owned())
        }
        _ => None,
    }
}

/// `journalctl -o json`: times are microseconds since the epoch, as text.
pub(super) fn journal(object: &Map<String, Value>, out: &mut Peeled<'_>) -> Option<String> {
    let message = field(object.get("MESSAGE")?)?;
    out.layers.push(Layer::Journal("journal json"));
    let micros = ["_SOURCE_REALTIME_TIMESTAMP", "__REALTIME_TIMESTAMP"]
        .iter()
        .find_map(|key| text_of(object, key)?.parse::<i64>().ok());
    out.stamps.extend(micros.map(epoch_micros));
    out.host = text_of(object, "_HOSTNAME").map(str::to_owned);
    out.ident = ["SYSLOG_IDENTIFIER", "_SYSTEMD_UNIT", "_COMM"]
        .iter()
        .find_map(|key| text_of(object, key))
        .map(|ident| ident.strip_suffix(".service").unwrap_or(ident).to_owned());
    Some(message)
}

pub(super) fn epoch_micros(micros: i64) -> Stamp {
    Stamp::Absolute(Timestamp(micros.saturating_mul(1000)), MICRO)
}

/// An event of Kubernetes: what a component reported of an object, and when it did so last.
pub(super) fn event(object: &Map<String, Value>, out: &mut Peeled<'_>) -> Option<String> {
    // Items of an EventList need not say what they are.
    let is_event = match text_of(object, "kind") {
        Some(kind) => kind == "Event",
        None => {
            ["involvedObject", "regarding"].iter().any(|key| object.get(*key).is_some_and(Value::is_object))
        }
    };
    if !is_event {
        return None;
    }
    let message = text_of(object, "message").or_else(|| text_of(object, "note"))?;
    let series = object.get("series").and_then(Value::as_object);
    let last = series.and_then(|s| text_of(s, "lastObservedTime"));
    let keys = ["lastTimestamp", "deprecatedLastTimestamp", "eventTime", "firstTimestamp"];
    let time = last.or_else(|| keys.iter().find_map(|key| text_of(object, key)));
    out.stamps.extend(time.and_then(|t| stamp::rfc3339(t.as_bytes())).map(|(stamp, _)| stamp));
    out.layers.push(Layer::Event);
    let source = ["source", "deprecatedSource"].iter().find_map(|key| object.get(*key)?.as_object());
    let from = |own: &str, key: &str| {
        let own = text_of(object, own).filter(|name| !name.is_empty());
        own.or_else(|| text_of(source?, key)).map(str::to_owned)
    };
    out.ident = from("reportingComponent", "component").or_else(|| from("reportingController", "component"));
    out.host = from("reportingInstance", "host");
    out.values
        .extend(probed(object).filter(|_| message.contains(" probe ")).map(|pod| ("pod".to_owned(), pod)));
    let metadata = object.get("metadata").and_then(Value::as_object);
    let count = object.get("count").or_else(|| series?.get("count")).map_or(0, |n| n.as_u64().unwrap_or(0));
    out.id = metadata.and_then(|m| text_of(m, "uid")).map(|uid| format!("{uid} {count}"));
    Some(message.to_owned())
}

/// The pod that an event is about, as klog names one.
fn probed(event: &Map<String, Value>) -> Option<String> {
    let about = ["involvedObject", "regarding"].iter().find_map(|key| event.get(*key)?.as_object())?;
    let of_pod = text_of(about, "kind") == Some("Pod");
    Some(format!("{}/{}", text_of(about, "namespace")?, text_of(about, "name")?)).filter(|_| of_pod)
}

/// An audit event: what the API server answered to a client, with microseconds in UTC.
fn audit(object: &Map<String, Value>, out: &mut Peeled<'_>) -> Option<String> {
    let stamp = text_of(object, "stageTimestamp").or_else(|| text_of(object, "requestReceivedTimestamp"))?;
    out.stamps.push(stamp::rfc3339(stamp.as_bytes())?.0);
    out.layers.push(Layer::Audit);
    out.ident = Some("kube-apiserver".to_owned());
    let stage = text_of(object, "stage").unwrap_or_default();
    out.id = text_of(object, "auditID").map(|id| format!("{id} {stage} {stamp}"));
    for (key, value) in object.get("annotations").and_then(Value::as_object).into_iter().flatten() {
        out.values.extend(value.as_str().map(|v| (key.clone(), v.to_owned())));
    }
    let status = object.get("responseStatus").and_then(Value::as_object);
    let message = status.and_then(|s| text_of(s, "message")).unwrap_or_default();
    let of_client = status.and_then(|s| s.get("code")?.as_u64()).is_some_and(|code| code < 500);
    Some(answer(message, of_client).to_owned())
}

/// What the API server told a client. One that asked for what it may not have, or for what is not there, is told what it
/// asked for, in its own words: those are left out, a webhook's denial is not.
pub(super) fn answer(message: &str, of_client: bool) -> &str {
    if of_client && !message.starts_with("admission webhook \"") { "" } else { message }
}

/// Kubernetes JSON logging (`ts` in epoch milliseconds), zap (`ts` as RFC 3339 or epoch seconds), and kin.
fn logger(object: &Map<String, Value>, out: &mut Peeled<'_>) -> Option<String> {
    let message = ["msg", "message", "M"].iter().find_map(|key| text_of(object, key))?;
    let time = ["ts", "time", "timestamp", "@timestamp", "T"].iter().find_map(|key| object.get(*key))?;
    let (stamp, kubernetes) = match time {
        Value::String(text) => (stamp::rfc3339(text.as_bytes())?.0, false),
        Value::Number(number) => epoch(number.as_f64()?, object.contains_key("level"))?,
        _ => return None,
    };
    out.stamps.push(stamp);
    let level = text_of(object, "level").and_then(|l| l.bytes().next()).map(|l| l.to_ascii_uppercase());
    out.severity = level.or_else(|| kubernetes.then_some(if object.contains_key("v") { b'I' } else { b'E' }));
    out.caller = text_of(object, "caller").map(short_caller);
    out.layers.push(match (kubernetes, level) {
        (true, _) => Layer::KlogJson,
        (false, Some(_)) => Layer::Zap,
        (false, None) => Layer::Json,
    });
    for (key, value) in object {
        if !matches!(
            key.as_str(),
            "ts" | "time" | "msg" | "message" | "level" | "caller" | "v" | "stacktrace"
        ) {
            out.values.push((key.clone(), text(value)));
        }
    }
    Some(message.to_owned())
}

/// A number of seconds or milliseconds since the epoch; which of them shows in its size. Milliseconds without a level
/// are Kubernetes' own.
fn epoch(number: f64, level: bool) -> Option<(Stamp, bool)> {
    let millis = number > 1e11;
    let unit = if millis { 1e6 } else { 1e9 };
    // an f64 of milliseconds holds a tenth of a microsecond; a whole microsecond is what the logger had
    let micros = (number * unit / 1000.0).round();
    (1e14..1e17).contains(&micros).then(|| {
        let time = Timestamp((micros as i64).saturating_mul(1000));
        (Stamp::Absolute(time, MICRO), millis && !level)
    })
}

/// `mutating/dispatcher.go:225` as klog prints it: `dispatcher.go:225`.
fn short_caller(caller: &str) -> String {
    caller.rsplit('/').next().unwrap_or(caller).to_owned()
}
