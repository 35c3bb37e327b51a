//! Fields of a TLS session, and of what was spoken instead.

use super::{CaseView, Field};
use crate::flow::{Dir, PerDir};
use crate::rules::expr::{Kind, Value};
use crate::time::Timestamp;
use crate::tls::{Alert, Certificate, ClientCertificate, ClientHello, FirstBytes, Phase, TlsFacts};

fn hello<'a>(view: &CaseView<'a>, read: impl FnOnce(&'a ClientHello) -> Value<'a>) -> Value<'a> {
    view.tls(|t| t.client_hello.as_deref().map_or(Value::Absent, read))
}

/// Every hello offers some: none were read of one that the snap length cut.
fn offered<'a>(count: usize) -> Value<'a> {
    if count == 0 { Value::Unknown } else { (count as u64).into() }
}

/// The first fatal alert, else the only one.
fn telling(tls: &TlsFacts) -> Option<&Alert> {
    let fatal = tls.alerts.iter().find(|a| a.fatal || a.level == Some(2));
    fatal.or(if let [only] = tls.alerts.as_slice() { Some(only) } else { None })
}

fn alert<'a>(view: &CaseView<'a>, read: impl FnOnce(&'a TlsFacts, &'a Alert) -> Value<'a>) -> Value<'a> {
    view.tls(|t| telling(t).map_or(Value::Absent, |a| read(t, a)))
}

fn leaf<'a>(view: &CaseView<'a>, read: impl FnOnce(&'a Certificate) -> Value<'a>) -> Value<'a> {
    view.tls(|t| t.certificates.first().map_or(Value::Absent, |c| read(c)))
}

/// The alternative names of a certificate; where it has more, others are not known.
pub(super) fn names(certificate: &Certificate) -> Value<'_> {
    let beyond = (certificate.sans_beyond > 0).then_some(Value::Unknown);
    certificate.sans.iter().map(Value::from).chain(beyond).collect()
}

/// The end of the first side that spoke something that is not TLS.
fn first_bytes<'a>(view: &CaseView<'a>, dir: Dir) -> Value<'a> {
    view.flow.map_or(Value::Unknown, |f| f.app.session.first_bytes[dir].map(FirstBytes::name).into())
}

/// The moment at which a certificate's validity matters: when the call failed, else the end of the flow.
fn moment(view: &CaseView<'_>) -> Option<Timestamp> {
    view.case.and_then(|c| c.time).or(view.flow.map(|f| f.last.time))
}

/// Whether the leaf names the server name of the hello.
fn names_sni(view: &CaseView<'_>) -> Option<bool> {
    let tls = view.flow?.app.session.tls.as_deref()?;
    let (leaf, hello) = (tls.certificates.first()?, tls.client_hello.as_deref()?);
    let wanted = hello.shape.sni.as_deref()?;
    leaf.names(wanted)
}

/// The last request that was sent and not answered: when its last segment was sent, and when it was acknowledged.
fn request_acked(tls: &TlsFacts) -> Option<bool> {
    let last = tls.bursts.iter().rfind(|b| b.dir == Dir::Orig)?;
    Some(last.acked.is_some())
}

const PHASES: &[&str] = &[
    Phase::NoHello.name(),
    Phase::HelloPartial.name(),
    Phase::HelloUnacked.name(),
    Phase::HelloAcked.name(),
    Phase::ServerFlightPartial.name(),
    Phase::ServerFlightDone.name(),
    Phase::ClientFinished.name(),
    Phase::RequestSent.name(),
    Phase::ResponseBegun.name(),
    Phase::Closed.name(),
];
const SPOKEN: &[&str] =
    &["http_request", "http_response", "http2_preface", "proxy_protocol", "ssh", "text", "binary"];
const SIDES: &[&str] = &["orig", "resp"];
const CLIENT_CERTIFICATE: &[&str] = &["absent", "empty", "sent"];

fn client_certificate(answer: ClientCertificate) -> &'static str {
    match answer {
        ClientCertificate::Absent => "absent",
        ClientCertificate::Empty => "empty",
        ClientCertificate::Sent => "sent",
    }
}

