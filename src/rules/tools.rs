//! What `wirecause rules …` prints, as text: list, show, fields, check, test, explain, new, export.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::RuleSet;
use super::expr::Expr;
use super::fields;
use super::load::RuleFile;
use super::rule::{KEYS, Key, Need, Rule, TEST_KEYS};
use crate::log::EventSet;

pub use super::explain::explain;
pub use super::reference::{fields_markdown, list_markdown};
pub use super::trial::{TestOutcome, run_tests};

/// One line a rule, by verdict: id, cause, severity, confidence, rank and the file it comes from. Only rules with `word` in
/// id, verdict or cause.
pub fn list(rules: &RuleSet, word: &str) -> String {
    let mut out = String::new();
    for (verdict, group) in by_verdict(rules, word) {
        let _ = writeln!(out, "{verdict}");
        for rule in group {
            let origin = if rule.builtin { "built in" } else { &rule.file };
            let _ = writeln!(
                out,
                "  {:<45} {:<48} {:<8} {:<7} rank {:<3} {origin}",
                rule.id,
                rule.cause,
                rule.severity.name(),
                rule.confidence.name(),
                rule.rank
            );
        }
    }
    out
}

/// The rules with `word` in id, verdict or cause, by verdict, in order of precedence.
pub(super) fn by_verdict<'r>(rules: &'r RuleSet, word: &str) -> BTreeMap<&'r str, Vec<&'r Rule>> {
    let mut groups: BTreeMap<&str, Vec<&Rule>> = BTreeMap::new();
    let named = |rule: &&Rule| [&rule.id, &rule.verdict, &rule.cause].iter().any(|name| name.contains(word));
    for rule in rules.rules().iter().filter(named) {
        groups.entry(&rule.verdict).or_default().push(rule);
    }
    groups
}

/// Everything about one rule, for people.
pub fn show(rule: &Rule) -> String {
    let mut out = format!("{} (rev {})\n{}\n\n", rule.id, rule.rev, rule.title);
    let mut line = |name: &str, value: String| {
        if !value.is_empty() {
            let _ = writeln!(out, "{name:<11} {}", value.trim_end().replace('\n', "\n            "));
        }
    };
    line("verdict", format!("{} / {}", rule.verdict, rule.cause));
    line("severity", rule.severity.name().to_owned());
    line("confidence", rule.confidence.name().to_owned());
    line("rank", rule.rank.to_string());
    line("log", rule.log.join(", "));
    line("edge", rule.edge.iter().map(|e| e.name()).collect::<Vec<_>>().join(", "));
    line("when", rule.when.as_ref().map_or_else(String::new, |e| e.source().to_owned()));
    line("unless", rule.unless.as_ref().map_or_else(String::new, |e| e.source().to_owned()));
    line("needs", rule.needs.iter().map(|n| n.name()).collect::<Vec<_>>().join(", "));
    line("explain", rule.explain.source().to_owned());
    for next in &rule.next {
        line("next", next.source().to_owned());
    }
    for reference in rule.references.iter() {
        line("reference", reference.to_string());
    }
    line("tests", rule.tests.len().to_string());
    line("from", format!("{}:{}", rule.file, rule.line));
    out
}

/// The field table as plain text; only fields whose name or meaning contains `filter`.
pub fn fields_text(filter: &str) -> String {
    let wanted = fields::all().filter(|f| f.name.contains(filter) || f.meaning.contains(filter));
    let mut out = String::new();
    for f in wanted {
        let _ = writeln!(out, "{:<36} {:<9} {}", f.name, f.kind.name(), f.meaning);
        if !f.kind.words().is_empty() {
            let _ = writeln!(out, "{:<46} one of: {}", "", f.kind.words().join(", "));
        }
    }
    out
}

/// Warnings about loaded rules: what can never match, what always loses, what refers to nothing.
pub fn check(rules: &RuleSet, events: &EventSet) -> Vec<String> {
    let mut found = Vec::new();
    let known: Vec<&str> = events.names().collect();
    for rule in rules.rules() {
        let place = format!("{}:{}: {}", rule.file, rule.line, rule.id);
        for event in rule.log.iter().filter(|e| !known.contains(&&***e)) {
            let near = super::mistakes::nearest(event, known.iter().copied());
            let hint = near.map_or_else(String::new, |n| format!("; did you mean `{n}`?"));
            found.push(format!("{place}: no event is named `{event}`: it never matches by it{hint}"));
        }
        if rule.log.is_empty() && rule.when.is_none() {
            found.push(format!("{place}: neither `log` nor `when`: it matches every case"));
        }
        for (wanted, word) in [(true, "match"), (false, "no-match")] {
            if !rule.tests.iter().any(|t| t.matches == wanted) {
                found.push(format!("{place}: no test with `expect: {word}`"));
            }
        }
        if rule.references.is_empty() && !rule.builtin {
            found.push(format!("{place}: no reference: say where this failure is documented"));
        }
        for pattern in rule.when.iter().chain(&rule.unless).flat_map(Expr::costly_patterns) {
            found.push(format!(
                "{place}: the pattern {pattern:?} is costly: repeat fewer times, or anchor it"
            ));
        }
        found.extend(
            shadow(rules, rule).map(|by| format!("{place}: always loses to {by}, which asks for no more")),
        );
    }
    let unused = unused_events(rules, events).into_iter().filter(|e| !events.is_benign(e));
    found.extend(unused.map(|event| format!("event {event}: no rule names it: a case of it has no verdict")));
    found
}

