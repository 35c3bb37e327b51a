//! Entries that klog structures: a quoted headline, then `key="value"` pairs.
//!
//! Takes a peeled message; gives its headline and values, unquoted (`internal/serialize/keyvalues.go` of klog). A plain
//! message is all headline; the values of JSON entries were read when they were peeled.

use std::borrow::Cow;

use super::envelope::{Layer, Peeled};
use super::quote::unquote;

/// Headline and values of a structured entry; a plain message is all headline.
pub(super) fn structure<'p>(peeled: &'p Peeled<'_>) -> (Cow<'p, str>, Cow<'p, [(String, String)]>) {
    let message: &str = &peeled.message;
    if peeled.layers.last() != Some(&Layer::Klog) || !message.starts_with('"') {
        return (Cow::Borrowed(message), Cow::Borrowed(&peeled.values));
    }
    match unquote(message) {
        Some((headline, taken)) => {
            let values = key_values(message.get(taken..).unwrap_or_default());
            (Cow::Owned(headline), Cow::Owned(values))
        }
        None => (Cow::Borrowed(message), Cow::Borrowed(&peeled.values)),
    }
}

/// ` key="value" err=<` newline, tab-indented lines, ` >` … as klog's `internal/serialize/keyvalues.go` prints them.
fn key_values(mut rest: &str) -> Vec<(String, String)> {
    let mut out = Vec::new();
    while out.len() < 64 {
        rest = rest.trim_start();
        let Some((key, value)) = rest.split_once('=') else { break };
        if key.contains(' ') {
            break;
        }
        let (text, taken) = if value.starts_with('"') {
            match unquote(value) {
                Some(found) => found,
                None => (value.trim_start_matches('"').to_owned(), value.len()),
            }
        } else if let Some(lines) = value.strip_prefix("<\n") {
            let end = lines.find("\n >").unwrap_or(lines.len());
            let text: Vec<_> = lines[..end].lines().map(|l| l.trim_start_matches('\t')).collect();
            (text.join("\n"), (end + 5).min(value.len()))
        } else {
            let end = value.find(' ').unwrap_or(value.len());
            (value[..end].to_owned(), end)
        };
        out.push((key.to_owned(), text));
        rest = value.get(taken..).unwrap_or_default();
    }
    out
}

pub(super) fn value<'v>(values: &'v [(String, String)], key: &str) -> Option<&'v str> {
    values.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
}
