//! Which stretches of a text are of which kind: a file may hold several outputs, one behind the other.
//!
//! Takes the lines of a source from its first to its last; gives stretches of whole lines. What opens a stretch stands at
//! the begin of a line, where neither JSON nor YAML has a text. A log has: whoever writes its messages can write what
//! looks like objects into it. So what stands behind lines of a log opens nothing, unless a journal or a runtime put a
//! header in front of each of those; what looks like more than a quotation is named as not read.

use std::io::{self, Read};
use std::sync::Arc;

use memchr::memchr;

use super::dump::{self, Logs};
use super::lines::{self, Line};
use super::mend;
use super::strangers::Strangers;
use super::wide::is_wide;
use super::{SourceKind, headings};

/// Stretches of bytes, while they are found and when all are.
pub(super) type Stretches = Vec<(u64, u64)>;
pub(super) type Ranges = Arc<[(u64, u64)]>;

/// What a text holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parts {
    /// Kinds in the order in which they come, each with its stretches; objects in JSON and in YAML by themselves.
    pub kinds: Vec<(SourceKind, Stretches)>,
    /// What stands within a log and is no more than text there: its kind, its first line, and how often there is such.
    pub unread: Option<(SourceKind, u64)>,
    pub unread_count: u64,
    /// The log goes on behind each of those, and nothing but their length says that they are more than its text.
    pub unread_is_text: bool,
    /// The first of another kind than the text begins with, and its line.
    pub first_other: Option<(SourceKind, u64)>,
    /// Logs between objects, which are no part of these.
    pub logs: Vec<dump::Log>,
    /// The first line in UTF-16, of which nothing can be told.
    pub wide: Option<u64>,
    /// Pods whose words lines of it are.
    pub strangers: Strangers,
    /// Beyond so many stretches all is of the kind of the last one.
    pub limited: bool,
}

/// Reads a text of which the first bytes are of this kind, as far as it can be read. Where it is `collected`, its name is
/// none of a log: what somebody put into one file may have a title above its first output.
pub(super) fn of(reader: &mut dyn Read, kind: SourceKind, collected: bool) -> Parts {
    let mut walk = Walk::new(kind);
    walk.titles = if collected { TITLES } else { 0 };
    let mut buffer = vec![0; BLOCK];
    loop {
        match reader.read(&mut buffer) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => return walk.finish(),
            Ok(n) => walk.bytes(buffer.get(..n).unwrap_or_default()),
        }
    }
}

/// Whether the first bytes of a text hold more than lines of a log.
pub(super) fn several(head: &[u8]) -> bool {
    let mut walk = Walk::new(SourceKind::Log);
    walk.bytes(head);
    let first = head.split(|&b| b == b'\n').find(|l| !l.trim_ascii().is_empty()).unwrap_or_default();
    lines::is_heading(first)
        || walk.parts.len() > 1
        || walk.quoted.is_some()
        || walk.unread.is_some()
        || !walk.strangers.is_empty()
}

/// Whether a log that begins with `head` ends with what is none.
pub(super) fn differs(head: &[u8], tail: &[u8]) -> bool {
    let logged = |text: &[u8]| {
        let lines = text.split(|&b| b == b'\n').skip(1);
        lines.map(short).any(|line| matches!(lines::read(line, SourceKind::Log, false), Line::Logged { .. }))
    };
    opens(tail) || logged(head) && !logged(tail)
}

/// Whether a piece of a log, which begins with a line, has lines in it that open an output of another kind. Looks at one
/// line in so many bytes, and at all of them only where one is none of a log.
pub(super) fn suspect(piece: &[u8], step: usize) -> bool {
    let first = first_line(piece);
    let usual = first.get(USUAL).filter(|_| is_of_a_log(first));
    let plain = |start: usize| {
        let line = piece.get(start..).unwrap_or_default();
        usual.is_some() && line.get(USUAL) == usual || is_of_a_log(first_line(line))
    };
    let mut start = 0;
    while plain(start) {
        let from = start + step;
        let Some(n) = piece.get(from..).and_then(|rest| memchr(b'\n', rest)) else {
            let whole = piece.strip_suffix(b"\n").unwrap_or(piece);
            let last = memchr::memrchr(b'\n', whole).map_or(0, |n| n + 1);
            return !plain(last) && opens(piece);
        };
        start = from + n + 1;
    }
    opens(piece)
}

