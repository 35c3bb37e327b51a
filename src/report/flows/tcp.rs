//! The TCP part of a flow's object.
//!
//! Beside what DESIGN's contract names, the keys are (each only where the fact is there):
//! `duplicate_ack_num{orig,resp}`, `rto{orig,resp}` (longest, s), `max_bytes_in_flight{orig,resp}`,
//! `options{orig{mss,window_scale,sack_permitted,timestamp},resp{…}}`, `ttl{orig,resp}`, `window{orig,resp}` (last, bytes),
//! `syns[{frame,after}]` and `synacks[{frame,after}]` (where sent more than once; s after the first SYN),
//! `synack_after_ack`, `half_open`, `simultaneous_open`, `syn_payload_bytes`, `closed_by`, `first_fin{orig,resp}` (frames),
//! `reset{from,frame,ttl,to_syn,after_close,in_sequence,payload_bytes}`,
//! `loss{orig{segments,largest_bytes,largest_delivered_bytes,unacked_bytes,gap_bytes,in_flight_bytes,sacked_bytes},resp{…}}`,
//! `longest_silence{seconds,since_frame,until_frame,broken_by}` (from a second on),
//! `keep_alive{orig{count,first_frame,last_frame,seconds},resp{…}}`.

use super::super::json;
use super::record::field;
use crate::flow::{Analysis, Dir, KeepAlive, Loss, Moment, PerDir, Reset, Silence, TcpFacts, TcpOptions};
use crate::time::TimeDelta;

/// Appends the counts, findings and facts of a connection.
pub(super) fn write(out: &mut Vec<u8>, tcp: &TcpFacts) {
    sides(out, b",\"syn\":", tcp.syn);
    sides(out, b",\"synack\":", tcp.synack);
    sides(out, b",\"fin\":", tcp.fin);
    sides(out, b",\"rst\":", tcp.rst);
    json::put(out, b",\"analysis\":{\"orig\":");
    analysis(out, tcp.analysis.orig);
    json::put(out, b",\"resp\":");
    analysis(out, tcp.analysis.resp);
    out.push(b'}');
    if let Some(rtt) = tcp.initial_rtt {
        json::put(out, b",\"initial_rtt\":");
        json::seconds(out, rtt);
    }
    open(out, tcp);
    transfer(out, tcp);
    close(out, tcp);
}

/// The findings that were made; one that was not has no key.
fn analysis(out: &mut Vec<u8>, mut found: Analysis) {
    out.push(b'{');
    let mut separator: &[u8] = b"\"";
    for (name, count) in found.walk().into_iter().filter(|(_, count)| **count > 0) {
        out.extend_from_slice(separator);
        out.extend_from_slice(name.as_bytes());
        field(out, b"\":", u64::from(*count));
        separator = b",\"";
    }
    out.push(b'}');
}

/// How it was opened.
fn open(out: &mut Vec<u8>, tcp: &TcpFacts) {
    let first = tcp.syn_times.first().or(tcp.synack_times.first());
    for (key, times) in [(&b",\"syns\":"[..], &tcp.syn_times), (&b",\"synacks\":"[..], &tcp.synack_times)] {
        if let (Some(first), 2..) = (first, times.len()) {
            out.extend_from_slice(key);
            json::array(out, times, |out, at| {
                field(out, b"{\"frame\":", at.frame.number());
                json::put(out, b",\"after\":");
                json::seconds(out, at.time - first.time);
                out.push(b'}');
            });
        }
    }
    if tcp.synack_after_ack > 0 {
        field(out, b",\"synack_after_ack\":", u64::from(tcp.synack_after_ack));
    }
    for (key, holds) in [
        (&b",\"half_open\":true"[..], tcp.is_half_open()),
        (b",\"simultaneous_open\":true", tcp.simultaneous_open),
    ] {
        out.extend_from_slice(if holds { key } else { b"" });
    }
    if tcp.syn_payload_bytes > 0 {
        field(out, b",\"syn_payload_bytes\":", u64::from(tcp.syn_payload_bytes));
    }
    let announced = |dir: Dir| tcp.isn[dir].map(|_| tcp.options[dir]);
    each(out, b",\"options\":", PerDir { orig: announced(Dir::Orig), resp: announced(Dir::Resp) }, options);
    each(out, b",\"ttl\":", tcp.ttl, |out, ttl| json::number(out, u64::from(ttl)));
}

fn options(out: &mut Vec<u8>, announced: TcpOptions) {
    let TcpOptions { mss, window_scale, sack_permitted, timestamp } = announced;
    out.push(b'{');
    announce(out, b"\"mss\":", mss);
    announce(out, b"\"window_scale\":", window_scale);
    announce(out, b"\"timestamp\":", timestamp);
    if sack_permitted {
        json::put(out, b"\"sack_permitted\":true}");
    } else {
        json::put(out, b"\"sack_permitted\":false}");
    }
}

/// Appends an option of a SYN and a comma, if it is there.
fn announce<const N: usize>(out: &mut Vec<u8>, key: &[u8; N], value: Option<impl Into<u64>>) {
    if let Some(value) = value {
        field(out, key, value.into());
        out.push(b',');
    }
}

