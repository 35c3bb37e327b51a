//! Year and zone of a log whose stamps lack them.
//!
//! Takes the stamps of a log's lines and what else is known; gives a [`Clock`] that turns stamps into times, and the
//! reason for its choice. What is trusted, most first: for the year the stamps themselves, what the user says, an absolute
//! time in the log, the span of the captures, other logs, the date of the file; for the zone what the user says, absolute
//! stamps beside others, the name that stamps give it. Never shifts a stamp that is absolute.

use std::cell::Cell;
use std::collections::BTreeMap;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::stamp::Stamp;
use super::zone_names::{named_zone, offset_name, shared_zone};
use super::{LogOptions, TimeBase};
use crate::time::{Civil, TimeDelta, Timestamp};

/// Where a year comes from that no time within the input tells.
pub(super) const FROM_WRITTEN: &str = "the date of the file (an assumption: give --year)";

/// Zones lie whole quarters of an hour apart: in nanoseconds, and in seconds.
pub(crate) const QUARTER: i64 = QUARTER_SECS * 1_000_000_000;
const QUARTER_SECS: i64 = 900;
/// Quarters that a zone is east or west of UTC at most (Pacific/Kiritimati).
pub(super) const MAX_QUARTERS: i64 = 14 * 4;
/// Two stamps of one line are written within so much of each other, besides their resolutions.
const SAME_LINE: i64 = 2 * 1_000_000_000;

/// What is known of a log's time before its lines are resolved.
#[derive(Debug, Default)]
pub(super) struct Anchors {
    /// Offsets (seconds east) that lines with an absolute and a civil stamp show, with how many lines.
    pub offsets: BTreeMap<i64, u64>,
    /// An absolute time near the log's own.
    pub near: Option<(Timestamp, &'static str)>,
    /// Lines with a stamp, those whose time is absolute, and those whose stamp has a year.
    pub stamped: u64,
    pub absolute: u64,
    pub with_year: u64,
    /// First civil stamp of the log.
    pub first: Option<Civil>,
    /// Zone that the stamps themselves name (short-full).
    pub named: Option<String>,
    /// How far outer stamps are east of inner ones that both name no zone, with how many lines.
    pub apart: BTreeMap<i64, u64>,
    /// When the file was last written, as its file system or archive says: the weakest anchor of all.
    pub written: Option<Timestamp>,
}

/// Turns stamps into times.
#[derive(Debug)]
pub(super) struct Clock {
    zone: TimeZone,
    near: Option<Timestamp>,
    pub base: TimeBase,
    /// The year is assumed: no time within the input tells it.
    pub assumed_year: bool,
    /// When the day began that a civil date was last found to be, in zones whose days are all alike.
    day: Cell<Option<(Civil, Timestamp)>>,
}

impl Anchors {
    /// Takes the stamps of one line into account, with a time that its message tells, if it does.
    pub(super) fn add(&mut self, stamps: &[Stamp], told: Option<Timestamp>) {
        let Some(outer) = stamps.first() else { return };
        self.stamped += 1;
        let absolute = stamps.iter().find_map(|s| match s {
            Stamp::Absolute(time, _) => Some(*time),
            Stamp::Civil(..) => None,
        });
        let civil = stamps.iter().find_map(|s| match s {
            Stamp::Civil(civil, _) => Some(*civil),
            Stamp::Absolute(..) => None,
        });
        if let [Stamp::Civil(outer, _), Stamp::Civil(inner, _), ..] = stamps
            && let Some(east) = quarters_apart(*outer, *inner)
        {
            *self.apart.entry(east).or_default() += 1;
        }
        self.absolute += u64::from(matches!(outer, Stamp::Absolute(..)));
        self.with_year += u64::from(civil.is_some_and(|c| c.year != 0));
        self.first = self.first.or(civil);
        if let Some(time) = absolute {
            self.near.get_or_insert((time, "absolute stamps in the log"));
        } else if let Some(time) = told {
            self.near.get_or_insert((time, "a time that a message tells"));
        }
        if let (Some(civil), Some(time)) = (civil, absolute.or(told))
            && let Some(east) = quarter_offset(civil, time)
        {
            *self.offsets.entry(east).or_default() += 1;
        }
    }

