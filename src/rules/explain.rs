//! Why a rule did or did not match a case, as text.
//!
//! Takes a rule and cases; gives each condition with what it came to and the values that it saw. Never changes what a
//! rule gives: it asks the same expressions again.

use std::fmt::Write as _;

use super::expr::Truth;
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
        let _ = writeln!(out, "case {} at {time}: {event}, {target}", n + 1);
        out.push_str(&explain_case(rule, &view));
        if let Some(best) = index.matches(&view).first() {
            let _ = writeln!(out, "  headline: {} (rank {})", best.rule.id, best.rule.rank);
        }
    }
    Some(out)
}

/// The same for one case.
pub(super) fn explain_case(rule: &Rule, view: &CaseView<'_>) -> String {
    let mut out = String::new();
    if !rule.log.is_empty() {
        let event = view.event.map(|e| &*e.name);
        let holds = event.is_some_and(|e| rule.log.iter().any(|l| &**l == e));
        let _ = writeln!(
            out,
            "  {:<8} log: {} (the event is {})",
            mark(holds.into()),
            rule.log.join(", "),
            event.unwrap_or("none")
        );
    }
    if let (false, Some(case)) = (rule.edge.is_empty(), view.case) {
        let _ = writeln!(
            out,
            "  {:<8} edge (it is {})",
            mark(rule.edge.contains(&case.edge).into()),
            case.edge.name()
        );
    }
    for (key, expr, wanted) in [("when", &rule.when, true), ("unless", &rule.unless, false)] {
        let Some(expr) = expr else { continue };
        let truth = expr.truth(view);
        let fits = if wanted { truth.holds() } else { !truth.holds() };
        let _ = writeln!(out, "  {:<8} {key} is {}", mark(fits.into()), truth.name());
        for clause in expr.explain(view) {
            let values: Vec<_> = clause.values.iter().map(|(n, v)| format!("{n} is {v}")).collect();
            let not = if clause.negated { "not " } else { "" };
            let _ = writeln!(
                out,
                "             {:<8} {not}{}   [{}]",
                clause.truth.name(),
                clause.text,
                values.join(", ")
            );
        }
    }
    if let Some(found) = engine::try_rule(rule, view) {
        for (needs, word) in [(&found.unmet, "missing"), (&found.unsure, "not known")] {
            for need in needs {
                let _ = writeln!(out, "  {word:<8} {}", need.name());
            }
        }
    }
    out
}

fn mark(truth: Truth) -> &'static str {
    if truth.holds() { "yes" } else { "no" }
}
