//! pcapng: blocks of `type, length, body, length` in sections that each have a byte order and interfaces of their own
//! (draft-ietf-opsawg-pcapng).
//!
//! Cuts frames out of enhanced, simple and obsolete packet blocks; the other blocks go to `blocks`. A block whose
//! lengths disagree is damage: it is counted with its offset, and reading goes on at the next place that looks like a
//! whole block. Blocks that Wireshark shows as a frame without a packet take a frame number here too.

use super::blocks::{self, Held, Order};
use super::reader::{MAX_RECORD, Progress};
use super::{CaptureSummary, FrameHeader, Interface, LinkType, Window};
use crate::error::Place;
use crate::time::Timestamp;

/// What the sections read so far say.
#[derive(Default)]
pub(super) struct Pcapng {
    order: Order,
    in_section: bool,
    /// Clocks and link types of this section's interfaces.
    interfaces: Vec<SectionInterface>,
    /// Time of the last frame that had one; blocks without a time take it.
    last_time: Timestamp,
    /// Where damage begins behind which no block was found yet.
    damage: Option<u64>,
    held: Held,
}

/// What frames need to know of their interface.
#[derive(Clone, Copy)]
pub(super) struct SectionInterface {
    /// Place in [`CaptureSummary::interfaces`].
    pub(super) index: u16,
    pub(super) link_type: LinkType,
    pub(super) snaplen: u32,
    pub(super) clock: Clock,
}

/// How the 64-bit ticks of an interface become nanoseconds (`if_tsresol`, `if_tsoffset`).
#[derive(Clone, Copy)]
pub(super) struct Clock {
    pub(super) unit: Unit,
    pub(super) offset_seconds: i64,
}

/// Length of a tick.
#[derive(Clone, Copy)]
pub(super) enum Unit {
    /// So many nanoseconds.
    Nanos(u64),
    /// So many ticks in a nanosecond.
    PerNano(u64),
    /// So many binary digits of a second.
    Binary(u8),
}

impl Clock {
    #[inline]
    fn time(self, high: u32, low: u32) -> Timestamp {
        let ticks = u64::from(high) << 32 | u64::from(low);
        let nanos = match self.unit {
            Unit::Nanos(n) => u128::from(ticks) * u128::from(n),
            Unit::PerNano(n) => u128::from(ticks / n.max(1)),
            Unit::Binary(digits) => (u128::from(ticks) * 1_000_000_000) >> digits.min(127),
        };
        if self.offset_seconds == 0 {
            return i64::try_from(nanos).map_or(Timestamp::MAX, Timestamp);
        }
        // Ticks are a second at most, so that neither comes near the end of 128 bits.
        let whole = i128::from(self.offset_seconds) * 1_000_000_000 + nanos as i128;
        Timestamp(whole.clamp(i64::MIN.into(), i64::MAX.into()) as i64)
    }
}

/// One whole block: its type, its place in the window and in the file.
#[derive(Clone, Copy)]
struct Block {
    kind: u32,
    /// Place of the body in the window.
    body: usize,
    /// Place of the trailing length in the window.
    end: usize,
    /// Place of the block in the file.
    offset: u64,
}

enum Found {
    Whole(Block, usize),
    Partial(usize),
    Damaged(&'static str),
}

impl Pcapng {
    /// Cuts the frames of `window.bytes`, whose first byte is at `offset` in the file.
    pub(super) fn cut(
        &mut self,
        window: &mut Window,
        offset: u64,
        eof: bool,
        summary: &mut CaptureSummary,
    ) -> Progress {
        let mut at = 0;
        loop {
            if let Some(from) = self.damage {
                match self.next_plausible(&window.bytes, at, eof) {
                    Ok(found) => (at, self.damage) = (found, None),
                    Err(progress) => {
                        if matches!(progress, Progress::Stop) {
                            unread(from, offset + window.bytes.len() as u64, summary);
                        }
                        return progress;
                    }
                }
            }
            match self.block_at(&window.bytes, at, offset) {
                Found::Whole(block, next) => {
                    self.block(window, block, summary);
                    at = next;
                }
                Found::Partial(_) if eof && self.next_plausible(&window.bytes, at + 1, eof).is_ok() => {
                    let why = "a block that would end behind the end of the file, although blocks follow it";
                    at = self.damaged(why, window, at, offset, summary);
                }
                Found::Partial(need) => return Progress::More { used: at, need },
                Found::Damaged(why) => at = self.damaged(why, window, at, offset, summary),
            }
        }
    }

