//! Holds what ARCHITECTURE.md says of the code: the direction of imports between stages, a header on every file, and
//! that the library neither prints nor exits nor reads environment or clock.
//!
//! Reads the sources as text; what stands in comments and in `mod tests` does not count.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Modules that every stage may use.
const BASE: [&str; 3] = ["error", "time", "tree"];

/// Each stage with the stages it may import, besides [`BASE`] and itself.
const STAGES: [(&str, &[&str]); 15] = [
    ("error", &[]),
    ("time", &[]),
    ("tree", &[]),
    ("bundle", &[]),
    ("capture", &["bundle"]),
    ("packet", &["bundle", "capture"]),
    ("flow", &["bundle", "capture", "packet"]),
    ("tls", &["bundle", "capture", "packet", "flow"]),
    ("dns", &["bundle", "capture", "packet", "flow"]),
    ("ingest", &["bundle", "capture", "packet", "flow", "tls", "dns"]),
    ("log", &["bundle"]),
    ("cluster", &["bundle"]),
    ("correlate", &["bundle", "capture", "packet", "flow", "tls", "dns", "ingest", "log", "cluster"]),
    (
        "rules",
        &["bundle", "capture", "packet", "flow", "tls", "dns", "ingest", "log", "cluster", "correlate"],
    ),
    (
        "report",
        &[
            "bundle",
            "capture",
            "packet",
            "flow",
            "tls",
            "dns",
            "ingest",
            "log",
            "cluster",
            "correlate",
            "rules",
        ],
    ),
];

/// What only `cli` and `main` may do, as it shows in the source.
const OUTER: [&str; 9] = [
    "println!",
    "print!(",
    "dbg!(",
    "process::exit",
    "std::env",
    "env::var",
    "SystemTime::now",
    "Instant::now",
    "stdout()",
];

#[test]
fn stages_import_only_what_is_left_of_them() {
    let allowed: BTreeMap<_, _> = STAGES.into_iter().collect();
    let mut wrong = Vec::new();
    for (path, text) in sources("src") {
        let stage = stage_of(&path);
        if matches!(stage.as_str(), "cli" | "main" | "lib") {
            continue;
        }
        let may = allowed
            .get(stage.as_str())
            .unwrap_or_else(|| panic!("{stage}: a stage that STAGES does not know"));
        for (line, import) in imports(&text) {
            if import != stage && !BASE.contains(&import.as_str()) && !may.contains(&import.as_str()) {
                wrong.push(format!("{}:{line}: {stage} imports {import}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "against the direction of the pipeline:\n{}", wrong.join("\n"));
}

#[test]
fn every_file_begins_with_its_header() {
    let roots = ["src", "tests", "benches", "examples"];
    let headless: Vec<_> = roots
        .into_iter()
        .flat_map(files)
        .filter(|path| !fs::read_to_string(path).is_ok_and(|text| text.starts_with("//! ")))
        .collect();
    assert!(headless.is_empty(), "no `//!` header: {headless:?}");
}

#[test]
fn only_the_command_line_touches_the_outside() {
    let mut wrong = Vec::new();
    for (path, text) in sources("src") {
        if matches!(stage_of(&path).as_str(), "cli" | "main") {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            if let Some(word) = OUTER.into_iter().find(|word| line.contains(word)) {
                wrong.push(format!("{}:{}: {word}", path.display(), number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "outside cli:\n{}", wrong.join("\n"));
}

#[test]
fn no_module_is_a_drawer_for_anything() {
    let drawers = ["utils", "util", "common", "helpers", "helper", "types", "misc"];
    for path in files("src") {
        let stem = path.file_stem().and_then(|s| s.to_str()).unwrap_or_default().to_owned();
        assert!(!drawers.contains(&stem.as_str()), "{}: say what it holds", path.display());
    }
}

#[test]
fn imports_are_found_in_every_form() {
    let text = "use crate::flow::Dir;\nuse crate::{log, time::Timestamp, cluster::{A, B}};\nlet x = crate::tls::y();\n";
    let found: Vec<_> = imports(text).into_iter().map(|(_, import)| import).collect();
    assert_eq!(found, ["flow", "log", "time", "cluster", "tls"]);
}

/// The sources under `root` without comments and tests.
fn sources(root: &str) -> Vec<(PathBuf, String)> {
    files(root)
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).expect("a source file is UTF-8");
            (path, code_only(&text))
        })
        .collect()
}

/// Blanks comment lines and what follows `#[cfg(test)]`; lines keep their numbers.
fn code_only(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines().take_while(|line| line.trim_end() != "#[cfg(test)]") {
        let code = if line.trim_start().starts_with("//") { "" } else { line };
        out.push_str(code);
        out.push('\n');
    }
    out
}

/// First path segments after `crate::`, each with its line from 1.
fn imports(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let line = text[..at].matches('\n').count() + 1;
        let rest = &text[at + "crate::".len()..];
        if let Some(list) = rest.strip_prefix('{') {
            found.extend(list_heads(list).into_iter().map(|head| (line, head)));
        } else {
            found.push((line, word(rest)));
        }
    }
    found
}

/// The first segments of a braced import list, the brace already read.
fn list_heads(list: &str) -> Vec<String> {
    let mut depth = 0;
    let mut heads = vec![word(list.trim_start())];
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => heads.push(word(list[at + 1..].trim_start())),
            _ => {}
        }
    }
    heads.retain(|head| !head.is_empty());
    heads
}

fn word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// `src/tls/names.rs` is of `tls`, `src/time.rs` of `time`.
fn stage_of(path: &Path) -> String {
    let inside = path.strip_prefix(root().join("src")).expect("a path under src");
    let first = inside.iter().next().expect("a file").to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// All Rust files under a folder of the project, sorted; none if there is no such folder.
fn files(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root().join(folder)];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
