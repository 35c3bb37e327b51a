//! What the logs say, one record a failure: `wirecause logs`.

use std::io::{self, Write};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::document::LineRef;
use super::view::Style;
use super::words;
use crate::correlate::World;
use crate::log::{EventFields, LogEvent, Url};
use crate::time::TimeDelta;

/// One failure (or denial) that a log tells of, with all copies of its message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// Which event of `rules/events/`.
    pub event: String,
    /// When, by the clock of its log, zone and year undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// Which connection it is about.
    pub edge: String,
    /// Component that wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// Host that wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// `namespace/pod` that wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// The server's view of a client, else the caller's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub server_side: bool,
    /// Webhook name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<String>,
    /// The webhook was to fail open; else closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fail_open: Option<bool>,
    /// APIService of an aggregated API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apiservice: Option<String>,
    /// `namespace/name` of a Service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Node that the message names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// HTTP method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// URL called, without its query; `unix://PATH` for a socket of the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Address dialled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<String>,
    /// Near end of the connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Deadline of the call in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<f64>,
    /// Name looked up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns_name: Option<String>,
    /// Server that was asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns_server: Option<String>,
    /// Proxy on the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// What the network operation was: `dial`, `read`, `write`, `lookup`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub op: Option<String>,
    /// TLS alert, as Go words it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<String>,
    /// What is wrong with a certificate, as Go words it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x509: Option<String>,
    /// Status of a gRPC call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grpc_code: Option<String>,
    /// HTTP status answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
    /// The reason in the message's own words.
    pub reason: String,
    /// All copies of the message.
    pub lines: Vec<LineRef>,
}

/// The record of an event.
pub fn record(world: &World, event: &LogEvent) -> Event {
    let fields: &EventFields = &event.fields;
    Event {
        event: event.name.to_string(),
        time: event.time.map(|t| t.to_string()),
        edge: event.edge.name().to_owned(),
        component: event.component.as_deref().map(str::to_owned),
        host: event.host.as_deref().map(str::to_owned),
        pod: event.pod.as_deref().map(str::to_owned),
        server_side: event.server_side,
        webhook: fields.webhook.clone(),
        fail_open: fields.fail_open,
        apiservice: fields.apiservice.clone(),
        service: fields.service.clone(),
        node: fields.node.clone(),
        method: fields.method.clone(),
        url: fields.url.as_ref().map(url_text),
        destination: fields.destination.map(|d| d.to_string()),
        source: fields.source.map(|s| s.to_string()),
        deadline: fields.deadline.map(TimeDelta::as_secs_f64),
        dns_name: fields.dns_name.clone(),
        dns_server: fields.dns_server.map(|s| s.to_string()),
        proxy: fields.proxy.clone(),
        op: fields.op.clone(),
        alert: fields.alert.clone(),
        x509: fields.x509.clone(),
        grpc_code: fields.grpc_code.clone(),
        http_status: fields.http_status,
        reason: fields.reason.clone(),
        lines: event.lines.iter().map(|l| super::build::line(world, l)).collect(),
    }
}

fn url_text(url: &Url) -> String {
    let host = if url.host.contains(':') { format!("[{}]", url.host) } else { url.host.clone() };
    let port = if url.has_usual_port() { String::new() } else { format!(":{}", url.port) };
    format!("{}://{host}{port}{}", url.scheme, url.path)
}

/// Writes events for people: a line with the facts, a line with its place.
pub fn table(events: impl Iterator<Item = Event>, style: Style, out: &mut dyn Write) -> io::Result<()> {
    for event in events {
        let time = event.time.as_deref().map_or_else(|| "no time".to_owned(), words::short_time);
        let names = [&event.webhook, &event.url, &event.destination, &event.dns_name];
        // a server knows its client by address alone
        let client = event.source.as_ref().filter(|_| event.server_side).map(|s| format!("from {s}"));
        let whom = client.as_ref().or_else(|| names.into_iter().flatten().next()).map_or("", String::as_str);
        let (name, whom) = (style.bold(&words::printable(&event.event)), words::printable(whom));
        writeln!(out, "{}", format!("{time}  {name}  {}  {whom}", event.edge).trim_end())?;
        writeln!(out, "    {}", words::printable(&event.reason))?;
        for line in &event.lines {
            writeln!(out, "    {}:{}", words::printable(&line.path), line.line)?;
        }
    }
    Ok(())
}
