//! Peels a line: journal, container and logger headers, outermost first, down to the message.
//!
//! Takes one line; gives the [`Peeled`] message with every stamp, name and structured value that the layers held.
//! Each layer is recognised by its own first bytes, so that any layer may stand in any other. Never decides what a
//! message means. Formats: journalctl(1), CRI (`cri-client/pkg/logs/logs.go`), klog, Kubernetes JSON logging, zap.

use std::borrow::Cow;

use super::quote::unquote;
use super::stamp::{self, Stamp};
use super::{cloud, json, pods};

/// A format that wraps a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Layer {
    Journal(&'static str),
    Cri,
    Docker,
    Collector(&'static str),
    Timestamps,
    Prefix,
    File,
    Stern,
    Klog,
    KlogJson,
    Zap,
    GoLog,
    Nginx,
    Capnslog,
    Logrus,
    Syslog,
    Audit,
    Event,
    Json,
}

impl Layer {
    /// It is a program's own header, not what a runtime, a collector or a journal puts around a line.
    pub(super) const fn is_logger(self) -> bool {
        matches!(
            self,
            Self::Klog
                | Self::KlogJson
                | Self::Zap
                | Self::GoLog
                | Self::Nginx
                | Self::Capnslog
                | Self::Logrus
                | Self::Json
        )
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Journal(output) => output,
            Self::Cri => "cri",
            Self::Docker => "docker json-file",
            Self::Collector(program) => program,
            Self::Timestamps => "kubectl logs --timestamps",
            Self::Prefix => "kubectl logs --prefix",
            Self::File => "grep",
            Self::Stern => "stern",
            Self::Klog => "klog",
            Self::KlogJson => "klog json",
            Self::Zap => "zap",
            Self::GoLog => "go log",
            Self::Nginx => "nginx",
            Self::Capnslog => "capnslog",
            Self::Logrus => "logrus",
            Self::Syslog => "syslog",
            Self::Audit => "audit",
            Self::Event => "kubernetes event",
            Self::Json => "json",
        }
    }
}

/// What one line held.
#[derive(Clone, Debug, Default)]
pub(super) struct Peeled<'a> {
    /// Outermost first.
    pub layers: Vec<Layer>,
    /// Outermost first; klog's are in the zone of the process, the outer ones in the collector's.
    pub stamps: Vec<Stamp>,
    /// Zone name of a journal short-full stamp.
    pub zone_name: Option<String>,
    pub host: Option<String>,
    /// Identifier or unit.
    pub ident: Option<String>,
    /// `namespace/pod` where the envelope names it.
    pub pod: Option<String>,
    /// The outermost envelope that names a pod names one that is no API server's.
    pub stranger: bool,
    /// `dispatcher.go:217`.
    pub caller: Option<String>,
    /// Process (thread) that klog names.
    pub pid: Option<u32>,
    /// klog or zap severity letter: `I`, `W`, `E`, `F`, `D`.
    pub severity: Option<u8>,
    /// The CRI runtime cut the line here; the next line goes on.
    pub partial: bool,
    /// What remains.
    pub message: Cow<'a, str>,
    /// What the entry is known by wherever it stands: an audit event, an event of Kubernetes.
    pub id: Option<String>,
    /// Values of a structured entry in JSON, as `key`, `text`; those of klog text stay in the message.
    pub values: Vec<(String, String)>,
}

impl Peeled<'_> {
    /// The same, free of the line.
    pub(super) fn into_owned(self) -> Peeled<'static> {
        let Peeled {
            layers,
            stamps,
            zone_name,
            host,
            ident,
            pod,
            stranger,
            caller,
            pid,
            severity,
            partial,
            message,
            id,
            values,
        } = self;
        let message = Cow::Owned(message.into_owned());
        Peeled {
            layers,
            stamps,
            zone_name,
            host,
            ident,
            pod,
            stranger,
            caller,
            pid,
            severity,
            partial,
            message,
            id,
            values,
        }
    }
}

/// What a layer's parser found.
enum Step {
    /// The next layer begins after so many bytes.
    Skip(usize),
    /// The next layer is this decoded text.
    Replace(String),
    /// The message begins after so many bytes, and nothing is peeled from it any more.
    Message(usize),
}

/// Layers within layers that are peeled.
const MAX_LAYERS: usize = 6;

/// Peels `line` (without its line end).
pub(super) fn peel(line: &str) -> Peeled<'_> {
    // RFC 7464 begins a record with RS, an event stream (`json-sse`) a line with `data: `, one file behind another
    // with a byte order mark, and a hole in a file is NULs
    let line = line.strip_suffix('\r').unwrap_or(line).trim_start_matches(['\x1e', '\x0c', '\u{feff}', '\0']);
    let line = line.strip_prefix("data: ").unwrap_or(line);
    if line.starts_with('\x1b') {
        return peel_on(Cow::Owned(pods::uncoloured(line)), Peeled::default());
    }
    peel_on(Cow::Borrowed(line), Peeled::default())
}

