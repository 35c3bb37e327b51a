//! Steps in, frames out: keeps both sides' numbers of every flow at every capture point.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::read::{Options, Step, What};
use super::wire::{self, Segment};
use super::{Story, message};
use crate::flow::{Dir, PerDir};
use crate::time::TimeDelta;

/// Plays all steps.
pub(super) fn play(steps: &[Step]) -> Story {
    let mut scene = Scene::new(steps);
    for step in steps {
        scene.step(step);
    }
    scene.finish()
}

/// What a flow has sent so far, as seen at one capture point.
#[derive(Clone, Debug)]
struct Side {
    orig: SocketAddr,
    resp: SocketAddr,
    next: PerDir<u32>,
    /// Last acknowledgment of each side.
    acked: PerDir<u32>,
    /// First segment of each side's last data: where it stands and what it holds.
    data: PerDir<Option<(u32, Vec<u8>)>>,
    /// IP packet sent last by each side.
    last: PerDir<Vec<u8>>,
    random: u8,
}

struct Scene {
    story: Story,
    captures: Vec<String>,
    capture: String,
    flow: String,
    sides: BTreeMap<(String, String), Side>,
    ends: BTreeMap<String, (SocketAddr, SocketAddr)>,
    ttl: PerDir<u8>,
    vni: Option<u32>,
    alone: bool,
    /// Each packet is captured twice; the number that tells IP packets apart.
    twice: Option<u16>,
    log: Option<TimeDelta>,
    last: TimeDelta,
    first: TimeDelta,
}

impl Scene {
    fn new(steps: &[Step]) -> Self {
        let named =
            steps.iter().find_map(|s| if let Step::Capture(name) = s { Some(name.clone()) } else { None });
        let capture = named.unwrap_or_else(|| "capture".to_owned());
        Self {
            story: Story::default(),
            captures: Vec::new(),
            capture,
            flow: "call".to_owned(),
            sides: BTreeMap::new(),
            ends: BTreeMap::new(),
            ttl: PerDir { orig: 64, resp: 64 },
            vni: None,
            alone: false,
            twice: None,
            log: None,
            last: TimeDelta(0),
            first: TimeDelta(0),
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Flow { name, orig, resp } => {
                self.flow.clone_from(name);
                let (o, r) = self.ends.get(name).copied().unwrap_or(default_ends());
                self.ends.insert(name.clone(), (orig.unwrap_or(o), resp.unwrap_or(r)));
            }
            Step::Capture(name) => self.capture.clone_from(name),
            Step::Ttl { orig, resp } => {
                self.ttl =
                    PerDir { orig: orig.unwrap_or(self.ttl.orig), resp: resp.unwrap_or(self.ttl.resp) };
            }
            Step::Vni(vni) => self.vni = Some(*vni),
            Step::SnapLength(bytes) => self.story.snap_length = *bytes,
            Step::Alone => self.alone = true,
            Step::Twice => self.twice = Some(0),
            Step::Log(at) => self.log = Some(*at),
            Step::Arp(at, ip) => {
                let asked_by = self.side().orig.ip();
                if let Some(frame) = wire::arp(asked_by, *ip) {
                    self.record(*at, frame);
                }
            }
            Step::Packet { at, dir, what, options } => self.packet(*at, *dir, what, options),
        }
    }

    fn side(&mut self) -> &mut Side {
        let key = (self.capture.clone(), self.flow.clone());
        let (orig, resp) = self.ends.get(&self.flow).copied().unwrap_or(default_ends());
        let seed = self.flow.bytes().fold(7_u8, |a, b| a.wrapping_mul(31).wrapping_add(b));
        self.sides.entry(key).or_insert_with(|| Side {
            orig,
            resp,
            next: PerDir {
                orig: 1000 + u32::from(seed) * 65_536,
                resp: 5_000_000 + u32::from(seed) * 65_536,
            },
            acked: PerDir { orig: 0, resp: 0 },
            data: PerDir::default(),
            last: PerDir::default(),
            random: seed,
        })
    }

    fn record(&mut self, at: TimeDelta, frame: Vec<u8>) {
        self.last = self.last.max(at);
        self.first = self.first.min(at);
        if !self.captures.contains(&self.capture) {
            self.captures.push(self.capture.clone());
        }
        self.story.captures.entry(self.capture.clone()).or_default().push((at, frame));
    }

