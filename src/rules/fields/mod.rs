//! The one declared table of fields: what rules, `--where` and templates can see, and how each is read from a case.
//!
//! Each field is declared once, with type, meaning, example and accessor. Names are Wireshark's where it has one.
//! An accessor states facts of the stages before; it never judges. To add a field, add a row to the file of its topic.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use crate::correlate::{Case, Inventoried, Role, World};
use crate::flow::TcpFacts;
use crate::ingest::Conversation;
use crate::log::LogEvent;
use crate::tls::TlsFacts;

use super::expr::{Kind, Value};

mod case;
mod cert;
mod dns;
mod host;
mod icmp;
mod ip;
mod log;
mod tcp;
mod time;
mod tls;

/// What a field is read from: a case, or one flow alone (then everything about logs and cases is unknown).
#[derive(Clone, Copy, Debug, Default)]
pub struct CaseView<'a> {
    /// All that was read; absent for a flow alone.
    pub world: Option<&'a World>,
    /// The case; absent for a flow alone.
    pub case: Option<&'a Case>,
    /// The event of the case.
    pub event: Option<&'a LogEvent>,
    /// The flow that facts are about.
    pub flow: Option<&'a Conversation>,
    /// The certificate that the case is, or that its server showed.
    pub certificate: Option<&'a Inventoried>,
}

impl<'a> CaseView<'a> {
    /// A case as rules see it.
    pub fn of_case(world: &'a World, case: &'a Case) -> Self {
        let flow = case.attempt().map(|index| world.flow(index));
        let certificate = case.certificate.as_deref();
        Self { world: Some(world), case: Some(case), event: world.event(case), flow, certificate }
    }

    /// A flow alone, as `flows --where` sees it.
    pub fn of_flow(flow: &'a Conversation) -> Self {
        Self { flow: Some(flow), ..Self::default() }
    }

    /// A certificate alone, as `certs --where` sees it.
    pub fn of_certificate(world: &'a World, certificate: &'a Inventoried) -> Self {
        Self { world: Some(world), certificate: Some(certificate), ..Self::default() }
    }

    /// The lookups of the case, or the flow itself.
    fn lookups(&self) -> Vec<&'a Conversation> {
        let (Some(world), Some(case)) = (self.world, self.case) else {
            return self.flow.into_iter().collect();
        };
        let of_lookup = case.flows.iter().filter(|f| f.role == Role::Lookup);
        of_lookup.map(|f| world.flow(f.flow)).chain(self.flow).collect()
    }

    /// Unknown without a flow, absent where it is no TCP.
    fn tcp(&self, read: impl FnOnce(&'a Conversation, &'a TcpFacts) -> Value<'a>) -> Value<'a> {
        match self.flow {
            None => Value::Unknown,
            Some(flow) => flow.tcp.as_deref().map_or(Value::Absent, |tcp| read(flow, tcp)),
        }
    }

    /// Unknown without a flow, absent where it is no TLS.
    fn tls(&self, read: impl FnOnce(&'a TlsFacts) -> Value<'a>) -> Value<'a> {
        match self.flow {
            None => Value::Unknown,
            Some(flow) => flow.app.session.tls.as_deref().map_or(Value::Absent, read),
        }
    }

    /// What TLS shows: `false` without TLS, unknown where its start is not in the capture and it was not seen later.
    fn tls_shows(&self, read: impl FnOnce(&'a TlsFacts) -> bool) -> Value<'a> {
        let Some(flow) = self.flow else {
            return Value::Unknown;
        };
        match flow.app.session.tls.as_deref().is_some_and(read) {
            true => Value::Flag(true),
            false if flow.midstream => Value::Unknown,
            false => Value::Flag(false),
        }
    }

    /// Absent where the case has no log line; unknown for a flow alone.
    fn log(&self, read: impl FnOnce(&'a LogEvent) -> Value<'a>) -> Value<'a> {
        match (self.event, self.case) {
            (Some(event), _) => read(event),
            (None, Some(_)) => Value::Absent,
            (None, None) => Value::Unknown,
        }
    }

    /// Unknown without a case.
    fn case(&self, read: impl FnOnce(&'a Case) -> Value<'a>) -> Value<'a> {
        self.case.map_or(Value::Unknown, read)
    }
}

/// Reads a field.
type Read = for<'a> fn(&CaseView<'a>) -> Value<'a>;

/// A declared field.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Name, dotted.
    pub name: &'static str,
    /// Type.
    pub kind: Kind,
    /// Meaning, one sentence.
    pub meaning: &'static str,
    /// An expression with it.
    pub example: &'static str,
    read: Read,
}

