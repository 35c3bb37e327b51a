//! Expression text in, compiled conditions out: display-filter style, typed, three-valued.
//!
//! `parse` (text → tree with spans) → `compile` (tree → operations on fields of the declared table, or mistakes) →
//! `eval` (operations and a case → true, false or unknown, and why). Sees named fields only, never a packet.
//! Syntax follows Wireshark's display filters (wireshark-filter(4)): a comparison with a field that is known to be
//! absent is false; with a field of several values it holds if any value does, `!=` if all do.

use std::ops::Range;

use regex::RegexBuilder;

use super::fields::{CaseView, Field};
use super::mistakes::{Mistake, render};

mod compile;
mod eval;
mod parse;
mod value;

pub use eval::Clause;
pub use value::{Kind, Truth, Value};

use compile::Node;

/// A compiled condition.
#[derive(Clone, Debug)]
pub struct Expr {
    source: String,
    root: Node,
    clauses: usize,
}

impl Expr {
    /// Parses and checks `source` against the declared fields.
    ///
    /// # Errors
    /// Every mistake in it, with its bytes.
    pub fn new(source: &str) -> Result<Self, Vec<Mistake>> {
        if source.len() > MAX_BYTES {
            let text = format!("the condition is longer than {MAX_BYTES} bytes");
            return Err(vec![Mistake::new(0..source.len(), text)]);
        }
        let tree = parse::parse(source).map_err(|m| vec![m])?;
        let (root, clauses) = compile::compile(&tree)?;
        Ok(Self { source: source.to_owned(), root, clauses })
    }

    /// As [`Expr::new`], for an expression given as an argument.
    ///
    /// # Errors
    /// The mistakes as text with carets.
    pub fn from_argument(name: &str, source: &str) -> Result<Self, String> {
        Self::new(source).map_err(|mistakes| render(name, source, &mistakes))
    }

    /// Whether it holds for a case or a flow.
    pub fn truth(&self, view: &CaseView<'_>) -> Truth {
        self.root.truth(view)
    }

    /// Each comparison in the order written, with its outcome and the values seen.
    pub fn explain(&self, view: &CaseView<'_>) -> Vec<Clause> {
        eval::explain(&self.root, &self.source, view)
    }

    /// How many comparisons it makes.
    pub fn clauses(&self) -> usize {
        self.clauses
    }

    /// As written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The fields it looks at, in the order of first use.
    pub fn fields(&self) -> Vec<&'static Field> {
        let mut all = Vec::new();
        self.root.fields(&mut |field| {
            if !all.iter().any(|f: &&Field| f.name == field.name) {
                all.push(field);
            }
        });
        all
    }

    /// The patterns of its `matches` whose compiled form is unusually large: big counted repeats, mostly.
    pub fn costly_patterns(&self) -> Vec<String> {
        let mut all = Vec::new();
        self.root.patterns(&mut |pattern| {
            if RegexBuilder::new(pattern).size_limit(COSTLY_BYTES).build().is_err() {
                all.push(pattern.to_owned());
            }
        });
        all
    }
}

/// A pattern that compiles to more is called costly; one Unicode word class takes about 40 KiB.
const COSTLY_BYTES: usize = 128 << 10;

/// Bytes of an expression's text.
type At = Range<usize>;

/// Longest expression, in bytes: user rules are hostile input too.
const MAX_BYTES: usize = 16 << 10;

#[cfg(test)]
mod tests;