    fn packet(&mut self, at: TimeDelta, dir: Dir, what: &What, options: &Options) {
        let later = |ms: f64| at + TimeDelta((ms * 1e6) as i64);
        match what {
            What::Connect => {
                self.flags(at, dir, SYN, options);
                self.flags(later(0.3), dir.other(), SYN | ACK, options);
                self.flags(later(0.4), dir, ACK, options);
            }
            What::Close => {
                self.flags(at, dir, FIN | ACK, options);
                self.flags(later(0.3), dir.other(), FIN | ACK, options);
                self.flags(later(0.4), dir, ACK, options);
            }
            What::Flags(flags) => self.flags(at, dir, *flags, options),
            What::Again => self.again(at, dir, options),
            What::Handshake => self.handshake(at, dir, options),
            What::Icmp(kind, code, kind6, code6) => {
                self.icmp(at, dir, (*kind, *code), (*kind6, *code6), options);
            }
            What::DnsQuery | What::DnsAnswer => {
                let payload = message::dns(*what == What::DnsAnswer, options);
                let ttl = self.ttl[dir];
                let side = self.side();
                let ip = wire::udp(ends(side, dir), ttl, &payload);
                side.last[dir].clone_from(&ip);
                self.send(at, ip, options);
            }
            _ => {
                let random = self.side().random;
                let payload = message::payload(what, options, random);
                self.data(at, dir, &payload, options);
            }
        }
    }

    /// Hello, its ACK, the server's flight, the client's flight, and in TLS 1.2 the server's Finished.
    fn handshake(&mut self, at: TimeDelta, dir: Dir, options: &Options) {
        let later = |ms: f64| at + TimeDelta((ms * 1e6) as i64);
        self.packet(at, dir, &What::ClientHello, options);
        self.flags(later(0.2), dir.other(), ACK, options);
        let flight = Options::default();
        let mut flight = flight.with("version", options.text("version").unwrap_or("1.3"));
        for key in ["certreq", "self_signed", "empty", "cert"] {
            if options.has(key) {
                flight = flight.with(key, "");
            }
        }
        if let Some(cipher) = options.text("cipher") {
            flight = flight.with("cipher", cipher);
        }
        self.packet(later(1.0), dir.other(), &What::ServerFlight, &flight);
        self.packet(later(2.0), dir, &What::ClientFlight, &flight);
        if options.text("version") == Some("1.2") {
            let random = self.side().random;
            let finished = message::server_finished(random);
            self.data(later(3.0), dir.other(), &finished, &Options::default());
        }
        let last = if options.text("version") == Some("1.2") {
            (later(3.2), dir)
        } else {
            (later(2.2), dir.other())
        };
        self.flags(last.0, last.1, ACK, &Options::default());
    }

    /// A segment without payload.
    fn flags(&mut self, at: TimeDelta, dir: Dir, flags: u8, options: &Options) {
        let first_syn = flags & SYN != 0 && self.side().last[dir].is_empty();
        let again = flags & SYN != 0 && !first_syn;
        let side = self.side();
        let start = if again { side.next[dir].wrapping_sub(1) } else { side.next[dir] };
        self.segment(at, dir, flags, start, &[], options);
        if !again && flags & (SYN | FIN) != 0 {
            let next = &mut self.side().next[dir];
            *next = next.wrapping_add(1);
        }
    }

    /// Payload, cut at the MSS.
    fn data(&mut self, at: TimeDelta, dir: Dir, payload: &[u8], options: &Options) {
        let mss = options.number("mss").unwrap_or(1448).clamp(1, 65_000);
        let lose = options.numbers("lose", 10);
        let first = options.number("first").unwrap_or(payload.len()).min(payload.len());
        let payload = &payload[..first];
        for (n, chunk) in payload.chunks(mss).enumerate() {
            let start = self.side().next[dir];
            if n == 0 {
                self.side().data[dir] = Some((start, chunk.to_vec()));
            }
            let lost = lose.contains(&(n as u32 + 1));
            let options = if lost { options.clone().with("lost", "") } else { options.clone() };
            let when = at + TimeDelta(n as i64 * 10_000);
            self.segment(when, dir, ACK | PSH, start, chunk, &options);
            let next = &mut self.side().next[dir];
            *next = next.wrapping_add(chunk.len() as u32);
        }
    }

    fn again(&mut self, at: TimeDelta, dir: Dir, options: &Options) {
        if let Some((start, bytes)) = self.side().data[dir].clone() {
            self.segment(at, dir, ACK | PSH, start, &bytes, options);
        }
    }

