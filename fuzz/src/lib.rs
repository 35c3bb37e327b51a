//! What the fuzz targets call: one function a target, bytes in, nothing out. Each asserts what must hold for any input
//! (reports are valid JSON, terminal text holds no control character), so that a wrong answer counts as a crash.

mod grown;
mod sealed;

use std::io::Cursor;
use std::sync::Arc;

use wirecause::bundle::{self, Bundle, Limits, SourceKind};
use wirecause::capture::{self, FrameHeader, LinkType, Window};
use wirecause::cluster;
use wirecause::correlate::{self, JoinOptions, World};
use wirecause::dns::DnsSession;
use wirecause::flow::{Dir, FlowEnd, FrameRef, Moment, Payload, PerDir, Proto};
use wirecause::ingest::{self, IngestOptions, Ingested};
use wirecause::log::{self, EventSet, LogOptions, Logs};
use wirecause::packet::{self, DecodeOptions, Decoded};
use wirecause::report::document::Report;
use wirecause::report::redact::{self, Addresses, JsonLines, Redactor};
use wirecause::report::view::{self, Detail, Style};
use wirecause::report::{build, csv, html, markdown};
use wirecause::rules::expr::Expr;
use wirecause::rules::{self, RuleFile, RuleSet};
use wirecause::time::Timestamp;
use wirecause::tls::{Interner, KeyLog, Session};

/// Every frame of a capture file.
pub fn frames(data: &[u8], kind: SourceKind) {
    let mut reader = capture::open(Box::new(Cursor::new(data.to_vec())), kind);
    let mut window = Window::default();
    while reader.fill(&mut window) {
        for index in 0..window.frames.len() {
            assert_eq!(window.frame(index).len(), window.frames[index].captured as usize);
        }
    }
    reader.finish();
}

/// One frame: two bytes of link type, one of length, then the frame, which is longer on the wire by that much.
pub fn decode(data: &[u8]) {
    let [high, low, cut, frame @ ..] = data else { return };
    let link_type = LinkType(u16::from_be_bytes([*high, *low]));
    let captured = frame.len() as u32;
    let length = captured + u32::from(*cut);
    let header =
        FrameHeader { time: Timestamp::default(), offset: 0, captured, length, interface: 0, link_type };
    let window = Window { bytes: frame.to_vec(), frames: vec![header], first_number: 1 };
    let mut decoded = Decoded::default();
    packet::decode(&window, 0..1, &DecodeOptions { vxlan_ports: vec![4790] }, &mut decoded);
    for packet in &decoded.packets {
        assert!(packet.payload(&window).len() <= frame.len() && packet.tcp_options(&window).len() <= 40);
    }
}

/// Segments of a few flows: each eight bytes are flags, side and flow, sequence, acknowledgment, window and length.
pub fn segments(data: &[u8]) {
    let frames = data.chunks_exact(8).map(|c| {
        let answer = c[1] & 1 == 1;
        let (mut from, mut to) = ([10, 0, 0, 1 + (c[1] >> 6)], [10, 0, 0, 9]);
        let (mut sport, mut dport) = (40000_u16, 443_u16);
        if answer {
            (from, to, sport, dport) = (to, from, dport, sport);
        }
        let mut tcp = Vec::from(sport.to_be_bytes());
        tcp.extend(dport.to_be_bytes());
        tcp.extend((0xffff_ff00_u32.wrapping_add(u32::from(c[2]) << (c[7] >> 4))).to_be_bytes());
        tcp.extend((0xffff_ff00_u32.wrapping_add(u32::from(c[3]) << (c[7] & 15))).to_be_bytes());
        tcp.extend([0x50, c[0], c[4], c[5], 0, 0, 0, 0]);
        tcp.resize(20 + usize::from(c[6]), 0x17);
        ip(&tcp, from, to, 6)
    });
    flows(&pcap(frames));
}

/// An ICMP error of any type and code that quotes these bytes, after a SYN that it may be about.
pub fn icmp(data: &[u8]) {
    let [kind, code, quote @ ..] = data else { return };
    let mut syn = Vec::from([0x9c, 0x40, 0x01, 0xbb, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 255, 255, 0, 0, 0, 0]);
    syn.truncate(20);
    let syn = ip(&syn, [10, 0, 0, 1], [10, 0, 0, 9], 6);
    let whole = [&[*kind, *code, 0, 0, 0, 0, 0, 0], &syn[..]].concat();
    let given = [&[*kind, *code, 0, 0, 0, 0, 0, 0], quote].concat();
    let error = |body: &[u8]| ip(body, [10, 0, 0, 7], [10, 0, 0, 1], 1);
    flows(&pcap([syn, error(&whole), error(&given)].into_iter()));
}

