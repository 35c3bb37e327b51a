//! Log bytes in, typed events out.
//!
//! Takes the text of logs in any envelope (journal, CRI, docker, klog, zap, audit, …); gives [`LogEvent`]s with typed
//! fields, true times and the lines that say so. Envelopes are recognised from content and peeled recursively.
//! What a message means stands in `rules/events/`, each event with the lines it must match. Knows nothing of packets.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::bundle::{InputReport, SourceIndex};
use crate::time::{TimeDelta, Timestamp};

mod alerts;
mod assemble;
mod block_scan;
mod blocks;
mod classify;
mod collector;
mod definition;
mod edge;
mod endings;
mod entry;
mod envelope;
mod events;
mod grammar;
mod group;
mod journal;
mod json;
mod memory;
mod merge;
mod needles;
mod nginx;
mod operation;
mod origin;
mod quick;
mod quote;
mod read;
mod scan;
mod seam;
mod stamp;
mod structured;
#[cfg(test)]
mod tests;
mod text;
mod timebase;
mod trace;
mod triggers;
mod version;
mod windows;
mod zone_names;
mod zones;

pub use assemble::read;
pub use endings::{Ending, Endings};
pub use events::{EventSet, Message};
pub use text::LineText;

/// Which connection of the control plane a message is about (`edge` of the report).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Edge {
    /// apiserver → admission webhook.
    Webhook,
    /// apiserver → conversion webhook of a CRD.
    ConversionWebhook,
    /// apiserver → aggregated API server.
    AggregatedApi,
    /// apiserver → kubelet (logs, exec, port-forward).
    Kubelet,
    /// apiserver → etcd.
    Etcd,
    /// etcd → etcd.
    EtcdPeer,
    /// apiserver → OIDC issuer.
    Oidc,
    /// apiserver → audit webhook.
    AuditWebhook,
    /// apiserver → authentication or authorization webhook.
    AuthWebhook,
    /// A client (kubelet, controller-manager, scheduler, kubectl, any) → apiserver.
    Apiserver,
    /// kubelet → pod (probes).
    Probe,
    /// konnectivity server or agent.
    Konnectivity,
    /// Any component → HTTP proxy.
    Proxy,
    /// A container runtime (for a kubelet) → image registry.
    Registry,
    /// A component → a runtime or plugin on its own host (CRI, KMS, CSI) over a UNIX socket: no packet shows it.
    LocalSocket,
    /// A webhook or extension server's own view of a client.
    Server,
    /// Not known.
    #[default]
    Other,
}

impl Edge {
    /// Every edge, in order.
    pub const ALL: [Self; 17] = [
        Self::Webhook,
        Self::ConversionWebhook,
        Self::AggregatedApi,
        Self::Kubelet,
        Self::Etcd,
        Self::EtcdPeer,
        Self::Oidc,
        Self::AuditWebhook,
        Self::AuthWebhook,
        Self::Apiserver,
        Self::Probe,
        Self::Konnectivity,
        Self::Proxy,
        Self::Registry,
        Self::LocalSocket,
        Self::Server,
        Self::Other,
    ];

    /// snake_case, as in the output and in rule files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::ConversionWebhook => "conversion_webhook",
            Self::AggregatedApi => "aggregated_api",
            Self::Kubelet => "kubelet",
            Self::Etcd => "etcd",
            Self::EtcdPeer => "etcd_peer",
            Self::Oidc => "oidc",
            Self::AuditWebhook => "audit_webhook",
            Self::AuthWebhook => "auth_webhook",
            Self::Apiserver => "apiserver",
            Self::Probe => "probe",
            Self::Konnectivity => "konnectivity",
            Self::Proxy => "proxy",
            Self::Registry => "registry",
            Self::LocalSocket => "local_socket",
            Self::Server => "server",
            Self::Other => "other",
        }
    }
}

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
    /// The timer whose end the message can tell of: not that of a call whose dial the kernel ended before, with an error
    /// of connect(2) (`dial tcp A: connect: connection timed out`).
    pub fn timer(&self) -> Option<TimeDelta> {
        let by_kernel = [": connect: ", ": getsockopt: "].iter().any(|call| self.reason.contains(call));
        self.deadline.filter(|_| !by_kernel)
    }
}

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
        own.source = Some(std::net::SocketAddr::new(source.ip(), now));
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

impl std::ops::Deref for SharedFields {
    type Target = EventFields;
    fn deref(&self) -> &EventFields {
        &self.own
    }
}

impl std::ops::DerefMut for SharedFields {
    fn deref_mut(&mut self) -> &mut EventFields {
        self.alike = None;
        Arc::make_mut(&mut self.own)
    }
}

