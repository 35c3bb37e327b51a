//! A certificate's DER bytes in, the facts that an incident needs out (RFC 5280), with x509-parser.
//!
//! Never validates: whether it had expired or fits a name is for the rules. Bytes that do not parse keep their digest.

use std::net::{Ipv4Addr, Ipv6Addr};

use sha2::{Digest, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{ExtendedKeyUsage, GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer;
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

use super::Certificate;
use super::cursor::Cursor;
use super::fingerprint::hex;
use crate::time::Timestamp;

impl Certificate {
    /// Whether one of its alternative names covers a host name (RFC 6125 §6.4; a wildcard stands for the first label); none
    /// where one that is not kept may.
    pub fn names(&self, host: &str) -> Option<bool> {
        let found = self.sans.iter().any(|san| match san.strip_prefix("*.") {
            Some(parent) => host.split_once('.').is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(parent)),
            None => san.eq_ignore_ascii_case(host),
        });
        (found || self.sans_beyond == 0).then_some(found)
    }

    /// About how many bytes its names and identifiers take.
    pub(crate) fn held_bytes(&self) -> usize {
        let lists = self.sans.iter().chain(&self.extended_key_usage).map(|text| text.len() + TEXT_COST);
        lists.sum::<usize>() + self.subject.len() + self.issuer.len() + self.serial.len() + TEXT_COST * 8
    }
}

/// Parses one certificate.
pub fn parse(der: &[u8]) -> Certificate {
    let sha256 = hex(&Sha256::digest(der));
    match X509Certificate::from_der(der) {
        Ok((_, parsed)) => Certificate { sha256, ..facts(&parsed) },
        Err(why) => {
            Certificate { sha256, problem: Some(why.to_string()), ..names_alone(der).unwrap_or_default() }
        }
    }
}

/// Issuer, subject and serial of a certificate that does not parse as a whole (a date with a time zone, a bad extension):
/// `Certificate { tbs { [0] version?, serial, algorithm, issuer, validity, subject … } }` (RFC 5280 §4.1).
fn names_alone(der: &[u8]) -> Option<Certificate> {
    let (_, certificate, _) = element(&mut Cursor::new(der))?;
    let (_, tbs, _) = element(&mut Cursor::new(certificate))?;
    let mut at = Cursor::new(tbs);
    let mut serial = element(&mut at)?;
    if serial.0 == 0xa0 {
        serial = element(&mut at)?;
    }
    let [_algorithm, issuer, _validity, subject] =
        [element(&mut at)?, element(&mut at)?, element(&mut at)?, element(&mut at)?];
    let (_, issuer_name) = X509Name::from_der(issuer.2).ok()?;
    let (_, subject_name) = X509Name::from_der(subject.2).ok()?;
    Some(Certificate {
        subject: name_text(&subject_name),
        issuer: name_text(&issuer_name),
        common_name: subject_name.iter_common_name().last().map(value_text),
        serial: serial_text(serial.1),
        self_issued: issuer.2 == subject.2,
        ..Certificate::default()
    })
}

/// One DER element: tag, content, and both with the length between them (X.690 §8.1).
fn element<'a>(at: &mut Cursor<'a>) -> Option<(u8, &'a [u8], &'a [u8])> {
    let start = at.rest();
    let tag = at.u8()?;
    let length = match at.u8()? {
        short @ 0..=0x7f => usize::from(short),
        0x81 => usize::from(at.u8()?),
        0x82 => usize::from(at.u16()?),
        0x83 => at.u24()? as usize,
        _ => return None,
    };
    let content = at.up_to(length);
    let whole = start.get(..start.len() - at.rest().len())?;
    (content.len() == length).then_some((tag, content, whole))
}

fn facts(parsed: &X509Certificate<'_>) -> Certificate {
    let common_name = parsed.subject().iter_common_name().last().map(value_text);
    let mut certificate = Certificate {
        subject: name_text(parsed.subject()),
        issuer: name_text(parsed.issuer()),
        common_name,
        not_before: Some(Timestamp::from_parts(parsed.validity().not_before.timestamp(), 0)),
        not_after: Some(Timestamp::from_parts(parsed.validity().not_after.timestamp(), 0)),
        serial: serial_text(parsed.raw_serial()),
        self_issued: parsed.subject().as_raw() == parsed.issuer().as_raw(),
        ..Certificate::default()
    };
    for extension in parsed.extensions() {
        match extension.parsed_extension() {
            ParsedExtension::SubjectAlternativeName(names) => {
                let mut bytes: usize = certificate.sans.iter().map(String::len).sum();
                for name in names.general_names.iter().filter_map(alternative_name) {
                    bytes += name.len();
                    if certificate.sans.len() < MAX_SANS && bytes <= MAX_SAN_BYTES {
                        certificate.sans.push(name);
                    } else {
                        certificate.sans_beyond = certificate.sans_beyond.saturating_add(1);
                    }
                }
            }
            ParsedExtension::BasicConstraints(constraints) => certificate.ca = constraints.ca,
            ParsedExtension::ExtendedKeyUsage(usage) => certificate.extended_key_usage = usage_words(usage),
            ParsedExtension::SubjectKeyIdentifier(id) => certificate.subject_key_id = Some(hex(id.0)),
            ParsedExtension::AuthorityKeyIdentifier(id) => {
                certificate.authority_key_id = id.key_identifier.as_ref().map(|id| hex(id.0));
            }
            _ => {}
        }
    }
    certificate
}