/// Bytes that all lines of one log share with the first, as good as always: of a month, a year, a day.
const USUAL: std::ops::Range<usize> = 1..4;

fn first_line(text: &[u8]) -> &[u8] {
    short(text.get(..memchr(b'\n', short(text)).unwrap_or(text.len())).unwrap_or_default())
}

fn is_of_a_log(line: &[u8]) -> bool {
    let is = |line| matches!(lines::read(line, SourceKind::Log, false), Line::Logged { .. } | Line::Neutral);
    line.is_empty() || !line.starts_with(b"-----") && is(line)
}

/// Whether a line opens an output of another kind, or the words of a container.
fn opens(piece: &[u8]) -> bool {
    let mut brace = false;
    piece.split(|&b| b == b'\n').map(short).any(|line| {
        let line = mend::unmarked(line);
        let object = if brace { lines::begins_object(line) } else { Some(false) };
        brace &= object.is_none();
        if object != Some(false) || is_inside(line) {
            return object == Some(true);
        }
        let read = lines::read(line, SourceKind::Log, false);
        brace = read == Line::Brace;
        matches!(read, Line::Opens(..)) || is_wide(line) || is_container(read, line)
    })
}

/// Whether a line of a log, which may be longer, is a heading behind which a container's words follow.
pub fn heads_container(line: &[u8]) -> bool {
    let line = mend::unmarked(short(line));
    !is_inside(line) && is_container(lines::read(line, SourceKind::Log, false), line)
}

fn is_container(read: Line, line: &[u8]) -> bool {
    let may_be = match read {
        Line::Dump | Line::Heading => true,
        Line::Other => line.starts_with(ASKS),
        _ => false,
    };
    may_be && headings::container(line).is_some()
}

/// With which a shell asks for the rest of a command: `> kubectl logs $p`.
const ASKS: &[u8] = b"> ";

fn short(line: &[u8]) -> &[u8] {
    line.get(..line.len().min(LINE_HEAD)).unwrap_or_default()
}

/// A line that goes on what stands before it, as almost all lines of objects do; a blank one says nothing.
fn is_inside(line: &[u8]) -> bool {
    matches!(line.first(), None | Some(b' ' | b'\t' | b'\r' | b'"' | b'}' | b']' | b','))
}

/// Bytes read at a time.
const BLOCK: usize = 256 << 10;
/// Bytes of a line that tell what it is.
const LINE_HEAD: usize = 512;
/// Lines that a message of a log may quote.
const QUOTED: u64 = 64;
/// Entries that a script may write between two outputs: `2026-11-21 02:24:45 INFO collecting nodes`.
const BESIDE: u64 = 2;
/// Lines of a title, with what underlines it.
const TITLES: u64 = 3;
/// Stretches of one text.
pub(super) const MAX_PARTS: usize = 16_384;

/// A text while it is read.
struct Walk {
    parts: Vec<Part>,
    /// The first bytes of a line that is not over, if it began in the block before.
    carry: Vec<u8>,
    in_line: bool,
    offset: u64,
    line_at: u64,
    line: u64,
    /// Where a line is no more than a brace: the next one tells what it opens.
    brace: Option<(u64, u64)>,
    /// Objects are in JSON, of which no line begins with a letter.
    json: bool,
    /// The first line that tells so was read.
    begun: bool,
    trust: Trust,
    /// Lines of which nothing is known that may stand above the first output.
    titles: u64,
    /// The line before was a heading.
    headed: bool,
    quoted: Option<Quoted>,
    unread: Option<(SourceKind, u64)>,
    unread_count: u64,
    unread_is_text: bool,
    /// Logs between objects, of which the last part has all that is left.
    logs: Option<Logs>,
    wide: Option<u64>,
    strangers: Strangers,
    /// Nothing is told apart any more.
    whole: bool,
    limited: bool,
}

/// A stretch that is open until the next.
#[derive(Debug)]
struct Part {
    kind: SourceKind,
    /// Of objects: JSON and YAML are read apart.
    json: bool,
    from: u64,
    line: u64,
    /// There is more in it than headings.
    said: bool,
}

