//! Which chunk holds the character of each number, for one replica.

use smallvec::SmallVec;

use super::chunk::small;

/// A block with more entries than this is cut in two.
const MAX_BLOCK: usize = small(64, 4);

/// Stretches of numbers that one chunk holds. Those of one who wrote little are in no memory of their own.
#[derive(Clone, Debug, Default)]
struct Block {
    /// The first number of each stretch; it goes on to the next one.
    starts: SmallVec<[u64; 2]>,
    chunks: SmallVec<[u32; 4]>,
}

/// For each number of one replica's characters, the chunk that holds it. Neighbouring numbers in one chunk
/// share an entry; numbers that are no characters may be in any. `O(log n)`, in two flat levels.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    /// The first start of each block.
    firsts: SmallVec<[u64; 2]>,
    blocks: Vec<Block>,
    /// The last number that is in any chunk.
    last: u64,
}

impl Index {
    /// The last entry that starts at `seq` or before: its block and its place there.
    fn entry(&self, seq: u64) -> Option<(usize, usize)> {
        let block = self.firsts.partition_point(|first| *first <= seq).checked_sub(1)?;
        Some((block, self.blocks[block].starts.partition_point(|start| *start <= seq).checked_sub(1)?))
    }

    /// The last entry.
    fn end(&self) -> Option<(usize, usize)> {
        let block = self.blocks.len().checked_sub(1)?;
        Some((block, self.blocks[block].starts.len().checked_sub(1)?))
    }

    /// The chunk that holds a character, if any does.
    pub(super) fn get(&self, seq: u64) -> Option<usize> {
        if seq > self.last {
            return None;
        }
        let (block, i) = self.entry(seq)?;
        Some(self.blocks[block].chunks[i] as usize)
    }

    /// Says that the characters from `from` up to `last` are in a chunk.
    pub(super) fn set(&mut self, from: u64, last: u64, chunk: usize) {
        let chunk = chunk as u32;
        let entry = if from > self.last { self.end() } else { self.entry(from) };
        let after = if last < self.last { self.after(entry, last) } else { None };
        self.last = self.last.max(last);
        let mut at = match entry {
            Some((block, i)) if self.blocks[block].chunks[i] == chunk => (block, i + 1),
            Some((block, i)) if self.blocks[block].starts[i] == from => {
                let entries = &mut self.blocks[block];
                entries.chunks[i] = chunk;
                if entries.starts.get(i + 1) == Some(&(last + 1)) {
                    return; // just this entry
                }
                (block, i + 1)
            }
            Some((block, i)) => self.insert(block, i + 1, from, chunk),
            None => self.insert(0, 0, from, chunk),
        };
        let ends_here = self.remove_until(&mut at, last);
        if let Some(after) = after.filter(|after| *after != chunk && !ends_here) {
            self.insert(at.0, at.1, last + 1, after);
        }
    }

    /// The chunk of the number after `last`, found from an entry that starts before it: mostly it is that one's.
    fn after(&self, entry: Option<(usize, usize)>, last: u64) -> Option<u32> {
        if let Some((block, i)) = entry
            && let Some(next) = self.blocks[block].starts.get(i + 1)
            && *next > last + 1
        {
            return Some(self.blocks[block].chunks[i]);
        }
        self.get(last + 1).map(|chunk| chunk as u32)
    }

    /// Puts an entry in; returns the place after it.
    fn insert(&mut self, block: usize, i: usize, start: u64, chunk: u32) -> (usize, usize) {
        if block == self.blocks.len() {
            if block == 0 {
                self.blocks.reserve_exact(1); // many write one run only
            }
            self.blocks.push(Block::default());
            self.firsts.push(start);
        }
        let entries = &mut self.blocks[block];
        entries.starts.insert(i, start);
        entries.chunks.insert(i, chunk);
        if i == 0 {
            self.firsts[block] = start;
        }
        if entries.starts.len() <= MAX_BLOCK {
            return (block, i + 1);
        }
        // Numbers mostly grow: what is full stays full.
        let half = if i + 1 == entries.starts.len() { i } else { MAX_BLOCK / 2 };
        let rest = Block {
            starts: entries.starts.drain(half..).collect(),
            chunks: entries.chunks.drain(half..).collect(),
        };
        self.firsts.insert(block + 1, rest.starts[0]);
        self.blocks.insert(block + 1, rest);
        if i >= half { (block + 1, i + 1 - half) } else { (block, i + 1) }
    }

    /// Removes the entries from a place on that start at `last` or before. Whether the next starts right
    /// after it.
    fn remove_until(&mut self, at: &mut (usize, usize), last: u64) -> bool {
        loop {
            let Some(block) = self.blocks.get_mut(at.0) else { return false };
            let n = block.starts.iter().skip(at.1).take_while(|start| **start <= last).count();
            if n > 0 {
                block.starts.drain(at.1..at.1 + n);
                block.chunks.drain(at.1..at.1 + n);
            }
            if let Some(next) = block.starts.get(at.1) {
                self.firsts[at.0] = block.starts[0];
                return *next == last + 1;
            }
            if block.starts.is_empty() {
                self.blocks.remove(at.0);
                self.firsts.remove(at.0);
            } else if at.0 + 1 < self.blocks.len() && self.firsts[at.0 + 1] <= last {
                *at = (at.0 + 1, 0);
            } else {
                return self.firsts.get(at.0 + 1) == Some(&(last + 1));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn finds_what_was_set_last(sets in prop::collection::vec((1u64..2000, 0u64..60, 0usize..9), 1..400)) {
            let (mut index, mut plain) = (Index::default(), vec![None; 2100]);
            for (from, more, chunk) in sets {
                index.set(from, from + more, chunk);
                plain[from as usize..=(from + more) as usize].fill(Some(chunk));
            }
            for (seq, chunk) in plain.into_iter().enumerate().filter(|(_, chunk)| chunk.is_some()) {
                prop_assert_eq!(index.get(seq as u64), chunk);
            }
        }
    }
}
