//! Reads a bundle through all stages up to the findings.

use std::path::PathBuf;

use super::settings::Settings;
use crate::bundle::{self, Bundle, InputReport, Limits};
use crate::correlate::{self, Correlated, JoinOptions, World};
use crate::error::Error;
use crate::ingest::{self, Ingested};
use crate::log::{self, Edge, LogOptions};
use crate::rules::{self, Finding};
use crate::time::Timestamp;
use crate::{cluster, report};

use std::collections::HashSet;
/// What a bundle says and what is to be concluded from it.
pub(super) struct Analysis {
    pub(super) world: World,
    pub(super) correlated: Correlated,
    pub(super) findings: Vec<Finding>,
}

/// What to restrict an analysis to.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    pub(super) target: Option<String>,
    pub(super) edge: Option<Edge>,
}

/// Reads everything under `inputs`.
pub(super) fn world(inputs: &[PathBuf], settings: &Settings) -> Result<World, Error> {
    let bundle = bundle::discover(inputs, &Limits::default())?;
    let wire = ingest::run(&bundle.sources, &settings.ingest(&bundle)?);
    let logs = || log::read(&bundle.sources, &settings.events, &log_options(settings, &wire));
    let (logs, cluster) = rayon::join(logs, || cluster::read(&bundle.sources));
    Ok(World { bundle, wire, logs, cluster })
}

/// Reads everything under `inputs`, joins it and judges it.
pub(super) fn analyze(inputs: &[PathBuf], settings: &Settings, scope: Scope) -> Result<Analysis, Error> {
    let mut world = world(inputs, settings)?;
    let span = settings.span(&world.bundle)?;
    let join = JoinOptions { target: scope.target, edge: scope.edge, span };
    let correlated = correlate::correlate(&mut world, &join);
    let findings = rules::findings(&settings.rules, &world, &correlated);
    Ok(Analysis { world, correlated, findings })
}

impl Analysis {
    /// The report of it.
    pub(super) fn report(&self, settings: &Settings, max_occurrences: usize) -> report::document::Report {
        let options = report::build::Options { max_occurrences, rules_digest: settings.rules.digest() };
        report::build::build(&self.world, &self.correlated, &self.findings, &options)
    }
}

fn log_options(settings: &Settings, wire: &Ingested) -> LogOptions {
    let first: Option<Timestamp> = wire.captures.iter().filter_map(|c| c.first).min();
    let last = wire.captures.iter().filter_map(|c| c.last).max();
    LogOptions { zone: settings.zone.clone(), year: settings.year, capture_span: first.zip(last) }
}

/// Every report on an input, from all stages.
pub(super) fn inputs(world: &World) -> impl Iterator<Item = &InputReport> {
    [&world.wire.inputs, &world.logs.inputs, &world.cluster.inputs].into_iter().flatten()
}

/// The captures alone, for commands that need no logs.
pub(super) fn captures(inputs: &[PathBuf], settings: &Settings) -> Result<(Bundle, Ingested), Error> {
    let bundle = bundle::discover(inputs, &Limits::default())?;
    let mut wire = ingest::run(&bundle.sources, &settings.ingest(&bundle)?);
    add_untaken(&bundle, &mut wire, &[]);
    Ok((bundle, wire))
}

/// Reports what was lost in sources that no stage took (a text named `.pcap`, a file without read permission).
fn add_untaken(bundle: &Bundle, wire: &mut Ingested, others: &[&[InputReport]]) {
    let taken: HashSet<_> =
        wire.inputs.iter().chain(others.iter().copied().flatten()).map(|i| i.source).collect();
    for source in bundle.sources.iter().filter(|s| s.problems.any_loss() && !taken.contains(&s.index)) {
        wire.inputs.push(InputReport::of(source));
    }
}
