//! The open transaction, [`Tx`], and the handles through which it edits.

mod marks;
mod text;

use crate::dots::{Cx, DotStore, RemovalLog};
use crate::graph::EventGraph;
use crate::hlc::Hlc;
use crate::id::{Dot, ReplicaId};
use crate::text::{Text, TextPatch};

use super::list::List;
use super::marks::Index;
use super::node::{Node, Places};
use super::path::{Key, Name, Path, Shape};
use super::record::Record;
use super::tree::TreeMut;
use super::undo::{Holds, Inverse};
use super::{Doc, Scalar, view};

pub use marks::RichTextError;
pub use text::TextMut;

/// An open transaction of a [`Doc`]; see [`Doc::transact`].
///
/// ```
/// # use crdt::{Doc, ReplicaId};
/// let mut doc = Doc::new(ReplicaId::from_u128(1));
/// doc.transact(1_000, |tx| {
///     tx.text("note").insert(0, "helo");
///     tx.text("note").replace(3..4, "lo");
///     tx.put("title", "greeting"); // the later write wins
///     tx.offer("colour", "red"); // concurrent writes all stay
///     tx.counter("votes").add(2);
///     tx.set("tags").insert("draft");
///     tx.set("tags").remove("draft");
///     tx.flag("done").enable();
///     tx.map("people").map("ada").put("born", 1815);
///     tx.map("people").remove("bob"); // not there: no event
///     tx.list("days").push("Monday");
/// });
/// let json = r#"{"colour":["red"],"days":["Monday"],"done":true,"note":"hello","people":{"ada":{"born":1815}},"title":"greeting","votes":2}"#;
/// assert_eq!(doc.value().to_string(), json);
/// ```
#[derive(Debug)]
pub struct Tx<'a>(MapMut<'a>);

impl<'a> Tx<'a> {
    pub(super) fn new(doc: &'a mut Doc, stamp: Hlc) -> Self {
        Tx(MapMut(Place { doc, stamp, path: Path::default() }))
    }

    /// The whole document, as a map of its roots.
    pub fn root(&mut self) -> &mut MapMut<'a> {
        &mut self.0
    }

    /// The text at a root.
    pub fn text(&mut self, root: &str) -> TextMut<'_> {
        // Straight to the text: this is where every keystroke comes through.
        let Place { doc, stamp, .. } = &mut self.0.0;
        TextMut::open_root(doc, *stamp, root)
    }

    /// The list at a root.
    pub fn list(&mut self, root: &str) -> ListMut<'_> {
        self.0.list(root)
    }

    /// The tree at a root.
    pub fn tree(&mut self, root: &str) -> TreeMut<'_> {
        self.0.tree(root)
    }

    /// The map at a root.
    pub fn map(&mut self, root: &str) -> MapMut<'_> {
        self.0.map(root)
    }

    /// The counter at a root.
    pub fn counter(&mut self, root: &str) -> CounterMut<'_> {
        self.0.counter(root)
    }

    /// The set at a root.
    pub fn set(&mut self, root: &str) -> SetMut<'_> {
        self.0.set(root)
    }

    /// The flag at a root.
    pub fn flag(&mut self, root: &str) -> FlagMut<'_> {
        self.0.flag(root)
    }

    /// Writes a register at a root; of concurrent writes the one with the later stamp wins.
    pub fn put(&mut self, root: &str, value: impl Into<Scalar>) {
        self.0.put(root, value);
    }

    /// Writes a register at a root that keeps all concurrent values until the next write.
    pub fn offer(&mut self, root: &str, value: impl Into<Scalar>) {
        self.0.offer(root, value);
    }

    /// Takes away what is visible at a root, whatever its type, and all below it. Concurrent edits of it stay.
    pub fn remove(&mut self, root: &str) {
        self.0.remove(root);
    }

    pub(super) fn place(&mut self, path: &Path) -> Place<'_> {
        Place { path: path.clone(), ..self.0.0.here() }
    }
}

