//! Sealed records of both sides in order in, what they hold out, where the secrets of the session are there.
//!
//! Fed by the record walk with headers and pieces of bodies; keeps the body of one record of each side at a time. A
//! record that the capture does not show whole, or that its key does not open, ends the reading of that side where what
//! follows cannot be told; where and why stands in [`Stopped`]. Never shows a key. RFC 8446 §5.2, RFC 5246 §6.2.3.3.

use super::keylog::{Secret, Secrets};
use super::records::{Record, content};
use super::seal::{Opener, Suite};
use super::{DecryptionStop, ServerHello, Stopped};
use crate::flow::{Dir, Moment, PerDir};

/// Undoes the protection of one session's records.
#[derive(Debug)]
pub(super) struct Decryptor {
    suite: Option<Suite>,
    thirteen: bool,
    sides: PerDir<Side>,
}

/// What is known of a session when its ServerHello has come.
pub(super) struct Start<'a> {
    /// The ServerHello.
    pub(super) hello: &'a ServerHello,
    /// `random` of the ClientHello.
    pub(super) client_random: &'a [u8; 32],
    /// Which side is the client.
    pub(super) client: Dir,
    /// TLS 1.3.
    pub(super) thirteen: bool,
    /// The client offered early data.
    pub(super) early_data: bool,
    /// Sealed records of a side have passed already.
    pub(super) passed: PerDir<bool>,
}

#[derive(Debug, Default)]
struct Side {
    opener: Option<Opener>,
    /// What `opener` was made of, in TLS 1.3.
    secret: Option<Secret>,
    /// The secret for what comes after Finished, in TLS 1.3.
    traffic: Option<Secret>,
    /// Records of this side are sealed: in TLS 1.2 only after ChangeCipherSpec.
    sealed: bool,
    /// Records that do not open may be early data under another key (RFC 8446 §4.2.10): so many may still come.
    trials: u32,
    record: Option<Record>,
    body: Vec<u8>,
    opened: u32,
    stopped: Option<Stopped>,
}

impl Decryptor {
    /// For the session that this ServerHello begins.
    pub(super) fn new(start: &Start<'_>, secrets: &Secrets) -> Self {
        let suite = Suite::of(start.hello.cipher);
        let mut sides = PerDir { orig: Side::default(), resp: Side::default() };
        if start.thirteen {
            let of_server = (&secrets.server_handshake, &secrets.server_traffic);
            let of_client = (&secrets.client_handshake, &secrets.client_traffic);
            for (dir, (handshake, traffic)) in [(start.client, of_client), (start.client.other(), of_server)]
            {
                let side = &mut sides[dir];
                side.secret.clone_from(handshake);
                side.traffic.clone_from(traffic);
                side.opener = suite.zip(handshake.as_ref()).and_then(|(suite, secret)| suite.opener(secret));
                side.sealed = true;
            }
            sides[start.client].trials = if start.early_data { MAX_TRIALS } else { 0 };
        } else if let Some((suite, master)) = suite.zip(secrets.master.as_ref()) {
            let openers = suite.openers(master, start.client_random, &start.hello.random);
            sides[start.client].opener = openers.orig;
            sides[start.client.other()].opener = openers.resp;
        }
        for dir in [Dir::Orig, Dir::Resp] {
            let side = &mut sides[dir];
            if suite.is_none() {
                side.stop(start.hello.at, DecryptionStop::UnknownSuite);
            } else if start.passed[dir] && side.trials == 0 {
                side.stop(start.hello.at, DecryptionStop::BytesMissing);
            }
        }
        Self { suite, thirteen: start.thirteen, sides }
    }

    /// Whether bodies of this side are of use.
    pub(super) fn wants(&self, dir: Dir) -> bool {
        self.sides[dir].record.is_some()
    }

    /// Records of a side that were opened, and where and why it ended.
    pub(super) fn told(&self, dir: Dir) -> (u32, Option<Stopped>) {
        (self.sides[dir].opened, self.sides[dir].stopped)
    }

    /// Bytes copied of a side.
    pub(super) fn held_bytes(&self, dir: Dir) -> usize {
        self.sides[dir].body.capacity()
    }

