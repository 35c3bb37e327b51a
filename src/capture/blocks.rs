//! The pcapng blocks that hold no frames: interfaces, statistics, names, secrets, journal entries, comments
//! (draft-ietf-opsawg-pcapng §4, options §3.5).
//!
//! Takes the body of one block; puts what it says into the [`CaptureSummary`], within bounds. What is beyond a bound is
//! counted as a problem, never kept.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::pcapng::{Clock, SectionInterface, Unit};
use super::{CaptureSummary, Interface, LinkType};
use crate::error::Place;

/// Byte order of a section.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Order {
    #[default]
    Little,
    Big,
}

impl Order {
    #[inline]
    pub(super) const fn u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        }
    }

    #[inline]
    pub(super) const fn u16(self, bytes: [u8; 2]) -> u16 {
        match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        }
    }

    fn u64(self, bytes: [u8; 8]) -> u64 {
        match self {
            Self::Little => u64::from_le_bytes(bytes),
            Self::Big => u64::from_be_bytes(bytes),
        }
    }
}

/// `code, length, value` triples, each padded to 4 bytes: the form of options and of name records.
struct Options<'a> {
    rest: &'a [u8],
    order: Order,
}

impl<'a> Iterator for Options<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let ([c0, c1, l0, l1], after) = self.rest.split_first_chunk::<4>()?;
        let (code, length) = (self.order.u16([*c0, *c1]), usize::from(self.order.u16([*l0, *l1])));
        let value = after.get(..length)?;
        self.rest = after.get(length.next_multiple_of(4)..).unwrap_or_default();
        (code != END_OF_OPTIONS).then_some((code, value))
    }
}

fn options(bytes: Option<&[u8]>, order: Order) -> Options<'_> {
    Options { rest: bytes.unwrap_or_default(), order }
}

/// Comments and what wrote the section: `shb_hardware` 2, `shb_os` 3, `shb_userappl` 4 (§4.1).
pub(super) fn section_notes(body: &[u8], order: Order, summary: &mut CaptureSummary) {
    for (code, value) in options(body.get(16..), order) {
        if matches!(code, COMMENT | 2..=4) {
            note(summary, value);
        }
    }
}

/// An interface description (§4.2). None for a body too short to be one.
pub(super) fn interface(body: &[u8], order: Order, summary: &mut CaptureSummary) -> Option<SectionInterface> {
    let (&[l0, l1, _, _, s0, s1, s2, s3], rest) = body.split_first_chunk::<8>()?;
    let link_type = LinkType(order.u16([l0, l1]));
    let snaplen = order.u32([s0, s1, s2, s3]);
    let mut described = Interface { link_type: Some(link_type), snaplen, ..Interface::default() };
    let mut clock = Clock { unit: Unit::Nanos(1000), offset_seconds: 0 };
    for (code, value) in options(Some(rest), order) {
        match (code, value) {
            (IF_NAME, _) => described.name = Some(text(value)),
            (IF_TSRESOL, &[resolution, ..]) => clock.unit = unit(resolution),
            (IF_TSOFFSET, _) => clock.offset_seconds = eight(value, order).unwrap_or(0) as i64,
            // The first byte says what the filter is; 0 is the text that tcpdump was given.
            (IF_FILTER, [0, filter @ ..]) => described.filter = Some(text(filter)),
            (COMMENT, _) => note(summary, value),
            _ => {}
        }
    }
    let index = u16::try_from(summary.interfaces.len()).unwrap_or(Interface::NONE);
    if index == Interface::NONE {
        bounded(summary, "interfaces");
    } else {
        summary.interfaces.push(described);
    }
    Some(SectionInterface { index, link_type, snaplen, clock })
}

/// `if_tsresol`: the exponent of 10, or with the high bit set of 2.
fn unit(resolution: u8) -> Unit {
    match resolution {
        0..=9 => Unit::Nanos(10u64.pow(9 - u32::from(resolution))),
        10..=28 => Unit::PerNano(10u64.pow(u32::from(resolution) - 9)),
        29..=127 => Unit::PerNano(u64::MAX),
        _ => Unit::Binary(resolution & 0x7f),
    }
}

/// Interface statistics: counters since the capture began, the last block counts (§4.6).
pub(super) fn statistics(
    body: &[u8],
    order: Order,
    interfaces: &[SectionInterface],
    summary: &mut CaptureSummary,
) {
    let Some((number, rest)) = body.split_first_chunk::<4>() else { return };
    let Some(interface) = interfaces.get(order.u32(*number) as usize) else { return };
    let mut drops = None;
    for (code, value) in options(rest.get(8..), order) {
        if let (ISB_IFDROP | ISB_OSDROP, Some(n)) = (code, eight(value, order)) {
            drops = Some(n.saturating_add(drops.unwrap_or(0)));
        }
    }
    if let (Some(drops), Some(interface)) = (drops, summary.interfaces.get_mut(usize::from(interface.index)))
    {
        interface.drops = Some(drops.max(interface.drops.unwrap_or(0)));
    }
}

