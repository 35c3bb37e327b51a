//! Names what a source holds from its first decompressed bytes.
//!
//! Takes the head of a source; gives its [`SourceKind`]. A name never decides: a text named `.pcap` is a text.
//! Host state is known by the lines that `kubectl get`, iptables-save, nft, ipvsadm, conntrack, `ip`, `ss` and nstat
//! print; what each line says is for the stage that reads it.

use super::SourceKind;

/// How many bytes decide.
pub(super) const LOOK: u64 = 8192;

/// The kind of a source that begins with these bytes.
pub(super) fn kind(head: &[u8]) -> SourceKind {
    match head {
        [] => SourceKind::Empty,
        [0xd4, 0xc3, 0xb2, 0xa1, ..]
        | [0xa1, 0xb2, 0xc3, 0xd4, ..]
        | [0x4d, 0x3c, 0xb2, 0xa1, ..]
        | [0xa1, 0xb2, 0x3c, 0x4d, ..]
        | [0x34, 0xcd, 0xb2, 0xa1, ..]
        | [0xa1, 0xb2, 0xcd, 0x34, ..] => SourceKind::Pcap,
        [0x0a, 0x0d, 0x0d, 0x0a, ..] => SourceKind::Pcapng,
        _ if head.starts_with(b"LPKSHHRH") => SourceKind::Journal,
        _ if packed(head).is_some() || is_binary(head) => SourceKind::Unknown,
        _ => text_kind(&String::from_utf8_lossy(head)),
    }
}

/// Archives and compressed files of kinds that are not unpacked here.
pub(super) fn packed(head: &[u8]) -> Option<&'static str> {
    const KINDS: [(&[u8], &str); 7] = [
        (b"7z\xbc\xaf\x27\x1c", "7z"),
        (b"Rar!\x1a\x07", "rar"),
        (b"LZIP", "lzip"),
        (b"\x1f\x9d", "compress"),
        (b"\x89LZO\0", "lzop"),
        (b"!<arch>\n", "ar"),
        (b"070701", "cpio"),
    ];
    KINDS.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, name)| *name)
}

/// A log may hold a few stray bytes, and the run of NULs that a crash leaves; binary data is full of them.
fn is_binary(head: &[u8]) -> bool {
    let is_odd = |b: u8| matches!(b, 0..=8 | 14..=26 | 28..=31 | 127);
    let journal_export = head.starts_with(b"__CURSOR=");
    let runs = head.chunk_by(|a, b| (*a == 0) == (*b == 0));
    let (mut odd, mut all) = (0, 0);
    for run in runs.filter(|run| run[0] != 0 || run.len() < CRASH_NULS) {
        odd += run.iter().filter(|b| is_odd(**b)).count();
        all += run.len();
    }
    !journal_export && (odd * 10 > all || all == 0)
}

/// NULs in a row from which on they are the part of a file that was never written.
const CRASH_NULS: usize = 16;

fn text_kind(head: &str) -> SourceKind {
    let text = head.trim_start_matches('\u{feff}').trim_start();
    let text = text.strip_prefix("---\n").map_or(text, str::trim_start);
    if is_report(text) {
        SourceKind::Unknown
    } else if text.starts_with("-----BEGIN ") {
        SourceKind::Pem
    } else if is_key_log(text) {
        SourceKind::KeyLog
    } else if is_json_object(text) || is_yaml_object(text) {
        SourceKind::Objects
    } else if is_host_state(text) {
        SourceKind::HostState
    } else {
        SourceKind::Log
    }
}

/// A report of this program, or a page: it quotes lines of the bundle that it was made of, which are no further failures.
fn is_report(text: &str) -> bool {
    let inside = text.strip_prefix('{').map(str::trim_start).unwrap_or_default();
    let inside = inside.strip_prefix("\"type\":\"begin\",").unwrap_or(inside);
    let schema = inside.strip_prefix("\"schema\":").map(str::trim_start);
    let page = text.get(..14).is_some_and(|start| start.eq_ignore_ascii_case("<!doctype html"));
    let report = page || schema.is_some_and(|name| name.starts_with("\"wirecause."));
    // a log may begin with what somebody made it say
    let logged = |line: &str| begins_as_logged(line) || line.starts_with("{\"log\":\"");
    report && !text.lines().skip(1).any(logged)
}

