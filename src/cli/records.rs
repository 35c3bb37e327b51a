//! `wirecause logs` and `wirecause certs`: what one side of the bundle says, as records.

use std::io::{self, Write};

use serde::{Serialize, Serializer as _};

use super::args::{RecordFormat, RecordsArguments};
use super::load;
use super::progress::Progress;
use super::redact::Mask;
use super::settings::{Look, Settings};
use super::{Outcome, output};
use crate::bundle::SourceIndex;
use crate::correlate::{self, World};
use crate::error::Error;
use crate::log::LogEvent;
use crate::report::build;
use crate::report::csv;
use crate::report::document::Certificate;
use crate::report::view::{self, Style};
use crate::report::words;
use crate::report::{event_lines, events};
use crate::rules::expr::{Expr, Truth};
use crate::rules::fields::CaseView;

/// `wirecause logs`.
pub(super) fn logs(typed: &RecordsArguments, settings: &Settings) -> Result<Outcome, Error> {
    let condition = super::condition(typed.condition.as_deref())?;
    let world = load::world(&typed.read.inputs, settings, &Progress::new(&typed.read.show))?;
    let mut mask = Mask::of(&typed.read.how, &world);
    super::say_problems(&typed.read.show, &world.bundle, &world.logs.inputs, &mut mask);
    say_doubts(typed, &world, &mut mask);
    let wanted = |event: &LogEvent| {
        let holds = |condition: &Expr| {
            let view = CaseView { world: Some(&world), event: Some(event), ..CaseView::default() };
            condition.truth(&view) == Truth::True
        };
        condition.as_ref().is_none_or(holds)
    };
    if typed.format == RecordFormat::Ndjson && !mask.hides() {
        output::write(typed.output.as_deref(), |out| {
            event_lines::write(&world, &wanted, &mut output::Shown(out))
        })?;
        let outcome = super::worst_input(&world.bundle, &world.logs.inputs);
        // the process ends with this, and the system takes its memory back faster than it can be freed event by event
        std::mem::forget(world.logs.events);
        return Ok(outcome);
    }
    let mut failed = None;
    let records = world
        .logs
        .events
        .iter()
        .filter(|e| wanted(e))
        .map_while(|event| mask.value(events::record(&world, event)).map_err(|e| failed = Some(e)).ok());
    write(typed, records, csv::EVENTS, |records, style, out| events::table(records, style, out))?;
    failed.map_or(Ok(()), Err)?;
    mask.save()?;
    Ok(super::worst_input(&world.bundle, &world.logs.inputs))
}

/// Names every log whose year is assumed, and every one with lines that look like failures and match no event.
fn say_doubts(typed: &RecordsArguments, world: &World, mask: &mut Mask) {
    let mut say = |source: SourceIndex, text: &str| {
        let text = mask.text(&format!("{}: {text}", world.bundle.path(source)));
        super::say(&typed.read.show, &text);
    };
    for input in &world.logs.inputs {
        for doubt in
            input.problems.iter().filter(|p| p.name == "year_assumed" && typed.read.show.verbose == 0)
        {
            say(input.source, &doubt.detail);
        }
    }
    for log in &world.logs.reports {
        let Some(first) = log.unrecognised_lines.first() else { continue };
        let lines = words::counted(log.unrecognised, "line");
        let text: String = first.text.to_string().chars().take(SHOWN_CHARS).collect();
        say(
            first.source,
            &format!("{lines} that look like a failure and match no event, first {}: {text}", first.number),
        );
    }
}

/// Characters of a line that no event knows which are shown.
const SHOWN_CHARS: usize = 240;

/// `wirecause certs`.
pub(super) fn certs(typed: &RecordsArguments, settings: &Settings) -> Result<Outcome, Error> {
    let condition = super::condition(typed.condition.as_deref())?;
    let world = load::world(&typed.read.inputs, settings, &Progress::new(&typed.read.show))?;
    let mut mask = Mask::of(&typed.read.how, &world);
    super::say_problems(&typed.read.show, &world.bundle, load::inputs(&world), &mut mask);
    let (inventory, beyond) = correlate::inventory(&world, settings.expiry_warning);
    for text in beyond.in_words() {
        super::say(&typed.read.show, &text);
    }
    let wanted = |held: &&correlate::Inventoried| {
        let view = CaseView::of_certificate(&world, held);
        condition.as_ref().is_none_or(|c| c.truth(&view) == Truth::True)
    };
    let all: Vec<Certificate> = inventory.iter().filter(wanted).map(build::certificate).collect();
    let all = mask.value(all)?;
    write(typed, all.into_iter(), csv::CERTIFICATES, |all, style, out| {
        view::certificates::table(&all.collect::<Vec<_>>(), style, out)
    })?;
    mask.save()?;
    Ok(super::worst_input(&world.bundle, load::inputs(&world)))
}

fn write<T: Serialize, I: Iterator<Item = T> + Send>(
    typed: &RecordsArguments,
    mut all: I,
    columns: csv::Columns,
    table: impl FnOnce(I, Style, &mut dyn Write) -> io::Result<()>,
) -> Result<(), Error> {
    let look = Look::of(&typed.read.show, typed.output.is_some());
    output::write(typed.output.as_deref(), |out| match typed.format {
        RecordFormat::Json => {
            serde_json::Serializer::pretty(output::Shown(out)).collect_seq(all)?;
            out.write_all(b"\n")
        }
        RecordFormat::Csv => csv::write(all, columns, out),
        RecordFormat::Ndjson => all.try_for_each(|record| output::json_line(out, &record)),
        RecordFormat::Table => table(all, look.style(), out),
    })
}
