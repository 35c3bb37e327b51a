//! Compiled conditions and a case in, truth and reasons out. Evaluation never fails and allocates only for texts that
//! a field has to put together.

use std::cmp::Ordering;
use std::net::IpAddr;

use super::compile::{Node, Operand, Test};
use super::parse::Op;
use super::{Kind, Truth, Value};
use crate::rules::fields::{CaseView, Field};
use crate::time::TimeDelta;

/// One comparison of a condition, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clause {
    /// As written.
    pub text: String,
    /// Its outcome for the case.
    pub truth: Truth,
    /// It stands under an odd number of negations: the condition wants it false.
    pub negated: bool,
    /// Field and value, as a person reads it.
    pub values: Vec<(&'static str, String)>,
}

impl Node {
    /// Kleene evaluation; stops as soon as the outcome is sure.
    pub(super) fn truth(&self, view: &CaseView<'_>) -> Truth {
        match self {
            Self::Or(all) => fold(all, view, Truth::True, Truth::max),
            Self::And(all) => fold(all, view, Truth::False, Truth::min),
            Self::Not(inner) => !inner.truth(view),
            Self::Test(_, test) => test.truth(view),
        }
    }

    /// Visits every field in the order written.
    pub(super) fn fields(&self, visit: &mut dyn FnMut(&'static Field)) {
        match self {
            Self::Or(all) | Self::And(all) => all.iter().for_each(|n| n.fields(visit)),
            Self::Not(inner) => inner.fields(visit),
            Self::Test(_, test) => test.fields(visit),
        }
    }

    pub(super) fn patterns(&self, visit: &mut dyn FnMut(&str)) {
        match self {
            Self::Or(all) | Self::And(all) => all.iter().for_each(|n| n.patterns(visit)),
            Self::Not(inner) => inner.patterns(visit),
            Self::Test(_, Test::Matches(_, regex)) => visit(regex.as_str()),
            Self::Test(..) => {}
        }
    }
}

fn fold(all: &[Node], view: &CaseView<'_>, sure: Truth, join: fn(Truth, Truth) -> Truth) -> Truth {
    let mut result = !sure;
    for node in all {
        result = join(result, node.truth(view));
        if result == sure {
            break;
        }
    }
    result
}

/// Each comparison with its values.
pub(super) fn explain(root: &Node, source: &str, view: &CaseView<'_>) -> Vec<Clause> {
    let mut clauses = Vec::new();
    collect(root, false, source, view, &mut clauses);
    clauses
}

fn collect(node: &Node, negated: bool, source: &str, view: &CaseView<'_>, out: &mut Vec<Clause>) {
    match node {
        Node::Or(all) | Node::And(all) => all.iter().for_each(|n| collect(n, negated, source, view, out)),
        Node::Not(inner) => collect(inner, !negated, source, view, out),
        Node::Test(at, test) => {
            let mut values = Vec::new();
            test.fields(&mut |field| values.push((field.name, field.value(view).show())));
            let text = source.get(at.clone()).unwrap_or_default().to_owned();
            out.push(Clause { text, truth: test.truth(view), negated, values });
        }
    }
}

impl Test {
    fn truth(&self, view: &CaseView<'_>) -> Truth {
        match self {
            Self::Flag(field) => any(&field.value(view), |v| *v == Value::Flag(true)),
            Self::There(field) => any(&field.value(view), |_| true),
            Self::Compare(left, op, right) => compare(&left.value(view), *op, &right.value(view)),
            Self::Step(field, op, place) => step(field, *op, *place, view),
            Self::In(operand, items) => contained(&operand.value(view), items, view),
            Self::Contains(operand, text) => {
                any(&operand.value(view), |v| matches!(v, Value::Text(t) if t.contains(text.as_str())))
            }
            Self::Matches(field, regex) => {
                any(&field.value(view), |v| matches!(v, Value::Text(t) if regex.is_match(t)))
            }
            Self::Net(field, op, nets) => {
                let value = field.value(view);
                let inside = |v: &Value<'_>| matches!(v, Value::Address(ip) if nets.iter().any(|(net, bits)| within(*ip, *net, *bits)));
                match op {
                    Op::Ne if !value.is_there() => any(&value, |_| true),
                    Op::Ne => !any(&value, inside),
                    _ => any(&value, inside),
                }
            }
        }
    }

