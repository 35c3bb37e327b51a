//! Arguments in, exit code out. Alone prints, exits, and reads the environment and the terminal.
//!
//! Arguments are resolved in two steps: [`args`] holds what was typed, [`settings`] what it means. Results go to
//! standard output or a file ([`output`]), everything else to standard error.

use std::collections::HashSet;
use std::error::Error as _;
use std::ffi::OsString;
use std::path::Path;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser as _};

use self::args::{Arguments, Command, HowArguments, ReadArguments, RulesCommand, SchemaKind, ShowArguments};
use self::clash::Output;
use self::redact::Mask;
use self::settings::Settings;
use crate::bundle::{Bundle, InputReport, SourceIndex};
use crate::error::Error;
use crate::report::{document, words};
use crate::rules::expr::Expr;

mod analyze;
pub mod args;
mod batch;
pub mod choices;
mod clash;
mod flows;
mod load;
pub mod output;
mod packets;
pub mod progress;
mod records;
mod redact;
mod rules;
pub mod settings;

/// How a command that could run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// Everything was read.
    Done,
    /// Some input was unreadable or only partly read.
    Partial,
    /// A finding is as severe as `--fail-on` says.
    Failed,
}

/// Runs the program with these arguments and gives its exit code.
pub fn run(args: impl IntoIterator<Item = OsString>) -> u8 {
    let typed = match typed(args.into_iter().collect()) {
        Ok(typed) => typed,
        Err(error) => {
            // Help that nobody reads any more (a closed pipe) is no failure.
            drop(error.print());
            return if error.use_stderr() { 2 } else { 0 };
        }
    };
    match dispatch(&typed.command) {
        Ok(Outcome::Done) => 0,
        Ok(Outcome::Partial) => 3,
        Ok(Outcome::Failed) => 10,
        Err(error) => {
            eprintln!("wirecause: {}", told(&error));
            error.exit_code()
        }
    }
}

/// A mistake may name what a bundle holds; those of rule files are laid out already.
fn told(error: &Error) -> String {
    let text = error.to_string();
    match error {
        Error::Rules(_) => text,
        _ => text.split('\n').map(words::printable).collect::<Vec<_>>().join("\n"),
    }
}

fn typed(args: Vec<OsString>) -> Result<Arguments, clap::Error> {
    match Arguments::try_parse_from(&args) {
        Err(error) if error.kind() == ErrorKind::DisplayVersion => {
            Err(Arguments::command_with_rules().try_get_matches_from(args).err().unwrap_or(error))
        }
        other => other,
    }
}

/// Runs a command; one that reads a bundle on as many threads as were asked for.
fn dispatch(command: &Command) -> Result<Outcome, Error> {
    let Some(how) = how(command) else { return run_command(command) };
    let threads = usize::from(how.threads);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
    let failed = |e: &dyn std::fmt::Display| {
        Error::Usage(format!("--threads {threads}: cannot start that many threads: {e}"))
    };
    if matches!(command, Command::Batch(_)) {
        // Jobs share the threads of the process: within a pool, one that waits could begin another on top of it.
        return match pool.build_global() {
            Err(e) if e.source().is_some() => Err(failed(&e)),
            _ => run_command(command), // a process that has them already keeps them
        };
    }
    pool.build().map_err(|e| failed(&e))?.install(|| run_command(command))
}

fn run_command(command: &Command) -> Result<Outcome, Error> {
    if let Some((read, results)) = read(command) {
        let outputs = Output::of(results, &read.how);
        clash::refuse(&read.inputs, &read.how, &outputs)?;
        outputs.iter().try_for_each(|output| output::look_ahead(&output.path))?;
    }
    let written = |work: &dyn Fn(&mut dyn std::io::Write) -> std::io::Result<()>| {
        output::write(None, |out| work(out)).map(|()| Outcome::Done)
    };
    match command {
        Command::Analyze(typed) => analyze::run(typed, &Settings::of(&typed.read.how)?),
        Command::Flows(typed) => flows::run(typed, &Settings::of_captures(&typed.read.how)?),
        Command::Logs(typed) => records::logs(typed, &Settings::of_logs(&typed.read.how)?),
        Command::Certs(typed) => records::certs(typed, &Settings::of_captures(&typed.read.how)?),
        Command::Timeline(typed) => packets::timeline(typed, &Settings::of(&typed.read.how)?),
        Command::Extract(typed) => packets::extract(typed, &Settings::of(&typed.read.how)?),
        Command::Batch(typed) => batch::run(typed, &Settings::of(&typed.how)?),
        Command::Rules { command } => rules::run(command),
        Command::Schema { kind } => written(&|out| writeln!(out, "{:#}", schema(*kind))),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Arguments::command(), "wirecause", &mut script);
            written(&|out| out.write_all(&script))
        }
        Command::Man => written(&|mut out| manual(&mut out)),
    }
}

