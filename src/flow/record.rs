//! The facts of a finished TCP flow in about 150 bytes.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::OnceLock;

use super::codec::{Codec, Coded, Form, Pack, Unpack, list, optional, rare};
use super::{ConnState, Dir, KeepAlive, Loss, Moment, PerDir, Reset, Silence, TcpFacts, TcpOptions};

/// TCP facts, packed; unpacked for good when they are first read in place.
///
/// [`TcpRecord::facts`] reads them without that: for passes over all flows, whose memory would else grow.
pub struct TcpRecord {
    packed: Vec<u8>,
    /// First packet of the flow: moments are packed as what lies between.
    base: Moment,
    facts: OnceLock<Box<TcpFacts>>,
}

impl TcpRecord {
    /// Packs the facts of a flow that begins at `base`; `pack` is emptied and left with the same bytes.
    pub(super) fn new(base: Moment, facts: &mut TcpFacts, pack: &mut Pack) -> Self {
        pack.begin(base);
        facts.code(pack);
        Self::packed(base, pack.bytes())
    }

    /// Of the packed facts of a flow that begins at `base`.
    pub(super) fn packed(base: Moment, facts: &[u8]) -> Self {
        Self { packed: facts.into(), base, facts: OnceLock::new() }
    }

    /// The facts as they are packed.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.packed
    }

    /// Of a flow that begins at `base`, to be filled.
    pub(super) fn empty(base: Moment) -> Self {
        Self { packed: Vec::new(), base, facts: OnceLock::new() }
    }

    /// Becomes that of a flow that begins at `base`, to be filled: what was packed stays until then.
    pub(super) fn begin(&mut self, base: Moment) {
        self.base = base;
        self.facts.take();
    }

    /// What the first SYN said, told without unpacking the rest: the originator's initial sequence number and its
    /// timestamp value. Absent where no SYN was seen.
    pub fn dial(&self) -> Option<(u32, Option<u32>)> {
        let (mut isn, mut options, mut syns) = (None, TcpOptions::default(), 0);
        let mut unpack = Unpack::new(&self.packed, &[]);
        code_start(&mut isn, &mut options, &mut unpack);
        unpack.number(&mut syns);
        isn.filter(|_| syns > 0).map(|isn| (isn, options.timestamp))
    }

    /// Packs the facts as they are, as those of a flow that begins at `base`.
    pub(super) fn settle(&mut self, base: Moment) {
        if self.base != base || self.facts.get().is_some() {
            *self = Self::new(base, &mut self.facts(), &mut Pack::default());
        }
    }

    /// The facts, unpacked anew.
    pub fn facts(&self) -> TcpFacts {
        self.facts.get().map_or_else(|| self.unpack(), |facts| (**facts).clone())
    }

    /// The facts, unpacked into those of another flow: their memory is used again.
    pub fn read_into<'f>(&self, facts: &'f mut TcpFacts) -> &'f TcpFacts {
        if let Some(unpacked) = self.facts.get() {
            facts.clone_from(unpacked);
        } else {
            let mut unpack = Unpack::new(&self.packed, &[]);
            unpack.last().begin(self.base);
            facts.code(&mut unpack);
        }
        facts
    }

    fn unpack(&self) -> TcpFacts {
        let mut facts = TcpFacts::default();
        let mut unpack = Unpack::new(&self.packed, &[]);
        unpack.last().begin(self.base);
        facts.code(&mut unpack);
        facts
    }
}

impl From<TcpFacts> for TcpRecord {
    fn from(mut facts: TcpFacts) -> Self {
        Self::new(Moment::default(), &mut facts, &mut Pack::default())
    }
}

impl Coded for TcpRecord {
    fn code<C: Codec>(&mut self, codec: &mut C) {
        codec.run(&mut self.packed);
    }
}

impl Deref for TcpRecord {
    type Target = TcpFacts;

    fn deref(&self) -> &TcpFacts {
        self.facts.get_or_init(|| Box::new(self.unpack()))
    }
}

impl DerefMut for TcpRecord {
    fn deref_mut(&mut self) -> &mut TcpFacts {
        let unpacked = Box::new(self.unpack());
        let _ = self.facts.set(unpacked);
        // The packed form is what it was; only what is read in place changes.
        match self.facts.get_mut() {
            Some(facts) => facts,
            None => unreachable!("set above"),
        }
    }
}

impl Clone for TcpRecord {
    fn clone(&self) -> Self {
        Self { packed: self.packed.clone(), base: self.base, facts: self.facts.clone() }
    }
}

impl fmt::Debug for TcpRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.facts().fmt(f)
    }
}

