//! What was found: findings, their occurrences, and the proof of each.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Failed calls with one verdict, one cause and one target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// `F1`, `F2`, … worst first.
    pub id: String,
    /// The phase that the calls had reached and how they ended there, for example `tls_handshake_timeout`.
    pub verdict: String,
    /// Why, for example `client_hello_acked_no_server_hello`.
    pub cause: String,
    /// The rule that says so.
    pub rule: String,
    /// `error`: calls failed; `warning`: it was survived; `info`: no fault, worth knowing.
    pub severity: String,
    /// Log against wire: `confirmed` (they agree), `explained` (the log is blind to it, the wire decides),
    /// `contradicted`, `wire_only`, `log_only`, `inconclusive` (see `missing` of the occurrences).
    pub standing: String,
    /// `high`, `medium` or `low`.
    pub confidence: String,
    /// Which connection of the control plane: `webhook`, `aggregated_api`, `etcd`, …
    pub edge: String,
    /// One line.
    pub title: String,
    /// What happened, with the values of the representative occurrence.
    pub explanation: String,
    /// What to do next, in order.
    pub next: Vec<String>,
    /// Public documentation.
    pub references: Vec<String>,
    /// Failed calls, exact.
    pub count: u64,
    /// First of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_time: Option<String>,
    /// Last of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_time: Option<String>,
    /// What they were to reach.
    pub target: Target,
    /// The calls in order of time, at most `--max-occurrences`.
    pub occurrences: Vec<Occurrence>,
    /// Calls beyond those.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    pub omitted: u64,
    /// All calls over time; spans without a call are left out.
    pub histogram: Vec<Bucket>,
    /// Seconds of one entry of `histogram`.
    pub histogram_seconds: u64,
    /// Place in `occurrences` of the one that `explanation` and `timeline` are about; absent where it is omitted there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub representative: Option<u64>,
    /// Its packets and log lines on one axis of time.
    pub timeline: Vec<Moment>,
    /// Rules that matched and lost.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alternatives: Vec<Alternative>,
}

/// What a call was to reach; absent where it is not known or differs between the calls.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Target {
    /// Webhook or APIService name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<String>,
    /// Host of the URL, with its port where it is not the scheme's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url_host: Option<String>,
    /// Address in the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Address on the wire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,
    /// `namespace/name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// `namespace/name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// Subject of the certificate that the finding is about, where it is about no call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
}

/// One failed call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Occurrence {
    /// When it failed: the log line's true time (zone and year undone), else the end of the flow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// Log against wire, as in the finding.
    pub standing: String,
    /// All copies of its message, and what other logs say of the same call.
    pub logs: Vec<LineRef>,
    /// Its flows: first the one that the verdict is about, then other views of it and parallel attempts.
    pub flows: Vec<FlowRef>,
    /// Why lines and flows belong together; absent where there is only one of them.
    #[serde(default, rename = "match", skip_serializing_if = "Option::is_none")]
    pub matching: Option<Match>,
    /// What would be needed to be sure.
    pub missing: Vec<Missing>,
}

/// One line of a log, as it stands in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LineRef {
    /// Path relative to the bundle.
    pub path: String,
    /// From 1.
    pub line: u64,
    /// The raw line, envelope included; lossy UTF-8, cut at 8 KiB.
    pub text: String,
    /// It was cut.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

/// One flow, so that it can be found in Wireshark.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FlowRef {
    /// Name of its capture.
    pub capture: String,
    /// File to open.
    pub file: String,
    /// `tcp.stream` in that file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<u32>,
    /// `attempt`: carried the call; `view`: the same connection elsewhere; `sibling`: a parallel attempt; `lookup`: DNS.
    pub role: String,
    /// Who opened it.
    pub orig: End,
    /// The other side.
    pub resp: End,
    /// The other half of a translated connection, or its view at another vantage point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counterpart: Option<Other>,
    /// Its first frame in `file`.
    pub first_frame: u64,
    /// Zeek `conn_state`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conn_state: Option<String>,
    /// Wireshark display filter that selects exactly this flow in `file`.
    pub display_filter: String,
}

/// Address and port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct End {
    /// Address.
    pub ip: String,
    /// Port.
    pub port: u16,
}

/// Another flow that is the same connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Other {
    /// Who opened it.
    pub orig: End,
    /// The other side.
    pub resp: End,
    /// Name of its capture.
    pub capture: String,
    /// What links them.
    pub why: String,
}

/// Why a line and a flow belong together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Match {
    /// Strongest key that holds: `tuple`, `client_hello_random`, `sni`, `nat_map`, `learnt_destination`, `dns_name`,
    /// `time`, `wire`.
    pub key: String,
    /// 0 to 1.
    pub score: f64,
    /// Log time minus the time of the packet that ended the call, clocks corrected, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset_ms: Option<f64>,
    /// Near candidates that lost, best first.
    pub alternatives: Vec<OtherFlow>,
    /// In words.
    pub why: String,
}

/// A flow that is named and not told about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OtherFlow {
    /// Name of its capture.
    pub capture: String,
    /// `tcp.stream`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<u32>,
    /// Who opened it.
    pub orig: End,
    /// The other side.
    pub resp: End,
    /// Its first frame.
    pub first_frame: u64,
}

/// What would be needed to be sure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Missing {
    /// `time_span`, `place`, `address`, `both_directions`, `no_drops`, `flow`, `outcome`, `writer`, …
    pub what: String,
    /// One sentence with the values.
    pub detail: String,
    /// A command that would get it next time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

/// Calls within one span of time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Bucket {
    /// Begin of the span.
    pub time: String,
    /// Calls.
    pub count: u64,
}

/// One packet or log line of a timeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Moment {
    /// When, clocks corrected.
    pub time: String,
    /// Packet or log line.
    pub kind: MomentKind,
    /// `orig` or `resp`: who sent the packet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Place in `flows` of the representative occurrence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow: Option<u64>,
    /// What it is: `SYN`, `ClientHello 1529 bytes`, the log's message.
    pub text: String,
    /// Name of the capture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capture: Option<String>,
    /// File to open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Frame in that file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame: Option<u64>,
    /// Path of the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Line in that log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
}

/// Where a moment comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MomentKind {
    /// A frame of a capture.
    Packet,
    /// A line of a log.
    Log,
}

/// A rule that matched and lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Alternative {
    /// Rule id.
    pub rule: String,
    /// Why it lost.
    pub why: String,
}
