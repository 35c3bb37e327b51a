//! Which certificates of a set can have issued one: looked up by name and key, for a set may have thousands of one name.
//!
//! Gives what a look at each would find. Knows no signature.

use std::collections::HashMap;

use super::steps::step;
use crate::tls::Certificate;

/// Certificates of a set, by what they can have issued, each by its place.
pub(super) struct Issuers {
    by_digest: HashMap<String, usize>,
    by_name: HashMap<String, OfName>,
}

/// Those of one subject: the first of all, the first without a key identifier, and the first of each.
#[derive(Default)]
struct OfName {
    first: Option<usize>,
    keyless: Option<usize>,
    by_key: HashMap<String, usize>,
}

impl Issuers {
    pub(super) fn new<'c>(set: impl Iterator<Item = &'c Certificate>) -> Self {
        let mut issuers = Self { by_digest: HashMap::new(), by_name: HashMap::new() };
        for (place, certificate) in set.enumerate() {
            step();
            issuers.by_digest.entry(certificate.sha256.clone()).or_insert(place);
            let of_name = issuers.by_name.entry(certificate.subject.clone()).or_default();
            of_name.first.get_or_insert(place);
            match &certificate.subject_key_id {
                Some(key) => {
                    of_name.by_key.entry(key.clone()).or_insert(place);
                }
                None => {
                    of_name.keyless.get_or_insert(place);
                }
            }
        }
        issuers
    }

    /// Whether none is there.
    pub(super) fn is_empty(&self) -> bool {
        self.by_digest.is_empty()
    }

    /// Where a certificate itself stands.
    pub(super) fn place(&self, certificate: &Certificate) -> Option<usize> {
        self.by_digest.get(certificate.sha256.as_str()).copied()
    }

    /// Whether one that has this name as its own is there.
    pub(super) fn names(&self, subject: &str) -> bool {
        self.by_name.contains_key(subject)
    }

    /// Whether one of them issued the certificate, or is it.
    pub(super) fn issued(&self, certificate: &Certificate) -> bool {
        self.place(certificate).is_some() || self.of(certificate).is_some()
    }

    /// The first of those with the issuer's name that issued the certificate, or is it.
    pub(super) fn of(&self, certificate: &Certificate) -> Option<usize> {
        step();
        let of_name = self.by_name.get(certificate.issuer.as_str())?;
        let itself = (certificate.subject == certificate.issuer).then(|| self.place(certificate)).flatten();
        let with = |key: Option<&String>| key.and_then(|k| of_name.by_key.get(k).copied());
        let key = certificate.authority_key_id.as_ref();
        let found = match key {
            // a self-issued one names no other key: it must be its own issuer, or have the issuer's key
            _ if certificate.self_issued => [with(key.or(certificate.subject_key_id.as_ref())), None],
            None => [of_name.first, None],
            Some(_) => [with(key), of_name.keyless],
        };
        found.into_iter().flatten().chain(itself).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether `ca` can have issued `certificate`, or is it. A self-issued one names no other key: it must be `ca` itself, or
    /// have its key.
    fn issued(ca: &Certificate, certificate: &Certificate) -> bool {
        let key = certificate.authority_key_id.as_ref();
        let key = if certificate.self_issued { key.or(certificate.subject_key_id.as_ref()) } else { key };
        let by_key = ca.subject_key_id.as_ref().zip(key).map_or(!certificate.self_issued, |(a, b)| a == b);
        ca.sha256 == certificate.sha256 || (ca.subject == certificate.issuer && by_key)
    }

    /// Every pair of certificates of a few names and keys: the same answer as when each is held against each.
    #[test]
    fn the_first_issuer_is_found_as_if_each_was_looked_at() {
        let keys = [None, Some("k1"), Some("k2")];
        let mut all = Vec::new();
        for (n, subject) in ["a", "b", "a"].into_iter().enumerate() {
            for (own, issuers) in keys.iter().flat_map(|own| keys.iter().map(move |of| (own, of))) {
                for (issuer, self_issued) in [("a", subject == "a"), ("b", false), ("a", false)] {
                    all.push(Certificate {
                        sha256: format!("{n}{own:?}{issuers:?}{issuer}{self_issued}"),
                        subject: subject.into(),
                        issuer: issuer.into(),
                        subject_key_id: own.map(Into::into),
                        authority_key_id: issuers.map(Into::into),
                        self_issued,
                        ..Certificate::default()
                    });
                }
            }
        }
        for set in [&all[..], &all[9..14], &all[20..50], &[]] {
            let issuers = Issuers::new(set.iter());
            for certificate in &all {
                let one_by_one =
                    set.iter().position(|ca| ca.subject == certificate.issuer && issued(ca, certificate));
                assert_eq!(issuers.of(certificate), one_by_one, "{certificate:?}");
                let any = set.iter().any(|ca| issued(ca, certificate));
                assert_eq!(issuers.issued(certificate), any, "{certificate:?}");
            }
        }
    }
}
