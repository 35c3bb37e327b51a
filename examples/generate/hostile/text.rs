//! Logs, objects and host state that try what is compared with what.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::super::failures;
use super::super::journal;
use super::super::mixed::START;
use super::super::random::Random;
use super::super::talk::{Side, Talk};
use super::wire;

/// The time that [`START`] is, in µs after midnight as [`journal::head`] takes it.
pub(super) const BEGIN: u64 = 7_200_000_000;
pub(super) const REFUSED: &str = "dial tcp 10.96.12.10:443: connect: connection refused";

pub(super) fn file(folder: &Path, name: &str) -> io::Result<BufWriter<File>> {
    fs::create_dir_all(folder)?;
    Ok(BufWriter::with_capacity(1 << 20, File::create(folder.join(name))?))
}

fn write(folder: &Path, name: &str, text: &[u8]) -> io::Result<String> {
    file(folder, name)?.write_all(text)?;
    Ok(format!("{} bytes", text.len()))
}

/// One failed call, about 10.96.12.10, so that what is asked of an address is asked.
pub(super) fn one_failure(folder: &Path) -> io::Result<()> {
    let mut line = Vec::new();
    journal::refusal(&mut line, BEGIN + 1_000_000, 0, 10, REFUSED)?;
    write(folder, "kube-apiserver.log", &line).map(drop)
}

/// Refused calls to one service in one second, each of them in the log and on the wire.
pub(super) fn equal_failures(folder: &Path, count: u64, seed: u64) -> io::Result<String> {
    let (mut random, mut capture) = (Random::new(seed), wire::capture(folder)?);
    let mut log = file(folder, "kube-apiserver.log")?;
    for number in 0..count {
        let after = number * 1_000_000_000 / count;
        let mut talk = Talk::new(wire::client(number), wire::server(), START + after, &mut random);
        talk.refused();
        for (at, frame) in &talk.frames {
            capture.write(*at, frame)?;
        }
        let mut line = Vec::new();
        journal::refusal(&mut line, BEGIN + after / 1000 + 2_500, 0, 10, REFUSED)?;
        log.write_all(&line)?;
    }
    capture.finish()?;
    log.flush()?;
    write(folder, "services.json", failures::services().as_bytes())?;
    write(folder, "endpoints.json", failures::endpoints().as_bytes())?;
    Ok(format!("{count} failures"))
}

/// A log of nothing but failures, each of another call.
pub(super) fn distinct_failures(folder: &Path, count: u64, _: u64) -> io::Result<String> {
    let mut log = file(folder, "kube-apiserver.log")?;
    let mut line = Vec::new();
    for number in 0..count {
        line.clear();
        journal::head(&mut line, 'W', BEGIN + number * 10_000)?;
        let (high, low) = (number / 250 % 250, number % 250);
        writeln!(
            line,
            "dispatcher.go:217] Failed calling webhook, failing closed w{number}.example.com: failed calling webhook \
             \"w{number}.example.com\": failed to call webhook: Post \"https://svc-{number}.ns.svc:443/v?timeout=10s\": \
             dial tcp 10.96.{high}.{low}:443: connect: connection refused"
        )?;
        log.write_all(&line)?;
    }
    log.flush()?;
    Ok(format!("{count} failures"))
}

/// One line of so many bytes, of beginnings of what patterns look for.
pub(super) fn long_line(folder: &Path, bytes: u64, _: u64) -> io::Result<String> {
    const PARTS: [&str; 8] = [
        "failed calling webhook \"",
        "Post \"https://a.ns.svc:443/v?timeout=10s\": ",
        "dial tcp 10.96.12.10:443: ",
        "read tcp 172.28.0.2:40000->10.96.12.10:443: ",
        "context deadline exceeded ",
        "x509: certificate ",
        "err=\"\\\"",
        "connection refused (",
    ];
    let mut text = Vec::new();
    journal::head(&mut text, 'W', BEGIN)?;
    for part in PARTS.iter().cycle() {
        if text.len() as u64 > bytes {
            break;
        }
        text.extend(part.bytes());
    }
    text.push(b'\n');
    write(folder, "kube-apiserver.log", &text)
}

