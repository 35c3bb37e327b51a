//! Logs that are a table of comma-separated values: what the consoles of clouds give to download.
//!
//! Takes the head of a file and finds the columns of time, message and names; takes the bytes of rows and gives the one
//! that holds a hit. Formats: CloudWatch (`timestamp,message`), Logs Insights (`@timestamp,@message`), Azure's Log
//! Analytics (`TimeGenerated [UTC],…,log_s`), Google's Logs Explorer (`…,textPayload,timestamp`), Splunk (`_time,…,_raw`),
//! Kibana (`@timestamp,…,message`). Quotes as in RFC 4180.

use super::cloud;
use super::envelope::{self, Layer, Peeled};
use super::records::Record;
use super::stamp::{self, Stamp};
use crate::bundle::is_stranger;
use crate::time::{Civil, TimeDelta, Timestamp};

/// Which column is what; of the message there may be two, one of which is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Columns {
    time: u8,
    message: [u8; 2],
    /// Namespace, pod, container, host, component, stream of a service.
    names: [u8; 6],
    first: First,
    /// Times without a zone are in the zone of who looked, not in UTC.
    local: bool,
    /// The column of the message, where it is the last: not everybody who writes it there quotes it.
    last: u8,
}

/// What the first value of a row looks like, by which a row is told from the middle of one that goes over lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum First {
    Time,
    Number,
    /// `a1b2c3d4-0000-0000-0000-0123456789ab`.
    Uuid,
    Any,
}

/// No such column.
const NONE: u8 = u8::MAX;

const TIME: [&str; 7] = [
    "@timestamp",
    "timestamp",
    "TimeGenerated",
    "TimeGenerated [UTC]",
    "TimeGenerated [Local Time]",
    "time",
    "_time",
];
const MESSAGE: [&str; 9] = [
    "@message",
    "message",
    "log_s",
    "LogMessage",
    "Message",
    "LogEntry",
    "textPayload",
    "jsonPayload.message",
    "jsonPayload.MESSAGE",
];
const NAMES: [&[&str]; 6] = [
    &["PodNamespace", "resource.labels.namespace_name", "kubernetes.namespace", "kubernetes.namespace_name"],
    &["PodName", "resource.labels.pod_name", "kubernetes.pod.name", "kubernetes.pod_name"],
    &["ContainerName", "resource.labels.container_name", "kubernetes.container.name"],
    &["Computer", "resource.labels.node_name", "host", "kubernetes.node.name"],
    &["Category", "resource.labels.component_name"],
    &["@logStream", "logStreamName"],
];

impl Columns {
    /// The columns of a file that begins with `head`, if its first row names those of a log.
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
        let (header, len) = row(head, MAX_COLUMNS)?;
        let place = |names: &[&str], skip: usize| {
            let mut found = header.iter().enumerate().filter(|(_, name)| names.contains(&&***name));
            found.nth(skip).and_then(|(n, _)| u8::try_from(n).ok()).unwrap_or(NONE)
        };
        let time = place(&TIME, 0);
        let splunk = [place(&["_raw"], 0), NONE];
        let of_splunk = header.get(usize::from(time)).is_some_and(|name| name == "_time");
        let message = if of_splunk { splunk } else { [place(&MESSAGE, 0), place(&MESSAGE, 1)] };
        if time == NONE || message[0] == NONE {
            return None;
        }
        let (second, _) = row(head.get(len..)?, MAX_COLUMNS)?;
        let first = if time == 0 { First::Time } else { First::of(second.first()?) };
        let local = header.get(usize::from(time)).is_some_and(|name| name.ends_with("[Local Time]"));
        let ends = header.len() == usize::from(message[0]) + 1;
        let last = if ends { message[0] } else { MAX_COLUMNS as u8 };
        Some(Self { time, message, names: NAMES.map(|names| place(names, 0)), first, local, last })
    }

    /// Whether a row begins at the line that `rest` begins with.
    pub(super) fn begins(self, rest: &[u8]) -> bool {
        let value = rest.strip_prefix(b"\"").unwrap_or(rest);
        match self.first {
            First::Time => {
                time(value).is_some() || value.first().is_some_and(u8::is_ascii_digit) && number(value)
            }
            First::Number => number(value),
            First::Uuid => is_uuid(value.get(..36).unwrap_or_default()),
            First::Any => !rest.is_empty(),
        }
    }

    /// The row that holds the byte `hit`: the block begins with one, others may follow it.
    pub(super) fn around(self, block: &[u8], hit: usize) -> Option<Record> {
        let mut start = 0;
        loop {
            let (values, len) = row(block.get(start..)?, self.last.into())?;
            let end = start + len;
            if hit < end {
                return Some(Record { peeled: self.peeled(&values)?, start, end });
            }
            start = end;
        }
    }

    fn peeled(self, values: &[String]) -> Option<Peeled<'static>> {
        let value = |n: u8| values.get(usize::from(n)).map(String::as_str).filter(|v| !v.is_empty());
        let line = self.message.into_iter().find_map(value)?.trim_end_matches('\n');
        let text = value(self.time)?;
        let local = self.local || text.contains(" @ ");
        let stamp = match time(text.as_bytes())? {
            Stamp::Civil(civil, resolution) if local => Stamp::Civil(civil, resolution),
            Stamp::Civil(civil, _) => cloud::taken_over(Timestamp::from_civil(civil), line),
            Stamp::Absolute(time, _) => cloud::taken_over(time, line),
        };
        let [namespace, pod, container, host, component, stream] = self.names.map(value);
        let ident = container.or(component).or_else(|| stream.and_then(cloud::component));
        let outer = Peeled {
            layers: vec![Layer::Collector("csv")],
            stamps: vec![stamp],
            host: host.map(str::to_owned),
            ident: ident.map(str::to_owned),
            pod: namespace.zip(pod).map(|(namespace, pod)| format!("{namespace}/{pod}")),
            stranger: namespace.zip(pod).is_some_and(|(ns, pod)| is_stranger(ns, pod, container)),
            ..Peeled::default()
        };
        Some(envelope::peel_inside(line, outer))
    }
}

