//! Puts IP fragments together, in frame order, within bounds (RFC 791 §3.2, RFC 8200 §4.5).
//!
//! The serial step between windows. Where fragments overlap, what came first stands (as most hosts do; RFC 5722 has
//! IPv6 hosts drop the packet, but we only watch). Fragments whose packet never becomes whole are counted.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::ops::Range;

use super::decode::decode_ip;
use super::{DecodeOptions, Kind, Packet, note};
use crate::capture::Window;
use crate::error::{Place, Weirds};

/// Fragments that wait for the rest of their packet.
#[derive(Debug)]
pub struct Reassembler {
    /// Bytes that may be held.
    most: usize,
    /// Looked up by key only: its order never shows.
    waiting: HashMap<Key, Pending>,
    /// Keys by age; `Pending::born` tells an old entry of a key from a new one.
    ages: VecDeque<(u64, Key)>,
    /// Bytes held.
    bytes: usize,
    /// Frames seen before this window, with fragments among them or not.
    frames: u64,
}

/// What the fragments of one packet have in common, and the overlay they are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    source: IpAddr,
    destination: IpAddr,
    identification: u32,
    protocol: u8,
    vni: u32,
}

#[derive(Debug)]
struct Pending {
    born: u64,
    /// What the fragment at place 0 says, once it came.
    first: Option<First>,
    /// In order of coming; none lies wholly in what came before it.
    pieces: Vec<Piece>,
    covered: Covered,
    /// Length of the whole, once the last fragment came.
    total: Option<u32>,
}

/// What the whole packet takes from its first fragment: headers may differ from fragment to fragment, and only those of
/// the first count (RFC 791 §3.2, RFC 8200 §4.5).
#[derive(Debug)]
struct First {
    header: Vec<u8>,
    protocol: u8,
}

#[derive(Debug)]
struct Piece {
    place: u32,
    /// Bytes on the wire; `data` is shorter if the snap length cut them.
    length: u32,
    data: Vec<u8>,
}

/// The places whose bytes came: runs that neither touch nor overlap, in order.
#[derive(Debug, Default)]
struct Covered(Vec<Range<u32>>);

/// A packet put together.
struct Whole {
    bytes: Vec<u8>,
    length: usize,
}

impl Reassembler {
    /// One that holds at most so many bytes of fragments.
    pub fn new(most: usize) -> Self {
        Self { most, waiting: HashMap::new(), ages: VecDeque::new(), bytes: 0, frames: 0 }
    }

    /// Takes the fragments among `packets` out; where one completes its packet, appends the packet's bytes to
    /// `window.bytes`, decodes it, and puts it in the place of that fragment. The order of frames is kept.
    pub fn pass(
        &mut self,
        window: &mut Window,
        options: &DecodeOptions,
        packets: &mut Vec<Packet>,
        problems: &mut Weirds,
    ) {
        if packets.iter().any(|p| p.kind == Kind::Fragment) {
            packets.retain_mut(|packet| {
                // Assume no more than 4 packets in fragments within each other.
                for _ in 0..4 {
                    if packet.kind != Kind::Fragment {
                        return true;
                    }
                    match self.take(window, options, packet, problems) {
                        Some(whole) => *packet = whole,
                        None => return false,
                    }
                }
                false
            });
        }
        self.pass_by(window);
    }

    /// Ages what waits by the frames of a window that has no fragments.
    pub fn pass_by(&mut self, window: &Window) {
        self.frames += window.frames.len() as u64;
    }

    /// Counts the fragments that are still waiting when the input ends.
    pub fn finish(mut self, problems: &mut Weirds) {
        while let Some((_, key)) = self.oldest() {
            self.give_up(&key, problems);
        }
    }

    /// Keeps one fragment; gives the packet that it completes.
    fn take(
        &mut self,
        window: &mut Window,
        options: &DecodeOptions,
        packet: &Packet,
        problems: &mut Weirds,
    ) -> Option<Packet> {
        let now = self.frames + u64::from(packet.frame);
        self.make_room(now, problems);
        let key = Key::of(packet, window);
        let whole = self.add(key, now, packet, window)?;
        self.forget(&key);
        let base = u32::try_from(window.bytes.len()).ok()?;
        let decoded = decode_ip(&whole.bytes, whole.length, packet.vni, options);
        window.bytes.extend_from_slice(&whole.bytes);
        match decoded {
            Ok(inner) => Some(Packet {
                frame: packet.frame,
                point: packet.point,
                notes: inner.notes
                    | note::REASSEMBLED
                    | packet.notes & (note::TUNNEL | note::INCOMING | note::OUTGOING),
                ..inner.moved_by(base)
            }),
            Err(stop) => {
                let (name, detail) = stop.describe();
                let number = window.number(packet.frame as usize);
                problems.note(name, Place::Frame(number), || {
                    format!("{detail} (of a packet put together from fragments)")
                });
                None
            }
        }
    }

