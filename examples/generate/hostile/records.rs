//! Logs that are documents of JSON or YAML, and try how their records are found.

use std::io::{self, Write as _};
use std::path::Path;

use super::text::{REFUSED, file};

/// One document of YAML that is a record and goes on with lines that make it none.
pub(super) fn yaml_records(folder: &Path, count: u64, _: u64) -> io::Result<String> {
    let mut out = file(folder, "records.yaml")?;
    writeln!(out, "---\ninsertId: a\nlogName: b\ntextPayload: c")?;
    for number in 0..count {
        writeln!(out, "{REFUSED}: {number}")?;
    }
    out.flush()?;
    Ok(format!("{count} lines"))
}

/// Events of which each lies within the one before, and none ends.
pub(super) fn nested_events(folder: &Path, count: u64, _: u64) -> io::Result<String> {
    let mut out = file(folder, "events.json")?;
    let event = r#"{"involvedObject":{},"kind":"Event","message":"m","reason":"r","lastTimestamp":"2026-11-21T02:00:05Z"}"#;
    writeln!(out, r#"{{"apiVersion":"v1","items":[{event},"#)?;
    for _ in 0..count {
        writeln!(out, r#"[{{"involvedObject":{{"message":"{}"}},"b":"#, REFUSED.replace('"', "'"))?;
    }
    out.flush()?;
    Ok(format!("{count} events"))
}

/// One line of objects that have the key of an event and are none.
pub(super) fn event_keys(folder: &Path, count: u64, _: u64) -> io::Result<String> {
    let mut out = file(folder, "objects.json")?;
    write!(out, r#"{{"apiVersion":"v1","kind":"List","items":["#)?;
    for number in 0..count {
        let keys = r#""involvedObject":{},"#.repeat(20);
        write!(out, r#"{{"kind":"A",{keys}"b":{{"regarding":{number}}}}},"#)?;
    }
    writeln!(out, "]}}")?;
    out.flush()?;
    Ok(format!("{count} objects"))
}

/// Lists of which each lies within the one before, and none ends.
pub(super) fn nested_lists(folder: &Path, count: u64, _: u64) -> io::Result<String> {
    let mut out = file(folder, "lists.json")?;
    writeln!(out, r#"{{"apiVersion":"v1","kind":"Pod"}}"#)?;
    for _ in 0..count {
        writeln!(out, r#"{{"items":["#)?;
    }
    out.flush()?;
    Ok(format!("{count} lists"))
}

/// Objects of which each begins a text that its line ends, and names what events have.
pub(super) fn open_strings(folder: &Path, count: u64, _: u64) -> io::Result<String> {
    let event = r#"{"apiVersion":"v1","involvedObject":{},"kind":"Event","message":"m","reason":"r"}"#;
    for (name, first, line) in [
        ("keys.json", r#"{"apiVersion":"v1","kind":"Pod"}"#, r#"{"involvedObject":1 \""#),
        ("hits.json", event, r#"{"apiVersion":"connection refused" \","#),
    ] {
        let mut out = file(folder, name)?;
        writeln!(out, "{first}")?;
        for _ in 0..count {
            writeln!(out, "{line}")?;
        }
        out.flush()?;
    }
    Ok(format!("{count} objects in each of two files"))
}
