//! Every certificate of the bundle, once: on the wire, in Secrets, ConfigMaps, kubeconfigs, caBundles and files.
//!
//! Takes all that was read; gives each certificate with where it was found, its role in the Kubernetes PKI ([`role`]),
//! how long it was still valid at the time of the incident, and which of the others can have issued it. Compares names
//! and key identifiers (RFC 5280 §4.2.1.1, §4.2.1.2); signatures are not verified. Never sees a private key.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::World;
use super::trust;
use crate::cluster::{Callee, Holder};
use crate::ingest::Conversation;
use crate::time::{TimeDelta, Timestamp};
use crate::tls::Certificate;

mod bundles;
mod role;

use bundles::All;
pub use role::CertificateRole;

/// What holds a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FoundIn {
    /// A flow of a capture.
    Wire,
    /// A Secret.
    Secret,
    /// A ConfigMap.
    ConfigMap,
    /// A kubeconfig.
    Kubeconfig,
    /// `caBundle` of a webhook, an APIService or a CRD conversion.
    CaBundle,
    /// A PEM file.
    File,
}

impl FoundIn {
    /// snake_case, as in the output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Wire => "wire",
            Self::Secret => "secret",
            Self::ConfigMap => "config_map",
            Self::Kubeconfig => "kubeconfig",
            Self::CaBundle => "ca_bundle",
            Self::File => "file",
        }
    }
}

/// A place where a certificate was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// What kind of place.
    pub kind: FoundIn,
    /// Which one, in words: `Secret ns/name tls.crt`, `server 10.0.0.9:8443`, a path.
    pub place: String,
}

/// Which certificate of the inventory can have issued one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Authority {
    /// Subject and issuer are the same name.
    Itself,
    /// The one with this SHA-256, by name and, where both have them, key identifiers.
    Held(String),
    /// None that was found.
    #[default]
    Missing,
}

/// A certificate of the bundle.
#[derive(Clone, Debug)]
pub struct Inventoried {
    /// What it says.
    pub certificate: Arc<Certificate>,
    /// What it is for.
    pub role: CertificateRole,
    /// Where it was found, without repeats, at most 16.
    pub found: Vec<Found>,
    /// Servers and clients that showed it.
    pub shown: Shown,
    /// The time of the incident: the last frame of the captures, else the last line of the logs.
    pub at: Option<Timestamp>,
    /// How long it was still valid then; negative once it had expired.
    pub left: Option<TimeDelta>,
    /// It was still valid then, and for no longer than `--expiry-warning`.
    pub expires_soon: Option<bool>,
    /// Who can have issued it.
    pub authority: Authority,
    /// caBundles that do not fit it, or that it is part of and that do not fit what is served: each a sentence.
    pub mismatches: Vec<String>,
}

/// Who showed a certificate on the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// A server did.
    pub by_server: bool,
    /// A client did.
    pub by_client: bool,
    /// Addresses (with ports of servers), sorted, at most 16.
    pub addresses: Vec<String>,
    /// Names that clients asked those for, sorted, at most 16.
    pub sni: Vec<String>,
    /// Flows.
    pub flows: u64,
    /// Place in the chain, from 0 (the leaf), where it was first seen.
    pub depth: u32,
}

impl Authority {
    /// The SHA-256, `self` or `missing`, as in the output.
    pub fn name(&self) -> &str {
        match self {
            Self::Itself => "self",
            Self::Held(sha256) => sha256,
            Self::Missing => "missing",
        }
    }
}

impl Shown {
    /// `server`, `client`, `both` or `none`, as in the output.
    pub const fn by(&self) -> &'static str {
        match (self.by_server, self.by_client) {
            (true, true) => "both",
            (true, false) => "server",
            (false, true) => "client",
            (false, false) => "none",
        }
    }
}

impl Inventoried {
    /// Its validity had ended at the time of the incident.
    pub fn expired(&self) -> Option<bool> {
        self.left.map(|left| left < TimeDelta(0))
    }

    /// Whole days left, rounded down.
    pub fn days_left(&self) -> Option<i64> {
        self.left.map(|left| left.0.div_euclid(DAY.0))
    }
}

/// What is beyond the bounds of an inventory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Beyond {
    /// How often a certificate was met that is none of the first.
    pub certificates: u64,
    /// caBundles that were not held against all that is served.
    pub bundles: u64,
    /// Certificates with more alternative names than are kept.
    pub names: u64,
}

