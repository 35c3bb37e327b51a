//! Names what a source holds from its first decompressed bytes.

use std::io::Read;

use super::{Source, SourceKind};

/// How many bytes decide.
const LOOK: u64 = 4096;

pub(super) fn kind(source: &Source) -> SourceKind {
    let mut head = Vec::new();
    match super::open::open(source).map(|r| r.take(LOOK).read_to_end(&mut head)) {
        Ok(_) if head.is_empty() && source.stored_bytes == 0 => SourceKind::Empty,
        Ok(_) => of_bytes(&head),
        Err(_) => SourceKind::Unknown,
    }
}

fn of_bytes(head: &[u8]) -> SourceKind {
    match head {
        [0xd4, 0xc3, 0xb2, 0xa1, ..]
        | [0xa1, 0xb2, 0xc3, 0xd4, ..]
        | [0x4d, 0x3c, 0xb2, 0xa1, ..]
        | [0xa1, 0xb2, 0x3c, 0x4d, ..]
        | [0x34, 0xcd, 0xb2, 0xa1, ..]
        | [0xa1, 0xb2, 0xcd, 0x34, ..] => SourceKind::Pcap,
        [0x0a, 0x0d, 0x0d, 0x0a, ..] => SourceKind::Pcapng,
        _ if head.starts_with(b"LPKSHHRH") => SourceKind::Journal,
        _ => text_kind(&String::from_utf8_lossy(head)),
    }
}

fn text_kind(head: &str) -> SourceKind {
    let start = head.trim_start();
    let object =
        start.starts_with('{') && (head.contains("\"apiVersion\"") && !head.contains("audit.k8s.io"));
    let yaml = start.starts_with("apiVersion:") || start.contains("\napiVersion: ");
    if object || yaml { SourceKind::Objects } else { SourceKind::Log }
}
