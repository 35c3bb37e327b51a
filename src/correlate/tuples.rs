//! Which connection a line means that names its ends, where the wire shows another destination.
//!
//! A line names what was dialled, a capture behind the translation what came of it. Objects and connection tables tell the
//! one from the other; where they do not, a translation is assumed, and said to be.

use std::cell::{LazyCell, RefCell};
use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::rc::Rc;

use super::goal::Goal;
use super::{Key, World};
use crate::cluster::{ClusterMap, Owner};
use crate::log::LogEvent;

/// The ends that callers' lines name.
pub(super) struct Tuples<'w> {
    map: &'w ClusterMap,
    /// Source and destination.
    pairs: HashSet<(SocketAddr, SocketAddr)>,
    /// What is told of destinations, as it is asked for: one may have thousands of backends, and as many lines.
    told: RefCell<HashMap<SocketAddr, Rc<Told>>>,
}

/// What objects and connection tables say of an address.
struct Told {
    behind: HashSet<SocketAddr>,
    of_pod: bool,
}

impl<'w> Tuples<'w> {
    pub(super) fn new(world: &'w World) -> Self {
        let callers = world.logs.events.iter().filter(|e| !e.server_side).map(|e| &e.fields);
        let pairs = callers.filter_map(|f| f.source.zip(f.destination)).collect();
        Self { map: &world.cluster, pairs, told: RefCell::default() }
    }

    /// Where a connection may lead that a line names with this source: anywhere, where the line names no destination;
    /// else to what is behind that. Where nothing tells, assume a translation, but none of a pod's own address, and none
    /// to an end that a line names with this very source: that line's call it is.
    pub(super) fn translates(
        &self,
        event: &LogEvent,
        source: SocketAddr,
    ) -> impl Fn(SocketAddr) -> bool + '_ {
        let destination = event.fields.destination;
        let told = LazyCell::new(move || destination.map(|d| self.told(d)));
        move |resp| {
            let Some(told) = &*told else { return true };
            told.behind.contains(&resp) || !told.of_pod && !self.pairs.contains(&(source, resp))
        }
    }

    fn told(&self, address: SocketAddr) -> Rc<Told> {
        let read = || {
            let behind = self.map.backends(address).iter().map(|b| b.address).collect();
            let of_pod = matches!(self.map.owner(address.ip()), Some(Owner::Pod(_)));
            Rc::new(Told { behind, of_pod })
        };
        Rc::clone(self.told.borrow_mut().entry(address).or_insert_with(read))
    }
}

/// Whether a connection with these responders is only assumed to be the translated one of a line with this goal.
pub(super) fn is_assumed(event: &LogEvent, goal: &Goal, resps: &[SocketAddr]) -> bool {
    let named = event.fields.destination.filter(|_| !event.server_side);
    let told = |resp: &SocketAddr| goal.backends.get(resp) == Some(&Key::NatMap);
    named.is_some_and(|d| !resps.contains(&d) && !resps.iter().any(told))
}
