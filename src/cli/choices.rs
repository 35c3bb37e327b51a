//! Values of options that are one of a list, as typed. Which options take them stands in `args`.

use clap::ValueEnum;

use crate::log::Edge;
use crate::rules::Severity;

/// Forms of a list for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PageFormat {
    /// Columns.
    Table,
    /// A page of documentation.
    Markdown,
}

/// What there is a JSON Schema of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SchemaKind {
    /// What `analyze --format json` and `batch` write.
    Report,
    /// One line of `analyze --format ndjson`.
    Record,
    /// What `timeline --format json` writes.
    Timeline,
    /// One line of `timeline --format ndjson`.
    Moment,
    /// One line of `logs --format ndjson`.
    Event,
    /// One line of `certs --format ndjson`.
    Certificate,
}

/// Forms of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RecordFormat {
    /// Columns for people.
    Table,
    /// One array.
    Json,
    /// One object a line.
    Ndjson,
    /// For a spreadsheet, the columns that one sorts by.
    Csv,
}

/// Forms of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For a terminal: the answer first.
    Table,
    /// One document, wirecause.report/1.
    Json,
    /// The same, one record a line.
    Ndjson,
    /// One page that needs nothing else.
    Html,
    /// For a ticket.
    Markdown,
    /// For a spreadsheet: one line a finding.
    Csv,
}

/// Severities as typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SeverityName {
    /// Anything that was found.
    Info,
    /// What was survived, and worse.
    Warning,
    /// Failed calls.
    Error,
}

impl SeverityName {
    /// The severity meant.
    pub fn severity(self) -> Severity {
        match self {
            Self::Info => Severity::Info,
            Self::Warning => Severity::Warning,
            Self::Error => Severity::Error,
        }
    }
}

/// When to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless the environment says otherwise.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// An edge by its name.
pub(super) fn edge(text: &str) -> Result<Edge, String> {
    let known = Edge::ALL.into_iter().find(|e| e.name() == text);
    known.ok_or_else(|| format!("there is {}", Edge::ALL.map(Edge::name).join(", ")))
}
