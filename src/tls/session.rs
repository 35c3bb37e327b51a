//! One flow's TLS session, fed with payload in capture order.
//!
//! Each side is put in order ([`crate::flow::order`]), told apart from plaintext ([`super::plain`]) and walked record by record
//! ([`super::records`]); the facts are gathered in [`super::tracker`]. A flow that carries no payload costs 8 bytes.

use super::conclude;
use super::hello;
use super::intern::Interner;
use super::openvpn::Tunnel;
use super::plain::{Head, Plain};
use super::records::{Ending, Message, Span, Walker};
use super::shape::{find_client_hello, may_start_record, starts_record};
use super::tracker::{Scribe, Tracker};
use super::{FirstBytes, HttpFacts, SessionFacts};
use crate::flow::order::{Chunk, Next, Order};
use crate::flow::{Dir, FlowEnd, Moment, Payload, PerDir};

/// State of one flow.
#[derive(Debug, Default)]
pub struct Session(Option<Box<State>>);

#[derive(Debug, Default)]
struct State {
    sides: PerDir<Side>,
    tls: Option<Box<Tracker>>,
    first_bytes: PerDir<Option<FirstBytes>>,
    http: Option<Box<HttpFacts>>,
    acked: PerDir<Option<(i64, Moment)>>,
}

#[derive(Debug, Default)]
struct Side {
    order: Order,
    mode: Mode,
    walker: Walker,
    plain: Option<Box<Plain>>,
    tunnel: Option<Box<Tunnel>>,
    held: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mode {
    /// No byte yet.
    #[default]
    Fresh,
    /// No TLS, or not yet.
    Plain,
    /// TLS records.
    Records,
    /// An OpenVPN tunnel whose control channel is TLS.
    Tunnel,
}

impl Session {
    /// Payload of one packet (TCP).
    pub fn payload(&mut self, interner: &mut Interner, payload: &Payload<'_>) {
        let state = self.0.get_or_insert_default();
        let dir = payload.dir;
        state.sides[dir.other()].order.answered(payload.at);
        state.drain(dir.other(), false, interner);
        if let Some(chunk) = state.sides[dir].order.offer(payload) {
            state.take(dir, chunk, interner);
        }
        state.drain(dir, false, interner);
        state.account(dir.other(), payload.at, interner);
        state.account(dir, payload.at, interner);
    }

    /// `by` acknowledged the other side's stream up to `offset`.
    pub fn acked(&mut self, by: Dir, offset: i64, at: Moment) {
        let Some(state) = &mut self.0 else { return };
        state.sides[by.other()].order.acknowledge(offset);
        match &mut state.tls {
            Some(tls) => tls.acknowledged(by, offset, at),
            None => state.acked[by] = Some((offset, at)),
        }
    }

    /// Whether payload of this side is still of use.
    pub fn wants(&self, dir: Dir) -> bool {
        self.0.as_ref().is_none_or(|state| {
            let side = &state.sides[dir];
            match side.mode {
                Mode::Fresh | Mode::Records => true,
                Mode::Plain => side.plain.as_ref().is_some_and(|plain| plain.wants_more()),
                Mode::Tunnel => side.tunnel.is_some(),
            }
        })
    }

    /// The flow is the other way round.
    pub fn swap(&mut self) {
        let Some(state) = &mut self.0 else { return };
        std::mem::swap(&mut state.sides.orig, &mut state.sides.resp);
        std::mem::swap(&mut state.first_bytes.orig, &mut state.first_bytes.resp);
        std::mem::swap(&mut state.acked.orig, &mut state.acked.resp);
        if let Some(tls) = &mut state.tls {
            tls.swap();
        }
    }

    /// What is known in the end.
    pub fn finish(self, interner: &mut Interner, end: &FlowEnd) -> SessionFacts {
        let Some(mut state) = self.0 else { return SessionFacts::default() };
        for dir in [Dir::Orig, Dir::Resp] {
            state.drain(dir, true, interner);
            state.close(dir, interner);
        }
        let http = state.http;
        let tls = state.tls.map(|tracker| {
            let mut facts = conclude::conclude(*tracker, end);
            let connect = http.as_ref().filter(|h| h.method.as_deref() == Some("CONNECT"));
            facts.connect_status = connect.map(|h| h.status.unwrap_or(0));
            Box::new(facts)
        });
        SessionFacts { tls, first_bytes: state.first_bytes, http }
    }
}

impl State {
    /// Gives on what the last segment made available.
    fn drain(&mut self, dir: Dir, finish: bool, interner: &mut Interner) {
        while let Some(next) = self.sides[dir].order.next(finish) {
            match next {
                Next::Bytes(held, from) => {
                    if let Some(chunk) = held.chunk(from) {
                        self.take(dir, chunk, interner);
                    }
                }
                Next::Hole(missing) => self.hole(dir, missing, interner),
                Next::Full(missing, at) => {
                    if self.sides[dir].mode == Mode::Records {
                        interner.too_far_ahead(at);
                    }
                    self.hole(dir, missing, interner);
                }
            }
        }
    }

