//! Records of JSON passed through a redactor line by line: for output too large to hold.
//!
//! Takes what is written; writes it on with the strings of its values replaced. Keys, their order and everything that is
//! no string stay, byte by byte.

use std::io::{self, Write};

use super::Redactor;
use crate::report::json::Text;

/// Takes records and passes them on.
pub struct JsonLines<'a> {
    redactor: &'a mut Redactor,
    out: &'a mut (dyn Write + Send),
    pending: Vec<u8>,
}

impl<'a> JsonLines<'a> {
    /// Writes to `out` what is written here, redacted.
    pub fn new(redactor: &'a mut Redactor, out: &'a mut (dyn Write + Send)) -> Self {
        Self { redactor, out, pending: Vec::new() }
    }

    fn pass(&mut self, lines: &[u8]) -> io::Result<()> {
        for line in String::from_utf8_lossy(lines).split_inclusive('\n') {
            let redacted = self.redactor.json(line);
            self.out.write_all(redacted.as_bytes())?;
        }
        Ok(())
    }
}

impl Write for JsonLines<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pending.extend_from_slice(bytes);
        if let Some(end) = self.pending.iter().rposition(|b| *b == b'\n') {
            let rest = self.pending.split_off(end + 1);
            let lines = std::mem::replace(&mut self.pending, rest);
            self.pass(&lines)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let rest = std::mem::take(&mut self.pending);
        self.pass(&rest)?;
        self.out.flush()
    }
}

impl Redactor {
    /// One line of JSON with the strings of its values replaced; keys and their order stay.
    fn json(&mut self, line: &str) -> String {
        let (mut out, mut key) = (Text::default(), String::new());
        let mut rest = line;
        while let Some(start) = rest.find('"') {
            let (before, quoted) = rest.split_at(start);
            let (quoted, after) = quoted.split_at(end_of_string(quoted));
            out.add(before.as_bytes());
            let text: String = serde_json::from_str(quoted).unwrap_or_default();
            if after.trim_start().starts_with(':') {
                out.add(quoted.as_bytes());
                key = text;
            } else {
                out.string(&self.of_key(&text, &key));
            }
            rest = after;
        }
        out.add(rest.as_bytes());
        String::from_utf8_lossy(out.as_bytes()).into_owned()
    }
}

/// Where the JSON string that begins a text ends.
fn end_of_string(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::super::tests::redactor;
    use super::*;

    #[test]
    fn lines_are_redacted_whole_however_they_are_written() {
        let (mut redactor, mut out) = (redactor(), Vec::new());
        let mut lines = JsonLines::new(&mut redactor, &mut out);
        for part in ["{\"mesh\":\"172.2", "8.0.2\"}\n{\"b\":[\"bill", "ing-hook\", 1, \"a\\\"opa\"]}"] {
            lines.write_all(part.as_bytes()).expect("a Vec takes all");
        }
        lines.flush().expect("a Vec takes all");
        let text = String::from_utf8(out).expect("UTF-8");
        assert_eq!(text, "{\"mesh\":\"240.0.0.2\"}\n{\"b\":[\"service_1\", 1, \"a\\\"service_2\"]}");
    }
}
