//! How much may come out of decompressors, for each byte of the input file that it came from.
//!
//! Takes the stored size of an input file; gives an [`Allowance`] that all decompressors draw on together while the file
//! is searched, archives within archives included, and each source found in it the share of those stored bytes that it
//! stands for, which bounds every later pass over it. Ratios within ratios therefore do not multiply: a file of 100 KB
//! is 200 MB at most, however deep it is packed. Never reads anything itself.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::codec;
use super::{Limits, Source};

/// What may come out, and what has.
#[derive(Clone, Debug, Default)]
pub(super) struct Allowance {
    out: Arc<AtomicU64>,
    most: u64,
}

impl Allowance {
    /// Nothing has come out yet.
    pub(super) fn new(most: u64) -> Self {
        Self { out: Arc::default(), most }
    }

    /// What all decompressors may give that look into a file of so many bytes.
    pub(super) fn of(stored: u64, limits: &Limits) -> Self {
        Self::new(most(stored, limits))
    }

    /// Counts bytes that came out.
    pub(super) fn draw(&self, bytes: usize) {
        self.out.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Whether more came out than may.
    pub(super) fn is_spent(&self) -> bool {
        self.out.load(Ordering::Relaxed) > self.most
    }

    /// Bytes until it is spent.
    fn left(&self) -> usize {
        let left = self.most.saturating_sub(self.out.load(Ordering::Relaxed)).saturating_add(1);
        usize::try_from(left).unwrap_or(usize::MAX)
    }
}

/// How a source may be unpacked.
#[derive(Clone, Debug)]
pub(super) enum Allowed {
    /// While its input file is searched: with everything else in that file.
    Together(Allowance),
    /// So many bytes in each pass.
    EachPass(u64),
}

impl Allowed {
    /// The allowance of one pass.
    pub(super) fn open(&self) -> Allowance {
        match self {
            Self::Together(all) => all.clone(),
            Self::EachPass(most) => Allowance::new(*most),
        }
    }
}

/// What may come out of so many stored bytes.
pub(super) fn most(stored: u64, limits: &Limits) -> u64 {
    stored.saturating_mul(limits.ratio).saturating_add(FROM_BYTES)
}

/// Gives each of the sources of one input file, which has been searched, its own allowance.
pub(super) fn settle(sources: &mut [Source], limits: &Limits) {
    let compressed = sources.iter().filter(|s| !s.opening.codecs.is_empty()).count() as u64;
    let from = FROM_BYTES.min(FROM_BYTES_TOGETHER / compressed.max(1));
    for source in sources {
        let share = source.opening.share.saturating_mul(limits.ratio);
        source.opening.allowed = Allowed::EachPass(share.saturating_add(from));
    }
}

/// The part of `share` that `part` bytes of `whole` stand for.
pub(super) fn part_of(share: u64, part: u64, whole: u64) -> u64 {
    let part = u128::from(share) * u128::from(part.min(whole)) / u128::from(whole.max(1));
    u64::try_from(part).unwrap_or(share)
}

/// A reader whose bytes are drawn from an allowance.
pub(super) struct Drawn<R> {
    pub(super) inner: R,
    pub(super) from: Allowance,
    pub(super) ratio: u64,
}

impl<R: Read> Read for Drawn<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.from.is_spent() {
            return Err(codec::ratio_reached(self.ratio));
        }
        let most = buf.len().min(self.from.left());
        let n = self.inner.read(buf.get_mut(..most).unwrap_or_default())?;
        self.from.draw(n);
        Ok(n)
    }
}

/// Below this nothing is called a bomb: small texts of one repeated line reach any ratio.
pub(super) const FROM_BYTES: u64 = 16 << 20;
/// The same for all compressed sources of one input file together.
const FROM_BYTES_TOGETHER: u64 = 256 << 20;
