//! One TCP connection played out: segments of both sides with sequence numbers, acknowledgements, timestamps and now and
//! then a loss, as a capture beside the client would show them.

use std::net::SocketAddr;

use super::frame::{ACK, FIN, PSH, RST, SYN, Segment};
use super::random::Random;

/// Who sends.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Side {
    Client,
    Server,
}

/// Largest payload of a segment, in bytes: MTU 1500 less IPv4, TCP and the timestamp option.
const SEGMENT: usize = 1428;

/// How long a sender waits before it repeats, in ns: the kernel's shortest.
const RETRANSMIT_AFTER: u64 = 200_000_000;

/// A connection in the making.
pub(crate) struct Talk {
    client: SocketAddr,
    server: SocketAddr,
    /// Next sequence number of the client and of the server.
    next: [u32; 2],
    /// Clock base of each side's timestamps.
    clock: [u32; 2],
    /// Last timestamp of the other side that each side saw.
    echo: [u32; 2],
    /// Round trip in ns.
    round_trip: u64,
    /// Now, in ns after 1970.
    pub(crate) now: u64,
    /// Frames with their times, in order.
    pub(crate) frames: Vec<(u64, Vec<u8>)>,
}

impl Talk {
    pub(crate) fn new(client: SocketAddr, server: SocketAddr, now: u64, random: &mut Random) -> Self {
        Self {
            client,
            server,
            next: [random.next() as u32, random.next() as u32],
            clock: [random.next() as u32, random.next() as u32],
            echo: [0, 0],
            round_trip: random.between(200_000, 2_000_000),
            now,
            frames: Vec::new(),
        }
    }

    /// SYN, SYN-ACK, ACK.
    pub(crate) fn open(&mut self) {
        self.send(Side::Client, SYN, &[]);
        self.now += self.round_trip;
        self.send(Side::Server, SYN | ACK, &[]);
        self.wait(20_000);
        self.send(Side::Client, ACK, &[]);
    }

    /// A SYN and `repeats` more, 1, 2, 4 … s apart; nobody answers.
    pub(crate) fn knock(&mut self, repeats: u32) {
        self.send(Side::Client, SYN, &[]);
        let syn = self.frames.last().map_or_else(Vec::new, |(_, frame)| frame.clone());
        for repeat in 0..repeats {
            self.wait(1_000_000_000 << repeat);
            self.frames.push((self.now, syn.clone()));
        }
    }

    /// A SYN answered with RST.
    pub(crate) fn refused(&mut self) {
        self.send(Side::Client, SYN, &[]);
        self.now += self.round_trip;
        self.send(Side::Server, RST | ACK, &[]);
    }

    /// Sends `payload` in segments, and the other side acknowledges every second one and the last.
    pub(crate) fn say(&mut self, side: Side, payload: &[u8], random: &mut Random) {
        let mut unacknowledged = 0;
        let segments = payload.chunks(SEGMENT).count();
        for (index, part) in payload.chunks(SEGMENT).enumerate() {
            let last = index + 1 == segments;
            self.send(side, if last { ACK | PSH } else { ACK }, part);
            unacknowledged += 1;
            if random.once_in(250) {
                self.repeat();
            }
            if last || unacknowledged == 2 {
                self.now += self.travel(side);
                self.send(side.other(), ACK, &[]);
                unacknowledged = 0;
            } else {
                self.wait(3_000);
            }
        }
    }

    /// Sends `payload` in one segment; what comes next carries the acknowledgement.
    pub(crate) fn mention(&mut self, side: Side, payload: &[u8]) {
        self.send(side, ACK | PSH, payload);
        self.now += self.travel(side);
    }

    /// Sends `payload`, of which the capture sees the first segment only after the second, and a duplicate ACK for it.
    pub(crate) fn say_with_loss(&mut self, side: Side, payload: &[u8]) {
        let (first, rest) = payload.split_at(payload.len().min(SEGMENT));
        let start = self.next[side as usize];
        self.next[side as usize] = start.wrapping_add(first.len() as u32);
        self.send(side, ACK | PSH, &rest[..rest.len().min(SEGMENT)]);
        let end = self.next[side as usize];
        self.next[side as usize] = start;
        self.now += self.travel(side);
        self.send(side.other(), ACK, &[]);
        self.wait(RETRANSMIT_AFTER);
        self.send(side, ACK, first);
        self.next[side as usize] = end;
        self.now += self.travel(side);
        self.send(side.other(), ACK, &[]);
    }

    /// Nothing happens for `ns`.
    pub(crate) fn wait(&mut self, ns: u64) {
        self.now += ns;
    }

    /// FIN of `side`, FIN of the other, the last ACK.
    pub(crate) fn close(&mut self, side: Side) {
        self.send(side, FIN | ACK, &[]);
        self.now += self.round_trip;
        self.send(side.other(), FIN | ACK, &[]);
        self.wait(30_000);
        self.send(side, ACK, &[]);
    }

    /// RST of `side`.
    pub(crate) fn reset(&mut self, side: Side) {
        self.now += self.round_trip;
        self.send(side, RST | ACK, &[]);
    }

    /// The segment just sent is lost behind the capture and sent again.
    fn repeat(&mut self) {
        self.wait(RETRANSMIT_AFTER + self.round_trip);
        if let Some((_, frame)) = self.frames.last() {
            let frame = frame.clone();
            self.frames.push((self.now, frame));
        }
    }

    /// What an answer to `side` takes, beside the client: nearly nothing for the client's own ACK.
    fn travel(&self, side: Side) -> u64 {
        if side == Side::Client { self.round_trip } else { 15_000 }
    }

    fn send(&mut self, side: Side, flags: u8, payload: &[u8]) {
        let (me, you) = (side as usize, side.other() as usize);
        let stamp = self.clock[me].wrapping_add((self.now / 1_000_000) as u32);
        let mut options = Vec::with_capacity(20);
        if flags & SYN != 0 {
            options.extend_from_slice(&[2, 4, 5, 0xb4, 4, 2]);
        } else {
            options.extend_from_slice(&[1, 1]);
        }
        options.extend_from_slice(&[8, 10]);
        options.extend_from_slice(&stamp.to_be_bytes());
        options.extend_from_slice(&self.echo[me].to_be_bytes());
        if flags & SYN != 0 {
            options.extend_from_slice(&[1, 3, 3, 7]);
        }
        if flags & RST != 0 {
            options.clear();
        }
        let ack = if flags & ACK != 0 { self.next[you] } else { 0 };
        let (from, to) =
            if side == Side::Client { (self.client, self.server) } else { (self.server, self.client) };
        let segment = Segment { from, to, flags, seq: self.next[me], ack, options: &options, payload };
        self.frames.push((self.now, segment.frame()));
        self.echo[you] = stamp;
        let length = payload.len() as u32 + u32::from(flags & (SYN | FIN) != 0);
        self.next[me] = self.next[me].wrapping_add(length);
    }
}

impl Side {
    fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}
