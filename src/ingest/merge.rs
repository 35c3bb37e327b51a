//! The records of all shards of a capture in one order, and the numbers of their streams.
//!
//! Takes sorted runs; reads each once and holds no more than a buffer of it. `tcp.stream` numbers flows in the order in
//! which Wireshark begins their streams, which is nearly always that of their first frames; the few others are known
//! before ([`LateStream`]) and are counted in between.

use std::cmp::Reverse;
use std::collections::binary_heap::PeekMut;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::SocketAddr;

use super::flows::Flows;
use crate::capture::CaptureIndex;
use crate::flow::{FrameRef, LateStream, RunReader, ShardEnd, Start, Totals};

/// What the shards of a capture sum up to.
#[derive(Debug, Default)]
pub(super) struct Merged {
    pub(super) totals: Totals,
    /// Bytes of records that were written to files on the way.
    pub(super) spilled: u64,
    /// What could not be written or read.
    pub(super) failures: Vec<String>,
}

/// Appends the flows of a capture of `files` files to `all`, `numbered` if every frame of them was read.
pub(super) fn merge(
    capture: CaptureIndex,
    files: usize,
    numbered: bool,
    ends: Vec<ShardEnd>,
    all: &mut Flows,
) -> Merged {
    let mut merged = Merged::default();
    let count: usize = ends.iter().map(|end| end.runs.len()).sum();
    let chunk = (BUFFERS / count.max(1)).clamp(MIN_BUFFER, MAX_BUFFER);
    let mut runs = Vec::with_capacity(count);
    for end in ends {
        let source = all.source(end.context);
        runs.extend(end.runs.into_iter().map(|run| (source, RunReader::new(run, chunk))));
        merged.totals.add(end.totals);
        merged.spilled += end.spilled;
        merged.failures.extend(end.failed);
    }
    let mut late = std::mem::take(&mut merged.totals.late_streams);
    late.sort_unstable();
    let mut numbers =
        Numbers { capture, next: vec![0; files.max(1)], late, at: 0, overlays: BTreeMap::new() };
    all.resume();
    in_order(&mut runs, |source, start, record| {
        if numbered {
            numbers.go_to(start.frame, all);
        }
        let stream = (numbered && start.in_order).then(|| numbers.take(start.frame));
        all.push(source, stream, start.lone, record);
    });
    if numbered {
        numbers.go_to(FrameRef::LAST, all);
    }
    all.flush();
    merged.failures.extend(runs.iter().filter_map(|(_, run)| run.failed().map(str::to_owned)));
    merged
}

/// Shows the records of all runs, by first frame.
fn in_order(runs: &mut [(usize, RunReader)], mut show: impl FnMut(usize, Start, &[u8])) {
    let start = |run: &RunReader| run.record().map(Start::of);
    let heads = runs.iter().enumerate().filter_map(|(n, (_, run))| Some(Reverse((start(run)?, n))));
    let mut heads: BinaryHeap<_> = heads.collect();
    while let Some(mut head) = heads.peek_mut() {
        let (first, n) = head.0;
        let (source, run) = &mut runs[n];
        show(*source, first, run.record().unwrap_or_default());
        run.advance();
        match start(run) {
            Some(next) => head.0.0 = next,
            None => {
                PeekMut::pop(head);
            }
        }
    }
}

/// Gives `tcp.stream`.
struct Numbers {
    capture: CaptureIndex,
    /// The next number of each file.
    next: Vec<u32>,
    /// In order of their frames.
    late: Vec<LateStream>,
    /// The next of them.
    at: usize,
    /// Both ends → overlay and number of the last stream there.
    overlays: BTreeMap<(SocketAddr, SocketAddr), (u32, u32)>,
}

impl Numbers {
    /// Numbers the late streams before `frame`.
    fn go_to(&mut self, frame: FrameRef, all: &mut Flows) {
        while let Some(late) = self.late.get(self.at).copied().filter(|late| late.frame < frame) {
            self.at += 1;
            let number = self.number(&late);
            all.push_late(self.capture.0, late.frame, number);
        }
    }

    /// Wireshark does not tell overlays apart: a flow whose start is missing goes on in the stream that has the same
    /// endpoints in another overlay.
    fn number(&mut self, late: &LateStream) -> u32 {
        let Some((a, b, vni, midstream)) = late.overlay else { return self.take(late.frame) };
        if let Some((_, number)) = self.overlays.get(&(a, b)).filter(|(other, _)| midstream && *other != vni)
        {
            return *number;
        }
        let number = self.take(late.frame);
        self.overlays.insert((a, b), (vni, number));
        number
    }

    /// The next number in the frame's file.
    fn take(&mut self, frame: FrameRef) -> u32 {
        let Some(next) = self.next.get_mut(usize::from(frame.file())) else { return 0 };
        let number = *next;
        *next = next.saturating_add(1);
        number
    }
}

/// Bytes for reading runs, all together.
const BUFFERS: usize = 16 << 20;

/// Bytes for reading one run at least.
const MIN_BUFFER: usize = 4 << 10;

/// Bytes for reading one run at most.
const MAX_BUFFER: usize = 256 << 10;
