//! Events of Kubernetes among dumped objects: they are a log as well.
//!
//! Takes a source of objects and looks through it for the first event, wherever it stands; gives how events are written
//! there: JSON of one line or over many, YAML of a list or of documents. Parses no more than that event.

use std::io::Read;

use memchr::memmem;
use serde_json::Value;

use super::blocks::Framing;
use super::envelope::Peeled;
use super::items::{self, Item, Lines, Walk};
use super::json;
use super::records::{self, Records};
use crate::bundle::Source;
use crate::tree;

/// How the events of a source are written; nothing where it has none.
pub(super) fn framing(source: &Source) -> Option<Framing> {
    of(&mut *source.open().ok()?)
}

fn of(reader: &mut dyn Read) -> Option<Framing> {
    let mut window = Vec::with_capacity(KEPT + BLOCK);
    // what the first bytes alone tell: of events that do not say what they are about
    let mut by_head = None;
    // how much was read before the window, and what of the window was looked through
    let (mut base, mut from) = (0, 0);
    let (mut walk, mut items) = (Walk::default(), Vec::new());
    let (mut lines, mut yaml, mut lined) = (Lines::default(), Vec::new(), 0);
    loop {
        let walked = window.len();
        let read = reader.take(BLOCK as u64).read_to_end(&mut window);
        let at_end = !read.as_ref().is_ok_and(|n| *n > 0);
        walk.walk(window.get(walked..).unwrap_or_default(), base + walked, &mut items);
        let whole = if at_end { window.len() } else { memchr::memrchr(b'\n', &window).map_or(0, |n| n + 1) };
        lines.walk(window.get(lined..whole).unwrap_or_default(), base + lined, &mut yaml);
        lined = whole.max(lined);
        // what stands near the end is looked at again with what follows
        let to = if at_end { window.len() } else { window.len().saturating_sub(AHEAD) };
        if let Some(framing) = in_window(&window, base, (from, to), &items, &yaml) {
            return Some(framing);
        }
        if base == 0 {
            let first = items.iter().take(FIRST).find_map(|item| json(&window, item.start));
            by_head =
                first.or_else(|| Some(Framing::of(&window)).filter(|f| matches!(f, Framing::EventsYaml(_))));
        }
        if at_end {
            return by_head;
        }
        let cut = to.saturating_sub(KEPT);
        from = from.max(to) - cut;
        base += cut;
        window.drain(..cut);
        lined -= lined.min(cut);
        items.retain(|item: &Item| item.start >= base);
        yaml.retain(|item: &Item| item.end.is_none_or(|end| end > base));
    }
}

/// The framing of the first event of which a key stands in this part of a window.
fn in_window(
    window: &[u8],
    base: usize,
    (from, to): (usize, usize),
    items: &[Item],
    yaml: &[Item],
) -> Option<Framing> {
    // of one object that is no event each key is looked at once
    let mut looked_at = None;
    keys(window, from, to).into_iter().find_map(|at| {
        if window.get(..at)?.ends_with(b"\"") {
            let item = items::around(items, base + at)
                .filter(|item| looked_at.replace(item.start) != Some(item.start))?;
            return json(window, item.start.checked_sub(base)?);
        }
        let item = items::around(yaml, base + at)?;
        in_yaml(window, item.start.checked_sub(base)?, at)
    })
}

/// What every event names, whichever its version.
const KEYS: [&[u8]; 2] = [b"involvedObject", b"regarding"];
/// Bytes read at a time, kept in front of a key, and behind it.
const BLOCK: usize = 256 << 10;
const KEPT: usize = 64 << 10;
const AHEAD: usize = 32 << 10;
/// Items that are looked at although no key stands in them.
const FIRST: usize = 4;

/// Where keys stand that events have, from front to back.
fn keys(window: &[u8], from: usize, to: usize) -> Vec<usize> {
    let found = |key: &&'static [u8]| {
        let key = *key;
        let places = memmem::find_iter(window.get(from..).unwrap_or_default(), key).map(move |n| from + n);
        places.take_while(move |&at| at < to).filter(move |&at| is_key(window, at, at + key.len()))
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

/// JSON: over many lines where the brace stands alone on its line, of few lines otherwise.
fn json(window: &[u8], start: usize) -> Option<Framing> {
    let text = window.get(start..)?;
    let end = records::shallow_extent(text, 0)?;
    if !is_event(&tree::first(text.get(..end)?, json::MAX_VALUES)?) {
        return None;
    }
    let line = memchr::memrchr(b'\n', window.get(..start)?).map_or(0, |n| n + 1);
    let indent = window.get(line..start)?;
    let alone = indent.iter().all(|b| *b == b' ')
        && text.get(1..)?.first().is_some_and(|b| matches!(b, b'\n' | b'\r'));
    if alone {
        return u8::try_from(indent.len()).ok().map(Framing::EventsJson);
    }
    Records::keys(window, start).map(Framing::EventsCompact)
}

/// YAML: a key of an item of a list, or of a document. What is indented further stands within an object, or is a text of one.
fn in_yaml(window: &[u8], start: usize, key: usize) -> Option<Framing> {
    let item = window.get(start..key)?;
    let dash = item.iter().take_while(|b| **b == b' ').count();
    let is_item = item.get(dash..)?.starts_with(b"- ");
    let line = memchr::memrchr(b'\n', item).map_or(0, |n| n + 1);
    let before = item.get(line..)?;
    let deep = if is_item { dash + 2 } else { 0 };
    let direct = before.len() == deep && (line == 0 || before.iter().all(|b| *b == b' '));
    direct.then(|| u8::try_from(dash).ok().map(Framing::EventsYaml))?
}

fn is_event(value: &Value) -> bool {
    value.as_object().is_some_and(|object| json::event(object, &mut Peeled::default()).is_some())
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
                let Some(Framing::EventsCompact(_)) = framing(&text) else { panic!("{}", text.len()) };
                let text = pretty(&text);
                assert_eq!(framing(&text), Some(Framing::EventsJson(4)), "{}", text.len());
            }
            let documents = format!("{}\n{}", pretty(&list(&format!("{before}{POD}"))), pretty(EVENT));
            assert_eq!(framing(&documents), Some(Framing::EventsJson(0)));
        }
        let item = "- apiVersion: v1\n  involvedObject:\n    kind: Pod\n  kind: Event\n  message: m\n";
        let indented = format!("  {}\n", item.trim_end().replace('\n', "\n  "));
        let pods = "- apiVersion: v1\n  kind: Pod\n".repeat(20_000);
        for (text, want) in [
            (format!("apiVersion: v1\nitems:\n{item}"), Framing::EventsYaml(0)),
            (format!("apiVersion: v1\nitems:\n{pods}{item}kind: List\n"), Framing::EventsYaml(0)),
            (format!("apiVersion: v1\nitems:\n{indented}"), Framing::EventsYaml(2)),
            (
                format!("kind: Pod\n---\n{}", item.replace("\n  ", "\n").replace("- ", "")),
                Framing::EventsYaml(0),
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
            assert!(matches!(framing(&text), Some(Framing::EventsCompact(_))), "{count}");
            assert_eq!(framing(&pretty(&text)), Some(Framing::EventsJson(4)), "{count}");
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
        assert!(matches!(framing(&deep(15)), Some(Framing::EventsCompact(_))));
        assert_eq!(framing(&deep(16)), None);
    }

    #[test]
    fn keys_without_events_are_not_all_looked_at() {
        let hostile = r#"[{"a":{"involvedObject":"#.repeat(100_000);
        assert_eq!(framing(&hostile), None);
    }
}
