//! Requests on a connection, as bursts of application data show them.
//!
//! Takes a flow's bursts; gives what its originator asked, when, and when an answer began. A kept-alive connection
//! carries many, HTTP/2 several at once: an answer is taken for that of the last request before it.

use super::endings;
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
    /// As small as what HTTP/2 says of its own accord: a repeated GET takes 38 bytes, a PING as many. It is the request
    /// of a call whose time it fits, and of no other.
    pub(super) small: bool,
}

/// All requests of a flow, in order, the small ones too.
pub(super) fn of(flow: &Conversation) -> Vec<Request> {
    let Some(tls) = flow.app.session.tls.as_deref() else { return Vec::new() };
    let sizes = match (endings::is_http2(flow), flow.midstream) {
        (false, _) => HTTP1,
        (true, false) => HTTP2,
        (true, true) => Sizes { preface: HTTP2.control_resp, ..HTTP2 },
    };
    let bursts = tls.bursts.as_slice();
    let first_of = |dir: Dir| bursts.iter().position(|b| b.dir == dir);
    let first_asked = first_of(Dir::Orig);
    // A PING is acknowledged at once, in a frame like it.
    let ping = |n: usize, b: &Burst| {
        let next = bursts.get(n + 1).filter(|next| next.dir == Dir::Resp && next.bytes <= sizes.control_resp);
        b.bytes <= sizes.small && next.is_some_and(|next| next.first.time - b.last.time <= AT_ONCE)
    };
    let asks = |(n, b): &(usize, &Burst)| {
        let size = b.bytes > sizes.control_orig && !ping(*n, b);
        b.dir == Dir::Orig && (size || first_asked == Some(*n) && !flow.midstream)
    };
    let first_said = first_of(Dir::Resp);
    let answers = |(n, b): &(usize, &Burst)| {
        let least = if first_said == Some(*n) { sizes.preface } else { sizes.control_resp };
        b.dir == Dir::Resp && b.bytes > least
    };
    let asked: Vec<(usize, &Burst)> = bursts.iter().enumerate().filter(asks).collect();
    let request = |place: usize| {
        let (n, sent) = asked[place];
        let small = sent.bytes <= sizes.small && first_asked != Some(n);
        let next = asked.get(place + 1).map_or(bursts.len(), |(next, _)| *next);
        let first = tls.request.is_none_or(|r| r.time >= sent.first.time);
        let said = bursts.iter().filter(|b| b.dir == Dir::Resp);
        let before = said.filter(|b| b.first < sent.first).max_by_key(|b| b.last);
        let mut after = bursts.iter().enumerate().take(next).skip(n).filter(answers);
        let answer = after.find(|(_, b)| b.first >= sent.first).map(|(_, b)| *b);
        Request { sent: *sent, answer, before: before.filter(|_| !first).copied(), small }
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
    if let Some(fitting) = fitting(flow, &all, until.zip(deadline)) {
        return Some(fitting);
    }
    all.retain(|r| until.is_none_or(|t| sent(r) <= t + SLACK));
    let ended = flow.tcp.as_deref().and_then(endings::ended_by_peer);
    let last = all.iter().map(sent).max();
    let cut_off = |r: &Request| r.answer.is_none() && ended.is_some() && last == Some(sent(r));
    all.retain(|r| !r.small || cut_off(r));
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

/// The request that a deadline which passed then leaves no doubt about: sent when the deadline began, and unanswered when
/// it passed. What HTTP/2 answers meanwhile may be another's, if the caller called this one off.
fn fitting(flow: &Conversation, all: &[Request], call: Option<(Timestamp, TimeDelta)>) -> Option<Request> {
    let (until, deadline) = call?;
    let near = |time: Timestamp, to: Timestamp| (time - to).abs() <= SLACK;
    let called_off = calls_off(flow).iter().any(|b| near(b.first.time, until));
    let fits = all.iter().filter(|r| near(r.sent.first.time, until - deadline));
    let open = fits.filter_map(|r| match r.answer {
        Some(answer) if answer.first.time + SLACK < until => {
            called_off.then_some(Request { answer: None, ..*r })
        }
        _ => Some(*r),
    });
    open.min_by_key(|r| r.sent.first)
}

/// What the originator sent on HTTP/2 that is as small as what calls a request off.
pub(super) fn calls_off(flow: &Conversation) -> Vec<Burst> {
    let tls = flow.app.session.tls.as_deref().filter(|_| endings::is_http2(flow));
    let bursts = tls.map(|t| t.bursts.as_slice()).unwrap_or_default();
    let small = |b: &&Burst| b.dir == Dir::Orig && (HTTP2.control_orig..=HTTP2.small).contains(&b.bytes);
    bursts.iter().filter(small).copied().collect()
}

/// What the responder sent on HTTP/2 that is as small as the reset of a stream, with or without a window update beside
/// it. What only acknowledges a PING is none.
pub(super) fn resets(flow: &Conversation) -> Vec<Burst> {
    let tls = flow.app.session.tls.as_deref().filter(|_| endings::is_http2(flow));
    let bursts = tls.map(|t| t.bursts.as_slice()).unwrap_or_default();
    let small = |b: &&Burst| (HTTP2.control_orig..=HTTP2.control_resp).contains(&b.bytes) && b.bytes != PING;
    bursts.iter().filter(|b| b.dir == Dir::Resp).filter(small).copied().collect()
}

/// The responder ended the connection, and had answered the last request a while before.
pub(super) fn rested(flow: &Conversation, requests: &[Request]) -> bool {
    let ended = flow.tcp.as_deref().and_then(endings::ended_by_peer);
    let last = requests.last().and_then(|r| r.answer);
    ended.zip(last).is_some_and(|(ended, answer)| ended - answer.last.time > RESTED)
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

/// Sizes of bursts, TLS records around them included, that tell requests and answers from what a protocol says of its
/// own accord.
struct Sizes {
    /// Of the client: no request.
    control_orig: u64,
    /// Of the client: a request perhaps.
    small: u64,
    /// Of the server: no answer.
    control_resp: u64,
    /// Of the server's first one: no answer.
    preface: u64,
}

/// A request has a path and a host; what is as small as an alert is one: TLS 1.3 hides which.
const HTTP1: Sizes = Sizes { control_orig: 48, small: 48, control_resp: 24, preface: 24 };

/// Each frame of a record takes 9 bytes more than its payload, the record itself 22: `WINDOW_UPDATE` and `RST_STREAM` take
/// 35, PING 39, one of them and a PING in one record 52. A server begins with SETTINGS, their acknowledgment and up to two
/// `WINDOW_UPDATE`; later it may send an acknowledgment of a PING beside one.
const HTTP2: Sizes = Sizes { control_orig: 35, small: 52, control_resp: 74, preface: 140 };

/// A PING, or its acknowledgment, in a record of its own.
const PING: u64 = 39;

/// A peer that is alive acknowledges a PING within this.
const AT_ONCE: TimeDelta = TimeDelta::from_millis(200);

/// A response that is under way does not pause so long, as a rule.
const RESTED: TimeDelta = TimeDelta::from_millis(500);

/// Stamps of packets and of what followed them may disagree by this.
pub(super) const SLACK: TimeDelta = TimeDelta::from_millis(50);
