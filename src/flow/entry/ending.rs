//! What is left of a flow: its record, and the flow again from its record.

use super::{App, Entry, Transport};
use crate::capture::CaptureIndex;
use crate::flow::codec::Pack;
use crate::flow::copies::Copies;
use crate::flow::key::FlowKey;
use crate::flow::tcp::Connection;
use crate::flow::totals::TcpSum;
use crate::flow::{Dir, Flow, FlowEnd, FrameRef, Observer, PerDir, TcpRecord};

impl<O: Observer> Entry<O> {
    /// Ends the flow. `pack` is left with the TCP facts, which the flow has a place for only.
    pub(in crate::flow) fn finish(
        &mut self,
        capture: CaptureIndex,
        observer: &mut O,
        pack: &mut Pack,
    ) -> (Flow<O::Facts>, TcpSum) {
        let first = self.first;
        self.conclude(capture, observer, |connection, bytes, quoted_only| {
            connection.finish(bytes, quoted_only, first, pack)
        })
    }

    /// The flow as it stands. `pack` is left with the TCP facts, as many bytes as the last value says, and behind them
    /// what it takes to go on.
    pub(in crate::flow) fn freeze(
        &mut self,
        capture: CaptureIndex,
        observer: &mut O,
        pack: &mut Pack,
    ) -> (Flow<O::Facts>, TcpSum, usize) {
        let first = self.first;
        let mut facts = 0;
        let (flow, sum) = self.conclude(capture, observer, |connection, bytes, _| {
            let (sum, packed) = connection.freeze(bytes, first, pack);
            facts = packed;
            sum
        });
        (flow, sum, facts)
    }

    /// Takes the facts out; what is left is of no use but its memory.
    fn conclude(
        &mut self,
        capture: CaptureIndex,
        observer: &mut O,
        pack_facts: impl FnOnce(&mut Connection, PerDir<u64>, bool) -> TcpSum,
    ) -> (Flow<O::Facts>, TcpSum) {
        let quoted_only = self.is_quoted_only();
        let (end, tcp, sum) = match &mut self.transport {
            Transport::Tcp(connection) => {
                let end = connection.end(self.last);
                let sum = pack_facts(connection, self.bytes, quoted_only);
                (end, Some(TcpRecord::empty(self.first)), sum)
            }
            Transport::Datagrams(_) => (FlowEnd::of_datagrams(self.last), None, TcpSum::default()),
        };
        let app = match std::mem::replace(&mut self.app, App::Open(O::Flow::default())) {
            App::Open(app) => observer.finish(app, &end),
            App::Ended(facts) => facts,
        };
        let flow = Flow {
            capture,
            stream: None,
            stream_frame: self.stream_frame,
            shares_tuple: self.shares_tuple,
            proto: self.key.proto(),
            vni: self.key.vni(),
            orig: self.key.endpoint(Dir::Orig),
            resp: self.key.endpoint(Dir::Resp),
            first: self.first,
            last: self.last,
            packets: self.packets,
            bytes: self.bytes,
            duplicates: self.duplicates,
            truncated: self.truncated,
            midstream: self.midstream,
            evicted: self.evicted,
            quoted_only,
            tcp,
            icmp: std::mem::take(&mut self.icmp),
            stray_icmp: std::mem::take(&mut self.stray_icmp),
            parts: std::mem::take(&mut self.parts),
            app,
        };
        (flow, sum)
    }

    /// The flow that [`Entry::freeze`] froze, to go on with; `rest` is what it left in `pack`.
    pub(in crate::flow) fn thaw(flow: Flow<O::Facts>, (hash, opened): (u32, FrameRef), rest: &[u8]) -> Self {
        let transport = match &flow.tcp {
            Some(record) => Transport::Tcp(Connection::thaw(record.facts(), flow.first, rest)),
            None => Transport::Datagrams(Copies::default()),
        };
        Self {
            hash,
            key: FlowKey::of_flow(&flow),
            opened,
            first: flow.first,
            last: flow.last,
            packets: flow.packets,
            bytes: flow.bytes,
            duplicates: flow.duplicates,
            stream_frame: flow.stream_frame,
            truncated: flow.truncated,
            midstream: flow.midstream,
            evicted: flow.evicted,
            shares_tuple: flow.shares_tuple,
            transport,
            icmp: flow.icmp,
            stray_icmp: flow.stray_icmp,
            parts: flow.parts,
            app: App::Ended(flow.app),
        }
    }
}
