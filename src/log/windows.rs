//! Cuts the bytes of a log into windows that begin and end with whole entries.
//!
//! Takes a reader; gives its windows in order to whichever thread asks next, each into the buffer of that thread, so that
//! it is scanned while the processor's cache still holds it. Memory is bounded by the windows. Never looks for hits.

use std::io::{ErrorKind, Read};

use memchr::{memchr, memrchr};

use super::blocks::Framing;
use super::items::{self, Item, Items};
use crate::error::{Place, Weirds};

/// Bytes read before they are scanned: of the first window, which head and versions are taken from, and of the others,
/// which fit in the cache of a processor.
const FIRST_WINDOW: usize = 1 << 20;
const WINDOW: usize = 256 << 10;
/// Bytes that are asked for first of all: most files of a bundle are shorter.
const FIRST_READ: usize = 32 << 10;
/// Bytes that a window without a line end may grow to.
const MAX_WINDOW: usize = 16 << 20;
/// Bytes that a window within one block may grow to.
pub(super) const MAX_BLOCK: usize = 4 << 20;
/// Bytes at the end of a window in which an entry that goes on is looked for: a runtime cuts lines at 16 KiB.
const OPEN_REACH: usize = 32 << 10;
/// Bytes kept of the window before: the last one of a file may be too short to tell how it ends.
const KEPT: usize = 16 << 10;

/// What is left to read of a log.
pub(super) struct Windows<R> {
    reader: R,
    framing: Option<Framing>,
    /// The walk through it, if its blocks are found so.
    walk: Option<Items>,
    /// What follows the last whole entry of the windows so far.
    rest: Vec<u8>,
    before: Kept,
    next: u64,
    at_end: bool,
    pub bytes: u64,
    pub problems: Weirds,
}

/// The last entries of a window.
#[derive(Default)]
pub(super) struct Kept {
    pub bytes: Vec<u8>,
    pub items: Vec<Item>,
}

/// One window: how many bytes at the front of the buffer are whole entries.
pub(super) struct Window {
    /// From 0.
    pub number: u64,
    pub len: usize,
    /// Its blocks, where they are walked through.
    pub items: Vec<Item>,
    /// It is the last; with what was kept of the one before.
    pub last: Option<Kept>,
    /// It ends within an entry, since that is too long.
    pub too_long: bool,
}

impl<R: Read> Windows<R> {
    /// Of a log whose entries are framed like this; the first window tells where that is not known.
    pub(super) fn new(reader: R, framing: Option<Framing>) -> Self {
        Self {
            reader,
            walk: framing.and_then(Framing::walker).map(Items::new),
            framing,
            rest: Vec::new(),
            before: Kept::default(),
            next: 0,
            at_end: false,
            bytes: 0,
            problems: Weirds::default(),
        }
    }

    /// Known with the first window.
    pub(super) fn framing(&self) -> Framing {
        self.framing.unwrap_or_default()
    }

    /// Reads the next window; nothing after the last one.
    pub(super) fn next(&mut self, buffer: &mut Vec<u8>) -> Option<Window> {
        if self.at_end {
            return None;
        }
        let size = if self.next == 0 { FIRST_WINDOW } else { WINDOW };
        let mut filled = self.rest.len();
        grow(buffer, filled);
        buffer.get_mut(..filled)?.copy_from_slice(&self.rest);
        let mut too_long = false;
        let len = loop {
            filled = self.fill(buffer, filled, size);
            let window = buffer.get(..filled)?;
            if self.framing.is_none() {
                let framing = Framing::of(window);
                self.walk = framing.walker().map(Items::new);
                self.framing = Some(framing);
            }
            match self.cut(window) {
                _ if self.at_end => break filled,
                0 => {}
                len => break len,
            }
            too_long = filled >= if self.framing().is_blocks() { MAX_BLOCK } else { MAX_WINDOW };
            if too_long {
                break self.walk.as_mut().map_or(filled, |walk| walk.force(window));
            }
        };
        let (whole, rest) = buffer.get(..filled)?.split_at_checked(len)?;
        self.rest.clear();
        self.rest.extend_from_slice(rest);
        let items = self.walk.as_mut().map_or_else(Vec::new, |walk| walk.take(len));
        let last = self.at_end.then(|| std::mem::take(&mut self.before));
        self.keep(whole, &items);
        let number = self.next;
        self.next += 1;
        Some(Window { number, len, items, last, too_long })
    }