impl First {
    fn of(value: &str) -> Self {
        match value.as_bytes() {
            value if time(value).is_some() => Self::Time,
            value if number(value) => Self::Number,
            value if is_uuid(value) => Self::Uuid,
            _ => Self::Any,
        }
    }
}

/// Ten digits or more.
fn number(value: &[u8]) -> bool {
    value.iter().take_while(|b| b.is_ascii_digit()).count() >= 10
}

fn is_uuid(value: &[u8]) -> bool {
    let dash = |n: usize| matches!(n, 8 | 13 | 18 | 23);
    value.len() == 36
        && value.iter().enumerate().all(|(n, b)| if dash(n) { *b == b'-' } else { b.is_ascii_hexdigit() })
}

/// RFC 3339 or its kin, milliseconds since the epoch, `11/21/2026, 2:25:09.123 AM` of Azure's portal, or
/// `Nov 21, 2026 @ 02:25:09.123` of Kibana, in the zone of who looked.
fn time(value: &[u8]) -> Option<Stamp> {
    if let Some((stamp, _)) = stamp::rfc3339(value) {
        return Some(stamp);
    }
    let digits = value.iter().take_while(|b| b.is_ascii_digit()).count();
    if digits == 13 {
        let millis: i64 = std::str::from_utf8(value.get(..13)?).ok()?.parse().ok()?;
        return Some(Stamp::Absolute(Timestamp(millis.saturating_mul(1_000_000)), TimeDelta::from_millis(1)));
    }
    let text = value.get(..value.len().min(40)).and_then(|v| std::str::from_utf8(v).ok())?;
    american(text).or_else(|| of_kibana(text))
}

fn of_kibana(text: &str) -> Option<Stamp> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let (date, clock) = text.split_once(" @ ")?;
    let clock = clock.split(['"', ',']).next()?;
    let (day, year) = date.get(4..)?.split_once(", ")?;
    let month = MONTHS.find(date.get(..3)?).filter(|n| n % 3 == 0)? / 3 + 1;
    let text = format!("{:04}-{month:02}-{:02} {clock}", year.parse::<u32>().ok()?, day.parse::<u32>().ok()?);
    stamp::rfc3339(text.as_bytes()).map(|(stamp, _)| stamp)
}

fn american(text: &str) -> Option<Stamp> {
    let (date, rest) = text.split_once(", ")?;
    let mut date = date.split('/').map(str::parse::<u32>);
    let (month, day, year) = (date.next()?.ok()?, date.next()?.ok()?, date.next()?.ok()?);
    let (clock, half) = rest.split_once(' ')?;
    let (hour, rest) = clock.split_once(':')?;
    let hour: u32 = hour.parse().ok().filter(|h| (1..=12).contains(h))?;
    let late = match half.get(..2)? {
        "AM" => 0,
        "PM" => 12,
        _ => return None,
    };
    let text = format!("{year:04}-{month:02}-{day:02} {:02}:{rest}", hour % 12 + late);
    let (stamp, taken) = stamp::rfc3339(text.as_bytes())?;
    let Stamp::Civil(Civil { .. }, _) = stamp else { return None };
    (taken == text.len()).then_some(stamp)
}

