//! By what a batch knows that a bundle is still the one it read.
//!
//! Takes the path of a bundle; gives a short digest of the names, sizes and times of change of it and of everything in
//! it. Opens no file and follows no link.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::Digest as _;

/// Twelve hex digits; of more than `most` files and directories the first ones count, which are as many as are read.
pub(super) fn of(path: &Path, most: u64) -> String {
    let mut digest = sha2::Sha256::new();
    let mut open = vec![path.to_owned()];
    let mut left = most;
    while let Some(next) = open.pop() {
        let about = fs::symlink_metadata(&next).ok();
        let changed =
            about.as_ref().and_then(|m| m.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok());
        let name = if next == path { next.file_name().unwrap_or_default() } else { within(&next, path) };
        digest.update(name.as_encoded_bytes());
        digest.update(format!("\0{}\0{changed:?}\0", about.as_ref().map_or(0, fs::Metadata::len)));
        if about.is_some_and(|m| m.is_dir()) {
            let mut entries = entries(&next, left);
            left = left.saturating_sub(entries.len() as u64);
            entries.sort_unstable_by(|a, b| b.cmp(a));
            open.append(&mut entries);
        }
    }
    short(&digest.finalize())
}

/// Twelve hex digits.
pub(super) fn digest(bytes: &[u8]) -> String {
    short(&sha2::Sha256::digest(bytes))
}

fn short(digest: &[u8]) -> String {
    let short = digest.iter().take(6).fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    format!("{short:012x}")
}

fn within<'p>(path: &'p Path, bundle: &Path) -> &'p std::ffi::OsStr {
    path.strip_prefix(bundle).unwrap_or(path).as_os_str()
}

/// What a directory holds; one that cannot be read holds nothing.
fn entries(directory: &Path, most: u64) -> Vec<PathBuf> {
    let listed = fs::read_dir(directory).into_iter().flatten().flatten();
    listed.take(usize::try_from(most).unwrap_or(usize::MAX)).map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_changes_in_a_bundle_makes_it_another() {
        let dir = tempfile::tempdir().expect("a directory");
        let bundle = dir.path().join("bundle");
        let deep = bundle.join("var/log");
        fs::create_dir_all(&deep).expect("writable");
        let mut seen = vec![of(&bundle, 100)];
        let mut next = |what: &str| {
            let now = of(&bundle, 100);
            assert_eq!(now, of(&bundle, 100), "{what}");
            assert!(!seen.contains(&now), "{what}");
            seen.push(now);
        };
        fs::write(deep.join("a.log"), "one\n").expect("writable");
        next("a file more");
        fs::write(deep.join("a.log"), "one\ntwo\n").expect("writable");
        next("a longer one");
        let file = fs::File::options().write(true).open(deep.join("a.log")).expect("a file");
        file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000))
            .expect("set");
        next("another time");
        fs::rename(deep.join("a.log"), deep.join("b.log")).expect("renamed");
        next("another name");
        fs::remove_file(deep.join("b.log")).expect("removed");
        next("a file fewer");
        assert_ne!(of(&bundle, 1), of(&bundle, 0), "as many count as may be read");
    }
}