    fn take(&mut self, dir: Dir, chunk: Chunk<'_>, interner: &mut Interner) {
        match self.sides[dir].mode {
            Mode::Records => self.walk(dir, &chunk, interner),
            Mode::Fresh => self.open(dir, chunk, interner),
            Mode::Plain => self.plain(dir, chunk, interner),
            Mode::Tunnel => self.tunnel(dir, &chunk, interner),
        }
    }

    /// The first bytes of a side.
    fn open(&mut self, dir: Dir, chunk: Chunk<'_>, interner: &mut Interner) {
        if chunk.data.is_empty() {
            return;
        }
        if may_start_record(chunk.data) {
            self.sides[dir].mode = Mode::Records;
            self.walk(dir, &chunk, interner);
        } else if let Some(tunnel) = Tunnel::open(chunk.data) {
            self.first_bytes[dir] = Some(FirstBytes::Binary);
            self.sides[dir].mode = Mode::Tunnel;
            self.sides[dir].tunnel = Some(Box::new(tunnel));
        } else if !self.sslv2(dir, &chunk, interner) {
            self.sides[dir].mode = Mode::Plain;
            self.plain(dir, chunk, interner);
        }
    }

    /// Plaintext, in which TLS may begin (STARTTLS, CONNECT, PROXY protocol) or of which the start was not captured.
    fn plain(&mut self, dir: Dir, chunk: Chunk<'_>, interner: &mut Interner) {
        let peer_speaks_tls = self.sides[dir.other()].mode == Mode::Records;
        let plain = self.sides[dir].plain.get_or_insert_default();
        let begins = if begins_tls(chunk.data, peer_speaks_tls) {
            Some(0)
        } else if plain.scans(chunk.data.len()) {
            find_client_hello(chunk.data)
        } else {
            None
        };
        let before = chunk.until(begins.unwrap_or(chunk.data.len()));
        let told = if before.data.is_empty() { None } else { plain.push(&before) };
        let at = plain.at().unwrap_or(chunk.at);
        if let Some((kind, head)) = told {
            self.told(dir, kind, head, at);
        }
        if let Some(n) = begins {
            self.sides[dir].mode = Mode::Records;
            self.walk(dir, &chunk.after(n), interner);
        }
    }

    /// What an OpenVPN tunnel carries; a hole in it ends what can be read.
    fn tunnel(&mut self, dir: Dir, chunk: &Chunk<'_>, interner: &mut Interner) {
        let Some(mut tunnel) = self.sides[dir].tunnel.take() else { return };
        tunnel.push(chunk.data, |data| self.walk(dir, &Chunk { data, cut: 0, ..*chunk }, interner));
        if chunk.cut == 0 {
            self.sides[dir].tunnel = Some(tunnel);
        }
    }

    fn told(&mut self, dir: Dir, kind: FirstBytes, head: Option<Head>, at: Moment) {
        self.first_bytes[dir] = Some(kind);
        let Some(head) = head else { return };
        let http = self.http.get_or_insert_default();
        match head {
            Head::Request { method, target, host } => {
                (http.method, http.target, http.host) = (Some(method), Some(target), host);
                http.request = Some(at);
            }
            Head::Response(status) => {
                http.status = Some(status);
                http.response = Some(at);
            }
        }
    }

    fn walk(&mut self, dir: Dir, chunk: &Chunk<'_>, interner: &mut Interner) {
        let tracker = tracker(&mut self.tls, &self.acked);
        let had_retry = tracker.facts.hello_retry.is_some();
        let side = &mut self.sides[dir];
        side.walker.walk(chunk, &mut Scribe { tracker, interner, dir });
        if side.walker.hopeless() {
            side.mode = Mode::Plain;
            side.plain.get_or_insert_default();
        }
        if !had_retry && self.tls.as_ref().is_some_and(|t| t.facts.hello_retry.is_some()) {
            self.sides.orig.walker.expect_plain_hello();
            self.sides.resp.walker.expect_plain_hello();
        }
    }

    fn hole(&mut self, dir: Dir, missing: i64, interner: &mut Interner) {
        let side = &mut self.sides[dir];
        match side.mode {
            Mode::Records => {
                let tracker = tracker(&mut self.tls, &self.acked);
                let near = Chunk { offset: 0, data: &[], cut: 0, at: Moment::default(), segment: 0 };
                side.walker.gap(missing, false, &near, &mut Scribe { tracker, interner, dir });
            }
            // The start is missing, so that the bytes after it are not the first ones.
            Mode::Fresh => {
                side.mode = Mode::Plain;
                side.plain.get_or_insert_default().close();
            }
            Mode::Tunnel => side.tunnel = None,
            Mode::Plain => {}
        }
    }

