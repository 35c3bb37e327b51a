//! JA3 and JA4 (client) of a ClientHello.
//!
//! JA3: salesforce/ja3, MD5 over `version,ciphers,extensions,groups,point formats`. JA4: FoxIO "JA4: TLS Client
//! Fingerprinting", the client method alone (the other methods of JA4+ are not free). GREASE is left out of both.

use std::fmt::Write;

use md5::{Digest, Md5};
use sha2::Sha256;

use super::cursor::{Cursor, pairs};
use super::hello::{RawClientHello, extension, extensions, is_grease};

/// The JA3 digest in lower-case hex.
pub(super) fn ja3(hello: &RawClientHello<'_>) -> String {
    let mut text = String::with_capacity(256);
    let _ = write!(text, "{},", hello.version);
    join(&mut text, pairs(hello.ciphers));
    text.push(',');
    join(&mut text, extensions(hello.extensions).map(|(kind, _)| kind));
    text.push(',');
    if let Some(content) = find(hello, extension::SUPPORTED_GROUPS) {
        join(&mut text, pairs(Cursor::new(content).vector16().unwrap_or_default().0));
    }
    text.push(',');
    if let Some(content) = find(hello, extension::EC_POINT_FORMATS) {
        let (formats, _) = Cursor::new(content).vector8().unwrap_or_default();
        join(&mut text, formats.iter().map(|&f| u16::from(f)));
    }
    hex(&Md5::digest(text.as_bytes()))
}

/// The JA4 fingerprint, for example `t13d1516h2_8daaf6152771_e5627efa2ab1`.
pub(super) fn ja4(hello: &RawClientHello<'_>) -> String {
    let mut ciphers: Vec<u16> = pairs(hello.ciphers).filter(|&c| !is_grease(c)).collect();
    let mut kinds: Vec<u16> =
        extensions(hello.extensions).map(|(kind, _)| kind).filter(|&kind| !is_grease(kind)).collect();
    let mut text = String::with_capacity(36);
    let _ = write!(
        text,
        "t{}{}{:02}{:02}{}_",
        version(hello),
        if find(hello, extension::SERVER_NAME).is_some() { 'd' } else { 'i' },
        ciphers.len().min(99),
        kinds.len().min(99),
        alpn(hello),
    );
    ciphers.sort_unstable();
    text.push_str(&short_digest(&hex_list(&ciphers)));
    text.push('_');
    kinds.retain(|&kind| kind != extension::SERVER_NAME && kind != extension::ALPN);
    kinds.sort_unstable();
    let mut list = hex_list(&kinds);
    if let Some(content) = find(hello, extension::SIGNATURE_ALGORITHMS) {
        let (schemes, _) = Cursor::new(content).vector16().unwrap_or_default();
        let schemes: Vec<u16> = pairs(schemes).filter(|&s| !is_grease(s)).collect();
        if !schemes.is_empty() {
            let _ = write!(list, "_{}", hex_list(&schemes));
        }
    }
    text.push_str(&short_digest(if kinds.is_empty() { "" } else { &list }));
    text
}

/// Lower-case hex without separators.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn find<'a>(hello: &RawClientHello<'a>, kind: u16) -> Option<&'a [u8]> {
    extensions(hello.extensions).find(|&(k, _)| k == kind).map(|(_, content)| content)
}

fn join(text: &mut String, values: impl Iterator<Item = u16>) {
    for (i, value) in values.filter(|&v| !is_grease(v)).enumerate() {
        let _ = write!(text, "{}{value}", if i > 0 { "-" } else { "" });
    }
}

fn hex_list(values: &[u16]) -> String {
    let mut text = String::with_capacity(values.len() * 5);
    for (i, value) in values.iter().enumerate() {
        let _ = write!(text, "{}{value:04x}", if i > 0 { "," } else { "" });
    }
    text
}

/// The first 12 digits of the SHA-256, zeros for an empty list.
fn short_digest(list: &str) -> String {
    if list.is_empty() {
        return "0".repeat(12);
    }
    let mut digits = hex(&Sha256::digest(list.as_bytes()));
    digits.truncate(12);
    digits
}

/// The highest version offered, in two characters.
fn version(hello: &RawClientHello<'_>) -> &'static str {
    let offered = find(hello, extension::SUPPORTED_VERSIONS).and_then(|content| {
        let (list, _) = Cursor::new(content).vector8()?;
        pairs(list).filter(|&v| !is_grease(v)).max()
    });
    match offered.unwrap_or(hello.version) {
        0x0304 => "13",
        0x0303 => "12",
        0x0302 => "11",
        0x0301 => "10",
        0x0300 => "s3",
        0x0002 => "s2",
        _ => "00",
    }
}

/// First and last character of the first protocol; of its hex form where either is not alphanumeric.
fn alpn(hello: &RawClientHello<'_>) -> String {
    let first = find(hello, extension::ALPN).and_then(|content| {
        let (list, _) = Cursor::new(content).vector16()?;
        Cursor::new(list).vector8().map(|(name, _)| name)
    });
    match first {
        Some([only]) if only.is_ascii_alphanumeric() => format!("{0}{0}", char::from(*only)),
        Some([a, .., b]) if a.is_ascii_alphanumeric() && b.is_ascii_alphanumeric() => {
            format!("{}{}", char::from(*a), char::from(*b))
        }
        Some([a, ..]) => {
            let last = first.and_then(<[u8]>::last).unwrap_or(a);
            format!("{:x}{:x}", a >> 4, last & 0x0f)
        }
        _ => "00".to_owned(),
    }
}
