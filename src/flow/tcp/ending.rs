//! What is left of a connection: its facts, packed, and what it takes to go on after all.

use super::Connection;
use crate::flow::codec::{Codec, Coded, Pack, Unpack};
use crate::flow::labels::Scale;
use crate::flow::totals::TcpSum;
use crate::flow::{Dir, FlowEnd, Moment, PerDir, TcpFacts};

impl Connection {
    /// What the observer is told at the end.
    pub(in crate::flow) fn end(&self, last: Moment) -> FlowEnd {
        let facts = &self.facts;
        let reset = facts.reset.or(self.doubtful.as_deref().copied());
        FlowEnd { last, fin: facts.first_fin, reset, established: facts.established }
    }

    /// No more is to be expected: one side has sent a RST that the other takes, or both a FIN.
    pub(in crate::flow) fn is_over(&self) -> bool {
        self.zeek.is_closed() || self.zeek.is_reset() && self.facts.reset.is_some_and(|r| r.is_taken())
    }

    /// Both sides have closed, and all that was sent was acknowledged.
    pub(in crate::flow) fn is_settled(&self) -> bool {
        self.streams.orig.is_closed() && self.streams.resp.is_closed()
    }

    /// The facts in the end, into `pack`. `bytes`: payload of each side; `quoted_only`: no segment was seen; `first`: the flow's
    /// first packet.
    pub(in crate::flow) fn finish(
        &mut self,
        bytes: PerDir<u64>,
        quoted_only: bool,
        first: Moment,
        pack: &mut Pack,
    ) -> TcpSum {
        self.conclude(bytes, quoted_only);
        pack.begin(first);
        self.facts.code(pack);
        TcpSum::of(&self.facts)
    }

    /// The same; in `pack`, behind as many bytes as are told, what it takes to go on.
    pub(in crate::flow) fn freeze(
        &mut self,
        bytes: PerDir<u64>,
        first: Moment,
        pack: &mut Pack,
    ) -> (TcpSum, usize) {
        let mut completeness = self.facts.completeness;
        let sum = self.finish(bytes, false, first, pack);
        let facts = pack.bytes().len();
        pack.last().begin(first);
        completeness.code(pack);
        self.code_rest(pack);
        (sum, facts)
    }

    /// What [`Connection::freeze`] froze. The memory of copies is lost: they come at once or not at all.
    pub(in crate::flow) fn thaw(facts: TcpFacts, first: Moment, rest: &[u8]) -> Self {
        let mut this = Self { facts, ..Self::default() };
        let mut unpack = Unpack::new(rest, &[]);
        unpack.last().begin(first);
        this.facts.completeness.code(&mut unpack);
        this.code_rest(&mut unpack);
        *this.zeek.history() = std::mem::take(&mut this.facts.history);
        this
    }

    fn code_rest<C: Codec>(&mut self, codec: &mut C) {
        let Self {
            wireshark,
            zeek,
            streams,
            copies: _,
            latest,
            begun,
            shown_completeness,
            doubtful: _,
            late: _,
            vain_from: _,
            facts: _,
        } = self;
        latest.code(codec);
        begun.code(codec);
        shown_completeness.code(codec);
        wireshark.code(codec);
        zeek.code(codec);
        streams.code(codec);
    }

    /// Facts that are derived from the whole.
    fn conclude(&mut self, bytes: PerDir<u64>, quoted_only: bool) {
        self.facts.reset = self.facts.reset.or(self.doubtful.take().map(|reset| *reset));
        self.facts.conn_state = (!quoted_only).then(|| self.zeek.conn_state(bytes));
        self.facts.history = std::mem::take(self.zeek.history());
        self.facts.initial_rtt = self.wireshark.initial_rtt();
        self.facts.completeness = self.shown_completeness;
        for dir in [Dir::Orig, Dir::Resp] {
            let stream = &self.streams[dir];
            let loss = &mut self.facts.loss[dir];
            loss.unacked_bytes = stream.in_flight();
            loss.gap_bytes = stream.gap_bytes();
            self.facts.last_window[dir] = stream.window.and_then(|window| match self.wireshark.scale(dir) {
                Scale::Unknown => None,
                Scale::Unused => Some(u32::from(window)),
                Scale::Shift(shift) => Some(u32::from(window) << shift.min(14)),
            });
        }
    }
}
