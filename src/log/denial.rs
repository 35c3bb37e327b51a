//! Where a webhook's own words begin: the reason of its denial.
//!
//! Takes the text of a failure; gives the place behind `admission webhook "NAME" denied the request`
//! (`webhook/errors/statuserror.go`). A denial is an answer, and what follows was written by the webhook: it may quote a
//! failure of a call of its own, which tells nothing of the call that it answered. Never reads what it says.

/// Bytes up to the end of the words that say that a webhook denied, if they come before those of a call that failed.
pub(super) fn end(text: &str) -> Option<usize> {
    const MARKER: &str = "\" denied the request";
    let at = text.find(MARKER)?;
    let before = text.get(..at)?;
    // the quotes may be escaped, where the text is quoted itself
    let (lead, name) = before.trim_end_matches('\\').rsplit_once('"')?;
    let webhook = lead.trim_end_matches('\\').ends_with("webhook ");
    // the body of an answer that a failed call quotes belongs to that call
    (webhook && !name.contains(' ') && !before.contains("failed calling ")).then_some(at + MARKER.len())
}

/// The webhook's words behind them, up to where the status that holds them goes on.
pub(super) fn reason(text: &str, end: usize) -> &str {
    let words = text.get(end..).unwrap_or_default().trim_start_matches(": ");
    words.split("\", Reason:").next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{EventSet, classify, envelope, memory::Memory};

    /// What a webhook may say of its own calls.
    const QUOTED: [&str; 8] = [
        "image x: Get https://ghcr.io/v2/: dial tcp: lookup ghcr.io on 10.96.0.10:53: read udp 10.0.0.7:4000->10.96.0.10:53: i/o timeout",
        "Get https://ghcr.io/v2/: x509: certificate signed by unknown authority",
        "upstream: context deadline exceeded",
        "dial tcp 10.0.0.1:443: connect: connection refused",
        "etcdserver: request timed out",
        "Internal error occurred: failed calling webhook: no endpoints available for service",
        "proxyconnect tcp: EOF",
        "remote error: tls: bad certificate",
    ];

    #[test]
    fn what_a_denial_quotes_is_no_failure_of_its_own() {
        let events = EventSet::builtin();
        for quoted in QUOTED {
            let denial = format!("admission webhook \"v.example.com\" denied the request: {quoted}");
            let escaped = denial.replace('"', "\\\"");
            let status = format!(
                "&errors.StatusError{{ErrStatus:v1.Status{{Status:\"Failure\", Message:\"{escaped}\", Reason:\"\", Code:403}}}}"
            );
            let json = serde_json::to_string(&denial).unwrap();
            for line in [
                format!(
                    "W1121 02:24:47.529354       8 dispatcher.go:225] rejected by webhook \"v.example.com\": {status}"
                ),
                format!(
                    "2026-11-21T02:24:45.699082123Z stderr F W1121 02:24:47.529354       8 dispatcher.go:225] rejected by webhook \"v.example.com\": {status}"
                ),
                format!("error: failed to create deployment: {denial}"),
                format!("Error from server (Forbidden): error when creating \"x.yaml\": {denial}"),
                format!(
                    "Nov 21 02:24:47 cp-1 kube-controller-manager[9]: E1121 02:24:47.529354       9 replica_set.go:560] \"Unhandled Error\" err=\"sync \\\"a/b\\\" failed with {escaped}\" logger=\"UnhandledError\""
                ),
                format!("{{\"ts\":1795227887529.354,\"msg\":\"Reconciler error\",\"err\":{json}}}"),
                format!(
                    "{{\"kind\":\"Event\",\"stageTimestamp\":\"2026-11-21T02:24:47.5Z\",\"apiVersion\":\"audit.k8s.io/v1\",\"auditID\":\"a\",\"stage\":\"ResponseComplete\",\"responseStatus\":{{\"message\":{json}}}}}"
                ),
            ] {
                let told = classify::classify(&envelope::peel(&line), &events, &mut Memory::default());
                let classify::Told::Event(known) = told else { panic!("{told:?} of {line}") };
                assert_eq!(&*events.event(known.event).unwrap().name, "webhook_denied", "{line}");
                assert_eq!(known.fields.webhook.as_deref(), Some("v.example.com"), "{line}");
                assert_eq!(known.fields.reason, quoted, "{line}");
                assert_eq!(known.edge.name(), "webhook", "{line}");
                assert!(known.fields.url.is_none() && known.fields.destination.is_none(), "{line}");
                assert!(known.copy.is_none() || !line.contains("dispatcher.go"), "{line}");
            }
        }
    }

    #[test]
    fn a_failed_call_may_quote_a_denial() {
        for text in [
            "failed calling webhook \"a\": failed to call webhook: an error on the server (\"admission webhook \"b\" denied the request\")",
            "the proxy \" denied the request",
            "webhook \"two words\" denied the request",
        ] {
            assert_eq!(end(text), None, "{text}");
        }
        let text = "admission webhook \"b\" denied the request without explanation";
        assert_eq!(end(text).map(|n| reason(text, n)), Some("without explanation"));
    }
}
