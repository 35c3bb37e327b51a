//! Facts of a case that are not facts of one flow.

use std::cell::LazyCell;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::rc::Rc;

use super::askers::Askers;
use super::backends::{Backend, Backends, INITIAL_TTLS, MAX_COMPARED, passed_over};
use super::coverage;
use super::dialers::Dialers;
use super::endings;
use super::goal::Goal;
use super::join::Join;
use super::requests::{self, Request};
use super::{Case, CaseFacts, Key, Neighbours, Role, Views, trust};
use crate::capture::CaptureIndex;
use crate::cluster::Owner;
use crate::flow::{Dir, Moment};
use crate::ingest::{Conversation, FlowIndex};
use crate::log::Ending;
use crate::time::{TimeDelta, Timestamp};

/// All facts of a case.
pub(super) fn of(join: &Join<'_>, case: &Case, dialers: &Dialers, backends: &mut Backends<'_>) -> CaseFacts {
    let world = join.world;
    let event = world.event(case);
    let at = event.and_then(|e| join.clocks.of_event(e));
    let (ca_bundle_mismatch, issuer_missing) = trust::mismatch(join, case).unzip();
    let mut facts = CaseFacts {
        deadline: event.and_then(|e| e.fields.deadline),
        server_says: server_says(join, case),
        neighbor_unanswered: unanswered_neighbors(join, case, dialers, backends),
        ca_bundle_mismatch,
        issuer_missing,
        ..CaseFacts::default()
    };
    let goal = case.event.map(|n| join.goals.of(n));
    facts.neighbours = neighbours(join, case, goal, backends);
    if let Some(index) = case.attempt() {
        let flow = world.flow(index);
        let until = at.map(|t| join.clocks.in_capture(flow.capture.0 as usize, t));
        let request = requests::asked(flow, until, facts.deadline);
        let step = last_step(flow, request);
        timing(&mut facts, join, flow, &step, at);
        facts.requested = Some(request.is_some());
        facts.request_acked = request.and_then(|r| requests::acked(flow, &r));
        let slack = event.map(|e| join.clocks.slack(e)).unwrap_or_default();
        // The answer to the caller's farewell comes when it has given up.
        let before = |ended: Timestamp| until.is_none_or(|line| ended + slack < line);
        facts.ended_by_peer = flow.tcp.as_deref().map(|t| endings::ended_by_peer(t).is_some_and(before));
        facts.views = views(join, case, index, &facts.neighbours, backends);
        facts.cluster_ip_on_wire = cluster_ip_on_wire(join, flow);
        facts.neighbours.server_choice_missing = server_choice_missing(flow, &backends.of(flow.resp));
    }
    facts
}

/// The last thing that the originator did to move on.
struct LastStep {
    at: Moment,
    /// First packet of the attempt: SYN, or the request on a connection in use.
    start: Timestamp,
    /// Idle time before the request, on a connection in use.
    idle: Option<TimeDelta>,
    reused: bool,
    /// First sign of the responder after it.
    answer: Option<Moment>,
}

impl LastStep {
    /// The request was sent so long before the line that it is another call's, behind which this one waited.
    fn of_another(&self, until: Option<Timestamp>, deadline: Option<TimeDelta>) -> bool {
        let room = until.zip(deadline).is_none_or(|(t, d)| self.at.time >= t - d - WAITED);
        self.reused && self.answer.is_none() && !room
    }
}

/// The call's request, else the hello, else the first SYN.
fn last_step(flow: &Conversation, request: Option<Request>) -> LastStep {
    let tcp = flow.tcp.as_deref();
    let tls = flow.app.session.tls.as_deref();
    let start = endings::start(flow);
    if let Some(request) = request {
        let sent = request.sent.first;
        let reused = request.before.is_some();
        return LastStep {
            at: sent,
            start: if reused { sent.time } else { start },
            idle: request.before.map(|b| sent.time - b.last.time),
            reused,
            answer: request.answer.map(|b| b.first),
        };
    }
    let hello = tls.and_then(|t| t.client_hello.as_ref()).map(|h| h.at);
    let request = flow.app.session.http.as_ref().and_then(|h| h.request);
    let syn = tcp.and_then(|t| t.established.or(t.syn_times.first().copied()));
    let at = hello.or(request).or(syn).unwrap_or(flow.first);
    let spoke = tls.and_then(|t| t.server_first).or_else(|| tcp.and_then(|t| t.first_payload.resp));
    LastStep { at, start, idle: None, reused: false, answer: spoke.filter(|m| *m >= at) }
}

