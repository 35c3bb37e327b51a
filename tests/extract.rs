//! What `extract` writes, Wireshark reads: only the frames of the flow, in order, decisive ones with a comment.

use std::path::Path;
use std::process::Command;

/// Every capture under a directory.
fn captures(dir: &Path, found: &mut Vec<std::path::PathBuf>) {
    let mut entries: Vec<_> =
        std::fs::read_dir(dir).expect("readable").map(|e| e.expect("an entry").path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            captures(&path, found);
        } else if path.extension().is_some_and(|e| e == "pcap" || e == "pcapng") {
            found.push(path);
        }
    }
}

fn tshark(args: &[&str], file: &Path) -> Option<String> {
    let output = Command::new("tshark").arg("-r").arg(file).args(args).output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn tshark_reads_an_extract_as_it_reads_the_stream() {
    let mut found = Vec::new();
    captures(&Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/syn-dropped"), &mut found);
    let capture = found.first().expect("the sample has a capture");
    let dir = tempfile::tempdir().expect("a directory");
    let out = dir.path().join("extract.pcapng");
    let args = ["wirecause", "extract", "--quiet", "--flow", "0", "-o"].map(std::ffi::OsString::from);
    let paths = [out.clone().into_os_string(), capture.clone().into_os_string()];
    assert_eq!(wirecause::cli::run(args.into_iter().chain(paths)), 0);
    let fields = ["-T", "fields", "-e", "frame.time_epoch", "-e", "tcp.seq_raw", "-e", "tcp.flags"];
    let Some(extract) = tshark(&fields, &out) else {
        eprintln!("tshark is not installed: nothing to compare with");
        return;
    };
    let of_stream: Vec<_> = ["-Y", "tcp.stream == 0"].into_iter().chain(fields).collect();
    assert!(!extract.trim().is_empty());
    assert_eq!(Some(extract), tshark(&of_stream, capture));
    let comments = tshark(&["-T", "fields", "-e", "frame.comment"], &out).unwrap_or_default();
    assert!(comments.contains("of the capture: SYN"), "{comments}");
}
