//! One shard of the flow table.

use super::{Flow, Observer};
use crate::capture::{CaptureIndex, Window};
use crate::packet::Packet;

/// How a shard works.
#[derive(Clone, Copy, Debug)]
pub struct ShardOptions {
    /// Which capture its flows are of.
    pub capture: CaptureIndex,
    /// Live flows at most; past it the flow with the oldest last frame is finished early.
    pub max_flows: usize,
}

/// The flows whose hash falls to one shard, and the observer's context for them.
pub struct Shard<O: Observer> {
    observer: O,
    finished: Vec<Flow<O::Facts>>,
}

impl<O: Observer> Shard<O> {
    /// An empty shard.
    pub fn new(observer: O, _options: ShardOptions) -> Self {
        Self { observer, finished: Vec::new() }
    }

    /// Takes packets of its flows, in frame order; `file` is the capture's file that the window is of.
    pub fn process(&mut self, _window: &Window, _file: u16, _packets: &[Packet]) {}

    /// Ends all flows and gives them, with the observer, in order of first frame.
    pub fn finish(self) -> (Vec<Flow<O::Facts>>, O) {
        (self.finished, self.observer)
    }
}
