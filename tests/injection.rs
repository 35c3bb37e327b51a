//! Text of a bundle that means something to a terminal, a browser, a ticket or a spreadsheet: in log lines, server names,
//! certificates, objects and file names, through every view of every command.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;

mod made;
mod sample;
use made::{analyze, bundle, client_hello, line_with, pcap, pem_named, pem_naming, segment, syn, tcp};

/// What must never reach a reader as it is. Each stands where a name begins, so that it may begin a cell, too.
const TRICKS: [&[u8]; 52] = [
    // a terminal acts on it
    b"\x1b[31m",
    b"\x07",
    b"\0",
    b"\x7f",
    "\u{9b}2J".as_bytes(),
    "\u{85}".as_bytes(),
    // it reorders, takes no room or ends a line
    "\u{ad}".as_bytes(),
    "\u{61c}".as_bytes(),
    "\u{180e}".as_bytes(),
    "\u{200b}".as_bytes(),
    "\u{200e}\u{200f}".as_bytes(),
    "\u{2028}".as_bytes(),
    "\u{2029}".as_bytes(),
    "\u{202e}".as_bytes(),
    "\u{2060}".as_bytes(),
    "\u{2066}\u{2067}\u{2068}\u{2069}".as_bytes(),
    "\u{206a}\u{206f}".as_bytes(),
    "\u{feff}".as_bytes(),
    "\u{fff9}\u{fffa}\u{fffb}".as_bytes(),
    "\u{e0041}".as_bytes(),
    // no text
    b"\xff\xfe",
    b"\xc3(",
    b"\xed\xa0\x80",
    // markup
    b"<script>alert(1)</script>",
    b"<img src=x onerror=y>",
    b"<!-- ",
    b"--> <b>",
    b"\" onclick=alert(1) x=\"",
    b"' onclick=alert(1) x='",
    b"&lt;b&gt;",
    b"`<b>`",
    b"``` <b>",
    b"\\`<i>`",
    b"~~~",
    b"[x](javascript:alert(1))",
    b"![x](http://127.0.0.1/)",
    b"\\[x\\](http://127.0.0.1/)",
    b"| x | <b> | ",
    b"# x",
    b"**x** __x__",
    b"https://127.0.0.1/ ",
    b"www.127.0.0.1 ",
    // a shell
    b"$(id)",
    b"`id`;id&",
    b"-x '|id>x '",
    // a formula
    b"=1+1",
    b"+1",
    b"-1+1",
    b"@SUM(1)",
    b"\t=1",
    b"\r=1",
    b"\",=1,\"",
];

/// What every name ends with.
const MARK: &str = "b.example.com";

/// When the calls failed: 2026-11-21 02:00:05 UTC.
const SECOND: u32 = 1_795_226_405;

