//! The capture reader beside pcap-parser, and the decoder beside etherparse, frame by frame over the samples.

use std::path::{Path, PathBuf};

use etherparse::{SlicedPacket, TransportSlice};
use pcap_parser::PcapCapture;
use wirecause::bundle::SourceKind;
use wirecause::capture::{self, LinkType, Window};
use wirecause::packet::{self, DecodeOptions, Decoded, Kind};

/// Plain pcap files of the samples, in order.
fn captures() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
    let mut found = Vec::new();
    let mut folders = vec![root];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("readable") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "pcap") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// All windows of a capture.
fn windows(bytes: &[u8]) -> Vec<Window> {
    let mut reader = capture::open(Box::new(std::io::Cursor::new(bytes.to_vec())), SourceKind::Pcap);
    let mut windows = Vec::new();
    loop {
        let mut window = Window::default();
        if !reader.fill(&mut window) {
            return windows;
        }
        windows.push(window);
    }
}

#[test]
fn frames_are_those_of_pcap_parser() {
    let mut frames = 0;
    for path in captures() {
        let bytes = std::fs::read(&path).expect("readable");
        let theirs = PcapCapture::from_file(&bytes).expect("pcap-parser reads it");
        let windows = windows(&bytes);
        let ours: Vec<(u32, u32, &[u8])> = windows
            .iter()
            .flat_map(|w| w.frames.iter().enumerate().map(|(n, f)| (f.captured, f.length, w.frame(n))))
            .collect();
        assert_eq!(ours.len(), theirs.blocks.len(), "{}", path.display());
        for ((captured, length, data), block) in ours.iter().zip(&theirs.blocks) {
            assert_eq!((*captured, *length), (block.caplen, block.origlen), "{}", path.display());
            assert_eq!(*data, &block.data[..*captured as usize], "{}", path.display());
        }
        frames += ours.len();
    }
    assert!(frames > 5000, "the samples hold {frames} frames");
}

#[test]
fn segments_are_those_of_etherparse() {
    let mut compared = 0;
    for path in captures() {
        let bytes = std::fs::read(&path).expect("readable");
        for window in windows(&bytes) {
            let mut decoded = Decoded::default();
            packet::decode(&window, 0..window.frames.len(), &DecodeOptions::default(), &mut decoded);
            for ours in decoded.packets.iter().filter(|p| p.kind == Kind::Tcp) {
                let frame = &window.frames[ours.frame as usize];
                if frame.link_type != LinkType::ETHERNET || frame.captured < frame.length {
                    continue;
                }
                let theirs =
                    SlicedPacket::from_ethernet(window.frame(ours.frame as usize)).expect("it parses");
                let Some(TransportSlice::Tcp(tcp)) = theirs.transport else {
                    panic!("{}: etherparse sees no TCP in frame {}", path.display(), ours.frame + 1)
                };
                let facts = (ours.src_port, ours.dst_port, ours.seq, ours.ack, ours.payload(&window));
                let wanted = (
                    tcp.source_port(),
                    tcp.destination_port(),
                    tcp.sequence_number(),
                    tcp.acknowledgment_number(),
                    tcp.payload(),
                );
                assert_eq!(facts, wanted, "{} frame {}", path.display(), ours.frame + 1);
                compared += 1;
            }
        }
    }
    assert!(compared > 3000, "{compared} segments were compared");
}
