//! Stamps of time as programs write them.
//!
//! Takes text that begins with a stamp; gives the [`Stamp`] and how many bytes it took. A stamp says of itself whether
//! it has a zone and a year; filling in what it lacks is for `timebase`. Formats: RFC 3339 and its near kin,
//! journalctl(1) `--output`, klog `internal/buffer/buffer.go`, Go `log` and `k8s.io/utils/trace`, syslog RFC 3164.

use crate::time::{Civil, TimeDelta, Timestamp};

/// A point in time as far as its text tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Stamp {
    /// Year and zone are known.
    Absolute(Timestamp, TimeDelta),
    /// No zone, perhaps no year (0).
    Civil(Civil, TimeDelta),
}

/// One second.
const SECOND: TimeDelta = TimeDelta(1_000_000_000);

/// The number in exactly `n` digits at `at`.
pub(super) fn digits(text: &[u8], at: usize, n: usize) -> Option<u32> {
    let part = text.get(at..at.checked_add(n)?)?;
    part.iter().try_fold(0u32, |sum, b| {
        b.is_ascii_digit().then(|| sum.saturating_mul(10).saturating_add(u32::from(b - b'0')))
    })
}

/// `.123456` or `,123` at `at`: nanoseconds, its resolution, bytes taken. No fraction is whole seconds.
fn fraction(text: &[u8], at: usize) -> (u32, TimeDelta, usize) {
    if !matches!(text.get(at), Some(b'.' | b',')) {
        return (0, SECOND, 0);
    }
    let mut nanos = 0u32;
    let mut unit = 100_000_000u32;
    let mut taken = 1;
    while let Some(b) = text.get(at + taken).filter(|b| b.is_ascii_digit()) {
        nanos += u32::from(b - b'0') * unit;
        taken += 1;
        unit /= 10;
    }
    if taken == 1 {
        return (0, SECOND, 0);
    }
    let places = (taken - 1).min(9) as u32;
    (nanos, TimeDelta(10_i64.pow(9 - places)), taken)
}

/// `HH:MM:SS` with an optional fraction: fills the time of day.
fn time_of_day(text: &[u8], at: usize, civil: &mut Civil) -> Option<(TimeDelta, usize)> {
    let (hour, minute, second) = (digits(text, at, 2)?, digits(text, at + 3, 2)?, digits(text, at + 6, 2)?);
    if text.get(at + 2) != Some(&b':') || text.get(at + 5) != Some(&b':') {
        return None;
    }
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (nanos, resolution, taken) = fraction(text, at + 8);
    (civil.hour, civil.minute, civil.second, civil.nanos) = (hour as u8, minute as u8, second as u8, nanos);
    Some((resolution, 8 + taken))
}

/// `Z`, `+00:00`, `+0000`, ` UTC` at `at`: seconds east of Greenwich and bytes taken.
fn offset(text: &[u8], at: usize) -> Option<(i64, usize)> {
    let sign = match text.get(at)? {
        b'Z' => return Some((0, 1)),
        b'+' => 1,
        b'-' => -1,
        b' ' if text.get(at + 1..at + 4) == Some(b"UTC") => return Some((0, 4)),
        _ => return None,
    };
    let hours = digits(text, at + 1, 2)?;
    let colon = usize::from(text.get(at + 3) == Some(&b':'));
    let minutes = digits(text, at + 3 + colon, 2)?;
    (hours <= 18 && minutes <= 59)
        .then_some((sign * (i64::from(hours) * 3600 + i64::from(minutes) * 60), 5 + colon))
}

/// A civil date that may stand in a stamp.
fn date(year: u32, month: u32, day: u32) -> Option<Civil> {
    let plain = (1..=12).contains(&month) && (1..=31).contains(&day) && year <= 9999;
    plain.then_some(Civil { year: year as i32, month: month as u8, day: day as u8, ..Civil::default() })
}

/// `2026-11-21T02:24:45.699082123Z`, with `T` or a space, any fraction, `Z`, `+00:00`, `+0000`, ` UTC` or no zone.
pub(super) fn rfc3339(text: &[u8]) -> Option<(Stamp, usize)> {
    if text.get(4) != Some(&b'-') || !matches!(text.get(10), Some(b'T' | b' ')) {
        return None;
    }
    let mut civil = date(digits(text, 0, 4)?, digits(text, 5, 2)?, digits(text, 8, 2)?)?;
    let (resolution, taken) = time_of_day(text, 11, &mut civil)?;
    let end = 11 + taken;
    Some(match offset(text, end) {
        Some((east, zone)) => (absolute(civil, east, resolution), end + zone),
        None => (Stamp::Civil(civil, resolution), end),
    })
}

