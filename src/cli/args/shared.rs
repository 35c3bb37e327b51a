//! Arguments that several commands take, as typed: what to read and how, and how to print.

use std::path::PathBuf;

use clap::{Args, value_parser};

use crate::cli::choices::ColorChoice;

/// What every command that reads input takes.
#[derive(Clone, Debug, Args)]
pub struct ReadArguments {
    /// Files, directories or archives; - is standard input
    #[arg(value_name = "INPUT", required = true)]
    pub inputs: Vec<PathBuf>,
    /// How to read.
    #[command(flatten)]
    pub how: HowArguments,
    /// How to print.
    #[command(flatten)]
    pub show: ShowArguments,
}

/// More threads than that take seconds to start and to idle: their work grows with the square of their number.
const MOST_THREADS: i64 = 512;

/// How input is read.
#[derive(Clone, Debug, Args)]
pub struct HowArguments {
    /// Threads to work with, at most 512; 0 is one for each core
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = value_parser!(u16).range(..=MOST_THREADS), help_heading = "Reading")]
    pub threads: u16,
    /// Memory budget for flows, such as 512M or 2G
    #[arg(long, value_name = "SIZE", default_value = "1G", help_heading = "Reading")]
    pub max_memory: String,
    /// Leave out what came before T: RFC 3339, "2026-11-21 17:20", or 17:20 on the first day of the captures; the
    /// packets of a call that failed after T are heeded from its beginning
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
    /// Add or override rules and events with the YAML files of DIR and DIR/events (repeatable)
    #[arg(long, value_name = "DIR", help_heading = "Reading")]
    pub rules: Vec<PathBuf>,
    /// Replace addresses and names of hosts, objects, certificates, folders, files, builds and users consistently in all
    /// output; extracted frames lose their payload. A name that nothing marks as one, as in free text of a policy, stays, and
    /// so does one of a file or folder that is made of words of every cluster, such as cloud-images
    #[arg(long, help_heading = "Reading")]
    pub redact: bool,
    /// Save what --redact replaced by what, readable by its owner alone
    #[arg(long, value_name = "FILE", requires = "redact", help_heading = "Reading")]
    pub redact_map: Option<PathBuf>,
    /// Another UDP port that carries VXLAN (repeatable)
    #[arg(long, value_name = "P", help_heading = "Reading")]
    pub vxlan_port: Vec<u16>,
    /// Decrypt TLS sessions with the secrets in FILE, as SSLKEYLOGFILE writes them (repeatable); never shown
    #[arg(long, value_name = "FILE", help_heading = "Reading")]
    pub keylog: Vec<PathBuf>,
    /// Tell of certificates that end within so many days of the incident
    #[arg(long, value_name = "DAYS", default_value_t = 30, help_heading = "Reading")]
    pub expiry_warning: u32,
    /// Bounds on what a bundle may make the program read.
    #[command(flatten)]
    pub limits: LimitArguments,
}

/// What keeps a hostile bundle from taking all time and space; unset is the default of the `bundle` stage.
#[derive(Clone, Debug, Default, Args)]
pub struct LimitArguments {
    /// Files and archive members that are looked at, at most [default: 200000]
    #[arg(long, value_name = "N", help_heading = "Limits", hide_short_help = true)]
    pub max_members: Option<u64>,
    /// Archives within archives that are opened, at most, the outermost counted [default: 3]
    #[arg(long, value_name = "N", help_heading = "Limits", hide_short_help = true)]
    pub max_depth: Option<u32>,
    /// Bytes of all archive members together, at most [default: 1T]
    #[arg(long, value_name = "SIZE", help_heading = "Limits", hide_short_help = true)]
    pub max_total_bytes: Option<String>,
    /// Bytes of one archive member or compressed file, at most [default: 256G]
    #[arg(long, value_name = "SIZE", help_heading = "Limits", hide_short_help = true)]
    pub max_member_bytes: Option<String>,
    /// Bytes that one byte of a file may become, at all depths together, past 16 MiB [default: 2000]
    #[arg(long, value_name = "N", help_heading = "Limits", hide_short_help = true)]
    pub max_ratio: Option<u64>,
    /// Bytes of one file of Kubernetes objects or certificates, at most [default: 512M]
    #[arg(long, value_name = "SIZE", help_heading = "Limits", hide_short_help = true)]
    pub max_object_bytes: Option<String>,
    /// Nesting of a YAML document, at most [default: 128]
    #[arg(long, value_name = "N", help_heading = "Limits", hide_short_help = true)]
    pub max_yaml_depth: Option<u32>,
    /// Anchors and aliases of a YAML document, at most [default: 256]
    #[arg(long, value_name = "N", help_heading = "Limits", hide_short_help = true)]
    pub max_yaml_aliases: Option<u32>,
    /// Facts of one kind (pods, endpoints, translations) from objects and host state, at most [default: 1000000]
    #[arg(long, value_name = "N", help_heading = "Limits", hide_short_help = true)]
    pub max_facts: Option<u64>,
    /// Bytes of IP fragments that wait for the rest of their packet, at most [default: 16M]
    #[arg(long, value_name = "SIZE", help_heading = "Limits", hide_short_help = true)]
    pub max_fragment_bytes: Option<String>,
    /// Logged failures that are analysed, at most, the first ones of all logs [default: 300000]
    #[arg(long, value_name = "N", help_heading = "Limits", hide_short_help = true)]
    pub max_failures: Option<u64>,
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
    /// Columns of what is printed for people [default: those of the terminal, COLUMNS, or 100]
    #[arg(long, value_name = "COLUMNS", value_parser = value_parser!(u16).range(40..=400), help_heading = "Printing")]
    pub width: Option<u16>,
    /// Print more
    #[arg(short, long, action = clap::ArgAction::Count, help_heading = "Printing")]
    pub verbose: u8,
}
