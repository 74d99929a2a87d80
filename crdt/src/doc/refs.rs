//! [`Ref`]: reading a document step by step, with typed steps and typed values.

use crate::log::Log;
use crate::text::Text;

use super::path::point;
use super::{Doc, Scalar, TreeView, Value};

/// A step of a path: a name in a map, or an index in a list.
///
/// ```
/// # use crdt::{Doc, ReplicaId};
/// # let doc = Doc::new(ReplicaId::from_u128(1));
/// assert_eq!(doc.root("a/b").at(3).pointer(), "/a~1b/3"); // a name and an index
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Segment<'a> {
    /// The name of an entry of a map.
    Name(&'a str),
    /// The index of an element of a list, or of a row of a tree, from 0.
    Index(usize),
}

impl<'a> From<&'a str> for Segment<'a> {
    fn from(name: &'a str) -> Self {
        Segment::Name(name)
    }
}

impl From<usize> for Segment<'_> {
    fn from(index: usize) -> Self {
        Segment::Index(index)
    }
}

/// A path into a document, made of typed steps; names need no escaping. It is only a path: whether something
/// stands there is known when it is read. What costs is reading, not stepping.
///
/// ```
/// # use crdt::{Doc, ReplicaId};
/// let mut doc = Doc::new(ReplicaId::from_u128(1));
/// doc.transact(1_000, |tx| {
///     let mut items = tx.list("items");
///     items.push_map().put("what", "milk");
///     items.push_map().put("what", "tea");
///     tx.counter("votes").add(2);
/// });
/// let items = doc.root("items");
/// assert_eq!(items.at(1).at("what").read::<String>().as_deref(), Some("tea"));
/// assert_eq!(doc.root("votes").read::<i64>(), Some(2));
/// assert_eq!(doc.root("votes").read::<bool>(), None); // something else stands there
/// assert_eq!(items.at(7).at("what").value(), None); // nothing stands there
/// ```
#[derive(Clone, Debug)]
pub struct Ref<'a> {
    doc: &'a Doc,
    pointer: String,
}

impl Doc {
    /// The root with a name, to step on from.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| tx.map("form").put("name", "Ada"));
    /// assert_eq!(doc.root("form").at("name").read::<String>(), Some("Ada".into()));
    /// ```
    pub fn root(&self, name: &str) -> Ref<'_> {
        Ref { doc: self, pointer: String::new() }.at(name)
    }
}

impl<'a> Ref<'a> {
    /// The place one step below.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let doc = Doc::new(ReplicaId::from_u128(1));
    /// assert_eq!(doc.root("items").at(0).at("done").pointer(), "/items/0/done");
    /// ```
    #[must_use]
    pub fn at<'s>(&self, step: impl Into<Segment<'s>>) -> Ref<'a> {
        let mut pointer = self.pointer.clone();
        match step.into() {
            Segment::Name(name) => point(&mut pointer, name),
            Segment::Index(index) => point(&mut pointer, &index.to_string()),
        }
        Ref { doc: self.doc, pointer }
    }

    /// The path as a JSON pointer, as [`Doc::get`], patches and conflicts have it.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let doc = Doc::new(ReplicaId::from_u128(1));
    /// assert_eq!(doc.root("form").at("name").pointer(), "/form/name");
    /// ```
    pub fn pointer(&self) -> &str {
        &self.pointer
    }

    /// What stands there, as plain data.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| tx.flag("done").enable());
    /// assert_eq!(doc.root("done").value(), Some(true.into()));
    /// ```
    pub fn value(&self) -> Option<Value> {
        self.doc.get(&self.pointer)
    }

    /// What stands there, as a `bool`, `i64`, `f64`, `String`, `Vec<u8>`, `Vec<Value>`, map, or a type of yours
    /// that is made from a [`Value`]; `None` also when it is something else.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| tx.put("size", 7));
    /// assert_eq!(doc.root("size").read::<f64>(), Some(7.0));
    /// ```
    pub fn read<T: TryFrom<Value>>(&self) -> Option<T> {
        self.value()?.try_into().ok()
    }

    /// The text that stands there.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| tx.text("note").insert(0, "hello"));
    /// assert_eq!(doc.root("note").text().unwrap().len(), 5);
    /// ```
    pub fn text(&self) -> Option<&'a Text> {
        self.doc.text(&self.pointer)
    }

    /// The log that stands there.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| tx.log("events").append("opened"));
    /// assert_eq!(doc.root("events").log().unwrap().len(), 1);
    /// ```
    pub fn log(&self) -> Option<&'a Log<Scalar>> {
        self.doc.log(&self.pointer)
    }

    /// The tree that stands there.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId, tree::Position};
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| drop(Some(tx.tree("outline").create(None, Position::Last))));
    /// assert_eq!(doc.root("outline").tree().unwrap().walk().count(), 1);
    /// ```
    pub fn tree(&self) -> Option<TreeView<'a>> {
        self.doc.tree(&self.pointer)
    }
}