    /// Where the last whole entry ends.
    fn cut(&mut self, window: &[u8]) -> usize {
        match &mut self.walk {
            Some(walk) => walk.cut(window, self.at_end),
            None => cut(window, self.framing()),
        }
    }

    /// Reads `size` bytes behind those that are there; gives how many there are then.
    fn fill(&mut self, buffer: &mut Vec<u8>, mut filled: usize, size: usize) -> usize {
        // a window without a line end grows, but not without bound: such input is no log
        let goal = filled.saturating_add(size).clamp(WINDOW, MAX_WINDOW.max(filled));
        while filled < goal {
            // a buffer that grows as it is filled costs a small file what it holds, not a window
            grow(buffer, goal.min((filled * 2).max(FIRST_READ)));
            let Some(free) = buffer.get_mut(filled..).filter(|free| !free.is_empty()) else { break };
            let most = free.len().min(goal - filled);
            let free = free.get_mut(..most).unwrap_or_default();
            match self.reader.read(free) {
                Ok(0) => self.at_end = true,
                Ok(n) => {
                    filled += n.min(free.len());
                    self.bytes += n as u64;
                    continue;
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) => {
                    self.problems.loss("read_stopped", Place::Offset(self.bytes), || e.to_string());
                    self.at_end = true;
                }
            }
            break;
        }
        filled
    }

    /// Keeps the last entries of a window.
    fn keep(&mut self, whole: &[u8], items: &[Item]) {
        let reach = whole.len().saturating_sub(KEPT);
        let end = whole.get(reach..).unwrap_or_default();
        let later = items.get(items.partition_point(|item| item.start < reach)..).unwrap_or_default();
        let from = if self.walk.is_some() {
            later.first().map_or(whole.len(), |item| item.start) - reach
        } else if self.framing().is_blocks() {
            self.framing().end(end, 0)
        } else {
            memchr(b'\n', end).map_or(end.len(), |n| n + 1)
        };
        self.before.bytes.clear();
        self.before.bytes.extend_from_slice(end.get(from..).unwrap_or_default());
        self.before.items = items::shifted(later, |at| at - reach - from).collect();
    }
}

/// Makes room in a buffer; what was written once stays, since writing it again would cost more than the search.
fn grow(buffer: &mut Vec<u8>, size: usize) {
    if buffer.len() < size {
        buffer.resize(size, 0);
    }
}

/// Where the last whole entry ends: a line end that no multi-line value and no partial CRI line goes across. 0 where there
/// is none.
pub(super) fn cut(window: &[u8], framing: Framing) -> usize {
    if framing.is_blocks() {
        return framing.start(window, window.len());
    }
    let Some(end) = memrchr(b'\n', window).map(|n| n + 1) else { return 0 };
    let tail_at = end.saturating_sub(OPEN_REACH);
    let tail = window.get(tail_at..end).unwrap_or_default();
    // almost always there is none, which a search from the front shows fastest
    let last = |mark: &[u8]| memchr::memmem::find(tail, mark).and_then(|_| memchr::memmem::rfind(tail, mark));
    let value = last(b"=<\n").filter(|at| !is_closed(tail.get(*at..).unwrap_or_default()));
    let Some(opened) = value.into_iter().chain(last(b" P ")).chain(quoted(tail)).min() else { return end };
    match memrchr(b'\n', tail.get(..opened).unwrap_or_default()) {
        Some(n) => tail_at + n + 1,
        None => end,
    }
}

/// Whether the line stands here with which klog ends a value over several lines, ` >`, be it behind a header.
fn is_closed(value: &[u8]) -> bool {
    let is = |at: usize, marks: &[u8]| value.get(at).is_some_and(|b| marks.contains(b));
    memchr::memmem::find_iter(value, b" >").any(|n| n > 0 && is(n - 1, b"\n ") && is(n + 2, b"\n "))
}

