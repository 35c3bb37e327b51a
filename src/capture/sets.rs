//! Which capture files belong to one vantage point.
//!
//! Takes the sources of a bundle; gives [`CaptureSet`]s. Files of one directory whose names differ only by what
//! tcpdump's `-C`, `-W` and `-G` or dumpcap's `-b` put into them are one capture, ordered by their first frames (a ring
//! that wrapped begins anywhere). Reads no more of a file than its first frame, and that only where files are several.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;

use super::{CaptureSet, FrameHeader, LinkType, first_frame};
use crate::bundle::{Source, SourceIndex};
use crate::time::Timestamp;

/// Groups capture sources into captures, in order of name.
pub fn group(sources: &[Source]) -> Vec<CaptureSet> {
    let captures: Vec<&Source> = sources.iter().filter(|s| s.kind.is_capture()).collect();
    let mut sets = Vec::new();
    for (base, members) in by_base(&captures) {
        match members[..] {
            [single] => sets.push(set(single.path.clone(), vec![single.index])),
            _ => sets.extend(rotated(&base, &members)),
        }
    }
    make_names_unique(&mut sets, sources);
    sets.sort_by(|a, b| a.name.cmp(&b.name));
    sets
}

/// Sources by the path that they have in common once the marks of rotation are taken out.
fn by_base<'a>(captures: &[&'a Source]) -> BTreeMap<String, Vec<&'a Source>> {
    let mut plain: BTreeMap<&str, usize> = BTreeMap::new();
    for source in captures {
        *plain.entry(without_compression(&source.path)).or_default() += 1;
    }
    let mut groups: BTreeMap<String, Vec<&Source>> = BTreeMap::new();
    for source in captures {
        let base = rotation_base(&source.path, &plain).unwrap_or_else(|| own_base(source, &plain));
        groups.entry(base).or_default().push(source);
    }
    groups
}

/// The base of a file without marks: the bare path if rotated files build on it, else its own path.
fn own_base(source: &Source, plain: &BTreeMap<&str, usize>) -> String {
    let bare = without_compression(&source.path);
    if plain.get(bare) == Some(&1) { bare.to_owned() } else { source.path.clone() }
}

/// The path without the marks of rotation; none if it has none. `plain` counts all capture paths.
fn rotation_base(path: &str, plain: &BTreeMap<&str, usize>) -> Option<String> {
    let path = without_compression(path);
    let (directory, name) = path.split_at(path.rfind(['/', '!']).map_or(0, |at| at + 1));
    if let Some(ring) = DUMPCAP.captures(name) {
        return Some(format!("{directory}{}{}", &ring[1], ring.get(3).map_or("", |m| m.as_str())));
    }
    let unnumbered = NUMBERED.captures(name).map_or(name, |c| c.get(1).map_or(name, |m| m.as_str()));
    let unstamped = STAMP.replace(unnumbered, "$2");
    if unstamped != name {
        return Some(format!("{directory}{}", unstamped.trim_start_matches(['-', '_'])));
    }
    // `trace`, `trace1`, `trace2`: a number alone is a mark only if the name without it is a capture too.
    let stem = path.trim_end_matches(|c: char| c.is_ascii_digit());
    (stem != path && plain.contains_key(stem)).then(|| stem.to_owned())
}

/// The number that tcpdump's `-C` or dumpcap gave a file of a rotated capture.
pub fn number_of(path: &str) -> Option<u32> {
    let path = without_compression(path);
    let name = &path[path.rfind(['/', '!']).map_or(0, |at| at + 1)..];
    let number = NUMBERED.captures(name).and_then(|c| c.get(2)).or_else(|| DUMPCAP.captures(name)?.get(2));
    number?.as_str().parse().ok()
}

fn without_compression(path: &str) -> &str {
    COMPRESSION.iter().find_map(|suffix| path.strip_suffix(suffix)).unwrap_or(path)
}

