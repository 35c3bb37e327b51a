//! ClientHello and ServerHello messages in, their fields out (RFC 8446 §4.1, RFC 5246 §7.4.1, RFC 5246 appendix E.2).
//!
//! Takes the body of a handshake message that may be cut anywhere; gives the fields that are there.
//! Never keeps bytes: what many hellos share is built once per distinct hello by the interner.

use super::cursor::{Cursor, pairs};
use super::fingerprint;
use super::{CipherSuite, ClientHelloShape, NamedGroup, ProtocolVersion, SignatureScheme};

/// The fields of a ClientHello as they stand in the message.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RawClientHello<'a> {
    /// `legacy_version`.
    pub(super) version: u16,
    /// `random`; zeros where it is cut.
    pub(super) random: [u8; 32],
    /// `cipher_suites`, two bytes each (three in an SSLv2 hello).
    pub(super) ciphers: &'a [u8],
    /// `extensions`.
    pub(super) extensions: &'a [u8],
    /// Part of the message is missing.
    pub(super) cut: bool,
    /// It came in an SSLv2 record.
    pub(super) sslv2: bool,
}

/// The fields of a ServerHello that are of use.
#[derive(Clone, Debug, Default)]
pub(super) struct RawServerHello {
    /// Version chosen, `supported_versions` heeded.
    pub(super) version: u16,
    /// `random`.
    pub(super) random: [u8; 32],
    /// Cipher suite chosen.
    pub(super) cipher: u16,
    /// Group of `key_share`.
    pub(super) group: Option<u16>,
    /// First protocol of `application_layer_protocol_negotiation`.
    pub(super) alpn: Option<String>,
    /// `pre_shared_key` is there.
    pub(super) pre_shared_key: bool,
}

/// Extension types (RFC 8446 §4.2 and the IANA registry).
pub(super) mod extension {
    pub(crate) const SERVER_NAME: u16 = 0;
    pub(crate) const SUPPORTED_GROUPS: u16 = 10;
    pub(crate) const EC_POINT_FORMATS: u16 = 11;
    pub(crate) const SIGNATURE_ALGORITHMS: u16 = 13;
    pub(crate) const ALPN: u16 = 16;
    pub(crate) const SESSION_TICKET: u16 = 35;
    pub(crate) const PRE_SHARED_KEY: u16 = 41;
    pub(crate) const EARLY_DATA: u16 = 42;
    pub(crate) const SUPPORTED_VERSIONS: u16 = 43;
    pub(crate) const PSK_KEY_EXCHANGE_MODES: u16 = 45;
    pub(crate) const KEY_SHARE: u16 = 51;
}

/// Whether a version, cipher, group or extension is GREASE (RFC 8701): `0x?a?a` with equal bytes.
pub(super) const fn is_grease(value: u16) -> bool {
    value & 0x0f0f == 0x0a0a && value >> 8 == value & 0xff
}

/// Reads the body of a ClientHello.
pub(super) fn client_hello(body: &[u8]) -> RawClientHello<'_> {
    let mut hello = RawClientHello::default();
    hello.cut = read_client_hello(Cursor::new(body), &mut hello).is_none() || hello.cut;
    hello
}

fn read_client_hello<'a>(mut at: Cursor<'a>, hello: &mut RawClientHello<'a>) -> Option<()> {
    hello.version = at.u16()?;
    hello.random = *at.array()?;
    let (_session_id, cut_id) = at.vector8()?;
    let (ciphers, cut_ciphers) = at.vector16()?;
    hello.ciphers = ciphers;
    hello.cut = cut_id || cut_ciphers;
    let (_compression, _) = at.vector8()?;
    if at.is_empty() {
        return Some(()); // extensions are optional up to TLS 1.2
    }
    let (extensions, cut) = at.vector16()?;
    hello.extensions = extensions;
    hello.cut |= cut;
    Some(())
}

