//! The reference pages that are made from rules, events and fields, so that they cannot drift from them.
//!
//! Takes what is loaded; gives Markdown: every message with the verdicts that it can get, every verdict and cause with its
//! evidence and its next steps, every field. Never shows what is not in the files.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::RuleSet;
use super::fields;
use super::rule::Rule;
use super::tools::by_verdict;
use crate::log::{EventSet, Message};

/// Messages, verdicts and causes of the rules with `word` in id, verdict or cause.
pub fn list_markdown(rules: &RuleSet, events: &EventSet, word: &str) -> String {
    let groups = by_verdict(rules, word);
    let mut out = "# Messages, verdicts and causes\n\n\
        Made from the rules by `wirecause rules list --format markdown`.\n\n\
        ## Messages\n\n\
        What a log says, and which verdicts and causes the wire can give it.\n\n\
        | event | meaning | such as | verdicts and causes |\n|---|---|---|---|\n"
        .to_owned();
    for message in events.messages() {
        write_message(&message, &groups, &mut out);
    }
    for (verdict, group) in &groups {
        let _ = writeln!(out, "\n## `{verdict}`");
        for rule in group {
            write_rule(rule, &mut out);
        }
    }
    out
}

/// One row, if any of the rules heeds the message.
fn write_message(message: &Message<'_>, groups: &BTreeMap<&str, Vec<&Rule>>, out: &mut String) {
    let mut said = message.said.replace('`', "'").replace('\n', " ");
    if let Some((end, _)) = said.char_indices().nth(LONGEST_MESSAGE) {
        said.truncate(end);
        said.push('…');
    }
    let mut verdicts = Vec::new();
    for (verdict, group) in groups {
        let mut causes: Vec<&str> = Vec::new();
        for rule in group.iter().filter(|rule| rule.log.iter().any(|event| &**event == message.name)) {
            if !causes.contains(&&*rule.cause) {
                causes.push(&rule.cause);
            }
        }
        if !causes.is_empty() {
            verdicts.push(format!("`{verdict}`: `{}`", causes.join("`, `")));
        }
    }
    if verdicts.is_empty() {
        return;
    }
    let cells = [message.meaning, &format!("`{said}`"), &verdicts.join("; ")].map(|c| c.replace('|', "\\|"));
    let _ = writeln!(out, "| `{}` | {} |", message.name, cells.join(" | "));
}

fn write_rule(rule: &Rule, out: &mut String) {
    let _ = writeln!(
        out,
        "\n### `{}`: {}\n\nRule `{}`, severity {}, confidence {}.",
        rule.cause,
        rule.title,
        rule.id,
        rule.severity.name(),
        rule.confidence.name()
    );
    let names = |names: Vec<&str>| names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
    let log = names(rule.log.iter().map(|event| &**event).collect());
    let edge = names(rule.edge.iter().map(|edge| edge.name()).collect());
    let needs = names(rule.needs.iter().map(|need| need.name()).collect());
    for (what, value) in [("Log", log), ("Only on", edge), ("The capture must show", needs)] {
        if !value.is_empty() {
            let _ = writeln!(out, "{what}: {value}.");
        }
    }
    for (what, expr) in [("Evidence", &rule.when), ("Unless", &rule.unless)] {
        if let Some(expr) = expr {
            let _ = writeln!(out, "\n{what}:\n\n```\n{}\n```", expr.source().trim_end());
        }
    }
    let _ = writeln!(out, "\n{}\n", rule.explain.source().trim());
    for next in &rule.next {
        let _ = writeln!(out, "- {}", next.source());
    }
}

/// The field table as a reference page in Markdown.
pub fn fields_markdown() -> String {
    let mut out =
        "# Fields\n\nMade from the field table by `wirecause rules fields --format markdown`.\n".to_owned();
    for (topic, fields) in fields::TOPICS {
        let _ = writeln!(out, "\n## {topic}\n\n| field | type | meaning | example |\n|---|---|---|---|");
        for f in *fields {
            let kind = match (f.kind.words(), f.kind.unit()) {
                ([], "") => f.kind.name().to_owned(),
                ([], unit) => format!("{} ({unit})", f.kind.name()),
                (words, _) => format!("{}: {}", f.kind.name(), words.join(", ")),
            };
            let example = f.example.replace('|', "\\|");
            let _ = writeln!(out, "| `{}` | {kind} | {} | `{example}` |", f.name, f.meaning);
        }
    }
    out
}

/// Characters of a message that are shown.
const LONGEST_MESSAGE: usize = 160;
