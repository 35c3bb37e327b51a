//! DNS messages in, lookups with their outcome out (RFC 1035, RFC 2308, RFC 6891).
//!
//! Takes payload of UDP datagrams and of TCP streams on port 53; gives each query with its answer, response code, time
//! to answer and retries. Keeps no payload and follows no name pointer backwards more than the message allows.

use crate::flow::{Dir, FlowEnd, Moment, Payload};

/// One question and what became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lookup {
    /// Query name, lower case, without the final dot, at most 255 bytes.
    pub name: String,
    /// Query type: 1 A, 28 AAAA, …
    pub qtype: u16,
    /// First query.
    pub query: Moment,
    /// Queries sent with this question and id.
    pub tries: u32,
    /// First answer.
    pub answer: Option<Moment>,
    /// Response code: 0 NOERROR, 2 SERVFAIL, 3 NXDOMAIN, 5 REFUSED.
    pub rcode: Option<u8>,
    /// Addresses answered, as text, at most 16.
    pub addresses: Vec<std::net::IpAddr>,
    /// The answer was cut (TC).
    pub truncated: bool,
}

/// What is known of a DNS flow in the end: at most the first 64 lookups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DnsFacts {
    /// In order of first query.
    pub lookups: Vec<Lookup>,
    /// Lookups beyond the first 64.
    pub omitted: u32,
}

/// State of one flow.
#[derive(Debug, Default)]
pub struct DnsSession {}

impl DnsSession {
    /// Whether a flow with these ports is DNS.
    pub fn is_dns(orig_port: u16, resp_port: u16) -> bool {
        orig_port == 53 || resp_port == 53
    }

    /// Payload of one packet.
    pub fn payload(&mut self, _payload: &Payload<'_>) {}

    /// The flow is the other way round.
    pub fn swap(&mut self) {}

    /// Whether payload of this side is still of use.
    pub fn wants(&self, _dir: Dir) -> bool {
        true
    }

    /// What is known in the end.
    pub fn finish(self, _end: &FlowEnd) -> DnsFacts {
        DnsFacts::default()
    }
}
