//! Certificates as cases: those that had expired, expire soon, or do not fit the caBundle that is to verify them.
//!
//! Takes the inventory and the cases of calls; gives each call the certificate of its server, and a case to each
//! certificate that rules should look at and that no failed call shows already. Never says what is wrong.

use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::inventory::{
    Beyond, CertificateRole, Inventoried, MAX_BYTES, MAX_CERTIFICATES, MORE_NAMES, inventory,
};
use super::join::Join;
use super::named::Named;
use super::{Anomaly, Case, CaseFacts, Coverage, JoinOptions, Target, World, anomalies};
use crate::log::Edge;

/// Every certificate of the bundle, and the bounds that were reached.
pub(super) fn inventory_of(world: &World, options: &JoinOptions) -> (Vec<Arc<Inventoried>>, Vec<Anomaly>) {
    let (all, Beyond { certificates, bundles, names }) = inventory(world, options.expiry_warning);
    let listed = anomalies::reached("limit_certificates", certificates, || {
        format!(
            "certificates were shown or held {certificates} times that are none of the first {MAX_CERTIFICATES}, or of {} MiB: they are not listed",
            MAX_BYTES >> 20
        )
    });
    let held = anomalies::reached("limit_ca_bundles", bundles, || {
        format!(
            "{bundles} caBundles were not held against all certificates of their Services, which are too many"
        )
    });
    let cut = anomalies::reached("limit_names", names, || format!("{names} {MORE_NAMES}"));
    let reached = listed.into_iter().chain(held).chain(cut).collect();
    (all.into_iter().map(Arc::new).collect(), reached)
}

/// Gives each call the certificate that its server showed, else one of the bundle that names the host called.
pub(super) fn attach(join: &Join<'_>, cases: &mut [Case], all: &[Arc<Inventoried>]) {
    let by_digest: BTreeMap<&str, &Arc<Inventoried>> =
        all.iter().map(|c| (c.certificate.sha256.as_str(), c)).collect();
    let leaves = all.iter().enumerate().filter(|(_, c)| !c.certificate.ca);
    let named = LazyCell::new(|| Named::new(leaves.map(|(n, c)| (n, &*c.certificate))));
    for case in cases {
        let tls = case.attempt().and_then(|f| join.world.flow(f).app.session.tls.as_deref());
        let leaf = tls.and_then(|t| t.certificates.first());
        let shown = leaf.and_then(|l| by_digest.get(l.sha256.as_str()).copied());
        case.certificate = shown.or_else(|| held(join, case, &named).and_then(|n| all.get(n))).cloned();
    }
}

/// The certificate that names the host of a call that failed over a certificate.
fn held(join: &Join<'_>, case: &Case, named: &Named) -> Option<usize> {
    join.world.event(case).filter(|e| e.fields.x509.is_some())?;
    let host = case.target.url_host.as_deref()?;
    named.first(host.rsplit_once(':').map_or(host, |(host, _)| host))
}

/// A case for each certificate that rules should look at, and the bound of their number, where it was reached.
pub(super) fn cases(world: &World, calls: &[Case], all: &[Arc<Inventoried>]) -> (Vec<Case>, Option<Anomaly>) {
    let failed: BTreeSet<&str> = calls.iter().flat_map(|case| used(world, case)).collect();
    let of_interest = |c: &&Arc<Inventoried>| {
        // What is wrong with it belongs to the finding of the call that met it.
        let told = failed.contains(c.certificate.sha256.as_str());
        let wrong = c.expired() == Some(true) || !c.mismatches.is_empty();
        c.role != CertificateRole::TrustStore && (c.expires_soon == Some(true) || (wrong && !told))
    };
    let mut found = all.iter().filter(of_interest);
    let cases = found.by_ref().take(MAX_CASES).map(case).collect();
    let beyond = found.count() as u64;
    let reached = anomalies::reached("limit_certificate_cases", beyond, || {
        format!(
            "{beyond} more certificates are expired, expire soon or do not fit: the first {MAX_CASES} are findings, `wirecause certs` lists all"
        )
    });
    (cases, reached)
}

/// Digests of the certificates that a failed call showed or was to be shown.
fn used<'a>(world: &'a World, case: &'a Case) -> impl Iterator<Item = &'a str> {
    let sessions = case.flows.iter().filter_map(|f| world.flow(f.flow).app.session.tls.as_deref());
    let chains = sessions.flat_map(|t| t.certificates.iter().chain(&t.client_certificates));
    let own = case.certificate.iter().map(|c| c.certificate.sha256.as_str());
    chains.map(|c| c.sha256.as_str()).chain(own).collect::<Vec<_>>().into_iter()
}

fn case(certificate: &Arc<Inventoried>) -> Case {
    Case {
        event: None,
        echoes: Vec::new(),
        flows: Vec::new(),
        matching: None,
        time: certificate.at,
        window: None,
        target: Target { certificate: Some(certificate.certificate.subject.clone()), ..Target::default() },
        edge: Edge::Other,
        coverage: Coverage::default(),
        facts: CaseFacts::default(),
        certificate: Some(Arc::clone(certificate)),
    }
}

/// Certificates that become cases.
const MAX_CASES: usize = 1000;
