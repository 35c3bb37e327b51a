//! The mixed capture: most connections short TLS, beside them refused and unanswered SYNs, probes, plain HTTP, and a few
//! long connections that carry much. 980 MB of it hold about 2.9 million packets in 245,000 flows with 102,805 hellos.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use super::frame::{Capture, icmp_unreachable};
use super::random::Random;
use super::talk::{Side, Talk};
use super::tls::{self, Client, SERVERS};

/// Flows of the reference capture by kind; the proportions hold for any size.
const KINDS: [(Kind, u64); 6] = [
    (Kind::Tls, 102_805),
    (Kind::Refused, 46_000),
    (Kind::Unanswered, 30_000),
    (Kind::Probe, 49_000),
    (Kind::PlainHttp, 17_000),
    (Kind::Long, 195),
];

/// Bytes of the reference capture.
const REFERENCE_BYTES: u64 = 980_000_000;

/// The first packet: 2026-11-21 02:00:00 UTC, in ns after 1970.
pub(crate) const START: u64 = 1_795_226_400_000_000_000;

/// One flow begins every so many ns.
const EVERY: u64 = 2_400_000;

#[derive(Clone, Copy)]
enum Kind {
    Tls,
    Refused,
    Unanswered,
    Probe,
    PlainHttp,
    Long,
}

/// Writes a capture of about `bytes` and gives a summary of it.
pub(crate) fn write(path: &Path, bytes: u64, seed: u64) -> io::Result<String> {
    let mut random = Random::new(seed);
    let mut order = shuffled(bytes, &mut random);
    let mut capture = Capture::create(path)?;
    let mut live = Live::default();
    let (mut flows, mut start) = (0, START);
    while let Some(kind) = order.pop() {
        live.write_until(start, &mut capture, &mut random)?;
        live.add(begin(kind, flows, start, &mut random));
        flows += 1;
        start += EVERY / 2 + random.below(EVERY);
    }
    live.write_until(u64::MAX, &mut capture, &mut random)?;
    let summary = format!("{flows} flows, {} packets, {} bytes", capture.frames, capture.bytes);
    capture.finish()?;
    Ok(summary)
}

/// The kinds of all flows in the order in which they begin; long ones begin in the first half.
fn shuffled(bytes: u64, random: &mut Random) -> Vec<Kind> {
    let mut order = Vec::new();
    for (kind, count) in KINDS {
        let count = (u128::from(count) * u128::from(bytes) / u128::from(REFERENCE_BYTES)).max(1);
        order.extend((0..count).map(|_| kind));
    }
    for last in (1..order.len()).rev() {
        order.swap(last, random.below(last as u64 + 1) as usize);
    }
    order
}

/// Flows that still have frames to come.
#[derive(Default)]
struct Live {
    next: BinaryHeap<Reverse<(u64, u64, usize)>>,
    flows: Vec<Option<Flow>>,
    free: Vec<usize>,
    added: u64,
}

/// The frames of a flow that are ready, and how many exchanges a long one still has.
struct Flow {
    talk: Talk,
    written: usize,
    exchanges: u32,
    number: u64,
}

impl Live {
    fn add(&mut self, mut flow: Flow) {
        let Some(&(first, _)) = flow.talk.frames.first() else { return };
        flow.number = self.added;
        self.added += 1;
        let slot = self.free.pop().unwrap_or_else(|| {
            self.flows.push(None);
            self.flows.len() - 1
        });
        self.next.push(Reverse((first, flow.number, slot)));
        self.flows[slot] = Some(flow);
    }

    fn write_until(&mut self, end: u64, capture: &mut Capture, random: &mut Random) -> io::Result<()> {
        while let Some(&Reverse((time, number, slot))) = self.next.peek()
            && time < end
        {
            self.next.pop();
            let Some(flow) = self.flows[slot].as_mut() else { continue };
            capture.write(time, &flow.talk.frames[flow.written].1)?;
            flow.written += 1;
            if flow.written == flow.talk.frames.len() {
                flow.refill(random);
            }
            if let Some(&(then, _)) = flow.talk.frames.get(flow.written) {
                self.next.push(Reverse((then, number, slot)));
            } else {
                self.flows[slot] = None;
                self.free.push(slot);
            }
        }
        Ok(())
    }
}

impl Flow {
    /// Plays the next exchange of a long connection, or its end.
    fn refill(&mut self, random: &mut Random) {
        self.talk.frames.clear();
        self.written = 0;
        if self.exchanges == 0 {
            return;
        }
        self.exchanges -= 1;
        self.talk.wait(random.between(10_000_000, 400_000_000));
        if self.exchanges == 0 {
            self.talk.close(Side::Client);
            return;
        }
        let request = tls::noise(23, random.between(120, 700) as usize, random);
        self.talk.say(Side::Client, &request, random);
        self.talk.wait(random.between(300_000, 6_000_000));
        let length = random.between(100, 1500) as usize;
        let response = tls::noise(23, if random.once_in(12) { 12_000 + length } else { length }, random);
        self.talk.say(Side::Server, &response, random);
    }
}

