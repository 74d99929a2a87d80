//! On which of the characters beside it a character hangs, however deep, without going up one by one.
//!
//! What stands before what follows from the tree (see `order`): of a character somewhere below two neighbours one must know
//! which of their children it hangs on. The tree is that of insertions: the characters of one hang on each other in a row, so
//! only its first has a parent to be looked up. Each insertion that was asked for knows how deep it is, its parent, and one
//! ancestor further up, as far as makes every way up `O(log depth)` steps. Source: E. Myers, "An applicative random-access
//! stack", 1983.
//!
//! Only what was asked for is known here, and all above it: a text where nothing was asked for has nothing here. Parents
//! never change, so neither does this, until operations are forgotten.

use smallvec::SmallVec;

use super::chunk::Id;
use super::core::Core;

/// An insertion; numbers are given out as they are asked for.
#[derive(Clone, Copy, Debug)]
struct Node {
    first: Id,
    /// 1 where no insertion is above that is remembered.
    depth: u32,
    /// Itself where no insertion is above.
    parent: u32,
    /// The ancestor further up.
    jump: u32,
}

/// No number yet.
const NONE: u32 = u32::MAX;

/// What is known of the ancestors of some insertions.
#[derive(Clone, Debug, Default)]
pub(super) struct Ancestors {
    nodes: Vec<Node>,
    /// By replica and place in the log.
    numbers: Vec<Vec<u32>>,
}

impl Ancestors {
    /// The first character of an insertion.
    pub(super) fn first(&self, node: u32) -> Id {
        self.nodes[node as usize].first
    }

    pub(super) fn depth(&self, node: u32) -> u32 {
        self.nodes[node as usize].depth
    }

    /// The insertion of a character; `None` for one that is forgotten.
    pub(super) fn node(&mut self, core: &Core, id: Id) -> Option<u32> {
        let (mut above, mut below) = (None, SmallVec::<[u32; 16]>::new());
        let mut next = Some(id);
        while let Some((at, first)) = next.and_then(|id| core.log.insertion(id)) {
            let new = self.nodes.len() as u32;
            let number = self.number(first.replica, at);
            if *number != NONE {
                above = Some(*number);
                break;
            }
            *number = new;
            // So that who forged a circle gets to its end.
            self.nodes.push(Node { first, depth: 1, parent: new, jump: new });
            below.push(new);
            next = core.parent(first);
            core.count_step();
        }
        while let Some(node) = below.pop() {
            above.into_iter().for_each(|above| self.hang(node, above));
            above = Some(node);
        }
        above
    }

    fn number(&mut self, replica: u32, at: usize) -> &mut u32 {
        let replica = replica as usize;
        if replica >= self.numbers.len() {
            self.numbers.resize_with(replica + 1, Vec::new);
        }
        let numbers = &mut self.numbers[replica];
        if at >= numbers.len() {
            numbers.resize(at + 1, NONE);
        }
        &mut numbers[at]
    }

    /// Puts an insertion below another. Ancestors further up are as far as the digits of a number are in which each is one
    /// less than a power of two: two ways up of one length become one, and one more.
    fn hang(&mut self, node: u32, above: u32) {
        let Node { depth, jump, .. } = self.nodes[above as usize];
        let far = self.nodes[jump as usize];
        let [length, further] =
            [depth.saturating_sub(far.depth), far.depth.saturating_sub(self.depth(far.jump))];
        let jump = if length == further { far.jump } else { above };
        let node = &mut self.nodes[node as usize];
        (node.depth, node.parent, node.jump) = (depth.saturating_add(1), above, jump);
    }

    /// The insertion so deep that another is below, or itself.
    pub(super) fn at_depth(&self, mut node: u32, depth: u32, core: &Core) -> Option<u32> {
        loop {
            core.count_step();
            let Node { depth: here, parent, jump, .. } = self.nodes[node as usize];
            if here <= depth {
                return (here == depth).then_some(node);
            }
            let next = if self.depth(jump) >= depth { jump } else { parent };
            // In a forged circle nobody is above another.
            node = Some(next).filter(|next| self.depth(*next) < here)?;
        }
    }
}
