//! Logs that stand among objects, as `kubectl cluster-info dump` prints them without a directory.
//!
//! Takes the lines of a text from its first such log on; gives the stretches of the logs, which nobody reads: whoever
//! writes a log can write what looks like objects into it.

use std::collections::HashMap;

use super::layout::LOGS_OF;
use super::parts::MAX_PARTS;

/// The log of one container, with what stands around it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Log {
    pub from: u64,
    pub to: u64,
    pub line: u64,
}

/// The logs of a text while it is read. Each goes on to the last line that ends it, since it may quote that line. Whoever
/// writes a log can end others so: behind the first of a namespace that tenants have all is text.
#[derive(Debug, Default)]
pub(super) struct Logs {
    begins: Vec<(Vec<u8>, u64, u64)>,
    /// Where the line that ends a log last is over.
    ends: HashMap<Vec<u8>, u64>,
    all_is_text: bool,
}

impl Logs {
    /// Takes the first bytes of a line, where it stands, and its number.
    pub(super) fn line(&mut self, line: &[u8], (from, to): (u64, u64), number: u64) {
        if self.all_is_text {
            return;
        }
        if let Some(of) = line.strip_prefix(LOGS_OF.as_bytes()) {
            self.all_is_text = !is_own(of) || self.begins.len() >= MAX_PARTS;
            self.begins.push((of.trim_ascii_end().to_owned(), from, number));
        } else if let Some(of) = line.strip_prefix(END) {
            let of = of.trim_ascii_end();
            if let Some(end) = self.ends.get_mut(of) {
                *end = to;
            } else if self.ends.len() < MAX_PARTS {
                self.ends.insert(of.to_owned(), to); // a log without an end goes on to that of the text
            }
        }
    }

    /// The logs of a text of so many bytes, from front to back, apart from each other.
    pub(super) fn finish(self, len: u64) -> Vec<Log> {
        let last = self.begins.len().checked_sub(1).filter(|_| self.all_is_text);
        let mut logs: Vec<Log> = Vec::new();
        for (n, (of, from, line)) in self.begins.into_iter().enumerate() {
            let text = Some(n) == last;
            let end = self.ends.get(&of).copied().filter(|to| *to > from && !text);
            let to = end.unwrap_or(len);
            match logs.last_mut().filter(|log| log.to > from) {
                Some(around) if text => around.to = len,
                Some(_) => {}
                None => logs.push(Log { from, to, line }),
            }
        }
        logs
    }
}

/// Of the cluster itself.
fn is_own(of: &[u8]) -> bool {
    memchr::memmem::find(of, b" of pod kube-system/").is_some()
}

const END: &[u8] = b"==== END logs for container ";

#[cfg(test)]
mod tests {
    use super::*;

    /// The text without its logs, and the numbers of the lines at which they begin.
    fn outside(text: &str) -> (String, Vec<u64>) {
        let (mut logs, mut at) = (Logs::default(), 0);
        for (line, number) in text.split_inclusive('\n').zip(1..) {
            let to = at + line.len() as u64;
            logs.line(line.trim_end().as_bytes(), (at, to), number);
            at = to;
        }
        let (mut kept, mut from) = (String::new(), 0);
        let logs = logs.finish(at);
        for log in &logs {
            kept += &text[from..log.from as usize];
            from = log.to as usize;
        }
        (kept + &text[from..], logs.iter().map(|log| log.line).collect())
    }

    #[test]
    fn logs_among_objects_are_left_out() {
        let log = |of: &str, said: &str| {
            format!("{LOGS_OF}{of} ====\n{said}==== END logs for container {of} ====\n")
        };
        let (a, b, other) = ("a of pod kube-system/p", "b of pod kube-system/q", "c of pod n/r");
        let quoting = log(a, "{\"kind\": \"Pod\"}\n");
        for (said, want, lines) in [
            (String::new(), "", vec![]),
            (format!("{{}}\n{}[]\n", log(a, "m\n")), "{}\n[]\n", vec![2]),
            (log(a, &format!("{quoting}{{}}\n")), "", vec![1]),
            (log(a, &log(b, "{}\n")), "", vec![1]),
            (format!("{}[]\n{}{{}}\n", log(a, ""), log(b, "")), "[]\n{}\n", vec![1, 4]),
            (format!("{{}}\n{LOGS_OF}{a} ====\nm\n{{}}"), "{}\n", vec![2]),
            (format!("{}{{}}\n{}{{}}\n", log(a, ""), log(other, "m\n")), "{}\n", vec![1, 4]),
            (
                format!(
                    "{}{{}}\n{}{{}}\n",
                    log(a, ""),
                    log(other, &format!("==== END logs for container {a} ====\n[]\n"))
                ),
                "{}\n",
                vec![1, 4],
            ),
            (format!("{}{{}}\n{}", log(a, &log(other, "")), log(b, "")), "", vec![1]),
            (format!("{{\"a\": \"{LOGS_OF}\"}}\n"), &format!("{{\"a\": \"{LOGS_OF}\"}}\n"), vec![]),
        ] {
            assert_eq!(outside(&said), (want.to_owned(), lines), "{said}");
        }
    }

    #[test]
    fn endless_logs_are_bounded() {
        let mut logs = Logs::default();
        for n in 0..2 * MAX_PARTS as u64 {
            for begin in [LOGS_OF, "==== END logs for container "] {
                logs.line(format!("{begin}c of pod kube-system/p-{n} ====").as_bytes(), (n, n + 1), n);
            }
        }
        assert!(logs.begins.len() == MAX_PARTS + 1 && logs.ends.len() <= MAX_PARTS);
        let logs = logs.finish(1 << 20);
        assert_eq!(logs.last().map(|log| log.to), Some(1 << 20));
    }
}
