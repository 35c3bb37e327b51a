//! A flow of which nothing but one plain SYN was seen: kept as that SYN, and made into a flow when another packet comes
//! or someone asks.
//!
//! Floods and scans are made of such flows: a connection's state would take ten times the memory and time. What is left
//! out of the record is only what tells copies from segments sent again, which nothing more will be.

use super::ages::Age;
use super::codec::{Codec, Coded, Pack, Unpack};
use super::entry::{Arrival, Entry};
use super::key::FlowKey;
use super::{Dir, Flow, FlowEnd, FrameRef, Moment, Observer, Payload, TcpRecord, options};
use crate::capture::{CaptureIndex, FrameHeader, LinkType, Window};
use crate::packet::tcp_flag::{ACK, FIN, RST, SYN};
use crate::packet::{Kind, Packet, note, protocol};
use crate::time::Timestamp;

/// One plain SYN and where it was captured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lone {
    pub(super) key: FlowKey,
    pub(super) at: Moment,
    pub(super) hash: u32,
    seq: u32,
    window: u16,
    flags: u16,
    ip_id: u16,
    ttl: u8,
    notes: u8,
    /// [`Packet::point`].
    point: u16,
    options: [u8; MAX_OPTIONS],
    options_length: u8,
}

impl Lone {
    /// Of a packet that opens a flow; none where the packet is more than a SYN.
    #[inline]
    pub(super) fn of(arrival: &Arrival<'_>) -> Option<Self> {
        let Arrival { packet, window, at, key, hash } = arrival;
        let plain = packet.kind == Kind::Tcp && packet.flags & (SYN | ACK | RST | FIN) == SYN;
        if !plain || packet.payload_length > 0 || packet.noted(note::CUT_HEADER) {
            return None;
        }
        let from = packet.tcp_options(window);
        let mut options = [0; MAX_OPTIONS];
        options.get_mut(..from.len())?.copy_from_slice(from);
        Some(Self {
            key: *key,
            at: *at,
            hash: *hash,
            seq: packet.seq,
            window: packet.window,
            flags: packet.flags,
            ip_id: packet.ip_id,
            ttl: packet.ttl,
            notes: packet.notes,
            point: packet.point,
            options,
            options_length: from.len() as u8,
        })
    }

    /// Its only frame, and what finds it.
    pub(super) fn age(&self) -> Age {
        Age { last: self.at.frame, opened: self.at.frame, hash: self.hash }
    }

    /// Opens `entry` as if the SYN had just come. `several_files`: the capture is several files; `window` is filled with the
    /// frame, its memory used again.
    pub(super) fn grow<O: Observer>(
        &self,
        entry: &mut Entry<O>,
        several_files: bool,
        window: &mut Window,
        observer: &mut O,
    ) {
        let bytes = &mut window.bytes;
        bytes.clear();
        bytes.resize(TCP_HEADER, 0);
        bytes.extend_from_slice(&self.options[..usize::from(self.options_length).min(MAX_OPTIONS)]);
        let captured = bytes.len() as u32;
        window.first_number = self.at.frame.number();
        window.frames.clear();
        window.frames.push(FrameHeader {
            time: self.at.time,
            offset: 0,
            captured,
            length: captured,
            interface: 0,
            link_type: LinkType::ETHERNET,
        });
        let packet = self.packet(captured);
        let arrival = Arrival { packet: &packet, window, at: self.at, key: self.key, hash: self.hash };
        entry.open(&arrival);
        entry.packet(&arrival, Dir::Orig, several_files, observer);
    }

    fn packet(&self, payload: u32) -> Packet {
        let ports = self.key.ports();
        Packet {
            hash: 0,
            frame: 0,
            v4: [0; 2],
            ip: 0,
            transport: 0,
            payload,
            payload_length: 0,
            payload_captured: 0,
            vni: self.key.vni().map_or(0, |vni| vni.saturating_add(1)),
            seq: self.seq,
            ack: 0,
            src_port: ports.orig,
            dst_port: ports.resp,
            window: self.window,
            flags: self.flags,
            ip_id: self.ip_id,
            point: self.point,
            ttl: self.ttl,
            kind: Kind::Tcp,
            protocol: protocol::TCP,
            notes: self.notes,
        }
    }

    /// Its record, behind what is packed already.
    pub(super) fn pack(&self, said: Said, pack: &mut Pack) {
        let mut head = Head::of(self, said);
        head.code(pack);
        let mut this = *self;
        this.code_rest(pack);
    }

    /// What [`Lone::pack`] packed behind its head.
    pub(super) fn unpack(head: &Head, unpack: &mut Unpack<'_>) -> Self {
        let mut this = Self {
            key: head.key,
            at: head.at,
            hash: 0,
            seq: 0,
            window: 0,
            flags: 0,
            ip_id: 0,
            ttl: 0,
            notes: 0,
            point: 0,
            options: [0; MAX_OPTIONS],
            options_length: 0,
        };
        this.code_rest(unpack);
        this
    }

