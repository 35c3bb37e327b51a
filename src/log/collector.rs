//! Records of log collectors: one line of a container as a value of a JSON object, with what is known of its pod.
//!
//! Takes the object; gives the line and adds the names and the time that stand around it. Formats: fluent-bit and
//! fluentd with their Kubernetes filters (`log`, `kubernetes`), Splunk's (`_raw`), Loki's `logcli --output=jsonl` (`line`, `labels`), the
//! diagnostic settings of managed clusters in Azure (`properties.log`), and any of them in the `_source` of an
//! Elasticsearch export; what the services of clouds make of it is in `cloud`.

use serde_json::{Map, Value};

use super::cloud::{self, LATE};
use super::envelope::{Layer, Peeled};
use super::json::{self, text_of};
use super::stamp::{self, Stamp};
use crate::bundle::is_stranger;
use crate::time::{TimeDelta, Timestamp};
use crate::tree;

type Object = Map<String, Value>;

/// The line inside, if the object is a collector's record.
pub(super) fn line(object: &Object, out: &mut Peeled<'_>) -> Option<String> {
    let object = part(object, "_source").unwrap_or(object);
    let found = fluent(object, out).or_else(|| loki(object, out)).or_else(|| splunk(object, out));
    let found = found.map(|(name, line)| (name, line.to_owned())).or_else(|| azure(object, out));
    let Some((name, line)) = found else { return cloud::line(object, out) };
    out.layers.push(Layer::Collector(name));
    Some(line.trim_end_matches('\n').to_owned())
}

/// `{"date":1730547081.9,"time":"…","stream":"stderr","_p":"F","log":"…","kubernetes":{"pod_name":"…",…}}`; `_p` and
/// `logtag` are CRI's tag: `P` marks a line that the next one continues.
fn fluent<'o>(object: &'o Object, out: &mut Peeled<'_>) -> Option<(&'static str, &'o str)> {
    let line = text_of(object, "log")?;
    let stamp = ["time", "@timestamp", "date"].iter().find_map(|key| moment(object.get(*key)?))?;
    let tag = ["_p", "logtag"].iter().find_map(|key| text_of(object, key));
    let pod = part(object, "kubernetes");
    if tag.is_none() && pod.is_none() && text_of(object, "stream").is_none() {
        return None;
    }
    out.stamps.push(stamp);
    out.partial = tag.is_some_and(|tag| tag.starts_with('P'));
    if let Some(pod) = pod {
        named(pod, ["namespace_name", "pod_name", "container_name", "host"], out);
    }
    Some(("fluent", line))
}

/// `{"labels":{"namespace":"…","pod":"…","container":"…"},"line":"…","timestamp":"…"}`; with `--no-labels` without them.
fn loki<'o>(object: &'o Object, out: &mut Peeled<'_>) -> Option<(&'static str, &'o str)> {
    let line = text_of(object, "line").filter(|_| object.len() <= 3)?;
    out.stamps.push(moment(object.get("timestamp")?)?);
    if let Some(labels) = part(object, "labels") {
        named(labels, ["namespace", "pod", "container", "node_name"], out);
    }
    Some(("loki", line))
}

/// `{"preview":false,"result":{"_raw":"…","_time":"…","host":"…"}}`, a line of an export in JSON.
fn splunk<'o>(object: &'o Object, out: &mut Peeled<'_>) -> Option<(&'static str, &'o str)> {
    let result = part(object, "result").filter(|_| object.contains_key("preview"))?;
    let line = text_of(result, "_raw")?;
    out.stamps.push(moment(result.get("_time")?)?);
    named(result, ["namespace", "pod", "container_name", "host"], out);
    Some(("splunk", line))
}

/// `{"category":"kube-apiserver","properties":{"log":"…","stream":"stderr","pod":"…"},"time":"…"}`; the time is that of
/// the upload. Some ways of delivery give the properties as a text.
fn azure(object: &Object, out: &mut Peeled<'_>) -> Option<(&'static str, String)> {
    let quoted = || tree::object(text_of(object, "properties")?.as_bytes(), json::MAX_VALUES);
    let quoted = if part(object, "properties").is_none() { quoted() } else { None };
    let line = text_of(part(object, "properties").or(quoted.as_ref())?, "log")?.to_owned();
    let Stamp::Absolute(time, _) = moment(object.get("time")?)? else { return None };
    out.stamps.push(Stamp::Absolute(time, LATE));
    out.ident = text_of(object, "category").map(str::to_owned);
    Some(("azure monitor", line))
}

/// Names under the keys of namespace, pod, container and host.
pub(super) fn named(names: &Object, keys: [&str; 4], out: &mut Peeled<'_>) {
    let [namespace, pod, container, host] = keys.map(|key| text_of(names, key));
    if let Some((namespace, pod)) = namespace.zip(pod) {
        // What stands around a record says who wrote it, whatever it says itself.
        let stranger = || is_stranger(namespace, pod, container);
        out.stranger = out.stranger || out.pod.is_none() && stranger();
    }
    out.pod = namespace.zip(pod).map(|(namespace, pod)| format!("{namespace}/{pod}"));
    out.ident = container.map(str::to_owned);
    out.host = host.map(str::to_owned);
}

/// RFC 3339, or seconds since the epoch.
pub(super) fn moment(value: &Value) -> Option<Stamp> {
    match value {
        Value::String(text) => stamp::rfc3339(text.as_bytes()).map(|(stamp, _)| stamp),
        Value::Number(number) => {
            let micros = (number.as_f64()? * 1e6).round();
            let time = Timestamp((micros as i64).saturating_mul(1000));
            (1e14..1e16).contains(&micros).then_some(Stamp::Absolute(time, TimeDelta(1000)))
        }
        _ => None,
    }
}

pub(super) fn part<'o>(object: &'o Object, key: &str) -> Option<&'o Object> {
    object.get(key)?.as_object()
}

#[cfg(test)]
mod tests {
    use super::super::envelope::peel;

    /// Pod, and whether the next line goes on, of what a collector wrote.
    #[test]
    fn records_name_the_pod_and_say_what_goes_on() {
        for (line, pod, partial) in [
            (
                r#"{"log":"m","stream":"stderr","time":"2026-11-21T02:24:47.5Z","_p":"F","kubernetes":{"pod_name":"p","namespace_name":"n"}}"#,
                Some("n/p"),
                false,
            ),
            (
                r#"{"@timestamp":1795227887.5,"log":"m","logtag":"P","kubernetes":{"pod_name":"p","namespace_name":"n"}}"#,
                Some("n/p"),
                true,
            ),
            (
                r#"{"labels":{"namespace":"n","pod":"p"},"line":"m","timestamp":"2026-11-21T02:24:47.5Z"}"#,
                Some("n/p"),
                false,
            ),
            (r#"{"line":"m","timestamp":"2026-11-21T02:24:47.5Z"}"#, None, false),
        ] {
            let peeled = peel(line);
            assert_eq!(
                (&*peeled.message, peeled.pod.as_deref(), peeled.partial),
                ("m", pod, partial),
                "{line}"
            );
        }
    }

    #[test]
    fn other_objects_are_no_records() {
        for line in [
            r#"{"log":"m","level":"info"}"#,
            r#"{"time":"2026-11-21T02:24:47Z","log":"m"}"#,
            r#"{"line":"m","timestamp":"today"}"#,
            r#"{"properties":{"log":5},"time":"2026-11-21T02:24:47Z"}"#,
        ] {
            assert_eq!(peel(line).message, line);
        }
    }
}
