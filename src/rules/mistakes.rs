//! Mistakes in rule files, each with file, line, column and caret, and what was probably meant.
//!
//! A mistake is a span of bytes of one text and sentences about it; nothing here knows YAML or expressions.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

/// One mistake in one text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Bytes of the text it is about.
    pub at: Range<usize>,
    /// What is wrong, as a sentence without its stop.
    pub text: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Mistake {
    /// A mistake without advice.
    pub fn new(at: Range<usize>, text: impl Into<String>) -> Self {
        Self { at, text: text.into(), help: None }
    }

    /// The same with advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same with "did you mean" where a known word is near.
    #[must_use]
    pub fn suggest<'w>(self, word: &str, known: impl IntoIterator<Item = &'w str>) -> Self {
        match nearest(word, known) {
            Some(near) => self.help(format!("did you mean `{near}`?")),
            None => self,
        }
    }
}

/// Renders all mistakes of one text, in order of place, as plain text with carets.
pub fn render(path: &str, source: &str, mistakes: &[Mistake]) -> String {
    let mut order: Vec<_> = mistakes.iter().collect();
    order.sort_by_key(|m| (m.at.start, m.at.end));
    let mut out = String::new();
    // Each with its own lines alone: the renderer reads all that it is given, which for many mistakes would be the square.
    let (mut line, mut counted) = (1, 0);
    for mistake in order {
        let at = on_characters(source, &mistake.at);
        let from = source[..at.start].rfind('\n').map_or(0, |n| n + 1);
        let to = source[at.end..].find('\n').map_or(source.len(), |n| at.end + n + 1);
        line += memchr::memchr_iter(b'\n', &source.as_bytes()[counted..from.max(counted)]).count();
        counted = from.max(counted);
        let snippet = Snippet::source(&source[from..to])
            .line_start(line)
            .path(path)
            .annotation(AnnotationKind::Primary.span(at.start - from..at.end - from));
        let mut groups = vec![Level::ERROR.primary_title(mistake.text.as_str()).element(snippet)];
        if let Some(help) = &mistake.help {
            groups.push(Group::with_title(Level::HELP.secondary_title(help.as_str())));
        }
        out.push_str(&Renderer::plain().render(&groups));
        out.push_str("\n\n");
    }
    out
}

/// Line and column, both from 1, of a byte of the text.
pub fn line_and_column(source: &str, at: usize) -> (usize, usize) {
    let before = &source[..floor(source, at)];
    let line_start = before.rfind('\n').map_or(0, |n| n + 1);
    (memchr::memchr_iter(b'\n', before.as_bytes()).count() + 1, before[line_start..].chars().count() + 1)
}

/// The known word nearest to `word`, if one is near enough to be meant.
pub fn nearest<'w>(word: &str, known: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    let limit = (word.chars().count() / 3).clamp(1, 4);
    known
        .into_iter()
        .map(|candidate| (distance(word, candidate, limit), candidate))
        .filter(|(d, _)| *d <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// The span moved onto character boundaries within the text, at least one character wide where there is one.
fn on_characters(source: &str, at: &Range<usize>) -> Range<usize> {
    let start = floor(source, at.start);
    let end = floor(source, at.end.max(start));
    let wide = source[start..].chars().next().map_or(0, char::len_utf8);
    start..end.max(start + wide)
}

/// The last boundary between characters that is not behind `at`.
pub(super) fn floor(source: &str, at: usize) -> usize {
    (0..=at.min(source.len())).rev().find(|n| source.is_char_boundary(*n)).unwrap_or(0)
}

/// No name of ours is longer: what is, is none misspelt.
const LONGEST_NAME: usize = 64;

/// Edits (insert, delete, replace, swap of neighbours) between two words; anything past `limit` may read as `limit + 1`.
fn distance(a: &str, b: &str, limit: usize) -> usize {
    let lengths = [a, b].map(|word| word.chars().take(LONGEST_NAME + 1).count());
    if lengths[0].abs_diff(lengths[1]) > limit || lengths.into_iter().any(|n| n > LONGEST_NAME) {
        return limit + 1;
    }
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let replaced = rows[i][j] + usize::from(x != y);
            let mut best = replaced.min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                best = best.min(rows[i - 1][j - 1] + 1);
            }
            row.push(best);
        }
        let past = |row: &Vec<usize>| row.iter().all(|edits| *edits > limit);
        if past(&row) && past(&rows[i]) {
            return limit + 1;
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_suggested_and_far_ones_are_not() {
        let known = ["tcp.established", "tcp.port", "severity", "verdict"];
        for (word, near) in [
            ("tcp.establishd", Some("tcp.established")),
            ("serverity", Some("severity")),
            ("vedrict", Some("verdict")),
            ("frame.number", None),
            ("x", None),
        ] {
            assert_eq!(nearest(word, known), near, "{word}");
        }
    }

    #[test]
    fn a_mistake_shows_file_line_column_and_caret() {
        let source = "- rule: a\n  serverity: error\n";
        let at = source.find("serverity").unwrap();
        let shown = render(
            "x.yaml",
            source,
            &[Mistake::new(at..at + 9, "unknown key").suggest("serverity", ["severity"])],
        );
        assert!(shown.contains("x.yaml:2:3"), "{shown}");
        assert!(shown.contains("^^^^^^^^^"), "{shown}");
        assert!(shown.contains("did you mean `severity`?"), "{shown}");
        assert_eq!(line_and_column(source, at), (2, 3));
    }

    #[test]
    fn any_span_of_any_text_renders() {
        for source in ["", "é", "a\nb"] {
            for start in 0..6 {
                for end in 0..6 {
                    assert!(render("f", source, &[Mistake::new(start..end, "m")]).contains('m'));
                }
            }
        }
    }
}
