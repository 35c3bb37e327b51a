//! TLS alerts as programs other than Go's name them.
//!
//! Takes the number or the name in a message of OpenSSL, curl, Python, nginx or Java; gives Go's words, which rules
//! compare with. Names: RFC 8446 §6.2 and RFC 5246 §7.2; Go's words: crypto/tls `alertText`.

/// Number, name in the RFCs, Go's words.
const ALERTS: [(u8, &str, &str); 27] = [
    (0, "close_notify", "close notify"),
    (10, "unexpected_message", "unexpected message"),
    (20, "bad_record_mac", "bad record MAC"),
    (21, "decryption_failed", "decryption failed"),
    (22, "record_overflow", "record overflow"),
    (40, "handshake_failure", "handshake failure"),
    (42, "bad_certificate", "bad certificate"),
    (43, "unsupported_certificate", "unsupported certificate"),
    (44, "certificate_revoked", "revoked certificate"),
    (45, "certificate_expired", "expired certificate"),
    (46, "certificate_unknown", "unknown certificate"),
    (47, "illegal_parameter", "illegal parameter"),
    (48, "unknown_ca", "unknown certificate authority"),
    (49, "access_denied", "access denied"),
    (50, "decode_error", "error decoding message"),
    (51, "decrypt_error", "error decrypting message"),
    (70, "protocol_version", "protocol version not supported"),
    (71, "insufficient_security", "insufficient security level"),
    (80, "internal_error", "internal error"),
    (86, "inappropriate_fallback", "inappropriate fallback"),
    (90, "user_canceled", "user canceled"),
    (109, "missing_extension", "missing extension"),
    (110, "unsupported_extension", "unsupported extension"),
    (112, "unrecognized_name", "unrecognized name"),
    (115, "unknown_psk_identity", "unknown PSK identity"),
    (116, "certificate_required", "certificate required"),
    (120, "no_application_protocol", "no application protocol"),
];

/// Go's words for an alert that a message gives by number (`70`) or by name (`protocol_version`, `tlsv1 alert
/// protocol version`, `SSLV3_ALERT_HANDSHAKE_FAILURE`); `None` for one that the table does not hold.
pub(super) fn in_words_of_go(alert: &str) -> Option<&'static str> {
    let number = alert.parse::<u8>().ok();
    let name = alert.to_ascii_lowercase().replace(' ', "_");
    let name = name.split_once("alert_").map_or(name.as_str(), |(_, name)| name);
    ALERTS.iter().find(|(n, rfc, _)| number == Some(*n) || *rfc == name).map(|a| a.2)
}

/// Go's words for an alert begin so and go on, and are none so far.
pub(super) fn is_begin_of_words(text: &str) -> bool {
    let words = || ALERTS.iter().map(|(_, _, words)| *words);
    words().any(|w| w.starts_with(text)) && !words().any(|w| w == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_become_words_of_go() {
        for (alert, words) in [
            ("70", Some("protocol version not supported")),
            ("tlsv1 alert unknown ca", Some("unknown certificate authority")),
            ("SSLV3_ALERT_HANDSHAKE_FAILURE", Some("handshake failure")),
            ("tlsv13 alert certificate required", Some("certificate required")),
            ("certificate_unknown", Some("unknown certificate")),
            ("no shared cipher", None),
            ("300", None),
        ] {
            assert_eq!(in_words_of_go(alert), words, "{alert}");
        }
    }
}
