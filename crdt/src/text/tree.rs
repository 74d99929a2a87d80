//! The order of chunks, as a tree of nodes with counts: finds the chunk at a position, the position of a
//! chunk, and which of two chunks comes first, each in `O(log n)`.

use std::cmp::Ordering;

use super::chunk::small;
use super::count::{Count, UNITS, Unit};

const FANOUT: usize = small(16, 4);
const NONE: u32 = u32::MAX;

/// Appends with room for an eighth more, not for twice as much: most texts are small, and there are many.
pub(super) fn push<T>(list: &mut Vec<T>, item: T) {
    if list.len() == list.capacity() {
        list.reserve_exact(1 + list.len() / 8);
    }
    list.push(item);
}

/// Up to [`FANOUT`] children, chunks or nodes, with what each counts.
#[derive(Clone, Debug)]
struct Node {
    parent: u32,
    len: usize,
    children: [u32; FANOUT],
    /// By unit, then by child.
    counts: [[usize; FANOUT]; UNITS],
}

impl Node {
    const EMPTY: Node = Node { parent: NONE, len: 0, children: [NONE; FANOUT], counts: [[0; FANOUT]; UNITS] };

    fn slot(&self, child: u32) -> usize {
        self.children.iter().position(|c| *c == child).unwrap_or(0)
    }

    fn insert(&mut self, slot: usize, child: u32, count: Count) {
        let len = self.len;
        self.children.copy_within(slot..len, slot + 1);
        self.children[slot] = child;
        for (counts, n) in self.counts.iter_mut().zip(count.0) {
            counts.copy_within(slot..len, slot + 1);
            counts[slot] = n;
        }
        self.len += 1;
    }

    fn set(&mut self, slot: usize, count: Count) {
        self.counts.iter_mut().zip(count.0).for_each(|(counts, n)| counts[slot] = n);
    }

    /// Moves the children from `at` on to a new node.
    fn split(&mut self, at: usize) -> Node {
        let mut rest = Node { len: self.len - at, ..Node::EMPTY };
        rest.children[..self.len - at].copy_from_slice(&self.children[at..self.len]);
        for (to, from) in rest.counts.iter_mut().zip(&mut self.counts) {
            to[..self.len - at].copy_from_slice(&from[at..self.len]);
            from[at..].fill(0);
        }
        self.children[at..].fill(NONE);
        self.len = at;
        rest
    }

    fn sum(&self, slots: usize) -> Count {
        Count(std::array::from_fn(|unit| self.counts[unit].iter().take(slots).sum()))
    }
}

/// A chunk's neighbours and its node.
#[derive(Clone, Copy, Debug)]
struct Leaf {
    node: u32,
    previous: u32,
    next: u32,
}

/// Chunks in order. A chunk is a number, given out from 0 on and never changed.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    leaves: Vec<Leaf>,
    nodes: Vec<Node>,
    root: u32,
    /// How many levels of nodes there are.
    height: usize,
    total: Count,
}

impl Default for Tree {
    /// One chunk, of nothing.
    fn default() -> Self {
        let mut root = Node::EMPTY;
        root.insert(0, 0, Count::default());
        let leaf = Leaf { node: 0, previous: NONE, next: NONE };
        Tree { leaves: vec![leaf], nodes: vec![root], root: 0, height: 1, total: Count::default() }
    }
}

impl Tree {
    pub(super) fn total(&self) -> &Count {
        &self.total
    }

    pub(super) fn next(&self, chunk: usize) -> Option<usize> {
        let next = self.leaves[chunk].next;
        (next != NONE).then_some(next as usize)
    }

    pub(super) fn previous(&self, chunk: usize) -> Option<usize> {
        let previous = self.leaves[chunk].previous;
        (previous != NONE).then_some(previous as usize)
    }

