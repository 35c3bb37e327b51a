//! What a rule is, and the keys that a rule file may hold.

use std::sync::Arc;

use super::expr::Expr;
use super::template::Template;
use super::{Confidence, Severity, Standing};
use crate::log::Edge;

/// A loaded and checked rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Stable id, `topic/name`.
    pub id: Arc<str>,
    /// Revision: raised with each change of meaning.
    pub rev: u32,
    /// Class.
    pub verdict: Arc<str>,
    /// Root cause.
    pub cause: Arc<str>,
    /// How bad.
    pub severity: Severity,
    /// How sure, when everything that the rule needs is known.
    pub confidence: Confidence,
    /// Log against wire, where the rule says so itself.
    pub standing: Option<Standing>,
    /// One line.
    pub title: Arc<str>,
    /// Events that it explains; none: it needs no log line.
    pub log: Vec<Arc<str>>,
    /// Connections it is restricted to; none: all.
    pub edge: Vec<Edge>,
    /// What must hold.
    pub when: Option<Expr>,
    /// What must not hold.
    pub unless: Option<Expr>,
    /// What the captures must have been able to show.
    pub needs: Vec<Need>,
    /// Precedence: higher wins.
    pub rank: i64,
    /// Sentence with values.
    pub explain: Template,
    /// Steps to take, in order.
    pub next: Vec<Template>,
    /// Public documentation.
    pub references: Arc<[Arc<str>]>,
    /// Its tests.
    pub tests: Vec<RuleTest>,
    /// The rule keeps quiet: a case it matches is no finding.
    pub quiet: bool,
    /// File it comes from.
    pub file: Arc<str>,
    /// Line of its first key there, from 1.
    pub line: usize,
    /// Compiled into the program.
    pub builtin: bool,
}

impl Rule {
    /// How many conditions had to hold: comparisons, and one each for `log` and `edge`.
    pub fn conditions(&self) -> usize {
        let count = |e: &Option<Expr>| e.as_ref().map_or(0, Expr::clauses);
        count(&self.when)
            + count(&self.unless)
            + usize::from(!self.log.is_empty())
            + usize::from(!self.edge.is_empty())
    }
}

/// What a rule needs of the captures before its verdict stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Need {
    /// Replies would be in the capture.
    BothDirections,
    /// A capture spans the attempt.
    TimeSpan,
    /// A capture was taken where the packets pass.
    Place,
    /// No filter hides the address.
    Address,
    /// No drops.
    NoDrops,
    /// A flow was found.
    Flow,
    /// The capture shows how the call ended.
    Outcome,
}

impl Need {
    /// All of them with the word in rule files.
    pub const ALL: [Self; 7] = [
        Self::BothDirections,
        Self::TimeSpan,
        Self::Place,
        Self::Address,
        Self::NoDrops,
        Self::Flow,
        Self::Outcome,
    ];

    /// The word in rule files and in `missing`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BothDirections => "both_directions",
            Self::TimeSpan => "time_span",
            Self::Place => "place",
            Self::Address => "address",
            Self::NoDrops => "no_drops",
            Self::Flow => "flow",
            Self::Outcome => "outcome",
        }
    }

    /// What is missing where it is not met.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::BothDirections => "the captures show packets of one direction only",
            Self::TimeSpan => "no capture covers the time of the call",
            Self::Place => "no capture was taken where the packets of the call pass",
            Self::Address => "the captures hold nothing of this address: a filter may hide it",
            Self::NoDrops => "the capture lost packets",
            Self::Flow => "no connection in the captures belongs to the call",
            Self::Outcome => "the capture ends before the call does",
        }
    }
}

/// A test of a rule.
#[derive(Clone, Debug)]
pub struct RuleTest {
    /// What it shows.
    pub name: String,
    /// Log lines, if any.
    pub log: String,
    /// Packet script, if any.
    pub packets: Option<String>,
    /// Kubernetes objects (YAML), if any.
    pub objects: Option<String>,
    /// Output of `ss`, `nstat`, `ip` and the like on one host, if any.
    pub state: Option<String>,
    /// The rule must be the headline of a case; else it must not.
    pub matches: bool,
    /// Standing that the judgement must have, if stated.
    pub standing: Option<Standing>,
    /// Bytes of the file that the script stands in.
    pub at: std::ops::Range<usize>,
}

/// A key of a rule, for mistakes, the reference page and the JSON Schema.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// The key.
    pub name: &'static str,
    /// JSON Schema type of its value: `string`, `integer`, `boolean`, `array` or `string or array`.
    pub kind: &'static str,
    /// A rule cannot do without it.
    pub required: bool,
    /// What it is for.
    pub meaning: &'static str,
}

const fn key(name: &'static str, kind: &'static str, required: bool, meaning: &'static str) -> Key {
    Key { name, kind, required, meaning }
}

/// Every key of a rule.
pub const KEYS: &[Key] = &[
    key("rule", "string", true, "Stable id, `topic/name`, in lower case with dashes; never reused."),
    key("rev", "integer", true, "Revision, from 1; raised with each change of meaning."),
    key(
        "verdict",
        "string",
        true,
        "Class of the failure: the phase that the call had reached and how it ended there.",
    ),
    key("cause", "string", true, "Root cause: why."),
    key("severity", "string", true, "`info`, `warning` or `error`."),
    key(
        "confidence",
        "string",
        false,
        "`high`, `medium` or `low` when everything needed is known; `high` if not given. Medium: the explanation names the alternative.",
    ),
    key(
        "standing",
        "string",
        false,
        "`confirmed`, `explained`, `contradicted`, `wire_only`, `log_only` or `inconclusive`; worked out if not given.",
    ),
    key("title", "string", true, "One line for the table."),
    key(
        "log",
        "array",
        false,
        "Events (from `rules/events/`) that the rule explains. Without it the rule needs no log line.",
    ),
    key("edge", "array", false, "Connections of the control plane that the rule is restricted to."),
    key("when", "string", false, "Condition that must be true."),
    key("unless", "string", false, "Condition that must not be true."),
    key(
        "needs",
        "array",
        false,
        "What the captures must have been able to show; else the verdict is `inconclusive`.",
    ),
    key(
        "rank",
        "integer",
        false,
        "Precedence, 50 if not given; higher wins. Fallbacks have less, special cases more.",
    ),
    key(
        "quiet",
        "boolean",
        false,
        "The case is no finding: the rule names what looks like a failure and is none.",
    ),
    key("explain", "string", true, "One to three sentences with `{field}` values."),
    key("next", "array", false, "What to do next, in order, with commands."),
    key("references", "array", false, "Public documentation."),
    key("tests", "array", true, "At least one test that must match and one near miss that must not."),
];

/// Keys of a test.
pub const TEST_KEYS: &[Key] = &[
    key("name", "string", true, "What the test shows."),
    key("log", "string or array", false, "Log line or lines."),
    key("packets", "string", false, "Packet script (see the language below)."),
    key("objects", "string", false, "Kubernetes objects as YAML."),
    key("state", "string", false, "Output of ss, nstat, ip, conntrack, … on one host."),
    key("expect", "string", true, "`match` or `no-match`."),
    key("standing", "string", false, "Standing that the match must have."),
];
