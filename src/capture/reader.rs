//! Reads blocks and cuts them into frames.

use super::{CaptureSummary, Interface, Window};
use crate::bundle::{SourceKind, SourceReader};

/// One pass over one capture file.
pub struct CaptureReader {
    summary: CaptureSummary,
}

impl CaptureReader {
    pub(super) fn new(_input: SourceReader, _kind: SourceKind) -> Self {
        Self { summary: CaptureSummary::default() }
    }

    /// Empties `window` and fills it with the next frames; `false` once nothing is left.
    ///
    /// Aims at 1 to 2 MiB, more only for a single larger frame.
    pub fn fill(&mut self, window: &mut Window) -> bool {
        window.frames.clear();
        window.bytes.clear();
        false
    }

    /// The interfaces known so far.
    pub fn interfaces(&self) -> &[Interface] {
        &self.summary.interfaces
    }

    /// What the file held beside frames. Call at the end.
    pub fn finish(self) -> CaptureSummary {
        self.summary
    }
}
