//! Application data as bursts: runs of one side's records until the other side sends some, or a second passes.
//!
//! Takes each piece of application data and each acknowledgment; keeps the first 8 bursts, the last 8, and those in
//! between that a pause of a second or more followed (at most 64), so that a request without an answer is found at any
//! time of a flow that lives for hours.

use std::collections::VecDeque;

use super::Burst;
use crate::flow::{Dir, Moment};
use crate::time::TimeDelta;

/// The bursts of one flow.
#[derive(Debug, Default)]
pub(super) struct Bursts {
    first: Vec<Open>,
    middle: Vec<Burst>,
    last: VecDeque<Open>,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    burst: Burst,
    /// Place after its last byte in the sender's stream.
    end: i64,
}

impl Bursts {
    /// `bytes` of `dir` that end at `end` of its stream.
    pub(super) fn data(&mut self, dir: Dir, bytes: u32, end: i64, at: Moment) {
        let current = if self.last.is_empty() { self.first.last_mut() } else { self.last.back_mut() };
        // What is as small as a control frame of HTTP/2 belongs with what follows at once, and with nothing later.
        let pause = |open: &Open| if open.burst.bytes <= CONTROL { SHORT_PAUSE } else { PAUSE };
        let goes_on =
            |open: &&mut Open| open.burst.dir == dir && at.time - open.burst.last.time < pause(open);
        if let Some(open) = current.filter(goes_on) {
            open.burst.bytes += u64::from(bytes);
            open.burst.last = open.burst.last.max(at);
            open.burst.acked = None;
            open.end = end;
            return;
        }
        let open =
            Open { burst: Burst { dir, first: at, last: at, bytes: u64::from(bytes), acked: None }, end };
        if self.first.len() < EDGE && self.last.is_empty() {
            self.first.push(open);
        } else {
            self.push_last(open);
        }
    }

    /// `by` acknowledged the other side's stream up to `offset`.
    pub(super) fn acked(&mut self, by: Dir, offset: i64, at: Moment) {
        let sent =
            self.last.iter_mut().rev().chain(self.first.iter_mut().rev()).filter(|o| o.burst.dir != by);
        for open in sent.take_while(|o| o.burst.acked.is_none()) {
            if open.end <= offset {
                open.burst.acked = Some(at);
            }
        }
    }

    /// The sides are the other way round.
    pub(super) fn swap(&mut self) {
        let open = self.first.iter_mut().chain(self.last.iter_mut()).map(|o| &mut o.burst);
        for burst in open.chain(self.middle.iter_mut()) {
            burst.dir = burst.dir.other();
        }
    }

    /// All that are kept, in order.
    pub(super) fn finish(self) -> Vec<Burst> {
        let mut all: Vec<Burst> = Vec::with_capacity(self.first.len() + self.middle.len() + self.last.len());
        all.extend(self.first.iter().map(|o| o.burst));
        all.extend(self.middle);
        all.extend(self.last.iter().map(|o| o.burst));
        all.sort_by_key(|b| (b.first, b.dir));
        all
    }

    fn push_last(&mut self, open: Open) {
        self.last.push_back(open);
        if self.last.len() <= EDGE {
            return;
        }
        let (Some(oldest), Some(next)) = (self.last.pop_front(), self.last.front()) else { return };
        if next.burst.first.time - oldest.burst.last.time >= PAUSE && self.middle.len() < MIDDLE {
            self.middle.push(oldest.burst);
        }
    }
}

/// Bursts kept at either end of a flow.
const EDGE: usize = 8;
/// Bursts kept in between.
const MIDDLE: usize = 64;
/// `RST_STREAM` and PING in one record.
const CONTROL: u64 = 52;
/// A pause that ends a burst of so little.
const SHORT_PAUSE: TimeDelta = TimeDelta::from_millis(50);
/// A pause that ends a burst, and that is worth keeping the burst before it.
const PAUSE: TimeDelta = TimeDelta::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    #[test]
    fn a_control_frame_ends_its_burst_sooner_than_a_request() {
        let mut bursts = Bursts::default();
        for (ms, bytes) in [(0, 900), (700, 400), (2000, 35), (2300, 42), (2301, 900)] {
            let at = Moment { time: Timestamp(ms * 1_000_000), ..Moment::default() };
            bursts.data(Dir::Orig, bytes, 0, at);
        }
        assert_eq!(bursts.finish().iter().map(|b| b.bytes).collect::<Vec<_>>(), [1300, 35, 942]);
    }
}
