//! The rule files compiled into the program. A test holds this list against the directory.

use super::load::RuleFile;

const FILES: &[(&str, &str)] = &[];

/// All of them, in order of path.
pub(super) fn files() -> Vec<RuleFile> {
    let file = |(path, text): &(&str, &str)| RuleFile {
        path: (*path).to_owned(),
        text: (*text).to_owned(),
        builtin: true,
    };
    FILES.iter().map(file).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::RuleSet;

    #[test]
    fn the_list_is_the_directory() {
        let mut found: Vec<_> = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/rules"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".yaml"))
            .map(|name| format!("rules/{name}"))
            .collect();
        found.sort();
        assert_eq!(found, FILES.iter().map(|(path, _)| *path).collect::<Vec<_>>());
    }

    #[test]
    fn the_built_in_rules_load() {
        if let Err(error) = RuleSet::load(Vec::new()) {
            panic!("{error}");
        }
    }
}
