//! TLS messages as Go's and OpenSSL's clients and servers send them (RFC 8446, RFC 5246): the clear parts are true to
//! form, random values and everything encrypted are noise.

use super::random::Random;

/// Names that the hellos ask for, each with the certificate of its server.
pub(crate) const SERVERS: [(&str, &[u8]); 8] = [
    ("policy-webhook.policy-system.svc", include_bytes!("certificates/leaf0.der")),
    ("cert-manager-webhook.cert-manager.svc", include_bytes!("certificates/leaf1.der")),
    ("vault-agent-injector-svc.vault.svc", include_bytes!("certificates/leaf2.der")),
    ("opa.opa.svc", include_bytes!("certificates/leaf3.der")),
    ("image-scanner.scan.svc", include_bytes!("certificates/leaf4.der")),
    ("mesh-injector.mesh.svc", include_bytes!("certificates/leaf5.der")),
    ("quota-webhook.legacy-apps.svc", include_bytes!("certificates/leaf6.der")),
    ("audit-webhook.platform-audit.svc", include_bytes!("certificates/leaf7.der")),
];

const CA: &[u8] = include_bytes!("certificates/ca.der");

/// Who wrote the hello.
#[derive(Clone, Copy)]
pub(crate) enum Client {
    /// Go since 1.24: a post-quantum key share of 1216 bytes, so the hello takes two segments.
    Go,
    /// Go before that: about 280 bytes.
    OlderGo,
    /// Thirty suites, no ALPN.
    OpenSsl,
}

const GO_CIPHERS: [u16; 13] =
    [0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc009, 0xc013, 0xc00a, 0xc014, 0x1301, 0x1302, 0x1303];
const OPENSSL_CIPHERS: [u16; 30] = [
    0x1302, 0x1303, 0x1301, 0xc02c, 0xc030, 0x009f, 0xcca9, 0xcca8, 0xccaa, 0xc02b, 0xc02f, 0x009e, 0xc024,
    0xc028, 0x006b, 0xc023, 0xc027, 0x0067, 0xc00a, 0xc014, 0x0039, 0xc009, 0xc013, 0x0033, 0x009d, 0x009c,
    0x003d, 0x003c, 0x0035, 0x002f,
];
const SIGNATURES: [u16; 10] =
    [0x0804, 0x0403, 0x0807, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0503, 0x0603];

/// A ClientHello in its record.
pub(crate) fn client_hello(client: Client, name: &str, random: &mut Random) -> Vec<u8> {
    let mut body = vec![3, 3];
    random.fill(&mut body, 32);
    body.push(32);
    random.fill(&mut body, 32);
    let ciphers: &[u16] = if matches!(client, Client::OpenSsl) { &OPENSSL_CIPHERS } else { &GO_CIPHERS };
    list16(&mut body, |out| words(out, ciphers));
    body.extend_from_slice(&[1, 0]);
    list16(&mut body, |out| client_extensions(out, client, name, random));
    record(22, 0x0301, &handshake(1, &body))
}

fn client_extensions(out: &mut Vec<u8>, client: Client, name: &str, random: &mut Random) {
    let post_quantum = matches!(client, Client::Go);
    extension(out, 0, |out| {
        list16(out, |out| {
            out.push(0);
            list16(out, |out| out.extend_from_slice(name.as_bytes()));
        });
    });
    extension(out, 11, |out| out.extend_from_slice(&[1, 0]));
    extension(out, 0xff01, |out| out.push(0));
    extension(out, 23, |_| {});
    extension(out, 18, |_| {});
    extension(out, 5, |out| out.extend_from_slice(&[1, 0, 0, 0, 0]));
    let groups: &[u16] = if post_quantum {
        &[0x11ec, 0x001d, 0x0017, 0x0018, 0x0019]
    } else {
        &[0x001d, 0x0017, 0x0018, 0x0019]
    };
    extension(out, 10, |out| list16(out, |out| words(out, groups)));
    extension(out, 13, |out| list16(out, |out| words(out, &SIGNATURES)));
    if !matches!(client, Client::OpenSsl) {
        extension(out, 16, |out| list16(out, |out| out.extend_from_slice(b"\x02h2\x08http/1.1")));
    }
    extension(out, 43, |out| out.extend_from_slice(&[4, 3, 4, 3, 3]));
    extension(out, 51, |out| {
        list16(out, |out| {
            if post_quantum {
                key_share(out, 0x11ec, 1216, random);
            }
            key_share(out, 0x001d, 32, random);
        });
    });
}

