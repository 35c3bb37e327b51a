//! DNS messages in, lookups with their outcome out (RFC 1035, RFC 2308, RFC 6891).
//!
//! Takes payload of UDP datagrams and of TCP streams on port 53; gives each query with its answer, response code, time
//! to answer and retries. Keeps no payload, and never takes a message for an answer without its id and question.

use crate::flow::{Dir, FlowEnd, Moment, Payload, PerDir, Proto};
use crate::time::TimeDelta;

mod message;
mod record;
mod stream;

use message::{Message, MessageKind, Question};
use stream::MessageStream;

/// One question and what became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lookup {
    /// Query name, lower case, without the final dot, at most 255 bytes; unprintable bytes and dots within a label are
    /// `\DDD`.
    pub name: String,
    /// Query type: 1 A, 28 AAAA, …
    pub qtype: u16,
    /// First query; of an answer whose query the capture lacks, that answer.
    pub query: Moment,
    /// Queries sent with this question and id; 0 if the capture lacks them.
    pub tries: u32,
    /// First answer.
    pub answer: Option<Moment>,
    /// Response code: 0 NOERROR, 2 SERVFAIL, 3 NXDOMAIN, 5 REFUSED.
    pub rcode: Option<u8>,
    /// Addresses answered, at most 16.
    pub addresses: Vec<std::net::IpAddr>,
    /// The answer was cut (TC).
    pub truncated: bool,
}

impl Lookup {
    /// From the first query to the first answer.
    pub fn time_to_answer(&self) -> Option<TimeDelta> {
        self.answer.filter(|_| self.tries > 0).map(|answer| answer.time - self.query.time)
    }
}

/// What is known of a DNS flow in the end: at most 64 lookups; those that went well give way first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DnsFacts {
    /// In order of first query.
    pub lookups: Vec<Lookup>,
}

/// State of one flow.
#[derive(Debug, Default)]
pub struct DnsSession {
    /// Message ids and lookups, in order of first query.
    lookups: Vec<(u16, Lookup)>,
    streams: PerDir<MessageStream>,
}

impl DnsSession {
    /// Whether a flow with these ports is DNS.
    pub fn is_dns(orig_port: u16, resp_port: u16) -> bool {
        orig_port == 53 || resp_port == 53
    }

    /// Payload of one packet.
    pub fn payload(&mut self, payload: &Payload<'_>) {
        match payload.proto {
            Proto::Udp => self.bytes(payload.data, payload.at),
            Proto::Tcp => {
                let stream = &mut self.streams[payload.dir];
                for message in stream.add(payload) {
                    self.bytes(&message, payload.at);
                }
            }
            Proto::Other(_) => {}
        }
    }

    /// The flow is the other way round.
    pub fn swap(&mut self) {
        std::mem::swap(&mut self.streams.orig, &mut self.streams.resp);
    }

    /// Whether payload of this side is still of use.
    pub fn wants(&self, dir: Dir) -> bool {
        self.streams[dir].wants()
    }

    /// What is known in the end.
    pub fn finish(self, _end: &FlowEnd) -> DnsFacts {
        DnsFacts { lookups: self.lookups.into_iter().map(|(_, l)| l).collect() }
    }

    fn bytes(&mut self, bytes: &[u8], at: Moment) {
        match message::parse(bytes) {
            Some(message) if message.kind == MessageKind::Query => self.query(message, at),
            Some(message) => self.answer(message, at),
            None => {}
        }
    }

    /// A question that is still open is asked again; else it is a new lookup.
    fn query(&mut self, message: Message, at: Moment) {
        let Some(question) = message.question else { return };
        match self.open(message.id, Some(&question)) {
            Some(lookup) => lookup.tries += 1,
            None => self.begin(message.id, question, at, 1),
        }
    }

    /// The first answer decides; a later one to the same question adds nothing.
    fn answer(&mut self, message: Message, at: Moment) {
        if self.open(message.id, message.question.as_ref()).is_none() {
            let repeated = self.lookups.iter().any(|(id, l)| {
                *id == message.id && message.question.as_ref().is_none_or(|q| l.asks(q)) && l.answer.is_some()
            });
            match message.question.clone() {
                Some(question) if !repeated => self.begin(message.id, question, at, 0),
                _ => return,
            }
        }
        if let Some(lookup) = self.open(message.id, message.question.as_ref()) {
            lookup.answer = Some(at);
            lookup.rcode = Some(message.rcode);
            lookup.addresses = message.addresses;
            lookup.truncated = message.truncated;
        }
    }