/// Peels a message that stands inside what `outer` has read already.
pub(super) fn peel_inside(message: &str, outer: Peeled<'static>) -> Peeled<'static> {
    peel_on(Cow::Borrowed(message), outer).into_owned()
}

fn peel_on<'t>(mut text: Cow<'t, str>, outer: Peeled<'t>) -> Peeled<'t> {
    let mut out = outer;
    for _ in 0..MAX_LAYERS {
        match step(&text, &mut out) {
            Some(Step::Skip(n)) => text = drop_head(text, n),
            Some(Step::Replace(inner)) => text = Cow::Owned(inner),
            Some(Step::Message(n)) => {
                text = drop_head(text, n);
                break;
            }
            None => break,
        }
    }
    out.message = text;
    out
}

fn drop_head(text: Cow<'_, str>, n: usize) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.get(n..).unwrap_or_default()),
        Cow::Owned(mut text) => {
            if text.is_char_boundary(n) {
                text.drain(..n);
            }
            Cow::Owned(text)
        }
    }
}

fn step(text: &str, out: &mut Peeled<'_>) -> Option<Step> {
    let bytes = text.as_bytes();
    match bytes.first()? {
        b'{' => json::layer(text, out).map(Step::Replace),
        b'0'..=b'9' => digit_first(text, out),
        b'E' if text.starts_with("EVENTS\t") => cloud::events_text(text, out).map(Step::Replace),
        b'I' | b'W' | b'E' | b'F' | b'D' if bytes.get(1).is_some_and(u8::is_ascii_digit) => klog(text, out),
        b'M' if out.layers.is_empty() && text.starts_with("MESSAGE=") => {
            out.layers.push(Layer::Journal("journal export"));
            Some(Step::Skip("MESSAGE=".len()))
        }
        b'A'..=b'Z' => journal_short(text, out).or_else(|| journal_full(text, out)),
        b'[' => pods::prefix(text, out).map(|rest| skip_to(text, rest)).or_else(|| monotonic(text, out)),
        b't' if text.starts_with("time=\"") => logrus(text, out),
        b'<' => syslog(text, out),
        b'a'..=b'z' if out.layers.is_empty() => {
            let rest = pods::stern(text, out).or_else(|| pods::file(text, out))?;
            Some(skip_to(text, rest))
        }
        b'/' if out.layers.is_empty() => {
            let rest = cloud::group_first(text, out).or_else(|| pods::file(text, out))?;
            Some(skip_to(text, rest))
        }
        b'.' if out.layers.is_empty() => pods::file(text, out).map(|rest| skip_to(text, rest)),
        b' ' if out.layers.is_empty() && text.trim_start().starts_with("MESSAGE=") => {
            out.layers.push(Layer::Journal("journal verbose"));
            Some(Step::Skip(text.find('=')? + 1))
        }
        _ => None,
    }
}

/// On to `rest`, which ends `text`.
fn skip_to(text: &str, rest: &str) -> Step {
    Step::Skip(text.len() - rest.len())
}

fn digit_first(text: &str, out: &mut Peeled<'_>) -> Option<Step> {
    let bytes = text.as_bytes();
    if let Some((stamp, taken)) = stamp::go_log(bytes) {
        return nginx(stamp, taken, text, out)
            .or_else(|| Some(simple(Layer::GoLog, stamp, taken, text, out)));
    }
    if let Some((stamp, taken)) = stamp::unix(bytes) {
        return journal(Layer::Journal("journal short-unix"), stamp, taken, text, out);
    }
    let (stamp, taken) = stamp::rfc3339(bytes)?;
    let rest = text.get(taken..)?;
    let stream = rest.strip_prefix(" stdout ").or_else(|| rest.strip_prefix(" stderr "));
    if let Some(tagged) = stream {
        return cri(stamp, taken + rest.len() - tagged.len(), tagged, out);
    }
    if let Some(step) = capnslog(stamp, taken, rest, out) {
        return Some(step);
    }
    if let Some(message) = cloud::tail(stamp, rest, out) {
        return Some(skip_to(text, message));
    }
    let output = match stamp {
        Stamp::Absolute(_, r) | Stamp::Civil(_, r) if r.0 < 1_000_000_000 => "journal short-iso-precise",
        _ => "journal short-iso",
    };
    journal(Layer::Journal(output), stamp, taken, text, out)
        .or_else(|| rest.starts_with(' ').then(|| simple(Layer::Timestamps, stamp, taken, text, out)))
}

/// A stamp, a space, the message.
fn simple(layer: Layer, stamp: Stamp, taken: usize, text: &str, out: &mut Peeled<'_>) -> Step {
    out.layers.push(layer);
    out.stamps.push(stamp);
    Step::Skip(taken + usize::from(text.as_bytes().get(taken) == Some(&b' ')))
}

