//! From matches to cases: one for each call that a log tells of, one for each failed flow that none tells of.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::backends::Backends;
use super::dialers::Dialers;
use super::hosts::Hosts;
use super::index::sni;
use super::join::{Assigned, Join};
use super::strangers::Strangers;
use super::{
    Case, Correlated, JoinOptions, Key, Matching, Role, Target, anomalies, certificates, coverage, crowd,
    facts, wire,
};
use crate::ingest::FlowIndex;
use crate::log::LogEvent;
use crate::time::{TimeDelta, Timestamp};

/// Builds all cases, in order of time.
pub(super) fn build(join: &Join<'_>, assigned: &Assigned, options: &JoinOptions) -> Correlated {
    let mut cases = of_events(join, assigned);
    let seen: BTreeSet<FlowIndex> = cases.iter().flat_map(|c| c.flows.iter().map(|f| f.flow)).collect();
    let seen: BTreeSet<FlowIndex> =
        seen.into_iter().flat_map(|f| join.connections.views(f)).map(|v| v.0).collect();
    let (found, left) = wire::cases(join, &cases, &seen);
    cases.extend(found);
    let dialers = dialers_of(join, &cases);
    let mut strangers = Strangers::new(join, &cases);
    let mut shown = coverage::Shown::default();
    let mut backends = Backends::new(join.world, join.table, join.clocks);
    let mut hosts = Hosts::new(join.world);
    for case in &mut cases {
        name_backend(case, join);
        case.facts = facts::of(join, case, &dialers, &mut backends);
        case.facts.hosts = hosts.of(join, case);
        case.coverage = coverage::of(join, case, &dialers, &mut strangers, &mut shown);
    }
    count_targets(join, &mut cases);
    let (certificates, more_certificates) = certificates::inventory_of(join.world, options);
    certificates::attach(join, &mut cases, &certificates);
    let (of_certificates, more_cases) = certificates::cases(join.world, &cases, &certificates);
    cases.extend(of_certificates);
    cases.retain(|c| selected(c, options, join));
    cases.sort_by_key(|c| (c.time, c.event, c.attempt()));
    let reached = join.table.reached().chain(join.connections.reached()).chain(crowd::reached(assigned));
    let reached = reached.chain(more_certificates).chain(more_cases);
    let reached = reached.chain(join.spanning.reached()).collect();
    let anomalies = anomalies::of(join.world, join.table, &left, reached);
    Correlated { cases, anomalies, certificates, ..Correlated::default() }
}

/// Where the callers of cases dial from.
fn dialers_of(join: &Join<'_>, cases: &[Case]) -> Dialers {
    let world = join.world;
    let called = cases.iter().filter_map(|case| {
        let orig = case.attempt().map(|f| world.flow(f).orig.ip());
        Some((world.event(case)?, orig))
    });
    Dialers::new(join, called)
}

/// Tells each call how many targets failed alike in its second: what hits many at once lies with the caller, or on the way
/// that they share.
fn count_targets(join: &Join<'_>, cases: &mut [Case]) {
    let alike = |case: &Case| {
        let second = case.time?.0.div_euclid(1_000_000_000);
        Some((&*join.world.event(case)?.name, second))
    };
    let mut targets: HashMap<_, HashSet<&str>> = HashMap::new();
    for case in cases.iter() {
        let Target { url_host, address, backend, .. } = &case.target;
        let target = [url_host, address, backend].into_iter().flatten().next();
        if let Some((alike, target)) = alike(case).zip(target) {
            targets.entry(alike).or_default().insert(target);
        }
    }
    let count = |case: &Case| alike(case).and_then(|alike| targets.get(&alike)).map_or(0, HashSet::len);
    let counts: Vec<usize> = cases.iter().map(count).collect();
    for (case, count) in cases.iter_mut().zip(counts) {
        case.facts.concurrent_targets = count as u32;
    }
}

