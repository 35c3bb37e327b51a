//! Logs that stand among objects, as `kubectl cluster-info dump` prints them without a directory.
//!
//! Takes a text; gives it without those logs, each line of which is left empty: whoever writes a log can write what looks
//! like objects into it.

use std::collections::HashMap;

/// Empties the lines of logs, and of what stands around them; gives the numbers of the lines at which they begin.
pub(super) fn blank_logs(text: &mut String) -> Vec<u64> {
    let logs = logs(text);
    if logs.is_empty() {
        return Vec::new();
    }
    let mut kept = String::with_capacity(text.len());
    let mut at = 0;
    for log in &logs {
        kept.push_str(text.get(at..log.from).unwrap_or_default());
        let lines = text.get(log.from..log.to).unwrap_or_default().bytes().filter(|b| *b == b'\n');
        kept.extend(lines.map(char::from));
        at = log.to;
    }
    kept.push_str(text.get(at..).unwrap_or_default());
    *text = kept;
    logs.iter().map(|log| log.line).collect()
}

/// The log of one container.
struct Log {
    from: usize,
    to: usize,
    line: u64,
}

/// Each goes on to the last line that ends it, or to the end of the text: it may quote that line.
fn logs(text: &str) -> Vec<Log> {
    if !text.contains(BEGIN) {
        return Vec::new();
    }
    let (mut ends, mut begins, mut at) = (HashMap::new(), Vec::new(), 0);
    for (line, number) in text.split_inclusive('\n').zip(1..) {
        if let Some(of) = line.strip_prefix(BEGIN) {
            begins.push((of.trim_end(), at, number));
        } else if let Some(of) = line.strip_prefix(END) {
            ends.insert(of.trim_end(), at + line.len());
        }
        at += line.len();
    }
    let mut logs: Vec<Log> = Vec::new();
    for (of, from, line) in begins {
        if logs.last().is_none_or(|log| log.to <= from) {
            let to = ends.get(of).copied().filter(|to| *to > from).unwrap_or(text.len());
            logs.push(Log { from, to, line });
        }
    }
    logs
}

const BEGIN: &str = "==== START logs for container ";
const END: &str = "==== END logs for container ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_among_objects_leave_empty_lines() {
        let log = |of: &str, said: &str| format!("{BEGIN}{of} ====\n{said}{END}{of} ====\n");
        let quoting = log("a of pod n/p", "{\"kind\": \"Pod\"}\n");
        for (said, want) in [
            (String::new(), String::new()),
            (format!("{{}}\n{}[]\n", log("a of pod n/p", "m\n")), "{}\n\n\n\n[]\n".to_owned()),
            (log("a of pod n/p", &format!("{quoting}{{}}\n")), "\n".repeat(6)),
            (log("a of pod n/p", &log("b of pod n/q", "{}\n")), "\n".repeat(5)),
            (format!("{}{}", log("a of pod n/p", ""), log("b of pod n/q", "")), "\n".repeat(4)),
            (format!("{{}}\n{BEGIN}a of pod n/p ====\nm\n{{}}"), "{}\n\n\n".to_owned()),
            (format!("{{\"a\": \"{BEGIN}\"}}\n"), format!("{{\"a\": \"{BEGIN}\"}}\n")),
        ] {
            let mut text = said.clone();
            blank_logs(&mut text);
            assert_eq!(text, want, "{said}");
        }
        let mut text = format!("{{}}\n{quoting}{{}}\n{quoting}");
        assert_eq!(blank_logs(&mut text), [2]);
        assert_eq!(text, "{}\n\n\n\n\n\n\n\n");
    }
}
