//! Small made worlds for the tests of the join: flows and events in a line each.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use super::{Correlated, JoinOptions, World, correlate};
use crate::bundle::SourceIndex;
use crate::capture::{CaptureIndex, CaptureSet};
use crate::cluster::{Endpoint, Service, ServicePort};
use crate::dns::{DnsFacts, Lookup};
use crate::flow::{Dir, FrameRef, IcmpError, Moment, PerDir, Proto, Reset, TcpFacts};
use crate::ingest::{App, CaptureReport, Conversation};
use crate::log::{Edge, EventFields, EventSet, LogEvent, LogLine, LogReport, TimeBase, Url};
use crate::time::{TimeDelta, Timestamp};
use crate::tls::{Burst, ClientHello, ClientHelloShape, Phase, SessionFacts, TlsFacts};

/// Second `s` of the made story.
pub(super) fn sec(s: f64) -> Timestamp {
    Timestamp::from_parts(1_795_000_000, 0) + TimeDelta((s * 1e9).round() as i64)
}

fn moment(s: f64) -> Moment {
    Moment { frame: FrameRef::new(0, (s * 1000.0) as u64 + 1), time: sec(s) }
}

pub(super) fn addr(text: &str) -> SocketAddr {
    text.parse().expect("an address and port")
}

/// A TCP flow of capture 0 whose first SYN is sent at `start` and that ends at `end` without any answer.
pub(super) fn flow(orig: &str, resp: &str, start: f64, end: f64) -> Conversation {
    let tcp = TcpFacts {
        syn: PerDir { orig: 1, resp: 0 },
        syn_times: vec![moment(start)],
        isn: PerDir { orig: Some((start * 1e6) as u32), resp: None },
        ttl: PerDir { orig: Some(64), resp: None },
        ..TcpFacts::default()
    };
    Conversation {
        capture: CaptureIndex(0),
        stream_frame: None,
        shares_tuple: false,
        stream: None,
        proto: Proto::Tcp,
        vni: None,
        orig: addr(orig),
        resp: addr(resp),
        first: moment(start),
        last: moment(end),
        packets: PerDir { orig: 1, resp: 0 },
        bytes: PerDir::default(),
        duplicates: 0,
        truncated: false,
        midstream: false,
        evicted: false,
        quoted_only: false,
        tcp: Some(tcp.into()),
        icmp: Vec::new(),
        stray_icmp: Vec::new(),
        parts: Vec::new(),
        app: App::default(),
    }
}

fn tcp(flow: &mut Conversation) -> &mut TcpFacts {
    flow.tcp.as_deref_mut().expect("a TCP flow")
}

/// The SYN is answered by RST at `at`.
pub(super) fn refused(mut flow: Conversation, at: f64) -> Conversation {
    flow.packets.resp = 1;
    let reset = Reset {
        from: Dir::Resp,
        at: moment(at),
        ttl: 63,
        to_syn: true,
        after_close: false,
        in_sequence: true,
        payload_bytes: 0,
    };
    tcp(&mut flow).reset = Some(reset);
    flow
}

/// An ICMP error quotes the SYN at `at`.
pub(super) fn icmp(mut flow: Conversation, kind: u8, code: u8, at: f64) -> Conversation {
    let from = flow.resp.ip();
    flow.icmp.push(IcmpError { at: moment(at), from, kind, code, v6: false, quotes: Dir::Orig, seq: None });
    flow
}

/// The handshake completes at once, a ClientHello for `sni` is sent and acknowledged, and the originator closes at
/// the flow's end.
pub(super) fn stalled(mut flow: Conversation, sni: &str, random: u8) -> Conversation {
    let (start, end) = (flow.first, flow.last);
    flow.packets.resp = 2;
    let facts = tcp(&mut flow);
    facts.established = Some(start);
    facts.synack.resp = 1;
    facts.synack_times = vec![start];
    facts.first_fin.orig = Some(end);
    facts.ttl.resp = Some(63);
    let shape = ClientHelloShape { sni: Some(sni.to_owned()), ..ClientHelloShape::default() };
    let hello = ClientHello {
        at: start,
        bytes: 1529,
        segments: 2,
        complete: Some(start),
        acked: Some(start),
        largest_segment: 1460,
        random: [random; 32],
        shape: Arc::new(shape),
        cut: false,
    };
    let tls =
        TlsFacts { client_hello: Some(Box::new(hello)), phase: Phase::HelloAcked, ..TlsFacts::default() };
    flow.app.session = SessionFacts { tls: Some(Box::new(tls)), ..SessionFacts::default() };
    flow
}

