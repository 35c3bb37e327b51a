//! Rule files that load, and mistakes with what must be said of them.

use super::*;

fn file(text: &str) -> RuleFile {
    RuleFile { path: "my.yaml".into(), text: text.into(), builtin: false }
}

const GOOD: &str = "\
- rule: a/one
  rev: 1
  verdict: io_timeout
  cause: syn_dropped
  severity: error
  title: One
  log: [deadline_exceeded]
  when: |
    tcp.syn.count > 1
  explain: \"{tcp.resp} is silent\"
  tests: []
";

fn mistakes(text: &str) -> String {
    match RuleSet::of(&[file(text)]) {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_rule_loads_with_its_defaults() {
    let set = RuleSet::of(&[file(GOOD)]).unwrap();
    let rule = set.find("a/one").unwrap();
    assert_eq!((rule.rank, rule.rev, rule.line, rule.conditions()), (50, 1, 1, 2));
    assert_eq!(rule.confidence, crate::rules::Confidence::High);
    assert_eq!(set.digest(&EventSet::builtin()).len(), 12);
}

#[test]
fn every_mistake_of_every_rule_shows_with_its_place() {
    let text = "\
- rule: a/one
  rev: 1
  verdikt: io_timeout
  cause: Syn Dropped
  severity: bad
  title: One
  title: Two
  when: |
    tcp.established &&
    tcp.syn.cuont > 1
  explain: \"{tcp.resq} is silent\"
  needs: [both_direction]
  tests: []
- rule: a/two
  when: !tcp.rst
- rule: a/three
  rev: one
  verdict: v
  cause: c
  severity: error
  title: T
  explain: E
  tests: []
";
    let shown = mistakes(text);
    for expected in [
        "a rule has no key `verdikt`",
        "did you mean `verdict`?",
        "`cause` is a word of a-z, 0-9 and _",
        "`bad` is no value of `severity`",
        "key `title` stands here twice",
        "there is no field `tcp.syn.cuont`",
        "my.yaml:10:5",
        "did you mean `tcp.syn.count`?",
        "there is no field `tcp.resq`",
        "`both_direction` is no value of `needs`",
        "a plain text that begins with `!`",
        "`rev` is a whole number",
        "this rule has no `verdict`",
        "mistakes in rule files",
    ] {
        assert!(shown.contains(expected), "{expected}\n{shown}");
    }
}

#[test]
fn what_a_test_holds_in_the_wrong_shape_is_a_mistake() {
    let good = ["name: n", "expect: match", "log: x"];
    let text = |lines: &[&str]| GOOD.replace("tests: []", &format!("tests:\n  - {}", lines.join("\n    ")));
    assert_eq!(mistakes(&text(&good)), "");
    for (line, said, help) in [
        ("name: [n]", "`name` is a text, and this is a list", "write it on one line"),
        ("log: {a: b}", "`log` is a list of texts", "stands in quotes"),
        ("log: [a, [b]]", "`log` is a list of texts", "write `log: [one, two]`"),
        ("packets: [+0 > SYN]", "`packets` is a text, and this is a list", "`packets: |`"),
        ("objects: {kind: Pod}", "`objects` is a text, and this is a mapping", "`objects: |`"),
        ("state: [ss]", "`state` is a text, and this is a list", "`state: |`"),
        ("expect: [match]", "`expect` is a text, and this is a list", "write it on one line"),
        ("standing: {}", "`standing` is a text, and this is a mapping", "write it on one line"),
        ("packet: x", "a test has no key `packet`", "did you mean `packets`?"),
    ] {
        let key = line.split(':').next().unwrap();
        let others = good.iter().filter(|l| l.split(':').next() != Some(key));
        let lines: Vec<_> = std::iter::once(&line).chain(others).copied().collect();
        let shown = mistakes(&text(&lines));
        for expected in [said, help, "my.yaml:12:"] {
            assert!(shown.contains(expected), "{line}: {expected}\n{shown}");
        }
    }
    let shown = mistakes(&text(&["name: n", "name: m", "log: x"]));
    assert!(
        shown.contains("key `name` stands here twice") && shown.contains("this test has no `expect`"),
        "{shown}"
    );
    assert!(mistakes(&text(&["just words"])).contains("a test is a mapping, and this is a text"));
}

#[test]
fn what_no_item_heeds_is_a_mistake() {
    for (item, said) in [
        ("- disable: a/one\n  when: tcp.rst\n", "`when` has no place beside `disable`"),
        ("- blind_events: [x]\n  title: t\n", "`title` has no place beside `blind_events`"),
        ("- blind_events: {a: b}\n", "`blind_events` is a list of events"),
    ] {
        let shown = mistakes(&format!("{GOOD}{item}"));
        assert!(shown.contains(said), "{shown}");
    }
}

#[test]
fn rules_are_replaced_and_disabled_by_name_only() {
    let second = format!("{GOOD}- override: a/one\n  severity: warning\n");
    let set = RuleSet::of(&[file(&second)]).unwrap();
    assert_eq!(set.find("a/one").unwrap().severity, crate::rules::Severity::Warning);
    assert!(RuleSet::of(&[file(&format!("{GOOD}- disable: a/one\n"))]).unwrap().rules().is_empty());
    assert!(mistakes(&format!("{GOOD}{GOOD}")).contains("rule `a/one` is there already: my.yaml:1"));
    assert!(mistakes(&format!("{GOOD}- disable: a/oen\n")).contains("did you mean `a/one`?"));
    assert!(mistakes(&format!("{GOOD}- override: a/one\n  rule: b\n")).contains("keeps the id of its rule"));
    assert!(mistakes("- role: x\n").contains("did you mean `rule`?"));
}

#[test]
fn precedence_is_rank_then_confidence_then_conditions_then_id() {
    let rule = |id: &str, keys: &str| {
        GOOD.replace("a/one", id).replace("  tests: []\n", &format!("  tests: []\n{keys}"))
    };
    let text = [
        rule("d", ""),
        rule("c", ""),
        rule("b", "  confidence: medium\n"),
        rule("e", "  rank: 60\n"),
        rule("f", "  unless: tcp.rst\n"),
    ]
    .concat();
    let set = RuleSet::of(&[file(&text)]).unwrap();
    let order: Vec<_> = set.rules().iter().map(|r| &*r.id).collect();
    assert_eq!(order, ["e", "f", "c", "d", "b"]);
}

#[test]
fn the_digest_covers_rules_and_events() {
    let dir = tempfile::tempdir().unwrap();
    let event = "- event: made_up\n  title: t\n  triggers: [made-up]\n  reason: ['^made-up$']\n  samples:\n    - \
                 'W0710 08:15:30.123456    1234 x.go:1] dial tcp 10.0.0.1:443: made-up'\n";
    std::fs::write(dir.path().join("mine.yaml"), event).unwrap();
    let (builtin, more) = (EventSet::builtin(), EventSet::load(&[dir.path()]).unwrap());
    let rules = RuleSet::builtin();
    assert_eq!(rules.digest(&builtin), RuleSet::builtin_digest());
    assert_ne!(rules.digest(&builtin), rules.digest(&more));
    assert_ne!(rules.digest(&builtin), RuleSet::default().digest(&builtin));
}
