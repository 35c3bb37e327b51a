//! The grammar of a Go and Kubernetes network error, read once for all events.
//!
//! Takes the message of an entry; gives its typed fields, the connection it is about, and the tail that says what went
//! wrong, which `rules/events/` classifies. Never decides which failure it is.
//!
//! ```text
//! webhook := 'failed calling webhook "' NAME '": ' [ 'failed to call webhook: ' ] http
//! http    := METHOD ' "' URL '": ' cause                     (old Go: no quotes round the URL)
//! cause   := op ' ' net ' ' [src '->'] dst ': ' [syscall ': '] tail | tail
//! ```

use super::envelope::{Layer, Peeled};
use super::operation::operation;
use super::structured::{structure, value};
use super::{Edge, EventFields, Url};
use super::{denial, edge, foreign, nginx, probe, stamp};
use crate::time::TimeDelta;

/// Whose words a line repeats, where it is not the first to say them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum CopyOf {
    /// `"Unhandled Error"`, which follows the dispatcher's line within microseconds, and `"Unable to authenticate the
    /// request"`, which follows that of the webhook authenticator; a reflector's `Failed to watch`, which follows its
    /// `failed to list`.
    Unhandled,
    /// The client's `"Unexpected error when reading response body"`, which precedes the caller's line.
    Body,
    /// `"changing APIService availability"`, which precedes the error line.
    Availability,
    /// The access log's 500.
    HttpLog,
    /// A client's, or the audit log's: the body of the 500 that it was answered with.
    Client,
}

/// What a message says, before it is classified.
#[derive(Clone, Debug, Default)]
pub(super) struct Parsed {
    pub fields: EventFields,
    pub edge: Edge,
    pub server_side: bool,
    /// The innermost reason, without operation and addresses.
    pub tail: String,
    /// The whole failure text, without the logger's own structure.
    pub text: String,
    /// Where the text ends that its writer vouches for: behind it stand the words of a webhook that denied.
    pub own: Option<usize>,
    /// What the entry's own message says, where the failure stands in a value beside it.
    pub headline: String,
    pub copy: Option<CopyOf>,
    /// A wrapper, URL, operation or peer was found: this is about a connection.
    pub anchored: bool,
    /// The dispatcher of webhooks wrote it, which makes the calls: no client's copy.
    pub by_dispatcher: bool,
}

impl Parsed {
    /// In words that only an API server writes: its dispatcher of webhooks, its view of the APIServices.
    pub(super) fn by_apiserver(&self) -> bool {
        let of_webhook = self.fields.webhook.is_some();
        let said = |text: &str| text.starts_with(CALL_FAILED);
        self.fields.apiservice.is_some()
            || of_webhook && (self.by_dispatcher || said(&self.headline) || said(&self.text))
    }

    /// The text without what a webhook that denied says.
    pub(super) fn own_text(&self) -> &str {
        self.own.and_then(|end| self.text.get(..end)).unwrap_or(&self.text)
    }
}

/// How the dispatcher of webhooks begins what it says of a failed call.
const CALL_FAILED: &str = "Failed calling webhook, failing ";

/// Longest text that is looked at, in bytes.
pub(super) const MAX_TEXT: usize = 16 * 1024;

/// APIService availability checks give up after so long (`remote_available_controller.go`).
const AVAILABILITY_DEADLINE: TimeDelta = TimeDelta::from_secs(5);

/// What the API server says of a request whose authenticators all failed.
pub(super) const UNAUTHENTICATED: &str = "Unable to authenticate the request";