/// One line of a log as it stands in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Which file.
    pub source: SourceIndex,
    /// From 1.
    pub number: u64,
    /// Raw, lossy UTF-8, cut at 8 KiB.
    pub text: LineText,
    /// It was cut.
    pub truncated: bool,
    /// Time of this line by its log's clock, as far as the log alone tells.
    pub time: Option<Timestamp>,
}

/// Name of an event in `rules/events/`, for example `connection_refused`.
pub type EventName = Arc<str>;

/// One failure (or denial) that a log tells of: one call, all copies of its message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEvent {
    /// Which event.
    pub name: EventName,
    /// When the message was written, by the clock of the log it came from; zone and year undone.
    pub time: Option<Timestamp>,
    /// Resolution of that time: 1 µs for klog, 1 s for journal `short` around a message without a time of its own.
    pub resolution: TimeDelta,
    /// Which log (place in [`LogReport`]s) gave the time.
    pub log: u32,
    /// The lines: the first is the one that the event was read from, the others are copies or belong to it.
    pub lines: Vec<LogLine>,
    /// Which connection it is about.
    pub edge: Edge,
    /// Component that wrote it: `kube-apiserver`, `kubelet`, `etcd`, `kubectl`, a container's name.
    pub component: Option<Arc<str>>,
    /// Host that wrote it.
    pub host: Option<Arc<str>>,
    /// `namespace/pod` that wrote it, from the path or the envelope.
    pub pod: Option<Arc<str>>,
    /// The server's view of a client (its `source` is the client), else the caller's.
    pub server_side: bool,
    /// How the call can have ended, as its words mean it; likeliest first.
    pub endings: Endings,
    /// Typed fields; calls that failed with the same words share them.
    pub fields: SharedFields,
}

/// How sure the time base of a log is, and what from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimeBase {
    /// Zone as a name or an offset: `UTC`, `America/New_York`, `+02:00`; absent while it is assumed.
    pub zone: Option<String>,
    /// What year and zone were taken from, as a phrase: `CRI stamps`, `--year`, `the captures' span`.
    pub from: String,
    /// Every stamp of the file is absolute (has a year and a zone).
    pub absolute: bool,
    /// The zone is an assumption that the join may correct.
    pub assumed_zone: bool,
    /// How far east of UTC the zone was assumed to be: nothing, or what the container's stamps make of it.
    pub assumed_east: TimeDelta,
}

/// What one log is, for `logs[]` of the report. Rotated files of one container are one log.
#[derive(Clone, Debug)]
pub struct LogReport {
    /// Its files, oldest first.
    pub sources: Vec<SourceIndex>,
    /// Envelopes, outermost first: `journal short / klog`.
    pub format: String,
    /// First and last time.
    pub first: Option<Timestamp>,
    /// Last time.
    pub last: Option<Timestamp>,
    /// Year and zone.
    pub base: TimeBase,
    /// Component, host and pod of the log as a whole.
    pub component: Option<String>,
    /// Host.
    pub host: Option<String>,
    /// Components and the versions that they state when they start.
    pub versions: Vec<(String, String)>,
    /// Lines read.
    pub lines: u64,
    /// Events read.
    pub events: u64,
    /// Lines that look like a transport failure and match no event.
    pub unrecognised: u64,
    /// The first of those, at most 20.
    pub unrecognised_lines: Vec<LogLine>,
}

/// What the user or other inputs say about time and place.
#[derive(Clone, Debug, Default)]
pub struct LogOptions {
    /// `--tz`: zone of stamps without one.
    pub zone: Option<jiff::tz::TimeZone>,
    /// `--year`: year of stamps without one.
    pub year: Option<i32>,
    /// Span of the captures: an anchor for the year.
    pub capture_span: Option<(Timestamp, Timestamp)>,
}

/// Everything that the logs say.
#[derive(Clone, Debug, Default)]
pub struct Logs {
    /// In order of time, then source and line.
    pub events: Vec<LogEvent>,
    /// One for each log.
    pub reports: Vec<LogReport>,
    /// One for each source read.
    pub inputs: Vec<InputReport>,
}

impl Logs {
    /// Moves all times of a log by `delta`: its zone turned out to be another. Events keep their places.
    pub fn shift(&mut self, log: u32, delta: TimeDelta) {
        let mut own = Vec::new();
        if let Some(report) = self.reports.get_mut(log as usize) {
            report.first = report.first.map(|t| t + delta);
            report.last = report.last.map(|t| t + delta);
            for line in &mut report.unrecognised_lines {
                line.time = line.time.map(|t| t + delta);
            }
            own.clone_from(&report.sources);
        }
        for event in &mut self.events {
            if event.log == log {
                event.time = event.time.map(|t| t + delta);
                if let Some(started) = event.fields.started {
                    event.fields.started = Some(started + delta);
                }
            }
            for line in event.lines.iter_mut().filter(|l| own.contains(&l.source)) {
                line.time = line.time.map(|t| t + delta);
            }
        }
    }
}
