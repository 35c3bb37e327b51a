//! Arguments as typed: what clap makes of argv. What they mean stands in `settings`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

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

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// One record for each flow (TCP connection, UDP exchange) of the captures
    #[command(after_help = "Examples:
  wirecause flows node-1.pcap
  wirecause flows bundle/ --format ndjson | jq 'select(.conn_state == \"S0\")'")]
    Flows(FlowsArguments),
}

/// `wirecause flows`.
#[derive(Debug, Args)]
pub struct FlowsArguments {
    /// What to read.
    #[command(flatten)]
    pub read: ReadArguments,
    /// Form of the records
    #[arg(long, value_enum, value_name = "FORM", default_value = "table")]
    pub format: RecordFormat,
    /// Write to FILE instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// What every command that reads input takes.
#[derive(Clone, Debug, Args)]
pub struct ReadArguments {
    /// Files, directories or archives; - is standard input
    #[arg(value_name = "INPUT", required = true)]
    pub inputs: Vec<PathBuf>,
    /// Threads to work with [default: one for each core]
    #[arg(long, value_name = "N", help_heading = "Reading")]
    pub threads: Option<usize>,
    /// Memory budget for flows, such as 512M or 2G
    #[arg(long, value_name = "SIZE", default_value = "1G", help_heading = "Reading")]
    pub max_memory: String,
    /// Leave out what came before T: RFC 3339, "2026-11-21 17:20", or 17:20 on the first day of the captures
    #[arg(long, value_name = "T", help_heading = "Reading")]
    pub from: Option<String>,
    /// Leave out what came after T
    #[arg(long, value_name = "T", help_heading = "Reading")]
    pub to: Option<String>,
    /// Zone of log stamps (and of --from and --to) that name none, such as Europe/Berlin or +02:00
    #[arg(long, value_name = "ZONE", help_heading = "Reading")]
    pub tz: Option<String>,
    /// Year of log stamps that name none
    #[arg(long, value_name = "Y", help_heading = "Reading")]
    pub year: Option<i32>,
    /// Another UDP port that carries VXLAN (repeatable)
    #[arg(long, value_name = "P", help_heading = "Reading")]
    pub vxlan_port: Vec<u16>,
    /// How to print.
    #[command(flatten)]
    pub show: ShowArguments,
}

/// What every command that prints takes.
#[derive(Clone, Debug, Args)]
pub struct ShowArguments {
    /// Print nothing but results
    #[arg(short, long, help_heading = "Printing")]
    pub quiet: bool,
    /// When to colour: auto heeds the terminal, NO_COLOR and CLICOLOR
    #[arg(long, value_enum, value_name = "WHEN", default_value = "auto", help_heading = "Printing")]
    pub color: ColorChoice,
    /// Print more
    #[arg(short, long, action = clap::ArgAction::Count, help_heading = "Printing")]
    pub verbose: u8,
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

/// The contract of exit codes, as `--help` shows it.
const EXIT_CODES: &str = "Exit codes:
  0   done
  1   could not run: no such path, nothing to read, output not writable
  2   a mistake in the arguments or in a rule file
  3   done, but some input was unreadable or only partly read
  10  with --fail-on: a finding is at least that severe";
