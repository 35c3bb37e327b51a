//! `wirecause batch`: every bundle of a directory on its own, one bad one stops nothing, a killed run resumes.
//!
//! Each bundle gets a report that appears whole or not at all, and a line in `index.ndjson` once it is done. A bundle
//! that has both, made by the same version with the same rules, and that has not changed since, is not read again. With
//! `--redact` bundles have numbers for names, and one map leads back from all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::{Deserialize, Serialize};

use super::args::BatchArguments;
use super::clash::{self, Output};
use super::load::{self, Scope};
use super::progress::Progress;
use super::redact::{self, Mask};
use super::settings::Settings;
use super::{Outcome, output};
use crate::correlate::World;
use crate::error::Error;
use crate::report::document::Report;
use crate::report::words;

mod fingerprint;
mod place;
mod summary;

/// One line of `index.ndjson`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    /// File or directory name of the bundle; its number when names are redacted.
    bundle: String,
    /// Of the names, sizes and times of change of all that is in it: another value is another bundle.
    fingerprint: String,
    /// `ok`, `partial` (some input was not wholly read) or `failed`.
    status: String,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// Its report, beside this file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    report: Option<String>,
    version: String,
    rules_digest: String,
    findings: u64,
    /// Failed calls by cause.
    causes: BTreeMap<String, u64>,
    /// Failed calls by verdict.
    verdicts: BTreeMap<String, u64>,
    /// First and last failed call of each cause.
    #[serde(default)]
    times: BTreeMap<String, Span>,
    /// Versions of each component that logs and node objects tell.
    #[serde(default)]
    versions: BTreeMap<String, BTreeSet<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first_time: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_time: Option<String>,
}

/// From the first to the last; RFC 3339 in UTC, so that they sort as text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Span {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first_time: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_time: Option<String>,
}

impl Span {
    fn widen(&mut self, first: Option<&String>, last: Option<&String>) {
        self.first_time = self.first_time.iter().chain(first).min().cloned();
        self.last_time = self.last_time.iter().chain(last).max().cloned();
    }
}

/// One bundle to analyse.
struct Bundle {
    path: PathBuf,
    /// Its name in whatever is written.
    name: String,
    fingerprint: String,
}

/// What the workers share: what is done, and where it is written down.
struct Book {
    entries: BTreeMap<String, Entry>,
    index: Appended,
    map: Option<Appended>,
}

/// A file that grows by lines.
struct Appended {
    path: PathBuf,
    file: fs::File,
}

impl Appended {
    fn new(path: &Path, file: std::io::Result<fs::File>) -> Result<Self, Error> {
        let file = file.map_err(|error| output::unwritten(path, &error))?;
        Ok(Self { path: path.to_owned(), file })
    }

    fn line(&mut self, line: &str) -> Result<(), Error> {
        writeln!(self.file, "{line}").map_err(|error| output::unwritten(&self.path, &error))
    }
}

pub(super) fn run(typed: &BatchArguments, settings: &Settings) -> Result<Outcome, Error> {
    let bundles = bundles(typed, settings.limits.members)?;
    fs::create_dir_all(&typed.output).map_err(|error| output::unwritten(&typed.output, &error))?;
    let index = typed.output.join(place::INDEX);
    refuse(typed, &bundles, &index)?;
    let entries = known(&index, &typed.output, &bundles, settings);
    let file = fs::OpenOptions::new().create(true).append(true).open(&index);
    let mut file = Appended::new(&index, file)?;
    // A run that was killed may have left half a line.
    file.line("")?;
    let map = typed.how.redact_map.as_deref();
    let map = map.map(|path| Appended::new(path, redact::batch_map(path))).transpose()?;
    let book = Mutex::new(Book { entries, index: file, map });
    let next = AtomicUsize::new(0);
    let work = || -> Result<(), Error> {
        while let Some(bundle) = bundles.get(next.fetch_add(1, Ordering::Relaxed)) {
            if book.lock().is_ok_and(|b| b.entries.contains_key(&bundle.name)) {
                continue;
            }
            let (entry, map) = one(bundle, typed, settings)?;
            super::say(&typed.show, &format!("{}: {}", bundle.name, told(&entry)));
            let mut book = book.lock().map_err(|e| Error::Output(bundle.name.clone(), e.to_string()))?;
            book.enter(entry, &map)?;
        }
        Ok(())
    };
    let jobs = typed.jobs.clamp(1, rayon::current_num_threads());
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|w| w.join().unwrap_or(Ok(())))
    })?;
    let book = book.into_inner().map_err(|e| Error::Output("index.ndjson".to_owned(), e.to_string()))?;
    finish(&book.entries, &index)
}

