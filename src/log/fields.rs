//! The typed fields of an event, and how calls share them.
//!
//! A failure that repeats has the same fields thousands of times, so equal ones stand in memory once, and what differs in
//! the port of this side alone knows that it does. Never reads a message: `grammar` and `classify` fill the fields.

use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use crate::time::{TimeDelta, Timestamp};

/// A URL's parts as a message quotes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Url {
    /// `https` or `http`; [`Url::LOCAL`].
    pub scheme: String,
    /// Host name or address, without brackets.
    pub host: String,
    /// Port, the scheme's default where none stands.
    pub port: u16,
    /// Path without the query.
    pub path: String,
}

impl Url {
    /// Scheme of a UNIX socket, whose path stands for the host.
    pub const LOCAL: &'static str = "unix";

    /// Names no host: what is called listens on a UNIX socket.
    pub fn is_local(&self) -> bool {
        self.scheme == Self::LOCAL
    }

    /// The port need not be told: it is the scheme's default, or there is none.
    pub fn has_usual_port(&self) -> bool {
        self.is_local() || matches!((self.scheme.as_str(), self.port), ("https", 443) | ("http", 80))
    }
}

/// The typed fields of an event; absent where the message does not carry them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct EventFields {
    /// Webhook name (`validate.policy.example.com`).
    pub webhook: Option<String>,
    /// The call failed open (`true`) or closed.
    pub fail_open: Option<bool>,
    /// HTTP method (`Post`, `Get`).
    pub method: Option<String>,
    /// URL called.
    pub url: Option<Url>,
    /// Address dialled, or the far end of a full 4-tuple.
    pub destination: Option<SocketAddr>,
    /// Near end of a full 4-tuple.
    pub source: Option<SocketAddr>,
    /// Deadline of the call (`?timeout=10s`, or a known constant of the component).
    pub deadline: Option<TimeDelta>,
    /// How long the call took, where the message or its trace says so.
    pub duration: Option<TimeDelta>,
    /// When the call began, where a trace says so.
    pub started: Option<Timestamp>,
    /// TLS alert text as Go words it (`handshake failure`).
    pub alert: Option<String>,
    /// The message's own side sent the alert (`local error`), else the peer did.
    pub alert_local: Option<bool>,
    /// x509 error text from `x509: ` on.
    pub x509: Option<String>,
    /// The verifier's clock in an x509 validity error.
    pub x509_current_time: Option<Timestamp>,
    /// `before` or `after`: side of the validity the clock was on.
    pub x509_validity: Option<String>,
    /// `candidate authority certificate` that an unknown-authority error names.
    pub x509_candidate: Option<String>,
    /// Names that the certificate is valid for.
    pub x509_valid_for: Option<String>,
    /// Name or address wanted of it.
    pub x509_wanted: Option<String>,
    /// Name looked up.
    pub dns_name: Option<String>,
    /// DNS server asked.
    pub dns_server: Option<SocketAddr>,
    /// HTTP status that the peer answered with.
    pub http_status: Option<u16>,
    /// APIService (`v1beta1.metrics.k8s.io`).
    pub apiservice: Option<String>,
    /// `namespace/name` of a Service.
    pub service: Option<String>,
    /// Node name.
    pub node: Option<String>,
    /// `namespace/name` of the pod that a probe was of.
    pub probed: Option<String>,
    /// Proxy address.
    pub proxy: Option<String>,
    /// Operation of the network error: `dial`, `read`, `write`, `lookup`.
    pub op: Option<String>,
    /// Status of a gRPC call (`Unavailable`): it shares its connection, and the end of that, with other calls.
    pub grpc_code: Option<String>,
    /// The reason in the message's own words, after all wrappers.
    pub reason: String,
}