fn absolute(civil: Civil, east: i64, resolution: TimeDelta) -> Stamp {
    Stamp::Absolute(Timestamp::from_civil(civil) - TimeDelta::from_secs(east), resolution)
}

/// `2026/11/21 02:24:45` with an optional fraction: Go's `log` package.
pub(super) fn go_log(text: &[u8]) -> Option<(Stamp, usize)> {
    if text.get(4) != Some(&b'/') || text.get(7) != Some(&b'/') || text.get(10) != Some(&b' ') {
        return None;
    }
    let mut civil = date(digits(text, 0, 4)?, digits(text, 5, 2)?, digits(text, 8, 2)?)?;
    let (resolution, taken) = time_of_day(text, 11, &mut civil)?;
    Some((Stamp::Civil(civil, resolution), 11 + taken))
}

/// `Nov 21 02:24:38` and `Nov  1 02:25:20.685152`: journal short, short-precise and syslog.
pub(super) fn month_first(text: &[u8]) -> Option<(Stamp, usize)> {
    let month = month(text.get(..3)?)?;
    let day = match text.get(4)? {
        b' ' => digits(text, 5, 1)?,
        _ => digits(text, 4, 2)?,
    };
    if text.get(3) != Some(&b' ') || text.get(6) != Some(&b' ') {
        return None;
    }
    let mut civil = date(0, month, day)?;
    let (resolution, taken) = time_of_day(text, 7, &mut civil)?;
    Some((Stamp::Civil(civil, resolution), 7 + taken))
}

/// `Sat 2026-11-21 02:26:47 UTC`, with any zone name: journal short-full and with-unit. The name of a zone other than
/// UTC is given back, since only a zone database knows its offset.
pub(super) fn weekday_first(text: &[u8]) -> Option<(Stamp, usize, Option<&[u8]>)> {
    let day = text.get(..4)?;
    if !day.get(..3)?.iter().all(u8::is_ascii_alphabetic) || day.get(3) != Some(&b' ') {
        return None;
    }
    let (stamp, taken) = rfc3339(text.get(4..)?)?;
    let end = 4 + taken;
    if matches!(stamp, Stamp::Absolute(..)) {
        return Some((stamp, end, None));
    }
    let rest = text.get(end + 1..)?;
    let zone_len = rest.iter().position(|&b| b == b' ')?;
    let zone = rest.get(..zone_len)?;
    let named = text.get(end) == Some(&b' ')
        && (2..=6).contains(&zone_len)
        && zone.iter().all(|b| b.is_ascii_uppercase() || matches!(b, b'+' | b'-' | b'0'..=b'9'));
    named.then_some((stamp, end + 1 + zone_len, Some(zone)))
}

/// `1795227874.123456`: journal short-unix.
pub(super) fn unix(text: &[u8]) -> Option<(Stamp, usize)> {
    let whole = text.iter().take(13).position(|&b| b == b'.').filter(|n| (9..=11).contains(n))?;
    let seconds = text
        .get(..whole)?
        .iter()
        .try_fold(0i64, |sum, b| b.is_ascii_digit().then(|| sum * 10 + i64::from(b - b'0')))?;
    let (nanos, resolution, taken) = fraction(text, whole);
    (taken > 1).then_some((
        Stamp::Absolute(Timestamp::from_parts(seconds, i64::from(nanos)), resolution),
        whole + taken,
    ))
}

/// `1121 02:24:47.529354` after the severity letter: klog's header has month, day and microseconds.
pub(super) fn klog(text: &[u8]) -> Option<(Stamp, usize)> {
    if text.get(4) != Some(&b' ') {
        return None;
    }
    let mut civil = date(0, digits(text, 0, 2)?, digits(text, 2, 2)?)?;
    let (resolution, taken) = time_of_day(text, 5, &mut civil)?;
    (taken == 15).then_some((Stamp::Civil(civil, resolution), 5 + taken))
}

/// `21-Nov-2026 02:24:47.000`: the head of a `k8s.io/utils/trace` block.
pub(super) fn trace(text: &[u8]) -> Option<(Civil, usize)> {
    if text.get(2) != Some(&b'-') || text.get(6) != Some(&b'-') || text.get(11) != Some(&b' ') {
        return None;
    }
    let mut civil = date(digits(text, 7, 4)?, month(text.get(3..6)?)?, digits(text, 0, 2)?)?;
    let (_, taken) = time_of_day(text, 12, &mut civil)?;
    Some((civil, 12 + taken))
}

/// `02:24:37.123`: a step of a trace, which takes its date from the head.
pub(super) fn clock(text: &[u8]) -> Option<Civil> {
    let mut civil = Civil::default();
    time_of_day(text, 0, &mut civil)?;
    Some(civil)
}