/// Options of an enhanced packet block: comments, and frames dropped before this one (`epb_dropcount`).
pub(super) fn packet_options(rest: &[u8], order: Order, interface: u16, summary: &mut CaptureSummary) {
    for (code, value) in options(Some(rest), order) {
        match (code, eight(value, order)) {
            (EPB_DROPCOUNT, Some(drops)) => add_drops(summary, interface, drops),
            (COMMENT, _) => note(summary, value),
            _ => {}
        }
    }
}

/// Adds frames that were dropped before one frame.
pub(super) fn add_drops(summary: &mut CaptureSummary, interface: u16, drops: u64) {
    if let Some(interface) = summary.interfaces.get_mut(usize::from(interface)) {
        interface.drops = Some(interface.drops.unwrap_or(0).saturating_add(drops));
    }
}

/// Name resolution: records of an address and its names, each ended by a zero byte (§4.5).
pub(super) fn names(body: &[u8], order: Order, summary: &mut CaptureSummary) {
    for (code, value) in options(Some(body), order) {
        let (address, names) = match (code, value.split_first_chunk::<4>(), value.split_first_chunk::<16>()) {
            (NRB_IPV4, Some((address, names)), _) => (IpAddr::V4(Ipv4Addr::from(*address)), names),
            (NRB_IPV6, _, Some((address, names))) => (IpAddr::V6(Ipv6Addr::from(*address)), names),
            _ => continue,
        };
        for name in names.split(|b| *b == 0).filter(|n| !n.is_empty()) {
            if summary.names.len() >= MAX_NAMES {
                return bounded(summary, "names");
            }
            summary.names.push((address, text(name)));
        }
    }
}

/// Decryption secrets: the TLS key log is kept (§4.7).
pub(super) fn secrets(body: &[u8], order: Order, summary: &mut CaptureSummary) {
    let Some((&[k0, k1, k2, k3, l0, l1, l2, l3], rest)) = body.split_first_chunk::<8>() else { return };
    let length = order.u32([l0, l1, l2, l3]) as usize;
    if order.u32([k0, k1, k2, k3]) != TLS_KEY_LOG {
        return;
    }
    let data = rest.get(..length).unwrap_or(rest);
    if summary.tls_key_log.len() + data.len() > MAX_KEY_LOG {
        return bounded(summary, "TLS secrets");
    }
    summary.tls_key_log.push_str(&String::from_utf8_lossy(data));
    if !summary.tls_key_log.ends_with('\n') {
        summary.tls_key_log.push('\n');
    }
}

/// One journal entry in the Journal Export Format, as it stands, without the zero bytes that pad the block (§4.8).
pub(super) fn journal(body: &[u8], held: &mut usize, summary: &mut CaptureSummary) {
    if *held + body.len() > MAX_JOURNAL || summary.journal_entries.len() >= MAX_JOURNAL_ENTRIES {
        return bounded(summary, "journal entries");
    }
    *held += body.len();
    let padding = body.iter().rev().take(3).take_while(|b| **b == 0).count();
    summary.journal_entries.push(body.get(..body.len() - padding).unwrap_or(body).to_vec());
}

fn note(summary: &mut CaptureSummary, value: &[u8]) {
    if summary.notes.len() >= MAX_NOTES {
        return bounded(summary, "comments");
    }
    summary.notes.push(text(value));
}

fn bounded(summary: &mut CaptureSummary, what: &'static str) {
    summary.problems.note("too_many_of_a_kind", Place::Whole, || format!("more {what} than are kept"));
}

fn eight(value: &[u8], order: Order) -> Option<u64> {
    value.first_chunk::<8>().map(|b| order.u64(*b))
}

/// Text of an option, at most [`MAX_TEXT`] bytes, without zero bytes at its end.
fn text(value: &[u8]) -> String {
    let value = value.get(..MAX_TEXT).unwrap_or(value);
    String::from_utf8_lossy(value).trim_end_matches('\0').to_owned()
}

const END_OF_OPTIONS: u16 = 0;
const COMMENT: u16 = 1;
const IF_NAME: u16 = 2;
const IF_TSRESOL: u16 = 9;
const IF_FILTER: u16 = 11;
const IF_TSOFFSET: u16 = 14;
const EPB_DROPCOUNT: u16 = 4;
const ISB_IFDROP: u16 = 5;
const ISB_OSDROP: u16 = 7;
const NRB_IPV4: u16 = 1;
const NRB_IPV6: u16 = 2;
/// `TLSK`.
const TLS_KEY_LOG: u32 = 0x544c_534b;

const MAX_NAMES: usize = 65_536;
const MAX_NOTES: usize = 1_000;
const MAX_TEXT: usize = 4_096;
const MAX_KEY_LOG: usize = 16 << 20;
const MAX_JOURNAL: usize = 64 << 20;
const MAX_JOURNAL_ENTRIES: usize = 100_000;
