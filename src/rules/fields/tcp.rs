//! Fields of a TCP connection. Counts leave out copies of one segment where the flow stage can tell; those under
//! `tcp.analysis` are Wireshark's and count copies.

use super::{CaseView, Field};
use crate::flow::{Dir, KeepAlive, PerDir, Reset, TcpFacts, TcpOptions};
use crate::ingest::Conversation;
use crate::rules::expr::{Kind, Value};
use crate::time::TimeDelta;

fn tcp<'a>(view: &CaseView<'a>, read: impl FnOnce(&'a TcpFacts) -> Value<'a>) -> Value<'a> {
    view.tcp(|_, facts| read(facts))
}

fn reset<'a>(view: &CaseView<'a>, read: impl FnOnce(&'a TcpFacts, Reset) -> Value<'a>) -> Value<'a> {
    tcp(view, |t| t.reset.map_or(Value::Absent, |r| read(t, r)))
}

/// A fact that a reset has or has not; without a reset it has not.
fn reset_is<'a>(view: &CaseView<'a>, holds: impl FnOnce(&'a TcpFacts, Reset) -> bool) -> Value<'a> {
    tcp(view, |t| t.reset.is_some_and(|r| holds(t, r)).into())
}

/// A flag that only the start of a connection shows.
fn start_shows(flow: &Conversation, seen: bool) -> Value<'static> {
    match seen {
        true => Value::Flag(true),
        false if flow.midstream => Value::Unknown,
        false => Value::Flag(false),
    }
}

/// Copies are left out while the list of times is complete (16 moments).
fn sent(moments: usize, copies_included: u32) -> u32 {
    // Where no time is kept, the segment is none of the connection's, and is counted all the same.
    if (1..16).contains(&moments) { moments as u32 } else { copies_included }
}

/// The first is the segment itself, all others are retransmissions.
fn repeated(moments: usize, copies_included: u32) -> u32 {
    if moments == 0 { 0 } else { sent(moments, copies_included).saturating_sub(1) }
}

/// From the last payload that the other side had sent before, until the reset.
fn since_data(t: &TcpFacts, r: Reset) -> Option<TimeDelta> {
    let last = t.last_payload[r.from.other()]?;
    (last.time <= r.at.time).then(|| r.at.time - last.time)
}

/// The reset's TTL was on no other packet of its sender: neither in this flow nor in others of the same address.
fn odd_ttl<'a>(view: &CaseView<'a>) -> Value<'a> {
    reset(view, |t, r| {
        let backend = view.case.map_or(&[][..], |c| &c.facts.neighbours.backend_ttls);
        let known: Vec<u8> = match r.from {
            Dir::Resp => t.ttl.resp.into_iter().chain(backend.iter().copied()).collect(),
            Dir::Orig => t.ttl.orig.into_iter().collect(),
        };
        if known.is_empty() { Value::Unknown } else { Value::Flag(!known.contains(&r.ttl)) }
    })
}

/// No packet of the responder is there.
fn silent_resp(flow: &Conversation) -> bool {
    flow.packets.resp == 0
}

/// The side whose FIN came first.
fn first_fin(fin: &PerDir<Option<crate::flow::Moment>>) -> Option<&'static str> {
    match (fin.orig, fin.resp) {
        (None, None) => None,
        (Some(_), None) => Some("orig"),
        (None, Some(_)) => Some("resp"),
        (Some(o), Some(r)) => Some(if (o.time, o.frame) <= (r.time, r.frame) { "orig" } else { "resp" }),
    }
}

/// From the last payload of the originator to the first FIN of the responder; absent where the FIN came first.
fn fin_after_data(t: &TcpFacts) -> Option<TimeDelta> {
    let (data, fin) = (t.last_payload.orig?, t.first_fin.resp?);
    (data.time <= fin.time).then(|| fin.time - data.time)
}

