//! What was written and what was called durable, and what daemons show at the end.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// The documents that are written to.
pub(crate) const DOCS: [&str; 3] = ["a", "b", "c"];

/// An edit: which document, and its number, which is the key that it puts there.
pub(crate) type Edit = (usize, u64);

/// What one daemon shows: for each document its version, its keys, and all of it as text.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Shown {
    pub(crate) keys: Vec<BTreeSet<u64>>,
    pub(crate) bytes: Vec<Vec<u8>>,
}

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) next: u64,
    pub(crate) written: BTreeSet<Edit>,
    pub(crate) durable: BTreeSet<Edit>,
    /// The faults are over: show what you have.
    pub(crate) settling: bool,
    pub(crate) shown: BTreeMap<usize, Shown>,
    /// Whose disks fail, or will soon.
    pub(crate) failing: BTreeSet<usize>,
    /// Something that must not happen.
    pub(crate) broken: Option<String>,
    pub(crate) story: Vec<String>,
}

/// The ledger, as all hosts of one world share it.
pub(crate) type Shared = Rc<RefCell<Ledger>>;

impl Ledger {
    /// Whether all of `nodes` daemons show the same, and that is everything they must and may show.
    pub(crate) fn agree(&self, nodes: usize) -> bool {
        let Some(first) = self.shown.get(&0) else { return false };
        self.shown.len() == nodes && self.shown.values().all(|shown| shown == first)
    }

    /// What is missing from what all show, or is there and nobody wrote it.
    pub(crate) fn check(&self) -> Result<(), String> {
        let Some(shown) = self.shown.get(&0) else { return Err("nothing is shown".to_owned()) };
        let there: BTreeSet<Edit> = shown
            .keys
            .iter()
            .enumerate()
            .flat_map(|(doc, keys)| keys.iter().map(move |key| (doc, *key)))
            .collect();
        if let Some((doc, key)) = self.durable.difference(&there).next() {
            return Err(format!("edit {key} of {} was called durable and is gone", DOCS[*doc]));
        }
        if let Some((doc, key)) = there.difference(&self.written).next() {
            return Err(format!("edit {key} of {} is there, and nobody wrote it", DOCS[*doc]));
        }
        Ok(())
    }
}
