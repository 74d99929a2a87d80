//! The open transaction, [`Tx`], and the handles through which it edits.

mod list;
mod map;
mod marks;
mod text;

use crate::dots::{Cx, DotStore, RemovalLog};
use crate::graph::EventGraph;
use crate::hlc::Hlc;
use crate::id::{Dot, ReplicaId};
use crate::text::{Text, TextPatch};

use super::marks::Index;
use super::node::{Node, Places};
use super::path::{Key, Path, Shape};
use super::record::Record;
use super::tree::TreeMut;
use super::undo::Inverse;
use super::{Doc, Scalar, view};

pub use list::ListMut;
pub(super) use list::Spot;
pub use map::{CounterMut, ExtremeMut, FlagMut, LogMut, MapMut, SetMut};
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
///     tx.max("best").set(7); // the greatest that was ever set; `min` the least
///     tx.dw_flag("open").enable(); // a concurrent disabling wins
///     tx.rw_set("admins").insert("ada"); // a concurrent removal wins
///     tx.log("events").append("opened"); // in the order of their times
/// });
/// let json = r#"{"admins":["ada"],"best":7,"colour":["red"],"days":["Monday"],"done":true,"events":["opened"],"note":"hello","open":true,"people":{"ada":{"born":1815}},"title":"greeting","votes":2}"#;
/// assert_eq!(doc.value().to_string(), json);
/// ```
#[derive(Debug)]
pub struct Tx<'a>(MapMut<'a>);

impl<'a> Tx<'a> {
    pub(super) fn new(doc: &'a mut Doc, stamp: Hlc) -> Self {
        Tx(MapMut(Place { doc, stamp, path: Path::default() }))
    }

