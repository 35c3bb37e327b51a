//! Which four bytes of each trigger the packed search looks at, and which triggers it looks for together.
//!
//! Takes triggers; gives each a place where its needle begins, and a bucket. The search (Teddy, eight buckets) reads the
//! halves of a needle's first four bytes apart and knows only of a whole bucket which halves stand in them. So it stops at
//! every mix of the needles of a bucket: needles are put together so that their mixes are rare in what logs usually say.
//! Never searches a log.

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
    let usual = Usual::new(window);
    let needle = |trigger: usize, front: usize| {
        triggers.get(trigger).and_then(|t| t.get(front..front + window)).unwrap_or_default()
    };
    let mut chosen: Vec<Option<Choice>> = vec![None; triggers.len()];
    let mut buckets = [(); BUCKETS].map(|()| Bucket::new(&usual));
    for (n, trigger) in (0..SWEEPS).flat_map(|_| triggers.iter().enumerate()) {
        if let Some(left) = chosen.get_mut(n).and_then(Option::take) {
            buckets[left.bucket] = Bucket::new(&usual);
            let choices = chosen.iter().enumerate().filter_map(|(other, choice)| Some((other, (*choice)?)));
            for (other, choice) in choices.filter(|(_, choice)| choice.bucket == left.bucket) {
                buckets[choice.bucket].add(needle(other, choice.front), &usual);
            }
        }
        let stops = buckets.each_ref().map(Bucket::stops);
        let costs = rarest(trigger, window).take(PLACES).flat_map(|front| {
            let cost = |bucket: usize| buckets[bucket].cost(needle(n, front), &stops[bucket], &usual);
            (0..BUCKETS).map(|bucket| (cost(bucket), Choice { front, bucket })).collect::<Vec<_>>()
        });
        let best = costs.min_by_key(|(cost, _)| *cost).map(|(_, choice)| choice);
        if let Some(best) = best {
            buckets[best.bucket].add(needle(n, best.front), &usual);
        }
        if let Some(choice) = chosen.get_mut(n) {
            *choice = best;
        }
    }
    chosen.into_iter().map(|c| c.unwrap_or(Choice { front: 0, bucket: 0 })).collect()
}

/// Some of the usual bytes: a bit for each.
type Set = Vec<u64>;

/// Bytes as long as a window that stand in usual lines.
struct Usual {
    /// Each once, in order, with how often it stands there.
    bytes: Vec<(&'static [u8], u32)>,
    /// Those with a half at a place: by place, then by half.
    with_half: Vec<[Set; 16]>,
}

impl Usual {
    fn new(window: usize) -> Self {
        let mut all: Vec<_> = USUAL.as_bytes().windows(window).collect();
        all.sort_unstable();
        let same = all.chunk_by(|a, b| a == b);
        let bytes: Vec<_> = same.map(|group| (group[0], group.len() as u32)).collect();
        let none: Set = vec![0; bytes.len().div_ceil(64)];
        let mut with_half = vec![[(); 16].map(|()| none.clone()); 2 * window];
        for (n, (bytes, _)) in bytes.iter().enumerate() {
            for (sets, half) in with_half.iter_mut().zip(halves(bytes)) {
                sets[half][n / 64] |= 1 << (n % 64);
            }
        }
        Self { bytes, with_half }
    }
}

/// The halves of bytes as the search reads them: the low one of each, then the high one.
fn halves(bytes: &[u8]) -> impl Iterator<Item = usize> {
    bytes.iter().flat_map(|b| [b & 15, b >> 4]).map(usize::from)
}

/// The needles of a bucket.
struct Bucket {
    /// By place of a half, the usual bytes that have one of the needles' halves there.
    known: Vec<Set>,
    size: u32,
}

impl Bucket {
    fn new(usual: &Usual) -> Self {
        Self { known: usual.with_half.iter().map(|sets| vec![0; sets[0].len()]).collect(), size: 0 }
    }