/// Reads the message of a peeled line.
pub(super) fn parse(peeled: &Peeled<'_>) -> Parsed {
    let (headline, values) = structure(peeled);
    if foreign::is_echo(peeled, &headline, &values) {
        return Parsed::default();
    }
    let mut out = Parsed { text: failure_text(&headline, &values).to_owned(), ..Parsed::default() };
    for _ in 0..4 {
        if !out.text.contains("\\\"") {
            break;
        }
        out.text = out.text.replace("\\\\", "\\").replace("\\\"", "\"");
    }
    if let Some(several) = out.text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
        out.text = several.to_owned(); // an aggregate of errors
    }
    truncate(&mut out.text);
    let by_nginx = peeled.layers.last() == Some(&Layer::Nginx);
    let told = if by_nginx { nginx::reason(&out.text) } else { &out.text };
    let quoted = probe::words(told, Some(&*headline).filter(|headline| *headline != out.text));
    out.own = [denial::end(told), quoted.end].into_iter().flatten().min();
    out.by_dispatcher = by(peeled, DISPATCHER);
    let own = headline.get(..denial::end(&headline).unwrap_or(headline.len())).unwrap_or_default();
    out.copy = copy_of(peeled, own, out.own_text(), &values);
    names(own, &values, &mut out);
    if !values.is_empty() && *headline != *out.text {
        own.clone_into(&mut out.headline);
    }
    read_text(&mut out, by_nginx);
    out.edge = edge::edge(peeled, own, &values, &out);
    if quoted.call {
        // whatever words its reason quotes
        out.edge = Edge::Probe;
        (out.fields.webhook, out.fields.apiservice) = (None, None);
        out.fields.probed = value(&values, "pod").map(str::to_owned);
    }
    if out.edge == Edge::AggregatedApi && out.fields.apiservice.is_some() {
        out.fields.deadline.get_or_insert(AVAILABILITY_DEADLINE);
    }
    out
}

/// Leaves a long text its beginning; of names without end that a certificate is valid for only those in the middle go,
/// since the name that was wanted stands behind them.
fn truncate(text: &mut String) {
    if text.len() <= MAX_TEXT {
        return;
    }
    let half = floor(text, MAX_TEXT / 2);
    let names = text.get(..half).is_some_and(|t| t.contains("certificate is valid for "));
    let wanted = text.rfind(", not ").filter(|at| names && *at > half && text.len() - at < MAX_TEXT / 2);
    match wanted {
        Some(at) => text.replace_range(half..at, ", …"),
        None => text.truncate(floor(text, MAX_TEXT)),
    }
}

/// The last boundary between characters that is not behind `at`.
pub(super) fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|n| text.is_char_boundary(*n)).unwrap_or(0)
}

/// Where the failure is told: the error value if there is one, else the headline. What a pod or a Service answered through
/// the API server's proxy is its own.
fn failure_text<'t>(headline: &'t str, values: &'t [(String, String)]) -> &'t str {
    const KEYS: [&str; 8] =
        ["err", "error", "output", "probeResult", "message", "addedInfo", "statusStack", "note"];
    let told = KEYS.iter().find_map(|key| value(values, key).filter(|v| v.len() > 2));
    let answers = || value(values, "URI").is_some_and(|uri| uri.contains("/proxy"));
    told.filter(|text| headline != foreign::ACCESS || !answers() || text.contains(UNREACHED))
        .unwrap_or(headline)
}

fn copy_of(peeled: &Peeled<'_>, headline: &str, text: &str, values: &[(String, String)]) -> Option<CopyOf> {
    if peeled.layers.contains(&Layer::Audit)
        || text.contains("Internal error occurred: ")
        || text.starts_with("Error from server")
        || text.starts_with("error: ")
    {
        return Some(CopyOf::Client);
    }
    match headline {
        foreign::ACCESS => Some(CopyOf::HttpLog),
        "changing APIService availability" => Some(CopyOf::Availability),
        UNAUTHENTICATED => Some(CopyOf::Unhandled),
        _ if headline.starts_with(BODY_UNREAD) => Some(CopyOf::Body),
        _ if by(peeled, "reflector.go") && (headline.contains(UNWATCHED) || text.contains(UNWATCHED)) => {
            Some(CopyOf::Unhandled)
        }
        _ => {
            let unhandled =
                headline == "Unhandled Error" || value(values, "logger") == Some("UnhandledError");
            let old = by(peeled, DISPATCHER) && peeled.severity == Some(b'E');
            ((unhandled && text.starts_with("failed calling ")) || old).then_some(CopyOf::Unhandled)
        }
    }
}

/// Whether a line was written in this file of Go's source.
fn by(peeled: &Peeled<'_>, file: &str) -> bool {
    peeled.caller.as_deref().is_some_and(|c| c.starts_with(file))
}

