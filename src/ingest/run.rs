//! Reads every capture: one window is read while the one before is decoded and dealt to the shards.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use rayon::prelude::*;

use super::finish::{self, Print, Tally};
use super::keys::Keys;
use super::observer::AppObserver;
use super::opaque;
use super::room::Room;
use super::{Flows, IngestOptions, Ingested};
use crate::bundle::{InputReport, Source};
use crate::capture::{self, CaptureIndex, CaptureReader, CaptureSet, Window};
use crate::error::{Place, Weirds};
use crate::flow::{Shard, ShardOptions};
use crate::packet::fragments::Reassembler;
use crate::packet::{self, DecodeOptions, Kind, Packet, protocol};
use crate::time::Timestamp;
use crate::tls::KeyLog;

/// Reads all captures among `sources`; one after the other, each with all threads of the current rayon pool.
pub fn run(sources: &[Source], options: &IngestOptions) -> Ingested {
    run_at_most(MAX_CAPTURES, sources, options)
}

fn run_at_most(most: usize, sources: &[Source], options: &IngestOptions) -> Ingested {
    let records = share_of(options.max_memory, RECORD_SHARE);
    let mut all = Ingested { flows: Flows::with_limit(records), ..Ingested::default() };
    let mut keys = Keys::read(sources, &mut all.inputs);
    let (mut room, mut read) = (Room::default(), HashMap::new());
    for set in capture::group(sources) {
        let index = all.captures.len();
        let Some(index) = u16::try_from(index).ok().filter(|_| index < most).map(CaptureIndex) else {
            all.inputs.extend(set.files.iter().map(|file| left_out(&sources[file.0 as usize], most)));
            continue;
        };
        let fragments = super::reassembler(sources);
        Capture::new(index, set, options, (&mut keys, &mut room), fragments)
            .run(sources, &mut read, &mut all);
    }
    all
}

/// The report of a file that is beyond the limit on captures.
fn left_out(source: &Source, most: usize) -> InputReport {
    let mut report = InputReport::of(source);
    report.problems.loss("limit_captures", Place::Whole, || {
        format!("more than {most} captures, of which this one was not read; give fewer of them at once")
    });
    report
}

/// Forgets what a copy of a capture held, and says so.
fn leave_out_copy(copy: &CaptureSet, original: &str, all: &mut Ingested) {
    all.journals.retain(|(source, _)| !copy.files.contains(source));
    if let Some(report) = all.inputs.last_mut() {
        report.problems.note("capture_copy", Place::Whole, || {
            format!("the frames of {} are those of {original}: they are counted once", copy.name)
        });
    }
}

/// One capture while it is read.
struct Capture<'o> {
    index: CaptureIndex,
    set: CaptureSet,
    options: &'o IngestOptions,
    keys: &'o mut Keys,
    room: &'o mut Room,
    decode: DecodeOptions,
    shards: Vec<Shard<AppObserver>>,
    reassembler: Reassembler,
    chunks: Vec<Chunk>,
    tally: Tally,
}

/// The work on one run of frames: decoded, dealt, counted. Reused from window to window.
#[derive(Default)]
struct Chunk {
    dealt: Dealt,
    problems: Weirds,
    tally: Tally,
}

/// Packets by who takes them.
#[derive(Default)]
struct Dealt {
    shards: [Vec<Packet>; SHARDS],
    neighbors: Vec<Packet>,
    fragments: Vec<Packet>,
    opaque: Vec<Packet>,
}

impl<'o> Capture<'o> {
    fn new(
        index: CaptureIndex,
        set: CaptureSet,
        options: &'o IngestOptions,
        (keys, room): (&'o mut Keys, &'o mut Room),
        reassembler: Reassembler,
    ) -> Self {
        let shard = ShardOptions {
            capture: index,
            live_bytes: (share_of(options.max_memory, LIVE_SHARE) / SHARDS).max(MIN_LIVE_BYTES),
            record_bytes: share_of(options.max_memory, RECORD_SHARE) / SHARDS,
            shared_bytes: room.shared / SHARDS,
            several_files: set.files.len() > 1,
        };
        let mut capture = Self {
            index,
            set,
            options,
            keys,
            room,
            decode: DecodeOptions { vxlan_ports: options.vxlan_ports.clone() },
            shards: (0..SHARDS).map(|_| Shard::new(AppObserver::default(), shard)).collect(),
            reassembler,
            chunks: Vec::new(),
            tally: Tally::default(),
        };
        capture.use_keys(&capture.keys.log());
        capture
    }

