//! The TCP part of a flow's object.
//!
//! Its keys, each only where the fact is there: `syn{orig,resp}`, `synack{…}`, `fin{…}`, `rst{…}` (segments),
//! `analysis{orig{…},resp{…}}` (`tcp.analysis.*`, those that were found), `initial_rtt` (s), `duplicate_ack_num{orig,resp}`, `rto{orig,resp}` (longest, s), `max_bytes_in_flight{orig,resp}`,
//! `options{orig{mss,window_scale,sack_permitted,timestamp},resp{…}}`, `ttl{orig,resp}`, `window{orig,resp}` (last, bytes),
//! `syns[{frame,after}]` and `synacks[{frame,after}]` (where sent more than once; s after the first SYN),
//! `synack_after_ack`, `half_open`, `simultaneous_open`, `syn_payload_bytes`, `closed_by`, `first_fin{orig,resp}` (frames),
//! `reset{from,frame,ttl,to_syn,after_close,in_sequence,payload_bytes}`,
//! `loss{orig{segments,largest_bytes,largest_delivered_bytes,unacked_bytes,gap_bytes,in_flight_bytes,sacked_bytes},resp{…}}`,
//! `longest_silence{seconds,since_frame,until_frame,broken_by}` (from a second on),
//! `keep_alive{orig{count,first_frame,last_frame,seconds},resp{…}}`.

use super::super::json::Text;
use crate::flow::{Analysis, Dir, KeepAlive, Loss, Moment, PerDir, Reset, Silence, TcpFacts, TcpOptions};
use crate::time::TimeDelta;

/// Appends the counts, findings and facts of a connection.
pub(super) fn write(out: &mut Text, tcp: &TcpFacts) {
    sides(out, b",\"syn\":{\"orig\":", tcp.syn);
    sides(out, b"},\"synack\":{\"orig\":", tcp.synack);
    sides(out, b"},\"fin\":{\"orig\":", tcp.fin);
    sides(out, b"},\"rst\":{\"orig\":", tcp.rst);
    if tcp.analysis == PerDir::default() {
        out.put(b"},\"analysis\":{\"orig\":{},\"resp\":{}}");
    } else {
        out.put(b"},\"analysis\":{\"orig\":");
        analysis(out, tcp.analysis.orig);
        out.put(b",\"resp\":");
        analysis(out, tcp.analysis.resp);
        out.put(b"}");
    }
    if let Some(rtt) = tcp.initial_rtt {
        out.put(b",\"initial_rtt\":");
        out.seconds(rtt);
    }
    open(out, tcp);
    transfer(out, tcp);
    close(out, tcp);
}

/// The findings that were made; one that was not has no key.
fn analysis(out: &mut Text, mut found: Analysis) {
    out.put(b"{");
    let mut separator: &[u8] = b"\"";
    for (name, count) in found.walk().into_iter().filter(|(_, count)| **count > 0) {
        out.add(separator);
        out.add(name.as_bytes());
        out.field(b"\":", u64::from(*count));
        separator = b",\"";
    }
    out.put(b"}");
}

/// How it was opened.
fn open(out: &mut Text, tcp: &TcpFacts) {
    let first = tcp.syn_times.first().or(tcp.synack_times.first());
    for (key, times) in [(&b",\"syns\":"[..], &tcp.syn_times), (&b",\"synacks\":"[..], &tcp.synack_times)] {
        if let (Some(first), 2..) = (first, times.len()) {
            out.add(key);
            out.array(times, |out, at| {
                out.field(b"{\"frame\":", at.frame.number());
                out.put(b",\"after\":");
                out.seconds(at.time - first.time);
                out.put(b"}");
            });
        }
    }
    if tcp.synack_after_ack > 0 {
        out.field(b",\"synack_after_ack\":", u64::from(tcp.synack_after_ack));
    }
    for (key, holds) in [
        (&b",\"half_open\":true"[..], tcp.is_half_open()),
        (b",\"simultaneous_open\":true", tcp.simultaneous_open),
    ] {
        out.add(if holds { key } else { b"" });
    }
    if tcp.syn_payload_bytes > 0 {
        out.field(b",\"syn_payload_bytes\":", u64::from(tcp.syn_payload_bytes));
    }
    let announced = |dir: Dir| tcp.isn[dir].map(|_| tcp.options[dir]);
    each(out, b",\"options\":", PerDir { orig: announced(Dir::Orig), resp: announced(Dir::Resp) }, options);
    each(out, b",\"ttl\":", tcp.ttl, |out, ttl| out.number(u64::from(ttl)));
}

fn options(out: &mut Text, announced: TcpOptions) {
    let TcpOptions { mss, window_scale, sack_permitted, timestamp } = announced;
    out.put(b"{");
    announce(out, b"\"mss\":", mss);
    announce(out, b"\"window_scale\":", window_scale);
    announce(out, b"\"timestamp\":", timestamp);
    if sack_permitted {
        out.put(b"\"sack_permitted\":true}");
    } else {
        out.put(b"\"sack_permitted\":false}");
    }
}

/// Appends an option of a SYN and a comma, if it is there.
fn announce<const N: usize>(out: &mut Text, key: &[u8; N], value: Option<impl Into<u64>>) {
    if let Some(value) = value {
        out.field(key, value.into());
        out.put(b",");
    }
}