    /// The last unanswered lookup with this id and, if the message has one, this question.
    fn open(&mut self, id: u16, question: Option<&Question>) -> Option<&mut Lookup> {
        self.lookups
            .iter_mut()
            .rev()
            .find(|(i, l)| *i == id && l.answer.is_none() && question.is_none_or(|q| l.asks(q)))
            .map(|(_, lookup)| lookup)
    }

    fn begin(&mut self, id: u16, question: Question, at: Moment, tries: u32) {
        if self.lookups.len() >= MAX_LOOKUPS {
            let Some(went_well) = self.lookups.iter().position(|(_, l)| l.rcode == Some(0)) else { return };
            self.lookups.remove(went_well);
        }
        let Question { name, qtype } = question;
        self.lookups.push((id, Lookup { name, qtype, query: at, tries, ..Lookup::default() }));
    }
}

impl Lookup {
    fn asks(&self, question: &Question) -> bool {
        self.qtype == question.qtype && self.name == question.name
    }
}

/// Lookups kept of one flow. A resolver's connection to its upstream carries thousands.
const MAX_LOOKUPS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::FrameRef;
    use crate::time::Timestamp;

    /// A message about `NAME A`; `rcode` none is a query.
    fn message(id: u16, name: &str, rcode: Option<u8>) -> Vec<u8> {
        let mut bytes = id.to_be_bytes().to_vec();
        bytes.extend_from_slice(&[rcode.map_or(1, |_| 0x81), rcode.unwrap_or(0), 0, 1, 0, 0, 0, 0, 0, 0]);
        for label in name.split('.') {
            bytes.push(label.len() as u8);
            bytes.extend_from_slice(label.as_bytes());
        }
        bytes.extend_from_slice(&[0, 0, 1, 0, 1]);
        bytes
    }

    fn feed(session: &mut DnsSession, proto: Proto, millis: i64, bytes: &[u8]) {
        let at = Moment { frame: FrameRef::new(0, 1 + millis as u64), time: Timestamp(millis * 1_000_000) };
        session.payload(&Payload {
            proto,
            dir: Dir::Orig,
            offset: 0,
            length: bytes.len() as u32,
            data: bytes,
            at,
            ports: PerDir { orig: 40_000, resp: 53 },
        });
    }

    fn facts(session: DnsSession) -> DnsFacts {
        session.finish(&FlowEnd {
            last: Moment::default(),
            fin: PerDir::default(),
            reset: None,
            established: None,
        })
    }

    #[test]
    fn lookups_are_answered_retried_or_left_alone() {
        let mut session = DnsSession::default();
        let udp = |session: &mut DnsSession, ms, bytes: &[u8]| feed(session, Proto::Udp, ms, bytes);
        udp(&mut session, 0, &message(1, "a.svc", None));
        udp(&mut session, 1, &message(2, "b.svc", None));
        udp(&mut session, 3, &message(1, "a.svc", Some(3)));
        udp(&mut session, 4, &message(1, "a.svc", Some(0)));
        udp(&mut session, 5001, &message(2, "b.svc", None));
        udp(&mut session, 5002, &message(9, "c.svc", Some(2)));
        let facts = facts(session);
        let rows: Vec<_> =
            facts.lookups.iter().map(|l| (l.name.as_str(), l.tries, l.rcode, l.time_to_answer())).collect();
        assert_eq!(
            rows,
            [
                ("a.svc", 1, Some(3), Some(TimeDelta::from_millis(3))),
                ("b.svc", 2, None, None),
                ("c.svc", 0, Some(2), None)
            ]
        );
    }

    #[test]
    fn the_same_over_tcp() {
        let mut session = DnsSession::default();
        let query = message(7, "a.svc", None);
        feed(&mut session, Proto::Tcp, 0, &[&(query.len() as u16).to_be_bytes()[..], &query].concat());
        let facts = facts(session);
        assert_eq!((facts.lookups.len(), facts.lookups[0].tries), (1, 1));
    }

    #[test]
    fn lookups_that_went_well_give_way() {
        let mut session = DnsSession::default();
        feed(&mut session, Proto::Udp, 0, &message(0, "first.fails", None));
        feed(&mut session, Proto::Udp, 0, &message(0, "first.fails", Some(2)));
        for id in 1..=100 {
            feed(&mut session, Proto::Udp, i64::from(id), &message(id, "fine.svc", None));
            feed(&mut session, Proto::Udp, i64::from(id), &message(id, "fine.svc", Some(0)));
        }
        let facts = facts(session);
        assert_eq!(facts.lookups.len(), 64);
        assert_eq!(facts.lookups[0].name, "first.fails");
        assert_eq!(facts.lookups[63].query.frame, FrameRef::new(0, 101));
    }
}
