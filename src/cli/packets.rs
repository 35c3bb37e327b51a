//! `wirecause timeline` and `wirecause extract`: the packets themselves, from a second pass over the captures.

use std::io::{self, Write};

use super::args::{Chosen, ExtractArguments, ReadArguments, RecordFormat, TimelineArguments};
use super::load::{self, Analysis, Scope};
use super::progress::Progress;
use super::settings::{Look, Settings};
use super::{Outcome, output, redact};
use crate::correlate::{Correlated, World};
use crate::error::Error;
use crate::ingest::FlowIndex;
use crate::report::document::Timeline;
use crate::report::pcapng::{Frame, Writer};
use crate::report::timeline;
use crate::report::view::{Style, ladder};
use crate::rules::Finding;

/// What was read, and what of it was chosen.
struct Subject {
    world: World,
    correlated: Correlated,
    /// Index of the case that speaks for the finding.
    case: Option<u32>,
    flows: Vec<FlowIndex>,
}

pub(super) fn timeline(typed: &TimelineArguments, settings: &Settings) -> Result<Outcome, Error> {
    let subject = subject(&typed.read, &typed.chosen, settings)?;
    let decode = settings.decode();
    let case = subject.case.and_then(|n| subject.correlated.cases.get(n as usize));
    let shown = match (case, subject.flows.first()) {
        (Some(case), _) => timeline::of_case(&subject.world, &subject.correlated, case, &decode),
        (None, Some(flow)) => timeline::of_flow(&subject.world, &subject.correlated, *flow, &decode),
        (None, None) => Ok(Timeline::default()),
    };
    let shown = shown.map_err(|e| Error::Input("the captures again".to_owned(), e.to_string()))?;
    let shown = redact::value(&typed.read.how, &subject.world, shown)?;
    let look = Look::of(&typed.read.show, typed.output.is_some());
    output::write(typed.output.as_deref(), |out| write_timeline(typed.format, &shown, look, out))?;
    Ok(super::worst_input(&subject.world.bundle, load::inputs(&subject.world)))
}

fn write_timeline(
    format: RecordFormat,
    shown: &Timeline,
    look: Look,
    out: &mut (dyn Write + Send),
) -> io::Result<()> {
    match format {
        RecordFormat::Table => {
            let style = Style { color: look.color, width: usize::from(look.width) };
            ladder::write(&shown.flows, &shown.moments, style, out)
        }
        RecordFormat::Json => {
            serde_json::to_writer_pretty(&mut *out, shown)?;
            out.write_all(b"\n")
        }
        RecordFormat::Ndjson => shown.moments.iter().try_for_each(|moment| {
            serde_json::to_writer(&mut *out, moment)?;
            out.write_all(b"\n")
        }),
    }
}

pub(super) fn extract(typed: &ExtractArguments, settings: &Settings) -> Result<Outcome, Error> {
    if typed.read.how.redact {
        let why = "--redact: frames are written as they are; redact the timeline instead";
        return Err(Error::Usage(why.to_owned()));
    }
    let subject = subject(&typed.read, &typed.chosen, settings)?;
    let world = &subject.world;
    let mut frames = 0_u64;
    output::write(Some(&typed.output), |out| {
        let mut writer = Writer::new(out)?;
        timeline::each_packet(world, &subject.flows, &settings.decode(), &mut |place, packet, step| {
            let flow = subject.flows.get(place).and_then(|f| world.wire.flows.get(f.0 as usize));
            let capture = flow.and_then(|f| world.wire.captures.get(usize::from(f.capture.0)));
            frames += 1;
            writer.frame(Frame {
                time: packet.at.time,
                point: capture.map_or_else(String::new, |c| c.set.name.clone()),
                link_type: packet.header.link_type.0,
                length: packet.header.length,
                bytes: packet.frame().to_vec(),
                comment: step
                    .map(|text| format!("frame {} of the capture: {text}", packet.at.frame.number())),
            })
        })?;
        writer.finish()
    })?;
    super::say(&typed.read.show, &format!("{frames} frames written to {}", typed.output.display()));
    Ok(super::worst_input(&world.bundle, load::inputs(world)))
}

fn subject(read: &ReadArguments, chosen: &Chosen, settings: &Settings) -> Result<Subject, Error> {
    if let Some(id) = &chosen.finding {
        let analysis = load::analyze(&read.inputs, settings, Scope::default(), &Progress::new(&read.show))?;
        super::say_problems(&read.show, &analysis.world.bundle, load::inputs(&analysis.world));
        return of_finding(analysis, id);
    }
    let (bundle, wire) = load::captures(&read.inputs, settings, &Progress::new(&read.show))?;
    super::say_problems(&read.show, &bundle, &wire.inputs);
    let world = World { bundle, wire, ..World::default() };
    let flow = find_flow(&world, chosen.flow.as_deref().unwrap_or_default())?;
    Ok(Subject { world, correlated: Correlated::default(), case: None, flows: vec![flow] })
}

fn of_finding(analysis: Analysis, id: &str) -> Result<Subject, Error> {
    let Analysis { world, correlated, findings, .. } = analysis;
    let Some(finding) = findings.iter().find(|f| f.id.eq_ignore_ascii_case(id)) else {
        let ids: Vec<_> = findings.iter().map(|f| f.id.as_str()).collect();
        let known = if ids.is_empty() {
            "nothing was found".to_owned()
        } else {
            format!("there is {}", ids.join(", "))
        };
        return Err(Error::Usage(format!("--finding {id}: no such finding: {known}")));
    };
    let flows = flows_of(finding, &correlated);
    Ok(Subject { case: Some(finding.judgement.case), flows, world, correlated })
}

/// The flows of every occurrence, each once.
fn flows_of(finding: &Finding, correlated: &Correlated) -> Vec<FlowIndex> {
    let cases = finding.occurrences.iter().filter_map(|o| correlated.cases.get(o.case as usize));
    let mut flows: Vec<_> = cases.flat_map(|c| &c.flows).map(|f| f.flow).collect();
    flows.sort_unstable();
    flows.dedup();
    flows
}

/// The flow that `12` or `CAPTURE:12` names.
fn find_flow(world: &World, text: &str) -> Result<FlowIndex, Error> {
    let wrong = |why: String| Error::Usage(format!("--flow {text}: {why}"));
    let (name, number) = text.rsplit_once(':').map_or((None, text), |(name, number)| (Some(name), number));
    let stream: u32 = number.parse().map_err(|_| wrong("not a stream: write 12 or CAPTURE:12".to_owned()))?;
    let captures = &world.wire.captures;
    let named =
        |n: u16| captures.get(usize::from(n)).is_some_and(|c| name.is_none_or(|name| c.set.name == name));
    let all = world.wire.flows.iter().enumerate();
    let found: Vec<_> = all.filter(|(_, f)| f.stream == Some(stream) && named(f.capture.0)).collect();
    match found.as_slice() {
        [(n, _)] => Ok(FlowIndex(*n as u32)),
        [] => Err(wrong("no such stream in the captures: wirecause flows lists them".to_owned())),
        many => {
            let name = |f: &crate::ingest::Conversation| {
                captures.get(usize::from(f.capture.0)).map(|c| c.set.name.as_str())
            };
            let names: Vec<_> = many.iter().filter_map(|(_, f)| name(f)).collect();
            Err(wrong(format!("several captures have that stream: name one of {}", names.join(", "))))
        }
    }
}