    fn fields(&self, visit: &mut dyn FnMut(&'static Field)) {
        match self {
            Self::Flag(f) | Self::There(f) | Self::Step(f, ..) | Self::Matches(f, _) | Self::Net(f, ..) => {
                visit(f);
            }
            Self::Compare(left, _, right) => {
                left.fields(visit);
                right.fields(visit);
            }
            Self::In(operand, items) => {
                operand.fields(visit);
                for (low, high) in items {
                    low.fields(visit);
                    if let Some(high) = high {
                        high.fields(visit);
                    }
                }
            }
            Self::Contains(operand, _) => operand.fields(visit),
        }
    }
}

impl Operand {
    fn value<'a>(&self, view: &CaseView<'a>) -> Value<'a> {
        match self {
            Self::Field(field) => field.value(view),
            Self::Literal(value) => value.clone(),
            Self::Sum(first, rest) => {
                rest.iter().fold(first.value(view), |sum, (plus, next)| add(sum, *plus, next.value(view)))
            }
        }
    }

    fn fields(&self, visit: &mut dyn FnMut(&'static Field)) {
        match self {
            Self::Field(field) => visit(field),
            Self::Literal(_) => {}
            Self::Sum(first, rest) => {
                first.fields(visit);
                for (_, operand) in rest {
                    operand.fields(visit);
                }
            }
        }
    }
}

/// Unknown stays unknown, absent is false, several values hold if any does; where others may be, none that does is no proof.
fn any(value: &Value<'_>, holds: impl Fn(&Value<'_>) -> bool) -> Truth {
    match value {
        Value::Unknown => Truth::Unknown,
        Value::Many(all) if all.iter().any(&holds) => Truth::True,
        Value::Many(all) if all.contains(&Value::Unknown) => Truth::Unknown,
        Value::Absent | Value::Many(_) => Truth::False,
        one => holds(one).into(),
    }
}

fn compare(left: &Value<'_>, op: Op, right: &Value<'_>) -> Truth {
    if *left == Value::Absent || *right == Value::Absent {
        return Truth::False;
    }
    if *left == Value::Unknown || *right == Value::Unknown {
        return Truth::Unknown;
    }
    let one = |a: &Value<'_>, b: &Value<'_>| order(a, b).is_some_and(|o| holds(op, o));
    let pairs = |a: &Value<'_>| {
        if op == Op::Ne { known(right).all(|b| one(a, b)) } else { known(right).any(|b| one(a, b)) }
    };
    let outcome = if op == Op::Ne { known(left).all(pairs) } else { known(left).any(pairs) };
    let others = [left, right].iter().any(|v| each(v).contains(&Value::Unknown));
    // one pair decides: for `!=` one that is equal
    if others && outcome == (op == Op::Ne) { Truth::Unknown } else { outcome.into() }
}

fn known<'v, 'a>(value: &'v Value<'a>) -> impl Iterator<Item = &'v Value<'a>> {
    each(value).iter().filter(|v| **v != Value::Unknown)
}

fn each<'v, 'a>(value: &'v Value<'a>) -> &'v [Value<'a>] {
    match value {
        Value::Many(all) => all,
        one => std::slice::from_ref(one),
    }
}

fn holds(op: Op, order: Ordering) -> bool {
    match op {
        Op::Eq => order.is_eq(),
        Op::Ne => order.is_ne(),
        Op::Lt => order.is_lt(),
        Op::Le => order.is_le(),
        Op::Gt => order.is_gt(),
        Op::Ge => order.is_ge(),
    }
}

