//! Where outputs go: never over what is read or over each other, through links, pipes and descriptors, with the
//! permissions that a user expects.
#![cfg(unix)]

use std::ffi::OsStr;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

mod made;
mod sample;
use made::{bundle, line_with, pcap, program, syn};

/// A folder with a bundle of a log and a capture, a key log and rules beside it.
fn folder() -> TempDir {
    let folder = TempDir::new().expect("a temporary folder");
    let at = |path: &str| folder.path().join(path);
    fs::create_dir_all(at("bundle/logs")).expect("a folder");
    fs::create_dir_all(at("rules/events")).expect("a folder");
    let calls: String = (0..150).map(|n| line_with(&format!("{n:x}"))).collect();
    let keys = format!("CLIENT_TRAFFIC_SECRET_0 {} {}\n", "ab".repeat(32), "cd".repeat(32));
    for (path, bytes) in [
        ("bundle/logs/a.log", calls.as_bytes()),
        ("bundle/a.pcap", &pcap((1..9).map(|n| (1_700_000_000, syn(n))))),
        ("keys.txt", keys.as_bytes()),
        ("rules/mine.yaml", b"[]\n"),
        ("rules/events/mine.yaml", b"[]\n"),
    ] {
        fs::write(at(path), bytes).expect("a file");
    }
    folder
}

/// Runs a line of words within a folder.
fn run(folder: &TempDir, line: &str) -> Output {
    let run = Command::new(env!("CARGO_BIN_EXE_wirecause"))
        .current_dir(folder.path())
        .args(line.split(' '))
        .stdin(Stdio::null())
        .output()
        .expect("a run");
    assert!(!said(&run).contains("panicked"), "{line}: {}", said(&run));
    run
}

fn said(run: &Output) -> String {
    String::from_utf8_lossy(&run.stderr).into_owned()
}

/// Every file below a folder, with what it holds.
fn state(folder: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    sample::files(folder).into_iter().map(|path| (path.clone(), fs::read(path).unwrap_or_default())).collect()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("a file").permissions().mode() & 0o777
}

#[test]
fn what_is_read_is_never_overwritten() {
    let folder = folder();
    let at = |path: &str| folder.path().join(path);
    symlink(at("bundle/a.pcap"), at("soft")).expect("a link");
    symlink("soft", at("softer")).expect("a link");
    fs::hard_link(at("bundle/a.pcap"), at("hard")).expect("a link");
    fs::hard_link(at("bundle/logs/a.log"), at("log")).expect("a link");
    symlink(at("rules/events/mine.yaml"), at("event")).expect("a link");
    let before = state(folder.path());
    for (line, output, file) in [
        ("extract bundle/a.pcap --flow 0 -o bundle/a.pcap", "bundle/a.pcap", "bundle/a.pcap"),
        ("extract ./bundle/a.pcap --flow 0 -o bundle/../bundle/a.pcap", "-o bundle/../", "./bundle/a.pcap"),
        ("extract bundle/a.pcap --flow 0 -o softer", "-o softer", "bundle/a.pcap"),
        ("extract softer --flow 0 -o hard", "-o hard", "softer"),
        ("flows bundle -o hard", "-o hard", "bundle/a.pcap"),
        ("analyze bundle -o log", "-o log", "bundle/logs/a.log"),
        ("analyze hard bundle/logs -o bundle/logs/a.log", "-o bundle/logs/a.log", "bundle/logs/a.log"),
        ("logs log no-such-input -o log", "-o log", "that is log"),
        ("certs bundle --keylog keys.txt -o keys.txt", "-o keys.txt", "that is keys.txt"),
        ("timeline bundle --flow 0 --rules rules -o rules/mine.yaml", "-o rules", "rules/mine.yaml"),
        ("analyze bundle --rules rules -o event", "-o event", "rules/events/mine.yaml"),
        ("analyze bundle --redact --redact-map soft -o new", "--redact-map soft", "bundle/a.pcap"),
        (
            "rules explain io-timeout/syn-dropped bundle --redact --redact-map log",
            "--redact-map log",
            "a.log",
        ),
        ("batch bundle -o out --redact --redact-map hard", "--redact-map hard", "bundle/a.pcap"),
    ] {
        let run = run(&folder, line);
        let said = said(&run);
        assert_eq!(run.status.code(), Some(2), "{line}: {said}");
        assert!(
            said.contains(output) && said.contains(file) && said.contains("overwritten"),
            "{line}: {said}"
        );
        assert!(run.stdout.is_empty(), "{line}");
        assert_eq!(state(folder.path()), before, "{line}");
    }
    let run = Command::new(env!("CARGO_BIN_EXE_wirecause"))
        .args(["logs", "-", "-o"])
        .arg(at("log"))
        .stdin(fs::File::open(at("bundle/logs/a.log")).expect("the log"))
        .output()
        .expect("a run");
    assert_eq!(run.status.code(), Some(2), "{}", said(&run));
    assert_eq!(state(folder.path()), before);
    // What only lies beside rules is none, and a new file in a bundle overwrites nothing.
    for line in ["flows bundle --rules . -o keys.txt", "flows bundle -o bundle/new"] {
        let run = self::run(&folder, line);
        assert_eq!(run.status.code(), Some(0), "{line}: {}", said(&run));
    }
}

