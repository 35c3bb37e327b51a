//! Recorded incidents with an answer key: every failing call is one event, with its time, name and fields.
//!
//! The recordings are not part of this repository; without them the test says so and passes.

use std::path::{Path, PathBuf};

use serde_json::Value;
use wirecause::bundle::{self, Limits};
use wirecause::log::{self, EventSet, LogEvent, LogOptions, Logs};
use wirecause::time::Timestamp;

/// Where the recordings are, if they are there.
fn incidents() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/incidents");
    std::env::var_os("WIRECAUSE_INCIDENTS").map(PathBuf::from).or(Some(beside)).filter(|p| p.is_dir())
}

fn time_of(text: &str) -> Timestamp {
    let time: jiff::Timestamp = text.parse().expect("a time of the key");
    Timestamp(i64::try_from(time.as_nanosecond()).expect("in range"))
}

/// The time in a klog line that the key quotes; its zone is what brings it next to the collector's time.
fn klog_time(klog: &str, collector: Timestamp) -> Option<Timestamp> {
    const QUARTER: i64 = 900_000_000_000;
    let clock = klog.split_whitespace().nth(1)?;
    let mut parts = clock.splitn(3, ':');
    let (hours, minutes) = (parts.next()?.parse::<i64>().ok()?, parts.next()?.parse::<i64>().ok()?);
    let seconds = parts.next()?.parse::<f64>().ok()?;
    let within_day = (hours * 60 + minutes) * 60_000_000 + (seconds * 1e6).round() as i64;
    let off = (within_day * 1000 - collector.0).rem_euclid(QUARTER);
    Some(Timestamp(collector.0 + if off > QUARTER / 2 { off - QUARTER } else { off }))
}

/// The start of a klog line that the key quotes, without the padding of the thread id.
fn quotes(event: &LogEvent, klog: &str) -> bool {
    let wanted: String = klog.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    let stamp = wanted.get(..21).unwrap_or(&wanted);
    let json = klog.split("\"ts\":").nth(1).and_then(|t| t.split(',').next());
    let needle = json.unwrap_or(stamp);
    event.lines.first().is_some_and(|line| line.text.to_string().contains(needle))
}

fn read(dir: &Path) -> Logs {
    let bundle = bundle::discover(&[dir.join("bundle")], &Limits::default()).expect("a bundle");
    log::read(&bundle.sources, &EventSet::builtin(), &LogOptions::default())
}

/// What is wrong with the events of one failure of the key.
fn problems_of(failure: &Value, logs: &Logs) -> Vec<String> {
    let mut out = Vec::new();
    let insts = failure["instances"].as_array().cloned().unwrap_or_default();
    for inst in &insts {
        let (klog, wanted) =
            (inst["klog"].as_str().unwrap_or_default(), inst["log_time_utc"].as_str().unwrap_or_default());
        let found: Vec<_> = logs.events.iter().filter(|e| quotes(e, klog)).collect();
        match found.as_slice() {
            [] => out.push(format!("not found: {klog}")),
            [event] => {
                let off = |time: Timestamp| event.time.map_or(i64::MAX, |t| (t - time).0.abs());
                let wanted = time_of(wanted);
                // the key's time is the collector's, which a log may hold too; where it holds klog's alone, that is the
                // time: mostly 100 µs before the collector's, under load up to 33 ms
                if off(wanted).min(klog_time(klog, wanted).map_or(i64::MAX, off)) > 1_000_000 {
                    out.push(format!("{klog} is at {:?}, not {wanted}", event.time.map(|t| t.to_string())));
                }
                if event.fields.url.is_none() && &*event.name != "webhook_denied" {
                    out.push(format!("no URL: {klog}"));
                }
            }
            more => out.push(format!("{} events quote {klog}", more.len())),
        }
    }
    out
}

#[test]
fn every_line_of_every_key_is_one_event() {
    let Some(dir) = incidents() else {
        eprintln!("skipped: no recorded incidents beside the repository");
        return;
    };
    let mut names: Vec<_> =
        std::fs::read_dir(dir).expect("a directory").flatten().map(|e| e.path()).collect();
    names.sort();
    let mut wrong = Vec::new();
    for dir in names.iter().filter(|d| d.join("truth.json").exists()) {
        let truth: Value =
            serde_json::from_str(&std::fs::read_to_string(dir.join("truth.json")).expect("a key"))
                .expect("JSON");
        let logs = read(dir);
        let name = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for failure in truth["failures"].as_array().into_iter().flatten() {
            wrong.extend(problems_of(failure, &logs).into_iter().map(|p| format!("{name}: {p}")));
        }
    }
    assert!(wrong.is_empty(), "{} problems:\n{}", wrong.len(), wrong.join("\n"));
}
