//! Event definitions: data in `rules/events/`.
//!
//! Takes YAML lists of definitions (each with the lines that it must match); gives an [`EventSet`] that finds the lines
//! worth reading and names what a parsed message tells. Every item is read on its own, so that all mistakes of a file
//! show at once, each with its place. Never knows an envelope or a time.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Arc, LazyLock, OnceLock};

use regex::Regex;

use super::classify;
use super::cut;
use super::definition::{Definition, Sample, items, yaml_files};
use super::endings::{self, Ending, Endings};
use super::foreign;
use super::grammar::Parsed;
use super::triggers::Triggers;
use super::{Edge, EventName};
use crate::error::Error;

/// The files compiled into the program.
const BUILTIN: [(&str, &str); 6] = [
    ("rules/events/connect.yaml", include_str!("../../rules/events/connect.yaml")),
    ("rules/events/dns.yaml", include_str!("../../rules/events/dns.yaml")),
    ("rules/events/tls.yaml", include_str!("../../rules/events/tls.yaml")),
    ("rules/events/http.yaml", include_str!("../../rules/events/http.yaml")),
    ("rules/events/kubernetes.yaml", include_str!("../../rules/events/kubernetes.yaml")),
    ("rules/events/look_alikes.yaml", include_str!("../../rules/events/look_alikes.yaml")),
];

/// A definition in use.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub name: EventName,
    pub title: String,
    pub benign: bool,
    cut_off: bool,
    fallback: bool,
    endings: Endings,
    server_endings: Endings,
    told_by_server: bool,
    edges: Vec<String>,
    not_edges: Vec<String>,
    reason: Vec<Pattern>,
    text: Vec<Pattern>,
    samples: Vec<Sample>,
    place: String,
}

/// An expression, compiled when it is first needed: most runs need few of them.
#[derive(Clone, Debug)]
struct Pattern {
    source: String,
    /// Shared by the clones of a set.
    compiled: Arc<OnceLock<Option<Regex>>>,
}

impl Pattern {
    fn new(source: String) -> Self {
        Self { source, compiled: Arc::default() }
    }

    fn regex(&self) -> Option<&Regex> {
        self.compiled.get_or_init(|| Regex::new(&self.source).ok()).as_ref()
    }
}

/// What a log says of a failure.
#[derive(Clone, Debug)]
pub struct Message<'e> {
    /// Name of its event.
    pub name: &'e str,
    /// What it means, in a sentence.
    pub meaning: &'e str,
    /// The words of a line that says so, without what stands around the reason.
    pub said: String,
}

/// The loaded event definitions.
#[derive(Clone, Debug, Default)]
pub struct EventSet {
    /// Shared by the sets of a process, until one gets files of its own.
    events: Arc<Vec<Event>>,
    /// The files of `--rules`, for the digest.
    texts: Vec<String>,
    triggers: Vec<String>,
    search: Triggers,
    /// What the samples give as reasons, read when a line that no event knows is asked about.
    reasons: Arc<OnceLock<cut::Reasons>>,
}

impl EventSet {
    /// The definitions compiled into the program, read once in its life.
    pub fn builtin() -> Self {
        static LOADED: LazyLock<EventSet> = LazyLock::new(EventSet::of_builtin);
        LOADED.clone()
    }

    fn of_builtin() -> Self {
        let mut set = Self::default();
        let mut problems = Vec::new();
        for (path, text) in BUILTIN {
            set.add_file(path, text, &mut problems);
        }
        debug_assert!(problems.is_empty(), "{problems:?}");
        set.index();
        set
    }

    /// The built-in definitions and those of every `.yaml` file in `dirs`; one of a built-in name replaces it.
    ///
    /// # Errors
    /// [`Error::Rules`] with all mistakes of all files, each with its place; [`Error::Input`] for a directory that
    /// cannot be read.
    pub fn load(dirs: &[impl AsRef<Path>]) -> Result<Self, Error> {
        let mut set = Self::builtin();
        if dirs.is_empty() {
            return Ok(set); // a test checks the built-in ones
        }
        let mut problems = Vec::new();
        for dir in dirs {
            let dir = dir.as_ref();
            for path in yaml_files(dir)? {
                let text = std::fs::read_to_string(&path)
                    .map_err(|e| Error::Input(path.display().to_string(), e.to_string()))?;
                set.add_file(&path.display().to_string(), &text, &mut problems);
                set.texts.push(text);
            }
        }
        set.index();
        problems.extend(set.check());
        if problems.is_empty() { Ok(set) } else { Err(Error::Rules(problems.join("\n"))) }
    }

