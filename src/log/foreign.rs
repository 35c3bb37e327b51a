//! Words within a message that its writer quotes and does not vouch for: names in certificates, what a server answered,
//! what a client asked for. Whoever chose them may have written a second failure into them.
//!
//! Takes a message; gives it with those words hidden, at the same places. Never decides which failure it is.

use std::borrow::Cow;

/// Words behind which the message names or quotes what another party sent: nothing that follows says what the writer did.
const QUOTING: [&str; 21] = [
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

    #[test]
    fn words_of_others_are_hidden_in_place() {
        for (text, expected) in [
            ("dial tcp 10.0.0.2:443: connect: connection refused", None),
            ("Post \"u\": x509: é dial tcp 1.2:3: \"q\"", Some("Post \"u\": x509: é xxxx xxx x.x:x: \"x\"")),
            (
                "rejected connection from \"1\" (error \"tls: a\", ServerName \"b\")",
                Some("rejected connection from \"1\" (error \"tls: x\", ServerName \"b\")"),
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
}
