//! Reading rich text: [`Spans`], a text in pieces that have the same [`Attributes`].

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use crate::id::Dot;
use crate::sorted::few;
use crate::text::{Cursor, Side, Text};

use super::marks::{Index, Rank, Sweep};
use super::{Doc, Scalar, Value};

/// The attributes of characters, by key.
///
/// ```
/// # use crdt::{Doc, ReplicaId, doc::Expand};
/// let mut doc = Doc::new(ReplicaId::from_u128(1));
/// doc.transact(0, |tx| {
///     tx.text("note").insert(0, "hello");
///     tx.text("note").mark(0..5, "bold", true, Expand::After);
///     tx.text("note").mark(0..2, "colour", "red", Expand::After);
/// });
/// let attributes = doc.attributes("note", 1).unwrap();
/// assert_eq!(attributes.get("colour"), Some(&"red".into()));
/// assert_eq!(attributes.to_string(), r#"{"bold":true,"colour":"red"}"#);
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Attributes<'a>(Vec<(&'a str, &'a Scalar)>);

impl<'a> Attributes<'a> {
    fn of(shown: &BTreeMap<&'a str, &'a Scalar>) -> Attributes<'a> {
        Attributes(shown.iter().map(|(key, value)| (*key, *value)).collect())
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&'a Scalar> {
        self.0.iter().find(|(k, _)| *k == key).map(|(_, value)| *value)
    }

    /// Keys and values, by key.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// # use crdt::doc::Expand;
    /// doc.transact(0, |tx| {
    ///     tx.text("note").insert(0, "hello world");
    ///     tx.text("note").mark(0..5, "bold", true, Expand::After);
    /// });
    /// let keys: Vec<&str> = doc.attributes("note", 0).unwrap().iter().map(|(key, _)| key).collect();
    /// assert_eq!(keys, ["bold"]);
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a Scalar)> + '_ {
        self.0.iter().copied()
    }

    /// How many there are.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// # use crdt::doc::Expand;
    /// doc.transact(0, |tx| {
    ///     tx.text("note").insert(0, "hello world");
    ///     tx.text("note").mark(0..5, "bold", true, Expand::After);
    /// });
    /// assert_eq!(doc.attributes("note", 0).unwrap().len(), 1);
    /// ```
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As plain data of its own.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// # use crdt::doc::Expand;
    /// doc.transact(0, |tx| {
    ///     tx.text("note").insert(0, "hello world");
    ///     tx.text("note").mark(0..5, "bold", true, Expand::After);
    /// });
    /// assert_eq!(doc.attributes("note", 0).unwrap().to_value().pointer("/bold"), Some(&true.into()));
    /// ```
    pub fn to_value(&self) -> Value {
        Value::Map(few(self.iter().map(|(key, value)| (key.to_owned(), value.clone().into()))))
    }
}

/// As JSON.
impl fmt::Display for Attributes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_value().fmt(f)
    }
}

/// A piece of a text whose characters have the same attributes; [`Display`](fmt::Display) writes them.
///
/// ```
/// # use crdt::{Doc, ReplicaId};
/// # let mut doc = Doc::new(ReplicaId::from_u128(1));
/// use crdt::doc::Expand;
/// doc.transact(0, |tx| {
///     tx.text("note").insert(0, "hello world");
///     tx.text("note").mark(6..11, "link", "https://example.org", Expand::None);
/// });
/// let last = doc.spans("note").unwrap().last().unwrap();
/// assert_eq!((last.range(), last.to_string().as_str()), (6..11, "world"));
/// assert_eq!(last.attributes().to_string(), r#"{"link":"https://example.org"}"#);
/// ```
#[derive(Clone, Debug)]
pub struct TextSpan<'a> {
    text: &'a Text,
    range: Range<usize>,
    attributes: Attributes<'a>,
}