/// A place in the tree of a document under edit.
#[derive(Debug)]
pub(super) struct Place<'a> {
    doc: &'a mut Doc,
    stamp: Hlc,
    path: Path,
}

impl<'a> Place<'a> {
    pub(super) fn here(&mut self) -> Place<'_> {
        Place { doc: self.doc, stamp: self.stamp, path: self.path.clone() }
    }

    /// The place `key` below this one, borrowing it for one edit.
    pub(super) fn child(&mut self, key: Key) -> Place<'_> {
        // Deeper places could be made here but not read from bytes elsewhere.
        assert!(self.path.depth() < Doc::MAX_DEPTH, "a document nests at most {} levels", Doc::MAX_DEPTH);
        Place { doc: self.doc, stamp: self.stamp, path: self.path.child(key) }
    }

    pub(super) fn doc(&self) -> &Doc {
        self.doc
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn node(&self) -> Option<&Node> {
        self.doc.node(self.path.keys())
    }

    /// Runs a mutator on the node at this place; its dots become events, its removals are noted.
    pub(super) fn mutate(&mut self, mutate: impl FnOnce(&mut Node, &mut Cx)) {
        let Doc { author, graph, tree, removals, record, .. } = &mut *self.doc;
        let record = record.as_deref_mut();
        let mut edit = Edit { author: *author, stamp: self.stamp, graph, tree, removals, record };
        edit.mutate(&self.path, mutate);
    }

    /// Notes how to undo what is about to be done; costs nothing when nobody wants to undo.
    pub(super) fn undoable(&mut self, inverse: impl FnOnce(&Self) -> Option<Inverse>) {
        if self.doc.record.as_deref().is_some_and(Record::wants_inverses)
            && let Some(inverse) = inverse(self)
            && let Some(record) = &mut self.doc.record
        {
            record.inverse(inverse);
        }
    }

    /// Takes away all that is visible at this place and below it.
    fn clear(&mut self) {
        self.undoable(|place| Inverse::restore(place.doc, &place.path));
        let path = self.path.clone();
        self.clear_texts(&path);
        self.touch_tree();
        self.mutate(|node, cx| node.clear(cx));
    }

    /// Deletes all texts at a path and below it, and ends their marks. Empties the lists there.
    pub(super) fn clear_texts(&mut self, path: &Path) {
        let below: Vec<Path> = self.doc.texts_below(path).cloned().collect();
        for path in below {
            let len = self.doc.texts.get(&path).map_or(0, Text::len);
            let Doc { record, tree, texts, .. } = &mut *self.doc;
            match record {
                Some(record) if path.is_list() => record.list(&path, tree, texts),
                Some(record) if len > 0 => record.text(&path, TextPatch::Delete { pos: 0, len }),
                _ => {}
            }
            let mut text = Place { doc: self.doc, stamp: self.stamp, path }.into_text();
            text.delete_unrecorded(0..len);
            text.end_marks();
        }
    }

    pub(super) fn into_text(self) -> TextMut<'a> {
        TextMut::open(self.doc, self.stamp, &self.path)
    }
}

/// What an edit changes of a document besides its texts.
#[derive(Debug)]
struct Edit<'a> {
    author: ReplicaId,
    stamp: Hlc,
    graph: &'a mut EventGraph,
    tree: &'a mut Places,
    removals: &'a mut RemovalLog,
    /// What the transaction did so far; only when someone wants to know.
    record: Option<&'a mut Record>,
}

impl Edit<'_> {
    /// Runs a mutator on the node at a path; its dots become events, its removals are noted.
    fn mutate(&mut self, path: &Path, mutate: impl FnOnce(&mut Node, &mut Cx)) {
        let Some((above, key)) = path.parent() else { return };
        let before = self.record.as_ref().and_then(|record| record.before(path, self.tree));
        let mut cx = Cx::new(self.author, self.graph.version().get(self.author), self.stamp);
        at(self.tree, above, key, &mut cx, mutate);
        let (used, removed) = (cx.used(), cx.removed());
        if let Some(span) = cx.span() {
            self.graph.append(self.author, used);
            self.removals.record_causal(Dot::new(self.author, span.to), removed, self.graph.forgotten());
            if let Some(record) = &mut self.record {
                record.touch(path, before);
            }
        }
    }

    /// The marks of the text at a path, in the order of the text.
    fn index(&self, path: &Path, text: &Text) -> Index {
        Index::new(view::marks_at(self.tree, path), text)
    }
}

