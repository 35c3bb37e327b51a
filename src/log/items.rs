//! Where the objects of a dump begin and end: documents, items of an array of them, items of a List; in JSON and YAML.
//!
//! Takes text from front to back, in pieces; gives the places. What lies within an object is none, whatever it looks like:
//! anybody can write an event into a field of an object of their own. Counts braces, or spaces, and reads no values, in one
//! pass.

/// Places in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub start: usize,
    /// Absent where the text ends before it does.
    pub end: Option<usize>,
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

/// A walk through a text.
#[derive(Debug, Default)]
pub(super) struct Walk {
    depth: usize,
    /// The outermost of those that are open.
    open: [Option<Holder>; DEPTH],
    in_string: bool,
    escaped: bool,
    /// The last byte ended no line.
    in_line: bool,
    /// The text is of JSON and may begin within a list: what is indented may be an item of it.
    within: bool,
    /// What stands in front on its line keeps a document from beginning here: it is indented, or a text.
    indented: bool,
    /// The first bytes of the last string of an object that may be a List.
    word: Vec<u8>,
    /// Items that are open: how deep, and where they begin.
    begun: Vec<(usize, usize)>,
}

/// How deep an item may lie: in the items of a List in an array.
const DEPTH: usize = 4;

impl Walk {
    /// Goes through `text`, which stands at `base`; adds what begins in it, and ends what ends in it.
    pub(super) fn walk(&mut self, text: &[u8], base: usize, items: &mut Vec<Item>) {
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
                _ if self.within => false,
                b'\n' | b'}' | b']' => false,
                b' ' | b'\t' => self.indented || !self.in_line,
                b',' | b'\r' | 0x80.. => self.indented,
                _ => true,
            };
            self.in_line = byte != b'\n';
            at += 1;
        }
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
            Some(b'\n') => (self.in_string, self.in_line, self.indented) = (false, false, false),
            Some(_) => self.in_string = false,
            None => return plain,
        }
        plain + 1
    }

    fn opens(&mut self, byte: u8, at: usize, items: &mut Vec<Item>) {
        if byte == b'{' && !self.in_line && !self.is_item() {
            // a document, whatever was damaged in front of it
            self.depth = 0;
            self.begun.clear();
        }
        if byte == b'{' && self.is_item() {
            self.begun.push((self.depth, at));
            items.push(Item { start: at, end: None });
        }
        let inner = self.depth.checked_sub(1).and_then(|n| self.open.get(n).copied().flatten());
        let holder = match (byte, inner) {
            (_, None) if self.depth == 0 && self.indented => Holder::Other,
            (b'[', None) if self.depth == 0 => Holder::Array,
            (b'[', Some(Holder::Object)) if self.word == ITEMS => Holder::Items,
            (b'{', None | Some(Holder::Array)) if self.depth < 2 => Holder::Object,
            _ => Holder::Other,
        };
        if let Some(place) = self.open.get_mut(self.depth) {
            *place = Some(holder);
        }
        self.depth += 1;
    }

    fn closes(&mut self, end: usize, items: &mut Vec<Item>) {
        self.depth = self.depth.saturating_sub(1);
        let Some((_, start)) = self.begun.pop_if(|(depth, _)| *depth == self.depth) else { return };
        if end - start < MIN_BYTES && items.last().is_some_and(|item| item.start == start) {
            items.pop();
        } else if let Ok(item) = items.binary_search_by_key(&start, |item| item.start)
            && let Some(item) = items.get_mut(item)
        {
            item.end = Some(end);
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

/// All items of a text that begins with one, or with a document.
pub(super) fn items(text: &[u8]) -> Vec<Item> {
    let mut items = Vec::new();
    Walk { within: true, ..Walk::default() }.walk(text, 0, &mut items);
    items
}

/// The innermost item that holds the byte `at`, of those in front of it.
pub(super) fn around(items: &[Item], at: usize) -> Option<Item> {
    let before = items.partition_point(|item| item.start <= at);
    let last = before.checked_sub(1).and_then(|n| items.get(n)).copied()?;
    Some(last).filter(|item| item.end.is_none_or(|end| end > at))
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
    /// Goes through whole lines, which stand at `base`.
    pub(super) fn walk(&mut self, text: &[u8], base: usize, items: &mut Vec<Item>) {
        let mut at = base;
        for line in text.split_inclusive(|b| *b == b'\n') {
            self.line(line.trim_ascii_end(), at, items);
            at += line.len();
        }
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

fn begin(at: usize, items: &mut Vec<Item>) {
    end(at, items);
    items.push(Item { start: at, end: None });
}

fn end(at: usize, items: &mut [Item]) {
    if let Some(last) = items.last_mut().filter(|item| item.end.is_none()) {
        last.end = Some(at);
    }
}

/// All items of a text of YAML that begins with one, or with a document; the last goes on to its end.
pub(super) fn yaml_items(text: &[u8]) -> Vec<Item> {
    let mut items = Vec::new();
    Lines::default().walk(text, 0, &mut items);
    end(text.len(), &mut items);
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The items as texts; what has no end goes on to the end of the text.
    fn found(text: &str) -> Vec<&str> {
        let mut all = Vec::new();
        Walk::default().walk(text.as_bytes(), 0, &mut all);
        for size in 1..text.len() {
            let (mut walk, mut pieces, mut base) = (Walk::default(), Vec::new(), 0);
            for piece in text.as_bytes().chunks(size) {
                walk.walk(piece, base, &mut pieces);
                base += piece.len();
            }
            assert_eq!(pieces, all, "{size}");
        }
        all.iter().map(|item| &text[item.start..item.end.unwrap_or(text.len())]).collect()
    }

    #[test]
    fn items_are_documents_and_what_lists_hold() {
        let a = format!(r#"{{"kind":"A","b":[{{"kind":"C"}}],"c":"{}"}}"#, "x".repeat(MIN_BYTES));
        let b = format!(r#"{{"spec":{{"items":[{a}]}},"d":"\"}}{{\\"}}"#);
        for (text, want) in [
            (format!("{a}\n{b}\n"), vec![&a, &b]),
            (format!("[{a},{b}]"), vec![&a, &b]),
            (format!("{a} {b}"), vec![&a, &b]),
            (format!("\u{feff}{a}"), vec![&a]),
            (format!("  {a}\n  [{a}]\na: {a}\n{b}"), vec![&b]),
            (format!("{{}}\n{a}{{}}"), vec![&a]),
            (String::new(), vec![]),
        ] {
            assert_eq!(found(&text), want, "{text}");
        }
        for list in
            [format!(r#"{{"kind":"List","items":[{a},{b}]}}"#), format!(r#"{{"items": [ {a} , {b}],"k":1}}"#)]
        {
            assert_eq!(found(&list), [&list, &a, &b]);
            assert_eq!(found(&format!("[{list}]")), [&list, &a, &b]);
        }
        let broken = format!("{{\"a\":[\"b\n{a}\n");
        assert_eq!(found(&broken), [&broken, &a], "a line begins another document");
    }

    #[test]
    fn items_of_yaml_are_documents_and_what_lists_hold() {
        let of = |text: &'static str| -> Vec<&str> {
            yaml_items(text.as_bytes()).iter().map(|item| &text[item.start..item.end.unwrap()]).collect()
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
    fn the_innermost_item_holds_a_place() {
        let text = format!(
            r#"{{"items":[{{"a":"{0}"}},{{"b":{{"c":"{0}"}}}}],"kind":"List"}}"#,
            "x".repeat(MIN_BYTES)
        );
        let items = items(text.as_bytes());
        let of = |part: &str| around(&items, text.find(part).unwrap()).map(|item| &text[item.start..][..4]);
        assert_eq!((of("a\""), of("c\"")), (Some("{\"a\""), Some("{\"b\"")));
        assert_eq!(of("kind"), None);
    }
}
