//! Arguments as meant: numbers, times and zones made of what was typed, each mistake a sentence with its remedy.

use std::io::IsTerminal;
use std::path::PathBuf;

use jiff::civil;
use jiff::tz::TimeZone;

use super::args::{ColorChoice, HowArguments, LimitArguments, ShowArguments};
use crate::bundle::{self, Bundle, Limits};
use crate::capture::{self, Window};
use crate::error::Error;
use crate::ingest::IngestOptions;
use crate::log::EventSet;
use crate::packet::DecodeOptions;
use crate::report::view::Style;
use crate::rules::{RuleFile, RuleSet};
use crate::time::{TimeDelta, Timestamp};

/// What the reading arguments mean.
#[derive(Debug)]
pub struct Settings {
    /// `--max-memory` in bytes.
    pub max_memory: u64,
    /// Bounds on what a bundle may make the program read.
    pub limits: Limits,
    /// Zone of stamps that name none, when the user says so.
    pub zone: Option<TimeZone>,
    /// Year of stamps that name none, when the user says so.
    pub year: Option<i32>,
    /// Built-in rules and those of `--rules`.
    pub rules: RuleSet,
    /// Built-in events and those of `--rules`.
    pub events: EventSet,
    from: Option<TimeArgument>,
    to: Option<TimeArgument>,
    /// How long before its end a certificate is worth a word.
    pub expiry_warning: TimeDelta,
    vxlan_ports: Vec<u16>,
    key_logs: Vec<PathBuf>,
}

/// A point in time as a person gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum TimeArgument {
    /// With a date.
    At(Timestamp),
    /// On the day on which the captures begin, in the zone of `--tz`.
    OnFirstDay(civil::Time),
}

impl Settings {
    /// What these arguments mean.
    ///
    /// # Errors
    /// [`Error::Usage`] for a value that cannot be understood.
    pub fn of(typed: &HowArguments) -> Result<Self, Error> {
        let (rules, events) = rayon::join(|| rules(&typed.rules), || events(&typed.rules));
        Self::with(typed, rules?, events?)
    }

    /// The same for a command that reads captures alone: rules and events are loaded only where some are named, so that
    /// mistakes in them are still told, and where logs are read for the names to redact.
    ///
    /// # Errors
    /// As [`Settings::of`].
    pub fn of_captures(typed: &HowArguments) -> Result<Self, Error> {
        if typed.rules.is_empty() && !typed.redact {
            return Self::with(typed, RuleSet::default(), EventSet::default());
        }
        Self::of(typed)
    }

    /// The same for a command that reads logs and draws no conclusion: rules are loaded only where some are named.
    ///
    /// # Errors
    /// As [`Settings::of`].
    pub fn of_logs(typed: &HowArguments) -> Result<Self, Error> {
        if typed.rules.is_empty() {
            return Self::with(typed, RuleSet::default(), events(&[])?);
        }
        Self::of(typed)
    }

    fn with(typed: &HowArguments, rules: RuleSet, events: EventSet) -> Result<Self, Error> {
        let zone = typed.tz.as_deref().map(zone).transpose()?;
        let time = |option: &str, text: &Option<String>| {
            text.as_deref().map(|text| time(option, text, zone.as_ref())).transpose()
        };
        Ok(Self {
            max_memory: size("--max-memory", &typed.max_memory)?,
            limits: limits(&typed.limits)?,
            from: time("--from", &typed.from)?,
            to: time("--to", &typed.to)?,
            year: typed.year,
            rules,
            events,
            vxlan_ports: typed.vxlan_port.clone(),
            expiry_warning: TimeDelta::from_secs(i64::from(typed.expiry_warning) * 86_400),
            key_logs: typed.keylog.clone(),
            zone,
        })
    }

