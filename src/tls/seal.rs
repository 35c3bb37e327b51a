//! Secrets in, keys that open records out: key derivation and AEAD of TLS 1.2 (RFC 5246 §6.3, RFC 5288, RFC 7905) and
//! TLS 1.3 (RFC 8446 §5.2, §7.1, §7.3), with the RustCrypto crates.
//!
//! Knows AES-GCM and ChaCha20-Poly1305; other suites are left. Never seals, and never shows a key.

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes128Gcm, Aes256Gcm};
use chacha20poly1305::ChaCha20Poly1305;
use hmac::{Hmac, Mac};
use sha2::{Sha256, Sha384};
use std::fmt;
use tls_parser::{TlsCipherEnc, TlsCipherEncMode, TlsCipherSuite, TlsPRF};

use super::CipherSuite;
use super::keylog::Secret;
use crate::flow::PerDir;

/// What a cipher suite seals with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Suite {
    algorithm: Algorithm,
    hash: Hash,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    Aes128Gcm,
    Aes256Gcm,
    ChaCha20Poly1305,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hash {
    Sha256,
    Sha384,
}

/// Opens one direction's records under one key.
pub(super) struct Opener {
    cipher: Box<Cipher>,
    iv: [u8; 12],
    sequence: u64,
}

enum Cipher {
    Aes128(Aes128Gcm),
    Aes256(Aes256Gcm),
    ChaCha20(ChaCha20Poly1305),
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opener").field("sequence", &self.sequence).finish_non_exhaustive()
    }
}

impl Suite {
    /// Of a cipher suite; `None` for one that nothing here opens.
    pub(super) fn of(suite: CipherSuite) -> Option<Self> {
        let known = TlsCipherSuite::from_id(suite.0)?;
        let algorithm = match (&known.enc, &known.enc_mode, known.enc_size) {
            (TlsCipherEnc::Aes, TlsCipherEncMode::Gcm, 128) => Algorithm::Aes128Gcm,
            (TlsCipherEnc::Aes, TlsCipherEncMode::Gcm, 256) => Algorithm::Aes256Gcm,
            (TlsCipherEnc::Chacha20_Poly1305, ..) => Algorithm::ChaCha20Poly1305,
            _ => return None,
        };
        let sha384 = matches!(known.prf, TlsPRF::Sha384) || suite.0 == 0x1302; // TLS_AES_256_GCM_SHA384
        Some(Self { algorithm, hash: if sha384 { Hash::Sha384 } else { Hash::Sha256 } })
    }

    /// Under a traffic secret of TLS 1.3 (RFC 8446 §7.3).
    pub(super) fn opener(self, secret: &Secret) -> Option<Opener> {
        let key = self.expand_label(secret, b"key", self.key_bytes());
        let iv = self.expand_label(secret, b"iv", 12);
        self.keyed(&key, &iv)
    }

    /// The traffic secret after this one (RFC 8446 §7.2).
    pub(super) fn updated(self, secret: &Secret) -> Secret {
        Secret::new(self.expand_label(secret, b"traffic upd", secret.bytes().len()))
    }

    /// Both sides of TLS 1.2, client as `orig`: the key block of RFC 5246 §6.3.
    pub(super) fn openers(
        self,
        master: &Secret,
        client: &[u8; 32],
        server: &[u8; 32],
    ) -> PerDir<Option<Opener>> {
        let (key, iv) = (self.key_bytes(), self.fixed_iv_bytes());
        let block = self.key_block(master, client, server, 2 * (key + iv));
        let part = |from: usize, length: usize| block.get(from..from + length).unwrap_or_default();
        PerDir {
            orig: self.keyed(part(0, key), part(2 * key, iv)),
            resp: self.keyed(part(key, key), part(2 * key + iv, iv)),
        }
    }

    const fn key_bytes(self) -> usize {
        match self.algorithm {
            Algorithm::Aes128Gcm => 16,
            Algorithm::Aes256Gcm | Algorithm::ChaCha20Poly1305 => 32,
        }
    }

    /// RFC 5288 §3: GCM of TLS 1.2 has a salt of 4 bytes and the rest of the nonce in each record.
    const fn fixed_iv_bytes(self) -> usize {
        match self.algorithm {
            Algorithm::Aes128Gcm | Algorithm::Aes256Gcm => 4,
            Algorithm::ChaCha20Poly1305 => 12,
        }
    }

    fn keyed(self, key: &[u8], iv: &[u8]) -> Option<Opener> {
        let cipher = match self.algorithm {
            Algorithm::Aes128Gcm => Cipher::Aes128(Aes128Gcm::new_from_slice(key).ok()?),
            Algorithm::Aes256Gcm => Cipher::Aes256(Aes256Gcm::new_from_slice(key).ok()?),
            Algorithm::ChaCha20Poly1305 => Cipher::ChaCha20(ChaCha20Poly1305::new_from_slice(key).ok()?),
        };
        let mut whole = [0; 12];
        for (to, from) in whole.iter_mut().zip(iv) {
            *to = *from;
        }
        Some(Opener { cipher: Box::new(cipher), iv: whole, sequence: 0 })
    }

