//! Fields of dumped host state: sockets, counters, neighbours, routes, connection tables.
//!
//! A dump is of one moment, which need not be that of the failure: texts name the file that they stand in.

use super::{CaseView, Field};
use crate::correlate::{Dumped, HostState};
use crate::rules::expr::{Kind, Value};

/// Unknown where no dump covers it.
fn dump<'a>(view: &CaseView<'a>, read: impl FnOnce(&'a HostState) -> Option<Value<'a>>) -> Value<'a> {
    view.case(|c| c.facts.hosts.as_deref().and_then(read).unwrap_or(Value::Unknown))
}

/// Unknown where no dump covers it, absent where one does and shows no such thing.
fn shown<'a>(view: &CaseView<'a>, read: impl FnOnce(&'a HostState) -> &'a Dumped) -> Value<'a> {
    dump(view, |h| match read(h) {
        Dumped::Unknown => None,
        Dumped::No => Some(Value::Absent),
        Dumped::Yes(words) => Some(words.into()),
    })
}

/// A text of the sockets: absent where they were dumped and do not show it.
fn sockets<'a>(view: &CaseView<'a>, read: impl FnOnce(&'a HostState) -> &'a Option<String>) -> Value<'a> {
    dump(view, |h| h.listens.map(|_| read(h).as_ref().into()))
}

#[rustfmt::skip]
pub(super) const FIELDS: &[Field] = &[
    Field::new("host.listens", Kind::Flag, "A dump of the sockets of the host (or pod) called shows a listener on the port called.", "host.listens == false", |v| dump(v, |h| h.listens.map(Into::into))),
    Field::new("host.listener", Kind::Text, "That listener, with its queue and the file it stands in.", "host.listener contains \"webhook\"", |v| sockets(v, |h| &h.listener)),
    Field::new("host.no_listener", Kind::Text, "The dump of sockets that shows no listener on the port called.", "host.no_listener", |v| sockets(v, |h| &h.no_listener)),
    Field::new("host.accept_queue", Kind::Number, "Connections in the accept queue of the listener when it was dumped (Recv-Q).", "host.accept_queue > 0", |v| dump(v, |h| h.accept_queue.map(|q| q.0.into()))),
    Field::new("host.accept_queue_limit", Kind::Number, "Connections that its accept queue holds (Send-Q).", "host.accept_queue_limit < 128", |v| dump(v, |h| h.accept_queue.map(|q| q.1.into()))),
    Field::new("host.accept_queue_full", Kind::Flag, "Its accept queue was full when it was dumped (Recv-Q above Send-Q): the kernel drops SYNs.", "host.accept_queue_full", |v| dump(v, |h| h.accept_queue.map(|q| (q.0 > q.1).into()))),
    Field::new("host.queue_drops", Kind::Text, "Counters of the host (or pod) called that tell of full accept queues since it started.", "host.queue_drops", |v| dump(v, |h| h.queue_drops.as_ref().map(|t| Some(t).into()))),
    Field::new("host.neighbor_failed", Kind::Text, "FAILED or INCOMPLETE entry of the caller's neighbour table for the destination or its next hop.", "host.neighbor_failed", |v| shown(v, |h| &h.neighbor_failed)),
    Field::new("host.no_route", Kind::Text, "The caller's route to the destination, where it is unreachable, prohibit or blackhole.", "host.no_route contains \"blackhole\"", |v| shown(v, |h| &h.no_route)),
    Field::new("host.conntrack_unreplied", Kind::Text, "Entry of this very connection in a connection table, if no packet had come back.", "host.conntrack_unreplied", |v| shown(v, |h| &h.unreplied)),
    Field::new("host.conntrack_untranslated", Kind::Text, "Entry of this very connection to the address of a Service, if it was not translated.", "host.conntrack_untranslated", |v| shown(v, |h| &h.untranslated)),
];
