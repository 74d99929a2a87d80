//! Marking a text: [`TextMut::mark`], and what Quill calls a delta.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use smol_str::SmolStr;

use crate::doc::marks::{Expand, Index, Made, Mark, Marks, News, Placed, Rank};
use crate::doc::node::Node;
use crate::doc::path::Shape;
use crate::doc::spans::{Attributes, attributes_at, attributes_of};
use crate::doc::undo::Inverse;
use crate::doc::{Scalar, Value};
use crate::dots::DotStore;
use crate::id::Dot;
use crate::sorted::few;
use crate::text::{Cursor, Side, Text};

use super::TextMut;

/// Why a value is no Quill delta. The text is as it was.
///
/// ```
/// # use crdt::{Doc, ReplicaId};
/// # let mut doc = Doc::new(ReplicaId::from_u128(1));
/// use crdt::doc::{RichTextError, Value};
/// let delta = Value::List(vec![Value::Map([("retain".to_string(), 5.into())].into())]);
/// let refused = doc.transact(0, |tx| tx.text("note").apply_delta(&delta, |_| crdt::doc::Expand::After));
/// assert_eq!(refused, Err(RichTextError::PastEnd));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RichTextError {
    /// It is no list of objects, each of which has one of `insert`, `retain` and `delete`.
    Shape,
    /// Something other than text is inserted.
    Embed,
    /// A length that is no positive whole number, or attributes that are no object of plain values.
    Type,
    /// It goes on past the end of the text.
    PastEnd,
}

messages! { RichTextError {
    Self::Shape => "not a list of insertions, retentions and deletions; the text is unchanged",
    Self::Embed => "only text can be inserted; the text is unchanged",
    Self::Type => "a length or attributes of another type; the text is unchanged",
    Self::PastEnd => "past the end of the text, which is unchanged",
} }

