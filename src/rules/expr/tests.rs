//! Rows of conditions with what they must give, and mistakes with what must be said of them.

use super::*;
use crate::capture::CaptureIndex;
use crate::flow::{Dir, Flow, Moment, PerDir, Proto, Reset, TcpFacts};
use crate::ingest::{App, Conversation};
use crate::time::TimeDelta;

fn flow() -> Conversation {
    let tcp = TcpFacts {
        syn: PerDir { orig: 3, resp: 0 },
        initial_rtt: Some(TimeDelta::from_millis(12)),
        reset: Some(Reset {
            from: Dir::Resp,
            at: Moment::default(),
            ttl: 63,
            to_syn: true,
            after_close: false,
            in_sequence: true,
            payload_bytes: 0,
        }),
        ..TcpFacts::default()
    };
    Flow {
        capture: CaptureIndex(0),
        stream_frame: None,
        shares_tuple: false,
        stream: Some(7),
        proto: Proto::Tcp,
        vni: None,
        orig: "10.0.0.5:40000".parse().unwrap(),
        resp: "10.96.0.10:443".parse().unwrap(),
        first: Moment::default(),
        last: Moment::default(),
        packets: PerDir { orig: 3, resp: 1 },
        bytes: PerDir::default(),
        duplicates: 0,
        truncated: false,
        midstream: false,
        evicted: false,
        quoted_only: false,
        tcp: Some(tcp.into()),
        icmp: Vec::new(),
        stray_icmp: Vec::new(),
        parts: Vec::new(),
        app: App::default(),
    }
}

fn truth(source: &str) -> Truth {
    let expr = Expr::from_argument("test", source).unwrap_or_else(|e| panic!("{e}"));
    expr.truth(&CaseView::of_flow(&flow()))
}

#[test]
fn conditions_hold_or_not() {
    use Truth::{False, True, Unknown};
    for (source, expected) in [
        ("tcp.stream == 7", True),
        ("tcp.stream eq 7 and not tcp.established", True),
        ("tcp.stream ne 7 or tcp.rst", True),
        ("!tcp.rst", False),
        ("!(tcp.rst && tcp.stream == 7)", False),
        ("tcp.port == 443", True),
        ("tcp.port == 80", False),
        ("tcp.port != 80", True),
        ("tcp.port != 443", False),
        ("tcp.port in { 80, 440..450 }", True),
        ("tcp.port in {80,8080}", False),
        ("tcp.port not in { 80 }", True),
        ("ip.addr == 10.96.0.0/12", True),
        ("ip.addr == 10.97.0.0/16", False),
        ("ip.addr != 10.97.0.0/16", True),
        ("ip.addr in { fd00::/8, 10.0.0.5 }", True),
        ("ip.resp == 0.0.0.0/0", True),
        ("10.96.0.0/12 == ip.addr", True),
        ("10.96.0.0/12 == ip.orig", False),
        ("443 == tcp.port", True),
        ("10ms < tcp.initial_rtt", True),
        ("10ms >= tcp.initial_rtt", False),
        ("\"resp\" == tcp.rst.from", True),
        ("tcp.rst.from == resp", True),
        ("tcp.rst.from in { \"orig\" }", False),
        ("tcp.rst.from == orig || tcp.rst.ttl == 63", True),
        ("tcp.initial_rtt > 10ms", True),
        ("tcp.initial_rtt < 1.5s", True),
        ("tcp.initial_rtt - 2ms == 10ms", True),
        ("tcp.initial_rtt + tcp.initial_rtt == 24ms", True),
        ("tcp.syn.count - 1 >= 2", True),
        ("tcp.orig contains \"10.0.0.5\"", True),
        ("tcp.orig matches \"^10\\.0\\.0\\.5:4\\d+$\"", True),
        ("tcp.resp matches \":80$\"", False),
        // known to be absent: every comparison is false
        ("udp.port == 53", False),
        ("udp.port != 53", False),
        ("tls.sni == \"x\"", False),
        ("tls.client_hello", False),
        ("tls.sni", False),
        // nothing known about the log line of a flow alone
        ("log.deadline > 1s", Unknown),
        ("tcp.rst && log.deadline > 1s", Unknown),
        ("!tcp.rst && log.deadline > 1s", False),
        ("tcp.rst || log.deadline > 1s", True),
        ("not log.fail_open", Unknown),
        // a bound that is not known decides only where the other one does
        ("tcp.initial_rtt in { 10ms..log.deadline }", Unknown),
        ("tcp.initial_rtt not in { 10ms..log.deadline }", Unknown),
        ("tcp.initial_rtt not in { log.deadline..20ms }", Unknown),
        ("tcp.initial_rtt not in { 20ms..log.deadline }", True),
        ("tcp.initial_rtt in { 20ms..log.deadline, 12ms }", True),
        ("log.deadline not in { 1s..2s }", Unknown),
    ] {
        assert_eq!(truth(source), expected, "{source}");
    }
}

