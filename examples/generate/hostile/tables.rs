//! Logs as tables of comma-separated values that try how rows and cells are found.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::Path;

use super::text::{REFUSED, file};

/// The time of a row.
fn time(number: u64) -> String {
    format!("2026-11-21 02:{:02}:{:02}.{:03}", number / 60_000 % 60, number / 1000 % 60, number % 1000)
}

fn table(folder: &Path, header: &str, rows: impl Iterator<Item = String>) -> io::Result<String> {
    let mut out = file(folder, "table.csv")?;
    writeln!(out, "{header}")?;
    let mut count = 0;
    for row in rows {
        writeln!(out, "{row}")?;
        count += 1;
    }
    out.flush()?;
    Ok(format!("{count} rows"))
}

/// Rows of many columns, the names of which are as many as the head of a file holds.
pub(super) fn columns(folder: &Path, count: u64, _: u64) -> io::Result<String> {
    let mut header = String::from("@timestamp,@message");
    let mut cells = String::new();
    for number in 0..count {
        if number < 1000 {
            let _ = write!(header, ",c{number}");
        }
        cells.push_str(",\"\"\"\"");
    }
    table(folder, &header, (0..20).map(|n| format!("{},{REFUSED}{cells}", time(n))))
}

/// Cells that begin with a quote and never end, over lines that may be rows and lines that are none.
pub(super) fn quotes(folder: &Path, count: u64, _: u64) -> io::Result<String> {
    let row = |n: u64| {
        let lead = if n.is_multiple_of(7) { format!("{},", time(n)) } else { String::new() };
        format!("{lead}\"call {n}: {REFUSED}")
    };
    table(folder, "@timestamp,@message", (0..count).map(row))
}

/// One row of short cells without end, which tells no time.
pub(super) fn cells(folder: &Path, count: u64, _: u64) -> io::Result<String> {
    let part = format!("{REFUSED}{}", ",x".repeat(2050));
    let rows = [format!("{},m", time(0)), format!("x,{}", part.repeat(count as usize))];
    table(folder, "@timestamp,@message", rows.into_iter())
}

/// Rows each of which goes on the message of the one before, and seems to begin one.
pub(super) fn entries(folder: &Path, count: u64, _: u64) -> io::Result<String> {
    table(folder, "@timestamp,@message", (0..count).map(|n| format!("{},\"\t{REFUSED} =<\"", time(n))))
}

/// A row that tells no time, over many lines.
pub(super) fn row(folder: &Path, count: u64, _: u64) -> io::Result<String> {
    let lines = format!("{REFUSED}\n").repeat(count as usize);
    table(folder, "@timestamp,@message", [format!("{},m", time(0)), format!("x,\"{lines}\"")].into_iter())
}
