//! Whatever a document tells its reader to run does run: commands in the text, those that collect a bundle, names of
//! tests. What only another place can run stands in `NOT_RUN`, with the reason.
//!
//! `documentation.rs` runs the blocks of the samples and the walk-through of rules/README.md.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

const SAMPLE: &str = "samples/silent-after-client-hello/bundle";
const CAPTURE: &str = "samples/silent-after-client-hello/bundle/pcap/cp-1-eth0.pcap";
const LOG: &str = "samples/silent-after-client-hello/bundle/logs/journalctl-kube-apiserver.cp-1.log";

/// Beginnings of commands that no test runs.
const NOT_RUN: [(&str, &str); 9] = [
    ("bash .ci/run", "runs the tests"),
    (".ci/package", "builds for minutes"),
    ("cargo install", "builds for minutes; tried before a release"),
    ("cargo package", "builds for minutes; tried before a release"),
    ("cargo bench", "measures for minutes"),
    ("benches/compare.sh", "measures for minutes"),
    ("nsenter ", "needs a pod"),
    ("journalctl -u ", "its output is whatever this machine logs"),
    ("python3 samples/lab", "needs root and a kube-apiserver"),
];

#[test]
fn commands_within_the_text_run() {
    let mut ran = 0;
    for document in ["README.md", "CONTRIBUTING.md", "rules/README.md"] {
        for span in code_spans(document) {
            let own = span.strip_prefix("wirecause ").or_else(|| span.strip_prefix("cargo run -- "));
            let Some(words) = own.map(|own| own.split_whitespace().collect::<Vec<_>>()) else { continue };
            let needs_more = ["analyze", "flows", "logs", "certs", "timeline", "extract", "batch", "rules"];
            if matches!(words.as_slice(), [only] if needs_more.contains(only)) {
                continue; // spoken of, not told to run
            }
            let dir = TempDir::new().expect("a directory");
            let run = Command::new(env!("CARGO_BIN_EXE_wirecause"))
                .current_dir(dir.path())
                .args(words.iter().filter_map(|word| filled_in(word, &words)))
                .output()
                .expect("the program starts");
            let said = String::from_utf8_lossy(&run.stderr);
            assert_eq!(run.status.code(), Some(0), "{document}: {span}: {said}");
            assert!(!run.stdout.is_empty() || !said.is_empty(), "{document}: {span} says nothing");
            ran += 1;
        }
    }
    assert!(ran > 25, "only {ran} commands were found");
}

/// A word of a command as documents write it, with what it stands for in place.
fn filled_in(word: &str, command: &[&str]) -> Option<String> {
    let flows = command.contains(&"flows");
    Some(match word {
        "INPUT" | "INPUT..." | "BUNDLE" => at_root(SAMPLE).display().to_string(),
        "FILE" => at_root(if flows { CAPTURE } else { LOG }).display().to_string(),
        "DIR" if command.contains(&"batch") => {
            at_root("samples/silent-after-client-hello").display().to_string()
        }
        "DIR" | "OUT" => "new".to_owned(),
        "RULE" | "TOPIC/NAME" => "io-timeout/syn-dropped".to_owned(),
        "SHELL" => "bash".to_owned(),
        "[KIND]" => return None,
        path if path.starts_with("samples/") => at_root(path).display().to_string(),
        other => other.to_owned(),
    })
}

/// `cargo test --lib log::events` and `cargo test --test snapshots` name what is there.
#[test]
fn tests_that_are_named_exist() {
    let mut found = 0;
    for span in ["README.md", "CONTRIBUTING.md"].into_iter().flat_map(code_spans) {
        let Some((_, arguments)) = span.split_once("cargo test --") else { continue };
        let words: Vec<&str> = arguments.split_whitespace().collect();
        for pair in words.windows(2).chain(words.len().eq(&1).then_some(words.as_slice())) {
            let path = match pair {
                ["lib", module] => {
                    let module = module.trim_end_matches("::").replace("::", "/");
                    let file = at_root(&format!("src/{module}.rs"));
                    if file.exists() { file } else { at_root(&format!("src/{module}/mod.rs")) }
                }
                ["test" | "--test", name] => at_root(&format!("tests/{name}.rs")),
                _ => continue,
            };
            assert!(path.exists(), "{span}: there is no {}", path.display());
            found += 1;
        }
    }
    assert!(found > 6, "only {found} were found");
}

