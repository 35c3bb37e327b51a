//! The program as a process among others: devices, pipes and files that change or may not be read; outputs that cannot be
//! written; readers that go away; argument lists without end.
#![cfg(unix)]

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use tempfile::TempDir;

mod made;
mod sample;
use made::{analyze, bundle, line_with, pcap, pem_named, pods, problems, program, segment, syn};

fn said(run: &Output) -> String {
    let said = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(!said.contains("panicked"), "{said}");
    said
}

/// What blocks whoever opens it, leads round in circles or is no file: named where it matters, and nothing waits for it.
#[test]
fn pipes_sockets_and_loops_in_a_folder_are_not_opened() {
    use std::os::unix::fs::symlink;
    let folder = bundle(&[("a.log", line_with("").as_bytes())]);
    let at = |name: &str| folder.path().join(name);
    let made = Command::new("mkfifo").arg(at("pipe.log")).status().is_ok_and(|s| s.success());
    let socket = std::os::unix::net::UnixListener::bind(at("socket.log")).expect("a socket");
    symlink(folder.path(), at("round")).expect("a link");
    symlink(at("self.log"), at("self.log")).expect("a link");
    symlink("/dev/zero", at("zero.log")).expect("a link");
    let (code, report) = analyze(&folder, &["--year", "2026"]);
    let inputs = report["inputs"].as_array().map(Vec::len);
    assert_eq!((code, inputs), (0, Some(1)), "{report}");
    assert_eq!(report["summary"]["occurrences"], 1, "{report}");
    let found =
        wirecause::bundle::discover(&[folder.path().to_owned()], &wirecause::bundle::Limits::default());
    let said: Vec<_> = found.expect("a bundle").problems.iter().map(|w| (w.name, w.count)).collect();
    let special = 1 + u64::from(made);
    assert_eq!(said, [("link_out_of_tree", 1), ("link_to_nothing", 1), ("special_file", special)]);
    drop(socket);
}