/// Runs a mutator on the node at a path, making what is missing on the way.
fn at(places: &mut Places, above: &[Key], key: &Key, cx: &mut Cx, mutate: impl FnOnce(&mut Node, &mut Cx)) {
    let Some((first, rest)) = above.split_first() else {
        return places.update(key.clone(), cx, |node, cx| mutate(node.shaped(key.shape), cx));
    };
    places.update(first.clone(), cx, |node, cx| below(node.shaped(first.shape), rest, key, cx, mutate));
}

fn below(node: &mut Node, above: &[Key], key: &Key, cx: &mut Cx, mutate: impl FnOnce(&mut Node, &mut Cx)) {
    match (node, above.split_first()) {
        (Node::Map(places), _) => at(places, above, key, cx, mutate),
        (Node::List(list), None) => {
            list.update(key.clone(), cx, |node, cx| mutate(node.shaped(key.shape), cx));
        }
        (Node::List(list), Some((first, rest))) => {
            list.update(first.clone(), cx, |node, cx| below(node.shaped(first.shape), rest, key, cx, mutate));
        }
        (Node::Tree(tree), _) => at(tree.items_mut(), above, key, cx, mutate),
        _ => {}
    }
}

/// A map under edit.
///
/// ```
/// # use crdt::{Doc, ReplicaId};
/// # let mut doc = Doc::new(ReplicaId::from_u128(1));
/// doc.transact(0, |tx| {
///     let mut form = tx.map("form");
///     form.put("name", "Ada");
///     form.offer("colour", "red");
///     form.counter("visits").add(1);
///     form.set("tags").insert("new");
///     form.flag("done").enable();
///     form.text("note").insert(0, "hi");
///     form.list("days").push("Monday");
///     form.map("address").put("city", "Lund");
///     form.remove("name");
/// });
/// let json = r#"{"address":{"city":"Lund"},"colour":["red"],"days":["Monday"],"done":true,"note":"hi","tags":["new"],"visits":1}"#;
/// assert_eq!(doc.get("/form").unwrap().to_string(), json);
/// ```
#[derive(Debug)]
pub struct MapMut<'a>(pub(super) Place<'a>);

impl MapMut<'_> {
    fn key(&mut self, key: &str, shape: Shape) -> Place<'_> {
        self.0.child(Key::new(key, shape))
    }

    /// Writes a register; of concurrent writes the one with the later stamp wins.
    pub fn put(&mut self, key: &str, value: impl Into<Scalar>) {
        self.key(key, Shape::Register).put(value.into());
    }

    /// Writes a register that keeps all concurrent values until the next write.
    pub fn offer(&mut self, key: &str, value: impl Into<Scalar>) {
        self.key(key, Shape::Values).offer(value.into());
    }

    /// Takes away what is visible under a key, whatever its type, and all below it. Concurrent edits of it
    /// stay.
    pub fn remove(&mut self, key: &str) {
        for key in Key::all_named(&Name::from(key)) {
            self.0.child(key).clear();
        }
    }

    /// The text under a key.
    pub fn text(&mut self, key: &str) -> TextMut<'_> {
        self.key(key, Shape::Text).into_text()
    }

    /// The list under a key.
    pub fn list(&mut self, key: &str) -> ListMut<'_> {
        ListMut(self.key(key, Shape::List))
    }

    /// The tree under a key.
    pub fn tree(&mut self, key: &str) -> TreeMut<'_> {
        TreeMut(self.key(key, Shape::Tree))
    }

    /// The map under a key.
    pub fn map(&mut self, key: &str) -> MapMut<'_> {
        MapMut(self.key(key, Shape::Map))
    }

    /// The counter under a key.
    pub fn counter(&mut self, key: &str) -> CounterMut<'_> {
        CounterMut(self.key(key, Shape::Counter))
    }

    /// The set under a key.
    pub fn set(&mut self, key: &str) -> SetMut<'_> {
        SetMut(self.key(key, Shape::Set))
    }

    /// The flag under a key.
    pub fn flag(&mut self, key: &str) -> FlagMut<'_> {
        FlagMut(self.key(key, Shape::Flag))
    }
}