    fn add(&mut self, needle: &[u8], usual: &Usual) {
        for ((known, sets), half) in self.known.iter_mut().zip(&usual.with_half).zip(halves(needle)) {
            known.iter_mut().zip(&sets[half]).for_each(|(word, more)| *word |= more);
        }
        self.size += 1;
    }

    /// The usual bytes that the search stops at.
    fn stops(&self) -> Set {
        let mut stops = vec![u64::MAX; self.known.first().map_or(0, Vec::len)];
        for known in &self.known {
            stops.iter_mut().zip(known).for_each(|(word, known)| *word &= known);
        }
        stops
    }

    /// What one more needle would cost, `stops` being those without it.
    fn cost(&self, needle: &[u8], stops: &Set, usual: &Usual) -> u32 {
        let mut new: Set = stops.iter().map(|word| !word).collect();
        for ((known, sets), half) in self.known.iter().zip(&usual.with_half).zip(halves(needle)) {
            let with = known.iter().zip(&sets[half]);
            new.iter_mut().zip(with).for_each(|(word, (known, more))| *word &= known | more);
        }
        let of = |at: usize| {
            let (bytes, count) = usual.bytes.get(at).copied().unwrap_or_default();
            count * if bytes == needle { STOP * NO_TRIGGER } else { STOP }
        };
        self.size + ones(&new).map(of).sum::<u32>()
    }
}

fn ones(set: &Set) -> impl Iterator<Item = usize> {
    let of_word = |(n, word): (usize, &u64)| {
        let rest = std::iter::successors(Some(*word), |rest| Some(rest & rest.wrapping_sub(1)));
        rest.take_while(|rest| *rest != 0).map(move |rest| n * 64 + rest.trailing_zeros() as usize)
    };
    set.iter().enumerate().flat_map(of_word)
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

    /// Whether a search for needles in one bucket stops at `bytes`: as the search does it, byte by byte.
    fn stops_at(needles: &[&[u8]], bytes: &[u8]) -> bool {
        let mut places = bytes.iter().enumerate();
        places.all(|(at, b)| {
            needles.iter().any(|n| n[at] & 15 == b & 15) && needles.iter().any(|n| n[at] >> 4 == b >> 4)
        })
    }

    /// Stops of a search in a text.
    fn stops(triggers: &[&[u8]], choices: &[Choice], text: &[u8]) -> usize {
        let needles = |bucket: usize| -> Vec<&[u8]> {
            let of = triggers.iter().zip(choices).filter(|(_, c)| c.bucket == bucket);
            of.map(|(t, c)| &t[c.front..c.front + WINDOW]).collect()
        };
        let buckets: Vec<_> = (0..BUCKETS).map(needles).collect();
        let stopped = |bytes: &&[u8]| buckets.iter().any(|needles| stops_at(needles, bytes));
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
    fn a_needle_costs_the_stops_that_it_adds() {
        let usual = Usual::new(WINDOW);
        let mut bucket = Bucket::new(&usual);
        let mut needles: Vec<&[u8]> = vec![b" tcp", b"http", b"tls:", b"refu"];
        for needle in &needles {
            bucket.add(needle, &usual);
        }
        let text = || USUAL.as_bytes().windows(WINDOW);
        for needle in [b" tim", b"webh", b"x509", b": co"] {
            let before: Vec<_> = text().filter(|bytes| stops_at(&needles, bytes)).collect();
            needles.push(needle);
            let new = text().filter(|bytes| stops_at(&needles, bytes) && !before.contains(bytes));
            let own = |bytes: &[u8]| if bytes == needle { NO_TRIGGER } else { 1 };
            let cost: u32 = new.map(|bytes| STOP * own(bytes)).sum();
            assert_eq!(bucket.cost(needle, &bucket.stops(), &usual), 4 + cost);
            needles.pop();
        }
    }
}
