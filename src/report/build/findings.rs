//! Findings with their occurrences and the proof of each.

use std::collections::HashMap;
use std::net::SocketAddr;

use super::super::document::{
    Alternative, End, Finding, FlowRef, LineRef, Match, Missing, Moment, MomentKind, Occurrence, Other,
    OtherFlow, Target,
};
use super::super::words;
use super::{inputs, steps, times};
use crate::correlate::{self, Case, CaseFlow, Correlated, Matching, Role, World};
use crate::flow::Dir;
use crate::ingest::{Conversation, FlowIndex};
use crate::rules::{self, Judgement};
use crate::time::Timestamp;

/// What findings are made from.
pub(crate) struct Findings<'a> {
    world: &'a World,
    correlated: &'a Correlated,
    counterparts: HashMap<FlowIndex, (FlowIndex, &'static str)>,
}

impl<'a> Findings<'a> {
    pub(crate) fn new(world: &'a World, correlated: &'a Correlated) -> Self {
        let mut counterparts = HashMap::new();
        for (flow, other, why) in &correlated.counterparts {
            counterparts.entry(*flow).or_insert((*other, *why));
            counterparts.entry(*other).or_insert((*flow, *why));
        }
        Self { world, correlated, counterparts }
    }

    pub(super) fn all(&self, found: &[rules::Finding], max_occurrences: usize) -> Vec<Finding> {
        found.iter().map(|finding| self.finding(finding, max_occurrences)).collect()
    }

    fn finding(&self, finding: &rules::Finding, max_occurrences: usize) -> Finding {
        let speaks = &finding.judgement;
        let case = self.case(speaks);
        let times = finding.occurrences.iter().filter_map(|o| self.case(o)?.time);
        let (histogram, histogram_seconds) = times::histogram(times);
        let shown = finding.occurrences.len().min(max_occurrences);
        let representative = finding.occurrences[..shown].iter().position(|o| o.case == speaks.case);
        Finding {
            id: finding.id.clone(),
            verdict: speaks.verdict.to_string(),
            cause: speaks.cause.to_string(),
            rule: speaks.rule.to_string(),
            severity: speaks.severity.name().to_owned(),
            standing: speaks.standing.name().to_owned(),
            confidence: speaks.confidence.name().to_owned(),
            edge: case.map_or("other", |c| c.edge.name()).to_owned(),
            title: speaks.title.to_string(),
            explanation: speaks.explanation.to_string(),
            next: speaks.next.to_vec(),
            references: speaks.references.iter().map(ToString::to_string).collect(),
            count: finding.occurrences.len() as u64,
            first_time: finding.first.map(|t| t.to_string()),
            last_time: finding.last.map(|t| t.to_string()),
            target: target(&finding.target),
            occurrences: finding.occurrences[..shown].iter().filter_map(|o| self.occurrence(o)).collect(),
            omitted: (finding.occurrences.len() - shown) as u64,
            histogram,
            histogram_seconds,
            representative: representative.map(|n| n as u64),
            timeline: case.map_or_else(Vec::new, |case| self.timeline(case)),
            alternatives: speaks.alternatives.iter().map(alternative).collect(),
        }
    }