#[rustfmt::skip]
pub(super) const FIELDS: &[Field] = &[
    Field::new("tls", Kind::Flag, "Either side spoke TLS.", "tls", |v| v.tls_shows(|_| true)),
    Field::new("tls.phase", Kind::Step(PHASES), "How far the session had got when the flow or the capture ended.", "tls.phase >= request_sent", |v| v.tls(|t| t.phase.name().into())),
    Field::new("tls.established", Kind::Flag, "The handshake was completed: the client sent its Finished.", "tls.established", |v| v.tls_shows(|t| t.phase >= Phase::ClientFinished || t.client_finished.is_some())),
    Field::new("tls.midstream", Kind::Flag, "The session began before the capture did.", "tls.midstream", |v| v.tls(|t| t.midstream.into())),
    Field::new("tls.history", Kind::Text, "Zeek's `ssl_history`.", "tls.history contains \"C\"", |v| v.tls(|t| (&t.history).into())),
    Field::new("tls.sni", Kind::Text, "Server name in the ClientHello; unknown where the capture cut it off.", "tls.sni matches \"\\.svc$\"", |v| hello(v, |h| match &h.shape.sni { None if h.cut => Value::Unknown, name => name.as_ref().into() })),
    Field::new("tls.alpn", Kind::Text, "Protocols offered in the ClientHello.", "tls.alpn == \"http/1.1\"", |v| hello(v, |h| h.shape.alpn.iter().map(Value::from).collect())),
    Field::new("tls.client_hello", Kind::Flag, "A ClientHello is there.", "tls.client_hello", |v| v.tls_shows(|t| t.client_hello.is_some())),
    Field::new("tls.client_hello.complete", Kind::Flag, "Every byte of the ClientHello was sent.", "!tls.client_hello.complete", |v| hello(v, |h| h.complete.is_some().into())),
    Field::new("tls.client_hello.acked", Kind::Flag, "The server acknowledged the last byte of the ClientHello.", "tls.client_hello.acked", |v| v.tls_shows(|t| t.client_hello.as_ref().is_some_and(|h| h.acked.is_some()))),
    Field::new("tls.client_hello.bytes", Kind::Bytes, "Size of the ClientHello.", "tls.client_hello.bytes > 1400B", |v| hello(v, |h| h.bytes.into())),
    Field::new("tls.client_hello.segments", Kind::Number, "TCP segments that the ClientHello came in.", "tls.client_hello.segments > 1", |v| hello(v, |h| h.segments.into())),
    Field::new("tls.client_hello.largest_segment", Kind::Bytes, "Payload of the largest of them.", "tls.client_hello.largest_segment > 1300B", |v| hello(v, |h| h.largest_segment.into())),
    Field::new("tls.client_hello.versions", Kind::Text, "TLS versions offered.", "tls.client_hello.versions == \"TLS 1.3\"", |v| hello(v, |h| h.shape.versions.iter().map(|x| Value::from(x.name())).collect())),
    Field::new("tls.client_hello.ciphers", Kind::Number, "Cipher suites offered.", "tls.client_hello.ciphers < 5", |v| hello(v, |h| offered(h.shape.ciphers.len()))),
    Field::new("tls.client_hello.after", Kind::Span, "From the completed TCP handshake to the ClientHello.", "tls.client_hello.after > 1s", |v| v.tcp(|_, tcp| hello(v, |h| tcp.established.map(|e| h.at.time - e.time).into()))),
    Field::new("tls.hello_retry", Kind::Flag, "The server asked for another ClientHello (HelloRetryRequest).", "tls.hello_retry", |v| v.tls_shows(|t| t.hello_retry.is_some())),
    Field::new("tls.server_hello", Kind::Flag, "A ServerHello is there.", "tls.server_hello", |v| v.tls_shows(|t| t.server_hello.is_some())),
    Field::new("tls.server_hello.after", Kind::Span, "From the last byte of the ClientHello to the first TLS byte of the server.", "tls.server_hello.after > 5s", |v| v.tls(|t| t.client_hello.as_ref().and_then(|h| h.complete).zip(t.server_first).map(|(a, b)| b.time - a.time).into())),
    Field::new("tls.version", Kind::Text, "Version that the server chose.", "tls.version == \"TLS 1.2\"", |v| v.tls(|t| t.server_hello.as_ref().map(|s| s.version.name()).into())),
    Field::new("tls.cipher", Kind::Text, "Cipher suite that the server chose.", "tls.cipher contains \"RC4\"", |v| v.tls(|t| t.server_hello.as_ref().map(|s| s.cipher.name()).into())),
    Field::new("tls.server_flight_done", Kind::Flag, "The server's flight is complete.", "tls.server_flight_done", |v| v.tls_shows(|t| t.server_flight_done.is_some())),
    Field::new("tls.client_finished", Kind::Flag, "The client sent its Finished.", "tls.client_finished", |v| v.tls_shows(|t| t.client_finished.is_some())),
    Field::new("tls.request", Kind::Flag, "The client sent application data after the handshake.", "tls.request", |v| v.tls_shows(|t| t.request.is_some())),
    Field::new("tls.request.acked", Kind::Flag, "The server acknowledged the last of the client's application data.", "tls.request.acked", |v| v.tls(|t| request_acked(t).into())),
    Field::new("tls.response", Kind::Flag, "The server sent application data after the client's.", "tls.response", |v| v.tls_shows(|t| t.response.is_some())),
    Field::new("tls.orig.bytes", Kind::Bytes, "TLS record bytes of the client.", "tls.orig.bytes > 4KiB", |v| v.tls(|t| t.bytes.orig.into())),
    Field::new("tls.resp.bytes", Kind::Bytes, "TLS record bytes of the server.", "tls.resp.bytes == 0", |v| v.tls(|t| t.bytes.resp.into())),
    Field::new("tls.waits_for", Kind::Word(SIDES), "Which side the session waits for at the end.", "tls.waits_for == resp", |v| v.tls(|t| t.waits_for.map(Dir::name).into())),
    Field::new("tls.alert", Kind::Flag, "An alert that ends the session was seen or inferred.", "tls.alert", |v| v.tls_shows(|t| telling(t).is_some())),
    Field::new("tls.alert.from", Kind::Word(SIDES), "Who sent the alert: the first fatal one, else the only one.", "tls.alert.from == resp", |v| alert(v, |_, a| a.from.name().into())),
    Field::new("tls.alert.code", Kind::Number, "Code of that alert; absent when encrypted and not decrypted.", "tls.alert.code == 40", |v| alert(v, |_, a| a.description.map(|d| d.0).into())),
    Field::new("tls.alert.description", Kind::Text, "Name of that alert in the RFC's spelling; absent when encrypted and not decrypted.", "tls.alert.description == \"handshake_failure\"", |v| alert(v, |_, a| a.description.map(crate::tls::AlertDescription::name).into())),
    Field::new("tls.alert.encrypted", Kind::Flag, "That alert is encrypted and was not decrypted: inferred from the length and place of its record.", "tls.alert.encrypted", |v| alert(v, |_, a| (a.encrypted && !a.decrypted).into())),
    Field::new("tls.decrypted", Kind::Flag, "Records of the session were opened with a key log.", "tls.decrypted", |v| v.tls_shows(|t| t.decrypted.as_ref().is_some_and(|d| d.records != PerDir::default()))),
    Field::new("tls.http.status", Kind::Number, "Status of the last HTTP response inside; absent where nothing was decrypted.", "tls.http.status >= 500", |v| v.tls(|t| t.decrypted.as_ref().and_then(|d| d.last_status).map(|(code, _)| code).into())),
    Field::new("tls.http2.goaway", Kind::Text, "Error of the last HTTP/2 GOAWAY inside.", "tls.http2.goaway == \"ENHANCE_YOUR_CALM\"", |v| v.tls(|t| t.decrypted.as_ref().and_then(|d| d.goaway.as_ref()).map(|g| &g.error).into())),
    Field::new("tls.http2.reset", Kind::Text, "Errors of HTTP/2 streams that were reset inside.", "tls.http2.reset == \"REFUSED_STREAM\"", |v| v.tls(|t| t.decrypted.as_ref().map_or(Value::Absent, |d| d.resets.iter().map(|r| Value::from(&r.error)).collect()))),
    Field::new("tls.alert.fatal", Kind::Flag, "That alert is no ordinary close.", "tls.alert.fatal", |v| v.tls_shows(|t| telling(t).is_some_and(|a| a.fatal || a.level == Some(2)))),
    Field::new("tls.alert.after", Kind::Span, "From the last byte of the ClientHello to that alert.", "tls.alert.after < 10ms", |v| alert(v, |t, a| t.client_hello.as_ref().and_then(|h| h.complete).map(|c| a.at.time - c.time).into())),
    Field::new("tls.certificate_requested", Kind::Flag, "The server asked for a client certificate (seen, or inferred).", "tls.certificate_requested", |v| v.tls_shows(|t| t.certificate_requested.is_some())),
    Field::new("tls.client_certificate", Kind::Word(CLIENT_CERTIFICATE), "The client's answer to that.", "tls.client_certificate == empty", |v| v.tls(|t| t.client_certificate.map(client_certificate).into())),
    Field::new("tls.certificate", Kind::Flag, "The server's certificate is in the clear.", "tls.certificate", |v| v.tls_shows(|t| !t.certificates.is_empty())),
    Field::new("tls.certificate.subject", Kind::Text, "Subject of the server's certificate.", "tls.certificate.subject contains \"CN=kube\"", |v| leaf(v, |c| (&c.subject).into())),
    Field::new("tls.certificate.issuer", Kind::Text, "Issuer of the server's certificate.", "tls.certificate.issuer contains \"ca\"", |v| leaf(v, |c| (&c.issuer).into())),
    Field::new("tls.certificate.sans", Kind::Text, "Names and addresses of the server's certificate.", "tls.certificate.sans contains \"svc\"", |v| leaf(v, names)),
    Field::new("tls.certificate.not_before", Kind::Time, "Its validity begins.", "tls.certificate.not_before", |v| leaf(v, |c| c.not_before.into())),
    Field::new("tls.certificate.not_after", Kind::Time, "Its validity ends.", "tls.certificate.not_after", |v| leaf(v, |c| c.not_after.into())),
    Field::new("tls.certificate.expired", Kind::Flag, "Its validity had ended when the call failed.", "tls.certificate.expired", |v| leaf(v, |c| moment(v).zip(c.not_after).map(|(now, end)| now > end).into())),
    Field::new("tls.certificate.not_yet_valid", Kind::Flag, "Its validity had not begun when the call failed.", "tls.certificate.not_yet_valid", |v| leaf(v, |c| moment(v).zip(c.not_before).map(|(now, begin)| now < begin).into())),
    Field::new("tls.certificate.self_issued", Kind::Flag, "Its subject and issuer are the same name.", "tls.certificate.self_issued", |v| leaf(v, |c| c.self_issued.into())),
    Field::new("tls.certificate.names_sni", Kind::Flag, "One of its names covers the server name of the hello.", "!tls.certificate.names_sni", |v| v.tls(|_| names_sni(v).into())),
    Field::new("tls.connect_status", Kind::Number, "Status of the proxy's answer to CONNECT; 0 while there is none.", "tls.connect_status >= 400", |v| v.tls(|t| t.connect_status.into())),
    Field::new("first_bytes.orig", Kind::Word(SPOKEN), "What the client spoke first that is not TLS.", "first_bytes.orig == http_request", |v| first_bytes(v, Dir::Orig)),
    Field::new("first_bytes.resp", Kind::Word(SPOKEN), "What the server spoke first that is not TLS.", "first_bytes.resp == http_response", |v| first_bytes(v, Dir::Resp)),
    Field::new("http.method", Kind::Text, "Method of the first plain HTTP request.", "http.method == \"CONNECT\"", |v| v.flow.map_or(Value::Unknown, |f| f.app.session.http.as_ref().and_then(|h| h.method.as_ref()).into())),
    Field::new("http.target", Kind::Text, "Target of the first plain HTTP request, its first 256 bytes.", "http.target matches \"^/(livez|readyz|healthz)\"", |v| v.flow.map_or(Value::Unknown, |f| f.app.session.http.as_ref().and_then(|h| h.target.as_ref()).into())),
    Field::new("http.status", Kind::Number, "Status of the first plain HTTP response.", "http.status == 503", |v| v.flow.map_or(Value::Unknown, |f| f.app.session.http.as_ref().and_then(|h| h.status).into())),
    Field::new("http.host", Kind::Text, "Host of the first plain HTTP request.", "http.host == \"proxy:3128\"", |v| v.flow.map_or(Value::Unknown, |f| f.app.session.http.as_ref().and_then(|h| h.host.as_ref()).into())),
];
