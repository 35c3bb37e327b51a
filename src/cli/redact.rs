//! `--redact` for every command that prints.

use std::io::Write as _;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::args::HowArguments;
use crate::correlate::World;
use crate::error::Error;
use crate::report::redact::Redactor;

/// The value with names and addresses replaced, if the user wants that; the key is saved where `--redact-map` says.
pub(super) fn value<T: Serialize + DeserializeOwned>(
    typed: &HowArguments,
    world: &World,
    value: T,
) -> Result<T, Error> {
    let Some(mut redactor) = redactor(typed, world) else { return Ok(value) };
    let redacted =
        redactor.value(&value).map_err(|e| Error::Output("the redacted report".to_owned(), e.to_string()))?;
    save(typed, &redactor)?;
    Ok(redacted)
}

/// What replaces, if the user wants that.
pub(super) fn redactor(typed: &HowArguments, world: &World) -> Option<Redactor> {
    typed.redact.then(|| Redactor::new(world))
}

/// Saves the key for its owner alone.
pub(super) fn save(typed: &HowArguments, redactor: &Redactor) -> Result<(), Error> {
    let Some(path) = &typed.redact_map else { return Ok(()) };
    private(path, &redactor.map()).map_err(|e| Error::Output(path.display().to_string(), e.to_string()))
}

/// A temporary file is for its owner alone (mode 0600), and so stays what it becomes.
fn private(path: &Path, text: &str) -> std::io::Result<()> {
    let directory = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(text.as_bytes())?;
    file.persist(path)?;
    Ok(())
}
