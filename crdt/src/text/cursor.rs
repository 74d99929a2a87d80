//! [`Cursor`]: a place in a text that moves with what it stands beside.

use crate::codec::{Decode, DecodeError, Encode, Reader, Writer};
use crate::id::Dot;

use super::Text;

/// Which of its neighbours a [`Cursor`] stays with when something is inserted between them.
///
/// ```
/// # use crdt::{Doc, ReplicaId};
/// # let mut doc = Doc::new(ReplicaId::from_u128(1));
/// use crdt::text::Side;
/// doc.transact(0, |tx| tx.text("note").insert(0, "ab"));
/// let [before, after] = [Side::Before, Side::After].map(|side| doc.cursor("/note", 1, side).unwrap());
/// doc.transact(0, |tx| tx.text("note").insert(1, "-")); // right where both are
/// assert_eq!(doc.position(&before).unwrap().1, 2); // stays before the b
/// assert_eq!(doc.position(&after).unwrap().1, 1); // stays after the a
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// Before the next character, and at the end of the text behind whatever comes: where typing moves it on.
    Before,
    /// After the previous character, and at the start of the text before whatever comes.
    After,
}

/// A place between characters that survives edits, here and elsewhere: it names the character beside it, and
/// where that character stood once it is deleted.
///
/// ```
/// use crdt::text::Side;
/// use crdt::{Doc, ReplicaId};
/// let mut doc = Doc::new(ReplicaId::from_u128(1));
/// doc.transact(0, |tx| tx.text("note").insert(0, "hello world"));
/// let cursor = doc.text("note").unwrap().cursor(6, Side::Before);
/// doc.transact(0, |tx| tx.text("note").replace(0..5, "good morning,"));
/// assert_eq!(doc.text("note").unwrap().position(&cursor), Some(14)); // before "world" still
/// doc.transact(0, |tx| tx.text("note").delete(10..19));
/// assert_eq!(doc.text("note").unwrap().position(&cursor), Some(10));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cursor {
    /// The character; `None` for the end or the start of the text.
    anchor: Option<Dot>,
    side: Side,
}

impl Cursor {
    pub(crate) fn new(anchor: Option<Dot>, side: Side) -> Cursor {
        Cursor { anchor, side }
    }

    /// The character that it stays with; `None` at an end of the text.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// use crdt::text::Side;
    /// doc.transact(0, |tx| tx.text("note").insert(0, "hello"));
    /// let note = doc.text("note").unwrap();
    /// assert_eq!(note.cursor(2, Side::After).anchor(), note.dot_at(1)); // stays with the character before it
    /// assert_eq!(note.cursor(0, Side::After).anchor(), None);
    /// ```
    pub fn anchor(&self) -> Option<Dot> {
        self.anchor
    }

    /// On which side of that character it is.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// use crdt::text::Side;
    /// doc.transact(0, |tx| tx.text("note").insert(0, "hello"));
    /// let note = doc.text("note").unwrap();
    /// assert_eq!(note.cursor(2, Side::After).side(), Side::After);
    /// ```
    pub fn side(&self) -> Side {
        self.side
    }
}

impl Text {
    /// A cursor at `pos`; past the end means at the end. `O(log n)`.
    pub fn cursor(&self, pos: usize, side: Side) -> Cursor {
        let pos = pos.min(self.len());
        let beside = match side {
            Side::Before => Some(pos),
            Side::After => pos.checked_sub(1),
        };
        Cursor { anchor: beside.and_then(|pos| self.dot_at(pos)), side }
    }

    /// Where a cursor is now, as the number of characters before it. `None` when its character has not come to
    /// this replica, or is of another text. `O(log n)`.
    pub fn position(&self, cursor: &Cursor) -> Option<usize> {
        match (cursor.anchor, cursor.side) {
            (None, Side::Before) => Some(self.len()),
            (None, Side::After) => Some(0),
            (Some(dot), side) => {
                let (pos, visible) = self.place_of(dot)?;
                Some(pos + usize::from(visible && side == Side::After))
            }
        }
    }
}

const AFTER: u8 = 1;
const ANCHORED: u8 = 2;

impl Encode for Cursor {
    fn encode(&self, w: &mut Writer) {
        let side = if self.side == Side::After { AFTER } else { 0 };
        w.u8(side | if self.anchor.is_some() { ANCHORED } else { 0 });
        self.anchor.iter().for_each(|dot| w.dot(*dot));
    }
}

impl Decode for Cursor {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let kind = r.u8()?;
        if kind & !(AFTER | ANCHORED) != 0 {
            return Err(r.invalid("unknown kind of cursor"));
        }
        let anchor = if kind & ANCHORED != 0 { Some(r.dot()?) } else { None };
        Ok(Cursor { anchor, side: if kind & AFTER != 0 { Side::After } else { Side::Before } })
    }
}
