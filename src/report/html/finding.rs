//! One finding as a part of the page that opens and closes.

use std::io::{self, Write};

use super::super::document::{Finding, Occurrence};
use super::super::lanes;
use super::super::view::finding::{needed, representative, target, when};
use super::super::words::{self, counted};
use super::{escape, ladder};

pub(super) fn write(f: &Finding, open: bool, out: &mut dyn Write) -> io::Result<()> {
    head(f, open, out)?;
    list("Next", f.next.iter().map(|n| escape(n)), out)?;
    missing(f, out)?;
    if let Some(call) = representative(f) {
        writeln!(out, "<h3>Proof</h3>")?;
        proof(call, out)?;
        if !f.timeline.is_empty() {
            writeln!(out, "<h3>Timeline of this call</h3>")?;
            ladder::write(&call.flows, &f.timeline, out)?;
        }
    }
    calls(f, out)?;
    let why = f.alternatives.iter().map(|a| format!("<code>{}</code>: {}", escape(&a.rule), escape(&a.why)));
    list("Also considered", why, out)?;
    list("See", f.references.iter().map(|r| link(r)), out)?;
    writeln!(out, "</details>")
}

fn head(f: &Finding, open: bool, out: &mut dyn Write) -> io::Result<()> {
    let severity = escape(&f.severity);
    writeln!(
        out,
        "<details class=\"finding {severity}\" id=\"{id}\"{open}><summary><span class=\"tag {severity}\">{id} \
         {severity}</span> <h3>{title}</h3><p>{calls} to {target}<br><span class=quiet>{when}; {standing}, \
         {confidence} confidence; {verdict} / {cause}</span></p></summary>\n<p>{explanation}</p>",
        id = escape(&f.id),
        open = if open { " open" } else { "" },
        title = escape(&f.title),
        calls = counted(f.count, "call"),
        target = escape(&target(f)),
        when = escape(&when(f)),
        standing = escape(&f.standing.replace('_', " ")),
        confidence = escape(&f.confidence),
        verdict = escape(&f.verdict),
        cause = escape(&f.cause),
        explanation = escape(&f.explanation),
    )
}

fn list(name: &str, items: impl Iterator<Item = String>, out: &mut dyn Write) -> io::Result<()> {
    let items: Vec<_> = items.collect();
    if items.is_empty() {
        return Ok(());
    }
    writeln!(out, "<h3>{name}</h3><ul>")?;
    items.iter().try_for_each(|item| writeln!(out, "<li>{item}</li>"))?;
    writeln!(out, "</ul>")
}

fn missing(f: &Finding, out: &mut dyn Write) -> io::Result<()> {
    let command =
        |c: &Option<String>| c.as_ref().map_or_else(String::new, |c| format!("<pre>{}</pre>", escape(c)));
    let items = needed(f).into_iter().map(|m| format!("{}{}", escape(&m.detail), command(&m.command)));
    list("What would make it sure", items, out)
}

fn proof(call: &Occurrence, out: &mut dyn Write) -> io::Result<()> {
    for line in &call.logs {
        writeln!(
            out,
            "<code>{}:{}</code><pre>{}</pre>",
            escape(&line.path),
            line.line,
            escape(line.text.trim())
        )?;
    }
    for flow in &call.flows {
        writeln!(
            out,
            "<p class=mono>{} · {} frame {} · {} → {} · filter <code>{}</code></p>",
            escape(&flow.role),
            escape(&flow.file),
            flow.first_frame,
            escape(&lanes::end(&flow.orig)),
            escape(&lanes::end(&flow.resp)),
            escape(&flow.display_filter)
        )?;
    }
    let Some(matching) = &call.matching else { return Ok(()) };
    let lost = matching.alternatives.len();
    let others =
        if lost > 0 { format!("; {} lost", counted(lost as u64, "near candidate")) } else { String::new() };
    writeln!(
        out,
        "<p class=quiet>Joined by {} (score {:.2}): {}{others}.</p>",
        escape(&matching.key),
        matching.score,
        escape(&matching.why)
    )
}

fn calls(f: &Finding, out: &mut dyn Write) -> io::Result<()> {
    if f.count < 2 {
        return Ok(());
    }
    writeln!(
        out,
        "<h3>Calls</h3><div class=wide><table class=calls><thead><tr><th>Time<th>Log<th>Flow<th>Joined by</tr></thead><tbody>"
    )?;
    for call in f.occurrences.iter().take(CALLS) {
        let time = call.time.as_deref().map_or_else(String::new, words::short_time);
        let log = call.logs.first().map_or_else(String::new, |l| format!("{}:{}", l.path, l.line));
        let flow = call.flows.first();
        let flow = flow.map_or_else(String::new, |w| {
            format!("{} frame {}, {}", w.file, w.first_frame, w.display_filter)
        });
        let key = call.matching.as_ref().map_or("", |m| m.key.as_str());
        let cells = [&time, &log, &flow, key].map(escape).join("<td>");
        writeln!(out, "<tr><td>{cells}</tr>")?;
    }
    writeln!(out, "</tbody></table></div>")?;
    let rest = f.count.saturating_sub(f.occurrences.len().min(CALLS) as u64);
    if rest > 0 {
        writeln!(out, "<p class=quiet>and {} more: the JSON report has all.</p>", words::grouped(rest))?;
    }
    Ok(())
}

/// A link where it is an address of the web, else its text.
fn link(reference: &str) -> String {
    let text = escape(reference);
    if reference.starts_with("https://") || reference.starts_with("http://") {
        format!("<a href=\"{text}\" rel=\"noopener noreferrer\">{text}</a>")
    } else {
        text
    }
}

/// Calls in the table at most.
const CALLS: usize = 100;
