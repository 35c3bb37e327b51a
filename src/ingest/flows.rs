//! Every flow of all captures, in order, as packed records: in memory up to a budget, behind it in a file without a name.
//!
//! A flow is unpacked for a moment ([`Flows::read`], [`Flows::iter`]) or for good ([`Flows::get`]): only the few flows
//! that a report is about should be. Passes over all flows go block by block, in parallel where they can, and look at
//! heads first ([`Record::brief`]).

use std::borrow::Cow;
use std::fs::File;
use std::io::Write;
use std::sync::{Arc, OnceLock};

use super::{App, Conversation, FlowIndex, prefix};
use crate::bundle::read_at;
use crate::flow::{
    Brief, FrameRef, Prints, RecordContext, Scratch, is_lone_syn, pack_all, put_record, record_at,
};

/// All flows by capture, first frame, protocol, originator.
#[derive(Clone, Debug, Default)]
pub struct Flows {
    blocks: Vec<Block>,
    len: u32,
    /// What the records of each shard of each capture are read with.
    contexts: Vec<RecordContext>,
    /// Numbers of streams that are not numbered by the first frame of their flow: capture, frame, number; in order.
    late: Vec<(u16, FrameRef, u32)>,
    /// The block that is being filled.
    filling: Vec<u8>,
    filling_count: usize,
    filling_lone: bool,
    file: Option<Arc<File>>,
    written: u64,
    /// Bytes of blocks in memory, and at most.
    memory: usize,
    limit: usize,
    /// Why no more can be written to the file.
    failed: Option<String>,
    blank: OnceLock<Box<Conversation>>,
    /// How often a flow was unpacked: tests of complexity count it.
    #[cfg(test)]
    pub(crate) reads: Arc<std::sync::atomic::AtomicU64>,
}

/// Records that follow each other.
#[derive(Clone, Debug)]
struct Block {
    place: BlockPlace,
    /// Every flow is a lone SYN.
    lone: bool,
    /// Flows that were unpacked for good.
    kept: OnceLock<Box<[OnceLock<Box<Conversation>>; BLOCK]>>,
}

#[derive(Clone, Debug)]
enum BlockPlace {
    Memory(Box<[u8]>),
    File { offset: u64, length: u32 },
}

/// A packed flow.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Which flow.
    pub index: FlowIndex,
    context: &'a RecordContext,
    /// Its `tcp.stream`, if it is numbered by its first frame.
    stream: Option<u32>,
    bytes: &'a [u8],
    flows: &'a Flows,
}

impl Flows {
    /// Without flows; `limit`: bytes of records in memory at most.
    pub(super) fn with_limit(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of records that were written to a file.
    pub fn spilled(&self) -> u64 {
        self.written
    }

    /// The flow at `index`, unpacked for good.
    pub fn get(&self, index: FlowIndex) -> Option<&Conversation> {
        if index.0 >= self.len {
            return None;
        }
        let (block, place) = place_of(index);
        let block = self.blocks.get(block)?;
        let kept = block.kept.get_or_init(|| Box::new([const { OnceLock::new() }; BLOCK]));
        let flow = kept[place].get_or_init(|| Box::new(self.read(index).unwrap_or_default()));
        Some(flow)
    }

    /// The flow at `index`, unpacked for good; an empty one where there is none.
    pub fn at(&self, index: FlowIndex) -> &Conversation {
        self.get(index).unwrap_or_else(|| self.blank.get_or_init(Box::default))
    }

    /// The flow at `index`, unpacked for a moment.
    pub fn read(&self, index: FlowIndex) -> Option<Conversation> {
        #[cfg(test)]
        self.reads.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let (block, place) = place_of(index);
        if let Some(kept) = self.blocks.get(block)?.kept.get().and_then(|kept| kept[place].get()) {
            return Some((**kept).clone());
        }
        let bytes = self.bytes(block);
        let record = self.records(block, &bytes).nth(place)?;
        Some(record.open())
    }

    /// Every flow, unpacked one after the other.
    pub fn iter(&self) -> impl Iterator<Item = Conversation> + '_ {
        (0..self.blocks()).flat_map(|block| {
            let bytes = self.bytes(block);
            let flows: Vec<Conversation> = self.records(block, &bytes).map(|r| r.open()).collect();
            flows
        })
    }

    /// How many blocks the flows lie in.
    pub fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// The first flow of a block, and the first behind it.
    pub fn indices(&self, block: usize) -> (FlowIndex, FlowIndex) {
        (FlowIndex((block * BLOCK) as u32), FlowIndex(((block + 1) * BLOCK) as u32))
    }

    /// Every flow of a block is one plain SYN.
    pub fn is_lone(&self, block: usize) -> bool {
        self.blocks.get(block).is_some_and(|block| block.lone)
    }