/// `2026/11/21 02:24:45 [error] 7#7: *5 message` of nginx's error log (`ngx_log_error_core`); `*5` is the connection, where
/// the message is about one.
fn nginx(stamp: Stamp, taken: usize, text: &str, out: &mut Peeled<'_>) -> Option<Step> {
    let (level, rest) = text.get(taken..)?.strip_prefix(" [")?.split_once("] ")?;
    let (process, message) = rest.split_once(": ")?;
    let (pid, thread) = process.split_once('#')?;
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !level.bytes().all(|b| b.is_ascii_lowercase()) || !number(pid) || !number(thread) {
        return None;
    }
    let connection = message.strip_prefix('*').and_then(|m| m.split_once(' ')).filter(|(id, _)| number(id));
    let message = connection.map_or(message, |(_, message)| message);
    out.layers.push(Layer::Nginx);
    out.stamps.push(stamp);
    out.severity = level.bytes().next().map(|b| b.to_ascii_uppercase());
    Some(Step::Message(text.len() - message.len()))
}

/// `2026-11-21T02:24:45.699082123Z stderr F message`; `P` marks a line that the next one continues.
fn cri(stamp: Stamp, at: usize, tagged: &str, out: &mut Peeled<'_>) -> Option<Step> {
    let tag = tagged.split(' ').next()?;
    let flag = tag.split(':').next()?;
    if !matches!(flag, "F" | "P") {
        return None;
    }
    out.layers.push(Layer::Cri);
    out.stamps.push(stamp);
    out.partial = flag == "P";
    Some(Step::Skip(at + tag.len() + usize::from(tagged.len() > tag.len())))
}

/// `2019-05-01 12:00:00.123456 W | embed: rejected connection from …`: etcd up to 3.3.
fn capnslog(stamp: Stamp, taken: usize, rest: &str, out: &mut Peeled<'_>) -> Option<Step> {
    let rest = rest.as_bytes();
    let level = *rest.get(1)?;
    if rest.first() != Some(&b' ') || rest.get(2..5) != Some(b" | ") || !level.is_ascii_uppercase() {
        return None;
    }
    out.layers.push(Layer::Capnslog);
    out.stamps.push(stamp);
    out.severity = Some(level);
    Some(Step::Message(taken + 5))
}

fn journal_short(text: &str, out: &mut Peeled<'_>) -> Option<Step> {
    let (stamp, taken) = stamp::month_first(text.as_bytes())?;
    let output = match stamp {
        Stamp::Civil(_, r) if r.0 < 1_000_000_000 => "journal short-precise",
        _ => "journal short",
    };
    journal(Layer::Journal(output), stamp, taken, text, out)
}

fn journal_full(text: &str, out: &mut Peeled<'_>) -> Option<Step> {
    let (stamp, taken, zone) = stamp::weekday_first(text.as_bytes())?;
    let zone = zone.map(|z| String::from_utf8_lossy(z).into_owned());
    let rest = text.get(taken + 1..)?;
    let unit = rest.split(' ').nth(1).is_some_and(|ident| ident.contains(".service["));
    let output = if unit { "journal with-unit" } else { "journal short-full" };
    let step = journal(Layer::Journal(output), stamp, taken, text, out);
    out.zone_name = zone.filter(|_| step.is_some());
    step
}

/// `[   12.345678] host ident[pid]: message`: seconds since boot say nothing of the date.
fn monotonic(text: &str, out: &mut Peeled<'_>) -> Option<Step> {
    let inside = text.get(1..)?.split(']').next()?;
    let number = inside.trim_start();
    let plain = number.contains('.') && number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if !plain {
        return None;
    }
    let (host, ident, skip) = origin(text, inside.len() + 2)?;
    name(Layer::Journal("journal short-monotonic"), host, ident, out);
    Some(Step::Skip(skip))
}

/// ` host ident[pid]: message` after a stamp.
fn journal(layer: Layer, stamp: Stamp, taken: usize, text: &str, out: &mut Peeled<'_>) -> Option<Step> {
    let (host, ident, skip) = origin(text, taken)?;
    out.stamps.push(stamp);
    name(layer, host, ident, out);
    Some(Step::Skip(skip))
}

fn name(layer: Layer, host: &str, ident: &str, out: &mut Peeled<'_>) {
    out.layers.push(layer);
    out.host.get_or_insert_with(|| host.to_owned());
    out.ident.get_or_insert_with(|| ident.to_owned());
}

