//! A flow that has ended as a few bytes: what the capture is summed up from, and what is unpacked when someone asks.
//!
//! A record begins with its head (first packet, endpoints), which is all that ordering and most passes look at. Records
//! are made by one shard and read with what the records of that shard share.

use std::net::SocketAddr;

use super::codec::{Codec, Coded, Pack, SharedValue, Unpack, list, optional};
use super::lone::{Head, Lone, Said};
use super::totals::dial_print;
use super::{Dir, Flow, FrameRef, IcmpError, Moment, Part, PerDir, Proto, TcpRecord};
use crate::capture::CaptureIndex;

/// What the records of one shard share.
#[derive(Clone, Debug, Default)]
pub struct RecordContext {
    /// Which capture the flows are of.
    pub capture: CaptureIndex,
    /// The capture is several files.
    pub several_files: bool,
    /// Values that records hold the place of.
    pub shared: Vec<SharedValue>,
}

/// Where flows are unpacked one after the other, so that their memory is used again: one place for those that have an
/// observer's print and with it most of what is allocated, another for the rest.
#[derive(Debug, Default)]
pub struct Scratch<A: Coded + Default> {
    printed: Flow<A>,
    plain: Flow<A>,
}

/// The head of a record: told without unpacking it.
#[derive(Clone, Copy, Debug)]
pub struct Brief {
    head: Head,
}

impl Brief {
    /// Reads the head of a record.
    pub fn of(record: &[u8]) -> Self {
        Self { head: Head::read(&mut Unpack::new(record, &[])) }
    }

    /// First packet.
    pub fn first(&self) -> Moment {
        self.head.at
    }

    /// Transport protocol.
    pub fn proto(&self) -> Proto {
        self.head.key.proto()
    }

    /// Overlay network identifier.
    pub fn vni(&self) -> Option<u32> {
        self.head.key.vni()
    }

    /// Endpoint of a side.
    pub fn endpoint(&self, dir: Dir) -> SocketAddr {
        self.head.key.endpoint(dir)
    }
}

/// Digests of what another capture of the same connection shows too; equal ones are worth a look, no more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prints {
    /// Of `TcpRecord::dial`.
    pub dial: Option<u32>,
    /// Of what the observer made of the payload.
    pub app: Option<u32>,
}

impl Prints {
    /// Those of a record.
    pub fn of(record: &[u8]) -> Self {
        let mut unpack = Unpack::new(record, &[]);
        if Head::pass(&mut unpack) {
            return Self::of_lone(record);
        }
        Self::read(&mut unpack)
    }

    fn of_lone(record: &[u8]) -> Self {
        let mut unpack = Unpack::new(record, &[]);
        let head = Head::read(&mut unpack);
        let dial = Lone::unpack(&head, &mut unpack).dial();
        Self { dial: Some(dial_print(dial)), app: None }
    }

    fn read(unpack: &mut Unpack<'_>) -> Self {
        let mut prints = Self::default();
        prints.code(unpack);
        prints
    }
}

impl Coded for Prints {
    fn code<C: Codec>(&mut self, codec: &mut C) {
        for print in [&mut self.dial, &mut self.app] {
            let mut n = print.map_or(0, |n| u64::from(n) + 1);
            codec.number(&mut n);
            *print = n.checked_sub(1).map(|n| n as u32);
        }
    }
}

/// How a record begins: all that ordering looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Start {
    /// First frame, which is how records are ordered: no two flows of a capture begin with the same frame.
    pub frame: FrameRef,
    /// The flow's stream is numbered by it.
    pub in_order: bool,
    /// One plain SYN is all that was seen of the flow.
    pub lone: bool,
}

impl Start {
    /// That of a record.
    pub fn of(record: &[u8]) -> Self {
        let mut unpack = Unpack::new(record, &[]);
        let (mut bits, mut form) = (0, [0]);
        unpack.number(&mut bits);
        unpack.array(&mut form);
        Self {
            frame: FrameRef::from_bits(bits),
            in_order: Head::says_in_order(form[0]),
            lone: Head::says_lone(form[0]),
        }
    }
}

/// First frame of a record.
pub(super) fn first_frame(record: &[u8]) -> FrameRef {
    Start::of(record).frame
}

/// Whether one plain SYN is all that was seen of the flow of a record.
pub fn is_lone_syn(record: &[u8]) -> bool {
    Start::of(record).lone
}

