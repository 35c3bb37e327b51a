//! What stands in front of a stored record: which shard's values it is read with, and the number of its stream.

/// The bytes of a prefix, and how many they are.
pub(super) fn of(source: u32, stream: Option<u32>) -> ([u8; 2 * LONGEST], usize) {
    let mut bytes = [0; 2 * LONGEST];
    let used = put(&mut bytes, 0, source);
    let used = put(&mut bytes, used, stream.map_or(0, |n| n.saturating_add(1)));
    (bytes, used)
}

/// Source, stream and record of what is stored.
pub(super) fn split(stored: &[u8]) -> (u32, Option<u32>, &[u8]) {
    let (source, rest) = take(stored);
    let (stream, record) = take(rest);
    (source, stream.checked_sub(1), record)
}

/// Puts a number at a place (LEB128); gives the place behind it.
fn put(out: &mut [u8; 2 * LONGEST], at: usize, number: u32) -> usize {
    let (mut at, mut rest) = (at, number);
    while rest >= 0x80 {
        out[at] = rest as u8 | 0x80;
        at += 1;
        rest >>= 7;
    }
    out[at] = rest as u8;
    at + 1
}

fn take(bytes: &[u8]) -> (u32, &[u8]) {
    let (mut value, mut shift) = (0_u32, 0);
    for (n, byte) in bytes.iter().enumerate().take(LONGEST) {
        value |= u32::from(byte & 0x7f) << shift;
        shift += 7;
        if *byte < 0x80 {
            return (value, &bytes[n + 1..]);
        }
    }
    (value, &[])
}

/// Bytes of a number at most.
const LONGEST: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_front_comes_back() {
        for (source, stream) in [(0, None), (15, Some(0)), (127, Some(127)), (u32::MAX, Some(u32::MAX - 1))] {
            let (bytes, used) = of(source, stream);
            let stored = [&bytes[..used], b"record"].concat();
            assert_eq!(split(&stored), (source, stream, &b"record"[..]));
        }
    }
}
