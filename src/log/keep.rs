//! Which failures are kept of all logs together.
//!
//! Takes the failures of each file, piece by piece and from any thread; keeps the first ones of each, up to a share that
//! is the same for every file: the largest with which all of them fit. So a log of nothing but failures takes nothing from
//! one that tells of a few, and what is kept depends on what the files hold and not on which was read first. What lies
//! beyond is counted. Never looks at what a failure is.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::read::Hit;
use crate::bundle::{InputReport, SourceIndex};
use crate::error::Place;

/// What the failures of all logs together may weigh: some 900,000 of 500 bytes of text. Memory for those that all
/// differ; equal ones share most of it.
pub(super) const MOST: usize = 3 << 29;
/// What a failure takes besides its texts where no other is like it: its fields, names and places.
const EACH: usize = 1 << 10;
/// Bytes of unrecognised lines that all files together may show.
const UNRECOGNISED: usize = 64 << 20;
/// How far all may weigh more than they may in the end, as a part of that, before shares are made smaller: each time all
/// files are looked at.
const SLACK: usize = 16;

/// The failures of all files while those are read.
#[derive(Debug)]
pub(super) struct Keep {
    most: usize,
    /// Bytes of unrecognised lines that each file may show.
    pub(super) unrecognised: usize,
    all: Mutex<All>,
}

#[derive(Debug)]
struct All {
    /// What those of one file may weigh.
    share: usize,
    /// What those of all files weigh.
    weight: usize,
    files: BTreeMap<SourceIndex, Kept>,
}

/// The first failures of a file.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// In file order, as they were found: many short lists, each with its weight, so that each can go when it is worked off.
    pieces: Vec<(usize, Vec<Hit>)>,
    weight: usize,
    /// How many were left out behind them, and the line of the first.
    left_out: u64,
    left_out_from: u64,
}

impl Keep {
    /// For so many files.
    pub(super) fn new(most: usize, files: usize) -> Self {
        let unrecognised = UNRECOGNISED / files.max(1);
        Self {
            most,
            unrecognised,
            all: Mutex::new(All { share: usize::MAX, weight: 0, files: BTreeMap::new() }),
        }
    }

    /// Takes the next failures of a file.
    pub(super) fn add(&self, source: SourceIndex, hits: Vec<Hit>) {
        if hits.is_empty() {
            return;
        }
        let weight = hits.iter().map(weight).sum();
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let share = all.share;
        let kept = all.files.entry(source).or_default();
        let before = kept.weight;
        kept.add(weight, hits);
        kept.cut(share);
        let after = kept.weight;
        all.weight = all.weight - before + after;
        if all.weight > self.most.saturating_add(self.most / SLACK) {
            all.level(self.most);
        }
    }

    /// What is kept of each file, once all were read.
    pub(super) fn finish(self) -> BTreeMap<SourceIndex, Kept> {
        let mut all = self.all.into_inner().unwrap_or_else(PoisonError::into_inner);
        all.level(self.most);
        all.files
    }
}

impl All {
    /// Makes the shares so small that all fit.
    fn level(&mut self, most: usize) {
        let wanted = |kept: &Kept| if kept.left_out > 0 { self.share } else { kept.weight };
        let wanted: Vec<usize> = self.files.values().map(wanted).collect();
        self.share = self.share.min(share(wanted, most));
        for kept in self.files.values_mut() {
            kept.cut(self.share);
        }
        self.weight = self.files.values().map(|kept| kept.weight).sum();
    }
}

/// The largest share with which all fit, where each takes what it wants up to that share.
fn share(mut wanted: Vec<usize>, most: usize) -> usize {
    wanted.sort_unstable();
    let mut left = most;
    for (n, want) in wanted.iter().enumerate() {
        let each = left / (wanted.len() - n);
        if *want > each {
            return each;
        }
        left -= want;
    }
    usize::MAX
}

/// What a failure weighs: its texts are those of the lines and of its fields, of which several may be as long.
fn weight(hit: &Hit) -> usize {
    EACH + hit.text_bytes()
}