    /// The text of every file that the definitions were read from, built-in ones first.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let builtin: [&str; BUILTIN.len()] = Self::builtin_texts();
        builtin.into_iter().chain(self.texts.iter().map(String::as_str))
    }

    /// The text of every file that is compiled into the program.
    pub fn builtin_texts() -> [&'static str; BUILTIN.len()] {
        BUILTIN.map(|(_, text)| text)
    }

    /// Names of all events, in order of definition; look-alikes included.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.events.iter().map(|e| e.name.as_ref())
    }

    /// Whether an event is a look-alike: counted, and never shown as a failure.
    pub fn is_benign(&self, name: &str) -> bool {
        self.events.iter().any(|e| *e.name == *name && e.benign)
    }

    /// What an event means, in a sentence.
    pub fn title(&self, name: &str) -> Option<&str> {
        self.events.iter().find(|e| *e.name == *name).map(|e| e.title.as_str())
    }

    /// How a call can have ended of which a caller, or a server, says this; `None` for a name that is not defined.
    pub fn endings(&self, name: &str, server_side: bool) -> Option<Endings> {
        self.events.iter().find(|e| *e.name == *name).map(|e| e.endings(server_side))
    }

    /// What lines say that tell of failures, in order of definition.
    pub fn messages(&self) -> impl Iterator<Item = Message<'_>> {
        self.events.iter().filter(|e| !e.benign).map(|event| {
            let line = event.samples.first().map_or("", Sample::line);
            let parsed = classify::parse_line(line);
            let by_reason = event.matches_reason(&parsed);
            let said = if by_reason { parsed.fields.reason } else { parsed.text };
            Message { name: &event.name, meaning: &event.title, said }
        })
    }

    /// The lines that the definitions bring along.
    #[cfg(test)]
    pub(crate) fn samples(&self) -> impl Iterator<Item = &str> {
        self.events.iter().flat_map(|e| e.samples.iter().map(Sample::line))
    }

    pub(super) fn event(&self, index: usize) -> Option<&Event> {
        self.events.get(index)
    }

    /// The first trigger in `text` at or after `from`, as a range of bytes. `heading` gets the places before it that a
    /// heading may hold.
    pub(super) fn find(
        &self,
        text: &[u8],
        from: usize,
        heading: impl FnMut(usize),
    ) -> Option<(usize, usize)> {
        self.search.find(text, from, heading)
    }

    /// The event that the reason of a parsed message tells of: a function of reason, edge and side alone.
    pub(super) fn by_reason(&self, parsed: &Parsed) -> Option<usize> {
        self.events.iter().position(|event| !event.fallback && event.matches_reason(parsed))
    }

    /// The event that the whole text of a message tells of, asked where the reason tells of none.
    pub(super) fn by_text(&self, parsed: &Parsed) -> Option<usize> {
        self.events.iter().position(|event| !event.fallback && event.matches_text(parsed))
    }

    /// The event of failures that no other event knows: asked where the line is not cut either.
    pub(super) fn by_fallback(&self, parsed: &Parsed) -> Option<usize> {
        self.events.iter().position(|event| event.fallback && event.matches(parsed))
    }

    /// The event of lines that end before their reason does.
    pub(super) fn of_cut_lines(&self) -> Option<usize> {
        self.events.iter().position(|event| event.cut_off)
    }

    /// The same, if this is such a line: asked where no other event knows a failure.
    pub(super) fn by_cut(&self, parsed: &Parsed) -> Option<usize> {
        let index = self.events.iter().position(|event| event.cut_off && event.fits(parsed))?;
        let reasons = self.reasons.get_or_init(|| {
            let samples = |benign: bool| {
                let events = self.events.iter().filter(|e| !e.cut_off && e.benign == benign);
                events.flat_map(|e| &e.samples).map(|s| classify::parse_line(s.line())).collect::<Vec<_>>()
            };
            cut::Reasons::of(&samples(false), &samples(true))
        });
        cut::is_cut(parsed, reasons).then_some(index)
    }

    fn index(&mut self) {
        self.reasons = Arc::default();
        self.triggers.sort();
        self.triggers.dedup();
        self.search = Triggers::new(&self.triggers);
    }

    fn add_file(&mut self, path: &str, text: &str, problems: &mut Vec<String>) {
        for (line, item) in items(text) {
            // blank lines in front keep the places that an error names those of the file
            let padded = format!("{}{item}", "\n".repeat(line - 1));
            match serde_saphyr::from_str::<Vec<Definition>>(&padded) {
                Ok(found) => {
                    for definition in found {
                        self.add(path, line, definition, problems);
                    }
                }
                Err(e) => problems.push(format!("error: {path}: {e}")),
            }
        }
    }

    fn add(&mut self, path: &str, line: usize, found: Definition, problems: &mut Vec<String>) {
        let place = format!("{path}:{line}");
        let mut wrong = |what: &str| problems.push(format!("error: {place}: event {}: {what}", found.event));
        if found.samples.is_empty() {
            wrong("has no sample: give at least one line that it must match");
        }
        if found.triggers.iter().any(|t| t.len() < 3) || found.triggers.is_empty() {
            wrong("needs triggers of at least 3 bytes");
        }
        for listed in [&found.endings, &found.server_endings].into_iter().flatten() {
            let twice = |e: &&Ending| listed.iter().filter(|o| o == e).count() > 1;
            if let Some(ending) = listed.iter().find(twice) {
                wrong(&format!("names the ending `{}` twice", ending.name()));
            }
        }
        if found.reason.is_empty() && found.text.is_empty() && !found.cut_off {
            wrong("needs an expression under `reason` or `text`");
        }
        Arc::make_mut(&mut self.events).retain(|e| *e.name != *found.event || e.place.starts_with(path));
        if let Some(first) = self.events.iter().find(|e| *e.name == *found.event) {
            wrong(&format!("is defined twice, first at {}", first.place));
        }
        self.triggers.extend(found.triggers.iter().cloned());
        Arc::make_mut(&mut self.events).push(Event {
            name: Arc::from(found.event),
            title: found.title,
            benign: found.benign,
            cut_off: found.cut_off,
            fallback: found.fallback,
            endings: endings::or_all(found.endings.as_deref()),
            server_endings: endings::or_all(found.server_endings.as_deref()),
            told_by_server: found.told_by_server,
            edges: found.edges,
            not_edges: found.not_edges,
            reason: found.reason.into_iter().map(Pattern::new).collect(),
            text: found.text.into_iter().map(Pattern::new).collect(),
            samples: found.samples,
            place,
        });
    }

    /// Every mistake that shows only when all definitions stand together: an expression that does not compile, a
    /// sample that its event does not match, that another event claims too, or whose fields come out otherwise.
    fn check(&self) -> Vec<String> {
        let mut out = Vec::new();
        for event in self.events.iter() {
            for pattern in event.reason.iter().chain(&event.text) {
                if let Err(e) = Regex::new(&pattern.source) {
                    out.push(format!("error: {}: event {}: {e}", event.place, event.name));
                }
            }
            for sample in &event.samples {
                if let Some(problem) = self.check_sample(event, sample) {
                    out.push(format!(
                        "error: {}: event {}: {problem}\n  | {}",
                        event.place,
                        event.name,
                        sample.line()
                    ));
                }
            }
        }
        out
    }

    fn check_sample(&self, event: &Event, sample: &Sample) -> Option<String> {
        let line = sample.line();
        let parsed = classify::parse_line(line);
        let mut claims: Vec<_> = self
            .events
            .iter()
            .filter(|e| !e.fallback && e.matches(&parsed))
            .map(|e| e.name.as_ref())
            .collect();
        if claims.is_empty() {
            let other = self.by_cut(&parsed).or_else(|| self.by_fallback(&parsed));
            claims.extend(other.and_then(|n| self.event(n)).map(|e| e.name.as_ref()));
        }
        if claims != [event.name.as_ref()] {
            let mut text = String::from("this sample is matched by ");
            let _ = if claims.is_empty() { text.write_str("no event") } else { write!(text, "{claims:?}") };
            let _ = write!(text, " (reason: {:?})", parsed.tail);
            return Some(text);
        }
        if self.find(line.as_bytes(), 0, |_| {}).is_none() {
            return Some("no trigger stands in this sample".to_owned());
        }
        let Sample::Fields { fields, .. } = sample else { return None };
        let mut parsed = parsed;
        event.fill(&mut parsed);
        fields.iter().find_map(|(name, wanted)| {
            let got = classify::field(&parsed, name);
            (got != *wanted).then(|| format!("field {name} is {got:?}, not {wanted:?}"))
        })
    }
}

