//! Text in, a tree with spans out (nom 8). Knows no field; nesting is bounded.
//!
//! ```text
//! or      = and  { ("||" | "or") and }
//! and     = not  { ("&&" | "and") not }
//! not     = ("!" | "not") not | "(" or ")" | test
//! test    = sum [ compare sum | ["not"] "in" "{" item { "," item } "}" | "contains" sum | "matches" sum ]
//! item    = sum [ ".." sum ]
//! sum     = atom { ("+" | "-") atom }
//! atom    = "text" | number | 10s | 64KiB | 10.0.0.0/8 | fe80::1 | name.of.field | word | true | false
//! ```

use std::net::IpAddr;

use nom::branch::alt;
use nom::bytes::complete::tag;
use nom::character::complete::{char, multispace0};
use nom::combinator::{cut, opt};
use nom::error::{ErrorKind, ParseError};
use nom::multi::{many0, separated_list1};
use nom::sequence::preceded;
use nom::{IResult, Parser};

use super::At;
use crate::rules::mistakes::Mistake;
use crate::time::TimeDelta;

mod values;

use values::{quoted, token};

/// A condition as written.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Tree {
    Or(Vec<Tree>),
    And(Vec<Tree>),
    Not(Box<Tree>),
    Bare(Sum),
    Compare(Sum, Op, Sum),
    In(Sum, Vec<(Sum, Option<Sum>)>),
    Contains(Sum, Sum),
    Matches(Sum, Sum),
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

impl Op {
    /// The same comparison with its sides exchanged.
    pub(super) const fn turned(self) -> Self {
        match self {
            Self::Eq | Self::Ne => self,
            Self::Lt => Self::Gt,
            Self::Le => Self::Ge,
            Self::Gt => Self::Lt,
            Self::Ge => Self::Le,
        }
    }
}

/// Atoms added and subtracted.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sum {
    pub(super) at: At,
    pub(super) first: Atom,
    pub(super) rest: Vec<(bool, Atom)>,
}

impl Sum {
    /// A field or a word alone.
    pub(super) fn is_name(&self) -> bool {
        self.rest.is_empty() && matches!(self.first.what, What::Name(_))
    }

    /// A value alone.
    pub(super) fn is_value(&self) -> bool {
        self.rest.is_empty() && !self.is_name()
    }
}

/// An operand with its place.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Atom {
    pub(super) at: At,
    pub(super) what: What,
}

/// What an operand is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum What {
    Name(String),
    Flag(bool),
    Text(String),
    Number(i64),
    Bytes(i64),
    Span(TimeDelta),
    Net(IpAddr, u8),
}

/// Parses the whole of `source`.
pub(super) fn parse(source: &str) -> Result<Tree, Mistake> {
    let grammar = Grammar { total: source.len() };
    match grammar.or(source, 0) {
        Ok((rest, tree)) if rest.trim_start().is_empty() => Ok(tree),
        Ok((rest, _)) => Err(grammar.leftover(rest.trim_start())),
        Err(nom::Err::Error(oops) | nom::Err::Failure(oops)) => Err(grammar.mistake(source, &oops)),
        Err(nom::Err::Incomplete(_)) => Err(Mistake::new(0..source.len(), "the condition is incomplete")),
    }
}

/// Where parsing stopped, and what was expected there.
#[derive(Clone, Debug)]
struct Oops {
    rest: usize,
    expected: &'static str,
}

impl ParseError<&str> for Oops {
    fn from_error_kind(input: &str, _: ErrorKind) -> Self {
        Self { rest: input.len(), expected: "" }
    }
    fn append(_: &str, _: ErrorKind, other: Self) -> Self {
        other
    }
}

type Parsed<'i, T> = IResult<&'i str, T, Oops>;

#[derive(Clone, Copy)]
struct Grammar {
    total: usize,
}

impl Grammar {
    fn offset(self, rest: &str) -> usize {
        self.total - rest.len()
    }

