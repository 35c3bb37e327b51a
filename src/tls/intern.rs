//! What many sessions share, kept once: shapes of hellos and certificates, by their bytes.
//!
//! Takes the bytes of a message, gives an `Arc` of what they mean; parses only what it has not seen. The tables are
//! bounded in bytes and emptied when full, so that random certificates cost time but no memory.

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::hello::{self, RawClientHello};
use super::keylog::KeyLog;
use super::{Certificate, ClientHelloShape, certificate};
use crate::error::{Place, Weirds};
use crate::flow::Moment;

/// What many sessions of a shard share: hellos and certificates by their bytes, within bounds.
#[derive(Debug, Default)]
pub struct Interner {
    hellos: Table<ClientHelloShape>,
    certificates: Table<Certificate>,
    scratch: Vec<u8>,
    /// Payload bytes that the shard's sessions hold back, in bytes.
    pub(super) held: usize,
    keys: Option<Arc<KeyLog>>,
    problems: Weirds,
}

impl Interner {
    /// Opens the records of sessions that begin from here on and whose secrets are among these.
    pub fn use_keys(&mut self, keys: Arc<KeyLog>) {
        self.keys = Some(keys).filter(|k| !k.is_empty());
    }

    /// Secrets of sessions, if there are any.
    pub(super) fn keys(&self) -> Option<&KeyLog> {
        self.keys.as_deref()
    }

    /// Whether sessions may hold back more payload.
    pub(super) const fn may_hold(&self) -> bool {
        self.held < MAX_HELD
    }

    /// The bounds that sessions reached since this was last asked.
    pub fn problems(&mut self) -> Weirds {
        std::mem::take(&mut self.problems)
    }

    /// A handshake message is longer than [`MAX_MESSAGE`].
    pub(super) fn too_long(&mut self, at: Moment) {
        self.problems.loss("limit_tls_message", Place::Frame(at.frame.number()), || {
            format!(
                "a TLS handshake message has more than {MAX_MESSAGE} bytes: what lies behind those, such as certificates, was not read"
            )
        });
    }

    /// Too much came behind a gap of a session.
    pub(super) fn too_far_ahead(&mut self, at: Moment) {
        self.problems.note("limit_tls_ahead", Place::Frame(at.frame.number()), || {
            "too much came ahead of a gap in a TLS session (64 KiB or 64 segments): its bytes are missing, even where they were sent again later".to_owned()
        });
    }

    /// What a session held back is given up for want of room.
    pub(super) fn too_much_held(&mut self, at: Moment) {
        self.problems.loss("limit_tls_held", Place::Frame(at.frame.number()), || {
            format!("incomplete TLS messages hold more than {} MiB: this one was given up", MAX_HELD >> 20)
        });
    }

    /// The shape of a ClientHello.
    pub(super) fn hello(&mut self, raw: &RawClientHello<'_>) -> Arc<ClientHelloShape> {
        hello::shape_key(raw, &mut self.scratch);
        self.hellos.entry(&self.scratch, || hello::shape(raw))
    }

    /// The facts of a certificate.
    pub(super) fn certificate(&mut self, der: &[u8]) -> Arc<Certificate> {
        self.certificates.entry(der, || certificate::parse(der))
    }
}

#[derive(Debug)]
struct Table<T> {
    entries: HashTable<(Box<[u8]>, Arc<T>)>,
    bytes: usize,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { entries: HashTable::new(), bytes: 0 }
    }
}

impl<T> Table<T> {
    fn entry(&mut self, key: &[u8], make: impl FnOnce() -> T) -> Arc<T> {
        let hasher = FixedState::with_seed(0);
        let hash = hasher.hash_one(key);
        if let Some((_, value)) = self.entries.find(hash, |(k, _)| **k == *key) {
            return Arc::clone(value);
        }
        let value = Arc::new(make());
        // What is made of a key is about as large as the key, and the entry has a fixed part.
        let cost = key.len() * 2 + ENTRY_BYTES;
        if self.bytes + cost > MAX_TABLE {
            self.entries.clear();
            self.bytes = 0;
        }
        if cost <= MAX_TABLE / 8 {
            self.bytes += cost;
            self.entries
                .insert_unique(hash, (key.into(), Arc::clone(&value)), |(k, _)| hasher.hash_one(&**k));
        }
        value
    }
}

/// Bytes of one table of one shard. Assume a few thousand distinct hellos and certificates; more are parsed again.
const MAX_TABLE: usize = 1 << 20;
/// Fixed bytes of an entry: key and value pointers, `Arc` and struct headers.
const ENTRY_BYTES: usize = 400;
/// A handshake message kept at most, in bytes; of a longer one the start is read and the rest passes.
pub(super) const MAX_MESSAGE: usize = 64 << 10;
/// Payload bytes that the sessions of one shard hold back in all; past it incomplete messages are given up.
const MAX_HELD: usize = 8 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_bytes_share_one_value_and_the_table_stays_bounded() {
        let mut table = Table::<usize>::default();
        let first = table.entry(b"a", || 1);
        assert!(Arc::ptr_eq(&first, &table.entry(b"a", || 2)));
        for n in 0..10_000_usize {
            assert_eq!(*table.entry(&n.to_le_bytes(), || n), n);
            assert!(table.bytes <= MAX_TABLE);
        }
    }
}