    /// The whole document, as a map of its roots.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| {
    ///     for (key, value) in [("a", 1), ("b", 2)] {
    ///         tx.root().put(key, value); // a map like any other
    ///     }
    /// });
    /// assert_eq!(doc.value().to_string(), r#"{"a":1,"b":2}"#);
    /// ```
    pub fn root(&mut self) -> &mut MapMut<'a> {
        &mut self.0
    }

    /// The text at a root.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| tx.text("note").insert(0, "hello"));
    /// assert_eq!(doc.text("note").unwrap().to_string(), "hello");
    /// ```
    pub fn text(&mut self, root: &str) -> TextMut<'_> {
        // Straight to the text: this is where every keystroke comes through.
        let Place { doc, stamp, .. } = &mut self.0.0;
        TextMut::open_root(doc, *stamp, root)
    }

    /// The list at a root.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| tx.list("days").push("Monday"));
    /// assert_eq!(doc.get("/days/0"), Some("Monday".into()));
    /// ```
    pub fn list(&mut self, root: &str) -> ListMut<'_> {
        self.0.list(root)
    }

    /// The tree at a root.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// use crdt::tree::Position;
    /// let chapter = doc.transact(0, |tx| tx.tree("book").create(None, Position::Last));
    /// assert!(doc.tree("book").unwrap().contains(chapter));
    /// ```
    pub fn tree(&mut self, root: &str) -> TreeMut<'_> {
        self.0.tree(root)
    }

    /// The map at a root.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| tx.map("form").put("name", "Ada"));
    /// assert_eq!(doc.get("/form/name"), Some("Ada".into()));
    /// ```
    pub fn map(&mut self, root: &str) -> MapMut<'_> {
        self.0.map(root)
    }

    /// The counter at a root.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| tx.counter("votes").add(2));
    /// assert_eq!(doc.get("/votes"), Some(2.into()));
    /// ```
    pub fn counter(&mut self, root: &str) -> CounterMut<'_> {
        self.0.counter(root)
    }

    /// The set at a root.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| tx.set("tags").insert("draft"));
    /// assert_eq!(doc.get("/tags").unwrap().to_string(), r#"["draft"]"#);
    /// ```
    pub fn set(&mut self, root: &str) -> SetMut<'_> {
        self.0.set(root)
    }

    /// The flag at a root.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| tx.flag("done").enable());
    /// assert_eq!(doc.get("/done"), Some(true.into()));
    /// ```
    pub fn flag(&mut self, root: &str) -> FlagMut<'_> {
        self.0.flag(root)
    }

    /// The flag at a root in which disabling wins over a concurrent enabling: consent, a feature that may be switched off.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId, Replicated};
    /// # let mut alice = Doc::new(ReplicaId::from_u128(1));
    /// # let mut bob = Doc::new(ReplicaId::from_u128(2));
    /// alice.transact(0, |tx| tx.dw_flag("public").enable());
    /// bob.apply(&alice.delta_since(bob.version()))?;
    /// alice.transact(1, |tx| tx.dw_flag("public").enable());
    /// bob.transact(1, |tx| tx.dw_flag("public").disable()); // at the same time
    /// alice.apply(&bob.delta_since(alice.version()))?;
    /// assert_eq!(alice.get("/public"), None); // a flag that is down is not shown
    /// # Ok::<(), crdt::ApplyError>(())
    /// ```
    pub fn dw_flag(&mut self, root: &str) -> FlagMut<'_> {
        self.0.dw_flag(root)
    }

    /// The set at a root in which removing wins over a concurrent adding: access rights, moderation.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId, Replicated};
    /// # let mut alice = Doc::new(ReplicaId::from_u128(1));
    /// # let mut bob = Doc::new(ReplicaId::from_u128(2));
    /// alice.transact(0, |tx| tx.rw_set("admins").insert("mallory"));
    /// bob.apply(&alice.delta_since(bob.version()))?;
    /// alice.transact(1, |tx| tx.rw_set("admins").remove("mallory"));
    /// bob.transact(1, |tx| tx.rw_set("admins").insert("mallory")); // at the same time
    /// alice.apply(&bob.delta_since(alice.version()))?;
    /// assert_eq!(alice.get("/admins"), None);
    /// # Ok::<(), crdt::ApplyError>(())
    /// ```
    pub fn rw_set(&mut self, root: &str) -> SetMut<'_> {
        self.0.rw_set(root)
    }

    /// The greatest number ever set at a root: a high score, a last-seen time.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId, Replicated};
    /// # let mut alice = Doc::new(ReplicaId::from_u128(1));
    /// # let mut bob = Doc::new(ReplicaId::from_u128(2));
    /// alice.transact(1, |tx| tx.max("best").set(7));
    /// bob.transact(2, |tx| tx.max("best").set(5)); // at the same time, and later by the clock
    /// alice.apply(&bob.delta_since(alice.version()))?;
    /// assert_eq!(alice.get("/best"), Some(7.into()));
    /// # Ok::<(), crdt::ApplyError>(())
    /// ```
    pub fn max(&mut self, root: &str) -> ExtremeMut<'_> {
        self.0.max(root)
    }

    /// The least number ever set at a root: a first-seen time, a lowest offer.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| tx.min("offer").set(7));
    /// doc.transact(1, |tx| tx.min("offer").set(9)); // no event
    /// assert_eq!(doc.get("/offer"), Some(7.into()));
    /// ```
    pub fn min(&mut self, root: &str) -> ExtremeMut<'_> {
        self.0.min(root)
    }

    /// The log at a root: entries of all in the order of their times.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(5, |tx| tx.log("events").append("opened"));
    /// assert_eq!(doc.get("/events").unwrap().to_string(), r#"["opened"]"#);
    /// ```
    pub fn log(&mut self, root: &str) -> LogMut<'_> {
        self.0.log(root)
    }

    /// Writes a register at a root; of concurrent writes the one with the later stamp wins.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId, Replicated};
    /// # let mut alice = Doc::new(ReplicaId::from_u128(1));
    /// # let mut bob = Doc::new(ReplicaId::from_u128(2));
    /// alice.transact(1_000, |tx| tx.put("title", "Launch"));
    /// bob.transact(2_000, |tx| tx.put("title", "Ship it"));
    /// alice.apply(&bob.delta_since(alice.version()))?;
    /// assert_eq!(alice.get("/title"), Some("Ship it".into()));
    /// # Ok::<(), crdt::ApplyError>(())
    /// ```
    pub fn put(&mut self, root: &str, value: impl Into<Scalar>) {
        self.0.put(root, value);
    }

    /// Writes a register at a root that keeps all concurrent values until the next write.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId, Replicated};
    /// # let mut alice = Doc::new(ReplicaId::from_u128(1));
    /// # let mut bob = Doc::new(ReplicaId::from_u128(2));
    /// alice.transact(1_000, |tx| tx.offer("colour", "red"));
    /// bob.transact(2_000, |tx| tx.offer("colour", "blue"));
    /// alice.apply(&bob.delta_since(alice.version()))?;
    /// assert_eq!(alice.get("/colour").unwrap().to_string(), r#"["red","blue"]"#);
    /// alice.transact(3_000, |tx| tx.offer("colour", "violet")); // settles it
    /// assert_eq!(alice.get("/colour").unwrap().to_string(), r#"["violet"]"#);
    /// # Ok::<(), crdt::ApplyError>(())
    /// ```
    pub fn offer(&mut self, root: &str, value: impl Into<Scalar>) {
        self.0.offer(root, value);
    }

    /// Takes away what is visible at a root, whatever its type, and all below it. Concurrent edits of it stay.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId, Replicated};
    /// # let mut alice = Doc::new(ReplicaId::from_u128(1));
    /// # let mut bob = Doc::new(ReplicaId::from_u128(2));
    /// alice.transact(0, |tx| tx.map("form").put("name", "Ada"));
    /// bob.apply(&alice.delta_since(bob.version()))?;
    /// alice.transact(1, |tx| tx.remove("form"));
    /// bob.transact(1, |tx| tx.map("form").put("born", 1815)); // at the same time
    /// alice.apply(&bob.delta_since(alice.version()))?;
    /// assert_eq!(alice.value().to_string(), r#"{"form":{"born":1815}}"#);
    /// # Ok::<(), crdt::ApplyError>(())
    /// ```
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
    pub(super) fn clear(&mut self) {
        if self.node().is_none() && self.doc.texts_below(&self.path).next().is_none() {
            return;
        }
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
        if key.shape == Shape::Log
            && let Some(record) = &mut self.record
        {
            record.log(path, self.tree);
        }
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

impl Place<'_> {
    /// Writes a register in which the later stamp wins. Of a greatest or least number: as it was before a removal.
    pub(super) fn put(&mut self, value: Scalar) {
        self.undoable(|place| {
            let before = match place.node() {
                Some(Node::Register(register)) => register.get().cloned(),
                _ => None,
            };
            Some(Inverse::Put { path: place.path.clone(), value: before })
        });
        self.put_unrecorded(value);
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
            let was_in = match place.node() {
                Some(Node::Set(set)) => set.contains(&member),
                Some(Node::RwSet(set)) => set.contains(&member),
                _ => false,
            };
            let (path, member) = (place.path.clone(), member.clone());
            (was_in != put_in).then_some(Inverse::Member { path, member, put_in: was_in })
        });
        self.mutate(|node, cx| match node {
            Node::Set(set) if put_in => set.insert(member, cx),
            Node::Set(set) => drop(set.remove(&member, cx)),
            Node::RwSet(set) if put_in => set.insert(member, cx),
            Node::RwSet(set) => drop(set.remove(&member, cx)),
            _ => {}
        });
    }

    pub(super) fn flag(&mut self, enable: bool) {
        self.undoable(|place| {
            let was = match place.node() {
                Some(Node::Flag(flag)) => flag.is_enabled(),
                Some(Node::DwFlag(flag)) => flag.is_enabled(),
                _ => false,
            };
            (was != enable).then_some(Inverse::Flag { path: place.path.clone(), enable: was })
        });
        self.mutate(|node, cx| match node {
            Node::Flag(flag) if enable => flag.enable(cx),
            Node::Flag(flag) => flag.disable(cx),
            Node::DwFlag(flag) if enable => flag.enable(cx),
            Node::DwFlag(flag) => flag.disable(cx),
            _ => {}
        });
    }

    /// Whether another took this member out, or without one lowered the flag here, where that wins.
    pub(super) fn is_held_back(&self, member: Option<&Scalar>) -> bool {
        let removed = match (self.node(), member) {
            (Some(Node::RwSet(set)), Some(member)) => set.0.get(member).map(|(_, removed)| removed),
            (Some(Node::DwFlag(flag)), None) => Some(&flag.0.1),
            _ => None,
        };
        removed.is_some_and(|removed| removed.iter().any(|(dot, ())| dot.replica != self.doc.author))
    }

    pub(super) fn append(&mut self, entry: Scalar) {
        self.mutate(|node, cx| {
            if let Node::Log(log) = node {
                log.append(entry, cx);
            }
        });
    }

    /// Appends an entry that was here before, or elsewhere.
    pub(super) fn append_at(&mut self, stamp: Hlc, entry: Scalar) {
        self.undoable(|place| Some(Inverse::Put { path: place.path.clone(), value: None }));
        self.mutate(|node, cx| {
            if let Node::Log(log) = node {
                log.append_at(stamp, entry, cx);
            }
        });
    }
}

impl Place<'_> {
    pub(super) fn put_unrecorded(&mut self, value: Scalar) {
        self.mutate(|node, cx| match (node, value) {
            (Node::Register(register), value) => register.set(value, cx),
            (Node::Max(register), Scalar::Int(n)) => register.set(n, cx),
            (Node::Min(register), Scalar::Int(n)) => register.set(n, cx),
            _ => {}
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
