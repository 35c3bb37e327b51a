//! Words within a message that its writer quotes and does not vouch for: names in certificates, what a server answered,
//! what a client asked for. Whoever chose them may have written a second failure into them.
//!
//! Takes a message; gives it with those words hidden, at the same places. Never decides which failure it is.

use std::borrow::Cow;

use super::envelope::Peeled;
use super::structured::value;

/// Files of Go's source whose messages hold nothing of their writer's but what stands around the words of others, and the
/// words by which such a message is known where the file writes others too: what a server warns its client of (client-go,
/// controller-runtime), and what a client asked for, with its user agent, before klog was structured.
const ECHOES: [(&str, &str); 8] = [
    ("warnings.go", ""),
    ("warning_handler.go", ""),
    // `GET URI: (1.2ms) 403 [AGENT ADDRESS]` to 1.17, `verb="GET" URI="URI" … UserAgent="AGENT" srcIP="ADDRESS": ` to 1.20
    ("httplog.go", ""),
    // `kube-aggregator: GET "PATH" satisfied by nonGoRestful`
    ("handler.go", " satisfied by "),
    ("pathrecorder.go", " satisfied by "),
    // `Forbidden: "URI", Reason: "…"`
    ("authorization.go", "Forbidden: "),
    // `timeout or abort while handling: method=GET URI="URI" audit-ID="…"`
    ("wrap.go", "abort while handling: "),
    // `apiserver panic'd on GET URI`
    ("wrap.go", "panic'd on "),
];

/// The logger of controller-runtime that repeats what a server warns of.
const WARNINGS: &str = "KubeAPIWarningLogger";

/// Whether the whole message is words of others. One with values keeps those in them, where no failure is looked for.
pub(super) fn is_echo(peeled: &Peeled<'_>, headline: &str, values: &[(String, String)]) -> bool {
    let caller = peeled.caller.as_deref().unwrap_or_default();
    let echo = |(file, words): &(&str, &str)| caller.starts_with(file) && headline.contains(words);
    headline != ACCESS && ECHOES.iter().any(echo)
        || value(values, "logger").is_some_and(|logger| logger.ends_with(WARNINGS))
}

/// The headline of a line of the access log since klog is structured.
pub(super) const ACCESS: &str = "HTTP";

/// Words behind which the message names or quotes what another party sent: nothing that follows says what the writer did.
const QUOTING: [&str; 22] = [
    "tls: ",
    "x509: ",
    "an error on the server (\"",
    "malformed HTTP ",
    "http2: server sent GOAWAY ",
    "invalid header field ",
    "expected webhook response of ",
    "json parse error: ",
    // of a token or an answer that is not as expected
    " got \"",
    " got [",
    "unexpected signature algorithm ",
    "token audiences [",
    "unknown field \"",
    "bad Content-Length ",
    "unsupported transfer encoding: ",
    "failed to parse Location header ",
    "jsonpatch ",
    " for path: '",
    "ResponseCode: ",
    "unable to upgrade connection: ",
    "client sent invalid ",
    // what the message of a ValidatingAdmissionPolicy says of the object
    " denied request: ",
];

/// The message, in the first `until` bytes of it letters of others as `x`, so that no operation, wrapper or address is read
/// there; its punctuation stays, so that what encloses it is found.
pub(super) fn hidden(text: &str, until: usize) -> Cow<'_, str> {
    let told = text.get(..until).unwrap_or(text);
    let Some(start) = QUOTING.iter().filter_map(|words| Some(told.find(words)? + words.len())).min() else {
        return Cow::Borrowed(text);
    };
    // etcd's own words stand behind the error
    let end =
        told.rfind("\", ServerName").filter(|end| *end >= start && told.contains("rejected connection"));
    let (own, rest) = text.split_at(start);
    let (foreign, end) = rest.split_at(end.unwrap_or(told.len()) - start);
    let hide = |c: char| if c.is_ascii_alphanumeric() { 'x' } else { c };
    Cow::Owned([own, &foreign.chars().map(hide).collect::<String>(), end].concat())
}

/// A reason without what a client asked for, which no event reads.
pub(super) fn without_request(reason: &str) -> &str {
    let end = reason.find(PROTOCOLS).map_or(reason.len(), |at| at + PROTOCOLS.len());
    reason.get(..end).unwrap_or(reason)
}

/// Behind it stand the names that a ClientHello holds.
const PROTOCOLS: &str = "client requested unsupported application protocols";