impl TextMut<'_> {
    /// Gives the characters in `range`, as far as they exist, an attribute; null takes it away. `expand` says
    /// where the mark grows, and belongs to the key.
    ///
    /// | A | B, concurrently | both |
    /// |---|---|---|
    /// | bold a range | make another that overlaps italic, or bold | each has what was said of it; the overlap both |
    /// | make a range red | make one that overlaps green | the overlap has the colour of the later stamp |
    /// | bold a range | take bold away from a part | the part has what the later stamp says |
    /// | mark a range | insert within it | what was inserted is marked |
    /// | mark a range | insert right at its end or start | marked where the key expands |
    /// | mark a range | delete some of it, or all | the rest is marked; what comes among the deleted, too |
    /// | mark a range | remove the whole text | what B had not seen stays |
    ///
    /// `O(m / 64 · log n)` for `m` marks on the text, and those of the same key that it meets. Source: Litt,
    /// Lim, Kleppmann, van Hardenberg, "Peritext", 2022. Blocks (paragraphs, headings, items of lists) are not
    /// marks: make the document a list of texts for those.
    ///
    /// ```
    /// use crdt::doc::Expand;
    /// use crdt::{Doc, ReplicaId, Replicated};
    /// let mut alice = Doc::new(ReplicaId::from_u128(1));
    /// let mut bob = Doc::new(ReplicaId::from_u128(2));
    /// alice.transact(0, |tx| tx.text("note").insert(0, "The fox jumped."));
    /// bob.apply(&alice.delta_since(bob.version()))?;
    /// alice.transact(1, |tx| tx.text("note").mark(0..7, "bold", true, Expand::After));
    /// bob.transact(1, |tx| {
    ///     tx.text("note").mark(4..14, "italic", true, Expand::After);
    ///     tx.text("note").insert(3, " quick");
    /// });
    /// bob.apply(&alice.delta_since(bob.version()))?;
    /// let spans = bob.spans("note").unwrap().map(|span| format!("{span} {}", span.attributes()));
    /// assert_eq!(spans.collect::<Vec<_>>(), [
    ///     r#"The quick  {"bold":true}"#,
    ///     r#"fox {"bold":true,"italic":true}"#,
    ///     r#" jumped {"italic":true}"#,
    ///     ". {}",
    /// ]);
    /// # Ok::<(), crdt::ApplyError>(())
    /// ```
    pub fn mark(&mut self, range: Range<usize>, key: &str, value: impl Into<Scalar>, expand: Expand) {
        let value = value.into();
        let expand = if value == Scalar::Null { expand.of_removal() } else { expand };
        let range = range.start..range.end.min(self.len());
        if range.is_empty() {
            return;
        }
        let side = |grows: bool, outside: Side, inside: Side| if grows { outside } else { inside };
        let start = self.text.cursor(range.start, side(expand.at_start(), Side::After, Side::Before));
        let end = self.text.cursor(range.end, side(expand.at_end(), Side::Before, Side::After));
        self.put_mark(key.into(), value, start, end);
    }

    /// Takes an attribute away from the characters in `range`, as far as they have it. `expand` is that of the
    /// key, as it was marked.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId, doc::Expand};
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| {
    ///     tx.text("note").insert(0, "The fox jumped.");
    ///     tx.text("note").mark(0..15, "bold", true, Expand::After);
    ///     tx.text("note").unmark(3..15, "bold", Expand::After);
    /// });
    /// assert_eq!(doc.spans("note").unwrap().next().unwrap().to_string(), "The");
    /// ```
    pub fn unmark(&mut self, range: Range<usize>, key: &str, expand: Expand) {
        self.mark(range, key, Scalar::Null, expand);
    }

    /// The attributes of the character at `pos`; none past the end.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// use crdt::doc::Expand;
    /// doc.transact(0, |tx| {
    ///     let mut note = tx.text("note");
    ///     note.insert(0, "hello");
    ///     note.mark(0..2, "bold", true, Expand::After);
    ///     assert!(note.attributes(1).get("bold").is_some() && note.attributes(2).is_empty());
    /// });
    /// ```
    pub fn attributes(&self, pos: usize) -> Attributes<'_> {
        let index = self.marks().filter(|_| pos < self.len());
        attributes_at(index, self.text, pos, false)
    }

    /// The attributes that a character would have that is inserted at `pos`.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// use crdt::doc::Expand;
    /// doc.transact(0, |tx| {
    ///     let mut note = tx.text("note");
    ///     note.insert(0, "hello");
    ///     note.mark(0..2, "bold", true, Expand::After);
    ///     assert!(note.attributes_for_insert(2).get("bold").is_some()); // it grows at its end
    /// });
    /// ```
    pub fn attributes_for_insert(&self, pos: usize) -> Attributes<'_> {
        attributes_at(self.marks(), self.text, pos.min(self.len()), true)
    }

    /// The marks of this text, if it has any.
    pub(super) fn marks(&self) -> Option<&Index> {
        if self.marks.is_empty() {
            return None;
        }
        let index = self.marks.get(self.path)?;
        Some(index.get_or_init(|| self.edit.index(self.path, self.text)))
    }

    /// Writes a mark between two anchors, and ends those of its key that lie within it. Taking away what no
    /// character between them has is no event.
    pub(in crate::doc) fn put_mark(&mut self, key: SmolStr, value: Scalar, start: Cursor, end: Cursor) {
        let (Some(from), Some(to)) = (Rank::of(&start, self.text), Rank::of(&end, self.text)) else { return };
        let index = self.marks.entry(self.path.clone()).or_default();
        index.get_or_init(|| self.edit.index(self.path, self.text));
        let Some(index) = index.get_mut() else { return };
        let met: Vec<Placed<'_>> =
            index.between(from, to, self.text).filter(|placed| placed.mark.key == key).collect();
        let nothing = value == Scalar::Null && met.iter().all(|placed| placed.mark.shown().is_none());
        if nothing || from.cmp(&to, self.text).is_ge() {
            return;
        }
        if self.edit.record.as_deref().is_some_and(|record| record.wants_inverses()) {
            let before = pieces(&met, (start, from), (end, to), self.text);
            let before = before.into_iter().map(|(start, end, value)| (key.clone(), value, start, end));
            let at = Dot::new(self.edit.author, self.edit.graph.version().get(self.edit.author) + 1);
            let inverse = Inverse::Marks { path: self.path.clone(), at, marks: before.collect() };
            self.edit.record.iter_mut().for_each(|record| record.inverse(inverse.clone()));
        }
        let within = met.iter().filter(|placed| placed.is_within(&from, &to, self.text));
        let ended: Vec<Made> = within.map(|placed| (placed.dot, Arc::clone(placed.mark))).collect();
        let mut stamp = self.edit.stamp;
        if index.last() >= stamp {
            stamp.observe(index.last());
            stamp.tick(0);
        }
        let mark = Arc::new(Mark { key, value, start, end, stamp });
        let mut made = None;
        self.edit.mutate(&self.path.beside(Shape::Marks), |node, cx| {
            if let Node::Marks(marks) = node {
                made = Some(marks.add(Arc::clone(&mark), &ended, cx));
            }
        });
        let Some(made) = made.map(|dot: Dot| (dot, mark)) else { return };
        index.insert(made.clone(), self.text);
        ended.iter().for_each(|gone| index.remove(gone, self.text));
        if let Some(record) = &mut self.edit.record {
            record.marks(self.path, News { added: vec![made], removed: ended });
        }
    }

    /// Ends all marks.
    pub(super) fn end_marks(&mut self) {
        if self.marks.remove(self.path).is_none() {
            return;
        }
        let (mut removed, marks) = (Vec::new(), self.path.beside(Shape::Marks));
        self.edit.mutate(&marks, |node, cx| {
            removed.extend(node.marks().into_iter().flat_map(Marks::all));
            node.clear(cx);
        });
        if let Some(record) = &mut self.edit.record {
            record.marks(self.path, News { added: Vec::new(), removed });
        }
    }

    /// Inserts text that has these attributes and no others, whatever stands around it. `expand` says of each
    /// key where its marks grow.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId, doc::Expand};
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| {
    ///     tx.text("note").insert(0, "all bold");
    ///     tx.text("note").mark(0..8, "bold", true, Expand::After);
    ///     tx.text("note").insert_with(3, " but", [("italic", true)], |_| Expand::After);
    /// });
    /// let spans: Vec<String> = doc.spans("note").unwrap().map(|s| s.attributes().to_string()).collect();
    /// assert_eq!(spans, [r#"{"bold":true}"#, r#"{"italic":true}"#, r#"{"bold":true}"#]);
    /// ```
    pub fn insert_with<'k, V: Into<Scalar>>(
        &mut self,
        pos: usize,
        s: &str,
        attributes: impl IntoIterator<Item = (&'k str, V)>,
        expand: impl Fn(&str) -> Expand,
    ) {
        let pos = pos.min(self.len());
        let len = s.chars().count();
        self.insert(pos, s);
        if len == 0 {
            return;
        }
        let attributes = attributes.into_iter().map(|(key, value)| (key.to_owned(), value.into()));
        self.set_attributes(pos..pos + len, attributes.collect(), |key, _| expand(key));
    }

    /// Gives characters that all have the same attributes these and no others.
    pub(super) fn set_attributes(
        &mut self,
        range: Range<usize>,
        attributes: BTreeMap<String, Scalar>,
        expand: impl Fn(&str, &Scalar) -> Expand,
    ) {
        let has = self.attributes(range.start);
        let mut changes: BTreeMap<String, Scalar> =
            few(has.iter().map(|(key, _)| (key.to_owned(), Scalar::Null)));
        changes.extend(attributes);
        changes.retain(|key, value| has.get(key).unwrap_or(&Scalar::Null) != value);
        for (key, value) in changes {
            let expand = expand(&key, &value);
            self.mark(range.clone(), &key, value, expand);
        }
    }

    /// What deleted characters, numbered from `first` on, have by the marks that cover them now, as runs of those
    /// that have the same. None in a text without marks.
    pub(super) fn attributes_of(
        &self,
        first: Dot,
        len: usize,
    ) -> Vec<(Range<usize>, BTreeMap<String, Scalar>)> {
        let Some(index) = self.marks() else { return Vec::new() };
        let nth = |n: usize| Dot::new(first.replica, first.seq + n as u64);
        let (from, to) =
            (Cursor::new(Some(first), Side::Before), Cursor::new(Some(nth(len - 1)), Side::After));
        let (Some(from), Some(to)) = (Rank::of(&from, self.text), Rank::of(&to, self.text)) else {
            return Vec::new();
        };
        let anchors =
            index.between(from, to, self.text).flat_map(|placed| [placed.mark.start, placed.mark.end]);
        let offsets = anchors.filter_map(|anchor| {
            let dot = anchor.anchor().filter(|dot| dot.replica == first.replica)?;
            let offset = usize::try_from(dot.seq.checked_sub(first.seq)?).ok()?;
            Some(offset + usize::from(anchor.side() == Side::After))
        });
        let cuts: BTreeSet<usize> = few(offsets.filter(|offset| *offset < len).chain([0, len]));
        let runs = cuts.iter().zip(cuts.iter().skip(1)).map(|(from, to)| {
            let has = attributes_of(index, self.text, nth(*from));
            (*from..*to, few(has.iter().map(|(key, value)| (key.to_owned(), value.clone()))))
        });
        runs.collect()
    }

    /// Applies a change as Quill writes it: a list of `{"insert": "text"}`, `{"retain": n}` and `{"delete": n}`,
    /// the first two with `"attributes"` or without; an attribute of `null` is taken away. Lengths count
    /// characters (Unicode scalar values). `expand` says of each key where its marks grow.
    ///
    /// # Errors
    /// See [`RichTextError`]; nothing is changed.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId, doc::{Expand, Value}};
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// let mut copy = Doc::new(ReplicaId::from_u128(2));
    /// doc.transact(0, |tx| {
    ///     tx.text("note").insert(0, "The fox");
    ///     tx.text("note").mark(4..7, "bold", true, Expand::After);
    /// });
    /// let delta = doc.to_delta("note").unwrap();
    /// copy.transact(0, |tx| tx.text("note").apply_delta(&delta, |_| Expand::After))?;
    /// assert_eq!(copy.to_delta("note"), Some(delta));
    /// # Ok::<(), crdt::doc::RichTextError>(())
    /// ```
    pub fn apply_delta(
        &mut self,
        delta: &Value,
        expand: impl Fn(&str) -> Expand,
    ) -> Result<(), RichTextError> {
        let Value::List(list) = delta else { return Err(RichTextError::Shape) };
        let steps = list.iter().map(Step::read).collect::<Result<Vec<_>, _>>()?;
        let mut left = self.len();
        for step in &steps {
            left = left.checked_sub(step.takes()).ok_or(RichTextError::PastEnd)?;
        }
        let mut pos = 0;
        for step in steps {
            match step {
                Step::Insert(text, attributes) => {
                    self.insert_with(pos, text, attributes, &expand);
                    pos += text.chars().count();
                }
                Step::Retain(n, attributes) => {
                    for (key, value) in attributes {
                        self.mark(pos..pos + n, key, value, expand(key));
                    }
                    pos += n;
                }
                Step::Delete(n) => self.delete(pos..pos + n),
            }
        }
        Ok(())
    }
}

