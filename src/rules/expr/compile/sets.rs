//! Sets and ranges: each item of a kind that the left side can be compared with, and no range that holds nothing.

use super::super::parse::{Op, Sum, What};
use super::super::{Kind, Value};
use super::{Checker, Operand, Test, comparable, mismatch};
use crate::rules::fields::Field;
use crate::rules::mistakes::Mistake;

impl Checker {
    pub(super) fn set(&mut self, left: &Sum, items: &[(Sum, Option<Sum>)]) -> Option<Test> {
        if let Some(field) = self.single_field(left)? {
            if field.kind == Kind::Address {
                return self.nets(field, left, items);
            }
            if !field.kind.words().is_empty() {
                return self.words(field, items);
            }
        }
        let (operand, kind) = self.sum(left)?;
        let mut all = Vec::new();
        for (low, high) in items {
            let first = self.bound(left, kind, low)?;
            let last = match high {
                Some(high) => Some(self.last(left, kind, (low, &first), high)?),
                None => None,
            };
            all.push((first, last));
        }
        Some(Test::In(operand, all))
    }

    /// A value of a set, of a kind that the left side can be compared with.
    fn bound(&mut self, left: &Sum, kind: Kind, item: &Sum) -> Option<Operand> {
        let (operand, other) = self.sum(item)?;
        if comparable(kind, other) { Some(operand) } else { self.wrong(mismatch(left, kind, item, other)) }
    }

    /// The upper bound of a range.
    fn last(
        &mut self,
        left: &Sum,
        kind: Kind,
        (low, first): (&Sum, &Operand),
        high: &Sum,
    ) -> Option<Operand> {
        let last = self.bound(left, kind, high)?;
        let at = low.at.start..high.at.end;
        if !kind.ordered() {
            let text = format!("a {} has no order, and so no ranges; name each value", kind.name());
            return self.wrong(Mistake::new(at, text));
        }
        match (first, &last) {
            (Operand::Literal(Value::Number(a)), Operand::Literal(Value::Number(b))) if a > b => {
                self.wrong(Mistake::new(at, "this range is empty").help("write the lower bound first"))
            }
            (Operand::Literal(Value::Span(a)), Operand::Literal(Value::Span(b))) if a > b => {
                self.wrong(Mistake::new(at, "this range is empty").help("write the lower bound first"))
            }
            _ => Some(last),
        }
    }

    fn nets(&mut self, field: &'static Field, left: &Sum, items: &[(Sum, Option<Sum>)]) -> Option<Test> {
        let mut nets = Vec::new();
        for (item, high) in items {
            self.alone(item)?;
            match (&item.first.what, high) {
                (What::Net(ip, bits), None) => nets.push((*ip, *bits)),
                _ => {
                    return self
                        .wrong(Mistake::new(item.at.clone(), "expected an address or a network (CIDR)"));
                }
            }
        }
        self.net(field, left, Op::Eq, &nets)
    }

    fn words(&mut self, field: &'static Field, items: &[(Sum, Option<Sum>)]) -> Option<Test> {
        for (item, high) in items {
            self.alone(item)?;
            if let Some(high) = high {
                let text = "words have no ranges; name each, or compare steps with `>=` and `<=`";
                return self.wrong(Mistake::new(item.at.start..high.at.end, text));
            }
        }
        let places: Vec<_> = items.iter().map(|(item, _)| self.place_of_word(field, &item.first)).collect();
        let places: Option<Vec<_>> = places.into_iter().collect();
        let word = |n: usize| (Operand::Literal(Value::from(field.kind.words()[n])), None);
        Some(Test::In(Operand::Field(field), places?.into_iter().map(word).collect()))
    }
}
