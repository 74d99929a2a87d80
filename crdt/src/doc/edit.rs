//! The open transaction, [`Tx`], and the handles through which it edits.

use std::ops::Range;

use crate::dots::{Cx, DotStore};
use crate::graph::EventGraph;
use crate::hlc::Hlc;
use crate::id::{Dot, ReplicaId, Span};
use crate::text::{Text, TextChange};

use super::node::{Key, Node, Places, Shape};
use super::{Doc, Scalar};

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
/// });
/// let json = r#"{"colour":["red"],"done":true,"note":"hello","people":{"ada":{"born":1815}},"title":"greeting","votes":2}"#;
/// assert_eq!(doc.value().to_string(), json);
/// ```
#[derive(Debug)]
pub struct Tx<'a> {
    doc: &'a mut Doc,
    stamp: Hlc,
}

impl<'a> Tx<'a> {
    pub(super) fn new(doc: &'a mut Doc, now_ms: u64) -> Self {
        Tx { doc, stamp: Hlc::new(now_ms, 0) }
    }

    /// The text at a root.
    pub fn text(&mut self, root: &str) -> TextMut<'_> {
        let author = self.doc.author;
        // A name is copied once, not with every keystroke.
        if !self.doc.texts.contains_key(root) {
            self.doc.texts.insert(root.to_owned(), Text::default());
        }
        let Some(text) = self.doc.texts.get_mut(root) else { unreachable!("it was put there") };
        TextMut { author, graph: &mut self.doc.graph, text }
    }

    /// The map at a root.
    pub fn map(&mut self, root: &str) -> MapMut<'_> {
        self.top().into_map(root)
    }

    /// The counter at a root.
    pub fn counter(&mut self, root: &str) -> CounterMut<'_> {
        CounterMut(self.top().into_place(root, Shape::Counter))
    }

    /// The set at a root.
    pub fn set(&mut self, root: &str) -> SetMut<'_> {
        SetMut(self.top().into_place(root, Shape::Set))
    }

    /// The flag at a root.
    pub fn flag(&mut self, root: &str) -> FlagMut<'_> {
        FlagMut(self.top().into_place(root, Shape::Flag))
    }

    /// Writes a register at a root; of concurrent writes the one with the later stamp wins.
    pub fn put(&mut self, root: &str, value: impl Into<Scalar>) {
        self.map_of_roots().put(root, value);
    }

    /// Writes a register at a root that keeps all concurrent values until the next write.
    pub fn offer(&mut self, root: &str, value: impl Into<Scalar>) {
        self.map_of_roots().offer(root, value);
    }

    /// Takes away what is visible at a root, whatever its type; text is emptied. Concurrent edits of it stay.
    pub fn remove(&mut self, root: &str) {
        if self.doc.texts.contains_key(root) {
            let mut text = self.text(root);
            let all = 0..text.len();
            text.delete(all);
        }
        self.map_of_roots().remove(root);
    }

    fn top(&mut self) -> Place<'_> {
        Place { doc: self.doc, stamp: self.stamp, path: Vec::new() }
    }

    fn map_of_roots(&mut self) -> MapMut<'_> {
        MapMut(self.top())
    }
}

/// A place in the tree of a document under edit.
#[derive(Debug)]
struct Place<'a> {
    doc: &'a mut Doc,
    stamp: Hlc,
    path: Vec<Key>,
}

impl<'a> Place<'a> {
    fn into_place(mut self, name: &str, shape: Shape) -> Self {
        // Deeper places could be made here but not read from bytes elsewhere.
        assert!(self.path.len() < Doc::MAX_DEPTH, "a document nests at most {} maps", Doc::MAX_DEPTH);
        self.path.push(Key::new(name, shape));
        self
    }

