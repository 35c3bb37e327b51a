//! What rules keep quiet about or do not know, summed up: one line for each rule and capture, with who, what and how
//! often; one for each event that no rule matches.
//!
//! Takes the cases without a judgement; gives anomalies and never a finding. The words are the rule's title.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use super::rule::Rule;
use crate::capture::CaptureIndex;
use crate::correlate::{Anomaly, Case, Correlated, World};
use crate::log::LogEvent;
use crate::time::{TimeDelta, Timestamp};

/// Connections of one pair.
struct Pair {
    count: u64,
    first: Timestamp,
    last: Timestamp,
}

/// Of one rule in one capture: who spoke to whom.
type Pairs = BTreeMap<(IpAddr, SocketAddr), Pair>;

/// Cases by place in [`Correlated::cases`], each with the rule that keeps quiet about it.
pub(super) fn sum_up(quiet: &[(u32, &Rule)], world: &World, correlated: &Correlated) -> Vec<Anomaly> {
    let mut groups: BTreeMap<(CaptureIndex, &str), Pairs> = BTreeMap::new();
    let mut titles: BTreeMap<&str, &str> = BTreeMap::new();
    for (case, rule) in quiet {
        let flow = correlated.cases.get(*case as usize).and_then(Case::attempt).map(|f| world.flow(f));
        let Some(flow) = flow else { continue };
        titles.insert(&rule.id, &rule.title);
        let group = groups.entry((flow.capture, &rule.id)).or_default();
        let time = flow.first.time;
        let pair =
            group.entry((flow.orig.ip(), flow.resp)).or_insert(Pair { count: 0, first: time, last: time });
        pair.count += 1;
        pair.first = pair.first.min(time);
        pair.last = pair.last.max(time);
    }
    let told = groups.into_iter().map(|((capture, rule), pairs)| {
        let title = titles.get(rule).copied().unwrap_or_default();
        let report = world.wire.captures.get(capture.0 as usize);
        Anomaly {
            kind: "no_fault",
            place: report.map_or_else(String::new, |c| c.set.name.clone()),
            count: pairs.values().map(|p| p.count).sum(),
            text: format!("{title}: {}", words(pairs)),
        }
    });
    told.collect()
}

/// Logged failures that no rule matches, by place in [`Correlated::cases`]: one line for each event.
pub(super) fn without_verdict(unmatched: &[u32], world: &World, correlated: &Correlated) -> Vec<Anomaly> {
    let mut groups: BTreeMap<&str, (u64, String)> = BTreeMap::new();
    for case in unmatched {
        let event = correlated.cases.get(*case as usize).and_then(|c| world.event(c));
        let Some(event) = event else { continue };
        let (count, _) = groups.entry(&event.name).or_insert_with(|| (0, place(event, world)));
        *count += 1;
    }
    let told = groups.into_iter().map(|(name, (count, place))| {
        let text = format!("no rule has a verdict for {count} failure(s) of the event {name}, first here");
        Anomaly { kind: "no_verdict", place, count, text }
    });
    told.collect()
}

/// File and line of an event.
fn place(event: &LogEvent, world: &World) -> String {
    let line = event.lines.first();
    let path = line.and_then(|l| world.bundle.sources.get(l.source.0 as usize)).map(|s| s.path.as_str());
    match (line, path) {
        (Some(line), Some(path)) => format!("{path}:{}", line.number),
        _ => String::new(),
    }
}

/// `10.0.0.1 to 10.2.0.7:8080 (120 times, about every 10.0 s), …`, the most frequent first.
fn words(pairs: Pairs) -> String {
    let mut pairs: Vec<_> = pairs.into_iter().collect();
    pairs.sort_by_key(|(ends, pair)| (Reverse(pair.count), *ends));
    let more = pairs.len().saturating_sub(NAMED);
    let mut told: Vec<String> = pairs
        .iter()
        .take(NAMED)
        .map(|((orig, resp), pair)| format!("{orig} to {resp} ({})", pair.often()))
        .collect();
    if more > 0 {
        told.push(format!("and {more} more such pairs"));
    }
    told.join(", ")
}

impl Pair {
    fn often(&self) -> String {
        let between = i64::try_from(self.count.saturating_sub(1)).unwrap_or(i64::MAX);
        match self.count {
            1 => "once".to_owned(),
            2 => "twice".to_owned(),
            n => {
                let every = TimeDelta((self.last - self.first).0.checked_div(between).unwrap_or(0));
                format!("{n} times, about every {every}")
            }
        }
    }
}

/// Pairs that are named.
const NAMED: usize = 4;

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::super::trial::Made;
    use super::super::{RuleSet, conclude};
    use crate::log::EventSet;

    fn made(packets: &str) -> Made {
        Made::of(String::new(), Some(packets.to_owned()), &EventSet::builtin())
    }

    #[test]
    fn probes_are_one_line_and_a_failure_among_them_is_a_finding() {
        let mut script = "capture lb\n".to_owned();
        for n in 0..12 {
            let port = 41_000 + n;
            let at = n * 10;
            writeln!(script, "flow probe{n} orig=10.0.0.9:{port} resp=10.2.0.7:8443").expect("written");
            writeln!(script, "+{at}.000 > connect\n+{at}.001 > RST,ACK").expect("written");
        }
        script += "flow bad orig=10.0.0.9:42000 resp=10.2.0.7:8443\n+55.000 > SYN\n+55.001 < RST,ACK\n";
        let made = made(&script);
        let (findings, noise) = conclude(&RuleSet::builtin(), &made.world, &made.correlated);
        let rules: Vec<&str> = findings.iter().map(|f| &*f.judgement.rule).collect();
        assert_eq!(rules, ["connection-refused/wire"]);
        assert_eq!(findings[0].occurrences.len(), 1);
        assert_eq!(noise.len(), 1);
        assert_eq!((noise[0].kind, noise[0].count), ("no_fault", 12));
        let told = "10.0.0.9 to 10.2.0.7:8443 (12 times, about every 10.000 s)";
        assert!(noise[0].text.ends_with(told), "{}", noise[0].text);
    }

    #[test]
    fn a_connection_that_waits_for_long_is_no_probe() {
        let made = made("+0.000 > connect\n+30.000 > FIN,ACK\n");
        let (_, noise) = conclude(&RuleSet::builtin(), &made.world, &made.correlated);
        assert!(noise.is_empty(), "{noise:?}");
    }

    #[test]
    fn a_failure_that_no_rule_knows_is_said() {
        let line =
            "2026-11-21T02:25:20Z stderr F http: TLS handshake error from 10.0.0.9:40000: EOF\n".repeat(2);
        let made = Made::of(line, None, &EventSet::builtin());
        let (findings, told) = conclude(&RuleSet::default(), &made.world, &made.correlated);
        assert!(findings.is_empty());
        let told: Vec<_> = told.iter().map(|a| (a.kind, a.place.as_str(), a.count)).collect();
        assert_eq!(told, [("no_verdict", "kube-apiserver.log:1", 2)]);
    }
}
