//! [`Tree`]: nodes that people move while others move them too.

mod order;
mod shape;

use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;
use core::fmt::Debug;

use smallvec::SmallVec;

use crate::codec::{Decode, DecodeError, Encode, Reader, Twice, Writer};
use crate::context::{CausalContext, DotRanges};
use crate::dots::{Changes, Cx, DotStore};
use crate::id::Dot;
#[cfg(feature = "std")]
use crate::{hlc::Hlc, register::LwwRegister};

use order::OrderKey;
use shape::{Nodes, Shape};

/// Names a node for ever: the event that created it.
///
/// ```
/// use crdt::register::LwwRegister;
/// use crdt::tree::{NodeId, Position, Tree};
/// use crdt::{ReplicaId, replica::Replica};
/// let mut a: Replica<Tree<LwwRegister<&str>>> = Replica::new(ReplicaId::from_u128(1));
/// let node: NodeId = a.update(0, |tree, cx| tree.create(None, Position::Last, cx));
/// a.update(0, |tree, cx| tree.update(node, cx, |name, cx| name.set("x", cx)));
/// assert_eq!(a.value().get(node).unwrap().get(), Some(&"x"));
/// ```
pub type NodeId = Dot;

/// What a node stands below.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(crate) enum Parent {
    #[default]
    Root,
    Trash,
    Node(NodeId),
}

/// Where a node was put.
#[derive(Clone, PartialEq, Debug, Default)]
struct Place {
    parent: Parent,
    order: OrderKey,
    /// Where it stood then; `None` for a new node.
    before: Option<Box<(Parent, OrderKey)>>,
}

/// Where among its siblings a node goes.
///
/// ```
/// use crdt::register::LwwRegister;
/// use crdt::tree::{Position, Tree};
/// use crdt::{ReplicaId, replica::Replica};
/// let mut a: Replica<Tree<LwwRegister<&str>>> = Replica::new(ReplicaId::from_u128(1));
/// a.update(0, |tree, cx| {
///     let last = tree.create(None, Position::Last, cx);
///     let first = tree.create(None, Position::First, cx);
///     let second = tree.create(None, Position::After(first), cx);
///     let third = tree.create(None, Position::At(2), cx);
///     assert_eq!(tree.children(None).collect::<Vec<_>>(), [first, second, third, last]);
/// });
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Position {
    /// Before all others.
    First,
    /// After all others.
    Last,
    /// So that it is the `n`-th child, counted from 0; past the end means last. `O(n)`.
    At(usize),
    /// Right after this sibling; last, if that is none.
    After(NodeId),
}

/// A tree of nodes with a value each, that can be moved without ever making a cycle or a copy.
///
/// | A | B, concurrently | both |
/// |---|---|---|
/// | move `x` below `y` | move `x` below `z` | the later move |
/// | move `x` below `y` | move `y` below `x` | the earlier move; the later one is as if it had not been |
/// | insert at a place | insert at that place | both, in the order of their ids |
/// | remove `x` | edit `x`, or below it | removed, with the edit in it: moving it back brings all back |
/// | remove `x` | move `x` | the later |
///
/// The tree that is shown is a pure function of where each node was put, so replicas that have seen the same
/// show the same. Removing a node moves it to the trash, with all below it, until [`purge`](Self::purge). A move
/// takes one event. `O(depth + log n)` for each operation, and for each node that a join puts elsewhere.
///
/// Source: the rules are those of Kleppmann, Mulligan, Gomes, Beresford, "A highly-available move operation for
/// replicated trees", 2021; instead of their log of all moves, undone and redone, each node remembers its last
/// place and the one before, after E. Wallace, "CRDT: mutable tree hierarchy", 2022, so nothing grows with the
/// number of moves.
///
/// ```
/// use crdt::register::LwwRegister;
/// use crdt::replica::Replica;
/// use crdt::tree::{Position, Tree};
/// use crdt::ReplicaId;
///
/// type Files = Tree<LwwRegister<String>>;
/// let mut a: Replica<Files> = Replica::new(ReplicaId::from_u128(1));
/// let mut b: Replica<Files> = Replica::new(ReplicaId::from_u128(2));
/// let (change, (music, photos)) = a.edit_with(1_000, |tree, cx| {
///     let music = tree.create(None, Position::Last, cx);
///     let photos = tree.create(None, Position::Last, cx);
///     tree.update(music, cx, |name, cx| name.set("music".into(), cx));
///     (music, photos)
/// });
/// b.apply(&change);
///
/// // Each moves one into the other: that would be a cycle.
/// let earlier = a.edit(2_000, |tree, cx| tree.move_to(music, Some(photos), Position::Last, cx));
/// let later = b.edit(3_000, |tree, cx| tree.move_to(photos, Some(music), Position::Last, cx));
/// a.apply(&later);
/// b.apply(&earlier);
/// assert_eq!(a.value().parent(music), Some(photos));
/// assert_eq!(a.value().parent(photos), None);
/// assert_eq!(a.value(), b.value());
/// ```
#[derive(Clone)]
pub struct Tree<V> {
    nodes: Nodes<V>,
    shape: Shape,
}