    fn into_map(self, name: &str) -> MapMut<'a> {
        MapMut(self.into_place(name, Shape::Map))
    }

    /// The place of `name` within this map, borrowing it for one edit.
    fn child(&mut self, name: &str, shape: Shape) -> Place<'_> {
        Place { doc: self.doc, stamp: self.stamp, path: self.path.clone() }.into_place(name, shape)
    }

    /// Runs a mutator on the node at this place; its dots become events, its removals are noted.
    fn mutate(&mut self, mutate: impl FnOnce(&mut Node, &mut Cx)) {
        let doc = &mut *self.doc;
        let seen = doc.graph.version().get(doc.author);
        let mut cx = Cx::new(doc.author, seen, self.stamp);
        at(&mut doc.tree, &self.path, &mut cx, mutate);
        if let Some(span) = cx.span() {
            doc.graph.append(doc.author, cx.used());
            doc.removals.record(Dot::new(doc.author, span.to), cx.removed());
        }
    }
}

fn at(places: &mut Places, path: &[Key], cx: &mut Cx, mutate: impl FnOnce(&mut Node, &mut Cx)) {
    let Some((key, rest)) = path.split_first() else { return };
    places.update(key.clone(), cx, |node, cx| match node.shaped(key.shape) {
        Node::Map(inner) if !rest.is_empty() => at(inner, rest, cx, mutate),
        node => mutate(node, cx),
    });
}

/// A text under edit. Positions count characters (Unicode scalar values).
#[derive(Debug)]
pub struct TextMut<'a> {
    author: ReplicaId,
    graph: &'a mut EventGraph,
    text: &'a mut Text,
}

impl TextMut<'_> {
    /// How many characters there are.
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Inserts before the character at `pos`; past the end means at the end.
    pub fn insert(&mut self, pos: usize, s: &str) {
        let count = s.chars().count();
        if count > 0 {
            let first = self.graph.append(self.author, count as u64);
            self.text.insert(self.author, first, pos.min(self.text.len()), s, count);
        }
    }

    /// Deletes the characters in `range`, as far as they exist.
    pub fn delete(&mut self, range: Range<usize>) {
        let range = range.start..range.end.min(self.len());
        if !range.is_empty() {
            let first = self.graph.append(self.author, range.len() as u64);
            self.text.delete(self.author, first, range.start, range.len());
        }
    }

    /// Takes back what a run of events did to this text: deletes what they inserted and is still there, and
    /// inserts anew, where it stood, what they deleted and they did not insert themselves. The events of that,
    /// taken back in turn, are a redo. What others did since stays.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId, Replicated, Span};
    /// let author = ReplicaId::from_u128(1);
    /// let mut doc = Doc::new(author);
    /// doc.transact(0, |tx| tx.text("note").insert(0, "one two"));
    /// let after = doc.version().get(author);
    /// doc.transact(0, |tx| tx.text("note").replace(4..7, "2"));
    /// let to = doc.version().get(author);
    /// doc.transact(0, |tx| tx.text("note").undo(Span { replica: author, after, to }));
    /// assert_eq!(doc.text("note").unwrap().to_string(), "one two");
    /// ```
    pub fn undo(&mut self, events: Span) {
        let own = |dot: &Dot| dot.replica == events.replica && events.after < dot.seq && dot.seq <= events.to;
        let mut deleted = Vec::new();
        for change in self.text.changes(events) {
            match change {
                TextChange::Insert { chars, .. } => self.take_out(chars),
                TextChange::Delete { chars, text } => {
                    let dots = (chars.after + 1..=chars.to).map(|seq| Dot::new(chars.replica, seq));
                    let dots: Vec<_> = dots.zip(text.chars()).filter(|(dot, _)| !own(dot)).collect();
                    deleted.extend(dots);
                }
            }
        }
        self.text.sort(&mut deleted);
        self.put_back(&deleted);
    }

    /// Deletes those of these characters that are visible.
    fn take_out(&mut self, chars: Span) {
        for seq in (chars.after + 1..=chars.to).rev() {
            if let Some(pos) = self.text.position_of(Dot::new(chars.replica, seq)) {
                self.delete(pos..pos + 1);
            }
        }
    }

    /// Inserts copies of these characters, which are deleted and in the order of the text, where they stood.
    fn put_back(&mut self, deleted: &[(Dot, char)]) {
        let place = |text: &Text, dot| text.place_of(dot).map_or(0, |(pos, _)| pos);
        let (mut copy, mut at) = (String::new(), 0);
        for &(dot, c) in deleted {
            if at != place(self.text, dot) {
                self.insert(at, &copy);
                copy.clear();
                at = place(self.text, dot);
            }
            copy.push(c);
        }
        self.insert(at, &copy);
    }

    /// Deletes the characters in `range` and inserts `s` there.
    pub fn replace(&mut self, range: Range<usize>, s: &str) {
        self.delete(range.clone());
        self.insert(range.start, s);
    }
}