impl<'a> TextSpan<'a> {
    /// Which characters of the text they are.
    pub fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// What they have.
    pub fn attributes(&self) -> &Attributes<'a> {
        &self.attributes
    }

    /// The characters in pieces, without copying.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// # use crdt::doc::Expand;
    /// doc.transact(0, |tx| {
    ///     tx.text("note").insert(0, "hello world");
    ///     tx.text("note").mark(0..5, "bold", true, Expand::After);
    /// });
    /// let bold = doc.spans("note").unwrap().next().unwrap();
    /// assert_eq!(bold.chunks().collect::<String>(), "hello");
    /// ```
    pub fn chunks(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.text.chunks_in(self.range.clone())
    }
}

impl fmt::Display for TextSpan<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.chunks().try_for_each(|chunk| f.write_str(chunk))
    }
}

/// A text in order, in pieces that have the same attributes; see [`Doc::spans`].
///
/// ```
/// # use crdt::{Doc, ReplicaId};
/// # let mut doc = Doc::new(ReplicaId::from_u128(1));
/// use crdt::doc::Expand;
/// doc.transact(0, |tx| {
///     tx.text("note").insert(0, "hello world");
///     tx.text("note").mark(0..5, "bold", true, Expand::After);
/// });
/// let html: String = doc.spans("note").unwrap().map(|span| match span.attributes().get("bold") {
///     Some(_) => format!("<b>{span}</b>"),
///     None => span.to_string(),
/// }).collect();
/// assert_eq!(html, "<b>hello</b> world");
/// ```
#[derive(Clone, Debug)]
pub struct Spans<'a> {
    text: &'a Text,
    sweep: Sweep<'a>,
}

impl<'a> Iterator for Spans<'a> {
    type Item = TextSpan<'a>;

    fn next(&mut self) -> Option<TextSpan<'a>> {
        if self.sweep.is_done() {
            return None;
        }
        let (from, attributes) = (self.sweep.at(), Attributes::of(self.sweep.shown()));
        while !self.sweep.step() && !self.sweep.is_done() {}
        Some(TextSpan { text: self.text, range: from..self.sweep.at(), attributes })
    }
}

/// The attributes of the character at a position, or of what would be typed there.
pub(super) fn attributes_at<'a>(
    index: Option<&'a Index>,
    text: &'a Text,
    pos: usize,
    typed: bool,
) -> Attributes<'a> {
    let Some(index) = index else { return Attributes::default() };
    let spot = match (typed, index.insertion(pos, text)) {
        (false, _) => Some(Rank::before(pos)),
        (true, Some(deleted)) => Rank::behind_character(deleted, text),
        (true, None) => Some(Rank::behind(pos)),
    };
    spot.map_or_else(Attributes::default, |spot| attributes_behind(index, text, spot))
}

/// The attributes that a character has by the marks that cover it, deleted or not.
pub(super) fn attributes_of<'a>(index: &'a Index, text: &'a Text, dot: Dot) -> Attributes<'a> {
    let spot = Rank::of(&Cursor::new(Some(dot), Side::Before), text);
    spot.map_or_else(Attributes::default, |spot| attributes_behind(index, text, spot))
}

/// The attributes of what stands right behind a place.
fn attributes_behind<'a>(index: &'a Index, text: &'a Text, spot: Rank) -> Attributes<'a> {
    let mut winners = BTreeMap::new();
    for placed in index.touching(spot, spot, text).filter(|placed| placed.end.cmp(&spot, text).is_gt()) {
        let winner = winners.entry(placed.mark.key.as_str()).or_insert(placed);
        if winner.priority() < placed.priority() {
            *winner = placed;
        }
    }
    let shown = winners.into_iter().filter_map(|(key, placed)| Some((key, placed.mark.shown()?)));
    Attributes(shown.collect())
}

impl Doc {
    /// The text at a JSON pointer, or at a root, in pieces that have the same attributes. `None` when nothing
    /// was ever written there. `O(m log n)` for `m` marks, and no copy of the text.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId, doc::Expand};
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| {
    ///     tx.text("note").insert(0, "The fox jumped.");
    ///     tx.text("note").mark(4..7, "bold", true, Expand::After);
    /// });
    /// let html: String = doc.spans("note").unwrap().map(|span| match span.attributes().get("bold") {
    ///     Some(_) => format!("<b>{span}</b>"),
    ///     None => span.to_string(),
    /// }).collect();
    /// assert_eq!(html, "The <b>fox</b> jumped.");
    /// ```
    pub fn spans(&self, pointer: &str) -> Option<Spans<'_>> {
        let len = self.text(pointer)?.len();
        self.spans_in(pointer, 0..len)
    }