impl Event {
    /// How the call can have ended where a caller, or a server, says this.
    pub(super) fn endings(&self, server_side: bool) -> Endings {
        if server_side { self.server_endings.clone() } else { self.endings.clone() }
    }

    fn matches(&self, parsed: &Parsed) -> bool {
        self.matches_reason(parsed) || self.matches_text(parsed)
    }

    fn fits(&self, parsed: &Parsed) -> bool {
        let on = |edges: &[String]| edges.iter().any(|e| about(e, parsed));
        (self.edges.is_empty() || on(&self.edges)) && !on(&self.not_edges)
    }

    fn matches_reason(&self, parsed: &Parsed) -> bool {
        parsed.anchored && self.fits(parsed) && any_match(&self.reason, &parsed.tail)
    }

    fn matches_text(&self, parsed: &Parsed) -> bool {
        let own = parsed.own_text();
        // what knows no reason is led by the words around one: those that are quoted are not the writer's
        let own = if self.fallback { foreign::hidden(own, own.len()) } else { Cow::Borrowed(own) };
        self.fits(parsed) && (any_match(&self.text, &own) || any_match(&self.text, &parsed.headline))
    }

    /// Fills fields from the named captures of the expression that matched.
    pub(super) fn fill(&self, parsed: &mut Parsed) {
        if self.told_by_server && !parsed.server_side {
            parsed.server_side = true;
            if parsed.edge == Edge::Other {
                parsed.edge = Edge::Server;
            }
        }
        let (reason, text) = (self.reason.iter().map(|p| (p, true)), self.text.iter().map(|p| (p, false)));
        for (pattern, on_reason) in reason.chain(text) {
            let Some(regex) = pattern.regex() else { continue };
            let on = if on_reason { parsed.tail.clone() } else { parsed.text.clone() };
            if let Some(captures) = regex.captures(&on) {
                for name in regex.capture_names().flatten() {
                    if let Some(value) = captures.name(name) {
                        classify::set_field(parsed, name, value.as_str());
                    }
                }
                return;
            }
        }
    }

