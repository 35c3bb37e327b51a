//! Where the entries of a text begin and end that is walked through from its front: objects of a dump (documents, items of
//! an array of them, items of a List; in JSON and YAML) and entries of a journal (`export`, `verbose`, `json-pretty`).
//!
//! Takes the text window after window; gives the places, and where each window may end. What lies within an object or a
//! field is none, whatever it looks like and wherever windows end: anybody can write an event into a field of an object of
//! their own, and an entry of a journal into a field of a process. Counts braces, spaces or lengths and reads no values, in
//! one pass.

use memchr::memchr;

use super::outputs::{self, Export};

/// A place in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub start: usize,
    /// Absent where the text ends before it does.
    pub end: Option<usize>,
    /// It begins here: not so what goes on one that was too long.
    pub whole: bool,
}

impl Item {
    /// Where it stands, if all of it is there.
    pub(super) fn range(self) -> Option<(usize, usize)> {
        self.end.filter(|_| self.whole).map(|end| (self.start, end))
    }
}

/// Items of a text whose bytes are counted from elsewhere.
pub(super) fn shifted(items: &[Item], by: impl Fn(usize) -> usize) -> impl Iterator<Item = Item> {
    items.iter().map(move |item| Item { start: by(item.start), end: item.end.map(&by), ..*item })
}

/// How a text of items is written.
#[derive(Debug)]
pub(super) enum Walker {
    Json(Walk),
    Yaml(Lines),
    Export(Export),
    Verbose,
}

/// A walk through a text that is read window after window.
#[derive(Debug)]
pub(super) struct Items {
    walker: Walker,
    /// Bytes of the window that were walked through.
    walked: usize,
    /// What begins there is the rest of a line.
    in_line: bool,
    /// Of the window, the last of them open where it has no end.
    found: Vec<Item>,
}

impl Items {
    pub(super) fn new(walker: Walker) -> Self {
        Self { walker, walked: 0, in_line: false, found: Vec::new() }
    }

    /// Goes on to the end of the window, as far as its lines are whole or it is the last. Where the window may end: in
    /// front of an item that is open. 0 where that begins the window.
    pub(super) fn cut(&mut self, window: &[u8], is_last: bool) -> usize {
        if self.in_line {
            let rest = window.get(self.walked..).unwrap_or_default();
            let end = memchr(b'\n', rest).map(|n| n + 1);
            self.walked += end.unwrap_or(rest.len());
            self.in_line = end.is_none();
        }
        let text = window.get(self.walked..).unwrap_or_default();
        self.walked += match &mut self.walker {
            Walker::Json(walk) => walk.walk(text, self.walked, &mut self.found),
            Walker::Yaml(lines) => lines.walk(text, self.walked, is_last, &mut self.found),
            Walker::Export(export) => export.walk(text, self.walked, is_last, &mut self.found),
            Walker::Verbose => outputs::verbose(text, self.walked, is_last, &mut self.found),
        };
        if is_last && !matches!(self.walker, Walker::Json(_)) {
            end(window.len(), &mut self.found);
        }
        self.open().map_or(self.walked, |open| open.start)
    }

    /// Where a window ends that begins with one item, or one line, which is too long: what follows goes on it.
    pub(super) fn force(&mut self, window: &[u8]) -> usize {
        if self.walked == 0 {
            (self.walked, self.in_line) = (window.len(), true);
        }
        self.walked
    }

    fn open(&self) -> Option<Item> {
        self.found.last().copied().filter(|item| item.end.is_none())
    }

    /// The items of a window of so many bytes; the next one begins there.
    pub(super) fn take(&mut self, len: usize) -> Vec<Item> {
        let later = self.found.partition_point(|item| item.start < len);
        let torn = self.open().filter(|open| open.start < len);
        let next = torn.map(|_| Item { start: len, end: None, whole: false });
        let rest = self.found.split_off(later);
        let rest = next.into_iter().chain(rest).collect::<Vec<_>>();
        self.walked = self.walked.saturating_sub(len);
        std::mem::replace(&mut self.found, shifted(&rest, |at| at.saturating_sub(len)).collect())
    }
}

/// What may hold objects that are items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holder {
    Array,
    /// A document, which is a List if it has `items`.
    Object,
    Items,
    Other,
}

