//! Cases in, judgements and findings out: evaluates rules on cases and groups what they conclude.
//!
//! Precedence for a case: higher `rank` first, then rules whose needs the captures meet, then confidence as far as they
//! meet them, then the number of conditions, then the id. Every other rule that matched is kept as an alternative.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::expr::Truth;
use super::fields::CaseView;
use super::rule::{Need, Rule};
use super::{Confidence, Finding, Judgement, RuleSet, Standing};
use crate::correlate::{Case, Correlated, Key, Missing, Target, World};
use crate::log::{Edge, LogEvent};
use crate::time::Timestamp;

/// The best judgement of each case that any rule matches, in order of the cases. Cases whose best rule keeps quiet
/// have none.
pub fn judge(rules: &RuleSet, world: &World, correlated: &Correlated) -> Vec<Judgement> {
    judge_all(rules, world, correlated).judgements
}

/// What the rules say of all cases; numbers are places in [`Correlated::cases`].
#[derive(Debug, Default)]
pub(super) struct Judged<'r> {
    pub(super) judgements: Vec<Judgement>,
    /// Cases that their best rule keeps quiet about.
    pub(super) quiet: Vec<(u32, &'r Rule)>,
    /// Cases with a log line that no rule matches.
    pub(super) unmatched: Vec<u32>,
}

/// As [`judge`], and what becomes of the other cases.
pub(super) fn judge_all<'r>(rules: &'r RuleSet, world: &World, correlated: &Correlated) -> Judged<'r> {
    let index = Index::new(rules);
    let mut all = Judged::default();
    let mut before: BTreeMap<&str, Judgement> = BTreeMap::new();
    for (case, n) in correlated.cases.iter().zip(0..) {
        let view = CaseView::of_case(world, case);
        let found = index.matches(&view);
        match found.split_first() {
            Some((best, _)) if best.rule.quiet => all.quiet.push((n, best.rule)),
            Some((best, others)) => {
                let mut judgement = judgement(rules, n, case, &view, best, others);
                if let Some(before) = before.get(&*best.rule.id) {
                    judgement.share(before);
                }
                before.insert(&best.rule.id, judgement.clone());
                all.judgements.push(judgement);
            }
            None if case.event.is_some() => all.unmatched.push(n),
            None => {}
        }
    }
    all
}

/// A rule that matches a case.
#[derive(Clone, Debug)]
pub(super) struct Match<'r> {
    pub(super) rule: &'r Rule,
    /// Needs that are known not to be met.
    pub(super) unmet: Vec<Need>,
    /// Needs of which nothing is known.
    pub(super) unsure: Vec<Need>,
}

/// Rules by event; those without an event under all.
pub(super) struct Index<'r> {
    by_event: BTreeMap<&'r str, Vec<&'r Rule>>,
    without_event: Vec<&'r Rule>,
}

impl<'r> Index<'r> {
    pub(super) fn new(rules: &'r RuleSet) -> Self {
        let mut index = Self { by_event: BTreeMap::new(), without_event: Vec::new() };
        for rule in rules.rules() {
            if rule.log.is_empty() {
                index.without_event.push(rule);
            }
            for event in &rule.log {
                index.by_event.entry(event).or_default().push(rule);
            }
        }
        index
    }

