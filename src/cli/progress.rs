//! What is going on, on a terminal's standard error only: nothing is shown when it is piped, quiet, or soon done.

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::args::ShowArguments;
use crate::bundle::ReadBytes;

/// A line that tells the phase, how much of it was read and how fast, and the time that is left; gone when dropped.
#[derive(Debug)]
pub struct Progress(Option<Line>);

#[derive(Debug)]
struct Line {
    bar: ProgressBar,
    read: Arc<Read>,
}

/// What is read in a phase.
#[derive(Debug, Default)]
struct Read {
    /// Bytes read so far in all phases, once there is something to read.
    bytes: std::sync::OnceLock<ReadBytes>,
    /// Of those, before this phase.
    before: AtomicU64,
    /// Bytes that this phase will read; 0 where that is not known.
    total: AtomicU64,
}

impl Progress {
    /// A line, if anyone is there to read it.
    pub fn new(show: &ShowArguments) -> Self {
        if show.quiet || !std::io::stderr().is_terminal() {
            return Self(None);
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(5));
        let read = Arc::new(Read::default());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}{read} ({elapsed})") {
            let shown = Arc::clone(&read);
            bar.set_style(style.with_key(
                "read",
                move |state: &ProgressState, out: &mut dyn std::fmt::Write| {
                    let _ = out.write_str(&shown.told(state.elapsed()));
                },
            ));
        }
        bar.enable_steady_tick(Duration::from_millis(250));
        Self(Some(Line { bar, read }))
    }

    /// None at all.
    pub const fn none() -> Self {
        Self(None)
    }

    /// A phase begins that reads nothing.
    pub fn phase(&self, text: &str) {
        if let Some(Line { bar, read }) = &self.0 {
            read.total.store(0, Ordering::Relaxed);
            read.before.store(u64::MAX, Ordering::Relaxed);
            bar.set_message(text.to_owned());
            bar.reset_elapsed();
        }
    }

    /// A phase begins that reads; `total` is how many bytes, where that is known.
    pub fn reading(&self, text: &str, bytes: &ReadBytes, total: Option<u64>) {
        self.phase(text);
        if let Some(Line { read, .. }) = &self.0 {
            let bytes = read.bytes.get_or_init(|| bytes.clone());
            read.total.store(total.unwrap_or(0), Ordering::Relaxed);
            read.before.store(bytes.get(), Ordering::Relaxed);
        }
    }
}

impl Read {
    /// `: 812 of 2,400 MB, 410 MB/s, 3 s left`, so long into the phase.
    fn told(&self, elapsed: Duration) -> String {
        let before = self.before.load(Ordering::Relaxed);
        let Some(bytes) = self.bytes.get().filter(|_| before != u64::MAX) else { return String::new() };
        told(bytes.get().saturating_sub(before), self.total.load(Ordering::Relaxed), elapsed)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(Line { bar, .. }) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

fn told(read: u64, total: u64, elapsed: Duration) -> String {
    let megabytes = |bytes: u64| crate::report::words::grouped(bytes / 1_000_000);
    let mut text = format!(": {}", megabytes(read));
    if total > 0 {
        let _ = write!(text, " of {}", megabytes(total));
    }
    text += " MB";
    let rate = read as f64 / elapsed.as_secs_f64();
    // The first moments would promise too much or too little.
    if elapsed < Duration::from_secs(1) || read == 0 {
        return text;
    }
    let _ = write!(text, ", {} MB/s", megabytes(rate as u64));
    if total > read {
        let _ = write!(text, ", {} s left", ((total - read) as f64 / rate).ceil());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_tells_bytes_rate_and_what_is_left() {
        for (read, total, millis, text) in [
            (0, 2_400_000_000, 0, ": 0 of 2,400 MB"),
            (800_000_000, 2_400_000_000, 500, ": 800 of 2,400 MB"),
            (800_000_000, 2_400_000_000, 2000, ": 800 of 2,400 MB, 400 MB/s, 4 s left"),
            (2_400_000_000, 2_400_000_000, 6000, ": 2,400 of 2,400 MB, 400 MB/s"),
            (90_000_000, 0, 1000, ": 90 MB, 90 MB/s"),
        ] {
            assert_eq!(told(read, total, Duration::from_millis(millis)), text);
        }
    }
}