impl Coded for TcpFacts {
    fn code<C: Codec>(&mut self, codec: &mut C) {
        let there = self.there();
        let Self {
            syn,
            synack,
            fin,
            rst,
            analysis,
            completeness,
            initial_rtt,
            rto,
            duplicate_ack_num,
            max_bytes_in_flight,
            conn_state,
            history,
            isn,
            syn_times,
            synack_times,
            established,
            options,
            first_payload,
            last_payload,
            last_segment,
            last_new_ack,
            first_fin,
            reset,
            ttl,
            loss,
            synack_after_ack,
            last_window,
            simultaneous_open,
            syn_payload_bytes,
            longest_silence,
            keep_alive,
        } = self;
        code_start(&mut isn.orig, &mut options.orig, codec);
        list(syn_times, codec, Coded::code);
        list(synack_times, codec, Coded::code);
        let mut form = Form::code(there, codec);
        form.optional(&mut isn.resp, codec);
        form.rare(&mut options.resp, codec, Coded::code);
        for moments in [first_payload, last_payload, last_segment, last_new_ack, first_fin] {
            moments.code(codec);
        }
        established.code(codec);
        form.optional(reset, codec);
        form.optional(longest_silence, codec);
        let unusual = form.next();
        for (count, ordinary) in [syn, synack, fin, rst].into_iter().zip(ORDINARY) {
            if unusual {
                count.code(codec);
            } else {
                *count = ordinary;
            }
        }
        form.rare(analysis, codec, Coded::code);
        form.rare(duplicate_ack_num, codec, Coded::code);
        max_bytes_in_flight.code(codec);
        completeness.code(codec);
        form.optional(initial_rtt, codec);
        form.optional(conn_state, codec);
        codec.text(history);
        form.optional(&mut rto.orig, codec);
        form.optional(&mut rto.resp, codec);
        form.optional(&mut ttl.orig, codec);
        form.optional(&mut ttl.resp, codec);
        form.optional(&mut last_window.orig, codec);
        form.optional(&mut last_window.resp, codec);
        for dir in [Dir::Orig, Dir::Resp] {
            let loss = &mut loss[dir];
            let mut delivered = loss.largest_delivered_bytes;
            delivered.code(codec);
            form.rare(loss, codec, Coded::code);
            loss.largest_delivered_bytes = delivered;
        }
        form.rare(synack_after_ack, codec, Coded::code);
        form.rare(syn_payload_bytes, codec, Coded::code);
        *simultaneous_open = form.next();
        if form.next() {
            keep_alive.get_or_insert_default().code(codec);
        } else {
            *keep_alive = None;
        }
    }
}

impl TcpFacts {
    /// What of it stands in its record: in the order in which it is asked for there.
    #[inline]
    fn there(&self) -> [bool; 21] {
        [
            self.isn.resp.is_some(),
            self.options.resp != TcpOptions::default(),
            self.reset.is_some(),
            self.longest_silence.is_some(),
            [self.syn, self.synack, self.fin, self.rst] != ORDINARY,
            self.analysis != PerDir::default(),
            self.duplicate_ack_num != PerDir::default(),
            self.initial_rtt.is_some(),
            self.conn_state.is_some(),
            self.rto.orig.is_some(),
            self.rto.resp.is_some(),
            self.ttl.orig.is_some(),
            self.ttl.resp.is_some(),
            self.last_window.orig.is_some(),
            self.last_window.resp.is_some(),
            self.loss.orig.is_more_than_delivered(),
            self.loss.resp.is_more_than_delivered(),
            self.synack_after_ack > 0,
            self.syn_payload_bytes > 0,
            self.simultaneous_open,
            self.keep_alive.is_some(),
        ]
    }
}

/// Segments with SYN, with SYN and ACK, with FIN, and with RST, of most connections.
const ORDINARY: [PerDir<u32>; 4] = [
    PerDir { orig: 1, resp: 0 },
    PerDir { orig: 0, resp: 1 },
    PerDir { orig: 1, resp: 1 },
    PerDir { orig: 0, resp: 0 },
];

/// What is asked of every flow stands first; the number of SYNs follows.
fn code_start<C: Codec>(isn: &mut Option<u32>, options: &mut TcpOptions, codec: &mut C) {
    optional(isn, codec, Coded::code);
    rare(options, codec, Coded::code);
}

impl Coded for TcpOptions {
    fn code<C: Codec>(&mut self, codec: &mut C) {
        let Self { mss, window_scale, sack_permitted, timestamp } = self;
        optional(mss, codec, Coded::code);
        optional(window_scale, codec, Coded::code);
        sack_permitted.code(codec);
        optional(timestamp, codec, Coded::code);
    }
}

impl Coded for Loss {
    fn code<C: Codec>(&mut self, codec: &mut C) {
        let Self {
            segments,
            largest_bytes,
            largest_delivered_bytes: _,
            unacked_bytes,
            gap_bytes,
            in_flight_bytes,
            sacked_bytes,
            skipped_bytes,
            unseen_bytes,
            vain_segments,
            duplicate_acks,
        } = self;
        for count in [segments, largest_bytes, vain_segments, duplicate_acks] {
            count.code(codec);
        }
        for bytes in [unacked_bytes, gap_bytes, in_flight_bytes, sacked_bytes, skipped_bytes, unseen_bytes] {
            bytes.code(codec);
        }
    }
}

impl Coded for Reset {
    fn code<C: Codec>(&mut self, codec: &mut C) {
        let Self { from, at, ttl, to_syn, after_close, in_sequence, payload_bytes } = self;
        from.code(codec);
        at.code(codec);
        ttl.code(codec);
        for flag in [to_syn, after_close, in_sequence] {
            flag.code(codec);
        }
        payload_bytes.code(codec);
    }
}

impl Coded for Silence {
    fn code<C: Codec>(&mut self, codec: &mut C) {
        let Self { since, until, broken_by } = self;
        since.code(codec);
        until.code(codec);
        broken_by.code(codec);
    }
}

impl Coded for KeepAlive {
    fn code<C: Codec>(&mut self, codec: &mut C) {
        let Self { count, first, last } = self;
        count.code(codec);
        first.code(codec);
        last.code(codec);
    }
}

impl Coded for Dir {
    fn code<C: Codec>(&mut self, codec: &mut C) {
        let mut is_resp = *self == Self::Resp;
        is_resp.code(codec);
        *self = if is_resp { Self::Resp } else { Self::Orig };
    }
}

impl Coded for ConnState {
    fn code<C: Codec>(&mut self, codec: &mut C) {
        let mut n = Self::ALL.iter().position(|state| state == self).unwrap_or_default() as u64;
        codec.number(&mut n);
        *self = Self::ALL.get(n as usize).copied().unwrap_or_default();
    }
}
