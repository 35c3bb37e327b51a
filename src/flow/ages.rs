//! Which flow has the oldest last frame: a queue that is in use only once the memory budget is reached.
//!
//! New flows come in order of their frame and need no sorting; only flows that went on since they were queued take a
//! place in a heap, so that a flood costs a constant time for each flow.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::FrameRef;

/// Last frame of a flow when it was queued, and what finds the flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Age {
    pub(super) last: FrameRef,
    pub(super) opened: FrameRef,
    pub(super) hash: u32,
}

/// Live flows by the last frame that is known here.
#[derive(Debug, Default)]
pub(super) struct Ages {
    in_use: bool,
    /// In order.
    queue: VecDeque<Age>,
    /// Those that would be out of order there.
    heap: BinaryHeap<Reverse<Age>>,
}

impl Ages {
    pub(super) fn is_in_use(&self) -> bool {
        self.in_use
    }

    /// Begins with all flows that there are.
    pub(super) fn begin(&mut self, all: impl Iterator<Item = Age>) {
        let mut all: Vec<Age> = all.collect();
        all.sort_unstable();
        self.queue = all.into();
        self.in_use = true;
    }

    /// Notes a flow, if the queue is in use.
    pub(super) fn note(&mut self, age: Age) {
        if !self.in_use {
            return;
        }
        if self.queue.back().is_none_or(|last| *last <= age) {
            self.queue.push_back(age);
        } else {
            self.heap.push(Reverse(age));
        }
    }

    /// The oldest.
    pub(super) fn pop(&mut self) -> Option<Age> {
        match (self.queue.front(), self.heap.peek()) {
            (Some(a), Some(Reverse(b))) if b < a => self.heap.pop().map(|Reverse(age)| age),
            (None, _) => self.heap.pop().map(|Reverse(age)| age),
            _ => self.queue.pop_front(),
        }
    }
}
