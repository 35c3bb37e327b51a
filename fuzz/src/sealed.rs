//! Seals records of TLS 1.3, so that fuzzed bytes arrive behind decryption, where no mutation of a capture would get.

use aes_gcm::Aes128Gcm;
use aes_gcm::aead::{Aead, KeyInit, Payload};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use wirecause::flow::{Dir, PerDir};

const RANDOM: [u8; 32] = [7; 32];
const LABELS: [(&str, u8); 4] = [
    ("CLIENT_HANDSHAKE_TRAFFIC_SECRET", 1),
    ("SERVER_HANDSHAKE_TRAFFIC_SECRET", 2),
    ("CLIENT_TRAFFIC_SECRET_0", 3),
    ("SERVER_TRAFFIC_SECRET_0", 4),
];

/// The key log of the one session.
pub fn key_log() -> String {
    LABELS.iter().map(|(label, byte)| format!("{label} {} {}\n", hex(&RANDOM), hex(&[*byte; 32]))).collect()
}

/// ClientHello and ServerHello, TLS 1.3 with `TLS_AES_128_GCM_SHA256`.
pub fn hellos() -> PerDir<Vec<u8>> {
    let random = [&[3, 3][..], &RANDOM, &[0]].concat();
    let client = [&random[..], &[0, 2, 0x13, 1, 1, 0, 0, 7, 0, 43, 0, 3, 2, 3, 4]].concat();
    let server = [&random[..], &[0x13, 1, 0, 0, 6, 0, 43, 0, 2, 3, 4]].concat();
    let message = |kind: u8, body: &[u8]| [&[kind, 0, 0, body.len() as u8], body].concat();
    PerDir { orig: record(22, &message(1, &client)), resp: record(22, &message(2, &server)) }
}

/// Seals one side's records with the keys that the key log has.
#[derive(Default)]
pub struct Sealer(PerDir<[u64; 2]>);

impl Sealer {
    /// A record with this content; `late` is the key of what follows Finished.
    pub fn seal(&mut self, dir: Dir, late: bool, kind: u8, content: &[u8]) -> Vec<u8> {
        let secret = [1 + u8::from(dir == Dir::Resp) + 2 * u8::from(late); 32];
        let (key, mut nonce) = (expand(&secret, b"key", 16), expand(&secret, b"iv", 12));
        let sequence = &mut self.0[dir][usize::from(late)];
        nonce.iter_mut().rev().zip(sequence.to_be_bytes().iter().rev()).for_each(|(to, from)| *to ^= from);
        *sequence += 1;
        let inner = [content, &[kind]].concat();
        let header = [23, 3, 3, ((inner.len() + 16) >> 8) as u8, (inner.len() + 16) as u8];
        let cipher = Aes128Gcm::new_from_slice(&key).expect("16 bytes");
        let nonce: [u8; 12] = nonce.try_into().expect("12 bytes");
        record(23, &cipher.encrypt((&nonce).into(), Payload { msg: &inner, aad: &header }).expect("short"))
    }
}

fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 3, 3, (body.len() >> 8) as u8, body.len() as u8], body].concat()
}

/// `HKDF-Expand-Label` of RFC 8446 §7.1.
fn expand(secret: &[u8], label: &[u8], length: u8) -> Vec<u8> {
    let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(secret).expect("any length");
    mac.update(&[&[0, length, 6 + label.len() as u8], &b"tls13 "[..], label, &[0, 1]].concat());
    let mut out = mac.finalize().into_bytes().to_vec();
    out.truncate(length.into());
    out
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
