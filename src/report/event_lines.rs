//! Event records as NDJSON, at the pace at which failures are read.
//!
//! Takes events; gives the bytes that serialising their [`Event`](super::events::Event) would give, which a test holds.
//! What calls with the same words share, and the messages that lines share, are rendered once.

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::Arc;

use rayon::prelude::*;

use super::events;
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
            out.write_all(&lines.out)?;
        }
    }
    Ok(())
}

/// Lines rendered so far, and the parts that they share, by the addresses of the values that these were made of.
struct Lines<'w> {
    world: &'w World,
    out: Vec<u8>,
    shared: HashMap<[usize; 5], Shared>,
    messages: HashMap<usize, Box<[u8]>>,
}

/// A record around its time and its lines.
struct Shared {
    before_time: Box<[u8]>,
    after_time: Box<[u8]>,
}

impl<'w> Lines<'w> {
    fn new(world: &'w World) -> Self {
        Self { world, out: Vec::new(), shared: HashMap::new(), messages: HashMap::new() }
    }

    fn add(&mut self, event: &LogEvent) -> std::io::Result<()> {
        let (Some(time), Some(key)) = (event.time, key(event)) else { return self.plain(event) };
        if !self.shared.contains_key(&key) {
            let Some(shared) = shared(self.world, event)? else { return self.plain(event) };
            if self.shared.len() >= MAX_SHARED {
                self.shared.clear();
            }
            self.shared.insert(key, shared);
        }
        let Some(shared) = self.shared.get(&key) else { return Ok(()) };
        self.out.extend_from_slice(&shared.before_time);
        time.write_rfc3339(&mut self.out);
        self.out.extend_from_slice(&shared.after_time);
        for (n, line) in event.lines.iter().enumerate() {
            self.out.extend_from_slice(if n == 0 { b"" } else { b"," });
            self.line(line)?;
        }
        self.out.extend_from_slice(b"]}\n");
        Ok(())
    }

    fn plain(&mut self, event: &LogEvent) -> std::io::Result<()> {
        serde_json::to_writer(&mut self.out, &events::record(self.world, event))?;
        self.out.push(b'\n');
        Ok(())
    }

    fn line(&mut self, line: &LogLine) -> std::io::Result<()> {
        let Some(message) = line.text.message().filter(|_| !line.truncated) else {
            serde_json::to_writer(&mut self.out, &super::build::line(self.world, line))?;
            return Ok(());
        };
        let source = self.world.bundle.sources.get(line.source.0 as usize);
        self.out.extend_from_slice(b"{\"path\":");
        serde_json::to_writer(&mut self.out, source.map_or("", |s| &s.path))?;
        write!(self.out, ",\"line\":{},\"text\":", line.number)?;
        serde_json::to_writer(&mut self.out, line.text.head())?;
        self.out.pop(); // the quote that ends the head: the message goes on
        if self.messages.len() >= MAX_SHARED {
            self.messages.clear();
        }
        let quoted = match self.messages.entry(Arc::as_ptr(message).addr()) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(free) => {
                free.insert(serde_json::to_vec(&**message)?.into())
            }
        };
        self.out.extend_from_slice(quoted.get(1..).unwrap_or_default());
        self.out.push(b'}');
        Ok(())
    }
}

/// The addresses of all values that stand in a record besides its time and its lines; none where no other event has
/// these fields.
fn key(event: &LogEvent) -> Option<[usize; 5]> {
    let name = |name: &Option<Arc<str>>| name.as_ref().map_or(0, |n| Arc::as_ptr(n).addr());
    let sides = (event.edge as usize) << 1 | usize::from(event.server_side);
    let fields = event.fields.shared_address()?;
    let event_name = Arc::as_ptr(&event.name).addr();
    // an event's name and its edge come from two small sets: their mix stays unique
    let kind = event_name.wrapping_mul(64).wrapping_add(sides);
    Some([fields, kind, name(&event.component), name(&event.host), name(&event.pod)])
}

/// Renders the record without its time and its lines.
fn shared(world: &World, event: &LogEvent) -> std::io::Result<Option<Shared>> {
    const TIME: &[u8] = b",\"time\":\"";
    let mut record = events::record(world, &LogEvent { lines: Vec::new(), ..event.clone() });
    record.time = Some(String::new());
    let whole = serde_json::to_vec(&record)?;
    // no quote stands unescaped in a value, so this is the key itself
    let time = memchr::memmem::find(&whole, TIME).map(|n| n + TIME.len());
    let parts = time.and_then(|n| whole.split_at_checked(n));
    Ok(parts.and_then(|(before, after)| {
        let after = after.strip_suffix(b"]}")?;
        Some(Shared { before_time: before.into(), after_time: after.into() })
    }))
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
                    format!("read tcp 10.0.0.1:{}->10.0.0.2:443: read: connection reset by peer", 40_000 + n)
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
