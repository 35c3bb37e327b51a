//! How the calls to one address fared, summed up once: thousands of cases ask the same of it.

use std::cell::OnceCell;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use super::clocks::Clocks;
use super::endings;
use super::goal::Goal;
use super::index::FlowTable;
use super::questions::Questions;
use super::{Key, World};
use crate::bundle::InputReport;
use crate::capture::CaptureIndex;
use crate::flow::{Dir, Moment, Scratch};
use crate::ingest::Conversation;
use crate::log::Ending;
use crate::time::Timestamp;
use crate::tls::{CipherSuite, ProtocolVersion};

/// What is known of the flows to an address, on the reference clock.
#[derive(Debug, Default)]
pub(super) struct Backend {
    /// Established.
    pub(super) established: Spans,
    /// Refused.
    pub(super) refused: Spans,
    /// Established, with a whole hello or request that was acknowledged and never answered.
    pub(super) silent: Spans,
    /// Those of which a segment never passed that those behind it did, by who dialled.
    pub(super) passed_over: HashMap<IpAddr, PassedOver>,
    /// Those that got bytes back, from the first byte to the last.
    pub(super) answered: Spans,
    /// Start of each that dialled and got no answer at all, by who dialled.
    pub(super) unanswered: Unanswered,
    /// Start of each whose SYN was answered by a SYN-ACK, and of each that got bytes back.
    pub(super) taken: Starts,
    pub(super) answered_begun: Starts,
    /// What the server chose, without repeats.
    pub(super) chosen: BTreeSet<(CipherSuite, ProtocolVersion)>,
}

/// When something went on, again and again: counted by search, for an address may have a million flows and as many
/// cases.
#[derive(Debug, Default)]
pub(super) struct Spans {
    from: Vec<Timestamp>,
    to: Vec<Timestamp>,
}

impl Spans {
    fn add(&mut self, from: Timestamp, to: Timestamp) {
        self.from.push(from);
        self.to.push(to.max(from));
    }

    fn sort(&mut self) {
        self.from.sort_unstable();
        self.to.sort_unstable();
    }

    /// How many of them lie in a time, in part at least.
    pub(super) fn within(&self, (from, to): (Timestamp, Timestamp)) -> u32 {
        let begun = self.from.partition_point(|t| *t <= to);
        let over = self.to.partition_point(|t| *t < from);
        (begun - over.min(begun)) as u32
    }
}

/// Connections of which the responder reported data as received behind a segment that was sent again in vain.
#[derive(Debug, Default)]
pub(super) struct PassedOver {
    pub(super) spans: Spans,
    /// The largest payload of such a segment, in bytes.
    pub(super) largest: u32,
}

/// Starts of flows, in order of capture and time.
#[derive(Debug, Default)]
pub(super) struct Starts(Vec<(CaptureIndex, Timestamp)>);

impl Starts {
    /// How many flows of a capture began after the first of these times and not after the second.
    pub(super) fn begun_within(&self, capture: CaptureIndex, (after, to): (Timestamp, Timestamp)) -> u32 {
        self.place(capture, to).saturating_sub(self.place(capture, after)) as u32
    }

    /// When the last flow of a capture began that did so after the first of these times and not after the second.
    pub(super) fn last_within(
        &self,
        capture: CaptureIndex,
        (after, to): (Timestamp, Timestamp),
    ) -> Option<Timestamp> {
        let last = self.place(capture, to).checked_sub(1).map(|n| self.0[n]);
        last.filter(|(of, time)| *of == capture && *time > after).map(|(_, time)| time)
    }

    fn place(&self, capture: CaptureIndex, time: Timestamp) -> usize {
        self.0.partition_point(|start| *start <= (capture, time))
    }
}

/// Dials that got no answer at all.
#[derive(Debug, Default)]
pub(super) struct Unanswered {
    /// By originator.
    dials: HashMap<IpAddr, Dials>,
    /// Originators whose SYN was answered at another time: the way is open to them.
    pub(super) served: BTreeSet<IpAddr>,
    /// The repeated ones of those.
    repeated: Starts,
}

/// Starts of one originator's dials: of all, and of those whose SYN was sent again.
#[derive(Debug, Default)]
struct Dials {
    all: Starts,
    repeated: Starts,
}

impl Unanswered {
    fn add(&mut self, orig: IpAddr, syns: u32, begun: (CaptureIndex, Timestamp)) {
        let dials = self.dials.entry(orig).or_default();
        dials.all.0.push(begun);
        if syns > 1 {
            dials.repeated.0.push(begun);
        }
    }

