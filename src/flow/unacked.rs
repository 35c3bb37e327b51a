//! Segments of one side that are not acknowledged yet, as `tcp.analysis.rto` needs them.
//!
//! Wireshark keeps all of them; four are enough here, since only the eldest is asked for: past that the newest takes in
//! what follows, and keeps the time of its first segment.

use super::codec::{Codec, Coded};
use super::seq::Seq;
use crate::time::{TimeDelta, Timestamp};

/// In the order in which they were sent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Unacked {
    segments: [Sent; REMEMBERED],
    count: u8,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sent {
    /// First number behind it.
    end: Seq,
    time: Timestamp,
}

impl Unacked {
    /// A segment that ends before `end`.
    pub(super) fn send(&mut self, end: Seq, time: Timestamp) {
        let count = usize::from(self.count);
        if let Some(place) = self.segments.get_mut(count) {
            *place = Sent { end, time };
            self.count += 1;
        } else if let Some(last) = self.segments.last_mut()
            && end.after(last.end)
        {
            last.end = end;
        }
    }

    /// The other side has acknowledged what lies before `ack`.
    pub(super) fn acknowledge(&mut self, ack: Seq) {
        while self.count > 0 && !self.segments[0].end.after(ack) {
            let [_, a, b, c] = self.segments;
            self.segments = [a, b, c, Sent::default()];
            self.count -= 1;
        }
    }

    /// How long ago the eldest was sent.
    pub(super) fn age(&self, now: Timestamp) -> Option<TimeDelta> {
        (self.count > 0).then(|| now - self.segments[0].time)
    }
}

impl Coded for Unacked {
    fn code<C: Codec>(&mut self, codec: &mut C) {
        self.count.code(codec);
        self.count = self.count.min(REMEMBERED as u8);
        for segment in self.segments.iter_mut().take(usize::from(self.count)) {
            segment.end.code(codec);
            segment.time.code(codec);
        }
    }
}

/// Segments told apart.
const REMEMBERED: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_eldest_is_known_however_many_there_are() {
        let mut unacked = Unacked::default();
        assert_eq!(unacked.age(Timestamp(9)), None);
        for n in 0..20 {
            unacked.send(Seq(u32::MAX - 5).plus(n), Timestamp(i64::from(n)));
        }
        assert_eq!(unacked.age(Timestamp(20)), Some(TimeDelta(20)));
        unacked.acknowledge(Seq(u32::MAX - 5).plus(1));
        assert_eq!(unacked.age(Timestamp(20)), Some(TimeDelta(18)));
        unacked.acknowledge(Seq(u32::MAX - 5).plus(18));
        assert_eq!(unacked.age(Timestamp(20)), Some(TimeDelta(17)), "the rest are one");
        unacked.acknowledge(Seq(u32::MAX - 5).plus(19));
        assert_eq!(unacked.age(Timestamp(20)), None);
    }
}
