//! What each way in which a call can end looks like on the wire.
//!
//! Facts of flows only: the moments at which something ended, for the fit of time between a log line and a flow. Which
//! of the endings the words of an event mean stands in the event's definition.

use crate::flow::{Dir, Moment, TcpFacts};
use crate::ingest::Conversation;
use crate::log::Ending;
use crate::time::{TimeDelta, Timestamp};
use crate::tls::{Phase, TlsFacts};

/// No packet marks the end: a timer of the caller does.
pub(super) const fn is_open(ending: Ending) -> bool {
    matches!(ending, Ending::Unanswered | Ending::Stalled)
}

/// When the flow ended so; `None` when it did not. Of [`Ending::Unanswered`] and [`Ending::Stalled`]: when the wait
/// began.
pub(super) fn moment(flow: &Conversation, ending: Ending) -> Option<Timestamp> {
    let tcp = flow.tcp.as_deref()?;
    let tls = flow.app.session.tls.as_deref();
    let reset_by = |dir| tcp.reset.filter(|r| r.from == dir);
    match ending {
        Ending::Refused => reset_by(Dir::Resp).filter(|r| r.to_syn).map(|r| r.at.time),
        Ending::Icmp => {
            let mut errors = flow.icmp.iter().filter(|e| e.quotes == Dir::Orig && !e.is_too_big());
            // A dial that goes on after the first error (Linux over IPv6 does) is ended by the one to its last SYN.
            let error = match tcp.syn_times.last().filter(|_| tcp.established.is_none()) {
                Some(syn) => errors.clone().find(|e| e.at.time >= syn.time).or_else(|| errors.next()),
                None if tcp.established.is_none() => errors.next_back(),
                // of an open connection it ends nothing, unless nothing comes through any more (RFC 1122 §4.2.3.9)
                None => errors.next().filter(|_| is_unheard(tcp)),
            };
            error.map(|e| e.at.time)
        }
        Ending::Reset => reset_by(Dir::Resp).filter(|r| !r.to_syn).map(|r| r.at.time),
        Ending::PeerClosed => tcp.first_fin.resp.map(|m| m.time),
        Ending::PeerAlert => alert(tls, Dir::Resp),
        Ending::OwnAlert => alert(tls, Dir::Orig).or_else(|| rejected_by_orig(flow)),
        Ending::GaveUp => gave_up(flow),
        Ending::Unanswered => {
            let dialling = tcp.established.is_none() && tcp.reset.is_none() && flow.icmp.is_empty();
            let syn = || tcp.syn_times.first().map_or(flow.first.time, |m| m.time);
            dialling.then(syn).or_else(|| blackholed(tcp))
        }
        Ending::Stalled => stalled(flow),
        Ending::Unheard => (is_silent(flow) && flow.icmp.is_empty()).then_some(flow.last.time),
        Ending::FirstAnswer => flow.app.session.first_bytes.resp.and(tcp.first_payload.resp).map(|m| m.time),
        Ending::Response => {
            let http = flow.app.session.http.as_ref().and_then(|h| h.response).filter(|_| !in_tunnel(flow));
            tls.and_then(|t| t.response).or(http).map(|m| m.time)
        }
        // A connection may have many: see `requests::resets`.
        Ending::StreamReset => None,
    }
}

/// Nothing of the responder is there that the originator takes.
pub(super) fn is_silent(flow: &Conversation) -> bool {
    let heard = |t: &TcpFacts| {
        t.established.is_some()
            || t.reset.is_some()
            || !t.synack_times.is_empty()
            || t.last_segment.resp.is_some()
    };
    // of packets that are cut nothing is known
    let answers = |t: &TcpFacts| t.synack.resp.saturating_add(t.rst.resp);
    let forged = |t: &TcpFacts| !heard(t) && answers(t) >= flow.packets.resp;
    flow.packets.resp == 0 || flow.tcp.as_deref().is_some_and(forged)
}

/// Start of a connection whose handshake did not finish, and that neither the responder nor a fatal alert ended.
fn stalled(flow: &Conversation) -> Option<Timestamp> {
    let tcp = flow.tcp.as_deref()?;
    let tls = flow.app.session.tls.as_deref();
    let answered = flow.app.session.first_bytes.resp.is_some() && !in_tunnel(flow);
    let failed = |t: &TlsFacts| t.alerts.iter().any(|a| a.fatal);
    let unfinished = tls.is_none_or(|t| t.phase < Phase::ClientFinished && !failed(t)) && !answered;
    (tcp.established.is_some() && unfinished && ended_by_peer(tcp).is_none()).then(|| start(flow))
}

/// What the responder said in clear came before the ClientHello: a proxy answered a CONNECT, not the server behind it.
fn in_tunnel(flow: &Conversation) -> bool {
    let session = &flow.app.session;
    let hello = session.tls.as_deref().and_then(|t| t.client_hello.as_ref());
    let response = session.http.as_ref().and_then(|h| h.response);
    hello.zip(response).is_some_and(|(hello, response)| response.time < hello.at.time)
}

