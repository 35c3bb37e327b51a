//! What a line of a text shows by how it begins: an output of another kind, a line of a log, what a script prints above.
//!
//! Takes the first bytes of a line that begins with neither space nor quote; never looks at other lines.

use memchr::memmem::find;

use super::SourceKind;
use super::sniff;

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// An output of this kind; of objects whether in JSON.
    Opens(SourceKind, bool),
    /// A brace or bracket alone: the next line tells.
    Brace,
    /// An entry of a log. Whether a journal or a runtime wrote its head, where that is known: they begin each line so,
    /// whatever stands in a message.
    Logged {
        enveloped: Option<bool>,
    },
    /// What a script or a shell shows of the command behind whose output follows.
    Heading,
    /// `kubectl cluster-info dump` has logs between its objects.
    Dump,
    /// What kubectl says beside its outputs.
    Told,
    /// It belongs to whatever stands before it.
    Neutral,
    Other,
}

/// The line within a text of this kind; `json` says that it is in JSON.
pub(super) fn read(line: &[u8], now: SourceKind, json: bool) -> Line {
    let comment = line.first() == Some(&b'#') && now == SourceKind::Objects && !json;
    match () {
        () if matches!(line.first(), Some(b'{' | b'[')) => in_json(line),
        () if line.starts_with(b"-----BEGIN ") => Line::Opens(SourceKind::Pem, false),
        // `-- Journal begins at …`, which no object holds
        () if line.starts_with(b"-- ") && now == SourceKind::Objects => Line::Heading,
        () if line.starts_with(b"-----END ") || line.starts_with(b"-- ") || comment => Line::Neutral,
        () if matches!(line.trim_ascii_end(), b"---" | b"...") => Line::Neutral,
        () if line.starts_with(b"==== START logs for container ") => Line::Dump,
        () if is_heading(line) || now == SourceKind::Log && is_command(line) => Line::Heading,
        () if TOLD.iter().any(|begin| line.starts_with(begin.as_bytes())) => Line::Told,
        () if line.starts_with(b"apiVersion: ") || line.starts_with(b"- apiVersion: ") => {
            Line::Opens(SourceKind::Objects, false)
        }
        () => in_text(&String::from_utf8_lossy(line), now),
    }
}

fn in_text(line: &str, now: SourceKind) -> Line {
    if sniff::begins_as_logged(line) || line.starts_with("time=\"2") || is_go_log(line) {
        Line::Logged { enveloped: envelope(line) }
    } else if now != SourceKind::HostState && sniff::is_host_state_line(line) {
        Line::Opens(SourceKind::HostState, false)
    } else {
        Line::Other
    }
}

/// How lines begin that kubectl writes to standard error.
const TOLD: [&str; 7] = [
    "Warning: ",
    "Error from server",
    "error: ",
    "No resources found",
    "Defaulted container ",
    "Unable to connect to the server",
    "The connection to the server ",
];

/// What client-go says on standard error: warnings of the API server, discovery that failed, a configuration it cannot read,
/// a request that waits.
pub(super) fn is_of_kubectl(line: &[u8]) -> bool {
    let head = line.get(..line.len().min(PROMPT)).unwrap_or_default();
    let by = |file: &&str| find(head, file.as_bytes()).is_some();
    matches!(line.first(), Some(b'W' | b'E' | b'I')) && KUBECTL.iter().any(by)
}

/// Files of client-go that write so, with what stands around their names in a head of klog.
const KUBECTL: [&str; 4] = [" warnings.go:", " memcache.go:", " loader.go:", " request.go:"];

/// `2026/11/21 02:24:45 message`.
fn is_go_log(line: &str) -> bool {
    let shape = b"0000/00/00 00:00:00 ";
    let fits = |(shape, b): (&u8, u8)| if *shape == b'0' { b.is_ascii_digit() } else { *shape == b };
    line.len() > shape.len() && shape.iter().zip(line.bytes()).all(fits)
}