/// How to read, for commands that read bundles.
fn how(command: &Command) -> Option<&HowArguments> {
    match command {
        Command::Batch(typed) => Some(&typed.how),
        other => read(other).map(|(read, _)| &read.how),
    }
}

/// What a command reads that reads one bundle, and where its results go if not to standard output.
fn read(command: &Command) -> Option<(&ReadArguments, Option<&Path>)> {
    match command {
        Command::Analyze(typed) => Some((&typed.read, typed.output.as_deref())),
        Command::Flows(typed) | Command::Logs(typed) | Command::Certs(typed) => {
            Some((&typed.read, typed.output.as_deref()))
        }
        Command::Timeline(typed) => Some((&typed.read, typed.output.as_deref())),
        Command::Extract(typed) => Some((&typed.read, Some(&typed.output))),
        Command::Rules { command: RulesCommand::Explain { read, .. } } => Some((read, None)),
        Command::Batch(_)
        | Command::Rules { .. }
        | Command::Schema { .. }
        | Command::Completions { .. }
        | Command::Man => None,
    }
}

fn schema(kind: SchemaKind) -> serde_json::Value {
    match kind {
        SchemaKind::Report => document::schema::<document::Report>(),
        SchemaKind::Record => document::schema::<document::Record>(),
        SchemaKind::Timeline => document::schema::<document::Timeline>(),
        SchemaKind::Moment => document::schema::<document::Moment>(),
        SchemaKind::Event => document::schema::<crate::report::events::Event>(),
        SchemaKind::Certificate => document::schema::<document::Certificate>(),
    }
}

/// The manual: the command, then each of its commands.
fn manual(mut out: &mut dyn std::io::Write) -> std::io::Result<()> {
    let command = Arguments::command_with_rules();
    clap_mangen::Man::new(command.clone()).render(&mut out)?;
    for sub in command.get_subcommands().filter(|c| c.get_name() != "help") {
        let name = format!("wirecause {}", sub.get_name());
        let sub = sub.clone().bin_name(name.clone()).display_name(name.replace(' ', "-"));
        clap_mangen::Man::new(sub).render(&mut out)?;
    }
    Ok(())
}

/// The condition of `--where`.
fn condition(text: Option<&str>) -> Result<Option<Expr>, Error> {
    text.map(|text| Expr::from_argument("--where", text).map_err(Error::Rules)).transpose()
}

/// Tells the user something that is no result. It may name what a bundle holds, or the bundle itself.
fn say(show: &ShowArguments, text: &str) {
    if !show.quiet {
        eprintln!("wirecause: {}", words::printable(text));
    }
}

/// Names every input that lost something, in one line each, those that no stage took (a text named `.pcap`, a file
/// without read permission) among them.
fn say_problems<'a>(
    show: &ShowArguments,
    bundle: &Bundle,
    inputs: impl IntoIterator<Item = &'a InputReport>,
    mask: &mut Mask,
) {
    for problem in bundle.problems.iter() {
        say(show, &mask.text(&problem.detail));
    }
    let inputs: Vec<&InputReport> = inputs.into_iter().collect();
    let taken: HashSet<SourceIndex> = inputs.iter().map(|i| i.source).collect();
    let untaken = bundle.sources.iter().filter(|s| s.problems.any_loss() && !taken.contains(&s.index));
    let untaken: Vec<InputReport> = untaken.map(InputReport::of).collect();
    for input in inputs.into_iter().chain(&untaken) {
        let path = bundle.path(input.source);
        for problem in input.problems.iter().filter(|p| p.loss || show.verbose > 0) {
            let detail = mask.text(&problem.detail);
            let text = format!("{}: {} ({}): {detail}", mask.text(path), problem.name, problem.at);
            say(show, &text);
        }
    }
}

/// Whether every input was read whole, and nothing was lost while finding them or of those that no stage took.
fn worst_input<'a>(bundle: &Bundle, inputs: impl IntoIterator<Item = &'a InputReport>) -> Outcome {
    let bad = bundle.problems.any_loss()
        || bundle.sources.iter().any(|s| s.problems.any_loss())
        || inputs.into_iter().any(|i| matches!(i.status(), "partial" | "unreadable"));
    if bad { Outcome::Partial } else { Outcome::Done }
}