fn timing(
    facts: &mut CaseFacts,
    join: &Join<'_>,
    flow: &Conversation,
    step: &LastStep,
    at: Option<Timestamp>,
) {
    let capture = flow.capture.0 as usize;
    let here = at.map(|t| join.clocks.in_capture(capture, t));
    let report = &join.world.wire.captures[capture];
    let gave_up = endings::moment(flow, Ending::GaveUp);
    let stop = [gave_up, here].into_iter().flatten().min().unwrap_or(flow.last.time.max(step.at.time));
    let hole = report.hole_in(flow.last.time, stop).map(|(start, _)| start);
    let capture_end = hole.or(report.last).unwrap_or(flow.last.time);
    let answer = step.answer.map(|m| m.time);
    let reset = flow.tcp.as_deref().and_then(|t| t.reset).map(|r| r.at.time);
    let closed = flow.tcp.as_deref().and_then(endings::ended_by_peer);
    let ended = [reset, closed].into_iter().flatten().filter(|t| *t >= step.at.time);
    let until = ended.chain(answer).chain([stop]).min();
    let until = until.unwrap_or(stop).min(capture_end);
    facts.attempt_start = Some(join.clocks.of_packet(flow, step.start));
    let whole =
        began_in_sight(join, flow, step, here, facts.deadline) && !step.of_another(here, facts.deadline);
    facts.elapsed = whole.then(|| (here.unwrap_or(stop) - step.start).max(TimeDelta(0)));
    facts.capture_ends_first = Some(capture_end < stop);
    facts.reused_connection = Some(step.reused);
    facts.idle_before = step.idle;
    // The caller's timer may have started before its first packet, so what was left is at most what it waited.
    let waited = here.map(|line| line - step.at.time);
    facts.deadline_left =
        facts.deadline.map(|d| d - (step.at.time - step.start)).into_iter().chain(waited).min();
    facts.deadline_left = facts.deadline_left.map(|left| left.max(TimeDelta(0)));
    facts.response_after = answer.map(|a| a - step.at.time);
    let open_end = capture_end < stop && answer.is_none();
    if !open_end {
        facts.silence = Some((until - step.at.time).max(TimeDelta(0)));
        facts.silent = Some(Dir::Resp);
    }
}

/// Whether what the capture shows first of an attempt is its start: of a dial without an answer the first SYN may have
/// been sent before the capture began.
fn began_in_sight(
    join: &Join<'_>,
    flow: &Conversation,
    step: &LastStep,
    here: Option<Timestamp>,
    deadline: Option<TimeDelta>,
) -> bool {
    let begun = join.world.wire.captures[flow.capture.0 as usize].first.unwrap_or(flow.first.time);
    let room = here.zip(deadline).is_none_or(|(t, d)| begun <= t - d);
    let dialling = flow.tcp.as_deref().is_some_and(|t| t.established.is_none()) && endings::is_silent(flow);
    step.reused || room || !(dialling || flow.midstream)
}

/// The server's own words: of its log lines on the same call.
fn server_says(join: &Join<'_>, case: &Case) -> Option<String> {
    let echo = case.echoes.first().map(|n| &join.world.logs.events[*n as usize]);
    let own = join.world.event(case).filter(|e| e.server_side);
    echo.or(own).map(|e| e.fields.reason.clone())
}