    fn add(&mut self, key: Key, now: u64, packet: &Packet, window: &Window) -> Option<Whole> {
        let pending = self.waiting.entry(key).or_insert_with(|| {
            self.ages.push_back((now, key));
            Pending::new(now)
        });
        let place = packet.ack;
        let end = place.checked_add(packet.payload_length).filter(|end| *end <= MAX_PACKET)?;
        if place == 0 && pending.first.is_none() {
            pending.first = Some(First { header: header(packet, window), protocol: packet.protocol });
        }
        if pending.pieces.len() < MAX_PIECES && pending.covered.add(place..end) {
            let data = packet.payload(window).to_vec();
            self.bytes += data.len() + PIECE_COST;
            pending.pieces.push(Piece { place, length: packet.payload_length, data });
        }
        if packet.flags & 1 == 0 {
            pending.total = pending.total.or(Some(end));
        }
        pending.whole()
    }

    /// Forgets what is too old, and the oldest of what is too much.
    fn make_room(&mut self, now: u64, problems: &mut Weirds) {
        while let Some((born, key)) = self.oldest() {
            let full = self.bytes > self.most || self.waiting.len() > self.most / BYTES_FOR_EACH;
            if !full && born + MAX_AGE >= now {
                return;
            }
            self.give_up(&key, problems);
            if full {
                let most = self.most;
                problems.loss("limit_fragment_bytes", Place::Whole, || {
                    format!("more than {most} bytes of fragments waited; raise it with --max-fragment-bytes")
                });
            }
        }
    }

    /// What waits longest, and since which frame.
    fn oldest(&mut self) -> Option<(u64, Key)> {
        while let Some(&(born, key)) = self.ages.front() {
            if self.waiting.get(&key).is_some_and(|p| p.born == born) {
                return Some((born, key));
            }
            self.ages.pop_front();
        }
        None
    }

    fn give_up(&mut self, key: &Key, problems: &mut Weirds) {
        self.forget(key);
        problems.note("fragments_incomplete", Place::Whole, || {
            format!(
                "IP packets of which fragments are missing, first from {} to {}",
                key.source, key.destination
            )
        });
    }

    fn forget(&mut self, key: &Key) {
        if let Some(pending) = self.waiting.remove(key) {
            let held: usize = pending.pieces.iter().map(|p| p.data.len() + PIECE_COST).sum();
            self.bytes = self.bytes.saturating_sub(held);
        }
    }
}

impl Key {
    fn of(packet: &Packet, window: &Window) -> Self {
        let (source, destination) = packet.addresses(window);
        // IPv6 identifies without the protocol, which only the first fragment says reliably (RFC 8200 §4.5).
        let protocol = if packet.noted(note::IPV6) { 0 } else { packet.protocol };
        Self { source, destination, identification: packet.seq, protocol, vni: packet.vni }
    }
}

impl Pending {
    fn new(born: u64) -> Self {
        Self { born, first: None, pieces: Vec::new(), covered: Covered::default(), total: None }
    }

    /// The packet, if nothing of it is missing.
    fn whole(&self) -> Option<Whole> {
        let (total, first) = (self.total?, self.first.as_ref()?);
        (self.covered.without_gap() >= total).then(|| self.join(total, first))
    }

    fn join(&self, total: u32, first: &First) -> Whole {
        let mut data = vec![0; total as usize];
        let mut captured = total;
        // The first to come is written last, so that it stands.
        for piece in self.pieces.iter().rev() {
            let have = piece.data.len() as u32;
            if have < piece.length {
                captured = captured.min(piece.place + have);
            }
            let room = data.get_mut(piece.place as usize..).unwrap_or_default();
            let n = room.len().min(piece.data.len());
            room[..n].copy_from_slice(&piece.data[..n]);
        }
        let mut bytes = first.of_whole(total);
        let length = bytes.len() + total as usize;
        bytes.extend_from_slice(&data[..captured as usize]);
        Whole { bytes, length }
    }
}

/// The IPv4 header with its options, or the 40 bytes of the IPv6 header.
fn header(packet: &Packet, window: &Window) -> Vec<u8> {
    let at = packet.ip as usize;
    let first = window.bytes.get(at).copied().unwrap_or(0);
    let length = if packet.noted(note::IPV6) { 40 } else { usize::from(first & 0xf) * 4 };
    window.bytes.get(at..at + length).unwrap_or_default().to_vec()
}

