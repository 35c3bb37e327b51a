//! Flows written as text, for tests: one line a segment.
//!
//! `TIME DIR FLAGS [key=value…]`: seconds; `>` from the client, `<` from the server; letters of `SAFRPU` or `.`.
//! Keys: `seq` and `ack` counted from the side's initial number, `len`, `win`, `ttl`, `id` (IP identification), `if`
//! (interface), `isn` (from now on), `ws` (window scale), `sport`, `dport`, `data` (payload text), `sack` (one block,
//! `FROM-TO` counted as `ack` is).
//! `TIME icmp TYPE CODE quotes DIR [bytes=N] [seq=N]`: an ICMP error of 192.0.2.9 with that much of the TCP header of a SYN
//! with that number.

use super::{Dir, Flow, FlowEnd, Moment, Observer, Payload, PerDir, Shard, ShardOptions, TcpFacts};
use crate::capture::{CaptureIndex, FrameHeader, LinkType, Window};
use crate::packet::{Kind, Packet, protocol, tcp_flag};
use crate::time::Timestamp;

/// Room enough for every flow.
const OPTIONS: ShardOptions = ShardOptions {
    capture: CaptureIndex(0),
    live_bytes: 1 << 24,
    record_bytes: 1 << 24,
    shared_bytes: 1 << 20,
    several_files: false,
};

/// What an observer was shown, as text.
#[derive(Default)]
pub(super) struct Recorder;

impl Observer for Recorder {
    type Flow = Vec<String>;
    type Facts = Vec<String>;

    fn payload(&mut self, flow: &mut Vec<String>, payload: &Payload<'_>) {
        let text = String::from_utf8_lossy(payload.data);
        flow.push(format!("{} {}+{} {text}", payload.dir.name(), payload.offset, payload.length));
    }

    fn acked(&mut self, flow: &mut Vec<String>, by: Dir, offset: i64, _at: Moment) {
        flow.push(format!("{} acks {offset}", by.name()));
    }

    fn wants(&self, _flow: &Vec<String>, _dir: Dir) -> bool {
        true
    }

    fn swap(&mut self, flow: &mut Vec<String>) {
        flow.push("swap".to_owned());
    }

    fn finish(&mut self, flow: Vec<String>, _end: &FlowEnd) -> Vec<String> {
        flow
    }
}

/// The flows of a timeline.
pub(super) fn flows(text: &str) -> Vec<Flow<Vec<String>>> {
    flows_within(text, OPTIONS.live_bytes)
}

/// The same with so much memory for live flows.
pub(super) fn flows_within(text: &str, live_bytes: usize) -> Vec<Flow<Vec<String>>> {
    let (window, packets) = Script::default().read(text);
    let options = ShardOptions { live_bytes, ..OPTIONS };
    let mut shard = Shard::new(Recorder, options);
    shard.process(&window, 0, &packets);
    shard.finish()
}

/// The same with every flow frozen after every packet.
pub(super) fn flows_frozen(text: &str) -> Vec<Flow<Vec<String>>> {
    let (window, packets) = Script::default().read(text);
    let mut shard = Shard::new(Recorder, OPTIONS);
    for packet in &packets {
        shard.process(&window, 0, std::slice::from_ref(packet));
        shard.freeze_all();
    }
    shard.finish()
}

/// The flows of one timeline for each file of a capture.
pub(super) fn flows_in_files(texts: &[&str]) -> Vec<Flow<Vec<String>>> {
    let options = ShardOptions { several_files: true, ..OPTIONS };
    let mut shard = Shard::new(Recorder, options);
    for (file, text) in texts.iter().enumerate() {
        let (window, packets) = Script::default().read(text);
        shard.process(&window, file as u16, &packets);
    }
    shard.finish()
}

/// The only flow of a timeline.
pub(super) fn flow(text: &str) -> Flow<Vec<String>> {
    let mut all = flows(text);
    assert_eq!(all.len(), 1, "one flow");
    all.remove(0)
}

/// Its TCP facts.
pub(super) fn tcp(text: &str) -> TcpFacts {
    flow(text).tcp.expect("TCP").facts()
}

struct Script {
    isn: PerDir<u32>,
    ports: PerDir<u16>,
    next_id: u16,
    window: Window,
    packets: Vec<Packet>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            isn: PerDir { orig: 1_000_000, resp: 5_000_000 },
            ports: PerDir { orig: 40_000, resp: 443 },
            next_id: 1,
            window: Window { first_number: 1, ..Window::default() },
            packets: Vec::new(),
        }
    }
}

