//! Messages that were read before.
//!
//! A failure repeats its message thousands of times, and what differs is at most the port that the connection had on
//! this side. So what a message told is kept by its words, with that port left out where a probe shows that nothing
//! depends on it but the port itself. What is remembered never changes what a line tells; it is bounded.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use foldhash::fast::FixedState;

use super::classify::{Known, Reasons, Told};
use super::envelope::{Layer, Peeled};
use super::quick::Origin;

/// What was read so far.
#[derive(Debug, Default)]
pub(super) struct Memory {
    messages: HashMap<Box<str>, Remembered, FixedState>,
    reasons: Reasons,
    names: HashSet<Arc<str>, FixedState>,
    origin: LastOrigin,
    key: String,
}

/// What a journal said last of who wrote a line: its text, host and identifier.
#[derive(Debug, Default)]
struct LastOrigin {
    text: String,
    names: Option<(Arc<str>, Arc<str>)>,
}

/// What a message told.
#[derive(Debug)]
enum Remembered {
    /// With these words.
    Words(Told, Arc<str>),
    /// With these words around the port.
    Around(Told, u16),
    /// It depends on the port in other ways: such messages are read each by itself.
    Never,
}

/// Messages, and names, remembered at once: beyond that all are forgotten.
const MAX_REMEMBERED: usize = 1024;
/// Bytes of a message that is remembered.
const MAX_MESSAGE: usize = 4096;

impl Memory {
    /// What a klog message told before, and its text where it is the same word for word.
    pub(super) fn recall(
        &mut self,
        caller: &str,
        severity: u8,
        message: &str,
    ) -> Option<(Told, Option<Arc<str>>)> {
        let port = write_key(&mut self.key, [caller, "k-"], Some(severity), message)?;
        match (self.messages.get(self.key.as_str())?, port) {
            (Remembered::Words(told, words), _) => Some((told.clone(), Some(words.clone()))),
            (Remembered::Around(told, before), Some(port)) => {
                Some((told.with_port(*before, port_at(message, port)?), None))
            }
            _ => None,
        }
    }