    /// Counts a damaged block at `at`; gives where to look for the next one.
    #[cold]
    fn damaged(
        &mut self,
        why: &str,
        window: &Window,
        at: usize,
        offset: u64,
        summary: &mut CaptureSummary,
    ) -> usize {
        let name = if self.in_section { "damaged_block" } else { "not_a_capture" };
        summary.problems.loss(name, Place::Offset(offset + at as u64), || {
            let head = window.bytes.get(at..at + 8).unwrap_or_default();
            format!("{why} ({head:02x?}); reading goes on at the next place that looks like a block")
        });
        self.damage = Some(offset + at as u64);
        at + 1
    }

    /// The block at `at`. A section header brings its own byte order.
    #[inline]
    fn block_at(&self, bytes: &[u8], at: usize, offset: u64) -> Found {
        let Some(head) = bytes.get(at..).and_then(|b| b.first_chunk::<12>()) else {
            return Found::Partial(12);
        };
        let [k0, k1, k2, k3, l0, l1, l2, l3, magic @ ..] = *head;
        let section = [k0, k1, k2, k3] == SECTION_HEADER;
        let order = match magic {
            [0x1a, 0x2b, 0x3c, 0x4d] if section => Order::Big,
            [0x4d, 0x3c, 0x2b, 0x1a] if section => Order::Little,
            _ if section => return Found::Damaged("a section header without a byte order"),
            _ if !self.in_section => return Found::Damaged("no section header where the file begins"),
            _ => self.order,
        };
        let (kind, length) = (order.u32([k0, k1, k2, k3]), order.u32([l0, l1, l2, l3]) as usize);
        if !(12..=MAX_RECORD).contains(&length) || length % 4 != 0 {
            return Found::Damaged("a block with an impossible length");
        }
        let next = at + length;
        let Some(trailer) = bytes.get(next - 4..next).and_then(|b| b.first_chunk::<4>()) else {
            return Found::Partial(length);
        };
        if order.u32(*trailer) as usize != length {
            return Found::Damaged("a block whose two lengths disagree");
        }
        Found::Whole(Block { kind, body: at + 8, end: next - 4, offset: offset + at as u64 }, next)
    }

    /// Where, from `at` on, a whole block of a known type stands.
    fn next_plausible(&self, bytes: &[u8], mut at: usize, eof: bool) -> Result<usize, Progress> {
        while at + 12 <= bytes.len() {
            if self.plausible_type(bytes, at) {
                match self.block_at(bytes, at, 0) {
                    Found::Whole(..) => return Ok(at),
                    Found::Partial(need) if need <= MAX_RESYNC && !eof => {
                        return Err(Progress::More { used: at, need });
                    }
                    Found::Partial(_) | Found::Damaged(_) => {}
                }
            }
            at += 1;
        }
        if eof { Err(Progress::Stop) } else { Err(Progress::More { used: at, need: 12 }) }
    }

    fn plausible_type(&self, bytes: &[u8], at: usize) -> bool {
        let Some(kind) = bytes.get(at..).and_then(|b| b.first_chunk::<4>()) else { return false };
        *kind == SECTION_HEADER
            || self.in_section && matches!(self.order.u32(*kind), INTERFACE..=DECRYPTION_SECRETS)
    }

    #[inline]
    fn block(&mut self, window: &mut Window, block: Block, summary: &mut CaptureSummary) {
        match block.kind {
            ENHANCED_PACKET => self.enhanced_packet(window, block, summary),
            SIMPLE_PACKET => self.simple_packet(window, block, summary),
            OBSOLETE_PACKET => self.obsolete_packet(window, block, summary),
            _ => self.other_block(window, block, summary),
        }
    }