    fn segment(&mut self, at: TimeDelta, dir: Dir, flags: u8, start: u32, payload: &[u8], options: &Options) {
        let ttl = options.text("ttl").and_then(|t| t.parse().ok()).unwrap_or(self.ttl[dir]);
        let side = self.side();
        let acknowledged = if options.has("dup") { side.acked[dir] } else { side.next[dir.other()] };
        let number = if flags & ACK == 0 { 0 } else { acknowledged };
        side.acked[dir] = if flags & ACK == 0 { side.acked[dir] } else { acknowledged };
        let (from, to) = ends(side, dir);
        let segment = Segment { from, to, ttl, flags, seq: start, ack: number, payload };
        let ip = wire::tcp(&segment);
        side.last[dir].clone_from(&ip);
        self.send(at, ip, options);
    }

    fn send(&mut self, at: TimeDelta, mut ip: Vec<u8>, options: &Options) {
        if options.has("lost") {
            self.last = self.last.max(at);
            return;
        }
        if let Some(id) = &mut self.twice {
            *id += 1;
            wire::number(&mut ip, *id);
        }
        let frame = wire::ethernet(match self.vni {
            Some(vni) => wire::vxlan(vni, &wire::ethernet(ip)),
            None => ip,
        });
        if self.twice.is_some() {
            self.record(at + COPY_AFTER, frame.clone());
        }
        self.record(at, frame);
    }

    fn icmp(&mut self, at: TimeDelta, dir: Dir, v4: (u8, u8), v6: (u8, u8), options: &Options) {
        let ttl = self.ttl[dir];
        let side = self.side();
        let (from, to) = ends(side, dir);
        let from = options.text("from").and_then(|t| t.parse().ok()).unwrap_or(from.ip());
        let (kind, code) = if from.is_ipv4() { v4 } else { v6 };
        let ip = wire::icmp(from, to.ip(), ttl, kind, code, &side.last[dir.other()]);
        self.send(at, ip, options);
    }

    /// Adds the healthy call before and after, for each capture.
    fn finish(mut self) -> Story {
        self.story.log = self.log.unwrap_or(self.last + TimeDelta::from_millis(1));
        if self.alone {
            return self.story;
        }
        let (before, after) =
            (self.first - TimeDelta::from_secs(45), self.last.max(self.story.log) + TimeDelta::from_secs(5));
        let orig = self.ends.get("call").map_or(default_ends().0, |e| e.0).ip();
        let captures = if self.captures.is_empty() { Vec::new() } else { self.captures.clone() };
        self.vni = None;
        self.ttl = PerDir { orig: 64, resp: 64 };
        for (n, capture) in captures.into_iter().enumerate() {
            self.capture = capture;
            for (m, at) in [before, after].into_iter().enumerate() {
                self.flow = format!("background-{n}-{m}");
                let port = 20_000 + (n * 2 + m) as u16;
                let from = if n == 0 { orig } else { std::net::IpAddr::from([10, 0, 9, n as u8]) };
                let to = if from.is_ipv4() { "10.0.0.200:8080" } else { "[fd00::200]:8080" };
                let to = to.parse().unwrap_or(default_ends().1);
                self.ends.insert(self.flow.clone(), (SocketAddr::new(from, port), to));
                self.healthy_call(at);
            }
        }
        self.story
    }

    fn healthy_call(&mut self, at: TimeDelta) {
        let later = |ms: i64| at + TimeDelta::from_millis(ms);
        let plain = Options::default();
        self.packet(at, Dir::Orig, &What::Connect, &plain);
        self.packet(later(1), Dir::Orig, &What::HttpRequest("GET".to_owned()), &plain);
        self.packet(later(2), Dir::Resp, &What::HttpResponse(200), &plain);
        self.packet(later(3), Dir::Orig, &What::Close, &plain);
    }
}

fn ends(side: &Side, dir: Dir) -> (SocketAddr, SocketAddr) {
    match dir {
        Dir::Orig => (side.orig, side.resp),
        Dir::Resp => (side.resp, side.orig),
    }
}

/// The ends of a flow that does not name its own.
fn default_ends() -> (SocketAddr, SocketAddr) {
    (SocketAddr::from(([10, 0, 0, 5], 40_000)), SocketAddr::from(([10, 96, 0, 10], 443)))
}

/// So much later a host's next interface shows the same packet.
const COPY_AFTER: TimeDelta = TimeDelta(5_000);

const FIN: u8 = 1;
const SYN: u8 = 2;
const PSH: u8 = 8;
const ACK: u8 = 16;
