//! Trees in documents: [`TreeMut`] edits, [`TreeView`] reads, [`TreePatch`] says what changed.

use std::collections::BTreeMap;

use crate::codec::{Decode, DecodeError, Encode, Reader, Writer};
use crate::context::{CausalContext, DotRanges};
use crate::dots::{Changes, Cx, DotStore};
use crate::hlc::Hlc;
use crate::id::Dot;
use crate::sorted::few;
use crate::tree::{NodeId, Parent, Position, Tree};

use super::edit::{MapMut, Place};
use super::node::{Node, Places, decode_places};
use super::path::{Key, Path, Shape};
use super::record::common;
use super::undo::Inverse;
use super::{Doc, Value};

/// Where nodes stand, and the map that each holds.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Outline {
    nodes: Tree<()>,
    items: Places,
}

/// Where a node stands: below which, and right after which sibling; none is the first.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Spot {
    pub(super) parent: Option<NodeId>,
    pub(super) left: Option<NodeId>,
}

impl Spot {
    fn position(self) -> Position {
        self.left.map_or(Position::First, Position::After)
    }
}

impl Outline {
    pub(super) fn items(&self) -> &Places {
        &self.items
    }

    pub(super) fn items_mut(&mut self) -> &mut Places {
        &mut self.items
    }

    pub(super) fn is_empty(&self) -> bool {
        self.nodes.child_count(None) == 0
    }

    pub(super) fn walk(&self) -> impl Iterator<Item = (usize, NodeId)> {
        self.nodes.walk()
    }

    /// Every node that must be there for this part to make sense.
    pub(super) fn named(&self) -> Vec<Dot> {
        self.items.iter().filter_map(|(key, _)| key.item_name()).chain(self.nodes.named()).collect()
    }

    /// All nodes, those in the trash last, each before those below it.
    pub(super) fn all(&self) -> impl Iterator<Item = NodeId> {
        self.walk().map(|(_, node)| node).chain(self.nodes.all_trash())
    }

    /// The nodes that were removed, without those below them.
    pub(super) fn trash(&self) -> impl Iterator<Item = NodeId> {
        self.nodes.trash()
    }

    pub(super) fn spot(&self, node: NodeId) -> Spot {
        let parent = self.nodes.parent(node);
        let left = self.nodes.children(parent).take_while(|sibling| *sibling != node).last();
        Spot { parent, left }
    }

    /// The nodes that were put somewhere in this part.
    pub(super) fn placed(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.nodes.placed()
    }

    /// All moves of a node that none has seen another of, the one that counts first; `None` without any.
    pub(super) fn moves(&self, node: NodeId) -> Option<Vec<(Dot, Hlc, Parent)>> {
        Some(self.nodes.moves(node)?.collect())
    }

    /// Calls `f` with the event and the stamp of each move.
    pub(super) fn each_stamp(&self, f: &mut dyn FnMut(Dot, Hlc)) {
        self.nodes.each_stamp(f);
    }

    /// The nodes whose last move is as if it had not been, since it would have closed a cycle.
    pub(super) fn gave_way(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.nodes.gave_way()
    }

    /// What a node stands below, in the trash too.
    pub(super) fn parent_of(&self, node: NodeId) -> Option<Parent> {
        self.nodes.stands_below(node)
    }

    /// A node and those above it.
    pub(super) fn way_up(&self, node: NodeId) -> impl Iterator<Item = NodeId> {
        core::iter::once(node).chain(self.nodes.ancestors(node))
    }

    /// Whether there is such a node, shown or removed.
    pub(super) fn has(&self, node: NodeId) -> bool {
        self.nodes.get(node).is_some()
    }

    /// Whether a node is shown.
    pub(super) fn shows(&self, node: NodeId) -> bool {
        self.nodes.contains(node)
    }

    pub(super) fn children(&self, node: NodeId) -> impl Iterator<Item = NodeId> {
        self.nodes.children(Some(node))
    }

    /// The nearest sibling before a node for which `known` holds.
    pub(super) fn known_before(&self, node: NodeId, known: impl Fn(NodeId) -> bool) -> Option<NodeId> {
        let siblings = self.nodes.children(self.nodes.parent(node));
        siblings.take_while(|sibling| *sibling != node).filter(|sibling| known(*sibling)).last()
    }

