//! [`Shape`]: the visible tree, a pure function of where each node was put, kept up to date change by change.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use smallvec::{SmallVec, smallvec};

use crate::dots::{DotMap, DotStore};
use crate::hlc::Hlc;
use crate::id::Dot;
use crate::register::LwwRegister;
use crate::sorted::SortedMap;

use super::order::OrderKey;
use super::{NodeId, Parent, Place};

/// For each node where it was put, and its value.
pub(super) type Nodes<V> = DotMap<NodeId, (LwwRegister<Place>, V)>;

/// When and by which event a node was put where it was put last, and where.
fn put<V: DotStore>(nodes: &Nodes<V>, node: NodeId) -> Option<((Hlc, Dot), &Place)> {
    let (dot, stamp, place) = nodes.get(&node)?.0.latest()?;
    Some(((stamp, dot), place))
}

/// The tree as it is shown.
///
/// Each node stands below the place it was put last. Where that closes a cycle, of the nodes in it the one that
/// was put there last gives way: it goes back to where it was before, and if that closes a cycle again, to the
/// root. Cycles have no node in common, and one stays until a node of its own gives way; so the order in which
/// they are looked at does not matter, and the result follows from the places alone.
///
/// It is kept up to date: when some nodes were put elsewhere, only they and those that had given way can be on
/// a new cycle, since all others stand where they stood when there was none.
#[derive(Clone, Debug, Default)]
pub(super) struct Shape {
    children: SortedMap<Parent, Siblings>,
    /// How often a cycle made a node give way: once, it stands where it was before; twice, at the root.
    yielded: BTreeMap<NodeId, u8>,
}

/// So many nodes, with the one above them, are counted before the way up is taken.
const FEW_BELOW: usize = 8;

type Siblings = SortedMap<(OrderKey, NodeId), ()>;

impl Shape {
    /// The shape that follows from where these nodes were put. `O(n log n)`.
    pub(super) fn of<V: DotStore>(nodes: &Nodes<V>) -> Shape {
        let place =
            |node: NodeId| put(nodes, node).map(|(_, place)| (place.parent, place.order.clone(), node));
        let mut all: Vec<_> = nodes.iter().filter_map(|(node, _)| place(*node)).collect();
        all.sort_unstable();
        let mut children = Vec::new();
        let mut all = all.into_iter().peekable();
        while let Some((parent, order, node)) = all.next() {
            let mut siblings = alloc::vec![((order, node), ())];
            while let Some((_, order, node)) = all.next_if(|next| next.0 == parent) {
                siblings.push(((order, node), ()));
            }
            children.push((parent, Siblings::from_sorted(siblings)));
        }
        let mut shape = Shape { children: SortedMap::from_sorted(children), yielded: BTreeMap::new() };
        let look = shape.without_end(nodes);
        shape.break_cycles(nodes, look);
        shape
    }

    /// The nodes from which the way up does not end.
    fn without_end<V: DotStore>(&self, nodes: &Nodes<V>) -> Vec<NodeId> {
        let is_top = |parent: &Parent| !matches!(parent, Parent::Node(node) if put(nodes, *node).is_some());
        let mut open: Vec<Parent> = self.children.keys().filter(|parent| is_top(parent)).copied().collect();
        let mut reached = Vec::with_capacity(nodes.len());
        while let Some(parent) = open.pop() {
            for (_, node) in self.children(parent) {
                reached.push(node);
                open.push(Parent::Node(node));
            }
        }
        if reached.len() == nodes.len() {
            return Vec::new();
        }
        reached.sort_unstable();
        let on_cycle = |node: &NodeId| reached.binary_search(node).is_err();
        nodes.iter().map(|(node, _)| *node).filter(on_cycle).collect()
    }

    /// Takes nodes out that are about to be put elsewhere, and those that had given way.
    pub(super) fn lift<V: DotStore>(&mut self, nodes: &Nodes<V>, touched: &[NodeId]) -> Vec<NodeId> {
        let mut lifted: Vec<NodeId> = touched.iter().chain(self.yielded.keys()).copied().collect();
        lifted.sort_unstable();
        lifted.dedup();
        for node in &lifted {
            self.leave(nodes, *node);
        }
        self.yielded.clear();
        lifted
    }

    /// Puts nodes in where they are put now, as far as they are there. `O(nodes · (depth + log n))`.
    pub(super) fn settle<V: DotStore>(&mut self, nodes: &Nodes<V>, lifted: Vec<NodeId>) {
        lifted.iter().for_each(|node| self.put_in(nodes, *node));
        self.break_cycles(nodes, lifted);
    }

