//! Reads a capture again and shows the packets of chosen flows, in the order of the files.
//!
//! Takes capture sets, the sources they are of, and the flows wanted (endpoints, overlay, frames); gives each packet
//! with its frame as it stands in the file and what it says in a few words. What a first pass must not keep (every
//! packet of every flow) a second pass finds by frame number. Decides nothing; reads no further than the last frame.

use std::collections::HashMap;
use std::net::SocketAddr;

use super::Conversation;
use crate::bundle::Source;
use crate::capture::{self, CaptureIndex, CaptureSet, FrameHeader, Interface, Window};
use crate::flow::{Dir, FrameRef, Moment};
use crate::packet::fragments::{self, Reassembler};
use crate::packet::{self, DecodeOptions, Decoded, Kind, Packet};

mod words;

/// A flow whose packets are to be shown.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Its capture.
    pub capture: CaptureIndex,
    proto: u8,
    vni: Option<u32>,
    orig: SocketAddr,
    resp: SocketAddr,
    first: FrameRef,
    last: FrameRef,
    /// Frames of ICMP errors that quote it, which may lie outside its own.
    icmp: Vec<FrameRef>,
}

impl Wanted {
    /// The packets of this flow.
    pub fn of(flow: &Conversation) -> Self {
        Self {
            capture: flow.capture,
            proto: flow.proto.number(),
            vni: flow.vni,
            orig: flow.orig,
            resp: flow.resp,
            first: flow.first.frame,
            last: flow.last.frame,
            icmp: flow.icmp.iter().chain(&flow.stray_icmp).map(|e| e.at.frame).collect(),
        }
    }

    fn end(&self) -> FrameRef {
        self.icmp.iter().copied().max().map_or(self.last, |icmp| icmp.max(self.last))
    }

    fn key(&self) -> Key {
        Key::new(self.proto, self.vni, self.orig, self.resp)
    }

    fn takes(&self, kind: Kind, frame: FrameRef) -> bool {
        match kind {
            Kind::IcmpError => self.icmp.contains(&frame),
            _ => (self.first..=self.last).contains(&frame),
        }
    }
}

/// A packet of a wanted flow.
#[derive(Clone, Copy, Debug)]
pub struct Replayed<'w> {
    /// Place of its flow among those wanted.
    pub wanted: usize,
    /// Frame and time.
    pub at: Moment,
    /// Who sent it; of an ICMP error: the side whose packet it does not quote.
    pub dir: Dir,
    /// What was decoded; offsets are into `window`.
    pub packet: &'w Packet,
    /// The window that it lies in.
    pub window: &'w Window,
    /// Where its frame lies in the window.
    pub header: &'w FrameHeader,
    /// The interface of its frame, where the file names one.
    pub interface: Option<&'w Interface>,
}

impl Replayed<'_> {
    /// The frame as it stands in the file.
    pub fn frame(&self) -> &[u8] {
        let start = self.header.offset as usize;
        self.window.bytes.get(start..start + self.header.captured as usize).unwrap_or_default()
    }

    /// What it says: flags, payload, TLS messages.
    pub fn text(&self) -> String {
        words::of(self.packet, self.window)
    }
}

/// Shows every packet of the wanted flows of one capture, in file order.
///
/// # Errors
/// Why a file of the capture could not be opened again.
pub fn replay(
    sources: &[Source],
    set: &CaptureSet,
    wanted: &[Wanted],
    options: &DecodeOptions,
    each: &mut dyn FnMut(&Replayed<'_>) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let Some(end) = wanted.iter().map(Wanted::end).max() else { return Ok(()) };
    let begin = wanted.iter().flat_map(|w| w.icmp.iter().copied().chain([w.first])).min().unwrap_or_default();
    // A first packet may have been put together from fragments that came before.
    let begin = FrameRef::new(begin.file(), begin.number().saturating_sub(fragments::MAX_AGE));
    let mut pass =
        Pass { wanted, by_key: by_key(wanted), begin, options, reassembler: super::reassembler(sources) };
    for (file, index) in set.files.iter().enumerate() {
        let file = u16::try_from(file).unwrap_or(u16::MAX);
        let Some(source) = sources.get(index.0 as usize) else { continue };
        if file > end.file() || file < begin.file() {
            continue;
        }
        let mut reader = capture::open(source.open()?, source.kind);
        let mut window = Window::default();
        while reader.fill(&mut window) {
            pass.window(&mut window, file, reader.interfaces(), each)?;
            if FrameRef::new(file, window.first_number + window.frames.len() as u64) > end {
                break;
            }
        }
    }
    Ok(())
}

/// Endpoints without direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    proto: u8,
    vni: Option<u32>,
    low: SocketAddr,
    high: SocketAddr,
}

impl Key {
    fn new(proto: u8, vni: Option<u32>, a: SocketAddr, b: SocketAddr) -> Self {
        Self { proto, vni, low: a.min(b), high: a.max(b) }
    }
}

fn by_key(wanted: &[Wanted]) -> HashMap<Key, Vec<usize>> {
    let mut map: HashMap<Key, Vec<usize>> = HashMap::new();
    for (n, flow) in wanted.iter().enumerate() {
        map.entry(flow.key()).or_default().push(n);
    }
    map
}

struct Pass<'a> {
    wanted: &'a [Wanted],
    by_key: HashMap<Key, Vec<usize>>,
    begin: FrameRef,
    options: &'a DecodeOptions,
    reassembler: Reassembler,
}

impl Pass<'_> {
    fn window(
        &mut self,
        window: &mut Window,
        file: u16,
        interfaces: &[Interface],
        each: &mut dyn FnMut(&Replayed<'_>) -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        let after = FrameRef::new(file, window.first_number + window.frames.len() as u64);
        if after <= self.begin {
            return Ok(());
        }
        let mut decoded = Decoded::default();
        packet::decode(window, 0..window.frames.len(), self.options, &mut decoded);
        self.reassembler.pass(window, self.options, &mut decoded.packets, &mut decoded.problems);
        for packet in &decoded.packets {
            let Some(header) = window.frames.get(packet.frame as usize) else { continue };
            let frame = FrameRef::new(file, window.number(packet.frame as usize));
            let Some((wanted, dir)) = self.find(packet, window, frame) else { continue };
            let at = Moment { frame, time: header.time };
            let interface = interfaces.get(usize::from(header.interface));
            each(&Replayed { wanted, at, dir, packet, window, header, interface })?;
        }
        Ok(())
    }

    /// Which wanted flow a packet is of, and who sent it.
    fn find(&self, packet: &Packet, window: &Window, frame: FrameRef) -> Option<(usize, Dir)> {
        let (source, destination) = match packet.kind {
            Kind::Tcp | Kind::Udp => packet.addresses(window),
            Kind::IcmpError => packet.quoted_addresses(window),
            Kind::Fragment | Kind::Neighbor | Kind::Opaque => return None,
        };
        let source = SocketAddr::new(source, packet.src_port);
        let destination = SocketAddr::new(destination, packet.dst_port);
        let vni = packet.vni.checked_sub(1);
        let candidates = self.by_key.get(&Key::new(packet.protocol, vni, source, destination))?;
        let takes = |n: &&usize| self.wanted.get(**n).is_some_and(|w| w.takes(packet.kind, frame));
        let wanted = *candidates.iter().find(takes)?;
        let sender = if self.wanted.get(wanted)?.orig == source { Dir::Orig } else { Dir::Resp };
        Some((wanted, if packet.kind == Kind::IcmpError { sender.other() } else { sender }))
    }
}