fn in_json(line: &[u8]) -> Line {
    let has = |text: &str| find(line, text.as_bytes()).is_some();
    let inside = line.trim_ascii();
    if inside.len() <= 2 {
        return Line::Brace;
    }
    if is_prompt(line) {
        return Line::Heading;
    }
    if line.starts_with(b"[pod/") {
        return Line::Logged { enveloped: None };
    }
    let key = first_key(line).unwrap_or_default();
    // further in, an annotation may say so
    let audit = find(line.get(..line.len().min(96)).unwrap_or_default(), b"\"audit.k8s.io/").is_some();
    if LOG_KEYS.contains(&key) || audit {
        let enveloped = key == "log" || key.starts_with("__") || has("\"__REALTIME_TIMESTAMP\"");
        Line::Logged { enveloped: Some(enveloped) }
    } else if matches!(key, "apiVersion" | "kind" | "items" | "metadata") && has("\"apiVersion\":") {
        Line::Opens(SourceKind::Objects, true)
    } else {
        Line::Neutral
    }
}

/// Whether a line behind a brace is the first of an object of Kubernetes, or of a list of them; a further brace leaves
/// that open.
pub(super) fn begins_object(line: &[u8]) -> Option<bool> {
    let text = line.trim_ascii();
    let begins = |key| matches!(key, "apiVersion" | "kind" | "items" | "metadata");
    (text != b"{").then(|| first_key(text).is_some_and(begins))
}

fn first_key(line: &[u8]) -> Option<&str> {
    let start = line.iter().position(|b| !matches!(b, b'{' | b'[' | b' '))?;
    let key = line.get(start..)?.strip_prefix(b"\"")?;
    std::str::from_utf8(key.get(..memchr::memchr(b'"', key)?)?).ok()
}

/// The first key of a line of a log in JSON, as its writers order them.
const LOG_KEYS: [&str; 20] = [
    "log",
    "ts",
    "time",
    "timestamp",
    "@timestamp",
    "level",
    "severity",
    "msg",
    "message",
    "MESSAGE",
    "caller",
    "logger",
    "stream",
    "insertId",
    "textPayload",
    "PRIORITY",
    "SYSLOG_IDENTIFIER",
    "__CURSOR",
    "__REALTIME_TIMESTAMP",
    "_HOSTNAME",
];

/// Whether a journal or a runtime wrote the head of a line: `Nov 21 02:24:47 cp-1 kube-apiserver[28800]: …`,
/// `2026-11-21T02:24:45.699082123Z stderr F …`. Where it may have, nothing is said.
fn envelope(line: &str) -> Option<bool> {
    let words: Vec<&str> = line.split_ascii_whitespace().take(6).collect();
    let (stamp, rest) = words.split_first()?;
    if matches!(rest, ["stdout" | "stderr", "F" | "P", ..]) {
        return Some(true);
    }
    let ident = match stamp.len() {
        3 if words.get(1)?.contains('-') => words.get(4..)?.iter().find(|w| w.ends_with(':')),
        3 => words.get(4),
        _ => words.get(2),
    };
    match ident {
        Some(ident) if ident.ends_with("]:") => Some(true),
        Some(ident) if matches!(*ident, "kernel:" | "systemd:") => None,
        _ => Some(false),
    }
}

/// `=== ip route ===`, `### ip route`, `--- ip route ---`, `**ip route**`, `==> a.log <==`, `$ ip route`, `+ ip route`, or a
/// shell's prompt.
pub(super) fn is_heading(line: &[u8]) -> bool {
    let Some(&mark) = line.first() else { return false };
    let run = line.iter().take_while(|&&b| b == mark).count();
    let rest = line.get(run..).unwrap_or_default();
    let named = rest.iter().any(u8::is_ascii_alphabetic);
    match mark {
        b'*' if run == 2 => named && line.trim_ascii_end().ends_with(b"**"),
        b'=' | b'#' | b'*' | b'>' | b'~' if run > 1 => {
            named && (run > 2 || rest.starts_with(b"> ") || mark == b'#')
        }
        b'-' => named && run > 2 && rest.starts_with(b" ") && line.trim_ascii_end().ends_with(b"--"),
        b'$' | b'+' => run == 1 && rest.first() == Some(&b' ') && named,
        b'S' => line.starts_with(b"Script started on ") || line.starts_with(b"Script done on "),
        _ => is_prompt(line),
    }
}

