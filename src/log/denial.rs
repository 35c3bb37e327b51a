//! Where a webhook's own words begin: the reason of its denial.
//!
//! Takes the text of a failure; gives the place behind `admission webhook "NAME" denied the request`
//! (`webhook/errors/statuserror.go`). A denial is an answer, and what follows was written by the webhook: it may quote a
//! failure of a call of its own, which tells nothing of the call that it answered. Never reads what it says.

use memchr::memmem;

use super::envelope::{Layer, Peeled};

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

/// The words may go on over the next lines: a line says that a webhook denied, and neither a quote nor an object ends it.
pub(super) fn goes_on(line: &[u8]) -> bool {
    let ended = line.ends_with(b"\"") || line.ends_with(b"}") && !line.starts_with(b"{\"log\":");
    !ended && memmem::find(line, b"denied the request").is_some()
}

/// Whether a line goes on with the words of the denial that `head` begins: in the same envelope, without a logger's header,
/// and not as clients begin what they say.
pub(super) fn quotes(head: &Peeled<'_>, line: &Peeled<'_>) -> bool {
    if end(&head.message).is_none() {
        return false;
    }
    let around = match head.layers.split_last() {
        Some((last, around)) if last.is_logger() => around,
        _ => &head.layers,
    };
    let same = (&head.host, &head.ident, &head.pod) == (&line.host, &line.ident, &line.pod);
    // items of a list of errors, as helm prints it, stand beside each other
    let item = |peeled: &Peeled<'_>| peeled.message.trim_start().starts_with("* ");
    let own = CLIENT.iter().any(|begin| line.message.starts_with(begin)) || end(&line.message).is_some();
    // behind the stamps of `kubectl logs` a word and a colon look like a journal's host and program
    let stamped = matches!((around, &*line.layers), ([Layer::Timestamps], [Layer::Journal(_)]));
    (line.layers == around && same || stamped) && !own && !(item(head) && item(line))
}

/// How kubectl, helm and recorded sessions begin what is theirs.
const CLIENT: [&str; 7] = [
    "Error from server",
    "error: ",
    "Error: ",
    "Unable to connect to the server",
    "The connection to the server ",
    "$ ",
    "# 2",
];

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

    /// What stands before the lines of a denial, and before those of its words.
    const AROUND: [(&str, &str); 5] = [
        ("", ""),
        ("2026-11-21T02:24:47.000000001Z stderr F ", "2026-11-21T02:24:47.000000001Z stderr F "),
        ("Nov 21 02:24:47 ci runner[9]: ", "Nov 21 02:24:47 ci runner[9]: "),
        ("E1121 02:24:47.000001       9 sync.go:7] sync failed: ", ""),
        ("2026-11-21T02:24:47Z E1121 02:24:47.000001       9 sync.go:7] ", "2026-11-21T02:24:47Z "),
    ];

    fn names(text: &str) -> Vec<String> {
        let source = crate::bundle::SourceIndex(0);
        let events = EventSet::builtin();
        let found = crate::log::scan::whole(text.as_bytes(), source, &events);
        let name = |what: &crate::log::read::What| match what {
            crate::log::read::What::Event(known) => events.event(known.event).unwrap().name.to_string(),
            crate::log::read::What::Trace(_) => "trace".to_owned(),
        };
        let mut names: Vec<_> = found.hits.iter().map(|hit| name(&hit.what)).collect();
        names.extend((0..found.unrecognised).map(|_| "unrecognised".to_owned()));
        names
    }

    /// kubectl prints the words of a webhook as they are, over several lines.
    #[test]
    fn what_a_denial_quotes_on_later_lines_is_no_failure_of_its_own() {
        let head = "Error from server (Forbidden): error when creating \"x.yaml\": admission webhook \"v.example.com\" denied the request: ";
        let other = "Error from server (InternalError): Internal error occurred: failed calling webhook \"w.example.com\": failed to call webhook: Post \"https://w.ns.svc:443/x?timeout=5s\": dial tcp 10.0.0.1:443: connect: connection refused";
        for (first, next) in AROUND {
            for quoted in QUOTED {
                let denial =
                    format!("{first}{head}\n{next}\n{next}  policy p:\n{next}  {quoted}\n{next}{quoted}\n");
                assert_eq!(names(&denial), ["webhook_denied"], "{denial}");
                let twice = format!("{denial}{denial}{next}{other}\n");
                assert_eq!(
                    names(&twice),
                    ["webhook_denied", "webhook_denied", "connection_refused"],
                    "{twice}"
                );
            }
        }
        let journal = "Nov 21 02:24:47 ci";
        let others = format!("{journal} runner[9]: {head}\n{journal} kubelet[1]: {other}\n");
        assert_eq!(names(&others), ["webhook_denied", "connection_refused"], "of another program");
        let list = format!("* {}\n* Internal error occurred: {}\n", &head[61..], &other[60..]);
        assert_eq!(names(&list), ["webhook_denied", "connection_refused"], "{list}");
        let denials = format!("{}\n", &head[61..]).repeat(3);
        assert_eq!(names(&denials), ["webhook_denied"; 3], "{denials}");
        let klog = format!("{head}\nW1121 02:24:47.000001       9 d.go:7] {other}\n");
        assert_eq!(names(&klog), ["webhook_denied", "connection_refused"], "a line of its own");
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
