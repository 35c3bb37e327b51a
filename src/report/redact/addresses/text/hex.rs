//! Addresses written in hexadecimal digits with marks between them: IPv6, hardware addresses.

use std::net::{IpAddr, Ipv6Addr};

use super::super::{Addresses, Mac};
use super::begins_with;

impl Addresses {
    /// Six bytes with colons or dashes between them.
    pub(super) fn hardware(&mut self, rest: &str) -> Option<(String, usize)> {
        let mark = *rest.as_bytes().get(2).filter(|b| matches!(b, b':' | b'-'))?;
        let after = rest.as_bytes().get(MAC_LENGTH);
        if after.is_some_and(|b| b.is_ascii_alphanumeric() || *b == mark && mark == b':') {
            return self.ethernet(rest);
        }
        Some((self.mac_text(rest, mark)?, MAC_LENGTH))
    }

    /// The header of a frame as the kernel logs it (`MAC=` of the LOG target): both addresses and the EtherType.
    fn ethernet(&mut self, rest: &str) -> Option<(String, usize)> {
        let length = rest.bytes().take(DIGEST).take_while(|b| b.is_ascii_hexdigit() || *b == b':').count();
        let (to, from) = (rest.get(..HEADER)?, rest.get(MAC_LENGTH + 1..)?);
        if length != HEADER || to.as_bytes().get(MAC_LENGTH) != Some(&b':') {
            return None;
        }
        let (to, kind) = (self.mac_text(to, b':')?, &from[MAC_LENGTH..HEADER - MAC_LENGTH - 1]);
        Some((format!("{to}:{}{kind}", self.mac_text(from, b':')?), HEADER))
    }

    fn mac_text(&mut self, rest: &str, mark: u8) -> Option<String> {
        let text = rest.get(..MAC_LENGTH)?;
        let mut mac: Mac = [0; 6];
        for (n, byte) in mac.iter_mut().enumerate() {
            let pair = text.get(n * 3..n * 3 + 2)?;
            *byte = u8::from_str_radix(pair, 16).ok().filter(|_| !pair.starts_with('+'))?;
        }
        let apart = text.bytes().skip(2).step_by(3).all(|b| b == mark);
        let mark = String::from(char::from(mark));
        apart.then(|| self.mac(mac).map(|b| format!("{b:02x}")).join(&mark))
    }

    /// `1.0.0. … .ip6.arpa`: the nibbles of an address or of a network, last first.
    pub(super) fn nibbles(&mut self, rest: &str) -> Option<(String, usize)> {
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
    pub(super) fn v6_in(&mut self, rest: &str) -> Option<(String, usize)> {
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
    pub(super) fn dashed_v6(&mut self, rest: &str) -> Option<(String, usize)> {
        let length = rest.bytes().take(LABEL).position(|b| !b.is_ascii_hexdigit() && b != b'-')?;
        let (name, after) = rest.split_at(length);
        let mut labels = after.strip_prefix('.')?.split('.');
        if labels.next()?.is_empty() || !labels.next()?.starts_with("pod") || !name.contains('-') {
            return None;
        }
        let ip = name.replace('-', ":").parse().ok()?;
        Some((self.ip(IpAddr::V6(ip)).to_string().replace(':', "-"), length))
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
    if rest.as_bytes().get(2) != Some(&b':') {
        return None;
    }
    let length = rest.bytes().take(DIGEST).take_while(|b| b.is_ascii_hexdigit() || *b == b':').count();
    let bytes = rest[..length].split(':');
    (length > 9 * 3 && bytes.into_iter().all(|byte| byte.len() == 2)).then_some(length)
}

/// A colon in a URL, and in a URL within a URL.
const COLONS: [&str; 4] = ["%3A", "%3a", "%253A", "%253a"];

/// Bytes of the longest IPv6 address as text, with a port and a little.
const LONGEST_V6: usize = 60;

/// Bytes of a hardware address as text.
const MAC_LENGTH: usize = 17;

/// Bytes of a label of a name (RFC 1035 §2.3.4), and the point behind it.
const LABEL: usize = 64;

/// Bytes of the longest digest, SHA-512, with colons between its bytes.
const DIGEST: usize = 64 * 3 - 1;

/// Bytes of two hardware addresses and an EtherType as text.
const HEADER: usize = 14 * 3 - 1;
