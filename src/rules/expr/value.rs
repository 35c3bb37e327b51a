//! What a field can be, and the three truth values.

use std::borrow::Cow;
use std::net::IpAddr;

use crate::time::{TimeDelta, Timestamp};

/// The type of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// True or false.
    Flag,
    /// A whole number.
    Number,
    /// A number of bytes.
    Bytes,
    /// A span of time.
    Span,
    /// A point in time.
    Time,
    /// Text.
    Text,
    /// An IP address.
    Address,
    /// One of these words.
    Word(&'static [&'static str]),
    /// One of these words, which have an order: `<` and `>=` may be asked.
    Step(&'static [&'static str]),
}

impl Kind {
    /// The name of the type in `rules fields`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Flag => "boolean",
            Self::Number => "number",
            Self::Bytes => "size",
            Self::Span => "duration",
            Self::Time => "time",
            Self::Text => "text",
            Self::Address => "address",
            Self::Word(_) => "word",
            Self::Step(_) => "step",
        }
    }

    /// Unit of the type in `rules fields`; empty where there is none.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Span => "10s, 500ms, 20us",
            Self::Address => "address or CIDR",
            Self::Time => "RFC 3339",
            _ => "",
        }
    }

    /// Whether its values have an order of their own; that of steps is of their list.
    pub(super) const fn ordered(self) -> bool {
        matches!(self, Self::Number | Self::Bytes | Self::Span | Self::Time)
    }

    /// The words of a word or step.
    pub const fn words(self) -> &'static [&'static str] {
        match self {
            Self::Word(words) | Self::Step(words) => words,
            _ => &[],
        }
    }
}

/// The value of a field for one case.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// Nothing says what it is.
    Unknown,
    /// It is known that there is none.
    Absent,
    /// Of [`Kind::Flag`].
    Flag(bool),
    /// Of [`Kind::Number`] and [`Kind::Bytes`].
    Number(i64),
    /// Of [`Kind::Span`].
    Span(TimeDelta),
    /// Of [`Kind::Time`].
    Time(Timestamp),
    /// Of [`Kind::Text`], [`Kind::Word`] and [`Kind::Step`].
    Text(Cow<'a, str>),
    /// Of [`Kind::Address`].
    Address(IpAddr),
    /// Several values of one kind; none is [`Value::Absent`]. With [`Value::Unknown`] among them there may be others.
    Many(Vec<Value<'a>>),
}

impl Value<'_> {
    /// As a person reads it; unknown and absent ones as phrases.
    pub fn show(&self) -> String {
        match self {
            Self::Unknown => "unknown".to_owned(),
            Self::Absent => "none".to_owned(),
            Self::Flag(flag) => if *flag { "yes" } else { "no" }.to_owned(),
            Self::Number(n) => n.to_string(),
            Self::Span(span) => span.to_string(),
            Self::Time(time) => time.to_string(),
            Self::Text(text) => text.to_string(),
            Self::Address(address) => address.to_string(),
            Self::Many(all) => all.iter().map(Value::show).collect::<Vec<_>>().join(", "),
        }
    }

    /// Neither unknown nor absent.
    pub fn is_there(&self) -> bool {
        !matches!(self, Self::Unknown | Self::Absent)
    }
}

impl From<bool> for Value<'_> {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<u64> for Value<'_> {
    fn from(n: u64) -> Self {
        Self::Number(i64::try_from(n).unwrap_or(i64::MAX))
    }
}

impl From<u32> for Value<'_> {
    fn from(n: u32) -> Self {
        Self::Number(i64::from(n))
    }
}

impl From<u16> for Value<'_> {
    fn from(n: u16) -> Self {
        Self::Number(i64::from(n))
    }
}

impl From<u8> for Value<'_> {
    fn from(n: u8) -> Self {
        Self::Number(i64::from(n))
    }
}

impl From<TimeDelta> for Value<'_> {
    fn from(span: TimeDelta) -> Self {
        Self::Span(span)
    }
}

impl From<Timestamp> for Value<'_> {
    fn from(time: Timestamp) -> Self {
        Self::Time(time)
    }
}

impl From<IpAddr> for Value<'_> {
    fn from(address: IpAddr) -> Self {
        Self::Address(address)
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

/// `None` is absent.
impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Absent, Into::into)
    }
}

/// None of them is absent.
impl<'a> FromIterator<Value<'a>> for Value<'a> {
    fn from_iter<I: IntoIterator<Item = Value<'a>>>(values: I) -> Self {
        let all: Vec<_> = values.into_iter().collect();
        if all.is_empty() { Self::Absent } else { Self::Many(all) }
    }
}

/// Kleene's three values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Truth {
    /// It does not hold.
    False,
    /// What is known does not decide it.
    Unknown,
    /// It holds.
    True,
}

impl Truth {
    /// `true`, `false` or `unknown`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::False => "false",
            Self::Unknown => "unknown",
            Self::True => "true",
        }
    }

    /// It holds for sure.
    pub const fn holds(self) -> bool {
        matches!(self, Self::True)
    }
}

impl std::ops::Not for Truth {
    type Output = Self;
    fn not(self) -> Self {
        match self {
            Self::False => Self::True,
            Self::Unknown => Self::Unknown,
            Self::True => Self::False,
        }
    }
}

impl From<bool> for Truth {
    fn from(flag: bool) -> Self {
        if flag { Self::True } else { Self::False }
    }
}
