//! Arguments as typed: what clap makes of argv. What they mean stands in `settings`.

use std::path::PathBuf;
use std::sync::LazyLock;

use clap::{Args, CommandFactory as _, Parser, Subcommand};

pub use self::shared::{HowArguments, LimitArguments, ReadArguments, ShowArguments};
use super::choices::edge;
pub use super::choices::{ColorChoice, PageFormat, RecordFormat, ReportFormat, SchemaKind, SeverityName};
use crate::log::Edge;
use crate::rules::RuleSet;

mod shared;

/// What happened on the wire when the Kubernetes API server could not reach something.
///
/// Takes what a customer sends after an incident (logs, packet captures, dumped cluster objects, as files, directories
/// or archives) and says for each logged failure what the packets show.
#[derive(Debug, Parser)]
#[command(name = "wirecause", version, max_term_width = 100, arg_required_else_help = true, after_help = EXIT_CODES)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Arguments {
    /// The command with what `--version` says: verdicts depend on the rules as much as on the program. The digest of
    /// the rules takes longer than reading the arguments, so only who asks for it waits.
    pub fn command_with_rules() -> clap::Command {
        Self::command().long_version(LONG_VERSION.as_str())
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say for each logged failure what happened on the wire
    #[command(after_help = "Examples:
  wirecause analyze bundle.tar.gz
  wirecause analyze bundle/ --finding F1
  wirecause analyze apiserver.log node-1.pcap services.json --tz Europe/Berlin
  wirecause analyze bundle/ --format json | jq '.findings[] | {cause, count, target}'")]
    Analyze(AnalyzeArguments),
    /// One record for each flow (TCP connection, UDP exchange) of the captures
    #[command(after_help = "Examples:
  wirecause flows node-1.pcap
  wirecause flows bundle/ --format ndjson | jq 'select(.conn_state == \"S0\")'")]
    Flows(RecordsArguments),
    /// Every packet and log line of one finding or flow, in order of time
    #[command(after_help = "Examples:
  wirecause timeline bundle/ --finding F1
  wirecause timeline node-1.pcap --flow 12
  wirecause timeline bundle/ --flow pcap/node-1.pcap:12")]
    Timeline(TimelineArguments),
    /// What the logs say: one record for each failure, copies joined
    #[command(after_help = "Examples:
  wirecause logs bundle/ --where 'log.deadline >= 10s'
  wirecause logs apiserver.log --tz America/New_York --format ndjson")]
    Logs(RecordsArguments),
    /// Every certificate on the wire and in Secrets, kubeconfigs, caBundles and files: role, days left, issuer
    #[command(after_help = "Examples:
  wirecause certs bundle/ --where 'cert.days_left < 30'
  wirecause certs bundle/ --where 'cert.mismatch' --format json")]
    Certs(RecordsArguments),
    /// Write only the frames of one finding or flow, as pcapng with comments
    #[command(after_help = "Examples:
  wirecause extract bundle/ --finding F1 -o f1.pcapng
  wirecause extract node-1.pcap --flow 12 -o - | tshark -r -")]
    Extract(ExtractArguments),
    /// Analyse every bundle of a directory on its own; resumes where it stopped
    #[command(
        after_help = "Writes OUT/NAME.json for each bundle, OUT/index.ndjson, and prints causes over all."
    )]
    Batch(BatchArguments),
    /// Read, check, test and explain the rules that make the verdicts
    #[command(after_help = "Examples:
  wirecause rules list
  wirecause rules fields tls.alert
  wirecause rules new my/rule > my-rules/my-rule.yaml
  wirecause rules check --rules my-rules && wirecause rules test --rules my-rules my/rule
  wirecause rules explain io-timeout/syn-dropped bundle/")]
    Rules {
        /// What to do with them.
        #[command(subcommand)]
        command: RulesCommand,
    },
    /// The JSON Schema of the report, or of what another command writes
    Schema {
        /// Of what
        #[arg(value_enum, value_name = "KIND", default_value = "report")]
        kind: SchemaKind,
    },
    /// Completions for a shell, to be sourced
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// The manual page, for man
    Man,
}

/// `wirecause rules`.
#[derive(Debug, Subcommand)]
pub enum RulesCommand {
    /// Every rule by verdict, with cause, severity and where it comes from
    List {
        /// Only rules with this in their id, verdict or cause
        #[arg(value_name = "WORD", default_value = "")]
        word: String,
        /// Form of the list; markdown is the reference page of messages, verdicts and causes
        #[arg(long, value_enum, value_name = "FORM", default_value = "table")]
        format: PageFormat,
        /// Where rules come from.
        #[command(flatten)]
        from: RulesArguments,
    },
    /// Everything about one rule
    Show {
        /// Its id, such as io-timeout/syn-dropped
        #[arg(value_name = "RULE")]
        rule: String,
        /// Where rules come from.
        #[command(flatten)]
        from: RulesArguments,
    },
    /// Every field that rules, --where and explanations can use
    Fields {
        /// Only fields with this in their name or meaning
        #[arg(value_name = "WORD", default_value = "")]
        word: String,
        /// Form of the list; markdown is the reference page
        #[arg(long, value_enum, value_name = "FORM", default_value = "table")]
        format: PageFormat,
    },
    /// Find mistakes, and rules that can never speak
    Check {
        /// Where rules come from.
        #[command(flatten)]
        from: RulesArguments,
    },
    /// Run the tests inside the rules, each with all rules
    Test {
        /// Only rules with this in their id
        #[arg(value_name = "WORD", default_value = "")]
        word: String,
        /// Also write the packets of each test to DIR, one pcap for each capture
        #[arg(long, value_name = "DIR")]
        pcap: Option<PathBuf>,
        /// Where rules come from.
        #[command(flatten)]
        from: RulesArguments,
    },
    /// Say clause by clause why a rule did or did not match each case of a bundle
    Explain {
        /// Its id, such as io-timeout/syn-dropped
        #[arg(value_name = "RULE")]
        rule: String,
        /// What to read.
        #[command(flatten)]
        read: Box<ReadArguments>,
    },
    /// Print a commented skeleton of a rule
    New {
        /// Id of the new rule, such as my/rule
        #[arg(value_name = "RULE")]
        rule: String,
    },
    /// Write the built-in rule files to DIR, to be read and edited
    Export {
        /// Directory; made if it is not there
        #[arg(value_name = "DIR")]
        directory: PathBuf,
    },
    /// The JSON Schema of rule files, for editors
    Schema,
}