impl Kept {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.pieces.iter().map(|(_, hits)| hits.len()).sum()
    }

    fn add(&mut self, weight: usize, mut hits: Vec<Hit>) {
        if self.left_out > 0 {
            self.left_out += hits.len() as u64;
            return;
        }
        hits.shrink_to_fit();
        self.weight += weight;
        self.pieces.push((weight, hits));
    }

    /// Leaves out the last ones until the others weigh no more than `share`.
    fn cut(&mut self, share: usize) {
        while self.weight > share {
            let Some((of_piece, hits)) = self.pieces.last_mut() else { return };
            let Some(hit) = hits.pop() else {
                self.pieces.pop();
                continue;
            };
            let weight = weight(&hit);
            *of_piece -= weight;
            self.weight -= weight;
            self.left_out += 1;
            self.left_out_from = hit.lines.first().map_or(0, |line| line.number);
        }
    }

    /// Says in the report on the file what was left out.
    pub(super) fn say(&self, input: &mut InputReport) {
        if self.left_out > 0 {
            let from = Place::Line(self.left_out_from);
            input.problems.add("failures_left_out", from, self.left_out, true, || {
                format!(
                    "only the first {} failures are kept, those of all logs being more than memory is meant to hold: \
                     read fewer logs at once, or a log in parts",
                    self.len()
                )
            });
        }
    }

    /// The failures of lines between `from` and `to`, both left out, then those that go `across` the end of the file.
    pub(super) fn into_hits(self, from: u64, to: u64, across: Vec<Hit>) -> impl Iterator<Item = Hit> {
        let inside = move |hit: &Hit| hit.lines.first().is_none_or(|l| l.number > from && l.number < to);
        let across = if self.left_out > 0 { Vec::new() } else { across };
        self.pieces.into_iter().flat_map(|(_, hits)| hits).filter(inside).chain(across)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::EventSet;
    use crate::log::scan;

    /// A failure in a line of this number; its text has at least so many bytes.
    fn hit(number: u64, bytes: usize) -> Hit {
        let text = format!(
            "E1121 02:00:00.500000    7 x.go:2] dial tcp 10.0.0.1:443: connect: connection refused {}",
            "x".repeat(bytes)
        );
        let mut hit = scan::whole(text.as_bytes(), SourceIndex(0), &EventSet::builtin()).hits.remove(0);
        hit.lines[0].number = number;
        hit
    }

    /// Of each file the lines that are kept, and how many were left out from which line on.
    fn kept(most: usize, arriving: &[(u32, u64)]) -> Vec<(u32, usize, u64, u64)> {
        let keep = Keep::new(most, 3);
        let mut next = BTreeMap::new();
        for (file, count) in arriving {
            let from: &mut u64 = next.entry(file).or_default();
            keep.add(SourceIndex(*file), (*from + 1..=*from + count).map(|n| hit(n, 0)).collect());
            *from += count;
            let all = keep.all.lock().unwrap();
            assert!(all.weight <= most + most / SLACK, "{} of {most}", all.weight);
        }
        let files = keep.finish();
        assert!(files.values().map(|k| k.weight).sum::<usize>() <= most);
        let told = |(source, kept): (SourceIndex, Kept)| {
            let (left_out, from, len) = (kept.left_out, kept.left_out_from, kept.len());
            let lines: Vec<u64> =
                kept.into_hits(0, u64::MAX, Vec::new()).map(|h| h.lines[0].number).collect();
            assert_eq!(lines, (1..=len as u64).collect::<Vec<_>>(), "the first ones");
            (source.0, len, left_out, from)
        };
        files.into_iter().map(told).collect()
    }

    #[test]
    fn what_is_kept_does_not_depend_on_what_is_read_first() {
        let most = 20 * weight(&hit(1, 0)) + 5;
        let one_by_one = |file, count| vec![(file, 1); count];
        let (few, many, more) = (one_by_one(0, 3), one_by_one(1, 12), one_by_one(2, 40));
        let want = [(0, 3, 0, 0), (1, 8, 4, 9), (2, 8, 32, 9)];
        for order in [[&few, &many, &more], [&more, &many, &few], [&many, &few, &more], [&more, &few, &many]]
        {
            assert_eq!(kept(most, &order.map(Vec::as_slice).concat()), want, "{order:?}");
        }
        let mut mixed = Vec::new();
        for n in 0..40 {
            mixed.extend(few.get(n).into_iter().chain(more.get(n)).chain(many.get(n)));
        }
        assert_eq!(kept(most, &mixed), want);
        assert_eq!(kept(most, &[(2, 40), (0, 2), (1, 12), (0, 1)]), want, "in larger pieces");
    }

    /// As many as are analysed fit, be their lines four times as long as usual; allocators and the analysis add as much again
    /// to what is kept at most, and all of it is less than 3 GB (THREATS.md).
    #[test]
    fn a_storm_fits_and_endless_texts_do_not() {
        let (usual, most) = (weight(&hit(1, 2000)), MOST + MOST / SLACK);
        assert!(300_000 * usual <= MOST, "{usual} bytes each");
        assert!(most <= 1_800_000_000, "{most} bytes");
    }

    #[test]
    fn every_text_of_a_failure_weighs() {
        let line = |url: &str, reason: &str| {
            format!(
                "W1121 02:00:05.000001       7 dispatcher.go:225] Failed calling webhook, failing closed a.example: failed calling webhook \"a.example\": failed to call webhook: Post \"https://h.ns.svc:443/{url}?timeout=10s\": {reason}"
            )
        };
        let weight_of = |text: String| {
            let hits = scan::whole(text.as_bytes(), SourceIndex(0), &EventSet::builtin()).hits;
            weight(hits.first().unwrap())
        };
        let refused = "dial tcp 10.0.0.2:443: connect: connection refused";
        let long = "x".repeat(12_000);
        let (short_url, long_url) = (weight_of(line("v", refused)), weight_of(line(&long, refused)));
        assert!(
            long_url > short_url + 7_000 + 12_000 - 500,
            "{long_url} {short_url}: the line, and the URL in it"
        );
        let names = |names| {
            format!("tls: failed to verify certificate: x509: certificate is valid for {names}, not h.ns.svc")
        };
        let long_names = weight_of(line("v", &names(&long)));
        assert!(
            long_names > short_url + 7_000 + 3 * 12_000 - 500,
            "{long_names}: reason, x509 and the names"
        );
    }

    #[test]
    fn all_are_kept_that_fit_and_nothing_behind_what_does_not() {
        let each = weight(&hit(1, 0));
        assert_eq!(kept(20 * each, &[(0, 9), (1, 11)]), [(0, 9, 0, 0), (1, 11, 0, 0)]);
        assert_eq!(kept(20 * each, &[(0, 20), (1, 1)]), [(0, 19, 1, 20), (1, 1, 0, 0)]);
        let keep = Keep::new(3 * each, 1);
        keep.add(SourceIndex(0), vec![hit(1, 0), hit(2, 5000), hit(3, 0)]);
        keep.add(SourceIndex(0), vec![hit(4, 0)]);
        let kept = keep.finish().remove(&SourceIndex(0)).unwrap();
        assert_eq!((kept.len(), kept.left_out, kept.left_out_from), (1, 3, 2));
    }
}
