//! A text that is one string, with a [`Tree`] over blocks of it, so that places in it are found without reading it.

use super::chunk::small;
use super::count::{Count, boundary};
use super::tree::Tree;

/// The longest block, in bytes.
const MAX_BLOCK: usize = small(4096, 24);

/// Where the blocks of a text are, and how much is in them.
#[derive(Clone, Debug, Default)]
pub(super) struct Blocks {
    tree: Tree,
    /// Where each block ends, in bytes, and its length in characters.
    ends: Vec<(usize, usize)>,
}

impl Blocks {
    /// Reads the text once.
    pub(super) fn of(text: &str) -> Blocks {
        let (mut blocks, mut last) = (Blocks::default(), 0);
        let mut rest = text;
        loop {
            let (block, behind) = rest.split_at(boundary(rest, MAX_BLOCK));
            let count = Count::of(block);
            blocks.tree.add(last, count);
            if !blocks.ends.is_empty() {
                last = blocks.tree.split(last, count);
            }
            blocks.ends.push((text.len() - behind.len(), count.chars()));
            rest = behind;
            if rest.is_empty() {
                return blocks;
            }
        }
    }

    pub(super) fn tree(&self) -> &Tree {
        &self.tree
    }

    /// A block of the text that these are of, and its length in characters.
    pub(super) fn block<'a>(&self, text: &'a str, number: usize) -> (&'a str, usize) {
        let from = number.checked_sub(1).map_or(0, |before| self.ends[before].0);
        let (to, chars) = self.ends[number];
        (&text[from..to], chars)
    }
}
