//! Links within a tar archive: which lead to something that is a member, before or after them.
//!
//! Keeps hashes of names, so that an archive of long names takes no memory for it. Never follows a link.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use ::tar::EntryType;

/// Members and links of one archive.
#[derive(Default)]
pub(super) struct Links {
    /// Members, and the folders that they lie in.
    met: HashSet<u64>,
    /// Of each link itself, where it leads (and the folders on the way), and its path.
    all: Vec<(u64, Vec<u64>, Option<String>)>,
    /// Members were left out of `met`.
    full: bool,
}

impl Links {
    /// Takes in a member.
    pub(super) fn meet(&mut self, name: &str) {
        self.full |= self.met.len() >= MAX_MET;
        if !self.full {
            self.met.extend(prefixes(name.split('/')));
        }
    }

    /// Takes in a link: a symbolic one leads from its folder, a hard one from the top (POSIX.1-2017 pax, `linkpath`).
    pub(super) fn add(&mut self, kind: EntryType, name: &str, target: &[u8], path: String) {
        let target = String::from_utf8_lossy(target);
        let mut parts: Vec<&str> = match kind {
            EntryType::Symlink => name.split('/').filter(|part| !matches!(*part, "" | ".")).collect(),
            _ => vec![""],
        };
        parts.pop();
        for part in target.split('/') {
            match part {
                "" | "." => {}
                ".." => drop(parts.pop()),
                part => parts.push(part),
            }
        }
        let own = prefixes(name.split('/')).last().unwrap_or_default();
        let way = prefixes(parts.into_iter()).collect::<Vec<_>>();
        let known = way.len() <= MAX_WAY && self.all.len() < MAX_LINKS;
        let path = (self.all.len() < MAX_PATHS).then_some(path);
        if known {
            self.all.push((own, way, path));
        }
    }

    /// The path of each link to nothing, of the first of them. One that leads through another link leads somewhere.
    pub(super) fn to_nothing(&self) -> impl Iterator<Item = Option<&str>> {
        let links: HashSet<u64> = self.all.iter().map(|link| link.0).collect();
        let known = self.all.iter().filter(|_| !self.full);
        let nowhere = known.filter(move |(_, way, _)| {
            let through = way.iter().rev().skip(1).any(|folder| links.contains(folder));
            !through && way.last().is_some_and(|target| !self.met.contains(target))
        });
        nowhere.map(|(_, _, path)| path.as_deref())
    }
}

/// A hash of each folder on a path, and of the path itself.
fn prefixes<'p>(parts: impl Iterator<Item = &'p str>) -> impl Iterator<Item = u64> {
    let mut hasher = DefaultHasher::new();
    parts.filter(|part| !part.is_empty() && *part != ".").map(move |part| {
        part.hash(&mut hasher);
        hasher.finish()
    })
}

/// Members and folders of one archive that are remembered, past which no link of it is said to lead to nothing.
const MAX_MET: usize = 1 << 21;

/// Folders on the way of a link, and links, that are followed.
const MAX_WAY: usize = 64;
const MAX_LINKS: usize = 1 << 18;

/// Links whose paths are kept; of the others only their number is told.
const MAX_PATHS: usize = 64;
