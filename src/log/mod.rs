//! Log bytes in, typed events out.
//!
//! Takes the text of logs in any envelope (journal, CRI, docker, klog, zap, audit, …); gives [`LogEvent`]s with typed
//! fields, true times and the lines that say so. Envelopes are recognised from content and peeled recursively.
//! What a message means stands in `rules/events/`, each event with the lines it must match. Knows nothing of packets.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::bundle::{InputReport, SourceIndex};
use crate::time::{TimeDelta, Timestamp};

mod alerts;
mod assemble;
mod block_scan;
mod blocks;
mod body;
mod classify;
mod cloud;
mod collector;
mod csv;
mod cut;
mod definition;
mod denial;
mod dumped;
mod edge;
mod endings;
mod entry;
mod envelope;
mod events;
mod fields;
mod foreign;
mod grammar;
mod group;
mod items;
mod journal;
mod json;
mod keep;
mod memory;
mod merge;
mod needles;
mod nginx;
mod operation;
mod origin;
mod outputs;
mod pods;
mod probe;
mod quick;
mod quote;
mod read;
mod records;
mod said;
mod scan;
mod seam;
mod sequence;
mod stamp;
mod structured;
#[cfg(test)]
mod tests;
mod text;
mod timebase;
mod trace;
mod triggers;
mod twin;
mod version;
mod whole;
mod windows;
mod zone_names;
mod zones;

pub use assemble::read;
pub(crate) use definition::yaml_files;
pub use endings::{Ending, Endings};
pub use events::{EventSet, Message};
pub use fields::{EventFields, SharedFields, Url};
pub use said::said;
pub use text::LineText;
pub(crate) use timebase::{QUARTER, zone_quarters};
pub(crate) use zone_names::offset_name;

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
    /// kubelet → pod (probes, hooks over HTTP).
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
    /// Only an API server writes such words, and a pod wrote them that is none; or a kubelet quotes of a probe what only one
    /// of another namespace's pods or Services gives.
    pub pretends: bool,
    /// An object of kind Event tells it: whoever may write to a namespace may say so there, in any words and of any moment.
    pub of_object: bool,
    /// The server's view of a client (its `source` is the client), else the caller's.
    pub server_side: bool,
    /// How the call can have ended, as its words mean it; likeliest first.
    pub endings: Endings,
    /// Typed fields; calls that failed with the same words share them.
    pub fields: SharedFields,
}

impl LogEvent {
    /// Whoever is named as its writer need not be: what a component's own log says comes before it.
    pub fn is_hearsay(&self) -> bool {
        self.of_object || self.pretends
    }
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
    /// First time; absent where no line has a stamp.
    pub first: Option<Timestamp>,
    /// Last time.
    pub last: Option<Timestamp>,
    /// Year and zone.
    pub base: TimeBase,
    /// Component that wrote most of it, by its path, its source files or its commands.
    pub component: Option<String>,
    /// Host that it names first, else that its path names.
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
    /// Moves all times of some logs, each by what it is to be: their zones turned out to be others. Events keep their places.
    pub fn shift(&mut self, by: &BTreeMap<u32, TimeDelta>) {
        let mut of_source = BTreeMap::new();
        for (log, delta) in by {
            let Some(report) = self.reports.get_mut(*log as usize) else { continue };
            report.first = report.first.map(|t| t + *delta);
            report.last = report.last.map(|t| t + *delta);
            for line in &mut report.unrecognised_lines {
                line.time = line.time.map(|t| t + *delta);
            }
            of_source.extend(report.sources.iter().map(|source| (*source, *delta)));
        }
        for event in self.events.iter_mut().filter(|_| !by.is_empty()) {
            if let Some(delta) = by.get(&event.log) {
                event.time = event.time.map(|t| t + *delta);
                if let Some(started) = event.fields.started {
                    event.fields.started = Some(started + *delta);
                }
            }
            for line in &mut event.lines {
                line.time = line.time.map(|t| t + of_source.get(&line.source).copied().unwrap_or_default());
            }
        }
    }
}
