//! Addresses as the kernel and its tables write them: hexadecimal digits without a mark between them.
//!
//! Rows of `/proc/net/tcp`, `/proc/net/route`, `/proc/net/if_inet6` and `/proc/net/ipv6_route` are told by their columns,
//! interface names by their beginning. Any other digits are an address only where the bundle names that address elsewhere.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::super::{Addresses, Mac};

impl Addresses {
    /// What replaces the address or row that `rest` begins with, and how long it is.
    pub(super) fn of_kernel(&mut self, rest: &str) -> Option<(String, usize)> {
        let row = self.socket_table(rest).or_else(|| self.route(rest)).or_else(|| self.route6(rest));
        row.or_else(|| self.interface(rest)).or_else(|| self.known(rest))
    }

    /// `0A00000A:01BB 0B00000A:C350`: both ends of a socket, each word of an address in the order of a little-endian
    /// machine.
    fn socket_table(&mut self, rest: &str) -> Option<(String, usize)> {
        let between = |digits: usize| {
            rest.as_bytes().get(digits) == Some(&b':') && rest.as_bytes().get(digits + 5) == Some(&b' ')
        };
        if !between(8) && !between(32) {
            return None;
        }
        let end = |text: &str| {
            let (address, port) = text.split_once(':')?;
            let whole = matches!(address.len(), 8 | 32) && port.len() == 4;
            (whole && text.bytes().all(|b| is_upper_hex(b) || b == b':'))
                .then_some((address.len(), text.len()))
        };
        let local = rest.split(' ').next()?;
        let remote = rest.get(local.len() + 1..)?.split(|c: char| c.is_whitespace()).next()?;
        let mut out = String::new();
        for part in [local, remote] {
            let (digits, length) = end(part)?;
            out += &self.words(part.get(..digits)?)?;
            out += part.get(digits..length)?;
            out.push(' ');
        }
        out.pop();
        Some((out, local.len() + 1 + remote.len()))
    }

