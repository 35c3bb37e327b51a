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
use super::fingerprint::hex;
use crate::time::Timestamp;

/// Parses one certificate.
pub fn parse(der: &[u8]) -> Certificate {
    let sha256 = hex(&Sha256::digest(der));
    match X509Certificate::from_der(der) {
        Ok((_, parsed)) => Certificate { sha256, ..facts(&parsed) },
        Err(why) => Certificate { sha256, problem: Some(why.to_string()), ..Certificate::default() },
    }
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
                certificate.sans.extend(names.general_names.iter().filter_map(alternative_name));
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
    words.chain(usage.other.iter().map(x509_parser::oid_registry::Oid::to_id_string)).collect()
}