    /// Everything under `inputs`, with the key logs of `--keylog`.
    ///
    /// # Errors
    /// As [`bundle::discover`] and [`Bundle::add_key_log`].
    pub fn discover(&self, inputs: &[PathBuf]) -> Result<Bundle, Error> {
        let mut bundle = bundle::discover(inputs, &self.limits)?;
        for path in &self.key_logs {
            bundle.add_key_log(path)?;
        }
        Ok(bundle)
    }

    /// Of the rules and events in use.
    pub fn digest(&self) -> String {
        self.rules.digest(&self.events)
    }

    /// `--from` and `--to`; a time without a date is on the day on which the captures begin.
    ///
    /// # Errors
    /// [`Error::Usage`] for a time without a date where no capture says which day it is.
    pub fn span(&self, bundle: &Bundle) -> Result<(Option<Timestamp>, Option<Timestamp>), Error> {
        let zone = self.zone.clone().unwrap_or(TimeZone::UTC);
        let resolve = |time: &Option<TimeArgument>| match time {
            None => Ok(None),
            Some(TimeArgument::At(time)) => Ok(Some(*time)),
            Some(TimeArgument::OnFirstDay(time)) => {
                let first = first_frame(bundle).ok_or_else(|| {
                    Error::Usage(format!(
                        "{time} has no date, and no capture says which day is meant: write it as 2026-11-21T{time}Z"
                    ))
                })?;
                Ok(on_day_of(first, *time, &zone))
            }
        };
        Ok((resolve(&self.from)?, resolve(&self.to)?))
    }

    /// How to decode packets.
    pub fn decode(&self) -> DecodeOptions {
        DecodeOptions { vxlan_ports: self.vxlan_ports.clone() }
    }

    /// How to read captures.
    ///
    /// # Errors
    /// As [`Settings::span`].
    pub fn ingest(&self, bundle: &Bundle) -> Result<IngestOptions, Error> {
        let (from, to) = self.span(bundle)?;
        Ok(IngestOptions { vxlan_ports: self.vxlan_ports.clone(), max_memory: self.max_memory, from, to })
    }
}

/// The limits as typed, else as they are by default.
fn limits(typed: &LimitArguments) -> Result<Limits, Error> {
    let usual = Limits::default();
    let bytes = |option: &str, typed: &Option<String>, usual: u64| {
        typed.as_deref().map_or(Ok(usual), |text| size(option, text))
    };
    Ok(Limits {
        members: typed.max_members.unwrap_or(usual.members),
        depth: typed.max_depth.unwrap_or(usual.depth),
        total_bytes: bytes("--max-total-bytes", &typed.max_total_bytes, usual.total_bytes)?,
        member_bytes: bytes("--max-member-bytes", &typed.max_member_bytes, usual.member_bytes)?,
        ratio: typed.max_ratio.unwrap_or(usual.ratio),
        object_bytes: bytes("--max-object-bytes", &typed.max_object_bytes, usual.object_bytes)?,
        yaml_depth: typed.max_yaml_depth.unwrap_or(usual.yaml_depth),
        yaml_aliases: typed.max_yaml_aliases.unwrap_or(usual.yaml_aliases),
        facts: typed.max_facts.unwrap_or(usual.facts),
        fragment_bytes: bytes("--max-fragment-bytes", &typed.max_fragment_bytes, usual.fragment_bytes)?,
        failures: typed.max_failures.unwrap_or(usual.failures),
        ..usual
    })
}

/// The built-in rules and those of `dirs`.
pub(super) fn rules(dirs: &[PathBuf]) -> Result<RuleSet, Error> {
    let mut files = Vec::new();
    for dir in dirs {
        files.extend(RuleFile::read_dir(dir)?);
    }
    RuleSet::load(files)
}

/// The built-in events and those in `events/` under `dirs`.
pub(super) fn events(dirs: &[PathBuf]) -> Result<EventSet, Error> {
    let dirs: Vec<_> = dirs.iter().map(|d| d.join("events")).filter(|d| d.is_dir()).collect();
    EventSet::load(&dirs)
}

