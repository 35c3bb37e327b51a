//! How plain values are walked over.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Codec, Coded, list, unzigzag, zigzag};
use crate::flow::seq::Seq;
use crate::flow::{Moment, PerDir};
use crate::time::{TimeDelta, Timestamp};

macro_rules! unsigned {
    ($($number:ty),*) => { $(
        impl Coded for $number {
            #[inline]
            fn code<C: Codec>(&mut self, codec: &mut C) {
                let mut n = u64::from(*self);
                codec.number(&mut n);
                *self = n as Self;
            }
        }
    )* };
}
unsigned!(u8, u16, u32, u64);

impl Coded for bool {
    #[inline]
    fn code<C: Codec>(&mut self, codec: &mut C) {
        let mut n = u64::from(*self);
        codec.number(&mut n);
        *self = n != 0;
    }
}

impl Coded for i64 {
    #[inline]
    fn code<C: Codec>(&mut self, codec: &mut C) {
        let mut n = zigzag(*self);
        codec.number(&mut n);
        *self = unzigzag(n);
    }
}

impl Coded for TimeDelta {
    #[inline]
    fn code<C: Codec>(&mut self, codec: &mut C) {
        self.0.code(codec);
    }
}

impl Coded for Timestamp {
    #[inline]
    fn code<C: Codec>(&mut self, codec: &mut C) {
        let before = codec.last().moment.time;
        let mut delta = self.0.wrapping_sub(before.0);
        delta.code(codec);
        self.0 = before.0.wrapping_add(delta);
        codec.last().moment.time = *self;
    }
}

impl Coded for Seq {
    #[inline]
    fn code<C: Codec>(&mut self, codec: &mut C) {
        let before = codec.last().seq;
        let mut delta = i64::from(self.since(before));
        delta.code(codec);
        *self = before.plus(delta as u32);
        codec.last().seq = *self;
    }
}

impl Coded for Moment {
    #[inline]
    fn code<C: Codec>(&mut self, codec: &mut C) {
        let mut some = Some(*self);
        some.code(codec);
        *self = some.unwrap_or_default();
    }
}

impl Coded for Option<Moment> {
    #[inline]
    fn code<C: Codec>(&mut self, codec: &mut C) {
        codec.moment(self);
    }
}

impl Coded for () {
    fn code<C: Codec>(&mut self, _codec: &mut C) {}
}

impl Coded for String {
    fn code<C: Codec>(&mut self, codec: &mut C) {
        codec.text(self);
    }
}

impl<T: Coded + Default> Coded for Vec<T> {
    fn code<C: Codec>(&mut self, codec: &mut C) {
        list(self, codec, Coded::code);
    }
}

impl Coded for IpAddr {
    fn code<C: Codec>(&mut self, codec: &mut C) {
        let mut v6 = self.is_ipv6();
        v6.code(codec);
        let mut octets = match self {
            Self::V4(ip) => ip.to_ipv6_compatible().octets(),
            Self::V6(ip) => ip.octets(),
        };
        codec.raw(if v6 { &mut octets } else { &mut octets[12..] });
        let [.., a, b, c, d] = octets;
        *self = if v6 { Ipv6Addr::from(octets).into() } else { Ipv4Addr::new(a, b, c, d).into() };
    }
}

impl Coded for SocketAddr {
    fn code<C: Codec>(&mut self, codec: &mut C) {
        let (mut ip, mut port) = (self.ip(), self.port().to_be_bytes());
        ip.code(codec);
        codec.raw(&mut port);
        *self = Self::new(ip, u16::from_be_bytes(port));
    }
}

impl<T: Coded> Coded for PerDir<T> {
    #[inline]
    fn code<C: Codec>(&mut self, codec: &mut C) {
        self.orig.code(codec);
        self.resp.code(codec);
    }
}