/// Callers' events, each with the server's own view of the same connection as its echo.
fn of_events(join: &Join<'_>, assigned: &Assigned) -> Vec<Case> {
    let events = &join.world.logs.events;
    let numbers = 0..events.len() as u32;
    let (servers, callers): (Vec<u32>, Vec<u32>) = numbers.partition(|n| events[*n as usize].server_side);
    let mut cases: Vec<Case> = callers.iter().map(|n| join.case(*n, assigned)).collect();
    let mut by_flow: HashMap<FlowIndex, usize> = HashMap::new();
    for (place, case) in cases.iter().enumerate() {
        for flow in case.flows.iter().filter(|f| f.role != Role::Lookup) {
            by_flow.entry(join.connections.root(flow.flow)).or_insert(place);
        }
    }
    let mut kin = Kin::new(join, &cases);
    for n in servers {
        let root = assigned.matches.get(&n).map(|(c, _)| c.ended.flow);
        let shared = root.and_then(|r| by_flow.get(&r).copied());
        let free = |case: &Case| root.is_none() || case.attempt().is_none();
        let found = shared.or_else(|| kin.take(join, &events[n as usize], |place| free(&cases[place])));
        if let Some(place) = found {
            let case = &mut cases[place];
            case.echoes.push(n);
            if let (Some(root), None) = (root, case.attempt()) {
                adopt(join, case, n, assigned);
                by_flow.insert(root, place);
            }
        } else {
            by_flow.extend(root.map(|r| (r, cases.len())));
            cases.push(join.case(n, assigned));
        }
    }
    cases
}

/// A server's line of the same call names the connection that the caller's line does not.
fn adopt(join: &Join<'_>, case: &mut Case, server: u32, assigned: &Assigned) {
    let (flows, matching) = join.flows_of(server, assigned);
    case.flows.splice(0..0, flows);
    let why = "a line of the server, of the same time, names this connection".to_owned();
    case.matching = matching.map(|m| Matching { key: Key::Time, offset: None, why, ..m });
}

/// Callers' cases by where they lead, for server logs that name no client of theirs.
struct Kin {
    /// Pod, or namespace with a slash behind it where no pod of the target is known → times of lines of cases that are
    /// not taken.
    by_place: HashMap<String, Times>,
    /// Case → its time and the places it stands under.
    places: HashMap<usize, (Timestamp, BTreeSet<String>)>,
}

/// Cases by the time of their line.
type Times = BTreeSet<(Timestamp, usize)>;

impl Kin {
    fn new(join: &Join<'_>, cases: &[Case]) -> Self {
        let map = &join.world.cluster;
        let mut kin = Self { by_place: HashMap::new(), places: HashMap::new() };
        for (place, case) in cases.iter().enumerate() {
            let event = case.event.map(|n| (&join.world.logs.events[n as usize], join.goals.of(n)));
            let Some((event, goal)) = event else { continue };
            let Some(at) = join.clocks.of_event(event) else { continue };
            let own = case.attempt().and_then(|f| map.pod_of(join.world.flow(f).resp));
            let mut places: BTreeSet<String> = own.into_iter().collect();
            if places.is_empty() {
                places.extend(goal.backends.keys().take(MAX_PODS).filter_map(|b| map.pod_of(*b)));
            }
            if places.is_empty() {
                places.extend(goal.service.as_ref().map(|(namespace, _)| format!("{namespace}/")));
            }
            for name in &places {
                kin.by_place.entry(name.clone()).or_default().insert((at, place));
            }
            kin.places.insert(place, (at, places));
        }
        kin
    }

    /// The case that leads to the pod of a server's line, nearest in time; each is taken once. A line that names its
    /// client tells of one connection among many and must be nearer than one that does not.
    fn take(&mut self, join: &Join<'_>, event: &LogEvent, free: impl Fn(usize) -> bool) -> Option<usize> {
        let pod = event.pod.as_deref()?;
        let at = join.clocks.of_event(event)?;
        let reach =
            if event.fields.source.is_some() { NAMED_REACH } else { UNNAMED_REACH } + event.resolution;
        let namespace = pod.split_once('/').map_or("", |(namespace, _)| namespace);
        let lists = [pod.to_owned(), format!("{namespace}/")];
        let lists = lists.iter().filter_map(|name| self.by_place.get(name));
        let (_, place) = lists.filter_map(|list| nearest(list, at, reach, &free)).min()?;
        let (at, names) = self.places.remove(&place)?;
        for name in names {
            self.by_place.entry(name).or_default().remove(&(at, place));
        }
        Some(place)
    }
}

