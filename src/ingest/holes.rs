//! Where a file of a rotated capture is missing: silence between two files, far longer than any within one.

use crate::time::{TimeDelta, Timestamp};

/// The files of a capture while they are read: where each begins and ends, and the longest silence within any.
#[derive(Default)]
pub(super) struct Files {
    spans: Vec<(Timestamp, Timestamp)>,
    silence: TimeDelta,
}

impl Files {
    /// Takes a file that was read: first and last frame as they stand in it, and the longest time between two frames.
    pub(super) fn end_of_file(&mut self, ends: (Timestamp, Timestamp), silence: TimeDelta) {
        self.spans.push(ends);
        self.silence = self.silence.max(silence);
    }

    /// Spans without a frame that a missing file explains, in order of time.
    ///
    /// A capture of little traffic is silent between files as it is within them, and as often: only what is far
    /// longer than either is a hole.
    pub(super) fn holes(&self) -> Vec<(Timestamp, Timestamp)> {
        let between = self.spans.windows(2).map(|pair| (pair[0].1, pair[1].0));
        let between: Vec<_> = between.filter(|(last, first)| last < first).collect();
        let mut lengths: Vec<TimeDelta> = between.iter().map(|(last, first)| *first - *last).collect();
        lengths.sort_unstable();
        let usual =
            if self.spans.len() > 2 { lengths.get(lengths.len().saturating_sub(1) / 4) } else { None };
        let usual = self.silence.max(usual.copied().unwrap_or_default());
        let least = MIN_HOLE.max(usual + usual);
        between.into_iter().filter(|(last, first)| *first - *last > least).collect()
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
            all.end_of_file((at(*first), at(*last)), TimeDelta::from_secs(silence));
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
}
