//! Lines that end before their reason does: what wrote, shipped or copied them cut them.
//!
//! Takes what was read of a failure that no event knows, and the reasons that events know; says whether the text ends
//! where it ends in the middle. A reason counts as cut only as the beginning of one that is known: any other may be whole.

use super::classify::masked;
use super::grammar::Parsed;

/// Reasons that events know, numbers masked, in order: of failures, and of what looks like one and is none.
#[derive(Debug, Default)]
pub(super) struct Reasons {
    failures: Vec<String>,
    look_alikes: Vec<String>,
}

impl Reasons {
    /// Of samples: with and without operation and addresses.
    pub(super) fn of(failures: &[Parsed], look_alikes: &[Parsed]) -> Self {
        let reasons = |samples: &[Parsed]| {
            let texts = samples.iter().flat_map(|p| [masked(&p.tail), masked(&p.fields.reason)]);
            let mut all: Vec<_> = texts.collect();
            all.sort();
            all.dedup();
            all
        };
        Self { failures: reasons(failures), look_alikes: reasons(look_alikes) }
    }

    /// A known reason of a failure begins so and goes on.
    fn go_on(&self, text: &str) -> bool {
        begins(&self.failures, &masked(text))
    }

    /// The same, and none of what is no failure does.
    fn go_on_as_failure(&self, text: &str) -> bool {
        let text = masked(text);
        begins(&self.failures, &text) && !begins(&self.look_alikes, &text)
    }
}

fn begins(all: &[String], text: &str) -> bool {
    let at = all.partition_point(|known| **known <= *text);
    all.get(at).is_some_and(|known| known.starts_with(text))
}

/// What stands between the name of a webhook and the reason of its call.
const CALL: &str = "failed to call webhook: ";
const METHOD: &str = "Post \"";

/// The text of a failed call ends before it says why.
pub(super) fn is_cut(parsed: &Parsed, known: &Reasons) -> bool {
    if parsed.own.is_some() {
        return false;
    }
    // between a backslash and what it escapes
    let text = parsed.text.trim_end_matches('\\');
    match behind_name(text) {
        Some(rest) => before_reason(rest) || known.go_on(&parsed.fields.reason),
        None => parsed.anchored && !parsed.tail.is_empty() && known.go_on_as_failure(&parsed.fields.reason),
    }
}

/// What follows the name of the webhook in the innermost words that say that its call failed; empty where the name is not
/// whole.
fn behind_name(text: &str) -> Option<&str> {
    let called = ["failed calling webhook", "failed calling admission webhook"];
    if let Some(after) = called.iter().find_map(|words| text.rsplit_once(words)).map(|(_, after)| after) {
        let name = after.strip_prefix(" \"").and_then(|after| after.split_once('"'));
        return Some(name.map_or("", |(_, rest)| rest.strip_prefix(": ").unwrap_or_default()));
    }
    let (_, after) = text.split_once("Failed calling webhook, failing ")?;
    let (_, rest) = after.split_once(": ").unwrap_or_default();
    // older API servers quote the reason without the words above
    "failed calling webhook".starts_with(rest).then_some("")
}

/// Nothing of the reason is there: neither the words before it nor the URL are whole.
fn before_reason(rest: &str) -> bool {
    if CALL.starts_with(rest.trim_end()) {
        return true;
    }
    let rest = rest.strip_prefix(CALL).unwrap_or(rest);
    if METHOD.starts_with(rest.trim_end()) {
        return true;
    }
    let Some(url) = rest.strip_prefix(METHOD) else { return false };
    url.split_once('"').is_none_or(|(_, after)| matches!(after.trim_end(), "" | ":"))
}
