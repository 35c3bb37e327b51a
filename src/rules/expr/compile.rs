//! A parsed tree in, typed operations on declared fields out, or every mistake in it.

use std::net::IpAddr;

use regex::{Regex, RegexBuilder};

use super::parse::{Atom, Op, Sum, Tree, What};
use super::{At, Kind, Value};
use crate::rules::fields::{self, Field};
use crate::rules::mistakes::Mistake;

mod sets;

/// A compiled condition.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Or(Vec<Node>),
    And(Vec<Node>),
    Not(Box<Node>),
    Test(At, Test),
}

/// One comparison.
#[derive(Clone, Debug)]
pub(super) enum Test {
    /// A boolean field holds.
    Flag(&'static Field),
    /// A field has a value.
    There(&'static Field),
    Compare(Operand, Op, Operand),
    /// By place in the list of words.
    Step(&'static Field, Op, usize),
    In(Operand, Vec<(Operand, Option<Operand>)>),
    Contains(Operand, String),
    Matches(&'static Field, Regex),
    Net(&'static Field, Op, Vec<(IpAddr, u8)>),
}

/// A value to compare.
#[derive(Clone, Debug)]
pub(super) enum Operand {
    Field(&'static Field),
    Literal(Value<'static>),
    Sum(Box<Operand>, Vec<(bool, Operand)>),
}

/// Checks the tree; the operations and the number of comparisons, or all mistakes.
pub(super) fn compile(tree: &Tree) -> Result<(Node, usize), Vec<Mistake>> {
    let mut checker = Checker { mistakes: Vec::new(), clauses: 0 };
    let node = checker.node(tree);
    match node {
        Some(node) if checker.mistakes.is_empty() => Ok((node, checker.clauses)),
        _ => Err(checker.mistakes),
    }
}

/// `None` where a mistake was noted.
struct Checker {
    mistakes: Vec<Mistake>,
    clauses: usize,
}

impl Checker {
    fn wrong<T>(&mut self, mistake: Mistake) -> Option<T> {
        self.mistakes.push(mistake);
        None
    }

    fn node(&mut self, tree: &Tree) -> Option<Node> {
        match tree {
            Tree::Or(all) => self.nodes(all).map(Node::Or),
            Tree::And(all) => self.nodes(all).map(Node::And),
            Tree::Not(inner) => Some(Node::Not(Box::new(self.node(inner)?))),
            other => {
                self.clauses += 1;
                let (at, test) = self.test(other)?;
                Some(Node::Test(at, test))
            }
        }
    }

    /// Every branch is looked at, so that every mistake shows.
    fn nodes(&mut self, all: &[Tree]) -> Option<Vec<Node>> {
        let nodes: Vec<_> = all.iter().map(|t| self.node(t)).collect();
        nodes.into_iter().collect()
    }

    fn test(&mut self, tree: &Tree) -> Option<(At, Test)> {
        match tree {
            Tree::Compare(left, op, right) => {
                Some((left.at.start..right.at.end, self.compare(left, *op, right)?))
            }
            Tree::In(left, items) => {
                let end = items.last().map_or(left.at.end, |(l, h)| h.as_ref().unwrap_or(l).at.end);
                Some((left.at.start..end, self.set(left, items)?))
            }
            Tree::Contains(left, right) => {
                let at = left.at.start..right.at.end;
                let operand = self.typed(left, &[Kind::Text], "`contains` looks into text")?;
                let text = self.text(right)?;
                Some((at, Test::Contains(operand, text)))
            }
            Tree::Matches(left, right) => Some((left.at.start..right.at.end, self.matches(left, right)?)),
            Tree::Bare(sum) => Some((sum.at.clone(), self.bare(sum)?)),
            Tree::Or(_) | Tree::And(_) | Tree::Not(_) => None,
        }
    }

    fn bare(&mut self, sum: &Sum) -> Option<Test> {
        let field = self.field(sum)?;
        Some(if field.kind == Kind::Flag { Test::Flag(field) } else { Test::There(field) })
    }

    /// What decides how to compare stands on the left: a value before its field is read as behind it.
    fn compare(&mut self, left: &Sum, op: Op, right: &Sum) -> Option<Test> {
        if left.is_value() && right.is_name() {
            return self.compare(right, op.turned(), left);
        }
        let field = self.single_field(left)?;
        if let (Some(field), What::Net(ip, bits)) = (field, &right.first.what) {
            self.alone(right)?;
            return self.net(field, left, op, &[(*ip, *bits)]);
        }
        if let Some(field) = field.filter(|f| !f.kind.words().is_empty()) {
            return self.word(field, op, right);
        }
        let (a, kind) = self.sum(left)?;
        let (b, other) = self.sum(right)?;
        if !comparable(kind, other) {
            return self.wrong(mismatch(left, kind, right, other));
        }
        if !kind.ordered() && !matches!(op, Op::Eq | Op::Ne) {
            let text = format!("a {} has no order; only `==` and `!=` compare it", kind.name());
            return self.wrong(Mistake::new(left.at.clone(), text));
        }
        Some(Test::Compare(a, op, b))
    }

    /// A comparison of a word: the right side is one of its words, quoted or not, or another field.
    fn word(&mut self, field: &'static Field, op: Op, right: &Sum) -> Option<Test> {
        self.alone(right)?;
        if let What::Name(name) = &right.first.what
            && let Some(other) = fields::find(name)
        {
            return self.word_with_field(field, op, right, other);
        }
        let place = self.place_of_word(field, &right.first)?;
        match (field.kind, op) {
            (_, Op::Eq | Op::Ne) => {
                let word = Value::from(field.kind.words()[place]);
                Some(Test::Compare(Operand::Field(field), op, Operand::Literal(word)))
            }
            (Kind::Step(_), _) => Some(Test::Step(field, op, place)),
            _ => self
                .wrong(Mistake::new(right.at.clone(), "these words have no order; use `==`, `!=` or `in`")),
        }
    }

    fn word_with_field(
        &mut self,
        field: &'static Field,
        op: Op,
        right: &Sum,
        other: &'static Field,
    ) -> Option<Test> {
        let at = right.at.clone();
        if !comparable(field.kind, other.kind) {
            let text = format!(
                "`{}` is a {}, and `{}` is a {}",
                field.name,
                field.kind.name(),
                other.name,
                other.kind.name()
            );
            return self.wrong(Mistake::new(at, text).help(format!(
                "`{}` is one of: {}",
                field.name,
                field.kind.words().join(", ")
            )));
        }
        if !matches!(op, Op::Eq | Op::Ne) {
            let text = "the words of two fields have no order; only `==` and `!=` compare them";
            return self.wrong(Mistake::new(at, text));
        }
        Some(Test::Compare(Operand::Field(field), op, Operand::Field(other)))
    }

    fn place_of_word(&mut self, field: &'static Field, atom: &Atom) -> Option<usize> {
        let (What::Name(word) | What::Text(word)) = &atom.what else {
            let text = format!("`{}` is one of: {}", field.name, field.kind.words().join(", "));
            return self.wrong(Mistake::new(atom.at.clone(), text));
        };
        let words = field.kind.words();
        if let Some(place) = words.iter().position(|w| w == word) {
            Some(place)
        } else {
            let text = format!("`{word}` is no value of `{}`; it has: {}", field.name, words.join(", "));
            self.wrong(Mistake::new(atom.at.clone(), text).suggest(word, words.iter().copied()))
        }
    }

    fn net(&mut self, field: &'static Field, left: &Sum, op: Op, nets: &[(IpAddr, u8)]) -> Option<Test> {
        if field.kind != Kind::Address {
            let text = format!("`{}` is a {}, not an address", field.name, field.kind.name());
            return self.wrong(Mistake::new(left.at.clone(), text));
        }
        if !matches!(op, Op::Eq | Op::Ne) {
            return self
                .wrong(Mistake::new(left.at.clone(), "addresses have no order; use `==`, `!=` or `in`"));
        }
        Some(Test::Net(field, op, nets.to_vec()))
    }

    /// A word or a network is added to nothing.
    fn alone(&mut self, sum: &Sum) -> Option<()> {
        if sum.rest.is_empty() {
            return Some(());
        }
        self.wrong(Mistake::new(sum.at.clone(), "nothing can be added to or taken from a word or a network"))
    }

    fn matches(&mut self, left: &Sum, right: &Sum) -> Option<Test> {
        let field = self.field(left)?;
        if !matches!(field.kind, Kind::Text | Kind::Word(_) | Kind::Step(_)) {
            let text = format!("`matches` looks into text, and `{}` is a {}", field.name, field.kind.name());
            return self.wrong(Mistake::new(left.at.clone(), text));
        }
        let pattern = self.text(right)?;
        match RegexBuilder::new(&pattern).size_limit(MAX_REGEX_BYTES).nest_limit(32).build() {
            Ok(regex) => Some(Test::Matches(field, regex)),
            Err(error) => {
                let why = error.to_string();
                let last = why.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                self.wrong(Mistake::new(
                    right.at.clone(),
                    format!("this regular expression is not valid: {last}"),
                ))
            }
        }
    }

    fn text(&mut self, sum: &Sum) -> Option<String> {
        match &sum.first.what {
            What::Text(text) if sum.rest.is_empty() => Some(text.clone()),
            _ => self.wrong(Mistake::new(sum.at.clone(), "expected a text in double quotes")),
        }
    }

    fn typed(&mut self, sum: &Sum, kinds: &[Kind], why: &str) -> Option<Operand> {
        let (operand, kind) = self.sum(sum)?;
        if kinds.contains(&kind) {
            return Some(operand);
        }
        self.wrong(Mistake::new(sum.at.clone(), format!("{why}, and this is a {}", kind.name())))
    }

    /// The field that the sum is; a mistake where it is something else.
    fn field(&mut self, sum: &Sum) -> Option<&'static Field> {
        match self.single_field(sum)? {
            Some(field) => Some(field),
            None => self.wrong(Mistake::new(sum.at.clone(), "expected a field here").help(FIELDS_HELP)),
        }
    }

    /// The field that the sum is, if it is a single name; the outer `None` is a mistake that was noted.
    #[allow(clippy::option_option, reason = "a mistake, no field and a field are three outcomes")]
    fn single_field(&mut self, sum: &Sum) -> Option<Option<&'static Field>> {
        match &sum.first.what {
            What::Name(name) if sum.rest.is_empty() => self.named(name, &sum.first.at).map(Some),
            _ => Some(None),
        }
    }

    fn named(&mut self, name: &str, at: &At) -> Option<&'static Field> {
        match fields::find(name) {
            Some(field) => Some(field),
            None => self.wrong(unknown_field(name, at)),
        }
    }

    fn sum(&mut self, sum: &Sum) -> Option<(Operand, Kind)> {
        let (first, kind) = self.atom(&sum.first)?;
        if sum.rest.is_empty() {
            return Some((first, kind));
        }
        let mut rest = Vec::new();
        for (plus, atom) in &sum.rest {
            let (operand, other) = self.atom(atom)?;
            let adds = matches!(kind, Kind::Number | Kind::Bytes | Kind::Span) && comparable(kind, other);
            if !adds {
                let text = format!("a {} and a {} cannot be added", kind.name(), other.name());
                return self.wrong(Mistake::new(sum.at.clone(), text));
            }
            rest.push((*plus, operand));
        }
        Some((Operand::Sum(Box::new(first), rest), kind))
    }

    fn atom(&mut self, atom: &Atom) -> Option<(Operand, Kind)> {
        Some(match &atom.what {
            What::Name(name) => {
                let field = self.named(name, &atom.at)?;
                (Operand::Field(field), field.kind)
            }
            What::Flag(flag) => (Operand::Literal(Value::Flag(*flag)), Kind::Flag),
            What::Text(text) => (Operand::Literal(Value::from(text.clone())), Kind::Text),
            What::Number(n) => (Operand::Literal(Value::Number(*n)), Kind::Number),
            What::Bytes(n) => (Operand::Literal(Value::Number(*n)), Kind::Bytes),
            What::Span(span) => (Operand::Literal(Value::Span(*span)), Kind::Span),
            What::Net(ip, bits) if *bits == if ip.is_ipv4() { 32 } else { 128 } => {
                (Operand::Literal(Value::Address(*ip)), Kind::Address)
            }
            What::Net(..) => {
                let text = "a network is compared with a field alone";
                return self
                    .wrong(Mistake::new(atom.at.clone(), text).help("such as `ip.resp == 10.96.0.0/12`"));
            }
        })
    }
}

/// Words compare as text with text.
fn comparable(a: Kind, b: Kind) -> bool {
    let text = |k| matches!(k, Kind::Text | Kind::Word(_) | Kind::Step(_));
    let number = |k| matches!(k, Kind::Number | Kind::Bytes);
    a == b || (text(a) && text(b)) || (number(a) && number(b))
}

fn mismatch(left: &Sum, kind: Kind, right: &Sum, other: Kind) -> Mistake {
    let text = format!("a {} is compared with a {}", kind.name(), other.name());
    let at = left.at.start.min(right.at.start)..left.at.end.max(right.at.end);
    let mistake = Mistake::new(at, text);
    match (kind, &right.first.what) {
        (Kind::Span, What::Number(n)) => mistake.help(format!("write a unit: `{n}s` or `{n}ms`")),
        (Kind::Text, _) => mistake.help("put texts in double quotes"),
        (Kind::Flag, _) => mistake.help("write the field alone, or `!` before it"),
        _ => mistake,
    }
}

fn unknown_field(name: &str, at: &At) -> Mistake {
    let text = format!("there is no field `{name}`");
    let mistake = Mistake::new(at.clone(), text).suggest(name, fields::all().map(|f| f.name));
    let kin = fields::kin(name).iter().map(|f| format!("`{f}`")).collect::<Vec<_>>().join(", ");
    match (&mistake.help, kin.as_str()) {
        (Some(_), _) => mistake,
        (None, "") => mistake.help(FIELDS_HELP),
        (None, kin) => mistake.help(format!("there is {kin}; {FIELDS_HELP}")),
    }
}

const FIELDS_HELP: &str = "`wirecause rules fields` lists all fields; texts stand in double quotes";

/// Compiled size of a regular expression.
const MAX_REGEX_BYTES: usize = 256 << 10;