/// A map under edit.
#[derive(Debug)]
pub struct MapMut<'a>(Place<'a>);

impl MapMut<'_> {
    /// Writes a register; of concurrent writes the one with the later stamp wins.
    pub fn put(&mut self, key: &str, value: impl Into<Scalar>) {
        let value = value.into();
        self.0.child(key, Shape::Register).mutate(|node, cx| {
            if let Node::Register(register) = node {
                register.set(value, cx);
            }
        });
    }

    /// Writes a register that keeps all concurrent values until the next write.
    pub fn offer(&mut self, key: &str, value: impl Into<Scalar>) {
        let value = value.into();
        self.0.child(key, Shape::Values).mutate(|node, cx| {
            if let Node::Values(register) = node {
                register.set(value, cx);
            }
        });
    }

    /// Takes away what is visible under a key, whatever its type. Concurrent edits of it stay.
    pub fn remove(&mut self, key: &str) {
        for shape in Key::all_named(key).map(|key| key.shape) {
            self.0.child(key, shape).mutate(|node, cx| node.clear(cx));
        }
    }

    /// The map under a key.
    pub fn map(&mut self, key: &str) -> MapMut<'_> {
        MapMut(self.0.child(key, Shape::Map))
    }

    /// The counter under a key.
    pub fn counter(&mut self, key: &str) -> CounterMut<'_> {
        CounterMut(self.0.child(key, Shape::Counter))
    }

    /// The set under a key.
    pub fn set(&mut self, key: &str) -> SetMut<'_> {
        SetMut(self.0.child(key, Shape::Set))
    }

    /// The flag under a key.
    pub fn flag(&mut self, key: &str) -> FlagMut<'_> {
        FlagMut(self.0.child(key, Shape::Flag))
    }
}

/// A counter under edit.
#[derive(Debug)]
pub struct CounterMut<'a>(Place<'a>);

impl CounterMut<'_> {
    /// Adds `n`, which may be negative.
    pub fn add(&mut self, n: i64) {
        self.0.mutate(|node, cx| {
            if let Node::Counter(counter) = node {
                counter.add(n, cx);
            }
        });
    }
}

/// A set under edit.
#[derive(Debug)]
pub struct SetMut<'a>(Place<'a>);

impl SetMut<'_> {
    /// Puts a member in.
    pub fn insert(&mut self, member: impl Into<Scalar>) {
        let member = member.into();
        self.0.mutate(|node, cx| {
            if let Node::Set(set) = node {
                set.insert(member, cx);
            }
        });
    }

    /// Takes a member out, as far as it is here; a concurrent insertion of it stays.
    pub fn remove(&mut self, member: impl Into<Scalar>) {
        let member = member.into();
        self.0.mutate(|node, cx| {
            if let Node::Set(set) = node {
                set.remove(&member, cx);
            }
        });
    }
}

/// A flag under edit.
#[derive(Debug)]
pub struct FlagMut<'a>(Place<'a>);

impl FlagMut<'_> {
    /// Raises the flag.
    pub fn enable(&mut self) {
        self.0.mutate(|node, cx| {
            if let Node::Flag(flag) = node {
                flag.enable(cx);
            }
        });
    }

    /// Lowers the flag, as far as it was seen raised; a concurrent raising stays.
    pub fn disable(&mut self) {
        self.0.mutate(|node, cx| {
            if let Node::Flag(flag) = node {
                flag.disable(cx);
            }
        });
    }
}