/// A call for each trick whose connection the server reset, and all tricks in one; the names are in the log, in the file
/// names, in the hellos, in certificates, in the pod that has the server's address and in the version of its node. The
/// last call fails twice, and its log also has a line that looks like a failure and matches none.
fn hostile(tricks: &[&[u8]]) -> TempDir {
    let folder = TempDir::new().expect("a temporary folder");
    let all = tricks.concat();
    let mut packets = Vec::new();
    for (n, trick) in tricks.iter().copied().chain([&*all]).enumerate() {
        let name = [trick, MARK.as_bytes()].concat();
        let port = n as u16;
        let mut hello = client_hello(&name[name.len().saturating_sub(250)..]);
        // Its random and the sequence numbers tell one connection from the others.
        hello[11] = n as u8;
        let [mut syn, mut hello, mut reset] = [syn(port), segment(port, &hello), tcp(port, true, 20, b"")];
        (syn[24], hello[24], reset[28]) = (n as u8, n as u8, n as u8);
        packets.extend([syn, hello, reset].map(|p| (SECOND, p)));
        let mut log = line(&name, port);
        if n == tricks.len() {
            log.extend(text_of(&line(&name, port)).replace("02:00:05", "02:00:06").bytes());
            log.extend(b"E1121 02:00:07.000001       7 x.go:1] dial tcp 10.0.0.9:443: connect: odd ");
            log.extend(name.iter().chain(b"\n"));
        }
        fs::write(folder.path().join(file_name(&name, n, "log")), log).expect("a log");
        let certificates = pem_named(&name) + &pem_naming(&name, b"plain", &name);
        fs::write(folder.path().join(file_name(&name, n, "pem")), certificates).expect("certificates");
    }
    // Older than what stands before it, which is told of the capture.
    packets.push((SECOND - 1, syn(tricks.len() as u16 + 1)));
    let text = text_of(&all) + MARK;
    let pod = serde_json::json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": text, "namespace": text },
        "spec": { "nodeName": text }, "status": { "podIP": "10.0.0.2", "podIPs": [{ "ip": "10.0.0.2" }] },
    });
    let node = serde_json::json!({
        "apiVersion": "v1", "kind": "Node", "metadata": { "name": text },
        "status": { "nodeInfo": { "kubeletVersion": text } },
    });
    fs::write(folder.path().join("pods.json"), pod.to_string()).expect("objects");
    fs::write(folder.path().join("nodes.json"), node.to_string()).expect("objects");
    let capture = file_name(&all, 0, "pcap");
    fs::write(folder.path().join(capture), pcap(packets.into_iter())).expect("a capture");
    folder
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The same packets at another capture point, and a capture that is none.
fn with_more_captures(folder: TempDir, tricks: &[&[u8]]) -> TempDir {
    let name = |n| folder.path().join(file_name(&tricks.concat(), n, "pcap"));
    let mut bytes = fs::read(name(0)).expect("a capture");
    bytes[28] ^= 1; // microseconds of the first frame, without which it is a copy
    fs::write(name(1), bytes).expect("a capture");
    fs::write(name(2), b"text, no capture").expect("a file");
    folder
}

/// A rule whose every text holds what the log, the packets and the objects say.
const RULE: &str = r#"
- rule: my/telling
  rev: 1
  verdict: connection_reset
  cause: my_cause
  severity: error
  confidence: high
  rank: 99
  title: 'a title'
  when: 'log.reason matches "reset"'
  explain: 'explain {case.target.url_host} {case.target.pod} {tls.sni}'
  next: ['next {case.target.url_host} {case.target.pod} {tls.sni}']
  tests:
    - name: 'a reset'
      log: 'E1121 02:00:00.000001       1 a.go:1] read tcp 10.0.0.1:2->10.0.0.2:3: read: connection reset by peer'
      expect: match
    - name: 'a refusal'
      log: 'E1121 02:00:00.000001       1 a.go:1] dial tcp 10.0.0.2:3: connect: connection refused'
      expect: no-match
"#;

/// A file name of these bytes, as far as a file system takes it.
fn file_name(name: &[u8], n: usize, extension: &str) -> PathBuf {
    use std::os::unix::ffi::OsStrExt as _;
    let mut name: Vec<u8> = name.iter().map(|b| if matches!(b, 0 | b'/') { b'_' } else { *b }).collect();
    name.truncate(200);
    name.extend(format!(" {n}.{extension}").bytes());
    OsStr::from_bytes(&name).into()
}

fn line(name: &[u8], port: u16) -> Vec<u8> {
    let call = b"W1121 02:00:05.000001       7 dispatcher.go:225] Failed calling webhook, failing closed ";
    let port = 40_000 + port;
    let end = format!(
        ":443/v?timeout=10s\": read tcp 10.0.0.1:{port}->10.0.0.2:443: read: connection reset by peer\n"
    );
    let parts: [&[u8]; 8] = [
        call,
        name,
        b": failed calling webhook \"",
        name,
        b"\": failed to call webhook: Post \"https://",
        name,
        b".ns.svc",
        end.as_bytes(),
    ];
    parts.concat()
}

const VIEWS: [(&str, &str); 23] = [
    ("analyze", "table"),
    ("analyze", "json"),
    ("analyze", "ndjson"),
    ("analyze", "html"),
    ("analyze", "markdown"),
    ("analyze", "csv"),
    ("analyze --finding", "table"),
    ("logs", "table"),
    ("logs", "json"),
    ("logs", "ndjson"),
    ("logs", "csv"),
    ("flows", "table"),
    ("flows", "json"),
    ("flows", "ndjson"),
    ("flows", "csv"),
    ("certs", "table"),
    ("certs", "json"),
    ("certs", "ndjson"),
    ("certs", "csv"),
    ("timeline", "table"),
    ("timeline", "json"),
    ("timeline", "ndjson"),
    ("timeline", "csv"),
];

