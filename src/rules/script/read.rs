//! Text of a script in, its steps out.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use crate::flow::Dir;
use crate::rules::mistakes::Mistake;
use crate::time::TimeDelta;

/// One line.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Flow { name: String, orig: Option<SocketAddr>, resp: Option<SocketAddr> },
    Capture(String),
    Ttl { orig: Option<u8>, resp: Option<u8> },
    Vni(u32),
    SnapLength(u32),
    Alone,
    Twice,
    Log(TimeDelta),
    Arp(TimeDelta, IpAddr),
    Packet { at: TimeDelta, dir: Dir, what: What, options: Options },
}

/// What a packet line sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// Flag bits of a bare segment.
    Flags(u8),
    Connect,
    Close,
    Data,
    Again,
    ClientHello,
    ServerFlight,
    ClientFlight,
    Handshake,
    Alert,
    App,
    HttpRequest(String),
    HttpResponse(u16),
    Text(String),
    Icmp(u8, u8, u8, u8),
    DnsQuery,
    DnsAnswer,
}

/// Words after it.
#[derive(Clone, Debug, Default)]
pub(super) struct Options {
    words: Vec<(String, String)>,
}

impl Options {
    pub(super) fn has(&self, key: &str) -> bool {
        self.words.iter().any(|(k, _)| k == key)
    }

    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.words.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
    }

    pub(super) fn number(&self, key: &str) -> Option<usize> {
        self.text(key)?.parse().ok()
    }

    /// Numbers joined by commas.
    pub(super) fn numbers(&self, key: &str, radix: u32) -> Vec<u32> {
        let all = self.text(key).unwrap_or_default().split(',');
        all.filter_map(|n| u32::from_str_radix(n.trim_start_matches("0x"), radix).ok()).collect()
    }

    pub(super) fn with(mut self, key: &str, value: &str) -> Self {
        self.words.push((key.to_owned(), value.to_owned()));
        self
    }
}

/// All steps, or all mistakes.
pub(super) fn steps(script: &str) -> Result<Vec<Step>, Vec<Mistake>> {
    let (mut steps, mut mistakes) = (Vec::new(), Vec::new());
    let mut at = 0;
    for line in script.split_inclusive('\n') {
        let text = line.split(" #").next().unwrap_or(line).trim();
        if !text.is_empty() && !text.starts_with('#') {
            let start = at + (line.len() - line.trim_start().len());
            match step(text, start..start + text.len()) {
                Ok(step) => steps.push(step),
                Err(mistake) => mistakes.push(mistake),
            }
        }
        at += line.len();
    }
    if steps.len() > MAX_STEPS {
        mistakes.push(Mistake::new(0..script.len(), format!("a script has at most {MAX_STEPS} lines")));
    }
    if mistakes.is_empty() { Ok(steps) } else { Err(mistakes) }
}

fn step(text: &str, at: Range<usize>) -> Result<Step, Mistake> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let (first, rest) = words.split_first().map_or(("", &[][..]), |(f, r)| (*f, r));
    let known = ["flow", "capture", "ttl", "vni", "snaplen", "alone", "twice"];
    let options = options(rest).map_err(|word| {
        Mistake::new(at.clone(), format!("there is no option `{word}`")).suggest(&word, OPTIONS)
    })?;
    for key in ["not_before", "not_after"] {
        if options.text(key).is_some_and(|day| super::certificate::day(day).is_none()) {
            return Err(Mistake::new(at, format!("`{key}` needs a day such as 2026-01-31")));
        }
    }
    match first {
        "flow" => flow(rest, &options, at),
        "capture" => Ok(Step::Capture(rest.first().copied().unwrap_or("capture").to_owned())),
        "ttl" => {
            let ttl = |key| options.text(key).and_then(|t| t.parse().ok());
            Ok(Step::Ttl { orig: ttl("orig"), resp: ttl("resp") })
        }
        "vni" => match rest.first().and_then(|n| n.parse().ok()).filter(|n| *n < 1 << 24) {
            Some(vni) => Ok(Step::Vni(vni)),
            None => Err(Mistake::new(at, "`vni` needs a number below 16777216")),
        },
        "snaplen" => match rest.first().and_then(|n| n.parse().ok()) {
            Some(bytes) => Ok(Step::SnapLength(bytes)),
            None => Err(Mistake::new(at, "`snaplen` needs a number of bytes")),
        },
        "alone" => Ok(Step::Alone),
        "twice" => Ok(Step::Twice),
        time => match time.parse::<f64>().ok().filter(|t| t.is_finite() && t.abs() <= MAX_SECONDS) {
            Some(seconds) if time.starts_with(['+', '-']) => {
                timed(TimeDelta((seconds * 1e9).round() as i64), rest, options, at)
            }
            _ => Err(Mistake::new(
                at,
                "a line begins with a time such as `+0.002`, or with flow, capture, ttl, vni, snaplen, alone",
            )
            .suggest(first, known)),
        },
    }
}

