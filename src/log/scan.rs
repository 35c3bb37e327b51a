//! Reads logs in parallel and finds the lines that matter.

use super::{EventSet, LogOptions, Logs};
use crate::bundle::Source;

/// Reads every log among `sources`.
pub fn read(_sources: &[Source], _events: &EventSet, _options: &LogOptions) -> Logs {
    Logs::default()
}