/// Refuses what would overwrite a file of a bundle, or another output.
fn refuse(typed: &BatchArguments, bundles: &[Bundle], index: &Path) -> Result<(), Error> {
    let reports = bundles.iter().map(|b| report_of(&typed.output, &b.name));
    let reports = reports.chain([index.to_owned()]).map(|path| Output { option: "-o", path });
    // Standard output, on which the summary is printed, and the map.
    let outputs: Vec<_> = Output::of(None, &typed.how).into_iter().chain(reports).collect();
    let inputs: Vec<_> = bundles.iter().map(|b| &b.path).collect();
    clash::refuse(&inputs, &typed.how, &outputs)
}

impl Book {
    /// Writes down one bundle; each line of its map begins with its name.
    fn enter(&mut self, entry: Entry, map: &str) -> Result<(), Error> {
        if let Some(file) = &mut self.map {
            map.lines().try_for_each(|line| file.line(&format!("{}\t{line}", entry.bundle)))?;
        }
        self.index.line(&serde_json::to_string(&entry).unwrap_or_default())?;
        self.entries.insert(entry.bundle.clone(), entry);
        Ok(())
    }
}

/// Writes the index anew, in order of name, and prints the summary.
fn finish(entries: &BTreeMap<String, Entry>, index: &Path) -> Result<Outcome, Error> {
    output::write(Some(index), |out| entries.values().try_for_each(|entry| output::json_line(out, entry)))?;
    output::write(None, |out| summary::write(out, entries))?;
    let all_whole = entries.values().all(|e| e.status == "ok");
    Ok(if all_whole { Outcome::Done } else { Outcome::Partial })
}

/// Everything directly under the directory, by name, without the output itself.
fn bundles(typed: &BatchArguments, most: u64) -> Result<Vec<Bundle>, Error> {
    let (directory, output) = (&typed.directory, &typed.output);
    let failed = |e: std::io::Error| {
        Error::Input(directory.display().to_string(), format!("{e}; name a directory of bundles"))
    };
    place::check(typed)?;
    let own = fs::canonicalize(output).ok();
    let listed = fs::read_dir(directory).map_err(failed)?;
    let mut paths =
        listed.map(|entry| Ok(entry.map_err(failed)?.path())).collect::<Result<Vec<_>, Error>>()?;
    paths.retain(|path| own.is_none() || fs::canonicalize(path).ok() != own);
    let all = paths.len();
    paths.retain(|path| !name_of(path).starts_with('.'));
    if paths.len() < all {
        let hidden = words::counted((all - paths.len()) as u64, "hidden name");
        super::say(&typed.show, &format!("{hidden} (beginning with a dot) left out"));
    }
    let (reports, mut paths): (Vec<_>, Vec<_>) =
        paths.into_iter().partition(|path| place::holds_reports(path));
    for path in reports {
        let name = if typed.how.redact { "a folder".to_owned() } else { path.display().to_string() };
        super::say(&typed.show, &format!("{name}: reports of an earlier batch, left out"));
    }
    paths.sort();
    let bundle = |(n, path): (usize, PathBuf)| {
        let name = if typed.how.redact { format!("bundle_{}", n + 1) } else { unique_name(&path) };
        Bundle { fingerprint: fingerprint::of(&path, most), name, path }
    };
    let bundles: Vec<_> = paths.into_iter().enumerate().map(bundle).collect();
    if bundles.is_empty() { Err(Error::Empty(directory.display().to_string())) } else { Ok(bundles) }
}

/// The name, which those of reports are made of: one that is not UTF-8, or that leaves no room for an extension, is told
/// apart from others like it by a digest.
fn unique_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    match name.to_str() {
        Some(name) if name.len() <= LONGEST_NAME => name.to_owned(),
        _ => {
            let shown = name.to_string_lossy();
            // A character has four bytes at most.
            let beginning: String = shown.chars().take(LONGEST_NAME / 4).collect();
            format!("{beginning}~{}", fingerprint::digest(name.as_encoded_bytes()))
        }
    }
}

/// Bytes of a bundle's name in that of its report: file systems take 255 with all that is added.
const LONGEST_NAME: usize = 200;

