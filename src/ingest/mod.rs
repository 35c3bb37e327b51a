//! Captures through capture → packet → flow → tls, in parallel: the driver of the packet side.
//!
//! Takes capture sets; gives finished conversations in a total order, whatever the number of threads. A window is read
//! while the one before is decoded and dealt to a fixed number of shards by flow hash; what crosses flows (fragments,
//! neighbours) is done serially between windows, in frame order. Decides nothing about what the facts mean.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::bundle::{InputReport, Limits, Source, SourceIndex};
use crate::capture::{CaptureIndex, CaptureSet};
use crate::dns::DnsFacts;
use crate::flow::codec::{Codec, Coded, optional};
use crate::flow::{Flow, Moment};
use crate::packet::fragments::Reassembler;
use crate::time::Timestamp;
use crate::tls::SessionFacts;

mod finish;
mod flows;
mod holes;
mod keys;
mod merge;
mod neighbors;
mod observer;
mod opaque;
mod prefix;
pub mod replay;
mod room;
mod run;

pub use flows::{Flows, Record};
pub use run::run;

/// What the payload of a flow turned out to be.
#[derive(Clone, Debug, Default)]
pub struct App {
    /// TLS, HTTP and first bytes of a TCP flow.
    pub session: SessionFacts,
    /// DNS lookups.
    pub dns: Option<Box<DnsFacts>>,
}

impl Coded for App {
    fn code<C: Codec>(&mut self, codec: &mut C) {
        let Self { session, dns } = self;
        session.code(codec);
        optional(dns, codec, |dns, codec| dns.code(codec));
    }

    fn print(&self) -> Option<u32> {
        let random = self.session.tls.as_ref()?.client_random()?;
        random.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
    }
}

/// A finished flow with all its facts.
pub type Conversation = Flow<App>;

/// Place of a conversation in [`Ingested::flows`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowIndex(pub u32);

/// Health and span of one capture, for `captures[]` of the report.
#[derive(Clone, Debug)]
pub struct CaptureReport {
    /// Name, host and files.
    pub set: CaptureSet,
    /// Names of the interfaces of all files, where these say so.
    pub interfaces: BTreeSet<String>,
    /// What they let through, where the files say so.
    pub filters: BTreeSet<String>,
    /// Link types of the frames, by name, in order of first use.
    pub link_types: Vec<String>,
    /// Earliest frame.
    pub first: Option<Timestamp>,
    /// Latest frame.
    pub last: Option<Timestamp>,
    /// From the last frame of a file to the first of the next, where a file between them seems to be missing.
    pub holes: Vec<(Timestamp, Timestamp)>,
    /// Frames.
    pub frames: u64,
    /// Frames that interface or kernel dropped, where the file says so.
    pub drops: Option<u64>,
    /// Frames that the snap length cut.
    pub snaplen_cut: u64,
    /// Packets of IPsec ESP and WireGuard: what is in them is not seen.
    pub encrypted: u64,
    /// Packets that are copies of one seen just before at another capture point.
    pub duplicates: u64,
    /// Segments that acknowledge what the capture never showed.
    pub ack_lost_segments: u64,
    /// Payload bytes that the capture never showed.
    pub gap_bytes: u64,
    /// Frames whose time is before that of the frame before.
    pub backwards: u64,
    /// Share of TCP flows of which one direction only is there, 0 to 1.
    pub one_sided: f64,
    /// Flows finished early for the memory budget.
    pub evicted: u64,
    /// Flows.
    pub flows: u64,
    /// Segments sent again.
    pub retransmissions: u64,
    /// Bytes of flow records that were written to a temporary file for the memory budget.
    pub spilled_bytes: u64,
}

impl CaptureReport {
    /// The first hole that takes away some of this time.
    pub fn hole_in(&self, from: Timestamp, to: Timestamp) -> Option<(Timestamp, Timestamp)> {
        let after = self.holes.partition_point(|(_, end)| *end <= from);
        self.holes.get(after).copied().filter(|(start, _)| *start < to)
    }
}

/// An ARP or ND request for an address, and whether it was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeighborFact {
    /// Which capture.
    pub capture: CaptureIndex,
    /// Address asked for.
    pub address: IpAddr,
    /// Who asked.
    pub asked_by: IpAddr,
    /// First request.
    pub first: Moment,
    /// Last request.
    pub last: Moment,
    /// Requests.
    pub requests: u32,
    /// First answer, from anyone.
    pub answered: Option<Moment>,
}

/// Everything that the captures say.
#[derive(Clone, Debug, Default)]
pub struct Ingested {
    /// One for each capture set, in order.
    pub captures: Vec<CaptureReport>,
    /// By capture, first frame, protocol, originator.
    pub flows: Flows,
    /// Neighbour requests, by capture and first frame.
    pub neighbors: Vec<NeighborFact>,
    /// systemd Journal Export entries that captures hold, for the log side: source and entries.
    pub journals: Vec<(SourceIndex, Vec<Vec<u8>>)>,
    /// One for each file.
    pub inputs: Vec<InputReport>,
}

/// How to read captures.
#[derive(Clone, Debug)]
pub struct IngestOptions {
    /// `--vxlan-port`.
    pub vxlan_ports: Vec<u16>,
    /// `--max-memory` in bytes.
    pub max_memory: u64,
    /// `--from`: frames before it are left out.
    pub from: Option<Timestamp>,
    /// `--to`: frames after it are left out.
    pub to: Option<Timestamp>,
}

impl Default for IngestOptions {
    fn default() -> Self {
        Self { vxlan_ports: Vec::new(), max_memory: 1 << 30, from: None, to: None }
    }
}

/// Puts fragments together within the limit of these sources.
fn reassembler(sources: &[Source]) -> Reassembler {
    let limits = sources.first().map_or_else(Limits::default, |source| *source.limits());
    Reassembler::new(usize::try_from(limits.fragment_bytes).unwrap_or(usize::MAX))
}
