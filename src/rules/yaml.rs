//! Text of a rule file in, its list items as trees of nodes with places out.
//!
//! Each item of the top-level list is read on its own, so that a mistake in one does not hide those of others.
//! Anchors, aliases and tags have no use in rule files and are mistakes. Size and nesting are bounded.

use std::ops::Range;

use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, ScanError, Span};

use super::mistakes::Mistake;

/// A piece of YAML and the bytes of the file that it stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) at: Range<usize>,
    pub(super) what: What,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    Scalar(String, Style),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

/// How a scalar is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Quoted,
    /// `|` or `>`.
    Block,
}

impl Node {
    /// The text of a scalar.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.what {
            What::Scalar(text, _) => Some(text),
            _ => None,
        }
    }

    /// In words, for mistakes.
    pub(super) fn name(&self) -> &'static str {
        match self.what {
            What::Scalar(..) => "a text",
            What::List(_) => "a list",
            What::Map(_) => "a mapping",
        }
    }

    /// The bytes of the file for bytes of a scalar's text.
    ///
    /// Exact for plain and block scalars; within quotes escapes are taken as one character.
    pub(super) fn place(&self, source: &str, within: &Range<usize>) -> Range<usize> {
        let What::Scalar(text, style) = &self.what else {
            return self.at.clone();
        };
        let to_file = |offset: usize| match style {
            Style::Plain => self.at.start + offset,
            Style::Quoted => self.at.start + 1 + offset,
            Style::Block => block_place(source, &self.at, text, offset),
        };
        let start = to_file(within.start);
        start..to_file(within.end).max(start)
    }
}

/// The items of a file; what is wrong with any of them is added to `mistakes`.
pub(super) fn items(source: &str, mistakes: &mut Vec<Mistake>) -> Vec<Node> {
    if source.len() > MAX_BYTES {
        mistakes.push(Mistake::new(0..0, format!("a rule file holds at most {MAX_BYTES} bytes")));
        return Vec::new();
    }
    let mut items = Vec::new();
    for chunk in chunks(source, mistakes) {
        match (Reader { source, base: chunk.start, nodes: 0 }).item(&source[chunk]) {
            Ok(Some(item)) => items.push(item),
            Ok(None) => {}
            Err(mistake) => mistakes.push(mistake),
        }
    }
    items
}

/// The bytes of each item: from a `-` in the first column to the next.
fn chunks(source: &str, mistakes: &mut Vec<Mistake>) -> Vec<Range<usize>> {
    let mut starts = Vec::new();
    let mut at = 0;
    for line in source.split_inclusive('\n') {
        let text = line.trim_end();
        if text == "-" || text.starts_with("- ") {
            starts.push(at);
        } else if starts.is_empty() && !text.is_empty() && !text.starts_with('#') && text != "---" {
            mistakes.push(
                Mistake::new(
                    at..at + text.len(),
                    "a rule file is a list; expected `- rule: …` in the first column",
                )
                .help("`wirecause rules new` prints a commented skeleton"),
            );
            return Vec::new();
        }
        at += line.len();
    }
    let ends = starts.iter().skip(1).copied().chain([source.len()]);
    starts.iter().copied().zip(ends).map(|(a, b)| a..b).collect()
}

struct Reader<'s> {
    source: &'s str,
    base: usize,
    nodes: usize,
}

type Events<'s> = Parser<'s, serde_saphyr::granit_parser::StrInput<'s>>;

impl<'s> Reader<'s> {
    fn item(mut self, chunk: &'s str) -> Result<Option<Node>, Mistake> {
        let mut events = Parser::new_from_str(chunk);
        while let Some(next) = events.next() {
            let (event, span) = next.map_err(|e| self.syntax(&e))?;
            if let Event::SequenceStart(..) = event {
                let list = self.list(&mut events, &span, 0)?;
                let What::List(mut items) = list.what else {
                    return Ok(None);
                };
                return Ok(if items.is_empty() { None } else { Some(items.swap_remove(0)) });
            }
        }
        Ok(None)
    }

