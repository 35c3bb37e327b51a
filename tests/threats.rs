//! THREATS.md names for each hazard the test or fuzz target that holds it: each of them is there.

use std::fs;
use std::path::Path;

#[test]
fn what_holds_each_hazard_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("THREATS.md")).expect("the page");
    let table = page.split("## What holds it").nth(1).and_then(|rest| rest.split("\n## ").next());
    let rows = table.expect("the section").lines().filter(|l| l.starts_with("| ")).skip(1);
    let held: Vec<(&str, &str)> =
        rows.filter_map(|row| row.trim_end_matches(" |").rsplit_once(" | ")).collect();
    assert!(held.len() > 30, "{} rows", held.len());
    for (hazard, tests) in &held {
        // `file`, or `file` `test` `test`, or `file` `text` where it is no source.
        let mut file = "";
        for name in tests.split('`').skip(1).step_by(2) {
            if root.join(name).is_file() {
                file = name;
            } else {
                assert!(is_there(&root.join(file), name), "{file} {name}, which is to hold {hazard}");
            }
        }
        assert!(!file.is_empty(), "nothing holds {hazard}");
    }
    for entry in fs::read_dir(root.join("fuzz/fuzz_targets")).into_iter().flatten() {
        let file = entry.expect("a target").file_name();
        let name = format!("`fuzz/fuzz_targets/{}`", file.to_string_lossy());
        assert!(held.iter().any(|(_, tests)| tests.contains(&name)), "{name} holds nothing");
    }
}

fn is_there(file: &Path, name: &str) -> bool {
    let Ok(text) = fs::read_to_string(file) else { return false };
    if file.extension().is_none_or(|e| e != "rs") {
        return text.contains(name);
    }
    let Some(before) = text.find(&format!("fn {name}(")).and_then(|at| text.get(..at)) else { return false };
    before.trim_end().lines().rev().take(6).any(|line| line.trim() == "#[test]")
}
