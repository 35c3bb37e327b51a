//! Text of a key log in, the secrets of sessions by the random of their ClientHello out (SSLKEYLOGFILE,
//! draft-ietf-tls-keylogfile, and the decryption secrets blocks of pcapng).
//!
//! Takes `LABEL RANDOM SECRET` lines; lines that are no such thing are counted, never quoted. A secret is never shown:
//! not by `Debug`, not in an error, not in any output.

use std::collections::HashMap;
use std::fmt;

/// Secrets of sessions, by the random of their ClientHello.
#[derive(Clone, Debug, Default)]
pub struct KeyLog(HashMap<[u8; 32], Secrets>);

/// What became of the lines of a key log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyLogLines {
    /// Lines in all.
    pub lines: u64,
    /// Secrets that decryption can use.
    pub secrets: u64,
    /// Well-formed lines with a label that decryption has no use for (exporters, early data, ECH, RSA).
    pub unused: u64,
    /// Secrets of sessions beyond [`MAX_SESSIONS`].
    pub beyond: u64,
    /// Lines that are neither a secret nor a comment.
    pub damaged: u64,
    /// Number of the first of those, from 1.
    pub first_damaged: Option<u64>,
}

/// Bytes that must not be shown.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secret(Vec<u8>);

impl Secret {
    /// Takes bytes that must not be shown.
    pub(super) const fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes, for key derivation alone.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The secrets of one session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Secrets {
    /// Master secret of TLS 1.2.
    pub(super) master: Option<Secret>,
    /// Of the client's handshake records in TLS 1.3.
    pub(super) client_handshake: Option<Secret>,
    /// Of the server's.
    pub(super) server_handshake: Option<Secret>,
    /// Of the client's first application records in TLS 1.3.
    pub(super) client_traffic: Option<Secret>,
    /// Of the server's.
    pub(super) server_traffic: Option<Secret>,
}

impl KeyLog {
    /// Whether no session has a secret.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes the lines of a text.
    pub fn add(&mut self, text: &str) -> KeyLogLines {
        self.add_at_most(MAX_SESSIONS, text)
    }

    fn add_at_most(&mut self, most: usize, text: &str) -> KeyLogLines {
        let mut told = KeyLogLines::default();
        for (number, line) in (1..).zip(text.lines()) {
            told.lines = number;
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match self.line(line, most) {
                Some(Use::Kept) => told.secrets += 1,
                Some(Use::None) => told.unused += 1,
                Some(Use::Beyond) => told.beyond += 1,
                None => {
                    told.damaged += 1;
                    told.first_damaged.get_or_insert(number);
                }
            }
        }
        told
    }

    /// The secrets of the session whose ClientHello has this random.
    pub(super) fn of(&self, random: &[u8; 32]) -> Option<&Secrets> {
        self.0.get(random)
    }

    /// Of what use a line is, where sessions are kept up to `most`; `None` where it is none of a key log.
    fn line(&mut self, line: &str, most: usize) -> Option<Use> {
        let mut words = line.split_ascii_whitespace();
        let (label, random, secret) = (words.next()?, unhex(words.next()?)?, unhex(words.next()?)?);
        if words.next().is_some()
            || !label.bytes().all(|b| b.is_ascii_uppercase() || b"_0123456789".contains(&b))
        {
            return None;
        }
        let Ok(random) = <[u8; 32]>::try_from(random) else { return Some(Use::None) };
        let mut of_session = self.0.get(&random).cloned().unwrap_or_default();
        let (place, fits) = match label {
            "CLIENT_RANDOM" => (&mut of_session.master, secret.len() == 48),
            "CLIENT_HANDSHAKE_TRAFFIC_SECRET" => (&mut of_session.client_handshake, is_digest(&secret)),
            "SERVER_HANDSHAKE_TRAFFIC_SECRET" => (&mut of_session.server_handshake, is_digest(&secret)),
            "CLIENT_TRAFFIC_SECRET_0" => (&mut of_session.client_traffic, is_digest(&secret)),
            "SERVER_TRAFFIC_SECRET_0" => (&mut of_session.server_traffic, is_digest(&secret)),
            _ => return Some(Use::None),
        };
        if !fits {
            return None;
        }
        *place = Some(Secret::new(secret));
        if self.0.len() >= most && !self.0.contains_key(&random) {
            return Some(Use::Beyond);
        }
        self.0.insert(random, of_session);
        Some(Use::Kept)
    }
}

/// Of what use a well-formed line is.
enum Use {
    /// Its secret opens records.
    Kept,
    /// Decryption has no use for it.
    None,
    /// It would be, but there are too many sessions.
    Beyond,
}

/// A traffic secret is as long as the suite's hash: SHA-256 or SHA-384.
fn is_digest(secret: &[u8]) -> bool {
    matches!(secret.len(), 32 | 48)
}

/// Bytes of hex text of either case; nothing of text longer than any secret.
fn unhex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() || pairs.is_empty() || pairs.len() > MAX_SECRET {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|d| d as u8);
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

/// Sessions kept, at about 300 bytes each.
pub const MAX_SESSIONS: usize = 1 << 20;
/// Bytes of one secret: the longest of a key log is an encrypted premaster secret's (RSA of 8,192 bits).
const MAX_SECRET: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_taken_counted_and_never_shown() {
        let (random, secret) = ("Ab".repeat(32), "cd".repeat(48));
        let text = format!(
            "# a comment\n\nCLIENT_RANDOM {random} {secret}\r\nSERVER_TRAFFIC_SECRET_0 {random} {}\n\
             EXPORTER_SECRET {random} {secret}\nRSA 0011223344556677 {secret}\n\
             CLIENT_RANDOM {random} abc\nCLIENT_RANDOM {random}\nwhatever this is\n",
            "ef".repeat(32)
        );
        let mut log = KeyLog::default();
        let told = log.add(&text);
        let expected =
            KeyLogLines { lines: 9, secrets: 2, unused: 2, damaged: 3, first_damaged: Some(7), beyond: 0 };
        assert_eq!(told, expected);
        let found = log.of(&[0xab; 32]).expect("the session is known");
        assert_eq!(found.master.as_ref().map(Secret::bytes), Some(&[0xcd; 48][..]));
        assert_eq!(found.server_traffic.as_ref().map(Secret::bytes), Some(&[0xef; 32][..]));
        assert_eq!(found.client_traffic, None);
        let shown = format!("{log:?}");
        assert!(!shown.to_ascii_lowercase().contains("cdcd") && !shown.contains("205, 205"), "{shown}");
    }

    #[test]
    fn secrets_of_sessions_beyond_the_bound_are_counted() {
        let line =
            |n: u8, label: &str| format!("{label} {} {}\n", format!("{n:02x}").repeat(32), "cd".repeat(48));
        let text = [1, 2, 3, 1].map(|n| line(n, "CLIENT_RANDOM")).concat() + &line(3, "EXPORTER_SECRET");
        let mut log = KeyLog::default();
        let told = log.add_at_most(2, &text);
        assert_eq!((told.secrets, told.beyond, told.unused), (3, 1, 1));
        assert!(log.of(&[2; 32]).is_some() && log.of(&[3; 32]).is_none());
    }
}