/// What a command chooses beside its format: the call that has all tricks in it.
fn choice(command: &str, all: &str) -> Vec<String> {
    match command {
        "analyze" => vec!["--verbose".to_owned()],
        "timeline" | "analyze --finding" => vec!["--finding".to_owned(), all.to_owned()],
        _ => Vec::new(),
    }
}

/// The finding of the last call, which has all tricks in its name.
fn finding_of_all(folder: &TempDir, tricks: usize, more: &[&str]) -> String {
    let (_, report) = analyze(folder, &[&["--year", "2026"], more].concat());
    let port = (40_000 + tricks).to_string();
    let findings = report["findings"].as_array().expect("findings");
    let of_all = findings.iter().find(|f| f["occurrences"].to_string().contains(&port));
    of_all.and_then(|f| f["id"].as_str()).unwrap_or_else(|| panic!("none of {port}: {report}")).to_owned()
}

#[test]
fn text_of_a_bundle_is_shown_safely_everywhere() {
    let folder = with_more_captures(hostile(&TRICKS), &TRICKS);
    let plain = [&b"plain"[..]; TRICKS.len()];
    let harmless = with_more_captures(hostile(&plain), &plain);
    let rules = bundle(&[("my.yaml", RULE.as_bytes())]);
    let rules = rules.path().display().to_string();
    for more in [&[][..], &["--rules", &rules]] {
        let all = finding_of_all(&folder, TRICKS.len(), more);
        let page = [&["analyze", "--format", "html", "--year", "2026"], more].concat();
        let (_, plain) = sample::run(&page, &[harmless.path().to_owned()]);
        let plain = tags(&String::from_utf8(plain).expect("UTF-8"));
        let views = VIEWS.iter().filter(|(command, _)| more.is_empty() || command.starts_with("analyze"));
        for (command, format) in views {
            let name = command.split(' ').next().unwrap_or_default();
            let mut arguments = vec![name, "--format", format, "--year", "2026"];
            let choice = choice(command, &all);
            arguments.extend(choice.iter().map(String::as_str).chain(more.iter().copied()));
            let (code, out) = sample::run(&arguments, &[folder.path().to_owned()]);
            assert!(matches!(code, 0 | 3), "{command} {format}: exit {code}");
            shows_safely(&String::from_utf8(out).expect("UTF-8"), command, format, &plain);
        }
    }
}

/// An output of the hostile bundle; `plain`: what tags and attributes a page of a harmless one has.
fn shows_safely(out: &str, command: &str, format: &str, plain: &BTreeSet<String>) {
    // The ladder shortens what a line says.
    let mark = if (command, format) == ("timeline", "table") { "onerror=y" } else { MARK };
    assert!(out.contains(mark), "{command} {format} shows none of the names: {out}");
    match format {
        "json" => assert!(serde_json::from_str::<Value>(out).is_ok(), "{command}: {out}"),
        "ndjson" => assert!(out.lines().all(|l| serde_json::from_str::<Value>(l).is_ok()), "{command}"),
        "csv" => no_formula(out),
        "html" => {
            let added: Vec<_> = tags(out).difference(plain).cloned().collect();
            assert_eq!(added, Vec::<String>::new(), "tags and attributes that a plain page lacks");
            for own in ["<script", "<style", "<!-"] {
                assert_eq!(
                    out.matches(own).count(),
                    usize::from(own != "<!-"),
                    "{own} that hides what follows"
                );
            }
        }
        "markdown" => no_markup(out),
        _ => {}
    }
    shows_no_control(out, command, format);
}

/// JSON stands for what it was made of, so that marks which only mislead a reader stay in it; nothing in it acts.
fn shows_no_control(out: &str, command: &str, format: &str) {
    let ends = if format == "csv" { "\r\n" } else { "\n" };
    let hidden = |c: char| {
        matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
    };
    for line in out.split(ends) {
        let found = line.chars().find(|c| c.is_control() || !format.ends_with("json") && hidden(*c));
        assert_eq!(found, None, "{command} {format}: {line:?}");
    }
}

