//! `wirecause timeline` and `wirecause extract`: the packets themselves, from a second pass over the captures.

use std::io::{self, Write};

use super::args::{Chosen, ExtractArguments, ReadArguments, RecordFormat, TimelineArguments};
use super::load::{self, Analysis, Scope};
use super::progress::Progress;
use super::redact::Mask;
use super::settings::{Look, Settings};
use super::{Outcome, output};
use crate::capture::LinkType;
use crate::correlate::{Correlated, World};
use crate::error::Error;
use crate::ingest::FlowIndex;
use crate::ingest::replay::Replayed;
use crate::packet::DecodeOptions;
use crate::report::document::Timeline;
use crate::report::pcapng::{Frame, Writer};
use crate::report::view::ladder;
use crate::report::{csv, redact, timeline};
use crate::rules::Finding;

/// What was read, and what of it was chosen.
struct Subject {
    world: World,
    mask: Mask,
    correlated: Correlated,
    /// Index of the case that speaks for the finding.
    case: Option<u32>,
    flows: Vec<FlowIndex>,
}

pub(super) fn timeline(typed: &TimelineArguments, settings: &Settings) -> Result<Outcome, Error> {
    let mut subject = subject(&typed.read, &typed.chosen, settings)?;
    let decode = settings.decode();
    let case = subject.case.and_then(|n| subject.correlated.cases.get(n as usize));
    let shown = match (case, subject.flows.first()) {
        (Some(case), _) => timeline::of_case(&subject.world, &subject.correlated, case, &decode),
        (None, Some(flow)) => timeline::of_flow(&subject.world, &subject.correlated, *flow, &decode),
        (None, None) => Ok(Timeline::default()),
    };
    let shown = shown.map_err(|e| Error::Input("the captures again".to_owned(), e.to_string()))?;
    let shown = subject.mask.value(shown)?;
    let look = Look::of(&typed.read.show, typed.output.is_some());
    output::write(typed.output.as_deref(), |out| write_timeline(typed.format, &shown, look, out))?;
    subject.mask.save()?;
    Ok(super::worst_input(&subject.world.bundle, load::inputs(&subject.world)))
}

fn write_timeline(
    format: RecordFormat,
    shown: &Timeline,
    look: Look,
    out: &mut (dyn Write + Send),
) -> io::Result<()> {
    match format {
        RecordFormat::Table => ladder::write(&shown.flows, &shown.moments, look.style(), out),
        RecordFormat::Json => output::json_document(out, shown),
        RecordFormat::Csv => csv::write(&shown.moments, csv::MOMENTS, out),
        RecordFormat::Ndjson => shown.moments.iter().try_for_each(|moment| output::json_line(out, moment)),
    }
}

pub(super) fn extract(typed: &ExtractArguments, settings: &Settings) -> Result<Outcome, Error> {
    let Subject { world, mut mask, flows, .. } = subject(&typed.read, &typed.chosen, settings)?;
    let decode = settings.decode();
    let mut frames = 0_u64;
    output::write(Some(&typed.output), |out| {
        let mut writer = Writer::new(out)?;
        timeline::each_packet(&world, &flows, &decode, &mut |place, packet, step| {
            let flow = flows.get(place).and_then(|f| world.wire.flows.get(*f));
            let capture = flow.and_then(|f| world.wire.captures.get(usize::from(f.capture.0)));
            frames += 1;
            let point = capture.map_or("", |c| c.set.name.as_str());
            writer.frame(masked(frame(packet, point, step), &decode, &mut mask))
        })?;
        writer.finish()
    })?;
    mask.save()?;
    super::say(&typed.read.show, &format!("{frames} frames written to {}", typed.output.display()));
    Ok(super::worst_input(&world.bundle, load::inputs(&world)))
}

/// A packet as it is written, with a comment if it is decisive.
fn frame(packet: &Replayed<'_>, point: &str, step: Option<&str>) -> Frame {
    Frame {
        time: packet.at.time,
        point: point.to_owned(),
        link_type: packet.header.link_type.0,
        length: packet.header.length,
        bytes: packet.frame().to_vec(),
        comment: step.map(|text| format!("frame {} of the capture: {text}", packet.at.frame.number())),
    }
}

/// The frame without what is to be hidden.
fn masked(frame: Frame, options: &DecodeOptions, mask: &mut Mask) -> Frame {
    let Some(redactor) = &mut mask.redactor else { return frame };
    let link_type = LinkType(frame.link_type);
    let new = redact::frame(&frame.bytes, frame.length, link_type, options, &mut redactor.addresses);
    Frame {
        time: frame.time,
        point: redactor.text(&frame.point),
        link_type: new.link_type.0,
        length: new.length,
        bytes: new.bytes,
        comment: frame.comment.map(|text| redactor.text(&text)),
    }
}

fn subject(read: &ReadArguments, chosen: &Chosen, settings: &Settings) -> Result<Subject, Error> {
    if let Some(id) = &chosen.finding {
        let analysis = load::analyze(&read.inputs, settings, Scope::default(), &Progress::new(&read.show))?;
        let mut mask = Mask::of(&read.how, &analysis.world);
        super::say_problems(&read.show, &analysis.world.bundle, load::inputs(&analysis.world), &mut mask);
        return of_finding(analysis, id, mask);
    }
    let world = load::captures(read, settings)?;
    let mut mask = Mask::of(&read.how, &world);
    super::say_problems(&read.show, &world.bundle, &world.wire.inputs, &mut mask);
    let flow = find_flow(&world, chosen.flow.as_deref().unwrap_or_default()).map_err(|e| mask.error(e))?;
    Ok(Subject { world, mask, correlated: Correlated::default(), case: None, flows: vec![flow] })
}

fn of_finding(analysis: Analysis, id: &str, mask: Mask) -> Result<Subject, Error> {
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
    Ok(Subject { case: Some(finding.judgement.case), flows, world, mask, correlated })
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
    let wanted = all.filter(|(_, f)| f.stream == Some(stream) && named(f.capture.0));
    let found: Vec<_> = wanted.map(|(n, f)| (n, f.capture)).collect();
    match found.as_slice() {
        [(n, _)] => Ok(FlowIndex(*n as u32)),
        [] => Err(wrong("no such stream in the captures: wirecause flows lists them".to_owned())),
        many => {
            let name = |n: u16| captures.get(usize::from(n)).map(|c| c.set.name.as_str());
            let names: Vec<_> = many.iter().filter_map(|(_, capture)| name(capture.0)).collect();
            Err(wrong(format!("several captures have that stream: name one of {}", names.join(", "))))
        }
    }
}