impl Beyond {
    /// A sentence for each bound that was reached.
    pub fn in_words(self) -> impl Iterator<Item = String> {
        let Self { certificates, bundles, names } = self;
        let listed = (certificates > 0).then(|| {
            format!("{certificates} times a certificate was met that is beyond those that are listed")
        });
        let held = (bundles > 0).then(|| {
            format!("{bundles} caBundles were not held against all certificates of their Services: they are too many")
        });
        let cut = (names > 0).then(|| format!("{names} {MORE_NAMES}"));
        listed.into_iter().chain(held).chain(cut)
    }
}

/// All certificates, by subject and digest, and what is beyond their bounds. `warning`: how long before its end a
/// certificate expires soon.
pub fn inventory(world: &World, warning: TimeDelta) -> (Vec<Inventoried>, Beyond) {
    let mut all = Collected::default();
    world.wire.flows.each_but_lone_syns(|_, flow| all.flow(flow));
    for held in &world.cluster.certificates {
        let kind = match held.holder {
            Holder::Secret => FoundIn::Secret,
            Holder::ConfigMap => FoundIn::ConfigMap,
            Holder::Kubeconfig => FoundIn::Kubeconfig,
            Holder::File => FoundIn::File,
        };
        all.pem(&held.bytes, kind, &held.place);
    }
    for callee in &world.cluster.callees {
        all.pem(&callee.ca_bundle, FoundIn::CaBundle, &bundle_of(callee));
    }
    let certificates = all.beyond;
    let mut list: Vec<Inventoried> = all.by_digest.into_values().collect();
    list.sort_by(|a, b| key(&a.certificate).cmp(&key(&b.certificate)));
    let at = time_of_incident(world);
    let bundles = settle(&mut list, world, at, warning);
    let names = list.iter().filter(|i| i.certificate.sans_beyond > 0).count() as u64;
    (list, Beyond { certificates, bundles, names })
}

/// Certificates that stand in Secrets, ConfigMaps, kubeconfigs, caBundles and files: their names, for who redacts.
pub fn written_certificates(world: &World) -> impl Iterator<Item = Certificate> {
    let held = world.cluster.certificates.iter().map(|h| &*h.bytes);
    let bundles = world.cluster.callees.iter().map(|c| &*c.ca_bundle);
    held.chain(bundles).flat_map(|bytes| trust::first_certificates(bytes, MAX_CERTIFICATES))
}

/// The last frame of the captures, else the last line of the logs.
fn time_of_incident(world: &World) -> Option<Timestamp> {
    let frames = world.wire.captures.iter().filter_map(|c| c.last).max();
    frames.or_else(|| world.logs.reports.iter().filter_map(|l| l.last).max())
}

fn key(certificate: &Certificate) -> (&str, &str) {
    (&certificate.subject, &certificate.sha256)
}

/// `webhook NAME in CONFIGURATION`.
fn bundle_of(callee: &Callee) -> String {
    if callee.configuration.is_empty() || callee.configuration == callee.name {
        format!("caBundle of {} {}", callee.kind, callee.name)
    } else {
        format!("caBundle of {} {} in {}", callee.kind, callee.name, callee.configuration)
    }
}

/// Certificates by digest, while they are collected.
#[derive(Default)]
struct Collected {
    by_digest: BTreeMap<String, Inventoried>,
    /// Bytes that these hold.
    bytes: usize,
    beyond: u64,
}

impl Collected {
    fn entry(&mut self, certificate: &Arc<Certificate>) -> Option<&mut Inventoried> {
        if !self.by_digest.contains_key(&certificate.sha256) {
            let bytes = self.bytes + certificate.held_bytes();
            if self.by_digest.len() >= MAX_CERTIFICATES || bytes > MAX_BYTES {
                self.beyond += 1;
                return None;
            }
            self.bytes = bytes;
        }
        let new = || Inventoried {
            certificate: Arc::clone(certificate),
            role: CertificateRole::Other,
            found: Vec::new(),
            shown: Shown::default(),
            at: None,
            left: None,
            expires_soon: None,
            authority: Authority::Missing,
            mismatches: Vec::new(),
        };
        Some(self.by_digest.entry(certificate.sha256.clone()).or_insert_with(new))
    }

    fn flow(&mut self, flow: &Conversation) {
        let Some(tls) = &flow.app.session.tls else { return };
        let sni = tls.client_hello.as_ref().and_then(|h| h.shape.sni.as_ref());
        for (depth, certificate) in (0..).zip(&tls.certificates) {
            let Some(entry) = self.entry(certificate) else { continue };
            let new = entry.show(depth);
            entry.shown.by_server = true;
            let address = flow.resp.to_string();
            if add(&mut entry.shown.addresses, address.clone()) || new {
                entry.place(FoundIn::Wire, &format!("server {address}"));
            }
            if let Some(sni) = sni {
                add(&mut entry.shown.sni, sni.clone());
            }
        }
        for (depth, certificate) in (0..).zip(&tls.client_certificates) {
            let Some(entry) = self.entry(certificate) else { continue };
            entry.show(depth);
            entry.shown.by_client = true;
            let address = flow.orig.ip().to_string();
            if add(&mut entry.shown.addresses, address.clone()) {
                entry.place(FoundIn::Wire, &format!("client {address}"));
            }
        }
    }