impl Place<'_> {
    /// Writes a register in which the later stamp wins.
    pub(super) fn put(&mut self, value: Scalar) {
        self.undoable(|place| {
            let before = match place.node() {
                Some(Node::Register(register)) => register.get().cloned(),
                _ => None,
            };
            Some(Inverse::Put { path: place.path.clone(), value: before })
        });
        self.mutate(|node, cx| {
            if let Node::Register(register) = node {
                register.set(value, cx);
            }
        });
    }

    /// Writes a register that keeps what is concurrent.
    pub(super) fn offer(&mut self, value: Scalar) {
        self.undoable(|place| {
            let before = match place.node() {
                Some(Node::Values(register)) => register.iter().next().cloned(),
                _ => None,
            };
            Some(Inverse::Offer { path: place.path.clone(), value: before })
        });
        self.mutate(|node, cx| {
            if let Node::Values(register) = node {
                register.set(value, cx);
            }
        });
    }

    /// Takes away the plain value here.
    pub(super) fn clear_leaf(&mut self) {
        self.clear();
    }

    pub(super) fn add(&mut self, n: i64) {
        self.undoable(|place| Some(Inverse::Add { path: place.path.clone(), n: n.checked_neg()? }));
        self.mutate(|node, cx| {
            if let Node::Counter(counter) = node {
                counter.add(n, cx);
            }
        });
    }

    pub(super) fn member(&mut self, member: Scalar, put_in: bool) {
        self.undoable(|place| {
            let was_in = matches!(place.node(), Some(Node::Set(set)) if set.contains(&member));
            let (path, member) = (place.path.clone(), member.clone());
            (was_in != put_in).then_some(Inverse::Member { path, member, put_in: was_in })
        });
        self.mutate(|node, cx| match node {
            Node::Set(set) if put_in => set.insert(member, cx),
            Node::Set(set) => drop(set.remove(&member, cx)),
            _ => {}
        });
    }

    pub(super) fn flag(&mut self, enable: bool) {
        self.undoable(|place| {
            let was = matches!(place.node(), Some(Node::Flag(flag)) if flag.is_enabled());
            (was != enable).then_some(Inverse::Flag { path: place.path.clone(), enable: was })
        });
        self.mutate(|node, cx| match node {
            Node::Flag(flag) if enable => flag.enable(cx),
            Node::Flag(flag) => flag.disable(cx),
            _ => {}
        });
    }
}

/// A counter under edit.
///
/// ```
/// # use crdt::{Doc, ReplicaId, Replicated};
/// # let mut alice = Doc::new(ReplicaId::from_u128(1));
/// # let mut bob = Doc::new(ReplicaId::from_u128(2));
/// alice.transact(0, |tx| tx.counter("votes").add(3));
/// bob.transact(0, |tx| tx.counter("votes").add(-1));
/// alice.apply(&bob.delta_since(alice.version()))?;
/// assert_eq!(alice.get("/votes"), Some(2.into()));
/// # Ok::<(), crdt::ApplyError>(())
/// ```
#[derive(Debug)]
pub struct CounterMut<'a>(Place<'a>);

impl CounterMut<'_> {
    /// Adds `n`, which may be negative.
    pub fn add(&mut self, n: i64) {
        self.0.add(n);
    }
}