/// Reads a CLIENT-HELLO of SSL 2.0 form, from its message type on (RFC 5246 appendix E.2).
pub(super) fn sslv2_client_hello(body: &[u8]) -> Option<RawClientHello<'_>> {
    let mut at = Cursor::new(body);
    if at.u8()? != 1 {
        return None;
    }
    let version = at.u16()?;
    let (ciphers, session, challenge) = (at.u16()?, at.u16()?, at.u16()?);
    if ciphers == 0 || ciphers % 3 != 0 || !matches!(session, 0 | 16) || !(16..=32).contains(&challenge) {
        return None;
    }
    let suites = at.up_to(usize::from(ciphers));
    at.up_to(usize::from(session));
    let bytes = at.up_to(usize::from(challenge));
    let mut random = [0; 32];
    // Right-aligned: RFC 5246 appendix E.2 pads a short challenge with leading zeros.
    for (to, from) in random.iter_mut().rev().zip(bytes.iter().rev()) {
        *to = *from;
    }
    let cut = bytes.len() < usize::from(challenge);
    Some(RawClientHello { version, random, ciphers: suites, extensions: &[], cut, sslv2: true })
}

/// The extensions of a hello as type and content; one whose end is missing is left out.
pub(super) fn extensions(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut at = Cursor::new(bytes);
    std::iter::from_fn(move || {
        let kind = at.u16()?;
        let (content, cut) = at.vector16()?;
        (!cut).then_some((kind, content))
    })
}

/// Reads the body of a ServerHello; `None` if its cipher suite is missing.
pub(super) fn server_hello(body: &[u8]) -> Option<RawServerHello> {
    let mut at = Cursor::new(body);
    let version = at.u16()?;
    let mut hello = RawServerHello { version, random: *at.array()?, ..RawServerHello::default() };
    // Drafts of TLS 1.3 before 22 had no session id and no compression here.
    let early_draft = (0x7f00..0x7f16).contains(&version);
    if !early_draft {
        at.vector8()?;
    }
    hello.cipher = at.u16()?;
    if !early_draft {
        at.u8()?;
    }
    let (bytes, _) = at.vector16().unwrap_or_default();
    for (kind, content) in extensions(bytes) {
        let mut content = Cursor::new(content);
        match kind {
            extension::SUPPORTED_VERSIONS => hello.version = content.u16().unwrap_or(hello.version),
            extension::KEY_SHARE => hello.group = content.u16(),
            extension::PRE_SHARED_KEY => hello.pre_shared_key = true,
            extension::ALPN => hello.alpn = protocols(content.rest()).into_iter().next(),
            _ => {}
        }
    }
    Some(hello)
}

/// `random` of a HelloRetryRequest (RFC 8446 §4.1.3): SHA-256 of "HelloRetryRequest".
pub(super) const RETRY_RANDOM: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, //
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// Whether the body of a ServerHello is that of a HelloRetryRequest, cut as it may be: eight bytes tell.
pub(super) fn is_retry(body: &[u8]) -> bool {
    let random = body.get(2..).unwrap_or_default();
    let shown = random.get(..RETRY_RANDOM.len()).unwrap_or(random);
    shown.len() >= 8 && RETRY_RANDOM.starts_with(shown)
}

/// Writes what the shape of a hello is made of, and nothing that differs from hello to hello of one client.
pub(super) fn shape_key(hello: &RawClientHello<'_>, key: &mut Vec<u8>) {
    key.clear();
    key.extend_from_slice(&[u8::from(hello.cut) | u8::from(hello.sslv2) << 1]);
    key.extend_from_slice(&hello.version.to_be_bytes());
    key.extend_from_slice(&(hello.ciphers.len() as u16).to_be_bytes());
    key.extend_from_slice(hello.ciphers);
    for (kind, content) in extensions(hello.extensions) {
        key.extend_from_slice(&kind.to_be_bytes());
        match kind {
            extension::SERVER_NAME
            | extension::SUPPORTED_GROUPS
            | extension::EC_POINT_FORMATS
            | extension::SIGNATURE_ALGORITHMS
            | extension::ALPN
            | extension::SUPPORTED_VERSIONS => {
                key.extend_from_slice(&(content.len() as u16).to_be_bytes());
                key.extend_from_slice(content);
            }
            extension::KEY_SHARE => {
                for group in key_share_groups(content) {
                    key.extend_from_slice(&group.to_be_bytes());
                }
                key.extend_from_slice(&[0, 0]);
            }
            extension::SESSION_TICKET => key.push(u8::from(!content.is_empty())),
            _ => {}
        }
    }
}