impl Script {
    fn read(mut self, text: &str) -> (Window, Vec<Packet>) {
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            self.line(line);
        }
        (self.window, self.packets)
    }

    fn line(&mut self, line: &str) {
        let mut words = line.split_whitespace();
        let time = words.next().and_then(|w| w.parse::<f64>().ok()).expect(line);
        let dir = match words.next() {
            Some(">") => Dir::Orig,
            Some("<") => Dir::Resp,
            Some("icmp") => return self.icmp(time, &words.collect::<Vec<_>>()),
            other => panic!("{line}: {other:?} is no direction"),
        };
        let mut packet = self.blank(dir, flags(words.next().expect(line)));
        let (mut data, mut options, mut interface) = (String::new(), Vec::new(), 0);
        let (mut seq, mut ack) = (0, 0);
        for word in words {
            let (key, value) = word.split_once('=').expect(line);
            let number = || value.parse::<i64>().expect(line);
            match key {
                "seq" => seq = number(),
                "ack" => ack = number(),
                "len" => data = "x".repeat(number() as usize),
                "data" => data = value.to_owned(),
                "win" => packet.window = number() as u16,
                "ttl" => packet.ttl = number() as u8,
                "id" => packet.ip_id = number() as u16,
                "if" => interface = number() as u16,
                "isn" => self.isn[dir] = number() as u32,
                "ws" => options = vec![1, 3, 3, number() as u8],
                "sack" => options = self.sack(dir, value),
                "sport" => self.ports[dir] = number() as u16,
                "dport" => self.ports[dir.other()] = number() as u16,
                other => panic!("{line}: {other} is no key"),
            }
        }
        packet.seq = self.isn[dir].wrapping_add(seq as u32);
        if packet.has(tcp_flag::ACK) {
            packet.ack = self.isn[dir.other()].wrapping_add(ack as u32);
        }
        (packet.src_port, packet.dst_port) = (self.ports[dir], self.ports[dir.other()]);
        let time = Timestamp((time * 1e9).round() as i64);
        self.frame(packet, dir, time, interface, &options, data.as_bytes());
    }

    /// A SACK option with one block.
    fn sack(&self, dir: Dir, block: &str) -> Vec<u8> {
        let edges = block.split('-').map(|n| self.isn[dir.other()].wrapping_add(n.parse().expect(block)));
        let edges = edges.flat_map(u32::to_be_bytes);
        [1, 1, 5, 10].into_iter().chain(edges).collect()
    }

    /// An ICMP error: `TYPE CODE quotes DIR [bytes=N] [seq=N]`.
    fn icmp(&mut self, time: f64, words: &[&str]) {
        let &[kind, code, "quotes", dir, ref rest @ ..] = words else { panic!("{words:?} is no ICMP error") };
        let dir = if dir == ">" { Dir::Orig } else { Dir::Resp };
        let key = |name: &str| rest.iter().find_map(|w| w.strip_prefix(name)?.parse::<u32>().ok());
        let shown = key("bytes=").map_or(20, |n| n as usize);
        let mut packet = self.blank(dir, 0);
        (packet.kind, packet.src_port, packet.dst_port) =
            (Kind::IcmpError, self.ports[dir], self.ports[dir.other()]);
        packet.seq = self.isn[dir].wrapping_add(key("seq=").unwrap_or_default());
        packet.window = u16::from_be_bytes([kind, code].map(|n| n.parse().expect(n)));
        let (client, server) = ([10, 0, 0, 1], [10, 0, 0, 2]);
        let (src, dst) = if dir == Dir::Orig { (client, server) } else { (server, client) };
        let mut quoted = vec![0; 12 + 8 + shown];
        quoted[0] = 0x45;
        quoted[12..16].copy_from_slice(&src);
        quoted[16..20].copy_from_slice(&dst);
        if let Some(flags) = quoted.get_mut(33) {
            *flags = tcp_flag::SYN as u8;
        }
        self.frame(packet, dir, Timestamp((time * 1e9).round() as i64), 0, &[], &quoted);
        let sender = self.packets.last().expect("just pushed").ip as usize + 12;
        self.window.bytes[sender..sender + 4].copy_from_slice(&[192, 0, 2, 9]);
    }

    fn blank(&mut self, _dir: Dir, flags: u16) -> Packet {
        self.next_id += 1;
        Packet {
            hash: 0,
            v4: [0; 2],
            frame: self.window.frames.len() as u32,
            ip: 0,
            transport: 0,
            payload: 0,
            payload_length: 0,
            payload_captured: 0,
            vni: 0,
            seq: 0,
            ack: 0,
            src_port: 0,
            dst_port: 0,
            window: 500,
            flags,
            ip_id: self.next_id,
            point: 0,
            ttl: 64,
            kind: Kind::Tcp,
            protocol: protocol::TCP,
            notes: 0,
        }
    }

    /// Ethernet, IPv4, TCP with options, payload.
    fn frame(
        &mut self,
        mut packet: Packet,
        dir: Dir,
        time: Timestamp,
        interface: u16,
        options: &[u8],
        data: &[u8],
    ) {
        let bytes = &mut self.window.bytes;
        let start = bytes.len() as u32;
        bytes.resize(bytes.len() + 14, interface as u8);
        packet.ip = bytes.len() as u32;
        bytes.resize(bytes.len() + 12, 0);
        let (client, server) = ([10, 0, 0, 1], [10, 0, 0, 2]);
        let (src, dst) = if dir == Dir::Orig { (client, server) } else { (server, client) };
        bytes.extend_from_slice(&src);
        bytes.extend_from_slice(&dst);
        packet.v4 = [src, dst].map(u32::from_be_bytes);
        packet.point = u16::from(packet.ttl) << 8 ^ interface;
        packet.transport = bytes.len() as u32;
        bytes.resize(bytes.len() + 20, 0);
        bytes.extend_from_slice(options);
        packet.payload = bytes.len() as u32;
        packet.payload_length = data.len() as u32;
        packet.payload_captured = packet.payload_length;
        bytes.extend_from_slice(data);
        let captured = bytes.len() as u32 - start;
        self.window.frames.push(FrameHeader {
            time,
            offset: start,
            captured,
            length: captured,
            interface,
            link_type: LinkType::ETHERNET,
        });
        self.packets.push(packet);
    }
}

fn flags(letters: &str) -> u16 {
    letters
        .chars()
        .map(|letter| match letter {
            'S' => tcp_flag::SYN,
            'A' => tcp_flag::ACK,
            'F' => tcp_flag::FIN,
            'R' => tcp_flag::RST,
            'P' => tcp_flag::PSH,
            'U' => tcp_flag::URG,
            '.' => 0,
            other => panic!("{other} is no flag"),
        })
        .fold(0, |all, flag| all | flag)
}