    fn next(&mut self, events: &mut Events<'s>) -> Result<(Event<'s>, Span), Mistake> {
        loop {
            match events.next() {
                None => return Err(Mistake::new(self.base..self.base, "the file ends within this item")),
                Some(Err(error)) => return Err(self.syntax(&error)),
                Some(Ok((Event::Comment(..), _))) => {}
                Some(Ok(next)) => return Ok(next),
            }
        }
    }

    fn node(
        &mut self,
        events: &mut Events<'s>,
        event: Event<'s>,
        span: &Span,
        depth: u8,
    ) -> Result<Node, Mistake> {
        self.nodes += 1;
        let at = self.at(span);
        if depth > MAX_DEPTH || self.nodes > MAX_NODES {
            return Err(Mistake::new(at, "this item is nested too deep or too large"));
        }
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                if tag.is_some() || (anchor != 0 && self.line(at.start).contains(": !")) {
                    return Err(tagged(at));
                }
                if anchor != 0 {
                    return Err(Mistake::new(at, "anchors have no use in rule files"));
                }
                let style = match style {
                    ScalarStyle::Plain => Style::Plain,
                    ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => Style::Quoted,
                    ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
                };
                Ok(Node { at, what: What::Scalar(text.into_owned(), style) })
            }
            Event::SequenceStart(_, 0, None) => self.list(events, span, depth + 1),
            Event::MappingStart(_, 0, None) => self.map(events, span, depth + 1),
            Event::SequenceStart(_, _, Some(_)) | Event::MappingStart(_, _, Some(_)) => Err(tagged(at)),
            _ => Err(Mistake::new(at, "anchors and aliases have no use in rule files")),
        }
    }

    fn list(&mut self, events: &mut Events<'s>, start: &Span, depth: u8) -> Result<Node, Mistake> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.next(events)?;
            if let Event::SequenceEnd = event {
                let at = self.at(start).start..self.at(&span).end;
                return Ok(Node { at, what: What::List(items) });
            }
            items.push(self.node(events, event, &span, depth)?);
        }
    }

    fn map(&mut self, events: &mut Events<'s>, start: &Span, depth: u8) -> Result<Node, Mistake> {
        let mut entries = Vec::new();
        loop {
            let (event, span) = self.next(events)?;
            if let Event::MappingEnd = event {
                let at = self.at(start).start..self.at(&span).end;
                return Ok(Node { at, what: What::Map(entries) });
            }
            let key = self.node(events, event, &span, depth)?;
            let (event, span) = self.next(events)?;
            let value = self.node(events, event, &span, depth)?;
            self.comment_cut(&key, &value)?;
            entries.push((key, value));
        }
    }

    /// A plain text cut short by ` #` where a condition or a sentence was meant.
    fn comment_cut(&self, key: &Node, value: &Node) -> Result<(), Mistake> {
        let What::Scalar(_, Style::Plain) = value.what else {
            return Ok(());
        };
        if !matches!(key.text(), Some("when" | "unless" | "explain" | "title")) {
            return Ok(());
        }
        let rest = self.source.get(value.at.end..).unwrap_or_default();
        let line = rest.lines().next().unwrap_or_default();
        if !line.trim_start().starts_with('#') {
            return Ok(());
        }
        let at = value.at.end..value.at.end + line.len();
        Err(Mistake::new(at, "` #` begins a YAML comment: the rest of this text is not read")
            .help(BLOCK_HELP))
    }

    fn at(&self, span: &Span) -> Range<usize> {
        let range = span.byte_range().unwrap_or(0..0);
        self.base + range.start..self.base + range.end.max(range.start)
    }

    /// The line of the file that holds a byte.
    fn line(&self, at: usize) -> &'s str {
        let before = self.source.get(..at).unwrap_or(self.source);
        let start = before.rfind('\n').map_or(0, |n| n + 1);
        self.source[start..].lines().next().unwrap_or_default()
    }

    fn syntax(&self, error: &ScanError) -> Mistake {
        let at = self.base + error.marker().byte_offset().unwrap_or(0);
        let line = self.line(at);
        let mistake = Mistake::new(at..at + 1, format!("this is not YAML: {}", error.info()));
        let plain_colon = line.matches(": ").count() > 1 && !line.contains(['"', '\'']);
        if plain_colon || line.contains(": !") || error.info().contains("mapping values") {
            return mistake.help(format!("`: ` ends a plain text and `!` begins a tag; {BLOCK_HELP}"));
        }
        mistake
    }
}

