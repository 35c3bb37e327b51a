//! One DNS message: its header, first question, and the addresses it answers (RFC 1035 §4, RFC 3596 for AAAA).
//!
//! Takes bytes that may be cut or hostile; gives what can be read. A name's pointers only go backwards, so that
//! following them ends.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What one message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) id: u16,
    pub(super) kind: MessageKind,
    /// Cut by the server (TC).
    pub(super) truncated: bool,
    /// Response code; 0 in a query.
    pub(super) rcode: u8,
    /// The first question, if it is there whole.
    pub(super) question: Option<Question>,
    /// Addresses of the answer section, at most [`MAX_ADDRESSES`].
    pub(super) addresses: Vec<IpAddr>,
}

/// QR bit of the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MessageKind {
    Query,
    Answer,
}

/// What is asked: name in lower case without final dot, and type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) name: String,
    pub(super) qtype: u16,
}

/// Reads a message; none if not even its header is there, or if it is no DNS by its counts.
pub(super) fn parse(bytes: &[u8]) -> Option<Message> {
    let &[i0, i1, f0, f1, q0, q1, a0, a1, ..] = bytes.first_chunk::<12>()?;
    let questions = u16::from_be_bytes([q0, q1]);
    // RFC 1035 allows several questions; nobody sends more than one (RFC 9619).
    if questions > 1 || f0 >> 3 & 0xf > MAX_OPCODE {
        return None;
    }
    let mut message = Message {
        id: u16::from_be_bytes([i0, i1]),
        kind: if f0 & 0x80 == 0 { MessageKind::Query } else { MessageKind::Answer },
        truncated: f0 & 2 != 0,
        rcode: f1 & 0xf,
        question: None,
        addresses: Vec::new(),
    };
    let mut at = 12;
    if questions == 1 {
        if let Some((question, next)) = question(bytes, at) {
            message.question = Some(question);
            at = next;
        } else {
            return Some(message);
        }
    }
    if message.kind == MessageKind::Answer {
        message.addresses = addresses(bytes, at, u16::from_be_bytes([a0, a1]));
    }
    Some(message)
}

fn question(bytes: &[u8], at: usize) -> Option<(Question, usize)> {
    let (name, next) = name(bytes, at)?;
    let &[t0, t1, _, _] = bytes.get(next..)?.first_chunk::<4>()?;
    Some((Question { name, qtype: u16::from_be_bytes([t0, t1]) }, next + 4))
}

/// The addresses of A and AAAA records among `count` records from `at` on.
fn addresses(bytes: &[u8], mut at: usize, count: u16) -> Vec<IpAddr> {
    let mut found = Vec::new();
    for _ in 0..count.min(MAX_RECORDS) {
        let Some(record) = after_name(bytes, at).and_then(|fixed| Some((fixed, bytes.get(fixed..)?))) else {
            break;
        };
        let (fixed, Some(&[t0, t1, _, _, _, _, _, _, l0, l1])) = (record.0, record.1.first_chunk::<10>())
        else {
            break;
        };
        let end = fixed + 10 + usize::from(u16::from_be_bytes([l0, l1]));
        let Some(data) = bytes.get(fixed + 10..end) else { break };
        match (u16::from_be_bytes([t0, t1]), data.len()) {
            (TYPE_A, 4) => found.extend(data.first_chunk::<4>().map(|b| IpAddr::V4(Ipv4Addr::from(*b)))),
            (TYPE_AAAA, 16) => {
                found.extend(data.first_chunk::<16>().map(|b| IpAddr::V6(Ipv6Addr::from(*b))));
            }
            _ => {}
        }
        if found.len() >= MAX_ADDRESSES {
            break;
        }
        at = end;
    }
    found
}

/// Where the name that begins at `at` ends, without following its pointers.
fn after_name(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *bytes.get(at)? {
            0 => return Some(at + 1),
            0xc0.. => return Some(at + 2),
            length @ 1..=63 => at += 1 + usize::from(length),
            _ => return None,
        }
    }
}

/// A name as text, and where it ends (RFC 1035 §4.1.4): at most 255 bytes, pointers to earlier bytes only.
fn name(bytes: &[u8], at: usize) -> Option<(String, usize)> {
    let end = after_name(bytes, at)?;
    let mut text = String::new();
    let (mut at, mut before, mut length) = (at, at, 0);
    loop {
        match *bytes.get(at)? {
            0 => break,
            high @ 0xc0.. => {
                let target = usize::from(high & 0x3f) << 8 | usize::from(*bytes.get(at + 1)?);
                if target >= before {
                    return None;
                }
                (at, before) = (target, target);
            }
            label @ 1..=63 => {
                length += 1 + usize::from(label);
                if length > MAX_NAME {
                    return None;
                }
                if !text.is_empty() {
                    text.push('.');
                }
                push_label(&mut text, bytes.get(at + 1..at + 1 + usize::from(label))?);
                at += 1 + usize::from(label);
            }
            _ => return None,
        }
    }
    Some((text, end))
}

