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

#[cfg(test)]
mod tests {
    use super::super::hello::client_hello;
    use super::*;

    /// Chrome's hello of the JA4 documentation: 15 ciphers, 16 extensions, SNI and h2.
    fn chrome() -> Vec<u8> {
        let ciphers = "1301 1302 1303 c02b c02f c02c c030 cca9 cca8 c013 c014 009c 009d 002f 0035";
        let kinds = "001b 0000 0033 0010 4469 0017 002d 000d 0005 0023 0012 002b ff01 000b 000a 0015";
        let schemes = "0403 0804 0401 0503 0805 0501 0806 0601";
        let bytes = |text: &str| -> Vec<u8> {
            text.split(' ').flat_map(|h| u16::from_str_radix(h, 16).unwrap().to_be_bytes()).collect()
        };
        let vector = |content: &[u8]| [&(content.len() as u16).to_be_bytes()[..], content].concat();
        let mut extensions = Vec::new();
        for kind in kinds.split(' ') {
            let content = match kind {
                "000d" => vector(&bytes(schemes)),
                "0010" => vector(b"\x02h2\x08http/1.1"),
                "002b" => vec![6, 0x0a, 0x0a, 3, 4, 3, 3],
                _ => Vec::new(),
            };
            extensions.extend([bytes(kind), vector(&content)].concat());
        }
        let ciphers = [bytes("1a1a"), bytes(ciphers)].concat();
        [&[3, 3][..], &[0; 32], &[0], &vector(&ciphers), &[1, 0], &vector(&extensions)].concat()
    }

    #[test]
    fn ja4_is_that_of_the_published_example() {
        assert_eq!(ja4(&client_hello(&chrome())), "t13d1516h2_8daaf6152771_e5627efa2ab1");
    }

    #[test]
    fn ja4_says_what_is_missing() {
        let bare = [&[3, 1][..], &[0; 32], &[0], &[0, 2, 0, 0x2f], &[1, 0]].concat();
        let text = ja4(&client_hello(&bare));
        assert!(text.starts_with("t10i010000_") && text.ends_with("_000000000000"), "{text}");
    }

    #[test]
    fn ja3_leaves_grease_out() {
        // MD5 of "769,47,,,"
        let bare = [&[3, 1][..], &[0; 32], &[0], &[0, 4, 0x1a, 0x1a, 0, 0x2f], &[1, 0]].concat();
        assert_eq!(ja3(&client_hello(&bare)), hex(&Md5::digest(b"769,47,,,")));
    }
}
