//! Puts IP fragments together, in frame order, within bounds (RFC 791 §3.2, RFC 8200 §4.5).
//!
//! The serial step between windows. Where fragments overlap, what came first stands (as most hosts do; RFC 5722 has
//! IPv6 hosts drop the packet, but we only watch). Fragments whose packet never becomes whole are counted.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

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
    /// Frames seen before this window.
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
    /// Header of the first fragment that came: addresses, TTL and the like.
    header: Vec<u8>,
    pieces: Vec<Piece>,
    /// Length of the whole, once the last fragment came.
    total: Option<u32>,
}

#[derive(Debug)]
struct Piece {
    place: u32,
    /// Bytes on the wire; `data` is shorter if the snap length cut them.
    length: u32,
    data: Vec<u8>,
}

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
        self.frames += window.frames.len() as u64;
    }

    /// Counts the fragments that are still waiting when the input ends.
    pub fn finish(mut self, problems: &mut Weirds) {
        while self.forget_oldest(problems) {}
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
            Pending { born: now, header: header(packet, window), pieces: Vec::new(), total: None }
        });
        let data = packet.payload(window);
        let end = packet.ack.checked_add(packet.payload_length).filter(|end| *end <= MAX_PACKET)?;
        let known = pending.pieces.iter().any(|p| p.place == packet.ack && p.length == packet.payload_length);
        if !known && pending.pieces.len() < MAX_PIECES {
            self.bytes += data.len() + PIECE_COST;
            pending.pieces.push(Piece {
                place: packet.ack,
                length: packet.payload_length,
                data: data.to_vec(),
            });
        }
        if packet.flags & 1 == 0 {
            pending.total = pending.total.or(Some(end));
        }
        pending.whole(packet.noted(note::IPV6), packet.protocol)
    }

    /// Forgets what is too old, and the oldest of what is too much.
    fn make_room(&mut self, now: u64, problems: &mut Weirds) {
        loop {
            let full = self.bytes > self.most || self.waiting.len() > self.most / BYTES_FOR_EACH;
            let stale = self.ages.front().is_some_and(|(born, _)| born + MAX_AGE < now);
            if !(full || stale) || !self.forget_oldest(problems) {
                return;
            }
            if full {
                let most = self.most;
                problems.loss("limit_fragment_bytes", Place::Whole, || {
                    format!("more than {most} bytes of fragments waited; raise it with --max-fragment-bytes")
                });
            }
        }
    }

    fn forget_oldest(&mut self, problems: &mut Weirds) -> bool {
        let Some((born, key)) = self.ages.pop_front() else { return false };
        if self.waiting.get(&key).is_some_and(|p| p.born == born) {
            self.forget(&key);
            problems.note("fragments_incomplete", Place::Whole, || {
                format!(
                    "IP packets of which fragments are missing, first from {} to {}",
                    key.source, key.destination
                )
            });
        }
        true
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
    /// The packet, if nothing of it is missing.
    fn whole(&self, v6: bool, protocol: u8) -> Option<Whole> {
        let total = self.total?;
        let mut order: Vec<&Piece> = self.pieces.iter().collect();
        order.sort_by_key(|p| p.place);
        let mut covered = 0;
        for piece in &order {
            if piece.place > covered {
                return None;
            }
            covered = covered.max(piece.place + piece.length);
        }
        (covered >= total).then(|| self.join(total, v6, protocol))
    }

    fn join(&self, total: u32, v6: bool, protocol: u8) -> Whole {
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
        let mut bytes = whole_header(&self.header, total, v6, protocol);
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

/// The header as it was before the packet was cut up: whole length, no fragment fields, no extension headers.
fn whole_header(header: &[u8], total: u32, v6: bool, protocol: u8) -> Vec<u8> {
    let mut header = header.to_vec();
    if v6 {
        if let Some(fields) = header.get_mut(4..7) {
            // 0 says "as long as it is" for what no longer fits the field.
            let length = u16::try_from(total).unwrap_or(0).to_be_bytes();
            fields.copy_from_slice(&[length[0], length[1], protocol]);
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

/// A packet that waits takes at least so many of the bytes: it holds a table entry even where its fragments are tiny.
const BYTES_FOR_EACH: usize = 4096;
/// Bytes that a piece costs beside its data.
const PIECE_COST: usize = 48;
/// Pieces of one packet at most: more than 64 KiB in pieces of 60 bytes.
const MAX_PIECES: usize = 1200;
/// Bytes of one packet at most (RFC 791 §3.1: total length).
const MAX_PACKET: u32 = 65_535;
/// Frames that a fragment waits at most: some ten seconds of a busy capture.
const MAX_AGE: u64 = 1 << 18;