/// Whether a heading begins as a program may begin what it says.
pub(super) fn may_be_said(heading: &[u8]) -> bool {
    let drive = heading.get(1..3) == Some(b":\\");
    drive || ["# ", "**", "~ ", "/", "PS "].iter().any(|begin| heading.starts_with(begin.as_bytes()))
}

/// `# ip route`, which elsewhere is a comment.
fn is_command(line: &[u8]) -> bool {
    line.strip_prefix(b"# ").is_some_and(|rest| rest.first().is_some_and(u8::is_ascii_lowercase))
}

/// A shell's prompt with a command behind it: `root@cp-1:~# ip route`, `[root@cp-1 ~]# ip route`, `sh-4.4# ip route`,
/// `/ # ip route`, `PS C:\Users\u> ip route`. Times and the names of environments may stand in front.
fn is_prompt(line: &[u8]) -> bool {
    if line.starts_with("\u{279c} ".as_bytes()) {
        return true;
    }
    let head = line.get(..line.len().min(PROMPT)).unwrap_or_default();
    if !head.iter().any(|b| matches!(b, b'#' | b'$' | b'%' | b'>')) {
        return false;
    }
    let head = String::from_utf8_lossy(head);
    let mut head = head.as_ref();
    if sniff::begins_as_logged(head) && head.starts_with("20") {
        head = head.splitn(3, ' ').last().unwrap_or_default(); // a day and a time
    }
    for (open, close) in [('(', ") "), ('(', ") "), ('[', "] ")] {
        head = head.strip_prefix(open).and_then(|rest| rest.split_once(close)).map_or(head, |(_, rest)| rest);
    }
    let end = ["# ", "$ ", "% ", "> ", ">"].iter().find_map(|end| head.split_once(end));
    end.is_some_and(|(shell, command)| !command.trim().is_empty() && asks(shell))
}

/// Whether a shell asks so for a command: it names its user, itself, or where it is.
fn asks(shell: &str) -> bool {
    let of_user = shell.split_once('@').is_some_and(|(user, place)| {
        let user = user.trim_start_matches('[');
        let plain = user.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        let (host, at) = place.trim_end().rsplit_once([':', ' ']).unwrap_or((place, ""));
        let closed = place.ends_with(']')
            || !host.contains(' ') && (at.starts_with(['~', '/']) || place.ends_with('~'));
        plain && !user.is_empty() && closed
    });
    let of_itself = shell.split_once("sh-").is_some_and(|(name, version)| {
        !name.contains(' ') && version.bytes().all(|b| b.is_ascii_digit() || b == b'.')
    });
    let of_place =
        shell.strip_suffix(' ').is_some_and(|place| place.starts_with(['/', '~']) && !place.contains(' '));
    let drive = shell.strip_prefix("PS ").unwrap_or(shell).as_bytes();
    let of_drive = drive.get(1..3) == Some(b":\\") && drive.first().is_some_and(u8::is_ascii_alphabetic);
    of_user || of_itself || of_place || of_drive
}

