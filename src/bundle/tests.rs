//! Whole-stage tests: bundles made on the spot, friendly and hostile.

use std::fs;
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};

use super::*;

fn pcap() -> Vec<u8> {
    let mut bytes = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0];
    bytes.extend([0; 8]);
    bytes.extend([0, 0, 4, 0, 1, 0, 0, 0]);
    bytes
}

const LOG: &[u8] = b"I1121 02:24:41.000000 1 main.go:1] hello\n";
const SERVICE: &[u8] = b"{\"apiVersion\": \"v1\", \"kind\": \"Service\", \"metadata\": {\"name\": \"a\"}}\n";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ::bzip2::write::BzEncoder::new(Vec::new(), ::bzip2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn lz4(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// `printf 'I1121 02:24:41.000000 1 main.go:1] hello\n' | xz | base64`
fn xz_log() -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(XZ_LOG.replace('\n', "")).unwrap()
}

const XZ_LOG: &str = "/Td6WFoAAATm1rRGAgAhARYAAAB0L+WjAQAoSTExMjEgMDI6MjQ6NDEuMDAwMDAwIDEgbWFpbi5nbzoxXSBoZWxsbwoAAAAABCu62C2aTfUAAUEpA1NWix+2830BAAAAAARZWg==";

fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = ::tar::Builder::new(Vec::new());
    for (name, bytes) in members {
        append(&mut builder, name.as_bytes(), ::tar::EntryType::Regular, bytes, "");
    }
    builder.into_inner().unwrap()
}

/// Appends a member under any name at all.
fn append(to: &mut ::tar::Builder<Vec<u8>>, name: &[u8], kind: ::tar::EntryType, bytes: &[u8], link: &str) {
    let mut header = ::tar::Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_entry_type(kind);
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    if !link.is_empty() {
        header.set_link_name_literal(link).unwrap();
    }
    header.set_cksum();
    to.append(&header, bytes).unwrap();
}

fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ::zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        writer.start_file(*name, ::zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn dir(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    dir
}

fn find(inputs: &[&Path]) -> Bundle {
    let inputs: Vec<PathBuf> = inputs.iter().map(|p| p.to_path_buf()).collect();
    discover(&inputs, &Limits::default()).unwrap()
}

/// A bundle whose files stay until it is dropped.
struct Made {
    bundle: Bundle,
    _dir: tempfile::TempDir,
}

impl std::ops::Deref for Made {
    type Target = Bundle;

    fn deref(&self) -> &Bundle {
        &self.bundle
    }
}

fn of(files: &[(&str, &[u8])]) -> Made {
    let dir = dir(files);
    Made { bundle: find(&[dir.path()]), _dir: dir }
}

/// `path kind` of each source.
fn shown(bundle: &Bundle) -> Vec<String> {
    bundle.sources.iter().map(|s| format!("{} {}", s.path, s.kind.name())).collect()
}

fn content(source: &Source) -> Vec<u8> {
    let mut bytes = Vec::new();
    source.open().unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

fn problem_names(bundle: &Bundle) -> Vec<&'static str> {
    let of_sources = bundle.sources.iter().flat_map(|s| s.problems.iter());
    let mut names: Vec<_> = bundle.problems.iter().chain(of_sources).map(|w| w.name).collect();
    names.sort_unstable();
    names
}

#[test]
fn kinds_come_from_content() {
    let table: &[(&str, &[u8], SourceKind)] = &[
        ("a.log", &pcap(), SourceKind::Pcap),
        ("b.bin", b"\x0a\x0d\x0d\x0a\0\0\0\0", SourceKind::Pcapng),
        ("c", b"LPKSHHRH\0\0\0\0", SourceKind::Journal),
        ("d.txt", SERVICE, SourceKind::Objects),
        ("e", b"---\napiVersion: v1\nkind: Service\n", SourceKind::Objects),
        ("e2", b"apiVersion: v1\nitems:\n- apiVersion: v1\n  kind: Pod\n", SourceKind::Objects),
        ("e3", b"{\n    \"kind\": \"NodeList\",\n    \"apiVersion\": \"v1\",\n", SourceKind::Objects),
        ("f", b"-----BEGIN CERTIFICATE-----\nMII=\n", SourceKind::Pem),
        ("g.pem", LOG, SourceKind::Log),
        ("h", b"", SourceKind::Empty),
        ("i", b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0", SourceKind::Unknown),
        ("j", b"{\"kind\":\"Event\",\"apiVersion\":\"audit.k8s.io/v1\",\"level\":\"Metadata\"}\n", SourceKind::Log),
        ("j2", b"{\n  \"schema\": \"wirecause.report/1\",\n  \"tool\": {}\n}\n", SourceKind::Unknown),
        ("j3", b"{\"type\":\"begin\",\"schema\":\"wirecause.report/1\"}\n", SourceKind::Unknown),
        ("j4", b"<!DOCTYPE html>\n<html>\n", SourceKind::Unknown),
        ("j5", b"{\"kind\":\"x\",\"log\":\"E1121 02:24:41.000000 1 main.go:1] x\\n\"}\n", SourceKind::Log),
        ("j6", b"{\"type\":\"Warning\",\"apiVersion\":\"v1\",\"kind\":\"Event\",\"message\":\"m\"}\n", SourceKind::Objects),
        (
            "j7",
            b"{\"type\":\"log\",\"apiVersion\":\"x\",\"kind\":\"y\",\"level\":\"info\",\"ts\":\"2026-11-21T02:24:47.5Z\",\"msg\":\"m\"}\n",
            SourceKind::Log,
        ),
        ("j7", b"E1121 02:24:41.000000 1 main.go:1] a\n\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0E1121 02:24:42", SourceKind::Log),
        ("j8", b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", SourceKind::Unknown),
        ("j9", b"I1121 02:24:41.000000 1 log.go:245] http: TLS handshake error: ([\"src= src= x dport=\"])\n", SourceKind::Log),
        ("j10", b"E1121 02:24:41.000000 1 a.go:1] denied:\nState  Recv-Q Send-Q Local Address:Port\n", SourceKind::Log),
        ("j11", b"2026-11-21T02:24:41+00:00\ndefault via 172.28.0.1 dev eth0 \n", SourceKind::HostState),
        ("j12", b"<!DOCTYPE html>\nE1121 02:24:41.000000 1 main.go:1] x\n", SourceKind::Log),
        ("j13", b"{\"schema\":\"wirecause.x\"}\n{\"log\":\"E1121 02:24:41.000000 1 main.go:1] x\\n\"}\n", SourceKind::Log),
        ("k", b"{\"ts\":1.5,\"msg\":\"x\",\"kind\":\"Pod\"}\n", SourceKind::Log),
        ("l", b"tcp      6 7 CLOSE src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 src=10.0.0.2 dst=10.0.0.1 sport=2 dport=1\n", SourceKind::HostState),
        ("m", b"# Generated by iptables-save v1.8.9 (nf_tables) on Sat Nov 21 02:24:51 2026\n*nat\n", SourceKind::HostState),
        ("n", b"NAMESPACE  NAME   READY   STATUS    RESTARTS   AGE   IP\n", SourceKind::HostState),
        ("o", b"table ip kube-proxy {\n", SourceKind::HostState),
        ("p", b"IP Virtual Server version 1.2.1 (size=4096)\n", SourceKind::HostState),
        ("q", b"1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN\n", SourceKind::HostState),
        ("q2", b"Ip:\n    Forwarding: 1\n    1 total packets received\n", SourceKind::HostState),
        ("r", b"default via 172.28.0.1 dev eth0 \n", SourceKind::HostState),
        ("s", b"172.28.0.3 dev eth0 lladdr 02:42:ac:1c:00:03 REACHABLE\n", SourceKind::HostState),
        ("t", b"State  Recv-Q Send-Q Local Address:Port Peer Address:Port\n", SourceKind::HostState),
        ("u", b"#kernel\nTcpExtListenOverflows           12                 0.0\n", SourceKind::HostState),
        ("v", b"Nov 21 02:24:41 node-1 kubelet[1]: src=10.0.0.1 dst=10.0.0.2\n", SourceKind::Log),
    ];
    for (name, bytes, kind) in table {
        let bundle = of(&[(name, bytes)]);
        assert_eq!(bundle.sources[0].kind, *kind, "{name}");
        assert_eq!(content(&bundle.sources[0]), *bytes, "{name}");
    }
}

/// Cut to nothing while its writer went on where it was: behind more NULs than are looked at first.
#[test]
fn a_log_behind_many_nuls_is_read_from_where_it_begins() {
    type Way = fn(&str, &[u8]) -> Vec<u8>;
    let log = [&vec![0; 300_000][..], LOG].concat();
    let binary = [&[0; 9000][..], b"\x7fELF\x02\x01\x01\0\0\0\0\0\0"].concat();
    let ways: [(&str, Way); 4] = [
        ("a.log", |_, bytes| bytes.to_vec()),
        ("a.log.gz", |_, bytes| gzip(bytes)),
        ("a.tar", |name, bytes| tar(&[(name, bytes)])),
        ("a.tar.gz", |name, bytes| gzip(&tar(&[(name, bytes)]))),
    ];
    for (stored, way) in ways {
        let bundle = of(&[(stored, &way("a.log", &log))]);
        assert_eq!(bundle.sources[0].kind, SourceKind::Log, "{stored}");
        assert_eq!(
            String::from_utf8(content(&bundle.sources[0])).as_deref(),
            Ok(text_of(LOG).as_str()),
            "{stored}"
        );
        assert_eq!(problem_names(&bundle), ["leading_nuls"], "{stored}");
        let opening = &bundle.sources[0].opening;
        let passed =
            opening.mend.nuls || !opening.codecs.is_empty() || stored == "a.log" && opening.skip == 0;
        assert!(!passed, "each pass goes over the NULs of {stored}");
        for other in [&binary, &vec![0; 9000]] {
            let bundle = of(&[(stored, &way("a.bin", other))]);
            assert_eq!(
                (bundle.sources[0].kind, problem_names(&bundle)),
                (SourceKind::Unknown, vec![]),
                "{stored}"
            );
        }
    }
}

#[test]
fn a_text_behind_a_few_nuls_is_read_from_where_it_begins() {
    for nuls in [1, 15, 16, 5000, 8191, 8192, 20_000] {
        for (text, kind) in [(LOG, SourceKind::Log), (SERVICE, SourceKind::Objects)] {
            let bundle = of(&[("a", &[&vec![0; nuls], text].concat())]);
            assert_eq!(
                (bundle.sources[0].kind, text_of(&content(&bundle.sources[0]))),
                (kind, text_of(text))
            );
            assert_eq!(problem_names(&bundle), ["leading_nuls"]);
        }
    }
}

#[test]
fn lines_that_end_in_carriage_returns_are_lines() {
    let line = text_of(LOG);
    let line = line.trim_end();
    for (text, read) in [
        (format!("{line}\r{line}\r"), format!("{line}\n{line}\n")),
        (format!("{line}\r{line}"), format!("{line}\n{line}")),
        (format!("{line}\r\n{line}\r\n"), format!("{line}\n{line}\n")),
        (format!("{line}\r\n{line}\r\r\n"), format!("{line}\n{line}\n")),
        (format!("{line}\r{line}\r\n{line}\r\n"), format!("{line}\r{line}\n{line}\n")),
        (
            format!("{line}\r\n{}x\r{line}\r\n", format!("{line}\r\n").repeat(9000)),
            format!("{}x\r{line}\n", format!("{line}\n").repeat(9001)),
        ),
        (format!("{}{line}\r\n{line}\r", format!("{line}\r").repeat(200)), format!("{line}\n").repeat(202)),
    ] {
        let bundle = of(&[("a.log", text.as_bytes())]);
        assert_eq!(String::from_utf8(content(&bundle.sources[0])), Ok(read));
    }
}

/// Whatever colours a text, names a window or moves a cursor, in pieces of any size.
#[test]
fn what_speaks_to_a_terminal_is_left_out() {
    let json = "{\n  \"apiVersion\": \"v1\",\n  \"kind\": \"Pod\"\n}\n";
    let coloured = json.replace('"', "\x1b[0m\"\x1b[1;39m");
    let bundle = of(&[("pods.json", coloured.as_bytes())]);
    assert_eq!(bundle.sources[0].kind, SourceKind::Objects);
    assert_eq!(String::from_utf8(content(&bundle.sources[0])).as_deref(), Ok(json));
    for (said, text) in [
        ("\x1b]0;u@h: ~\x07\x1b[01;32mu@h\x1b[00m:\x1b[01;34m~\x1b[00m$ a\n", "u@h:~$ a\n"),
        ("\x1b[?2004hu@h:~$ a\n\x1b[?2004l\rb\n", "u@h:~$ a\nb\n"),
        ("\x1b]0;of a title\x1b\\a\x1b[", "a"),
        ("a\x1b]0;that never ends\nb\x1b[1\nc\x1b", "a0;that never ends\nb\nc"),
        ("a\x1b]0;nor this", "a0;nor this"),
        ("a\x1bMb\x1b[1mc\r\nd", "abc\r\nd"),
    ] {
        in_pieces(said, mend::Mend { escapes: true, ..mend::Mend::default() }, text);
    }
}

/// A text in pieces of any size is mended to this.
fn in_pieces(said: &str, mend: mend::Mend, text: &str) {
    for size in 1..=said.len() {
        let pieces = said.as_bytes().chunks(size).map(io::Cursor::new);
        let whole = pieces.fold(Box::new(io::empty()) as Box<dyn Read>, |a, b| Box::new(a.chain(b)));
        let mut read = String::new();
        mend::Mended::new(whole, mend).read_to_string(&mut read).unwrap();
        assert_eq!(read, text, "{said:?}");
    }
}

/// Byte order marks of files that were put one behind the other, and what separates records, wherever a line begins.
#[test]
fn what_marks_the_begin_of_a_line_is_left_out() {
    let marks = mend::Mend { marks: true, ..mend::Mend::default() };
    in_pieces(
        "\u{feff}a\u{feff}\n\u{feff}\u{c}\u{1e}b\u{c}\n\u{fefe}\n",
        marks,
        "a\u{feff}\nb\u{c}\n\u{fefe}\n",
    );
    let object = "{\n  \"apiVersion\": \"v1\"\n}\n";
    let route = "default via 10.0.0.1 dev eth0\n";
    for mark in ["\u{feff}", "\u{c}", "\u{1e}"] {
        let text = format!("{mark}{object}{mark}{object}");
        let bundle = of(&[("a.json", text.as_bytes())]);
        assert_eq!(shown(&bundle), ["a.json objects"], "{text}");
        assert_eq!(text_of(&content(&bundle.sources[0])), object.repeat(2));
        let text = format!("{mark}{route}{mark}{object}");
        let bundle = of(&[("a.txt", text.as_bytes())]);
        assert_eq!(shown(&bundle), ["a.txt host_state", "a.txt objects"], "{text}");
        assert_eq!(text_of(&content(&bundle.sources[1])), format!("\n{object}"));
    }
}

/// What a log, or a text of several outputs, goes on with that its first bytes do not show.
#[test]
fn a_text_that_goes_on_in_another_way_is_read_so() {
    let (routes, line) = ("10.0.0.0/8 via 10.0.0.1 dev eth0\n".repeat(300), text_of(LOG));
    let long = line.repeat(200);
    let coloured =
        format!("\u{1b}[01;32mu@h\u{1b}[00m:\u{1b}[01;34m~\u{1b}[00m$ cat a.log\n\u{1b}[31m{line}");
    let bundle = of(&[("a.txt", format!("{routes}{coloured}").as_bytes())]);
    assert_eq!(shown(&bundle), ["a.txt host_state", "a.txt log"]);
    let ends = "\n".repeat(300);
    assert_eq!(text_of(&content(&bundle.sources[1])), format!("{ends}u@h:~$ cat a.log\n{line}"));
    for (more, read) in
        [(coloured, format!("u@h:~$ cat a.log\n{line}")), (format!("12:{line}").repeat(200), long.clone())]
    {
        let bundle = of(&[("a.log", format!("{long}{more}").as_bytes())]);
        assert_eq!(text_of(&content(&bundle.sources[0])), format!("{long}{read}"));
    }
}

#[test]
fn line_ends_of_windows_are_found_wherever_a_piece_ends() {
    let pairs = mend::Mend { pairs: true, ..mend::Mend::default() };
    in_pieces("a\r\nb\rc\r\r\n\r\nd\r", pairs, "a\nb\rc\n\nd\r");
    let both = mend::Mend { escapes: true, ..pairs };
    in_pieces("\x1b[1ma\x1b[0m\r\nb\r\x1b[1mc\r\n", both, "a\nb\rc\n");
}

#[test]
fn links_of_a_tar_to_no_member_are_said() {
    use ::tar::EntryType::{Link, Symlink};
    let links = [
        ("containers/gone.log", Symlink, "../pods/gone/0.log"),
        ("containers/here.log", Symlink, "../pods/here/0.log"),
        ("containers/folder", Symlink, "../pods/here"),
        ("containers/round", Symlink, "./round"),
        ("through.log", Symlink, "containers/folder/0.log"),
        ("hard.log", Link, "pods/gone/1.log"),
        ("hard2.log", Link, "./pods/here/0.log"),
    ];
    let mut builder = ::tar::Builder::new(Vec::new());
    for (name, kind, target) in links {
        append(&mut builder, name.as_bytes(), kind, b"", target);
    }
    append(&mut builder, b"./pods/here/0.log", ::tar::EntryType::Regular, LOG, "");
    let plain = builder.into_inner().unwrap();
    for stored in [gzip(&plain), plain] {
        let bundle = of(&[("c.tar", &stored)]);
        let found: Vec<_> = bundle.problems.iter().map(|w| (w.name, w.count)).collect();
        assert_eq!(found, [("link_to_nothing", 2)]);
        assert!(bundle.problems.iter().any(|w| w.detail.contains("c.tar!containers/gone.log is a link")));
        assert!(!bundle.problems.any_loss());
    }
}

#[test]
fn every_compression_is_read_as_one_stream() {
    let twice = [LOG, LOG].concat();
    let table: &[(&str, Vec<u8>)] = &[
        ("gzip", [gzip(LOG), gzip(LOG)].concat()),
        ("zstd", [zstd(LOG), b"\x50\x2a\x4d\x18\x03\0\0\0abc".to_vec(), zstd(LOG)].concat()),
        ("bzip2", [bzip2(LOG), bzip2(LOG)].concat()),
        ("lz4", [lz4(LOG), lz4(LOG)].concat()),
        ("xz", [xz_log(), xz_log()].concat()),
        ("gzip in gzip", gzip(&gzip(&twice))),
    ];
    for (name, stored) in table {
        let bundle = of(&[("x.log", stored)]);
        assert_eq!(bundle.sources[0].kind, SourceKind::Log, "{name}");
        assert_eq!(bundle.sources[0].stored_bytes, stored.len() as u64);
        assert_eq!(
            String::from_utf8(content(&bundle.sources[0])),
            String::from_utf8(twice.clone()),
            "{name}"
        );
        // A second pass reads the same.
        assert_eq!(bundle.sources[0].head(9).unwrap(), &LOG[..9], "{name}");
    }
}

/// Whatever bit of a compressed file is another, its content is what it was, or the damage is said.
#[test]
fn content_that_does_not_match_its_checksum_is_said() {
    let info = lz4_flex::frame::FrameInfo::new().content_checksum(true);
    let mut lz4 = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
    lz4.write_all(LOG).unwrap();
    let table = [
        ("gzip", gzip(LOG)),
        ("zstd", zstd(LOG)),
        ("bzip2", bzip2(LOG)),
        ("lz4", lz4.finish().unwrap()),
        ("xz", xz_log()),
    ];
    for (name, stored) in &table {
        for (at, bit) in (0..stored.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut flipped = stored.clone();
            flipped[at] ^= 1 << bit;
            let read = codec::unpacked(&flipped, 1 << 20);
            assert!(read.is_err() || read.unwrap() == LOG, "{name}: bit {bit} of byte {at}");
        }
    }
    let mut flipped = zstd(LOG);
    *flipped.last_mut().unwrap() ^= 1;
    let source = &of(&[("x.log", &flipped)]).sources[0];
    let error = source.open().unwrap().read_to_end(&mut Vec::new()).unwrap_err();
    assert_eq!(error.to_string(), "the content does not match its checksum");
}

#[test]
fn archives_give_their_members_in_order_of_path() {
    let capture = pcap();
    let members: &[(&str, &[u8])] = &[("b/z.log", LOG), ("b/a.pcap", &capture), ("top.json", SERVICE)];
    let plain = tar(members);
    let inner = gzip(&tar(&[("deep.log", LOG)]));
    let table: &[(&str, Vec<u8>)] = &[
        ("x.tar", plain.clone()),
        ("x.tgz", gzip(&plain)),
        ("x.tar.zst", zstd(&plain)),
        ("x.tar.bz2", bzip2(&plain)),
        ("x.tar.lz4", lz4(&plain)),
        ("x.zip", zip(members)),
    ];
    for (name, stored) in table {
        let bundle = of(&[(name, stored)]);
        let expected = ["b/a.pcap pcap", "b/z.log log", "top.json objects"].map(|m| format!("{name}!{m}"));
        assert_eq!(shown(&bundle), expected);
        assert_eq!(content(&bundle.sources[0]), capture, "{name}");
        assert_eq!(content(&bundle.sources[1]), LOG, "{name}");
        assert!(bundle.sources.iter().enumerate().all(|(i, s)| s.index.0 as usize == i));
        assert!(bundle.problems.is_empty(), "{name}");
    }
    for outer in
        [tar(&[("a/in.tgz", &inner)]), gzip(&tar(&[("a/in.tgz", &inner)])), zip(&[("a/in.tgz", &inner)])]
    {
        let bundle = of(&[("out", &outer)]);
        assert_eq!(shown(&bundle), ["out!a/in.tgz!deep.log log"]);
        assert_eq!(content(&bundle.sources[0]), LOG);
    }
}

#[test]
fn an_archive_given_by_itself_is_shown_by_its_name() {
    let dir = dir(&[("some/where/sos.tar.gz", &gzip(&tar(&[("sos_commands/x.log", LOG)])))]);
    let bundle = find(&[&dir.path().join("some/where/sos.tar.gz")]);
    assert_eq!(shown(&bundle), ["sos.tar.gz!sos_commands/x.log log"]);
    assert_eq!(bundle.layouts, [("sos.tar.gz".to_owned(), Layout::Sosreport)]);
}

#[test]
fn several_inputs_never_collide() {
    let dir = dir(&[("a/x.log", LOG), ("b/x.log", LOG), ("c/b/x.log", LOG)]);
    let inputs = [dir.path().join("b"), dir.path().join("a")];
    let bundle = find(&[&inputs[0], &inputs[1]]);
    assert_eq!(shown(&bundle), ["a/x.log log", "b/x.log log"]);
    // Two of one name are told apart by the path as typed.
    let bundle = find(&[&dir.path().join("b"), &dir.path().join("c/b")]);
    assert!(bundle.sources[0].path.ends_with("/b/x.log") && bundle.sources[1].path.ends_with("c/b/x.log"));
    assert_ne!(bundle.sources[0].path, bundle.sources[1].path);
    // The same file under two inputs is read once.
    let bundle = find(&[&dir.path().join("a"), &dir.path().join("a/x.log")]);
    assert_eq!(bundle.sources.len(), 1);
    assert_eq!(problem_names(&bundle), ["repeated_input"]);
    // One directory by itself gives paths relative to it.
    assert_eq!(shown(&find(&[dir.path()])), ["a/x.log log", "b/x.log log", "c/b/x.log log"]);
}

#[test]
fn nothing_to_read_is_an_error_with_a_remedy() {
    let empty = tempfile::tempdir().unwrap();
    let error = discover(&[empty.path().to_owned()], &Limits::default()).unwrap_err();
    assert!(matches!(error, Error::Empty(_)));
    assert!(error.to_string().contains("give a directory, an archive"), "{error}");
    let error = discover(&[empty.path().join("none")], &Limits::default()).unwrap_err();
    assert!(matches!(error, Error::Input(..)), "{error}");
}

#[cfg(unix)]
#[test]
fn links_are_not_followed() {
    let outside = dir(&[("secret.log", LOG)]);
    let inside = dir(&[("real/a.log", LOG)]);
    let link = |from: &Path, to: &str| std::os::unix::fs::symlink(from, inside.path().join(to)).unwrap();
    link(outside.path(), "out");
    link(&outside.path().join("secret.log"), "secret.log");
    link(inside.path(), "real/loop");
    link(&inside.path().join("real"), "again");
    link(Path::new("/no/such/file"), "dangling");
    let bundle = find(&[inside.path()]);
    assert_eq!(shown(&bundle), ["real/a.log log"]);
    assert_eq!(problem_names(&bundle), ["link_out_of_tree", "link_to_nothing"]);
    assert!(!bundle.problems.any_loss());
}

#[test]
fn hostile_members_are_renamed_or_refused_and_said() {
    let mut builder = ::tar::Builder::new(Vec::new());
    let regular = ::tar::EntryType::Regular;
    append(&mut builder, b"../../etc/passwd", regular, LOG, "");
    append(&mut builder, b"/root/abs.log", regular, LOG, "");
    append(&mut builder, b"same.log", regular, LOG, "");
    append(&mut builder, b"same.log", regular, b"E1121 02:24:41.000000 1 main.go:1] other\n", "");
    append(&mut builder, b"esc\x1b[31m.log", regular, LOG, "");
    append(&mut builder, "turned\u{202e}\u{200b}.log".as_bytes(), regular, LOG, "");
    append(&mut builder, b"link", ::tar::EntryType::Symlink, b"", "../../etc/shadow");
    append(&mut builder, b"absolute", ::tar::EntryType::Symlink, b"", "/etc/shadow");
    append(&mut builder, b"in/link", ::tar::EntryType::Symlink, b"", "../same.log");
    append(&mut builder, b"dev", ::tar::EntryType::Block, b"", "");
    append(&mut builder, b"pipe", ::tar::EntryType::Fifo, b"", "");
    let bundle = of(&[("h.tar", &builder.into_inner().unwrap())]);
    assert_eq!(
        shown(&bundle),
        [
            "h.tar!esc\u{fffd}[31m.log log",
            "h.tar!etc/passwd log",
            "h.tar!root/abs.log log",
            "h.tar!same.log log",
            "h.tar!same.log#2 log",
            "h.tar!turned\u{fffd}\u{fffd}.log log"
        ]
    );
    assert_eq!(
        problem_names(&bundle),
        ["duplicate_name", "link_out_of_tree", "special_file", "unsafe_member_name"]
    );
    let mut counts: Vec<_> = bundle.problems.iter().map(|w| (w.name, w.count)).collect();
    counts.sort_unstable();
    assert_eq!(counts, [("link_out_of_tree", 2), ("special_file", 2), ("unsafe_member_name", 2)]);
    assert_ne!(content(&bundle.sources[3]), content(&bundle.sources[4]));
}

#[test]
fn long_names_are_read_and_bounded() {
    let long = format!("{}/x.log", "d".repeat(300));
    let mut builder = ::tar::Builder::new(Vec::new());
    let mut header = ::tar::Header::new_gnu();
    header.set_size(LOG.len() as u64);
    builder.append_data(&mut header, &long, LOG).unwrap();
    // A name of four megabytes, which is cut, not kept, and one that is longer than any path.
    append(&mut builder, b"././@LongLink", ::tar::EntryType::GNULongName, &vec![b'n'; 4 << 20], "");
    append(&mut builder, b"n", ::tar::EntryType::Regular, LOG, "");
    append(&mut builder, b"././@LongLink", ::tar::EntryType::GNULongName, &[b'o'; 5000], "");
    append(&mut builder, b"o", ::tar::EntryType::Regular, LOG, "");
    let bundle = of(&[("l.tar", &builder.into_inner().unwrap())]);
    let said: Vec<_> = bundle.problems.iter().map(|w| (w.name, w.count, w.loss)).collect();
    assert_eq!(said, [("limit_member_name", 2, true), ("limit_tar_header", 1, true)]);
    assert_eq!(bundle.sources[0].path, format!("l.tar!{long}"));
    assert_eq!(bundle.sources[1].path.len(), "l.tar!".len() + 4096);
    assert_eq!(content(&bundle.sources[1]), LOG);
    assert_eq!(content(&bundle.sources[2]), LOG);
}

/// Hundreds of thousands of long names would take gigabytes, in memory and in every report.
#[test]
fn paths_are_kept_whole_until_they_are_many_megabytes() {
    let mut names = super::name::Names::default();
    let path = "ü".repeat(super::name::MAX_NAME_BYTES / 2);
    let most = Limits::default().path_bytes;
    let mut held = 0;
    for n in 0..200_000 {
        let path = names.kept(&path, most);
        assert!(path.len() == super::name::MAX_NAME_BYTES || n >= most as usize / path.len() / 64);
        held += path.len();
    }
    assert!(held < most as usize + 200_000 * super::name::SHORT_BYTES + 8192, "{held}");
}

#[test]
fn paths_that_are_kept_by_their_beginning_are_said() {
    let names: Vec<String> = (0..3).map(|n| format!("{n}{}.log", "d".repeat(195))).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|n| (n.as_str(), LOG)).collect();
    let dir = dir(&files);
    for (path_bytes, kept) in [(300, [200, 200, 128]), (600, [200; 3])] {
        let limits = Limits { path_bytes, ..Limits::default() };
        let bundle = discover(&[dir.path().to_owned()], &limits).unwrap();
        let lengths: Vec<_> = bundle.sources.iter().map(|s| s.path.len()).collect();
        assert_eq!(lengths, kept, "{:?}", shown(&bundle));
        assert!(bundle.sources.iter().all(|s| content(s) == LOG), "each is read");
        let said = bundle.problems.iter().find(|w| w.name == "limit_names");
        let expected = kept.contains(&128);
        assert_eq!(said.is_some(), expected, "{:?}", bundle.problems);
        assert!(said.is_none_or(|w| w.loss && w.count == 1 && w.detail.contains("more than 300 bytes")));
    }
}

/// Extended attributes stand in front of the name; they may be larger than one would keep of a name.
#[test]
fn a_name_behind_large_attributes_is_found_and_records_that_are_cut_are_said() {
    let record = |key: &str, value: &str| {
        let rest = format!(" {key}={value}\n");
        let length =
            (1..20).map(|digits| rest.len() + digits).find(|n| n.to_string().len() + rest.len() == *n);
        format!("{}{rest}", length.unwrap())
    };
    for (attribute, path, said) in
        [(200_000, "p.tar!real.log", vec![]), (2 << 20, "p.tar!short", vec!["limit_tar_header"])]
    {
        let records = record("SCHILY.xattr.user.a", &"x".repeat(attribute)) + &record("path", "real.log");
        let mut builder = ::tar::Builder::new(Vec::new());
        append(&mut builder, b"PaxHeaders/x", ::tar::EntryType::XHeader, records.as_bytes(), "");
        append(&mut builder, b"short", ::tar::EntryType::Regular, LOG, "");
        append(&mut builder, b"next.log", ::tar::EntryType::Regular, LOG, "");
        let bundle = of(&[("p.tar", &builder.into_inner().unwrap())]);
        let mut expected = [format!("{path} log"), "p.tar!next.log log".to_owned()];
        expected.sort();
        assert_eq!(shown(&bundle), expected);
        assert_eq!(problem_names(&bundle), said);
        assert_eq!(bundle.problems.any_loss(), !said.is_empty());
    }
}

#[test]
fn a_stream_beyond_the_limit_is_cut_and_said() {
    for (most, lost) in [(LOG.len() as u64, false), (LOG.len() as u64 - 1, true)] {
        let limits = Limits { total_bytes: most, ..Limits::default() };
        let bundle = discover_stream(&mut &LOG[..], "stdin", &limits).unwrap();
        assert_eq!(content(&bundle.sources[0]).len() as u64, most);
        assert_eq!(bundle.problems.any_loss(), lost);
        let said = bundle.problems.iter().find(|w| w.name == "limit_total_bytes");
        assert_eq!(said.is_some_and(|w| w.detail.contains("--max-total-bytes")), lost);
    }
}

#[test]
fn pax_records_name_the_member() {
    let mut builder = ::tar::Builder::new(Vec::new());
    append(&mut builder, b"PaxHeaders/x", ::tar::EntryType::XHeader, b"21 path=pax/name.log\n", "");
    append(&mut builder, b"short", ::tar::EntryType::Regular, LOG, "");
    append(&mut builder, b"PaxHeaders/y", ::tar::EntryType::XHeader, b"22 GNU.sparse.major=1\n", "");
    append(&mut builder, b"sparse", ::tar::EntryType::Regular, LOG, "");
    let bundle = of(&[("p.tar", &builder.into_inner().unwrap())]);
    assert_eq!(shown(&bundle), ["p.tar!pax/name.log log"]);
    assert_eq!(problem_names(&bundle), ["sparse_member"]);
}

#[test]
fn a_damaged_header_costs_one_member() {
    let mut bytes = tar(&[("a.log", LOG), ("b.log", LOG), ("c.log", LOG)]);
    bytes[1024 + 5] ^= 0xff;
    for stored in [bytes.clone(), gzip(&bytes)] {
        let bundle = of(&[("d.tar", &stored)]);
        assert_eq!(shown(&bundle), ["d.tar!a.log log", "d.tar!c.log log"]);
        assert_eq!(problem_names(&bundle), ["damaged_archive"]);
        assert!(bundle.problems.any_loss());
    }
}

#[test]
fn cut_archives_give_what_stands_before_the_cut() {
    let big: Vec<u8> = LOG.repeat(2000);
    let whole = tar(&[("a.log", LOG), ("b.log", &big)]);
    let cut = &whole[..whole.len() - 40_000];
    for stored in [cut.to_vec(), gzip(cut)] {
        let bundle = of(&[("c.tar", &stored)]);
        assert_eq!(shown(&bundle), ["c.tar!a.log log", "c.tar!b.log log"]);
        let read = content(&bundle.sources[1]);
        assert!(big.starts_with(&read) && read.len() > 10_000, "{}", read.len());
        assert!(bundle.problems.any_loss());
    }
}

#[test]
fn a_text_named_like_a_capture_is_a_loss() {
    let table: &[(&str, &[u8], bool)] = &[
        ("a.pcap", LOG, true),
        ("a.pcap3", LOG, true),
        ("a.pcapng.gz", &gzip(LOG), true),
        ("a.pcap", b"", true),
        ("a.pcap", &pcap(), false),
        ("pcap.log", LOG, false),
        ("a.pcap.txt", LOG, false),
    ];
    for (name, bytes, lost) in table {
        let bundle = of(&[(name, bytes)]);
        let problems = &bundle.sources[0].problems;
        assert_eq!(problems.any_loss(), *lost, "{name}");
        assert_eq!(problems.iter().any(|w| w.name == "not_a_capture" && w.detail.contains("tcpdump")), *lost);
    }
}

#[test]
fn limits_are_said_with_their_flag_and_the_rest_is_read() {
    let small = Limits {
        members: 3,
        depth: 1,
        total_bytes: 4096,
        member_bytes: 1000,
        ratio: 10,
        ..Limits::default()
    };
    let many: Vec<(String, &[u8])> = (0..9).map(|n| (format!("{n}.log"), LOG)).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|(n, b)| (n.as_str(), *b)).collect();
    let nested = tar(&[("in.tar", &tar(&[("a.log", LOG)])), ("b.log", LOG)]);
    let big = LOG.repeat(100);
    let fat = gzip(&tar(&[("a.log", &big), ("b.log", LOG)]));
    let full = gzip(&tar(&[("x/a.log", &big[..999]), ("x/b.log", &big[..999]), ("x/c.log", LOG)]));
    let total = Limits { total_bytes: 1500, members: 100, ..small };
    let table = [
        ("members", tar(&many), small, 2, "limit_members", "--max-members"),
        ("depth", nested, small, 1, "limit_depth", "--max-depth"),
        ("member", fat, small, 2, "limit_member_bytes", "--max-member-bytes"),
        ("total", full, total, 2, "limit_total_bytes", "--max-total-bytes"),
    ];
    for (name, stored, limits, sources, problem, flag) in table {
        let dir = dir(&[("x.tar", &stored)]);
        let bundle = discover(&[dir.path().to_owned()], &limits).unwrap();
        assert_eq!(bundle.sources.len(), sources, "{name}: {:?}", shown(&bundle));
        let said = bundle.problems.iter().find(|w| w.name == problem);
        assert!(said.is_some_and(|w| w.loss && w.detail.contains(flag)), "{name}: {:?}", bundle.problems);
    }
}

#[test]
fn members_beyond_a_total_that_is_just_reached_are_said() {
    let stored = gzip(&tar(&[("a.log", LOG), ("b.log", LOG)]));
    let dir = dir(&[("x.tar.gz", &stored), ("y.zip", &zip(&[("a.log", LOG)]))]);
    let limits = Limits { total_bytes: LOG.len() as u64, ..Limits::default() };
    let bundle = discover(&[dir.path().to_owned()], &limits).unwrap();
    assert_eq!(shown(&bundle), ["x.tar.gz!a.log log"]);
    let said = bundle.problems.iter().find(|w| w.name == "limit_total_bytes");
    assert!(said.is_some_and(|w| w.loss && w.count == 2), "{:?}", bundle.problems);
}

#[test]
fn links_in_a_zip_are_said_and_not_followed() {
    let mut writer = ::zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = ::zip::write::SimpleFileOptions::default();
    writer.add_symlink("link.log", "/etc/shadow", options).unwrap();
    writer.start_file("../up.log", options).unwrap();
    writer.write_all(LOG).unwrap();
    let bundle = of(&[("l.zip", &writer.finish().unwrap().into_inner())]);
    assert_eq!(shown(&bundle), ["l.zip!up.log log"]);
    assert_eq!(problem_names(&bundle), ["link_in_archive", "unsafe_member_name"]);
}

/// Members of a zip archive that are all the same bytes of it, each under a name of its own.
#[test]
fn members_of_a_zip_that_overlap_are_said_and_not_read() {
    let body: Vec<u8> = (0..3000_u32).flat_map(|n| n.wrapping_mul(0x9e37_79b9).to_le_bytes()).collect();
    let mut stored = zip(&[("00.log", format!("{}{body:?}\n", text_of(LOG)).as_bytes())]);
    let end = memchr::memmem::rfind(&stored, b"PK\x05\x06").unwrap();
    let list = memchr::memmem::find(&stored, b"PK\x01\x02").unwrap();
    let (entry, mut tail) = (stored[list..end].to_vec(), stored.split_off(end));
    let name = memchr::memmem::find(&entry, b"00.log").unwrap();
    for n in 1..40_u16 {
        let mut entry = entry.clone();
        entry[name..name + 2].copy_from_slice(format!("{n:02}").as_bytes());
        stored.extend_from_slice(&entry);
    }
    tail[8..10].copy_from_slice(&40_u16.to_le_bytes());
    tail[10..12].copy_from_slice(&40_u16.to_le_bytes());
    tail[12..16].copy_from_slice(&(entry.len() as u32 * 40).to_le_bytes());
    stored.extend_from_slice(&tail);
    let bundle = of(&[("o.zip", &stored)]);
    assert!((1..3).contains(&bundle.sources.len()), "{:?}", shown(&bundle));
    let said: Vec<_> = bundle.problems.iter().map(|w| (w.name, w.loss)).collect();
    assert_eq!(said, [("overlapping_members", true)]);
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A member whose bytes are damaged: what came before the damage is read, and the rest is a loss.
#[test]
fn a_damaged_member_of_a_zip_is_a_loss() {
    let mut stored = zip(&[("a.log", &LOG.repeat(2000)), ("b.log", LOG)]);
    // Within the compressed bytes of the first, behind its header.
    stored[60..64].copy_from_slice(&[0xff; 4]);
    let bundle = of(&[("d.zip", &stored)]);
    assert!(shown(&bundle).contains(&"d.zip!b.log log".to_owned()), "{:?}", shown(&bundle));
    let said: Vec<_> = bundle.problems.iter().map(|w| (w.name, w.loss)).collect();
    assert_eq!(said, [("cut_member", true)]);
}

/// A compressed file that is no archive, and values that are unpacked in memory.
#[test]
fn a_compressed_file_ends_where_it_may_not_grow() {
    let dir = dir(&[("a.log.gz", &gzip(&LOG.repeat(40_000)))]);
    let limits = Limits { member_bytes: 1000, ..Limits::default() };
    let bundle = discover(&[dir.path().to_owned()], &limits).unwrap();
    let mut out = Vec::new();
    let error = bundle.sources[0].open().unwrap().read_to_end(&mut out).unwrap_err();
    assert!(error.to_string().contains("--max-member-bytes"), "{error}");
    assert!((1000..1 << 20).contains(&out.len()), "{}", out.len());
    assert_eq!(unpacked(&gzip(&LOG.repeat(1000)), 100).unwrap().len(), 100);
    let block = |length: u64| [&length.to_le_bytes()[..], &lz4_flex::block::compress(&[0; 2000])].concat();
    assert_eq!(unpacked_lz4_block(&block(2000), 2000).unwrap().len(), 2000);
    assert!(unpacked_lz4_block(&block(2000), 1999).is_err());
    assert!(unpacked_lz4_block(&block(u64::MAX), 1 << 20).is_err());
}

/// The list of a zip archive's members is held in memory by the library, and compresses well.
#[test]
fn a_zip_that_lists_millions_of_members_is_refused_and_said() {
    let mut stored = zip(&[("a.log", LOG)]);
    let end = memchr::memmem::rfind(&stored, b"PK\x05\x06").unwrap();
    let list = memchr::memmem::find(&stored, b"PK\x01\x02").unwrap();
    let (entry, mut tail) = (stored[list..end].to_vec(), stored.split_off(end));
    let count = 60_000_u16;
    for _ in 1..count {
        stored.extend_from_slice(&entry);
    }
    tail[8..10].copy_from_slice(&count.to_le_bytes());
    tail[10..12].copy_from_slice(&count.to_le_bytes());
    tail[12..16].copy_from_slice(&(entry.len() as u32 * u32::from(count)).to_le_bytes());
    stored.extend_from_slice(&tail);
    let dir = dir(&[("x.zip", &stored), ("y.log", LOG)]);
    let read = |members| {
        let limits = Limits { members, ..Limits::default() };
        let bundle = discover(&[dir.path().to_owned()], &limits).unwrap();
        (bundle.sources.len(), problem_names(&bundle).contains(&"limit_members"))
    };
    assert_eq!(read(100), (1, true));
    assert_eq!(read(200_000), (2, false), "the same list is read where so many members are allowed");
}

#[test]
fn what_is_packed_otherwise_is_said() {
    for head in [&b"7z\xbc\xaf\x27\x1c rest"[..], b"Rar!\x1a\x07 rest", b"\x1f\x9d rest", b"070701 rest"] {
        for name in ["a.log", "x.tar"] {
            let bytes = if name == "a.log" { head.to_vec() } else { tar(&[("a.log", head)]) };
            let bundle = of(&[(name, &bytes)]);
            assert_eq!(bundle.sources[0].kind, SourceKind::Unknown);
            let said = &bundle.sources[0].problems;
            assert!(
                said.iter().any(|w| w.name == "packed_otherwise" && w.detail.contains("zstd")),
                "{said:?}"
            );
        }
    }
}

#[test]
fn members_of_one_name_in_a_zip_are_said() {
    let renamed = |from: &[u8], to: &[u8]| {
        let mut bytes = zip(&[("a.log", LOG), ("b.log", LOG)]);
        while let Some(at) = memchr::memmem::find(&bytes, from) {
            bytes[at..at + to.len()].copy_from_slice(to);
        }
        bytes
    };
    let bundle = of(&[("x.zip", &renamed(b"b.log", b"a.log"))]);
    assert_eq!(
        (shown(&bundle), problem_names(&bundle)),
        (vec!["x.zip!a.log log".to_owned()], vec!["members_of_one_name"])
    );
    assert!(bundle.problems.any_loss());
    let bundle = of(&[("x.zip", &renamed(b"b.log", b"c.log"))]);
    assert_eq!((shown(&bundle).len(), problem_names(&bundle)), (2, vec![]));
}

#[test]
fn bombs_end_with_an_error_that_names_the_limit() {
    let bomb = gzip(&vec![b'a'; 40 << 20]);
    let dir = dir(&[("bomb.log.gz", &bomb)]);
    let limits = Limits { ratio: 100, ..Limits::default() };
    let bundle = discover(&[dir.path().to_owned()], &limits).unwrap();
    let mut out = Vec::new();
    let error = bundle.sources[0].open().unwrap().read_to_end(&mut out).unwrap_err();
    assert!(error.to_string().contains("--max-ratio"), "{error}");
    assert!(out.len() < 20 << 20);
    let zipped = zip(&[("bomb.log", &vec![b'a'; 40 << 20])]);
    let dir = self::dir(&[("bomb.zip", &zipped)]);
    let bundle = discover(&[dir.path().to_owned()], &limits).unwrap();
    assert_eq!(problem_names(&bundle), ["limit_ratio"]);
    assert!(content(&bundle.sources[0]).len() < 22 << 20);
}

/// Archives within archives, each level all alike and therefore small: as much comes out as the outermost file allows,
/// not its ratio to the power of the depth, and what is beside it is read.
#[test]
fn ratios_within_ratios_do_not_multiply() {
    let mut stored = LOG.repeat((1 << 20) / LOG.len());
    for level in 0..3 {
        let names: Vec<String> = (0..4).map(|n| format!("{n}.l{level}")).collect();
        let members: Vec<(&str, &[u8])> = names.iter().map(|n| (n.as_str(), &*stored)).collect();
        stored = gzip(&tar(&members));
    }
    let dir = dir(&[("a.tgz", &stored), ("b.log", LOG)]);
    let read = |ratio| {
        let limits = Limits { ratio, ..Limits::default() };
        let bundle = discover(&[dir.path().to_owned()], &limits).unwrap();
        let bytes = bundle.sources.iter().map(|s| content(s).len() as u64).sum::<u64>();
        (bundle, bytes)
    };
    let (bundle, bytes) = read(100_000);
    assert_eq!((bundle.sources.len(), bytes >> 20), (65, 63), "{:?}", bundle.problems);
    assert_eq!(problem_names(&bundle), [""; 0]);
    let (bundle, bytes) = read(20);
    assert!(bytes < (16 << 20) + 20 * stored.len() as u64, "{bytes} of {}", stored.len());
    assert!(bundle.sources.len() > 10 && shown(&bundle).contains(&"b.log log".to_owned()));
    let said: Vec<_> = bundle.problems.iter().map(|w| (w.name, w.loss)).collect();
    assert_eq!(said, [("limit_ratio", true)]);
    assert!(bundle.problems.iter().all(|w| w.detail.contains("--max-ratio")));
}

/// Compressed files within a compressed archive, each of which is a bomb on its own: together they are one.
#[test]
fn compressed_members_share_what_their_archive_may_become() {
    let leaf = gzip(&vec![b'a'; 8 << 20]);
    let names: Vec<String> = (0..64).map(|n| format!("{n}.log.gz")).collect();
    let members: Vec<(&str, &[u8])> = names.iter().map(|n| (n.as_str(), &*leaf)).collect();
    let stored = gzip(&tar(&members));
    let dir = dir(&[("a.tgz", &stored)]);
    let limits = Limits { ratio: 20, ..Limits::default() };
    let bundle = discover(&[dir.path().to_owned()], &limits).unwrap();
    assert_eq!(bundle.sources.len(), 64);
    for source in bundle.sources.iter().step_by(31) {
        let mut out = Vec::new();
        let error = source.open().unwrap().read_to_end(&mut out).unwrap_err();
        assert!(error.to_string().contains("--max-ratio"), "{error}");
        assert!(out.len() < 5 << 20, "{} of {} for {}", out.len(), 8 << 20, stored.len());
    }
}

/// Compressions around each other share as well, the ones in between included, and are at most three.
#[test]
fn compressions_within_compressions_do_not_multiply() {
    let limits = Limits { ratio: 20, ..Limits::default() };
    let bomb = gzip(&gzip(&gzip(&vec![b'a'; 40 << 20])));
    let dir = dir(&[("a.gz", &bomb)]);
    let bundle = discover(&[dir.path().to_owned()], &limits).unwrap();
    let mut out = Vec::new();
    let error = bundle.sources[0].open().unwrap().read_to_end(&mut out).unwrap_err();
    assert!(error.to_string().contains("--max-ratio") && out.len() < 18 << 20, "{error} {}", out.len());
    // Much that is nothing: a stream of empty streams.
    let nothing = gzip(&gzip(b"").repeat(1_200_000));
    let dir = self::dir(&[("a.gz", &nothing), ("b.gz", &gzip(&gzip(&gzip(&gzip(LOG)))))]);
    let bundle = discover(&[dir.path().to_owned()], &limits).unwrap();
    let said: Vec<_> = bundle.sources.iter().flat_map(|s| s.problems.iter()).map(|w| &*w.detail).collect();
    assert!(said[0].contains("--max-ratio") && said[1].contains("more than 3 times"), "{said:?}");
}

#[test]
fn parts_of_files_count_as_files() {
    let mixed = format!("10.0.0.0/8 via 10.0.0.1 dev eth0\napiVersion: v1\nkind: Pod\n{}", text_of(LOG));
    let dir = dir(&[("a.txt", mixed.as_bytes()), ("b.txt", mixed.as_bytes())]);
    for (members, sources) in [(6, 6), (5, 5), (4, 4)] {
        let limits = Limits { members, ..Limits::default() };
        let bundle = discover(&[dir.path().to_owned()], &limits).unwrap();
        assert_eq!(bundle.sources.len(), sources);
        assert_eq!(problem_names(&bundle).contains(&"limit_members"), members < 6);
    }
}

#[test]
fn utf16_text_reads_as_utf8() {
    let text = "Nov 21 02:24:41 node-1 kubelet[1]: größe 😀\r\n".repeat(3000);
    let little: Vec<u8> =
        [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let big: Vec<u8> =
        [0xfe, 0xff].into_iter().chain(text.encode_utf16().flat_map(u16::to_be_bytes)).collect();
    let unmarked = [little[2..].to_vec(), big[2..].to_vec()];
    let [little_unmarked, big_unmarked] = unmarked;
    for stored in [
        little.clone(),
        big,
        gzip(&little),
        gzip(&tar(&[("a", &little)])),
        gzip(&tar(&[("a", &little_unmarked)])),
        little_unmarked,
        big_unmarked,
    ] {
        let bundle = of(&[("x", &stored)]);
        assert_eq!(bundle.sources[0].kind, SourceKind::Log);
        let read = String::from_utf8(content(&bundle.sources[0])).unwrap();
        assert!(read == text.replace('\r', ""), "{}", read.len());
    }
}

/// PowerShell appends UTF-16 to what another program wrote, and another program what it writes behind UTF-16.
#[test]
fn utf16_and_utf8_in_one_file_are_read() {
    let log = text_of(LOG).repeat(200);
    let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let route = "default via 10.0.0.1 dev eth0\n";
    for mark in ["", "\u{feff}"] {
        let text = wide(&format!("{mark}{log}"));
        for bytes in [[log.as_bytes(), &text].concat(), [&text, log.as_bytes()].concat()] {
            let bundle = of(&[("a.log", &bytes)]);
            assert_eq!(text_of(&content(&bundle.sources[0])), log.repeat(2));
            assert_eq!(problem_names(&bundle), Vec::<&str>::new());
        }
        let bundle = of(&[("a.txt", &[route.as_bytes(), &text].concat())]);
        assert_eq!(shown(&bundle), ["a.txt host_state", "a.txt log"]);
        // amid a log nothing looks for it before that is read
        let bundle = of(&[("a.log", &[log.as_bytes(), &text, log.as_bytes()].concat())]);
        let log = &bundle.sources[0];
        assert!(log.suspects(&content(log), 4 << 10));
        let mut problems = Weirds::default();
        log.name_parts(&mut problems);
        let said: Vec<_> = problems.iter().map(|w| (w.name, w.at, w.loss)).collect();
        assert_eq!(said, [("part_not_read", Place::Line(201), true)]);
    }
}

#[test]
fn binary_members_are_listed_but_not_copied() {
    let binary = [b"\x7fELF".as_slice(), &vec![0; 60_000]].concat();
    let bundle = of(&[("x.tgz", &gzip(&tar(&[("bin", &binary), ("a.log", LOG)])))]);
    assert_eq!(shown(&bundle), ["x.tgz!a.log log", "x.tgz!bin unknown"]);
    assert!(content(&bundle.sources[1]).is_empty());
}

#[test]
fn layouts_are_recognised() {
    let table = [
        ("quay-io/cluster-scoped-resources/core/nodes/a.yaml", Layout::MustGather),
        ("sosreport-a/sos_commands/networking/ss", Layout::Sosreport),
        ("b/cluster-resources/pods/default.json", Layout::Troubleshoot),
        ("ip-resources.txt", Layout::Retina),
        ("var/log/pods/a_b_c/d/0.log", Layout::Node),
        ("logs/a.log", Layout::Plain),
    ];
    for (path, layout) in table {
        assert_eq!(Layout::of(&[path].into_iter()), layout, "{path}");
    }
    let dump = ["nodes.json", "kube-system/kube-apiserver-a/logs.txt"];
    assert_eq!(Layout::of(&dump.into_iter()), Layout::ClusterInfoDump);
}

/// Every sample cut at many lengths and with flipped bytes gives an answer.
#[test]
fn damage_never_panics() {
    let members: &[(&str, &[u8])] = &[("a.log", LOG), ("b/c.pcap", &pcap()), ("d.json", SERVICE)];
    let plain = tar(members);
    let nested = tar(&[("in.zip", &zip(members)), ("in.tgz", &gzip(&plain))]);
    let samples = [
        plain.clone(),
        gzip(&plain),
        zstd(&plain),
        bzip2(&plain),
        lz4(&plain),
        zip(members),
        nested,
        xz_log(),
    ];
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    let read = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        for source in
            &discover(std::slice::from_ref(&path), &Limits::default()).map(|b| b.sources).unwrap_or_default()
        {
            let mut out = Vec::new();
            drop(source.open().map(|mut r| r.read_to_end(&mut out)));
        }
    };
    for sample in &samples {
        for cut in (0..sample.len()).step_by(37) {
            read(&sample[..cut]);
        }
        for at in (0..sample.len()).step_by(41) {
            let mut flipped = sample.clone();
            flipped[at] ^= 1 << (at % 8);
            read(&flipped);
        }
    }
}

/// A file of several outputs is a source of each kind; lines keep their numbers, whatever is around the file.
#[test]
fn a_file_of_several_kinds_is_a_source_of_each() {
    let text = [b"default via 10.0.0.1 dev eth0\n".as_slice(), LOG, LOG].concat();
    let read = |source: &Source| {
        let mut all = String::new();
        source.open().unwrap().read_to_string(&mut all).unwrap();
        (source.path.clone(), source.kind, all)
    };
    let wide: Vec<u8> =
        [0xfeff].into_iter().chain(text.iter().map(|b| u16::from(*b))).flat_map(u16::to_le_bytes).collect();
    for (name, bytes) in
        [("a.txt", text.clone()), ("a.txt.gz", gzip(&text)), ("a.txt.zst", zstd(&text)), ("a-wide.txt", wide)]
    {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(name), bytes).unwrap();
        fs::write(dir.path().join("b.log"), LOG).unwrap();
        let bundle = discover(&[dir.path().to_owned()], &Limits::default()).unwrap();
        let log = String::from_utf8(LOG.to_vec()).unwrap();
        let found: Vec<_> = bundle.sources.iter().map(read).collect();
        let want = [
            (name.to_owned(), SourceKind::HostState, "default via 10.0.0.1 dev eth0\n\n\n".to_owned()),
            (name.to_owned(), SourceKind::Log, format!("\n{log}{log}")),
            ("b.log".to_owned(), SourceKind::Log, log.clone()),
        ];
        assert_eq!(found, want);
        assert!(
            bundle.sources.iter().enumerate().all(|(n, s)| s.index.0 as usize == n && s.problems.is_empty())
        );
    }
}

/// What cannot be told from a message of the log in front of it is named; what the log quotes and goes on behind is not.
/// A container can say anything; only of what lies elsewhere is a kind believed, and not behind a first word of it.
#[test]
fn what_a_container_says_is_a_log() {
    let slice = "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata:\n  name: a\n";
    let (said, shell) = (format!("listening\n{slice}"), format!("+ x\n{slice}"));
    let kinds = |path: &str, text: &str| {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
        std::fs::write(path, text).expect("writable");
        let bundle = discover(&[folder.path().to_owned()], &Limits::default()).expect("files");
        bundle.sources.iter().map(|s| s.kind).collect::<Vec<_>>()
    };
    for path in [
        "pods/evil_a_uid/c/0.log",
        "containers/a_evil_c-0.log",
        "namespaces/evil/pods/a/c/c/logs/current.log",
    ] {
        for text in [slice, &said, &shell] {
            assert_eq!(kinds(path, text), [SourceKind::Log], "{path}: {text}");
        }
    }
    assert_eq!(kinds("objects.yaml", slice), [SourceKind::Objects]);
    assert_eq!(kinds("a.log", &said), [SourceKind::Log], "behind what a program says first");
    assert_eq!(kinds("all.txt", &shell), [SourceKind::Objects], "behind what a shell shows");
}

#[test]
fn a_file_that_became_shorter_is_not_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (path, long) = (dir.path().join("a.log"), LOG.repeat(500));
    fs::write(&path, &long).unwrap();
    let bundle = discover(&[dir.path().to_owned()], &Limits::default()).unwrap();
    for (read, whole) in [(long.len(), true), (long.len() + 100, true), (100, false), (0, false)] {
        let mut problems = Weirds::default();
        bundle.sources[0].note_lost(read as u64, &mut problems);
        assert_eq!(problems.is_empty(), whole, "{read} bytes");
    }
}