impl First {
    /// The header as it was before the packet was cut up: whole length, no fragment fields, no extension headers.
    fn of_whole(&self, total: u32) -> Vec<u8> {
        let mut header = self.header.clone();
        if header.first().is_some_and(|b| b >> 4 == 6) {
            if let Some(fields) = header.get_mut(4..7) {
                // 0 says "as long as it is" for what no longer fits the field.
                let length = u16::try_from(total).unwrap_or(0).to_be_bytes();
                fields.copy_from_slice(&[length[0], length[1], self.protocol]);
            }
            return header;
        }
        let length = u16::try_from(total as usize + header.len()).unwrap_or(0).to_be_bytes();
        if let Some(fields) = header.get_mut(2..4) {
            fields.copy_from_slice(&length);
        }
        if let Some(fields) = header.get_mut(6..8) {
            fields.fill(0);
        }
        header
    }
}

impl Covered {
    /// Adds a run; tells whether any of it is new.
    fn add(&mut self, new: Range<u32>) -> bool {
        let Self(runs) = self;
        let from = runs.partition_point(|run| run.end < new.start);
        let to = runs.partition_point(|run| run.start <= new.end);
        let touched = runs.get(from..to).unwrap_or_default();
        if new.is_empty() || touched.iter().any(|run| run.start <= new.start && new.end <= run.end) {
            return false;
        }
        let start = touched.first().map_or(new.start, |run| run.start.min(new.start));
        let end = touched.last().map_or(new.end, |run| run.end.max(new.end));
        runs.splice(from..to, std::iter::once(start..end));
        true
    }

    /// How many bytes came without a gap from place 0 on.
    fn without_gap(&self) -> u32 {
        self.0.first().filter(|run| run.start == 0).map_or(0, |run| run.end)
    }
}

