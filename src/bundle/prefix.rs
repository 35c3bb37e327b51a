//! What a tool that shows lines of files puts in front of each: `FILE:LINE:` of grep, the numbers of `cat -n`, a host of
//! pdsh, a service of docker compose, spaces, marks of a quotation.
//!
//! Takes the first bytes of a text and says whether almost all of its lines have such a thing with a logger's or a
//! journal's header behind it; gives the lines without it. One line alone proves nothing: any text may quote a log.

use std::io::{self, BufRead, BufReader, Read};

use super::layout;
use super::sniff;

/// Whether lines of a text that begins so are behind something.
pub(super) fn is_prefixed(head: &[u8]) -> bool {
    let whole = head.get(..memchr::memrchr(b'\n', head).map_or(head.len(), |n| n + 1)).unwrap_or_default();
    let lines = whole.split(|b| *b == b'\n').filter(|line| !line.trim_ascii().is_empty() && *line != b"--");
    let (mut headed, mut like, mut all, mut prefix) = (0, 0, 0, &b""[..]);
    for line in lines {
        all += 1;
        let len = len(line);
        if len > 0 {
            headed += 1;
            prefix = line.get(..len).unwrap_or_default();
        } else if !prefix.is_empty() && len_as(prefix, line).is_some() {
            like += 1;
        }
    }
    headed * 2 >= all.max(1) && (headed + like) * 5 >= all * 4
}

/// Bytes in front of the header of a line; none where there is no header behind them.
fn len(line: &[u8]) -> usize {
    let head = line.get(..line.len().min(MOST)).unwrap_or_default();
    let quoted = head.iter().take_while(|b| matches!(b, b' ' | b'\t' | b'>')).count();
    if quoted > 0 && is_header(line, quoted) {
        return quoted;
    }
    let inside = head.get(quoted..).unwrap_or_default();
    let word = inside.iter().take_while(|b| is_of_a_word(**b)).count();
    let behind = inside.get(word..).unwrap_or_default();
    let spaces = behind.iter().take_while(|b| **b == b' ').count();
    let bar = behind.get(spaces..).is_some_and(|rest| rest.starts_with(b"| ")).then_some(spaces + 2);
    let numbers = (word == 0 || inside.iter().take(word).all(u8::is_ascii_digit))
        .then_some(spaces + usize::from(behind.get(spaces) == Some(&b'\t')));
    // `NAMESPACE/POD: ` would name the writer
    let is_name = quoted == 0 && inside.get(word.wrapping_sub(1)) == Some(&b':');
    let named = (is_name && !inside.iter().take(word).any(|b| *b == b'/')).then_some(spaces);
    let behind_word = [bar, numbers, named].into_iter().flatten().map(|n| quoted + word + n);
    let places = |(at, b): (usize, &u8)| matches!(b, b':' | b'-').then_some(at + 1);
    let in_word = inside.iter().take(word).enumerate().filter_map(places).map(|n| quoted + n);
    let found = behind_word.chain(in_word).find(|&at| at > quoted && is_header(line, at));
    found.filter(|_| !names_a_container(inside)).unwrap_or(0)
}

/// Bytes in front of a line that are looked at.
const MOST: usize = 256;

const fn is_of_a_word(byte: u8) -> bool {
    !byte.is_ascii_whitespace() && !matches!(byte, b'"' | b'\'' | b'=' | b'{' | b'(' | b'[' | b',' | b'|')
}

/// Whether a header begins there, be it of a line of JSON.
fn is_header(line: &[u8], at: usize) -> bool {
    const JSON: [&[u8]; 5] = [b"{\"level\":", b"{\"ts\":", b"{\"log\":", b"{\"time", b"{\"msg\":"];
    let text = line.get(at..).unwrap_or_default();
    let head = String::from_utf8_lossy(text.get(..text.len().min(64)).unwrap_or_default());
    JSON.iter().any(|begin| text.starts_with(begin)) || sniff::begins_as_logged(&head)
}

/// A path that names the container whose words follow, and none of the cluster's own: without it nobody would know whose
/// they are.
fn names_a_container(word: &[u8]) -> bool {
    let text = String::from_utf8_lossy(word);
    let path = text.split(':').next().unwrap_or_default();
    let own = layout::writer_of(path).is_some_and(|(pod, _)| pod.starts_with("kube-system/"));
    layout::of_container(path).is_some() && !own
}

/// Bytes of a line without a header that stand where the line before it had such a prefix: numbers and runs of spaces may
/// differ, and grep writes a dash beside what it looked for.
fn len_as(prefix: &[u8], line: &[u8]) -> Option<usize> {
    if prefix.iter().all(|b| *b == b' ') {
        return line.starts_with(prefix).then_some(prefix.len());
    }
    let run = |text: &[u8], is: fn(&u8) -> bool| text.iter().take_while(|b| is(b)).count();
    let (mut at, mut to) = (0, 0);
    while let Some(&byte) = prefix.get(at) {
        let (one, two) = (prefix.get(at..)?, line.get(to..)?);
        let next = two.first()?;
        if byte.is_ascii_digit() {
            (at, to) = (at + run(one, u8::is_ascii_digit), to + run(two, u8::is_ascii_digit));
            next.is_ascii_digit().then_some(())?;
        } else if byte == b' ' {
            (at, to) = (at + run(one, |b| *b == b' '), to + run(two, |b| *b == b' '));
        } else {
            (byte == *next || matches!((byte, next), (b':' | b'-', b':' | b'-'))).then_some(())?;
            (at, to) = (at + 1, to + 1);
        }
    }
    Some(to)
}

