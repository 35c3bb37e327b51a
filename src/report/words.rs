//! Short texts that several outputs share: display filters, names of protocol numbers, times and counts as people read
//! them.
//!
//! Takes facts, or text of a bundle; gives text that is still to be escaped for where it goes, but for [`printable`],
//! which makes it safe for a terminal.

use super::document::Bucket;
use crate::flow::{IcmpError, Proto};
use crate::ingest::Conversation;
use crate::time::Timestamp;

/// A Wireshark display filter that selects exactly this flow in its (first) file.
pub fn display_filter(flow: &Conversation) -> String {
    if flow.quoted_only {
        let frames: Vec<_> = flow.icmp.iter().map(|e| e.at.frame.number().to_string()).collect();
        return match frames.as_slice() {
            [one] => format!("frame.number == {one}"),
            many => format!("frame.number in {{{}}}", many.join(", ")),
        };
    }
    if let Some(stream) = flow.stream {
        return format!("tcp.stream == {stream}");
    }
    let ip = if flow.orig.is_ipv4() { "ip" } else { "ipv6" };
    let (a, b) = (flow.orig, flow.resp);
    let addresses = format!("{ip}.addr == {} && {ip}.addr == {}", a.ip(), b.ip());
    match flow.proto {
        Proto::Udp => format!("{addresses} && udp.port == {} && udp.port == {}", a.port(), b.port()),
        Proto::Tcp => format!("{addresses} && tcp.port == {} && tcp.port == {}", a.port(), b.port()),
        Proto::Other(_) => addresses,
    }
}

/// The name of an ICMP (RFC 792, RFC 1812) or ICMPv6 (RFC 4443) error.
pub fn icmp(error: &IcmpError) -> String {
    let name = match (error.v6, error.kind, error.code) {
        (false, 3, 0) => "net_unreachable",
        (false, 3, 1) => "host_unreachable",
        (false, 3, 2) => "protocol_unreachable",
        (false, 3, 3) | (true, 1, 4) => "port_unreachable",
        (false, 3, 4) => "fragmentation_needed",
        (false, 3, 5) => "source_route_failed",
        (false, 3, 6) => "net_unknown",
        (false, 3, 7) => "host_unknown",
        (false, 3, 9) => "net_prohibited",
        (false, 3, 10) => "host_prohibited",
        (false, 3, 13) | (true, 1, 1) => "admin_prohibited",
        (false, 4, _) => "source_quench",
        (false, 5, _) => "redirect",
        (false, 11, 0) | (true, 3, 0) => "time_exceeded",
        (false, 11, 1) | (true, 3, 1) => "reassembly_time_exceeded",
        (false, 12, _) | (true, 4, _) => "parameter_problem",
        (true, 1, 0) => "no_route",
        (true, 1, 2) => "beyond_scope",
        (true, 1, 3) => "address_unreachable",
        (true, 1, 5) => "policy_failed",
        (true, 1, 6) => "reject_route",
        (true, 2, _) => "packet_too_big",
        (v6, kind, code) => return format!("{}_{kind}_{code}", if v6 { "icmp6" } else { "icmp" }),
    };
    name.to_owned()
}

/// The level of a TLS alert (RFC 5246 §7.2).
pub fn alert_level(level: u8) -> String {
    match level {
        1 => "warning".to_owned(),
        2 => "fatal".to_owned(),
        n => format!("unknown_{n}"),
    }
}

/// The name of a DNS query type, or its number.
pub fn dns_type(qtype: u16) -> String {
    let name = match qtype {
        1 => "A",
        5 => "CNAME",
        6 => "SOA",
        12 => "PTR",
        15 => "MX",
        16 => "TXT",
        28 => "AAAA",
        33 => "SRV",
        65 => "HTTPS",
        n => return format!("type {n}"),
    };
    name.to_owned()
}

/// The name of a DNS response code (RFC 1035 §4.1.1).
pub fn dns_code(code: u8) -> &'static str {
    match code {
        0 => "NOERROR",
        1 => "FORMERR",
        2 => "SERVFAIL",
        3 => "NXDOMAIN",
        4 => "NOTIMP",
        5 => "REFUSED",
        _ => "an unknown code",
    }
}