    /// What a message tells: as it told before, else read with `read` and remembered.
    pub(super) fn told(
        &mut self,
        peeled: &Peeled<'_>,
        read: impl Fn(&Peeled<'_>, &mut Reasons) -> Told,
    ) -> Told {
        // what values say stands outside the message
        let port = if peeled.values.is_empty() {
            let caller = peeled.caller.as_deref().unwrap_or_default();
            write_key(&mut self.key, [caller, kind(peeled)], peeled.severity, &peeled.message)
        } else {
            None
        };
        let Some(port) = port else { return read(peeled, &mut self.reasons) };
        let before = match (self.messages.get(self.key.as_str()), &port) {
            (Some(Remembered::Words(told, _)), _) => return told.clone(),
            (Some(Remembered::Around(told, before)), Some(at)) => {
                port_at(&peeled.message, at.clone()).map(|now| told.with_port(*before, now))
            }
            (Some(_), _) => return read(peeled, &mut self.reasons),
            (None, _) => None,
        };
        if let Some(told) = before {
            return told;
        }
        let told = read(peeled, &mut self.reasons);
        let remembered = match port {
            None => Remembered::Words(told.clone(), Arc::from(&*peeled.message)),
            Some(at) => self.around(peeled, at, &told, read),
        };
        if self.messages.len() >= MAX_REMEMBERED {
            self.messages.clear();
        }
        self.messages.insert(self.key.as_str().into(), remembered);
        told
    }

    /// Reads the message once more with another port, to see what depends on it.
    fn around(
        &mut self,
        peeled: &Peeled<'_>,
        at: Range<usize>,
        told: &Told,
        read: impl Fn(&Peeled<'_>, &mut Reasons) -> Told,
    ) -> Remembered {
        let Some(port) = port_at(&peeled.message, at.clone()) else { return Remembered::Never };
        let probe = if port == 9 { 8 } else { 9 };
        let mut other = peeled.clone();
        let mut message = peeled.message.to_string();
        message.replace_range(at, &probe.to_string());
        other.message = message.into();
        if read(&other, &mut self.reasons) == told.with_port(port, probe) {
            Remembered::Around(told.clone(), port)
        } else {
            Remembered::Never
        }
    }

    /// The text that named the origin last.
    pub(super) fn origin(&self) -> &str {
        &self.origin.text
    }

    /// Host and identifier of a line.
    pub(super) fn named(&mut self, origin: Origin<'_>) -> Option<(Arc<str>, Arc<str>)> {
        if let Origin::Named(host, ident, text) = origin {
            self.origin = LastOrigin {
                text: if text.ends_with(": ") { text.to_owned() } else { String::new() },
                names: Some((self.name(host), self.name(ident))),
            };
        }
        self.origin.names.clone()
    }

    /// The name, shared with all others that are equal.
    pub(super) fn name(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.names.get(name) {
            return known.clone();
        }
        if self.names.len() >= MAX_REMEMBERED {
            self.names.clear();
        }
        let shared: Arc<str> = name.into();
        self.names.insert(shared.clone());
        shared
    }
}

impl Told {
    /// The same of a connection that had another port on this side.
    fn with_port(&self, before: u16, now: u16) -> Self {
        let Self::Event(known) = self else { return self.clone() };
        let fields = known.fields.with_port(before, now);
        Self::Event(Known { fields, ..known.clone() })
    }
}

/// The layers that a message is read by, besides its words.
fn kind(peeled: &Peeled<'_>) -> &'static str {
    let klog = peeled.layers.last() == Some(&Layer::Klog);
    match (klog, peeled.layers.contains(&Layer::Audit)) {
        (true, false) => "k-",
        (true, true) => "ka",
        (false, true) => "-a",
        (false, false) => "--",
    }
}

/// Writes what stands for a message; gives the place of the port that it leaves out, if there is one. `None` for a
/// message that is not remembered.
#[allow(clippy::option_option, reason = "not remembered, remembered whole, remembered without its port")]
fn write_key(
    key: &mut String,
    kind: [&str; 2],
    severity: Option<u8>,
    message: &str,
) -> Option<Option<Range<usize>>> {
    if message.len() > MAX_MESSAGE {
        return None;
    }
    let port = match port(message) {
        Port::None => None,
        Port::At(range) => Some(range),
        Port::Several => return None,
    };
    key.clear();
    for part in kind {
        key.push_str(part);
    }
    key.push(char::from(severity.unwrap_or(b' ')));
    key.push(if port.is_some() { 'p' } else { '-' });
    match &port {
        None => key.push_str(message),
        Some(at) => {
            key.push_str(message.get(..at.start)?);
            key.push('#');
            key.push_str(message.get(at.end..)?);
        }
    }
    Some(port)
}

/// The port that differs from one connection to the next.
enum Port {
    None,
    At(Range<usize>),
    Several,
}

/// `read tcp 10.0.0.1:40000->10.0.0.2:443: …`, `http: TLS handshake error from 10.0.0.1:40000: …`.
fn port(message: &str) -> Port {
    const SERVER: &str = "http: TLS handshake error from ";
    let bytes = message.as_bytes();
    let arrow = arrow(bytes);
    let server = message.strip_prefix(SERVER).and_then(|rest| rest.find(": ")).map(|n| n + SERVER.len());
    let end = match (arrow, server) {
        (None, None) => return Port::None,
        (Some(end), None) | (None, Some(end)) => end,
        (Some(_), Some(_)) => return Port::Several,
    };
    let digits = bytes.iter().take(end).rev().take_while(|b| b.is_ascii_digit()).count();
    let range = end - digits..end;
    let several = arrow.is_some_and(|n| bytes.get(n + 2..).and_then(self::arrow).is_some());
    let colon = range.start.checked_sub(1).and_then(|n| bytes.get(n)) == Some(&b':');
    if several || !colon || port_at(message, range.clone()).is_none() {
        return Port::Several;
    }
    Port::At(range)
}

/// Where the first `->` stands; making a searcher would cost more than the search.
fn arrow(bytes: &[u8]) -> Option<usize> {
    memchr::memchr_iter(b'>', bytes).filter_map(|n| n.checked_sub(1)).find(|n| bytes.get(*n) == Some(&b'-'))
}

/// The port as it stands there, without leading zeros.
fn port_at(message: &str, at: Range<usize>) -> Option<u16> {
    let digits = message.get(at)?;
    digits.parse().ok().filter(|_| digits.starts_with(|c| ('1'..='9').contains(&c)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{EventSet, classify, envelope};

    #[test]
    fn what_is_remembered_is_what_reading_gives() {
        let events = EventSet::builtin();
        let call = "Failed calling webhook, failing closed v.example.com: failed calling webhook \"v.example.com\": \
                    failed to call webhook: Post \"https://v.ns.svc:443/validate?timeout=5s\"";
        let made = [
            format!("W1121 02:00:00.5    7 dispatcher.go:217] {call}: read tcp 10.0.0.1:PORT->10.0.0.2:443: read: connection reset by peer"),
            format!("W1121 02:00:00.500000    7 dispatcher.go:217] {call}: read tcp 10.0.0.1:PORT->10.0.0.2:443: i/o timeout"),
            format!("W1121 02:00:00.500000    7 dispatcher.go:217] {call}: write tcp [fd00::1]:PORT->[fd00::2]:443: write: broken pipe"),
            format!("W1121 02:00:00.500000    7 dispatcher.go:217] {call}: dial tcp 10.0.0.PORT:443: connect: connection refused"),
            "2026/11/21 02:59:39 http: TLS handshake error from 10.0.0.1:PORT: EOF".to_owned(),
            "2026/11/21 02:59:39 http: TLS handshake error from 10.0.0.1:PORT: read tcp 10.0.0.9:8443->10.0.0.1:PORT: read: \
             connection reset by peer".to_owned(),
            "W1121 02:00:00.500000    7 x.go:2] read tcp 10.0.0.1:PORT->10.0.0.2:443: use of PORT closed".to_owned(),
        ];
        let mut memory = Memory::default();
        let lines = made.iter().flat_map(|line| {
            ["7", "40000", "9", "8", "012", "65536", "443"].map(|port| line.replace("PORT", port))
        });
        let lines: Vec<_> = events.samples().map(str::to_owned).chain(lines).collect();
        for line in lines.iter().chain(&lines) {
            let peeled = envelope::peel(line);
            let fresh = classify::classify(&peeled, &events, &mut Memory::default());
            assert_eq!(classify::classify(&peeled, &events, &mut memory), fresh, "{line}");
            let quick = super::super::quick::read(line, "");
            let recalled = quick.and_then(|q| memory.recall(q.caller, q.severity, q.message));
            if let Some((told, words)) = recalled {
                assert_eq!(told, fresh, "{line}");
                assert!(words.is_none_or(|words| line.ends_with(&*words)), "{line}");
            }
        }
        let around = memory.messages.values().filter(|r| matches!(r, Remembered::Around(..))).count();
        assert!(around >= 4, "{around}");
    }

    #[test]
    fn memory_is_bounded() {
        let events = EventSet::builtin();
        let mut memory = Memory::default();
        for n in 0..3 * MAX_REMEMBERED {
            let line = format!("E1121 02:00:00.500000    7 x.go:2] dial tcp 10.0.0.1:443: reason {n}");
            classify::classify(&envelope::peel(&line), &events, &mut memory);
            memory.name(&line);
            assert!(memory.messages.len() <= MAX_REMEMBERED && memory.names.len() <= MAX_REMEMBERED);
        }
    }
}
