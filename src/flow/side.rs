//! The two sides of a flow, and values that each of them has.

use std::ops::{Index, IndexMut};

/// A side of a flow, or the direction of what it sends. `Orig` opened it (Zeek's words).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dir {
    /// The originator: sent the first SYN; where the capture shows none, what its flags and ports say of it.
    #[default]
    Orig,
    /// The responder.
    Resp,
}

impl Dir {
    /// The other side.
    #[inline]
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Orig => Self::Resp,
            Self::Resp => Self::Orig,
        }
    }

    /// `orig` or `resp`.
    #[inline]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Orig => "orig",
            Self::Resp => "resp",
        }
    }
}

/// One value for each side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PerDir<T> {
    /// The originator's.
    pub orig: T,
    /// The responder's.
    pub resp: T,
}

impl<T> PerDir<T> {
    /// With the sides exchanged.
    #[must_use]
    pub fn reversed(self) -> Self {
        Self { orig: self.resp, resp: self.orig }
    }

    /// The side of `dir`, and the other one.
    #[inline]
    pub fn both(&mut self, dir: Dir) -> (&mut T, &mut T) {
        match dir {
            Dir::Orig => (&mut self.orig, &mut self.resp),
            Dir::Resp => (&mut self.resp, &mut self.orig),
        }
    }
}

impl<T> Index<Dir> for PerDir<T> {
    type Output = T;
    #[inline]
    fn index(&self, dir: Dir) -> &T {
        match dir {
            Dir::Orig => &self.orig,
            Dir::Resp => &self.resp,
        }
    }
}

impl<T> IndexMut<Dir> for PerDir<T> {
    #[inline]
    fn index_mut(&mut self, dir: Dir) -> &mut T {
        match dir {
            Dir::Orig => &mut self.orig,
            Dir::Resp => &mut self.resp,
        }
    }
}
