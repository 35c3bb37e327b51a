//! Which captures were running at a time, without a look at each: a bundle may hold as many captures as calls.
//!
//! Takes the spans and holes of captures on the reference clock; gives captures that may have been running, for the caller
//! to hold against their own clocks. What many captures and many calls together would cost is bounded.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};

use super::clocks::{Clocks, MARGIN};
use super::steps::step;
use super::{Anomaly, World, anomalies};
use crate::capture::CaptureIndex;
use crate::time::{TimeDelta, Timestamp};

/// When captures were running, and when files of theirs are missing.
pub(super) struct Spanning {
    whole: Intervals,
    holes: Intervals,
    /// Captures that may still be looked at, each beside some call.
    left: AtomicU64,
    /// Calls beside which not all were.
    cut: AtomicU64,
}

/// Times from and to which captures have something, in order of the first, and the latest second one up to each.
#[derive(Default)]
struct Intervals {
    of: Vec<(Timestamp, Timestamp, usize)>,
    latest: Vec<Timestamp>,
}

impl Spanning {
    pub(super) fn new(world: &World, clocks: &Clocks) -> Self {
        let captures = || world.wire.captures.iter().enumerate();
        let here = |n: usize, time| clocks.of_capture(CaptureIndex(n as u16), time);
        let whole = captures().filter_map(|(n, c)| {
            let (first, last) = c.first.zip(c.last)?;
            Some((here(n, first) - MARGIN, here(n, last) + TAIL + MARGIN, n))
        });
        let holes = captures().flat_map(|(n, c)| {
            c.holes.iter().map(move |(from, to)| (here(n, *from) - MARGIN, here(n, *to) + MARGIN, n))
        });
        Self {
            whole: Intervals::new(whole.collect()),
            holes: Intervals::new(holes.collect()),
            left: AtomicU64::new(MAX_LOOKED_AT),
            cut: AtomicU64::new(0),
        }
    }

    /// Captures that may have been running from the one to the other of these times, or to a second before it.
    pub(super) fn over(&self, from: Timestamp, to: Timestamp) -> Vec<usize> {
        let mut all = Vec::new();
        self.each_over(from, to, |n| {
            all.push(n);
            ControlFlow::Continue(())
        });
        all
    }

    /// The same one by one, as long as the caller goes on.
    pub(super) fn each_over(
        &self,
        from: Timestamp,
        to: Timestamp,
        visit: impl FnMut(usize) -> ControlFlow<()>,
    ) {
        self.bounded(self.whole.over(from, to), visit);
    }

    /// Whether a capture that may have a hole between these times has one.
    pub(super) fn any_hole(
        &self,
        from: Timestamp,
        to: Timestamp,
        mut has: impl FnMut(usize) -> bool,
    ) -> bool {
        let mut any = false;
        self.bounded(self.holes.over(to, from), |n| {
            any = has(n);
            if any { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        any
    }

    fn bounded(
        &self,
        found: impl Iterator<Item = Option<usize>>,
        mut visit: impl FnMut(usize) -> ControlFlow<()>,
    ) {
        let left = self.left.load(Ordering::Relaxed);
        let mut seen = 0;
        for n in found {
            if left == 0 && seen >= FEW {
                self.cut.fetch_add(1, Ordering::Relaxed);
                break;
            }
            step();
            seen += 1;
            if n.is_some_and(|n| visit(n).is_break()) {
                break;
            }
        }
        self.left.store(left.saturating_sub(seen), Ordering::Relaxed);
    }

    /// The bound, where it was reached.
    pub(super) fn reached(&self) -> Option<Anomaly> {
        let cut = self.cut.load(Ordering::Relaxed);
        anomalies::reached("limit_captures_of_calls", cut, || {
            format!(
                "beside {cut} calls only {FEW} captures of their time were looked at: there are too many of both"
            )
        })
    }
}

impl Intervals {
    fn new(mut of: Vec<(Timestamp, Timestamp, usize)>) -> Self {
        of.sort_unstable();
        let latest = of.iter().scan(None, |latest: &mut Option<Timestamp>, (_, to, _)| {
            *latest = Some(latest.map_or(*to, |l| l.max(*to)));
            *latest
        });
        Self { latest: latest.collect(), of }
    }

    /// Those that begin before the first and end after the second of two times, and nothing for each other that is met
    /// on the way.
    fn over(&self, from: Timestamp, to: Timestamp) -> impl Iterator<Item = Option<usize>> {
        let begun = self.of.partition_point(|(start, ..)| *start <= from);
        let met = self.of.iter().zip(&self.latest).take(begun).rev();
        let met = met.take_while(move |(_, latest)| **latest >= to);
        met.map(move |((_, end, n), _)| (*end >= to).then_some(*n))
    }
}

/// A capture reaches to a line that is written this long after its last packet.
const TAIL: TimeDelta = TimeDelta::from_secs(1);

/// Captures that are looked at beside calls, all in all: a thousand captures beside four thousand calls.
const MAX_LOOKED_AT: u64 = 1 << 22;

/// Those that are looked at beside each call when so many were.
const FEW: u64 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_running_is_found_as_if_each_was_looked_at() {
        let at = |s: i64| Timestamp::default() + TimeDelta::from_secs(s);
        let spans: Vec<_> =
            (0..40).map(|n| (at(n * 7 % 40), at(n * 7 % 40 + n * 11 % 23), n as usize)).collect();
        let intervals = Intervals::new(spans.clone());
        for (from, to) in (-2..45).flat_map(|from| [(from, from), (from, from + 5), (from + 5, from)]) {
            let mut found: Vec<usize> = intervals.over(at(from), at(to)).flatten().collect();
            found.sort_unstable();
            let each = spans.iter().filter(|(start, end, _)| *start <= at(from) && *end >= at(to));
            assert_eq!(found, each.map(|s| s.2).collect::<Vec<_>>(), "{from} {to}");
        }
    }

    #[test]
    fn many_captures_beside_many_calls_are_bounded_and_said() {
        let at = Timestamp::default();
        let whole = Intervals::new((0..100).map(|n| (at, at, n)).collect());
        let (left, cut) = (AtomicU64::new(250), AtomicU64::new(0));
        let spanning = Spanning { whole, holes: Intervals::default(), left, cut };
        let found = |_| spanning.over(at, at).len();
        assert_eq!((0..5).map(found).collect::<Vec<_>>(), [100, 100, 100, 16, 16]);
        assert_eq!(spanning.reached().map(|a| a.count), Some(2));
    }
}
