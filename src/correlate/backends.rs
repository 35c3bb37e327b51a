//! How the calls to one address fared, summed up once: thousands of cases ask the same of it.

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use super::World;
use super::endings;
use super::index::FlowTable;
use crate::capture::CaptureIndex;
use crate::flow::Moment;
use crate::ingest::Conversation;
use crate::log::Ending;
use crate::tls::{CipherSuite, ProtocolVersion};

/// What is known of the first [`MAX_COMPARED`] flows to an address.
#[derive(Debug, Default)]
pub(super) struct Backend {
    /// Established.
    pub(super) established: u32,
    /// Refused.
    pub(super) refused: u32,
    /// Established, with a hello or request that was acknowledged and never answered.
    pub(super) silent: u32,
    /// First packet of each that dialled and got no answer at all, and of each that got bytes back.
    pub(super) unanswered: Vec<(CaptureIndex, Moment)>,
    pub(super) answered: Vec<(CaptureIndex, Moment)>,
    /// What the server chose, without repeats.
    pub(super) chosen: BTreeSet<(CipherSuite, ProtocolVersion)>,
}

/// Answers for each address, as they are asked for.
pub(super) struct Backends<'w> {
    world: &'w World,
    table: &'w FlowTable,
    known: HashMap<SocketAddr, Rc<Backend>>,
    ttls: HashMap<(CaptureIndex, IpAddr), BTreeSet<u8>>,
    forwards: HashMap<(CaptureIndex, SocketAddr), bool>,
}

impl<'w> Backends<'w> {
    pub(super) fn new(world: &'w World, table: &'w FlowTable) -> Self {
        Self { world, table, known: HashMap::new(), ttls: HashMap::new(), forwards: HashMap::new() }
    }

    /// What is known of the flows to an address.
    pub(super) fn of(&mut self, address: SocketAddr) -> Rc<Backend> {
        let (world, table) = (self.world, self.table);
        let known = self.known.entry(address).or_insert_with(|| {
            let mut backend = Backend::default();
            let flows = table.of_resp(address).iter().take(MAX_COMPARED);
            flows.for_each(|flow| backend.add(&world.read(*flow)));
            Rc::new(backend)
        });
        Rc::clone(known)
    }

    /// TTLs of a host's packets that are no RST, on any flow to it in this capture.
    pub(super) fn ttls(&mut self, capture: CaptureIndex, host: IpAddr) -> &BTreeSet<u8> {
        let (world, table) = (self.world, self.table);
        self.ttls.entry((capture, host)).or_insert_with(|| {
            let flows = table.of_host(host).take(MAX_COMPARED).map(|f| world.read(f));
            let same = flows.filter(|f| f.capture == capture);
            same.filter_map(|f| f.tcp.as_deref().and_then(|t| t.ttl.resp)).collect()
        })
    }

    /// Whether a capture shows twice what goes to an address: of the flows to it and to the hosts beside it, one that was
    /// established.
    pub(super) fn forwards<I: Iterator<Item = IpAddr>>(
        &mut self,
        capture: CaptureIndex,
        address: SocketAddr,
        hosts: impl FnOnce() -> I,
    ) -> bool {
        let (world, table) = (self.world, self.table);
        let twice = |f: &Conversation| {
            let established = f.tcp.as_deref().is_some_and(|t| t.established.is_some());
            established && f.capture == capture && f.duplicates * 3 >= f.packets.orig + f.packets.resp
        };
        *self.forwards.entry((capture, address)).or_insert_with(|| {
            let mut flows = hosts().flat_map(|ip| table.of_host(ip).take(MAX_COMPARED));
            flows.any(|flow| twice(&world.read(flow)))
        })
    }
}

impl Backend {
    fn add(&mut self, flow: &Conversation) {
        let tcp = flow.tcp.as_deref();
        let established = tcp.is_some_and(|t| t.established.is_some());
        let acked = tcp.is_some_and(|t| t.loss.orig.unacked_bytes == 0);
        let silent = established && acked && flow.bytes.orig > 0 && flow.bytes.resp == 0;
        self.established += u32::from(established);
        self.refused += u32::from(endings::moment(flow, Ending::Refused).is_some());
        self.silent += u32::from(silent);
        let begun = (flow.capture, flow.first);
        if flow.bytes.resp > 0 {
            self.answered.push(begun);
        } else if tcp.is_some_and(|t| t.syn.orig > 0) && flow.packets.resp == 0 && flow.icmp.is_empty() {
            self.unanswered.push(begun);
        }
        let hello = flow.app.session.tls.as_deref().and_then(|t| t.server_hello.as_ref());
        self.chosen.extend(hello.map(|hello| (hello.cipher, hello.version)));
    }
}

/// Flows of one address that are compared with a case's.
pub(super) const MAX_COMPARED: usize = 256;
