//! What dumped state of the hosts says of a case: who listens, whose queue is full, which neighbour is silent, which
//! route rejects, what the connection table holds.
//!
//! Takes the dumps of the bundle; gives facts with the file that they stand in. A dump shows the moment that it was
//! taken at and no other, so that these facts support what the packets show and never stand in for it.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use super::join::Join;
use super::{Case, Dumped, HostState, World};
use crate::bundle::{Source, SourceIndex};
use crate::cluster::{ClusterMap, Counter, Neighbour, Owner, Route, Socket, Translation};

/// Answers for each address, as they are asked for: thousands of cases ask the same.
pub(super) struct Hosts<'w> {
    world: &'w World,
    /// Files by an address that they show as their host's own.
    own: HashMap<IpAddr, BTreeSet<SourceIndex>>,
    /// Pod that a file's path names: what it shows is the pod's network namespace and not its node's.
    pods: HashMap<SourceIndex, &'w str>,
    listening: HashMap<(SocketAddr, Option<String>), Rc<Listening>>,
    unreachable: HashMap<(Towards, Caller), Rc<Unreachable>>,
    /// Of each goal the address called, if only one can be meant, and where its packets may go.
    destinations: HashMap<u32, (Option<SocketAddr>, Rc<BTreeSet<IpAddr>>)>,
}

/// Where packets of a case may go: to all addresses of a goal, or to these.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Towards {
    Goal(u32),
    Hosts(Rc<BTreeSet<IpAddr>>),
}

/// Name and address of the host that called, where known.
type Caller = (Option<String>, Option<IpAddr>);

/// What sockets and counters say of an address.
#[derive(Debug, Default)]
struct Listening {
    listens: Option<bool>,
    queue: Option<(u32, u32)>,
    listener: Option<String>,
    no_listener: Option<String>,
    queue_drops: Option<String>,
}

/// What neighbour tables and routes of a caller say of destinations.
#[derive(Debug, Default)]
struct Unreachable {
    neighbor_failed: Dumped,
    no_route: Dumped,
}

impl<'w> Hosts<'w> {
    pub(super) fn new(world: &'w World) -> Self {
        let map = &world.cluster;
        let mut own: HashMap<IpAddr, BTreeSet<SourceIndex>> = HashMap::new();
        let of_interfaces = map.interfaces.iter().flat_map(|i| i.ips.iter().map(|ip| (*ip, i.source)));
        let of_sockets = map.sockets.iter().filter_map(|s| Some((s.local_ip?, s.source)));
        for (ip, source) in of_interfaces.chain(of_sockets).filter(|(ip, _)| !ip.is_loopback()) {
            own.entry(ip).or_default().insert(source);
        }
        let (listening, unreachable) = (HashMap::new(), HashMap::new());
        let destinations = HashMap::new();
        Self { world, own, pods: pods_of_paths(world), listening, unreachable, destinations }
    }

    /// The facts of one case; none where no state is dumped.
    pub(super) fn of(&mut self, join: &Join<'_>, case: &Case) -> Option<Box<HostState>> {
        let map = &self.world.cluster;
        if [map.sockets.len(), map.counters.len(), map.neighbours.len(), map.routes.len()] == [0; 4]
            && map.translations.is_empty()
        {
            return None;
        }
        let caller = join
            .world
            .event(case)
            .filter(|e| !e.server_side)
            .and_then(|e| e.host.as_deref().map(str::to_owned));
        let (called, towards, hosts) = self.destinations(join, case);
        let listening = called.map(|called| self.listening(called, caller.as_deref()));
        let listening = listening.as_deref();
        let flow = case.attempt().map(|f| join.world.flow(f));
        let caller = flow.and_then(|f| map.host_of(f.orig.ip())).map(str::to_owned).or(caller);
        let unreachable = self.unreachable(towards, &hosts, (caller, flow.map(|f| f.orig.ip())));
        Some(Box::new(HostState {
            listens: listening.and_then(|l| l.listens),
            accept_queue: listening.and_then(|l| l.queue),
            listener: listening.and_then(|l| l.listener.clone()),
            no_listener: listening.and_then(|l| l.no_listener.clone()),
            queue_drops: listening.and_then(|l| l.queue_drops.clone()),
            neighbor_failed: unreachable.neighbor_failed.clone(),
            no_route: unreachable.no_route.clone(),
            unreplied: self.tracked(join, case, |x| x.unreplied),
            untranslated: self.untranslated(join, case),
        }))
    }

    /// Whether a file shows the network namespace that an address belongs to.
    fn sees(&self, source: SourceIndex, ip: IpAddr, caller: Option<&str>) -> bool {
        let map = &self.world.cluster;
        if ip.is_loopback() {
            return caller.is_some() && self.is_of(source, caller);
        }
        let of_pod = match map.owner(ip) {
            Some(Owner::Pod(pod)) => self.pods.get(&source).is_some_and(|name| *name == pod.name),
            _ => map.host_of(ip).is_some() && self.is_of(source, map.host_of(ip)),
        };
        of_pod || self.own.get(&ip).is_some_and(|sources| sources.contains(&source))
    }