impl<V> Default for Tree<V> {
    fn default() -> Self {
        Tree { nodes: Nodes::default(), shape: Shape::default() }
    }
}

impl<V: PartialEq> PartialEq for Tree<V> {
    fn eq(&self, other: &Self) -> bool {
        self.nodes == other.nodes
    }
}

impl<V: DotStore> Debug for Tree<V> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let shown = self.walk().map(|(depth, node)| format!("{}{node:?}", "  ".repeat(depth)));
        f.debug_list().entries(shown).finish()
    }
}

impl<V: DotStore> Tree<V> {
    /// Makes a node below another, or at the root for `None`.
    ///
    /// ```
    /// # use crdt::{ReplicaId, register::LwwRegister, replica::Replica, tree::{Position, Tree}};
    /// let mut files: Replica<Tree<LwwRegister<String>>> = Replica::new(ReplicaId::from_u128(1));
    /// files.update(0, |tree, cx| {
    ///     let music = tree.create(None, Position::Last, cx);
    ///     let songs = tree.create(Some(music), Position::Last, cx);
    ///     assert_eq!(tree.parent(songs), Some(music));
    /// });
    /// ```
    pub fn create(&mut self, parent: Option<NodeId>, position: Position, cx: &mut Cx) -> NodeId {
        let order = self.room(of(parent), position, None, cx);
        let id = cx.next();
        self.put(id, Place { parent: of(parent), order, before: None }, cx);
        id
    }

    /// Moves a node, with all below it, below another, or to the root for `None`. Returns whether it did: not if
    /// there is no such node or parent, or the parent stands below the node.
    ///
    /// ```
    /// # use crdt::{ReplicaId, register::LwwRegister, replica::Replica, tree::{Position, Tree}};
    /// let mut files: Replica<Tree<LwwRegister<String>>> = Replica::new(ReplicaId::from_u128(1));
    /// files.update(0, |tree, cx| {
    ///     let music = tree.create(None, Position::Last, cx);
    ///     let songs = tree.create(Some(music), Position::Last, cx);
    ///     assert!(tree.move_to(songs, None, Position::First, cx));
    ///     assert_eq!(tree.children(None).collect::<Vec<_>>(), [songs, music]);
    ///     assert!(!tree.move_to(music, Some(music), Position::Last, cx)); // below itself
    /// });
    /// ```
    pub fn move_to(&mut self, node: NodeId, parent: Option<NodeId>, position: Position, cx: &mut Cx) -> bool {
        let Some(before) = self.shape.standing(&self.nodes, node) else { return false };
        let fits = |parent: NodeId| self.stands_below(parent).is_some() && !self.is_below(parent, node);
        if !parent.is_none_or(fits) {
            return false;
        }
        let order = self.room(of(parent), position, Some(node), cx);
        self.put(node, Place { parent: of(parent), order, before: Some(Box::new(before)) }, cx);
        true
    }

