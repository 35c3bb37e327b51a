//! TLS facts as a few bytes, for the records of flows that have ended: every field in its order.
//!
//! Shapes of hellos and certificates stand once for all flows of a shard. Fields are named without `..`, so that a new
//! one does not compile until its place here is decided.

use std::sync::Arc;

use super::{
    Alert, AlertDescription, Burst, Certificate, CipherSuite, ClientCertificate, ClientHello,
    ClientHelloShape, Confidence, Decrypted, DecryptionStop, FirstBytes, GoAway, HttpFacts, NamedGroup,
    Phase, ProtocolVersion, ServerHello, SessionFacts, SignatureScheme, Stopped, StreamReset, TlsFacts,
};
use crate::flow::codec::{Codec, Coded, list, optional, rare};

impl Coded for SessionFacts {
    fn code<C: Codec>(&mut self, codec: &mut C) {
        let Self { tls, first_bytes, http } = self;
        optional(tls, codec, |tls, codec| tls.code(codec));
        rare(first_bytes, codec, |sides, codec| {
            optional(&mut sides.orig, codec, Coded::code);
            optional(&mut sides.resp, codec, Coded::code);
        });
        optional(http, codec, |http, codec| http.code(codec));
    }
}

impl Coded for TlsFacts {
    fn code<C: Codec>(&mut self, codec: &mut C) {
        let Self {
            client,
            client_hello,
            hello_retry,
            server_hello,
            certificates,
            certificate_requested,
            certificate_request_confidence,
            client_certificate,
            client_certificate_confidence,
            client_certificates,
            alerts,
            phase,
            server_flight_done,
            client_finished,
            request,
            response,
            server_first,
            waits_for,
            waits_since,
            bytes,
            bursts,
            history,
            midstream,
            connect_status,
            decrypted,
        } = self;
        optional(client, codec, Coded::code);
        optional(client_hello, codec, |hello, codec| hello.code(codec));
        hello_retry.code(codec);
        optional(server_hello, codec, |hello, codec| hello.code(codec));
        for chain in [certificates, client_certificates] {
            list(chain, codec, |certificate: &mut Arc<Certificate>, codec| codec.shared(certificate));
        }
        certificate_requested.code(codec);
        optional(certificate_request_confidence, codec, Coded::code);
        optional(client_certificate, codec, Coded::code);
        optional(client_certificate_confidence, codec, Coded::code);
        list(alerts, codec, Coded::code);
        phase.code(codec);
        for moment in [server_flight_done, client_finished, request, response, server_first, waits_since] {
            moment.code(codec);
        }
        optional(waits_for, codec, Coded::code);
        bytes.code(codec);
        list(bursts, codec, Coded::code);
        history.code(codec);
        midstream.code(codec);
        optional(connect_status, codec, Coded::code);
        optional(decrypted, codec, |decrypted, codec| decrypted.code(codec));
    }
}

impl Coded for ClientHello {
    fn code<C: Codec>(&mut self, codec: &mut C) {
        let Self { at, bytes, segments, complete, acked, largest_segment, random, shape, cut } = self;
        at.code(codec);
        bytes.code(codec);
        segments.code(codec);
        complete.code(codec);
        acked.code(codec);
        largest_segment.code(codec);
        codec.array(random);
        codec.shared(shape);
        cut.code(codec);
    }
}

impl Coded for ServerHello {
    fn code<C: Codec>(&mut self, codec: &mut C) {
        let Self { at, version, cipher, group, alpn, resumed, random: _ } = self;
        at.code(codec);
        version.code(codec);
        cipher.code(codec);
        optional(group, codec, Coded::code);
        optional(alpn, codec, Coded::code);
        resumed.code(codec);
    }
}

impl Coded for ClientHelloShape {
    fn code<C: Codec>(&mut self, codec: &mut C) {
        let Self {
            legacy_version,
            versions,
            ciphers,
            groups,
            key_shares,
            signature_algorithms,
            alpn,
            sni,
            resumption,
            early_data,
            psk_modes,
            ja3,
            ja4,
            sslv2,
        } = self;
        legacy_version.code(codec);
        versions.code(codec);
        ciphers.code(codec);
        groups.code(codec);
        key_shares.code(codec);
        signature_algorithms.code(codec);
        alpn.code(codec);
        optional(sni, codec, Coded::code);
        for flag in [resumption, early_data, psk_modes, sslv2] {
            flag.code(codec);
        }
        ja3.code(codec);
        ja4.code(codec);
    }

    fn weight(&self) -> usize {
        let numbers = self.versions.len() + self.ciphers.len() + self.groups.len() + self.key_shares.len();
        let texts = self.alpn.iter().chain(&self.sni).map(|text| text.len() + size_of::<String>());
        let digests = self.ja3.len() + self.ja4.len();
        size_of::<Self>() + 2 * (numbers + self.signature_algorithms.len()) + texts.sum::<usize>() + digests
    }
}