    /// Takes into account what later lines told.
    pub(super) fn merge(&mut self, later: &Self) {
        for (sum, more) in [(&mut self.offsets, &later.offsets), (&mut self.apart, &later.apart)] {
            for (east, lines) in more {
                *sum.entry(*east).or_default() += lines;
            }
        }
        self.stamped += later.stamped;
        self.absolute += later.absolute;
        self.with_year += later.with_year;
        self.near = self.near.or(later.near);
        self.first = self.first.or(later.first);
        self.named = self.named.take().or_else(|| later.named.clone());
        self.written = self.written.max(later.written);
    }

    /// Chooses year and zone, and says from what.
    pub(super) fn clock(self, options: &LogOptions, elsewhere: Option<Timestamp>) -> Clock {
        if self.stamped > 0 && self.absolute == self.stamped {
            let from = "absolute stamps".to_owned();
            let base = TimeBase { zone: Some("UTC".to_owned()), from, absolute: true, ..TimeBase::default() };
            return Clock::utc(self.near.map(|(t, _)| t), base);
        }
        if self.stamped == 0 {
            let base = TimeBase { from: "its lines have no stamps".to_owned(), ..TimeBase::default() };
            return Clock::utc(None, base);
        }
        let (near, year_from) = self.year(options, elsewhere);
        let (zone, name, zone_from, assumed_zone) = self.zone(options);
        let from = match (year_from, zone_from) {
            (Some(y), Some(z)) if y == z => y.to_owned(),
            (y, z) => format!(
                "year from {}, zone {}",
                y.unwrap_or("nothing (assumed to be 1970: give --year)"),
                z.map_or_else(|| "assumed to be UTC".to_owned(), |z| format!("from {z}"))
            ),
        };
        let assumed_year = year_from.is_none_or(|from| from == FROM_WRITTEN);
        let east =
            if assumed_zone { zone.to_fixed_offset().map_or(0, |o| i64::from(o.seconds())) } else { 0 };
        let assumed_east = TimeDelta::from_secs(east);
        let base = TimeBase { zone: name, from, absolute: false, assumed_zone, assumed_east };
        Clock { zone, near, base, assumed_year, day: Cell::default() }
    }

    /// A time near the log's own, and where it comes from.
    fn year(
        &self,
        options: &LogOptions,
        elsewhere: Option<Timestamp>,
    ) -> (Option<Timestamp>, Option<&'static str>) {
        if self.with_year > 0 && self.with_year == self.stamped {
            return (self.near.map(|(t, _)| t), Some("the stamps"));
        }
        if let (Some(year), Some(first)) = (options.year, self.first) {
            return (Some(Timestamp::from_civil(Civil { year, ..first })), Some("--year"));
        }
        if let Some((time, from)) = self.near {
            return (Some(time), Some(from));
        }
        // A clock that was not set yet, and a capture of long ago, are in the past.
        if let Some((_, last)) = options.capture_span {
            return (Some(last), Some("the captures' span"));
        }
        if elsewhere.is_some() {
            return (elsewhere, Some("other logs"));
        }
        // a log ends before it is copied: the year is the one that puts its stamps into the year before that, and a day
        // for zones
        let written = self.written.map(|t| t - TimeDelta::from_secs(181 * 86_400));
        (written, written.map(|_| FROM_WRITTEN))
    }

