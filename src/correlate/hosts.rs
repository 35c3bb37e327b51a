//! What dumped state of the hosts says of a case: who listens, whose queue is full, which neighbour is silent, which
//! route rejects, what the connection table holds.
//!
//! Takes the dumps of the bundle; gives facts with the file that they stand in. A dump shows the moment that it was
//! taken at and no other, so that these facts support what the packets show and never stand in for it.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::Hash;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use super::dumps::{Dump, Dumps, queued};
use super::join::Join;
use super::{Case, Dumped, HostState, World};
use crate::bundle::{Source, SourceIndex};
use crate::cluster::{ClusterMap, Owner, Socket, Translation};

/// Answers for each address, as they are asked for: thousands of cases ask the same.
pub(super) struct Hosts<'w> {
    world: &'w World,
    dumps: Dumps<'w>,
    /// Files by an address that they show as their host's own.
    own: HashMap<IpAddr, BTreeSet<SourceIndex>>,
    /// Files by the host that they show itself, and not one of its pods.
    of_host: HashMap<&'w str, BTreeSet<SourceIndex>>,
    /// Files by the pod whose network namespace they show.
    of_pod: HashMap<&'w str, BTreeSet<SourceIndex>>,
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
            note(&mut own, ip, source);
        }
        let pods = pods_of_paths(world);
        let (mut of_host, mut of_pod) = (HashMap::new(), HashMap::new());
        let files: BTreeSet<SourceIndex> = map.hosts.keys().copied().chain(pods.keys().copied()).collect();
        for source in files {
            match (pods.get(&source), map.hosts.get(&source)) {
                (Some(pod), _) => note(&mut of_pod, *pod, source),
                (None, Some(host)) => note(&mut of_host, host.as_str(), source),
                (None, None) => {}
            }
        }
        let (listening, unreachable) = (HashMap::new(), HashMap::new());
        let destinations = HashMap::new();
        Self { world, dumps: Dumps::new(map), own, of_host, of_pod, listening, unreachable, destinations }
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

    /// Dumps of the network namespace that an address belongs to, in order.
    fn seeing(&self, ip: IpAddr, caller: Option<&str>) -> Vec<(SourceIndex, &Dump<'w>)> {
        let map = &self.world.cluster;
        let files = if ip.is_loopback() {
            [caller.and_then(|host| self.of_host.get(host)), None]
        } else {
            let named = match map.owner(ip) {
                Some(Owner::Pod(pod)) => self.of_pod.get(pod.name.as_str()),
                _ => map.host_of(ip).and_then(|host| self.of_host.get(host)),
            };
            [named, self.own.get(&ip)]
        };
        self.dumps_of(files)
    }

    fn dumps_of(&self, files: [Option<&BTreeSet<SourceIndex>>; 2]) -> Vec<(SourceIndex, &Dump<'w>)> {
        let files: BTreeSet<SourceIndex> = files.into_iter().flatten().flatten().copied().collect();
        files.into_iter().filter_map(|source| Some((source, self.dumps.get(source)?))).collect()
    }

    fn listening(&mut self, called: SocketAddr, caller: Option<&str>) -> Rc<Listening> {
        // Whose loopback it is depends on the caller; every other address is of one namespace.
        let key = (called, caller.filter(|_| called.ip().is_loopback()).map(str::to_owned));
        if let Some(known) = self.listening.get(&key) {
            return Rc::clone(known);
        }
        let found = Rc::new(self.of_sockets(called, &self.seeing(called.ip(), caller)));
        self.listening.insert(key, Rc::clone(&found));
        found
    }

    fn of_sockets(&self, called: SocketAddr, dumps: &[(SourceIndex, &Dump<'w>)]) -> Listening {
        // Of several dumps the fullest queue is the one that tells.
        let fitting = dumps.iter().flat_map(|(_, dump)| dump.sockets(called.ip(), called.port()));
        let most = fitting.max_by_key(|(n, socket)| (queued(socket), *n)).map(|(_, socket)| socket);
        let mut listed = dumps.iter().filter(|(_, dump)| dump.listening > 0).peekable();
        let any = listed.peek().is_some();
        let none = listed.next().filter(|_| most.is_none());
        let counters = dumps.iter().flat_map(|(_, dump)| &dump.counters);
        let counted: Vec<String> =
            counters.map(|c| format!("{} {} in {}", c.name, c.value, self.place(c.source))).collect();
        Listening {
            listens: any.then_some(most.is_some()),
            queue: most.map(|s| (s.recv_q, s.send_q)),
            listener: most.map(|s| self.words_of(s)),
            no_listener: none.map(|(source, dump)| {
                let (listed, port) = (dump.listening, called.port());
                format!("{} ({listed} listening, none on port {port})", self.place(*source))
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
        let own = orig.and_then(|ip| self.own.get(&ip));
        let dumps = self.dumps_of([caller.as_deref().and_then(|host| self.of_host.get(host)), own]);
        let best = |ip: &IpAddr| {
            let routes = dumps.iter().filter_map(|(_, dump)| dump.route(*ip));
            routes.max_by_key(|(n, route)| (route.destination.1, *n)).map(|(_, route)| route)
        };
        let hops = hosts.iter().filter_map(best).filter_map(|r| r.via);
        let wanted: BTreeSet<IpAddr> = hosts.iter().copied().chain(hops).collect();
        let silent = dumps.iter().flat_map(|(_, dump)| wanted.iter().filter_map(|ip| dump.silent(ip)));
        let failed = silent.min_by_key(|(n, _)| *n);
        let failed =
            failed.map(|(_, n)| format!("{} dev {} {} in {}", n.ip, n.device, n.state, self.place(n.source)));
        let rejecting = hosts.iter().filter_map(best).find(|r| REJECTING.contains(&r.kind.as_str()));
        let rejecting = rejecting.map(|r| {
            format!("{} {}/{} in {}", r.kind, r.destination.0, r.destination.1, self.place(r.source))
        });
        let has = |what: fn(&Dump<'w>) -> bool| dumps.iter().any(|(_, dump)| what(dump));
        let found = Rc::new(Unreachable {
            neighbor_failed: if has(|d| d.has_neighbours) { Dumped::of(failed) } else { Dumped::Unknown },
            no_route: if has(|d| d.has_routes) { Dumped::of(rejecting) } else { Dumped::Unknown },
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

/// Counts a file among the first ones of its kind.
fn note<K: Eq + Hash>(files: &mut HashMap<K, BTreeSet<SourceIndex>>, of: K, source: SourceIndex) {
    let files = files.entry(of).or_default();
    if files.len() < MAX_DUMPS {
        files.insert(source);
    }
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

/// Files that dump the state of one host, pod or address, which are looked at.
const MAX_DUMPS: usize = 64;
/// Kinds of routes that send nothing.
const REJECTING: &[&str] = &["blackhole", "unreachable", "prohibit"];
/// IP protocol number of TCP.
const TCP: u8 = 6;
