//! Whether the caBundle that a caller was given can verify the certificate that the server showed.
//!
//! Compares names and key identifiers (RFC 5280 §4.2.1.1, §4.2.1.2); signatures are not verified, so that only a
//! mismatch is ever stated.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use base64::Engine;

use super::goal::Goal;
use super::inventory::MAX_BYTES;
use super::issuers::Issuers;
use super::join::Join;
use super::steps::step;
use super::{Case, World};
use crate::cluster::Callee;
use crate::tls::{Certificate, parse_certificate};

/// What does not fit and why, as a sentence, and whether it may be an intermediate certificate that is missing; `None`
/// where it fits or nothing can be compared.
pub(super) fn mismatch(join: &Join<'_>, case: &Case) -> Option<(String, bool)> {
    let event = join.world.event(case).filter(|e| e.fields.x509.is_some())?;
    let goal = case.event.map(|n| join.goals.of(n))?;
    let (n, callee) =
        callee_of(join, event.fields.webhook.as_deref().or(event.fields.apiservice.as_deref()), goal)?;
    let Authorities { issuers, held } = join.trust.bundle(n, callee)?;
    let shown = shown(join, case, goal)?;
    if issuers.is_empty() || shown.chain.iter().any(|c| issuers.issued(c)) {
        return None;
    }
    let top = shown.chain.last()?;
    let issuer = identity(&top.issuer, top.authority_key_id.as_deref());
    let of = if callee.name == callee.configuration {
        callee.name.clone()
    } else {
        format!("{} in {}", callee.name, callee.configuration)
    };
    // An authority of another name may be issued by one that is trusted: the server is to send its certificate, too.
    let between = !top.self_issued && !issuers.names(&top.issuer);
    let lacks = if between {
        ", whose own certificate is not beside it: an intermediate one may be missing"
    } else {
        ""
    };
    let place = shown.place;
    let text =
        format!("The caBundle of {of} holds {held}; the certificate {place} was issued by {issuer}{lacks}");
    Some((text, between))
}

/// A chain, leaf first, and where it was seen.
struct Shown {
    chain: Vec<Arc<Certificate>>,
    place: String,
}

/// The chain on the wire (TLS up to 1.2), else the certificate of a Secret that covers the name called; of the Service's
/// namespace where one is called, since its pods can mount no other.
fn shown(join: &Join<'_>, case: &Case, goal: &Goal) -> Option<Shown> {
    let wire = case.attempt().and_then(|f| join.world.flow(f).app.session.tls.as_deref());
    if let Some(tls) = wire.filter(|t| !t.certificates.is_empty()) {
        return Some(Shown { chain: tls.certificates.clone(), place: "on the wire".to_owned() });
    }
    let namespace = goal.service.as_ref().map(|(namespace, _)| namespace.as_str());
    let held = goal.names.iter().filter_map(|name| join.trust.held(name, namespace, join.world)).min()?;
    let chain = join.trust.chain(held, join.world)?.to_vec();
    let held = join.world.cluster.certificates.get(held)?;
    Some(Shown { chain, place: format!("in {}", held.place) })
}

/// The webhook or APIService of this name, else the one that calls the goal's Service.
fn callee_of<'j>(join: &'j Join<'_>, name: Option<&str>, goal: &Goal) -> Option<(usize, &'j Callee)> {
    step();
    let named = name.and_then(|name| join.trust.by_callee.get(name));
    let of_service = || goal.service.as_ref().and_then(|service| join.trust.by_service.get(service));
    let n = *named.or_else(of_service)?;
    Some((n, join.world.cluster.callees.get(n)?))
}

/// What a caBundle holds, and in words.
struct Authorities {
    issuers: Issuers,
    held: String,
}

/// Certificates that calls are held against, each read once.
pub(super) struct Trust {
    /// The authorities of each callee's caBundle.
    bundles: Vec<OnceLock<Authorities>>,
    /// The first callee of each name, and of each Service.
    by_callee: HashMap<String, usize>,
    by_service: HashMap<(String, String), usize>,
    by_name: OnceLock<ByName>,
    /// What each Secret or file holds.
    chains: Vec<OnceLock<Vec<Arc<Certificate>>>>,
}

/// The first certificates of Secrets and files, by their places, that are for a name.
#[derive(Default)]
struct ByName {
    anywhere: HashMap<String, usize>,
    /// In a namespace, or in no object.
    within: HashMap<(String, Option<String>), usize>,
}

impl Trust {
    pub(super) fn new(world: &World) -> Self {
        let bundles = world.cluster.callees.iter().map(|_| OnceLock::new()).collect();
        let (mut by_callee, mut by_service) = (HashMap::new(), HashMap::new());
        for (n, callee) in world.cluster.callees.iter().enumerate() {
            by_callee.entry(callee.name.clone()).or_insert(n);
            if let Some(service) = &callee.service {
                by_service.entry(service.clone()).or_insert(n);
            }
        }
        let chains = world.cluster.certificates.iter().map(|_| OnceLock::new()).collect();
        Self { bundles, by_callee, by_service, by_name: OnceLock::new(), chains }
    }

