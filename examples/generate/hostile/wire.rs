//! Captures that try how much is remembered of what was sent, and how it is searched.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use super::super::frame::{
    ACK, Capture, PSH, SYN, Segment, arp_reply, arp_request, fragment, icmp_unreachable, last_fragment, udp,
};
use super::super::mixed::START;
use super::super::random::Random;
use super::super::talk::{Side, Talk};
use super::super::tls::{self, SERVERS};

/// Between frames, in ns.
const EVERY: u64 = 10_000;
/// Payload of a segment that is not a TLS message, in bytes.
const PIECE: u32 = 100;

pub(super) fn client(number: u64) -> SocketAddr {
    let port = 10_000 + (number % 50_000) as u16;
    SocketAddr::new(Ipv4Addr::new(172, 28, 0, 2).into(), port)
}

pub(super) fn server() -> SocketAddr {
    SocketAddr::new(Ipv4Addr::new(10, 244, 0, 10).into(), 8443)
}

pub(super) fn capture(folder: &Path) -> io::Result<Capture> {
    fs::create_dir_all(folder)?;
    Capture::create(&folder.join("cp-1-eth0.pcap"))
}

fn done(capture: Capture) -> io::Result<String> {
    let summary = format!("{} packets, {} bytes", capture.frames, capture.bytes);
    capture.finish()?;
    Ok(summary)
}

/// `count` connections, one after another, each with frames of its own.
fn talks(
    folder: &Path,
    count: u64,
    seed: u64,
    talk: impl Fn(u64, &mut Talk, &mut Random),
) -> io::Result<String> {
    let (mut random, mut capture) = (Random::new(seed), capture(folder)?);
    for number in 0..count {
        let mut one = Talk::new(client(number), server(), START + number * 100 * EVERY, &mut random);
        talk(number, &mut one, &mut random);
        for (at, frame) in &one.frames {
            capture.write(*at, frame)?;
        }
    }
    done(capture)
}

/// Connections between one pair of addresses, every other one refused; ports come again.
pub(super) fn one_address(folder: &Path, count: u64, seed: u64) -> io::Result<String> {
    talks(folder, count, seed, |number, talk, _| {
        if number % 2 == 0 {
            talk.refused();
        } else {
            talk.open();
            talk.close(Side::Client);
        }
    })
}

/// Each asks for another name, and is reset.
pub(super) fn server_names(folder: &Path, count: u64, seed: u64) -> io::Result<String> {
    talks(folder, count, seed, |number, talk, random| {
        talk.open();
        let name = format!("host-{number}.example.com");
        talk.say(Side::Client, &tls::client_hello(tls::Client::OlderGo, &name, random), random);
        talk.reset(Side::Server);
    })
}

/// Each server shows another certificate, and the client refuses it.
pub(super) fn certificates(folder: &Path, count: u64, seed: u64) -> io::Result<String> {
    talks(folder, count, seed, |number, talk, random| {
        let (name, certificate) = SERVERS[0];
        let mut certificate = certificate.to_vec();
        // The last bytes of the serial number.
        certificate[27..35].copy_from_slice(&number.to_be_bytes());
        talk.open();
        talk.say(Side::Client, &tls::client_hello(tls::Client::OlderGo, name, random), random);
        talk.say(Side::Server, &tls::server_flight_12(&certificate, random), random);
        talk.mention(Side::Client, &tls::alert(48));
        talk.close(Side::Client);
    })
}

/// What the server of one connection sends: sequence number, acknowledgment of the client, options of it.
struct Sent {
    from_server: bool,
    at: u32,
    options: Vec<u8>,
    length: usize,
}

/// One connection on port `number`, opened, and then these segments.
fn flow(capture: &mut Capture, number: u64, sent: impl Iterator<Item = Sent>) -> io::Result<()> {
    let (client, server) = (client(number), server());
    let mut now = START + number * EVERY;
    let mut write = |from_server: bool, flags, seq, ack, options: &[u8], payload: &[u8]| {
        let (from, to) = if from_server { (server, client) } else { (client, server) };
        now += EVERY;
        capture.write(now, &Segment { from, to, flags, seq, ack, options, payload }.frame())
    };
    write(false, SYN, 0, 0, &[2, 4, 5, 0xb4, 4, 2, 1, 1], &[])?;
    write(true, SYN | ACK, 0, 1, &[2, 4, 5, 0xb4, 4, 2, 1, 1], &[])?;
    write(false, ACK, 1, 1, &[], &[])?;
    let payload = vec![0x17; PIECE as usize * 2];
    for sent in sent {
        let (seq, ack) = if sent.from_server { (sent.at, 1) } else { (1, sent.at) };
        let flags = if sent.length > 0 { ACK | PSH } else { ACK };
        write(sent.from_server, flags, seq, ack, &sent.options, &payload[..sent.length])?;
    }
    Ok(())
}

fn data(at: u32, length: u32) -> Sent {
    Sent { from_server: true, at: 1 + at, options: Vec::new(), length: length as usize }
}

/// Half of them from the last to the first, half every second one and then the others.
pub(super) fn out_of_order(folder: &Path, count: u64, _: u64) -> io::Result<String> {
    let (mut capture, half) = (capture(folder)?, (count / 2) as u32);
    flow(&mut capture, 0, (0..half).rev().map(|n| data(n * PIECE, PIECE)))?;
    let order = (0..half).step_by(2).chain((1..half).step_by(2));
    flow(&mut capture, 1, order.map(|n| data(n * PIECE, PIECE)))?;
    done(capture)
}