    fn or(self, input: &str, depth: u8) -> Parsed<'_, Tree> {
        let (rest, first) = self.and(input, depth)?;
        let more = preceded(operator("||", "or"), cut(move |i| self.and(i, depth)));
        let (rest, more) = many0(more).parse(rest)?;
        Ok((rest, joined(first, more, Tree::Or)))
    }

    fn and(self, input: &str, depth: u8) -> Parsed<'_, Tree> {
        let (rest, first) = self.not(input, depth)?;
        let more = preceded(operator("&&", "and"), cut(move |i| self.not(i, depth)));
        let (rest, more) = many0(more).parse(rest)?;
        Ok((rest, joined(first, more, Tree::And)))
    }

    fn not(self, input: &str, depth: u8) -> Parsed<'_, Tree> {
        let (input, _) = multispace0(input)?;
        if depth >= MAX_DEPTH {
            return fail(input, "at most 32 levels of parentheses and negations");
        }
        if let (rest, Some(_)) = opt(alt((word("not"), bang))).parse(input)? {
            let (rest, inner) = cut(move |i| self.not(i, depth + 1)).parse(rest)?;
            return Ok((rest, Tree::Not(Box::new(inner))));
        }
        if let Some(rest) = input.strip_prefix('(') {
            let (rest, inner) = cut(move |i| self.or(i, depth + 1)).parse(rest)?;
            let (rest, _) = multispace0(rest)?;
            let Some(rest) = rest.strip_prefix(')') else {
                return fail(rest, "`)`");
            };
            return Ok((rest, inner));
        }
        self.test(input)
    }

    fn test(self, input: &str) -> Parsed<'_, Tree> {
        let (rest, left) = self.sum(input)?;
        if let Ok((rest, op)) = comparison(rest) {
            let (rest, right) = cut(move |i| self.sum(i)).parse(rest)?;
            return Ok((rest, Tree::Compare(left, op, right)));
        }
        let (after, verb) =
            opt(preceded(multispace0, alt((word("contains"), word("matches"))))).parse(rest)?;
        if let Some(verb) = verb {
            let (after, right) = cut(move |i| self.sum(i)).parse(after)?;
            let tree =
                if verb == "contains" { Tree::Contains(left, right) } else { Tree::Matches(left, right) };
            return Ok((after, tree));
        }
        let (after, negated) = opt(preceded(multispace0, word("not"))).parse(rest)?;
        if let (after, Some(_)) = opt(preceded(multispace0, word("in"))).parse(after)? {
            let (after, items) = cut(move |i| self.set(i)).parse(after)?;
            let tree = Tree::In(left, items);
            return Ok((after, if negated.is_some() { Tree::Not(Box::new(tree)) } else { tree }));
        }
        Ok((rest, Tree::Bare(left)))
    }

    fn set(self, input: &str) -> Parsed<'_, Vec<(Sum, Option<Sum>)>> {
        let (input, _) = multispace0(input)?;
        let Some(rest) = input.strip_prefix('{') else {
            return fail(input, "`{`");
        };
        let comma = preceded(multispace0, char(','));
        let (rest, items) = separated_list1(comma, move |i| self.item(i)).parse(rest)?;
        let (rest, _) = multispace0(rest)?;
        match rest.strip_prefix('}') {
            Some(rest) => Ok((rest, items)),
            None => fail(rest, "`,` or `}`"),
        }
    }

    fn item(self, input: &str) -> Parsed<'_, (Sum, Option<Sum>)> {
        let (rest, low) = self.sum(input)?;
        let (rest, high) = opt(preceded((multispace0, tag("..")), cut(move |i| self.sum(i)))).parse(rest)?;
        Ok((rest, (low, high)))
    }

    fn sum(self, input: &str) -> Parsed<'_, Sum> {
        let (rest, first) = self.atom(input)?;
        let sign = preceded(multispace0, alt((char('+'), char('-'))));
        let (rest, more) = many0((sign, cut(move |i| self.atom(i)))).parse(rest)?;
        let end = more.last().map_or(first.at.end, |(_, a)| a.at.end);
        let at = first.at.start..end;
        Ok((rest, Sum { at, first, rest: more.into_iter().map(|(s, a)| (s == '+', a)).collect() }))
    }

    fn atom(self, input: &str) -> Parsed<'_, Atom> {
        let (input, _) = multispace0(input)?;
        let (rest, what) = match input.chars().next() {
            Some('"') => quoted(input)?,
            Some(_) => token(input)?,
            None => return fail(input, "a field or a value"),
        };
        Ok((rest, Atom { at: self.offset(input)..self.offset(rest), what }))
    }

    fn leftover(self, rest: &str) -> Mistake {
        let at = self.offset(rest);
        let word = rest.find(char::is_whitespace).map_or(self.total, |n| at + n);
        if rest.starts_with('=') {
            return Mistake::new(at..at + 1, "`=` does not compare").help("write `==`");
        }
        Mistake::new(at..word, "expected an operator here")
            .help("operators are == != < <= > >= in contains matches && || and or")
    }

    fn mistake(self, source: &str, oops: &Oops) -> Mistake {
        let rest = source.get(self.total.saturating_sub(oops.rest)..).unwrap_or_default();
        let start = self.offset(rest.trim_start());
        let end = source[start..].find([' ', ')', '\n']).map_or(self.total, |n| start + n.max(1));
        let expected = if oops.expected.is_empty() { "a field or a value" } else { oops.expected };
        let found = if start >= self.total { " at the end" } else { "" };
        Mistake::new(start..end, format!("expected {expected}{found}"))
    }
}

