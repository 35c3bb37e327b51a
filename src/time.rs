//! Points and spans of time, in nanoseconds.
//!
//! Takes seconds and fractions as captures and logs write them, gives RFC 3339 text in UTC.
//! Never reads a clock and never knows a time zone: zones are resolved where they are learnt (`log`).

use std::fmt;
use std::ops::{Add, Neg, Sub};

/// A point in time: nanoseconds since the Unix epoch, UTC.
///
/// The range is that of `i64`: 1677-09-21 to 2262-04-11; arithmetic saturates at its ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

/// A signed span of time in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeDelta(pub i64);

impl Timestamp {
    /// The first point of the range.
    pub const MIN: Self = Self(i64::MIN);
    /// The last point of the range.
    pub const MAX: Self = Self(i64::MAX);

    /// From whole seconds and nanoseconds since the epoch; saturates outside the range.
    #[inline]
    pub const fn from_parts(seconds: i64, nanos: i64) -> Self {
        let total = seconds as i128 * 1_000_000_000 + nanos as i128;
        if total > i64::MAX as i128 {
            Self::MAX
        } else if total < i64::MIN as i128 {
            Self::MIN
        } else {
            Self(total as i64)
        }
    }

    /// From a civil UTC date and time of day; saturates outside the range.
    pub const fn from_civil(date: Civil) -> Self {
        let seconds = days_from_civil(date.year, date.month, date.day) * 86_400
            + date.hour as i64 * 3600
            + date.minute as i64 * 60
            + date.second as i64;
        Self::from_parts(seconds, date.nanos as i64)
    }

    /// The civil UTC date and time of day.
    pub const fn civil(self) -> Civil {
        let seconds = self.0.div_euclid(1_000_000_000);
        let days = seconds.div_euclid(86_400);
        let second_of_day = seconds.rem_euclid(86_400);
        let (year, month, day) = civil_from_days(days);
        Civil {
            year,
            month,
            day,
            hour: (second_of_day / 3600) as u8,
            minute: (second_of_day / 60 % 60) as u8,
            second: (second_of_day % 60) as u8,
            nanos: self.0.rem_euclid(1_000_000_000) as u32,
        }
    }

    /// Appends RFC 3339 with nanoseconds: `2026-11-21T02:25:49.766668098Z` (30 bytes for years 0 to 9999).
    pub fn write_rfc3339(self, out: &mut Vec<u8>) {
        out.extend(*Rfc3339::default().text(self));
    }
}

/// RFC 3339 texts of times that lie near each other: what those of one second share is worked out once.
#[derive(Clone, Debug)]
pub struct Rfc3339 {
    /// Since the epoch.
    second: i64,
    text: [u8; 30],
}

impl Default for Rfc3339 {
    fn default() -> Self {
        Self { second: 0, text: *b"1970-01-01T00:00:00.000000000Z" }
    }
}

impl Rfc3339 {
    /// The text of a time, as [`Timestamp::write_rfc3339`] has it.
    pub fn text(&mut self, time: Timestamp) -> &[u8; 30] {
        let second = time.0.div_euclid(1_000_000_000);
        let nanos = time.0.rem_euclid(1_000_000_000) as u32;
        if second != self.second {
            self.go_to(second);
        }
        self.text[20] = b'0' + (nanos / 100_000_000) as u8;
        self.text[21..29].copy_from_slice(&eight_digits(nanos % 100_000_000));
        &self.text
    }

    fn go_to(&mut self, second: i64) {
        self.second = second;
        let c = Timestamp::from_parts(second, 0).civil();
        let two = |n: u8| [b'0' + n / 10, b'0' + n % 10];
        let year = c.year.clamp(0, 9999) as u16;
        let text = &mut self.text;
        [text[0], text[1]] = two((year / 100) as u8);
        [text[2], text[3]] = two((year % 100) as u8);
        [text[5], text[6]] = two(c.month);
        [text[8], text[9]] = two(c.day);
        [text[11], text[12]] = two(c.hour);
        [text[14], text[15]] = two(c.minute);
        [text[17], text[18]] = two(c.second);
    }
}

/// The last eight decimal digits of a number, zeros in front.
///
/// Halves of halves side by side in one word, so that a few multiplications serve all digits; dividing by 100 and 10 is
/// multiplying by 10486 / 2^20 and 103 / 2^10, which is exact below 10,000 and 100.
#[inline]
pub const fn eight_digits(n: u32) -> [u8; 8] {
    let (high, low) = (n / 10_000 % 10_000, n % 10_000);
    let fours = high as u64 | (low as u64) << 32;
    let hundreds = (fours * 10_486) >> 20 & 0x0000_007f_0000_007f;
    let pairs = hundreds | (fours - hundreds * 100) << 16;
    let tens = (pairs * 103) >> 10 & 0x000f_000f_000f_000f;
    let digits = tens | (pairs - tens * 10) << 8;
    (digits | 0x3030_3030_3030_3030).to_le_bytes()
}

/// A civil date and time of day without a zone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Civil {
    /// Proleptic Gregorian year.
    pub year: i32,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 60.
    pub second: u8,
    /// 0 to 999,999,999.
    pub nanos: u32,
}