impl EventFields {
    /// Bytes of its texts.
    pub(super) fn text_bytes(&self) -> usize {
        let Self {
            webhook,
            fail_open: _,
            method,
            url,
            destination: _,
            source: _,
            deadline: _,
            duration: _,
            started: _,
            alert,
            alert_local: _,
            x509,
            x509_current_time: _,
            x509_validity,
            x509_candidate,
            x509_valid_for,
            x509_wanted,
            dns_name,
            dns_server: _,
            http_status: _,
            apiservice,
            service,
            node,
            probed,
            proxy,
            op,
            grpc_code,
            reason,
        } = self;
        let url = url.as_ref().map_or(0, |url| url.scheme.len() + url.host.len() + url.path.len());
        let of_x509 = [x509, x509_validity, x509_candidate, x509_valid_for, x509_wanted];
        let calls = [webhook, method, alert, dns_name, apiservice, service, op, grpc_code];
        let names = calls.into_iter().chain([node, probed, proxy]);
        let texts = of_x509.into_iter().chain(names).flatten().map(String::len);
        url + reason.len() + texts.sum::<usize>()
    }

    /// The timer whose end the message can tell of: not that of a call whose dial the kernel ended before, with an error
    /// of connect(2) (`dial tcp A: connect: connection timed out`), nor where a ping found the connection dead.
    pub fn timer(&self) -> Option<TimeDelta> {
        if self.reason.contains("TLS handshake timeout") {
            return Some(HANDSHAKE_TIMEOUT);
        }
        let by_another = [": connect: ", ": getsockopt: ", "client connection lost", "keepalive ping failed"];
        self.deadline.filter(|_| !by_another.iter().any(|words| self.reason.contains(words)))
    }
}

/// `TLSHandshakeTimeout` of Go's `http.DefaultTransport` and of `client-go`, from the established connection on.
const HANDSHAKE_TIMEOUT: TimeDelta = TimeDelta::from_secs(10);

/// Fields that calls with the same words share; changing them changes one event's alone.
#[derive(Clone, Debug, Default)]
pub struct SharedFields {
    own: Arc<EventFields>,
    /// Fields that differ in nothing but the port of this side.
    alike: Option<Arc<EventFields>>,
}

impl SharedFields {
    /// The address of the fields, the same for calls that share them; none where no other call does.
    pub fn shared_address(&self) -> Option<usize> {
        (Arc::strong_count(&self.own) > 1).then(|| Arc::as_ptr(&self.own).addr())
    }

    /// The address of fields that differ in nothing but the port of this side, the same for all calls of which that is
    /// so, and this call's port.
    pub fn alike_but_for_port(&self) -> Option<(usize, u16)> {
        Some((Arc::as_ptr(self.alike.as_ref()?).addr(), self.own.source?.port()))
    }

    /// The same of a connection that had another port on this side, where `before` is that of this one.
    #[must_use]
    pub fn with_port(&self, before: u16, now: u16) -> Self {
        let Some(source) = self.own.source.filter(|s| s.port() == before && before != now) else {
            return self.clone();
        };
        let mut own = EventFields::clone(&self.own);
        own.source = Some(SocketAddr::new(source.ip(), now));
        own.reason = own.reason.replace(&format!(":{before}->"), &format!(":{now}->"));
        Self { own: Arc::new(own), alike: Some(self.alike.as_ref().unwrap_or(&self.own).clone()) }
    }
}

impl PartialEq for SharedFields {
    fn eq(&self, other: &Self) -> bool {
        self.own == other.own
    }
}

impl Eq for SharedFields {}

impl From<EventFields> for SharedFields {
    fn from(fields: EventFields) -> Self {
        Self { own: Arc::new(fields), alike: None }
    }
}

impl Deref for SharedFields {
    type Target = EventFields;
    fn deref(&self) -> &EventFields {
        &self.own
    }
}

impl DerefMut for SharedFields {
    fn deref_mut(&mut self) -> &mut EventFields {
        self.alike = None;
        Arc::make_mut(&mut self.own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_timer_is_the_one_that_the_words_tell_of() {
        let five = Some(TimeDelta::from_secs(5));
        for (reason, timer) in [
            ("context deadline exceeded", five),
            ("net/http: TLS handshake timeout", Some(TimeDelta::from_secs(10))),
            ("dial tcp 10.0.0.7:443: connect: connection timed out", None),
            ("http2: client connection lost", None),
        ] {
            let fields = EventFields { deadline: five, reason: reason.to_owned(), ..EventFields::default() };
            assert_eq!(fields.timer(), timer, "{reason}");
        }
    }
}
