//! The report for a terminal: the answer first, then what could not be decided, then what was looked at.
//!
//! Takes the report value, a width and whether to colour; gives lines. Everything from the bundle goes through
//! [`words::printable`]. Reads well without colour: colour repeats what words say.

use std::io::{self, Write};

use super::document::{Finding, Report};
use super::words;

pub mod certificates;
pub(super) mod coverage;
mod detail;
pub(super) mod finding;
pub mod ladder;
mod text;

pub use text::Style;

/// How much of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Detail<'a> {
    /// Open every finding.
    pub all: bool,
    /// Open this finding alone, by its id.
    pub finding: Option<&'a str>,
}

/// Writes the report for a terminal.
pub fn write(report: &Report, style: Style, detail: &Detail<'_>, out: &mut dyn Write) -> io::Result<()> {
    if let Some(id) = detail.finding {
        return match report.findings.iter().find(|f| f.id.eq_ignore_ascii_case(id)) {
            Some(finding) => detail::write(finding, style, out),
            None => writeln!(out, "There is no finding {}. {}", words::printable(id), known(report)),
        };
    }
    let (undecided, decided): (Vec<&Finding>, Vec<&Finding>) =
        report.findings.iter().partition(|f| f.standing == "inconclusive");
    headline(report, &decided, &undecided, style, out)?;
    if decided.len() > OVERVIEW_FROM {
        writeln!(out)?;
        finding::overview(&decided, style, out)?;
    }
    for finding in decided {
        writeln!(out)?;
        finding::summary(finding, style, out)?;
        if detail.all {
            detail::more(finding, style, out)?;
        }
    }
    if !undecided.is_empty() {
        writeln!(out, "\n{}", style.bold("Undecided"))?;
    }
    for finding in undecided {
        writeln!(out)?;
        finding::undecided(finding, style, out)?;
        if detail.all {
            detail::more(finding, style, out)?;
        }
    }
    writeln!(out)?;
    coverage::write(report, style, detail.all, out)
}

/// The ids that there are, as a sentence.
pub fn known(report: &Report) -> String {
    let ids: Vec<_> = report.findings.iter().map(|f| f.id.as_str()).collect();
    match ids.as_slice() {
        [] => "Nothing was found in this input.".to_owned(),
        ids => format!("There is {}.", ids.join(", ")),
    }
}

/// One line that answers: is there a fault, how many calls, what remains open.
fn headline(
    report: &Report,
    decided: &[&Finding],
    undecided: &[&Finding],
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let faults: Vec<_> = decided.iter().filter(|f| f.severity != "info").collect();
    let calls: u64 = faults.iter().map(|f| f.count).sum();
    let answer = if faults.is_empty() {
        report.no_fault().to_owned()
    } else {
        let count = words::counted(faults.len() as u64, "fault");
        format!("{count} in {}.", words::counted(calls, "failed call"))
    };
    let mut said = vec![style.bold(&answer)];
    let notes = decided.len() - faults.len();
    if notes > 0 {
        said.push(format!("{} of another kind.", words::counted(notes as u64, "finding")));
    }
    let open: u64 = undecided.iter().map(|f| f.count).sum();
    if open > 0 {
        said.push(format!("{} could not be decided.", words::counted(open, "call")));
    }
    if faults.is_empty() {
        said.push(coverage::looked_at(report));
    }
    text::wrap(&said.join(" "), style.width, "", out)
}

/// Decided findings beyond which a table of them comes first.
const OVERVIEW_FROM: usize = 3;

#[cfg(test)]
mod tests {
    use super::super::made;
    use super::*;

    fn written(style: Style, detail: &Detail<'_>) -> String {
        let mut out = Vec::new();
        write(&made::report(), style, detail, &mut out).expect("a Vec takes all");
        String::from_utf8(out).expect("UTF-8")
    }

    const PLAIN: Style = Style { color: false, width: 80 };

    #[test]
    fn the_first_screen_answers_what_where_when_why_and_what_next() {
        let text = written(PLAIN, &Detail::default());
        for part in [
            "1 fault in 2 failed calls. 1 call could not be decided.",
            "F1 ERROR  The SYN was never answered",
            "webhook validation.gatekeeper.sh, at 10.244.1.31:10250",
            "2026-11-21 02:56:05.435 to 02:56:35.435 UTC; explained, high confidence;",
            "Next: Look for a NetworkPolicy",
            "logs/apiserver.log:12",
            "tcp.stream == 12",
            "the capture ends 2 min before the call",
            "Get it: tcpdump -i any",
            "clock 90.200 s ahead (4 pairs)",
            "pcap/cut.pcap: partial (frame 7)",
            "12 segments were sent again",
        ] {
            let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(flat.contains(&part.split_whitespace().collect::<Vec<_>>().join(" ")), "{part}\n{text}");
        }
    }

    #[test]
    fn nothing_from_the_bundle_acts_on_the_terminal() {
        for detail in [
            Detail::default(),
            Detail { all: true, finding: None },
            Detail { all: false, finding: Some("f1") },
        ] {
            let text = written(PLAIN, &detail);
            assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
        }
    }

    #[test]
    fn an_opened_finding_has_its_ladder_with_repeats_elided() {
        let text = written(PLAIN, &Detail { all: false, finding: Some("F1") });
        for part in [
            "──▶ SYN, sent again ×3 at 1.0 2.0 4.0 s",
            "+5.000000",
            "log apiserver.log:12",
            "io-timeout/no-reply",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert!(!text.contains("Undecided"), "{text}");
        let none = written(PLAIN, &Detail { all: false, finding: Some("F9") });
        assert_eq!(none, "There is no finding F9. There is F1, F2.\n");
    }

    #[test]
    fn a_clean_bundle_says_so_and_what_was_looked_at() {
        let mut report = made::report();
        report.findings.clear();
        let mut out = Vec::new();
        write(&report, PLAIN, &Detail::default(), &mut out).expect("a Vec takes all");
        let text = String::from_utf8(out).expect("UTF-8");
        assert!(
            text.starts_with("No transport fault found. Looked at 3 logged failures of 1 log and 56 flows"),
            "{text}"
        );
    }

    #[test]
    fn what_could_not_be_decided_makes_no_table() {
        let mut report = made::report();
        let undecided = report.findings.iter().find(|f| f.standing == "inconclusive").expect("one").clone();
        report.findings = vec![undecided; 5];
        let mut out = Vec::new();
        write(&report, PLAIN, &Detail::default(), &mut out).expect("a Vec takes all");
        let text = String::from_utf8(out).expect("UTF-8");
        assert!(!text.contains("SEVERITY") && text.contains("\n\nUndecided\n"), "{text}");
    }
}
