//! The report as a value: `wirecause.report/1`, what `analyze --format json` writes.
//!
//! These types are the documentation of the format: every key stands here with its meaning, `wirecause schema` prints
//! the JSON Schema made from them, and every other view (table, Markdown, HTML) is drawn from them alone. The format
//! may gain keys; it loses or renames none without a new version. Absent keys are facts that are not known.
//!
//! Times are RFC 3339 in UTC with nanoseconds. Numbers of frames and lines count from 1, of streams from 0, as
//! Wireshark and editors show them.
//!
//! As NDJSON (`--format ndjson`) the same values come one a line, each with a `type`: see [`Record`].

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod finding;
mod inputs;

pub use finding::{
    Alternative, Bucket, End, Finding, FlowRef, LineRef, Match, Missing, Moment, MomentKind, Occurrence,
    Other, OtherFlow, Target,
};
pub use inputs::{Anomaly, Capture, Certificate, Clock, Input, Log, Place, Problem, Version};

/// The version of this format, in [`Report::schema`].
pub const SCHEMA: &str = "wirecause.report/1";

/// Everything that one run found out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// `wirecause.report/1`.
    pub schema: String,
    /// What made the report.
    pub tool: Tool,
    /// Every input: what was read of it, what was not, and why.
    pub inputs: Vec<Input>,
    /// Every capture (vantage point); rotated files are one capture.
    pub captures: Vec<Capture>,
    /// Every log; rotated files are one log.
    pub logs: Vec<Log>,
    /// Versions of Kubernetes components, as their logs state at a start and as node objects do; where a log begins
    /// later and there are no node objects, nothing is known.
    #[serde(default)]
    pub versions: Vec<Version>,
    /// How many findings of which kind.
    pub summary: Summary,
    /// Worst first.
    pub findings: Vec<Finding>,
    /// Every certificate on the wire and in Secrets, ConfigMaps, kubeconfigs, caBundles and files.
    pub certificates: Vec<Certificate>,
    /// What is no call's fault: loss that healed, duplicates, cut packets, drops, one-sided captures.
    pub anomalies: Vec<Anomaly>,
}

/// What made the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tool {
    /// `wirecause`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// First 12 hex digits of the SHA-256 over all rule and event files: verdicts can be repeated with the same ones.
    pub rules_digest: String,
}

/// How many findings of which kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// Findings.
    pub findings: u64,
    /// Failed calls in them: the sum of their counts.
    pub occurrences: u64,
    /// Failed calls by verdict.
    pub by_verdict: BTreeMap<String, u64>,
    /// Failed calls by standing.
    pub by_standing: BTreeMap<String, u64>,
    /// Findings by severity.
    pub by_severity: BTreeMap<String, u64>,
}

/// Packets and log lines on one axis of time: `wirecause timeline --format json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Timeline {
    /// The flows that the packets are of.
    pub flows: Vec<FlowRef>,
    /// In order of time.
    pub moments: Vec<Moment>,
}

/// One line of the NDJSON form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Record {
    /// First line.
    Begin {
        /// `wirecause.report/1`.
        schema: String,
        /// What made the report.
        tool: Tool,
    },
    /// One of [`Report::inputs`].
    Input(Input),
    /// One of [`Report::captures`].
    Capture(Capture),
    /// One of [`Report::logs`].
    Log(Log),
    /// One of [`Report::versions`].
    Version(Version),
    /// One of [`Report::findings`].
    Finding(Box<Finding>),
    /// One of [`Report::certificates`].
    Certificate(Certificate),
    /// One of [`Report::anomalies`].
    Anomaly(Anomaly),
    /// Last line.
    Summary(Summary),
}

impl Report {
    /// That no fault was found, in words; that nothing could be read is no such answer.
    pub fn no_fault(&self) -> &'static str {
        let lossy = self.inputs.iter().any(Input::is_lossy);
        let unread = |input: &Input| matches!(input.status.as_str(), "unreadable" | "skipped");
        if lossy && self.inputs.iter().all(unread) {
            "Nothing of the input could be read."
        } else {
            "No transport fault found."
        }
    }

    /// The records of the NDJSON form, in order.
    pub fn into_records(self) -> impl Iterator<Item = Record> {
        // No `..`: a new key does not compile until its record is decided.
        let Self {
            schema,
            tool,
            inputs,
            captures,
            logs,
            versions,
            summary,
            findings,
            certificates,
            anomalies,
        } = self;
        std::iter::once(Record::Begin { schema, tool })
            .chain(inputs.into_iter().map(Record::Input))
            .chain(captures.into_iter().map(Record::Capture))
            .chain(logs.into_iter().map(Record::Log))
            .chain(versions.into_iter().map(Record::Version))
            .chain(findings.into_iter().map(|f| Record::Finding(Box::new(f))))
            .chain(certificates.into_iter().map(Record::Certificate))
            .chain(anomalies.into_iter().map(Record::Anomaly))
            .chain(std::iter::once(Record::Summary(summary)))
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// The JSON Schema (draft 2020-12) of what a command writes, such as [`Report`].
pub fn schema<T: JsonSchema>() -> serde_json::Value {
    schemars::schema_for!(T).to_value()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::made;
    use super::*;

    #[test]
    fn a_report_reads_back() {
        let report = made::report();
        let value = serde_json::to_value(&report).expect("a report is JSON");
        assert_eq!(serde_json::from_value::<Report>(value).expect("it reads back"), report);
    }

    #[test]
    fn records_hold_everything_and_name_their_type() {
        let report = made::report();
        let lines: Vec<Value> =
            report.clone().into_records().map(|r| serde_json::to_value(r).expect("JSON")).collect();
        let types: Vec<_> = lines.iter().filter_map(|l| l["type"].as_str()).collect();
        assert_eq!(
            types,
            [
                "begin", "input", "input", "capture", "log", "version", "finding", "finding", "anomaly",
                "summary"
            ]
        );
        assert_eq!(lines[0]["schema"], SCHEMA);
        assert_eq!(lines[6]["occurrences"][0]["match"]["key"], "nat_map");
    }
}
