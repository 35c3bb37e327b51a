//! Events of Kubernetes among dumped objects: they are a log as well.
//!
//! Takes a source of objects and looks through it for the first event, wherever it stands; gives how it is written. Parses
//! no more than that event, and what has its key.

use std::io::{self, Read};

use memchr::memmem;
use serde_json::Value;

use super::blocks::Framing;
use super::envelope::Peeled;
use super::items::{self, Item};
use super::json;
use super::windows::Windows;
use crate::bundle::Source;
use crate::tree;

/// How the events of a source are written; nothing where it has none.
pub(super) fn framing(source: &Source) -> Option<Framing> {
    of(&mut *source.open().ok()?)
}

fn of(reader: &mut (dyn Read + Send)) -> Option<Framing> {
    let mut head = Vec::new();
    // what stops here stops again below
    let _: io::Result<_> = reader.take(HEAD).read_to_end(&mut head);
    let first = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&head).trim_ascii_start().first();
    let in_json = matches!(first, Some(b'{' | b'['));
    let framing = if in_json { Framing::EventsJson } else { Framing::EventsYaml };
    if !in_json && Framing::of(&head) == framing {
        return Some(framing);
    }
    let mut windows = Windows::new(head.chain(reader), Some(framing));
    let mut buffer = Vec::new();
    // of events that do not say what they are about
    let mut first = if in_json { FIRST } else { 0 };
    while let Some(window) = windows.next(&mut buffer) {
        let text = buffer.get(..window.len)?;
        let of_key = keys(text).into_iter().filter_map(|at| Some((items::around(&window.items, at)?, at)));
        let found = if in_json {
            let mut items: Vec<Item> = window.items.iter().take(first).copied().collect();
            items.extend(of_key.map(|(item, _)| item));
            // each is looked at once
            items.dedup();
            items.into_iter().any(|item| is_event(text, item))
        } else {
            of_key.into_iter().any(|(item, at)| in_yaml(text, item, at))
        };
        if found {
            return Some(framing);
        }
        first = 0;
    }
    None
}

/// Bytes that tell how objects are written.
const HEAD: u64 = 8 << 10;
/// Items that are looked at although no key stands in them.
const FIRST: usize = 4;
/// What every event names, whichever its version.
const KEYS: [&[u8]; 2] = [b"involvedObject", b"regarding"];

/// Where keys stand that events have, from front to back.
fn keys(window: &[u8]) -> Vec<usize> {
    let found = |key: &&'static [u8]| {
        let key = *key;
        memmem::find_iter(window, key).filter(move |&at| is_key(window, at, at + key.len()))
    };
    let mut places: Vec<usize> = KEYS.iter().flat_map(found).collect();
    places.sort_unstable();
    places
}

/// Whether what stands there is a key: `"regarding":` or `regarding:`, and not within a text.
fn is_key(window: &[u8], from: usize, to: usize) -> bool {
    let before = window.get(..from).unwrap_or_default();
    let after = window.get(to..).unwrap_or_default();
    match before.strip_suffix(b"\"") {
        Some(before) => after.starts_with(b"\":") && before.last() != Some(&b'\\'),
        None => after.starts_with(b":") && matches!(before.last(), None | Some(b' ' | b'\n')),
    }
}

/// YAML: a key of an item of a list, or of a document. What is indented further stands within an object, or is a text of one.
fn in_yaml(window: &[u8], item: Item, key: usize) -> bool {
    let Some(item) = window.get(item.start..key).filter(|_| item.whole) else { return false };
    let dash = item.iter().take_while(|b| **b == b' ').count();
    let is_item = item.get(dash..).is_some_and(|item| item.starts_with(b"- "));
    let line = memchr::memrchr(b'\n', item).map_or(0, |n| n + 1);
    let deep = if is_item { dash + 2 } else { 0 };
    let before = item.get(line..).unwrap_or_default();
    before.len() == deep && (line == 0 || before.iter().all(|b| *b == b' '))
}

