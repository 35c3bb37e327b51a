//! Why a rule did or did not match a case, as text.
//!
//! Takes a rule and cases; gives each condition with what it came to and the values that it saw. Never changes what a
//! rule gives: it asks the same expressions again.

use std::fmt::Write as _;

use super::expr::{Expr, Truth};
use super::fields::CaseView;
use super::rule::Rule;
use super::{RuleSet, engine};
use crate::correlate::{Correlated, World};

/// Why a rule did or did not match each case, clause by clause with values.
pub fn explain(rules: &RuleSet, id: &str, world: &World, correlated: &Correlated) -> Option<String> {
    let rule = rules.find(id)?;
    let index = engine::Index::new(rules);
    let mut out = String::new();
    for (n, case) in correlated.cases.iter().enumerate() {
        let view = CaseView::of_case(world, case);
        let time = case.time.map_or_else(|| "no time".to_owned(), |t| t.to_string());
        let event = view.event.map_or("no log line", |e| &*e.name);
        let target = case.target.url_host.as_deref().or(case.target.backend.as_deref()).unwrap_or("-");
        let _ = writeln!(out, "case {} at {time}: {event}, {}", n + 1, on_one_line(target));
        out.push_str(&explain_case(rule, &view));
        if let Some(best) = index.matches(&view).first() {
            let _ = writeln!(out, "  headline: {} (rank {})", best.rule.id, best.rule.rank);
        }
    }
    Some(out)
}

/// The same for one case.
pub(super) fn explain_case(rule: &Rule, view: &CaseView<'_>) -> String {
    let mut out = log_and_edge(rule, view);
    out += &condition("when", rule.when.as_ref(), view, Truth::holds);
    out += &condition("unless", rule.unless.as_ref(), view, |truth| !truth.holds());
    let found = engine::try_rule(rule, view);
    for (needs, word) in found.iter().flat_map(|m| [(&m.unmet, "missing"), (&m.unsure, "not known")]) {
        for need in needs {
            write_line(&mut out, word, need.name());
        }
    }
    out
}

/// Whether the event and the edge are those that the rule is restricted to.
fn log_and_edge(rule: &Rule, view: &CaseView<'_>) -> String {
    let mut out = String::new();
    if !rule.log.is_empty() {
        let event = view.event.map(|e| &*e.name);
        let holds = event.is_some_and(|e| rule.log.iter().any(|l| &**l == e));
        let event = event.unwrap_or("none");
        write_line(&mut out, mark(holds), &format!("log: {} (the event is {event})", rule.log.join(", ")));
    }
    if let (false, Some(case)) = (rule.edge.is_empty(), view.case) {
        let holds = rule.edge.contains(&case.edge);
        write_line(&mut out, mark(holds), &format!("edge (it is {})", case.edge.name()));
    }
    out
}

/// What a condition came to, and below it each of its comparisons with the values that it saw.
fn condition(key: &str, expr: Option<&Expr>, view: &CaseView<'_>, fits: fn(Truth) -> bool) -> String {
    let mut out = String::new();
    let Some(expr) = expr else { return out };
    let truth = expr.truth(view);
    write_line(&mut out, mark(fits(truth)), &format!("{key} is {}", truth.name()));
    for clause in expr.explain(view) {
        let values: Vec<_> =
            clause.values.iter().map(|(n, v)| format!("{n} is {}", on_one_line(v))).collect();
        let not = if clause.negated { "not " } else { "" };
        let (truth, text, values) = (clause.truth.name(), clause.text, values.join(", "));
        let _ = writeln!(out, "             {truth:<8} {not}{text}   [{values}]");
    }
    out
}

/// Text of the bundle, which must not make lines of its own; what a terminal acts on is for whoever prints it.
fn on_one_line(text: &str) -> String {
    text.replace('\n', "\\u{a}")
}

fn write_line(out: &mut String, mark: &str, text: &str) {
    let _ = writeln!(out, "  {mark:<8} {text}");
}

fn mark(holds: bool) -> &'static str {
    if holds { "yes" } else { "no" }
}
