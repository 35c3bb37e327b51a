//! Drives the readers over all sources and ties the facts together.
//!
//! Takes the sources of a bundle; gives the finished [`ClusterMap`] with one report for each source read. Objects,
//! host state and PEM are read here; captures, journals and logs are left to their stages.

use std::io::{self, BufRead, BufReader, Read};

use super::build::{Builder, MAX_ADDRESSES, MAX_PORTS};
use super::room::FREE_OFFERS;
use super::text::HostText;
use super::{ClusterMap, Holder, chains, conflicts, documents, host, objects};
use crate::bundle::{InputReport, Source, SourceKind};
use crate::error::Place;

pub(super) fn read(sources: &[Source]) -> ClusterMap {
    let mut b = Builder::new(sources);
    for source in sources {
        let mut report = InputReport::of(source);
        let done = match source.kind {
            SourceKind::Objects => read_objects(&mut b, source, &mut report),
            SourceKind::HostState => read_host_state(&mut b, source, &mut report),
            SourceKind::Pem => read_pem(&mut b, source, &mut report),
            _ => continue,
        };
        if let Err(e) = done {
            let at = report.bytes;
            report.problems.loss("unreadable", Place::Offset(at), || {
                if at == 0 { source.unreadable(&e) } else { format!("reading stopped: {e}") }
            });
        }
        note_dropped(&mut b, &mut report);
        note_private_keys(&mut b, &mut report);
        b.map.inputs.push(report);
    }
    host::name_hosts(&mut b);
    conflicts::find(&mut b);
    b.map
}

fn read_objects(b: &mut Builder<'_>, source: &Source, report: &mut InputReport) -> io::Result<()> {
    let (text, read) = whole(source, report);
    b.room.read(report.bytes);
    let mut used = 0_u64;
    documents::read(&text, source.limits(), &mut report.problems, &mut |object| {
        used += u64::from(objects::add(b, &object, source.index));
    });
    report.lines = Some(lines_of(&text));
    report.skipped = used == 0;
    read
}

/// How many lines a text has.
fn lines_of(text: &str) -> u64 {
    memchr::memchr_iter(b'\n', text.as_bytes()).count() as u64
        + u64::from(!text.is_empty() && !text.ends_with('\n'))
}

fn read_pem(b: &mut Builder<'_>, source: &Source, report: &mut InputReport) -> io::Result<()> {
    let (text, read) = whole(source, report);
    let certificates = objects::certificate_blocks(text.as_bytes(), &mut b.room);
    b.private_keys += objects::private_keys(text.as_bytes());
    report.lines = Some(lines_of(&text));
    report.skipped = certificates.is_empty();
    b.certificates(Holder::File, source.path.clone(), certificates);
    read
}

/// The text of a source up to the limit; what was read before an error is kept.
fn whole(source: &Source, report: &mut InputReport) -> (String, io::Result<()>) {
    let most = source.limits().object_bytes;
    let mut bytes = Vec::new();
    let read = source.open().and_then(|r| r.take(most.saturating_add(1)).read_to_end(&mut bytes)).map(drop);
    if bytes.len() as u64 > most {
        bytes.truncate(most as usize);
        report.problems.loss("limit_object_bytes", Place::Offset(most), || {
            format!(
                "only the first {most} bytes are read; split the file, or raise it with --max-object-bytes"
            )
        });
    }
    report.bytes = bytes.len() as u64;
    let text = String::from_utf8(bytes).unwrap_or_else(|e| {
        report.problems.note("invalid_utf8", Place::Offset(e.utf8_error().valid_up_to() as u64), || {
            "bytes that are no UTF-8 were replaced".to_owned()
        });
        String::from_utf8_lossy(e.as_bytes()).into_owned()
    });
    (text, read)
}

