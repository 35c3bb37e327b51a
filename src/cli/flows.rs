//! `wirecause flows`.

use std::io::{self, Write};

use super::args::{RecordFormat, RecordsArguments};
use super::redact::Mask;
use super::settings::{Look, Settings};
use super::{Outcome, load, output, worst_input};
use crate::correlate::{self, World};
use crate::error::Error;
use crate::ingest;
use crate::report::csv;
use crate::report::flows::{self, Framing, Records, Selector};
use crate::report::redact::JsonLines;
use crate::rules::expr::Truth;
use crate::rules::fields::CaseView;

pub(super) fn run(typed: &RecordsArguments, settings: &Settings) -> Result<Outcome, Error> {
    let condition = super::condition(typed.condition.as_deref())?;
    let world = load::captures(&typed.read, settings)?;
    let mut mask = Mask::of(&typed.read.how, &world);
    if world.wire.captures.is_empty() {
        super::say(
            &typed.read.show,
            "no capture among the inputs: flows are read from pcap and pcapng files",
        );
    }
    super::say_problems(&typed.read.show, &world.bundle, &world.wire.inputs, &mut mask);
    let select = |flow: &ingest::Conversation| {
        condition.as_ref().is_none_or(|c| c.truth(&CaseView::of_flow(flow)) == Truth::True)
    };
    output::write(typed.output.as_deref(), |out| match typed.format {
        RecordFormat::Table => table(typed, &world, &select, &mut mask, out),
        RecordFormat::Csv => {
            records(typed, &world, &select, &mut mask, &mut csv::Lines::new(csv::FLOWS, out)?)
        }
        RecordFormat::Json | RecordFormat::Ndjson => records(typed, &world, &select, &mut mask, out),
    })?;
    mask.save()?;
    let outcome = worst_input(&world.bundle, &world.wire.inputs);
    // The process ends: handing millions of records back to the allocator one by one would only take time.
    std::mem::forget(world);
    Ok(outcome)
}

fn records(
    typed: &RecordsArguments,
    world: &World,
    select: Selector<'_>,
    mask: &mut Mask,
    out: &mut (dyn Write + Send),
) -> io::Result<()> {
    let framing = if typed.format == RecordFormat::Json { Framing::Array } else { Framing::Lines };
    let records =
        Records::new(&world.wire, &world.bundle.sources).with_counterparts(&correlate::counterparts(world));
    match &mut mask.redactor {
        Some(redactor) => {
            let mut lines = JsonLines::new(redactor, out);
            records.without_community_id().write(framing, select, &mut lines)?;
            lines.flush()
        }
        None => records.write(framing, select, out),
    }
}

fn table(
    typed: &RecordsArguments,
    world: &World,
    select: Selector<'_>,
    mask: &mut Mask,
    out: &mut (dyn Write + Send),
) -> io::Result<()> {
    let look = Look::of(&typed.read.show, typed.output.is_some());
    let width = look.terminal.then_some(usize::from(look.width));
    let omitted = flows::table(&world.wire, select, &mut |cell| mask.text(&cell), width, out)?;
    out.flush()?;
    if omitted > 0 {
        super::say(&typed.read.show, &format!("{omitted} more flows: --format ndjson shows all"));
    }
    Ok(())
}