/// A set under edit.
///
/// ```
/// # use crdt::{Doc, ReplicaId, Replicated};
/// # let mut alice = Doc::new(ReplicaId::from_u128(1));
/// # let mut bob = Doc::new(ReplicaId::from_u128(2));
/// alice.transact(0, |tx| tx.set("tags").insert("a"));
/// bob.apply(&alice.delta_since(bob.version()))?;
/// alice.transact(0, |tx| tx.set("tags").remove("a"));
/// bob.transact(0, |tx| tx.set("tags").insert("a")); // adding beats a concurrent removing
/// alice.apply(&bob.delta_since(alice.version()))?;
/// assert_eq!(alice.get("/tags").unwrap().to_string(), r#"["a"]"#);
/// # Ok::<(), crdt::ApplyError>(())
/// ```
#[derive(Debug)]
pub struct SetMut<'a>(Place<'a>);

impl SetMut<'_> {
    /// Puts a member in.
    pub fn insert(&mut self, member: impl Into<Scalar>) {
        self.0.member(member.into(), true);
    }

    /// Takes a member out, as far as it is here; a concurrent insertion of it stays.
    pub fn remove(&mut self, member: impl Into<Scalar>) {
        self.0.member(member.into(), false);
    }
}

/// A flag under edit.
///
/// ```
/// # use crdt::{Doc, ReplicaId, Replicated};
/// # let mut alice = Doc::new(ReplicaId::from_u128(1));
/// # let mut bob = Doc::new(ReplicaId::from_u128(2));
/// alice.transact(0, |tx| tx.flag("done").enable());
/// bob.apply(&alice.delta_since(bob.version()))?;
/// alice.transact(0, |tx| tx.flag("done").disable());
/// bob.transact(0, |tx| tx.flag("done").enable()); // enabling beats a concurrent disabling
/// alice.apply(&bob.delta_since(alice.version()))?;
/// assert_eq!(alice.get("/done"), Some(true.into()));
/// # Ok::<(), crdt::ApplyError>(())
/// ```
#[derive(Debug)]
pub struct FlagMut<'a>(Place<'a>);

impl FlagMut<'_> {
    /// Raises the flag.
    pub fn enable(&mut self) {
        self.0.flag(true);
    }

    /// Lowers the flag, as far as it was seen raised; a concurrent raising stays.
    pub fn disable(&mut self) {
        self.0.flag(false);
    }
}

/// Where in its order an element of a list goes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Spot {
    /// Before the placeholder at this position.
    At(usize),
    /// Where a placeholder stood, with the one that stood left of it.
    Again { slot: Dot, left: Option<Dot> },
}

/// A list under edit. Its elements are plain values, texts, maps and lists; each can be moved.
///
/// | A | B, concurrently | both |
/// |---|---|---|
/// | insert at a place | insert at that place | both, those of one in one piece |
/// | move an element | move it elsewhere | it stands once, where the later stamp put it |
/// | remove an element | edit it, or below it | it is removed |
/// | remove an element | move it | it is removed, unless B also wrote into it |
/// | move an element | edit it, or below it | both |
///
/// `O(log n)` for each edit, and what concurrent moves of one element left behind.
///
/// ```
/// # use crdt::{Doc, ReplicaId, Replicated};
/// let mut alice = Doc::new(ReplicaId::from_u128(1));
/// let mut bob = Doc::new(ReplicaId::from_u128(2));
/// alice.transact(1_000, |tx| {
///     let mut todo = tx.list("todo");
///     todo.push("milk");
///     todo.push_map().put("what", "bread");
///     todo.push("tea");
/// });
/// bob.apply(&alice.delta_since(bob.version()))?;
/// alice.transact(2_000, |tx| tx.list("todo").move_to(2, 0)); // tea first
/// bob.transact(2_000, |tx| tx.list("todo").map(1).unwrap().put("done", true));
/// alice.apply(&bob.delta_since(alice.version()))?;
/// assert_eq!(alice.value().to_string(), r#"{"todo":["tea","milk",{"done":true,"what":"bread"}]}"#);
/// # Ok::<(), crdt::ApplyError>(())
/// ```
#[derive(Debug)]
pub struct ListMut<'a>(pub(super) Place<'a>);

