//! IPv4 addresses, and the numbers around them that are none: dates, versions, object identifiers, ports.

use std::net::{IpAddr, Ipv4Addr};

use super::super::Addresses;
use super::begins_with;

impl Addresses {
    /// Four numbers of an IPv4 address with dots, dashes or underscores between them, among the numbers that `rest`
    /// begins with.
    pub(super) fn numbers(&mut self, rest: &str, before: &str) -> Option<(String, usize)> {
        let first = rest.find(|c: char| !c.is_ascii_digit())?;
        let mark = rest[first..].chars().next().filter(|c| matches!(c, '.' | '-' | '_'))?;
        let mut numbers: Vec<&str> = rest
            .split(mark)
            .scan(true, |whole, part| {
                let number = whole.then(|| digits(part)).filter(|n| !n.is_empty())?;
                *whole = number.len() == part.len();
                Some(number)
            })
            .collect();
        let mut length = numbers.iter().map(|n| n.len() + 1).sum::<usize>() - 1;
        let last = length - numbers.last()?.len();
        let is_date = numbers.len() == 3 && date(&numbers) == 3;
        let (here, behind) = (&rest[last..], rest.get(length + 1..).unwrap_or_default());
        if mark != '.' && !is_date && is_dotted(here) && !is_dotted(behind) {
            // `node-3-10.0.0.9`: the last number is the first of an address.
            numbers.pop();
            length = last - 1;
        }
        if mark == '.' {
            self.dotted(rest, &numbers, length, before)
        } else {
            Some(self.dashed(&numbers, length, mark))
        }
    }

    fn dotted(
        &mut self,
        rest: &str,
        numbers: &[&str],
        length: usize,
        before: &str,
    ) -> Option<(String, usize)> {
        let whole = (numbers.join("."), length);
        if begins_with(rest.get(length..)?, ".in-addr.arpa") {
            return Some((self.reversed(numbers), length));
        }
        if numbers.len() == 3 && !is_version(before) && ENDS.iter().any(|end| rest[length..].starts_with(end))
        {
            return Some((self.network(numbers)?.join("."), length));
        }
        let is_octet = |n: &&str| octet(n).is_some();
        let begin = (date(numbers)..numbers.len())
            .find(|n| numbers[*n..].iter().take(4).filter(|n| is_octet(n)).count() == 4);
        let Some(begin) = begin else { return (numbers.len() > 1).then_some(whole) };
        let letter = before.ends_with(|c: char| c.is_ascii_alphabetic());
        let octets = numbers.iter().take_while(|n| is_octet(n)).count();
        let from = match octets {
            // `v1.36.2.10` is a version, `1.3.6.1.5.5.7` an object identifier.
            _ if is_version(before) => return Some(whole),
            6.. if matches!(numbers[0], "0" | "1" | "2") => return Some(whole),
            // `app1.10.0.0.9`: the first number is of a word.
            5 if letter && numbers.len() == 5 => 1,
            _ => begin,
        };
        let (word, addresses) = numbers.split_at(from);
        let mut parts: Vec<String> = word.iter().map(|n| (*n).to_owned()).collect();
        for four in addresses.chunks(4) {
            parts.push(self.of_octets(four, ".").unwrap_or_else(|| four.join(".")));
        }
        Some((parts.join("."), length))
    }

    /// `9.0.0.10.in-addr.arpa`, and the names of networks, which have fewer numbers; what stands before four is no part
    /// of the address.
    fn reversed(&mut self, numbers: &[&str]) -> String {
        let (before, labels) = numbers.split_at(numbers.len().saturating_sub(4));
        let in_order: Vec<&str> = labels.iter().rev().copied().collect();
        let Some(new) = self.network(&in_order) else { return numbers.join(".") };
        let before = before.iter().map(|label| (*label).to_owned());
        before.chain(new.into_iter().rev()).collect::<Vec<_>>().join(".")
    }

    /// The first two to four numbers of addresses.
    fn network(&mut self, numbers: &[&str]) -> Option<Vec<String>> {
        let octets: Option<Vec<u8>> = numbers.iter().map(|n| octet(n)).collect();
        let octets = octets.filter(|octets| (2..=4).contains(&octets.len()))?;
        let mut ip = [0; 4];
        ip[..octets.len()].copy_from_slice(&octets);
        let new = self.ip(IpAddr::from(ip)).to_string();
        Some(new.split('.').take(octets.len()).map(str::to_owned).collect())
    }

    /// `ip-10-0-0-9-eth0`, also behind the numbers of a date or of another name; the last four that can be one are the
    /// address.
    fn dashed(&mut self, numbers: &[&str], length: usize, mark: char) -> (String, usize) {
        let plain = |n: &&str| octet(n).is_some() && (n.len() == 1 || !n.starts_with('0'));
        let mark = String::from(mark);
        let fours = (date(numbers)..(numbers.len() + 1).saturating_sub(4)).rev();
        let can_be = |at: &usize| numbers[*at..*at + 4].iter().all(plain);
        let at =
            fours.clone().find(|at| can_be(at) && numbers[*at] != "0").or_else(|| fours.clone().find(can_be));
        let new = at.and_then(|at| {
            let (before, rest) = numbers.split_at(at);
            let (four, after) = rest.split_at(4);
            let new = self.of_octets(four, &mark)?;
            let parts = before.iter().copied().chain([new.as_str()]).chain(after.iter().copied());
            Some(parts.collect::<Vec<_>>().join(&mark))
        });
        (new.unwrap_or_else(|| numbers.join(&mark)), length)
    }

    /// An address of four numbers; one that has three digits in each keeps them.
    fn of_octets(&mut self, four: &[&str], mark: &str) -> Option<String> {
        let [a, b, c, d] = four else { return None };
        let ip = Ipv4Addr::from([octet(a)?, octet(b)?, octet(c)?, octet(d)?]);
        let IpAddr::V4(new) = self.ip(IpAddr::V4(ip)) else { return None };
        let filled = four.iter().all(|n| n.len() == 3) && four.iter().any(|n| n.starts_with('0'));
        Some(new.octets().map(|n| if filled { format!("{n:03}") } else { n.to_string() }).join(mark))
    }
}

/// How many numbers at the beginning are a date: none or three.
fn date(numbers: &[&str]) -> usize {
    match numbers {
        [year, month, day, ..] if year.len() == 4 && month.len() == 2 && day.len() == 2 => 3,
        _ => 0,
    }
}

/// Whether a text begins with an IPv4 address.
pub(super) fn is_dotted(text: &str) -> bool {
    let is_octet =
        |(n, part): (usize, &str)| n == 3 && octet(digits(part)).is_some() || octet(part).is_some();
    let begin = text.char_indices().nth("255.255.255.255".len()).map_or(text, |(end, _)| &text[..end]);
    begin.splitn(4, '.').enumerate().filter(|part| is_octet(*part)).count() == 4
}

/// The digits that a text begins with.
fn digits(text: &str) -> &str {
    &text[..text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len())]
}

/// A decimal number of at most 255, with as many digits as an octet has.
fn octet(number: &str) -> Option<u8> {
    if matches!(number.as_bytes(), [b'0', _]) {
        None
    } else {
        number.parse().ok().filter(|_| number.len() <= 3)
    }
}

/// Whether a `v` alone stands at the end.
fn is_version(before: &str) -> bool {
    let word = before.strip_suffix(['v', 'V']);
    word.is_some_and(|word| !word.ends_with(|c: char| c.is_ascii_alphanumeric()))
}

/// What stands for the last number of all addresses of a network.
const ENDS: [&str; 3] = [".x", ".X", ".*"];