/// The free case whose line is nearest to a time, with the distance; of several the first. Looks at [`KIN_LOOKED_AT`] on
/// either side at most: of a hundred thousand in one second not each is held against each.
fn nearest(
    list: &Times,
    at: Timestamp,
    reach: TimeDelta,
    free: &impl Fn(usize) -> bool,
) -> Option<(TimeDelta, usize)> {
    let after = list.range((at, 0)..(at + reach, usize::MAX)).take(KIN_LOOKED_AT).find(|(_, n)| free(*n));
    let mut before = None;
    let (mut end, mut left) = (at, KIN_LOOKED_AT);
    while let Some((time, _)) = list.range((at - reach, 0)..(end, 0)).next_back().filter(|_| left > 0) {
        let mut same = list.range((*time, 0)..(end, 0)).take(left);
        before = same.by_ref().inspect(|_| left -= 1).find(|(_, n)| free(*n));
        if before.is_some() {
            break;
        }
        end = *time;
    }
    before.into_iter().chain(after).map(|(time, n)| ((at - *time).abs(), *n)).min()
}

/// Whose backend it is, for the target.
fn name_backend(case: &mut Case, join: &Join<'_>) {
    let Some(flow) = case.attempt().map(|f| join.world.flow(f)) else { return };
    let map = &join.world.cluster;
    let resp = flow.resp;
    case.target.backend = Some(resp.to_string());
    case.target.pod = map.pod_of(resp);
    if case.target.service.is_none() {
        let services = map.services_behind(resp).into_iter().chain(map.service_of_address(resp));
        case.target.service = services.map(|s| format!("{}/{}", s.namespace, s.name)).next();
    }
    if case.target.url_host.is_none() {
        case.target.url_host = sni(flow).map(str::to_owned);
    }
}

/// `--target`, `--edge`, `--from`, `--to`.
fn selected(case: &Case, options: &JoinOptions, join: &Join<'_>) -> bool {
    let edge = options.edge.is_none_or(|e| e == case.edge);
    let (from, to) = options.span;
    let inside = case.time.is_none_or(|t| from.is_none_or(|f| t >= f) && to.is_none_or(|e| t <= e));
    let Some(wanted) = &options.target else { return edge && inside };
    let t = &case.target;
    let fields = [&t.webhook, &t.url_host, &t.address, &t.backend, &t.service, &t.pod, &t.certificate];
    let named = fields.into_iter().flatten().any(|f| f.contains(wanted.as_str()));
    let flows = case.flows.iter().map(|f| join.world.flow(f.flow));
    let carried = flows.flat_map(|f| [f.orig.ip(), f.resp.ip()]).any(|ip| ip.to_string() == *wanted);
    edge && inside && (named || carried)
}

/// A server writes its line about a call this near to the caller's: where it names its client, and where it does not.
const NAMED_REACH: TimeDelta = TimeDelta::from_millis(100);
const UNNAMED_REACH: TimeDelta = TimeDelta::from_secs(1);

/// Pods of one target that are looked at.
const MAX_PODS: usize = 64;
/// Callers' cases looked at on either side of the time of a server's line.
const KIN_LOOKED_AT: usize = 256;

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn the_nearest_of_a_hundred_thousand_is_found_without_looking_at_all() {
        let at = Timestamp::default() + TimeDelta::from_secs(1_000);
        let time = |n: usize| at + TimeDelta((n as i64 - 50_000) * 10_000);
        let mut list: Times = (0..100_000).map(|n| (time(n), n)).collect();
        let looked = Cell::new(0);
        let take = |list: &Times, free: &dyn Fn(usize) -> bool| {
            looked.set(0);
            let free = |n| {
                looked.set(looked.get() + 1);
                free(n)
            };
            nearest(list, at, UNNAMED_REACH, &free).map(|(_, n)| n)
        };
        assert_eq!(take(&list, &|_| true), Some(50_000));
        list.remove(&(at, 50_000));
        // of two that are equally near the first
        assert_eq!(take(&list, &|_| true), Some(49_999));
        assert_eq!(take(&list, &|n| n > 50_000), Some(50_001));
        assert_eq!(take(&list, &|n| n < 49_900), Some(49_899));
        assert!(looked.get() <= 1_000, "{} looked at", looked.get());
        assert_eq!(take(&list, &|_| false), None);
        assert!(looked.get() <= 1_000, "{} looked at", looked.get());
        let same: Times = (0..1_000).map(|n| (at - TimeDelta(1), n)).collect();
        assert_eq!(take(&same, &|n| n >= 7), Some(7), "of the same time the first");
        assert_eq!(take(&same, &|_| false), None);
    }
}
