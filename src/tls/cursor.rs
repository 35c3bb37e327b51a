//! A reader over bytes that may be cut: takes big-endian integers and length-prefixed vectors (RFC 8446 §3.4).
//!
//! Never indexes past the end: what is not there is `None`, and a vector whose end is missing gives what there is.

/// A place in a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    /// At the start of `bytes`.
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// What has not been read.
    pub(super) const fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// Whether everything has been read.
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One byte.
    pub(super) fn u8(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    /// Two bytes.
    pub(super) fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(*self.array()?))
    }

    /// Three bytes.
    pub(super) fn u24(&mut self) -> Option<u32> {
        let &[a, b, c] = self.array()?;
        Some(u32::from_be_bytes([0, a, b, c]))
    }

    /// `N` bytes.
    pub(super) fn array<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(head)
    }

    /// `n` bytes, or fewer where the message ends first.
    pub(super) fn up_to(&mut self, n: usize) -> &'a [u8] {
        let (head, rest) = self.0.split_at(n.min(self.0.len()));
        self.0 = rest;
        head
    }

    /// A vector with a one-byte length, and whether its end is missing.
    pub(super) fn vector8(&mut self) -> Option<(&'a [u8], bool)> {
        let n = usize::from(self.u8()?);
        Some(self.vector(n))
    }

    /// A vector with a two-byte length, and whether its end is missing.
    pub(super) fn vector16(&mut self) -> Option<(&'a [u8], bool)> {
        let n = usize::from(self.u16()?);
        Some(self.vector(n))
    }

    /// A vector with a three-byte length, and whether its end is missing.
    pub(super) fn vector24(&mut self) -> Option<(&'a [u8], bool)> {
        let n = self.u24()? as usize;
        Some(self.vector(n))
    }

    fn vector(&mut self, n: usize) -> (&'a [u8], bool) {
        let bytes = self.up_to(n);
        (bytes, bytes.len() < n)
    }
}

/// The big-endian pairs of a vector; an odd last byte is left out.
pub(super) fn pairs(bytes: &[u8]) -> impl Iterator<Item = u16> + '_ {
    bytes.as_chunks::<2>().0.iter().map(|&pair| u16::from_be_bytes(pair))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_say_when_their_end_is_missing() {
        let mut whole = Cursor::new(&[0, 2, 7, 8, 9]);
        assert_eq!(whole.vector16(), Some((&[7, 8][..], false)));
        assert_eq!(whole.rest(), [9]);
        let mut cut = Cursor::new(&[3, 7, 8]);
        assert_eq!(cut.vector8(), Some((&[7, 8][..], true)));
        assert_eq!(cut.vector8(), None);
    }

    #[test]
    fn pairs_leave_out_an_odd_byte() {
        assert_eq!(pairs(&[1, 2, 3, 4, 5]).collect::<Vec<_>>(), [0x0102, 0x0304]);
    }
}
