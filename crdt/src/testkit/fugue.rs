//! [`FugueMax`]: the order of a text written down a second time, slow and as the paper has it.

use crate::Dot;

/// What one keystroke does, by names that stay.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum FugueOp {
    /// A character becomes a child of another.
    Insert {
        /// The character.
        value: char,
        /// Of which it is a child; `None` for the root.
        parent: Option<Dot>,
        /// On which side of its parent it stands.
        side: FugueSide,
        /// What stood right of it when it was typed, deleted or not; `None` for the end.
        right: Option<Dot>,
    },
    /// A character is not shown any more.
    Delete {
        /// Which.
        target: Dot,
    },
}

/// The side of its parent on which a character stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FugueSide {
    /// Before it.
    Left,
    /// Behind it.
    Right,
}

#[derive(Clone, Debug)]
struct Node {
    /// `None` for the root.
    dot: Option<Dot>,
    value: char,
    deleted: bool,
    right: Option<Dot>,
    /// By number, left and right.
    children: [Vec<usize>; 2],
}

/// A text as a tree of characters, in the order of FugueMax: what a sequence of your own, or this crate's
/// [`Text`](crate::text::Text), is held against.
///
/// It is a list of nodes that is searched from the front and walked whole for each operation, so that it is easy to see
/// that it does what the paper says: `O(n)` for each edit, and `O(n²)` when many type at one place. Source: Weidner,
/// Kleppmann, "The Art of the Fugue: Minimizing Interleaving in Collaborative Text Editing", 2023, section 4.
///
/// ```
/// use crdt::testkit::FugueMax;
/// use crdt::{Dot, ReplicaId};
/// let [a, b] = [1, 2].map(ReplicaId::from_u128);
/// let mut text = FugueMax::new();
/// text.apply(Dot::new(a, 1), &text.insert(0, 'x'));
///
/// // At once, before the same character: each types two, one of them from the end to the front.
/// let (mut at_a, mut at_b) = (text.clone(), text.clone());
/// let mut ops = Vec::new();
/// for (n, value) in "ab".chars().enumerate() {
///     let op = at_a.insert(n, value);
///     at_a.apply(Dot::new(a, 2 + n as u64), &op);
///     ops.push((Dot::new(a, 2 + n as u64), op));
/// }
/// for (n, value) in "dc".chars().enumerate() {
///     let op = at_b.insert(0, value);
///     at_b.apply(Dot::new(b, 1 + n as u64), &op);
///     ops.push((Dot::new(b, 1 + n as u64), op));
/// }
/// for (dot, op) in &ops {
///     assert!(text.apply(*dot, op));
/// }
/// assert_eq!(text.text(), "abcdx"); // no word within the other
/// ```
#[derive(Clone, Debug)]
pub struct FugueMax {
    /// The root first.
    nodes: Vec<Node>,
}

impl Default for FugueMax {
    fn default() -> Self {
        Self::new()
    }
}

impl FugueMax {
    /// No text.
    pub fn new() -> Self {
        let root = Node { dot: None, value: ' ', deleted: true, right: None, children: Default::default() };
        FugueMax { nodes: vec![root] }
    }

    /// What is shown.
    pub fn text(&self) -> String {
        let shown = self.order().into_iter().filter_map(|n| self.nodes.get(n)).filter(|node| !node.deleted);
        shown.map(|node| node.value).collect()
    }

    /// The characters in their order, and whether each is shown.
    ///
    /// ```
    /// use crdt::testkit::FugueMax;
    /// use crdt::{Dot, ReplicaId};
    /// let [h, i] = [1, 2].map(|seq| Dot::new(ReplicaId::from_u128(1), seq));
    /// let mut text = FugueMax::new();
    /// text.apply(h, &text.insert(0, 'h'));
    /// text.apply(i, &text.insert(1, 'i'));
    /// text.apply(Dot::new(h.replica, 3), &text.delete(0).unwrap());
    /// assert_eq!(text.all(), [(h, false), (i, true)]);
    /// ```
    pub fn all(&self) -> Vec<(Dot, bool)> {
        let nodes = self.order().into_iter().filter_map(|n| self.nodes.get(n));
        nodes.filter_map(|node| Some((node.dot?, !node.deleted))).collect()
    }