/// Lines that are envelopes in envelopes, so many bytes of them in one line, and a failure in the last.
pub(super) fn envelopes(folder: &Path, bytes: u64, _: u64) -> io::Result<String> {
    let mut text = Vec::new();
    while (text.len() as u64) < bytes {
        journal::head(&mut text, 'W', BEGIN)?;
        text.extend(b"a.go:1] ");
    }
    text.extend(REFUSED.bytes());
    text.push(b'\n');
    write(folder, "kube-apiserver.log", &text)
}

/// Lines that go on what stood above them, each with a failure in it.
pub(super) fn continuations(folder: &Path, count: u64, _: u64) -> io::Result<String> {
    let mut text = Vec::new();
    journal::refusal(&mut text, BEGIN, 0, 10, REFUSED)?;
    for number in 0..count {
        writeln!(text, "\tgoroutine {number}: {REFUSED}")?;
    }
    write(folder, "kube-apiserver.log", &text)
}

fn object(number: u64, kind: &str, rest: &str) -> String {
    format!(
        r#"{{"apiVersion":"v1","kind":"{kind}","metadata":{{"name":"n{number}","namespace":"a"}},{rest}}}"#
    )
}

/// Services, endpoints and pods that all have the same addresses.
pub(super) fn objects(folder: &Path, count: u64, _: u64) -> io::Result<String> {
    let mut text = String::from("{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[");
    for number in 0..count {
        let (kind, rest) = match number % 3 {
            0 => {
                ("Service", r#""spec":{"clusterIP":"10.96.12.10","ports":[{"port":443,"targetPort":8443}]}"#)
            }
            1 => ("Endpoints", r#""subsets":[{"addresses":[{"ip":"10.244.0.10"}],"ports":[{"port":8443}]}]"#),
            _ => ("Pod", r#""status":{"podIP":"10.244.0.10","podIPs":[{"ip":"10.244.0.10"}]}"#),
        };
        let comma = if number == 0 { "" } else { ",\n" };
        let _ = write!(text, "{comma}{}", object(number / 3, kind, rest));
    }
    text.push_str("]}\n");
    one_failure(folder)?;
    write(folder, "objects.json", text.as_bytes())
}

/// The same as documents of YAML, one after another.
pub(super) fn documents(folder: &Path, count: u64, _: u64) -> io::Result<String> {
    let mut text = String::new();
    for number in 0..count {
        let _ = write!(
            text,
            "---\napiVersion: v1\nkind: Service\nmetadata:\n  name: n{number}\n  namespace: a\n  labels: {{a: b, c: d}}\n\
             spec:\n  clusterIP: 10.96.12.10\n  ports:\n  - port: 443\n    targetPort: 8443\n"
        );
    }
    one_failure(folder)?;
    write(folder, "objects.yaml", text.as_bytes())
}

/// Secrets of sessions that no capture has, beside one session.
pub(super) fn key_log(folder: &Path, count: u64, seed: u64) -> io::Result<String> {
    wire::server_names(folder, 1, seed)?;
    let mut random = Random::new(seed);
    let mut keys = file(folder, "keys.txt")?;
    for _ in 0..count {
        let mut word = || format!("{:016x}", random.next());
        let session: String = (0..4).map(|_| word()).collect();
        let secret: String = (0..4).map(|_| word()).collect();
        writeln!(keys, "CLIENT_TRAFFIC_SECRET_0 {session} {secret}")?;
    }
    keys.flush()?;
    Ok(format!("{count} secrets"))
}

/// Logs of one line each, in one tar archive.
pub(super) fn tiny_files(folder: &Path, count: u64, _: u64) -> io::Result<String> {
    let mut tar = file(folder, "bundle.tar")?;
    for number in 0..count {
        let mut line = Vec::new();
        journal::head(&mut line, 'I', BEGIN + number)?;
        writeln!(line, "cacher.go:460] cacher (pods): 1 objects queued, resource version {number}")?;
        tar.write_all(&tar_header(&format!("{}/{number}.txt", number / 1000), line.len()))?;
        line.resize(512, 0);
        tar.write_all(&line)?;
    }
    tar.write_all(&[0; 1024])?;
    tar.flush()?;
    Ok(format!("{count} files"))
}

/// Calls to one webhook within a tenth of a second, and as many traces of such calls.
pub(super) fn traces(folder: &Path, count: u64, _: u64) -> io::Result<String> {
    let mut log = file(folder, "kube-apiserver.log")?;
    let mut line = Vec::new();
    for number in 0..count {
        line.clear();
        let at = BEGIN + number * 90_000 / count;
        journal::refusal(&mut line, at, 0, 10, REFUSED)?;
        journal::head(&mut line, 'I', at)?;
        writeln!(
            line,
            "trace.go:236] Trace[{number}]: \"Call validating webhook\" configuration:c,webhook:policy-webhook.example.com,\
             resource:/v1, Resource=pods (21-Nov-2026 02:00:00.000) (total time: 1ms):"
        )?;
        log.write_all(&line)?;
    }
    log.flush()?;
    Ok(format!("{count} calls and traces"))
}

/// One failure again and again, in a log that tells no zone and in one that does: each may be the copy of each.
pub(super) fn zones(folder: &Path, count: u64, _: u64) -> io::Result<String> {
    let mut own = file(folder, "controller.log")?;
    let mut sure = file(folder, "kube-apiserver.log")?;
    for number in 0..count {
        let second = number * 30;
        let clock = format!("{:02}:{:02}:{:02}", second / 3600 % 24, second / 60 % 60, second % 60);
        let line = format!("1121 {clock}.000001       7 a.go:1] {REFUSED}");
        writeln!(own, "W{line}")?;
        writeln!(sure, "2026-11-21T{clock}.000001000Z stderr F W{line}")?;
    }
    own.flush()?;
    sure.flush()?;
    Ok(format!("{count} failures in each of two logs"))
}

/// The header of a file (POSIX.1-1988 ustar).
fn tar_header(name: &str, size: usize) -> [u8; 512] {
    let mut header = [0; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
    header[148..156].fill(b' ');
    header[156] = b'0';
    header[257..263].copy_from_slice(b"ustar\0");
    let sum: u32 = header.iter().map(|b| u32::from(*b)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    header
}

/// Translations of one address, the same ports again and again.
pub(super) fn conntrack(folder: &Path, count: u64, seed: u64) -> io::Result<String> {
    let (mut random, mut capture) = (Random::new(seed), wire::capture(folder)?);
    let mut talk = Talk::new(wire::client(0), wire::server(), START, &mut random);
    talk.open();
    talk.reset(Side::Server);
    for (at, frame) in &talk.frames {
        capture.write(*at, frame)?;
    }
    capture.finish()?;
    one_failure(folder)?;
    let mut table = file(folder, "conntrack.txt")?;
    for number in 0..count {
        let (port, pod) = (wire::client(number).port(), number / 7 % 250);
        writeln!(
            table,
            "tcp      6 86399 ESTABLISHED src=172.28.0.2 dst=10.96.12.10 sport={port} dport=443 \
             src=10.244.0.{pod} dst=172.28.0.2 sport=8443 dport={port} [ASSURED] mark=0 use=1"
        )?;
    }
    table.flush()?;
    Ok(format!("{count} translations"))
}

/// A rule for each of many services, each through a chain to a pod, and one chain after another without end.
pub(super) fn iptables(folder: &Path, count: u64, _: u64) -> io::Result<String> {
    one_failure(folder)?;
    let mut rules = file(folder, "iptables-save.txt")?;
    writeln!(
        rules,
        "*nat\n:PREROUTING ACCEPT [0:0]\n:KUBE-SERVICES - [0:0]\n-A PREROUTING -j KUBE-SERVICES"
    )?;
    for number in 0..count {
        let (high, low) = (number / 250 % 250, number % 250);
        writeln!(rules, ":KUBE-SVC-{number} - [0:0]\n:KUBE-SEP-{number} - [0:0]")?;
        writeln!(
            rules,
            "-A KUBE-SERVICES -d 10.96.{high}.{low}/32 -p tcp -m tcp --dport 443 -j KUBE-SVC-{number}"
        )?;
        writeln!(
            rules,
            "-A KUBE-SVC-{number} -j KUBE-SEP-{number}\n-A KUBE-SVC-{number} -j KUBE-SVC-{}",
            number + 1
        )?;
        writeln!(
            rules,
            "-A KUBE-SEP-{number} -p tcp -m tcp -j DNAT --to-destination 10.244.{high}.{low}:8443"
        )?;
    }
    writeln!(rules, "COMMIT")?;
    rules.flush()?;
    Ok(format!("{count} services"))
}
