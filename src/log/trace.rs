//! Blocks of `k8s.io/utils/trace`: when a slow call began and how long it took.
//!
//! Takes the message of a trace's head and the lines after it; gives the webhook call inside, with its exact start and
//! duration (`trace.go` writes the date in the head only). Never decides whether the call failed.

use super::envelope;
use super::stamp;
use crate::time::{Civil, TimeDelta};

/// A webhook call that a trace tells of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trace {
    pub webhook: String,
    /// Begin of the call by the process's own zone, with its year.
    pub began: Civil,
    pub duration: TimeDelta,
}

/// A trace's head: `Trace[123]: "Call validating webhook" configuration:…,webhook:… (21-Nov-2026 02:24:37.000) (total
/// time: 10001ms):`.
pub(super) struct Head {
    number: String,
    began: Civil,
    call: Option<Trace>,
}

/// Bytes behind a head, and lines in them, in which the call of its block is looked for.
const MAX_BLOCK: usize = 16 << 10;
const MAX_STEPS: usize = 64;

/// Reads a trace's head; the lines within a block are none.
pub(super) fn read(message: &str) -> Option<Head> {
    let rest = message.strip_prefix("Trace[")?;
    let (number, rest) = rest.split_once("]: \"")?;
    let (_, after) = rest.rsplit_once(" (total time: ")?;
    let head = rest.get(..rest.len() - after.len() - " (total time: ".len())?;
    let (fields, date) = head.trim_end_matches(')').rsplit_once('(')?;
    let (began, _) = stamp::trace(date.as_bytes())?;
    let duration = stamp::go_duration(after.split(')').next()?)?;
    let call = webhook(fields).map(|webhook| Trace { webhook, began, duration });
    Some(Head { number: number.to_owned(), began, call })
}

/// The webhook call of a trace: its head, or a step within its block.
pub(super) fn find_call(head: Head, piece: &[u8], from: usize) -> Option<Trace> {
    if head.call.is_some() {
        return head.call;
    }
    let prefix = format!("Trace[{}]: [\"Call ", head.number);
    let rest = piece.get(from..)?;
    let block = rest.get(..rest.len().min(MAX_BLOCK))?;
    let lines = block.split(|&b| b == b'\n').skip(1).take(MAX_STEPS);
    let messages = lines.map(|line| envelope::peel(&String::from_utf8_lossy(line)).message.into_owned());
    // the next trace ends this one: of many in a row each is looked at once
    messages.take_while(|message| !message.contains(" (total time: ")).find_map(|message| {
        let step = message.strip_prefix(&prefix)?;
        // `["Call validating webhook" configuration:…,webhook:…,… 10001ms (02:24:37.123)]`
        let (fields, clock) = step.trim_end_matches(']').trim_end_matches(')').rsplit_once(" (")?;
        let (fields, duration) = fields.rsplit_once(' ')?;
        let clock = stamp::clock(clock.as_bytes())?;
        let began = Civil {
            hour: clock.hour,
            minute: clock.minute,
            second: clock.second,
            nanos: clock.nanos,
            ..head.began
        };
        Some(Trace { webhook: webhook(fields)?, began, duration: stamp::go_duration(duration)? })
    })
}

fn webhook(fields: &str) -> Option<String> {
    let after = fields.split_once("webhook:")?.1;
    let name = after.split([',', ' ']).next()?;
    (!name.is_empty()).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_or_a_step_names_the_call() {
        let head = "Trace[81]: \"Call validating webhook\" configuration:c,webhook:v.example.com,resource:/v1, \
                    Resource=pods,operation:CREATE,UID:1 (21-Nov-2026 02:24:37.000) (total time: 10001ms):";
        let call = find_call(read(head).unwrap(), b"", 0).unwrap();
        assert_eq!((call.webhook.as_str(), call.duration), ("v.example.com", TimeDelta::from_millis(10_001)));
        assert_eq!((call.began.year, call.began.month, call.began.hour), (2026, 11, 2));

        let parent = "Trace[9]: \"Create\" accept:x (21-Nov-2026 02:24:37.000) (total time: 10012ms):";
        let block =
            b"head\nTrace[9]: [\"Call mutating webhook\" configuration:c,webhook:m.example.com,UID:2 9003ms \
                      (02:24:38.250)]\nTrace[9]: [10.012s] [10.012s] END\n";
        let call = find_call(read(parent).unwrap(), block, 0).unwrap();
        assert_eq!(
            (call.webhook.as_str(), call.began.second, call.began.nanos),
            ("m.example.com", 38, 250_000_000)
        );
        assert!(read("Trace[9]: [10.012s] [10.012s] END").is_none());
    }
}