/// How marks grow that bring back what deleted characters had: not at all.
pub(super) fn tight(_: &str, value: &Scalar) -> Expand {
    if *value == Scalar::Null { Expand::Both } else { Expand::None }
}

/// One step of a Quill delta.
enum Step<'a> {
    Insert(&'a str, Vec<(&'a str, Scalar)>),
    Retain(usize, Vec<(&'a str, Scalar)>),
    Delete(usize),
}

impl<'a> Step<'a> {
    fn read(value: &'a Value) -> Result<Step<'a>, RichTextError> {
        let Value::Map(map) = value else { return Err(RichTextError::Shape) };
        let attributes = || match map.get("attributes") {
            None | Some(Value::Scalar(Scalar::Null)) => Ok(Vec::new()),
            Some(Value::Map(all)) => all.iter().map(attribute).collect(),
            Some(_) => Err(RichTextError::Type),
        };
        match (map.get("insert"), map.get("retain"), map.get("delete")) {
            (Some(Value::Scalar(Scalar::Str(text))), None, None) => Ok(Step::Insert(text, attributes()?)),
            (Some(_), None, None) => Err(RichTextError::Embed),
            (None, Some(n), None) => Ok(Step::Retain(length(n)?, attributes()?)),
            (None, None, Some(n)) => Ok(Step::Delete(length(n)?)),
            _ => Err(RichTextError::Shape),
        }
    }

    /// How many characters of the text it is about.
    fn takes(&self) -> usize {
        match self {
            Step::Insert(..) => 0,
            Step::Retain(n, _) | Step::Delete(n) => *n,
        }
    }
}

fn length(value: &Value) -> Result<usize, RichTextError> {
    match value {
        Value::Scalar(Scalar::Int(n)) if *n > 0 => usize::try_from(*n).map_err(|_| RichTextError::Type),
        _ => Err(RichTextError::Type),
    }
}

fn attribute<'a>((key, value): (&'a String, &Value)) -> Result<(&'a str, Scalar), RichTextError> {
    match value {
        Value::Scalar(value) => Ok((key, value.clone())),
        _ => Err(RichTextError::Type),
    }
}