    /// Shows the records of one block in order.
    pub fn each(&self, block: usize, mut show: impl FnMut(&Record<'_>)) {
        let bytes = self.bytes(block);
        self.records(block, &bytes).for_each(|record| show(&record));
    }

    /// Shows the records of these flows, which are in order: a block that holds several of them is read once.
    pub fn each_of(&self, flows: impl Iterator<Item = FlowIndex>, mut show: impl FnMut(&Record<'_>)) {
        let mut flows = flows.peekable();
        while let Some(&first) = flows.peek() {
            let (block, _) = place_of(first);
            let bytes = self.bytes(block);
            for record in self.records(block, &bytes) {
                if flows.next_if_eq(&record.index).is_some() {
                    #[cfg(test)]
                    self.reads.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    show(&record);
                    if flows.peek().is_none_or(|next| place_of(*next).0 != block) {
                        break;
                    }
                }
            }
            // What is in no block is passed over, and so is what is out of order.
            while flows.next_if(|flow| place_of(*flow).0 <= block).is_some() {}
        }
    }

    /// Shows every flow that is more than one plain SYN, unpacked one after the other.
    pub fn each_but_lone_syns(&self, mut show: impl FnMut(FlowIndex, &Conversation)) {
        let mut scratch = Scratch::default();
        for block in (0..self.blocks()).filter(|block| !self.is_lone(*block)) {
            self.each(block, |record| {
                if !record.is_lone_syn() {
                    show(record.index, record.open_into(&mut scratch));
                }
            });
        }
    }

    /// The bytes of a block; none where the file cannot be read.
    fn bytes(&self, block: usize) -> Cow<'_, [u8]> {
        match self.blocks.get(block).map(|b| &b.place) {
            Some(BlockPlace::Memory(bytes)) => Cow::Borrowed(bytes),
            Some(BlockPlace::File { offset, length }) => {
                Cow::Owned(self.read_back(*offset, *length as usize).unwrap_or_default())
            }
            None => Cow::Borrowed(&[]),
        }
    }

    fn read_back(&self, offset: u64, length: usize) -> Option<Vec<u8>> {
        let file = self.file.as_ref()?;
        let mut bytes = vec![0; length];
        let mut done = 0;
        while done < length {
            match read_at(file, &mut bytes[done..], offset + done as u64).ok()? {
                0 => return None,
                n => done += n,
            }
        }
        Some(bytes)
    }

    fn records<'a>(&'a self, block: usize, bytes: &'a [u8]) -> impl Iterator<Item = Record<'a>> {
        let mut at = 0;
        let mut index = (block * BLOCK) as u32;
        std::iter::from_fn(move || {
            if at >= bytes.len() {
                return None;
            }
            let (stored, next) = record_at(bytes, at);
            at = next;
            let (source, stream, bytes) = prefix::split(stored);
            let record = Record {
                index: FlowIndex(index),
                context: self.contexts.get(source as usize)?,
                stream,
                bytes,
                flows: self,
            };
            index += 1;
            Some(record)
        })
    }

    /// The number of the stream that begins at a frame of a capture.
    fn late_stream(&self, capture: u16, frame: FrameRef) -> Option<u32> {
        let place = self.late.binary_search_by_key(&(capture, frame), |(c, f, _)| (*c, *f)).ok()?;
        Some(self.late[place].2)
    }

    /// Takes what the records to come are read with; gives their source.
    pub(super) fn source(&mut self, context: RecordContext) -> usize {
        self.contexts.push(context);
        self.contexts.len() - 1
    }

    /// Takes the next record, in order. `stream`: its number, if it is numbered by its first frame; `lone`: it is a
    /// lone SYN's.
    pub(super) fn push(&mut self, source: usize, stream: Option<u32>, lone: bool, record: &[u8]) {
        self.filling_lone = lone && (self.filling_lone || self.filling_count == 0);
        let (before, used) = prefix::of(source as u32, stream);
        put_record(&mut self.filling, &[&before[..used], record]);
        self.filling_count += 1;
        self.len += 1;
        if self.filling_count == BLOCK {
            self.close_block();
        }
    }

    /// Takes the number of a stream that is not numbered by the first frame of its flow, in order.
    pub(super) fn push_late(&mut self, capture: u16, frame: FrameRef, number: u32) {
        self.late.push((capture, frame, number));
    }

    /// No more records come for now.
    ///
    /// Blocks hold a fixed number of flows, so that an index says where a flow lies: the last one stays open and is
    /// filled by the next capture.
    pub(super) fn flush(&mut self) {
        if self.filling_count > 0 {
            let bytes = self.filling.as_slice().into();
            self.blocks.push(self.block(BlockPlace::Memory(bytes)));
        }
    }

    fn block(&self, place: BlockPlace) -> Block {
        Block { place, lone: self.filling_lone, kept: OnceLock::new() }
    }

    /// Goes on after [`Flows::flush`].
    pub(super) fn resume(&mut self) {
        if self.filling_count > 0 {
            self.blocks.pop();
        }
    }

    /// Why records could not be written to a file.
    pub(super) fn failed(&self) -> Option<&str> {
        self.failed.as_deref()
    }

    fn close_block(&mut self) {
        let place = if self.memory + self.filling.len() <= self.limit || self.failed.is_some() {
            self.memory += self.filling.len();
            BlockPlace::Memory(self.filling.as_slice().into())
        } else {
            self.write_block()
        };
        self.blocks.push(self.block(place));
        self.filling.clear();
        self.filling_count = 0;
    }

    fn write_block(&mut self) -> BlockPlace {
        let file = match &self.file {
            Some(file) => Ok(Arc::clone(file)),
            None => tempfile::tempfile().map(|file| Arc::clone(self.file.insert(Arc::new(file)))),
        };
        let written = file.and_then(|file| (&*file).write_all(&self.filling));
        if let Err(error) = written {
            self.failed = Some(error.to_string());
            return BlockPlace::Memory(self.filling.as_slice().into());
        }
        let length = self.filling.len();
        let offset = self.written;
        self.written += length as u64;
        BlockPlace::File { offset, length: length as u32 }
    }
}

impl Record<'_> {
    /// One plain SYN is all that was seen of it.
    pub fn is_lone_syn(&self) -> bool {
        is_lone_syn(self.bytes)
    }