/// A walk through JSON.
#[derive(Debug, Default)]
pub(super) struct Walk {
    depth: usize,
    /// The outermost of those that are open.
    open: [Option<Holder>; DEPTH],
    in_string: bool,
    escaped: bool,
    /// The last byte ended no line.
    in_line: bool,
    /// What stands in front on its line keeps a document from beginning here: it is indented, or a text.
    indented: bool,
    /// Spaces that the line begins with, as long as there is nothing else.
    spaces: Option<usize>,
    /// How deep the items of the list lie that is open, and how many spaces stand in front of them.
    list: Option<(usize, usize)>,
    /// The first bytes of the last string of an object that may be a List.
    word: Vec<u8>,
    /// How deep the item lies that is open.
    item: Option<usize>,
}

/// How deep an item may lie: in the items of a List in an array.
const DEPTH: usize = 4;

impl Walk {
    /// Goes through `text`, which stands at `base`; adds what begins in it, and ends what ends in it.
    fn walk(&mut self, text: &[u8], base: usize, items: &mut Vec<Item>) -> usize {
        let mut at = 0;
        while let Some(&byte) = text.get(at) {
            if self.in_string {
                at += self.string(text.get(at..).unwrap_or_default());
                continue;
            }
            match byte {
                b'"' => {
                    self.in_string = true;
                    self.word.clear();
                }
                b'{' | b'[' => self.opens(byte, base + at, items),
                b'}' | b']' => self.closes(base + at + 1, items),
                _ => {}
            }
            self.indented = match byte {
                b'\n' | b'}' | b']' => false,
                b' ' | b'\t' => self.indented || !self.in_line,
                b',' | b'\r' | 0x80.. => self.indented,
                _ => true,
            };
            self.spaces = match byte {
                b'\n' => Some(0),
                b' ' => self.spaces.map(|n| n + 1),
                _ => None,
            };
            self.in_line = byte != b'\n';
            at += 1;
        }
        at
    }

    /// Goes on within a string; how many bytes that took.
    fn string(&mut self, text: &[u8]) -> usize {
        if std::mem::take(&mut self.escaped) {
            return 1;
        }
        let plain = memchr::memchr3(b'"', b'\\', b'\n', text).unwrap_or(text.len());
        let room = (ITEMS.len() + 1).saturating_sub(self.word.len()).min(plain);
        self.word.extend_from_slice(text.get(..room).unwrap_or_default());
        match text.get(plain) {
            Some(b'\\') => {
                self.escaped = true;
                self.word.push(b'\\');
            }
            // no string goes on over a line: damage ends with it
            Some(b'\n') => {
                (self.in_string, self.in_line, self.indented, self.spaces) = (false, false, false, Some(0));
            }
            Some(_) => self.in_string = false,
            None => return plain,
        }
        plain + 1
    }

    fn opens(&mut self, byte: u8, at: usize, items: &mut Vec<Item>) {
        let spaces = self.spaces.filter(|n| *n > 0);
        if byte == b'{' && !self.in_line && !self.is_item() {
            // a document, whatever was damaged in front of it
            (self.depth, self.list) = (0, None);
        } else if byte == b'{'
            && let Some((depth, _)) = self.list.filter(|(depth, n)| *depth < self.depth && spaces == Some(*n))
        {
            // printed like the items in front, and nothing within them is: one of them was damaged
            self.depth = depth;
        }
        if byte == b'{' && self.is_item() {
            if self.item.is_some() {
                tear(at, items);
            }
            self.item = Some(self.depth);
            items.push(Item { start: at, end: None, whole: true });
            self.list = spaces.map(|n| (self.depth, n)).or(self.list.filter(|_| self.depth > 0));
        }
        let inner = self.depth.checked_sub(1).and_then(|n| self.open.get(n).copied().flatten());
        let holder = match (byte, inner) {
            (_, None) if self.depth == 0 && self.indented => Holder::Other,
            (b'[', None) if self.depth == 0 => Holder::Array,
            (b'[', Some(Holder::Object)) if self.word == ITEMS => Holder::Items,
            (b'{', None | Some(Holder::Array)) if self.depth < 2 => Holder::Object,
            _ => Holder::Other,
        };
        if holder == Holder::Items && self.item.take().is_some() {
            // a List is none itself
            items.pop();
        }
        if let Some(place) = self.open.get_mut(self.depth) {
            *place = Some(holder);
        }
        self.depth += 1;
    }

    fn closes(&mut self, end: usize, items: &mut Vec<Item>) {
        self.depth = self.depth.saturating_sub(1);
        if self.item != Some(self.depth) {
            return;
        }
        self.item = None;
        let Some(last) = items.last_mut() else { return };
        last.end = Some(end);
        if end - last.start < MIN_BYTES && last.whole {
            items.pop();
        }
    }

