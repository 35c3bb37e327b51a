//! The incidents under `samples/`, and runs of the program on them inside the test's own process.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// The bundles of all samples, in order of name.
#[allow(dead_code, reason = "not every test file reads them")]
pub(crate) fn bundles() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
    let mut found: Vec<_> = fs::read_dir(root)
        .expect("samples/ is part of the project")
        .map(|entry| entry.expect("a readable folder").path().join("bundle"))
        .filter(|bundle| bundle.is_dir())
        .collect();
    found.sort();
    assert!(found.len() >= 8, "samples are missing: {found:?}");
    found
}

/// Runs a command with its output in a file, and gives the exit code and the output.
pub(crate) fn run(arguments: &[&str], inputs: &[PathBuf]) -> (u8, Vec<u8>) {
    let folder = TempDir::new().expect("a temporary folder");
    let out = folder.path().join("out");
    let mut line: Vec<OsString> = vec!["wirecause".into()];
    line.extend(arguments.iter().map(OsString::from));
    line.extend(["--quiet".into(), "-o".into(), out.clone().into()]);
    line.extend(inputs.iter().map(|input| input.clone().into_os_string()));
    let code = wirecause::cli::run(line);
    (code, fs::read(out).unwrap_or_default())
}

/// All files under a folder, in order of path.
#[allow(dead_code, reason = "not every test file changes bundles")]
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let (mut found, mut open) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir).expect("a readable folder") {
            let path = entry.expect("a readable entry").path();
            if path.is_dir() { open.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}
