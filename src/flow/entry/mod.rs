//! A flow while it may go on: counters of every protocol, and the TCP timeline.

use super::ages::Age;
use super::copies::Copies;
use super::key::FlowKey;
use super::listener::{App, Listener};
use super::tcp::{Connection, SHOWN_LATE, Segment};
use super::{Dir, FrameRef, IcmpError, Moment, Observer, Part, Payload, PerDir, Proto};
use crate::capture::Window;
use crate::packet::tcp_flag::{ACK, RST, SYN};
use crate::packet::{Packet, note, protocol};

mod ending;

/// What is kept of a live flow.
pub(super) struct Entry<O: Observer> {
    pub(super) hash: u32,
    pub(super) key: FlowKey,
    /// The frame that opened the record.
    pub(super) opened: FrameRef,
    /// First and last packet of its own; while there is none, those that ICMP errors quote.
    pub(super) first: Moment,
    pub(super) last: Moment,
    packets: PerDir<u32>,
    bytes: PerDir<u64>,
    duplicates: u32,
    /// Frame in which Wireshark begins its stream.
    stream_frame: Option<FrameRef>,
    truncated: bool,
    midstream: bool,
    pub(super) evicted: bool,
    /// Another epoch has the same endpoints.
    pub(super) shares_tuple: bool,
    transport: Transport,
    icmp: Vec<IcmpError>,
    stray_icmp: Vec<IcmpError>,
    parts: Vec<Part>,
    app: App<O>,
}

#[expect(
    clippy::large_enum_variant,
    reason = "most flows are TCP, and an entry is used again once its flow has ended"
)]
enum Transport {
    Tcp(Connection),
    Datagrams(Copies),
}

/// A packet with what is known of it before its flow is.
#[derive(Clone, Copy)]
pub(super) struct Arrival<'w> {
    pub(super) packet: &'w Packet,
    pub(super) window: &'w Window,
    pub(super) at: Moment,
    /// Key with the sender first.
    pub(super) key: FlowKey,
    /// [`FlowKey::hash`].
    pub(super) hash: u32,
}

impl<O: Observer> Entry<O> {
    /// Room for a flow: to be opened.
    pub(super) fn blank() -> Self {
        Self {
            hash: 0,
            key: FlowKey::default(),
            opened: FrameRef::default(),
            first: Moment::default(),
            last: Moment::default(),
            packets: PerDir::default(),
            bytes: PerDir::default(),
            duplicates: 0,
            stream_frame: None,
            truncated: false,
            midstream: false,
            evicted: false,
            shares_tuple: false,
            transport: Transport::Tcp(Connection::default()),
            icmp: Vec::new(),
            stray_icmp: Vec::new(),
            parts: Vec::new(),
            app: App::Open(O::Flow::default()),
        }
    }

    /// Becomes the flow that begins with a packet of its own, whatever it was before.
    pub(super) fn open(&mut self, arrival: &Arrival<'_>) {
        self.begin(arrival, comes_from_responder(arrival.packet, &arrival.key));
        self.midstream = arrival.packet.protocol == protocol::TCP && !arrival.packet.has(SYN);
    }

    /// Becomes the flow that an ICMP error quotes and nothing else shows.
    pub(super) fn open_quoted(&mut self, arrival: &Arrival<'_>) {
        self.begin(arrival, false);
    }

    /// Forgets the flow it was; what that held on the heap is used again.
    fn begin(&mut self, arrival: &Arrival<'_>, flipped: bool) {
        self.hash = arrival.hash;
        self.key = if flipped { arrival.key.reversed() } else { arrival.key };
        self.opened = arrival.at.frame;
        (self.first, self.last) = (arrival.at, arrival.at);
        self.packets = PerDir::default();
        self.bytes = PerDir::default();
        self.duplicates = 0;
        self.stream_frame = None;
        (self.truncated, self.midstream) = (false, false);
        (self.evicted, self.shares_tuple) = (false, false);
        self.icmp.clear();
        self.stray_icmp.clear();
        self.parts.clear();
        self.app = App::Open(O::Flow::default());
        match (self.key.proto(), &mut self.transport) {
            (Proto::Tcp, Transport::Tcp(connection)) => connection.begin(flipped),
            (Proto::Tcp, other) => {
                *other = Transport::Tcp(Connection::default());
                self.begin(arrival, flipped);
            }
            (_, other) => *other = Transport::Datagrams(Copies::default()),
        }
    }