    fn pem(&mut self, bytes: &[u8], kind: FoundIn, place: &str) {
        let certificates = trust::first_certificates(bytes, MAX_CERTIFICATES);
        if certificates.len() == MAX_CERTIFICATES {
            self.beyond += (trust::written(bytes).saturating_sub(MAX_CERTIFICATES)) as u64;
        }
        let crowd = certificates.len() > TRUST_STORE;
        for certificate in certificates {
            let Some(entry) = self.entry(&Arc::new(certificate)) else { continue };
            entry.place(kind, place);
            if crowd && entry.certificate.ca {
                entry.role = CertificateRole::TrustStore;
            }
        }
    }
}

impl Inventoried {
    /// One more flow shows it; tells whether it is the first.
    fn show(&mut self, depth: u32) -> bool {
        let first = self.shown.flows == 0;
        self.shown.depth = if first { depth } else { self.shown.depth };
        self.shown.flows += 1;
        first
    }

    fn takes_more(&self) -> bool {
        self.mismatches.len() < MAX_PLACES
    }

    fn mismatch(&mut self, text: &str) {
        if self.takes_more() {
            self.mismatches.push(text.to_owned());
        }
    }

    fn place(&mut self, kind: FoundIn, place: &str) {
        let found = Found { kind, place: place.to_owned() };
        if let Err(at) = self.found.binary_search(&found)
            && self.found.len() < MAX_PLACES
        {
            self.found.insert(at, found);
        }
    }
}

/// What needs all of them: roles, time left, authorities, caBundles. How many caBundles were not held against all.
fn settle(list: &mut [Inventoried], world: &World, at: Option<Timestamp>, warning: TimeDelta) -> u64 {
    let mut all = All::new(list);
    let called = role::Called::new(&world.cluster.callees);
    for (n, entry) in list.iter_mut().enumerate() {
        entry.at = at;
        entry.left = at.zip(entry.certificate.not_after).map(|(at, end)| end - at);
        entry.expires_soon = entry.left.map(|left| left >= TimeDelta(0) && left <= warning);
        entry.authority = match all.above(n) {
            _ if entry.certificate.self_issued => Authority::Itself,
            Some(ca) => Authority::Held(all.certificates[ca].sha256.clone()),
            None => Authority::Missing,
        };
        if entry.role != CertificateRole::TrustStore {
            entry.role = role::of(entry, &called);
        }
    }
    world.cluster.callees.iter().filter(|callee| !all.hold_against(callee, list)).count() as u64
}

/// Keeps a bounded list sorted and without repeats; tells whether it was added.
fn add(list: &mut Vec<String>, item: String) -> bool {
    match list.binary_search(&item) {
        Err(at) if list.len() < MAX_PLACES => {
            list.insert(at, item);
            true
        }
        _ => false,
    }
}

/// A day.
const DAY: TimeDelta = TimeDelta::from_secs(24 * 3600);
/// Places, addresses, names and sentences of one certificate at most.
const MAX_PLACES: usize = 16;
/// Certificates kept; a file or key with as many as it may have bytes has fewer.
pub(super) const MAX_CERTIFICATES: usize = 65_536;
/// Bytes of the names and identifiers of all that are kept: as many of usual length take as much.
pub(super) const MAX_BYTES: usize = 64 << 20;
/// What is said of how many certificates.
pub(super) const MORE_NAMES: &str = "certificates have more than 1,000 alternative names, or 16 KiB of them: whether another name is theirs is not known";
/// A place with more certificates than this is a trust store of public authorities.
const TRUST_STORE: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_all_certificates_are_bounded() {
        let mut all = Collected::default();
        let certificate = |n: usize| {
            let sans = (0..1000).map(|k| format!("{k}.{n}.{}", "a".repeat(1000))).collect();
            Arc::new(Certificate { sha256: n.to_string(), sans, ..Certificate::default() })
        };
        let listed: Vec<_> = (0..70).filter(|n| all.entry(&certificate(*n)).is_some()).collect();
        assert!((55..64).contains(&listed.len()), "{}", listed.len());
        assert_eq!((all.beyond, all.bytes < MAX_BYTES), (70 - listed.len() as u64, true));
        assert!(all.entry(&certificate(0)).is_some(), "one that is listed stays so");
    }
}
