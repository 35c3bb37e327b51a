//! `wirecause flows`.

use super::args::{RecordFormat, RecordsArguments};
use super::progress::Progress;
use super::settings::{Look, Settings};
use super::{Outcome, load, output, worst_input};
use crate::error::Error;
use crate::ingest;
use crate::report::flows::{self, Framing, Records};
use crate::rules::expr::Truth;
use crate::rules::fields::CaseView;

pub(super) fn run(typed: &RecordsArguments, settings: &Settings) -> Result<Outcome, Error> {
    let condition = super::condition(typed.condition.as_deref())?;
    let (bundle, wire) = load::captures(&typed.read.inputs, settings, &Progress::new(&typed.read.show))?;
    if wire.captures.is_empty() {
        super::say(
            &typed.read.show,
            "no capture among the inputs: flows are read from pcap and pcapng files",
        );
    }
    super::say_problems(&typed.read.show, &bundle, &wire.inputs);
    let select = |flow: &ingest::Conversation| {
        condition.as_ref().is_none_or(|c| c.truth(&CaseView::of_flow(flow)) == Truth::True)
    };
    output::write(typed.output.as_deref(), |out| match typed.format {
        RecordFormat::Ndjson => Records::new(&wire, &bundle.sources).write(Framing::Lines, &select, out),
        RecordFormat::Json => Records::new(&wire, &bundle.sources).write(Framing::Array, &select, out),
        RecordFormat::Table => {
            let look = Look::of(&typed.read.show, typed.output.is_some());
            let omitted =
                flows::table(&wire, &select, look.terminal.then_some(usize::from(look.width)), out)?;
            if omitted > 0 {
                super::say(&typed.read.show, &format!("{omitted} more flows: --format ndjson shows all"));
            }
            Ok(())
        }
    })?;
    let outcome = worst_input(&bundle, &wire.inputs);
    // The process ends: handing millions of records back to the allocator one by one would only take time.
    std::mem::forget(wire);
    Ok(outcome)
}