    /// The children of every node that is shown.
    pub(super) fn standing(&self) -> Standing {
        let mut children: BTreeMap<_, Vec<NodeId>> = few([(None, self.nodes.children(None).collect())]);
        for (_, node) in self.walk() {
            children.insert(Some(node), self.nodes.children(Some(node)).collect());
        }
        Standing { children }
    }
}

impl DotStore for Outline {
    fn is_bottom(&self) -> bool {
        self.nodes.is_bottom() && self.items.is_bottom()
    }

    fn for_each_dot(&self, f: &mut dyn FnMut(Dot)) {
        self.nodes.for_each_dot(f);
        self.items.for_each_dot(f);
    }

    fn join(&mut self, ours: &CausalContext, other: &Self, theirs: &CausalContext, changes: &mut Changes) {
        self.nodes.join(ours, &other.nodes, theirs, changes);
        self.items.join(ours, &other.items, theirs, changes);
    }

    fn part(&self, wanted: &DotRanges) -> Self {
        Outline { nodes: self.nodes.part(wanted), items: self.items.part(wanted) }
    }

    fn end(&mut self, cx: &mut Cx) -> bool {
        self.nodes.end(cx) | self.items.end(cx)
    }
}

impl Encode for Outline {
    fn encode(&self, w: &mut Writer) {
        self.nodes.encode(w);
        self.items.encode(w);
    }
}

impl Decode for Outline {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Outline { nodes: Decode::decode(r)?, items: decode_places(Some(Shape::Tree), r)? })
    }
}

/// The id of a node as rows and conflicts have it.
pub(super) fn id_of(node: NodeId) -> String {
    format!("{}-{}", node.replica, node.seq)
}

/// How a tree stood at some time.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Standing {
    children: BTreeMap<Option<NodeId>, Vec<NodeId>>,
}

impl Standing {
    /// Whether there were no nodes.
    pub(super) fn is_empty(&self) -> bool {
        self.children.is_empty()
    }

    /// What leads from here to how a tree stands now; `came` gets the nodes that came. `O(n log n)`.
    pub(super) fn patches(
        &self,
        now: &Outline,
        came: &mut std::collections::BTreeSet<Dot>,
        data: impl Fn(NodeId) -> Value,
    ) -> Vec<TreePatch> {
        let mut work = self.children.clone();
        let mut parents: BTreeMap<NodeId, Option<NodeId>> = BTreeMap::new();
        for (parent, children) in &work {
            parents.extend(children.iter().map(|child| (*child, *parent)));
        }
        let mut patches = Vec::new();
        // From the top down: what is above a node stands where it belongs when its turn comes.
        for parent in std::iter::once(None).chain(now.walk().map(|(_, node)| Some(node))) {
            let wanted: Vec<NodeId> = now.nodes.children(parent).collect();
            let stays = common(work.get(&parent).map_or(&[][..], Vec::as_slice), &wanted);
            let mut stays = stays.into_iter().peekable();
            let mut left = None;
            for node in wanted {
                if stays.next_if_eq(&node).is_none() {
                    let known = parents.insert(node, parent);
                    if let Some(siblings) = known.and_then(|from| work.get_mut(&from)) {
                        siblings.retain(|sibling| *sibling != node);
                    }
                    let siblings = work.entry(parent).or_default();
                    let after = left.and_then(|left| siblings.iter().position(|sibling| *sibling == left));
                    let index = after.map_or(0, |at| at + 1);
                    siblings.insert(index, node);
                    patches.push(if known.is_some() {
                        TreePatch::Move { node, parent, index }
                    } else {
                        came.insert(node);
                        TreePatch::Create { node, parent, index, data: data(node) }
                    });
                }
                left = Some(node);
            }
        }
        // What is left went; what stood below went with it.
        for (parent, children) in &work {
            let above = parent.is_none_or(|parent| now.nodes.contains(parent));
            let gone = children.iter().filter(|node| above && !now.nodes.contains(**node));
            patches.extend(gone.map(|node| TreePatch::Remove { node: *node }));
        }
        patches
    }
}

