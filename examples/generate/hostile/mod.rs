//! Folders of what somebody may send who wants the program to take long: each of a size that grows, to see that the work
//! does not grow faster (`.ci/complexity`).

use std::io;
use std::path::Path;

mod join;
mod records;
mod state;
mod tables;
mod text;
mod wire;

/// Writes `size` of something to a folder, and gives a summary.
type Write = fn(&Path, u64, u64) -> io::Result<String>;

/// Name and writer of each.
pub(crate) const KINDS: [(&str, Write); 43] = [
    ("one-address", wire::one_address),
    ("out-of-order", wire::out_of_order),
    ("retransmissions", wire::retransmissions),
    ("sack-holes", wire::sack_holes),
    ("server-names", wire::server_names),
    ("certificates", wire::certificates),
    ("fragments", wire::fragments),
    ("fragment-pieces", wire::fragment_pieces),
    ("neighbors", wire::neighbors),
    ("lookups", wire::lookups),
    ("icmp-errors", wire::icmp_errors),
    ("overlays", wire::overlays),
    ("equal-failures", text::equal_failures),
    ("distinct-failures", text::distinct_failures),
    ("long-line", text::long_line),
    ("envelopes", text::envelopes),
    ("continuations", text::continuations),
    ("objects", text::objects),
    ("documents", text::documents),
    ("key-log", text::key_log),
    ("tiny-files", text::tiny_files),
    ("conntrack", text::conntrack),
    ("iptables", text::iptables),
    ("addresses", state::addresses),
    ("endpoint-ports", state::endpoint_ports),
    ("host-state", state::host_state),
    ("traces", text::traces),
    ("node-names", state::node_names),
    ("zones", text::zones),
    ("table-columns", tables::columns),
    ("table-quotes", tables::quotes),
    ("table-cells", tables::cells),
    ("table-entries", tables::entries),
    ("table-row", tables::row),
    ("yaml-records", records::yaml_records),
    ("nested-events", records::nested_events),
    ("event-keys", records::event_keys),
    ("nested-lists", records::nested_lists),
    ("open-strings", records::open_strings),
    ("backends", join::backends),
    ("one-source", join::one_source),
    ("one-name", join::one_name),
    ("secrets", join::secrets),
];
