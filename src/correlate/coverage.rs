//! What the captures could have shown of a case: absence is evidence only where presence would have been seen.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::dialers::Dialers;
use super::endings;
use super::goal::Goal;
use super::join::Join;
use super::strangers::Strangers;
use super::{Case, Coverage, Missing};
use crate::capture::CaptureIndex;
use crate::ingest::CaptureReport;
use crate::log::{Ending, LogEvent};
use crate::time::{TimeDelta, Timestamp};

/// What captures show of the backends of a goal, as is asked for: thousands of cases ask of thousands.
#[derive(Default)]
pub(super) struct Shown {
    /// Whether a capture shows packets of any.
    any: HashMap<(u32, usize), bool>,
    /// Of a log and a capture: whether it was taken where the log's callers dial from, and shows both sides there.
    place: HashMap<(u32, usize), (bool, Option<bool>)>,
    /// Connections that carry several calls at once, from their first to their last frame.
    shared: HashMap<u32, Vec<(CaptureIndex, Timestamp, Timestamp)>>,
}

/// Why what the captures show of a target proves nothing of one call.
enum Doubt {
    /// An address that no source knows was dialled meanwhile, in vain.
    Stranger(SocketAddr),
    /// The call may be one of several on a connection that was in use.
    Shared,
}

/// The coverage of one case.
pub(super) fn of(
    join: &Join<'_>,
    case: &Case,
    dialers: &Dialers,
    strangers: &mut Strangers,
    shown: &mut Shown,
) -> Coverage {
    let (mut coverage, doubt) = if let Some(flow) = case.attempt().or_else(|| case.lookup()) {
        (with_flow(join, case, join.world.flow(flow).capture), None)
    } else {
        let doubt = strangers.near(join, case, dialers).map(Doubt::Stranger);
        let doubt = doubt.or_else(|| is_shared(join, case, shown).then_some(Doubt::Shared));
        (without_flow(join, case, dialers, shown), doubt)
    };
    if doubt.is_some() {
        coverage.address = Some(false);
    }
    coverage.missing = missing(join, case, &coverage, doubt.as_ref());
    coverage
}

/// Whether a connection that may carry several calls at once was in use when a call that ran out of time was made.
fn is_shared(join: &Join<'_>, case: &Case, seen: &mut Shown) -> bool {
    let Some((event, (from, to))) = case.event.zip(case.window) else { return false };
    let timed_out = |e: &LogEvent| !e.server_side && e.endings.contains(&Ending::Unanswered);
    if !join.world.event(case).is_some_and(timed_out) {
        return false;
    }
    let shared = seen.shared.entry(join.goals.number(event)).or_insert_with(|| {
        let backends = real_backends(join, join.goals.of(event)).take(MAX_NAMED);
        let flows = backends.flat_map(|b| join.table.of_resp(b).iter().take(MAX_SHARED));
        let used = flows.map(|f| join.world.read(*f)).filter(|flow| {
            let tls = flow.app.session.tls.as_deref();
            endings::is_http2(flow) && tls.is_some_and(|t| !t.bursts.is_empty())
        });
        used.map(|flow| (flow.capture, flow.first.time, flow.last.time)).collect()
    });
    shared.iter().any(|(capture, first, last)| {
        let here = |time| join.clocks.in_capture(capture.0 as usize, time);
        *first <= here(to) && here(from) <= *last
    })
}

/// A flow is there: does its capture show the end, and replies?
fn with_flow(join: &Join<'_>, case: &Case, capture: CaptureIndex) -> Coverage {
    let report = &join.world.wire.captures[capture.0 as usize];
    let flows = case.flows.iter().map(|f| join.world.flow(f.flow));
    let replied = flows.clone().any(|f| f.packets.resp > 0 || !f.icmp.is_empty());
    let ends = case.window.map(|(_, to)| {
        let to = join.clocks.in_capture(capture.0 as usize, to - TimeDelta::from_millis(100));
        let closed = flows.clone().any(|f| f.tcp.as_deref().is_some_and(|t| t.reset.is_some()));
        let last = flows.clone().map(|f| f.last.time).max().unwrap_or(to);
        let reaches = report.last.is_some_and(|t| t >= to - TimeDelta::from_secs(1));
        closed || (reaches && report.hole_in(last, to).is_none())
    });
    Coverage {
        time_span: Some(ends.unwrap_or(true)),
        place: Some(true),
        address: Some(true),
        both_directions: if replied { Some(true) } else { both_directions(join, capture, None) },
        no_drops: no_drops(report),
        missing: Vec::new(),
    }
}

