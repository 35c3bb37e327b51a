//! Where a file of a rotated capture is missing: its number is left out, or the silence between two files is far longer
//! than any within one.

use std::collections::BTreeSet;

use crate::time::{TimeDelta, Timestamp};

/// The files of a capture while they are read: where each begins and ends, and the longest silence within any.
#[derive(Default)]
pub(super) struct Files {
    spans: Vec<(Timestamp, Timestamp)>,
    /// What tcpdump or dumpcap numbered each as.
    numbers: Vec<Option<u32>>,
    /// The numbers of files without a frame.
    empty: BTreeSet<u32>,
    silence: TimeDelta,
}

impl Files {
    /// Takes a file that was read: first and last frame as they stand in it, the longest time between two frames, and its
    /// number.
    pub(super) fn end_of_file(
        &mut self,
        ends: (Timestamp, Timestamp),
        silence: TimeDelta,
        number: Option<u32>,
    ) {
        self.spans.push(ends);
        self.numbers.push(number);
        self.silence = self.silence.max(silence);
    }

    /// Takes a file that has no frame.
    pub(super) fn end_of_empty(&mut self, number: Option<u32>) {
        self.empty.extend(number);
    }

    /// Spans without a frame that a missing file explains, in order of time: where a number is left out, and where the
    /// capture is silent for too long.
    ///
    /// A capture of little traffic is silent between files as it is within them, and as often: only what is far
    /// longer than either is a hole.
    pub(super) fn holes(&self) -> Vec<(Timestamp, Timestamp)> {
        let skips = self.numbers.windows(2).map(|pair| {
            let (before, after) = (pair[0], pair[1]);
            before.zip(after).is_some_and(|(before, after)| {
                let between = before.saturating_add(1)..after;
                !between.is_empty() && self.empty.range(between.clone()).count() < between.len()
            })
        });
        let between = self.spans.windows(2).map(|pair| (pair[0].1, pair[1].0)).zip(skips);
        let between: Vec<_> = between.filter(|((last, first), _)| last < first).collect();
        let mut lengths: Vec<TimeDelta> = between.iter().map(|((last, first), _)| *first - *last).collect();
        lengths.sort_unstable();
        let usual =
            if self.spans.len() > 2 { lengths.get(lengths.len().saturating_sub(1) / 4) } else { None };
        let usual = self.silence.max(usual.copied().unwrap_or_default());
        let least = MIN_HOLE.max(usual + usual);
        let holes = between.into_iter().filter(|((last, first), skips)| *skips || *first - *last > least);
        holes.map(|(between, _)| between).collect()
    }
}

/// The next dial of a call that was sent again is a second away: less hides nothing.
const MIN_HOLE: TimeDelta = TimeDelta::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    /// Holes between files, each from its first to its last second, with the longest silence within them.
    fn holes(files: &[(i64, i64)], silence: i64) -> Vec<(i64, i64)> {
        let at = |second: i64| Timestamp(second * 1_000_000_000);
        let mut all = Files::default();
        for (first, last) in files {
            all.end_of_file((at(*first), at(*last)), TimeDelta::from_secs(silence), None);
        }
        let seconds = |t: Timestamp| t.0 / 1_000_000_000;
        all.holes().into_iter().map(|(from, to)| (seconds(from), seconds(to))).collect()
    }

    #[test]
    fn a_hole_is_far_longer_than_what_is_usual() {
        assert_eq!(holes(&[(0, 10), (10, 20), (20, 30)], 1), []);
        assert_eq!(holes(&[(0, 10), (11, 20), (32, 40)], 1), [(20, 32)]);
        assert_eq!(
            holes(&[(0, 10), (20, 30)], 1),
            [(10, 20)],
            "two files: nothing to compare with but silence within"
        );
        assert_eq!(holes(&[(0, 10), (20, 30)], 5), [], "the capture is silent as long within a file");
        assert_eq!(
            holes(&[(0, 1), (60, 61), (120, 121), (180, 181)], 1),
            [],
            "calls once a minute, a file for each"
        );
        assert_eq!(
            holes(&[(0, 1), (60, 61), (240, 241), (300, 301)], 1),
            [(61, 240)],
            "one of them is missing"
        );
        assert_eq!(holes(&[(0, 10), (5, 20), (20, 30)], 1), [], "files that overlap");
        assert_eq!(holes(&[(0, 10)], 1), []);
        assert_eq!(holes(&[], 0), []);
    }

    #[test]
    fn a_number_that_is_left_out_is_a_hole_however_short() {
        let at = |tenths: i64| Timestamp(tenths * 100_000_000);
        let holes = |numbers: [u32; 3], empty: &[u32]| {
            let mut all = Files::default();
            for number in empty {
                all.end_of_empty(Some(*number));
            }
            for (n, number) in (0..).zip(numbers) {
                all.end_of_file((at(n * 10), at(n * 10 + 9)), TimeDelta::from_secs(1), Some(number));
            }
            all.holes()
        };
        assert_eq!(holes([0, 1, 3], &[]), [(at(19), at(20))]);
        assert_eq!(holes([0, 1, 3], &[2]), [], "nothing was to be captured meanwhile");
        assert_eq!(holes([0, 1, 4], &[2]), [(at(19), at(20))]);
        assert_eq!(holes([8, 9, 0], &[]), [], "a ring begins anew");
        assert_eq!(holes([3, 2, 1], &[]), [], "the newest is the first");
    }
}