    /// As [`super::TcpFacts::dial`].
    pub(super) fn dial(&self) -> (u32, Option<u32>) {
        let length = usize::from(self.options_length).min(MAX_OPTIONS);
        (self.seq, options::parse(&self.options[..length]).timestamp)
    }

    /// The flow of a record.
    pub(super) fn flow<A: Default>(
        &self,
        head: &Head,
        capture: CaptureIndex,
        several_files: bool,
    ) -> Flow<A> {
        let mut entry = Entry::blank();
        self.grow(&mut entry, several_files, &mut Window::default(), &mut Nobody);
        entry.evicted = head.said.evicted;
        entry.shares_tuple = head.said.shares_tuple;
        let mut pack = Pack::default();
        let (mut flow, _) = entry.finish(capture, &mut Nobody, &mut pack);
        flow.tcp = Some(TcpRecord::packed(self.at, pack.bytes()));
        flow.with(A::default())
    }

    fn code_rest<C: Codec>(&mut self, codec: &mut C) {
        let [s0, s1, s2, s3] = self.seq.to_le_bytes();
        let ([w0, w1], [f0, f1]) = (self.window.to_le_bytes(), self.flags.to_le_bytes());
        let mut fixed = [s0, s1, s2, s3, w0, w1, f0, f1, self.ttl, self.notes, self.options_length];
        codec.array(&mut fixed);
        let [s0, s1, s2, s3, w0, w1, f0, f1, ttl, notes, options_length] = fixed;
        self.seq = u32::from_le_bytes([s0, s1, s2, s3]);
        (self.window, self.flags) = (u16::from_le_bytes([w0, w1]), u16::from_le_bytes([f0, f1]));
        (self.ttl, self.notes, self.options_length) = (ttl, notes, options_length);
        let length = usize::from(self.options_length).min(MAX_OPTIONS);
        codec.raw(&mut self.options[..length]);
    }
}

/// What the shard alone knows of a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) evicted: bool,
    pub(super) shares_tuple: bool,
    /// Its stream is numbered by its first frame.
    pub(super) in_order: bool,
}

/// How the record of any flow begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) at: Moment,
    /// The rest is that of a [`Lone`].
    pub(super) lone: bool,
    pub(super) said: Said,
    pub(super) key: FlowKey,
}

impl Head {
    fn of(lone: &Lone, said: Said) -> Self {
        Self { at: lone.at, lone: true, said, key: lone.key }
    }

    /// What the second value of a head says.
    pub(super) const fn says_lone(form: u8) -> bool {
        form & 1 != 0
    }

    /// What the second value of a head says.
    pub(super) const fn says_in_order(form: u8) -> bool {
        form & 1 << 3 != 0
    }

    /// Reads the head of a record.
    pub(super) fn read(unpack: &mut Unpack<'_>) -> Self {
        let mut head =
            Self { at: Moment::default(), lone: false, said: Said::default(), key: FlowKey::default() };
        head.code(unpack);
        head
    }

    /// Passes over the head of a record; tells whether it is a lone SYN's.
    pub(super) fn pass(unpack: &mut Unpack<'_>) -> bool {
        let (mut frame, mut form) = (0, [0]);
        unpack.number(&mut frame);
        unpack.array(&mut form);
        unpack.skip(size_of::<Timestamp>());
        FlowKey::pass(unpack);
        Self::says_lone(form[0])
    }
}

impl Coded for Head {
    #[inline]
    fn code<C: Codec>(&mut self, codec: &mut C) {
        let mut frame = self.at.frame.to_bits();
        codec.number(&mut frame);
        let mut form = [u8::from(self.lone)
            | u8::from(self.said.evicted) << 1
            | u8::from(self.said.shares_tuple) << 2
            | u8::from(self.said.in_order) << 3];
        codec.array(&mut form);
        let mut time = self.at.time.0.to_le_bytes();
        codec.array(&mut time);
        self.at = Moment { frame: FrameRef::from_bits(frame), time: Timestamp(i64::from_le_bytes(time)) };
        self.lone = Self::says_lone(form[0]);
        let has = |bit: u8| form[0] & 1 << bit != 0;
        let in_order = Self::says_in_order(form[0]);
        self.said = Said { evicted: has(1), shares_tuple: has(2), in_order };
        self.key.code(codec);
        codec.last().begin(self.at);
    }
}

/// Watches nothing: a SYN has no payload.
struct Nobody;

impl Observer for Nobody {
    type Flow = ();
    type Facts = ();

    fn payload(&mut self, (): &mut (), _payload: &Payload<'_>) {}

    fn acked(&mut self, (): &mut (), _by: Dir, _offset: i64, _at: Moment) {}

    fn wants(&self, (): &(), _dir: Dir) -> bool {
        false
    }

    fn swap(&mut self, (): &mut ()) {}

    fn finish(&mut self, (): (), _end: &FlowEnd) {}
}

/// RFC 9293 §3.1: a header without options.
const TCP_HEADER: usize = 20;

/// RFC 9293 §3.1: options at most.
const MAX_OPTIONS: usize = 40;
