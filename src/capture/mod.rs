//! Capture files in, windows of whole frames out.
//!
//! Takes the bytes of a pcap or pcapng file; gives [`Window`]s of frames with their times, link types and interfaces,
//! in file order, in reused buffers. Keeps no protocol knowledge and never holds a whole capture.
//! Formats: libpcap `pcap-savefile(5)`, draft-ietf-opsawg-pcapng.

use crate::bundle::{SourceIndex, SourceKind, SourceReader};
use crate::error::Weirds;
use crate::time::Timestamp;

mod blocks;
mod pcap;
mod pcapng;
mod reader;
mod sets;

pub use reader::{CaptureReader, first_frame};
pub use sets::{group, number_of};

/// Link-layer header type, a number of the tcpdump.org registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkType(pub u16);

impl LinkType {
    /// BSD loopback: a 4-byte address family in the byte order of the capturing host.
    pub const NULL: Self = Self(0);
    /// Ethernet.
    pub const ETHERNET: Self = Self(1);
    /// PPP, possibly with HDLC-like framing (RFC 1662).
    pub const PPP: Self = Self(9);
    /// Raw IP under numbers that some BSDs wrote into files.
    pub const RAW_BSD: Self = Self(12);
    /// The same, OpenBSD.
    pub const RAW_OPENBSD: Self = Self(14);
    /// Raw IPv4 or IPv6, told apart by the version nibble.
    pub const RAW: Self = Self(101);
    /// 802.11.
    pub const IEEE802_11: Self = Self(105);
    /// OpenBSD loopback: a 4-byte address family in network byte order.
    pub const LOOP: Self = Self(108);
    /// Linux cooked capture v1 (`-i any` of older tcpdump).
    pub const LINUX_SLL: Self = Self(113);
    /// 802.11 with a radiotap header.
    pub const RADIOTAP: Self = Self(127);
    /// Per-packet information, a link type inside.
    pub const PPI: Self = Self(192);
    /// Raw IPv4.
    pub const IPV4: Self = Self(228);
    /// Raw IPv6.
    pub const IPV6: Self = Self(229);
    /// Linux netfilter log.
    pub const NFLOG: Self = Self(239);
    /// Linux cooked capture v2 (`-i any` of current tcpdump).
    pub const LINUX_SLL2: Self = Self(276);
    /// No number of the registry: a pcapng block (journal entry, custom block) that Wireshark numbers as a frame
    /// although it holds no packet. Such a frame has no bytes and the time of the frame before it.
    pub const NO_PACKET: Self = Self(u16::MAX);

    /// The registry's name, or `linktype_N`.
    pub fn name(self) -> String {
        let name = match self {
            Self::NULL => "null",
            Self::ETHERNET => "ethernet",
            Self::PPP => "ppp",
            Self::RAW | Self::RAW_BSD | Self::RAW_OPENBSD => "raw",
            Self::IEEE802_11 => "ieee802_11",
            Self::LOOP => "loop",
            Self::LINUX_SLL => "linux_sll",
            Self::RADIOTAP => "ieee802_11_radiotap",
            Self::PPI => "ppi",
            Self::IPV4 => "ipv4",
            Self::IPV6 => "ipv6",
            Self::NFLOG => "nflog",
            Self::LINUX_SLL2 => "linux_sll2",
            Self::NO_PACKET => "no_packet",
            Self(n) => return format!("linktype_{n}"),
        };
        name.to_owned()
    }
}

/// Where and when one frame lies in a [`Window`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// When it was captured.
    pub time: Timestamp,
    /// Offset of its first byte in [`Window::bytes`].
    pub offset: u32,
    /// Bytes captured.
    pub captured: u32,
    /// Bytes it had on the wire; more than `captured` when the snap length cut it.
    pub length: u32,
    /// Its interface: place in [`CaptureReader::interfaces`] (0 for pcap), `u16::MAX` when the file names none.
    pub interface: u16,
    /// What its first header is.
    pub link_type: LinkType,
}

/// A run of whole frames, in file order. Reused from one fill to the next.
#[derive(Clone, Debug, Default)]
pub struct Window {
    /// The bytes that the frames point into; fragments put together may be appended behind them.
    pub bytes: Vec<u8>,
    /// The frames.
    pub frames: Vec<FrameHeader>,
    /// Number of `frames[0]` in its file, from 1, as Wireshark shows it.
    pub first_number: u64,
}

impl Window {
    /// The captured bytes of the frame at `index`.
    pub fn frame(&self, index: usize) -> &[u8] {
        let header = &self.frames[index];
        &self.bytes[header.offset as usize..header.offset as usize + header.captured as usize]
    }

    /// The number, in its file, of the frame at `index`.
    pub fn number(&self, index: usize) -> u64 {
        self.first_number + index as u64
    }
}

/// What a capture file says of an interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// Link-layer header type.
    pub link_type: Option<LinkType>,
    /// Largest number of bytes kept of a frame; 0 or absent is no limit.
    pub snaplen: u32,
    /// `if_name`, for example `eth0` or `any`.
    pub name: Option<String>,
    /// `if_filter`: what the capture let through.
    pub filter: Option<String>,
    /// Frames that the interface or the kernel dropped (ISB `isb_ifdrop` + `isb_osdrop`, EPB `epb_dropcount`).
    pub drops: Option<u64>,
}

impl Interface {
    /// [`FrameHeader::interface`] of a frame whose file names no interface.
    pub const NONE: u16 = u16::MAX;
}

/// What a capture file held beside frames, known once its end is reached.
#[derive(Clone, Debug, Default)]
pub struct CaptureSummary {
    /// Frames read.
    pub frames: u64,
    /// Bytes read, after decompression.
    pub bytes: u64,
    /// Interfaces in order of their number.
    pub interfaces: Vec<Interface>,
    /// TLS key log text of decryption secrets blocks.
    pub tls_key_log: String,
    /// systemd Journal Export blocks, one entry each, as they stand.
    pub journal_entries: Vec<Vec<u8>>,
    /// What was surprising, with byte offsets.
    pub problems: Weirds,
}

/// The files of one vantage point, in time order: one capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaptureSet {
    /// What is known of the vantage point: file name without its rotation suffix.
    pub name: String,
    /// Host that the path or name points to, if any.
    pub host: Option<String>,
    /// The files, oldest first.
    pub files: Vec<SourceIndex>,
}

/// Place of a capture in the report and in [`crate::ingest::Ingested`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CaptureIndex(pub u16);

/// Opens a capture for one pass; a header that is none is an empty capture with a problem.
pub fn open(input: SourceReader, kind: SourceKind) -> CaptureReader {
    CaptureReader::new(input, kind)
}