fn fail<'i, T>(input: &'i str, expected: &'static str) -> Parsed<'i, T> {
    Err(nom::Err::Failure(Oops { rest: input.len(), expected }))
}

fn joined(first: Tree, mut more: Vec<Tree>, join: fn(Vec<Tree>) -> Tree) -> Tree {
    if more.is_empty() {
        return first;
    }
    more.insert(0, first);
    join(more)
}

/// A symbol or its word, with blanks before it.
fn operator<'i>(
    symbol: &'static str,
    name: &'static str,
) -> impl Parser<&'i str, Output = &'i str, Error = Oops> {
    preceded(multispace0, alt((tag(symbol), word(name))))
}

/// A word that does not go on.
fn word<'i>(name: &'static str) -> impl Parser<&'i str, Output = &'i str, Error = Oops> {
    move |input: &'i str| {
        let (rest, found) = tag(name).parse(input)?;
        if rest.starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '.') {
            return Err(nom::Err::Error(Oops { rest: input.len(), expected: "" }));
        }
        Ok((rest, found))
    }
}

/// `!` that is not the start of `!=`.
fn bang(input: &str) -> Parsed<'_, &str> {
    if input.starts_with("!=") {
        return Err(nom::Err::Error(Oops { rest: input.len(), expected: "" }));
    }
    tag("!").parse(input)
}

fn comparison(input: &str) -> Parsed<'_, Op> {
    let symbols = alt((
        tag("==").map(|_| Op::Eq),
        tag("!=").map(|_| Op::Ne),
        tag("<=").map(|_| Op::Le),
        tag(">=").map(|_| Op::Ge),
        tag("<").map(|_| Op::Lt),
        tag(">").map(|_| Op::Gt),
    ));
    let words = alt((
        word("eq").map(|_| Op::Eq),
        word("ne").map(|_| Op::Ne),
        word("le").map(|_| Op::Le),
        word("ge").map(|_| Op::Ge),
        word("lt").map(|_| Op::Lt),
        word("gt").map(|_| Op::Gt),
    ));
    preceded(multispace0, alt((symbols, words))).parse(input)
}

/// Levels of parentheses and negations.
const MAX_DEPTH: u8 = 32;