#[test]
fn mistakes_point_at_their_words() {
    for (source, at, text, help) in [
        (
            "tcp.establishd",
            "tcp.establishd",
            "there is no field `tcp.establishd`",
            "did you mean `tcp.established`?",
        ),
        (
            "tls.handshake.sni == \"a\"",
            "tls.handshake.sni",
            "there is no field `tls.handshake.sni`",
            "there is `tls.sni`, `tls.certificate.names_sni`; `wirecause rules fields` lists all fields; texts stand in double quotes",
        ),
        ("tcp.stream = 7", "=", "`=` does not compare", "write `==`"),
        ("tcp.stream == \"7\"", "tcp.stream == \"7\"", "a number is compared with a text", ""),
        (
            "tcp.initial_rtt > 10",
            "tcp.initial_rtt > 10",
            "a duration is compared with a number",
            "write a unit: `10s` or `10ms`",
        ),
        (
            "tcp.rst.from == respo",
            "respo",
            "`respo` is no value of `tcp.rst.from`; it has: orig, resp",
            "did you mean `resp`?",
        ),
        ("tcp.rst &&", "", "expected a field or a value at the end", ""),
        ("(tcp.rst", "", "expected `)` at the end", ""),
        ("tcp.rst tcp.stream", "tcp.stream", "expected an operator here", ""),
        ("tcp.orig matches \"(\"", "\"(\"", "this regular expression is not valid: unclosed group", ""),
        (
            "tcp.orig matches \"a{1000}{1000}{1000}\"",
            "\"a{1000}{1000}{1000}\"",
            "this regular expression is not valid: ",
            "",
        ),
        ("tls.phase in {no_hello..closed}", "no_hello..closed", "words have no ranges", ""),
        ("tcp.port in {80..\"a\"}", "tcp.port in {80..\"a\"", "a number is compared with a text", ""),
        ("tcp.port in {80..tls.sni}", "tcp.port in {80..tls.sni", "a number is compared with a text", ""),
        ("tcp.port in {450..440}", "450..440", "this range is empty", "write the lower bound first"),
        ("tcp.initial_rtt in {2s..1s}", "2s..1s", "this range is empty", "write the lower bound first"),
        ("tls.sni in {\"a\"..\"b\"}", "\"a\"..\"b\"", "a text has no order, and so no ranges", ""),
        (
            "tcp.rst.from == tcp.stream",
            "tcp.stream",
            "`tcp.rst.from` is a word, and `tcp.stream` is a number",
            "",
        ),
        ("tls.phase < tls.alert.from", "tls.alert.from", "the words of two fields have no order", ""),
        (
            "\"respo\" == tcp.rst.from",
            "\"respo\"",
            "`respo` is no value of `tcp.rst.from`",
            "did you mean `resp`?",
        ),
        ("10.0.0.0/8 == \"a\"", "10.0.0.0/8", "a network is compared with a field alone", ""),
        ("10.0.0.0/8 in {ip.addr}", "10.0.0.0/8", "a network is compared with a field alone", ""),
        ("tls.phase == no_hello + 7", "no_hello + 7", "nothing can be added", ""),
        ("ip.addr == 10.0.0.6 + 5", "10.0.0.6 + 5", "nothing can be added", ""),
        ("tcp.rst.from < orig", "orig", "these words have no order; use `==`, `!=` or `in`", ""),
        ("tcp.stream == 10.0.0.300", "10.0.0.300", "expected a whole number, a duration or an address", ""),
        (
            "ip.addr == 10.0.0.0/33",
            "10.0.0.0/33",
            "expected a prefix length of at most 32 (IPv4) or 128 (IPv6)",
            "",
        ),
        ("tcp.orig contains \"a", "\"a", "expected a closing quote for this text", ""),
    ] {
        let mistakes = Expr::new(source).expect_err(source);
        let first = &mistakes[0];
        assert!(first.text.starts_with(text), "{source}: {}", first.text);
        assert_eq!(source.get(first.at.clone()).unwrap_or(""), at, "{source}");
        if !help.is_empty() {
            assert_eq!(first.help.as_deref(), Some(help), "{source}");
        }
    }
}

#[test]
fn all_mistakes_of_a_condition_show_at_once() {
    let mistakes = Expr::new("tcp.rsst && tcp.establishd || tls.snii == \"a\"").unwrap_err();
    assert_eq!(mistakes.len(), 3);
}

#[test]
fn explanations_carry_the_values() {
    let expr = Expr::new("tcp.syn.count >= 2 && !(tcp.rst.from == orig)").unwrap();
    let flow = flow();
    let clauses = expr.explain(&CaseView::of_flow(&flow));
    assert_eq!(clauses[0].text, "tcp.syn.count >= 2");
    assert_eq!(clauses[0].values, [("tcp.syn.count", "3".to_owned())]);
    assert_eq!((clauses[1].truth, clauses[1].negated), (Truth::False, true));
    assert_eq!(expr.clauses(), 2);
}

#[test]
fn hostile_expressions_end() {
    for source in [
        "(".repeat(10_000),
        "!".repeat(10_000),
        "tcp.rst||".repeat(1000),
        "\"".into(),
        "{".into(),
        "é".into(),
        "==".into(),
        "1..".into(),
        "..".into(),
        "a in {".into(),
    ] {
        assert!(Expr::new(&source).is_err());
    }
    assert!(Expr::new(&format!("tcp.rst{}", " || tcp.rst".repeat(1000))).is_ok());
}