/// What never ends is refused; what ends is read, however often it can be.
#[test]
fn a_device_is_refused_and_pipes_are_read() {
    for device in ["/dev/zero", "/dev/full", "/dev/random", "/dev/null"] {
        for command in ["analyze", "flows", "logs", "certs"] {
            // The limit ends it where it is read after all.
            let run =
                program(&[command, "--max-total-bytes", "1M"], Path::new(device)).output().expect("a run");
            let said = said(&run);
            assert!(run.status.code() == Some(1) && run.stdout.is_empty(), "{command} {device}: {said}");
            assert!(said.contains(device) && said.contains("it is a device"), "{command}: {said}");
        }
    }
    let folder = TempDir::new().expect("a temporary folder");
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo is installed").success());
    let arguments = ["logs", "--format", "ndjson", "--year", "2026"];
    let reader =
        program(&arguments, &pipe).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("a run");
    fs::write(&pipe, line_with("")).expect("a reader");
    let run = reader.wait_with_output().expect("an end");
    assert_eq!(String::from_utf8_lossy(&run.stdout).lines().count(), 1, "{}", said(&run));
    let mut reader = program(&arguments, Path::new("-"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a run");
    reader.stdin.take().expect("stdin").write_all(line_with("").as_bytes()).expect("a reader");
    let run = reader.wait_with_output().expect("an end");
    assert_eq!(String::from_utf8_lossy(&run.stdout).lines().count(), 1);
}

/// Input that no stage could take is not read: the exit code and a line say so in every command.
#[test]
fn input_that_nothing_could_read_is_no_success() {
    let folder = bundle(&[("empty.pcap", b""), ("a.log", line_with("").as_bytes())]);
    let mem = Path::new("/proc/self/mem");
    let cases = [(folder.path().to_owned(), "empty.pcap"), (folder.path().join("empty.pcap"), "empty.pcap")];
    let mem = mem.exists().then(|| (mem.to_owned(), "unreadable"));
    for (input, name) in cases.into_iter().chain(mem) {
        for command in ["analyze", "flows", "logs", "certs"] {
            let run =
                program(&[command, "--format", "json", "--year", "2026"], &input).output().expect("a run");
            let said = said(&run);
            assert_eq!(run.status.code(), Some(3), "{command} {}: {said}", input.display());
            assert!(said.matches(name).count() == 1, "{command} {}: {said}", input.display());
            assert!(serde_json::from_slice::<Value>(&run.stdout).is_ok(), "{command} {}", input.display());
        }
    }
    let (_, report) = analyze(&folder, &["--year", "2026"]);
    assert_eq!(report["summary"]["occurrences"], 1, "the rest is analysed");
    // A stage took it, and nothing in it could be read.
    let journal = [&b"LPKSHHRH"[..], &[0; 400]].concat();
    let folder = bundle(&[("a.journal", &journal), ("a.log", line_with("").as_bytes())]);
    let (code, report) = analyze(&folder, &["--year", "2026"]);
    let status = |name: &str| {
        let input = report["inputs"].as_array()?.iter().find(|i| i["path"] == name)?;
        input["status"].as_str()
    };
    assert_eq!((code, status("a.journal"), status("a.log")), (3, Some("unreadable"), Some("ok")), "{report}");
}

#[test]
fn input_of_which_nothing_is_of_use_is_no_answer() {
    let gz = b"\x1f\x8b\x08\0\0\0\0\0\0\x03not a true archive";
    let behind = [&b"Warning: Permanently added host\n"[..], gz].concat();
    for (name, bytes, words) in [
        ("a.enc", &b"Salted__\x01\x02\x03\x04\xff\0\x01\x02"[..], "openssl enc -d"),
        ("a.asc", b"-----BEGIN PGP MESSAGE-----\n\nhQEMA\n-----END PGP MESSAGE-----\n", "gpg -d"),
        ("a.b64", b"H4sIAAAAAAAAA2FiY2RlZmdoaWprbG1ub3BxcnN0dXZ3eHl6\nH4sIAAAAAAAAA2FiY2Rl\n", "base64 -d"),
        ("a.tgz", &behind, "behind lines of text"),
    ] {
        let folder = bundle(&[(name, bytes)]);
        let path = folder.path().join(name);
        for input in [folder.path(), &path] {
            let run = program(&["analyze", "--format", "table"], input).output().expect("a run");
            let (said, out) = (said(&run), String::from_utf8_lossy(&run.stdout).into_owned());
            assert_eq!(run.status.code(), Some(3), "{name}: {said}{out}");
            assert!(said.contains(words) && said.contains("Send logs as text"), "{name}: {said}");
            assert!(out.contains("Nothing of the input could be read."), "{name}: {out}");
            assert!(!out.contains("No transport fault") && !out.contains("all read"), "{name}: {out}");
        }
        let both = bundle(&[(name, bytes), ("a.log", line_with("").as_bytes())]);
        let (code, report) = analyze(&both, &["--year", "2026"]);
        assert_eq!((code, &report["summary"]["occurrences"]), (0, &Value::from(1)), "{name} beside a log");
    }
}

/// Every command that writes one output, with what it must be told, and the folder that it reads; [`batch`] writes several.
fn commands() -> (TempDir, Vec<Vec<&'static str>>) {
    let calls: String = (0..150).map(|n| line_with(&format!("{n:x}"))).collect();
    let packets = [syn(1)].into_iter().chain((0..2000).map(|_| segment(1, b"x")));
    let many = (2..400).map(syn);
    let capture = pcap(packets.chain(many).map(|p| (1_700_000_000, p)));
    let folder = bundle(&[
        ("a.log", calls.as_bytes()),
        ("a.pcap", &capture),
        ("a.pem", pem_named(b"a.example.com").as_bytes()),
    ]);
    let commands = [
        "analyze --format json",
        "analyze --format ndjson",
        "analyze --format table -v",
        "analyze --format html",
        "analyze --format markdown",
        "analyze --format csv",
        "logs --format table",
        "logs --format ndjson",
        "logs --format json",
        "logs --format csv",
        "flows --format table",
        "flows --format ndjson",
        "flows --format csv",
        "timeline --flow 0 --format json",
        "timeline --flow 0 --format table",
        "certs --format json",
        "extract --flow 0",
    ];
    (folder, commands.map(|c| c.split(' ').collect()).to_vec())
}

#[test]
fn a_full_disk_is_said_by_every_command() {
    if !Path::new("/dev/full").exists() {
        eprintln!("there is no /dev/full: nothing is tried");
        return;
    }
    let (folder, commands) = commands();
    for command in &commands {
        let run =
            program(&[&command[..], &["--year", "2026", "-o", "/dev/full"]].concat(), folder.path()).output();
        let run = run.expect("a run");
        let said = said(&run);
        assert_eq!(run.status.code(), Some(1), "{command:?}: {said}");
        assert!(said.contains("/dev/full") && said.contains("space"), "{command:?}: {said}");
    }
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
    let run =
        program(&["analyze"], folder.path()).stdout(full).stderr(Stdio::piped()).output().expect("a run");
    assert!(run.status.code() == Some(1) && said(&run).contains("space"));
}

/// A file that may not grow as large as the output: nothing of it stays, and what was there before does.
#[test]
fn an_output_that_does_not_fit_leaves_the_old_one() {
    let (folder, _) = commands();
    for old in [None, Some("old")] {
        let outputs = TempDir::new().expect("a temporary folder");
        let out = outputs.path().join("out.json");
        old.inspect(|old| fs::write(&out, old).expect("writable"));
        // 8 blocks of 512 or 1,024 bytes; the signal is ignored, so that the write fails as on a full disk.
        let script = "trap '' XFSZ; ulimit -f 8; exec \"$@\"";
        let mut shell = Command::new("sh");
        shell.args(["-c", script, "sh", env!("CARGO_BIN_EXE_wirecause"), "logs", "--format", "ndjson", "-o"]);
        let run = shell.arg(&out).args(["--year", "2026"]).arg(folder.path().join("a.log")).output();
        let run = run.expect("a shell");
        let said = said(&run);
        assert!(run.status.code() == Some(1) && said.contains("out.json"), "{:?}: {said}", run.status);
        assert_eq!(fs::read_to_string(&out).ok().as_deref(), old);
        assert_eq!(fs::read_dir(outputs.path()).expect("readable").count(), usize::from(old.is_some()));
    }
}

/// `wirecause … | head -c 1`: more than a pipe holds is not written, and nobody complains.
#[test]
fn a_reader_that_goes_away_is_fine() {
    let (folder, commands) = commands();
    for command in commands.iter().filter(|c| c[0] != "extract" && c[0] != "certs") {
        let mut child = program(&[&command[..], &["--year", "2026", "--quiet"]].concat(), folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a run");
        let mut out = child.stdout.take().expect("stdout");
        out.read_exact(&mut [0]).expect("a first byte");
        drop(out);
        let run = child.wait_with_output().expect("an end");
        assert_eq!((run.status.code(), &*said(&run)), (Some(0), ""), "{command:?}");
    }
    // That this was more than a pipe holds.
    for command in ["analyze --format json", "logs --format ndjson", "timeline --flow 0 --format json"] {
        let arguments: Vec<_> = command.split(' ').chain(["--year", "2026"]).collect();
        let (_, out) = sample::run(&arguments, &[folder.path().to_owned()]);
        assert!(out.len() > 1 << 16, "{command}: {} bytes", out.len());
    }
}

/// A folder with two bundles, of which the second has the larger report, and what `batch` is told to write its reports to
/// a folder beside it.
fn batch(more: &[&str]) -> (TempDir, PathBuf, Command) {
    let folder = TempDir::new().expect("a temporary folder");
    let (bundles, out) = (folder.path().join("bundles"), folder.path().join("out"));
    for (name, calls) in [("one", 1), ("two", 150)] {
        let log: String = (0..calls).map(|n| line_with(&format!("{n:x}"))).collect();
        fs::create_dir_all(bundles.join(name)).expect("a folder");
        fs::write(bundles.join(name).join("a.log"), log).expect("a log");
    }
    let mut command = program(&[&["batch", "--year", "2026"], more].concat(), &bundles);
    command.arg("-o").arg(&out).stdout(Stdio::piped()).stderr(Stdio::piped());
    (folder, out, command)
}

/// Bundles that the index of a batch has as done.
fn indexed(out: &Path) -> Vec<String> {
    let index = fs::read_to_string(out.join("index.ndjson")).unwrap_or_default();
    let entries = index.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    entries.map(|entry| format!("{} {}", entry["bundle"], entry["status"]).replace('"', "")).collect()
}

/// A batch writes an index, a report for each bundle, a map and a summary: whichever does not fit is named, and what is
/// done stays done.
#[test]
fn a_full_disk_is_said_by_batch() {
    if !Path::new("/dev/full").exists() {
        eprintln!("there is no /dev/full: nothing is tried");
        return;
    }
    let full = || fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
    let cases: [(&str, &[&str], &[&str]); 4] = [
        ("index.ndjson", &[], &[]),
        ("two.json", &[], &["one ok"]),
        ("standard output", &[], &["one ok", "two ok"]),
        ("/dev/full", &["--redact", "--redact-map", "/dev/full"], &[]),
    ];
    for (fails, options, done) in cases {
        let (_folder, out, mut command) = batch(options);
        fs::create_dir(&out).expect("a folder");
        if fails.ends_with("json") {
            std::os::unix::fs::symlink("/dev/full", out.join(fails)).expect("a link");
        } else if fails == "standard output" {
            command.stdout(full());
        }
        let run = command.output().expect("a run");
        let said = said(&run);
        assert!(run.status.code() == Some(1) && run.stdout.is_empty(), "{fails}: {said}");
        assert!(said.contains(fails) && said.contains("space"), "{fails}: {said}");
        if fails == "index.ndjson" {
            assert!(fs::read_dir(&out).expect("readable").count() == 1, "nothing is analysed in vain");
        } else {
            assert_eq!(indexed(&out), done, "{fails}: {said}");
        }
    }
}

/// A report that does not fit leaves no part of itself, and the next run makes what was not made.
#[test]
fn a_batch_goes_on_where_a_full_disk_ended_it() {
    let (folder, out, _) = batch(&[]);
    // 24 blocks of 512 or 1,024 bytes, as in `an_output_that_does_not_fit_leaves_the_old_one`.
    let script = "trap '' XFSZ; ulimit -f 24; exec \"$@\"";
    let mut shell = Command::new("sh");
    shell.args(["-c", script, "sh", env!("CARGO_BIN_EXE_wirecause"), "batch", "--year", "2026", "-o"]);
    let run = shell.arg(&out).arg(folder.path().join("bundles")).output().expect("a shell");
    let told = said(&run);
    assert!(run.status.code() == Some(1) && told.contains("two.json"), "{:?}: {told}", run.status);
    assert_eq!(indexed(&out), ["one ok"]);
    let mut left: Vec<_> =
        fs::read_dir(&out).expect("readable").map(|e| e.expect("an entry").file_name()).collect();
    left.sort();
    assert_eq!(left, ["index.ndjson", "one.json"]);
    fs::write(out.join("one.json"), "kept").expect("writable");
    let mut again = program(&["batch", "--year", "2026", "-o"], &out);
    let run = again.arg(folder.path().join("bundles")).output().expect("a run");
    assert_eq!(run.status.code(), Some(0), "{}", said(&run));
    assert_eq!(indexed(&out), ["one ok", "two ok"]);
    assert_eq!(fs::read(out.join("one.json")).expect("there"), b"kept", "it is not read again");
    serde_json::from_slice::<Value>(&fs::read(out.join("two.json")).expect("there")).expect("a report");
}

/// Reports are made whether or not anybody reads the summary.
#[test]
fn a_batch_whose_reader_goes_away_is_fine() {
    let (_folder, out, mut command) = batch(&["--quiet"]);
    let mut child = command.spawn().expect("a run");
    drop(child.stdout.take());
    let run = child.wait_with_output().expect("an end");
    assert_eq!((run.status.code(), &*said(&run)), (Some(0), ""));
    assert_eq!(indexed(&out), ["one ok", "two ok"]);
    for name in ["one.json", "two.json"] {
        serde_json::from_slice::<Value>(&fs::read(out.join(name)).expect("there")).expect("a report");
    }
}

/// The program run by somebody who may not read and write everything; none where only root is at hand.
struct Plain {
    /// Whoever runs it can reach it here.
    program: PathBuf,
    user: Vec<&'static str>,
    _folder: TempDir,
}

impl Plain {
    fn new() -> Option<Self> {
        let folder = open_folder();
        let program = folder.path().join("wirecause");
        let original = Path::new(env!("CARGO_BIN_EXE_wirecause"));
        if fs::metadata(folder.path()).expect("the folder").uid() != 0 {
            return Some(Self { program: original.to_owned(), user: Vec::new(), _folder: folder });
        }
        let user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
        let there = Command::new(user[0]).args(&user[1..]).arg("true").output();
        if !there.is_ok_and(|run| run.status.success()) {
            eprintln!("run as root, without setpriv: what root may not read or write cannot be tried");
            return None;
        }
        fs::hard_link(original, &program)
            .or_else(|_| fs::copy(original, &program).map(drop))
            .expect("a copy");
        Some(Self { program, user: user.to_vec(), _folder: folder })
    }

    fn run(&self, arguments: &[&str], paths: &[&Path]) -> Output {
        let program = self.program.as_os_str();
        let line: Vec<_> = self.user.iter().map(|w| std::ffi::OsStr::new(*w)).chain([program]).collect();
        Command::new(line[0]).args(&line[1..]).args(arguments).args(paths).output().expect("a run")
    }
}

/// A folder that everybody may look into.
fn open_folder() -> TempDir {
    let folder = TempDir::new().expect("a temporary folder");
    mode(folder.path(), 0o755);
    folder
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
}

#[test]
fn what_cannot_be_read_is_said_and_the_rest_is_read() {
    let Some(plain) = Plain::new() else { return };
    let folder = bundle(&[("a.log", line_with("").as_bytes()), ("b.log", line_with("").as_bytes())]);
    mode(folder.path(), 0o755);
    let (locked, closed) = (folder.path().join("b.log"), folder.path().join("closed"));
    fs::create_dir(&closed).expect("a folder");
    mode(&locked, 0);
    mode(&closed, 0);
    for command in ["analyze", "logs", "flows", "certs"] {
        let run = plain.run(&[command, "--format", "json", "--year", "2026"], &[folder.path()]);
        let said = said(&run);
        assert_eq!(run.status.code(), Some(3), "{command}: {said}");
        assert!(said.contains("b.log: unreadable") && said.contains("closed"), "{command}: {said}");
        let out: Value = serde_json::from_slice(&run.stdout).expect("JSON");
        match command {
            "analyze" => {
                assert_eq!(out["summary"]["occurrences"], 1, "{out}");
                assert!(problems(&out).iter().any(|(name, _)| name == "unreadable"), "{out}");
            }
            "logs" => assert_eq!(out.as_array().map(Vec::len), Some(1), "{out}"),
            _ => {}
        }
        for input in [&locked, &closed] {
            let run = plain.run(&[command], &[input]);
            assert!(run.status.code() == Some(1) && run.stdout.is_empty(), "{command} {}", input.display());
            assert!(self::said(&run).contains(&*input.display().to_string()), "{command}");
        }
    }
    mode(&closed, 0o755);
}

#[test]
fn an_output_that_may_not_be_written_is_said() {
    let (folder, mut commands) = commands();
    commands.dedup_by_key(|command| command[0]);
    mode(folder.path(), 0o755);
    let missing = folder.path().join("no/such/out");
    for command in &commands {
        for out in [&missing, &folder.path().to_owned()] {
            let run =
                program(&[&command[..], &["-o"]].concat(), out).arg(folder.path()).output().expect("a run");
            let said = said(&run);
            assert!(
                run.status.code() == Some(1) && said.contains(&*out.display().to_string()),
                "{command:?}: {said}"
            );
        }
    }
    let Some(plain) = Plain::new() else { return };
    let closed = open_folder();
    mode(closed.path(), 0o555);
    let out = closed.path().join("out");
    for command in &commands {
        let run = plain.run(&[&command[..], &["-o"]].concat(), &[&out, folder.path()]);
        let said = said(&run);
        assert!(
            run.status.code() == Some(1) && said.contains(&*out.display().to_string()),
            "{command:?}: {said}"
        );
    }
    mode(closed.path(), 0o755);
    assert_eq!(fs::read_dir(closed.path()).expect("readable").count(), 0);
}

/// Of whatever kind a file is that vanishes before it is read: the message names it and says what to do.
#[test]
fn a_vanished_file_is_named_with_the_remedy() {
    use wirecause::bundle::{self, Limits};
    use wirecause::ingest::{self, IngestOptions};
    use wirecause::{cluster, log};
    let (log, objects, pem) = (line_with(""), pods(3), pem_named(b"a"));
    let capture = pcap((0..4).map(|n| (1_700_000_000, syn(n))));
    let keys = format!("CLIENT_TRAFFIC_SECRET_0 {} {}\n", "ab".repeat(32), "cd".repeat(32));
    let conntrack = "tcp      6 86399 ESTABLISHED src=172.28.0.2 dst=10.96.12.10 sport=40000 dport=443 \
                     src=10.244.0.1 dst=172.28.0.2 sport=8443 dport=40000 [ASSURED] mark=0 use=1\n";
    let journal = [&b"LPKSHHRH"[..], &[0; 400]].concat();
    let files: [(&str, &[u8]); 7] = [
        ("a.log", log.as_bytes()),
        ("c.pcap", &capture),
        ("pods.yaml", objects.as_bytes()),
        ("conntrack.txt", conntrack.as_bytes()),
        ("ca.pem", pem.as_bytes()),
        ("keys.txt", keys.as_bytes()),
        ("system.journal", &journal),
    ];
    let folder = bundle(&files);
    let found = bundle::discover(&[folder.path().to_owned()], &Limits::default()).expect("a bundle");
    for (name, _) in files {
        fs::remove_file(folder.path().join(name)).expect("it was there");
    }
    let logs = log::read(&found.sources, &log::EventSet::builtin(), &log::LogOptions::default());
    let (wire, map) = (ingest::run(&found.sources, &IngestOptions::default()), cluster::read(&found.sources));
    let inputs = [logs.inputs, wire.inputs, map.inputs].concat();
    for (name, _) in files {
        let source = found.sources.iter().find(|s| s.path.ends_with(name)).expect("a source").index;
        let input = inputs.iter().find(|i| i.source == source).unwrap_or_else(|| panic!("{name} was taken"));
        let problem = input.problems.iter().find(|p| p.name == "unreadable");
        let problem = problem.unwrap_or_else(|| panic!("{name}: {:?}", input.problems));
        assert!(problem.loss && problem.detail.contains(name), "{name}: {}", problem.detail);
        assert!(problem.detail.contains("run again"), "{name}: {}", problem.detail);
    }
}

/// A file that is there when it is looked for and gone, or shorter, when it is read.
#[test]
fn a_vanishing_file_costs_itself() {
    use wirecause::bundle::{self, Limits};
    use wirecause::log::{self, EventSet, LogOptions};
    let folder = bundle(&[("a.log", line_with("").as_bytes()), ("b.log", line_with("").as_bytes())]);
    let capture = pcap((0..40).map(|n| (1_700_000_000, syn(n))));
    fs::write(folder.path().join("c.pcap"), &capture).expect("a capture");
    let found = bundle::discover(&[folder.path().to_owned()], &Limits::default()).expect("a bundle");
    fs::remove_file(folder.path().join("b.log")).expect("it was there");
    fs::write(folder.path().join("c.pcap"), &capture[..100]).expect("a shorter capture");
    let logs = log::read(&found.sources, &EventSet::builtin(), &LogOptions::default());
    assert_eq!(logs.events.len(), 1);
    assert!(logs.inputs.iter().any(|i| i.problems.any_loss()), "the loss is said");
    let wire = wirecause::ingest::run(&found.sources, &wirecause::ingest::IngestOptions::default());
    assert!(wire.inputs.iter().any(|i| i.problems.any_loss()), "the cut is said");
}

/// A folder that is there when it is looked through and gone when its files are read.
#[test]
fn a_vanishing_folder_costs_its_files() {
    use wirecause::bundle::{self, Limits};
    use wirecause::log::{self, EventSet, LogOptions};
    let folder = bundle(&[("a.log", line_with("").as_bytes())]);
    let inner = folder.path().join("inner");
    fs::create_dir(&inner).expect("a folder");
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: a}\n";
    for (name, bytes) in [
        ("b.log", line_with("").as_bytes()),
        ("c.pcap", &pcap([(1, syn(1))].into_iter())),
        ("d.yaml", pod.as_bytes()),
    ] {
        fs::write(inner.join(name), bytes).expect("a file");
    }
    let found = bundle::discover(&[folder.path().to_owned()], &Limits::default()).expect("a bundle");
    fs::remove_dir_all(&inner).expect("it was there");
    let logs = log::read(&found.sources, &EventSet::builtin(), &LogOptions::default());
    let wire = wirecause::ingest::run(&found.sources, &wirecause::ingest::IngestOptions::default());
    let cluster = wirecause::cluster::read(&found.sources);
    assert_eq!(logs.events.len(), 1, "the log beside it is read");
    for (inputs, what) in [(&logs.inputs, "log"), (&wire.inputs, "capture"), (&cluster.inputs, "objects")] {
        assert_eq!(
            inputs.iter().filter(|i| i.status() == "unreadable").count(),
            1,
            "the loss of the {what} is said"
        );
    }
    let gone = program(&["analyze"], &inner).output().expect("a run");
    assert!(gone.status.code() == Some(1) && said(&gone).contains("inner"));
}

/// Files that tcpdump and a daemon still write: what stood there when they were looked for is read, and the rest does no
/// harm.
#[test]
fn growing_files_are_read_as_far_as_they_go() {
    let frames = 2000;
    let capture = pcap((0..frames).map(|n| (1_700_000_000, syn(n as u16))));
    let folder = bundle(&[("a.log", line_with("").repeat(200).as_bytes()), ("a.pcap", &capture)]);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let open =
                |name| fs::OpenOptions::new().append(true).open(folder.path().join(name)).expect("the file");
            let (mut log, mut pcap) = (open("a.log"), open("a.pcap"));
            let line = line_with("");
            for n in 0..3000_usize {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                // In pieces, so that a reader may find half a line and half a record.
                log.write_all(line.as_bytes().split_at(n % 80).0).expect("writable");
                log.write_all(line.as_bytes().split_at(n % 80).1).expect("writable");
                pcap.write_all(&capture[24..80]).expect("writable");
                pcap.write_all(&capture[80..24 + 16 + 40 + 56]).expect("writable");
            }
        });
        for _ in 0..4 {
            let (code, report) = analyze(&folder, &["--year", "2026"]);
            assert!(matches!(code, 0 | 3), "exit {code}");
            assert!(report["captures"][0]["frames"].as_u64() >= Some(frames), "{}", report["captures"]);
            assert!(report["logs"][0]["events"].as_u64() >= Some(200), "{}", report["logs"]);
        }
        done.store(true, Ordering::Relaxed);
    });
}