/// Each covers the half of the one before, and every one comes again once all were sent.
pub(super) fn retransmissions(folder: &Path, count: u64, _: u64) -> io::Result<String> {
    let (mut capture, half) = (capture(folder)?, (count / 2) as u32);
    let once = || (0..half).map(|n| data(n * PIECE / 2, PIECE));
    flow(&mut capture, 0, once().chain(once()))?;
    done(capture)
}

/// Every other segment is missing, and the client says after each which three came last.
pub(super) fn sack_holes(folder: &Path, count: u64, _: u64) -> io::Result<String> {
    let mut capture = capture(folder)?;
    let sent = (1..=count as u32).flat_map(|n| {
        let mut options = vec![1, 1, 5, 26];
        for block in (n.saturating_sub(2)..=n).rev() {
            options.extend((1 + block * 2 * PIECE).to_be_bytes());
            options.extend((1 + block * 2 * PIECE + PIECE).to_be_bytes());
        }
        [data(n * 2 * PIECE, PIECE), Sent { from_server: false, at: 1, options, length: 0 }]
    });
    flow(&mut capture, 0, sent)?;
    done(capture)
}

/// First fragments of packets that never come whole, and pieces of one packet upon each other.
pub(super) fn fragments(folder: &Path, count: u64, _: u64) -> io::Result<String> {
    let mut capture = capture(folder)?;
    let frame = udp(client(0), server(), &[0; 600]);
    for number in 0..count {
        let (identification, offset) =
            if number % 2 == 0 { ((number / 2) as u16, 0) } else { (7, number % 4000 * 8) };
        capture.write(START + number * EVERY, &fragment(&frame, identification, offset as u16))?;
    }
    done(capture)
}

/// The last fragment of a packet, and then its pieces but for one, each of 8 bytes.
pub(super) fn fragment_pieces(folder: &Path, count: u64, _: u64) -> io::Result<String> {
    let mut capture = capture(folder)?;
    let frame = udp(client(0), server(), &[]);
    capture.write(START, &last_fragment(&frame, 7, 65_000))?;
    for number in 0..count {
        let offset = number % 8_000 * 8;
        capture.write(START + number * EVERY, &fragment(&frame, 7, offset as u16))?;
    }
    done(capture)
}

/// One address that many ask for, and that answers as often.
pub(super) fn neighbors(folder: &Path, count: u64, _: u64) -> io::Result<String> {
    let (mut capture, half) = (capture(folder)?, count / 2);
    let address = Ipv4Addr::new(10, 244, 0, 10);
    let asker = |number: u64| Ipv4Addr::from(0xac1c_0000 + number as u32);
    for number in 0..half {
        capture.write(START + number * EVERY, &arp_request(asker(number), address))?;
    }
    for number in 0..half {
        capture.write(START + (half + number) * EVERY, &arp_reply(address, asker(number)))?;
    }
    done(capture)
}

/// Lookups of names that are not there: half of them of one flow, half each from a port of its own.
pub(super) fn lookups(folder: &Path, count: u64, _: u64) -> io::Result<String> {
    let mut capture = capture(folder)?;
    let server = SocketAddr::new(Ipv4Addr::new(10, 96, 0, 10).into(), 53);
    for number in 0..count {
        let client = client(if number % 2 == 0 { 0 } else { number });
        let label = format!("name-{number}");
        let mut query = Vec::from((number as u16).to_be_bytes());
        query.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0, label.len() as u8]);
        query.extend(label.bytes());
        query.extend(b"\x07example\x03com\0\0\x01\0\x01");
        let mut answer = query.clone();
        answer[2..4].copy_from_slice(&[0x81, 0x83]);
        let at = START + number * 10 * EVERY;
        capture.write(at, &udp(client, server, &query))?;
        capture.write(at + EVERY, &udp(server, client, &answer))?;
    }
    done(capture)
}

/// One SYN, and errors about it without end.
pub(super) fn icmp_errors(folder: &Path, count: u64, _: u64) -> io::Result<String> {
    let mut capture = capture(folder)?;
    let (from, to) = (client(0), server());
    let syn = Segment { from, to, flags: SYN, seq: 1, ack: 0, options: &[], payload: &[] }.frame();
    capture.write(START, &syn)?;
    for number in 1..=count {
        let router = IpAddr::from(Ipv4Addr::from(0x0a00_0000 + (number % 60_000) as u32));
        capture.write(START + number * EVERY, &icmp_unreachable(router, from.ip(), 1, &syn))?;
    }
    done(capture)
}

/// One SYN in as many VXLAN networks, each a flow of its own on the same addresses and ports.
pub(super) fn overlays(folder: &Path, count: u64, _: u64) -> io::Result<String> {
    let mut capture = capture(folder)?;
    let (from, to) = (client(0), server());
    let syn = Segment { from, to, flags: SYN, seq: 1, ack: 0, options: &[], payload: &[] }.frame();
    let node = |n| SocketAddr::new(Ipv4Addr::new(192, 0, 2, n).into(), 4789);
    for number in 0..count {
        let [.., v0, v1, v2] = number.to_be_bytes();
        let inner = [&[8, 0, 0, 0, v0, v1, v2, 0], &syn[..]].concat();
        capture.write(START + number * EVERY, &udp(node(1), node(2), &inner))?;
    }
    done(capture)
}