/// The values of the row that `text` begins with, and its bytes with the line end; behind `last` commas stands one value,
/// whatever commas it holds.
fn row(text: &[u8], last: usize) -> Option<(Vec<String>, usize)> {
    if text.is_empty() {
        return None;
    }
    let mut values = Vec::new();
    let mut value = Vec::new();
    let (mut at, mut quoted, mut at_start) = (0, false, true);
    while let Some(&byte) = text.get(at) {
        match byte {
            b'"' if quoted && text.get(at + 1) == Some(&b'"') => {
                value.push(b'"');
                at += 1;
            }
            // within a value that does not begin with one it is a character of it
            b'"' if quoted || at_start => quoted = !quoted,
            b',' if !quoted && values.len() < last => {
                values.push(std::mem::take(&mut value));
                at += 1;
                at_start = true;
                continue;
            }
            b',' if !quoted && last == MAX_COLUMNS => value.clear(),
            b'\n' if !quoted => {
                at += 1;
                break;
            }
            b'\r' if !quoted => {}
            _ => value.push(byte),
        }
        at_start = false;
        at += 1;
    }
    values.push(value);
    Some((values.iter().map(|v| String::from_utf8_lossy(v).into_owned()).collect(), at))
}

/// Columns that are read of a row.
const MAX_COLUMNS: usize = 250;

#[cfg(test)]
mod tests {
    use super::*;

    /// Time and message of the rows of a table that hold `.go:`.
    fn read(table: &str) -> Vec<String> {
        let Some(columns) = Columns::of(table.as_bytes()) else { return Vec::new() };
        let body = table.find('\n').unwrap() + 1;
        let hits = table.match_indices(".go:").map(|(n, _)| n - body);
        hits.map(|hit| {
            let found = columns.around(&table.as_bytes()[body..], hit).unwrap().peeled;
            format!("{:?} {}", found.stamps[0], found.message)
        })
        .collect()
    }

    #[test]
    fn columns_are_known_by_their_names() {
        let time = Timestamp(1_795_227_887_531_000_000);
        let stamp =
            |resolution: i64| format!("{:?}", Stamp::Absolute(time, TimeDelta::from_millis(resolution)));
        let line = "W1121 02:24:47.529354       1 d.go:1] m \"\"q\"\", r";
        for table in [
            format!("@timestamp,@message\n2026-11-21 02:24:47.531,\"{line}\"\n"),
            format!("\"_time\",host,source,\"_raw\"\n\"2026-11-21T02:24:47.531+0000\",cp-1,x,\"{line}\"\n"),
            format!("timestamp,message\r\n1795227887531,\"{line}\"\r\n"),
            format!("timestamp,message\n1795227887531,{}\n", line.replace("\"\"", "\"")),
            format!("TenantId,TimeGenerated [UTC],log_s\na,\"11/21/2026, 2:24:47.531 AM\",\"{line}\"\n"),
            format!(
                "insertId,jsonPayload.message,textPayload,timestamp\na,,\"{line}\",2026-11-21T02:24:47.531Z\n"
            ),
        ] {
            assert_eq!(read(&table), [format!("{} m \"q\", r", stamp(60_000))], "{table}");
        }
        assert_eq!(
            read("@timestamp,@message\n2026-11-21 02:24:47.531,x d.go:1\n"),
            [format!("{} x d.go:1", stamp(1))]
        );
        let kibana = read("@timestamp,message\n\"Nov 21, 2026 @ 02:24:47.531\",x d.go:1\n");
        assert!(kibana[0].starts_with("Civil(") && kibana[0].ends_with(" x d.go:1"), "{kibana:?}");
        for other in ["time,value\n1,d.go:1\n", "a message\nd.go:1\n", "message\nd.go:1\n", ""] {
            assert!(read(other).is_empty(), "{other}");
        }
    }

    #[test]
    fn a_row_goes_over_lines_within_quotes() {
        let table = "@timestamp,@message\n2026-11-21 02:24:47.531,\"one\n\ttwo d.go:1\"\n2026-11-21 02:24:48.531,x d.go:2\n";
        let found = read(table);
        assert!(found[0].ends_with("one\n\ttwo d.go:1") && found[1].ends_with(" x d.go:2"), "{found:?}");
        let columns = Columns::of(table.as_bytes()).unwrap();
        assert!(columns.begins(b"2026-11-21 02:24:48.531,x") && !columns.begins(b"\ttwo d.go:1\""));
        assert_eq!(time(b"13/21/2026, 2:24:47.531 AM"), None);
        assert_eq!(time(b"11/21/2026, 14:24:47 PM"), None);
    }
}