    /// `read`: the names of captures that are read already. A copy of one is counted once: it is no second vantage point.
    fn run(mut self, sources: &[Source], read: &mut HashMap<Print, String>, all: &mut Ingested) {
        for (file, source) in self.set.files.clone().into_iter().enumerate() {
            let source = &sources[source.0 as usize];
            let mut report = InputReport::of(source);
            match source.open() {
                Ok(input) => {
                    self.read(capture::open(input, source.kind), file as u16, source, &mut report, all);
                }
                Err(error) => report.problems.loss("unreadable", Place::Whole, || source.unreadable(&error)),
            }
            all.inputs.push(report);
        }
        if let Some(report) = all.inputs.last_mut() {
            self.reassembler.finish(&mut report.problems);
        }
        if let Some(print) = self.tally.print() {
            match read.entry(print) {
                Entry::Occupied(original) => return leave_out_copy(&self.set, original.get(), all),
                Entry::Vacant(place) => _ = place.insert(self.set.name.clone()),
            }
        }
        self.room.questions -= self.tally.neighbors.len();
        let ends: Vec<_> = self.shards.into_par_iter().map(Shard::end).collect();
        self.room.shared -= ends.iter().map(|end| end.shared_bytes).sum::<usize>();
        finish::finish(self.index, self.set, self.tally, ends, self.options.from, all);
    }

    /// Reads one file to its end.
    fn read(
        &mut self,
        mut reader: CaptureReader,
        file: u16,
        source: &Source,
        report: &mut InputReport,
        all: &mut Ingested,
    ) {
        let (mut current, mut next) = (Window::default(), Window::default());
        let mut more = reader.fill(&mut current);
        while more {
            // Decryption secrets blocks stand before the frames that they open (pcapng, Decryption Secrets Block).
            if self.keys.are_behind(reader.tls_key_log()) {
                self.take_keys(reader.tls_key_log());
            }
            source.add_read(current.bytes.len() as u64);
            let work = || self.work(&mut current, file);
            (more, ()) = rayon::join(|| reader.fill(&mut next), work);
            std::mem::swap(&mut current, &mut next);
        }
        let mut summary = reader.finish();
        report.bytes = summary.bytes;
        report.frames = Some(summary.frames);
        report.problems.merge(summary.problems);
        report.problems.merge(std::mem::take(&mut self.tally.problems));
        for shard in &mut self.shards {
            report.problems.merge(shard.observer_mut().problems());
        }
        self.tally.end_of_file(&summary.interfaces, capture::number_of(&source.path));
        let texts = (&mut self.tally.interfaces, &mut self.tally.filters);
        self.room.interfaces(&summary.interfaces, texts, &mut report.problems);
        self.room.journal(&mut summary.journal_entries, &mut report.problems);
        self.keys.end_of_file();
        if !summary.journal_entries.is_empty() {
            all.journals.push((report.source, summary.journal_entries));
        }
    }

    /// Takes the secrets that are new in a file. The shards give back the log first, so that it grows where it is: a file
    /// may have a block of secrets for each window, and a copy each time would be quadratic.
    fn take_keys(&mut self, blocks: &str) {
        self.use_keys(&Arc::default());
        self.keys.take(blocks, &mut self.tally.problems);
        self.use_keys(&self.keys.log());
    }

    /// Hands secrets to the shards.
    fn use_keys(&mut self, log: &Arc<KeyLog>) {
        for shard in &mut self.shards {
            shard.observer_mut().use_keys(Arc::clone(log));
        }
    }

