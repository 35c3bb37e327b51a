//! Runs the tests of rules: log lines, objects and packet scripts through every stage, as if they had been sent.

use std::path::PathBuf;

use super::engine::Index;
use super::fields::CaseView;
use super::rule::{Rule, RuleTest};
use super::script::Story;
use super::{RuleSet, mistakes};
use crate::bundle::{self, Limits};
use crate::correlate::{Correlated, JoinOptions, World, correlate};
use crate::error::Error;
use crate::ingest::{self, IngestOptions};
use crate::log::{self, EventSet, LogOptions};
use crate::time::Timestamp;

/// What became of one test.
#[derive(Clone, Debug)]
pub struct TestOutcome {
    /// Rule id.
    pub rule: String,
    /// The test's name.
    pub test: String,
    /// Why it failed; nothing where it passed.
    pub failure: Option<String>,
    /// The rule that is the headline of each case.
    pub headlines: Vec<String>,
}

/// Runs the tests of every rule of the set whose id contains `filter`, each with all rules of the set.
///
/// # Errors
/// [`Error::Output`] when no temporary directory can be made.
pub fn run_tests(rules: &RuleSet, events: &EventSet, filter: &str) -> Result<Vec<TestOutcome>, Error> {
    let index = Index::new(rules);
    let mut ids: Vec<_> = rules.rules().iter().filter(|r| r.id.contains(filter)).collect();
    ids.sort_by(|a, b| a.id.cmp(&b.id));
    let mut outcomes = Vec::new();
    for rule in ids {
        for test in &rule.tests {
            let made = Made::new(test, events)?;
            outcomes.push(outcome(rule, test, made, (rules, &index)));
        }
    }
    Ok(outcomes)
}