/// Whether what stands at the begin of a line can be a message's.
#[derive(Debug, Default)]
struct Trust {
    lost: bool,
    /// Something told what the text is: a heading, a line of a journal, an output.
    named: bool,
    /// Entries of a log, or a heading that names one, are all that came since.
    log: bool,
    /// Lines since then of which nothing is known.
    bare: u64,
    /// Entries between outputs that a script may have written beside them.
    beside: u64,
}

/// Lines within a log that look like another kind.
struct Quoted {
    kind: SourceKind,
    line: u64,
    headed: bool,
}

impl Walk {
    fn new(kind: SourceKind) -> Self {
        Self {
            parts: vec![Part { kind, json: false, from: 0, line: 1, said: false }],
            carry: Vec::new(),
            in_line: false,
            offset: 0,
            line_at: 0,
            line: 0,
            brace: None,
            json: false,
            begun: false,
            trust: Trust { named: kind != SourceKind::Log, ..Trust::default() },
            titles: 0,
            headed: false,
            quoted: None,
            unread: None,
            unread_count: 0,
            unread_is_text: true,
            logs: None,
            wide: None,
            strangers: Strangers::default(),
            whole: false,
            limited: false,
        }
    }

    fn kind(&self) -> SourceKind {
        self.parts.last().map_or(SourceKind::Log, |part| part.kind)
    }

    fn bytes(&mut self, block: &[u8]) {
        let mut at = 0;
        while let Some(rest) = block.get(at..).filter(|r| !r.is_empty()) {
            let end = memchr(b'\n', rest);
            let text = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
            if !self.in_line {
                (self.line_at, self.line) = (self.offset, self.line + 1);
            }
            self.offset += (text.len() + usize::from(end.is_some())) as u64;
            at += text.len() + 1;
            if self.in_line || end.is_none() {
                let room = LINE_HEAD.saturating_sub(self.carry.len()).min(text.len());
                self.carry.extend_from_slice(text.get(..room).unwrap_or_default());
                self.in_line = end.is_none();
                if end.is_some() {
                    let line = std::mem::take(&mut self.carry);
                    self.line(&line);
                    self.carry = line;
                    self.carry.clear();
                }
            } else {
                self.line(short(text));
            }
        }
    }

    /// Takes the first bytes of a line.
    fn line(&mut self, line: &[u8]) {
        if self.wide.is_none() && is_wide(line) {
            self.wide = Some(self.line);
        }
        let line = mend::unmarked(line);
        if let Some(logs) = &mut self.logs {
            return logs.line(line, (self.line_at, self.offset), self.line);
        }
        if let Some((at, number)) = self.brace {
            match lines::begins_object(line) {
                Some(true) => self.opens(SourceKind::Objects, (at, number), true),
                Some(false) => self.said(),
                None => return,
            }
            self.brace = None;
        }
        if self.whole || is_inside(line) {
            if self.parts.last().is_some_and(|part| !part.said) && !line.trim_ascii().is_empty() {
                self.said();
            }
            return;
        }
        if !self.begun && line.trim_ascii_end() != b"---" && !line.starts_with(b"#") {
            self.begun = true;
            self.json = self.kind() == SourceKind::Objects && matches!(line.first(), Some(b'{' | b'['));
            if let Some(part) = self.parts.last_mut() {
                part.json = self.json;
            }
        }
        let here = (self.line_at, self.line);
        let headed = std::mem::take(&mut self.headed);
        match lines::read(line, self.kind(), self.json) {
            Line::Dump if self.kind() == SourceKind::Objects => {
                self.logs.get_or_insert_default().line(line, (self.line_at, self.offset), self.line);
            }
            Line::Heading if self.is_log_alone() && lines::may_be_said(line) => self.maybe_heading(line),
            Line::Dump | Line::Heading => self.heading(line),
            Line::Logged { .. } if self.is_between_outputs() && lines::is_of_kubectl(line) => self.told(),
            Line::Logged { enveloped: Some(false) } if self.may_be_beside(line) => {
                self.trust.beside += 1;
                self.told();
            }
            Line::Logged { enveloped } => self.logged(enveloped),
            // a program may begin so what it says of something
            Line::Told if self.trust.log || self.is_log_alone() => self.other(),
            Line::Told => self.told(),
            Line::Opens(kind, json) => {
                self.headed = headed;
                self.opens(kind, here, json);
            }
            Line::Brace => (self.brace, self.headed) = (Some(here), headed),
            Line::Neutral => self.said(),
            Line::Other if line.starts_with(ASKS) => self.maybe_heading(line),
            Line::Other => self.other(),
        }
    }