fn tagged(at: Range<usize>) -> Mistake {
    Mistake::new(at, "a plain text that begins with `!` is a YAML tag, not a negation").help(BLOCK_HELP)
}

/// The byte of the file where byte `offset` of a block scalar's text stands.
fn block_place(source: &str, at: &Range<usize>, text: &str, offset: usize) -> usize {
    let before = &text[..offset.min(text.len())];
    let line = before.matches('\n').count();
    let column = before.len() - before.rfind('\n').map_or(0, |n| n + 1);
    let header = source[..at.start.min(source.len())].rfind('\n').map_or(0, |n| n + 1);
    let mut start = header;
    let rest = &source[header..];
    let indicator = rest.lines().next().is_some_and(|l| l.trim_end().ends_with(['|', '>', '-', '+']));
    for (n, l) in rest.split_inclusive('\n').enumerate() {
        if n == line + usize::from(indicator) {
            return start + (l.len() - l.trim_start_matches(' ').len()).min(l.len()) + column;
        }
        start += l.len();
    }
    at.end
}

const BLOCK_HELP: &str =
    "write the text as a block (`when: |` and the text indented on the next line) or in quotes";

/// Bytes of a rule file.
const MAX_BYTES: usize = 4 << 20;

/// Levels of lists and mappings in an item.
const MAX_DEPTH: u8 = 8;

/// Nodes of an item.
const MAX_NODES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(source: &str) -> (Vec<Node>, Vec<Mistake>) {
        let mut mistakes = Vec::new();
        let items = items(source, &mut mistakes);
        (items, mistakes)
    }

    fn value<'n>(item: &'n Node, key: &str) -> &'n Node {
        let What::Map(entries) = &item.what else { panic!("{item:?}") };
        &entries.iter().find(|(k, _)| k.text() == Some(key)).unwrap().1
    }

    #[test]
    fn places_of_scalars_lead_back_to_the_file() {
        let source = "# c\n- rule: a\n  when: |\n    tcp.rst &&\n    tcp.bad\n  title: \"some words\"\n- rule: b\n  when: >-\n    x\n    tcp.worse\n  log: [p, q]\n";
        let (items, mistakes) = read(source);
        assert_eq!((items.len(), mistakes), (2, vec![]));
        for (item, key, word) in
            [(0, "when", "tcp.bad"), (0, "title", "words"), (0, "rule", "a"), (1, "when", "x")]
        {
            let node = value(&items[item], key);
            let start = node.text().unwrap().find(word).unwrap();
            assert_eq!(&source[node.place(source, &(start..start + word.len()))], word, "{key}");
        }
    }

    #[test]
    fn usual_slips_are_named_and_other_items_are_still_read() {
        for (line, text, help) in [
            ("when: !tcp.rst", "a plain text that begins with `!`", "when: |"),
            ("when: !tcp.rst && tcp.port == 443", "a plain text that begins with `!`", "when: |"),
            ("when: tcp.rst # because", "` #` begins a YAML comment", "when: |"),
            ("explain: it failed: badly", "this is not YAML", "ends a plain text"),
            ("when: *x", "", ""),
            ("when: &x y", "anchors", ""),
            ("when: \"tcp.rst", "this is not YAML", ""),
        ] {
            let (items, mistakes) = read(&format!("- rule: a\n  {line}\n- rule: b\n"));
            assert_eq!(mistakes.len(), 1, "{line}: {items:?}");
            assert!(mistakes[0].text.starts_with(text), "{line}: {:?}", mistakes[0]);
            assert!(mistakes[0].help.clone().unwrap_or_default().contains(help), "{line}: {:?}", mistakes[0]);
            assert_eq!(items.len(), 1, "{line}");
        }
    }

    #[test]
    fn hostile_text_ends() {
        for source in [
            "",
            "-",
            "- ",
            "x: y",
            "- - - - - - - - - - - - - - - x",
            "- [[[[[[[[[[[[[[[[[[",
            "- \u{0}",
            "- ? x",
            "- a: b\n c: d",
            "---\n- a: b\n...\n- c",
        ] {
            let _ = read(source);
        }
    }
}
