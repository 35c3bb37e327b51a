//! Which caBundles do not verify what their callees serve.
//!
//! Takes the inventory and a callee at a time; notes with each certificate what does not fit. A bundle may hold thousands
//! of each, so that all is looked up, and what remains of the product is bounded.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Inventoried, bundle_of};
use crate::cluster::Callee;
use crate::correlate::issuers::Issuers;
use crate::correlate::named::Named;
use crate::correlate::steps::step;
use crate::correlate::trust;
use crate::tls::Certificate;

/// All certificates, and what is looked up of them.
pub(super) struct All {
    pub(super) certificates: Vec<Arc<Certificate>>,
    issuers: Issuers,
    /// The first that can have issued each.
    above: Vec<Option<usize>>,
    /// Those that are no authorities, by the names that they are for, and by those that clients asked for.
    named: Named,
    asked: HashMap<String, Vec<usize>>,
    /// Of each host what serves it, and those of it that take more sentences.
    served: HashMap<String, (Vec<usize>, Vec<usize>)>,
    /// How often a certificate may still be held against a caBundle.
    left: u64,
}

impl All {
    pub(super) fn new(list: &[Inventoried]) -> Self {
        let certificates: Vec<_> = list.iter().map(|i| Arc::clone(&i.certificate)).collect();
        let issuers = Issuers::new(certificates.iter().map(|c| &**c));
        let above = certificates.iter().map(|c| issuers.of(c)).collect();
        let leaves = || list.iter().enumerate().filter(|(_, i)| !i.certificate.ca);
        let mut asked: HashMap<String, Vec<usize>> = HashMap::new();
        for (n, leaf) in leaves().filter(|(_, i)| i.shown.depth == 0) {
            for sni in &leaf.shown.sni {
                asked.entry(sni.clone()).or_default().push(n);
            }
        }
        let named = Named::new(leaves().map(|(n, i)| (n, &*i.certificate)));
        Self { certificates, issuers, above, named, asked, served: HashMap::new(), left: MAX_HELD_AGAINST }
    }

    /// The first that can have issued one.
    pub(super) fn above(&self, n: usize) -> Option<usize> {
        self.above.get(n).copied().flatten()
    }

    /// Notes what a callee serves and its caBundle does not verify, with the certificate and with those of the bundle;
    /// tells whether all that it serves was looked at.
    pub(super) fn hold_against(&mut self, callee: &Callee, list: &mut [Inventoried]) -> bool {
        let bundle = trust::authorities(&callee.ca_bundle);
        let Some((namespace, name)) = callee.service.as_ref().filter(|_| !bundle.is_empty()) else {
            return true;
        };
        let host = format!("{name}.{namespace}.svc");
        let trusted = Issuers::new(bundle.iter());
        let mut own: Vec<usize> = bundle.iter().filter_map(|c| self.issuers.place(c)).collect();
        own.sort_unstable();
        own.dedup();
        own.retain(|n| list[*n].takes_more());
        let (all, mut open) = self.served.remove(&host).unwrap_or_else(|| self.serving(&host));
        let mut last = None;
        let whole = loop {
            // one that takes no more sentences matters only while certificates of the bundle do
            let from = if own.is_empty() { &open } else { &all };
            let next = last.map_or(0, |last| from.partition_point(|n| *n <= last));
            let Some(n) = from.get(next).copied() else { break true };
            if self.left == 0 {
                break false;
            }
            last = Some(n);
            self.left -= 1;
            step();
            if !self.fits(n, &trusted) {
                let (place, held) = (bundle_of(callee), trust::held_by(&bundle));
                let text = format!("the {place} holds {held} and does not verify {}", served(&list[n]));
                for entry in own.iter().chain([&n]) {
                    list[*entry].mismatch(&text);
                }
                own.retain(|n| list[*n].takes_more());
            }
        };
        open.retain(|n| list[*n].takes_more());
        self.served.insert(host, (all, open));
        whole
    }

    /// What serves a host, twice: all of it, and what takes more sentences.
    fn serving(&self, host: &str) -> (Vec<usize>, Vec<usize>) {
        let asked = self.asked.get(host).into_iter().flatten();
        let mut all: Vec<usize> = self.named.of(host).into_iter().flatten().chain(asked).copied().collect();
        all.sort_unstable();
        all.dedup();
        (all.clone(), all)
    }

    /// Whether a chain leads from a certificate to one of these.
    fn fits(&self, leaf: usize, trusted: &Issuers) -> bool {
        let up = |n: &usize| self.above(*n).filter(|next| next != n);
        let mut chain = std::iter::successors(Some(leaf), up).take(MAX_LINKS);
        chain.any(|n| trusted.issued(&self.certificates[n]))
    }
}

/// A certificate that is served, in words.
fn served(leaf: &Inventoried) -> String {
    let place = leaf.found.first().map_or(String::new(), |f| format!(" ({})", f.place));
    let issuer = trust::identity(&leaf.certificate.issuer, leaf.certificate.authority_key_id.as_deref());
    format!("{}{place}, which was issued by {issuer}", leaf.certificate.subject)
}

/// Certificates of one chain that are followed.
const MAX_LINKS: usize = 8;
/// Times that a certificate is held against a caBundle; 1,000 of a Service against as many are one million.
const MAX_HELD_AGAINST: u64 = 1 << 22;

#[cfg(test)]
mod tests {
    use super::super::Collected;
    use super::*;

    #[test]
    fn bundles_beyond_the_bound_are_told() {
        let leaf = |n: u32| Certificate {
            sha256: n.to_string(),
            issuer: "CN=new".into(),
            sans: vec!["a.b.svc".into()],
            ..Certificate::default()
        };
        let mut collected = Collected::default();
        (0..3).for_each(|n| assert!(collected.entry(&Arc::new(leaf(n))).is_some()));
        let mut list: Vec<_> = collected.by_digest.into_values().collect();
        let callee = Callee {
            service: Some(("b".into(), "a".into())),
            ca_bundle: b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"[..].into(),
            ..Callee::default()
        };
        let mut all = All { left: 7, ..All::new(&list) };
        let whole: Vec<_> = (0..4).map(|_| all.hold_against(&callee, &mut list)).collect();
        assert_eq!(whole, [true, true, false, false]);
        assert_eq!(list.iter().map(|i| i.mismatches.len()).collect::<Vec<_>>(), [3, 2, 2]);
    }
}
