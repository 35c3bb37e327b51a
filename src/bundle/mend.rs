//! Text as it was meant: without the NULs in front that nobody wrote and what was for a terminal, and with lines where
//! carriage returns end them.
//!
//! A log that is cut to nothing while its writer goes on where it was (`copytruncate`, a `>` without `O_APPEND`) begins
//! with as many NULs as it had bytes. Takes a reader; gives its bytes so mended. Never
//! looks into what they say.

use std::io::{self, BufRead, BufReader, Read};

use super::sniff;

/// What is mended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mend {
    /// NULs in front are left out.
    pub(super) nuls: bool,
    /// A carriage return is a line feed.
    pub(super) returns: bool,
    /// A carriage return before a line feed is left out.
    pub(super) pairs: bool,
    /// What a tool put in front of each line is left out.
    pub(super) prefixes: bool,
    /// What colours a text, and names the window that it stands in, is left out.
    pub(super) escapes: bool,
    /// What stands at the begin of a line without being of it is left out: byte order marks of files that were put one behind
    /// the other, form feeds, the RS of RFC 7464.
    pub(super) marks: bool,
}

impl Mend {
    /// Bytes behind those in front are changed, too.
    const fn is_of_bytes(self) -> bool {
        self.returns || self.pairs || self.escapes || self.marks
    }

    /// For a text that is looked through before it is read: whatever there may be further on.
    pub(super) const fn of_any(self) -> Self {
        Self { pairs: self.pairs || !self.returns, escapes: true, marks: true, ..self }
    }
}

/// The bytes of a reader, mended.
pub(super) struct Mended<R> {
    inner: BufReader<R>,
    mend: Mend,
    /// There may be more NULs to leave out.
    skips: bool,
    skipped: u64,
    state: State,
    /// What was given last ended a line.
    begins: bool,
    /// What a command says that is not over.
    command: Vec<u8>,
    /// Text that was made, and how much of it was given.
    out: Vec<u8>,
    given: usize,
    block: Vec<u8>,
}

impl<R: Read> Mended<R> {
    pub(super) fn new(inner: R, mend: Mend) -> Self {
        let inner = BufReader::with_capacity(1 << 18, inner);
        Self {
            inner,
            mend,
            skips: mend.nuls,
            skipped: 0,
            state: State::Text,
            begins: true,
            command: Vec::new(),
            out: Vec::new(),
            given: 0,
            block: Vec::new(),
        }
    }

    /// NULs that were left out.
    pub(super) const fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Goes on to the first byte that is no NUL.
    fn skip(&mut self) -> io::Result<()> {
        while self.skips {
            if self.skipped > MAX_NULS {
                return Err(io::Error::other(format!("it begins with more than {MAX_NULS} NULs")));
            }
            let bytes = self.inner.fill_buf()?;
            // a block at a time: this way a processor compares many bytes at once
            let block = |block: &&[u8]| block.iter().fold(0, |all, b| all | b) == 0;
            let blocks: usize = bytes.chunks(4096).take_while(block).map(<[u8]>::len).sum();
            let rest = bytes.get(blocks..).unwrap_or_default();
            let nuls = blocks + rest.iter().position(|b| *b != 0).unwrap_or(0);
            self.skips = nuls == bytes.len() && nuls > 0;
            self.skipped += nuls as u64;
            self.inner.consume(nuls);
        }
        Ok(())
    }

    /// Makes lines of what carriage returns end, and leaves out what speaks to a terminal.
    fn text(&mut self, bytes: &[u8]) {
        let marked = self.mend.marks && memchr::memchr3(FORM_FEED, RECORD, MARK[0], bytes).is_some();
        let odd = |b: &u8| matches!(*b, b'\r' | ESCAPE | FORM_FEED | RECORD) || *b == MARK[0];
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            if let State::Text = self.state {
                let plain =
                    if marked { rest.iter().position(odd) } else { memchr::memchr2(b'\r', ESCAPE, rest) };
                let plain = plain.unwrap_or(rest.len());
                self.out.extend_from_slice(rest.get(..plain).unwrap_or_default());
                at += plain;
            }
            let Some(&byte) = bytes.get(at) else { break };
            at += 1;
            self.byte(byte);
        }
    }

    /// Takes a byte that may not be plain text.
    fn byte(&mut self, byte: u8) {
        let before = std::mem::replace(&mut self.state, State::Text);
        self.state = match (before, byte) {
            // no sequence goes beyond its line
            (State::Held | State::Escape | State::Control, b'\n') => return self.out.push(byte),
            (State::Held, b'\r') => State::Held,
            (State::Held, _) => {
                self.out.push(b'\r');
                return self.byte(byte);
            }
            (State::Mark(n), byte) if MARK.get(n) == Some(&byte) => {
                if n + 1 == MARK.len() {
                    State::Text
                } else {
                    State::Mark(n + 1)
                }
            }
            (State::Mark(n), _) => {
                self.out.extend_from_slice(MARK.get(..n).unwrap_or_default());
                return self.byte(byte);
            }
            (State::Text | State::Return | State::Over, ESCAPE) if self.mend.escapes => State::Escape,
            (State::Text | State::Return | State::Over, FORM_FEED | RECORD) if self.may_be_marked() => return,
            (State::Text | State::Return | State::Over, byte) if byte == MARK[0] && self.may_be_marked() => {
                State::Mark(1)
            }
            // a shell goes to the begin of the line behind what it tells a terminal
            (State::Return, b'\n') | (State::Over, b'\r') => return,
            (State::Text | State::Return, b'\r') if self.mend.pairs => State::Held,
            (State::Text | State::Return, b'\r') if self.mend.returns => {
                self.out.push(b'\n');
                State::Return
            }
            (State::Text | State::Return | State::Over, byte) => return self.out.push(byte),
            (State::Escape, b'[') | (State::Control, b'\x20'..=b'\x3f') => State::Control,
            (State::Escape, b']') => State::Command,
            (State::Escape | State::Control, _) => State::Over,
            (State::Command, b'\x07' | ESCAPE) => {
                self.command.clear();
                if byte == ESCAPE { State::Escape } else { State::Over }
            }
            (State::Command, byte) => {
                self.command.push(byte);
                if byte != b'\n' && self.command.len() < MAX_COMMAND {
                    State::Command
                } else {
                    // it never ends: what stands here is text
                    self.out.append(&mut self.command);
                    State::Text
                }
            }
        };
    }

    /// A line begins.
    fn may_be_marked(&self) -> bool {
        self.mend.marks && self.out.last().map_or(self.begins, |b| *b == b'\n')
    }

    /// What was held back to the end is text; whether there was any.
    fn ends(&mut self) -> bool {
        match std::mem::replace(&mut self.state, State::Text) {
            State::Held => self.out.push(b'\r'),
            State::Mark(n) => self.out.extend_from_slice(MARK.get(..n).unwrap_or_default()),
            _ => {}
        }
        self.out.append(&mut self.command);
        !self.out.is_empty()
    }
}