/// The same of a connection or handshake that was answered only when the caller had waited for so long: Go's goes on in
/// the background, and other calls may use the connection then.
pub(super) fn answered_late(flow: &Conversation, wait: TimeDelta) -> Option<Timestamp> {
    let tcp = flow.tcp.as_deref()?;
    let refused = tcp.reset.filter(|r| r.to_syn).map(|r| r.at).or(flow.icmp.first().map(|e| e.at));
    let spoke = flow.app.session.tls.as_deref().and_then(|t| t.server_first);
    let answer = spoke.or(tcp.established).or(refused)?.time;
    (wait.0 > 0 && answer > start(flow) + wait).then(|| start(flow))
}

/// When the responder closed or reset a connection that the originator had not closed before.
pub(super) fn ended_by_peer(tcp: &TcpFacts) -> Option<Timestamp> {
    let ended = |fin: Option<Moment>, by: Dir| {
        let reset = tcp.reset.filter(|r| r.from == by).map(|r| r.at);
        [fin, reset].into_iter().flatten().map(|m| m.time).min()
    };
    let own = ended(tcp.first_fin.orig, Dir::Orig);
    ended(tcp.first_fin.resp, Dir::Resp).filter(|peer| own.is_none_or(|own| *peer < own))
}

/// Data of the originator that was sent again and never acknowledged: the last time that anything of the responder
/// came through.
fn blackholed(tcp: &TcpFacts) -> Option<Timestamp> {
    let heard = tcp.last_segment.resp.or(tcp.established);
    heard.filter(|_| tcp.established.is_some() && is_unheard(tcp)).map(|m| m.time)
}

/// Data of the originator was sent again, never acknowledged, and the responder did not end the connection.
fn is_unheard(tcp: &TcpFacts) -> bool {
    let lost = tcp.loss.orig.unacked_bytes > 0 && tcp.loss.orig.segments > 0;
    lost && ended_by_peer(tcp).is_none()
}

/// From when to when a connection in use was dead: from the last thing that the responder said to the last time that
/// data was sent to it in vain.
pub(super) fn dead(flow: &Conversation) -> Option<(Timestamp, Timestamp)> {
    let tcp = flow.tcp.as_deref().filter(|t| is_unheard(t))?;
    let heard = tcp.last_segment.resp.or(tcp.established).or(flow.midstream.then_some(flow.first))?;
    let sent = tcp.last_segment.orig.filter(|m| m.time > heard.time)?;
    Some((heard.time, sent.time))
}

/// Several calls may share the connection at once. Of one that began before the capture this may be.
pub(super) fn is_http2(flow: &Conversation) -> bool {
    let tls = flow.app.session.tls.as_deref();
    if let Some(chosen) = tls.and_then(|t| t.server_hello.as_ref()?.alpn.as_deref()) {
        return chosen == "h2";
    }
    let hello = tls.and_then(|t| t.client_hello.as_deref());
    hello.map_or(flow.midstream, |h| h.shape.alpn.iter().any(|p| p == "h2"))
}

/// The first alert of a side that is fatal or not known to be a close_notify.
fn alert(tls: Option<&TlsFacts>, from: Dir) -> Option<Timestamp> {
    let alerts = tls?.alerts.iter().filter(|a| a.from == from);
    let notify = |a: &&crate::tls::Alert| a.description.is_some_and(|d| d.0 == 0);
    let mut alerts = alerts.filter(|a| !notify(a));
    let first = alerts.clone().find(|a| a.fatal).or_else(|| alerts.next());
    first.map(|a| a.at.time)
}

/// How far an established connection came, up to its first request.
pub(super) fn reached(flow: &Conversation) -> Option<Phase> {
    let established = flow.midstream || flow.tcp.as_deref().is_some_and(|t| t.established.is_some());
    let phase = flow.app.session.tls.as_deref().map_or(Phase::NoHello, |t| t.phase.min(Phase::RequestSent));
    established.then_some(phase)
}

/// The originator ended a handshake of which it had seen the server's flight.
fn rejected_by_orig(flow: &Conversation) -> Option<Timestamp> {
    let tls = flow.app.session.tls.as_deref()?;
    (tls.server_hello.is_some() && tls.phase < Phase::RequestSent).then(|| gave_up(flow)).flatten()
}

/// The originator's first FIN or RST, or its closing alert just before, when it was the first to end an established
/// connection.
fn gave_up(flow: &Conversation) -> Option<Timestamp> {
    let tcp = flow.tcp.as_deref()?;
    tcp.established.or(flow.midstream.then_some(flow.first))?;
    let fin = tcp.first_fin.orig.map(|m| m.time);
    let reset = tcp.reset.filter(|r| r.from == Dir::Orig).map(|r| r.at.time);
    let end = [fin, reset].into_iter().flatten().min()?;
    let peer = tcp.first_fin.resp.map(|m| m.time);
    if peer.is_some_and(|p| p < end) {
        return None;
    }
    let alerts = flow.app.session.tls.as_deref().map(|t| t.alerts.as_slice()).unwrap_or_default();
    let notify = alerts.iter().filter(|a| a.from == Dir::Orig).map(|a| a.at.time);
    Some(notify.filter(|t| *t <= end && end - *t < TimeDelta::from_secs(1)).min().unwrap_or(end))
}

/// First SYN, or first packet of a flow that began before the capture.
pub(super) fn start(flow: &Conversation) -> Timestamp {
    let syn = flow.tcp.as_deref().and_then(|t| t.syn_times.first());
    syn.map_or(flow.first.time, |m| m.time)
}
