//! A name in, the DER of a certificate out (RFC 5280 §4.1) with a key and a signature that are filler.

/// First and last second of a validity, as `UTCTime` has them.
pub(super) struct Validity {
    pub(super) from: String,
    pub(super) to: String,
}

impl Default for Validity {
    /// From 2020 to 2028.
    fn default() -> Self {
        Self { from: "200101000000Z".to_owned(), to: "290101000000Z".to_owned() }
    }
}

/// The begin of a day such as 2026-01-31, as `UTCTime` has it.
pub(super) fn day(text: &str) -> Option<String> {
    let digits = text.replace('-', "");
    let whole = text.len() == 10 && digits.len() == 8 && digits.bytes().all(|b| b.is_ascii_digit());
    whole.then(|| format!("{}000000Z", &digits[2..]))
}

/// For `name` as common name and subject alternative name.
pub(super) fn der(name: &str, self_signed: bool, validity: &Validity) -> Vec<u8> {
    let algorithm = sequence(&[&[0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2]]); // ecdsa-with-SHA256
    let subject = common_name(name);
    let issuer = common_name(if self_signed { name } else { "hook-ca" });
    let validity =
        sequence(&[&tagged(0x17, validity.from.as_bytes()), &tagged(0x17, validity.to.as_bytes())]);
    let key_algorithm = sequence(&[
        &[0x06, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1], // id-ecPublicKey
        &[0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7], // prime256v1
    ]);
    let key = sequence(&[&key_algorithm, &tagged(0x03, &[&[0, 4][..], &[7; 64]].concat())]);
    let names = sequence(&[&tagged(0x82, name.as_bytes())]);
    let alternative = sequence(&[&[0x06, 3, 0x55, 0x1d, 0x11], &tagged(0x04, &names)]);
    let extensions = tagged(0xa3, &sequence(&[&alternative]));
    let body = sequence(&[
        &tagged(0xa0, &[2, 1, 2]),
        &[2, 2, 0x12, 0x34],
        &algorithm,
        &issuer,
        &validity,
        &subject,
        &key,
        &extensions,
    ]);
    let signature = sequence(&[&[2, 1, 1], &[2, 1, 1]]);
    sequence(&[&body, &algorithm, &tagged(0x03, &[&[0][..], &signature].concat())])
}

fn common_name(name: &str) -> Vec<u8> {
    let attribute = sequence(&[&[0x06, 3, 0x55, 4, 3], &tagged(0x0c, name.as_bytes())]);
    sequence(&[&tagged(0x31, &attribute)])
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tagged(0x30, &parts.concat())
}

fn tagged(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let mut out = vec![tag];
    match length {
        0..128 => out.push(length as u8),
        128..256 => out.extend([0x81, length as u8]),
        _ => out.extend([0x82, (length >> 8) as u8, length as u8]),
    }
    out.extend_from_slice(body);
    out
}
