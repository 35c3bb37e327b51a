//! Cut lines that other lines of the same call complete.
//!
//! Takes the drafts of all logs; gives a line that was cut before its reason what a whole line of that call says: the
//! dispatcher's line what its own copies say, and then each cut copy what the call says that it is of. A whole line
//! completes one line of a source; of several calls it is the nearest's. Never joins drafts and never moves a time.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use foldhash::fast::FixedState;

use super::grammar::CopyOf;
use super::merge::{self, Draft, is_cut, window};
use crate::time::{TimeDelta, Timestamp};

/// Drafts of one webhook in order of time, by their places.
type OfWebhook = HashMap<Arc<str>, Vec<(Timestamp, usize)>, FixedState>;

/// Drafts that are looked at for one cut line, on either side of its time.
const MAX_NEAR: usize = 256;
/// Copies of one call in two files, one of which was cut, have one stamp.
const SAME: TimeDelta = TimeDelta(1_000);

/// Completes what can be completed.
pub(super) fn complete(drafts: &mut [Draft]) {
    if !drafts.iter().any(|d| is_cut(&d.event)) {
        return;
    }
    // calls first: their copies are completed by them
    for copies in [false, true] {
        let whole = index(drafts);
        let mut cut: Vec<usize> = (0..drafts.len())
            .filter(|&n| drafts.get(n).is_some_and(|d| is_cut(&d.event) && d.copy.is_some() == copies))
            .collect();
        cut.sort_by_key(|&n| drafts.get(n).map(|d| (d.event.time, n)));
        let mut taken = HashSet::new();
        for n in cut {
            let Some(found) = nearest(drafts, n, &whole, &taken) else { continue };
            let source = drafts.get(n).and_then(|d| Some(d.event.lines.first()?.source));
            taken.insert((found, source));
            adopt(drafts, n, found);
        }
    }
}

/// Whole drafts by webhook; of copies those whose call has no whole line of its own.
fn index(drafts: &[Draft]) -> OfWebhook {
    let mut out = OfWebhook::default();
    let mut calls: HashMap<u64, Vec<Timestamp>, FixedState> = HashMap::default();
    let whole = || drafts.iter().enumerate().filter(|(_, d)| !is_cut(&d.event));
    for (_, draft) in whole().filter(|(_, d)| d.copy.is_none() && d.event.fields.webhook.is_some()) {
        calls.entry(merge::hash(&draft.event)).or_default().extend(draft.event.time);
    }
    for times in calls.values_mut() {
        times.sort_unstable();
    }
    let told = |draft: &Draft, kind: CopyOf| {
        let (from, to) = window(kind, draft);
        let times = calls.get(&merge::hash(&draft.event)).map_or(&[][..], Vec::as_slice);
        times.get(times.partition_point(|t| *t < from)).is_some_and(|t| *t <= to)
    };
    for (n, draft) in whole().filter(|(_, d)| !d.copy.is_some_and(|kind| told(d, kind))) {
        if let (Some(name), Some(time)) = (&draft.event.fields.webhook, draft.event.time) {
            out.entry(Arc::from(name.as_str())).or_default().push((time, n));
        }
    }
    for of_webhook in out.values_mut() {
        of_webhook.sort_unstable();
    }
    out
}

/// The whole draft of the call of a cut one that is nearest in time and completes no line of its source yet.
fn nearest(
    drafts: &[Draft],
    n: usize,
    whole: &OfWebhook,
    taken: &HashSet<(usize, Option<crate::bundle::SourceIndex>)>,
) -> Option<usize> {
    let cut = drafts.get(n)?;
    let time = cut.event.time?;
    let source = cut.event.lines.first().map(|l| l.source);
    let of_webhook = whole.get(cut.event.fields.webhook.as_deref()?)?;
    let at = of_webhook.partition_point(|(t, _)| *t < time);
    let near = of_webhook.get(at.saturating_sub(MAX_NEAR)..(at + MAX_NEAR).min(of_webhook.len()))?;
    let fits = |&&(_, n): &&(Timestamp, usize)| {
        !taken.contains(&(n, source)) && drafts.get(n).is_some_and(|w| of_one_call(cut, w))
    };
    // of commands, which tell only when they began, the first is of the first call
    let order = |&&(t, n): &&(Timestamp, usize)| match drafts.get(n).and_then(|w| w.began) {
        Some(began) => (true, began.0, n),
        None => (false, (t - time).abs().0, n),
    };
    near.iter().filter(fits).min_by_key(order).map(|(_, n)| *n)
}

/// The lines can be of one call: of it and of a copy, or one and the same in two sources.
fn of_one_call(cut: &Draft, whole: &Draft) -> bool {
    let (Some(time), Some(at)) = (cut.event.time, whole.event.time) else { return false };
    let within = |(from, to): (Timestamp, Timestamp), time: Timestamp| (from..=to).contains(&time);
    let apart = cut.event.lines.first().map(|l| l.source) != whole.event.lines.first().map(|l| l.source);
    cut.event.server_side == whole.event.server_side
        && match (cut.copy, whole.copy) {
            (None | Some(CopyOf::Unhandled), Some(kind)) if cut.copy != whole.copy => {
                within(window(kind, whole), time)
            }
            (Some(kind), None) => within(window(kind, cut), at),
            (one, other) => one == other && apart && (time - at).abs() <= SAME,
        }
}

/// Makes of a cut draft what a whole one tells; how the call was to fail stays as its own line has it.
fn adopt(drafts: &mut [Draft], n: usize, found: usize) {
    let Some(event) = drafts.get(found).map(|d| d.event.clone()) else { return };
    let Some(cut) = drafts.get_mut(n) else { return };
    let fail_open = cut.event.fields.fail_open;
    (cut.event.name, cut.event.edge, cut.event.endings) = (event.name, event.edge, event.endings);
    cut.event.fields = event.fields;
    if fail_open.is_some() && cut.event.fields.fail_open != fail_open {
        cut.event.fields.fail_open = fail_open;
    }
}
