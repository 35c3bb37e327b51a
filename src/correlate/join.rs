//! Matches events and flows.

use super::{Correlated, JoinOptions, World};

/// Joins everything. The world may be changed in place: log times are corrected by learnt zones.
pub fn correlate(_world: &mut World, _options: &JoinOptions) -> Correlated {
    Correlated::default()
}