    /// Moves a node, with all below it, to the trash; whether it was shown.
    ///
    /// ```
    /// # use crdt::{ReplicaId, register::LwwRegister, replica::Replica, tree::{Position, Tree}};
    /// let mut files: Replica<Tree<LwwRegister<String>>> = Replica::new(ReplicaId::from_u128(1));
    /// files.update(0, |tree, cx| {
    ///     let music = tree.create(None, Position::Last, cx);
    ///     let songs = tree.create(Some(music), Position::Last, cx);
    ///     assert!(tree.remove(music, cx));
    ///     assert!(!tree.contains(music) && !tree.contains(songs));
    ///     tree.move_to(music, None, Position::Last, cx); // out of the trash, with all below it
    ///     assert!(tree.contains(songs));
    /// });
    /// ```
    pub fn remove(&mut self, node: NodeId, cx: &mut Cx) -> bool {
        let shown = self.contains(node);
        if let Some(before) = self.shape.standing(&self.nodes, node).filter(|_| shown) {
            let order = before.1.clone();
            let place = Place { parent: Parent::Trash, order, before: Some(Box::new(before)) };
            self.put(node, place, cx);
        }
        shown
    }

    /// Forgets what is in the trash, for good. A node that someone moves out of it concurrently comes back
    /// without what was forgotten.
    ///
    /// ```
    /// # use crdt::{ReplicaId, register::LwwRegister, replica::Replica, tree::{Position, Tree}};
    /// let mut files: Replica<Tree<LwwRegister<String>>> = Replica::new(ReplicaId::from_u128(1));
    /// files.update(0, |tree, cx| {
    ///     let music = tree.create(None, Position::Last, cx);
    ///     let songs = tree.create(Some(music), Position::Last, cx);
    ///     tree.remove(music, cx);
    ///     tree.purge(cx);
    ///     assert!(!tree.move_to(songs, None, Position::Last, cx)); // gone for good
    /// });
    /// ```
    pub fn purge(&mut self, cx: &mut Cx) {
        if self.end_trash(cx) {
            cx.event();
        }
    }

    /// Ends what is in the trash, by an event that the caller takes; whether there was anything.
    pub(crate) fn end_trash(&mut self, cx: &mut Cx) -> bool {
        let gone = self.all_trash();
        self.reshape(&gone, |nodes| {
            gone.iter().fold(false, |any, node| any | nodes.update(*node, cx, DotStore::end))
        })
    }

    /// Edits the value of a node; `None` when there is no such node.
    ///
    /// ```
    /// # use crdt::{ReplicaId, register::LwwRegister, replica::Replica, tree::{Position, Tree}};
    /// let mut files: Replica<Tree<LwwRegister<String>>> = Replica::new(ReplicaId::from_u128(1));
    /// files.update(0, |tree, cx| {
    ///     let music = tree.create(None, Position::Last, cx);
    ///     let songs = tree.create(Some(music), Position::Last, cx);
    ///     tree.update(songs, cx, |name, cx| name.set("songs".into(), cx));
    ///     assert_eq!(tree.get(songs).and_then(|name| name.get()), Some(&"songs".to_string()));
    ///     # let _ = music;
    /// });
    /// ```
    pub fn update<R>(
        &mut self,
        node: NodeId,
        cx: &mut Cx,
        edit: impl FnOnce(&mut V, &mut Cx) -> R,
    ) -> Option<R> {
        self.nodes.get(&node)?;
        Some(self.nodes.update(node, cx, |node, cx| edit(&mut node.value, cx)))
    }

    /// The value of a node, in the trash too.
    pub fn get(&self, node: NodeId) -> Option<&V> {
        self.nodes.get(&node).map(|node| &node.value)
    }

    /// What a node stands below; `None` at the root, and for a node that is not shown.
    pub fn parent(&self, node: NodeId) -> Option<NodeId> {
        match self.stands_below(node)? {
            Parent::Node(parent) => Some(parent),
            Parent::Root | Parent::Trash => None,
        }
    }

    /// The nodes right below one, or at the root for `None`, in order.
    pub fn children(&self, parent: Option<NodeId>) -> impl DoubleEndedIterator<Item = NodeId> {
        self.below(of(parent))
    }

