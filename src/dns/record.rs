//! DNS facts as a few bytes, for the records of flows that have ended: every field in its order.

use super::message::MAX_ADDRESSES;
use super::{DnsFacts, Lookup};
use crate::flow::codec::{Codec, Coded, list, optional};

impl Coded for DnsFacts {
    fn code<C: Codec>(&mut self, codec: &mut C) {
        let Self { lookups } = self;
        list(lookups, codec, Coded::code);
    }
}

impl Coded for Lookup {
    fn code<C: Codec>(&mut self, codec: &mut C) {
        let Self { name, qtype, query, tries, answer, rcode, addresses, truncated } = self;
        name.code(codec);
        qtype.code(codec);
        query.code(codec);
        tries.code(codec);
        answer.code(codec);
        optional(rcode, codec, Coded::code);
        let mut count = addresses.len() as u64;
        codec.number(&mut count);
        addresses.resize(count.min(MAX_ADDRESSES as u64) as usize, std::net::Ipv4Addr::UNSPECIFIED.into());
        for address in addresses.iter_mut() {
            address.code(codec);
        }
        truncated.code(codec);
    }
}