/// A rule before this one in precedence that matches whatever this one does: the same conditions or none, on the same
/// events and edges.
fn shadow<'r>(rules: &'r RuleSet, rule: &Rule) -> Option<&'r str> {
    let text = |e: &Option<Expr>| e.as_ref().map(|e| e.source().trim().to_owned());
    let before = rules.rules().iter().take_while(|r| r.id != rule.id);
    let same = |r: &&Rule| {
        (r.when.is_none() || text(&r.when) == text(&rule.when))
            && (r.unless.is_none() || text(&r.unless) == text(&rule.unless))
            && r.needs.is_empty()
            && (rule.edge == r.edge || r.edge.is_empty())
            && rule.log.iter().all(|e| r.log.contains(e))
            && (r.log.is_empty() || !rule.log.is_empty())
    };
    before.into_iter().find(same).map(|r| &*r.id)
}

/// Events that no rule names, look-alikes included.
pub fn unused_events(rules: &RuleSet, events: &EventSet) -> Vec<String> {
    let used = |event: &str| rules.rules().iter().any(|r| r.log.iter().any(|e| &**e == event));
    events.names().filter(|e| !used(e)).map(str::to_owned).collect()
}

/// A commented skeleton of a rule.
pub fn skeleton(id: &str) -> String {
    include_str!("skeleton.yaml").replace("RULE", id).replace("FILE", &id.replace('/', "-"))
}

/// The built-in files, to write out and edit: each rule replaces the built-in one of its id when given with `--rules`.
pub fn export() -> Vec<RuleFile> {
    let replaces = |file: RuleFile| {
        let lines = file.text.lines().map(|line| match line.strip_prefix("- rule: ") {
            Some(id) => format!("- override: {id}\n"),
            None => format!("{line}\n"),
        });
        RuleFile { text: lines.collect(), builtin: false, ..file }
    };
    super::builtin::files().into_iter().map(replaces).collect()
}

/// One pcap for each capture of a rule's test.
///
/// # Errors
/// Mistakes of the script, rendered; or that there is no such test.
pub fn test_pcaps(rule: &Rule, test: &str) -> Result<Vec<(String, Vec<u8>)>, String> {
    let test = rule
        .tests
        .iter()
        .find(|t| t.name == test)
        .ok_or_else(|| format!("{} has no test `{test}`", rule.id))?;
    let script = test.packets.as_deref().unwrap_or_default();
    let story = super::script::Story::new(script)
        .map_err(|mistakes| super::mistakes::render("packets", script, &mistakes))?;
    Ok(story.pcaps(crate::time::Timestamp::from_parts(1_795_227_920, 0)))
}

/// JSON Schema of a rule file, for editors.
pub fn json_schema() -> serde_json::Value {
    let words = |all: &[&str]| serde_json::json!({ "enum": all });
    let mut properties = schema_of(KEYS);
    properties.insert("severity".into(), words(&["info", "warning", "error"]));
    properties.insert("confidence".into(), words(&["low", "medium", "high"]));
    let needs: Vec<_> = Need::ALL.iter().map(|n| n.name()).collect();
    properties.insert("needs".into(), serde_json::json!({ "type": "array", "items": words(&needs) }));
    let mut test = schema_of(TEST_KEYS);
    test.insert("expect".into(), words(&["match", "no-match"]));
    let test = serde_json::json!({ "type": "object", "additionalProperties": false, "properties": test, "required": ["name", "expect"] });
    properties.insert("tests".into(), serde_json::json!({ "type": "array", "items": test }));
    let required: Vec<_> = KEYS.iter().filter(|k| k.required).map(|k| k.name).collect();
    let mut replaced = properties.clone();
    replaced.remove("rule");
    replaced.insert("override".into(), serde_json::json!({ "type": "string" }));
    serde_json::json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "wirecause rule file",
        "type": "array",
        "items": { "oneOf": [
            { "type": "object", "additionalProperties": false, "properties": properties, "required": required },
            { "type": "object", "additionalProperties": false, "properties": replaced, "required": ["override"] },
            { "type": "object", "additionalProperties": false, "properties": { "disable": { "type": "string" } }, "required": ["disable"] },
            { "type": "object", "additionalProperties": false, "properties": { "blind_events": { "type": "array" } }, "required": ["blind_events"] },
        ] },
    })
}