    /// A ClientHello in an SSLv2 record (RFC 5246 appendix E.2): two bytes of length with the high bit set.
    fn sslv2(&mut self, dir: Dir, chunk: &Chunk<'_>, interner: &mut Interner) -> bool {
        let Some(&[high, low]) = chunk.data.first_chunk() else { return false };
        let length = usize::from(u16::from_be_bytes([high & 0x7f, low]));
        let Some(raw) = chunk.data.get(2..).and_then(hello::sslv2_client_hello) else { return false };
        let sum = 9 + raw.ciphers.len() + 16;
        if high & 0x80 == 0 || length < sum || length > sum + 32 || raw.version >> 8 > 3 {
            return false;
        }
        let tracker = tracker(&mut self.tls, &self.acked);
        let span = Span { first: chunk.at, last: chunk.at, segments: 1, largest: chunk.segment };
        let message = Message {
            kind: 1,
            body: &[],
            length: length as u32,
            ending: if raw.cut { Ending::Cut } else { Ending::Complete },
            span,
            end: chunk.offset + 2 + length as i64,
        };
        tracker.sslv2_hello(dir, &raw, &message, interner);
        self.sides[dir].mode = Mode::Records;
        let rest = chunk.after(2 + length);
        if !rest.data.is_empty() {
            self.walk(dir, &rest, interner);
        }
        true
    }

    /// The direction has ended: what is incomplete is given as far as it is there.
    fn close(&mut self, dir: Dir, interner: &mut Interner) {
        let side = &mut self.sides[dir];
        if matches!(side.mode, Mode::Records | Mode::Tunnel) && self.tls.is_some() {
            let tracker = tracker(&mut self.tls, &self.acked);
            side.walker.finish(i64::MAX, &mut Scribe { tracker, interner, dir });
        }
        let plain = side.plain.as_mut();
        if let Some((told, at)) = plain.and_then(|p| Some((p.close()?, p.at()?))) {
            self.told(dir, told.0, told.1, at);
        }
        interner.held = interner.held.saturating_sub(self.sides[dir].held);
    }

    /// Keeps count of what is held back over all sessions, and gives it up when that is too much.
    fn account(&mut self, dir: Dir, at: Moment, interner: &mut Interner) {
        let side = &mut self.sides[dir];
        let sealed = self.tls.as_ref().and_then(|t| t.reveal.as_ref()).map_or(0, |r| r.held_bytes(dir));
        let held = side.held_bytes() + sealed;
        if held == side.held {
            return;
        }
        interner.held = interner.held.saturating_sub(side.held) + held;
        side.held = held;
        if interner.may_hold() || held == 0 {
            return;
        }
        interner.too_much_held(at);
        side.order.drop_held();
        side.tunnel = None;
        if let Some(tracker) = &mut self.tls {
            side.walker.drop_held(&mut Scribe { tracker, interner, dir });
        }
        interner.held = interner.held.saturating_sub(side.held) + side.held_bytes();
        side.held = side.held_bytes();
    }
}

impl Side {
    fn held_bytes(&self) -> usize {
        let plain = self.plain.as_ref().map_or(0, |p| p.held_bytes());
        let tunnel = self.tunnel.as_ref().map_or(0, |t| t.held_bytes());
        self.order.held_bytes() + self.walker.held_bytes() + plain + tunnel
    }
}

/// The tracker, made on the first record; it is told what had been acknowledged before.
fn tracker<'a>(tls: &'a mut Option<Box<Tracker>>, acked: &PerDir<Option<(i64, Moment)>>) -> &'a mut Tracker {
    tls.get_or_insert_with(|| {
        let mut tracker = Box::<Tracker>::default();
        for by in [Dir::Orig, Dir::Resp] {
            if let Some((offset, at)) = acked[by] {
                tracker.acknowledged(by, offset, at);
            }
        }
        tracker
    })
}

/// Whether a segment of a plaintext direction begins with TLS. Assume a hello, or application data of TLS 1.2 and 1.3;
/// other records count only when the peer speaks TLS (lengths of binary protocols may look like a header).
fn begins_tls(data: &[u8], peer_speaks_tls: bool) -> bool {
    let strong = matches!(data, [22, 3, _, _, _, 1 | 2, 0, ..] | [23, 3, 3, _, _, ..]);
    data.len() >= 5 && (strong || peer_speaks_tls) && starts_record(data)
}