/// `CLIENT_RANDOM 52…80 e3…c8`: the first line that is no comment is a label, a random and a secret in hex.
fn is_key_log(text: &str) -> bool {
    let first = text.lines().find(|l| !l.trim().is_empty() && !l.starts_with('#')).unwrap_or_default();
    let words: Vec<&str> = first.split_ascii_whitespace().take(4).collect();
    let [label, random, secret] = words.as_slice() else { return false };
    let hex = |text: &str| text.bytes().all(|b| b.is_ascii_hexdigit());
    let labelled = label.bytes().all(|b| matches!(b, b'A'..=b'Z' | b'0'..=b'9' | b'_'));
    let long_enough = (random.len() == 64 || *label == "RSA") && secret.len() >= 64;
    labelled && long_enough && hex(random) && hex(secret)
}

/// `{"apiVersion": …` or `[{"kind": …`, but no audit event and no JSON log line.
fn is_json_object(text: &str) -> bool {
    let Some(inside) = text
        .trim_start_matches(['[', '{'])
        .trim_start()
        .trim_start_matches('{')
        .trim_start()
        .strip_prefix('"')
    else {
        return false;
    };
    if !text.starts_with(['{', '[']) {
        return false;
    }
    let key = inside.split('"').next().unwrap_or_default();
    let names_kind = text.contains("\"apiVersion\":") || text.contains("\"kind\":");
    OBJECT_KEYS.contains(&key) && names_kind && !text.contains("audit.k8s.io/") && !is_json_line(text)
}

/// The first line is an object of its own with a line of a log in it, and does not call itself one of Kubernetes.
fn is_json_line(text: &str) -> bool {
    const LINE: [&str; 4] = ["log", "message", "msg", "MESSAGE"];
    const TIME: [&str; 4] = ["ts", "time", "timestamp", "@timestamp"];
    let first = text.lines().next().unwrap_or_default();
    serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(first).is_ok_and(|object| {
        // a logger may say which version and kind it logs of: it tells the time of its line, as no object does
        let told = !object.contains_key("metadata") && TIME.iter().any(|key| object.contains_key(*key));
        (told || !object.contains_key("apiVersion"))
            && LINE.iter().any(|key| object.get(*key).is_some_and(serde_json::Value::is_string))
    })
}

fn is_yaml_object(text: &str) -> bool {
    let mut lines = text.lines().filter(|l| {
        let l = l.trim_end();
        !l.is_empty() && !l.starts_with('#') && l != "---"
    });
    let Some(first) = lines.next() else { return false };
    let first = first.strip_prefix("--- ").unwrap_or(first);
    let key = first.trim_start_matches("- ").split(':').next().unwrap_or_default();
    let names_kind = |l: &str| {
        let l = l.trim_start_matches(['-', ' ']);
        l.starts_with("apiVersion:") || l.starts_with("kind:")
    };
    OBJECT_KEYS.contains(&key) && first.contains(':') && text.lines().any(names_kind)
}

/// A logger's header or stamp, in front of what may quote anything: `W1121 02:24:41`, `2026-11-21T02:24:41`,
/// `Nov 21 02:24:41`. A stamp alone may stand above what a command printed.
pub(super) fn begins_as_logged(line: &str) -> bool {
    const KLOG: &str = "A0000 00:00";
    const STAMPS: [&str; 3] = ["0000-00-00T00:00", "0000-00-00 00:00", "Aaa 00 00:00"];
    let fits = |(shape, b): (u8, u8)| match shape {
        b'0' => b.is_ascii_digit() || b == b' ',
        b'A' => b.is_ascii_uppercase(),
        b'a' => b.is_ascii_lowercase(),
        shape => b == shape,
    };
    let is = |shape: &str| line.len() >= shape.len() && shape.bytes().zip(line.bytes()).all(fits);
    is(KLOG) || line.len() > STAMP_ALONE && STAMPS.into_iter().any(is)
}