/// Alternative names kept of one certificate: each takes many times its bytes on the wire, and public CAs stop at 100.
pub(crate) const MAX_SANS: usize = 1000;

/// Bytes of those.
const MAX_SAN_BYTES: usize = 16 << 10;

/// Bytes that a text takes beside its own.
const TEXT_COST: usize = 64;

/// Usages by number kept of one certificate: each takes many times its bytes on the wire.
const MAX_USAGES: usize = 64;

/// RFC 4514 text: the last relative name first, the way Go prints it.
fn name_text(name: &X509Name<'_>) -> String {
    let mut parts: Vec<String> = name
        .iter_rdn()
        .map(|rdn| {
            let attributes: Vec<String> =
                rdn.iter().map(|a| format!("{}={}", type_text(a), escape(&value_text(a)))).collect();
            attributes.join("+")
        })
        .collect();
    parts.reverse();
    parts.join(",")
}

/// The short names of RFC 4514 §3, and the two others that are common.
fn type_text(attribute: &AttributeTypeAndValue<'_>) -> String {
    let oid = attribute.attr_type().to_id_string();
    let name = match oid.as_str() {
        "2.5.4.3" => "CN",
        "2.5.4.5" => "SERIALNUMBER",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.9" => "STREET",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "2.5.4.17" => "POSTALCODE",
        "0.9.2342.19200300.100.1.1" => "UID",
        "0.9.2342.19200300.100.1.25" => "DC",
        "1.2.840.113549.1.9.1" => "emailAddress",
        _ => return oid,
    };
    name.to_owned()
}

/// The value as text; BMPString and other forms that are no UTF-8 lossily.
fn value_text(attribute: &AttributeTypeAndValue<'_>) -> String {
    attribute
        .as_str()
        .map_or_else(|_| String::from_utf8_lossy(attribute.as_slice()).replace('\0', ""), ToOwned::to_owned)
}

/// RFC 4514 §2.4.
fn escape(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for (i, c) in value.char_indices() {
        let edge_space = c == ' ' && (i == 0 || i + 1 == value.len());
        if edge_space || matches!(c, ',' | '+' | '"' | '\\' | '<' | '>' | ';') || (c == '#' && i == 0) {
            text.push('\\');
        }
        text.push(c);
    }
    text
}

/// Hex of the integer: the zero byte that DER puts before a high bit is left out.
fn serial_text(raw: &[u8]) -> String {
    match raw {
        [0, rest @ ..] if !rest.is_empty() => hex(rest),
        _ => hex(raw),
    }
}

fn alternative_name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(text) | GeneralName::URI(text) | GeneralName::RFC822Name(text) => {
            Some((*text).to_owned())
        }
        GeneralName::IPAddress(bytes) => address_text(bytes),
        _ => None,
    }
}

fn address_text(bytes: &[u8]) -> Option<String> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(v4).to_string());
    }
    <[u8; 16]>::try_from(bytes).ok().map(|v6| Ipv6Addr::from(v6).to_string())
}

fn usage_words(usage: &ExtendedKeyUsage<'_>) -> Vec<String> {
    let known = [
        (usage.any, "any"),
        (usage.server_auth, "serverAuth"),
        (usage.client_auth, "clientAuth"),
        (usage.code_signing, "codeSigning"),
        (usage.email_protection, "emailProtection"),
        (usage.time_stamping, "timeStamping"),
        (usage.ocsp_signing, "OCSPSigning"),
    ];
    let words = known.into_iter().filter(|(set, _)| *set).map(|(_, word)| word.to_owned());
    let others = usage.other.iter().map(x509_parser::oid_registry::Oid::to_id_string);
    words.chain(others.take(MAX_USAGES)).collect()
}

#[cfg(test)]
mod tests {
    use x509_parser::oid_registry::Oid;

    use super::*;

