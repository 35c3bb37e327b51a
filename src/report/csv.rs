//! Records as CSV (RFC 4180) for spreadsheets: one line each, with the columns that people sort and filter by.
//!
//! Takes records as JSON, whole or as NDJSON lines that are written to a [`Lines`]; gives a header and a line for each.
//! A cell that a spreadsheet would take for a formula begins with an apostrophe (OWASP "CSV Injection").

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;

/// Columns: the JSON pointer (RFC 6901) of each, whose parts joined by `_` are its name.
pub type Columns = &'static [&'static str];

/// Columns of `analyze`: one line for each finding.
pub const FINDINGS: Columns = &[
    "/id",
    "/severity",
    "/verdict",
    "/cause",
    "/standing",
    "/confidence",
    "/edge",
    "/count",
    "/first_time",
    "/last_time",
    "/target/url_host",
    "/target/webhook",
    "/target/service",
    "/target/pod",
    "/target/address",
    "/target/backend",
    "/title",
    "/explanation",
    "/next/0",
    "/rule",
];

/// Columns of `flows`.
pub const FLOWS: Columns = &[
    "/capture",
    "/stream",
    "/proto",
    "/orig/ip",
    "/orig/port",
    "/resp/ip",
    "/resp/port",
    "/first_time",
    "/last_time",
    "/conn_state",
    "/history",
    "/packets/orig",
    "/packets/resp",
    "/bytes/orig",
    "/bytes/resp",
    "/initial_rtt",
    "/tls/sni",
    "/tls/version",
    "/tls/phase",
    "/tls/alerts/0/description",
    "/icmp/0/name",
    "/file",
    "/first_frame",
    "/last_frame",
    "/display_filter",
];

/// Columns of `logs`.
pub const EVENTS: Columns = &[
    "/time",
    "/event",
    "/edge",
    "/component",
    "/host",
    "/pod",
    "/webhook",
    "/service",
    "/url",
    "/destination",
    "/source",
    "/deadline",
    "/dns_name",
    "/http_status",
    "/reason",
    "/lines/0/path",
    "/lines/0/line",
];

/// Columns of `certs`.
pub const CERTIFICATES: Columns = &[
    "/subject",
    "/issuer",
    "/sans",
    "/not_before",
    "/not_after",
    "/serial",
    "/sha256",
    "/role",
    "/days_left",
    "/found",
    "/authority",
    "/mismatches",
    "/shown_by",
    "/addresses",
    "/sni",
    "/flows",
];

/// Columns of `timeline`.
pub const MOMENTS: Columns =
    &["/time", "/kind", "/from", "/text", "/capture", "/file", "/frame", "/path", "/line"];

/// Writes the header and a line for each record.
///
/// # Errors
/// What `out` fails with.
pub fn write<T: Serialize>(
    records: impl IntoIterator<Item = T>,
    columns: Columns,
    out: &mut dyn Write,
) -> io::Result<()> {
    header(columns, out)?;
    records.into_iter().try_for_each(|record| row(&serde_json::to_value(record)?, columns, out))
}

/// Turns lines of NDJSON into lines of CSV: for output too large to hold.
pub struct Lines<'a> {
    columns: Columns,
    out: &'a mut (dyn Write + Send),
    pending: Vec<u8>,
}

impl<'a> Lines<'a> {
    /// Begins with the header.
    ///
    /// # Errors
    /// What `out` fails with.
    pub fn new(columns: Columns, out: &'a mut (dyn Write + Send)) -> io::Result<Self> {
        header(columns, out)?;
        Ok(Self { columns, out, pending: Vec::new() })
    }
}

impl Write for Lines<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pending.extend_from_slice(bytes);
        let Some(end) = self.pending.iter().rposition(|b| *b == b'\n') else { return Ok(bytes.len()) };
        let rest = self.pending.split_off(end + 1);
        let lines = std::mem::replace(&mut self.pending, rest);
        for line in lines.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
            row(&serde_json::from_slice(line)?, self.columns, self.out)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn header(columns: Columns, out: &mut dyn Write) -> io::Result<()> {
    let names: Vec<_> = columns.iter().map(|c| c.trim_start_matches('/').replace('/', "_")).collect();
    write!(out, "{}\r\n", names.join(","))
}

fn row(record: &Value, columns: Columns, out: &mut dyn Write) -> io::Result<()> {
    let cells: Vec<_> = columns.iter().map(|c| record.pointer(c).map_or_else(String::new, cell)).collect();
    write!(out, "{}\r\n", cells.join(","))
}

fn cell(value: &Value) -> String {
    match value {
        Value::String(text) => guarded(text),
        Value::Array(items) => {
            let texts: Vec<_> =
                items.iter().map(|i| i.as_str().map_or_else(|| i.to_string(), str::to_owned)).collect();
            guarded(&texts.join(" "))
        }
        other => other.to_string(),
    }
}

fn guarded(text: &str) -> String {
    let text = super::words::printable(text);
    let formula = text.starts_with(['=', '+', '-', '@']);
    let text = if formula { format!("'{text}") } else { text };
    if text.contains(['"', ',', '\'']) || text.starts_with(' ') {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: Columns = &["/a", "/b/c", "/d"];

    #[test]
    fn a_record_is_a_line_and_no_cell_is_a_formula() {
        let records = [
            serde_json::json!({"a": "x, \"y\"", "b": {"c": -1.5}, "d": ["p", "q"]}),
            serde_json::json!({"a": "=HYPERLINK(\"http://evil\")", "b": {"c": "@SUM(1)"}}),
            serde_json::json!({"a": "\t=1", "b": {"c": "line\nbreak"}, "d": "-1"}),
        ];
        let mut out = Vec::new();
        write(&records, COLUMNS, &mut out).expect("a Vec takes all");
        let expected = "a,b_c,d\r\n\"x, \"\"y\"\"\",-1.5,p q\r\n\"'=HYPERLINK(\"\"http://evil\"\")\",\"'@SUM(1)\",\r\n\" =1\",line\\u{a}break,\"'-1\"\r\n";
        assert_eq!(String::from_utf8(out).expect("UTF-8"), expected);
    }

    #[test]
    fn lines_of_json_become_lines_of_csv_however_they_are_written() {
        let mut out = Vec::new();
        let mut lines = Lines::new(COLUMNS, &mut out).expect("a Vec takes all");
        for part in ["{\"a\":1}\n{\"d\":", "true}\n"] {
            lines.write_all(part.as_bytes()).expect("JSON");
        }
        assert_eq!(out, b"a,b_c,d\r\n1,,\r\n,,true\r\n");
    }
}