    /// Zone, its name, where it comes from, and whether it is no more than an assumption.
    fn zone(&self, options: &LogOptions) -> (TimeZone, Option<String>, Option<&'static str>, bool) {
        if let Some(zone) = &options.zone {
            let name = zone.iana_name().map_or_else(|| "--tz".to_owned(), str::to_owned);
            return (zone.clone(), Some(name), Some("--tz"), false);
        }
        let most = self.offsets.iter().max_by_key(|(east, n)| (**n, -east.abs()));
        if let Some((&east, _)) = most {
            return (
                fixed(east),
                Some(offset_name(TimeDelta::from_secs(east))),
                Some("absolute stamps in the log"),
                false,
            );
        }
        if let Some((name, east)) = self.named.as_ref().and_then(|n| Some((n, named_zone(n)?))) {
            return (fixed(east), Some(name.clone()), Some("the zone that the stamps name"), false);
        }
        // a container runs in UTC, whatever its host does
        let apart = self.apart.iter().max_by_key(|(east, n)| (**n, -east.abs())).map_or(0, |(east, _)| *east);
        let meant = self.named.as_deref().map_or(&[][..], shared_zone).contains(&(apart / 60));
        match (&self.named, apart) {
            (Some(name), _) if meant => {
                let from = "the zone that the stamps name, and the container's in UTC";
                (fixed(apart), Some(name.clone()), Some(from), false)
            }
            (_, 0) => (TimeZone::UTC, None, None, true),
            _ => {
                let from = "the container's stamps (assumed to be in UTC)";
                (fixed(apart), None, Some(from), true)
            }
        }
    }
}

impl Clock {
    /// Of stamps for which nothing is assumed.
    fn utc(near: Option<Timestamp>, base: TimeBase) -> Self {
        Self { zone: TimeZone::UTC, near, base, assumed_year: false, day: Cell::default() }
    }

    /// The time of a line from its stamps, outermost first, and its resolution.
    pub(super) fn resolve(&self, stamps: &[Stamp]) -> Option<(Timestamp, TimeDelta)> {
        let (mut time, mut resolution) = self.one(stamps.first()?);
        for inner in stamps.get(1..).unwrap_or_default() {
            let (finer, finer_resolution) = self.one(inner);
            if finer_resolution >= resolution || resolution.0 <= 1_000_000 {
                continue;
            }
            // an inner civil stamp may be in another zone than the outer one: bring it to the nearest quarter
            let quarters = nearest_quarters(finer - time);
            let moved = match inner {
                Stamp::Absolute(..) => finer,
                Stamp::Civil(..) => finer - TimeDelta(quarters.saturating_mul(QUARTER)),
            };
            if (moved.0.saturating_sub(time.0)).saturating_abs() <= SAME_LINE + resolution.0 {
                (time, resolution) = (moved, finer_resolution);
            }
        }
        Some((time, resolution))
    }

    /// The same time an hour later where clocks were turned back, the hour comes twice, and `latest`, which was logged
    /// before it, leaves only the second.
    pub(super) fn after(&self, time: Timestamp, latest: Option<Timestamp>) -> Timestamp {
        let turned_back = TimeDelta::from_secs(3600);
        let before = latest.is_some_and(|l| time + TimeDelta::from_secs(600) < l);
        if !before || self.base.absolute || self.zone.to_fixed_offset().is_ok() {
            return time;
        }
        let civil = |t: Timestamp| {
            let time = jiff::Timestamp::from_nanosecond(i128::from(t.0)).ok()?;
            Some(self.zone.to_datetime(time))
        };
        let again = time + turned_back;
        if civil(again).is_some() && civil(again) == civil(time) { again } else { time }
    }

    fn one(&self, stamp: &Stamp) -> (Timestamp, TimeDelta) {
        match *stamp {
            Stamp::Absolute(time, resolution) => (time, resolution),
            Stamp::Civil(civil, resolution) => (self.civil(civil), resolution),
        }
    }

    /// A civil time in the log's zone; without a year the one that lies nearest to the anchor.
    pub(super) fn civil(&self, civil: Civil) -> Timestamp {
        let time_of_day = plain_time_of_day(civil);
        let date = Civil { hour: 0, minute: 0, second: 0, nanos: 0, ..civil };
        if let Some((_, began)) = self.day.get().filter(|(known, _)| *known == date)
            && let Some(since) = time_of_day
        {
            return began + since;
        }
        let time = self.civil_once(civil);
        // within half a year of the anchor no other year is nearer at any time of that day
        let same_year = civil.year != 0 || self.near.is_none_or(|n| (time - n).abs() < HALF_A_YEAR);
        if let Some(since) = time_of_day.filter(|_| same_year && self.zone.to_fixed_offset().is_ok()) {
            self.day.set(Some((date, time - since)));
        }
        time
    }