/// No flow: could any capture have shown one?
fn without_flow(join: &Join<'_>, case: &Case, dialers: &Dialers, seen: &mut Shown) -> Coverage {
    let captures = &join.world.wire.captures;
    let spanning = spanning(join, case);
    let empty = BTreeSet::new();
    let event = join.world.event(case);
    let hosts = event.and_then(|e| dialers.of_log(e.log)).unwrap_or(&empty);
    let mut any = |n: usize| {
        let Some(event) = case.event else { return false };
        let mut real = real_backends(join, join.goals.of(event));
        let shown = || real.any(|b| join.table.responder_shown(b, CaptureIndex(n as u16)));
        *seen.any.entry((join.goals.number(event), n)).or_insert_with(shown)
    };
    let mut sides = Vec::new();
    let mut at_place = spanning.clone();
    at_place.retain(|n| {
        // Where packets are encrypted, only a target that is seen in the clear at some time is known to be seen.
        if captures[*n].encrypted > 0 && !any(*n) {
            return false;
        }
        let (here, both) = *seen.place.entry((event.map_or(u32::MAX, |e| e.log), *n)).or_insert_with(|| {
            let capture = CaptureIndex(*n as u16);
            let here = hosts.iter().any(|host| join.table.opens(*host, capture));
            (here, if here { both_directions(join, capture, Some(hosts)) } else { None })
        });
        sides.extend(both);
        here
    });
    let address = at_place.iter().any(|n| any(*n));
    // a line whose stamp nothing could read is no sign that captures lack its time
    let unread = case.window.is_none() && event.is_some() && !captures.is_empty();
    let place = if hosts.is_empty() { None } else { Some(!at_place.is_empty()) };
    Coverage {
        time_span: (!unread).then_some(!spanning.is_empty()),
        place: if spanning.is_empty() { None } else { place },
        address: (!at_place.is_empty()).then_some(address),
        both_directions: sides.into_iter().max(),
        no_drops: at_place.iter().filter_map(|n| no_drops(&captures[*n])).min(),
        missing: Vec::new(),
    }
}

/// Where the packets of a goal go: the virtual address of a Service is on no wire behind its translation, and what is
/// captured of it where others dial says nothing of a filter's mind about the real ones.
fn real_backends<'g>(join: &'g Join<'_>, goal: &'g Goal) -> impl Iterator<Item = SocketAddr> + 'g {
    let is_virtual = |b: &SocketAddr| {
        goal.virtual_addresses.contains(b) && join.world.cluster.service_of_address(*b).is_some()
    };
    goal.backends.keys().copied().filter(move |b| !is_virtual(b))
}

/// Captures that span the end of a case's window: the packets nearest to the line would be in them.
fn spanning(join: &Join<'_>, case: &Case) -> Vec<usize> {
    let Some((from, to)) = case.window else { return Vec::new() };
    let event = join.world.event(case);
    let quick = event.is_some_and(|e| !e.endings.contains(&Ending::Unanswered));
    let from = if quick { to - TimeDelta::from_secs(2) } else { from };
    let mut found = join.spanning.over(from, to);
    found.retain(|n| spans(join, *n, from, to));
    found
}

fn spans(join: &Join<'_>, capture: usize, from: Timestamp, to: Timestamp) -> bool {
    let report = &join.world.wire.captures[capture];
    let inside = |t: Timestamp| join.clocks.in_capture(capture, t);
    report.first.is_some_and(|t| t <= inside(from))
        && report.last.is_some_and(|t| t >= inside(to) - TimeDelta::from_secs(1))
        && report.hole_in(inside(from), inside(to)).is_none()
}

/// Whether flows of a capture (of these hosts) show packets of both sides; unknown without flows.
fn both_directions(join: &Join<'_>, capture: CaptureIndex, hosts: Option<&BTreeSet<IpAddr>>) -> Option<bool> {
    let (both, one) = join.table.sided(capture, hosts);
    (both + one > 0).then_some(both > 0)
}

/// Whether a capture is known to have lost no packet; unknown where it seems so and nothing counted them.
pub(super) fn no_drops(report: &CaptureReport) -> Option<bool> {
    match report.drops {
        Some(n) => Some(n == 0),
        None if report.ack_lost_segments > 0 => None,
        None => Some(true),
    }
}

