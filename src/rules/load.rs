//! Rule files.

/// Loaded and checked rules, in order of precedence.
#[derive(Debug, Default)]
pub struct RuleSet {}

impl RuleSet {
    /// The rules compiled into the program.
    pub fn builtin() -> Self {
        Self::default()
    }

    /// First 12 hex digits of the SHA-256 over all loaded rule and event files.
    pub fn digest(&self) -> String {
        String::new()
    }
}
