//! Events of Kubernetes among dumped objects: they are a log as well.
//!
//! Takes a source of objects and looks through it for the first event, wherever it stands; gives how events are written
//! there: JSON of one line or over many, YAML of a list or of documents. Parses no more than that event.

use std::io::Read;

use memchr::memmem;
use serde_json::Value;

use super::blocks::Framing;
use super::envelope::Peeled;
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
    let mut by_head = Framing::Lines;
    let mut at_start = true;
    let (mut from, mut seen, mut work) = (0, 0, 0);
    loop {
        let read = reader.take(BLOCK as u64).read_to_end(&mut window);
        let at_end = !read.as_ref().is_ok_and(|n| *n > 0);
        seen += read.unwrap_or(0);
        // what stands near the end is looked at again with what follows
        let to = if at_end { window.len() } else { window.len().saturating_sub(AHEAD) };
        for at in keys(&window, from, to) {
            if work > FREE_WORK + TIMES * seen {
                break;
            }
            if let Some(framing) = around(&window, at, at_start, &mut work) {
                return Some(framing);
            }
        }
        if at_start {
            by_head = Framing::of(&window);
        }
        if at_end {
            return by_head.is_events().then_some(by_head);
        }
        let cut = to.saturating_sub(KEPT);
        from = from.max(to) - cut;
        window.drain(..cut);
        at_start &= cut == 0;
    }
}

/// What every event names, whichever its version.
const KEYS: [&[u8]; 2] = [b"involvedObject", b"regarding"];
/// Bytes read at a time, kept in front of a key, and behind it.
const BLOCK: usize = 256 << 10;
const KEPT: usize = 64 << 10;
const AHEAD: usize = 32 << 10;
/// Items that may begin in front of a key, the event among them.
const MAX_BEGINS: usize = 16;
/// Bytes that are looked at around keys of what is no event: so many, and all that is read so many times over.
const FREE_WORK: usize = 1 << 20;
const TIMES: usize = 64;

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

/// The framing of the event whose key stands at `at`.
fn around(window: &[u8], at: usize, at_start: bool, work: &mut usize) -> Option<Framing> {
    let start = memchr::memrchr(b'\n', window.get(..at)?).map_or(0, |n| n + 1);
    let before = window.get(start..at)?;
    let indent = before.iter().take_while(|b| **b == b' ').count();
    match before.get(indent..)? {
        b"\"" if indent > 0 => {
            indented(window, start, indent, work).unwrap_or_else(|| compact(window, at, work))
        }
        b"" | b"- " => yaml(window, start, indent, at_start),
        inside if inside.ends_with(b"\"") => compact(window, at, work),
        _ => None,
    }
}

/// JSON over many lines: the event begins with the nearest brace in front that is alone on its line and indented less.
/// Nothing where no object begins so.
fn indented(window: &[u8], start: usize, indent: usize, work: &mut usize) -> Option<Option<Framing>> {
    let mut end = start.checked_sub(1)?;
    loop {
        let from = memchr::memrchr(b'\n', window.get(..end)?).map_or(0, |n| n + 1);
        let line = window.get(from..end)?;
        *work += line.len() + 1;
        let spaces = line.iter().take_while(|b| **b == b' ').count();
        if spaces < indent && line.get(spaces..)?.trim_ascii_end() == b"{" {
            let value = value(window, from + spaces, work)?;
            let spaces = u8::try_from(spaces).ok()?;
            return Some(is_event(&value).then_some(Framing::EventsJson(spaces)));
        }
        end = from.checked_sub(1)?;
    }
}

/// JSON of few lines: the event is the nearest item that goes on behind the key and is one.
fn compact(window: &[u8], at: usize, work: &mut usize) -> Option<Framing> {
    let near = window.get(..window.len().min(at + AHEAD))?;
    let begins = memchr::memrchr_iter(b'{', near.get(..at)?).filter(|&start| begins_item(near, start));
    for start in begins.take(MAX_BEGINS) {
        let Some(end) = extent(near, start, work).filter(|&end| end > at) else { continue };
        let value = tree::first(near.get(start..end)?, json::MAX_VALUES)?;
        if is_event(&value) {
            return Records::keys(near, start).map(Framing::EventsCompact);
        }
    }
    None
}

/// The object that begins at `start`.
fn value(text: &[u8], start: usize, work: &mut usize) -> Option<Value> {
    let end = extent(text, start, work)?;
    tree::first(text.get(start..end)?, json::MAX_VALUES)
}

/// Where it ends.
fn extent(text: &[u8], start: usize, work: &mut usize) -> Option<usize> {
    let end = records::shallow_extent(text, start);
    *work += end.unwrap_or(text.len()) - start;
    end
}

/// Whether a brace opens an item of a list or a document, and no value of a key.
fn begins_item(text: &[u8], start: usize) -> bool {
    let before = text.get(..start).unwrap_or_default().trim_ascii_end().last();
    let after = text.get(start + 1..).unwrap_or_default().trim_ascii_start();
    matches!(before, None | Some(b'[' | b',' | b'}' | b']')) && after.starts_with(b"\"")
}

/// YAML: an item of a list, or a document.
fn yaml(window: &[u8], start: usize, indent: usize, at_start: bool) -> Option<Framing> {
    let Some(dash) = indent.checked_sub(2) else {
        return (indent == 0 && (at_start || memmem::find(window, b"\n---\n").is_some()))
            .then_some(Framing::EventsDocuments);
    };
    let item = [b"\n", " ".repeat(dash).as_bytes(), b"- "].concat();
    memmem::rfind(window.get(..start)?, &item)?;
    Some(Framing::EventsYaml(u8::try_from(dash).ok()?))
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
                Framing::EventsDocuments,
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
