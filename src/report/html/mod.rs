//! The report as one page that needs nothing else: no network, no file beside it.
//!
//! Everything from the bundle is escaped, and a content security policy names the page's own script by its digest, so
//! that nothing else could run even if an escape were missing. Usable with a keyboard, on a phone, in light and dark,
//! on paper, and without scripts (then without search).

use std::io::{self, Write};

use base64::Engine as _;
use sha2::Digest as _;

use super::document::{Finding, Report};
use super::view::coverage;
use super::view::finding::{details, name};
use super::words::{self, counted, printable};

mod finding;
mod inputs;
mod ladder;
mod plot;

/// Writes the report as an HTML page.
pub fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    head(out)?;
    let answer = answer(report);
    writeln!(out, "<header><h1>{}</h1>", escape(&answer))?;
    let tool = &report.tool;
    let made = format!("{} {}, rules {}", tool.name, tool.version, tool.rules_digest);
    let looked_at = coverage::looked_at(report);
    writeln!(out, "<p class=quiet>{} Times are UTC. {}.</p></header>", escape(&looked_at), escape(&made))?;
    if !report.findings.is_empty() {
        overview(report, out)?;
        plot::write(&report.findings, out)?;
        tools(out)?;
        report.findings.iter().enumerate().try_for_each(|(n, f)| finding::write(f, n == 0, out))?;
        writeln!(out, "</main>")?;
    }
    inputs::write(report, out)?;
    writeln!(out, "<script>{SCRIPT}</script></body></html>")
}

fn head(out: &mut dyn Write) -> io::Result<()> {
    let digest = base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(SCRIPT));
    writeln!(
        out,
        "<!doctype html>\n<html lang=en><head><meta charset=utf-8>\n\
         <meta http-equiv=Content-Security-Policy content=\"default-src 'none'; style-src 'unsafe-inline'; \
         script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'\">\n\
         <meta name=viewport content=\"width=device-width, initial-scale=1\">\n\
         <title>wirecause report</title>\n<style>{STYLE}</style></head><body>"
    )
}

/// Is there a fault, in how many calls, what remains open.
fn answer(report: &Report) -> String {
    let (open, decided): (Vec<_>, Vec<_>) =
        report.findings.iter().partition(|f| f.standing == "inconclusive");
    let faults: Vec<_> = decided.iter().filter(|f| f.severity != "info").collect();
    let calls = faults.iter().map(|f| f.count).sum();
    let open: u64 = open.iter().map(|f| f.count).sum();
    let mut said = vec![if faults.is_empty() {
        report.no_fault().to_owned()
    } else {
        format!("{} in {}.", counted(faults.len() as u64, "fault"), counted(calls, "failed call"))
    }];
    if open > 0 {
        said.push(format!("{} could not be decided.", counted(open, "call")));
    }
    said.join(" ")
}

fn overview(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "<main><div class=wide><table class=overview><thead><tr><th><th>Severity<th>Cause<th>Target<th class=number>Calls\
         <th>When<th>Standing</tr></thead><tbody>"
    )?;
    for f in &report.findings {
        writeln!(
            out,
            "<tr><td><a href=\"#{id}\">{id}</a><td><span class=\"tag {severity}\">{severity}</span><td>{}\
             <td class=target>{}<br><span class=quiet>{}</span><td class=number>{}<td class=when>{}<td>{}</tr>",
            escape(&f.cause),
            escape(name(f).unwrap_or("an unknown target")),
            escape(&details(f).join(", ")),
            words::grouped(f.count),
            when(f),
            escape(&f.standing.replace('_', " ")),
            id = escape(&f.id),
            severity = escape(&f.severity),
        )?;
    }
    writeln!(out, "</tbody></table></div>")
}

/// Day, then first and last time of day to the second.
fn when(f: &Finding) -> String {
    let short = |time: &Option<String>| time.as_deref().map(words::short_time).unwrap_or_default();
    let (first, last) = (short(&f.first_time), short(&f.last_time));
    let (day, clock) =
        (first.get(..10).unwrap_or_default(), |text: &str| text.get(11..19).unwrap_or_default().to_owned());
    let end = if last.get(..10) == Some(day) {
        clock(&last)
    } else {
        last.get(..19).unwrap_or_default().to_owned()
    };
    let span = if end == clock(&first) { end } else { format!("{} to {end}", clock(&first)) };
    format!("{}<br><span>{}</span>", escape(day), escape(&span))
}

fn tools(out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "<div class=tools><input type=search id=search placeholder=\"Search findings\" aria-label=\"Search findings\">\
         <span id=shown role=status></span><span class=\"quiet keys\"><kbd>/</kbd> search <kbd>j</kbd> <kbd>k</kbd> \
         next, previous <kbd>o</kbd> open or close all</span></div>"
    )
}

/// Text from the bundle as HTML text or attribute value.
fn escape(text: &str) -> String {
    let text = printable(text);
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

const STYLE: &str = include_str!("page.css");

const SCRIPT: &str = include_str!("page.js");

#[cfg(test)]
mod tests {
    use super::super::made;
    use super::*;

    fn page() -> String {
        let mut out = Vec::new();
        write(&made::report(), &mut out).expect("a Vec takes all");
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn nothing_of_the_bundle_is_markup() {
        let page = page();
        assert_eq!(page.matches("<script").count(), 1, "the page's own");
        assert!(!page.contains("alert(1)</script>"));
        assert!(!page.contains("href=\"javascript:"), "only web addresses are links");
        assert!(!page.chars().any(|c| c.is_control() && c != '\n'));
    }

    #[test]
    fn nothing_of_an_escaped_text_begins_or_ends_anything() {
        let escaped = escape("<a b=\"c\" d='e'>&lt;\u{1b}\u{202e}");
        assert_eq!(escaped, "&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;lt;\\u{1b}\\u{202e}");
    }

    #[test]
    fn the_page_is_whole_and_asks_for_nothing() {
        let page = page();
        for part in [
            "1 fault in 2 failed calls.",
            "id=\"F1\"",
            "<svg",
            "tcp.stream == 12",
            "10.244.1.31:10250",
            "90.2",
        ] {
            assert!(page.contains(part), "{part}");
        }
        for outside in ["src=", "@import", "url(", "<link"] {
            assert!(!page.contains(outside), "{outside}");
        }
    }
}