    fn case(&self, judgement: &Judgement) -> Option<&'a Case> {
        self.correlated.cases.get(judgement.case as usize)
    }

    fn occurrence(&self, judgement: &Judgement) -> Option<Occurrence> {
        let case = self.case(judgement)?;
        Some(Occurrence {
            time: case.time.map(|t| t.to_string()),
            standing: judgement.standing.name().to_owned(),
            logs: self.lines(case),
            flows: case.flows.iter().take(FLOWS).filter_map(|f| self.flow_ref(*f)).collect(),
            matching: case.matching.as_ref().map(|m| self.matching(m)),
            missing: judgement.missing.iter().map(missing).collect(),
        })
    }

    /// All copies of the message, then what other logs say of the call.
    fn lines(&self, case: &Case) -> Vec<LineRef> {
        let own = self.world.event(case).map_or(&[][..], |e| &e.lines);
        let mut lines: Vec<_> = own.iter().map(|l| inputs::line(self.world, l)).collect();
        let echoes = case.echoes.iter().filter_map(|n| self.world.logs.events.get(*n as usize));
        for line in echoes.flat_map(|e| &e.lines) {
            if lines.len() < LINES_WITH_ECHOES {
                lines.push(inputs::line(self.world, line));
            }
        }
        lines
    }

    fn flow(&self, index: FlowIndex) -> Option<&'a Conversation> {
        self.world.wire.flows.get(index)
    }

    fn capture_name(&self, flow: &Conversation) -> String {
        let capture = self.world.wire.captures.get(usize::from(flow.capture.0));
        capture.map_or_else(String::new, |c| c.set.name.clone())
    }

    fn file(&self, flow: &Conversation, file: u16) -> String {
        let capture = self.world.wire.captures.get(usize::from(flow.capture.0));
        let source = capture.and_then(|c| c.set.files.get(usize::from(file)));
        source.map_or_else(String::new, |s| inputs::path(self.world, *s))
    }

    pub(crate) fn flow_ref(&self, member: CaseFlow) -> Option<FlowRef> {
        let flow = self.flow(member.flow)?;
        Some(FlowRef {
            capture: self.capture_name(flow),
            file: self.file(flow, flow.first.frame.file()),
            stream: flow.stream,
            role: role(member.role).to_owned(),
            orig: end(flow.orig),
            resp: end(flow.resp),
            counterpart: self.counterpart(member.flow),
            first_frame: flow.first.frame.number(),
            conn_state: flow.tcp.as_ref().and_then(|t| t.conn_state).map(|s| s.name().to_owned()),
            display_filter: words::display_filter(flow),
        })
    }

    fn counterpart(&self, index: FlowIndex) -> Option<Other> {
        let (other, why) = self.counterparts.get(&index)?;
        let flow = self.flow(*other)?;
        Some(Other {
            orig: end(flow.orig),
            resp: end(flow.resp),
            capture: self.capture_name(flow),
            why: (*why).to_owned(),
        })
    }

    fn matching(&self, matching: &Matching) -> Match {
        let other = |index: &FlowIndex| {
            let flow = self.flow(*index)?;
            Some(OtherFlow {
                capture: self.capture_name(flow),
                stream: flow.stream,
                orig: end(flow.orig),
                resp: end(flow.resp),
                first_frame: flow.first.frame.number(),
            })
        };
        Match {
            key: matching.key.name().to_owned(),
            score: (matching.score * 1000.0).round() / 1000.0,
            offset_ms: matching.offset.map(|d| (d.as_millis_f64() * 1000.0).round() / 1000.0),
            alternatives: matching.alternatives.iter().filter_map(other).collect(),
            why: matching.why.clone(),
        }
    }

    /// Decisive packets and log lines of a case on the reference clock.
    fn timeline(&self, case: &Case) -> Vec<Moment> {
        let mut moments = self.log_moments(case);
        for (n, member) in case.flows.iter().take(FLOWS).enumerate().filter(|(_, f)| f.role != Role::Sibling)
        {
            let Some(flow) = self.flow(member.flow) else { continue };
            let steps = steps::steps(flow).into_iter();
            moments.extend(steps.map(|step| self.packet(n, flow, step.at, step.dir, step.text)));
        }
        in_order(moments)
    }

    /// Log lines of a case on the reference clock.
    pub(crate) fn log_moments(&self, case: &Case) -> Vec<(Timestamp, Moment)> {
        let mut moments = Vec::new();
        let events = case.event.iter().chain(&case.echoes);
        for event in events.filter_map(|n| self.world.logs.events.get(*n as usize)) {
            for line in event.lines.iter().take(LINES_WITH_ECHOES) {
                let Some(time) = line.time.or(event.time) else { continue };
                let time = times::of_log(self.correlated, event.log, time);
                moments.push((time, self.log_line(line, time)));
            }
        }
        moments
    }

    /// One packet of the flow at `place` among those of a case, on the reference clock.
    pub(crate) fn packet(
        &self,
        place: usize,
        flow: &Conversation,
        at: crate::flow::Moment,
        dir: Dir,
        text: String,
    ) -> (Timestamp, Moment) {
        let time = times::of_capture(self.correlated, flow.capture, at.time);
        let moment = Moment {
            time: time.to_string(),
            kind: MomentKind::Packet,
            from: Some(dir.name().to_owned()),
            flow: Some(place as u64),
            text,
            capture: Some(self.capture_name(flow)),
            file: Some(self.file(flow, at.frame.file())),
            frame: Some(at.frame.number()),
            path: None,
            line: None,
        };
        (time, moment)
    }

    fn log_line(&self, line: &crate::log::LogLine, time: Timestamp) -> Moment {
        Moment {
            time: time.to_string(),
            kind: MomentKind::Log,
            from: None,
            flow: None,
            text: line.text.to_string(),
            capture: None,
            file: None,
            frame: None,
            path: Some(inputs::path(self.world, line.source)),
            line: Some(line.number),
        }
    }
}

/// By time; a line at the time of a packet comes after it, since it can only tell of it.
pub(crate) fn in_order(mut moments: Vec<(Timestamp, Moment)>) -> Vec<Moment> {
    let key = |m: &Moment| (m.capture.is_none(), m.capture.clone(), m.frame, m.line);
    moments.sort_by(|(a, x), (b, y)| a.cmp(b).then_with(|| key(x).cmp(&key(y))));
    moments.into_iter().map(|(_, moment)| moment).collect()
}

fn end(end: SocketAddr) -> End {
    End { ip: end.ip().to_string(), port: end.port() }
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Attempt => "attempt",
        Role::View => "view",
        Role::Sibling => "sibling",
        Role::Lookup => "lookup",
    }
}

fn target(target: &correlate::Target) -> Target {
    let correlate::Target { webhook, url_host, address, backend, service, pod, certificate } = target.clone();
    Target { webhook, url_host, address, backend, service, pod, certificate }
}

fn missing(missing: &correlate::Missing) -> Missing {
    Missing {
        what: missing.what.to_owned(),
        detail: missing.detail.clone().into_owned(),
        command: missing.command.as_deref().map(str::to_owned),
    }
}

fn alternative((rule, why): &(std::sync::Arc<str>, String)) -> Alternative {
    Alternative { rule: rule.to_string(), why: why.clone() }
}

/// Flows of one occurrence at most: a call has no more attempts and views that tell a person something.
const FLOWS: usize = 8;

/// Lines of one occurrence, once echoes from other logs come in.
const LINES_WITH_ECHOES: usize = 6;