/// Every cell of an RFC 4180 text begins with nothing that a spreadsheet computes, and every record has all columns.
fn no_formula(csv: &str) {
    let records = records(csv);
    let columns = records[0].len();
    for record in &records {
        assert_eq!(record.len(), columns, "{record:?}");
        for cell in record {
            let formula =
                cell.trim_start().starts_with(['=', '+', '-', '@']) || cell.starts_with(['\t', '\r']);
            // A cell that begins with a space is text to spreadsheets; a number is what it is.
            let harmless = cell.starts_with(' ') || cell.parse::<f64>().is_ok() && !cell.starts_with('+');
            assert!(!formula || harmless, "{cell:?} in {record:?}");
        }
    }
}

fn records(csv: &str) -> Vec<Vec<String>> {
    let (mut all, mut record, mut cell, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut chars = csv.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => cell.extend(chars.next()),
            '"' if quoted || cell.is_empty() => quoted = !quoted,
            ',' if !quoted => record.push(std::mem::take(&mut cell)),
            '\r' if !quoted && chars.peek() == Some(&'\n') => {
                chars.next();
                record.push(std::mem::take(&mut cell));
                all.push(std::mem::take(&mut record));
            }
            c => cell.push(c),
        }
    }
    assert!(!quoted && record.is_empty() && cell.is_empty(), "the last record is cut: {record:?} {cell:?}");
    all
}

/// Every tag of a page with each of its attributes, without the script and the style, which are the program's own.
fn tags(page: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut rest = page;
    while let Some((_, after)) = rest.split_once('<') {
        let mut quote = None;
        let end = after.find(|c| match (quote, c) {
            (None, '>') => true,
            (None, '"' | '\'') => {
                quote = Some(c);
                false
            }
            (Some(q), c) => {
                if q == c {
                    quote = None;
                }
                false
            }
            _ => false,
        });
        let (tag, after) = after.split_at(end.unwrap_or(after.len()));
        let name = tag.split_whitespace().next().unwrap_or_default().to_owned();
        // What stands between quotes is a value.
        let attributes: String = tag.split(['"', '\'']).step_by(2).collect::<Vec<_>>().join("\"");
        for word in attributes.split_whitespace().skip(1) {
            let attribute = word.split('=').next().unwrap_or_default();
            found.insert(format!("{name} {attribute}"));
        }
        rest = match &*name {
            "script" | "style" => after.split_once(&format!("</{name}")).expect("an end").1,
            _ => after,
        };
        found.insert(name);
    }
    found
}

/// What is no code in a Markdown text holds no tag, link, emphasis or cell of the bundle's making, and no fence of the
/// bundle's making ends or begins.
fn no_markup(markdown: &str) {
    let mut fence: Option<&str> = None;
    let mut columns = None;
    for line in markdown.lines() {
        let ticks = &line[..line.len() - line.trim_start_matches('`').len()];
        match fence {
            Some(open) if ticks.len() >= open.len() && line.trim_end() == ticks => fence = None,
            Some("```") if line.starts_with("    ") => assert!(is_diagram(line), "{line}"),
            Some(_) => {}
            None if ticks.len() >= 3 && !line[ticks.len()..].contains('`') => fence = Some(ticks),
            None => {
                let text = if is_reference(line) { String::new() } else { outside_code(line) };
                let strange = |c| matches!(c, '<' | '[' | ']' | '`' | '_' | '~' | '!' | '@');
                assert!(!text.contains(strange), "{text:?} of {line:?}");
                assert!(!text.contains("://127") && !text.contains("www."), "{line:?} becomes a link");
                let bold = text.matches("**").count();
                assert!(bold * 2 == text.matches('*').count() && matches!(bold, 0 | 4), "{line:?}");
                assert!(!text.trim_start_matches("# ").trim_start_matches("## ").contains('#'), "{line:?}");
                columns = if text.contains('|') { columns.or(Some(text.matches('|').count())) } else { None };
                assert!(columns.is_none_or(|n| text.matches('|').count() == n), "{line:?}");
            }
        }
    }
    assert_eq!(fence, None, "a fence stays open");
}