fn views(
    join: &Join<'_>,
    case: &Case,
    near: FlowIndex,
    known: &Neighbours,
    backends: &mut Backends<'_>,
) -> Views {
    let world = join.world;
    let near = world.flow(near);
    let views = case.flows.iter().filter(|f| f.role == Role::View).map(|f| world.flow(f.flow));
    let shown: BTreeSet<_> = views.clone().map(|f| f.capture).chain([near.capture]).collect();
    let far: Vec<&Conversation> = views.filter(|f| is_elsewhere(join, near, f)).collect();
    let captures: BTreeSet<_> = far.iter().map(|f| f.capture).chain([near.capture]).collect();
    let any = |test: &dyn Fn(&crate::flow::TcpFacts) -> bool| {
        (!far.is_empty()).then(|| far.iter().any(|f| f.tcp.as_deref().is_some_and(test)))
    };
    // A capture of one direction shows no reply to anyone.
    let both_ways = |f: &Conversation| join.table.sided(f.capture, None).0 > 0;
    let shows_replies = far.iter().any(|f| both_ways(f));
    let reset_here = near.tcp.as_deref().and_then(|t| t.reset).is_some_and(|r| r.from == Dir::Resp);
    let reset_there = any(&|t| t.reset.is_some_and(|r| r.from == Dir::Resp)).filter(|_| shows_replies);
    Views {
        count: captures.len() as u32,
        syn_at_far: any(&|t| t.syn.orig > 0),
        synack_at_far: any(&|t| !t.synack_times.is_empty()).filter(|seen| *seen || shows_replies),
        synack_at_near: near
            .tcp
            .as_deref()
            .map(|t| !t.synack_times.is_empty())
            .filter(|seen| *seen || both_ways(near)),
        absent_at_far: absent_at_far(join, near, &shown, backends),
        reset_only_near: reset_there.map(|there| reset_here && !there),
        stops_at_far: far.iter().find_map(|f| stops(join, f, backends)),
        reached: reached(join, near, known, backends),
    }
}

/// Whether another view of a connection is known to be of another place on its way: routers count TTLs down and translate,
/// and a capture may tell its host. A host may be captured twice at once, on one interface and on all; a copy of packets
/// has their times, whatever host it names.
fn is_elsewhere(join: &Join<'_>, near: &Conversation, view: &Conversation) -> bool {
    let ttl = |f: &Conversation, dir| f.tcp.as_deref().and_then(|t| t.ttl[dir]);
    let routed = |dir| ttl(near, dir).zip(ttl(view, dir)).is_some_and(|(a, b)| a != b);
    let translated = (near.orig, near.resp, near.vni) != (view.orig, view.resp, view.vni);
    let host = |f: &Conversation| join.world.wire.captures[f.capture.0 as usize].set.host.as_deref();
    let of_other_host = || host(near).zip(host(view)).is_some_and(|(a, b)| a != b);
    let together = |a: Moment, b: Moment| (a.time - b.time).abs() < TIME_OF_COPIES;
    let copied = || together(near.first, view.first) && together(near.last, view.last);
    let told = translated || [Dir::Orig, Dir::Resp].into_iter().any(routed) || of_other_host() && !copied();
    view.capture != near.capture && told
}

/// Whether the packets of a flow were passed on to a pod by its node: there the TTLs of the pod's own packets are as they
/// were sent, and what is forwarded is seen twice.
fn reached(
    join: &Join<'_>,
    flow: &Conversation,
    known: &Neighbours,
    backends: &mut Backends<'_>,
) -> Option<bool> {
    let as_sent = known.backend_ttls.iter().any(|ttl| INITIAL_TTLS.contains(ttl));
    let at_its_node = known.backend_is_node == Some(false) && as_sent;
    if at_its_node { stops(join, flow, backends).map(|stops| !stops) } else { None }
}

/// Whether the packets of a flow came into a capture point and did not leave it again, where connections to the same
/// node are seen twice, as a router's `any` shows what it forwards.
fn stops(join: &Join<'_>, flow: &Conversation, backends: &mut Backends<'_>) -> Option<bool> {
    let hosts = || beside(join, flow).into_iter().chain([flow.resp.ip()]);
    backends.forwards(flow.capture, flow.resp, hosts).then_some(flow.duplicates == 0)
}

