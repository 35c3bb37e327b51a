//! The end of a session: inference over its records, the phase it reached, and which side it waits for.
//!
//! Takes what was gathered and how the flow ended; gives the facts. Pure: the same in gives the same out.

use std::borrow::Cow;

use super::infer::{self, Inference, Sealed, Setting};
use super::tracker::Tracker;
use super::{Alert, Burst, ClientCertificate, Phase, TlsFacts};
use crate::flow::{Dir, FlowEnd, Moment, PerDir};

/// Ends a session.
pub(super) fn conclude(mut tracker: Tracker, end: &FlowEnd) -> TlsFacts {
    let client = tracker.client();
    let inference = tracker.thirteen.then(|| steps_of_thirteen(&mut tracker, end));
    let any_record = tracker.last.orig.is_some() || tracker.last.resp.is_some();
    let mut facts = tracker.facts;
    facts.bursts = tracker.bursts.finish();
    if let Some(inference) = inference {
        adopt(inference, client, &mut facts);
    }
    if let Some(reveal) = tracker.reveal {
        reveal.finish(&mut facts);
    }
    if facts.certificate_requested.is_some()
        && facts.client_finished.is_some()
        && facts.client_certificate.is_none()
    {
        facts.client_certificate = Some(ClientCertificate::Absent);
        facts.client_certificate_confidence = facts.certificate_request_confidence;
    }
    facts.alerts.sort_by_key(|a| (a.at.time, a.at.frame, a.from));
    facts.midstream = facts.client_hello.is_none() && facts.server_hello.is_none() && any_record;
    facts.phase = phase(&facts, client, end);
    (facts.waits_for, facts.waits_since) = waits(&facts, client, end);
    facts
}

/// What lengths and order of the records of TLS 1.3 show, corrected by what decryption saw.
fn steps_of_thirteen(tracker: &mut Tracker, end: &FlowEnd) -> Inference {
    let closed = |dir| end.fin[dir].is_some() || end.reset.is_some_and(|r| r.from == dir);
    let hello = tracker.facts.client_hello.as_ref();
    let setting = Setting {
        client: tracker.client(),
        lengths: tracker.lengths,
        tickets: hello.is_none_or(|h| h.shape.psk_modes),
        resumed: tracker.resumed,
        finished_unseen: tracker.finished_unseen,
        closed: PerDir { orig: closed(Dir::Orig), resp: closed(Dir::Resp) },
        last: tracker.last,
    };
    let mut inference = infer::infer(&in_order(tracker), &setting);
    if let Some(reveal) = &mut tracker.reveal {
        reveal.correct(&mut inference);
    }
    inference
}

/// The records as they were sent: nobody encrypts to a server before its flight.
fn in_order(tracker: &Tracker) -> Cow<'_, [Sealed]> {
    let Tracker { timeline, early, lengths, .. } = tracker;
    if early.is_empty() {
        return Cow::Borrowed(timeline);
    }
    let server = timeline.iter().take_while(|r| r.dir != tracker.client());
    let finished = server.clone().skip(1).position(|r| r.length == lengths.finished);
    let (flight, rest) = timeline.split_at(finished.map_or(server.count(), |place| place + 2));
    Cow::Owned([flight, early, rest].concat())
}

/// Takes over what the lengths show. The steps of TLS 1.3 come from there alone.
fn adopt(found: Inference, client: Dir, facts: &mut TlsFacts) {
    if let Some((at, confidence)) = found.certificate_requested {
        facts.certificate_requested = Some(at);
        facts.certificate_request_confidence = Some(confidence);
    }
    if let Some((answer, confidence)) = found.client_certificate {
        facts.client_certificate = Some(answer);
        facts.client_certificate_confidence = Some(confidence);
    }
    facts.server_flight_done = found.server_flight_done;
    facts.client_finished = found.client_finished;
    facts.request = found.request;
    facts.response = found.response;
    facts.alerts.extend(found.alerts);
    if let Some((last, bytes)) = found.tickets {
        remove_tickets(&mut facts.bursts, client.other(), last, bytes);
    }
}