/// Bytes of a command to a terminal: the title of a window.
const MAX_COMMAND: usize = 256;
const ESCAPE: u8 = 0x1b;
const FORM_FEED: u8 = 0x0c;
const RECORD: u8 = 0x1e;
/// A byte order mark in UTF-8.
const MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

/// What the last byte was of (ECMA-48 §5.4, §8.3.89).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Text,
    /// A carriage return, which has become a line end.
    Return,
    /// A carriage return of which the next byte tells whether it ends a line.
    Held,
    /// The first byte of a sequence, of a control sequence and of a command to the operating system.
    Escape,
    Control,
    Command,
    /// So many bytes of a byte order mark.
    Mark(usize),
    /// The last byte of a sequence.
    Over,
}

impl<R: Read> Read for Mended<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.skip()?;
        if !self.mend.is_of_bytes() {
            return self.inner.read(buf);
        }
        while self.given == self.out.len() {
            self.begins = self.out.last().map_or(self.begins, |b| *b == b'\n');
            self.given = 0;
            self.out.clear();
            let mut block = std::mem::take(&mut self.block);
            block.resize(BLOCK, 0);
            let read = self.inner.read(&mut block)?;
            self.text(block.get(..read).unwrap_or_default());
            self.block = block;
            if read == 0 && !self.ends() {
                return Ok(0);
            }
        }
        let n = self.out.get(self.given..).unwrap_or_default().read(buf)?;
        self.given += n;
        Ok(n)
    }
}

/// Bytes that are mended at once.
const BLOCK: usize = 64 << 10;

/// Whether a file that begins so begins with NULs beyond what is looked at.
pub(super) fn is_nuls(head: &[u8], look: u64) -> bool {
    head.len() as u64 == look && head.iter().all(|b| *b == 0)
}

/// Whether what begins so may be a text behind NULs.
pub(super) fn may_begin_behind_nuls(head: &[u8], look: u64) -> bool {
    let text = head.iter().position(|b| *b != 0).filter(|nuls| *nuls > 0);
    is_nuls(head, look)
        || text.and_then(|nuls| head.get(nuls..)).is_some_and(|text| sniff::kind(text).is_text())
}

/// What is to be mended in a text that begins and ends so: most of its lines end in carriage returns, alone or before line
/// feeds, or there are escape sequences in it.
pub(super) fn of_text(head: &[u8], tail: &[u8]) -> Mend {
    let returns = memchr::memchr_iter(b'\r', head).count();
    let feeds = memchr::memchr_iter(b'\n', head).count();
    let pairs = memchr::memmem::find_iter(head, b"\r\n").count();
    let begins = |text: &[u8], begin: &[u8]| memchr::memmem::find(text, begin).is_some();
    let escapes = [head, tail].iter().any(|text| begins(text, b"\x1b[") || begins(text, b"\x1b]"));
    Mend {
        returns: returns > 0 && feeds == 0,
        pairs: pairs > 0 && pairs * 2 > feeds,
        escapes,
        ..Mend::default()
    }
}

/// A line without what is no part of it.
pub(super) fn unmarked(mut line: &[u8]) -> &[u8] {
    while let Some(rest) = line
        .strip_prefix(&MARK)
        .or_else(|| line.strip_prefix(&[FORM_FEED]))
        .or_else(|| line.strip_prefix(&[RECORD]))
    {
        line = rest;
    }
    line
}

/// NULs in front of a log that are looked behind: a sparse file may have more of them than any disk has bytes.
pub(super) const MAX_NULS: u64 = 4 << 30;
