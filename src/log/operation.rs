//! The operation on the network that a reason begins with, and its addresses.
//!
//! Takes what follows all wrappers; fills operation, ends, names and proxy into what was read, and gives the reason that
//! is left. Never decides which failure it is.

use std::net::SocketAddr;

use super::grammar::Parsed;
use super::{Edge, Url};

/// `dial tcp 10.0.0.1:443: connect: …`, `read tcp a:1->b:2: read: …`, `dial tcp: lookup H on S:53: …`.
pub(super) fn operation<'t>(text: &'t str, out: &mut Parsed) -> &'t str {
    let mut rest = text;
    for _ in 0..4 {
        let Some((op, after)) = next_operation(rest) else { break };
        out.anchored = true;
        if op == "proxyconnect" {
            out.edge = Edge::Proxy;
            rest = after.strip_prefix(": ").unwrap_or(after);
            continue;
        }
        if let Some(looked_up) = after.strip_prefix(": lookup ") {
            rest = lookup(looked_up, out);
            continue;
        }
        if out.fields.op.is_none() {
            out.fields.op = Some(op.to_owned());
        }
        let Some((address, tail)) = after.trim_start().split_once(": ") else {
            rest = after;
            break;
        };
        let (source, destination) = address.split_once("->").map_or((None, address), |(s, d)| (Some(s), d));
        let parse = |a: &str| a.trim().parse::<SocketAddr>().ok();
        if let Some(destination) = parse(destination) {
            out.fields.destination = Some(destination);
            out.fields.source = source.and_then(parse).filter(|s| s.port() != 0).or(out.fields.source);
        }
        rest = tail;
    }
    if let Some((_, dialled)) = rest.split_once("dial unix").filter(|_| out.fields.op.is_none()) {
        rest = local_socket(dialled, out);
    }
    if let Some(looked_up) = rest.strip_prefix("lookup ") {
        out.anchored = true;
        rest = lookup(looked_up, out);
    }
    server_tuple(out);
    rest
}

/// ` /run/containerd/containerd.sock: connect: connection refused`, `://…` in older versions of gRPC. A call to a URL that
/// dials a socket goes through a proxy behind it, which is not what the message is about.
fn local_socket<'t>(text: &'t str, out: &mut Parsed) -> &'t str {
    out.anchored = true;
    out.fields.op = Some("dial".to_owned());
    let Some((path, tail)) = text.trim_start_matches([':', ' ']).split_once(": ") else { return text };
    let path = format!("/{}", path.trim_start_matches('/'));
    if out.fields.url.is_none() && !path.contains("konnectivity") {
        out.fields.url =
            Some(Url { scheme: Url::LOCAL.to_owned(), host: path, port: 0, path: String::new() });
    }
    tail
}

/// On a server's line `read tcp a->b` names its own end first: the client is the far one.
fn server_tuple(out: &mut Parsed) {
    if out.server_side && out.fields.op.is_some() {
        let (near, far) = (out.fields.source, out.fields.destination);
        if near.is_some() && far.is_some() {
            (out.fields.source, out.fields.destination) = (far, near);
        }
    }
}

/// The next `dial tcp`, `read udp` and the like: the operation, and the text from after the network on.
fn next_operation(text: &str) -> Option<(&'static str, &str)> {
    const OPS: [&str; 6] = ["proxyconnect", "dial", "read", "write", "accept", "socks connect"];
    let mut from = 0;
    while let Some(at) = memchr::memmem::find(text.as_bytes().get(from..)?, b"p").map(|n| n + from) {
        from = at + 1;
        let head = &text.as_bytes()[..=at];
        if !(head.ends_with(b" tcp") || head.ends_with(b" udp")) {
            continue;
        }
        let before = text.get(..at - 3)?;
        if let Some(op) = OPS.iter().find(|op| before.ends_with(**op)) {
            let after = text.get(at + 1..)?;
            return Some((op, after.strip_prefix(['4', '6']).unwrap_or(after)));
        }
    }
    None
}

/// `policy.example.com on 10.0.12.53:53: no such host`.
fn lookup<'t>(text: &'t str, out: &mut Parsed) -> &'t str {
    out.fields.op = Some("lookup".to_owned());
    let Some((head, tail)) = text.split_once(": ") else { return text };
    let (name, server) = head.split_once(" on ").map_or((head, None), |(n, s)| (n, Some(s)));
    out.fields.dns_name = Some(name.to_owned());
    out.fields.dns_server = server.and_then(|s| s.parse().ok());
    out.fields.destination = out.fields.dns_server;
    tail
}