/// What a side announced in its SYN or SYN-ACK; absent where that was not seen.
fn announced(t: &TcpFacts, dir: Dir, has: impl FnOnce(&TcpOptions) -> bool) -> Value<'static> {
    t.isn[dir].map_or(Value::Absent, |_| Value::Flag(has(&t.options[dir])))
}

fn probes(t: &TcpFacts, dir: Dir) -> KeepAlive {
    t.keep_alive.as_deref().map_or_else(KeepAlive::default, |sides| sides[dir])
}

fn probed(probes: &KeepAlive) -> Option<TimeDelta> {
    Some(probes.last?.time - probes.first?.time)
}

const SIDES: &[&str] = &["orig", "resp"];
const STATES: &[&str] =
    &["S0", "S1", "SF", "REJ", "S2", "S3", "RSTO", "RSTR", "RSTOS0", "RSTRH", "SH", "SHR", "OTH"];

#[rustfmt::skip]
pub(super) const FIELDS: &[Field] = &[
    Field::new("tcp.stream", Kind::Number, "Number of the connection, as Wireshark gives it.", "tcp.stream == 0", |v| v.flow.map_or(Value::Unknown, |f| f.stream.into())),
    Field::new("tcp.orig", Kind::Text, "Address and port of the side that opened the connection.", "tcp.orig == \"10.0.0.5:40000\"", |v| v.tcp(|f, _| f.orig.to_string().into())),
    Field::new("tcp.resp", Kind::Text, "Address and port of the other side.", "tcp.resp == \"10.96.0.10:443\"", |v| v.tcp(|f, _| f.resp.to_string().into())),
    Field::new("tcp.established", Kind::Flag, "The three-way handshake was completed.", "tcp.established", |v| v.tcp(|f, t| start_shows(f, t.established.is_some()))),
    Field::new("tcp.conn_state", Kind::Word(STATES), "Zeek's `conn_state`.", "tcp.conn_state in { S0, REJ }", |v| tcp(v, |t| t.conn_state.map(crate::flow::ConnState::name).into())),
    Field::new("tcp.history", Kind::Text, "Zeek's `history`.", "tcp.history contains \"R\"", |v| tcp(v, |t| (&t.history).into())),
    Field::new("tcp.completeness", Kind::Number, "Wireshark's bits: 1 SYN, 2 SYN-ACK, 4 ACK, 8 data, 16 FIN, 32 RST.", "tcp.completeness == 31", |v| tcp(v, |t| t.completeness.into())),
    Field::new("tcp.initial_rtt", Kind::Span, "From the SYN to the ACK that completes the handshake (Wireshark `tcp.analysis.initial_rtt`).", "tcp.initial_rtt > 100ms", |v| tcp(v, |t| t.initial_rtt.into())),
    Field::new("tcp.syn.count", Kind::Number, "SYNs without ACK; copies of one segment are left out of up to 15.", "tcp.syn.count > 1", |v| tcp(v, |t| sent(t.syn_times.len(), t.syn.orig.saturating_add(t.syn.resp)).into())),
    Field::new("tcp.syn.retransmissions", Kind::Number, "SYNs sent again.", "tcp.syn.retransmissions >= 1", |v| tcp(v, |t| repeated(t.syn_times.len(), t.syn.orig).into())),
    Field::new("tcp.syn.span", Kind::Span, "From the first to the last of several SYNs.", "tcp.syn.span > 3s", |v| tcp(v, |t| t.syn_times.first().zip(t.syn_times.get(1..).and_then(<[_]>::last)).map(|(a, b)| b.time - a.time).into())),
    Field::new("tcp.synack.count", Kind::Number, "SYN-ACKs; copies of one segment are left out of up to 15.", "tcp.synack.count == 0", |v| tcp(v, |t| sent(t.synack_times.len(), t.synack.orig.saturating_add(t.synack.resp)).into())),
    Field::new("tcp.synack.retransmissions", Kind::Number, "SYN-ACKs sent again.", "tcp.synack.retransmissions > 0", |v| tcp(v, |t| repeated(t.synack_times.len(), t.synack.resp).into())),
    Field::new("tcp.synack_after_ack", Kind::Number, "SYN-ACKs sent again after the originator had acknowledged one: the server drops the handshake.", "tcp.synack_after_ack > 0", |v| tcp(v, |t| t.synack_after_ack.into())),
    Field::new("tcp.synack.delay", Kind::Span, "From the first SYN to the first SYN-ACK.", "tcp.synack.delay > 1s", |v| tcp(v, |t| t.syn_times.first().zip(t.synack_times.first()).map(|(a, b)| b.time - a.time).into())),
    Field::new("tcp.half_open", Kind::Flag, "A SYN-ACK was sent and the originator never acknowledged it.", "tcp.half_open", |v| tcp(v, |t| t.is_half_open().into())),
    Field::new("tcp.simultaneous_open", Kind::Flag, "Both sides dialled at once.", "tcp.simultaneous_open", |v| tcp(v, |t| t.simultaneous_open.into())),
    Field::new("tcp.syn.payload", Kind::Bytes, "Payload in the SYN (TCP Fast Open).", "tcp.syn.payload > 0", |v| tcp(v, |t| t.syn_payload_bytes.into())),
    Field::new("tcp.resp.silent", Kind::Flag, "No packet of the responder is in the capture.", "tcp.resp.silent", |v| v.tcp(|f, _| silent_resp(f).into())),
    Field::new("tcp.resp.ttl", Kind::Number, "TTL or hop limit of the responder's first packet that is no RST.", "tcp.resp.ttl == 64", |v| tcp(v, |t| t.ttl.resp.into())),
    Field::new("tcp.orig.ttl", Kind::Number, "TTL or hop limit of the originator's first packet that is no RST.", "tcp.orig.ttl == 64", |v| tcp(v, |t| t.ttl.orig.into())),
    Field::new("tcp.rst", Kind::Flag, "A segment with RST is there.", "tcp.rst", |v| tcp(v, |t| t.reset.is_some().into())),
    Field::new("tcp.rst.from", Kind::Word(SIDES), "Who sent the first RST, as its addresses say.", "tcp.rst.from == resp", |v| reset(v, |_, r| r.from.name().into())),
    Field::new("tcp.rst.to_syn", Kind::Flag, "The first RST answers a SYN.", "tcp.rst.to_syn", |v| reset_is(v, |_, r| r.to_syn)),
    Field::new("tcp.rst.after_close", Kind::Flag, "The first RST came after the connection was closed in order: an ordinary end.", "tcp.rst.after_close", |v| reset_is(v, |_, r| r.after_close)),
    Field::new("tcp.rst.ttl", Kind::Number, "TTL or hop limit of the first RST.", "tcp.rst.ttl == 255", |v| reset(v, |_, r| r.ttl.into())),
    Field::new("tcp.rst.ttl_odd", Kind::Flag, "No other packet of the sender's address, on any flow, came with the TTL of the RST.", "tcp.rst.ttl_odd", odd_ttl),
    Field::new("tcp.rst.after_data", Kind::Span, "From the last payload of the other side to the first RST.", "tcp.rst.after_data < 10ms", |v| reset(v, |t, r| since_data(t, r).into())),
    Field::new("tcp.rst.after_syn", Kind::Span, "From the first SYN to the first RST; 0 where the capture shows the RST first.", "tcp.rst.after_syn < 5ms", |v| reset(v, |t, r| t.syn_times.first().map(|s| (r.at.time - s.time).max(TimeDelta(0))).into())),
    Field::new("tcp.rst.in_sequence", Kind::Flag, "The number of the first RST is the next one of its sender; one that is not was made by someone who had not seen the last segments.", "not tcp.rst.in_sequence", |v| reset(v, |_, r| r.in_sequence.into())),
    Field::new("tcp.rst.payload", Kind::Bytes, "Payload in the first RST.", "tcp.rst.payload > 0", |v| reset(v, |_, r| r.payload_bytes.into())),
    Field::new("tcp.closed_by", Kind::Word(SIDES), "Whose FIN or RST came first.", "tcp.closed_by == resp", |v| tcp(v, |t| t.closed_by().map(Dir::name).into())),
    Field::new("tcp.fin.first", Kind::Word(SIDES), "Whose FIN came first.", "tcp.fin.first == resp", |v| tcp(v, |t| first_fin(&t.first_fin).into())),
    Field::new("tcp.fin.orig", Kind::Flag, "The originator sent FIN.", "tcp.fin.orig", |v| tcp(v, |t| t.first_fin.orig.is_some().into())),
    Field::new("tcp.fin.orig.answered", Kind::Flag, "The responder sent something after the originator's FIN: an acknowledgment at least.", "tcp.fin.orig.answered", |v| tcp(v, |t| t.first_fin.orig.map(|fin| t.last_segment.resp.is_some_and(|last| last > fin)).into())),
    Field::new("tcp.fin.resp", Kind::Flag, "The responder sent FIN.", "tcp.fin.resp", |v| tcp(v, |t| t.first_fin.resp.is_some().into())),
    Field::new("tcp.fin.after_data", Kind::Span, "From the originator's last payload to the responder's first FIN; absent where the FIN came first.", "tcp.fin.after_data < 1s", |v| tcp(v, |t| fin_after_data(t).into())),
    Field::new("tcp.data.orig", Kind::Flag, "The originator sent payload.", "tcp.data.orig", |v| tcp(v, |t| t.first_payload.orig.is_some().into())),
    Field::new("tcp.data.resp", Kind::Flag, "The responder sent payload.", "tcp.data.resp", |v| tcp(v, |t| t.first_payload.resp.is_some().into())),
    Field::new("tcp.mss.orig", Kind::Bytes, "Maximum segment size that the originator announced.", "tcp.mss.orig < 1400B", |v| tcp(v, |t| t.options.orig.mss.into())),
    Field::new("tcp.mss.resp", Kind::Bytes, "Maximum segment size that the responder announced.", "tcp.mss.resp == 1460B", |v| tcp(v, |t| t.options.resp.mss.into())),
    Field::new("tcp.window_scale.orig", Kind::Number, "Window scale shift that the originator announced.", "tcp.window_scale.orig == 7", |v| tcp(v, |t| t.options.orig.window_scale.into())),
    Field::new("tcp.timestamps.orig", Kind::Flag, "The originator announced timestamps; absent where its SYN was not seen.", "tcp.timestamps.orig", |v| tcp(v, |t| announced(t, Dir::Orig, |o| o.timestamp.is_some()))),
    Field::new("tcp.sack_permitted.orig", Kind::Flag, "The originator permits SACK; absent where its SYN was not seen.", "tcp.sack_permitted.orig", |v| tcp(v, |t| announced(t, Dir::Orig, |o| o.sack_permitted))),
    Field::new("tcp.window_scale.resp", Kind::Number, "Window scale shift that the responder announced.", "tcp.window_scale.resp == 7", |v| tcp(v, |t| t.options.resp.window_scale.into())),
    Field::new("tcp.timestamps.resp", Kind::Flag, "The responder announced timestamps; absent where its SYN was not seen.", "tcp.timestamps.resp", |v| tcp(v, |t| announced(t, Dir::Resp, |o| o.timestamp.is_some()))),
    Field::new("tcp.sack_permitted.resp", Kind::Flag, "The responder permits SACK; absent where its SYN was not seen.", "tcp.sack_permitted.resp", |v| tcp(v, |t| announced(t, Dir::Resp, |o| o.sack_permitted))),
    Field::new("tcp.window.resp", Kind::Bytes, "Last window that the responder announced, scaled.", "tcp.window.resp == 0", |v| tcp(v, |t| t.last_window.resp.map(u64::from).into())),
    Field::new("tcp.window.orig", Kind::Bytes, "Last window that the originator announced, scaled.", "tcp.window.orig == 0", |v| tcp(v, |t| t.last_window.orig.map(u64::from).into())),
    Field::new("tcp.loss.orig.segments", Kind::Number, "Segments that the originator had to send again.", "tcp.loss.orig.segments >= 2", |v| tcp(v, |t| t.loss.orig.segments.into())),
    Field::new("tcp.loss.resp.segments", Kind::Number, "Segments that the responder had to send again.", "tcp.loss.resp.segments >= 2", |v| tcp(v, |t| t.loss.resp.segments.into())),
    Field::new("tcp.loss.orig.largest", Kind::Bytes, "Largest payload among the originator's segments sent again.", "tcp.loss.orig.largest > 1300B", |v| tcp(v, |t| t.loss.orig.largest_bytes.into())),
    Field::new("tcp.loss.resp.largest", Kind::Bytes, "Largest payload among the responder's segments sent again.", "tcp.loss.resp.largest > 1300B", |v| tcp(v, |t| t.loss.resp.largest_bytes.into())),
    Field::new("tcp.loss.orig.delivered", Kind::Bytes, "Largest payload of the originator that was acknowledged at the first try.", "tcp.loss.orig.delivered < tcp.loss.orig.largest", |v| tcp(v, |t| t.loss.orig.largest_delivered_bytes.into())),
    Field::new("tcp.loss.resp.delivered", Kind::Bytes, "Largest payload of the responder that was acknowledged at the first try.", "tcp.loss.resp.delivered < tcp.loss.resp.largest", |v| tcp(v, |t| t.loss.resp.largest_delivered_bytes.into())),
    Field::new("tcp.loss.orig.unacked", Kind::Bytes, "Payload of the originator that was never acknowledged.", "tcp.loss.orig.unacked > 0", |v| tcp(v, |t| t.loss.orig.unacked_bytes.into())),
    Field::new("tcp.loss.resp.unacked", Kind::Bytes, "Payload of the responder that was never acknowledged.", "tcp.loss.resp.unacked > 0", |v| tcp(v, |t| t.loss.resp.unacked_bytes.into())),
    Field::new("tcp.loss.orig.gap", Kind::Bytes, "Payload of the originator that the capture never showed.", "tcp.loss.orig.gap > 0", |v| tcp(v, |t| t.loss.orig.gap_bytes.into())),
    Field::new("tcp.loss.resp.gap", Kind::Bytes, "Payload of the responder that the capture never showed.", "tcp.loss.resp.gap > 0", |v| tcp(v, |t| t.loss.resp.gap_bytes.into())),
    Field::new("tcp.loss.orig.skipped", Kind::Bytes, "Most payload of the originator that a later segment's number says was sent before it, and that the capture lacks; segments out of anybody's reach say nothing.", "tcp.loss.orig.skipped > 0", |v| tcp(v, |t| t.loss.orig.skipped_bytes.into())),
    Field::new("tcp.loss.resp.skipped", Kind::Bytes, "Most payload of the responder that a later segment's number says was sent before it, and that the capture lacks; segments out of anybody's reach say nothing.", "tcp.loss.resp.skipped > 0", |v| tcp(v, |t| t.loss.resp.skipped_bytes.into())),
    Field::new("tcp.loss.orig.unseen", Kind::Bytes, "Most payload of the originator that a number of either side, an acknowledgement or one in a RST too, says was sent and that was not seen before it: the capture lacks it, or shows it late.", "tcp.loss.orig.unseen > 0", |v| tcp(v, |t| t.loss.orig.unseen_bytes.into())),
    Field::new("tcp.loss.resp.unseen", Kind::Bytes, "Most payload of the responder that a number of either side, an acknowledgement or one in a RST too, says was sent and that was not seen before it: the capture lacks it, or shows it late.", "tcp.loss.resp.unseen > 0", |v| tcp(v, |t| t.loss.resp.unseen_bytes.into())),
    Field::new("tcp.loss.orig.vain", Kind::Number, "Segments that the originator sent again since the other side last acknowledged anything new: what they hold was never acknowledged. Copies are left out.", "tcp.loss.orig.vain >= 2", |v| tcp(v, |t| t.loss.orig.vain_segments.into())),
    Field::new("tcp.loss.resp.vain", Kind::Number, "Segments that the responder sent again since the other side last acknowledged anything new: what they hold was never acknowledged. Copies are left out.", "tcp.loss.resp.vain >= 2", |v| tcp(v, |t| t.loss.resp.vain_segments.into())),
    Field::new("tcp.loss.orig.duplicate_acks", Kind::Number, "Duplicate ACKs of what the originator sent, copies left out (`tcp.analysis.duplicate_ack` counts them): later segments passed.", "tcp.loss.orig.duplicate_acks > 0", |v| tcp(v, |t| t.loss.orig.duplicate_acks.into())),
    Field::new("tcp.loss.resp.duplicate_acks", Kind::Number, "Duplicate ACKs of what the responder sent, copies left out (`tcp.analysis.duplicate_ack` counts them): later segments passed.", "tcp.loss.resp.duplicate_acks > 0", |v| tcp(v, |t| t.loss.resp.duplicate_acks.into())),
    Field::new("tcp.loss.orig.in_flight", Kind::Bytes, "Payload of the originator in flight when the first of its segments was sent again.", "tcp.loss.orig.in_flight < 1000B", |v| tcp(v, |t| t.loss.orig.in_flight_bytes.into())),
    Field::new("tcp.loss.orig.sacked", Kind::Bytes, "Most payload of the originator that the other side reported as received behind a hole (SACK): later segments passed while an earlier one did not.", "tcp.loss.orig.sacked > 0", |v| tcp(v, |t| t.loss.orig.sacked_bytes.into())),
    Field::new("tcp.loss.resp.in_flight", Kind::Bytes, "Payload of the responder in flight when the first of its segments was sent again.", "tcp.loss.resp.in_flight < 1000B", |v| tcp(v, |t| t.loss.resp.in_flight_bytes.into())),
    Field::new("tcp.loss.resp.sacked", Kind::Bytes, "Most payload of the responder that the other side reported as received behind a hole (SACK): later segments passed while an earlier one did not.", "tcp.loss.resp.sacked > 0", |v| tcp(v, |t| t.loss.resp.sacked_bytes.into())),
    Field::new("tcp.silence.longest", Kind::Span, "Longest time between two segments; the silence at the end is not among them.", "tcp.silence.longest > 30s", |v| tcp(v, |t| t.longest_silence.map(|s| s.until.time - s.since.time).into())),
    Field::new("tcp.silence.broken_by", Kind::Word(SIDES), "Who sent the segment after that time.", "tcp.silence.broken_by == orig", |v| tcp(v, |t| t.longest_silence.map(|s| s.broken_by.name()).into())),
    Field::new("tcp.keep_alive.orig.count", Kind::Number, "Keep-alive probes of the originator, copies left out.", "tcp.keep_alive.orig.count > 3", |v| tcp(v, |t| probes(t, Dir::Orig).count.into())),
    Field::new("tcp.keep_alive.orig.span", Kind::Span, "From the first to the last keep-alive probe of the originator.", "tcp.keep_alive.orig.span > 1m", |v| tcp(v, |t| probed(&probes(t, Dir::Orig)).into())),
    Field::new("tcp.keep_alive.resp.count", Kind::Number, "Keep-alive probes of the responder, copies left out.", "tcp.keep_alive.resp.count > 3", |v| tcp(v, |t| probes(t, Dir::Resp).count.into())),
    Field::new("tcp.keep_alive.resp.span", Kind::Span, "From the first to the last keep-alive probe of the responder.", "tcp.keep_alive.resp.span > 1m", |v| tcp(v, |t| probed(&probes(t, Dir::Resp)).into())),
];