    /// Whether a file shows a host itself, and not one of its pods.
    fn is_of(&self, source: SourceIndex, host: Option<&str>) -> bool {
        !self.pods.contains_key(&source) && self.world.cluster.hosts.get(&source).map(String::as_str) == host
    }

    fn listening(&mut self, called: SocketAddr, caller: Option<&str>) -> Rc<Listening> {
        // Whose loopback it is depends on the caller; every other address is of one namespace.
        let key = (called, caller.filter(|_| called.ip().is_loopback()).map(str::to_owned));
        if let Some(known) = self.listening.get(&key) {
            return Rc::clone(known);
        }
        let map = &self.world.cluster;
        let sees = |source: SourceIndex| self.sees(source, called.ip(), caller);
        let all: Vec<&Socket> =
            map.sockets.iter().filter(|s| s.state == "LISTEN" && sees(s.source)).collect();
        let counters: Vec<&Counter> = map
            .counters
            .iter()
            .filter(|c| QUEUE_COUNTERS.contains(&c.name.as_str()) && sees(c.source))
            .collect();
        let found = Rc::new(self.of_sockets(called, &all, &counters));
        self.listening.insert(key, Rc::clone(&found));
        found
    }

    fn of_sockets(&self, called: SocketAddr, all: &[&Socket], counters: &[&Counter]) -> Listening {
        let fits = |s: &&&Socket| {
            s.local_port == called.port() && s.local_ip.is_none_or(|ip| ip == called.ip().to_canonical())
        };
        // Of several dumps the fullest queue is the one that tells.
        let most = all.iter().filter(fits).max_by_key(|s| i64::from(s.recv_q) - i64::from(s.send_q));
        let files: BTreeSet<SourceIndex> = all.iter().map(|s| s.source).collect();
        let none = most.is_none().then(|| files.first()).flatten();
        let counted = |c: &&Counter| format!("{} {} in {}", c.name, c.value, self.place(c.source));
        let counted: Vec<String> = counters.iter().map(counted).collect();
        Listening {
            listens: (!all.is_empty()).then_some(most.is_some()),
            queue: most.map(|s| (s.recv_q, s.send_q)),
            listener: most.map(|s| self.words_of(s)),
            no_listener: none.map(|source| {
                let listed = all.iter().filter(|s| s.source == *source).count();
                format!("{} ({listed} listening, none on port {})", self.place(*source), called.port())
            }),
            queue_drops: (!counted.is_empty()).then(|| counted.join(" and ")),
        }
    }

    fn words_of(&self, socket: &Socket) -> String {
        let ip = socket.local_ip.map_or_else(|| "*".to_owned(), |ip| ip.to_string());
        let process = socket.process.as_deref().map_or_else(String::new, |p| format!(" of {p}"));
        format!(
            "LISTEN {ip}:{}{process}, Recv-Q {}, Send-Q {} in {}",
            socket.local_port,
            socket.recv_q,
            socket.send_q,
            self.place(socket.source)
        )
    }

    /// The address called, if only one can be meant, and every address that packets of the call may go to.
    fn destinations(
        &mut self,
        join: &Join<'_>,
        case: &Case,
    ) -> (Option<SocketAddr>, Towards, Rc<BTreeSet<IpAddr>>) {
        let map = &self.world.cluster;
        let flow = case.attempt().map(|f| join.world.flow(f).resp);
        let Some(event) = case.event.filter(|_| flow.is_none()) else {
            let (called, hosts) = destinations(map, flow.as_slice());
            return (called, Towards::Hosts(Rc::clone(&hosts)), hosts);
        };
        let number = join.goals.number(event);
        let (called, hosts) = self.destinations.entry(number).or_insert_with(|| {
            let is_virtual = |b: &&SocketAddr| matches!(map.owner(b.ip()), Some(Owner::Service(_)));
            let backends = join.goals.of(event).backends.keys().filter(|b| !is_virtual(b));
            destinations(map, &backends.copied().collect::<Vec<_>>())
        });
        (*called, Towards::Goal(number), Rc::clone(hosts))
    }

