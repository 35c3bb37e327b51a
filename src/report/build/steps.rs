//! The decisive packets of a flow in order, each in a few words.

use crate::flow::{Dir, Moment, TcpFacts};
use crate::ingest::Conversation;
use crate::report::words;
use crate::tls::{Alert, Decrypted, TlsFacts};

/// One decisive packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Frame and time.
    pub at: Moment,
    /// Who sent it.
    pub dir: Dir,
    /// In words.
    pub text: String,
}

/// The decisive packets of a flow, by frame.
pub fn steps(flow: &Conversation) -> Vec<Step> {
    let mut steps = Steps::default();
    if let Some(tcp) = &flow.tcp {
        steps.opening(tcp);
        steps.ending(tcp);
    }
    match &flow.app.session.tls {
        Some(tls) => steps.tls(tls),
        None => steps.other_payload(flow),
    }
    for error in &flow.icmp {
        let text = format!("ICMP {} from {}", words::icmp(error), error.from);
        steps.add(Some(error.at), error.quotes.other(), text);
    }
    for error in &flow.stray_icmp {
        let what = words::icmp(error);
        let text = format!("ICMP {what} from {}, of a packet that was not sent: decides nothing", error.from);
        steps.add(Some(error.at), error.quotes.other(), text);
    }
    for lookup in flow.app.dns.iter().flat_map(|d| &d.lookups) {
        let kind = words::dns_type(lookup.qtype);
        steps.add(Some(lookup.query), Dir::Orig, format!("DNS query {kind} {}", lookup.name));
        let code = lookup.rcode.map_or("answer", words::dns_code);
        steps.add(lookup.answer, Dir::Resp, format!("DNS {code}, {} addresses", lookup.addresses.len()));
    }
    steps.in_order()
}

#[derive(Default)]
struct Steps(Vec<Step>);

impl Steps {
    fn add(&mut self, at: Option<Moment>, dir: Dir, text: impl Into<String>) {
        if let Some(at) = at {
            self.0.push(Step { at, dir, text: text.into() });
        }
    }

    /// By frame; what one packet does at once is one step.
    fn in_order(mut self) -> Vec<Step> {
        self.0.sort_by_key(|s| s.at.frame);
        let mut steps: Vec<Step> = Vec::with_capacity(self.0.len());
        for step in self.0 {
            match steps.last_mut() {
                Some(last) if last.at.frame == step.at.frame && last.dir == step.dir => {
                    last.text += "; ";
                    last.text += &step.text;
                }
                _ => steps.push(step),
            }
        }
        steps
    }

    fn opening(&mut self, tcp: &TcpFacts) {
        for (times, dir, name) in
            [(&tcp.syn_times, Dir::Orig, "SYN"), (&tcp.synack_times, Dir::Resp, "SYN-ACK")]
        {
            for (n, at) in times.iter().enumerate() {
                let again = if n == 0 { "" } else { ", sent again" };
                self.add(Some(*at), dir, format!("{name}{again}"));
            }
        }
        let rtt = tcp.initial_rtt.map_or_else(String::new, |r| format!(", round trip {r}"));
        self.add(tcp.established, Dir::Orig, format!("ACK: connected{rtt}"));
    }

    fn ending(&mut self, tcp: &TcpFacts) {
        for dir in [Dir::Orig, Dir::Resp] {
            self.add(tcp.first_fin[dir], dir, "FIN");
        }
        if let Some(reset) = &tcp.reset {
            let to = if reset.to_syn { ", refusing the SYN" } else { "" };
            self.add(Some(reset.at), reset.from, format!("RST{to}, TTL {}", reset.ttl));
        }
    }

    fn tls(&mut self, tls: &TlsFacts) {
        if let Some(hello) = &tls.client_hello {
            let sni = hello.shape.sni.as_ref().map_or_else(String::new, |sni| format!(", SNI {sni}"));
            let segments =
                if hello.segments > 1 { format!(" in {} segments", hello.segments) } else { String::new() };
            self.add(Some(hello.at), Dir::Orig, format!("ClientHello, {} bytes{segments}{sni}", hello.bytes));
            self.add(hello.acked, Dir::Resp, "ACK of the ClientHello");
        }
        self.add(tls.hello_retry, Dir::Resp, "HelloRetryRequest");
        if let Some(hello) = &tls.server_hello {
            let text = format!("ServerHello, {}, {}", hello.version.name(), hello.cipher.name());
            self.add(Some(hello.at), Dir::Resp, text);
        }
        self.add(tls.certificate_requested, Dir::Resp, "CertificateRequest");
        self.add(tls.server_flight_done, Dir::Resp, "end of the server's flight");
        self.add(tls.client_finished, Dir::Orig, "client Finished");
        self.add(tls.request, Dir::Orig, "request (application data)");
        self.add(tls.response, Dir::Resp, "response (application data)");
        for alert in &tls.alerts {
            self.add(Some(alert.at), alert.from, alert_text(alert));
        }
        if let Some(decrypted) = &tls.decrypted {
            self.decrypted(decrypted);
        }
        self.bursts(tls);
    }

    /// What the secrets of a key log showed.
    fn decrypted(&mut self, decrypted: &Decrypted) {
        if let Some((status, at)) = decrypted.last_status {
            self.add(Some(at), Dir::Resp, format!("HTTP status {status} (decrypted)"));
        }
        for reset in &decrypted.resets {
            let text = format!("RST_STREAM {} of stream {} (decrypted)", reset.error, reset.stream);
            self.add(Some(reset.at), reset.from, text);
        }
        if let Some(goaway) = &decrypted.goaway {
            self.add(Some(goaway.at), goaway.from, format!("GOAWAY {} (decrypted)", goaway.error));
        }
    }

    /// Bursts after the first request and response.
    fn bursts(&mut self, tls: &TlsFacts) {
        for burst in &tls.bursts {
            let known =
                [tls.request, tls.response].into_iter().flatten().any(|at| at.frame == burst.first.frame);
            if !known {
                self.add(Some(burst.first), burst.dir, format!("application data, {} bytes", burst.bytes));
            }
        }
    }

    fn other_payload(&mut self, flow: &Conversation) {
        let Some(tcp) = &flow.tcp else { return };
        for dir in [Dir::Orig, Dir::Resp] {
            let spoke = flow.app.session.first_bytes[dir].map_or("data", |f| f.name());
            self.add(tcp.first_payload[dir], dir, format!("first payload: {spoke}"));
        }
    }
}

fn alert_text(alert: &Alert) -> String {
    match alert.description {
        Some(description) => {
            let level = alert.level.map_or_else(String::new, |l| format!("{} ", words::alert_level(l)));
            let how = if alert.decrypted { " (decrypted)" } else { "" };
            format!("alert: {level}{}{how}", description.name())
        }
        None => format!("encrypted alert (by its length, {} confidence)", alert.confidence.name()),
    }
}