#[test]
fn two_outputs_of_one_run_are_two_files() {
    let folder = folder();
    symlink("map", folder.path().join("soft")).expect("a link");
    let before = state(folder.path());
    for outputs in [
        "--redact-map map -o map",
        "--redact-map ./map -o bundle/../map",
        "--redact-map soft -o map",
        "--redact-map map -o soft",
        "--redact-map - -o -",
        "--redact-map -",
        "--redact-map /dev/stdout",
    ] {
        let run = run(&folder, &format!("flows bundle --redact {outputs}"));
        let said = said(&run);
        assert_eq!(run.status.code(), Some(2), "{outputs}: {said}");
        let map = outputs.split(' ').nth(1).expect("a path");
        assert!(said.contains(&format!("--redact-map {map}: that is ")), "{outputs}: {said}");
        assert_eq!(state(folder.path()), before, "{outputs}");
    }
    for outputs in ["--redact-map /dev/null -o /dev/null", "--redact-map - -o new"] {
        let run = run(&folder, &format!("flows bundle --redact {outputs}"));
        assert_eq!(run.status.code(), Some(0), "{outputs}: {}", said(&run));
    }
    let run = run(&folder, "batch bundle -o out --redact --redact-map out/bundle_1.json");
    assert!(run.status.code() == Some(2) && said(&run).contains("-o out/bundle_1.json"), "{}", said(&run));
}

#[test]
fn an_output_that_cannot_be_is_said_before_anything_is_read() {
    let folder = folder();
    for (output, why) in [
        ("no/such/out", "No such file"),
        ("keys.txt/out", "directory"),
        ("new/", "directory"),
        ("rules", "directory"),
    ] {
        for option in ["-o", "--redact --redact-map"] {
            let run = run(&folder, &format!("analyze no-such-input {option} {output}"));
            let said = said(&run);
            assert_eq!(run.status.code(), Some(1), "{option} {output}: {said}");
            assert!(
                said.contains(&format!("cannot write {output}: ")) && said.contains(why),
                "{output}: {said}"
            );
        }
    }
}

#[test]
fn an_output_stands_where_its_path_leads() {
    let folder = folder();
    let at = |path: &str| folder.path().join(path);
    fs::write(at("old"), "old").expect("writable");
    for (link, target) in [("to-old", "old"), ("to-new", "new"), ("to-link", "to-old")] {
        symlink(target, at(link)).expect("a link");
        let run = run(&folder, &format!("flows bundle --format ndjson -o {link}"));
        assert_eq!(run.status.code(), Some(0), "{link}: {}", said(&run));
        assert!(fs::symlink_metadata(at(link)).expect("there").is_symlink(), "{link}");
        assert!(fs::read_to_string(at(link)).expect("there").contains("conn_state"), "{link}");
        fs::write(at("old"), "old").expect("writable");
    }
}