    #[inline]
    fn enhanced_packet(&mut self, window: &mut Window, block: Block, summary: &mut CaptureSummary) {
        let body = window.bytes.get(block.body..block.end).unwrap_or_default();
        let Some(head) = body.first_chunk::<20>() else { return damaged_packet(summary, block) };
        let [i0, i1, i2, i3, h0, h1, h2, h3, t0, t1, t2, t3, c0, c1, c2, c3, w0, w1, w2, w3] = *head;
        let order = self.order;
        let captured = order.u32([c0, c1, c2, c3]);
        let Some(options) = body.get(20..).and_then(|b| b.get((captured as usize).next_multiple_of(4)..))
        else {
            return damaged_packet(summary, block);
        };
        let number = order.u32([i0, i1, i2, i3]);
        let Some(interface) = self.interfaces.get(number as usize) else {
            return self.unknown_interface(summary, block, number);
        };
        if !options.is_empty() {
            blocks::packet_options(options, order, interface.index, summary);
        }
        let time = interface.clock.time(order.u32([h0, h1, h2, h3]), order.u32([t0, t1, t2, t3]));
        if matches!(time, Timestamp::MIN | Timestamp::MAX) {
            time_out_of_range(summary, block);
        }
        let frame =
            frame(*interface, time, block.body + 20, captured, order.u32([w0, w1, w2, w3]).max(captured));
        self.last_time = time;
        window.frames.push(frame);
    }

    /// A frame of interface 0 with neither time nor captured length: the block's length and the snap length say it.
    fn simple_packet(&mut self, window: &mut Window, block: Block, summary: &mut CaptureSummary) {
        let body = window.bytes.get(block.body..block.end).unwrap_or_default();
        let Some(length) = body.first_chunk::<4>() else { return damaged_packet(summary, block) };
        let length = self.order.u32(*length);
        let Some(interface) = self.interfaces.first() else {
            return self.unknown_interface(summary, block, 0);
        };
        let limit = if interface.snaplen == 0 { u32::MAX } else { interface.snaplen };
        let captured = length.min(limit).min(body.len() as u32 - 4);
        window.frames.push(frame(*interface, self.last_time, block.body + 4, captured, length.max(captured)));
    }

    /// The block before EPB: a 16-bit interface number and a 16-bit drop count come first.
    fn obsolete_packet(&mut self, window: &mut Window, block: Block, summary: &mut CaptureSummary) {
        let body = window.bytes.get(block.body..block.end).unwrap_or_default();
        let Some(head) = body.first_chunk::<20>() else { return damaged_packet(summary, block) };
        let [i0, i1, d0, d1, h0, h1, h2, h3, t0, t1, t2, t3, c0, c1, c2, c3, w0, w1, w2, w3] = *head;
        let order = self.order;
        let captured = order.u32([c0, c1, c2, c3]);
        if captured as usize > body.len() - 20 {
            return damaged_packet(summary, block);
        }
        let number = u32::from(order.u16([i0, i1]));
        let Some(interface) = self.interfaces.get(number as usize) else {
            return self.unknown_interface(summary, block, number);
        };
        let drops = order.u16([d0, d1]);
        if drops != 0 && drops != u16::MAX {
            blocks::add_drops(summary, interface.index, u64::from(drops));
        }
        let time = interface.clock.time(order.u32([h0, h1, h2, h3]), order.u32([t0, t1, t2, t3]));
        if matches!(time, Timestamp::MIN | Timestamp::MAX) {
            time_out_of_range(summary, block);
        }
        let length = order.u32([w0, w1, w2, w3]).max(captured);
        let frame = frame(*interface, time, block.body + 20, captured, length);
        self.last_time = time;
        window.frames.push(frame);
    }