/// As [`stalled`], but the handshake succeeds and these bursts of application data follow: who, when, bytes. The
/// originator does not close.
pub(super) fn used(flow: Conversation, sni: &str, alpn: &str, bursts: &[(Dir, f64, u64)]) -> Conversation {
    let random = (flow.orig.port() % 251) as u8;
    let mut flow = stalled(flow, sni, random);
    tcp(&mut flow).first_fin.orig = None;
    flow.bytes = PerDir { orig: 3000, resp: 3000 };
    let tls = flow.app.session.tls.as_mut().expect("a session");
    if let Some(hello) = &mut tls.client_hello {
        hello.shape = Arc::new(ClientHelloShape { alpn: vec![alpn.into()], ..(*hello.shape).clone() });
    }
    tls.phase = Phase::ResponseBegun;
    let burst = |(dir, at, bytes): &(Dir, f64, u64)| Burst {
        dir: *dir,
        first: moment(*at),
        last: moment(*at),
        bytes: *bytes,
        acked: None,
    };
    tls.bursts = bursts.iter().map(burst).collect();
    tls.request = tls.bursts.iter().find(|b| b.dir == Dir::Orig).map(|b| b.first);
    tls.response = tls.bursts.iter().find(|b| b.dir == Dir::Resp).map(|b| b.first);
    flow
}

/// From `heard` on the responder says nothing more, and data is sent to it again until `sent`.
pub(super) fn dead(mut flow: Conversation, heard: f64, sent: f64) -> Conversation {
    let facts = tcp(&mut flow);
    (facts.last_segment.resp, facts.last_segment.orig) = (Some(moment(heard)), Some(moment(sent)));
    (facts.loss.orig.segments, facts.loss.orig.unacked_bytes) = (6, 900);
    flow
}

/// The responder sends FIN at `at`.
pub(super) fn closed_by_peer(flow: &mut Conversation, at: f64) {
    tcp(flow).first_fin.resp = Some(moment(at));
}

/// A name looked up at `at` and answered 1 ms later with this code, or never.
pub(super) fn lookup(orig: &str, name: &str, at: f64, rcode: Option<u8>) -> Conversation {
    let mut flow = flow(orig, "10.0.0.53:53", at, at + 0.001);
    flow.proto = Proto::Udp;
    flow.tcp = None;
    flow.packets.resp = u32::from(rcode.is_some());
    let lookup = Lookup {
        name: name.into(),
        qtype: 1,
        query: moment(at),
        tries: 1,
        answer: rcode.map(|_| moment(at + 0.001)),
        rcode,
        ..Lookup::default()
    };
    flow.app.dns = Some(Box::new(DnsFacts { lookups: vec![lookup] }));
    flow
}

/// The same connection as another capture shows it.
pub(super) fn view(flow: &Conversation, capture: u16, ahead: f64, ttl: u8) -> Conversation {
    let mut view = flow.clone();
    let shift = |m: &mut Moment| m.time = m.time + TimeDelta((ahead * 1e9) as i64);
    view.capture = CaptureIndex(capture);
    shift(&mut view.first);
    shift(&mut view.last);
    let facts = tcp(&mut view);
    facts.syn_times.iter_mut().for_each(shift);
    facts.first_fin.orig.iter_mut().for_each(shift);
    facts.ttl.orig = Some(ttl);
    if let Some(reset) = &mut facts.reset {
        shift(&mut reset.at);
    }
    view
}

