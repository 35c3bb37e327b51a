//! What nginx says of a server behind it.
//!
//! Takes the message of a line of nginx's error log; fills the server's address and what nginx was doing into what was
//! read, and gives the reason. Never decides which failure it is. Format: `ngx_http_upstream_log_error` and
//! `ngx_stream_proxy_module`.

use super::grammar::{Parsed, between, url_parts};

/// `connect() failed (111: Connection refused) while connecting to upstream, client: 127.0.0.1, server: 127.0.0.1:6443,
/// upstream: "192.168.64.10:6443", …`: the reason, with what nginx was doing. Of `stream` the server is an address, of
/// `http` a URL, whose host is the address that was dialled; the name is not told.
pub(super) fn upstream<'t>(text: &'t str, out: &mut Parsed) -> Option<&'t str> {
    let (reason, context) = text.split_once(", client: ")?;
    let (server, after) = between(context, ", upstream: \"", "\"")?;
    // A client may have written a second one into its request or referrer: then neither is believed.
    let server = if after.contains(", upstream: \"") { "" } else { server };
    let authority =
        server.split_once("://").map_or(server, |(_, rest)| rest.split('/').next().unwrap_or(rest));
    out.fields.destination = authority.parse().ok();
    out.fields.url = url_parts(server).map(|(url, _)| url);
    out.anchored = true;
    let doing = reason.rsplit_once(" while ").map_or("", |(_, doing)| doing);
    let op = DOING.iter().find(|(words, _)| doing.contains(words)).map(|(_, op)| (*op).to_owned());
    out.fields.op = op.filter(|_| out.fields.destination.is_some());
    Some(reason)
}

/// The reason, in front of what a client asked for.
pub(super) fn reason(text: &str) -> &str {
    text.split_once(", client: ").map_or(text, |(reason, _)| reason)
}

/// What nginx was doing, and Go's word for the operation.
const DOING: [(&str, &str); 3] = [("connecting", "dial"), ("reading", "read"), ("sending", "write")];