    /// How many nodes stand right below one, or at the root for `None`.
    ///
    /// ```
    /// # use crdt::{ReplicaId, register::LwwRegister, replica::Replica, tree::{Position, Tree}};
    /// let mut files: Replica<Tree<LwwRegister<String>>> = Replica::new(ReplicaId::from_u128(1));
    /// files.update(0, |tree, cx| {
    ///     let music = tree.create(None, Position::Last, cx);
    ///     let songs = tree.create(Some(music), Position::Last, cx);
    ///     assert_eq!((tree.child_count(None), tree.child_count(Some(music)), tree.child_count(Some(songs))), (1, 1, 0));
    /// });
    /// ```
    pub fn child_count(&self, parent: Option<NodeId>) -> usize {
        self.shape.child_count(&self.nodes, of(parent))
    }

    /// The nodes above one, from its parent up.
    ///
    /// ```
    /// # use crdt::{ReplicaId, register::LwwRegister, replica::Replica, tree::{Position, Tree}};
    /// let mut files: Replica<Tree<LwwRegister<String>>> = Replica::new(ReplicaId::from_u128(1));
    /// files.update(0, |tree, cx| {
    ///     let music = tree.create(None, Position::Last, cx);
    ///     let songs = tree.create(Some(music), Position::Last, cx);
    ///     assert_eq!(tree.ancestors(songs).collect::<Vec<_>>(), [music]);
    /// });
    /// ```
    pub fn ancestors(&self, node: NodeId) -> impl Iterator<Item = NodeId> {
        core::iter::successors(self.parent(node), |node| self.parent(*node))
    }

    /// Whether a node is shown: there, and neither in the trash nor below something that is not shown.
    /// `O(depth)`.
    ///
    /// ```
    /// # use crdt::{ReplicaId, register::LwwRegister, replica::Replica, tree::{Position, Tree}};
    /// let mut files: Replica<Tree<LwwRegister<String>>> = Replica::new(ReplicaId::from_u128(1));
    /// files.update(0, |tree, cx| {
    ///     let music = tree.create(None, Position::Last, cx);
    ///     let songs = tree.create(Some(music), Position::Last, cx);
    ///     assert!(tree.contains(songs));
    ///     tree.remove(music, cx);
    ///     assert!(!tree.contains(songs)); // below what is in the trash
    /// });
    /// ```
    pub fn contains(&self, node: NodeId) -> bool {
        let top = self.ancestors(node).last().unwrap_or(node);
        self.stands_below(top) == Some(Parent::Root)
    }

    /// All nodes that are shown, each before those below it, with their depths.
    ///
    /// ```
    /// # use crdt::{ReplicaId, register::LwwRegister, replica::Replica, tree::{Position, Tree}};
    /// let mut files: Replica<Tree<LwwRegister<String>>> = Replica::new(ReplicaId::from_u128(1));
    /// files.update(0, |tree, cx| {
    ///     let music = tree.create(None, Position::Last, cx);
    ///     let songs = tree.create(Some(music), Position::Last, cx);
    ///     assert_eq!(tree.walk().collect::<Vec<_>>(), [(0, music), (1, songs)]);
    /// });
    /// ```
    pub fn walk(&self) -> impl Iterator<Item = (usize, NodeId)> {
        let mut open: Vec<(usize, NodeId)> = self.children(None).rev().map(|node| (0, node)).collect();
        core::iter::from_fn(move || {
            let (depth, node) = open.pop()?;
            open.extend(self.children(Some(node)).rev().map(|child| (depth + 1, child)));
            Some((depth, node))
        })
    }

    /// The nodes that were removed, without those below them.
    ///
    /// ```
    /// # use crdt::{ReplicaId, register::LwwRegister, replica::Replica, tree::{Position, Tree}};
    /// let mut files: Replica<Tree<LwwRegister<String>>> = Replica::new(ReplicaId::from_u128(1));
    /// files.update(0, |tree, cx| {
    ///     let music = tree.create(None, Position::Last, cx);
    ///     let songs = tree.create(Some(music), Position::Last, cx);
    ///     tree.remove(songs, cx);
    ///     assert_eq!(tree.trash().collect::<Vec<_>>(), [songs]);
    ///     # let _ = music;
    /// });
    /// ```
    pub fn trash(&self) -> impl DoubleEndedIterator<Item = NodeId> {
        self.below(Parent::Trash)
    }