/// The payload of a connection: a byte of length and side, then that many bytes, again and again.
pub fn tls(data: &[u8]) {
    let (mut session, mut interner) = (Session::default(), Interner::default());
    let end = pieces(data, Proto::Tcp, |payload| {
        session.payload(&mut interner, payload);
        session.acked(payload.dir.other(), payload.offset, payload.at);
        session.wants(payload.dir);
    });
    session.finish(&mut interner, &end);
}

/// The same for DNS.
pub fn dns(data: &[u8]) {
    for proto in [Proto::Tcp, Proto::Udp] {
        let mut session = DnsSession::default();
        let end = pieces(data, proto, |payload| session.payload(payload));
        session.finish(&end);
    }
}

/// A session of TLS 1.3 whose key log is there: a byte of side, key, damage and content type, one of length, then the
/// content of a record that is sealed, again and again.
pub fn decrypt(data: &[u8]) {
    let (mut session, mut interner) = (Session::default(), Interner::default());
    let mut keys = KeyLog::default();
    assert_eq!(keys.add(&sealed::key_log()).secrets, 4);
    interner.use_keys(Arc::new(keys));
    let hellos = sealed::hellos();
    let mut sealer = sealed::Sealer::default();
    let mut next = PerDir::<i64>::default();
    let mut at = Moment::default();
    let mut give = |session: &mut Session, dir: Dir, bytes: &[u8], cut: usize| {
        at = Moment { frame: FrameRef::new(0, at.frame.number() + 1), ..at };
        let (proto, ports) = (Proto::Tcp, PerDir { orig: 40000, resp: 443 });
        let (length, data) = (bytes.len() as u32, &bytes[..bytes.len() - cut]);
        session.payload(&mut interner, &Payload { proto, dir, offset: next[dir], length, data, at, ports });
        next[dir] += i64::from(length);
    };
    give(&mut session, Dir::Orig, &hellos.orig, 0);
    give(&mut session, Dir::Resp, &hellos.resp, 0);
    let mut rest = data;
    while let [how, long, tail @ ..] = rest {
        let dir = if how & 1 == 1 { Dir::Resp } else { Dir::Orig };
        let (content, left) = tail.split_at(usize::from(*long).min(tail.len()));
        let mut record = sealer.seal(dir, how & 2 == 2, 20 + (how >> 4 & 3), content);
        match how & 0b1100 {
            4 => session.swap(),
            8 => record[5] ^= 1,
            _ => {}
        }
        let cut = if how & 0b1100 == 12 { usize::from(how >> 6) * 7 } else { 0 };
        give(&mut session, dir, &record, cut);
        rest = left;
    }
    let end = FlowEnd { last: at, fin: PerDir::default(), reset: None, established: Some(Moment::default()) };
    let facts = session.finish(&mut interner, &end);
    assert!(data.len() > 200 || facts.tls.is_some_and(|tls| tls.decrypted.is_some()));
}

/// A key log.
pub fn key_log(data: &[u8]) {
    let told = KeyLog::default().add(&String::from_utf8_lossy(data));
    assert!(told.secrets + told.unused + told.damaged <= told.lines);
}

/// A certificate as it stands and with its lengths put right, or, if it begins as text does, a file of certificates.
pub fn certificates(data: &[u8]) {
    if data.first().is_none_or(|b| *b < 0x30) {
        return cluster_of(data, SourceKind::Pem);
    }
    wirecause::tls::parse_certificate(data);
    let mut whole = Vec::new();
    with_lengths(data, &mut whole, 0);
    wirecause::tls::parse_certificate(&whole);
}

/// The same elements with lengths that fit what they hold, so that a change deep within leaves the rest to be read.
fn with_lengths(data: &[u8], out: &mut Vec<u8>, depth: u8) {
    let mut rest = data;
    while let [tag, first, tail @ ..] = rest {
        let long = usize::from(first & 0x7f).min(2).min(tail.len()) * usize::from(first >> 7);
        let (digits, tail) = tail.split_at(long);
        let stated = digits.iter().fold(0, |n, b| n << 8 | usize::from(*b));
        let (content, left) =
            tail.split_at((if *first < 0x80 { usize::from(*first) } else { stated }).min(tail.len()));
        let mut inner = Vec::new();
        if tag & 0x20 != 0 && depth < 16 {
            with_lengths(content, &mut inner, depth + 1)
        } else {
            inner.extend(content)
        }
        let [_, .., high, low] = inner.len().to_be_bytes();
        out.extend(if inner.len() < 0x80 { vec![*tag, low] } else { vec![*tag, 0x82, high, low] });
        out.extend(inner);
        rest = left;
    }
}