/// A link to the documentation that a rule names, which holds nothing of the bundle.
fn is_reference(line: &str) -> bool {
    let url = line.strip_prefix("- <https://").and_then(|rest| rest.strip_suffix('>'));
    url.is_some_and(|url| url.contains('/') && !url.contains([' ', '<', '>', '=']) && !url.contains(MARK))
}

/// A line of a Mermaid sequence diagram.
fn is_diagram(line: &str) -> bool {
    let line = line.trim_start();
    // What follows is text, in which Mermaid takes none of these for its own.
    let text =
        if line.starts_with("participant P") { line.split_once(" as ") } else { line.split_once(": ") };
    let plain = |text: &str| !text.contains([';', '#', '<', '>', '"', '`', '%', '{', '}']);
    let begins = ["participant P", "Note over P", "P"].iter().any(|own| line.starts_with(own));
    begins && text.is_some_and(|(_, text)| plain(text))
}

/// A line of Markdown without its code spans (CommonMark 0.31 §6.1) and escaped characters.
fn outside_code(line: &str) -> String {
    let (mut out, mut rest) = (String::new(), line);
    while let Some(c) = rest.chars().next() {
        if c == '\\' {
            let escaped = rest.chars().nth(1).filter(char::is_ascii_punctuation);
            rest = &rest[1 + escaped.map_or(0, char::len_utf8)..];
            // an address or the number of an issue is found in what escapes leave
            let named = escaped.filter(|_| rest.starts_with(char::is_alphanumeric));
            out.extend(named.filter(|c| matches!(c, '@' | '#')));
            rest = rest.strip_prefix("<!-- -->").unwrap_or(rest);
            continue;
        }
        let ticks = rest.len() - rest.trim_start_matches('`').len();
        if ticks == 0 {
            out.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        }
        // The next run of exactly as many back quotes ends the span; without one these are text.
        let inside = &rest[ticks..];
        let mut at = 0;
        let end = loop {
            let Some(next) = inside[at..].find('`').map(|n| at + n) else { break None };
            let run = inside.len() - next - inside[next..].trim_start_matches('`').len();
            if run == ticks {
                break Some(next + run);
            }
            at = next + run;
        };
        if end.is_none() {
            out.push_str(&rest[..ticks]);
        }
        rest = &inside[end.unwrap_or(0)..];
    }
    out
}

#[test]
fn back_quotes_do_not_hide_markup_from_this_test() {
    for (line, outside) in [
        ("a `<b>` c", "a  c"),
        ("a \\`<b>\\` c", "a <b> c"),
        ("`` `<b> `` <i>", " <i>"),
        ("a `<b> c", "a `<b> c"),
        ("`a``<b>`", ""),
        ("\\<b>", "b>"),
        ("a\\@b.c \\#1", "a@b.c #1"),
        ("a\\@<!-- -->b.c \\# 1", "ab.c  1"),
    ] {
        assert_eq!(outside_code(line), outside, "{line}");
    }
}

/// A reader copies commands out of the advice: no name in them may be more than a name.
#[test]
fn no_command_that_is_advised_holds_another() {
    let line = |trick: &str| {
        let call = "W1121 02:00:05.000001       7 dispatcher.go:225] Failed calling webhook, failing closed a.example.com: failed calling webhook \"a.example.com\": failed to call webhook: Post \"https://hook.";
        let reason = "x509: certificate has expired or is not yet valid: current time 2026-11-21T02:00:05Z is after 2026-11-20T00:00:00Z";
        format!("{call}{trick}ns.svc:443/v?timeout=10s\": tls: failed to verify certificate: {reason}\n")
    };
    for trick in ["", "$(id)", "`id`", "a;id;", "a&id&", "|id|", "-x", "'", "<x>", "\u{202e}"] {
        let (_, report) = analyze(&bundle(&[("a.log", line(trick).as_bytes())]), &["--year", "2026"]);
        let advice = report["findings"][0]["next"].as_array().expect("a finding").iter();
        let command = advice.filter_map(Value::as_str).find_map(|text| text.split_once("certificate -n "));
        let (_, name) = command.unwrap_or_else(|| panic!("{trick}: {}", report["findings"]));
        let (name, _) = name.split_once(": why").expect("what follows the name");
        assert!(name.ends_with("ns") && !name.starts_with('-'), "{trick}: {name}");
        assert!(name.chars().all(|c| c.is_alphanumeric() || "_-.".contains(c)), "{trick}: {name}");
    }
}

