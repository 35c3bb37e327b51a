//! What the join compares with each other, and secrets between the frames of a capture.

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use super::super::failures;
use super::super::frame::udp;
use super::super::journal;
use super::super::mixed::START;
use super::super::random::Random;
use super::super::talk::Talk;
use super::text::{BEGIN, REFUSED, file};
use super::wire;

/// Bytes of a frame: one of them fills a window of the reader.
const FRAME: usize = 3 << 19;
/// Secrets in front of each such frame.
const SECRETS: u64 = 100;

fn address(network: u32, number: u64) -> SocketAddr {
    SocketAddr::new(Ipv4Addr::from(network + number as u32).into(), 8443)
}

/// Refused calls to one Service of as many backends, and as many dials of others to addresses that nothing knows.
pub(super) fn backends(folder: &Path, count: u64, seed: u64) -> io::Result<String> {
    let (mut random, mut capture) = (Random::new(seed), wire::capture(folder)?);
    let mut dial = |number: u64, from: SocketAddr, to| {
        let at = START + number * 1_000_000_000 / (count + 1);
        let mut talk = Talk::new(from, to, at, &mut random);
        talk.refused();
        talk.frames.iter().try_for_each(|(at, frame)| capture.write(*at, frame))
    };
    // One of the calls, so that it is known where the caller dials from.
    dial(0, wire::client(0), address(0x0a80_0001, 0))?;
    for number in 0..count {
        dial(number + 1, address(0xac1d_0001, number), address(0x0ac8_0001, number))?;
    }
    capture.finish()?;
    let (mut log, mut line) = (file(folder, "kube-apiserver.log")?, Vec::new());
    for number in 0..count {
        journal::refusal(&mut line, BEGIN + number * 1_000_000 / count + 2_500, 0, 10, REFUSED)?;
    }
    log.write_all(&line)?;
    log.flush()?;
    let mut objects = file(folder, "services.json")?;
    objects.write_all(failures::services().as_bytes())?;
    objects.flush()?;
    let ips: Vec<String> =
        (0..count).map(|n| format!(r#"{{"ip":"{}"}}"#, address(0x0a80_0001, n).ip())).collect();
    let mut parts = super::super::tls::SERVERS[0].0.split('.');
    let (name, namespace) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let mut objects = file(folder, "endpoints.json")?;
    writeln!(
        objects,
        r#"{{"apiVersion":"v1","kind":"Endpoints","metadata":{{"name":"{name}","namespace":"{namespace}"}},"subsets":[{{"addresses":[{}],"ports":[{{"port":8443,"protocol":"TCP"}}]}}]}}"#,
        ips.join(",")
    )?;
    objects.flush()?;
    Ok(format!("{count} calls, backends and dials"))
}

/// Connections from one port that a client binds, and as many lines that name it.
pub(super) fn one_source(folder: &Path, count: u64, seed: u64) -> io::Result<String> {
    let (mut random, mut capture) = (Random::new(seed), wire::capture(folder)?);
    let mut log = file(folder, "kube-apiserver.log")?;
    let (from, to) = (wire::client(0), wire::server());
    let reason = format!("read tcp {from}->{to}: read: connection reset by peer");
    for number in 0..count {
        let mut talk = Talk::new(from, to, START + number * 10_000_000, &mut random);
        talk.refused();
        talk.frames.iter().try_for_each(|(at, frame)| capture.write(*at, frame))?;
        let mut line = Vec::new();
        journal::refusal(&mut line, BEGIN + number * 10_000 + 2_000, 0, 10, &reason)?;
        log.write_all(&line)?;
    }
    log.flush()?;
    capture.finish()?;
    Ok(format!("{count} calls and connections"))
}

/// Lookups of one name that nobody answers, and as many calls that needed it.
pub(super) fn one_name(folder: &Path, count: u64, _: u64) -> io::Result<String> {
    let mut capture = wire::capture(folder)?;
    let mut log = file(folder, "kube-apiserver.log")?;
    let (name, server) = (super::super::tls::SERVERS[0].0, SocketAddr::from(([10, 96, 0, 10], 53)));
    let labels = name.split('.').flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat());
    let asked = [labels.collect(), b"\0\0\x01\0\x01".to_vec()].concat();
    for number in 0..count {
        let client = wire::client(number);
        let query = [&(number as u16).to_be_bytes()[..], &[1, 0, 0, 1, 0, 0, 0, 0, 0, 0], &asked].concat();
        capture.write(START + number * 10_000_000, &udp(client, server, &query))?;
        let reason = format!("dial tcp: lookup {name} on {server}: read udp {client}->{server}: i/o timeout");
        let mut line = Vec::new();
        journal::refusal(&mut line, BEGIN + number * 10_000 + 5_000_000, 0, 10, &reason)?;
        log.write_all(&line)?;
    }
    log.flush()?;
    capture.finish()?;
    Ok(format!("{count} calls and lookups"))
}

/// A pcapng file with secrets in front of each of its large frames.
pub(super) fn secrets(folder: &Path, count: u64, seed: u64) -> io::Result<String> {
    let mut random = Random::new(seed);
    let mut out = file(folder, "cp-1-eth0.pcapng")?;
    // Section header and interface description: version 1.0, length unknown; Ethernet, no snap length.
    block(&mut out, 0x0a0d_0d0a, &[&0x1a2b_3c4d_u32.to_le_bytes()[..], &[1, 0, 0, 0], &[0xff; 8]].concat())?;
    block(&mut out, 1, &[1, 0, 0, 0, 0, 0, 0, 0])?;
    let frame = vec![0; FRAME];
    for number in 0..count {
        let mut keys = Vec::new();
        for _ in 0..SECRETS {
            let mut words = || [(); 4].map(|()| format!("{:016x}", random.next())).concat();
            writeln!(keys, "CLIENT_TRAFFIC_SECRET_0 {} {}", words(), words())?;
        }
        let length = keys.len() as u32;
        keys.resize(keys.len().next_multiple_of(4), 0);
        block(&mut out, 10, &[b"KSLT", &length.to_le_bytes()[..], &keys].concat())?;
        let micros = (START + number * 1_000_000) / 1000;
        let head = [0, (micros >> 32) as u32, micros as u32, FRAME as u32, FRAME as u32];
        let head: Vec<u8> = head.iter().flat_map(|word| word.to_le_bytes()).collect();
        block(&mut out, 6, &[&head, &frame[..]].concat())?;
    }
    out.flush()?;
    Ok(format!("{} secrets in {count} blocks", count * SECRETS))
}

/// A block of a pcapng file; the body is padded.
fn block(out: &mut impl Write, kind: u32, body: &[u8]) -> io::Result<()> {
    let length = (12 + body.len() as u32).to_le_bytes();
    [&kind.to_le_bytes(), &length, body, &length].into_iter().try_for_each(|part| out.write_all(part))
}