/// `None` for values that the check never lets meet.
fn order(a: &Value<'_>, b: &Value<'_>) -> Option<Ordering> {
    Some(match (a, b) {
        (Value::Flag(a), Value::Flag(b)) => a.cmp(b),
        (Value::Number(a), Value::Number(b)) => a.cmp(b),
        (Value::Span(a), Value::Span(b)) => a.cmp(b),
        (Value::Time(a), Value::Time(b)) => a.cmp(b),
        (Value::Text(a), Value::Text(b)) => a.cmp(b),
        (Value::Address(a), Value::Address(b)) => a.cmp(b),
        _ => return None,
    })
}

fn step(field: &'static Field, op: Op, place: usize, view: &CaseView<'_>) -> Truth {
    let (Kind::Word(words) | Kind::Step(words)) = field.kind else {
        return Truth::Unknown;
    };
    let position = |v: &Value<'_>| match v {
        Value::Text(text) => words.iter().position(|w| w == text),
        _ => None,
    };
    any(&field.value(view), |v| position(v).is_some_and(|p| holds(op, p.cmp(&place))))
}

fn contained(value: &Value<'_>, items: &[(Operand, Option<Operand>)], view: &CaseView<'_>) -> Truth {
    let mut result = Truth::False;
    for (low, high) in items {
        let inside = match high {
            None => compare(value, Op::Eq, &low.value(view)),
            Some(high) => between(value, &low.value(view), &high.value(view)),
        };
        result = result.max(inside);
    }
    result
}

/// Whether one of the values is neither below `low` nor above `high`; a bound that is not known can still be on the
/// wrong side.
fn between(value: &Value<'_>, low: &Value<'_>, high: &Value<'_>) -> Truth {
    let one = |v: &Value<'_>| compare(v, Op::Ge, low).min(compare(v, Op::Le, high));
    each(value).iter().map(one).max().unwrap_or(Truth::False)
}

fn add<'a>(a: Value<'a>, plus: bool, b: Value<'a>) -> Value<'a> {
    match (a, b) {
        (Value::Absent, _) | (_, Value::Absent) => Value::Absent,
        (Value::Number(a), Value::Number(b)) => {
            Value::Number(if plus { a.saturating_add(b) } else { a.saturating_sub(b) })
        }
        (Value::Span(a), Value::Span(b)) => {
            Value::Span(if plus { a + b } else { TimeDelta(a.0.saturating_sub(b.0)) })
        }
        _ => Value::Unknown,
    }
}

/// Whether an address is of a network.
fn within(ip: IpAddr, net: IpAddr, bits: u8) -> bool {
    let (a, b, width): (_, _, u8) = match (ip, net) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (u128::from(a.to_bits()), u128::from(b.to_bits()), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits(), b.to_bits(), 128),
        _ => return false,
    };
    let host_bits = u32::from(width.saturating_sub(bits));
    a.checked_shr(host_bits).unwrap_or(0) == b.checked_shr(host_bits).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_may_have_others_beside_them_prove_what_they_hold_and_no_absence() {
        let text = |text: &'static str| Value::Text(text.into());
        let all = Value::Many(vec![text("a"), text("b")]);
        let some = Value::Many(vec![text("a"), text("b"), Value::Unknown]);
        let is = |wanted: &'static str| move |v: &Value<'_>| *v == Value::Text(wanted.into());
        let rows = [(&all, "a", Truth::True), (&all, "c", Truth::False), (&some, "a", Truth::True)];
        for (values, wanted, truth) in rows.into_iter().chain([(&some, "c", Truth::Unknown)]) {
            assert_eq!(any(values, is(wanted)), truth, "{wanted}");
            assert_eq!(compare(values, Op::Eq, &text(wanted)), truth, "{wanted}");
            assert_eq!(compare(values, Op::Ne, &text(wanted)), !truth, "{wanted}");
        }
    }
}