    /// Whether an object that opens here is an item.
    fn is_item(&self) -> bool {
        let inner = self.depth.checked_sub(1).map(|n| self.open.get(n).copied().flatten());
        inner.map_or(!self.indented, |inner| matches!(inner, Some(Holder::Array | Holder::Items)))
    }
}

const ITEMS: &[u8] = b"items";
/// Bytes of an item below which it is no event.
const MIN_BYTES: usize = 48;

/// The item that holds the byte `at`.
pub(super) fn around(items: &[Item], at: usize) -> Option<Item> {
    let before = items.partition_point(|item| item.start <= at);
    let last = before.checked_sub(1).and_then(|n| items.get(n)).copied()?;
    Some(last).filter(|item| item.end.is_none_or(|end| end > at))
}

/// The lines that a text begins with: each with its place, the last one only if it is over or the text is the last.
pub(super) fn whole_lines(text: &[u8], is_last: bool) -> impl Iterator<Item = (usize, &[u8])> {
    let whole = if is_last { text.len() } else { memchr::memrchr(b'\n', text).map_or(0, |n| n + 1) };
    let lines = text.get(..whole).unwrap_or_default().split_inclusive(|b| *b == b'\n');
    lines.scan(0, |at, line| {
        *at += line.len();
        Some((*at - line.len(), line))
    })
}

/// A walk through lines of YAML.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The list that is open: of a document whose `items` it is, or a document itself.
    in_list: bool,
    /// Spaces in front of the dashes of its items.
    dash: Option<usize>,
    /// A document has begun.
    begun: bool,
}

impl Lines {
    fn walk(&mut self, text: &[u8], base: usize, is_last: bool, items: &mut Vec<Item>) -> usize {
        let mut walked = 0;
        for (at, line) in whole_lines(text, is_last) {
            self.line(line.trim_ascii_end(), base + at, items);
            walked = at + line.len();
        }
        walked
    }

    fn line(&mut self, line: &[u8], at: usize, items: &mut Vec<Item>) {
        let indent = line.iter().take_while(|b| **b == b' ').count();
        let inside = line.get(indent..).unwrap_or_default();
        let is_item = inside.starts_with(b"- ");
        if line == b"---" || line.starts_with(b"--- ") {
            *self = Self { begun: true, ..Self::default() };
            begin(at, items);
        } else if inside.is_empty() || inside.starts_with(b"#") {
        } else if !self.begun {
            *self = Self { begun: true, in_list: is_item, dash: is_item.then_some(indent) };
            begin(at, items);
            self.in_list |= line == b"items:";
        } else if is_item && self.in_list && self.dash.is_none_or(|dash| dash == indent) {
            self.dash = Some(indent);
            begin(at, items);
        } else if indent == 0 && !is_item {
            if self.in_list && self.dash.is_some() {
                end(at, items);
            }
            (self.in_list, self.dash) = (line == b"items:", None);
        }
    }
}

pub(super) fn begin(at: usize, items: &mut Vec<Item>) {
    end(at, items);
    items.push(Item { start: at, end: None, whole: true });
}

pub(super) fn end(at: usize, items: &mut [Item]) {
    if let Some(last) = items.last_mut().filter(|item| item.end.is_none()) {
        last.end = Some(at);
    }
}

/// Ends one that is damaged.
fn tear(at: usize, items: &mut [Item]) {
    if let Some(last) = items.last_mut().filter(|item| item.end.is_none()) {
        (last.end, last.whole) = (Some(at), false);
    }
}