/// Where rules come from.
#[derive(Clone, Debug, Args)]
pub struct RulesArguments {
    /// Add or override rules and events with the YAML files of DIR and DIR/events (repeatable)
    #[arg(long = "rules", value_name = "DIR")]
    pub directories: Vec<PathBuf>,
}

/// `wirecause analyze`.
#[derive(Debug, Args)]
pub struct AnalyzeArguments {
    /// What to read.
    #[command(flatten)]
    pub read: ReadArguments,
    /// Form of the report
    #[arg(long, value_enum, value_name = "FORM", default_value = "table")]
    pub format: ReportFormat,
    /// Write to FILE instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Open one finding: proof, timeline, alternatives, commands
    #[arg(long, value_name = "ID")]
    pub finding: Option<String>,
    /// Only calls to this name or address
    #[arg(long, value_name = "NAME|IP", help_heading = "Choosing")]
    pub target: Option<String>,
    /// Only this connection of the control plane, such as webhook or etcd
    #[arg(long, value_name = "EDGE", value_parser = edge, help_heading = "Choosing")]
    pub edge: Option<Edge>,
    /// What happened to this very line, and why not the other candidates: FILE may be the end of a path
    #[arg(long, value_name = "FILE:N", help_heading = "Choosing")]
    pub line: Option<String>,
    /// Occurrences of one finding in JSON, at most
    #[arg(long, value_name = "N", default_value_t = 10_000, help_heading = "Choosing")]
    pub max_occurrences: usize,
    /// Exit with 10 when a finding is at least that severe
    #[arg(long, value_enum, value_name = "SEVERITY")]
    pub fail_on: Option<SeverityName>,
}

/// `wirecause flows`, `logs` and `certs`.
#[derive(Debug, Args)]
pub struct RecordsArguments {
    /// What to read.
    #[command(flatten)]
    pub read: ReadArguments,
    /// Form of the records
    #[arg(long, value_enum, value_name = "FORM", default_value = "table")]
    pub format: RecordFormat,
    /// Only records for which EXPR holds: the language of rules, see `rules fields`
    #[arg(long = "where", value_name = "EXPR", help_heading = "Choosing")]
    pub condition: Option<String>,
    /// Write to FILE instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// What a timeline or an extract is of.
#[derive(Clone, Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Chosen {
    /// A finding of analyze, such as F1
    #[arg(long, value_name = "ID")]
    pub finding: Option<String>,
    /// A TCP stream as flows and Wireshark number it: 12, or CAPTURE:12 where there are several captures
    #[arg(long, value_name = "[CAPTURE:]STREAM")]
    pub flow: Option<String>,
}

/// `wirecause timeline`.
#[derive(Debug, Args)]
pub struct TimelineArguments {
    /// What to read.
    #[command(flatten)]
    pub read: ReadArguments,
    /// What to show.
    #[command(flatten)]
    pub chosen: Chosen,
    /// Form of the timeline
    #[arg(long, value_enum, value_name = "FORM", default_value = "table")]
    pub format: RecordFormat,
    /// Write to FILE instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// `wirecause extract`.
#[derive(Debug, Args)]
pub struct ExtractArguments {
    /// What to read.
    #[command(flatten)]
    pub read: ReadArguments,
    /// What to write.
    #[command(flatten)]
    pub chosen: Chosen,
    /// Write to FILE; - is standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
}

/// `wirecause batch`.
#[derive(Debug, Args)]
pub struct BatchArguments {
    /// Directory whose entries (directories, archives, files) are the bundles
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
    /// Where reports go; made if it is not there
    #[arg(short, long, value_name = "OUT")]
    pub output: PathBuf,
    /// Bundles at a time
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub jobs: usize,
    /// Occurrences of one finding, at most
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub max_occurrences: usize,
    /// How to read.
    #[command(flatten)]
    pub how: HowArguments,
    /// How to print.
    #[command(flatten)]
    pub show: ShowArguments,
}

static LONG_VERSION: LazyLock<String> =
    LazyLock::new(|| format!("{}, built-in rules {}", env!("CARGO_PKG_VERSION"), RuleSet::builtin_digest()));

/// The contract of exit codes, as `--help` shows it.
const EXIT_CODES: &str = "Exit codes:
  0   done
  1   could not run: no such path, nothing to read, output not writable
  2   a mistake in the arguments or in a rule file
  3   done, but some input was unreadable or only partly read
  10  with --fail-on: a finding is at least that severe";
