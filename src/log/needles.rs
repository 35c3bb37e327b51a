//! Which four bytes of each trigger the packed search looks at, and which triggers it looks for together.
//!
//! Takes triggers; gives each a place where its needle begins, and a bucket. The search (Teddy, eight buckets) reads the
//! halves of a needle's first four bytes apart and knows only of a whole bucket which halves stand in them. So it stops at
//! every mix of the needles of a bucket: needles are put together so that their mixes are rare in what logs usually say.
//! Never searches a log.

use std::collections::BTreeMap;

/// Lines of healthy components, which a search should go through without a stop.
const USUAL: &str = include_str!("usual.txt");

/// Buckets of the search.
pub(super) const BUCKETS: usize = 8;
/// Bytes of a needle that the search looks at before it compares.
pub(super) const WINDOW: usize = 4;

/// Places in a trigger that are tried, the rarest bytes first.
const PLACES: usize = 3;
/// Times that all triggers are placed anew.
const SWEEPS: usize = 2;
/// What a stop at a mix costs, as a multiple of one more needle in a bucket; a needle that is there but not its trigger
/// ends the search and costs so many times more.
const STOP: u32 = 8;
const NO_TRIGGER: u32 = 8;

/// Where the needle of a trigger begins, and the bucket that it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub front: usize,
    pub bucket: usize,
}

/// A choice for each trigger. None may be shorter than `window`.
pub(super) fn choose(triggers: &[&[u8]], window: usize) -> Vec<Choice> {
    let usual = usual(window);
    let needle = |trigger: usize, front: usize| {
        triggers.get(trigger).and_then(|t| t.get(front..front + window)).unwrap_or_default()
    };
    let mut chosen: Vec<Option<Choice>> = vec![None; triggers.len()];
    for (n, trigger) in (0..SWEEPS).flat_map(|_| triggers.iter().enumerate()) {
        let others = || chosen.iter().enumerate().filter(|(other, _)| *other != n);
        let mut buckets = Buckets::default();
        for (other, choice) in others().filter_map(|(other, c)| Some((other, (*c)?))) {
            buckets.add(needle(other, choice.front), choice.bucket);
        }
        let costs = rarest(trigger, window).take(PLACES).flat_map(|front| {
            let costs = buckets.costs(needle(n, front), &usual);
            (0..BUCKETS).zip(costs).map(move |(bucket, cost)| (cost, Choice { front, bucket }))
        });
        let best = costs.min_by_key(|(cost, _)| *cost).map(|(_, choice)| choice);
        if let Some(choice) = chosen.get_mut(n) {
            *choice = best;
        }
    }
    chosen.into_iter().map(|c| c.unwrap_or(Choice { front: 0, bucket: 0 })).collect()
}

/// Bytes that stand in usual lines.
struct Usual {
    bytes: &'static [u8],
    /// How often.
    count: u32,
    /// How many of them, from the first, are those of the one before.
    shared: usize,
}

/// All that are as long as a window, in order.
fn usual(window: usize) -> Vec<Usual> {
    let mut counts: BTreeMap<&[u8], u32> = BTreeMap::new();
    for bytes in USUAL.as_bytes().windows(window) {
        *counts.entry(bytes).or_default() += 1;
    }
    let mut before: &[u8] = &[];
    let with_shared = counts.into_iter().map(|(bytes, count)| {
        let shared = bytes.iter().zip(std::mem::replace(&mut before, bytes)).take_while(|(a, b)| a == b);
        Usual { bytes, count, shared: shared.count() }
    });
    with_shared.collect()
}

/// The halves of bytes that the needles of each bucket hold at each place: a bit for each bucket.
#[derive(Default)]
struct Buckets {
    low: [[u8; 16]; WINDOW],
    high: [[u8; 16]; WINDOW],
    sizes: [u32; BUCKETS],
}

impl Buckets {
    fn add(&mut self, needle: &[u8], bucket: usize) {
        for ((byte, low), high) in needle.iter().zip(&mut self.low).zip(&mut self.high) {
            low[usize::from(byte & 15)] |= 1 << bucket;
            high[usize::from(byte >> 4)] |= 1 << bucket;
        }
        self.sizes[bucket] += 1;
    }