    fn unreachable(&mut self, towards: Towards, hosts: &BTreeSet<IpAddr>, caller: Caller) -> Rc<Unreachable> {
        let key = (towards, caller);
        if let Some(known) = self.unreachable.get(&key) {
            return Rc::clone(known);
        }
        let (caller, orig) = &key.1;
        let map = &self.world.cluster;
        let shows_orig = orig.and_then(|ip| self.own.get(&ip));
        let here = |source: SourceIndex| {
            caller.is_some() && self.is_of(source, caller.as_deref())
                || shows_orig.is_some_and(|s| s.contains(&source))
        };
        let routes: Vec<&Route> = map.routes.iter().filter(|r| here(r.source)).collect();
        let table: Vec<&Neighbour> = map.neighbours.iter().filter(|n| here(n.source)).collect();
        let best = |ip: &IpAddr| best_route(&routes, *ip);
        let hops = hosts.iter().filter_map(best).filter_map(|r| r.via);
        let wanted: BTreeSet<IpAddr> = hosts.iter().copied().chain(hops).collect();
        let silent =
            |n: &&&Neighbour| matches!(n.state.as_str(), "FAILED" | "INCOMPLETE") && wanted.contains(&n.ip);
        let failed = table.iter().find(silent);
        let failed =
            failed.map(|n| format!("{} dev {} {} in {}", n.ip, n.device, n.state, self.place(n.source)));
        let rejecting = hosts.iter().filter_map(best).find(|r| REJECTING.contains(&r.kind.as_str()));
        let rejecting = rejecting.map(|r| {
            format!("{} {}/{} in {}", r.kind, r.destination.0, r.destination.1, self.place(r.source))
        });
        let found = Rc::new(Unreachable {
            neighbor_failed: if table.is_empty() { Dumped::Unknown } else { Dumped::of(failed) },
            no_route: if routes.is_empty() { Dumped::Unknown } else { Dumped::of(rejecting) },
        });
        self.unreachable.insert(key, Rc::clone(&found));
        found
    }

    /// The connection's entry in a connection table, in words, if it is of this kind.
    fn tracked(&self, join: &Join<'_>, case: &Case, is: impl Fn(&Translation) -> bool) -> Dumped {
        let map = &self.world.cluster;
        let flow = case.attempt().map(|f| join.world.flow(f));
        let entry = flow.and_then(|f| {
            map.translation(TCP, f.orig, f.resp).or_else(|| map.translated(TCP, f.orig, f.resp))
        });
        let Some(entry) = entry else { return Dumped::Unknown };
        let unreplied = if entry.unreplied { " [UNREPLIED]" } else { "" };
        let real = entry.reply.0;
        let translated = if real == entry.original.1 {
            "not translated".to_owned()
        } else {
            format!("translated to {real}")
        };
        let (from, to) = entry.original;
        let words = format!("{from} to {to}, {translated}{unreplied} in {}", self.place(entry.source));
        Dumped::of(is(entry).then_some(words))
    }

    /// The same where the destination is a Service's own address and the kernel left it as it was.
    fn untranslated(&self, join: &Join<'_>, case: &Case) -> Dumped {
        let resp = case.attempt().map(|f| join.world.flow(f).resp.ip());
        match resp.and_then(|ip| self.world.cluster.owner(ip)) {
            Some(Owner::Service(_)) => self.tracked(join, case, |x| x.reply.0 == x.original.1),
            _ => Dumped::Unknown,
        }
    }

    /// A file and, where it is known, when it was written.
    fn place(&self, source: SourceIndex) -> String {
        let source = self.world.bundle.sources.get(source.0 as usize);
        source.map_or_else(String::new, Source::dated_path)
    }
}

/// The only one of these addresses, and all of them with the nodes that they are on.
fn destinations(map: &ClusterMap, backends: &[SocketAddr]) -> (Option<SocketAddr>, Rc<BTreeSet<IpAddr>>) {
    let called = backends.first().copied().filter(|_| backends.len() == 1);
    let nodes = backends.iter().filter_map(|b| map.node(map.node_of(*b)?));
    let nodes: BTreeSet<IpAddr> = nodes.flat_map(|n| n.ips.iter().copied()).collect();
    (called, Rc::new(backends.iter().map(SocketAddr::ip).chain(nodes).collect()))
}

/// The route with the longest prefix. Assume that no rule of `ip rule` sends these packets to another table.
fn best_route<'r>(routes: &[&'r Route], ip: IpAddr) -> Option<&'r Route> {
    let covering = routes.iter().filter(|r| r.kind != "throw" && r.covers(ip));
    covering.copied().max_by_key(|r| r.destination.1)
}

/// The pod that each path with host state names.
fn pods_of_paths(world: &World) -> HashMap<SourceIndex, &str> {
    let map: &ClusterMap = &world.cluster;
    let own = map.pods.iter().filter(|p| !p.host_network).map(|p| p.name.as_str());
    let names: HashSet<&str> = own.collect();
    let dumps = map.inputs.iter().filter_map(|i| world.bundle.sources.get(i.source.0 as usize));
    let named = dumps.filter_map(|source| {
        let parts = source.path.split(['/', '!', '_', '.', ' ']);
        let name = parts.filter_map(|part| names.get(part)).next_back()?;
        Some((source.index, *name))
    });
    named.collect()
}

/// Counters of connections that found a full accept queue; each network namespace has its own.
const QUEUE_COUNTERS: &[&str] = &["TcpExtListenOverflows", "TcpExtListenDrops"];
/// Kinds of routes that send nothing.
const REJECTING: &[&str] = &["blackhole", "unreachable", "prohibit"];
/// IP protocol number of TCP.
const TCP: u8 = 6;