#[cfg(unix)]
#[test]
fn a_pipe_in_the_place_of_a_file_is_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.log");
    fs::write(&path, LOG).unwrap();
    let bundle = discover(&[dir.path().to_owned()], &Limits::default()).unwrap();
    fs::remove_file(&path).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    assert!(bundle.sources[0].open().is_err() && bundle.sources[0].by_offset().is_err());
}

#[test]
fn a_part_that_is_not_read_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let service = b"apiVersion: v1\nkind: Service\n".as_slice();
    let long = LOG.repeat(500);
    for (name, text) in [
        ("a.log", [LOG, service].concat()),
        ("b.log", [LOG, service, LOG].concat()),
        ("c.log", [&long, service].concat()),
        ("d.log", [&long, b"=== kubectl get svc ===\n".as_slice(), service, &long].concat()),
    ] {
        fs::write(dir.path().join(name), text).unwrap();
    }
    let bundle = discover(&[dir.path().to_owned()], &Limits::default()).unwrap();
    let said = |source: &Source| -> Vec<String> {
        let mut problems = source.problems.clone();
        let mut text = Vec::new();
        source.open().unwrap().read_to_end(&mut text).unwrap();
        if source.suspects(&text, 0) {
            source.name_parts(&mut problems);
        }
        problems.iter().map(|w| format!("{} {} {}", w.name, w.at, w.loss)).collect()
    };
    let all: Vec<_> = bundle.sources.iter().map(|s| (s.path.as_str(), s.kind, said(s))).collect();
    let lost = |line: u32| vec![format!("part_not_read line {line} true")];
    let want = [("a.log", lost(2)), ("b.log", Vec::new()), ("c.log", lost(501)), ("d.log", lost(502))];
    assert_eq!(all, want.map(|(path, said)| (path, SourceKind::Log, said)));
}