/// How to print.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// Colour standard output.
    pub color: bool,
    /// Columns to fill.
    pub width: u16,
    /// Results go to a terminal.
    pub terminal: bool,
}

impl Look {
    /// From the arguments, the environment and the terminal; `to_file` is output that goes to a file.
    pub fn of(typed: &ShowArguments, to_file: bool) -> Self {
        let terminal = std::io::stdout().is_terminal() && !to_file;
        let set = |name: &str| std::env::var_os(name).is_some_and(|v| !v.is_empty());
        let is = |name: &str, value: &str| std::env::var_os(name).is_some_and(|v| v == value);
        let color = match typed.color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto if set("NO_COLOR") || is("TERM", "dumb") || is("CLICOLOR", "0") => false,
            ColorChoice::Auto => terminal || (set("CLICOLOR_FORCE") && !is("CLICOLOR_FORCE", "0")),
        };
        let columns = std::env::var("COLUMNS").ok().and_then(|v| v.parse::<u16>().ok());
        let measured = if terminal { comfy_table::Table::new().width() } else { None };
        let width = typed.width.or(columns).or(measured).unwrap_or(100).clamp(40, 400);
        Self { color, width, terminal }
    }

    /// As the views take it.
    pub fn style(self) -> Style {
        Style { color: self.color, width: usize::from(self.width) }
    }
}

/// A zone by its name or as an offset.
fn zone(text: &str) -> Result<TimeZone, Error> {
    let wrong = || {
        Error::Usage(format!(
            "--tz {text}: no such zone: give a name such as Europe/Berlin or an offset such as +02:00"
        ))
    };
    if text.starts_with(['+', '-']) {
        let probe = format!("1970-01-01T00:00:00{text}");
        let parsed =
            jiff::fmt::temporal::DateTimeParser::new().parse_timestamp(&probe).map_err(|_| wrong())?;
        let seconds = i32::try_from(-parsed.as_second()).map_err(|_| wrong())?;
        return jiff::tz::Offset::from_seconds(seconds).map(TimeZone::fixed).map_err(|_| wrong());
    }
    TimeZone::get(text).map_err(|_| wrong())
}

fn time(option: &str, text: &str, zone: Option<&TimeZone>) -> Result<TimeArgument, Error> {
    let text = text.trim();
    let at =
        |t: jiff::Timestamp| i64::try_from(t.as_nanosecond()).ok().map(|ns| TimeArgument::At(Timestamp(ns)));
    if let Some(time) = text.parse::<jiff::Timestamp>().ok().and_then(at) {
        return Ok(time);
    }
    if let Ok(time) = text.parse::<civil::Time>()
        && !text.contains('-')
    {
        return Ok(TimeArgument::OnFirstDay(time));
    }
    let zone = zone.cloned().unwrap_or(TimeZone::UTC);
    let date = text.parse::<civil::DateTime>().ok();
    date.and_then(|date| date.to_zoned(zone).ok()).and_then(|z| at(z.timestamp())).ok_or_else(|| {
        Error::Usage(format!(
            "{option} {text}: not a time: write 2026-11-21T17:20:00Z, \"2026-11-21 17:20\" or 17:20"
        ))
    })
}

fn on_day_of(first: Timestamp, time: civil::Time, zone: &TimeZone) -> Option<Timestamp> {
    let first = jiff::Timestamp::from_nanosecond(i128::from(first.0)).ok()?.to_zoned(zone.clone());
    let at = first.date().to_datetime(time).to_zoned(zone.clone()).ok()?;
    i64::try_from(at.timestamp().as_nanosecond()).ok().map(Timestamp)
}

