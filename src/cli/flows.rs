//! `wirecause flows`.

use std::io::{self, Write};

use super::args::{RecordFormat, RecordsArguments};
use super::progress::Progress;
use super::settings::{Look, Settings};
use super::{Outcome, load, output, redact, worst_input};
use crate::correlate::{self, World};
use crate::error::Error;
use crate::ingest;
use crate::report::flows::{self, Framing, Records, Selector};
use crate::report::redact::Lines;
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
    let world = World { bundle, wire, ..World::default() };
    let mut redactor = redact::redactor(&typed.read.how, &world);
    output::write(typed.output.as_deref(), |out| match &mut redactor {
        Some(redactor) => write(typed, &world, &select, &mut Lines::new(redactor, out)),
        None => write(typed, &world, &select, out),
    })?;
    redactor.map_or(Ok(()), |redactor| redact::save(&typed.read.how, &redactor))?;
    let outcome = worst_input(&world.bundle, &world.wire.inputs);
    // The process ends: handing millions of records back to the allocator one by one would only take time.
    std::mem::forget(world);
    Ok(outcome)
}

fn write(
    typed: &RecordsArguments,
    world: &World,
    select: Selector<'_>,
    out: &mut (dyn Write + Send),
) -> io::Result<()> {
    let records = || {
        let records = Records::new(&world.wire, &world.bundle.sources)
            .with_counterparts(&correlate::counterparts(world));
        if typed.read.how.redact { records.without_community_id() } else { records }
    };
    match typed.format {
        RecordFormat::Ndjson => records().write(Framing::Lines, select, out),
        RecordFormat::Json => records().write(Framing::Array, select, out),
        RecordFormat::Table => {
            let look = Look::of(&typed.read.show, typed.output.is_some());
            let width = look.terminal.then_some(usize::from(look.width));
            let omitted = flows::table(&world.wire, select, width, out)?;
            out.flush()?;
            if omitted > 0 {
                super::say(&typed.read.show, &format!("{omitted} more flows: --format ndjson shows all"));
            }
            Ok(())
        }
    }
}