fn schema_of(keys: &[Key]) -> serde_json::Map<String, serde_json::Value> {
    let one = |key: &Key| {
        let kinds: Vec<_> = key.kind.split(" or ").collect();
        (key.name.to_owned(), serde_json::json!({ "type": kinds, "description": key.meaning }))
    };
    keys.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_rules_have_no_warnings() {
        let found = check(&RuleSet::builtin(), &EventSet::builtin());
        assert!(found.is_empty(), "{}", found.join("\n"));
    }

    #[test]
    fn a_costly_pattern_and_a_rule_that_always_loses_are_told() {
        let rule = |id: &str, rank: u8, when: &str| {
            format!(
                "- rule: {id}\n  rev: 1\n  verdict: eof\n  cause: made_up\n  severity: error\n  rank: {rank}\n  \
                 title: t\n  log: [connection_refused]\n{when}  explain: e\n  next: [n]\n  references: \
                 [https://example.com]\n  tests:\n  - {{name: a, log: x, expect: match}}\n  - {{name: b, log: x, expect: no-match}}\n"
            )
        };
        let costly = "  when: |\n    log.reason matches \"\\\\w{4}\"\n";
        let text = rule("my/any", 90, "") + &rule("my/costly", 80, costly);
        let file = RuleFile { path: "my.yaml".into(), text, builtin: false };
        let rules = RuleSet::of(&[file]).unwrap_or_else(|e| panic!("{e}"));
        let found = check(&rules, &EventSet::builtin()).join("\n");
        assert!(found.contains("my/costly: the pattern"), "{found}");
        assert!(found.contains("my/costly: always loses to my/any"), "{found}");
        assert!(!found.contains("my/any: always loses"), "{found}");
    }

    #[test]
    fn an_event_that_no_rule_names_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let event = |name: &str, more: &str| {
            format!(
                "- event: {name}\n  title: t\n  triggers: [{name}]\n  reason: ['^{name}$']\n{more}  samples:\n    - \
                 'W0710 08:15:30.123456    1234 x.go:1] dial tcp 10.0.0.1:443: {name}'\n"
            )
        };
        let text = event("made_up", "") + &event("look_alike", "  benign: true\n");
        std::fs::write(dir.path().join("mine.yaml"), text).unwrap();
        let events = EventSet::load(&[dir.path()]).unwrap_or_else(|e| panic!("{e}"));
        let found = check(&RuleSet::builtin(), &events);
        assert_eq!(found, ["event made_up: no rule names it: a case of it has no verdict"]);
    }

    #[test]
    fn the_skeleton_loads_and_passes_its_tests() {
        let file = RuleFile { path: "my.yaml".into(), text: skeleton("my/rule"), builtin: false };
        let rules = RuleSet::load(vec![file]).unwrap_or_else(|e| panic!("{e}"));
        let outcomes = run_tests(&rules, &EventSet::builtin(), "my/rule").unwrap();
        assert_eq!(outcomes.len(), 2);
        for outcome in outcomes {
            assert_eq!(outcome.failure, None, "{}", outcome.test);
        }
    }

    #[test]
    fn exported_rules_load_over_the_built_in_ones() {
        let rules = RuleSet::load(export()).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(rules.rules().len(), RuleSet::builtin().rules().len());
    }

    #[test]
    fn pages_name_every_rule_and_field() {
        let rules = RuleSet::builtin();
        let (page, table) = (list_markdown(&rules, &EventSet::builtin(), ""), fields_markdown());
        let told = EventSet::builtin().messages().all(|m| page.contains(&format!("| `{}` |", m.name)));
        assert!(told, "a message is left out");
        assert!(rules.rules().iter().all(|r| r.next.iter().all(|n| page.contains(n.source()))));
        assert!(rules.rules().iter().all(|r| page.contains(&*r.id) && list(&rules, "").contains(&*r.id)));
        assert!(fields::all().all(|f| table.contains(f.name) && fields_text("").contains(f.name)));
        let chosen = list(&rules, "dns/");
        assert!(chosen.lines().filter(|line| line.starts_with(' ')).all(|line| line.contains("dns/")));
        assert!(chosen.contains("dns/nxdomain"));
        assert_eq!(list(&rules, "no such word"), "");
        assert!(show(&rules.rules()[0]).contains(&*rules.rules()[0].verdict));
    }
}
