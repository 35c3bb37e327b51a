//! `--redact` for every command that prints: results, messages and mistakes.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::args::HowArguments;
use super::output::{self, Readers};
use crate::correlate::World;
use crate::error::Error;
use crate::report::redact::Redactor;

/// What hides names and addresses, if the user wants that.
#[derive(Debug, Default)]
pub(super) struct Mask {
    pub(super) redactor: Option<Redactor>,
    map: Option<PathBuf>,
}

impl Mask {
    /// Learns the names of a world, if they are to be hidden.
    pub(super) fn of(typed: &HowArguments, world: &World) -> Self {
        Self { redactor: typed.redact.then(|| Redactor::new(world)), map: typed.redact_map.clone() }
    }

    /// Something is hidden.
    pub(super) fn hides(&self) -> bool {
        self.redactor.is_some()
    }

    /// The value as it may be shown.
    pub(super) fn value<T: Serialize + DeserializeOwned>(&mut self, value: T) -> Result<T, Error> {
        let Some(redactor) = &mut self.redactor else { return Ok(value) };
        redactor.value(&value).map_err(|e| Error::Output("the redacted report".to_owned(), e.to_string()))
    }

    /// Text of the bundle as it may be shown.
    pub(super) fn text(&mut self, text: &str) -> String {
        self.redactor.as_mut().map_or_else(|| text.to_owned(), |redactor| redactor.text(text))
    }

    /// Sentences of ours with values of the bundle as they may be shown.
    pub(super) fn prose(&mut self, text: &str) -> String {
        self.redactor.as_mut().map_or_else(|| text.to_owned(), |redactor| redactor.prose(text))
    }

    /// A mistake as it may be told: it may name captures and findings.
    pub(super) fn error(&mut self, error: Error) -> Error {
        match error {
            Error::Usage(text) => Error::Usage(self.prose(&text)),
            Error::Input(path, why) => Error::Input(self.text(&path), self.prose(&why)),
            other => other,
        }
    }

    /// What was replaced by what, one a line.
    pub(super) fn map(&self) -> String {
        self.redactor.as_ref().map_or_else(String::new, Redactor::map)
    }

    /// Saves what was replaced by what for its owner alone, if the user wants that.
    pub(super) fn save(&self) -> Result<(), Error> {
        let (Some(redactor), Some(path)) = (&self.redactor, &self.map) else { return Ok(()) };
        let map = redactor.map();
        output::write_for(Readers::Owner, path, |out| out.write_all(map.as_bytes()))
    }
}

/// The map of a whole batch: lines are added bundle by bundle, for its owner alone.
///
/// # Errors
/// Why the file cannot be written.
pub(super) fn batch_map(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, OWNER_ALONE);
    let file = options.open(path)?;
    #[cfg(unix)]
    if file.metadata()?.is_file() {
        file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(OWNER_ALONE))?;
    }
    Ok(file)
}

#[cfg(unix)]
const OWNER_ALONE: u32 = 0o600;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::{Limits, discover};

    /// An input that was there when it was looked for and is gone when it is read again, too.
    #[test]
    fn what_is_wrong_with_an_input_is_told_without_its_names() {
        let folder = tempfile::tempdir().expect("a directory");
        let pod = "pods/acme-shop_cart-77_b8074a66-c90b-5be8-9f73-9b0caf08c1dc/app";
        std::fs::create_dir_all(folder.path().join(pod)).expect("writable");
        std::fs::write(folder.path().join(pod).join("0.log"), "I1121 02:00:00.000001 1 x.go:1] x\n")
            .expect("writable");
        let bundle = discover(&[folder.path().to_owned()], &Limits::default()).expect("a bundle");
        let path = bundle.sources[0].path.clone();
        assert!(path.contains("cart-77"), "{path}");
        let world = World { bundle, ..World::default() };
        let mut mask = Mask { redactor: Some(Redactor::new(&world)), map: None };
        let Error::Input(path, why) = mask.error(Error::Input(path.clone(), format!("{path} is gone")))
        else {
            panic!("another mistake");
        };
        assert!(path.contains("namespace_1_pod_1") && why.ends_with(" is gone"), "{path}, {why}");
        assert!(![path, why].iter().any(|text| text.contains("acme") || text.contains("cart")));
    }
}
