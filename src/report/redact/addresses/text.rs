//! Addresses in text: found in every form in which logs, URLs, tools and file names write them, and replaced in the
//! same form.
//!
//! Takes text; gives it with each address replaced. Reads from left to right and looks for an address wherever a number
//! or a word begins, also behind what only stands for a character (`%2F`, `\u003d`, `\n`, a colour). Where digits could be
//! read as an address or as something else, they are replaced: too much hidden is less of a loss than too little.
//! Forms: RFC 4291 §2.2, RFC 3986 §3.2.2, RFC 1035 §3.5, RFC 3596 §2.5, tcpdump(1), proc(5) for `/proc/net/tcp`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Addresses, Mac};

impl Addresses {
    /// The text with every address in it replaced.
    pub fn text(&mut self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let (mut at, mut behind) = (0, Behind::Mark);
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            let length = if let Some((new, length)) = self.begins(rest, behind, &text[..at]) {
                out.push_str(&new);
                let goes_on = rest[length..].starts_with(|c: char| c.is_ascii_alphanumeric());
                behind = if goes_on { Behind::Letter } else { Behind::Mark };
                length
            } else {
                let (length, next) = passed(rest);
                out.push_str(&rest[..length]);
                behind = next;
                length
            };
            at += length;
        }
        out
    }

    /// What replaces the address that `rest` begins with, and how long it is.
    fn begins(&mut self, rest: &str, behind: Behind, before: &str) -> Option<(String, usize)> {
        let first = *rest.as_bytes().first()?;
        match (behind, first) {
            (Behind::Mark, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let hex =
                    self.hardware(rest).or_else(|| self.socket_table(rest)).or_else(|| self.nibbles(rest));
                let hex = hex.or_else(|| self.v6_in(rest)).or_else(|| self.dashed_v6(rest));
                hex.or_else(|| self.numbers(rest, before))
            }
            (Behind::Mark, b':') if rest.starts_with("::") => self.v6_in(rest),
            (Behind::Letter, b'0'..=b'9') => self.numbers(rest, before),
            _ => None,
        }
    }

    /// Six bytes with colons or dashes between them.
    fn hardware(&mut self, rest: &str) -> Option<(String, usize)> {
        let mark = *rest.as_bytes().get(2).filter(|b| matches!(b, b':' | b'-'))?;
        let text = rest.get(..MAC_LENGTH)?;
        let mut mac: Mac = [0; 6];
        for (n, byte) in mac.iter_mut().enumerate() {
            let pair = text.get(n * 3..n * 3 + 2)?;
            *byte = u8::from_str_radix(pair, 16).ok().filter(|_| !pair.starts_with('+'))?;
        }
        let apart = text.bytes().skip(2).step_by(3).all(|b| b == mark);
        let after = rest.as_bytes().get(MAC_LENGTH);
        if !apart || after.is_some_and(|b| b.is_ascii_alphanumeric() || *b == mark && mark == b':') {
            return None;
        }
        let mark = String::from(char::from(mark));
        Some((self.mac(mac).map(|b| format!("{b:02x}")).join(&mark), MAC_LENGTH))
    }

    /// `0A00000A:01BB 0B00000A:C350`: both ends of a socket, each word of an address in the order of a little-endian
    /// machine.
    fn socket_table(&mut self, rest: &str) -> Option<(String, usize)> {
        if ![8, 32].iter().any(|at| rest.as_bytes().get(*at) == Some(&b':')) {
            return None;
        }
        let end = |text: &str| {
            let (address, port) = text.split_once(':')?;
            let hex = |b: u8| b.is_ascii_digit() || matches!(b, b'A'..=b'F');
            let whole = matches!(address.len(), 8 | 32) && port.len() == 4;
            (whole && text.bytes().all(|b| hex(b) || b == b':')).then_some((address.len(), text.len()))
        };
        let local = rest.split(' ').next()?;
        let remote = rest.get(local.len() + 1..)?.split(|c: char| c.is_whitespace()).next()?;
        let mut out = String::new();
        for part in [local, remote] {
            let (digits, length) = end(part)?;
            out += &self.socket_address(part.get(..digits)?)?;
            out += part.get(digits..length)?;
            out.push(' ');
        }
        out.pop();
        Some((out, local.len() + 1 + remote.len()))
    }

    fn socket_address(&mut self, digits: &str) -> Option<String> {
        let word = |at: usize| u32::from_str_radix(digits.get(at..at + 8)?, 16).ok().map(u32::swap_bytes);
        if digits.len() == 8 {
            let new = self.v4(Ipv4Addr::from_bits(word(0)?));
            return Some(format!("{:08X}", new.to_bits().swap_bytes()));
        }
        let words = [word(0)?, word(8)?, word(16)?, word(24)?];
        let bits = words.iter().fold(0, |bits, word| bits << 32 | u128::from(*word));
        let new = self.v6(Ipv6Addr::from_bits(bits)).to_bits();
        let word = |n: u32| ((new >> (96 - 32 * n)) as u32).swap_bytes();
        Some([0, 1, 2, 3].map(|n| format!("{:08X}", word(n))).concat())
    }

    /// `1.0.0. … .ip6.arpa`: the nibbles of an address or of a network, last first.
    fn nibbles(&mut self, rest: &str) -> Option<(String, usize)> {
        let bytes = rest.as_bytes();
        let count = (0..32)
            .take_while(|n| {
                bytes.get(n * 2).is_some_and(u8::is_ascii_hexdigit) && bytes.get(n * 2 + 1) == Some(&b'.')
            })
            .count();
        if count == 0 || !begins_with(rest.get(count * 2..)?, "ip6.arpa") {
            return None;
        }
        let digit = |n: usize| char::from(bytes[n * 2]).to_digit(16).map(u128::from);
        let bits = (0..count).rev().try_fold(0, |bits: u128, n| Some(bits << 4 | digit(n)?))?;
        let new = self.v6(Ipv6Addr::from_bits(bits << (4 * (32 - count)))).to_bits();
        let nibble = |n: usize| format!("{:x}.", new >> (4 * (32 - count + n)) & 0xf);
        Some(((0..count).map(nibble).collect(), count * 2))
    }

    /// An IPv6 address, the longest that can be read; its colons may be escaped.
    fn v6_in(&mut self, rest: &str) -> Option<(String, usize)> {
        let first = rest.bytes().take(5).take_while(u8::is_ascii_hexdigit).count();
        if !matches!(rest.as_bytes().get(first), Some(b':' | b'%')) {
            return None;
        }
        if let Some(length) = fingerprint(rest) {
            return Some((rest[..length].to_owned(), length));
        }
        let (plain, ends) = tokens(rest);
        if !plain.contains("::") && plain.bytes().filter(|b| *b == b':').count() < 7 {
            return None;
        }
        // A ninth group is a port behind the address, or a number before it, whose own first group is shorter.
        let groups: Vec<&str> = plain.split(':').collect();
        if groups.len() > 9
            || groups.len() == 9 && groups[0].len() < 4 && groups[1].len() == 4 && !plain.contains("::")
        {
            return None;
        }
        let whole = |end: usize| rest.as_bytes().get(end).is_none_or(|b| !b.is_ascii_alphanumeric());
        let (ip, length) = ends.iter().rev().find_map(|(end, length)| {
            let ip = plain.get(..*end).filter(|_| *end > 2 && whole(*length))?.parse::<Ipv6Addr>().ok()?;
            Some((ip, *length))
        })?;
        let new = self.ip(IpAddr::V6(ip)).to_string();
        let colon = COLONS.iter().find(|c| rest.get(..length).is_some_and(|text| text.contains(*c)));
        Some((new.replace(':', colon.unwrap_or(&":")), length))
    }

    /// `fd00--7.shop.pod.cluster.local`: the name of a pod by its address.
    fn dashed_v6(&mut self, rest: &str) -> Option<(String, usize)> {
        let length = rest.find(|c: char| !c.is_ascii_hexdigit() && c != '-')?;
        let (name, after) = rest.split_at(length);
        let mut labels = after.strip_prefix('.')?.split('.');
        if labels.next()?.is_empty() || !labels.next()?.starts_with("pod") || !name.contains('-') {
            return None;
        }
        let ip = name.replace('-', ":").parse().ok()?;
        Some((self.ip(IpAddr::V6(ip)).to_string().replace(':', "-"), length))
    }

    /// Four numbers of an IPv4 address with dots, dashes or underscores between them, among the numbers that `rest`
    /// begins with.
    fn numbers(&mut self, rest: &str, before: &str) -> Option<(String, usize)> {
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

    /// `9.0.0.10.in-addr.arpa`, and the names of networks, which have fewer numbers.
    fn reversed(&mut self, numbers: &[&str]) -> String {
        let octets: Option<Vec<u8>> = numbers.iter().rev().map(|n| octet(n)).collect();
        let Some(octets) = octets.filter(|octets| (2..=4).contains(&octets.len())) else {
            return numbers.join(".");
        };
        let mut ip = [0; 4];
        ip[..octets.len()].copy_from_slice(&octets);
        let new = self.ip(IpAddr::from(ip)).to_string();
        let kept: Vec<&str> = new.split('.').take(octets.len()).collect();
        kept.into_iter().rev().collect::<Vec<_>>().join(".")
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

/// What stands directly before a place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Behind {
    /// A mark or what stands for one, or nothing at all.
    Mark,
    Letter,
    Digit,
}

/// Bytes at the beginning of a text that begin no address, and what they are.
fn passed(rest: &str) -> (usize, Behind) {
    if let Some(length) = stand_in(rest) {
        return (length, Behind::Mark);
    }
    let Some(c) = rest.chars().next() else { return (0, Behind::Mark) };
    let behind = match c {
        '0'..='9' => Behind::Digit,
        c if c.is_alphanumeric() => Behind::Letter,
        _ => Behind::Mark,
    };
    (c.len_utf8(), behind)
}

/// Bytes of what stands for one character, or for none, so that a word begins behind it: `%2F` and `%252F` of URLs,
/// `\u003d`, `\x3d` and `\n` of quoted text, `[31m` of coloured text.
fn stand_in(rest: &str) -> Option<usize> {
    let bytes = rest.as_bytes();
    let hex =
        |range: std::ops::Range<usize>| bytes.get(range).is_some_and(|b| b.iter().all(u8::is_ascii_hexdigit));
    match bytes {
        // No character is meant by `%10.0.0.9`, and none more by `%2510.0.0.9`.
        [b'%', ..] if is_dotted(&rest[1..]) => None,
        [b'%', b'2', b'5', ..] if hex(3..5) && !is_dotted(&rest[3..]) => Some(5),
        [b'%', ..] if hex(1..3) => Some(3),
        [b'\\', b'u', ..] if hex(2..6) => Some(6),
        [b'\\', b'x', ..] if hex(2..4) => Some(4),
        [b'\\', b'n' | b'r' | b't', ..] => Some(2),
        [b'[', ..] => {
            let digits = bytes.iter().skip(1).take_while(|b| b.is_ascii_digit() || **b == b';').count();
            (digits > 0 && bytes.get(digits + 1) == Some(&b'm')).then_some(digits + 2)
        }
        _ => None,
    }
}

/// What an IPv6 address with a dotted end and a port can be made of at the beginning of a text, with its colons
/// unescaped; and after each part of it the length of either.
fn tokens(rest: &str) -> (String, Vec<(usize, usize)>) {
    let (mut plain, mut ends, mut at) = (String::new(), Vec::new(), 0);
    while let Some(after) = rest.get(at..).filter(|_| plain.len() < LONGEST_V6) {
        let digits = after.bytes().take_while(u8::is_ascii_hexdigit).count();
        let escaped = COLONS.iter().find(|colon| after.starts_with(**colon));
        let (token, length) = match (digits, escaped) {
            (1..=LONGEST_V6, _) => (&after[..digits], digits),
            (0, Some(colon)) => (":", colon.len()),
            (0, None) if after.starts_with(':') => (":", 1),
            (0, None) if after.starts_with('.') => (".", 1),
            _ => break,
        };
        plain.push_str(token);
        at += length;
        ends.push((plain.len(), at));
    }
    (plain, ends)
}

/// Bytes of a digest that is written as bytes with colons between them, more of them than an address has.
fn fingerprint(rest: &str) -> Option<usize> {
    let length = rest.bytes().take_while(|b| b.is_ascii_hexdigit() || *b == b':').count();
    let bytes = rest[..length].split(':');
    (length > 9 * 3 && bytes.into_iter().all(|byte| byte.len() == 2)).then_some(length)
}

/// How many numbers at the beginning are a date: none or three.
fn date(numbers: &[&str]) -> usize {
    match numbers {
        [year, month, day, ..] if year.len() == 4 && month.len() == 2 && day.len() == 2 => 3,
        _ => 0,
    }
}

/// Whether a text begins with an IPv4 address.
fn is_dotted(text: &str) -> bool {
    let is_octet =
        |(n, part): (usize, &str)| n == 3 && octet(digits(part)).is_some() || octet(part).is_some();
    text.splitn(4, '.').enumerate().filter(|part| is_octet(*part)).count() == 4
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

fn begins_with(text: &str, word: &str) -> bool {
    text.get(..word.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(word))
}

/// A colon in a URL, and in a URL within a URL.
const COLONS: [&str; 4] = ["%3A", "%3a", "%253A", "%253a"];

/// Bytes of the longest IPv6 address as text, with a port and a little.
const LONGEST_V6: usize = 60;

/// Bytes of a hardware address as text.
const MAC_LENGTH: usize = 17;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_an_address_is_replaced_in_its_form() {
        for (text, expected) in [
            ("ip-172-20-33-41.example.com", "ip-240-0-1-41.example.com"),
            ("ec2-172-20-33-41.eu.compute.amazonaws.com", "ec2-240-0-1-41.eu.compute.amazonaws.com"),
            ("ip-172-20-33-12-eth0.pcap", "ip-240-0-1-12-eth0.pcap"),
            ("a-2026-11-21-172-20-33-12.pcap", "a-2026-11-21-240-0-1-12.pcap"),
            ("node-3-172-20-33-12", "node-3-240-0-1-12"),
            ("ip_10_0_0_9", "ip_240_0_0_9"),
            ("node-25-10.0.0.9 a-2026-11-21.10.0.0.9", "node-25-240.0.0.9 a-2026-11-21.240.0.0.9"),
            ("10-0-0-1-80 10-0-0-1-40000", "240-0-0-1-80 240-0-0-1-40000"),
            ("172-28-0-2.shop.pod.cluster.local", "240-0-0-2.shop.pod.cluster.local"),
            (
                "IP 172.20.33.41.40000 > 172.20.34.1.443: Flags [S]",
                "IP 240.0.1.41.40000 > 240.0.2.1.443: Flags [S]",
            ),
            ("IP6 fd00::1.40000 > fd00::2.443: Flags", "IP6 3fff:0:1::1.40000 > 3fff:0:1::2.443: Flags"),
            ("172.020.033.041.40000-010.096.000.010.00443", "240.000.001.041.40000-240.001.000.010.00443"),
            ("app.10.0.0.1.nip.io app1.10.0.0.1.nip.io", "app.240.0.0.1.nip.io app1.240.0.0.1.nip.io"),
            ("node300.10.0.0.1.nip.io", "node300.240.0.0.1.nip.io"),
            ("peer:fd00::1", "peer:3fff:0:1::1"),
            ("peer=fd00::1, {fd00::1} <fd00::1>", "peer=3fff:0:1::1, {3fff:0:1::1} <3fff:0:1::1>"),
            ("fd00::1-fd00::9", "3fff:0:1::1-3fff:0:1::2"),
            ("2001:db8:1:2:a:b:c:d:8443", "3fff:0:1:1::1:8443"),
            ("12:2001:db8:1:2:a:b:c:d", "12:3fff:0:1:1::1"),
            ("[::ffff:10.0.0.1]:443 addr:::ffff:10.0.0.1", "[::ffff:240.0.0.1]:443 addr:::ffff:240.0.0.1"),
            ("::ffff:10.0.0.1.443", "::ffff:240.0.0.1.443"),
            ("[fe80::42:acff:fe1c:2%25eth0]:443", "[fe80::1%25eth0]:443"),
            ("https%3A%2F%2F%5Bfd00%3A%3A1%5D%3A443%2F", "https%3A%2F%2F%5B3fff%3A0%3A1%3A%3A1%5D%3A443%2F"),
            (
                "next=https%253A%252F%252Ffd00%253a%253a1",
                "next=https%253A%252F%252F3fff%253a0%253a1%253a%253a1",
            ),
            (
                "?to=%2F10.0.0.1%3A443&a=%2010.0.0.2&b=%252010.0.0.3",
                "?to=%2F240.0.0.1%3A443&a=%20240.0.0.2&b=%2520240.0.0.3",
            ),
            ("\\u003d10.0.0.1 \\n10.0.0.2\\tfd00::1", "\\u003d240.0.0.1 \\n240.0.0.2\\t3fff:0:1::1"),
            ("\u{1b}[31m10.0.0.1\u{1b}[0;1mfd00::1", "\u{1b}[31m240.0.0.1\u{1b}[0;1m3fff:0:1::1"),
            ("41.33.20.172.in-addr.arpa 172.20.33.41", "41.1.0.240.in-addr.arpa 240.0.1.41"),
            ("33.20.172.IN-ADDR.ARPA. 20.172.in-addr.arpa", "1.0.240.IN-ADDR.ARPA. 0.240.in-addr.arpa"),
            (
                "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa fd00::1",
                "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.0.0.0.f.f.f.3.ip6.arpa 3fff:0:1::1",
            ),
            ("0: 0100000A:01BB 0200000A:9C40 01", "0: 010000F0:01BB 020000F0:9C40 01"),
            (
                "000000FD000000000000000001000000:01BB 000000FD000000000000000002000000:9C40 0A",
                "0000FF3F000001000000000001000000:01BB 0000FF3F000001000000000002000000:9C40 0A",
            ),
            ("02-42-ac-1c-00-02", "02-00-00-00-00-01"),
            ("fd00--7.shop.pod.cluster.local", "3fff-0-1--1.shop.pod.cluster.local"),
            ("alice@10.0.0.1", "alice@240.0.0.1"),
            ("é10.0.0.1é", "é240.0.0.1é"),
        ] {
            assert_eq!(Addresses::default().text(text), expected, "{text}");
        }
    }

    #[test]
    fn what_reads_like_an_address_and_is_none_stays() {
        for same in [
            "v1.36.2.10",
            "1.3.6.1.5.5.7.3.1",
            "capture_2026-11-21-10-24-47.pcap",
            "26.11.2026 at 2026.11.21.10.24.47",
            "std::string a::bar Foo::Bar",
            "AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF:01",
            "deadbeef:1234 20261121:0225",
            "b8074a66-c90b-5be8-9f73-9b0caf08c1dc",
            "10.in-addr.arpa",
            "3 of 5.svc, 1.5s, 12:30:45.123",
        ] {
            assert_eq!(Addresses::default().text(same), same);
        }
    }

    #[test]
    fn any_text_comes_out_whole_but_for_its_addresses() {
        let parts = [
            "%", "%25", "%3A", "\\u", "10.0.0.1", "fd00::1", "::", "é", "-", ".", "v", "00:11:", "_", "[",
            "m", "A",
        ];
        for a in parts {
            for b in parts {
                for c in parts {
                    let text = [a, b, c, a, b].concat();
                    // Two without a mark between them are other numbers.
                    if text.contains("10.0.0.110") {
                        continue;
                    }
                    let new = Addresses::default().text(&text);
                    assert!(!new.contains("10.0.0.1") || a == "v" || b == "v" || c == "v", "{text}: {new}");
                }
            }
        }
    }
}