/// What the client says of a response that it could not read, before it gives the error to its caller.
pub(super) const BODY_UNREAD: &str = "Unexpected error when reading response body";
/// What a reflector says of a list that failed, once more.
const UNWATCHED: &str = "Failed to watch";
const DISPATCHER: &str = "dispatcher.go";

/// Names that stand in values of their own.
fn names(headline: &str, values: &[(String, String)], out: &mut Parsed) {
    let fields = &mut out.fields;
    if headline == "changing APIService availability" {
        fields.apiservice = value(values, "name").map(str::to_owned);
    }
    let told = || between(&out.text, "error getting node \"", "\"").map(|(name, _)| name);
    if let Some(node) = value(values, "node").or_else(|| value(values, "nodeName")).or_else(told) {
        fields.node = Some(node.to_owned());
    }
    out.anchored |= value(values, "remote-peer-id").is_some();
    if headline.starts_with("rejected connection") {
        out.server_side = true;
        out.anchored = true;
        fields.source = value(values, "remote-addr").and_then(|a| a.parse().ok());
    }
    if let Some(("etcd-endpoints", endpoint)) = value(values, "target").and_then(|t| t.split_once("://")) {
        // `etcd-endpoints://0xc0009b2d20/10.0.0.5:2379`: the first endpoint of the client, its only one as a rule
        let first = endpoint.rsplit('/').next().and_then(|list| list.split(',').next());
        fields.destination = first.and_then(|a| a.parse().ok());
    }
    if let Some(address) = value(values, "dialAddress").or_else(|| value(values, "remote-peer-address")) {
        fields.destination = address.parse().ok();
    }
}

/// Reads wrappers, URL, operation and addresses from the left; what is left is the tail.
fn read_text(out: &mut Parsed, by_nginx: bool) {
    let text = std::mem::take(&mut out.text);
    if let Some(end) = out.own {
        // an answer: no reason of a transport stands in it
        let _ = wrappers(&text[..end], out);
        denial::reason(&text, end).clone_into(&mut out.fields.reason);
        out.anchored = false;
        out.text = text;
        return;
    }
    let own = foreign::hidden(&text, if by_nginx { nginx::reason(&text).len() } else { text.len() });
    let behind_nginx = if by_nginx { nginx::upstream(&own, out) } else { None };
    let mut rest = behind_nginx.unwrap_or_else(|| wrappers(&own, out));
    rest = call(rest, out);
    let whole = foreign::shown(rest, &own, &text);
    let told = AFTERTHOUGHTS.iter().fold(whole, |rest, words| rest.strip_suffix(words).unwrap_or(rest));
    rest = rest.get(..told.len()).unwrap_or(rest);
    out.fields.reason = foreign::without_request(told.trim()).to_owned();
    if let Some((_, error)) = rest.split_once(WHILE_READING) {
        out.anchored = true;
        rest = error;
    }
    let socket = rest.contains("dial unix");
    rest = foreign::shown(operation(rest, out), &own, &text);
    let lookup = out.fields.op.as_deref() == Some("lookup");
    let over = match (lookup, socket) {
        (true, _) => "lookup: ",
        (false, true) => "unix: ",
        (false, false) => "",
    };
    out.tail = format!("{over}{}", foreign::without_request(rest.trim()));
    // Go before 1.11 named the call that fetched the error: `dial tcp A: getsockopt: connection refused`
    if let Some(at) = out.tail.find("getsockopt: ") {
        out.tail.replace_range(at..at + "getsockopt".len(), "connect");
    }
    out.text = text;
}

/// What a caller says behind the reason of a call that it makes again: the cacher of the API server, leader election.
const AFTERTHOUGHTS: [&str; 2] = ["; reinitializing...", ", falling back to slow path"];

/// What client-go puts in front of an error that befell it in the body of a response (`transformResponse` of its
/// `rest/request.go`). The reason keeps it: it tells the phase.
const WHILE_READING: &str = "Please retry. Original error: ";

/// Text between `open` and `close`, and what follows.
pub(super) fn between<'t>(text: &'t str, open: &str, close: &str) -> Option<(&'t str, &'t str)> {
    let after = text.get(text.find(open)? + open.len()..)?;
    after.split_once(close)
}

