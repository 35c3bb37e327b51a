//! Facts as a few bytes: a flow that has ended is kept so, and unpacked when someone asks.
//!
//! One walk over the fields serves both ways: `Pack` writes what the fields hold, `Unpack` fills them. Numbers take a
//! byte for each seven bits, times and frames are differences from the one before; what many flows share is kept once
//! (`Shared`). Bytes come from `Pack` only and never leave the program; `Unpack` still gives zeros, not a panic, where
//! they end early.
//!
//! A number's first byte ends in a one behind as many zeros as bytes follow, and the number stands above it: so it is
//! one word, written and read at once. What has more than 56 bits stands as it is behind a zero.

use std::any::Any;
use std::sync::Arc;

use super::Moment;
use super::seq::Seq;

mod forms;
mod pack;
mod unpack;
mod values;

pub(super) use forms::Form;
pub use forms::{list, optional, rare};
pub(super) use pack::Pack;
pub(super) use unpack::Unpack;

/// Walks over numbers: writes them, or reads them into place.
pub trait Codec {
    /// The next number.
    fn number(&mut self, n: &mut u64);

    /// As many bytes as there are.
    fn raw(&mut self, bytes: &mut [u8]);

    /// The same of a number that is known.
    fn array<const N: usize>(&mut self, bytes: &mut [u8; N]);

    /// A run of bytes and how many they are, at most 64 KiB.
    fn run(&mut self, run: &mut Vec<u8>);

    /// A text, at most 64 KiB.
    fn text(&mut self, text: &mut String);

    /// A moment that is not always there. One number says whether it is, how many frames it lies from the last, and how
    /// long: in its six lowest bits 0 for none, one more than the frames, or 63 where numbers of their own follow.
    fn moment(&mut self, at: &mut Option<Moment>);

    /// What was last, which the next values differ little from.
    fn last(&mut self) -> &mut Last;

    /// What many flows share.
    fn shared<T: Coded + Clone + Default + Send + Sync + 'static>(&mut self, value: &mut Arc<T>);
}

/// A value whose fields can be walked over.
pub trait Coded {
    /// Writes or fills every field.
    fn code<C: Codec>(&mut self, codec: &mut C);

    /// About how many bytes it takes, where records share it.
    fn weight(&self) -> usize {
        0
    }

    /// A digest of what another capture of the same thing would show too, if there is something of the kind.
    fn print(&self) -> Option<u32> {
        None
    }
}

/// The moment and the sequence number that were last.
#[derive(Clone, Copy, Debug, Default)]
pub struct Last {
    moment: Moment,
    seq: Seq,
}

impl Last {
    /// What follows lies near this moment, and near no sequence number.
    pub(super) fn begin(&mut self, at: Moment) {
        *self = Self { moment: at, seq: Seq::default() };
    }
}

/// Something that records share.
pub type SharedValue = Arc<dyn Any + Send + Sync>;

#[inline]
const fn zigzag(n: i64) -> u64 {
    (n << 1 ^ n >> 63) as u64
}

#[inline]
const fn unzigzag(n: u64) -> i64 {
    (n >> 1) as i64 ^ -((n & 1) as i64)
}

/// Says that a moment is too far from the last to be packed with its frame and time in one number.
const FAR: u64 = 63;

/// Longest list or run that is packed.
const LONGEST: u64 = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_and_cut_bytes_give_zeros() {
        let numbers = [0, 1, 255, 256, 0xffff_ffff, 1 << 32, u64::MAX, 7, 0, 0, 0, 9];
        let mut pack = Pack::default();
        pack.number(&mut 77);
        pack.begin(Moment::default());
        for n in numbers {
            pack.number(&mut { n });
        }
        pack.run(&mut b"ShADad".to_vec());
        assert_eq!(pack.bytes().len(), 37);
        let read = |bytes: &[u8]| {
            let (mut unpack, mut read, mut text) = (Unpack::new(bytes, &[]), [0; 12], Vec::new());
            for n in &mut read {
                unpack.number(n);
            }
            unpack.run(&mut text);
            (read, text)
        };
        assert_eq!(read(pack.bytes()), (numbers, b"ShADad".to_vec()));
        for end in 0..pack.bytes().len() {
            let (read, _) = read(&pack.bytes()[..end]);
            assert!(read.iter().zip(numbers).all(|(read, n)| *read <= n), "cut at {end}: {read:?}");
        }
    }

    #[derive(Clone, Debug, Default, PartialEq)]
    struct Name(String);

    impl Coded for Name {
        fn code<C: Codec>(&mut self, codec: &mut C) {
            codec.text(&mut self.0);
        }

        fn weight(&self) -> usize {
            self.0.len()
        }
    }

    /// A value for which there is no room stands in each record.
    #[test]
    fn shared_values_are_bounded_by_their_bytes() {
        let mut names = ["first", "second", "first", "third"].map(|name| Arc::new(Name(name.to_owned())));
        names[2] = Arc::clone(&names[0]);
        for (room, kept) in [(0, 0), (5, 1), (11, 2), (16, 3)] {
            let mut pack = Pack::sharing(room);
            for name in &mut names.clone() {
                pack.shared(name);
            }
            assert_eq!(pack.shared.values().len(), kept, "{room} bytes");
            let mut unpack = Unpack::new(pack.bytes(), pack.shared.values());
            for name in &names {
                let mut read = Arc::default();
                unpack.shared(&mut read);
                assert_eq!(read, *name, "{room} bytes");
            }
        }
    }
}