/// Links of our own, so that a failing test puts no file in the place of `/dev/stdout`.
#[test]
fn standard_output_and_descriptors_take_what_comes() {
    let folder = folder();
    let at = |path: &str| folder.path().join(path);
    if !Path::new("/proc/self/fd").exists() {
        eprintln!("there is no /proc: nothing is tried");
        return;
    }
    let whole = run(&folder, "flows bundle --format ndjson").stdout;
    for descriptor in [1, 2, 3] {
        let link = at(&format!("descriptor-{descriptor}"));
        symlink(format!("/proc/self/fd/{descriptor}"), &link).expect("a link");
        let taken = at("taken");
        fs::write(&taken, "in front\n").expect("writable");
        let script = format!("exec \"$@\" {descriptor}>> \"$0\"");
        let mut shell = Command::new("sh");
        shell.args([OsStr::new("-c"), OsStr::new(&script), taken.as_os_str()]);
        shell.arg(env!("CARGO_BIN_EXE_wirecause")).args(["flows", "--format", "ndjson", "-o"]).arg(&link);
        let run = shell.arg(at("bundle")).output().expect("a shell");
        assert_eq!(run.status.code(), Some(0), "{descriptor}: {}", said(&run));
        assert!(fs::symlink_metadata(&link).expect("there").is_symlink(), "{descriptor}");
        let taken = fs::read(&taken).expect("there");
        assert_eq!(taken.strip_prefix(b"in front\n"), Some(&*whole), "{descriptor}");
    }
}

/// A pipe that has a name stays one, is written to, and may lose its reader.
#[test]
fn a_named_pipe_takes_what_comes() {
    let folder = folder();
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo is installed").success());
    let arguments = ["logs", "--year", "2026", "--format", "ndjson", "-o"];
    for most in [u64::MAX, 1] {
        let mut run = program(&arguments, &pipe);
        let run = run.arg(folder.path().join("bundle")).stderr(Stdio::piped()).spawn().expect("a run");
        let mut taken = Vec::new();
        fs::File::open(&pipe)
            .expect("a writer")
            .take(most)
            .read_to_end(&mut taken)
            .expect("what was written");
        let run = run.wait_with_output().expect("an end");
        assert_eq!((run.status.code(), &*said(&run)), (Some(0), ""), "{most}");
        assert!(
            taken.len() as u64 == most || taken.len() > 1 << 16,
            "more than a pipe holds: {}",
            taken.len()
        );
        assert!(fs::symlink_metadata(&pipe).expect("there").file_type().is_fifo());
    }
}

#[test]
fn an_output_has_the_permissions_of_the_old_one_or_of_any_new_file() {
    let folder = folder();
    let at = |path: &str| folder.path().join(path);
    let run = |umask: &str, arguments: &[&str]| {
        let script = format!("umask {umask}; exec \"$@\"");
        let mut shell = Command::new("sh");
        shell.current_dir(folder.path()).args(["-c", &script, "sh", env!("CARGO_BIN_EXE_wirecause")]);
        let run = shell.args(arguments).arg("bundle").output().expect("a shell");
        assert_eq!(run.status.code(), Some(0), "{arguments:?}: {}", said(&run));
    };
    for (umask, expected) in [("077", 0o600), ("027", 0o640), ("002", 0o664)] {
        run(umask, &["flows", "-o", umask]);
        run(umask, &["batch", "-o", &format!("out-{umask}")]);
        assert_eq!(mode(&at(umask)), expected, "{umask}");
        assert_eq!(mode(&at(&format!("out-{umask}/a.pcap.json"))), expected, "{umask}");
    }
    for kept in [0o600, 0o640, 0o666] {
        fs::set_permissions(at("077"), fs::Permissions::from_mode(kept)).expect("a mode");
        run("022", &["flows", "-o", "077"]);
        assert_eq!(mode(&at("077")), kept);
    }
    fs::write(at("map"), "").expect("writable");
    fs::set_permissions(at("map"), fs::Permissions::from_mode(0o644)).expect("a mode");
    for (command, map) in [("flows", "map"), ("flows", "new-map"), ("batch", "map"), ("batch", "new-map")] {
        run("000", &[command, "-o", &format!("{command}-out"), "--redact", "--redact-map", map]);
        assert_eq!(mode(&at(map)), 0o600, "{command} {map}");
        fs::set_permissions(at(map), fs::Permissions::from_mode(0o644)).expect("a mode");
    }
}

#[test]
fn rules_that_were_edited_are_not_overwritten() {
    let folder = bundle(&[]);
    let export = || run(&folder, "rules export mine");
    let paths = String::from_utf8(export().stdout).expect("UTF-8");
    assert_eq!(export().stdout, paths.as_bytes(), "the same again harms nothing");
    let last = folder.path().join(paths.lines().last().expect("a file"));
    fs::write(&last, "[]\n").expect("writable");
    let before = state(folder.path());
    let again = export();
    assert_eq!(again.status.code(), Some(2), "{}", said(&again));
    assert!(again.stdout.is_empty() && said(&again).contains("edited"), "{}", said(&again));
    assert_eq!(state(folder.path()), before);
}