    #[cfg(feature = "std")]
    /// Whether a node was put below another or at the root, which need not be shown itself.
    pub(crate) fn stands(&self, node: NodeId) -> bool {
        self.stands_below(node).is_some_and(|parent| parent != Parent::Trash)
    }

    /// All nodes in the trash, each before those below it, in order.
    pub(crate) fn all_trash(&self) -> Vec<NodeId> {
        let mut open: Vec<NodeId> = self.trash().rev().collect();
        let mut gone = Vec::new();
        while let Some(node) = open.pop() {
            open.extend(self.below(Parent::Node(node)).rev());
            gone.push(node);
        }
        gone
    }

    #[cfg(feature = "std")]
    /// The concurrent moves of a node, by which events and when, the one that counts first.
    pub(crate) fn moves(&self, node: NodeId) -> Option<impl Iterator<Item = (Dot, Hlc, Parent)>> {
        let moves = self.nodes.get(&node)?.place.candidates();
        Some(moves.map(|(dot, stamp, place)| (dot, stamp, place.parent)))
    }

    #[cfg(feature = "std")]
    /// Calls `f` with the event and the stamp of each move.
    pub(crate) fn each_stamp(&self, f: &mut dyn FnMut(Dot, Hlc)) {
        self.nodes.iter().for_each(|(_, at)| at.place.each_stamp(f));
    }

    #[cfg(feature = "std")]
    /// The nodes of which the last move does not count, since it would close a cycle.
    pub(crate) fn gave_way(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.shape.gave_way()
    }

    #[cfg(feature = "std")]
    /// The nodes that this part puts somewhere.
    pub(crate) fn placed(&self) -> impl Iterator<Item = NodeId> + '_ {
        let placed = self.nodes.iter().filter(|(_, at)| !at.place.is_bottom());
        placed.map(|(node, _)| *node)
    }

    #[cfg(feature = "std")]
    /// Every node that must be there for this part to make sense: those it puts somewhere, and their parents.
    pub(crate) fn named(&self) -> impl Iterator<Item = NodeId> + '_ {
        let places = |register: &LwwRegister<Place>| {
            let places: Vec<Parent> = register.candidates().map(|(_, _, place)| place.parent).collect();
            places.into_iter().filter_map(|parent| match parent {
                Parent::Node(node) => Some(node),
                Parent::Root | Parent::Trash => None,
            })
        };
        self.nodes.iter().flat_map(move |(node, at)| places(&at.place).chain([*node]))
    }

    pub(crate) fn stands_below(&self, node: NodeId) -> Option<Parent> {
        self.shape.parent(&self.nodes, node)
    }

    fn below(&self, parent: Parent) -> impl DoubleEndedIterator<Item = NodeId> {
        self.shape.children(&self.nodes, parent).map(|(_, node)| node)
    }

    fn is_below(&self, node: NodeId, above: NodeId) -> bool {
        node == above || self.ancestors(node).any(|ancestor| ancestor == above)
    }

    fn put(&mut self, node: NodeId, place: Place, cx: &mut Cx) {
        let put = |nodes: &mut Nodes<V>| nodes.update(node, cx, |node, cx| node.place.set(place, cx));
        self.reshape(&[node], put);
    }

    /// A key for `position`. Siblings that follow and have the key of the one before, since they were put there
    /// concurrently, are put behind it.
    fn room(&mut self, parent: Parent, position: Position, moving: Option<NodeId>, cx: &mut Cx) -> OrderKey {
        let siblings = || self.shape.children(&self.nodes, parent).filter(|(_, node)| Some(*node) != moving);
        let (low, high) = match position {
            Position::First => (None, siblings().next()),
            Position::Last => (siblings().next_back(), None),
            Position::At(n) => (
                n.checked_sub(1)
                    .and_then(|i| siblings().nth(i))
                    .or_else(|| if n == 0 { None } else { siblings().next_back() }),
                siblings().nth(n),
            ),
            Position::After(node) => {
                let mut rest = siblings().skip_while(|(_, sibling)| *sibling != node);
                match rest.next() {
                    Some(low) => (Some(low), rest.next()),
                    None => (siblings().next_back(), None),
                }
            }
        };
        let (low, high) = (low.map(|(key, _)| key.clone()), high.map(|(key, node)| (key.clone(), node)));
        match (&low, &high) {
            (Some(key), Some((same, first))) if key == same => {
                let after = self.shape.children(&self.nodes, parent).skip_while(|(_, node)| node != first);
                let equal: Vec<NodeId> = after.take_while(|(k, _)| *k == key).map(|(_, node)| node).collect();
                let next =
                    self.shape.children(&self.nodes, parent).find(|(k, _)| *k > key).map(|(k, _)| k.clone());
                let mine = OrderKey::between(Some(key), next.as_ref()).unwrap_or_default();
                let mut last = mine.clone();
                for node in equal.into_iter().filter(|node| Some(*node) != moving) {
                    let order = OrderKey::between(Some(&last), next.as_ref()).unwrap_or_default();
                    last = order.clone();
                    let before = self.shape.standing(&self.nodes, node).map(Box::new);
                    self.put(node, Place { parent, order, before }, cx);
                }
                mine
            }
            _ => {
                let high = high.map(|(key, _)| key);
                OrderKey::between(low.as_ref(), high.as_ref()).unwrap_or_default()
            }
        }
    }

    /// Changes where these nodes are put, and nothing else.
    fn reshape<R>(&mut self, touched: &[NodeId], change: impl FnOnce(&mut Nodes<V>) -> R) -> R {
        let lifted = self.shape.lift(&mut self.nodes, touched);
        let result = change(&mut self.nodes);
        self.shape.settle(&mut self.nodes, lifted);
        result
    }
}

