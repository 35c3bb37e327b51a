//! What a batch prints once all bundles are done: causes and versions over all of them.
//!
//! Takes the lines of the index; gives text. Never reads a report. Versions are what logs and objects say: they are shown,
//! never sent.

use std::collections::BTreeMap;
use std::io::{self, Write};

use comfy_table::{CellAlignment, Table, presets};

use super::{Entry, Span};
use crate::report::words;

/// Writes both tables and how many bundles were read.
pub(super) fn write(out: &mut dyn Write, entries: &BTreeMap<String, Entry>) -> io::Result<()> {
    for table in [causes(entries), versions(entries)] {
        table.lines().try_for_each(|line| writeln!(out, "{}", line.trim_end()))?;
        writeln!(out)?;
    }
    let count = |status: &str| entries.values().filter(|e| e.status == status).count() as u64;
    let bundles = words::counted(entries.len() as u64, "bundle");
    let [whole, partly, failed] = ["ok", "partial", "failed"].map(count);
    writeln!(out, "{bundles}: {whole} whole, {partly} partly read, {failed} failed")
}

/// What is summed up over bundles.
#[derive(Default)]
struct Sum {
    bundles: u64,
    calls: u64,
    span: Span,
}

/// Causes over all bundles, most calls first.
fn causes(entries: &BTreeMap<String, Entry>) -> Table {
    let mut causes: BTreeMap<&str, Sum> = BTreeMap::new();
    for entry in entries.values() {
        for (cause, calls) in &entry.causes {
            let sum = causes.entry(cause).or_default();
            sum.bundles += 1;
            sum.calls += calls;
            if let Some(times) = entry.times.get(cause) {
                sum.span.widen(times.first_time.as_ref(), times.last_time.as_ref());
            }
        }
    }
    let mut rows: Vec<_> = causes.into_iter().collect();
    rows.sort_by_key(|(cause, sum)| (std::cmp::Reverse(sum.calls), *cause));
    let cells = rows.iter().map(|(cause, sum)| {
        [(*cause).to_owned(), words::grouped(sum.bundles), words::grouped(sum.calls), when(&sum.span)]
    });
    table(["CAUSE", "BUNDLES", "CALLS", "WHEN (UTC)"], cells)
}

/// Versions over all bundles, those of the API server first: in how many of them, with how many failed calls.
fn versions(entries: &BTreeMap<String, Entry>) -> Table {
    let mut versions: BTreeMap<(bool, String), Sum> = BTreeMap::new();
    let mut add = |entry: &Entry, first: bool, text: String| {
        let sum = versions.entry((!first, text)).or_default();
        sum.bundles += 1;
        sum.calls += entry.causes.values().sum::<u64>();
    };
    for entry in entries.values().filter(|e| e.status != "failed") {
        for (component, known) in &entry.versions {
            for version in known {
                add(entry, component == API_SERVER, format!("{component} {version}"));
            }
        }
        if !entry.versions.contains_key(API_SERVER) {
            add(entry, true, format!("{API_SERVER} of a version not told"));
        }
    }
    let cells = versions.iter().map(|((_, text), sum)| {
        [words::printable(text), words::grouped(sum.bundles), words::grouped(sum.calls), String::new()]
    });
    table(["VERSION", "BUNDLES", "CALLS", ""], cells)
}

fn table(head: [&str; 4], rows: impl Iterator<Item = [String; 4]>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(head);
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(1).take(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// `2026-11-21 02:24 to 02:56`, to the minute.
fn when(span: &Span) -> String {
    let minute = |time: &Option<String>| {
        let time = words::short_time(time.as_deref().unwrap_or_default());
        time.get(..16).unwrap_or_default().to_owned()
    };
    let (first, last) = (minute(&span.first_time), minute(&span.last_time));
    match (first.get(..10), last.get(..10)) {
        _ if first == last => first,
        (Some(day), Some(other)) if day == other => {
            format!("{first} to {}", last.get(11..).unwrap_or_default())
        }
        _ => format!("{first} to {last}"),
    }
}

/// The component whose version tells most.
const API_SERVER: &str = "kube-apiserver";