/// What has no file of its own, and records that memory is not meant to hold, stand in files without a name, while the
/// program runs and afterwards.
#[cfg(target_os = "linux")]
#[test]
fn temporary_files_have_no_name() {
    let temporary = TempDir::new().expect("a temporary folder");
    let mut run = program(&["flows", "--max-memory", "1M", "--format", "ndjson"], Path::new("-"))
        .env("TMPDIR", temporary.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a run");
    let mut input = run.stdin.take().expect("stdin");
    let packets = (0..40_000_u32).map(|n| {
        let mut packet = syn((n / 256) as u16);
        packet[15] = n as u8;
        (1_700_000_000, packet)
    });
    let capture = pcap(packets);
    input.write_all(&capture[..1 << 20]).expect("a reader");
    let spooled = || {
        let open = fs::read_dir(format!("/proc/{}/fd", run.id())).expect("its files").flatten();
        open.filter_map(|fd| fs::read_link(fd.path()).ok()).any(|file| file.starts_with(temporary.path()))
    };
    while !spooled() {
        std::thread::yield_now();
    }
    let names = || fs::read_dir(temporary.path()).expect("readable").count();
    assert_eq!(names(), 0, "while it reads");
    input.write_all(&capture[1 << 20..]).expect("a reader");
    drop(input);
    let mut out = run.stdout.take().expect("stdout");
    out.read_exact(&mut [0]).expect("a first byte");
    assert_eq!(names(), 0, "while it writes");
    std::io::copy(&mut out, &mut std::io::sink()).expect("the rest");
    assert_eq!((run.wait().expect("an end").code(), names()), (Some(0), 0), "afterwards");
}

#[test]
fn thousands_of_inputs_are_one_bundle() {
    let folder = TempDir::new().expect("a temporary folder");
    let inputs: Vec<PathBuf> = (0..3000).map(|n| folder.path().join(format!("{n}.log"))).collect();
    for input in &inputs {
        fs::write(input, line_with("")).expect("a log");
    }
    let run =
        program(&["analyze", "--format", "json", "--year", "2026"], &inputs[0]).args(&inputs[1..]).output();
    let run = run.expect("a run");
    let report: Value = serde_json::from_slice(&run.stdout).expect("a report");
    assert_eq!(run.status.code(), Some(0));
    assert_eq!(report["inputs"].as_array().map(Vec::len), Some(3000));
}

/// Paths as `find` and a shell give them, some of them ways to one file: more than a command line of this system takes.
#[test]
fn a_hundred_thousand_arguments_are_one_bundle() {
    let folder = TempDir::new().expect("a temporary folder");
    (0..10).for_each(|n| fs::create_dir(folder.path().join(n.to_string())).expect("a folder"));
    let log = |n: usize| folder.path().join(format!("{n}.log"));
    (0..1000).for_each(|n| fs::write(log(n), line_with("")).expect("a log"));
    // Each by a hundred names, none of which is long: the system looks at every part of each.
    let way = |n: usize| format!("{}/../{}/..", n / 1000 % 10, n / 10_000);
    let spelling = |n: usize| folder.path().join(way(n)).join(format!("{}.log", n % 1000));
    let inputs: Vec<PathBuf> = (0..100_000).map(spelling).collect();
    let (code, out) = sample::run(&["analyze", "--format", "json", "--year", "2026"], &inputs);
    let report: Value = serde_json::from_slice(&out).expect("a report");
    assert_eq!((code, report["inputs"].as_array().map(Vec::len)), (0, Some(1000)), "each file is read once");
}

#[test]
fn a_failed_run_leaves_the_old_output_and_nothing_else() {
    let folder = bundle(&[("out.json", b"old")]);
    let out = folder.path().join("out.json");
    let run = program(&["analyze", "--format", "json", "-o"], &out)
        .arg(folder.path().join("nothing-here"))
        .output();
    assert_eq!(run.expect("a run").status.code(), Some(1));
    assert_eq!(fs::read(&out).expect("the old output"), b"old");
    assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 1);
}