    fn heading(&mut self, line: &[u8]) {
        self.open(SourceKind::Log, (self.line_at, self.line), false);
        self.headed = true;
        let log = headings::names_a_log(line);
        let container = headings::container(line);
        let beside = if log { BESIDE } else { self.trust.beside };
        // what a container says has no header that could be told from its own words
        let lost = self.trust.lost || container.is_some();
        self.trust = Trust { lost, named: true, log, bare: 0, beside };
        self.strangers.heading(self.line, container.unwrap_or_default());
    }

    /// A line that may be a heading, or a program's.
    fn maybe_heading(&mut self, line: &[u8]) {
        if let Some(container) = headings::container(line) {
            self.trust.lost = true;
            self.strangers.heading(self.line, container);
        }
        self.other();
    }

    fn logged(&mut self, enveloped: Option<bool>) {
        self.end_quoted(self.line);
        self.open(SourceKind::Log, (self.line_at, self.line), false);
        self.said();
        let lost = self.trust.lost || enveloped == Some(false);
        self.trust = Trust { lost, named: true, log: true, bare: 0, beside: BESIDE };
    }

    /// An output of another kind stands in front: the text is no log of a program alone.
    fn is_between_outputs(&self) -> bool {
        self.parts.len() > 1 || self.kind() != SourceKind::Log
    }

    /// Nothing but its name has told what the text is, and that is one of a log.
    fn is_log_alone(&self) -> bool {
        !self.trust.named && self.titles == 0
    }

    /// A script may have written the line between two outputs, as it does with a stamp of its own.
    fn may_be_beside(&self, line: &[u8]) -> bool {
        self.is_between_outputs()
            && self.trust.beside < BESIDE
            && line.first().is_some_and(u8::is_ascii_digit)
    }

    /// What kubectl or a script says between outputs, where both go to one file, is no log that could quote them.
    fn told(&mut self) {
        self.open(SourceKind::Log, (self.line_at, self.line), false);
        self.said();
    }

    fn opens(&mut self, kind: SourceKind, (from, line): (u64, u64), json: bool) {
        let headed = std::mem::take(&mut self.headed);
        let within_log = self.kind() == SourceKind::Log;
        if within_log && self.trust.lost {
            self.quoted.get_or_insert(Quoted { kind, line, headed });
            return;
        }
        self.open(kind, (from, line), json);
        self.trust = Trust { named: true, log: false, bare: 0, beside: 0, ..self.trust };
    }

    /// A line of which nothing is known goes on what stands before it; JSON has none such.
    fn other(&mut self) {
        if self.kind() == SourceKind::Objects && self.json {
            self.open(SourceKind::Log, (self.line_at, self.line), false);
        }
        if self.kind() == SourceKind::Log {
            self.said();
            self.trust.bare += 1;
            // a program that says something first may say anything then
            let most = if self.trust.named { QUOTED } else { self.titles };
            self.trust.lost |= self.trust.log || self.trust.bare > most;
        }
    }

    fn said(&mut self) {
        if let Some(part) = self.parts.last_mut() {
            part.said = true;
        }
    }

    fn open(&mut self, kind: SourceKind, (from, line): (u64, u64), json: bool) {
        let json = json && kind == SourceKind::Objects;
        let same = self.kind() == kind && self.json == json;
        self.json = json;
        if same {
            return;
        }
        if self.parts.len() >= MAX_PARTS {
            (self.limited, self.whole) = (true, true);
            return;
        }
        self.parts.push(Part { kind, json, from, line, said: false });
    }

    /// A log that goes on soon behind what looks like another kind has quoted it.
    fn end_quoted(&mut self, line: u64) {
        if let Some(quoted) = self.quoted.take()
            && (quoted.headed || line - quoted.line > QUOTED)
        {
            self.unread.get_or_insert((quoted.kind, quoted.line));
            self.unread_count += 1;
            self.unread_is_text &= !quoted.headed && line < u64::MAX;
        }
    }

