//! What the names of time zones mean.
//!
//! Takes a name as journalctl prints it; gives seconds east of Greenwich, or what the name can mean. Which zone a log is
//! in is for `timebase` to say.

use crate::time::TimeDelta;

/// `UTC`, `+02:00`, `-05:00`.
pub(crate) fn offset_name(east: TimeDelta) -> String {
    let (sign, s) = (if east.0 < 0 { '-' } else { '+' }, east.abs().0 / 1_000_000_000);
    if s == 0 { "UTC".to_owned() } else { format!("{sign}{:02}:{:02}", s / 3600, s / 60 % 60) }
}

/// Zones whose names journalctl's short-full prints most, in minutes east; names that several zones share are left out.
const NAMES: [(&str, i64); 40] = [
    ("GMT", 0),
    ("WET", 0),
    ("BST", 60),
    ("WEST", 60),
    ("CET", 60),
    ("CEST", 120),
    ("EET", 120),
    ("EEST", 180),
    ("MSK", 180),
    ("SAST", 120),
    ("JST", 540),
    ("KST", 540),
    ("AEST", 600),
    ("AEDT", 660),
    ("NZST", 720),
    ("EST", -300),
    ("EDT", -240),
    ("CDT", -300),
    ("MST", -420),
    ("MDT", -360),
    ("PST", -480),
    ("PDT", -420),
    ("AKST", -540),
    ("AKDT", -480),
    ("HST", -600),
    ("AST", -240),
    ("ADT", -180),
    ("NST", -210),
    ("NDT", -150),
    ("WAT", 60),
    ("CAT", 120),
    ("EAT", 180),
    ("PKT", 300),
    ("WIB", 420),
    ("WITA", 480),
    ("HKT", 480),
    ("AWST", 480),
    ("ACST", 570),
    ("ACDT", 630),
    ("NZDT", 780),
];

/// Seconds east of a zone that is known by its name, or that prints its offset for one.
pub(super) fn named_zone(name: &str) -> Option<i64> {
    if let Some((_, minutes)) = NAMES.iter().find(|(n, _)| *n == name) {
        return Some(minutes * 60);
    }
    // zones without a name print their offset: `-03`, `+0530`
    let (sign, digits) =
        (name.strip_prefix('+').map(|d| (1, d))).or(name.strip_prefix('-').map(|d| (-1, d)))?;
    let hours: i64 = digits.get(..2)?.parse().ok()?;
    let minutes: i64 = digits.get(2..).filter(|m| !m.is_empty()).map_or(Ok(0), str::parse).ok()?;
    (hours <= 14 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

/// Minutes east that a name can mean which several zones share.
pub(super) fn shared_zone(name: &str) -> &'static [i64] {
    match name {
        "IST" => &[330, 120, 60],
        "CST" => &[-360, 480, -300],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zone_names() {
        for (name, minutes) in
            [("EST", Some(-300)), ("+0530", Some(330)), ("-03", Some(-180)), ("XYZ", None), ("IST", None)]
        {
            assert_eq!(named_zone(name), minutes.map(|m: i64| m * 60), "{name}");
        }
    }
}
