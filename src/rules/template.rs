//! Sentences with `{field}` in, sentences with a case's values out.
//!
//! `{field}` stands for the value, or a phrase where there is none. `[? … ]` is left out unless all its fields have a
//! value. `{{`, `}}`, `[?` in text: `{{` and `}}` stand for braces. `segment(s)` becomes what the number before it asks
//! for.

use std::net::SocketAddr;

use super::expr::Value;
use super::fields::{self, CaseView, Field};
use super::mistakes::{Mistake, floor};

/// A checked sentence.
#[derive(Clone, Debug, Default)]
pub struct Template {
    source: String,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug)]
enum Piece {
    Text(String),
    Field(&'static Field),
    Optional(Vec<Piece>),
}

impl Template {
    /// Checks every field of `source`.
    ///
    /// # Errors
    /// Every mistake in it.
    pub fn new(source: &str) -> Result<Self, Vec<Mistake>> {
        let mut reader = Reader { source, at: 0, mistakes: Vec::new() };
        let pieces = reader.pieces(false);
        if reader.mistakes.is_empty() {
            Ok(Self { source: source.to_owned(), pieces })
        } else {
            Err(reader.mistakes)
        }
    }

    /// The sentence for a case.
    pub fn render(&self, view: &CaseView<'_>) -> String {
        self.written(view, shown)
    }

    /// The same where it may hold a command: in texts, what would act in a shell or end a word there is `_`.
    pub fn render_for_shell(&self, view: &CaseView<'_>) -> String {
        self.written(view, inert)
    }

    fn written(&self, view: &CaseView<'_>, show: fn(&Value<'_>) -> String) -> String {
        let mut out = String::new();
        write(&self.pieces, view, show, &mut out);
        counted(&out)
    }

    /// As written.
    pub fn source(&self) -> &str {
        &self.source
    }
}

fn shown(value: &Value<'_>) -> String {
    value.show()
}

/// A value that can be pasted into a shell, inside quotes or without: names come from whoever sent a packet or wrote a line.
fn inert(value: &Value<'_>) -> String {
    match value {
        Value::Text(text) if text.parse::<SocketAddr>().is_err() => {
            let plain = |(n, c): (usize, char)| {
                let keep = c.is_alphanumeric() || "/._:,@%+".contains(c) || c == '-' && n > 0;
                if keep { c } else { '_' }
            };
            text.chars().enumerate().map(plain).collect()
        }
        Value::Many(all) => all.iter().map(inert).collect::<Vec<_>>().join(", "),
        _ => value.show(),
    }
}

fn write(pieces: &[Piece], view: &CaseView<'_>, show: fn(&Value<'_>) -> String, out: &mut String) {
    for piece in pieces {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Field(field) => match field.value(view) {
                Value::Unknown | Value::Absent => out.push_str(field.phrase()),
                value => out.push_str(&shortened(show(&value))),
            },
            Piece::Optional(inner) => {
                if inner.iter().all(|p| !matches!(p, Piece::Field(f) if !f.value(view).is_there())) {
                    write(inner, view, show, out);
                }
            }
        }
    }
}

/// A value as long as a sentence can bear: of a longer one its beginning and its end.
fn shortened(mut value: String) -> String {
    if value.len() > LONGEST {
        let (from, to) = (floor(&value, LONGEST / 4 * 3), floor(&value, value.len() - LONGEST / 4));
        value.replace_range(from..to, " … ");
    }
    value
}

/// Bytes of a value in a sentence; all names of a certificate may be more than a hundred times as many.
const LONGEST: usize = 1024;

/// Words with single spaces; one that ends in `(s)` agrees with the number before it.
fn counted(text: &str) -> String {
    let (mut out, mut one) = (String::with_capacity(text.len()), false);
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        if word.starts_with(|c: char| c.is_ascii_digit()) {
            one = word == "1";
        }
        out += &word.replacen("(s)", if one { "" } else { "s" }, 1);
    }
    out
}

struct Reader<'s> {
    source: &'s str,
    at: usize,
    mistakes: Vec<Mistake>,
}

