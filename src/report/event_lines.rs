//! Event records as NDJSON, at the pace at which failures are read.
//!
//! Takes events; gives the bytes that serialising their [`Event`](super::events::Event) would give, which a test holds.
//! What calls with the same words share, and the messages that lines share, are rendered once.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use foldhash::fast::FixedState;
use rayon::prelude::*;

use super::events;
use super::json::Text;
use crate::correlate::World;
use crate::log::{LogEvent, LogLine};

/// Events rendered at once by one thread.
const CHUNK: usize = 1024;
/// Chunks rendered at once before they are written.
const CHUNKS: usize = 4;
/// Shared parts kept at once.
const MAX_SHARED: usize = 4096;

/// Writes the events for which `wanted` holds, one line each.
///
/// # Errors
/// What `out` fails with.
pub fn write(
    world: &World,
    wanted: &(dyn Fn(&LogEvent) -> bool + Sync),
    out: &mut dyn std::io::Write,
) -> std::io::Result<()> {
    let mut lanes: Vec<_> = (0..CHUNKS).map(|_| Lines::new(world)).collect();
    for events in world.logs.events.chunks(CHUNK * CHUNKS) {
        events.par_chunks(CHUNK).zip(&mut lanes).try_for_each(|(events, lines)| {
            lines.out.clear();
            events.iter().filter(|e| wanted(e)).try_for_each(|e| lines.add(e))
        })?;
        for lines in lanes.iter().take(events.len().div_ceil(CHUNK)) {
            out.write_all(lines.out.as_bytes())?;
        }
    }
    Ok(())
}

/// Lines rendered so far, and the parts that they share, by the addresses of the values that these were made of.
struct Lines<'w> {
    world: &'w World,
    out: Text,
    shared: HashMap<[usize; 5], Option<Shared>, FixedState>,
    messages: HashMap<usize, Box<[u8]>, FixedState>,
    /// How each line of a source begins, up to its number.
    paths: HashMap<u32, Box<[u8]>, FixedState>,
}

/// A record around its time and its lines.
struct Shared {
    before_time: Box<[u8]>,
    /// What follows the time, in parts between which this side's port stands.
    after_time: Vec<Box<[u8]>>,
}

impl<'w> Lines<'w> {
    fn new(world: &'w World) -> Self {
        Self {
            world,
            out: Text::default(),
            shared: HashMap::default(),
            messages: HashMap::default(),
            paths: HashMap::default(),
        }
    }

    fn add(&mut self, event: &LogEvent) -> std::io::Result<()> {
        let (Some(time), Some((key, port))) = (event.time, key(event)) else { return self.plain(event) };
        if !self.shared.contains_key(&key) {
            let shared = match port {
                None => shared(self.world, event)?,
                Some(port) => around_port(self.world, event, port)?,
            };
            if self.shared.len() >= MAX_SHARED {
                self.shared.clear();
            }
            self.shared.insert(key, shared);
        }
        let Some(Some(shared)) = self.shared.get(&key) else { return self.plain(event) };
        self.out.add(&shared.before_time);
        self.out.time(time);
        for (n, part) in shared.after_time.iter().enumerate() {
            if n > 0 {
                self.out.number(u64::from(port.unwrap_or_default()));
            }
            self.out.add(part);
        }
        for (n, line) in event.lines.iter().enumerate() {
            self.out.add(if n == 0 { b"" } else { b"," });
            self.line(line)?;
        }
        self.out.put(b"]}\n");
        Ok(())
    }

    fn plain(&mut self, event: &LogEvent) -> std::io::Result<()> {
        serde_json::to_writer(&mut self.out, &events::record(self.world, event))?;
        self.out.put(b"\n");
        Ok(())
    }

    fn line(&mut self, line: &LogLine) -> std::io::Result<()> {
        let Some(message) = line.text.message().filter(|_| !line.truncated) else {
            serde_json::to_writer(&mut self.out, &super::build::line(self.world, line))?;
            return Ok(());
        };
        let begin = match self.paths.entry(line.source.0) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(free) => {
                let path = serde_json::to_string(self.world.bundle.path(line.source))?;
                free.insert(format!("{{\"path\":{path},\"line\":").into_bytes().into())
            }
        };
        self.out.add(begin);
        self.out.number(line.number);
        self.out.put(b",\"text\":\"");
        write_escaped(line.text.head(), &mut self.out)?;
        if self.messages.len() >= MAX_SHARED {
            self.messages.clear();
        }
        let quoted = match self.messages.entry(Arc::as_ptr(message).addr()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(free) => free.insert(serde_json::to_vec(&**message)?.into()),
        };
        self.out.add(quoted.get(1..).unwrap_or_default());
        self.out.put(b"}");
        Ok(())
    }
}

/// The addresses of all values that stand in a record besides its time and its lines, and the port where only that is
/// this record's own; none where no other event has these fields.
fn key(event: &LogEvent) -> Option<([usize; 5], Option<u16>)> {
    let name = |name: &Option<Arc<str>>| name.as_ref().map_or(0, |n| Arc::as_ptr(n).addr());
    let sides = (event.edge as usize) << 1 | usize::from(event.server_side);
    let (fields, port) = match event.fields.alike_but_for_port() {
        // an odd address: the fields themselves, which have another port, have the even one
        Some((alike, port)) => (alike | 1, Some(port)),
        None => (event.fields.shared_address()?, None),
    };
    let event_name = Arc::as_ptr(&event.name).addr();
    // an event's name and its edge come from two small sets: their mix stays unique
    let kind = event_name.wrapping_mul(64).wrapping_add(sides);
    Some(([fields, kind, name(&event.component), name(&event.host), name(&event.pod)], port))
}