/// The flow's first frames: all of it, unless it is a long one.
fn begin(kind: Kind, number: u64, start: u64, random: &mut Random) -> Flow {
    let server = random.below(SERVERS.len() as u64) as usize;
    let (from, to) = ends(kind, number, server, random);
    let mut talk = Talk::new(from, to, start, random);
    let mut exchanges = 0;
    match kind {
        Kind::Tls => short_tls(&mut talk, server, random),
        Kind::Refused if random.once_in(50) => rejected(&mut talk),
        Kind::Refused => talk.refused(),
        Kind::Unanswered => talk.knock(random.between(3, 7) as u32),
        Kind::Probe => {
            talk.open();
            talk.wait(50_000);
            talk.close(Side::Client);
        }
        Kind::PlainHttp => plain_http(&mut talk, random),
        Kind::Long => {
            talk.open();
            handshake(&mut talk, server, Client::Go, true, random);
            exchanges = random.between(150, 450) as u32;
        }
    }
    Flow { talk, written: 0, exchanges, number: 0 }
}

/// Sixteen clients, four hundred pods; one TLS connection in twenty over IPv6.
fn ends(kind: Kind, number: u64, server: usize, random: &mut Random) -> (SocketAddr, SocketAddr) {
    let port = 32_768 + (number / 16 % 28_000) as u16;
    let (client, pod) = ((number % 16) as u8, random.below(50) as u8);
    let target = match kind {
        Kind::Probe => 8080,
        Kind::PlainHttp => 80,
        _ => 8443,
    };
    let (from, to): (IpAddr, IpAddr) = if matches!(kind, Kind::Tls) && random.once_in(20) {
        let net =
            |host: u16, side: u16| Ipv6Addr::new(0xfd00, 0x10, side, 0, 0, 0, server as u16, host).into();
        (net(u16::from(client), 1), net(u16::from(pod), 2))
    } else {
        (Ipv4Addr::new(172, 28, 0, 10 + client).into(), Ipv4Addr::new(10, 244, server as u8, 10 + pod).into())
    };
    (SocketAddr::new(from, port), SocketAddr::new(to, target))
}

fn short_tls(talk: &mut Talk, server: usize, random: &mut Random) {
    let client = match random.below(10) {
        0 => Client::OlderGo,
        1 => Client::OpenSsl,
        _ => Client::Go,
    };
    talk.open();
    match random.below(100) {
        0 => {
            talk.say(Side::Client, &tls::client_hello(client, SERVERS[server].0, random), random);
            talk.say(Side::Server, &tls::alert(40), random);
            talk.close(Side::Server);
        }
        1 => {
            talk.say(Side::Client, &tls::client_hello(client, SERVERS[server].0, random), random);
            talk.wait(10_000_000_000);
            talk.close(Side::Client);
        }
        2 => {
            talk.say(Side::Client, &tls::client_hello(client, SERVERS[server].0, random), random);
            talk.reset(Side::Server);
        }
        _ => {
            handshake(talk, server, client, random.once_in(2), random);
            one_call(talk, random);
        }
    }
}

/// Hello to Finished, in TLS 1.3 or 1.2.
fn handshake(talk: &mut Talk, server: usize, client: Client, tls13: bool, random: &mut Random) {
    let (name, certificate) = SERVERS[server];
    talk.wait(80_000);
    talk.say(Side::Client, &tls::client_hello(client, name, random), random);
    talk.wait(random.between(300_000, 3_000_000));
    if tls13 {
        let flight = tls::server_flight_13(client, random);
        lossy(talk, &flight, random);
        talk.wait(400_000);
        talk.say(Side::Client, &tls::client_finish_13(random), random);
    } else {
        let flight = tls::server_flight_12(certificate, random);
        lossy(talk, &flight, random);
        talk.wait(400_000);
        talk.mention(Side::Client, &tls::client_finish_12(random));
        talk.mention(Side::Server, &tls::server_finish_12(random));
    }
}

fn lossy(talk: &mut Talk, flight: &[u8], random: &mut Random) {
    if random.once_in(300) {
        talk.say_with_loss(Side::Server, flight);
    } else {
        talk.say(Side::Server, flight, random);
    }
}

/// One request, its answer, close_notify and FIN.
fn one_call(talk: &mut Talk, random: &mut Random) {
    talk.mention(Side::Client, &tls::noise(23, random.between(300, 1200) as usize, random));
    talk.wait(random.between(500_000, 20_000_000));
    talk.say(Side::Server, &tls::noise(23, random.between(200, 3000) as usize, random), random);
    talk.wait(random.between(100_000, 1_000_000));
    talk.mention(Side::Client, &tls::noise(23, 19, random));
    talk.close(Side::Client);
}

/// A SYN that a firewall answers with ICMP port unreachable.
fn rejected(talk: &mut Talk) {
    talk.knock(0);
    let Some((at, syn)) = talk.frames.first().cloned() else { return };
    let client = IpAddr::from([syn[26], syn[27], syn[28], syn[29]]);
    talk.frames.push((at + 300_000, icmp_unreachable(Ipv4Addr::new(172, 28, 0, 3).into(), client, 3, &syn)));
}

fn plain_http(talk: &mut Talk, random: &mut Random) {
    talk.open();
    talk.say(
        Side::Client,
        b"GET /healthz HTTP/1.1\r\nHost: 10.244.0.10\r\nUser-Agent: kube-probe/1.36\r\n\r\n",
        random,
    );
    talk.wait(random.between(200_000, 2_000_000));
    talk.say(Side::Server, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok", random);
    talk.close(Side::Server);
}
