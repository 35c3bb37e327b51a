//! The pcapng blocks that hold no frames: interfaces, statistics, secrets, journal entries
//! (draft-ietf-opsawg-pcapng §4, options §3.5).
//!
//! Takes the body of one block; puts what it says into the [`CaptureSummary`], within bounds. What is beyond a bound is
//! counted as a problem, never kept.

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

/// Bytes kept of what a file says beside its frames.
#[derive(Default)]
pub(super) struct Held {
    interface_texts: usize,
    journal: usize,
}

/// An interface description (§4.2). None for a body too short to be one.
pub(super) fn interface(
    body: &[u8],
    order: Order,
    held: &mut Held,
    summary: &mut CaptureSummary,
) -> Option<SectionInterface> {
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
            _ => {}
        }
    }
    Some(SectionInterface { index: keep(described, held, summary), link_type, snaplen, clock })
}

/// Keeps an interface, without its texts once there are too many of those; gives its number. Frames of one that is not
/// kept belong to none.
fn keep(mut described: Interface, held: &mut Held, summary: &mut CaptureSummary) -> u16 {
    let index = u16::try_from(summary.interfaces.len()).unwrap_or(Interface::NONE);
    if index == Interface::NONE {
        limit(summary, "limit_interfaces", "interfaces beyond 65,535 of a file are not told apart");
        return index;
    }
    let texts = [&described.name, &described.filter].into_iter().flatten().map(String::len).sum::<usize>();
    if held.interface_texts + texts > MAX_INTERFACE_TEXTS {
        limit(summary, "limit_interface_texts", "names and filters of interfaces beyond 1 MiB are left out");
        (described.name, described.filter) = (None, None);
    } else {
        held.interface_texts += texts;
    }
    summary.interfaces.push(described);
    index
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

/// Options of an enhanced packet block: frames dropped before this one (`epb_dropcount`).
pub(super) fn packet_options(rest: &[u8], order: Order, interface: u16, summary: &mut CaptureSummary) {
    for (code, value) in options(Some(rest), order) {
        if let (EPB_DROPCOUNT, Some(drops)) = (code, eight(value, order)) {
            add_drops(summary, interface, drops);
        }
    }
}

/// Adds frames that were dropped before one frame.
pub(super) fn add_drops(summary: &mut CaptureSummary, interface: u16, drops: u64) {
    if let Some(interface) = summary.interfaces.get_mut(usize::from(interface)) {
        interface.drops = Some(interface.drops.unwrap_or(0).saturating_add(drops));
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
        return limit(summary, "limit_tls_secrets", "TLS secrets beyond 16 MiB of a file are not used");
    }
    summary.tls_key_log.push_str(&String::from_utf8_lossy(data));
    if !summary.tls_key_log.ends_with('\n') {
        summary.tls_key_log.push('\n');
    }
}

/// One journal entry in the Journal Export Format, as it stands, without the zero bytes that pad the block (§4.8).
pub(super) fn journal(body: &[u8], held: &mut Held, summary: &mut CaptureSummary) {
    if held.journal + body.len() > MAX_JOURNAL || summary.journal_entries.len() >= MAX_JOURNAL_ENTRIES {
        let what = "journal entries beyond 100,000 or 64 MiB of a file are not read";
        return limit(summary, "limit_journal_entries", what);
    }
    held.journal += body.len();
    let padding = body.iter().rev().take(3).take_while(|b| **b == 0).count();
    summary.journal_entries.push(body.get(..body.len() - padding).unwrap_or(body).to_vec());
}

fn limit(summary: &mut CaptureSummary, name: &'static str, what: &'static str) {
    summary.problems.loss(name, Place::Whole, || what.to_owned());
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
const IF_NAME: u16 = 2;
const IF_TSRESOL: u16 = 9;
const IF_FILTER: u16 = 11;
const IF_TSOFFSET: u16 = 14;
const EPB_DROPCOUNT: u16 = 4;
const ISB_IFDROP: u16 = 5;
const ISB_OSDROP: u16 = 7;
/// `TLSK`.
const TLS_KEY_LOG: u32 = 0x544c_534b;

/// Bytes of the name or the filter of one interface.
const MAX_TEXT: usize = 4_096;
/// Bytes of the names and filters of all interfaces of a file.
const MAX_INTERFACE_TEXTS: usize = 1 << 20;
/// Bytes of the TLS key log of a file.
const MAX_KEY_LOG: usize = 16 << 20;
/// Bytes of the journal entries of a file, and how many.
const MAX_JOURNAL: usize = 64 << 20;
const MAX_JOURNAL_ENTRIES: usize = 100_000;
