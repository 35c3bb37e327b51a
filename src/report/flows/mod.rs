//! Flow records as `wirecause flows` gives them: NDJSON, JSON, table.
//!
//! Takes finished conversations in their order; gives one object a flow, in that order, the same bytes for any number
//! of threads. Records are written byte by byte into buffers that are used again, several chunks at once; what many
//! flows share (hellos, certificates, names) is rendered once per thread. Absent facts are absent keys.

use std::io::{self, Write};
use std::sync::Mutex;

use foldhash::HashMap;
use rayon::prelude::*;

use super::json::{self, Text};
use crate::bundle::Source;
use crate::flow::{Scratch, TcpFacts};
use crate::ingest::{App, Conversation, FlowIndex, Ingested, Record};

mod record;
mod table;
mod tcp;
mod tls;

pub use table::table;

/// Which flows to show: `--where` and the like.
pub type Selector<'a> = &'a (dyn Fn(&Conversation) -> bool + Sync);

/// What records are made from.
pub struct Records<'a> {
    wire: &'a Ingested,
    captures: Vec<CaptureText>,
    counterparts: HashMap<FlowIndex, (FlowIndex, &'static str)>,
    community_id: bool,
}

/// Names that every record of a capture repeats, as JSON.
struct CaptureText {
    name: Box<[u8]>,
    files: Vec<Box<[u8]>>,
}

/// What one thread renders with, used again from flow to flow.
#[derive(Default)]
struct Desk {
    /// Texts that are rendered once; bounded, emptied when full.
    cache: tls::Cache,
    /// The flow at hand.
    scratch: Scratch<App>,
    /// Its TCP facts.
    tcp: TcpFacts,
}

/// How records are joined into a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// One object a line.
    Lines,
    /// One array.
    Array,
}

impl<'a> Records<'a> {
    /// Prepares the texts that records share. `sources` are those that the captures were read from.
    pub fn new(wire: &'a Ingested, sources: &[Source]) -> Self {
        let captures = wire.captures.iter().map(|c| CaptureText {
            name: json::quoted(&c.set.name),
            files: c.set.files.iter().map(|f| path_of(sources, f.0)).collect(),
        });
        Self { wire, captures: captures.collect(), counterparts: HashMap::default(), community_id: true }
    }

    /// Leaves out what addresses can be guessed from: a Community ID is a digest of nothing else.
    #[must_use]
    pub fn without_community_id(mut self) -> Self {
        self.community_id = false;
        self
    }

    /// Also names the other half or other view of a flow.
    #[must_use]
    pub fn with_counterparts(mut self, pairs: &[(FlowIndex, FlowIndex, &'static str)]) -> Self {
        for (flow, other, why) in pairs {
            self.counterparts.entry(*flow).or_insert((*other, why));
            self.counterparts.entry(*other).or_insert((*flow, why));
        }
        self
    }

    /// Writes every selected flow.
    pub fn write(
        &self,
        framing: Framing,
        select: Selector<'_>,
        out: &mut (dyn Write + Send),
    ) -> io::Result<()> {
        let desks: Vec<_> = (0..rayon::current_num_threads()).map(|_| Mutex::default()).collect();
        let slots = desks.len() * SLOTS_PER_THREAD;
        let (mut ready, mut filling) = (new_slots(slots), new_slots(slots));
        let mut separator = Separator::new(framing);
        out.write_all(separator.open())?;
        for first in (0..self.wire.flows.blocks()).step_by(slots * CHUNK_BLOCKS) {
            let render = || self.render(first, framing, select, &desks, &mut filling);
            let ((), written) = rayon::join(render, || separator.write(&ready, out));
            written?;
            std::mem::swap(&mut ready, &mut filling);
            filling.iter_mut().for_each(Text::clear);
        }
        separator.write(&ready, out)?;
        out.write_all(separator.close())?;
        out.flush()
    }

    /// Renders flows from the block `first` on, a few blocks to each slot.
    fn render(
        &self,
        first: usize,
        framing: Framing,
        select: Selector<'_>,
        desks: &[Mutex<Desk>],
        slots: &mut [Text],
    ) {
        slots.par_iter_mut().enumerate().for_each(|(n, out)| {
            let first = first + n * CHUNK_BLOCKS;
            at_own(desks, |desk| {
                for block in first..first + CHUNK_BLOCKS {
                    self.wire.flows.each(block, |record| self.one(record, framing, select, desk, out));
                }
            });
        });
    }

    fn one(
        &self,
        record: &Record<'_>,
        framing: Framing,
        select: Selector<'_>,
        desk: &mut Desk,
        out: &mut Text,
    ) {
        let Desk { cache, scratch, tcp } = desk;
        let flow = record.open_into(scratch);
        if !select(flow) {
            return;
        }
        if framing == Framing::Array && !out.is_empty() {
            out.put(b",\n");
        }
        // Unpacked for this line only: unpacked for good, those of all flows would fill the memory.
        let tcp = flow.tcp.as_ref().map(|packed| packed.read_into(tcp));
        self.record(record.index, flow, tcp, cache, out);
        if framing == Framing::Lines {
            out.put(b"\n");
        }
    }

    fn counterpart(&self, index: FlowIndex) -> Option<(&Conversation, &'static str)> {
        let (other, why) = self.counterparts.get(&index)?;
        Some((self.wire.flows.get(*other)?, why))
    }
}

/// Keeps the commas of an array right across chunks.
struct Separator {
    framing: Framing,
    begun: bool,
}

impl Separator {
    fn new(framing: Framing) -> Self {
        Self { framing, begun: false }
    }

    fn open(&self) -> &'static [u8] {
        if self.framing == Framing::Array { b"[\n" } else { b"" }
    }

    fn close(&self) -> &'static [u8] {
        match (self.framing, self.begun) {
            (Framing::Lines, _) => b"",
            (Framing::Array, true) => b"\n]\n",
            (Framing::Array, false) => b"]\n",
        }
    }

