//! Records of the logging services of clouds: one entry of a log as a JSON object, or as a row of a table.
//!
//! Takes the object; gives the line inside and adds the names and the time that stand around it. Formats: Google's
//! `LogEntry` (`gcloud logging read`), events of Amazon CloudWatch (`get-log-events`, `filter-log-events`) and rows of its
//! Logs Insights, rows of Azure's Log Analytics (`AzureDiagnostics`, `AKSControlPlane`, `ContainerLogV2`), and stern's
//! JSON, which has no time of its own.

use serde_json::{Map, Value};

use super::collector::{moment, named, part};
use super::envelope::{self, Layer, Peeled};
use super::json::{self, text, text_of};
use super::stamp::{self, Stamp};
use crate::time::{TimeDelta, Timestamp};

type Object = Map<String, Value>;

/// The line inside, if the object is a record of such a service.
pub(super) fn line(object: &Object, out: &mut Peeled<'_>) -> Option<String> {
    google(object, out)
        .or_else(|| insights(object, out))
        .or_else(|| cloudwatch(object, out))
        .or_else(|| log_analytics(object, out))
        .or_else(|| stern(object, out))
}

/// `{"textPayload":"…","timestamp":"…","resource":{"type":"k8s_container","labels":{…}},…}`. The agent may have taken
/// klog's header apart: then `jsonPayload.message` has what follows it, `sourceLocation` the place in the source.
fn google(object: &Object, out: &mut Peeled<'_>) -> Option<String> {
    const NAME: Layer = Layer::Collector("google cloud logging");
    let stamp = ["timestamp", "receiveTimestamp"].iter().find_map(|key| moment(object.get(*key)?))?;
    let line = match (text_of(object, "textPayload"), part(object, "jsonPayload")) {
        (Some(text), _) => {
            out.layers.push(NAME);
            out.stamps.push(stamp);
            text.to_owned()
        }
        (None, Some(payload)) if text_of(payload, "kind") == Some("Event") => {
            let line = json::event(payload, out)?;
            out.layers.insert(out.layers.len().saturating_sub(1), NAME);
            return Some(line);
        }
        (None, Some(payload)) => {
            let line = google_payload(payload, out)?;
            out.layers.push(NAME);
            out.stamps.push(stamp);
            google_header(object, payload, out);
            line
        }
        // an audit log: what the API server answered to a client
        (None, None) => {
            let status = part(part(object, "protoPayload")?, "status")?;
            let of_client =
                status.get("code").and_then(Value::as_u64).is_some_and(|code| OF_CLIENT.contains(&code));
            let message = text_of(status, "message").unwrap_or_default();
            let line = json::answer(message, of_client).to_owned();
            out.layers.extend([NAME, Layer::Audit]);
            out.stamps.push(stamp);
            out.ident = Some("kube-apiserver".to_owned());
            return Some(line);
        }
    };
    google_names(object, out);
    Some(line.trim_end_matches('\n').to_owned())
}

/// Codes of gRPC for what a client asked for in vain: `INVALID_ARGUMENT`, `NOT_FOUND`, `ALREADY_EXISTS`,
/// `PERMISSION_DENIED`, `FAILED_PRECONDITION`, `OUT_OF_RANGE`, `UNAUTHENTICATED`.
const OF_CLIENT: [u64; 7] = [3, 5, 6, 7, 9, 11, 16];

/// The message of a structured entry; what stands beside it goes to the values.
fn google_payload(payload: &Object, out: &mut Peeled<'_>) -> Option<String> {
    const MESSAGE: [&str; 4] = ["message", "MESSAGE", "msg", "log"];
    let key = MESSAGE.iter().find(|key| text_of(payload, key).is_some())?;
    for (name, value) in payload {
        if name != key && name != "pid" && !name.starts_with('_') {
            out.values.push((name.clone(), text(value)));
        }
    }
    text_of(payload, key).map(str::to_owned)
}

/// What the agent made of klog's header.
fn google_header(object: &Object, payload: &Object, out: &mut Peeled<'_>) {
    out.severity = text_of(object, "severity").and_then(|s| s.bytes().next());
    let Some(place) = part(object, "sourceLocation") else { return };
    let (Some(file), Some(line)) = (text_of(place, "file"), place.get("line")) else { return };
    out.caller = Some(format!("{file}:{}", text(line)));
    out.pid = payload.get("pid").and_then(|pid| pid.as_str()?.parse().ok());
    out.layers.push(Layer::Klog);
}