/// What a key has between two anchors, piece by piece from one to the other, each with its own anchors.
fn pieces(
    met: &[Placed<'_>],
    (start, from): (Cursor, Rank),
    (end, to): (Cursor, Rank),
    text: &Text,
) -> Vec<(Cursor, Cursor, Scalar)> {
    let ends =
        met.iter().flat_map(|placed| [(placed.mark.start, placed.start), (placed.mark.end, placed.end)]);
    let inside = |(_, rank): &(Cursor, Rank)| rank.cmp(&from, text).is_gt() && rank.cmp(&to, text).is_lt();
    let mut cuts: Vec<(Cursor, Rank)> = ends.filter(inside).chain([(start, from), (end, to)]).collect();
    cuts.sort_by(|(_, a), (_, b)| a.cmp(b, text));
    cuts.dedup_by(|(_, b), (_, a)| a.cmp(b, text).is_eq());
    let mut out: Vec<(Cursor, Cursor, Scalar)> = Vec::new();
    for ((a, at), (b, next)) in cuts.iter().zip(cuts.iter().skip(1)) {
        let over = met.iter().filter(|placed| placed.meets(at, next, text));
        let winner = over.max_by_key(|placed| placed.priority());
        let value = winner.map_or(Scalar::Null, |placed| placed.mark.value.clone());
        match out.last_mut().filter(|(.., last)| *last == value) {
            Some((_, end, _)) => *end = *b,
            None => out.push((*a, *b, value)),
        }
    }
    out
}
