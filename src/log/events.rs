//! Event definitions: data in `rules/events/`.

/// The loaded event definitions.
#[derive(Debug, Default)]
pub struct EventSet {}

impl EventSet {
    /// The definitions compiled into the program.
    pub fn builtin() -> Self {
        Self::default()
    }
}