    /// Decodes a window in parallel chunks, does what crosses flows, and lets the shards take their packets.
    fn work(&mut self, window: &mut Window, file: u16) {
        let used = window.frames.len().div_ceil(CHUNK_FRAMES);
        self.chunks.resize_with(self.chunks.len().max(used), Chunk::default);
        let span = (self.options.from, self.options.to);
        let (shared, decode) = (&*window, &self.decode);
        self.chunks[..used].par_iter_mut().enumerate().for_each(|(n, chunk)| {
            let start = n * CHUNK_FRAMES;
            chunk.fill(shared, start..(start + CHUNK_FRAMES).min(shared.frames.len()), decode, span);
        });
        let chunks = &mut self.chunks[..used];
        if chunks.iter().any(|c| !c.dealt.fragments.is_empty()) {
            self.tally.problems.merge(defragment(&mut self.reassembler, window, &self.decode, chunks));
        } else {
            self.reassembler.pass_by(window);
        }
        for chunk in &mut *chunks {
            self.tally.add(&mut chunk.tally);
            self.tally.problems.merge(std::mem::take(&mut chunk.problems));
            let Tally { neighbors, problems, encrypted, .. } = &mut self.tally;
            let of = (self.index, file);
            neighbors.add(of, window, &chunk.dealt.neighbors, self.room.questions, problems);
            *encrypted += opaque::note(window, &chunk.dealt.opaque, problems);
        }
        let (window, chunks) = (&*window, &*chunks);
        self.shards.par_iter_mut().enumerate().for_each(|(n, shard)| {
            for chunk in chunks {
                shard.process(window, file, &chunk.dealt.shards[n]);
            }
        });
    }
}

impl Chunk {
    /// Decodes and deals the frames of `range`.
    fn fill(
        &mut self,
        window: &Window,
        range: std::ops::Range<usize>,
        options: &DecodeOptions,
        span: (Option<Timestamp>, Option<Timestamp>),
    ) {
        self.tally.frames(window, range.clone());
        self.dealt.clear();
        let is_inside = |packet: &Packet| {
            let time = window.frames[packet.frame as usize].time;
            span.0.is_none_or(|from| time >= from) && span.1.is_none_or(|to| time <= to)
        };
        packet::each_packet(window, range, options, &mut self.problems, |packet| {
            if span == (None, None) || is_inside(&packet) {
                self.dealt.take(packet);
            }
        });
    }
}

impl Dealt {
    fn clear(&mut self) {
        self.all().for_each(Vec::clear);
    }

    /// Takes a packet; ICMP that is no error is dropped.
    #[inline]
    fn take(&mut self, packet: Packet) {
        match packet.kind {
            Kind::Tcp | Kind::Udp | Kind::IcmpError => self.shards[shard_of(&packet)].push(packet),
            Kind::Neighbor => self.neighbors.push(packet),
            Kind::Fragment => self.fragments.push(packet),
            Kind::Opaque if matches!(packet.protocol, protocol::ICMP | protocol::ICMPV6) => {}
            Kind::Opaque => self.opaque.push(packet),
        }
    }

    fn all(&mut self) -> impl Iterator<Item = &mut Vec<Packet>> {
        self.shards.iter_mut().chain([&mut self.neighbors, &mut self.fragments, &mut self.opaque])
    }
}

/// The serial step for fragments: puts packets together in frame order and deals the window anew.
fn defragment(
    reassembler: &mut Reassembler,
    window: &mut Window,
    options: &DecodeOptions,
    chunks: &mut [Chunk],
) -> Weirds {
    let mut problems = Weirds::default();
    let dealt = chunks.iter_mut().flat_map(|chunk| chunk.dealt.all());
    let mut packets: Vec<Packet> = dealt.flat_map(|packets| packets.drain(..)).collect();
    packets.sort_unstable_by_key(|packet| packet.frame);
    reassembler.pass(window, options, &mut packets, &mut problems);
    if let Some(first) = chunks.first_mut() {
        for packet in packets {
            first.dealt.take(packet);
        }
    }
    problems
}