impl Reader<'_> {
    fn pieces(&mut self, optional: bool) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut text = String::new();
        let start = self.at;
        while let Some(c) = self.source[self.at..].chars().next() {
            let rest = &self.source[self.at..];
            if rest.starts_with("{{") || rest.starts_with("}}") {
                text.push(c);
                self.at += 2;
            } else if c == '{' {
                pieces.push(Piece::Text(std::mem::take(&mut text)));
                pieces.extend(self.field());
            } else if rest.starts_with("[?") && !optional {
                pieces.push(Piece::Text(std::mem::take(&mut text)));
                self.at += 2;
                pieces.push(Piece::Optional(self.pieces(true)));
            } else if c == ']' && optional {
                self.at += 1;
                pieces.push(Piece::Text(text));
                return pieces;
            } else {
                text.push(c);
                self.at += c.len_utf8();
            }
        }
        if optional {
            self.mistakes.push(Mistake::new(start.saturating_sub(2)..start, "`[?` without its `]`"));
        }
        pieces.push(Piece::Text(text));
        pieces
    }

    fn field(&mut self) -> Option<Piece> {
        let start = self.at + 1;
        let Some(length) = self.source[start..].find('}') else {
            self.mistakes
                .push(Mistake::new(self.at..start, "`{` without its `}`").help("write `{{` for a brace"));
            self.at = self.source.len();
            return None;
        };
        let name = self.source[start..start + length].trim();
        self.at = start + length + 1;
        if let Some(field) = fields::find(name) {
            Some(Piece::Field(field))
        } else {
            let text = format!("there is no field `{name}`");
            let mistake = Mistake::new(start..start + length, text);
            self.mistakes.push(mistake.suggest(name, fields::all().map(|f| f.name)));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_values_read_as_phrases_and_optional_parts_vanish() {
        let view = CaseView::default();
        for (source, text) in [
            ("{tcp.resp} was silent for {time.silence}.", "the server was silent for an unknown time."),
            ("It failed[? after {time.elapsed}].", "It failed."),
            ("{{braces}} and [brackets]", "{braces} and [brackets]"),
            ("two\n  lines", "two lines"),
            ("1 new SYN(s), 12 segment(s).", "1 new SYN, 12 segments."),
        ] {
            assert_eq!(Template::new(source).unwrap().render(&view), text);
        }
    }

    #[test]
    fn a_long_value_is_its_beginning_and_its_end() {
        let value = |n: usize| format!("begin{}end", "é".repeat(n));
        assert_eq!(shortened(value(500)), value(500));
        let short = shortened(value(50_000));
        assert!(short.starts_with("beginé") && short.contains("é … é") && short.ends_with("éend"), "{short}");
        assert!((LONGEST - 8..LONGEST + 8).contains(&short.len()), "{}", short.len());
    }

    #[test]
    fn no_value_acts_in_a_shell() {
        let text = |text: &'static str| Value::Text(text.into());
        for (value, shown) in [
            (text("hook.ns.svc"), "hook.ns.svc"),
            (text("[fd00::1]:443"), "[fd00::1]:443"),
            (text("$(id)`id`"), "__id__id_"),
            (text("a -proxy b"), "a_-proxy_b"),
            (text("-f/etc/passwd"), "_f/etc/passwd"),
            (
                text("a'b\"c\\d;e&f|g>h<i*j?k[l]m{n}o~p#q!r=s\tt\u{202e}u"),
                "a_b_c_d_e_f_g_h_i_j_k_l_m_n_o_p_q_r_s_t_u",
            ),
            (Value::Many(vec![text("a;b"), text("c")]), "a_b, c"),
            (Value::Number(-5), "-5"),
        ] {
            assert_eq!(inert(&value), shown);
        }
    }

    #[test]
    fn mistakes_are_found() {
        for (source, text) in [
            ("{tcp.respp}", "there is no field `tcp.respp`"),
            ("{tcp.resp", "`{` without its `}`"),
            ("[? {tcp.resp}", "`[?` without its `]`"),
            ("{", "`{` without its `}`"),
            ("{}", "there is no field ``"),
        ] {
            assert_eq!(Template::new(source).unwrap_err()[0].text, text);
        }
    }
}
