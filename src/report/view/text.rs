//! Lines of a width, and colour.

use std::io::{self, Write};

/// How to print.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Use ANSI colour.
    pub color: bool,
    /// Columns.
    pub width: usize,
}

impl Style {
    /// Emphasis.
    pub fn bold(self, text: &str) -> String {
        self.paint(text, "1")
    }

    /// A severity in its colour: readable on light and on dark ground.
    pub fn severity(self, severity: &str, text: &str) -> String {
        match severity {
            "error" => self.paint(text, "1;31"),
            "warning" => self.paint(text, "1;35"),
            _ => self.bold(text),
        }
    }

    fn paint(self, text: &str, code: &str) -> String {
        if self.color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// A phrase that [`wrap`] breaks only if it is wider than half a line: what people copy, such as a filter.
pub(super) fn together(phrase: &str) -> String {
    phrase.replace(' ', &GLUE.to_string())
}

/// Stands for a space within a phrase until it is written; a character that no printable text holds.
const GLUE: char = '\u{1}';

/// Writes text in lines of at most `width` columns; lines after the first begin with `indent`, the first does not.
/// A word longer than a line (a path) stays whole, so that it can be copied.
pub(super) fn wrap(text: &str, width: usize, indent: &str, out: &mut dyn Write) -> io::Result<()> {
    labelled("", text, width, indent, out)
}

/// The same, the first line behind a label; `indent` is as wide as the label should be.
pub(super) fn labelled(
    label: &str,
    text: &str,
    width: usize,
    indent: &str,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut line = format!("{label:<pad$}", pad = if label.is_empty() { 0 } else { columns(indent) });
    let mut used = columns(&line);
    let mut begun = false;
    for word in text.split_whitespace().flat_map(|word| phrase(word, width)) {
        let length = columns(word);
        if begun && used + 1 + length > width {
            writeln!(out, "{}", line.trim_end())?;
            indent.clone_into(&mut line);
            used = columns(indent);
            begun = false;
        }
        if begun {
            line.push(' ');
            used += 1;
        }
        line += &word.replace(GLUE, " ");
        used += length;
        begun = true;
    }
    writeln!(out, "{}", line.trim_end())
}

/// The words of a phrase, if it is too wide to be kept together.
fn phrase(word: &str, width: usize) -> impl Iterator<Item = &str> {
    let wide = columns(word) > width / 2;
    word.split(move |c| wide && c == GLUE)
}

/// Text cut to so many columns, with an ellipsis.
pub(super) fn cut(text: &str, columns: usize) -> String {
    if self::columns(text) <= columns {
        return text.to_owned();
    }
    let kept: String = text.chars().take(columns.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// Columns that a text takes, colour codes not counted. Assumes one column a character.
pub(super) fn columns(text: &str) -> usize {
    let mut count = 0;
    let mut in_code = false;
    for c in text.chars() {
        match (in_code, c) {
            (false, '\x1b') => in_code = true,
            (false, _) => count += 1,
            (true, 'm') => in_code = false,
            (true, _) => {}
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_keep_to_the_width_and_words_stay_whole() {
        let mut out = Vec::new();
        labelled(
            "  Next:",
            "one two three a/very/long/path/that/fits/nowhere.log four",
            20,
            "         ",
            &mut out,
        )
        .expect("a Vec takes all");
        let text = String::from_utf8(out).expect("UTF-8");
        assert_eq!(
            text,
            "  Next:  one two\n         three\n         a/very/long/path/that/fits/nowhere.log\n         four\n"
        );
    }

    #[test]
    fn colour_takes_no_columns() {
        let style = Style { color: true, width: 80 };
        assert_eq!(columns(&style.severity("error", "ERROR")), 5);
        assert_eq!(Style { color: false, ..style }.bold("x"), "x");
        assert_eq!(cut("abcdef", 4), "abc…");
    }
}