/// Host, identifier (without `[pid]` and `.service`) and where the message begins.
pub(super) fn origin(text: &str, at: usize) -> Option<(&str, &str, usize)> {
    let rest = text.get(at..)?.strip_prefix(' ')?;
    let host = rest.get(..rest.find(' ')?)?;
    let after = rest.get(host.len() + 1..)?;
    let colon = after.find(": ").or_else(|| after.ends_with(':').then(|| after.len() - 1))?;
    let tag = after.get(..colon)?;
    let ident = tag.split('[').next()?;
    let plain = !host.is_empty()
        && !ident.is_empty()
        && ident.len() <= 64
        && !ident.contains(['"', '=', '{'])
        && (!ident.contains(' ') || tag.ends_with(']'));
    let skip = (at + 1 + host.len() + 1 + colon + 2).min(text.len());
    plain.then(|| (host, ident.strip_suffix(".service").unwrap_or(ident), skip))
}

/// `W1121 02:24:47.529354   28800 dispatcher.go:217] message`.
fn klog(text: &str, out: &mut Peeled<'_>) -> Option<Step> {
    let (stamp, pid, caller, at) = klog_head(text)?;
    out.pid = pid;
    out.layers.push(Layer::Klog);
    out.stamps.push(stamp);
    out.severity = text.bytes().next();
    out.caller = Some(caller.to_owned());
    Some(Step::Message(at))
}

/// Stamp, process and caller of klog's header, and where the message begins.
pub(super) fn klog_head(text: &str) -> Option<(Stamp, Option<u32>, &str, usize)> {
    let (stamp, taken) = stamp::klog(text.as_bytes().get(1..)?)?;
    let rest = text.get(1 + taken..)?;
    let close = rest.as_bytes().iter().take(200).position(|&b| b == b']')?;
    let head = rest.get(..close)?.trim_start();
    let (pid, caller) = head.split_once(' ').map_or((None, head), |(pid, caller)| (pid.parse().ok(), caller));
    let space = usize::from(rest.as_bytes().get(close + 1) == Some(&b' '));
    Some((stamp, pid, caller, 1 + taken + close + 1 + space))
}

/// A severity and what follows it in klog's header stand at the begin.
pub(super) fn has_klog_head(text: &str) -> bool {
    text.starts_with(['I', 'W', 'E', 'F', 'D']) && klog_head(text).is_some()
}

/// `time="2020-05-04T10:00:00.123Z" level=info msg="E0504 …"`: k3s, k0s and microk8s around klog.
fn logrus(text: &str, out: &mut Peeled<'_>) -> Option<Step> {
    let rest = text.strip_prefix("time=\"")?;
    let (stamp, taken) = stamp::rfc3339(rest.as_bytes())?;
    let level = text.find(" level=").and_then(|n| text.as_bytes().get(n + 7));
    let inner = match text.find(" msg=\"") {
        Some(n) => unquote(text.get(n + 5..)?)?.0,
        None => rest.get(taken + 1..)?.to_owned(),
    };
    out.layers.push(Layer::Logrus);
    out.stamps.push(stamp);
    out.severity = level.map(u8::to_ascii_uppercase);
    if let Some((_, err)) = text.split_once(" error=") {
        out.values.push(("error".to_owned(), unquote(err).map_or_else(|| err.to_owned(), |(e, _)| e)));
    }
    Some(Step::Replace(inner))
}