    fn sort(&mut self) {
        for (orig, dials) in &mut self.dials {
            dials.all.0.sort_unstable();
            dials.repeated.0.sort_unstable();
            if self.served.contains(orig) {
                self.repeated.0.extend(&dials.repeated.0);
            }
        }
        self.repeated.0.sort_unstable();
    }

    /// How many began as [`Starts::begun_within`] asks and say something to `orig`: its own, and what others that were
    /// served at another time sent more than once. Anybody can send a SYN that a filter drops.
    pub(super) fn begun_within(
        &self,
        orig: IpAddr,
        capture: CaptureIndex,
        span: (Timestamp, Timestamp),
    ) -> u32 {
        let count = |starts: &Starts| starts.begun_within(capture, span);
        let (own, twice) = self.dials.get(&orig).map_or((0, 0), |d| (count(&d.all), count(&d.repeated)));
        let twice = if self.served.contains(&orig) { twice } else { 0 };
        own + count(&self.repeated) - twice
    }
}

/// Where packets of a goal go to.
#[derive(Debug, Default)]
pub(super) struct Destinations<'w> {
    /// The backends, and the nodes that they are on.
    pub(super) ips: BTreeSet<IpAddr>,
    /// Names of those nodes.
    pub(super) nodes: BTreeSet<&'w str>,
}

/// What a capture shows of the way to a host.
#[derive(Debug, Default)]
struct Way {
    originators: BTreeSet<IpAddr>,
    is_beside: bool,
}

/// Addresses with what is known of them.
type Answering = Rc<[(SocketAddr, Rc<Backend>)]>;

/// Answers for each address, as they are asked for.
pub(super) struct Backends<'w> {
    world: &'w World,
    table: &'w FlowTable,
    clocks: &'w Clocks,
    known: HashMap<SocketAddr, Rc<Backend>>,
    ttls: HashMap<(CaptureIndex, IpAddr), BTreeSet<u8>>,
    forwards: HashMap<(CaptureIndex, SocketAddr), bool>,
    ways: HashMap<(CaptureIndex, IpAddr), Way>,
    /// For each capture, whether some of it could not be read.
    lossy: OnceCell<Vec<bool>>,
    /// For each responder, captures and originators of its flows, and when these began.
    began: HashMap<SocketAddr, BTreeSet<(CaptureIndex, SocketAddr, Timestamp)>>,
    endpoints: HashMap<(String, String), Rc<Endpoints>>,
    /// Of each goal the endpoints that got bytes back, and the hosts that its packets go to.
    answering: HashMap<u32, Answering>,
    hosts: HashMap<u32, Rc<Destinations<'w>>>,
    pub(super) questions: Questions<'w>,
}

/// Endpoints of a Service, and how many of them are ready.
#[derive(Default)]
pub(super) struct Endpoints {
    pub(super) all: HashSet<SocketAddr>,
    pub(super) ready: u32,
}

impl<'w> Backends<'w> {
    pub(super) fn new(world: &'w World, table: &'w FlowTable, clocks: &'w Clocks) -> Self {
        Self {
            world,
            table,
            clocks,
            known: HashMap::new(),
            ttls: HashMap::new(),
            forwards: HashMap::new(),
            ways: HashMap::new(),
            lossy: OnceCell::new(),
            began: HashMap::new(),
            endpoints: HashMap::new(),
            answering: HashMap::new(),
            hosts: HashMap::new(),
            questions: Questions::new(world, clocks),
        }
    }

    /// What is known of the flows to an address.
    pub(super) fn of(&mut self, address: SocketAddr) -> Rc<Backend> {
        let (world, table, clocks) = (self.world, self.table, self.clocks);
        let known = self.known.entry(address).or_insert_with(|| {
            let mut backend = Backend::default();
            let (flows, mut scratch) = (table.of_resp(address), Scratch::default());
            let apart = flows.len().div_ceil(MAX_KNOWN).max(1);
            world.wire.flows.each_of(flows.iter().copied().step_by(apart), |record| {
                if record.is_lone_syn() {
                    let (brief, capture) = (record.brief(), record.capture());
                    let begun = (capture, clocks.of_capture(capture, brief.first().time));
                    backend.unanswered.add(brief.endpoint(Dir::Orig).ip(), 1, begun);
                } else {
                    backend.add(record.open_into(&mut scratch), clocks);
                }
            });
            backend.sort();
            Rc::new(backend)
        });
        Rc::clone(known)
    }

    /// What objects list of a Service.
    pub(super) fn endpoints(&mut self, service: &(String, String)) -> Rc<Endpoints> {
        if let Some(known) = self.endpoints.get(service) {
            return Rc::clone(known);
        }
        let ends = self.world.cluster.endpoints_of(&service.0, &service.1);
        let ready: HashSet<_> = ends.iter().filter(|e| e.ready).map(|e| e.address).collect();
        let all = ends.iter().map(|e| e.address).collect();
        let endpoints = Rc::new(Endpoints { all, ready: ready.len() as u32 });
        self.endpoints.insert(service.clone(), Rc::clone(&endpoints));
        endpoints
    }