fn wrappers<'t>(text: &'t str, out: &mut Parsed) -> &'t str {
    let mut rest = text;
    if let Some((address, after)) = between(rest, "http: TLS handshake error from ", ": ") {
        out.server_side = true;
        out.anchored = true;
        out.fields.source = address.parse().ok();
        return after;
    }
    if let Some((address, after)) = between(rest, "rejected connection from \"", "\" (error \"") {
        out.server_side = true;
        out.anchored = true;
        out.fields.source = address.parse().ok();
        return after.rsplit_once("\", ServerName").map_or(after, |(error, _)| error);
    }
    if rest.contains("webhook") {
        rest = webhook(rest, out);
    }
    for marker in [" failed with: failing or missing response from ", " failed with: timed out waiting for "]
    {
        let Some(at) = rest.find(marker) else { continue };
        let name = rest.get(..at).and_then(|head| head.rsplit(' ').next()).unwrap_or_default();
        out.fields.apiservice = Some(name.trim_matches('"').to_owned());
        out.anchored = true;
        rest = rest.get(at + " failed with: ".len()..).unwrap_or_default();
    }
    rest = grpc(peer_stream(rest, out), out);
    for marker in PREFIXES {
        if let Some((_, after)) = rest.rsplit_once(marker) {
            out.anchored = true;
            rest = after;
        }
    }
    rest
}

/// `failed to dial 8211f1d0f64f3269 on stream MsgApp v2 (dial tcp 10.0.0.6:2380: i/o timeout)` of etcd's `rafthttp`.
fn peer_stream<'t>(text: &'t str, out: &mut Parsed) -> &'t str {
    let Some((_, cause)) =
        between(text, "failed to dial ", " (").filter(|(head, _)| head.contains(" on stream "))
    else {
        return text;
    };
    out.anchored = true;
    out.edge = Edge::EtcdPeer;
    cause.strip_suffix(')').unwrap_or(cause)
}

/// What gRPC was doing, outermost first (`internal/transport/http2_client.go`).
const GRPC_PREFIXES: [&str; 4] = [
    "transport: ",
    "authentication handshake failed: ",
    "error reading server preface: ",
    "error reading from server: ",
];

/// What the proxy of the API server says of its own dial.
const UNREACHED: &str = "error trying to reach service: ";

/// Words in front of a cause that say that it is about a connection.
const PREFIXES: [&str; 5] = [
    "error dialing backend: ",
    UNREACHED,
    "Unable to connect to the server: ",
    "robe failed: ",
    "robe errored: ",
];

/// Names of a webhook call, and how the call was to fail.
fn webhook<'t>(text: &'t str, out: &mut Parsed) -> &'t str {
    let mut rest = text;
    for (marker, open) in
        [("Failed calling webhook, failing open ", true), ("Failed calling webhook, failing closed ", false)]
    {
        if let Some((name, after)) = between(rest, marker, ": ") {
            out.fields.fail_open = Some(open);
            out.fields.webhook = Some(name.trim_matches('"').to_owned());
            rest = after;
        }
    }
    for marker in ["failed calling webhook \"", "failed calling admission webhook \""] {
        if let Some((name, after)) = between(rest, marker, "\": ") {
            out.fields.webhook = Some(name.to_owned());
            rest = after.strip_prefix("failed to call webhook: ").unwrap_or(after);
        }
    }
    for marker in ["rejected by webhook \"", "admission webhook \""] {
        if let Some((name, _)) = between(rest, marker, "\"").filter(|_| out.fields.webhook.is_none()) {
            out.fields.webhook = Some(name.to_owned());
        }
    }
    if let Some(name) = rest.split_once("ontext canceled when calling webhook ").map(|(_, name)| name) {
        out.fields.webhook.get_or_insert_with(|| name.split(' ').next().unwrap_or_default().to_owned());
    }
    if let Some((kind, after)) = between(rest, "conversion webhook for ", " failed: ") {
        out.fields.webhook = Some(kind.to_owned());
        rest = after;
    }
    out.anchored |= out.fields.webhook.is_some();
    rest
}

