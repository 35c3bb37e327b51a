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
use nom::bytes::complete::{tag, take_while1};
use nom::character::complete::{char, multispace0};
use nom::combinator::{cut, opt};
use nom::error::{ErrorKind, ParseError};
use nom::multi::{many0, separated_list1};
use nom::sequence::preceded;
use nom::{IResult, Parser};

use super::At;
use crate::rules::mistakes::Mistake;
use crate::time::TimeDelta;

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

/// `"…"` with `\"`, `\\`, `\n` and `\t`; any other escape is kept, so that regular expressions read as written.
fn quoted(input: &str) -> Parsed<'_, What> {
    let mut text = String::new();
    let mut chars = input.char_indices().skip(1);
    while let Some((n, c)) = chars.next() {
        match c {
            '"' => return Ok((&input[n + 1..], What::Text(text))),
            '\\' => match chars.next() {
                Some((_, c @ ('"' | '\\'))) => text.push(c),
                Some((_, 'n')) => text.push('\n'),
                Some((_, 't')) => text.push('\t'),
                Some((_, other)) => text.extend(['\\', other]),
                None => break,
            },
            other => text.push(other),
        }
    }
    fail(input, "a closing quote for this text")
}

/// A name, number, duration, size, address or network.
fn token(input: &str) -> Parsed<'_, What> {
    let mut run = take_while1(|c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | ':' | '/'));
    let (_, text): (_, &str) = run.parse(input).map_err(|_: nom::Err<Oops>| expected_value(input))?;
    let text = text.split("..").next().unwrap_or(text);
    if text.is_empty() {
        return Err(expected_value(input));
    }
    let rest = &input[text.len()..];
    let what = match text {
        "true" => What::Flag(true),
        "false" => What::Flag(false),
        "and" | "or" | "not" | "in" | "contains" | "matches" => return Err(expected_value(input)),
        _ if text.contains(':') || text.starts_with(|c: char| c.is_ascii_digit()) => match literal(text) {
            Ok(what) => what,
            Err(expected) => return fail(input, expected),
        },
        _ => What::Name(text.to_owned()),
    };
    Ok((rest, what))
}

fn expected_value(input: &str) -> nom::Err<Oops> {
    nom::Err::Failure(Oops { rest: input.len(), expected: "a field or a value" })
}

/// What starts with a digit or holds a colon.
fn literal(text: &str) -> Result<What, &'static str> {
    let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
    if let Ok(ip) = address.parse::<IpAddr>() {
        let whole = if ip.is_ipv4() { 32 } else { 128 };
        return match prefix.map_or(Ok(whole), str::parse) {
            Ok(bits) if bits <= whole => Ok(What::Net(ip, bits)),
            _ => Err("a prefix length of at most 32 (IPv4) or 128 (IPv6)"),
        };
    }
    let digits = text.trim_end_matches(|c: char| c.is_alphabetic());
    let (number, unit) = (digits.replace('_', ""), &text[digits.len()..]);
    if let Some(hex) = text.strip_prefix("0x") {
        return i64::from_str_radix(hex, 16).map(What::Number).map_err(|_| "a hexadecimal number");
    }
    if unit.is_empty() {
        return number.parse().map(What::Number).map_err(|_| "a whole number, a duration or an address");
    }
    let value: f64 = number.parse().map_err(|_| "a number before the unit")?;
    if let Some((_, nanos)) = DURATIONS.iter().find(|(u, _)| *u == unit) {
        return Ok(What::Span(TimeDelta((value * nanos) as i64)));
    }
    match SIZES.iter().find(|(u, _)| *u == unit) {
        Some((_, bytes)) => Ok(What::Bytes((value * bytes) as i64)),
        None => Err("a unit such as ns, us, ms, s, m, h, d, B, KB, KiB, MiB, GiB"),
    }
}

/// Nanoseconds of each unit of time.
const DURATIONS: [(&str, f64); 8] = [
    ("ns", 1.0),
    ("us", 1e3),
    ("µs", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
    ("m", 60e9),
    ("h", 3600e9),
    ("d", 86_400e9),
];

/// Bytes of each unit of size.
const SIZES: [(&str, f64); 7] = [
    ("B", 1.0),
    ("KB", 1e3),
    ("MB", 1e6),
    ("GB", 1e9),
    ("KiB", 1024.0),
    ("MiB", 1_048_576.0),
    ("GiB", 1_073_741_824.0),
];

/// Levels of parentheses and negations.
const MAX_DEPTH: u8 = 32;
