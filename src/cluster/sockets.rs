//! `ss`, `netstat -an`, `nstat`, `netstat -s` and `/proc/net/netstat` of a host.
//!
//! Takes lines; gives sockets (what listens, and how full its accept queue is) and counters that are not zero.

use std::net::{IpAddr, SocketAddr};

use super::build::Builder;
use super::{Counter, Socket};
use crate::bundle::SourceIndex;

/// A table of sockets.
#[derive(Clone, Copy)]
pub(super) struct SocketTable {
    /// The first column names the protocol.
    netid: bool,
    /// `netstat`: the state stands behind the addresses.
    netstat: bool,
}

impl SocketTable {
    /// `Netid State Recv-Q Send-Q Local Address:Port …`, `Proto Recv-Q Send-Q Local Address Foreign Address State`
    pub(super) fn header(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split_ascii_whitespace().take(4).collect();
        match words.as_slice() {
            ["Netid", "State", "Recv-Q", ..] => Some(Self { netid: true, netstat: false }),
            ["State", "Recv-Q", "Send-Q", ..] => Some(Self { netid: false, netstat: false }),
            ["Proto", "Recv-Q", "Send-Q", "Local"] => Some(Self { netid: true, netstat: true }),
            _ => None,
        }
    }

    /// A row: whether it was understood, or nothing if it is of another text.
    pub(super) fn row(self, line: &str, b: &mut Builder<'_>, source: SourceIndex) -> Option<bool> {
        if line.starts_with(['\t', ' ']) || line.trim().is_empty() {
            // Details of `ss -i`, `-m`, `-o` stand indented below their socket.
            return Some(true);
        }
        let mut words = line.split_ascii_whitespace();
        let protocol = if self.netid { words.next()? } else { "tcp" };
        if !protocol.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_') {
            return None;
        }
        if !matches!(protocol, "tcp" | "tcp6" | "mptcp") {
            return matches!(protocol, "udp" | "udp6" | "raw" | "raw6" | "nl" | "p_raw" | "p_dgr" | "v_str")
                .then_some(true)
                .or_else(|| protocol.starts_with("u_").then_some(true))
                .or_else(|| matches!(protocol, "icmp6" | "unix" | "sctp" | "xdp").then_some(true));
        }
        let mut state = if self.netstat { "" } else { words.next()? };
        let recv_q = words.next()?.parse().ok()?;
        let send_q = words.next()?.parse().ok()?;
        let (local_ip, local_port) = address(words.next()?)?;
        let peer = words.next().and_then(address).and_then(|(ip, port)| Some(SocketAddr::new(ip?, port?)));
        if self.netstat {
            state = words.next().unwrap_or_default();
        }
        let socket = Socket {
            host: None,
            state: if state == "ESTABLISHED" { "ESTAB" } else { state }.to_owned(),
            recv_q,
            send_q,
            local_ip,
            local_port: local_port?,
            peer,
            process: process(line, self.netstat),
            source,
        };
        b.room.push(&mut b.map.sockets, socket);
        Some(true)
    }
}

/// `10.0.0.1:443`, `[::]:443`, `*:443`, `127.0.0.53%lo:53`, `:::22`: the address unless it is every address, the port
/// unless it is `*`.
fn address(text: &str) -> Option<(Option<IpAddr>, Option<u16>)> {
    let (ip, port) = text.rsplit_once(':')?;
    let port = if port == "*" { None } else { Some(port.parse().ok()?) };
    let ip = ip.split('%').next().unwrap_or_default().trim_matches(['[', ']']);
    if matches!(ip, "*" | "") {
        return Some((None, port));
    }
    let ip: IpAddr = ip.parse().ok()?;
    // `[::ffff:10.0.0.1]` is an IPv4 connection on an IPv6 socket.
    let ip = ip.to_canonical();
    Some(((!ip.is_unspecified()).then_some(ip), port))
}

/// `users:(("kubelet",pid=1,fd=2))` or `123/sshd`
fn process(line: &str, netstat: bool) -> Option<String> {
    if netstat {
        let (pid, name) = line.split_ascii_whitespace().nth(6)?.split_once('/')?;
        return pid.bytes().all(|c| c.is_ascii_digit()).then(|| name.to_owned());
    }
    let (_, users) = line.split_once("users:((\"")?;
    Some(users.split_once('"')?.0.to_owned())
}

/// `TcpExtListenOverflows  12  0.0` (nstat) and the two sentences of `netstat -s` about the accept queue.
pub(super) fn counter(line: &str, b: &mut Builder<'_>, source: SourceIndex) -> bool {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let (name, value) = match words.as_slice() {
        ["#kernel"] => return true,
        [name, value] | [name, value, _] if is_counter(name) => (*name, value.parse().ok()),
        [value, "times", "the", "listen", "queue", "of", "a", "socket", "overflowed"] => {
            ("TcpExtListenOverflows", value.parse().ok())
        }
        [value, "SYNs", "to", "LISTEN", "sockets", "dropped" | "ignored"] => {
            ("TcpExtListenDrops", value.parse().ok())
        }
        _ => return false,
    };
    let Some(value) = value else { return false };
    add_counter(b, name.to_owned(), value, source);
    true
}

fn is_counter(name: &str) -> bool {
    ["Tcp", "Ip", "Icmp", "Udp", "MPTcp"].iter().any(|p| name.starts_with(p))
        && name.bytes().all(|c| c.is_ascii_alphanumeric())
}

fn add_counter(b: &mut Builder<'_>, name: String, value: u64, source: SourceIndex) {
    if value > 0 {
        b.room.push(&mut b.map.counters, Counter { host: None, name, value, source });
    }
}

/// `/proc/net/netstat` and `/proc/net/snmp`: a line of names, then a line of values with the same prefix.
#[derive(Default)]
pub(super) struct Netstat {
    names: Option<(String, Vec<String>)>,
}

impl Netstat {
    /// Takes a line: `TcpExt: SyncookiesSent …` or `TcpExt: 0 …`
    pub(super) fn line(&mut self, line: &str, b: &mut Builder<'_>, source: SourceIndex) -> bool {
        let Some((prefix, rest)) = line.split_once(": ") else { return false };
        if !is_counter(prefix) {
            return false;
        }
        let words: Vec<&str> = rest.split_ascii_whitespace().collect();
        match self.names.take() {
            Some((p, names)) if p == prefix && names.len() == words.len() => {
                for (name, value) in names.into_iter().zip(words) {
                    add_counter(b, format!("{prefix}{name}"), value.parse().unwrap_or(0), source);
                }
            }
            _ => self.names = Some((prefix.to_owned(), words.into_iter().map(str::to_owned).collect())),
        }
        true
    }
}