    /// The operation of typing a character before the shown one at `pos`; past the end, at the end.
    pub fn insert(&self, pos: usize, value: char) -> FugueOp {
        let order = self.order();
        let shown = |n: &usize| self.nodes.get(*n).is_some_and(|node| !node.deleted);
        // What it stands behind: a shown character, or the root, which stands before all.
        let left =
            pos.checked_sub(1).and_then(|last| order.iter().copied().filter(shown).take(last + 1).last());
        let left = left.unwrap_or(0);
        let right = order.iter().skip_while(|n| **n != left).nth(1).and_then(|n| self.nodes.get(*n)?.dot);
        match self.nodes.get(left) {
            Some(node) if node.children[1].is_empty() => {
                FugueOp::Insert { value, parent: node.dot, side: FugueSide::Right, right }
            }
            _ => FugueOp::Insert { value, parent: right, side: FugueSide::Left, right },
        }
    }

    /// The operation of deleting the shown character at `pos`; `None` past the end.
    pub fn delete(&self, pos: usize) -> Option<FugueOp> {
        let mut shown = self.all().into_iter().filter(|(_, shown)| *shown);
        shown.nth(pos).map(|(target, _)| FugueOp::Delete { target })
    }

    /// Does an operation, one's own or another's; `false`, and nothing is changed, if it names what is not here.
    /// `dot` names the character that is inserted.
    pub fn apply(&mut self, dot: Dot, op: &FugueOp) -> bool {
        match *op {
            FugueOp::Delete { target } => {
                self.find(Some(target)).and_then(|n| self.nodes.get_mut(n)).map(|node| node.deleted = true)
            }
            FugueOp::Insert { value, parent, side, right } => self.put(dot, value, parent, side, right),
        }
        .is_some()
    }

    fn put(
        &mut self,
        dot: Dot,
        value: char,
        parent: Option<Dot>,
        side: FugueSide,
        right: Option<Dot>,
    ) -> Option<()> {
        let (parent, new) = (self.find(parent)?, self.nodes.len());
        let order = self.order();
        let place = |dot: Option<Dot>| match dot {
            Some(_) => self.find(dot).and_then(|of| order.iter().position(|n| *n == of)),
            None => Some(usize::MAX),
        };
        place(right)?;
        // Right children stand in the reverse order of what stood right of them: that is what "Max" adds.
        let key = |dot: Option<Dot>, right: Option<Dot>| match side {
            FugueSide::Left => (None, dot),
            FugueSide::Right => (Some(std::cmp::Reverse(place(right))), dot),
        };
        let own = key(Some(dot), right);
        let siblings = self.nodes.get(parent)?.children.get(side as usize)?;
        let before = |n: &&usize| self.nodes.get(**n).is_some_and(|node| key(node.dot, node.right) < own);
        let at = siblings.iter().take_while(before).count();
        self.nodes.push(Node { dot: Some(dot), value, deleted: false, right, children: Default::default() });
        self.nodes.get_mut(parent)?.children.get_mut(side as usize)?.insert(at, new);
        Some(())
    }

    fn find(&self, dot: Option<Dot>) -> Option<usize> {
        self.nodes.iter().position(|node| node.dot == dot)
    }

    /// All nodes in the order of the text, the root first: it has no left children.
    fn order(&self) -> Vec<usize> {
        let (mut out, mut stack) = (Vec::new(), vec![(0, false)]);
        while let Some((n, left_done)) = stack.pop() {
            let Some(Node { children: [left, right], .. }) = self.nodes.get(n) else { continue };
            if left_done {
                out.push(n);
            } else {
                stack.extend(right.iter().rev().map(|child| (*child, false)));
                stack.push((n, true));
                stack.extend(left.iter().rev().map(|child| (*child, false)));
            }
        }
        out
    }
}
