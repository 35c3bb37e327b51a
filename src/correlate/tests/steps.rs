//! Crafted bundles cost what their size is, and not its square or cube: steps of loops are counted.

use base64::Engine as _;

use super::super::made::{addr, event, flow, join, lookup, refused, sec, server_event, world};
use super::super::steps::taken;
use super::{dialled, from};
use crate::cluster::{Callee, HeldCertificates, Holder};
use crate::correlate::World;
use crate::flow::{FrameRef, Moment};
use crate::ingest::{Conversation, NeighborFact};

/// Twice the input is twice the steps, and a few for each part of it.
fn is_linear(made: fn(u32) -> World, for_each: u64) {
    let steps = |n| {
        let mut world = made(n);
        taken(|| assert!(!join(&mut world).cases.is_empty()))
    };
    let (once, twice) = (steps(200), steps(400));
    let linear = twice * 10 <= once * 23 && twice <= 400 * for_each;
    assert!(linear, "{once} steps for 200, {twice} for 400");
}

fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    [&[tag, 0x82][..], &(body.len() as u16).to_be_bytes()[..], &body].concat()
}

/// A certificate, as far as it is read: of this subject and issuer, for these names.
fn pem(subject: &str, issuer: &str, names: &[&str]) -> Vec<u8> {
    let name = |text: &str| {
        der(0x30, &[&der(0x31, &[&der(0x30, &[&[6, 3, 85, 4, 3], &der(12, &[text.as_bytes()])])])])
    };
    let algorithm = der(0x30, &[&[6, 3, 42, 3, 4]]);
    let time = b"\x17\x0d990101000000Z";
    let validity = der(0x30, &[time, time]);
    let bits = der(3, &[&[0, 1, 2, 3]]);
    let key = der(0x30, &[&algorithm, &bits]);
    let sans: Vec<Vec<u8>> = names.iter().map(|n| der(0x82, &[n.as_bytes()])).collect();
    let sans = der(0x30, &sans.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let extension = der(0x30, &[&[6, 3, 85, 29, 17], &der(4, &[&sans])]);
    let extensions = der(0xa3, &[&der(0x30, &[&extension])]);
    let version = [0xa0, 3, 2, 1, 2, 2, 1, 1];
    let fields = [&version[..], &algorithm, &name(issuer), &validity, &name(subject), &key, &extensions];
    let certificate = der(0x30, &[&der(0x30, &fields), &algorithm, &bits]);
    let body = base64::engine::general_purpose::STANDARD.encode(certificate);
    format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n").into_bytes()
}

fn secret(n: u32, bytes: Vec<u8>) -> HeldCertificates {
    HeldCertificates {
        holder: Holder::Secret,
        place: format!("Secret b/s{n:05} tls.crt"),
        bytes: bytes.into(),
    }
}

fn webhook(n: u32, service: &str, ca_bundle: Vec<u8>) -> Callee {
    Callee {
        kind: "webhook",
        name: format!("w{n:05}.example.com"),
        configuration: format!("c{n:05}"),
        service: Some(("b".into(), service.into())),
        ca_bundle: ca_bundle.into(),
        ..Callee::default()
    }
}

/// A line on a certificate that names a webhook.
fn line(n: u32, webhook: &str, host: &str) -> crate::log::LogEvent {
    let mut line = event("x509_unknown_authority", host, 100.0 + f64::from(n));
    (line.fields.webhook, line.fields.x509) =
        (Some(webhook.into()), Some("signed by unknown authority".into()));
    line
}

/// Leaves of one Service whose caBundles, of many authorities, do not verify them.
#[test]
fn certificates_that_many_bundles_do_not_fit() {
    is_linear(
        |all| {
            let mut world = world(1, Vec::new(), vec![line(0, "w00000.example.com", "a.b.svc")]);
            let leaf = |n: u32| secret(n, pem(&format!("leaf {n}"), "new", &["a.b.svc"]));
            world.cluster.certificates = (0..all).map(leaf).collect();
            let authorities: Vec<u8> = (0..8).flat_map(|n| pem(&format!("old {n}"), "root", &[])).collect();
            world.cluster.callees = (0..all).map(|n| webhook(n, "a", authorities.clone())).collect();
            world
        },
        200,
    );
}

/// Each Service has a certificate, which its caBundle fits.
#[test]
fn certificates_that_their_bundles_fit() {
    is_linear(
        |all| {
            let host = |n: u32| format!("a{n}.b.svc");
            let lines = (0..all).map(|n| line(n, &format!("w{n:05}.example.com"), &host(n)));
            let mut world = world(1, Vec::new(), lines.collect());
            let leaf = |n: u32| secret(n, pem(&format!("leaf {n}"), &format!("ca {n}"), &[&host(n)]));
            world.cluster.certificates = (0..all).map(leaf).collect();
            let bundle = |n: u32| pem(&format!("ca {n}"), "root", &[]);
            world.cluster.callees = (0..all).map(|n| webhook(n, &format!("a{n}"), bundle(n))).collect();
            world
        },
        40,
    );
}

/// One Secret of many certificates stands for what all calls were shown.
#[test]
fn calls_that_one_secret_is_read_for() {
    is_linear(
        |all| {
            let host = "a.b.svc";
            let lines = (0..all).map(|n| line(n, "w00000.example.com", host));
            let mut world = world(1, Vec::new(), lines.collect());
            let chain = (0..60).flat_map(|n| pem(&format!("leaf {n}"), "ca", &[host]));
            world.cluster.certificates = vec![secret(0, chain.collect())];
            world.cluster.callees = vec![webhook(0, "a", pem("ca", "root", &[]))];
            world
        },
        30,
    );
}

#[test]
fn calls_of_webhooks_that_no_object_names() {
    is_linear(
        |all| {
            let lines = (0..all).map(|n| line(n, &format!("x{n}"), &format!("z{n}.b.svc")));
            let mut world = world(1, Vec::new(), lines.collect());
            world.cluster.callees =
                (0..all).map(|n| webhook(n, &format!("a{n}"), pem("ca", "ca", &[]))).collect();
            world
        },
        40,
    );
}

/// Questions for addresses that nobody calls, and calls of others.
#[test]
fn hosts_that_are_asked_for_in_vain() {
    is_linear(
        |all| {
            let to = |n: u32| format!("10.2.{}.{}:443", n / 250, n % 250 + 1);
            let line = |n: u32| {
                dialled(event("deadline_exceeded", &format!("z{n}.b.svc"), 100.0 + f64::from(n)), &to(n))
            };
            let mut world = world(1, Vec::new(), (0..all).map(line).collect());
            let moment = |n: u32| Moment { frame: FrameRef::new(0, u64::from(n) + 1), time: sec(100.0) };
            let asked = |n: u32| NeighborFact {
                capture: crate::capture::CaptureIndex(0),
                address: addr(&format!("10.9.{}.{}:1", n / 250, n % 250 + 1)).ip(),
                asked_by: addr("10.0.0.66:1").ip(),
                first: moment(n),
                last: Moment { time: sec(900.0), ..moment(n) },
                requests: 1,
                answered: None,
            };
            world.wire.neighbors = (0..all).map(asked).collect();
            world
        },
        40,
    );
}

/// Captures one after another, and a call in the time of each.
#[test]
fn captures_beside_as_many_calls() {
    is_linear(
        |all| {
            let at = |n: u32| 100.0 + 10.0 * f64::from(n);
            let line = |n: u32| {
                dialled(event("connection_refused", &format!("z{n}.b.svc"), at(n) + 5.0), "10.2.0.9:443")
            };
            let other = refused(flow("10.0.0.1:1", "10.9.9.9:443", 4.0, 4.1), 4.1);
            let mut world = world(all as u16, vec![other], (0..all).map(line).collect());
            for (n, capture) in (0..).zip(&mut world.wire.captures) {
                (capture.first, capture.last) = (Some(sec(at(n))), Some(sec(at(n) + 9.0)));
            }
            world
        },
        40,
    );
}

/// Each capture shows one failed connection to the same server, all at the same time.
#[test]
fn captures_with_a_connection_each() {
    is_linear(
        |all| {
            let orig = |n: u32| format!("10.0.{}.{}:4001", n / 250, n % 250 + 1);
            let of = |n: u32| {
                let at = 100.0 + 0.001 * f64::from(n);
                let failed = refused(flow(&orig(n), "10.2.0.8:443", at, at + 0.1), at + 0.1);
                Conversation { capture: crate::capture::CaptureIndex(n as u16), ..failed }
            };
            world(all as u16, (0..all).map(of).collect(), Vec::new())
        },
        70,
    );
}

/// Retries look a name up again and again, from the host that their lines name.
#[test]
fn lookups_beside_as_many_calls() {
    is_linear(
        |all| {
            let name = "a.example.com";
            let at = |n: u32| 100.0 + 0.01 * f64::from(n);
            let asked = |n| lookup(&format!("10.0.0.1:{}", 4000 + n), name, at(n), None);
            let line = |n| from(event("io_timeout", name, at(n)), &format!("10.0.0.1:{}", 4000 + n));
            world(1, (0..all).map(asked).collect(), (0..all).map(line).collect())
        },
        20,
    );
}

/// Connections of one source to as many servers, and what one of those says of it.
#[test]
fn connections_of_one_source_beside_as_many_lines() {
    is_linear(
        |all| {
            let at = |n: u32| 100.0 + 0.01 * f64::from(n);
            let to = |n: u32| format!("10.2.{}.{}:443", n / 250, n % 250 + 1);
            let dial = |n| refused(flow("10.0.0.1:40000", &to(n), at(n), at(n)), at(n));
            let line = |n| server_event("eof", "10.0.0.1:40000", at(n) + 0.001);
            world(1, (0..all).map(dial).collect(), (0..all).map(line).collect())
        },
        200,
    );
}
