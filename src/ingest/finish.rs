//! Counts over a whole capture, and the order of its flows.

use std::collections::BTreeSet;
use std::hash::BuildHasher as _;
use std::ops::Range;

use foldhash::fast::FixedState;

use super::holes::Files;
use super::merge::{self, Merged};
use super::neighbors::Neighbors;
use super::{CaptureReport, Ingested};
use crate::capture::{CaptureIndex, CaptureSet, Interface, LinkType, Window};
use crate::error::{Place, Weirds};
use crate::flow::{ShardEnd, Totals};
use crate::time::{TimeDelta, Timestamp};

/// What is counted over all frames of a capture.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) problems: Weirds,
    pub(super) neighbors: Neighbors,
    /// Packets that are encrypted as a whole.
    pub(super) encrypted: u64,
    link_types: Vec<LinkType>,
    /// Names and filters of the interfaces.
    pub(super) interfaces: BTreeSet<String>,
    pub(super) filters: BTreeSet<String>,
    /// Frames that they dropped, where files say so.
    drops: Option<u64>,
    /// Earliest and latest frame.
    span: Option<(Timestamp, Timestamp)>,
    /// First and last frame of the file, as they stand in it.
    ends: Option<(Timestamp, Timestamp)>,
    /// Longest time between two frames of the file.
    silence: TimeDelta,
    files: Files,
    frames: u64,
    /// Sum of what tells each frame from others.
    digest: u64,
    snaplen_cut: u64,
    backwards: u64,
}

/// What copies of a capture have in common, in whatever files and format: how many frames, and a digest of them.
pub(super) type Print = (u64, u64);

impl Tally {
    /// None of a capture without frames.
    pub(super) fn print(&self) -> Option<Print> {
        (self.frames > 0).then_some((self.frames, self.digest))
    }

    /// Counts the frames of `range`, the first that this tally sees.
    pub(super) fn frames(&mut self, window: &Window, range: Range<usize>) {
        let digest = |n: usize| {
            let (header, bytes) = (&window.frames[n], window.frame(n));
            let head = &bytes[..bytes.len().min(HEAD)];
            FixedState::default().hash_one((header.time, header.captured, header.length, head))
        };
        self.digest = range.clone().map(digest).fold(0, u64::wrapping_add);
        let frames = &window.frames[range];
        let (Some(first), Some(last)) = (frames.first(), frames.last()) else { return };
        self.ends = Some((first.time, last.time));
        self.frames = frames.len() as u64;
        let (mut earliest, mut latest, mut previous) = (first.time, first.time, first.time);
        for header in frames {
            self.snaplen_cut += u64::from(header.captured < header.length);
            self.backwards += u64::from(header.time < previous);
            self.silence = self.silence.max(header.time - previous);
            previous = header.time;
            earliest = earliest.min(previous);
            latest = latest.max(previous);
            if self.link_types.last() != Some(&header.link_type)
                && !self.link_types.contains(&header.link_type)
            {
                self.link_types.push(header.link_type);
            }
        }
        self.span = Some((earliest, latest));
    }

    /// Takes over the counts of the next run of frames, and empties them.
    pub(super) fn add(&mut self, next: &mut Self) {
        let next = std::mem::take(next);
        let steps_back = |a: (_, Timestamp), b: (Timestamp, _)| b.0 < a.1;
        self.backwards += u64::from(self.ends.zip(next.ends).is_some_and(|(a, b)| steps_back(a, b)));
        let between = self.ends.zip(next.ends).map_or_else(TimeDelta::default, |(a, b)| b.0 - a.1);
        self.silence = self.silence.max(next.silence).max(between);
        self.ends = joined(self.ends, next.ends, |a, b| (a.0, b.1));
        self.span = joined(self.span, next.span, |a, b| (a.0.min(b.0), a.1.max(b.1)));
        self.frames += next.frames;
        self.digest = self.digest.wrapping_add(next.digest);
        self.snaplen_cut += next.snaplen_cut;
        self.backwards += next.backwards;
        for link_type in next.link_types {
            if !self.link_types.contains(&link_type) {
                self.link_types.push(link_type);
            }
        }
    }