/// What happened to a node of a tree. Patches apply one after the other.
///
/// ```
/// use crdt::doc::{Patch, TreePatch};
/// use crdt::tree::Position;
/// # use crdt::{Doc, ReplicaId, Replicated};
/// # let mut alice = Doc::new(ReplicaId::from_u128(1));
/// # let mut bob = Doc::new(ReplicaId::from_u128(2));
/// bob.record_patches();
/// let top = alice.transact(0, |tx| tx.tree("outline").create(None, Position::Last));
/// bob.apply(&alice.delta_since(bob.version()))?;
/// assert!(matches!(
///     bob.take_patches()[..],
///     [Patch::Tree { patch: TreePatch::Create { node, parent: None, index: 0, .. }, .. }] if node == top
/// ));
/// # Ok::<(), crdt::ApplyError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum TreePatch {
    /// A node came.
    Create {
        /// The node.
        node: NodeId,
        /// Below which; none is the top.
        parent: Option<NodeId>,
        /// Before which of the children there, counted from 0.
        index: usize,
        /// What it holds, as a map.
        data: Value,
    },
    /// A node moved, with all below it.
    Move {
        /// The node.
        node: NodeId,
        /// Below which; none is the top.
        parent: Option<NodeId>,
        /// Before which of the children there, the node itself not counted.
        index: usize,
    },
    /// A node went, with all below it.
    Remove {
        /// The node.
        node: NodeId,
    },
}

/// A tree under edit: nodes that are moved, each with a map.
///
/// | A | B, concurrently | both |
/// |---|---|---|
/// | move `x` below `y` | move `x` below `z` | the later move |
/// | move `x` below `y` | move `y` below `x` | the earlier move; the later is as if it had not been |
/// | remove `x` | edit `x`, or below it | removed, with the edit in it: moving it back, or undo, brings all back |
/// | remove `x` | move `x` | the later |
///
/// Which of two moves of one node counts, and which gave way, [conflicts](Doc::conflicts) tell. The order and the costs
/// are those of [`Tree`]; to record patches costs the tree's nodes besides.
///
/// ```
/// use crdt::tree::Position;
/// # use crdt::{Doc, ReplicaId, Replicated};
/// let mut alice = Doc::new(ReplicaId::from_u128(1));
/// let mut bob = Doc::new(ReplicaId::from_u128(2));
/// let (work, mail) = alice.transact(1_000, |tx| {
///     let mut tree = tx.tree("outline");
///     let work = tree.create(None, Position::Last);
///     tree.data(work).unwrap().put("title", "Work");
///     let mail = tree.create(None, Position::Last);
///     tree.data(mail).unwrap().put("title", "Mail");
///     (work, mail)
/// });
/// bob.apply(&alice.delta_since(bob.version()))?;
///
/// // Each moves one below the other: that would be a circle.
/// alice.transact(2_000, |tx| tx.tree("outline").move_to(work, Some(mail), Position::Last));
/// bob.transact(3_000, |tx| tx.tree("outline").move_to(mail, Some(work), Position::Last));
/// alice.apply(&bob.delta_since(alice.version()))?;
/// bob.apply(&alice.delta_since(bob.version()))?;
/// assert_eq!(alice.value(), bob.value());
/// assert_eq!(alice.tree("outline").unwrap().parent(work), Some(mail));
/// let conflict = &alice.conflicts()[0];
/// assert_eq!((conflict.item, conflict.winner.author), (Some(mail), alice.author()));
/// assert!(conflict.to_string().ends_with("(it would close a circle)"));
/// # Ok::<(), crdt::ApplyError>(())
/// ```
#[derive(Debug)]
pub struct TreeMut<'a>(pub(super) Place<'a>);

