//! Clocks undone, and calls over time.

use super::super::document::Bucket;
use crate::capture::CaptureIndex;
use crate::correlate::{ClockModel, Correlated};
use crate::time::{TimeDelta, Timestamp};

/// A capture's stamp on the reference clock.
pub(super) fn of_capture(correlated: &Correlated, capture: CaptureIndex, time: Timestamp) -> Timestamp {
    time - ahead(correlated.capture_clocks.get(usize::from(capture.0)), time)
}

/// A log's stamp on the reference clock.
pub(super) fn of_log(correlated: &Correlated, log: u32, time: Timestamp) -> Timestamp {
    time - ahead(correlated.log_clocks.get(log as usize), time)
}

/// What to take off the stamps of a clock. The estimate of a clock that is right holds the time that a program takes
/// to write its line: taken off, it would put the line before the packet that caused it.
fn ahead(clock: Option<&ClockModel>, time: Timestamp) -> TimeDelta {
    let offset = clock.and_then(|c| c.ahead_at(time)).unwrap_or_default();
    if offset.abs() < LEAST_OFFSET { TimeDelta::default() } else { offset }
}

/// Offsets below this are not told from the time that it takes to write a line.
const LEAST_OFFSET: TimeDelta = TimeDelta::from_millis(10);

/// Counts over time in at most [`BUCKETS`] spans of a round width, with that width in seconds; empty spans left out.
pub(super) fn histogram(times: impl Iterator<Item = Timestamp> + Clone) -> (Vec<Bucket>, u64) {
    let (Some(first), Some(last)) = (times.clone().min(), times.clone().max()) else {
        return (Vec::new(), WIDTHS[0]);
    };
    let span = (last - first).0 / 1_000_000_000 / BUCKETS;
    let width = WIDTHS.into_iter().find(|w| *w as i64 > span).unwrap_or(span as u64 + 1);
    let mut counts = std::collections::BTreeMap::<i64, u64>::new();
    for time in times {
        *counts.entry(time.0.div_euclid(1_000_000_000).div_euclid(width as i64)).or_default() += 1;
    }
    let bucket = |(n, count): (i64, u64)| {
        let time = Timestamp(0) + TimeDelta::from_secs(n.saturating_mul(width as i64));
        Bucket { time: time.to_string(), count }
    };
    (counts.into_iter().map(bucket).collect(), width)
}

/// Spans of a histogram at most: columns of a narrow terminal.
const BUCKETS: i64 = 60;

/// Widths that people count in, in seconds.
const WIDTHS: [u64; 14] = [1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21_600, 86_400];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_has_round_spans_and_every_call() {
        let at = |s: i64| Timestamp(s * 1_000_000_000 + 5);
        let (buckets, width) = histogram([at(0), at(0), at(3), at(59)].into_iter());
        assert_eq!((width, buckets.len()), (1, 3));
        assert_eq!(buckets[0], Bucket { time: "1970-01-01T00:00:00.000000000Z".to_owned(), count: 2 });
        let (buckets, width) = histogram((0..1000).map(|n| at(n * 60)));
        assert_eq!(width, 1800);
        assert_eq!(buckets.iter().map(|b| b.count).sum::<u64>(), 1000);
        let (_, width) = histogram([Timestamp(i64::MIN), Timestamp(i64::MAX)].into_iter());
        assert!(width > 86_400);
        assert!(histogram(std::iter::empty()).0.is_empty());
    }
}