/// What became of the data.
fn transfer(out: &mut Vec<u8>, tcp: &TcpFacts) {
    each(out, b",\"rto\":", tcp.rto, json::seconds);
    let dup = |dir: Dir| Some(u64::from(tcp.duplicate_ack_num[dir])).filter(|n| *n > 0);
    each(
        out,
        b",\"duplicate_ack_num\":",
        PerDir { orig: dup(Dir::Orig), resp: dup(Dir::Resp) },
        json::number,
    );
    let most = |dir: Dir| Some(tcp.max_bytes_in_flight[dir]).filter(|n| *n > 0);
    let flying = PerDir { orig: most(Dir::Orig), resp: most(Dir::Resp) };
    each(out, b",\"max_bytes_in_flight\":", flying, json::number);
    each(out, b",\"window\":", tcp.last_window, |out, window| json::number(out, u64::from(window)));
    let troubled = |dir: Dir| Some(tcp.loss[dir]).filter(Loss::is_any);
    each(out, b",\"loss\":", PerDir { orig: troubled(Dir::Orig), resp: troubled(Dir::Resp) }, loss);
}

fn loss(out: &mut Vec<u8>, loss: Loss) {
    let Loss {
        segments,
        largest_bytes,
        largest_delivered_bytes,
        unacked_bytes,
        gap_bytes,
        in_flight_bytes,
        sacked_bytes,
    } = loss;
    field(out, b"{\"segments\":", u64::from(segments));
    field(out, b",\"largest_bytes\":", u64::from(largest_bytes));
    field(out, b",\"largest_delivered_bytes\":", u64::from(largest_delivered_bytes));
    field(out, b",\"unacked_bytes\":", unacked_bytes);
    field(out, b",\"gap_bytes\":", gap_bytes);
    field(out, b",\"in_flight_bytes\":", in_flight_bytes);
    field(out, b",\"sacked_bytes\":", sacked_bytes);
    out.push(b'}');
}

/// How it ended, and when it stood still.
fn close(out: &mut Vec<u8>, tcp: &TcpFacts) {
    if let Some(side) = tcp.closed_by() {
        json::put(out, b",\"closed_by\":");
        name(out, side);
    }
    each(out, b",\"first_fin\":", tcp.first_fin, |out, at: Moment| json::number(out, at.frame.number()));
    if let Some(it) = tcp.reset {
        reset(out, it);
    }
    if let Some(it) = tcp.longest_silence.filter(|s| s.until.time - s.since.time >= WORTH_TELLING) {
        silence(out, it);
    }
    if let Some(sides) = tcp.keep_alive.as_deref() {
        let probed = |dir: Dir| Some(sides[dir]).filter(|side| side.count > 0);
        each(
            out,
            b",\"keep_alive\":",
            PerDir { orig: probed(Dir::Orig), resp: probed(Dir::Resp) },
            keep_alive,
        );
    }
}

fn reset(out: &mut Vec<u8>, reset: Reset) {
    let Reset { from, at, ttl, to_syn, after_close, in_sequence, payload_bytes } = reset;
    json::put(out, b",\"reset\":{\"from\":");
    name(out, from);
    field(out, b",\"frame\":", at.frame.number());
    field(out, b",\"ttl\":", u64::from(ttl));
    for (key, holds) in [
        (&b",\"to_syn\":"[..], to_syn),
        (b",\"after_close\":", after_close),
        (b",\"in_sequence\":", in_sequence),
    ] {
        out.extend_from_slice(key);
        json::flag(out, holds);
    }
    if payload_bytes > 0 {
        field(out, b",\"payload_bytes\":", u64::from(payload_bytes));
    }
    out.push(b'}');
}

fn silence(out: &mut Vec<u8>, silence: Silence) {
    let Silence { since, until, broken_by } = silence;
    json::put(out, b",\"longest_silence\":{\"seconds\":");
    json::seconds(out, until.time - since.time);
    field(out, b",\"since_frame\":", since.frame.number());
    field(out, b",\"until_frame\":", until.frame.number());
    json::put(out, b",\"broken_by\":");
    name(out, broken_by);
    out.push(b'}');
}

fn keep_alive(out: &mut Vec<u8>, probes: KeepAlive) {
    let KeepAlive { count, first, last } = probes;
    field(out, b"{\"count\":", u64::from(count));
    if let (Some(first), Some(last)) = (first, last) {
        field(out, b",\"first_frame\":", first.frame.number());
        field(out, b",\"last_frame\":", last.frame.number());
        json::put(out, b",\"seconds\":");
        json::seconds(out, last.time - first.time);
    }
    out.push(b'}');
}

/// Appends `key` and an object with the sides that have a value, if there are any.
fn each<T, const N: usize>(
    out: &mut Vec<u8>,
    key: &[u8; N],
    sides: PerDir<Option<T>>,
    write: impl Fn(&mut Vec<u8>, T),
) {
    let PerDir { orig, resp } = sides;
    if orig.is_none() && resp.is_none() {
        return;
    }
    json::put(out, key);
    let both = orig.is_some() && resp.is_some();
    out.push(b'{');
    if let Some(value) = orig {
        json::put(out, b"\"orig\":");
        write(out, value);
    }
    if both {
        out.push(b',');
    }
    if let Some(value) = resp {
        json::put(out, b"\"resp\":");
        write(out, value);
    }
    out.push(b'}');
}

fn sides<const N: usize>(out: &mut Vec<u8>, key: &[u8; N], value: PerDir<u32>) {
    json::put(out, key);
    super::record::pair(out, value);
}

fn name(out: &mut Vec<u8>, dir: Dir) {
    out.push(b'"');
    out.extend_from_slice(dir.name().as_bytes());
    out.push(b'"');
}

/// Pauses below it are ordinary.
const WORTH_TELLING: TimeDelta = TimeDelta::from_secs(1);