/// Files that share a base, in time order; those that begin with another link type are another vantage point.
fn rotated(base: &str, members: &[&Source]) -> Vec<CaptureSet> {
    let mut files: Vec<(Option<LinkType>, Option<Timestamp>, &Source)> = Vec::new();
    for source in members {
        let first: Option<FrameHeader> =
            source.open().ok().and_then(|reader| first_frame(reader, source.kind));
        files.push((first.map(|f| f.link_type), first.map(|f| f.time), source));
    }
    let main = files.iter().find_map(|f| f.0);
    for file in &mut files {
        file.0 = file.0.or(main);
    }
    // Files without a frame come last, where they change nothing.
    files.sort_by_key(|(link_type, time, source)| (*link_type, time.is_none(), *time, natural(&source.path)));
    let name = if base.ends_with(['/', '!']) || without_stem(base) { members[0].path.as_str() } else { base };
    files
        .chunk_by(|a, b| a.0 == b.0)
        .flat_map(|same| same.chunks(MAX_FILES))
        .map(|same| set(name.to_owned(), same.iter().map(|f| f.2.index).collect()))
        .collect()
}

/// Whether nothing but an extension is left of the file name.
fn without_stem(base: &str) -> bool {
    base.rsplit(['/', '!']).next().is_some_and(|name| name.starts_with('.'))
}

/// A key that sorts `x.pcap2` before `x.pcap10`: runs of digits by length, then by text.
fn natural(path: &str) -> Vec<(usize, String)> {
    let digits = |c: char| c.is_ascii_digit();
    path.chars()
        .collect::<Vec<_>>()
        .chunk_by(|a, b| digits(*a) == digits(*b))
        .map(|run| {
            let text: String = run.iter().collect();
            if run.first().is_some_and(|c| digits(*c)) {
                let number = text.trim_start_matches('0').to_owned();
                (number.len(), number)
            } else {
                (0, text)
            }
        })
        .collect()
}

fn set(name: String, files: Vec<SourceIndex>) -> CaptureSet {
    CaptureSet { host: host(&name), name, files }
}

/// What stands before an interface in the file name: `cp-1` of `pcap/cp-1-eth0.pcap`.
fn host(path: &str) -> Option<String> {
    let name = path.rsplit(['/', '!']).next()?;
    let found = INTERFACE.captures(name)?.get(1)?.as_str();
    Some(found.to_owned())
}

/// Names that two captures would share give way to the path of their first file.
fn make_names_unique(sets: &mut [CaptureSet], sources: &[Source]) {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for set in sets.iter() {
        *counts.entry(set.name.clone()).or_default() += 1;
    }
    for set in sets.iter_mut().filter(|s| counts.get(&s.name).is_some_and(|n| *n > 1)) {
        let first = set.files.first().and_then(|i| sources.get(i.0 as usize));
        if let Some(first) = first {
            set.name.clone_from(&first.path);
        }
    }
}

/// What `bundle` decompresses on the way.
const COMPRESSION: [&str; 7] = [".gz", ".xz", ".zst", ".bz2", ".lz4", ".lzma", ".zstd"];

/// Files of a set at most: a frame's reference has 16 bits for its file.
const MAX_FILES: usize = u16::MAX as usize;

/// tcpdump `-C` and `-W`: `x.pcap0`, `x.pcap07`; also `x.pcap.1`, as logrotate writes.
static NUMBERED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)^(.*\.(?:pcap|pcapng|cap|dmp|dump|trc|trace))[._-]?([0-9]{1,6})$")
        .expect("a valid pattern")
});

/// dumpcap `-b`: `x_00001_20261121021030.pcapng`.
static DUMPCAP: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^(.*)_([0-9]{5})_[0-9]{14}(\.[a-z]+)?$").expect("a valid pattern"));

/// tcpdump `-G` with strftime: `2026-11-21T02:10:30`, `20261121_021030`, `021030`, `1795227030`; also `…UTC`.
static STAMP: LazyLock<Regex> = LazyLock::new(|| {
    let day = "20[0-9]{2}[-_.]?[01][0-9][-_.]?[0-3][0-9]";
    let time = "[0-2][0-9][-_.:]?[0-5][0-9][-_.:]?[0-5][0-9]";
    let minute = "[0-2][0-9][-_.:]?[0-5][0-9]";
    // without a day, dashes and dots are more likely those of an address: `ip-172-20-33-12`
    let bare = "[0-2][0-9]:?[0-5][0-9]:?[0-5][0-9]";
    Regex::new(&format!(
        "(^|[-_.@])(?:{day}[-_.T ]?{time}|{day}[-_.T ]{minute}|{day}|{bare}|1[0-9]{{9}})(?:Z|UTC|[+-][0-9]{{4}})?([-_.]|$)"
    ))
    .expect("a valid pattern")
});

