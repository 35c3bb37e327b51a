//! What can go wrong, in two kinds that never mix.
//!
//! [`Error`] makes a run impossible. [`Weird`] is everything else: malformed or surprising input with a name and a
//! place, counted and shown in the report, while the rest of the input is still read (the word is Zeek's).

use std::collections::BTreeMap;
use std::fmt;

/// What makes a run impossible.
#[derive(Debug)]
pub enum Error {
    /// An input path that cannot be read at all: the path and why.
    Input(String, String),
    /// Nothing to read was found under the inputs.
    Empty(String),
    /// The output could not be written: the path and why.
    Output(String, String),
    /// A mistake in the arguments, as a sentence.
    Usage(String),
    /// Rule files with mistakes, rendered with file, line, column and caret.
    Rules(String),
}

impl Error {
    /// The exit code that README.md promises: 1 could not run, 2 usage or rule error.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Input(..) | Self::Empty(_) | Self::Output(..) => 1,
            Self::Usage(_) | Self::Rules(_) => 2,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(path, why) => write!(f, "cannot read {path}: {why}"),
            Self::Empty(path) => write!(
                f,
                "{path}: nothing to read: no file in it; give a directory, an archive, a capture or a log"
            ),
            Self::Output(path, why) => write!(f, "cannot write {path}: {why}"),
            Self::Usage(text) | Self::Rules(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Error {}

/// Where in an input something was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The input as a whole.
    #[default]
    Whole,
    /// Byte offset from 0, after decompression.
    Offset(u64),
    /// Line from 1.
    Line(u64),
    /// Frame number from 1, as Wireshark shows it.
    Frame(u64),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => f.write_str("the whole input"),
            Self::Offset(n) => write!(f, "byte {n}"),
            Self::Line(n) => write!(f, "line {n}"),
            Self::Frame(n) => write!(f, "frame {n}"),
        }
    }
}

/// Malformed or surprising input: a snake_case name, the first place it was seen at, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weird {
    /// Stable name, for example `cut_packet_record`.
    pub name: &'static str,
    /// Where it was first seen.
    pub at: Place,
    /// How often it was seen.
    pub count: u64,
    /// One sentence with the values of the first occurrence and, where there is one, the remedy.
    pub detail: String,
    /// Whether input was lost by it (the input is then `partial` and the exit code 3).
    pub loss: bool,
}

/// Weirds by name; the first of a name keeps its place and detail, later ones are counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Weirds(BTreeMap<&'static str, Weird>);

impl Weirds {
    /// Counts one that lost no input. `detail` is rendered only for the first of its name.
    pub fn note(&mut self, name: &'static str, at: Place, detail: impl FnOnce() -> String) {
        self.add(name, at, 1, false, detail);
    }

    /// Counts one that lost input.
    pub fn loss(&mut self, name: &'static str, at: Place, detail: impl FnOnce() -> String) {
        self.add(name, at, 1, true, detail);
    }

    /// Counts `count` of a name at once.
    pub fn add(
        &mut self,
        name: &'static str,
        at: Place,
        count: u64,
        loss: bool,
        detail: impl FnOnce() -> String,
    ) {
        self.0
            .entry(name)
            .and_modify(|w| {
                w.count += count;
                w.loss |= loss;
            })
            .or_insert_with(|| Weird { name, at, count, detail: detail(), loss });
    }

    /// Takes over all of another's; where both know a name, the earlier place stays.
    pub fn merge(&mut self, other: Self) {
        for (name, weird) in other.0 {
            match self.0.get_mut(name) {
                None => drop(self.0.insert(name, weird)),
                Some(mine) => {
                    let (count, loss) = (mine.count + weird.count, mine.loss || weird.loss);
                    if weird.at < mine.at {
                        *mine = weird;
                    }
                    mine.count = count;
                    mine.loss = loss;
                }
            }
        }
    }

    /// In order of name.
    pub fn iter(&self) -> impl Iterator<Item = &Weird> {
        self.0.values()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether any of them lost input.
    pub fn any_loss(&self) -> bool {
        self.0.values().any(|w| w.loss)
    }
}