impl TimeDelta {
    /// From whole milliseconds.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// From whole seconds.
    pub const fn from_secs(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000_000))
    }

    /// In seconds.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// In milliseconds.
    pub fn as_millis_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// Without its sign.
    #[must_use]
    #[inline]
    pub const fn abs(self) -> Self {
        Self(self.0.saturating_abs())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::with_capacity(30);
        self.write_rfc3339(&mut text);
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

/// As a person reads it: `340 µs`, `12.4 ms`, `5.003 s`, `2 min 10 s`, `3 h 5 min`.
impl fmt::Display for TimeDelta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let ns = self.0.unsigned_abs();
        match ns {
            0..1_000 => f.write_str("less than 1 µs"),
            1_000..1_000_000 => write!(f, "{sign}{} µs", ns / 1000),
            1_000_000..100_000_000 => write!(f, "{sign}{:.1} ms", ns as f64 / 1e6),
            100_000_000..1_000_000_000 => write!(f, "{sign}{} ms", ns / 1_000_000),
            1_000_000_000..100_000_000_000 => write!(f, "{sign}{:.3} s", ns as f64 / 1e9),
            _ => {
                let seconds = ns / 1_000_000_000;
                match seconds {
                    0..3600 => write!(f, "{sign}{} min {} s", seconds / 60, seconds % 60),
                    _ => write!(f, "{sign}{} h {} min", seconds / 3600, seconds / 60 % 60),
                }
            }
        }
    }
}

impl Add<TimeDelta> for Timestamp {
    type Output = Self;
    #[inline]
    fn add(self, span: TimeDelta) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl Sub<TimeDelta> for Timestamp {
    type Output = Self;
    #[inline]
    fn sub(self, span: TimeDelta) -> Self {
        Self(self.0.saturating_sub(span.0))
    }
}

impl Sub for Timestamp {
    type Output = TimeDelta;
    #[inline]
    fn sub(self, earlier: Self) -> TimeDelta {
        TimeDelta(self.0.saturating_sub(earlier.0))
    }
}

impl Add for TimeDelta {
    type Output = Self;
    #[inline]
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for TimeDelta {
    type Output = Self;
    #[inline]
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Neg for TimeDelta {
    type Output = Self;
    #[inline]
    fn neg(self) -> Self {
        Self(self.0.saturating_neg())
    }
}

/// Days since 1970-01-01 of a proleptic Gregorian date (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
const fn days_from_civil(year: i32, month: u8, day: u8) -> i64 {
    let year = year as i64 - (month <= 2) as i64;
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted = (month as i64 + 9) % 12;
    let day_of_year = (153 * shifted + 2) / 5 + day as i64 - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The inverse of [`days_from_civil`].
const fn civil_from_days(days: i64) -> (i32, u8, u8) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * month_index + 2) / 5 + 1) as u8;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 } as u8;
    ((year_of_era + era * 400 + (month <= 2) as i64) as i32, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3339_of_known_times() {
        let mut times = Rfc3339::default();
        for (ns, text) in [
            (0, "1970-01-01T00:00:00.000000000Z"),
            (-1, "1969-12-31T23:59:59.999999999Z"),
            (951_782_400_000_000_000, "2000-02-29T00:00:00.000000000Z"),
            (1_795_227_949_766_668_098, "2026-11-21T02:25:49.766668098Z"),
            (i64::MAX, "2262-04-11T23:47:16.854775807Z"),
            (i64::MIN, "1677-09-21T00:12:43.145224192Z"),
        ] {
            assert_eq!(Timestamp(ns).to_string(), text);
            assert_eq!(Timestamp::from_civil(Timestamp(ns).civil()).0.abs_diff(ns), 0, "{text}");
            assert_eq!(times.text(Timestamp(ns)), text.as_bytes(), "after another time");
        }
    }

    #[test]
    fn sums_and_differences_end_at_the_ends_of_the_range() {
        let (one, all) = (TimeDelta(1), TimeDelta(i64::MAX));
        assert_eq!((Timestamp::MAX + one, Timestamp::MIN - one), (Timestamp::MAX, Timestamp::MIN));
        assert_eq!((Timestamp::MAX - Timestamp::MIN, all + one), (all, all));
        assert_eq!((-TimeDelta(i64::MIN), TimeDelta(i64::MIN).abs()), (all, all));
        assert_eq!((TimeDelta(i64::MIN) - one, TimeDelta::from_secs(i64::MAX)), (TimeDelta(i64::MIN), all));
        assert_eq!(Timestamp::from_parts(i64::MAX, i64::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::from_parts(i64::MIN, 0), Timestamp::MIN);
    }

    #[test]
    fn eight_digits_of_every_half() {
        for n in (0..100_000_000).step_by(9_999).chain((0..10_000).map(|half| half * 10_001)) {
            assert_eq!(eight_digits(n), format!("{n:08}").as_bytes(), "{n}");
        }
        assert_eq!(eight_digits(u32::MAX), *b"94967295");
    }

    #[test]
    fn spans_read_like_a_person_says_them() {
        for (ns, text) in [
            (999, "less than 1 µs"),
            (340_000, "340 µs"),
            (12_400_000, "12.4 ms"),
            (5_003_000_000, "5.003 s"),
            (130_000_000_000, "2 min 10 s"),
            (-2_000_000, "-2.0 ms"),
        ] {
            assert_eq!(TimeDelta(ns).to_string(), text);
        }
    }
}