/// Names of what wrote a line: a container, a component of the control plane, a program of a node.
fn google_names(object: &Object, out: &mut Peeled<'_>) {
    let Some(labels) = part(object, "resource").and_then(|r| part(r, "labels")) else { return };
    named(labels, ["namespace_name", "pod_name", "container_name", "node_name"], out);
    let node = part(object, "labels").and_then(|l| text_of(l, "compute.googleapis.com/resource_name"));
    out.host = out.host.take().or_else(|| node.map(str::to_owned));
    if let Some(name) = text_of(labels, "component_name") {
        out.ident = Some(if name.starts_with("kube-") { name.to_owned() } else { format!("kube-{name}") });
    } else if out.ident.is_none() && text_of(labels, "node_name").is_some() {
        let log = text_of(object, "logName").and_then(|log| log.rsplit(['/', 'F']).next());
        out.ident = log.filter(|name| !name.is_empty()).map(str::to_owned);
    }
}

/// `{"timestamp":1795227887531,"message":"…","ingestionTime":1795227889031}`, with `logStreamName` and `eventId` where
/// several streams were asked, with `id` where a subscription delivered it.
fn cloudwatch(object: &Object, out: &mut Peeled<'_>) -> Option<String> {
    let line = text_of(object, "message")?;
    let millis = object.get("timestamp")?.as_i64()?;
    let sure =
        ["ingestionTime", "eventId", "logStreamName", "id"].iter().any(|key| object.contains_key(*key));
    if !(sure || object.len() == 2) || !(MILLIS_2001..MILLIS_2001 * 100).contains(&millis) {
        return None;
    }
    let time = Timestamp(millis.saturating_mul(1_000_000));
    Some(amazon(time, line, text_of(object, "logStreamName"), out))
}

/// `{"@timestamp":"2026-11-21 02:24:47.531","@message":"…","@logStream":"…"}`, in UTC; a message that is JSON may be
/// given as an object.
fn insights(object: &Object, out: &mut Peeled<'_>) -> Option<String> {
    let line = text(object.get("@message")?);
    let time = match object.get("@timestamp")? {
        Value::String(time) => in_utc(time)?,
        time => Timestamp(time.as_i64()?.saturating_mul(1_000_000)),
    };
    Some(amazon(time, &line, text_of(object, "@logStream"), out))
}

fn amazon(time: Timestamp, line: &str, stream: Option<&str>, out: &mut Peeled<'_>) -> String {
    out.layers.push(Layer::Collector("cloudwatch"));
    out.stamps.push(taken_over(time, line));
    out.ident = stream.and_then(component).map(str::to_owned);
    line.trim_end_matches('\n').to_owned()
}

/// `2026-11-21T02:24:47.531000+00:00 kube-apiserver-0123…cdef W1121 …`: the message of a line of `aws logs tail`, which
/// writes the stream behind the time.
pub(super) fn tail<'t>(stamp: Stamp, rest: &'t str, out: &mut Peeled<'_>) -> Option<&'t str> {
    let (stream, message) = rest.strip_prefix(' ')?.split_once(' ')?;
    let plain = stream.contains('-') && !stream.contains(['"', '=', '{', ':', '[']);
    let Stamp::Absolute(time, _) = stamp else { return None };
    if !plain || !(message.starts_with('{') || envelope::has_klog_head(message)) {
        return None;
    }
    out.layers.push(Layer::Collector("cloudwatch"));
    out.stamps.push(taken_over(time, message));
    out.ident = component(stream).map(str::to_owned);
    Some(message)
}

/// `EVENTS`, `1795227889031`, message, `1795227887531` between tabs: `aws logs … --output text` has its columns in order of
/// name, and names stream and event where several streams were asked.
pub(super) fn events_text(text: &str, out: &mut Peeled<'_>) -> Option<String> {
    let (head, time) = text.rsplit_once('\t')?;
    let number = |text: &str| text.len() == 13 && text.bytes().all(|b| b.is_ascii_digit());
    let millis: i64 = time.parse().ok().filter(|_| number(time))?;
    let mut columns = head.splitn(3, '\t').skip(1);
    let (first, rest) = (columns.next()?, columns.next()?);
    let (stream, message) = if number(first) {
        (None, rest)
    } else {
        let mut more = rest.splitn(3, '\t');
        more.next().filter(|taken_over| number(taken_over))?;
        (more.next(), more.next()?)
    };
    Some(amazon(Timestamp(millis.saturating_mul(1_000_000)), message.trim_end(), stream, out))
}