/// The server's flight in TLS 1.2, each message in a record of its own: to ServerHelloDone.
pub(crate) fn server_flight_12(certificate: &[u8], random: &mut Random) -> Vec<u8> {
    let mut hello = vec![3, 3];
    random.fill(&mut hello, 32);
    hello.push(0);
    hello.extend_from_slice(&[0xc0, 0x2f, 0]);
    list16(&mut hello, |out| {
        extension(out, 0xff01, |out| out.push(0));
        extension(out, 23, |_| {});
        extension(out, 16, |out| list16(out, |out| out.extend_from_slice(b"\x08http/1.1")));
    });
    let mut chain = Vec::new();
    list24(&mut chain, |out| {
        for der in [certificate, CA] {
            list24(out, |out| out.extend_from_slice(der));
        }
    });
    let mut exchange = vec![3, 0, 0x1d, 32];
    random.fill(&mut exchange, 32);
    exchange.extend_from_slice(&[8, 4]);
    list16(&mut exchange, |out| random.fill(out, 256));
    let messages =
        [handshake(2, &hello), handshake(11, &chain), handshake(12, &exchange), handshake(14, &[])];
    messages.iter().flat_map(|message| record(22, 0x0303, message)).collect()
}

/// The client's second flight in TLS 1.2.
pub(crate) fn client_finish_12(random: &mut Random) -> Vec<u8> {
    let mut exchange = vec![32];
    random.fill(&mut exchange, 32);
    let mut out = record(22, 0x0303, &handshake(16, &exchange));
    out.extend(record(20, 0x0303, &[1]));
    out.extend(noise(22, 40, random));
    out
}

/// The server's Finished in TLS 1.2.
pub(crate) fn server_finish_12(random: &mut Random) -> Vec<u8> {
    let mut out = record(20, 0x0303, &[1]);
    out.extend(noise(22, 40, random));
    out
}

/// The server's flight in TLS 1.3: ServerHello, a ChangeCipherSpec for the middleboxes, four encrypted messages.
pub(crate) fn server_flight_13(client: Client, random: &mut Random) -> Vec<u8> {
    let mut hello = vec![3, 3];
    random.fill(&mut hello, 32);
    hello.push(32);
    random.fill(&mut hello, 32);
    hello.extend_from_slice(&[0x13, 0x01, 0]);
    list16(&mut hello, |out| {
        extension(out, 43, |out| out.extend_from_slice(&[3, 4]));
        extension(out, 51, |out| match client {
            Client::Go => key_share(out, 0x11ec, 1120, random),
            Client::OlderGo | Client::OpenSsl => key_share(out, 0x001d, 32, random),
        });
    });
    let mut out = record(22, 0x0303, &handshake(2, &hello));
    out.extend(record(20, 0x0303, &[1]));
    for length in [32 + random.below(8) as usize, 1270 + random.below(60) as usize, 281, 53] {
        out.extend(noise(23, length, random));
    }
    out
}

/// The client's second flight in TLS 1.3.
pub(crate) fn client_finish_13(random: &mut Random) -> Vec<u8> {
    let mut out = record(20, 0x0303, &[1]);
    out.extend(noise(23, 53, random));
    out
}

/// A fatal alert in the clear.
pub(crate) fn alert(description: u8) -> Vec<u8> {
    record(21, 0x0303, &[2, description])
}

/// An encrypted record of `length` bytes.
pub(crate) fn noise(content_type: u8, length: usize, random: &mut Random) -> Vec<u8> {
    let mut body = Vec::with_capacity(length);
    random.fill(&mut body, length);
    record(content_type, 0x0303, &body)
}

fn record(content_type: u8, version: u16, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(5 + body.len());
    out.push(content_type);
    out.extend_from_slice(&version.to_be_bytes());
    out.extend_from_slice(&(body.len() as u16).to_be_bytes());
    out.extend_from_slice(body);
    out
}

fn handshake(message: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![message];
    list24(&mut out, |out| out.extend_from_slice(body));
    out
}

fn extension(out: &mut Vec<u8>, number: u16, body: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(&number.to_be_bytes());
    list16(out, body);
}

fn key_share(out: &mut Vec<u8>, group: u16, length: usize, random: &mut Random) {
    out.extend_from_slice(&group.to_be_bytes());
    list16(out, |out| random.fill(out, length));
}

fn words(out: &mut Vec<u8>, words: &[u16]) {
    out.extend(words.iter().flat_map(|word| word.to_be_bytes()));
}

/// What `body` appends, behind its length in two bytes.
fn list16(out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend_from_slice(&[0; 2]);
    body(out);
    let length = (out.len() - at - 2) as u16;
    out[at..at + 2].copy_from_slice(&length.to_be_bytes());
}

/// The same with three bytes.
fn list24(out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend_from_slice(&[0; 3]);
    body(out);
    let length = (out.len() - at - 3) as u32;
    out[at..at + 3].copy_from_slice(&length.to_be_bytes()[1..]);
}