fn report_of(output: &Path, bundle: &str) -> PathBuf {
    output.join(format!("{bundle}.json"))
}

fn name_of(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned())
}

/// Entries of an earlier run that still hold: same bundle, same version, same rules, report there.
fn known(index: &Path, output: &Path, bundles: &[Bundle], settings: &Settings) -> BTreeMap<String, Entry> {
    // A device may never end.
    let is_file = fs::metadata(index).is_ok_and(|about| about.is_file());
    let text = if is_file { fs::read_to_string(index).unwrap_or_default() } else { String::new() };
    let digest = settings.digest();
    let entries = text.lines().filter_map(|line| serde_json::from_str::<Entry>(line).ok());
    let holds = |e: &Entry| {
        bundles.iter().any(|b| b.name == e.bundle && b.fingerprint == e.fingerprint)
            && e.version == env!("CARGO_PKG_VERSION")
            && e.rules_digest == digest
            && e.report.as_ref().is_some_and(|r| output.join(r).is_file())
    };
    entries.filter(holds).map(|e| (e.bundle.clone(), e)).collect()
}

/// The report of a bundle, whether parts of it could not be read, and what masks its names.
fn analysed(
    bundle: &Bundle,
    typed: &BatchArguments,
    settings: &Settings,
) -> Result<(Report, bool, Mask), Error> {
    if fs::symlink_metadata(&bundle.path).is_ok_and(|m| !m.is_dir() && !m.is_file()) {
        let why = "a link, pipe, socket or device is no bundle; put the files themselves there".to_owned();
        return Err(Error::Input(bundle.path.display().to_string(), why));
    }
    let inputs = [bundle.path.clone()];
    let analysis = load::analyze(&inputs, settings, Scope::default(), &Progress::none())?;
    let worst = super::worst_input(&analysis.world.bundle, load::inputs(&analysis.world));
    let report = analysis.report(settings, typed.max_occurrences);
    let mut mask = masked(bundle, Mask::of(&typed.how, &analysis.world));
    Ok((mask.value(report)?, worst == Outcome::Partial, mask))
}

/// Analyses one bundle, and gives the map of what was redacted; only an output that cannot be written is an error of
/// the batch.
fn one(bundle: &Bundle, typed: &BatchArguments, settings: &Settings) -> Result<(Entry, String), Error> {
    // A bundle may yet find a mistake of ours: it costs its own report, not those of the others.
    let analysed = panic::catch_unwind(AssertUnwindSafe(|| analysed(bundle, typed, settings)));
    let blank = blank(bundle, settings);
    let (report, partial, mask) = match analysed {
        Ok(Ok(done)) => done,
        failed => {
            let why = match failed {
                Ok(Err(error)) => error.to_string().replace(&bundle.path.display().to_string(), &bundle.name),
                _ => "a mistake in wirecause itself stopped it".to_owned(),
            };
            let mut mask = masked(bundle, Mask::of(&typed.how, &World::default()));
            return Ok((Entry { error: Some(mask.prose(&why)), ..blank }, mask.map()));
        }
    };
    let path = report_of(&typed.output, &bundle.name);
    output::write(Some(&path), |out| output::json_line(out, &report))?;
    let status = if partial { "partial" } else { "ok" };
    Ok((
        filled(Entry { report: Some(name_of(&path)), status: status.to_owned(), ..blank }, &report),
        mask.map(),
    ))
}

/// The entry of a bundle of which nothing is known yet.
fn blank(bundle: &Bundle, settings: &Settings) -> Entry {
    Entry {
        bundle: bundle.name.clone(),
        fingerprint: bundle.fingerprint.clone(),
        status: "failed".to_owned(),
        error: None,
        report: None,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        rules_digest: settings.digest(),
        findings: 0,
        causes: BTreeMap::new(),
        times: BTreeMap::new(),
        versions: BTreeMap::new(),
        verdicts: BTreeMap::new(),
        first_time: None,
        last_time: None,
    }
}

/// The name of the bundle is a name, too: that of a customer, often.
fn masked(bundle: &Bundle, mut mask: Mask) -> Mask {
    if let Some(redactor) = &mut mask.redactor {
        let name = name_of(&bundle.path);
        let stem = name.split('.').next().unwrap_or_default();
        redactor.add(stem, &bundle.name);
        redactor.add(&name, &bundle.name);
    }
    mask
}