/// Bytes of a shell's prompt.
const PROMPT: usize = 96;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_shows_what_it_is() {
        use SourceKind::{HostState, Log, Objects, Pem};
        let logged = |enveloped| Line::Logged { enveloped };
        for (text, line) in [
            ("W1121 02:00:05.000001       7 d.go:1] m", logged(Some(false))),
            (
                "Nov 21 02:24:47 cp-1 kube-apiserver[28800]: W1121 02:24:47.529354   28800 d.go:1] m",
                logged(Some(true)),
            ),
            (
                "2026-11-21T02:24:45.699082123Z stderr F W1121 02:24:45.699000       1 d.go:1] m",
                logged(Some(true)),
            ),
            (
                "2026-11-21T02:24:45+0000 cp-1 kubelet[7]: E1121 02:24:45.699000       7 k.go:1] m",
                logged(Some(true)),
            ),
            ("2026-11-21T02:24:45.699Z INFO controller: a message of an application", logged(Some(false))),
            ("2026/11/21 02:24:45 a message", logged(Some(false))),
            (r#"{"log":"m\n","stream":"stderr","time":"2026-11-21T02:24:45Z"}"#, logged(Some(true))),
            (r#"{"level":"warn","ts":"2026-11-21T02:24:45Z","msg":"m"}"#, logged(Some(false))),
            (r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata"}"#, logged(Some(false))),
            (r#"{"apiVersion":"v1","items":[{"apiVersion":"v1"}]}"#, Line::Opens(Objects, true)),
            (r#"{"kind":"EventList","apiVersion":"v1","items":[]}"#, Line::Opens(Objects, true)),
            (r#"{"status":"a","kind":"b"}"#, Line::Neutral),
            ("{", Line::Brace),
            ("[{", Line::Brace),
            ("apiVersion: v1", Line::Opens(Objects, false)),
            ("- apiVersion: v1", Line::Opens(Objects, false)),
            ("-----BEGIN CERTIFICATE-----", Line::Opens(Pem, false)),
            ("10.0.0.0/8 via 10.0.0.1 dev eth0", Line::Opens(HostState, false)),
            ("=== ip route ===", Line::Heading),
            ("--- ip route ---", Line::Heading),
            ("### ip route", Line::Heading),
            ("==> /var/log/syslog <==", Line::Heading),
            ("$ journalctl -u kube-apiserver", Line::Heading),
            ("+ ip route", Line::Heading),
            ("root@cp-1:~# ip route", Line::Heading),
            ("[root@cp-1 ~]# ip route", Line::Heading),
            ("[02:24:45] user@host:~$ ip route", Line::Heading),
            ("(venv) (prod:default) user@host:~$ ip route", Line::Heading),
            ("2026-11-21 02:24:45 user@host:~$ ip route get", Line::Heading),
            ("user@host ~ % ip route", Line::Heading),
            ("user@host ~> ip route", Line::Heading),
            ("sh-4.4# ip route", Line::Heading),
            ("bash-5.1$ ip route", Line::Heading),
            ("/ # ip route", Line::Heading),
            ("PS C:\\Users\\u> ip route", Line::Heading),
            ("C:\\Users\\u>ip route", Line::Heading),
            ("\u{279c}  ~ ip route", Line::Heading),
            ("# ip route", Line::Heading),
            ("**ip route**", Line::Heading),
            ("Script started on 2026-11-21 02:24:45+00:00 [TERM=\"xterm\"]", Line::Heading),
            ("[error] user@host: costs $ 5", Line::Neutral),
            ("GET /a > /b", Line::Other),
            ("mail to a@b costs $ 5", Line::Other),
            ("user@host:~$ ", Line::Other),
            ("Warning: v1 Endpoints is deprecated in v1.33+", Line::Told),
            ("Error from server (NotFound): pods \"a\" not found", Line::Told),
            ("==== START logs for container a of pod b/c ====", Line::Dump),
            ("-- Logs begin at Sat 2026-11-21 02:00:00 UTC. --", Line::Neutral),
            ("---", Line::Neutral),
            ("Linux cp-1 6.1.0", Line::Other),
        ] {
            assert_eq!(read(text.as_bytes(), Log, false), line, "{text}");
        }
        assert_eq!(read(b"## of a chart", Objects, false), Line::Neutral);
        assert_eq!(read(b"# of a firewall", HostState, false), Line::Other);
        assert_eq!(read(b"10.0.0.0/8 via 10.0.0.1 dev eth0", HostState, false), Line::Other);
    }
}