/// `<34>Nov 21 …` (RFC 3164) and `<34>1 2026-11-21T… host app procid msgid - message` (RFC 5424).
fn syslog(text: &str, out: &mut Peeled<'_>) -> Option<Step> {
    let close = text.find('>').filter(|n| (2..=4).contains(n))?;
    if !text.get(1..close)?.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let rest = text.get(close + 1..)?;
    let Some(modern) = rest.strip_prefix("1 ") else {
        out.layers.push(Layer::Syslog);
        return Some(Step::Skip(close + 1));
    };
    let (stamp, taken) = stamp::rfc3339(modern.as_bytes())?;
    let mut words = modern.get(taken..)?.strip_prefix(' ')?.splitn(5, ' ');
    let (host, ident) = (words.next()?, words.next()?);
    let message = words.nth(2)?;
    let message = message.strip_prefix("- ").unwrap_or(message);
    out.stamps.push(stamp);
    name(Layer::Syslog, host, ident, out);
    Some(Step::Skip(text.len() - message.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::LogOptions;
    use crate::log::timebase::Anchors;

    /// Layers, time, host, identifier and message of a line in a log whose year is 2026.
    fn shown(line: &str) -> String {
        let peeled = peel(line);
        let layers: Vec<_> = peeled.layers.iter().map(|l| l.name()).collect();
        let mut anchors = Anchors::default();
        anchors.add(&peeled.stamps, None);
        let clock = anchors.clock(&LogOptions { year: Some(2026), ..LogOptions::default() }, None);
        let time = clock.resolve(&peeled.stamps).map_or_else(|| "-".to_owned(), |(t, _)| t.to_string());
        let name = |n: &Option<String>| n.clone().unwrap_or_else(|| "-".to_owned());
        format!(
            "{} | {time} | {} | {} | {}",
            layers.join(" / "),
            name(&peeled.host),
            name(&peeled.ident),
            peeled.message
        )
    }

    #[test]
    fn lines_as_real_programs_print_them() {
        for (line, expected) in [
            (
                "./n_p_9a6abc05-c272-55d3-a421-a5cbcb13f927/c/0.log:12:2026-11-21T02:24:45.699082123Z stderr F m",
                "grep / cri | 2026-11-21T02:24:45.699082123Z | - | c | m",
            ),
            (
                "/var/log/pods/n_p_u/c/0.log-2026-11-21T02:24:45.699082123Z stderr F m",
                "grep / cri | 2026-11-21T02:24:45.699082123Z | - | c | m",
            ),
            (
                "var/log/pods/n_p_u/c/0.log-12-2026-11-21T02:24:45.699082123Z stderr F m",
                "grep / cri | 2026-11-21T02:24:45.699082123Z | - | c | m",
            ),
            (
                "Nov 21 02:24:47 cp-1 kube-apiserver[28800]: W1121 02:24:47.529354   28800 dispatcher.go:217] m",
                "journal short / klog | 2026-11-21T02:24:47.529354000Z | cp-1 | kube-apiserver | m",
            ),
            (
                "Nov 21 02:25:20.685152 cp-1 kube-apiserver[30368]: W1121 02:25:20.685010   30368 dispatcher.go:225] m",
                "journal short-precise / klog | 2026-11-21T02:25:20.685152000Z | cp-1 | kube-apiserver | m",
            ),
            (
                "2026-11-21T02:19:27+0000 cp-1 kube-apiserver[13673]: W1121 02:19:27.543936   13673 dispatcher.go:217] m",
                "journal short-iso / klog | 2026-11-21T02:19:27.543936000Z | cp-1 | kube-apiserver | m",
            ),
            (
                "2026-11-21T02:26:31.766670+0000 cp-1 kube-apiserver[2780]: E1121 02:26:31.766616    2780 a.go:493] m",
                "journal short-iso-precise / klog | 2026-11-21T02:26:31.766670000Z | cp-1 | kube-apiserver | m",
            ),
            (
                "Sat 2026-11-21 02:26:47 UTC cp-1 kube-apiserver[4355]: W1121 02:26:47.945512    4355 dispatcher.go:225] m",
                "journal short-full / klog | 2026-11-21T02:26:47.945512000Z | cp-1 | kube-apiserver | m",
            ),
            (
                "Sat 2026-11-21 02:45:50 UTC cp-1 kube-apiserver.service[21360]: W1121 02:45:50.489106   21360 d.go:217] m",
                "journal with-unit / klog | 2026-11-21T02:45:50.489106000Z | cp-1 | kube-apiserver | m",
            ),
            (
                "1795227991.766670 cp-1 kube-apiserver[2780]: E1121 02:26:31.766616    2780 a.go:493] m",
                "journal short-unix / klog | 2026-11-21T02:26:31.766670000Z | cp-1 | kube-apiserver | m",
            ),
            (
                "[  991.766670] cp-1 kube-apiserver[2780]: E1121 02:26:31.766616    2780 a.go:493] m",
                "journal short-monotonic / klog | 2026-11-21T02:26:31.766616000Z | cp-1 | kube-apiserver | m",
            ),
            (
                "kube-apiserver-cp-1 kube-apiserver W1121 02:25:49.766606   31227 dispatcher.go:205] m",
                "stern / klog | 2026-11-21T02:25:49.766606000Z | - | kube-apiserver | m",
            ),
            (
                "\x1b[38;5;2mkube-apiserver-cp-1\x1b[0m \x1b[38;5;3mkube-apiserver\x1b[0m W1121 02:25:49.766606   31227 d.go:5] m",
                "stern / klog | 2026-11-21T02:25:49.766606000Z | - | kube-apiserver | m",
            ),
            (
                r#"{"ts":1795227996781.2563,"caller":"mutating/dispatcher.go:225","msg":"m \"q\u00e"#,
                "klog json | 2026-11-21T02:26:36.781256000Z | - | - | m \"q",
            ),
            (
                r#"{"ts":1795227996781.2563,"caller":"mutating/dispatcher.go:225","a":[{"b":1},{"msg":"m"}],"msg":"m \"#,
                "klog json | 2026-11-21T02:26:36.781256000Z | - | - | m ",
            ),
            (
                "W1121 02:25:49.766606   31227 dispatcher.go:205] m",
                "klog | 2026-11-21T02:25:49.766606000Z | - | - | m",
            ),
            (
                "2026-11-21T02:56:32.435427555Z stderr F W1121 02:56:32.435323    7396 dispatcher.go:217] m",
                "cri / klog | 2026-11-21T02:56:32.435427555Z | - | - | m",
            ),
            (
                "2026-11-21T02:56:32.435427555+00:00 stdout F 2026/11/21 02:56:32 http: m",
                "cri / go log | 2026-11-21T02:56:32.435427555Z | - | - | http: m",
            ),
            (
                "2026-11-28T14:42:15.850736746Z stderr F 2026/11/28 14:42:15 [error] 27701#27701: *1 m",
                "cri / nginx | 2026-11-28T14:42:15.850736746Z | - | - | m",
            ),
            (
                "2026/11/28 14:42:15 [notice] 27701#27701: nginx/1.22.1",
                "nginx | 2026-11-28T14:42:15.000000000Z | - | - | nginx/1.22.1",
            ),
            (
                "2026-11-21T02:56:32.435427555Z W1121 02:56:32.435323       1 dispatcher.go:217] m",
                "kubectl logs --timestamps / klog | 2026-11-21T02:56:32.435427555Z | - | - | m",
            ),
            (
                r#"{"log":"W1121 02:25:43.014712   31035 dispatcher.go:225] \"m\"\n","stream":"stderr","time":"2026-11-21T02:25:43.015165162Z"}"#,
                "docker json-file / klog | 2026-11-21T02:25:43.015165162Z | - | - | \"m\"",
            ),
            (
                r#"{"date":1795227887.529801,"log":"W1121 02:24:47.529354   28800 dispatcher.go:217] m","stream":"stderr","time":"2026-11-21T02:24:47.529801123Z","_p":"F","kubernetes":{"pod_name":"kube-apiserver-cp-1","namespace_name":"kube-system","host":"cp-1","container_name":"kube-apiserver"}}"#,
                "fluent / klog | 2026-11-21T02:24:47.529801123Z | cp-1 | kube-apiserver | m",
            ),
            (
                r#"{"_index":"k8s","_source":{"@timestamp":"2026-11-21T02:24:47.529Z","stream":"stderr","log":"W1121 02:24:47.529354   28800 dispatcher.go:217] m","kubernetes":{"host":"cp-1"}}}"#,
                "fluent / klog | 2026-11-21T02:24:47.529000000Z | cp-1 | - | m",
            ),
            (
                r#"{"labels":{"container":"kube-apiserver","namespace":"kube-system","pod":"kube-apiserver-cp-1"},"line":"W1121 02:24:47.529354   28800 dispatcher.go:217] m","timestamp":"2026-11-21T02:24:47.529801123Z"}"#,
                "loki / klog | 2026-11-21T02:24:47.529801123Z | - | kube-apiserver | m",
            ),
            (
                r#"{"category":"kube-apiserver","operationName":"Microsoft.ContainerService/managedClusters/diagnosticLogs/Read","properties":{"log":"W1121 02:24:47.529354       1 dispatcher.go:217] m\n","stream":"stderr","pod":"kube-apiserver-6d5f4c3b2-x7k2p"},"time":"2026-11-21T02:25:09.0000000Z"}"#,
                "azure monitor / klog | 2026-11-21T02:24:47.529354000Z | - | kube-apiserver | m",
            ),
            (
                r#"{"insertId":"a","labels":{"compute.googleapis.com/resource_name":"n-1"},"logName":"projects/p/logs/stderr","resource":{"labels":{"container_name":"webhook","namespace_name":"n","pod_name":"p"},"type":"k8s_container"},"severity":"ERROR","textPayload":"W1121 02:24:47.529354       1 dispatcher.go:217] m\n","timestamp":"2026-11-21T02:24:47.529801123Z"}"#,
                "google cloud logging / klog | 2026-11-21T02:24:47.529801123Z | n-1 | webhook | m",
            ),
            (
                r#"{"insertId":"a","jsonPayload":{"message":"m","pid":"1"},"resource":{"labels":{"component_name":"apiserver"},"type":"k8s_control_plane_component"},"severity":"WARNING","sourceLocation":{"file":"dispatcher.go","line":"225"},"timestamp":"2026-11-21T02:24:47.529354Z"}"#,
                "google cloud logging / klog | 2026-11-21T02:24:47.529354000Z | - | kube-apiserver | m",
            ),
            (
                r#"{"jsonPayload":{"MESSAGE":"m","SYSLOG_IDENTIFIER":"kubelet"},"logName":"projects/p/logs/kubelet","resource":{"labels":{"node_name":"n-1"},"type":"k8s_node"},"timestamp":"2026-11-21T02:24:47.5Z"}"#,
                "google cloud logging | 2026-11-21T02:24:47.500000000Z | n-1 | kubelet | m",
            ),
            (
                r#"{"logStreamName":"kube-apiserver-0123456789abcdef0123456789abcdef","timestamp":1795227889531,"message":"W1121 02:24:47.529354       1 dispatcher.go:217] m","ingestionTime":1795227889031,"eventId":"1"}"#,
                "cloudwatch / klog | 2026-11-21T02:24:47.529354000Z | - | kube-apiserver | m",
            ),
            (
                r#"{"timestamp":1795227887531,"message":"m","ingestionTime":1795227889031}"#,
                "cloudwatch | 2026-11-21T02:24:47.531000000Z | - | - | m",
            ),
            (
                r#"{"@timestamp":"2026-11-21 02:24:49.531","@message":"W1121 02:24:47.529354       1 dispatcher.go:217] m"}"#,
                "cloudwatch / klog | 2026-11-21T02:24:47.529354000Z | - | - | m",
            ),
            (
                "2026-11-21T02:24:49.531000+00:00 kube-apiserver-0123456789abcdef0123456789abcdef W1121 02:24:47.529354       1 dispatcher.go:217] m",
                "cloudwatch / klog | 2026-11-21T02:24:47.529354000Z | - | kube-apiserver | m",
            ),
            (
                "/aws/eks/c/cluster kube-apiserver-0123456789abcdef0123456789abcdef W1121 02:24:47.529354       1 dispatcher.go:217] m",
                "cloudwatch / klog | 2026-11-21T02:24:47.529354000Z | - | kube-apiserver | m",
            ),
            (
                "/aws/eks/c/cluster kube-apiserver-a 2026-11-21T02:24:49.531Z W1121 02:24:47.529354       1 dispatcher.go:217] m",
                "cloudwatch / klog | 2026-11-21T02:24:47.529354000Z | - | - | m",
            ),
            (
                r#"{"timestamp":1795227889531,"message":"{\"kind\":\"Event\",\"auditID\":\"a\",\"responseStatus\":{\"message\":\"m\"},\"stageTimestamp\":\"2026-11-21T02:24:47.529354Z\"}"}"#,
                "cloudwatch / audit | 2026-11-21T02:24:47.529354000Z | - | kube-apiserver | m",
            ),
            (
                "EVENTS\t1795227890031\tW1121 02:24:47.529354       1 dispatcher.go:217] m\t1795227889531",
                "cloudwatch / klog | 2026-11-21T02:24:47.529354000Z | - | - | m",
            ),
            (
                "EVENTS\t1\t1795227890031\tkube-apiserver-0123456789abcdef0123456789abcdef\tW1121 02:24:47.529354       1 dispatcher.go:217] m\t1795227889531",
                "cloudwatch / klog | 2026-11-21T02:24:47.529354000Z | - | kube-apiserver | m",
            ),
            (
                r#"{"category":"kube-apiserver","properties":"{\"log\":\"W1121 02:24:47.529354       1 dispatcher.go:217] m\\n\",\"stream\":\"stderr\"}","time":"2026-11-21T02:25:09.0000000Z"}"#,
                "azure monitor / klog | 2026-11-21T02:24:47.529354000Z | - | kube-apiserver | m",
            ),
            (
                r#"{"Category":"kube-apiserver","TimeGenerated":"2026-11-21T02:25:09Z","log_s":"W1121 02:24:47.529354       1 dispatcher.go:217] m","pod_s":"p"}"#,
                "azure monitor / klog | 2026-11-21T02:24:47.529354000Z | - | kube-apiserver | m",
            ),
            (
                r#"{"Computer":"n-1","ContainerName":"webhook","LogMessage":"m","PodName":"p","PodNamespace":"n","TimeGenerated":"2026-11-21T02:24:47.529Z"}"#,
                "azure monitor | 2026-11-21T02:24:47.529000000Z | n-1 | webhook | m",
            ),
            (
                r#"{"message":"W1121 02:24:47.529354       1 dispatcher.go:217] m","nodeName":"n-1","namespace":"n","podName":"p","containerName":"kube-apiserver"}"#,
                "stern / klog | 2026-11-21T02:24:47.529354000Z | n-1 | kube-apiserver | m",
            ),
            (
                "kube-apiserver-cp-1 kube-apiserver 2026-11-21T02:24:47.529801123Z W1121 02:24:47.529354       1 dispatcher.go:217] m",
                "stern / kubectl logs --timestamps / klog | 2026-11-21T02:24:47.529801123Z | - | kube-apiserver | m",
            ),
            (
                r#"{"ts":1795227996781.2563,"caller":"mutating/dispatcher.go:225","msg":"m","v":0}"#,
                "klog json | 2026-11-21T02:26:36.781256000Z | - | - | m",
            ),
            (
                r#"{"level":"warn","ts":"2026-11-21T02:24:39.187770Z","caller":"embed/config_logging.go:194","msg":"m"}"#,
                "zap | 2026-11-21T02:24:39.187770000Z | - | - | m",
            ),
            (
                r#"{"__REALTIME_TIMESTAMP":"1795227887529354","_HOSTNAME":"cp-1","SYSLOG_IDENTIFIER":"kube-apiserver","MESSAGE":[109,10]}"#,
                "journal json | 2026-11-21T02:24:47.529354000Z | cp-1 | kube-apiserver | m\n",
            ),
            (
                r#"time="2026-11-21T02:24:39Z" level=info msg="E1121 02:24:39.187770     123 d.go:1] \"m\"""#,
                "logrus / klog | 2026-11-21T02:24:39.187770000Z | - | - | \"m\"",
            ),
            (
                "2019-05-01 12:00:00.123456 W | embed: m",
                "capnslog | 2019-05-01T12:00:00.123456000Z | - | - | embed: m",
            ),
            (
                "<30>1 2026-11-21T02:24:39.187770Z cp-1 kubelet 812 - - m",
                "syslog | 2026-11-21T02:24:39.187770000Z | cp-1 | kubelet | m",
            ),
            (
                "[pod/kube-apiserver-cp-1/kube-apiserver] W1121 02:24:47.529354   28800 dispatcher.go:217] m",
                "kubectl logs --prefix / klog | 2026-11-21T02:24:47.529354000Z | - | kube-apiserver | m",
            ),
            (
                "[pod/policy-webhook-6c9d7b5f4-x7k2p/webhook] 2026-11-21T02:24:47.529801123Z 2026/11/21 02:24:47 m",
                "kubectl logs --prefix / kubectl logs --timestamps / go log | 2026-11-21T02:24:47.529801123Z | - | webhook | m",
            ),
            (
                r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Request","auditID":"12839f9a-ba1d-4a6b-b681-5c577bf3d5a0","stage":"ResponseComplete","requestURI":"/api/v1/namespaces/default/pods","verb":"create","user":{"username":"kubernetes-admin","groups":["system:masters","system:authenticated"],"extra":{"authentication.kubernetes.io/credential-id":["X509SHA256=ab71fd6b"]}},"sourceIPs":["192.168.49.1"],"userAgent":"kubectl/v1.33.4 (linux/amd64) kubernetes/74cdb42","objectRef":{"resource":"pods","namespace":"default","name":"p","apiVersion":"v1"},"responseStatus":{"metadata":{},"status":"Failure","message":"m","reason":"InternalError","details":{"causes":[{"message":"m"}]},"code":500},"requestReceivedTimestamp":"2026-11-21T02:24:37.187770Z","stageTimestamp":"2026-11-21T02:24:39.187770Z","annotations":{"authorization.k8s.io/decision":"allow","authorization.k8s.io/reason":""}}"#,
                "audit | 2026-11-21T02:24:39.187770000Z | - | kube-apiserver | m",
            ),
            (
                "\u{1e}{\"__REALTIME_TIMESTAMP\":\"1795227887529354\",\"MESSAGE\":\"m\"}",
                "journal json | 2026-11-21T02:24:47.529354000Z | - | - | m",
            ),
            ("# 2026-11-21T02:24:47Z", " | - | - | - | # 2026-11-21T02:24:47Z"),
        ] {
            // f64 holds epoch milliseconds to a tenth of a microsecond: the last digit may round either way
            let got = shown(line).replace("781257000Z", "781256000Z");
            assert_eq!(got, expected, "{line}");
        }
    }

    #[test]
    fn any_line_cut_anywhere_is_peeled() {
        let lines = [
            "Nov 21 02:24:47 cp-1 kube-apiserver[28800]: W1121 02:24:47.529354   28800 dispatcher.go:217] mü",
            "Sat 2026-11-21 02:26:47 UTC cp-1 kube-apiserver[4355]: W1121 02:26:47.945512    4355 dispatcher.go:225] m",
            "2026-11-21T02:56:32.435427555Z stderr F W1121 02:56:32.435323    7396 dispatcher.go:217] m",
            r#"time="2026-11-21T02:24:39Z" level=info msg="E1121 02:24:39.187770     123 d.go:1] \"m\" \u00fc""#,
            "<30>1 2026-11-21T02:24:39.187770Z cp-1 kubelet 812 - - m",
            "2026/11/28 14:42:15 [error] 27701#27701: *1 mü",
            r#"{"labels":{"pod":"p","namespace":"n"},"line":"W1121 02:24:47.529354 1 d.go:1] mü","timestamp":"2026-11-21T02:24:47Z"}"#,
            "[pod/kube-apiserver-cp-1/kube-apiserver] W1121 02:24:47.529354   28800 dispatcher.go:217] mü",
            "2026-11-21T02:24:49.531000+00:00 kube-apiserver-a W1121 02:24:47.529354       1 dispatcher.go:217] mü",
            "EVENTS\t1\t1795227890031\tkube-apiserver-a\tW1121 02:24:47.529354       1 dispatcher.go:217] mü\t1795227889531",
            r#"{"textPayload":"W1121 02:24:47.529354 1 d.go:1] mü","timestamp":"2026-11-21T02:24:47Z"}"#,
        ];
        for line in lines {
            for n in (0..=line.len()).filter(|n| line.is_char_boundary(*n)) {
                let peeled = peel(&line[..n]);
                assert!(peeled.message.len() <= n, "{}", &line[..n]);
            }
        }
    }
}