/// Lines without what stands in front of them.
pub(super) struct Unprefixed<R> {
    inner: BufReader<R>,
    line: Vec<u8>,
    given: usize,
    in_line: bool,
    /// What stood in front of the last header.
    prefix: Vec<u8>,
}

impl<R: Read> Unprefixed<R> {
    pub(super) fn new(inner: R) -> Self {
        let inner = BufReader::with_capacity(1 << 18, inner);
        Self { inner, line: Vec::new(), given: 0, in_line: false, prefix: Vec::new() }
    }

    /// Bytes in front of what the line says.
    fn len(&mut self) -> usize {
        let own = len(&self.line);
        if own == 0 {
            return len_as(&self.prefix, &self.line).unwrap_or(0);
        }
        self.prefix.clear();
        self.prefix.extend_from_slice(self.line.get(..own).unwrap_or_default());
        own
    }
}

impl<R: Read> Read for Unprefixed<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.given == self.line.len() {
            self.line.clear();
            self.inner.by_ref().take(LINE).read_until(b'\n', &mut self.line)?;
            self.given = if self.in_line { 0 } else { self.len() };
            self.in_line = self.line.last().is_some_and(|b| *b != b'\n');
        }
        let n = self.line.get(self.given..).unwrap_or_default().read(buf)?;
        self.given += n;
        Ok(n)
    }
}

/// Bytes of a line that are held at once.
const LINE: u64 = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    const KLOG: &str = "W1121 02:25:49.766606   31227 dispatcher.go:205] m";
    const JOURNAL: &str =
        "Nov 21 02:24:47 cp-1 kube-apiserver[28800]: W1121 02:24:47.529354   28800 d.go:1] m";
    const CRI: &str = "2026-11-21T02:56:32.435427555Z stderr F W1121 02:56:32.435323    7396 d.go:217] m";

    #[test]
    fn what_tools_put_in_front_is_left_out() {
        for line in [KLOG, JOURNAL, CRI] {
            for prefix in [
                "1204:",
                "1204-",
                "  1204\t",
                "  1204  ",
                "kube-apiserver.log:",
                "logs/cp-1/kube-apiserver-2026-11-21.log:1204:",
                "logs/kube-apiserver.log-1204-",
                "cp-1: ",
                "kube-apiserver-1  | ",
                "    ",
                "> > ",
            ] {
                let more = prefix.replace("1204", "99").replace("> > ", "> >  ");
                let text = format!("{prefix}{line}\n").repeat(4) + &format!("{more}\tmore\n{more}\n");
                assert!(is_prefixed(text.as_bytes()), "{text}");
                let mut read = String::new();
                Unprefixed::new(text.as_bytes()).read_to_string(&mut read).unwrap();
                assert_eq!(read, format!("{line}\n").repeat(4) + "\tmore\n\n", "{text}");
            }
        }
        assert!(is_prefixed(b"12:{\"log\":\"m\"}\n"));
        let own = "var/log/pods/kube-system_kube-apiserver-cp-1_u/kube-apiserver/0.log";
        assert!(is_prefixed(format!("{own}:12:{CRI}\n").as_bytes()));
        let long = format!("12:{KLOG}{}\n13:{KLOG}", "x".repeat(200_000));
        let mut read = String::new();
        Unprefixed::new(long.as_bytes()).read_to_string(&mut read).unwrap();
        assert_eq!(read, long.replace("12:", "").replace("13:", ""));
    }

    #[test]
    fn a_text_that_quotes_a_log_has_no_prefix() {
        for line in [
            KLOG.to_owned(),
            JOURNAL.to_owned(),
            CRI.to_owned(),
            format!("user said: {KLOG}"),
            format!("GET /a {KLOG}"),
            format!("err=\"{KLOG}"),
            format!("\"{KLOG}"),
            format!("{{\"a\":\"{KLOG}\"}}"),
            format!("  note: {KLOG}"),
            format!("[pod/a/b] {KLOG}"),
            format!("evil/a: {KLOG}"),
            format!("evil evil-0 c {KLOG}"),
            format!("var/log/pods/evil_a_u/c/0.log:12:{CRI}"),
            format!("./evil_a_9a6abc05-c272-55d3-a421-a5cbcb13f927/c/0.log:12:{CRI}"),
            format!("a_evil_c-{}.log:{CRI}", "0123456789abcdef".repeat(4)),
            "took until 2026-11-21T02:24:47Z to fail, and then to fail once more".to_owned(),
        ] {
            assert!(!is_prefixed(format!("{line}\n").repeat(3).as_bytes()), "{line}");
        }
        let some = format!("x: {KLOG}\nmore\nx: {KLOG}\nand more\n");
        assert!(!is_prefixed(some.as_bytes()));
    }
}
