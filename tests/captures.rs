//! Each file format, link type and encapsulation through `capture` and `packet`, by the captures that
//! `captures/make.py` writes; and what damage leaves of them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use wirecause::bundle::{self, Limits, SourceKind};
use wirecause::capture::{self, CaptureSummary, Window};
use wirecause::error::{Place, Weirds};
use wirecause::packet::fragments::Reassembler;
use wirecause::packet::{self, DecodeOptions, Decoded, Kind, Neighbor, Packet, note};
use wirecause::time::Timestamp;

/// SYN, SYN-ACK and five bytes over IPv4.
const V4: &[&str] = &[
    "10.0.0.1:40000 > 10.0.0.2:443 S 0",
    "10.0.0.2:443 > 10.0.0.1:40000 SA 0",
    "10.0.0.1:40000 > 10.0.0.2:443 PA 5",
];

/// The same over IPv6.
const V6: &[&str] = &[
    "[fd00::1]:40000 > [fd00::2]:443 S 0",
    "[fd00::2]:443 > [fd00::1]:40000 SA 0",
    "[fd00::1]:40000 > [fd00::2]:443 PA 5",
];

/// File, its packets, what all of them are noted with, and the problems counted.
type Row<'a> = (&'a str, &'a [&'a str], &'a str, &'a [(&'a str, u64)]);

#[test]
fn every_format_gives_the_same_packets() {
    let rows: &[Row] = &[
        ("format-pcap-little.pcap", V4, "", &[]),
        ("format-pcap-big.pcap", V4, "", &[]),
        ("format-pcap-nanoseconds.pcap", V4, "", &[]),
        ("format-pcap-nanoseconds-big.pcap", V4, "", &[]),
        ("format-pcap-modified.pcap", V4, "", &[]),
        ("format-pcapng-little.pcapng", V4, "", &[]),
        ("format-pcapng-big.pcapng", V4, "", &[]),
        (
            "format-pcapng-sections.pcapng",
            &[V4[0], V4[1], "10.0.0.1:40000 > 10.0.0.2:443 PA 5 outgoing"],
            "",
            &[],
        ),
        ("format-pcapng-resolutions.pcapng", V4, "", &[]),
        ("format-pcapng-simple-packet.pcapng", V4, "", &[]),
        ("format-pcapng-obsolete-packet.pcapng", V4, "", &[]),
        ("format-pcapng-extras.pcapng", V4, "", &[("unknown_block", 1)]),
    ];
    check(rows);
}

#[test]
fn every_link_type_gives_the_same_packets() {
    let rows: &[Row] = &[
        ("link-ethernet.pcap", V4, "", &[]),
        ("link-802.2-snap.pcap", V4, "", &[]),
        ("link-null.pcap", V4, "", &[]),
        ("link-null-big.pcap", V6, "", &[]),
        ("link-loop.pcap", V6, "", &[]),
        ("link-raw.pcap", &[V4[0], V4[1], V6[2]], "", &[]),
        ("link-ipv4.pcap", V4, "", &[]),
        ("link-ipv6.pcap", V6, "", &[]),
        ("link-ppp.pcap", V4, "", &[]),
        ("link-ppp-hdlc.pcap", V4, "", &[]),
        ("link-nflog.pcap", V4, "", &[]),
        ("link-nflog-big.pcap", V4, "", &[]),
        (
            "link-sll.pcap",
            &[
                "10.0.0.1:40000 > 10.0.0.2:443 S 0 outgoing",
                "10.0.0.2:443 > 10.0.0.1:40000 SA 0 incoming",
                "10.0.0.1:40000 > 10.0.0.2:443 PA 5 outgoing",
            ],
            "",
            &[],
        ),
        ("link-sll-vlan.pcap", V4, " incoming", &[]),
        (
            "link-sll2.pcap",
            &[
                "[fd00::1]:40000 > [fd00::2]:443 S 0 outgoing",
                "[fd00::2]:443 > [fd00::1]:40000 SA 0 incoming",
                "[fd00::1]:40000 > [fd00::2]:443 PA 5 outgoing",
            ],
            "",
            &[],
        ),
        ("link-ppi.pcap", V4, "", &[]),
        ("link-fddi.pcap", V4, "", &[]),
        ("link-ipoib.pcap", V4, "", &[]),
        ("link-radiotap.pcap", &V4[..1], "", &[("wireless_not_decoded", 2)]),
        ("link-unknown.pcap", &[], "", &[("link_type_not_decoded", 1)]),
    ];
    check(rows);
}

#[test]
fn every_encapsulation_gives_the_inner_packets() {
    let rows: &[Row] = &[
        ("encap-vlan.pcap", V4, "", &[]),
        ("encap-qinq.pcap", V6, "", &[]),
        ("encap-pbb.pcap", V6, "", &[]),
        ("encap-mpls.pcap", V4, "", &[]),
        ("encap-mpls-pseudowire.pcap", V4, "", &[]),
        ("encap-pppoe.pcap", V6, "", &[]),
        ("encap-vxlan-4789.pcap", V4, " tunnel vni=42", &[]),
        ("encap-vxlan-8472.pcap", V6, " tunnel vni=42", &[]),
        ("encap-vxlan-other-port.pcap", V4, " tunnel vni=42", &[]),
        ("encap-vxlan-gpe.pcap", V4, " tunnel vni=42", &[]),
        ("encap-geneve.pcap", V4, " tunnel vni=42", &[]),
        ("encap-geneve-ip.pcap", V6, " tunnel vni=42", &[]),
        ("encap-gre.pcap", V4, " tunnel", &[]),
        ("encap-gre-key-checksum.pcap", V6, " tunnel", &[]),
        ("encap-gre-bridged.pcap", V4, " tunnel", &[]),
        ("encap-gre-ppp.pcap", V4, " tunnel", &[]),
        ("encap-gre-in-udp.pcap", V4, " tunnel", &[]),
        ("encap-erspan-1.pcap", V4, " tunnel", &[]),
        ("encap-erspan-2.pcap", V4, " tunnel", &[]),
        ("encap-erspan-3.pcap", V4, " tunnel", &[]),
        ("encap-gtp-u.pcap", V4, " tunnel", &[]),
        ("encap-gue.pcap", V4, " tunnel", &[]),
        ("encap-l2tp.pcap", V4, " tunnel", &[]),
        ("encap-teredo.pcap", V6, " tunnel", &[]),
        ("encap-ipip.pcap", V4, " tunnel", &[]),
        ("encap-6in4.pcap", V6, " tunnel", &[]),
        ("encap-4in6.pcap", V4, " tunnel", &[]),
        ("encap-etherip.pcap", V4, " tunnel", &[]),
        ("encap-ah.pcap", V4, "", &[]),
        ("encap-esp.pcap", &["192.0.2.1:0 > 192.0.2.2:0 protocol 50"; 2], "", &[]),
        ("encap-wireguard.pcap", &["192.0.2.1:51820 > 192.0.2.2:51820 protocol 17"; 2], "", &[]),
    ];
    check(rows);
}

#[test]
fn ip_is_read_as_it_was_meant() {
    let rows: &[Row] = &[
        ("ip-extension-headers.pcap", V6, "", &[]),
        ("ip-source-route.pcap", &V4[..1], "", &[]),
        ("ip-fragments-4.pcap", &["10.0.0.1:40000 > 10.0.0.2:443 PA 200 reassembled", V4[0]], "", &[]),
        (
            "ip-fragments-6.pcap",
            &["[fd00::1]:40000 > [fd00::2]:443 PA 200 reassembled"],
            "",
            // The fragment that came twice waits in vain only if it came after the packet was whole.
            &[],
        ),
        ("ip-fragments-overlap.pcap", &["10.0.0.1:40000 > 10.0.0.2:443 PA 200 reassembled"], "", &[]),
        ("ip-fragments-missing.pcap", &[], "", &[("fragments_incomplete", 1)]),
        (
            "ip-fragments-of-vxlan.pcap",
            &["10.0.0.1:40000 > 10.0.0.2:443 PA 5 tunnel reassembled vni=42"],
            "",
            &[],
        ),
        ("ip-padding.pcap", V4, "", &[]),
        (
            "ip-length-zero.pcap",
            &["10.0.0.1:40000 > 10.0.0.2:443 PA 1000", "[fd00::1]:40000 > [fd00::2]:443 PA 1000"],
            " offload",
            &[],
        ),
        ("ip-jumbogram.pcap", &["[fd00::1]:40000 > [fd00::2]:443 A 70000"], " offload cut", &[]),
        (
            "ip-snaplen.pcap",
            &[
                "10.0.0.1:40000 > 10.0.0.2:443  0 cut header_cut",
                "10.0.0.2:443 > 10.0.0.1:40000 SA 0 cut header_cut",
                "10.0.0.1:40000 > 10.0.0.2:443 PA 5 cut",
            ],
            "",
            &[],
        ),
    ];
    check(rows);
}

#[test]
fn messages_say_whom_they_are_about() {
    let rows: &[Row] = &[
        (
            "message-icmp.pcap",
            &[
                "192.0.2.2 > 10.0.0.1 icmp 3/3 quotes 10.0.0.1:40000 > 10.0.0.2:443 protocol 6 seq 1000",
                "10.0.0.1:0 > 10.0.0.2:0 protocol 1",
            ],
            "",
            &[],
        ),
        (
            "message-icmp6.pcap",
            &["2001:db8::2 > fd00::1 icmp 1/4 quotes fd00::1:40000 > fd00::2:443 protocol 6 seq 1000"],
            "",
            &[],
        ),
        ("message-arp.pcap", &["who has 10.0.0.2? asks 10.0.0.1", "10.0.0.2 is here"], "", &[]),
        ("message-nd.pcap", &["who has fd00::2? asks fd00::1", "fd00::2 is here"], "", &[]),
        ("message-lldp.pcap", &V4[..1], "", &[("no_ip_inside", 1)]),
    ];
    check(rows);
}

#[test]
fn every_capture_is_in_a_table() {
    let source = std::fs::read_to_string(file!()).unwrap();
    for path in files() {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(source.contains(&format!("\"{name}\"")), "{name} is in no table");
    }
}

#[test]
fn an_error_and_the_overlay_hash_like_the_flow_they_belong_to() {
    let hashes = |name: &str| read(&path(name)).packets.iter().map(|p| p.0.hash).collect::<Vec<_>>();
    let flow = hashes("link-ethernet.pcap");
    assert!(flow.iter().all(|h| *h == flow[0]), "both directions");
    for name in ["encap-gre.pcap", "encap-4in6.pcap", "link-sll.pcap", "encap-vlan.pcap"] {
        assert_eq!(hashes(name), flow, "{name}");
    }
    assert_eq!(hashes("message-icmp.pcap")[0], flow[0]);
    assert_eq!(hashes("message-icmp6.pcap")[0], hashes("link-ipv6.pcap")[0]);
    // So that a segment seen inside and outside its tunnel meets its copy in one shard.
    assert_eq!(hashes("encap-vxlan-4789.pcap"), flow);
    assert_eq!(hashes("encap-geneve.pcap"), flow);
}

#[test]
fn overlapping_fragments_keep_what_came_first() {
    let read = read(&path("ip-fragments-overlap.pcap"));
    let expected: Vec<u8> = (0..200).collect();
    // Bytes 40 to 79 of the segment came first from its first fragment, 80 to 119 from the one that lies.
    let (_, payload) = &read.packets[0];
    assert_eq!((&payload[..60], &payload[100..]), (&expected[..60], &expected[100..]));
    assert_eq!(payload[60..100], [0xff; 40]);
}

#[test]
fn times_are_exact() {
    let micros = Timestamp(1_795_227_030_123_456_000);
    let nanos = Timestamp(1_795_227_030_123_456_789);
    let rows = [
        ("format-pcap-little.pcap", micros),
        ("format-pcap-big.pcap", micros),
        ("format-pcap-modified.pcap", micros),
        ("format-pcap-nanoseconds.pcap", nanos),
        ("format-pcap-nanoseconds-big.pcap", nanos),
        ("format-pcapng-little.pcapng", micros),
        ("format-pcapng-obsolete-packet.pcapng", micros),
    ];
    for (name, first) in rows {
        let times = read(&path(name)).times;
        let expected: Vec<_> = (0..3).map(|i| Timestamp(first.0 + i * 1_000_000)).collect();
        assert_eq!(times, expected, "{name}");
    }
    let second = 1_795_227_030_000_000_000;
    let expected = [nanos, Timestamp(second + 500_000_000), Timestamp(second + 750_000_000)];
    assert_eq!(read(&path("format-pcapng-resolutions.pcapng")).times, expected);
}

#[test]
fn what_a_pcapng_says_beside_frames_is_kept() {
    let read = read(&path("format-pcapng-extras.pcapng"));
    let summary = read.summary;
    assert_eq!(summary.frames, 5, "the journal entry and the custom block have numbers, as in Wireshark");
    assert_eq!(read.numbers, [1, 4, 5]);
    assert_eq!(summary.journal_entries, [b"__REALTIME_TIMESTAMP=1795227030123456\nMESSAGE=hello\n\n"]);
    assert!(summary.tls_key_log.starts_with("CLIENT_RANDOM 0000") && summary.tls_key_log.ends_with("11\n"));
    assert_eq!(summary.interfaces[0].drops, Some(9), "counters of the statistics block");

    let summary = self::read(&path("format-pcapng-little.pcapng")).summary;
    let interface = &summary.interfaces[0];
    assert_eq!((interface.name.as_deref(), interface.snaplen), (Some("eth0"), 262_144));
    assert_eq!(interface.filter.as_deref(), Some("tcp port 443"));
    assert_eq!(
        self::read(&path("format-pcapng-obsolete-packet.pcapng")).summary.interfaces[0].drops,
        Some(3)
    );
    assert_eq!(self::read(&path("format-pcapng-sections.pcapng")).summary.interfaces.len(), 4);
}

#[test]
fn a_cut_capture_gives_all_whole_frames_and_says_where_it_ends() {
    for path in files() {
        let bytes = std::fs::read(&path).unwrap();
        let whole = run(&bytes, kind(&path), &mut Window::default()).summary.frames;
        let (mut window, mut before) = (Window::default(), 0);
        for cut in 0..bytes.len() {
            let read = run(&bytes[..cut], kind(&path), &mut window);
            let frames = read.summary.frames;
            assert!((before..=whole).contains(&frames), "{} cut at {cut}: {frames} frames", path.display());
            let at_boundary = !read.summary.problems.any_loss();
            assert!(frames < whole || !at_boundary || read.summary.bytes == cut as u64);
            for problem in read.summary.problems.iter().filter(|p| p.loss) {
                let Place::Offset(at) = problem.at else { panic!("{problem:?}") };
                assert!(at <= cut as u64, "{} cut at {cut}: {problem:?}", path.display());
            }
            before = frames;
        }
    }
}

#[test]
fn flipped_bytes_never_panic() {
    let mut window = Window::default();
    for path in files() {
        let bytes = std::fs::read(&path).unwrap();
        for at in 0..bytes.len() {
            for value in [0, 0xff, bytes[at] ^ 0x80, bytes[at].wrapping_add(1)] {
                let mut flipped = bytes.clone();
                flipped[at] = value;
                let _ = run(&flipped, kind(&path), &mut window);
            }
        }
    }
}

#[test]
fn pcapng_goes_on_behind_damage_and_pcap_stops() {
    let mut ng = std::fs::read(path("format-pcapng-little.pcapng")).unwrap();
    // The packet blocks: section and interface come first, then blocks of 88 bytes and one of 92.
    let blocks: Vec<usize> =
        (0..ng.len() - 8).filter(|at| matches!(ng[*at..at + 8], [6, 0, 0, 0, 88 | 92, 0, 0, 0])).collect();
    assert_eq!(blocks.len(), 3);
    ng[blocks[1] + 4] = 0xf1;
    let read = run(&ng, SourceKind::Pcapng, &mut Window::default());
    assert_eq!(read.lines, [V4[0], V4[2]]);
    let problem = read.summary.problems.iter().find(|p| p.name == "damaged_block").unwrap();
    assert_eq!((problem.at, problem.loss), (Place::Offset(blocks[1] as u64), true));

    // A length that lies beyond the end of the file, as that of a file that was cut does; but blocks follow.
    ng[blocks[1] + 4..blocks[1] + 8].copy_from_slice(&[88, 0, 4, 0]);
    let read = run(&ng, SourceKind::Pcapng, &mut Window::default());
    assert_eq!(read.lines, [V4[0], V4[2]]);
    let problem = read.summary.problems.iter().find(|p| p.loss).unwrap();
    assert_eq!(read.summary.problems.iter().count(), 1, "blocks were found behind it");
    assert_eq!((problem.name, problem.at), ("damaged_block", Place::Offset(blocks[1] as u64)));

    // Damage behind which nothing more is found, over several windows too: how much that is, is said.
    for rest in [4096, 5 << 20] {
        let mut ng = std::fs::read(path("format-pcapng-little.pcapng")).unwrap();
        ng.truncate(blocks[2]);
        ng.resize(blocks[2] + rest, 0xaa);
        let read = run(&ng, SourceKind::Pcapng, &mut Window::default());
        assert_eq!(read.lines, V4[..2]);
        let problem = read.summary.problems.iter().find(|p| p.name == "unread_rest").unwrap();
        assert_eq!((problem.at, problem.loss), (Place::Offset(blocks[2] as u64), true));
        assert!(
            problem.detail.contains(&format!("the last {rest} bytes were not read")),
            "{}",
            problem.detail
        );
    }

    let mut pcap = std::fs::read(path("format-pcap-little.pcap")).unwrap();
    let second = 24 + 16 + 54;
    pcap[second + 11] = 0x7f;
    let read = run(&pcap, SourceKind::Pcap, &mut Window::default());
    assert_eq!(read.lines, V4[..1]);
    let problem = read.summary.problems.iter().find(|p| p.name == "implausible_record_length").unwrap();
    assert_eq!((problem.at, problem.loss), (Place::Offset(second as u64), true));

    let mut zeros = std::fs::read(path("format-pcap-little.pcap")).unwrap();
    zeros.extend_from_slice(&[0; 4096]);
    let read = run(&zeros, SourceKind::Pcap, &mut Window::default());
    assert_eq!((read.lines.len(), read.summary.problems.any_loss()), (3, true));
}

#[test]
fn interfaces_without_end_are_bounded_and_said() {
    let ng = std::fs::read(path("format-pcapng-little.pcapng")).unwrap();
    let section = &ng[..u32::from_le_bytes([ng[4], ng[5], ng[6], ng[7]]) as usize];
    let interface = |name: &str| {
        let option = [&2_u16.to_le_bytes()[..], &(name.len() as u16).to_le_bytes(), name.as_bytes()].concat();
        let length = (20 + option.len() as u32).to_le_bytes();
        [&[1, 0, 0, 0], &length[..], &[1, 0, 0, 0, 0, 0, 4, 0], &option, &length].concat()
    };
    let packet = &ng[ng.windows(8).position(|w| w == [6, 0, 0, 0, 88, 0, 0, 0]).unwrap()..][..88];
    let rows = [(2000, 4096, "limit_interface_texts", 1), (66_000, 4, "limit_interfaces", 1)];
    for (count, name, limit, frames) in rows {
        let described = interface(&"x".repeat(name)).repeat(count);
        let read = run(&[section, &described, packet].concat(), SourceKind::Pcapng, &mut Window::default());
        let names = read.summary.interfaces.iter().flat_map(|i| &i.name).map(String::len).sum::<usize>();
        assert!(read.summary.interfaces.len() <= 65_535 && names <= 1 << 20, "{limit}");
        let said: Vec<_> = read.summary.problems.iter().map(|p| (p.name, p.loss)).collect();
        assert_eq!((said, read.lines.len()), (vec![(limit, true)], frames));
    }
    for (count, why) in [(3, "does not describe"), (66_000, "the first 65,535 are known")] {
        let mut packet = packet.to_vec();
        packet[8..12].copy_from_slice(&65_900_u32.to_le_bytes());
        let read = run(
            &[section, &interface("eth0").repeat(count), &packet].concat(),
            SourceKind::Pcapng,
            &mut Window::default(),
        );
        let said = read.summary.problems.iter().find(|p| p.name == "unknown_interface");
        assert!(said.is_some_and(|p| p.detail.contains(why)), "{said:?}");
    }
}

#[test]
fn a_capture_larger_than_a_window_is_read_whole() {
    let small = std::fs::read(path("format-pcap-little.pcap")).unwrap();
    let mut bytes = small[..24].to_vec();
    while bytes.len() < 5 << 20 {
        bytes.extend_from_slice(&small[24..]);
    }
    let frames = (bytes.len() - 24) / (small.len() - 24) * 3;
    let mut reader = capture::open(Box::new(std::io::Cursor::new(bytes)), SourceKind::Pcap);
    let (mut window, mut seen) = (Window::default(), 0);
    while reader.fill(&mut window) {
        assert_eq!(window.first_number, seen + 1);
        assert!(window.bytes.len() <= 2 << 20);
        seen += window.frames.len() as u64;
    }
    assert_eq!((seen, reader.finish().problems.is_empty()), (frames as u64, true));
}

#[test]
fn rotated_files_are_one_capture_in_time_order() {
    let directory = tempfile::tempdir().unwrap();
    let original = std::fs::read(path("format-pcap-little.pcap")).unwrap();
    // A ring that wrapped: the oldest file is number 2. Another host's capture stays apart.
    for (name, second) in
        [("cp-1-eth0.pcap0", 30), ("cp-1-eth0.pcap1", 40), ("cp-1-eth0.pcap2", 20), ("b.pcap", 0)]
    {
        let mut bytes = original.clone();
        bytes[24..28].copy_from_slice(&u32::to_le_bytes(1_795_227_000 + second));
        std::fs::write(directory.path().join(name), bytes).unwrap();
    }
    let bundle = bundle::discover(&[directory.path().to_owned()], &Limits::default()).unwrap();
    let sets = capture::group(&bundle.sources);
    let rows: Vec<_> = sets
        .iter()
        .map(|set| {
            let files =
                set.files.iter().map(|i| bundle.sources[i.0 as usize].path.rsplit('/').next().unwrap());
            (set.name.rsplit('/').next().unwrap(), set.host.as_deref(), files.collect::<Vec<_>>().join(" "))
        })
        .collect();
    let ring = "cp-1-eth0.pcap2 cp-1-eth0.pcap0 cp-1-eth0.pcap1".to_owned();
    assert_eq!(rows, [("b.pcap", None, "b.pcap".to_owned()), ("cp-1-eth0.pcap", Some("cp-1"), ring)]);
}

/// What one pass over a capture gave.
struct Read {
    summary: CaptureSummary,
    /// Packets with their captured payload.
    packets: Vec<(Packet, Vec<u8>)>,
    /// The packets as text.
    lines: Vec<String>,
    /// Times of all frames.
    times: Vec<Timestamp>,
    /// Frame numbers of the packets.
    numbers: Vec<u64>,
    problems: Weirds,
}

fn check(rows: &[Row]) {
    for (name, packets, notes, problems) in rows {
        let read = read(&path(name));
        let expected: Vec<_> = packets.iter().map(|p| format!("{p}{notes}")).collect();
        assert_eq!(read.lines, expected, "{name}");
        let found: Vec<_> = read.problems.iter().map(|w| (w.name, w.count)).collect();
        assert_eq!(&found[..], *problems, "{name}");
        assert!(!read.problems.any_loss(), "{name} is whole");
    }
}

fn read(path: &Path) -> Read {
    run(&std::fs::read(path).unwrap(), kind(path), &mut Window::default())
}

fn run(bytes: &[u8], kind: SourceKind, window: &mut Window) -> Read {
    let options = DecodeOptions { vxlan_ports: vec![14789] };
    let mut reader = capture::open(Box::new(std::io::Cursor::new(bytes.to_vec())), kind);
    let mut fragments = Reassembler::new(16 << 20);
    let mut read = Read {
        summary: CaptureSummary::default(),
        packets: Vec::new(),
        lines: Vec::new(),
        times: Vec::new(),
        numbers: Vec::new(),
        problems: Weirds::default(),
    };
    while reader.fill(window) {
        let mut decoded = Decoded::default();
        packet::decode(window, 0..window.frames.len(), &options, &mut decoded);
        fragments.pass(window, &options, &mut decoded.packets, &mut decoded.problems);
        read.times.extend(window.frames.iter().map(|f| f.time));
        for packet in decoded.packets {
            read.lines.push(line(&packet, window));
            read.numbers.push(window.number(packet.frame as usize));
            read.packets.push((packet, packet.payload(window).to_vec()));
        }
        read.problems.merge(decoded.problems);
    }
    fragments.finish(&mut read.problems);
    read.summary = reader.finish();
    read.problems.merge(read.summary.problems.clone());
    read
}

fn line(packet: &Packet, window: &Window) -> String {
    let (source, destination) = packet.addresses(window);
    let from = std::net::SocketAddr::new(source, packet.src_port);
    let to = std::net::SocketAddr::new(destination, packet.dst_port);
    let mut text = match packet.kind {
        Kind::Tcp => format!("{from} > {to} {} {}", flags(packet.flags), packet.payload_length),
        Kind::Udp => format!("{from} > {to} udp {}", packet.payload_length),
        Kind::Opaque => format!("{from} > {to} protocol {}", packet.protocol),
        Kind::IcmpError => {
            let (quoted, other) = packet.quoted_addresses(window);
            format!(
                "{source} > {destination} icmp {}/{} quotes {quoted}:{} > {other}:{} protocol {} seq {}",
                packet.window >> 8,
                packet.window & 0xff,
                packet.src_port,
                packet.dst_port,
                packet.protocol,
                packet.seq
            )
        }
        Kind::Neighbor => match packet::neighbor(packet, window) {
            Some(Neighbor::Request { address, asked_by }) => format!("who has {address}? asks {asked_by}"),
            Some(Neighbor::Answer { address }) => format!("{address} is here"),
            None => String::new(),
        },
        Kind::Fragment => "a fragment that was left".to_owned(),
    };
    let words = [
        (note::TUNNEL, " tunnel"),
        (note::REASSEMBLED, " reassembled"),
        (note::OFFLOAD, " offload"),
        (note::CUT, " cut"),
        (note::CUT_HEADER, " header_cut"),
        (note::OUTGOING, " outgoing"),
        (note::INCOMING, " incoming"),
    ];
    // The quote of an error is always short.
    for (_, word) in words.iter().filter(|(bit, _)| packet.kind != Kind::IcmpError && packet.noted(*bit)) {
        text.push_str(word);
    }
    if packet.vni > 0 {
        write!(text, " vni={}", packet.vni - 1).unwrap();
    }
    text
}

fn flags(flags: u16) -> String {
    "FSRPA".chars().enumerate().filter(|(bit, _)| flags & 1 << bit != 0).map(|(_, c)| c).collect()
}

fn kind(path: &Path) -> SourceKind {
    if path.extension().is_some_and(|e| e == "pcapng") { SourceKind::Pcapng } else { SourceKind::Pcap }
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures").join(name)
}

fn files() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path("")).unwrap();
    let mut files: Vec<_> = entries
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "pcap" || e == "pcapng"))
        .collect();
    files.sort();
    files
}