/// A host, then a network interface as Linux, CNI plugins and tunnels name them, then the end or more words.
static INTERFACE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?x)^(.+?)[-_.@]
        (?:any|lo|eth[0-9]+|en[sop][0-9][a-z0-9]*|em[0-9]+|bond[0-9]+|team[0-9]+|br-ex|br[0-9]+|wlan[0-9]+|cni[0-9]+
          |docker[0-9]+|tunl?[0-9]+|wg[0-9]+|veth[0-9a-z]*|cali[0-9a-z]+|lxc[0-9a-z]+|cilium_[a-z0-9]+|flannel\.[0-9]+
          |vxlan[0-9a-z._]*|genev_sys_[0-9]+|ovn-k8s-mp[0-9]+)
        (?:[-_.@].*)?$",
    )
    .expect("a valid pattern")
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_rotation_are_taken_out_and_nothing_else_is() {
        let plain = ["d/trace", "d/node-1.pcap", "d/node-2.pcap"].map(|path| (path, 1)).into();
        let rows = [
            ("d/x.pcap0", Some("d/x.pcap")),
            ("d/x.pcap07.gz", Some("d/x.pcap")),
            ("d/x.pcap.3", Some("d/x.pcap")),
            ("d/x-021030.pcap", Some("d/x.pcap")),
            ("d/x-021030.pcap2", Some("d/x.pcap")),
            ("d/cp-1_20261121021030.pcap", Some("d/cp-1.pcap")),
            ("d/cp-1-2026-11-21T02:10:30.pcap", Some("d/cp-1.pcap")),
            ("d/cp-1-20261121T021030Z-eth0.pcap", Some("d/cp-1-eth0.pcap")),
            ("a.tgz!n/2026-11-21T02:10:30.pcap", Some("a.tgz!n/.pcap")),
            ("d/x_00001_20261121021030.pcapng", Some("d/x.pcapng")),
            ("d/cap-1795227030.pcap", Some("d/cap.pcap")),
            ("d/trace2", Some("d/trace")),
            ("d/trace", None),
            ("d/node-1.pcap", None),
            ("d/node3", None),
            ("d/cp-1-eth0.pcap", None),
            ("d/cp-1-eth0.pcapng", None),
            ("d/10.0.0.12.pcap", None),
            ("d/ip-172-20-33-12-eth0.pcap", None),
            ("d/172.20.45.59.pcap", None),
        ];
        for (path, base) in rows {
            assert_eq!(rotation_base(path, &plain).as_deref(), base, "{path}");
        }
    }

    #[test]
    fn rotated_files_are_numbered() {
        let rows = [
            ("d/x.pcap0", Some(0)),
            ("d/x.pcap07.gz", Some(7)),
            ("d/x_00012_20261121021030.pcapng", Some(12)),
            ("d/x-021030.pcap", None),
            ("d/node-3.pcap", None),
        ];
        for (path, number) in rows {
            assert_eq!(number_of(path), number, "{path}");
        }
    }

    #[test]
    fn the_host_stands_before_the_interface() {
        let rows = [
            ("pcap/cp-1-eth0.pcap", Some("cp-1")),
            ("pcap/cp-1-any.pcap.gz", Some("cp-1")),
            ("cp-1-eth0-too-late.pcap", Some("cp-1")),
            ("a.tar!pcap/node-1_ens192.pcap", Some("node-1")),
            ("worker-3.genev_sys_6081.pcapng", Some("worker-3")),
            ("eth0.pcap", None),
            ("admin-workstation.pcap", None),
            ("company-lounge.pcap", None),
        ];
        for (path, expected) in rows {
            assert_eq!(host(path).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn numbers_sort_as_numbers() {
        let mut paths = ["x.pcap10", "x.pcap2", "x.pcap", "x.pcap02b"];
        paths.sort_by_key(|p| natural(p));
        assert_eq!(paths, ["x.pcap", "x.pcap2", "x.pcap02b", "x.pcap10"]);
    }
}
