//! What the headers of records and handshake messages may look like (RFC 8446 §5.1, RFC 5246 §6.2, RFC 6520).
//!
//! Takes the first bytes; tells whether a TLS peer could have sent them. Decides where TLS begins on any port, and
//! where a walk that has lost its place takes up again.

use super::records::content;

/// Whether bytes begin with a header that a TLS peer could send, as far as they go (at least three).
pub(super) fn starts_record(data: &[u8]) -> bool {
    match data {
        [kind, major, minor, high, low, rest @ ..] => {
            let handshake_fits = *kind != content::HANDSHAKE || rest.is_empty() || rest.len() < 4 || {
                // An encrypted Finished may look like anything, but is short.
                message_type(rest).is_some() || u16::from_be_bytes([*high, *low]) <= 256
            };
            plausible([*kind, *major, *minor, *high, *low]) && handshake_fits
        }
        [kind, 3, minor, ..] => {
            (content::CHANGE_CIPHER_SPEC..=content::HEARTBEAT).contains(kind) && *minor <= 4
        }
        _ => false,
    }
}

/// The same for the very first bytes of a side, of which there may be one or two only.
pub(super) fn may_start_record(data: &[u8]) -> bool {
    match data {
        [kind] | [kind, 3] => (content::CHANGE_CIPHER_SPEC..=content::HEARTBEAT).contains(kind),
        _ => starts_record(data),
    }
}

/// Where in plaintext a ClientHello record begins (STARTTLS and PROXY protocol without a pause).
pub(super) fn find_client_hello(data: &[u8]) -> Option<usize> {
    memchr::memchr_iter(content::HANDSHAKE, data).find(|&at| {
        matches!(data.get(at..), Some(&[_, 3, 0..=4, high, low, 1, 0, length_high, length_low, 3, 0..=4, ..])
            if u16::from_be_bytes([high, low]) <= u16::from_be_bytes([length_high, length_low]).saturating_add(4)
                && u16::from_be_bytes([length_high, length_low]) >= 40)
    })
}

/// Known content type, version 3.x, and a length that RFC 5246 §6.2.3 allows.
pub(super) fn plausible(header: [u8; 5]) -> bool {
    let [kind, major, minor, high, low] = header;
    let length = u16::from_be_bytes([high, low]);
    let fits = match kind {
        content::CHANGE_CIPHER_SPEC => length == 1 || length > 16,
        content::ALERT => (2..=1024).contains(&length),
        content::HANDSHAKE | content::APPLICATION_DATA | content::HEARTBEAT => length <= MAX_RECORD,
        _ => false,
    };
    fits && major == 3 && minor <= 4
}

/// Type and length (header included) of the message that begins here.
pub(super) fn message_header(data: &[u8]) -> Option<(u8, u32)> {
    let &[kind, high, middle, low] = data.first_chunk()?;
    Some((kind, u32::from_be_bytes([0, high, middle, low]) + 4))
}

/// The handshake type, if a message could begin so (as far as the bytes go).
pub(super) fn message_type(data: &[u8]) -> Option<u8> {
    let kind = *data.first()?;
    let known = matches!(kind, 0..=6 | 8 | 11..=16 | 20..=25 | 67 | 254);
    let short_enough = data.get(1).is_none_or(|&high| high <= 1);
    (known && short_enough).then_some(kind)
}

/// The same where a message in the clear is due: a list of certificates may have any length (RFC 5246 §7.4.2).
pub(super) fn clear_message_type(data: &[u8]) -> Option<u8> {
    message_type(data).or_else(|| data.first().copied().filter(|&kind| kind == CERTIFICATE))
}

/// `HandshakeType` of RFC 5246 §7.4.
const CERTIFICATE: u8 = 11;
/// RFC 5246 §6.2.3: 2^14 + 2048 bytes.
const MAX_RECORD: u16 = 16_384 + 2048;