/// Printable bytes in lower case, others and dots as `\DDD` (RFC 1035 §5.1).
fn push_label(text: &mut String, label: &[u8]) {
    for byte in label {
        match byte {
            b'!'..=b'~' if !matches!(byte, b'.' | b'\\') => text.push(char::from(byte.to_ascii_lowercase())),
            _ => {
                // Writing to a string cannot fail.
                let _ = write!(text, "\\{byte:03}");
            }
        }
    }
}

const TYPE_A: u16 = 1;
const TYPE_AAAA: u16 = 28;
/// Opcodes of the IANA registry: 0 query to 6 DSO.
const MAX_OPCODE: u8 = 6;
/// Bytes of a name at most (RFC 1035 §2.3.4).
const MAX_NAME: usize = 255;
/// Records of an answer that are looked at.
const MAX_RECORDS: u16 = 64;
/// Addresses kept of an answer.
pub(super) const MAX_ADDRESSES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    /// `id 0x1234, web.example, A`, and for an answer one CNAME and one A with compressed names.
    fn sample(flags: [u8; 2], answers: u8) -> Vec<u8> {
        let mut bytes = vec![0x12, 0x34, flags[0], flags[1], 0, 1, 0, answers, 0, 0, 0, 0];
        bytes.extend_from_slice(b"\x03Web\x07example\x00\x00\x01\x00\x01");
        if answers > 0 {
            bytes.extend_from_slice(&[0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 30, 0, 4, 1, b'x', 0xc0, 16]);
            bytes.extend_from_slice(&[0xc0, 41, 0, 1, 0, 1, 0, 0, 0, 30, 0, 4, 10, 96, 0, 7]);
        }
        bytes
    }

    #[test]
    fn a_query_and_its_answer_are_read() {
        let query = parse(&sample([1, 0], 0)).unwrap();
        let question = Question { name: "web.example".into(), qtype: 1 };
        assert_eq!((query.id, query.kind), (0x1234, MessageKind::Query));
        assert_eq!(query.question, Some(question.clone()));
        let answer = parse(&sample([0x83, 3], 2)).unwrap();
        assert_eq!((answer.kind, answer.truncated, answer.rcode), (MessageKind::Answer, true, 3));
        assert_eq!(answer.question, Some(question));
        assert_eq!(answer.addresses, ["10.96.0.7".parse::<IpAddr>().unwrap()]);
    }

    #[test]
    fn hostile_names_end() {
        let header = [0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for tail in
            [&[0xc0, 12, 0, 1, 0, 1][..], &[1, b'a', 0xc0, 12, 0, 1, 0, 1], &[0xc0, 200], &[0x80], &[63]]
        {
            let bytes = [&header[..], tail].concat();
            assert_eq!(parse(&bytes).unwrap().question, None, "{tail:x?}");
        }
        let long: Vec<u8> = header.into_iter().chain([63; 64 * 5]).collect();
        assert_eq!(parse(&long).unwrap().question, None);
        // Whole, and of more bytes than a name may have; one label less is a name.
        for (labels, is_name) in [(3, true), (4, false)] {
            let labels = [&[63][..], &[b'a'; 63]].concat().repeat(labels);
            let bytes = [&header[..], &labels, &[0, 0, 1, 0, 1]].concat();
            assert_eq!(parse(&bytes).unwrap().question.is_some(), is_name);
        }
        let odd = [&header[..], b"\x03a.\xff\x00\x00\x01\x00\x01"].concat();
        assert_eq!(parse(&odd).unwrap().question.unwrap().name, "a\\046\\255");
    }

    #[test]
    fn cut_and_flipped_messages_never_panic() {
        let bytes = sample([0x81, 0x80], 2);
        for cut in 0..bytes.len() {
            parse(&bytes[..cut]);
        }
        for at in 0..bytes.len() {
            for value in [0, 0x3f, 0x7f, 0xc0, 0xff] {
                let mut flipped = bytes.clone();
                flipped[at] = value;
                parse(&flipped);
            }
        }
    }
}