/// Time of the earliest first frame of the captures: one window of each is read.
fn first_frame(bundle: &Bundle) -> Option<Timestamp> {
    let captures = bundle.sources.iter().filter(|s| s.kind.is_capture());
    let first = captures.filter_map(|source| {
        let mut reader = capture::open(source.open().ok()?, source.kind);
        let mut window = Window::default();
        reader.fill(&mut window);
        window.frames.first().map(|frame| frame.time)
    });
    first.min()
}

/// A size in bytes: a number with an optional K, M, G or T (1024 each), `iB` or `B` behind it.
fn size(option: &str, text: &str) -> Result<u64, Error> {
    let lower = text.trim().to_ascii_lowercase();
    let number = lower.trim_end_matches("ib").trim_end_matches('b');
    let (digits, shift) = match number.chars().last() {
        Some('k') => (&number[..number.len() - 1], 10),
        Some('m') => (&number[..number.len() - 1], 20),
        Some('g') => (&number[..number.len() - 1], 30),
        Some('t') => (&number[..number.len() - 1], 40),
        _ => (number, 0),
    };
    let bytes = digits.trim().parse::<u64>().ok().and_then(|n| n.checked_mul(1 << shift));
    bytes.filter(|n| *n > 0).ok_or_else(|| {
        Error::Usage(format!("{option} {text}: not a size: write a number with K, M, G or T, such as 512M"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Civil;

    #[test]
    fn sizes() {
        for (text, bytes) in
            [("1G", 1 << 30), ("512M", 512 << 20), ("64MiB", 64 << 20), ("1000", 1000), ("2kb", 2048)]
        {
            assert_eq!(size("--max-memory", text).expect(text), bytes);
        }
        for text in ["", "G", "-1", "12X", "99999999999999999999", "0", "20000000T"] {
            assert!(matches!(size("--max-memory", text), Err(Error::Usage(_))), "{text}");
        }
    }

    #[test]
    fn limits_as_typed_and_else_as_usual() {
        let typed = LimitArguments {
            max_depth: Some(5),
            max_total_bytes: Some("2T".to_owned()),
            ..LimitArguments::default()
        };
        let (meant, usual) = (limits(&typed).expect("limits"), Limits::default());
        assert_eq!((meant.depth, meant.total_bytes), (5, 2 << 40));
        assert_eq!(
            (meant.members, meant.member_bytes, meant.ratio),
            (usual.members, usual.member_bytes, usual.ratio)
        );
        let wrong = LimitArguments { max_member_bytes: Some("much".to_owned()), ..LimitArguments::default() };
        let mistake = limits(&wrong).expect_err("not a size").to_string();
        assert!(mistake.contains("--max-member-bytes much"), "{mistake}");
    }

    #[test]
    fn times_with_and_without_zone_and_date() {
        let noon =
            Timestamp::from_civil(Civil { year: 2026, month: 11, day: 21, hour: 12, ..Default::default() });
        for (text, tz, expected) in [
            ("2026-11-21T12:00:00Z", None, noon),
            ("2026-11-21T14:00:00+02:00", None, noon),
            ("2026-11-21 12:00", None, noon),
            ("2026-11-21 12:00:00.5", None, noon + TimeDelta::from_millis(500)),
            ("2026-11-21 12:00", Some("-05:00"), noon + TimeDelta::from_secs(5 * 3600)),
            ("2026-11-21 13:00", Some("Europe/Berlin"), noon),
        ] {
            let zone = tz.map(|tz| zone(tz).expect(tz));
            assert_eq!(
                time("--from", text, zone.as_ref()).expect(text),
                TimeArgument::At(expected),
                "{text}"
            );
        }
        let five = time("--to", "17:20", None).expect("a time of day");
        let TimeArgument::OnFirstDay(five) = five else { panic!("no date was given") };
        assert_eq!(
            on_day_of(noon, five, &TimeZone::UTC),
            Some(noon + TimeDelta::from_secs(5 * 3600) + TimeDelta::from_secs(1200))
        );
        assert!(time("--from", "yesterday", None).is_err());
    }
}