impl Coded for Certificate {
    fn code<C: Codec>(&mut self, codec: &mut C) {
        let Self {
            subject,
            issuer,
            common_name,
            sans,
            sans_beyond,
            not_before,
            not_after,
            serial,
            sha256,
            authority_key_id,
            subject_key_id,
            self_issued,
            ca,
            extended_key_usage,
            problem,
        } = self;
        for text in [subject, issuer, serial, sha256] {
            text.code(codec);
        }
        for text in [common_name, authority_key_id, subject_key_id, problem] {
            optional(text, codec, Coded::code);
        }
        for texts in [sans, extended_key_usage] {
            texts.code(codec);
        }
        sans_beyond.code(codec);
        optional(not_before, codec, Coded::code);
        optional(not_after, codec, Coded::code);
        self_issued.code(codec);
        ca.code(codec);
    }

    fn weight(&self) -> usize {
        self.held_bytes()
    }
}

impl Coded for Alert {
    fn code<C: Codec>(&mut self, codec: &mut C) {
        let Self { from, at, level, description, encrypted, decrypted, confidence, fatal } = self;
        from.code(codec);
        at.code(codec);
        optional(level, codec, Coded::code);
        optional(description, codec, Coded::code);
        encrypted.code(codec);
        decrypted.code(codec);
        confidence.code(codec);
        fatal.code(codec);
    }
}

impl Coded for Burst {
    fn code<C: Codec>(&mut self, codec: &mut C) {
        let Self { dir, first, last, bytes, acked } = self;
        dir.code(codec);
        first.code(codec);
        last.code(codec);
        bytes.code(codec);
        acked.code(codec);
    }
}

impl Coded for Decrypted {
    fn code<C: Codec>(&mut self, codec: &mut C) {
        let Self { records, stopped, key_updates, http, responses, last_status, goaway, resets } = self;
        records.code(codec);
        for side in [&mut stopped.orig, &mut stopped.resp] {
            optional(side, codec, |Stopped { at, why }, codec| {
                at.code(codec);
                why.code(codec);
            });
        }
        key_updates.code(codec);
        optional(http, codec, Coded::code);
        responses.code(codec);
        optional(last_status, codec, |(status, at), codec| {
            status.code(codec);
            at.code(codec);
        });
        optional(goaway, codec, Coded::code);
        list(resets, codec, Coded::code);
    }
}

impl Coded for GoAway {
    fn code<C: Codec>(&mut self, codec: &mut C) {
        let Self { from, at, last_stream, error } = self;
        from.code(codec);
        at.code(codec);
        last_stream.code(codec);
        error.code(codec);
    }
}

impl Coded for StreamReset {
    fn code<C: Codec>(&mut self, codec: &mut C) {
        let Self { from, at, stream, error } = self;
        from.code(codec);
        at.code(codec);
        stream.code(codec);
        error.code(codec);
    }
}

impl Coded for HttpFacts {
    fn code<C: Codec>(&mut self, codec: &mut C) {
        let Self { method, target, host, request, status, response } = self;
        for text in [method, target, host] {
            optional(text, codec, Coded::code);
        }
        request.code(codec);
        optional(status, codec, Coded::code);
        response.code(codec);
    }
}

macro_rules! numbers {
    ($($number:ident),*) => { $(
        impl Coded for $number {
            fn code<C: Codec>(&mut self, codec: &mut C) {
                self.0.code(codec);
            }
        }
    )* };
}
numbers!(ProtocolVersion, CipherSuite, NamedGroup, SignatureScheme, AlertDescription);

/// Each value as its place among all.
macro_rules! words {
    ($($word:ident: $($value:ident)*;)*) => { $(
        impl Default for $word {
            fn default() -> Self {
                [$(Self::$value),*][0]
            }
        }
        coded!($word: $($value)*);
    )* };
}
macro_rules! coded {
    ($word:ident: $($value:ident)*) => {
        impl Coded for $word {
            fn code<C: Codec>(&mut self, codec: &mut C) {
                const ALL: &[$word] = &[$($word::$value),*];
                // Does not compile when a value is missing above.
                match self { $($word::$value)|* => {} }
                let mut n = ALL.iter().position(|value| value == self).unwrap_or_default() as u64;
                codec.number(&mut n);
                *self = ALL.get(n as usize).copied().unwrap_or(ALL[0]);
            }
        }
    };
}
words! {
    Confidence: Low Medium High Exact;
    ClientCertificate: Absent Empty Sent;
    DecryptionStop: WrongKey NoSecret BytesMissing UnknownSuite Renegotiated;
    FirstBytes: Binary Text Ssh ProxyProtocol Http2Preface HttpResponse HttpRequest;
}
coded!(Phase: NoHello HelloPartial HelloUnacked HelloAcked ServerFlightPartial ServerFlightDone ClientFinished
    RequestSent ResponseBegun Closed);
