//! What was read: inputs, captures, logs, certificates, anomalies.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One file (or archive member, or standard input).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Input {
    /// Path relative to the bundle; `a.tar.gz!b/c.log` inside an archive.
    pub path: String,
    /// What it holds: `pcap`, `pcapng`, `journal`, `objects`, `host_state`, `pem`, `log`, `empty`, `unknown`.
    pub kind: String,
    /// `ok`; `partial`: some of it could not be read; `skipped`: nothing in it is of use; `unreadable`.
    pub status: String,
    /// Bytes read, after decompression.
    pub bytes: u64,
    /// Frames of a capture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frames: Option<u64>,
    /// Lines of a text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines: Option<u64>,
    /// What was malformed or surprising in it.
    pub problems: Vec<Problem>,
}

impl Input {
    /// Some of it, or all, could not be read.
    pub fn is_lossy(&self) -> bool {
        matches!(self.status.as_str(), "partial" | "unreadable")
    }

    /// It holds nothing that this program knows how to read, and is not empty.
    pub fn is_of_no_kind(&self) -> bool {
        self.status == "skipped" && self.kind == "unknown"
    }

    /// Problems that explain why little came of it though all was read: each of half its frames or more.
    pub fn common_problems(&self) -> impl Iterator<Item = &Problem> {
        let half = self.frames.filter(|n| *n > 0 && !self.is_lossy()).map(|n| n.div_ceil(2));
        self.problems.iter().filter(move |p| half.is_some_and(|half| p.count >= half))
    }
}

/// Something malformed or surprising.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// Stable name, for example `cut_packet_record`.
    pub name: String,
    /// Where it was first seen: `frame 7`, `line 12`, `byte 4096`, `the whole input`.
    pub at: String,
    /// How often it was seen.
    pub count: u64,
    /// One sentence with the values of the first one and, where there is one, the remedy.
    pub detail: String,
}

/// Which version of a component ran, and who says so.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Version {
    /// `kube-apiserver`, `kubelet`, `etcd`, …
    pub component: String,
    /// As it states it: `v1.36.2`.
    pub version: String,
    /// Host or node on which it ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The log or dump that tells it.
    pub path: String,
}

/// One vantage point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Capture {
    /// File name without its rotation suffix.
    pub name: String,
    /// Host that path or name point to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Its files, oldest first.
    pub files: Vec<String>,
    /// Link types of its frames, such as `ethernet` or `linux_sll2`.
    pub link_types: Vec<String>,
    /// Names of its interfaces, where the files say so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub interfaces: Vec<String>,
    /// Capture filters, where the files say so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<String>,
    /// Earliest frame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_time: Option<String>,
    /// Latest frame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_time: Option<String>,
    /// Frames.
    pub frames: u64,
    /// TCP and UDP flows.
    pub flows: u64,
    /// Frames that interface or kernel dropped, where the files say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drops: Option<u64>,
    /// Frames that the snap length cut.
    pub snaplen_cut: u64,
    /// Packets that are copies of one seen just before at another capture point (`-i any`).
    pub duplicates: u64,
    /// Segments that acknowledge data which the capture does not show.
    pub ack_lost_segments: u64,
    /// Payload bytes that the capture does not show and that were acknowledged or skipped.
    pub gap_bytes: u64,
    /// Frames that are older than the one before them.
    pub backwards: u64,
    /// Share of the TCP flows that show packets of one side only, 0 to 1.
    pub one_sided: f64,
    /// Flows finished early to stay within the memory budget.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    pub evicted: u64,
    /// Bytes of flow records that were written to a temporary file to stay within the memory budget.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    pub spilled_bytes: u64,
    /// Its clock.
    pub clock: Clock,
}

/// How far a clock is ahead of the reference, and what says so.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Clock {
    /// Seconds ahead of the reference (its stamps are late); absent where too little is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<f64>,
    /// Microseconds that it gains a second (loses, where negative); absent where it keeps step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift_ppm: Option<f64>,
    /// When `offset` holds (RFC 3339), where the clock drifts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// Median absolute deviation of the pairs, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub residual: Option<f64>,
    /// Pairs of a log line and a packet, or of two packets, that support it.
    pub pairs: u32,
    /// In words: what it is relative to, or why no offset is given.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
}

/// One log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Log {
    /// Its newest file.
    pub path: String,
    /// All its files, oldest first, where they are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// Envelopes, outermost first: `journal short / klog`.
    pub format: String,
    /// Component that wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// Host that wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Time of its first line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_time: Option<String>,
    /// Time of its last line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_time: Option<String>,
    /// Zone of its stamps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// What year and zone were taken from.
    pub year_from: String,
    /// Lines read.
    pub lines: u64,
    /// Failures read from it.
    pub events: u64,
    /// Lines that look like a transport failure and match no event.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    pub unrecognised: u64,
    /// The first of those.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unrecognised_lines: Vec<super::LineRef>,
    /// Its clock.
    pub clock: Clock,
}

/// A certificate of the bundle, wherever it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Certificate {
    /// Subject (RFC 4514).
    pub subject: String,
    /// Issuer (RFC 4514).
    pub issuer: String,
    /// Subject alternative names.
    pub sans: Vec<String>,
    /// How many more it has, which are not kept.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    pub sans_beyond: u64,
    /// Validity begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<String>,
    /// Validity ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<String>,
    /// Serial number in hex.
    pub serial: String,
    /// SHA-256 of the DER bytes in hex.
    pub sha256: String,
    /// Who showed it on the wire: `server`, `client`, `both` or `none`.
    pub shown_by: String,
    /// What it is for, such as `cluster_ca`, `webhook_serving` or `kubelet_client`.
    #[serde(default)]
    pub role: String,
    /// Days that it was still valid at the time of the incident, rounded down; negative once it had expired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days_left: Option<i64>,
    /// Where it was found, at most 16.
    #[serde(default)]
    pub found: Vec<Place>,
    /// Which certificate of the bundle can have issued it, by name and key identifier (signatures are not verified):
    /// its SHA-256, `self` or `missing`.
    #[serde(default)]
    pub authority: String,
    /// caBundles that do not fit, each a sentence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mismatches: Vec<String>,
    /// Addresses that showed it, at most 16.
    pub addresses: Vec<String>,
    /// Names that clients asked those for (SNI), at most 16.
    pub sni: Vec<String>,
    /// Flows that carried it.
    pub flows: u64,
    /// Place in the chain as sent, from 0 (the leaf).
    pub depth: u32,
    /// Why its bytes could not be parsed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// Where a certificate was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Place {
    /// `wire`, `secret`, `config_map`, `kubeconfig`, `ca_bundle` or `file`.
    pub kind: String,
    /// Which one, in words.
    pub place: String,
}

/// What is no call's fault, and what of the input belongs to no file that was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Anomaly {
    /// snake_case name, for example `retransmissions`.
    pub kind: String,
    /// Capture or log it is about.
    pub place: String,
    /// How many.
    pub count: u64,
    /// One sentence with numbers.
    pub text: String,
    /// Some of the input was not read for it: members of an archive, a folder.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lost: bool,
}