/// Session tickets look like application data of the server: they are taken out of its first bursts, up to that of the
/// last of them.
fn remove_tickets(bursts: &mut Vec<Burst>, server: Dir, last: Moment, mut bytes: u64) {
    while let Some(place) = bursts.iter().position(|b| b.dir == server && b.first <= last)
        && bytes > 0
        && let Some(burst) = bursts.get_mut(place)
    {
        if burst.bytes > bytes {
            burst.bytes -= bytes;
            burst.first = burst.first.max(last);
            return;
        }
        bytes -= burst.bytes;
        remove_burst(bursts, place);
    }
}

/// Takes a burst out, and makes one of those around it.
fn remove_burst(bursts: &mut Vec<Burst>, place: usize) {
    bursts.remove(place);
    let (before, after) =
        (place.checked_sub(1).and_then(|i| bursts.get(i).copied()), bursts.get(place).copied());
    let Some((before, after)) = before.zip(after).filter(|(before, after)| before.dir == after.dir) else {
        return;
    };
    bursts.remove(place);
    if let Some(joined) = bursts.get_mut(place - 1) {
        *joined = Burst { last: after.last, bytes: before.bytes + after.bytes, acked: after.acked, ..before };
    }
}

/// The furthest step that was reached.
fn phase(facts: &TlsFacts, client: Dir, end: &FlowEnd) -> Phase {
    let says_goodbye = |dir: Dir| {
        let closes = |a: &Alert| a.from == dir && !a.fatal && (a.decrypted || a.level != Some(1));
        end.fin[dir].is_some() || facts.alerts.iter().any(closes)
    };
    let both_closed = says_goodbye(client) && says_goodbye(client.other());
    let reached = step(facts);
    let complete = facts.response.is_some() || (facts.client_finished.is_some() && facts.request.is_none());
    let failed = facts.alerts.iter().any(|a| a.fatal);
    if both_closed && complete && !failed { Phase::Closed } else { reached }
}

fn step(facts: &TlsFacts) -> Phase {
    let server_spoke = facts.server_hello.is_some() || !facts.certificates.is_empty();
    if facts.response.is_some() {
        Phase::ResponseBegun
    } else if facts.request.is_some() {
        Phase::RequestSent
    } else if facts.client_finished.is_some() {
        Phase::ClientFinished
    } else if facts.server_flight_done.is_some() {
        Phase::ServerFlightDone
    } else if server_spoke || facts.hello_retry.is_some() {
        Phase::ServerFlightPartial
    } else {
        facts.client_hello.as_ref().map_or(Phase::NoHello, |hello| {
            let acked = hello.acked.is_some() || facts.server_first.is_some();
            match hello.complete {
                _ if acked => Phase::HelloAcked,
                Some(_) => Phase::HelloUnacked,
                None => Phase::HelloPartial,
            }
        })
    }
}

/// Which side has to speak next, and since when; nobody after a fatal alert or a close.
fn waits(facts: &TlsFacts, client: Dir, end: &FlowEnd) -> (Option<Dir>, Option<Moment>) {
    let server = client.other();
    let hello = facts.client_hello.as_ref();
    let last = facts.bursts.last();
    let (side, since) = match facts.phase {
        Phase::Closed => return (None, None),
        _ if facts.alerts.iter().any(|a| a.fatal) => return (None, None),
        Phase::NoHello => (client, end.established),
        Phase::HelloPartial => (client, hello.map(|h| h.at)),
        Phase::HelloUnacked | Phase::HelloAcked => (server, hello.and_then(|h| h.complete)),
        Phase::ServerFlightPartial => match facts.hello_retry.filter(|_| facts.server_hello.is_none()) {
            Some(at) => (client, Some(at)),
            None => (server, facts.server_first),
        },
        Phase::ServerFlightDone => (client, facts.server_flight_done),
        Phase::ClientFinished => (client, facts.client_finished),
        Phase::RequestSent | Phase::ResponseBegun => {
            return match last {
                Some(burst) if burst.dir == client => (Some(server), Some(burst.last)),
                Some(burst) => (Some(client), Some(burst.last)),
                None => (Some(server), facts.request),
            };
        }
    };
    (Some(side), since)
}