/// `/aws/eks/c/cluster kube-apiserver-0123…cdef W1121 …`: the message of a line of `awslogs`, which writes group and stream
/// in front, and behind them the time where it is asked to.
pub(super) fn group_first<'t>(text: &'t str, out: &mut Peeled<'_>) -> Option<&'t str> {
    let (group, rest) = text.split_once(' ')?;
    let (stream, message) = rest.split_once(' ')?;
    let stamped = stamp::rfc3339(message.as_bytes());
    let behind = stamped.and_then(|(stamp, taken)| Some((stamp, message.get(taken..)?.strip_prefix(' ')?)));
    let line = behind.map_or(message, |(_, line)| line);
    if group.contains(['"', '=', '{']) || !stream.contains('-') || !envelope::has_klog_head(line) {
        return None;
    }
    out.layers.push(Layer::Collector("cloudwatch"));
    if let Some((Stamp::Absolute(time, _), _)) = behind {
        out.stamps.push(taken_over(time, line));
    }
    out.ident = component(stream).map(str::to_owned);
    Some(line)
}

/// The component in the name of a stream of a managed control plane: `kube-apiserver-audit-0123…cdef`.
pub(super) fn component(stream: &str) -> Option<&str> {
    let (name, id) = stream.rsplit_once('-')?;
    let known = id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit());
    known.then(|| name.strip_suffix("-audit").unwrap_or(name))
}

/// `{"TimeGenerated":"…","Category":"kube-apiserver","log_s":"…","pod_s":"…"}` and the tables that came after it.
fn log_analytics(object: &Object, out: &mut Peeled<'_>) -> Option<String> {
    const LINE: [&str; 4] = ["log_s", "LogMessage", "Message", "LogEntry"];
    let line = text(LINE.iter().find_map(|key| object.get(*key).filter(|v| !v.is_null()))?);
    let time = in_utc(text_of(object, "TimeGenerated")?)?;
    out.layers.push(Layer::Collector("azure monitor"));
    out.stamps.push(taken_over(time, &line));
    named(object, ["PodNamespace", "PodName", "ContainerName", "Computer"], out);
    out.ident = out.ident.take().or_else(|| text_of(object, "Category").map(str::to_owned));
    Some(line.trim_end_matches('\n').to_owned())
}

/// `{"message":"…","nodeName":"…","namespace":"…","podName":"…","containerName":"…"}` of `stern --output json`.
fn stern(object: &Object, out: &mut Peeled<'_>) -> Option<String> {
    let line = text_of(object, "message")?;
    if !["podName", "containerName", "namespace"].iter().all(|key| object.contains_key(*key)) {
        return None;
    }
    out.layers.push(Layer::Stern);
    named(object, ["namespace", "podName", "containerName", "nodeName"], out);
    Some(line.trim_end_matches('\n').to_owned())
}

/// A time in UTC, whether it says so or not.
pub(super) fn in_utc(text: &str) -> Option<Timestamp> {
    match stamp::rfc3339(text.as_bytes())?.0 {
        Stamp::Absolute(time, _) => Some(time),
        Stamp::Civil(civil, _) => Some(Timestamp::from_civil(civil)),
    }
}

/// The time that a service gives a line, which its agent took over: where klog's header or an object's own time stands in
/// the line, that one decides, and this one tells year and zone.
pub(super) fn taken_over(time: Timestamp, line: &str) -> Stamp {
    let of_json = || ["\"stageTimestamp\":", "\"ts\":"].iter().any(|key| line.contains(key));
    let own = envelope::has_klog_head(line) || line.starts_with('{') && of_json();
    Stamp::Absolute(time, if own { LATE } else { TimeDelta::from_millis(1) })
}

/// Assume that a line is taken over within a minute. A header that says otherwise does not count.
pub(super) const LATE: TimeDelta = TimeDelta::from_secs(60);

/// Milliseconds since the epoch in the year 2001: a smaller number counts something else.
const MILLIS_2001: i64 = 1_000_000_000_000;

#[cfg(test)]
mod tests {
    use super::super::envelope::peel;

    #[test]
    fn other_objects_are_no_records_of_a_service() {
        for line in [
            r#"{"timestamp":1795227887531,"text":"m"}"#,
            r#"{"textPayload":"m"}"#,
            r#"{"jsonPayload":{"pid":"1"},"timestamp":"2026-11-21T02:24:47Z"}"#,
            r#"{"@timestamp":"today","@message":"m"}"#,
            r#"{"TimeGenerated":"today","Message":"m"}"#,
            r#"{"message":"m","podName":"p"}"#,
        ] {
            assert_eq!(peel(line).message, line);
        }
    }

    #[test]
    fn a_stream_of_a_control_plane_names_its_component() {
        let id = "0123456789abcdef0123456789abcdef";
        for (stream, name) in [
            (format!("kube-apiserver-{id}"), Some("kube-apiserver")),
            (format!("kube-apiserver-audit-{id}"), Some("kube-apiserver")),
            (format!("kube-controller-manager-{id}"), Some("kube-controller-manager")),
            ("my-app-7d5f".to_owned(), None),
        ] {
            assert_eq!(super::component(&stream), name, "{stream}");
        }
    }
}