/// One frame as [`decode`] takes it: what is left must be no longer, and decode again.
pub fn redact_frame(data: &[u8]) {
    let [high, low, cut, frame @ ..] = data else { return };
    let link_type = LinkType(u16::from_be_bytes([*high, *low]));
    let length = frame.len() as u32 + u32::from(*cut);
    let options = DecodeOptions { vxlan_ports: vec![4790] };
    let new = redact::frame(frame, length, link_type, &options, &mut Addresses::default());
    assert!(new.bytes.len() <= frame.len() && new.length <= length.max(new.bytes.len() as u32));
    let kind = new.link_type.0.to_be_bytes();
    decode(&[&kind[..], &[0], &new.bytes].concat());
}

/// Text, and lines of JSON, as `--redact` changes them, by a redactor that knows the names of what stands before the
/// first NUL: the same text gives the same again, and JSON stays JSON.
pub fn redact_text(data: &[u8]) {
    let all = String::from_utf8_lossy(data);
    let (known, text) = all.split_once('\0').unwrap_or(("", &all));
    let mut redactor = Redactor::default();
    redactor.text(known);
    match text.len() % 3 {
        0 => assert_eq!(redactor.text(text), redactor.text(text)),
        1 => drop(redactor.prose(text)),
        _ => {
            let line = serde_json::json!({ "text": text, "title": known, "verdict": text }).to_string();
            let mut out = Vec::new();
            let mut lines = JsonLines::new(&mut redactor, &mut out);
            std::io::Write::write_all(&mut lines, line.as_bytes()).expect("a Vec takes all");
            std::io::Write::flush(&mut lines).expect("a Vec takes all");
            assert!(serde_json::from_slice::<serde_json::Value>(&out).is_ok(), "no JSON");
        }
    }
    let _ = redactor.map();
}

/// A report whose strings are these bytes, in pieces between NULs, in the form that the first byte chooses.
pub fn pages(data: &[u8]) {
    thread_local!(static PLAIN: serde_json::Value = plain_report());
    let [form, data @ ..] = data else { return };
    let text = String::from_utf8_lossy(data);
    let mut pieces = text.split('\0').cycle();
    let mut tree = PLAIN.with(Clone::clone);
    replace(&mut tree, &mut pieces);
    let report: Report = serde_json::from_value(tree).expect("marked strings are free text");
    VIEWS[usize::from(*form) % VIEWS.len()](&report);
}

/// The report of one line and one SYN, with [`MARK`] for every string that may be any other.
fn plain_report() -> serde_json::Value {
    let line = b"2026-11-21T02:00:05Z stderr F W1121 02:00:05.000001       7 dispatcher.go:225] Failed calling webhook, failing closed a.example.com: failed calling webhook \"a.example.com\": failed to call webhook: Post \"https://a.ns.svc:443/v?timeout=10s\": dial tcp 10.0.0.9:443: connect: connection refused\n";
    let syn = Vec::from([0x9c, 0x40, 0x01, 0xbb, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 255, 255, 0, 0, 0, 0]);
    let report = report_of(line, &pcap([ip(&syn, [10, 0, 0, 1], [10, 0, 0, 9], 6)].into_iter()));
    let mut tree = serde_json::to_value(&report).expect("JSON");
    let mut n = 0;
    while let Some(place) = nth(&mut tree, &mut n.clone()) {
        let was = std::mem::replace(place, MARK.to_owned());
        if serde_json::from_value::<Report>(tree.clone()).is_err() {
            *nth(&mut tree, &mut n.clone()).expect("it was there") = was;
        }
        n += 1;
    }
    tree
}

const MARK: &str = "\u{1}";

/// Keys whose values no byte of a bundle decides.
const OF_THE_PROGRAM: [&str; 14] = [
    "id",
    "severity",
    "standing",
    "confidence",
    "verdict",
    "cause",
    "rule",
    "edge",
    "role",
    "key",
    "ip",
    "time",
    "first_time",
    "last_time",
];

/// The string that has so many before it.
fn nth<'a>(tree: &'a mut serde_json::Value, n: &mut usize) -> Option<&'a mut String> {
    match tree {
        serde_json::Value::String(text) if *n == 0 => Some(text),
        serde_json::Value::String(_) => {
            *n -= 1;
            None
        }
        serde_json::Value::Array(items) => items.iter_mut().find_map(|item| nth(item, n)),
        serde_json::Value::Object(map) => {
            let foreign = |key: &str| !OF_THE_PROGRAM.contains(&key);
            map.iter_mut().filter(|(key, _)| foreign(key)).find_map(|(_, item)| nth(item, n))
        }
        _ => None,
    }
}