fn month(name: &[u8]) -> Option<u32> {
    const NAMES: [&[u8; 3]; 12] =
        [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
    NAMES.iter().position(|n| name == *n).map(|n| n as u32 + 1)
}

/// A Go duration: `10s`, `500ms`, `1m30s`, `2.5s`, `1h0m0s`; absent if anything else follows.
pub(super) fn go_duration(text: &str) -> Option<TimeDelta> {
    let mut rest = text;
    let mut sum = 0.0f64;
    while !rest.is_empty() {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.').filter(|&n| n > 0)?;
        let value: f64 = rest.get(..number)?.parse().ok()?;
        rest = rest.get(number..)?;
        let unit = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        sum += value
            * match rest.get(..unit)? {
                "h" => 3.6e12,
                "m" => 6e10,
                "s" => 1e9,
                "ms" => 1e6,
                "us" | "µs" => 1e3,
                "ns" => 1.0,
                _ => return None,
            };
        rest = rest.get(unit..)?;
    }
    (!text.is_empty()).then_some(TimeDelta(sum as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a parser gave, as text.
    fn shown(found: Option<(Stamp, usize)>) -> String {
        match found {
            None => "none".to_owned(),
            Some((Stamp::Absolute(t, r), n)) => format!("{t} ±{r} {n}"),
            Some((Stamp::Civil(c, r), n)) => format!("{} ±{r} {n}", Timestamp::from_civil(c)),
        }
    }

    #[test]
    fn stamps_as_programs_write_them() {
        type Parser = fn(&[u8]) -> Option<(Stamp, usize)>;
        let rows: [(Parser, &str, &str); 12] = [
            (
                rfc3339,
                "2026-11-21T02:24:45.699082123Z x",
                "2026-11-21T02:24:45.699082123Z ±less than 1 µs 30",
            ),
            (rfc3339, "2026-11-21T02:26:31.766670+0000 x", "2026-11-21T02:26:31.766670000Z ±1 µs 31"),
            (rfc3339, "2026-11-20T21:26:31-05:00 x", "2026-11-21T02:26:31.000000000Z ±1.000 s 25"),
            (rfc3339, "2026-11-20 21:26:31,123 x", "2026-11-20T21:26:31.123000000Z ±1.0 ms 23"),
            (rfc3339, "2026-13-20T21:26:31Z", "none"),
            (go_log, "2026/11/21 02:24:45 http:", "2026-11-21T02:24:45.000000000Z ±1.000 s 19"),
            (month_first, "Nov  1 02:25:20.685152 cp", "0000-11-01T02:25:20.685152000Z ±1 µs 22"),
            (month_first, "Nov 21 02:24:38 cp-1", "0000-11-21T02:24:38.000000000Z ±1.000 s 15"),
            (unix, "1795227874.123456 cp-1", "2026-11-21T02:24:34.123456000Z ±1 µs 17"),
            (klog, "1121 02:24:47.529354   28800", "0000-11-21T02:24:47.529354000Z ±1 µs 20"),
            (klog, "1121 02:24:47.5293   28800", "none"),
            (klog, "1121 25:24:47.529354", "none"),
        ];
        for (parser, text, expected) in rows {
            let got = shown(parser(text.as_bytes()));
            // a civil stamp without a year is centuries outside the range of a Timestamp: compare what follows the year
            let tail = |s: &str| s.get(4..).unwrap_or(s).to_owned();
            if expected.starts_with("0000") {
                assert!(
                    matches!(parser(text.as_bytes()), Some((Stamp::Civil(c, _), _)) if c.year == 0),
                    "{text}"
                );
            } else {
                assert_eq!(tail(&got), tail(expected), "{text}");
            }
        }
    }

    #[test]
    fn short_full_names_its_zone() {
        let (stamp, taken, zone) = weekday_first(b"Sat 2026-11-21 02:26:47 UTC cp-1 x").unwrap();
        assert_eq!((taken, zone), (27, None));
        assert_eq!(shown(Some((stamp, taken))), "2026-11-21T02:26:47.000000000Z ±1.000 s 27");
        let (_, taken, zone) = weekday_first(b"Fri 2026-11-20 21:26:47 EST cp-1 x").unwrap();
        assert_eq!((taken, zone), (27, Some(&b"EST"[..])));
        assert!(weekday_first(b"The 2026-11-20 report").is_none());
    }

    #[test]
    fn go_durations() {
        for (text, ms) in
            [("10s", 10_000), ("1m30s", 90_000), ("500ms", 500), ("2.5s", 2500), ("1h0m0s", 3_600_000)]
        {
            assert_eq!(go_duration(text), Some(TimeDelta::from_millis(ms)), "{text}");
        }
        for text in ["", "10", "s", "10 s", "1x"] {
            assert_eq!(go_duration(text), None, "{text}");
        }
    }
}