    fn finish(mut self) -> Parts {
        if self.in_line {
            let line = std::mem::take(&mut self.carry);
            self.line(&line);
        }
        self.end_quoted(u64::MAX);
        let logs = self.logs.map(|logs| logs.finish(self.offset)).unwrap_or_default();
        let ends: Vec<u64> = self.parts.iter().skip(1).map(|p| p.from).chain([self.offset]).collect();
        let mut kinds: Vec<((SourceKind, bool), Stretches)> = Vec::new();
        for (part, to) in self.parts.iter().zip(ends) {
            if part.from == to || part.kind == SourceKind::Log && !part.said {
                continue; // nothing, or headings alone
            }
            // what is left is of one part
            let ranges = outside(if to == self.offset { &logs } else { &[] }, (part.from, to));
            let key = (part.kind, part.json);
            match kinds.iter_mut().find(|(known, _)| *known == key) {
                Some((_, known)) => known.extend(ranges),
                None => kinds.push((key, ranges)),
            }
        }
        let first = self.parts.first().map(|p| p.kind);
        let other = self.parts.iter().find(|p| Some(p.kind) != first);
        Parts {
            kinds: kinds.into_iter().map(|((kind, _), ranges)| (kind, ranges)).collect(),
            unread: self.unread,
            unread_count: self.unread_count,
            unread_is_text: self.unread_is_text && self.unread_count > 0,
            first_other: other.map(|p| (p.kind, p.line)),
            logs,
            wide: self.wide,
            strangers: self.strangers,
            limited: self.limited,
        }
    }
}

