//! The documents hold: their commands on samples run, and their links lead to files that are there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn commands_on_samples_run() {
    let mut ran = 0;
    for document in documents() {
        let text = fs::read_to_string(&document).expect("a document");
        for command in text.lines().filter_map(|l| l.strip_prefix("cargo run --release -- ")) {
            let run = Command::new(env!("CARGO_BIN_EXE_wirecause"))
                .current_dir(env!("CARGO_MANIFEST_DIR"))
                .args(command.split_whitespace())
                .output()
                .expect("the program starts");
            let said = String::from_utf8_lossy(&run.stderr);
            assert_eq!(run.status.code(), Some(0), "{}: {command}: {said}", document.display());
            assert!(!run.stdout.is_empty(), "{}: {command} printed nothing", document.display());
            ran += 1;
        }
    }
    assert!(ran > 10, "only {ran} commands were found");
}

#[test]
fn the_rule_of_five_minutes_works() {
    let page = fs::read_to_string(root().join("rules/README.md")).expect("rules/README.md");
    let (_, after) = page.split_once("## A rule in five minutes\n\n```sh\n").expect("the walk-through");
    let (script, _) = after.split_once("```").expect("the end of the walk-through");
    let dir = tempfile::tempdir().expect("a directory");
    let bundle = root().join("samples/syn-dropped/bundle").display().to_string();
    let mut ran = 0;
    for line in script.lines().map(|line| line.split('#').next().unwrap_or_default().trim()) {
        let (command, into) = line.split_once(" > ").map_or((line, None), |(line, into)| (line, Some(into)));
        match command.split_whitespace().collect::<Vec<_>>().as_slice() {
            ["mkdir", name] => fs::create_dir(dir.path().join(name)).expect("a new directory"),
            ["wirecause", arguments @ ..] => {
                let run = Command::new(env!("CARGO_BIN_EXE_wirecause"))
                    .current_dir(dir.path())
                    .args(arguments.iter().map(|a| if *a == "bundle/" { bundle.as_str() } else { *a }))
                    .output()
                    .expect("the program starts");
                let said = String::from_utf8_lossy(&run.stderr);
                assert!(run.status.success() && !run.stdout.is_empty(), "{line}: {said}");
                if let Some(into) = into {
                    fs::write(dir.path().join(into), run.stdout).expect("a file in the new directory");
                }
                ran += 1;
            }
            ["$EDITOR", _] => {}
            other => panic!("what is {other:?}?"),
        }
    }
    assert_eq!(ran, 5);
}

#[test]
fn tshark_shows_what_the_samples_say() {
    let mut compared = 0;
    for document in documents() {
        let text = fs::read_to_string(&document).expect("a document");
        for (command, after) in text.split("\n```\ntshark ").skip(1).filter_map(|t| t.split_once("\n```\n\n"))
        {
            let Some(said) = after.strip_prefix("shows ").and_then(|t| t.split_whitespace().next()) else {
                panic!("{}: how many frames?", document.display());
            };
            // the filter is in quotes, and nothing else is
            let words = command.split('\'').enumerate().flat_map(|(n, part)| {
                if n % 2 == 1 { vec![part] } else { part.split_whitespace().collect() }
            });
            let folder = document.parent().expect("a folder");
            let Ok(run) = Command::new("tshark").current_dir(folder).args(words).output() else {
                eprintln!("tshark is not installed: nothing to compare with");
                return;
            };
            let shown = String::from_utf8_lossy(&run.stdout).lines().count().to_string();
            assert_eq!(shown, said, "{}: tshark {command}", document.display());
            compared += 1;
        }
    }
    assert!(compared > 20, "only {compared} commands were found");
}

#[test]
fn the_first_screen_is_what_the_program_prints() {
    let readme = fs::read_to_string(root().join("README.md")).expect("README.md");
    let (_, after) = readme.split_once("The first prints:\n\n```\n").expect("the first screen");
    let (screen, _) = after.split_once("```").expect("the end of the first screen");
    let run = Command::new(env!("CARGO_BIN_EXE_wirecause"))
        .current_dir(root())
        .args(["analyze", "samples/silent-after-client-hello/bundle"])
        .env("COLUMNS", "100")
        .output()
        .expect("the program starts");
    assert_eq!(String::from_utf8_lossy(&run.stdout), screen, "README.md shows another first screen");
}

#[test]
fn commands_that_are_named_exist() {
    let help =
        Command::new(env!("CARGO_BIN_EXE_wirecause")).arg("--help").output().expect("the program starts");
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    let known: Vec<_> =
        help.lines().filter_map(|l| l.strip_prefix("  ")?.split_whitespace().next()).collect();
    let readme = fs::read_to_string(root().join("README.md")).expect("README.md");
    for named in readme.split("`wirecause ").skip(1).filter_map(|rest| rest.split([' ', '`']).next()) {
        assert!(known.contains(&named), "README names `wirecause {named}`");
    }
}