fn replace<'a>(tree: &mut serde_json::Value, pieces: &mut impl Iterator<Item = &'a str>) {
    match tree {
        serde_json::Value::String(text) if text == MARK => pieces.next().unwrap_or_default().clone_into(text),
        serde_json::Value::Array(items) => items.iter_mut().for_each(|item| replace(item, pieces)),
        serde_json::Value::Object(map) => map.values_mut().for_each(|item| replace(item, pieces)),
        _ => {}
    }
}

/// A file of any kind, whichever the program takes it for.
pub fn anything(data: &[u8]) {
    let bundle = bundle_of(data, "x");
    ingest::run(&bundle.sources, &IngestOptions::default());
    cluster::read(&bundle.sources);
    EVENTS.with(|events| log::read(&bundle.sources, events, &LogOptions::default()));
}

/// A log.
pub fn log(data: &[u8]) {
    logs(bundle_of(data, "kube-apiserver.log"), SourceKind::Log);
}

/// A file that begins with these bytes.
pub fn log_of(data: &[u8], magic: &[u8]) {
    logs(bundle_of(&[magic, data].concat(), "system.journal"), SourceKind::Journal);
}

/// Kubernetes objects: as text, or, behind a byte of 0xff, of words that the bytes choose.
pub fn objects(data: &[u8]) {
    match data {
        [0xff, choices @ ..] => {
            cluster_of(grown::objects(choices).to_string().as_bytes(), SourceKind::Objects)
        }
        _ => cluster_of(data, SourceKind::Objects),
    }
}

/// What a host says of itself.
pub fn host_state(data: &[u8]) {
    cluster_of(data, SourceKind::HostState);
}

/// A rule file, which loads or says what is wrong in words.
pub fn rule_file(data: &[u8]) {
    let text = String::from_utf8_lossy(data).into_owned();
    if let Err(e) = RuleSet::of(&[RuleFile { path: "r.yaml".to_owned(), text, builtin: false }]) {
        assert!(!e.to_string().is_empty());
    }
}

/// A condition, which loads or says what is wrong in words.
pub fn expression(data: &[u8]) {
    if let Err(mistakes) = Expr::new(&String::from_utf8_lossy(data)) {
        assert!(!mistakes.is_empty());
    }
}

/// An archive or compressed file: what is found is opened too.
pub fn archive(data: &[u8]) {
    let limits = Limits { members: 100, total_bytes: 1 << 22, member_bytes: 1 << 20, ..Limits::default() };
    let Ok(bundle) = bundle::discover_stream(&mut &data[..], "b.tar.gz", &limits) else { return };
    for source in &bundle.sources {
        let _ = source.head(1 << 16);
    }
}

/// A whole analysis: the bytes up to the first `\0\0\0\0` are a log, the rest a capture.
pub fn report(data: &[u8]) {
    let cut = data.windows(4).position(|w| w == [0; 4]).unwrap_or(data.len());
    views(&report_of(&data[..cut], data.get(cut + 4..).unwrap_or_default()));
}

fn report_of(text: &[u8], packets: &[u8]) -> Report {
    let mut bundle = bundle_of(text, "kube-apiserver.log");
    let wire = ingest::run(&bundle_of(packets, "a.pcap").sources, &IngestOptions::default());
    bundle.sources.iter_mut().for_each(|s| s.kind = SourceKind::Log);
    let wire = Ingested { inputs: Vec::new(), ..wire };
    let logs = EVENTS.with(|events| log::read(&bundle.sources, events, &LogOptions::default()));
    let mut world = World { bundle, wire, logs, ..World::default() };
    let mut joined = correlate::correlate(&mut world, &JoinOptions::default());
    let (found, no_fault) = RULES.with(|rules| rules::conclude(rules, &world, &joined));
    joined.anomalies.extend(no_fault);
    let options = build::Options { max_occurrences: 10, rules_digest: String::new() };
    build::build(&world, &joined, &found, &options)
}

/// Every view of a report.
fn views(report: &Report) {
    VIEWS.iter().for_each(|view| view(report));
}

const VIEWS: [fn(&Report); 5] = [as_json, as_table, as_page, as_markdown, as_csv];

fn as_json(report: &Report) {
    let json = serde_json::to_string(report).expect("a report is JSON");
    assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok());
}

