//! Flows as a table for people.

use std::io::{self, Write};

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use super::Selector;
use crate::flow::{Dir, Proto};
use crate::ingest::{Conversation, Ingested};
use crate::report::words;
use crate::tls::AlertDescription;

/// Writes the selected flows as a table, at most 10,000 of them; gives how many were left out. Rows are never broken:
/// a row is a line for `grep`, and `width` (a terminal's) cuts what does not fit. Each cell is shown as `show` says.
pub fn table(
    wire: &Ingested,
    select: Selector<'_>,
    show: &mut dyn FnMut(String) -> String,
    width: Option<usize>,
    out: &mut dyn Write,
) -> io::Result<usize> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["TIME (UTC)", "ORIG", "RESP", "STATE", "PACKETS", "BYTES", "RTT", "FILTER", "WHAT"]);
    let many = wire.captures.len() > 1;
    let mut selected = wire.flows.iter().filter(|flow| select(flow));
    let mut capture = None;
    for flow in selected.by_ref().take(MAX_ROWS) {
        if many && capture != Some(flow.capture) {
            capture = Some(flow.capture);
            table.add_row([show(name_of(wire, &flow))]);
        }
        table.add_row(row(&flow).map(&mut *show));
    }
    for n in [4, 5, 6] {
        if let Some(column) = table.column_mut(n) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for line in table.lines() {
        let line = line.trim_end();
        match width {
            Some(width) => writeln!(out, "{}", line.chars().take(width).collect::<String>())?,
            None => writeln!(out, "{line}")?,
        }
    }
    Ok(selected.count())
}

fn name_of(wire: &Ingested, flow: &Conversation) -> String {
    wire.captures.get(usize::from(flow.capture.0)).map_or_else(String::new, |c| words::printable(&c.set.name))
}

fn row(flow: &Conversation) -> [String; 9] {
    let tcp = flow.tcp.as_ref().map(crate::flow::TcpRecord::facts);
    let state = tcp.as_ref().and_then(|t| t.conn_state).map_or("", |s| s.name());
    let rtt = tcp.as_ref().and_then(|t| t.initial_rtt).map_or_else(String::new, |r| r.to_string());
    let proto = match flow.proto {
        Proto::Tcp => String::new(),
        Proto::Udp => "udp".to_owned(),
        Proto::Other(n) => format!("ip_{n}"),
    };
    [
        words::clock(flow.first.time),
        flow.orig.to_string(),
        flow.resp.to_string(),
        if state.is_empty() { proto } else { state.to_owned() },
        format!("{}/{}", flow.packets.orig, flow.packets.resp),
        format!("{}/{}", flow.bytes.orig, flow.bytes.resp),
        rtt,
        words::display_filter(flow),
        what(flow),
    ]
}

/// What the flow carried and how it went wrong, in a few words.
fn what(flow: &Conversation) -> String {
    let mut said = Vec::new();
    if let Some(tls) = &flow.app.session.tls {
        said.push(format!("tls {}", tls.phase.name()));
        said.extend(tls.client_hello.as_ref().and_then(|h| h.shape.sni.clone()));
        said.extend(tls.alerts.iter().take(2).map(|alert| {
            let name = alert.description.map_or_else(|| "encrypted".to_owned(), AlertDescription::name);
            format!("alert {name} from {}", alert.from.name())
        }));
    }
    for dir in [Dir::Orig, Dir::Resp] {
        said.extend(flow.app.session.first_bytes[dir].map(|f| f.name().to_owned()));
    }
    if let Some(lookup) = flow.app.dns.as_ref().and_then(|d| d.lookups.first()) {
        said.push(format!("dns {}", lookup.name));
    }
    said.extend(flow.icmp.first().map(|error| format!("icmp {}", words::icmp(error))));
    words::printable(&said.join(", "))
}

/// Rows at most: what a pager can still be scrolled through.
const MAX_ROWS: usize = 10_000;