    /// What the needle would cost in each bucket.
    fn costs(&self, needle: &[u8], usual: &[Usual]) -> [u32; BUCKETS] {
        let mut costs = self.sizes;
        // buckets that stop at so many bytes without the needle, and with it
        let mut stops = [(u8::MAX, u8::MAX); WINDOW + 1];
        // at how many bytes none does: most usual bytes share them with those before, which tells all of them
        let mut none_from = usize::MAX;
        for Usual { bytes, count, shared } in usual {
            if *shared >= none_from {
                continue;
            }
            none_from = usize::MAX;
            for (at, (byte, own)) in bytes.iter().zip(needle).enumerate().skip(*shared) {
                let (now, then) = stops[at];
                let (low, high) =
                    (self.low[at][usize::from(byte & 15)], self.high[at][usize::from(byte >> 4)]);
                let all = |same: bool| if same { u8::MAX } else { 0 };
                let with = (low | all(byte & 15 == own & 15)) & (high | all(byte >> 4 == own >> 4));
                stops[at + 1] = (now & low & high, then & with);
                if then & with == 0 {
                    none_from = at + 1;
                    break;
                }
            }
            if none_from != usize::MAX {
                continue;
            }
            let (now, then) = stops[bytes.len()];
            let stop = if *bytes == needle { STOP * NO_TRIGGER } else { STOP };
            let new = then & !now;
            for (_, cost) in (0..).zip(&mut costs).filter(|(bucket, _)| new >> bucket & 1 == 1) {
                *cost += stop * count;
            }
        }
        costs
    }
}

/// The places in a trigger, those with the rarest bytes behind them first.
fn rarest(trigger: &[u8], window: usize) -> impl Iterator<Item = usize> {
    // the bytes of API-server logs, most frequent first
    const COMMON: &[u8] = b" eoatnirs1lcd0u2phm.:/\"3-g54698f7bvwk=,y";
    // what is left out at the front makes the needle more common again
    const LEFT_OUT: usize = 10;
    let weight = |b: &u8| COMMON.iter().position(|c| c == b).map_or(0, |n| COMMON.len() - n);
    let cost = |n: &usize| trigger.iter().skip(*n).take(window).map(weight).sum::<usize>() + n * LEFT_OUT;
    let mut places: Vec<usize> = (0..=trigger.len().saturating_sub(window)).collect();
    places.sort_by_cached_key(cost);
    places.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stops of a search in a text.
    fn stops(triggers: &[&[u8]], choices: &[Choice], text: &[u8]) -> usize {
        let mut buckets = Buckets::default();
        for (trigger, choice) in triggers.iter().zip(choices) {
            buckets.add(&trigger[choice.front..choice.front + WINDOW], choice.bucket);
        }
        let stopped = |bytes: &&[u8]| {
            let halves = bytes
                .iter()
                .enumerate()
                .map(|(at, b)| buckets.low[at][usize::from(b & 15)] & buckets.high[at][usize::from(b >> 4)]);
            halves.fold(u8::MAX, |all, one| all & one) != 0
        };
        text.windows(WINDOW).filter(stopped).count()
    }

    #[test]
    fn what_is_chosen_stops_less_often_than_what_comes_first() {
        let words = [
            " tcp", " timeout", "refused", "webhook", "x509: ", "tls: ", "cancel", "deadline", " EOF",
            "http2: ",
        ];
        let words =
            [&words[..], &["is closing", "is managed", "tunnel", "bad status", "proxy error"]].concat();
        let triggers: Vec<&[u8]> = words.iter().map(|w| w.as_bytes()).collect();
        let chosen = choose(&triggers, WINDOW);
        let first: Vec<_> = (0..triggers.len()).map(|n| Choice { front: 0, bucket: n % BUCKETS }).collect();
        let (few, many) =
            (stops(&triggers, &chosen, USUAL.as_bytes()), stops(&triggers, &first, USUAL.as_bytes()));
        assert!(few * 3 < many, "{few} {many}");
        assert!(chosen.iter().zip(&triggers).all(|(c, t)| c.front + WINDOW <= t.len() && c.bucket < BUCKETS));
        assert_eq!(choose(&[b"abc", b"SSL"], 3).len(), 2);
        assert_eq!(choose(&[], WINDOW), []);
    }

    #[test]
    fn usual_bytes_that_begin_alike_are_judged_as_each_alone() {
        let usual = usual(WINDOW);
        let mut buckets = Buckets::default();
        for (n, needle) in [b" tcp", b"http", b"tls:", b"refu", b"Time", b"dead"].iter().enumerate() {
            buckets.add(*needle, n % 3);
        }
        for needle in [b" tim", b"webh", b"x509", b": co"] {
            let mut alone = buckets.sizes;
            for one in &usual {
                let whole = [Usual { shared: 0, ..*one }];
                let cost = buckets.costs(needle, &whole);
                alone
                    .iter_mut()
                    .zip(cost.iter().zip(buckets.sizes))
                    .for_each(|(sum, (c, own))| *sum += c - own);
            }
            assert_eq!(buckets.costs(needle, &usual), alone);
        }
    }
}
