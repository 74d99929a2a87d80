//! [`Shape`]: the visible tree, a pure function of where each node was put, kept up to date change by change.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use smallvec::{SmallVec, smallvec};

use crate::codec::{Decode, DecodeError, Encode, Reader, Writer};
use crate::context::{CausalContext, DotRanges};
use crate::dots::{Changes, Cx, DotMap, DotStore};
use crate::hlc::Hlc;
use crate::id::Dot;
use crate::register::LwwRegister;
use crate::sorted::SortedMap;

use super::order::OrderKey;
use super::{NodeId, Parent, Place};

/// For each node where it was put, and its value.
pub(super) type Nodes<V> = DotMap<NodeId, Node<V>>;

/// A node: where it was put, and its value.
#[derive(Clone, Debug, Default)]
pub(super) struct Node<V> {
    pub(super) place: LwwRegister<Place>,
    pub(super) value: V,
    slot: Slot,
}

/// The number of a node in its [`Shape`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Slot(u32);

impl Slot {
    /// Of no node: what stands above those at the root, in the trash, and below what is not there.
    const NONE: Slot = Slot(u32::MAX);
}

impl Default for Slot {
    fn default() -> Self {
        Slot::NONE
    }
}

impl<V: PartialEq> PartialEq for Node<V> {
    fn eq(&self, other: &Self) -> bool {
        self.place == other.place && self.value == other.value
    }
}

impl<V: DotStore> DotStore for Node<V> {
    fn is_bottom(&self) -> bool {
        self.place.is_bottom() && self.value.is_bottom()
    }

    fn for_each_dot(&self, f: &mut dyn FnMut(Dot)) {
        self.place.for_each_dot(f);
        self.value.for_each_dot(f);
    }

    fn join(&mut self, ours: &CausalContext, other: &Self, theirs: &CausalContext, changes: &mut Changes) {
        self.place.join(ours, &other.place, theirs, changes);
        self.value.join(ours, &other.value, theirs, changes);
    }

    fn part(&self, wanted: &DotRanges) -> Self {
        Node { place: self.place.part(wanted), value: self.value.part(wanted), slot: Slot::NONE }
    }

    fn end(&mut self, cx: &mut Cx) -> bool {
        self.place.end(cx) | self.value.end(cx)
    }
}

impl<V: Encode> Encode for Node<V> {
    fn encode(&self, w: &mut Writer) {
        self.place.encode(w);
        self.value.encode(w);
    }
}

impl<V: Decode> Decode for Node<V> {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (place, value) = Decode::decode(r)?;
        Ok(Node { place, value, slot: Slot::NONE })
    }
}

