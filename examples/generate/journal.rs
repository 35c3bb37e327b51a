//! An API server's journal as `journalctl -o short` prints it: one line in so many is a failure in one of ten texts.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::random::Random;
use super::tls::SERVERS;

/// The ten texts; benches/failure-texts.txt holds for each what `rg` searches, short enough for its fast search.
const TEXTS: [&str; 10] = [
    "connect: connection refused",
    "connect: no route to host",
    "i/o timeout",
    "net/http: TLS handshake timeout",
    "context deadline exceeded",
    "remote error: tls: handshake failure",
    "x509: certificate signed by unknown authority",
    "x509: certificate has expired or is not yet valid",
    "read: connection reset by peer",
    "no such host",
];

/// The first line: 2026-11-21 02:00:00, in µs after midnight.
const START: u64 = 7_200_000_000;

/// One line in twenty, about the share in the recorded minutes of incidents (425 of 9,759 lines in the bundles that the
/// samples were taken from). A journal of days has far fewer, one in a thousand and less.
pub(crate) const ONE_IN: u64 = 20;

/// Writes a journal of about `bytes` with a failure in one line of `one_in`, and gives a summary of it.
pub(crate) fn write(path: &Path, bytes: u64, one_in: u64, seed: u64) -> io::Result<String> {
    let mut random = Random::new(seed);
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    let (mut written, mut lines, mut failures, mut now) = (0, 0_u64, 0_u64, START);
    let mut line = Vec::new();
    while written < bytes {
        line.clear();
        now += random.below(8_000);
        if random.once_in(one_in) {
            let text = TEXTS[random.below(TEXTS.len() as u64) as usize];
            failure(&mut line, now, text, &mut random)?;
            failures += 1;
        } else {
            healthy(&mut line, now, &mut random)?;
        }
        out.write_all(&line)?;
        written += line.len() as u64;
        lines += 1;
    }
    out.flush()?;
    Ok(format!("{lines} lines, {failures} failures, {written} bytes"))
}

/// `Nov 21 02:24:47 cp-1 kube-apiserver[28800]: W1121 02:24:47.529354   28800 `, with the stamp that klog has.
pub(crate) fn head(out: &mut Vec<u8>, level: char, micros: u64) -> io::Result<()> {
    let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
    let day = 21 + seconds / 86_400;
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    write!(out, "Nov {day} {hour:02}:{minute:02}:{second:02} cp-1 kube-apiserver[28800]: ")?;
    write!(out, "{level}11{day} {hour:02}:{minute:02}:{second:02}.{fraction:06}   28800 ")
}

fn failure(out: &mut Vec<u8>, now: u64, text: &str, random: &mut Random) -> io::Result<()> {
    let service = random.below(SERVERS.len() as u64) as usize;
    let cause = match text {
        "connect: connection refused" | "connect: no route to host" | "i/o timeout" => {
            format!("dial tcp 10.96.12.{}:443: {text}", 10 + service)
        }
        "read: connection reset by peer" => {
            format!(
                "read tcp 172.28.0.2:{}->10.96.12.{}:443: {text}",
                random.between(32768, 60999),
                10 + service
            )
        }
        "no such host" => format!("dial tcp: lookup {} on 10.96.0.10:53: {text}", SERVERS[service].0),
        "x509: certificate signed by unknown authority"
        | "x509: certificate has expired or is not yet valid" => {
            format!("tls: failed to verify certificate: {text}")
        }
        _ => text.to_owned(),
    };
    refusal(out, now, service, 10, &cause)
}

/// The dispatcher's line about a call that failed for `cause`.
pub(crate) fn refusal(
    out: &mut Vec<u8>,
    now: u64,
    service: usize,
    timeout: u64,
    cause: &str,
) -> io::Result<()> {
    let host = SERVERS[service].0;
    let hook = host.split('.').next().unwrap_or(host);
    head(out, 'W', now)?;
    write!(out, "dispatcher.go:217] Failed calling webhook, failing closed {hook}.example.com: ")?;
    write!(out, "failed calling webhook \"{hook}.example.com\": failed to call webhook: ")?;
    writeln!(out, "Post \"https://{host}:443/validate?timeout={timeout}s\": {cause}")
}

fn healthy(out: &mut Vec<u8>, now: u64, random: &mut Random) -> io::Result<()> {
    let n = random.below(10_000);
    head(out, 'I', now)?;
    match random.below(6) {
        0 | 1 => http_line(out, n, random),
        2 => writeln!(
            out,
            "trace.go:219] Trace[{}]: \"Update\" accept:application/vnd.kubernetes.protobuf,application/json,\
             audit-id:{:08x}-7c1d,client:10.0.12.{},api-group:coordination.k8s.io,name:node-{n},\
             subresource:,namespace:kube-node-lease,verb:PUT (total time: {}ms):",
            random.below(1 << 31),
            random.below(1 << 32),
            n % 250,
            500 + n % 900,
        ),
        3 => writeln!(
            out,
            "alloc.go:330] \"allocated clusterIPs\" service=\"team-{}/svc-{n}\" clusterIPs={{\"IPv4\":\"10.96.{}.{}\"}}",
            n % 97,
            n % 256,
            n % 251,
        ),
        4 => writeln!(
            out,
            "controller.go:667] quota admission added evaluator for: endpointslices.discovery.k8s.io (pass {n} of cacher)"
        ),
        _ => writeln!(
            out,
            "cacher.go:460] cacher (pods): 1 objects queued in incoming channel, resource version {}",
            48_000_000 + n
        ),
    }
}

fn http_line(out: &mut Vec<u8>, n: u64, random: &mut Random) -> io::Result<()> {
    let verb = ["GET", "LIST", "WATCH", "PATCH"][(n % 4) as usize];
    writeln!(
        out,
        "httplog.go:134] \"HTTP\" verb=\"{verb}\" URI=\"/api/v1/namespaces/team-{}/pods/web-{n}?timeout=10s\" \
         latency=\"{}.{:03}ms\" userAgent=\"kubelet/v1.36.2 (linux/amd64) kubernetes/3f7d\" audit-ID=\"{:08x}-40fb\" \
         srcIP=\"10.0.12.{}:{}\" apf_pl=\"system\" apf_fs=\"system-nodes\" resp=200",
        n % 97,
        n % 40,
        random.below(1000),
        random.below(1 << 32),
        n % 250,
        random.between(32768, 60999),
    )
}