/// Renders the record without its time and its lines.
fn shared(world: &World, event: &LogEvent) -> std::io::Result<Option<Shared>> {
    let parts = split(world, event)?;
    Ok(parts.map(|(before_time, after)| Shared { before_time, after_time: vec![after] }))
}

/// The same with gaps for the port: where two ports that differ in every digit leave different bytes.
fn around_port(world: &World, event: &LogEvent, port: u16) -> std::io::Result<Option<Shared>> {
    const PROBES: [u16; 2] = [11_111, 22_222];
    let render = |probe: u16| {
        let fields = event.fields.with_port(port, probe);
        split(world, &LogEvent { fields, lines: Vec::new(), ..event.clone() })
    };
    let (Some((before_time, one)), Some((same, other))) = (render(PROBES[0])?, render(PROBES[1])?) else {
        return Ok(None);
    };
    if before_time != same || one.len() != other.len() {
        return Ok(None);
    }
    let digits = PROBES[0].to_string();
    let (mut after_time, mut from) = (Vec::new(), 0);
    let mut differs = one.iter().zip(&other).enumerate().filter(|(_, (a, b))| a != b).map(|(at, _)| at);
    while let Some(at) = differs.next() {
        if differs.by_ref().take(digits.len() - 1).count() + 1 < digits.len()
            || one.get(at..at + digits.len()) != Some(digits.as_bytes())
        {
            return Ok(None);
        }
        after_time.push(one.get(from..at).unwrap_or_default().into());
        from = at + digits.len();
    }
    after_time.push(one.get(from..).unwrap_or_default().into());
    Ok(Some(Shared { before_time, after_time }))
}

/// What stands before the time of a record, and what stands behind it.
type Halves = (Box<[u8]>, Box<[u8]>);

/// The record in two parts, between which its time stands, and without its lines.
fn split(world: &World, event: &LogEvent) -> std::io::Result<Option<Halves>> {
    const TIME: &[u8] = b",\"time\":";
    const NO_TIME: &[u8] = b"\"\"";
    let mut record = events::record(world, &LogEvent { lines: Vec::new(), ..event.clone() });
    record.time = Some(String::new());
    let whole = serde_json::to_vec(&record)?;
    // no quote stands unescaped in a value, so this is the key itself
    let time = memchr::memmem::find(&whole, TIME).map(|n| n + TIME.len());
    let parts = time.and_then(|n| whole.split_at_checked(n));
    Ok(parts.and_then(|(before, after)| {
        Some((before.into(), after.strip_prefix(NO_TIME)?.strip_suffix(b"]}")?.into()))
    }))
}

/// Writes what stands between the quotes of a JSON string, escaped as serde_json does it: less than [`Text::string`].
fn write_escaped(text: &str, out: &mut Text) -> std::io::Result<()> {
    // without a way out within a block the compiler looks at many bytes at once
    let special = |b: u8| u8::from(b < b' ') | u8::from(b == b'"') | u8::from(b == b'\\');
    let plain = |block: &[u8]| block.iter().fold(0, |any, &b| any | special(b)) == 0;
    if text.as_bytes().chunks(32).all(plain) {
        out.add(text.as_bytes());
        return Ok(());
    }
    let quoted = serde_json::to_vec(text)?;
    out.add(quoted.get(1..quoted.len() - 1).unwrap_or_default());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::{self, Limits};
    use crate::log::{self, EventSet, LogOptions};

    #[test]
    fn records_are_what_serialising_gives() {
        let call = "Failed calling webhook, failing closed v.example.com: failed calling webhook \"v.example.com\": \
                    failed to call webhook: Post \"https://v.ns.svc:443/validate?timeout=5s\": ";
        let mut text = String::new();
        for n in 0..50 {
            let cause = match n % 4 {
                0 => "context deadline exceeded".to_owned(),
                1 => "dial tcp 10.0.0.2:443: connect: connection refused".to_owned(),
                2 => {
                    let port = [40_000 + n, 9, 443, 11_111, 22_222, 65_535][n / 4 % 6];
                    format!("read tcp 10.0.0.1:{port}->10.0.0.2:443: read: connection reset by peer")
                }
                _ => "x509: certificate signed by unknown authority (\u{1} \"x\")".to_owned(),
            };
            let line = format!(
                "Nov 21 02:00:{n:02} \u{e9}\u{2}-1 kube-apiserver[7]: W1121 02:00:{n:02}.000001    7 dispatcher.go:205] {call}{cause}\n"
            );
            text += &line;
        }
        text += "The connection to the server 10.0.0.1:6443 was refused - did you specify the right host or port?\n";
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kube-apiserver.log");
        std::fs::write(&path, text).unwrap();
        let bundle = bundle::discover(&[path], &Limits::default()).unwrap();
        let logs = log::read(&bundle.sources, &EventSet::builtin(), &LogOptions::default());
        let world = World { bundle, logs, ..World::default() };
        assert_eq!(world.logs.events.len(), 51);
        let mut plain = Vec::new();
        for event in &world.logs.events {
            serde_json::to_writer(&mut plain, &events::record(&world, event)).unwrap();
            plain.push(b'\n');
        }
        let mut quick = Vec::new();
        write(&world, &|_| true, &mut quick).unwrap();
        assert_eq!(String::from_utf8(quick).unwrap(), String::from_utf8(plain).unwrap());
    }
}
