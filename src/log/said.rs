//! What a line says to people, who read over its envelopes.
//!
//! Takes one line; gives its message, with the error that a structured entry holds beside it. Never cuts it.

use super::envelope;

/// The message in a raw line, without the envelopes around it.
pub fn said(line: &str) -> String {
    let peeled = envelope::peel(line);
    let message = peeled.message.trim();
    let error = peeled.values.iter().find(|(key, _)| matches!(key.as_str(), "err" | "error"));
    match (message, error) {
        // An audit event without a message of its own says what it says in its keys.
        ("", _) => line.trim().to_owned(),
        (message, Some((_, error))) => format!("{message}: {error}"),
        (message, None) => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_out_of_their_envelopes() {
        for (line, message) in [
            (
                "Nov 21 02:24:47 cp-1 kube-apiserver[2]: W1121 02:24:47.529354 1 a.go:1] Failed calling x: EOF",
                "Failed calling x: EOF",
            ),
            (
                "2026-11-21T02:26:32.1Z stderr F 2026/11/21 02:26:32 http: TLS handshake error",
                "http: TLS handshake error",
            ),
            (
                r#"{"log":"W1121 02:24:47.529354 1 a.go:1] said \"x\"\n","stream":"stderr","time":"2026-11-21T02:24:47Z"}"#,
                "said \"x\"",
            ),
            (
                r#"{"ts":1795227887529.354,"v":0,"msg":"Failed calling x","err":"EOF"}"#,
                "Failed calling x: EOF",
            ),
            (
                r#"2026-11-21T02:26:32.1Z stderr F {"level":"warn","ts":"2026-11-21T02:26:32.1Z","msg":"rejected","error":"EOF"}"#,
                "rejected: EOF",
            ),
            (
                "2026-11-21T02:26:32.1Z stderr F 2026/11/21 02:26:32 [error] 7#7: *5 recv() failed",
                "recv() failed",
            ),
            ("2026/11/21 02:26:32 [emerg] 7#7: bind() failed", "bind() failed"),
            ("as it stands [x] y", "as it stands [x] y"),
        ] {
            assert_eq!(said(line), message);
        }
    }
}