/// Bundles stay what they are, and no report is a bundle of the next run.
#[test]
fn a_batch_keeps_reports_and_bundles_apart() {
    let folder = bundle(&[]);
    let at = |path: &str| folder.path().join(path);
    for name in ["one", "two"] {
        fs::create_dir_all(at("all").join(name)).expect("a folder");
        fs::write(at("all").join(name).join("a.log"), line_with(name)).expect("a log");
    }
    fs::write(at("all/one.json"), "{}").expect("a bundle of one file");
    symlink("all", at("link")).expect("a link");
    let before = state(folder.path());
    for outputs in [
        "-o all",
        "-o link",
        "-o all/one",
        "-o all/one/out",
        "-o all/new/out",
        "-o out --redact --redact-map all/map",
        "-o out --redact --redact-map link/one/map",
    ] {
        let run = run(&folder, &format!("batch all {outputs}"));
        assert_eq!(run.status.code(), Some(2), "{outputs}: {}", said(&run));
        assert!(said(&run).contains("outside the bundles"), "{outputs}: {}", said(&run));
        assert_eq!(state(folder.path()), before, "{outputs}");
        assert!(!at("all/new").exists() && !at("all/one/out").exists(), "{outputs}");
    }
    fs::create_dir(at("beside")).expect("a folder");
    fs::hard_link(at("all/one.json"), at("beside/two.json")).expect("a link");
    let run_over = run(&folder, "batch all -o beside");
    let text = said(&run_over);
    assert_eq!(run_over.status.code(), Some(2), "{text}");
    assert!(text.contains("-o beside/two.json") && text.contains("all/one.json"), "{text}");
    fs::remove_dir_all(at("beside")).expect("there");

    // In a folder of its own, also with the map: this run, the next, and one that writes elsewhere.
    for outputs in
        ["-o all/out", "-o all/out", "-o all/out --redact --redact-map all/out/map", "-o elsewhere"]
    {
        let run = run(&folder, &format!("batch all {outputs}"));
        assert!(matches!(run.status.code(), Some(0 | 3)), "{outputs}: {}", said(&run));
        let index = outputs.split(' ').nth(1).expect("a path").to_owned() + "/index.ndjson";
        assert_eq!(fs::read_to_string(at(&index)).expect("an index").lines().count(), 3, "{outputs}");
        let left_out = said(&run).contains("all/out: reports of an earlier batch, left out");
        assert_eq!(left_out, outputs == "-o elsewhere", "{outputs}: {}", said(&run));
    }

    // What only looks so is a bundle.
    let entry = fs::read_to_string(at("elsewhere/index.ndjson")).expect("an index");
    for index in ["", "{\"bundle\":\n", &entry] {
        fs::write(at("all/one/index.ndjson"), index).expect("written");
        let run = run(&folder, "batch all -o again");
        let index = fs::read_to_string(at("again/index.ndjson")).expect("an index");
        assert!(index.contains("\"bundle\":\"one\""), "{index}: {}", said(&run));
        fs::remove_dir_all(at("again")).expect("there");
    }
}

/// The last report goes to a pipe without a reader, so that all work is done and nothing has ended yet.
#[cfg(target_os = "linux")]
#[test]
fn a_batch_works_with_as_many_threads_as_it_may() {
    let folder = folder();
    let out = folder.path().join("out");
    fs::create_dir(&out).expect("a folder");
    let report = out.join("logs.json");
    assert!(Command::new("mkfifo").arg(&report).status().expect("mkfifo is installed").success());
    let mut run =
        program(&["batch", "--quiet", "--year", "2026", "--jobs", "9", "--threads", "1", "-o"], &out);
    let mut run = run.arg(folder.path().join("bundle")).stdout(Stdio::null()).spawn().expect("a run");
    let mut pipe = fs::File::open(&report).expect("a writer");
    pipe.read_exact(&mut [0]).expect("a first byte");
    let threads = fs::read_dir(format!("/proc/{}/task", run.id())).expect("its threads").count();
    std::io::copy(&mut pipe, &mut std::io::sink()).expect("the rest");
    assert_eq!(run.wait().expect("an end").code(), Some(0));
    assert_eq!(threads, 3, "the one that was asked for, that of the one job, and the first, which both wait");
}
