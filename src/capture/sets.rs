//! Which capture files belong to one vantage point.

use super::CaptureSet;
use crate::bundle::{Source, SourceKind};

/// Groups capture sources into captures, in order of name.
pub fn group(sources: &[Source]) -> Vec<CaptureSet> {
    sources
        .iter()
        .filter(|s| matches!(s.kind, SourceKind::Pcap | SourceKind::Pcapng))
        .map(|s| CaptureSet { name: s.path.clone(), host: None, files: vec![s.index] })
        .collect()
}