/// Text from a bundle as a terminal may show it: control characters are replaced by their escapes, so that none acts.
pub fn printable(text: &str) -> String {
    if !text.chars().any(char::is_control) && !text.chars().any(is_hidden) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\t' => out.push(' '),
            c if c.is_control() || is_hidden(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

/// Marks that reorder the text around them (Unicode UAX 9), take no room or end a line (U+2028, U+2029): they can make a
/// line read as something else.
fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Date and time of day with milliseconds: `2026-11-21 02:56:32.435`.
pub fn clock(time: Timestamp) -> String {
    let c = time.civil();
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:03}",
        c.year,
        c.month,
        c.day,
        c.hour,
        c.minute,
        c.second,
        c.nanos / 1_000_000
    )
}

/// An RFC 3339 time as people read it: `2026-11-21 02:56:32.435`, which is UTC.
pub fn short_time(rfc3339: &str) -> String {
    match (rfc3339.get(..10), rfc3339.get(11..23)) {
        (Some(date), Some(time)) => format!("{date} {time}"),
        _ => rfc3339.to_owned(),
    }
}

/// Nanoseconds since the epoch of an RFC 3339 time in UTC.
pub fn nanos(rfc3339: &str) -> Option<i64> {
    let time: jiff::Timestamp = rfc3339.parse().ok()?;
    i64::try_from(time.as_nanosecond()).ok()
}

/// A number with its digits in groups: `1,121`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number with its noun: `1 call`, `1,121 calls`.
pub fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(number))
}

/// A span of whole seconds: `30 s`, `5 min`, `2 h`.
pub fn span_of(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}

/// Counts over time as marks of eight heights; `·` is a span without a call.
pub fn bars(buckets: &[Bucket], seconds: u64) -> String {
    let top = buckets.iter().map(|b| b.count).max().unwrap_or(1).max(1);
    let mut out = String::new();
    let mut due = None;
    for bucket in buckets {
        let at = nanos(&bucket.time).unwrap_or_default() / 1_000_000_000;
        let empty = due.map_or(0, |due: i64| at.saturating_sub(due) / seconds.max(1) as i64);
        out.extend(std::iter::repeat_n('·', usize::try_from(empty).unwrap_or(0).min(120)));
        let height = (bucket.count * 8).div_ceil(top).clamp(1, 8) as u32;
        out.push(char::from_u32(0x2580 + height).unwrap_or('█'));
        due = Some(at.saturating_add(seconds as i64));
    }
    out
}

/// Text of at most so many characters, with an ellipsis in its middle: errors begin with what was tried and end with
/// why it failed.
pub fn shortened(text: &str, characters: usize) -> String {
    let count = text.chars().count();
    if count <= characters {
        return text.to_owned();
    }
    let head = characters * 2 / 5;
    let tail = characters.saturating_sub(head + 3);
    let begin: String = text.chars().take(head).collect();
    let end: String = text.chars().skip(count - tail).collect();
    // A word that would lose a little goes whole; of a long one, such as a URL, what there is room for stays.
    let whole = |next: usize| text.chars().nth(next) == Some(' ');
    let begin = match begin.rfind(' ') {
        Some(at) if !whole(head) && begin.len() - at <= WORD => begin.get(..at).unwrap_or(&begin),
        _ => &begin,
    };
    let end = match end.find(' ') {
        Some(at) if !whole(count - tail - 1) && at <= WORD => end.get(at..).unwrap_or(&end),
        _ => &end,
    };
    format!("{} … {}", begin.trim_end(), end.trim_start())
}

/// Bytes of a cut word that are not worth showing.
const WORD: usize = 16;

/// A word for a POSIX shell.
pub fn shell(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:,@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) && !word.starts_with('-') {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_printable_acts_on_a_terminal() {
        assert_eq!(printable("a\u{1b}[31mb\u{202e}c\td"), "a\\u{1b}[31mb\\u{202e}c d");
        assert_eq!(printable("é 10.0.0.1:443"), "é 10.0.0.1:443");
    }

    #[test]
    fn a_long_error_keeps_what_was_tried_and_why_it_failed() {
        assert_eq!(
            shortened("failed calling webhook: Post x: context deadline exceeded", 32),
            "failed … deadline exceeded"
        );
        assert_eq!(shortened("short", 32), "short");
    }

    #[test]
    fn clock_has_milliseconds() {
        assert_eq!(clock(Timestamp(1_795_227_949_766_668_098)), "2026-11-21 02:25:49.766");
    }
}