impl TreeMut<'_> {
    /// Makes a node below another, or at the top for `None`. Below a node that is not there it is not shown.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// use crdt::tree::Position;
    /// doc.transact(0, |tx| {
    ///     let mut book = tx.tree("book");
    ///     let chapter = book.create(None, Position::Last);
    ///     let section = book.create(Some(chapter), Position::First);
    ///     assert_eq!(book.parent(section), Some(chapter));
    /// });
    /// ```
    pub fn create(&mut self, parent: Option<NodeId>, position: Position) -> NodeId {
        let mut made = None;
        self.change(|tree, cx| made = Some(tree.create(parent, position, cx)));
        let node = made.unwrap_or(self.0.doc().next_event(0));
        self.0.undoable(|place| Some(Inverse::Stand { tree: place.path().clone(), node, at: None }));
        node
    }

    /// Moves a node, with all below it, below another, or to the top for `None`. Whether it did: not if there is
    /// no such node or parent, or the parent stands below the node. A removed node is put back so.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// use crdt::tree::Position;
    /// doc.transact(0, |tx| {
    ///     let mut book = tx.tree("book");
    ///     let [a, b] = [(); 2].map(|()| book.create(None, Position::Last));
    ///     assert!(book.move_to(b, Some(a), Position::Last));
    ///     assert!(!book.move_to(a, Some(b), Position::Last)); // it would stand below itself
    /// });
    /// ```
    pub fn move_to(&mut self, node: NodeId, parent: Option<NodeId>, position: Position) -> bool {
        let before = self.before(node);
        let mut moved = false;
        self.change(|tree, cx| moved = tree.move_to(node, parent, position, cx));
        if moved {
            self.undo_to(node, before);
        }
        moved
    }

    /// Takes a node away, with all below it; whether it was there. Moving it brings it back until
    /// [`purge`](Self::purge).
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// use crdt::tree::Position;
    /// let chapter = doc.transact(0, |tx| tx.tree("book").create(None, Position::Last));
    /// doc.transact(1, |tx| tx.tree("book").remove(chapter));
    /// assert!(!doc.tree("book").unwrap().contains(chapter));
    /// doc.transact(2, |tx| tx.tree("book").move_to(chapter, None, Position::Last)); // brings it back
    /// assert!(doc.tree("book").unwrap().contains(chapter));
    /// ```
    pub fn remove(&mut self, node: NodeId) -> bool {
        let before = self.before(node);
        let mut removed = false;
        self.change(|tree, cx| removed = tree.remove(node, cx));
        if removed {
            self.undo_to(node, before);
        }
        removed
    }

    /// The map of a node; `None` when there is no such node. A removed node has it still.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// use crdt::tree::Position;
    /// doc.transact(0, |tx| {
    ///     let mut book = tx.tree("book");
    ///     let chapter = book.create(None, Position::Last);
    ///     book.data(chapter).unwrap().put("title", "One");
    /// });
    /// assert_eq!(doc.get("/book/0/data/title"), Some("One".into()));
    /// ```
    pub fn data(&mut self, node: NodeId) -> Option<MapMut<'_>> {
        self.tree().and_then(|tree| tree.get(node))?;
        Some(MapMut(self.0.child(Key::item(node, Shape::Map))))
    }

    /// The nodes right below one, or at the top for `None`, in order.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// use crdt::tree::Position;
    /// doc.transact(0, |tx| {
    ///     let mut book = tx.tree("book");
    ///     let [a, b] = [(); 2].map(|()| book.create(None, Position::Last));
    ///     assert_eq!(book.children(None), [a, b]);
    /// });
    /// ```
    pub fn children(&self, parent: Option<NodeId>) -> Vec<NodeId> {
        self.tree().map(|tree| tree.children(parent).collect()).unwrap_or_default()
    }

    /// What a node stands below; `None` at the top, and for a node that is not shown.
    pub fn parent(&self, node: NodeId) -> Option<NodeId> {
        self.tree()?.parent(node)
    }

    /// Forgets for good what was removed, with what it held. A node that someone moves back concurrently comes
    /// back empty. It cannot be undone.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// use crdt::tree::Position;
    /// doc.transact(0, |tx| {
    ///     let mut book = tx.tree("book");
    ///     let chapter = book.create(None, Position::Last);
    ///     book.remove(chapter);
    ///     book.purge();
    ///     assert!(!book.move_to(chapter, None, Position::Last)); // gone for good
    /// });
    /// ```
    pub fn purge(&mut self) {
        let gone = self.tree().map(Tree::all_trash).unwrap_or_default();
        for node in &gone {
            let mut data = self.0.child(Key::item(*node, Shape::Map));
            let path = data.path().clone();
            data.clear_texts(&path);
        }
        self.0.mutate(|node, cx| {
            if let Node::Tree(tree) = node {
                let mut any = false;
                for node in gone.iter().map(|node| Key::item(*node, Shape::Map)) {
                    any |= tree.items.get(&node).is_some() && tree.items.update(node, cx, Node::end);
                }
                any |= tree.nodes.end_trash(cx);
                if any {
                    cx.event();
                }
            }
        });
    }

    fn tree(&self) -> Option<&Tree<()>> {
        match self.0.node()? {
            Node::Tree(tree) => Some(&tree.nodes),
            _ => None,
        }
    }

    fn change(&mut self, change: impl FnOnce(&mut Tree<()>, &mut Cx)) {
        self.0.touch_tree();
        self.0.mutate(|node, cx| {
            if let Node::Tree(tree) = node {
                change(&mut tree.nodes, cx);
            }
        });
    }

    /// Where a node stands, if it is not in the trash itself.
    fn before(&self, node: NodeId) -> Option<Spot> {
        match self.0.node()? {
            Node::Tree(tree) => tree.nodes.stands(node).then(|| tree.spot(node)),
            _ => None,
        }
    }

    fn undo_to(&mut self, node: NodeId, at: Option<Spot>) {
        self.0.undoable(|place| Some(Inverse::Stand { tree: place.path().clone(), node, at }));
    }

    /// Puts a node somewhere, or in the trash; where that is gone, at the top.
    pub(super) fn stand(&mut self, node: NodeId, at: Option<Spot>) {
        match at {
            Some(at) => {
                if !self.move_to(node, at.parent, at.position()) {
                    self.move_to(node, None, Position::Last);
                }
            }
            None => drop(Some(self.remove(node))),
        }
    }

    pub(super) fn create_at(&mut self, at: Spot) -> NodeId {
        self.create(at.parent, at.position())
    }
}

