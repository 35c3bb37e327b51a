//! What a Kubernetes client says of a response that it could not read to its end.
//!
//! client-go logs the error, and gives it to the caller with words of its own around it: two lines of one failure, of
//! which only the caller's tells whose call it was. Takes drafts in order of time; gives the first line to the call that
//! the second tells of. A line whose caller says nothing stays a failure of its own.

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;

use foldhash::fast::FixedState;

use super::grammar::{BODY_UNREAD, CopyOf};
use super::merge::{Draft, window};
use crate::time::Timestamp;

/// Joins the client's lines to those of its callers, each to one.
pub(super) fn join(drafts: &mut Vec<Draft>) {
    let is_copy = |draft: &Draft| draft.copy == Some(CopyOf::Body);
    if !drafts.iter().any(is_copy) {
        return;
    }
    let mut calls: HashMap<u64, VecDeque<usize>, FixedState> = HashMap::default();
    for (n, call) in drafts.iter().enumerate().filter(|(_, d)| d.copy.is_none()) {
        let original = call.event.fields.reason.split_once(RETRY).map(|(_, original)| original);
        if let Some(original) = original {
            calls.entry(hash(call, original)).or_default().push_back(n);
        }
    }
    let mut found: Vec<(usize, usize)> = Vec::new();
    for (n, copy) in drafts.iter().enumerate().filter(|(_, d)| is_copy(d)) {
        let (from, to) = window(CopyOf::Body, copy);
        let time_of = |n: &usize| drafts.get(*n).and_then(|d| d.event.time).unwrap_or(Timestamp(i64::MAX));
        let Some(free) = calls.get_mut(&hash(copy, error(copy))) else { continue };
        while free.front().is_some_and(|n| time_of(n) < from) {
            free.pop_front();
        }
        let first = free.front().copied().filter(|n| time_of(n) <= to);
        if let Some(call) = first {
            free.pop_front();
            found.push((n, call));
        }
    }
    for (n, call) in &found {
        let lines = drafts.get_mut(*n).map(|copy| std::mem::take(&mut copy.event.lines)).unwrap_or_default();
        drafts.get_mut(*call).into_iter().for_each(|call| call.event.lines.extend_from_slice(&lines));
    }
    drafts.retain(|draft| !is_copy(draft) || !draft.event.lines.is_empty());
}

/// The error of the client's line, behind its words where they are one text.
fn error(copy: &Draft) -> &str {
    let reason = copy.event.fields.reason.as_str();
    reason.strip_prefix(BODY_UNREAD).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(reason)
}

fn hash(draft: &Draft, original: &str) -> u64 {
    FixedState::default().hash_one((draft.event.log, &*draft.event.name, original))
}

/// The words between the caller's and the error itself.
const RETRY: &str = "rror when reading response body. Please retry. Original error: ";