    /// Subject `CN=a,O=b\,c`, issuer `CN=ca`, a date with a time zone (which RFC 5280 §4.1.2.5 forbids).
    fn odd_certificate() -> Vec<u8> {
        let tlv = |tag: u8, content: &[u8]| [&[tag, content.len() as u8], content].concat();
        let attribute =
            |oid: &[u8], text: &[u8]| tlv(0x31, &tlv(0x30, &[tlv(6, oid), tlv(0x0c, text)].concat()));
        let issuer = tlv(0x30, &attribute(&[0x55, 4, 3], b"ca"));
        let subject =
            tlv(0x30, &[attribute(&[0x55, 4, 10], b"b,c"), attribute(&[0x55, 4, 3], b"a")].concat());
        let date = tlv(0x17, b"250115063000+0200");
        let validity = tlv(0x30, &[date.clone(), date].concat());
        let algorithm = tlv(0x30, &tlv(6, &[0x2a, 3]));
        let tbs = [tlv(2, &[0, 0x9c, 1]), algorithm, issuer, validity, subject].concat();
        tlv(0x30, &tlv(0x30, &tbs))
    }

    /// One with an alternative name as often as is asked for.
    fn with_names(name_of_it: &[u8], count: usize) -> Vec<u8> {
        let tlv = |tag: u8, parts: &[&[u8]]| {
            let content = parts.concat();
            let length: Vec<u8> = content.len().to_be_bytes().into_iter().skip_while(|b| *b == 0).collect();
            let long = if content.len() < 0x80 { None } else { Some(0x80 | length.len() as u8) };
            [&[tag][..], long.as_slice(), &length, &content].concat()
        };
        let name = tlv(0x30, &[&tlv(0x31, &[&tlv(0x30, &[&[6, 3, 0x55, 4, 3], &tlv(0x0c, &[b"a"])])])]);
        let algorithm = tlv(0x30, &[&[6, 3, 0x2a, 3, 4]]);
        let date = tlv(0x17, &[b"250115063000Z"]);
        let key = tlv(0x30, &[&algorithm, &tlv(3, &[&[0, 1]])]);
        let names = tlv(0x30, &[&name_of_it.repeat(count)]);
        let extension = tlv(0x30, &[&[6, 3, 0x55, 0x1d, 0x11], &tlv(4, &[&names])]);
        let extensions = tlv(0xa3, &[&tlv(0x30, &[&extension])]);
        let version = [0xa0, 3, 2, 1, 2];
        let validity = tlv(0x30, &[&date, &date]);
        let tbs: [&[u8]; 8] = [&version, &[2, 1, 7], &algorithm, &name, &validity, &name, &key, &extensions];
        tlv(0x30, &[&tlv(0x30, &tbs), &algorithm, &tlv(3, &[&[0, 1]])])
    }

    #[test]
    fn alternative_names_are_bounded() {
        for (count, kept) in [(3, 3), (1000, 1000), (50_000, 1000)] {
            let found = parse(&with_names(&[0x82, 1, b'a'], count));
            assert_eq!((found.sans.len(), found.sans_beyond as usize), (kept, count - kept));
            let other = (count == kept).then_some(false);
            assert_eq!((found.names("a"), found.names("b")), (Some(true), other), "{count}");
        }
        let long = [&[0x82, 127][..], &[b'a'; 127]].concat();
        let found = parse(&with_names(&long, 200));
        assert_eq!((found.sans.len(), found.sans_beyond), (129, 71));
    }

    #[test]
    fn usages_without_a_name_are_bounded_and_those_with_one_stay() {
        let oid = |n: u64| Oid::from(&[1, 3, 6, 1, 4, 1, 99, n]).expect("an identifier");
        let usage = ExtendedKeyUsage {
            any: false,
            server_auth: true,
            client_auth: true,
            code_signing: false,
            email_protection: false,
            time_stamping: false,
            ocsp_signing: false,
            other: (0..5000).map(oid).collect(),
        };
        let words = usage_words(&usage);
        assert_eq!(words.len(), 2 + MAX_USAGES);
        assert_eq!(words[..3], ["serverAuth", "clientAuth", "1.3.6.1.4.1.99.0"]);
    }

    #[test]
    fn a_certificate_that_does_not_parse_keeps_its_names() {
        let found = parse(&odd_certificate());
        assert!(found.problem.is_some());
        assert_eq!(found.subject, "CN=a,O=b\\,c");
        assert_eq!(found.issuer, "CN=ca");
        assert_eq!(found.serial, "9c01");
        assert_eq!(found.common_name.as_deref(), Some("a"));
    }

    #[test]
    fn bytes_that_are_no_certificate_keep_their_digest() {
        let whole = odd_certificate();
        for cut in 0..whole.len() {
            let found = parse(&whole[..cut]);
            assert_eq!(found.sha256.len(), 64);
            assert!(found.problem.is_some());
        }
    }

    #[test]
    fn addresses_and_special_characters_are_written_as_text() {
        assert_eq!(address_text(&[10, 96, 0, 1]).as_deref(), Some("10.96.0.1"));
        assert_eq!(address_text(&[0; 16]).as_deref(), Some("::"));
        assert_eq!(address_text(&[1, 2]), None);
        assert_eq!(escape(" #a+b "), "\\ #a\\+b\\ ");
        assert_eq!(serial_text(&[0, 0x80]), "80");
        assert_eq!(serial_text(&[0]), "00");
    }
}