/// What became of the data.
fn transfer(out: &mut Text, tcp: &TcpFacts) {
    each(out, b",\"rto\":", tcp.rto, Text::seconds);
    let dup = |dir: Dir| Some(u64::from(tcp.duplicate_ack_num[dir])).filter(|n| *n > 0);
    each(
        out,
        b",\"duplicate_ack_num\":",
        PerDir { orig: dup(Dir::Orig), resp: dup(Dir::Resp) },
        Text::number,
    );
    let most = |dir: Dir| Some(tcp.max_bytes_in_flight[dir]).filter(|n| *n > 0);
    let flying = PerDir { orig: most(Dir::Orig), resp: most(Dir::Resp) };
    each(out, b",\"max_bytes_in_flight\":", flying, Text::number);
    each(out, b",\"window\":", tcp.last_window, |out, window| out.number(u64::from(window)));
    let troubled = |dir: Dir| Some(tcp.loss[dir]).filter(Loss::is_any);
    each(out, b",\"loss\":", PerDir { orig: troubled(Dir::Orig), resp: troubled(Dir::Resp) }, loss);
}

fn loss(out: &mut Text, loss: Loss) {
    let Loss {
        segments,
        largest_bytes,
        largest_delivered_bytes,
        unacked_bytes,
        gap_bytes,
        in_flight_bytes,
        sacked_bytes,
        skipped_bytes: _,
        unseen_bytes: _,
        vain_segments: _,
        duplicate_acks: _,
    } = loss;
    out.field(b"{\"segments\":", u64::from(segments));
    out.field(b",\"largest_bytes\":", u64::from(largest_bytes));
    out.field(b",\"largest_delivered_bytes\":", u64::from(largest_delivered_bytes));
    out.field(b",\"unacked_bytes\":", unacked_bytes);
    out.field(b",\"gap_bytes\":", gap_bytes);
    out.field(b",\"in_flight_bytes\":", in_flight_bytes);
    out.field(b",\"sacked_bytes\":", sacked_bytes);
    out.put(b"}");
}

/// How it ended, and when it stood still.
fn close(out: &mut Text, tcp: &TcpFacts) {
    if let Some(side) = tcp.closed_by() {
        out.put(b",\"closed_by\":");
        out.word(side.name());
    }
    each(out, b",\"first_fin\":", tcp.first_fin, |out, at: Moment| out.number(at.frame.number()));
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

fn reset(out: &mut Text, reset: Reset) {
    let Reset { from, at, ttl, to_syn, after_close, in_sequence, payload_bytes } = reset;
    out.put(b",\"reset\":{\"from\":");
    out.word(from.name());
    out.field(b",\"frame\":", at.frame.number());
    out.field(b",\"ttl\":", u64::from(ttl));
    for (key, holds) in [
        (&b",\"to_syn\":"[..], to_syn),
        (b",\"after_close\":", after_close),
        (b",\"in_sequence\":", in_sequence),
    ] {
        out.add(key);
        out.flag(holds);
    }
    if payload_bytes > 0 {
        out.field(b",\"payload_bytes\":", u64::from(payload_bytes));
    }
    out.put(b"}");
}

fn silence(out: &mut Text, silence: Silence) {
    let Silence { since, until, broken_by } = silence;
    out.put(b",\"longest_silence\":{\"seconds\":");
    out.seconds(until.time - since.time);
    out.field(b",\"since_frame\":", since.frame.number());
    out.field(b",\"until_frame\":", until.frame.number());
    out.put(b",\"broken_by\":");
    out.word(broken_by.name());
    out.put(b"}");
}

fn keep_alive(out: &mut Text, probes: KeepAlive) {
    let KeepAlive { count, first, last } = probes;
    out.field(b"{\"count\":", u64::from(count));
    if let (Some(first), Some(last)) = (first, last) {
        out.field(b",\"first_frame\":", first.frame.number());
        out.field(b",\"last_frame\":", last.frame.number());
        out.put(b",\"seconds\":");
        out.seconds(last.time - first.time);
    }
    out.put(b"}");
}

/// Appends `key` and an object with the sides that have a value, if there are any.
fn each<T, const N: usize>(
    out: &mut Text,
    key: &[u8; N],
    sides: PerDir<Option<T>>,
    write: impl Fn(&mut Text, T),
) {
    let PerDir { orig, resp } = sides;
    if orig.is_none() && resp.is_none() {
        return;
    }
    out.put(key);
    let first = orig.is_none();
    if let Some(value) = orig {
        out.put(b"{\"orig\":");
        write(out, value);
    }
    if let Some(value) = resp {
        out.put(if first { b"{\"resp\":" } else { b",\"resp\":" });
        write(out, value);
    }
    out.put(b"}");
}

/// Appends the keys up to the first value, and both; the bracket that closes them is the next key's.
#[inline]
fn sides<const N: usize>(out: &mut Text, key: &[u8; N], value: PerDir<u32>) {
    out.field(key, u64::from(value.orig));
    out.field(b",\"resp\":", u64::from(value.resp));
}

/// Pauses below it are ordinary.
const WORTH_TELLING: TimeDelta = TimeDelta::from_secs(1);