    fn other_block(&mut self, window: &mut Window, block: Block, summary: &mut CaptureSummary) {
        let body = window.bytes.get(block.body..block.end).unwrap_or_default();
        match block.kind {
            SECTION_HEADER_VALUE => self.section(body),
            INTERFACE => match blocks::interface(body, self.order, &mut self.held, summary) {
                // Beyond the last number the file's own limit was said.
                Some(interface) if self.interfaces.len() < usize::from(Interface::NONE) => {
                    self.interfaces.push(interface);
                }
                Some(_) => {}
                None => damaged_packet(summary, block),
            },
            // Nothing asks for what the capturing host called its peers.
            NAME_RESOLUTION => {}
            INTERFACE_STATISTICS => blocks::statistics(body, self.order, &self.interfaces, summary),
            DECRYPTION_SECRETS => blocks::secrets(body, self.order, summary),
            JOURNAL_EXPORT => {
                blocks::journal(body, &mut self.held, summary);
                window.frames.push(no_packet(self.last_time, block));
            }
            CUSTOM | CUSTOM_NO_COPY => window.frames.push(no_packet(self.last_time, block)),
            kind => summary.problems.note("unknown_block", Place::Offset(block.offset), || {
                format!("a block of type {kind:#x} was skipped")
            }),
        }
    }

    #[cold]
    fn unknown_interface(&self, summary: &mut CaptureSummary, block: Block, number: u32) {
        let is_full = self.interfaces.len() >= usize::from(Interface::NONE);
        summary.problems.loss("unknown_interface", Place::Offset(block.offset), || {
            let why = if is_full {
                "and of a section the first 65,535 are known"
            } else {
                "which its section does not describe"
            };
            format!("a frame names interface {number}, {why}; it was skipped")
        });
    }

    fn section(&mut self, body: &[u8]) {
        self.order = if body.first() == Some(&0x1a) { Order::Big } else { Order::Little };
        self.in_section = true;
        self.interfaces.clear();
    }
}

#[inline]
fn frame(interface: SectionInterface, time: Timestamp, at: usize, captured: u32, length: u32) -> FrameHeader {
    FrameHeader {
        time,
        offset: at as u32,
        captured,
        length,
        interface: interface.index,
        link_type: interface.link_type,
    }
}

/// A block that Wireshark numbers among the frames although it holds no packet.
fn no_packet(time: Timestamp, block: Block) -> FrameHeader {
    FrameHeader {
        time,
        offset: block.body as u32,
        captured: 0,
        length: 0,
        interface: Interface::NONE,
        link_type: LinkType::NO_PACKET,
    }
}

/// Says how much of the file lies behind damage with nothing that looks like a block.
fn unread(from: u64, end: u64, summary: &mut CaptureSummary) {
    summary.problems.loss("unread_rest", Place::Offset(from), || {
        format!("no block was found behind it: the last {} bytes were not read", end.saturating_sub(from))
    });
}

fn damaged_packet(summary: &mut CaptureSummary, block: Block) {
    summary.problems.loss("damaged_block", Place::Offset(block.offset), || {
        format!("a block of type {:#x} is too short for what it claims to hold and was skipped", block.kind)
    });
}

#[cold]
fn time_out_of_range(summary: &mut CaptureSummary, block: Block) {
    summary.problems.loss("time_out_of_range", Place::Offset(block.offset), || {
        "a frame's time stamp lies before 1677 or after 2262 and is shown as the end of that range; check the clock of \
         the capturing host and the resolution and offset of its interface"
            .to_owned()
    });
}

/// The section header's type reads the same in both byte orders.
const SECTION_HEADER: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
const SECTION_HEADER_VALUE: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const NAME_RESOLUTION: u32 = 4;
const INTERFACE_STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;
const JOURNAL_EXPORT: u32 = 9;
const DECRYPTION_SECRETS: u32 = 10;
const CUSTOM: u32 = 0x0bad;
const CUSTOM_NO_COPY: u32 = 0x4000_0bad;

/// Bytes of a block that reading may go on at after damage; a larger claim is rather taken for more damage.
const MAX_RESYNC: usize = 1 << 20;
