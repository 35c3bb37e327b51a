//! Journals that systemd-journal-remote wrote (`tests/journals`), held against what journalctl prints of them.

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::*;
use crate::bundle::{self, Limits};

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/journals").join(name)
}

fn open(path: &Path) -> Result<JournalText, String> {
    let bundle = bundle::discover(&[path.to_owned()], &Limits::default()).unwrap();
    assert_eq!(bundle.sources[0].kind, bundle::SourceKind::Journal, "{}", path.display());
    let (file, stopped) = bundle.sources[0].by_offset().unwrap();
    assert!(stopped.is_none());
    JournalText::open(file)
}

fn text(journal: &mut JournalText) -> Vec<u8> {
    let mut out = Vec::new();
    journal.read_to_end(&mut out).unwrap();
    out
}

/// Names of what was surprising.
fn problems(journal: &JournalText) -> Vec<&'static str> {
    journal.problems.iter().map(|w| w.name).collect()
}

/// Without the cursors, which name the file.
fn without_cursors(text: &[u8]) -> Vec<&[u8]> {
    text.split(|&b| b == b'\n').filter(|l| !l.starts_with(b"__CURSOR=")).collect()
}

#[test]
fn every_kind_of_journal_reads_as_journalctl_exports_it() {
    let export = fs::read(sample("journalctl-export.txt")).unwrap();
    for (name, same_file, expected) in [
        ("zstd-keyed-compact.journal.xz", true, &[][..]),
        ("plain.journal.xz", false, &[]),
        ("xz.journal.xz", false, &[]),
        ("lz4-compact.journal.xz", false, &[]),
        ("unclean.journal~.xz", false, &["journal_not_closed"]),
    ] {
        let mut journal = open(&sample(name)).unwrap();
        let got = text(&mut journal);
        assert!(!same_file || got == export, "{name}");
        assert_eq!(without_cursors(&got), without_cursors(&export), "{name}");
        assert_eq!(problems(&journal), expected, "{name}");
    }
}

/// A sample as a plain file, its bytes, and where its objects begin.
fn unpacked(name: &str) -> (tempfile::NamedTempFile, Vec<u8>, usize) {
    let bundle = bundle::discover(&[sample(name)], &Limits::default()).unwrap();
    let mut bytes = Vec::new();
    bundle.sources[0].open().unwrap().read_to_end(&mut bytes).unwrap();
    let end = (bytes.iter().rposition(|&b| b != 0).unwrap() + 1).next_multiple_of(8);
    bytes.truncate(end);
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&bytes).unwrap();
    // an entry's objects lie behind the hash tables, which are mostly empty
    let objects = bytes.windows(9).position(|w| w == b"PRIORITY=").unwrap() - 72;
    (file, bytes, objects)
}

#[test]
fn a_journal_cut_anywhere_gives_what_is_whole_and_says_so() {
    let (file, bytes, objects) = unpacked("zstd-keyed-compact.journal.xz");
    let whole = text(&mut open(file.path()).unwrap()).len();
    let mut least = usize::MAX;
    for len in (objects..bytes.len()).rev().step_by(61).chain([4096, 300, 208]) {
        file.as_file().set_len(len as u64).unwrap();
        let mut journal = open(file.path()).unwrap();
        let got = text(&mut journal).len();
        assert!(got <= whole && got <= least, "{len}");
        least = got;
        assert!(problems(&journal).contains(&"journal_cut"), "{len}");
    }
    file.as_file().set_len(100).unwrap();
    assert!(open(file.path()).is_err());
}

#[test]
fn flipped_bytes_never_panic_and_the_rest_is_read() {
    let (mut file, bytes, objects) = unpacked("zstd-keyed-compact.journal.xz");
    let count = |text: &[u8]| memchr::memmem::find_iter(text, b"__REALTIME_TIMESTAMP=").count();
    let mut fewest = usize::MAX;
    for at in (16..240).chain((objects..bytes.len()).step_by(13)) {
        let mut put = |byte: u8| {
            file.seek(SeekFrom::Start(at as u64)).unwrap();
            file.write_all(&[byte]).unwrap();
        };
        put(bytes[at] ^ 0x95);
        let read = open(file.path()).map(|mut journal| count(&text(&mut journal)));
        let mut put = |byte: u8| {
            file.seek(SeekFrom::Start(at as u64)).unwrap();
            file.write_all(&[byte]).unwrap();
        };
        put(bytes[at]);
        if at >= objects {
            fewest = fewest.min(read.unwrap());
        }
    }
    assert!(fewest >= 18, "one flipped byte costs at most one of 19 entries: {fewest}");
}

#[test]
fn an_entry_array_that_leads_back_ends_the_chain() {
    let (mut file, bytes, _) = unpacked("plain.journal.xz");
    let first = u64::from_le_bytes(bytes[176..184].try_into().unwrap());
    file.seek(SeekFrom::Start(first + 16)).unwrap();
    file.write_all(&first.to_le_bytes()).unwrap();
    let mut journal = open(file.path()).unwrap();
    let export = fs::read(sample("journalctl-export.txt")).unwrap();
    assert_eq!(without_cursors(&text(&mut journal)), without_cursors(&export));
    assert_eq!(problems(&journal), ["journal_cut", "journal_damaged"]);
}

/// One field of 64 KiB and a thousand entries of 80 bytes that each name it.
#[test]
fn entries_that_repeat_a_long_field_are_a_bomb_and_end() {
    const DATA_AT: u64 = 256;
    let mut bytes = vec![0; DATA_AT as usize];
    let mut object = |kind: u8, body: &[u8]| {
        let at = bytes.len() as u64;
        bytes.extend([kind, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend((16 + body.len() as u64).to_le_bytes());
        bytes.extend(body);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        at
    };
    let data = object(1, &[&[0; 48][..], b"MESSAGE=", &vec![b'x'; 64 << 10]].concat());
    let words = |words: &[u64]| words.iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<u8>>();
    let entry = |n: u64| words(&[n, 1_795_227_887_529_354 + n, n, 1, 2, 3, data, 0]);
    let entries: Vec<u64> = (0..1000).map(|n| object(3, &entry(n))).collect();
    let array = object(6, &words(&[&[0], &entries[..]].concat()));
    let size = bytes.len() as u64 - DATA_AT;
    for (at, word) in [(88, DATA_AT), (96, size), (152, 1000), (176, array)] {
        bytes[at..at + 8].copy_from_slice(&word.to_le_bytes());
    }
    bytes[..8].copy_from_slice(b"LPKSHHRH");
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&bytes).unwrap();
    let mut journal = open(file.path()).unwrap();
    let told = text(&mut journal).len() as u64;
    let most = (bytes.len() as u64 * MOST_RATIO).max(RATIO_FROM);
    assert!(told > most && told <= most + MOST_ENTRY as u64, "{told} of {most} bytes");
    assert_eq!(problems(&journal), ["limit_journal_text"]);
}