/// Builds the shape of a hello.
pub(super) fn shape(hello: &RawClientHello<'_>) -> ClientHelloShape {
    let mut shape = ClientHelloShape {
        legacy_version: ProtocolVersion(hello.version),
        ciphers: if hello.sslv2 {
            sslv2_ciphers(hello.ciphers)
        } else {
            pairs(hello.ciphers).map(CipherSuite).collect()
        },
        sslv2: hello.sslv2,
        ..ClientHelloShape::default()
    };
    for (kind, content) in extensions(hello.extensions) {
        extend(&mut shape, kind, content);
    }
    if shape.versions.is_empty() {
        shape.versions.push(shape.legacy_version);
    }
    if !hello.cut && !hello.sslv2 {
        shape.ja3 = fingerprint::ja3(hello);
        shape.ja4 = fingerprint::ja4(hello);
    }
    shape
}

fn extend(shape: &mut ClientHelloShape, kind: u16, content: &[u8]) {
    let mut at = Cursor::new(content);
    let list16 = |mut at: Cursor<'_>| pairs(at.vector16().unwrap_or_default().0).collect::<Vec<_>>();
    match kind {
        extension::SERVER_NAME => shape.sni = server_name(content),
        extension::SUPPORTED_GROUPS => shape.groups = list16(at).into_iter().map(NamedGroup).collect(),
        extension::SIGNATURE_ALGORITHMS => {
            shape.signature_algorithms = list16(at).into_iter().map(SignatureScheme).collect();
        }
        extension::ALPN => shape.alpn = protocols(content),
        extension::SUPPORTED_VERSIONS => {
            let (list, _) = at.vector8().unwrap_or_default();
            shape.versions = pairs(list).filter(|&v| !is_grease(v)).map(ProtocolVersion).collect();
        }
        extension::KEY_SHARE => shape.key_shares = key_share_groups(content).map(NamedGroup).collect(),
        extension::SESSION_TICKET => shape.resumption |= !content.is_empty(),
        extension::PRE_SHARED_KEY => shape.resumption = true,
        extension::EARLY_DATA => shape.early_data = true,
        extension::PSK_KEY_EXCHANGE_MODES => shape.psk_modes = true,
        _ => {}
    }
}

/// Cipher kinds of an SSLv2 hello: those that are TLS suites have a zero first byte, the others keep their low bytes.
fn sslv2_ciphers(bytes: &[u8]) -> Vec<CipherSuite> {
    bytes.as_chunks::<3>().0.iter().map(|&[_, a, b]| CipherSuite(u16::from_be_bytes([a, b]))).collect()
}

/// The first `host_name` of `server_name` (RFC 6066 §3).
fn server_name(content: &[u8]) -> Option<String> {
    let mut list = Cursor::new(Cursor::new(content).vector16()?.0);
    while let Some(kind) = list.u8() {
        let (name, _) = list.vector16()?;
        if kind == 0 {
            return Some(String::from_utf8_lossy(name).into_owned());
        }
    }
    None
}

/// Protocol names kept of one hello: each takes many times its bytes on the wire.
const MAX_PROTOCOLS: usize = 32;

/// The protocol names of `application_layer_protocol_negotiation` (RFC 7301 §3.1).
pub(super) fn protocols(content: &[u8]) -> Vec<String> {
    let mut list = Cursor::new(Cursor::new(content).vector16().unwrap_or_default().0);
    let names = std::iter::from_fn(|| list.vector8()).map(|(name, _)| name).filter(|name| !name.is_empty());
    names.take(MAX_PROTOCOLS).map(|name| String::from_utf8_lossy(name).into_owned()).collect()
}

/// The groups of a client's `key_share` (RFC 8446 §4.2.8).
fn key_share_groups(content: &[u8]) -> impl Iterator<Item = u16> {
    let mut list = Cursor::new(Cursor::new(content).vector16().unwrap_or_default().0);
    std::iter::from_fn(move || {
        let group = list.u16()?;
        list.vector16()?;
        Some(group)
    })
}