    fn civil_once(&self, civil: Civil) -> Timestamp {
        let civil = if civil.year == 0 { nearest_year(civil, self.near) } else { civil };
        let plain = Timestamp::from_civil(civil);
        // almost every log is in a fixed zone; only a date that exists, and no leap second, may be counted on
        if let Some(east) = self.zone.to_fixed_offset().ok().filter(|_| plain.civil() == civil) {
            return plain - TimeDelta::from_secs(i64::from(east.seconds()));
        }
        let date = DateTime::new(
            civil.year as i16,
            civil.month as i8,
            civil.day as i8,
            civil.hour as i8,
            civil.minute as i8,
            civil.second.min(59) as i8,
            civil.nanos as i32,
        );
        match date.ok().and_then(|d| self.zone.to_ambiguous_timestamp(d).compatible().ok()) {
            Some(time) => i64::try_from(time.as_nanosecond()).map_or(plain, Timestamp),
            None => plain,
        }
    }
}

/// Less than that, with a day to spare.
const HALF_A_YEAR: TimeDelta = TimeDelta::from_secs(180 * 86_400);

/// Since the day began, for a time that every day has.
fn plain_time_of_day(civil: Civil) -> Option<TimeDelta> {
    let seconds = i64::from(civil.hour) * 3600 + i64::from(civil.minute) * 60 + i64::from(civil.second);
    let plain = civil.hour < 24 && civil.minute < 60 && civil.second < 60 && civil.nanos < 1_000_000_000;
    plain.then(|| TimeDelta(seconds * 1_000_000_000 + i64::from(civil.nanos)))
}

/// The year that puts the stamp nearest to the anchor: it goes over New Year with the log, and has the day.
fn nearest_year(civil: Civil, near: Option<Timestamp>) -> Civil {
    let leap_day = (civil.month, civil.day) == (2, 29);
    let year = near.map_or(1970, |n| n.civil().year);
    let years = match (leap_day, near) {
        (true, _) => year - 8..=year + 8,
        (false, Some(_)) => year - 1..=year + 1,
        (false, None) => return Civil { year, ..civil },
    };
    let near = near.unwrap_or(Timestamp(0));
    years
        .map(|year| Civil { year, ..civil })
        .filter(|c| !leap_day || Timestamp::from_civil(*c).civil() == *c)
        .min_by_key(|c| Timestamp::from_civil(*c).0.saturating_sub(near.0).saturating_abs())
        .unwrap_or(civil)
}

/// Seconds that a civil stamp is east of an absolute time, if that is a zone: whole quarters within 14 hours.
fn quarter_offset(civil: Civil, time: Timestamp) -> Option<i64> {
    let civil = if civil.year == 0 { nearest_year(civil, Some(time)) } else { civil };
    quarters(Timestamp::from_civil(civil) - time)
}

/// The same of the difference between the two.
fn quarters(ahead: TimeDelta) -> Option<i64> {
    zone_quarters(ahead, TimeDelta::from_secs(60)).map(|quarters| quarters * QUARTER_SECS)
}

/// Quarters of an hour nearest to a difference, if it is one between two zones: not more than any zone has, and whole but
/// for `slack`.
pub(crate) fn zone_quarters(ahead: TimeDelta, slack: TimeDelta) -> Option<i64> {
    let quarters = nearest_quarters(ahead);
    let rest = ahead.0.saturating_sub(quarters.saturating_mul(QUARTER));
    (quarters.abs() <= MAX_QUARTERS && rest.abs() <= slack.0).then_some(quarters)
}

pub(super) fn nearest_quarters(ahead: TimeDelta) -> i64 {
    (ahead.0 as f64 / QUARTER as f64).round() as i64
}

/// Seconds that one stamp of a line is east of the other, if that is a zone.
fn quarters_apart(outer: Civil, inner: Civil) -> Option<i64> {
    let date = |c: Civil| (c.year, c.month, c.day);
    // almost always both are of one day, whichever year that is
    if date(outer) == date(inner)
        && let (Some(outer), Some(inner)) = (plain_time_of_day(outer), plain_time_of_day(inner))
    {
        return quarters(outer - inner);
    }
    let near = Timestamp::from_civil(if inner.year == 0 { Civil { year: 2000, ..inner } } else { inner });
    let year = |c: Civil| if c.year == 0 { nearest_year(c, Some(near)) } else { c };
    let (outer, inner) = match (outer.year, inner.year) {
        (0, _) => (year(outer), Civil { year: near.civil().year, ..inner }),
        (_, 0) => (outer, nearest_year(inner, Some(Timestamp::from_civil(outer)))),
        _ => (outer, inner),
    };
    quarter_offset(outer, Timestamp::from_civil(inner))
}

fn fixed(east: i64) -> TimeZone {
    i32::try_from(east)
        .ok()
        .and_then(|s| jiff::tz::Offset::from_seconds(s).ok())
        .map_or(TimeZone::UTC, TimeZone::fixed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn civil(month: u8, day: u8, hour: u8) -> Civil {
        Civil { month, day, hour, ..Civil::default() }
    }

    fn at(text: &str) -> Timestamp {
        match super::super::stamp::rfc3339(text.as_bytes()) {
            Some((Stamp::Absolute(time, _), _)) => time,
            other => panic!("{text}: {other:?}"),
        }
    }

    const SECOND: TimeDelta = TimeDelta(1_000_000_000);
    const MICRO: TimeDelta = TimeDelta(1000);

    #[test]
    fn a_leap_day_is_of_a_leap_year() {
        let clock = || Anchors::default().clock(&LogOptions::default(), None);
        let of = |near| Clock { near: Some(at(near)), ..clock() };
        for (near, year) in
            [("2026-02-27T00:00:00Z", 2024), ("2027-06-01T00:00:00Z", 2028), ("2024-12-01T00:00:00Z", 2024)]
        {
            assert_eq!(
                of(near).civil(civil(2, 29, 12)).civil(),
                Civil { year, ..civil(2, 29, 12) },
                "{near}"
            );
        }
    }

    #[test]
    fn a_line_with_both_kinds_of_stamp_gives_zone_and_year() {
        let mut anchors = Anchors::default();
        anchors.add(
            &[Stamp::Civil(civil(11, 20, 21), SECOND), Stamp::Absolute(at("2026-11-21T02:00:00Z"), MICRO)],
            None,
        );
        let clock = anchors.clock(&LogOptions::default(), None);
        assert_eq!(clock.base.zone.as_deref(), Some("-05:00"));
        assert!(!clock.base.assumed_zone && !clock.base.absolute);
        assert_eq!(clock.civil(civil(11, 20, 22)), at("2026-11-21T03:00:00Z"));
    }

    #[test]
    fn new_year_is_crossed_from_a_capture_span() {
        let options = LogOptions {
            capture_span: Some((at("2027-01-01T00:10:00Z"), at("2027-01-01T01:00:00Z"))),
            ..LogOptions::default()
        };
        let mut anchors = Anchors::default();
        anchors.add(&[Stamp::Civil(civil(12, 31, 23), SECOND)], None);
        let clock = anchors.clock(&options, None);
        assert_eq!(clock.civil(civil(12, 31, 23)), at("2026-12-31T23:00:00Z"));
        assert_eq!(clock.civil(civil(1, 1, 0)), at("2027-01-01T00:00:00Z"));
        assert!(clock.base.assumed_zone && clock.base.from.contains("captures"), "{}", clock.base.from);
    }

    #[test]
    fn without_any_other_anchor_the_file_was_written_after_its_lines() {
        for (written, month, expected) in [
            ("2027-01-05T00:00:00Z", 12, "2026-12-20T07:00:00Z"),
            ("2027-01-05T00:00:00Z", 2, "2026-02-20T07:00:00Z"),
            ("2026-11-20T06:00:00Z", 11, "2026-11-20T07:00:00Z"),
            ("2026-10-05T00:00:00Z", 11, "2025-11-20T07:00:00Z"),
        ] {
            let mut anchors = Anchors { written: Some(at(written)), ..Anchors::default() };
            anchors.add(&[Stamp::Civil(civil(month, 20, 7), SECOND)], None);
            let clock = anchors.clock(&LogOptions::default(), None);
            assert_eq!(clock.civil(civil(month, 20, 7)), at(expected), "{written}");
            assert!(clock.assumed_year && clock.base.from.contains("an assumption"), "{}", clock.base.from);
        }
        let mut anchors = Anchors::default();
        anchors.add(&[Stamp::Civil(civil(7, 4, 12), SECOND)], None);
        let clock = anchors.clock(&LogOptions::default(), None);
        assert!(clock.assumed_year && clock.base.from.contains("give --year"), "{}", clock.base.from);
    }

    #[test]
    fn the_user_overrides_year_and_zone() {
        let zone = TimeZone::get("America/New_York").unwrap();
        let options = LogOptions { zone: Some(zone), year: Some(2025), capture_span: None };
        let mut anchors = Anchors::default();
        anchors.add(&[Stamp::Civil(civil(7, 4, 12), SECOND)], None);
        let clock = anchors.clock(&options, None);
        assert_eq!(clock.civil(civil(7, 4, 12)), at("2025-07-04T16:00:00Z"));
        assert_eq!(clock.civil(civil(1, 2, 12)), at("2026-01-02T17:00:00Z"));
        assert_eq!(clock.base.zone.as_deref(), Some("America/New_York"));
    }

    #[test]
    fn a_containers_stamps_in_utc_tell_the_zone_of_its_host() {
        let pair = |minutes: i64| {
            let inner = Civil { minute: 24, ..civil(11, 21, 2) };
            let near = Timestamp::from_civil(Civil { year: 2026, ..inner });
            let outer = (near + TimeDelta::from_secs(minutes * 60)).civil();
            [Stamp::Civil(outer, SECOND), Stamp::Civil(inner, MICRO)]
        };
        for (named, minutes, zone, assumed, utc) in [
            (Some("IST"), 330, Some("IST"), false, "2026-11-21T02:24:00Z"),
            (Some("IST"), 120, Some("IST"), false, "2026-11-21T02:24:00Z"),
            (Some("CST"), -360, Some("CST"), false, "2026-11-21T02:24:00Z"),
            // not a zone of that name, or the container is in its host's: nothing is known for sure
            (Some("IST"), 0, None, true, "2026-11-21T02:24:00Z"),
            (Some("IST"), 480, None, true, "2026-11-21T02:24:00Z"),
            (None, -300, None, true, "2026-11-21T02:24:00Z"),
            // a name that only one zone has needs no second stamp
            (Some("CET"), 120, Some("CET"), false, "2026-11-21T03:24:00Z"),
        ] {
            let mut anchors = Anchors { named: named.map(str::to_owned), ..Anchors::default() };
            anchors.add(&pair(minutes), None);
            let clock = anchors.clock(&LogOptions::default(), None);
            let base = &clock.base;
            assert_eq!((base.zone.as_deref(), base.assumed_zone), (zone, assumed), "{named:?} {minutes}");
            let (time, _) = clock.resolve(&pair(minutes)).unwrap();
            assert_eq!(time, at(utc), "{named:?} {minutes} {}", base.from);
        }
    }

    #[test]
    fn klog_in_another_zone_lends_its_microseconds() {
        let mut anchors = Anchors::default();
        anchors.add(&[Stamp::Absolute(at("2026-11-21T02:19:47Z"), SECOND)], None);
        let clock = anchors.clock(&LogOptions::default(), None);
        let inner = Civil { minute: 19, second: 47, nanos: 880_991_000, ..civil(11, 20, 21) };
        let (time, resolution) = clock
            .resolve(&[Stamp::Absolute(at("2026-11-21T02:19:47Z"), SECOND), Stamp::Civil(inner, MICRO)])
            .unwrap();
        assert_eq!((time, resolution), (at("2026-11-21T02:19:47.880991Z"), MICRO));
    }
}
