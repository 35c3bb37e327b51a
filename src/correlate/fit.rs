//! How well the end of a flow fits the time of a line.
//!
//! Takes an ending and a call, on one clock; gives 0 to 1, to be weighed with the key that led to the flow. Never looks
//! at what a line says.

use super::candidates::{Call, Ended};
use super::lists::QUEUED;
use super::{Key, endings};
use crate::time::{TimeDelta, Timestamp};

/// How much a key alone says.
pub(super) const fn weight(key: Key) -> f64 {
    match key {
        Key::Tuple | Key::ClientHelloRandom => 1.0,
        Key::Sni => 0.9,
        Key::NatMap => 0.85,
        Key::Learnt => 0.75,
        Key::DnsName => 0.8,
        Key::Time | Key::Wire => 0.3,
    }
}

/// How well the time of a line fits an ending, 0 to 1. A packet after the line (beyond the slack) never caused it, one
/// within the slack the less the longer after (calls in quick succession are told apart by that), and an attempt that
/// began before the call's deadline could have started is not the call's, nor is one that began after the line was
/// written, or that the caller ended itself long before.
pub(super) fn fit(ended: &Ended, call: &Call, deadline: Option<TimeDelta>) -> f64 {
    let Call { at, slack, grain, .. } = *call;
    if endings::is_open(ended.ending) {
        let over = ended.over.map_or(TimeDelta(0), |over| at - over);
        let told = if over > LATEST + slack { 0.0 } else { 1.0 / (1.0 + late(over - slack)) };
        return waited(ended, call, deadline) * told;
    }
    if ended.start > at + slack {
        return 0.0;
    }
    let after = at - ended.at;
    let late = if after.0 < 0 { (after.abs() - grain).0.max(0) as f64 / 0.05e9 } else { late(after) };
    // Of connections that ended together the one with a call open is meant.
    let score = if ended.idle { 0.6 } else { 1.0 } / (1.0 + late);
    if after > LATEST + slack || after < -(slack + slack) { 0.0 } else { score }
}

/// How little a line is trusted to tell of what was over so long before.
fn late(after: TimeDelta) -> f64 {
    after.as_secs_f64().max(0.0) / 0.25
}

/// How well the time of a line fits a wait that a timer of the caller ends.
fn waited(ended: &Ended, call: &Call, deadline: Option<TimeDelta>) -> f64 {
    let Call { at, slack, .. } = *call;
    let elapsed = at - ended.start;
    let limit = deadline.unwrap_or(LONGEST_DIAL) + slack;
    if elapsed < -slack || elapsed > limit {
        return 0.0;
    }
    let early = deadline.map_or(0.0, |d| (d - elapsed).abs().as_secs_f64());
    // A request on a connection in use that the deadline does not fit may have been answered among others.
    let certain = if ended.turn > 0 && (early > 1.0 || ended.turn >= QUEUED) { 0.7 } else { 1.0 };
    certain * (0.6 + 0.4 / (1.0 + early))
}

/// As [`fit`], for a call of gRPC: each tells how the last dial ended, until the connection is dialled again.
pub(super) fn retold_fit(ended: &Ended, call: &Call, deadline: Option<TimeDelta>) -> f64 {
    let after = call.at - ended.at;
    if endings::is_open(ended.ending) {
        return waited(ended, call, deadline);
    }
    if after < -call.slack || after > LONGEST_BACKOFF {
        return fit(ended, call, deadline);
    }
    1.0 / (1.0 + after.as_secs_f64().max(0.0))
}

/// As [`fit`], but a 4-tuple names one connection whatever the delay.
pub(super) fn tuple_fit(ended: &Ended, at: Timestamp, slack: TimeDelta) -> f64 {
    let after = at - ended.at;
    if at + slack < ended.start || after > TimeDelta::from_secs(120) {
        return 0.0;
    }
    let off = if after.0 < 0 { (after.abs() - slack).0.max(0) as f64 / 1e9 } else { after.as_secs_f64() };
    0.5 + 0.5 / (1.0 + off)
}

/// Assume a line follows the packet that caused it within this; a log under more pressure than that shows it false.
const LATEST: TimeDelta = TimeDelta::from_secs(2);

/// gRPC dials again within this: its back-off starts at 1 s and grows by 1.6 each time; etcd's client seldom gets further.
const LONGEST_BACKOFF: TimeDelta = TimeDelta::from_secs(30);

/// A dial ends within this where no deadline is known: 127 s is the kernel's default of six SYN retries.
pub(super) const LONGEST_DIAL: TimeDelta = TimeDelta::from_secs(130);