/// A tree, to read.
///
/// As plain data it is a list of its rows, each before those below it: `{"data": …, "depth": 0, "id": …}`. So a JSON
/// pointer into it is `/outline/3/data/title`.
///
/// ```
/// use crdt::tree::Position;
/// # use crdt::{Doc, ReplicaId};
/// let mut doc = Doc::new(ReplicaId::from_u128(1));
/// let (a, b) = doc.transact(1_000, |tx| {
///     let mut tree = tx.tree("outline");
///     let a = tree.create(None, Position::Last);
///     let b = tree.create(Some(a), Position::Last);
///     tree.data(b).unwrap().put("title", "below");
///     (a, b)
/// });
/// let tree = doc.tree("outline").unwrap();
/// assert_eq!(tree.walk().collect::<Vec<_>>(), [(0, a), (1, b)]);
/// assert_eq!(tree.data(b).to_string(), r#"{"title":"below"}"#);
/// assert_eq!(doc.get("/outline/1/data/title"), Some("below".into()));
/// ```
#[derive(Debug)]
pub struct TreeView<'a> {
    doc: &'a Doc,
    path: Path,
    tree: &'a Tree<()>,
}

impl<'a> TreeView<'a> {
    /// The nodes right below one, or at the top for `None`, in order.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// use crdt::tree::Position;
    /// let (a, b) = doc.transact(0, |tx| {
    ///     let mut book = tx.tree("book");
    ///     let a = book.create(None, Position::Last);
    ///     (a, book.create(Some(a), Position::Last))
    /// });
    /// assert_eq!(doc.tree("book").unwrap().children(Some(a)).collect::<Vec<_>>(), [b]);
    /// ```
    pub fn children(&self, parent: Option<NodeId>) -> impl DoubleEndedIterator<Item = NodeId> + 'a {
        self.tree.children(parent)
    }

    /// What a node stands below; `None` at the top, and for a node that is not shown.
    pub fn parent(&self, node: NodeId) -> Option<NodeId> {
        self.tree.parent(node)
    }

    /// Whether a node is shown. `O(depth)`.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// use crdt::tree::Position;
    /// let (a, b) = doc.transact(0, |tx| {
    ///     let mut book = tx.tree("book");
    ///     let a = book.create(None, Position::Last);
    ///     (a, book.create(Some(a), Position::Last))
    /// });
    /// doc.transact(1, |tx| tx.tree("book").remove(a)); // and what is below it
    /// let book = doc.tree("book").unwrap();
    /// assert!(!book.contains(a) && !book.contains(b));
    /// ```
    pub fn contains(&self, node: NodeId) -> bool {
        self.tree.contains(node)
    }

    /// All nodes that are shown, each before those below it, with their depths.
    pub fn walk(&self) -> impl Iterator<Item = (usize, NodeId)> + use<'a> {
        self.tree.walk()
    }

    /// The nodes that were removed, without those below them.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// use crdt::tree::Position;
    /// let (a, b) = doc.transact(0, |tx| {
    ///     let mut book = tx.tree("book");
    ///     let a = book.create(None, Position::Last);
    ///     (a, book.create(Some(a), Position::Last))
    /// });
    /// doc.transact(1, |tx| tx.tree("book").remove(a));
    /// assert_eq!(doc.tree("book").unwrap().trash().collect::<Vec<_>>(), [a]); // b is below it
    /// # let _ = b;
    /// ```
    pub fn trash(&self) -> impl DoubleEndedIterator<Item = NodeId> + 'a {
        self.tree.trash()
    }

    /// What a node holds, as a map; empty for a node that is not there.
    pub fn data(&self, node: NodeId) -> Value {
        self.doc.node_data(&self.path, node)
    }
}