/// When and by which event a node was put where it was put last, and where.
fn put<V: DotStore>(nodes: &Nodes<V>, node: NodeId) -> Option<((Hlc, Dot), &Place)> {
    let (dot, stamp, place) = nodes.get(&node)?.place.latest()?;
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
///
/// Nodes have slots, by which the ways down and up are no searches.
#[derive(Clone, Debug, Default)]
pub(super) struct Shape {
    /// For each node that is there the slot of the one it stands below.
    above: Vec<Slot>,
    /// For each node that is there those right below it.
    below: Vec<Siblings>,
    /// Slots of nodes that went.
    free: Vec<Slot>,
    root: Siblings,
    trash: Siblings,
    /// Below nodes that are not there, none of them empty.
    apart: BTreeMap<NodeId, Siblings>,
    /// How often a cycle made a node give way: once, it stands where it was before; twice, at the root.
    yielded: BTreeMap<NodeId, u8>,
}

/// Nodes that were taken out of the shape, with their slots.
pub(super) struct Lifted(SmallVec<[(NodeId, Slot); 1]>);

/// So many steps up are taken before anything else is tried.
const NEAR: usize = 64;

/// So many nodes, with the one above them, are counted before the way up is taken.
const FEW_BELOW: usize = 8;

type Siblings = SortedMap<(OrderKey, NodeId), ()>;

impl Shape {
    /// The shape that follows from where these nodes were put. `O(n log n)`.
    pub(super) fn of<V: DotStore>(nodes: &mut Nodes<V>) -> Shape {
        let (mut all, mut slots) = (Vec::with_capacity(nodes.len()), 0);
        nodes.each_mut(|id, node| {
            node.slot = Slot(slots);
            slots += 1;
            let place = node.place.latest().map(|(_, _, place)| place);
            all.extend(place.map(|place| (place.parent, place.order.clone(), *id, node.slot.0)));
        });
        all.sort_unstable();
        let (above, below) = (alloc::vec![Slot::NONE; nodes.len()], Vec::new());
        let mut shape = Shape { above, below, ..Shape::default() };
        shape.below.resize_with(nodes.len(), Siblings::default);
        for stand in all.chunk_by_mut(|a, b| a.0 == b.0) {
            let above = slot_of(nodes, stand[0].0);
            let below = stand.iter_mut().map(|(_, order, node, _)| ((core::mem::take(order), *node), ()));
            *shape.siblings_mut(stand[0].0, above) = Siblings::from_sorted(below.collect());
            stand.iter().for_each(|(.., slot)| shape.above[*slot as usize] = above);
        }
        let look = shape.without_end(nodes);
        shape.break_cycles(nodes, look);
        shape
    }

    /// The nodes from which the way up does not end.
    fn without_end<V: DotStore>(&self, nodes: &Nodes<V>) -> Vec<NodeId> {
        let without_place = nodes.iter().filter(|(_, node)| node.place.is_bottom()).map(|(node, _)| node);
        let tops = self.apart.keys().chain(without_place).map(|node| Parent::Node(*node));
        let mut open: Vec<Parent> = tops.chain([Parent::Root, Parent::Trash]).collect();
        let mut reached = Vec::with_capacity(nodes.len());
        while let Some(parent) = open.pop() {
            for (_, node) in self.children(nodes, parent) {
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
    pub(super) fn lift<V: DotStore>(&mut self, nodes: &mut Nodes<V>, touched: &[NodeId]) -> Lifted {
        let mut lifted: SmallVec<[NodeId; 1]> = touched.iter().chain(self.yielded.keys()).copied().collect();
        lifted.sort_unstable();
        lifted.dedup();
        let lifted = lifted.into_iter().map(|node| (node, self.leave(nodes, node))).collect();
        self.yielded.clear();
        Lifted(lifted)
    }

    /// Puts nodes in where they are put now, as far as they are there. `O(nodes · (depth + log n))`.
    pub(super) fn settle<V: DotStore>(&mut self, nodes: &mut Nodes<V>, lifted: Lifted) {
        for (id, slot) in &lifted.0 {
            match nodes.get_mut(id) {
                Some(node) if *slot == Slot::NONE => {
                    let below = self.apart.remove(id).unwrap_or_default();
                    node.slot = self.new_slot();
                    let above = node.slot;
                    self.note_above(nodes, &below, above);
                    self.below[above.0 as usize] = below;
                }
                None if *slot != Slot::NONE => {
                    let below = core::mem::take(&mut self.below[slot.0 as usize]);
                    self.free.push(*slot);
                    self.note_above(nodes, &below, Slot::NONE);
                    if !below.is_empty() {
                        self.apart.insert(*id, below);
                    }
                }
                _ => {}
            }
        }
        let look: Vec<NodeId> = lifted.0.iter().map(|(node, _)| *node).collect();
        look.iter().for_each(|node| self.put_in(nodes, *node));
        self.break_cycles(nodes, look);
    }

    fn new_slot(&mut self) -> Slot {
        self.free.pop().unwrap_or_else(|| {
            self.above.push(Slot::NONE);
            self.below.push(Siblings::default());
            Slot(self.above.len() as u32 - 1)
        })
    }

    /// Notes that these nodes stand below another, or below none that is there.
    fn note_above<V: DotStore>(&mut self, nodes: &Nodes<V>, below: &Siblings, above: Slot) {
        for child in below.keys().filter_map(|(_, child)| nodes.get(child)) {
            self.above[child.slot.0 as usize] = above;
        }
    }

    /// Whether the way up from a node surely ends, as it mostly does after some steps.
    fn ends_soon<V: DotStore>(&self, nodes: &Nodes<V>, node: NodeId) -> bool {
        let above = |slot: &Slot| self.above.get(slot.0 as usize).copied();
        let way = core::iter::successors(Some(slot_of(nodes, Parent::Node(node))), above);
        way.take(NEAR).last() == Some(Slot::NONE)
    }

    fn break_cycles<V: DotStore>(&mut self, nodes: &Nodes<V>, mut look: Vec<NodeId>) {
        // Nodes from which the way up ends, so that each is walked over once where many are looked at.
        let mut safe = BTreeSet::new();
        while let Some(node) = look.pop() {
            if self.ends_soon(nodes, node) || self.has_little_below(nodes, node) {
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
    fn has_little_below<V: DotStore>(&self, nodes: &Nodes<V>, node: NodeId) -> bool {
        let mut below: SmallVec<[NodeId; FEW_BELOW]> = smallvec![node];
        let mut seen = 0;
        while let Some(node) = below.get(seen) {
            let children = self.children(nodes, Parent::Node(*node));
            below.extend(children.take(FEW_BELOW + 1).map(|(_, child)| child));
            if below.len() > FEW_BELOW {
                return false;
            }
            seen += 1;
        }
        true
    }

    /// What stands right below a place, if anything may.
    fn siblings<V: DotStore>(&self, nodes: &Nodes<V>, parent: Parent) -> Option<&Siblings> {
        match (parent, slot_of(nodes, parent)) {
            (Parent::Root, _) => Some(&self.root),
            (Parent::Trash, _) => Some(&self.trash),
            (Parent::Node(node), Slot::NONE) => self.apart.get(&node),
            (_, Slot(slot)) => self.below.get(slot as usize),
        }
    }

    /// What stands right below a place that has this slot.
    fn siblings_mut(&mut self, parent: Parent, slot: Slot) -> &mut Siblings {
        match (parent, slot) {
            (Parent::Root, _) => &mut self.root,
            (Parent::Trash, _) => &mut self.trash,
            (Parent::Node(node), Slot::NONE) => self.apart.entry(node).or_default(),
            (_, Slot(slot)) => &mut self.below[slot as usize],
        }
    }

    /// The children of a place, in order.
    pub(super) fn children<'a, V: DotStore>(
        &'a self,
        nodes: &'a Nodes<V>,
        parent: Parent,
    ) -> impl DoubleEndedIterator<Item = (&'a OrderKey, NodeId)> + use<'a, V> {
        let siblings = self.siblings(nodes, parent).into_iter().flat_map(SortedMap::keys);
        siblings.map(|(order, node)| (order, *node))
    }

    pub(super) fn child_count<V: DotStore>(&self, nodes: &Nodes<V>, parent: Parent) -> usize {
        self.siblings(nodes, parent).map_or(0, SortedMap::len)
    }

    /// Where a node stands; `None` when there is no such node.
    pub(super) fn standing<V: DotStore>(&self, nodes: &Nodes<V>, node: NodeId) -> Option<(Parent, OrderKey)> {
        self.stand(nodes, node).map(|(_, parent, order)| (parent, order))
    }

    fn stand<V: DotStore>(&self, nodes: &Nodes<V>, id: NodeId) -> Option<(Slot, Parent, OrderKey)> {
        let node = nodes.get(&id)?;
        let (_, _, place) = node.place.latest()?;
        Some(match (self.yielded(id), &place.before) {
            (0, _) => (node.slot, place.parent, place.order.clone()),
            (1, Some(before)) => (node.slot, before.0, before.1.clone()),
            _ => (node.slot, Parent::Root, place.order.clone()),
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

    #[cfg(feature = "std")]
    /// The nodes that a cycle made give way.
    pub(super) fn gave_way(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.yielded.keys().copied()
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
        let Some((slot, parent, order)) = self.stand(nodes, node) else { return };
        let above = slot_of(nodes, parent);
        self.above[slot.0 as usize] = above;
        self.siblings_mut(parent, above).insert((order, node), ());
    }

    /// Takes a node out; what stands below it stays below it. Returns its slot.
    fn leave<V: DotStore>(&mut self, nodes: &Nodes<V>, id: NodeId) -> Slot {
        let Some((slot, parent, order)) = self.stand(nodes, id) else {
            return slot_of(nodes, Parent::Node(id));
        };
        let above = core::mem::replace(&mut self.above[slot.0 as usize], Slot::NONE);
        let siblings = self.siblings_mut(parent, above);
        siblings.remove(&(order, id));
        if siblings.is_empty() {
            *siblings = Siblings::default(); // and its room
            if let (Parent::Node(parent), Slot::NONE) = (parent, above) {
                self.apart.remove(&parent);
            }
        }
        slot
    }
}

/// The slot of a node that is there.
fn slot_of<V: DotStore>(nodes: &Nodes<V>, parent: Parent) -> Slot {
    match parent {
        Parent::Node(node) => nodes.get(&node).map_or(Slot::NONE, |node| node.slot),
        Parent::Root | Parent::Trash => Slot::NONE,
    }
}