impl Field {
    const fn new(
        name: &'static str,
        kind: Kind,
        meaning: &'static str,
        example: &'static str,
        read: Read,
    ) -> Self {
        Self { name, kind, meaning, example, read }
    }

    /// Its value for a case.
    pub fn value<'a>(&self, view: &CaseView<'a>) -> Value<'a> {
        (self.read)(view)
    }

    /// What a template says where there is no value.
    pub fn phrase(&self) -> &'static str {
        match self.kind {
            Kind::Flag => "unknown",
            Kind::Number | Kind::Bytes => "an unknown number of",
            Kind::Span => "an unknown time",
            Kind::Time => "an unknown moment",
            Kind::Address => "an unknown address",
            Kind::Text | Kind::Word(_) | Kind::Step(_) => match self.name {
                "tls.sni" => "no server name",
                "tcp.resp" | "log.destination" => "the server",
                "tcp.orig" | "log.source" | "log.component" | "log.host" => "the caller",
                "log.webhook" => "the webhook",
                "log.url_host" => "the host called",
                "log.reason" => "an unknown reason",
                "case.target.namespace" => "NAMESPACE",
                "case.target.service_name" => "SERVICE",
                _ => "unknown",
            },
        }
    }
}

/// Every field, by topic.
pub fn all() -> impl Iterator<Item = &'static Field> {
    TOPICS.iter().flat_map(|(_, fields)| fields.iter())
}

/// Topics with their fields, in the order of `rules fields`.
pub const TOPICS: &[(&str, &[Field])] = &[
    ("Flow", ip::FIELDS),
    ("TCP", tcp::FIELDS),
    ("TCP analysis (Wireshark `tcp.analysis.*`)", tcp::ANALYSIS),
    ("ICMP", icmp::FIELDS),
    ("TLS and what else was spoken", tls::FIELDS),
    ("Certificate", cert::FIELDS),
    ("DNS", dns::FIELDS),
    ("Log line", log::FIELDS),
    ("Time", time::FIELDS),
    ("Case", case::FIELDS),
    ("Coverage of the captures", case::COVERAGE),
    ("Other vantage points", case::VIEWS),
    ("Other calls", case::NEIGHBOURS),
    ("Dumped state of the hosts, each of the moment of its dump", host::FIELDS),
];

/// The field of this name.
pub fn find(name: &str) -> Option<&'static Field> {
    all().find(|f| f.name == name)
}

/// Fields that a name which is none may have meant, such as Wireshark's name of the same thing: those that share most
/// words with it, its last or several, the shortest first, at most three; else all of its topic, where they are few.
pub fn kin(name: &str) -> Vec<&'static str> {
    let words = |name| -> BTreeSet<&str> { str::split(name, ['.', '_']).collect() };
    let wanted = words(name);
    let (topic, last) = (name.split(['.', '_']).next(), name.rsplit(['.', '_']).next());
    let near = all().filter_map(|field| {
        let own = words(field.name);
        let shared = own.intersection(&wanted).count();
        let tells = shared > 1 || last.is_some_and(|last| own.contains(last));
        tells.then_some((Reverse(shared), field.name.len(), field.name))
    });
    let mut near: Vec<_> = near.collect();
    near.sort_unstable();
    let most = near.first().map(|first| first.0);
    let nearest: Vec<_> =
        near.into_iter().take_while(|n| Some(n.0) == most).take(3).map(|(_, _, name)| name).collect();
    if !nearest.is_empty() {
        return nearest;
    }
    let of_topic = all().map(|f| f.name).filter(|n| n.split(['.', '_']).next() == topic);
    let of_topic: Vec<_> = of_topic.collect();
    if of_topic.len() <= FEW { of_topic } else { Vec::new() }
}

