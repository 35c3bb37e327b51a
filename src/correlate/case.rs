//! What a case is: one failed call, the flows that carried it, why they were matched, and the facts that rules see.
//!
//! Types alone; `join`, `cases`, `coverage` and `facts` fill them. Every assumption is a value in them.

use std::borrow::Cow;
use std::sync::Arc;

use super::Inventoried;
use crate::flow::Dir;
use crate::ingest::FlowIndex;
use crate::log::Edge;
use crate::time::{TimeDelta, Timestamp};

/// What joined an event and a flow, strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// The message carries the full 4-tuple (through NAT where needed).
    Tuple,
    /// ClientHello random across vantage points.
    ClientHelloRandom,
    /// SNI equals the URL's host.
    Sni,
    /// The destination, through the address map.
    NatMap,
    /// The destination, learnt from other flows of the same backend.
    Learnt,
    /// The name looked up.
    DnsName,
    /// Time and deadline alone.
    Time,
    /// No log line: the flow speaks for itself.
    Wire,
}

impl Key {
    /// snake_case, as in the output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tuple => "tuple",
            Self::ClientHelloRandom => "client_hello_random",
            Self::Sni => "sni",
            Self::NatMap => "nat_map",
            Self::Learnt => "learnt_destination",
            Self::DnsName => "dns_name",
            Self::Time => "time",
            Self::Wire => "wire",
        }
    }
}

/// Why these flows belong to this event.
#[derive(Clone, Debug, PartialEq)]
pub struct Matching {
    /// Strongest key that holds.
    pub key: Key,
    /// 0 to 1: strength of the key times fit of time and phase.
    pub score: f64,
    /// Log time minus the time of the packet that ended the call, clocks corrected; where such a packet is known.
    pub offset: Option<TimeDelta>,
    /// Near candidates that lost, best first, at most 8.
    pub alternatives: Vec<FlowIndex>,
    /// The cluster's objects know the call's target and their nodes, and neither end of the connection is of them: anybody
    /// may name a host in a ClientHello.
    pub elsewhere: bool,
    /// The clocks of the line's log and of the captures were brought together by one line and one packet, so that the time
    /// of that line speaks for no packet.
    pub one_pair: bool,
    /// A connection that no such call has fits nearly as well, and something else may have come of it: it ended otherwise, or
    /// is another host's where nothing tells which host wrote the line. Or the match lies far from the line.
    pub doubted: bool,
    /// In words: key, window and what tipped it.
    pub why: String,
}

/// What a flow is to a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Carried the call (the first of them is the one that facts are about).
    Attempt,
    /// The same connection at another vantage point, or the other half of a translation.
    View,
    /// A parallel attempt of the same call.
    Sibling,
    /// The DNS lookup of the call.
    Lookup,
}

/// A flow of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CaseFlow {
    /// Which.
    pub flow: FlowIndex,
    /// What it is to the case.
    pub role: Role,
}

/// What the call was to reach.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// Webhook or APIService name.
    pub webhook: Option<String>,
    /// Host of the URL, with the port where it is not the scheme's default.
    pub url_host: Option<String>,
    /// Address in the message.
    pub address: Option<String>,
    /// Address on the wire.
    pub backend: Option<String>,
    /// `namespace/name`.
    pub service: Option<String>,
    /// `namespace/name`.
    pub pod: Option<String>,
    /// Subject of the certificate that the case is.
    pub certificate: Option<String>,
}

/// What is missing for a sure verdict.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Missing {
    /// `time_span`, `place`, `address`, `both_directions`, `no_drops`, `flow`, `outcome`: the words of a rule's `needs`.
    pub what: &'static str,
    /// One sentence.
    pub detail: Cow<'static, str>,
    /// A `tcpdump` (or other) command that would get it next time; the case's needs share it.
    pub command: Option<Arc<str>>,
}

/// What the captures could have shown of a case; `None` is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// A capture spans the window of the attempt.
    pub time_span: Option<bool>,
    /// A capture was taken where the packets pass.
    pub place: Option<bool>,
    /// The capture shows other packets of this address or port, so that no filter hides them.
    pub address: Option<bool>,
    /// Replies of this peer, or of others at that place, are in the capture.
    pub both_directions: Option<bool>,
    /// No drops in it.
    pub no_drops: Option<bool>,
    /// What is missing, in words.
    pub missing: Vec<Missing>,
}