/// Whether a capture on the flow's way that spans it, and lacks nothing meanwhile, does not show this connection; not so
/// where one at the responder does.
fn absent_at_far(
    join: &Join<'_>,
    near: &Conversation,
    shown: &BTreeSet<CaptureIndex>,
    backends: &mut Backends<'_>,
) -> Option<bool> {
    let (orig, resp) = (near.orig.ip(), near.resp.ip());
    let far = || shown.iter().filter(|capture| **capture != near.capture);
    if far().any(|capture| backends.is_beside(*capture, resp)) {
        return Some(false);
    }
    let start = join.clocks.of_packet(near, near.first.time);
    let end = join.clocks.of_packet(near, near.last.time);
    let (mut known, mut looked_at) = (None, 0);
    join.spanning.each_over(start, end, |n| {
        looked_at += 1;
        let (report, index) = (&join.world.wire.captures[n], CaptureIndex(n as u16));
        let (from, to) = (join.clocks.in_capture(n, start), join.clocks.in_capture(n, end));
        let spans = report.first.is_some_and(|t| t <= from) && report.last.is_some_and(|t| t >= to);
        let whole = report.hole_in(from, to).is_none()
            && coverage::no_drops(report) == Some(true)
            && !backends.is_lossy(index);
        let candidate = spans && whole && index != near.capture && join.table.shown(resp, index);
        let of_node = || {
            report.set.host.as_deref().is_some_and(|host| join.world.cluster.node_of(near.resp) == Some(host))
        };
        if candidate && (shown.contains(&index) || of_node() || backends.is_on_way(index, orig, resp)) {
            let absent = !shown.contains(&index) && !backends.may_show(index, near, (start - AROUND, end));
            known = Some(known.unwrap_or(false) || absent);
        }
        if known == Some(true) || looked_at == MAX_LACKING {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    known
}

fn neighbours(join: &Join<'_>, case: &Case, goal: Option<&Goal>, backends: &mut Backends<'_>) -> Neighbours {
    let map = &join.world.cluster;
    let mut facts = Neighbours::default();
    let mut listed = Rc::default();
    if let Some(service @ (namespace, name)) = goal.and_then(|g| g.service.as_ref()) {
        facts.service_exists = (!map.services.is_empty()).then(|| map.service(namespace, name).is_some());
        listed = backends.endpoints(service);
        facts.endpoints = map.endpoints_known.then_some(listed.all.len() as u32);
        facts.endpoints_ready = map.endpoints_known.then_some(listed.ready);
    }
    let Some(flow) = case.attempt().map(|f| join.world.flow(f)) else { return facts };
    let around = around(join, case, flow);
    let same = backends.of(flow.resp);
    facts.backend_established = same.established.within(around);
    facts.backend_refused = same.refused.within(around);
    let begun = join.clocks.of_packet(flow, flow.first.time);
    facts.backend_silent = same.silent.within((around.0, begun));
    let own = u32::from(passed_over(flow).is_some());
    let over = same.passed_over.get(&flow.orig.ip()).filter(|over| over.spans.within(around) > own);
    facts.backend_passed_over = over.map(|over| over.largest);
    facts.backend_taken_later = same.taken.begun_within(flow.capture, (begun, around.1 - AROUND));
    facts.backend_answered_later = same.answered_begun.begun_within(flow.capture, (begun, around.1));
    let last_taken = same.taken.last_within(flow.capture, (begun, around.1));
    let later = (last_taken.unwrap_or(begun), around.1);
    facts.backend_unanswered_later = same.unanswered.begun_within(flow.orig.ip(), flow.capture, later);
    let answering = case.event.zip(goal).map(|(n, goal)| backends.answering(join.goals.number(n), goal));
    // Anybody may send a name to a server of his own: what names alone lead to counts where it served the caller.
    // Where slices list this one, they list the others: what translates the address may be another cluster's.
    let may_be = |b: &SocketAddr| listed.all.contains(b) || !listed.all.contains(&flow.resp);
    let told = |b: &SocketAddr| goal.is_some_and(|goal| goal.backends.get(b) == Some(&Key::NatMap));
    let own = |(b, backend): &&(SocketAddr, Rc<Backend>)| {
        may_be(b) && (told(b) || backend.unanswered.served.contains(&flow.orig.ip()))
    };
    let others = answering.iter().flat_map(|all| all.iter()).filter(|(b, _)| *b != flow.resp).filter(own);
    facts.other_endpoints_ok = others.filter(|(_, b)| b.answered.within(around) > 0).count() as u32;
    facts.backend_ttls = ttls_of(join, flow, backends);
    facts.backend_is_node = is_node(join, flow);
    facts
}

/// The time of a case and a minute on either side: what happened before or after that says little of it, as between two
/// rollouts.
fn around(join: &Join<'_>, case: &Case, flow: &Conversation) -> (Timestamp, Timestamp) {
    let of_flow = [flow.first, flow.last].map(|m| join.clocks.of_packet(flow, m.time));
    let (from, to) = case.window.unwrap_or((of_flow[0], of_flow[1]));
    (from - AROUND, to + AROUND)
}

/// TTLs of the responder's packets that are no RST, on any flow of this capture with its address; where there are
/// none, those of other endpoints on the same node.
fn ttls_of(join: &Join<'_>, flow: &Conversation, backends: &mut Backends<'_>) -> Vec<u8> {
    let mut of_host = |ip| backends.ttls(flow.capture, ip).clone();
    let mut ttls = of_host(flow.resp.ip());
    // pods of one node are as far away as each other; the node itself is nearer
    if ttls.is_empty() && is_node(join, flow) != Some(true) {
        ttls.extend(beside(join, flow).into_iter().flat_map(of_host));
    }
    ttls.into_iter().collect()
}

/// Addresses of other endpoints on the responder's node.
fn beside(join: &Join<'_>, flow: &Conversation) -> BTreeSet<std::net::IpAddr> {
    let map = &join.world.cluster;
    let node = map.node_of(flow.resp);
    let beside = map.endpoints.iter().filter(|e| node.is_some() && e.node.as_deref() == node);
    beside.map(|e| e.address.ip()).take(MAX_COMPARED).collect()
}

fn is_node(join: &Join<'_>, flow: &Conversation) -> Option<bool> {
    let map = &join.world.cluster;
    let ip = flow.resp.ip();
    let of_node = map.owners(ip).iter().any(|o| matches!(o, Owner::Node(_)));
    // What is sent to a NodePort is translated to a pod.
    let leads_on = of_node && map.service_of_address(flow.resp).is_some();
    if leads_on || !of_node && map.pod_of(flow.resp).is_some() {
        return Some(false);
    }
    if map.host_of(ip).is_some() || ip.is_loopback() || ip == flow.orig.ip() {
        return Some(true);
    }
    map.endpoints_at(flow.resp).next().map(|_| false)
}

/// Whether what this server chose with other clients is missing from the hello of this flow.
fn server_choice_missing(flow: &Conversation, server: &Backend) -> Option<bool> {
    let hello = flow.app.session.tls.as_deref()?.client_hello.as_ref()?;
    let offered = |(cipher, version): &(_, _)| {
        hello.shape.ciphers.contains(cipher) && hello.shape.versions.contains(version)
    };
    (!server.chosen.is_empty()).then(|| !server.chosen.iter().any(offered))
}

/// The destination is a ClusterIP, on the wire, where only a missing translation leaves it (and no ICMP reject names it).
fn cluster_ip_on_wire(join: &Join<'_>, flow: &Conversation) -> Option<bool> {
    let map = &join.world.cluster;
    let ip = flow.resp.ip();
    let is = |owner| matches!(owner, Owner::Service(s) if s.cluster_ips.contains(&ip));
    (!map.services.is_empty()).then(|| map.owners(ip).into_iter().any(is))
}

/// Unanswered ARP or ND requests during the attempt, for the destination or for a next hop when nothing was sent.
fn unanswered_neighbors(
    join: &Join<'_>,
    case: &Case,
    dialers: &Dialers,
    backends: &mut Backends<'_>,
) -> Option<u32> {
    if join.world.wire.neighbors.is_empty() {
        return None;
    }
    let (from, to) = case.window?;
    let wanted = case.event.map(|n| backends.hosts(join.goals.number(n), join.goals.of(n)));
    let wanted = wanted.unwrap_or_default();
    let asked = case.event.map(|n| backends.questions.about(join.goals.number(n), &wanted.ips));
    let asked = asked.into_iter().flat_map(|asked| asked.until(to));
    let open = asked.filter(|n| {
        let here = |time| join.clocks.in_capture(n.capture.0 as usize, time);
        let inside = n.last.time >= here(from) && n.first.time <= here(to);
        inside && n.answered.is_none_or(|a| a.time > here(to))
    });
    let askers = LazyCell::new(|| Askers::new(join, case, dialers, &wanted));
    let asked = open.filter(|n| askers.include(n.asked_by));
    Some(asked.map(|n| n.requests).fold(0, u32::saturating_add))
}

/// What other calls did within this of a case bears on it.
const AROUND: TimeDelta = TimeDelta::from_secs(60);

/// A copy may have coarser times than this.
const TIME_OF_COPIES: TimeDelta = TimeDelta(1_000);

/// Captures of a flow's time that are looked at for one that lacks it.
const MAX_LACKING: usize = 64;

/// A call sends its request this soon after its timer starts; what was sent earlier is another's.
const WAITED: TimeDelta = TimeDelta::from_secs(1);