/// An apiserver's line about a call to `https://HOST:443`, written at `at`.
pub(super) fn event(name: &str, host: &str, at: f64) -> LogEvent {
    let url = Url { scheme: "https".into(), host: host.into(), port: 443, path: "/".into() };
    let line = LogLine {
        source: SourceIndex(0),
        number: (at * 1000.0) as u64 + 1,
        text: format!("{name} {host}").into(),
        truncated: false,
        time: Some(sec(at)),
    };
    LogEvent {
        name: name.into(),
        time: Some(sec(at)),
        resolution: TimeDelta(1000),
        log: 0,
        lines: vec![line],
        edge: Edge::Webhook,
        component: Some("kube-apiserver".into()),
        host: Some("cp-1".into()),
        pod: None,
        pretends: false,
        of_object: false,
        server_side: false,
        endings: EventSet::builtin().endings(name, false).expect("an event of the built-in files"),
        fields: EventFields { url: Some(url), reason: name.into(), ..EventFields::default() }.into(),
    }
}

/// A server's line about the client at `source`, written at `at`.
pub(super) fn server_event(name: &str, source: &str, at: f64) -> LogEvent {
    let mut event = event(name, "", at);
    event.server_side = true;
    event.endings = EventSet::builtin().endings(name, true).expect("an event of the built-in files");
    event.fields.source = Some(addr(source));
    event.fields.url = None;
    event
}

/// A Service `ns/name` at `ip`:443 with these endpoints.
pub(super) fn service(world: &mut World, name: (&str, &str), ip: &str, endpoints: &[&str]) {
    let port = ServicePort { port: 443, ..ServicePort::default() };
    world.cluster.services.push(Service {
        namespace: name.0.into(),
        name: name.1.into(),
        cluster_ips: vec![ip.parse().expect("an address")],
        ports: vec![port],
        ..Service::default()
    });
    world.cluster.endpoints_known = true;
    world.cluster.endpoints.extend(endpoints.iter().map(|e| Endpoint {
        namespace: name.0.into(),
        service: name.1.into(),
        address: addr(e),
        port_name: None,
        ready: true,
        node: Some("node-1".into()),
        pod: None,
        source: SourceIndex(0),
    }));
}

/// A world of these flows (of `captures` captures that span second 0 to 1000) and events.
pub(super) fn world(captures: u16, mut flows: Vec<Conversation>, events: Vec<LogEvent>) -> World {
    flows.sort_by_key(|f| (f.capture, f.first.frame, f.orig));
    let mut world = World::default();
    world.wire.captures = (0..captures).map(capture).collect();
    world.wire.flows = flows.into_iter().collect();
    world.logs.events = events;
    let base = TimeBase { assumed_zone: true, ..TimeBase::default() };
    world.logs.reports = vec![log_report(base)];
    world
}

fn capture(n: u16) -> CaptureReport {
    CaptureReport {
        set: CaptureSet {
            name: format!("capture-{n}"),
            host: None,
            files: vec![SourceIndex(u32::from(n) + 1)],
        },
        interfaces: BTreeSet::new(),
        filters: BTreeSet::new(),
        link_types: Vec::new(),
        first: Some(sec(0.0)),
        last: Some(sec(1000.0)),
        holes: Vec::new(),
        frames: 1000,
        drops: None,
        snaplen_cut: 0,
        encrypted: 0,
        duplicates: 0,
        ack_lost_segments: 0,
        gap_bytes: 0,
        backwards: 0,
        one_sided: 0.0,
        evicted: 0,
        flows: 0,
        retransmissions: 0,
        spilled_bytes: 0,
    }
}

fn log_report(base: TimeBase) -> LogReport {
    LogReport {
        sources: vec![SourceIndex(0)],
        format: "klog".into(),
        first: None,
        last: None,
        base,
        component: None,
        host: None,
        versions: Vec::new(),
        lines: 1,
        events: 1,
        unrecognised: 0,
        unrecognised_lines: Vec::new(),
    }
}

/// Joins without restrictions.
pub(super) fn join(world: &mut World) -> Correlated {
    correlate(world, &JoinOptions::default())
}