fn of(parent: Option<NodeId>) -> Parent {
    parent.map_or(Parent::Root, Parent::Node)
}

impl<V: DotStore> DotStore for Tree<V> {
    fn is_bottom(&self) -> bool {
        self.nodes.is_bottom()
    }

    fn for_each_dot(&self, f: &mut dyn FnMut(Dot)) {
        self.nodes.for_each_dot(f);
    }

    fn join(&mut self, ours: &CausalContext, other: &Self, theirs: &CausalContext, changes: &mut Changes) {
        let ended = self.nodes.ended(&other.nodes, theirs);
        let touched = ended.iter().chain(other.nodes.iter().map(|(node, _)| node));
        let touched: SmallVec<[NodeId; 1]> = touched.copied().collect();
        self.reshape(&touched, |nodes| nodes.join_ended(ended, ours, &other.nodes, theirs, changes));
    }

    fn part(&self, wanted: &DotRanges) -> Self {
        // A part is joined, not shown: it needs no shape.
        Tree { nodes: self.nodes.part(wanted), shape: Shape::default() }
    }

    fn end(&mut self, cx: &mut Cx) -> bool {
        let nodes: Vec<NodeId> = self.nodes.iter().map(|(node, _)| *node).collect();
        self.reshape(&nodes, |nodes| nodes.end(cx))
    }
}

impl<V: Encode> Encode for Tree<V> {
    fn encode(&self, w: &mut Writer) {
        self.nodes.encode(w);
    }
}

impl<V: Decode + DotStore> Decode for Tree<V> {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut nodes = Nodes::decode(r)?;
        let shape = if r.twice() == Twice::Part { Shape::default() } else { Shape::of(&mut nodes) };
        Ok(Tree { nodes, shape })
    }
}

impl Encode for Parent {
    fn encode(&self, w: &mut Writer) {
        match self {
            Parent::Root => w.u8(0),
            Parent::Trash => w.u8(1),
            Parent::Node(node) => {
                w.u8(2);
                w.dot(*node);
            }
        }
    }
}

impl Decode for Parent {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match r.u8()? {
            0 => Parent::Root,
            1 => Parent::Trash,
            2 => Parent::Node(r.dot()?),
            _ => return Err(r.invalid("unknown kind of parent")),
        })
    }
}

impl Encode for Place {
    fn encode(&self, w: &mut Writer) {
        self.parent.encode(w);
        self.order.encode(w);
        self.before.is_some().encode(w);
        self.before.iter().for_each(|before| before.encode(w));
    }
}

impl Decode for Place {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (parent, order) = Decode::decode(r)?;
        let before: Option<(Parent, OrderKey)> = Decode::decode(r)?;
        Ok(Place { parent, order, before: before.map(Box::new) })
    }
}