/// Fields of a topic that can be looked over in a hint.
const FEW: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::FlowIndex;
    use crate::log::EventSet;
    use crate::rules::expr::{Expr, Truth};
    use crate::rules::trial::Made;

    #[test]
    fn names_are_unique_and_examples_compile() {
        let mut seen = BTreeSet::new();
        for field in all() {
            assert!(seen.insert(field.name), "{} is declared twice", field.name);
            let example = Expr::from_argument("example", field.example).unwrap_or_else(|e| panic!("{e}"));
            assert!(example.fields().iter().any(|f| f.name == field.name), "{}", field.name);
            assert!(field.meaning.ends_with('.'), "{}", field.name);
        }
    }

    #[test]
    fn requests_in_the_clear_are_told_apart() {
        let script = "alone\n+0 > connect\n+0.1 > http:GET path=/readyz?x\n+0.2 < http:200\n";
        let made = Made::of(String::new(), Some(script.to_owned()), &EventSet::builtin());
        let flow = made.world.flow(FlowIndex(0));
        for (condition, holds) in [
            ("http.target == \"/readyz?x\"", true),
            ("http.target matches \"^/livez\"", false),
            ("http.method == \"GET\" && http.status == 200", true),
        ] {
            let truth = Expr::new(condition).unwrap().truth(&CaseView::of_flow(flow));
            assert_eq!(truth, Truth::from(holds), "{condition}");
        }
    }

    #[test]
    fn what_is_captured_twice_was_sent_once() {
        let script = "alone\ntwice\n+0 > SYN\n+1 > SYN\n+1.1 < SYN,ACK\n+1.2 > ACK\n";
        let made = Made::of(String::new(), Some(script.to_owned()), &EventSet::builtin());
        let view = CaseView::of_flow(made.world.flow(FlowIndex(0)));
        let condition = "tcp.syn.count == 2 && tcp.syn.retransmissions == 1 && tcp.synack.count == 1";
        assert_eq!(Expr::new(condition).unwrap().truth(&view), Truth::True);
    }

    #[test]
    fn names_that_share_a_telling_word_are_kin() {
        for (name, first) in [
            ("sni", "tls.sni"),
            ("tls.handshake.sni", "tls.sni"),
            ("rtt", "tcp.initial_rtt"),
            ("tcp.flags.rst", "tcp.rst"),
            ("ip.ttl", "backend.ttl"),
        ] {
            assert_eq!(kin(name).first(), Some(&first), "{name}: {:?}", kin(name));
        }
        assert_eq!(kin("http.request.uri"), ["http.method", "http.target", "http.status", "http.host"]);
        assert!(kin("radius.realm").is_empty() && kin("tcp.nothing").is_empty() && kin("").is_empty());
        assert!(kin("tcp.port").len() <= 3);
    }

    #[test]
    fn nothing_known_decides_nothing() {
        let view = CaseView::default();
        for field in all() {
            assert_eq!(field.value(&view), Value::Unknown, "{}", field.name);
            assert_eq!(Expr::new(field.name).unwrap().truth(&view), Truth::Unknown);
        }
    }

    #[test]
    fn every_field_of_an_empty_case_has_its_type() {
        let (world, case) = (World::default(), empty_case());
        for field in all() {
            let _ = field.value(&CaseView::of_case(&world, &case));
        }
    }

    fn empty_case() -> Case {
        Case {
            event: None,
            echoes: Vec::new(),
            flows: Vec::new(),
            matching: None,
            time: None,
            window: None,
            target: crate::correlate::Target::default(),
            edge: crate::log::Edge::Other,
            coverage: crate::correlate::Coverage::default(),
            facts: crate::correlate::CaseFacts::default(),
            certificate: None,
        }
    }
}
