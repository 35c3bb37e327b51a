//! One value or name as it is written: text, number, duration, size, address, network, field, word.

use std::net::IpAddr;

use nom::Parser;
use nom::bytes::complete::take_while1;

use super::{Oops, Parsed, What, fail};
use crate::time::TimeDelta;

/// `"…"` with `\"`, `\\`, `\n` and `\t`; any other escape is kept, so that regular expressions read as written.
pub(super) fn quoted(input: &str) -> Parsed<'_, What> {
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
pub(super) fn token(input: &str) -> Parsed<'_, What> {
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