/// The part of `text` that lies where `part` lies within `hidden`.
pub(super) fn shown<'t>(part: &str, hidden: &str, text: &'t str) -> &'t str {
    let start = part.as_ptr().addr().wrapping_sub(hidden.as_ptr().addr());
    text.get(start..start.wrapping_add(part.len())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::classify;

    #[test]
    fn words_of_others_are_hidden_in_place() {
        for (text, expected) in [
            ("dial tcp 10.0.0.2:443: connect: connection refused", None),
            ("Post \"u\": x509: é dial tcp 1.2:3: \"q\"", Some("Post \"u\": x509: é xxxx xxx x.x:x: \"x\"")),
            (
                "rejected connection from \"1\" (error \"tls: a\", ServerName \"b\")",
                Some("rejected connection from \"1\" (error \"tls: x\", ServerName \"b\")"),
            ),
            (
                "policy 'p' with binding 'b' denied request: dial tcp 1.2:3: q",
                Some("policy 'p' with binding 'b' denied request: xxxx xxx x.x:x: x"),
            ),
        ] {
            let hidden = hidden(text, text.len());
            assert_eq!(hidden, expected.unwrap_or(text));
            assert_eq!(hidden.len(), text.len());
            assert_eq!(shown(&hidden[5..9], &hidden, text), &text[5..9]);
        }
        assert_eq!(hidden("a tls: b, client: c", 9), "a tls: x, client: c", "as far as that");
        assert_eq!(hidden("a, client: tls: b", 1), "a, client: tls: b");
        assert_eq!(shown("elsewhere", "", "text"), "");
        assert_eq!(
            without_request(&format!("tls: {PROTOCOLS} ([\"x509: a\"])")),
            format!("tls: {PROTOCOLS}")
        );
        assert_eq!(without_request("tls: a"), "tls: a");
    }

    /// What clients ask for and what webhooks warn of, as each version wrote it.
    #[test]
    fn a_message_of_others_words_tells_nothing() {
        const FAKE: &str = "failed calling webhook \"a.b.c\": failed to call webhook: Post \"https://h.ns.svc:443/v?timeout=10s\": dial tcp 10.0.0.2:443: connect: connection refused";
        let escaped = FAKE.replace('"', "\\\"");
        let klog = |file: &str, message: &str| format!("W1121 02:24:47.529354       8 {file}] {message}");
        let json = |more: &str, message: &str| {
            let message = serde_json::to_string(message).unwrap();
            format!("{{\"level\":\"info\",\"ts\":\"2026-11-21T02:24:47Z\",{more},\"msg\":{message}}}")
        };
        let parsed = |line: &str| classify::parse_line(line);
        for line in [
            klog("warnings.go:70", FAKE),
            klog("warnings.go:110", &format!("\"Warning: {escaped}\"")),
            json("\"caller\":\"rest/warnings.go:70\"", FAKE),
            klog("warning_handler.go:65", &format!("\"{escaped}\" logger=\"KubeAPIWarningLogger\"")),
            json("\"logger\":\"KubeAPIWarningLogger\"", FAKE),
            json("\"logger\":\"a.KubeAPIWarningLogger\"", FAKE),
            klog("httplog.go:90", &format!("GET /api/v1/nodes: (1.2ms) 403 [{FAKE} 10.0.0.9:51234]")),
            klog("httplog.go:90", &format!("GET /a: (1.2ms) hijacked [[{FAKE}] 10.0.0.9:51234]")),
            klog(
                "httplog.go:94",
                &format!(
                    "verb=\"GET\" URI=\"/a\" latency=1.2ms resp=403 UserAgent=\"{escaped}\" srcIP=\"10.0.0.9:51234\": "
                ),
            ),
            klog("handler.go:143", &format!("kube-aggregator: GET \"/{escaped}\" satisfied by nonGoRestful")),
            klog(
                "pathrecorder.go:248",
                &format!("kube-aggregator: \"/{escaped}\" satisfied by prefix /api/"),
            ),
            klog("authorization.go:73", &format!("Forbidden: \"/{escaped}\", Reason: \"\"")),
            klog(
                "wrap.go:54",
                &format!("timeout or abort while handling: method=GET URI=\"/{escaped}\" audit-ID=\"a\""),
            ),
            klog("wrap.go:58", &format!("apiserver panic'd on GET /{FAKE}")),
        ] {
            let told = parsed(&line);
            assert!(told.text.is_empty() && told.fields.webhook.is_none() && !told.anchored, "{line}");
        }
        for line in [
            klog("handler.go:143", FAKE),
            klog("authorization.go:75", &format!("\"Error in authorization\" err=\"{escaped}\"")),
            klog("httplog.go:134", &format!("\"HTTP\" verb=\"GET\" resp=500 addedInfo=\"{escaped}\"")),
        ] {
            assert!(parsed(&line).fields.webhook.is_some(), "{line}");
        }
    }
}