    /// The sides are the other way round.
    pub(super) fn swap(&mut self) {
        std::mem::swap(&mut self.sides.orig, &mut self.sides.resp);
    }

    /// A record begins.
    pub(super) fn begin(&mut self, dir: Dir, record: &Record) {
        let side = &mut self.sides[dir];
        side.record = None;
        if side.stopped.is_some() {
            return;
        }
        let sealed = match record.kind {
            content::APPLICATION_DATA => true,
            content::CHANGE_CIPHER_SPEC if !self.thirteen => {
                if side.sealed {
                    side.stop(record.at, DecryptionStop::Renegotiated);
                }
                side.sealed = true;
                return;
            }
            content::ALERT | content::HANDSHAKE => !self.thirteen,
            _ => false,
        };
        if !sealed || !side.sealed {
            return;
        }
        if side.opener.is_none() {
            side.stop(record.at, DecryptionStop::NoSecret);
        } else {
            side.record = Some(*record);
            side.body.clear();
        }
    }

    /// A piece of the record's body; gives the record, its real content type and its content once it is whole.
    pub(super) fn body(&mut self, dir: Dir, data: &[u8]) -> Option<(Record, u8, Vec<u8>)> {
        let side = &mut self.sides[dir];
        let record = side.record?;
        side.body.extend_from_slice(data);
        if side.body.len() < usize::from(record.length) {
            return None;
        }
        side.record = None;
        let body = std::mem::take(&mut side.body);
        let [high, low] = record.length.to_be_bytes();
        // The version is 3.3 in every sealed record of TLS 1.2 and 1.3 (RFC 8446 §5.2).
        let header = [record.kind, 3, 3, high, low];
        let opener = side.opener.as_mut()?;
        let opened = if self.thirteen {
            opener.open_thirteen(header, &body)
        } else {
            opener.open_twelve(header, &body).map(|content| (record.kind, content))
        };
        if let Some((kind, content)) = opened {
            side.opened = side.opened.saturating_add(1);
            side.trials = 0;
            return Some((record, kind, content));
        }
        match side.trials.checked_sub(1) {
            Some(trials) => side.trials = trials,
            None => side.stop(record.at, DecryptionStop::WrongKey),
        }
        None
    }

    /// Bytes of a side are missing. `inside`: all of the record that is passing, so that the next one is still found.
    pub(super) fn missing(&mut self, dir: Dir, inside: bool, at: Moment) {
        let thirteen = self.thirteen;
        let side = &mut self.sides[dir];
        if side.stopped.is_some() || !side.sealed {
            return;
        }
        // Before Finished of TLS 1.3 the record that is missing may have changed the key.
        let in_handshake = thirteen && side.traffic.is_some();
        if !inside || in_handshake || side.trials > 0 {
            side.stop(at, DecryptionStop::BytesMissing);
        } else if side.record.take().is_some()
            && let Some(opener) = &mut side.opener
        {
            opener.skip();
        }
    }

    /// Finished of TLS 1.3 has passed: application data follows (RFC 8446 §7.1).
    pub(super) fn finished(&mut self, dir: Dir) {
        let next = self.sides[dir].traffic.take();
        self.turn(dir, next);
    }

    /// KeyUpdate of TLS 1.3 has passed (RFC 8446 §4.6.3).
    pub(super) fn key_update(&mut self, dir: Dir) {
        let next = self.suite.zip(self.sides[dir].secret.as_ref()).map(|(suite, old)| suite.updated(old));
        self.turn(dir, next);
    }

    fn turn(&mut self, dir: Dir, secret: Option<Secret>) {
        let side = &mut self.sides[dir];
        side.opener = self.suite.zip(secret.as_ref()).and_then(|(suite, secret)| suite.opener(secret));
        side.secret = secret;
    }
}

impl Side {
    fn stop(&mut self, at: Moment, why: DecryptionStop) {
        self.stopped.get_or_insert(Stopped { at, why });
        self.record = None;
        self.body = Vec::new();
    }
}

/// Records of early data that are let pass at most; a server takes 16 KiB in all as a rule.
const MAX_TRIALS: u32 = 64;