    /// Chunks in order, from one on.
    pub(super) fn from(&self, first: Option<usize>) -> impl Iterator<Item = usize> + '_ {
        std::iter::successors(first, |chunk| self.next(*chunk))
    }

    /// The chunk that holds the `n`-th of a unit, counting from 1, and how many of them are before it. The
    /// first chunk for 0, the last where there are fewer.
    pub(super) fn find(&self, unit: Unit, n: usize) -> (usize, usize) {
        let (mut at, mut before) = (self.root, 0);
        for _ in 0..self.height {
            let node = &self.nodes[at as usize];
            let counts = &node.counts[unit as usize];
            let mut slot = 0;
            while slot + 1 < node.len && before + counts[slot] < n {
                before += counts[slot];
                slot += 1;
            }
            at = node.children[slot];
        }
        (at as usize, before)
    }

    /// The last chunk of which something is so that is of all before that, and of none behind; the first if it is of none.
    pub(super) fn last_where(&self, mut holds: impl FnMut(usize) -> bool) -> usize {
        let mut at = self.root;
        for below in (0..self.height).rev() {
            let node = &self.nodes[at as usize];
            let (mut low, mut high) = (0, node.len);
            while low + 1 < high {
                let middle = low.midpoint(high);
                let first =
                    (0..below).fold(node.children[middle], |at, _| self.nodes[at as usize].children[0]);
                if holds(first as usize) {
                    low = middle;
                } else {
                    high = middle;
                }
            }
            at = node.children[low];
        }
        at as usize
    }

    /// What is counted before a chunk.
    pub(super) fn before(&self, chunk: usize) -> Count {
        let (mut child, mut at) = (chunk as u32, self.leaves[chunk].node);
        let mut sum = Count::default();
        while at != NONE {
            let node = &self.nodes[at as usize];
            sum = sum.plus(node.sum(node.slot(child)));
            (child, at) = (at, node.parent);
        }
        sum
    }

    /// How many characters are before a chunk.
    pub(super) fn chars_before(&self, chunk: usize) -> usize {
        let (mut child, mut at) = (chunk as u32, self.leaves[chunk].node);
        let mut sum = 0;
        while at != NONE {
            let node = &self.nodes[at as usize];
            sum += node.counts[Unit::Chars as usize].iter().take(node.slot(child)).sum::<usize>();
            (child, at) = (at, node.parent);
        }
        sum
    }

    /// Counts something that came to a chunk.
    pub(super) fn add(&mut self, chunk: usize, count: Count) {
        self.change(chunk, |n, by| n + by, count);
        self.total = self.total.plus(count);
    }

    /// Counts something that went from a chunk.
    pub(super) fn remove(&mut self, chunk: usize, count: Count) {
        self.change(chunk, |n, by| n - by, count);
        self.total = self.total.minus(count);
    }

    fn change(&mut self, chunk: usize, f: impl Fn(usize, usize) -> usize, count: Count) {
        let (mut child, mut at) = (chunk as u32, self.leaves[chunk].node);
        while at != NONE {
            let node = &mut self.nodes[at as usize];
            let slot = node.slot(child);
            for (counts, by) in node.counts.iter_mut().zip(count.0) {
                counts[slot] = f(counts[slot], by);
            }
            (child, at) = (at, node.parent);
        }
    }

    /// Cuts a chunk in two, of which the new one, `moved`, comes second. Returns its number.
    pub(super) fn split(&mut self, chunk: usize, moved: Count) -> usize {
        let new = self.leaves.len() as u32;
        let Leaf { node, next, .. } = self.leaves[chunk];
        push(&mut self.leaves, Leaf { node, previous: chunk as u32, next });
        self.leaves[chunk].next = new;
        if next != NONE {
            self.leaves[next as usize].previous = new;
        }
        // The sum of both is what the chunk had, so nothing above the place of a cut counts anew.
        let home = &mut self.nodes[node as usize];
        let slot = home.slot(chunk as u32);
        home.counts.iter_mut().zip(moved.0).for_each(|(counts, n)| counts[slot] -= n);
        self.insert(node, chunk as u32, new, moved, 0);
        new as usize
    }

    /// Puts a child behind another into a node `level` levels above the chunks.
    fn insert(&mut self, at: u32, behind: u32, child: u32, count: Count, level: usize) {
        let slot = self.nodes[at as usize].slot(behind) + 1;
        if self.nodes[at as usize].len < FANOUT {
            self.nodes[at as usize].insert(slot, child, count);
            self.adopt(at, child, level);
            return;
        }
        // Typing at the end leaves full nodes behind it, typing at the start before it.
        let half = match slot {
            1 => 1,
            FANOUT => FANOUT - 1,
            _ => FANOUT / 2,
        };
        let rest = self.nodes[at as usize].split(half);
        let new = self.nodes.len() as u32;
        let moved = rest.children;
        let len = rest.len;
        push(&mut self.nodes, rest);
        moved.iter().take(len).for_each(|child| self.adopt(new, *child, level));
        let (node, slot) = if slot > half { (new, slot - half) } else { (at, slot) };
        self.nodes[node as usize].insert(slot, child, count);
        self.adopt(node, child, level);
        let sums = [at, new].map(|n| self.nodes[n as usize].sum(FANOUT));
        self.link(at, new, sums, level);
    }

    /// Puts a node that was cut off another into the one above, or both under a new root.
    fn link(&mut self, left: u32, right: u32, sums: [Count; 2], level: usize) {
        let parent = self.nodes[left as usize].parent;
        if parent != NONE {
            let slot = self.nodes[parent as usize].slot(left);
            self.nodes[parent as usize].set(slot, sums[0]);
            self.insert(parent, left, right, sums[1], level + 1);
            return;
        }
        let mut root = Node::EMPTY;
        root.insert(0, left, sums[0]);
        root.insert(1, right, sums[1]);
        self.root = self.nodes.len() as u32;
        push(&mut self.nodes, root);
        self.height += 1;
        self.nodes[left as usize].parent = self.root;
        self.nodes[right as usize].parent = self.root;
    }

    fn adopt(&mut self, node: u32, child: u32, level: usize) {
        match level {
            0 => self.leaves[child as usize].node = node,
            _ => self.nodes[child as usize].parent = node,
        }
    }

    /// Which of two chunks comes first.
    pub(super) fn order(&self, a: usize, b: usize) -> Ordering {
        let (mut a, mut b) = (a as u32, b as u32);
        if a == b {
            return Ordering::Equal;
        }
        let (mut above_a, mut above_b) = (self.leaves[a as usize].node, self.leaves[b as usize].node);
        while above_a != above_b {
            (a, b) = (above_a, above_b);
            (above_a, above_b) = (self.nodes[a as usize].parent, self.nodes[b as usize].parent);
        }
        let node = &self.nodes[above_a as usize];
        node.slot(a).cmp(&node.slot(b))
    }
}
