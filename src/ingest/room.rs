//! What all captures together may keep beside their flows.
//!
//! Takes what one file holds beside its frames, which its reader bounds; leaves as much of it as there is room for in
//! all, since a bundle may have tens of thousands of files. What is left out is said of the file.

use std::collections::BTreeSet;

use crate::capture::Interface;
use crate::error::{Place, Weirds};

/// Bytes that may still be kept, and questions for neighbours.
#[derive(Debug)]
pub(super) struct Room {
    interface_texts: usize,
    journal: usize,
    pub(super) questions: usize,
    /// Bytes of what records share.
    pub(super) shared: usize,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            interface_texts: MAX_INTERFACE_TEXTS,
            journal: MAX_JOURNAL,
            questions: MAX_QUESTIONS,
            shared: MAX_SHARED,
        }
    }
}

impl Room {
    /// Adds what the interfaces of a file are called and let through, each text once.
    pub(super) fn interfaces(
        &mut self,
        described: &[Interface],
        (names, filters): (&mut BTreeSet<String>, &mut BTreeSet<String>),
        problems: &mut Weirds,
    ) {
        let mut cut = 0;
        let mut add = |kept: &mut BTreeSet<String>, text: Option<&String>| {
            let Some(text) = text.filter(|text| !kept.contains(*text)) else { return };
            if take(&mut self.interface_texts, text.len() + TEXT_COST) {
                kept.insert(text.clone());
            } else {
                cut += 1;
            }
        };
        for interface in described {
            add(names, interface.name.as_ref());
            add(filters, interface.filter.as_ref());
        }
        if cut > 0 {
            problems.add("limit_interface_texts", Place::Whole, cut, true, || {
                let most = MAX_INTERFACE_TEXTS >> 20;
                format!("names and filters of interfaces beyond {most} MiB of all captures are left out")
            });
        }
    }

    /// Leaves the first journal entries of a file.
    pub(super) fn journal(&mut self, entries: &mut Vec<Vec<u8>>, problems: &mut Weirds) {
        let fits =
            entries.iter().take_while(|entry| take(&mut self.journal, entry.len() + TEXT_COST)).count();
        let cut = entries.len() - fits;
        if cut > 0 {
            entries.truncate(fits);
            problems.add("limit_journal_entries", Place::Whole, cut as u64, true, || {
                format!("journal entries beyond {} MiB of all captures are not read", MAX_JOURNAL >> 20)
            });
        }
    }
}

/// Takes so much of what is left, if it is there.
fn take(left: &mut usize, cost: usize) -> bool {
    let rest = left.checked_sub(cost);
    *left = rest.unwrap_or(*left);
    rest.is_some()
}

/// Bytes of the names and filters of the interfaces of all captures; each takes more than its text.
const MAX_INTERFACE_TEXTS: usize = 32 << 20;
/// Bytes of the journal entries of all captures.
const MAX_JOURNAL: usize = 128 << 20;
/// Bytes that a text takes beside its own.
const TEXT_COST: usize = 64;
/// Bytes of the hellos and certificates that records of flows share; what comes later stands in the records, for which
/// there is a budget.
const MAX_SHARED: usize = 64 << 20;
/// Questions for neighbours of all captures.
pub(super) const MAX_QUESTIONS: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn said(problems: &Weirds) -> Vec<(&'static str, u64, bool)> {
        problems.iter().map(|p| (p.name, p.count, p.loss)).collect()
    }

    #[test]
    fn names_of_interfaces_of_all_captures_are_bounded_and_each_is_kept_once() {
        let mut room = Room { interface_texts: 3 * (TEXT_COST + 4), ..Room::default() };
        let mut problems = Weirds::default();
        let file = |names: &[&str]| -> Vec<Interface> {
            let of = |n: &&str| Interface { name: Some((*n).to_owned()), ..Interface::default() };
            names.iter().map(of).collect()
        };
        let (mut names, mut filters) = (BTreeSet::new(), BTreeSet::new());
        let mut read = |names: &mut BTreeSet<String>, of: &[&str]| {
            room.interfaces(&file(of), (names, &mut filters), &mut problems);
        };
        read(&mut names, &["eth1", "eth0", "eth1"].repeat(1000));
        read(&mut names, &["eth0"]);
        assert_eq!(names.iter().collect::<Vec<_>>(), ["eth0", "eth1"]);
        let mut others = BTreeSet::new();
        read(&mut others, &["eth0", "eth1", "eth2"]);
        assert_eq!((others.len(), said(&problems)), (1, vec![("limit_interface_texts", 2, true)]));
    }

    #[test]
    fn journal_entries_of_all_captures_are_bounded() {
        let mut room = Room { journal: 3 * (TEXT_COST + 10), ..Room::default() };
        let mut problems = Weirds::default();
        let mut read = |count| {
            let mut entries = vec![vec![b'a'; 10]; count];
            room.journal(&mut entries, &mut problems);
            entries.len()
        };
        assert_eq!([2, 2, 2].map(&mut read), [2, 1, 0]);
        assert_eq!(said(&problems), [("limit_journal_entries", 3, true)]);
    }
}
