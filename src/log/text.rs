//! Text of a log line as an event keeps it.
//!
//! A failure that repeats leaves the same message under ever new headers, so a line is kept as its own head and a
//! message that all its repetitions share. Never reads a file.

use std::fmt;
use std::sync::Arc;

/// Text of a line, in two parts.
#[derive(Clone, Default)]
pub struct LineText {
    head: Box<str>,
    message: Option<Arc<str>>,
}

impl LineText {
    /// A line that ends with a message that others end with too.
    pub(super) fn sharing(head: &str, message: Arc<str>) -> Self {
        Self { head: Box::from(head), message: Some(message) }
    }

    /// What this line has for itself (the whole line, or what stands in front of its message).
    pub fn head(&self) -> &str {
        &self.head
    }

    /// What follows the head, shared with other lines; the address is the same for lines with one message.
    pub fn message(&self) -> Option<&Arc<str>> {
        self.message.as_ref()
    }

    /// Its length in bytes.
    pub(super) fn len(&self) -> usize {
        self.parts().map(str::len).iter().sum()
    }

    fn parts(&self) -> [&str; 2] {
        [&self.head, self.message.as_deref().unwrap_or_default()]
    }
}

impl From<String> for LineText {
    fn from(text: String) -> Self {
        Self { head: text.into(), message: None }
    }
}

impl fmt::Display for LineText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts().into_iter().try_for_each(|part| f.write_str(part))
    }
}

impl fmt::Debug for LineText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_string(), f)
    }
}

impl PartialEq for LineText {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.to_string() == other.to_string()
    }
}

impl Eq for LineText {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_line_is_cut_in_two_does_not_show() {
        let shared = LineText::sharing("Nov 21 ", Arc::from("refused"));
        let whole = LineText::from("Nov 21 refused".to_owned());
        assert_eq!(shared, whole);
        assert_eq!(shared.to_string(), "Nov 21 refused");
        assert_eq!(format!("{shared:?}"), "\"Nov 21 refused\"");
        assert_ne!(shared, LineText::from("Nov 21 refusal".to_owned()));
    }
}