impl Doc {
    /// The tree at a JSON pointer; a root's name will do. `None` where no node is shown.
    pub fn tree(&self, pointer: &str) -> Option<TreeView<'_>> {
        let path = match pointer.strip_prefix('/') {
            None => Path::from(Key::new(pointer, Shape::Tree)),
            Some(_) => self.tree_path(pointer)?,
        };
        self.tree_view(path)
    }

    pub(super) fn tree_view(&self, path: Path) -> Option<TreeView<'_>> {
        match self.node(path.keys())? {
            Node::Tree(tree) => Some(TreeView { doc: self, path, tree: &tree.nodes }),
            _ => None,
        }
    }

    /// What a node of a tree holds.
    pub(super) fn node_data(&self, tree: &Path, node: NodeId) -> Value {
        let data = self.value_of(&tree.child(Key::item(node, Shape::Map)));
        data.unwrap_or_else(|| Value::Map(BTreeMap::new()))
    }

    fn outline(&self, path: &Path) -> Option<&Outline> {
        match self.node(path.keys())? {
            Node::Tree(tree) => Some(tree),
            _ => None,
        }
    }

    /// A tree as plain data; `None` where no node is shown.
    pub(super) fn rows(&self, path: &Path, node: &Node) -> Option<Value> {
        let Node::Tree(tree) = node else { return None };
        let rows: Vec<Value> = tree.walk().map(|(depth, node)| self.row_of_node(path, depth, node)).collect();
        (!rows.is_empty()).then_some(Value::List(rows))
    }

    fn row_of_node(&self, path: &Path, depth: usize, node: NodeId) -> Value {
        let row = [
            ("data", self.node_data(path, node)),
            ("depth", Value::from(depth as i64)),
            ("id", id_of(node).into()),
        ];
        Value::Map(few(row.map(|(key, value)| (key.to_owned(), value))))
    }

    /// The node in a row. `O(rows)`.
    pub(super) fn row(&self, path: &Path, segment: &str) -> Option<NodeId> {
        let n = segment.parse().ok()?;
        self.outline(path)?.walk().nth(n).map(|(_, node)| node)
    }

    pub(super) fn row_value(&self, path: &Path, node: NodeId) -> Option<Value> {
        let tree = self.outline(path)?;
        Some(self.row_of_node(path, tree.nodes.ancestors(node).count(), node))
    }

    /// In which row a node stands. `O(rows)`.
    pub(super) fn row_of(&self, path: &Path, node: NodeId) -> Option<usize> {
        let tree = self.outline(path).filter(|tree| tree.nodes.contains(node))?;
        tree.walk().position(|(_, other)| other == node)
    }
}
