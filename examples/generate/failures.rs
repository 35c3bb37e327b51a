//! A bundle to measure the join with: many failures in the log against ten times as many flows in the capture.

use std::fs;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use super::frame::Capture;
use super::journal;
use super::mixed::START;
use super::random::Random;
use super::talk::{Side, Talk};
use super::tls::SERVERS;

/// Flows for each failure: the refused one and nine healthy probes.
const FLOWS: u64 = 10;

/// Between failures, in ns.
const EVERY: u64 = 10_000_000;

/// Writes `failures` refused calls and what surrounds them to the folder `path`, and gives a summary.
pub(crate) fn write(path: &Path, failures: u64, seed: u64) -> io::Result<String> {
    for folder in ["logs", "pcap", "cluster"] {
        fs::create_dir_all(path.join(folder))?;
    }
    let mut random = Random::new(seed);
    let mut log = io::BufWriter::new(fs::File::create(path.join("logs/journalctl-kube-apiserver.cp-1.log"))?);
    let mut capture = Capture::create(&path.join("pcap/cp-1-eth0.pcap"))?;
    for number in 0..failures {
        let start = START + number * EVERY;
        let service = random.below(SERVERS.len() as u64) as usize;
        let mut frames = Vec::new();
        for flow in 0..FLOWS {
            let at = start + flow * EVERY / FLOWS;
            let mut talk = Talk::new(client(number * FLOWS + flow), pod(service, flow), at, &mut random);
            if flow == 0 {
                talk.refused();
            } else {
                talk.open();
                talk.close(Side::Client);
            }
            frames.append(&mut talk.frames);
        }
        frames.sort_by_key(|(at, _)| *at);
        for (at, frame) in frames {
            capture.write(at, &frame)?;
        }
        let mut line = Vec::new();
        let cause = format!("dial tcp 10.96.12.{}:443: connect: connection refused", 10 + service);
        journal::refusal(&mut line, micros(start) + 2_500, service, 10, &cause)?;
        log.write_all(&line)?;
    }
    log.flush()?;
    fs::write(path.join("cluster/services.json"), services())?;
    fs::write(path.join("cluster/endpoints.json"), endpoints())?;
    let summary = format!("{failures} failures, {} packets", capture.frames);
    capture.finish()?;
    Ok(summary)
}

/// Microseconds after midnight of the day that [`START`] is in.
fn micros(at: u64) -> u64 {
    (at - START) / 1000 + 7_200_000_000
}

fn client(flow: u64) -> SocketAddr {
    let host = Ipv4Addr::new(172, 28, (flow / 28_000 % 250) as u8, 2);
    SocketAddr::new(host.into(), 32_768 + (flow % 28_000) as u16)
}

/// Refused calls go to the pod of the service, probes to its neighbours.
fn pod(service: usize, flow: u64) -> SocketAddr {
    SocketAddr::new(Ipv4Addr::new(10, 244, service as u8, 10 + flow as u8).into(), 8443)
}

pub(crate) fn services() -> String {
    objects("ServiceList", |service, namespace, name| {
        format!(
            r#"{{"apiVersion":"v1","kind":"Service","metadata":{{"name":"{name}","namespace":"{namespace}"}},"spec":{{"clusterIP":"10.96.12.{}","ports":[{{"port":443,"protocol":"TCP","targetPort":8443}}]}}}}"#,
            10 + service
        )
    })
}

pub(crate) fn endpoints() -> String {
    objects("EndpointsList", |service, namespace, name| {
        format!(
            r#"{{"apiVersion":"v1","kind":"Endpoints","metadata":{{"name":"{name}","namespace":"{namespace}"}},"subsets":[{{"addresses":[{{"ip":"10.244.{service}.10"}}],"ports":[{{"port":8443,"protocol":"TCP"}}]}}]}}"#
        )
    })
}

fn objects(kind: &str, one: impl Fn(usize, &str, &str) -> String) -> String {
    let items: Vec<_> = SERVERS
        .iter()
        .enumerate()
        .map(|(service, (host, _))| {
            let mut parts = host.split('.');
            let name = parts.next().unwrap_or_default();
            one(service, parts.next().unwrap_or_default(), name)
        })
        .collect();
    format!("{{\"apiVersion\":\"v1\",\"kind\":\"{kind}\",\"items\":[{}]}}\n", items.join(","))
}
