//! Evaluates rules on cases.

use super::{Finding, Judgement, RuleSet};
use crate::correlate::{Correlated, World};

/// The best judgement of each case that any rule matches, in order of the cases.
pub fn judge(_rules: &RuleSet, _world: &World, _correlated: &Correlated) -> Vec<Judgement> {
    Vec::new()
}

pub(super) fn group(_judgements: Vec<Judgement>, _correlated: &Correlated) -> Vec<Finding> {
    Vec::new()
}