fn is_event(window: &[u8], item: Item) -> bool {
    let text = item.range().and_then(|(start, end)| window.get(start..end));
    let value = text.and_then(|text| tree::first(text, json::MAX_VALUES));
    value
        .as_ref()
        .and_then(Value::as_object)
        .is_some_and(|object| json::event(object, &mut Peeled::default()).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = r#"{"apiVersion":"v1","count":1,"involvedObject":{"kind":"Pod","name":"p"},"kind":"Event","lastTimestamp":"2026-11-21T02:00:05Z","message":"m","reason":"r"}"#;
    const BARE: &str = r#"{"metadata":{"name":"e","managedFields":[{"manager":"kubelet","fieldsV1":{"f:involvedObject":{}}}]},"involvedObject":{"kind":"Pod"},"reason":"r","message":"m","lastTimestamp":"2026-11-21T02:00:05Z"}"#;
    const POD: &str =
        r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","annotations":{"a":"involvedObject"}}}"#;

    fn framing(text: &str) -> Option<Framing> {
        of(&mut text.as_bytes())
    }

    fn pretty(text: &str) -> String {
        serde_json::to_string_pretty(&serde_json::from_str::<Value>(text).unwrap()).unwrap()
    }

    #[test]
    fn events_are_found_wherever_they_stand() {
        let list = |items: &str| format!(r#"{{"apiVersion":"v1","items":[{items}],"kind":"List"}}"#);
        let pods = vec![POD; 20_000].join(",");
        for before in [String::new(), format!("{POD},"), format!("{pods},")] {
            for event in [EVENT, BARE] {
                let text = list(&format!("{before}{event}"));
                let Some(Framing::EventsJson) = framing(&text) else { panic!("{}", text.len()) };
                let text = pretty(&text);
                assert_eq!(framing(&text), Some(Framing::EventsJson), "{}", text.len());
            }
            let documents = format!("{}\n{}", pretty(&list(&format!("{before}{POD}"))), pretty(EVENT));
            assert_eq!(framing(&documents), Some(Framing::EventsJson));
        }
        let item = "- apiVersion: v1\n  involvedObject:\n    kind: Pod\n  kind: Event\n  message: m\n";
        let indented = format!("  {}\n", item.trim_end().replace('\n', "\n  "));
        let pods = "- apiVersion: v1\n  kind: Pod\n".repeat(20_000);
        for (text, want) in [
            (format!("apiVersion: v1\nitems:\n{item}"), Framing::EventsYaml),
            (format!("apiVersion: v1\nitems:\n{pods}{item}kind: List\n"), Framing::EventsYaml),
            (format!("apiVersion: v1\nitems:\n{indented}"), Framing::EventsYaml),
            (
                format!("kind: Pod\n---\n{}", item.replace("\n  ", "\n").replace("- ", "")),
                Framing::EventsYaml,
            ),
        ] {
            assert_eq!(framing(&text), Some(want), "{}", text.len());
        }
    }

    #[test]
    fn objects_that_have_the_key_and_are_no_events_hide_none() {
        let config = r#"{"apiVersion":"v1","data":{"involvedObject":{},"regarding":"a"},"kind":"ConfigMap"}"#;
        for count in [1, 100, 5000] {
            let text = format!(r#"{{"items":[{},{EVENT}]}}"#, vec![config; count].join(","));
            assert!(matches!(framing(&text), Some(Framing::EventsJson)), "{count}");
            assert_eq!(framing(&pretty(&text)), Some(Framing::EventsJson), "{count}");
        }
    }

    /// In a field of an object, in an object of one, as a text.
    #[test]
    fn events_within_objects_are_none() {
        let long = "x".repeat(70_000);
        for event in [EVENT, BARE] {
            for around in [
                format!(r#"{{"kind":"A","spec":{{"items":[{event}]}}}}"#),
                format!(r#"{{"kind":"A","spec":{event}}}"#),
                format!(r#"{{"kind":"A","spec":["{long}",{event}]}}"#),
                format!(r#"{{"kind":"A","spec":[{}{event}]}}"#, "{},".repeat(40)),
            ] {
                let list = format!(r#"{{"apiVersion":"v1","items":[{POD},{around}],"kind":"List"}}"#);
                for text in [&around, &list, &format!("[{around}]"), &pretty(&around), &pretty(&list)] {
                    assert_eq!(framing(text), None, "{}", &text[..200]);
                }
            }
        }
        let quoted =
            "apiVersion: v1\ndata:\n  a: |\n    - involvedObject:\n        kind: Pod\n      kind: Event\n";
        assert_eq!(framing(quoted), None);
        assert_eq!(framing(&format!("apiVersion: v1\nitems:\n- {}", quoted.replace('\n', "\n  "))), None);
    }

    #[test]
    fn what_names_the_key_and_is_no_event_is_none() {
        let quoted = POD.replace(
            "involvedObject",
            r#"{\"involvedObject\":{},\"kind\":\"Event\",\"message\":\"m\",\"reason\":\"r\"}"#,
        );
        for text in
            [POD.to_owned(), quoted, pretty(POD), format!("[{}]", vec![POD; 20_000].join(",")), String::new()]
        {
            assert_eq!(framing(&text), None, "{}", text.len());
        }
    }

    #[test]
    fn events_as_deep_as_any_are_found_and_what_nests_without_end_is_not_followed() {
        let deep = |n: usize| {
            EVENT.replace(
                r#""reason":"r""#,
                &format!(r#""reason":"r","x":{}1{}"#, "[".repeat(n), "]".repeat(n)),
            )
        };
        let framing = |event: &str| framing(&format!(r#"{{"items":[{event}]}}"#));
        assert_eq!(framing(&deep(100)), Some(Framing::EventsJson));
        assert_eq!(framing(&deep(1000)), None);
    }

    #[test]
    fn keys_without_events_are_not_all_looked_at() {
        let hostile = r#"[{"a":{"involvedObject":"#.repeat(100_000);
        assert_eq!(framing(&hostile), None);
    }
}
