//! Requests on a connection, as bursts of application data show them.
//!
//! Takes a flow's bursts; gives what its originator asked, when, and when an answer began. A kept-alive connection
//! carries many, HTTP/2 several at once: an answer is taken for that of the last request before it.

use crate::flow::Dir;
use crate::ingest::Conversation;
use crate::time::{TimeDelta, Timestamp};
use crate::tls::Burst;

/// A request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    pub(super) sent: Burst,
    /// First data of the responder after it and before the next request: what comes later is the answer to that.
    pub(super) answer: Option<Burst>,
    /// Last data of the responder before it, where an earlier request was answered on this connection.
    pub(super) before: Option<Burst>,
}

/// All requests of a flow, in order.
pub(super) fn of(flow: &Conversation) -> Vec<Request> {
    let Some(tls) = flow.app.session.tls.as_deref() else { return Vec::new() };
    let bursts = tls.bursts.as_slice();
    let asks = |(n, b): &(usize, &Burst)| {
        let first = !bursts[..*n].iter().any(|b| b.dir == Dir::Orig);
        b.dir == Dir::Orig && (b.bytes > MAX_CONTROL || first)
    };
    let asked: Vec<(usize, &Burst)> = bursts.iter().enumerate().filter(asks).collect();
    let request = |place: usize| {
        let (n, sent) = asked[place];
        let next = asked.get(place + 1).map_or(bursts.len(), |(next, _)| *next);
        let first = tls.request.is_none_or(|r| r.time >= sent.first.time);
        let answers = || bursts.iter().filter(|b| b.dir == Dir::Resp);
        let before = answers().filter(|b| b.first < sent.first).max_by_key(|b| b.last);
        let answer = bursts[n..next].iter().find(|b| b.dir == Dir::Resp && b.first >= sent.first);
        Request { sent: *sent, answer: answer.copied(), before: before.filter(|_| !first).copied() }
    };
    (0..asked.len()).map(request).collect()
}

/// The request of a call that ended at `until`, within a deadline where there is one: the last one sent before; of
/// several that were all left without an answer the first that the deadline leaves room for.
pub(super) fn asked(
    flow: &Conversation,
    until: Option<Timestamp>,
    deadline: Option<TimeDelta>,
) -> Option<Request> {
    let sent = |r: &Request| r.sent.first.time;
    let mut all = of(flow);
    all.retain(|r| until.is_none_or(|t| sent(r) <= t + SLACK));
    let mut found = all.pop()?;
    while let Some(earlier) = all.pop() {
        let same = earlier.answer.map(|a| a.first) == found.answer.map(|a| a.first);
        let room = until.zip(deadline).is_none_or(|(t, d)| sent(&earlier) >= t - d - SLACK);
        if !same || !room {
            break;
        }
        found = earlier;
    }
    Some(found)
}

/// Whether the server acknowledged this request. A caller that gives up says so (close_notify, RST_STREAM, GOAWAY), often
/// in the same burst and to nobody's ears: that alone makes no request unheard.
pub(super) fn acked(flow: &Conversation, request: &Request) -> Option<bool> {
    let unacked = flow.tcp.as_deref()?.loss.orig.unacked_bytes;
    let farewell = unacked <= MAX_FAREWELL && unacked < request.sent.bytes;
    Some(request.sent.acked.is_some() || farewell)
}

/// Bytes that a caller sends when it gives up.
const MAX_FAREWELL: u64 = 128;

/// Bytes of a burst that is no request: HTTP/2 frames such as PING, WINDOW_UPDATE and RST_STREAM take 22 to 26, and a
/// TLS record around them as much again. A request has a path and a host.
const MAX_CONTROL: u64 = 48;

/// Stamps of packets and of what followed them may disagree by this.
pub(super) const SLACK: TimeDelta = TimeDelta::from_millis(50);