/// What is known of one packet sequence across vantage points.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Views {
    /// Vantage points that show the connection.
    pub count: u32,
    /// A vantage point nearer to the responder shows the originator's SYN.
    pub syn_at_far: Option<bool>,
    /// A vantage point nearer to the responder shows a SYN-ACK.
    pub synack_at_far: Option<bool>,
    /// The vantage point nearest to the originator shows a SYN-ACK.
    pub synack_at_near: Option<bool>,
    /// A far vantage point covers time and address and shows nothing of the connection.
    pub absent_at_far: Option<bool>,
    /// The reset is seen near the originator and not near the responder.
    pub reset_only_near: Option<bool>,
    /// A vantage point nearer to the server forwards other packets there, and did not forward those of the connection.
    pub stops_at_far: Option<bool>,
    /// The vantage point nearest to the originator is the node of the pod called, and passed the packets on to it.
    pub reached: Option<bool>,
}

/// How other calls to the same place fared meanwhile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Neighbours {
    /// Endpoints that the address map knows for the Service; absent where no map covers it.
    pub endpoints: Option<u32>,
    /// Ready endpoints among them.
    pub endpoints_ready: Option<u32>,
    /// The Service exists in the objects; absent where there are no objects.
    pub service_exists: Option<bool>,
    /// Other endpoints of the Service that answered with a TLS handshake or data: by objects or host state, or where those
    /// tell of none, such as served this caller under its name.
    pub other_endpoints_ok: u32,
    /// Connections to the same backend (address and port) that were established.
    pub backend_established: u32,
    /// Connections to the same backend that were refused.
    pub backend_refused: u32,
    /// Connections to the same backend begun before this one that were established, whose whole hello or request was
    /// acknowledged, and that got no byte back.
    pub backend_silent: u32,
    /// Payload of the largest segment that this caller sent again in vain to the same backend, on other connections where
    /// what it sent behind that was reported as received; absent where there are none.
    pub backend_passed_over: Option<u32>,
    /// Connections to the same backend begun after this one, before the call had ended, that got a SYN-ACK.
    pub backend_taken_later: u32,
    /// Connections to the same backend begun after this one whose SYNs nobody answered, and after which none got a
    /// SYN-ACK: the caller's own, and such as were dialled more than once by who was served at another time.
    pub backend_unanswered_later: u32,
    /// Connections to the same backend begun after this one that got bytes back.
    pub backend_answered_later: u32,
    /// TTLs of the backend's packets that are no RST, on any flow, without repeats, ascending.
    pub backend_ttls: Vec<u8>,
    /// A server at this address chose cipher, version and group with other clients, and none of those is offered here.
    pub server_choice_missing: Option<bool>,
    /// The backend is a node's (or other host's) own address; `false` for a pod's.
    pub backend_is_node: Option<bool>,
}

/// What dumps of host state say of a call, each in words with its file. They are of the moment they were taken at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostState {
    /// Something listens on the address and port called.
    pub listens: Option<bool>,
    /// Recv-Q and Send-Q of the listener: connections that wait to be accepted, and how many may.
    pub accept_queue: Option<(u32, u32)>,
    /// The listener.
    pub listener: Option<String>,
    /// The table that shows no listener.
    pub no_listener: Option<String>,
    /// Counters of full accept queues that are not zero.
    pub queue_drops: Option<String>,
    /// The entry of the destination or its next hop in the caller's neighbour table, if nobody answers.
    pub neighbor_failed: Dumped,
    /// The caller's route to the destination, if it is one that rejects.
    pub no_route: Dumped,
    /// The entry of the connection in a connection table, if no packet came back.
    pub unreplied: Dumped,
    /// The entry of the connection to a Service's own address, if it was not translated.
    pub untranslated: Dumped,
}

/// Whether a dump shows something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Dumped {
    /// No dump covers it.
    #[default]
    Unknown,
    /// A dump covers it and shows no such thing.
    No,
    /// What the dump shows, in words.
    Yes(String),
}

