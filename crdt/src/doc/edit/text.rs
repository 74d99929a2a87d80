//! [`TextMut`]: a text under edit.

use std::ops::Range;

use crate::doc::Doc;
use crate::doc::list::PLACEHOLDER;
use crate::doc::marks::Indexes;
use crate::doc::path::Path;
use crate::doc::record::Record;
use crate::doc::texts::Texts;
use crate::doc::undo::Inverse;
use crate::hlc::Hlc;
use crate::id::{Dot, Span};
use crate::text::{Text, TextPatch};

use super::marks::tight;
use super::{Edit, Spot};

/// A text under edit. Positions count characters (Unicode scalar values).
///
/// | A | B, concurrently | both |
/// |---|---|---|
/// | insert at a place | insert at that place | both, each in one piece, whichever way it was typed |
/// | delete a range | insert within it | what B inserted stays |
/// | delete characters | delete the same | they are gone, once |
/// | delete, or [clear](Self::clear) | insert at its edge | what B inserted stays |
///
/// [Marks](Self::mark) have a table of their own. `O(log n)` for each edit, typing on where one typed less. Source:
/// FugueMax of Weidner, Kleppmann, "The Art of the Fugue", 2023; see [`text`](crate::text).
///
/// ```
/// # use crdt::{Doc, ReplicaId, Replicated};
/// # let mut alice = Doc::new(ReplicaId::from_u128(1));
/// # let mut bob = Doc::new(ReplicaId::from_u128(2));
/// alice.transact(0, |tx| {
///     let mut note = tx.text("note");
///     note.insert(0, "hello wrld");
///     note.replace(6..10, "world");
///     assert_eq!(note.len(), 11);
/// });
/// bob.apply(&alice.delta_since(bob.version()))?;
/// alice.transact(0, |tx| tx.text("note").insert(11, "!"));
/// bob.transact(0, |tx| tx.text("note").delete(0..6)); // at the same time
/// alice.apply(&bob.delta_since(alice.version()))?;
/// assert_eq!(alice.text("note").unwrap().to_string(), "world!");
/// # Ok::<(), crdt::ApplyError>(())
/// ```
#[derive(Debug)]
pub struct TextMut<'a> {
    pub(super) edit: Edit<'a>,
    pub(super) path: &'a Path,
    pub(super) text: &'a mut Text,
    pub(super) marks: &'a mut Indexes,
}

impl<'a> TextMut<'a> {
    pub(super) fn open(doc: &'a mut Doc, stamp: Hlc, path: &Path) -> Self {
        Self::open_in(doc, stamp, |texts| texts.edit(path))
    }

    pub(super) fn open_root(doc: &'a mut Doc, stamp: Hlc, root: &str) -> Self {
        Self::open_in(doc, stamp, |texts| texts.edit_root(root))
    }