    fn write(&mut self, slots: &[Text], out: &mut (dyn Write + Send)) -> io::Result<()> {
        for slot in slots.iter().filter(|s| !s.is_empty()) {
            if self.framing == Framing::Array && self.begun {
                out.write_all(b",\n")?;
            }
            self.begun = true;
            out.write_all(slot.as_bytes())?;
        }
        Ok(())
    }
}

fn new_slots(count: usize) -> Vec<Text> {
    (0..count).map(|_| Text::default()).collect()
}

/// Works at the desk of this thread, which nobody else sits at: only a thread that takes up other work while it waits
/// for a part of this one's would find it in use, and gets another.
fn at_own(desks: &[Mutex<Desk>], work: impl FnOnce(&mut Desk)) {
    match desks.get(rayon::current_thread_index().unwrap_or_default()).map(Mutex::try_lock) {
        Some(Ok(mut desk)) => work(&mut desk),
        _ => work(&mut Desk::default()),
    }
}

fn path_of(sources: &[Source], index: u32) -> Box<[u8]> {
    json::quoted(sources.get(index as usize).map_or("", |s| s.path.as_str()))
}

/// Blocks of flows rendered by one task: about 256 KiB of text.
const CHUNK_BLOCKS: usize = 4;

/// Chunks under way for each thread, so that uneven ones even out.
const SLOTS_PER_THREAD: usize = 4;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use super::*;
    use crate::capture::{CaptureIndex, CaptureSet};
    use crate::flow::{ConnState, Flow, FrameRef, Moment, PerDir, Proto};
    use crate::ingest::CaptureReport;
    use crate::time::Timestamp;
    use crate::tls::{ClientHello, ClientHelloShape, ProtocolVersion, TlsFacts};

    fn moment(frame: u64) -> Moment {
        Moment { frame: FrameRef::new(0, frame), time: Timestamp(frame as i64 * 1_000_000) }
    }

    fn hello() -> ClientHello {
        let shape = ClientHelloShape {
            sni: Some("a\"\u{1b}[2J.svc".to_owned()),
            versions: vec![ProtocolVersion(0x0303), ProtocolVersion(0x0304)],
            ..ClientHelloShape::default()
        };
        ClientHello {
            at: moment(4),
            bytes: 512,
            segments: 1,
            complete: None,
            acked: None,
            largest_segment: 512,
            random: [7; 32],
            shape: Arc::new(shape),
            cut: false,
        }
    }

    fn flow(n: u32) -> Conversation {
        let tls = TlsFacts { client_hello: Some(Box::new(hello())), ..TlsFacts::default() };
        let tcp =
            TcpFacts { conn_state: Some(ConnState::S1), history: "ShA".to_owned(), ..TcpFacts::default() };
        let mut app = App::default();
        app.session.tls = Some(Box::new(tls));
        Flow {
            capture: CaptureIndex(0),
            stream_frame: None,
            shares_tuple: false,
            stream: Some(n),
            proto: Proto::Tcp,
            vni: None,
            orig: "[fd00::1]:40000".parse().expect("an address"),
            resp: "[fd00::2]:443".parse().expect("an address"),
            first: moment(1),
            last: moment(9),
            packets: PerDir { orig: 3, resp: 1 },
            bytes: PerDir { orig: 512, resp: 0 },
            duplicates: 0,
            truncated: false,
            midstream: false,
            evicted: false,
            quoted_only: false,
            tcp: Some(tcp.into()),
            icmp: Vec::new(),
            stray_icmp: Vec::new(),
            parts: Vec::new(),
            app,
        }
    }

    fn wire(flows: u32) -> Ingested {
        let capture = CaptureReport {
            set: CaptureSet { name: "node-1".to_owned(), host: None, files: Vec::new() },
            interfaces: BTreeSet::new(),
            filters: BTreeSet::new(),
            link_types: Vec::new(),
            first: None,
            last: None,
            holes: Vec::new(),
            frames: 0,
            drops: None,
            snaplen_cut: 0,
            encrypted: 0,
            duplicates: 0,
            ack_lost_segments: 0,
            gap_bytes: 0,
            backwards: 0,
            one_sided: 0.0,
            evicted: 0,
            flows: 0,
            retransmissions: 0,
            spilled_bytes: 0,
        };
        Ingested { captures: vec![capture], flows: (0..flows).map(flow).collect(), ..Ingested::default() }
    }

    fn written(wire: &Ingested, framing: Framing, threads: usize) -> Vec<u8> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads start");
        let mut out = Vec::new();
        pool.install(|| Records::new(wire, &[]).write(framing, &|f| f.stream != Some(1), &mut out))
            .expect("a Vec takes all");
        out
    }

    #[test]
    fn a_record_has_the_keys_of_the_contract_and_no_null() {
        let text = String::from_utf8(written(&wire(1), Framing::Lines, 1)).expect("UTF-8");
        assert!(!text.contains("null") && !text.contains('\u{1b}'), "{text}");
        let record: serde_json::Value = serde_json::from_str(&text).expect(&text);
        assert_eq!(text.matches("\"community_id\":").count(), 1, "a key stands once: {text}");
        for (pointer, expected) in [
            ("/capture", serde_json::json!("node-1")),
            ("/stream", serde_json::json!(0)),
            ("/resp", serde_json::json!({"ip": "fd00::2", "port": 443})),
            ("/first_time", serde_json::json!("1970-01-01T00:00:00.001000000Z")),
            ("/conn_state", serde_json::json!("S1")),
            ("/packets/orig", serde_json::json!(3)),
            ("/tls/sni", serde_json::json!("a\"\u{1b}[2J.svc")),
            ("/tls/client_hello/frame", serde_json::json!(4)),
            ("/tls/client_hello/acked", serde_json::json!(false)),
            ("/tls/phase", serde_json::json!("no_hello")),
        ] {
            assert_eq!(record.pointer(pointer), Some(&expected), "{pointer}");
        }
    }

    #[test]
    fn what_addresses_can_be_guessed_from_is_left_out_when_asked() {
        let (wire, mut out) = (wire(1), Vec::new());
        Records::new(&wire, &[])
            .without_community_id()
            .write(Framing::Lines, &|_| true, &mut out)
            .expect("a Vec takes all");
        assert!(!String::from_utf8_lossy(&out).contains("community_id"));
    }

    #[test]
    fn the_same_bytes_for_any_number_of_threads() {
        let wire = wire(5000);
        let one = written(&wire, Framing::Lines, 1);
        assert_eq!(one.split(|b| *b == b'\n').count(), 5000, "4999 selected flows and the end");
        for threads in [2, 8] {
            assert!(written(&wire, Framing::Lines, threads) == one, "{threads} threads");
        }
        let array: Vec<serde_json::Value> =
            serde_json::from_slice(&written(&wire, Framing::Array, 2)).expect("one array");
        assert_eq!(array.len(), 4999);
        assert_eq!(written(&self::wire(0), Framing::Array, 2), b"[\n]\n");
    }
}
