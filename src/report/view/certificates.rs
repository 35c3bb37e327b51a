//! Certificates for a terminal: one line that can be looked over, and below it what is too long for a column.
//!
//! Takes certificates and a width; gives lines. Everything from the bundle goes through [`words::printable`].

use std::collections::BTreeSet;
use std::io::{self, Write};

use super::text::{labelled, wrap};
use super::{Style, words};
use crate::report::document::Certificate;

/// Writes certificates in their order, and at the end what they do not fit.
pub fn table(all: &[Certificate], style: Style, out: &mut dyn Write) -> io::Result<()> {
    let role = all.iter().map(|c| c.role.chars().count()).max().unwrap_or(0).max("ROLE".len());
    let head = format!("{:>9}  {:<19}  {:<role$}  SUBJECT", "DAYS LEFT", "VALID UNTIL (UTC)", "ROLE");
    writeln!(out, "{}", style.bold(&head))?;
    for certificate in all {
        let days = certificate.days_left.map_or_else(|| "-".to_owned(), |d| d.to_string());
        let until = certificate.not_after.as_deref().map_or_else(|| "-".to_owned(), words::short_time);
        // To the second, as in a certificate.
        let until = until.get(..19).unwrap_or(&until);
        let subject = words::printable(&certificate.subject);
        writeln!(
            out,
            "{}",
            format!("{days:>9}  {until:<19}  {:<role$}  {subject}", certificate.role).trim_end()
        )?;
        details(certificate, style, out)?;
    }
    let mismatches: BTreeSet<&String> = all.iter().flat_map(|c| &c.mismatches).collect();
    mismatches
        .into_iter()
        .try_for_each(|text| wrap(&format!("! {}", words::printable(text)), style.width, "  ", out))
}

/// Who issued it, for which names, and where it was found.
fn details(certificate: &Certificate, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let own = certificate.issuer == certificate.subject;
    let issuer = if own { "itself".to_owned() } else { words::printable(&certificate.issuer) };
    let missing = if certificate.authority == "missing" { " (not in the bundle)" } else { "" };
    let mut line = |label: &str, text: &str| match text {
        "" => Ok(()),
        text => {
            labelled(&format!("{:INDENT$}{label}", ""), text, style.width, &" ".repeat(INDENT + LABEL), out)
        }
    };
    line("issuer", &(issuer + missing))?;
    let more = match certificate.sans_beyond {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    line("names", &(words::printable(&certificate.sans.join(" ")) + &more))?;
    let mut label = "found in";
    for found in &certificate.found {
        line(label, &words::printable(&found.place))?;
        label = "";
    }
    Ok(())
}

/// Columns before a detail: those of the days that are left and of the space behind them.
const INDENT: usize = 11;

/// Columns of what a detail is called.
const LABEL: usize = "found in  ".len();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_whole_at_any_width_and_no_line_is_wider() {
        let certificate: Certificate = serde_json::from_value(serde_json::json!({
            "subject": "CN=gatekeeper-webhook-service-ca",
            "issuer": "CN=gatekeeper-webhook-service-ca",
            "sans": ["a.gatekeeper-system.svc", "b.gatekeeper-system.svc"],
            "not_after": "2036-11-18T02:56:01.000000000Z",
            "serial": "", "sha256": "", "shown_by": "none", "role": "ca_bundle", "days_left": 3642,
            "found": [
                { "kind": "ca_bundle", "place": "caBundle of webhook validation.gatekeeper.sh" },
                { "kind": "wire", "place": "flow 3 \u{1b}[2J" },
            ],
            "mismatches": ["the caBundle holds another CA"],
            "addresses": [], "sni": [], "flows": 0, "depth": 0,
        }))
        .expect("a certificate");
        let shown = |width: usize| {
            let mut out = Vec::new();
            let style = Style { color: false, width };
            table(std::slice::from_ref(&certificate), style, &mut out).expect("a Vec takes all");
            String::from_utf8(out).expect("UTF-8")
        };
        let wide = "\
DAYS LEFT  VALID UNTIL (UTC)    ROLE       SUBJECT
     3642  2036-11-18 02:56:01  ca_bundle  CN=gatekeeper-webhook-service-ca
           issuer    itself
           names     a.gatekeeper-system.svc b.gatekeeper-system.svc
           found in  caBundle of webhook validation.gatekeeper.sh
                     flow 3 \\u{1b}[2J
! the caBundle holds another CA
";
        assert_eq!(shown(160), wide);
        assert_eq!(shown(80), wide);
        assert!(
            shown(60).contains("           names     a.gatekeeper-system.svc\n                     b.gate")
        );
        assert!(shown(80).lines().all(|line| line.chars().count() <= 80));
        let mut out = Vec::new();
        let named = Certificate { mismatches: vec!["webhook \u{1b}[2J".to_owned()], ..certificate.clone() };
        table(&[named], Style { color: false, width: 80 }, &mut out).expect("a Vec takes all");
        assert!(String::from_utf8_lossy(&out).contains("! webhook \\u{1b}[2J"));
    }
}