    fn open_in(
        doc: &'a mut Doc,
        stamp: Hlc,
        find: impl FnOnce(&'a mut Texts) -> (&'a Path, &'a mut Text),
    ) -> Self {
        let Doc { author, graph, tree, removals, texts, marks, record, .. } = doc;
        let record = record.as_deref_mut();
        let edit = Edit { author: *author, stamp, graph, tree, removals, record };
        let (path, text) = find(texts);
        TextMut { edit, path, text, marks }
    }

    /// How many characters there are.
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// Whether there are none.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| assert!(tx.text("note").is_empty()));
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Inserts before the character at `pos`; past the end means at the end. What is inserted has the attributes
    /// of the marks that it is within or that grow there.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| {
    ///     tx.text("note").insert(0, "grüße");
    ///     tx.text("note").insert(3, "-"); // before the fourth character
    /// });
    /// assert_eq!(doc.text("note").unwrap().to_string(), "grü-ße");
    /// ```
    pub fn insert(&mut self, pos: usize, s: &str) {
        if s.is_empty() {
            return;
        }
        let pos = pos.min(self.len());
        match self.insertion(pos) {
            Some(deleted) => drop(self.insert_behind(deleted, s)),
            None => {
                let (author, len) = (self.edit.author, s.chars().count());
                let first = self.edit.graph.append(author, len as u64);
                self.text.insert(author, first, pos, s, len);
                self.note_insertion(pos, Dot::new(author, first), s);
            }
        }
    }

    /// Behind which deleted character an insertion at `pos` goes, where marks want that.
    fn insertion(&self, pos: usize) -> Option<Dot> {
        self.marks()?.insertion(pos, self.text)
    }

    /// Inserts right behind a character, deleted or not; where that is.
    fn insert_behind(&mut self, left: Dot, s: &str) -> usize {
        let Edit { author, graph, .. } = &mut self.edit;
        let first = graph.append(*author, s.chars().count() as u64);
        let pos = self.text.insert_after(*author, first, left, s);
        let first = Dot::new(*author, first);
        self.note_insertion(pos, first, s);
        pos
    }

    /// Inserts where a deleted character stood; in a text that was made anew, after what stood left of it.
    pub(in crate::doc) fn insert_again(&mut self, deleted: Dot, left: Option<Dot>, s: &str) {
        let Some(anchor) = self.anchor(deleted, left) else {
            return self.insert(0, s);
        };
        let had = self.attributes_of(deleted, s.chars().count());
        let pos = self.insert_behind(anchor, s);
        for (range, attributes) in had {
            self.set_attributes(pos + range.start..pos + range.end, attributes, tight);
        }
    }

    /// The character after which something stood: itself as it was, or else its left neighbour then; `None`
    /// for the start.
    fn anchor(&self, deleted: Dot, left: Option<Dot>) -> Option<Dot> {
        [Some(deleted), left].into_iter().flatten().find(|dot| self.text.place_of(*dot).is_some())
    }

    fn note_insertion(&mut self, pos: usize, first: Dot, s: &str) {
        let path = self.path;
        if let Some(record) = &mut self.edit.record {
            let marked = !self.marks.is_empty() && self.marks.contains_key(path);
            record.text(path, TextPatch::Insert { pos, text: s.to_owned() });
            let len = s.chars().count() as u64;
            if marked {
                record.inserted(
                    path,
                    [Span { replica: first.replica, after: first.seq - 1, to: first.seq + len - 1 }],
                );
            }
            record.inverse(Inverse::Delete { path: path.clone(), first, len });
        }
    }

    /// Deletes the characters in `range`, as far as they exist.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| {
    ///     tx.text("note").insert(0, "hello");
    ///     tx.text("note").delete(1..4);
    ///     tx.text("note").delete(7..9); // not there
    /// });
    /// assert_eq!(doc.text("note").unwrap().to_string(), "ho");
    /// ```
    pub fn delete(&mut self, range: Range<usize>) {
        let range = range.start..range.end.min(self.len());
        if range.is_empty() {
            return;
        }
        let undoable = self.edit.record.as_deref().is_some_and(Record::wants_inverses);
        let inverses = undoable.then(|| Inverse::reinsert(self.text, self.marks(), self.path, range.clone()));
        if let Some(record) = &mut self.edit.record {
            record.text(self.path, TextPatch::Delete { pos: range.start, len: range.len() });
            inverses.into_iter().flatten().for_each(|inverse| record.inverse(inverse));
        }
        self.delete_unrecorded(range);
    }

    /// Deletes the characters in `range` and inserts `s` there.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| {
    ///     tx.text("note").insert(0, "hello");
    ///     tx.text("note").replace(0..1, "J");
    /// });
    /// assert_eq!(doc.text("note").unwrap().to_string(), "Jello");
    /// ```
    pub fn replace(&mut self, range: Range<usize>, s: &str) {
        self.delete(range.clone());
        self.insert(range.start, s);
    }

    /// Deletes everything.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId, Replicated};
    /// # let mut alice = Doc::new(ReplicaId::from_u128(1));
    /// # let mut bob = Doc::new(ReplicaId::from_u128(2));
    /// alice.transact(0, |tx| tx.text("note").insert(0, "hello"));
    /// bob.apply(&alice.delta_since(bob.version()))?;
    /// alice.transact(1, |tx| tx.text("note").clear());
    /// bob.transact(1, |tx| tx.text("note").insert(5, "!")); // alice has not seen it: it stays
    /// alice.apply(&bob.delta_since(alice.version()))?;
    /// assert_eq!(alice.text("note").unwrap().to_string(), "!");
    /// # Ok::<(), crdt::ApplyError>(())
    /// ```
    pub fn clear(&mut self) {
        self.delete(0..self.len());
    }

    pub(in crate::doc) fn text(&self) -> &Text {
        self.text
    }

    /// The event of a new placeholder of a list.
    pub(super) fn put_placeholder(&mut self, spot: Spot) -> Dot {
        let author = self.edit.author;
        let first = self.edit.graph.append(author, 1);
        match spot {
            Spot::Again { slot, left } => match self.anchor(slot, left) {
                Some(anchor) => drop(self.text.insert_after(author, first, anchor, PLACEHOLDER)),
                None => self.text.insert(author, first, 0, PLACEHOLDER, 1),
            },
            Spot::At(pos) => self.text.insert(author, first, pos.min(self.text.len()), PLACEHOLDER, 1),
        }
        Dot::new(author, first)
    }

    pub(super) fn delete_unrecorded(&mut self, range: Range<usize>) {
        if !range.is_empty() {
            let author = self.edit.author;
            let first = self.edit.graph.append(author, range.len() as u64);
            self.text.delete(author, first, range.start, range.len());
        }
    }
}