    /// Takes what the interfaces of a file that is read dropped, and its number among those of the capture.
    pub(super) fn end_of_file(&mut self, interfaces: &[Interface], number: Option<u32>) {
        if let Some(ends) = self.ends.take() {
            self.files.end_of_file(ends, std::mem::take(&mut self.silence), number);
        } else {
            self.files.end_of_empty(number);
        }
        let dropped = interfaces.iter().filter_map(|i| i.drops);
        self.drops = self.drops.into_iter().chain(dropped).reduce(u64::saturating_add);
    }
}

/// What is known of two runs of frames together.
fn joined<T>(a: Option<T>, b: Option<T>, join: impl FnOnce(T, T) -> T) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(join(a, b)),
        (a, b) => a.or(b),
    }
}

/// Orders the flows, numbers the streams, and adds the capture to the whole.
pub(super) fn finish(
    index: CaptureIndex,
    set: CaptureSet,
    mut tally: Tally,
    ends: Vec<ShardEnd>,
    from: Option<Timestamp>,
    all: &mut Ingested,
) {
    let written = all.flows.spilled();
    // Wireshark counts streams from the first frame of the file: without that frame nobody knows their numbers
    let numbered = from.is_none_or(|from| tally.span.is_none_or(|(first, _)| first >= from));
    let merged = merge::merge(index, set.files.len(), numbered, ends, &mut all.flows);
    note_failures(&merged, all);
    let spilled = merged.spilled + all.flows.spilled() - written;
    all.neighbors.extend(std::mem::take(&mut tally.neighbors).facts());
    all.captures.push(report(set, tally, &merged.totals, spilled));
}

/// Says that records could not be written or read.
fn note_failures(merged: &Merged, all: &mut Ingested) {
    let failed = merged.failures.first().map(String::as_str).or(all.flows.failed());
    if let (Some(why), Some(report)) = (failed, all.inputs.last_mut()) {
        report.problems.loss("spill_failed", Place::Whole, || {
            format!(
                "flow records could not be kept in a temporary file ({why}): free space or raise --max-memory"
            )
        });
    }
}

fn report(set: CaptureSet, tally: Tally, totals: &Totals, spilled_bytes: u64) -> CaptureReport {
    CaptureReport {
        link_types: tally.link_types.iter().map(|l| l.name()).collect(),
        first: tally.span.map(|(first, _)| first),
        last: tally.span.map(|(_, last)| last),
        holes: tally.files.holes(),
        frames: tally.frames,
        drops: tally.drops,
        snaplen_cut: tally.snaplen_cut,
        encrypted: tally.encrypted,
        duplicates: totals.duplicates,
        ack_lost_segments: totals.ack_lost_segments,
        gap_bytes: totals.gap_bytes,
        backwards: tally.backwards,
        one_sided: if totals.tcp == 0 { 0.0 } else { totals.one_sided as f64 / totals.tcp as f64 },
        evicted: totals.evicted,
        flows: totals.flows,
        retransmissions: totals.retransmissions,
        spilled_bytes,
        interfaces: tally.interfaces,
        filters: tally.filters,
        set,
    }
}

/// Bytes of a frame that tell it from others of its time and length: the headers.
const HEAD: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::FrameHeader;

    #[test]
    fn steps_back_count_wherever_they_fall() {
        let frame = |n: i64| FrameHeader {
            time: Timestamp(n),
            offset: 0,
            captured: 0,
            length: 0,
            interface: 0,
            link_type: LinkType::RAW,
        };
        let times = [5, 6, 3, 4, 9, 9, 2];
        let window = Window { frames: times.map(frame).to_vec(), ..Window::default() };
        for cut in 0..=times.len() {
            let mut whole = Tally::default();
            for range in [0..cut, cut..times.len()] {
                let mut chunk = Tally::default();
                chunk.frames(&window, range);
                whole.add(&mut chunk);
            }
            let found = (whole.backwards, whole.span, whole.frames);
            assert_eq!(found, (2, Some((Timestamp(2), Timestamp(9))), 7), "cut at {cut}");
            assert_eq!(whole.silence, TimeDelta(5), "cut at {cut}");
        }
    }
}