/// What README.md has a reader collect is read for what it is, as far as this machine has the programs.
#[test]
fn collected_state_is_read() {
    let readme = document("README.md");
    let (_, after) = readme.split_once("with absolute times:\n\n```\n").expect("the commands that collect");
    let (script, _) = after.split_once("```").expect("the end of the commands");
    let dir = TempDir::new().expect("a directory");
    let mut collected = Vec::new();
    for line in script.lines() {
        let (_, file) = line.split_once(" > ").expect("a command that writes a file");
        if file.rsplit('.').next() != Some("txt") {
            continue; // logs and objects of a cluster
        }
        let run = Command::new("sh").args(["-c", line]).current_dir(dir.path()).output();
        let name = file.replace("$(hostname)", &hostname());
        let written = fs::read(dir.path().join(&name)).is_ok_and(|bytes| !bytes.is_empty());
        if run.is_ok_and(|run| run.status.success()) && written {
            collected.push(name);
        } else {
            eprintln!("{line}: gives nothing on this machine");
            let _ = fs::remove_file(dir.path().join(&name));
        }
    }
    if collected.is_empty() {
        return;
    }
    let run = Command::new(env!("CARGO_BIN_EXE_wirecause"))
        .args(["analyze", "--format", "json"])
        .arg(dir.path())
        .output()
        .expect("the program starts");
    let report: serde_json::Value = serde_json::from_slice(&run.stdout).expect("a report");
    for name in collected {
        let inputs = report["inputs"].as_array().expect("inputs");
        let input = inputs.iter().find(|i| i["path"].as_str().is_some_and(|p| p.ends_with(&name)));
        let kind = input.and_then(|input| input["kind"].as_str());
        assert_eq!(kind, Some("host_state"), "{name}");
    }
}

/// The options of the capture command and the filter beside it, on a capture in place of the interface.
#[test]
fn tcpdump_takes_what_it_is_told() {
    use std::os::unix::fs::PermissionsExt;

    let readme = document("README.md");
    let command = readme.lines().find(|l| l.starts_with("tcpdump -i any ")).expect("the capture command");
    let filter = code_spans("README.md").find(|s| s.starts_with("host ")).expect("the filter");
    let dir = TempDir::new().expect("a directory");
    // run by root it writes as another user
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).expect("an open directory");
    fs::copy(at_root(CAPTURE), dir.path().join("in.pcap")).expect("a capture");
    let command =
        command.replace("/var/tmp/$(hostname)-any.pcap", "out.pcap").replace("-i any", "-r in.pcap");
    let mut words: Vec<&str> = command.split_whitespace().collect();
    words.push(&filter);
    let Ok(run) = Command::new("tcpdump").args(&words[1..]).current_dir(dir.path()).output() else {
        eprintln!("tcpdump is not installed: nothing to try");
        return;
    };
    assert!(run.status.success(), "{command}: {}", String::from_utf8_lossy(&run.stderr));
    assert!(dir.path().join("out.pcap0").exists(), "{command}: no ring of files");
}

/// A block of commands that no test knows is a block that nothing holds.
#[test]
fn every_command_is_run_or_said_not_to_be() {
    let mut unknown = Vec::new();
    for document in documents() {
        let text = fs::read_to_string(&document).expect("a document");
        for block in text.split("\n```").skip(1).step_by(2) {
            let (_, block) = block.split_once('\n').expect("what follows the fence");
            let first = block.lines().next().unwrap_or_default();
            let elsewhere =
                ["cargo run --release -- ", "tshark ", "mkdir my-rules", "journalctl -u kubelet "];
            let known = elsewhere.iter().any(|known| first.starts_with(known))
                || first.starts_with("tcpdump -i any ")
                || first.starts_with([' ', '1']); // pictures and outputs
            if !known {
                unknown.push(format!("{}: {first}", document.display()));
            }
        }
    }
    for span in ["README.md", "CONTRIBUTING.md"].into_iter().flat_map(code_spans) {
        let program = span.split_whitespace().next().unwrap_or_default();
        let is_command = ["bash", "cargo", "python3", "nsenter", "benches/compare.sh", ".ci/package"];
        let run = ["cargo run -- ", "cargo test"].iter().any(|known| span.contains(known));
        let said = NOT_RUN.iter().any(|(start, _)| span.starts_with(start));
        if is_command.contains(&program) && !run && !said {
            unknown.push(span);
        }
    }
    assert!(unknown.is_empty(), "run by no test:\n{}", unknown.join("\n"));
}

/// What stands between backquotes in the text, outside of blocks.
fn code_spans(name: &str) -> impl Iterator<Item = String> {
    let text = document(name);
    let lines: Vec<String> = text
        .split("\n```")
        .step_by(2)
        .flat_map(str::lines)
        .flat_map(|line| {
            line.split('`').skip(1).step_by(2).map(|s| s.replace("\\|", "|")).collect::<Vec<_>>()
        })
        .collect();
    lines.into_iter()
}

/// README.md and the other documents of the project and of its samples.
fn documents() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![at_root(""), at_root("rules"), at_root("samples")];
    folders.extend(fs::read_dir(at_root("samples")).expect("samples/").flatten().map(|e| e.path()));
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        let files = fs::read_dir(folder).expect("a readable folder").flatten().map(|e| e.path());
        found.extend(files.filter(|path| path.extension().is_some_and(|e| e == "md")));
    }
    found.sort();
    found
}

fn hostname() -> String {
    let run = Command::new("hostname").output();
    run.map(|run| String::from_utf8_lossy(&run.stdout).trim().to_owned()).unwrap_or_default()
}

fn document(name: &str) -> String {
    fs::read_to_string(at_root(name)).expect("a document")
}

fn at_root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