    /// Every rule that matches, best first.
    pub(super) fn matches(&self, view: &CaseView<'_>) -> Vec<Match<'r>> {
        let of_event = view.event.and_then(|e| self.by_event.get(&*e.name)).into_iter().flatten();
        let candidates = of_event.chain(&self.without_event);
        let mut found: Vec<_> = candidates.filter_map(|rule| try_rule(rule, view)).collect();
        found.sort_by_key(|m| {
            let key = (m.rule.rank, m.unmet.is_empty(), sureness(m), m.rule.conditions());
            (Reverse(key), &m.rule.id)
        });
        found
    }
}

/// The rule with the state of its needs, if it holds for the case.
pub(super) fn try_rule<'r>(rule: &'r Rule, view: &CaseView<'_>) -> Option<Match<'r>> {
    let case = view.case?;
    if !rule.edge.is_empty() && !rule.edge.contains(&case.edge) {
        return None;
    }
    if rule.when.as_ref().is_some_and(|e| !e.truth(view).holds()) {
        return None;
    }
    if rule.unless.as_ref().is_some_and(|e| e.truth(view).holds()) {
        return None;
    }
    let state = |wanted: Truth| {
        rule.needs.iter().copied().filter(move |need| met(*need, view, case) == wanted).collect()
    };
    Some(Match { rule, unmet: state(Truth::False), unsure: state(Truth::Unknown) })
}

/// Whether the captures could have shown what a rule needs.
fn met(need: Need, view: &CaseView<'_>, case: &Case) -> Truth {
    let known = match need {
        Need::BothDirections => case.coverage.both_directions,
        Need::TimeSpan => case.coverage.time_span,
        Need::Place => case.coverage.place,
        Need::Address => case.coverage.address,
        Need::NoDrops => case.coverage.no_drops,
        Need::Flow => Some(view.flow.is_some()),
        Need::Outcome => case.facts.capture_ends_first.map(|ends| !ends),
    };
    known.map_or(Truth::Unknown, Truth::from)
}

/// Low where needs are not met, at most medium where some are not known.
fn sureness(found: &Match<'_>) -> Confidence {
    if !found.unmet.is_empty() {
        Confidence::Low
    } else if !found.unsure.is_empty() {
        found.rule.confidence.min(Confidence::Medium)
    } else {
        found.rule.confidence
    }
}

/// The same, at most medium where time alone led to the connection, or a name at ends that nothing else speaks for, or a
/// time on clocks that one pair brought together, where another connection fits as well of which something else may have
/// come, and where the line is not of whom its words are.
fn surest(found: &Match<'_>, case: &Case, view: &CaseView<'_>) -> Confidence {
    let unsure =
        case.matching.as_ref().is_some_and(|m| m.key == Key::Time || m.elsewhere || m.one_pair || m.doubted);
    let unsure = unsure || view.event.is_some_and(LogEvent::is_hearsay);
    if unsure { sureness(found).min(Confidence::Medium) } else { sureness(found) }
}

fn judgement(
    rules: &RuleSet,
    case_index: u32,
    case: &Case,
    view: &CaseView<'_>,
    best: &Match<'_>,
    others: &[Match<'_>],
) -> Judgement {
    let rule = best.rule;
    let standing = standing(rules, best, view);
    Judgement {
        case: case_index,
        rule: rule.id.clone(),
        verdict: rule.verdict.clone(),
        cause: rule.cause.clone(),
        severity: rule.severity,
        standing,
        confidence: surest(best, case, view),
        hearsay: view.event.is_some_and(LogEvent::is_hearsay),
        title: rule.title.clone(),
        explanation: rule.explain.render(view).into(),
        next: rule.next.iter().map(|t| t.render_for_shell(view)).collect(),
        references: Arc::clone(&rule.references),
        missing: missing(best, case, view, standing).into(),
        alternatives: others.iter().map(|o| (o.rule.id.clone(), why_lost(best, o))).collect(),
    }
}

impl Judgement {
    /// Holds texts that another has as well only once: a webhook that is down fails the same way a hundred thousand times.
    fn share(&mut self, other: &Self) {
        fn one<T: ?Sized + PartialEq>(mine: &mut Arc<T>, other: &Arc<T>) {
            if mine == other {
                *mine = Arc::clone(other);
            }
        }
        one(&mut self.explanation, &other.explanation);
        one(&mut self.next, &other.next);
        one(&mut self.missing, &other.missing);
        one(&mut self.alternatives, &other.alternatives);
    }
}

/// What log and wire are to each other, where the rule does not say so itself.
fn standing(rules: &RuleSet, best: &Match<'_>, view: &CaseView<'_>) -> Standing {
    if !best.unmet.is_empty() {
        return Standing::Inconclusive;
    }
    if let Some(stated) = best.rule.standing {
        return stated;
    }
    match (view.event, view.case.is_some_and(|c| !c.flows.is_empty())) {
        (None, _) => Standing::WireOnly,
        (Some(_), false) => Standing::LogOnly,
        (Some(event), true) if rules.is_blind(&event.name) => Standing::Explained,
        (Some(_), true) => Standing::Confirmed,
    }
}

/// What the case says is missing for the unmet needs, or for a verdict that has no packets to rest on.
fn missing(best: &Match<'_>, case: &Case, view: &CaseView<'_>, standing: Standing) -> Vec<Missing> {
    let known = &case.coverage.missing;
    let mut all: Vec<Missing> = Vec::new();
    for need in &best.unmet {
        if let Some(stated) = known.iter().find(|m| m.what == need.name()) {
            all.push(stated.clone());
        } else {
            all.push(Missing { what: need.name(), detail: need.sentence().into(), command: None });
        }
    }
    if standing == Standing::LogOnly || best.rule.standing == Some(Standing::Inconclusive) {
        all.extend(known.iter().filter(|m| !best.unmet.iter().any(|n| n.name() == m.what)).cloned());
    }
    all.extend(view.event.filter(|e| e.is_hearsay()).map(other_writer));
    all
}

/// Only an API server writes such a line, and none did; or only a probe of another pod gives such words; or an Event alone
/// tells it.
fn other_writer(event: &LogEvent) -> Missing {
    let detail = if event.of_object && !event.pretends {
        "an Event of Kubernetes alone tells it, which whoever may write to its namespace can make; the log of the component at that time would tell"
            .to_owned()
    } else if event.edge == Edge::Probe {
        let pod =
            event.fields.probed.as_deref().map_or_else(|| "a pod".to_owned(), |pod| format!("pod {pod}"));
        format!(
            "what the kubelet says of a probe of {pod} names what is not that pod's: it may be what a command printed"
        )
    } else {
        let pod = event.pod.as_deref().map_or_else(|| "another pod".to_owned(), |pod| format!("pod {pod}"));
        format!(
            "written by {pod}, by its names not by an API server, though only an API server writes such words"
        )
    };
    Missing { what: "writer", detail: detail.into(), command: None }
}

/// Why a rule that matched is not the headline.
fn why_lost(best: &Match<'_>, other: &Match<'_>) -> String {
    let (won, lost) = (best.rule, other.rule);
    if won.rank != lost.rank {
        return format!("less specific than {} (rank {} against {})", won.id, lost.rank, won.rank);
    }
    if let (true, Some(need)) = (best.unmet.is_empty(), other.unmet.first()) {
        return format!("what this rule needs is missing: {}", need.sentence());
    }
    if sureness(best) != sureness(other) {
        let (a, b) = (sureness(best).name(), sureness(other).name());
        return format!("less sure than {} ({b} confidence against {a})", won.id);
    }
    if won.conditions() != lost.conditions() {
        return format!(
            "less specific than {} ({} against {} conditions)",
            won.id,
            lost.conditions(),
            won.conditions()
        );
    }
    format!("as good as {}, whose id comes first", won.id)
}

/// What makes occurrences one finding.
type Group = (Arc<str>, Arc<str>, Target);

/// Groups judgements of one verdict, cause and target: worst severity first, then most occurrences, then first time.
pub(super) fn group(judgements: Vec<Judgement>, correlated: &Correlated) -> Vec<Finding> {
    let mut groups: BTreeMap<Group, Vec<Judgement>> = BTreeMap::new();
    for judgement in judgements {
        let Some(case) = correlated.cases.get(judgement.case as usize) else {
            continue;
        };
        let key = (judgement.verdict.clone(), judgement.cause.clone(), group_target(&case.target));
        // Nearly always one, which `push` would make room for four for.
        groups.entry(key).or_insert_with(|| Vec::with_capacity(1)).push(judgement);
    }
    let mut findings: Vec<_> = groups.into_values().filter_map(|g| finding(g, correlated)).collect();
    findings.sort_by_key(|f| {
        let worst = Reverse(f.judgement.severity);
        (worst, Reverse(f.occurrences.len()), f.first, f.judgement.case)
    });
    for (n, finding) in findings.iter_mut().enumerate() {
        finding.id = format!("F{}", n + 1);
    }
    findings
}

/// The part of a target that tells findings apart: names, or addresses where there is no name.
fn group_target(target: &Target) -> Target {
    let mut key = Target {
        webhook: target.webhook.clone(),
        url_host: target.url_host.clone(),
        certificate: target.certificate.clone(),
        ..Target::default()
    };
    if key == Target::default() {
        key.service.clone_from(&target.service);
        // Lines that name the address dialled, and lines whose connection alone tells it, are of one target.
        key.address =
            target.address.clone().or_else(|| target.backend.clone().filter(|_| key.service.is_none()));
    }
    if key == Target::default() {
        key.pod.clone_from(&target.pod);
    }
    key
}

fn finding(mut occurrences: Vec<Judgement>, correlated: &Correlated) -> Option<Finding> {
    let case = |j: &Judgement| correlated.cases.get(j.case as usize);
    let time = |j: &Judgement| case(j).and_then(|c| c.time);
    occurrences.sort_by_key(|j| (time(j), j.case));
    let own = occurrences.iter().any(|j| !j.hearsay && case(j).is_some_and(|c| c.event.is_some()));
    let asked = |j: &Judgement| !(own && j.hearsay);
    let surest = occurrences.iter().max_by_key(|j| {
        let settled = !matches!(j.standing, Standing::Inconclusive | Standing::LogOnly);
        (asked(j), settled, j.confidence, Reverse((time(j), j.case)))
    })?;
    let times: Vec<Timestamp> = occurrences.iter().filter_map(time).collect();
    Some(Finding {
        id: String::new(),
        judgement: surest.clone(),
        target: common_target(occurrences.iter().filter(|j| asked(j)).filter_map(case)),
        first: times.first().copied(),
        last: times.last().copied(),
        occurrences,
    })
}

/// Fields in which the occurrences differ are left out.
fn common_target<'c>(cases: impl Iterator<Item = &'c Case>) -> Target {
    let mut targets = cases.map(|c| &c.target);
    let Some(mut common) = targets.next().cloned() else {
        return Target::default();
    };
    for target in targets {
        let pairs = [
            (&mut common.webhook, &target.webhook),
            (&mut common.url_host, &target.url_host),
            (&mut common.address, &target.address),
            (&mut common.backend, &target.backend),
            (&mut common.service, &target.service),
            (&mut common.pod, &target.pod),
            (&mut common.certificate, &target.certificate),
        ];
        for (mine, other) in pairs {
            if mine != other {
                *mine = None;
            }
        }
    }
    common
}