    fn bundle(&self, n: usize, callee: &Callee) -> Option<&Authorities> {
        let read = || {
            let all = authorities(&callee.ca_bundle);
            Authorities { issuers: Issuers::new(all.iter()), held: held_by(&all) }
        };
        self.bundles.get(n).map(|bundle| bundle.get_or_init(read))
    }

    fn chain(&self, n: usize, world: &World) -> Option<&[Arc<Certificate>]> {
        let held = world.cluster.certificates.get(n)?;
        let read = || certificates(&held.bytes).into_iter().map(Arc::new).collect();
        self.chains.get(n).map(|chain| chain.get_or_init(read).as_slice())
    }

    /// The certificate for a name in this namespace or else in no object; anywhere, where no namespace is asked for.
    pub(super) fn held(&self, name: &str, namespace: Option<&str>, world: &World) -> Option<usize> {
        let by_name = self.by_name.get_or_init(|| ByName::of(world));
        if namespace.is_none() {
            return by_name.anywhere.get(name).copied();
        }
        let within = |namespace: Option<&str>| {
            by_name.within.get(&(name.to_owned(), namespace.map(str::to_owned))).copied()
        };
        within(namespace).or_else(|| within(None))
    }
}

impl ByName {
    fn of(world: &World) -> Self {
        let (mut by_name, mut bytes) = (Self::default(), 0);
        for (n, held) in world.cluster.certificates.iter().enumerate() {
            let leaf = first_certificates(&held.bytes, 1).pop().filter(|leaf| !leaf.ca);
            bytes += leaf.as_ref().map_or(0, Certificate::held_bytes);
            if bytes > MAX_BYTES {
                break;
            }
            for san in leaf.into_iter().flat_map(|leaf| leaf.sans) {
                by_name.anywhere.entry(san.clone()).or_insert(n);
                by_name.within.entry((san, held.namespace().map(str::to_owned))).or_insert(n);
            }
        }
        by_name
    }
}

/// The authorities of a caBundle; none where it has more than are read, since then nothing is proof that it lacks one.
pub(super) fn authorities(ca_bundle: &[u8]) -> Vec<Certificate> {
    let mut all = first_certificates(ca_bundle, MAX_AUTHORITIES + 1);
    if all.len() > MAX_AUTHORITIES {
        all.clear();
    }
    all
}

/// What a caBundle holds, in words: its first authorities.
pub(super) fn held_by(bundle: &[Certificate]) -> String {
    let held = bundle.iter().take(4).map(|c| identity(&c.subject, c.subject_key_id.as_deref()));
    held.collect::<Vec<_>>().join(", ")
}

/// A name and, where it is known, the start of its key identifier.
pub(super) fn identity(name: &str, key: Option<&str>) -> String {
    let name = if name.is_empty() { "an unnamed authority" } else { name };
    key.map_or_else(|| name.to_owned(), |k| format!("{name} (key {})", k.get(..16).unwrap_or(k)))
}

/// The certificates of PEM text, or of one DER value; at most [`MAX_CERTIFICATES`].
pub(super) fn certificates(bytes: &[u8]) -> Vec<Certificate> {
    first_certificates(bytes, MAX_CERTIFICATES)
}

/// The first certificates of PEM text, or the one of a DER value; at most `most`.
pub(super) fn first_certificates(bytes: &[u8], most: usize) -> Vec<Certificate> {
    let text = String::from_utf8_lossy(bytes);
    let blocks = text.split(PEM_BEGIN).skip(1);
    let decoded = blocks.filter_map(|block| {
        step();
        let body: String = block.split("-----END").next()?.chars().filter(|c| !c.is_whitespace()).collect();
        base64::engine::general_purpose::STANDARD.decode(body).ok()
    });
    let from_pem: Vec<Certificate> = decoded.take(most).map(|der| parse_certificate(&der)).collect();
    match bytes.first() {
        Some(0x30) if from_pem.is_empty() => vec![parse_certificate(bytes)],
        _ => from_pem,
    }
}

/// How many certificates PEM text says to hold.
pub(super) fn written(bytes: &[u8]) -> usize {
    memchr::memmem::find_iter(bytes, PEM_BEGIN).count()
}

const PEM_BEGIN: &str = "-----BEGIN CERTIFICATE-----";

/// Certificates read of one chain.
const MAX_CERTIFICATES: usize = 64;

/// Authorities of one caBundle that are read; the public ones are about 150.
const MAX_AUTHORITIES: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_of_all_public_authorities_is_read_whole_and_one_beyond_the_bound_accuses_nobody() {
        let bundle = |n: usize| "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n".repeat(n);
        for (held, read) in [(1, 1), (150, 150), (MAX_AUTHORITIES, MAX_AUTHORITIES), (MAX_AUTHORITIES + 1, 0)]
        {
            assert_eq!(authorities(bundle(held).as_bytes()).len(), read, "{held}");
        }
    }
}
