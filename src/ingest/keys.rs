//! Key logs in, the secrets that sessions are opened with out.
//!
//! Takes sources that are key logs, and the decryption secrets blocks of captures as they are read; says in the report
//! of each input how much of it was of use. Never shows a line.

use std::io::Read;
use std::sync::Arc;

use crate::bundle::{InputReport, Source, SourceKind};
use crate::error::{Place, Weirds};
use crate::tls::{KeyLog, KeyLogLines, MAX_SESSIONS};

/// All secrets known so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys {
    log: Arc<KeyLog>,
    /// Bytes taken of the decryption secrets blocks of the file that is read.
    taken: usize,
}

impl Keys {
    /// Reads every source that is a key log.
    pub(super) fn read(sources: &[Source], inputs: &mut Vec<InputReport>) -> Self {
        let mut log = KeyLog::default();
        for source in sources.iter().filter(|s| s.kind == SourceKind::KeyLog) {
            inputs.push(read(source, &mut log, MAX_BYTES));
        }
        Self { log: Arc::new(log), taken: 0 }
    }

    /// What sessions are opened with.
    pub(super) fn log(&self) -> Arc<KeyLog> {
        Arc::clone(&self.log)
    }

    /// Whether there is anything new in the blocks of the file that is read.
    pub(super) fn are_behind(&self, blocks: &str) -> bool {
        blocks.len() > self.taken
    }

    /// Takes what is new in the blocks of the file that is read. While someone else holds the log it is copied.
    pub(super) fn take(&mut self, blocks: &str, problems: &mut Weirds) {
        let new = blocks.get(self.taken..).unwrap_or_default();
        let lines = Arc::make_mut(&mut self.log).add(new);
        note(&lines, problems);
        self.taken = blocks.len();
    }

    /// A file has ended.
    pub(super) fn end_of_file(&mut self) {
        self.taken = 0;
    }
}

fn read(source: &Source, log: &mut KeyLog, most: u64) -> InputReport {
    let mut report = InputReport::of(source);
    let mut bytes = Vec::new();
    let read = source.open().and_then(|r| r.take(most + 1).read_to_end(&mut bytes));
    if let Err(error) = read {
        let at = Place::Offset(bytes.len() as u64);
        report.problems.loss("unreadable", at, || {
            if bytes.is_empty() { source.unreadable(&error) } else { format!("reading stopped: {error}") }
        });
    }
    if bytes.len() as u64 > most {
        bytes.truncate(most as usize);
        report.problems.loss("limit_key_log_bytes", Place::Offset(most), || {
            format!("key logs are read up to {most} bytes; keep the lines of the time of the incident")
        });
    }
    let lines = log.add(&String::from_utf8_lossy(&bytes));
    report.bytes = bytes.len() as u64;
    report.lines = Some(lines.lines);
    report.skipped = lines.secrets + lines.beyond == 0;
    note(&lines, &mut report.problems);
    report
}

/// Says what became of the lines; that secrets are used is worth saying too.
fn note(lines: &KeyLogLines, problems: &mut Weirds) {
    if lines.secrets > 0 {
        problems.add("tls_secrets", Place::Whole, lines.secrets, false, || {
            "secrets of TLS sessions stand here: sessions are decrypted with them, and they are shown nowhere".to_owned()
        });
    }
    if lines.beyond > 0 {
        problems.add("limit_key_log_sessions", Place::Whole, lines.beyond, true, || {
            format!(
                "secrets of at most {MAX_SESSIONS} sessions are kept, and these are of others; keep the lines of the time of the incident"
            )
        });
    }
    if lines.damaged > 0 {
        let at = lines.first_damaged.map_or(Place::Whole, Place::Line);
        problems.add("damaged_key_log_line", at, lines.damaged, true, || {
            "no label, random and secret in hex of the right length; such lines are left out".to_owned()
        });
    }
}

/// Bytes of one key log; a line has about 200.
const MAX_BYTES: u64 = 256 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::{Limits, discover};

    #[test]
    fn a_key_log_beyond_the_bound_is_said_and_its_beginning_is_used() {
        let line = |n: u8| {
            let hex = |byte: u8| format!("{byte:02x}").repeat(32);
            format!("CLIENT_TRAFFIC_SECRET_0 {} {}\n", hex(n), hex(0x55))
        };
        let text: String = (1..=4).map(line).collect();
        let folder = tempfile::tempdir().expect("a directory");
        std::fs::write(folder.path().join("keys.txt"), &text).expect("writable");
        let bundle = discover(&[folder.path().to_owned()], &Limits::default()).expect("a bundle");
        let source = &bundle.sources[0];
        assert_eq!(source.kind, SourceKind::KeyLog);
        let two_lines = text.len() as u64 / 2;
        let report = read(source, &mut KeyLog::default(), two_lines);
        let said = report.problems.iter().find(|w| w.name == "limit_key_log_bytes").expect("it is said");
        assert!(said.loss && said.at == Place::Offset(two_lines), "{said:?}");
        assert!(said.detail.contains(&format!("up to {two_lines} bytes")), "{said:?}");
        assert_eq!((report.bytes, report.lines), (two_lines, Some(2)));
        let used = report.problems.iter().find(|w| w.name == "tls_secrets").map(|w| w.count);
        assert_eq!(used, Some(2), "what stands before the bound is used");
        let whole = read(source, &mut KeyLog::default(), text.len() as u64);
        assert!(!whole.problems.any_loss() && whole.lines == Some(4), "{:?}", whole.problems);
    }
}
