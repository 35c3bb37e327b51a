//! Certificates by the names that they are for: looked up, for a bundle may have thousands of both.
//!
//! Gives what [`Certificate::names`] would say. Knows nothing of who is called by a name.

use std::collections::HashMap;

use super::steps::step;
use crate::tls::Certificate;

/// Places of certificates by alternative name, in lower case.
#[derive(Default)]
pub(super) struct Named(HashMap<String, Vec<usize>>);

impl Named {
    /// Of certificates and their places, in order of place.
    pub(super) fn new<'c>(all: impl Iterator<Item = (usize, &'c Certificate)>) -> Self {
        let mut named = Self::default();
        for (place, certificate) in all {
            for san in &certificate.sans {
                step();
                let places = named.0.entry(san.to_ascii_lowercase()).or_default();
                if places.last() != Some(&place) {
                    places.push(place);
                }
            }
        }
        named
    }

    /// The places of those that are for a host: by its whole name, and by a wildcard for its first label.
    pub(super) fn of(&self, host: &str) -> [&[usize]; 2] {
        step();
        let host = host.to_ascii_lowercase();
        let of = |name: &str| self.0.get(name).map_or(&[][..], Vec::as_slice);
        let wild = host.split_once('.').map(|(_, rest)| format!("*.{rest}"));
        // what is no host may itself be a wildcard
        let wild = wild.filter(|wild| *wild != host);
        [of(&host), wild.map_or(&[][..], |wild| of(&wild))]
    }

    /// The first of them.
    pub(super) fn first(&self, host: &str) -> Option<usize> {
        self.of(host).into_iter().filter_map(|places| places.first().copied()).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_found_as_if_each_certificate_was_asked() {
        let sans: &[&[&str]] =
            &[&["a.b.svc"], &["*.B.svc", "x"], &["A.B.SVC", "a.b.svc"], &["*.svc"], &["*."], &[]];
        let certificate = |sans: &&[&str]| Certificate {
            sans: sans.iter().map(|s| (*s).to_owned()).collect(),
            ..Certificate::default()
        };
        let all: Vec<_> = sans.iter().map(certificate).collect();
        let named = Named::new(all.iter().enumerate());
        for host in ["a.b.svc", "A.b.svc", "c.b.svc", "b.svc", "x", "X.", "*.b.svc", "*.svc", "*", ""] {
            let mut found = named.of(host).concat();
            found.sort_unstable();
            let asked: Vec<_> = (0..all.len()).filter(|n| all[*n].names(host) == Some(true)).collect();
            assert_eq!((found, named.first(host)), (asked.clone(), asked.first().copied()), "{host}");
        }
    }
}