fn filled(mut entry: Entry, report: &Report) -> Entry {
    entry.findings = report.summary.findings;
    entry.verdicts.clone_from(&report.summary.by_verdict);
    for finding in &report.findings {
        *entry.causes.entry(finding.cause.clone()).or_default() += finding.count;
        let times = entry.times.entry(finding.cause.clone()).or_default();
        times.widen(finding.first_time.as_ref(), finding.last_time.as_ref());
    }
    for version in &report.versions {
        let known = entry.versions.entry(version.component.clone()).or_default();
        known.insert(version.version.clone());
    }
    entry.first_time = report.findings.iter().filter_map(|f| f.first_time.clone()).min();
    entry.last_time = report.findings.iter().filter_map(|f| f.last_time.clone()).max();
    entry
}

fn told(entry: &Entry) -> String {
    match &entry.error {
        Some(error) => format!("failed: {error}"),
        None => format!("{}, {}", entry.status, words::counted(entry.findings, "finding")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(dir: &Path, out: &Path) -> u8 {
        let args = ["wirecause", "batch", "--quiet"].map(std::ffi::OsString::from);
        let paths = [dir.into(), "-o".into(), out.into()];
        crate::cli::run(args.into_iter().chain(paths))
    }

    #[test]
    fn a_bad_bundle_stops_nothing_and_a_second_run_reads_nothing_again() {
        let dir = tempfile::tempdir().expect("a directory");
        let bundles = dir.path().join("bundles");
        fs::create_dir_all(bundles.join("good")).expect("writable");
        fs::create_dir_all(bundles.join("empty")).expect("writable");
        fs::write(bundles.join("good/a.log"), "nothing of interest\n").expect("writable");
        let out = dir.path().join("out");
        assert_eq!(batch(&bundles, &out), 3, "one bundle has no file");
        let index = fs::read_to_string(out.join("index.ndjson")).expect("there");
        let entries: Vec<Entry> = index.lines().map(|l| serde_json::from_str(l).expect(l)).collect();
        let told: Vec<_> = entries.iter().map(|e| (e.bundle.as_str(), e.status.as_str())).collect();
        assert_eq!(told, [("empty", "failed"), ("good", "ok")]);
        let report = out.join("good.json");
        serde_json::from_slice::<Report>(&fs::read(&report).expect("there")).expect("a report");
        let kept = b"kept from the first run";
        fs::write(&report, kept).expect("writable");
        fs::write(out.join("index.ndjson"), format!("{index}{{\"bundle\":\"half")).expect("writable");
        assert_eq!(batch(&bundles, &out), 3);
        assert_eq!(fs::read(&report).expect("there"), kept, "the bundle was read again");
        assert_eq!(fs::read_to_string(out.join("index.ndjson")).expect("there"), index);
    }

    #[test]
    fn what_is_no_bundle_is_said_and_every_bundle_has_its_own_report() {
        use std::os::unix::ffi::OsStrExt as _;
        let dir = tempfile::tempdir().expect("a directory");
        let bundles = dir.path().join("bundles");
        let long = "x".repeat(255);
        fs::create_dir_all(&bundles).expect("writable");
        for name in [&b"\xfe"[..], b"\xff", b"a.log", long.as_bytes()] {
            let line = "nothing of interest\n";
            fs::write(bundles.join(std::ffi::OsStr::from_bytes(name)), line).expect("writable");
        }
        std::os::unix::fs::symlink(dir.path(), bundles.join("link")).expect("a link");
        let _socket = std::os::unix::net::UnixListener::bind(bundles.join("socket")).expect("a socket");
        let out = dir.path().join("out");
        assert_eq!(batch(&bundles, &out), 3, "two are no bundles");
        let index = fs::read_to_string(out.join("index.ndjson")).expect("there");
        let entries: Vec<Entry> = index.lines().map(|l| serde_json::from_str(l).expect(l)).collect();
        let failed: Vec<_> = entries.iter().filter(|e| e.status == "failed").map(|e| &*e.bundle).collect();
        assert_eq!((entries.len(), failed), (6, vec!["link", "socket"]), "{index}");
        assert!(entries.iter().all(|e| e.error.as_ref().is_none_or(|why| why.contains("put the files"))));
        let reports: BTreeSet<_> = entries.iter().filter_map(|e| e.report.clone()).collect();
        assert!(reports.len() == 4 && reports.iter().all(|r| out.join(r).is_file()), "{reports:?}");
    }
}
