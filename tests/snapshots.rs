//! Whole outputs of samples, as they were read and found good: a change of any line shows here.
//!
//! `UPDATE_SNAPSHOTS=1 cargo test --test snapshots` writes them anew; read the difference before it is committed.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

use regex::Regex;

/// File under `tests/snapshots`, sample, columns, arguments.
const OUTPUTS: [(&str, &str, u32, &[&str]); 7] = [
    ("first-screen-80.txt", "silent-after-client-hello", 80, &["analyze", "bundle"]),
    ("first-screen-160.txt", "silent-after-client-hello", 160, &["analyze", "bundle"]),
    ("finding-80.txt", "silent-after-client-hello", 80, &["analyze", "bundle", "--finding", "F1"]),
    ("report.md", "silent-after-client-hello", 80, &["analyze", "bundle", "--format", "markdown"]),
    ("report.json", "silent-after-client-hello", 80, &["analyze", "bundle", "--format", "json"]),
    ("report.html", "silent-after-client-hello", 80, &["analyze", "bundle", "--format", "html"]),
    ("ladder-160.txt", "syn-ack-lost", 160, &["timeline", "bundle", "--finding", "F1"]),
];

#[test]
fn outputs_are_as_they_were_read() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut changed = Vec::new();
    for (file, sample, columns, arguments) in OUTPUTS {
        let path = root.join("tests/snapshots").join(file);
        let now = output(&root.join("samples").join(sample), columns, arguments);
        if env::var_os("UPDATE_SNAPSHOTS").is_some() {
            fs::write(&path, &now).expect("writable");
        }
        let before = fs::read_to_string(&path).unwrap_or_default();
        changed.extend(difference(&before, &now).map(|lines| format!("{file}: {lines}")));
    }
    assert!(changed.is_empty(), "{}\nread tests/snapshots.rs on how to go on", changed.join("\n"));
}

/// What the program prints in the directory of a sample; the digest of the rules, which any rule changes, is left out.
fn output(sample: &Path, columns: u32, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wirecause"));
    command.current_dir(sample).args(arguments).env("COLUMNS", columns.to_string());
    let done = command.output().expect("it runs");
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    let text = String::from_utf8(done.stdout).expect("UTF-8");
    let digest = Regex::new(r#"(rules |"rules_digest": ")[0-9a-f]{12}"#).expect("a pattern");
    digest.replace_all(&text, "${1}DIGEST").into_owned()
}

/// The first line that differs, before and now.
fn difference(before: &str, now: &str) -> Option<String> {
    let (mut old, mut new) = (before.lines(), now.lines());
    for number in 1.. {
        match (old.next(), new.next()) {
            (None, None) => break,
            (old, new) if old == new => {}
            (old, new) => return Some(format!("line {number} was {old:?} and is {new:?}")),
        }
    }
    (before != now).then(|| "the end of a line differs".to_owned())
}
