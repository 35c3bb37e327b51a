//! Rule files and cases in, verdicts with their evidence out.
//!
//! Conditions are expressions in display-filter style over one declared table of typed fields; they are three-valued.
//! Sees named fields only: no rule is written in Rust, and no verdict, cause or sentence stands outside rule files.

use std::sync::Arc;

use crate::correlate::{Anomaly, Correlated, Missing, Target, World};
use crate::time::Timestamp;

mod build;
mod builtin;
mod engine;
mod explain;
pub mod expr;
pub mod fields;
mod load;
pub mod mistakes;
mod quiet;
mod reference;
mod rule;
pub mod script;
mod template;
pub mod tools;
mod trial;
mod yaml;

pub use engine::judge;
pub use load::{RuleFile, RuleSet};
pub use rule::{KEYS, Key, Need, Rule, RuleTest, TEST_KEYS};
pub use template::Template;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// No fault, worth knowing.
    Info,
    /// A fault that healed or was survived.
    Warning,
    /// A failed call.
    Error,
}

impl Severity {
    /// `info`, `warning` or `error`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// What log and wire are to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// Log and wire agree.
    Confirmed,
    /// The log is blind to the phase, the wire decides.
    Explained,
    /// The wire shows otherwise.
    Contradicted,
    /// No log line tells of it.
    WireOnly,
    /// No packet could be asked.
    LogOnly,
    /// Something is missing that would decide.
    Inconclusive,
}

impl Standing {
    /// snake_case, as in the output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Explained => "explained",
            Self::Contradicted => "contradicted",
            Self::WireOnly => "wire_only",
            Self::LogOnly => "log_only",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// How sure a verdict is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Confidence {
    /// Other causes are as likely.
    Low,
    /// Another cause is possible; the explanation names it.
    Medium,
    /// Nothing else fits the evidence.
    High,
}

impl Confidence {
    /// `low`, `medium` or `high`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// What a rule concludes about one case.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// Place in [`Correlated::cases`].
    pub case: u32,
    /// Rule id, for example `tls-handshake-timeout/server-silent`.
    pub rule: Arc<str>,
    /// Class.
    pub verdict: Arc<str>,
    /// Root cause.
    pub cause: Arc<str>,
    /// How bad.
    pub severity: Severity,
    /// Log against wire.
    pub standing: Standing,
    /// How sure.
    pub confidence: Confidence,
    /// The line may be another's than its writer's ([`LogEvent::is_hearsay`](crate::log::LogEvent::is_hearsay)).
    pub hearsay: bool,
    /// The rule's title.
    pub title: Arc<str>,
    /// The rule's explanation with this case's values.
    pub explanation: Arc<str>,
    /// What to do next, in order, with this case's values.
    pub next: Arc<[String]>,
    /// Public documentation.
    pub references: Arc<[Arc<str>]>,
    /// What was missing.
    pub missing: Arc<[Missing]>,
    /// Other rules that matched and lost, and why.
    pub alternatives: Arc<[(Arc<str>, String)]>,
}

/// Occurrences of one verdict, cause and target.
#[derive(Clone, Debug)]
pub struct Finding {
    /// `F1`, `F2`, … worst first.
    pub id: String,
    /// The judgement that speaks for all: of the surest occurrence, the earliest of those, and of none that is hearsay
    /// where a line is not.
    pub judgement: Judgement,
    /// What they were to reach; fields in which the occurrences differ are left out, those of hearsay aside.
    pub target: Target,
    /// All occurrences in order of time.
    pub occurrences: Vec<Judgement>,
    /// First time.
    pub first: Option<Timestamp>,
    /// Last time.
    pub last: Option<Timestamp>,
}

/// Judges every case and groups the judgements: worst severity first, then most occurrences, then first time. Beside
/// them, what the rules keep quiet about or have no verdict for, summed up.
pub fn conclude(rules: &RuleSet, world: &World, correlated: &Correlated) -> (Vec<Finding>, Vec<Anomaly>) {
    let all = engine::judge_all(rules, world, correlated);
    let mut told = quiet::sum_up(&all.quiet, world, correlated);
    told.extend(quiet::without_verdict(&all.unmatched, world, correlated));
    (engine::group(all.judgements, correlated), told)
}