    /// Addresses of one or four words, each in the order of a little-endian machine.
    fn words(&mut self, digits: &str) -> Option<String> {
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

    /// `0000A8C0 0100A8C0 0003 0 0 100 00FFFFFF`: destination, gateway, flags, three numbers and the mask of a row of
    /// `/proc/net/route`.
    fn route(&mut self, rest: &str) -> Option<(String, usize)> {
        let columns = columns(rest, [8, 8, 4, 0, 0, 0, 8])?;
        let [destination, gateway, flags, _, _, _, mask] = columns;
        if ![destination, gateway, flags, mask].iter().all(|c| c.bytes().all(is_upper_hex)) {
            return None;
        }
        let length = destination.len() + 1 + gateway.len();
        let mark = rest.get(8..9)?;
        Some((self.words(destination)? + mark + &self.words(gateway)?, length))
    }

    /// `fd00…0007 02 40 20 80 eth0` of `/proc/net/if_inet6`, `fd00…0000 40 000…000 00 000…000 00000100` of
    /// `/proc/net/ipv6_route`: destination, source and next hop, each of the two first with the length of its prefix.
    fn route6(&mut self, rest: &str) -> Option<(String, usize)> {
        if let Some(columns) = columns(rest, [32, 2, 32, 2, 32, 8]).filter(|c| are_hex(c)) {
            let [destination, length, source, source_length, hop, _] = columns;
            let [destination, source, hop] = [destination, source, hop].map(|ip| self.digits6(ip));
            let new = [&*destination?, length, &*source?, source_length, &*hop?].join(" ");
            let taken = new.len();
            return Some((new, taken));
        }
        let [ip, ..] = columns(rest, [32, 2, 2, 2, 2]).filter(|c| are_hex(c))?;
        Some((self.digits6(ip)?, ip.len()))
    }

    fn digits6(&mut self, digits: &str) -> Option<String> {
        let ip = Ipv6Addr::from_bits(u128::from_str_radix(digits, 16).ok()?);
        Some(format!("{:032x}", self.v6(ip).to_bits()))
    }

    /// `enx0242ac110002`: a name made of the address of the interface (systemd.net-naming-scheme(7)).
    pub(super) fn interface(&mut self, rest: &str) -> Option<(String, usize)> {
        let begin = NAMED_BY_MAC.iter().find(|begin| rest.starts_with(**begin))?;
        let digits = hex_word(rest.get(begin.len()..)?).filter(|digits| digits.len() == 12)?;
        let mut mac: Mac = [0; 6];
        for (n, byte) in mac.iter_mut().enumerate() {
            *byte = u8::from_str_radix(digits.get(n * 2..n * 2 + 2)?, 16).ok()?;
        }
        let new = self.mac(mac).map(|b| format!("{b:02x}")).concat();
        Some((format!("{begin}{new}"), begin.len() + digits.len()))
    }

    /// `0x0a010203`, `0302010A`: an address that is known, in either order of bytes.
    fn known(&mut self, rest: &str) -> Option<(String, usize)> {
        let (mark, digits) = match rest.get(..2).filter(|mark| matches!(*mark, "0x" | "0X")) {
            Some(mark) => (mark, hex_word(rest.get(2..)?)?),
            // Digits alone are a date or a number.
            None => ("", hex_word(rest).filter(|digits| digits.bytes().any(|b| b.is_ascii_alphabetic()))?),
        };
        let bits = u128::from_str_radix(digits, 16).ok()?;
        let new = match digits.len() {
            // Behind a mark the digit may be missing that is none.
            8 => self.known4(bits as u32)?,
            7 if !mark.is_empty() => self.known4(bits as u32)?,
            32 if self.is_known(IpAddr::V6(Ipv6Addr::from_bits(bits))) => self.digits6(digits)?,
            _ => return None,
        };
        let large = digits.bytes().any(|b| b.is_ascii_uppercase());
        let new = if large { new.to_ascii_uppercase() } else { new };
        Some((format!("{mark}{new}"), mark.len() + digits.len()))
    }

    fn known4(&mut self, bits: u32) -> Option<String> {
        let known = |bits: &u32| self.is_known(IpAddr::V4(Ipv4Addr::from_bits(*bits)));
        let here = [bits, bits.swap_bytes()].into_iter().find(known)?;
        let new = self.v4(Ipv4Addr::from_bits(here)).to_bits();
        Some(format!("{:08x}", if here == bits { new } else { new.swap_bytes() }))
    }
}

/// The words that a text begins with, of these lengths; those of no length are decimal numbers. What follows a word is one
/// blank, and behind the last of them no letter or digit.
fn columns<const N: usize>(text: &str, lengths: [usize; N]) -> Option<[&str; N]> {
    let mut out = [""; N];
    let mut rest = text;
    for (n, length) in lengths.into_iter().enumerate() {
        let end = rest.bytes().take(LONGEST_COLUMN).position(|b| !b.is_ascii_alphanumeric());
        let (word, after) = rest.split_at(end.unwrap_or(rest.len().min(LONGEST_COLUMN)));
        let number = length == 0 && !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit());
        if word.len() != length && !number {
            return None;
        }
        out[n] = word;
        rest = if n + 1 < N { after.strip_prefix([' ', '\t'])? } else { after };
    }
    Some(out)
}

/// The hexadecimal digits that a text begins with, if they are a word and no longer than an address.
fn hex_word(text: &str) -> Option<&str> {
    let length = text.bytes().take(LONGEST_COLUMN).take_while(u8::is_ascii_hexdigit).count();
    let (word, after) = text.split_at(length);
    (!word.is_empty() && !after.starts_with(|c: char| c.is_alphanumeric())).then_some(word)
}

fn are_hex(columns: &[&str]) -> bool {
    columns.iter().flat_map(|column| column.bytes()).all(|b| b.is_ascii_hexdigit())
}

fn is_upper_hex(b: u8) -> bool {
    b.is_ascii_digit() || matches!(b, b'A'..=b'F')
}

/// What names of interfaces begin with that end in an address: of Ethernet, and of a wireless one.
const NAMED_BY_MAC: [&str; 2] = ["enx", "wlx"];

/// Digits of an IPv6 address, and one more.
const LONGEST_COLUMN: usize = 33;
