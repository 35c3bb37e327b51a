//! Names of protocol numbers as the RFCs and the IANA registries spell them.
//!
//! Cipher suites come from tls-parser's copy of the IANA registry; an unknown number prints as hex and survives.

use tls_parser::TlsCipherSuite;

use super::hello::is_grease;
use super::{AlertDescription, CipherSuite, NamedGroup, ProtocolVersion, SignatureScheme};

impl ProtocolVersion {
    /// `TLS 1.3`, or hex for the unknown (drafts of TLS 1.3 are `0x7f00` plus their number).
    pub fn name(self) -> String {
        match self.0 {
            0x0002 => "SSL 2.0".to_owned(),
            0x0300 => "SSL 3.0".to_owned(),
            0x0301 => "TLS 1.0".to_owned(),
            0x0302 => "TLS 1.1".to_owned(),
            0x0303 => "TLS 1.2".to_owned(),
            0x0304 => "TLS 1.3".to_owned(),
            n => format!("0x{n:04x}"),
        }
    }
}

impl CipherSuite {
    /// The IANA name, `GREASE`, or hex for the unknown.
    pub fn name(self) -> String {
        number_name(self.0, TlsCipherSuite::from_id(self.0).map(|suite| suite.name))
    }
}

impl NamedGroup {
    /// The IANA name, `GREASE`, or hex for the unknown.
    pub fn name(self) -> String {
        number_name(self.0, look_up(GROUPS, self.0))
    }
}

impl SignatureScheme {
    /// The IANA name, `GREASE`, or hex for the unknown.
    pub fn name(self) -> String {
        number_name(self.0, look_up(SCHEMES, self.0))
    }
}

impl AlertDescription {
    /// The RFC's name, or `unknown_N`.
    pub fn name(self) -> String {
        self.known_name().map_or_else(|| format!("unknown_{}", self.0), ToOwned::to_owned)
    }

    /// The RFC's name.
    pub fn known_name(self) -> Option<&'static str> {
        ALERTS.iter().find(|(code, _)| *code == self.0).map(|(_, name)| *name)
    }
}

fn number_name(number: u16, known: Option<&str>) -> String {
    match known {
        Some(name) => name.to_owned(),
        None if is_grease(number) => "GREASE".to_owned(),
        None => format!("0x{number:04x}"),
    }
}

fn look_up(table: &'static [(u16, &'static str)], number: u16) -> Option<&'static str> {
    table.iter().find(|(n, _)| *n == number).map(|(_, name)| *name)
}

/// Code, name of RFC 8446 §6 and RFC 5246 §7.2.
const ALERTS: &[(u8, &str)] = &[
    (0, "close_notify"),
    (10, "unexpected_message"),
    (20, "bad_record_mac"),
    (21, "decryption_failed"),
    (22, "record_overflow"),
    (30, "decompression_failure"),
    (40, "handshake_failure"),
    (41, "no_certificate"),
    (42, "bad_certificate"),
    (43, "unsupported_certificate"),
    (44, "certificate_revoked"),
    (45, "certificate_expired"),
    (46, "certificate_unknown"),
    (47, "illegal_parameter"),
    (48, "unknown_ca"),
    (49, "access_denied"),
    (50, "decode_error"),
    (51, "decrypt_error"),
    (60, "export_restriction"),
    (70, "protocol_version"),
    (71, "insufficient_security"),
    (80, "internal_error"),
    (86, "inappropriate_fallback"),
    (90, "user_canceled"),
    (100, "no_renegotiation"),
    (109, "missing_extension"),
    (110, "unsupported_extension"),
    (111, "certificate_unobtainable"),
    (112, "unrecognized_name"),
    (113, "bad_certificate_status_response"),
    (114, "bad_certificate_hash_value"),
    (115, "unknown_psk_identity"),
    (116, "certificate_required"),
    (120, "no_application_protocol"),
    (121, "ech_required"),
];