/// All items of a text.
#[cfg(test)]
pub(super) fn all(walker: Walker, text: &[u8]) -> Vec<Item> {
    let mut items = Items::new(walker);
    items.cut(text, true);
    items.take(text.len())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The items as texts, which are the same wherever windows end; what is damaged or has no end is `None`.
    pub(crate) fn found(walker: impl Fn() -> Walker, text: &str) -> Vec<Option<&str>> {
        let of = |items: Vec<Item>| -> Vec<_> {
            items.iter().map(|item| item.range().map(|(start, end)| &text[start..end])).collect()
        };
        let whole = of(all(walker(), text.as_bytes()));
        for size in 1..text.len() {
            let (mut walk, mut found, mut from) = (Items::new(walker()), Vec::new(), 0);
            for to in (size..text.len()).step_by(size).chain([text.len()]) {
                let len = walk.cut(&text.as_bytes()[from..to], to == text.len());
                let len = if to == text.len() { to - from } else { len };
                let items = walk.take(len);
                found.extend(shifted(&items, |at| at + from));
                from += len;
            }
            assert_eq!(of(found), whole, "{size} {text}");
        }
        whole
    }

    fn json(text: &str) -> Vec<Option<&str>> {
        found(|| Walker::Json(Walk::default()), text)
    }

    #[test]
    fn items_are_documents_and_what_lists_hold() {
        let a = format!(r#"{{"kind":"A","b":[{{"kind":"C"}}],"c":"{}"}}"#, "x".repeat(MIN_BYTES));
        let b = format!(r#"{{"spec":{{"items":[{a}]}},"d":"\"}}{{\\"}}"#);
        let (one, two) = (Some(&*a), Some(&*b));
        for (text, want) in [
            (format!("{a}\n{b}\n"), vec![one, two]),
            (format!("[{a},{b}]"), vec![one, two]),
            (format!("{a} {b}"), vec![one, two]),
            (format!("\u{feff}{a}"), vec![one]),
            (format!("  {a}\n  [{a}]\na: {a}\n{b}"), vec![two]),
            (format!("{{}}\n{a}{{}}"), vec![one]),
            (format!("{{\"a\":[\"b\n{a}\n"), vec![None, one]),
            (format!("{{\"items\":[{a}],\"a\":{a},\"items\":[{b}]}}"), vec![one, two]),
            (format!("[\n  {a},\n  {{\"a\":[\n  {b}\n]\n"), vec![one, None, two]),
            (format!("{{\"a\":[\n  {{\"c\":[\n  {b}\n]\n"), vec![None]),
            (String::new(), vec![]),
        ] {
            assert_eq!(json(&text), want, "{text}");
        }
        for list in
            [format!(r#"{{"kind":"List","items":[{a},{b}]}}"#), format!(r#"{{"items": [ {a} , {b}],"k":1}}"#)]
        {
            assert_eq!(json(&list), [one, two]);
            assert_eq!(json(&format!("[{list}]")), [one, two]);
        }
    }

    #[test]
    fn items_of_yaml_are_documents_and_what_lists_hold() {
        let of = |text: &'static str| -> Vec<&str> {
            found(|| Walker::Yaml(Lines::default()), text).into_iter().flatten().collect()
        };
        assert_eq!(of("a: 1\nb:\n- c: 1\n- d: 1\n"), ["a: 1\nb:\n- c: 1\n- d: 1\n"]);
        assert_eq!(of("a: 1\n---\nb: 1\n"), ["a: 1\n", "---\nb: 1\n"]);
        assert_eq!(
            of("a: 1\nitems:\n- b:\n  - c\n  items:\n  - d\n- e: |\n    - f\nkind: List\n"),
            ["a: 1\nitems:\n", "- b:\n  - c\n  items:\n  - d\n", "- e: |\n    - f\n"]
        );
        assert_eq!(
            of("items:\n  - a: 1\n  - b:\n    - c\n"),
            ["items:\n", "  - a: 1\n", "  - b:\n    - c\n"]
        );
        assert_eq!(of("- a: 1\n- b: 1\n"), ["- a: 1\n", "- b: 1\n"]);
        assert_eq!(
            of("  - a: 1\n  - b: 1\nkind: List\n---\nobjects:\n- c: 1\n"),
            ["  - a: 1\n", "  - b: 1\n", "---\nobjects:\n- c: 1\n"]
        );
    }

    #[test]
    fn what_goes_on_what_was_too_long_is_none() {
        let event = r#"{"kind":"Event","message":"m","reason":"r","metadata":{"name":"a"}}"#;
        let text = format!(r#"{{"a":[{event}]}}"#);
        let mut items = Items::new(Walker::Json(Walk::default()));
        let (cut, rest) = text.split_at(6);
        assert_eq!(items.cut(cut.as_bytes(), false), 0);
        assert_eq!(items.force(cut.as_bytes()), cut.len());
        assert_eq!(items.take(cut.len()), [Item { start: 0, end: None, whole: true }]);
        assert_eq!(items.cut(rest.as_bytes(), false), rest.len());
        assert_eq!(items.take(rest.len()), [Item { start: 0, end: Some(rest.len()), whole: false }]);
    }

    #[test]
    fn the_item_that_holds_a_place() {
        let text = format!(
            r#"{{"items":[{{"a":"{0}"}},{{"b":{{"c":"{0}"}}}}],"kind":"List"}}"#,
            "x".repeat(MIN_BYTES)
        );
        let items = all(Walker::Json(Walk::default()), text.as_bytes());
        let of = |part: &str| around(&items, text.find(part).unwrap()).map(|item| &text[item.start..][..4]);
        assert_eq!((of("a\""), of("c\"")), (Some("{\"a\""), Some("{\"b\"")));
        assert_eq!(of("kind"), None);
    }
}