/// Bytes of a line that is no more than a stamp.
const STAMP_ALONE: usize = 40;

/// Among the first lines one of the first three, or every third, is one that such a command prints.
fn is_host_state(text: &str) -> bool {
    let lines: Vec<&str> = text.lines().filter(|l| !l.trim().is_empty()).take(40).collect();
    if lines.iter().any(|l| begins_as_logged(l)) {
        return false;
    }
    let known: Vec<bool> = lines.iter().map(|l| is_host_state_line(l)).collect();
    known.iter().take(3).any(|k| *k) || known.iter().filter(|k| **k).count() * 3 > known.len()
}

pub(super) fn is_host_state_line(line: &str) -> bool {
    let words: Vec<&str> = line.split_ascii_whitespace().take(8).collect();
    match words.as_slice() {
        ["NAMESPACE" | "NAME", ..] => is_kubectl_header(line),
        ["#", "Generated", "by", tool, ..] => tool.starts_with("iptables") || tool.starts_with("ip6tables"),
        ["*nat" | "*filter" | "*mangle" | "*raw" | "#kernel" | "Ip:" | "TcpExt:"]
        | ["-P", "PREROUTING" | "INPUT" | "FORWARD", "ACCEPT" | "DROP"]
        | ["table", "ip" | "ip6" | "inet" | "arp" | "bridge" | "netdev", _, "{"]
        | ["IP", "Virtual", "Server", ..]
        | ["Prot", "LocalAddress:Port", ..]
        | ["Netid", "State", "Recv-Q", ..]
        | ["State", "Recv-Q", "Send-Q", ..]
        | ["Proto", "Recv-Q", "Send-Q", "Local", ..]
        | ["Active", "Internet", "connections", ..]
        | ["IP", "address", "HW", "type", ..]
        | ["default", "via", _, "dev", ..]
        | ["default", "dev", ..] => true,
        ["Chain", _, open, ..] => *open == "(policy" || line.ends_with(" references)"),
        ["TcpExt:" | "Ip:", second, ..] => matches!(*second, "SyncookiesSent" | "Forwarding"),
        ["-A", "-t" | "-u", address, ..] => address.contains(':'),
        ["blackhole" | "unreachable" | "prohibit", prefix, ..]
        | [prefix, "via", _, "dev", ..]
        | [prefix, "dev", ..] => is_prefix(prefix),
        [first, _, "inet" | "inet6" | "link/ether", ..] => first.ends_with(':'),
        [first, _, flags, ..] if flags.starts_with('<') => {
            first.ends_with(':') && first.trim_end_matches(':').bytes().all(|c| c.is_ascii_digit())
        }
        [first, "found=0", ..] => first.starts_with("cpu="),
        _ => line.matches("src=").count() == 2 && line.contains(" dport="),
    }
}

fn is_kubectl_header(line: &str) -> bool {
    let has = |name: &str| line.split("  ").any(|c| c.trim() == name);
    (has("READY") && has("STATUS") && has("IP"))
        || has("INTERNAL-IP")
        || (has("CLUSTER-IP") && has("PORT(S)"))
        || has("ENDPOINTS")
}

fn is_prefix(text: &str) -> bool {
    let ip = text.split('/').next().unwrap_or_default();
    ip.parse::<std::net::IpAddr>().is_ok()
}

/// First keys of Kubernetes objects as kubectl, client-go and must-gather write them.
const OBJECT_KEYS: &[&str] = &[
    "apiVersion",
    "kind",
    "metadata",
    "items",
    "spec",
    "status",
    "data",
    "type",
    "addressType",
    "endpoints",
    "subsets",
    "webhooks",
    "stringData",
    "binaryData",
    "immutable",
    "ports",
];