    /// The endpoints of a goal that got bytes back at any time, up to [`MAX_ANSWERING`]. What names alone lead to counts
    /// where nothing tells of endpoints.
    pub(super) fn answering(&mut self, number: u32, goal: &Goal) -> Answering {
        if let Some(known) = self.answering.get(&number) {
            return Rc::clone(known);
        }
        let meant = if goal.virtual_only() { Key::Learnt } else { Key::NatMap };
        let of_key = goal.backends.iter().filter(|(_, key)| **key == meant).map(|(b, _)| b);
        let all = of_key.filter(|b| !goal.virtual_addresses.contains(b)).map(|b| (*b, self.of(*b)));
        let found: Answering = all.filter(|(_, b)| !b.answered.from.is_empty()).take(MAX_ANSWERING).collect();
        self.answering.insert(number, Rc::clone(&found));
        found
    }

    /// The hosts that packets of a goal go to: its backends, and the nodes that they are on.
    pub(super) fn hosts(&mut self, number: u32, goal: &Goal) -> Rc<Destinations<'w>> {
        let map = &self.world.cluster;
        let found = self.hosts.entry(number).or_insert_with(|| {
            let nodes: BTreeSet<&str> = goal.backends.keys().filter_map(|b| map.node_of(*b)).collect();
            let of_nodes = nodes.iter().filter_map(|n| map.node(n)).flat_map(|n| n.ips.iter().copied());
            let ips = goal.backends.keys().map(SocketAddr::ip).chain(of_nodes).collect();
            Rc::new(Destinations { ips, nodes })
        });
        Rc::clone(found)
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

    /// Whether a capture is at a host: its packets have the TTLs that hosts send, and those of several come in.
    pub(super) fn is_beside(&mut self, capture: CaptureIndex, host: IpAddr) -> bool {
        self.way(capture, host).is_beside
    }

    /// Whether the packets from one host to another pass a capture: it shows other connections of both, or is at the second.
    pub(super) fn is_on_way(&mut self, capture: CaptureIndex, orig: IpAddr, resp: IpAddr) -> bool {
        let way = self.way(capture, resp);
        way.is_beside || way.originators.contains(&orig)
    }

    /// Whether some of a capture could not be read: frames cut within their headers, a file that ends early.
    pub(super) fn is_lossy(&self, capture: CaptureIndex) -> bool {
        let wire = &self.world.wire;
        let lossy = self.lossy.get_or_init(|| {
            let cut =
                |input: &InputReport| input.problems.iter().any(|w| w.loss || w.name == "cut_in_header");
            let inputs = wire.inputs.iter().filter(|input| cut(input));
            let sources: HashSet<_> = inputs.map(|input| input.source).collect();
            wire.captures.iter().map(|c| c.set.files.iter().any(|file| sources.contains(file))).collect()
        });
        lossy.get(usize::from(capture.0)).copied().unwrap_or(false)
    }

    /// Whether a capture may show a flow between the same ends that began from `from` to `to`, be it linked with this one
    /// or not: a firewall may write sequence numbers anew, and a snap length cut what links them.
    pub(super) fn may_show(
        &mut self,
        capture: CaptureIndex,
        flow: &Conversation,
        (from, to): (Timestamp, Timestamp),
    ) -> bool {
        let (world, table, clocks) = (self.world, self.table, self.clocks);
        let flows = table.of_resp(flow.resp);
        if flows.len() > MAX_BEGAN {
            return true;
        }
        let began = self.began.entry(flow.resp).or_insert_with(|| {
            let mut began = BTreeSet::new();
            world.wire.flows.each_of(flows.iter().copied(), |record| {
                let (brief, capture) = (record.brief(), record.capture());
                let at = clocks.of_capture(capture, brief.first().time);
                began.insert((capture, brief.endpoint(Dir::Orig), at));
            });
            began
        });
        began.range((capture, flow.orig, from)..=(capture, flow.orig, to)).next().is_some()
    }

