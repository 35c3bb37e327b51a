//! Addresses in text: found in every form in which logs, URLs, tools and file names write them, and replaced in the
//! same form.
//!
//! Takes text; gives it with each address replaced. Reads from left to right and looks for an address wherever a number
//! or a word begins, also behind what only stands for a character (`%2F`, `\u003d`, `\n`, a colour). Where digits could be
//! read as an address or as something else, they are replaced: too much hidden is less of a loss than too little.
//! Forms: RFC 4291 §2.2, RFC 3986 §3.2.2, RFC 1035 §3.5, RFC 3596 §2.5, tcpdump(1), proc(5) for the tables
//! of `/proc/net`.

use super::Addresses;

mod decimal;
mod hex;
mod kernel;

use decimal::is_dotted;

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
                let hex = self.hardware(rest).or_else(|| self.of_kernel(rest)).or_else(|| self.nibbles(rest));
                let hex = hex.or_else(|| self.v6_in(rest)).or_else(|| self.dashed_v6(rest));
                hex.or_else(|| self.numbers(rest, before))
            }
            (Behind::Mark, b'w') => self.interface(rest),
            (Behind::Mark, b':') if rest.starts_with("::") => self.v6_in(rest),
            (Behind::Letter, b'0'..=b'9') => self.numbers(rest, before),
            _ => None,
        }
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

fn begins_with(text: &str, word: &str) -> bool {
    text.get(..word.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(word))
}

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
            (
                "eth0\t0000A8C0\t0100000A\t0003\t0\t0\t100\t00FFFFFF\t0\t0\t0",
                "eth0\t000000F0\t010001F0\t0003\t0\t0\t100\t00FFFFFF\t0\t0\t0",
            ),
            (
                "fd000000000000000000000000000007 02 40 20 80     eth0",
                "3fff0000000100000000000000000001 02 40 20 80     eth0",
            ),
            (
                "fd000000000000000000000000000000 40 00000000000000000000000000000000 00 \
                 fd000000000000000000000000000007 00000400",
                "3fff0000000100000000000000000000 40 00000000000000000000000000000000 00 \
                 3fff0000000100000000000000000001 00000400",
            ),
            ("dev enx0242ac110002: UP, wlx0242ac110003.7", "dev enx020000000001: UP, wlx020000000002.7"),
            (
                "10.1.2.3 is 0x0a010203, 0XA010203, 0x0302010A, 0A010203 and 0302010a:01bb",
                "240.0.1.3 is 0xf0000103, 0XF0000103, 0x030100F0, F0000103 and 030100f0:01bb",
            ),
            (
                "fd00::7 is fd000000000000000000000000000007",
                "3fff:0:1::1 is 3fff0000000100000000000000000001",
            ),
            ("02-42-ac-1c-00-02", "02-00-00-00-00-01"),
            (
                "MAC=02:42:ac:11:00:02:02:42:ac:11:00:03:08:00 SRC",
                "MAC=02:00:00:00:00:01:02:00:00:00:00:02:08:00 SRC",
            ),
            ("10.1.2.x 10.1.2.*, 10.1.2.3", "240.0.1.x 240.0.1.*, 240.0.1.3"),
            ("_sip.5.41.33.20.172.in-addr.arpa", "_sip.5.41.1.0.240.in-addr.arpa"),
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
            "0x0a010203 0A010203 a010203 fd000000000000000000000000000007",
            "enx0242ac11000 enx0242ac1100021 enxample",
            "0000A8C0 0100000A 0003 0 0 100",
            "b8074a66-c90b-5be8-9f73-9b0caf08c1dc",
            "10.in-addr.arpa",
            "1.29.x and v1.2.3.x",
            "3 of 5.svc, 1.5s, 12:30:45.123",
        ] {
            assert_eq!(Addresses::default().text(same), same);
        }
    }

    /// Each place is looked at for no longer than an address is: a long line takes no more than its length.
    #[test]
    fn long_texts_end() {
        for part in
            ["a:", "ab:", "a-", "1-", "1.", "1_", "%", "%25", "[", "[1;", "::", "aaaaaaaa:", "1a", "\\u"]
        {
            let text = part.repeat(60_000 / part.len());
            assert!(!Addresses::default().text(&text).is_empty());
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
