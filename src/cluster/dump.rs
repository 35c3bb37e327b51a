//! Logs that stand among objects, as `kubectl cluster-info dump` prints them without a directory.
//!
//! Takes a text; gives it without those logs, each line of which is left empty: whoever writes a log can write what looks
//! like objects into it.

use std::collections::HashMap;

use crate::bundle::LOGS_OF;

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

/// Each goes on to the last line that ends it, since it may quote that line. Whoever writes a log can end others so: behind
/// the first of a namespace that tenants have all is text.
fn logs(text: &str) -> Vec<Log> {
    if !text.contains(LOGS_OF) {
        return Vec::new();
    }
    let (mut ends, mut begins, mut at) = (HashMap::new(), Vec::new(), 0);
    for (line, number) in text.split_inclusive('\n').zip(1..) {
        if let Some(of) = line.strip_prefix(LOGS_OF) {
            begins.push((of.trim_end(), at, number));
            if !of.contains(OWN) {
                break;
            }
        } else if let Some(of) = line.strip_prefix(END) {
            ends.insert(of.trim_end(), at + line.len());
        }
        at += line.len();
    }
    let mut logs: Vec<Log> = Vec::new();
    for (of, from, line) in begins {
        let end = ends.get(of).copied().filter(|to| *to > from && of.contains(OWN));
        let to = end.unwrap_or(text.len());
        match logs.last_mut().filter(|log| log.to > from) {
            Some(around) => around.to = around.to.max(if of.contains(OWN) { 0 } else { to }),
            None => logs.push(Log { from, to, line }),
        }
    }
    logs
}

/// Pods of the cluster itself.
const OWN: &str = " of pod kube-system/";
const END: &str = "==== END logs for container ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_among_objects_leave_empty_lines() {
        let log = |of: &str, said: &str| format!("{LOGS_OF}{of} ====\n{said}{END}{of} ====\n");
        let (a, b, other) = ("a of pod kube-system/p", "b of pod kube-system/q", "c of pod n/r");
        let quoting = log(a, "{\"kind\": \"Pod\"}\n");
        for (said, want) in [
            (String::new(), String::new()),
            (format!("{{}}\n{}[]\n", log(a, "m\n")), "{}\n\n\n\n[]\n".to_owned()),
            (log(a, &format!("{quoting}{{}}\n")), "\n".repeat(6)),
            (log(a, &log(b, "{}\n")), "\n".repeat(5)),
            (format!("{}[]\n{}{{}}\n", log(a, ""), log(b, "")), "\n\n[]\n\n\n{}\n".to_owned()),
            (format!("{{}}\n{LOGS_OF}{a} ====\nm\n{{}}"), "{}\n\n\n".to_owned()),
            (format!("{}{{}}\n{}{{}}\n", log(a, ""), log(other, "m\n")), "\n\n{}\n\n\n\n\n".to_owned()),
            (
                format!("{}{{}}\n{}{{}}\n", log(a, ""), log(other, &format!("{END}{a} ====\n[]\n"))),
                "\n\n{}\n\n\n\n\n\n".to_owned(),
            ),
            (format!("{{\"a\": \"{LOGS_OF}\"}}\n"), format!("{{\"a\": \"{LOGS_OF}\"}}\n")),
        ] {
            let mut text = said.clone();
            blank_logs(&mut text);
            assert_eq!(text, want, "{said}");
        }
        let mut text = format!("{{}}\n{}{{}}\n{}", log(a, "m\n"), log(other, ""));
        assert_eq!(blank_logs(&mut text), [2, 6]);
    }
}
