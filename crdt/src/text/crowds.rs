//! Where some of many stand that were inserted at one place at once, so that the next need not pass them all.
//!
//! Without this, where a thousand people type at one place, each of their insertions passes all the others.

use std::collections::BTreeMap;

use super::chunk::{Id, small};

/// An insertion that has to pass more than this is remembered.
const MANY: usize = small(32, 1);

/// The side of its parent on which a character hangs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Side {
    Left,
    Right,
}

/// A character of the tree, or its root, and one of its sides.
pub(super) type Parent = (Side, Option<Id>);

/// Of some parents children in the order in which they stand: not all, but so many that few stand between two of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Crowds(BTreeMap<Parent, Vec<Id>>);

impl Crowds {
    /// Those who are known of these children.
    pub(super) fn known(&self, parent: Parent) -> &[Id] {
        self.0.get(&parent).map_or(&[], Vec::as_slice)
    }

    /// Remembers a child that had to pass so many characters; `at` is where it stands among those who are known.
    pub(super) fn note(&mut self, parent: Parent, at: usize, child: Id, passed: usize) {
        if passed > MANY {
            let known = self.0.entry(parent).or_default();
            known.insert(at.min(known.len()), child);
        }
    }
}