/// Host state is read line by line: a connection table may be large.
fn read_host_state(b: &mut Builder<'_>, source: &Source, report: &mut InputReport) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(1 << 16, source.open()?);
    let mut text = HostText::new(b, source.index);
    let (mut line, mut lines, mut used) = (Vec::new(), 0_u64, 0_u64);
    let end = loop {
        line.clear();
        let read = reader.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line);
        match read {
            Ok(0) => break Ok(()),
            Err(e) => break Err(e),
            Ok(n) => report.bytes += n as u64,
        }
        lines += 1;
        if line.len() as u64 == MAX_LINE_BYTES && line.last() != Some(&b'\n') {
            report.problems.loss("long_line", Place::Line(lines), || {
                format!("lines of host state are read up to {MAX_LINE_BYTES} bytes")
            });
            report.bytes += skip_line(&mut reader)?;
        }
        used += u64::from(text.line(String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r'])));
    };
    text.finish();
    report.lines = Some(lines);
    report.skipped = used == 0;
    end
}

/// Reads on to the end of a line without keeping it; how many bytes that were.
fn skip_line(reader: &mut impl BufRead) -> io::Result<u64> {
    let mut skipped = 0;
    loop {
        let buffer = reader.fill_buf()?;
        let (n, done) = match memchr::memchr(b'\n', buffer) {
            Some(at) => (at + 1, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        reader.consume(n);
        skipped += n as u64;
        if done {
            return Ok(skipped);
        }
    }
}

/// A key in a bundle is no longer a secret, which is worth saying; it is neither kept nor shown.
fn note_private_keys(b: &mut Builder<'_>, report: &mut InputReport) {
    let seen = std::mem::take(&mut b.private_keys);
    if seen > 0 {
        report.problems.add("private_key", Place::Whole, seen, false, || {
            "a private key stands here; it is neither kept nor shown, but whoever has this bundle has it: make a new one".to_owned()
        });
    }
}

fn note_dropped(b: &mut Builder<'_>, report: &mut InputReport) {
    let dropped = std::mem::take(&mut b.room.dropped);
    if dropped > 0 {
        let most = b.room.most;
        report.problems.add("limit_facts", Place::Whole, dropped, true, || {
            format!("at most {most} facts of one kind, and addresses of one kind, are kept; raise it with --max-facts")
        });
    }
    let cut = std::mem::take(&mut b.room.texts_cut);
    if cut > 0 {
        let most = b.room.most_texts() >> 20;
        report.problems.add("limit_fact_texts", Place::Whole, cut, true, || {
            format!("facts whose texts and certificates take more than {most} MiB in all are not kept; raise it with --max-facts")
        });
    }
    if std::mem::take(&mut b.room.chains_cut) {
        report.problems.loss("limit_chains", Place::Whole, || {
            let (chains, rules) = (chains::MAX_CHAINS_OF_ONE, chains::MAX_WORK);
            format!(
                "an address leads through more than {chains} chains of rules, or all of them to more than {rules} rules: some real addresses are not known"
            )
        });
    }
    let cut = std::mem::take(&mut b.room.addresses_cut);
    if cut > 0 {
        report.problems.add("limit_addresses", Place::Whole, cut, true, || {
            format!("of an object with more than {MAX_ADDRESSES} addresses or {MAX_PORTS} ports only the first are kept")
        });
    }
    let cut = std::mem::take(&mut b.room.endpoints_cut);
    if cut > 0 {
        report.problems.add("limit_endpoints", Place::Whole, cut, true, || {
            format!(
                "endpoints are addresses times ports: beyond the first {FREE_OFFERS} of all objects only as many are \
                 read as those have bytes"
            )
        });
    }
    let cut = std::mem::take(&mut b.room.certificates_cut);
    if cut > 0 {
        report.problems.add("limit_certificates", Place::Whole, cut, true, || {
            let most = objects::MAX_CERTIFICATE_BYTES >> 20;
            format!("of a text with more than {most} MiB of certificates only the first are read")
        });
    }
}

/// Bytes of one line of host state; an nftables map on one line is the longest seen.
const MAX_LINE_BYTES: u64 = 4 << 20;