    fn way(&mut self, capture: CaptureIndex, host: IpAddr) -> &Way {
        let (world, table) = (self.world, self.table);
        self.ways.entry((capture, host)).or_insert_with(|| {
            let (mut way, mut as_sent, mut routed) = (Way::default(), false, false);
            let flows = table.of_host(host).take(MAX_COMPARED).map(|f| world.read(f));
            for flow in flows.filter(|f| f.capture == capture) {
                let ttl = |dir| flow.tcp.as_deref().and_then(|t| t.ttl[dir]);
                let is_first = |ttl: u8| INITIAL_TTLS.contains(&ttl);
                way.originators.insert(flow.orig.ip());
                as_sent |= ttl(Dir::Resp).is_some_and(is_first);
                routed |= ttl(Dir::Orig).is_some_and(|ttl| !is_first(ttl));
            }
            way.is_beside = as_sent && (routed || way.originators.len() > 1);
            way
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
    fn add(&mut self, flow: &Conversation, clocks: &Clocks) {
        let tcp = flow.tcp.as_deref();
        let time = |m: Moment| clocks.of_capture(flow.capture, m.time);
        let (first, last) = (time(flow.first), time(flow.last));
        let established = tcp.is_some_and(|t| t.established.is_some());
        // What the other side acknowledged unseen, or sent unseen, was no silence.
        let heard = tcp.is_some_and(|t| t.loss.orig.unacked_bytes == 0 && t.loss.resp.gap_bytes == 0);
        if established {
            self.established.add(first, last);
        }
        if established && heard && asked(flow) && flow.bytes.resp == 0 {
            self.silent.add(first, last);
        }
        if let Some(largest) = passed_over(flow) {
            let over = self.passed_over.entry(flow.orig.ip()).or_default();
            over.spans.add(first, last);
            over.largest = over.largest.max(largest);
        }
        if let Some(at) = endings::moment(flow, Ending::Refused) {
            let at = clocks.of_capture(flow.capture, at);
            self.refused.add(at, at);
        }
        let begun = (flow.capture, first);
        if tcp.is_some_and(|t| !t.synack_times.is_empty()) {
            self.taken.0.push(begun);
            self.unanswered.served.insert(flow.orig.ip());
        }
        if flow.bytes.resp > 0 {
            let spoke = tcp.and_then(|t| t.first_payload.resp.zip(t.last_payload.resp));
            let (from, to) = spoke.map_or((first, last), |(from, to)| (time(from), time(to)));
            self.answered.add(from, to);
            self.answered_begun.0.push(begun);
        } else if let Some(tcp) = tcp.filter(|t| t.syn.orig > 0)
            && endings::is_silent(flow)
            && flow.icmp.is_empty()
        {
            self.unanswered.add(flow.orig.ip(), tcp.syn.orig, begun);
        }
        let hello = flow.app.session.tls.as_deref().and_then(|t| t.server_hello.as_ref());
        self.chosen.extend(hello.map(|hello| (hello.cipher, hello.version)));
    }

    /// Brings what was added into order.
    fn sort(&mut self) {
        for spans in [&mut self.established, &mut self.refused, &mut self.silent, &mut self.answered] {
            spans.sort();
        }
        self.passed_over.values_mut().for_each(|over| over.spans.sort());
        self.unanswered.sort();
        self.taken.0.sort_unstable();
        self.answered_begun.0.sort_unstable();
    }
}

/// Payload of the largest segment that the originator sent again in vain, where the responder reported what was sent
/// behind it as received.
pub(super) fn passed_over(flow: &Conversation) -> Option<u32> {
    let tcp = flow.tcp.as_deref()?;
    let lost = &tcp.loss.orig;
    let behind = lost.sacked_bytes > 0 || lost.duplicate_acks > 0;
    (lost.segments > 1 && lost.unacked_bytes > 0 && behind).then_some(lost.largest_bytes)
}

/// Whether something was asked to which a server answers: a part of a hello, or any byte, leaves it waiting. Where the snap
/// length hides what was said, its length tells.
fn asked(flow: &Conversation) -> bool {
    let session = &flow.app.session;
    let hello = session.tls.as_deref().and_then(|t| t.client_hello.as_ref());
    let hidden = hello.is_none() && flow.truncated && flow.bytes.orig >= LEAST_HELLO;
    hidden
        || hello.is_some_and(|h| h.complete.is_some() || h.cut)
        || session.http.as_ref().is_some_and(|h| h.request.is_some())
}

/// A record with a ClientHello that names one cipher suite and no extension has so many bytes (RFC 8446 §4.1.2).
const LEAST_HELLO: u64 = 50;

/// Flows of one address that say how it did otherwise; of more, as many that lie evenly apart.
const MAX_KNOWN: usize = 4_096;

/// Flows to one responder whose beginnings are looked at.
const MAX_BEGAN: usize = 1 << 16;

/// Backends of one goal that answered others and are looked at for each of its cases.
const MAX_ANSWERING: usize = 1_024;

/// TTLs that operating systems send with.
pub(super) const INITIAL_TTLS: [u8; 3] = [64, 128, 255];

/// Flows of one address whose TTLs are compared with a case's.
pub(super) const MAX_COMPARED: usize = 256;
