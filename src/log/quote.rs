//! A quoted string of Go's.
//!
//! Takes text from its opening quote on; gives what the string holds and how many bytes it took (`strconv.Quote`).

use std::str::CharIndices;

/// A string as Go's `strconv.Quote` writes it, from its opening quote: the text and the bytes it took.
pub(super) fn unquote(text: &str) -> Option<(String, usize)> {
    let inner = text.strip_prefix('"')?;
    let mut out = String::with_capacity(inner.len().min(1024));
    let mut chars = inner.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((out, at + 2)),
            '\\' => match chars.next()?.1 {
                'n' => out.push('\n'),
                't' => out.push('\t'),
                'r' => out.push('\r'),
                'x' => out.push(escape(&mut chars, 2)?),
                'u' => out.push(escape(&mut chars, 4)?),
                'U' => out.push(escape(&mut chars, 8)?),
                other => out.push(other),
            },
            c => out.push(c),
        }
    }
    None
}

fn escape(chars: &mut CharIndices<'_>, n: usize) -> Option<char> {
    let mut value = 0u32;
    for _ in 0..n {
        value = value.checked_mul(16)?.checked_add(chars.next()?.1.to_digit(16)?)?;
    }
    Some(char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER))
}