/// No control character reaches a terminal.
fn as_table(report: &Report) {
    let mut out = Vec::new();
    let detail = Detail { all: true, finding: None };
    view::write(report, Style { color: false, width: 80 }, &detail, &mut out).expect("a table");
    let table = String::from_utf8(out).expect("UTF-8");
    assert!(!table.chars().any(|c| c.is_control() && c != '\n'), "a control character reaches the terminal");
}

/// No tag reaches a page.
fn as_page(report: &Report) {
    let mut page = Vec::new();
    html::write(report, &mut page).expect("a page");
    let page = String::from_utf8(page).expect("UTF-8");
    assert_eq!(page.matches("<script").count(), page.matches("</script>").count(), "a tag reaches the page");
    assert!(page.matches("<script").count() <= 1 && !page.contains("<img"), "a tag reaches the page");
}

fn as_markdown(report: &Report) {
    markdown::write(report, &mut Vec::new()).expect("Markdown");
}

/// No cell begins as a formula does.
fn as_csv(report: &Report) {
    let mut table = Vec::new();
    csv::write(&report.findings, csv::FINDINGS, &mut table).expect("CSV");
    let table = String::from_utf8(table).expect("UTF-8");
    let mut quoted = false;
    let mut start = true;
    for c in table.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' | '\n' if !quoted => {
                start = true;
                continue;
            }
            _ => assert!(!start || !matches!(c, '=' | '+' | '@' | '\t' | '\r'), "a formula"),
        }
        start = start && c == '"';
    }
}

thread_local! {
    static EVENTS: EventSet = EventSet::builtin();
    static RULES: RuleSet = RuleSet::builtin();
}

fn bundle_of(data: &[u8], name: &str) -> Bundle {
    bundle::discover_stream(&mut &data[..], name, &Limits::default()).expect("a temporary file")
}

fn flows(capture: &[u8]) {
    ingest::run(&bundle_of(capture, "a.pcap").sources, &IngestOptions::default());
}

fn logs(mut bundle: Bundle, kind: SourceKind) -> Logs {
    bundle.sources.iter_mut().for_each(|s| s.kind = kind);
    EVENTS.with(|events| log::read(&bundle.sources, events, &LogOptions::default()))
}

fn cluster_of(data: &[u8], kind: SourceKind) {
    let mut bundle = bundle_of(data, "x");
    bundle.sources.iter_mut().for_each(|s| s.kind = kind);
    cluster::read(&bundle.sources);
}

/// Hands the bytes over in pieces, each at the end of its side's stream or, by its first byte, a little off it.
fn pieces(data: &[u8], proto: Proto, mut each: impl FnMut(&Payload<'_>)) -> FlowEnd {
    let mut rest = data;
    let mut next = PerDir::<i64>::default();
    let mut at = Moment::default();
    while let [how, long, tail @ ..] = rest {
        let dir = if how & 1 == 1 { Dir::Resp } else { Dir::Orig };
        let length = (usize::from(*long) * (1 + usize::from(how >> 5))).min(tail.len());
        let off = i64::from((how >> 1) & 3) * if how & 8 == 8 { -16 } else { 16 };
        let (data, left) = tail.split_at(length);
        at = Moment { frame: FrameRef::new(0, at.frame.number() + 1), ..at };
        let ports = PerDir { orig: 40000, resp: if proto == Proto::Udp { 53 } else { 443 } };
        let offset = next[dir] + off;
        each(&Payload { proto, dir, offset, length: length as u32 + u32::from(how & 16), data, at, ports });
        next[dir] = offset + length as i64;
        rest = left;
    }
    FlowEnd { last: at, fin: PerDir::default(), reset: None, established: Some(Moment::default()) }
}

fn ip(payload: &[u8], from: [u8; 4], to: [u8; 4], protocol: u8) -> Vec<u8> {
    let length = (20 + payload.len()) as u16;
    let mut packet = vec![0x45, 0];
    packet.extend(length.to_be_bytes());
    packet.extend([0, 0, 0, 0, 64, protocol, 0, 0]);
    packet.extend(from);
    packet.extend(to);
    packet.extend(payload);
    packet
}

/// A capture of raw IP packets, 10 ms apart.
fn pcap(packets: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut file =
        Vec::from([0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 101, 0, 0, 0]);
    for (n, packet) in packets.enumerate() {
        let length = (packet.len() as u32).to_le_bytes();
        file.extend((1_700_000_000 + n as u32 / 100).to_le_bytes());
        file.extend((n as u32 % 100 * 10_000).to_le_bytes());
        file.extend(length);
        file.extend(length);
        file.extend(packet);
    }
    file
}