    /// What can be told without unpacking it.
    pub fn brief(&self) -> Brief {
        Brief::of(self.bytes)
    }

    /// By what another view of the flow may be found.
    pub fn prints(&self) -> Prints {
        Prints::of(self.bytes)
    }

    /// Which capture it is of.
    pub fn capture(&self) -> crate::capture::CaptureIndex {
        self.context.capture
    }

    /// The flow.
    pub fn open(&self) -> Conversation {
        let mut flow = self.context.unpack(self.bytes);
        self.number(&mut flow);
        flow
    }

    /// The flow, in place of an earlier one.
    pub fn open_into<'s>(&self, scratch: &'s mut Scratch<App>) -> &'s Conversation {
        let flow = self.context.unpack_into(self.bytes, scratch);
        self.number(flow);
        flow
    }

    /// Gives a flow and its parts the numbers of their streams.
    fn number(&self, flow: &mut Conversation) {
        let first = flow.first.frame;
        let capture = self.context.capture.0;
        let number = |frame: FrameRef| {
            let own = self.stream.filter(|_| frame == first);
            own.or_else(|| self.flows.late_stream(capture, frame))
        };
        if self.context.several_files {
            let numbers: Vec<_> = flow.parts.iter().map(|p| p.stream_place().and_then(number)).collect();
            for (part, number) in flow.parts.iter_mut().zip(numbers) {
                part.stream = number.or(part.stream);
            }
            flow.stream = flow.parts.first().and_then(|part| part.stream);
        } else {
            flow.stream = flow.stream_frame.and_then(number).or(self.stream);
        }
    }
}

impl FromIterator<Conversation> for Flows {
    /// Flows that were not captured, in the order given, with the numbers that they have.
    fn from_iter<I: IntoIterator<Item = Conversation>>(flows: I) -> Self {
        let flows: Vec<Conversation> = flows.into_iter().collect();
        let mut all = Self::with_limit(usize::MAX);
        let heads: Vec<_> = flows.iter().map(|f| (f.capture, !f.parts.is_empty(), f.stream)).collect();
        let (records, shared) = pack_all(flows);
        for ((capture, several_files, stream), record) in heads.into_iter().zip(records) {
            let like = |c: &RecordContext| c.capture == capture && c.several_files == several_files;
            let known = all.contexts.iter().position(like);
            let source = known.unwrap_or_else(|| {
                all.source(RecordContext { capture, several_files, shared: shared.clone() })
            });
            all.push(source, stream, is_lone_syn(&record), &record);
        }
        all.flush();
        all
    }
}

fn place_of(index: FlowIndex) -> (usize, usize) {
    (index.0 as usize / BLOCK, index.0 as usize % BLOCK)
}

/// Flows of a block: few enough to read for the sake of one.
const BLOCK: usize = 64;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::bundle::{self, Limits};
    use crate::ingest::{self, IngestOptions};

    #[test]
    fn nothing_of_an_earlier_flow_shows_in_one_that_is_unpacked_in_its_place() {
        let folders =
            ["samples/tls", "tests/captures"].map(|f| Path::new(env!("CARGO_MANIFEST_DIR")).join(f));
        let bundle = bundle::discover(&folders, &Limits::default()).expect("the samples are there");
        let flows = ingest::run(&bundle.sources, &IngestOptions::default()).flows;
        for block in 0..flows.blocks() {
            let bytes = flows.bytes(block);
            let records: Vec<_> = flows.records(block, &bytes).collect();
            let alone: Vec<_> = records.iter().map(|record| format!("{:?}", record.open())).collect();
            let mut scratch = Scratch::default();
            for earlier in &records {
                for (later, expected) in records.iter().zip(&alone) {
                    earlier.open_into(&mut scratch);
                    let later = later.open_into(&mut scratch);
                    assert_eq!(format!("{later:?}"), *expected, "after {:?}", earlier.index);
                }
            }
        }
    }
}