impl RecordContext {
    /// Unpacks a flow; what was not packed with this context gives an empty one.
    pub fn unpack<A: Coded + Default>(&self, record: &[u8]) -> Flow<A> {
        let mut unpack = Unpack::new(record, &self.shared);
        unpack_flow(&mut unpack, self.capture, self.several_files)
    }

    /// Unpacks a flow in place of an earlier one.
    pub fn unpack_into<'s, A: Coded + Default>(
        &self,
        record: &[u8],
        scratch: &'s mut Scratch<A>,
    ) -> &'s mut Flow<A> {
        let mut unpack = Unpack::new(record, &self.shared);
        let head = Head::read(&mut unpack);
        if head.lone {
            scratch.plain = Lone::unpack(&head, &mut unpack).flow(&head, self.capture, self.several_files);
            return &mut scratch.plain;
        }
        let prints = Prints::read(&mut unpack);
        let flow = if prints.app.is_some() { &mut scratch.printed } else { &mut scratch.plain };
        flow.begin(self.capture, &head);
        flow.code_rest(&mut unpack);
        flow
    }
}

/// Packs flows that were not captured; gives their records and what these share.
pub fn pack_all<A: Coded + Default>(
    flows: impl IntoIterator<Item = Flow<A>>,
) -> (Vec<Vec<u8>>, Vec<SharedValue>) {
    let mut pack = Pack::default();
    let records = flows.into_iter().map(|flow| {
        pack.begin(Moment::default());
        let several_files = !flow.parts.is_empty();
        let dial = flow.tcp.as_ref().and_then(|tcp| tcp.facts().dial()).map(dial_print);
        flow.pack(several_files, dial, &mut pack);
        pack.bytes().to_vec()
    });
    let records = records.collect();
    (records, pack.shared.into_values())
}

/// Reads a flow, and leaves what follows it.
pub(super) fn unpack_flow<A: Coded + Default>(
    unpack: &mut Unpack<'_>,
    capture: CaptureIndex,
    several_files: bool,
) -> Flow<A> {
    let head = Head::read(unpack);
    if head.lone {
        return Lone::unpack(&head, unpack).flow(&head, capture, several_files);
    }
    let _ = Prints::read(unpack);
    let mut flow = Flow::blank(capture, &head);
    flow.code_rest(unpack);
    flow
}

impl<A: Coded + Default> Flow<A> {
    /// Its record, behind what is packed already.
    pub(super) fn pack(mut self, several_files: bool, dial: Option<u32>, pack: &mut Pack) {
        let first = self.first;
        let tcp = self.tcp.as_mut().map(|tcp| {
            tcp.settle(first);
            std::mem::replace(tcp, TcpRecord::empty(first))
        });
        self.pack_with(tcp.as_ref().map_or(&[], TcpRecord::bytes), several_files, dial, pack);
    }

    /// The same where `tcp` holds the TCP facts, which `self` has a place for only.
    pub(super) fn pack_with(mut self, tcp: &[u8], several_files: bool, dial: Option<u32>, pack: &mut Pack) {
        let in_order = self.is_numbered_in_order(several_files);
        let said = Said { evicted: self.evicted, shares_tuple: self.shares_tuple, in_order };
        let key = super::key::FlowKey::of_flow(&self);
        Head { at: self.first, lone: false, said, key }.code(pack);
        Prints { dial, app: self.app.print() }.code(pack);
        self.code_counters(pack);
        if self.tcp.is_some() {
            pack.put_run(tcp);
        }
        self.app.code(pack);
    }

    fn blank(capture: CaptureIndex, head: &Head) -> Self {
        Self {
            capture,
            stream: None,
            stream_frame: None,
            shares_tuple: head.said.shares_tuple,
            proto: head.key.proto(),
            vni: head.key.vni(),
            orig: head.key.endpoint(Dir::Orig),
            resp: head.key.endpoint(Dir::Resp),
            first: head.at,
            last: Moment::default(),
            packets: PerDir::default(),
            bytes: PerDir::default(),
            duplicates: 0,
            truncated: false,
            midstream: false,
            evicted: head.said.evicted,
            quoted_only: false,
            tcp: None,
            icmp: Vec::new(),
            stray_icmp: Vec::new(),
            parts: Vec::new(),
            app: A::default(),
        }
    }