fn shard_of(packet: &Packet) -> usize {
    (packet.hash >> 28) as usize % SHARDS
}

/// Captures at most: what the 16 bits of a [`CaptureIndex`] can tell apart.
const MAX_CAPTURES: usize = 1 << 16;

/// Fixed, so that results never depend on the number of threads.
const SHARDS: usize = 16;

/// Frames decoded by one task (measured best on 1 to 2 MiB windows).
const CHUNK_FRAMES: usize = 1024;

/// Of `--max-memory`, the share in percent.
fn share_of(max_memory: u64, percent: u64) -> usize {
    usize::try_from(max_memory / 100 * percent).unwrap_or(usize::MAX)
}

/// Percent of `--max-memory` for live flows.
const LIVE_SHARE: u64 = 50;

/// Percent of `--max-memory` for records of ended flows, while a capture is read and once more when it is merged; the
/// rest is for windows, tables of what flows share, and the join.
const RECORD_SHARE: u64 = 16;

/// Live flows of a shard in bytes at least: a few dozen.
const MIN_LIVE_BYTES: usize = 128 << 10;

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::bundle::{self, Limits};
    use crate::ingest::replay;

    /// A pcap file of raw IP.
    fn pcap(frames: &[&[u8]]) -> Vec<u8> {
        let mut file = Vec::new();
        for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 262_144, 101] {
            file.extend(word.to_le_bytes());
        }
        for frame in frames {
            for word in [1_795_227_000, 0, frame.len() as u32, frame.len() as u32] {
                file.extend(word.to_le_bytes());
            }
            file.extend_from_slice(frame);
        }
        file
    }

    /// What files say, of which at most so many captures are read; and the folder that they are in.
    fn read(files: &[(&str, Vec<u8>)], most: usize) -> (Ingested, bundle::Bundle, tempfile::TempDir) {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, bytes) in files {
            fs::write(folder.path().join(name), bytes).expect("room for a file");
        }
        let bundle = bundle::discover(&[folder.path().to_owned()], &Limits::default()).expect("files");
        (run_at_most(most, &bundle.sources, &IngestOptions::default()), bundle, folder)
    }

    #[test]
    fn fragments_age_with_frames_that_are_none() {
        let header = [0x45, 0, 0, 28, 0, 7, 0x20, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        let first = [&header[..], &[3, 232, 7, 208, 0, 16, 0, 0]].concat();
        let mut last = first.clone();
        last[6..8].copy_from_slice(&[0, 1]);
        for (between, expected) in [(100_000, 1), (300_000, 0)] {
            let mut frames = vec![&b"?"[..]; between + 2];
            (frames[0], frames[between + 1]) = (&first, &last);
            let (all, bundle, _folder) = read(&[("a.pcap", pcap(&frames))], 1);
            assert_eq!(all.flows.len(), expected, "{between} frames in between");
            let wanted: Vec<_> = all.flows.iter().map(|flow| replay::Wanted::of(&flow)).collect();
            let (set, options, mut shown) = (&all.captures[0].set, DecodeOptions::default(), 0);
            let mut show = |_: &replay::Replayed<'_>| {
                shown += 1;
                Ok(())
            };
            replay::replay(&bundle.sources, set, &wanted, &options, &mut show).expect("the file is there");
            assert_eq!(shown, expected, "the packet is put together again, {between} frames apart");
        }
    }

    #[test]
    fn what_is_encrypted_or_of_another_protocol_is_counted_and_a_ping_is_not() {
        let ip = |protocol: u8, place: u8, payload: &[u8]| {
            let length = 20 + payload.len() as u8;
            let header = [0x45, 0, 0, length, 0, 7, place, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
            [&header[..], payload].concat()
        };
        let esp = ip(50, 0, &[9; 40]);
        let mut pieces = [ip(50, 0x20, &[9; 40]), ip(50, 0, &[9; 40])];
        pieces[1][7] = 5;
        let ports = [0xca, 0x6c, 0xca, 0x6c, 0, 40, 0, 0];
        let wireguard = ip(17, 0, &[&ports[..], &[4, 0, 0, 0], &[9; 28]].concat());
        let (ping, ospf) = (ip(1, 0, &[8; 16]), ip(89, 0, &[2; 24]));
        let frames = [&ping, &esp, &pieces[0], &pieces[1], &wireguard, &ospf, &ospf];
        let (all, ..) = read(&[("a.pcap", pcap(&frames.map(Vec::as_slice)))], 1);
        let problems = all.inputs[0].problems.iter().map(|w| (w.name, w.at, w.count, w.loss));
        let expected = [
            ("encrypted", Place::Frame(2), 3, false),
            ("ip_protocol_not_decoded", Place::Frame(6), 2, false),
        ];
        assert_eq!(problems.collect::<Vec<_>>(), expected);
        assert_eq!((all.captures[0].encrypted, all.flows.len()), (3, 0));
    }

    #[test]
    fn captures_beyond_the_limit_are_left_out_and_said() {
        let file = |byte: u8| pcap(&[&[byte]]);
        let (all, ..) = read(&[("a.pcap", file(1)), ("b.pcap", file(2)), ("c.pcap", file(3))], 2);
        assert_eq!(all.captures.len(), 2);
        let is_left_out =
            |i: &InputReport| i.problems.iter().any(|w| (w.name, w.loss) == ("limit_captures", true));
        let said: Vec<_> = all.inputs.iter().map(is_left_out).collect();
        assert_eq!(said, [false, false, true]);
    }

    /// Names, and the frames under each.
    type Files<'a> = &'a [(&'a str, &'a [u8])];

    /// The same frames in another format, in several files or in another order are a copy as well.
    #[test]
    fn a_copy_of_a_capture_is_counted_once_and_said() {
        let udp = |n: u8| {
            [
                &[0x45, 0, 0, 28, 0, n, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2][..],
                &[3, 232, 7, 208, 0, 8, 0, 0],
            ]
            .concat()
        };
        let file = |numbers: &[u8]| {
            let frames: Vec<_> = numbers.iter().map(|n| udp(*n)).collect();
            pcap(&frames.iter().map(Vec::as_slice).collect::<Vec<_>>())
        };
        let rows: [(Files<'_>, usize); 4] = [
            (&[("b.pcap", &[1, 2, 3])], 1),
            (&[("b.pcap0", &[2]), ("b.pcap1", &[3, 1])], 1),
            (&[("b.pcap", &[1, 2])], 2),
            (&[("b.pcap", &[1, 2, 4])], 2),
        ];
        for (others, captures) in rows {
            let mut files = vec![("a.pcap", file(&[1, 2, 3]))];
            files.extend(others.iter().map(|(name, numbers)| (*name, file(numbers))));
            let (all, ..) = read(&files, 9);
            assert_eq!((all.captures.len(), all.flows.len()), (captures, captures), "{others:?}");
            let said = all.inputs.iter().flat_map(|i| i.problems.iter()).filter(|w| w.name == "capture_copy");
            assert_eq!(said.count(), 2 - captures, "{others:?}");
        }
    }

    #[test]
    fn secrets_are_not_copied_for_each_block_of_them() {
        let (options, mut keys) = (IngestOptions::default(), Keys::default());
        let set = CaptureSet { name: String::new(), host: None, files: Vec::new() };
        let shared = (&mut keys, &mut Room::default());
        let mut capture = Capture::new(CaptureIndex(0), set, &options, shared, Reassembler::new(0));
        let line = |n: u8| format!("CLIENT_RANDOM {} {}\n", format!("{n:02x}").repeat(32), "11".repeat(48));
        let mut blocks = line(1);
        capture.take_keys(&blocks);
        let place = Arc::as_ptr(&capture.keys.log());
        blocks += &line(2);
        assert!(capture.keys.are_behind(&blocks));
        capture.take_keys(&blocks);
        assert!(!capture.keys.are_behind(&blocks));
        assert_eq!(Arc::as_ptr(&capture.keys.log()), place);
    }
}
