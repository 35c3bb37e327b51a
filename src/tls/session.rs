//! One flow's TLS session, fed with payload in capture order.

use super::SessionFacts;
use crate::flow::{Dir, FlowEnd, Moment, Payload};

/// What many sessions of a shard share: hellos and certificates by their bytes, within bounds.
#[derive(Debug, Default)]
pub struct Interner {}

/// State of one flow.
#[derive(Debug, Default)]
pub struct Session {}

impl Session {
    /// Payload of one packet (TCP).
    pub fn payload(&mut self, _interner: &mut Interner, _payload: &Payload<'_>) {}

    /// `by` acknowledged the other side's stream up to `offset`.
    pub fn acked(&mut self, _by: Dir, _offset: i64, _at: Moment) {}

    /// Whether payload of this side is still of use.
    pub fn wants(&self, _dir: Dir) -> bool {
        false
    }

    /// The flow is the other way round.
    pub fn swap(&mut self) {}

    /// What is known in the end.
    pub fn finish(self, _interner: &mut Interner, _end: &FlowEnd) -> SessionFacts {
        SessionFacts::default()
    }
}

impl Interner {
    /// Bytes held.
    pub fn memory(&self) -> usize {
        0
    }
}
