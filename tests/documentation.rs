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

/// The Markdown files of the project and of its samples.
fn documents() -> Vec<PathBuf> {
    let mut found = markdown(&root());
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