    /// `HKDF-Expand-Label(secret, label, "", length)` of RFC 8446 §7.1; `length` is at most the hash's.
    fn expand_label(self, secret: &Secret, label: &[u8], length: usize) -> Vec<u8> {
        let size = (length as u16).to_be_bytes();
        let label_size = [6 + label.len() as u8];
        // One block of HKDF-Expand (RFC 5869 §2.3): the info, then the counter 1.
        let mut out = self.hmac(secret.bytes(), &[&size, &label_size, b"tls13 ", label, &[0, 1]]);
        out.truncate(length);
        out
    }

    /// `PRF(master, "key expansion", server random + client random)` of RFC 5246 §5.
    fn key_block(self, master: &Secret, client: &[u8; 32], server: &[u8; 32], length: usize) -> Vec<u8> {
        let seed: [&[u8]; 3] = [b"key expansion", server, client];
        let mut a = self.hmac(master.bytes(), &seed);
        let mut block = Vec::new();
        while block.len() < length {
            let [label, server, client] = seed;
            block.extend(self.hmac(master.bytes(), &[&a, label, server, client]));
            a = self.hmac(master.bytes(), &[&a]);
        }
        block
    }

    fn hmac(self, key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
        fn sum<M: Mac + hmac::KeyInit>(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
            // HMAC takes a key of any length, so that the error does not occur.
            let Ok(mut mac) = <M as hmac::KeyInit>::new_from_slice(key) else { return Vec::new() };
            for part in parts {
                mac.update(part);
            }
            mac.finalize().into_bytes().to_vec()
        }
        match self.hash {
            Hash::Sha256 => sum::<Hmac<Sha256>>(key, parts),
            Hash::Sha384 => sum::<Hmac<Sha384>>(key, parts),
        }
    }
}

impl Opener {
    /// What a record of TLS 1.3 holds: its real content type and content, padding taken off (RFC 8446 §5.2).
    pub(super) fn open_thirteen(&mut self, header: [u8; 5], body: &[u8]) -> Option<(u8, Vec<u8>)> {
        let mut content = self.open(&self.nonce(), &header, body)?;
        self.sequence += 1;
        while content.last() == Some(&0) {
            content.pop();
        }
        let kind = content.pop()?;
        Some((kind, content))
    }

    /// What a record of TLS 1.2 holds (RFC 5246 §6.2.3.3).
    pub(super) fn open_twelve(&mut self, header: [u8; 5], body: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = match *self.cipher {
            Cipher::ChaCha20(_) => (self.nonce(), body),
            Cipher::Aes128(_) | Cipher::Aes256(_) => {
                let (explicit, sealed) = body.split_first_chunk::<8>()?;
                let mut nonce = self.iv;
                for (to, from) in nonce.iter_mut().skip(4).zip(explicit) {
                    *to = *from;
                }
                (nonce, sealed)
            }
        };
        let length = (sealed.len().checked_sub(TAG_BYTES)? as u16).to_be_bytes();
        let [kind, major, minor, ..] = header;
        let mut aad = [0; 13];
        let parts = self.sequence.to_be_bytes().into_iter().chain([kind, major, minor]).chain(length);
        for (to, from) in aad.iter_mut().zip(parts) {
            *to = from;
        }
        let content = self.open(&nonce, &aad, sealed)?;
        self.sequence += 1;
        Some(content)
    }

    /// A record that cannot be opened has passed.
    pub(super) const fn skip(&mut self) {
        self.sequence += 1;
    }

    /// The IV with the sequence number in its last bytes (RFC 8446 §5.3, RFC 7905 §2).
    fn nonce(&self) -> [u8; 12] {
        let mut nonce = self.iv;
        for (to, from) in nonce.iter_mut().rev().zip(self.sequence.to_be_bytes().iter().rev()) {
            *to ^= from;
        }
        nonce
    }

    fn open(&self, nonce: &[u8; 12], aad: &[u8], msg: &[u8]) -> Option<Vec<u8>> {
        let payload = Payload { msg, aad };
        match &*self.cipher {
            Cipher::Aes128(cipher) => cipher.decrypt(nonce.into(), payload).ok(),
            Cipher::Aes256(cipher) => cipher.decrypt(nonce.into(), payload).ok(),
            Cipher::ChaCha20(cipher) => cipher.decrypt(nonce.into(), payload).ok(),
        }
    }
}

/// Bytes of the tag of all three algorithms.
const TAG_BYTES: usize = 16;