fn flow(rest: &[&str], options: &Options, at: Range<usize>) -> Result<Step, Mistake> {
    let address = |key| match options.text(key) {
        None => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|_| {
            Mistake::new(at.clone(), format!("`{key}` needs an address and port such as 10.0.0.5:40000"))
        }),
    };
    let name = rest.first().copied().unwrap_or("call").to_owned();
    Ok(Step::Flow { name, orig: address("orig")?, resp: address("resp")? })
}

fn timed(time: TimeDelta, rest: &[&str], options: Options, at: Range<usize>) -> Result<Step, Mistake> {
    let (dir, what) = match rest {
        ["log", ..] => return Ok(Step::Log(time)),
        ["arp", address, ..] => {
            return address
                .parse()
                .map(|ip| Step::Arp(time, ip))
                .map_err(|_| Mistake::new(at, "`arp` needs an IPv4 address"));
        }
        [">", what, ..] => (Dir::Orig, *what),
        ["<", what, ..] => (Dir::Resp, *what),
        _ => {
            return Err(Mistake::new(
                at,
                "after the time stands `>` (from orig), `<` (from resp), `log` or `arp`",
            ));
        }
    };
    let named = if what == "icmp" { icmp(rest.get(2).copied().unwrap_or_default()) } else { packet(what) };
    match named {
        Some(what) => Ok(Step::Packet { at: time, dir, what, options }),
        None => {
            Err(Mistake::new(at, format!("`{what}` is no packet of this language")).suggest(what, PACKETS))
        }
    }
}

fn packet(what: &str) -> Option<What> {
    Some(match what {
        "connect" => What::Connect,
        "close" => What::Close,
        "data" => What::Data,
        "again" => What::Again,
        "handshake" => What::Handshake,
        "tls:client_hello" => What::ClientHello,
        "tls:server_flight" => What::ServerFlight,
        "tls:client_flight" => What::ClientFlight,
        "tls:alert" => What::Alert,
        "tls:app" => What::App,
        "dns:query" => What::DnsQuery,
        "dns:answer" => What::DnsAnswer,
        _ => {
            if let Some(rest) = what.strip_prefix("http:") {
                return Some(
                    rest.parse().map_or_else(|_| What::HttpRequest(rest.to_owned()), What::HttpResponse),
                );
            }
            if let Some(text) = what.strip_prefix("text:") {
                return Some(What::Text(text.replace('_', " ")));
            }
            let bit = |flag: &str| FLAGS.iter().find(|(name, _)| *name == flag).map(|(_, bit)| *bit);
            let bits: Option<Vec<u8>> = what.split(',').map(bit).collect();
            What::Flags(bits?.into_iter().fold(0, |all, bit| all | bit))
        }
    })
}

/// Type and code of ICMP and of ICMPv6.
fn icmp(name: &str) -> Option<What> {
    let (_, v4, v6) = ICMP.iter().find(|(n, ..)| *n == name)?;
    Some(What::Icmp(v4.0, v4.1, v6.0, v6.1))
}

/// `key=value` and bare words; the packet's own words are passed over.
fn options(words: &[&str]) -> Result<Options, String> {
    let mut options = Options::default();
    for word in words {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        if OPTIONS.contains(&key) {
            options.words.push((key.to_owned(), value.to_owned()));
        } else if word.contains('=') {
            return Err(key.to_owned());
        }
    }
    Ok(options)
}

const OPTIONS: [&str; 28] = [
    "orig",
    "resp",
    "ttl",
    "dup",
    "len",
    "mss",
    "lost",
    "lose",
    "first",
    "sni",
    "alpn",
    "versions",
    "version",
    "ciphers",
    "cipher",
    "certreq",
    "empty",
    "cert",
    "self_signed",
    "code",
    "level",
    "from",
    "name",
    "rcode",
    "host",
    "path",
    "not_before",
    "not_after",
];

const PACKETS: [&str; 16] = [
    "connect",
    "close",
    "data",
    "again",
    "handshake",
    "tls:client_hello",
    "tls:server_flight",
    "tls:client_flight",
    "tls:alert",
    "tls:app",
    "dns:query",
    "dns:answer",
    "SYN",
    "SYN,ACK",
    "FIN,ACK",
    "RST,ACK",
];

/// RFC 9293 §3.1.
const FLAGS: [(&str, u8); 5] = [("FIN", 1), ("SYN", 2), ("RST", 4), ("PSH", 8), ("ACK", 16)];

/// Type and code of an ICMP message.
type TypeAndCode = (u8, u8);

/// RFC 792, RFC 1812 §5.2.7.1, RFC 4443 §3: name, ICMP type and code, ICMPv6 type and code.
const ICMP: [(&str, TypeAndCode, TypeAndCode); 7] = [
    ("net_unreachable", (3, 0), (1, 0)),
    ("host_unreachable", (3, 1), (1, 3)),
    ("port_unreachable", (3, 3), (1, 4)),
    ("packet_too_big", (3, 4), (2, 0)),
    ("host_prohibited", (3, 10), (1, 1)),
    ("admin_prohibited", (3, 13), (1, 1)),
    ("time_exceeded", (11, 0), (3, 0)),
];

/// Lines of a script.
const MAX_STEPS: usize = 10_000;

/// Ten days, in seconds.
const MAX_SECONDS: f64 = 864_000.0;