/// `grpc: addrConn.createTransport failed to connect to {Addr: "127.0.0.1:2379", …}. Err: connection error: desc =
/// "transport: Error while dialing: dial tcp 127.0.0.1:2379: connect: connection refused"`.
fn grpc<'t>(text: &'t str, out: &mut Parsed) -> &'t str {
    let address = between(text, "failed to connect to {Addr: \"", "\"").map(|(address, _)| address);
    // before 1.41: `{https://10.0.0.5:2379  <nil> 0 <nil>}`
    let address = address.or_else(|| between(text, "failed to connect to {", " ")?.0.rsplit('/').next());
    if let Some(address) = address {
        out.fields.destination = address.parse().ok();
        out.anchored = true;
    }
    let text = rpc(text, out);
    let inner = text.split_once("desc = \"").map(|(_, after)| {
        out.anchored = true;
        after.rsplit_once('"').map_or(after, |(inner, _)| inner)
    });
    let inner = inner.unwrap_or(text);
    let inner = GRPC_PREFIXES.iter().fold(inner, |rest, prefix| rest.strip_prefix(prefix).unwrap_or(rest));
    match inner.split_once("rror while dialing: ").or_else(|| inner.split_once("rror while dialing ")) {
        Some((_, cause)) => cause,
        None => inner,
    }
}

/// `rpc error: code = DeadlineExceeded desc = context deadline exceeded`; what follows `desc = `.
fn rpc<'t>(text: &'t str, out: &mut Parsed) -> &'t str {
    let Some((code, description)) = between(text, "rpc error: code = ", " desc = ") else { return text };
    out.fields.grpc_code = Some(code.to_owned());
    out.anchored = true;
    description
}

/// `Post "https://host:443/path?timeout=10s": cause`, the innermost if there are several.
fn call<'t>(text: &'t str, out: &mut Parsed) -> &'t str {
    const METHODS: [&str; 8] = ["Get", "Post", "Put", "Patch", "Delete", "Head", "Options", "CONNECT"];
    let mut rest = text;
    let mut from = 0;
    for _ in 0..4 {
        let Some(at) = text.get(from..).and_then(|t| t.find("://")).map(|n| n + from) else { break };
        from = at + 3;
        let scheme_at = ["https", "http"].iter().find_map(|s| text[..at].ends_with(s).then(|| at - s.len()));
        let Some(start) = scheme_at else { continue };
        let head = text[..start].trim_end_matches('"').trim_end();
        let method = head.rsplit([' ', '(', '[', '"']).next().unwrap_or_default();
        let known = METHODS.iter().find(|m| m.eq_ignore_ascii_case(method));
        let quoted = text[..start].ends_with('"');
        let tail = &text[start..];
        let split = if quoted { tail.split_once('"') } else { tail.split_once(": ") };
        let (url, after) = split.unwrap_or((tail, ""));
        let Some((url, timeout)) = url_parts(url.trim_end_matches([',', ':'])) else { continue };
        if let Some(method) = known {
            out.fields.method = Some((*method).to_owned());
            out.fields.deadline = timeout;
            out.fields.url = Some(url);
            rest = after.strip_prefix(": ").unwrap_or(after);
            out.anchored = true;
        } else if out.fields.url.is_none() {
            out.fields.url = Some(url);
            if out.fields.apiservice.is_some() && !after.is_empty() {
                rest = after;
            }
        }
    }
    rest
}

/// Parts of a URL and its `timeout=` parameter.
pub(super) fn url_parts(url: &str) -> Option<(Url, Option<TimeDelta>)> {
    let (scheme, rest) = url.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let authority = authority.rsplit('@').next()?;
    // `http://%2Fvar%2Frun%2Fdocker.sock/v1.24/…`: the dial that follows names the socket
    if authority.starts_with("%2F") {
        return None;
    }
    let default = if scheme == "http" { 80 } else { 443 };
    let (host, port) = match authority.strip_prefix('[') {
        Some(v6) => {
            let (host, after) = v6.split_once(']')?;
            (host, after.strip_prefix(':'))
        }
        None => authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
    };
    let port = port.map_or(Some(default), |p| p.parse().ok())?;
    if host.is_empty() || host.contains(char::is_whitespace) {
        return None;
    }
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let timeout = query.split('&').find_map(|p| p.strip_prefix("timeout=")).and_then(stamp::go_duration);
    let url = Url { scheme: scheme.to_owned(), host: host.to_owned(), port, path: path.to_owned() };
    Some((url, timeout))
}