#[test]
fn links_lead_to_files() {
    for document in documents() {
        let text = fs::read_to_string(&document).expect("a document");
        let folder = document.parent().expect("a folder");
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = target.split('#').next().unwrap_or_default();
            if !target.contains("://") && !file.is_empty() {
                assert!(folder.join(file).exists(), "{}: {target}", document.display());
            }
        }
    }
}

#[test]
fn files_that_are_named_exist() {
    let folders = ["src/", "rules/", "tests/", "benches/", "examples/", "samples/", ".ci/"];
    let mut wrong = Vec::new();
    for document in markdown(&root()).into_iter().chain(markdown(&root().join("rules"))) {
        let text = fs::read_to_string(&document).expect("a document");
        for named in text.split('`').skip(1).step_by(2) {
            let is_path = folders.iter().any(|f| named.starts_with(f))
                && !named.contains(|c: char| c.is_whitespace() || c == '*' || c.is_ascii_uppercase());
            if is_path && !root().join(named).exists() {
                wrong.push(format!("{}: {named}", document.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "no such files:\n{}", wrong.join("\n"));
}

#[test]
fn modules_that_the_architecture_names_exist() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let stages: Vec<_> = text.split("\n### ").skip(1).collect();
    let mut wrong = Vec::new();
    for named in text.split('`').skip(1).step_by(2).filter(|named| named.contains("::")) {
        let path = root().join("src").join(named.replace("::", "/")).with_extension("rs");
        if !path.exists() {
            wrong.push(named.to_owned());
        }
    }
    let correlate = stages.iter().find(|s| s.starts_with("`correlate`")).expect("the join has its part");
    for named in correlate.lines().filter_map(|l| l.strip_prefix("| `")).filter_map(|l| l.split(" |").next())
    {
        for file in
            named.split('`').filter(|part| part.chars().all(|c| c.is_ascii_lowercase()) && !part.is_empty())
        {
            if !root().join(format!("src/correlate/{file}.rs")).exists() {
                wrong.push(format!("correlate: {file}"));
            }
        }
    }
    assert!(wrong.is_empty(), "no such modules: {wrong:?}");
}

#[test]
fn every_stage_has_its_paragraph_and_its_invariant() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let (_, stages) = text.split_once("\n## The stages\n").expect("the stages");
    let (stages, _) = stages.split_once("\n## ").expect("what follows them");
    let told: Vec<_> =
        stages.split("\n### ").skip(1).filter(|stage| stage.contains("\n*Invariant:* ")).collect();
    for entry in fs::read_dir(root().join("src")).expect("src/").flatten().filter(|e| e.path().is_dir()) {
        let name = format!("`{}`", entry.file_name().to_string_lossy());
        let heading = |stage: &&&str| stage.lines().next().is_some_and(|line| line.contains(&name));
        assert_eq!(told.iter().filter(heading).count(), 1, "{name}: a paragraph with an invariant");
    }
}

#[test]
fn options_that_are_named_exist() {
    let help = |arguments: &[&str]| {
        let run = Command::new(env!("CARGO_BIN_EXE_wirecause")).args(arguments).output();
        String::from_utf8_lossy(&run.expect("the program starts").stdout).into_owned()
    };
    let commands = ["analyze", "flows", "timeline", "logs", "certs", "extract", "batch"];
    let known: String = commands.iter().map(|command| help(&[command, "--help"])).collect();
    for document in ["README.md", "THREATS.md"] {
        let text = fs::read_to_string(root().join(document)).expect("a document");
        for row in text.lines().filter(|line| line.starts_with('|')) {
            for named in row.split('`').skip(1).step_by(2).filter(|named| named.starts_with("--")) {
                let option = named.split_whitespace().next().unwrap_or_default();
                assert!(known.contains(&format!("{option} ")), "{document} names {option}");
            }
        }
    }
}

/// The Markdown files of the project and of its samples.
fn documents() -> Vec<PathBuf> {
    let mut found = markdown(&root());
    found.extend(markdown(&root().join("rules")));
    found.extend(markdown(&root().join("samples")));
    for entry in fs::read_dir(root().join("samples")).expect("samples/").flatten() {
        if entry.path().is_dir() {
            found.extend(markdown(&entry.path()));
        }
    }
    found.sort();
    found
}

fn markdown(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a readable folder").flatten().map(|entry| entry.path());
    entries.filter(|path| path.extension().is_some_and(|e| e == "md")).collect()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