/// Where the last denial of a webhook stands whose words may go on in the next window.
fn quoted(tail: &[u8]) -> Option<usize> {
    let near = tail.len().saturating_sub(QUOTE_REACH);
    let end = tail.get(near..)?;
    let at = memchr::memmem::rfind(end, b"denied the request")?;
    let line_end = at + memchr(b'\n', end.get(at..)?)?;
    let start = memrchr(b'\n', end.get(..at)?).map_or(0, |n| n + 1);
    super::denial::goes_on(end.get(start..line_end)?).then_some(near + at)
}

/// Bytes at the end of a window in which a denial is looked for.
const QUOTE_REACH: usize = 4 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives its bytes in portions, as pipes and decompressors do.
    struct Portions<'b>(&'b [u8], usize);

    impl Read for Portions<'_> {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            let n = self.1.min(out.len()).min(self.0.len());
            let (now, later) = self.0.split_at(n);
            out[..n].copy_from_slice(now);
            self.0 = later;
            Ok(n)
        }
    }

    fn windows(text: &[u8], portion: usize) -> Vec<(Vec<u8>, Window)> {
        let mut windows = Windows::new(Portions(text, portion), None);
        let mut buffer = Vec::new();
        let mut out = Vec::new();
        while let Some(window) = windows.next(&mut buffer) {
            assert_eq!(window.number, out.len() as u64);
            out.push((buffer[..window.len].to_vec(), window));
        }
        assert_eq!(windows.bytes, text.len() as u64);
        out
    }

    #[test]
    fn windows_are_whole_lines_and_together_the_log() {
        let line = |n: usize| format!("I1121 02:00:00.000000    7 x.go:1] {} {n}\n", "x".repeat(n % 300));
        let text: String = (0..12_000).map(line).collect();
        for portion in [1000, 1 << 30] {
            let windows = windows(text.as_bytes(), portion);
            assert!(windows.len() > 4);
            assert_eq!(
                windows.iter().flat_map(|(bytes, _)| bytes).copied().collect::<Vec<_>>(),
                text.as_bytes()
            );
            assert!(windows.iter().all(|(bytes, window)| bytes.ends_with(b"\n") && !window.too_long));
            let (last, others) = windows.split_last().unwrap();
            assert!(others.iter().all(|(_, window)| window.last.is_none()));
            let before = &last.1.last.as_ref().unwrap().bytes;
            assert!(others.last().unwrap().0.ends_with(before) && before.starts_with(b"I1121"));
        }
    }

    #[test]
    fn a_window_ends_before_what_goes_on() {
        let line = "W1121 02:00:00.000000    7 x.go:1] m\n";
        let value = "E1121 02:00:00.000000    7 x.go:1] \"m\" err=<\n\ta\n";
        let part = "2026-11-21T02:00:00Z stderr P W1121 a > b\n";
        for (text, end) in [
            (format!("{line}{line}"), 2 * line.len()),
            (format!("{line}{line}W11"), 2 * line.len()),
            (format!("{line}{value}"), line.len()),
            (format!("{line}{value} > c\n"), line.len() + value.len() + " > c\n".len()),
            (format!("{line}{value}\ta > b\n"), line.len()),
            (format!("{line}{value}\ta\n >\n"), line.len() + value.len() + "\ta\n >\n".len()),
            (format!("{line}{part}"), line.len()),
            (format!("{value} > c\n{line}{part}"), value.len() + " > c\n".len() + line.len()),
        ] {
            assert_eq!(cut(text.as_bytes(), Framing::Lines), end, "{text}");
        }
    }

    #[test]
    fn a_line_without_an_end_is_read_in_pieces() {
        let text = vec![b'x'; MAX_WINDOW + 3];
        let windows = windows(&text, 1 << 30);
        assert_eq!(windows.iter().map(|(bytes, _)| bytes.len()).collect::<Vec<_>>(), [MAX_WINDOW, 3]);
        assert_eq!(
            windows.iter().map(|(_, w)| (w.too_long, w.last.is_some())).collect::<Vec<_>>(),
            [(true, false), (false, true)]
        );
        assert!(
            self::windows(b"", 1).iter().all(|(bytes, window)| bytes.is_empty() && window.last.is_some())
        );
    }
}