/// A packet that waits takes at least so many of the bytes: it holds a table entry even where its fragments are tiny.
const BYTES_FOR_EACH: usize = 4096;
/// Bytes that a piece costs beside its data.
const PIECE_COST: usize = 48;
/// Pieces of one packet at most: more than 64 KiB in pieces of 60 bytes.
const MAX_PIECES: usize = 1200;
/// Bytes of one packet at most (RFC 791 §3.1: total length).
const MAX_PACKET: u32 = 65_535;
/// Frames that a fragment waits at most: some ten seconds of a busy capture.
pub const MAX_AGE: u64 = 1 << 18;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::{FrameHeader, LinkType};
    use crate::packet::{Decoded, decode};
    use crate::time::Timestamp;

    /// What becomes of frames that begin with an IP header, each in a window of its own.
    fn put_together(reassembler: &mut Reassembler, frames: &[Vec<u8>]) -> Vec<(Packet, Window)> {
        let mut whole = Vec::new();
        for bytes in frames {
            let length = bytes.len() as u32;
            let header = FrameHeader {
                time: Timestamp(0),
                offset: 0,
                captured: length,
                length,
                interface: 0,
                link_type: LinkType::RAW,
            };
            let mut window = Window { bytes: bytes.clone(), frames: vec![header], first_number: 1 };
            let (options, mut decoded) = (DecodeOptions::default(), Decoded::default());
            decode(&window, 0..1, &options, &mut decoded);
            reassembler.pass(&mut window, &options, &mut decoded.packets, &mut decoded.problems);
            whole.extend(decoded.packets.into_iter().map(|packet| (packet, window.clone())));
        }
        whole
    }

    fn v4(place: u16, more: bool, ttl: u8, data: &[u8]) -> Vec<u8> {
        let [l0, l1] = (20 + data.len() as u16).to_be_bytes();
        let [f0, f1] = ((u16::from(more) << 13) | (place / 8)).to_be_bytes();
        let mut frame = vec![0x45, 0, l0, l1, 0, 7, f0, f1, ttl, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        frame.extend_from_slice(data);
        frame
    }

    fn v6(place: u16, more: bool, next: u8, data: &[u8]) -> Vec<u8> {
        let [l0, l1] = (8 + data.len() as u16).to_be_bytes();
        let [f0, f1] = (place | u16::from(more)).to_be_bytes();
        let mut frame = vec![0x60, 0, 0, 0, l0, l1, 44, 64];
        frame.extend(
            [&[0xfd; 15][..], &[1], &[0xfd; 15], &[2], &[next, 0, f0, f1, 0, 0, 0, 7], data].concat(),
        );
        frame
    }

    /// A UDP datagram of 32 bytes between ports 1000 and 2000.
    fn datagram() -> Vec<u8> {
        let mut bytes = vec![0; 32];
        bytes[..8].copy_from_slice(&[0x03, 0xe8, 0x07, 0xd0, 0, 32, 0, 0]);
        bytes
    }

    #[test]
    fn the_first_fragment_says_what_the_packet_is() {
        let data = datagram();
        for order in [[0, 1], [1, 0]] {
            let fragments = [v6(0, true, 17, &data[..16]), v6(16, false, 6, &data[16..])];
            let frames = order.map(|n| fragments[n].clone());
            let whole = put_together(&mut Reassembler::new(1 << 20), &frames);
            assert_eq!(whole.len(), 1, "{order:?}");
            let packet = whole[0].0;
            assert_eq!((packet.kind, packet.src_port, packet.dst_port), (Kind::Udp, 1000, 2000), "{order:?}");

            let fragments = [v4(0, true, 64, &data[..16]), v4(16, false, 3, &data[16..])];
            let frames = order.map(|n| fragments[n].clone());
            let whole = put_together(&mut Reassembler::new(1 << 20), &frames);
            assert_eq!((whole[0].0.kind, whole[0].0.ttl), (Kind::Udp, 64), "{order:?}");
        }
    }

    #[test]
    fn what_waited_too_long_is_not_completed() {
        let data = datagram();
        for (frames_between, packets) in [(MAX_AGE - 2, 1), (MAX_AGE, 0)] {
            let mut reassembler = Reassembler::new(1 << 20);
            assert!(put_together(&mut reassembler, &[v4(0, true, 64, &data[..16])]).is_empty());
            let frame = FrameHeader {
                time: Timestamp(0),
                offset: 0,
                captured: 0,
                length: 0,
                interface: 0,
                link_type: LinkType::RAW,
            };
            let window = Window { frames: vec![frame; frames_between as usize], ..Window::default() };
            reassembler.pass_by(&window);
            let whole = put_together(&mut reassembler, &[v4(16, false, 64, &data[16..])]);
            assert_eq!(whole.len(), packets, "{frames_between} frames in between");
        }
    }

    #[test]
    fn only_what_is_given_up_for_room_counts_against_the_limit() {
        let data = datagram();
        let complete = [v4(0, true, 64, &data[..16]), v4(16, false, 64, &data[16..])];
        let mut reassembler = Reassembler::new(BYTES_FOR_EACH);
        put_together(&mut reassembler, &complete);
        put_together(&mut reassembler, &[v6(0, true, 17, &data[..16]), v4(0, true, 64, &data[..16])]);
        let mut problems = Weirds::default();
        reassembler.make_room(4, &mut problems);
        reassembler.finish(&mut problems);
        let counts: Vec<_> = problems.iter().map(|w| (w.name, w.count)).collect();
        assert_eq!(counts, [("fragments_incomplete", 2), ("limit_fragment_bytes", 1)]);
    }

    /// A packet of 64 KB in pieces of 8 bytes, each of which costs many times that: no more are kept than any path cuts.
    #[test]
    fn pieces_of_one_packet_are_bounded() {
        let mut reassembler = Reassembler::new(16 << 20);
        let frames: Vec<_> = (0..8000).rev().map(|n| v4(n * 8, true, 64, &[1; 8])).collect();
        assert!(put_together(&mut reassembler, &frames).is_empty());
        let pieces = |pending: &Pending| pending.pieces.len();
        assert_eq!(reassembler.waiting.values().map(pieces).collect::<Vec<_>>(), [1200]);
        assert!(reassembler.bytes < 1 << 20, "{} bytes", reassembler.bytes);
    }

    /// A few packets of many bytes, of which no more wait than may.
    #[test]
    fn bytes_of_fragments_are_bounded() {
        let mut reassembler = Reassembler::new(1 << 20);
        let piece = |n: u16| {
            let mut frame = v4(n % 5 * 12_000, true, 64, &[1; 12_000]);
            frame[5] = (n / 5) as u8;
            frame
        };
        put_together(&mut reassembler, &(0..500).map(piece).collect::<Vec<_>>());
        assert!(reassembler.bytes < (1 << 20) + 13_000, "{} bytes", reassembler.bytes);
        assert!((10..20).contains(&reassembler.waiting.len()), "{} packets", reassembler.waiting.len());
    }

    #[test]
    fn runs_that_touch_become_one() {
        let mut covered = Covered::default();
        let rows = [
            (8..16, true, 0),
            (24..32, true, 0),
            (8..16, false, 0),
            (10..12, false, 0),
            (4..4, false, 0),
            (14..26, true, 0),
            (12..30, false, 0),
            (0..8, true, 32),
            (0..40, true, 40),
        ];
        for (new, is_new, without_gap) in rows {
            assert_eq!((covered.add(new.clone()), covered.without_gap()), (is_new, without_gap), "{new:?}");
        }
        assert_eq!(covered.0.len(), 1);
    }
}
