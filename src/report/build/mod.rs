//! Makes the report value from what the stages found out. Rearranges facts, computes none.

use std::collections::BTreeMap;

use super::document::{Anomaly, Report, SCHEMA, Summary, Tool};
use super::words::{counted, grouped};
use crate::correlate::{Correlated, World};
use crate::error::Weird;
use crate::rules::{self, Finding};

mod findings;
mod inputs;
mod steps;
mod times;

pub(crate) use findings::{Findings, in_order};
pub(crate) use inputs::{certificate, line};
pub use steps::{Step, steps};

/// How the report is made.
#[derive(Clone, Debug)]
pub struct Options {
    /// Occurrences of one finding at most; the rest are counted in `omitted`.
    pub max_occurrences: usize,
    /// [`crate::rules::RuleSet::digest`] of the rules used.
    pub rules_digest: String,
}

impl Default for Options {
    fn default() -> Self {
        Self { max_occurrences: 10_000, rules_digest: String::new() }
    }
}

/// Everything that was found out, as the value that all views are drawn from.
pub fn build(world: &World, correlated: &Correlated, found: &[Finding], options: &Options) -> Report {
    let (listed, beyond) = found.split_at(found.len().min(MAX_FINDINGS));
    let left_out = not_listed(beyond).into_iter().chain(omitted(listed, options.max_occurrences));
    let of_bundle = world.bundle.problems.iter().map(of_bundle);
    Report {
        schema: SCHEMA.to_owned(),
        tool: Tool {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            rules_digest: options.rules_digest.clone(),
        },
        inputs: inputs::inputs(world),
        captures: inputs::captures(world, correlated),
        logs: inputs::logs(world, correlated),
        versions: inputs::versions(world),
        summary: summary(found),
        findings: Findings::new(world, correlated).all(listed, options.max_occurrences),
        certificates: correlated.certificates.iter().map(|c| inputs::certificate(c)).collect(),
        anomalies: of_bundle.chain(correlated.anomalies.iter().map(anomaly)).chain(left_out).collect(),
    }
}

fn summary(found: &[rules::Finding]) -> Summary {
    let mut summary = Summary { findings: found.len() as u64, ..Summary::default() };
    let add =
        |map: &mut BTreeMap<String, u64>, key: &str, n: u64| *map.entry(key.to_owned()).or_default() += n;
    for finding in found {
        let count = finding.occurrences.len() as u64;
        summary.occurrences += count;
        add(&mut summary.by_verdict, &finding.judgement.verdict, count);
        add(&mut summary.by_severity, finding.judgement.severity.name(), 1);
        for occurrence in &finding.occurrences {
            add(&mut summary.by_standing, occurrence.standing.name(), 1);
        }
    }
    summary
}

/// Findings that the summary alone counts; `--line` and filters of time lead to each.
fn not_listed(beyond: &[Finding]) -> Option<Anomaly> {
    let failures: usize = beyond.iter().map(|f| f.occurrences.len()).sum();
    (!beyond.is_empty()).then(|| Anomaly {
        kind: "limit_findings".to_owned(),
        place: "all inputs".to_owned(),
        count: beyond.len() as u64,
        text: format!(
            "{} more findings, of {failures} failures, are counted and not listed, the worst and most frequent {MAX_FINDINGS} being; narrow the time with --from and --to",
            beyond.len()
        ),
        lost: false,
    })
}

/// Calls that their findings count and do not list.
fn omitted(listed: &[Finding], max_occurrences: usize) -> Option<Anomaly> {
    let beyond = listed.iter().map(|f| f.occurrences.len().saturating_sub(max_occurrences) as u64);
    let (findings, calls) = beyond.filter(|n| *n > 0).fold((0, 0), |(some, all), n| (some + 1, all + n));
    (calls > 0).then(|| Anomaly {
        kind: "limit_occurrences".to_owned(),
        place: "all inputs".to_owned(),
        count: calls,
        text: format!(
            "{} of {} are counted and not listed: of each the first {max_occurrences} are; raise it with --max-occurrences",
            counted(calls, "call"),
            counted(findings, "finding"),
        ),
        lost: false,
    })
}

/// Findings that are listed: a log in which every line fails differently would make a report of gigabytes.
const MAX_FINDINGS: usize = 10_000;

fn anomaly(anomaly: &crate::correlate::Anomaly) -> Anomaly {
    Anomaly {
        kind: anomaly.kind.to_owned(),
        place: anomaly.place.clone(),
        count: anomaly.count,
        text: anomaly.text.clone(),
        lost: false,
    }
}

/// What happened to no source: members of archives, folders and links.
fn of_bundle(weird: &Weird) -> Anomaly {
    let more = weird.count - 1;
    let more = if more > 0 { format!(" (and {} more such)", grouped(more)) } else { String::new() };
    Anomaly {
        kind: weird.name.to_owned(),
        place: "all inputs".to_owned(),
        count: weird.count,
        text: format!("{}{more}", weird.detail),
        lost: weird.loss,
    }
}