    fn break_cycles<V: DotStore>(&mut self, nodes: &Nodes<V>, mut look: Vec<NodeId>) {
        // Nodes from which the way up ends, so that each is walked over once where many are looked at.
        let mut safe = BTreeSet::new();
        while let Some(node) = look.pop() {
            if self.has_little_below(node) {
                continue;
            }
            if let Some(last) = self.last_on_cycle(nodes, node, &safe) {
                self.leave(nodes, last);
                *self.yielded.entry(last).or_default() += 1;
                self.put_in(nodes, last);
                look.extend([node, last]);
            } else if !look.is_empty() {
                let way: Vec<NodeId> =
                    self.way_up(nodes, node).take_while(|node| !safe.contains(node)).collect();
                safe.extend(way);
            }
        }
    }

    /// Whether only few nodes stand below one, which is on no cycle then: most do not have many, and to count them costs
    /// less than to go all the way up.
    fn has_little_below(&self, node: NodeId) -> bool {
        let mut below: SmallVec<[NodeId; FEW_BELOW]> = smallvec![node];
        let mut seen = 0;
        while let Some(node) = below.get(seen) {
            let children = self.children(Parent::Node(*node));
            below.extend(children.take(FEW_BELOW + 1).map(|(_, child)| child));
            if below.len() > FEW_BELOW {
                return false;
            }
            seen += 1;
        }
        true
    }

    /// The children of a place, in order.
    pub(super) fn children(&self, parent: Parent) -> impl DoubleEndedIterator<Item = (&OrderKey, NodeId)> {
        let siblings = self.children.get(&parent).into_iter().flat_map(SortedMap::keys);
        siblings.map(|(order, node)| (order, *node))
    }

    pub(super) fn child_count(&self, parent: Parent) -> usize {
        self.children.get(&parent).map_or(0, SortedMap::len)
    }

    /// Where a node stands; `None` when there is no such node.
    pub(super) fn standing<V: DotStore>(&self, nodes: &Nodes<V>, node: NodeId) -> Option<(Parent, OrderKey)> {
        let (_, place) = put(nodes, node)?;
        Some(match (self.yielded(node), &place.before) {
            (0, _) => (place.parent, place.order.clone()),
            (1, Some(before)) => (**before).clone(),
            _ => (Parent::Root, place.order.clone()),
        })
    }

    pub(super) fn parent<V: DotStore>(&self, nodes: &Nodes<V>, node: NodeId) -> Option<Parent> {
        let (_, place) = put(nodes, node)?;
        Some(match (self.yielded(node), &place.before) {
            (0, _) => place.parent,
            (1, Some(before)) => before.0,
            _ => Parent::Root,
        })
    }

    fn yielded(&self, node: NodeId) -> u8 {
        self.yielded.get(&node).copied().unwrap_or(0)
    }

    /// A node and those above it, for ever where that is a cycle.
    fn way_up<V: DotStore>(&self, nodes: &Nodes<V>, node: NodeId) -> impl Iterator<Item = NodeId> {
        core::iter::successors(Some(node), |node| match self.parent(nodes, *node) {
            Some(Parent::Node(parent)) => Some(parent),
            _ => None,
        })
    }

    /// Of the nodes on the cycle that a node stands on or below, the one put there last; `None` when there is no
    /// cycle above it. Source: R. Brent, "An improved Monte Carlo factorization algorithm", 1980.
    fn last_on_cycle<V: DotStore>(
        &self,
        nodes: &Nodes<V>,
        node: NodeId,
        safe: &BTreeSet<NodeId>,
    ) -> Option<NodeId> {
        // On a cycle a node that is remembered comes again, if those between are ever more.
        let (mut remembered, mut power, mut steps) = (node, 1, 0);
        for at in self.way_up(nodes, node).skip(1).take_while(|at| !safe.contains(at)) {
            steps += 1;
            if at == remembered {
                let cycle = self.way_up(nodes, at).take(steps);
                return cycle.max_by_key(|node| put(nodes, *node).map(|(stamp, _)| stamp));
            }
            if steps == power {
                (remembered, power, steps) = (at, power * 2, 0);
            }
        }
        None
    }

    fn put_in<V: DotStore>(&mut self, nodes: &Nodes<V>, node: NodeId) {
        if let Some((parent, order)) = self.standing(nodes, node) {
            self.children.change(&parent, |siblings| siblings.insert((order, node), ()), |_| true);
        }
    }

    fn leave<V: DotStore>(&mut self, nodes: &Nodes<V>, node: NodeId) {
        let Some((parent, order)) = self.standing(nodes, node) else { return };
        let stay = |siblings: &Siblings| !siblings.is_empty();
        self.children.change(&parent, |siblings| siblings.remove(&(order, node)), stay);
    }
}