    /// Takes over what the head holds; the rest is that of an earlier flow until [`Self::code_rest`].
    fn begin(&mut self, capture: CaptureIndex, head: &Head) {
        self.capture = capture;
        self.stream = None;
        self.shares_tuple = head.said.shares_tuple;
        self.proto = head.key.proto();
        self.vni = head.key.vni();
        self.orig = head.key.endpoint(Dir::Orig);
        self.resp = head.key.endpoint(Dir::Resp);
        self.first = head.at;
        self.evicted = head.said.evicted;
    }

    /// What the head does not hold, all of it.
    fn code_rest<C: Codec>(&mut self, codec: &mut C) {
        self.code_counters(codec);
        if let Some(tcp) = &mut self.tcp {
            tcp.code(codec);
        }
        self.app.code(codec);
    }

    /// It has what few flows have.
    fn has_rare(&self) -> bool {
        self.duplicates > 0 || !self.icmp.is_empty() || !self.stray_icmp.is_empty() || !self.parts.is_empty()
    }

    /// What stands before the TCP facts, which get a place if there are any.
    fn code_counters<C: Codec>(&mut self, codec: &mut C) {
        self.last.code(codec);
        self.packets.code(codec);
        self.bytes.code(codec);
        let mut form = [u8::from(self.truncated)
            | u8::from(self.midstream) << 1
            | u8::from(self.quoted_only) << 2
            | u8::from(self.tcp.is_some()) << 3
            | u8::from(self.stream_frame == Some(self.first.frame)) << 4
            | u8::from(self.has_rare()) << 5
            | u8::from(self.stream_frame.is_some_and(|f| f != self.first.frame)) << 6];
        codec.array(&mut form);
        let has = |bit: u8| form[0] & 1 << bit != 0;
        (self.truncated, self.midstream, self.quoted_only) = (has(0), has(1), has(2));
        if has(6) {
            let mut bits = self.stream_frame.map_or(0, FrameRef::to_bits);
            codec.number(&mut bits);
            self.stream_frame = Some(FrameRef::from_bits(bits));
        } else {
            self.stream_frame = has(4).then_some(self.first.frame);
        }
        if has(5) {
            self.duplicates.code(codec);
            list(&mut self.icmp, codec, Coded::code);
            list(&mut self.stray_icmp, codec, Coded::code);
            list(&mut self.parts, codec, Coded::code);
        } else {
            self.duplicates = 0;
            self.icmp.clear();
            self.stray_icmp.clear();
            self.parts.clear();
        }
        if has(3) {
            self.tcp.get_or_insert_with(|| TcpRecord::empty(self.first)).begin(self.first);
        } else {
            self.tcp = None;
        }
    }
}

impl<A: Coded + Default> Default for Flow<A> {
    /// Without a packet: what stands where a record cannot be read.
    fn default() -> Self {
        RecordContext::default().unpack(&[])
    }
}

impl<A> Flow<A> {
    /// With other facts of the observer.
    pub(super) fn with<B>(self, app: B) -> Flow<B> {
        Flow {
            capture: self.capture,
            stream: self.stream,
            stream_frame: self.stream_frame,
            shares_tuple: self.shares_tuple,
            proto: self.proto,
            vni: self.vni,
            orig: self.orig,
            resp: self.resp,
            first: self.first,
            last: self.last,
            packets: self.packets,
            bytes: self.bytes,
            duplicates: self.duplicates,
            truncated: self.truncated,
            midstream: self.midstream,
            evicted: self.evicted,
            quoted_only: self.quoted_only,
            tcp: self.tcp,
            icmp: self.icmp,
            stray_icmp: self.stray_icmp,
            parts: self.parts,
            app,
        }
    }
}

impl Coded for IcmpError {
    fn code<C: Codec>(&mut self, codec: &mut C) {
        let Self { at, from, kind, code, v6, quotes, seq } = self;
        at.code(codec);
        from.code(codec);
        kind.code(codec);
        code.code(codec);
        v6.code(codec);
        quotes.code(codec);
        optional(seq, codec, Coded::code);
    }
}

impl Coded for Part {
    fn code<C: Codec>(&mut self, codec: &mut C) {
        let Self { file, stream, first_frame, last_frame, stream_frame, quoted_only } = self;
        file.code(codec);
        optional(stream, codec, Coded::code);
        first_frame.code(codec);
        last_frame.code(codec);
        optional(stream_frame, codec, Coded::code);
        quoted_only.code(codec);
    }
}