    /// Whether a TCP segment of this flow's endpoints begins another epoch.
    pub(super) fn is_other_epoch(&self, dir: Dir, flags: u16, seq: u32) -> bool {
        match &self.transport {
            Transport::Tcp(connection) => connection.is_other_epoch(dir, flags, seq),
            Transport::Datagrams(_) => false,
        }
    }

    /// It is not the first epoch on its endpoints.
    pub(super) fn reuse_ports(&mut self) {
        self.shares_tuple = true;
        if let Transport::Tcp(connection) = &mut self.transport {
            connection.reuse_ports();
        }
    }

    /// Takes in a packet that `dir` sent. `several_files`: the shares of the files are kept.
    pub(super) fn packet(&mut self, arrival: &Arrival<'_>, dir: Dir, several_files: bool, observer: &mut O) {
        let dir = self.orient(arrival.packet, dir, observer);
        self.count(arrival, dir, several_files);
        let copy = match &mut self.transport {
            Transport::Tcp(connection) => {
                self.stream_frame.get_or_insert(arrival.at.frame);
                if arrival.packet.noted(note::CUT_HEADER) {
                    return;
                }
                let segment = Segment {
                    dir,
                    at: arrival.at,
                    packet: arrival.packet,
                    window: arrival.window,
                    ports: self.key.ports(),
                };
                let copy = connection.segment(&segment, &mut Listener::of(observer, &mut self.app));
                if arrival.packet.has(SYN) {
                    // The start is there, behind what came of it.
                    self.midstream &= arrival.at.time - self.first.time > SHOWN_LATE;
                    if !self.icmp.is_empty() {
                        self.part_with_strays();
                    }
                }
                copy
            }
            Transport::Datagrams(copies) => {
                let copy = copies.is_copy(arrival.packet, arrival.at.time, true);
                if !copy {
                    datagram(arrival, dir, self.key.ports(), &mut Listener::of(observer, &mut self.app));
                }
                copy
            }
        };
        self.duplicates = self.duplicates.saturating_add(u32::from(copy));
    }

    /// Turns the flow round where the packet shows that its sides were taken wrongly.
    fn orient(&mut self, packet: &Packet, dir: Dir, observer: &mut O) -> Dir {
        let quoted_only = self.is_quoted_only();
        let Transport::Tcp(connection) = &mut self.transport else { return dir };
        if !packet.has(SYN) || !connection.is_inverted(dir, packet) || quoted_only {
            return dir;
        }
        connection.swap();
        self.key = self.key.reversed();
        self.packets = self.packets.reversed();
        self.bytes = self.bytes.reversed();
        for error in self.icmp.iter_mut().chain(&mut self.stray_icmp) {
            error.quotes = error.quotes.other();
        }
        if let App::Open(app) = &mut self.app {
            observer.swap(app);
        }
        dir.other()
    }

    fn count(&mut self, arrival: &Arrival<'_>, dir: Dir, several_files: bool) {
        if self.is_quoted_only() {
            (self.first, self.last) = (arrival.at, arrival.at);
        }
        self.first.time = self.first.time.min(arrival.at.time);
        self.last = Moment { frame: arrival.at.frame, time: self.last.time.max(arrival.at.time) };
        self.packets[dir] = self.packets[dir].saturating_add(1);
        self.bytes[dir] = self.bytes[dir].saturating_add(u64::from(arrival.packet.payload_length));
        self.truncated |= arrival.packet.noted(note::CUT);
        if several_files {
            let tcp = matches!(self.transport, Transport::Tcp(_));
            self.share(arrival.at.frame, tcp, false);
        }
    }

    /// Takes in an ICMP error that quotes a packet of `dir`; `quote` holds the quoted TCP flags where it shows them.
    pub(super) fn icmp(&mut self, error: IcmpError, quote: Option<u16>, several_files: bool) {
        if self.is_quoted_only() {
            self.last = error.at;
        }
        self.icmp.extend(Some(error).filter(IcmpError::is_error));
        self.part_with_strays();
        self.icmp.truncate(ICMP_ERRORS);
        if let (Transport::Tcp(connection), Some(flags)) = (&mut self.transport, quote) {
            connection.quoted(flags);
            self.stream_frame.get_or_insert(error.at.frame);
        }
        if several_files {
            self.share(error.at.frame, quote.is_some(), true);
        }
    }