fn outcome(
    rule: &Rule,
    test: &RuleTest,
    made: Result<Made, String>,
    (rules, index): (&RuleSet, &Index<'_>),
) -> TestOutcome {
    let mut outcome = TestOutcome {
        rule: rule.id.to_string(),
        test: test.name.clone(),
        failure: None,
        headlines: Vec::new(),
    };
    match made {
        Err(why) => outcome.failure = Some(why),
        Ok(made) => {
            outcome.headlines = made.headlines(index);
            outcome.failure = verdict(rule, test, &outcome.headlines, &made, rules);
        }
    }
    outcome
}

/// What is wrong with the headlines of a test.
fn verdict(
    rule: &Rule,
    test: &RuleTest,
    headlines: &[String],
    made: &Made,
    rules: &RuleSet,
) -> Option<String> {
    let mine = headlines.iter().any(|h| *h == *rule.id);
    let others: Vec<_> = headlines.iter().filter(|h| **h != *rule.id && !h.is_empty()).cloned().collect();
    match (test.matches, mine) {
        (true, false) => Some(format!(
            "it must match and does not; the headline is {}{}",
            if others.is_empty() { "no rule".to_owned() } else { others.join(", ") },
            made.why_not(rule)
        )),
        (false, true) => Some("it must not match and does".to_owned()),
        (true, true) if !others.is_empty() => {
            Some(format!("other rules speak as well: {}", others.join(", ")))
        }
        (true, true) => standing(rule, test, made, rules),
        (false, false) => None,
    }
}

fn standing(rule: &Rule, test: &RuleTest, made: &Made, rules: &RuleSet) -> Option<String> {
    let wanted = test.standing?;
    let judged = super::judge(rules, &made.world, &made.correlated);
    let found = judged.iter().find(|j| j.rule == rule.id)?.standing;
    (found != wanted).then(|| format!("its standing is {}, not {}", found.name(), wanted.name()))
}

/// The world that a test describes.
pub(super) struct Made {
    pub(super) world: World,
    pub(super) correlated: Correlated,
}

impl Made {
    /// Makes the files of a test in a temporary directory and reads them. A mistake in the script is the inner error.
    pub(super) fn new(test: &RuleTest, events: &EventSet) -> Result<Result<Self, String>, Error> {
        let story = match test.packets.as_deref().map(Story::new).transpose() {
            Ok(story) => story,
            Err(mistakes) => {
                let script = test.packets.as_deref().unwrap_or_default();
                return Ok(Err(mistakes::render("packets", script, &mistakes)));
            }
        };
        let failed = |e: std::io::Error| Error::Output("a temporary directory".to_owned(), e.to_string());
        let dir = tempfile::tempdir().map_err(failed)?;
        let write = |name: &str, bytes: &[u8]| std::fs::write(dir.path().join(name), bytes).map_err(failed);
        for (name, text) in log_files(&test.log) {
            write(name, text.as_bytes())?;
        }
        if let Some(objects) = &test.objects {
            write("objects.yaml", objects.as_bytes())?;
        }
        if let Some(state) = &test.state {
            write("state.txt", state.as_bytes())?;
        }
        let start = start_of(&dir.path().to_path_buf(), events, story.as_ref());
        for (name, bytes) in story.iter().flat_map(|s| s.pcaps(start)) {
            write(&format!("{}.pcap", file_name(&name)), &bytes)?;
        }
        Ok(read(&dir.path().to_path_buf(), events))
    }

    /// The world of log lines and packets alone.
    #[cfg(test)]
    pub(super) fn of(log: String, packets: Option<String>, events: &EventSet) -> Self {
        let test = RuleTest {
            name: String::new(),
            log,
            packets,
            objects: None,
            state: None,
            matches: true,
            standing: None,
            at: 0..0,
        };
        Self::new(&test, events).expect("a directory").expect("a script")
    }

    /// The rule at the head of each case; an empty text where no rule matches, and nothing for cases that keep quiet.
    fn headlines(&self, index: &Index<'_>) -> Vec<String> {
        let cases = self.correlated.cases.iter();
        let heads = cases.map(|case| index.matches(&CaseView::of_case(&self.world, case)));
        heads.map(|m| m.first().map_or_else(String::new, |m| m.rule.id.to_string())).collect()
    }

    /// The clauses that did not hold, for each case.
    fn why_not(&self, rule: &Rule) -> String {
        let cases = self.correlated.cases.iter().map(|case| {
            let view = CaseView::of_case(&self.world, case);
            super::explain::explain_case(rule, &view)
        });
        cases.flat_map(|text| ["\n".to_owned(), text]).collect()
    }
}

/// Lines as a server in Go writes them belong into a log of their own.
fn log_files(log: &str) -> Vec<(&'static str, String)> {
    let (server, caller): (Vec<&str>, Vec<&str>) =
        log.lines().filter(|l| !l.trim().is_empty()).partition(|l| l.starts_with("20") && l.contains('/'));
    let file = |name, lines: Vec<&str>| (name, lines.iter().flat_map(|l| [*l, "\n"]).collect::<String>());
    let files = [file("kube-apiserver.log", caller), file("server.log", server)];
    files.into_iter().filter(|(_, text)| !text.is_empty()).collect()
}

fn file_name(name: &str) -> String {
    name.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(40).collect()
}

/// The script's second 0: the first log line's time less the script's place of it.
fn start_of(dir: &PathBuf, events: &EventSet, story: Option<&Story>) -> Timestamp {
    let fixed = Timestamp::from_parts(1_795_227_920, 0);
    let Ok(bundle) = bundle::discover(std::slice::from_ref(dir), &Limits::default()) else {
        return fixed;
    };
    let logs = log::read(&bundle.sources, events, &log_options());
    let line = logs.events.iter().filter_map(|e| e.time).min();
    line.map_or(fixed, |time| time - story.map(|s| s.log).unwrap_or_default())
}

fn read(dir: &PathBuf, events: &EventSet) -> Result<Made, String> {
    let bundle = bundle::discover(std::slice::from_ref(dir), &Limits::default())
        .map_err(|e| format!("an empty test: {e}"))?;
    let wire = ingest::run(&bundle.sources, &IngestOptions::default());
    let logs = log::read(&bundle.sources, events, &log_options());
    let cluster = crate::cluster::read(&bundle.sources);
    let mut world = World { bundle, wire, logs, cluster };
    let correlated = correlate(&mut world, &JoinOptions::default());
    Ok(Made { world, correlated })
}

fn log_options() -> LogOptions {
    LogOptions { zone: Some(jiff::tz::TimeZone::UTC), year: Some(2026), ..LogOptions::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_rule_passes_its_tests() {
        let outcomes = run_tests(&RuleSet::builtin(), &EventSet::builtin(), "").unwrap();
        let failed: Vec<_> = outcomes
            .iter()
            .filter_map(|o| o.failure.as_ref().map(|why| format!("{} / {}: {why}", o.rule, o.test)))
            .collect();
        assert!(failed.is_empty(), "{} of {} failed\n{}", failed.len(), outcomes.len(), failed.join("\n"));
        assert!(outcomes.len() >= 2 * RuleSet::builtin().rules().len());
    }

    /// A line that no packet belongs to is still told of: the message alone is enough for a verdict, if a poor one.
    #[test]
    fn every_failure_gets_a_verdict_by_its_line_alone() {
        let (rules, events) = (RuleSet::builtin(), EventSet::builtin());
        let mut tried = 0;
        for line in events.samples() {
            let with_time = format!("2026-11-21T02:25:20.123456789Z stderr F {line}");
            for line in [line.to_owned(), with_time] {
                let made = Made::of(line.clone(), None, &events);
                let failures = made.world.logs.events.iter().filter(|e| !events.is_benign(&e.name)).count();
                let judged = crate::rules::judge(&rules, &made.world, &made.correlated);
                assert!(failures == 0 || !judged.is_empty(), "no verdict: {line}");
                tried += failures;
            }
        }
        assert!(tried > 200, "{tried}");
    }

    #[test]
    fn every_event_of_a_rule_is_defined() {
        let events = EventSet::builtin();
        let known: Vec<&str> = events.names().collect();
        let rules = RuleSet::builtin();
        for rule in rules.rules() {
            for event in &rule.log {
                assert!(known.contains(&&**event), "{}: there is no event {event}", rule.id);
            }
        }
    }
}