fn missing(join: &Join<'_>, case: &Case, coverage: &Coverage, doubt: Option<&Doubt>) -> Vec<Missing> {
    if join.world.event(case).is_some_and(|e| e.endings.is_empty()) {
        return Vec::new(); // it sent no packet that a capture could show
    }
    let command: Arc<str> = command(join, case).into();
    let all = [
        ("time_span", coverage.time_span, span(join, case).into()),
        (
            "place",
            coverage.place,
            "no capture that spans this time was taken where the caller's packets pass in the clear".into(),
        ),
        ("address", coverage.address, address(doubt)),
        (
            "both_directions",
            coverage.both_directions,
            "the capture holds packets of one direction only".into(),
        ),
        ("no_drops", coverage.no_drops, "the capture lost packets: a missing packet proves nothing".into()),
    ];
    let known = all.into_iter().filter(|(_, holds, _)| *holds == Some(false));
    let unread = coverage.time_span.is_none().then(|| Missing {
        what: "time_span",
        detail: "the time of the line was not read".into(),
        command: None,
    });
    let known = known.map(|(what, _, detail)| Missing { what, detail, command: Some(Arc::clone(&command)) });
    let mut missing: Vec<Missing> = unread.into_iter().chain(known).collect();
    if case.flows.is_empty() {
        let detail = match encrypted(join, case) {
            0 => "no packet of this call was found".into(),
            n => format!(
                "no packet of this call was found in the clear; {n} packets are encrypted (IPsec, WireGuard) and may hold it"
            )
            .into(),
        };
        missing.push(Missing { what: "flow", detail, command: Some(command) });
    }
    missing.shrink_to_fit();
    missing
}

/// Packets that are encrypted as a whole, in captures that span a case.
fn encrypted(join: &Join<'_>, case: &Case) -> u64 {
    let captures = &join.world.wire.captures;
    if captures.iter().all(|c| c.encrypted == 0) {
        return 0;
    }
    spanning(join, case).into_iter().filter_map(|n| captures.get(n)).map(|c| c.encrypted).sum()
}

/// Why the time of a case is in no capture.
fn span(join: &Join<'_>, case: &Case) -> &'static str {
    match join.world.wire.captures[..] {
        [] => "the bundle holds no capture",
        _ if in_hole(join, case) => {
            "no capture spans the time of this call: a file of a rotated capture seems to be missing"
        }
        _ => "no capture spans the time of this call",
    }
}

/// Why packets to the target's address would not be seen, or not be this call's.
fn address(doubt: Option<&Doubt>) -> Cow<'static, str> {
    match doubt {
        Some(Doubt::Stranger(to)) => format!(
            "a dial to {to}, which no source knows, failed meanwhile: the target may have had that address then"
        )
        .into(),
        Some(Doubt::Shared) => {
            "a connection to the target that carries several calls at once was in use: this may be one of them".into()
        }
        None => "the captures show no packet to the target's address and port: a filter may hide them".into(),
    }
}

/// Whether the time of a case falls into a hole of a capture.
fn in_hole(join: &Join<'_>, case: &Case) -> bool {
    let Some((from, to)) = case.window else { return false };
    join.spanning.any_hole(from, to, |n| {
        let inside = |time| join.clocks.in_capture(n, time);
        join.world.wire.captures[n].hole_in(inside(from), inside(to)).is_some()
    })
}

/// The capture that would settle it next time.
fn command(join: &Join<'_>, case: &Case) -> String {
    let goal = case.event.map(|n| join.goals.of(n));
    // They stand in order, so that no more than those that are named need be looked at.
    let mut hosts: Vec<IpAddr> = Vec::new();
    for ip in goal.into_iter().flat_map(|g| g.backends.keys().map(SocketAddr::ip)) {
        if hosts.len() >= MAX_NAMED {
            break;
        }
        if hosts.last() != Some(&ip) {
            hosts.push(ip);
        }
    }
    hosts.extend(case.attempt().map(|f| join.world.flow(f).resp.ip()));
    hosts.sort_unstable();
    hosts.dedup();
    let hosts: Vec<String> = hosts.iter().take(MAX_NAMED).map(|h| format!("host {h}")).collect();
    let filter = if hosts.is_empty() {
        "tcp or udp port 53 or icmp".to_owned()
    } else {
        format!("{} or icmp", hosts.join(" or "))
    };
    format!(
        "tcpdump -i any -s 0 -C 200 -W 10 -w /var/tmp/apiserver.pcap '{filter}'  # on the caller's host, during the failure"
    )
}

/// Connections of one backend that are looked at.
const MAX_SHARED: usize = 64;

/// Hosts that a command names.
const MAX_NAMED: usize = 4;