    /// [`spans`](Self::spans) of the characters in a range, as far as they exist.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// # use crdt::doc::Expand;
    /// doc.transact(0, |tx| {
    ///     tx.text("note").insert(0, "hello world");
    ///     tx.text("note").mark(0..5, "bold", true, Expand::After);
    /// });
    /// let pieces: Vec<String> = doc.spans_in("note", 3..8).unwrap().map(|span| span.to_string()).collect();
    /// assert_eq!(pieces, ["lo", " wo"]);
    /// ```
    pub fn spans_in(&self, pointer: &str, range: Range<usize>) -> Option<Spans<'_>> {
        let (text, index) = self.rich_text(pointer)?;
        let range = range.start.min(text.len())..range.end.min(text.len());
        let (from, to) = (Rank::before(range.start), Rank::behind(range.end));
        let marks = index.into_iter().flat_map(|index| index.between(from, to, text));
        Some(Spans { text, sweep: Sweep::new(marks, range) })
    }

    /// The attributes of the character at `pos` in the text at a JSON pointer, or at a root. `None` when there
    /// is no such character. `O(m / 64 · log n)` for `m` marks, and those over the character.
    pub fn attributes(&self, pointer: &str, pos: usize) -> Option<Attributes<'_>> {
        let (text, index) = self.rich_text(pointer)?;
        (pos < text.len()).then(|| attributes_at(index, text, pos, false))
    }

    /// The attributes that a character would have that is inserted at `pos`: what a toolbar shows for a
    /// cursor. `None` when there is no text, or it ends before `pos`. Costs as [`attributes`](Self::attributes).
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId, doc::Expand};
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| {
    ///     tx.text("note").insert(0, "bold");
    ///     tx.text("note").mark(0..4, "bold", true, Expand::After);
    /// });
    /// assert!(doc.attributes_for_insert("note", 0).unwrap().is_empty());
    /// assert!(doc.attributes_for_insert("note", 4).unwrap().get("bold").is_some());
    /// ```
    pub fn attributes_for_insert(&self, pointer: &str, pos: usize) -> Option<Attributes<'_>> {
        let (text, index) = self.rich_text(pointer)?;
        (pos <= text.len()).then(|| attributes_at(index, text, pos, true))
    }

    /// The text at a JSON pointer, or at a root, as Quill writes it: a list of `{"insert": …, "attributes": …}`.
    /// [`TextMut::apply_delta`](super::TextMut::apply_delta) takes it. `None` when nothing was ever written
    /// there.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId, doc::Expand};
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| {
    ///     tx.text("note").insert(0, "The fox");
    ///     tx.text("note").mark(4..7, "bold", true, Expand::After);
    /// });
    /// let json = r#"[{"insert":"The "},{"attributes":{"bold":true},"insert":"fox"}]"#;
    /// assert_eq!(doc.to_delta("note").unwrap().to_string(), json);
    /// ```
    pub fn to_delta(&self, pointer: &str) -> Option<Value> {
        let piece = |span: TextSpan<'_>| {
            let mut piece: BTreeMap<_, Value> = few([("insert".to_owned(), span.to_string().into())]);
            if !span.attributes().is_empty() {
                piece.insert("attributes".to_owned(), span.attributes().to_value());
            }
            Value::Map(piece)
        };
        Some(Value::List(self.spans(pointer)?.map(piece).collect()))
    }

    /// The text at a JSON pointer, or at a root, with its marks if it has any.
    fn rich_text(&self, pointer: &str) -> Option<(&Text, Option<&Index>)> {
        let path = self.text_at(pointer)?;
        let text = self.texts.get(&path).filter(|text| text.is_written())?;
        Some((text, self.marks_of(&path)))
    }
}
