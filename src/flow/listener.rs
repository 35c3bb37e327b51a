//! What the observer has of one flow, and what it is still shown.

use super::{Dir, Moment, Observer, Payload};

/// What the observer has of the flow.
pub(super) enum App<O: Observer> {
    Open(O::Flow),
    /// It was ended when the flow was frozen, and stays so.
    Ended(O::Facts),
}

/// The observer, as far as it still follows one flow.
pub(super) enum Listener<'a, O: Observer> {
    Open(&'a mut O, &'a mut O::Flow),
    Ended,
}

impl<'a, O: Observer> Listener<'a, O> {
    pub(super) fn of(observer: &'a mut O, app: &'a mut App<O>) -> Self {
        match app {
            App::Open(flow) => Self::Open(observer, flow),
            App::Ended(_) => Self::Ended,
        }
    }

    /// Shows payload, if it is wanted.
    pub(super) fn payload<'p>(&mut self, dir: Dir, payload: impl FnOnce() -> Payload<'p>) {
        if let Self::Open(observer, flow) = self
            && observer.wants(flow, dir)
        {
            observer.payload(flow, &payload());
        }
    }

    /// Tells of an acknowledgment.
    pub(super) fn acked(&mut self, by: Dir, offset: i64, at: Moment) {
        if let Self::Open(observer, flow) = self {
            observer.acked(flow, by, offset, at);
        }
    }
}