impl ListMut<'_> {
    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.view(|list, order| list.len(order))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Inserts a plain value before the element at `index`; past the end means at the end.
    pub fn insert(&mut self, index: usize, value: impl Into<Scalar>) {
        self.insert_at(Spot::At(self.position(index)), Holds::Plain(value.into()));
    }

    /// Appends a plain value.
    pub fn push(&mut self, value: impl Into<Scalar>) {
        self.insert(usize::MAX, value);
    }

    /// Inserts an empty map before the element at `index`; past the end means at the end.
    pub fn insert_map(&mut self, index: usize) -> MapMut<'_> {
        let element = self.insert_container(index, Shape::Map);
        MapMut(self.item(element, Shape::Map))
    }

    /// Appends an empty map.
    pub fn push_map(&mut self) -> MapMut<'_> {
        self.insert_map(usize::MAX)
    }

    /// Inserts an empty text before the element at `index`; past the end means at the end.
    pub fn insert_text(&mut self, index: usize) -> TextMut<'_> {
        let element = self.insert_container(index, Shape::Text);
        self.item(element, Shape::Text).into_text()
    }

    /// Appends an empty text.
    pub fn push_text(&mut self) -> TextMut<'_> {
        self.insert_text(usize::MAX)
    }

    /// Inserts an empty list before the element at `index`; past the end means at the end.
    pub fn insert_list(&mut self, index: usize) -> ListMut<'_> {
        let element = self.insert_container(index, Shape::List);
        ListMut(self.item(element, Shape::List))
    }

    /// Appends an empty list.
    pub fn push_list(&mut self) -> ListMut<'_> {
        self.insert_list(usize::MAX)
    }

    /// Writes a plain value in place of that of the element at `index`; whether there is such an element.
    pub fn put(&mut self, index: usize, value: impl Into<Scalar>) -> bool {
        let element = self.element(index);
        if let Some(element) = element {
            self.item(element, Shape::Register).put(value.into());
        }
        element.is_some()
    }

    /// The map that the element at `index` holds; `None` when there is no such element.
    pub fn map(&mut self, index: usize) -> Option<MapMut<'_>> {
        let element = self.element(index)?;
        Some(MapMut(self.item(element, Shape::Map)))
    }

    /// The text that the element at `index` holds; `None` when there is no such element.
    pub fn text(&mut self, index: usize) -> Option<TextMut<'_>> {
        let element = self.element(index)?;
        Some(self.item(element, Shape::Text).into_text())
    }

    /// The list that the element at `index` holds; `None` when there is no such element.
    pub fn list(&mut self, index: usize) -> Option<ListMut<'_>> {
        let element = self.element(index)?;
        Some(ListMut(self.item(element, Shape::List)))
    }

    /// Takes the element at `index` out, with all below it; whether there was one.
    pub fn remove(&mut self, index: usize) -> bool {
        let element = self.element(index);
        if let Some(element) = element {
            self.remove_element(element);
        }
        element.is_some()
    }

    /// Moves the element at `from` so that it stands at `to` afterwards; whether there was one. Past the end
    /// means to the end.
    pub fn move_to(&mut self, from: usize, to: usize) -> bool {
        let Some(element) = self.element(from) else { return false };
        // Counted without the element itself, which still stands where it was.
        let before = if to < from { to } else { to.saturating_add(1) };
        let pos = self.position(before);
        if from != to {
            self.move_element(element, Spot::At(pos));
        }
        true
    }

    fn view<R>(&self, read: impl FnOnce(&List, &Text) -> R) -> R {
        let (nothing, no_text) = (List::default(), Text::default());
        let list = match self.0.node() {
            Some(Node::List(list)) => list,
            _ => &nothing,
        };
        read(list, self.0.doc.texts.get(&self.0.path).unwrap_or(&no_text))
    }

    fn position(&self, index: usize) -> usize {
        self.view(|list, order| list.position(order, index))
    }

    pub(super) fn element(&self, index: usize) -> Option<Dot> {
        self.view(|list, order| list.element(order.dot_at(list.position(order, index))?))
    }

    fn item(&mut self, element: Dot, shape: Shape) -> Place<'_> {
        self.0.child(Key::item(element, shape))
    }

    fn order(&mut self) -> TextMut<'_> {
        self.0.here().into_text()
    }

    /// Puts an element in at a position of the order. Its first event writes what it holds, the second its
    /// placeholder: no difference, wherever it is cut, shows an element that holds nothing.
    pub(super) fn insert_at(&mut self, spot: Spot, holds: Holds) -> Dot {
        let element = self.0.doc.next_event(2);
        match holds {
            Holds::Plain(value) => self.item(element, Shape::Register).put_unrecorded(value),
            Holds::Container(kind) => self.item(element, Shape::Present).mutate(|node, cx| {
                if let Node::Present(present) = node {
                    present.set(kind as u64, cx);
                }
            }),
        }
        self.0.touch_list();
        let at = self.order().put_placeholder(spot);
        debug_assert_eq!(at, element, "the element is named by the event that places it");
        self.0.undoable(|place| Some(Inverse::RemoveElement { list: place.path.clone(), element }));
        element
    }

    fn insert_container(&mut self, index: usize, kind: Shape) -> Dot {
        self.insert_at(Spot::At(self.position(index)), Holds::Container(kind))
    }

    /// Whether an element is in the list.
    pub(super) fn has(&self, element: Dot) -> bool {
        self.view(|list, order| list.place(order, element).is_some_and(|(_, here)| here))
    }

    pub(super) fn remove_element(&mut self, element: Dot) {
        self.0.touch_list();
        self.0.undoable(|place| Inverse::restore_element(place.doc, &place.path, element));
        for slot in self.view(|list, _| list.all_slots(element)) {
            self.delete_placeholder(slot);
        }
        for key in Key::all_named(&Name::Item(element)).filter(|key| key.shape.nests() || key.is_text()) {
            let below = self.0.path.child(key);
            self.0.clear_texts(&below);
        }
        self.0.here().mutate(|node, cx| {
            if let Node::List(list) = node {
                list.clear_element(element, cx);
            }
        });
    }

    pub(super) fn move_element(&mut self, element: Dot, spot: Spot) {
        self.0.touch_list();
        let (old, slots) = self.view(|list, _| (list.slot(element), list.all_slots(element)));
        self.0.undoable(|place| {
            let (list, slot) = (place.path.clone(), old);
            Some(Inverse::MoveBack { left: place.doc.left_of(&list, slot), list, element, slot })
        });
        let slot = self.order().put_placeholder(spot);
        slots.into_iter().for_each(|old| self.delete_placeholder(old));
        self.0.here().mutate(|node, cx| {
            if let Node::List(list) = node {
                list.set_slot(element, slot, cx);
            }
        });
    }

    fn delete_placeholder(&mut self, slot: Dot) {
        let mut order = self.order();
        if let Some((pos, true)) = order.text.place_of(slot) {
            order.delete_unrecorded(pos..pos + 1);
        }
    }
}

impl Place<'_> {
    fn put_unrecorded(&mut self, value: Scalar) {
        self.mutate(|node, cx| {
            if let Node::Register(register) = node {
                register.set(value, cx);
            }
        });
    }

    /// Notes how the tree here was before it changes, if there is one.
    pub(super) fn touch_tree(&mut self) {
        let Doc { record, tree, .. } = &mut *self.doc;
        if let Some(record) = record {
            record.tree(&self.path, tree);
        }
    }

    /// Notes how the list here was before it changes.
    fn touch_list(&mut self) {
        let Doc { record, tree, texts, .. } = &mut *self.doc;
        if let Some(record) = record {
            record.list(&self.path, tree, texts);
        }
    }
}
