//! What lines of one log that name both ends of their connection say of the captures' clock, held against another log
//! whose lines name none.
//!
//! Hosts of a cluster keep their clocks together as a rule; a capture may come from anywhere. Evidence that is weighed: the
//! other log's own lines have to fit packets at least as well by it as by what they say themselves.

use super::ClockModel;
use super::candidates::CLOSE_BY;
use super::clock::{Ahead, CLOSE, Instant, Pair, counted, each_once, fit, follows};
use crate::time::TimeDelta;

/// How far a log is ahead of the captures of one group.
#[derive(Clone, Copy, Debug)]
struct Witness {
    /// The first capture of the group.
    base: usize,
    ahead: Ahead,
    residual: TimeDelta,
    /// Lines that name both ends of their connection.
    lines: u32,
}

/// How well the lines of a log fit packets under an offset: how many follow one, and how many lie close to one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Fits {
    following: usize,
    close: usize,
    /// Within what a program takes to write a line.
    tight: usize,
}

/// Takes the clock that other logs tell where a log's own pairs fit it better than the one that they tell themselves.
/// `pairs` are those of each log, and the zone error in it. Gives which captures each log was tied to so.
pub(super) fn hear(logs: &mut [ClockModel], pairs: &[(&[Pair], TimeDelta)]) -> Vec<Option<usize>> {
    let known = logs.iter().zip(pairs).filter(|(log, _)| log.offset.is_some());
    let mut all: Vec<Witness> = known.flat_map(|(_, (pairs, zone))| of_pairs(pairs, *zone)).collect();
    all.sort_by_key(|w| (std::cmp::Reverse(w.lines), w.base));
    all.truncate(MOST);
    let mut hear = |(own, (pairs, zone)): (&mut ClockModel, &(&[Pair], TimeDelta))| {
        let (model, base) = instead(own, pairs, &all).filter(|_| zone.0 == 0)?;
        *own = model;
        Some(base)
    };
    logs.iter_mut().zip(pairs).map(&mut hear).collect()
}

fn of_pairs(pairs: &[Pair], zone: TimeDelta) -> Vec<Witness> {
    let mut exact: Vec<&Pair> = pairs.iter().filter(|p| p.exact).collect();
    exact.sort_by_key(|p| p.base);
    let of_base = |of: &[&Pair]| {
        let instants: Vec<Instant> = of.iter().map(|p| (p.at, p.ahead - zone)).collect();
        let (ahead, residual) = fit(&instants)?;
        let sure = of.len() >= LEAST_LINES && residual <= MOST_SCATTER;
        sure.then_some(Witness { base: of.first()?.base, ahead, residual, lines: of.len() as u32 })
    };
    exact.chunk_by(|a, b| a.base == b.base).filter_map(of_base).collect()
}

/// The clock of a log by what others say, where its own pairs fit that better than `own`.
fn instead(own: &ClockModel, pairs: &[Pair], witnesses: &[Witness]) -> Option<(ClockModel, usize)> {
    if pairs.iter().any(|p| p.exact) {
        return None;
    }
    let (known, first) = (Ahead::of(own)?, pairs.first()?.at);
    // Lines that agree with the others say how far they are off more closely than those do.
    let agrees = |w: &Witness| own.pairs > 2 && (known.at(first) - w.ahead.at(first)).abs() <= CLOSE_BY;
    let witnesses = witnesses.iter().filter(|w| !agrees(w));
    let own = own_fits(own, pairs)?;
    let fits = witnesses.map(|w| (fits(pairs.iter().filter(|p| p.base == w.base), &w.ahead), w));
    // Of equal ones the first, which has the most lines.
    let best = fits.rev().max_by_key(|(fits, _)| *fits).filter(|(fits, _)| *fits > own);
    best.map(|(fits, witness)| (witness.model(fits.following), witness.base))
}

impl Witness {
    fn model(&self, following: usize) -> ClockModel {
        let named = counted(self.lines as usize, "line", "lines");
        let fit = counted(following, "line follows a packet", "lines follow packets");
        ClockModel {
            offset: Some(self.ahead.offset),
            drift: self.ahead.drift(),
            residual: Some(self.residual),
            pairs: self.lines,
            why: format!(
                "{named} of another log that name both ends of their connection; by its clock {fit}"
            ),
        }
    }
}

/// Clocks that agree are likely whatever the pairs say; any other offset was made to fit one of them.
fn own_fits(own: &ClockModel, pairs: &[Pair]) -> Option<Fits> {
    let ahead = Ahead::of(own)?;
    let agree = own.drift.is_none() && ahead.offset.abs() <= CLOSE_BY;
    let Fits { following, close, tight } = fits(pairs.iter(), &if agree { Ahead::default() } else { ahead });
    let made = usize::from(!agree && own.pairs <= 2);
    let [close, tight] = [close, tight].map(|fit| fit.saturating_sub(made));
    Some(Fits { following: following.max(own.pairs as usize), close, tight })
}

fn fits<'p>(pairs: impl Iterator<Item = &'p Pair>, clock: &Ahead) -> Fits {
    let beside: Vec<Pair> = pairs.map(|p| Pair { ahead: p.ahead - clock.at(p.at), ..*p }).collect();
    let of = |fits: &dyn Fn(&Pair) -> bool| {
        let some: Vec<Pair> = beside.iter().filter(|p| fits(p)).copied().collect();
        each_once(&some).len()
    };
    let within = |width: TimeDelta| of(&|p| p.ahead.abs() <= width);
    Fits { following: of(&follows), close: within(CLOSE_BY), tight: within(CLOSE[0]) }
}

/// So many lines that name their connections, and that agree to this degree, say how far a clock is off.
const LEAST_LINES: usize = 3;
const MOST_SCATTER: TimeDelta = TimeDelta::from_millis(200);

/// Witnesses that are heard.
const MOST: usize = 8;