/// What of a stretch lies outside of the logs in it.
fn outside(logs: &[dump::Log], (from, to): (u64, u64)) -> Stretches {
    let starts = std::iter::once(from).chain(logs.iter().map(|log| log.to));
    let ends = logs.iter().map(|log| log.from).chain([to]);
    starts.zip(ends).filter(|(from, to)| from < to).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use SourceKind::{HostState, Log, Objects, Pem};

    const KLOG: &str = "W1121 02:00:05.000001       7 d.go:1] m\n";
    const JOURNAL: &str =
        "Nov 21 02:24:47 cp-1 kube-apiserver[28800]: W1121 02:24:47.529354   28800 d.go:1] m\n";
    const ROUTE: &str = "10.0.0.0/8 via 10.0.0.1 dev eth0\n";
    const JSON: &str = "{\n    \"apiVersion\": \"v1\",\n    \"kind\": \"Pod\"\n}\n";
    const YAML: &str = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n";
    const PEM: &str = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";

    fn parts(kind: SourceKind, text: &str) -> Parts {
        of(&mut text.as_bytes(), kind, false)
    }

    /// The kinds in the text, each with what is read as it.
    fn read(kind: SourceKind, text: &str) -> Vec<(SourceKind, String)> {
        let texts =
            |ranges: &[(u64, u64)]| ranges.iter().map(|&(a, b)| &text[a as usize..b as usize]).collect();
        parts(kind, text).kinds.iter().map(|(kind, ranges)| (*kind, texts(ranges))).collect()
    }

    #[test]
    fn outputs_one_behind_the_other_are_told_apart() {
        let script = format!(
            "=== uname ===\nLinux\n=== ip route ===\n{ROUTE}=== journalctl -u a ===\n{JOURNAL}=== get ===\n{JSON}"
        );
        for (first, outputs) in [
            (HostState, vec![(HostState, ROUTE), (Log, KLOG)]),
            (Log, vec![(HostState, ROUTE), (Log, KLOG)]),
            (HostState, vec![(HostState, ROUTE), (Log, JOURNAL), (Objects, YAML)]),
            (Objects, vec![(Objects, JSON), (Log, KLOG)]),
            (Objects, vec![(Objects, YAML), (Log, JOURNAL), (HostState, ROUTE)]),
            (Objects, vec![(Objects, JSON), (Pem, PEM), (Log, KLOG)]),
            (Pem, vec![(Pem, PEM), (Log, JOURNAL), (Objects, JSON)]),
            (Objects, vec![(Objects, JSON), (HostState, ROUTE)]),
            (HostState, vec![(HostState, ROUTE), (Objects, "[\n  {\n    \"apiVersion\": \"v1\"\n  }\n]\n")]),
        ] {
            let text: String = outputs.iter().map(|(_, text)| *text).collect();
            let want: Vec<_> = outputs.into_iter().map(|(kind, text)| (kind, text.to_owned())).collect();
            assert_eq!(read(first, &text), want, "{text}");
            assert_eq!(parts(first, &text).unread, None, "{text}");
        }
        let records = "$ gcloud logging read\n[\n  {\n    \"insertId\": \"a\"\n  }\n]\n";
        assert_eq!(read(Log, records), [(Log, records.to_owned())]);
        let kinds: Vec<_> = read(Log, &script).into_iter().map(|(kind, _)| kind).collect();
        assert_eq!(kinds, [Log, HostState, Objects], "{script}");
        assert!(several(script.as_bytes()));
    }

    #[test]
    fn what_a_log_quotes_is_text() {
        for quoted in [ROUTE, JSON, YAML, PEM] {
            let text = format!("{ROUTE}{KLOG}{quoted}{KLOG}");
            let want = [(HostState, ROUTE.to_owned()), (Log, format!("{KLOG}{quoted}{KLOG}"))];
            assert_eq!(read(HostState, &text), want, "{text}");
            assert_eq!(parts(HostState, &text).unread, None, "the log goes on at once: {text}");
            // an entry that looks like a journal's, or a heading, may be quoted as well
            for lure in [JOURNAL, "=== ip route ===\n"] {
                let text = format!("{ROUTE}{KLOG}{lure}{quoted}");
                assert_eq!(read(HostState, &text).len(), 2, "{text}");
                assert!(parts(HostState, &text).unread.is_some(), "{text}");
            }
            // what a container says may look like anything
            for lure in ["", JOURNAL, "[pod/a/b] m\n", "{\"log\":\"m\"}\n"] {
                for heading in [
                    "$ kubectl logs -n a b",
                    "$ oc -n a exec b -- c",
                    "$ for p in a b; do\n> kubectl logs $p\n> done",
                    "$ cat dump/a/b/logs.txt",
                    "==> dump/a/b/logs.txt <==",
                    "==== START logs for container c of pod a/b ====",
                ] {
                    let text = format!("{ROUTE}{heading}\n{lure}{quoted}$ kubectl get -A a\n{quoted}");
                    let read = read(HostState, &text);
                    assert_eq!(read.first(), Some(&(HostState, ROUTE.to_owned())), "{text}");
                    assert!(read.iter().skip(1).all(|(kind, _)| *kind == Log), "{text}");
                    assert!(parts(HostState, &text).unread.is_some(), "{text}");
                }
            }
            let dumped = "==== START logs for container c of pod a/b ====\n";
            let text = format!("{JSON}Warning: v1 Endpoints is deprecated\n{dumped}{quoted}");
            assert_eq!(read(Objects, &text).len(), 2, "{text}");
            assert!(parts(Objects, &text).unread.is_some(), "{text}");
            // lines of an application that has no stamps
            let text = format!("=== kubectl logs a ===\nlistening\n{quoted}");
            assert_eq!(read(Log, &text).len(), 1, "{text}");
            assert_eq!(read(Log, &format!("{}{quoted}", "listening\n".repeat(4))).len(), 1);
        }
    }

    #[test]
    fn what_kubectl_says_between_outputs_changes_nothing() {
        let warning = "W1121 02:00:05.000001       7 warnings.go:70] v1 Endpoints is deprecated in v1.33+\n";
        let error =
            "E1121 02:00:05.000001       7 memcache.go:265] couldn't get current server API group list\n";
        let waits =
            "I1121 02:00:05.000001       7 request.go:697] Waited for 1.03s due to client-side throttling\n";
        let text = format!("{JSON}{warning}{warning}{waits}{JSON}{error}{ROUTE}{KLOG}");
        let parts = parts(Objects, &text);
        let kinds: Vec<_> = parts.kinds.iter().map(|(kind, ranges)| (*kind, ranges.len())).collect();
        assert_eq!((kinds, parts.unread), (vec![(Objects, 2), (Log, 3), (HostState, 1)], None), "{text}");
        assert_eq!(read(Log, &format!("{warning}{JSON}")).len(), 1, "a program may begin so");
        let text = format!("{ROUTE}{KLOG}{warning}{JSON}");
        assert!(
            super::of(&mut text.as_bytes(), HostState, false).unread.is_some(),
            "a log may quote that, too"
        );
    }

    #[test]
    fn what_a_script_says_between_outputs_changes_nothing() {
        let said = "2026-11-21 02:24:45,100 INFO collecting endpoints of all namespaces\n";
        let told = "Warning: v1 Endpoints is deprecated in v1.33+\n";
        for log in ["", "==> app.log <==\n", "$ tail app.log\n"] {
            let text = format!("{log}error: of a body:\n{JSON}");
            assert_eq!(read(Log, &text).len(), 1, "{text}");
            assert_eq!(
                of(&mut text.as_bytes(), Log, true).kinds.len(),
                1 + usize::from(log.is_empty()),
                "{text}"
            );
        }
        for between in [said.to_owned(), said.repeat(2), told.repeat(3)] {
            for first in [JSON, ROUTE] {
                let kind = if first == JSON { Objects } else { HostState };
                let text = format!("{first}{between}{JSON}{between}{YAML}");
                assert_eq!(parts(kind, &text).unread, None, "{text}");
                let objects: Vec<_> =
                    read(kind, &text).into_iter().filter(|(kind, _)| *kind == Objects).collect();
                let json = if first == JSON { JSON.repeat(2) } else { JSON.to_owned() };
                assert_eq!(objects, [(Objects, json), (Objects, YAML.to_owned())], "{text}");
            }
        }
        for log in [said.repeat(3), format!("=== kubectl logs a ===\n{said}")] {
            let text = format!("{ROUTE}{log}{JSON}");
            assert_eq!(parts(HostState, &text).unread.map(|(kind, _)| kind), Some(Objects), "{text}");
        }
    }

    #[test]
    fn what_somebody_collected_may_begin_with_a_title() {
        let text = format!("routes of cp-1:\n{ROUTE}services:\n{JSON}");
        let kinds = |collected| -> Vec<_> {
            of(&mut text.as_bytes(), Log, collected).kinds.into_iter().map(|(kind, _)| kind).collect()
        };
        assert_eq!(kinds(true), [Log, HostState, Objects]);
        assert_eq!(kinds(false), [Log]);
        for heading in ["# dump\n", "**dump**\n", "~ > dump\n", "PS C:\\x> dump\n", "/ # dump\n"] {
            let text = format!("{heading}{JSON}");
            let kinds = |collected| of(&mut text.as_bytes(), Log, collected).kinds;
            assert!(kinds(true).iter().any(|(kind, _)| *kind == Objects), "{text}");
            assert!(kinds(false).iter().all(|(kind, _)| *kind == Log), "a program may say so: {text}");
        }
        let text = format!("{}{JSON}", "GET / 200\n".repeat(4));
        assert_eq!(of(&mut text.as_bytes(), Log, true).kinds.len(), 1, "a log, whatever its name");
    }

    #[test]
    fn what_a_log_goes_on_behind_is_its_text() {
        let quoted = format!("{JSON}{}", "\n".repeat(70));
        for (text, is_text) in [
            (format!("{KLOG}{quoted}{KLOG}"), true),
            (format!("{KLOG}{quoted}"), false),
            (format!("{KLOG}{quoted}{KLOG}{quoted}"), false),
            (format!("{KLOG}=== get ===\n{quoted}{KLOG}"), false),
            (KLOG.to_owned(), false),
        ] {
            assert_eq!(parts(Log, &text).unread_is_text, is_text, "{text}");
        }
    }

    #[test]
    fn what_is_not_read_has_a_kind_and_a_line() {
        for (quoted, kind) in [(ROUTE, HostState), (JSON, Objects), (YAML, Objects), (PEM, Pem)] {
            assert_eq!(
                parts(HostState, &format!("{ROUTE}{KLOG}{quoted}")).unread,
                Some((kind, 3)),
                "{quoted}"
            );
            let long = format!("{ROUTE}{KLOG}{quoted}{}{KLOG}", " \n".repeat(70));
            assert_eq!(parts(HostState, &long).unread, Some((kind, 3)), "{quoted}");
        }
    }

    #[test]
    fn a_text_of_one_kind_is_one_part() {
        let list = "apiVersion: v1\nitems:\n- apiVersion: v1\n  data:\n    a: |\n      W1121 02:00:05.000001       7 d.go:1] m\n- apiVersion: v1\n## c\nkind: List\n";
        for (kind, text) in [
            (Objects, list),
            (
                Objects,
                "---\n{\"apiVersion\":\"v1\",\"kind\":\"Pod\"}\n---\n{\"apiVersion\":\"v1\",\"kind\":\"Pod\"}\n",
            ),
            (Objects, "\u{feff}{\n  \"apiVersion\": \"v1\"\n}\n{\n  \"apiVersion\": \"v1\"\n}\n"),
            (Objects, "# a\n---\napiVersion: v1\nkind: Pod\n---\napiVersion: v1\n"),
            (Objects, "{\"apiVersion\":\"v1\",\"kind\":\"Pod\"}\n{\"apiVersion\":\"v1\",\"kind\":\"Pod\"}\n"),
            (
                HostState,
                "# Generated by iptables-save\n*nat\n:A - [0:0]\n-A A -j B\nCOMMIT\n2026-11-21T02:00:00Z\nunknown\n",
            ),
            (Pem, PEM),
            (Log, ""),
        ] {
            let all = read(kind, text);
            assert!(all.len() <= 1 && all.iter().all(|(_, t)| t == text), "{text}: {all:?}");
        }
    }

    #[test]
    fn logs_between_objects_are_no_part_of_them() {
        let dumped = |of: &str, text: &str| {
            format!("==== START logs for container {of} ====\n{text}==== END logs for container {of} ====\n")
        };
        let own = dumped("a of pod kube-system/b", KLOG);
        for (first, objects) in [(Objects, JSON), (Objects, YAML), (HostState, JSON)] {
            let before = if first == HostState { ROUTE } else { "" };
            let text = format!("{before}{objects}{own}{objects}{}{objects}", dumped("a of pod b/c", objects));
            let parts = parts(first, &text);
            assert_eq!(read(first, &text).last(), Some(&(Objects, objects.repeat(2))), "{text}");
            assert_eq!((parts.logs.len(), parts.unread), (2, None), "{text}");
        }
    }

    #[test]
    fn a_piece_of_a_log_with_another_output_is_suspected() {
        let log = JOURNAL.repeat(300);
        for step in [0, 1 << 10] {
            assert!(!suspect(log.as_bytes(), step));
            assert!(!suspect(format!("{log}goroutine 1\n\tmain.go:7\n{log}").as_bytes(), step));
            for other in [ROUTE, JSON, YAML, PEM] {
                assert!(
                    suspect(format!("{log}{}{log}", other.repeat(40)).as_bytes(), step),
                    "{step} {other}"
                );
                assert!(suspect(format!("{log}{other}").as_bytes(), step), "{step} {other}");
                assert!(suspect(format!("{log}{other}{log}").as_bytes(), 0), "{other}");
            }
        }
    }

    #[test]
    fn the_end_of_a_log_tells_of_other_outputs() {
        for (tail, want) in [
            (JOURNAL.repeat(3), false),
            (format!("cut{JOURNAL}{JOURNAL}"), false),
            (format!("{JOURNAL}{ROUTE}"), true),
            (format!("   a: b\n{}", "   a: b\n".repeat(9)), true),
        ] {
            assert_eq!(differs(JOURNAL.repeat(3).as_bytes(), tail.as_bytes()), want, "{tail}");
        }
        assert!(!differs(b"GET /a 200\nGET /b 200\n", b"GET /a 200\nGET /b 200\n"));
    }

    #[test]
    fn blocks_may_end_anywhere() {
        let log = "==== START logs for container a of pod kube-system/b ====\nm\n==== END logs for container a of pod kube-system/b ====\n";
        for end in [&format!("{PEM}=== a ===\n{ROUTE}{KLOG}{JSON}"), &format!("{log}{YAML}{log}{JSON}")] {
            let text = format!("{ROUTE}{JOURNAL}{JSON}{YAML}{end}");
            let whole = parts(HostState, &text);
            for n in 1..text.len() {
                let mut walk = Walk::new(HostState);
                text.as_bytes().chunks(n).for_each(|chunk| walk.bytes(chunk));
                assert_eq!(walk.finish(), whole, "{n}");
            }
        }
    }
}
