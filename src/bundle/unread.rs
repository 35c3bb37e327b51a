//! What an input looks like that holds nothing that is read.
//!
//! Takes its first bytes; says what they are and what to send instead. Never decides what a source is.

use std::io::Read;

use base64::Engine;

use super::{Source, codec::Codec, sniff, views};

impl Source {
    /// What it looks like and what to send instead, for an input of which nothing was of use; nothing where it is text
    /// that was read and told nothing.
    pub fn looks_like(&self) -> Option<String> {
        let mut head = Vec::new();
        // what could not be opened is said elsewhere
        let _ = self.open().map(|reader| reader.take(sniff::LOOK).read_to_end(&mut head));
        let tail = views::tail(&self.opening, head.len()).unwrap_or_default();
        Some(format!("nothing in it could be read: {}. {SEND}", look(&head, &tail)?))
    }
}

const SEND: &str = "Send logs as text, captures as pcap or pcapng, objects as JSON or YAML, or an archive of them (tar, zip, gzip, bzip2, xz, zstd or lz4)";

/// `tail`: its last bytes, where there are more than those of the head.
fn look(head: &[u8], tail: &[u8]) -> Option<&'static str> {
    let begins = |magics: &[&[u8]]| magics.iter().any(|magic| head.starts_with(magic));
    let looks_like = if begins(&[b"Salted__", b"U2FsdGVkX1"]) {
        "it is encrypted by openssl; decrypt it first (openssl enc -d)"
    } else if begins(&[b"age-encryption.org/", b"-----BEGIN AGE ENCRYPTED FILE"]) {
        "it is encrypted by age; decrypt it first (age -d)"
    } else if begins(&[b"-----BEGIN PGP MESSAGE", b"\x85\x01", b"\x85\x02", b"\x84\x5e", b"\x8c\x0d"]) {
        "it is encrypted or signed by PGP; decrypt it first (gpg -d)"
    } else if begins(&[b"-----BEGIN PKCS7", b"-----BEGIN CMS"]) {
        "it is a message of CMS; decrypt it first (openssl cms -decrypt)"
    } else if begins(&[b"%PDF-", b"\x89PNG", b"\xff\xd8\xff", b"GIF8"]) {
        "it is a page or a picture; send the text itself"
    } else if begins(&[b"\x7fELF", b"MZ"]) {
        "it is a program"
    } else if begins(&[b"SQLite format 3\0"]) {
        "it is a database"
    } else if archive_in_text(head) {
        "it is an archive that was written out as text; decode it first (base64 -d, uudecode)"
    } else if ends_zip(if tail.is_empty() { head } else { tail }) {
        "a zip archive stands in it behind a program or a text that unpacks it; unpack it (unzip) and send what comes out"
    } else if archive_behind_text(head) {
        "an archive stands in it behind lines of text, as where ssh or a shell wrote into it as well; cut those off, or make it again with 2>/dev/null"
    } else if sniff::kind(head).is_text() {
        return None;
    } else {
        "it is data of no known kind, encrypted or damaged"
    };
    Some(looks_like)
}

fn is_archive(bytes: &[u8]) -> bool {
    Codec::of(bytes).is_some() || bytes.starts_with(b"PK\x03\x04")
}

/// Base64 of what begins as an archive does, or what uuencode makes of one.
fn archive_in_text(head: &[u8]) -> bool {
    let body = match head {
        _ if head.starts_with(b"begin 6") || head.starts_with(b"begin 7") => return true,
        _ if head.starts_with(b"begin-base64 ") => head.split_inclusive(|b| *b == b'\n').nth(1),
        _ => Some(head),
    };
    let start = body.unwrap_or_default().trim_ascii_start();
    let bytes = start.get(..start.len().min(32) & !3).unwrap_or_default();
    base64::engine::general_purpose::STANDARD.decode(bytes).is_ok_and(|decoded| is_archive(&decoded))
}

/// An archive that begins behind one of the first lines.
fn archive_behind_text(head: &[u8]) -> bool {
    memchr::memchr_iter(b'\n', head).filter_map(|at| head.get(at + 1..)).any(is_archive)
}

/// Whether the last record of a zip archive ends it: 22 bytes and a comment of the length that they say (APPNOTE 4.3.16).
fn ends_zip(tail: &[u8]) -> bool {
    let record = memchr::memmem::rfind(tail, b"PK\x05\x06").and_then(|at| tail.get(at..)).unwrap_or_default();
    let comment = record.get(20..).and_then(|b| b.first_chunk()).map(|b| usize::from(u16::from_le_bytes(*b)));
    comment.is_some_and(|comment| record.len() == 22 + comment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_unread_input_looks_like_is_said_with_what_to_do() {
        let gz = b"\x1f\x8b\x08\0\0\0\0\0\0\x03archive archive archive";
        let encode = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes).into_bytes();
        for (head, words) in [
            (&b"Salted__\x01\x02"[..], "openssl enc -d"),
            (b"-----BEGIN PGP MESSAGE-----\n", "gpg -d"),
            (b"%PDF-1.7\n", "picture"),
            (&encode(gz), "base64 -d"),
            (&[b"begin-base64 644 a\n", &*encode(gz)].concat(), "base64 -d"),
            (&[b"Warning: Permanently added host\n", &gz[..]].concat(), "behind lines of text"),
            (&[&b"exit\n".repeat(200)[..], &gz[..]].concat(), "behind lines of text"),
            (&[0xe7, 0, 1, 2, 3, 4, 0xff, 0xfe, 0x11], "no known kind"),
        ] {
            let said = look(head, &[]);
            assert!(said.is_some_and(|said| said.contains(words)), "{said:?}: {words}");
        }
        for text in [&b"a report\n"[..], b"-----BEGIN PRIVATE KEY-----\n", b"beginning of a text\n"] {
            assert_eq!(look(text, text), None);
        }
        let end = [&b"PK\x05\x06"[..], &[0; 16], &[3, 0], b"abc"].concat();
        let script = [&b"#!/bin/sh\n"[..], &b"exec unzip $0\n".repeat(1000)].concat();
        for (tail, is_zip) in [(&end[..], true), (&end[..24], false), (b"quotes PK\x05\x06\n", false)] {
            assert_eq!(look(&script, tail).is_some_and(|said| said.contains("unzip")), is_zip);
        }
    }
}
