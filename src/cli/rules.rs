//! `wirecause rules`: the rules as they are loaded, checked, tested and explained.

use std::path::Path;

use super::args::{PageFormat, ReadArguments, RulesArguments, RulesCommand};
use super::progress::Progress;
use super::redact::Mask;
use super::settings::{self, Settings};
use super::{Outcome, load, output};
use crate::error::Error;
use crate::report::words;
use crate::rules::mistakes::nearest;
use crate::rules::{Rule, RuleFile, RuleSet, tools};

/// Runs one of its commands.
pub(super) fn run(command: &RulesCommand) -> Result<Outcome, Error> {
    let text = match command {
        RulesCommand::List { word, format, from } => {
            let rules = settings::rules(&from.directories)?;
            match format {
                PageFormat::Table => tools::list(&rules, word),
                PageFormat::Markdown => {
                    tools::list_markdown(&rules, &settings::events(&from.directories)?, word)
                }
            }
        }
        RulesCommand::Show { rule, from } => tools::show(find(&settings::rules(&from.directories)?, rule)?),
        RulesCommand::Fields { word, format } => match format {
            PageFormat::Table => tools::fields_text(word),
            PageFormat::Markdown => tools::fields_markdown(),
        },
        RulesCommand::Check { from } => check(from)?,
        RulesCommand::Test { word, pcap, from } => test(word, pcap.as_deref(), from)?,
        RulesCommand::Explain { rule, read } => return explain(rule, read),
        RulesCommand::New { rule } => tools::skeleton(rule),
        RulesCommand::Export { directory } => export(directory)?,
        RulesCommand::Schema => format!("{:#}\n", tools::json_schema()),
    };
    output::write(None, |out| out.write_all(text.as_bytes()))?;
    Ok(Outcome::Done)
}

fn find<'r>(rules: &'r RuleSet, id: &str) -> Result<&'r Rule, Error> {
    rules.find(id).ok_or_else(|| {
        let near = nearest(id, rules.rules().iter().map(|r| &*r.id));
        let hint = near.map_or_else(String::new, |n| format!("; did you mean {n}?"));
        Error::Usage(format!("there is no rule {id}{hint}"))
    })
}

/// Mistakes end in an error; what is left are warnings.
fn check(from: &RulesArguments) -> Result<String, Error> {
    let rules = settings::rules(&from.directories)?;
    let events = settings::events(&from.directories)?;
    let mut lines = tools::check(&rules, &events);
    let warnings = lines.len();
    lines.push(format!("{} rules, no mistakes, {warnings} warnings\n", rules.rules().len()));
    Ok(lines.join("\n"))
}

fn test(word: &str, pcap: Option<&Path>, from: &RulesArguments) -> Result<String, Error> {
    let rules = settings::rules(&from.directories)?;
    let events = settings::events(&from.directories)?;
    let outcomes = tools::run_tests(&rules, &events, word)?;
    if let Some(dir) = pcap {
        let tests = outcomes.iter().filter_map(|o| rules.find(&o.rule).map(|r| (r, o.test.as_str())));
        tests.into_iter().try_for_each(|(rule, test)| write_pcaps(dir, rule, test))?;
    }
    let failed: Vec<String> = outcomes
        .iter()
        .filter_map(|o| o.failure.as_ref().map(|why| format!("{} / {}: {why}", o.rule, o.test)))
        .collect();
    match (outcomes.len(), failed.len()) {
        (0, _) => Err(Error::Usage(format!("no rule has `{word}` in its id and a test"))),
        (all, 0) => Ok(format!("{all} tests passed\n")),
        (all, n) => Err(Error::Rules(format!("{n} of {all} tests failed\n\n{}", failed.join("\n")))),
    }
}

fn write_pcaps(dir: &Path, rule: &Rule, test: &str) -> Result<(), Error> {
    let plain = |text: &str| text.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    for (capture, bytes) in tools::test_pcaps(rule, test).map_err(Error::Rules)? {
        let path = dir.join(format!("{}.{}.{}.pcap", plain(&rule.id), plain(test), plain(&capture)));
        make_directory(dir)?;
        output::write(Some(&path), |out| out.write_all(&bytes))?;
    }
    Ok(())
}

fn explain(rule: &str, read: &ReadArguments) -> Result<Outcome, Error> {
    let settings = Settings::of(&read.how)?;
    find(&settings.rules, rule)?;
    let analysis =
        load::analyze(&read.inputs, &settings, load::Scope::default(), &Progress::new(&read.show))?;
    let text =
        tools::explain(&settings.rules, rule, &analysis.world, &analysis.correlated).unwrap_or_default();
    let mut mask = Mask::of(&read.how, &analysis.world);
    let text = mask.prose(&text);
    output::write(None, |out| text.lines().try_for_each(|line| writeln!(out, "{}", words::printable(line))))?;
    mask.save()?;
    Ok(super::worst_input(&analysis.world.bundle, load::inputs(&analysis.world)))
}

fn export(directory: &Path) -> Result<String, Error> {
    make_directory(directory)?;
    let path = |file: &RuleFile| directory.join(file.path.rsplit('/').next().unwrap_or(&file.path));
    let files: Vec<_> = tools::export().into_iter().map(|file| (path(&file), file.text)).collect();
    let is_another = |path: &Path, text: &str| {
        path.is_file() && std::fs::read(path).map_or(true, |there| there != text.as_bytes())
    };
    if let Some((path, _)) = files.iter().find(|(path, text)| is_another(path, text)) {
        let path = path.display();
        return Err(Error::Usage(format!(
            "{path}: it is there, edited or of another version: name another directory"
        )));
    }
    let mut written = Vec::new();
    for (path, text) in &files {
        output::write(Some(path), |out| out.write_all(text.as_bytes()))?;
        written.push(path.display().to_string() + "\n");
    }
    Ok(written.concat())
}

fn make_directory(directory: &Path) -> Result<(), Error> {
    std::fs::create_dir_all(directory)
        .map_err(|e| Error::Output(directory.display().to_string(), e.to_string()))
}
