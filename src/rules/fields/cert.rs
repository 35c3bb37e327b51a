//! Fields of a certificate of the inventory: of the case that it is, or of the server of a call.

use super::{CaseView, Field};
use crate::correlate::{Authority, CertificateRole, FoundIn, Inventoried};
use crate::rules::expr::{Kind, Value};

/// Absent where a call has none; unknown for a flow alone.
fn cert<'a>(view: &CaseView<'a>, read: impl FnOnce(&'a Inventoried) -> Value<'a>) -> Value<'a> {
    match view.certificate {
        Some(certificate) => read(certificate),
        None if view.case.is_some() => Value::Absent,
        None => Value::Unknown,
    }
}

fn authority(certificate: &Inventoried) -> &'static str {
    match certificate.authority {
        Authority::Itself => "self",
        Authority::Held(_) => "held",
        Authority::Missing => "missing",
    }
}

const PLACES: &[&str] = &[
    FoundIn::Wire.name(),
    FoundIn::Secret.name(),
    FoundIn::ConfigMap.name(),
    FoundIn::Kubeconfig.name(),
    FoundIn::CaBundle.name(),
    FoundIn::File.name(),
];
const AUTHORITIES: &[&str] = &["self", "held", "missing"];
const SHOWN_BY: &[&str] = &["server", "client", "both", "none"];

#[rustfmt::skip]
pub(super) const FIELDS: &[Field] = &[
    Field::new("cert.alone", Kind::Flag, "The case is this certificate, and no call.", "cert.alone", |v| match v.case { Some(case) => case.is_certificate().into(), None => cert(v, |_| true.into()) }),
    Field::new("cert.role", Kind::Word(CertificateRole::NAMES), "What the certificate is for.", "cert.role == webhook_serving", |v| cert(v, |c| c.role.name().into())),
    Field::new("cert.subject", Kind::Text, "Its subject.", "cert.subject contains \"CN=kube\"", |v| cert(v, |c| (&c.certificate.subject).into())),
    Field::new("cert.issuer", Kind::Text, "Its issuer.", "cert.issuer contains \"etcd\"", |v| cert(v, |c| (&c.certificate.issuer).into())),
    Field::new("cert.sans", Kind::Text, "Its names and addresses.", "cert.sans contains \"svc\"", |v| cert(v, |c| super::tls::names(&c.certificate))),
    Field::new("cert.not_before", Kind::Time, "Its validity begins.", "cert.not_before", |v| cert(v, |c| c.certificate.not_before.into())),
    Field::new("cert.not_after", Kind::Time, "Its validity ends.", "cert.not_after", |v| cert(v, |c| c.certificate.not_after.into())),
    Field::new("cert.days_left", Kind::Number, "Whole days that it was still valid at the time of the incident; negative once it had expired.", "cert.days_left < 30", |v| cert(v, |c| c.days_left().map_or(Value::Unknown, Value::Number))),
    Field::new("cert.expires_soon", Kind::Flag, "It was still valid then, and for no longer than --expiry-warning.", "cert.expires_soon", |v| cert(v, |c| c.expires_soon.map_or(Value::Unknown, Value::Flag))),
    Field::new("cert.expired", Kind::Flag, "Its validity had ended then.", "cert.expired", |v| cert(v, |c| c.expired().map_or(Value::Unknown, Value::Flag))),
    Field::new("cert.ca", Kind::Flag, "It is an authority's.", "cert.ca", |v| cert(v, |c| c.certificate.ca.into())),
    Field::new("cert.found", Kind::Word(PLACES), "Kinds of places where it was found.", "cert.found == secret", |v| cert(v, |c| c.found.iter().map(|f| Value::from(f.kind.name())).collect())),
    Field::new("cert.place", Kind::Text, "Places where it was found.", "cert.place contains \"Secret\"", |v| cert(v, |c| c.found.iter().map(|f| Value::from(&f.place)).collect())),
    Field::new("cert.shown_by", Kind::Word(SHOWN_BY), "Who showed it on the wire.", "cert.shown_by == server", |v| cert(v, |c| c.shown.by().into())),
    Field::new("cert.authority", Kind::Word(AUTHORITIES), "Whether the bundle holds who can have issued it, by name and key identifier.", "cert.authority == missing", |v| cert(v, |c| authority(c).into())),
    Field::new("cert.mismatch", Kind::Text, "caBundles that do not fit: what and why.", "cert.mismatch", |v| cert(v, |c| c.mismatches.iter().map(Value::from).collect())),
];