/// IANA "TLS Supported Groups".
const GROUPS: &[(u16, &str)] = &[
    (0x0009, "sect283k1"),
    (0x000a, "sect283r1"),
    (0x000b, "sect409k1"),
    (0x000c, "sect409r1"),
    (0x000d, "sect571k1"),
    (0x000e, "sect571r1"),
    (0x0013, "secp192r1"),
    (0x0015, "secp224r1"),
    (0x0016, "secp256k1"),
    (0x0017, "secp256r1"),
    (0x0018, "secp384r1"),
    (0x0019, "secp521r1"),
    (0x001a, "brainpoolP256r1"),
    (0x001b, "brainpoolP384r1"),
    (0x001c, "brainpoolP512r1"),
    (0x001d, "x25519"),
    (0x001e, "x448"),
    (0x001f, "brainpoolP256r1tls13"),
    (0x0020, "brainpoolP384r1tls13"),
    (0x0021, "brainpoolP512r1tls13"),
    (0x0029, "curveSM2"),
    (0x0100, "ffdhe2048"),
    (0x0101, "ffdhe3072"),
    (0x0102, "ffdhe4096"),
    (0x0103, "ffdhe6144"),
    (0x0104, "ffdhe8192"),
    (0x0200, "MLKEM512"),
    (0x0201, "MLKEM768"),
    (0x0202, "MLKEM1024"),
    (0x11eb, "SecP256r1MLKEM768"),
    (0x11ec, "X25519MLKEM768"),
    (0x11ed, "SecP384r1MLKEM1024"),
    (0x6399, "X25519Kyber768Draft00"),
];

/// IANA "TLS SignatureScheme", and the pairs of RFC 5246 §7.4.1.4.1 that have no name there, named alike.
const SCHEMES: &[(u16, &str)] = &[
    (0x0201, "rsa_pkcs1_sha1"),
    (0x0202, "dsa_sha1"),
    (0x0203, "ecdsa_sha1"),
    (0x0301, "rsa_pkcs1_sha224"),
    (0x0302, "dsa_sha224"),
    (0x0303, "ecdsa_sha224"),
    (0x0401, "rsa_pkcs1_sha256"),
    (0x0402, "dsa_sha256"),
    (0x0403, "ecdsa_secp256r1_sha256"),
    (0x0501, "rsa_pkcs1_sha384"),
    (0x0502, "dsa_sha384"),
    (0x0503, "ecdsa_secp384r1_sha384"),
    (0x0601, "rsa_pkcs1_sha512"),
    (0x0602, "dsa_sha512"),
    (0x0603, "ecdsa_secp521r1_sha512"),
    (0x0708, "sm2sig_sm3"),
    (0x0804, "rsa_pss_rsae_sha256"),
    (0x0805, "rsa_pss_rsae_sha384"),
    (0x0806, "rsa_pss_rsae_sha512"),
    (0x0807, "ed25519"),
    (0x0808, "ed448"),
    (0x0809, "rsa_pss_pss_sha256"),
    (0x080a, "rsa_pss_pss_sha384"),
    (0x080b, "rsa_pss_pss_sha512"),
    (0x081a, "ecdsa_brainpoolP256r1tls13_sha256"),
    (0x081b, "ecdsa_brainpoolP384r1tls13_sha384"),
    (0x081c, "ecdsa_brainpoolP512r1tls13_sha512"),
    (0x0904, "mldsa44"),
    (0x0905, "mldsa65"),
    (0x0906, "mldsa87"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_named_as_the_registries_spell_them() {
        for (given, expected) in [
            (CipherSuite(0x1301).name(), "TLS_AES_128_GCM_SHA256"),
            (CipherSuite(0xc02f).name(), "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
            (CipherSuite(0x00ff).name(), "TLS_EMPTY_RENEGOTIATION_INFO_SCSV"),
            (CipherSuite(0x5a5a).name(), "GREASE"),
            (CipherSuite(0xfefe).name(), "0xfefe"),
            (NamedGroup(0x11ec).name(), "X25519MLKEM768"),
            (NamedGroup(0x001d).name(), "x25519"),
            (SignatureScheme(0x0804).name(), "rsa_pss_rsae_sha256"),
            (ProtocolVersion(0x0304).name(), "TLS 1.3"),
            (ProtocolVersion(0x7f1c).name(), "0x7f1c"),
            (AlertDescription(48).name(), "unknown_ca"),
            (AlertDescription(200).name(), "unknown_200"),
        ] {
            assert_eq!(given, expected);
        }
    }
}