    /// Sets those errors apart that quote what was not sent. Once more when a SYN comes: one before it was judged by nothing.
    fn part_with_strays(&mut self) {
        let Transport::Tcp(connection) = &self.transport else { return };
        let is_stray = |e: &mut IcmpError| e.seq.is_some_and(|seq| !connection.may_have_sent(e.quotes, seq));
        self.stray_icmp.extend(self.icmp.extract_if(.., is_stray));
        self.stray_icmp.truncate(STRAY_ICMP_ERRORS);
    }

    /// An ICMP error of its endpoints quotes a SYN with `seq` that `dir`, whose own SYN was captured and which is not over,
    /// did not send: it opens no connection.
    pub(super) fn quotes_a_stranger(&self, dir: Dir, seq: u32) -> bool {
        let Transport::Tcp(connection) = &self.transport else { return false };
        !connection.is_over() && connection.facts.isn[dir].is_some_and(|isn| isn != seq)
    }

    /// Extends the share of the frame's file. `streams`: Wireshark gives the frame a stream; `quoted`: it is an ICMP
    /// error, which counts only as long as the file has no packet of the flow itself.
    fn share(&mut self, frame: FrameRef, streams: bool, quoted: bool) {
        let number = frame.number();
        let new = Part {
            file: frame.file(),
            stream: None,
            first_frame: number,
            last_frame: number,
            stream_frame: streams.then_some(number),
            quoted_only: quoted,
        };
        match self.parts.last_mut().filter(|part| part.file == new.file) {
            Some(part) => {
                part.stream_frame = part.stream_frame.or(new.stream_frame);
                if part.quoted_only && !quoted {
                    (part.first_frame, part.quoted_only) = (number, false);
                }
                if part.quoted_only || !quoted {
                    part.last_frame = number;
                }
            }
            None => self.parts.push(new),
        }
    }

    /// No packet of its own was seen.
    const fn is_quoted_only(&self) -> bool {
        self.packets.orig == 0 && self.packets.resp == 0
    }

    /// No more is to be expected of it.
    pub(super) fn is_over(&self) -> bool {
        matches!(&self.transport, Transport::Tcp(connection) if connection.is_over())
    }

    /// Nothing is missing on either side.
    pub(super) fn is_settled(&self) -> bool {
        matches!(&self.transport, Transport::Tcp(connection) if connection.is_settled())
    }

    /// Its last frame, and what finds it.
    pub(super) fn age(&self) -> Age {
        Age { last: self.last.frame, opened: self.opened, hash: self.hash }
    }
}

/// A hash of 64 bits from 32, which is what a place of the table has room for: the table takes the highest bits and the
/// lowest, and a multiply (Fibonacci hashing) brings the others to both.
pub(super) const fn spread(hash: u32) -> u64 {
    (hash as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Payload of a UDP datagram.
fn datagram<O: Observer>(
    arrival: &Arrival<'_>,
    dir: Dir,
    ports: PerDir<u16>,
    listener: &mut Listener<'_, O>,
) {
    let packet = arrival.packet;
    if packet.payload_length == 0 {
        return;
    }
    listener.payload(dir, || Payload {
        proto: Proto::Udp,
        dir,
        offset: 0,
        length: packet.payload_length,
        data: packet.payload(arrival.window),
        at: arrival.at,
        ports,
    });
}

/// Whether the first packet of a flow was sent by its responder: a SYN-ACK, or, where the start is missing, a packet
/// from a port below the ephemeral ones to an ephemeral one. Assume: nobody dials from below 32768 to above it
/// (Linux `ip_local_port_range`); a SYN seen later puts it right.
fn comes_from_responder(packet: &Packet, key: &FlowKey) -> bool {
    let ports = key.ports();
    let answers = ports.orig < EPHEMERAL && ports.resp >= EPHEMERAL;
    match (key.proto(), packet.flags & (SYN | ACK | RST)) {
        (Proto::Tcp, SYN) => false,
        (Proto::Tcp, flags) if flags == SYN | ACK => true,
        _ => answers,
    }
}

/// First ephemeral port of Linux.
const EPHEMERAL: u16 = 32768;
/// ICMP errors kept of one flow.
const ICMP_ERRORS: usize = 16;
/// The same of those that quote what it did not send.
const STRAY_ICMP_ERRORS: usize = 4;
