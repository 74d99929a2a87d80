//! Collaborative text.
//!
//! [`Text`] orders characters as FugueMax does (Weidner, Kleppmann, "The Art of the Fugue", 2023), which is
//! maximally non-interleaving: what two people type at one place at once stays in two pieces. Every
//! character inserted and every character deleted is one event of the document that holds the text.
//!
//! Two parts: [`sequence`](self) keeps runs of characters in their order, deleted ones too, with the text
//! that is visible; the log keeps what each replica did, for those who lack it.

mod log;
mod sequence;

use std::fmt;
use std::ops::Range;

use crate::codec::{DecodeError, Reader, Writer};
use crate::context::DotRanges;
use crate::id::{Dot, ReplicaId, Span};

use log::Log;
pub(crate) use log::Op;
use sequence::Sequence;

/// A change of a text, in characters (Unicode scalar values) of the text as it was just before it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TextPatch {
    /// Characters appeared.
    Insert {
        /// Before which character.
        pos: usize,
        /// The characters.
        text: String,
    },
    /// Characters went.
    Delete {
        /// The first of them.
        pos: usize,
        /// How many.
        len: usize,
    },
}

/// One text of a [`Doc`](crate::Doc). Positions count characters (Unicode scalar values).
///
/// ```
/// use crdt::{Doc, ReplicaId};
/// let mut doc = Doc::new(ReplicaId::from_u128(1));
/// doc.transact(0, |tx| tx.text("note").insert(0, "grüße 👋"));
/// let note = doc.text("note").unwrap();
/// assert_eq!((note.len(), note.len_utf8(), note.len_utf16()), (7, 12, 8));
/// assert_eq!(note.slice(6..7), "👋");
/// ```
#[derive(Clone, Default)]
pub struct Text {
    sequence: Sequence,
    log: Log,
}

impl Text {
    /// How many characters there are.
    pub fn len(&self) -> usize {
        self.sequence.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes the text has in UTF-8. `O(n / 1000)`.
    pub fn len_utf8(&self) -> usize {
        self.chunks().map(str::len).sum()
    }

    /// How many code units the text has in UTF-16. `O(n)`.
    pub fn len_utf16(&self) -> usize {
        self.chunks().map(|chunk| chunk.encode_utf16().count()).sum()
    }

    /// The text in pieces, without copying.
    pub fn chunks(&self) -> impl Iterator<Item = &str> {
        self.sequence.chunks()
    }

    /// The characters in a range, as far as they exist.
    pub fn slice(&self, range: Range<usize>) -> String {
        let all = self.chunks().flat_map(str::chars);
        all.skip(range.start).take(range.end.saturating_sub(range.start)).collect()
    }

    /// The event that inserted each visible character, in their order: what names a character for ever.
    ///
    /// ```
    /// use crdt::{Doc, Dot, ReplicaId};
    /// let alice = ReplicaId::from_u128(1);
    /// let mut doc = Doc::new(alice);
    /// doc.transact(0, |tx| tx.text("note").insert(0, "ac"));
    /// doc.transact(0, |tx| tx.text("note").insert(1, "b"));
    /// let note = doc.text("note").unwrap();
    /// assert!(note.dots().eq([Dot::new(alice, 1), Dot::new(alice, 3), Dot::new(alice, 2)]));
    /// assert_eq!(note.dot_at(1), Some(Dot::new(alice, 3)));
    /// assert_eq!(note.position_of(Dot::new(alice, 2)), Some(2));
    /// ```
    pub fn dots(&self) -> impl Iterator<Item = Dot> + '_ {
        self.sequence
            .visible_runs()
            .flat_map(|run| (run.after + 1..=run.to).map(move |seq| Dot::new(run.replica, seq)))
    }

    /// The event that inserted the character at `pos`; `None` past the end. `O(log n)`.
    pub fn dot_at(&self, pos: usize) -> Option<Dot> {
        self.sequence.dot_at(pos)
    }

    /// Where the character that an event inserted stands; `None` when it was deleted, or is no character of
    /// this text. `O(log n)`.
    pub fn position_of(&self, dot: Dot) -> Option<usize> {
        self.sequence.position_of(dot)
    }

    /// How many runs the text and what was deleted of it are kept in: a measure of its memory.
    pub fn runs(&self) -> usize {
        self.sequence.runs()
    }

    /// Inserts by `author` before the character at `pos`; its characters are the events from `first` on.
    pub(crate) fn insert(&mut self, author: ReplicaId, first: u64, pos: usize, text: &str) {
        let at = Dot::new(author, first);
        let (left, right) = self.sequence.insert_at(pos, at, text);
        self.log.push(at, Op::Insert { left, right, text: text.to_owned() });
    }

    /// Deletes by `author` the `len` characters from `pos` on; the events are those from `first` on.
    pub(crate) fn delete(&mut self, author: ReplicaId, first: u64, pos: usize, len: usize) {
        let mut seq = first;
        for target in self.sequence.delete_at(pos, len) {
            let op = Op::Delete {
                target: Dot::new(target.replica, target.after + 1),
                len: target.len(),
                back: false,
            };
            self.log.push(Dot::new(author, seq), op);
            seq += target.len();
        }
    }

    /// Whether every character that `op` names is here or in `coming`.
    pub(crate) fn accepts(&self, op: &Op, coming: &DotRanges) -> bool {
        let known = |dot: Dot| {
            let span = Span { replica: dot.replica, after: dot.seq - 1, to: dot.seq };
            self.sequence.contains_all(span, coming)
        };
        match op {
            Op::Insert { left, right, .. } => left.is_none_or(known) && right.is_none_or(known),
            Op::Delete { .. } => op.targets().is_some_and(|span| self.sequence.contains_all(span, coming)),
        }
    }

    /// Takes another replica's operation, which [`accepts`](Self::accepts) has let through.
    pub(crate) fn apply(&mut self, at: Dot, op: Op, patches: &mut Vec<TextPatch>) {
        match &op {
            Op::Insert { left, right, text } => {
                if let Some(pos) = self.sequence.integrate(at, *left, *right, text) {
                    patches.push(TextPatch::Insert { pos, text: text.clone() });
                }
            }
            Op::Delete { .. } => {
                if let Some(span) = op.targets() {
                    self.sequence.delete(span, |pos, len| patches.push(TextPatch::Delete { pos, len }));
                }
            }
        }
        self.log.push(at, op);
    }

    /// Whether this text has operations among these events.
    pub(crate) fn touches(&self, spans: &[Span]) -> bool {
        spans.iter().any(|span| self.log.touches(*span))
    }

    /// Writes the operations among these events, by replica and number.
    pub(crate) fn encode(&self, spans: &[Span], w: &mut Writer) {
        self.log.encode(spans, w);
    }

    /// Reads what [`encode`](Self::encode) wrote.
    pub(crate) fn decode(spans: &[Span], r: &mut Reader<'_>) -> Result<Vec<(Dot, Op)>, DecodeError> {
        log::decode(spans, r)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.chunks().try_for_each(|chunk| f.write_str(chunk))
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Text").field(&self.to_string()).finish()
    }
}