/// Who sends a request, presents a certificate or answers a call chooses words that messages quote: a failure that
/// stands in them is none.
#[test]
fn words_that_a_message_quotes_are_no_failure_of_their_own() {
    const FAKE: &str = r#"failed calling webhook "pay.example.com": failed to call webhook: Post "https://pay.acme.svc:443/v?timeout=10s": read tcp 203.0.113.9:41000->10.0.0.2:6443: read: connection reset by peer"#;
    const DIAL: &str = "dial tcp 203.0.113.9:443: connect: connection refused";
    let klog = |text: String| format!("W1121 02:00:05.000001       7 dispatcher.go:225] {text}\n");
    let call = |reason: String| {
        klog(format!(
            r#"Failed calling webhook, failing closed a.example.com: failed calling webhook "a.example.com": failed to call webhook: {reason}"#
        ))
    };
    let post = r#"Post "https://h.ns.svc:443/v?timeout=10s""#;
    let audit = |message: String| {
        serde_json::json!({
            "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata", "auditID": "a", "stage": "ResponseComplete",
            "responseStatus": { "status": "Failure", "message": message, "code": 403 },
            "stageTimestamp": "2026-11-21T02:00:05.000001Z",
        })
        .to_string()
            + "\n"
    };
    let quoted = serde_json::to_string(FAKE).expect("a text");
    let escaped = |text: &str| text.replace('\\', r"\\").replace('"', r#"\""#);
    let nginx = |request: &str| {
        format!(
            "2026/11/21 02:00:05 [error] 7#7: *5 connect() failed (111: Connection refused) while connecting to upstream, client: 203.0.113.9, server: _, request: \"{request}\", upstream: \"https://10.0.0.2:6443/a\", host: \"api\"\n"
        )
    };
    for (name, log, verdict) in [
        ("path", audit(format!("forbidden: User \"system:anonymous\" cannot get path \"/{FAKE}\"")), None),
        (
            "name",
            audit(format!("pods \"{FAKE}\" is forbidden: User \"a\" cannot get resource \"pods\"")),
            None,
        ),
        (
            "names of a certificate",
            call(format!(
                "{post}: tls: failed to verify certificate: x509: certificate is valid for a.b, {DIAL}, not h.ns.svc"
            )),
            Some("x509_name_mismatch"),
        ),
        (
            "authority",
            call(format!(
                "{post}: tls: failed to verify certificate: x509: certificate signed by unknown authority (possibly because of \"x509: ECDSA verification failure\" while trying to verify candidate authority certificate \"{DIAL}\")"
            )),
            Some("x509_unknown_authority"),
        ),
        (
            "answer",
            call(format!(
                "an error on the server (\"http: proxy error: {DIAL}\") has prevented the request from succeeding"
            )),
            Some("http_error"),
        ),
        (
            "protocols",
            klog(format!(
                "http: TLS handshake error from 203.0.113.9:41000: tls: client requested unsupported application protocols ([{quoted}])"
            )),
            Some("tls_handshake_failure"),
        ),
        (
            "audience",
            klog(format!(
                r#""Unable to authenticate the request" err="[invalid bearer token, oidc: verify token: oidc: expected audience \"kubernetes\" got [{}]]""#,
                escaped(&quoted)
            )),
            None,
        ),
        (
            "algorithm",
            klog(format!(
                r#""Unable to authenticate the request" err="[invalid bearer token, go-jose/go-jose: unexpected signature algorithm {}; expected [\"RS256\"]]""#,
                escaped(&quoted)
            )),
            None,
        ),
        (
            "uid of an answer",
            call(format!("received invalid webhook response: expected response.uid=\"a\", got {quoted}")),
            Some("http_error"),
        ),
        (
            "answer of a pod through the proxy",
            klog(format!(
                r#""HTTP" verb="GET" URI="/api/v1/namespaces/evil/pods/p/proxy/" latency="1ms" userAgent="curl" srcIP="203.0.113.9:41000" statusStack="\n\ngoroutine 1 [running]:\nk8s.io/apiserver" addedInfo="\nlogging error output: {}\n" resp=500"#,
                escaped(&quoted)
            )),
            None,
        ),
        ("request to nginx", nginx("GET /tls: HTTP/1.1"), Some("connection_refused")),
        ("denial in a request", nginx("GET /admission webhook \"a\" denied the request HTTP/1.1"), Some("connection_refused")),
        (
            "upstream",
            "2026/11/21 02:00:05 [error] 7#7: *5 connect() failed (111: Connection refused) while connecting to upstream, client: 203.0.113.9, server: _, request: \"GET /a\", upstream: \"https://203.0.113.9:443/\", host: \"x HTTP/1.1\", upstream: \"https://10.0.0.2:6443/a\", host: \"api\"\n".to_owned(),
            Some("connection_refused"),
        ),
    ] {
        let (_, report) = analyze(&bundle(&[("kube-apiserver.log", log.as_bytes())]), &["--year", "2026"]);
        let findings = report["findings"].as_array().expect("findings");
        let verdicts: Vec<&str> = findings.iter().filter_map(|f| f["verdict"].as_str()).collect();
        assert_eq!(verdicts, verdict.as_slice(), "{name}: {findings:?}");
        let targets = findings.iter().map(|f| f["target"].to_string()).collect::<String>();
        assert!(!targets.contains("pay") && !targets.contains("203.0.113.9"), "{name}: {targets}");
    }
}

/// Wireshark shows comments and names of interfaces as they are.
#[test]
fn an_extract_says_nothing_that_acts() {
    let folder = hostile(&TRICKS);
    let input = [folder.path().to_owned()];
    let flow = TRICKS.len().to_string();
    let (code, out) = sample::run(&["extract", "--flow", &flow], &input);
    assert_eq!(code, 0);
    let texts = option_texts(&out);
    assert!(texts.iter().any(|t| t.contains("ClientHello") && t.contains(MARK)), "{texts:?}");
    assert!(texts.iter().any(|t| t.contains(" 0.pcap")), "{texts:?}");
    for text in &texts {
        shows_no_control(text, "extract", "pcapng");
    }
}

/// Comments of packets and names of interfaces of a pcapng file in little-endian order.
fn option_texts(mut file: &[u8]) -> Vec<String> {
    let word =
        |bytes: &[u8], at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four")) as usize;
    let mut texts = Vec::new();
    while !file.is_empty() {
        let (block, rest) = file.split_at(word(file, 4));
        let (mut at, wanted) = match word(block, 0) {
            1 => (16, 2),
            6 => (28 + word(block, 20).next_multiple_of(4), 1),
            _ => (block.len(), 0),
        };
        while at + 8 <= block.len() {
            let (code, length) = (word(block, at) & 0xffff, word(block, at) >> 16);
            if code == wanted {
                texts.push(String::from_utf8(block[at + 4..at + 4 + length].to_vec()).expect("UTF-8"));
            }
            at += 4 + length.next_multiple_of(4);
        }
        file = rest;
    }
    texts
}

/// Why a rule matched is told with the names that it saw; a name with a line end in it makes no line.
#[test]
fn what_a_rule_saw_is_shown_safely() {
    let folder = hostile(&TRICKS);
    let pods = fs::read_to_string(folder.path().join("pods.json")).expect("objects");
    let (name, forged) = ("\"name\":\"", "\"name\":\"\\n  headline: forged\\u001b[31m");
    fs::write(folder.path().join("pods.json"), pods.replacen(name, forged, 1)).expect("objects");
    let rules = RULE.replace(
        "log.reason matches \"reset\"",
        "case.target.pod matches \"x\" or case.target.url_host matches \"x\" or tls.sni matches \"x\"",
    );
    let own = bundle(&[("my.yaml", rules.as_bytes())]);
    let own = own.path().display().to_string();
    let arguments = ["rules", "explain", "my/telling", "--year", "2026", "--rules", &own];
    let run = made::program(&arguments, folder.path()).output().expect("a run");
    let out = String::from_utf8(run.stdout).expect("UTF-8");
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(out.matches(MARK).count() > TRICKS.len() && out.contains("forged"), "{out} {said}");
    assert!(!out.lines().any(|line| line.trim_start().starts_with("headline: forged")), "{out}");
    shows_no_control(&out, "rules explain", "text");
}

/// A batch names its bundles and the versions that objects tell of, to a terminal as well.
#[test]
fn a_batch_tells_nothing_that_acts() {
    let folder = TempDir::new().expect("a temporary folder");
    let bundles = folder.path().join("bundles");
    let texts: String = TRICKS.iter().filter_map(|t| std::str::from_utf8(t).ok()).collect();
    // So much of them that the name of a report holds it whole.
    let beginning: String = texts.chars().take(40).collect();
    for (n, files) in [(0, true), (1, false)] {
        let inner = bundles.join(file_name(beginning.as_bytes(), n, MARK));
        fs::create_dir_all(&inner).expect("a folder");
        let node = serde_json::json!({
            "apiVersion": "v1", "kind": "Node", "metadata": { "name": "n" },
            "status": { "nodeInfo": { "kubeletVersion": format!("v1.30.1{texts}{MARK}") } },
        });
        if files {
            fs::write(inner.join("nodes.json"), node.to_string()).expect("objects");
        }
    }
    let out = folder.path().join("out").display().to_string();
    let run = made::program(&["batch", "-o", &out], &bundles).output().expect("a run");
    let (told, said) = (String::from_utf8(run.stdout), String::from_utf8(run.stderr));
    let (told, said) = (told.expect("UTF-8"), said.expect("UTF-8"));
    assert!(told.contains("v1.30.1") && told.contains(MARK), "{told}");
    assert!(said.matches(MARK).count() >= 2 && said.contains("failed"), "{said}");
    for text in [told, said] {
        shows_no_control(&text, "batch", "text");
    }
    for file in sample::files(&folder.path().join("out")) {
        let text = fs::read_to_string(file).expect("UTF-8");
        shows_no_control(&text, "batch", "json");
    }
}

/// What is told on stderr names inputs, too.
#[test]
fn messages_hold_nothing_that_acts() {
    let folder = hostile(&TRICKS);
    fs::write(folder.path().join(file_name(&TRICKS.concat(), 1, "pcap")), b"text, no capture")
        .expect("a file");
    fs::write(folder.path().join(file_name(&TRICKS.concat(), 2, "pcap")), pcap([(1, syn(1))].into_iter()))
        .expect("a capture");
    #[cfg(unix)]
    std::os::unix::fs::symlink("/dev/null", folder.path().join(file_name(&TRICKS.concat(), 3, "log")))
        .expect("a link");
    for arguments in [&["analyze", "-v"][..], &["logs", "-v"], &["flows", "-v"], &["timeline", "--flow", "7"]]
    {
        let run = made::program(arguments, folder.path()).output().expect("a run");
        let said = String::from_utf8(run.stderr).expect("UTF-8");
        assert!(said.contains("pcap"), "{arguments:?}: {said}");
        shows_no_control(&said, arguments[0], "message");
        let doubt = said.contains("look like a failure and match no event");
        assert!(doubt == (arguments[0] == "logs"), "{arguments:?}: {said}");
        assert_eq!(said.contains("is a link"), cfg!(unix), "{arguments:?}: {said}");
    }
    let missing = file_name(&TRICKS.concat(), 4, MARK);
    let run = made::program(&["analyze"], &folder.path().join(missing)).output().expect("a run");
    let said = String::from_utf8(run.stderr).expect("UTF-8");
    assert!(run.status.code() == Some(1) && said.contains(MARK), "{said}");
    shows_no_control(&said.replace('\n', ""), "a missing input", "message");
}

#[test]
fn bytes_that_are_no_text_are_read_as_a_log() {
    let line = line_with("");
    let spoilt =
        [line.as_bytes(), b"\xff\xfe\0\0", line.as_bytes(), b"\xc3(\xe2\x82", line.as_bytes()].concat();
    let folder = bundle(&[("a.log", &spoilt)]);
    let (code, report) = analyze(&folder, &["--year", "2026"]);
    assert!(matches!(code, 0 | 3), "exit {code}");
    assert_eq!(report["logs"][0]["lines"], 3, "{report}");
    let occurrences = report["findings"].as_array().into_iter().flatten().filter_map(|f| f["count"].as_u64());
    assert!(occurrences.sum::<u64>() >= 1, "{report}");
}