impl Dumped {
    pub(super) fn of(found: Option<String>) -> Self {
        found.map_or(Self::No, Self::Yes)
    }
}

/// Facts about a case that are not facts of one flow; absent is unknown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CaseFacts {
    /// Deadline of the call.
    pub deadline: Option<TimeDelta>,
    /// Start of the attempt on the wire.
    pub attempt_start: Option<Timestamp>,
    /// From the start of the attempt to the log line (or to the end of the flow).
    pub elapsed: Option<TimeDelta>,
    /// From the last step forward (SYN, hello, request) until the caller gave up, the peer spoke, or the capture ended.
    pub silence: Option<TimeDelta>,
    /// Who is silent.
    pub silent: Option<Dir>,
    /// The capture ends before the caller gave up.
    pub capture_ends_first: Option<bool>,
    /// Of the deadline when the last step forward was made: deadline minus what had been spent, and at most what the
    /// caller then waited until the line was written.
    pub deadline_left: Option<TimeDelta>,
    /// Request sent to first response byte, where there is one (after the deadline too).
    pub response_after: Option<TimeDelta>,
    /// The call's own request is on the wire; later calls on the connection do not count.
    pub requested: Option<bool>,
    /// The server acknowledged the request of this call.
    pub request_acked: Option<bool>,
    /// The responder closed or reset the connection before the originator gave up, which it does at the latest when the log
    /// line is written.
    pub ended_by_peer: Option<bool>,
    /// The connection carried other requests before this one.
    pub reused_connection: Option<bool>,
    /// Idle time of the connection before the request of this call.
    pub idle_before: Option<TimeDelta>,
    /// The destination in the message is a ClusterIP and appears untranslated on the wire.
    pub cluster_ip_on_wire: Option<bool>,
    /// Unanswered neighbour (ARP or ND) requests for the destination or its next hop in the window.
    pub neighbor_unanswered: Option<u32>,
    /// Across vantage points.
    pub views: Views,
    /// Other calls.
    pub neighbours: Neighbours,
    /// Dumped state of the hosts, where any is dumped.
    pub hosts: Option<Box<HostState>>,
    /// A server log's own words on the same connection.
    pub server_says: Option<String>,
    /// A caBundle of the bundle that does not verify the certificate on the wire: what and why.
    pub ca_bundle_mismatch: Option<String>,
    /// The issuer is of another name than what that caBundle holds, and its own certificate is not there.
    pub issuer_missing: Option<bool>,
    /// Many calls to many targets failed alike in the same second: how many targets.
    pub concurrent_targets: u32,
}

/// One failing call (or one flow that failed without a log line).
#[derive(Clone, Debug)]
pub struct Case {
    /// Place in [`crate::log::Logs::events`]; none where only the wire tells.
    pub event: Option<u32>,
    /// Other events about the same call (a server's own view), shown as its lines.
    pub echoes: Vec<u32>,
    /// Its flows: attempts first.
    pub flows: Vec<CaseFlow>,
    /// Why they belong to the event.
    pub matching: Option<Matching>,
    /// When it failed: the log line's true time, else the end of the flow.
    pub time: Option<Timestamp>,
    /// Window of the attempt's start, reference clock.
    pub window: Option<(Timestamp, Timestamp)>,
    /// What it was to reach.
    pub target: Target,
    /// Which connection of the control plane it is.
    pub edge: Edge,
    /// What the captures could have shown.
    pub coverage: Coverage,
    /// Facts beyond those of the flow.
    pub facts: CaseFacts,
    /// The certificate that the case is, or that the server of the call showed or is to show.
    pub certificate: Option<Arc<Inventoried>>,
}

impl Case {
    /// The case is a certificate itself, and no call.
    pub fn is_certificate(&self) -> bool {
        self.certificate.is_some() && self.event.is_none() && self.flows.is_empty()
    }

    /// The flow that facts are about.
    pub fn attempt(&self) -> Option<FlowIndex> {
        self.flows.iter().find(|f| f.role == Role::Attempt).map(|f| f.flow)
    }

    /// The DNS lookup of the call, the first of them.
    pub fn lookup(&self) -> Option<FlowIndex> {
        self.flows.iter().find(|f| f.role == Role::Lookup).map(|f| f.flow)
    }
}
