//! Connections between real Go and OpenSSL peers, recorded by `samples/lab/record.sh`: each failure of a handshake, and
//! what the packets show of it.

use std::path::Path;

use wirecause::bundle::{self, Limits};
use wirecause::flow::Dir::{Orig, Resp};
use wirecause::ingest::{self, IngestOptions};
use wirecause::tls::ClientCertificate::{self, Empty, Sent};
use wirecause::tls::{Confidence, FirstBytes, Phase, SessionFacts, TlsFacts};

fn session(name: &str) -> SessionFacts {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/tls").join(format!("{name}.pcap"));
    let bundle = bundle::discover(&[path], &Limits::default()).expect("the sample is there");
    let flows = ingest::run(&bundle.sources, &IngestOptions::default()).flows;
    assert_eq!(flows.len(), 1, "{name} is one connection");
    flows.iter().next().expect("a flow").app.session
}

fn tls(name: &str) -> TlsFacts {
    *session(name).tls.unwrap_or_else(|| panic!("{name} speaks TLS"))
}

#[test]
fn each_failure_is_told_by_phase_alert_and_certificate() {
    type Row =
        (&'static str, Phase, Option<ClientCertificate>, &'static [(wirecause::flow::Dir, Option<u8>)]);
    let rows: &[Row] = &[
        // Name, phase, client certificate, fatal alerts as sender and code (absent where it is encrypted).
        ("go-ok-tls13", Phase::Closed, None, &[]),
        ("go-ok-tls12", Phase::Closed, None, &[]),
        ("go-ok-mutual-tls13", Phase::Closed, Some(Sent), &[]),
        ("go-ok-mutual-tls12", Phase::Closed, Some(Sent), &[]),
        ("go-hello-retry", Phase::Closed, None, &[]),
        ("go-unknown-ca-tls13", Phase::ServerFlightDone, None, &[(Orig, None)]),
        ("go-expired-server-tls13", Phase::ServerFlightDone, None, &[(Orig, None)]),
        ("go-wrong-name-tls13", Phase::ServerFlightDone, None, &[(Orig, None)]),
        ("go-unknown-ca-tls12", Phase::ServerFlightDone, None, &[(Orig, Some(42))]),
        ("go-no-client-cert-tls13", Phase::RequestSent, Some(Empty), &[(Resp, None)]),
        ("go-no-client-cert-tls12", Phase::ClientFinished, Some(Empty), &[(Resp, Some(40))]),
        ("go-bad-client-cert-tls13", Phase::RequestSent, Some(Sent), &[(Resp, None)]),
        ("go-bad-client-cert-tls12", Phase::ClientFinished, Some(Sent), &[(Resp, Some(48))]),
        ("go-expired-client-cert-tls13", Phase::RequestSent, Some(Sent), &[(Resp, None)]),
        ("go-version-mismatch", Phase::HelloAcked, None, &[(Resp, Some(70))]),
        ("go-alpn-mismatch", Phase::HelloAcked, None, &[(Resp, Some(120))]),
        ("go-no-common-cipher", Phase::HelloAcked, None, &[(Resp, Some(40))]),
        ("go-no-serving-cert", Phase::HelloAcked, None, &[(Resp, Some(80))]),
        ("go-plain-http-server", Phase::HelloAcked, None, &[]),
        ("go-silent-server", Phase::HelloAcked, None, &[]),
        ("go-close-after-hello", Phase::HelloAcked, None, &[]),
        ("go-reset-after-hello", Phase::HelloAcked, None, &[]),
        ("go-close-on-accept", Phase::HelloUnacked, None, &[]),
        ("go-slow-handler", Phase::ResponseBegun, None, &[]),
        ("go-close-instead-of-response", Phase::RequestSent, None, &[]),
        ("openssl-ok-tls13", Phase::Closed, None, &[]),
        ("openssl-ok-mutual-tls13", Phase::Closed, Some(Sent), &[]),
        ("openssl-unknown-ca-tls13", Phase::ServerFlightDone, None, &[(Orig, Some(48))]),
        ("openssl-unknown-ca-tls12", Phase::ServerFlightDone, None, &[(Orig, Some(48))]),
        ("openssl-wrong-name-tls13", Phase::ServerFlightDone, None, &[(Orig, Some(42))]),
        ("openssl-bad-client-cert-tls13", Phase::RequestSent, Some(Sent), &[(Resp, None)]),
        ("openssl-no-client-cert-tls13", Phase::ClientFinished, Some(Empty), &[(Resp, None)]),
        ("openssl-version-mismatch", Phase::HelloAcked, None, &[(Resp, Some(70))]),
        ("mixed-go-client", Phase::Closed, None, &[]),
        ("mixed-go-server", Phase::Closed, None, &[]),
    ];
    for (name, phase, certificate, alerts) in rows {
        let facts = tls(name);
        assert_eq!(facts.phase, *phase, "{name}");
        assert_eq!(facts.client_certificate, *certificate, "{name}");
        assert_eq!(facts.certificate_requested.is_some(), certificate.is_some(), "{name}");
        let fatal: Vec<_> =
            facts.alerts.iter().filter(|a| a.fatal).map(|a| (a.from, a.description.map(|d| d.0))).collect();
        assert_eq!(fatal, *alerts, "{name}");
        assert!(facts.alerts.iter().all(|a| a.confidence >= Confidence::Medium), "{name}");
    }
}

#[test]
fn what_tells_the_cause_is_there() {
    assert_eq!(session("go-plain-http-server").first_bytes.resp, Some(FirstBytes::HttpResponse));
    assert!(tls("go-hello-retry").hello_retry.is_some());
    let expired = tls("go-unknown-ca-tls12");
    assert_eq!(expired.certificates.first().map(|c| c.issuer.as_str()), Some("CN=lab-ca"));
    assert_eq!(
        expired.certificates.first().map(|c| c.sans.clone()),
        Some(vec!["webhook.shop.svc".to_owned()])
    );
    let mutual = tls("go-ok-mutual-tls12");
    assert_eq!(mutual.client_certificates.first().map(|c| c.subject.as_str()), Some("CN=system:apiserver"));
}

#[test]
fn an_unanswered_request_stands_at_the_end_of_the_bursts() {
    let facts = tls("go-second-request-unanswered");
    let dirs: Vec<_> = facts.bursts.iter().take(3).map(|b| b.dir).collect();
    assert_eq!(dirs, [Orig, Resp, Orig]);
    let (request, answer) = (facts.bursts[2], facts.bursts.get(3));
    assert!(request.acked.is_some());
    // The handler answers when the client has gone: 0.6 s after a request that was given 0.3 s.
    assert!(answer.is_none_or(|a| (a.first.time - request.last.time).as_secs_f64() > 0.5));
}

#[test]
fn the_late_answer_of_a_slow_handler_follows_the_clients_close() {
    let facts = tls("go-slow-handler");
    let gave_up = facts.alerts.iter().find(|a| a.from == Orig).expect("the client closes");
    assert!(facts.response.expect("it comes late") > gave_up.at);
}