/// One finding of Wireshark as three fields: both sides together, and each.
macro_rules! analysis {
    ($($name:ident: $meaning:literal,)*) => {
        #[rustfmt::skip]
        pub(super) const ANALYSIS: &[Field] = &[
            Field::new("tcp.analysis.rto", Kind::Span, "Longest time that a retransmission came after the eldest unacknowledged segment of its side.", "tcp.analysis.rto > 1s", |v| tcp(v, |t| t.rto.orig.max(t.rto.resp).into())),
            Field::new("tcp.analysis.rto.orig", Kind::Span, "The same, of the originator.", "tcp.analysis.rto.orig > 1s", |v| tcp(v, |t| t.rto.orig.into())),
            Field::new("tcp.analysis.rto.resp", Kind::Span, "The same, of the responder.", "tcp.analysis.rto.resp > 1s", |v| tcp(v, |t| t.rto.resp.into())),
            Field::new("tcp.analysis.bytes_in_flight.orig", Kind::Bytes, "Most payload of the originator that was sent and not yet acknowledged.", "tcp.analysis.bytes_in_flight.orig > 64KiB", |v| tcp(v, |t| t.max_bytes_in_flight.orig.into())),
            Field::new("tcp.analysis.bytes_in_flight.resp", Kind::Bytes, "Most payload of the responder that was sent and not yet acknowledged.", "tcp.analysis.bytes_in_flight.resp > 64KiB", |v| tcp(v, |t| t.max_bytes_in_flight.resp.into())),
            Field::new("tcp.analysis.duplicate_ack_num.orig", Kind::Number, "Most duplicate ACKs of the originator in a row.", "tcp.analysis.duplicate_ack_num.orig >= 3", |v| tcp(v, |t| t.duplicate_ack_num.orig.into())),
            Field::new("tcp.analysis.duplicate_ack_num.resp", Kind::Number, "Most duplicate ACKs of the responder in a row.", "tcp.analysis.duplicate_ack_num.resp >= 3", |v| tcp(v, |t| t.duplicate_ack_num.resp.into())),
        $(
            Field::new(concat!("tcp.analysis.", stringify!($name)), Kind::Number, concat!($meaning, ", both sides together."), concat!("tcp.analysis.", stringify!($name), " > 0"), |v| tcp(v, |t| t.analysis.orig.$name.saturating_add(t.analysis.resp.$name).into())),
            Field::new(concat!("tcp.analysis.", stringify!($name), ".orig"), Kind::Number, concat!($meaning, ", of the originator."), concat!("tcp.analysis.", stringify!($name), ".orig > 0"), |v| tcp(v, |t| t.analysis.orig.$name.into())),
            Field::new(concat!("tcp.analysis.", stringify!($name), ".resp"), Kind::Number, concat!($meaning, ", of the responder."), concat!("tcp.analysis.", stringify!($name), ".resp > 0"), |v| tcp(v, |t| t.analysis.resp.$name.into())),
        )*];
    };
}

analysis! {
    retransmission: "Segments sent again",
    fast_retransmission: "Segments sent again after duplicate ACKs",
    spurious_retransmission: "Segments sent again although they had been acknowledged",
    out_of_order: "Segments out of order",
    duplicate_ack: "Duplicate ACKs",
    lost_segment: "Segments after a gap in the capture",
    ack_lost_segment: "ACKs of data that the capture never showed",
    zero_window: "Segments announcing a window of 0",
    zero_window_probe: "Probes of a window of 0",
    zero_window_probe_ack: "Answers to probes of a window of 0",
    window_full: "Segments that fill the announced window",
    window_update: "Window updates",
    keep_alive: "Keep-alives",
    keep_alive_ack: "Answers to keep-alives",
    reused_ports: "SYNs on ports that were in use before",
}