    /// Whether filling would do anything.
    pub(super) fn has_captures(&self) -> bool {
        self.told_by_server
            || self
                .reason
                .iter()
                .chain(&self.text)
                .any(|p| p.source.contains("(?P<") || p.source.contains("(?<"))
    }
}

/// Whether a message is about the connection that a definition names, seen from the side that it names.
fn about(edge: &str, parsed: &Parsed) -> bool {
    let (edge, side) = edge.split_once('/').map_or((edge, None), |(edge, side)| (edge, Some(side)));
    edge == parsed.edge.name() && side.is_none_or(|s| (s == "server") == parsed.server_side)
}

fn any_match(patterns: &[Pattern], text: &str) -> bool {
    patterns.iter().any(|p| p.regex().is_some_and(|r| r.is_match(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_builtin_event_matches_its_own_samples_alone() {
        let set = EventSet::builtin();
        let problems = set.check();
        assert!(problems.is_empty(), "{}", problems.join("\n"));
    }

    #[test]
    fn builtin_triggers_fit_one_fast_search() {
        let set = EventSet::builtin();
        assert!(set.search.is_packed(), "no packed search on this machine");
        assert!(set.triggers.len() <= 48, "{:?}", set.triggers);
    }

    #[test]
    fn endings_stand_in_the_definition_for_each_side() {
        let item = |more: &str| {
            format!(
                "- event: e\n  title: t\n  triggers: [dial]\n  reason: ['^abc']\n{more}  samples: ['dial tcp: abc']\n"
            )
        };
        let load = |text: &str| {
            let (mut set, mut problems) = (EventSet::default(), Vec::new());
            set.add_file("x.yaml", text, &mut problems);
            (set, problems.join("\n"))
        };
        let (set, problems) = load(&item("  endings: [reset, peer_closed]\n"));
        assert_eq!(problems, "");
        assert_eq!(set.endings("e", false).as_deref(), Some(&[Ending::Reset, Ending::PeerClosed][..]));
        assert_eq!(set.endings("e", true).as_deref(), Some(&Ending::ALL[..]), "not said: in any way");
        assert_eq!(set.endings("f", true), None);
        let (set, _) = load(&item("  endings: []\n"));
        assert_eq!(set.endings("e", false).as_deref(), Some(&[][..]), "no packet was sent");
        let (_, problems) = load(&item("  endings: [resett]\n"));
        assert!(problems.contains("resett") && problems.contains("reset"), "{problems}");
        let (_, problems) = load(&item("  server_endings: [icmp, icmp]\n"));
        assert!(problems.contains("names the ending `icmp` twice"), "{problems}");
    }

    #[test]
    fn mistakes_of_a_file_show_all_with_their_places() {
        let text = "- event: one\n  title: t\n  triggers: [abc]\n  reason: ['abc']\n  samples: []\n\
                    - event: two\n  titel: t\n\
                    - event: three\n  title: t\n  triggers: [a]\n  reason: ['(']\n  samples: ['dial tcp: a']\n";
        let mut set = EventSet::default();
        let mut problems = Vec::new();
        set.add_file("x.yaml", text, &mut problems);
        problems.extend(set.check());
        let all = problems.join("\n");
        for part in
            ["x.yaml:1: event one: has no sample", "titel", "line 7", "x.yaml:8: event three: needs triggers"]
        {
            assert!(all.contains(part), "{part} not in\n{all}");
        }
    }
}
