//! [`Shape`]: the visible tree, a pure function of where each node was put, kept up to date change by change.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use crate::hlc::Hlc;
use crate::id::Dot;

use super::order::OrderKey;
use super::{NodeId, Parent, Place};

/// When and by which event a node was put somewhere, and where.
pub(super) type Written = ((Hlc, Dot), Place);

/// Where a node was put: by which event, when, and where it was before.
#[derive(Clone, Debug)]
struct Put {
    stamp: (Hlc, Dot),
    place: Place,
    /// How often a cycle made it give way: 0 it stands where it was put, 1 where it was before, 2 at the root.
    yielded: u8,
}

impl Put {
    fn standing(&self) -> (Parent, OrderKey) {
        match self.yielded {
            0 => (self.place.parent, self.place.order.clone()),
            1 => match &self.place.before {
                Some((parent, order)) => (*parent, order.clone()),
                None => (Parent::Root, self.place.order.clone()),
            },
            _ => (Parent::Root, self.place.order.clone()),
        }
    }
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
    nodes: BTreeMap<NodeId, Put>,
    children: BTreeMap<Parent, BTreeSet<(OrderKey, NodeId)>>,
    yielded: BTreeSet<NodeId>,
}

impl Shape {
    /// Takes in where some nodes are put now; `None` for those that are gone. `O(nodes · (depth + log n))`.
    pub(super) fn update(&mut self, changed: Vec<(NodeId, Option<Written>)>) {
        let mut look: Vec<NodeId> = core::mem::take(&mut self.yielded).into_iter().collect();
        for node in &look {
            self.stand(*node, 0);
        }
        for (node, put) in changed {
            self.take_out(node);
            if let Some((stamp, place)) = put {
                self.nodes.insert(node, Put { stamp, place, yielded: 0 });
                self.put_in(node);
                look.push(node);
            }
        }
        let mut safe = BTreeSet::new();
        while let Some(node) = look.pop() {
            // What has nothing below it is on no cycle.
            if self.child_count(Parent::Node(node)) > 0
                && let Some(last) = self.last_on_cycle(node, &mut safe)
            {
                let yielded = self.nodes.get(&last).map_or(0, |put| put.yielded);
                self.stand(last, yielded + 1);
                self.yielded.insert(last);
                look.extend([node, last]);
            }
        }
    }

    /// The children of a place, in order.
    pub(super) fn children(&self, parent: Parent) -> impl DoubleEndedIterator<Item = (&OrderKey, NodeId)> {
        self.children.get(&parent).into_iter().flatten().map(|(order, node)| (order, *node))
    }

    pub(super) fn child_count(&self, parent: Parent) -> usize {
        self.children.get(&parent).map_or(0, BTreeSet::len)
    }

    /// Where a node stands; `None` when there is no such node.
    pub(super) fn standing(&self, node: NodeId) -> Option<(Parent, OrderKey)> {
        self.nodes.get(&node).map(Put::standing)
    }

    pub(super) fn parent(&self, node: NodeId) -> Option<Parent> {
        let put = self.nodes.get(&node)?;
        Some(match (put.yielded, &put.place.before) {
            (0, _) => put.place.parent,
            (1, Some((parent, _))) => *parent,
            _ => Parent::Root,
        })
    }

    /// Of the nodes on the cycle that a node stands on or below, the one put there last; `None` when there is no
    /// cycle above it. Nodes from which the way up ends are `safe`, so each is walked over once.
    fn last_on_cycle(&self, node: NodeId, safe: &mut BTreeSet<NodeId>) -> Option<NodeId> {
        let (mut way, mut on_way, mut at) = (Vec::new(), BTreeSet::new(), node);
        while !safe.contains(&at) {
            if !on_way.insert(at) {
                let cycle = way.iter().skip_while(|node| **node != at);
                return cycle.max_by_key(|node| self.stamp(**node)).copied();
            }
            way.push(at);
            match self.parent(at) {
                Some(Parent::Node(parent)) => at = parent,
                _ => break,
            }
        }
        safe.append(&mut on_way);
        None
    }

    fn stamp(&self, node: NodeId) -> Option<(Hlc, Dot)> {
        self.nodes.get(&node).map(|put| put.stamp)
    }

    /// Makes a node stand where it does after it has given way that often.
    fn stand(&mut self, node: NodeId, yielded: u8) {
        self.leave(node);
        if let Some(put) = self.nodes.get_mut(&node) {
            put.yielded = yielded;
        }
        self.put_in(node);
    }

    fn put_in(&mut self, node: NodeId) {
        if let Some((parent, order)) = self.standing(node) {
            self.children.entry(parent).or_default().insert((order, node));
        }
    }

    fn leave(&mut self, node: NodeId) {
        let Some((parent, order)) = self.standing(node) else { return };
        if let Some(siblings) = self.children.get_mut(&parent) {
            siblings.remove(&(order, node));
            if siblings.is_empty() {
                self.children.remove(&parent);
            }
        }
    }

    fn take_out(&mut self, node: NodeId) {
        self.leave(node);
        self.nodes.remove(&node);
    }
}
