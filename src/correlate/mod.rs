//! Flows, events and the address map in, cases out: the only place where logs and packets meet.
//!
//! A [`Case`] is one failing call with the flows that carried it, why they were matched, what the capture could have
//! shown, and the facts that rules see ([`CaseFacts`]). Every assumption (clock, zone, key, window) is a value in it.
//! Never says what a fault is: that is for `rules`.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::bundle::Bundle;
use crate::cluster::ClusterMap;
use crate::ingest::{Conversation, FlowIndex, Ingested};
use crate::log::{Edge, LogEvent, Logs};
use crate::time::{TimeDelta, Timestamp};

mod anomalies;
mod askers;
mod backends;
mod callers;
mod candidates;
mod case;
mod cases;
mod certificates;
mod clock;
mod clocks;
mod contrary;
mod coverage;
mod crowd;
mod dialers;
mod dumps;
mod endings;
mod facts;
mod fit;
mod goal;
mod hosts;
mod index;
mod inventory;
mod issuers;
mod join;
mod link;
mod lists;
mod lookups;
mod named;
mod probes;
mod questions;
mod requests;
mod sources;
mod spanning;
mod steps;
mod strangers;
mod trust;
mod tuples;
mod wire;
mod witness;

#[cfg(test)]
mod made;
#[cfg(test)]
mod tests;

pub use case::{
    Case, CaseFacts, CaseFlow, Coverage, Dumped, HostState, Key, Matching, Missing, Neighbours, Role, Target,
    Views,
};
pub use inventory::{
    Authority, Beyond, CertificateRole, Found, FoundIn, Inventoried, Shown, inventory, written_certificates,
};
pub use join::correlate;

/// All that was read, before anything is joined.
#[derive(Debug, Default)]
pub struct World {
    /// Sources.
    pub bundle: Bundle,
    /// The packet side.
    pub wire: Ingested,
    /// The log side.
    pub logs: Logs,
    /// Objects and host state.
    pub cluster: ClusterMap,
}

impl World {
    /// The conversation at `index`, unpacked for good: for those of cases.
    pub fn flow(&self, index: FlowIndex) -> &Conversation {
        self.wire.flows.at(index)
    }

    /// The conversation at `index`, unpacked for a moment: for those that no case holds.
    pub fn read(&self, index: FlowIndex) -> Conversation {
        self.wire.flows.read(index).unwrap_or_default()
    }

    /// The event of a case, if a log tells of it.
    pub fn event(&self, case: &Case) -> Option<&LogEvent> {
        case.event.map(|n| &self.logs.events[n as usize])
    }
}

/// How far a clock is ahead of the reference, and what says so.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClockModel {
    /// Seconds ahead of the reference (positive: its stamps are late); absent where too little is known.
    pub offset: Option<TimeDelta>,
    /// Where it runs fast or slow: how fast, and when `offset` holds.
    pub drift: Option<Drift>,
    /// Median absolute deviation of the pairs.
    pub residual: Option<TimeDelta>,
    /// Pairs that support it.
    pub pairs: u32,
    /// In words: the reference, or why it was refused.
    pub why: String,
}

/// A clock that gains on the reference, or loses.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Drift {
    /// Seconds gained a second.
    pub rate: f64,
    /// When the offset of the model holds.
    pub at: Timestamp,
}

impl ClockModel {
    /// One line and one packet make it, at times so far apart that nothing else speaks for it.
    pub(crate) fn is_of_one_pair(&self) -> bool {
        let apart = self.offset.is_some_and(|by| by.abs() > candidates::CLOSE_BY);
        apart && self.residual.is_none() && self.pairs <= 1
    }

    /// How far ahead it is when it shows `time`.
    pub fn ahead_at(&self, time: Timestamp) -> Option<TimeDelta> {
        clock::Ahead::of(self).map(|ahead| time - ahead.undo(time))
    }
}

/// A fact about the input that is no call's fault: loss that healed, duplicates, cut packets, drops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anomaly {
    /// snake_case name, for example `retransmissions`.
    pub kind: &'static str,
    /// Capture or log it is about.
    pub place: String,
    /// How many.
    pub count: u64,
    /// One sentence with numbers.
    pub text: String,
}

/// What the join gives.
#[derive(Debug, Default)]
pub struct Correlated {
    /// In order of time, then event, then flow.
    pub cases: Vec<Case>,
    /// One for each capture of [`Ingested::captures`].
    pub capture_clocks: Vec<ClockModel>,
    /// One for each log of [`Logs::reports`].
    pub log_clocks: Vec<ClockModel>,
    /// Other half or other view of a flow: (flow, counterpart, why).
    pub counterparts: Vec<(FlowIndex, FlowIndex, &'static str)>,
    /// Not a fault.
    pub anomalies: Vec<Anomaly>,
    /// Every certificate of the bundle, by subject and digest.
    pub certificates: Vec<Arc<Inventoried>>,
}

/// Flows that are one connection: other views of it, or the other half of a translation, with what links them.
pub fn counterparts(world: &World) -> Vec<(FlowIndex, FlowIndex, &'static str)> {
    link::Connections::new(world, None).pairs()
}

/// What the user restricts the join to.
#[derive(Clone, Debug)]
pub struct JoinOptions {
    /// `--target`: a name or address that target or flow must carry.
    pub target: Option<String>,
    /// `--edge`.
    pub edge: Option<Edge>,
    /// `--from` and `--to`, on the time of a case.
    pub span: (Option<Timestamp>, Option<Timestamp>),
    /// `--expiry-warning`: how long before its end a certificate is a case.
    pub expiry_warning: TimeDelta,
}

impl Default for JoinOptions {
    fn default() -> Self {
        Self {
            target: None,
            edge: None,
            span: (None, None),
            expiry_warning: TimeDelta::from_secs(30 * 86_400),
        }
    }
}

/// Both ends of a flow.
pub type Ends = (SocketAddr, SocketAddr);
